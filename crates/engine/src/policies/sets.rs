//! Policy sets: make, describe, change, assign, take back. A change of a set is made of every copy that
//! its assignments brought, in the transaction of the change, so that no call is decided by half of it.
//!
//! Whoever may change the rules of a level may assign a set there, and whoever changes a set must be
//! allowed to at every level where it is assigned: a set is no way to rules that its author could not
//! have made. What a change comes to is decided in `domain::policy`; what it would do to recorded
//! calls, in `backtest.rs`. Assigning is in `assignments.rs`.

use super::check;
use crate::audit::by_person;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Forbidden, Permission, Scope};
use domain::event::EventKind;
use domain::policy::{
    Assignment, Change, Effect, Level, Match, PolicySet, SetChange, SetRule, Target,
};
use domain::{PolicySetId, RuleId, SetRuleId, Timestamp, WorkspaceId};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
pub use store::policies::sets::Assigned;

/// Most sets of an organization.
const SETS_MAX: usize = 100;
/// Most rules of a set.
const RULES_MAX: usize = 100;
/// Longest name in characters.
const NAME_CHARS_MAX: usize = 80;
/// Longest description in characters.
const DESCRIPTION_CHARS_MAX: usize = 2_000;

/// What a set is called and what it is for.
#[derive(Debug, Clone)]
pub struct SetDraft {
    /// Its name.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
}

/// A rule to add to a set, or the new text of one.
#[derive(Debug, Clone)]
pub struct SetRuleDraft {
    /// What it applies to.
    pub matches: Match,
    /// What it says.
    pub effect: Effect,
    /// When it stops to hold.
    pub until: Option<Timestamp>,
    /// Why it is there.
    pub note: String,
}

/// A change of the rules of a set.
#[derive(Debug, Clone)]
pub enum SetEdit {
    /// A rule more, above broader ones.
    Add(SetRuleDraft),
    /// Another text for a rule, which keeps its place.
    Edit(SetRuleId, SetRuleDraft),
    /// Another place for a rule, from 1.
    Move(SetRuleId, usize),
    /// A rule less.
    Remove(SetRuleId),
}

/// A set, with where it is assigned as far as the caller may know.
#[derive(Debug, Clone)]
pub struct PolicySetView {
    /// The set.
    pub set: PolicySet,
    /// Its assignments: all of them for administrators, else those that bind the caller.
    pub assigned: Vec<Assigned>,
}

/// What takes a set to a level.
pub(super) fn permission(level: Level) -> Permission {
    match level {
        Level::Organization => Permission::OrganizationRules,
        Level::Workspace | Level::Personal => Permission::ManageRules,
    }
}

pub(super) fn shown(rule: &SetRule) -> Value {
    json!({
        "id": rule.id,
        "match": rule.matches,
        "effect": rule.effect,
        "until": rule.until.map(Timestamp::to_rfc3339),
        "note": rule.note,
    })
}

