//! What must hold when everything has ended, whatever was killed on the way. It reads the database,
//! what the upstream received and what the programs heard.

use crate::script::{Heard, Tool};
use crate::world::{Acknowledged, Arrival, CANARY, Planned, Says, World, possible};
use domain::access::{Caller, Channel, Permission, Scope};
use domain::approval::{Answered, Approval, ApprovalStatus, Verdict};
use domain::audit::AuditEntry;
use domain::call::{Call, CallStatus};
use domain::event::{Event, EventKind};
use domain::task::{Outcome, Task, TaskState};
use domain::tool::{Risk, ToolErrorCode};
use domain::{AccountId, OrganizationId, TaskId, WorkspaceId};
use engine::{Clock as _, Engine, TaskQuery};
use serde_json::Value;
use std::collections::BTreeSet;
use store::Store;

/// Ends that no program of the simulation can bring about.
const NEVER: &[&str] = &[
    "replay_diverged",
    "journal_broken",
    "internal",
    "engine_changed",
    "sandbox_lost",
    "sandbox_unavailable",
    "sandbox_busy",
    "never_settles",
    "tool_not_found",
    "invalid_arguments",
    "credential_missing",
];

struct Record {
    task: Task,
    calls: Vec<Call>,
    approvals: Vec<Approval>,
    events: Vec<Event>,
}

/// Looks at everything; says what is wrong.
pub(crate) async fn judge(world: &World, engine: &Engine, store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    let owner = engine.local_caller(Channel::Dashboard, "judge".to_owned());
    let scope = owner
        .scope(Permission::SeeAllTasks)
        .expect("the owner sees all");
    let audit = audit(store, &scope).await;
    let tasks = world.state().tasks.clone();
    for planned in &tasks {
        let Some(id) = planned.id.clone() else {
            wrong.push(format!("{} was never submitted", planned.script.name));
            continue;
        };
        match record(store, &scope, &id).await {
            Ok(Some(record)) => judge_task(world, planned, &record, &audit, &mut wrong),
            Ok(None) => wrong.push(format!("{} is not in the database", planned.script.name)),
            Err(error) => wrong.push(format!("{}: {error}", planned.script.name)),
        }
    }
    judge_acknowledged(world, store, &scope, &mut wrong).await;
    judge_extended(world, store, &scope, &mut wrong).await;
    judge_strangers(engine, &owner, &tasks, &mut wrong).await;
    match engine.verify_audit(&owner).await {
        Ok(verified) if verified.first_bad.is_none() => {}
        other => wrong.push(format!("the audit log does not verify: {other:?}")),
    }
    match store.holds_text(CANARY.to_owned()).await {
        Ok(None) => {}
        other => wrong.push(format!("the secret is in a row: {other:?}")),
    }
    wrong
}

async fn record(store: &Store, scope: &Scope, id: &TaskId) -> Result<Option<Record>, store::Error> {
    let (scope, id) = (scope.clone(), id.clone());
    store
        .read(move |r| {
            let Some(task) = store::tasks::get(r, &scope, &id)? else {
                return Ok(None);
            };
            Ok(Some(Record {
                task,
                calls: store::calls::list(r, &scope, &id)?,
                approvals: store::approvals::for_task(r, &scope, &id)?,
                events: store::events::task_after(r, &scope, &id, 0, 100_000)?,
            }))
        })
        .await
}

async fn audit(store: &Store, scope: &Scope) -> Vec<AuditEntry> {
    let scope = scope.clone();
    let all = store.read(move |r| store::audit::page(r, &scope, 0, 100_000));
    all.await.unwrap_or_default()
}

fn judge_task(
    world: &World,
    planned: &Planned,
    record: &Record,
    audit: &[AuditEntry],
    wrong: &mut Vec<String>,
) {
    let name = &planned.script.name;
    let mut say = |what: String| wrong.push(format!("{name}: {what}"));
    judge_end(record, &mut say);
    judge_approvals(record, audit, &mut say);
    let state = world.state();
    for call in &record.calls {
        let key = format!("{name}-{}", call.binding.sequence);
        let arrivals: Vec<&Arrival> = state.arrivals.iter().filter(|a| a.key == key).collect();
        judge_sent(
            &Sent {
                call,
                record,
                arrivals: &arrivals,
                state: &state,
            },
            &mut say,
        );
    }
    let known = |a: &&Arrival| {
        let sequence = a
            .key
            .strip_prefix(&format!("{name}-"))
            .and_then(|n| n.parse().ok());
        sequence.is_some_and(|n: u32| !record.calls.iter().any(|c| c.binding.sequence == n))
    };
    for stray in state.arrivals.iter().filter(known) {
        say(format!("{} arrived and is in no journal", stray.key));
    }
    let lives = state.heard.get(name).cloned().unwrap_or_default();
    judge_heard(&lives, record, &mut say);
}

