//! Connects: ways of people to credentials that authorization servers grant.
//!
//! Each ends once: by a compare-and-swap from `pending`. What a browser brings back is known by its
//! digest alone and is used up by the one who takes it.

use crate::db::{Row, json, params};
use crate::tenancy::held_back;
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::connect::{Connect, ConnectStatus};
use domain::credential::{CredentialScope, Sealed};
use domain::oauth::Flow;
use domain::{ConnectId, CredentialId, Timestamp};

/// Connects of devices that one look finds to be asked about.
const POLLS_AT_ONCE: u32 = 16;

const COLUMNS: &str = "id, source_id, account_id, scope, label, flow, asked, status, problem, \
     credential_id, browser_sha256, created_at, expires_at";

fn read(r: &mut Row<'_>) -> Result<Connect, Error> {
    Ok(Connect {
        id: r.id()?,
        source_id: r.id()?,
        account_id: r.id()?,
        scope: r.named(CredentialScope::parse)?,
        label: r.text()?,
        flow: r.named(Flow::parse)?,
        asked: r.json()?,
        status: {
            let (status, problem) = (r.text()?, r.opt_text()?);
            let credential: Option<CredentialId> = r.opt_id()?;
            match (status.as_str(), credential) {
                ("pending", _) => ConnectStatus::Pending,
                ("connected", Some(id)) => ConnectStatus::Connected(id),
                (_, _) => ConnectStatus::Failed(problem.unwrap_or_default()),
            }
        },
        browser_sha256: r.opt_text()?,
        created_at: r.time()?,
        expires_at: r.time()?,
    })
}

/// Records a connect that has just begun. A device's is asked about from `poll` on: the first time,
/// and milliseconds between two times.
///
/// # Errors
/// Those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    scope: &Scope,
    connect: &Connect,
    sealed: &Sealed,
    poll: Option<(Timestamp, u32)>,
) -> Result<(), Error> {
    tx.execute(
        "insert into oauth_connects
             (id, organization_id, workspace_id, source_id, account_id, scope, label, flow, asked,
              status, sealed, poll_at, poll_ms, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11, $12, $13, $14)",
        &params![
            &connect.id,
            scope.organization_id(),
            scope.workspace_id(),
            &connect.source_id,
            &connect.account_id,
            connect.scope.as_str(),
            &connect.label,
            connect.flow.as_str(),
            json(&connect.asked)?,
            &sealed.0,
            poll.map(|(at, _)| at),
            poll.map_or(0, |(_, every_ms)| every_ms),
            connect.created_at,
            connect.expires_at,
        ],
    )?;
    Ok(())
}

/// A connect of the workspace.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Reader<'_>, scope: &Scope, id: &ConnectId) -> Result<Option<Connect>, Error> {
    conn.one(
        &format!("select {COLUMNS} from oauth_connects where id = $1 and workspace_id = $2"),
        &params![id, scope.workspace_id()],
        read,
    )
}

/// What is sealed of a connect that is still pending.
///
/// # Errors
/// Those of the database.
pub fn sealed(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &ConnectId,
) -> Result<Option<Sealed>, Error> {
    let found = conn.one(
        "select sealed from oauth_connects
         where id = $1 and workspace_id = $2 and status = 'pending'",
        &params![id, scope.workspace_id()],
        |r| r.opt_text(),
    )?;
    Ok(found.flatten().map(Sealed))
}

/// In which workspace a connect stands, for whoever follows a link to it.
///
/// # Errors
/// Those of the database.
pub fn find(
    conn: &mut Reader<'_>,
    system: System,
    id: &ConnectId,
) -> Result<Option<(Scope, Connect)>, Error> {
    conn.one(
        &format!(
            "select organization_id, workspace_id, {COLUMNS} from oauth_connects where id = $1"
        ),
        &params![id],
        |r| Ok((system.scope(r.id()?, r.id()?), read(r)?)),
    )
}

/// The connect that a browser was sent away with.
///
/// # Errors
/// Those of the database.
pub fn by_state(
    conn: &mut Reader<'_>,
    system: System,
    state_sha256: &str,
) -> Result<Option<(Scope, Connect)>, Error> {
    conn.one(
        &format!(
            "select organization_id, workspace_id, {COLUMNS} from oauth_connects
             where state_sha256 = $1"
        ),
        &params![state_sha256],
        |r| Ok((system.scope(r.id()?, r.id()?), read(r)?)),
    )
}

