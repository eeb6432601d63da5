//! Every state of an approval with every question: how the call ends, or that it may be sent.

use super::*;
use domain::access::Channel;
use domain::call::Binding;
use domain::policy::Ask;
use domain::tool::Risk;
use domain::{AccountId, ApprovalId, CallId, TaskId, Timestamp};

fn call(options: &str) -> Call {
    Call {
        id: CallId::from_bits([2; 16]),
        binding: Binding {
            task_id: TaskId::from_bits([3; 16]),
            sequence: 1,
            tool: "a.b".into(),
            definition_digest: "d".into(),
            arguments_digest: "e".into(),
            policy_version: 1,
        },
        source_id: None,
        arguments: "{}".into(),
        options: options.into(),
        risk: Risk::Write,
        decision: "ask",
        rule_id: None,
        position: None,
        status: CallStatus::Waiting,
        started_at: Timestamp(0),
        sent_at: None,
        finished_at: None,
        delivery: None,
    }
}

fn approval(question: Question, status: ApprovalStatus) -> Approval {
    let call = call("{}");
    Approval {
        id: ApprovalId::from_bits([1; 16]),
        call_id: call.id,
        binding: call.binding,
        question,
        arguments: "{}".into(),
        request: "{}".into(),
        risk: Risk::Write,
        reasons: Vec::new(),
        previous: None,
        rule_id: None,
        why: String::new(),
        ask: Ask::default(),
        requested_by: AccountId::from_bits([4; 16]),
        client: String::new(),
        edited: None,
        status,
        yeses: Vec::new(),
        created_at: Timestamp(0),
        expires_at: Timestamp(100),
        extended: None,
        assigned: None,
    }
}

fn by() -> Answered {
    Answered {
        by: AccountId::from_bits([5; 16]),
        channel: Channel::Cli,
        at: Timestamp(10),
        reason: "too much".into(),
    }
}

/// The name of the call's status and, of an error, its code.
fn ends(question: Question, status: ApprovalStatus) -> Option<(&'static str, &'static str)> {
    let ended = without_sending(&call("{}"), &approval(question, status))?;
    let code = match &ended {
        CallStatus::Failed(error) | CallStatus::Denied(error) => error.code.as_str(),
        CallStatus::Succeeded(_)
        | CallStatus::Waiting
        | CallStatus::Running
        | CallStatus::Unknown => "",
    };
    Some((ended.as_str(), code))
}

#[test]
fn every_state_of_every_question() {
    use ApprovalStatus::{Approved, Denied, Expired, Happened, Pending, Withdrawn};
    for (status, send, again) in [
        (Approved(by()), None, None),
        (
            Happened(by(), "1".into()),
            Some(("succeeded", "")),
            Some(("succeeded", "")),
        ),
        (
            Denied(by()),
            Some(("denied", "approval_denied")),
            Some(("unknown", "")),
        ),
        (
            Expired,
            Some(("failed", "approval_expired")),
            Some(("unknown", "")),
        ),
        (
            Withdrawn(Some(by())),
            Some(("denied", "approval_denied")),
            Some(("unknown", "")),
        ),
        (
            Withdrawn(None),
            Some(("failed", "approval_expired")),
            Some(("unknown", "")),
        ),
        (
            Pending,
            Some(("failed", "approval_expired")),
            Some(("unknown", "")),
        ),
    ] {
        assert_eq!(ends(Question::Send, status.clone()), send, "{status:?}");
        assert_eq!(
            ends(Question::SendAgain, status.clone()),
            again,
            "{status:?}"
        );
    }
}

#[test]
fn what_happened_comes_in_the_form_that_the_program_wants() {
    let said = approval(
        Question::SendAgain,
        ApprovalStatus::Happened(by(), "{\"id\":7}".into()),
    );
    let plain = without_sending(&call("{}"), &said);
    assert_eq!(plain, Some(CallStatus::Succeeded("{\"id\":7}".into())));
    let Some(CallStatus::Succeeded(text)) = without_sending(&call("{\"meta\":true}"), &said) else {
        panic!("it happened");
    };
    let meta: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        meta,
        json!({ "data": { "id": 7 }, "status": null, "headers": {} })
    );
}
