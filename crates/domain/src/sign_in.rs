//! Signing in: who vouches for a person, the session that follows, and what a provider's words about
//! a person come to here.
//!
//! Pure: what a claim means, which address may be gone to afterwards, when a session has run out.
//! The order of things is in `engine/sign_in.rs`.

use crate::tenancy::Role;
use crate::{AccountId, SessionId, Timestamp};

/// How people sign in at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The user who runs the server, and whoever that user gives a link.
    Local,
    /// Everybody who comes gets a workspace of their own for a time.
    Anonymous,
    /// An OpenID Connect provider says who somebody is.
    Oidc,
    /// WorkOS says who somebody is, and which organizations they belong to.
    WorkOs,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 4] = [Self::Local, Self::Anonymous, Self::Oidc, Self::WorkOs];

    /// The stable name, as configured and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Anonymous => "anonymous",
            Self::Oidc => "oidc",
            Self::WorkOs => "workos",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.as_str() == text)
    }
}

/// How somebody came by a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// A link that works once.
    Link,
    /// An OpenID Connect provider.
    Oidc,
    /// WorkOS.
    WorkOs,
    /// They came, without a name.
    Visitor,
}

impl Via {
    const ALL: [Self; 4] = [Self::Link, Self::Oidc, Self::WorkOs, Self::Visitor];

    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Oidc => "oidc",
            Self::WorkOs => "workos",
            Self::Visitor => "visitor",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == text)
    }
}

/// A browser that somebody is signed in with. It carries no right: those are read at each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its identifier, which opens nothing.
    pub id: SessionId,
    /// Who is signed in.
    pub account_id: AccountId,
    /// How.
    pub via: Via,
    /// What the browser called itself, at most 256 characters.
    pub user_agent: String,
    /// The address it came from, at most 64 characters.
    pub address: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
}

/// How long sessions last, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lasting {
    /// Without use.
    pub idle_ms: i64,
    /// In all.
    pub whole_ms: i64,
}

impl Session {
    /// Whether it is over at an instant.
    #[must_use]
    pub fn is_over(&self, lasting: Lasting, now: Timestamp) -> bool {
        now >= self.expires_at || now >= self.seen_at.plus_ms(lasting.idle_ms)
    }
}

/// What becomes of somebody who signs in for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newcomers {
    /// They join the server's organization in this role.
    Join(Role),
    /// They are a member of nothing until somebody invites them.
    ByInvite,
}

/// Which words of a provider's claim come to which role.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleMap(pub Vec<(String, Role)>);

impl RoleMap {
    /// Reads `words=role` pairs.
    ///
    /// # Errors
    /// What is wrong with the first pair that is none.
    pub fn parse<'a>(pairs: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let pair = |text: &str| {
            let (word, role) = text
                .rsplit_once('=')
                .ok_or_else(|| format!("'{text}' is no pair such as admins=admin"))?;
            let role = Role::parse(role.trim()).ok_or_else(|| {
                format!(
                    "'{}' is none of owner, admin, billing_admin, member",
                    role.trim()
                )
            })?;
            Ok((word.trim().to_owned(), role))
        };
        pairs.map(pair).collect::<Result<_, _>>().map(Self)
    }

    /// The highest role that any of the words comes to; none if none of them is known.
    #[must_use]
    pub fn role<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Option<Role> {
        let of = |word: &str| {
            self.0
                .iter()
                .find(|(w, _)| w == word)
                .map(|(_, role)| *role)
        };
        words
            .into_iter()
            .filter_map(of)
            .max_by_key(|role| role.rank())
    }
}

/// What a provider says of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who says so.
    pub issuer: String,
    /// What the person is called there, for ever.
    pub subject: String,
    /// An address, as said; never what somebody is known by.
    pub email: Option<String>,
    /// Whether the provider has seen that the address is theirs.
    pub email_verified: bool,
    /// A name to show.
    pub name: Option<String>,
    /// The words of the claim that roles follow from; none if there is no such claim.
    pub groups: Option<Vec<String>>,
}

impl Identity {
    /// A name to show: the person's, or their address, or what the provider calls them.
    #[must_use]
    pub fn shown_name(&self) -> String {
        let clean = |text: &String| -> Option<String> {
            let line: String = text
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(100)
                .collect();
            Some(line.trim().to_owned()).filter(|l| !l.is_empty())
        };
        let named = self.name.as_ref().and_then(clean);
        let by_address = || self.email.as_ref().and_then(clean);
        let fallback = || clean(&self.subject).unwrap_or_else(|| "Somebody".to_owned());
        named.or_else(by_address).unwrap_or_else(fallback)
    }

