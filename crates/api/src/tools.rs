//! The catalog: search, list, describe, call.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One tool as found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolHit {
    /// The path to call it by.
    pub path: String,
    /// The source it comes from.
    pub source: String,
    /// What it does.
    pub description: String,
    /// `read`, `write`, `destructive` or `unknown`.
    pub risk: String,
    /// What policy says today: `allow` or `ask`; `deny` only where denied tools were asked for.
    pub decision: String,
    /// One line of TypeScript.
    pub signature: String,
    /// True where an administrator has not looked at it as it is now: it asks where policy would
    /// allow. Absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreviewed: bool,
    /// The rule that denies it, as `rule_…`. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// What a search found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// The path of the best result; null where there is none.
    pub best_path: Option<String>,
    /// The results, the best first.
    pub results: Vec<ToolHit>,
    /// How many there are in all.
    pub total: usize,
    /// Whether there are more after these.
    pub has_more: bool,
}

/// Tools in the order of their paths.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolList {
    /// The tools.
    pub results: Vec<ToolHit>,
    /// How many there are in all.
    pub total: usize,
    /// Whether there are more after these.
    pub has_more: bool,
}

/// The first segments of the catalog's paths.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Namespaces {
    /// The namespaces by name.
    pub namespaces: Vec<Namespace>,
    /// How many there are.
    pub total: usize,
}

/// One namespace.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// Its name.
    pub namespace: String,
    /// How many tools it has.
    pub tool_count: usize,
    /// A few of their paths.
    pub sample_paths: Vec<String>,
}

/// One tool with its types.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolDescription {
    /// The path to call it by.
    pub path: String,
    /// What it does.
    pub description: String,
    /// Its risk.
    pub risk: String,
    /// What policy says today.
    pub decision: String,
    /// TypeScript declarations of the arguments.
    pub input: String,
    /// TypeScript declarations of what it resolves to.
    pub output: String,
    /// JSON Schema of the arguments; its references point into its own `$defs`.
    #[schema(value_type = Object)]
    pub input_schema: Value,
    /// JSON Schema of the data it answers with, if its description says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub output_schema: Option<Value>,
    /// The rule that says so, as `rule_…`, whatever the arguments are; absent where it is the default
    /// for its risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// True where an administrator has not looked at it as it is now: it asks where policy would
    /// allow. Absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreviewed: bool,
}

/// What the calls of one tool came to. Calls that have not ended are not counted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolUsage {
    /// The tool's path.
    pub path: String,
    /// Since when calls were counted, by when they ended: thirty days, or less where `cut` is true.
    pub since: String,
    /// Whether older calls of the last thirty days were left out: at most the 10,000 latest of the
    /// workspace are looked through.
    pub cut: bool,
    /// Whether only the caller's own calls were counted.
    pub own_only: bool,
    /// How many calls ended.
    pub calls: u64,
    /// When the last of them ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<String>,
    /// How many ended how: `succeeded`, `failed`, `denied`; those that none did are left out.
    pub outcomes: BTreeMap<String, u64>,
    /// About how many was decided what: `allow`, `ask`, `deny`, and `none` for those that were refused
    /// before policy was asked; those of none are left out.
    pub decisions: BTreeMap<String, u64>,
    /// How long those took that were sent; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<ToolLatency>,
    /// Who made them, the busiest first; fifty at most.
    pub clients: Vec<ToolClient>,
    /// The latest of them, twenty at most.
    pub recent: Vec<ToolEnded>,
}

/// How long calls took from when they were sent to when they ended.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolLatency {
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: u64,
    /// Nineteen in twenty took no longer, in milliseconds.
    pub p95_ms: u64,
}

/// The calls of one tool that one client made for one person.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolClient {
    /// What it calls itself; may be empty.
    pub client: String,
    /// Through what its tasks came: `dashboard`, `cli`, `api` or `mcp`.
    pub channel: String,
    /// Whose tasks they are: `acct_…`.
    pub account: String,
    /// How many calls.
    pub calls: u64,
    /// How many of them did not succeed.
    pub failed: u64,
    /// When the last of them ended.
    pub last_at: String,
}

/// A call of one tool that has ended.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolEnded {
    /// Its task.
    pub task_id: String,
    /// Its place in the task, from 1.
    pub sequence: u32,
    /// `succeeded`, `failed` or `denied`.
    pub status: String,
    /// What was decided: `allow`, `ask`, `deny`, or `none` where it was refused before.
    pub decision: String,
    /// What the client of the task calls itself; may be empty.
    pub client: String,
    /// Through what the task came.
    pub channel: String,
    /// Whose task it is: `acct_…`.
    pub account: String,
    /// How long it took from when it was sent, in milliseconds; absent where nothing was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// When it ended.
    pub finished_at: String,
}

/// A call of one tool. It runs as a task of one line, through the same gate.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolCall {
    /// The tool's path.
    pub path: String,
    /// Its arguments; an empty object by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub arguments: Option<Value>,
    /// The credential that the call carries, of those of the tool's source that the caller's calls may
    /// carry: its identifier, or its label, or whom it serves (`personal`, `workspace`,
    /// `organization`) where that is only one. By default the one that an agent's call would carry:
    /// the first that the source finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// How long to wait for the end, or for a question to a person, before answering: milliseconds,
    /// 0 to 60000; 30000 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}
