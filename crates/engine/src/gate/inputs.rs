//! Questions of a source's own, to whoever runs the task: how one is recorded in the middle of a call,
//! and how the call goes on when it is answered. It is no leave to send: that was given before, and is
//! asked for again.

use super::again::{Consuming, gone};
use super::asking::{Asking, approval_event, ask_person, roles_of, too_many};
use super::standing::{Standing, audit_lost, denied_to_caller, standing};
use super::{Target, Verdict, audit_sent, call_event, denied_by_policy, request};
use crate::Error;
use domain::Timestamp;
use domain::access::Scope;
use domain::approval::{Approval, ApprovalStatus, Question};
use domain::call::{Admission, Binding, Call, CallStatus};
use domain::elicitation::{Elicitation, QUESTIONS_PER_CALL, Way};
use domain::policy::{self, Ask, Effect};
use domain::task::{Lease, Task};
use domain::tool::{ToolError, ToolErrorCode};
use serde_json::json;
use store::Tx;
use tools::McpAnswers;

/// A call whose source asks something.
pub(crate) struct Inquiring<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) lease: &'a Lease,
    pub(crate) task: &'a Task,
    pub(crate) call: &'a Call,
    pub(crate) asked: &'a Elicitation,
    pub(crate) now: Timestamp,
}

/// Records what a source asks in the middle of a call, which waits from then on. The inner error is
/// why nobody is asked: the task has asked too much already.
pub(crate) fn inquire(
    tx: &mut Tx<'_>,
    i: &Inquiring<'_>,
) -> Result<Result<Approval, ToolError>, Error> {
    let (task, call) = (i.task, i.call);
    let tool = &call.binding.tool;
    if let Some(too_many) = too_many(tx, i.scope, task, tool, i.now)? {
        return Ok(Err(too_many));
    }
    let before = store::approvals::for_call(tx, i.scope, &task.id, call.binding.sequence)?;
    let asked = before.iter().filter(|a| a.question == Question::Input);
    if asked.count() >= QUESTIONS_PER_CALL {
        let text = format!(
            "{tool}: `{}` asked more than {QUESTIONS_PER_CALL} times in one call",
            i.asked.source
        );
        return Ok(Err(ToolError::new(
            ToolErrorCode::UpstreamError,
            tool,
            text,
        )
        .with_details(json!({ "reason": "asks_too_much" }))));
    }
    store::calls::mark_waiting(tx, i.lease, call.binding.sequence)?;
    call_event(tx, i.scope, call, "waiting", i.now)?;
    let asking = Asking {
        scope: i.scope,
        task,
        call,
        request: serde_json::to_string(i.asked).map_err(|e| Error::internal(&e))?,
        question: Question::Input,
        target: None,
        before: before.last(),
        now: i.now,
    };
    let ask = Ask {
        approvers: vec![task.account_id.clone()],
        ..Ask::default()
    };
    let why = format!(
        "`{}` asks this before it goes on with the call",
        i.asked.source
    );
    Ok(Ok(ask_person(tx, asking, &ask, why)?))
}

/// A question was answered on whose answer a source waits with an open connection: the call goes on.
/// Nothing if its call is over.
pub(crate) fn go_on(
    tx: &mut Tx<'_>,
    (scope, lease): (&Scope, &Lease),
    call: &Call,
    approval: &Approval,
    now: Timestamp,
) -> Result<(), Error> {
    store::approvals::use_answer(tx, scope, &approval.id, now)?;
    if store::calls::mark_running(tx, lease, call.binding.sequence)? {
        call_event(tx, scope, call, "running", now)?;
    }
    Ok(())
}

/// Takes back a question that its source does not want answered any more.
pub(crate) fn take_back(
    tx: &mut Tx<'_>,
    (scope, lease): (&Scope, &Lease),
    call: &Call,
    approval: &Approval,
    now: Timestamp,
) -> Result<(), Error> {
    if store::approvals::withdraw_one(tx, scope, &approval.id)? {
        let withdrawn = Approval {
            status: ApprovalStatus::Withdrawn(None),
            ..approval.clone()
        };
        approval_event(tx, scope, &withdrawn, now)?;
    }
    go_on(tx, (scope, lease), call, approval, now)
}

