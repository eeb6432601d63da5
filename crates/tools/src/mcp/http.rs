//! Streamable HTTP: every message is a POST of its own, and its answer is JSON or a stream of
//! events that may be resumed.
//!
//! Goes through the guarded client alone. Credentials go to the endpoint's own origin and follow no
//! redirect out of it. <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports>

use super::events::{Event, Events};
use super::fault::{Fault, Refused};
use super::hearing::Patience;
use super::limits::{
    BACKOFF_MAX, LISTEN, MESSAGE_BYTES_MAX, RESUME_PAUSE, RESUME_PAUSE_MAX, RESUMES_MAX, TELLING,
};
use super::peer::{Peer, Reply};
use super::wire::{self, Incoming, Outbound};
use crate::answer::header;
use crate::egress::{self, Arriving, Egress, Outgoing, REDIRECTS_MAX, Reach};
use crate::error::FetchError;
use crate::invoke::failure::BODY_BYTES_READ;
use crate::invoke::{Attachment, attach};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

const EVENT_STREAM: &str = "text/event-stream";

/// An endpoint, and the session with it, where it keeps one.
pub(super) struct HttpLink {
    egress: Egress,
    pub(super) url: Url,
    reach: Reach,
    headers: Vec<(String, String)>,
    /// What opens it: another version of the same credential may take its place.
    attachments: Mutex<Arc<Vec<Attachment>>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session_id: Option<String>,
    version: Option<String>,
}

impl HttpLink {
    pub(super) fn new(
        egress: Egress,
        url: Url,
        reach: Reach,
        headers: Vec<(String, String)>,
        attachments: Arc<Vec<Attachment>>,
    ) -> Self {
        let (state, attachments) = (Mutex::default(), Mutex::new(attachments));
        Self {
            egress,
            url,
            reach,
            headers,
            attachments,
            state,
        }
    }

    /// From here on every message says which revision it is in.
    pub(super) fn set_version(&self, version: &str) {
        self.state().version = Some(version.to_owned());
    }

    /// From here on this opens it.
    pub(super) fn carry(&self, attachments: Arc<Vec<Attachment>>) {
        let mut carried = self
            .attachments
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *carried = attachments;
    }

