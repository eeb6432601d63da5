//! The decision as tables: every level against every effect, and what a missing argument does.

use super::*;
use crate::partial::{Entry, Partial, Place};
use serde_json::json;

fn rule(n: u8, level: Level, tools: &str, effect: Effect) -> Rule {
    Rule {
        id: RuleId::from_bits([n; 16]),
        level,
        account_id: (level == Level::Personal).then(|| AccountId::from_bits([9; 16])),
        of_set: None,
        position: i64::from(n),
        matches: Match {
            tools: vec![Pattern::parse(tools).expect("a pattern")],
            ..Match::default()
        },
        effect,
        until: None,
        note: String::new(),
        created_at: Timestamp(0),
    }
}

fn run(rules: Vec<Rule>, tool: &str, risk: Risk, arguments: Option<&Value>) -> Decision {
    let account = AccountId::from_bits([9; 16]);
    let request = Request {
        tool,
        source: tool.split('.').next().expect("a segment"),
        risk,
        review: Review::LookedAt,
        arguments,
        account_id: &account,
        role: Role::Member,
        client: "claude-code",
        also: &[],
        key_id: None,
        channel: Channel::Mcp,
        now: Timestamp(1_000),
    };
    decide(&request, &Policy { version: 7, rules })
}

#[test]
fn defaults_follow_risk() {
    for (risk, effect) in [
        (Risk::Read, "allow"),
        (Risk::Write, "ask"),
        (Risk::Destructive, "ask"),
        (Risk::Unknown, "ask"),
    ] {
        let decision = run(vec![], "a.b", risk, None);
        assert_eq!(decision.effect.as_str(), effect);
        assert_eq!((decision.rule_id, decision.policy_version), (None, 7));
    }
}

#[test]
fn first_match_within_a_level_strictest_across() {
    let allow = || rule(1, Level::Workspace, "a.b", Effect::Allow);
    let deny = || rule(2, Level::Workspace, "a.*", Effect::Deny);
    assert_eq!(
        run(vec![allow(), deny()], "a.b", Risk::Write, None)
            .effect
            .as_str(),
        "allow"
    );
    assert_eq!(
        run(vec![deny(), allow()], "a.b", Risk::Write, None)
            .effect
            .as_str(),
        "deny"
    );
    let org_ask = rule(3, Level::Organization, "**", Effect::Ask(Ask::default()));
    let mine = rule(4, Level::Personal, "**", Effect::Allow);
    let decision = run(vec![org_ask, allow(), mine], "a.b", Risk::Read, None);
    assert_eq!(decision.effect.as_str(), "ask");
    assert_eq!(decision.level, Some(Level::Organization));
}

#[test]
fn a_missing_argument_never_opens_and_always_closes() {
    let with = |effect, condition: &str| {
        let mut r = rule(1, Level::Workspace, "**", effect);
        r.matches
            .conditions
            .push(Condition::parse(condition).expect("a condition"));
        r
    };
    let args = json!({});
    let allow = with(Effect::Allow, "amount < 10");
    assert_eq!(
        run(vec![allow.clone()], "a.b", Risk::Write, Some(&args))
            .effect
            .as_str(),
        "ask"
    );
    let small = json!({"amount": 5});
    assert_eq!(
        run(vec![allow], "a.b", Risk::Write, Some(&small))
            .effect
            .as_str(),
        "allow"
    );
    let deny = with(Effect::Deny, "amount > 10");
    assert_eq!(
        run(vec![deny.clone()], "a.b", Risk::Read, Some(&args))
            .effect
            .as_str(),
        "deny"
    );
    assert_eq!(
        run(vec![deny], "a.b", Risk::Read, Some(&small))
            .effect
            .as_str(),
        "allow"
    );
}

#[test]
fn except_until_and_other_people() {
    let mut r = rule(1, Level::Workspace, "a.**", Effect::Deny);
    r.matches
        .except
        .push(Pattern::parse("a.ok").expect("a pattern"));
    assert_eq!(
        run(vec![r.clone()], "a.ok", Risk::Read, None)
            .effect
            .as_str(),
        "allow"
    );
    assert_eq!(
        run(vec![r.clone()], "a.no", Risk::Read, None)
            .effect
            .as_str(),
        "deny"
    );
    r.until = Some(Timestamp(1_000));
    assert_eq!(
        run(vec![r.clone()], "a.no", Risk::Read, None)
            .effect
            .as_str(),
        "allow"
    );
    let mut other = rule(1, Level::Personal, "**", Effect::Deny);
    other.account_id = Some(AccountId::from_bits([8; 16]));
    assert_eq!(
        run(vec![other], "a.no", Risk::Read, None).effect.as_str(),
        "allow"
    );
}

/// Every set of up to three rules out of a small alphabet: adding a deny never widens access, and
/// no lower level weakens a higher one.
#[test]
fn adding_a_deny_never_widens() {
    let effects = [Effect::Allow, Effect::Ask(Ask::default()), Effect::Deny];
    let mut alphabet = Vec::new();
    for level in Level::ALL {
        for effect in &effects {
            for tools in ["a.b", "**", "c.**"] {
                alphabet.push((level, effect.clone(), tools));
            }
        }
    }
    for (la, ea, ta) in &alphabet {
        for (lb, eb, tb) in &alphabet {
            let base = vec![rule(2, *la, ta, ea.clone()), rule(3, *lb, tb, eb.clone())];
            let before = run(base.clone(), "a.b", Risk::Write, None)
                .effect
                .strictness();
            for level in Level::ALL {
                let mut more = base.clone();
                more.insert(0, rule(1, level, "a.b", Effect::Deny));
                let after = run(more, "a.b", Risk::Write, None).effect.strictness();
                assert!(after >= before && after == 2);
            }
        }
    }
}

