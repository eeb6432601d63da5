//! The calls of a run: through the gate, out to their source, and their outcomes back.
//!
//! A call that a program makes again after a crash is matched with its record and never decided,
//! asked or sent a second time, unless it is safe to repeat or a person says so.

use super::inputs::{Came, Listener};
use super::journal::outcome_of;
use super::{Run, answers};
use crate::builtin::{View, caller_of};
use crate::gate::{self, Checked, Consuming, Target, Verdict, Wanted};
use crate::live::Live;
use crate::oauth::For;
use crate::sources::McpCall;
use crate::{Engine, Error};
use domain::access::Scope;
use domain::approval::{Approval, ApprovalStatus, Question};
use domain::call::{Admission, Call, CallStatus};
use domain::canonical::canonical;
use domain::elicitation::Elicitation;
use domain::source::SourceKind;
use domain::task::Outcome;
use domain::tool::{ToolError, ToolErrorCode};
use domain::{AccountId, CredentialId, TaskId};
use serde_json::{Value, json};
use std::sync::Arc;
use tools::McpInvoked;

/// Answers larger than this many times the limit on a tool's result are not kept at all.
const KEPT_RESULTS: u64 = 4;

/// Where a call stands that the program has made and not been answered.
pub(super) enum CallState {
    /// Sent; its answer is awaited.
    InFlight,
    /// A person is asked.
    Asked,
    /// It has an outcome to deliver.
    Ready,
    /// Its recorded outcome will be, or has been, given again.
    Recorded,
}

