//! The decision against a reference that is written another way, on random policies and calls.
//!
//! The reference asks for each rule whether it matches by slow and plain means (patterns by
//! recursion, conditions on a small world of values), then sorts. What else must hold of every
//! policy stands below it.

use super::*;
use crate::partial::{Entry, Partial, Place};
use proptest::prelude::*;
use serde_json::json;

mod reference;
mod sets;

const NOW: i64 = 1_000;

/// A call with owned parts.
#[derive(Debug, Clone)]
struct Made {
    tool: String,
    risk: Risk,
    role: Role,
    account: u8,
    channel: Channel,
    client: &'static str,
    key: Option<u8>,
    arguments: Value,
}

fn on<T>(call: &Made, with: impl FnOnce(&Request<'_>) -> T) -> T {
    let account = AccountId::from_bits([call.account; 16]);
    let key = call.key.map(|k| KeyId::from_bits([k; 16]));
    with(&Request {
        tool: &call.tool,
        source: call.tool.split('.').next().expect("a segment"),
        risk: call.risk,
        review: Review::LookedAt,
        arguments: Some(&call.arguments),
        account_id: &account,
        role: call.role,
        client: call.client,
        also: &[],
        key_id: key.as_ref(),
        channel: call.channel,
        now: Timestamp(NOW),
    })
}

fn risks() -> impl Strategy<Value = Risk> {
    prop::sample::select(vec![
        Risk::Read,
        Risk::Write,
        Risk::Destructive,
        Risk::Unknown,
    ])
}

fn roles() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![Role::Owner, Role::Member])
}

fn path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "ab", "A_b", "ba"]);
    prop::collection::vec(segment, 1..4).prop_map(|s| s.join("."))
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let segment = prop::sample::select(vec!["a", "B", "*", "**", "a*", "*b", "a-b", "*a*"]);
    prop::collection::vec(segment, 1..4)
        .prop_map(|s| Pattern::parse(&s.join(".")).expect("a pattern"))
}

/// The world of values that the reference understands: whole numbers, halves, texts, lists, null.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-3i64..4).prop_map(|n| json!(n)),
        (-3i64..4).prop_map(|n| json!(n as f64 + 0.5)),
        (-3i64..4).prop_map(|n| json!(n as f64)),
        prop::sample::select(vec!["a", "b", "1"]).prop_map(|s| json!(s)),
        Just(json!(["a"])),
        Just(Value::Null),
    ]
}

fn arguments() -> impl Strategy<Value = Value> {
    let entry = (prop::sample::select(vec!["x", "y"]), value());
    prop::collection::vec(entry, 0..3).prop_map(|entries| entries.into_iter().collect())
}

fn condition() -> impl Strategy<Value = Condition> {
    let ops = [
        "=", "!=", "<", "<=", ">", ">=", "exists", "absent", "in", "not in",
    ];
    let name = prop::sample::select(vec!["x", "y"]);
    (name, prop::sample::select(ops.to_vec()), value(), value()).prop_filter_map(
        "an operand that fits",
        |(name, op, value, other)| {
            let text = match op {
                "exists" | "absent" => format!("{name} {op}"),
                "in" | "not in" => format!("{name} {op} [{value},{other}]"),
                _ => format!("{name} {op} {value}"),
            };
            Condition::parse(&text).ok()
        },
    )
}

fn effects() -> impl Strategy<Value = Effect> {
    let asks = |approvers: &[u8], count: u32| {
        Effect::Ask(Ask {
            approvers: approvers
                .iter()
                .map(|n| AccountId::from_bits([*n; 16]))
                .collect(),
            requester_may: count == 1,
            wait_ms: (count == 2).then_some(u64::from(count) * 1_000),
            count,
            may_edit: count == 3,
        })
    };
    prop::sample::select(vec![
        Effect::Allow,
        Effect::Ask(Ask::default()),
        asks(&[1, 2], 2),
        asks(&[2], 3),
        Effect::Deny,
    ])
}

