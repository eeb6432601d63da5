//! The one gate: every call of every mode is looked up, checked, decided and recorded here.
//!
//! The only caller of [`domain::policy::decide`], and the only place that asks for an
//! [`Admission`]. The decision is made inside the transaction that records the call, on the policy
//! as it stands there, so no call is sent under a policy that was already replaced.

mod again;
mod asking;
mod editing;
mod inputs;
mod reasons;
mod shown;
mod standing;

use crate::Error;
use crate::audit::by_task;
use crate::entropy;
use asking::{Asking, ask_person, too_many};
use domain::access::{Caller, Scope};
use domain::approval::{Approval, Question};
use domain::call::{Admission, Binding, Call, CallStatus};
use domain::canonical::sha256_hex;
use domain::event::EventKind;
use domain::partial::Partial;
use domain::policy::{self, Decision, Effect, JudgedAs, Policy, Request};
use domain::source::Review;
use domain::task::{Lease, Task};
use domain::tenancy::Role;
use domain::tool::{Risk, Tool, ToolError, ToolErrorCode};
use domain::{ApprovalId, CallId, SourceId, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use store::Tx;
use tools::{Judged, McpAnswers, Prepared, SourceTools};

pub(crate) use again::{Consuming, Uncertain, consume, uncertain};
pub(crate) use asking::{approval_event, attention_event, roles_of};
pub(crate) use editing::{Editing, edited};
pub(crate) use inputs::{Inquiring, answered, go_on, inquire, take_back};
pub(crate) use shown::{also_of, explained, forecast_of, recorded, source_name, would_be};
use standing::{Standing, audit_lost, denied_to_caller, standing};

/// A call as the program made it.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) sequence: u32,
    pub(crate) path: String,
    /// Canonical text.
    pub(crate) arguments: String,
    pub(crate) options: String,
    pub(crate) position: Option<(u32, u32)>,
}

/// What a call goes to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) tool: Arc<Tool>,
    pub(crate) source: Arc<SourceTools>,
    pub(crate) arguments: Value,
    /// What this very call may do: that of the tool, or of all that a document runs.
    pub(crate) risk: Risk,
    /// What else it is decided as.
    pub(crate) also: Vec<JudgedAs>,
    pub(crate) prepared: Prepared,
    /// What it brings back, where its source asked before.
    pub(crate) answers: Option<McpAnswers>,
}

impl Target {
    /// Why it was decided so, and as what.
    pub(crate) fn explain(&self, decision: &Decision) -> String {
        let why = decision.explain(self.risk);
        if self.also.is_empty() {
            return why;
        }
        format!("{why}; judged as {}", names_of(&self.also).join(", "))
    }

    /// The request as it is stored with an approval.
    pub(crate) fn request(&self) -> Result<String, Error> {
        serde_json::to_string(&self.prepared).map_err(|e| Error::internal(&e))
    }
}

/// The tools that a call is decided as, each once, in its order.
fn names_of(also: &[JudgedAs]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for part in also {
        if !names.contains(&part.tool.as_str()) {
            names.push(&part.tool);
        }
    }
    names
}

/// A call after the look-up and the check of its arguments.
#[derive(Clone)]
pub(crate) enum Checked {
    /// It ends here: nothing to send and nobody to ask.
    Settled(CallStatus),
    /// It can be sent, if it may.
    Sendable(Box<Target>),
}

/// What became of a call at the gate.
pub(crate) enum Verdict {
    /// Ended here.
    Settled(CallStatus),
    /// May be sent; the intent is durable.
    Admitted(Admission, Box<Target>),
    /// A person is asked.
    Asked(Box<Approval>),
}

/// The person and client that a task's calls are decided for.
pub(crate) fn request<'a>(
    task: &'a Task,
    role: Role,
    target: &'a Target,
    now: Timestamp,
) -> Request<'a> {
    let tool = &*target.tool;
    Request {
        tool: &tool.path,
        source: tool.source_name(),
        risk: target.risk,
        // Of the same reading as the definition: both are read at once, so no definition is taken
        // for one that somebody looked at.
        review: target.source.source.review_of(&tool.path),
        arguments: Some(&target.arguments),
        also: &target.also,
        account_id: &task.account_id,
        role,
        client: &task.client,
        key_id: task.key_id.as_ref(),
        channel: task.channel,
        now,
    }
}

/// What policy says to a caller about a tool in general, for showing. Admits nothing.
pub(crate) fn forecast(
    caller: &Caller,
    policy: &Policy,
    tool: (&Tool, Review),
    now: Timestamp,
) -> Decision {
    policy::decide(&general(caller, tool, None, now), policy)
}

/// What policy may say to a caller about a call whose arguments are known in part, the strictest
/// first. Admits nothing.
pub(crate) fn possible(
    caller: &Caller,
    policy: &Policy,
    tool: (&Tool, Review),
    judged: &Judged,
    arguments: &Partial,
    now: Timestamp,
) -> Vec<Decision> {
    let request = Request {
        risk: judged.risk,
        also: &judged.also,
        ..general(caller, tool, None, now)
    };
    policy::possible(&request, arguments, policy)
}

