//! API keys: how a program proves whose it is.
//!
//! A key belongs to one person in one workspace and carries no right of its own: what it may do is
//! what the person may, read anew with each request, within the key's scopes, and less what only a
//! person does ([`crate::access::Caller::speaks_for_person`]). Its secret is shown once and kept as
//! a digest.

use crate::access::Scopes;
use crate::limits::Limit;
use crate::{AccountId, KeyId, Timestamp};

/// What every key begins with.
pub const PREFIX: &str = "exk_";

/// Characters of a secret after [`PREFIX`] that are kept to recognize it by: 32 of its 256 bits.
const SHOWN_CHARS: usize = 8;

/// What a secret begins with, by which people recognize one that was found in a log or a file; none of
/// a text that is no secret of a key.
#[must_use]
pub fn beginning(secret: &str) -> Option<&str> {
    let rest = secret.strip_prefix(PREFIX)?;
    let shown = secret.get(..PREFIX.len() + SHOWN_CHARS)?;
    (rest.len() >= 4 * SHOWN_CHARS).then_some(shown)
}

/// Limits of one key, below those that the workspace sets for every key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyLimits {
    /// Requests each minute, on each server: [`Limit::RequestsPerMinutePerKey`] for this key.
    pub requests_per_minute: Option<u64>,
    /// Tasks submitted in a day (UTC): [`Limit::TasksPerDayPerKey`] for this key.
    pub tasks_per_day: Option<u64>,
}

impl KeyLimits {
    /// The limits that are set, with their values.
    pub fn set(self) -> impl Iterator<Item = (Limit, u64)> {
        [
            (Limit::RequestsPerMinutePerKey, self.requests_per_minute),
            (Limit::TasksPerDayPerKey, self.tasks_per_day),
        ]
        .into_iter()
        .filter_map(|(limit, value)| Some((limit, value?)))
    }

    /// The stricter of both, limit by limit: a key makes none that may do more than itself.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        let lower = |a: Option<u64>, b: Option<u64>| [a, b].into_iter().flatten().min();
        Self {
            requests_per_minute: lower(self.requests_per_minute, other.requests_per_minute),
            tasks_per_day: lower(self.tasks_per_day, other.tasks_per_day),
        }
    }
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its identifier; it stays the same when the secret is replaced.
    pub id: KeyId,
    /// Whom it stands for.
    pub account_id: AccountId,
    /// What people call it.
    pub name: String,
    /// What its secret begins with ([`beginning`]); none of one that was made before that was kept.
    pub prefix: Option<String>,
    /// Who made it.
    pub created_by: AccountId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its secret was last replaced.
    pub rotated_at: Option<Timestamp>,
    /// When the secret before stops to work, if it still does.
    pub previous_until: Option<Timestamp>,
    /// When it stops to work.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, within a minute.
    pub last_used_at: Option<Timestamp>,
    /// What it may be used for, of all that its person may do.
    pub scopes: Scopes,
    /// Limits of its own.
    pub limits: KeyLimits,
}

impl ApiKey {
    /// Whether it works at a moment.
    #[must_use]
    pub fn works_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn a_beginning_is_the_lesser_part_of_a_secret() {
        let secret = format!("exk_{}", "0123456789abcdef".repeat(4));
        assert_eq!(beginning(&secret), Some("exk_01234567"));
        for none in [
            "",
            "exk_",
            "exk_0123456789",
            "sk_0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(beginning(none), None, "{none}");
        }
    }
}
