//! The journal: every call of a task, in order, with what came of it and when the program was told.
//!
//! It is chained by hashes. A call's hash covers the one before and what the program did: it never
//! changes; the first is chained to what replay must find unchanged. An outcome's hash covers that,
//! what was decided, what came of it, and its place and time among the deliveries. So whatever was
//! edited shows when the journal is read. Of a large value they cover the digest, and the value is
//! checked against it (`values`).

mod chain;
mod opened;

pub use opened::{Opened, credentials_of, note_credential};

use crate::db::{Row, json, params};
use crate::tasks;
use crate::values::{self, Whole};
use crate::{Error, Reader, Tx, packed, points};
use chain::{chain, genesis, outcome_hash, verify};
use domain::access::Scope;
use domain::call::{Binding, Call, CallStatus, Delivery};
use domain::task::Lease;
use domain::tool::{Risk, ToolError};
use domain::{TaskId, Timestamp};

/// Records a call. Calls of a task are recorded in the order of their sequence, without gaps.
///
/// # Errors
/// [`Error::LostLease`]; [`Error::Conflict`] if the call is there, or the one before is not; those
/// of the database.
pub fn insert(tx: &mut Tx<'_>, lease: &Lease, scope: &Scope, call: &Call) -> Result<(), Error> {
    points::reached("call.recorded");
    if call.sent_at.is_some() {
        points::reached("call.sent");
    }
    let binding = &call.binding;
    let (header, before) = tasks::check_chain(tx, lease, binding.sequence.saturating_sub(1))?;
    let before = match before {
        Some(chain) => chain,
        None if binding.sequence == 1 => genesis(&lease.task_id, &header),
        None => return Err(Error::Conflict("calls_in_order".to_owned())),
    };
    let task_id = &lease.task_id;
    let arguments = values::keep(tx, task_id, &call.arguments, call.started_at)?;
    let chain = chain(&before, call, &arguments);
    let outcome = outcome(&call.status)?;
    let at = call.finished_at.unwrap_or(call.started_at);
    let outcome = keep_outcome(tx, task_id, outcome.as_deref(), at)?;
    let delivery = call.delivery.as_ref();
    let status = call.status.as_str();
    let outcome_hash = call
        .finished_at
        .map(|_| outcome_hash(&chain, call, status, outcome.as_deref(), delivery));
    tx.execute(
        "insert into calls
             (task_id, sequence, workspace_id, id, tool, definition_digest,
              arguments_digest, policy_version, source_id, arguments, options, risk, decision,
              rule_id, line, position, status, outcome, started_at, sent_at, finished_at,
              delivery_order, delivery_now, delivery_elapsed_ms, chain, outcome_hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                 $20, $21, $22, $23, $24, $25, $26)",
        &params![
            &lease.task_id,
            binding.sequence,
            scope.workspace_id(),
            &call.id,
            &binding.tool,
            packed::pack(&binding.definition_digest),
            values::own_digest(&arguments, &binding.arguments_digest),
            binding.policy_version,
            call.source_id.as_ref(),
            &*arguments,
            &call.options,
            call.risk.as_str(),
            call.decision,
            call.rule_id.as_ref(),
            call.position.map(|(line, _)| line),
            call.position.map(|(_, column)| column),
            status,
            outcome.as_deref(),
            call.started_at,
            call.sent_at,
            call.finished_at,
            delivery.map(|d| d.order),
            delivery.map(|d| d.now),
            delivery.map(|d| d.elapsed_ms),
            chain,
            outcome_hash,
        ],
    )?;
    Ok(())
}

