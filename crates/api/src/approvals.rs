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
    /// The task that asks.
    pub task_id: String,
    /// The call it is about.
    pub call_id: String,
    /// The call's place in the task.
    pub sequence: u32,
    /// The tool's path.
    pub tool: String,
    /// `send`, or `send_again` where the server died while the call was under way.
    pub question: String,
    /// The arguments, drawn from the stored text that will be used.
    pub arguments: Value,
    /// The request exactly as it will be sent, without its credential.
    #[schema(value_type = Object)]
    pub request: Value,
    /// `pending`, `approved`, `denied`, `expired` or `withdrawn`.
    pub status: String,
    /// The tool's risk.
    pub risk: String,
    /// The rule that asks; null where it is the default for the risk.
    pub rule: Option<String>,
    /// Why the call was stopped, in a sentence.
    pub why: String,
    /// The person whose task it is.
    pub requested_by: String,
    /// The page on which to answer.
    pub url: String,
    /// When it was asked.
    pub created_at: String,
    /// When it expires unless answered.
    pub expires_at: String,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
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

/// An answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// Why, for the program and the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The digest that was seen; a different one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// A rule to store with the answer: one that allows with a yes, one that denies with a no. It is
    /// tried on this call first; one that would not decide it is refused, and nothing is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember: Option<crate::policies::NewRule>,
}
