//! The small tables: tenancy, sessions, handles, idempotency, meta, health.

use crate::samples::{account, at, organization, task, workspace};
use crate::world::{Kind, World};
use domain::sign_in::{Session, Via};
use domain::tenancy::Role;
use domain::{AccountId, HandleId, SessionId};
use futures_util::future::join_all;
use store::tenancy::{self, NewLocal};
use store::values::Part;
use store::{Error, accounts, handles, health, idempotency, meta, sessions, tasks};

on_each!(
    the_local_workspace_is_made_once,
    roles_and_names_are_kept,
    a_link_signs_in_once,
    handles_are_read_in_parts,
    a_key_is_answered_once,
    a_round_is_used_once,
    facts_are_kept,
    the_database_tells_its_health,
    a_nul_character_is_refused,
);

fn new_local() -> NewLocal {
    let organization = organization();
    let workspace = workspace(&organization, "local");
    NewLocal {
        organization,
        workspace,
        account: account(),
    }
}

async fn the_local_workspace_is_made_once(w: World) {
    let system = w.system;
    let servers = (0..6).map(|n| {
        let store = if n % 2 == 0 { &w.store } else { &w.other };
        let new = new_local();
        store.write(move |tx| tenancy::ensure_local(tx, system, &new))
    });
    let mut made: Vec<tenancy::Local> = join_all(servers)
        .await
        .into_iter()
        .collect::<Result<_, Error>>()
        .unwrap();
    let local = made.remove(0);
    assert!(made.iter().all(|other| *other == local));
    let scope = system.scope(local.organization.id.clone(), local.workspace.id.clone());
    let (mine, id) = (scope.clone(), local.account.id.clone());
    let seen = w
        .read(move |r| {
            Ok((
                tenancy::workspace(r, &mine)?,
                tenancy::find(r, system, mine.workspace_id())?,
                tenancy::role(r, system, mine.organization_id(), &id)?,
                accounts::name(r, &mine, &id)?,
            ))
        })
        .await;
    let workspace = Some(local.workspace.clone());
    assert_eq!(
        seen,
        (
            workspace.clone(),
            workspace,
            Some(Role::Owner),
            Some("Ada".to_owned())
        )
    );
    // A scope of the right workspace in the wrong organization finds nothing.
    let crossed = system.scope(w.b.organization_id().clone(), local.workspace.id);
    assert_eq!(w.read(move |r| tenancy::workspace(r, &crossed)).await, None);
}

async fn roles_and_names_are_kept(w: World) {
    let (system, person, scope) = (w.system, account(), w.a.clone());
    let id = person.id.clone();
    w.write(move |tx| {
        tenancy::insert_account(tx, system, &person)?;
        tenancy::set_role(
            tx,
            system,
            scope.organization_id(),
            &person.id,
            Role::Member,
        )?;
        tenancy::set_role(
            tx,
            system,
            scope.organization_id(),
            &person.id,
            Role::BillingAdmin,
        )
    })
    .await;
    let (a, b) = (w.a.clone(), w.b.clone());
    let seen = w
        .read(move |r| {
            Ok((
                tenancy::role(r, system, a.organization_id(), &id)?,
                tenancy::role(r, system, b.organization_id(), &id)?,
                accounts::name(r, &a, &id)?,
                accounts::name(r, &b, &id)?,
            ))
        })
        .await;
    assert_eq!(
        seen,
        (Some(Role::BillingAdmin), None, Some("Ada".to_owned()), None)
    );
    let (one, taken) = (organization(), workspace(&organization(), "a"));
    let taken = domain::tenancy::Workspace {
        organization_id: w.a.organization_id().clone(),
        ..taken
    };
    let one = domain::tenancy::Organization {
        id: w.a.organization_id().clone(),
        ..one
    };
    let error = w
        .refused(move |tx| tenancy::insert(tx, system, &one, &taken))
        .await;
    assert_eq!(error, Error::Conflict("workspaces_slug".into()));
}

async fn a_link_signs_in_once(w: World) {
    let (system, person) = (w.system, account());
    let id = person.id.clone();
    let session = Session {
        id: SessionId::from_bits([1; 16]),
        account_id: id.clone(),
        via: Via::Link,
        user_agent: "a browser".into(),
        address: "127.0.0.1".into(),
        created_at: at(0),
        seen_at: at(0),
        expires_at: at(20),
    };
    let kept = session.clone();
    w.write(move |tx| {
        tenancy::insert_account(tx, system, &person)?;
        for (token, expires) in [("link", 10), ("old", 5)] {
            sessions::insert_link(tx, system, token, &person.id, at(expires))?;
        }
        sessions::insert(tx, system, &kept, "in")
    })
    .await;
    let take =
        |token: &'static str, ms| w.write(move |tx| sessions::take_link(tx, system, token, at(ms)));
    assert_eq!(take("old", 5).await, None);
    assert_eq!(take("in", 5).await, None);
    let taken = join_all((0..6).map(|_| take("link", 5))).await;
    assert_eq!(
        taken.into_iter().flatten().collect::<Vec<_>>(),
        vec![id.clone()]
    );
    let find = |token: &'static str| w.read(move |r| sessions::find(r, system, token));
    assert_eq!(find("link").await, None);
    assert_eq!(find("in").await, Some(session.clone()));
    let other = AccountId::from_bits([9; 16]);
    let end = |who: AccountId| {
        let session = session.id.clone();
        w.write(move |tx| sessions::end(tx, system, &who, &session))
    };
    assert!(!end(other).await, "somebody else's");
    assert!(find("in").await.is_some());
    assert!(end(id).await);
    assert_eq!(find("in").await, None);
}

