//! Policy rules: list, add, edit, move, remove. Every change is one transaction that writes the
//! rule, a version of the policy, an audit entry and an event.
//!
//! Read on in `history.rs` (versions), `explain.rs` (why a call was decided so), `backtest.rs` (what
//! a change would do to recorded calls), `preview.rs` (which tools a rule is about), `remember.rs`
//! (a rule made of an approval), `sets.rs` (lists of rules) and `assignments.rs` (whom they bind).

pub(crate) mod assignments;
pub(crate) mod backtest;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod preview;
pub(crate) mod remember;
pub(crate) mod sets;
pub(crate) mod usage;

use crate::audit::by_person;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope};
use domain::event::EventKind;
use domain::limits::{APPROVAL_WAIT_MS_MAX, APPROVERS_NEEDED_MAX};
use domain::policy::{Change, Effect, Level, Match, Policy, Rule};
use domain::{AccountId, RuleId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use store::tasks::ClientName;

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
        Level::Organization => Permission::OrganizationRules,
        Level::Workspace => Permission::ManageRules,
        Level::Personal => Permission::OwnRules,
    }
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
            let scope = caller.scope(Permission::SeeRules)?;
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
            check(&draft.matches, &draft.effect, &draft.note)?;
            let (now, id) = (self.inner.clock.now(), RuleId::from_bits(entropy::bits()));
            self.commit(&scope.clone(), move |tx| {
                let policy = store::policies::in_force(tx, &scope, Some(&caller.account_id))?;
                let rule = draft.rule(&id, &caller.account_id, now);
                let change = added(&policy, rule)?;
                make(tx, &scope, &caller, &policy, &change, now)?;
                Ok(change.rule().clone())
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
            check(&draft.matches, &draft.effect, &draft.note)?;
            let change = self
                .change_rules(&caller, &id, move |policy, old| edited(policy, old, &draft))
                .await?;
            Ok(change.rule().clone())
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
            self.change_rules(&caller, &id, move |policy, old| {
                Ok(Change::move_to(policy, &old.id, position))
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
            self.change_rules(&caller, &id, |policy, old| {
                Ok(Change::remove(policy, &old.id))
            })
            .await
            .map(|_| ())
        })
    }

    async fn change_rules(
        &self,
        caller: &Caller,
        id: &RuleId,
        change: impl Fn(&Policy, &Rule) -> Result<Option<Change>, Error> + Send + 'static,
    ) -> Result<Change, Error> {
        let scope = caller.scope(Permission::SeeRules)?;
        let now = self.inner.clock.now();
        let (caller, id) = (caller.clone(), id.clone());
        self.commit(&scope.clone(), move |tx| {
            let missing = || Error::not_found("rule", &id);
            let policy = store::policies::in_force(tx, &scope, Some(&caller.account_id))?;
            let (_, old) = policy.place(&id).ok_or_else(missing)?;
            made_here(old)?;
            let allowed = caller.scope(permission(old.level))?;
            let change = change(&policy, old)?.ok_or_else(missing)?;
            make(tx, &allowed, &caller, &policy, &change, now)?;
            Ok(change)
        })
        .await
    }
}

impl RuleDraft {
    /// The rule that a draft of a person becomes; it has no place yet.
    fn rule(&self, id: &RuleId, person: &AccountId, now: Timestamp) -> Rule {
        Rule {
            id: id.clone(),
            level: self.level,
            account_id: (self.level == Level::Personal).then(|| person.clone()),
            of_set: None,
            position: 0,
            matches: self.matches.clone(),
            effect: self.effect.clone(),
            until: self.until,
            note: self.note.clone(),
            created_at: now,
        }
    }
}

/// Refuses to change a rule by itself that a set brought: the next change of the set would undo it.
fn made_here(rule: &Rule) -> Result<(), Error> {
    let Some(set) = &rule.of_set else {
        return Ok(());
    };
    Err(Error::conflict(
        "rule_of_set",
        format!(
            "rule {} comes of the set '{}' ({}), which is assigned here; change {} in the set, which \
             changes it wherever the set is assigned, or take the assignment back (`executor policies \
             sets unassign {} {}`)",
            rule.id, set.set_name, set.set_id, set.set_rule_id, set.set_id, set.assignment_id
        ),
    ))
}

