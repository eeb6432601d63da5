//! When a source is read again, how its last readings went, and what of its tools was looked at.
//!
//! Who reads a source that is due is decided by moving its time on: of several servers that find it,
//! one does. What changes tools or reviews is bound to the revision that it was made from.

use super::{bump, reason};
use crate::db::{json, params};
use crate::tenancy::held_back;
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::source::{LookedAt, ReadFailure, RefreshEvery, SourceStatus, Unreviewed};
use domain::{SourceId, Timestamp};

/// A source that is due to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its workspace.
    pub scope: Scope,
    /// The source.
    pub id: SourceId,
    /// When it was to be read.
    pub at: Timestamp,
}

/// Sources of all workspaces whose time has come, the longest overdue first.
///
/// # Errors
/// Those of the database.
pub fn due(
    conn: &mut Reader<'_>,
    system: System,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Due>, Error> {
    conn.all(
        &format!(
            "select organization_id, workspace_id, id, next_refresh_at
             from sources
             where next_refresh_at <= $1 and status <> 'disabled' and not {}
             order by next_refresh_at
             limit $2",
            held_back("sources")
        ),
        &params![now, limit],
        |r| {
            Ok(Due {
                scope: system.scope(r.id()?, r.id()?),
                id: r.id()?,
                at: r.time()?,
            })
        },
    )
}

/// When the next source is due, over all workspaces; none if none ever is.
///
/// # Errors
/// Those of the database.
pub fn next_due(conn: &mut Reader<'_>, _: System) -> Result<Option<Timestamp>, Error> {
    conn.one(
        &format!(
            "select next_refresh_at
             from sources
             where next_refresh_at is not null and status <> 'disabled' and not {}
             order by next_refresh_at
             limit 1",
            held_back("sources")
        ),
        &[],
        |r| r.time(),
    )
}

/// Takes a source that is due: until the given time nobody else does. False if another server was
/// first.
///
/// # Errors
/// Those of the database.
pub fn claim(tx: &mut Tx<'_>, due: &Due, until: Timestamp) -> Result<bool, Error> {
    let claimed = tx.execute(
        "update sources
         set next_refresh_at = $4
         where id = $1 and workspace_id = $2 and next_refresh_at = $3 and status <> 'disabled'",
        &params![&due.id, due.scope.workspace_id(), due.at, until],
    )?;
    Ok(claimed == 1)
}

/// Sets when a source is read next.
///
/// # Errors
/// Those of the database.
pub fn set_next(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &SourceId,
    next: Option<Timestamp>,
) -> Result<(), Error> {
    tx.execute(
        "update sources set next_refresh_at = $3 where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id(), next],
    )?;
    Ok(())
}

/// Sets how often a source is read, and when next. False if there is no such source.
///
/// # Errors
/// Those of the database.
pub fn set_every(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &SourceId,
    every: Option<RefreshEvery>,
    next: Option<Timestamp>,
) -> Result<bool, Error> {
    let set = tx.execute(
        "update sources
         set refresh_every = $3, next_refresh_at = $4
         where id = $1 and workspace_id = $2",
        &params![
            id,
            scope.workspace_id(),
            every.map(RefreshEvery::to_text),
            next
        ],
    )?;
    Ok(set == 1)
}

/// Records a reading that found what was read before. The catalog stays as it is.
///
/// # Errors
/// Those of the database.
pub fn found_unchanged(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &SourceId,
    now: Timestamp,
    next: Option<Timestamp>,
) -> Result<(), Error> {
    tx.execute(
        "update sources
         set refreshed_at = $3, next_refresh_at = $4, failures = 0
         where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id(), now, next],
    )?;
    Ok(())
}

/// How a reading went that came to nothing.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// When, and why.
    pub failure: &'a ReadFailure,
    /// How many have failed in a row, this one included.
    pub in_a_row: u32,
    /// When it is tried again.
    pub next: Option<Timestamp>,
}

/// Records a reading that came to nothing: the source is degraded, unless it is switched off.
///
/// # Errors
/// Those of the database.
pub fn failed(tx: &mut Tx<'_>, scope: &Scope, id: &SourceId, how: Failed<'_>) -> Result<(), Error> {
    let why = &how.failure.reason;
    tx.execute(
        "update sources
         set failures = $3, failed_at = $4, failure = $5, next_refresh_at = $6
         where id = $1 and workspace_id = $2",
        &params![
            id,
            scope.workspace_id(),
            how.in_a_row,
            how.failure.at,
            why,
            how.next
        ],
    )?;
    degrade(tx, scope, id, why)?;
    Ok(())
}

/// Marks a source as degraded, unless it is switched off or is so already for the same reason: then
/// false.
///
/// # Errors
/// Those of the database.
pub fn degrade(tx: &mut Tx<'_>, scope: &Scope, id: &SourceId, why: &str) -> Result<bool, Error> {
    let status = SourceStatus::Degraded {
        reason: why.to_owned(),
    };
    let degraded = tx.execute(
        "update sources
         set status = $3, reason = $4
         where id = $1 and workspace_id = $2
           and (status = 'ready' or status = 'degraded' and reason <> $4)",
        &params![id, scope.workspace_id(), status.as_str(), reason(&status)],
    )?;
    if degraded == 1 {
        bump(tx, scope)?;
    }
    Ok(degraded == 1)
}

/// The definitions of a source that somebody looked at.
///
/// # Errors
/// Those of the database.
pub fn looked_at(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &SourceId,
) -> Result<Vec<LookedAt>, Error> {
    conn.one(
        "select looked_at from source_documents where source_id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
        |r| r.json(),
    )
    .map(Option::unwrap_or_default)
}

/// Records what is still to be looked at, and what was. False if the source is at another revision:
/// then nothing is written.
///
/// # Errors
/// Those of the database.
pub fn review(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (id, revision): (&SourceId, i64),
    unreviewed: &[Unreviewed],
    looked_at: &[LookedAt],
) -> Result<bool, Error> {
    let set = tx.execute(
        "update sources
         set unreviewed = $4, revision = revision + 1
         where id = $1 and workspace_id = $2 and revision = $3",
        &params![id, scope.workspace_id(), revision, json(&unreviewed)?],
    )?;
    if set == 0 {
        return Ok(false);
    }
    tx.execute(
        "update source_documents set looked_at = $3 where source_id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id(), json(&looked_at)?],
    )?;
    bump(tx, scope)?;
    Ok(true)
}

/// By what the server of a description recognizes the one that was read last, as JSON text.
///
/// # Errors
/// Those of the database.
pub fn validators(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &SourceId,
) -> Result<Option<String>, Error> {
    let found = conn.one(
        "select validators from sources where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
        |r| r.opt_text(),
    )?;
    Ok(found.flatten())
}