/// An assignment has one level and one person; so have its rules.
fn of_assignment(n: u8, level: Level, mine: u8) -> OfSet {
    let own = if level == Level::Personal { mine } else { 0 };
    OfSet {
        assignment_id: AssignmentId::from_bits([n + 4 * level as u8 + 16 * own; 16]),
        set_id: PolicySetId::from_bits([n; 16]),
        set_name: "a set".to_owned(),
        set_rule_id: SetRuleId::from_bits([0; 16]),
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let few = |s| prop::collection::vec(s, 0..2);
    let tools = prop::collection::vec(pattern(), 0..3);
    let except = prop::collection::vec(pattern(), 0..2);
    let who = (few(1u8..3), prop::collection::vec(roles(), 0..2), 1u8..3);
    let how = (
        prop::collection::vec(prop::sample::select(vec![Channel::Cli, Channel::Mcp]), 0..2),
        prop::collection::vec(prop::sample::select(vec!["Code", "other"]), 0..2),
        prop::collection::vec(1u8..3, 0..2),
        prop::collection::vec(prop::sample::select(vec!["a", "A-b"]), 0..2),
    );
    let what = (
        prop::collection::vec(risks(), 0..3),
        prop::collection::vec(condition(), 0..3),
        effects(),
    );
    let until = prop::option::of(prop::sample::select(vec![NOW - 1, NOW, NOW + 1]));
    let level = prop::sample::select(Level::ALL.to_vec());
    let layer = (level, prop::option::of(0u8..3));
    (tools, except, who, how, what, until, layer).prop_map(
        |(
            tools,
            except,
            (persons, roles, mine),
            how,
            (risks, conditions, effect),
            until,
            (level, set),
        )| {
            let (channels, clients, keys, sources) = how;
            Rule {
                id: RuleId::from_bits([0; 16]),
                level,
                account_id: (level == Level::Personal).then(|| AccountId::from_bits([mine; 16])),
                of_set: set.map(|n| of_assignment(n, level, mine)),
                position: 0,
                matches: Match {
                    tools,
                    except,
                    sources: sources.into_iter().map(str::to_owned).collect(),
                    risks,
                    persons: persons
                        .into_iter()
                        .map(|p| AccountId::from_bits([p; 16]))
                        .collect(),
                    roles,
                    clients: clients.into_iter().map(str::to_owned).collect(),
                    keys: keys
                        .into_iter()
                        .map(|k| KeyId::from_bits([k; 16]))
                        .collect(),
                    channels,
                    conditions,
                },
                effect,
                until: until.map(Timestamp),
                note: String::new(),
                created_at: Timestamp(0),
            }
        },
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    prop::collection::vec(rule(), 0..8).prop_map(|rules| numbered(7, rules))
}

fn numbered(version: i64, rules: Vec<Rule>) -> Policy {
    let mut policy = Policy {
        version,
        rules: Vec::new(),
    };
    for (n, rule) in rules.into_iter().enumerate() {
        let id = RuleId::from_bits([u8::try_from(n).expect("few rules") + 1; 16]);
        let position = 1 + policy.order_beside(&rule).len() as i64;
        policy.rules.push(Rule {
            id,
            position,
            ..rule
        });
    }
    policy.rules.sort_by(|a, b| a.order().cmp(&b.order()));
    policy
}

fn call() -> impl Strategy<Value = Made> {
    let channel = prop::sample::select(vec![Channel::Cli, Channel::Mcp]);
    let client = prop::sample::select(vec!["code", "another"]);
    let who = (roles(), 1u8..3, prop::option::of(1u8..3));
    (path(), risks(), who, channel, client, arguments()).prop_map(
        |(tool, risk, (role, account, key), channel, client, arguments)| Made {
            tool,
            risk,
            role,
            account,
            channel,
            client,
            key,
            arguments,
        },
    )
}

/// The same arguments with parts unknown: a bit hides the value of a key, another the key itself.
fn partly(arguments: &Value, hidden: u8) -> Partial {
    let object = arguments.as_object().expect("an object");
    let mut open = hidden & 128 != 0;
    let mut entries = Vec::new();
    for (n, (key, value)) in object.iter().enumerate() {
        if hidden & (1 << (2 * n)) != 0 {
            open = true;
            continue;
        }
        let unknown = hidden & (2 << (2 * n)) != 0;
        let value = match value {
            _ if unknown => Partial::Unknown,
            Value::Array(items) => Partial::List {
                items: items.iter().cloned().map(Partial::Scalar).collect(),
                open: false,
            },
            scalar @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)) => Partial::Scalar(scalar.clone()),
        };
        let place = Place { line: 1, column: 1 };
        entries.push(Entry {
            key: key.clone(),
            place,
            value,
        });
    }
    Partial::Object { entries, open }
}

