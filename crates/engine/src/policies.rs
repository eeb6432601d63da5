//! Policy rules: list, add, edit, move, remove, and what they would say to a call.

use crate::audit::by_person;
use crate::gate::forecast;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope};
use domain::event::EventKind;
use domain::limits::APPROVAL_WAIT_MS_MAX;
use domain::policy::{Decision, Effect, Level, Match, Policy, Rule};
use domain::tool::Risk;
use domain::{RuleId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// Longest note in characters.
const NOTE_CHARS_MAX: usize = 2_000;
/// Most rules on one level.
const RULES_MAX: usize = 1_000;

/// A rule to add, or the new text of one.
#[derive(Debug, Clone)]
pub struct RuleDraft {
    /// Whom it binds.
    pub level: Level,
    /// What it applies to.
    pub matches: Match,
    /// What it says.
    pub effect: Effect,
    /// When it stops to hold.
    pub until: Option<Timestamp>,
    /// Why it is there.
    pub note: String,
}

fn permission(level: Level) -> Permission {
    match level {
        Level::Organization => Permission::ManageOrganization,
        Level::Workspace => Permission::ManageWorkspace,
        Level::Personal => Permission::RunTasks,
    }
}

/// How narrow a rule is: a new one stands above broader ones.
fn narrowness(matches: &Match) -> usize {
    let tools = matches
        .tools
        .iter()
        .map(domain::policy::Pattern::specificity)
        .min()
        .unwrap_or(0);
    let others = matches.sources.len().min(1)
        + matches.risks.len().min(1)
        + matches.persons.len().min(1)
        + matches.roles.len().min(1)
        + matches.clients.len().min(1)
        + matches.keys.len().min(1)
        + matches.channels.len().min(1)
        + matches.conditions.len();
    tools * 10 + others
}

fn shown(rule: &Rule) -> Value {
    json!({
        "level": rule.level.as_str(),
        "position": rule.position,
        "match": rule.matches,
        "effect": rule.effect,
        "until": rule.until.map(Timestamp::to_rfc3339),
        "note": rule.note,
    })
}

impl Engine {
    /// The rules that bear on a caller.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn policy(&self, caller: &Caller) -> BoxFuture<'_, Result<Policy, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            self.inner
                .store
                .read(move |r| {
                    Ok(store::policies::policy(
                        r,
                        &scope,
                        Some(&caller.account_id),
                    )?)
                })
                .await
        })
    }

    /// Adds a rule above the broader ones of its level.
    ///
    /// # Errors
    /// `forbidden`, `invalid_rule`.
    pub fn add_rule(
        &self,
        caller: &Caller,
        draft: RuleDraft,
    ) -> BoxFuture<'_, Result<Rule, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(permission(draft.level))?;
            check(&draft)?;
            let now = self.inner.clock.now();
            let id = RuleId::from_bits(entropy::bits());
            self.commit(&scope, {
                let scope = scope.clone();
                move |tx| {
                    let policy = store::policies::policy(tx, &scope, Some(&caller.account_id))?;
                    let mut level = level_rules(&policy, draft.level);
                    if level.len() >= RULES_MAX {
                        return Err(Error::invalid(
                            "invalid_rule",
                            format!("a level holds at most {RULES_MAX} rules"),
                        ));
                    }
                    let narrow = narrowness(&draft.matches);
                    let place = level
                        .iter()
                        .position(|r| narrowness(&r.matches) <= narrow)
                        .unwrap_or(level.len());
                    let rule = Rule {
                        id: id.clone(),
                        level: draft.level,
                        account_id: (draft.level == Level::Personal)
                            .then(|| caller.account_id.clone()),
                        position: i64::try_from(place).unwrap_or(i64::MAX) + 1,
                        matches: draft.matches.clone(),
                        effect: draft.effect.clone(),
                        until: draft.until,
                        note: draft.note.clone(),
                        created_at: now,
                    };
                    store::policies::insert(tx, &scope, &rule)?;
                    level.insert(place, rule.clone());
                    let change = json!({ "after": shown(&rule) });
                    order(
                        tx,
                        &scope,
                        &caller,
                        &level,
                        now,
                        ("rule.added", &rule.id, change),
                    )?;
                    Ok(rule)
                }
            })
            .await
        })
    }

    /// Gives a rule a new text; it keeps its place, and its level.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_rule`.
    pub fn edit_rule(
        &self,
        caller: &Caller,
        id: &RuleId,
        draft: RuleDraft,
    ) -> BoxFuture<'_, Result<Rule, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            check(&draft)?;
            self.change_rules(&caller, &id, move |tx, scope, old, mut level| {
                if draft.level != old.level {
                    return Err(Error::invalid(
                        "invalid_rule",
                        "a rule keeps its level; remove it and add one on the other level",
                    ));
                }
                let rule = Rule {
                    matches: draft.matches.clone(),
                    effect: draft.effect.clone(),
                    until: draft.until,
                    note: draft.note.clone(),
                    ..old.clone()
                };
                store::policies::update(tx, scope, &rule)?;
                if let Some(place) = level.iter().position(|r| r.id == rule.id) {
                    level[place] = rule.clone();
                }
                let change = json!({ "before": shown(old), "after": shown(&rule) });
                Ok((level, "rule.edited", change, rule))
            })
            .await
        })
    }

    /// Moves a rule to a place in its level, from 1.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn move_rule(
        &self,
        caller: &Caller,
        id: &RuleId,
        position: usize,
    ) -> BoxFuture<'_, Result<Policy, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            self.change_rules(&caller, &id, move |_, _, old, mut level| {
                level.retain(|r| r.id != old.id);
                let place = position.saturating_sub(1).min(level.len());
                level.insert(place, old.clone());
                let change = json!({ "before": old.position, "after": place + 1 });
                Ok((level, "rule.moved", change, ()))
            })
            .await?;
            self.policy(&caller).await
        })
    }

    /// Removes a rule.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn remove_rule(&self, caller: &Caller, id: &RuleId) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            self.change_rules(&caller, &id, move |tx, scope, old, mut level| {
                store::policies::remove(tx, scope, &old.id)?;
                level.retain(|r| r.id != old.id);
                Ok((level, "rule.removed", json!({ "before": shown(old) }), ()))
            })
            .await
        })
    }

    async fn change_rules<T: Send + 'static>(
        &self,
        caller: &Caller,
        id: &RuleId,
        change: impl Fn(
            &mut store::Tx<'_>,
            &Scope,
            &Rule,
            Vec<Rule>,
        ) -> Result<(Vec<Rule>, &'static str, Value, T), Error>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        let scope = caller.scope(Permission::RunTasks)?;
        let now = self.inner.clock.now();
        let (caller, id) = (caller.clone(), id.clone());
        self.commit(&scope.clone(), move |tx| {
            let policy = store::policies::policy(tx, &scope, Some(&caller.account_id))?;
            let old = policy
                .rules
                .iter()
                .find(|r| r.id == id)
                .ok_or_else(|| Error::not_found("rule", &id))?;
            let allowed = caller.scope(permission(old.level))?;
            let level = level_rules(&policy, old.level);
            let (level, action, detail, done) = change(tx, &allowed, old, level)?;
            order(tx, &allowed, &caller, &level, now, (action, &id, detail))?;
            Ok(done)
        })
        .await
    }

    /// What policy says to a caller about a call, and the tool's risk.
    ///
    /// # Errors
    /// `not_found` when the path leads to no tool.
    pub fn test_policy(
        &self,
        caller: &Caller,
        tool: &str,
        arguments: Option<Value>,
    ) -> BoxFuture<'_, Result<(Decision, Risk), Error>> {
        let (caller, path) = (caller.clone(), tool.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let catalog = self.catalog(&scope).await?;
            let (tool, _) = catalog
                .lookup(&path)
                .ok_or_else(|| Error::not_found("tool", &path))?;
            let policy = self.policy(&caller).await?;
            let now = self.inner.clock.now();
            Ok((
                forecast(&caller, &policy, tool, arguments.as_ref(), now),
                tool.risk,
            ))
        })
    }
}

