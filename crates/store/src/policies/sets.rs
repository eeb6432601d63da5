//! Policy sets, their rules and their assignments, and the rules that an assignment brought.
//!
//! A set belongs to an organization, so its copies are changed wherever in it they bind, from whichever
//! workspace it is done; what is asked for by an organization's scope never leaves it. Which changes
//! those are is decided in `domain::policy`.

use super::{At, COLUMNS, FROM, IN_ORDER, Made, lock, place, write};
use crate::db::{Row, json, params};
use crate::{Error, Reader, Tx};
use domain::access::Scope;
use domain::policy::{Assignment, Level, Policy, PolicySet, SetChange, SetRule, Target};
use domain::{AccountId, AssignmentId, PolicySetId, RuleId, SetRuleId, WorkspaceId};
use std::collections::HashMap;

/// An assignment with what people call whom it binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The assignment.
    pub assignment: Assignment,
    /// The workspace's short name; none for all workspaces.
    pub workspace: Option<String>,
    /// The person's name; none for everybody.
    pub person: Option<String>,
}

/// Keeps every change of the organization's rules and sets out until the transaction ends.
///
/// # Errors
/// Those of the database.
pub fn hold(tx: &mut Tx<'_>, scope: &Scope) -> Result<(), Error> {
    lock(tx, scope)
}

const OF_A_RULE: &str = "id, matches, effect, until, note, created_at";

fn read_rule(r: &mut Row<'_>) -> Result<SetRule, Error> {
    Ok(SetRule {
        id: r.id()?,
        matches: r.json()?,
        effect: r.json()?,
        until: r.opt_time()?,
        note: r.text()?,
        created_at: r.time()?,
    })
}

const OF_A_SET: &str = "id, name, description, created_at";

fn read_set(r: &mut Row<'_>) -> Result<PolicySet, Error> {
    Ok(PolicySet {
        id: r.id()?,
        name: r.text()?,
        description: r.text()?,
        created_at: r.time()?,
        rules: Vec::new(),
    })
}

/// All sets of the organization with their rules, by name.
///
/// # Errors
/// Those of the database.
pub fn all(conn: &mut Reader<'_>, scope: &Scope) -> Result<Vec<PolicySet>, Error> {
    let mut sets = conn.all(
        &format!(
            "select {OF_A_SET}
             from policy_sets
             where organization_id = $1
             order by name_folded, id"
        ),
        &params![scope.organization_id()],
        read_set,
    )?;
    let rules = conn.all(
        &format!(
            "select set_id, {OF_A_RULE}
             from policy_set_rules
             where organization_id = $1
             order by set_id, position, id"
        ),
        &params![scope.organization_id()],
        |r| Ok((r.id()?, read_rule(r)?)),
    )?;
    let mut of_set: HashMap<PolicySetId, Vec<SetRule>> = HashMap::new();
    for (set, rule) in rules {
        of_set.entry(set).or_default().push(rule);
    }
    for set in &mut sets {
        set.rules = of_set.remove(&set.id).unwrap_or_default();
    }
    Ok(sets)
}

/// One set of the organization with its rules.
///
/// # Errors
/// Those of the database.
pub fn get(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &PolicySetId,
) -> Result<Option<PolicySet>, Error> {
    let found = conn.one(
        &format!("select {OF_A_SET} from policy_sets where id = $1 and organization_id = $2"),
        &params![id, scope.organization_id()],
        read_set,
    )?;
    let Some(set) = found else { return Ok(None) };
    let rules = conn.all(
        &format!(
            "select {OF_A_RULE}
             from policy_set_rules
             where set_id = $1 and organization_id = $2
             order by position, id"
        ),
        &params![id, scope.organization_id()],
        read_rule,
    )?;
    Ok(Some(PolicySet { rules, ..set }))
}

/// Stores a set that has no rules yet.
///
/// # Errors
/// [`Error::Conflict`] with `policy_sets_name` where another has its name, whatever the case; those of
/// the database.
pub fn insert(tx: &mut Tx<'_>, scope: &Scope, set: &PolicySet) -> Result<(), Error> {
    tx.execute(
        "insert into policy_sets (id, organization_id, name, name_folded, description, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        &params![
            &set.id,
            scope.organization_id(),
            &set.name,
            set.name.to_lowercase(),
            &set.description,
            set.created_at,
        ],
    )
    .map(|_| ())
}

