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
    /// Through what: `dashboard`, `cli`, `api`, `mcp`, `client`, or `server` for the server itself.
    pub via: String,
    /// What the client called itself; empty if it did not say.
    pub client: String,
    /// The API key it was done with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The other end of the connection; behind a proxy, the proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The request, as the server's log names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
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
    /// Whether every entry follows from the one before, and every checkpoint fits.
    pub intact: bool,
    /// How many entries were checked.
    pub entries: u64,
    /// The place after which the chain begins: 0, or that of the last entry that is kept no longer.
    pub begins_after: i64,
    /// The place of the last good entry.
    pub sequence: i64,
    /// Hash of the last good entry.
    pub head: String,
    /// How many signed checkpoints were compared with the chain.
    pub checkpoints: u64,
    /// What checks the signatures of checkpoints: Ed25519, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The place of the first bad entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bad: Option<i64>,
    /// What is wrong with it: `edited`, `missing`, `duplicate`, `out_of_order`, `unlinked`, `foreign`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
    /// The same, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How far the chain went at some time, signed. Kept elsewhere, it shows a tail that was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditCheckpoint {
    /// The organization whose chain it is.
    pub organization_id: String,
    /// `head` where the chain reached the entry; `anchor` where entries up to it were removed.
    pub kind: String,
    /// The place of the entry.
    pub sequence: i64,
    /// The entry's hash.
    pub hash: String,
    /// When it was signed.
    pub at: String,
    /// The key that checks the signature: Ed25519, base64.
    pub public_key: String,
    /// The signature, base64.
    pub signature: String,
}

/// For how long entries are kept.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditRetention {
    /// Days, 30 to 36500; 0 keeps entries for ever.
    pub days: u32,
}

/// A line of an export in JSON: first a header, then entries in order, last the checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum AuditLine {
    /// What the export is of.
    Header(AuditHeader),
    /// An entry.
    Entry(Box<ExportedEntry>),
    /// A checkpoint.
    Checkpoint(AuditCheckpoint),
}

/// What an export is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditHeader {
    /// `executor-audit-export-1`
    pub format: String,
    /// The organization whose chain it is.
    pub organization_id: String,
    /// The entry after which it begins; 0 for the beginning.
    pub begins_after: i64,
    /// That entry's hash.
    pub begins_after_hash: String,
    /// What checks the signatures of checkpoints, as the server has it: Ed25519, base64.
    pub public_key: Option<String>,
}

/// An entry with everything that its hash covers, to the letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportedEntry {
    /// Its place in the chain.
    pub sequence: i64,
    /// `aud_…`
    pub id: String,
    /// The organization.
    pub organization_id: String,
    /// The workspace it happened in.
    pub workspace_id: String,
    /// The person; null for the server itself.
    pub account_id: Option<String>,
    /// Through what.
    pub via: String,
    /// What the client called itself.
    pub client: String,
    /// The API key it was done with.
    pub key_id: Option<String>,
    /// The other end of the connection.
    pub address: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub subject: String,
    /// What else matters: JSON, as text, since the hash covers every letter of it.
    pub detail: String,
    /// When.
    pub at: String,
    /// The form in which it was hashed.
    pub form: u32,
    /// Hash of the entry before.
    pub previous_hash: String,
    /// Hash of this entry.
    pub hash: String,
}
