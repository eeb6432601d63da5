//! What has outlived its time goes, and nothing else.

use crate::samples::{at, audit, bits, call, delivery};
use crate::tasks::{asking, begun};
use crate::world::World;
use domain::call::CallStatus;
use domain::event::EventKind;
use domain::task::{Outcome, Task};
use domain::{HandleId, Timestamp};
use store::{Error, audit as log, calls, events, handles, retention, tasks};

on_each!(
    an_ended_task_goes_with_all_that_is_its_own,
    a_live_task_stays,
    one_server_removes_at_a_time,
    events_that_went_are_known,
    an_old_snapshot_goes_and_a_young_one_stays,
);

mod races {
    use super::a_value_in_use_is_never_removed;
    on_each!(a_value_in_use_is_never_removed);
}

fn large(n: u32) -> String {
    format!("\"{n} {}\"", "x".repeat(20_000))
}

/// A task that has ended at 40, with a call, a large value, a handle and an event.
async fn ended(w: &World, value: u32) -> Task {
    let (task, lease) = begun(w, "one", 0).await;
    let mut row = call(&task.id, 1, CallStatus::Running);
    row.arguments = large(value);
    let (scope, of) = (w.a.clone(), task.id.clone());
    w.write(move |tx| {
        calls::insert(tx, &lease, &scope, &row)?;
        let outcome = CallStatus::Succeeded(large(value));
        calls::record_outcome(tx, &lease, 1, &outcome, at(30), Some(delivery(1)))?;
        let handle = HandleId::from_bits(bits());
        handles::insert(tx, &scope, &handle, &of, &large(value), at(30))?;
        let kind = EventKind::Task {
            status: "completed".into(),
        };
        events::append(tx, &scope, Some(&of), at(40), &kind)?;
        log::append(tx, &scope, audit(&scope, "task.ended", of.as_str()))?;
        tasks::finish(tx, &lease, &Outcome::Completed("1".into()), at(40))
    })
    .await;
    task
}

async fn remove(w: &World, task: &Task, before: Timestamp) -> bool {
    let (scope, id) = (w.a.clone(), task.id.clone());
    w.write(move |tx| {
        while retention::remove_task_events(tx, &scope, &id, before)? {}
        retention::remove_task(tx, &scope, &id, before)
    })
    .await
}

async fn sweep(w: &World, before: Timestamp) -> u64 {
    let system = w.system;
    let idle = w
        .read(move |r| retention::idle_values(r, system, before))
        .await;
    let mut removed = 0;
    for (scope, digest) in idle {
        removed += w
            .write(move |tx| retention::remove_values(tx, &scope, &digest, before))
            .await;
    }
    removed
}

async fn an_ended_task_goes_with_all_that_is_its_own(w: World) {
    let (gone, stays) = (ended(&w, 1).await, ended(&w, 1).await);
    let scope = w.a.clone();
    let found = w
        .read(move |r| {
            Ok((
                retention::ended_tasks(r, &scope, at(40))?,
                retention::ended_tasks(r, &scope, at(41))?,
            ))
        })
        .await;
    assert_eq!(found.0, []);
    assert_eq!(found.1.len(), 2);
    assert!(!remove(&w, &gone, at(40)).await, "it ended at that instant");
    assert!(remove(&w, &gone, at(41)).await);
    assert!(!remove(&w, &gone, at(41)).await, "gone");
    let (scope, id) = (w.a.clone(), gone.id.clone());
    let left = w
        .read(move |r| {
            Ok((
                tasks::get(r, &scope, &id)?,
                calls::list(r, &scope, &id)?,
                events::task_after(r, &scope, &id, 0, 9)?,
            ))
        })
        .await;
    assert_eq!(left, (None, Vec::new(), Vec::new()));
    assert_eq!(sweep(&w, at(1_000)).await, 0, "another task refers to it");
    let (scope, id) = (w.a.clone(), stays.id.clone());
    assert_eq!(w.read(move |r| calls::list(r, &scope, &id)).await.len(), 1);
    assert!(remove(&w, &stays, at(41)).await);
    assert_eq!(sweep(&w, at(0)).await, 0, "used since");
    assert_eq!(sweep(&w, at(1_000)).await, 1);
    // The audit log is whole, and its chain unbroken.
    let scope = w.a.clone();
    let entries = w.read(move |r| log::page(r, &scope, 0, 10)).await;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1].previous_hash, entries[0].hash);
}

async fn a_live_task_stays(w: World) {
    let (waiting, lease, _) = asking(&w).await;
    assert!(!remove(&w, &waiting, at(1_000)).await);
    w.write(move |tx| tasks::suspend(tx, &lease, None)).await;
    assert!(!remove(&w, &waiting, at(1_000)).await);
    let (scope, id) = (w.a.clone(), waiting.id.clone());
    assert_eq!(w.read(move |r| calls::list(r, &scope, &id)).await.len(), 1);
    // Nor does anybody remove what is another workspace's.
    let done = ended(&w, 2).await;
    let (scope, id) = (w.b.clone(), done.id.clone());
    let foreign = w
        .write(move |tx| retention::remove_task(tx, &scope, &id, at(1_000)))
        .await;
    assert!(!foreign);
}

