//! Speaks to authorization servers: who they are, who we are there, and what they give out.
//!
//! Everything goes through the guarded client, https alone but for origins that a person allowed,
//! without following redirects to other origins, within limits of time and size. What a server says
//! is data: an address is judged before it is used or shown, an error is cut and made one line.
//! Read on in `discovery`, `register`, `token`; the order of things is in the engine.

mod browser;
mod challenge;
mod client_document;
mod discovery;
mod register;
mod token;

pub use browser::{Redirected, authorization_url, redirected};
pub(crate) use challenge::is_insufficient_scope;
pub use challenge::scope_of;
pub use client_document::{
    CLIENT_DOCUMENT_BYTES_MAX, CLIENT_DOCUMENT_MS, answer_address, form_pairs, resource_parts,
};
pub use discovery::{Asking, Found};
pub use register::{Registered, Registration};
pub use token::{Device, Grant, Polled, Tokens};

use crate::egress::{self, Egress, Outgoing, Reach};
use crate::error::FetchError;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::Instant;
use url::{Origin, Url};

/// Milliseconds for one answer of an authorization server, connecting included.
pub const ANSWER_MS: u64 = 20_000;

/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 << 10;

/// Redirects within one origin that are followed when metadata are read.
const REDIRECTS_MAX: usize = 3;

/// Longest text of a server that is shown.
const SHOWN_CHARS: usize = 200;

/// Why an authorization server gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// It was not reached, or not to be reached.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// It answered with an error of OAuth.
    #[error("{host} refused: {}{}", code, shown_description(description))]
    Refused {
        /// Host and port.
        host: String,
        /// The error's code, such as `invalid_grant`.
        code: String,
        /// What it says about it, in one line.
        description: String,
    },
    /// It answered with a status that says "not now".
    #[error("{host} answered {status}")]
    Busy {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// It answered with something that is none of what is expected.
    #[error("{host} gave an answer that cannot be used: {problem}")]
    Answer {
        /// Host and port.
        host: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What is known does not suffice.
    #[error("{0}")]
    Unknown(String),
}

fn shown_description(description: &str) -> String {
    if description.is_empty() {
        String::new()
    } else {
        format!(" ({description})")
    }
}

impl OAuthError {
    /// Whether the same may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Fetch(error) => match error {
                FetchError::Name { .. }
                | FetchError::Connect { .. }
                | FetchError::Tls { .. }
                | FetchError::Timeout { .. }
                | FetchError::NoAnswer { .. }
                | FetchError::BrokeOff { .. } => true,
                FetchError::BadUrl { .. }
                | FetchError::Refused
                | FetchError::TooLarge { .. }
                | FetchError::Status { .. }
                | FetchError::Redirects { .. }
                | FetchError::Malformed { .. } => false,
            },
            Self::Busy { .. } | Self::Answer { .. } => true,
            // Without a word of OAuth's, something else may have answered in its place.
            Self::Refused { code, .. } => {
                matches!(
                    code.as_str(),
                    "temporarily_unavailable" | "server_error" | "slow_down" | "redirect"
                ) || code.starts_with("http_")
            }
            Self::Unknown(_) => false,
        }
    }

    /// The code of an OAuth error, if it is one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Fetch(_) | Self::Busy { .. } | Self::Answer { .. } | Self::Unknown(_) => None,
        }
    }
}

/// Authorization servers, as far as they may be reached.
#[derive(Clone)]
pub struct Servers {
    egress: Egress,
    private: Vec<Origin>,
}

/// What came back.
pub(crate) struct Answered {
    host: String,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Egress {
    /// Authorization servers at public addresses over https, and at the given origins wherever they
    /// are. What is no origin counts for nothing.
    #[must_use]
    pub fn authorization_servers(&self, private_origins: &[String]) -> Servers {
        let origins = private_origins.iter().filter_map(|o| Url::parse(o).ok());
        Servers {
            egress: self.clone(),
            private: origins.map(|url| url.origin()).collect(),
        }
    }
}

/// The origin of an address, as it is kept and compared; none for what is no http or https address.
#[must_use]
pub fn origin_of(address: &str) -> Option<String> {
    let url = egress::parse(address).ok()?;
    Some(url.origin().ascii_serialization())
}

/// Host and port of an address, as shown.
#[must_use]
pub fn host_of(address: &str) -> Option<String> {
    egress::parse(address).ok().map(|url| egress::host_of(&url))
}

impl Servers {
    /// Whether an address may be an endpoint: https, or an allowed origin's. One parser for judging,
    /// for dialing, and for what a browser is sent to.
    ///
    /// # Errors
    /// [`FetchError::BadUrl`].
    pub fn endpoint(&self, address: &str) -> Result<Url, FetchError> {
        let url = egress::parse(address)?;
        if url.scheme() != "https" && !self.allows(&url) {
            return Err(FetchError::BadUrl {
                url: egress::host_of(&url),
                problem: format!(
                    "an authorization server's address begins with https://; plain http is for \
                     private addresses that an administrator allows (--allow-private {})",
                    url.origin().ascii_serialization()
                ),
            });
        }
        Ok(url)
    }

    fn allows(&self, url: &Url) -> bool {
        self.private.contains(&url.origin())
    }

    fn usable(&self, address: Option<String>) -> Option<String> {
        address.filter(|a| self.endpoint(a).is_ok())
    }

