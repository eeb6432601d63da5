//! Several servers on one database: whose clock counts, whose turn it is, who has a task's engine,
//! and what one server tells the others.

use crate::samples::{at, task};
use crate::world::World;
use domain::access::Scope;
use domain::server::{Server, ServerState};
use domain::{Timestamp, WorkspaceId};
use std::time::Duration;
use store::tasks::{self, Claim, Claimed};
use store::{Notice, Store, events, servers};

on_each!(
    the_shared_clock_is_the_databases,
    a_server_is_known_until_long_after_it_was_seen,
    workspaces_take_turns,
    a_lone_workspace_is_given_all_at_once,
    a_task_waits_for_a_server_that_has_its_engine,
    what_a_server_has_forgotten_goes_back_by_its_fence,
    others_hear_of_what_is_durable_and_of_nothing_else,
);

fn server(id: &str, seen_ms: i64, engines: &[&str]) -> Server {
    Server {
        id: id.to_owned(),
        version: "1.2.3".to_owned(),
        state: ServerState::Running,
        started_at: at(0),
        seen_at: at(seen_ms),
        engines: engines.iter().map(|&e| e.to_owned()).collect(),
    }
}

async fn beat(w: &World, server: Server) {
    let system = w.system;
    w.write(move |tx| servers::beat(tx, system, &server)).await;
}

async fn queued(w: &World, scope: &Scope, created_ms: i64, engine: &str) -> domain::task::Task {
    let mut new = task(scope, created_ms);
    new.pins.engine = engine.to_owned();
    let (scope, row) = (scope.clone(), new.clone());
    w.write(move |tx| tasks::insert(tx, &scope, &row)).await;
    new
}

async fn claim(w: &World, after: Option<WorkspaceId>, now_ms: i64, limit: u32) -> Claimed {
    let system = w.system;
    w.write(move |tx| {
        let claim = Claim {
            owner: "one",
            now: at(now_ms),
            lease_until: at(now_ms + 100),
            after: after.as_ref(),
            limit,
        };
        tasks::claim(tx, system, &claim)
    })
    .await
}

async fn the_shared_clock_is_the_databases(w: World) {
    // A server whose clock stands in 1970 and one whose clock is far ahead.
    for wrong in [at(5), Timestamp(i64::MAX / 2)] {
        let told = w.read(move |r| r.now(wrong)).await;
        if w.store.is_shared() {
            let true_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
            let away = u128::from(told.0.unsigned_abs()).abs_diff(true_ms);
            assert!(away < 60_000, "the same machine's clock: {told:?}");
        } else {
            assert_eq!(told, wrong, "the one server's own");
        }
    }
}

async fn a_server_is_known_until_long_after_it_was_seen(w: World) {
    let system = w.system;
    beat(&w, server("one", 10, &["b", "a"])).await;
    beat(&w, server("two", 20, &[])).await;
    let list = |w: &World| {
        let store = w.store.clone();
        async move { store.read(move |r| servers::list(r, system)).await.unwrap() }
    };
    assert_eq!(
        list(&w).await,
        [server("one", 10, &["a", "b"]), server("two", 20, &[])]
    );
    let ended = Server {
        state: ServerState::Stopped,
        ..server("two", 30, &[])
    };
    beat(&w, ended.clone()).await;
    assert_eq!(list(&w).await[1], ended);
    for (since, others) in [(9, 1), (10, 0)] {
        let counted = w
            .read(move |r| servers::others(r, system, "two", at(since)))
            .await;
        assert_eq!(counted, others, "who has ended or is silent is not counted");
    }
    beat(&w, server("before", 3_600_020, &["a"])).await;
    w.write(move |tx| servers::succeed(tx, system, "before"))
        .await;
    assert_eq!(list(&w).await.len(), 2, "its successor needs no word of it");
    w.write(move |tx| servers::forget(tx, system, at(3_600_015)))
        .await;
    assert_eq!(list(&w).await, [ended]);
    w.write(move |tx| servers::forget_all(tx, system)).await;
    assert_eq!(list(&w).await, []);
}

