//! Calls that come to the gate a second time: approved by a person since, or under way when a server
//! died. Each is decided again on the policy as it stands now.

use super::asking::{Asking, ask_person, roles_of};
use super::inputs::take_back;
use super::standing::{Standing, audit_lost, denied_to_caller, standing};
use super::{Target, Verdict, audit_sent, call_event, denied_by_policy, request};
use crate::Error;
use domain::Timestamp;
use domain::access::Scope;
use domain::approval::{Approval, Question};
use domain::call::{Admission, Binding, Call, CallStatus};
use domain::policy::{self, Ask, Decision, Effect};
use domain::task::{Lease, Task};
use domain::tool::{Risk, ToolError, ToolErrorCode};
use store::Tx;

/// An approval that is about to be used.
pub(crate) struct Consuming<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) lease: &'a Lease,
    pub(crate) task: &'a Task,
    pub(crate) call: &'a Call,
    pub(crate) approval: &'a Approval,
    /// What the path leads to today, with the arguments of the approval; none if it leads nowhere
    /// any more.
    pub(crate) target: Option<&'a Target>,
    pub(crate) now: Timestamp,
}

/// Uses an approval up, once: the call goes from waiting to sent in the same transaction. Everything
/// it is bound to is looked at again. Where the tool's definition has changed, or policy demands
/// today what the people who answered cannot give, the call is asked about afresh. Nothing if the
/// approval was withdrawn in between.
pub(crate) fn consume(tx: &mut Tx<'_>, c: &Consuming<'_>) -> Result<Option<Verdict>, Error> {
    let held = store::approvals::hold(tx, c.scope, &c.approval.id)?;
    let Some(approval) = held.filter(|a| a.status.is_approved()) else {
        return Ok(None);
    };
    let may_have_happened = approval.question == Question::SendAgain;
    let Some(target) = c.target else {
        return Ok(Some(Verdict::Settled(if may_have_happened {
            CallStatus::Unknown
        } else {
            CallStatus::Failed(gone(&c.call.binding.tool))
        })));
    };
    let tool = &*target.tool;
    let role = match standing(tx, c.scope, c.task)? {
        Standing::Member(role) => role,
        Standing::Lost(why) => {
            audit_lost(tx, c.scope, c.task, c.call, why, c.now)?;
            return Ok(Some(Verdict::Settled(if may_have_happened {
                CallStatus::Unknown
            } else {
                CallStatus::Denied(denied_to_caller(&tool.path, why))
            })));
        }
    };
    let policy = store::policies::in_force(tx, c.scope, Some(&c.task.account_id))?;
    let decision = policy::decide(&request(c.task, role, target, c.now), &policy);
    let as_shown = is_as_shown(&approval, target);
    match &decision.effect {
        Effect::Deny if may_have_happened => Ok(Some(Verdict::Settled(CallStatus::Unknown))),
        Effect::Deny => Ok(Some(Verdict::Settled(CallStatus::Denied(
            denied_by_policy(&tool.path, &decision, target.explain(&decision)),
        )))),
        Effect::Ask(today) => {
            let roles = roles_of(tx, c.scope, &approval, None)?;
            if as_shown && approval.satisfies(today, &|p| roles.get(p).copied()) {
                return c.send(tx, &approval, &decision, target).map(Some);
            }
            let since = if approval.request == NOTHING {
                "nothing could be sent when it was asked about"
            } else if !as_shown {
                "the tool's definition changed"
            } else if approval.satisfies(&approval.ask, &|p| roles.get(p).copied()) {
                "the policy demands more than was answered"
            } else {
                "somebody who approved it may do so no longer"
            };
            let why = format!(
                "{}; it is asked again because {since}",
                target.explain(&decision)
            );
            let asked = c.ask_afresh(tx, &approval, (&decision, today), target, why)?;
            Ok(Some(Verdict::Asked(Box::new(asked))))
        }
        Effect::Allow => c.send(tx, &approval, &decision, target).map(Some),
    }
}

/// The request of an approval where nothing could be sent.
const NOTHING: &str = "null";

/// Whether what would be sent is what the people who answered saw.
fn is_as_shown(approval: &Approval, target: &Target) -> bool {
    approval.request != NOTHING && approval.binding.definition_digest == target.tool.digest
}

