//! The transport of 2024-11-05: one stream of events carries all answers, and says where messages
//! are to be sent. Old servers speak nothing else.

use super::events::Events;
use super::fault::Fault;
use super::hearing::Patience;
use super::http::{HttpLink, next_events};
use super::limits::{HANDSHAKE, LISTEN, MESSAGE_BYTES_MAX};
use super::mux::Mux;
use super::peer::{Peer, Reply};
use super::wire::Outbound;
use crate::egress::{self, Arriving};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use url::Url;

/// How long one stream, and with it the session, may last.
const LASTS: Duration = Duration::from_secs(24 * 3600);

/// The stream, and where messages go.
pub(super) struct EventLink {
    pub(super) http: Arc<HttpLink>,
    messages: Url,
    mux: Arc<Mux>,
    reader: AbortHandle,
}

impl Drop for EventLink {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl EventLink {
    /// Opens the stream and waits until it says where messages go.
    pub(super) async fn open(http: Arc<HttpLink>, peer: Arc<Peer>) -> Result<Self, Fault> {
        let mut arriving = http.stream(&http.url, Instant::now() + LASTS).await?;
        let mut events = Events::default();
        let mut ready = Vec::new();
        let messages = loop {
            let found = next_events(&mut arriving, &mut events, HANDSHAKE, MESSAGE_BYTES_MAX);
            let Some(found) = found.await? else {
                return Err(Fault::Ended("its stream ended at once".to_owned()));
            };
            let mut found = found.into_iter();
            if let Some(endpoint) = found.find(|e| e.kind == "endpoint") {
                ready.extend(found);
                let url = egress::join(&http.url, endpoint.data.trim())?;
                if url.origin() != http.url.origin() {
                    return Err(Fault::Broken(
                        "it wants messages sent to another origin than its own".to_owned(),
                    ));
                }
                break url;
            }
        };
        let mux = Arc::new(Mux::default());
        let reading = Reading {
            http: Arc::clone(&http),
            messages: messages.clone(),
            peer,
        };
        let reader = tokio::spawn({
            let mux = Arc::clone(&mux);
            async move {
                for event in ready {
                    reading.take(event.data, &mux).await;
                }
                let why = reading.run(arriving, events, &mux).await;
                mux.close(&why);
            }
        });
        Ok(Self {
            http,
            messages,
            mux,
            reader: reader.abort_handle(),
        })
    }

    pub(super) async fn exchange(
        &self,
        out: &Outbound,
        patience: &Patience,
    ) -> Result<Value, Fault> {
        let begun = Instant::now();
        let answer = self.mux.wait(out.id)?;
        let sent = self.http.tell_at(&self.messages, out.text.clone()).await;
        let outcome = match sent {
            Err(fault) => Err(fault),
            Ok(()) => match patience.wait(answer).await {
                Some(Ok(outcome)) => outcome,
                Some(Err(_)) => Err(Fault::Ended("its stream ended".to_owned())),
                None => Err(Fault::late(begun, patience.until())),
            },
        };
        self.mux.forget(out.id);
        outcome
    }

    pub(super) async fn tell(&self, text: String) -> Result<(), Fault> {
        self.http.tell_at(&self.messages, text).await
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.mux.is_closed()
    }
}

/// What the reader of a stream needs.
struct Reading {
    http: Arc<HttpLink>,
    messages: Url,
    peer: Arc<Peer>,
}

impl Reading {
    async fn run(&self, mut arriving: Arriving, mut events: Events, mux: &Mux) -> Fault {
        loop {
            match next_events(&mut arriving, &mut events, LISTEN, MESSAGE_BYTES_MAX).await {
                Ok(Some(found)) => {
                    for event in found {
                        self.take(event.data, mux).await;
                    }
                }
                Ok(None) => return Fault::Ended("its stream ended".to_owned()),
                Err(fault) => return Fault::Ended(fault.sentence()),
            }
        }
    }

    async fn take(&self, data: String, mux: &Mux) {
        for reply in mux.take(data.as_bytes(), &self.peer).unwrap_or_default() {
            match reply {
                Reply::Now(text) => drop(self.http.tell_at(&self.messages, text).await),
                Reply::Later(later) => {
                    let (http, messages) = (Arc::clone(&self.http), self.messages.clone());
                    tokio::spawn(async move {
                        if let Some(text) = later.await {
                            drop(http.tell_at(&messages, text).await);
                        }
                    });
                }
            }
        }
    }
}
