//! What the server holds in its memory stays there: keys and opened credentials would stand in a dump
//! of it, and a dump lies where nobody looks after it.

use crate::failure::{Failure, Result};
use rustix::process::{Resource, Rlimit, setrlimit};

/// From now on a crash of this process, or of one that it starts, leaves no dump.
///
/// # Errors
/// Where the system does not take the limit.
pub(crate) fn no_dumps() -> Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(|e| {
        Failure::failed(
            "system",
            format!("dumps of this process could not be turned off: {e}"),
        )
    })
}
