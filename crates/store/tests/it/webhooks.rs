//! Webhooks and their outbox: who tells what, once each, and nobody holds up another.

use crate::samples::{account_id, at, bits};
use crate::world::World;
use domain::access::Scope;
use domain::credential::Sealed;
use domain::webhook::{
    Attempt, Delivery, DeliveryState, FAILURES_MAX, Webhook, WebhookEvent, WebhookHealth,
};
use domain::{DeliveryId, Timestamp, WebhookId};
use futures_util::future::join_all;
use std::collections::HashSet;
use store::webhooks;
use store::{Error, Store};

on_each!(
    webhooks_are_kept_changed_rotated_and_removed,
    deliveries_are_shared_without_doubles,
    a_lost_claim_is_taken_over_and_its_outcome_refused,
    a_failing_address_holds_up_no_other,
    what_waits_too_long_is_given_up_and_forgotten,
);

fn webhook() -> Webhook {
    Webhook {
        id: WebhookId::from_bits(bits()),
        url: "https://hooks.example/ä?b".into(),
        events: vec![
            WebhookEvent::ApprovalPending,
            WebhookEvent::ApprovalResolved,
        ],
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
    w.write(move |tx| webhooks::tried(tx, &scope, &settled, &health))
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
