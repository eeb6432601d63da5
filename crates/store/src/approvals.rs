//! Questions to people, and their one answer each.
//!
//! An approval leaves `pending` by a compare-and-swap, exactly once, whoever tries and however many.

use crate::db::{Row, Select, json, params};
use crate::{Error, Reader, Tx, points};
use domain::access::{Channel, Scope, System};
use domain::approval::{Answered, Approval, ApprovalStatus, Question};
use domain::call::Binding;
use domain::tool::Risk;
use domain::{ApprovalId, TaskId, Timestamp};

/// Records a question, in the transaction that records its call.
///
/// # Errors
/// Those of the database.
pub fn insert(tx: &mut Tx<'_>, scope: &Scope, approval: &Approval) -> Result<(), Error> {
    points::reached("approval.asked");
    let binding = &approval.binding;
    let answered = approval.status.answered();
    tx.execute(
        "insert into approvals
             (id, organization_id, workspace_id, task_id, sequence, call_id, tool, definition_digest,
              arguments_digest, policy_version, question, arguments, request, risk, rule_id, why,
              ask, requested_by, status, answered_by, answered_via, answered_at, reason, created_at,
              expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                 $20, $21, $22, $23, $24, $25)",
        &params![
            &approval.id,
            scope.organization_id(),
            scope.workspace_id(),
            &binding.task_id,
            binding.sequence,
            &approval.call_id,
            &binding.tool,
            &binding.definition_digest,
            &binding.arguments_digest,
            binding.policy_version,
            approval.question.as_str(),
            &approval.arguments,
            &approval.request,
            approval.risk.as_str(),
            approval.rule_id.as_ref(),
            &approval.why,
            json(&approval.ask)?,
            &approval.requested_by,
            approval.status.as_str(),
            answered.map(|a| &a.by),
            answered.map(|a| a.channel.as_str()),
            answered.map(|a| a.at),
            answered.map(|a| &a.reason),
            approval.created_at,
            approval.expires_at,
        ],
    )?;
    Ok(())
}

const COLUMNS: &str = "id, call_id, task_id, sequence, tool, definition_digest, arguments_digest, \
     policy_version, question, arguments, request, risk, rule_id, why, ask, requested_by, status, \
     answered_by, answered_via, answered_at, reason, created_at, expires_at";

fn read(r: &mut Row<'_>) -> Result<Approval, Error> {
    Ok(Approval {
        id: r.id()?,
        call_id: r.id()?,
        binding: Binding {
            task_id: r.id()?,
            sequence: r.u32()?,
            tool: r.text()?,
            definition_digest: r.text()?,
            arguments_digest: r.text()?,
            policy_version: r.int()?,
        },
        question: r.named(Question::parse)?,
        arguments: r.text()?,
        request: r.text()?,
        risk: r.named(Risk::parse)?,
        rule_id: r.opt_id()?,
        why: r.text()?,
        ask: r.json()?,
        requested_by: r.id()?,
        status: read_status(r)?,
        created_at: r.time()?,
        expires_at: r.time()?,
    })
}

fn read_status(r: &mut Row<'_>) -> Result<ApprovalStatus, Error> {
    let (status, by, via) = (r.text()?, r.opt_id()?, r.opt_text()?);
    let (at, reason) = (r.opt_time()?, r.opt_text()?);
    let damaged = || Error::Corrupt(format!("an approval that is {status} lacks its answer"));
    let answered = || {
        let channel = via.as_deref().and_then(Channel::parse);
        match (by, channel, at, reason) {
            (Some(by), Some(channel), Some(at), Some(reason)) => Ok(Answered {
                by,
                channel,
                at,
                reason,
            }),
            (_, _, _, _) => Err(damaged()),
        }
    };
    Ok(match status.as_str() {
        "pending" => ApprovalStatus::Pending,
        "approved" => ApprovalStatus::Approved(answered()?),
        "denied" => ApprovalStatus::Denied(answered()?),
        "expired" => ApprovalStatus::Expired,
        "withdrawn" => ApprovalStatus::Withdrawn,
        _ => {
            return Err(Error::Corrupt(format!(
                "an approval has an unknown status, {status}"
            )));
        }
    })
}

/// An approval of the workspace.
///
/// # Errors
/// Those of the database.
pub fn get(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &ApprovalId,
) -> Result<Option<Approval>, Error> {
    conn.one(
        &format!("select {COLUMNS} from approvals where id = $1 and workspace_id = $2"),
        &params![id, scope.workspace_id()],
        read,
    )
}

