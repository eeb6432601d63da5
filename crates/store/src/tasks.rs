//! Tasks: their one row each, the claim that hands them to a server, and their one outcome.
//!
//! Every transition is a compare-and-set on the state before. What a worker writes is checked
//! against its lease with the row locked, so a server that lost a task cannot write about it.
//! `waiting` is not stored: it is counted from approvals and calls when a task is read.

mod claim;
mod clients;
mod lease;
mod pins;
mod starts;

pub use claim::{Claim, Claimed, claim, claimable, lapse, lapsed};
pub use clients::{ClientName, SeenClient, clients, open_of_client};
pub(crate) use lease::check_chain;
pub use lease::{
    abandon, abandon_all, cancel_requested, check, release, renew, suspend, take_over, wake,
};

pub use starts::note_starts;

use crate::db::{Row, Select, json, params};
use crate::values::{self, Whole};
use crate::{Error, Notice, Reader, Tx, packed, points};
use domain::access::{Channel, Scope};
use domain::limits::Limits;
use domain::task::{Activity, Lease, Outcome, Pins, Task, TaskError, TaskState};
use domain::tenancy::Role;
use domain::{AccountId, TaskId, Timestamp};

/// Records a task that waits for a server.
///
/// # Errors
/// Those of the database.
pub fn insert(tx: &mut Tx<'_>, scope: &Scope, task: &Task) -> Result<(), Error> {
    insert_row(tx, scope, task, None)?;
    tx.notify(Notice::Queue);
    Ok(())
}

/// Records a task that this server begins at once: queued and claimed in one write.
///
/// # Errors
/// Those of the database.
pub fn insert_claimed(
    tx: &mut Tx<'_>,
    scope: &Scope,
    task: &Task,
    owner: &str,
    lease_until: Timestamp,
) -> Result<Lease, Error> {
    insert_row(tx, scope, task, Some((owner, lease_until)))?;
    Ok(Lease {
        task_id: task.id.clone(),
        fence: 1,
    })
}

fn insert_row(
    tx: &mut Tx<'_>,
    scope: &Scope,
    task: &Task,
    claim: Option<(&str, Timestamp)>,
) -> Result<(), Error> {
    points::reached("task.submitted");
    let begun = u32::from(claim.is_some());
    tx.execute(
        "insert into tasks
             (id, organization_id, workspace_id, account_id, role, channel, client, key_id, code,
              runtime_id, metadata, limits, seed, pins, state, log_lines, attempts, fence, owner, lease_until,
              created_at, started_at, engine, grant_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, $23, $16, $17,
                 $18, $19, $20, $21, $22)",
        &params![
            &task.id,
            scope.organization_id(),
            scope.workspace_id(),
            &task.account_id,
            task.role.as_str(),
            task.channel.as_str(),
            &task.client,
            task.key_id.as_ref(),
            &task.code,
            &task.runtime_id,
            &task.metadata,
            limits_text(&task.limits)?,
            packed::pack(&task.seed),
            pins::text(&task.pins)?,
            if claim.is_some() { "running" } else { "queued" },
            begun,
            claim.map(|(owner, _)| owner),
            claim.map(|(_, until)| until),
            task.created_at,
            claim.map(|_| task.created_at),
            &task.pins.engine,
            task.grant_id.as_ref(),
            task.attempts.max(begun),
        ],
    )?;
    Ok(())
}

/// The limits that are not the default ones: most tasks have none, and there are many tasks.
fn limits_text(limits: &Limits) -> Result<String, Error> {
    let text = |e: serde_json::Error| Error::Internal(e.to_string());
    let mut own = serde_json::to_value(limits).map_err(text)?;
    let defaults = serde_json::to_value(Limits::default()).map_err(text)?;
    if let Some(fields) = own.as_object_mut() {
        fields.retain(|name, value| defaults.get(name) != Some(value));
    }
    Ok(own.to_string())
}

/// The columns of a task, with its activity counted. The conditions on status are literal, so that
/// the partial indexes serve them.
const COLUMNS: &str = "tasks.id, tasks.organization_id, tasks.workspace_id, tasks.account_id, \
     tasks.role, tasks.channel, tasks.client, tasks.key_id, tasks.grant_id, tasks.code, \
     tasks.runtime_id, \
     tasks.metadata, tasks.limits, tasks.seed, tasks.pins, tasks.engine, tasks.state, tasks.result, \
     tasks.error, \
     (select count(*) from approvals \
      where approvals.task_id = tasks.id and approvals.status = 'pending'), \
     (select count(*) from calls where calls.task_id = tasks.id and calls.status = 'running'), \
     tasks.log_lines, tasks.attempts, tasks.created_at, tasks.started_at, tasks.finished_at, \
     tasks.sandbox_starts";

