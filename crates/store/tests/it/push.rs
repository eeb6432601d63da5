//! Browsers and what they are to be told: who tells, once each, and what ends with what.

use crate::samples::{account_id, at, bits};
use crate::tasks::asking;
use crate::world::World;
use domain::access::Scope;
use domain::approval::ApprovalStatus;
use domain::credential::Sealed;
use domain::push::{PushAbout, PushMessage, PushSubscription};
use domain::webhook::{Attempt, Pace, QuietHours, WebhookHealth};
use domain::{AccountId, ApprovalId, PushId, SessionId};
use futures_util::future::join_all;
use std::collections::HashSet;
use store::push::{self, Due};
use store::{Error, Store};

on_each!(
    browsers_are_kept_changed_and_removed,
    a_browser_is_one_persons_at_a_time,
    messages_are_shared_without_doubles,
    a_lost_claim_changes_nothing,
    what_is_due_goes_together_or_is_put_off,
    a_question_that_is_over_is_not_told_and_taken_away,
    browsers_end_with_sessions_and_members,
    the_key_pair_is_made_once,
);

fn browser() -> PushSubscription {
    PushSubscription {
        id: PushId::from_bits(bits()),
        account_id: account_id(),
        session_id: Some(SessionId::from_bits([5; 16])),
        service: "push.example".into(),
        name: "Mein Browser ä".into(),
        quiet: QuietHours::parse("22:00-07:00+02:00"),
        pace: Pace::default(),
        health: WebhookHealth::default(),
        created_at: at(1),
    }
}

async fn insert(w: &World, scope: &Scope, new: &PushSubscription, endpoint: &'static str) {
    let (scope, new) = (scope.clone(), new.clone());
    w.write(move |tx| push::insert(tx, &scope, &new, (endpoint, &Sealed("s".into()))))
        .await;
}

async fn added(w: &World, endpoint: &'static str) -> PushSubscription {
    let new = browser();
    insert(w, &w.a, &new, endpoint).await;
    new
}

fn message(of: &PushSubscription, due_ms: i64) -> PushMessage {
    PushMessage {
        push_id: of.id.clone(),
        approval_id: ApprovalId::from_bits(bits()),
        about: PushAbout::Asked,
        due_at: at(due_ms),
        attempts: 0,
        created_at: at(due_ms),
    }
}

async fn queued(w: &World, of: &PushSubscription, due_ms: i64) -> PushMessage {
    let new = message(of, due_ms);
    let (scope, row) = (w.a.clone(), new.clone());
    w.write(move |tx| push::enqueue(tx, &scope, &row)).await;
    new
}

async fn claim(store: &Store, w: &World, now_ms: i64) -> Option<PushMessage> {
    let system = w.system;
    let claimed: Result<_, Error> = store
        .write(move |tx| push::claim(tx, system, at(now_ms), at(now_ms + 100)))
        .await;
    claimed.unwrap().map(|(_, message)| message)
}

async fn list(w: &World, scope: &Scope, account: &AccountId) -> Vec<PushSubscription> {
    let (scope, account) = (scope.clone(), account.clone());
    w.read(move |r| push::list(r, &scope, &account)).await
}

