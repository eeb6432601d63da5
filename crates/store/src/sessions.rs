//! Sign-in sessions of the dashboard, and the one-time links that begin them. Only hashes of their
//! tokens are kept.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::System;
use domain::{AccountId, Timestamp};

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Requests, until it expires.
    Session,
    /// Beginning one session.
    Link,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Link => "link",
        }
    }
}

/// A token's hash and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// SHA-256 of the token, in hexadecimal.
    pub token_sha256: String,
    /// Whom it signs in.
    pub account_id: AccountId,
    /// What it is good for.
    pub kind: Kind,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Records a token.
///
/// # Errors
/// Those of the database.
pub fn insert(tx: &mut Tx<'_>, _: System, new: &NewSession) -> Result<(), Error> {
    tx.execute(
        "insert into sessions (token_sha256, account_id, kind, expires_at)
         values ($1, $2, $3, $4)",
        &params![
            &new.token_sha256,
            &new.account_id,
            new.kind.as_str(),
            new.expires_at
        ],
    )?;
    Ok(())
}

/// Uses a link up: whom it signs in, or none if it was used, has expired or never was.
///
/// # Errors
/// Those of the database.
pub fn take_link(
    tx: &mut Tx<'_>,
    _: System,
    token_sha256: &str,
    now: Timestamp,
) -> Result<Option<AccountId>, Error> {
    tx.one(
        "delete from sessions
         where token_sha256 = $1 and kind = 'link' and expires_at > $2
         returning account_id",
        &params![token_sha256, now],
        |r| r.id(),
    )
}

/// Whose session it is; none if it has expired or never was.
///
/// # Errors
/// Those of the database.
pub fn find(
    conn: &mut Reader<'_>,
    _: System,
    token_sha256: &str,
    now: Timestamp,
) -> Result<Option<AccountId>, Error> {
    conn.one(
        "select account_id
         from sessions
         where token_sha256 = $1 and kind = 'session' and expires_at > $2",
        &params![token_sha256, now],
        |r| r.id(),
    )
}

/// Ends a session or spoils a link.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, _: System, token_sha256: &str) -> Result<(), Error> {
    tx.execute(
        "delete from sessions where token_sha256 = $1",
        &params![token_sha256],
    )?;
    Ok(())
}

/// Clears away what has expired; answers how many.
///
/// # Errors
/// Those of the database.
pub fn remove_expired(tx: &mut Tx<'_>, _: System, now: Timestamp) -> Result<u64, Error> {
    tx.execute("delete from sessions where expires_at <= $1", &params![now])
}
