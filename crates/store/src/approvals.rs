//! Questions to people, and their one answer each.
//!
//! An approval leaves `pending` by a compare-and-swap, exactly once, whoever tries and however many.
//! Arguments that are those of its call stand in the call's row alone, and large values apart
//! (`approvals/whole.rs`). Where several people must say yes, each yes is a row of its own, in
//! `approvals/yeses.rs`. More time and who looks after it are in `approvals/attention.rs`, what nobody
//! answered in `approvals/expiry.rs`.

mod attention;
mod expiry;
#[cfg(test)]
mod tests;
mod whole;
mod words;
mod yeses;

pub use attention::{assign, extend};
pub use expiry::{expire_due, next_expiry};
pub use yeses::add_yes;

use crate::db::{Row, Select, json, params};
use crate::values::{self, keep};
use crate::{Error, Reader, Tx, packed, points};
use domain::access::{Channel, Scope};
use domain::approval::{Answered, Approval, ApprovalStatus, Edited, Previous, Question};
use domain::call::Binding;
use domain::tool::Risk;
use domain::{AccountId, ApprovalId, TaskId, Timestamp};
use whole::whole;

/// Records a question, in the transaction that records its call.
///
/// # Errors
/// Those of the database.
pub fn insert(tx: &mut Tx<'_>, scope: &Scope, approval: &Approval) -> Result<(), Error> {
    points::reached("approval.asked");
    let binding = &approval.binding;
    let answered = approval.status.answered();
    let edited = approval.edited.as_ref();
    let (task_id, at) = (&binding.task_id, approval.created_at);
    let arguments = keep(tx, task_id, &approval.arguments, at)?;
    let request = keep(tx, task_id, &approval.request, at)?;
    let original = edited
        .map(|e| keep(tx, task_id, &e.original, at))
        .transpose()?;
    tx.execute(
        "insert into approvals
             (id, organization_id, workspace_id, task_id, sequence, call_id, tool, definition_digest,
              arguments_digest, policy_version, question, arguments, request, risk, rule_id, why,
              ask, requested_by, status, answered_by, answered_via, answered_at, reason, created_at,
              expires_at, original_arguments, edited_by, edited_via, edited_at, reasons,
              previous_task, previous_sequence)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
                 case when exists (select 1 from calls
                                   where calls.task_id = $4 and calls.sequence = $5
                                     and calls.arguments = $12)
                      then '' else $12 end,
                 $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29,
                 $30, $31, $32)",
        &params![
            &approval.id,
            scope.organization_id(),
            scope.workspace_id(),
            &binding.task_id,
            binding.sequence,
            &approval.call_id,
            &binding.tool,
            packed::pack(&binding.definition_digest),
            values::own_digest(&arguments, &binding.arguments_digest),
            binding.policy_version,
            approval.question.as_str(),
            &*arguments,
            &*request,
            approval.risk.as_str(),
            approval.rule_id.as_ref(),
            words::pack_why(approval),
            json(&approval.ask)?,
            &approval.requested_by,
            approval.status.as_str(),
            answered.map(|a| &a.by),
            answered.map(|a| a.channel.as_str()),
            answered.map(|a| a.at),
            answered.map(|a| &a.reason),
            approval.created_at,
            approval.expires_at,
            original.as_deref(),
            edited.map(|e| &e.by),
            edited.map(|e| e.channel.as_str()),
            edited.map(|e| e.at),
            json(&words::pack_reasons(&approval.reasons))?,
            approval.previous.as_ref().map(|p| &p.task_id),
            approval.previous.as_ref().map(|p| p.sequence),
        ],
    )?;
    Ok(())
}

/// The approvals of the task `$1` in the workspace `$2`. The workspace is compared as an expression, so
/// that no index of it serves: SQLite, which keeps no statistics, would read all that wait in the
/// workspace for the few of a task.
const OF_TASK: &str = "task_id = $1 and workspace_id || '' = $2";

const COLUMNS: &str = "id, call_id, task_id, sequence, tool, definition_digest, arguments_digest, \
     policy_version, question, \
     case when approvals.arguments <> '' then approvals.arguments \
          else (select calls.arguments from calls \
                where calls.task_id = approvals.task_id \
                  and calls.sequence = approvals.sequence) end, \
     request, risk, rule_id, why, ask, requested_by, \
     (select tasks.client from tasks where tasks.id = approvals.task_id), \
     original_arguments, edited_by, edited_via, edited_at, status, answered_by, answered_via, \
     answered_at, reason, happened, withdrawn_by, withdrawn_via, withdrawn_at, withdrawn_reason, \
     created_at, expires_at, extended_by, extended_via, extended_at, \
     assigned_to, assigned_by, assigned_at, reasons, previous_task, previous_sequence";