fn judge_end(record: &Record, say: &mut impl FnMut(String)) {
    let TaskState::Finished(outcome) = &record.task.state else {
        say(format!("it has not ended: {:?}", record.task.state));
        return;
    };
    let ends: Vec<&str> = record
        .events
        .iter()
        .filter_map(|e| {
            if let EventKind::Task { status } = &e.kind {
                Some(status.as_str())
            } else {
                None
            }
        })
        .filter(|s| !matches!(*s, "queued" | "running" | "waiting"))
        .collect();
    if ends != [outcome.as_str()] {
        say(format!(
            "its end is {} and its events say {ends:?}",
            outcome.as_str()
        ));
    }
    if let Outcome::Failed(error) | Outcome::Denied(error) = outcome
        && NEVER.contains(&error.code.as_str())
    {
        say(format!("it ended with {}: {}", error.code, error.message));
    }
    for call in &record.calls {
        match &call.status {
            CallStatus::Waiting | CallStatus::Running => say(format!(
                "call {} is left {}",
                call.binding.sequence,
                call.status.as_str()
            )),
            CallStatus::Failed(error) if error.code == ToolErrorCode::Internal => {
                say(format!("call {}: {}", call.binding.sequence, error.message));
            }
            CallStatus::Failed(_)
            | CallStatus::Succeeded(_)
            | CallStatus::Denied(_)
            | CallStatus::Unknown => {}
        }
    }
}

fn judge_approvals(record: &Record, audit: &[AuditEntry], say: &mut impl FnMut(String)) {
    for approval in &record.approvals {
        if approval.status == ApprovalStatus::Pending {
            say(format!("{} is left pending", approval.id));
        }
        if let ApprovalStatus::Approved(last) = &approval.status {
            let digest = approval.digest();
            let yeses = approval.yeses.iter().filter(|yes| yes.digest == digest);
            let mut people: BTreeSet<&AccountId> = yeses.map(|yes| &yes.answered.by).collect();
            people.insert(&last.by);
            if people.len() < approval.ask.needed() {
                say(format!("{} was approved by {people:?} alone", approval.id));
            }
        }
        let told = record.events.iter().filter(|e| {
            matches!(&e.kind, EventKind::Approval { approval_id, status, .. }
                if *approval_id == approval.id && status != "pending")
        });
        let told: Vec<&Event> = told.collect();
        if told.len() != 1 {
            say(format!("{} was resolved other than once", approval.id));
        }
        let early = told.iter().any(|e| e.at < approval.expires_at);
        if approval.status == ApprovalStatus::Expired && early {
            say(format!("{} expired before its time", approval.id));
        }
        if let Some(answered) = approval.status.answered()
            && answered.at >= approval.expires_at
        {
            say(format!("{} was answered after its time", approval.id));
        }
        let written = audit.iter().filter(|entry| {
            let on_the_way = [
                "approval.asked",
                "approval.edited",
                "approval.extended",
                "approval.refused",
                "approval.yes",
            ];
            entry.draft.subject == approval.id.as_str()
                && !on_the_way.contains(&entry.draft.action.as_str())
        });
        let expected = usize::from(!matches!(approval.status, ApprovalStatus::Withdrawn(None)));
        if written.count() != expected {
            say(format!(
                "{} is {} in the audit log",
                approval.id,
                approval.status.as_str()
            ));
        }
    }
}

struct Sent<'a> {
    call: &'a Call,
    record: &'a Record,
    arrivals: &'a [&'a Arrival],
    state: &'a crate::world::State,
}

