//! Who may do what: a caller, a permission, and the scope that proves the check was made.
//!
//! A [`Scope`] cannot be made outside this module except by asking a [`Caller`] for a permission,
//! and every tenant statement of the store wants one. So a forgotten check does not compile.

use crate::tenancy::Role;
use crate::{AccountId, KeyId, OrganizationId, WorkspaceId};

/// Through what a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The dashboard in a browser.
    Dashboard,
    /// The command line.
    Cli,
    /// The HTTP API by a program.
    Api,
    /// An MCP client, acting for a model.
    Mcp,
    /// A form that an MCP client showed to its person: answers to approvals come through it, never
    /// tasks.
    Client,
}

impl Channel {
    /// All channels.
    pub const ALL: [Self; 5] = [
        Self::Dashboard,
        Self::Cli,
        Self::Api,
        Self::Mcp,
        Self::Client,
    ];

    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::Cli => "cli",
            Self::Api => "api",
            Self::Mcp => "mcp",
            Self::Client => "client",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == text)
    }
}

/// Something a caller may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Run tasks; see own tasks, sources and tools; own credentials and personal rules.
    RunTasks,
    /// See tasks, code and arguments of other members.
    SeeAllTasks,
    /// Answer approvals.
    DecideApprovals,
    /// Sources, workspace rules, shared credentials, keys of others.
    ManageWorkspace,
    /// Read the audit log.
    ReadAudit,
    /// Rules of the organization.
    ManageOrganization,
}

impl Permission {
    /// Whether a role holds it.
    #[must_use]
    pub fn granted_to(self, role: Role) -> bool {
        match self {
            Self::RunTasks => true,
            Self::SeeAllTasks | Self::DecideApprovals | Self::ManageWorkspace | Self::ReadAudit => {
                matches!(role, Role::Owner | Role::Admin)
            }
            Self::ManageOrganization => role == Role::Owner,
        }
    }

    /// What the permission is called in an error.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::RunTasks => "run tasks",
            Self::SeeAllTasks => "see other members' tasks",
            Self::DecideApprovals => "decide approvals",
            Self::ManageWorkspace => "manage sources, rules and credentials",
            Self::ReadAudit => "read the audit log",
            Self::ManageOrganization => "manage rules of the organization",
        }
    }
}

/// The person behind a request, in one workspace, through one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The organization of the workspace.
    pub organization_id: OrganizationId,
    /// The workspace the request is about.
    pub workspace_id: WorkspaceId,
    /// The person.
    pub account_id: AccountId,
    /// The person's role in the organization.
    pub role: Role,
    /// Through what the request came.
    pub channel: Channel,
    /// What the client calls itself, at most 128 characters; empty if it does not say.
    pub client: String,
    /// The API key it came with, if it came with one.
    pub key_id: Option<KeyId>,
}

/// Why a caller may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("your role ({role}) may not {what} in this workspace; ask an administrator", role = role.as_str())]
pub struct Forbidden {
    /// The caller's role.
    pub role: Role,
    /// What was wanted.
    pub what: &'static str,
}

impl Caller {
    /// Checks a permission and yields the proof of it.
    ///
    /// # Errors
    /// When the caller's role does not hold the permission, or the channel may never use it: an MCP
    /// client acts for a model, and a model decides no approval.
    pub fn scope(&self, permission: Permission) -> Result<Scope, Forbidden> {
        let model_decides =
            permission == Permission::DecideApprovals && self.channel == Channel::Mcp;
        if permission.granted_to(self.role) && !model_decides {
            Ok(Scope {
                organization_id: self.organization_id.clone(),
                workspace_id: self.workspace_id.clone(),
            })
        } else {
            Err(Forbidden {
                role: self.role,
                what: permission.describe(),
            })
        }
    }
}

/// Proof that somebody may act in one workspace. Made by [`Caller::scope`], or by a [`System`]
/// token for the work the server does on a task's behalf.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    organization_id: OrganizationId,
    workspace_id: WorkspaceId,
}

impl Scope {
    /// The organization of the workspace.
    #[must_use]
    pub fn organization_id(&self) -> &OrganizationId {
        &self.organization_id
    }

    /// The workspace that statements filter on.
    #[must_use]
    pub fn workspace_id(&self) -> &WorkspaceId {
        &self.workspace_id
    }
}

/// The server acting for itself: claiming tasks, recovering them, finding the local workspace.
/// Minted once by the composition root.
#[derive(Debug, Clone, Copy)]
pub struct System(());

impl System {
    /// Mints the token. Only the composition root and tests call this.
    #[must_use]
    pub fn mint() -> Self {
        Self(())
    }

    /// The scope of a task that the server has claimed.
    #[must_use]
    pub fn scope(self, organization_id: OrganizationId, workspace_id: WorkspaceId) -> Scope {
        Scope {
            organization_id,
            workspace_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: Role, channel: Channel) -> Caller {
        Caller {
            organization_id: OrganizationId::from_bits([1; 16]),
            workspace_id: WorkspaceId::from_bits([2; 16]),
            account_id: AccountId::from_bits([3; 16]),
            role,
            channel,
            client: String::new(),
            key_id: None,
        }
    }

    #[test]
    fn the_role_table() {
        use Permission::*;
        let all = [
            RunTasks,
            SeeAllTasks,
            DecideApprovals,
            ManageWorkspace,
            ReadAudit,
            ManageOrganization,
        ];
        for (role, granted) in [
            (Role::Member, vec![RunTasks]),
            (Role::BillingAdmin, vec![RunTasks]),
            (
                Role::Admin,
                vec![
                    RunTasks,
                    SeeAllTasks,
                    DecideApprovals,
                    ManageWorkspace,
                    ReadAudit,
                ],
            ),
            (Role::Owner, all.to_vec()),
        ] {
            for permission in all {
                assert_eq!(
                    caller(role, Channel::Cli).scope(permission).is_ok(),
                    granted.contains(&permission),
                    "{role:?} {permission:?}"
                );
            }
        }
    }

    #[test]
    fn no_decision_through_a_model() {
        assert!(
            caller(Role::Owner, Channel::Mcp)
                .scope(Permission::DecideApprovals)
                .is_err()
        );
        assert!(
            caller(Role::Owner, Channel::Mcp)
                .scope(Permission::RunTasks)
                .is_ok()
        );
    }
}
