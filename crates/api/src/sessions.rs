//! Browsers that a person is signed in with.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A browser that somebody is signed in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its identifier, `sess_…`. It opens nothing.
    pub id: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// How it was begun: `link`, `oidc`, `workos` or `visitor`.
    pub via: String,
    /// What the browser called itself.
    pub user_agent: String,
    /// The address it came from; behind a proxy, the proxy's.
    pub address: String,
    /// When it was begun, RFC 3339.
    pub created_at: String,
    /// When it was last used, to the minute, RFC 3339.
    pub last_used_at: String,
    /// When it ends at the latest, RFC 3339.
    pub expires_at: String,
}

/// How many sessions were ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndedSessions {
    /// How many.
    pub ended: u64,
}
