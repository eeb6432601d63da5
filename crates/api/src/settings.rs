//! The settings of a workspace.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is set in a workspace.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Whether a person may answer approvals in a form that their MCP client shows.
    pub in_client_decisions: bool,
    /// Whether members see each other's tasks, code and arguments.
    pub members_see_all_tasks: bool,
    /// Whether a reviewer may change the arguments of any call that is asked about; a rule may say
    /// so for its own.
    pub approvers_may_edit: bool,
    /// Days after its end at which a task is removed, with its calls, approvals, logs and large
    /// values; 0 keeps them for ever. The audit log is always kept.
    pub retention_days: u32,
    /// How often sources are read again that do not say so themselves: `never`, or a time such as
    /// `24h`.
    pub source_refresh_every: String,
    /// Every limit, with what it is here.
    pub limits: Vec<Limit>,
}

/// A limit of a workspace.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// Its name, as errors call it.
    pub name: String,
    /// What it limits.
    pub description: String,
    /// What it is here.
    pub value: u64,
    /// What it is where nothing is set.
    pub default: u64,
    /// The lowest value that may be set.
    pub lowest: u64,
    /// The highest value that may be set.
    pub highest: u64,
}

/// What is to change; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingsChange {
    /// Whether a person may answer approvals in a form that their MCP client shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_client_decisions: Option<bool>,
    /// Whether members see each other's tasks, code and arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_see_all_tasks: Option<bool>,
    /// Whether a reviewer may change the arguments of any call that is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers_may_edit: Option<bool>,
    /// Days after its end at which a task is removed, 1 to 3650; 0 keeps it for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// How often sources are read again that do not say so themselves: `never`, or a time from `10s`
    /// to `30d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_refresh_every: Option<String>,
    /// New values of limits by their names; null puts one back to its default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Option<u64>>,
}
