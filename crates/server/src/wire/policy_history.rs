//! Versions of the policy, explanations, backtests and suggestions → public shapes, and what they
//! are asked with back. Decides nothing.

use super::instant;
use super::policy::{draft, new_rule, one, rule, set};
use super::policy_sets::{assign_to, set_rule};
use crate::error::Failure;
use api::policies as rules;
use api::policy_history as wire;
use domain::access::Channel;
use domain::policy::{Change, LookedAt, Rule, Version};
use domain::tenancy::Role;
use domain::{AccountId, AssignmentId, KeyId, PolicySetId, RuleId, SetRuleId};
use engine::{
    Backtest, Explanation, Instead, PolicyVersion, Proposal, RuleEdit, Sample, SetEdit, Tested, Why,
};
use serde_json::Value;

/// Fields of a rule that say which it is rather than what it says.
const NO_TEXT: [&str; 4] = ["id", "level", "set", "createdAt"];

/// One change.
pub(crate) fn version(v: &Version) -> wire::PolicyVersion {
    let about = v.change.rule();
    wire::PolicyVersion {
        version: v.number,
        change: v.change.as_str().to_owned(),
        rule: about.id.to_string(),
        level: about.level.as_str().to_owned(),
        by: v.by.to_string(),
        via: v.channel.as_str().to_owned(),
        at: v.at.to_rfc3339(),
        before: v.change.before().map(placed),
        after: v.change.after().map(placed),
    }
}

/// A rule at the place that is written in it.
fn placed(r: &Rule) -> rules::Rule {
    rule(r, usize::try_from(r.position).unwrap_or_default())
}

/// One version in full.
pub(crate) fn version_detail(found: &PolicyVersion) -> wire::PolicyVersionDetail {
    wire::PolicyVersionDetail {
        version: version(&found.version),
        difference: difference(&found.version.change),
        rules: super::policy::policy(&found.policy).rules,
    }
}

fn difference(change: &Change) -> Vec<wire::Difference> {
    let fields = |rule: Option<&Rule>| {
        let mut fields = Vec::new();
        if let Some(Value::Object(map)) =
            rule.map(placed).and_then(|r| serde_json::to_value(r).ok())
        {
            flatten("", &Value::Object(map), &mut fields);
        }
        fields
    };
    let (before, after) = (fields(change.before()), fields(change.after()));
    let value = |of: &[(String, String)], name: &str| {
        of.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone())
    };
    let mut names: Vec<&String> = before.iter().map(|(name, _)| name).collect();
    names.extend(after.iter().map(|(name, _)| name));
    let mut differences: Vec<wire::Difference> = Vec::new();
    for name in names {
        let (before, after) = (value(&before, name), value(&after, name));
        if before != after && !differences.iter().any(|d| d.field == *name) {
            differences.push(wire::Difference {
                field: name.clone(),
                before,
                after,
            });
        }
    }
    differences
}

/// Every field of an object by its dotted name, with its value as text.
fn flatten(prefix: &str, value: &Value, into: &mut Vec<(String, String)>) {
    let Value::Object(map) = value else { return };
    for (key, value) in map {
        let name = format!("{prefix}{key}");
        if NO_TEXT.contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::Object(_) => flatten(&format!("{name}."), value, into),
            Value::String(text) if text.is_empty() => {}
            Value::String(text) => into.push((name, text.clone())),
            Value::Array(items) => {
                let items = items
                    .iter()
                    .map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned));
                into.push((name, items.collect::<Vec<_>>().join(", ")));
            }
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) => into.push((name, value.to_string())),
        }
    }
}

fn looked_at(seen: &[LookedAt], texts: &[Rule]) -> Vec<rules::LookedAt> {
    let shown = |l: &LookedAt| rules::LookedAt {
        rule: l.rule_id.to_string(),
        level: l.level.as_str().to_owned(),
        matched: l.miss.is_none(),
        near: l.miss.is_some_and(domain::policy::Miss::is_near),
        why: l.why.clone(),
        text: texts.iter().find(|r| r.id == l.rule_id).map(placed),
    };
    seen.iter().map(shown).collect()
}

/// What policy says to a call that could be made.
pub(crate) fn verdict(tested: &Tested) -> rules::Verdict {
    let decision = &tested.trace.decision;
    rules::Verdict {
        tool: tested.tool.clone(),
        risk: tested.risk.as_str().to_owned(),
        decision: decision.effect.as_str().to_owned(),
        rule: decision.rule_id.as_ref().map(ToString::to_string),
        level: decision.level.map(|l| l.as_str().to_owned()),
        set: decision.of_set.as_ref().map(set),
        policy_version: decision.policy_version,
        explanation: decision.explain(tested.risk),
        problem: tested.wrong.clone(),
        looked_at: looked_at(&tested.trace.looked_at, &tested.rules),
    }
}