async fn workspaces_take_turns(w: World) {
    for n in 0..30 {
        queued(&w, &w.a.clone(), n, "").await;
    }
    // Made last, and by others.
    let small = queued(&w, &w.b.clone(), 100, "").await;
    let middle = [
        queued(&w, &w.sibling.clone(), 98, "").await,
        queued(&w, &w.sibling.clone(), 99, "").await,
    ];
    let three = claim(&w, None, 200, 3).await;
    let of = |claimed: &Claimed| {
        let ids = claimed.tasks.iter().map(|(t, _)| t.workspace_id.clone());
        ids.collect::<Vec<_>>()
    };
    let mut turns = [&w.a, &w.b, &w.sibling].map(|s| s.workspace_id().clone());
    turns.sort();
    assert_eq!(
        of(&three),
        turns,
        "one of each, whoever has queued how much"
    );
    assert!(three.tasks.iter().any(|(t, _)| t.id == small.id));
    assert!(three.tasks.iter().any(|(t, _)| t.id == middle[0].id));
    assert_eq!(three.last.as_ref(), turns.last());
    // Places come free one at a time: the turns go on where they were.
    let mut last = three.last;
    let mut order = Vec::new();
    for _ in 0..4 {
        let one = claim(&w, last, 200, 1).await;
        order.extend(of(&one));
        last = one.last;
    }
    let (a, sibling) = (w.a.workspace_id(), w.sibling.workspace_id());
    let of_sibling = order.iter().filter(|id| *id == sibling).count();
    let of_a = order.iter().filter(|id| *id == a).count();
    assert_eq!((of_a, of_sibling), (3, 1), "{order:?}");
    assert!(order[..2].contains(sibling), "{order:?}");
}

async fn a_lone_workspace_is_given_all_at_once(w: World) {
    let mut made = Vec::new();
    for n in [3, 1, 2, 5, 4] {
        made.push(queued(&w, &w.a.clone(), n, "").await);
    }
    made.sort_by_key(|t| t.created_at);
    let claimed = claim(&w, None, 10, 4).await;
    let ids: Vec<_> = claimed.tasks.iter().map(|(t, _)| t.id.clone()).collect();
    let oldest: Vec<_> = made[..4].iter().map(|t| t.id.clone()).collect();
    assert_eq!(ids, oldest, "the oldest first");
    let rest = claim(&w, claimed.last, 10, 4).await;
    assert_eq!(rest.tasks.len(), 1);
    assert_eq!(claim(&w, rest.last, 10, 4).await.tasks, []);
}

async fn a_task_waits_for_a_server_that_has_its_engine(w: World) {
    let system = w.system;
    let (own, older, nobodys) = (
        queued(&w, &w.a.clone(), 3, "new").await,
        queued(&w, &w.a.clone(), 1, "old").await,
        queued(&w, &w.a.clone(), 2, "nobody's").await,
    );
    beat(&w, server("one", 1_000, &["new"])).await;
    beat(&w, server("two", 1_000, &["old"])).await;
    let ids = |claimed: Claimed| {
        let ids = claimed.tasks.into_iter().map(|(t, _)| t.id);
        ids.collect::<Vec<_>>()
    };
    // What nobody has is handed out all the same, to be ended with a clear word.
    assert_eq!(
        ids(claim(&w, None, 1_000, 9).await),
        [nobodys.id, own.id],
        "what the other server has is the other's"
    );
    let looks = move |r: &mut store::Reader<'_>, ms| tasks::claimable(r, system, "one", at(ms));
    // The other server may only be starting again: a minute is left to it.
    assert!(!w.read(move |r| looks(r, 60_999)).await);
    assert_eq!(ids(claim(&w, None, 60_999, 9).await), []);
    assert!(w.read(move |r| looks(r, 61_000)).await);
    assert_eq!(ids(claim(&w, None, 61_000, 9).await), [older.id]);
}

