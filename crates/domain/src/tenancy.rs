//! Organizations, workspaces and the roles of their members.

use crate::{AccountId, OrganizationId, Timestamp, WorkspaceId};

/// A customer: the owner of workspaces, members and the audit chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its identifier.
    pub id: OrganizationId,
    /// A short name for addresses, unique on the server.
    pub slug: String,
    /// The name people see.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Set once it was deleted, until it is removed for good.
    pub ending: Option<Ending>,
}

/// A deletion that can still be taken back. Until then nothing is lost and nothing is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When it was asked for.
    pub deleted_at: Timestamp,
    /// By whom.
    pub deleted_by: AccountId,
    /// From when on everything is removed for good.
    pub purge_at: Timestamp,
}

/// Whom a workspace lets in, beside the administrators and owners of its organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Access {
    /// Every member of the organization.
    #[default]
    Open,
    /// The members that it names. For all others it does not exist.
    Restricted,
}

impl Access {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Restricted => "restricted",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Restricted]
            .into_iter()
            .find(|a| a.as_str() == text)
    }
}

/// What holds tasks, sources, policies and credentials; nothing crosses its border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its identifier.
    pub id: WorkspaceId,
    /// The organization it belongs to.
    pub organization_id: OrganizationId,
    /// A short name for addresses, unique in the organization.
    pub slug: String,
    /// The name people see.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whom it lets in.
    pub access: Access,
    /// Set once it was deleted, until it is removed for good.
    pub ending: Option<Ending>,
}

/// A person who can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its identifier.
    pub id: AccountId,
    /// The name people see.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A person in an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub account: Account,
    /// What the person is there.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
    /// When a request of theirs last came to a workspace of the organization, to some minutes.
    pub active_at: Option<Timestamp>,
}

/// What a member is in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, organization rules and deletion included.
    Owner,
    /// Everything but organization rules, ownership and deletion.
    Admin,
    /// A member who also sees billing.
    BillingAdmin,
    /// Runs tasks and sees their own.
    Member,
}

impl Role {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::BillingAdmin => "billing_admin",
            Self::Member => "member",
        }
    }

    /// How high it stands; nobody gives, takes or acts for a role above their own.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Member => 0,
            Self::BillingAdmin => 1,
            Self::Admin => 2,
            Self::Owner => 3,
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Owner, Self::Admin, Self::BillingAdmin, Self::Member]
            .into_iter()
            .find(|r| r.as_str() == text)
    }
}
