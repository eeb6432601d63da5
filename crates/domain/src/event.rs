//! What happened in a workspace, in the order in which it became durable. Streams read these.

use crate::{
    AccountId, ApprovalId, CallId, CredentialId, KeyId, SourceId, TaskId, Timestamp, WebhookId,
};

/// Severity of a line that a program logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// `console.debug`
    Debug,
    /// `console.log`
    Log,
    /// `console.info`
    Info,
    /// `console.warn`
    Warn,
    /// `console.error`
    Error,
}

impl LogLevel {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Log => "log",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Something that happened. Serialized as `{ "type": …, … }` in the events table and on streams.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum EventKind {
    /// A task was submitted, began, was suspended or ended; `status` as people see it.
    #[serde(rename = "task")]
    Task {
        /// The status the task went to.
        status: String,
    },
    /// The program logged a line.
    #[serde(rename = "log")]
    Log {
        /// The line's place among the task's lines, from 1.
        line: u32,
        /// Its severity.
        level: LogLevel,
        /// Its text.
        text: String,
    },
    /// A call changed its status.
    #[serde(rename = "call")]
    Call {
        /// The call.
        call_id: CallId,
        /// Its place in the task.
        sequence: u32,
        /// The tool.
        tool: String,
        /// The status it went to.
        status: String,
    },
    /// The source of a call says how far it is, or was refused something in the middle of it.
    #[serde(rename = "progress")]
    Progress {
        /// The call.
        call_id: CallId,
        /// Its place in the task.
        sequence: u32,
        /// The tool.
        tool: String,
        /// The source's words, on one line.
        text: String,
    },
    /// An approval was asked for or resolved.
    #[serde(rename = "approval")]
    Approval {
        /// The approval.
        approval_id: ApprovalId,
        /// The tool it is about.
        tool: String,
        /// The status it went to.
        status: String,
    },
    /// A source was added, refreshed, changed or removed.
    #[serde(rename = "source")]
    Source {
        /// The source.
        source_id: SourceId,
        /// What happened: `added`, `refreshed`, `changed`, `removed`.
        change: String,
    },
    /// A credential was connected, ceased to work, or was given back by its source.
    #[serde(rename = "credential")]
    Credential {
        /// The credential.
        credential_id: CredentialId,
        /// The source it opens.
        source_id: SourceId,
        /// What happened: `connected`, `reauthorization_required`, `error`, `recovered`, or `echoed`:
        /// its source gave back a piece of it.
        change: String,
    },
    /// A client of MCP listed the tools for the first time, or was shown another number of them.
    #[serde(rename = "client")]
    Client {
        /// What it calls itself; may be empty.
        client: String,
        /// For whom it comes.
        account_id: AccountId,
        /// The API key it comes with, if it comes with one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key_id: Option<KeyId>,
        /// How many tools it was shown.
        tools: u32,
    },
    /// A worker of the sandbox was lost, and the tasks in it are rebuilt.
    #[serde(rename = "sandbox")]
    Sandbox {
        /// What kind of end it was, such as `forbidden_call`.
        reason: String,
        /// How many tasks were in it.
        tasks: u32,
    },
    /// The settings of the workspace changed.
    #[serde(rename = "settings")]
    Settings {},
    /// The policy changed.
    #[serde(rename = "policy")]
    Policy {
        /// Its new version.
        version: i64,
    },
    /// A webhook was added, changed or removed, or began or ceased to fail.
    #[serde(rename = "webhook")]
    Webhook {
        /// The webhook.
        webhook_id: WebhookId,
        /// What happened: `added`, `changed`, `rotated`, `removed`, `failing`, `recovered`, `gave_up`
        /// or `disabled`.
        change: String,
    },
}

/// An event as recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number in the workspace: rises by one with each event, without gaps.
    pub sequence: i64,
    /// The task it is about, if any.
    pub task_id: Option<TaskId>,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}
