//! How tasks change hands: claims, leases, fences, suspension, and the races between servers.

use crate::samples::{answered, at, call, delivery, task};
use crate::tasks::{asking, begun, get};
use crate::world::World;
use domain::access::System;
use domain::approval::ApprovalStatus;
use domain::call::CallStatus;
use domain::task::{Lease, Outcome, Task, TaskState};
use std::collections::HashSet;
use store::tasks::Claim;
use store::{Error, Store, approvals, calls, tasks};

on_each!(
    the_oldest_is_claimed_first,
    many_claimers_share_without_doubles,
    an_expired_lease_is_taken_over_and_the_old_one_refused,
    renewed_leases_hold,
    abandoned_tasks_are_queued_again,
    a_task_given_back_is_queued_again,
    suspension_waits_for_people_alone,
    an_answer_and_a_suspension_never_miss_each_other,
);

async fn claim(
    store: &Store,
    w: &World,
    owner: &'static str,
    now_ms: i64,
) -> Option<(Task, Lease)> {
    let system = w.system;
    claim_up_to(store, system, owner, now_ms, 1).await.pop()
}

/// Takes back what has lapsed, then claims.
async fn claim_up_to(
    store: &Store,
    system: System,
    owner: &'static str,
    now_ms: i64,
    limit: u32,
) -> Vec<(Task, Lease)> {
    let claimed: Result<_, Error> = store
        .write(move |tx| {
            if tasks::lapsed(tx, system, at(now_ms))? {
                tasks::lapse(tx, system, at(now_ms))?;
            }
            let claim = Claim {
                owner,
                now: at(now_ms),
                lease_until: at(now_ms + 100),
                after: None,
                limit,
            };
            Ok(tasks::claim(tx, system, &claim)?.tasks)
        })
        .await;
    claimed.unwrap()
}

async fn queued(w: &World, created_ms: i64) -> Task {
    let (scope, new) = (w.a.clone(), task(&w.a, created_ms));
    let row = new.clone();
    w.write(move |tx| tasks::insert(tx, &scope, &row)).await;
    new
}

async fn the_oldest_is_claimed_first(w: World) {
    let (young, old) = (queued(&w, 5).await, queued(&w, 1).await);
    let system = w.system;
    let looks = move |r: &mut store::Reader<'_>, ms| tasks::claimable(r, system, "one", at(ms));
    assert!(w.read(move |r| looks(r, 10)).await);
    let (first, lease) = claim(&w.store, &w, "one", 10).await.unwrap();
    let expected = Task {
        state: TaskState::Running,
        attempts: 1,
        started_at: Some(at(10)),
        ..old.clone()
    };
    assert_eq!((first, lease.fence), (expected, 1));
    assert_eq!(claim(&w.store, &w, "one", 10).await.unwrap().0.id, young.id);
    assert_eq!(claim(&w.store, &w, "one", 10).await, None);
    assert!(!w.read(move |r| looks(r, 110)).await);
    assert!(!w.read(move |r| tasks::lapsed(r, system, at(109))).await);
    assert!(w.read(move |r| tasks::lapsed(r, system, at(110))).await);
}

async fn many_claimers_share_without_doubles(w: World) {
    for n in 0..40 {
        queued(&w, n).await;
    }
    let claimers = (0..8).map(|n| {
        let store = if n % 2 == 0 { &w.store } else { &w.other };
        async {
            let mut mine = Vec::new();
            while let Some((task, lease)) = claim(store, &w, "one", 100).await {
                assert_eq!(lease.fence, 1);
                mine.push(task.id);
            }
            mine
        }
    });
    let claimed: Vec<_> = futures_util::future::join_all(claimers)
        .await
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(claimed.len(), 40);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>().len(), 40);
}

