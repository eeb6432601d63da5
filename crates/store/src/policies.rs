//! Rules, the one way to change them, and the version that every decision names.
//!
//! The version is the sum of two counters, the organization's and the workspace's: any change to a
//! rule that bears on a workspace changes the workspace's version, and it never returns. Rules that a
//! set brings are rows like others; the sets themselves are in `policies/sets.rs`.

pub mod history;
pub mod sets;

use crate::db::{Row, json, params};
use crate::{Error, Reader, Tx};
use domain::access::{Channel, Scope};
use domain::policy::{Change, Level, OfSet, Policy, Rule};
use domain::{AccountId, OrganizationId, RuleId, Timestamp, WorkspaceId};
use history::text;

/// The policy that bears on a person in the workspace; on nobody in particular without a person.
///
/// # Errors
/// Those of the database.
pub fn policy(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account: Option<&AccountId>,
) -> Result<Policy, Error> {
    let rules = conn.all(
        &format!(
            "select {COLUMNS} from {FROM}
             where rules.organization_id = $1
               and (rules.workspace_id is null or rules.workspace_id = $2)
               and (rules.account_id is null or rules.account_id = $3)
             {IN_ORDER}"
        ),
        &params![scope.organization_id(), scope.workspace_id(), account],
        read,
    )?;
    Ok(Policy {
        version: version(conn, scope)?,
        rules,
    })
}

/// The policy as it stands, which stays as it is until the transaction ends: what is decided on it
/// is durable before any change of it is.
///
/// # Errors
/// Those of the database.
pub fn in_force(
    tx: &mut Tx<'_>,
    scope: &Scope,
    account: Option<&AccountId>,
) -> Result<Policy, Error> {
    lock(tx, scope)?;
    policy(tx, scope, account)
}

/// The version of the workspace's policy.
///
/// # Errors
/// Those of the database.
pub fn version(conn: &mut Reader<'_>, scope: &Scope) -> Result<i64, Error> {
    conn.one(
        "select organization_heads.policy_version + workspace_heads.policy_version
         from workspace_heads
         join organization_heads
           on organization_heads.organization_id = workspace_heads.organization_id
         where workspace_heads.workspace_id = $1",
        &params![scope.workspace_id()],
        |r| r.int(),
    )
    .map(Option::unwrap_or_default)
}

const COLUMNS: &str = "rules.id, rules.level, rules.account_id, rules.position, rules.matches,
    rules.effect, rules.until, rules.note, rules.created_at,
    rules.assignment_id, rules.set_id, policy_sets.name, rules.set_rule_id";

/// Rules, with the sets that some of them come of.
const FROM: &str = "rules left join policy_sets on policy_sets.id = rules.set_id";

/// The rules of an assignment follow each other, after those that were made on the levels.
const IN_ORDER: &str = "order by coalesce(rules.assignment_id, ''), rules.position, rules.id";

fn read(r: &mut Row<'_>) -> Result<Rule, Error> {
    Ok(Rule {
        id: r.id()?,
        level: r.named(Level::parse)?,
        account_id: r.opt_id()?,
        position: r.int()?,
        matches: r.json()?,
        effect: r.json()?,
        until: r.opt_time()?,
        note: r.text()?,
        created_at: r.time()?,
        of_set: match (r.opt_id()?, r.opt_id()?, r.opt_text()?, r.opt_id()?) {
            (Some(assignment_id), Some(set_id), Some(set_name), Some(set_rule_id)) => Some(OfSet {
                assignment_id,
                set_id,
                set_name,
                set_rule_id,
            }),
            (None, _, _, _) => None,
            // A rule that lost its set would be taken for one of its level.
            (Some(_), _, _, _) => return Err(Error::Corrupt("a rule's set is missing".to_owned())),
        },
    })
}

/// One rule that bears on the workspace.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Reader<'_>, scope: &Scope, id: &RuleId) -> Result<Option<Rule>, Error> {
    conn.one(
        &format!(
            "select {COLUMNS} from {FROM}
             where rules.id = $1 and rules.organization_id = $2
               and (rules.workspace_id is null or rules.workspace_id = $3)"
        ),
        &params![id, scope.organization_id(), scope.workspace_id()],
        read,
    )
}

/// Makes one change: writes the rule, puts those beside it in order, and keeps the change as the
/// next version, all or nothing. The policy is the one the change was made from, read by
/// [`in_force`]. Answers the number of the version.
///
/// # Errors
/// [`Error::Conflict`] when a rule that is to change is not there; those of the database.
pub fn change(
    tx: &mut Tx<'_>,
    scope: &Scope,
    policy: &Policy,
    made: &Made<'_>,
) -> Result<i64, Error> {
    let at = At::scope(scope);
    write(tx, &at, made)?;
    let mut next = policy.clone();
    made.change.apply(&mut next);
    for (position, id) in (1i64..).zip(next.order_beside(made.change.rule())) {
        place(tx, &at, &id, position)?;
    }
    version(tx, scope)
}

/// Who makes a change, and which.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// The person.
    pub by: &'a AccountId,
    /// Through what.
    pub channel: Channel,
    /// When.
    pub at: Timestamp,
    /// What is changed.
    pub change: &'a Change,
}