#[test]
fn a_question_in_general_is_answered_without_conditions() {
    let mut r = rule(1, Level::Workspace, "**", Effect::Deny);
    r.matches
        .conditions
        .push(Condition::parse("amount > 10").expect("a condition"));
    assert_eq!(
        run(vec![r], "a.b", Risk::Read, None).effect.as_str(),
        "allow"
    );
}

fn may(rules: Vec<Rule>, arguments: &Partial) -> Vec<&'static str> {
    let account = AccountId::from_bits([9; 16]);
    let request = Request {
        tool: "a.b",
        source: "a",
        risk: Risk::Write,
        review: Review::LookedAt,
        arguments: None,
        account_id: &account,
        role: Role::Member,
        client: "claude-code",
        also: &[],
        key_id: None,
        channel: Channel::Mcp,
        now: Timestamp(1_000),
    };
    let policy = Policy { version: 7, rules };
    let possible = possible(&request, arguments, &policy);
    if let Some(whole) = arguments.whole() {
        let whole = Request {
            arguments: Some(&whole),
            ..request
        };
        let decided = decide(&whole, &policy);
        let [only] = possible.as_slice() else {
            panic!("one decision where all is known: {possible:?}")
        };
        assert_eq!(
            (&only.effect, &only.rule_id),
            (&decided.effect, &decided.rule_id)
        );
    }
    possible
        .iter()
        .map(|d| match d.effect {
            Effect::Allow => "allow",
            Effect::Ask(_) => "ask",
            Effect::Deny => "deny",
        })
        .collect()
}

#[test]
fn what_is_not_known_is_followed_both_ways() {
    let with = |mut rule: Rule, condition: &str| {
        let condition = Condition::parse(condition).expect("a condition");
        rule.matches.conditions.push(condition);
        rule
    };
    let known = |key: &str, value: Partial, open: bool| Partial::Object {
        entries: vec![Entry {
            key: key.to_owned(),
            place: Place { line: 1, column: 1 },
            value,
        }],
        open,
    };
    let number = |n: i64| Partial::Scalar(json!(n));
    let rules = || {
        vec![
            with(rule(1, Level::Workspace, "a.*", Effect::Deny), "amount > 5"),
            with(rule(2, Level::Workspace, "a.*", Effect::Allow), "to = x"),
            rule(3, Level::Personal, "a.b", Effect::Ask(Ask::default())),
        ]
    };
    for (arguments, expected) in [
        (Partial::Unknown, &["deny", "ask"][..]),
        (known("amount", number(9), true), &["deny"]),
        (known("amount", number(1), true), &["ask"]),
        (known("amount", Partial::Unknown, false), &["deny", "ask"]),
        (known("to", Partial::Unknown, false), &["deny"]),
        (Partial::empty(), &["deny"]),
    ] {
        assert_eq!(may(rules(), &arguments), expected, "{arguments:?}");
    }
    let mut milder = rules();
    milder.truncate(2);
    assert_eq!(
        may(milder, &known("amount", number(1), true)),
        ["ask", "allow"]
    );
    let exists = |effect| {
        vec![with(
            rule(1, Level::Workspace, "a.b", effect),
            "note exists",
        )]
    };
    assert_eq!(may(exists(Effect::Deny), &Partial::empty()), ["ask"]);
    assert_eq!(
        may(
            exists(Effect::Deny),
            &known("note", Partial::Unknown, false)
        ),
        ["deny", "ask"],
        "an unknown value may be undefined, which is not sent"
    );
}

#[test]
fn an_unreviewed_tool_asks_where_the_rules_would_allow_and_nothing_becomes_milder() {
    let account = AccountId::from_bits([9; 16]);
    let allow = || rule(1, Level::Workspace, "a.*", Effect::Allow);
    let two = Effect::Ask(Ask {
        count: 2,
        ..Ask::default()
    });
    for (rules, risk, effect, held) in [
        (vec![], Risk::Read, Effect::Ask(Ask::default()), true),
        (vec![], Risk::Write, Effect::Ask(Ask::default()), false),
        (
            vec![allow()],
            Risk::Write,
            Effect::Ask(Ask::default()),
            true,
        ),
        (
            vec![allow(), rule(2, Level::Personal, "a.*", two.clone())],
            Risk::Write,
            two,
            false,
        ),
        (
            vec![rule(1, Level::Workspace, "a.*", Effect::Deny)],
            Risk::Read,
            Effect::Deny,
            false,
        ),
    ] {
        let policy = Policy { version: 7, rules };
        let request = Request {
            tool: "a.b",
            source: "a",
            risk,
            review: Review::Unreviewed,
            arguments: None,
            also: &[],
            account_id: &account,
            role: Role::Member,
            client: "claude-code",
            key_id: None,
            channel: Channel::Mcp,
            now: Timestamp(1_000),
        };
        let decision = decide(&request, &policy);
        assert_eq!((&decision.effect, decision.unreviewed), (&effect, held));
        assert_eq!(decision.explain(risk).contains("looked"), held);
        let looked_at = Request {
            review: Review::LookedAt,
            ..request
        };
        let before = decide(&looked_at, &policy);
        assert_eq!(decision.rule_id, before.rule_id, "the rule stays named");
        assert!(decision.effect.strictness() >= before.effect.strictness());
        assert_eq!(trace(&request, &policy).decision, decision);
        assert_eq!(possible(&request, &Partial::Unknown, &policy), [decision]);
    }
}
