//! The way to a server: the public HTTP API, nothing else.
//!
//! Finds the server of the data directory, says who asks (`client/tokens.rs` for servers elsewhere),
//! turns problems into failures with a next step, follows pages and event streams. It holds no rule of its own and never retries a write by itself.

mod tokens;

pub(crate) use tokens::{Told, number, text};

use crate::config::{Config, Origin};
use crate::events::Events;
use crate::failure::{Failure, Result};
use crate::home;
use crate::logins::Door;
use api::Page;
use api::error::Problem;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use url::Url;

/// Objects asked for at once.
const PAGE: usize = 100;

/// A server that commands speak to.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    config: std::sync::Arc<Config>,
}

/// Query parameters of a request.
pub(crate) type Query<'a> = &'a [(&'a str, &'a str)];

impl Client {
    /// Prepares to speak to the configured server, or the one of the data directory.
    pub(crate) fn new(config: &std::sync::Arc<Config>) -> Result<Self> {
        let base = address(config)?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .user_agent(concat!("executor/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true);
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|e| {
            Failure::failed("client", format!("cannot prepare an HTTP client: {e}"))
        })?;
        Ok(Self {
            http,
            base,
            config: config.clone(),
        })
    }

    /// The same, looking again where the server of the directory answers: it may have restarted
    /// elsewhere. While none runs the old address stays, lest another server be taken for it.
    pub(crate) fn again(&self) -> Self {
        let notice = match self.config.url {
            Some(_) => None,
            None => home::notice(&self.config.home),
        };
        let base = notice.and_then(|n| Url::parse(&n.address).ok());
        Self {
            http: self.http.clone(),
            base: base.unwrap_or_else(|| self.base.clone()),
            config: self.config.clone(),
        }
    }

    /// The address of the server, without a slash at the end.
    pub(crate) fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Reads one object.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<T> {
        let request = self
            .request(Method::GET, path, query)
            .timeout(Duration::from_secs(120));
        self.decode(self.answer(request).await?).await
    }

    /// Sends one object and reads one.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T> {
        let request = self
            .request(method, path, &[])
            .timeout(Duration::from_secs(300))
            .json(body);
        self.decode(self.answer(request).await?).await
    }

