//! Changes of the rules: what each does to a policy, how it is undone, and its place in the history.
//!
//! A change carries the rule before and after, so every version of a policy can be had back from the
//! rules as they are, by undoing what came after it. Where a new rule is placed is decided here.

use super::{Effect, Level, Match, Pattern, Policy, Rule};
use crate::access::Channel;
use crate::{AccountId, RuleId, Timestamp};

/// One change of one rule. The positions in it are places among the rules of the same layer and
/// person, from 1 without gaps.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A rule was added.
    Added {
        /// The rule, at its place.
        after: Rule,
    },
    /// A rule got another text, at the same place.
    Edited {
        /// The rule as it was.
        before: Rule,
        /// The rule as it is.
        after: Rule,
    },
    /// A rule went to another place.
    Moved {
        /// The rule at its old place.
        before: Rule,
        /// The rule at its new place.
        after: Rule,
    },
    /// A rule was removed.
    Removed {
        /// The rule as it was.
        before: Rule,
    },
}

/// One entry of the history: who changed what, when, and which version came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// The version of the policy that the change made.
    pub number: i64,
    /// Who made the change.
    pub by: AccountId,
    /// Through what.
    pub channel: Channel,
    /// When.
    pub at: Timestamp,
    /// What was changed.
    pub change: Change,
}

impl Change {
    /// A new rule, above the broader ones of its level; its own position is not looked at. It is
    /// put above rules as narrow as itself too, unless they deny: what somebody has forbidden is not
    /// opened by a rule that says no more about the call.
    #[must_use]
    pub fn add(policy: &Policy, rule: Rule) -> Self {
        let group = group(policy, &rule);
        let others = group.iter().map(|other| (&other.matches, &other.effect));
        let place = place_of_new(others, (&rule.matches, &rule.effect));
        Self::Added {
            after: at_place(rule, place),
        }
    }

    /// A new text for a rule of the policy, which keeps its place; none if there is no such rule.
    #[must_use]
    pub fn edit(policy: &Policy, rule: Rule) -> Option<Self> {
        let (place, before) = placed(policy, &rule.id)?;
        let after = at_place(rule, place);
        Some(Self::Edited { before, after })
    }

    /// Another place for a rule of the policy, from 1; beyond the end is the end. None if there is
    /// no such rule.
    #[must_use]
    pub fn move_to(policy: &Policy, id: &RuleId, position: usize) -> Option<Self> {
        let (_, before) = placed(policy, id)?;
        let last = group(policy, &before).len().saturating_sub(1);
        let after = at_place(before.clone(), position.saturating_sub(1).min(last));
        Some(Self::Moved { before, after })
    }

    /// A rule of the policy that goes; none if there is no such rule.
    #[must_use]
    pub fn remove(policy: &Policy, id: &RuleId) -> Option<Self> {
        placed(policy, id).map(|(_, before)| Self::Removed { before })
    }

    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Added { .. } => "added",
            Self::Edited { .. } => "edited",
            Self::Moved { .. } => "moved",
            Self::Removed { .. } => "removed",
        }
    }

    /// Puts a change together again from its stable name and the rules it had.
    #[must_use]
    pub fn parse(name: &str, before: Option<Rule>, after: Option<Rule>) -> Option<Self> {
        match (name, before, after) {
            ("added", None, Some(after)) => Some(Self::Added { after }),
            ("edited", Some(before), Some(after)) => Some(Self::Edited { before, after }),
            ("moved", Some(before), Some(after)) => Some(Self::Moved { before, after }),
            ("removed", Some(before), None) => Some(Self::Removed { before }),
            (_, _, _) => None,
        }
    }

    /// The rule before the change; none if there was none.
    #[must_use]
    pub fn before(&self) -> Option<&Rule> {
        match self {
            Self::Added { .. } => None,
            Self::Edited { before, .. } | Self::Moved { before, .. } | Self::Removed { before } => {
                Some(before)
            }
        }
    }

    /// The rule after the change; none if there is none any more.
    #[must_use]
    pub fn after(&self) -> Option<&Rule> {
        match self {
            Self::Added { after } | Self::Edited { after, .. } | Self::Moved { after, .. } => {
                Some(after)
            }
            Self::Removed { .. } => None,
        }
    }

    /// The rule it is about, as it is or was last.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        match self {
            Self::Added { after } | Self::Edited { after, .. } | Self::Moved { after, .. } => after,
            Self::Removed { before } => before,
        }
    }

    /// Makes the change. The version is not touched.
    pub fn apply(&self, policy: &mut Policy) {
        replace(policy, self.before(), self.after());
    }

    /// Takes the change back. The version is not touched.
    pub fn undo(&self, policy: &mut Policy) {
        replace(policy, self.after(), self.before());
    }
}

