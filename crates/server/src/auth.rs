//! Who a request is for: an API key, a client's token, or the `local` sign-in.
//!
//! A key or token that is sent decides alone: one that does not work is refused, whoever sends it. Otherwise
//! the system says that the other end of a loopback connection belongs to the user who runs the
//! server, or a session cookie does. Labels such as the client's name are taken as said; no
//! right follows from them. Next: `auth/owner.rs` asks the system, `web.rs` redeems links.

mod owner;

use crate::App;
use crate::authority::challenge;
use crate::error::Failure;
use crate::hosts::Named;
use crate::sign_in::session_cookie;
use domain::SessionId;
use domain::access::{Caller, Channel, Person};
use domain::credential::Secret;
use domain::grant::{ACCESS_PREFIX, Resource};
use domain::key::PREFIX;
use engine::Foreign;
use http::HeaderValue;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, USER_AGENT};
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

/// Longest token of another authorization server that is looked at.
const FOREIGN_BYTES_MAX: usize = 16 << 10;

/// Longest text that is looked up as a key.
const KEY_BYTES_MAX: usize = 256;

/// The other end of a connection.
pub(crate) struct Peer {
    remote: SocketAddr,
    local: SocketAddr,
    owns: OnceLock<bool>,
}

impl Peer {
    pub(crate) fn new(remote: SocketAddr, local: SocketAddr) -> Self {
        Self {
            remote,
            local,
            owns: OnceLock::new(),
        }
    }

    /// The other end, without its port.
    pub(crate) fn address(&self) -> IpAddr {
        self.remote.ip()
    }

    /// The address the connection came in on.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether it is a process of the user who runs the server. Asked of the system once.
    fn is_owner(&self) -> bool {
        let loopback = |a: SocketAddr| a.ip().to_canonical().is_loopback();
        *self.owns.get_or_init(|| {
            loopback(self.remote) && loopback(self.local) && owner::is_ours(self.remote, self.local)
        })
    }
}

/// What kind of door a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Api,
    Mcp,
    Page,
}

/// Who a request is for: a person, a caller in a workspace, or both. A key stands for a caller alone;
/// a person who reaches no workspace is no caller yet.
pub(crate) struct Known {
    /// The person who is signed in.
    pub(crate) person: Option<Person>,
    /// The caller, where they reach a workspace.
    pub(crate) caller: Option<Caller>,
    /// The session that says so, if one does.
    pub(crate) session: Option<SessionId>,
}

/// The session that a request came with, beside its caller; none for programs and for the user who
/// runs the server.
#[derive(Debug, Clone)]
pub(crate) struct CurrentSession(pub(crate) Option<SessionId>);

/// Whom a request is from, beside the request.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// The address, without the port: of the other end of the connection, or whom a trusted proxy
    /// there has the request from.
    pub(crate) address: String,
}

impl Known {
    /// A program, which stands for a caller alone.
    fn program(caller: Caller) -> Self {
        Self {
            person: None,
            caller: Some(caller),
            session: None,
        }
    }
}

/// Finds out who a request is for.
///
/// # Errors
/// A 401 where nobody can be found, or where a key or token was sent that does not work. Why it does
/// not is not told: whoever holds a secret learns nothing of what it once opened. Programs are told
/// where a token is to be had.
pub(crate) async fn identify(
    app: &App,
    peer: &Peer,
    named: Named,
    (uri, headers): (&http::Uri, &HeaderMap),
    door: Door,
) -> Result<Known, Failure> {
    let found = whoever(app, peer, named, headers, door).await;
    found.map_err(|failure| match door {
        Door::Page => failure,
        Door::Api | Door::Mcp => {
            failure.challenging(|error| challenge(app, headers, uri.path(), error))
        }
    })
}