pub(super) fn gone(tool: &str) -> ToolError {
    ToolError::new(
        ToolErrorCode::ToolNotFound,
        tool,
        format!("{tool} was removed or changed while a person was asked; nothing was sent"),
    )
}

impl Consuming<'_> {
    fn use_up(&self, tx: &mut Tx<'_>, approval: &Approval) -> Result<(), Error> {
        if store::approvals::use_up(tx, self.scope, &approval.id, self.now)? {
            Ok(())
        } else {
            Err(Error::internal(&"an approval was about to be used twice"))
        }
    }

    fn ask_afresh(
        &self,
        tx: &mut Tx<'_>,
        approval: &Approval,
        (decision, ask): (&Decision, &Ask),
        target: &Target,
        why: String,
    ) -> Result<Approval, Error> {
        self.use_up(tx, approval)?;
        let mut call = self.call.clone();
        call.binding
            .definition_digest
            .clone_from(&target.tool.digest);
        call.binding.policy_version = decision.policy_version;
        call.rule_id.clone_from(&decision.rule_id);
        store::calls::rebind(tx, self.lease, &call)?;
        let asking = Asking {
            scope: self.scope,
            task: self.task,
            call: &call,
            request: target.request()?,
            question: approval.question,
            target: Some(target),
            before: Some(approval),
            now: self.now,
        };
        ask_person(tx, asking, ask, why)
    }

    fn send(
        &self,
        tx: &mut Tx<'_>,
        approval: &Approval,
        decision: &Decision,
        target: &Target,
    ) -> Result<Verdict, Error> {
        self.use_up(tx, approval)?;
        let marked = store::calls::mark_sent(tx, self.lease, self.call.binding.sequence, self.now)?;
        if !marked {
            return Err(Error::internal(&"a call was about to be sent twice"));
        }
        let tool = &*target.tool;
        let as_shown = is_as_shown(approval, target);
        let binding = if as_shown {
            approval.binding.clone()
        } else {
            // What would be sent is allowed outright; the old answer is not what lets it pass.
            Binding {
                definition_digest: tool.digest.clone(),
                policy_version: decision.policy_version,
                ..approval.binding.clone()
            }
        };
        let (id, at) = (&self.call.id, self.now);
        audit_sent(
            tx,
            self.scope,
            self.task,
            (id, &binding),
            Some(&approval.id),
            at,
        )?;
        call_event(tx, self.scope, self.call, "running", at)?;
        let mut target = target.clone();
        let admission = if as_shown {
            // What the reviewer saw is what is sent: the stored bytes.
            target.prepared =
                serde_json::from_str(&approval.request).map_err(|e| Error::internal(&e))?;
            Admission::by_approval(approval, binding)
        } else {
            Admission::by_policy(decision, binding)
        };
        let admission =
            admission.ok_or_else(|| Error::internal(&"a granted approval got no admission"))?;
        Ok(Verdict::Admitted(admission, Box::new(target)))
    }
}

/// A call that was under way when a server died: nobody knows whether it happened.
pub(crate) struct Uncertain<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) lease: &'a Lease,
    pub(crate) task: &'a Task,
    pub(crate) call: &'a Call,
    /// The approval that let it pass the first time, if a person did.
    pub(crate) granted: Option<&'a Approval>,
    /// What its path leads to today, with the arguments that were sent; none if nowhere.
    pub(crate) target: Option<&'a Target>,
    /// Whether a repetition does no harm.
    pub(crate) repeatable: bool,
    pub(crate) now: Timestamp,
}