async fn browsers_are_kept_changed_and_removed(w: World) {
    let first = added(&w, "one").await;
    insert(&w, &w.sibling, &browser(), "one").await;
    insert(&w, &w.b, &browser(), "one").await;
    assert_eq!(list(&w, &w.a, &account_id()).await, vec![first.clone()]);
    let nobody = AccountId::from_bits([1; 16]);
    assert_eq!(list(&w, &w.a, &nobody).await, Vec::new());
    let changed = PushSubscription {
        name: "Phone".into(),
        quiet: None,
        session_id: None,
        ..first.clone()
    };
    for (scope, expected) in [(w.b.clone(), false), (w.a.clone(), true)] {
        let row = changed.clone();
        let done = w.write(move |tx| push::change(tx, &scope, &row, Some(&Sealed("t".into()))));
        assert_eq!(done.await, expected);
    }
    let found = |scope: &Scope| {
        let (scope, id) = (scope.clone(), first.id.clone());
        w.read(move |r| push::get(r, &scope, &id))
    };
    assert_eq!(
        found(&w.a).await,
        Some((changed.clone(), Sealed("t".into())))
    );
    assert_eq!(found(&w.sibling).await, None);
    let attempt = Attempt {
        at: at(40),
        status: Some(201),
        note: "é".into(),
    };
    let (health, pace) = (changed.health.after(&attempt), changed.pace.with(at(40)));
    let (scope, id) = (w.a.clone(), first.id.clone());
    let noted = (health.clone(), pace.clone());
    w.write(move |tx| push::note_health(tx, &scope, &id, (&noted.0, &noted.1)))
        .await;
    let told = PushSubscription {
        health,
        pace,
        ..changed
    };
    assert_eq!(found(&w.a).await, Some((told, Sealed("t".into()))));
    queued(&w, &first, 10).await;
    for (scope, expected) in [(w.b.clone(), false), (w.a.clone(), true)] {
        let id = first.id.clone();
        assert_eq!(
            w.write(move |tx| push::remove(tx, &scope, &id)).await,
            expected
        );
    }
    assert_eq!(found(&w.a).await, None);
    assert_eq!(claim(&w.store, &w, 50).await, None, "nothing of it is left");
}

async fn a_browser_is_one_persons_at_a_time(w: World) {
    let mine = added(&w, "shared").await;
    let other = AccountId::from_bits([9; 16]);
    let hers = PushSubscription {
        account_id: other.clone(),
        ..browser()
    };
    insert(&w, &w.b, &hers, "shared").await;
    let apart = added(&w, "apart").await;
    let (system, who) = (w.system, other.clone());
    let taken = w.write(move |tx| push::take_from_others(tx, system, "shared", &who));
    assert_eq!(taken.await, 1);
    assert_eq!(list(&w, &w.a, &mine.account_id).await, vec![apart]);
    assert_eq!(list(&w, &w.b, &other).await, vec![hers]);
}

async fn messages_are_shared_without_doubles(w: World) {
    let mut wanted = HashSet::new();
    for n in 0..12 {
        let of = added(&w, Box::leak(format!("{n}").into_boxed_str())).await;
        wanted.insert(queued(&w, &of, 10).await.approval_id);
    }
    let claims = (0..24).map(|n| {
        let store = if n % 2 == 0 { &w.store } else { &w.other };
        claim(store, &w, 50)
    });
    let claimed: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
    assert!(claimed.iter().all(|m| m.attempts == 1), "{claimed:?}");
    let found: HashSet<_> = claimed.iter().map(|m| m.approval_id.clone()).collect();
    assert_eq!((claimed.len(), found), (12, wanted));
    // Of one browser one is under way at a time.
    let of = added(&w, "one").await;
    queued(&w, &of, 10).await;
    queued(&w, &of, 10).await;
    assert!(claim(&w.store, &w, 50).await.is_some());
    assert_eq!(claim(&w.store, &w, 50).await, None);
}

