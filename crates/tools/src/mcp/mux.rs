//! Answers to the requests that wait for them, where one stream carries all: by id, each once.

use super::fault::Fault;
use super::peer::{Peer, Reply};
use super::wire::{self, Incoming, RpcError};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

type Outcome = Result<Value, Fault>;

/// Who waits.
#[derive(Default)]
pub(super) struct Mux {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: HashMap<u64, oneshot::Sender<Outcome>>,
    /// Why nothing comes any more.
    closed: Option<Fault>,
}

impl Mux {
    /// Waits for the answer to a request, which is not sent yet.
    pub(super) fn wait(&self, id: u64) -> Result<oneshot::Receiver<Outcome>, Fault> {
        let mut state = self.lock();
        if let Some(why) = &state.closed {
            return Err(why.clone());
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.insert(id, sender);
        Ok(receiver)
    }

    /// Nobody waits for it any more.
    pub(super) fn forget(&self, id: u64) {
        self.lock().waiting.remove(&id);
    }

    /// Takes a text from the stream apart; gives the replies that it wants.
    pub(super) fn take(&self, text: &[u8], peer: &Peer) -> Result<Vec<Reply>, String> {
        let mut replies = Vec::new();
        for message in wire::read(text)? {
            match message {
                Incoming::Answer(id, outcome) => self.answered(id, outcome),
                Incoming::Asked(id, method, params) => {
                    replies.push(peer.asked(None, &id, &method, &params));
                }
                Incoming::Told(method, params) => peer.told(&method, &params),
            }
        }
        Ok(replies)
    }

    fn answered(&self, id: u64, outcome: Result<Value, RpcError>) {
        match self.lock().waiting.remove(&id) {
            // Whoever waited may have given up; then nobody wants it.
            Some(waiting) => drop(waiting.send(outcome.map_err(Fault::Rpc))),
            None => tracing::debug!("an MCP server answered a request that nobody made"),
        }
    }

    /// Nothing comes any more: everybody who waits is told why.
    pub(super) fn close(&self, why: &Fault) {
        let mut state = self.lock();
        state.closed.get_or_insert_with(|| why.clone());
        for (_, waiting) in state.waiting.drain() {
            drop(waiting.send(Err(why.clone())));
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
