//! Members of the organization.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A person to add.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewMember {
    /// The name people see.
    pub name: String,
    /// `member` (the default), `billing_admin`, `admin` or `owner`; none above the caller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// What is to change; what is absent stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemberChange {
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// A person in the organization.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// `acct_…`
    pub id: String,
    /// The name people see.
    pub name: String,
    /// `owner`, `admin`, `billing_admin` or `member`.
    pub role: String,
    /// When the account was made.
    pub created_at: String,
    /// When the person became a member.
    pub joined_at: String,
    /// When a request of theirs last came to a workspace of the organization, to some minutes; absent
    /// where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_active_at: Option<String>,
}
