//! What a change of the rules would do to calls that were recorded: how many would be decided
//! otherwise, and which. Changes nothing.
//!
//! Every call is decided twice, on the rules as they are and on the rules as they would be, both as
//! of now. So only the change shows, not what else has changed since the call.

use super::assignments::AssignTo;
use super::sets::SetEdit;
use super::{RuleDraft, added, check, edited, made_here, permission};
use crate::gate::{also_of, forecast_of};
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope};
use domain::policy::{Change, Level, OfSet, Policy};
use domain::{AccountId, AssignmentId, PolicySetId, RuleId, Timestamp};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use store::recorded::{PersonsAnswer, Recorded, RecordedFilter};

/// Calls that are looked at unless a caller says otherwise.
const CALLS: u32 = 1_000;
/// Most calls that are looked at.
const CALLS_MAX: u32 = 50_000;
/// Calls that are read at once.
const PAGE: u32 = 500;
/// Calls that are shown of those that would be decided otherwise.
const EXAMPLES_MAX: usize = 20;

/// A change that nobody has made yet.
#[derive(Debug, Clone)]
pub enum Proposal {
    /// Of the rules of a level.
    Rule(RuleEdit),
    /// Of the rules of a set, wherever it is assigned.
    OfSet(PolicySetId, SetEdit),
    /// A set that binds somebody more.
    Assign(PolicySetId, AssignTo),
    /// An assignment of a set taken back.
    Unassign(PolicySetId, AssignmentId),
}

/// A change of the rules of a level.
#[derive(Debug, Clone)]
pub enum RuleEdit {
    /// A rule more.
    Add(RuleDraft),
    /// Another text for a rule.
    Edit(RuleId, RuleDraft),
    /// Another place for a rule, from 1.
    Move(RuleId, usize),
    /// A rule less.
    Remove(RuleId),
}

/// What a proposal comes to.
pub(super) struct Planned {
    /// The changes of rules, in order, of all that bear on the workspace.
    pub(super) changes: Vec<Change>,
    /// Whether there are others, or the same, in other workspaces.
    pub(super) elsewhere: bool,
}

impl Planned {
    /// One change of one rule.
    pub(super) fn of(change: Change) -> Self {
        Self {
            elsewhere: change.rule().level == Level::Organization,
            changes: vec![change],
        }
    }
}

/// Which calls to try it on.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Only those of tasks submitted since.
    pub since: Option<Timestamp>,
    /// How many at most.
    pub limit: u32,
}

impl Sample {
    /// Most calls that are looked at.
    pub const CALLS_MAX: u32 = CALLS_MAX;
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            since: None,
            limit: CALLS,
        }
    }
}

/// What the change would do.
#[derive(Debug, Clone)]
pub struct Backtest {
    /// The changes as they would be made, in order: one, or what a set's rules come to in this
    /// workspace.
    pub changes: Vec<Change>,
    /// Whether the change bears on other workspaces, too, whose calls were not looked at.
    pub elsewhere: bool,
    /// How many calls were looked at.
    pub looked_at: u32,
    /// The oldest task looked at.
    pub oldest: Option<Timestamp>,
    /// Whether there are older calls that fit and were not looked at.
    pub more: bool,
    /// Whether only the caller's own calls were looked at.
    pub own_only: bool,
    /// How many would be decided otherwise, by what they are and what they would be.
    pub otherwise: Vec<(&'static str, &'static str, u32)>,
    /// How many calls the rules in question would decide, or do if they are removed.
    pub matched: u32,
    /// How many of those people said yes to.
    pub approved_by_people: u32,
    /// How many of those people said no to.
    pub denied_by_people: u32,
    /// Some of those that would be decided otherwise, the newest first.
    pub examples: Vec<Example>,
}

/// One call that would be decided otherwise.
#[derive(Debug, Clone)]
pub struct Example {
    /// The call.
    pub call: Recorded,
    /// What the rules as they are say to it.
    pub now: &'static str,
    /// What the rules as they would be say.
    pub then: &'static str,
    /// The rule that would decide; none for the default.
    pub rule_id: Option<RuleId>,
    /// The set that rule would come of, if it would.
    pub of_set: Option<OfSet>,
}

impl Backtest {
    /// How many calls would be decided otherwise.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.otherwise.iter().map(|(_, _, count)| count).sum()
    }
}

