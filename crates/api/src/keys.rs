//! API keys. The secret of one is shown once, when it is made or rotated.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    /// What people call it, such as the program that holds it.
    pub name: String,
    /// Whom it stands for, `acct_…`: somebody else only for administrators; the caller by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// When it stops to work (RFC 3339); never by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// What it may be used for, of all that its member may do: `run`, `read`, `sources`, `policies`,
    /// `credentials`, `keys`, `members`, `settings`, `audit`; `run` and `read` by default. None that
    /// the caller lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Limits of its own, below those that the workspace sets for every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<KeyLimits>,
}

/// Limits of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyLimits {
    /// Requests with it each minute, on each server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Tasks submitted with it in a day (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_per_day: Option<u64>,
}

/// How to give a key a new secret.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRotation {
    /// How long the secret before works on, in milliseconds; a day by default, 0 for not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_ms: Option<u64>,
}

/// A key without its secret.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// `key_…`; it stays the same when the secret is replaced.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What its secret begins with, by which one that was found somewhere is told from others:
    /// `exk_1a2b3c4d`. Absent of one that was made before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Whom it stands for.
    pub member: String,
    /// `active` or `expired`.
    pub status: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: String,
    /// When its secret was last replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<String>,
    /// Until when the secret before works, after a rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<String>,
    /// When it stops to work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was last used, within a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// What it may be used for, of all that its member may do.
    pub scopes: Vec<String>,
    /// Limits of its own, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<KeyLimits>,
}

/// A key with its secret, which is shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyWithSecret {
    /// The key.
    pub key: Key,
    /// `exk_…`, to be sent as `Authorization: Bearer` or `x-api-key`.
    #[schema(format = Password)]
    pub secret: String,
}
