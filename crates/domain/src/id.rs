//! Identifiers: a readable prefix and 128 random bits in Crockford's base 32.
//!
//! The bits come from the caller, so that a simulation can repeat them. An identifier read from
//! outside is parsed, never trusted: a wrong prefix or alphabet is an error that names both.

use std::fmt;

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Length of 128 bits in base 32.
const SUFFIX_CHARS: usize = 26;

/// Why a text is not the identifier it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {what}: expected '{prefix}' followed by 26 letters and digits")]
pub struct IdError {
    /// The text as given, cut to 64 characters.
    pub text: String,
    /// What kind of identifier was expected.
    pub what: &'static str,
    /// The prefix it should have had.
    pub prefix: &'static str,
}

fn encode(bits: [u8; 16]) -> String {
    let mut value = u128::from_be_bytes(bits);
    let mut out = [0u8; SUFFIX_CHARS];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    out.iter().map(|b| char::from(*b)).collect()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What every identifier of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an identifier of 128 bits that the caller drew at random.
            #[must_use]
            pub fn from_bits(bits: [u8; 16]) -> Self {
                Self(format!("{}{}", $prefix, encode(bits)))
            }

            /// Reads an identifier from outside.
            ///
            /// # Errors
            /// When the prefix, the length or a character is wrong.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let valid = text.strip_prefix($prefix).is_some_and(|rest| {
                    rest.len() == SUFFIX_CHARS && rest.bytes().all(|b| ALPHABET.contains(&b))
                });
                if valid {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(IdError {
                        text: text.chars().take(64).collect(),
                        what: $what,
                        prefix: $prefix,
                    })
                }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// One run of one program.
    TaskId, "task_", "task id";
    /// One tool call of a task.
    CallId, "call_", "call id";
    /// One question to a person.
    ApprovalId, "appr_", "approval id";
    /// One source of tools.
    SourceId, "src_", "source id";
    /// One policy rule.
    RuleId, "rule_", "rule id";
    /// One named set of rules.
    PolicySetId, "set_", "policy set id";
    /// One rule of a set, which binds nobody by itself.
    SetRuleId, "srule_", "id of a rule of a set";
    /// One assignment of a set.
    AssignmentId, "asgn_", "assignment id";
    /// One stored credential.
    CredentialId, "cred_", "credential id";
    /// One way of a person to a credential that a source's authorization server grants.
    ConnectId, "conn_", "connect id";
    /// One organization.
    OrganizationId, "org_", "organization id";
    /// One workspace.
    WorkspaceId, "ws_", "workspace id";
    /// One person's account.
    AccountId, "acct_", "account id";
    /// One audit entry.
    AuditId, "aud_", "audit id";
    /// One invite.
    InviteId, "inv_", "invite id";
    /// One API key.
    KeyId, "key_", "key id";
    /// What a person granted to a client: the tokens that come of it end with it.
    GrantId, "grant_", "grant id";
    /// One value too large to be carried, read on in parts.
    HandleId, "hdl_", "handle id";
    /// One address that is told of approvals.
    WebhookId, "hook_", "webhook id";
    /// One thing that one webhook is told.
    DeliveryId, "dlv_", "delivery id";
    /// One browser that somebody is signed in with.
    SessionId, "sess_", "session id";
    /// One browser that is told of approvals while it is closed.
    PushId, "push_", "push subscription id";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let id = TaskId::from_bits([0xff; 16]);
        assert_eq!(id.as_str(), "task_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        assert_eq!(TaskId::parse(id.as_str()), Ok(id.clone()));
        for bad in [
            "",
            "task_",
            "call_7zzzzzzzzzzzzzzzzzzzzzzzzz",
            "task_7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        ] {
            assert!(TaskId::parse(bad).is_err(), "{bad}");
        }
        assert_ne!(TaskId::from_bits([1; 16]), TaskId::from_bits([2; 16]));
    }
}
