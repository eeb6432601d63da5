//! The one guarded client: everything that leaves Executor leaves here.
//!
//! A name is resolved once, every address it has is judged (`address`), and the judged address is
//! dialed; a pooled connection stays with the address it was judged for. No proxy from the
//! environment, no cookies, no hidden retries, no automatic redirects: callers follow those step
//! by step, each judged anew. Connecting, waiting for an answer, silence within it, the whole of
//! it and its decompressed size are bounded.

mod address;
mod arriving;
mod cause;
mod look;
mod played;
mod webhook;

use crate::error::FetchError;
use address::Verdict;
pub(crate) use arriving::Arriving;
use cause::{NoName, Refused};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
pub use look::{Seen, Validators};
pub use played::{Played, PlayedAnswer, PlayedRequest};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, redirect, retry};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use url::{Host, Url};
pub use webhook::Taken;

/// How many redirects in a row are followed.
pub(crate) const REDIRECTS_MAX: usize = 5;

/// Clients kept for private hosts; beyond it all are dropped and made again when needed.
const PRIVATE_CLIENTS_MAX: usize = 64;

/// Largest document that a description refers to, in bytes, decompressed.
pub const OTHER_BYTES_MAX: u64 = 16 << 20;

/// How many of them are fetched at the same time.
const OTHERS_AT_ONCE: usize = 8;

/// Shorter than the five seconds after which common servers close an idle connection, so that no
/// request is written into a connection that is just being closed.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// The limits of everything that leaves.
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// Milliseconds for a connection, TLS included.
    pub connect_ms: u64,
    /// Milliseconds from sending to the first line of an answer.
    pub header_ms: u64,
    /// Milliseconds of silence within an answer.
    pub idle_ms: u64,
    /// Milliseconds for all of it, redirects included.
    pub total_ms: u64,
    /// Largest description that is fetched, in bytes, decompressed.
    pub document_bytes_max: u64,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            connect_ms: 10_000,
            header_ms: 120_000,
            idle_ms: 60_000,
            total_ms: 300_000,
            document_bytes_max: 64 << 20,
        }
    }
}

/// The guarded client; cheap to clone.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    config: EgressConfig,
    /// Made on first use: reading the system's certificates takes longer than a start may.
    public: OnceLock<Client>,
    private: Mutex<HashMap<(String, u16), Client>>,
    /// Whoever answers in place of the network.
    played: Option<Played>,
    /// Whoever resolves names in place of the system.
    names: Option<Names>,
}

/// Resolves names in place of the system: what it answers is judged like any other answer.
pub type Names = Arc<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

/// Who may be reached besides public addresses: one host and port, or nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach(Option<(String, u16)>);

impl Reach {
    /// Public addresses alone.
    pub(crate) fn public() -> Self {
        Self(None)
    }

    /// Also the host and port of an address that an owner allowed.
    pub(crate) fn also(url: &Url) -> Self {
        Self(
            url.host_str()
                .map(str::to_owned)
                .zip(url.port_or_known_default()),
        )
    }

    fn covers(&self, url: &Url) -> bool {
        self.0.as_ref().is_some_and(|(host, port)| {
            url.host_str() == Some(host) && url.port_or_known_default() == Some(*port)
        })
    }
}

/// An address with its bytes, or why there are none.
pub type ReadAt = (String, Result<Vec<u8>, String>);

/// What a description is fetched with.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// Its address: the only one that the rest holds for.
    own: &'a Url,
    headers: &'a [(String, String)],
    allow_private: bool,
}

/// One request as it goes on the wire.
pub(crate) struct Outgoing {
    pub(crate) method: String,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

impl Egress {
    /// A client with these limits. Nothing is opened yet.
    #[must_use]
    pub fn new(config: EgressConfig) -> Self {
        Self::over(config, None, None)
    }

    /// A client to which `names` says where names lead, for tests of names that change their mind.
    #[must_use]
    pub fn with_names(config: EgressConfig, names: Names) -> Self {
        Self::over(config, None, Some(names))
    }

    /// A client whose requests are judged like any other and then answered by `played` inside this
    /// process: nothing reaches the network.
    #[must_use]
    pub fn played(config: EgressConfig, played: Played) -> Self {
        Self::over(config, Some(played), None)
    }

    fn over(config: EgressConfig, played: Option<Played>, names: Option<Names>) -> Self {
        Self(Arc::new(Inner {
            config,
            public: OnceLock::new(),
            private: Mutex::default(),
            played,
            names,
        }))
    }

