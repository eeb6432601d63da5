//! What a description is: known by its bytes, or by what an address answers, with what shows it.
//!
//! The one place that knows all kinds. A person's choice of a kind goes before what was detected, and
//! then the errors are about that kind. Nothing is fetched but the address that a person gave.

use crate::egress::{Egress, Outgoing, Reach, Validators, host_of, parse};
use crate::error::ImportError;
use crate::find::{Located, NotLocated, Tried, is_page, names_its_kind};
use crate::graphql::introspection::{self, EDITIONS};
use crate::invoke::{Attachment, attach};
use crate::masking::Masks;
use crate::openapi::{Import, ImportOptions};
use crate::{graphql, openapi};
use domain::source::SourceKind;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// Largest description that is read, in bytes.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// How much of a server's words on a failure is told, in characters.
const TOLD_CHARS_MAX: usize = 200;

/// A description whose text is read and whose kind is known, not yet made into tools. For callers
/// that want its title before they choose a name.
pub struct Parsed(Kind);

enum Kind {
    OpenApi(Box<openapi::Parsed>),
    GraphQl(Box<graphql::Parsed>),
}

impl Parsed {
    /// Reads a description of whatever kind it is. `location` is the address that it came from:
    /// references to other documents are relative to it.
    ///
    /// # Errors
    /// Broken text, or text of no known kind.
    pub fn parse(bytes: &[u8], location: Option<&str>) -> Result<Self, ImportError> {
        let kind = match text(bytes) {
            Some(text) if is_graphql(text) => SourceKind::GraphQl,
            Some(_) | None => SourceKind::OpenApi,
        };
        Self::parse_as(kind, bytes, location)
    }

    /// Reads a description as one of a kind.
    ///
    /// # Errors
    /// Broken text, or text of another kind.
    pub fn parse_as(
        kind: SourceKind,
        bytes: &[u8],
        location: Option<&str>,
    ) -> Result<Self, ImportError> {
        match kind {
            SourceKind::OpenApi => {
                let parsed = openapi::Parsed::parse(bytes, location)?;
                Ok(Self(Kind::OpenApi(Box::new(parsed))))
            }
            SourceKind::GraphQl => {
                if bytes.len() > DOCUMENT_BYTES_MAX {
                    return Err(ImportError::TooLarge {
                        bytes: bytes.len(),
                        max: DOCUMENT_BYTES_MAX,
                    });
                }
                let text = text(bytes).ok_or_else(|| ImportError::Encoding {
                    found: "it holds bytes that are no character".to_owned(),
                })?;
                graphql::Parsed::parse(text).map(|p| Self(Kind::GraphQl(Box::new(p))))
            }
            SourceKind::Mcp => Err(ImportError::NotMcp),
        }
    }

    /// The title that it gives itself; empty where it gives none.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.0 {
            Kind::OpenApi(parsed) => parsed.title(),
            Kind::GraphQl(_) => String::new(),
        }
    }

    /// The addresses of documents that it refers to and that should be handed to [`Parsed::add`];
    /// asked again after that, those that they refer to in turn. Each is named once, their number
    /// is bounded, and all have a scheme like that of the description's own address.
    #[must_use]
    pub fn wanted(&mut self) -> Vec<String> {
        match &mut self.0 {
            Kind::OpenApi(parsed) => parsed.wanted(),
            Kind::GraphQl(_) => Vec::new(),
        }
    }

    /// Takes a document that was wanted, or why it could not be read.
    pub fn add(&mut self, url: &str, read: Result<Vec<u8>, String>) {
        match &mut self.0 {
            Kind::OpenApi(parsed) => parsed.add(url, read),
            Kind::GraphQl(_) => {}
        }
    }

    /// The text of one document that holds all of them; none where it consists of no other.
    #[must_use]
    pub fn bundled(self) -> Option<String> {
        match self.0 {
            Kind::OpenApi(parsed) => parsed.has_others().then(|| parsed.bundled()),
            Kind::GraphQl(_) => None,
        }
    }

    /// Makes the tools.
    ///
    /// # Errors
    /// Nothing to call could be read, or the chosen base address is none.
    pub fn import(self, options: &ImportOptions<'_>) -> Result<Import, ImportError> {
        match self.0 {
            Kind::OpenApi(parsed) => parsed.import(options),
            Kind::GraphQl(parsed) => parsed.import(options),
        }
    }
}

