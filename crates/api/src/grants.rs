//! What people have granted to MCP clients and other programs by OAuth.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a person granted to a client, without its tokens.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// `grant_…`.
    pub id: String,
    /// The client's identifier: `client_…`, or the address of its own description.
    pub client_id: String,
    /// What the client calls itself; nobody has checked it.
    pub client_name: String,
    /// Where the answer went when this was granted; empty for a device.
    pub client_host: String,
    /// Whom it acts for.
    pub member: String,
    /// What it may be used for, of all that its member may do.
    pub scopes: Vec<String>,
    /// What its tokens open: `mcp` or `api`.
    pub resource: String,
    /// When it was granted.
    pub created_at: String,
    /// When it was last used, within a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// When it ends at the latest.
    pub expires_at: String,
}