fn changed(policy: &Policy, rule: &Rule, which: u8, position: usize) -> Option<Change> {
    let some = policy.rules.get(position % policy.rules.len().max(1));
    match which % 4 {
        0 => Some(Change::add(
            policy,
            Rule {
                id: RuleId::from_bits([200; 16]),
                ..rule.clone()
            },
        )),
        1 => some.and_then(|s| Change::move_to(policy, &s.id, position)),
        2 => some.and_then(|s| Change::remove(policy, &s.id)),
        _ => some.and_then(|s| {
            let text = Rule {
                matches: rule.matches.clone(),
                effect: rule.effect.clone(),
                ..s.clone()
            };
            Change::edit(policy, text)
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_decides_as_the_reference_does(call in call(), policy in policy()) {
        let decision = on(&call, |r| decide(r, &policy));
        let (effect, rule) = reference::says(&call, &policy);
        let default = if call.risk == Risk::Read { Effect::Allow } else { Effect::Ask(Ask::default()) };
        prop_assert_eq!(&decision.effect, &effect.unwrap_or(default));
        prop_assert_eq!(&decision.rule_id, &rule);
        let level = rule.as_ref().and_then(|id| policy.place(id)).map(|(_, r)| r.level);
        prop_assert_eq!(decision.level, level);
        let of_set = rule.as_ref().and_then(|id| policy.place(id)).and_then(|(_, r)| r.of_set.clone());
        prop_assert_eq!(&decision.of_set, &of_set);
        let trace = on(&call, |r| trace(r, &policy));
        prop_assert_eq!(&trace.decision, &decision);
        let mut layers: Vec<_> = policy.rules.iter().map(|r| (r.level, r.assignment_id())).collect();
        layers.sort();
        layers.dedup();
        for layer in layers {
            let is_its = |l: &&LookedAt| {
                (l.level, l.of_set.as_ref().map(|s| &s.assignment_id)) == layer
            };
            let seen: Vec<_> = trace.looked_at.iter().filter(is_its).collect();
            let matched = seen.iter().position(|l| l.miss.is_none());
            prop_assert!(matched.is_none_or(|at| at + 1 == seen.len()), "it looks no further");
            let all = policy.rules.iter().filter(|r| (r.level, r.assignment_id()) == layer).count();
            prop_assert!(matched.is_some() || seen.len() == all, "it looks at every rule");
        }
    }

    #[test]
    fn what_no_denial_covers_is_not_denied(call in call(), policy in policy()) {
        let source = call.tool.split('.').next().unwrap_or_default();
        if !Denials::of(&policy).may_cover(&call.tool, source, call.risk) {
            let decision = on(&call, |request| decide(request, &policy));
            prop_assert_ne!(decision.effect, Effect::Deny);
        }
    }

    #[test]
    fn a_deny_more_never_opens(call in call(), policy in policy(), deny in rule(), at in 0usize..9) {
        let before = on(&call, |r| decide(r, &policy)).effect.strictness();
        let mut rules = policy.rules.clone();
        rules.insert(at.min(rules.len()), Rule { effect: Effect::Deny, ..deny });
        let after = on(&call, |r| decide(r, &Policy { version: 8, rules })).effect.strictness();
        prop_assert!(after >= before);
    }

    #[test]
    fn a_lower_level_never_weakens_a_higher(call in call(), policy in policy(), more in policy()) {
        for (n, level) in Level::ALL.into_iter().enumerate() {
            let higher: Vec<Rule> =
                policy.rules.iter().filter(|r| r.level <= level).cloned().collect();
            let above = on(&call, |r| decide(r, &Policy { version: 1, rules: higher.clone() }));
            if above.rule_id.is_none() {
                continue;
            }
            let lower = more.rules.iter().filter(|r| Level::ALL[n + 1..].contains(&r.level));
            let rules = higher.iter().chain(lower).cloned().collect();
            let both = on(&call, |r| decide(r, &Policy { version: 1, rules }));
            prop_assert!(both.effect.strictness() >= above.effect.strictness());
        }
    }

    #[test]
    fn a_rule_whose_time_is_over_is_as_none(call in call(), policy in policy()) {
        let live = policy.rules.iter().filter(|r| r.until.is_none_or(|t| t.0 > NOW));
        let live = Policy { version: 7, rules: live.cloned().collect() };
        let (all, live) = on(&call, |r| (decide(r, &policy), decide(r, &live)));
        prop_assert_eq!(all, live);
    }

    #[test]
    fn a_rule_that_is_shadowed_is_as_none(call in call(), policy in policy(), is_plain in any::<bool>()) {
        // Rules about nothing but tools shadow each other often.
        let plain = |r: &Rule| Match { tools: r.matches.tools.clone(), ..Match::default() };
        let rules = policy.rules.iter().cloned();
        let rules = rules.map(|r| if is_plain { Rule { matches: plain(&r), ..r } } else { r });
        let policy = Policy { rules: rules.collect(), ..policy };
        for shadow in shadows(&policy, Timestamp(NOW)) {
            let rest = policy.rules.iter().filter(|r| r.id != shadow.rule_id);
            let rest = Policy { version: 7, rules: rest.cloned().collect() };
            let (all, rest) = on(&call, |r| (decide(r, &policy), decide(r, &rest)));
            prop_assert_ne!(all.rule_id.as_ref(), Some(&shadow.rule_id));
            prop_assert_eq!(all, rest, "without {:?}", shadow);
        }
    }

    #[test]
    fn what_is_decided_was_forecast(call in call(), policy in policy(), hidden in any::<u8>()) {
        let partial = partly(&call.arguments, hidden);
        let (decision, forecast) =
            on(&call, |r| (decide(r, &policy), possible(r, &partial, &policy)));
        prop_assert!(
            forecast.iter().any(|f| f.effect.strictness() == decision.effect.strictness()),
            "{decision:?} is not among {forecast:?}"
        );
        if partial.whole().is_some() {
            prop_assert_eq!(forecast, vec![decision]);
        }
    }

    #[test]
    fn another_spelling_of_the_path_is_the_same_call(call in call(), policy in policy()) {
        let spelled: String = call.tool.chars().flat_map(|c| match c {
            '.' => vec!['.'],
            '_' => vec!['-', '_'],
            c => vec![c.to_ascii_uppercase(), '_'],
        }).collect();
        let other = Made { tool: spelled, ..call.clone() };
        let decided = |call: &Made| on(call, |r| decide(r, &policy));
        prop_assert_eq!(decided(&call), decided(&other));
    }

    #[test]
    fn a_change_taken_back_leaves_no_trace(
        policy in policy(),
        changes in prop::collection::vec((rule(), any::<u8>(), 0usize..9), 1..6),
    ) {
        let mut now = policy.clone();
        let mut done = Vec::new();
        for (rule, which, position) in changes {
            if now.rules.iter().any(|r| r.id == RuleId::from_bits([200; 16])) && which % 4 == 0 {
                continue;
            }
            let Some(change) = changed(&now, &rule, which, position) else { continue };
            let before = now.clone();
            change.apply(&mut now);
            let read_back = Change::parse(
                change.as_str(), change.before().cloned(), change.after().cloned());
            prop_assert_eq!(read_back.as_ref(), Some(&change));
            done.push((before, change));
        }
        for (before, change) in done.into_iter().rev() {
            change.undo(&mut now);
            prop_assert_eq!(&now, &before);
        }
        prop_assert_eq!(now, policy);
    }
}
