//! What the calls of a tool came to: which of them are counted, how far back, and whose.

use crate::samples::{at, call};
use crate::tasks::begun;
use crate::world::World;
use domain::access::Scope;
use domain::call::CallStatus;
use domain::tool::{ToolError, ToolErrorCode};
use domain::{AccountId, TaskId};
use store::calls;
use store::tool_usage::{Looked, cut_at, ended};

on_each!(
    calls_that_have_ended_are_found_by_their_tool,
    no_more_are_looked_through_than_asked_for,
);

const TOOL: &str = "github.issues.create";

fn looked(calls_max: u32) -> Looked<'static> {
    Looked {
        tool: TOOL,
        since: at(10),
        calls_max,
    }
}

/// Calls of a new task, the first at one time, each next one a millisecond later.
async fn made(w: &World, tool: &str, first_ms: i64, statuses: &[CallStatus]) -> TaskId {
    let (task, lease) = begun(w, "one", 0).await;
    for (n, status) in (1u32..).zip(statuses) {
        let mut row = call(&task.id, n, status.clone());
        row.binding.tool = tool.to_owned();
        let ended = at(first_ms + i64::from(n) - 1);
        let has_ended = !matches!(status, CallStatus::Waiting);
        row.finished_at = has_ended.then_some(ended);
        row.sent_at = matches!(status, CallStatus::Succeeded(_)).then(|| ended.plus_ms(-7));
        let (scope, held) = (w.a.clone(), lease.clone());
        w.write(move |tx| calls::insert(tx, &held, &scope, &row))
            .await;
    }
    task.id
}

fn yes() -> CallStatus {
    CallStatus::Succeeded("1".into())
}

async fn found(
    w: &World,
    scope: &Scope,
    account: Option<AccountId>,
    calls_max: u32,
) -> Vec<(TaskId, u32, String, Option<u64>)> {
    let scope = scope.clone();
    let calls = w
        .read(move |r| ended(r, &scope, looked(calls_max), account.as_ref()))
        .await;
    calls
        .into_iter()
        .map(|c| (c.task_id.clone(), c.sequence, c.status.clone(), c.took_ms()))
        .collect()
}

async fn calls_that_have_ended_are_found_by_their_tool(w: World) {
    let denial = ToolError::new(ToolErrorCode::DeniedByPolicy, TOOL, "a rule denies it");
    let statuses = [yes(), CallStatus::Denied(denial), CallStatus::Waiting];
    let before = made(&w, TOOL, 8, &[yes(), yes(), yes()]).await;
    let task = made(&w, TOOL, 20, &statuses).await;
    made(&w, "github.issues.list", 20, &[yes()]).await;
    let expected = vec![
        (task.clone(), 2, "denied".to_owned(), None),
        (task, 1, "succeeded".to_owned(), Some(7)),
        (before, 3, "succeeded".to_owned(), Some(7)),
    ];
    assert_eq!(found(&w, &w.a, None, 9).await, expected);
    let own = crate::samples::account_id();
    assert_eq!(found(&w, &w.a, Some(own), 9).await, expected);
    let other = AccountId::from_bits([9; 16]);
    assert_eq!(found(&w, &w.a, Some(other), 9).await, Vec::new());
    for scope in [&w.sibling, &w.b] {
        assert_eq!(found(&w, scope, None, 9).await, Vec::new(), "another's");
    }
}

async fn no_more_are_looked_through_than_asked_for(w: World) {
    let task = made(&w, TOOL, 20, &[yes(), yes(), yes()]).await;
    let cut = |calls_max| {
        let scope = w.a.clone();
        w.read(move |r| cut_at(r, &scope, looked(calls_max)))
    };
    let places = |calls: Vec<(TaskId, u32, String, Option<u64>)>| {
        calls.into_iter().map(|c| (c.0, c.1)).collect::<Vec<_>>()
    };
    let expected = vec![(task.clone(), 3), (task, 2)];
    assert_eq!(places(found(&w, &w.a, None, 2).await), expected);
    assert_eq!(cut(2).await, Some(at(21)), "there is an older one");
    assert_eq!(cut(3).await, None, "there is none beyond");
    assert_eq!(cut(4).await, None);
}
