//! What a policy may say to a call of which only a part is known yet.
//!
//! The same rules as [`super::decide`]; a condition on something unknown may hold or not, and both
//! ways are followed. Where nothing is unknown there is one answer, and it is that of `decide`.

use super::judged::stricter;
use super::layers::{Said, layers};
use super::trace::miss_in_general;
use super::{Decision, Path, Policy, Request, Rule, decide};
use crate::partial::Partial;

/// Every effect that the call may meet, each once with a rule that gives it, the strictest first.
/// The arguments of the request are not looked at.
#[must_use]
pub fn possible(request: &Request<'_>, arguments: &Partial, policy: &Policy) -> Vec<Decision> {
    let also: Vec<Decision> = request
        .also
        .iter()
        .map(|also| decide(&also.request(request), policy))
        .collect();
    let path = Path::new(request.tool);
    let mut outcomes: Vec<Option<Said<'_>>> = vec![None];
    for layer in layers(policy) {
        let said = layer_says(&layer, (request, &path), arguments);
        let mut next: Vec<Option<Said<'_>>> = Vec::new();
        for before in outcomes {
            for now in &said {
                let together = match now {
                    Some(rule) => Some(Said::and(before.clone(), rule)),
                    None => before.clone(),
                };
                add(&mut next, together, Said::strictness);
            }
        }
        outcomes = next;
    }
    let mut decisions: Vec<Decision> = Vec::new();
    for said in outcomes {
        let own = Decision::of(said.as_ref(), request, policy);
        let decision = also.iter().cloned().fold(own, stricter);
        let seen = |d: &Decision| d.effect.strictness() == decision.effect.strictness();
        if !decisions.iter().any(seen) {
            decisions.push(decision);
        }
    }
    decisions.sort_by_key(|d| std::cmp::Reverse(d.effect.strictness()));
    decisions
}

/// What one layer may say: rules of different effects, or nothing.
fn layer_says<'p>(
    layer: &[&'p Rule],
    (request, path): (&Request<'_>, &Path),
    arguments: &Partial,
) -> Vec<Option<&'p Rule>> {
    let strictness = |rule: &&Rule| rule.effect.strictness();
    let mut said = Vec::new();
    for rule in layer {
        if miss_in_general(rule, request, path).is_some() {
            continue;
        }
        let when_undecided = rule.when_undecided();
        let mut holds = Some(true);
        for condition in &rule.matches.conditions {
            match condition.may_hold(arguments, when_undecided) {
                Some(true) => {}
                Some(false) => {
                    holds = Some(false);
                    break;
                }
                None => holds = None,
            }
        }
        match holds {
            Some(false) => {}
            None => add(&mut said, Some(*rule), strictness),
            Some(true) => {
                add(&mut said, Some(*rule), strictness);
                return said;
            }
        }
    }
    said.push(None);
    said
}

/// Keeps one for each effect, the first.
fn add<T>(said: &mut Vec<Option<T>>, one: Option<T>, strictness: impl Fn(&T) -> u8) {
    let known = |known: &Option<T>| known.as_ref().map(&strictness);
    if !said.iter().any(|other| known(other) == known(&one)) {
        said.push(one);
    }
}