fn read(r: &mut Row<'_>) -> Result<Task, Error> {
    let mut task = Task {
        id: r.id()?,
        organization_id: r.id()?,
        workspace_id: r.id()?,
        account_id: r.id()?,
        role: r.named(Role::parse)?,
        channel: r.named(Channel::parse)?,
        client: r.text()?,
        key_id: r.opt_id()?,
        grant_id: r.opt_id()?,
        code: r.text()?,
        runtime_id: r.text()?,
        metadata: r.text()?,
        limits: r.json()?,
        seed: r.digest()?,
        pins: pins::read(r)?,
        state: read_state(r)?,
        activity: Activity {
            approvals_pending: r.u32()?,
            calls_running: r.u32()?,
        },
        log_lines: r.u32()?,
        attempts: r.u32()?,
        created_at: r.time()?,
        started_at: r.opt_time()?,
        finished_at: r.opt_time()?,
        sandbox_starts: Vec::new(),
    };
    task.sandbox_starts = starts::read(task.created_at, r.opt_text()?.as_deref());
    Ok(task)
}

fn read_state(r: &mut Row<'_>) -> Result<TaskState, Error> {
    let (state, result, error) = (r.text()?, r.opt_text()?, r.opt_text()?);
    let damaged = || Error::Corrupt(format!("a task that is {state} lacks its outcome"));
    let error = || -> Result<TaskError, Error> {
        let text = error.as_deref().ok_or_else(damaged)?;
        serde_json::from_str(text).map_err(|_| damaged())
    };
    Ok(match state.as_str() {
        "queued" => TaskState::Queued,
        "running" => TaskState::Running,
        "suspended" => TaskState::Suspended,
        "completed" => TaskState::Finished(Outcome::Completed(result.ok_or_else(damaged)?)),
        "failed" => TaskState::Finished(Outcome::Failed(error()?)),
        "timed_out" => TaskState::Finished(Outcome::TimedOut(error()?)),
        "denied" => TaskState::Finished(Outcome::Denied(error()?)),
        "canceled" => TaskState::Finished(Outcome::Canceled),
        _ => {
            return Err(Error::Corrupt(format!(
                "a task is in an unknown state, {state}"
            )));
        }
    })
}

/// A task of the workspace.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Reader<'_>, scope: &Scope, id: &TaskId) -> Result<Option<Task>, Error> {
    let found = conn.one(
        &format!("select {COLUMNS} from tasks where id = $1 and workspace_id = $2"),
        &params![id, scope.workspace_id()],
        read,
    )?;
    let mut whole = Whole::of(scope.workspace_id());
    found
        .map(|task| with_result(task, |stored| whole.sound(conn, stored)))
        .transpose()
}

/// A task whose result, as its row has it, is replaced by what is made of it.
fn with_result(
    mut task: Task,
    make: impl FnOnce(String) -> Result<String, Error>,
) -> Result<Task, Error> {
    if let TaskState::Finished(Outcome::Completed(stored)) = task.state {
        task.state = TaskState::Finished(Outcome::Completed(make(stored)?));
    }
    Ok(task)
}

/// Whose task it is.
///
/// # Errors
/// Those of the database.
pub fn owner(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &TaskId,
) -> Result<Option<AccountId>, Error> {
    conn.one(
        "select account_id from tasks where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
        |r| r.id(),
    )
}

/// Which tasks to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// The status as people see it, `waiting` included.
    pub status: Option<String>,
    /// Whose they are.
    pub account: Option<AccountId>,
    /// What the client calls itself, to the letter.
    pub client: Option<String>,
    /// The path of a tool that they called, as calls record it.
    pub tool: Option<String>,
    /// Words of which each must stand in the task: in its program, client, metadata, error or small
    /// result, as the beginning of its identifier, or in the path of a tool that it called. Large
    /// and small letters are the same.
    pub words: Vec<String>,
    /// Only those made before this one: its time and identifier.
    pub before: Option<(Timestamp, TaskId)>,
    /// Only this one and those made after it: how far back is looked.
    pub back_to: Option<(Timestamp, TaskId)>,
    /// How many at most.
    pub limit: u32,
}