/// Which approvals to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Where they stand.
    pub status: Option<String>,
    /// The task they belong to.
    pub task: Option<TaskId>,
    /// Only those asked before this one: its time and identifier.
    pub before: Option<(Timestamp, ApprovalId)>,
    /// How many at most.
    pub limit: u32,
}

/// The approvals of the workspace that fit a filter, the newest first.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &mut Reader<'_>,
    scope: &Scope,
    filter: &ApprovalFilter,
) -> Result<Vec<Approval>, Error> {
    let mut select = Select::new(
        format!("select {COLUMNS} from approvals where workspace_id = $1"),
        params![scope.workspace_id()],
    );
    if let Some(status) = &filter.status {
        select = select.and("status = ?", params![status]);
    }
    if let Some(task) = &filter.task {
        select = select.and("task_id = ?", params![task]);
    }
    if let Some((at, id)) = &filter.before {
        select = select.and("(created_at, id) < (?, ?)", params![*at, id]);
    }
    select.all(
        conn,
        "order by created_at desc, id desc",
        filter.limit,
        read,
    )
}

/// The approvals of a task, in the order of its calls, the oldest of each call first.
///
/// # Errors
/// Those of the database.
pub fn for_task(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task_id: &TaskId,
) -> Result<Vec<Approval>, Error> {
    conn.all(
        &format!(
            "select {COLUMNS} from approvals
             where task_id = $1 and workspace_id = $2
             order by sequence, created_at, id"
        ),
        &params![task_id, scope.workspace_id()],
        read,
    )
}

/// The approvals about one call, the oldest first.
///
/// # Errors
/// Those of the database.
pub fn for_call(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task_id: &TaskId,
    sequence: u32,
) -> Result<Vec<Approval>, Error> {
    conn.all(
        &format!(
            "select {COLUMNS} from approvals
             where task_id = $1 and sequence = $2 and workspace_id = $3
             order by created_at, id"
        ),
        &params![task_id, sequence, scope.workspace_id()],
        read,
    )
}

/// Takes an approval out of `pending`. False if somebody was first: then nothing is changed.
///
/// # Errors
/// Those of the database.
pub fn resolve(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &ApprovalId,
    status: &ApprovalStatus,
) -> Result<bool, Error> {
    points::reached("approval.answered");
    let answered = status.answered();
    let resolved = tx.execute(
        "update approvals
         set status = $3, answered_by = $4, answered_via = $5, answered_at = $6, reason = $7
         where id = $1 and workspace_id = $2 and status = 'pending'",
        &params![
            id,
            scope.workspace_id(),
            status.as_str(),
            answered.map(|a| &a.by),
            answered.map(|a| a.channel.as_str()),
            answered.map(|a| a.at),
            answered.map(|a| &a.reason),
        ],
    )?;
    Ok(resolved == 1)
}

/// Expires everything that nobody answered in time; answers what, and where it belongs.
///
/// # Errors
/// Those of the database.
pub fn expire_due(
    tx: &mut Tx<'_>,
    system: System,
    now: Timestamp,
) -> Result<Vec<(Scope, Approval)>, Error> {
    points::reached("approval.expired");
    tx.all(
        &format!(
            "update approvals
             set status = 'expired'
             where status = 'pending' and expires_at <= $1
             returning {COLUMNS}, organization_id, workspace_id"
        ),
        &params![now],
        |r| {
            let approval = read(r)?;
            Ok((system.scope(r.id()?, r.id()?), approval))
        },
    )
}

/// Withdraws what is still asked about a task, because the task ends; answers what.
///
/// # Errors
/// Those of the database.
pub fn withdraw_pending(
    tx: &mut Tx<'_>,
    scope: &Scope,
    task_id: &TaskId,
) -> Result<Vec<Approval>, Error> {
    tx.all(
        &format!(
            "update approvals
             set status = 'withdrawn'
             where task_id = $1 and workspace_id = $2 and status = 'pending'
             returning {COLUMNS}"
        ),
        &params![task_id, scope.workspace_id()],
        read,
    )
}

/// When the next approval expires unless it is answered.
///
/// # Errors
/// Those of the database.
pub fn next_expiry(conn: &mut Reader<'_>, _: System) -> Result<Option<Timestamp>, Error> {
    conn.one(
        "select min(expires_at) from approvals where status = 'pending'",
        &[],
        |r| r.opt_time(),
    )
    .map(Option::flatten)
}
