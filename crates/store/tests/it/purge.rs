//! What was deleted goes to the last row, and nothing else does.

use crate::samples::{account, at, bits};
use crate::world::World;
use domain::tenancy::{Ending, Role};
use domain::{InviteId, WorkspaceId};
use std::collections::BTreeSet;
use store::{Error, purge, tenancy};

on_each!(
    no_table_of_tenants_is_forgotten,
    a_workspace_goes_alone_and_an_organization_whole,
    what_was_deleted_is_reached_by_nobody,
);

async fn no_table_of_tenants_is_forgotten(w: World) {
    let system = w.system;
    let tables = w.read(move |r| purge::tenant_tables(r, system)).await;
    let of_workspace = purge::OF_WORKSPACE.iter().map(|(table, _, _)| *table);
    let of_organization = purge::OF_ORGANIZATION.iter().map(|(table, _)| *table);
    let known: BTreeSet<&str> = of_workspace
        .chain(of_organization)
        .chain(["workspaces"])
        .collect();
    let forgotten: Vec<&String> = tables
        .iter()
        .filter(|table| !known.contains(table.as_str()))
        .collect();
    assert!(
        forgotten.is_empty(),
        "say in crates/store/src/purge.rs how rows of tenants are removed from {forgotten:?}"
    );
    assert!(tables.len() > 25, "{tables:?}");
}

fn ending(by: &domain::AccountId) -> Ending {
    Ending {
        deleted_at: at(10),
        deleted_by: by.clone(),
        purge_at: at(100),
    }
}

/// Steps until there is nothing to do; answers how many that took.
async fn purge(w: &World, now: i64) -> u32 {
    let system = w.system;
    for steps in 0..1_000 {
        let more = w
            .write(move |tx| {
                if let Some(due) = purge::workspace_due(tx, system, at(now))? {
                    purge::workspace_step(tx, system, due.scope.workspace_id())?;
                    return Ok(true);
                }
                if let Some(due) = purge::organization_due(tx, system, at(now))? {
                    purge::organization_step(tx, system, &due.id)?;
                    return Ok(true);
                }
                Ok::<_, Error>(false)
            })
            .await;
        if !more {
            return steps;
        }
    }
    panic!("the removal does not end");
}

async fn a_workspace_goes_alone_and_an_organization_whole(w: World) {
    let (system, person) = (w.system, account());
    let (a, sibling, b) = (w.a.clone(), w.sibling.clone(), w.b.clone());
    let by = person.id.clone();
    w.write({
        let (a, sibling, b) = (a.clone(), sibling.clone(), b.clone());
        move |tx| {
            tenancy::insert_account(tx, system, &person)?;
            for scope in [&a, &b] {
                let id = scope.organization_id();
                tenancy::set_role(tx, system, id, &person.id, Role::Owner)?;
                let invite = domain::invite::Invite {
                    id: InviteId::from_bits(bits()),
                    role: Role::Member,
                    email: String::new(),
                    note: String::new(),
                    workspaces: vec![scope.workspace_id().clone()],
                    created_by: person.id.clone(),
                    created_at: at(0),
                    expires_at: at(1_000),
                    uses_max: 1,
                    uses: 0,
                    revoked_at: None,
                };
                store::invites::insert(tx, scope, &invite, invite.id.as_str())?;
            }
            for scope in [&a, &sibling, &b] {
                tenancy::name_member(tx, scope, &person.id, at(0))?;
            }
            tenancy::set_workspace_ending(tx, &sibling, Some(&ending(&person.id)))?;
            Ok(())
        }
    })
    .await;
    let found = |id: WorkspaceId| w.read(move |r| tenancy::find(r, system, &id));
    assert_eq!(purge(&w, 99).await, 0, "its time is not over");
    assert!(found(sibling.workspace_id().clone()).await.is_some());
    assert!(purge(&w, 100).await > 1);
    assert!(found(sibling.workspace_id().clone()).await.is_none());
    assert!(found(a.workspace_id().clone()).await.is_some());
    w.write({
        let a = a.clone();
        move |tx| tenancy::set_organization_ending(tx, &a, Some(&ending(&by)))
    })
    .await;
    purge(&w, 100).await;
    let (gone, kept) = (a.organization_id().clone(), b.organization_id().clone());
    let left = w
        .read(move |r| {
            Ok((
                tenancy::organization(r, system, &gone)?,
                tenancy::organization(r, system, &kept)?.is_some(),
            ))
        })
        .await;
    assert_eq!(left, (None, true));
    let b = b.clone();
    let invites = w.read(move |r| store::invites::list(r, &b)).await;
    assert_eq!(invites.len(), 1, "the other one is whole");
}

async fn what_was_deleted_is_reached_by_nobody(w: World) {
    let (system, person, scope) = (w.system, account(), w.a.clone());
    let id = person.id.clone();
    let mark = |on: bool| {
        let (scope, ending) = (scope.clone(), on.then(|| ending(&id)));
        w.write(move |tx| tenancy::set_workspace_ending(tx, &scope, ending.as_ref()))
    };
    w.write({
        let (person, scope) = (person.clone(), scope.clone());
        move |tx| {
            tenancy::insert_account(tx, system, &person)?;
            tenancy::set_role(tx, system, scope.organization_id(), &person.id, Role::Owner)
        }
    })
    .await;
    let seen = || {
        let (scope, id) = (scope.clone(), id.clone());
        w.read(move |r| {
            Ok((
                tenancy::role_in(r, &scope, &id)?,
                tenancy::reached(r, system, &id, scope.workspace_id())?.is_some(),
                tenancy::reached_workspaces(r, system, &id)?.len(),
                tenancy::is_ending(r, &scope)?,
            ))
        })
    };
    assert_eq!(seen().await, (Some(Role::Owner), true, 2, false));
    assert!(mark(true).await);
    assert!(!mark(true).await, "it is so already");
    assert_eq!(seen().await, (None, false, 1, true));
    assert!(mark(false).await);
    assert_eq!(seen().await, (Some(Role::Owner), true, 2, false));
}
