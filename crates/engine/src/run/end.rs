//! How a task ends: what is still open is settled, then the last word is written, once.

use super::calls::{CallState, withdrawn};
use super::record::handle_for;
use super::{End, Run};
use crate::live::Doing;
use crate::tasks::{TaskView, task_event};
use crate::{Engine, Error, gate};
use domain::access::Scope;
use domain::approval::Approval;
use domain::call::CallStatus;
use domain::event::EventKind;
use domain::limits::{Limit, Limits};
use domain::task::{Activity, Lease, Outcome, Task, TaskError, TaskState};
use domain::tool::{ToolError, ToolErrorCode};
use domain::{HandleId, Timestamp};
use sandbox::{Failure, FailureCode};
use std::sync::Arc;

/// How long calls under way may still answer after a task was canceled or ran out of time.
const LAST_ANSWERS_MS: u64 = 5_000;

impl Run<'_> {
    /// The program has ended: waits for the answers of calls that it did not await.
    pub(super) async fn settle_ended(&mut self) -> Result<Option<End>, Error> {
        self.settle_undelivered();
        let Some(outcome) = self.ended.clone() else {
            return Ok(None);
        };
        let patient = matches!(
            outcome,
            Outcome::Completed(_) | Outcome::Failed(_) | Outcome::Denied(_)
        );
        if !self.in_flight.is_empty() {
            let now = self.now();
            let since = *self.waiting_since.get_or_insert(now);
            if patient || now.since(since) < LAST_ANSWERS_MS {
                self.write_all().await?;
                return Ok(None);
            }
        }
        Ok(Some(End::Outcome(outcome)))
    }

    /// Writes the end of the run.
    pub(super) async fn close(mut self, end: End) -> Result<Doing, Error> {
        let outcome = match end {
            End::Outcome(outcome) => outcome,
            End::Suspended => return Ok(Doing::Released),
            End::LeftAsRecorded => {
                self.leave().await?;
                return Ok(Doing::Released);
            }
        };
        // Nobody will know the outcome of what is still under way; what was asked is withdrawn.
        let open: Vec<(u32, CallStatus)> = self
            .calls
            .iter()
            .filter_map(|(sequence, state)| {
                let call = self.made.get(sequence)?;
                Some(match state {
                    CallState::InFlight => (*sequence, CallStatus::Unknown),
                    // Asked about because it may have happened.
                    CallState::Asked if call.sent_at.is_some() => (*sequence, CallStatus::Unknown),
                    CallState::Asked => {
                        let error = withdrawn(&self.task.id, &call.binding.tool);
                        (*sequence, CallStatus::Denied(error))
                    }
                    CallState::Ready | CallState::Recorded => return None,
                })
            })
            .collect();
        self.ready.extend(open);
        self.settle_undelivered();
        let last = LastWord::new(&self.scope, &self.task, &self.lease, outcome, self.now());
        let written = last.clone();
        let approvals = self.commit(move |tx| written.write(tx)).await?;
        Ok(Doing::Finished(Arc::new(last.view(self.task, approvals))))
    }
}

/// Ends a task that could not even be begun.
pub(super) async fn finish_without_run(
    engine: &Engine,
    scope: &Scope,
    task: Task,
    lease: &Lease,
    outcome: Outcome,
) -> Result<TaskView, Error> {
    let mut last = LastWord::new(scope, &task, lease, outcome, engine.inner.clock.now());
    last.leaves_open = true;
    let written = last.clone();
    let approvals = engine.commit(scope, move |tx| written.write(tx)).await?;
    Ok(last.view(task, approvals))
}

/// Cancels a task that no server runs: what is open of it is settled as at any other end. False if
/// a server runs it or it has ended.
pub(crate) fn cancel_at_rest(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    task: &Task,
    owner: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let Some(lease) = store::tasks::take_over(tx, scope, &task.id, owner)? else {
        return Ok(false);
    };
    let mut last = LastWord::new(scope, task, &lease, Outcome::Canceled, now);
    last.leaves_open = true;
    last.write(tx)?;
    Ok(true)
}

/// The end of a task, to be written once.
#[derive(Clone)]
struct LastWord {
    scope: Scope,
    lease: Lease,
    outcome: Outcome,
    /// The whole result where the outcome is only a handle to it.
    large: Option<(HandleId, Arc<str>)>,
    /// Whether calls may be open that no run has taken up: those of a server before.
    leaves_open: bool,
    at: Timestamp,
}

impl LastWord {
    fn new(scope: &Scope, task: &Task, lease: &Lease, outcome: Outcome, at: Timestamp) -> Self {
        let limit = task.limits.inline_result_bytes;
        let mut large = None;
        let mut outcome = outcome;
        if let Outcome::Completed(text) = &outcome
            && text.len() as u64 > limit
        {
            let (id, handle) = handle_for(text);
            large = Some((id, text.as_str().into()));
            outcome = Outcome::Completed(handle);
        }
        Self {
            scope: scope.clone(),
            lease: lease.clone(),
            outcome,
            large,
            leaves_open: task.attempts > 1,
            at,
        }
    }

