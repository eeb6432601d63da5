//! Members and API keys, settings and quotas, as stored.

use crate::samples::{account, at, bits, organization, task, workspace};
use crate::world::World;
use domain::KeyId;
use domain::access::{Scope, Scopes};
use domain::key::{ApiKey, KeyLimits};
use domain::limits::Limit;
use domain::settings::Settings;
use domain::task::Outcome;
use domain::tenancy::{Account, Role};
use futures_util::future::join_all;
use store::{Error, keys, quotas, settings, tasks, tenancy};

on_each!(
    a_key_is_found_by_its_secret_while_it_works,
    keys_stay_in_their_workspace,
    members_are_listed_changed_and_removed,
    one_owner_is_left,
    organizations_come_in_one_order,
    what_a_workspace_holds_is_counted_no_further_than_asked,
    a_day_is_counted_exactly,
    settings_are_kept_and_their_defaults_are_not,
);

async fn person(w: &World, scope: &Scope, role: Role) -> Account {
    let (system, new, scope) = (w.system, account(), scope.clone());
    let made = new.clone();
    w.write(move |tx| {
        tenancy::insert_account(tx, system, &new)?;
        tenancy::set_role(tx, system, scope.organization_id(), &new.id, role)
    })
    .await;
    made
}

fn key_of(person: &Account) -> ApiKey {
    ApiKey {
        id: KeyId::from_bits(bits()),
        account_id: person.id.clone(),
        name: "ci".into(),
        prefix: Some("exk_first".into()),
        created_by: person.id.clone(),
        created_at: at(0),
        rotated_at: None,
        previous_until: None,
        expires_at: Some(at(100)),
        last_used_at: None,
        scopes: Scopes::USUAL,
        limits: KeyLimits {
            requests_per_minute: Some(60),
            tasks_per_day: None,
        },
    }
}

async fn insert(w: &World, scope: &Scope, key: &ApiKey, secret: &'static str) {
    let (scope, key) = (scope.clone(), key.clone());
    w.write(move |tx| keys::insert(tx, &scope, &key, secret))
        .await;
}

async fn a_key_is_found_by_its_secret_while_it_works(w: World) {
    let system = w.system;
    let ada = person(&w, &w.a, Role::Member).await;
    let key = key_of(&ada);
    insert(&w, &w.a, &key, "first").await;
    let find = |secret: &'static str, ms| w.read(move |r| keys::find(r, system, secret, at(ms)));
    let holder = find("first", 5).await.expect("it works");
    assert_eq!(holder.key, key);
    assert_eq!(&holder.workspace_id, w.a.workspace_id());
    assert_eq!(&holder.organization_id, w.a.organization_id());
    assert_eq!(holder.role, Role::Member);
    assert_eq!(find("other", 5).await, None);
    assert!(find("first", 99).await.is_some());
    assert_eq!(find("first", 100).await, None, "it has expired");

    let rotate = |secret: &'static str, now, until| {
        let (scope, id) = (w.a.clone(), key.id.clone());
        w.write(move |tx| {
            keys::rotate(
                tx,
                &scope,
                &id,
                (secret, Some("exk_next")),
                at(now),
                at(until),
            )
        })
    };
    assert!(rotate("second", 10, 20).await);
    assert!(find("first", 19).await.is_some() && find("second", 19).await.is_some());
    assert_eq!(find("first", 20).await, None, "its overlap is over");
    assert!(rotate("third", 11, 20).await);
    assert_eq!(
        find("first", 12).await,
        None,
        "only the one before works on"
    );
    let rotated = find("second", 12).await.expect("it works on").key;
    assert_eq!(
        (rotated.rotated_at, rotated.previous_until),
        (Some(at(11)), Some(at(20)))
    );
    assert_eq!(
        rotated.prefix.as_deref(),
        Some("exk_next"),
        "it is told by the new secret"
    );

    let touch = |ms, unless_after| {
        let id = key.id.clone();
        w.write(move |tx| keys::touch(tx, system, &id, at(ms), at(unless_after)))
    };
    touch(30, 0).await;
    touch(31, 29).await;
    let used = find("third", 32).await.expect("it works").key.last_used_at;
    assert_eq!(used, Some(at(30)), "written once in a while");
    touch(40, 30).await;
    let used = find("third", 41).await.expect("it works").key.last_used_at;
    assert_eq!(used, Some(at(40)));

    let revoke = || {
        let (scope, id) = (w.a.clone(), key.id.clone());
        w.write(move |tx| keys::revoke(tx, &scope, &id, at(50)))
    };
    assert!(revoke().await);
    assert!(!revoke().await);
    assert_eq!(find("third", 51).await, None);
    assert!(!rotate("fourth", 52, 60).await);
}