/// A rule more, where there is room for one.
fn added(policy: &Policy, rule: Rule) -> Result<Change, Error> {
    if policy.count(rule.level) >= RULES_MAX {
        return Err(Error::invalid(
            "invalid_rule",
            format!("a level holds at most {RULES_MAX} rules; remove one that is not needed"),
        ));
    }
    Ok(Change::add(policy, rule))
}

/// A rule with another text.
fn edited(policy: &Policy, old: &Rule, draft: &RuleDraft) -> Result<Option<Change>, Error> {
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
    Ok(Change::edit(policy, rule))
}

/// How the note of a rule begins that pauses a client.
const PAUSED: &str = "Paused";

/// Puts a rule at the head of the workspace's that denies whatever a client calls; one that does so
/// already is left as it is. Answers which.
pub(crate) fn pause(
    tx: &mut store::Tx<'_>,
    caller: &Caller,
    scope: &Scope,
    client: &ClientName,
    now: Timestamp,
) -> Result<RuleId, Error> {
    let (matches, name) = match client {
        ClientName::Key(key) => {
            let keys = vec![key.clone()];
            let matches = Match {
                keys,
                ..Match::default()
            };
            (matches, key.to_string())
        }
        ClientName::SaysOfItself {
            client,
            channel,
            account,
        } => {
            let matches = Match {
                clients: vec![client.clone()],
                persons: vec![account.clone()],
                channels: vec![*channel],
                ..Match::default()
            };
            let unnamed = client.is_empty();
            let name = if unnamed { "an unnamed client" } else { client };
            (matches, name.to_owned())
        }
    };
    let policy = store::policies::in_force(tx, scope, Some(&caller.account_id))?;
    let pauses = |rule: &&Rule| {
        rule.level == Level::Workspace
            && rule.effect == Effect::Deny
            && rule.until.is_none()
            && rule.matches == matches
            && rule.note.starts_with(PAUSED)
    };
    if let Some(rule) = policy.rules.iter().find(pauses) {
        return Ok(rule.id.clone());
    }
    let draft = RuleDraft {
        level: Level::Workspace,
        matches,
        effect: Effect::Deny,
        until: None,
        note: format!("{PAUSED}: {name}"),
    };
    let id = RuleId::from_bits(entropy::bits());
    let change = added(&policy, draft.rule(&id, &caller.account_id, now))?;
    make(tx, scope, caller, &policy, &change, now)?;
    let policy = store::policies::in_force(tx, scope, Some(&caller.account_id))?;
    if let Some(change) = Change::move_to(&policy, &id, 1) {
        make(tx, scope, caller, &policy, &change, now)?;
    }
    Ok(id)
}

/// Makes a change, keeps it as a version, and tells of it.
fn make(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    caller: &Caller,
    policy: &Policy,
    change: &Change,
    now: Timestamp,
) -> Result<(), Error> {
    let made = store::policies::Made {
        by: &caller.account_id,
        channel: caller.channel,
        at: now,
        change,
    };
    let version = store::policies::change(tx, scope, policy, &made)?;
    let mut detail = json!({ "policyVersion": version });
    for (name, rule) in [("before", change.before()), ("after", change.after())] {
        if let Some(rule) = rule {
            detail[name] = shown(rule);
        }
    }
    let (action, id) = (format!("rule.{}", change.as_str()), &change.rule().id);
    let entry = by_person(caller, scope, &action, id.as_str(), &detail, now);
    store::audit::append(tx, scope, entry)?;
    store::events::append(tx, scope, None, now, &EventKind::Policy { version })?;
    Ok(())
}

/// What the store and the gate rest on in the text of a rule, of a level or of a set.
fn check(matches: &Match, effect: &Effect, note: &str) -> Result<(), Error> {
    for condition in &matches.conditions {
        condition.validate().map_err(|why| {
            Error::invalid(
                "invalid_rule",
                format!("the condition on '{}': {why}", condition.path),
            )
        })?;
    }
    if note.chars().count() > NOTE_CHARS_MAX {
        return Err(Error::invalid(
            "invalid_rule",
            format!("a note may have at most {NOTE_CHARS_MAX} characters"),
        ));
    }
    if let Effect::Ask(ask) = effect
        && !(1..=APPROVERS_NEEDED_MAX).contains(&ask.count)
    {
        return Err(Error::invalid(
            "invalid_rule",
            format!(
                "a rule asks for the yes of 1 to {APPROVERS_NEEDED_MAX} people, not {}",
                ask.count
            ),
        ));
    }
    if let Effect::Ask(ask) = effect
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
