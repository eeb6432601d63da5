//! Webhooks and their outbox: who tells what, once each, and nobody holds up another.

use crate::samples::{account_id, at, bits};
use crate::world::World;
use domain::access::Scope;
use domain::credential::Sealed;
use domain::webhook::{
    Attempt, Delivery, DeliveryState, FAILURES_MAX, Pace, QuietHours, Webhook, WebhookEvent,
    WebhookFormat, WebhookHealth,
};
use domain::{DeliveryId, Timestamp, WebhookId};
use futures_util::future::join_all;
use std::collections::HashSet;
use store::webhooks::{self, Due};
use store::{Error, Store};

on_each!(
    webhooks_are_kept_changed_rotated_and_removed,
    deliveries_are_shared_without_doubles,
    a_lost_claim_is_taken_over_and_its_outcome_refused,
    a_failing_address_holds_up_no_other,
    what_waits_too_long_is_given_up_and_forgotten,
    what_people_read_goes_together_or_is_put_off,
    a_question_with_more_time_is_told_of_for_longer,
);

fn webhook() -> Webhook {
    Webhook {
        id: WebhookId::from_bits(bits()),
        url: "https://hooks.example/ä?b".into(),
        events: vec![
            WebhookEvent::ApprovalPending,
            WebhookEvent::ApprovalResolved,
        ],
        format: WebhookFormat::Standard,
        pace: Pace::default(),
        enabled: true,
        allow_private: true,
        secret_version: 1,
        overlap_until: None,
        created_by: account_id(),
        created_at: at(1),
        health: WebhookHealth::default(),
    }
}

fn delivery(webhook: &Webhook, due_ms: i64) -> Delivery {
    Delivery {
        id: DeliveryId::from_bits(bits()),
        webhook_id: webhook.id.clone(),
        event: WebhookEvent::ApprovalPending,
        subject: "appr_1".into(),
        data: r#"{"ü":1}"#.into(),
        state: DeliveryState::Pending(at(due_ms)),
        attempts: 0,
        last: None,
        created_at: at(due_ms),
        give_up_at: at(due_ms + 10_000),
    }
}

async fn added(w: &World, scope: &Scope) -> Webhook {
    let (scope, new) = (scope.clone(), webhook());
    let row = new.clone();
    w.write(move |tx| webhooks::insert(tx, &scope, &row, &Sealed("one".into())))
        .await;
    new
}

async fn queued(w: &World, webhook: &Webhook, due_ms: i64) -> Delivery {
    let (scope, new) = (w.a.clone(), delivery(webhook, due_ms));
    let row = new.clone();
    w.write(move |tx| webhooks::enqueue(tx, &scope, &row, Timestamp(0)))
        .await;
    new
}

async fn claim(store: &Store, w: &World, now_ms: i64) -> Option<Delivery> {
    let system = w.system;
    let until = at(now_ms + 100);
    let claimed: Result<_, Error> = store
        .write(move |tx| webhooks::claim(tx, system, at(now_ms), until))
        .await;
    claimed.unwrap().map(|(_, delivery)| delivery)
}

async fn tried(w: &World, delivery: &Delivery, status: u16, health: WebhookHealth) -> bool {
    let attempt = Attempt {
        at: at(50),
        status: Some(status),
        note: "é".into(),
    };
    let settled = Delivery {
        state: delivery.after(&attempt, 1_000, None),
        last: Some(attempt),
        ..delivery.clone()
    };
    let scope = w.a.clone();
    w.write(move |tx| webhooks::tried(tx, &scope, &settled, (&health, &Pace::default())))
        .await
}

async fn get(w: &World, id: &WebhookId) -> Option<Webhook> {
    let (scope, id) = (w.a.clone(), id.clone());
    w.read(move |r| webhooks::get(r, &scope, &id)).await
}

async fn told(w: &World, webhook: &Webhook) -> Vec<Delivery> {
    let (scope, id) = (w.a.clone(), webhook.id.clone());
    w.read(move |r| webhooks::deliveries(r, &scope, &id, None, 100))
        .await
}

