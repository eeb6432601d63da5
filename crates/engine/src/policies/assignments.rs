//! Assignments of policy sets: bind somebody with one, take that back, and what either, or a change of a
//! set, would come to. Nothing of the last is written.
//!
//! An assignment is made to the workspace that is looked at, to a person in it, or to the whole
//! organization; it is taken back from anywhere in the organization by whoever may. What copies are
//! written is decided in `domain::policy`.

use super::backtest::Planned;
use super::sets::{
    Assigned, PolicySetView, SetEdit, changed, invalid, is_here, may_change, of_copies, permission,
    shown, told, whole, whom, written,
};
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope};
use domain::policy::{Assignment, PolicySet, Target};
use domain::{AccountId, AssignmentId, PolicySetId, RuleId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::json;

/// Most places where one set is assigned.
const ASSIGNMENTS_MAX: usize = 200;
/// Most sets that are assigned to one organization, to one workspace or to one person in one.
const LAYERS_MAX: usize = 20;

/// Whom to bind with a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssignTo {
    /// Every workspace of the caller's organization.
    Organization,
    /// The caller's workspace.
    Workspace,
    /// A person in the caller's workspace.
    Person(AccountId),
}

impl Engine {
    /// Binds somebody with a set: its rules become rules of that level, as a layer of their own.
    ///
    /// # Errors
    /// `not_found` for the set, or a person who does not reach the workspace; `forbidden`;
    /// `already_assigned`; `invalid_set` where there is no room for one more.
    pub fn assign_policy_set(
        &self,
        caller: &Caller,
        id: &PolicySetId,
        to: AssignTo,
    ) -> BoxFuture<'_, Result<Assigned, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageRules)?;
            let now = self.inner.clock.now();
            self.commit(&scope.clone(), move |tx| {
                store::policies::sets::hold(tx, &scope)?;
                let (set, assignment) = assignable(tx, (&scope, &caller), &id, &to, now)?;
                store::policies::sets::assign(tx, &scope, &assignment)?;
                let changes = assignment.brings(&set, || RuleId::from_bits(entropy::bits()));
                written(tx, (&scope, &caller), &assignment, &changes, now)?;
                let mut all = store::policies::sets::assignments(tx, &scope)?.into_iter();
                let made = all
                    .find(|a| a.assignment.id == assignment.id)
                    .ok_or_else(|| Error::internal(&"an assignment is not there once made"))?;
                let detail = json!({
                    "name": set.name, "assignment": assignment.id, "to": whom(&made),
                    "workspace": assignment.target.workspace(),
                    "person": assignment.target.person(),
                    "rules": set.rules.iter().map(shown).collect::<Vec<_>>(),
                });
                told(tx, (&scope, &caller), ("assigned", &id), detail, now)?;
                Ok(made)
            })
            .await
        })
    }

    /// Takes an assignment back: the rules that it brought go.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn unassign_policy_set(
        &self,
        caller: &Caller,
        id: &PolicySetId,
        assignment: &AssignmentId,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, id, assignment) = (caller.clone(), id.clone(), assignment.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageRules)?;
            let now = self.inner.clock.now();
            self.commit(&scope.clone(), move |tx| {
                store::policies::sets::hold(tx, &scope)?;
                let view = whole(tx, &scope, &id)?;
                let one = of_view(&caller, &view, &assignment)?;
                let copies = store::policies::sets::copies(tx, &scope, &assignment)?;
                let gone = Assignment::takes_away(&copies);
                written(tx, (&scope, &caller), &one.assignment, &gone, now)?;
                store::policies::sets::unassign(tx, &scope, &assignment)?;
                let detail = json!({
                    "name": view.set.name, "assignment": assignment, "to": whom(one),
                    "workspace": one.assignment.target.workspace(),
                    "person": one.assignment.target.person(),
                });
                told(tx, (&scope, &caller), ("unassigned", &id), detail, now)
            })
            .await
        })
    }

    /// What assigning would come to.
    pub(super) async fn would_assign(
        &self,
        caller: &Caller,
        id: &PolicySetId,
        to: AssignTo,
    ) -> Result<Planned, Error> {
        let scope = caller.scope(Permission::ManageRules)?;
        let now = self.inner.clock.now();
        let (caller, id) = (caller.clone(), id.clone());
        self.inner
            .store
            .read(move |r| {
                let (set, assignment) = assignable(r, (&scope, &caller), &id, &to, now)?;
                Ok(Planned {
                    changes: assignment.brings(&set, || RuleId::from_bits(entropy::bits())),
                    elsewhere: assignment.target == Target::Organization,
                })
            })
            .await
    }

    /// What taking an assignment back would come to.
    pub(super) async fn would_unassign(
        &self,
        caller: &Caller,
        id: &PolicySetId,
        assignment: &AssignmentId,
    ) -> Result<Planned, Error> {
        let scope = caller.scope(Permission::ManageRules)?;
        let (caller, id, assignment) = (caller.clone(), id.clone(), assignment.clone());
        self.inner
            .store
            .read(move |r| {
                let view = whole(r, &scope, &id)?;
                let one = &of_view(&caller, &view, &assignment)?.assignment;
                let copies = store::policies::sets::copies(r, &scope, &assignment)?;
                let workspace = one.target.workspace();
                let changes = if is_here(&one.target, scope.workspace_id()) {
                    Assignment::takes_away(&copies)
                } else {
                    Vec::new()
                };
                Ok(Planned {
                    changes,
                    elsewhere: workspace != Some(scope.workspace_id()),
                })
            })
            .await
    }

    /// What a change of the rules of a set would come to.
    pub(super) async fn would_change_set(
        &self,
        caller: &Caller,
        id: &PolicySetId,
        edit: SetEdit,
    ) -> Result<Planned, Error> {
        let scope = caller.scope(Permission::ManageRules)?;
        let now = self.inner.clock.now();
        let (caller, id) = (caller.clone(), id.clone());
        self.inner
            .store
            .read(move |r| {
                let view = whole(r, &scope, &id)?;
                let change = changed(&caller, &view, &edit, now)?;
                let mut planned = Planned {
                    changes: Vec::new(),
                    elsewhere: false,
                };
                for one in &view.assigned {
                    let workspace = one.assignment.target.workspace();
                    planned.elsewhere |= workspace != Some(scope.workspace_id());
                    if is_here(&one.assignment.target, scope.workspace_id()) {
                        let made = of_copies(r, &scope, (&view.set, &one.assignment), &change)?;
                        planned.changes.push(made);
                    }
                }
                Ok(planned)
            })
            .await
    }
}