/// Records that a call is about to be sent: the intent, durable before the sending. False if the
/// call is under way or has its outcome: then it must not be sent.
///
/// # Errors
/// [`Error::LostLease`]; those of the database.
pub fn mark_sent(
    tx: &mut Tx<'_>,
    lease: &Lease,
    sequence: u32,
    at: Timestamp,
) -> Result<bool, Error> {
    points::reached("call.sent");
    tasks::check(tx, lease)?;
    let marked = tx.execute(
        "update calls
         set status = 'running', sent_at = $3
         where task_id = $1 and sequence = $2
           and status in ('waiting', 'unknown') and finished_at is null",
        &params![&lease.task_id, sequence, at],
    )?;
    Ok(marked == 1)
}

/// Records that nobody knows whether a sent call happened, until a person says. False unless the
/// call is under way.
///
/// # Errors
/// [`Error::LostLease`]; those of the database.
pub fn mark_unknown(tx: &mut Tx<'_>, lease: &Lease, sequence: u32) -> Result<bool, Error> {
    points::reached("call.unknown");
    tasks::check(tx, lease)?;
    let marked = tx.execute(
        "update calls
         set status = 'unknown'
         where task_id = $1 and sequence = $2 and status = 'running'",
        &params![&lease.task_id, sequence],
    )?;
    Ok(marked == 1)
}

/// Notes that a call under way waits for a person, whom its source asks something. False unless it is
/// under way.
///
/// # Errors
/// [`Error::LostLease`]; those of the database.
pub fn mark_waiting(tx: &mut Tx<'_>, lease: &Lease, sequence: u32) -> Result<bool, Error> {
    points::reached("call.waiting");
    tasks::check(tx, lease)?;
    let marked = tx.execute(
        "update calls
         set status = 'waiting'
         where task_id = $1 and sequence = $2 and status = 'running' and finished_at is null",
        &params![&lease.task_id, sequence],
    )?;
    Ok(marked == 1)
}

/// Notes that a call goes on that waited for a person in the middle. False unless it waits, and was
/// sent before.
///
/// # Errors
/// [`Error::LostLease`]; those of the database.
pub fn mark_running(tx: &mut Tx<'_>, lease: &Lease, sequence: u32) -> Result<bool, Error> {
    tasks::check(tx, lease)?;
    let marked = tx.execute(
        "update calls
         set status = 'running'
         where task_id = $1 and sequence = $2 and status = 'waiting' and sent_at is not null
           and finished_at is null",
        &params![&lease.task_id, sequence],
    )?;
    Ok(marked == 1)
}

/// Records what was decided afresh about a call that is not sent: definition, policy version, risk,
/// decision and rule. False if it is under way or has its outcome.
///
/// # Errors
/// [`Error::LostLease`]; those of the database.
pub fn rebind(tx: &mut Tx<'_>, lease: &Lease, call: &Call) -> Result<bool, Error> {
    tasks::check(tx, lease)?;
    let rebound = tx.execute(
        "update calls
         set definition_digest = $3, policy_version = $4, risk = $5, decision = $6, rule_id = $7
         where task_id = $1 and sequence = $2
           and status in ('waiting', 'unknown') and finished_at is null",
        &params![
            &lease.task_id,
            call.binding.sequence,
            packed::pack(&call.binding.definition_digest),
            call.binding.policy_version,
            call.risk.as_str(),
            call.decision,
            call.rule_id.as_ref(),
        ],
    )?;
    Ok(rebound == 1)
}

