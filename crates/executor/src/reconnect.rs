//! Opening an event stream, and opening it again when the server went away: a restart loses nothing,
//! because a stream goes on after the last number that was seen.

use crate::client::Client;
use crate::events::Events;
use crate::failure::{Exit, Result};
use crate::output::Output;
use std::time::{Duration, Instant};

/// How long to look for a server that went away.
const PATIENCE: Duration = Duration::from_secs(120);

/// A stream that is opened as often as it takes.
pub(crate) struct Source<'a> {
    pub(crate) output: &'a Output,
    pub(crate) path: Vec<&'a str>,
    /// What happens meanwhile, in words.
    pub(crate) kept: &'a str,
    /// What to do where the server does not come back.
    pub(crate) next: String,
}

impl Source<'_> {
    /// Opens the stream after an event, looking for a server that went away until patience ends.
    /// Nothing when the person leaves with Ctrl-C.
    pub(crate) async fn open(
        &self,
        client: &mut Client,
        after: Option<i64>,
    ) -> Result<Option<Events>> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            let failure = match client.events(&self.path, after).await {
                Ok(stream) => {
                    if told {
                        self.output.note("the server is back");
                    }
                    return Ok(Some(stream));
                }
                Err(failure) if failure.exit == Exit::Unreachable => failure,
                Err(failure) => return Err(failure),
            };
            if begun.elapsed() > PATIENCE {
                return Err(failure.next(self.next.clone()));
            }
            if !told {
                self.output.note(&format!(
                    "the server went away; waiting for it ({})",
                    self.kept
                ));
                told = true;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(250)) => {}
                _ = tokio::signal::ctrl_c() => return Ok(None),
            }
            *client = client.again();
        }
    }
}