fn read(r: &mut Row<'_>) -> Result<Approval, Error> {
    let question = read_question(r)?;
    Ok(Approval {
        why: words::unpack_why(question.why, question.risk, question.binding.policy_version),
        // What was asked before this was kept has none.
        reasons: words::unpack_reasons(r.opt_json()?.unwrap_or_default()),
        previous: read_previous(r)?,
        ..question
    })
}

fn read_previous(r: &mut Row<'_>) -> Result<Option<Previous>, Error> {
    let (task_id, sequence): (Option<TaskId>, _) = (r.opt_id()?, r.opt_int()?);
    let sequence = sequence.and_then(|sequence| u32::try_from(sequence).ok());
    Ok(task_id
        .zip(sequence)
        .map(|(task_id, sequence)| Previous { task_id, sequence }))
}

fn read_question(r: &mut Row<'_>) -> Result<Approval, Error> {
    Ok(Approval {
        id: r.id()?,
        call_id: r.id()?,
        binding: Binding {
            task_id: r.id()?,
            sequence: r.u32()?,
            tool: r.text()?,
            definition_digest: r.digest()?,
            arguments_digest: r.text()?,
            policy_version: r.int()?,
        },
        question: r.named(Question::parse)?,
        arguments: r.text()?,
        request: r.text()?,
        risk: r.named(Risk::parse)?,
        reasons: Vec::new(),
        previous: None,
        rule_id: r.opt_id()?,
        why: r.text()?,
        ask: r.json()?,
        requested_by: r.id()?,
        client: r.text()?,
        edited: read_edited(r)?,
        status: read_status(r)?,
        yeses: Vec::new(),
        created_at: r.time()?,
        expires_at: r.time()?,
        extended: attention::read_extended(r)?,
        assigned: attention::read_assigned(r)?,
    })
}

fn read_edited(r: &mut Row<'_>) -> Result<Option<Edited>, Error> {
    let (original, by, via, at) = (r.opt_text()?, r.opt_id()?, r.opt_text()?, r.opt_time()?);
    let channel = via.as_deref().and_then(Channel::parse);
    Ok(match (original, by, channel, at) {
        (Some(original), Some(by), Some(channel), Some(at)) => Some(Edited {
            by,
            channel,
            at,
            original,
        }),
        (_, _, _, _) => None,
    })
}

/// Who did something, through what, when and why: four columns that stand together or not at all.
fn read_answered(r: &mut Row<'_>) -> Result<Option<Answered>, Error> {
    let (by, via): (Option<AccountId>, _) = (r.opt_id()?, r.opt_text()?);
    let (at, reason) = (r.opt_time()?, r.opt_text()?);
    let channel = via.as_deref().and_then(Channel::parse);
    Ok(match (by, channel, at, reason) {
        (Some(by), Some(channel), Some(at), Some(reason)) => Some(Answered {
            by,
            channel,
            at,
            reason,
        }),
        (_, _, _, _) => None,
    })
}