/// The last of so many tasks of the workspace, from before a task or from the newest on; none where
/// there are fewer. Read from an index alone.
///
/// # Errors
/// Those of the database.
pub fn last_of(
    conn: &mut Reader<'_>,
    scope: &Scope,
    before: Option<&(Timestamp, TaskId)>,
    count: u32,
) -> Result<Option<(Timestamp, TaskId)>, Error> {
    let mut select = Select::new(
        "select tasks.created_at, tasks.id from tasks where tasks.workspace_id = $1".to_owned(),
        params![scope.workspace_id()],
    );
    if let Some((at, id)) = before {
        select = select.and("(tasks.created_at, tasks.id) < (?, ?)", params![*at, id]);
    }
    let order = "order by tasks.created_at desc, tasks.id desc";
    let mut found = select.all(conn, order, count, |r| Ok((r.time()?, r.id()?)))?;
    let is_full = found.len() == count as usize;
    Ok(found.pop().filter(|_| is_full))
}

/// A live task that only waits for people.
const WAITING: &str = "tasks.state in ('running', 'suspended') \
     and exists (select 1 from approvals \
                 where approvals.task_id = tasks.id and approvals.status = 'pending') \
     and not exists (select 1 from calls \
                     where calls.task_id = tasks.id and calls.status = 'running')";

/// A tool was called by a task.
const CALLED: &str = "exists (select 1 from calls
     where calls.task_id = tasks.id and calls.tool = ?)";

/// A word stands in a task. Every text is lowered by the database, which alone knows how it does so.
const HAS_WORD: &str = "exists
    (select 1 from (select lower(cast(? as text)) as begins, lower(cast(? as text)) as inside) as word
     where tasks.id like word.begins escape '\\'
        or lower(tasks.code) like word.inside escape '\\'
        or lower(tasks.client) like word.inside escape '\\'
        or lower(tasks.metadata) like word.inside escape '\\'
        or lower(coalesce(tasks.error, '')) like word.inside escape '\\'
        or lower(coalesce(tasks.result, '')) like word.inside escape '\\'
        or exists (select 1 from calls
                   where calls.task_id = tasks.id
                     and lower(calls.tool) like word.inside escape '\\'))";

/// A text as a pattern that stands for itself.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// The tasks of the workspace that fit a filter, the newest first. In the place of a large result
/// stands how long it is and how it begins.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut Reader<'_>, scope: &Scope, filter: &TaskFilter) -> Result<Vec<Task>, Error> {
    let mut select = Select::new(
        format!("select {COLUMNS} from tasks where tasks.workspace_id = $1"),
        params![scope.workspace_id()],
    );
    match filter.status.as_deref() {
        None => {}
        Some("waiting") => select = select.and(WAITING, []),
        Some("running") => {
            let running = format!("tasks.state in ('running', 'suspended') and not ({WAITING})");
            select = select.and(&running, []);
        }
        // A state that only the inside knows: nobody sees it.
        Some("suspended") => return Ok(Vec::new()),
        Some(state) => select = select.and("tasks.state = ?", params![state]),
    }
    if let Some(account) = &filter.account {
        select = select.and("tasks.account_id = ?", params![account]);
    }
    if let Some(client) = &filter.client {
        select = select.and("tasks.client = ?", params![client]);
    }
    if let Some(tool) = &filter.tool {
        select = select.and(CALLED, params![tool]);
    }
    for word in &filter.words {
        let inside = format!("%{}%", escaped(word));
        let begins = format!("{}%", escaped(word));
        select = select.and(HAS_WORD, params![begins, inside]);
    }
    if let Some((at, id)) = &filter.before {
        select = select.and("(tasks.created_at, tasks.id) < (?, ?)", params![*at, id]);
    }
    if let Some((at, id)) = &filter.back_to {
        select = select.and("(tasks.created_at, tasks.id) >= (?, ?)", params![*at, id]);
    }
    let order = "order by tasks.created_at desc, tasks.id desc";
    let found = select.all(conn, order, filter.limit, read)?;
    found
        .into_iter()
        .map(|task| {
            with_result(task, |stored| {
                values::left_out(conn, scope.workspace_id(), stored)
            })
        })
        .collect()
}

/// How many tasks of the workspace have each status that people see; those with none are left out.
///
/// # Errors
/// Those of the database.
pub fn counts(conn: &mut Reader<'_>, scope: &Scope) -> Result<Vec<(String, u64)>, Error> {
    conn.all(
        &format!(
            "select status, count(*)
             from (select case when {WAITING} then 'waiting'
                               when tasks.state = 'suspended' then 'running'
                               else tasks.state end as status
                   from tasks
                   where tasks.workspace_id = $1) as seen
             group by status
             order by status"
        ),
        &params![scope.workspace_id()],
        |r| Ok((r.text()?, r.int()?.unsigned_abs())),
    )
}