    pub(crate) async fn once(&self, url: &Url, sending: Sending) -> Result<Answered, OAuthError> {
        let host = egress::host_of(url);
        let reach = if self.allows(url) {
            Reach::also(url)
        } else {
            Reach::public()
        };
        let mut headers = sending.headers;
        headers.push(("accept".to_owned(), "application/json".to_owned()));
        let outgoing = Outgoing {
            method: sending.method.to_owned(),
            url: url.clone(),
            headers,
            body: sending.body,
        };
        let deadline = Instant::now() + Duration::from_millis(ANSWER_MS);
        let timed = |error| {
            if let FetchError::Timeout { host, .. } = error {
                return FetchError::Timeout {
                    host,
                    phase: "answer",
                    limit_ms: ANSWER_MS,
                };
            }
            error
        };
        let arriving = self.egress.send(outgoing, &reach, deadline).await;
        let arriving = arriving.map_err(timed)?;
        let (status, headers) = (arriving.status(), arriving.headers());
        let body = arriving.read(ANSWER_BYTES_MAX).await.map_err(timed)?;
        Ok(Answered {
            host,
            status,
            headers,
            body,
        })
    }

    /// Reads a document; redirects are followed within its origin alone.
    pub(crate) async fn get(&self, address: &str) -> Result<Answered, OAuthError> {
        let mut url = self.endpoint(address)?;
        for _ in 0..=REDIRECTS_MAX {
            let answered = self.once(&url, Sending::get()).await?;
            let is_redirect = matches!(answered.status, 301 | 302 | 303 | 307 | 308);
            let next = crate::answer::header(&answered.headers, "location")
                .filter(|_| is_redirect)
                .and_then(|location| egress::join(&url, location).ok())
                .filter(|next| next.origin() == url.origin());
            match next {
                Some(next) => url = next,
                None => return Ok(answered),
            }
        }
        Err(FetchError::Redirects {
            host: egress::host_of(&url),
            max: REDIRECTS_MAX,
        }
        .into())
    }

    /// Posts; a redirect is an answer like any other, and none that is expected.
    async fn post(&self, address: &str, sending: Sending) -> Result<Answered, OAuthError> {
        let url = self.endpoint(address)?;
        self.once(&url, sending).await
    }
}

/// What is sent.
pub(crate) struct Sending {
    method: &'static str,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Sending {
    pub(crate) fn get() -> Self {
        Self {
            method: "GET",
            headers: Vec::new(),
            body: None,
        }
    }

    /// The same with a header.
    pub(crate) fn with(mut self, name: &str, value: String) -> Self {
        self.headers.push((name.to_owned(), value));
        self
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self::body("application/json", body.to_string().into_bytes())
    }

    fn form(pairs: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        Self::body(
            "application/x-www-form-urlencoded",
            form.finish().into_bytes(),
        )
    }

    fn body(kind: &str, body: Vec<u8>) -> Self {
        Self {
            method: "POST",
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            body: Some(body),
        }
    }
}

impl Answered {
    /// Its headers, names in lower case.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The answer as an object.
    fn object(&self) -> Result<Map<String, Value>, OAuthError> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) | Err(_) => Err(self.broken("it is no JSON object")),
        }
    }

    fn broken(&self, problem: &str) -> OAuthError {
        OAuthError::Answer {
            host: self.host.clone(),
            problem: problem.to_owned(),
        }
    }

    /// The answer as an object if it is a success, else the error that it is.
    pub(crate) fn success(&self) -> Result<Map<String, Value>, OAuthError> {
        let fields = self.object();
        if (200..300).contains(&self.status) {
            let fields = fields?;
            // Some servers answer errors with 200.
            return match self.refusal(&fields) {
                Some(refusal) if !fields.contains_key("access_token") => Err(refusal),
                Some(_) | None => Ok(fields),
            };
        }
        // What a server says that cannot answer now is no word on what it was asked.
        if matches!(self.status, 408 | 425 | 429 | 500..) {
            return Err(OAuthError::Busy {
                host: self.host.clone(),
                status: self.status,
            });
        }
        if let Some(refusal) = fields.ok().and_then(|f| self.refusal(&f)) {
            return Err(refusal);
        }
        Err(match self.status {
            status @ 300..=399 => OAuthError::Refused {
                host: self.host.clone(),
                code: "redirect".to_owned(),
                description: format!("it answered {status}, a redirect, which is not followed"),
            },
            status => OAuthError::Refused {
                host: self.host.clone(),
                code: format!("http_{status}"),
                description: format!("it answered {status} and did not say why"),
            },
        })
    }

    fn refusal(&self, fields: &Map<String, Value>) -> Option<OAuthError> {
        let code = fields.get("error")?.as_str()?;
        let description = fields.get("error_description").and_then(Value::as_str);
        Some(OAuthError::Refused {
            host: self.host.clone(),
            code: one_line(code, 64),
            description: one_line(description.unwrap_or_default(), SHOWN_CHARS),
        })
    }
}

/// A text of a server in one line, cut.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let line: String = visible.take(chars_max * 4).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(chars_max).collect()
}

fn text(fields: &Map<String, Value>, key: &str) -> Option<String> {
    fields.get(key)?.as_str().map(str::to_owned)
}

fn texts(fields: &Map<String, Value>, key: &str) -> Vec<String> {
    let items = fields.get(key).and_then(Value::as_array);
    let each = items.into_iter().flatten().filter_map(Value::as_str);
    each.map(str::to_owned).collect()
}

/// A number of seconds, also where it comes as text.
fn seconds(fields: &Map<String, Value>, key: &str) -> Option<i64> {
    let value = fields.get(key)?;
    let number = value
        .as_i64()
        .or_else(|| value.as_f64().map(|f| f as i64))
        .or_else(|| value.as_str()?.trim().parse().ok())?;
    // A century: what is longer is as good as for ever, and must not overflow.
    (0..=3_153_600_000).contains(&number).then_some(number)
}
