//! The journal: what it keeps, what it refuses, and that every meddling with it shows.

use crate::samples::{at, call, delivery};
use crate::tasks::begun;
use crate::world::World;
use domain::call::{Call, CallStatus};
use domain::task::{Lease, Task};
use domain::tool::{Risk, ToolError, ToolErrorCode};
use serde_json::json;
use store::recorded::RuleUse;
use store::{Error, calls};

on_each!(
    every_call_reads_back,
    calls_come_in_order_and_once,
    a_call_is_sent_once,
    an_outcome_is_recorded_once,
    what_was_not_told_may_be_told_later,
    a_fresh_decision_replaces_the_one_before,
    what_rules_decided_is_counted,
);

mod from_outside {
    use super::a_journal_that_was_changed_is_refused;
    on_files!(a_journal_that_was_changed_is_refused);
}

async fn journal(w: &World, task: &Task) -> Result<Vec<Call>, Error> {
    let (scope, id) = (w.a.clone(), task.id.clone());
    w.store.read(move |r| calls::list(r, &scope, &id)).await
}

async fn insert(w: &World, lease: &Lease, call: &Call) -> Result<(), Error> {
    let (scope, held, row) = (w.a.clone(), lease.clone(), call.clone());
    w.store
        .write(move |tx| calls::insert(tx, &held, &scope, &row))
        .await
}

fn failure() -> ToolError {
    ToolError::new(ToolErrorCode::UpstreamError, "a.b", "it failed")
        .with_status(502)
        .with_details(json!({"z": 1, "a": "é"}))
}

fn denial() -> ToolError {
    ToolError::new(ToolErrorCode::DeniedByPolicy, "a.b", "a rule denies it")
}

async fn every_call_reads_back(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    let mut expected = Vec::new();
    for (n, status) in (1u32..).zip([
        CallStatus::Succeeded("{\"v\":\"\\u0000\"}".into()),
        CallStatus::Failed(failure()),
        CallStatus::Denied(denial()),
        CallStatus::Unknown,
    ]) {
        let mut row = call(&task.id, n, status);
        row.sent_at = Some(at(12));
        row.finished_at = Some(at(13));
        row.delivery = Some(delivery(n));
        expected.push(row);
    }
    for (n, status) in (5u32..).zip([CallStatus::Waiting, CallStatus::Running]) {
        let row = call(&task.id, n, status);
        expected.push(Call {
            source_id: None,
            rule_id: None,
            position: None,
            decision: "none",
            ..row
        });
    }
    for row in &expected {
        insert(&w, &lease, row).await.unwrap();
    }
    assert_eq!(journal(&w, &task).await.unwrap(), expected);
    let (scope, id) = (w.a.clone(), task.id.clone());
    assert_eq!(
        w.read(move |r| calls::get(r, &scope, &id, 2))
            .await
            .as_ref(),
        Some(&expected[1])
    );
    let (scope, id) = (w.b.clone(), task.id.clone());
    let foreign = w
        .read(move |r| Ok((calls::get(r, &scope, &id, 2)?, calls::list(r, &scope, &id)?)))
        .await;
    assert_eq!(foreign, (None, Vec::new()));
}

async fn calls_come_in_order_and_once(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    let nth = |n| call(&task.id, n, CallStatus::Running);
    let early = insert(&w, &lease, &nth(2)).await;
    assert_eq!(early, Err(Error::Conflict("calls_in_order".into())));
    insert(&w, &lease, &nth(1)).await.unwrap();
    let twice = insert(&w, &lease, &nth(1)).await;
    assert_eq!(twice, Err(Error::Conflict("calls_pk".into())));
    insert(&w, &lease, &nth(2)).await.unwrap();
    assert_eq!(journal(&w, &task).await.unwrap().len(), 2);
}