/// Records what came of a call, and when the program is told; no delivery if it will not be told.
/// What was recorded without a delivery may be recorded again with one, as long as it is the same.
///
/// # Errors
/// [`Error::LostLease`]; [`Error::Conflict`] if another outcome was recorded before, or another one
/// was delivered at that place; those of the database.
pub fn record_outcome(
    tx: &mut Tx<'_>,
    lease: &Lease,
    sequence: u32,
    status: &CallStatus,
    finished_at: Timestamp,
    delivery: Option<Delivery>,
) -> Result<(), Error> {
    points::reached("outcome.recorded");
    tasks::check(tx, lease)?;
    let conflict = || Error::Conflict("calls_outcome_once".to_owned());
    let Journaled { call, chain, .. } = tx
        .one(
            &format!("select {COLUMNS} from calls where task_id = $1 and sequence = $2"),
            &params![&lease.task_id, sequence],
            read,
        )?
        .ok_or_else(conflict)?;
    let outcome = outcome(status)?;
    let outcome = keep_outcome(tx, &lease.task_id, outcome.as_deref(), finished_at)?;
    let status = status.as_str();
    let recorded = tx.execute(
        "update calls
         set status = $3, outcome = $4, finished_at = coalesce(finished_at, $5),
             delivery_order = $6, delivery_now = $7, delivery_elapsed_ms = $8, outcome_hash = $9
         where task_id = $1 and sequence = $2 and delivery_order is null
           and (finished_at is null or (status = $3 and outcome is not distinct from $4))",
        &params![
            &lease.task_id,
            sequence,
            status,
            outcome.as_deref(),
            finished_at,
            delivery.map(|d| d.order),
            delivery.map(|d| d.now),
            delivery.map(|d| d.elapsed_ms),
            outcome_hash(&chain, &call, status, outcome.as_deref(), delivery.as_ref()),
        ],
    )?;
    if recorded == 1 {
        Ok(())
    } else {
        Err(conflict())
    }
}

/// The journal of a task of the workspace, in order, with every hash and every value verified.
/// Empty for a task that made no call, or is none of the workspace's.
///
/// # Errors
/// [`Error::JournalBroken`], naming the first call that does not fit; those of the database.
pub fn list(conn: &mut Reader<'_>, scope: &Scope, task_id: &TaskId) -> Result<Vec<Call>, Error> {
    let rows = verified(conn, scope, task_id)?;
    let mut whole = Whole::of(scope.workspace_id());
    rows.into_iter()
        .map(|row| row.with_values(conn, &mut whole))
        .collect()
}

/// The same to look at: in the place of a large value stands how long it is and how it begins.
///
/// # Errors
/// As [`list`].
pub fn outline(conn: &mut Reader<'_>, scope: &Scope, task_id: &TaskId) -> Result<Vec<Call>, Error> {
    let rows = verified(conn, scope, task_id)?;
    let mut whole = Whole::of(scope.workspace_id());
    rows.into_iter()
        .map(|row| row.with_previews(conn, scope, &mut whole))
        .collect()
}

/// How many calls a task of the workspace has made.
///
/// # Errors
/// Those of the database.
pub fn count(conn: &mut Reader<'_>, scope: &Scope, task_id: &TaskId) -> Result<u32, Error> {
    let found = conn.one(
        "select max(sequence) from calls where task_id = $1 and workspace_id = $2",
        &params![task_id, scope.workspace_id()],
        |r| r.opt_int(),
    )?;
    let last = found.flatten().unwrap_or_default();
    Ok(u32::try_from(last).unwrap_or(u32::MAX))
}

/// A call without an outcome.
pub struct Open {
    /// Its place in the task.
    pub sequence: u32,
    /// Its identifier.
    pub id: domain::CallId,
    /// The path it went to.
    pub tool: String,
    /// Whether it was only asked about: nothing of it can have left.
    pub is_waiting: bool,
}

/// The calls of a task that have no outcome, in order, without a look at the rest of the journal.
///
/// # Errors
/// Those of the database.
pub fn open(conn: &mut Reader<'_>, scope: &Scope, task_id: &TaskId) -> Result<Vec<Open>, Error> {
    conn.all(
        "select sequence, id, tool, status
         from calls
         where task_id = $1 and workspace_id = $2 and finished_at is null
         order by sequence",
        &params![task_id, scope.workspace_id()],
        |r| {
            Ok(Open {
                sequence: r.u32()?,
                id: r.id()?,
                tool: r.text()?,
                is_waiting: r.text()? == "waiting",
            })
        },
    )
}

