//! What the answers of people mean for a call that is not sent by them: refused, expired, withdrawn,
//! or said to have happened.

use domain::approval::{Answered, Approval, ApprovalStatus, Question};
use domain::call::{Call, CallStatus};
use domain::tool::{ToolError, ToolErrorCode};
use serde_json::{Value, json};

/// How a call ends by an answer that sends nothing; none if the answer is that it may be sent.
pub(super) fn without_sending(call: &Call, approval: &Approval) -> Option<CallStatus> {
    match (&approval.status, approval.question) {
        // However it was answered, the source hears of it.
        (ApprovalStatus::Approved(_), _) | (_, Question::Input) => None,
        (ApprovalStatus::Happened(_, value), _) => {
            Some(CallStatus::Succeeded(happened(call, value)))
        }
        // Nobody knows whether it happened, and nobody is going to find out.
        (
            ApprovalStatus::Denied(_)
            | ApprovalStatus::Expired
            | ApprovalStatus::Withdrawn(_)
            | ApprovalStatus::Pending,
            Question::SendAgain,
        ) => Some(CallStatus::Unknown),
        (ApprovalStatus::Denied(answered), Question::Send) => {
            Some(CallStatus::Denied(denied(approval, answered)))
        }
        (ApprovalStatus::Withdrawn(Some(answered)), Question::Send) => {
            Some(CallStatus::Denied(taken_back(approval, answered)))
        }
        (
            ApprovalStatus::Pending | ApprovalStatus::Expired | ApprovalStatus::Withdrawn(None),
            Question::Send,
        ) => Some(CallStatus::Failed(expired(approval))),
    }
}

/// Whether the program wants status and headers beside the data.
pub(super) fn wants_meta(options: &str) -> bool {
    serde_json::from_str::<Value>(options).is_ok_and(|o| o["meta"] == Value::Bool(true))
}

/// What a person says that the call gave, in the form in which the program wants it. Status and
/// headers are not known.
fn happened(call: &Call, value: &str) -> String {
    if !wants_meta(&call.options) {
        return value.to_owned();
    }
    let data = serde_json::from_str(value).unwrap_or(Value::Null);
    json!({ "data": data, "status": null, "headers": {} }).to_string()
}

fn because(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

fn denied(approval: &Approval, answered: &Answered) -> ToolError {
    let (tool, reason) = (&approval.binding.tool, &answered.reason);
    let text = format!("a reviewer denied the call to {tool}{}", because(reason));
    ToolError::new(ToolErrorCode::ApprovalDenied, tool, text)
        .with_details(json!({ "approval": approval.id, "reason": reason }))
}

fn taken_back(approval: &Approval, answered: &Answered) -> ToolError {
    let (tool, reason) = (&approval.binding.tool, &answered.reason);
    let text = format!(
        "the approval of {tool} was withdrawn{}; nothing was sent",
        because(reason)
    );
    ToolError::new(ToolErrorCode::ApprovalDenied, tool, text)
        .with_details(json!({ "approval": approval.id, "reason": reason, "withdrawn": true }))
}

fn expired(approval: &Approval) -> ToolError {
    let tool = &approval.binding.tool;
    let text = format!("nobody answered the approval of {tool} in time; nothing was sent");
    ToolError::new(ToolErrorCode::ApprovalExpired, tool, text)
        .with_details(json!({ "approval": approval.id }))
}

#[cfg(test)]
mod tests;