async fn a_lost_claim_changes_nothing(w: World) {
    let of = added(&w, "one").await;
    queued(&w, &of, 10).await;
    let lost = claim(&w.store, &w, 50).await.unwrap();
    let held = claim(&w.other, &w, 151).await.unwrap();
    assert_eq!((lost.attempts, held.attempts), (1, 2));
    let again = |message: &PushMessage, when| {
        let (scope, message) = (w.a.clone(), message.clone());
        w.write(move |tx| push::tried(tx, &scope, &message, when))
    };
    let settle = |message: &PushMessage| {
        let (scope, message) = (w.a.clone(), message.clone());
        w.write(move |tx| push::settle(tx, &scope, &message))
    };
    assert!(!settle(&lost).await && !again(&lost, None).await);
    assert!(again(&held, Some(at(300))).await);
    assert_eq!(claim(&w.store, &w, 299).await, None);
    let third = claim(&w.store, &w, 300).await.unwrap();
    // Told anew while it is under way: what came of the try is not what became of it.
    let assigned = PushMessage {
        about: PushAbout::Assigned,
        due_at: at(310),
        ..third.clone()
    };
    let (scope, row) = (w.a.clone(), assigned);
    w.write(move |tx| push::enqueue(tx, &scope, &row)).await;
    assert!(!settle(&third).await);
    let last = claim(&w.store, &w, 320).await.unwrap();
    assert_eq!(last.about, PushAbout::Assigned);
    assert!(settle(&last).await && !settle(&last).await);
    assert_eq!(claim(&w.store, &w, 900).await, None);
}

async fn what_is_due_goes_together_or_is_put_off(w: World) {
    let of = added(&w, "one").await;
    for n in 0..4 {
        queued(&w, &of, 10 + n).await;
    }
    queued(&w, &of, 900).await;
    let first = claim(&w.store, &w, 50).await.unwrap();
    let together = |at_least| {
        let (scope, first) = (w.a.clone(), first.clone());
        w.write(move |tx| {
            let due = Due {
                first: &first,
                now: at(50),
            };
            push::due_of(tx, &scope, due, at_least, at(150))
        })
    };
    assert_eq!(together(4).await, Vec::new(), "there are not so many");
    let rest = together(3).await;
    assert_eq!(rest.len(), 3);
    assert!(rest.iter().all(|m| m.attempts == 1 && m.push_id == of.id));
    assert_eq!(together(1).await, Vec::new(), "all are claimed");
    // The claims run out, and hours begin.
    let first = claim(&w.store, &w, 200).await.unwrap();
    let (scope, put_off) = (w.a.clone(), first.clone());
    let postponed = w.write(move |tx| {
        let due = Due {
            first: &put_off,
            now: at(200),
        };
        push::postpone(tx, &scope, due, at(500))
    });
    assert_eq!(postponed.await, 4);
    assert_eq!(claim(&w.store, &w, 499).await, None);
    let later = claim(&w.store, &w, 500).await.unwrap();
    assert!(later.due_at == at(500) && later.attempts <= 2, "{later:?}");
    // What was never tried is due at once when the hours change.
    let (scope, id) = (w.a.clone(), of.id.clone());
    let released = w.write(move |tx| push::release(tx, &scope, &id, at(510)));
    assert_eq!(released.await, 1, "the one of 900");
}

async fn a_question_that_is_over_is_not_told_and_taken_away(w: World) {
    let of = added(&w, "one").await;
    let ((_, _, told), (_, _, untold)) = (asking(&w).await, asking(&w).await);
    for (asked, due) in [(&told, 10), (&untold, 20)] {
        let row = PushMessage {
            approval_id: asked.id.clone(),
            ..message(&of, due)
        };
        let scope = w.a.clone();
        w.write(move |tx| push::enqueue(tx, &scope, &row)).await;
    }
    let first = claim(&w.store, &w, 50).await.unwrap();
    assert_eq!(first.approval_id, told.id);
    let scope = w.a.clone();
    assert!(w.write(move |tx| push::settle(tx, &scope, &first)).await);
    let waiting = |now| {
        let (scope, id) = (w.a.clone(), of.id.clone());
        w.read(move |r| push::waiting(r, &scope, &id, at(now)))
    };
    let over = |limit| {
        let (scope, id) = (w.a.clone(), of.id.clone());
        w.read(move |r| push::over(r, &scope, &id, limit))
    };
    assert_eq!(waiting(60).await.len(), 2);
    assert_eq!((waiting(500).await, over(9).await), (vec![], vec![]));
    for asked in [&told, &untold] {
        crate::approvals::resolve(&w, asked, ApprovalStatus::Expired).await;
        let (scope, id) = (w.a.clone(), asked.id.clone());
        w.write(move |tx| push::drop_untold(tx, &scope, &id, at(60)))
            .await;
    }
    assert_eq!(claim(&w.store, &w, 70).await, None, "nobody is told of it");
    assert_eq!(over(9).await, vec![told.id.clone()]);
    let (scope, id, gone) = (w.a.clone(), of.id.clone(), vec![told.id]);
    w.write(move |tx| push::forget_over(tx, &scope, &id, &gone))
        .await;
    assert_eq!(over(9).await, Vec::new());
    queued(&w, &of, 10).await;
    let system = w.system;
    assert_eq!(w.write(move |tx| push::forget(tx, system, at(10))).await, 0);
    assert_eq!(w.write(move |tx| push::forget(tx, system, at(11))).await, 1);
}