/// Reads a description and makes its tools.
///
/// # Errors
/// [`ImportError`] says what was expected and what was found, with line and column where the text
/// itself is broken.
pub fn import(document: &[u8], options: &ImportOptions<'_>) -> Result<Import, ImportError> {
    Parsed::parse(document, options.location)?.import(options)
}

fn text(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    std::str::from_utf8(bytes).ok()
}

/// Whether a text is a GraphQL schema: in its own language, or as JSON with `__schema`.
fn is_graphql(text: &str) -> bool {
    if !text.trim_start().starts_with('{') {
        return graphql::looks_like_sdl(text);
    }
    // Without this word it is not worth reading twice.
    text.contains("\"__schema\"")
        && serde_json::from_str::<Value>(text)
            .is_ok_and(|root| introspection::schema_of(&root).is_some())
}

/// An address that a person gave.
pub struct Address<'a> {
    /// Where.
    pub url: &'a str,
    /// What it is, if the person said.
    pub kind: Option<SourceKind>,
    /// Headers that go to its own origin.
    pub headers: &'a [(String, String)],
    /// Credentials that go to its own origin when it is asked what it is.
    pub attachments: &'a [Attachment],
    /// Whether its own host and port may be private.
    pub allow_private: bool,
}

/// What was read from an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is read again.
    pub url: String,
    /// The description.
    pub document: Vec<u8>,
    /// Where calls go, if the address itself answers them.
    pub endpoint: Option<String>,
    /// By what its server recognizes it.
    pub validators: Validators,
    /// What the server said, for the error of whoever cannot read it.
    pub answer: Option<Tried>,
    /// How it was found, where another address was given.
    pub found_by: Option<String>,
}

impl From<Located> for Found {
    fn from(located: Located) -> Self {
        Self {
            url: located.url,
            document: located.document,
            endpoint: None,
            validators: located.validators,
            answer: Some(located.answer),
            found_by: located.found_by,
        }
    }
}

/// Why nothing could be read from an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no document.
    #[error("{0}")]
    NotLocated(#[from] NotLocated),
    /// It was asked for a document and as a GraphQL endpoint, and gave neither.
    #[error("{document}; as a GraphQL endpoint: {graphql}")]
    Neither {
        /// What came of asking for a document.
        document: NotLocated,
        /// What came of asking for its schema.
        graphql: String,
    },
    /// It does not tell its schema.
    #[error("{url} could not be read: as a GraphQL endpoint: {why}")]
    GraphQl {
        /// The address.
        url: String,
        /// Why.
        why: String,
    },
}

impl ReadError {
    /// Every address that was asked, and what came back.
    #[must_use]
    pub fn tried(&self) -> &[Tried] {
        match self {
            Self::NotLocated(document) | Self::Neither { document, .. } => document.tried(),
            Self::GraphQl { .. } => &[],
        }
    }
}

/// Reads the description that lies at an address, or that a GraphQL endpoint there gives of itself.
///
/// # Errors
/// [`ReadError`] says what was tried and what came back.
pub fn read_address<'a>(
    egress: &'a Egress,
    address: &'a Address<'a>,
) -> BoxFuture<'a, Result<Found, ReadError>> {
    Box::pin(async move {
        let Address { url, headers, .. } = *address;
        let located = || egress.locate(url, headers, address.allow_private);
        match address.kind {
            Some(SourceKind::GraphQl) => match introspected(egress, address).await {
                Ok(found) => Ok(found),
                Err(why) => match located().await {
                    Ok(found) if text(&found.document).is_some_and(is_graphql) => Ok(found.into()),
                    Ok(_) | Err(_) => Err(ReadError::GraphQl {
                        url: url.to_owned(),
                        why,
                    }),
                },
            },
            Some(SourceKind::OpenApi | SourceKind::Mcp) => Ok(located().await?.into()),
            None => {
                let none = Validators::default();
                let seen = egress.look(url, headers, address.allow_private, &none);
                let seen = seen.await.map_err(|error| NotLocated::NoAnswer {
                    url: url.to_owned(),
                    error,
                })?;
                if seen.is_success() && !is_page(&seen) && is_known(&seen.body, url) {
                    return Ok(Located::at(url, seen).into());
                }
                // What the address itself is goes before what else its origin has.
                let graphql = match introspected(egress, address).await {
                    Ok(found) => return Ok(found),
                    Err(why) => why,
                };
                let elsewhere = egress.locate_from((url, seen), headers, address.allow_private);
                match elsewhere.await {
                    Ok(found) => Ok(found.into()),
                    Err(document) => Err(ReadError::Neither { document, graphql }),
                }
            }
        }
    })
}

