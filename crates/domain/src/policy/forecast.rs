//! What a policy may say to a call of which only a part is known yet.
//!
//! The same rules as [`super::decide`]; a condition on something unknown may hold or not, and both
//! ways are followed. Where nothing is unknown there is one answer, and it is that of `decide`.

use super::judged::stricter;
use super::trace::miss_in_general;
use super::{Decision, Level, Path, Policy, Request, Rule, decide, default_effect};
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
    let mut outcomes: Vec<Option<&Rule>> = vec![None];
    for level in Level::ALL {
        let said = level_says(level, (request, &path), arguments, policy);
        let mut next: Vec<Option<&Rule>> = Vec::new();
        for before in outcomes {
            for now in &said {
                let stricter = match (before, *now) {
                    (Some(before), Some(now))
                        if now.effect.strictness() > before.effect.strictness() =>
                    {
                        Some(now)
                    }
                    (Some(before), _) => Some(before),
                    (None, now) => now,
                };
                add(&mut next, stricter);
            }
        }
        outcomes = next;
    }
    let mut decisions: Vec<Decision> = Vec::new();
    for rule in outcomes {
        let own = Decision {
            effect: rule.map_or_else(|| default_effect(request.risk), |r| r.effect.clone()),
            rule_id: rule.map(|r| r.id.clone()),
            level: rule.map(|r| r.level),
            policy_version: policy.version,
            unreviewed: false,
        }
        .reviewed(request.review);
        let decision = also.iter().cloned().fold(own, stricter);
        let seen = |d: &Decision| d.effect.strictness() == decision.effect.strictness();
        if !decisions.iter().any(seen) {
            decisions.push(decision);
        }
    }
    decisions.sort_by_key(|d| std::cmp::Reverse(d.effect.strictness()));
    decisions
}

/// What one level may say: rules of different effects, or nothing.
fn level_says<'p>(
    level: Level,
    (request, path): (&Request<'_>, &Path),
    arguments: &Partial,
    policy: &'p Policy,
) -> Vec<Option<&'p Rule>> {
    let mut said = Vec::new();
    for rule in policy.rules.iter().filter(|r| r.level == level) {
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
            None => add(&mut said, Some(rule)),
            Some(true) => {
                add(&mut said, Some(rule));
                return said;
            }
        }
    }
    said.push(None);
    said
}

/// Keeps one rule for each effect, the first.
fn add<'p>(said: &mut Vec<Option<&'p Rule>>, rule: Option<&'p Rule>) {
    let effect = |rule: &Option<&Rule>| rule.map(|r| r.effect.strictness());
    if !said.iter().any(|known| effect(known) == effect(&rule)) {
        said.push(rule);
    }
}