/// Uses what was answered to a source that keeps nothing itself: the call is decided again, and sent
/// again with the answers. Nothing if it was used already.
pub(crate) fn answered(tx: &mut Tx<'_>, c: &Consuming<'_>) -> Result<Option<Verdict>, Error> {
    let held = store::approvals::hold(tx, c.scope, &c.approval.id)?;
    let Some(approval) = held.filter(|a| a.status != ApprovalStatus::Pending) else {
        return Ok(None);
    };
    let settled = |status: CallStatus| Ok(Some(Verdict::Settled(status)));
    let (tool, Some(asked)) = (&c.call.binding.tool, approval.elicitation()) else {
        return Err(Error::internal(&"what a source asked cannot be read"));
    };
    let Some(target) = c.target else {
        return settled(CallStatus::Failed(gone(tool)));
    };
    if target.tool.digest != approval.binding.definition_digest {
        return settled(CallStatus::Failed(gone(tool)));
    }
    let has_answer = matches!(approval.status, ApprovalStatus::Happened(..));
    if asked.way == Way::Anew && !has_answer {
        let text = format!(
            "{tool}: `{}` wants a person to visit its page first, and nobody did",
            asked.source
        );
        let error = ToolError::new(ToolErrorCode::UpstreamError, tool, text)
            .with_details(json!({ "reason": "page_not_visited", "approval": approval.id }));
        return settled(CallStatus::Failed(error));
    }
    let granted = granted(tx, c)?;
    let admission = match admitted(tx, c, &approval, target, granted.as_ref())? {
        Ok(admission) => admission,
        Err(verdict) => return Ok(Some(verdict)),
    };
    if !store::approvals::use_answer(tx, c.scope, &approval.id, c.now)? {
        return Ok(None);
    }
    if !store::calls::mark_sent(tx, c.lease, c.call.binding.sequence, c.now)? {
        return Err(Error::internal(&"a call was about to be sent twice"));
    }
    let sent = (&c.call.id, admission.binding());
    audit_sent(tx, c.scope, c.task, sent, Some(&approval.id), c.now)?;
    call_event(tx, c.scope, c.call, "running", c.now)?;
    let mut target: Target = target.clone();
    if let Some(granted) = &granted {
        // What the reviewer saw is what is sent, the second time as well.
        target.prepared =
            serde_json::from_str(&granted.request).map_err(|e| Error::internal(&e))?;
    }
    target.answers = Some(McpAnswers::of(&asked, &approval.status));
    Ok(Some(Verdict::Admitted(admission, Box::new(target))))
}

/// Whether the call may be sent again, as policy is now and with the leave that was given before. The
/// inner error is what becomes of it instead.
fn admitted(
    tx: &mut Tx<'_>,
    c: &Consuming<'_>,
    approval: &Approval,
    target: &Target,
    granted: Option<&Approval>,
) -> Result<Result<Admission, Verdict>, Error> {
    let tool = &c.call.binding.tool;
    let role = match standing(tx, c.scope, c.task)? {
        Standing::Member(role) => role,
        Standing::Lost(why) => {
            audit_lost(tx, c.scope, c.task, c.call, why, c.now)?;
            let denied = CallStatus::Denied(denied_to_caller(tool, why));
            return Ok(Err(Verdict::Settled(denied)));
        }
    };
    let policy = store::policies::in_force(tx, c.scope, Some(&c.task.account_id))?;
    let decision = policy::decide(&request(c.task, role, target, c.now), &policy);
    let admission = match &decision.effect {
        Effect::Deny => {
            let why = target.explain(&decision);
            let denied = CallStatus::Denied(denied_by_policy(tool, &decision, why));
            return Ok(Err(Verdict::Settled(denied)));
        }
        Effect::Allow => {
            let binding = Binding {
                policy_version: decision.policy_version,
                ..c.call.binding.clone()
            };
            Admission::by_policy(&decision, binding)
        }
        Effect::Ask(today) => {
            let satisfied = match granted {
                Some(granted) => {
                    let roles = roles_of(tx, c.scope, granted, None)?;
                    granted.satisfies(today, &|p| roles.get(p).copied())
                }
                None => false,
            };
            let Some(granted) = granted.filter(|_| satisfied) else {
                let why = format!(
                    "{}; it is asked again because the policy demands more than was answered",
                    target.explain(&decision)
                );
                store::approvals::use_answer(tx, c.scope, &approval.id, c.now)?;
                let asking = Asking {
                    scope: c.scope,
                    task: c.task,
                    call: c.call,
                    request: target.request()?,
                    question: Question::Send,
                    target: Some(target),
                    before: Some(approval),
                    now: c.now,
                };
                let asked = ask_person(tx, asking, today, why)?;
                return Ok(Err(Verdict::Asked(Box::new(asked))));
            };
            Admission::by_approval(granted, granted.binding.clone())
        }
    };
    admission
        .map(Ok)
        .ok_or_else(|| Error::internal(&"a call whose source was answered got no admission"))
}

/// The approval that let the call pass before its source asked, if a person gave one for this very
/// definition.
fn granted(tx: &mut Tx<'_>, c: &Consuming<'_>) -> Result<Option<Approval>, Error> {
    let (task, sequence) = (&c.task.id, c.call.binding.sequence);
    let all = store::approvals::for_call(tx, c.scope, task, sequence)?;
    let digest = &c.approval.binding.definition_digest;
    let of_this = |a: &Approval| a.status.is_approved() && a.binding.definition_digest == *digest;
    Ok(all.into_iter().rfind(of_this))
}
