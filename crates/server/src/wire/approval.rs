//! An approval as people and programs see it. What is shown is drawn from the stored texts, which
//! are what is sent.

use super::{approval_url, json};
use api::approvals as wire;
use domain::Timestamp;
use domain::WorkspaceId;
use domain::approval::{
    Answered, Approval, ApprovalStatus, Assigned, Edited, Extended, Question, Yes,
};
use domain::elicitation::{Elicitation, Form, Part, Way};
use engine::ApprovalView;

/// An approval with what came of its call and the call that it is compared with.
pub(crate) fn view(v: &ApprovalView, workspace: &WorkspaceId, public_url: &str) -> wire::Approval {
    wire::Approval {
        call_status: v.call_status.clone(),
        previous: v.previous.as_ref().map(|call| wire::PreviousCall {
            task_id: call.task_id.to_string(),
            sequence: call.sequence,
            arguments: json(&call.arguments),
            sent_at: call.sent_at.map(Timestamp::to_rfc3339),
        }),
        ..approval(&v.approval, workspace, public_url)
    }
}

pub(crate) fn approval(a: &Approval, workspace: &WorkspaceId, public_url: &str) -> wire::Approval {
    let decided = match &a.status {
        ApprovalStatus::Withdrawn(by) => by.as_ref(),
        ApprovalStatus::Pending
        | ApprovalStatus::Approved(_)
        | ApprovalStatus::Happened(..)
        | ApprovalStatus::Denied(_)
        | ApprovalStatus::Expired => a.status.answered(),
    };
    let digest = a.digest();
    let for_this = a.yeses.iter().filter(|y| y.digest == digest);
    wire::Approval {
        id: a.id.to_string(),
        workspace_id: workspace.to_string(),
        task_id: a.binding.task_id.to_string(),
        call_id: a.call_id.to_string(),
        sequence: a.binding.sequence,
        tool: a.binding.tool.clone(),
        question: a.question.as_str().to_owned(),
        arguments: json(&a.arguments),
        request: match a.question {
            Question::Send | Question::SendAgain => json(&a.request),
            Question::Input => serde_json::Value::Null,
        },
        input: a.elicitation().map(|asked| input(&asked)),
        status: a.status.as_str().to_owned(),
        risk: a.risk.as_str().to_owned(),
        risk_reasons: a.reasons.clone(),
        previous: None,
        call_status: None,
        rule: a.rule_id.as_ref().map(ToString::to_string),
        why: a.why.clone(),
        requested_by: a.requested_by.to_string(),
        client: Some(a.client.clone()).filter(|client| !client.is_empty()),
        url: approval_url(a, public_url),
        created_at: a.created_at.to_rfc3339(),
        expires_at: a.expires_at.to_rfc3339(),
        extends_by_ms: u64::try_from(a.extends_by_ms()).unwrap_or(0),
        extended: a.extended.as_ref().map(extended),
        assigned: a.assigned.as_ref().map(assigned),
        needed: small(a.ask.needed()),
        missing: small(a.missing()),
        answers: for_this.map(yes).collect(),
        requester_may: a.ask.requester_may,
        approvers: a.ask.approvers.iter().map(ToString::to_string).collect(),
        may_edit: a.ask.may_edit && a.question == Question::Send,
        edited: a.edited.as_ref().map(edited),
        answer: answer(a).map(str::to_owned),
        value: match &a.status {
            ApprovalStatus::Happened(_, value) => Some(json(value)),
            ApprovalStatus::Pending
            | ApprovalStatus::Approved(_)
            | ApprovalStatus::Denied(_)
            | ApprovalStatus::Expired
            | ApprovalStatus::Withdrawn(_) => None,
        },
        decided_by: decided.map(|x| x.by.to_string()),
        decided_via: decided.map(|x| x.channel.as_str().to_owned()),
        decided_at: decided.map(|x| x.at.to_rfc3339()),
        reason: decided.and_then(reason),
        digest,
    }
}

fn input(asked: &Elicitation) -> wire::SourceQuestion {
    let part = |part: &Part| {
        let (url, host) = match &part.form {
            Form::Fields { .. } => (None, None),
            Form::Page { url, host } => (Some(url.clone()), Some(host.clone())),
        };
        wire::QuestionPart {
            key: part.key.clone(),
            kind: if url.is_some() { "page" } else { "form" }.to_owned(),
            message: part.message.clone(),
            warning: part.warning.clone(),
            schema: part.schema(),
            url,
            host,
        }
    };
    wire::SourceQuestion {
        source: asked.source.clone(),
        parts: asked.parts.iter().map(part).collect(),
        live: asked.way == Way::Live,
    }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn reason(answered: &Answered) -> Option<String> {
    Some(answered.reason.clone()).filter(|r| !r.is_empty())
}

fn yes(yes: &Yes) -> wire::Yes {
    let answered = &yes.answered;
    wire::Yes {
        by: answered.by.to_string(),
        via: answered.channel.as_str().to_owned(),
        at: answered.at.to_rfc3339(),
        reason: reason(answered),
    }
}

fn edited(edited: &Edited) -> wire::Edited {
    wire::Edited {
        by: edited.by.to_string(),
        via: edited.channel.as_str().to_owned(),
        at: Timestamp::to_rfc3339(edited.at),
        original_arguments: json(&edited.original),
    }
}

fn extended(extended: &Extended) -> wire::Extended {
    wire::Extended {
        by: extended.by.to_string(),
        via: extended.channel.as_str().to_owned(),
        at: extended.at.to_rfc3339(),
    }
}

fn assigned(assigned: &Assigned) -> wire::Assigned {
    wire::Assigned {
        to: assigned.to.to_string(),
        by: assigned.by.to_string(),
        at: assigned.at.to_rfc3339(),
    }
}

/// What was answered, in the words of the question.
fn answer(a: &Approval) -> Option<&'static str> {
    match (&a.status, a.question) {
        (ApprovalStatus::Approved(_), Question::Send) => Some("send"),
        (ApprovalStatus::Approved(_), Question::SendAgain) => Some("send_again"),
        (ApprovalStatus::Happened(..), Question::Input) => Some("answer"),
        (ApprovalStatus::Approved(_), Question::Input) => None,
        (ApprovalStatus::Denied(_), Question::Input) => Some("decline"),
        (ApprovalStatus::Happened(..), _) => Some("happened"),
        (ApprovalStatus::Denied(_), Question::Send) => Some("deny"),
        (ApprovalStatus::Denied(_), Question::SendAgain) => Some("fail"),
        (ApprovalStatus::Pending | ApprovalStatus::Expired | ApprovalStatus::Withdrawn(_), _) => {
            None
        }
    }
}
