//! Which rules are never heard, because another one always speaks before them or louder.
//!
//! Errs on one side only: a rule that is told to be shadowed never bears on a decision as the rules
//! are. One that several others cover only together is not found.

use super::{Effect, Level, Match, Policy, Rule};
use crate::{RuleId, Timestamp};

/// Pairs of rules that are compared; beyond, nothing more is told.
const PAIRS_MAX: usize = 1_000_000;

/// A rule that never decides, and the one because of which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// The rule that never decides.
    pub rule_id: RuleId,
    /// The rule that takes every call before it, or says the stricter to every one.
    pub by: RuleId,
}

/// The rules that never decide while the others stay as they are. A rule whose time is over is none of
/// them: it shadows nothing and nothing shadows it.
#[must_use]
pub fn shadows(policy: &Policy, now: Timestamp) -> Vec<Shadow> {
    let holds = |rule: &&Rule| rule.until.is_none_or(|until| now < until);
    let rules: Vec<&Rule> = policy.rules.iter().filter(holds).collect();
    let mut left = PAIRS_MAX;
    let mut found = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let by = rules.iter().enumerate().find(|(other_at, other)| {
            left = left.saturating_sub(1);
            left > 0
                && *other_at != at
                && speaks_first(&rules, (*other_at, other), (at, rule))
                && covers_rule(other, rule)
        });
        if let Some((_, by)) = by {
            found.push(Shadow {
                rule_id: rule.id.clone(),
                by: by.id.clone(),
            });
        }
    }
    found
}

/// Whether `other`, where both match, leaves nothing to `rule`: it stands before it in its layer. Or it
/// stands in another layer, and whatever is heard there up to it drowns out `rule` and, so that `rule`
/// keeps nothing quiet either, all that comes after `rule`. Of two that are as strict the wider level's
/// is told, and a level's own before that of a set; what the rule of a set asks is always asked, too.
fn speaks_first(
    rules: &[&Rule],
    (at_other, other): (usize, &Rule),
    (at, rule): (usize, &Rule),
) -> bool {
    if !for_same_person(other, rule) {
        return false;
    }
    let layer = |r: &Rule| (r.of_set.is_some(), r.level, r.assignment_id().cloned());
    let (of_other, of_rule) = (layer(other), layer(rule));
    if of_other == of_rule {
        return at_other < at;
    }
    let up_to = rules[..=at_other].iter().filter(|r| layer(r) == of_other);
    let Some(heard) = up_to.map(|r| r.effect.strictness()).min() else {
        return false;
    };
    let must_be_stricter = |r: &Rule| {
        let asks_too = r.of_set.is_some() && matches!(r.effect, Effect::Ask(_));
        of_other > of_rule || asks_too
    };
    let mut from = rules[at..].iter().filter(|r| layer(r) == of_rule);
    from.all(|r| r.effect.strictness() + u8::from(must_be_stricter(r)) <= heard)
}

/// Whether `other` binds everybody whom `rule` binds.
fn for_same_person(other: &Rule, rule: &Rule) -> bool {
    other.level != Level::Personal
        || (rule.level == Level::Personal && other.account_id == rule.account_id)
}

/// Whether `other` matches every call that `rule` matches, for as long as `rule` holds.
fn covers_rule(other: &Rule, rule: &Rule) -> bool {
    let lasts = match (other.until, rule.until) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(other), Some(rule)) => rule <= other,
    };
    lasts && covers_match(&other.matches, &rule.matches) && holds_too(other, rule)
}