/// The call that a caller would make.
pub(crate) fn general<'a>(
    caller: &'a Caller,
    (tool, review): (&'a Tool, Review),
    arguments: Option<&'a Value>,
    now: Timestamp,
) -> Request<'a> {
    Request {
        tool: &tool.path,
        source: tool.source_name(),
        risk: tool.risk,
        review,
        arguments,
        also: &[],
        account_id: &caller.account_id,
        role: caller.role,
        client: &caller.client,
        key_id: caller.key_id.as_ref(),
        channel: caller.channel,
        now,
    }
}

/// Decides about calls in their order and records them, all in one transaction.
pub(crate) fn admit(
    tx: &mut Tx<'_>,
    scope: &Scope,
    lease: &Lease,
    task: &Task,
    calls: &[(Wanted, Checked)],
    now: Timestamp,
) -> Result<Vec<(Call, Verdict)>, Error> {
    let policy = store::policies::in_force(tx, scope, Some(&task.account_id))?;
    let standing = standing(tx, scope, task)?;
    calls
        .iter()
        .map(|(wanted, checked)| {
            let door = Door {
                scope,
                lease,
                task,
                wanted,
                policy: &policy,
                now,
            };
            match (checked, &standing) {
                (Checked::Settled(status), _) => door.settle(tx, status.clone()),
                (Checked::Sendable(target), Standing::Member(role)) => {
                    door.decide(tx, target, *role)
                }
                (Checked::Sendable(target), Standing::Lost(why)) => door.refuse(tx, target, why),
            }
        })
        .collect()
}

struct Door<'a> {
    scope: &'a Scope,
    lease: &'a Lease,
    task: &'a Task,
    wanted: &'a Wanted,
    policy: &'a Policy,
    now: Timestamp,
}

impl Door<'_> {
    fn settle(&self, tx: &mut Tx<'_>, status: CallStatus) -> Result<(Call, Verdict), Error> {
        let call = self.call(None, Risk::Read, "none", None, status.clone());
        store::calls::insert(tx, self.lease, self.scope, &call)?;
        self.call_event(tx, &call)?;
        Ok((call, Verdict::Settled(status)))
    }

    /// The person behind the task has lost the right to any call, whatever the rules say.
    fn refuse(
        &self,
        tx: &mut Tx<'_>,
        target: &Target,
        why: &str,
    ) -> Result<(Call, Verdict), Error> {
        let tool = &*target.tool;
        let status = CallStatus::Denied(denied_to_caller(&tool.path, why));
        let call = self.call(Some(tool), target.risk, "deny", None, status.clone());
        store::calls::insert(tx, self.lease, self.scope, &call)?;
        audit_lost(tx, self.scope, self.task, &call, why, self.now)?;
        self.call_event(tx, &call)?;
        Ok((call, Verdict::Settled(status)))
    }

    fn decide(
        &self,
        tx: &mut Tx<'_>,
        target: &Target,
        role: Role,
    ) -> Result<(Call, Verdict), Error> {
        let tool = &*target.tool;
        let decision = policy::decide(&request(self.task, role, target, self.now), self.policy);
        let rule_id = decision.rule_id.clone();
        match &decision.effect {
            Effect::Deny => {
                let status = CallStatus::Denied(denied_by_policy(
                    &tool.path,
                    &decision,
                    target.explain(&decision),
                ));
                let call = self.call(Some(tool), target.risk, "deny", rule_id, status.clone());
                store::calls::insert(tx, self.lease, self.scope, &call)?;
                self.audit_decision(tx, &call, target, &decision)?;
                self.call_event(tx, &call)?;
                Ok((call, Verdict::Settled(status)))
            }
            Effect::Allow => {
                let mut call = self.call(
                    Some(tool),
                    target.risk,
                    "allow",
                    rule_id,
                    CallStatus::Running,
                );
                call.sent_at = Some(self.now);
                store::calls::insert(tx, self.lease, self.scope, &call)?;
                self.audit_decision(tx, &call, target, &decision)?;
                audit_sent(
                    tx,
                    self.scope,
                    self.task,
                    (&call.id, &call.binding),
                    None,
                    self.now,
                )?;
                self.call_event(tx, &call)?;
                let admission = Admission::by_policy(&decision, call.binding.clone())
                    .ok_or_else(|| Error::internal(&"an allowed call got no admission"))?;
                Ok((call, Verdict::Admitted(admission, Box::new(target.clone()))))
            }
            Effect::Ask(ask) => {
                if let Some(too_many) = too_many(tx, self.scope, self.task, &tool.path, self.now)? {
                    let status = CallStatus::Failed(too_many);
                    let call = self.call(Some(tool), target.risk, "ask", rule_id, status.clone());
                    store::calls::insert(tx, self.lease, self.scope, &call)?;
                    self.audit_decision(tx, &call, target, &decision)?;
                    self.call_event(tx, &call)?;
                    return Ok((call, Verdict::Settled(status)));
                }
                let call = self.call(Some(tool), target.risk, "ask", rule_id, CallStatus::Waiting);
                store::calls::insert(tx, self.lease, self.scope, &call)?;
                self.audit_decision(tx, &call, target, &decision)?;
                self.call_event(tx, &call)?;
                let why = target.explain(&decision);
                let asked = ask_person(
                    tx,
                    Asking {
                        scope: self.scope,
                        task: self.task,
                        call: &call,
                        request: target.request()?,
                        question: Question::Send,
                        target: Some(target),
                        before: None,
                        now: self.now,
                    },
                    ask,
                    why,
                )?;
                Ok((call, Verdict::Asked(Box::new(asked))))
            }
        }
    }

    fn call(
        &self,
        tool: Option<&Tool>,
        risk: Risk,
        decision: &'static str,
        rule_id: Option<domain::RuleId>,
        status: CallStatus,
    ) -> Call {
        let finished = !matches!(status, CallStatus::Waiting | CallStatus::Running);
        Call {
            id: CallId::from_bits(entropy::bits()),
            binding: Binding {
                task_id: self.task.id.clone(),
                sequence: self.wanted.sequence,
                tool: tool.map_or_else(|| self.wanted.path.clone(), |t| t.path.clone()),
                definition_digest: tool.map_or_else(String::new, |t| t.digest.clone()),
                arguments_digest: sha256_hex(self.wanted.arguments.as_bytes()),
                policy_version: self.policy.version,
            },
            source_id: tool.map(|t| -> SourceId { t.source_id.clone() }),
            arguments: self.wanted.arguments.clone(),
            options: self.wanted.options.clone(),
            risk,
            decision,
            rule_id,
            position: self.wanted.position,
            status,
            started_at: self.now,
            sent_at: None,
            finished_at: finished.then_some(self.now),
            delivery: None,
        }
    }

    fn audit_decision(
        &self,
        tx: &mut Tx<'_>,
        call: &Call,
        target: &Target,
        decision: &Decision,
    ) -> Result<(), Error> {
        let mut detail = json!({
            "task": self.task.id,
            "sequence": call.binding.sequence,
            "tool": call.binding.tool,
            "decision": decision.effect.as_str(),
            "rule": decision.rule_id,
            "policyVersion": decision.policy_version,
            "risk": target.risk.as_str(),
            "unreviewed": decision.unreviewed,
            "definition": call.binding.definition_digest,
            "arguments": call.binding.arguments_digest,
        });
        if !target.also.is_empty() {
            detail["judgedAs"] = json!(names_of(&target.also));
        }
        append_audit(
            tx,
            self.scope,
            self.task,
            "decision",
            call.id.as_str(),
            &detail,
            self.now,
        )
    }

    fn call_event(&self, tx: &mut Tx<'_>, call: &Call) -> Result<(), Error> {
        call_event(tx, self.scope, call, call.status.as_str(), self.now)
    }
}

