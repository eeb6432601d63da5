//! Browsers that somebody is signed in with, the one-time links that begin a session, and the ways
//! to a provider that are under way. Only digests of what opens them are kept.

use crate::db::{Row, params};
use crate::{Error, Reader, Tx};
use domain::access::System;
use domain::credential::Sealed;
use domain::sign_in::{Session, Via};
use domain::{AccountId, SessionId, Timestamp};

const COLUMNS: &str = "id, account_id, via, user_agent, address, created_at, seen_at, expires_at";

fn read(r: &mut Row<'_>) -> Result<Session, Error> {
    Ok(Session {
        id: r.id()?,
        account_id: r.id()?,
        via: r.named(Via::parse)?,
        user_agent: r.text()?,
        address: r.text()?,
        created_at: r.time()?,
        seen_at: r.time()?,
        expires_at: r.time()?,
    })
}

/// Records a session with the digest of its token.
///
/// # Errors
/// Those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    _: System,
    session: &Session,
    token_sha256: &str,
) -> Result<(), Error> {
    tx.execute(
        "insert into sessions
             (id, token_sha256, account_id, via, user_agent, address, created_at, seen_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &params![
            &session.id,
            token_sha256,
            &session.account_id,
            session.via.as_str(),
            &session.user_agent,
            &session.address,
            session.created_at,
            session.seen_at,
            session.expires_at,
        ],
    )?;
    Ok(())
}

/// The session of a token, over or not.
///
/// # Errors
/// Those of the database.
pub fn find(
    conn: &mut Reader<'_>,
    _: System,
    token_sha256: &str,
) -> Result<Option<Session>, Error> {
    conn.one(
        &format!("select {COLUMNS} from sessions where token_sha256 = $1"),
        &params![token_sha256],
        read,
    )
}

/// Keeps beside the session of a token what ends the one at its provider, sealed.
///
/// # Errors
/// Those of the database.
pub fn keep_way_out(
    tx: &mut Tx<'_>,
    _: System,
    token_sha256: &str,
    sealed: &Sealed,
) -> Result<(), Error> {
    tx.execute(
        "update sessions set way_out = $2 where token_sha256 = $1",
        &params![token_sha256, &sealed.0],
    )?;
    Ok(())
}

/// What was kept beside the session of a token, sealed; none if nothing was.
///
/// # Errors
/// Those of the database.
pub fn way_out(
    conn: &mut Reader<'_>,
    _: System,
    token_sha256: &str,
) -> Result<Option<Sealed>, Error> {
    let kept = conn.one(
        "select way_out from sessions where token_sha256 = $1",
        &params![token_sha256],
        |r| r.opt_text(),
    )?;
    Ok(kept.flatten().map(Sealed))
}

/// A person's sessions, the one used last first.
///
/// # Errors
/// Those of the database.
pub fn of_person(
    conn: &mut Reader<'_>,
    _: System,
    account: &AccountId,
) -> Result<Vec<Session>, Error> {
    conn.all(
        &format!(
            "select {COLUMNS} from sessions
             where account_id = $1
             order by seen_at desc, created_at desc, id"
        ),
        &params![account],
        read,
    )
}

/// Records that a session was used.
///
/// # Errors
/// Those of the database.
pub fn touch(tx: &mut Tx<'_>, _: System, id: &SessionId, at: Timestamp) -> Result<(), Error> {
    tx.execute(
        "update sessions set seen_at = $2 where id = $1 and seen_at < $2",
        &params![id, at],
    )?;
    Ok(())
}

/// Ends a session of a person, and what browsers that were added in it are told. False if they have no
/// such session.
///
/// # Errors
/// Those of the database.
pub fn end(tx: &mut Tx<'_>, _: System, account: &AccountId, id: &SessionId) -> Result<bool, Error> {
    crate::push::remove_of_session(tx, account, id)?;
    let ended = tx.execute(
        "delete from sessions where id = $1 and account_id = $2",
        &params![id, account],
    )?;
    Ok(ended == 1)
}

/// Ends every session of a person but one; answers how many that were.
///
/// # Errors
/// Those of the database.
pub fn end_others(
    tx: &mut Tx<'_>,
    _: System,
    account: &AccountId,
    but: Option<&SessionId>,
) -> Result<u64, Error> {
    let but = but.map_or("", SessionId::as_str);
    crate::push::remove_of_other_sessions(tx, account, but)?;
    tx.execute(
        "delete from sessions where account_id = $1 and id <> $2",
        &params![account, but],
    )
}

/// Clears away what has run out: sessions by age or idleness, links, and ways to a provider.
///
/// # Errors
/// Those of the database.
pub fn remove_expired(
    tx: &mut Tx<'_>,
    _: System,
    now: Timestamp,
    unseen_since: Timestamp,
) -> Result<u64, Error> {
    let ended = tx.execute(
        "delete from sessions where expires_at <= $1 or seen_at <= $2",
        &params![now, unseen_since],
    )?;
    tx.execute(
        "delete from sign_in_links where expires_at <= $1",
        &params![now],
    )?;
    tx.execute(
        "delete from sign_in_attempts where expires_at <= $1",
        &params![now],
    )?;
    Ok(ended)
}

/// Records a link with the digest of its token.
///
/// # Errors
/// Those of the database.
pub fn insert_link(
    tx: &mut Tx<'_>,
    _: System,
    token_sha256: &str,
    account: &AccountId,
    expires_at: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "insert into sign_in_links (token_sha256, account_id, expires_at) values ($1, $2, $3)",
        &params![token_sha256, account, expires_at],
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
        "delete from sign_in_links
         where token_sha256 = $1 and expires_at > $2
         returning account_id",
        &params![token_sha256, now],
        |r| r.id(),
    )
}

/// A way to a provider that a browser was sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Digest of what the browser brings back.
    pub state_sha256: String,
    /// Digest of what it keeps meanwhile.
    pub browser_sha256: String,
    /// Where it goes afterwards: a path of this server.
    pub next: String,
    /// Until when it may come back.
    pub expires_at: Timestamp,
}

/// Records that a browser was sent away.
///
/// # Errors
/// Those of the database.
pub fn insert_attempt(tx: &mut Tx<'_>, _: System, attempt: &Attempt) -> Result<(), Error> {
    tx.execute(
        "insert into sign_in_attempts (state_sha256, browser_sha256, next, expires_at)
         values ($1, $2, $3, $4)",
        &params![
            &attempt.state_sha256,
            &attempt.browser_sha256,
            &attempt.next,
            attempt.expires_at
        ],
    )?;
    Ok(())
}

/// Uses up the way that a browser comes back from: where it goes now. None if it was used, has
/// expired or never was, and if another browser was sent on it, whose way stays open.
///
/// # Errors
/// Those of the database.
pub fn take_attempt(
    tx: &mut Tx<'_>,
    _: System,
    state_sha256: &str,
    browser_sha256: &str,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    tx.one(
        "delete from sign_in_attempts
         where state_sha256 = $1 and browser_sha256 = $2 and expires_at > $3
         returning next",
        &params![state_sha256, browser_sha256, now],
        |r| r.text(),
    )
}

/// How many browsers are on their way.
///
/// # Errors
/// Those of the database.
pub fn attempts(conn: &mut Reader<'_>, _: System) -> Result<i64, Error> {
    let count = conn.one("select count(*) from sign_in_attempts", &[], |r| r.int())?;
    Ok(count.unwrap_or(0))
}
