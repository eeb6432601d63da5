//! What is known of the session with the server: how it was begun, its id, its revision.

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

/// A session with the server, and what makes another where it is gone.
#[derive(Clone, Default)]
pub(super) struct State {
    /// The client's own first message, to make a session anew with.
    pub(super) initialize: Option<Value>,
    /// Rises with each session.
    pub(super) number: u64,
    session: Option<String>,
    version: Option<String>,
}

impl State {
    /// What it becomes when this message is about to begin a session.
    pub(super) fn renewed_by(&self, initialize: Value) -> Self {
        Self {
            initialize: Some(initialize),
            number: self.number,
            ..Self::default()
        }
    }

    /// Whether the server gave the session an id, and so may forget it.
    pub(super) fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Takes the id that the answer to the first message carries.
    pub(super) fn begin(&mut self, response: &Response) {
        let session = response.headers().get("mcp-session-id");
        self.session = session.and_then(|v| v.to_str().ok()).map(str::to_owned);
        self.number += 1;
    }

    /// Remembers the revision that the server agreed to: later requests name it.
    pub(super) fn note_version(&mut self, message: &Value) {
        if let Some(version) = message
            .pointer("/result/protocolVersion")
            .and_then(Value::as_str)
        {
            self.version = Some(version.to_owned());
        }
    }

    /// A request of this session.
    pub(super) fn headed(self, request: RequestBuilder) -> RequestBuilder {
        let names = [
            ("mcp-session-id", self.session),
            ("mcp-protocol-version", self.version),
        ];
        let known = names
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        known.fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    }
}