async fn keys_stay_in_their_workspace(w: World) {
    let (ada, bob) = (
        person(&w, &w.a, Role::Member).await,
        person(&w, &w.a, Role::Admin).await,
    );
    let (hers, his) = (key_of(&ada), key_of(&bob));
    insert(&w, &w.a, &hers, "hers").await;
    insert(&w, &w.a, &his, "his").await;
    let list = |scope: &Scope, whose: Option<&Account>| {
        let (scope, whose) = (scope.clone(), whose.map(|p| p.id.clone()));
        w.read(move |r| keys::list(r, &scope, whose.as_ref()))
    };
    assert_eq!(list(&w.a, None).await, [hers.clone(), his.clone()]);
    assert_eq!(list(&w.a, Some(&bob)).await, [his]);
    for elsewhere in [&w.sibling, &w.b] {
        assert_eq!(list(elsewhere, None).await, []);
        let (scope, id) = (elsewhere.clone(), hers.id.clone());
        let untouched = w
            .write(move |tx| {
                Ok((
                    keys::get(tx, &scope, &id)?,
                    keys::is_revoked(tx, &scope, &id)?,
                    keys::revoke(tx, &scope, &id, at(1))?,
                    keys::rotate(tx, &scope, &id, ("x", None), at(1), at(2))?,
                ))
            })
            .await;
        assert_eq!(untouched, (None, true, false, false));
    }
    let (system, scope, id) = (w.system, w.b.clone(), ada.id.clone());
    let elsewhere = w.write(move |tx| keys::revoke_all(tx, &scope, &id, at(1)));
    assert_eq!(elsewhere.await, 0);
    let (scope, id) = (w.sibling.clone(), ada.id.clone());
    let everywhere = w.write(move |tx| keys::revoke_all(tx, &scope, &id, at(1)));
    assert_eq!(everywhere.await, 1, "the whole organization's");
    let gone = w.read(move |r| keys::find(r, system, "hers", at(2))).await;
    assert_eq!(gone, None);
}

async fn members_are_listed_changed_and_removed(w: World) {
    let system = w.system;
    let ada = person(&w, &w.a, Role::Member).await;
    insert(&w, &w.a, &key_of(&ada), "hers").await;
    let (a, b, id) = (w.a.clone(), w.b.clone(), ada.id.clone());
    let seen = w
        .write(move |tx| {
            Ok((
                tenancy::members(tx, &a)?.len(),
                tenancy::members(tx, &b)?.len(),
                tenancy::member(tx, &b, &id)?,
                tenancy::rename(tx, &b, &id, "Eve")?,
                tenancy::rename(tx, &a, &id, "Ada L.")?,
                tenancy::member(tx, &a, &id)?.map(|m| (m.account.name, m.role)),
                tenancy::remove_member(tx, &b, &id)?,
                tenancy::role_in(tx, &a, &id)?,
                tenancy::remove_member(tx, &a, &id)?,
                tenancy::role_in(tx, &a, &id)?,
            ))
        })
        .await;
    let renamed = Some(("Ada L.".to_owned(), Role::Member));
    let member = Some(Role::Member);
    assert_eq!(
        seen,
        (1, 0, None, false, true, renamed, false, member, true, None)
    );
    let found = w.read(move |r| keys::find(r, system, "hers", at(1))).await;
    assert_eq!(found, None, "a key without a member is worth nothing");
}

async fn one_owner_is_left(w: World) {
    let system = w.system;
    let owners = join_all((0..4).map(|_| person(&w, &w.a, Role::Owner))).await;
    // All leave at once, each unless it would be the last.
    let leave = owners.iter().enumerate().map(|(n, owner)| {
        let (scope, id) = (w.a.clone(), owner.id.clone());
        let store = if n.is_multiple_of(2) {
            &w.store
        } else {
            &w.other
        };
        store.write(move |tx| {
            if tenancy::owners(tx, &scope)? <= 1 {
                return Ok(false);
            }
            tenancy::set_role(tx, system, scope.organization_id(), &id, Role::Member)?;
            Ok::<_, Error>(true)
        })
    });
    let left: Vec<bool> = join_all(leave)
        .await
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(left.iter().filter(|left| **left).count(), 3, "{left:?}");
}

