//! The changes of the rules as they were kept, and the policy of a version, had back by undoing what
//! came after it.

use super::policy;
use crate::db::{Row, Select, json, params};
use crate::{Error, Reader};
use domain::access::{Channel, Scope};
use domain::policy::{Change, Effect, Level, Match, OfSet, Policy, Rule, Version};
use domain::{AccountId, AssignmentId, PolicySetId, RuleId, SetRuleId, Timestamp};
use serde::{Deserialize, Serialize};

/// Versions that are read at once while going back.
const PAGE: u32 = 500;

/// What a version keeps of a rule besides what stands in its row.
#[derive(Serialize, Deserialize)]
struct Text {
    position: i64,
    matches: Match,
    effect: Effect,
    until: Option<i64>,
    note: String,
    created_at: i64,
    /// Left out of a rule that was made on its level, so that a server of the version before can read
    /// the row while both run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of_set: Option<SetText>,
}

/// What a version keeps of the set that a rule comes of: what it was called then, too.
#[derive(Serialize, Deserialize)]
struct SetText {
    assignment: AssignmentId,
    set: PolicySetId,
    name: String,
    rule: SetRuleId,
}

impl From<&OfSet> for SetText {
    fn from(of: &OfSet) -> Self {
        Self {
            assignment: of.assignment_id.clone(),
            set: of.set_id.clone(),
            name: of.set_name.clone(),
            rule: of.set_rule_id.clone(),
        }
    }
}

impl From<SetText> for OfSet {
    fn from(text: SetText) -> Self {
        Self {
            assignment_id: text.assignment,
            set_id: text.set,
            set_name: text.name,
            set_rule_id: text.rule,
        }
    }
}

/// The text of a rule, as a version keeps it.
pub(super) fn text(rule: &Rule) -> Result<String, Error> {
    json(&Text {
        position: rule.position,
        matches: rule.matches.clone(),
        effect: rule.effect.clone(),
        until: rule.until.map(|t| t.0),
        note: rule.note.clone(),
        created_at: rule.created_at.0,
        of_set: rule.of_set.as_ref().map(SetText::from),
    })
}

const COLUMNS: &str =
    "version, rule_id, level, account_id, author, via, at, change, rule_before, rule_after";

fn read(r: &mut Row<'_>) -> Result<Version, Error> {
    let number = r.int()?;
    let (id, level): (RuleId, Level) = (r.id()?, r.named(Level::parse)?);
    let account_id: Option<AccountId> = r.opt_id()?;
    let (by, channel, at) = (r.id()?, r.named(Channel::parse)?, r.time()?);
    let name = r.text()?;
    let damaged = || Error::Corrupt(format!("version {number} of the policy cannot be read"));
    let rule = |text: Option<String>| -> Result<Option<Rule>, Error> {
        let Some(text) = text else { return Ok(None) };
        let text: Text = serde_json::from_str(&text).map_err(|_| damaged())?;
        Ok(Some(Rule {
            id: id.clone(),
            level,
            account_id: account_id.clone(),
            of_set: text.of_set.map(OfSet::from),
            position: text.position,
            matches: text.matches,
            effect: text.effect,
            until: text.until.map(Timestamp),
            note: text.note,
            created_at: Timestamp(text.created_at),
        }))
    };
    let (before, after) = (rule(r.opt_text()?)?, rule(r.opt_text()?)?);
    Ok(Version {
        number,
        by,
        channel,
        at,
        change: Change::parse(&name, before, after).ok_or_else(damaged)?,
    })
}

/// The changes that bear on a person in the workspace, the newest first, before a version if one is
/// given. Changes of other people's own rules are left out.
///
/// # Errors
/// Those of the database.
pub fn versions(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account: &AccountId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Version>, Error> {
    let mut select = Select::new(
        format!(
            "select {COLUMNS} from policy_versions
             where workspace_id = $1 and (account_id is null or account_id = $2)"
        ),
        params![scope.workspace_id(), account],
    );
    if let Some(before) = before {
        select = select.and("version < ?", params![before]);
    }
    select.all(conn, "order by version desc", limit, read)
}

/// One change that bears on a person in the workspace.
///
/// # Errors
/// Those of the database.
pub fn version(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account: &AccountId,
    number: i64,
) -> Result<Option<Version>, Error> {
    conn.one(
        &format!(
            "select {COLUMNS} from policy_versions
             where workspace_id = $1 and version = $3 and (account_id is null or account_id = $2)"
        ),
        &params![scope.workspace_id(), account, number],
        read,
    )
}

/// The policy that bore on a person in the workspace at a version; none if there was no such
/// version yet, or it is older than what was kept.
///
/// # Errors
/// Those of the database.
pub fn policy_at(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account: &AccountId,
    number: i64,
) -> Result<Option<Policy>, Error> {
    let mut policy = policy(conn, scope, Some(account))?;
    if number > policy.version || number < oldest(conn, scope, policy.version)? {
        return Ok(None);
    }
    let mut before = None;
    loop {
        let page = versions(conn, scope, account, before, PAGE)?;
        for version in &page {
            if version.number <= number {
                policy.version = number;
                return Ok(Some(policy));
            }
            version.change.undo(&mut policy);
            before = Some(version.number);
        }
        if page.len() < PAGE as usize {
            policy.version = number;
            return Ok(Some(policy));
        }
    }
}

/// The oldest version that can be had back: the one before the first change that was kept.
fn oldest(conn: &mut Reader<'_>, scope: &Scope, newest: i64) -> Result<i64, Error> {
    let first = conn.one(
        "select min(version) from policy_versions where workspace_id = $1",
        &params![scope.workspace_id()],
        |r| r.opt_int(),
    )?;
    Ok(first.flatten().map_or(newest, |first| first - 1))
}