impl Engine {
    /// The sets of the organization by name. Whoever is no administrator sees those that bind them in
    /// this workspace.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn policy_sets(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<PolicySetView>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeRules)?;
            self.inner
                .store
                .read(move |r| {
                    let assigned = store::policies::sets::assignments(r, &scope)?;
                    let sets = store::policies::sets::all(r, &scope)?.into_iter();
                    Ok(sets
                        .filter_map(|set| seen(&caller, set, &assigned))
                        .collect())
                })
                .await
        })
    }

    /// One set with its rules.
    ///
    /// # Errors
    /// `forbidden`; `not_found`, also where it is there and does not bind a caller who is no
    /// administrator.
    pub fn policy_set(
        &self,
        caller: &Caller,
        id: &PolicySetId,
    ) -> BoxFuture<'_, Result<PolicySetView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeRules)?;
            self.inner
                .store
                .read(move |r| view(r, &scope, &caller, &id))
                .await
        })
    }

    /// Makes a set without rules, which binds nobody.
    ///
    /// # Errors
    /// `forbidden`, `invalid_set`, `name_taken`.
    pub fn create_policy_set(
        &self,
        caller: &Caller,
        draft: SetDraft,
    ) -> BoxFuture<'_, Result<PolicySetView, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageRules)?;
            let draft = draft.checked()?;
            let now = self.inner.clock.now();
            let id = PolicySetId::from_bits(entropy::bits());
            self.commit(&scope.clone(), move |tx| {
                store::policies::sets::hold(tx, &scope)?;
                let there = store::policies::sets::all(tx, &scope)?;
                if there.len() >= SETS_MAX {
                    return Err(invalid(format!(
                        "an organization has at most {SETS_MAX} policy sets; delete one that is not \
                         needed"
                    )));
                }
                free(&there, &id, &draft.name)?;
                let set = PolicySet {
                    id: id.clone(),
                    name: draft.name.clone(),
                    description: draft.description.clone(),
                    rules: Vec::new(),
                    created_at: now,
                };
                store::policies::sets::insert(tx, &scope, &set)?;
                let detail = json!({ "name": set.name, "description": set.description });
                told(tx, (&scope, &caller), ("created", &set.id), detail, now)?;
                Ok(PolicySetView {
                    set,
                    assigned: Vec::new(),
                })
            })
            .await
        })
    }

    /// Gives a set another name and description.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_set`, `name_taken`.
    pub fn describe_policy_set(
        &self,
        caller: &Caller,
        id: &PolicySetId,
        draft: SetDraft,
    ) -> BoxFuture<'_, Result<PolicySetView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageRules)?;
            let draft = draft.checked()?;
            let now = self.inner.clock.now();
            self.commit(&scope.clone(), move |tx| {
                store::policies::sets::hold(tx, &scope)?;
                let mut view = whole(tx, &scope, &id)?;
                free(&store::policies::sets::all(tx, &scope)?, &id, &draft.name)?;
                let text =
                    |set: &PolicySet| json!({ "name": set.name, "description": set.description });
                let before = text(&view.set);
                view.set.name.clone_from(&draft.name);
                view.set.description.clone_from(&draft.description);
                store::policies::sets::describe(tx, &scope, &view.set)?;
                let detail = json!({ "before": before, "after": text(&view.set) });
                told(tx, (&scope, &caller), ("described", &id), detail, now)?;
                known_to(&caller, view)
            })
            .await
        })
    }

    /// Deletes a set that is assigned nowhere, with its rules.
    ///
    /// # Errors
    /// `not_found`, `forbidden`; `set_assigned` with where it is.
    pub fn delete_policy_set(
        &self,
        caller: &Caller,
        id: &PolicySetId,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageRules)?;
            let now = self.inner.clock.now();
            self.commit(&scope.clone(), move |tx| {
                store::policies::sets::hold(tx, &scope)?;
                let PolicySetView { set, assigned } = whole(tx, &scope, &id)?;
                if !assigned.is_empty() {
                    let is_told = |a: &Assigned| may_change(&caller, a).is_ok();
                    let mut places: Vec<String> = assigned
                        .iter()
                        .filter(|a| is_told(a))
                        .map(|a| format!("{} ({})", whom(a), a.assignment.id))
                        .collect();
                    match assigned.len() - places.len() {
                        0 => {}
                        more => places.push(format!("{more} more that you may not change")),
                    }
                    return Err(Error::conflict(
                        "set_assigned",
                        format!(
                            "the policy set '{}' is assigned to {}; take that back first (`executor \
                             policies sets unassign`)",
                            set.name,
                            places.join(", ")
                        ),
                    ));
                }
                store::policies::sets::remove(tx, &scope, &id)?;
                let rules: Vec<Value> = set.rules.iter().map(shown).collect();
                let detail = json!({
                    "name": set.name, "description": set.description, "rules": rules,
                });
                told(tx, (&scope, &caller), ("deleted", &id), detail, now)
            })
            .await
        })
    }

    /// Changes the rules of a set, and with them every copy that its assignments brought.
    ///
    /// # Errors
    /// `not_found`, `invalid_rule`; `forbidden` for who may not change the rules of every level where
    /// the set is assigned.
    pub fn change_policy_set(
        &self,
        caller: &Caller,
        id: &PolicySetId,
        edit: SetEdit,
    ) -> BoxFuture<'_, Result<(PolicySetView, SetRule), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageRules)?;
            let now = self.inner.clock.now();
            self.commit(&scope.clone(), move |tx| {
                store::policies::sets::hold(tx, &scope)?;
                let mut view = whole(tx, &scope, &id)?;
                let change = changed(&caller, &view, &edit, now)?;
                store::policies::sets::change(tx, &scope, &view.set, &change)?;
                for one in &view.assigned {
                    let made = of_copies(tx, &scope, (&view.set, &one.assignment), &change)?;
                    written(tx, (&scope, &caller), &one.assignment, &[made], now)?;
                }
                let known = |set: &PolicySet| {
                    let place = set.place(&change.rule().id)?;
                    Some((place + 1, shown(&set.rules[place])))
                };
                let before = known(&view.set);
                change.apply(&mut view.set);
                let mut detail = json!({ "name": view.set.name });
                for (name, rule) in [("before", before), ("after", known(&view.set))] {
                    if let Some((position, rule)) = rule {
                        detail[name] = rule;
                        detail[name]["position"] = json!(position);
                    }
                }
                let action = format!("rule_{}", change.as_str());
                told(tx, (&scope, &caller), (&action, &id), detail, now)?;
                Ok((known_to(&caller, view)?, change.rule().clone()))
            })
            .await
        })
    }
}