async fn webhooks_are_kept_changed_rotated_and_removed(w: World) {
    let first = added(&w, &w.a).await;
    added(&w, &w.sibling).await;
    assert_eq!(get(&w, &first.id).await, Some(first.clone()));
    let scope = w.a.clone();
    assert_eq!(
        w.read(move |r| webhooks::list(r, &scope)).await,
        vec![first.clone()],
        "those of other workspaces are not seen"
    );
    let changed = Webhook {
        format: WebhookFormat::Slack(QuietHours::parse("22:00-07:00+02:00")),
        url: "http://127.0.0.1/".into(),
        enabled: false,
        ..first.clone()
    };
    for (scope, expected) in [(w.b.clone(), false), (w.a.clone(), true)] {
        let row = changed.clone();
        let done = w.write(move |tx| webhooks::change(tx, &scope, &row)).await;
        assert_eq!(done, expected);
    }
    let rotated = Webhook {
        secret_version: 2,
        overlap_until: Some(at(9)),
        ..changed
    };
    for expected in [true, false] {
        let (scope, row) = (w.a.clone(), rotated.clone());
        let done = w
            .write(move |tx| webhooks::rotate(tx, &scope, &row, &Sealed("two".into())))
            .await;
        assert_eq!(done, expected, "a rotation follows the version before it");
    }
    assert_eq!(get(&w, &first.id).await, Some(rotated));
    let (scope, id) = (w.a.clone(), first.id.clone());
    let secrets = w.read(move |r| webhooks::secrets(r, &scope, &id)).await;
    let secrets = secrets.unwrap();
    assert_eq!(secrets.current, Sealed("two".into()));
    assert_eq!(secrets.previous, Some(Sealed("one".into())));
    queued(&w, &first, 1).await;
    for (scope, expected) in [(w.b.clone(), false), (w.a.clone(), true)] {
        let id = first.id.clone();
        let done = w.write(move |tx| webhooks::remove(tx, &scope, &id)).await;
        assert_eq!(done, expected);
    }
    assert_eq!(get(&w, &first.id).await, None);
    assert_eq!(told(&w, &first).await, Vec::new());
}

async fn deliveries_are_shared_without_doubles(w: World) {
    let mut expected = HashSet::new();
    for _ in 0..5 {
        let hook = added(&w, &w.a).await;
        for n in 0..3 {
            expected.insert(queued(&w, &hook, n).await.id.to_string());
        }
    }
    let claims = (0..30).map(|n| {
        let store = if n % 2 == 0 { &w.store } else { &w.other };
        claim(store, &w, 10)
    });
    let found: Vec<Delivery> = join_all(claims).await.into_iter().flatten().collect();
    let ids: HashSet<String> = found.iter().map(|d| d.id.to_string()).collect();
    assert_eq!(ids.len(), found.len(), "none is claimed twice");
    assert_eq!(ids, expected);
    let system = w.system;
    let more = w.read(move |r| webhooks::claimable(r, system, at(10)));
    assert!(!more.await);
}

async fn a_lost_claim_is_taken_over_and_its_outcome_refused(w: World) {
    let hook = added(&w, &w.a).await;
    let new = queued(&w, &hook, 1).await;
    assert_eq!(claim(&w.store, &w, 0).await, None, "not due yet");
    let first = claim(&w.store, &w, 10).await.unwrap();
    assert_eq!(
        first,
        Delivery {
            attempts: 1,
            ..new.clone()
        }
    );
    assert_eq!(claim(&w.other, &w, 109).await, None);
    let second = claim(&w.other, &w, 110).await.unwrap();
    assert_eq!((&second.id, second.attempts), (&new.id, 2));
    assert!(!tried(&w, &first, 200, WebhookHealth::default()).await);
    let third = claim(&w.store, &w, 210).await.unwrap();
    assert!(tried(&w, &third, 200, WebhookHealth::default()).await);
    assert!(!tried(&w, &third, 200, WebhookHealth::default()).await);
    let ended = told(&w, &hook).await.remove(0);
    assert_eq!(ended.state, DeliveryState::Delivered(at(50)));
    assert_eq!(ended.last.unwrap().note, "é");
}

