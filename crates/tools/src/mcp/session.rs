//! A conversation with one server: greeted in the era that it speaks, then asked.
//!
//! Over HTTP the revision without sessions is tried first; a server that does not know it says so
//! and is greeted with a handshake, and one that does not take that either is old and speaks by
//! events. A command is greeted with a handshake first, because some end at anything else.

mod followed;
mod underway;

use super::carried::Carried;
use super::configured::McpWay;
use super::elicit;
use super::fault::Fault;
use super::hearing::{McpHearing, McpNews, Patience};
use super::http::HttpLink;
use super::legacy::EventLink;
use super::limits::{MESSAGE_BYTES_MAX, ROUNDS_MAX};
use super::peer::Peer;
use super::stdio::Process;
use super::wire::{self, HANDSHAKES, Outbound, STATELESS};
use crate::egress::{self, Egress, Reach};
use crate::invoke::Attachment;
use domain::elicitation::Elicitation;
use domain::source::AuthScheme;
pub(super) use followed::brought_back;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use underway::Underway;

/// The way to a server.
#[derive(Clone)]
enum Link {
    Http(Arc<HttpLink>),
    Events(Arc<EventLink>),
    Process(Arc<Process>),
}

/// Who answered the greeting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// The name it gives itself for people.
    pub(super) title: String,
    pub(super) release: String,
    /// What it says of its use.
    pub(super) instructions: String,
    /// Whether it says when its tools change.
    tells_changes: bool,
}

/// A server that was greeted.
pub(super) struct Session {
    link: Link,
    peer: Arc<Peer>,
    /// The revision that is spoken.
    pub(super) version: String,
    pub(super) identity: Identity,
    next_id: AtomicU64,
    listener: Option<AbortHandle>,
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

/// A call of a tool: the message but for its beginning, and what travels beside it.
pub(super) struct ToolCall<'a> {
    pub(super) name: &'a str,
    /// The members of `params` with the braces that close the message.
    pub(super) params: &'a str,
    pub(super) headers: Vec<(String, String)>,
    /// What goes along because the server asked before: its own names, and its own state.
    pub(super) also: Map<String, Value>,
}

/// How a call goes.
pub(super) struct Going<'a, 'c> {
    pub(super) patience: Arc<Patience>,
    pub(super) bytes_max: u64,
    pub(super) hearing: Option<&'a McpHearing>,
    pub(super) carried: &'a Carried<'c>,
}

/// What a call came to.
pub(super) enum Called {
    /// Its result.
    Result(Value),
    /// Nothing yet: the server asks something first, and keeps nothing while it is not answered.
    Asks(Box<Elicitation>),
}

/// The error by which a server wants a person to visit a page before it takes a call.
const PAGE_FIRST: i64 = -32042;

impl Session {
    /// Connects and greets.
    pub(super) async fn open(
        way: &McpWay,
        attachments: Arc<Vec<Attachment>>,
        egress: &Egress,
        peer: Peer,
        deadline: Instant,
    ) -> Result<Self, Fault> {
        let peer = Arc::new(peer);
        let mut session = match way {
            McpWay::Command { words, variables } => {
                let mut variables = variables.clone();
                for attachment in attachments.iter() {
                    for (scheme, value) in attachment.scheme.parts(attachment.secret.expose()) {
                        if let AuthScheme::Env { name } = scheme {
                            variables.push((name.clone(), value.to_owned()));
                        }
                    }
                }
                let start = || Process::start(words, &variables, Arc::clone(&peer));
                Self::greet_process(start()?, peer.clone(), deadline).await?
            }
            McpWay::Url {
                url,
                headers,
                allow_private,
            } => {
                let url = egress::parse(url)?;
                let reach = if *allow_private {
                    Reach::also(&url)
                } else {
                    Reach::public()
                };
                let http = HttpLink::new(egress.clone(), url, reach, headers.clone(), attachments);
                Self::greet_http(Arc::new(http), peer, deadline).await?
            }
        };
        session.listen();
        Ok(session)
    }