impl Run<'_> {
    /// Passes calls through the gate in their order.
    pub(super) async fn make_calls(&mut self, wanted: Vec<Wanted>) -> Result<(), Error> {
        let mut fresh = Vec::new();
        for call in wanted {
            match self.journal.recorded(&call) {
                Err(error) => {
                    self.ended = Some(Outcome::Failed(error));
                    return Ok(());
                }
                Ok(Some(recorded)) => {
                    let recorded = recorded.clone();
                    self.attach(recorded);
                }
                Ok(None) => fresh.push(call),
            }
        }
        // Until every recorded answer was given again, nothing new leaves: should the program turn
        // out to take another way, nothing has happened.
        if self.journal.is_replaying() {
            self.held.extend(fresh);
            return Ok(());
        }
        if fresh.is_empty() {
            Ok(())
        } else {
            self.admit(fresh).await
        }
    }

    /// The arguments that are sent, if they are not those that the program gave.
    fn edited_arguments(&self, sequence: u32, target: &Target) -> Option<Value> {
        let made = self.made.get(&sequence)?;
        let differs = canonical(&target.arguments) != made.arguments;
        differs.then(|| target.arguments.clone())
    }

    /// Matches a call with its record.
    pub(super) fn attach(&mut self, call: Call) {
        let sequence = call.binding.sequence;
        if self.calls.contains_key(&sequence) {
            return;
        }
        let state = if call.delivery.is_some() {
            CallState::Recorded
        } else if let Some(outcome) = outcome_of(&call) {
            self.ready.push((sequence, outcome));
            CallState::Ready
        } else {
            match call.status {
                CallStatus::Running => {
                    self.uncertain.push(call.clone());
                    CallState::InFlight
                }
                CallStatus::Waiting if self.lost_its_question(&call) => {
                    self.uncertain.push(call.clone());
                    CallState::InFlight
                }
                CallStatus::Waiting
                | CallStatus::Unknown
                | CallStatus::Succeeded(_)
                | CallStatus::Failed(_)
                | CallStatus::Denied(_) => CallState::Asked,
            }
        };
        self.look_at_answers |= matches!(state, CallState::Asked);
        self.made.insert(sequence, call);
        self.calls.insert(sequence, state);
    }

    async fn admit(&mut self, wanted: Vec<Wanted>) -> Result<(), Error> {
        let checked = self.check(&wanted).await?;
        let pairs: Vec<(Wanted, Checked)> = wanted.into_iter().zip(checked).collect();
        let now = self.now();
        let (scope, lease, task) = (self.scope.clone(), self.lease.clone(), self.task.clone());
        let sequences: Vec<u32> = pairs.iter().map(|(w, _)| w.sequence).collect();
        let verdicts = self
            .commit(move |tx| gate::admit(tx, &scope, &lease, &task, &pairs, now))
            .await?;
        for (sequence, (call, verdict)) in sequences.into_iter().zip(verdicts) {
            self.made.insert(sequence, call);
            self.follow_verdict(sequence, verdict);
        }
        Ok(())
    }

    async fn check(&mut self, wanted: &[Wanted]) -> Result<Vec<Checked>, Error> {
        let (catalog, policy) = self
            .engine
            .catalog_and_policy(&self.scope, &self.task.account_id)
            .await?;
        let caller = caller_of(&self.task);
        let view = View {
            engine: self.engine,
            caller: &caller,
            catalog: &catalog,
            policy: &policy,
            task: Some(&self.task.id),
            now: self.now(),
        };
        let mut checked = Vec::with_capacity(wanted.len());
        for call in wanted {
            checked.push(view.check(call).await);
        }
        Ok(checked)
    }

    pub(super) fn follow_verdict(&mut self, sequence: u32, verdict: Verdict) {
        let state = match verdict {
            Verdict::Settled(status) => {
                self.ready.push((sequence, status));
                CallState::Ready
            }
            Verdict::Admitted(admission, target) => {
                self.send(sequence, admission, *target);
                CallState::InFlight
            }
            Verdict::Asked(approval) => {
                if let Some(call) = self.made.get_mut(&sequence) {
                    let bound = &approval.binding;
                    call.binding
                        .definition_digest
                        .clone_from(&bound.definition_digest);
                    call.binding.policy_version = bound.policy_version;
                    call.rule_id.clone_from(&approval.rule_id);
                }
                self.approvals.push(*approval);
                CallState::Asked
            }
        };
        self.calls.insert(sequence, state);
    }

    fn send(&mut self, sequence: u32, admission: Admission, target: Target) {
        let sending = Sending {
            engine: self.engine.clone(),
            scope: self.scope.clone(),
            account_id: self.task.account_id.clone(),
            task_id: self.task.id.clone(),
            run_as: self.task.pins.run_as.clone(),
            wants_meta: self
                .made
                .get(&sequence)
                .is_some_and(|c| answers::wants_meta(&c.options)),
            listener: self.listener(sequence),
            edited: self.edited_arguments(sequence, &target),
            bytes_max: self.task.limits.tool_result_bytes * KEPT_RESULTS,
            live: Arc::clone(&self.live),
        };
        self.in_flight.push(Box::pin(async move {
            (sequence, sending.run(admission, target).await)
        }));
    }

    fn listener(&self, sequence: u32) -> Option<Listener> {
        Some(Listener {
            engine: self.engine.clone(),
            scope: self.scope.clone(),
            lease: self.lease.clone(),
            task: Arc::new(self.task.clone()),
            call: Arc::new(self.made.get(&sequence)?.clone()),
            live: Arc::clone(&self.live),
        })
    }

    /// What a call leads to today, with its own arguments or those that a reviewer gave it.
    pub(super) async fn target_of(
        &mut self,
        call: &Call,
        approval: Option<&Approval>,
    ) -> Result<Option<Target>, Error> {
        let arguments = approval.map_or(&call.arguments, |a| &a.arguments);
        let wanted = Wanted {
            sequence: call.binding.sequence,
            path: call.binding.tool.clone(),
            arguments: arguments.clone(),
            options: call.options.clone(),
            position: call.position,
        };
        Ok(
            match self.check(std::slice::from_ref(&wanted)).await?.pop() {
                Some(Checked::Sendable(target)) => Some(*target),
                Some(Checked::Settled(_)) | None => None,
            },
        )
    }

    /// Looks whether pending approvals have been resolved, and goes on with those.
    pub(super) async fn look_for_answers(&mut self) -> Result<(), Error> {
        self.look_at_answers = false;
        let (scope, id) = (self.scope.clone(), self.task.id.clone());
        let (approvals, is_to_end) = self
            .engine
            .inner
            .store
            .read(move |r| {
                let approvals = store::approvals::for_task(r, &scope, &id)?;
                Ok::<_, Error>((approvals, store::tasks::is_to_end(r, &scope, &id)?))
            })
            .await?;
        self.approvals = approvals;
        if is_to_end {
            // A no that also stops the task: the program gets no answer to go on with.
            self.ended.get_or_insert(Outcome::Canceled);
            return Ok(());
        }
        let asked: Vec<u32> = self
            .calls
            .iter()
            .filter(|(_, state)| matches!(state, CallState::Asked))
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in asked {
            // A call that is asked about again has several approvals: the latest counts.
            let latest = self
                .approvals
                .iter()
                .rfind(|a| a.binding.sequence == sequence && a.status != ApprovalStatus::Pending);
            let pending = self
                .approvals
                .iter()
                .any(|a| a.binding.sequence == sequence && a.status == ApprovalStatus::Pending);
            if let (Some(approval), false) = (latest.cloned(), pending) {
                self.on_answer(sequence, approval).await?;
            }
        }
        Ok(())
    }

    async fn on_answer(&mut self, sequence: u32, approval: Approval) -> Result<(), Error> {
        let Some(call) = self.made.get(&sequence).cloned() else {
            return Ok(());
        };
        if let Some(status) = answers::without_sending(&call, &approval) {
            self.follow_verdict(sequence, Verdict::Settled(status));
            return Ok(());
        }
        let target = self.target_of(&call, Some(&approval)).await?;
        let now = self.now();
        let (scope, lease, task) = (self.scope.clone(), self.lease.clone(), self.task.clone());
        let verdict = self
            .commit(move |tx| {
                let consuming = Consuming {
                    scope: &scope,
                    lease: &lease,
                    task: &task,
                    call: &call,
                    approval: &approval,
                    target: target.as_ref(),
                    now,
                };
                match approval.question {
                    Question::Input => gate::answered(tx, &consuming),
                    Question::Send | Question::SendAgain => gate::consume(tx, &consuming),
                }
            })
            .await?;
        match verdict {
            Some(verdict) => self.follow_verdict(sequence, verdict),
            // Withdrawn in between: the next look tells the program.
            None => self.look_at_answers = true,
        }
        Ok(())
    }
}