    fn carried(&self) -> Arc<Vec<Attachment>> {
        let carried = self.attachments.lock();
        Arc::clone(&carried.unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets what an attempt in another era left behind.
    pub(super) fn reset(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        out: &Outbound,
        peer: &Peer,
        patience: &Patience,
        bytes_max: u64,
    ) -> Result<Value, Fault> {
        let mut arriving = self.post(out, patience.until()).await?;
        let headers = arriving.headers();
        if out.method == "initialize" {
            self.state().session_id = header(&headers, "mcp-session-id").map(str::to_owned);
        }
        let media = header(&headers, "content-type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        if media.starts_with("application/json") {
            let body = arriving.read(bytes_max).await?;
            for message in wire::read(&body).map_err(Fault::Broken)? {
                if let Some(outcome) = self.heard(message, Some(out.id), peer).await {
                    return outcome;
                }
            }
            return Err(Fault::Broken("its answer is to another request".to_owned()));
        }
        if !media.starts_with(EVENT_STREAM) {
            return Err(Fault::Broken(format!(
                "it answered with {}; expected application/json or {EVENT_STREAM}",
                if media.is_empty() {
                    "no content"
                } else {
                    &media
                }
            )));
        }
        let mut events = Events::default();
        for _ in 0..=RESUMES_MAX {
            match self
                .follow(
                    (&mut arriving, &mut events),
                    (out.id, peer),
                    patience,
                    bytes_max,
                )
                .await
            {
                Ok(Some(outcome)) => return outcome,
                Ok(None) | Err(Fault::Fetch(FetchError::BrokeOff { .. })) => {}
                Err(other) => return Err(other),
            }
            let Some(last) = events.last_id.clone() else {
                break;
            };
            let pause = events.retry.unwrap_or(RESUME_PAUSE).min(RESUME_PAUSE_MAX);
            tokio::time::sleep_until(patience.until().min(Instant::now() + pause)).await;
            events.begin_again();
            arriving = self.resume(last, patience.until()).await?;
        }
        Err(Fault::Ended(
            "its stream ended before the answer".to_owned(),
        ))
    }

    async fn post(&self, out: &Outbound, deadline: Instant) -> Result<Arriving, Fault> {
        let mut headers = out.headers.clone();
        headers.push(("accept".into(), format!("application/json, {EVENT_STREAM}")));
        headers.push(("content-type".into(), "application/json".into()));
        if self.state().version.as_deref() == Some(wire::STATELESS) {
            headers.push(("mcp-method".into(), out.method.to_owned()));
            headers.extend(
                out.name
                    .as_deref()
                    .map(|n| ("mcp-name".into(), header_value(n))),
            );
        }
        let body = Some(out.text.clone().into_bytes());
        let arriving = self
            .send("POST", &self.url, headers, body, deadline)
            .await?;
        self.accepted(arriving).await
    }

    async fn resume(&self, last: String, deadline: Instant) -> Result<Arriving, Fault> {
        let headers = vec![
            ("accept".to_owned(), EVENT_STREAM.to_owned()),
            ("last-event-id".to_owned(), last),
        ];
        let arriving = self.send("GET", &self.url, headers, None, deadline).await?;
        self.accepted(arriving).await
    }

    /// Reads messages until the answer comes; none if the stream ends without it.
    async fn follow(
        self: &Arc<Self>,
        (arriving, events): (&mut Arriving, &mut Events),
        (id, peer): (u64, &Peer),
        patience: &Patience,
        bytes_max: u64,
    ) -> Result<Option<Result<Value, Fault>>, Fault> {
        let max = usize::try_from(bytes_max).unwrap_or(MESSAGE_BYTES_MAX);
        let idle = self.egress.stream_idle();
        loop {
            let (asked, _) = patience.asked();
            arriving.allow_until(patience.until());
            let found = match next_events(arriving, events, idle, max).await {
                Ok(Some(found)) => found,
                Ok(None) => break,
                // A server that waits for a person says nothing, however long.
                Err(Fault::Fetch(FetchError::Timeout { .. }))
                    if patience.asked() != (asked, false) =>
                {
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            for Event { data, .. } in found {
                for message in wire::read(data.as_bytes()).unwrap_or_default() {
                    if let Some(outcome) = self.heard(message, Some(id), peer).await {
                        return Ok(Some(outcome));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The outcome, if the message is the answer to the request of that id.
    async fn heard(
        self: &Arc<Self>,
        message: Incoming,
        id: Option<u64>,
        peer: &Peer,
    ) -> Option<Result<Value, Fault>> {
        match message {
            Incoming::Answer(answered, outcome) if Some(answered) == id => {
                return Some(outcome.map_err(Fault::Rpc));
            }
            Incoming::Answer(..) => {
                tracing::debug!("an MCP server answered a request that nobody made");
            }
            // The answer that is waited for may depend on it; if it is lost, time will tell.
            Incoming::Asked(asked, method, params) => {
                match peer.asked(id, &asked, &method, &params) {
                    Reply::Now(text) => drop(self.tell(text).await),
                    Reply::Later(later) => {
                        let link = Arc::clone(self);
                        tokio::spawn(async move {
                            if let Some(text) = later.await {
                                drop(link.tell(text).await);
                            }
                        });
                    }
                }
            }
            Incoming::Told(method, params) => peer.told(&method, &params),
        }
        None
    }

    /// Sends a message that has no answer.
    pub(super) async fn tell(&self, text: String) -> Result<(), Fault> {
        let url = self.url.clone();
        self.tell_at(&url, text).await
    }

    /// Sends a message that has no answer to another address of the endpoint's origin.
    pub(super) async fn tell_at(&self, url: &Url, text: String) -> Result<(), Fault> {
        let headers = vec![
            (
                "accept".to_owned(),
                format!("application/json, {EVENT_STREAM}"),
            ),
            ("content-type".to_owned(), "application/json".to_owned()),
        ];
        let (deadline, body) = (Instant::now() + TELLING, Some(text.into_bytes()));
        let arriving = self.send("POST", url, headers, body, deadline).await?;
        self.accepted(arriving).await.map(drop)
    }

    /// Ends the session at the server, which may not care.
    pub(super) async fn end(&self) {
        if self.state().session_id.is_some() {
            let deadline = Instant::now() + TELLING;
            drop(
                self.send("DELETE", &self.url, Vec::new(), None, deadline)
                    .await,
            );
        }
    }

    /// Listens to what the server says by itself, for as long as it lets us: on a stream of the
    /// session, or as the answer to `ask` where there are no sessions.
    pub(super) async fn listen(self: &Arc<Self>, peer: &Peer, ask: Option<&Outbound>) {
        let mut pause = Duration::from_secs(1);
        loop {
            let deadline = Instant::now() + LISTEN;
            let opened = match ask {
                Some(out) => self.post(out, deadline).await,
                None => self.stream(&self.url, deadline).await,
            };
            match opened {
                Ok(mut arriving) => {
                    pause = Duration::from_secs(1);
                    let mut events = Events::default();
                    let max = MESSAGE_BYTES_MAX;
                    while let Ok(Some(found)) =
                        next_events(&mut arriving, &mut events, LISTEN, max).await
                    {
                        for event in found {
                            for message in wire::read(event.data.as_bytes()).unwrap_or_default() {
                                drop(self.heard(message, None, peer).await);
                            }
                        }
                    }
                }
                // Its next call has a newer token.
                Err(fault) if fault.wants_credential() => {}
                Err(Fault::Refused(_) | Fault::Rpc(_) | Fault::SessionLost) => return,
                Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACKOFF_MAX);
        }
    }

    /// Opens a stream of events by GET.
    pub(super) async fn stream(&self, url: &Url, deadline: Instant) -> Result<Arriving, Fault> {
        let headers = vec![("accept".to_owned(), EVENT_STREAM.to_owned())];
        let arriving = self.send("GET", url, headers, None, deadline).await?;
        let arriving = self.accepted(arriving).await?;
        let headers = arriving.headers();
        if header(&headers, "content-type").is_some_and(|t| t.starts_with(EVENT_STREAM)) {
            Ok(arriving)
        } else {
            Err(Fault::Broken(format!("it answered without {EVENT_STREAM}")))
        }
    }

    async fn send(
        &self,
        method: &str,
        url: &Url,
        mut headers: Vec<(String, String)>,
        body: Option<Vec<u8>>,
        deadline: Instant,
    ) -> Result<Arriving, Fault> {
        {
            let state = self.state();
            let session = state
                .session_id
                .clone()
                .map(|id| ("mcp-session-id".to_owned(), id));
            let version = state
                .version
                .clone()
                .map(|v| ("mcp-protocol-version".to_owned(), v));
            headers.extend(session.into_iter().chain(version));
        }
        for (name, value) in &self.headers {
            let name = name.to_ascii_lowercase();
            if !headers.iter().any(|(n, _)| *n == name) {
                headers.push((name, value.clone()));
            }
        }
        let (mut url, attachments) = (url.clone(), self.carried());
        for _ in 0..=REDIRECTS_MAX {
            let mut outgoing = Outgoing {
                method: method.to_owned(),
                url: url.clone(),
                headers: headers.clone(),
                body: body.clone(),
            };
            attachments.iter().for_each(|a| attach(a, &mut outgoing));
            let arriving = self.egress.send(outgoing, &self.reach, deadline).await?;
            // The two that keep the method; frameworks use them to add a slash.
            let kept = matches!(arriving.status(), 307 | 308);
            let next = arriving.redirect().filter(|_| kept);
            let next = next.and_then(|l| egress::join(&url, &l).ok());
            match next.filter(|n| n.origin() == url.origin()) {
                Some(next) => url = next,
                None => return Ok(arriving),
            }
        }
        let host = egress::host_of(&url);
        Err(Fault::Fetch(FetchError::Redirects {
            host,
            max: REDIRECTS_MAX,
        }))
    }

    /// The answer, if it is 2xx.
    async fn accepted(&self, arriving: Arriving) -> Result<Arriving, Fault> {
        let status = arriving.status();
        if (200..300).contains(&status) {
            return Ok(arriving);
        }
        let headers = arriving.headers();
        let (body, complete) = arriving.begin(BODY_BYTES_READ).await;
        let error = wire::refusal(&body);
        let has_session = self.state().session_id.is_some();
        let names_session = error.as_ref().is_some_and(|e| {
            // What common servers say instead of 404, before they look at the message.
            e.code == -32000 && e.message.to_ascii_lowercase().contains("session")
        });
        if has_session && (status == 404 || (status == 400 && names_session)) {
            return Err(Fault::SessionLost);
        }
        match error {
            Some(error) if matches!(status, 400 | 404 | 405 | 422) => Err(Fault::Rpc(error)),
            Some(_) | None => Err(Fault::Refused(Refused {
                status,
                headers,
                body,
                complete,
            })),
        }
    }
}

/// The events that come next; none at the end of the stream.
pub(super) async fn next_events(
    arriving: &mut Arriving,
    events: &mut Events,
    idle: Duration,
    bytes_max: usize,
) -> Result<Option<Vec<Event>>, Fault> {
    match arriving.next(0, idle).await? {
        None => Ok(None),
        Some(bytes) => match events.feed(&bytes, bytes_max) {
            Ok(found) => Ok(Some(found)),
            Err(()) => Err(Fault::TooLarge {
                max: bytes_max as u64,
            }),
        },
    }
}

/// A value as a header carries it: as it stands, or in base64 with a mark where it could not.
pub(super) fn header_value(text: &str) -> String {
    let plain = text.bytes().all(|b| (0x20..=0x7e).contains(&b))
        && text.trim() == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    if plain {
        text.to_owned()
    } else {
        format!("=?base64?{}?=", STANDARD.encode(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_carry_what_they_can_and_the_rest_in_base64() {
        for (text, carried) in [
            ("get-sum", "get-sum"),
            ("a b", "a b"),
            (" a", "=?base64?IGE=?="),
            ("é", "=?base64?w6k=?="),
            ("=?base64?x?=", "=?base64?PT9iYXNlNjQ/eD89?="),
            ("a\r\nb", "=?base64?YQ0KYg==?="),
        ] {
            assert_eq!(header_value(text), carried, "{text:?}");
        }
    }
}