    /// Fetches the documents that a description at `own` refers to, eight at a time and within the
    /// time of one answer. The grant and the headers of the description hold for its own host and
    /// port, wherever else they lie.
    ///
    /// Yields each address with its bytes, or why there are none.
    pub fn fetch_others<'a>(
        &'a self,
        wanted: Vec<String>,
        own: &'a str,
        headers: &'a [(String, String)],
        allow_private: bool,
    ) -> BoxFuture<'a, Vec<ReadAt>> {
        Box::pin(async move {
            let own = parse(own);
            let (own, deadline) = (own.as_ref(), self.deadline());
            let read = wanted.into_iter().map(|url| async move {
                let fetched = match (own, parse(&url)) {
                    (Ok(own), Ok(start)) => {
                        let asked = Asked {
                            own,
                            headers,
                            allow_private,
                        };
                        self.document(start, asked, OTHER_BYTES_MAX, deadline).await
                    }
                    (Err(problem), _) => Err(problem.clone()),
                    (_, Err(problem)) => Err(problem),
                };
                (url, fetched.map_err(|problem| problem.to_string()))
            });
            let read = futures_util::stream::iter(read);
            read.buffered(OTHERS_AT_ONCE).collect().await
        })
    }

    async fn document(
        &self,
        start: Url,
        asked: Asked<'_>,
        bytes_max: u64,
        deadline: Instant,
    ) -> Result<Vec<u8>, FetchError> {
        let none = Validators::default();
        let seen = self.seen(start, asked, bytes_max, deadline, &none).await?;
        if seen.is_success() {
            return Ok(seen.body);
        }
        Err(FetchError::Status {
            host: parse(&seen.url).map_or_else(|_| seen.url.clone(), |at| host_of(&at)),
            status: seen.status,
        })
    }

    /// Sends JSON to an address of the server's own configuration, private or not, and waits for the
    /// whole answer: its status and body.
    ///
    /// # Errors
    /// [`FetchError`], when there is no whole answer within the limits and `bytes_max`.
    pub fn post_own(
        &self,
        url: &str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        bytes_max: u64,
    ) -> BoxFuture<'static, Result<(u16, Vec<u8>), FetchError>> {
        let (egress, url) = (self.clone(), parse(url));
        Box::pin(async move {
            let url = url?;
            let reach = Reach::also(&url);
            let outgoing = Outgoing {
                method: "POST".to_owned(),
                url,
                headers,
                body: Some(body),
            };
            let answer = egress.send(outgoing, &reach, egress.deadline()).await?;
            let status = answer.status();
            Ok((status, answer.read(bytes_max).await?))
        })
    }

    /// When everything that begins now must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.0.config.total_ms)
    }

    /// How long an answer may be silent that is a stream of messages: as long as one that has not
    /// begun.
    pub(crate) fn stream_idle(&self) -> Duration {
        Duration::from_millis(self.0.config.header_ms)
    }

    /// Sends one request and waits for the head of its answer. Redirects are answers.
    pub(crate) async fn send(
        &self,
        outgoing: Outgoing,
        reach: &Reach,
        deadline: Instant,
    ) -> Result<Arriving, FetchError> {
        let config = &self.0.config;
        let host = host_of(&outgoing.url);
        let secure = outgoing.url.scheme() == "https";
        let granted = judge(&outgoing.url, reach)?;
        let carried = async {
            if let Some(played) = &self.0.played {
                return played::carry(played, outgoing, &host).await;
            }
            let client = self.client_for(reach, granted);
            let sent = client.execute(request(outgoing, &host)?).await;
            sent.map_err(|error| cause::of(&error, host.clone(), secure, config.connect_ms))
        };
        let header_limit = Duration::from_millis(config.header_ms);
        let within = deadline.min(Instant::now() + header_limit);
        match tokio::time::timeout_at(within, carried).await {
            Ok(Ok(response)) => Ok(Arriving::new(response, host, deadline, config.clone())),
            Ok(Err(error)) => Err(error),
            Err(_) if within == deadline => Err(FetchError::Timeout {
                host,
                phase: "finish its answer",
                limit_ms: config.total_ms,
            }),
            Err(_) => Err(FetchError::Timeout {
                host,
                phase: "begin to answer",
                limit_ms: config.header_ms,
            }),
        }
    }

    fn client_for(&self, reach: &Reach, granted: Granted) -> Client {
        match (&reach.0, granted) {
            (Some(key), Granted::Yes) => {
                let mut kept = self
                    .0
                    .private
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if kept.len() >= PRIVATE_CLIENTS_MAX && !kept.contains_key(key) {
                    kept.clear();
                }
                kept.entry(key.clone())
                    .or_insert_with(|| self.client(Some(key.0.clone())))
                    .clone()
            }
            _ => self.0.public.get_or_init(|| self.client(None)).clone(),
        }
    }

    fn client(&self, granted: Option<String>) -> Client {
        let guard = Guard {
            granted,
            names: self.0.names.clone(),
        };
        client(&self.0.config, Arc::new(guard))
    }
}

/// Whether an owner allowed the very host and port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Granted {
    Yes,
    No,
}