impl SetDraft {
    /// The same without blanks around, where it fits.
    fn checked(self) -> Result<Self, Error> {
        let (name, description) = (self.name.trim(), self.description.trim());
        let chars = name.chars().count();
        if !(1..=NAME_CHARS_MAX).contains(&chars) || name.chars().any(char::is_control) {
            return Err(invalid(format!(
                "the name of a policy set has 1 to {NAME_CHARS_MAX} characters on one line"
            )));
        }
        if description.chars().count() > DESCRIPTION_CHARS_MAX {
            return Err(invalid(format!(
                "the description of a policy set has at most {DESCRIPTION_CHARS_MAX} characters"
            )));
        }
        // What looks like an identifier would be taken for one where a set is asked for by its name.
        if name.starts_with(PolicySetId::PREFIX) {
            return Err(invalid(format!(
                "the name of a policy set does not begin with '{}', as its identifier does",
                PolicySetId::PREFIX
            )));
        }
        Ok(Self {
            name: name.to_owned(),
            description: description.to_owned(),
        })
    }
}

pub(super) fn invalid(message: String) -> Error {
    Error::invalid("invalid_set", message)
}

/// Refuses a name that another set has.
fn free(there: &[PolicySet], id: &PolicySetId, name: &str) -> Result<(), Error> {
    let folded = name.to_lowercase();
    let other = |set: &&PolicySet| set.id != *id && set.name.to_lowercase() == folded;
    match there.iter().find(other) {
        None => Ok(()),
        Some(other) => Err(Error::conflict(
            "name_taken",
            format!(
                "a policy set called '{}' is here already ({}); give another name",
                other.name, other.id
            ),
        )),
    }
}

/// What a caller may see of a set; nothing where it does not bind a caller who may not assign it. A
/// key or token is bound to its workspace and is told of no other.
fn seen(caller: &Caller, set: PolicySet, assigned: &[Assigned]) -> Option<PolicySetView> {
    let may_assign = Permission::ManageRules.granted_to(caller.role);
    let is_told = |a: &&Assigned| {
        let target = &a.assignment.target;
        if may_assign {
            !caller.is_bound() || is_here(target, &caller.workspace_id)
        } else {
            target.binds(&caller.workspace_id, &caller.account_id)
        }
    };
    let its = assigned.iter().filter(|a| a.assignment.set_id == set.id);
    let assigned: Vec<Assigned> = its.filter(is_told).cloned().collect();
    (may_assign || !assigned.is_empty()).then_some(PolicySetView { set, assigned })
}

/// A set as somebody may see it who is told of it.
fn view(
    r: &mut store::Reader<'_>,
    scope: &Scope,
    caller: &Caller,
    id: &PolicySetId,
) -> Result<PolicySetView, Error> {
    known_to(caller, whole(r, scope, id)?)
}

/// What a caller who changed a set may see of it.
fn known_to(caller: &Caller, whole: PolicySetView) -> Result<PolicySetView, Error> {
    let id = whole.set.id.clone();
    seen(caller, whole.set, &whole.assigned).ok_or_else(|| Error::not_found("policy set", id))
}

/// A set with all of its assignments, for whoever changes it.
pub(super) fn whole(
    r: &mut store::Reader<'_>,
    scope: &Scope,
    id: &PolicySetId,
) -> Result<PolicySetView, Error> {
    let set = store::policies::sets::get(r, scope, id)?
        .ok_or_else(|| Error::not_found("policy set", id))?;
    let all = store::policies::sets::assignments(r, scope)?.into_iter();
    let assigned = all.filter(|a| a.assignment.set_id == *id).collect();
    Ok(PolicySetView { set, assigned })
}

/// Whether a target bears on a workspace.
pub(super) fn is_here(target: &Target, workspace: &WorkspaceId) -> bool {
    target.workspace().is_none_or(|own| own == workspace)
}

