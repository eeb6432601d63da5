//! Who may do what: a caller, a permission, and the scope that proves the check was made.
//!
//! A [`Scope`] cannot be made outside this module except by asking a [`Caller`] for a permission,
//! and every tenant statement of the store wants one. So a forgotten check does not compile.

mod scopes;

use crate::tenancy::Role;
use crate::{AccountId, GrantId, KeyId, OrganizationId, WorkspaceId};

pub use scopes::{ScopeName, Scopes, UnknownScope};

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
    /// Be in the workspace at all: enter it, learn who one is.
    Enter,
    /// Run and cancel tasks.
    RunTasks,
    /// See own tasks, their calls and their approvals.
    SeeTasks,
    /// See sources and tools.
    SeeCatalog,
    /// See rules.
    SeeRules,
    /// See settings of the workspace.
    SeeSettings,
    /// See which credentials there are; never their values.
    SeeCredentials,
    /// See which keys and grants there are; never their secrets.
    SeeKeys,
    /// Own personal rules.
    OwnRules,
    /// Own credentials.
    OwnCredentials,
    /// Own API keys, and grants to clients.
    OwnKeys,
    /// Which browsers of one's own are told of approvals.
    OwnNotifications,
    /// See tasks, code and arguments of other members.
    SeeAllTasks,
    /// Answer approvals.
    DecideApprovals,
    /// Sources.
    ManageSources,
    /// Rules of the workspace.
    ManageRules,
    /// Credentials that the workspace shares.
    ManageCredentials,
    /// Keys and grants of others.
    ManageKeys,
    /// Settings of the workspace, webhooks, servers.
    ManageWorkspace,
    /// Have the server run a program of its machine, as a source.
    RunCommands,
    /// Read the audit log.
    ReadAudit,
    /// Members and workspaces.
    ManageMembers,
    /// The organization itself.
    ManageOrganization,
    /// Rules of the organization.
    OrganizationRules,
    /// Credentials that the organization shares.
    OrganizationCredentials,
}

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 25] = [
        Self::Enter,
        Self::RunTasks,
        Self::SeeTasks,
        Self::SeeCatalog,
        Self::SeeRules,
        Self::SeeSettings,
        Self::SeeCredentials,
        Self::SeeKeys,
        Self::OwnRules,
        Self::OwnCredentials,
        Self::OwnKeys,
        Self::OwnNotifications,
        Self::SeeAllTasks,
        Self::DecideApprovals,
        Self::ManageSources,
        Self::ManageRules,
        Self::ManageCredentials,
        Self::ManageKeys,
        Self::ManageWorkspace,
        Self::RunCommands,
        Self::ReadAudit,
        Self::ManageMembers,
        Self::ManageOrganization,
        Self::OrganizationRules,
        Self::OrganizationCredentials,
    ];

    /// Whether a role holds it.
    #[must_use]
    pub fn granted_to(self, role: Role) -> bool {
        match self {
            Self::Enter
            | Self::RunTasks
            | Self::SeeTasks
            | Self::SeeCatalog
            | Self::SeeRules
            | Self::SeeSettings
            | Self::SeeCredentials
            | Self::SeeKeys
            | Self::OwnRules
            | Self::OwnCredentials
            | Self::OwnKeys
            | Self::OwnNotifications => true,
            Self::SeeAllTasks
            | Self::DecideApprovals
            | Self::ManageSources
            | Self::ManageRules
            | Self::ManageCredentials
            | Self::ManageKeys
            | Self::ManageWorkspace
            | Self::RunCommands
            | Self::ReadAudit
            | Self::ManageMembers => matches!(role, Role::Owner | Role::Admin),
            Self::ManageOrganization | Self::OrganizationRules | Self::OrganizationCredentials => {
                role == Role::Owner
            }
        }
    }

    /// The lowest role that holds it.
    #[must_use]
    pub fn lowest(self) -> Role {
        [Role::Member, Role::Admin]
            .into_iter()
            .find(|role| self.granted_to(*role))
            .unwrap_or(Role::Owner)
    }

    /// The scopes of which a key or token needs one, the usual first. None where no scope bears on
    /// it: everybody enters, and whether an answer to an approval counts never rests on a scope.
    #[must_use]
    pub fn scopes(self) -> &'static [ScopeName] {
        match self {
            Self::Enter | Self::DecideApprovals | Self::OwnNotifications => &[],
            Self::RunTasks => &[ScopeName::Run],
            Self::SeeTasks => &[ScopeName::Read, ScopeName::Run],
            Self::SeeAllTasks => &[ScopeName::Read],
            // Whoever changes a thing sees it.
            Self::SeeCatalog => &[
                ScopeName::Read,
                ScopeName::Run,
                ScopeName::Sources,
                ScopeName::Credentials,
                ScopeName::Policies,
            ],
            Self::SeeRules => &[ScopeName::Read, ScopeName::Policies],
            Self::SeeSettings => &[ScopeName::Read, ScopeName::Settings],
            Self::SeeCredentials => &[ScopeName::Read, ScopeName::Credentials],
            Self::SeeKeys => &[ScopeName::Read, ScopeName::Keys],
            Self::ManageSources | Self::RunCommands => &[ScopeName::Sources],
            Self::OwnRules | Self::ManageRules | Self::OrganizationRules => &[ScopeName::Policies],
            Self::OwnCredentials | Self::ManageCredentials | Self::OrganizationCredentials => {
                &[ScopeName::Credentials]
            }
            Self::OwnKeys | Self::ManageKeys => &[ScopeName::Keys],
            Self::ManageWorkspace => &[ScopeName::Settings],
            Self::ReadAudit => &[ScopeName::Audit],
            Self::ManageMembers | Self::ManageOrganization => &[ScopeName::Members],
        }
    }

    /// Whether no program may use it, whatever its role: neither a key nor a model.
    fn takes_a_person(self) -> bool {
        matches!(
            self,
            Self::DecideApprovals | Self::RunCommands | Self::OwnNotifications
        )
    }

    /// What the permission is called in an error.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Enter => "enter the workspace",
            Self::RunTasks => "run tasks",
            Self::SeeTasks => "see tasks",
            Self::SeeCatalog => "see sources and tools",
            Self::SeeRules => "see rules",
            Self::SeeSettings => "see settings",
            Self::SeeCredentials => "see credentials",
            Self::SeeKeys => "see keys and grants",
            Self::OwnRules => "make personal rules",
            Self::OwnCredentials => "set personal credentials",
            Self::OwnKeys => "manage API keys and grants",
            Self::OwnNotifications => "say which browsers are notified",
            Self::SeeAllTasks => "see other members' tasks",
            Self::DecideApprovals => "decide approvals",
            Self::ManageSources => "manage sources",
            Self::ManageRules => "manage rules of the workspace",
            Self::ManageCredentials => "manage credentials of the workspace",
            Self::ManageKeys => "manage keys and grants of others",
            Self::ManageWorkspace => "manage settings and webhooks of the workspace",
            Self::RunCommands => "add a command of the server's machine as a source",
            Self::ReadAudit => "read the audit log",
            Self::ManageMembers => "manage members and workspaces",
            Self::ManageOrganization => "manage the organization",
            Self::OrganizationRules => "manage rules of the organization",
            Self::OrganizationCredentials => "manage credentials of the organization",
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
    /// The grant to a client whose token it came with, if it came with one.
    pub grant_id: Option<GrantId>,
    /// What the key or token may be used for; all of it for a person.
    pub scopes: Scopes,
    /// Requests a minute that the key is held to on each server, where it has a limit of its own.
    pub requests_per_minute: Option<u64>,
}

