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
    /// Have the server run a program of its machine, as a source.
    RunCommands,
    /// Read the audit log.
    ReadAudit,
    /// Members and workspaces.
    ManageMembers,
    /// Rules of the organization.
    ManageOrganization,
}

impl Permission {
    /// Whether a role holds it.
    #[must_use]
    pub fn granted_to(self, role: Role) -> bool {
        match self {
            Self::RunTasks => true,
            Self::SeeAllTasks
            | Self::DecideApprovals
            | Self::ManageWorkspace
            | Self::RunCommands
            | Self::ReadAudit
            | Self::ManageMembers => matches!(role, Role::Owner | Role::Admin),
            Self::ManageOrganization => role == Role::Owner,
        }
    }

    /// Whether no program may use it, whatever its role: neither a key nor a model.
    fn takes_a_person(self) -> bool {
        matches!(self, Self::DecideApprovals | Self::RunCommands)
    }

    /// What the permission is called in an error.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::RunTasks => "run tasks",
            Self::SeeAllTasks => "see other members' tasks",
            Self::DecideApprovals => "decide approvals",
            Self::ManageWorkspace => "manage sources, rules and credentials",
            Self::RunCommands => "add a command of the server's machine as a source",
            Self::ReadAudit => "read the audit log",
            Self::ManageMembers => "manage members and workspaces",
            Self::ManageOrganization => "manage rules of the organization",
        }
    }
}

/// A person who is signed in, wherever they are a member: also one who is a member nowhere yet. What
/// concerns the person alone, such as accepting an invite, needs no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The person.
    pub account_id: AccountId,
    /// Through what the request came.
    pub channel: Channel,
    /// What the client calls itself, at most 128 characters; empty if it does not say.
    pub client: String,
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
pub enum Forbidden {
    /// The role does not hold the permission.
    #[error("your role ({role}) may not {what} in this workspace; ask an administrator", role = role.as_str())]
    Role {
        /// The caller's role.
        role: Role,
        /// What was wanted.
        what: &'static str,
    },
    /// It takes a person, and the caller is a program or speaks for a model.
    #[error(
        "neither an API key nor an MCP client may {what}; a person does that in the dashboard or with `executor`, signed in"
    )]
    Program {
        /// What was wanted.
        what: &'static str,
    },
    /// A role that nobody may give, take away or act for who stands below it.
    #[error("your role ({role}) does not reach as far as {what}; ask somebody whose does", role = role.as_str())]
    Above {
        /// The caller's role.
        role: Role,
        /// What was wanted.
        what: &'static str,
    },
    /// The key is bound to another workspace.
    #[error("this API key belongs to another workspace; use one of workspace '{workspace}'")]
    OtherWorkspace {
        /// The workspace that was asked for.
        workspace: String,
    },
    /// What the key opened was deleted, and can still be taken back.
    #[error(
        "the workspace of this API key was deleted, and with it whatever the key opened; an administrator can restore it until {until}"
    )]
    Ended {
        /// When it is removed for good, in RFC 3339.
        until: String,
    },
    /// A person who reaches no workspace.
    #[error(
        "you are a member of no organization with a workspace that you may enter; accept an invite, or make an organization"
    )]
    Nowhere,
}

impl Caller {
    /// The person behind the request, wherever they are.
    #[must_use]
    pub fn person(&self) -> Person {
        Person {
            account_id: self.account_id.clone(),
            channel: self.channel,
            client: self.client.clone(),
        }
    }

    /// Checks a permission and yields the proof of it.
    ///
    /// # Errors
    /// When the caller's role does not hold the permission, or the caller may never use it: no
    /// program decides an approval or adds a command, and neither does a model.
    pub fn scope(&self, permission: Permission) -> Result<Scope, Forbidden> {
        let what = permission.describe();
        if !permission.granted_to(self.role) {
            Err(Forbidden::Role {
                role: self.role,
                what,
            })
        } else if permission.takes_a_person() && !self.speaks_for_person() {
            Err(Forbidden::Program { what })
        } else {
            Ok(Scope {
                organization_id: self.organization_id.clone(),
                workspace_id: self.workspace_id.clone(),
            })
        }
    }

    /// Whether a person stands behind the request itself. An MCP client acts for a model, and a key
    /// is held by a program; but the form that a client shows its person speaks for that person,
    /// where the workspace takes such answers.
    #[must_use]
    pub fn speaks_for_person(&self) -> bool {
        match self.channel {
            Channel::Mcp => false,
            Channel::Client => true,
            Channel::Dashboard | Channel::Cli | Channel::Api => self.key_id.is_none(),
        }
    }

    /// Checks that it is a person who asks, where no program may, whatever its role.
    ///
    /// # Errors
    /// For a key, and for a client that speaks for a model.
    pub fn is_person(&self, what: &'static str) -> Result<(), Forbidden> {
        if self.speaks_for_person() {
            Ok(())
        } else {
            Err(Forbidden::Program { what })
        }
    }

    /// Checks that the caller's role reaches as far as another's: whoever gives a role, takes one
    /// away or acts for somebody needs at least that role.
    ///
    /// # Errors
    /// When the other role stands above the caller's.
    pub fn reaches(&self, role: Role, what: &'static str) -> Result<(), Forbidden> {
        if role.rank() <= self.role.rank() {
            Ok(())
        } else {
            Err(Forbidden::Above {
                role: self.role,
                what,
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
            RunCommands,
            ReadAudit,
            ManageMembers,
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
                    RunCommands,
                    ReadAudit,
                    ManageMembers,
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
    fn who_decides_and_who_adds_commands() {
        let key = KeyId::from_bits([4; 16]);
        for (channel, in_person, with_key) in [
            (Channel::Dashboard, true, false),
            (Channel::Cli, true, false),
            (Channel::Api, true, false),
            (Channel::Mcp, false, false),
            (Channel::Client, true, true),
        ] {
            for (key_id, expected) in [(None, in_person), (Some(key.clone()), with_key)] {
                let held = key_id.is_some();
                let caller = Caller {
                    key_id,
                    ..caller(Role::Owner, channel)
                };
                let decides = caller.scope(Permission::DecideApprovals);
                assert_eq!(decides.is_ok(), expected, "{channel:?}, key: {held}");
                let commands = caller.scope(Permission::RunCommands);
                assert_eq!(commands.is_ok(), expected, "{channel:?}, key: {held}");
                assert!(
                    caller.scope(Permission::RunTasks).is_ok(),
                    "{channel:?}, key: {held}"
                );
                let member = Caller {
                    role: Role::Member,
                    ..caller
                };
                assert!(
                    member.scope(Permission::DecideApprovals).is_err(),
                    "{channel:?}, key: {held}"
                );
            }
        }
    }

    #[test]
    fn nobody_reaches_above_their_own_role() {
        let ascending = [Role::Member, Role::BillingAdmin, Role::Admin, Role::Owner];
        for (mine, role) in ascending.into_iter().enumerate() {
            for (other, wanted) in ascending.into_iter().enumerate() {
                assert_eq!(
                    caller(role, Channel::Cli).reaches(wanted, "x").is_ok(),
                    other <= mine,
                    "{role:?} {wanted:?}"
                );
            }
        }
    }
}
