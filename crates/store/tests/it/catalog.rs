//! Sources with their tools and credentials.

use crate::samples::{account_id, at, bits, call, credential, source, tool};
use crate::tasks::begun;
use crate::world::World;
use domain::access::Scope;
use domain::call::CallStatus;
use domain::credential::{CredentialScope, Sealed};
use domain::source::{AuthScheme, Origin, Source, SourceStatus};
use domain::tool::Tool;
use domain::{AccountId, CredentialId, TaskId};
use store::sources::{self, Imported};
use store::{Error, calls, credentials};

on_each!(
    a_source_reads_back_with_its_tools,
    a_source_is_replaced_as_a_whole,
    the_catalog_leaves_out_what_is_disabled,
    a_removed_source_takes_its_credentials_along,
    names_are_unique_in_a_workspace,
    credentials_are_found_nearest_first,
    credentials_are_replaced_and_kept_apart,
    a_call_says_which_credential_went_along,
);

const DEFINITIONS: &str = "{\"B\":{},\"A\":{}}";

async fn add(w: &World, scope: &Scope, source: &Source, tools: Vec<Tool>) -> Result<(), Error> {
    let (scope, source) = (scope.clone(), source.clone());
    w.store
        .write(move |tx| {
            let new = Imported {
                source: &source,
                document: "openapi: 3.1.0 # é",
                definitions: DEFINITIONS,
                tools: &tools,
                looked_at: &[],
                validators: None,
            };
            sources::insert(tx, &scope, new)
        })
        .await
}

async fn catalog(w: &World, scope: &Scope) -> (Vec<(Source, String, Vec<Tool>)>, i64) {
    let scope = scope.clone();
    let (stored, version) = w
        .read(move |r| {
            Ok((
                sources::catalog(r, &scope)?,
                sources::catalog_version(r, &scope)?,
            ))
        })
        .await;
    let stored = stored
        .into_iter()
        .map(|(source, made)| (source, made.definitions, tools_of(&made.tools)));
    (stored.collect(), version)
}

fn tools_of(text: &str) -> Vec<Tool> {
    serde_json::from_str(text).expect("tools are JSON")
}

async fn a_source_reads_back_with_its_tools(w: World) {
    let (zoo, ark) = (source("zoo"), source("ark"));
    let tools: Vec<Tool> = (0..1_200).map(|n| tool(&zoo, n)).collect();
    let (_, before) = catalog(&w, &w.a).await;
    add(&w, &w.a, &zoo, tools.clone()).await.unwrap();
    add(&w, &w.a, &ark, Vec::new()).await.unwrap();
    let (stored, version) = catalog(&w, &w.a).await;
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0], (ark.clone(), DEFINITIONS.to_owned(), Vec::new()));
    assert_eq!(stored[1], (zoo.clone(), DEFINITIONS.to_owned(), tools));
    assert_eq!(version, before + 2);
    let (scope, id) = (w.a.clone(), zoo.id.clone());
    let seen = w
        .read(move |r| {
            Ok((
                sources::list(r, &scope)?,
                sources::get(r, &scope, &id)?,
                sources::by_name(r, &scope, "zoo")?,
                sources::document(r, &scope, &id)?,
            ))
        })
        .await;
    let (scope, id) = (w.a.clone(), zoo.id.clone());
    let made = w.read(move |r| sources::made(r, &scope, &id)).await;
    assert_eq!(tools_of(&made.expect("it was made").tools).len(), 1_200);
    let document = Some("openapi: 3.1.0 # é".to_owned());
    assert_eq!(
        seen,
        (
            vec![ark, zoo.clone()],
            Some(zoo.clone()),
            Some(zoo.clone()),
            document
        )
    );
    for foreign in [w.b.clone(), w.sibling.clone()] {
        let id = zoo.id.clone();
        let seen = w
            .read(move |r| {
                let mut seen = sources::list(r, &foreign)?;
                seen.extend(sources::get(r, &foreign, &id)?);
                seen.extend(sources::by_name(r, &foreign, "zoo")?);
                Ok((
                    seen,
                    sources::document(r, &foreign, &id)?,
                    sources::catalog(r, &foreign)?,
                ))
            })
            .await;
        assert_eq!(seen, (Vec::new(), None, Vec::new()));
    }
}