async fn whoever(
    app: &App,
    peer: &Peer,
    named: Named,
    headers: &HeaderMap,
    door: Door,
) -> Result<Known, Failure> {
    let (channel, client) = label(headers, door);
    let elsewhere = app.engine.is_authorized_elsewhere();
    match sent(headers, elsewhere.then_some(FOREIGN_BYTES_MAX)) {
        Some(Sent::Key(key)) => {
            let caller = app.engine.key_caller(&key, channel, client).await?;
            return caller.map(Known::program).ok_or_else(Failure::unknown_key);
        }
        Some(Sent::Token(token)) => {
            let resource = match door {
                Door::Mcp => Resource::Mcp,
                Door::Api | Door::Page => Resource::Api,
            };
            let from = (channel, client);
            let caller = app.engine.token_caller(&token, from, resource).await?;
            return caller.map(Known::program).ok_or_else(Failure::bad_token);
        }
        Some(Sent::Foreign(token)) if door == Door::Mcp => {
            return match app.engine.foreign_caller(&token, client).await? {
                Foreign::Known(caller) => Ok(Known::program(*caller)),
                Foreign::Unknown => Err(Failure::unknown_person()),
                Foreign::Bad => Err(Failure::bad_token()),
            };
        }
        Some(Sent::Foreign(_) | Sent::Neither) => return Err(Failure::unknown_key()),
        None => {}
    }
    // Behind a proxy the other end of the connection is the proxy, whoever it speaks for.
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| headers.contains_key(*name));
    if named == Named::Loopback && !forwarded && peer.is_owner() && shows_owner(app, headers) {
        let caller = app.engine.local_caller(channel, client);
        return Ok(Known {
            person: Some(caller.person()),
            caller: Some(caller),
            session: None,
        });
    }
    if let Some(token) = cookie(headers, &session_cookie(app)) {
        let signed_in = app.engine.session_caller(token, channel, client).await?;
        let signed_in = signed_in.ok_or_else(Failure::not_signed_in)?;
        return Ok(Known {
            person: Some(signed_in.person),
            caller: signed_in.caller,
            session: Some(signed_in.session_id),
        });
    }
    Err(Failure::not_signed_in())
}

/// Whether a request shows what only the user who runs the server can read. Where strangers sign in,
/// a proxy may run as that user and say nothing of whom it speaks for: being at the other end of the
/// connection is not enough there.
fn shows_owner(app: &App, headers: &HeaderMap) -> bool {
    let Some(token) = &app.owner_token else {
        return true;
    };
    let shown = headers.get("x-executor-owner").map(HeaderValue::as_bytes);
    // Digests are compared, so that the time it takes tells nothing of the token.
    let digest = |bytes: &[u8]| domain::canonical::sha256_hex(bytes);
    shown.is_some_and(|shown| digest(shown) == digest(token.expose().as_bytes()))
}

/// Whether a browser says that a page of another site makes the request. Following a link to one of
/// our pages is fine: pages change nothing when they are loaded.
pub(crate) fn is_cross_site(
    method: &http::Method,
    headers: &HeaderMap,
    door: Option<Door>,
) -> bool {
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|v| v == value);
    let foreign = says("sec-fetch-site", "cross-site") || says("sec-fetch-site", "same-site");
    let followed_link = method == http::Method::GET
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
        && !matches!(door, Some(Door::Api | Door::Mcp));
    foreign && !followed_link
}

/// What came with a request.
enum Sent {
    /// What begins like an API key.
    Key(Secret),
    /// What begins like an access token of ours.
    Token(Secret),
    /// What may be a token of another authorization server, where one is named in our place.
    Foreign(Secret),
    /// What can be neither, or two that differ.
    Neither,
}

/// Reads it. Tokens of others, up to a length, are looked at only where another authorization server
/// is named in our place.
fn sent(headers: &HeaderMap, foreign_bytes_max: Option<usize>) -> Option<Sent> {
    let bearer = headers.get_all(AUTHORIZATION).iter().map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    let plain = headers
        .get_all("x-api-key")
        .iter()
        .map(|value| value.to_str().ok());
    let sent: Vec<Option<&str>> = bearer.chain(plain).map(|t| t.map(str::trim)).collect();
    let first = *sent.first()?;
    let bytes_max = foreign_bytes_max.unwrap_or(KEY_BYTES_MAX);
    let fits = |text: &&str| text.len() <= bytes_max && sent.iter().all(|other| *other == first);
    let Some(text) = first.filter(fits) else {
        return Some(Sent::Neither);
    };
    let secret = Secret::new(text.to_owned());
    let is_bearer = !headers.contains_key("x-api-key");
    Some(if text.starts_with(PREFIX) {
        Sent::Key(secret)
    } else if text.starts_with(ACCESS_PREFIX) && is_bearer {
        Sent::Token(secret)
    } else if foreign_bytes_max.is_some() && is_bearer && text.matches('.').count() == 2 {
        Sent::Foreign(secret)
    } else {
        Sent::Neither
    })
}

