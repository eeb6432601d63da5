//! What a person grants to a client of the MCP endpoint: who the client is, as far as that can be
//! known, where its answers may go, and the grant itself.
//!
//! Names are what clients say of themselves and worth nothing; a host is where an answer really
//! goes, and is shown beside every name. Pure: addresses are judged as text, nothing is fetched.

use crate::access::Scopes;
use crate::{AccountId, GrantId, Timestamp, WorkspaceId};

/// What every access token begins with.
pub const ACCESS_PREFIX: &str = "exa_";
/// What every refresh token begins with.
pub const REFRESH_PREFIX: &str = "exr_";
/// What the identifier of every client that registered itself begins with.
pub const CLIENT_PREFIX: &str = "client_";

/// Addresses that a client may register.
pub const REDIRECTS_MAX: usize = 10;
/// Longest address of a client, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 2_000;
/// Longest name of a client that is kept, in characters.
pub const NAME_CHARS_MAX: usize = 80;

/// What a token is for (RFC 8707): each of our two doors takes its own tokens only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The MCP endpoint.
    Mcp,
    /// The HTTP API.
    Api,
}

impl Resource {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Api => "api",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Mcp, Self::Api]
            .into_iter()
            .find(|r| r.as_str() == text)
    }
}

/// How a client came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// It registered itself (RFC 7591): anybody can, under any name.
    Registered,
    /// Its identifier is the address of a document that describes it, so that its host is known.
    Document,
}

impl ClientKind {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Document => "document",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Registered, Self::Document]
            .into_iter()
            .find(|k| k.as_str() == text)
    }
}

/// How a client proves at the token endpoint to be itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientProof {
    /// Not at all: it is a program on somebody's machine, and PKCE binds what it gets.
    None,
    /// By its secret, in the `Authorization` header.
    Basic,
    /// By its secret, in the form.
    Post,
}

impl ClientProof {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Basic, Self::Post];

    /// The name in OAuth's registry, as stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }

    /// Reads the name in OAuth's registry.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == text)
    }
}

/// A client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its identifier: `client_…`, or the address of its document.
    pub id: String,
    /// How it came to be known.
    pub kind: ClientKind,
    /// What it calls itself, made fit to be shown.
    pub name: String,
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
    /// How it proves to be itself.
    pub proof: ClientProof,
    /// SHA-256 of its secret, where it has one.
    pub secret_sha256: Option<String>,
    /// When it was first seen.
    pub created_at: Timestamp,
}

/// What a person granted to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its identifier.
    pub id: GrantId,
    /// The workspace that the client may act in.
    pub workspace_id: WorkspaceId,
    /// Whom it acts for.
    pub account_id: AccountId,
    /// The client's identifier.
    pub client_id: String,
    /// What the client called itself.
    pub client_name: String,
    /// Where its answers went when this was granted.
    pub client_host: String,
    /// What it may be used for, of all that the person may do.
    pub scopes: Scopes,
    /// Which of our doors its tokens open.
    pub resource: Resource,
    /// When it was granted.
    pub created_at: Timestamp,
    /// When a token of it was last used, within a minute.
    pub last_used_at: Option<Timestamp>,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

/// Why an address cannot be one that answers go to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRedirect {
    /// It is no absolute address.
    #[error("it is no absolute address without spaces or control characters")]
    Malformed,
    /// It is too long.
    #[error("it has more than {ADDRESS_BYTES_MAX} bytes")]
    TooLong,
    /// It has a fragment (RFC 6749, section 3.1.2).
    #[error("it has a fragment")]
    Fragment,
    /// It holds a user's name or password.
    #[error("it has a user name in it")]
    User,
    /// It is plain http to another machine.
    #[error("plain http goes to this machine only: 127.0.0.1, [::1] or localhost")]
    Plain,
    /// Its scheme would run something instead of opening a client.
    #[error("an address of this kind is not opened")]
    Scheme,
    /// It leads back to Executor itself.
    #[error("it leads to Executor itself")]
    Ours,
}

/// Schemes that browsers treat as content, code or files.
const NEVER: [&str; 16] = [
    "javascript",
    "data",
    "file",
    "filesystem",
    "blob",
    "vbscript",
    "about",
    "view-source",
    "ws",
    "wss",
    "ftp",
    "mailto",
    "intent",
    "content",
    "jar",
    "chrome",
];

/// An address of a client, taken apart as far as judging takes.
struct Address<'a> {
    scheme: String,
    /// Host in lower case and port, where it has an authority.
    host: Option<(String, Option<&'a str>)>,
    /// Path and query.
    rest: &'a str,
}