async fn an_expired_lease_is_taken_over_and_the_old_one_refused(w: World) {
    let (task, old) = begun(&w, "one", 0).await;
    let (scope, held) = (w.a.clone(), old.clone());
    let first = call(&task.id, 1, CallStatus::Waiting);
    w.write(move |tx| calls::insert(tx, &held, &scope, &first))
        .await;
    assert_eq!(claim(&w.other, &w, "two", 99).await, None);
    let (taken, new) = claim(&w.other, &w, "two", 100).await.unwrap();
    assert_eq!((taken.attempts, new.fence), (2, 2));
    assert_eq!(taken.started_at, Some(at(0)));

    let (scope, second) = (w.a.clone(), call(&task.id, 2, CallStatus::Running));
    let answer = CallStatus::Succeeded("1".into());
    type Write = Box<dyn Fn(&mut store::Tx<'_>, &Lease) -> Result<(), Error> + Send>;
    let writes: Vec<Write> = vec![
        Box::new(tasks::check),
        Box::new(|tx, l| tasks::set_log_lines(tx, l, 1)),
        Box::new(|tx, l| tasks::note_starts(tx, l, at(1), &[])),
        Box::new(|tx, l| tasks::finish(tx, l, &Outcome::Canceled, at(101))),
        Box::new(|tx, l| tasks::suspend(tx, l, None).map(|_| ())),
        Box::new(move |tx, l| calls::insert(tx, l, &scope, &second)),
        Box::new(|tx, l| calls::mark_sent(tx, l, 1, at(101)).map(|_| ())),
        Box::new(|tx, l| calls::mark_unknown(tx, l, 1).map(|_| ())),
        Box::new(move |tx, l| calls::record_outcome(tx, l, 1, &answer, at(101), Some(delivery(1)))),
    ];
    for (n, write) in writes.into_iter().enumerate() {
        let held = old.clone();
        let error = w.refused(move |tx| write(tx, &held)).await;
        assert_eq!(error, Error::LostLease(task.id.clone()), "write {n}");
    }
    w.write(move |tx| tasks::finish(tx, &new, &Outcome::Canceled, at(102)))
        .await;
}

async fn renewed_leases_hold(w: World) {
    let (_, first) = begun(&w, "one", 0).await;
    let (_, second) = begun(&w, "one", 0).await;
    let (other, _) = begun(&w, "two", 0).await;
    let system = w.system;
    assert_eq!(
        w.write(move |tx| tasks::renew(tx, system, "one", at(900)))
            .await
            .into_iter()
            .collect::<HashSet<_>>(),
        HashSet::from([first, second])
    );
    assert_eq!(
        claim(&w.store, &w, "three", 200).await.unwrap().0.id,
        other.id
    );
    assert_eq!(claim(&w.store, &w, "three", 200).await, None);
}

async fn abandoned_tasks_are_queued_again(w: World) {
    let (elsewhere, _) = begun(&w, "two", 0).await;
    let (task, lease) = begun(&w, "one", 0).await;
    let (ended, held) = begun(&w, "one", 0).await;
    w.write(move |tx| tasks::finish(tx, &held, &Outcome::Canceled, at(1)))
        .await;
    let system = w.system;
    assert_eq!(
        w.write(move |tx| tasks::abandon(tx, system, "one")).await,
        1
    );
    assert_eq!(get(&w, &ended).await.shown_status(), "canceled");
    assert_eq!(get(&w, &elsewhere).await.shown_status(), "running");
    let error = w.refused(move |tx| tasks::check(tx, &lease)).await;
    assert_eq!(error, Error::LostLease(task.id.clone()));
    let (again, lease) = claim(&w.store, &w, "one", 1).await.unwrap();
    assert_eq!((again.id, lease.fence), (task.id, 2));
}

async fn a_task_given_back_is_queued_again(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    let held = lease.clone();
    w.write(move |tx| tasks::release(tx, &held, None)).await;
    assert_eq!(get(&w, &task).await.state, TaskState::Queued);
    let error = w.refused(move |tx| tasks::release(tx, &lease, None)).await;
    assert_eq!(error, Error::LostLease(task.id.clone()));
    assert_eq!(claim(&w.store, &w, "two", 1).await.unwrap().1.fence, 2);
}

async fn suspension_waits_for_people_alone(w: World) {
    let system = w.system;
    let (_, lease) = begun(&w, "one", 0).await;
    assert!(
        !w.write(move |tx| tasks::suspend(tx, &lease, None)).await,
        "nothing is asked"
    );

    let (task, lease, _) = asking(&w).await;
    let (scope, held, open) = (
        w.a.clone(),
        lease.clone(),
        call(&task.id, 2, CallStatus::Running),
    );
    w.write(move |tx| calls::insert(tx, &held, &scope, &open))
        .await;
    let held = lease.clone();
    assert!(
        !w.write(move |tx| tasks::suspend(tx, &held, None)).await,
        "a call is under way"
    );
    let (held, answer) = (lease.clone(), CallStatus::Succeeded("1".into()));
    w.write(move |tx| calls::record_outcome(tx, &held, 2, &answer, at(1), Some(delivery(1))))
        .await;
    let held = lease.clone();
    assert!(
        w.write(move |tx| tasks::suspend(tx, &held, Some("as it rests")))
            .await
    );
    assert_eq!(get(&w, &task).await.state, TaskState::Suspended);
    assert_eq!(kept(&w, &w.a, &task).await.as_deref(), Some("as it rests"));
    assert_eq!(kept(&w, &w.b, &task).await, None, "another workspace");
    assert_eq!(get(&w, &task).await.shown_status(), "waiting");
    assert_eq!(claim(&w.store, &w, "two", 50).await, None);

    let id = task.id.clone();
    assert!(w.write(move |tx| tasks::wake(tx, system, &id)).await);
    let id = task.id.clone();
    assert!(!w.write(move |tx| tasks::wake(tx, system, &id)).await);
    let (again, lease) = claim(&w.store, &w, "two", 50).await.unwrap();
    assert_eq!((&again.id, lease.fence), (&task.id, 2));
    assert!(kept(&w, &w.a, &task).await.is_some(), "until the end");
    w.write(move |tx| tasks::finish(tx, &lease, &Outcome::Canceled, at(51)))
        .await;
    assert_eq!(kept(&w, &w.a, &task).await, None);
}

async fn kept(w: &World, scope: &domain::access::Scope, task: &Task) -> Option<String> {
    let (scope, id) = (scope.clone(), task.id.clone());
    w.store
        .read(move |r| tasks::snapshot(r, &scope, &id))
        .await
        .unwrap()
}

async fn an_answer_and_a_suspension_never_miss_each_other(w: World) {
    for _ in 0..30 {
        let (task, lease, asked) = asking(&w).await;
        let (scope, system) = (w.a.clone(), w.system);
        let suspend = w.store.write(move |tx| tasks::suspend(tx, &lease, None));
        let answer = w.other.write(move |tx| {
            let yes = ApprovalStatus::Approved(answered(""));
            assert!(approvals::resolve(tx, &scope, &asked.id, &yes)?);
            tasks::wake(tx, system, &asked.binding.task_id)
        });
        let (suspended, woken): (Result<bool, Error>, Result<bool, Error>) =
            tokio::join!(suspend, answer);
        assert_eq!(
            suspended, woken,
            "whoever suspended it was woken, and nobody else"
        );
        let state = get(&w, &task).await.state;
        let expected = if suspended == Ok(true) {
            TaskState::Queued
        } else {
            TaskState::Running
        };
        assert_eq!(state, expected);
    }
}