/// A call left only as often, when and as it was allowed or approved.
fn judge_sent(sent: &Sent<'_>, say: &mut impl FnMut(String)) {
    let (call, arrivals) = (sent.call, sent.arrivals);
    let sequence = call.binding.sequence;
    let granted: Vec<&Approval> = sent
        .record
        .approvals
        .iter()
        .filter(|a| a.binding.sequence == sequence && a.status.is_approved())
        .collect();
    let outright = usize::from(call.decision == "allow");
    let reads = call.risk == Risk::Read;
    if !reads && arrivals.len() > outright + granted.len() {
        say(format!(
            "call {sequence} left {} times, {} approvals were granted",
            arrivals.len(),
            granted.len()
        ));
    }
    for (n, arrival) in arrivals.iter().enumerate() {
        let before = |a: &&&Approval| {
            let at = a.status.answered().map(|answered| answered.at);
            at.is_some_and(|at| at.0 - sim_begin() <= arrival.at_ms)
        };
        let granted: Vec<&Approval> = granted.iter().filter(before).copied().collect();
        let needed = if reads { 1 } else { n + 1 };
        if outright + granted.len() < needed {
            say(format!("call {sequence} left before it was approved"));
        }
        let as_granted = granted
            .iter()
            .any(|a| a.edited.is_some() && differs(&a.arguments, arrival).is_none());
        if !as_granted && let Some(what) = differs(&call.arguments, arrival) {
            say(format!(
                "call {sequence} left with other {what} than it was made with"
            ));
        }
        judge_rules(sent, arrival, &granted, say);
    }
    if matches!(&call.status, CallStatus::Denied(_)) && !arrivals.is_empty() {
        // A call that was sent once, became uncertain and was then denied by policy has left lawfully.
        let asked_again = sent.record.approvals.iter().any(|a| {
            a.binding.sequence == sequence && a.question == domain::approval::Question::SendAgain
        });
        if !asked_again {
            say(format!("call {sequence} is denied and left"));
        }
    }
}

/// What policy and definition said at the time let it leave, and what was approved is what left.
fn judge_rules(
    sent: &Sent<'_>,
    arrival: &Arrival,
    granted: &[&Approval],
    say: &mut impl FnMut(String),
) {
    let call = sent.call;
    let sequence = call.binding.sequence;
    let Some(tool) = Tool::ALL
        .into_iter()
        .find(|t| t.path() == call.binding.tool)
    else {
        say(format!("call {sequence} went to {}", call.binding.tool));
        return;
    };
    let intent_ms = call.sent_at.map_or(0, |at| at.0 - sim_begin());
    let from_ms = if intent_ms <= arrival.at_ms {
        intent_ms
    } else {
        call.started_at.0 - sim_begin()
    };
    let rules = possible(&sent.state.rules[&tool], from_ms, arrival.at_ms);
    if rules.iter().all(|says| *says == Says::Deny) {
        say(format!("call {sequence} left and policy denied it"));
    }
    if granted.is_empty() && !rules.contains(&Says::Allow) {
        say(format!("call {sequence} left unasked and policy asked"));
    }
    let shown = granted.iter().any(|approval| is_shown(approval, arrival));
    if !rules.contains(&Says::Allow) && !granted.is_empty() && !shown {
        say(format!(
            "call {sequence} left other than it was shown: {arrival:?}"
        ));
    }
    if tool == Tool::Pay {
        let revisions = possible(&sent.state.revisions, from_ms, arrival.at_ms);
        let known = |r: &usize| arrival.url.ends_with(&format!("/v{r}/pay"));
        if !revisions.iter().any(known) {
            say(format!(
                "call {sequence} left by a definition that was gone: {arrival:?}"
            ));
        }
    }
}

fn is_shown(approval: &Approval, arrival: &Arrival) -> bool {
    let shown: Value = serde_json::from_str(&approval.request).unwrap_or_default();
    shown["method"] == arrival.method.as_str()
        && shown["url"] == arrival.url.as_str()
        && shown["body"].as_str() == arrival.body.as_deref()
}

/// What of an arrival is not what some arguments say.
fn differs(arguments: &str, arrival: &Arrival) -> Option<&'static str> {
    let wanted: Value = serde_json::from_str(arguments).unwrap_or_default();
    match &arrival.body {
        Some(body) => {
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            (body != wanted).then_some("arguments")
        }
        None => {
            let has = |name: &str| {
                let value = wanted[name].as_str().unwrap_or("?");
                arrival.url.contains(&format!("{name}={value}"))
            };
            (!has("key") || !has("seen")).then_some("parameters")
        }
    }
}

/// Each life of a program heard the same answers in the same order at the same times, up to an
/// answer to a call that only reads and that was not yet durable when its server died, or when it had
/// lost the task and somebody canceled it before anybody took it over.
fn judge_heard(lives: &[Vec<Heard>], record: &Record, say: &mut impl FnMut(String)) {
    let mut recorded: Vec<&Call> = record
        .calls
        .iter()
        .filter(|c| c.delivery.is_some())
        .collect();
    recorded.sort_by_key(|c| c.delivery.map(|d| d.order));
    for (n, heard) in lives.iter().enumerate() {
        let is_last = n + 1 == lives.len();
        let same = |(i, h): (usize, &Heard)| {
            recorded.get(i).is_some_and(|call| {
                let delivery = call.delivery.expect("filtered above");
                call.binding.sequence == h.sequence
                    && delivery.now.0 == h.now_ms
                    && delivery.elapsed_ms == h.elapsed_ms
                    && answer_of(call).is_none_or(|answer| answer == h.answer)
            })
        };
        let Some(at) = heard.iter().enumerate().position(|pair| !same(pair)) else {
            continue;
        };
        let sequence = heard[at].sequence;
        let call = record.calls.iter().find(|c| c.binding.sequence == sequence);
        let only_read = call.is_some_and(|c| c.risk == Risk::Read);
        let was_canceled = record.task.state == TaskState::Finished(Outcome::Canceled);
        if (is_last && !was_canceled) || !only_read {
            say(format!(
                "life {n} heard {:?} which is not in its journal",
                heard[at]
            ));
        }
    }
}

