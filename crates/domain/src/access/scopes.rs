//! Scopes: what a key or a token may be used for, of all that its person may do.
//!
//! One vocabulary for API keys and OAuth tokens. A scope gives nothing that the person's role does
//! not, and none of them decides approvals: no program does. What is stored and sent is a list of
//! names with spaces between, as in OAuth (RFC 6749, section 3.3).

use super::Permission;
use crate::tenancy::Role;
use std::fmt;

/// One thing a key or token may be used for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ScopeName {
    /// Run programs and call tools; follow and cancel the tasks that come of it.
    Run,
    /// See what the person sees: tasks, sources, tools, rules, settings, names of credentials.
    Read,
    /// Add, change, refresh and remove sources.
    Sources,
    /// Make and change rules, as far as the person may.
    Policies,
    /// Set, rotate and remove credentials, as far as the person may.
    Credentials,
    /// Make, rotate and revoke API keys and grants, as far as the person may.
    Keys,
    /// Members, invites and workspaces.
    Members,
    /// Settings of the workspace, webhooks, servers.
    Settings,
    /// Read the audit log.
    Audit,
}

impl ScopeName {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Run,
        Self::Read,
        Self::Sources,
        Self::Policies,
        Self::Credentials,
        Self::Keys,
        Self::Members,
        Self::Settings,
        Self::Audit,
    ];

    /// The stable name, as stored, sent and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Read => "read",
            Self::Sources => "sources",
            Self::Policies => "policies",
            Self::Credentials => "credentials",
            Self::Keys => "keys",
            Self::Members => "members",
            Self::Settings => "settings",
            Self::Audit => "audit",
        }
    }

    /// What it lets a program do, for the person who grants it.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Run => "run programs and call tools as you, within the rules",
            Self::Read => "see your tasks, sources, tools, rules and settings",
            Self::Sources => "add, change and remove sources",
            Self::Policies => "make and change rules",
            Self::Credentials => "set, rotate and remove credentials",
            Self::Keys => "make, rotate and revoke API keys and grants",
            Self::Members => "manage members, invites and workspaces",
            Self::Settings => "change settings of the workspace and its webhooks",
            Self::Audit => "read the audit log",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Whether somebody of a role could use it for more than seeing what `read` shows as well.
    #[must_use]
    pub fn is_of_use_to(self, role: Role) -> bool {
        Permission::ALL
            .into_iter()
            .any(|p| p.scopes().first() == Some(&self) && p.granted_to(role))
    }

    /// The first thing that it is for.
    #[must_use]
    pub fn main_permission(self) -> Permission {
        match self {
            Self::Run => Permission::RunTasks,
            Self::Read => Permission::SeeTasks,
            Self::Sources => Permission::ManageSources,
            Self::Policies => Permission::OwnRules,
            Self::Credentials => Permission::OwnCredentials,
            Self::Keys => Permission::OwnKeys,
            Self::Members => Permission::ManageMembers,
            Self::Settings => Permission::ManageWorkspace,
            Self::Audit => Permission::ReadAudit,
        }
    }

    fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// Why a text is no list of scopes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope '{name}'; there are {}", Scopes::ALL.to_string().replace(' ', ", "))]
pub struct UnknownScope {
    /// The name that is none, cut to 64 characters.
    pub name: String,
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u16);

impl Scopes {
    /// None: nothing may be done.
    pub const NONE: Self = Self(0);
    /// All: whatever the person may do. What a person has who is there in person.
    pub const ALL: Self = Self((1 << ScopeName::ALL.len()) - 1);
    /// What a new key has unless it is said otherwise, and a client that asks for none: `run`, `read`.
    pub const USUAL: Self = Self(0b11);

    /// Whether a scope is among them.
    #[must_use]
    pub fn contains(self, scope: ScopeName) -> bool {
        self.0 & scope.bit() != 0
    }

    /// These, and one more.
    #[must_use]
    pub fn with(self, scope: ScopeName) -> Self {
        Self(self.0 | scope.bit())
    }

    /// Those that are among both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of these are among others.
    #[must_use]
    pub fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Those that are not among others, in order.
    pub fn beyond(self, other: Self) -> impl Iterator<Item = ScopeName> {
        self.iter().filter(move |s| !other.contains(*s))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in order.
    pub fn iter(self) -> impl Iterator<Item = ScopeName> {
        ScopeName::ALL
            .into_iter()
            .filter(move |s| self.contains(*s))
    }

    /// Those that somebody of a role could use for something.
    #[must_use]
    pub fn of_use_to(role: Role) -> Self {
        ScopeName::ALL
            .into_iter()
            .filter(|s| s.is_of_use_to(role))
            .collect()
    }

    /// Reads names with spaces between.
    ///
    /// # Errors
    /// The first name that is no scope.
    pub fn parse(text: &str) -> Result<Self, UnknownScope> {
        text.split_ascii_whitespace()
            .map(|name| {
                ScopeName::parse(name).ok_or_else(|| UnknownScope {
                    name: name.chars().take(64).collect(),
                })
            })
            .collect()
    }

    /// Reads what was stored: a name that this version does not know gives nothing.
    #[must_use]
    pub fn parse_stored(text: &str) -> Self {
        text.split_ascii_whitespace()
            .filter_map(ScopeName::parse)
            .collect()
    }
}

impl FromIterator<ScopeName> for Scopes {
    fn from_iter<I: IntoIterator<Item = ScopeName>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(ScopeName::as_str).collect();
        f.write_str(&names.join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_and_written() {
        assert_eq!(Scopes::USUAL.to_string(), "run read");
        assert_eq!(Scopes::parse(" read  run read "), Ok(Scopes::USUAL));
        assert_eq!(Scopes::parse(""), Ok(Scopes::NONE));
        let unknown = Scopes::parse("run everything").unwrap_err();
        assert_eq!(unknown.name, "everything");
        assert!(unknown.to_string().contains("run, read, sources"));
        assert_eq!(
            Scopes::parse_stored("run later"),
            Scopes::parse("run").unwrap()
        );
        for scope in ScopeName::ALL {
            assert_eq!(ScopeName::parse(scope.as_str()), Some(scope));
            assert!(Scopes::ALL.contains(scope));
            assert!(!Scopes::NONE.contains(scope));
        }
        assert_eq!(Scopes::parse(&Scopes::ALL.to_string()), Ok(Scopes::ALL));
    }

    #[test]
    fn one_set_lies_within_another() {
        let some = Scopes::parse("run audit").unwrap();
        assert!(some.within(Scopes::ALL) && !some.within(Scopes::USUAL));
        assert_eq!(
            some.beyond(Scopes::USUAL).collect::<Vec<_>>(),
            [ScopeName::Audit]
        );
        assert_eq!(some.and(Scopes::USUAL).to_string(), "run");
        assert!(some.and(Scopes::NONE).is_empty());
    }

    #[test]
    fn a_role_has_a_use_for_what_it_may_do() {
        assert_eq!(
            Scopes::of_use_to(Role::Member).to_string(),
            "run read policies credentials keys"
        );
        assert_eq!(Scopes::of_use_to(Role::Admin), Scopes::ALL);
        assert_eq!(Scopes::of_use_to(Role::Owner), Scopes::ALL);
    }
}
