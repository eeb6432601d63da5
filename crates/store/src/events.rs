//! What happened in a workspace, numbered without gaps in the order in which it became durable.
//!
//! Whoever takes a number holds the workspace's head row until the commit, so a reader that has
//! seen a number has seen every lower one. Numbers are taken at the end of a transaction: see
//! `appended`.

use crate::appended::NewEvent;
use crate::db::{Row, json, params};
use crate::{Error, Notice, Reader, Tx};
use domain::access::Scope;
use domain::event::{Event, EventKind};
use domain::{TaskId, Timestamp};

/// Records an event. It has its number, the next in the workspace, when the transaction is durable;
/// the transaction itself does not see it.
///
/// # Errors
/// Those of the database; where the workspace is gone, at the commit.
pub fn append(
    tx: &mut Tx<'_>,
    scope: &Scope,
    task_id: Option<&TaskId>,
    at: Timestamp,
    kind: &EventKind,
) -> Result<(), Error> {
    let log_line = match kind {
        EventKind::Log { line, .. } => Some(*line),
        EventKind::Task { .. }
        | EventKind::Call { .. }
        | EventKind::Progress { .. }
        | EventKind::Approval { .. }
        | EventKind::Source { .. }
        | EventKind::Sandbox { .. }
        | EventKind::Settings {}
        | EventKind::Policy { .. }
        | EventKind::Credential { .. }
        | EventKind::Client { .. }
        | EventKind::Webhook { .. } => None,
    };
    let event = NewEvent {
        organization_id: scope.organization_id().clone(),
        task_id: task_id.cloned(),
        at,
        log_line,
        kind: json(kind)?,
    };
    tx.appended().event(scope.workspace_id(), event);
    tx.notify(Notice::Workspace(scope.workspace_id().clone()));
    Ok(())
}

fn read(r: &mut Row<'_>) -> Result<Event, Error> {
    Ok(Event {
        sequence: r.int()?,
        task_id: r.opt_id()?,
        at: r.time()?,
        kind: r.json()?,
    })
}

/// The events of the workspace after a number, the oldest first, with or without the lines that
/// programs log.
///
/// # Errors
/// Those of the database.
pub fn after(
    conn: &mut Reader<'_>,
    scope: &Scope,
    after: i64,
    limit: u32,
    with_logs: bool,
) -> Result<Vec<Event>, Error> {
    let lines = if with_logs {
        ""
    } else {
        "and log_line is null"
    };
    conn.all(
        &format!(
            "select sequence, task_id, at, kind
             from events
             where workspace_id = $1 and sequence > $2 {lines}
             order by sequence
             limit $3"
        ),
        &params![scope.workspace_id(), after, limit],
        read,
    )
}

/// The events of one task after a number, the oldest first.
///
/// # Errors
/// Those of the database.
pub fn task_after(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task_id: &TaskId,
    after: i64,
    limit: u32,
) -> Result<Vec<Event>, Error> {
    conn.all(
        "select sequence, task_id, at, kind
         from events
         where task_id = $1 and workspace_id = $2 and sequence > $3
         order by sequence
         limit $4",
        &params![task_id, scope.workspace_id(), after, limit],
        read,
    )
}

/// The lines that a task's program logged after a line, in order.
///
/// # Errors
/// Those of the database.
pub fn logs(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task_id: &TaskId,
    after_line: u32,
    limit: u32,
) -> Result<Vec<Event>, Error> {
    conn.all(
        "select sequence, task_id, at, kind
         from events
         where task_id = $1 and workspace_id = $2 and log_line is not null and log_line > $3
         order by log_line
         limit $4",
        &params![task_id, scope.workspace_id(), after_line, limit],
        read,
    )
}

/// The number of the workspace's last event; 0 before the first.
///
/// # Errors
/// Those of the database.
pub fn last(conn: &mut Reader<'_>, scope: &Scope) -> Result<i64, Error> {
    conn.one(
        "select event_sequence from workspace_heads where workspace_id = $1",
        &params![scope.workspace_id()],
        |r| r.int(),
    )
    .map(Option::unwrap_or_default)
}