impl Engine {
    /// Tries a change on recorded calls. A member tries it on their own.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_rule`.
    pub fn backtest(
        &self,
        caller: &Caller,
        proposal: Proposal,
        sample: Sample,
    ) -> BoxFuture<'_, Result<Backtest, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeRules)?;
            let planned = match proposal {
                Proposal::Rule(edit) => {
                    let policy = self.policy(&caller).await?;
                    Planned::of(self.proposed(&caller, &policy, edit)?)
                }
                Proposal::OfSet(set, edit) => self.would_change_set(&caller, &set, edit).await?,
                Proposal::Assign(set, to) => self.would_assign(&caller, &set, to).await?,
                Proposal::Unassign(set, id) => self.would_unassign(&caller, &set, &id).await?,
            };
            self.tried(&caller, &scope, planned, sample).await
        })
    }

    /// The change that a proposal comes to, if the caller may make it.
    fn proposed(&self, caller: &Caller, policy: &Policy, edit: RuleEdit) -> Result<Change, Error> {
        let (id, level) = match &edit {
            RuleEdit::Add(draft) => (RuleId::from_bits(entropy::bits()), draft.level),
            RuleEdit::Edit(id, _) | RuleEdit::Move(id, _) | RuleEdit::Remove(id) => {
                let (_, rule) = policy
                    .place(id)
                    .ok_or_else(|| Error::not_found("rule", id))?;
                made_here(rule)?;
                (id.clone(), rule.level)
            }
        };
        caller.scope(permission(level))?;
        let missing = || Error::not_found("rule", &id);
        match edit {
            RuleEdit::Add(draft) => {
                check(&draft.matches, &draft.effect, &draft.note)?;
                let now = self.inner.clock.now();
                added(policy, draft.rule(&id, &caller.account_id, now))
            }
            RuleEdit::Edit(id, draft) => {
                check(&draft.matches, &draft.effect, &draft.note)?;
                let (_, old) = policy.place(&id).ok_or_else(missing)?;
                edited(policy, old, &draft)?.ok_or_else(missing)
            }
            RuleEdit::Move(id, place) => Change::move_to(policy, &id, place).ok_or_else(missing),
            RuleEdit::Remove(id) => Change::remove(policy, &id).ok_or_else(missing),
        }
    }

    /// Tries changes that have been checked.
    pub(super) async fn tried(
        &self,
        caller: &Caller,
        scope: &Scope,
        planned: Planned,
        sample: Sample,
    ) -> Result<Backtest, Error> {
        let own_only = caller.scope(Permission::SeeAllTasks).is_err();
        let limit = sample.limit.clamp(1, CALLS_MAX);
        let mut filter = RecordedFilter {
            account: own_only.then(|| caller.account_id.clone()),
            since: sample.since,
            after: None,
            limit: PAGE,
        };
        let catalog = self.catalog(scope).await?;
        let mut trial = Trial {
            now: self.inner.clock.now(),
            catalog,
            policies: HashMap::new(),
            result: Backtest {
                changes: planned.changes,
                elsewhere: planned.elsewhere,
                looked_at: 0,
                oldest: None,
                more: false,
                own_only,
                otherwise: Vec::new(),
                matched: 0,
                approved_by_people: 0,
                denied_by_people: 0,
                examples: Vec::new(),
            },
        };
        loop {
            let (wanted, scope) = (filter.clone(), scope.clone());
            let known: Vec<AccountId> = trial.policies.keys().cloned().collect();
            let (page, policies) = self
                .inner
                .store
                .read(move |r| {
                    let page = store::recorded::calls(r, &scope, &wanted)?;
                    let mut policies: HashMap<AccountId, Policy> = HashMap::new();
                    for person in page.iter().map(|call| &call.account_id) {
                        if !known.contains(person) && !policies.contains_key(person) {
                            let policy = store::policies::policy(r, &scope, Some(person))?;
                            policies.insert(person.clone(), policy);
                        }
                    }
                    Ok::<_, Error>((page, policies))
                })
                .await?;
            trial.learn(policies);
            let whole = page.len() == PAGE as usize;
            filter.after = page
                .last()
                .map(|c| (c.submitted_at, c.task_id.clone(), c.sequence));
            for call in page {
                if trial.result.looked_at == limit {
                    trial.result.more = true;
                    return Ok(trial.result);
                }
                trial.look_at(call);
            }
            if !whole {
                return Ok(trial.result);
            }
        }
    }
}

struct Trial {
    now: Timestamp,
    /// What somebody has looked at is asked of the tools as they are.
    catalog: tools::Catalog,
    /// What bears on each person, as it is and as it would be.
    policies: HashMap<AccountId, (Policy, Policy)>,
    result: Backtest,
}

impl Trial {
    fn learn(&mut self, policies: HashMap<AccountId, Policy>) {
        for (person, policy) in policies {
            let mut then = policy.clone();
            for change in &self.result.changes {
                change.apply(&mut then);
            }
            self.policies.insert(person, (policy, then));
        }
    }

    fn look_at(&mut self, call: Recorded) {
        let result = &mut self.result;
        result.looked_at += 1;
        result.oldest = Some(call.submitted_at);
        let Some((now, then)) = self.policies.get(&call.account_id) else {
            return;
        };
        // The store keeps nothing else here; what cannot be read is decided as having no arguments.
        let arguments = serde_json::from_str(&call.arguments).unwrap_or_default();
        let also = also_of(&self.catalog, &call.tool, &arguments);
        let arguments = (&arguments, &also[..]);
        let review = self.catalog.review_at(&call.tool);
        let now = forecast_of(&call, arguments, (now, review), self.now);
        let then = forecast_of(&call, arguments, (then, review), self.now);
        let decides = |change: &Change| {
            let deciding = match change.after() {
                Some(_) => then.rule_id.as_ref(),
                None => now.rule_id.as_ref(),
            };
            deciding == Some(&change.rule().id)
        };
        if result.changes.iter().any(decides) {
            result.matched += 1;
            match call.answer {
                Some(PersonsAnswer::Approved) => result.approved_by_people += 1,
                Some(PersonsAnswer::Denied) => result.denied_by_people += 1,
                None => {}
            }
        }
        if now.effect == then.effect {
            return;
        }
        let pair = (now.effect.as_str(), then.effect.as_str());
        match result
            .otherwise
            .iter_mut()
            .find(|(n, t, _)| (*n, *t) == pair)
        {
            Some((_, _, count)) => *count += 1,
            None => result.otherwise.push((pair.0, pair.1, 1)),
        }
        if result.examples.len() < EXAMPLES_MAX {
            result.examples.push(Example {
                call,
                now: pair.0,
                then: pair.1,
                rule_id: then.rule_id,
                of_set: then.of_set,
            });
        }
    }
}
