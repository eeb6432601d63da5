//! A reader of server-sent events, as strict as the specification: what a browser would see.

use crate::server::{PATIENCE, Server, client};
use serde_json::Value;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// The last event id it sets.
    pub(crate) id: i64,
    /// Its name.
    pub(crate) name: String,
    /// Its data.
    pub(crate) data: Value,
}

/// An open stream.
pub(crate) struct Stream {
    answer: reqwest::Response,
    unread: Vec<u8>,
}

impl Stream {
    /// Opens a stream of the API, after an event where one is named.
    pub(crate) async fn open(server: &Server, path: &str, after: Option<i64>) -> Self {
        let mut request = client().get(format!("{}/api/v1{path}", server.url()));
        if let Some(id) = after {
            request = request.header("last-event-id", id.to_string());
        }
        Self::of(request).await
    }

    /// Opens a stream by a request of the test's own.
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request
            .header("accept", "text/event-stream")
            .send()
            .await
            .expect("a stream");
        assert_eq!(answer.status(), 200, "{}", answer.url());
        let kind = answer
            .headers()
            .get("content-type")
            .and_then(|v| v.to_str().ok());
        assert!(
            kind.is_some_and(|k| k.starts_with("text/event-stream")),
            "{kind:?}"
        );
        Self {
            answer,
            unread: Vec::new(),
        }
    }

    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.answer.headers().get(name)?.to_str().ok()
    }

    /// The next event; none once the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|w| w == b"\n\n") {
                let block = self.unread.drain(..end + 2).collect::<Vec<_>>();
                match parse(std::str::from_utf8(&block).expect("events are UTF-8")) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.answer.chunk()).await;
            match chunk.expect("something comes in time") {
                Ok(Some(bytes)) => self.unread.extend_from_slice(&bytes),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Reads to the end of the stream; gives back what came until then.
    pub(crate) async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Reads until an event for which `last` holds; gives back all of them.
    pub(crate) async fn until(&mut self, last: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            let done = last(&event);
            events.push(event);
            if done {
                return events;
            }
        }
        panic!("the stream ended before the event that was waited for: {events:#?}");
    }
}

/// One block of a stream; none for a comment.
fn parse(block: &str) -> Option<Event> {
    let mut id = None;
    let mut name = String::new();
    let mut data = String::new();
    for line in block.lines() {
        match line.split_once(':') {
            Some(("id", value)) => id = value.trim().parse().ok(),
            Some(("event", value)) => value.trim().clone_into(&mut name),
            Some(("data", value)) => data.push_str(value.strip_prefix(' ').unwrap_or(value)),
            _ => {}
        }
    }
    if data.is_empty() {
        return None;
    }
    let data = serde_json::from_str(&data).unwrap_or_else(|e| panic!("{e}: {data}"));
    Some(Event {
        id: id.expect("an event has an id"),
        name,
        data,
    })
}
