//! OpenAPI 3.0 and 3.1: from the bytes of a description to tools.
//!
//! A lenient walk over plain JSON: whatever is broken is left out with a warning and the rest
//! imports. Nothing is fetched: a reference to another document becomes `unknown`. The steps are
//! `document` (text to JSON), `servers`, `security`, `names`, `operation` (one operation to one
//! tool) and `schema` (their JSON Schema dialect to ours).

pub(crate) mod binding;
mod body;
mod cycles;
mod document;
mod idempotency;
mod keywords;
mod names;
mod operation;
mod parameters;
mod responses;
mod schema;
mod security;
mod servers;

/// What the content type of an answer means, at import and at a call alike.
pub(crate) mod answer_form {
    pub(crate) use super::body::essence;
    pub(crate) use super::responses::Form;
}

pub use names::{suggest_name, valid_name};

use crate::error::ImportError;
use document::Document;
use domain::SourceId;
use domain::source::{AuthScheme, OAuthHint, SourceKind};
use domain::tool::Tool;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Warnings beyond this many are counted, not listed.
const WARNINGS_MAX: usize = 100;

/// What an import is told besides the document.
#[derive(Debug, Clone)]
pub struct ImportOptions<'a> {
    /// The source that the tools will belong to.
    pub source_id: SourceId,
    /// Its name: the first segment of every path.
    pub name: &'a str,
    /// The address that the document came from; relative servers resolve against it.
    pub location: Option<&'a str>,
    /// A base address that a person chose instead of the document's own.
    pub base_url: Option<&'a str>,
}

/// What a description yields.
#[derive(Debug, Clone)]
pub struct Import {
    /// What was recognized.
    pub kind: SourceKind,
    /// The version that the document declares, such as `3.1.0`.
    pub version: String,
    /// The title that it gives itself.
    pub title: String,
    /// Where calls go, without a trailing slash; empty when the document names no absolute server.
    pub base_url: String,
    /// How the API lets callers in.
    pub auth: Vec<AuthScheme>,
    /// Where it says that OAuth tokens are to be had.
    pub oauth: Vec<OAuthHint>,
    /// Shared schemas, `{ "Name": schema, … }`: only those that tools refer to.
    pub definitions: Value,
    /// One tool per operation, in order of path.
    pub tools: Vec<Tool>,
    /// What was left out or changed, in sentences.
    pub warnings: Vec<String>,
    /// SHA-256 of the document's bytes.
    pub document_digest: String,
}

/// Warnings, gathered on the way; each distinct text once.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    texts: Vec<String>,
    beyond: usize,
}

impl Warnings {
    pub(crate) fn add(&mut self, text: impl Into<String>) {
        let text = text.into();
        if self.texts.contains(&text) {
            return;
        }
        if self.texts.len() < WARNINGS_MAX {
            self.texts.push(text);
        } else {
            self.beyond += 1;
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.beyond > 0 {
            self.texts
                .push(format!("and {} more of these", self.beyond));
        }
        self.texts
    }
}

/// Reads an OpenAPI 3.0 or 3.1 description.
///
/// # Errors
/// [`ImportError`] says what was expected and what was found, with line and column where the text
/// itself is broken.
pub fn import(document: &[u8], options: &ImportOptions<'_>) -> Result<Import, ImportError> {
    Parsed::parse(document)?.import(options)
}

/// A description whose text is read: known to be OpenAPI, not yet walked. For callers that want
/// its title before they choose a name.
pub struct Parsed {
    document: Document,
    digest: String,
}

impl Parsed {
    /// Reads the text.
    ///
    /// # Errors
    /// Broken text, or text that is no OpenAPI 3.0 or 3.1.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImportError> {
        Ok(Self {
            document: Document::parse(bytes)?,
            digest: domain::canonical::sha256_hex(bytes),
        })
    }

    /// The title that it gives itself.
    #[must_use]
    pub fn title(&self) -> String {
        self.document.title()
    }

    /// Walks it.
    ///
    /// # Errors
    /// No operation could be read, or the chosen base address is none.
    pub fn import(&self, options: &ImportOptions<'_>) -> Result<Import, ImportError> {
        let mut warnings = Warnings::default();
        let base_url = servers::base_url(&self.document, options, &mut warnings)?;
        let mut schemas = schema::Schemas::new(&self.document);
        let mut drafts = operation::collect(
            &self.document,
            options,
            &base_url,
            &mut schemas,
            &mut warnings,
        );
        let (definitions, names_of) = schemas.finish(&mut warnings);
        let auth = security::schemes(&self.document, &mut warnings);
        names::settle(&mut drafts, options.name);
        let closure = Closure::new(&definitions);
        let mut tools: Vec<Tool> = drafts
            .into_iter()
            .map(|draft| draft.into_tool(options, &names_of, &closure))
            .collect();
        if tools.is_empty() {
            let found = warnings.finish();
            let warnings = if found.is_empty() {
                String::new()
            } else {
                format!(": {}", found.join("; "))
            };
            return Err(ImportError::NoOperations { warnings });
        }
        tools.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Import {
            kind: SourceKind::OpenApi,
            version: self.document.version.clone(),
            title: self.title(),
            base_url,
            auth,
            oauth: security::hints(&self.document, options.location),
            definitions: Value::Object(definitions),
            tools,
            warnings: warnings.finish(),
            document_digest: self.digest.clone(),
        })
    }
}

/// Which definitions each definition reaches, for the digests of tools: a tool's digest changes
/// with what it refers to and with nothing else.
pub(crate) struct Closure {
    direct: BTreeMap<String, (String, Vec<String>)>,
}

impl Closure {
    pub(crate) fn new(definitions: &Map<String, Value>) -> Self {
        let direct = definitions
            .iter()
            .map(|(name, schema)| {
                let digest =
                    domain::canonical::sha256_hex(domain::canonical::canonical(schema).as_bytes());
                (name.clone(), (digest, crate::typings::references(schema)))
            })
            .collect();
        Self { direct }
    }

    /// One digest over every definition that the schemas reach.
    pub(crate) fn digest(&self, schemas: &[&Value]) -> String {
        let mut reached: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue: Vec<String> = schemas
            .iter()
            .flat_map(|s| crate::typings::references(s))
            .collect();
        while let Some(name) = queue.pop() {
            if let Some((name, (digest, next))) = self.direct.get_key_value(&name)
                && reached.insert(name, digest).is_none()
            {
                queue.extend(next.iter().cloned());
            }
        }
        let parts: Vec<&[u8]> = reached
            .iter()
            .flat_map(|(name, digest)| [name.as_bytes(), digest.as_bytes()])
            .collect();
        domain::canonical::sha256_parts(&parts)
    }
}