    fn new(link: Link, peer: Arc<Peer>) -> Self {
        Self {
            link,
            peer,
            version: String::new(),
            identity: Identity::default(),
            next_id: AtomicU64::new(1),
            listener: None,
        }
    }

    async fn greet_process(
        process: Process,
        peer: Arc<Peer>,
        deadline: Instant,
    ) -> Result<Self, Fault> {
        let mut session = Self::new(Link::Process(Arc::new(process)), peer);
        match session.shake_hands(deadline).await {
            Err(fault) if fault.is_foreign() => match session.discover(deadline).await {
                Ok(()) => Ok(session),
                Err(_) => Err(fault),
            },
            Err(fault) => Err(fault),
            Ok(()) => Ok(session),
        }
    }

    async fn greet_http(
        http: Arc<HttpLink>,
        peer: Arc<Peer>,
        deadline: Instant,
    ) -> Result<Self, Fault> {
        let mut session = Self::new(Link::Http(Arc::clone(&http)), Arc::clone(&peer));
        let mut discovered = session.discover(deadline).await;
        if matches!(&discovered, Err(fault) if fault.offers(STATELESS)) {
            discovered = session.discover(deadline).await;
        }
        match discovered {
            Ok(()) => return Ok(session),
            Err(Fault::Refused(refused)) if refused.status >= 500 => {}
            Err(fault) if fault.is_foreign() => {}
            Err(fault) => return Err(fault),
        }
        http.reset();
        let fault = match session.shake_hands(deadline).await {
            Ok(()) => return Ok(session),
            Err(fault @ Fault::Refused(_)) if fault.is_foreign() => fault,
            Err(fault) => return Err(fault),
        };
        http.reset();
        let Ok(events) = EventLink::open(http, Arc::clone(&peer)).await else {
            return Err(fault);
        };
        let mut session = Self::new(Link::Events(Arc::new(events)), peer);
        session.shake_hands(deadline).await?;
        Ok(session)
    }

    /// Greets as the revision without sessions does.
    async fn discover(&mut self, deadline: Instant) -> Result<(), Fault> {
        STATELESS.clone_into(&mut self.version);
        if let Link::Http(http) = &self.link {
            http.set_version(STATELESS);
        }
        let found = self
            .ask("server/discover", Map::new(), None, deadline)
            .await?;
        let versions = found.get("supportedVersions").and_then(Value::as_array);
        if !versions.is_some_and(|v| v.iter().any(|v| v == STATELESS)) {
            return Err(Fault::Broken(format!(
                "it does not speak the revision {STATELESS}"
            )));
        }
        let info = found
            .get("_meta")
            .and_then(|m| m.get("io.modelcontextprotocol/serverInfo"));
        self.identity = Identity::read(&found, info.or(found.get("serverInfo")));
        Ok(())
    }

    /// Greets as the revisions before do.
    async fn shake_hands(&mut self, deadline: Instant) -> Result<(), Fault> {
        self.version.clear();
        let mut params = Map::new();
        params.insert("protocolVersion".to_owned(), HANDSHAKES[0].into());
        let can = wire::capabilities(self.peer.may_ask);
        params.insert("capabilities".to_owned(), can);
        params.insert("clientInfo".to_owned(), wire::client_info());
        let greeted = self.ask("initialize", params, None, deadline).await?;
        let version = greeted
            .get("protocolVersion")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !HANDSHAKES.contains(&version) {
            return Err(Fault::Broken(format!(
                "it speaks the revision `{}`, which is not known here",
                super::fault::shortened(version)
            )));
        }
        version.clone_into(&mut self.version);
        if let Link::Http(http) = &self.link {
            http.set_version(version);
        }
        self.identity = Identity::read(&greeted, greeted.get("serverInfo"));
        self.tell(wire::notification("notifications/initialized", None))
            .await
    }