fn verified(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task_id: &TaskId,
) -> Result<Vec<Journaled>, Error> {
    let Some(header) = tasks::header(conn, scope, task_id)? else {
        return Ok(Vec::new());
    };
    let rows = conn.all(
        &format!(
            "select {COLUMNS} from calls
             where task_id = $1 and workspace_id = $2
             order by sequence"
        ),
        &params![task_id, scope.workspace_id()],
        read,
    )?;
    verify(task_id, &header, &rows)?;
    Ok(rows)
}

/// One call of a task of the workspace.
///
/// # Errors
/// [`Error::JournalBroken`] if one of its values is not what was written; those of the database.
pub fn get(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task_id: &TaskId,
    sequence: u32,
) -> Result<Option<Call>, Error> {
    let row = conn.one(
        &format!(
            "select {COLUMNS} from calls
             where task_id = $1 and workspace_id = $2 and sequence = $3"
        ),
        &params![task_id, scope.workspace_id(), sequence],
        read,
    )?;
    row.map(|row| row.with_values(conn, &mut Whole::of(scope.workspace_id())))
        .transpose()
}

/// Where a call stands.
///
/// # Errors
/// Those of the database.
pub fn status(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task_id: &TaskId,
    sequence: u32,
) -> Result<Option<String>, Error> {
    conn.one(
        "select status from calls
         where task_id = $1 and workspace_id = $2 and sequence = $3",
        &params![task_id, scope.workspace_id(), sequence],
        |r| r.text(),
    )
}

/// The arguments of a call, and when it was sent.
///
/// # Errors
/// [`Error::JournalBroken`] if they are not what was written; those of the database.
pub fn arguments(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task_id: &TaskId,
    sequence: u32,
) -> Result<Option<(String, Option<Timestamp>)>, Error> {
    let found = conn.one(
        "select arguments, sent_at from calls
         where task_id = $1 and workspace_id = $2 and sequence = $3",
        &params![task_id, scope.workspace_id(), sequence],
        |r| Ok((r.text()?, r.opt_time()?)),
    )?;
    found
        .map(|(arguments, sent_at)| {
            let whole = Whole::of(scope.workspace_id()).sound(conn, arguments)?;
            Ok((whole, sent_at))
        })
        .transpose()
}

const COLUMNS: &str = "id, task_id, sequence, tool, definition_digest, arguments_digest, \
     policy_version, source_id, arguments, options, risk, decision, rule_id, line, position, status, \
     outcome, started_at, sent_at, finished_at, delivery_order, delivery_now, delivery_elapsed_ms, \
     chain, outcome_hash";

/// A call as its row has it, with what proves it. Arguments and outcome may be references; until
/// they are resolved the call has no outcome in its status.
struct Journaled {
    call: Call,
    status: String,
    outcome: Option<String>,
    chain: String,
    outcome_hash: Option<String>,
}

impl Journaled {
    fn with_values(self, conn: &mut Reader<'_>, whole: &mut Whole<'_>) -> Result<Call, Error> {
        let Self {
            call,
            status,
            outcome,
            ..
        } = self;
        let lost = |binding: &Binding| Error::JournalBroken {
            task_id: binding.task_id.clone(),
            sequence: binding.sequence,
            what: "a large value was changed after it was written, or is gone",
        };
        let arguments = whole
            .value(conn, call.arguments)?
            .ok_or_else(|| lost(&call.binding))?;
        let outcome = match outcome {
            None => None,
            Some(stored) => Some(
                whole
                    .value(conn, stored)?
                    .ok_or_else(|| lost(&call.binding))?,
            ),
        };
        Ok(Call {
            status: parse_status(&status, outcome.as_deref())?,
            arguments,
            ..call
        })
    }