/// The error of a call whose outcome nobody knows.
pub(super) fn outcome_unknown(tool: &str) -> ToolError {
    ToolError::new(
        ToolErrorCode::OutcomeUnknown,
        tool,
        format!(
            "the server stopped while {tool} was under way; it may have happened or not. Look at \
             its effect before you call it again"
        ),
    )
}

/// What a call gave.
enum Gave {
    /// The value for the program.
    Value(Value),
    /// A question of its source.
    Asks(Box<Elicitation>),
}

/// One call on its way.
struct Sending {
    engine: Engine,
    scope: Scope,
    account_id: AccountId,
    task_id: TaskId,
    run_as: Option<CredentialId>,
    wants_meta: bool,
    listener: Option<Listener>,
    /// What a reviewer put in the place of the program's arguments.
    edited: Option<Value>,
    bytes_max: u64,
    live: Arc<Live>,
}

impl Sending {
    async fn run(self, admission: Admission, target: Target) -> Came {
        let mut opened = None;
        let gave = self.try_run(admission, target, &mut opened).await;
        let status = match gave {
            Ok(Gave::Value(value)) => CallStatus::Succeeded(value.to_string()),
            Ok(Gave::Asks(asked)) => return Came::Asks(asked),
            Err(error) => CallStatus::from_error(error),
        };
        Came::Outcome(status, opened)
    }

    /// Sends it; `opened` becomes the credential that goes along.
    async fn try_run(
        &self,
        admission: Admission,
        target: Target,
        opened: &mut Option<CredentialId>,
    ) -> Result<Gave, ToolError> {
        let Target {
            tool,
            source,
            prepared,
            answers,
            ..
        } = target;
        let call = For {
            scope: &self.scope,
            source: &source.source,
            account: &self.account_id,
            tool: &tool.path,
            task: Some(&self.task_id),
            run_as: self.run_as.as_ref(),
        };
        let attached = self.engine.attached(call).await?;
        let of = attached.of.clone();
        *opened = of.as_ref().map(|of| of.id.clone());
        let engine = &self.engine;
        let credentials = engine.credentials_for(&self.scope, attached, &self.live);
        self.engine.still_ours(&self.live).await;
        let sent_at = self.engine.inner.clock.now();
        let invoked = if source.source.kind == SourceKind::Mcp {
            let call = McpCall {
                scope: &self.scope,
                account: &self.account_id,
                tool: &tool,
                source: &source,
                prepared: &prepared,
                credentials,
                hearing: self
                    .listener
                    .as_ref()
                    .map(|l| l.hearing(source.source.may_ask)),
                answers,
                bytes_max: self.bytes_max,
            };
            match self.engine.call_mcp(admission, call).await {
                McpInvoked::Done(invoked) => *invoked,
                McpInvoked::Asks(asked) => return Ok(Gave::Asks(asked)),
            }
        } else {
            self.engine
                .inner
                .invoker
                .invoke(
                    admission,
                    &tool,
                    &source,
                    &prepared,
                    credentials,
                    self.bytes_max,
                )
                .await
        };
        let counted = (&self.scope, &source.source.id);
        let ms = self.engine.inner.clock.now().since(sent_at);
        let failure = invoked.answer.as_ref().err();
        self.engine.count_call(counted, failure, ms);
        if invoked.echoed {
            self.engine.note_echo(call, &of).await;
        }
        let answer = match invoked.answer {
            Ok(answer) => answer,
            Err(error) => return Err(self.engine.explained(call, &of, error).await),
        };
        self.told(answer).map(Gave::Value).map_err(|failed| *failed)
    }

    /// What the program gets of an answer: its data, or with `meta` all of it.
    fn told(&self, answer: tools::Answer) -> Result<Value, Box<ToolError>> {
        let failed = match (answer.failed, self.wants_meta) {
            (Some(failed), false) => return Err(Box::new(failed)),
            (failed, _) => failed,
        };
        if !self.wants_meta {
            return Ok(answer.data);
        }
        let headers: serde_json::Map<String, Value> = answer
            .headers
            .into_iter()
            .map(|(k, v)| (k, Value::String(v)))
            .collect();
        let mut told = json!({ "data": answer.data, "status": answer.status, "headers": headers });
        if let Some(failed) = failed {
            told["errors"] = failed
                .details
                .map_or(Value::Null, |mut d| d["errors"].take());
        }
        if let Some(edited) = &self.edited {
            told["editedArguments"] = edited.clone();
        }
        Ok(told)
    }
}

/// The error of a call that was still asked about when its task ended.
pub(super) fn withdrawn(task: &TaskId, tool: &str) -> ToolError {
    ToolError::new(
        ToolErrorCode::ApprovalDenied,
        tool,
        format!("task {task} ended before anybody answered; nothing was sent"),
    )
}
