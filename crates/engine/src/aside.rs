//! Work that would hold up everybody runs on a thread aside. Where the runtime has one thread only,
//! as in a simulation, it runs in line: nothing then happens out of its order.

use crate::Error;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs it to its end.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::internal(&e))
}
