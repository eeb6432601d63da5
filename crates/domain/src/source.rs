//! Where tools come from, and the health of it.

use crate::policy::Pattern;
use crate::{SourceId, Timestamp};

/// What a source speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// An OpenAPI description of an HTTP API.
    OpenApi,
}

impl SourceKind {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenApi => "openapi",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text == Self::OpenApi.as_str()).then_some(Self::OpenApi)
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

/// What a description says of one way to get an OAuth token: hints, judged when somebody connects.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OAuthHint {
    /// Where a person's browser is sent.
    pub authorization_url: Option<String>,
    /// Where tokens are given out.
    pub token_url: Option<String>,
    /// Where a device asks for a code.
    pub device_url: Option<String>,
    /// The address of OpenID Connect metadata.
    pub openid_url: Option<String>,
    /// The scopes that it names.
    pub scopes: Vec<String>,
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
    /// Extra headers that a person set, sent with every call.
    pub headers: Vec<(String, String)>,
    /// Tools of which an administrator says that a call sent twice does what one sent once does.
    pub idempotent: Vec<Pattern>,
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
}