/// The place of a new rule among others in their order, from 0: above broader and equally narrow ones,
/// unless they deny and it does not.
pub(super) fn place_of_new<'r>(
    others: impl Iterator<Item = (&'r Match, &'r Effect)>,
    (matches, effect): (&Match, &Effect),
) -> usize {
    let narrow = narrowness(matches);
    let stays_above = |(other, its): &(&Match, &Effect)| {
        let narrower = narrowness(other);
        let forbidden = **its == Effect::Deny && *effect != Effect::Deny;
        narrower > narrow || narrower == narrow && forbidden
    };
    others.take_while(stays_above).count()
}

/// Takes one rule out of its group and puts one in, at its place.
fn replace(policy: &mut Policy, gone: Option<&Rule>, come: Option<&Rule>) {
    let Some(about) = come.or(gone) else { return };
    let rules = std::mem::take(&mut policy.rules);
    let (mut group, mut rest): (Vec<Rule>, Vec<Rule>) =
        rules.into_iter().partition(|r| is_beside(r, about));
    group.retain(|r| Some(&r.id) != gone.map(|g| &g.id));
    if let Some(come) = come {
        let place = usize::try_from(come.position - 1).unwrap_or(0);
        group.insert(place.min(group.len()), come.clone());
    }
    for (position, rule) in (1..).zip(&mut group) {
        rule.position = position;
    }
    rest.extend(group);
    rest.sort_by(|a, b| a.order().cmp(&b.order()));
    policy.rules = rest;
}

/// The rules among which a rule has its place: those of its layer, and on the personal level those
/// of its person.
#[must_use]
pub(super) fn group<'p>(policy: &'p Policy, rule: &Rule) -> Vec<&'p Rule> {
    let rules = policy.rules.iter();
    rules.filter(|other| is_beside(other, rule)).collect()
}

fn is_beside(a: &Rule, b: &Rule) -> bool {
    a.level == b.level && a.account_id == b.account_id && a.assignment_id() == b.assignment_id()
}

/// A rule of the policy with its place in its group, from 0.
fn placed(policy: &Policy, id: &RuleId) -> Option<(usize, Rule)> {
    let rule = policy.rules.iter().find(|r| r.id == *id)?;
    let place = group(policy, rule).iter().position(|r| r.id == *id)?;
    Some((place, at_place(rule.clone(), place)))
}

fn at_place(rule: Rule, place: usize) -> Rule {
    Rule {
        position: i64::try_from(place).unwrap_or(i64::MAX - 1) + 1,
        ..rule
    }
}

/// How narrow a rule is: a new one stands above broader ones.
fn narrowness(matches: &Match) -> usize {
    let tools = matches.tools.iter().map(Pattern::specificity).min();
    let others = [
        matches.sources.is_empty(),
        matches.risks.is_empty(),
        matches.persons.is_empty(),
        matches.roles.is_empty(),
        matches.clients.is_empty(),
        matches.keys.is_empty(),
        matches.channels.is_empty(),
    ];
    let others = others.iter().filter(|empty| !**empty).count();
    tools.unwrap_or(0) * 1_000 + others + matches.conditions.len()
}

impl Policy {
    /// The identifiers of a rule's group in their order.
    #[must_use]
    pub fn order_beside(&self, rule: &Rule) -> Vec<RuleId> {
        group(self, rule).iter().map(|r| r.id.clone()).collect()
    }

    /// The place of a rule among those of its layer, from 1.
    #[must_use]
    pub fn place(&self, id: &RuleId) -> Option<(usize, &Rule)> {
        let rule = self.rules.iter().find(|r| r.id == *id)?;
        let place = group(self, rule).iter().position(|r| r.id == *id)?;
        Some((place + 1, rule))
    }

    /// How many rules were made on a level; those of sets are not among them.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        let made = |r: &&Rule| r.level == level && r.of_set.is_none();
        self.rules.iter().filter(made).count()
    }
}
