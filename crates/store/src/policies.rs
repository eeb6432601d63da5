//! Rules, and the version that every decision names.
//!
//! The version is the sum of two counters, the organization's and the workspace's: any change to a
//! rule that bears on a workspace changes the workspace's version, and it never returns.

use crate::db::{Row, json, params};
use crate::{Error, Reader, Tx};
use domain::access::Scope;
use domain::policy::{Level, Policy, Rule};
use domain::{AccountId, RuleId};

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

/// Adds a rule; answers the new version.
///
/// # Errors
/// Those of the database.
pub fn insert(tx: &mut Tx<'_>, scope: &Scope, rule: &Rule) -> Result<i64, Error> {
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
    )?;
    bump(tx, scope, rule.level)
}

/// Replaces what a rule says: everything but its identifier, level and person. Answers the new
/// version, or none if there is no such rule at that level.
///
/// # Errors
/// Those of the database.
pub fn update(tx: &mut Tx<'_>, scope: &Scope, rule: &Rule) -> Result<Option<i64>, Error> {
    let updated = tx.execute(
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
    )?;
    (updated == 1)
        .then(|| bump(tx, scope, rule.level))
        .transpose()
}

/// Removes a rule; answers the new version, or none if there is no such rule.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, scope: &Scope, id: &RuleId) -> Result<Option<i64>, Error> {
    let level = tx.one(
        "delete from rules
         where id = $1 and organization_id = $2 and (workspace_id is null or workspace_id = $3)
         returning level",
        &params![id, scope.organization_id(), scope.workspace_id()],
        |r| r.named(Level::parse),
    )?;
    level.map(|level| bump(tx, scope, level)).transpose()
}

/// Puts the rules of one level in the order given, from position 1; answers the new version.
///
/// # Errors
/// Those of the database.
pub fn set_order(tx: &mut Tx<'_>, scope: &Scope, order: &[RuleId]) -> Result<i64, Error> {
    let mut level = Level::Workspace;
    for (position, id) in (1i64..).zip(order) {
        let found = tx.one(
            "update rules
             set position = $4
             where id = $1 and organization_id = $2 and (workspace_id is null or workspace_id = $3)
             returning level",
            &params![id, scope.organization_id(), scope.workspace_id(), position],
            |r| r.named(Level::parse),
        )?;
        level = found.unwrap_or(level);
    }
    bump(tx, scope, level)
}

fn bump(tx: &mut Tx<'_>, scope: &Scope, level: Level) -> Result<i64, Error> {
    match level {
        Level::Organization => tx.execute(
            "update organization_heads
             set policy_version = policy_version + 1
             where organization_id = $1",
            &params![scope.organization_id()],
        )?,
        Level::Workspace | Level::Personal => tx.execute(
            "update workspace_heads
             set policy_version = policy_version + 1
             where workspace_id = $1",
            &params![scope.workspace_id()],
        )?,
    };
    version(tx, scope)
}
