//! The answers for every status, checked against the schema's required fields and the error rule.

use super::*;
use domain::access::Channel;
use domain::event::{EventKind, LogLevel};
use domain::limits::Limits;
use domain::task::{Activity, Pins, Task};
use domain::tenancy::Role;
use domain::{AccountId, OrganizationId, TaskId, Timestamp, WorkspaceId};

fn view(state: TaskState) -> TaskView {
    let task = Task {
        id: TaskId::from_bits([1; 16]),
        organization_id: OrganizationId::from_bits([2; 16]),
        workspace_id: WorkspaceId::from_bits([3; 16]),
        account_id: AccountId::from_bits([4; 16]),
        role: Role::Owner,
        channel: Channel::Mcp,
        client: "test".into(),
        key_id: None,
        grant_id: None,
        code: "return 1".into(),
        runtime_id: "isolate".into(),
        metadata: "{}".into(),
        limits: Limits::default(),
        seed: String::new(),
        pins: Pins::default(),
        state,
        activity: Activity::default(),
        log_lines: 0,
        attempts: 1,
        created_at: Timestamp(0),
        started_at: None,
        finished_at: None,
        sandbox_starts: Vec::new(),
    };
    TaskView {
        task,
        approvals: vec![],
        calls: None,
    }
}

fn log(line: u32, text: &str) -> Event {
    Event {
        sequence: i64::from(line),
        task_id: None,
        at: Timestamp(0),
        kind: EventKind::Log {
            line,
            level: LogLevel::Warn,
            text: text.into(),
        },
    }
}

fn text_of(result: &CallToolResult) -> String {
    let content = serde_json::to_value(&result.content).unwrap();
    content[0]["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_result_behind_a_handle_says_how_to_read_on() {
    let id = "handle_00000000000000000000000001";
    let stored = json!({ "$handle": id, "bytes": 2_000_002, "preview": "\"xxx" }).to_string();
    let state = TaskState::Finished(Outcome::Completed(stored));
    let result = task(&view(state), &[], "http://here");
    let text = text_of(&result);
    assert!(
        text.contains("2000002 bytes") && text.contains("tools.results.read"),
        "{text}"
    );
    assert!(text.contains(id), "{text}");
    let structured = result.structured_content.unwrap();
    assert_eq!(structured["truncated"], true, "{structured:#}");
    let small = TaskState::Finished(Outcome::Completed("{\"bytes\":1}".into()));
    let structured = task(&view(small), &[], "http://here").structured_content;
    assert_eq!(structured.unwrap().get("truncated"), None);
}

#[test]
fn only_what_is_over_and_did_not_complete_is_an_error() {
    let error = || TaskError {
        line: Some(3),
        column: Some(7),
        ..TaskError::new("thrown", "no")
    };
    for (state, status, failed) in [
        (TaskState::Queued, "queued", false),
        (TaskState::Running, "running", false),
        (TaskState::Suspended, "running", false),
        (
            TaskState::Finished(Outcome::Completed("1".into())),
            "completed",
            false,
        ),
        (
            TaskState::Finished(Outcome::Failed(error())),
            "failed",
            true,
        ),
        (
            TaskState::Finished(Outcome::TimedOut(error())),
            "timed_out",
            true,
        ),
        (
            TaskState::Finished(Outcome::Denied(error())),
            "denied",
            true,
        ),
        (TaskState::Finished(Outcome::Canceled), "canceled", true),
    ] {
        let result = task(&view(state), &[], "http://h");
        let structured = result.structured_content.as_ref().unwrap();
        assert_eq!(structured["status"], status);
        assert_eq!(result.is_error, Some(failed), "{status}");
        for field in ["taskId", "status", "logs", "runtimeId", "workspaceId"] {
            assert!(structured.get(field).is_some(), "{status} {field}");
        }
        assert!(text_of(&result).starts_with(status));
    }
}

#[test]
fn a_result_is_whole_in_the_structure_and_cut_aloud_in_the_text() {
    let long = "é".repeat(TEXT_CHARS_MAX + 5);
    let state = TaskState::Finished(Outcome::Completed(Value::from(long.as_str()).to_string()));
    let result = task(&view(state), &[], "http://h");
    let structured = result.structured_content.clone().unwrap();
    assert_eq!(structured["result"], long);
    assert_eq!(structured["truncated"], true);
    assert!(text_of(&result).contains("[10 more bytes are left out of this text"));
}

#[test]
fn an_error_names_its_place_and_the_logs_follow() {
    let error = TaskError {
        line: Some(3),
        column: Some(7),
        ..TaskError::new("thrown", "no")
    };
    let mut failed = view(TaskState::Finished(Outcome::Failed(error)));
    failed.task.log_lines = 9;
    let result = task(&failed, &[log(8, "a"), log(9, "b")], "http://h");
    assert!(text_of(&result).ends_with(
        "thrown: no (line 3, column 7)\n\nLogs: (the last 2 of 9 lines, from line 8)\nwarn: a\nwarn: b"
    ));
    let structured = result.structured_content.unwrap();
    assert_eq!(
        structured["error"],
        json!({ "code": "thrown", "message": "no", "line": 3, "column": 7 })
    );
    assert_eq!(
        structured["logs"][1],
        json!({ "line": 9, "level": "warn", "text": "b" })
    );
    assert_eq!(structured["truncated"], true);
}

#[test]
fn a_syntax_error_has_no_task() {
    let details = json!({ "line": 1, "column": 5, "excerpt": "let 1" });
    let error = engine::Error::Invalid {
        code: "syntax_error",
        message: "line 1, column 5: Unexpected token\n  let 1".into(),
        details: Some(details),
    };
    let result = engine_error(&error);
    assert_eq!(result.is_error, Some(true));
    assert!(text_of(&result).ends_with("Unexpected token\n  let 1"));
    let structured = result.structured_content.unwrap();
    assert_eq!(structured["error"]["line"], 1);
    assert!(structured.get("taskId").is_none());
}
