//! Events of a workspace or task, as sent on streams. The stream's event id is the sequence.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its number in the workspace, without gaps.
    pub sequence: i64,
    /// On a stream, the number of the event that was sent before it, or the one after which the
    /// stream began. A reader who has seen another number last has missed something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<i64>,
    /// The task it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// When it happened.
    pub at: String,
    /// What kind of event it is; the fields of `data` depend on it.
    #[serde(rename = "type")]
    #[schema(value_type = EventType)]
    pub kind: String,
    /// The fields of its kind.
    #[schema(value_type = Object)]
    pub data: Value,
}

/// The kinds of events. A reader skips those that it does not know: there may be more one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventType {
    /// A task was submitted, began, was suspended or ended.
    Task,
    /// The program logged a line.
    Log,
    /// A call changed its status.
    Call,
    /// The source of a call says how far it is.
    Progress,
    /// An approval was asked for, changed or resolved.
    Approval,
    /// A source was added, refreshed, changed or removed.
    Source,
    /// A credential was connected, ceased to work, or was given back by its source.
    Credential,
    /// A client of MCP listed the tools for the first time, or was shown another number of them.
    Client,
    /// A worker of the sandbox was lost.
    Sandbox,
    /// The settings of the workspace changed.
    Settings,
    /// The policy changed.
    Policy,
    /// A webhook was added, changed or removed, or began or ceased to fail.
    Webhook,
}

impl EventType {
    /// The name, as in `type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Log => "log",
            Self::Call => "call",
            Self::Progress => "progress",
            Self::Approval => "approval",
            Self::Source => "source",
            Self::Credential => "credential",
            Self::Client => "client",
            Self::Sandbox => "sandbox",
            Self::Settings => "settings",
            Self::Policy => "policy",
            Self::Webhook => "webhook",
        }
    }
}