async fn a_source_is_replaced_as_a_whole(w: World) {
    let mut zoo = source("zoo");
    add(&w, &w.a, &zoo, vec![tool(&zoo, 1)]).await.unwrap();
    zoo.title = "Another".into();
    zoo.origin = Origin::Upload("zoo.yaml".into());
    zoo.allow_private = false;
    zoo.status = SourceStatus::Degraded {
        reason: "it is slow".into(),
    };
    zoo.refreshed_at = at(9);
    let replace = |scope: &Scope, zoo: &Source| {
        let (scope, zoo) = (scope.clone(), zoo.clone());
        w.write(move |tx| {
            let tools = [tool(&zoo, 2), tool(&zoo, 3)];
            let new = Imported {
                source: &zoo,
                document: "new",
                definitions: "{}",
                tools: &tools,
                looked_at: &[],
                validators: None,
            };
            sources::replace(tx, &scope, new)
        })
    };
    let (_, before) = catalog(&w, &w.a).await;
    assert!(!replace(&w.b, &zoo).await);
    assert!(replace(&w.a, &zoo).await);
    assert!(
        !replace(&w.a, &zoo).await,
        "made from a revision that is over"
    );
    zoo.upkeep.revision += 1;
    let (stored, version) = catalog(&w, &w.a).await;
    let tools = vec![tool(&zoo, 2), tool(&zoo, 3)];
    assert_eq!(stored, [(zoo, "{}".to_owned(), tools)]);
    assert_eq!(version, before + 1);
}

async fn the_catalog_leaves_out_what_is_disabled(w: World) {
    let zoo = source("zoo");
    add(&w, &w.a, &zoo, vec![tool(&zoo, 1)]).await.unwrap();
    let (_, before) = catalog(&w, &w.a).await;
    let set = |scope: &Scope, status: SourceStatus| {
        let (scope, id) = (scope.clone(), zoo.id.clone());
        w.write(move |tx| sources::set_status(tx, &scope, &id, &status))
    };
    assert!(!set(&w.b, SourceStatus::Disabled).await);
    assert_eq!(catalog(&w, &w.a).await.0.len(), 1);
    assert!(set(&w.a, SourceStatus::Disabled).await);
    assert_eq!(catalog(&w, &w.a).await, (Vec::new(), before + 1));
    assert!(set(&w.a, SourceStatus::Ready).await);
    assert_eq!(catalog(&w, &w.a).await.1, before + 2);
    let (scope, id) = (w.a.clone(), zoo.id.clone());
    assert_eq!(
        w.read(move |r| sources::get(r, &scope, &id)).await,
        Some(zoo)
    );
}

async fn names_are_unique_in_a_workspace(w: World) {
    add(&w, &w.a, &source("zoo"), Vec::new()).await.unwrap();
    let twice = add(&w, &w.a, &source("zoo"), Vec::new()).await;
    assert_eq!(twice, Err(Error::Conflict("sources_name".into())));
    add(&w, &w.b, &source("zoo"), Vec::new()).await.unwrap();
}

async fn a_removed_source_takes_its_credentials_along(w: World) {
    let zoo = source("zoo");
    add(&w, &w.a, &zoo, vec![tool(&zoo, 1)]).await.unwrap();
    let (scope, new) = (
        w.a.clone(),
        credential(&zoo.id, CredentialScope::Workspace, &account_id()),
    );
    w.write(move |tx| credentials::upsert(tx, &scope, &new, &Sealed("v1.x".into())))
        .await;
    let remove = |scope: &Scope| {
        let (scope, id) = (scope.clone(), zoo.id.clone());
        w.write(move |tx| sources::remove(tx, &scope, &id))
    };
    assert!(!remove(&w.b).await);
    let scope = w.a.clone();
    assert_eq!(
        w.read(move |r| credentials::list(r, &scope, &account_id()))
            .await
            .len(),
        1
    );
    assert!(remove(&w.a).await);
    assert!(!remove(&w.a).await);
    let scope = w.a.clone();
    assert_eq!(
        w.read(move |r| credentials::list(r, &scope, &account_id()))
            .await,
        []
    );
    assert_eq!(catalog(&w, &w.a).await.0, []);
}

async fn credentials_are_found_nearest_first(w: World) {
    let zoo = source("zoo");
    add(&w, &w.a, &zoo, Vec::new()).await.unwrap();
    let somebody = AccountId::from_bits([8; 16]);
    let stored = [
        credential(&zoo.id, CredentialScope::Organization, &account_id()),
        credential(&zoo.id, CredentialScope::Workspace, &somebody),
        credential(&zoo.id, CredentialScope::Personal, &account_id()),
        credential(&zoo.id, CredentialScope::Personal, &somebody),
    ];
    for one in stored.clone() {
        let scope = w.a.clone();
        w.write(move |tx| credentials::upsert(tx, &scope, &one, &Sealed(format!("v1.{}", one.id))))
            .await;
    }
    let found = |scope: &Scope, account: AccountId| {
        let (scope, id) = (scope.clone(), zoo.id.clone());
        w.read(move |r| credentials::for_source(r, &scope, &id, &account))
    };
    let own = found(&w.a, account_id()).await;
    let nearest_first = [2, 1, 0].map(|n| stored[n].clone());
    assert_eq!(
        own.iter().map(|(c, _)| c.clone()).collect::<Vec<_>>(),
        nearest_first
    );
    assert!(
        own.iter()
            .all(|(c, sealed)| sealed.0 == format!("v1.{}", c.id))
    );
    let others = found(&w.a, AccountId::from_bits([9; 16])).await;
    assert_eq!(others.len(), 2, "what is personal is nobody else's");
    for foreign in [&w.b, &w.sibling] {
        assert_eq!(found(foreign, account_id()).await, []);
    }
    let scope = w.a.clone();
    assert_eq!(
        w.read(move |r| credentials::list(r, &scope, &account_id()))
            .await
            .len(),
        3
    );
}