async fn what_a_workspace_holds_is_counted_no_further_than_asked(w: World) {
    let scope = w.a.clone();
    let tasks: Vec<_> = (0..5).map(|n| task(&w.a, n)).collect();
    let inserted = tasks.clone();
    w.write(move |tx| {
        for task in &inserted {
            tasks::insert(tx, &scope, task)?;
        }
        Ok(())
    })
    .await;
    let counts = |scope: &Scope, most| {
        let scope = scope.clone();
        w.read(move |r| {
            Ok((
                quotas::tasks_active(r, &scope, most)?,
                quotas::tasks_waiting(r, &scope, most)?,
                quotas::approvals_pending(r, &scope, most)?,
            ))
        })
    };
    assert_eq!(counts(&w.a, 10).await, (5, 0, 0));
    assert_eq!(counts(&w.a, 3).await, (3, 0, 0));
    assert_eq!(counts(&w.sibling, 10).await, (0, 0, 0));
    let (scope, id) = (w.a.clone(), tasks[0].id.clone());
    w.write(move |tx| tasks::finish_unclaimed(tx, &scope, &id, &Outcome::Canceled, at(9)))
        .await;
    assert_eq!(
        counts(&w.a, 10).await,
        (4, 0, 0),
        "what has ended is not held"
    );
}

async fn a_day_is_counted_exactly(w: World) {
    let key = KeyId::from_bits(bits());
    let count = |n: usize, scope: &Scope, day, key: Option<KeyId>| {
        let scope = scope.clone();
        let store = if n.is_multiple_of(2) {
            &w.store
        } else {
            &w.other
        };
        store.write(move |tx| quotas::count_task(tx, &scope, day, key.as_ref().map(KeyId::as_str)))
    };
    let all = join_all((0..20).map(|n| count(n, &w.a, 7, None))).await;
    let mut all: Vec<u64> = all
        .into_iter()
        .map(|n: Result<_, Error>| n.unwrap())
        .collect();
    all.sort_unstable();
    assert_eq!(all, (1..=20).collect::<Vec<u64>>());
    for (scope, day, key, expected) in [
        (&w.a, 7, None, 21),
        (&w.a, 7, Some(key.clone()), 1),
        (&w.a, 8, None, 1),
        (&w.sibling, 7, None, 1),
    ] {
        assert_eq!(count(0, scope, day, key).await, Ok(expected));
    }
    let scope = w.a.clone();
    w.write(move |tx| quotas::forget_days_before(tx, &scope, 8))
        .await;
    assert_eq!(count(0, &w.a, 7, None).await, Ok(1));
    assert_eq!(count(0, &w.a, 8, None).await, Ok(2));
    assert_eq!(count(0, &w.sibling, 7, None).await, Ok(2));
}

async fn settings_are_kept_and_their_defaults_are_not(w: World) {
    let changed = Settings {
        limits: [(Limit::Calls, 7)].into(),
        ..Settings::default()
    };
    let (scope, wanted) = (w.a.clone(), changed.clone());
    let before = w
        .write(move |tx| {
            let before = settings::get_to_change(tx, &scope)?;
            settings::set(tx, &scope, &wanted)?;
            Ok(before)
        })
        .await;
    assert_eq!(before, Settings::default());
    for (scope, expected) in [(&w.a, changed), (&w.sibling, Settings::default())] {
        let scope = scope.clone();
        assert_eq!(w.read(move |r| settings::get(r, &scope)).await, expected);
    }
}

/// What a provider says of many organizations is written in one instant.
async fn organizations_come_in_one_order(w: World) {
    let (system, person) = (w.system, account());
    let new = person.clone();
    w.write(move |tx| tenancy::insert_account(tx, system, &new))
        .await;
    for (name, role, joined) in [
        ("Delta", Role::Member, 2),
        ("Echo", Role::Owner, 3),
        ("Bravo", Role::Admin, 2),
        ("Charlie", Role::Member, 2),
        ("Alpha", Role::Admin, 2),
        ("Zulu", Role::Member, 1),
        ("Foxtrot", Role::BillingAdmin, 2),
    ] {
        let mut new = organization();
        name.clone_into(&mut new.name);
        let (main, id) = (workspace(&new, "main"), person.id.clone());
        w.write(move |tx| {
            tenancy::insert(tx, system, &new, &main)?;
            tenancy::join(tx, system, &new.id, &id, (role, at(joined)))
        })
        .await;
    }
    let id = person.id.clone();
    let (names, first) = w
        .read(move |r| {
            let all = tenancy::organizations_of(r, system, &id)?;
            let names: Vec<String> = all.into_iter().map(|(o, _)| o.name).collect();
            Ok((names, tenancy::first_reached(r, system, &id)?))
        })
        .await;
    assert_eq!(
        names,
        [
            "Zulu", "Alpha", "Bravo", "Foxtrot", "Charlie", "Delta", "Echo"
        ]
    );
    assert_eq!(
        first.map(|at| at.role),
        Some(Role::Member),
        "the first that was joined"
    );
}
