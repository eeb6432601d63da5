//! Rules, the one way to change them, and the version that every decision names.
//!
//! The version is the sum of two counters, the organization's and the workspace's: any change to a
//! rule that bears on a workspace changes the workspace's version, and it never returns.

pub mod history;

use crate::db::{Row, json, params};
use crate::{Error, Reader, Tx};
use domain::access::{Channel, Scope};
use domain::policy::{Change, Level, Policy, Rule};
use domain::{AccountId, RuleId, Timestamp};
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
            "select {COLUMNS} from rules
             where organization_id = $1
               and (workspace_id is null or workspace_id = $2)
               and (account_id is null or account_id = $3)
             order by position, id"
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

const COLUMNS: &str = "id, level, account_id, position, matches, effect, until, note, created_at";

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
    })
}

/// One rule that bears on the workspace.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Reader<'_>, scope: &Scope, id: &RuleId) -> Result<Option<Rule>, Error> {
    conn.one(
        &format!(
            "select {COLUMNS} from rules
             where id = $1 and organization_id = $2 and (workspace_id is null or workspace_id = $3)"
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
    let rule = made.change.rule();
    let done = match made.change {
        Change::Added { after } => insert(tx, scope, after)?,
        Change::Edited { after, .. } | Change::Moved { after, .. } => update(tx, scope, after)?,
        Change::Removed { before } => remove(tx, scope, &before.id)?,
    };
    if done != 1 {
        return Err(Error::Conflict("rules_pk".to_owned()));
    }
    let mut next = policy.clone();
    made.change.apply(&mut next);
    for (position, id) in (1i64..).zip(next.order_beside(rule)) {
        place(tx, scope, &id, position)?;
    }
    bump(tx, scope, rule.level)?;
    record(tx, scope, made)?;
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

/// Keeps every change of the organization's rules out until the transaction ends.
fn lock(tx: &mut Tx<'_>, scope: &Scope) -> Result<(), Error> {
    tx.one(
        "select policy_version from organization_heads where organization_id = $1 for update",
        &params![scope.organization_id()],
        |r| r.int(),
    )
    .map(|_| ())
}

fn insert(tx: &mut Tx<'_>, scope: &Scope, rule: &Rule) -> Result<u64, Error> {
    let workspace_id = (rule.level != Level::Organization).then(|| scope.workspace_id());
    tx.execute(
        "insert into rules
             (id, organization_id, workspace_id, account_id, level, position, matches, effect, until,
              note, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &params![
            &rule.id,
            scope.organization_id(),
            workspace_id,
            rule.account_id.as_ref(),
            rule.level.as_str(),
            rule.position,
            json(&rule.matches)?,
            json(&rule.effect)?,
            rule.until,
            &rule.note,
            rule.created_at,
        ],
    )
}

/// Replaces what a rule says: everything but its identifier, level and person.
fn update(tx: &mut Tx<'_>, scope: &Scope, rule: &Rule) -> Result<u64, Error> {
    tx.execute(
        "update rules
         set position = $5, matches = $6, effect = $7, until = $8, note = $9
         where id = $1 and organization_id = $2 and (workspace_id is null or workspace_id = $3)
           and level = $4",
        &params![
            &rule.id,
            scope.organization_id(),
            scope.workspace_id(),
            rule.level.as_str(),
            rule.position,
            json(&rule.matches)?,
            json(&rule.effect)?,
            rule.until,
            &rule.note,
        ],
    )
}

fn remove(tx: &mut Tx<'_>, scope: &Scope, id: &RuleId) -> Result<u64, Error> {
    tx.execute(
        "delete from rules
         where id = $1 and organization_id = $2 and (workspace_id is null or workspace_id = $3)",
        &params![id, scope.organization_id(), scope.workspace_id()],
    )
}

/// Gives a rule its place, unless it has it.
fn place(tx: &mut Tx<'_>, scope: &Scope, id: &RuleId, position: i64) -> Result<u64, Error> {
    tx.execute(
        "update rules
         set position = $4
         where id = $1 and organization_id = $2 and (workspace_id is null or workspace_id = $3)
           and position <> $4",
        &params![id, scope.organization_id(), scope.workspace_id(), position],
    )
}

fn bump(tx: &mut Tx<'_>, scope: &Scope, level: Level) -> Result<u64, Error> {
    match level {
        Level::Organization => tx.execute(
            "update organization_heads
             set policy_version = policy_version + 1
             where organization_id = $1",
            &params![scope.organization_id()],
        ),
        Level::Workspace | Level::Personal => tx.execute(
            "update workspace_heads
             set policy_version = policy_version + 1
             where workspace_id = $1",
            &params![scope.workspace_id()],
        ),
    }
}

/// Keeps a change as a version of every workspace it bears on.
fn record(tx: &mut Tx<'_>, scope: &Scope, made: &Made<'_>) -> Result<u64, Error> {
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
            scope.organization_id(),
            scope.workspace_id(),
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
