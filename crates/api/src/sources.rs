//! Sources of tools.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A source to add: one of `url`, `document` with `fileName`, and `command`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSource {
    /// The address of a description, of a GraphQL endpoint, or of an MCP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A program of the server's machine that speaks MCP over its input and output, and its
    /// arguments; no shell reads them. Only an administrator who is signed in adds one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The text of a description (JSON, YAML or GraphQL's schema language), or of an `mcp.json`
    /// block with one server, or with several of which `name` names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The file the text came from, for showing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// The name its tools begin with; made from the title by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `openapi`, `graphql` or `mcp`; detected by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How an MCP server lets callers in whose credential is set next, as of a credential: it is
    /// then added even if it cannot be read without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// Whether to believe what an MCP server says about the risk of its own tools.
    #[serde(default)]
    pub trust_hints: bool,
    /// The address to send calls to, where the description's own is missing or not wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Headers to send with every call and when reading the description; for a command, variables of
    /// its environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Whether this source's own host and port may be on a private network.
    #[serde(default)]
    pub allow_private: bool,
    /// Patterns of tools that may be called twice without harm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idempotent: Vec<String>,
    /// The workspace's credential for it. It is also used to ask a GraphQL endpoint for its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<FirstCredential>,
}

/// A credential that comes with its source.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirstCredential {
    /// The token, the key, or `user:password` for basic.
    #[schema(format = Password)]
    pub value: String,
    /// How it is attached, where the source does not say or says several:
    /// `bearer`, `basic`, `header:NAME`, `query:NAME` or `cookie:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
}

impl std::fmt::Debug for FirstCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("FirstCredential");
        shown.field("auth", &self.auth).finish_non_exhaustive()
    }
}

/// One header.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A change of a source: what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceChange {
    /// Whether its tools are in the catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Patterns of tools that may be called twice without harm, in place of those before: such a
    /// call is sent again by itself when the server died while it was under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<Vec<String>>,
}

/// A source of tools.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// `src_…`
    pub id: String,
    /// The name its tools begin with.
    pub name: String,
    /// `openapi`, `graphql` or `mcp`
    pub kind: String,
    /// The title its description gives itself.
    pub title: String,
    /// `ready`, `degraded` or `disabled`.
    pub status: String,
    /// Why it is degraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where its description came from: an address, the name of an uploaded file, or a command.
    pub origin: String,
    /// Where its calls go.
    pub base_url: String,
    /// How it lets callers in: `bearer`, `basic`, `header:NAME`, `query:NAME`, `cookie:NAME` or, for a
    /// command, `env:NAME`;
    /// empty if it lets in everybody.
    pub auth: Vec<String>,
    /// Whether its host and port may be on a private network.
    pub allow_private: bool,
    /// Patterns of tools that an administrator says may be called twice without harm.
    pub idempotent: Vec<String>,
    /// Whether what it says about the risk of its own tools is believed.
    pub trust_hints: bool,
    /// How many tools it yields.
    pub tool_count: u32,
    /// What could not be imported.
    pub warnings: Vec<String>,
    /// When it was added.
    pub created_at: String,
    /// When its description was last read.
    pub refreshed_at: String,
}

/// What a refresh changed, or would change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshReport {
    /// The source after the refresh; before it with `dryRun`.
    pub source: Source,
    /// Paths that are new.
    pub added: Vec<String>,
    /// Paths that are gone.
    pub removed: Vec<String>,
    /// Paths whose definition differs.
    pub changed: Vec<String>,
}

/// A service that is connected by its name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preset {
    /// What it is added by, and the first segment of its tools' paths.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What it is for.
    pub summary: String,
    /// The kind of source it becomes: `openapi`, `graphql` or `mcp`.
    pub kind: String,
    /// The address of its description or endpoint.
    pub url: String,
    /// Where its calls go, where that differs for each customer; `{…}` is for the person to fill in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// How it lets callers in: `oauth`, `bearer`, `basic` or `header:NAME`.
    pub auth: String,
    /// Where a person gets the credential, or reads how.
    pub credential_url: String,
}
