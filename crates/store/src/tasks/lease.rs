//! How a server keeps a task and lets it go: renewed, suspended, given back, queued again.
//!
//! Decides nothing about what a task does; how one is handed out is in `claim.rs`.

use super::Header;
use crate::db::params;
use crate::{Error, Notice, Reader, Tx, points};
use domain::access::{Scope, System};
use domain::task::Lease;
use domain::{TaskId, Timestamp};

/// Keeps everything that a server runs; answers what that is, with the fences it has there.
///
/// # Errors
/// Those of the database.
pub fn renew(
    tx: &mut Tx<'_>,
    _: System,
    owner: &str,
    lease_until: Timestamp,
) -> Result<Vec<Lease>, Error> {
    tx.all(
        "update tasks
         set lease_until = $2
         where owner = $1
         returning id, fence",
        &params![owner, lease_until],
        |r| {
            Ok(Lease {
                task_id: r.id()?,
                fence: r.int()?,
            })
        },
    )
}

/// Puts the running tasks of one owner back in the queue; answers how many. Only for a start at
/// which it is certain that the owner is gone: it held the data directory that is locked now.
///
/// # Errors
/// Those of the database.
pub fn abandon(tx: &mut Tx<'_>, _: System, owner: &str) -> Result<u64, Error> {
    let freed = tx.execute(
        "update tasks
         set state = 'queued', owner = null, lease_until = null
         where owner = $1",
        &params![owner],
    )?;
    if freed > 0 {
        tx.notify(Notice::Queue);
    }
    Ok(freed)
}

/// Puts everything that runs back in the queue; answers how much. Only for a start of the one
/// server of its database.
///
/// # Errors
/// Those of the database.
pub fn abandon_all(tx: &mut Tx<'_>, _: System) -> Result<u64, Error> {
    tx.execute(
        "update tasks
         set state = 'queued', owner = null, lease_until = null
         where owner is not null",
        &[],
    )
}

/// Checks that a lease still holds, and keeps it so until the transaction ends.
///
/// # Errors
/// [`Error::LostLease`] if it does not; those of the database.
pub fn check(tx: &mut Tx<'_>, lease: &Lease) -> Result<(), Error> {
    tx.one(
        "select fence from tasks where id = $1 and fence = $2 and state = 'running' for update",
        &params![&lease.task_id, lease.fence],
        |r| r.int(),
    )?
    .map(|_| ())
    .ok_or_else(|| Error::LostLease(lease.task_id.clone()))
}

/// Checks a lease as [`check`] does; yields the task's header and the chain value of one call.
pub(crate) fn check_chain(
    tx: &mut Tx<'_>,
    lease: &Lease,
    sequence: u32,
) -> Result<(Header, Option<String>), Error> {
    tx.one(
        "select seed, pins, engine,
                (select chain from calls where calls.task_id = tasks.id and calls.sequence = $3)
         from tasks
         where id = $1 and fence = $2 and state = 'running'
         for update",
        &params![&lease.task_id, lease.fence, sequence],
        |r| {
            Ok((
                Header {
                    seed: r.digest()?,
                    pins: super::pins::read(r)?,
                },
                r.opt_text()?,
            ))
        },
    )?
    .ok_or_else(|| Error::LostLease(lease.task_id.clone()))
}

/// Lets go of a task whose every open call waits for a person. False, and nothing is changed, if
/// that is not so: an answer may have come between the worker's last look and this.
/// `snapshot` is kept beside it, in the place of an older one; the end of the task removes it.
///
/// # Errors
/// [`Error::LostLease`]; those of the database.
pub fn suspend(tx: &mut Tx<'_>, lease: &Lease, snapshot: Option<&str>) -> Result<bool, Error> {
    points::reached("task.suspended");
    // With the row locked: whoever answers wakes the task after the answer, and `wake` locks it too.
    check(tx, lease)?;
    let suspended = tx.execute(
        "update tasks
         set state = 'suspended', owner = null, lease_until = null, snapshot = $3
         where id = $1 and fence = $2 and state = 'running'
           and exists (select 1 from approvals
                       where approvals.task_id = $1 and approvals.status = 'pending')
           and not exists (select 1 from calls
                           where calls.task_id = $1 and calls.delivery_order is null
                             and not exists (select 1 from approvals
                                             where approvals.task_id = calls.task_id
                                               and approvals.sequence = calls.sequence
                                               and approvals.status = 'pending'))",
        &params![&lease.task_id, lease.fence, snapshot],
    )?;
    Ok(suspended == 1)
}

/// Hands a task that no server runs, queued or suspended, to this one, so that it can be ended in
/// the same transaction: the lease has run out as soon as that is over. None if a server runs it or
/// it has ended.
///
/// # Errors
/// Those of the database.
pub fn take_over(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &TaskId,
    owner: &str,
) -> Result<Option<Lease>, Error> {
    tx.one(
        "update tasks
         set state = 'running', owner = $3, lease_until = 0, fence = fence + 1
         where id = $1 and workspace_id = $2 and state in ('queued', 'suspended')
         returning fence",
        &params![id, scope.workspace_id(), owner],
        |r| {
            Ok(Lease {
                task_id: id.clone(),
                fence: r.int()?,
            })
        },
    )
}

/// Gives a task back as it is recorded: whoever claims it next rebuilds it, from `snapshot` where
/// that fits. Without one, what was kept before stays.
///
/// # Errors
/// [`Error::LostLease`]; those of the database.
pub fn release(tx: &mut Tx<'_>, lease: &Lease, snapshot: Option<&str>) -> Result<(), Error> {
    let released = tx.execute(
        "update tasks
         set state = 'queued', owner = null, lease_until = null,
             snapshot = coalesce($3, snapshot)
         where id = $1 and fence = $2 and state = 'running'",
        &params![&lease.task_id, lease.fence, snapshot],
    )?;
    if released == 1 {
        tx.notify(Notice::Queue);
        Ok(())
    } else {
        Err(Error::LostLease(lease.task_id.clone()))
    }
}

/// Queues a suspended task again, in the transaction that resolves its approval. False if it is
/// not suspended: then a server runs it, and sees the answer.
///
/// # Errors
/// Those of the database.
pub fn wake(tx: &mut Tx<'_>, _: System, id: &TaskId) -> Result<bool, Error> {
    // Waits for a server that is just suspending it; without the lock this would look too early.
    tx.one(
        "select fence from tasks where id = $1 for update",
        &params![id],
        |r| r.int(),
    )?;
    let woken = tx.execute(
        "update tasks set state = 'queued' where id = $1 and state = 'suspended'",
        &params![id],
    )?;
    // Whoever runs it looks at its answers; whoever has a place claims it.
    tx.notify(if woken == 1 {
        Notice::Queue
    } else {
        Notice::Task(id.clone())
    });
    Ok(woken == 1)
}

/// The tasks of a server that somebody wants ended.
///
/// # Errors
/// Those of the database.
pub fn cancel_requested(
    conn: &mut Reader<'_>,
    _: System,
    owner: &str,
) -> Result<Vec<TaskId>, Error> {
    conn.all(
        "select id
         from tasks
         where owner = $1 and cancel_by is not null",
        &params![owner],
        |r| r.id(),
    )
}