fn covers_match(other: &Match, rule: &Match) -> bool {
    let tools = other.tools.is_empty()
        || (!rule.tools.is_empty()
            && rule
                .tools
                .iter()
                .all(|narrow| other.tools.iter().any(|wide| wide.covers(narrow))))
        || other.tools.iter().any(|wide| wide.as_str() == "**");
    // What the other one leaves out, this one leaves out too.
    let except = other
        .except
        .iter()
        .all(|left| rule.except.iter().any(|wide| wide.covers(left)));
    let same_name = |a: &String, b: &String| super::trace::same(a, b);
    tools
        && except
        && within(&rule.sources, &other.sources, same_name)
        && within(&rule.risks, &other.risks, |a, b| a == b)
        && within(&rule.persons, &other.persons, |a, b| a == b)
        && within(&rule.roles, &other.roles, |a, b| a == b)
        && within(&rule.clients, &other.clients, |a, b| {
            a.eq_ignore_ascii_case(b)
        })
        && within(&rule.keys, &other.keys, |a, b| a == b)
        && within(&rule.channels, &other.channels, |a, b| a == b)
}

/// Whether a list says no more than another, where an empty one stands for everything.
fn within<T>(narrow: &[T], wide: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    wide.is_empty()
        || (!narrow.is_empty() && narrow.iter().all(|n| wide.iter().any(|w| same(n, w))))
}

/// Whether the conditions of `other` hold wherever those of `rule` do: they are among them, and where an
/// argument is missing it answers no milder.
fn holds_too(other: &Rule, rule: &Rule) -> bool {
    let conditions = &other.matches.conditions;
    conditions.is_empty()
        || ((other.when_undecided() || !rule.when_undecided())
            && conditions
                .iter()
                .all(|c| rule.matches.conditions.contains(c)))
}

#[cfg(test)]
mod tests {
    use super::super::{Ask, Pattern};
    use super::*;
    use crate::AccountId;

    fn rule(number: u8, level: Level, effect: Effect, tools: &[&str]) -> Rule {
        let tools = tools.iter().map(|t| Pattern::parse(t).expect("a pattern"));
        Rule {
            id: RuleId::from_bits([number; 16]),
            level,
            account_id: (level == Level::Personal).then(|| AccountId::from_bits([9; 16])),
            of_set: None,
            position: i64::from(number),
            matches: Match {
                tools: tools.collect(),
                ..Match::default()
            },
            effect,
            until: None,
            note: String::new(),
            created_at: Timestamp(0),
        }
    }

    fn found(rules: Vec<Rule>) -> Vec<(usize, usize)> {
        let place = |id: &RuleId, rules: &[Rule]| rules.iter().position(|r| r.id == *id);
        let policy = Policy { version: 1, rules };
        shadows(&policy, Timestamp(10))
            .iter()
            .filter_map(|s| {
                Some((
                    place(&s.rule_id, &policy.rules)?,
                    place(&s.by, &policy.rules)?,
                ))
            })
            .collect()
    }

    fn ask() -> Effect {
        Effect::Ask(Ask::default())
    }

    #[test]
    fn within_a_level_the_first_takes_what_it_covers() {
        let w = Level::Workspace;
        for (first, second, is_shadowed) in [
            (&["**"][..], &["shop.items.*"][..], true),
            (&[], &["shop.items.*"], true),
            (&["**"], &[], true),
            (&["shop.**"], &["shop.items.*"], true),
            (&["github.repos.*"], &["github.repos.delete"], true),
            (&["github.repos.*"], &["GitHub.repos.del_ete"], true),
            (&["github.repos.d*"], &["github.repos.delete*"], true),
            (&["a.b", "a.c"], &["a.c", "a.b"], true),
            (&["a.*", "b.*"], &["a.x", "b.y"], true),
            (&["a.**.z"], &["a.b.*.z"], true),
            (&["shop.items.*"], &["shop.**"], false),
            (&["github.repos.delete"], &["github.repos.*"], false),
            (&["github.*.delete"], &["github.repos.*"], false),
            (&["a.*"], &["a.x", "b.y"], false),
            (&["a.*"], &["a.**"], false),
            (&["a.*"], &[], false),
        ] {
            let rules = vec![
                rule(1, w, Effect::Allow, first),
                rule(2, w, Effect::Deny, second),
            ];
            let expected = if is_shadowed { vec![(1, 0)] } else { vec![] };
            assert_eq!(found(rules), expected, "{first:?} before {second:?}");
        }
    }