fn apart(text: &str) -> Result<Address<'_>, BadRedirect> {
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(BadRedirect::TooLong);
    }
    // Whatever a browser would repair or drop is refused: two readers must not read two addresses.
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'<' | b'>' | b'"' | b'`'));
    let (scheme, after) = text.split_once(':').ok_or(BadRedirect::Malformed)?;
    let well_named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !plain || !well_named || after.is_empty() {
        return Err(BadRedirect::Malformed);
    }
    if text.contains('#') {
        return Err(BadRedirect::Fragment);
    }
    let scheme = scheme.to_ascii_lowercase();
    let Some(after) = after.strip_prefix("//") else {
        return Ok(Address {
            scheme,
            host: None,
            rest: after,
        });
    };
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    if authority.contains('@') {
        return Err(BadRedirect::User);
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let is_port = |p: &str| !p.is_empty() && p.len() <= 5 && p.bytes().all(|b| b.is_ascii_digit());
    let is_v6 = host.starts_with('[') && host.ends_with(']');
    if port.is_some_and(|p| !is_port(p)) || (host.contains(':') && !is_v6) {
        return Err(BadRedirect::Malformed);
    }
    Ok(Address {
        scheme,
        host: Some((host.to_ascii_lowercase(), port)),
        rest,
    })
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "[::1]" | "localhost")
}

/// Judges an address that a client wants answers to go to. `own_hosts` are the names under which
/// Executor itself is reached, with their ports where they are not the usual ones.
///
/// https goes anywhere, plain http to this machine (RFC 8252, section 7.3), and a private scheme to
/// the program that claims it (section 7.1).
///
/// # Errors
/// [`BadRedirect`].
pub fn check_redirect(text: &str, own_hosts: &[String]) -> Result<(), BadRedirect> {
    let address = apart(text)?;
    let web = matches!(address.scheme.as_str(), "http" | "https");
    match &address.host {
        Some((host, port)) if web => {
            if host.is_empty() {
                return Err(BadRedirect::Malformed);
            }
            if address.scheme == "http" && !is_loopback(host) {
                return Err(BadRedirect::Plain);
            }
            let usual = if address.scheme == "https" {
                "443"
            } else {
                "80"
            };
            let named = match port {
                Some(port) if *port != usual => format!("{host}:{port}"),
                Some(_) | None => host.clone(),
            };
            if own_hosts.contains(&named) {
                return Err(BadRedirect::Ours);
            }
            Ok(())
        }
        None if web => Err(BadRedirect::Malformed),
        Some(_) | None if NEVER.contains(&address.scheme.as_str()) => Err(BadRedirect::Scheme),
        Some(_) | None => Ok(()),
    }
}

/// Whether an answer may go to `wanted`, where `registered` is allowed: the very same text, but for
/// the port of an address on this machine, which a native client is given by its system at each
/// start (RFC 8252, section 7.3).
#[must_use]
pub fn redirect_matches(registered: &str, wanted: &str) -> bool {
    if registered == wanted {
        return true;
    }
    let (Ok(registered), Ok(wanted)) = (apart(registered), apart(wanted)) else {
        return false;
    };
    let host = |a: &Address<'_>| a.host.as_ref().map(|(host, _)| host.clone());
    registered.scheme == "http"
        && wanted.scheme == "http"
        && host(&registered) == host(&wanted)
        && host(&wanted).is_some_and(|h| is_loopback(&h))
        && registered.rest == wanted.rest
}

/// Where an answer goes, in words for whoever consents: a host, this machine, or a program.
#[must_use]
pub fn shown_host(redirect_uri: &str) -> String {
    match apart(redirect_uri) {
        Ok(Address {
            scheme,
            host: Some((host, _)),
            ..
        }) if scheme == "http" || scheme == "https" => host,
        Ok(address) => format!("{}:", address.scheme),
        Err(_) => String::new(),
    }
}

/// What may stand in a policy for forms that lead to an address: its origin, or its scheme.
#[must_use]
pub fn form_target(redirect_uri: &str) -> Option<String> {
    let address = apart(redirect_uri).ok()?;
    let web = matches!(address.scheme.as_str(), "http" | "https");
    match address.host {
        Some((host, port)) if web => {
            let port = port.map(|p| format!(":{p}")).unwrap_or_default();
            let fit =
                |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'[' | b']' | b':');
            host.bytes()
                .all(fit)
                .then(|| format!("{}://{host}{port}", address.scheme))
        }
        Some(_) | None => Some(format!("{}:", address.scheme)),
    }
}

/// A client's name as it can be shown: on one line, without characters that are not seen or that
/// turn text around, and not too long. Empty where nothing is left.
#[must_use]
pub fn shown_name(name: &str) -> String {
    let seen = |c: &char| {
        !c.is_control()
            && !matches!(
                u32::from(*c),
                0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
                    | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f
                    | 0xfeff | 0xffa0 | 0xfff0..=0xffff | 0xe0000..=0xe0fff
            )
    };
    let text: String = name.chars().filter(seen).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(NAME_CHARS_MAX).collect()
}

/// Judges the address of a client's document, by which the client is named (SEP-991): https, with a
/// path, and written the one way that it can be written.
#[must_use]
pub fn is_document_address(text: &str) -> bool {
    let Ok(address) = apart(text) else {
        return false;
    };
    let Some((host, _)) = &address.host else {
        return false;
    };
    let path = address.rest.split('?').next().unwrap_or_default();
    let dotted = path.split('/').any(|part| {
        matches!(
            part.to_ascii_lowercase().as_str(),
            "." | ".." | "%2e" | "%2e%2e"
        )
    });
    address.scheme == "https"
        && text.starts_with("https://")
        && !host.is_empty()
        && text["https://".len()..].starts_with(host.as_str())
        && path.len() > 1
        && !dotted
}

#[cfg(test)]
#[path = "grant/tests.rs"]
mod tests;
