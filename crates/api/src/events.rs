//! Events of a workspace or task, as sent on streams. The stream's event id is the sequence.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its number in the workspace, without gaps.
    pub sequence: i64,
    /// The task it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// When it happened.
    pub at: String,
    /// `task`, `log`, `call`, `progress`, `approval`, `source`, `credential`, `client`, `sandbox`, `settings`, `policy` or `webhook`; the other fields depend on it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The fields of its kind.
    #[schema(value_type = Object)]
    pub data: Value,
}
