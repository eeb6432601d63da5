//! A question to a person: how it is recorded, how many a task may ask, and who may answer as things
//! stand. What is decided is decided in `gate.rs`.

use super::reasons::{Weighed, weigh};
use super::{Target, append_audit};
use crate::{Error, entropy};
use domain::access::Scope;
use domain::approval::{Approval, ApprovalStatus, Question};
use domain::call::Call;
use domain::canonical::sha256_hex;
use domain::event::EventKind;
use domain::limits::APPROVAL_WAIT_MS_MAX;
use domain::policy::Ask;
use domain::task::Task;
use domain::tenancy::Role;
use domain::tool::{ToolError, ToolErrorCode};
use domain::{AccountId, ApprovalId, Timestamp};
use serde_json::json;
use std::collections::HashMap;
use store::Tx;

/// The time in which questions are counted.
const MINUTE_MS: i64 = 60_000;

/// What is needed to ask a person about a call.
pub(super) struct Asking<'a> {
    pub(super) scope: &'a Scope,
    pub(super) task: &'a Task,
    pub(super) call: &'a Call,
    /// The exact request as JSON text; `null` where nothing can be sent.
    pub(super) request: String,
    pub(super) question: Question,
    /// What the call goes to, where it can be sent; a question of its source's own weighs nothing.
    pub(super) target: Option<&'a Target>,
    /// The answered question that this one takes the place of, with its edited arguments.
    pub(super) before: Option<&'a Approval>,
    pub(super) now: Timestamp,
}

/// Records a question to a person.
pub(super) fn ask_person(
    tx: &mut Tx<'_>,
    asking: Asking<'_>,
    ask: &Ask,
    why: String,
) -> Result<Approval, Error> {
    let Asking {
        scope,
        task,
        call,
        target,
        before,
        now,
        ..
    } = asking;
    let wait_ms = ask
        .wait_ms
        .unwrap_or(task.limits.approval_wait_ms)
        .min(APPROVAL_WAIT_MS_MAX);
    let edited = before.filter(|b| b.edited.is_some());
    let arguments = edited.map_or(&call.arguments, |b| &b.arguments).clone();
    let weighed = match target {
        None => Weighed::default(),
        Some(target) => {
            let sent = serde_json::from_str(&arguments).map_err(|e| Error::internal(&e))?;
            weigh(tx, scope, task, target, &sent)?
        }
    };
    let mut binding = call.binding.clone();
    binding.arguments_digest = sha256_hex(arguments.as_bytes());
    // The order of a call's questions is that of their times, whatever the clock does.
    let created_at = before.map_or(now, |b| now.max(b.created_at.plus_ms(1)));
    let approval = Approval {
        id: ApprovalId::from_bits(entropy::bits()),
        call_id: call.id.clone(),
        binding,
        question: asking.question,
        arguments,
        request: asking.request,
        risk: call.risk,
        reasons: weighed.reasons,
        previous: weighed.previous,
        rule_id: call.rule_id.clone(),
        why,
        ask: Ask {
            may_edit: ask.may_edit || store::settings::get(tx, scope)?.approvers_may_edit,
            ..ask.clone()
        },
        requested_by: task.account_id.clone(),
        client: task.client.clone(),
        edited: edited.and_then(|b| b.edited.clone()),
        status: ApprovalStatus::Pending,
        yeses: Vec::new(),
        created_at,
        // Any server may find that it has run out, so it runs on the clock that all share.
        expires_at: tx
            .now(now)?
            .plus_ms(i64::try_from(wait_ms).unwrap_or(i64::MAX)),
        extended: None,
        assigned: None,
    };
    store::approvals::insert(tx, scope, &approval)?;
    approval_event(tx, scope, &approval, now)?;
    let detail = json!({
        "task": task.id,
        "call": call.id,
        "tool": approval.binding.tool,
        "question": approval.question.as_str(),
        "needed": approval.ask.needed(),
        "expiresAt": approval.expires_at.to_rfc3339(),
    });
    let id = approval.id.as_str();
    append_audit(tx, scope, task, "approval.asked", id, &detail, now)?;
    Ok(approval)
}

/// Tells watchers, webhooks and people's browsers where an approval stands.
pub(crate) fn approval_event(
    tx: &mut Tx<'_>,
    scope: &Scope,
    approval: &Approval,
    now: Timestamp,
) -> Result<(), Error> {
    tell_watchers(tx, scope, approval, now)?;
    crate::push::tell_of_approval(tx, scope, approval, now)?;
    crate::webhooks::tell_of_approval(tx, scope, approval, now)
}

/// Tells watchers and webhooks what changed about a question that is still asked: `extended` or
/// `assigned`; and whoever is to look after it from now on.
pub(crate) fn attention_event(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (approval, change): (&Approval, &'static str),
    now: Timestamp,
) -> Result<(), Error> {
    tell_watchers(tx, scope, approval, now)?;
    if change == "assigned" {
        crate::push::tell_of_assignment(tx, scope, approval, now)?;
    }
    crate::webhooks::tell_of_change(tx, scope, (approval, change), now)
}

fn tell_watchers(
    tx: &mut Tx<'_>,
    scope: &Scope,
    approval: &Approval,
    now: Timestamp,
) -> Result<(), Error> {
    let kind = EventKind::Approval {
        approval_id: approval.id.clone(),
        tool: approval.binding.tool.clone(),
        status: approval.status.as_str().to_owned(),
    };
    store::events::append(tx, scope, Some(&approval.binding.task_id), now, &kind)?;
    Ok(())
}

/// The error of a call that would be one question too many: people who are asked too often stop
/// reading.
pub(super) fn too_many(
    tx: &mut Tx<'_>,
    scope: &Scope,
    task: &Task,
    tool: &str,
    now: Timestamp,
) -> Result<Option<ToolError>, Error> {
    let since = now.plus_ms(-MINUTE_MS);
    let (pending, lately) = store::approvals::asked_by(tx, scope, &task.id, since)?;
    let limits = &task.limits;
    let (name, value, what, next) = if pending >= limits.approvals_pending {
        let what = "questions of one task waiting for a person";
        let next = "await some of them first";
        ("approvalsPending", limits.approvals_pending, what, next)
    } else if lately >= limits.approvals_per_minute {
        let what = "questions of one task within a minute";
        let next = "wait a minute, or have an administrator allow the call by a rule";
        (
            "approvalsPerMinute",
            limits.approvals_per_minute,
            what,
            next,
        )
    } else {
        return Ok(None);
    };
    let message =
        format!("{tool} was not asked about: there may be {value} {what} (limit {name}); {next}");
    let error = ToolError::new(ToolErrorCode::RateLimited, tool, message);
    Ok(Some(
        error.with_details(json!({ "limit": name, "value": value })),
    ))
}

/// The roles, as they are now, of everybody whose answer an approval has, and of one more person.
/// Whoever does not reach the workspace is not among them.
pub(crate) fn roles_of(
    tx: &mut Tx<'_>,
    scope: &Scope,
    approval: &Approval,
    also: Option<&AccountId>,
) -> Result<HashMap<AccountId, Role>, Error> {
    let answered = approval.status.answered().map(|a| &a.by);
    let people = approval.yeses.iter().map(|y| &y.answered.by);
    let mut roles = HashMap::new();
    for person in people.chain(answered).chain(also) {
        let role = store::tenancy::role_in(tx, scope, person)?;
        roles.extend(role.map(|role| (person.clone(), role)));
    }
    Ok(roles)
}