/// Checks that a caller may change the rules that an assignment brought.
pub(super) fn may_change(caller: &Caller, one: &Assigned) -> Result<(), Error> {
    let target = &one.assignment.target;
    caller.scope(permission(target.level()))?;
    if caller.is_bound() && !is_here(target, &caller.workspace_id) {
        return Err(Forbidden::Program {
            what: "change a policy set that is assigned in other workspaces",
        }
        .into());
    }
    Ok(())
}

/// The change of a set that an edit comes to, if the caller may make it wherever it is assigned.
pub(super) fn changed(
    caller: &Caller,
    view: &PolicySetView,
    edit: &SetEdit,
    now: Timestamp,
) -> Result<SetChange, Error> {
    for one in &view.assigned {
        may_change(caller, one)?;
    }
    let set = &view.set;
    let missing = |id: &SetRuleId| Error::not_found("rule of this policy set", id);
    let text = |id: SetRuleId, draft: &SetRuleDraft, created_at| {
        check(&draft.matches, &draft.effect, &draft.note)?;
        Ok::<_, Error>(SetRule {
            id,
            matches: draft.matches.clone(),
            effect: draft.effect.clone(),
            until: draft.until,
            note: draft.note.clone(),
            created_at,
        })
    };
    match edit {
        SetEdit::Add(draft) => {
            if set.rules.len() >= RULES_MAX {
                return Err(Error::invalid(
                    "invalid_rule",
                    format!("a policy set holds at most {RULES_MAX} rules; make another set"),
                ));
            }
            let id = SetRuleId::from_bits(entropy::bits());
            Ok(SetChange::add(set, text(id, draft, now)?))
        }
        SetEdit::Edit(id, draft) => {
            let place = set.place(id).ok_or_else(|| missing(id))?;
            let rule = text(id.clone(), draft, set.rules[place].created_at)?;
            SetChange::edit(set, rule).ok_or_else(|| missing(id))
        }
        SetEdit::Move(id, position) => {
            SetChange::move_to(set, id, *position).ok_or_else(|| missing(id))
        }
        SetEdit::Remove(id) => SetChange::remove(set, id).ok_or_else(|| missing(id)),
    }
}

/// What a change of a set, given as it was before, comes to for the rules that an assignment brought.
pub(super) fn of_copies(
    r: &mut store::Reader<'_>,
    scope: &Scope,
    (set, assignment): (&PolicySet, &Assignment),
    change: &SetChange,
) -> Result<Change, Error> {
    let copies = store::policies::sets::copies(r, scope, &assignment.id)?;
    let id = RuleId::from_bits(entropy::bits());
    change
        .of_copies(assignment, &set.name, &copies, id)
        .ok_or_else(|| Error::internal(&format!("{} lacks a copy of a rule", assignment.id)))
}

/// Writes changes of the rules that an assignment brought, each as a version.
pub(super) fn written(
    tx: &mut store::Tx<'_>,
    (scope, caller): (&Scope, &Caller),
    assignment: &Assignment,
    changes: &[Change],
    now: Timestamp,
) -> Result<(), Error> {
    let mut copies = store::policies::sets::copies(tx, scope, &assignment.id)?;
    for change in changes {
        let made = store::policies::Made {
            by: &caller.account_id,
            channel: caller.channel,
            at: now,
            change,
        };
        let target = &assignment.target;
        store::policies::sets::change_copies(tx, scope, target, &mut copies, &made)?;
    }
    Ok(())
}

/// Keeps what was done to a set, and tells of it.
pub(super) fn told(
    tx: &mut store::Tx<'_>,
    (scope, caller): (&Scope, &Caller),
    (action, id): (&str, &PolicySetId),
    mut detail: Value,
    now: Timestamp,
) -> Result<(), Error> {
    let version = store::policies::version(tx, scope)?;
    detail["policyVersion"] = json!(version);
    let action = format!("policy_set.{action}");
    let entry = by_person(caller, scope, &action, id.as_str(), &detail, now);
    store::audit::append(tx, scope, entry)?;
    store::events::append(tx, scope, None, now, &EventKind::Policy { version })?;
    Ok(())
}

/// Whom an assignment binds, in words.
pub(super) fn whom(assigned: &Assigned) -> String {
    let workspace = assigned.workspace.as_deref().unwrap_or_default();
    match &assigned.assignment.target {
        Target::Organization => "the organization".to_owned(),
        Target::Workspace(_) => format!("the workspace {workspace}"),
        Target::Person(_, person) => format!(
            "{} in the workspace {workspace}",
            assigned.person.as_deref().unwrap_or(person.as_str())
        ),
    }
}