async fn a_failing_address_holds_up_no_other(w: World) {
    let (bad, good) = (added(&w, &w.a).await, added(&w, &w.a).await);
    for n in 0..10 {
        queued(&w, &bad, n).await;
    }
    let kept = queued(&w, &good, 100).await;
    let mut first = None;
    for _ in 0..4 {
        let got = claim(&w.store, &w, 200).await.unwrap();
        assert_eq!(got.webhook_id, bad.id, "what is due longest comes first");
        first.get_or_insert(got);
    }
    let got = claim(&w.store, &w, 200).await.unwrap();
    assert_eq!(got.id, kept.id, "four at once are enough for one address");
    assert_eq!(claim(&w.store, &w, 200).await, None);
    let failing = |rests_until| WebhookHealth {
        failures: FAILURES_MAX,
        rests_until,
        taken_at: None,
        last: None,
    };
    let health = failing(at(5_000));
    assert!(tried(&w, &first.unwrap(), 500, health.clone()).await);
    assert_eq!(get(&w, &bad.id).await.unwrap().health, health);
    assert_eq!(
        claim(&w.store, &w, 4_999).await.map(|d| d.id),
        Some(kept.id)
    );
    assert!(claim(&w.store, &w, 5_000).await.is_some());
    assert_eq!(
        claim(&w.store, &w, 5_000).await,
        None,
        "one at a time while it fails"
    );
}

async fn what_waits_too_long_is_given_up_and_forgotten(w: World) {
    let hook = added(&w, &w.a).await;
    let (old, young) = (queued(&w, &hook, 1).await, queued(&w, &hook, 2).await);
    let system = w.system;
    let given_up = w
        .write(move |tx| webhooks::give_up_due(tx, system, at(10_001)))
        .await;
    let failed = Delivery {
        state: DeliveryState::Failed(at(10_001)),
        ..old
    };
    assert_eq!(given_up, vec![(w.a.clone(), failed.clone())]);
    let forget = |before: Timestamp| w.write(move |tx| webhooks::forget(tx, system, before));
    assert_eq!(forget(at(10_001)).await, 0);
    assert_eq!(told(&w, &hook).await, vec![young.clone(), failed]);
    assert_eq!(forget(at(10_002)).await, 1);
    assert_eq!(told(&w, &hook).await, vec![young]);
    let (scope, id) = (w.a.clone(), hook.id.clone());
    let rest = w.write(move |tx| webhooks::give_up(tx, &scope, &id, at(3)));
    assert_eq!(rest.await, 1);
}

/// A webhook of the workspace that people read.
async fn of_people(w: &World) -> Webhook {
    let hook = Webhook {
        format: WebhookFormat::Slack(None),
        ..added(w, &w.a).await
    };
    let (scope, row) = (w.a.clone(), hook.clone());
    w.write(move |tx| webhooks::change(tx, &scope, &row)).await;
    hook
}

async fn others(w: &World, first: &Delivery, now: i64, at_least: usize) -> Vec<DeliveryId> {
    let (scope, first) = (w.a.clone(), first.clone());
    let claimed = w.write(move |tx| {
        let due = Due {
            first: &first,
            now: at(now),
        };
        webhooks::due_of(tx, &scope, due, at_least, at(now + 100))
    });
    claimed.await.into_iter().map(|d| d.id).collect()
}