/// Where a rule binds: an organization, and in it a workspace, which those of all workspaces leave aside.
#[derive(Clone, Copy)]
struct At<'a> {
    organization: &'a OrganizationId,
    workspace: &'a WorkspaceId,
}

impl<'a> At<'a> {
    fn scope(scope: &'a Scope) -> Self {
        Self {
            organization: scope.organization_id(),
            workspace: scope.workspace_id(),
        }
    }
}

/// Writes the rule of a change and keeps the change as the next version. Those beside it stay where
/// they are.
fn write(tx: &mut Tx<'_>, at: &At<'_>, made: &Made<'_>) -> Result<(), Error> {
    let done = match made.change {
        Change::Added { after } => insert(tx, at, after)?,
        Change::Edited { after, .. } | Change::Moved { after, .. } => update(tx, at, after)?,
        Change::Removed { before } => remove(tx, at, &before.id)?,
    };
    if done != 1 {
        return Err(Error::Conflict("rules_pk".to_owned()));
    }
    bump(tx, at, made.change.rule().level)?;
    record(tx, at, made)?;
    Ok(())
}

/// Keeps every change of the organization's rules out until the transaction ends.
fn lock(tx: &mut Tx<'_>, scope: &Scope) -> Result<(), Error> {
    tx.one(
        "select policy_version from organization_heads where organization_id = $1 for update",
        &params![scope.organization_id()],
        |r| r.int(),
    )
    .map(|_| ())
}

fn insert(tx: &mut Tx<'_>, at: &At<'_>, rule: &Rule) -> Result<u64, Error> {
    let workspace_id = (rule.level != Level::Organization).then_some(at.workspace);
    let of_set = rule.of_set.as_ref();
    tx.execute(
        "insert into rules
             (id, organization_id, workspace_id, account_id, level, position, matches, effect, until,
              note, created_at, assignment_id, set_id, set_rule_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        &params![
            &rule.id,
            at.organization,
            workspace_id,
            rule.account_id.as_ref(),
            rule.level.as_str(),
            rule.position,
            json(&rule.matches)?,
            json(&rule.effect)?,
            rule.until,
            &rule.note,
            rule.created_at,
            of_set.map(|set| &set.assignment_id),
            of_set.map(|set| &set.set_id),
            of_set.map(|set| &set.set_rule_id),
        ],
    )
}

/// Replaces what a rule says: everything but its identifier, level and person.
fn update(tx: &mut Tx<'_>, at: &At<'_>, rule: &Rule) -> Result<u64, Error> {
    tx.execute(
        "update rules
         set position = $5, matches = $6, effect = $7, until = $8, note = $9
         where id = $1 and organization_id = $2 and (workspace_id is null or workspace_id = $3)
           and level = $4",
        &params![
            &rule.id,
            at.organization,
            at.workspace,
            rule.level.as_str(),
            rule.position,
            json(&rule.matches)?,
            json(&rule.effect)?,
            rule.until,
            &rule.note,
        ],
    )
}

fn remove(tx: &mut Tx<'_>, at: &At<'_>, id: &RuleId) -> Result<u64, Error> {
    tx.execute(
        "delete from rules
         where id = $1 and organization_id = $2 and (workspace_id is null or workspace_id = $3)",
        &params![id, at.organization, at.workspace],
    )
}

/// Gives a rule its place, unless it has it.
fn place(tx: &mut Tx<'_>, at: &At<'_>, id: &RuleId, position: i64) -> Result<u64, Error> {
    tx.execute(
        "update rules
         set position = $4
         where id = $1 and organization_id = $2 and (workspace_id is null or workspace_id = $3)
           and position <> $4",
        &params![id, at.organization, at.workspace, position],
    )
}

fn bump(tx: &mut Tx<'_>, at: &At<'_>, level: Level) -> Result<u64, Error> {
    match level {
        Level::Organization => tx.execute(
            "update organization_heads
             set policy_version = policy_version + 1
             where organization_id = $1",
            &params![at.organization],
        ),
        Level::Workspace | Level::Personal => tx.execute(
            "update workspace_heads
             set policy_version = policy_version + 1
             where workspace_id = $1",
            &params![at.workspace],
        ),
    }
}

/// Keeps a change as a version of every workspace it bears on.
fn record(tx: &mut Tx<'_>, at: &At<'_>, made: &Made<'_>) -> Result<u64, Error> {
    let rule = made.change.rule();
    let everywhere = rule.level == Level::Organization;
    tx.execute(
        "insert into policy_versions
             (workspace_id, version, organization_id, rule_id, level, account_id, author, via, at,
              change, rule_before, rule_after)
         select workspace_heads.workspace_id,
                organization_heads.policy_version + workspace_heads.policy_version,
                $1, $4, $5, $6, $7, $8, $9, $10, $11, $12
         from workspace_heads
         join organization_heads
           on organization_heads.organization_id = workspace_heads.organization_id
         where workspace_heads.organization_id = $1
           and (workspace_heads.workspace_id = $2 or $3 = 1)",
        &params![
            at.organization,
            at.workspace,
            everywhere,
            &rule.id,
            rule.level.as_str(),
            rule.account_id.as_ref(),
            made.by,
            made.channel.as_str(),
            made.at,
            made.change.as_str(),
            made.change.before().map(text).transpose()?,
            made.change.after().map(text).transpose()?,
        ],
    )
}
