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
    /// How often its description is read again: `never`, or a time from `10s` to `30d`; as the
    /// workspace says by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_every: Option<String>,
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
    /// How often its description is read again: `never`, a time from `10s` to `30d`, or `default`
    /// for what the workspace says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_every: Option<String>,
    /// Whether it may ask whoever runs a task something in the middle of a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_ask: Option<bool>,
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
    /// Whether it may ask whoever runs a task something in the middle of a call.
    pub may_ask: bool,
    /// How many tools it yields.
    pub tool_count: u32,
    /// What could not be imported.
    pub warnings: Vec<String>,
    /// When it was added.
    pub created_at: String,
    /// When its description was last read.
    pub refreshed_at: String,
    /// How often it is read again, where that is not what the workspace says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_every: Option<String>,
    /// When it is read next by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_refresh_at: Option<String>,
    /// How many readings in a row have failed.
    pub failures_in_a_row: u32,
    /// When a reading last failed, however long ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure_at: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// Rises with each change of its tools and of what was looked at: a review names it.
    pub revision: i64,
    /// How many of its tools ask until an administrator has looked at them as they are now.
    pub unreviewed: usize,
    /// How many things were found in its texts that a person should see.
    pub finding_count: usize,
    /// What was found, the gravest first. Only where one source is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<SourceFinding>,
}

/// Something in the texts of a source that a person should see before agents read them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceFinding {
    /// The tool whose text holds it; absent where it concerns the whole source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// In which text: `source`, `instructions`, `name`, `description`, `parameter`, `enum`,
    /// `example` or `output`.
    pub place: String,
    /// Where exactly in that, such as the name of an argument; empty where `place` says it all.
    pub at: String,
    /// What was found, such as `hiddenCharacters` or `override`.
    pub kind: String,
    /// The same in words.
    pub message: String,
    /// `low`, `medium` or `high`; what is high holds the tool back until somebody has looked.
    pub severity: String,
    /// The text around it; what a reader would not see is written out as `\u{…}`.
    pub excerpt: String,
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
    /// Each of these tools, with how it differs and what that means.
    pub changes: Vec<ToolChange>,
    /// The rules that are about any of them.
    pub rules: Vec<RuleTouched>,
    /// Why it would not be taken over by itself: it looks like half a document, or like a flood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
}

/// One tool that a refresh changes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolChange {
    /// Its path.
    pub path: String,
    /// `added`, `removed` or `changed`.
    pub change: String,
    /// `read`, `write`, `destructive` or `unknown`: what it is, or was.
    pub risk: String,
    /// How it differs, where it changed.
    pub differences: Vec<ToolDifference>,
    /// Whether it asks until an administrator has looked at it.
    pub unreviewed: bool,
    /// What policy said to you about it; absent where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_before: Option<String>,
    /// What it says with the refresh; absent where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_after: Option<String>,
}

/// One way in which two definitions of a tool differ.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolDifference {
    /// `description`, `input`, `output`, `risk`, `endpoint` or `definition`.
    pub field: String,
    /// What it was; a long text is cut around the first difference.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// A rule that is about tools which a refresh changes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleTouched {
    /// `rule_…`
    pub rule: String,
    /// `organization`, `workspace` or `personal`.
    pub level: String,
    /// `allow`, `ask` or `deny`.
    pub effect: String,
    /// How many of the tools that are new, gone or changed it is about.
    pub total: usize,
    /// The first of them.
    pub paths: Vec<String>,
    /// Whether it is about no tool at all any more.
    pub orphaned: bool,
}