    /// Listens for changes of the tools, where the server says that it tells of them. A process and
    /// a stream of events tell by themselves.
    fn listen(&mut self) {
        let Link::Http(http) = &self.link else {
            return;
        };
        // Some of these ask on this stream, too, what belongs to a call. Others take whatever stream
        // is opened first for the resumption of a call's, and send its answer here.
        if !self.identity.tells_changes {
            return;
        }
        let (http, peer) = (Arc::clone(http), Arc::clone(&self.peer));
        let ask = self.is_stateless().then(|| {
            let mut params = Map::new();
            params.insert(
                "notifications".to_owned(),
                json!({ "toolsListChanged": true }),
            );
            self.outbound("subscriptions/listen", params, None)
        });
        let listening = tokio::spawn(async move { http.listen(&peer, ask.as_ref()).await });
        self.listener = Some(listening.abort_handle());
    }

    fn is_stateless(&self) -> bool {
        self.version == STATELESS
    }

    /// Whether it can be asked, as far as is known.
    pub(super) fn is_alive(&self) -> bool {
        match &self.link {
            Link::Http(_) => true,
            Link::Events(events) => events.is_alive(),
            Link::Process(process) => process.is_alive(),
        }
    }

    fn outbound(
        &self,
        method: &'static str,
        mut params: Map<String, Value>,
        name: Option<String>,
    ) -> Outbound {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        if self.is_stateless() {
            params.insert(
                "_meta".to_owned(),
                Value::Object(wire::stateless_meta(self.peer.may_ask)),
            );
        }
        let text = wire::request(id, method, &params);
        Outbound {
            id,
            method,
            name,
            headers: Vec::new(),
            text,
        }
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask(
        &self,
        method: &'static str,
        params: Map<String, Value>,
        name: Option<String>,
        deadline: Instant,
    ) -> Result<Value, Fault> {
        let out = self.outbound(method, params, name);
        let patience = Patience::until_deadline(deadline);
        self.exchange(&out, &patience, MESSAGE_BYTES_MAX as u64)
            .await
    }

    /// From here on this opens the server.
    pub(super) fn carry(&self, attachments: &Arc<Vec<Attachment>>) {
        match &self.link {
            Link::Http(http) => http.carry(Arc::clone(attachments)),
            Link::Events(events) => events.http.carry(Arc::clone(attachments)),
            // A process got what it got when it was started.
            Link::Process(_) => {}
        }
    }

    /// Sends a request of a call's. A server that refuses the credential (401) has not looked at the
    /// request, so it is sent once more with a newer one, in the same session.
    async fn exchange_for(&self, out: &Outbound, going: &Going<'_, '_>) -> Result<Value, Fault> {
        let outcome = self.exchange(out, &going.patience, going.bytes_max).await;
        match outcome {
            Err(fault) if fault.wants_credential() && going.carried.renew().await => {
                self.carry(&going.carried.now());
                self.exchange(out, &going.patience, going.bytes_max).await
            }
            outcome => outcome,
        }
    }

    async fn exchange(
        &self,
        out: &Outbound,
        patience: &Patience,
        bytes_max: u64,
    ) -> Result<Value, Fault> {
        let mut underway = Underway::of(self, out);
        let outcome = match &self.link {
            Link::Http(http) => http.exchange(out, &self.peer, patience, bytes_max).await,
            Link::Events(events) => events.exchange(out, patience).await,
            Link::Process(process) => process.exchange(out, patience).await,
        };
        // Nobody else is told to stop: they have answered, or are gone.
        if !matches!(
            outcome,
            Err(Fault::Late { .. } | Fault::Fetch(crate::error::FetchError::Timeout { .. }))
        ) {
            underway.is_over();
        }
        outcome
    }

    async fn tell(&self, text: String) -> Result<(), Fault> {
        self.link.tell(text).await
    }

    /// Calls a tool, once. What the server asks in the middle of it is put to whoever runs the task;
    /// what it asks instead of an answer is given back. A task is followed to its end.
    pub(super) async fn call(
        &self,
        call: &ToolCall<'_>,
        going: &Going<'_, '_>,
    ) -> Result<Called, Fault> {
        let mut also = match self.is_stateless() {
            true => call.also.clone(),
            false => Map::new(),
        };
        for _ in 0..=ROUNDS_MAX {
            let result = match self.call_once(call, &also, going).await {
                Ok(result) => result,
                Err(Fault::Rpc(error)) if error.code == PAGE_FIRST && going.can_ask(&self.peer) => {
                    let data = error.data.as_ref().unwrap_or(&Value::Null);
                    let asked = elicit::pages(&self.peer.name, data).map_err(Fault::Broken)?;
                    return Ok(Called::Asks(Box::new(asked)));
                }
                Err(fault) => return Err(fault),
            };
            match result.get("resultType").and_then(Value::as_str) {
                Some("input_required") if self.is_stateless() => {
                    let asked = self.asked(&result, going)?;
                    if !asked.parts.is_empty() {
                        return Ok(Called::Asks(Box::new(asked)));
                    }
                    also = brought_back(asked.given, asked.state);
                }
                Some("task") if self.is_stateless() => {
                    return self.task(&result, going).await.map(Called::Result);
                }
                Some(_) | None => return Ok(Called::Result(result)),
            }
        }
        Err(Fault::Broken(format!(
            "it asked more than {ROUNDS_MAX} times instead of answering"
        )))
    }

    async fn call_once(
        &self,
        call: &ToolCall<'_>,
        also: &Map<String, Value>,
        going: &Going<'_, '_>,
    ) -> Result<Value, Fault> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let _heard = self.peer.hears(id, going.hearing, &going.patience);
        let mut meta = if self.is_stateless() {
            wire::stateless_meta(going.can_ask(&self.peer))
        } else {
            Map::new()
        };
        meta.insert("progressToken".to_owned(), id.into());
        // Spliced, not parsed and written anew: what was approved is sent to the byte.
        let mut text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"_meta":{},"#,
            Value::Object(meta)
        );
        for (name, value) in also {
            text.push_str(&format!("{}:{value},", Value::from(name.as_str())));
        }
        text.push_str(call.params);
        let out = Outbound {
            id,
            method: "tools/call",
            name: Some(call.name.to_owned()),
            headers: if self.is_stateless() {
                call.headers.clone()
            } else {
                Vec::new()
            },
            text,
        };
        self.exchange_for(&out, going).await
    }

    /// What the server asks instead of an answer.
    fn asked(&self, result: &Value, going: &Going<'_, '_>) -> Result<Elicitation, Fault> {
        let mut refused = |why: String| match going.hearing {
            Some(hearing) => (hearing.told)(McpNews::Refused(why)),
            None => {
                tracing::warn!(source.name = %self.peer.name, "an MCP server asked for a person")
            }
        };
        elicit::sorted(
            &self.peer.name,
            result,
            going.can_ask(&self.peer),
            &mut refused,
        )
        .ok_or_else(|| Fault::Broken("it asks for a model, which no server is given".to_owned()))
    }

    /// Says goodbye: the session is ended at the server, the process is ended and waited for.
    pub(super) async fn end(&self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
        match &self.link {
            Link::Http(http) => http.end().await,
            Link::Events(_) => {}
            Link::Process(process) => process.end().await,
        }
    }
}

impl Link {
    async fn tell(&self, text: String) -> Result<(), Fault> {
        match self {
            Self::Http(http) => http.tell(text).await,
            Self::Events(events) => events.tell(text).await,
            Self::Process(process) => {
                process.tell(text);
                Ok(())
            }
        }
    }
}

impl Identity {
    fn read(greeting: &Value, info: Option<&Value>) -> Self {
        let text = |key: &str| {
            let found = info
                .and_then(|i| i.get(key))
                .and_then(Value::as_str)
                .unwrap_or_default();
            super::fault::shortened(found)
        };
        let instructions = greeting
            .get("instructions")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let tools = greeting.pointer("/capabilities/tools/listChanged");
        Self {
            title: Some(text("title"))
                .filter(|t| !t.is_empty())
                .unwrap_or_else(|| text("name")),
            release: text("version"),
            instructions: instructions.chars().take(4_000).collect(),
            tells_changes: tools == Some(&Value::Bool(true)),
        }
    }
}

impl Going<'_, '_> {
    fn can_ask(&self, peer: &Peer) -> bool {
        peer.may_ask && self.hearing.is_some_and(|hearing| hearing.ask.is_some())
    }
}
