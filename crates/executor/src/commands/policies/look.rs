//! What policy says to a call, said to recorded ones, and would say after a change; and its history.

use super::Backtest;
use super::shown::{layer, line, listed, tried};
use super::{rule, sets};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::output::{Output, plain, table};
use api::policies::{AskedFor, LookedAt, Policy, PolicyTest, RuleUsage, Verdict};
use api::policy_history as wire;
use api::policy_history::{Explanation, NewBacktest, PolicyVersion, PolicyVersionDetail};
use api::tasks::Call;
use reqwest::Method;
use serde_json::Value;

/// Every rule with how often it decided, in the order of the rules; those that are gone follow.
pub(super) async fn usage(context: &Context) -> Result<()> {
    let client = context.client()?;
    let usage: RuleUsage = client.get(&["policies", "usage"], &[]).await?;
    let policy: Policy = client.get(&["policies"], &[]).await?;
    let of = |id: &str| usage.rules.iter().find(|used| used.rule == id);
    let of_shadow = |id: &str| {
        let shadow = usage.shadowed.iter().find(|shadow| shadow.rule == id);
        shadow.map(|s| s.by.clone()).unwrap_or_default()
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for rule in &policy.rules {
        let used = of(&rule.id);
        rows.push(vec![
            layer(rule),
            rule.position.to_string(),
            rule.effect.clone(),
            used.map_or(0, |u| u.calls).to_string(),
            used.map(|u| u.last_at.clone()).unwrap_or_default(),
            of_shadow(&rule.id),
            plain(&rule.note),
            rule.id.clone(),
        ]);
    }
    let is_gone = |used: &&api::policies::RuleUse| !policy.rules.iter().any(|r| r.id == used.rule);
    for used in usage.rules.iter().filter(is_gone) {
        let mut row = vec!["removed".to_owned(), String::new(), String::new()];
        row.extend([used.calls.to_string(), used.last_at.clone()]);
        row.extend([String::new(), String::new(), used.rule.clone()]);
        rows.push(row);
    }
    let columns = [
        "LEVEL",
        "#",
        "EFFECT",
        "CALLS",
        "LAST",
        "NEVER HEARD FOR",
        "NOTE",
        "ID",
    ];
    context.output.show(&usage, |_| table(&columns, &rows));
    Ok(())
}

/// Reads one `--as`.
pub(super) fn asked_for(text: &str) -> std::result::Result<(String, String), String> {
    let known = ["person", "role", "client", "key", "channel"];
    match text.split_once('=') {
        Some((what, who)) if known.contains(&what) => Ok((what.to_owned(), who.to_owned())),
        Some(_) | None => Err(format!(
            "expected WHAT=WHO, such as role=member; WHAT is one of {}",
            known.join(", ")
        )),
    }
}

pub(super) async fn test(
    context: &Context,
    tool: String,
    arguments: Option<Value>,
    given: Vec<(String, String)>,
) -> Result<()> {
    let mut asked = AskedFor::default();
    let somebody = !given.is_empty();
    for (what, who) in given {
        let field = match what.as_str() {
            "person" => &mut asked.person,
            "role" => &mut asked.role,
            "client" => &mut asked.client,
            "key" => &mut asked.key,
            _ => &mut asked.channel,
        };
        *field = Some(who);
    }
    let test = PolicyTest {
        tool,
        arguments,
        asked_for: somebody.then_some(asked),
    };
    let verdict: Verdict = context
        .client()?
        .send(Method::POST, &["policies", "test"], &test)
        .await?;
    let output = &context.output;
    output.show(&verdict, |v| {
        let mut text = format!("{}: {}", output.status(&v.decision), plain(&v.explanation));
        if let Some(problem) = &v.problem {
            text.push_str(&format!(
                "\nsuch a call is refused before it is decided: {}",
                plain(problem)
            ));
        }
        text + &looked_at(&v.looked_at)
    });
    Ok(())
}

/// One line for each rule that was looked at.
fn looked_at(seen: &[LookedAt]) -> String {
    let mut out = String::new();
    for one in seen {
        let mark = if one.matched { "*" } else { " " };
        let text = one.text.as_ref().map_or_else(|| one.level.clone(), line);
        out.push_str(&format!(
            "\n {mark} {} {text}\n     {}",
            one.rule,
            plain(&one.why)
        ));
    }
    out
}

pub(super) async fn explain(context: &Context, task: &str, sequence: Option<u32>) -> Result<()> {
    let client = context.client()?;
    let output = &context.output;
    let numbers = match sequence {
        Some(sequence) => vec![sequence],
        None => {
            let calls: Vec<Call> = client
                .list(&["tasks", task, "calls"], &[], usize::MAX)
                .await?;
            calls.iter().map(|call| call.sequence).collect()
        }
    };
    let mut found: Vec<Explanation> = Vec::with_capacity(numbers.len());
    for number in numbers {
        let path = ["tasks", task, "calls", &number.to_string(), "explain"];
        found.push(client.get(&path, &[]).await?);
    }
    let one = |e: &Explanation| {
        format!(
            "{}. {} {}: {}{}",
            e.sequence,
            plain(&e.tool),
            output.status(&e.decision),
            plain(&e.explanation),
            looked_at(&e.looked_at)
        )
    };
    if let (Some(_), [only]) = (sequence, found.as_slice()) {
        output.show(only, one);
        return Ok(());
    }
    output.show(&found, |found| {
        if found.is_empty() {
            return "the task has made no call".to_owned();
        }
        found.iter().map(&one).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

pub(super) async fn history(context: &Context, version: Option<i64>, limit: usize) -> Result<()> {
    let client = context.client()?;
    let output = &context.output;
    let Some(version) = version else {
        let versions: Vec<PolicyVersion> =
            client.list(&["policies", "versions"], &[], limit).await?;
        output.show(&versions, |versions| changes(versions));
        return Ok(());
    };
    let path = ["policies", "versions", &version.to_string()];
    let detail: PolicyVersionDetail = client.get(&path, &[]).await?;
    output.show(&detail, |d| in_full(output, d));
    Ok(())
}

fn changes(versions: &[PolicyVersion]) -> String {
    let row = |v: &PolicyVersion| {
        let rule = v.after.as_ref().or(v.before.as_ref());
        vec![
            v.version.to_string(),
            v.at.clone(),
            v.by.clone(),
            v.via.clone(),
            v.change.clone(),
            rule.map(line).unwrap_or_default(),
        ]
    };
    if versions.is_empty() {
        return "the rules were never changed".to_owned();
    }
    table(
        &["VERSION", "AT", "BY", "VIA", "CHANGE", "RULE"],
        &versions.iter().map(row).collect::<Vec<_>>(),
    )
}

fn in_full(output: &Output, detail: &PolicyVersionDetail) -> String {
    let v = &detail.version;
    let mut text = format!(
        "version {}: {} {} by {} via {} at {}",
        v.version,
        output.status(&v.change),
        v.rule,
        plain(&v.by),
        v.via,
        v.at
    );
    for difference in &detail.difference {
        let field = plain(&difference.field);
        for (mark, value) in [("-", &difference.before), ("+", &difference.after)] {
            if let Some(value) = value {
                text.push_str(&format!("\n  {mark} {field}: {}", plain(value)));
            }
        }
    }
    format!("{text}\n\n{}", listed(&detail.rules))
}

pub(super) async fn backtest(context: &Context, wanted: Backtest) -> Result<()> {
    let client = context.client()?;
    let output = &context.output;
    let mut new = NewBacktest {
        since: wanted.since,
        limit: Some(wanted.limit),
        ..NewBacktest::default()
    };
    if let Some(set) = &wanted.set {
        new.set = Some(sets::id_of(&client, set).await?);
    } else if wanted.assign.is_some() || wanted.unassign.is_some() {
        return Err(sets::needs_a_set());
    }
    let of = |change: &str, id: Option<String>| (change.to_owned(), id);
    (new.change, new.id) = if let Some(to) = &wanted.assign {
        new.to = Some(sets::whom(to));
        of("assign", None)
    } else if wanted.unassign.is_some() {
        new.assignment = wanted.unassign;
        of("unassign", None)
    } else if let Some(id) = wanted.edit {
        let given = (wanted.effect, wanted.pattern);
        new.rule = Some(match &new.set {
            Some(set) => {
                let edited = sets::edited(&client, set, &id, given, wanted.details);
                edited.await?.1
            }
            None => rule::edited(&client, &id, given.0, given.1, wanted.details).await?,
        });
        of("edit", Some(id))
    } else if wanted.remove.is_some() {
        of("remove", wanted.remove)
    } else if wanted.move_rule.is_some() {
        new.position = wanted.to;
        of("move", wanted.move_rule)
    } else {
        let (Some(effect), Some(pattern)) = (wanted.effect, wanted.pattern) else {
            return Err(Failure::usage("there is no change to try").next(
                "give EFFECT and PATTERN as for `policies add`, --edit, --move or --remove with a \
                 rule's id, or --set with --assign or --unassign",
            ));
        };
        new.rule = Some(wanted.details.over(rule::new(effect, pattern))?);
        of("add", None)
    };
    let found: wire::Backtest = client
        .send(Method::POST, &["policies", "backtest"], &new)
        .await?;
    output.show(&found, result);
    Ok(())
}

fn result(found: &wire::Backtest) -> String {
    let mut text = tried(found);
    if !found.examples.is_empty() {
        let row = |e: &wire::BacktestExample| {
            vec![
                format!("{} {}", e.task_id, e.sequence),
                e.tool.clone(),
                e.from.clone(),
                e.to.clone(),
                e.arguments_digest.chars().take(12).collect(),
            ]
        };
        text.push_str("\n\n");
        text.push_str(&table(
            &["CALL", "TOOL", "NOW", "THEN", "ARGUMENTS"],
            &found.examples.iter().map(row).collect::<Vec<_>>(),
        ));
    }
    for left in &found.not_looked_at {
        text.push_str(&format!("\nnot looked at: {}", plain(left)));
    }
    text
}