    /// Whether their address lies in one of the domains, as the provider has verified it. Without
    /// domains everybody's does.
    #[must_use]
    pub fn is_of(&self, domains: &[String]) -> bool {
        let domain = self.email.as_deref().and_then(|e| e.rsplit_once('@'));
        domains.is_empty()
            || (self.email_verified
                && domain.is_some_and(|(_, d)| domains.iter().any(|o| o.eq_ignore_ascii_case(d))))
    }
}

/// Longest address within this server that a browser is sent back to.
const NEXT_BYTES_MAX: usize = 2_048;

/// Where a browser goes after it is signed in: a path of this server, or the first page. What looks
/// like a path and leads elsewhere (`//host`, `/\host`, a tab or line end that browsers leave out)
/// is no path.
#[must_use]
pub fn local_path(next: &str) -> &str {
    let mut bytes = next.bytes();
    let begins = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if begins && plain && next.len() <= NEXT_BYTES_MAX {
        next
    } else {
        "/"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server_are_gone_to() {
        for good in ["/", "/tasks/task_1?x=1#y", "/a/b", "/?next=//evil.example"] {
            assert_eq!(local_path(good), good);
        }
        let long = format!("/{}", "x".repeat(NEXT_BYTES_MAX));
        for bad in [
            "",
            "tasks",
            "//evil.example",
            "/\\evil.example",
            "/a\\b",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n",
            " /",
            "/ü",
            &long,
        ] {
            assert_eq!(local_path(bad), "/", "{bad:?}");
        }
    }

    #[test]
    fn a_session_ends_by_age_and_by_idleness() {
        let session = Session {
            id: SessionId::from_bits([1; 16]),
            account_id: AccountId::from_bits([2; 16]),
            via: Via::Link,
            user_agent: String::new(),
            address: String::new(),
            created_at: Timestamp(0),
            seen_at: Timestamp(500),
            expires_at: Timestamp(1_000),
        };
        let lasting = |idle_ms| Lasting {
            idle_ms,
            whole_ms: 1_000,
        };
        assert!(!session.is_over(lasting(100), Timestamp(599)));
        assert!(session.is_over(lasting(100), Timestamp(600)));
        assert!(!session.is_over(lasting(900), Timestamp(999)));
        assert!(session.is_over(lasting(900), Timestamp(1_000)));
    }

    #[test]
    fn roles_follow_from_words_and_the_highest_counts() {
        let map = RoleMap::parse(["ops=admin", "all = member", "a=b=owner"].into_iter()).unwrap();
        assert_eq!(map.role(["all"]), Some(Role::Member));
        assert_eq!(map.role(["all", "ops"]), Some(Role::Admin));
        assert_eq!(map.role(["a=b"]), Some(Role::Owner));
        assert_eq!(map.role(["Ops", "nobody"]), None);
        assert!(RoleMap::parse(["ops"].into_iter()).is_err());
        assert!(RoleMap::parse(["ops=root"].into_iter()).is_err());
    }

    #[test]
    fn only_a_verified_address_lies_in_a_domain() {
        let identity = |email: &str, email_verified| Identity {
            issuer: "https://i.example".into(),
            subject: "7".into(),
            email: Some(email.into()),
            email_verified,
            name: None,
            groups: None,
        };
        let domains = ["acme.example".to_owned()];
        assert!(identity("ada@ACME.example", true).is_of(&domains));
        assert!(!identity("ada@acme.example", false).is_of(&domains));
        assert!(!identity("ada@evil.example", true).is_of(&domains));
        assert!(!identity("ada@acme.example@evil.example", true).is_of(&domains));
        assert!(!identity("ada@sub.acme.example", true).is_of(&domains));
        assert!(identity("nobody", false).is_of(&[]));
    }

    #[test]
    fn names_are_one_line() {
        let named = |name: &str| Identity {
            issuer: String::new(),
            subject: "7".into(),
            email: Some("ada@x.example".into()),
            email_verified: false,
            name: Some(name.into()),
            groups: None,
        };
        assert_eq!(named("Ada\nL").shown_name(), "Ada L");
        assert_eq!(named(" \t").shown_name(), "ada@x.example");
    }
}
