//! Invites to an organization.

use crate::organizations::Organization;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An invite to make.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewInvite {
    /// What whoever accepts becomes: `member` (the default), `billing_admin`, `admin` or `owner`;
    /// none above the caller's own role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// For whom it is meant. A note: whoever holds the link may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What else is to be said of it, on one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Restricted workspaces that are to let in whoever accepts, by identifier or short name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workspaces: Vec<String>,
    /// When it stops to work, in RFC 3339: in 7 days by default, in 30 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// How many people may accept it: 1 by default, 1,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
}

/// An invite, without its link.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    /// `inv_…`
    pub id: String,
    /// What whoever accepts becomes.
    pub role: String,
    /// `open`, `used`, `expired` or `revoked`.
    pub status: String,
    /// For whom it is meant; empty if that was not said.
    pub email: String,
    /// What else was said of it; empty if nothing.
    pub note: String,
    /// The workspaces that are to let in whoever accepts.
    pub workspaces: Vec<String>,
    /// Who made it. It works while this person may give its role.
    pub created_by: String,
    /// When it was made.
    pub created_at: String,
    /// When it stops to work.
    pub expires_at: String,
    /// How many people may accept it.
    pub max_uses: u32,
    /// How many have.
    pub uses: u32,
}

/// An invite that was just made, with its link, which is never shown again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeInvite {
    /// The invite.
    pub invite: Invite,
    /// The address at which it is accepted, by whoever is signed in.
    #[schema(format = Password)]
    pub url: String,
}

/// The link of an invite.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InviteToken {
    /// What stands at the end of the link, or the link as a whole.
    #[schema(format = Password)]
    pub token: String,
}

/// What somebody is invited to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The organization.
    pub organization: Organization,
    /// What whoever accepts becomes there.
    pub role: String,
    /// The name of who made the invite.
    pub invited_by: String,
    /// When the invite stops to work.
    pub expires_at: String,
}
