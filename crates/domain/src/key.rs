//! API keys: how a program proves whose it is.
//!
//! A key belongs to one person in one workspace and carries no right of its own: what it may do is
//! what the person may, read anew with each request, less what only a person does
//! ([`crate::access::Caller::speaks_for_person`]). Its secret is shown once and kept as a digest.

use crate::{AccountId, KeyId, Timestamp};

/// What every key begins with.
pub const PREFIX: &str = "exk_";

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its identifier; it stays the same when the secret is replaced.
    pub id: KeyId,
    /// Whom it stands for.
    pub account_id: AccountId,
    /// What people call it.
    pub name: String,
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
}

impl ApiKey {
    /// Whether it works at a moment.
    #[must_use]
    pub fn works_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}
