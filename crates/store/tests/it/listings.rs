//! What clients were shown: noted once for each, found again, kept apart by workspace and person, and
//! bounded however many names a client gives itself.

use crate::samples::{account_id, at};
use crate::world::World;
use domain::access::Scope;
use domain::{AccountId, KeyId};
use store::listings::{self, Lister, Listing};

on_each!(
    a_client_is_noted_once_and_found_again,
    names_are_bounded_and_old_ones_go,
);

fn lister(client: &str, key: Option<u8>) -> Lister {
    Lister {
        account_id: account_id(),
        key_id: key.map(|n| KeyId::from_bits([n; 16])),
        client: client.to_owned(),
    }
}

async fn note(w: &World, lister: &Lister, tools: u32, ms: i64) {
    let (scope, lister) = (w.a.clone(), lister.clone());
    w.write(move |tx| listings::note(tx, &scope, &lister, tools, (at(0), at(ms))))
        .await;
}

async fn list(w: &World, scope: &Scope, account: Option<AccountId>) -> Vec<Listing> {
    let scope = scope.clone();
    w.read(move |r| listings::list(r, &scope, account.as_ref(), at(0), 500))
        .await
}

async fn a_client_is_noted_once_and_found_again(w: World) {
    let (one, keyless) = (lister("agent", Some(1)), lister("agent", None));
    note(&w, &one, 4, 10).await;
    note(&w, &one, 14, 20).await;
    note(&w, &keyless, 4, 15).await;
    let expected = Listing {
        lister: one.clone(),
        tools: 14,
        first_at: at(10),
        last_at: at(20),
    };
    let found = list(&w, &w.a, Some(account_id())).await;
    assert_eq!(found.first(), Some(&expected));
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].lister, keyless);
    let (scope, wanted) = (w.a.clone(), one.clone());
    let one_again = w.read(move |r| listings::get(r, &scope, &wanted)).await;
    assert_eq!(one_again, Some(expected));
    let nobody = AccountId::from_bits([9; 16]);
    assert_eq!(list(&w, &w.a, Some(nobody)).await, []);
    for other in [&w.sibling, &w.b] {
        assert_eq!(list(&w, other, None).await, []);
        let (scope, wanted) = (other.clone(), one.clone());
        let there = w.read(move |r| listings::get(r, &scope, &wanted)).await;
        assert_eq!(there, None);
    }
}

async fn names_are_bounded_and_old_ones_go(w: World) {
    let scope = w.a.clone();
    w.write(move |tx| {
        for n in 0..130 {
            let lister = lister(&format!("name {n}"), None);
            listings::note(tx, &scope, &lister, 4, (at(0), at(n)))?;
        }
        Ok(())
    })
    .await;
    let kept = list(&w, &w.a, None).await;
    assert_eq!(kept.len(), 100);
    assert_eq!(kept[0].lister.client, "name 129");
    assert_eq!(kept[99].lister.client, "name 30");
    // What did not come since is forgotten with the next that comes.
    let scope = w.a.clone();
    w.write(move |tx| listings::note(tx, &scope, &lister("next", None), 4, (at(120), at(200))))
        .await;
    let kept = list(&w, &w.a, None).await;
    assert_eq!(kept.len(), 11);
    assert_eq!(kept[0].lister.client, "next");
}