impl Person {
    /// The person as a caller in a workspace where they have a role.
    #[must_use]
    pub fn at(
        &self,
        organization_id: &OrganizationId,
        workspace_id: &WorkspaceId,
        role: Role,
    ) -> Caller {
        Caller {
            organization_id: organization_id.clone(),
            workspace_id: workspace_id.clone(),
            account_id: self.account_id.clone(),
            role,
            channel: self.channel,
            client: self.client.clone(),
            key_id: None,
            grant_id: None,
            scopes: Scopes::ALL,
            requests_per_minute: None,
        }
    }
}

/// Why a caller may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The role does not hold the permission.
    #[error(
        "your role ({role}) may not {what} in this workspace: it takes the role {needed}",
        role = role.as_str(),
        needed = needed.as_str()
    )]
    Role {
        /// The caller's role.
        role: Role,
        /// The lowest role that may.
        needed: Role,
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
    /// The key or token was not made for it.
    #[error(
        "this key or token lacks the scope '{scope}', which it takes to {what}",
        scope = missing.as_str()
    )]
    Scope {
        /// The scope it would take.
        missing: ScopeName,
        /// What was wanted.
        what: &'static str,
    },
    /// The key or token is bound to another workspace.
    #[error(
        "this API key or token belongs to another workspace; use one of workspace '{workspace}'"
    )]
    OtherWorkspace {
        /// The workspace that was asked for.
        workspace: String,
    },
    /// It concerns every organization of the server.
    #[error(
        "only whoever runs this server may {what}: an owner of the organization it was begun with"
    )]
    Operator {
        /// What was wanted.
        what: &'static str,
    },
    /// What the key opened was deleted, and can still be taken back.
    #[error(
        "the workspace of this API key was deleted, and with it whatever the key opened; an administrator can restore it until {until}"
    )]
    Ended {
        /// When it is removed for good, in RFC 3339.
        until: String,
    },
    /// A visitor, whose workspace is only for a time.
    #[error("a visitor may not {what}; sign in to keep this workspace and do more")]
    Visitor {
        /// What was wanted.
        what: &'static str,
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
    /// When the caller's role does not hold the permission, the key or token lacks the scope for
    /// it, or the caller may never use it: no program decides an approval, adds a command or says
    /// which browsers are notified, and neither does a model.
    pub fn scope(&self, permission: Permission) -> Result<Scope, Forbidden> {
        let what = permission.describe();
        if !permission.granted_to(self.role) {
            Err(Forbidden::Role {
                role: self.role,
                needed: permission.lowest(),
                what,
            })
        } else if permission.takes_a_person() && !self.speaks_for_person() {
            Err(Forbidden::Program { what })
        } else if let Some(missing) = self.missing(permission) {
            Err(Forbidden::Scope { missing, what })
        } else {
            Ok(Scope {
                organization_id: self.organization_id.clone(),
                workspace_id: self.workspace_id.clone(),
            })
        }
    }

    fn missing(&self, permission: Permission) -> Option<ScopeName> {
        let any = permission.scopes();
        let held = any.iter().any(|s| self.scopes.contains(*s));
        if held { None } else { any.first().copied() }
    }

    /// Whether it came with a key or a token, which are bound to their workspace.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.key_id.is_some() || self.grant_id.is_some()
    }

    /// Whether a person stands behind the request itself. An MCP client acts for a model, and a key
    /// is held by a program; but the form that a client shows its person speaks for that person,
    /// where the workspace takes such answers.
    #[must_use]
    pub fn speaks_for_person(&self) -> bool {
        match self.channel {
            Channel::Mcp => false,
            Channel::Client => true,
            Channel::Dashboard | Channel::Cli | Channel::Api => !self.is_bound(),
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
mod tests;