async fn credentials_are_replaced_and_kept_apart(w: World) {
    let zoo = source("zoo");
    add(&w, &w.a, &zoo, Vec::new()).await.unwrap();
    let mut own = credential(&zoo.id, CredentialScope::Personal, &account_id());
    let upsert = |scope: &Scope, c: &domain::credential::Credential, sealed: &str| {
        let (scope, c, sealed) = (scope.clone(), c.clone(), Sealed(sealed.into()));
        w.store
            .write(move |tx| credentials::upsert(tx, &scope, &c, &sealed))
    };
    upsert(&w.a, &own, "one").await.unwrap();
    let second = credential(&zoo.id, CredentialScope::Personal, &account_id());
    let conflict = upsert(&w.a, &second, "two").await;
    assert_eq!(conflict, Err(Error::Conflict("credentials_one".into())));
    let mut basic = second;
    basic.scheme = AuthScheme::Basic;
    upsert(&w.a, &basic, "basic").await.unwrap();
    let stolen = upsert(&w.b, &own, "stolen").await;
    assert_eq!(stolen, Err(Error::Conflict("credentials_pk".into())));
    (own.version, own.rotated_at) = (2, at(5));
    upsert(&w.a, &own, "two").await.unwrap();
    let (scope, id) = (w.a.clone(), own.id.clone());
    let task = TaskId::from_bits(bits());
    let by = task.clone();
    w.write(move |tx| {
        credentials::mark(tx, &scope, &id, credentials::Mark::Used(Some(&by)), at(5))?;
        // What is no task's leaves the task.
        credentials::mark(tx, &scope, &id, credentials::Mark::Used(None), at(6))
    })
    .await;
    (own.last_used_at, own.last_used_by) = (Some(at(6)), Some(task));
    let (scope, id, source_id) = (w.a.clone(), own.id.clone(), zoo.id.clone());
    let seen = w
        .read(move |r| {
            let found = credentials::for_source(r, &scope, &source_id, &account_id())?;
            Ok((found, credentials::get(r, &scope, &id)?))
        })
        .await;
    assert!(seen.0.contains(&(own.clone(), Sealed("two".into()))));
    assert_eq!(seen.1, Some(own.clone()));
    let remove = |scope: &Scope| {
        let (scope, id) = (scope.clone(), own.id.clone());
        w.write(move |tx| credentials::remove(tx, &scope, &id))
    };
    assert!(!remove(&w.b).await);
    assert!(remove(&w.a).await);
    assert!(!remove(&w.a).await);
}

async fn a_call_says_which_credential_went_along(w: World) {
    let zoo = source("zoo");
    let mut own = credential(&zoo.id, CredentialScope::Workspace, &account_id());
    own.label = "the bot's".to_owned();
    let (task, lease) = begun(&w, "one", 0).await;
    for n in 1..=2 {
        let (scope, held, made) = (
            w.a.clone(),
            lease.clone(),
            call(&task.id, n, CallStatus::Running),
        );
        w.write(move |tx| calls::insert(tx, &held, &scope, &made))
            .await;
    }
    add(&w, &w.a, &zoo, Vec::new()).await.unwrap();
    let gone = CredentialId::from_bits([9; 16]);
    let (scope, held, kept) = (w.a.clone(), lease.clone(), own.clone());
    w.write(move |tx| {
        credentials::upsert(tx, &scope, &kept, &Sealed("sealed".into()))?;
        calls::note_credential(tx, &held, 1, &kept.id)?;
        calls::note_credential(tx, &held, 2, &gone)
    })
    .await;
    let seen = async |scope: &Scope| {
        let (scope, id) = (scope.clone(), task.id.clone());
        w.read(move |r| calls::credentials_of(r, &scope, &id, 1..=2))
            .await
    };
    let found = seen(&w.a).await;
    let named = Some((CredentialScope::Workspace, "the bot's".to_owned()));
    assert_eq!((&found[&1].id, &found[&1].named), (&own.id, &named));
    assert_eq!(found[&2].named, None, "it was removed since");
    assert!(seen(&w.b).await.is_empty(), "another workspace's");
}
