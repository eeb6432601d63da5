//! The journal: every call of a task, in order, with what came of it and when the program was told.
//!
//! It is chained by hashes. A call's hash covers the one before and what the program did: it never
//! changes; the first is chained to what replay must find unchanged. An outcome's hash covers that,
//! what was decided, what came of it, and its place and time among the deliveries. So whatever was
//! edited shows when the journal is read.

mod chain;

use crate::db::{Row, json, params};
use crate::tasks;
use crate::{Error, Reader, Tx, points};
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
    let chain = chain(&before, call);
    let outcome = outcome(&call.status)?;
    let delivery = call.delivery.as_ref();
    let outcome_hash = call
        .finished_at
        .map(|_| outcome_hash(&chain, call, outcome.as_deref(), delivery));
    tx.execute(
        "insert into calls
             (task_id, sequence, organization_id, workspace_id, id, tool, definition_digest,
              arguments_digest, policy_version, source_id, arguments, options, risk, decision,
              rule_id, line, position, status, outcome, started_at, sent_at, finished_at,
              delivery_order, delivery_now, delivery_elapsed_ms, chain, outcome_hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                 $20, $21, $22, $23, $24, $25, $26, $27)",
        &params![
            &lease.task_id,
            binding.sequence,
            scope.organization_id(),
            scope.workspace_id(),
            &call.id,
            &binding.tool,
            &binding.definition_digest,
            &binding.arguments_digest,
            binding.policy_version,
            call.source_id.as_ref(),
            &call.arguments,
            &call.options,
            call.risk.as_str(),
            call.decision,
            call.rule_id.as_ref(),
            call.position.map(|(line, _)| line),
            call.position.map(|(_, column)| column),
            call.status.as_str(),
            outcome,
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
            &call.binding.definition_digest,
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
    let call = Call {
        status: status.clone(),
        ..call
    };
    let outcome = outcome(status)?;
    let recorded = tx.execute(
        "update calls
         set status = $3, outcome = $4, finished_at = coalesce(finished_at, $5),
             delivery_order = $6, delivery_now = $7, delivery_elapsed_ms = $8, outcome_hash = $9
         where task_id = $1 and sequence = $2 and delivery_order is null
           and (finished_at is null or (status = $3 and outcome is not distinct from $4))",
        &params![
            &lease.task_id,
            sequence,
            status.as_str(),
            outcome.as_deref(),
            finished_at,
            delivery.map(|d| d.order),
            delivery.map(|d| d.now),
            delivery.map(|d| d.elapsed_ms),
            outcome_hash(&chain, &call, outcome.as_deref(), delivery.as_ref()),
        ],
    )?;
    if recorded == 1 {
        Ok(())
    } else {
        Err(conflict())
    }
}

/// The journal of a task of the workspace, in order, with every hash verified. Empty for a task
/// that made no call, or is none of the workspace's.
///
/// # Errors
/// [`Error::JournalBroken`], naming the first call that does not fit; those of the database.
pub fn list(conn: &mut Reader<'_>, scope: &Scope, task_id: &TaskId) -> Result<Vec<Call>, Error> {
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
    Ok(rows.into_iter().map(|row| row.call).collect())
}

/// One call of a task of the workspace.
///
/// # Errors
/// Those of the database.
pub fn get(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task_id: &TaskId,
    sequence: u32,
) -> Result<Option<Call>, Error> {
    conn.one(
        &format!(
            "select {COLUMNS} from calls
             where task_id = $1 and workspace_id = $2 and sequence = $3"
        ),
        &params![task_id, scope.workspace_id(), sequence],
        read,
    )
    .map(|row| row.map(|row| row.call))
}

const COLUMNS: &str = "id, task_id, sequence, tool, definition_digest, arguments_digest, \
     policy_version, source_id, arguments, options, risk, decision, rule_id, line, position, status, \
     outcome, started_at, sent_at, finished_at, delivery_order, delivery_now, delivery_elapsed_ms, \
     chain, outcome_hash";

/// A call with what proves it.
struct Journaled {
    call: Call,
    outcome: Option<String>,
    chain: String,
    outcome_hash: Option<String>,
}

fn read(r: &mut Row<'_>) -> Result<Journaled, Error> {
    let id = r.id()?;
    let binding = Binding {
        task_id: r.id()?,
        sequence: r.u32()?,
        tool: r.text()?,
        definition_digest: r.text()?,
        arguments_digest: r.text()?,
        policy_version: r.int()?,
    };
    let (source_id, arguments, options) = (r.opt_id()?, r.text()?, r.text()?);
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
        status: parse_status(&status, outcome.as_deref())?,
        started_at,
        sent_at,
        finished_at,
        delivery,
    };
    Ok(Journaled {
        call,
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

fn outcome(status: &CallStatus) -> Result<Option<String>, Error> {
    Ok(match status {
        CallStatus::Succeeded(value) => Some(value.clone()),
        CallStatus::Failed(error) | CallStatus::Denied(error) => Some(json(error)?),
        CallStatus::Waiting | CallStatus::Running | CallStatus::Unknown => None,
    })
}