/// Gives a set another name and description.
///
/// # Errors
/// As [`insert`].
pub fn describe(tx: &mut Tx<'_>, scope: &Scope, set: &PolicySet) -> Result<(), Error> {
    tx.execute(
        "update policy_sets
         set name = $3, name_folded = $4, description = $5
         where id = $1 and organization_id = $2",
        &params![
            &set.id,
            scope.organization_id(),
            &set.name,
            set.name.to_lowercase(),
            &set.description,
        ],
    )
    .map(|_| ())
}

/// Removes a set with its rules.
///
/// # Errors
/// [`Error::Conflict`] while it is assigned; those of the database.
pub fn remove(tx: &mut Tx<'_>, scope: &Scope, id: &PolicySetId) -> Result<(), Error> {
    for sql in [
        "delete from policy_set_rules where set_id = $1 and organization_id = $2",
        "delete from policy_sets where id = $1 and organization_id = $2",
    ] {
        tx.execute(sql, &params![id, scope.organization_id()])?;
    }
    Ok(())
}

/// Changes the rules of a set, given as it was before. Its copies stay as they are.
///
/// # Errors
/// Those of the database.
pub fn change(
    tx: &mut Tx<'_>,
    scope: &Scope,
    before: &PolicySet,
    change: &SetChange,
) -> Result<(), Error> {
    let mut after = before.clone();
    change.apply(&mut after);
    match change {
        SetChange::Added(rule, _) => insert_rule(tx, scope, &before.id, rule)?,
        SetChange::Edited(rule, _) => update_rule(tx, scope, &before.id, rule)?,
        SetChange::Moved(_, _) => 1,
        SetChange::Removed(rule) => tx.execute(
            "delete from policy_set_rules
             where id = $1 and set_id = $2 and organization_id = $3",
            &params![&rule.id, &before.id, scope.organization_id()],
        )?,
    };
    for (position, rule) in (1i64..).zip(&after.rules) {
        tx.execute(
            "update policy_set_rules
             set position = $4
             where id = $1 and set_id = $2 and organization_id = $3 and position <> $4",
            &params![&rule.id, &before.id, scope.organization_id(), position],
        )?;
    }
    Ok(())
}

/// A rule of a set, before all others until it is given its place.
fn insert_rule(
    tx: &mut Tx<'_>,
    scope: &Scope,
    set: &PolicySetId,
    rule: &SetRule,
) -> Result<u64, Error> {
    tx.execute(
        "insert into policy_set_rules
             (id, organization_id, set_id, position, matches, effect, until, note, created_at)
         values ($1, $2, $3, 0, $4, $5, $6, $7, $8)",
        &params![
            &rule.id,
            scope.organization_id(),
            set,
            json(&rule.matches)?,
            json(&rule.effect)?,
            rule.until,
            &rule.note,
            rule.created_at,
        ],
    )
}

fn update_rule(
    tx: &mut Tx<'_>,
    scope: &Scope,
    set: &PolicySetId,
    rule: &SetRule,
) -> Result<u64, Error> {
    tx.execute(
        "update policy_set_rules
         set matches = $4, effect = $5, until = $6, note = $7
         where id = $1 and set_id = $2 and organization_id = $3",
        &params![
            &rule.id,
            set,
            scope.organization_id(),
            json(&rule.matches)?,
            json(&rule.effect)?,
            rule.until,
            &rule.note,
        ],
    )
}

/// All assignments in the organization, the oldest first.
///
/// # Errors
/// Those of the database.
pub fn assignments(conn: &mut Reader<'_>, scope: &Scope) -> Result<Vec<Assigned>, Error> {
    conn.all(
        "select a.id, a.set_id, a.level, a.workspace_id, a.account_id, a.created_at,
                workspaces.slug, accounts.name
         from policy_assignments a
         left join workspaces on workspaces.id = a.workspace_id
         left join accounts on accounts.id = a.account_id
         where a.organization_id = $1
         order by a.created_at, a.id",
        &params![scope.organization_id()],
        |r| {
            let (id, set_id) = (r.id()?, r.id()?);
            let level = r.named(Level::parse)?;
            let (workspace, person): (Option<WorkspaceId>, Option<AccountId>) =
                (r.opt_id()?, r.opt_id()?);
            let damaged = || Error::Corrupt(format!("assignment {id} cannot be read"));
            let target = match (level, workspace, person) {
                (Level::Organization, None, None) => Target::Organization,
                (Level::Workspace, Some(workspace), None) => Target::Workspace(workspace),
                (Level::Personal, Some(workspace), Some(person)) => {
                    Target::Person(workspace, person)
                }
                (_, _, _) => return Err(damaged()),
            };
            Ok(Assigned {
                assignment: Assignment {
                    id,
                    set_id,
                    target,
                    created_at: r.time()?,
                },
                workspace: r.opt_text()?,
                person: r.opt_text()?,
            })
        },
    )
}

