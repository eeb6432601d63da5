//! Organizations: what holds workspaces and members.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An organization to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewOrganization {
    /// The name people see.
    pub name: String,
    /// Its short name for addresses, unique on the server: lower-case letters, digits and hyphens.
    /// Made of the name by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
}

/// What is to change; what is absent stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrganizationChange {
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new short name. Addresses with the one before lead nowhere any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
}

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
    /// When it was deleted; until `purgeAt` an owner can take that back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<String>,
    /// When everything of it is removed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_at: Option<String>,
}

/// An organization of the person who asks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnOrganization {
    /// The organization.
    #[serde(flatten)]
    pub organization: Organization,
    /// What the person is there: `owner`, `admin`, `billing_admin` or `member`.
    pub role: String,
}
