//! The way of messages between stdio and the server's Streamable HTTP endpoint.
//!
//! After a restart of the server the session is made anew without the client noticing. A call that
//! runs something is given a name of its own, so that the server recognizes it where the connection
//! broke under it and it is sent again: it is the same task then. Revisions with sessions and
//! without pass through the same way (`state.rs`, `modern.rs`).

use super::launch;
use super::modern::Modern;
use super::state::State;
use crate::client::{Client, Query};
use crate::context::Context;
use crate::events::take_data;
use crate::failure::{Failure, Result};
use crate::output::Output;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often one message is tried.
const ATTEMPTS: u32 = 4;

/// How long to wait before looking again for a server, or opening its stream again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Bytes of one message at most.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The connection of one MCP client.
pub(crate) struct Link {
    context: Context,
    client: Client,
    state: Mutex<State>,
    /// One renewal at a time; the number of the session that was found dead tells whether
    /// somebody else was first.
    renewal: tokio::sync::Mutex<()>,
    closed: watch::Sender<bool>,
    query: Query<'static>,
}

/// How one attempt ended.
enum Attempt {
    /// The server has answered, and what it said is written.
    Done,
    /// Nothing reached a server.
    NotSent,
    /// The server does not know the session.
    SessionGone,
    /// The connection broke; the server may have begun.
    Broken,
}

impl Link {
    /// Prepares the way; nothing is sent yet.
    pub(crate) fn new(context: &Context, client: Client, query: Query<'static>) -> Self {
        let output = Output::new(false, true, true);
        Self {
            context: Context {
                config: Arc::clone(&context.config),
                output,
            },
            client,
            state: Mutex::default(),
            renewal: tokio::sync::Mutex::new(()),
            closed: watch::channel(false).0,
            query,
        }
    }

    /// Writes one message as a line of stdout.
    pub(crate) fn write(&self, message: &Value) {
        self.write_line(message.to_string().as_bytes());
    }

    /// The client has closed stdin: streams that wait for news end.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Ends the session at the server, as far as it can still be reached.
    pub(crate) async fn end(&self) {
        if self.state().has_session()
            && let Ok(endpoint) = self.endpoint(Method::DELETE).await
        {
            let _unneeded = self.state().headed(endpoint).send().await;
        }
    }

    /// The first message: remembered, because a restarted server needs it again.
    pub(crate) async fn initialize(&self, message: Value) {
        self.change(|state| {
            *state = state.renewed_by(message.clone());
        });
        self.forward(&message).await;
    }

    /// Sends one message and writes whatever comes back, an error included.
    pub(crate) async fn forward(&self, message: &Value) {
        let mut message = message.clone();
        name(&mut message);
        for _ in 0..ATTEMPTS {
            let number = self.state().number;
            let failure = match self.attempt(&message).await {
                Ok(Attempt::Done) => return,
                Ok(Attempt::NotSent | Attempt::SessionGone | Attempt::Broken) => {
                    self.renew(number, &message).await.err()
                }
                Err(failure) => Some(failure),
            };
            if let Some(failure) = failure {
                return self.refuse(&message, &failure);
            }
        }
        self.refuse(
            &message,
            &Failure::unreachable("the server could not be reached"),
        );
    }

