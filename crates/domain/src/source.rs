//! Where tools come from, and the health of it.

mod finding;

pub use finding::{Finding, FindingKind, Place, Severity};

mod traffic;
mod upkeep;

use crate::policy::Pattern;
use crate::{SourceId, Timestamp};
pub use traffic::{Ended, Traffic};
pub use upkeep::{
    Before, Cause, Difference, Doubt, Growth, LookedAt, REFRESH_MS, ReadFailure, RefreshEvery,
    Review, Unreviewed, Upkeep, first_import, next_read, unreviewed,
};

/// What a source speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// An OpenAPI description of an HTTP API.
    OpenApi,
    /// A GraphQL schema.
    GraphQl,
    /// A server that speaks the Model Context Protocol.
    Mcp,
}

impl SourceKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::OpenApi, Self::GraphQl, Self::Mcp];

    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenApi => "openapi",
            Self::GraphQl => "graphql",
            Self::Mcp => "mcp",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceStatus {
    /// Its tools can be called.
    Ready,
    /// Its last refresh failed; the tools of the one before are kept.
    Degraded {
        /// What failed, in a sentence.
        reason: String,
    },
    /// Switched off by a person; its tools are in no catalog.
    Disabled,
}

impl SourceStatus {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded { .. } => "degraded",
            Self::Disabled => "disabled",
        }
    }
}

/// Where a description was read from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// An address, read again on refresh.
    Url(String),
    /// A text that a person uploaded; the name is the file's, for showing only.
    Upload(String),
    /// A program of this machine that is spoken to over its input and output, with its arguments.
    Command(Vec<String>),
}

impl Origin {
    /// As people see it: the address, the name of the file, or the command line.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Url(text) | Self::Upload(text) => text.clone(),
            Self::Command(words) => words
                .iter()
                .map(|word| quoted(word))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

/// A word of a command line so that a reader sees where it begins and ends.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// One way a source lets callers in, as its description declares it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuthScheme {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `Authorization: Basic …`, from `user:password`.
    Basic,
    /// A key in a header, the query or a cookie.
    #[serde(rename_all = "camelCase")]
    ApiKey {
        /// Where it goes.
        location: ApiKeyLocation,
        /// The name of the header, parameter or cookie.
        name: String,
    },
    /// A variable in the environment of a command, set when it starts.
    #[serde(rename_all = "camelCase")]
    Env {
        /// The variable.
        name: String,
    },
    /// Several together, none of which is another of these. The credential holds one value a line,
    /// in this order.
    All(Vec<AuthScheme>),
}

impl AuthScheme {
    /// The schemes that a credential of this one fills, each with its own value. A scheme whose
    /// line is missing is left out.
    #[must_use]
    pub fn parts<'a>(&'a self, value: &'a str) -> Vec<(&'a Self, &'a str)> {
        match self {
            Self::All(schemes) => schemes.iter().zip(value.lines()).collect(),
            Self::Bearer | Self::Basic | Self::ApiKey { .. } | Self::Env { .. } => {
                vec![(self, value)]
            }
        }
    }
}

/// What a description says of one OAuth 2 flow, or of OpenID Connect: where to begin. Addresses as
/// the description has them; nothing here was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OAuthHint {
    /// Where a person grants access.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub authorization_url: Option<String>,
    /// Where tokens are given and refreshed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token_url: Option<String>,
    /// Where a device asks for a code (RFC 8628).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device_url: Option<String>,
    /// The OpenID Connect discovery document, or the metadata of the authorization server
    /// (RFC 8414).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub openid_url: Option<String>,
    /// The scopes that it lists, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub scopes: Vec<String>,
}

/// Where an API key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiKeyLocation {
    /// A request header.
    Header,
    /// A query parameter.
    Query,
    /// A cookie.
    Cookie,
}

/// A source of tools in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its identifier.
    pub id: SourceId,
    /// The first segment of its tools' paths: a camelCase identifier, unique in the workspace.
    pub name: String,
    /// What it speaks.
    pub kind: SourceKind,
    /// The title its description gives itself.
    pub title: String,
    /// Where its description came from.
    pub origin: Origin,
    /// The base address that its calls go to, fixed at import.
    pub base_url: String,
    /// How it lets callers in; empty if it lets in everybody.
    pub auth: Vec<AuthScheme>,
    /// Whether a person allowed its own host and port to be on a private network.
    pub allow_private: bool,
    /// Extra headers that a person set, sent with every call; of a command, the variables of its
    /// environment.
    pub headers: Vec<(String, String)>,
    /// Tools of which an administrator says that a call sent twice does what one sent once does.
    pub idempotent: Vec<Pattern>,
    /// Whether an administrator trusts what the source says about the risk of its own tools.
    pub trust_hints: bool,
    /// Whether it may ask whoever runs a task something in the middle of a call.
    pub may_ask: bool,
    /// How it is.
    pub status: SourceStatus,
    /// How many tools it yields.
    pub tool_count: u32,
    /// What could not be imported, in sentences.
    pub warnings: Vec<String>,
    /// Digest of the description last imported.
    pub document_digest: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When its description was last read.
    pub refreshed_at: Timestamp,
    /// How its tools are kept: what nobody has looked at yet, and when it is read again.
    pub upkeep: Upkeep,
}

impl Source {
    /// Whether an administrator has looked at a tool of this source as it is now.
    #[must_use]
    pub fn review_of(&self, path: &str) -> Review {
        self.upkeep.review_of(path)
    }
}
