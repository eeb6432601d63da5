//! Policy sets: named lists of rules that bind nobody until they are assigned.
//!
//! An assignment brings a copy of each rule to its level, as a layer of its own beside the rules that
//! were made there; a change of the set is made of every copy. So what binds is always a plain rule,
//! with its versions, and nothing that reads rules knows of sets. Which changes of rules an
//! assignment or a change of a set comes to is decided here; the store makes them.

use super::history::place_of_new;
use super::{Change, Effect, Level, Match, OfSet, Policy, Rule};
use crate::{AccountId, AssignmentId, PolicySetId, RuleId, SetRuleId, Timestamp, WorkspaceId};

/// A named list of rules of an organization.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySet {
    /// Its identifier.
    pub id: PolicySetId,
    /// What it is called; no two of an organization alike, whatever the case.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its rules in their order.
    pub rules: Vec<SetRule>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One rule of a set. It has no level: each assignment gives its copy one.
#[derive(Debug, Clone, PartialEq)]
pub struct SetRule {
    /// Its identifier.
    pub id: SetRuleId,
    /// What it applies to.
    pub matches: Match,
    /// What it says.
    pub effect: Effect,
    /// When it stops to hold.
    pub until: Option<Timestamp>,
    /// Why it is there.
    pub note: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whom an assignment binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Every workspace of the organization.
    Organization,
    /// One workspace.
    Workspace(WorkspaceId),
    /// One person in one workspace.
    Person(WorkspaceId, AccountId),
}

impl Target {
    /// The level of the rules that are brought.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Organization => Level::Organization,
            Self::Workspace(_) => Level::Workspace,
            Self::Person(_, _) => Level::Personal,
        }
    }

    /// The one workspace it is about; none for all of them.
    #[must_use]
    pub fn workspace(&self) -> Option<&WorkspaceId> {
        match self {
            Self::Organization => None,
            Self::Workspace(workspace) | Self::Person(workspace, _) => Some(workspace),
        }
    }

    /// The one person it is about; none for everybody.
    #[must_use]
    pub fn person(&self) -> Option<&AccountId> {
        match self {
            Self::Organization | Self::Workspace(_) => None,
            Self::Person(_, person) => Some(person),
        }
    }

    /// Whether it bears on a person in a workspace.
    #[must_use]
    pub fn binds(&self, workspace: &WorkspaceId, person: &AccountId) -> bool {
        self.workspace().is_none_or(|own| own == workspace)
            && self.person().is_none_or(|own| own == person)
    }
}

/// A set that binds somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its identifier.
    pub id: AssignmentId,
    /// The set.
    pub set_id: PolicySetId,
    /// Whom it binds.
    pub target: Target,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Assignment {
    /// What assigning comes to: a copy of each rule of the set, in order. `id` draws identifiers.
    #[must_use]
    pub fn brings(&self, set: &PolicySet, mut id: impl FnMut() -> RuleId) -> Vec<Change> {
        let rules = set.rules.iter().enumerate();
        let copies = rules.map(|(place, rule)| self.copy(&set.name, rule, id(), place));
        copies.map(|after| Change::Added { after }).collect()
    }

    /// What taking it back comes to, given the rules that it brought: each of them goes, the last
    /// first, so that none of the others moves.
    #[must_use]
    pub fn takes_away(layer: &Policy) -> Vec<Change> {
        let rules = layer.rules.iter().rev().cloned();
        rules.map(|before| Change::Removed { before }).collect()
    }

    fn copy(&self, set_name: &str, rule: &SetRule, id: RuleId, place: usize) -> Rule {
        Rule {
            id,
            level: self.target.level(),
            account_id: self.target.person().cloned(),
            of_set: Some(OfSet {
                assignment_id: self.id.clone(),
                set_id: self.set_id.clone(),
                set_name: set_name.to_owned(),
                set_rule_id: rule.id.clone(),
            }),
            position: i64::try_from(place).unwrap_or(i64::MAX - 1) + 1,
            matches: rule.matches.clone(),
            effect: rule.effect.clone(),
            until: rule.until,
            note: rule.note.clone(),
            created_at: rule.created_at,
        }
    }
}