/// What the program is told of a call, where it is told the record itself.
fn answer_of(call: &Call) -> Option<String> {
    match &call.status {
        CallStatus::Succeeded(value) => Some(value.clone()),
        CallStatus::Failed(error) | CallStatus::Denied(error) => serde_json::to_string(error).ok(),
        CallStatus::Waiting | CallStatus::Running | CallStatus::Unknown => None,
    }
}

async fn judge_acknowledged(world: &World, store: &Store, scope: &Scope, wrong: &mut Vec<String>) {
    let acknowledged = world.state().acknowledged.clone();
    for (n, told) in acknowledged.iter().enumerate() {
        let (wanted, scope) = (told.id.clone(), scope.clone());
        let kept = store
            .read(move |r| store::approvals::get(r, &scope, &wanted))
            .await;
        let kept = kept.ok().flatten();
        if !kept.is_some_and(|approval| stands(told, &approval)) {
            wrong.push(format!("{told:?} is lost"));
        }
        let before = acknowledged[..n].iter();
        if told.resolved && before.filter(|t| t.resolved).any(|t| t.id == told.id) {
            wrong.push(format!("two answers to {} were acknowledged", told.id));
        }
    }
}

/// More time that somebody was told of was given, once, and nobody else was told of it.
async fn judge_extended(world: &World, store: &Store, scope: &Scope, wrong: &mut Vec<String>) {
    let extended = world.state().extended.clone();
    for (n, (id, by, until)) in extended.iter().enumerate() {
        let (wanted, scope) = (id.clone(), scope.clone());
        let kept = store
            .read(move |r| store::approvals::get(r, &scope, &wanted))
            .await;
        let stands = kept.ok().flatten().is_some_and(|approval| {
            let theirs = approval.extended.is_some_and(|e| e.by == *by);
            theirs && approval.expires_at == *until
        });
        if !stands {
            wrong.push(format!("the time given to {id} by {by} is lost"));
        }
        if extended[..n].iter().any(|(other, ..)| other == id) {
            wrong.push(format!("{id} was given more time twice"));
        }
    }
}

/// Whether an approval is what somebody was told that it is.
fn stands(told: &Acknowledged, approval: &Approval) -> bool {
    if !told.resolved {
        return approval.yeses.iter().any(|y| y.answered.by == told.by);
    }
    let by = |answered: &Answered| answered.by == told.by;
    match (&told.verdict, &approval.status) {
        (Verdict::Approve, ApprovalStatus::Approved(last)) => by(last),
        (Verdict::Edit(arguments), ApprovalStatus::Approved(last)) => {
            by(last)
                && serde_json::from_str::<Value>(&approval.arguments)
                    .ok()
                    .as_ref()
                    == Some(arguments)
        }
        (Verdict::Deny, ApprovalStatus::Denied(last)) => by(last),
        (Verdict::Happened(value), ApprovalStatus::Happened(last, kept)) => {
            by(last) && serde_json::from_str::<Value>(kept).ok().as_ref() == Some(value)
        }
        (_, _) => false,
    }
}

async fn judge_strangers(
    engine: &Engine,
    owner: &Caller,
    tasks: &[Planned],
    wrong: &mut Vec<String>,
) {
    let stranger = Caller {
        organization_id: OrganizationId::from_bits([9; 16]),
        workspace_id: WorkspaceId::from_bits([9; 16]),
        account_id: AccountId::from_bits([9; 16]),
        ..owner.clone()
    };
    let query = TaskQuery {
        limit: 100,
        ..TaskQuery::default()
    };
    let listed = engine.tasks(&stranger, query).await;
    if listed.is_ok_and(|found| !found.views.is_empty()) {
        wrong.push("a stranger sees a list of tasks".to_owned());
    }
    for id in tasks.iter().filter_map(|t| t.id.as_ref()) {
        if engine.task(&stranger, id).await.is_ok() {
            wrong.push(format!("a stranger sees {id}"));
        }
    }
}

/// The clock's date at its beginning.
fn sim_begin() -> i64 {
    crate::clock::SimClock::default().now().0
}