    /// Writes what the server sends of its own accord, until the client leaves.
    pub(crate) async fn listen(self: Arc<Self>) {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            _ = closed.wait_for(|c| *c) => {}
            () = self.listen_on() => {}
        }
    }

    async fn listen_on(&self) {
        loop {
            let number = self.state().number;
            // Whoever is signed out hears it with the next message, and no news until then.
            let Ok(endpoint) = self.endpoint(Method::GET).await else {
                return;
            };
            let request = self.state().headed(endpoint);
            let response = request.header("accept", "text/event-stream").send().await;
            let status = response.as_ref().map(Response::status).ok();
            match response {
                Ok(response) if response.status().is_success() => {
                    let _answered = self.write_events(response).await;
                }
                // The server offers no such stream.
                Ok(response) if response.status() == StatusCode::METHOD_NOT_ALLOWED => return,
                Ok(_) | Err(_) => {}
            }
            // Wait for a server without starting one for the sake of silence: the next message
            // does that.
            while self.client.alive_here().await.is_err() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            let news = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            let gone = status == Some(StatusCode::NOT_FOUND);
            if gone && self.renew(number, &news).await.is_err() {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn endpoint(&self, method: Method) -> Result<RequestBuilder> {
        self.client.again().mcp(method, self.query).await
    }

    async fn attempt(&self, message: &Value) -> Result<Attempt> {
        let is_initialize = message.get("method").and_then(Value::as_str) == Some("initialize");
        let modern = Modern::of(message);
        let endpoint = self.endpoint(Method::POST).await?;
        let request = match &modern {
            Some(modern) => modern.headed(endpoint),
            None => self.state().headed(endpoint),
        };
        let request = request.json(message);
        let response = match request
            .header("accept", "application/json, text/event-stream")
            .send()
            .await
        {
            Ok(response) => response,
            Err(e) if e.is_connect() => return Ok(Attempt::NotSent),
            Err(_) => return Ok(Attempt::Broken),
        };
        let status = response.status();
        let in_session = modern.is_none() && self.state().has_session();
        if status == StatusCode::NOT_FOUND && in_session {
            return Ok(Attempt::SessionGone);
        }
        if is_initialize && status.is_success() {
            self.change(|state| state.begin(&response));
        }
        let is_stream = response
            .headers()
            .get("content-type")
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.starts_with("text/event-stream"));
        if is_stream && status.is_success() {
            let answered = self.write_events(response).await;
            let wants_answer = message.get("id").is_some() && message.get("method").is_some();
            return Ok(if answered || !wants_answer {
                Attempt::Done
            } else {
                Attempt::Broken
            });
        }
        let Ok(body) = response.bytes().await else {
            return Ok(Attempt::Broken);
        };
        self.write_body(message, status, &body)?;
        Ok(Attempt::Done)
    }

    /// Writes the answer of a request that came without a stream.
    fn write_body(&self, message: &Value, status: StatusCode, body: &[u8]) -> Result<()> {
        if status.is_success() && body.is_empty() {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        if value.get("jsonrpc").is_some() || (status.is_success() && value.is_array()) {
            self.change(|state| state.note_version(&value));
            self.write_line(body);
            return Ok(());
        }
        match serde_json::from_value(value) {
            Ok(problem) => Err(Failure::from_problem(problem)),
            Err(_) if message.get("id").is_none() => Ok(()),
            Err(_) => Err(Failure::failed(
                "unexpected_answer",
                format!("the server answered {status} to an MCP message"),
            )),
        }
    }

    /// Writes every message of a stream; true when one of them was an answer.
    async fn write_events(&self, mut response: Response) -> bool {
        let mut buffer = Vec::new();
        let mut answered = false;
        while let Ok(Some(chunk)) = response.chunk().await {
            buffer.extend_from_slice(&chunk);
            while let Some(data) = take_data(&mut buffer) {
                let Ok(message) = serde_json::from_slice::<Value>(&data) else {
                    continue;
                };
                let is_answer = message.get("id").is_some() && message.get("method").is_none();
                answered |= is_answer;
                self.change(|state| state.note_version(&message));
                self.write_line(&data);
            }
            if buffer.len() > MESSAGE_BYTES_MAX {
                break;
            }
        }
        answered
    }

    /// Finds or starts a server and makes a session with it, unless `message` does that itself.
    async fn renew(&self, number: u64, message: &Value) -> Result<()> {
        let _one = self.renewal.lock().await;
        launch::ensure(&self.context, &self.client).await?;
        let state = self.state();
        let makes_one = message.get("method").and_then(Value::as_str) == Some("initialize");
        let Some(initialize) = state
            .initialize
            .filter(|_| !makes_one && state.number == number)
        else {
            return Ok(());
        };
        self.change(|state| *state = state.renewed_by(initialize.clone()));
        let endpoint = self.endpoint(Method::POST).await?;
        let request = self.state().headed(endpoint).json(&initialize);
        let request = request.header("accept", "application/json, text/event-stream");
        let lost = |_| Failure::unreachable("the server went away again");
        let response = request.send().await.map_err(lost)?;
        if !response.status().is_success() {
            return Err(Failure::failed(
                "mcp",
                format!("the server refused a new session ({})", response.status()),
            ));
        }
        self.change(|state| state.begin(&response));
        // The client has had its answer long ago; only the revision matters now.
        let text = response.text().await.map_err(lost)?;
        let data = text
            .lines()
            .find_map(|l| l.strip_prefix("data:").filter(|d| d.contains('{')))
            .unwrap_or(&text);
        self.change(|state| state.note_version(&serde_json::from_str(data).unwrap_or(Value::Null)));
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let endpoint = self.endpoint(Method::POST).await?;
        let request = self.state().headed(endpoint).json(&ready);
        request
            .header("accept", "application/json, text/event-stream")
            .send()
            .await
            .map_err(lost)?;
        Ok(())
    }

    /// Answers a message with an error, where it wants an answer.
    fn refuse(&self, message: &Value, failure: &Failure) {
        let (Some(id), Some(_)) = (message.get("id"), message.get("method")) else {
            return;
        };
        let step = failure
            .next_step
            .as_deref()
            .map(|s| format!("; {s}"))
            .unwrap_or_default();
        self.write(&json!({
            "jsonrpc": "2.0", "id": id,
            "error": {
                "code": -32000,
                "message": format!("{}{step}", failure.message),
                "data": { "code": failure.code },
            },
        }));
    }

    fn state(&self) -> State {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn write_line(&self, message: &[u8]) {
        // A line end inside a message is only ever between its parts: texts carry it escaped.
        let mut line: Vec<u8> = message
            .iter()
            .map(|b| if *b == b'\n' || *b == b'\r' { b' ' } else { *b })
            .collect();
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        let _closed = out.write_all(&line).and_then(|()| out.flush());
    }
}

/// Gives a call a name of its own, unless the client did. The server knows it by that when it comes
/// again.
fn name(message: &mut Value) {
    if message.get("method").and_then(Value::as_str) != Some("tools/call") {
        return;
    }
    let Some(params) = message.get_mut("params").and_then(Value::as_object_mut) else {
        return;
    };
    let meta = params.entry("_meta").or_insert_with(|| json!({}));
    let (Some(meta), Ok(a), Ok(b)) = (meta.as_object_mut(), getrandom::u64(), getrandom::u64())
    else {
        return;
    };
    meta.entry("executor/idempotencyKey")
        .or_insert_with(|| json!(format!("stdio-{a:016x}{b:016x}")));
}
