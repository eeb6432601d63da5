//! The audit chain.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// One entry of the chain.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Its place in the chain, from 1.
    pub sequence: i64,
    /// `aud_…`
    pub id: String,
    /// The workspace it happened in.
    pub workspace_id: String,
    /// The person; null for the server itself.
    pub account_id: Option<String>,
    /// Through what.
    pub via: String,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub subject: String,
    /// What else matters.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// When.
    pub at: String,
    /// Hash of the entry before.
    pub previous_hash: String,
    /// Hash of this entry.
    pub hash: String,
}

/// Whether the chain holds.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditVerification {
    /// Whether every entry follows from the one before.
    pub intact: bool,
    /// How many entries were checked.
    pub entries: i64,
    /// Hash of the last entry; keep it elsewhere to notice a cut tail.
    pub head: String,
    /// The first bad entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bad: Option<i64>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
