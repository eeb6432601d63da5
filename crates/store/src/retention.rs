//! What has ended and outlived its time: found, and removed in small steps.
//!
//! Removes ended tasks with all that belongs to them, values that nothing refers to, and events.
//! Never a live task, never an entry of the audit log. Who may is decided by one lease, so that one
//! server works at a time.

use crate::db::{Param, params};
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::settings::Settings;
use domain::{TaskId, Timestamp};

/// Where rows of a task stand besides its own: those that refer to others before those.
const OF_A_TASK: [&str; 4] = ["approvals", "handles", "value_holders", "calls"];

/// Rows of one kind that go in one transaction.
const ROWS_AT_ONCE: u32 = 500;

/// Tasks and values that one look finds.
const FOUND_AT_ONCE: u32 = 200;

/// Name of the fact that says who removes, and until when.
const LEASE: &str = "retention";

/// Takes the right to remove until an instant, or keeps it. False if another server has it.
///
/// # Errors
/// Those of the database.
pub fn claim(
    tx: &mut Tx<'_>,
    _: System,
    owner: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, Error> {
    let held = tx.one(
        "select value from meta where name = $1 for update",
        &params![LEASE],
        |r| r.text(),
    )?;
    let other = held.as_deref().and_then(|text| {
        let (end, holder) = text.split_once(' ')?;
        let end: i64 = end.parse().ok()?;
        (holder != owner && end > now.0).then_some(())
    });
    if other.is_some() {
        return Ok(false);
    }
    let mine = format!("{} {owner}", until.0);
    let claimed = match held {
        Some(_) => tx.execute(
            "update meta set value = $2 where name = $1",
            &params![LEASE, mine],
        )?,
        // Of two servers that find nothing, one puts its name there.
        None => tx.execute(
            "insert into meta (name, value) values ($1, $2) on conflict (name) do nothing",
            &params![LEASE, mine],
        )?,
    };
    Ok(claimed == 1)
}

/// Lets go of the right to remove, if it is held, so that the next server need not wait for its end.
///
/// # Errors
/// Those of the database.
pub fn let_go(tx: &mut Tx<'_>, _: System, owner: &str) -> Result<(), Error> {
    tx.execute(
        "delete from meta where name = $1 and substr(value, length(value) - length($2) + 1) = $2",
        &params![LEASE, owner],
    )?;
    Ok(())
}

/// The workspaces with a task that ended, or an event of no task, before an instant; with what is set
/// in each, which says whether that has outlived its time there ([`has_outlived`]).
///
/// # Errors
/// Those of the database.
pub fn workspaces(
    conn: &mut Reader<'_>,
    system: System,
    before: Timestamp,
) -> Result<Vec<(Scope, Settings)>, Error> {
    conn.all(
        "select organization_id, id, settings
         from workspaces
         where exists (select 1 from tasks
                       where tasks.workspace_id = workspaces.id
                         and tasks.finished_at is not null and tasks.finished_at < $1)
            or exists (select 1 from events
                       where events.workspace_id = workspaces.id
                         and events.task_id is null and events.at < $1)
         order by id",
        &params![before],
        |r| Ok((system.scope(r.id()?, r.id()?), r.json()?)),
    )
}

/// Whether a task of the workspace ended before an instant, or an event of no task is as old.
///
/// # Errors
/// Those of the database.
pub fn has_outlived(
    conn: &mut Reader<'_>,
    scope: &Scope,
    before: Timestamp,
) -> Result<bool, Error> {
    let found = conn.one(
        "select 1
         where exists (select 1 from tasks
                       where workspace_id = $1
                         and finished_at is not null and finished_at < $2)
            or exists (select 1 from events
                       where workspace_id = $1 and task_id is null and at < $2)",
        &params![scope.workspace_id(), before],
        |r| r.int(),
    )?;
    Ok(found.is_some())
}

/// Tasks of the workspace that ended before an instant, the oldest first.
///
/// # Errors
/// Those of the database.
pub fn ended_tasks(
    conn: &mut Reader<'_>,
    scope: &Scope,
    before: Timestamp,
) -> Result<Vec<TaskId>, Error> {
    conn.all(
        "select id
         from tasks
         where workspace_id = $1 and finished_at is not null and finished_at < $2
         order by finished_at
         limit $3",
        &params![scope.workspace_id(), before, FOUND_AT_ONCE],
        |r| r.id(),
    )
}

/// Removes events of an ended task, so many at once; true if there may be more. Streams that would
/// need them are told that they are gone ([`removed_events`]).
///
/// # Errors
/// Those of the database.
pub fn remove_task_events(
    tx: &mut Tx<'_>,
    scope: &Scope,
    task_id: &TaskId,
    before: Timestamp,
) -> Result<bool, Error> {
    remove_events(
        tx,
        scope,
        "task_id = $3
         and exists (select 1 from tasks
                     where tasks.id = $3 and tasks.finished_at is not null
                       and tasks.finished_at < $4)",
        params![task_id, before].to_vec(),
    )
}

/// Removes events of the workspace that belong to no task, so many at once; true if there may be
/// more.
///
/// # Errors
/// Those of the database.
pub fn remove_other_events(
    tx: &mut Tx<'_>,
    scope: &Scope,
    before: Timestamp,
) -> Result<bool, Error> {
    remove_events(
        tx,
        scope,
        "task_id is null and at < $3",
        params![before].to_vec(),
    )
}

fn remove_events(
    tx: &mut Tx<'_>,
    scope: &Scope,
    which: &str,
    values: Vec<Param<'_>>,
) -> Result<bool, Error> {
    let mut all = params![scope.workspace_id(), ROWS_AT_ONCE].to_vec();
    all.extend(values);
    let removed = tx.all(
        &format!(
            "delete from events
             where workspace_id = $1
               and sequence in (select sequence from events
                                where workspace_id = $1 and {which}
                                order by sequence
                                limit $2)
             returning sequence"
        ),
        &all,
        |r| r.int(),
    )?;
    if let Some(highest) = removed.iter().max() {
        tx.execute(
            "update workspace_heads
             set events_removed = $2
             where workspace_id = $1 and events_removed < $2",
            &params![scope.workspace_id(), *highest],
        )?;
    }
    Ok(removed.len() as u64 >= u64::from(ROWS_AT_ONCE))
}

/// The highest number of an event of the workspace that was removed; 0 if none was. Whoever saw
/// less cannot go on from there.
///
/// # Errors
/// Those of the database.
pub fn removed_events(conn: &mut Reader<'_>, scope: &Scope) -> Result<i64, Error> {
    conn.one(
        "select events_removed from workspace_heads where workspace_id = $1",
        &params![scope.workspace_id()],
        |r| r.int(),
    )
    .map(Option::unwrap_or_default)
}

/// Removes a task that ended before an instant, with its calls, approvals and handles. False if it
/// did not end, or later. What it referred to goes by [`remove_values`], its events by
/// [`remove_task_events`].
///
/// # Errors
/// Those of the database.
pub fn remove_task(
    tx: &mut Tx<'_>,
    scope: &Scope,
    task_id: &TaskId,
    before: Timestamp,
) -> Result<bool, Error> {
    let ended = tx.one(
        "select id
         from tasks
         where id = $1 and workspace_id = $2 and finished_at is not null and finished_at < $3
         for update",
        &params![task_id, scope.workspace_id(), before],
        |r| r.text(),
    )?;
    if ended.is_none() {
        return Ok(false);
    }
    tx.execute(
        "delete from approval_yeses
         where workspace_id = $2
           and approval_id in (select id from approvals where task_id = $1)",
        &params![task_id, scope.workspace_id()],
    )?;
    for table in OF_A_TASK {
        tx.execute(
            &format!("delete from {table} where task_id = $1 and workspace_id = $2"),
            &params![task_id, scope.workspace_id()],
        )?;
    }
    let removed = tx.execute(
        "delete from tasks where id = $1 and workspace_id = $2",
        &params![task_id, scope.workspace_id()],
    )?;
    Ok(removed == 1)
}

/// Values that nothing refers to and that nobody has used since an instant, over all workspaces.
///
/// # Errors
/// Those of the database.
pub fn idle_values(
    conn: &mut Reader<'_>,
    system: System,
    before: Timestamp,
) -> Result<Vec<(Scope, String)>, Error> {
    conn.all(
        "select organization_id, workspace_id, digest
         from stored_values
         where kept_at < $1
           and not exists (select 1 from value_holders
                           where value_holders.workspace_id = stored_values.workspace_id
                             and value_holders.digest = stored_values.digest)
         limit $2",
        &params![before, FOUND_AT_ONCE],
        |r| Ok((system.scope(r.id()?, r.id()?), r.text()?)),
    )
}

/// Removes values if still nothing refers to them; answers how many went. A writer that is about to
/// refer to one holds its row, or has refreshed it.
///
/// # Errors
/// Those of the database.
pub fn remove_values(
    tx: &mut Tx<'_>,
    scope: &Scope,
    digest: &str,
    before: Timestamp,
) -> Result<u64, Error> {
    tx.execute(
        "delete from stored_values
         where workspace_id = $1 and digest = $2 and kept_at < $3
           and not exists (select 1 from value_holders
                           where value_holders.workspace_id = stored_values.workspace_id
                             and value_holders.digest = stored_values.digest)",
        &params![scope.workspace_id(), digest, before],
    )
}

/// Removes what was kept of programs that wait longer than since an instant, so many at once;
/// answers how many. They are rebuilt from their journals.
///
/// # Errors
/// Those of the database.
pub fn remove_snapshots(tx: &mut Tx<'_>, _: System, before: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "update tasks
         set snapshot = null
         where id in (select id from tasks
                      where snapshot is not null and state = 'suspended'
                        and not exists (select 1 from approvals
                                        where approvals.task_id = tasks.id
                                          and approvals.status = 'pending'
                                          and approvals.created_at >= $1)
                      limit $2)
           and state = 'suspended'",
        &params![before, ROWS_AT_ONCE],
    )
}
