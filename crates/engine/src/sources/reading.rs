//! From what a person names to tools: the description is read from its address, an endpoint or an
//! upload, its kind is detected or taken from the person, and it is imported aside.
//!
//! Stores nothing; what becomes of an import is in `sources`.

use super::NewSource;
use crate::{Engine, Error, aside};
use domain::SourceId;
use domain::credential::Secret;
use domain::source::{AuthScheme, Origin, SourceKind};
use serde_json::json;
use tools::{Address, Attachment, FoundAt, Import, ImportOptions, Parsed, Tried, Validators};

/// Largest description that is uploaded or fetched, in bytes.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// A credential that comes with its source.
#[derive(Clone)]
pub struct FirstCredential {
    /// The value.
    pub value: Secret,
    /// How it is attached; the source's own way if absent.
    pub auth: Option<AuthScheme>,
}

impl std::fmt::Debug for FirstCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstCredential")
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

impl FirstCredential {
    /// As it is attached while nothing but the person's word is known.
    pub(super) fn attachment(&self) -> Attachment {
        Attachment {
            scheme: self.auth.clone().unwrap_or(AuthScheme::Bearer),
            secret: Secret::new(self.value.expose().to_owned()),
        }
    }
}

/// A description on its way into the catalog.
pub(super) struct Incoming {
    pub(super) id: SourceId,
    /// None to make one from the title.
    pub(super) name: Option<String>,
    pub(super) origin: Origin,
    pub(super) document: Vec<u8>,
    /// None to detect it.
    pub(super) kind: Option<SourceKind>,
    pub(super) base_url: Option<String>,
}

impl Engine {
    /// The description that a person means.
    pub(super) async fn read_description(
        &self,
        new: &NewSource,
        kind: Option<SourceKind>,
    ) -> Result<(Origin, FoundAt), Error> {
        match (&new.url, &new.document) {
            (Some(url), None) => {
                let first: Vec<Attachment> = new
                    .credential
                    .iter()
                    .map(FirstCredential::attachment)
                    .collect();
                let address = Address {
                    url,
                    kind,
                    headers: &new.headers,
                    attachments: &first,
                    allow_private: new.allow_private,
                };
                let found = self.read_at(&address).await?;
                Ok((Origin::Url(found.url.clone()), found))
            }
            (None, Some((name, document))) => {
                if document.len() > DOCUMENT_BYTES_MAX {
                    return Err(Error::invalid(
                        "invalid_source",
                        format!("the description is larger than {DOCUMENT_BYTES_MAX} bytes"),
                    ));
                }
                let found = FoundAt {
                    url: String::new(),
                    document: document.clone(),
                    endpoint: None,
                    validators: Validators::default(),
                    answer: None,
                    found_by: None,
                };
                Ok((Origin::Upload(name.clone()), found))
            }
            (Some(_), Some(_)) | (None, None) => Err(Error::invalid(
                "invalid_source",
                "give either the address of a description or its text",
            )),
        }
    }

    pub(super) async fn read_at(&self, address: &Address<'_>) -> Result<FoundAt, Error> {
        tools::read_address(&self.inner.egress, address)
            .await
            .map_err(|error| {
                let tried = error.tried();
                Error::Invalid {
                    code: "invalid_source",
                    message: error.to_string(),
                    details: (!tried.is_empty()).then(|| json!({ "tried": tried })),
                }
            })
    }
}

/// An error of an import with what the address answered beside it.
pub(super) fn with_answer(error: Error, answer: Option<&Tried>) -> Error {
    match (error, answer) {
        (
            Error::Invalid {
                code: "invalid_source",
                message,
                details: None,
            },
            Some(answer),
        ) if message.starts_with(&answer.url) => Error::Invalid {
            code: "invalid_source",
            message: format!("{message} ({answer})"),
            details: Some(json!({ "tried": [answer] })),
        },
        (error, _) => error,
    }
}

/// What the documents that a description refers to are fetched with.
pub(super) struct Asked<'a> {
    pub(super) egress: &'a tools::Egress,
    pub(super) headers: &'a [(String, String)],
    pub(super) allow_private: bool,
}

impl Incoming {
    /// The address that it came from, and what it is called in errors.
    fn place(&self) -> (Option<&str>, &str) {
        match &self.origin {
            Origin::Url(url) => (Some(url), url),
            Origin::Upload(file) => (None, file),
            Origin::Command(words) => (None, words.first().map_or("", String::as_str)),
        }
    }

    fn refused(&self, problem: &tools::ImportError) -> Error {
        Error::invalid("invalid_source", format!("{}: {problem}", self.place().1))
    }
}

/// Imports aside: a large description takes a while. Yields the source's name too.
pub(super) async fn import(
    incoming: Incoming,
    asked: Asked<'_>,
) -> Result<(Incoming, String, Import), Error> {
    let (incoming, mut parsed) = aside::run(move || {
        let (location, document) = (incoming.place().0, &incoming.document);
        let parsed = match incoming.kind {
            Some(kind) => Parsed::parse_as(kind, document, location),
            None => Parsed::parse(document, location),
        };
        parsed
            .map_err(|e| incoming.refused(&e))
            .map(|parsed| (incoming, parsed))
    })
    .await??;
    if let Origin::Url(url) = &incoming.origin {
        parsed = with_others(parsed, url, asked).await?;
    }
    aside::run(move || {
        let (location, shown) = incoming.place();
        let name = incoming
            .name
            .clone()
            .unwrap_or_else(|| tools::suggest_name(&parsed.title(), Some(shown)));
        if !tools::valid_name(&name) {
            return Err(Error::invalid(
                "invalid_source",
                format!(
                    "'{name}' cannot be the first segment of a tool's path; a name is a camelCase \
                     identifier, such as gitHub"
                ),
            ));
        }
        let options = ImportOptions {
            source_id: incoming.id.clone(),
            name: &name,
            location,
            base_url: incoming.base_url.as_deref().filter(|u| !u.is_empty()),
        };
        let import = parsed.import(&options).map_err(|e| incoming.refused(&e))?;
        Ok((incoming, name, import))
    })
    .await?
}

/// Fetches what a description refers to, until nothing more is wanted.
async fn with_others(mut parsed: Parsed, url: &str, asked: Asked<'_>) -> Result<Parsed, Error> {
    loop {
        let wanted = parsed.wanted();
        if wanted.is_empty() {
            return Ok(parsed);
        }
        let read = asked
            .egress
            .fetch_others(wanted, url, asked.headers, asked.allow_private)
            .await;
        parsed = aside::run(move || {
            for (url, read) in read {
                parsed.add(&url, read);
            }
            parsed
        })
        .await?;
    }
}

pub(super) fn kind_named(text: &str) -> Result<SourceKind, Error> {
    SourceKind::parse(text).ok_or_else(|| {
        let known: Vec<&str> = SourceKind::ALL.iter().map(|k| k.as_str()).collect();
        let known = known.join(", ");
        Error::invalid(
            "invalid_source",
            format!("'{text}' is no kind of source; the kinds known are {known}"),
        )
    })
}

pub(super) fn require_base_url(import: &Import) -> Result<(), Error> {
    if import.base_url.is_empty() {
        return Err(Error::invalid(
            "invalid_source",
            "the description does not say where its API is; give the address with --base-url",
        ));
    }
    Ok(())
}