/// Reads for whom to ask.
pub(crate) fn instead(asked: rules::AskedFor) -> Result<Instead, Failure> {
    fn read<T>(
        field: &str,
        text: Option<&String>,
        parse: impl Fn(&str) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, Failure> {
        text.map(|text| one(field, text, parse, expected))
            .transpose()
    }
    Ok(Instead {
        person: read(
            "as.person",
            asked.person.as_ref(),
            |t| AccountId::parse(t).ok(),
            "an account such as acct_…",
        )?,
        role: read(
            "as.role",
            asked.role.as_ref(),
            Role::parse,
            "owner, admin, billing_admin or member",
        )?,
        key_id: read(
            "as.key",
            asked.key.as_ref(),
            |t| KeyId::parse(t).ok(),
            "a key such as key_…",
        )?,
        channel: read(
            "as.channel",
            asked.channel.as_ref(),
            Channel::parse,
            "dashboard, cli, api or mcp",
        )?,
        client: asked.client,
    })
}

/// Why a recorded call was decided as it was.
pub(crate) fn explanation(found: &Explanation) -> wire::Explanation {
    let call = &found.call;
    let (known, explanation, looked_at) = match &found.why {
        Why::NoDecision => (
            true,
            "there was nothing to decide: the call only looked something up, or it was refused \
             before that, because it leads to no tool or its arguments do not fit"
                .to_owned(),
            Vec::new(),
        ),
        Why::Decided(trace, texts) => (
            true,
            trace.decision.explain(call.risk),
            looked_at(&trace.looked_at, texts),
        ),
        Why::Forgotten => (
            false,
            format!(
                "it was decided under version {} of the policy; which rules were looked at cannot be \
                 had back, because they were not kept or a reviewer changed the call since. What \
                 stands here was recorded with the call",
                call.binding.policy_version
            ),
            Vec::new(),
        ),
    };
    wire::Explanation {
        task_id: call.binding.task_id.to_string(),
        sequence: call.binding.sequence,
        tool: call.binding.tool.clone(),
        risk: call.risk.as_str().to_owned(),
        decision: call.decision.to_owned(),
        rule: call.rule_id.as_ref().map(ToString::to_string),
        policy_version: call.binding.policy_version,
        decided_at: found.decided_at.to_rfc3339(),
        known,
        explanation,
        looked_at,
    }
}

/// Reads a change to try, and what to try it on.
pub(crate) fn proposal(new: wire::NewBacktest) -> Result<(Proposal, Sample), Failure> {
    let proposal = match (new.change.as_str(), &new.set) {
        ("add" | "edit" | "move" | "remove", None) => Proposal::Rule(rule_edit(&new)?),
        ("add" | "edit" | "move" | "remove", Some(set)) => {
            Proposal::OfSet(policy_set(set)?, set_edit(&new)?)
        }
        ("assign", set) => {
            let missing = || Failure::invalid("to", "this change needs whom to assign the set to");
            let to = new.to.clone().ok_or_else(missing)?;
            let set = policy_set(set.as_deref().unwrap_or_default())?;
            Proposal::Assign(set, assign_to("to.", &to)?)
        }
        ("unassign", set) => {
            let set = policy_set(set.as_deref().unwrap_or_default())?;
            let id = new.assignment.as_deref().unwrap_or_default();
            let expected = "an assignment such as asgn_…, which this change needs";
            let read = |t: &str| AssignmentId::parse(t).ok();
            Proposal::Unassign(set, one("assignment", id, read, expected)?)
        }
        (other, _) => {
            let why = format!("'{other}' is none of add, edit, move, remove, assign, unassign");
            return Err(Failure::invalid("change", why));
        }
    };
    Ok((proposal, sample(&new)?))
}

fn policy_set(id: &str) -> Result<PolicySetId, Failure> {
    let expected = "a policy set such as set_…, which this change needs";
    one("set", id, |t| PolicySetId::parse(t).ok(), expected)
}

/// The text of a rule that a change needs.
fn text(new: &wire::NewBacktest) -> Result<rules::NewRule, Failure> {
    let missing = || Failure::invalid("rule", "this change needs the text of a rule");
    new.rule.clone().ok_or_else(missing)
}

/// The new place of a rule that a change needs.
fn position(new: &wire::NewBacktest) -> Result<usize, Failure> {
    match new.position {
        Some(position @ 1..) => Ok(position),
        Some(0) | None => Err(Failure::invalid("position", "places are counted from 1")),
    }
}

/// A change of the rules of a level, one of add, edit, move and remove.
fn rule_edit(new: &wire::NewBacktest) -> Result<RuleEdit, Failure> {
    let rule_id = || -> Result<RuleId, Failure> {
        let id = new.id.as_deref().unwrap_or_default();
        let expected = "a rule such as rule_…, which this change needs";
        one("id", id, |t| RuleId::parse(t).ok(), expected)
    };
    Ok(match new.change.as_str() {
        "add" => RuleEdit::Add(draft(text(new)?)?),
        "edit" => RuleEdit::Edit(rule_id()?, draft(text(new)?)?),
        "move" => RuleEdit::Move(rule_id()?, position(new)?),
        _ => RuleEdit::Remove(rule_id()?),
    })
}

/// The same of the rules of a set.
fn set_edit(new: &wire::NewBacktest) -> Result<SetEdit, Failure> {
    let rule_id = || -> Result<SetRuleId, Failure> {
        let id = new.id.as_deref().unwrap_or_default();
        let expected = "a rule of the set such as srule_…, which this change needs";
        one("id", id, |t| SetRuleId::parse(t).ok(), expected)
    };
    Ok(match new.change.as_str() {
        "add" => SetEdit::Add(set_rule(text(new)?)?),
        "edit" => SetEdit::Edit(rule_id()?, set_rule(text(new)?)?),
        "move" => SetEdit::Move(rule_id()?, position(new)?),
        _ => SetEdit::Remove(rule_id()?),
    })
}

/// What to try a change on.
fn sample(new: &wire::NewBacktest) -> Result<Sample, Failure> {
    let mut sample = Sample::default();
    if let Some(since) = &new.since {
        sample.since = Some(one(
            "since",
            since,
            instant,
            "an instant such as 2026-12-31T18:00:00Z",
        )?);
    }
    if let Some(limit) = new.limit {
        if !(1..=Sample::CALLS_MAX).contains(&limit) {
            let why = format!("{limit} is not between 1 and {}", Sample::CALLS_MAX);
            return Err(Failure::invalid("limit", why));
        }
        sample.limit = limit;
    }
    Ok(sample)
}

/// What a change would do.
pub(crate) fn backtest(found: &Backtest) -> wire::Backtest {
    let oldest = found.oldest.map(domain::Timestamp::to_rfc3339);
    let example = |e: &engine::Example| wire::BacktestExample {
        task_id: e.call.task_id.to_string(),
        sequence: e.call.sequence,
        call_id: e.call.call_id.to_string(),
        tool: e.call.tool.clone(),
        arguments: brief(&e.call.arguments),
        arguments_digest: e.call.arguments_digest.clone(),
        answer: e.call.answer.map(|answer| answer.as_str().to_owned()),
        recorded: e.call.decision.clone(),
        from: e.now.to_owned(),
        to: e.then.to_owned(),
        rule: e.rule_id.as_ref().map(ToString::to_string),
        set: e.of_set.as_ref().map(set),
    };
    let alone = match found.changes.as_slice() {
        [change] => change.after(),
        _ => None,
    };
    wire::Backtest {
        rule: alone.map(placed),
        rules_changed: found.changes.len(),
        looked_at: found.looked_at,
        otherwise: found.count(),
        changes: found
            .otherwise
            .iter()
            .map(|(from, to, count)| wire::DecisionChange {
                from: (*from).to_owned(),
                to: (*to).to_owned(),
                count: *count,
            })
            .collect(),
        matched: found.matched,
        approved_by_people: found.approved_by_people,
        denied_by_people: found.denied_by_people,
        examples: found.examples.iter().map(example).collect(),
        not_looked_at: not_looked_at(found, oldest.as_deref()),
        oldest,
    }
}

/// Bytes of JSON that an example's arguments may have.
const ARGUMENTS_BYTES_MAX: usize = 4 << 10;
/// Characters that stand for more.
const PREVIEW_CHARS: usize = 400;

/// Arguments as they are listed: whole, or how long they are and how they begin.
fn brief(arguments: &str) -> serde_json::Value {
    if arguments.len() <= ARGUMENTS_BYTES_MAX {
        return super::json(arguments);
    }
    let preview: String = arguments.chars().take(PREVIEW_CHARS).collect();
    serde_json::json!({ "$leftOut": true, "bytes": arguments.len(), "preview": preview })
}

fn not_looked_at(found: &Backtest, oldest: Option<&str>) -> Vec<String> {
    let mut out = vec![
        "calls that were never decided about: look-ups, and calls refused for their path or \
         arguments"
            .to_owned(),
    ];
    if found.more {
        let since = oldest.unwrap_or_default();
        out.push(format!(
            "calls of tasks before {since}: the limit of {} was reached",
            found.looked_at
        ));
    }
    if found.own_only {
        out.push("calls of other people's tasks, which you may not see".to_owned());
    }
    if found.elsewhere {
        out.push("calls in other workspaces of the organization".to_owned());
    }
    out
}

/// A rule that could be made of an approval.
pub(crate) fn suggestion(s: &engine::Suggestion) -> wire::Suggestion {
    wire::Suggestion {
        about: s.about.to_owned(),
        rule: new_rule(&s.draft),
        position: usize::try_from(s.change.rule().position).unwrap_or_default(),
        backtest: backtest(&s.backtest),
    }
}