/// Judges a literal address at once; names are judged by the client's resolver when dialed.
fn judge(url: &Url, reach: &Reach) -> Result<Granted, FetchError> {
    let granted = reach.covers(url);
    let verdict = match url.host() {
        Some(Host::Ipv4(ip)) => address::judge(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => address::judge(IpAddr::V6(ip)),
        // RFC 6761: these mean this machine, whatever a resolver makes of them.
        Some(Host::Domain(name)) if is_local(name) => Verdict::Private,
        Some(Host::Domain(name)) if is_metadata(name) => Verdict::Never,
        Some(Host::Domain(_)) | None => Verdict::Public,
    };
    if !verdict.passes(granted) {
        return Err(FetchError::Refused);
    }
    Ok(if granted { Granted::Yes } else { Granted::No })
}

/// Judges every address of a name. `granted` is the one name whose private addresses pass.
struct Guard {
    granted: Option<String>,
    names: Option<Names>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let granted = self.granted.as_deref() == Some(name.as_str());
        let names = self.names.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = match names {
                Some(names) => {
                    let found = names(name.as_str()).into_iter();
                    found.map(|ip| SocketAddr::new(ip, 0)).collect()
                }
                None => tokio::net::lookup_host((name.as_str(), 0))
                    .await
                    .map_err(|_| NoName)?
                    .collect(),
            };
            if found.is_empty() {
                return Err(NoName.into());
            }
            // One bad address among good ones is an attack or a mistake; neither is dialed.
            if found
                .iter()
                .any(|a| !address::judge(a.ip()).passes(granted))
            {
                return Err(Refused.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn client(config: &EgressConfig, guard: Arc<Guard>) -> Client {
    builder(config, Arc::clone(&guard)).build().unwrap_or_else(|_| {
        tracing::warn!(
            "no CA certificates found; install the package `ca-certificates` to call https addresses"
        );
        without_certificates(config, guard)
    })
}

/// For a machine without CA certificates: plain HTTP still works, TLS trusts nobody.
fn without_certificates(config: &EgressConfig, guard: Arc<Guard>) -> Client {
    builder(config, guard)
        .tls_certs_only([])
        .build()
        .expect("a client that needs nothing of the system can be built")
}

fn builder(config: &EgressConfig, guard: Arc<Guard>) -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .dns_resolver(guard)
        .connect_timeout(Duration::from_millis(config.connect_ms))
        .pool_idle_timeout(POOL_IDLE)
        .tcp_nodelay(true)
        .user_agent(concat!("executor/", env!("CARGO_PKG_VERSION")))
}

fn request(outgoing: Outgoing, host: &str) -> Result<reqwest::Request, FetchError> {
    let malformed = |problem: &str| FetchError::Malformed {
        host: host.to_owned(),
        problem: problem.to_owned(),
    };
    let method =
        Method::from_bytes(outgoing.method.as_bytes()).map_err(|_| malformed("unknown method"))?;
    let mut request = reqwest::Request::new(method, outgoing.url);
    for (name, value) in &outgoing.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let name = parsed.map_err(|_| malformed("a header's name is malformed"))?;
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| malformed("a header's value holds characters that cannot be sent"))?;
        value.set_sensitive(true);
        request.headers_mut().append(name, value);
    }
    *request.body_mut() = outgoing.body.map(Into::into);
    Ok(request)
}

fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Names of metadata services, which lead to them where they lead anywhere.
fn is_metadata(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "metadata.google.internal" || name.ends_with(".metadata.google.internal")
}

/// Host and port, as shown in errors.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The one parser, for judging and for dialing.
pub(crate) fn parse(text: &str) -> Result<Url, FetchError> {
    let bad = |problem: String| FetchError::BadUrl {
        url: without_secrets(text),
        problem,
    };
    let url = Url::parse(text).map_err(|e| bad(e.to_string()))?;
    checked(url).map_err(bad)
}

/// The address that a redirect leads to.
pub(crate) fn join(at: &Url, location: &str) -> Result<Url, FetchError> {
    let bad = |problem: String| FetchError::BadUrl {
        url: without_secrets(location),
        problem,
    };
    let url = at.join(location).map_err(|e| bad(e.to_string()))?;
    checked(url).map_err(bad)
}

fn checked(mut url: Url) -> Result<Url, String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "only http and https can be reached, not `{}`",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "user names in addresses are not accepted; set a credential instead".to_owned(),
        );
    }
    url.set_fragment(None);
    Ok(url)
}

/// An address as shown in an error: without query, fragment and user name.
fn without_secrets(text: &str) -> String {
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = shown.split_once("://") else {
        return shown.to_owned();
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let user = authority.rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[user..])
}

impl Verdict {
    fn passes(self, granted: bool) -> bool {
        match self {
            Self::Public => true,
            Self::Private => granted,
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_certificates_still_gets_a_client() {
        let guard = Guard {
            granted: None,
            names: None,
        };
        without_certificates(&EgressConfig::default(), Arc::new(guard));
    }

    #[test]
    fn addresses_are_shown_without_what_may_be_secret() {
        for (text, shown) in [
            ("https://me:pw@x.example/a?key=k#f", "https://x.example/a"),
            ("https://x.example/@me", "https://x.example/@me"),
            ("nonsense?k=1", "nonsense"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
