//! How long one policy decision takes: 100 rules, none of which matches before the last.
//!
//! `cargo run --release -p executor-domain --example decide` prints nanoseconds per decision for a
//! call that every rule is tried on, with its arguments. Measures; promises nothing.

#![expect(clippy::print_stdout)]

use domain::access::Channel;
use domain::policy::{Condition, Effect, Level, Match, Pattern, Policy, Request, Rule, decide};
use domain::source::Review;
use domain::tenancy::Role;
use domain::tool::Risk;
use domain::{AccountId, RuleId, Timestamp};
use serde_json::json;
use std::hint::black_box;
use std::time::Instant;

const RULES: u8 = 100;
const ROUNDS: u32 = 200_000;

fn main() {
    let patterns = [
        "github.issues.*",
        "github.**.delete*",
        "**.refunds.*",
        "ledger.payments.refund",
        "ledger.payments.*",
    ];
    let conditions = ["amount > 1000000", "currency = \"EUR\""];
    for (what, patterns, conditions) in [
        ("no pattern fits", &patterns[..4], &[][..]),
        (
            "every pattern fits, no condition holds",
            &patterns[4..],
            &conditions[..],
        ),
    ] {
        let mut rules: Vec<Rule> = (0..RULES - 1)
            .map(|n| rule(n, patterns[usize::from(n) % patterns.len()], conditions))
            .collect();
        rules.push(rule(RULES - 1, "ledger.payments.create", &[]));
        measure(what, &Policy { version: 1, rules });
    }
}

fn rule(n: u8, pattern: &str, conditions: &[&str]) -> Rule {
    Rule {
        id: RuleId::from_bits([n; 16]),
        level: Level::Workspace,
        account_id: None,
        of_set: None,
        position: i64::from(n),
        matches: Match {
            tools: vec![Pattern::parse(pattern).expect("a pattern")],
            conditions: conditions
                .iter()
                .map(|c| Condition::parse(c).expect("a condition"))
                .collect(),
            ..Match::default()
        },
        effect: Effect::Allow,
        until: None,
        note: String::new(),
        created_at: Timestamp(0),
    }
}

fn measure(what: &str, policy: &Policy) {
    let account = AccountId::from_bits([1; 16]);
    let arguments = json!({ "amount": 5_000, "currency": "EUR", "note": "rent" });
    let request = Request {
        tool: "ledger.payments.create",
        source: "ledger",
        risk: Risk::Write,
        review: Review::LookedAt,
        arguments: Some(&arguments),
        also: &[],
        account_id: &account,
        role: Role::Member,
        client: "a client",
        key_id: None,
        channel: Channel::Mcp,
        now: Timestamp(0),
    };
    let decided = decide(&request, policy);
    assert_eq!(decided.rule_id, policy.rules.last().map(|r| r.id.clone()));
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        black_box(decide(black_box(&request), black_box(policy)));
    }
    let each = begun.elapsed().as_nanos() / u128::from(ROUNDS);
    println!("{what}: {each} ns per decision over {RULES} rules");
}
