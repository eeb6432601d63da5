//! Counts that quotas are judged by. Each counts no further than it is asked to, from an index.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::Scope;

/// Tasks of the workspace that are queued or running, at most `most`.
///
/// # Errors
/// Those of the database.
pub fn tasks_active(conn: &mut Reader<'_>, scope: &Scope, most: u64) -> Result<u64, Error> {
    count(
        conn,
        scope,
        most,
        "select 1 from tasks where workspace_id = $1 and state in ('queued', 'running')",
    )
}

/// Tasks of the workspace whose sandbox is released while a person is asked, at most `most`.
///
/// # Errors
/// Those of the database.
pub fn tasks_waiting(conn: &mut Reader<'_>, scope: &Scope, most: u64) -> Result<u64, Error> {
    count(
        conn,
        scope,
        most,
        "select 1 from tasks where workspace_id = $1 and state = 'suspended'",
    )
}

/// Approvals of the workspace that are pending, at most `most`.
///
/// # Errors
/// Those of the database.
pub fn approvals_pending(conn: &mut Reader<'_>, scope: &Scope, most: u64) -> Result<u64, Error> {
    count(
        conn,
        scope,
        most,
        "select 1 from approvals where workspace_id = $1 and status = 'pending'",
    )
}

fn count(conn: &mut Reader<'_>, scope: &Scope, most: u64, which: &str) -> Result<u64, Error> {
    let found = conn.one(
        &format!("select count(*) from ({which} limit $2) as counted"),
        &params![scope.workspace_id(), most],
        |r| r.int(),
    )?;
    Ok(found.unwrap_or_default().unsigned_abs())
}

/// Counts one more task into a day of the workspace, or of one key or grant in it; answers how many the day
/// has seen.
///
/// # Errors
/// Those of the database.
pub fn count_task(
    tx: &mut Tx<'_>,
    scope: &Scope,
    day: i64,
    key: Option<&str>,
) -> Result<u64, Error> {
    let seen = tx.one(
        "insert into task_days (workspace_id, day, key_id, organization_id, tasks)
         values ($1, $2, $3, $4, 1)
         on conflict (workspace_id, day, key_id) do update set tasks = task_days.tasks + 1
         returning tasks",
        &params![
            scope.workspace_id(),
            day,
            key.unwrap_or_default(),
            scope.organization_id(),
        ],
        |r| r.int(),
    )?;
    Ok(seen.unwrap_or_default().unsigned_abs())
}

/// Forgets the days of the workspace before one.
///
/// # Errors
/// Those of the database.
pub fn forget_days_before(tx: &mut Tx<'_>, scope: &Scope, day: i64) -> Result<(), Error> {
    tx.execute(
        "delete from task_days where workspace_id = $1 and day < $2",
        &params![scope.workspace_id(), day],
    )?;
    Ok(())
}
