//! Layers: the rules among which the first match decides. Each level is one, and each assignment of a
//! set is one more.
//!
//! Across layers the strictest wins. Where several ask alike, the levels come first, the widest ahead,
//! and then the assignments; what the rule of a set asks is added to what was asked before it. So a set
//! makes no answer milder, whatever else there is.

use super::judged::both;
use super::{Ask, Effect, Level, Policy, Rule};

/// The first rule that matched in each layer.
#[derive(Default)]
pub(super) struct Firsts<'p> {
    levels: [Option<&'p Rule>; Level::ALL.len()],
    sets: Vec<OfAssignment<'p>>,
    /// The assignment that was looked up last: its rules follow each other.
    last: usize,
}

struct OfAssignment<'p> {
    /// Some rule of the layer, which names it.
    named_by: &'p Rule,
    first: Option<&'p Rule>,
}

impl<'p> Firsts<'p> {
    /// The first match in the layer of a rule.
    pub(super) fn of(&mut self, rule: &'p Rule) -> &mut Option<&'p Rule> {
        let Some(assignment) = rule.assignment_id() else {
            return &mut self.levels[rule.level as usize];
        };
        let is_its = |of: &OfAssignment<'_>| of.named_by.assignment_id() == Some(assignment);
        if !self.sets.get(self.last).is_some_and(is_its) {
            self.last = self.sets.iter().position(is_its).unwrap_or(self.sets.len());
        }
        if self.last == self.sets.len() {
            self.sets.push(OfAssignment {
                named_by: rule,
                first: None,
            });
        }
        &mut self.sets[self.last].first
    }

    /// What all layers together say; none where no rule matched.
    pub(super) fn said(mut self) -> Option<Said<'p>> {
        self.sets.sort_by_key(|of| of.named_by.layer());
        let levels = self.levels.into_iter().flatten();
        let sets = self.sets.iter().filter_map(|of| of.first);
        levels
            .chain(sets)
            .fold(None, |before, rule| Some(Said::and(before, rule)))
    }
}

/// The rules of a policy by their layers, in the order in which what they say is put together.
pub(super) fn layers(policy: &Policy) -> Vec<Vec<&Rule>> {
    let mut layers: Vec<Vec<&Rule>> = vec![Vec::new(); Level::ALL.len()];
    let mut of_sets: Vec<&Rule> = Vec::new();
    for rule in &policy.rules {
        match rule.of_set {
            None => layers[rule.level as usize].push(rule),
            Some(_) => of_sets.push(rule),
        }
    }
    of_sets.sort_by_key(|rule| rule.layer());
    let each = of_sets.chunk_by(|a, b| a.assignment_id() == b.assignment_id());
    layers.extend(each.map(<[&Rule]>::to_vec));
    layers
}

/// What some layers together say.
#[derive(Clone)]
pub(super) struct Said<'p> {
    /// The rule that says it.
    pub(super) rule: &'p Rule,
    /// How a person is asked where sets ask, too: so that all of them are satisfied.
    together: Option<Ask>,
}

impl<'p> Said<'p> {
    /// What is said with one layer more.
    pub(super) fn and(before: Option<Self>, rule: &'p Rule) -> Self {
        let alone = Self {
            rule,
            together: None,
        };
        let Some(before) = before else { return alone };
        if rule.effect.strictness() > before.strictness() {
            return alone;
        }
        match (&before.rule.effect, &rule.effect, &rule.of_set) {
            (Effect::Ask(first), Effect::Ask(more), Some(_)) => Self {
                together: Some(both(before.together.as_ref().unwrap_or(first), more)),
                ..before
            },
            (_, _, _) => before,
        }
    }

    pub(super) fn strictness(&self) -> u8 {
        self.rule.effect.strictness()
    }

    /// What it comes to.
    pub(super) fn effect(&self) -> Effect {
        match &self.together {
            Some(ask) => Effect::Ask(ask.clone()),
            None => self.rule.effect.clone(),
        }
    }
}
