//! Server-sent events as they arrive, bounded: an event larger than the limit is an error.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

use std::time::Duration;

/// One event that carries data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its type; empty for `message`.
    pub(super) kind: String,
    pub(super) data: String,
}

/// Takes a stream apart.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// What has come and is no whole line yet.
    rest: Vec<u8>,
    event: Event,
    has_data: bool,
    /// Where to resume: the last id that was given.
    pub(super) last_id: Option<String>,
    /// How long to wait before that.
    pub(super) retry: Option<Duration>,
}

impl Events {
    /// The events that are complete with these bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], bytes_max: usize) -> Result<Vec<Event>, ()> {
        let mut found = Vec::new();
        self.rest.extend_from_slice(bytes);
        let mut from = 0;
        while let Some((line_end, next)) = line_end(&self.rest, from) {
            let line = String::from_utf8_lossy(&self.rest[from..line_end]).into_owned();
            found.extend(self.line(&line));
            from = next;
        }
        self.rest.drain(..from);
        if self.rest.len() + self.event.data.len() > bytes_max {
            return Err(());
        }
        Ok(found)
    }

    /// Another stream goes on after the last event; what had begun is sent again.
    pub(super) fn begin_again(&mut self) {
        self.rest.clear();
        self.event = Event::default();
        self.has_data = false;
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.kind),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
            "retry" => self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry),
            // A comment, or a field that nobody defined.
            _ => {}
        }
        None
    }
}

/// Where the line that begins at `from` ends, and where the next one begins. A carriage return at
/// the very end may be half of a line break, so it waits for what follows.
fn line_end(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let at = from
        + bytes[from..]
            .iter()
            .position(|b| matches!(b, b'\n' | b'\r'))?;
    match (bytes[at], bytes.get(at + 1)) {
        (b'\n', _) => Some((at, at + 1)),
        (_, Some(b'\n')) => Some((at, at + 2)),
        (_, Some(_)) => Some((at, at + 1)),
        (_, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_the_bytes_are_cut() {
        let text = "\u{feff}: hi\r\nid: 7\nretry: 20\ndata: {\"a\":\ndata: 1}\r\n\r\nevent: endpoint\rdata:/x\r\rid: 8\n\ndata\n\n";
        let event = |kind: &str, data: &str| Event {
            kind: kind.into(),
            data: data.into(),
        };
        for size in [1, 2, 3, 1_000] {
            let mut events = Events::default();
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                found.extend(events.feed(piece, 1_000).expect("small"));
            }
            assert_eq!(
                found,
                [
                    event("", "{\"a\":\n1}"),
                    event("endpoint", "/x"),
                    event("", "")
                ],
                "in pieces of {size}"
            );
            assert_eq!(events.last_id.as_deref(), Some("8"));
            assert_eq!(events.retry, Some(Duration::from_millis(20)));
        }
    }

    #[test]
    fn an_event_without_end_is_cut_off() {
        let mut events = Events::default();
        assert!(events.feed(b"data: 12345", 16).is_ok());
        assert!(events.feed(b"678901234567890", 16).is_err());
    }
}
