//! How tasks are handed to servers: in turns between workspaces, the oldest of each first, and only
//! to a server that has the task's engine while one that has it may still come.
//!
//! The turns are each server's own: it names the workspace it served last, and goes on behind it.

use super::{COLUMNS, read};
use crate::db::params;
use crate::tenancy::held_back;
use crate::{Error, Notice, Reader, Tx, points};
use domain::access::System;
use domain::task::{Lease, Task};
use domain::{Timestamp, WorkspaceId};
use std::collections::BTreeSet;

/// How long a server that has a task's engine may be gone before the task is handed to one that has
/// not, which then says so: long enough for a restart.
const ENGINE_MISSED_MS: i64 = 60_000;

/// The task is from before engines were noted, or the server `$1` has its engine, or no server that
/// has it was seen since `$2`.
const ENGINE_FITS: &str = "(tasks.engine = ''
    or exists (select 1 from server_engines
               where server_engines.server_id = $1 and server_engines.engine = tasks.engine)
    or not exists (select 1 from server_engines, servers
                   where server_engines.engine = tasks.engine
                     and servers.id = server_engines.server_id and servers.seen_at > $2))";

/// The engine fits, and nobody has deleted the task's workspace: what stands there is held until that
/// is taken back.
fn runnable() -> String {
    format!("{ENGINE_FITS} and not {}", held_back("tasks"))
}

/// What a server asks for.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// The server.
    pub owner: &'a str,
    /// The time on the clock of [`Reader::now`].
    pub now: Timestamp,
    /// Until when it has what it is given, unless renewed.
    pub lease_until: Timestamp,
    /// The workspace it was given a task of last.
    pub after: Option<&'a WorkspaceId>,
    /// How many tasks at most.
    pub limit: u32,
}

/// What a server is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The tasks, in the order of the turns.
    pub tasks: Vec<(Task, Lease)>,
    /// The workspace whose turn was last.
    pub last: Option<WorkspaceId>,
}

/// Hands queued tasks to a server: one of each workspace in turn, and the rest of the only one
/// where there is no other.
///
/// # Errors
/// Those of the database.
pub fn claim(tx: &mut Tx<'_>, _: System, claim: &Claim<'_>) -> Result<Claimed, Error> {
    points::reached("task.claimed");
    let mut claimed = Claimed {
        tasks: Vec::new(),
        last: claim.after.cloned(),
    };
    // Whose tasks another server is taking at this moment; meeting one again ends the claim.
    let mut passed_over = BTreeSet::new();
    while claimed.tasks.len() < claim.limit as usize {
        let Some(next) = next_workspace(tx, claim, claimed.last.as_ref())? else {
            break;
        };
        if passed_over.contains(&next) {
            break;
        }
        let left = claim.limit - u32::try_from(claimed.tasks.len()).unwrap_or(claim.limit);
        // Its turn comes again at once: there is no other, and it may have the rest.
        let alone = claimed.last.as_ref() == Some(&next);
        let mut given = of_workspace(tx, claim, &next, if alone { left } else { 1 })?;
        if given.is_empty() {
            passed_over.insert(next.clone());
        }
        claimed.tasks.append(&mut given);
        claimed.last = Some(next);
    }
    Ok(claimed)
}

/// The workspace with something to claim whose turn is after another's.
fn next_workspace(
    tx: &mut Tx<'_>,
    claim: &Claim<'_>,
    after: Option<&WorkspaceId>,
) -> Result<Option<WorkspaceId>, Error> {
    let runnable = runnable();
    let sql = format!(
        "select workspace_id
         from tasks
         where state = 'queued' and workspace_id > $3 and {runnable}
         order by workspace_id, created_at, id
         limit 1"
    );
    let missed = claim.now.plus_ms(-ENGINE_MISSED_MS);
    for behind in [after.map_or("", WorkspaceId::as_str), ""] {
        let params = params![claim.owner, missed, behind];
        if let Some(found) = tx.one(&sql, &params, |r| r.id())? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn of_workspace(
    tx: &mut Tx<'_>,
    claim: &Claim<'_>,
    workspace: &WorkspaceId,
    limit: u32,
) -> Result<Vec<(Task, Lease)>, Error> {
    let runnable = runnable();
    // Materialized: a plan that asked again for each row would find another one each time.
    let mut tasks = tx.all(
        &format!(
            "with picked as materialized
                 (select tasks.id from tasks
                  where state = 'queued' and workspace_id = $3 and {runnable}
                  order by created_at, id
                  limit $4
                  for update skip locked)
             update tasks
             set state = 'running', owner = $1, lease_until = $5, fence = fence + 1,
                 attempts = attempts + 1, started_at = coalesce(started_at, $6)
             where id in (select id from picked)
             returning {COLUMNS}, tasks.fence"
        ),
        &params![
            claim.owner,
            claim.now.plus_ms(-ENGINE_MISSED_MS),
            workspace,
            limit,
            claim.lease_until,
            claim.now,
        ],
        |r| {
            let task = read(r)?;
            let lease = Lease {
                task_id: task.id.clone(),
                fence: r.int()?,
            };
            Ok((task, lease))
        },
    )?;
    tasks.sort_by(|(a, _), (b, _)| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(tasks)
}

/// Whether [`claim`] would find a task: a look that keeps idle servers from writing.
///
/// # Errors
/// Those of the database.
pub fn claimable(
    conn: &mut Reader<'_>,
    _: System,
    owner: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    conn.one(
        &format!(
            "select id from tasks where state = 'queued' and {} limit 1",
            runnable()
        ),
        &params![owner, now.plus_ms(-ENGINE_MISSED_MS)],
        |r| r.text(),
    )
    .map(|found| found.is_some())
}

/// Whether a server has let a lease run out: likewise a look before [`lapse`].
///
/// # Errors
/// Those of the database.
pub fn lapsed(conn: &mut Reader<'_>, _: System, now: Timestamp) -> Result<bool, Error> {
    conn.one(
        "select id from tasks where owner is not null and lease_until <= $1 limit 1",
        &params![now],
        |r| r.text(),
    )
    .map(|found| found.is_some())
}

/// Queues again what servers have let their leases run out on; answers how many tasks that is.
/// Whoever ran them can write no more.
///
/// # Errors
/// Those of the database.
pub fn lapse(tx: &mut Tx<'_>, _: System, now: Timestamp) -> Result<u64, Error> {
    let freed = tx.execute(
        "update tasks
         set state = 'queued', owner = null, lease_until = null
         where owner is not null and lease_until <= $1",
        &params![now],
    )?;
    if freed > 0 {
        tx.notify(Notice::Queue);
    }
    Ok(freed)
}