async fn what_a_server_has_forgotten_goes_back_by_its_fence(w: World) {
    queued(&w, &w.a.clone(), 1, "").await;
    let (task, lease) = claim(&w, None, 10, 1).await.tasks.remove(0);
    let (held, old) = (lease.clone(), "where it rests");
    w.write(move |tx| tasks::release(tx, &held, Some(old)))
        .await;
    let (scope, id) = (w.a.clone(), task.id.clone());
    let kept = move |w: &World| {
        let (store, scope, id) = (w.store.clone(), scope.clone(), id.clone());
        async move {
            store
                .read(move |r| tasks::snapshot(r, &scope, &id))
                .await
                .unwrap()
        }
    };
    assert_eq!(kept(&w).await.as_deref(), Some(old));
    let (_, again) = claim(&w, None, 20, 1).await.tasks.remove(0);
    assert_eq!(again.fence, lease.fence + 1);
    let error = w.refused(move |tx| tasks::release(tx, &lease, None)).await;
    assert_eq!(error, store::Error::LostLease(task.id.clone()));
    w.write(move |tx| tasks::release(tx, &again, None)).await;
    assert_eq!(kept(&w).await.as_deref(), Some(old));
}

async fn heard(listening: &mut tokio::sync::mpsc::Receiver<Notice>) -> Notice {
    tokio::time::timeout(Duration::from_secs(30), listening.recv())
        .await
        .unwrap()
        .unwrap()
}

async fn others_hear_of_what_is_durable_and_of_nothing_else(w: World) {
    let mut listening = w.other.listen().unwrap();
    if !w.store.is_shared() {
        assert_eq!(listening.recv().await, None, "there can be no other server");
        return;
    }
    assert_eq!(heard(&mut listening).await, Notice::Everything);
    // While no other server is known, nothing but the coming of this one is told.
    let unheard = queued(&w, &w.a.clone(), 1, "").await;
    beat(&w, server("one", 1, &[])).await;
    assert_eq!(heard(&mut listening).await, Notice::Servers);
    w.store.tell_others(1);
    let (scope, id) = (w.a.clone(), unheard.id.clone());
    let undone = w
        .refused(move |tx| {
            say(tx, &scope, &id)?;
            Err::<(), _>(store::Error::Unstorable)
        })
        .await;
    assert_eq!(undone, store::Error::Unstorable);
    // Many writers share a commit, and one of them fails: the others are told of.
    let both = [w.a.clone(), w.b.clone()];
    let writes = both.clone().map(|scope| said(&w.store, scope, false));
    let fails = said(&w.store, w.sibling.clone(), true);
    let (written, failed) =
        futures_util::future::join(futures_util::future::join_all(writes), fails).await;
    assert!(written.iter().all(|done| *done) && !failed);
    let mut found = std::collections::BTreeSet::new();
    while found.len() < 2 {
        found.insert(heard(&mut listening).await);
    }
    let expected = both.map(|scope| Notice::Workspace(scope.workspace_id().clone()));
    assert_eq!(found, expected.into());
    let (system, id) = (w.system, unheard.id.clone());
    w.write(move |tx| tasks::wake(tx, system, &id)).await;
    assert_eq!(heard(&mut listening).await, Notice::Task(unheard.id));
    // A lost connection is made again, and then everything is looked at.
    w.place.meddle(
        "select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen executor'",
    );
    assert_eq!(heard(&mut listening).await, Notice::Everything);
    queued(&w, &w.a.clone(), 2, "").await;
    assert_eq!(heard(&mut listening).await, Notice::Queue);
}

fn say(tx: &mut store::Tx<'_>, scope: &Scope, task: &domain::TaskId) -> Result<(), store::Error> {
    let kind = domain::event::EventKind::Task {
        status: "queued".to_owned(),
    };
    events::append(tx, scope, Some(task), at(1), &kind)
}

async fn said(store: &Store, scope: Scope, fails: bool) -> bool {
    let task = task(&scope, 1).id;
    let done = store.write(move |tx| {
        say(tx, &scope, &task)?;
        if fails {
            return Err(store::Error::Unstorable);
        }
        Ok(())
    });
    done.await.is_ok()
}
