//! Server-sent events, read as they come.
//!
//! Only the data of an event is read: our events carry their number and kind in it.

use crate::client::innermost;
use crate::failure::{Failure, Result};
use api::events::Event;
use reqwest::Response;

/// Bytes of one event at most; a larger one is not of our server.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// A stream of events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
pub(crate) struct Events {
    response: Response,
    buffer: Vec<u8>,
}

/// A text in the data of an event; empty where there is none of that name.
pub(crate) fn text_of<'e>(event: &'e Event, key: &str) -> &'e str {
    let found = event.data.get(key).and_then(serde_json::Value::as_str);
    found.unwrap_or_default()
}

impl Events {
    /// Reads the stream that a response carries.
    pub(crate) fn new(response: Response) -> Self {
        Self {
            response,
            buffer: Vec::new(),
        }
    }

    /// The next event; none when the stream has ended. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        while let Some(data) = self.next_data().await? {
            if let Ok(event) = serde_json::from_slice(&data) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    async fn next_data(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some(data) = take_data(&mut self.buffer) {
                return Ok(Some(data));
            }
            if self.buffer.len() > EVENT_BYTES_MAX {
                return Err(Failure::failed(
                    "unexpected_answer",
                    "an event of the stream is too large",
                ));
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Ok(None) => return Ok(None),
                Err(e) => {
                    return Err(Failure::unreachable(format!(
                        "the event stream broke off ({})",
                        innermost(&e)
                    )));
                }
            }
        }
    }
}

/// Cuts the first complete event off a buffer and yields its data; events without data are skipped.
pub(crate) fn take_data(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        let (end, gap) = end_of_event(buffer)?;
        let event: Vec<u8> = buffer.drain(..end + gap).take(end).collect();
        let mut data = Vec::new();
        for line in event.split(|b| *b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(rest) = line.strip_prefix(b"data:") {
                if !data.is_empty() {
                    data.push(b'\n');
                }
                data.extend_from_slice(rest.strip_prefix(b" ").unwrap_or(rest));
            }
        }
        if !data.is_empty() {
            return Some(data);
        }
    }
}

fn end_of_event(buffer: &[u8]) -> Option<(usize, usize)> {
    let at = |gap: &[u8]| {
        buffer
            .windows(gap.len())
            .position(|w| w == gap)
            .map(|position| (position, gap.len()))
    };
    [at(b"\n\n"), at(b"\r\n\r\n")].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::take_data;

    #[test]
    fn events_are_cut_where_they_end() {
        let mut buffer = b": hello\n\nid: 1\nevent: log\ndata: {\"a\":\ndata: 1}\n\nid: 2\r\ndata:x\r\n\r\ndata: un".to_vec();
        assert_eq!(take_data(&mut buffer).unwrap(), b"{\"a\":\n1}");
        assert_eq!(take_data(&mut buffer).unwrap(), b"x");
        assert_eq!(take_data(&mut buffer), None);
        buffer.extend_from_slice(b"done\n\n");
        assert_eq!(take_data(&mut buffer).unwrap(), b"undone");
    }
}
