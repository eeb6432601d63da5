//! Policy rules → public shapes and back. Reading a rule names every value that does not fit by
//! the field it stands in. Decides nothing: what a rule means is in `domain::policy`.

use super::instant;
use crate::error::Failure;
use api::policies as wire;
use domain::access::Channel;
use domain::policy::{Ask, Condition, Effect, Level, Match, OfSet, Pattern, Policy, Rule};
use domain::tenancy::Role;
use domain::tool::Risk;
use domain::{AccountId, RuleId};
use engine::RuleDraft;

/// All rules, numbered within their layers: on each level those that were made there, then each set.
pub(crate) fn policy(policy: &Policy) -> wire::Policy {
    let mut rules = Vec::with_capacity(policy.rules.len());
    for level in Level::ALL {
        let of_level: Vec<&Rule> = policy.rules.iter().filter(|r| r.level == level).collect();
        // A policy has the rules of each layer one after the other.
        for layer in of_level.chunk_by(|a, b| a.assignment_id() == b.assignment_id()) {
            rules.extend(layer.iter().enumerate().map(|(at, r)| rule(r, at + 1)));
        }
    }
    wire::Policy {
        version: policy.version,
        rules,
    }
}

/// How often rules decided.
pub(crate) fn usage(usage: &engine::RuleUsage) -> wire::RuleUsage {
    let of_rule = |used: &engine::RuleUse| {
        let origin = usage.origins.get(&used.rule_id);
        wire::RuleUse {
            rule: used.rule_id.to_string(),
            set: origin.map(|(set, _)| set.to_string()),
            set_rule: origin.map(|(_, rule)| rule.to_string()),
            calls: used.calls,
            last_at: used.last_at.to_rfc3339(),
        }
    };
    wire::RuleUsage {
        since: usage.since.to_rfc3339(),
        own_only: usage.own_only,
        rules: usage.rules.iter().map(of_rule).collect(),
        shadowed: usage.shadows.iter().map(shadow).collect(),
    }
}

fn shadow(shadow: &domain::policy::Shadow) -> wire::RuleShadow {
    wire::RuleShadow {
        rule: shadow.rule_id.to_string(),
        by: shadow.by.to_string(),
    }
}

/// One rule, with its place found in the policy it is now part of.
pub(crate) fn rule_in(policy: &Policy, id: &RuleId) -> Option<wire::Rule> {
    self::policy(policy)
        .rules
        .into_iter()
        .find(|r| r.id == id.as_str())
}

/// A rule at a place.
pub(crate) fn rule(r: &Rule, position: usize) -> wire::Rule {
    wire::Rule {
        id: r.id.to_string(),
        level: r.level.as_str().to_owned(),
        position,
        set: r.of_set.as_ref().map(set),
        effect: r.effect.as_str().to_owned(),
        matches: shown_match(&r.matches),
        ask: shown_ask(&r.effect),
        until: r.until.map(domain::Timestamp::to_rfc3339),
        note: r.note.clone(),
        created_at: r.created_at.to_rfc3339(),
    }
}

