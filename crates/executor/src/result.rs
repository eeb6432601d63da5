//! Results too large to be carried whole: read page by page from the server, to a file or to stdout.

use crate::client::Client;
use crate::failure::{Failure, Result};
use api::tasks::ResultPart;
use serde_json::Value;
use std::io::Write;

/// The handle in the place of a large value, and how many bytes the value has.
pub(crate) fn handle(value: &Value) -> Option<(&str, u64)> {
    Some((
        value.get("$handle")?.as_str()?,
        value.get("bytes")?.as_u64()?,
    ))
}

/// Writes the whole value that a handle stands for, as JSON; answers how many bytes it has.
pub(crate) async fn write_whole(client: &Client, id: &str, out: &mut dyn Write) -> Result<u64> {
    let mut offset = 0;
    loop {
        let at = offset.to_string();
        let part: ResultPart = client
            .get(&["results", id], &[("offset", &at), ("length", "1048576")])
            .await?;
        out.write_all(part.text.as_bytes())
            .map_err(|e| unwritable(&e))?;
        match part.next_offset {
            Some(next) => offset = next,
            None => {
                out.flush().map_err(|e| unwritable(&e))?;
                return Ok(part.bytes);
            }
        }
    }
}

/// The failure of an output that takes no more.
pub(crate) fn unwritable(error: &std::io::Error) -> Failure {
    Failure::failed("output", format!("the result cannot be written: {error}"))
}
