//! A task: one run of one program, from queued to its one outcome.

use crate::access::Channel;
use crate::limits::Limits;
use crate::tenancy::Role;
use crate::{
    AccountId, CredentialId, GrantId, KeyId, OrganizationId, TaskId, Timestamp, WorkspaceId,
};

/// The last word on a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The program returned; its value as JSON text, or a handle where it was too large.
    Completed(String),
    /// The program threw, or could not go on.
    Failed(TaskError),
    /// A limit on time was passed.
    TimedOut(TaskError),
    /// A call was refused and the program did not catch it.
    Denied(TaskError),
    /// A person or client ended it.
    Canceled,
}

/// Why a task did not complete.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TaskError {
    /// A stable code, such as `thrown`, `compute_limit`, `replay_diverged` or a tool error's code.
    pub code: String,
    /// What went wrong, in sentences.
    pub message: String,
    /// The line of the TypeScript, from 1, where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
    /// The column, from 1, where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<u32>,
    /// The program's own stack, in positions of the TypeScript.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stack: Option<String>,
}

impl TaskError {
    /// An error without a position.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            line: None,
            column: None,
            stack: None,
        }
    }
}

/// Where a task stands. `waiting` is no state of its own: it is a running or suspended task that
/// has a pending approval and nothing else to do ([`Task::shown_status`]).
#[derive(Debug, Clone, PartialEq)]
pub enum TaskState {
    /// No server has begun it.
    Queued,
    /// A server runs it under a lease.
    Running,
    /// Its sandbox was released while a person is asked; an answer queues it again.
    Suspended,
    /// It has ended.
    Finished(Outcome),
}

impl TaskState {
    /// The name stored in the database.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Finished(outcome) => outcome.as_str(),
        }
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Finished(_))
    }
}

impl Outcome {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Completed(_) => "completed",
            Self::Failed(_) => "failed",
            Self::TimedOut(_) => "timed_out",
            Self::Denied(_) => "denied",
            Self::Canceled => "canceled",
        }
    }

    /// The error, unless it completed or was canceled.
    #[must_use]
    pub fn error(&self) -> Option<&TaskError> {
        match self {
            Self::Completed(_) | Self::Canceled => None,
            Self::Failed(e) | Self::TimedOut(e) | Self::Denied(e) => Some(e),
        }
    }
}

/// A task as recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its identifier.
    pub id: TaskId,
    /// The organization it belongs to.
    pub organization_id: OrganizationId,
    /// The workspace it belongs to.
    pub workspace_id: WorkspaceId,
    /// Whose task it is: calls are decided for this person.
    pub account_id: AccountId,
    /// That person's role when the task was submitted.
    pub role: Role,
    /// Through what it came in.
    pub channel: Channel,
    /// What the client called itself.
    pub client: String,
    /// The API key it came in with, if it came with one.
    pub key_id: Option<KeyId>,
    /// The grant of the token it came in with, if it came with one.
    pub grant_id: Option<GrantId>,
    /// The program as sent.
    pub code: String,
    /// The runtime it runs in.
    pub runtime_id: String,
    /// What the submitter attached, as JSON text of an object.
    pub metadata: String,
    /// The limits it lives under.
    pub limits: Limits,
    /// 32 bytes in hexadecimal: the source of everything random in it.
    pub seed: String,
    /// Digests of source, compiled program and engine that replay must find again.
    pub pins: Pins,
    /// Where it stands.
    pub state: TaskState,
    /// Whether an approval is pending, and whether any call is under way.
    pub activity: Activity,
    /// How many log lines are recorded.
    pub log_lines: u32,
    /// How many times a server has begun it; a task that goes on from another's record counts that
    /// one as the first.
    pub attempts: u32,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When a server first began it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The starts of its sandbox, in order, as far as they are kept ([`SandboxStart::kept`]).
    pub sandbox_starts: Vec<SandboxStart>,
}

/// One start of a task's sandbox: the first, or one to take up a task that was suspended, or that
/// another server or a lost sandbox left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxStart {
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When the program was in it.
    pub began_at: Timestamp,
}

impl SandboxStart {
    /// How many starts of a task are kept: the first, and of the others the latest.
    pub const KEPT_MAX: usize = 16;

    /// Those that are kept of all starts, and of one more.
    #[must_use]
    pub fn kept(mut starts: Vec<Self>, next: Self) -> Vec<Self> {
        starts.push(next);
        if starts.len() > Self::KEPT_MAX {
            starts.remove(1);
        }
        starts
    }
}

/// What replay must find unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Pins {
    /// SHA-256 of the program as sent.
    pub source: String,
    /// SHA-256 of the compiled program.
    pub code: String,
    /// Digest of engine image, prelude and wire.
    pub engine: String,
    /// Where it goes on from another task's record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fork: Option<Fork>,
    /// The credential that a person chose for its calls; none where each takes the one that its source
    /// finds first. It gives no right: whether it may be used is asked at each call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run_as: Option<CredentialId>,
}

/// A task that goes on from another's record: the outcomes of its first calls are that task's, and
/// nothing of them was sent for this one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fork {
    /// The task whose record it goes on from.
    pub task_id: TaskId,
    /// The first call that it makes itself.
    pub from_call: u32,
    /// When the program's clock begins: where that task's did.
    pub clock: Timestamp,
}

/// What a live task is busy with, counted by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// Approvals that are pending.
    pub approvals_pending: u32,
    /// Calls that are under way.
    pub calls_running: u32,
}

impl Task {
    /// Where the program's clock begins: when the task was submitted, or the one it goes on from.
    #[must_use]
    pub fn clock_begins(&self) -> Timestamp {
        self.pins.fork.as_ref().map_or(self.created_at, |f| f.clock)
    }

    /// The status people see.
    #[must_use]
    pub fn shown_status(&self) -> &'static str {
        match &self.state {
            TaskState::Queued => "queued",
            TaskState::Running | TaskState::Suspended => {
                let waiting =
                    self.activity.approvals_pending > 0 && self.activity.calls_running == 0;
                if waiting { "waiting" } else { "running" }
            }
            TaskState::Finished(outcome) => outcome.as_str(),
        }
    }
}

/// A server's right to write about a task: the number rises each time the task changes hands, and
/// a write with an older number is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The task.
    pub task_id: TaskId,
    /// The fencing number.
    pub fence: i64,
}
