//! Tasks, their calls and logs.

use crate::approvals::Approval;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A program to run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTask {
    /// TypeScript or JavaScript: the body of an async function.
    pub code: String,
    /// Wall time in milliseconds, not counting the time a person is asked; at most 600000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The runtime; `isolate` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_id: Option<String>,
    /// An object to keep with the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// How long to wait for the end, or for a question to a person, before answering: milliseconds,
    /// 0 to 60000; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// Where a new task goes on from another one's record.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewFork {
    /// The first call that is made anew, from 1 to one more than the task made. What the calls before
    /// gave is given again, and none of them is sent.
    pub from_call: u32,
    /// Another program, which must make the same calls up to there; the same by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Wall time in milliseconds, not counting the time a person is asked; at most 600000. That of
    /// the other task by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Whose record a task goes on from.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forked {
    /// The other task.
    pub task_id: String,
    /// The first call that this one makes itself; those before are the other task's, and were not
    /// sent again.
    pub from_call: u32,
}

/// One run of one program.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// `task_…`
    pub id: String,
    /// `queued`, `running`, `waiting`, `completed`, `failed`, `timed_out`, `denied` or `canceled`.
    pub status: String,
    /// The workspace it runs in.
    pub workspace_id: String,
    /// The person whose task it is.
    pub requested_by: String,
    /// Through what it came: `dashboard`, `cli`, `api` or `mcp`.
    pub channel: String,
    /// What the client calls itself.
    pub client: String,
    /// The API key that it came with, as `key_…`; absent where it came without.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// What a client was granted whose token it came with, as `grant_…`; absent where it came without.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grant: Option<String>,
    /// The runtime it runs in.
    pub runtime_id: String,
    /// Wall time that it may take in milliseconds, not counting the time a person is asked.
    pub timeout_ms: u64,
    /// The program as sent.
    pub code: String,
    /// What the submitter attached.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// What the program returned, once completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it did not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
    /// The approvals it is or was asked about, the oldest first.
    pub approvals: Vec<Approval>,
    /// Where it goes on from another task's record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub forked_from: Option<Forked>,
    /// The credential that was chosen for its calls, as `cred_…`; absent where each carries the one
    /// that its source finds first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run_as: Option<String>,
    /// How many calls it has made so far; absent where the task was only just begun or waited for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub calls: Option<u32>,
    /// How many lines it has logged.
    pub log_lines: u32,
    /// When it was submitted.
    pub created_at: String,
    /// When a server first began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// The starts of its sandbox, the oldest first: one when it began, and one each time that it was
    /// taken up again after it was suspended, or its server or sandbox was lost. Noted with what the
    /// task records next, so that a program that neither calls nor logs has one when it ends; of
    /// more than 16 the first and the latest. Absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sandbox_starts: Vec<SandboxStart>,
}

/// One start of a task's sandbox.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxStart {
    /// When it was asked for.
    pub asked_at: String,
    /// How long it took until the program was in it, in milliseconds.
    pub took_ms: u64,
}

/// Why a task did not complete.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskError {
    /// A stable code.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// The line of the program, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The program's stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

/// One call of a task.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// `call_…`
    pub id: String,
    /// Its place in the task, from 1.
    pub sequence: u32,
    /// The tool's path.
    pub tool: String,
    /// The arguments.
    pub arguments: Value,
    /// `waiting`, `running`, `succeeded`, `failed`, `denied` or `unknown`.
    pub status: String,
    /// The tool's risk.
    pub risk: String,
    /// What policy said: `allow`, `ask` or `deny`.
    pub decision: String,
    /// The rule that said so; absent where it was the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The version of the policy that decided.
    pub policy_version: i64,
    /// True where the tool is described otherwise now, or is gone; absent otherwise, and where one
    /// call was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tool_changed: bool,
    /// The credential that went along with it; absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CallCredential>,
    /// The line of the program that made it, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The tool's data, once succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The error, once failed or denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
    /// When the program made it.
    pub started_at: String,
    /// When it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<String>,
    /// When its outcome was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
}

/// The credential that went along with a call, never its value.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallCredential {
    /// `cred_…`
    pub id: String,
    /// Whom it serves: `personal`, `workspace` or `organization`; absent once it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What tells it apart from others of its source, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A line that a program logged.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// Its place among the task's lines, from 1.
    pub line: u32,
    /// `debug`, `log`, `info`, `warn` or `error`.
    pub level: String,
    /// The text.
    pub text: String,
    /// When it was recorded.
    pub at: String,
}

/// A part of a value that was too large to be carried whole.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResultPart {
    /// The part: text of the value's JSON from `offset`.
    pub text: String,
    /// Where the part begins, in bytes.
    pub offset: u64,
    /// How long the whole JSON is, in bytes.
    pub bytes: u64,
    /// Where to read on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<u64>,
}

/// Who has sent tasks, or listed the tools over MCP, lately.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenClients {
    /// Since when was looked.
    pub since: String,
    /// The clients, the latest first.
    pub items: Vec<SeenClient>,
}

/// Which client to stop: whatever comes with a key, or what calls itself so for one person and over one
/// way in, as the list of clients names it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StopClient {
    /// The key. With one, leave out `client`, `channel` and `account`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What it calls itself; empty for one that says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Through what its tasks come: `mcp`, `api`, `cli`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Whose tasks they are; the caller's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Why, for its programs and the record: 2,000 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether a rule at the head of the workspace's denies whatever it calls from now on. For those who
    /// may make such rules.
    #[serde(default)]
    pub pause: bool,
}

/// What came of stopping a client.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoppedClient {
    /// Questions that were denied. Those that the caller may not answer were withdrawn with their tasks.
    pub denied: u32,
    /// Tasks that were canceled.
    pub canceled: u32,
    /// The rule that pauses it; absent where it is not paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// What one client has sent for one person.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenClient {
    /// What it calls itself; may be empty.
    pub client: String,
    /// Through what its tasks came: `dashboard`, `cli`, `api` or `mcp`.
    pub channel: String,
    /// Whose tasks they are.
    pub account: String,
    /// The API key that it came with, as `key_…`; absent where it came without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How many tasks; 0 for a client of MCP that has only listed the tools so far.
    pub tasks: u64,
    /// How many of them have not ended.
    pub open: u64,
    /// How many approvals of theirs are pending.
    pub pending: u64,
    /// How many calls its tasks of the last 24 hours have made.
    pub calls_in_day: u64,
    /// When the first of them was submitted; where there is none, when it first listed the tools.
    pub first_at: String,
    /// When the last was; where there is none, when it last listed the tools.
    pub last_at: String,
    /// What it was shown when it last listed the tools over MCP; absent where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<ListedTools>,
}

/// What a client was shown when it listed the tools.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedTools {
    /// How many tools.
    pub tools: u32,
    /// When that was, to an hour where nothing changed.
    pub at: String,
}