    fn with_previews(
        self,
        conn: &mut Reader<'_>,
        scope: &Scope,
        whole: &mut Whole<'_>,
    ) -> Result<Call, Error> {
        let mut row = self;
        row.call.arguments = values::left_out(conn, scope.workspace_id(), row.call.arguments)?;
        // An error is wanted as an error, and is never long by itself.
        if row.status == "succeeded" {
            row.outcome = row
                .outcome
                .map(|stored| values::left_out(conn, scope.workspace_id(), stored))
                .transpose()?;
        }
        row.with_values(conn, whole)
    }
}

fn read(r: &mut Row<'_>) -> Result<Journaled, Error> {
    let id = r.id()?;
    let binding = Binding {
        task_id: r.id()?,
        sequence: r.u32()?,
        tool: r.text()?,
        definition_digest: r.digest()?,
        arguments_digest: r.text()?,
        policy_version: r.int()?,
    };
    let (source_id, arguments, options) = (r.opt_id()?, r.text()?, r.text()?);
    let binding = Binding {
        arguments_digest: values::digest(&arguments, binding.arguments_digest),
        ..binding
    };
    let (risk, decision, rule_id) = (r.named(Risk::parse)?, r.named(parse_decision)?, r.opt_id()?);
    let position = match (r.opt_int()?, r.opt_int()?) {
        (Some(line), Some(column)) => u32::try_from(line).ok().zip(u32::try_from(column).ok()),
        (None, _) | (_, None) => None,
    };
    let (status, outcome) = (r.text()?, r.opt_text()?);
    let (started_at, sent_at, finished_at) = (r.time()?, r.opt_time()?, r.opt_time()?);
    let delivery = match (r.opt_int()?, r.opt_time()?, r.opt_int()?) {
        (Some(order), Some(now), Some(elapsed)) => {
            u32::try_from(order).ok().map(|order| Delivery {
                order,
                now,
                elapsed_ms: elapsed.unsigned_abs(),
            })
        }
        (None, _, _) | (_, None, _) | (_, _, None) => None,
    };
    let call = Call {
        id,
        binding,
        source_id,
        arguments,
        options,
        risk,
        decision,
        rule_id,
        position,
        status: CallStatus::Waiting,
        started_at,
        sent_at,
        finished_at,
        delivery,
    };
    Ok(Journaled {
        call,
        status,
        outcome,
        chain: r.text()?,
        outcome_hash: r.opt_text()?,
    })
}

fn parse_decision(text: &str) -> Option<&'static str> {
    ["allow", "ask", "deny", "none"]
        .into_iter()
        .find(|d| *d == text)
}

fn parse_status(status: &str, outcome: Option<&str>) -> Result<CallStatus, Error> {
    let damaged = || Error::Corrupt(format!("a call that is {status} lacks its outcome"));
    let error = || -> Result<ToolError, Error> {
        serde_json::from_str(outcome.ok_or_else(damaged)?).map_err(|_| damaged())
    };
    Ok(match status {
        "waiting" => CallStatus::Waiting,
        "running" => CallStatus::Running,
        "succeeded" => CallStatus::Succeeded(outcome.ok_or_else(damaged)?.to_owned()),
        "failed" => CallStatus::Failed(error()?),
        "denied" => CallStatus::Denied(error()?),
        "unknown" => CallStatus::Unknown,
        _ => {
            return Err(Error::Corrupt(format!(
                "a call has an unknown status, {status}"
            )));
        }
    })
}

fn keep_outcome(
    tx: &mut Tx<'_>,
    task_id: &TaskId,
    outcome: Option<&str>,
    at: Timestamp,
) -> Result<Option<String>, Error> {
    outcome
        .map(|text| values::keep(tx, task_id, text, at).map(std::borrow::Cow::into_owned))
        .transpose()
}

fn outcome(status: &CallStatus) -> Result<Option<String>, Error> {
    Ok(match status {
        CallStatus::Succeeded(value) => Some(value.clone()),
        CallStatus::Failed(error) | CallStatus::Denied(error) => Some(json(error)?),
        CallStatus::Waiting | CallStatus::Running | CallStatus::Unknown => None,
    })
}