fn label(headers: &HeaderMap, door: Door) -> (Channel, String) {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    };
    let own = text("x-executor-client");
    let agent = text(USER_AGENT.as_str())
        .split(' ')
        .next()
        .unwrap_or_default();
    let client = if own.is_empty() { agent } else { own };
    let client: String = client.chars().take(128).collect();
    match door {
        // The client's own name comes with `initialize`.
        Door::Mcp => (Channel::Mcp, client),
        Door::Page => (Channel::Dashboard, "browser".to_owned()),
        Door::Api if own.starts_with("cli/") => (Channel::Cli, client),
        Door::Api if headers.contains_key("sec-fetch-site") => {
            (Channel::Dashboard, "browser".to_owned())
        }
        Door::Api => (Channel::Api, client),
    }
}

pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()))
            .collect()
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let map = headers(&[("cookie", "a=1; executor_53=no; executor_5312=yes")]);
        assert_eq!(cookie(&map, "executor_5312"), Some("yes"));
        assert_eq!(cookie(&map, "executor_531"), None);
    }

    #[test]
    fn one_key_is_read_and_two_are_none() {
        let read = |pairs: &[(&'static str, &str)]| {
            sent(&headers(pairs), None).map(|sent| match sent {
                Sent::Key(key) => Some(key.expose().to_owned()),
                Sent::Token(token) => Some(format!("token {}", token.expose())),
                Sent::Foreign(token) => Some(format!("foreign {}", token.expose())),
                Sent::Neither => None,
            })
        };
        let key = Some(Some("exk_a".to_owned()));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[("authorization", "Bearer exk_a")]), key);
        assert_eq!(read(&[("authorization", "bearer  exk_a ")]), key);
        assert_eq!(read(&[("x-api-key", "exk_a")]), key);
        let both = [("authorization", "Bearer exk_a"), ("x-api-key", "exk_a")];
        assert_eq!(read(&both), key);
        let token = Some(Some("token exa_a".to_owned()));
        assert_eq!(read(&[("authorization", "Bearer exa_a")]), token);
        for bad in [
            &[("authorization", "Bearer exk_a"), ("x-api-key", "exk_b")][..],
            &[("x-api-key", "exa_a")],
            &[("authorization", "Bearer exa_a"), ("x-api-key", "exa_a")],
            &[("authorization", "Bearer exr_a")],
            &[("authorization", "Bearer a.b.c")],
            &[("authorization", "Basic exk_a")],
            &[("authorization", "exk_a")],
            &[("authorization", "Bearer a"), ("x-api-key", "a")],
            &[("x-api-key", "")],
        ] {
            assert_eq!(read(bad), Some(None), "{bad:?}");
        }
    }

    #[test]
    fn channels_are_labels() {
        let cli = headers(&[("x-executor-client", "cli/0.1.0")]);
        assert_eq!(label(&cli, Door::Api), (Channel::Cli, "cli/0.1.0".into()));
        assert_eq!(label(&cli, Door::Mcp).0, Channel::Mcp);
        let curl = headers(&[("user-agent", "curl/8.5 (x)")]);
        assert_eq!(label(&curl, Door::Api), (Channel::Api, "curl/8.5".into()));
        let page = headers(&[("sec-fetch-site", "same-origin")]);
        assert_eq!(label(&page, Door::Api).0, Channel::Dashboard);
    }

    #[test]
    fn pages_of_other_sites_may_only_link() {
        let link = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        let frame = [link[0], link[1], ("sec-fetch-dest", "iframe")];
        let (get, post) = (Method::GET, Method::POST);
        assert!(!is_cross_site(&get, &headers(&link), Some(Door::Page)));
        assert!(is_cross_site(&get, &headers(&link), Some(Door::Api)));
        assert!(is_cross_site(&post, &headers(&link), Some(Door::Page)));
        assert!(is_cross_site(&get, &headers(&frame), Some(Door::Page)));
        assert!(is_cross_site(
            &post,
            &headers(&[("sec-fetch-site", "same-site")]),
            Some(Door::Api)
        ));
        assert!(!is_cross_site(
            &post,
            &headers(&[("sec-fetch-site", "same-origin")]),
            Some(Door::Api)
        ));
        assert!(!is_cross_site(&post, &headers(&[]), Some(Door::Mcp)));
    }
}