/// Tells watchers where a call stands.
pub(crate) fn call_event(
    tx: &mut Tx<'_>,
    scope: &Scope,
    call: &Call,
    status: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let kind = EventKind::Call {
        call_id: call.id.clone(),
        sequence: call.binding.sequence,
        tool: call.binding.tool.clone(),
        status: status.to_owned(),
    };
    store::events::append(tx, scope, Some(&call.binding.task_id), now, &kind)?;
    Ok(())
}

/// Records that a call is about to be sent: no audit, no action.
pub(crate) fn audit_sent(
    tx: &mut Tx<'_>,
    scope: &Scope,
    task: &Task,
    (id, binding): (&CallId, &Binding),
    approval: Option<&ApprovalId>,
    now: Timestamp,
) -> Result<(), Error> {
    let mut detail = json!({
        "task": task.id,
        "sequence": binding.sequence,
        "tool": binding.tool,
        "arguments": binding.arguments_digest,
        "approval": approval,
    });
    if let Some(chosen) = &task.pins.run_as {
        detail["credential"] = json!(chosen);
    }
    append_audit(tx, scope, task, "call.sent", id.as_str(), &detail, now)
}

fn append_audit(
    tx: &mut Tx<'_>,
    scope: &Scope,
    task: &Task,
    action: &str,
    subject: &str,
    detail: &Value,
    now: Timestamp,
) -> Result<(), Error> {
    let draft = by_task(task, scope, action, subject, detail, now);
    store::audit::append(tx, scope, draft)?;
    Ok(())
}

/// The error of a call that policy denies, and why.
pub(crate) fn denied_by_policy(tool: &str, decision: &Decision, why: String) -> ToolError {
    ToolError::new(
        ToolErrorCode::DeniedByPolicy,
        tool,
        format!("{tool} is denied: {why}"),
    )
    .with_details(json!({
        "rule": decision.rule_id,
        "level": decision.level.map(domain::policy::Level::as_str),
        "policyVersion": decision.policy_version,
    }))
}