    /// Sends one object under a key that makes a repetition harmless.
    pub(crate) async fn send_once<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
        key: &str,
    ) -> Result<T> {
        let request = self
            .request(Method::POST, path, &[])
            .timeout(Duration::from_secs(300))
            .header("idempotency-key", key)
            .json(body);
        self.decode(self.answer(request).await?).await
    }

    /// Sends a request without a body and reads one object.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<T> {
        let request = self
            .request(Method::POST, path, query)
            .timeout(Duration::from_secs(300));
        self.decode(self.answer(request).await?).await
    }

    /// Removes one object that is still shown.
    pub(crate) async fn remove<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<T> {
        let request = self
            .request(Method::DELETE, path, query)
            .timeout(Duration::from_secs(120));
        self.decode(self.answer(request).await?).await
    }

    /// Removes one object.
    pub(crate) async fn delete(&self, path: &[&str]) -> Result<()> {
        let request = self
            .request(Method::DELETE, path, &[])
            .timeout(Duration::from_secs(120));
        self.answer(request).await.map(|_| ())
    }

    /// Sends a request without a body and reads one object.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let request = request.timeout(Duration::from_secs(120));
        self.decode(self.answer(request).await?).await
    }

    /// Reads a list page by page, at most `limit` objects.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
        limit: usize,
    ) -> Result<Vec<T>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < limit {
            let count = (limit - items.len()).min(PAGE).to_string();
            let mut query = query.to_vec();
            query.push(("limit", &count));
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let page: Page<T> = self.get(path, &query).await?;
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        items.truncate(limit);
        Ok(items)
    }

    /// Opens a stream of events after the one with the number `after`.
    pub(crate) async fn events(&self, path: &[&str], after: Option<i64>) -> Result<Events> {
        let mut request = self
            .request(Method::GET, path, &[])
            .header("accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after.to_string());
        }
        Ok(Events::new(self.answer(request).await?))
    }

    /// Opens an answer that is read as it comes, however long it is.
    pub(crate) async fn download(&self, path: &[&str], query: Query<'_>) -> Result<Response> {
        self.answer(self.request(Method::GET, path, query)).await
    }

    /// A part of such an answer broke off.
    pub(crate) fn broke_off(&self, e: &reqwest::Error) -> Failure {
        self.broken(e)
    }

    /// A server elsewhere, by its address.
    pub(crate) fn at(&self, server: Url) -> Self {
        Self {
            base: server,
            ..self.clone()
        }
    }

    /// A request for a workspace. Who asks is said when it is sent.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &[&str],
        query: Query<'_>,
    ) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        let workspace = self.config.workspace.as_deref().map(|w| ("workspace", w));
        let pairs: Vec<_> = query.iter().copied().chain(workspace).collect();
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        labeled(self.http.request(method, url))
    }

    /// A request that says nothing of who asks.
    fn unsigned(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        labeled(self.http.request(method, url))
    }

    /// A request to the MCP endpoint, with who is asking.
    ///
    /// # Errors
    /// When a sign-in at that server has ended.
    pub(crate) async fn mcp(&self, method: Method, query: Query<'_>) -> Result<RequestBuilder> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("mcp");
        }
        if let Some(workspace) = &self.config.workspace {
            url.query_pairs_mut().append_pair("workspace", workspace);
        }
        for (name, value) in query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let request = labeled(self.http.request(method, url));
        Ok(self.signed(request, Door::Mcp).await?.0)
    }

    /// Whether the server is alive, and when it says it is, by its own clock.
    pub(crate) async fn alive(&self) -> Result<Option<String>> {
        let mut url = self.base.clone();
        url.set_path("/healthz");
        let request = self.http.get(url).timeout(Duration::from_secs(5));
        let response = self.settle(request).await?;
        Ok(response
            .headers()
            .get("date")
            .and_then(|d| d.to_str().ok())
            .map(str::to_owned))
    }

    /// Whether a server is configured, or runs for the directory.
    pub(crate) fn has_server(&self) -> Result<()> {
        let home = &self.config.home;
        if self.config.url.is_none() && home::notice(home).is_none() {
            let message = format!("no server runs for {}", home.display());
            return Err(Failure::unreachable(message)
                .next("start one with `executor serve`, or name one with --server"));
        }
        Ok(())
    }

    /// Whether the configured server, or the directory's own, is alive; says when, by its clock.
    pub(crate) async fn alive_here(&self) -> Result<Option<String>> {
        self.has_server()?;
        self.again().alive().await
    }

    /// The same request with who asks, and by what: a key that was given; at the server of the data
    /// directory its own user; elsewhere whoever signed in there.
    async fn signed(&self, request: RequestBuilder, door: Door) -> Result<(RequestBuilder, By)> {
        if let Some(key) = &self.config.api_key {
            return Ok((request.bearer_auth(key.expose()), By::Other));
        }
        if self.is_own() {
            let owner = home::owner_token(&self.config.home);
            return Ok(match owner {
                Some(token) => (
                    request.header("x-executor-owner", token.expose()),
                    By::Other,
                ),
                None => (request, By::Other),
            });
        }
        Ok(match self.login_token(door).await? {
            Some(token) => (request.bearer_auth(token.expose()), By::Login),
            None => (request, By::Other),
        })
    }

    /// Whether it is the server of the data directory. What shows it that its own user asks goes to
    /// that server alone.
    pub(crate) fn is_own(&self) -> bool {
        let notice = home::notice(&self.config.home);
        let own = notice.and_then(|notice| Url::parse(&notice.address).ok());
        own.is_some_and(|own| own.origin() == self.base.origin())
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response> {
        let (request, by) = self.signed(request, Door::Api).await?;
        self.settle(request).await.map_err(|failure| match by {
            By::Login if failure.is_unknown_bearer() => self.signed_out(Door::Api),
            By::Login | By::Other => failure,
        })
    }

    async fn settle(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|e| self.broken(&e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.map_err(|e| self.broken(&e))?;
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Err(Failure::from_problem(problem)),
            Err(_) => Err(self.stranger(status)),
        }
    }

    async fn decode<T: DeserializeOwned>(&self, response: Response) -> Result<T> {
        let status = response.status();
        let bytes = response.bytes().await.map_err(|e| self.broken(&e))?;
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(text).map_err(|e| {
            tracing::debug!(error = %e, "unexpected answer");
            self.stranger(status)
        })
    }

    fn stranger(&self, status: StatusCode) -> Failure {
        Failure::failed(
            "unexpected_answer",
            format!(
                "{} gave an answer ({status}) that is none of this version of Executor",
                self.address()
            ),
        )
        .next("check --server or EXECUTOR_URL, and that server and command have the same version")
    }

    fn broken(&self, e: &reqwest::Error) -> Failure {
        let why = innermost(e);
        if e.is_timeout() && !e.is_connect() {
            return Failure::unreachable(format!("{} did not answer in time", self.address()))
                .next("look at the server's log, or try again");
        }
        Failure::unreachable(format!("no server answers at {} ({why})", self.address())).next(
            match self.config.origin("url") {
                Origin::Default => "start one with `executor serve`".to_owned(),
                origin @ (Origin::Flag(_) | Origin::Environment(_) | Origin::File(_)) => {
                    format!("start it, or correct the address that {origin} gives")
                }
            },
        )
    }
}

/// By what a request shows who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// A token of `executor login`.
    Login,
    /// Something else, or nothing.
    Other,
}

/// A request with what program makes it.
fn labeled(request: RequestBuilder) -> RequestBuilder {
    request.header(
        "x-executor-client",
        concat!("cli/", env!("CARGO_PKG_VERSION")),
    )
}

/// The cause at the root of an error: the outer ones only repeat that a request failed.
pub(crate) fn innermost(e: &dyn std::error::Error) -> String {
    let mut last = e;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn address(config: &Config) -> Result<Url> {
    let text = match &config.url {
        Some(url) => url.clone(),
        None => match home::notice(&config.home) {
            Some(notice) => notice.address,
            None => format!("http://127.0.0.1:{}", config.port),
        },
    };
    let url = Url::parse(&text)
        .ok()
        .filter(|u| matches!(u.scheme(), "http" | "https"));
    url.ok_or_else(|| {
        Failure::usage(format!(
            "'{text}' from {} is no server address",
            config.origin("url")
        ))
        .next("an address looks like http://127.0.0.1:5312")
    })
}

/// A key that makes the repetition of a write harmless.
pub(crate) fn idempotency_key() -> Result<String> {
    let mut bits = [0u8; 16];
    getrandom::fill(&mut bits).map_err(|e| {
        Failure::failed("randomness", format!("the system gives no randomness: {e}"))
    })?;
    Ok(bits.iter().map(|b| format!("{b:02x}")).collect())
}
