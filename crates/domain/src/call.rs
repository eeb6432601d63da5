//! One call of a task: a line of the journal, and the proof that it was decided.

use crate::approval::Approval;
use crate::policy::{Decision, Effect};
use crate::tool::{Risk, ToolError, ToolErrorCode};
use crate::{CallId, RuleId, SourceId, TaskId, Timestamp};

/// What a decision, an approval and a sent call are bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The task.
    pub task_id: TaskId,
    /// The call's place in the task, from 1.
    pub sequence: u32,
    /// The tool's path.
    pub tool: String,
    /// The tool's definition.
    pub definition_digest: String,
    /// The canonical arguments.
    pub arguments_digest: String,
    /// The policy that decided.
    pub policy_version: i64,
}

/// Proof that one call was decided: allowed by policy, or approved by a person. It is bound to the
/// call and used up by sending it. Only [`Admission::by_policy`] and [`Admission::by_approval`]
/// make one.
#[derive(Debug)]
pub struct Admission {
    binding: Binding,
}

impl Admission {
    /// From a decision that allows.
    #[must_use]
    pub fn by_policy(decision: &Decision, binding: Binding) -> Option<Self> {
        let allowed = matches!(decision.effect, Effect::Allow)
            && decision.policy_version == binding.policy_version;
        allowed.then_some(Self { binding })
    }

    /// From an approval that was granted for exactly this call.
    #[must_use]
    pub fn by_approval(approval: &Approval, binding: Binding) -> Option<Self> {
        (approval.status.is_approved() && approval.binding == binding).then_some(Self { binding })
    }

    /// What it admits.
    #[must_use]
    pub fn binding(&self) -> &Binding {
        &self.binding
    }
}

/// Where a call stands.
#[derive(Debug, Clone, PartialEq)]
pub enum CallStatus {
    /// Asked about; nothing sent.
    Waiting,
    /// The intent to send is durable; the answer is not.
    Running,
    /// Answered; the value is the tool's data as JSON text.
    Succeeded(String),
    /// Did not succeed.
    Failed(ToolError),
    /// Refused by policy or a person.
    Denied(ToolError),
    /// The server died between sending and recording.
    Unknown,
}

impl CallStatus {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded(_) => "succeeded",
            Self::Failed(_) => "failed",
            Self::Denied(_) => "denied",
            Self::Unknown => "unknown",
        }
    }

    /// The status that an error leads to.
    #[must_use]
    pub fn from_error(error: ToolError) -> Self {
        if error.code.is_denial() {
            Self::Denied(error)
        } else if error.code == ToolErrorCode::OutcomeUnknown {
            Self::Unknown
        } else {
            Self::Failed(error)
        }
    }
}

/// When an outcome was given to the program. Replay gives it again in this order, at these times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Its place among the task's deliveries, from 1.
    pub order: u32,
    /// What the program's clock read.
    pub now: Timestamp,
    /// The task's own time, in which no person was asked, in milliseconds.
    pub elapsed_ms: u64,
}

/// A call as recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its identifier.
    pub id: CallId,
    /// What it is bound to.
    pub binding: Binding,
    /// The source of the tool; none for built-in look-ups and unknown paths.
    pub source_id: Option<SourceId>,
    /// Canonical arguments, as JSON text.
    pub arguments: String,
    /// Digest over the options of the call, such as `{ meta: true }`, as JSON text.
    pub options: String,
    /// The tool's risk.
    pub risk: Risk,
    /// What policy said.
    pub decision: &'static str,
    /// The rule that said so, if it was not the default.
    pub rule_id: Option<RuleId>,
    /// Line and column of the call in the program, where known.
    pub position: Option<(u32, u32)>,
    /// Where it stands.
    pub status: CallStatus,
    /// When the program made it.
    pub started_at: Timestamp,
    /// When it was about to be sent.
    pub sent_at: Option<Timestamp>,
    /// When its outcome was recorded.
    pub finished_at: Option<Timestamp>,
    /// When its outcome was given to the program.
    pub delivery: Option<Delivery>,
}