async fn handles_are_read_in_parts(w: World) {
    let (scope, owner, id) = (w.a.clone(), task(&w.a, 0), HandleId::from_bits([1; 16]));
    let handle = id.clone();
    w.write(move |tx| {
        tasks::insert(tx, &scope, &owner)?;
        handles::insert(tx, &scope, &handle, &owner.id, "a€😀 end", at(1))
    })
    .await;
    let part = |scope: &domain::access::Scope, offset, length| {
        let (scope, id) = (scope.clone(), id.clone());
        w.read(move |r| handles::read(r, &scope, &id, offset, length))
    };
    let expected = |text: &str, offset| {
        Some(Part {
            text: text.to_owned(),
            offset,
            bytes: 12,
        })
    };
    assert_eq!(part(&w.a, 0, 4).await, expected("a€", 0));
    assert_eq!(part(&w.a, 4, 100).await, expected("😀 end", 4));
    assert_eq!(part(&w.a, 12, 100).await, expected("", 12));
    assert_eq!(part(&w.b, 0, 4).await, None);
    let whose = |scope: &domain::access::Scope| {
        let (scope, id) = (scope.clone(), id.clone());
        w.read(move |r| handles::owner(r, &scope, &id))
    };
    assert_eq!(whose(&w.a).await, Some(crate::samples::account_id()));
    assert_eq!(whose(&w.b).await, None);
}

async fn a_key_is_answered_once(w: World) {
    let remember = |scope: &domain::access::Scope, response: &'static str| {
        let scope = scope.clone();
        w.store
            .write(move |tx| idempotency::remember(tx, &scope, "k", "digest", response, at(5)))
    };
    remember(&w.a, "first").await.unwrap();
    let second = remember(&w.a, "second").await;
    assert_eq!(second, Err(Error::Conflict("idempotency_pk".into())));
    remember(&w.b, "other").await.unwrap();
    let find = |scope: &domain::access::Scope| {
        let scope = scope.clone();
        w.read(move |r| {
            Ok(idempotency::find(r, &scope, "k")?.map(|f| (f.request_digest, f.response)))
        })
    };
    assert_eq!(
        find(&w.a).await,
        Some(("digest".to_owned(), "first".to_owned()))
    );
    assert_eq!(
        find(&w.b).await,
        Some(("digest".to_owned(), "other".to_owned()))
    );
    assert_eq!(find(&w.sibling).await, None);
    let system = w.system;
    assert_eq!(
        w.write(move |tx| idempotency::forget_before(tx, system, at(5)))
            .await,
        0
    );
    assert_eq!(
        w.write(move |tx| idempotency::forget_before(tx, system, at(6)))
            .await,
        2
    );
}

async fn a_round_is_used_once(w: World) {
    let uses = |store: &store::Store, scope: &domain::access::Scope, now: i64| {
        let scope = scope.clone();
        store.write(move |tx| store::rounds::use_up(tx, &scope, "r", at(10), at(now)))
    };
    // Many at once, on two servers: one of them is first.
    let attempts = (0..20).map(|n| {
        let store = if n % 2 == 0 { &w.store } else { &w.other };
        uses(store, &w.a, 5)
    });
    let first = join_all(attempts).await;
    let first = first.into_iter().filter(|used| *used == Ok(true)).count();
    assert_eq!(first, 1);
    assert_eq!(uses(&w.store, &w.b, 5).await, Ok(true), "another workspace");
    assert_eq!(uses(&w.other, &w.a, 9).await, Ok(false));
    assert_eq!(
        uses(&w.store, &w.a, 10).await,
        Ok(true),
        "its age refuses it now"
    );
}

async fn facts_are_kept(w: World) {
    let system = w.system;
    let seen = w
        .write(move |tx| {
            let before = meta::get(tx, system, "k")?;
            meta::set(tx, system, "k", "one")?;
            meta::set(tx, system, "k", "two")?;
            let first = (
                meta::set_first(tx, system, "k", "x")?,
                meta::set_first(tx, system, "n", "x")?,
            );
            Ok((before, meta::get(tx, system, "k")?, first))
        })
        .await;
    assert_eq!(seen, (None, Some("two".to_owned()), (false, true)));
}

async fn the_database_tells_its_health(w: World) {
    let (size, clock) = w
        .read(|r| {
            health::ping(r)?;
            Ok((health::size_bytes(r)?, health::clock(r)?))
        })
        .await;
    assert!(size > 4_096);
    assert_eq!(clock.is_some(), w.kind == Kind::Postgres);
    assert_eq!(
        w.store.kind(),
        if w.kind == Kind::Postgres {
            "postgres"
        } else {
            "sqlite"
        }
    );
}

async fn a_nul_character_is_refused(w: World) {
    let system = w.system;
    let error = w
        .refused(move |tx| meta::set(tx, system, "k", "a\0b"))
        .await;
    assert_eq!(error, Error::Unstorable);
}