/// What a browser takes along when it is sent away.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// SHA-256 of what the authorization server gives back.
    pub state_sha256: &'a str,
    /// SHA-256 of what the browser keeps.
    pub browser_sha256: &'a str,
    /// What is sealed from now on.
    pub sealed: &'a Sealed,
}

/// A browser is sent away: whatever an earlier one brings back counts no more. False unless the
/// connect is pending.
///
/// # Errors
/// Those of the database.
pub fn send(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &ConnectId,
    sent: Sent<'_>,
    now: Timestamp,
) -> Result<bool, Error> {
    let set = tx.execute(
        "update oauth_connects
         set state_sha256 = $3, browser_sha256 = $4, sealed = $5
         where id = $1 and workspace_id = $2 and status = 'pending' and expires_at > $6",
        &params![
            id,
            scope.workspace_id(),
            sent.state_sha256,
            sent.browser_sha256,
            &sent.sealed.0,
            now
        ],
    )?;
    Ok(set == 1)
}

/// Uses up what a browser brings back. None if it was used, has expired or never was.
///
/// # Errors
/// Those of the database.
pub fn take_state(
    tx: &mut Tx<'_>,
    scope: &Scope,
    state_sha256: &str,
    now: Timestamp,
) -> Result<Option<(Connect, Sealed)>, Error> {
    tx.one(
        &format!(
            "update oauth_connects
             set state_sha256 = null
             where state_sha256 = $1 and workspace_id = $2 and status = 'pending'
               and expires_at > $3
             returning {COLUMNS}, sealed"
        ),
        &params![state_sha256, scope.workspace_id(), now],
        |r| Ok((read(r)?, Sealed(r.text()?))),
    )
}

/// Ends a connect, and forgets what was sealed of it. False if it had ended before.
///
/// # Errors
/// Those of the database.
pub fn end(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &ConnectId,
    status: &ConnectStatus,
) -> Result<bool, Error> {
    let (name, problem, credential) = match status {
        ConnectStatus::Pending => return Ok(false),
        ConnectStatus::Connected(id) => ("connected", None, Some(id.as_str())),
        ConnectStatus::Failed(problem) => ("failed", Some(problem.as_str()), None),
    };
    let set = tx.execute(
        "update oauth_connects
         set status = $3, problem = $4, credential_id = $5, sealed = null, state_sha256 = null,
             poll_at = null
         where id = $1 and workspace_id = $2 and status = 'pending'",
        &params![id, scope.workspace_id(), name, problem, credential],
    )?;
    Ok(set == 1)
}

/// A device's connect whose turn it is to be asked about.
#[derive(Debug, Clone)]
pub struct Poll {
    /// The connect.
    pub connect: Connect,
    /// Its workspace.
    pub scope: Scope,
    /// When it was to be asked about.
    pub poll_at: Timestamp,
    /// Milliseconds between two times.
    pub poll_ms: u32,
}

/// Connects of devices that are to be asked about.
///
/// # Errors
/// Those of the database.
pub fn polls(conn: &mut Reader<'_>, system: System, now: Timestamp) -> Result<Vec<Poll>, Error> {
    conn.all(
        &format!(
            "select organization_id, workspace_id, poll_at, poll_ms, {COLUMNS} from oauth_connects
             where poll_at <= $1 and status = 'pending' and not {}
             order by poll_at, id
             limit {POLLS_AT_ONCE}",
            held_back("oauth_connects")
        ),
        &params![now],
        |r| {
            Ok(Poll {
                scope: system.scope(r.id()?, r.id()?),
                poll_at: r.time()?,
                poll_ms: r.u32()?,
                connect: read(r)?,
            })
        },
    )
}

/// Moves the next time to ask about a device's connect. False if somebody else has: then it is
/// theirs to ask.
///
/// # Errors
/// Those of the database.
pub fn claim_poll(
    tx: &mut Tx<'_>,
    poll: &Poll,
    next: Timestamp,
    every_ms: u32,
) -> Result<bool, Error> {
    let set = tx.execute(
        "update oauth_connects
         set poll_at = $4, poll_ms = $5
         where id = $1 and workspace_id = $2 and poll_at = $3 and status = 'pending'",
        &params![
            &poll.connect.id,
            poll.scope.workspace_id(),
            poll.poll_at,
            next,
            every_ms
        ],
    )?;
    Ok(set == 1)
}

/// Removes connects that ended or expired long ago. Answers how many.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, _: System, expired_before: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "delete from oauth_connects where expires_at <= $1",
        &params![expired_before],
    )
}