/// Keeps an assignment. The rules that it brings are written by [`change_copies`].
///
/// # Errors
/// [`Error::Conflict`] with `policy_assignments_target` where the set binds the same already; those of
/// the database.
pub fn assign(tx: &mut Tx<'_>, scope: &Scope, assignment: &Assignment) -> Result<(), Error> {
    let target = &assignment.target;
    let (workspace, person) = (target.workspace(), target.person());
    let as_text = match (workspace, person) {
        (None, _) => String::new(),
        (Some(workspace), None) => workspace.to_string(),
        (Some(workspace), Some(person)) => format!("{workspace}/{person}"),
    };
    tx.execute(
        "insert into policy_assignments
             (id, organization_id, set_id, level, workspace_id, account_id, target, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &params![
            &assignment.id,
            scope.organization_id(),
            &assignment.set_id,
            target.level().as_str(),
            workspace,
            person,
            as_text,
            assignment.created_at,
        ],
    )
    .map(|_| ())
}

/// Takes an assignment back. The rules that it brought are removed by [`change_copies`].
///
/// # Errors
/// Those of the database.
pub fn unassign(tx: &mut Tx<'_>, scope: &Scope, id: &AssignmentId) -> Result<(), Error> {
    tx.execute(
        "delete from policy_assignments where id = $1 and organization_id = $2",
        &params![id, scope.organization_id()],
    )
    .map(|_| ())
}

/// The rules that an assignment brought, in order, as a policy of themselves without a version.
///
/// # Errors
/// Those of the database.
pub fn copies(conn: &mut Reader<'_>, scope: &Scope, id: &AssignmentId) -> Result<Policy, Error> {
    let rules = conn.all(
        &format!(
            "select {COLUMNS} from {FROM}
             where rules.assignment_id = $1 and rules.organization_id = $2
             {IN_ORDER}"
        ),
        &params![id, scope.organization_id()],
        super::read,
    )?;
    Ok(Policy { version: 0, rules })
}

/// The rules that bear on the workspace and come of sets, whoever they bind, each with its set and the
/// rule of the set that it is a copy of.
///
/// # Errors
/// Those of the database.
pub fn origins(
    conn: &mut Reader<'_>,
    scope: &Scope,
) -> Result<HashMap<RuleId, (PolicySetId, SetRuleId)>, Error> {
    let found = conn.all(
        "select id, set_id, set_rule_id
         from rules
         where organization_id = $1
           and (workspace_id is null or workspace_id = $2)
           and assignment_id is not null",
        &params![scope.organization_id(), scope.workspace_id()],
        |r| Ok((r.id()?, (r.id()?, r.id()?))),
    )?;
    Ok(found.into_iter().collect())
}

/// Makes a change of one of the rules that an assignment brought, and keeps it as a version of every
/// workspace it bears on. `copies` are those rules, and follow.
///
/// # Errors
/// [`Error::Conflict`] when the rule is not there; those of the database.
pub fn change_copies(
    tx: &mut Tx<'_>,
    scope: &Scope,
    target: &Target,
    copies: &mut Policy,
    made: &Made<'_>,
) -> Result<(), Error> {
    let at = At {
        workspace: target.workspace().unwrap_or(scope.workspace_id()),
        ..At::scope(scope)
    };
    write(tx, &at, made)?;
    // The row of the rule has its place; others may have another now.
    let mut as_stored = copies.clone();
    if let Some(after) = made.change.after() {
        as_stored.rules.retain(|rule| rule.id != after.id);
        as_stored.rules.push(after.clone());
    }
    made.change.apply(copies);
    for rule in &copies.rules {
        let stored = as_stored.rules.iter().find(|stored| stored.id == rule.id);
        if stored.is_none_or(|stored| stored.position != rule.position) {
            place(tx, &at, &rule.id, rule.position)?;
        }
    }
    Ok(())
}