/// Whether a text is a description of a kind that is known, as far as its beginning tells.
fn is_known(bytes: &[u8], url: &str) -> bool {
    names_its_kind(bytes)
        || text(bytes).is_some_and(is_graphql)
        || Parsed::parse(bytes, Some(url)).is_ok()
}

/// Asks an endpoint for its schema, in the newest words that it understands.
async fn introspected(egress: &Egress, address: &Address<'_>) -> Result<Found, String> {
    let mut told = String::new();
    for edition in EDITIONS {
        match asked(egress, address, introspection::question(edition)).await? {
            Told::Schema(document) => {
                return Ok(Found {
                    url: address.url.to_owned(),
                    document,
                    endpoint: Some(address.url.to_owned()),
                    validators: Validators::default(),
                    answer: None,
                    found_by: None,
                });
            }
            Told::Refused(why) => told = why,
        }
    }
    Err(told)
}

enum Told {
    Schema(Vec<u8>),
    /// The question was not understood, perhaps.
    Refused(String),
}

async fn asked(egress: &Egress, address: &Address<'_>, query: String) -> Result<Told, String> {
    let url = parse(address.url).map_err(|e| e.to_string())?;
    let host = host_of(&url);
    let reach = match address.allow_private {
        true => Reach::also(&url),
        false => Reach::public(),
    };
    let mut headers = vec![
        ("accept".to_owned(), "application/json".to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    for (name, value) in address.headers {
        let name = name.to_ascii_lowercase();
        headers.retain(|(n, _)| *n != name);
        headers.push((name, value.clone()));
    }
    let body = json!({ "query": query, "operationName": "IntrospectionQuery" });
    let mut outgoing = Outgoing {
        method: "POST".to_owned(),
        url,
        headers,
        body: Some(body.to_string().into_bytes()),
    };
    for attachment in address.attachments {
        attach(attachment, &mut outgoing);
    }
    let arriving = egress
        .send(outgoing, &reach, egress.deadline())
        .await
        .map_err(|e| e.to_string())?;
    let status = arriving.status();
    let redirect = arriving.redirect();
    let bytes = arriving
        .read(DOCUMENT_BYTES_MAX as u64)
        .await
        .map_err(|e| e.to_string())?;
    // What a server repeats of a credential is not kept.
    let bytes = Masks::new(address.attachments).bytes(&bytes).into_owned();
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if (200..300).contains(&status) && introspection::schema_of(&answer).is_some() {
        return Ok(Told::Schema(bytes));
    }
    let said = answer.pointer("/errors/0/message").and_then(Value::as_str);
    let said = said.map_or_else(String::new, |said| {
        let said: String = said.chars().take(TOLD_CHARS_MAX).collect();
        format!(": {said}")
    });
    match status {
        401 | 403 => Err(format!(
            "`{host}` answered {status}{said}; give its credential when you add it"
        )),
        300..=399 => Err(format!(
            "`{host}` answered {status}, a redirect to {}; give that address",
            redirect.unwrap_or_else(|| "nowhere".to_owned())
        )),
        // Old servers answer 400 to a question about what they have not heard of, and some 500.
        200..=299 if answer.get("errors").is_none() => {
            Err(format!("`{host}` answered {status}, but not with a schema"))
        }
        _ => Ok(Told::Refused(format!("`{host}` answered {status}{said}"))),
    }
}