/// What was kept of a task when it was suspended last.
///
/// # Errors
/// Those of the database.
pub fn snapshot(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &TaskId,
) -> Result<Option<String>, Error> {
    let kept = conn.one(
        "select snapshot from tasks where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
        |r| r.opt_text(),
    )?;
    Ok(kept.flatten())
}

/// What the first call of a task is chained to.
pub(crate) struct Header {
    pub(crate) seed: String,
    pub(crate) pins: Pins,
}

/// The header of a task of the workspace.
pub(crate) fn header(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &TaskId,
) -> Result<Option<Header>, Error> {
    conn.one(
        "select seed, pins, engine from tasks where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
        |r| {
            Ok(Header {
                seed: r.digest()?,
                pins: pins::read(r)?,
            })
        },
    )
}

/// Ends a task that this server runs.
///
/// # Errors
/// [`Error::LostLease`] if another server has it or it has ended; those of the database.
pub fn finish(
    tx: &mut Tx<'_>,
    lease: &Lease,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), Error> {
    points::reached("task.finished");
    let (result, error) = columns_of(outcome)?;
    let result = result
        .map(|text| values::keep(tx, &lease.task_id, text, now))
        .transpose()?;
    let finished = tx.execute(
        "update tasks
         set state = $3, result = $4, error = $5, finished_at = $6, owner = null, lease_until = null,
             snapshot = null
         where id = $1 and fence = $2 and state = 'running'",
        &params![
            &lease.task_id,
            lease.fence,
            outcome.as_str(),
            result.as_deref(),
            error,
            now
        ],
    )?;
    if finished == 1 {
        Ok(())
    } else {
        Err(Error::LostLease(lease.task_id.clone()))
    }
}

/// Ends a task that no server runs: queued or suspended. False if it is neither.
///
/// # Errors
/// Those of the database.
pub fn finish_unclaimed(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &TaskId,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<bool, Error> {
    points::reached("task.finished");
    let (result, error) = columns_of(outcome)?;
    let finished = tx.execute(
        "update tasks
         set state = $3, result = $4, error = $5, finished_at = $6, snapshot = null
         where id = $1 and workspace_id = $2 and state in ('queued', 'suspended')",
        &params![
            id,
            scope.workspace_id(),
            outcome.as_str(),
            result,
            error,
            now
        ],
    )?;
    Ok(finished == 1)
}

fn columns_of(outcome: &Outcome) -> Result<(Option<&str>, Option<String>), Error> {
    let result = match outcome {
        Outcome::Completed(result) => Some(result.as_str()),
        Outcome::Failed(_) | Outcome::TimedOut(_) | Outcome::Denied(_) | Outcome::Canceled => None,
    };
    Ok((result, outcome.error().map(json).transpose()?))
}

/// Asks whichever server runs a task to end it. False if the task has ended.
///
/// # Errors
/// Those of the database.
pub fn request_cancel(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &TaskId,
    by: &AccountId,
) -> Result<bool, Error> {
    let live = tx.execute(
        "update tasks
         set cancel_by = coalesce(cancel_by, $3)
         where id = $1 and workspace_id = $2 and state in ('queued', 'running', 'suspended')",
        &params![id, scope.workspace_id(), by],
    )?;
    tx.notify(Notice::Task(id.clone()));
    Ok(live == 1)
}

/// Whether somebody wants a task ended that has not ended.
///
/// # Errors
/// Those of the database.
pub fn is_to_end(conn: &mut Reader<'_>, scope: &Scope, id: &TaskId) -> Result<bool, Error> {
    let wanted = conn.one(
        "select 1 from tasks
         where id = $1 and workspace_id = $2 and cancel_by is not null
           and state in ('queued', 'running', 'suspended')",
        &params![id, scope.workspace_id()],
        |r| r.int(),
    )?;
    Ok(wanted.is_some())
}

/// Records how many lines the program has logged.
///
/// # Errors
/// [`Error::LostLease`]; those of the database.
pub fn set_log_lines(tx: &mut Tx<'_>, lease: &Lease, lines: u32) -> Result<(), Error> {
    let set = tx.execute(
        "update tasks set log_lines = $3 where id = $1 and fence = $2 and state = 'running'",
        &params![&lease.task_id, lease.fence, lines],
    )?;
    if set == 1 {
        Ok(())
    } else {
        Err(Error::LostLease(lease.task_id.clone()))
    }
}
