//! Organizations: what holds workspaces and members.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An organization.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// `org_…`
    pub id: String,
    /// Its short name for addresses.
    pub slug: String,
    /// The name people see.
    pub name: String,
    /// When it was made.
    pub created_at: String,
}