fn level_rules(policy: &Policy, level: Level) -> Vec<Rule> {
    policy
        .rules
        .iter()
        .filter(|r| r.level == level)
        .cloned()
        .collect()
}

/// Writes the order of a level and tells of the change.
fn order(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    caller: &Caller,
    level: &[Rule],
    now: Timestamp,
    (action, id, detail): (&str, &RuleId, Value),
) -> Result<(), Error> {
    let ids: Vec<RuleId> = level.iter().map(|r| r.id.clone()).collect();
    let version = store::policies::set_order(tx, scope, &ids)?;
    let mut detail = detail;
    detail["policyVersion"] = version.into();
    store::audit::append(
        tx,
        scope,
        by_person(caller, scope, action, id.as_str(), &detail, now),
    )?;
    store::events::append(tx, scope, None, now, &EventKind::Policy { version })?;
    Ok(())
}

fn check(draft: &RuleDraft) -> Result<(), Error> {
    for condition in &draft.matches.conditions {
        condition.validate().map_err(|why| {
            Error::invalid(
                "invalid_rule",
                format!("the condition on '{}': {why}", condition.path),
            )
        })?;
    }
    if draft.note.chars().count() > NOTE_CHARS_MAX {
        return Err(Error::invalid(
            "invalid_rule",
            format!("a note may have at most {NOTE_CHARS_MAX} characters"),
        ));
    }
    if let Effect::Ask(ask) = &draft.effect
        && let Some(wait) = ask.wait_ms
        && (wait == 0 || wait > APPROVAL_WAIT_MS_MAX)
    {
        return Err(Error::invalid(
            "invalid_rule",
            format!("an approval waits from 1 to {APPROVAL_WAIT_MS_MAX} ms (30 days), not {wait}"),
        ));
    }
    Ok(())
}
