//! Calls that come to several things at once: a GraphQL document runs several fields, each of which is
//! a tool of its own. Such a call may do what every one of them may do, and nothing else.
//!
//! Where two say "ask", a person must satisfy both. What a default asks gives way to what a rule
//! asks, because nobody wrote it.

use super::{Ask, Decision, Effect, Request};
use crate::source::Review;
use crate::tool::Risk;
use serde_json::Value;

/// One more tool that a call is decided as, with the arguments that it would have.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedAs {
    /// The tool's path.
    pub tool: String,
    /// Its risk.
    pub risk: Risk,
    /// Whether somebody has looked at it as it is now.
    pub review: Review,
    /// The arguments; what is not known is left out, so that the stricter rules match.
    pub arguments: Value,
}

impl JudgedAs {
    /// The same caller, calling this.
    pub(super) fn request<'a>(&'a self, whole: &Request<'a>) -> Request<'a> {
        Request {
            tool: &self.tool,
            risk: self.risk,
            review: self.review,
            arguments: Some(&self.arguments),
            also: &[],
            ..*whole
        }
    }
}

/// The stricter of two decisions about parts of one call.
pub(super) fn stricter(first: Decision, second: Decision) -> Decision {
    let (one, other) = (first.effect.strictness(), second.effect.strictness());
    match (&first.effect, &second.effect) {
        (Effect::Ask(a), Effect::Ask(b)) => match (&first.rule_id, &second.rule_id) {
            (Some(_), Some(_)) => Decision {
                effect: Effect::Ask(both(a, b)),
                ..first
            },
            (None, Some(_)) => second,
            (Some(_) | None, None) => first,
        },
        (_, _) if other > one => second,
        (_, _) if other == one && first.rule_id.is_none() => second,
        (_, _) => first,
    }
}

/// What satisfies two questions at once.
pub(super) fn both(a: &Ask, b: &Ask) -> Ask {
    let shared = a.approvers.iter().filter(|p| b.approvers.contains(p));
    Ask {
        approvers: shared.cloned().collect(),
        requester_may: a.requester_may && b.requester_may,
        wait_ms: match (a.wait_ms, b.wait_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
        count: a.count.max(b.count),
        may_edit: a.may_edit && b.may_edit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Channel;
    use crate::partial::Partial;
    use crate::policy::{Level, Match, Pattern, Policy, Rule, decide, possible, trace};
    use crate::tenancy::Role;
    use crate::{AccountId, RuleId, Timestamp};
    use serde_json::json;

    fn rule(number: u8, tool: &str, when: &str, effect: Effect) -> Rule {
        let conditions = [when].into_iter().filter(|w| !w.is_empty());
        Rule {
            id: RuleId::from_bits([number; 16]),
            level: Level::Workspace,
            account_id: None,
            of_set: None,
            position: i64::from(number),
            matches: Match {
                tools: vec![Pattern::parse(tool).unwrap()],
                conditions: conditions
                    .map(|w| crate::policy::Condition::parse(w).unwrap())
                    .collect(),
                ..Match::default()
            },
            effect,
            until: None,
            note: String::new(),
            created_at: Timestamp(0),
        }
    }

    fn part(tool: &str, risk: Risk, arguments: Value) -> JudgedAs {
        JudgedAs {
            tool: tool.to_owned(),
            risk,
            review: Review::LookedAt,
            arguments,
        }
    }

    fn ask(count: u32, approvers: &[u8], wait_ms: Option<u64>) -> Effect {
        Effect::Ask(Ask {
            approvers: approvers
                .iter()
                .map(|n| AccountId::from_bits([*n; 16]))
                .collect(),
            count,
            wait_ms,
            ..Ask::default()
        })
    }

    fn on<T>(also: &[JudgedAs], rules: Vec<Rule>, look: impl Fn(&Request<'_>, &Policy) -> T) -> T {
        let account = AccountId::from_bits([9; 16]);
        let arguments = json!({ "query": "…" });
        let request = Request {
            tool: "hub.graphql",
            source: "hub",
            risk: also.iter().map(|a| a.risk).max().unwrap_or(Risk::Read),
            review: Review::LookedAt,
            arguments: Some(&arguments),
            also,
            account_id: &account,
            role: Role::Member,
            client: "test",
            key_id: None,
            channel: Channel::Api,
            now: Timestamp(0),
        };
        look(&request, &Policy { version: 1, rules })
    }

    #[test]
    fn the_strictest_part_decides_on_its_own_arguments() {
        let reads = [part("hub.query.me", Risk::Read, json!({}))];
        let both = [
            part("hub.query.me", Risk::Read, json!({})),
            part("hub.mutation.drop", Risk::Write, json!({ "id": "7" })),
        ];
        let deny = || rule(1, "hub.mutation.drop", "id = \"7\"", Effect::Deny);
        let other = || rule(1, "hub.mutation.drop", "id = \"8\"", Effect::Deny);
        let open = || rule(2, "hub.**", "", Effect::Allow);
        let shut = || rule(3, "hub.graphql", "", Effect::Deny);
        let one = || rule(4, "hub.mutation.drop", "", Effect::Allow);
        for (also, rules, expected) in [
            (&reads[..], vec![], "allow"),
            (&both[..], vec![], "ask"),
            (&both[..], vec![open()], "allow"),
            (&both[..], vec![deny(), open()], "deny"),
            (&both[..], vec![other(), open()], "allow"),
            (&reads[..], vec![shut()], "deny"),
            // A rule for the field is none for free documents.
            (&both[..], vec![one()], "ask"),
        ] {
            let shown = format!("{rules:?}");
            on(also, rules, |request, policy| {
                let decision = decide(request, policy);
                assert_eq!(decision.effect.as_str(), expected, "{shown}");
                assert_eq!(trace(request, policy).decision, decision);
                let known = possible(request, &Partial::empty(), policy);
                assert_eq!(known.len(), 1);
                assert_eq!(known[0].effect, decision.effect);
            });
        }
    }

    #[test]
    fn a_person_must_satisfy_every_question() {
        let parts = [
            part("hub.mutation.a", Risk::Write, json!({})),
            part("hub.mutation.b", Risk::Write, json!({})),
        ];
        let rules = vec![
            rule(1, "hub.mutation.a", "", ask(2, &[1, 2], Some(9_000))),
            rule(2, "hub.mutation.b", "", ask(1, &[2, 3], Some(5_000))),
        ];
        let decision = on(&parts, rules, decide);
        let Effect::Ask(asked) = decision.effect else {
            panic!("{decision:?}");
        };
        assert_eq!(decision.rule_id, Some(RuleId::from_bits([1; 16])));
        assert_eq!((asked.count, asked.wait_ms), (2, Some(5_000)));
        assert_eq!(asked.approvers, [AccountId::from_bits([2; 16])]);
    }
}
