//! The catalog: search, list, describe, call.

use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    /// What policy says today: `allow` or `ask`.
    pub decision: String,
    /// One line of TypeScript.
    pub signature: String,
    /// True where an administrator has not looked at it as it is now: it asks where policy would
    /// allow. Absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreviewed: bool,
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
    /// True where an administrator has not looked at it as it is now: it asks where policy would
    /// allow. Absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreviewed: bool,
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
    /// How long to wait for the end, or for a question to a person, before answering: milliseconds,
    /// 0 to 60000; 30000 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}