/// What a source would bring. Nothing of it is stored.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourcePreview {
    /// The name its tools would begin with.
    pub name: String,
    /// Whether a source of this name is here already, so that it needs another.
    pub name_is_taken: bool,
    /// `openapi`
    pub kind: String,
    /// What it was taken for, and by what: `OpenAPI 3.1.0, 842 operations`.
    pub evidence: String,
    /// The title that its description gives itself.
    pub title: String,
    /// Where its description was read: an address, or the name of an uploaded file.
    pub origin: String,
    /// Where its calls would go.
    pub base_url: String,
    /// How it lets callers in: `bearer`, `basic`, `header:NAME`, `query:NAME` or `cookie:NAME`;
    /// empty if it lets in everybody.
    pub auth: Vec<String>,
    /// How many tools it would yield.
    pub tool_count: u32,
    /// How many of them are of each risk.
    pub risks: RiskCounts,
    /// Its tools in order of path, 5,000 at most.
    pub tools: Vec<PreviewedTool>,
    /// What could not be imported.
    pub warnings: Vec<String>,
    /// What was found in its texts that a person should see, the gravest first.
    pub findings: Vec<SourceFinding>,
}

/// How many tools are of each risk.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RiskCounts {
    /// They change nothing.
    pub read: usize,
    /// They change something.
    pub write: usize,
    /// They take something away.
    pub destructive: usize,
    /// Nobody says.
    pub unknown: usize,
}

/// One tool that a source would bring.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewedTool {
    /// Its path.
    pub path: String,
    /// What it does.
    pub description: String,
    /// `read`, `write`, `destructive` or `unknown`.
    pub risk: String,
    /// What policy would say to you: `allow`, `ask` or `deny`.
    pub decision: String,
}

/// The tools of a source that nobody has looked at as they are now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreviewedTools {
    /// The source.
    pub source: String,
    /// The revision that this is true of: a review names it.
    pub revision: i64,
    /// The tools, in order of path.
    pub items: Vec<UnreviewedTool>,
}

/// A tool that asks until an administrator has looked at it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreviewedTool {
    /// Its path.
    pub path: String,
    /// `new`, `changed`, or `finding` where its text was found to be dangerous.
    pub cause: String,
    /// Since when it is so.
    pub since: String,
    /// `read`, `write`, `destructive` or `unknown`.
    pub risk: String,
    /// What it says that it does.
    pub description: String,
    /// How it differs from what was looked at last; empty where it is new.
    pub differences: Vec<ToolDifference>,
    /// What was found in its texts.
    pub findings: Vec<SourceFinding>,
}

/// Tools that an administrator has looked at: either `all` or `tools`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Review {
    /// The revision of the source that was looked at; another is refused, so that nothing which came
    /// since counts as seen.
    pub revision: i64,
    /// All that wait.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// These, by their paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

/// What came of a review.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reviewed {
    /// The source after it.
    pub source: Source,
    /// The paths that count as looked at now.
    pub reviewed: Vec<String>,
}

/// How a source is, with reasons.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceHealth {
    /// The source.
    pub source: String,
    /// `ready`, `degraded` or `disabled`.
    pub status: String,
    /// What is wrong, or wants somebody to look; empty where all is well.
    pub reasons: Vec<HealthReason>,
    /// When its description was last read.
    pub last_success_at: String,
    /// When a reading last failed, however long ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure_at: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// How many readings in a row have failed.
    pub failures_in_a_row: u32,
    /// When it is read next by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_refresh_at: Option<String>,
    /// What its calls came to.
    pub calls: CallsHealth,
}

/// Something that is wrong with a source, or wants somebody to look.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthReason {
    /// `degraded`, `credential_rejected`, `credential_missing`, `reauthorization_required`,
    /// `credential_failed`, `credential_expiring`, `calls_failing` or `unreviewed`.
    pub code: String,
    /// What is so, in a sentence.
    pub message: String,
    /// What to do.
    pub next_step: String,
}

/// What the calls of a source came to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallsHealth {
    /// Over how many hours, to within one.
    pub hours: u32,
    /// How many left. The last few seconds are not counted yet.
    pub count: u64,
    /// How many failed by the source's fault; a no to what was asked does not count.
    pub failed: u64,
    /// The part that failed, from 0 to 1; absent where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<f64>,
    /// Milliseconds within which half of them ended, to within a half.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<u64>,
    /// Milliseconds within which 95 of 100 ended, to within a half.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<u64>,
    /// When one last went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<String>,
    /// When one last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure_at: Option<String>,
    /// The code of its error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
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