    #[test]
    fn whom_and_what_else_it_is_about_counts() {
        let w = Level::Workspace;
        let both = |first: &dyn Fn(&mut Rule), second: &dyn Fn(&mut Rule)| {
            let (mut a, mut b) = (
                rule(1, w, ask(), &["shop.**"]),
                rule(2, w, ask(), &["shop.items.*"]),
            );
            first(&mut a);
            second(&mut b);
            !found(vec![a, b]).is_empty()
        };
        let nothing = |_: &mut Rule| {};
        let condition = |text: &'static str| {
            move |r: &mut Rule| {
                r.matches.conditions = vec![super::super::Condition::parse(text).expect("one")];
            }
        };
        assert!(both(&nothing, &nothing));
        let cursor = |r: &mut Rule| r.matches.clients = vec!["Cursor".into()];
        let lower = |r: &mut Rule| r.matches.clients = vec!["cursor".into()];
        assert!(!both(&cursor, &nothing));
        assert!(both(&cursor, &lower));
        assert!(both(&nothing, &cursor));
        assert!(!both(&condition("amount > 5"), &nothing));
        assert!(both(&condition("amount > 5"), &condition("amount > 5")));
        assert!(!both(&condition("amount > 5"), &condition("amount > 4")));
        assert!(both(&nothing, &condition("amount > 5")));
        // Where the argument is missing, one that allows does not match and one that asks does.
        let allows = |r: &mut Rule| {
            condition("amount > 5")(r);
            r.effect = Effect::Allow;
        };
        assert!(!both(&allows, &condition("amount > 5")));
        assert!(both(&condition("amount > 5"), &allows));
        let short = |r: &mut Rule| r.until = Some(Timestamp(20));
        let over = |r: &mut Rule| r.until = Some(Timestamp(5));
        assert!(!both(&short, &nothing));
        assert!(both(&short, &short));
        assert!(!both(&over, &nothing) && !both(&nothing, &over));
        let left_out = |r: &mut Rule| {
            r.matches.except = vec![Pattern::parse("shop.items.get").expect("a pattern")];
        };
        assert!(!both(&left_out, &nothing));
        assert!(both(&left_out, &left_out));
    }

    #[test]
    fn across_levels_the_stricter_is_heard() {
        let (o, w, p) = (Level::Organization, Level::Workspace, Level::Personal);
        let two = |a: (Level, Effect), b: (Level, Effect)| {
            found(vec![
                rule(1, a.0, a.1, &["shop.**"]),
                rule(2, b.0, b.1, &["shop.items.*"]),
            ])
        };
        assert_eq!(two((o, Effect::Deny), (w, Effect::Allow)), [(1, 0)]);
        assert_eq!(two((o, Effect::Deny), (w, Effect::Deny)), [(1, 0)]);
        assert_eq!(two((o, ask()), (w, Effect::Deny)), []);
        assert_eq!(two((w, Effect::Deny), (o, ask())), [(1, 0)]);
        // Of two that are as strict, the one of the wider level is told.
        assert_eq!(two((w, Effect::Deny), (o, Effect::Deny)), []);
        // What binds one person leaves the rule to all others.
        assert_eq!(two((p, Effect::Deny), (w, Effect::Allow)), []);
        assert_eq!(two((w, Effect::Deny), (p, Effect::Allow)), [(1, 0)]);
        // A milder one before it may take the call.
        let through = found(vec![
            rule(1, o, Effect::Allow, &["shop.items.get"]),
            rule(2, o, Effect::Deny, &["shop.**"]),
            rule(3, w, ask(), &["shop.items.*"]),
        ]);
        assert_eq!(through, []);
        // One that keeps a stricter one of its level quiet is heard, in that way.
        let shield = found(vec![
            rule(1, o, ask(), &["shop.**"]),
            rule(2, w, Effect::Allow, &["shop.items.*"]),
            rule(3, w, Effect::Deny, &["shop.**"]),
        ]);
        assert_eq!(shield, []);
    }
}
