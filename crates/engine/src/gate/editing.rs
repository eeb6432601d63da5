//! Arguments that a reviewer changed come to the gate like any others: an edit gets past no rule.

use super::reasons::weigh;
use super::standing::{Standing, denied_to_caller, standing};
use super::{Target, denied_by_policy, request};
use crate::Error;
use domain::access::{Channel, Scope};
use domain::approval::Approval;
use domain::policy::{self, Ask, Effect};
use domain::task::Task;
use domain::{AccountId, Timestamp};
use store::Reader;

/// An approval whose arguments a reviewer changes.
pub(crate) struct Editing<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) task: &'a Task,
    pub(crate) approval: &'a Approval,
    /// What the new arguments lead to.
    pub(crate) target: &'a Target,
    pub(crate) by: (AccountId, Channel, Timestamp),
}

/// The approval with the new arguments, asked about as policy asks about them today, and never more
/// mildly than about those before.
pub(crate) fn edited(conn: &mut Reader<'_>, e: &Editing<'_>) -> Result<Approval, Error> {
    let (tool, approval) = (&*e.target.tool, e.approval);
    if !approval.ask.may_edit {
        return Err(Error::conflict(
            "editing_not_allowed",
            "the arguments of this call may not be changed: neither the rule that asks nor the \
             workspace lets reviewers edit; approve it as it is, or deny it and say what to change",
        ));
    }
    if tool.digest != approval.binding.definition_digest {
        return Err(Error::conflict(
            "approval_changed",
            "the tool's definition has changed since this was asked; approve it, and it is asked \
             again as it is now, or deny it",
        ));
    }
    let role = match standing(conn, e.scope, e.task)? {
        Standing::Member(role) => role,
        Standing::Lost(why) => {
            let error = denied_to_caller(&tool.path, why);
            return Err(Error::conflict("denied_by_policy", error.message));
        }
    };
    let policy = store::policies::policy(conn, e.scope, Some(&e.task.account_id))?;
    let decision = policy::decide(&request(e.task, role, e.target, e.by.2), &policy);
    let before = &approval.ask;
    let (ask, why) = match &decision.effect {
        Effect::Deny => {
            let error = denied_by_policy(&tool.path, &decision, e.target.explain(&decision));
            return Err(Error::conflict("denied_by_policy", error.message));
        }
        Effect::Allow => (before.clone(), approval.why.clone()),
        Effect::Ask(today) => {
            let ask = Ask {
                count: today.count.max(before.count),
                requester_may: today.requester_may && before.requester_may,
                may_edit: before.may_edit,
                wait_ms: before.wait_ms,
                approvers: today.approvers.clone(),
            };
            (ask, e.target.explain(&decision))
        }
    };
    let weighed = weigh(conn, e.scope, e.task, e.target, &e.target.arguments)?;
    let request = e.target.request()?;
    let mut edited = approval.with_arguments(&e.target.arguments, request, e.by.clone());
    edited.binding.policy_version = policy.version;
    edited.risk = e.target.risk;
    edited.reasons = weighed.reasons;
    edited.rule_id = decision.rule_id;
    edited.why = why;
    edited.ask = ask;
    Ok(edited)
}