async fn a_call_is_sent_once(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    insert(&w, &lease, &call(&task.id, 1, CallStatus::Waiting))
        .await
        .unwrap();
    let sent = |at_ms| {
        let held = lease.clone();
        w.write(move |tx| calls::mark_sent(tx, &held, 1, at(at_ms)))
    };
    assert!(sent(15).await);
    assert!(!sent(16).await);
    let row = journal(&w, &task).await.unwrap().remove(0);
    assert_eq!(
        (row.status, row.sent_at),
        (CallStatus::Running, Some(at(15)))
    );

    let unknown = || {
        let held = lease.clone();
        w.write(move |tx| calls::mark_unknown(tx, &held, 1))
    };
    assert!(unknown().await);
    assert!(!unknown().await);
    assert_eq!(
        journal(&w, &task).await.unwrap()[0].status,
        CallStatus::Unknown
    );
    assert!(sent(17).await, "a person said: send again");
    let (held, answer) = (lease.clone(), CallStatus::Unknown);
    w.write(move |tx| calls::record_outcome(tx, &held, 1, &answer, at(18), None))
        .await;
    assert!(!sent(19).await, "its outcome is recorded");
}

async fn record(
    w: &World,
    lease: &Lease,
    sequence: u32,
    status: CallStatus,
    order: Option<u32>,
) -> Result<(), Error> {
    let held = lease.clone();
    let at_place = order.map(delivery);
    w.store
        .write(move |tx| calls::record_outcome(tx, &held, sequence, &status, at(30), at_place))
        .await
}

async fn an_outcome_is_recorded_once(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    for n in 1..=2 {
        insert(&w, &lease, &call(&task.id, n, CallStatus::Running))
            .await
            .unwrap();
    }
    let yes = || CallStatus::Succeeded("1".into());
    record(&w, &lease, 2, yes(), Some(1)).await.unwrap();
    let once = Error::Conflict("calls_outcome_once".into());
    assert_eq!(
        record(&w, &lease, 2, yes(), Some(2)).await,
        Err(once.clone())
    );
    assert_eq!(record(&w, &lease, 9, yes(), Some(2)).await, Err(once));
    let taken = record(&w, &lease, 1, CallStatus::Failed(failure()), Some(1)).await;
    assert_eq!(taken, Err(Error::Conflict("calls_delivery".into())));
    record(&w, &lease, 1, CallStatus::Failed(failure()), Some(2))
        .await
        .unwrap();
    let rows = journal(&w, &task).await.unwrap();
    assert_eq!(rows[0].status, CallStatus::Failed(failure()));
    assert_eq!(rows[0].delivery, Some(delivery(2)));
    assert_eq!(rows[1].status, yes());
    assert_eq!(
        (rows[1].finished_at, rows[1].delivery),
        (Some(at(30)), Some(delivery(1)))
    );
}

async fn what_was_not_told_may_be_told_later(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    insert(&w, &lease, &call(&task.id, 1, CallStatus::Running))
        .await
        .unwrap();
    let yes = || CallStatus::Succeeded("1".into());
    record(&w, &lease, 1, yes(), None).await.unwrap();
    assert_eq!(journal(&w, &task).await.unwrap()[0].delivery, None);
    let other = record(&w, &lease, 1, CallStatus::Succeeded("2".into()), Some(1)).await;
    assert_eq!(other, Err(Error::Conflict("calls_outcome_once".into())));
    record(&w, &lease, 1, yes(), Some(1)).await.unwrap();
    let row = journal(&w, &task).await.unwrap().remove(0);
    assert_eq!((row.status, row.delivery), (yes(), Some(delivery(1))));
}

async fn a_fresh_decision_replaces_the_one_before(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    let mut row = call(&task.id, 1, CallStatus::Waiting);
    insert(&w, &lease, &row).await.unwrap();
    insert(&w, &lease, &call(&task.id, 2, CallStatus::Waiting))
        .await
        .unwrap();
    row.binding.definition_digest = "another".into();
    row.binding.policy_version = 9;
    (row.risk, row.decision, row.rule_id) = (Risk::Destructive, "allow", None);
    let rebind = |row: &Call| {
        let (held, row) = (lease.clone(), row.clone());
        w.write(move |tx| calls::rebind(tx, &held, &row))
    };
    assert!(rebind(&row).await);
    assert_eq!(journal(&w, &task).await.unwrap()[0], row);
    let held = lease.clone();
    assert!(
        w.write(move |tx| calls::mark_sent(tx, &held, 1, at(15)))
            .await
    );
    assert!(!rebind(&row).await, "it is under way");
}