fn read_status(r: &mut Row<'_>) -> Result<ApprovalStatus, Error> {
    let status = r.text()?;
    let (answered, happened, withdrawn) = (read_answered(r)?, r.opt_text()?, read_answered(r)?);
    let answered = || {
        answered
            .ok_or_else(|| Error::Corrupt(format!("an approval that is {status} lacks its answer")))
    };
    Ok(match (status.as_str(), happened) {
        ("pending", _) => ApprovalStatus::Pending,
        ("approved", None) => ApprovalStatus::Approved(answered()?),
        ("approved", Some(value)) => ApprovalStatus::Happened(answered()?, value),
        ("denied", _) => ApprovalStatus::Denied(answered()?),
        ("expired", _) => ApprovalStatus::Expired,
        ("withdrawn", _) => ApprovalStatus::Withdrawn(withdrawn),
        (_, _) => {
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
    let found = conn.all(
        &format!("select {COLUMNS} from approvals where id = $1 and workspace_id = $2"),
        &params![id, scope.workspace_id()],
        read,
    )?;
    Ok(whole(conn, scope, found)?.pop())
}

/// An approval of the workspace, which nobody else can answer, use or withdraw until the
/// transaction ends.
///
/// # Errors
/// Those of the database.
pub fn hold(tx: &mut Tx<'_>, scope: &Scope, id: &ApprovalId) -> Result<Option<Approval>, Error> {
    let found = tx.all(
        &format!("select {COLUMNS} from approvals where id = $1 and workspace_id = $2 for update"),
        &params![id, scope.workspace_id()],
        read,
    )?;
    Ok(whole(tx, scope, found)?.pop())
}

/// In which order approvals are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApprovalOrder {
    /// By when they were asked, the newest first.
    #[default]
    Newest,
    /// By when they expire, the soonest first: what a person answers next.
    Soonest,
}

impl ApprovalOrder {
    /// The time that this order goes by.
    #[must_use]
    pub fn time(self, approval: &Approval) -> Timestamp {
        match self {
            Self::Newest => approval.created_at,
            Self::Soonest => approval.expires_at,
        }
    }
}

/// Which approvals to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Where they stand.
    pub status: Option<String>,
    /// Only those that this person asked for or is named in.
    pub concerning: Option<AccountId>,
    /// Only those that this person looks after.
    pub assignee: Option<AccountId>,
    /// In which order.
    pub order: ApprovalOrder,
    /// Only what comes after this one in that order: the time that it goes by, and its identifier.
    pub before: Option<(Timestamp, ApprovalId)>,
    /// How many at most.
    pub limit: u32,
}

/// The approvals of the workspace that fit a filter, in the order that it names.
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
    match filter.status.as_deref() {
        None => {}
        // Written out, so that the planners see the index of what is pending.
        Some("pending") => select = select.and("status = 'pending'", []),
        Some(status) => select = select.and("status = ?", params![status]),
    }
    // Rules name people by identifiers, which nobody can guess and which stand nowhere else in how
    // a rule asks. `replace` is what both databases have to look for a part of a text.
    let quoted = filter.concerning.as_ref().map(|id| format!("\"{id}\""));
    if let (Some(id), Some(quoted)) = (&filter.concerning, &quoted) {
        select = select.and(
            "(requested_by = ? or replace(ask, ?, '') <> ask)",
            params![id, quoted],
        );
    }
    if let Some(id) = &filter.assignee {
        select = select.and("assigned_to = ?", params![id]);
    }
    let (order, after) = match filter.order {
        ApprovalOrder::Newest => (
            "order by created_at desc, id desc",
            "(created_at, id) < (?, ?)",
        ),
        ApprovalOrder::Soonest => ("order by expires_at, id", "(expires_at, id) > (?, ?)"),
    };
    if let Some((at, id)) = &filter.before {
        select = select.and(after, params![*at, id]);
    }
    let found = select.all(conn, order, filter.limit, read)?;
    whole(conn, scope, found)
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
    let found = conn.all(
        &format!(
            "select {COLUMNS} from approvals
             where {OF_TASK}
             order by sequence, created_at, id"
        ),
        &params![task_id, scope.workspace_id()],
        read,
    )?;
    whole(conn, scope, found)
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
    let found = conn.all(
        &format!(
            "select {COLUMNS} from approvals
             where task_id = $1 and sequence = $2 and workspace_id = $3
             order by created_at, id"
        ),
        &params![task_id, sequence, scope.workspace_id()],
        read,
    )?;
    whole(conn, scope, found)
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
    let happened = match status {
        ApprovalStatus::Happened(_, value) => Some(value),
        ApprovalStatus::Pending
        | ApprovalStatus::Approved(_)
        | ApprovalStatus::Denied(_)
        | ApprovalStatus::Expired
        | ApprovalStatus::Withdrawn(_) => None,
    };
    let resolved = tx.execute(
        "update approvals
         set status = $3, answered_by = $4, answered_via = $5, answered_at = $6, reason = $7,
             happened = $8
         where id = $1 and workspace_id = $2 and status = 'pending'",
        &params![
            id,
            scope.workspace_id(),
            status.as_str(),
            answered.map(|a| &a.by),
            answered.map(|a| a.channel.as_str()),
            answered.map(|a| a.at),
            answered.map(|a| &a.reason),
            happened,
        ],
    )?;
    Ok(resolved == 1)
}