async fn what_people_read_goes_together_or_is_put_off(w: World) {
    let hook = of_people(&w).await;
    let other = of_people(&w).await;
    let mut due = Vec::new();
    for n in 0..4 {
        due.push(queued(&w, &hook, n).await);
    }
    let kept = queued(&w, &other, 3).await;
    let later = queued(&w, &hook, 50).await;
    let first = claim(&w.store, &w, 10).await.unwrap();
    assert_eq!(first.id, due[0].id);
    let next = claim(&w.store, &w, 10).await.unwrap();
    assert_eq!(next.id, kept.id, "people are told one thing at a time");
    assert!(tried(&w, &next, 200, WebhookHealth::default()).await);
    assert_eq!(others(&w, &first, 10, 4).await, Vec::new(), "too few");
    // Put off, they wait with the one that was claimed, which was not tried.
    let postpone = |until: i64| {
        let (scope, first) = (w.a.clone(), first.clone());
        w.write(move |tx| {
            let due = Due {
                first: &first,
                now: at(10),
            };
            webhooks::postpone(tx, &scope, due, at(until))
        })
    };
    assert_eq!(postpone(1_000).await, 4);
    let waiting = told(&w, &hook).await;
    let put_off = waiting
        .iter()
        .filter(|d| d.state == DeliveryState::Pending(at(1_000)) && d.attempts == 0);
    assert_eq!(put_off.count(), 4);
    assert_eq!(claim(&w.store, &w, 60).await.unwrap().id, later.id);
    assert_eq!(claim(&w.store, &w, 999).await.unwrap().id, later.id);
    let (scope, id) = (w.a.clone(), hook.id.clone());
    let released = w.write(move |tx| webhooks::release(tx, &scope, &id, at(1_200)));
    assert_eq!(released.await, 0, "what is due already stays");
    let first = claim(&w.store, &w, 1_200).await.unwrap();
    let rest = others(&w, &first, 1_200, 1).await;
    let mut all: Vec<DeliveryId> = rest.into_iter().chain([first.id.clone()]).collect();
    all.sort();
    let mut expected: Vec<DeliveryId> = due.iter().map(|d| d.id.clone()).collect();
    expected.push(later.id);
    expected.sort();
    assert_eq!(all, expected, "each once");
    // After five messages the address rests until the minute is over.
    let mut pace = Pace::default();
    for n in 0..5 {
        pace = pace.with(at(1_200 + n));
    }
    let settled = Delivery {
        state: DeliveryState::Delivered(at(1_204)),
        ..first
    };
    let (scope, row, kept_pace) = (w.a.clone(), settled, pace.clone());
    let done = w.write(move |tx| {
        webhooks::tried(tx, &scope, &row, (&WebhookHealth::default(), &kept_pace))
    });
    assert!(done.await);
    assert_eq!(get(&w, &hook.id).await.unwrap().pace, pace);
    let held = queued(&w, &hook, 1_300).await;
    assert_eq!(claim(&w.store, &w, 61_199).await, None);
    assert!(claim(&w.store, &w, 61_200).await.is_some());
    assert!(told(&w, &hook).await.iter().any(|d| d.id == held.id));
}

async fn a_question_with_more_time_is_told_of_for_longer(w: World) {
    let hook = added(&w, &w.a).await;
    let (asked, ended) = (queued(&w, &hook, 1).await, queued(&w, &hook, 2).await);
    let claimed = claim(&w.store, &w, 10).await.unwrap();
    assert!(tried(&w, &claimed, 200, WebhookHealth::default()).await);
    let retell = |scope: &Scope, until: i64| {
        let scope = scope.clone();
        w.write(move |tx| {
            let what = (WebhookEvent::ApprovalPending, "appr_1");
            webhooks::retell(tx, &scope, what, "{}", at(until))
        })
    };
    assert_eq!(retell(&w.b, 99_000).await, 0);
    assert_eq!(retell(&w.a, 99_000).await, 1, "what was told stays told");
    assert_eq!(retell(&w.a, 5).await, 1);
    let found = told(&w, &hook).await;
    let of = |id: &DeliveryId| found.iter().find(|d| d.id == *id).unwrap().clone();
    assert_eq!(of(&ended.id).give_up_at, at(99_000), "never for shorter");
    assert_eq!(of(&ended.id).data, "{}");
    assert_eq!(of(&asked.id).data, asked.data);
}
