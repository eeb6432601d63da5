//! Calls that come to the gate a second time: approved by a person since, or under way when a server
//! died. Each is decided again on the policy as it stands now.

use super::{
    Asking, Target, Verdict, ask_person, audit_sent, call_event, denied_by_policy, request,
};
use crate::Error;
use domain::Timestamp;
use domain::access::Scope;
use domain::approval::Approval;
use domain::call::{Admission, Binding, Call, CallStatus};
use domain::policy::{self, Effect};
use domain::task::{Lease, Task};
use domain::tool::{ToolError, ToolErrorCode};
use store::Tx;

/// An approval that is about to be used.
pub(crate) struct Consuming<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) lease: &'a Lease,
    pub(crate) task: &'a Task,
    pub(crate) call: &'a Call,
    pub(crate) approval: &'a Approval,
    /// What the path leads to today; none if it leads nowhere any more.
    pub(crate) target: Option<&'a Target>,
    pub(crate) now: Timestamp,
}

/// Uses an approval up, once: the call goes from waiting to sent in the same transaction. Where the
/// tool's definition or the policy has changed since it was asked, the call is decided afresh; the
/// answer stands only if the very same question would be asked again.
pub(crate) fn consume(tx: &mut Tx<'_>, c: &Consuming<'_>) -> Result<Verdict, Error> {
    let Some(target) = c.target else {
        let gone = ToolError::new(
            ToolErrorCode::ToolNotFound,
            &c.call.binding.tool,
            format!(
                "{} was removed while a person was asked; nothing was sent",
                c.call.binding.tool
            ),
        );
        return Ok(Verdict::Settled(CallStatus::Failed(gone)));
    };
    let tool = &*target.tool;
    let policy = store::policies::in_force(tx, c.scope, Some(&c.task.account_id))?;
    let decision = policy::decide(
        &request(c.task, tool, Some(&target.arguments), c.now),
        &policy,
    );
    let same_definition = tool.digest == c.approval.binding.definition_digest;
    let same_question = matches!(&decision.effect, Effect::Ask(ask) if *ask == c.approval.ask)
        && decision.rule_id == c.approval.rule_id;
    match &decision.effect {
        Effect::Deny => Ok(Verdict::Settled(CallStatus::Denied(denied_by_policy(
            tool, &decision,
        )))),
        Effect::Ask(ask) if !(same_definition && same_question) => {
            let why = format!(
                "{}; it is asked again because {} since the last answer",
                decision.explain(tool.risk),
                if same_definition {
                    "the policy changed"
                } else {
                    "the tool's definition changed"
                }
            );
            let mut call = c.call.clone();
            call.binding.definition_digest.clone_from(&tool.digest);
            call.binding.policy_version = policy.version;
            call.rule_id = decision.rule_id;
            store::calls::rebind(tx, c.lease, &call)?;
            let asking = Asking {
                scope: c.scope,
                task: c.task,
                call: &call,
                prepared: &target.prepared,
                question: c.approval.question,
                now: c.now,
            };
            Ok(Verdict::Asked(Box::new(ask_person(tx, &asking, ask, why)?)))
        }
        Effect::Ask(_) | Effect::Allow => {
            if !store::calls::mark_sent(tx, c.lease, c.call.binding.sequence, c.now)? {
                return Err(Error::internal(&"an approval was about to be used twice"));
            }
            audit_sent(tx, c.scope, c.task, c.call, Some(&c.approval.id), c.now)?;
            call_event(tx, c.scope, c.call, "running", c.now)?;
            let admission = if same_definition {
                Admission::by_approval(c.approval, c.approval.binding.clone())
            } else {
                // The new definition is allowed outright; the old answer is not what lets it pass.
                let binding = Binding {
                    definition_digest: tool.digest.clone(),
                    policy_version: policy.version,
                    ..c.approval.binding.clone()
                };
                Admission::by_policy(&decision, binding)
            };
            let admission =
                admission.ok_or_else(|| Error::internal(&"a granted approval got no admission"))?;
            let mut target = target.clone();
            if same_definition {
                // What the reviewer saw is what is sent: the stored bytes.
                target.prepared =
                    serde_json::from_str(&c.approval.request).map_err(|e| Error::internal(&e))?;
            }
            Ok(Verdict::Admitted(admission, Box::new(target)))
        }
    }
}

/// A call that was under way when a server died and that is safe to send again.
pub(crate) struct Repeating<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) task: &'a Task,
    pub(crate) call: &'a Call,
    pub(crate) target: &'a Target,
    pub(crate) now: Timestamp,
}

/// Admits a call that only reads once more, if policy still lets it pass or a person approved it.
pub(crate) fn repeat(tx: &mut Tx<'_>, r: &Repeating<'_>) -> Result<Option<Admission>, Error> {
    let policy = store::policies::in_force(tx, r.scope, Some(&r.task.account_id))?;
    let request = request(r.task, &r.target.tool, Some(&r.target.arguments), r.now);
    let decision = policy::decide(&request, &policy);
    let granted = store::approvals::for_call(tx, r.scope, &r.task.id, r.call.binding.sequence)?
        .into_iter()
        .rfind(|a| a.status.is_approved());
    let admission = match (&decision.effect, granted) {
        (Effect::Deny, _) => None,
        (_, Some(approval)) => Admission::by_approval(&approval, approval.binding.clone()),
        (_, None) => {
            let binding = Binding {
                policy_version: policy.version,
                ..r.call.binding.clone()
            };
            Admission::by_policy(&decision, binding)
        }
    };
    if admission.is_some() {
        audit_sent(tx, r.scope, r.task, r.call, None, r.now)?;
    }
    Ok(admission)
}