/// An assignment of a set that the caller may take back.
fn of_view<'v>(
    caller: &Caller,
    view: &'v PolicySetView,
    id: &AssignmentId,
) -> Result<&'v Assigned, Error> {
    let mut all = view.assigned.iter();
    let one = all
        .find(|a| a.assignment.id == *id)
        .ok_or_else(|| Error::not_found("assignment of this policy set", id))?;
    may_change(caller, one)?;
    Ok(one)
}

/// The set and the assignment that binds somebody with it, where that can be.
fn assignable(
    r: &mut store::Reader<'_>,
    (scope, caller): (&Scope, &Caller),
    id: &PolicySetId,
    to: &AssignTo,
    now: Timestamp,
) -> Result<(PolicySet, Assignment), Error> {
    let here = || scope.workspace_id().clone();
    let target = match to {
        AssignTo::Organization => Target::Organization,
        AssignTo::Workspace => Target::Workspace(here()),
        AssignTo::Person(person) => Target::Person(here(), person.clone()),
    };
    caller.scope(permission(target.level()))?;
    let PolicySetView { set, assigned } = whole(r, scope, id)?;
    if let Some(person) = target.person() {
        store::tenancy::role_in(r, scope, person)?
            .ok_or_else(|| Error::not_found("member of this workspace", person))?;
    }
    if let Some(one) = assigned.iter().find(|a| a.assignment.target == target) {
        return Err(Error::conflict(
            "already_assigned",
            format!(
                "the policy set '{}' is assigned to {} already ({})",
                set.name,
                whom(one),
                one.assignment.id
            ),
        ));
    }
    if assigned.len() >= ASSIGNMENTS_MAX {
        return Err(invalid(format!(
            "a policy set is assigned to at most {ASSIGNMENTS_MAX} places; assign it to a workspace \
             or the organization instead of people"
        )));
    }
    let all = store::policies::sets::assignments(r, scope)?.into_iter();
    if all.filter(|a| a.assignment.target == target).count() >= LAYERS_MAX {
        return Err(invalid(format!(
            "at most {LAYERS_MAX} policy sets are assigned to the same {}; take one back that is not \
             needed",
            target.level().whom()
        )));
    }
    let assignment = Assignment {
        id: AssignmentId::from_bits(entropy::bits()),
        set_id: id.clone(),
        target,
        created_at: now,
    };
    Ok((set, assignment))
}