async fn browsers_end_with_sessions_and_members(w: World) {
    let (first, second) = (SessionId::from_bits([5; 16]), SessionId::from_bits([6; 16]));
    let of = |session: Option<&SessionId>| PushSubscription {
        session_id: session.cloned(),
        ..browser()
    };
    let rows = [
        (of(Some(&first)), "first"),
        (of(Some(&second)), "second"),
        (of(None), "none"),
    ];
    for (row, endpoint) in &rows {
        insert(&w, &w.a, row, endpoint).await;
    }
    let left = || async {
        let all = list(&w, &w.a, &account_id()).await;
        all.into_iter().map(|b| b.id).collect::<HashSet<_>>()
    };
    let ids = |of: &[usize]| {
        of.iter()
            .map(|n| rows[*n].0.id.clone())
            .collect::<HashSet<_>>()
    };
    let system = w.system;
    let third = SessionId::from_bits([7; 16]);
    let (from, to) = (first.clone(), third.clone());
    let followed =
        w.write(move |tx| store::push::follow_session(tx, system, &account_id(), (&from, &to)));
    assert_eq!(followed.await, 1);
    let ended = first.clone();
    w.write(move |tx| store::sessions::end(tx, system, &account_id(), &ended))
        .await;
    assert_eq!(
        left().await,
        ids(&[0, 1, 2]),
        "it followed to another session"
    );
    let but = third.clone();
    w.write(move |tx| store::sessions::end_others(tx, system, &account_id(), Some(&but)))
        .await;
    assert_eq!(left().await, ids(&[0, 2]));
    w.write(move |tx| store::sessions::end(tx, system, &account_id(), &third))
        .await;
    assert_eq!(left().await, ids(&[2]));
    insert(&w, &w.sibling, &browser(), "sibling").await;
    insert(&w, &w.b, &browser(), "elsewhere").await;
    let scope = w.a.clone();
    w.write(move |tx| store::tenancy::remove_member(tx, &scope, &account_id()))
        .await;
    assert_eq!(left().await, HashSet::new());
    assert_eq!(list(&w, &w.sibling, &account_id()).await, Vec::new());
    assert_eq!(
        list(&w, &w.b, &account_id()).await.len(),
        1,
        "another organization"
    );
}

async fn the_key_pair_is_made_once(w: World) {
    let keep = |store: &Store, public: &'static str| {
        let (system, organization) = (w.system, w.a.organization_id().clone());
        store.write(move |tx| {
            let pair = (public, &Sealed(format!("sealed {public}")));
            push::keep_key(tx, system, &organization, pair, at(1))
        })
    };
    let made: Vec<Result<bool, Error>> =
        join_all([keep(&w.store, "one"), keep(&w.other, "two")]).await;
    let made: Vec<bool> = made.into_iter().map(Result::unwrap).collect();
    assert_eq!(made.iter().filter(|m| **m).count(), 1, "{made:?}");
    let system = w.system;
    let (public, sealed) = w.read(move |r| push::key(r, system)).await.unwrap();
    assert_eq!(sealed.0, format!("sealed {public}"));
}