async fn one_server_removes_at_a_time(w: World) {
    let system = w.system;
    let claim = |store: &store::Store, owner: &'static str, now, until| {
        store.write(move |tx| retention::claim(tx, system, owner, at(now), at(until)))
    };
    let (one, two): (Result<bool, Error>, Result<bool, Error>) = tokio::join!(
        claim(&w.store, "one", 0, 100),
        claim(&w.other, "two", 0, 100)
    );
    assert_ne!(one, two, "one of them");
    let (holder, other) = if one == Ok(true) {
        ("one", "two")
    } else {
        ("two", "one")
    };
    assert_eq!(claim(&w.store, other, 99, 150).await, Ok(false));
    assert_eq!(claim(&w.store, holder, 99, 200).await, Ok(true), "renewed");
    assert_eq!(claim(&w.store, other, 150, 250).await, Ok(false));
    assert_eq!(claim(&w.store, other, 200, 300).await, Ok(true), "run out");
}

async fn events_that_went_are_known(w: World) {
    let task = ended(&w, 3).await;
    let scope = w.a.clone();
    w.write(move |tx| {
        let kind = EventKind::Policy { version: 1 };
        events::append(tx, &scope, None, at(50), &kind)?;
        events::append(tx, &scope, None, at(60), &kind)
    })
    .await;
    let scope = w.a.clone();
    let last = w.read(move |r| events::last(r, &scope)).await;
    let removed = || {
        let scope = w.a.clone();
        w.read(move |r| retention::removed_events(r, &scope))
    };
    assert_eq!(removed().await, 0);
    assert!(remove(&w, &task, at(41)).await);
    assert_eq!(removed().await, last - 2);
    let scope = w.a.clone();
    let more = w
        .write(move |tx| retention::remove_other_events(tx, &scope, at(60)))
        .await;
    assert!(!more);
    assert_eq!(removed().await, last - 1);
    let scope = w.a.clone();
    let left = w.read(move |r| events::after(r, &scope, 0, 9, true)).await;
    assert_eq!(left.iter().map(|e| e.sequence).collect::<Vec<_>>(), [last]);
    let scope = w.b.clone();
    let other = w.read(move |r| retention::removed_events(r, &scope)).await;
    assert_eq!(other, 0, "another workspace");
}

async fn an_old_snapshot_goes_and_a_young_one_stays(w: World) {
    let (task, lease, _) = asking(&w).await;
    assert!(
        w.write(move |tx| tasks::suspend(tx, &lease, Some("kept")))
            .await
    );
    let system = w.system;
    // Its approval was asked at 11.
    let forget = |before| w.write(move |tx| retention::remove_snapshots(tx, system, at(before)));
    assert_eq!(forget(11).await, 0);
    assert_eq!(forget(12).await, 1);
    assert_eq!(forget(12).await, 0);
    let (scope, id) = (w.a.clone(), task.id.clone());
    let kept = w.read(move |r| tasks::snapshot(r, &scope, &id)).await;
    assert_eq!(kept, None);
    assert_eq!(crate::tasks::get(&w, &task).await.shown_status(), "waiting");
}

/// One server refers to a value that nothing refers to any more while another removes it: whatever
/// comes first, who refers to it finds it.
async fn a_value_in_use_is_never_removed(w: World) {
    for round in 0..20 {
        let old = ended(&w, round).await;
        assert!(remove(&w, &old, at(41)).await);
        let (task, lease) = begun(&w, "one", 0).await;
        let mut row = call(&task.id, 1, CallStatus::Running);
        row.arguments = large(round);
        // A day later, as values are removed long after their last use.
        row.started_at = at(86_400_000);
        let scope = w.a.clone();
        let refer = w
            .store
            .write(move |tx| calls::insert(tx, &lease, &scope, &row));
        let system = w.system;
        let sweep = async {
            let before = at(80_000_000);
            let idle = w
                .other
                .read(move |r| retention::idle_values(r, system, before))
                .await?;
            for (scope, digest) in idle {
                w.other
                    .write(move |tx| retention::remove_values(tx, &scope, &digest, before))
                    .await?;
            }
            Ok::<_, Error>(())
        };
        let (referred, swept): (Result<(), Error>, Result<(), Error>) = tokio::join!(refer, sweep);
        assert_eq!((referred, swept), (Ok(()), Ok(())), "round {round}");
        let (scope, id) = (w.a.clone(), task.id.clone());
        let found = w.read(move |r| calls::list(r, &scope, &id)).await;
        assert_eq!(found[0].arguments, large(round));
    }
}
