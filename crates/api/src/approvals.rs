//! Approvals and answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A question to a person about one call.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// `appr_…`
    pub id: String,
    /// The workspace of its task.
    #[serde(default)]
    pub workspace_id: String,
    /// The task that asks.
    pub task_id: String,
    /// The call it is about.
    pub call_id: String,
    /// The call's place in the task.
    pub sequence: u32,
    /// The tool's path.
    pub tool: String,
    /// `send`; `send_again` where the server died while the call was under way; `input` where the
    /// source of the call asks something of the person who runs the task.
    pub question: String,
    /// The arguments, drawn from the stored text that will be used.
    pub arguments: Value,
    /// The request exactly as it will be sent, without its credential; null where nothing can be
    /// sent any more, and for the question `input`.
    #[schema(value_type = Option<Object>)]
    pub request: Value,
    /// What the source asks, for the question `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<SourceQuestion>,
    /// `pending`, `approved`, `denied`, `expired` or `withdrawn`.
    pub status: String,
    /// The call's risk: `read`, `write`, `destructive` or `unknown`.
    pub risk: String,
    /// Why it is that risk and what else makes the call weigh more, each in a few words: the method or
    /// what its source says, where it goes, wildcards, amounts and recipients in its arguments, who
    /// shares the credential, whether it is the first of its kind. What arguments say in it is theirs:
    /// show it as text.
    #[serde(default)]
    pub risk_reasons: Vec<String>,
    /// The call of the same tool that the same client last sent for the same person before this was
    /// asked; of a single approval only, and for those who may see that call's task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousCall>,
    /// The rule that asks; null where it is the default for the risk.
    pub rule: Option<String>,
    /// Why the call was stopped, in a sentence.
    pub why: String,
    /// The person whose task it is.
    pub requested_by: String,
    /// What the client of the task calls itself; absent where it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The page on which to answer.
    pub url: String,
    /// When it was asked.
    pub created_at: String,
    /// When it expires unless answered.
    pub expires_at: String,
    /// Milliseconds that extending it would add; 0 where it was extended before, is pending no more,
    /// or waits as long as anything may.
    #[serde(default)]
    pub extends_by_ms: u64,
    /// Who gave it more time; part of `expiresAt` already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended: Option<Extended>,
    /// Who looks after it. It changes nothing about who may answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned: Option<Assigned>,
    /// How many people must say yes.
    pub needed: u32,
    /// How many of them are still missing.
    pub missing: u32,
    /// Each yes so far to what is shown here.
    pub answers: Vec<Yes>,
    /// Whether whoever runs the task may answer.
    pub requester_may: bool,
    /// Who may answer besides administrators: people that the rule names.
    #[serde(default)]
    pub approvers: Vec<String>,
    /// Whether a reviewer may change the arguments.
    pub may_edit: bool,
    /// What a reviewer changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<Edited>,
    /// What was answered: `send`, `deny`; to `send_again` also `send_again`, `happened`, `fail`; to
    /// `input` `answer` or `decline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What the call gave, as a person says, with the answer `happened`; what was entered, with the
    /// answer `answer`: by the keys of the parts, then of the fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Who answered, or withdrew it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// Where the call stands that somebody let through: `succeeded`, `failed`, `denied` or `unknown`
    /// once it is over; `waiting` or `running` before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_status: Option<String>,
    /// Through what the answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_via: Option<String>,
    /// When it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<String>,
    /// The reviewer's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Digest of tool definition and arguments; give it back with the answer to be sure that what
    /// was seen is what is approved.
    pub digest: String,
}

/// A call that was sent before the one in question.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviousCall {
    /// Its task.
    pub task_id: String,
    /// Its place in the task, from 1.
    pub sequence: u32,
    /// Its arguments.
    pub arguments: Value,
    /// When it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<String>,
}

/// One yes of several.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Yes {
    /// Whose.
    pub by: String,
    /// Through what.
    pub via: String,
    /// When.
    pub at: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// That a reviewer changed the arguments.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Edited {
    /// Who did it last.
    pub by: String,
    /// Through what.
    pub via: String,
    /// When.
    pub at: String,
    /// The arguments as the program made them.
    pub original_arguments: Value,
}

/// That a question was given more time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Extended {
    /// By whom.
    pub by: String,
    /// Through what.
    pub via: String,
    /// When.
    pub at: String,
}

/// Who looks after a question.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assigned {
    /// Who looks after it.
    pub to: String,
    /// Who says so.
    pub by: String,
    /// When.
    pub at: String,
}

/// Who is to look after a question.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assignment {
    /// The identifier of somebody who may answer it, `me`, or `nobody`.
    pub assignee: String,
}

/// What a source asks of the person who runs the task, and of nobody else. Every text in it is the
/// source's own.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceQuestion {
    /// The name of the source that asks.
    pub source: String,
    /// What it asks, answered all at once.
    pub parts: Vec<QuestionPart>,
    /// Whether the source waits on an open connection: the question ends with that.
    pub live: bool,
}

/// A form to fill in, or a page to visit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestionPart {
    /// Its key in an answer.
    pub key: String,
    /// `form` or `page`.
    pub kind: String,
    /// The source's words.
    pub message: String,
    /// What to know before answering, in our words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// The fields of a form as a JSON Schema: an object of texts, numbers, booleans and choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub schema: Option<Value>,
    /// The address of a page. It begins with `https://`; secrets are entered there and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The host of that address, to be shown beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// What a source wanted to know.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// By the keys of the parts, each with its fields; of a single part its fields alone will do. A
    /// page that was visited has none.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub content: serde_json::Map<String, Value>,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The digest that was seen; a different one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What a call of unknown outcome gave, as a person found out.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Happened {
    /// The tool's data, which the program gets as the call's result.
    #[serde(default)]
    pub value: Value,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The digest that was seen; a different one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Other arguments, to see what they would send.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preview {
    /// All arguments of the call.
    #[schema(value_type = Object)]
    pub arguments: Value,
}

/// Why something is taken back.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Withdrawal {
    /// Why, for the program and the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// All arguments of the call, in place of the program's; with a yes only, and only where
    /// `mayEdit` is true. Policy decides about them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub arguments: Option<Value>,
    /// Why, for the program and the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The digest that was seen; a different one is refused. The dashboard names it with every yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whether the task ends with a no, in the same step: the program gets no answer that it could go
    /// on with. For those who may cancel the task.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
    /// A rule to store with the answer: one that allows with a yes, one that denies with a no. It is
    /// tried on this call first; one that would not decide it is refused, and nothing is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember: Option<crate::policies::NewRule>,
}

/// What can be looked at before an approval is answered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// The call that reads what would be changed; null where the source does not describe one.
    pub call: Option<ReadingCall>,
}

/// A call that reads. It is made like any other, by `POST /api/v1/tools/call`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadingCall {
    /// The tool's path.
    pub path: String,
    /// Its arguments.
    #[schema(value_type = Object)]
    pub arguments: Value,
    /// Which arguments of the approval's call say what it is about; the others are what it would
    /// change.
    pub identifying: Vec<String>,
}