async fn what_rules_decided_is_counted(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    let rule = |n: u8| domain::RuleId::from_bits([n; 16]);
    for (n, decided, started) in [
        (1, Some(rule(1)), 10),
        (2, Some(rule(1)), 30),
        (3, Some(rule(2)), 20),
        (4, None, 40),
        (5, Some(rule(1)), 5),
    ] {
        let mut row = call(&task.id, n, CallStatus::Waiting);
        (row.rule_id, row.started_at) = (decided, at(started));
        insert(&w, &lease, &row).await.unwrap();
    }
    let uses = |scope: &domain::access::Scope, account: Option<domain::AccountId>| {
        let scope = scope.clone();
        w.read(move |r| store::recorded::rule_uses(r, &scope, account.as_ref(), at(10)))
    };
    let used = |n: u8, calls, last| RuleUse {
        rule_id: rule(n),
        calls,
        last_at: at(last),
    };
    let expected = vec![used(1, 2, 30), used(2, 1, 20)];
    assert_eq!(uses(&w.a, None).await, expected);
    assert_eq!(uses(&w.a, Some(task.account_id.clone())).await, expected);
    let other = domain::AccountId::from_bits([9; 16]);
    assert_eq!(uses(&w.a, Some(other)).await, Vec::new());
    assert_eq!(uses(&w.b, None).await, Vec::new(), "another tenant's");
}

async fn a_journal_that_was_changed_is_refused(w: World) {
    let foreign = domain::RuleId::from_bits([1; 16]);
    let changes = [
        ("tool = 'other'", 1),
        ("arguments = '{}'", 1),
        ("arguments_digest = 'x'", 1),
        ("options = '{\"meta\":true}'", 1),
        ("id = 'call_00000000000000000000000000'", 1),
        ("line = 4", 1),
        ("position = null", 1),
        ("started_at = started_at + 1", 1),
        ("definition_digest = 'x'", 1),
        ("policy_version = 4", 1),
        ("decision = 'allow'", 1),
        ("risk = 'read'", 1),
        (&*format!("rule_id = '{foreign}'"), 1),
        ("source_id = null", 1),
        ("outcome = '2'", 1),
        (
            "status = 'denied', outcome = '{\"code\":\"internal\",\"message\":\"\",\"tool\":\"\",\"retryable\":false}'",
            1,
        ),
        ("delivery_now = delivery_now + 1", 1),
        ("delivery_elapsed_ms = 9", 1),
        ("delivery_order = 5", 1),
        ("delivery_order = null", 1),
        ("finished_at = null", 1),
        ("chain = 'x'", 1),
    ];
    for (change, sequence) in changes {
        let (task, lease) = begun(&w, "one", 0).await;
        for n in 1..=2 {
            insert(&w, &lease, &call(&task.id, n, CallStatus::Running))
                .await
                .unwrap();
            record(&w, &lease, n, CallStatus::Succeeded("1".into()), Some(n))
                .await
                .unwrap();
        }
        assert_eq!(journal(&w, &task).await.unwrap().len(), 2);
        w.place.meddle(&format!(
            "update calls set {change} where task_id = '{}' and sequence = {sequence}",
            task.id
        ));
        match journal(&w, &task).await {
            Err(Error::JournalBroken {
                task_id,
                sequence: found,
                ..
            }) => {
                assert_eq!((task_id, found), (task.id, sequence), "{change}");
            }
            other => panic!("{change}: {other:?}"),
        }
    }
    for (change, table) in [
        ("delete from calls where sequence = 1 and task_id", "a call"),
        ("update tasks set seed = 'ff' where id", "the seed"),
        (
            "update tasks set pins = '{\"source\":\"s\",\"code\":\"x\"}' where id",
            "a pin",
        ),
        ("update tasks set engine = 'x' where id", "the engine"),
    ] {
        let (task, lease) = begun(&w, "one", 0).await;
        for n in 1..=2 {
            insert(&w, &lease, &call(&task.id, n, CallStatus::Running))
                .await
                .unwrap();
        }
        w.place.meddle(&format!("{change} = '{}'", task.id));
        let found = journal(&w, &task).await;
        assert!(
            matches!(found, Err(Error::JournalBroken { sequence: 1, .. })),
            "{table}: {found:?}"
        );
    }
}