/// What a rule comes of.
pub(super) fn set(of: &OfSet) -> wire::RuleSet {
    wire::RuleSet {
        id: of.set_id.to_string(),
        name: of.set_name.clone(),
        assignment: of.assignment_id.to_string(),
        rule: of.set_rule_id.to_string(),
    }
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

pub(super) fn shown_ask(effect: &Effect) -> Option<wire::RuleAsk> {
    match effect {
        Effect::Ask(ask) => Some(wire::RuleAsk {
            approvers: texts(&ask.approvers),
            requester_may: ask.requester_may,
            wait_ms: ask.wait_ms,
            count: ask.count,
            may_edit: ask.may_edit,
        }),
        Effect::Allow | Effect::Deny => None,
    }
}

pub(super) fn shown_match(m: &Match) -> wire::RuleMatch {
    wire::RuleMatch {
        tools: m.tools.iter().map(|p| p.as_str().to_owned()).collect(),
        except: m.except.iter().map(|p| p.as_str().to_owned()).collect(),
        sources: m.sources.clone(),
        risks: m.risks.iter().map(|x| x.as_str().to_owned()).collect(),
        persons: texts(&m.persons),
        roles: m.roles.iter().map(|x| x.as_str().to_owned()).collect(),
        clients: m.clients.clone(),
        keys: m.keys.iter().map(ToString::to_string).collect(),
        channels: m.channels.iter().map(|x| x.as_str().to_owned()).collect(),
        conditions: texts(&m.conditions),
    }
}

/// A draft as it would be sent to store it.
pub(crate) fn new_rule(draft: &RuleDraft) -> wire::NewRule {
    wire::NewRule {
        effect: draft.effect.as_str().to_owned(),
        matches: shown_match(&draft.matches),
        ask: shown_ask(&draft.effect),
        level: Some(draft.level.as_str().to_owned()),
        until: draft.until.map(domain::Timestamp::to_rfc3339),
        note: Some(draft.note.clone()),
    }
}

/// Reads a rule.
pub(crate) fn draft(new: wire::NewRule) -> Result<RuleDraft, Failure> {
    let level = match new.level.as_deref() {
        None => Level::Workspace,
        Some(text) => one(
            "level",
            text,
            Level::parse,
            "organization, workspace or personal",
        )?,
    };
    let effect = match (new.effect.as_str(), new.ask) {
        ("allow", None) => Effect::Allow,
        ("deny", None) => Effect::Deny,
        ("ask", ask) => Effect::Ask(read_ask(ask.unwrap_or_default())?),
        ("allow" | "deny", Some(_)) => {
            return Err(Failure::invalid(
                "ask",
                "only a rule whose effect is 'ask' says how it asks",
            ));
        }
        (other, _) => {
            return Err(Failure::invalid(
                "effect",
                format!("'{other}' is none of allow, ask, deny"),
            ));
        }
    };
    let until = match new.until.as_deref() {
        None => None,
        Some(text) => Some(one(
            "until",
            text,
            instant,
            "an instant such as 2026-12-31T18:00:00Z",
        )?),
    };
    let matches = read_match(new.matches)?;
    Ok(RuleDraft {
        level,
        matches,
        effect,
        until,
        note: new.note.unwrap_or_default(),
    })
}

fn read_ask(ask: wire::RuleAsk) -> Result<Ask, Failure> {
    let account = |text: &str| AccountId::parse(text).ok();
    Ok(Ask {
        approvers: every(
            "ask.approvers",
            &ask.approvers,
            account,
            "an account such as acct_…",
        )?,
        requester_may: ask.requester_may,
        wait_ms: ask.wait_ms,
        count: ask.count,
        may_edit: ask.may_edit,
    })
}

fn read_match(m: wire::RuleMatch) -> Result<Match, Failure> {
    let pattern = |field: &str, texts: &[String]| -> Result<Vec<Pattern>, Failure> {
        let each = texts.iter().enumerate();
        each.map(|(at, text)| {
            Pattern::parse(text)
                .map_err(|e| Failure::invalid(&format!("match.{field}[{at}]"), e.to_string()))
        })
        .collect()
    };
    let conditions = m.conditions.iter().enumerate().map(|(at, text)| {
        Condition::parse(text)
            .map_err(|e| Failure::invalid(&format!("match.conditions[{at}]"), e.to_string()))
    });
    let account = |text: &str| AccountId::parse(text).ok();
    Ok(Match {
        tools: pattern("tools", &m.tools)?,
        except: pattern("except", &m.except)?,
        conditions: conditions.collect::<Result<_, _>>()?,
        risks: every(
            "match.risks",
            &m.risks,
            Risk::parse,
            "read, write, destructive or unknown",
        )?,
        persons: every(
            "match.persons",
            &m.persons,
            account,
            "an account such as acct_…",
        )?,
        roles: every(
            "match.roles",
            &m.roles,
            Role::parse,
            "owner, admin, billing_admin or member",
        )?,
        keys: every(
            "match.keys",
            &m.keys,
            |text| domain::KeyId::parse(text).ok(),
            "a key such as key_…",
        )?,
        channels: every(
            "match.channels",
            &m.channels,
            Channel::parse,
            "dashboard, cli, api or mcp",
        )?,
        sources: m.sources,
        clients: m.clients,
    })
}

pub(super) fn one<T>(
    field: &str,
    text: &str,
    read: impl Fn(&str) -> Option<T>,
    expected: &str,
) -> Result<T, Failure> {
    read(text).ok_or_else(|| Failure::invalid(field, format!("'{text}' is not {expected}")))
}

fn every<T>(
    field: &str,
    texts: &[String],
    read: impl Fn(&str) -> Option<T>,
    expected: &str,
) -> Result<Vec<T>, Failure> {
    let each = texts.iter().enumerate();
    each.map(|(at, text)| one(&format!("{field}[{at}]"), text, &read, expected))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_read_back() {
        for text in [
            "amount > 5000",
            "owner in [\"a\",\"b\"]",
            "owner not in [1,2]",
            "note exists",
            "note absent",
            "title glob \"prod*\"",
            "labels contains \"x y\"",
            "n != null",
            "n = \"5\"",
        ] {
            let parsed = Condition::parse(text).unwrap();
            assert_eq!(parsed.to_string(), text);
            assert_eq!(Condition::parse(&parsed.to_string()).unwrap(), parsed);
        }
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_field() {
        let check = |new: serde_json::Value, field: &str| {
            let new: wire::NewRule = serde_json::from_value(new).unwrap();
            let title = draft(new).map(|_| ()).unwrap_err().title().to_owned();
            assert!(title.starts_with(field), "{title}");
        };
        check(serde_json::json!({ "effect": "maybe" }), "effect: ");
        check(serde_json::json!({ "effect": "allow", "ask": {} }), "ask: ");
        check(
            serde_json::json!({ "effect": "allow", "level": "x" }),
            "level: ",
        );
        check(
            serde_json::json!({ "effect": "allow", "until": "soon" }),
            "until: ",
        );
        check(
            serde_json::json!({ "effect": "deny", "match": { "tools": ["a", "b..c"] } }),
            "match.tools[1]: ",
        );
        check(
            serde_json::json!({ "effect": "deny", "match": { "risks": ["red"] } }),
            "match.risks[0]: ",
        );
        check(
            serde_json::json!({ "effect": "ask", "match": { "conditions": ["x"] } }),
            "match.conditions[0]: ",
        );
        check(
            serde_json::json!({ "effect": "ask", "ask": { "approvers": ["me"] } }),
            "ask.approvers[0]: ",
        );
    }
}