/// A change of the rules of a set. Places are counted from 0.
#[derive(Debug, Clone, PartialEq)]
pub enum SetChange {
    /// A rule more.
    Added(SetRule, usize),
    /// Another text for the rule that is at the place.
    Edited(SetRule, usize),
    /// The rule goes to the place.
    Moved(SetRule, usize),
    /// A rule less.
    Removed(SetRule),
}

impl SetChange {
    /// A rule more, placed as a new rule of a level is: above broader ones.
    #[must_use]
    pub fn add(set: &PolicySet, rule: SetRule) -> Self {
        let others = set
            .rules
            .iter()
            .map(|other| (&other.matches, &other.effect));
        let place = place_of_new(others, (&rule.matches, &rule.effect));
        Self::Added(rule, place)
    }

    /// Another text for a rule, which keeps its place; none if there is no such rule.
    #[must_use]
    pub fn edit(set: &PolicySet, rule: SetRule) -> Option<Self> {
        set.place(&rule.id).map(|place| Self::Edited(rule, place))
    }

    /// Another place for a rule, from 1; beyond the end is the end. None if there is no such rule.
    #[must_use]
    pub fn move_to(set: &PolicySet, id: &SetRuleId, position: usize) -> Option<Self> {
        let rule = &set.rules[set.place(id)?];
        let place = position.saturating_sub(1).min(set.rules.len() - 1);
        Some(Self::Moved(rule.clone(), place))
    }

    /// A rule less; none if there is no such rule.
    #[must_use]
    pub fn remove(set: &PolicySet, id: &SetRuleId) -> Option<Self> {
        let rule = &set.rules[set.place(id)?];
        Some(Self::Removed(rule.clone()))
    }

    /// The stable name, as it is shown: that of what it does to each copy.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Added(_, _) => "added",
            Self::Edited(_, _) => "edited",
            Self::Moved(_, _) => "moved",
            Self::Removed(_) => "removed",
        }
    }

    /// The rule it is about, as it is or was last.
    #[must_use]
    pub fn rule(&self) -> &SetRule {
        match self {
            Self::Added(rule, _)
            | Self::Edited(rule, _)
            | Self::Moved(rule, _)
            | Self::Removed(rule) => rule,
        }
    }

    /// Makes the change.
    pub fn apply(&self, set: &mut PolicySet) {
        set.rules.retain(|rule| rule.id != self.rule().id);
        match self {
            Self::Added(rule, place) | Self::Edited(rule, place) | Self::Moved(rule, place) => {
                set.rules
                    .insert((*place).min(set.rules.len()), rule.clone());
            }
            Self::Removed(_) => {}
        }
    }

    /// What it comes to for the rules that an assignment brought; none where the copy is missing.
    /// `id` is the identifier of a copy that is new.
    #[must_use]
    pub fn of_copies(
        &self,
        assignment: &Assignment,
        set_name: &str,
        layer: &Policy,
        id: RuleId,
    ) -> Option<Change> {
        let copy = |id: &SetRuleId| {
            let is_its = |rule: &&Rule| {
                let of_set = rule.of_set.as_ref();
                of_set.is_some_and(|set| set.set_rule_id == *id)
            };
            layer.rules.iter().find(is_its)
        };
        match self {
            Self::Added(rule, place) => Some(Change::Added {
                after: assignment.copy(set_name, rule, id, *place),
            }),
            Self::Edited(rule, place) => {
                let id = copy(&rule.id)?.id.clone();
                Change::edit(layer, assignment.copy(set_name, rule, id, *place))
            }
            Self::Moved(rule, place) => Change::move_to(layer, &copy(&rule.id)?.id, place + 1),
            Self::Removed(rule) => Change::remove(layer, &copy(&rule.id)?.id),
        }
    }
}

impl PolicySet {
    /// The place of a rule, from 0.
    #[must_use]
    pub fn place(&self, id: &SetRuleId) -> Option<usize> {
        self.rules.iter().position(|rule| rule.id == *id)
    }
}
