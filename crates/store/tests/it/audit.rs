//! The audit chain holds, whoever appends at once.

use crate::samples::audit as draft;
use crate::world::World;
use domain::Timestamp;
use domain::audit::{AuditEntry, Checkpoint, CheckpointKind};
use futures_util::future::join_all;
use store::audit::{self, AuditFilter, checkpoints};
use store::{Error, Store};

on_each!(
    one_chain_under_many_writers,
    lists_filter_and_page,
    what_is_kept_no_longer_leaves_an_anchor,
);

mod from_outside {
    use super::a_changed_entry_shows;
    on_files!(a_changed_entry_shows);
}

async fn append(
    store: &Store,
    scope: &domain::access::Scope,
    action: &str,
    subject: &str,
) -> AuditEntry {
    let (within, draft) = (scope.clone(), draft(scope, action, subject));
    let id = draft.id.clone();
    let done: Result<_, Error> = store
        .write(move |tx| audit::append(tx, &within, draft.clone()))
        .await;
    done.unwrap();
    let scope = scope.clone();
    let chain: Result<_, Error> = store.read(move |r| audit::page(r, &scope, 0, 1_000)).await;
    let mut chain = chain.unwrap().into_iter();
    chain.find(|entry| entry.draft.id == id).unwrap()
}

async fn chain(w: &World, scope: &domain::access::Scope) -> Vec<AuditEntry> {
    let mut chain: Vec<AuditEntry> = Vec::new();
    loop {
        let (scope, after) = (scope.clone(), chain.last().map_or(0, |e| e.sequence));
        let page = w.read(move |r| audit::page(r, &scope, after, 7)).await;
        if page.is_empty() {
            return chain;
        }
        chain.extend(page);
    }
}

fn first_bad(chain: &[AuditEntry]) -> Option<usize> {
    let mut walk = domain::audit::Chain::default();
    chain.iter().position(|entry| walk.take(entry).is_err())
}

async fn one_chain_under_many_writers(w: World) {
    let scope = w.a.clone();
    let head = w.read(move |r| audit::head(r, &scope)).await;
    assert_eq!(head, (0, domain::audit::GENESIS.to_owned()));
    let writers = (0..40).map(|n| {
        let store = if n % 2 == 0 { &w.store } else { &w.other };
        let scope = if n % 3 == 0 { &w.a } else { &w.sibling };
        async move { append(store, scope, "decision", &n.to_string()).await }
    });
    let mut appended = join_all(writers).await;
    let elsewhere = append(&w.store, &w.b, "decision", "x").await;
    assert_eq!(
        elsewhere.sequence, 1,
        "another organization has a chain of its own"
    );
    appended.sort_by_key(|e| e.sequence);
    let stored = chain(&w, &w.a).await;
    assert_eq!(stored, appended);
    assert_eq!(chain(&w, &w.sibling).await, appended);
    assert_eq!(chain(&w, &w.b).await, vec![elsewhere]);
    assert_eq!(first_bad(&stored), None);
    let scope = w.a.clone();
    let head = w.read(move |r| audit::head(r, &scope)).await;
    assert_eq!(head, (40, appended[39].hash.clone()));
}

async fn lists_filter_and_page(w: World) {
    for (action, subject) in [
        ("call.sent", "one"),
        ("callXsent", "one"),
        ("call.failed", "two"),
        ("rule.added", "one"),
    ] {
        append(&w.store, &w.a, action, subject).await;
    }
    append(&w.store, &w.sibling, "call.sent", "one").await;
    let list = |filter: AuditFilter| {
        let scope = w.a.clone();
        w.read(move |r| {
            Ok(audit::list(r, &scope, &filter)?
                .iter()
                .map(|e| e.sequence)
                .collect::<Vec<_>>())
        })
    };
    let all = AuditFilter {
        limit: 9,
        ..AuditFilter::default()
    };
    let calls = AuditFilter {
        action_prefix: Some("call.".into()),
        ..all.clone()
    };
    let about_one = AuditFilter {
        subject: Some("one".into()),
        ..all.clone()
    };
    assert_eq!(
        list(all.clone()).await,
        [4, 3, 2, 1],
        "those of the sibling are not listed"
    );
    assert_eq!(list(calls.clone()).await, [3, 1]);
    assert_eq!(list(about_one).await, [4, 2, 1]);
    assert_eq!(
        list(AuditFilter {
            before: Some(3),
            ..calls
        })
        .await,
        [1]
    );
    assert_eq!(list(AuditFilter { limit: 1, ..all }).await, [4]);
}

async fn what_is_kept_no_longer_leaves_an_anchor(w: World) {
    for n in 0..5 {
        append(&w.store, &w.a, "decision", &n.to_string()).await;
    }
    let whole = chain(&w, &w.a).await;
    // The newest stays, however old it is.
    let scope = w.a.clone();
    let later = Timestamp(i64::MAX);
    let found = w
        .read(move |r| checkpoints::outlived(r, &scope, later))
        .await;
    assert_eq!(found, Some((4, whole[3].hash.clone())));
    let scope = w.a.clone();
    let at = whole[0].draft.at;
    let young = w.read(move |r| checkpoints::outlived(r, &scope, at)).await;
    assert_eq!(young, None, "what is not older stays");
    let anchor = Checkpoint {
        organization_id: w.a.organization_id().clone(),
        kind: CheckpointKind::Anchor,
        sequence: 4,
        hash: whole[3].hash.clone(),
        at: later,
        public_key: String::new(),
        signature: String::new(),
    };
    let head = Checkpoint {
        kind: CheckpointKind::Head,
        sequence: 2,
        ..anchor.clone()
    };
    let scope = w.a.clone();
    let kept = anchor.clone();
    let removed = w
        .write(move |tx| {
            checkpoints::keep(tx, &scope, &head)?;
            checkpoints::remove_up_to(tx, &scope, &kept)
        })
        .await;
    assert_eq!(removed, 4);
    let scope = w.a.clone();
    let left = w.read(move |r| checkpoints::list(r, &scope, 0, 9)).await;
    assert_eq!(
        left,
        [anchor],
        "the checkpoint before it went with its entry"
    );
    let scope = w.a.clone();
    let rest = w.read(move |r| audit::page(r, &scope, 0, 9)).await;
    assert_eq!(rest, whole[4..]);
    let mut walk = domain::audit::Chain::after(4, whole[3].hash.clone());
    assert_eq!(walk.take(&rest[0]), Ok(()));
    assert_eq!(append(&w.store, &w.a, "decision", "x").await.sequence, 6);
}

async fn a_changed_entry_shows(w: World) {
    for n in 0..3 {
        append(&w.store, &w.a, "decision", &n.to_string()).await;
    }
    let organization = w.a.organization_id();
    w.place.meddle(&format!(
        "update audit set subject = 'x' where sequence = 2 and organization_id = '{organization}'"
    ));
    assert_eq!(first_bad(&chain(&w, &w.a).await), Some(1));
}
