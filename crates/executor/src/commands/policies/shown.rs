//! Rules as a person reads them.

use crate::output::{plain, table};
use api::policies::{NewRule, Rule, RuleMatch};
use api::policy_history::{Backtest, RulePreview};

/// Paths that are named of the tools a rule is about.
const PATHS_NAMED: usize = 8;

/// Rules as a table.
pub(crate) fn listed(rules: &[Rule]) -> String {
    let row = |r: &Rule| {
        vec![
            layer(r),
            r.position.to_string(),
            r.effect.clone(),
            applies_to(&r.matches),
            r.until.clone().unwrap_or_default(),
            r.note.clone(),
            r.id.clone(),
        ]
    };
    if rules.is_empty() {
        return "no rules: reading is allowed, everything else asks".to_owned();
    }
    table(
        &["LEVEL", "#", "EFFECT", "APPLIES TO", "UNTIL", "NOTE", "ID"],
        &rules.iter().map(row).collect::<Vec<_>>(),
    )
}

/// The layer of a rule: its level, and the set that brought it there.
pub(crate) fn layer(rule: &Rule) -> String {
    match &rule.set {
        None => rule.level.clone(),
        Some(set) => format!("{}: {}", rule.level, set.name),
    }
}

/// A rule in one line.
pub(crate) fn line(rule: &Rule) -> String {
    plain(&format!(
        "{} {} {}{}",
        layer(rule),
        rule.effect,
        applies_to(&rule.matches),
        until(rule.until.as_deref())
    ))
}

/// A rule that is not stored yet, in one line.
pub(crate) fn new_line(rule: &NewRule) -> String {
    plain(&format!(
        "{} {} {}{}",
        rule.level.as_deref().unwrap_or("workspace"),
        rule.effect,
        applies_to(&rule.matches),
        until(rule.until.as_deref())
    ))
}

fn until(until: Option<&str>) -> String {
    until.map_or_else(String::new, |until| format!(" until {until}"))
}

/// What a rule applies to.
pub(crate) fn applies_to(m: &RuleMatch) -> String {
    let tools = if m.tools.is_empty() {
        "**".to_owned()
    } else {
        m.tools.join(", ")
    };
    let part = |word: &str, values: &[String], between: &str| {
        if values.is_empty() {
            String::new()
        } else {
            format!(" {word} {}", values.join(between))
        }
    };
    [
        tools,
        part("except", &m.except, ", "),
        part("of", &m.sources, ", "),
        part("risk", &m.risks, ", "),
        part("for", &m.persons, ", "),
        part("role", &m.roles, ", "),
        part("client", &m.clients, ", "),
        part("key", &m.keys, ", "),
        part("via", &m.channels, ", "),
        part("when", &m.conditions, " and "),
    ]
    .concat()
}

/// Which tools a rule is about.
pub(crate) fn about(preview: &RulePreview) -> String {
    let named: Vec<String> = preview
        .tools
        .iter()
        .take(PATHS_NAMED)
        .map(|t| plain(t))
        .collect();
    let more = preview.total - named.len().min(preview.total);
    match (preview.total, more) {
        (0, _) => "it is about no tool that there is today; check the pattern".to_owned(),
        (1, _) => format!("it is about 1 tool: {}", named.join(", ")),
        (total, 0) => format!("it is about {total} tools: {}", named.join(", ")),
        (total, more) => format!(
            "it is about {total} tools: {} and {more} more",
            named.join(", ")
        ),
    }
}

/// What a change would have done, in a line.
pub(crate) fn tried(backtest: &Backtest) -> String {
    let changes: Vec<String> = backtest
        .changes
        .iter()
        .map(|c| format!("{} from {} to {}", c.count, c.from, c.to))
        .collect();
    let of = format!("of {} recorded calls", backtest.looked_at);
    let mut line = if changes.is_empty() {
        format!("{of}, none would be decided otherwise")
    } else {
        format!(
            "{of}, {} would be decided otherwise: {}",
            backtest.otherwise,
            changes.join(", ")
        )
    };
    if backtest.approved_by_people + backtest.denied_by_people > 0 {
        line.push_str(&format!(
            "; it is about {} of them, of which people approved {} and denied {}",
            backtest.matched, backtest.approved_by_people, backtest.denied_by_people
        ));
    }
    line
}