/// Sends a call again if that does no harm and policy, or the people who approved it, let it pass
/// today; asks a person about every other one.
pub(crate) fn uncertain(tx: &mut Tx<'_>, u: &Uncertain<'_>) -> Result<Verdict, Error> {
    u.forget_its_question(tx)?;
    let Some(target) = u.target else {
        let why = format!("{UNCERTAIN}. Its tool is gone, so it cannot be sent again");
        return u.ask(tx, None, &Ask::default(), why);
    };
    let tool = &*target.tool;
    let role = match standing(tx, u.scope, u.task)? {
        Standing::Member(role) => role,
        // It may have been sent when it was allowed, so it is not called denied; and of what was
        // only read nobody needs to be asked.
        Standing::Lost(_) if u.call.risk == Risk::Read => {
            return Ok(Verdict::Settled(CallStatus::Unknown));
        }
        Standing::Lost(why) => {
            let why = format!("{UNCERTAIN}. It cannot be sent again, because {why}");
            return u.ask(tx, None, &Ask::default(), why);
        }
    };
    let policy = store::policies::in_force(tx, u.scope, Some(&u.task.account_id))?;
    let decision = policy::decide(&request(u.task, role, target, u.now), &policy);
    let same_definition = tool.digest == u.call.binding.definition_digest;
    let passes = match (&decision.effect, u.granted) {
        (Effect::Deny, _) | (Effect::Ask(_), None) => false,
        (Effect::Allow, _) => true,
        (Effect::Ask(today), Some(granted)) => {
            let roles = roles_of(tx, u.scope, granted, None)?;
            granted.satisfies(today, &|p| roles.get(p).copied())
        }
    };
    if u.repeatable && same_definition && passes {
        return u.repeat(tx, &decision, target);
    }
    match &decision.effect {
        Effect::Deny if u.call.risk == Risk::Read => Ok(Verdict::Settled(CallStatus::Unknown)),
        Effect::Deny => {
            let why = format!("{UNCERTAIN}. Policy denies it today, so it cannot be sent again");
            u.ask(tx, None, &Ask::default(), why)
        }
        Effect::Ask(ask) => u.ask(tx, Some(target), ask, UNCERTAIN.to_owned()),
        Effect::Allow => u.ask(tx, Some(target), &Ask::default(), UNCERTAIN.to_owned()),
    }
}

const UNCERTAIN: &str = "the server stopped while this call was under way: it may have happened or \
     not. Look at its effect; then say that it happened and what it gave, send it again, or let it \
     fail";

impl Uncertain<'_> {
    /// What its source asked on a connection that is gone is answered by nobody.
    fn forget_its_question(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let sequence = self.call.binding.sequence;
        let asked = store::approvals::for_call(tx, self.scope, &self.task.id, sequence)?;
        for approval in asked.iter().filter(|a| a.question == Question::Input) {
            take_back(tx, (self.scope, self.lease), self.call, approval, self.now)?;
        }
        Ok(())
    }

    /// The request that a person approved, where the definition is still the same; else the one
    /// that would be made today. Both carry the same idempotency key.
    fn request(&self, target: &Target) -> Result<String, Error> {
        let same = self.granted.filter(|granted| is_as_shown(granted, target));
        same.map_or_else(|| target.request(), |granted| Ok(granted.request.clone()))
    }

    fn repeat(
        &self,
        tx: &mut Tx<'_>,
        decision: &Decision,
        target: &Target,
    ) -> Result<Verdict, Error> {
        let admission = match self.granted {
            Some(granted) => Admission::by_approval(granted, granted.binding.clone()),
            None => {
                let binding = Binding {
                    policy_version: decision.policy_version,
                    ..self.call.binding.clone()
                };
                Admission::by_policy(decision, binding)
            }
        };
        let admission =
            admission.ok_or_else(|| Error::internal(&"a call that may pass got no admission"))?;
        let approval = self.granted.map(|g| &g.id);
        let sent = (&self.call.id, admission.binding());
        audit_sent(tx, self.scope, self.task, sent, approval, self.now)?;
        let mut target = target.clone();
        target.prepared =
            serde_json::from_str(&self.request(&target)?).map_err(|e| Error::internal(&e))?;
        Ok(Verdict::Admitted(admission, Box::new(target)))
    }

    fn ask(
        &self,
        tx: &mut Tx<'_>,
        target: Option<&Target>,
        ask: &Ask,
        why: String,
    ) -> Result<Verdict, Error> {
        let mut call = self.call.clone();
        let sequence = call.binding.sequence;
        store::calls::mark_unknown(tx, self.lease, sequence)?;
        call_event(tx, self.scope, &call, "unknown", self.now)?;
        let request = match target {
            Some(target) => {
                call.binding
                    .definition_digest
                    .clone_from(&target.tool.digest);
                store::calls::rebind(tx, self.lease, &call)?;
                self.request(target)?
            }
            None => NOTHING.to_owned(),
        };
        let asking = Asking {
            scope: self.scope,
            task: self.task,
            call: &call,
            request,
            question: Question::SendAgain,
            target,
            before: self.granted,
            now: self.now,
        };
        Ok(Verdict::Asked(Box::new(ask_person(tx, asking, ask, why)?)))
    }
}