/// Puts edited arguments, the request made of them and how policy asks about them in the place of
/// those before. False unless the approval is pending.
///
/// # Errors
/// Those of the database.
pub fn edit(tx: &mut Tx<'_>, scope: &Scope, approval: &Approval) -> Result<bool, Error> {
    let edited = approval.edited.as_ref();
    let task_id = &approval.binding.task_id;
    let at = edited.map_or(approval.created_at, |e| e.at);
    let arguments = keep(tx, task_id, &approval.arguments, at)?;
    let request = keep(tx, task_id, &approval.request, at)?;
    let original = edited
        .map(|e| keep(tx, task_id, &e.original, at))
        .transpose()?;
    let changed = tx.execute(
        "update approvals
         set arguments = $3, arguments_digest = $4, request = $5, original_arguments = $6,
             edited_by = $7, edited_via = $8, edited_at = $9, policy_version = $10, rule_id = $11,
             why = $12, ask = $13, risk = $14, reasons = $15
         where id = $1 and workspace_id = $2 and status = 'pending'",
        &params![
            &approval.id,
            scope.workspace_id(),
            &*arguments,
            &approval.binding.arguments_digest,
            &*request,
            original.as_deref(),
            edited.map(|e| &e.by),
            edited.map(|e| e.channel.as_str()),
            edited.map(|e| e.at),
            approval.binding.policy_version,
            approval.rule_id.as_ref(),
            words::pack_why(approval),
            json(&approval.ask)?,
            approval.risk.as_str(),
            json(&words::pack_reasons(&approval.reasons))?,
        ],
    )?;
    Ok(changed == 1)
}

/// Uses an approval up: what it allowed is sent, or is asked about afresh. False if it was used
/// before or is not approved, above all because it was withdrawn in between.
///
/// # Errors
/// Those of the database.
pub fn use_up(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &ApprovalId,
    at: Timestamp,
) -> Result<bool, Error> {
    let used = tx.execute(
        "update approvals
         set used_at = $3
         where id = $1 and workspace_id = $2 and status = 'approved' and happened is null
           and used_at is null",
        &params![id, scope.workspace_id(), at],
    )?;
    Ok(used == 1)
}

/// Notes that whoever asked has heard the answer to a question of a source's own, whatever it was.
/// False if it was noted before, or nobody has answered.
///
/// # Errors
/// Those of the database.
pub fn use_answer(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &ApprovalId,
    at: Timestamp,
) -> Result<bool, Error> {
    let used = tx.execute(
        "update approvals
         set used_at = $3
         where id = $1 and workspace_id = $2 and question = 'input' and status <> 'pending'
           and used_at is null",
        &params![id, scope.workspace_id(), at],
    )?;
    Ok(used == 1)
}

/// Withdraws a question that whoever asked it does not want answered any more. False unless it is
/// pending.
///
/// # Errors
/// Those of the database.
pub fn withdraw_one(tx: &mut Tx<'_>, scope: &Scope, id: &ApprovalId) -> Result<bool, Error> {
    let withdrawn = tx.execute(
        "update approvals
         set status = 'withdrawn'
         where id = $1 and workspace_id = $2 and status = 'pending'",
        &params![id, scope.workspace_id()],
    )?;
    Ok(withdrawn == 1)
}

/// Takes a question back, or a yes that was not used yet. False if it is too late: it was denied,
/// has ended otherwise, or its call is on its way.
///
/// # Errors
/// Those of the database.
pub fn withdraw(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &ApprovalId,
    by: &Answered,
) -> Result<bool, Error> {
    let withdrawn = tx.execute(
        "update approvals
         set status = 'withdrawn', withdrawn_by = $3, withdrawn_via = $4, withdrawn_at = $5,
             withdrawn_reason = $6, answered_by = null, answered_via = null, answered_at = null,
             reason = null
         where id = $1 and workspace_id = $2
           and (status = 'pending'
                or (status = 'approved' and happened is null and used_at is null
                    and exists (select 1 from calls
                                where calls.task_id = approvals.task_id
                                  and calls.sequence = approvals.sequence
                                  and calls.finished_at is null)))",
        &params![
            id,
            scope.workspace_id(),
            &by.by,
            by.channel.as_str(),
            by.at,
            &by.reason,
        ],
    )?;
    Ok(withdrawn == 1)
}

/// How many questions of a task are pending, and how many it has asked since a time.
///
/// # Errors
/// Those of the database.
pub fn asked_by(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task_id: &TaskId,
    since: Timestamp,
) -> Result<(u32, u32), Error> {
    let counts = conn.one(
        &format!(
            "select (select count(*) from approvals where {OF_TASK} and status = 'pending'),
                    (select count(*) from approvals where {OF_TASK} and created_at > $3)"
        ),
        &params![task_id, scope.workspace_id(), since],
        |r| Ok((r.u32()?, r.u32()?)),
    )?;
    Ok(counts.unwrap_or_default())
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
    let withdrawn = tx.all(
        &format!(
            "update approvals
             set status = 'withdrawn'
             where {OF_TASK} and status = 'pending'
             returning {COLUMNS}"
        ),
        &params![task_id, scope.workspace_id()],
        read,
    )?;
    whole(tx, scope, withdrawn)
}
