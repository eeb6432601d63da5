//! OpenAPI 3.0, 3.1, 3.2 and Swagger 2.0: from the bytes of a description to tools.
//!
//! A lenient walk over plain JSON: whatever is broken is left out with a warning and the rest
//! imports. Nothing is fetched here: documents that references lead to are handed over, or those
//! references accept everything. The steps are `document` (text to JSON), `external` and `swagger`
//! (one document of one form), `servers`, `security`, `names`, `operation` (one operation to one
//! tool) and `schema` (their JSON Schema dialect to ours).

pub(crate) mod binding;
mod body;
mod closure;
mod cycles;
mod direction;
mod document;
mod external;
mod halves;
mod idempotency;
mod keywords;
mod names;
mod operation;
mod parameters;
mod responses;
mod schema;
mod security;
mod servers;
mod shared;
mod subtypes;
mod swagger;

/// What the content type of an answer means, at import and at a call alike.
pub(crate) mod answer_form {
    pub(crate) use super::body::media::essence;
    pub(crate) use super::responses::Form;
}

pub use external::{local_address, local_path};

/// What the import of other kinds of sources makes use of.
pub(crate) mod lent {
    pub(crate) use super::closure::Closure;
    pub(crate) use super::document::Document;
    pub(crate) use super::keywords::described;
    pub(crate) use super::names::{segment, visible_text, words};
    pub(crate) use super::schema::Schemas;
}

pub use names::{suggest_name, valid_name};

use crate::error::ImportError;
use closure::Closure;
use document::Document;
use domain::SourceId;
use domain::source::{AuthScheme, OAuthHint, SourceKind};
use domain::tool::Tool;
use external::Others;
use serde_json::Value;

/// Texts larger than this are worth a second thread.
const LARGE_BYTES: usize = 1 << 20;

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
    /// The version that the document declares, such as `3.1.0`, or `2.0` of Swagger.
    pub version: String,
    /// The title that it gives itself.
    pub title: String,
    /// Where calls go, without a trailing slash; empty when the document names no absolute server.
    pub base_url: String,
    /// How the API lets callers in: one of these.
    pub auth: Vec<AuthScheme>,
    /// Where the description says that OAuth tokens are to be had.
    pub oauth: Vec<OAuthHint>,
    /// Shared schemas, `{ "Name": schema, … }`: only those that tools refer to.
    pub definitions: Value,
    /// One tool per operation, in order of path.
    pub tools: Vec<Tool>,
    /// What was left out or changed, in sentences.
    pub warnings: Vec<String>,
    /// SHA-256 of the document's bytes, and of those of the documents that it needs.
    pub document_digest: String,
    /// What was recognized, and what shows it: `OpenAPI 3.1, 842 operations`.
    pub evidence: String,
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

    /// Takes those that were gathered beside, after its own.
    fn take(&mut self, other: Self) {
        for text in other.texts {
            self.add(text);
        }
        self.beyond += other.beyond;
    }

    pub(crate) fn finish(mut self) -> Vec<String> {
        if self.beyond > 0 {
            self.texts
                .push(format!("and {} more of these", self.beyond));
        }
        self.texts
    }
}

/// A description whose text is read: known to be OpenAPI, not yet walked. For callers that want
/// its title before they choose a name, or that can read the other documents it needs.
pub(crate) struct Parsed {
    document: Document,
    others: Others,
    digest: String,
}

impl Parsed {
    /// Reads the text. `location` is the address that it came from: references to other documents
    /// are relative to it.
    ///
    /// # Errors
    /// Broken text, or text that is no OpenAPI and no Swagger 2.0.
    pub(crate) fn parse(bytes: &[u8], location: Option<&str>) -> Result<Self, ImportError> {
        let digest = || domain::canonical::sha256_hex(bytes);
        let read = || Document::read(bytes, location);
        let (read, digest) = if bytes.len() > LARGE_BYTES {
            halves::both(read, digest)
        } else {
            (read(), digest())
        };
        let (document, others) = read?;
        Ok(Self {
            document,
            others,
            digest,
        })
    }

    /// The title that it gives itself.
    pub(crate) fn title(&self) -> String {
        self.document.title()
    }

    /// The addresses of documents that it refers to and that should be handed to [`Parsed::add`];
    /// asked again after that, those that they refer to in turn. Each is named once, their number
    /// is bounded, and all have a scheme like that of the description's own address.
    #[must_use]
    pub(crate) fn wanted(&mut self) -> Vec<String> {
        self.others.wanted()
    }

    /// Takes a document that was wanted, or why it could not be read.
    pub(crate) fn add(&mut self, url: &str, read: Result<Vec<u8>, String>) {
        if let Ok(bytes) = &read {
            let both = [self.digest.as_bytes(), url.as_bytes(), bytes];
            self.digest = domain::canonical::sha256_parts(&both);
        }
        self.others.add(url, read);
    }

    /// Whether it consists of other documents too.
    #[must_use]
    pub(crate) fn has_others(&self) -> bool {
        self.others.is_any()
    }

    /// The text of one document that holds all of them.
    #[must_use]
    pub(crate) fn bundled(mut self) -> String {
        let root = &mut self.document.root;
        self.others.bundle(root, &mut Warnings::default());
        root.to_string()
    }

    /// Walks it.
    ///
    /// # Errors
    /// No operation could be read, or the chosen base address is none.
    pub(crate) fn import(mut self, options: &ImportOptions<'_>) -> Result<Import, ImportError> {
        let mut warnings = Warnings::default();
        self.document.complete(self.others, &mut warnings);
        let title = self.document.title();
        let base_url = servers::base_url(&self.document, options, &mut warnings)?;
        let mut of_auth = Warnings::default();
        let auth = security::schemes(&self.document, &mut of_auth);
        let oauth = security::hints(&self.document, options.location);
        let known = schema::Known::of(&self.document);
        let paths = self.document.take_paths();
        let mut schemas = schema::Schemas::knowing(&self.document, known);
        let mut drafts = operation::collect(paths, options, &base_url, &mut schemas, &mut warnings);
        let (definitions, names_of) = schemas.finish(&mut warnings);
        warnings.take(of_auth);
        let version = self.document.version;
        // Nobody looks at it any more.
        let root = std::mem::take(&mut self.document.root);
        let free = || drop(root);
        let mut digests = || {
            names::settle(&mut drafts, options.name);
            Closure::new(&definitions)
        };
        let closure = if halves::worth(definitions.len()) {
            halves::both(digests, free).0
        } else {
            free();
            digests()
        };
        let mut tools: Vec<Tool> = halves::each(drafts, |draft| {
            draft.into_tool(options, &names_of, &closure)
        });
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
            title,
            base_url,
            auth,
            oauth,
            definitions: Value::Object(definitions),
            evidence: evidence(&version, tools.len()),
            version,
            tools,
            warnings: warnings.finish(),
            document_digest: self.digest,
        })
    }
}

/// `OpenAPI 3.1, 842 operations`, `Swagger 2.0, 12 operations`.
fn evidence(version: &str, operations: usize) -> String {
    let edition: Vec<&str> = version.split('.').take(2).collect();
    let name = if version.starts_with('2') {
        "Swagger"
    } else {
        "OpenAPI"
    };
    format!("{name} {}, {operations} operations", edition.join("."))
}