    fn write(&self, tx: &mut store::Tx<'_>) -> Result<Vec<Approval>, Error> {
        let (scope, id) = (&self.scope, &self.lease.task_id);
        if let Some((handle, text)) = &self.large {
            store::handles::insert(tx, scope, handle, id, text, self.at)?;
        }
        if self.leaves_open {
            self.settle_open(tx)?;
        }
        for approval in store::approvals::withdraw_pending(tx, scope, id)? {
            gate::approval_event(tx, scope, &approval, self.at)?;
        }
        store::tasks::finish(tx, &self.lease, &self.outcome, self.at)?;
        task_event(tx, scope, id, self.outcome.as_str(), self.at)?;
        Ok(store::approvals::for_task(tx, scope, id)?)
    }

    /// What was asked is withdrawn; of what was under way nobody will know the outcome.
    fn settle_open(&self, tx: &mut store::Tx<'_>) -> Result<(), Error> {
        let (scope, id, at) = (&self.scope, &self.lease.task_id, self.at);
        for call in store::calls::open(tx, scope, id)? {
            let status = if call.is_waiting {
                CallStatus::Denied(withdrawn(id, &call.tool))
            } else {
                CallStatus::Unknown
            };
            store::calls::record_outcome(tx, &self.lease, call.sequence, &status, at, None)?;
            let kind = EventKind::Call {
                call_id: call.id,
                sequence: call.sequence,
                tool: call.tool,
                status: status.as_str().to_owned(),
            };
            store::events::append(tx, scope, Some(id), at, &kind)?;
        }
        Ok(())
    }

    fn view(self, mut task: Task, approvals: Vec<Approval>) -> TaskView {
        task.state = TaskState::Finished(self.outcome);
        task.finished_at = Some(self.at);
        task.activity = Activity::default();
        TaskView {
            task,
            approvals,
            calls: None,
        }
    }
}

/// The error of a program that passed a limit: which, what it is, and what to do.
fn passed(code: &str, name: &str, value: String, limit: Limit, instead: &str) -> TaskError {
    let raise = limit.how_to_raise();
    TaskError::new(
        code,
        format!("the program passed its limit {name} of {value}; {instead}; {raise}"),
    )
}

/// The error of a task that ran out of time.
pub(super) fn wall_limit(wall_ms: u64) -> TaskError {
    TaskError::new(
        "wall_limit",
        format!(
            "the task ran longer than its limit wall of {wall_ms} ms (the time a person is asked \
             does not count); give timeoutMs, or --timeout, up to {} ms",
            domain::limits::TIMEOUT_MS_MAX
        ),
    )
}

/// What a failure of the program means for the task.
pub(super) fn failed(failure: Failure, limits: &Limits) -> Outcome {
    let tool_error = failure
        .tool_error
        .as_deref()
        .and_then(|text| serde_json::from_str::<ToolError>(text).ok());
    let mut error = match failure.code {
        FailureCode::Thrown => {
            let code = tool_error.as_ref().map_or("thrown", |e| e.code.as_str());
            let message = match failure.name.as_str() {
                "" | "Error" | "ToolError" => failure.message.clone(),
                name => format!("{name}: {}", failure.message),
            };
            TaskError::new(code, message)
        }
        FailureCode::NeverSettles => TaskError::new(
            "never_settles",
            "the program waits for a promise that nothing will ever resolve: no call is under way \
             and no timer is set",
        ),
        FailureCode::ComputeLimit => passed(
            "compute_limit",
            "compute",
            format!("{} ms", limits.compute_ms),
            Limit::ComputeMs,
            "do less computing in the program, or let a tool do it",
        ),
        FailureCode::MemoryLimit => passed(
            "memory_limit",
            "memory",
            format!("{} bytes", limits.memory_bytes),
            Limit::MemoryBytes,
            "hold less at once, page through large results",
        ),
        FailureCode::StackLimit => {
            TaskError::new("stack_limit", "the program calls itself too deeply")
        }
        FailureCode::LogLimit => passed(
            "log_limit",
            "log",
            format!("{} bytes", limits.log_bytes),
            Limit::LogBytes,
            "log less",
        ),
        FailureCode::CallLimit => passed(
            "call_limit_exceeded",
            "calls",
            limits.calls.to_string(),
            Limit::Calls,
            "make fewer calls, or split the work into several tasks",
        ),
        FailureCode::ResultLimit => passed(
            "result_limit",
            "result",
            format!("{} bytes", limits.tool_result_bytes),
            Limit::ToolResultBytes,
            "return less, or the part that is needed",
        ),
        FailureCode::Internal => TaskError::new("internal", failure.message.clone()),
    };
    error.line = failure.line;
    error.column = failure.column;
    error.stack = (!failure.stack.is_empty()).then_some(failure.stack);
    let denied = tool_error.is_some_and(|e| {
        matches!(
            e.code,
            ToolErrorCode::DeniedByPolicy | ToolErrorCode::ApprovalDenied
        )
    });
    if denied {
        Outcome::Denied(error)
    } else if failure.code == FailureCode::ComputeLimit {
        Outcome::TimedOut(error)
    } else {
        Outcome::Failed(error)
    }
}
