//! How two readings of a description differ, tool by tool, and what that means for policy.
//!
//! Changes nothing. Texts are shown as types and sentences, cut around the first difference.

use crate::gate::forecast;
use domain::access::Caller;
use domain::policy::{Policy, Rule, covers};
use domain::source::{Difference, Review, Source};
use domain::tool::{Risk, Tool};
use domain::{RuleId, Timestamp};
use serde_json::Value;
use std::collections::HashMap;
use tools::Catalog;

/// Longest text of one side of a difference, in characters.
const TEXT_CHARS_MAX: usize = 600;
/// How much of a long text stands before the first difference.
const LEAD_CHARS: usize = 80;
/// Tools of which the ways they differ are told; of the rest only that they do.
pub(super) const DIFFERENCES_MAX: usize = 300;
/// Paths that are named of those that a rule is about.
const PATHS_MAX: usize = 20;

/// What became of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its definition is another.
    Changed,
}

impl Change {
    /// The stable name, as shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// One tool that a refresh changes.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolChange {
    /// Its path.
    pub path: String,
    /// What became of it.
    pub change: Change,
    /// Its risk: what it is, or was.
    pub risk: Risk,
    /// How it differs, where it changed.
    pub differences: Vec<Difference>,
    /// Whether it asks until an administrator has looked at it.
    pub review: Review,
    /// What policy said to the caller about it; none where it is new.
    pub before: Option<&'static str>,
    /// What it says once the refresh is taken over; none where it is gone.
    pub after: Option<&'static str>,
}

/// A rule that is about tools which a refresh changes.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleTouched {
    /// The rule.
    pub rule_id: RuleId,
    /// What it says.
    pub effect: &'static str,
    /// Whom it binds.
    pub level: &'static str,
    /// How many of the tools that are new, gone or changed it is about.
    pub total: usize,
    /// The first of them.
    pub paths: Vec<String>,
    /// Whether it is about no tool at all any more.
    pub orphaned: bool,
}

/// A source's tools at one reading, with the definitions that their schemas refer to.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) tools: &'a [Tool],
    pub(super) definitions: &'a Value,
}

/// Every tool that differs, in order of path. What policy says is filled in by [`judge`].
pub(super) fn changes(before: Reading<'_>, after: Reading<'_>) -> Vec<ToolChange> {
    let of = |tools: &[Tool]| -> HashMap<String, usize> {
        (0..).zip(tools).map(|(n, t)| (t.path.clone(), n)).collect()
    };
    let (old, new) = (of(before.tools), of(after.tools));
    let made = |tool: &Tool, change| ToolChange {
        path: tool.path.clone(),
        change,
        risk: tool.risk,
        differences: Vec::new(),
        review: Review::LookedAt,
        before: None,
        after: None,
    };
    let mut all: Vec<ToolChange> = Vec::new();
    for tool in before.tools.iter().filter(|t| !new.contains_key(&t.path)) {
        all.push(made(tool, Change::Removed));
    }
    let mut told = 0;
    for tool in after.tools {
        match old.get(&tool.path).map(|n| &before.tools[*n]) {
            None => all.push(made(tool, Change::Added)),
            Some(same) if same.digest == tool.digest => {}
            Some(other) => {
                told += 1;
                let differences = if told <= DIFFERENCES_MAX {
                    differ((other, before.definitions), (tool, after.definitions))
                } else {
                    Vec::new()
                };
                all.push(ToolChange {
                    differences,
                    ..made(tool, Change::Changed)
                });
            }
        }
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// How two definitions of one tool differ. Never nothing.
pub(super) fn differ(
    (old, old_types): (&Tool, &Value),
    (new, new_types): (&Tool, &Value),
) -> Vec<Difference> {
    let (old_input, old_output) = tools::described(old, old_types);
    let (new_input, new_output) = tools::described(new, new_types);
    let mut all = Vec::new();
    let mut add = |field: &str, before: &str, after: &str| {
        if before != after {
            let (before, after) = around(before, after);
            all.push(Difference {
                field: field.to_owned(),
                before,
                after,
            });
        }
    };
    add("risk", old.risk.as_str(), new.risk.as_str());
    add("endpoint", &endpoint(old), &endpoint(new));
    add("description", &old.description, &new.description);
    add("input", &old_input, &new_input);
    add("output", &old_output, &new_output);
    if all.is_empty() {
        // Something that no text above shows, such as how a parameter is written.
        let (before, after) = around(&old.binding.to_string(), &new.binding.to_string());
        all.push(Difference {
            field: "definition".to_owned(),
            before,
            after,
        });
    }
    all
}

/// Where a call goes, as far as the binding says so.
fn endpoint(tool: &Tool) -> String {
    let parts = ["method", "server", "path"].map(|name| tool.binding[name].as_str());
    let known: Vec<&str> = parts.into_iter().flatten().collect();
    known.join(" ")
}

/// Two texts, cut to a bearable length so that their first difference shows.
fn around(before: &str, after: &str) -> (String, String) {
    let same = before
        .chars()
        .zip(after.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let long = |text: &str| text.chars().nth(TEXT_CHARS_MAX).is_some();
    let start = if long(before) || long(after) {
        same.saturating_sub(LEAD_CHARS)
    } else {
        0
    };
    let cut = |text: &str| {
        let mut part: String = text.chars().skip(start).take(TEXT_CHARS_MAX).collect();
        if text.chars().nth(start + TEXT_CHARS_MAX).is_some() {
            part.push('…');
        }
        if start > 0 {
            part.insert(0, '…');
        }
        part
    };
    (cut(before), cut(after))
}

/// Fills in what policy says to a caller before and after.
pub(super) fn judge(
    all: &mut [ToolChange],
    (caller, policy): (&Caller, &Policy),
    (source, before): (&Source, &[Tool]),
    after: &[Tool],
    now: Timestamp,
) {
    let of = |tools: &[Tool], path: &str, review| {
        let at = tools.binary_search_by(|t| t.path.as_str().cmp(path)).ok()?;
        Some(
            forecast(caller, policy, (&tools[at], review), now)
                .effect
                .as_str(),
        )
    };
    for change in all {
        change.before = of(before, &change.path, source.review_of(&change.path));
        change.after = of(after, &change.path, change.review);
    }
}

/// The rules that are about any of the tools that differ.
pub(super) fn rules_touched(
    all: &[ToolChange],
    policy: &Policy,
    name: &str,
    after: &[Tool],
    catalog: &Catalog,
) -> Vec<RuleTouched> {
    let about = |rule: &Rule, path: &str, risk: Risk, source: &str| {
        covers(&rule.matches, path, source, risk)
    };
    let touched = |rule: &Rule| {
        let mut of_rule = all.iter().filter(|c| about(rule, &c.path, c.risk, name));
        let first = of_rule.next()?;
        let paths: Vec<String> = std::iter::once(first)
            .chain(of_rule)
            .map(|c| c.path.clone())
            .collect();
        let lives = || {
            after.iter().any(|t| about(rule, &t.path, t.risk, name))
                || catalog.any(&|t| {
                    t.source_name() != name && about(rule, &t.path, t.risk, t.source_name())
                })
        };
        Some(RuleTouched {
            rule_id: rule.id.clone(),
            effect: rule.effect.as_str(),
            level: rule.level.as_str(),
            total: paths.len(),
            orphaned: !lives(),
            paths: paths.into_iter().take(PATHS_MAX).collect(),
        })
    };
    policy.rules.iter().filter_map(touched).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::SourceId;
    use serde_json::json;

    fn tool(path: &str, text: &str) -> Tool {
        Tool {
            path: path.to_owned(),
            source_id: SourceId::from_bits([1; 16]),
            description: text.to_owned(),
            risk: Risk::Write,
            input_schema: json!({ "type": "object" }),
            output_schema: None,
            binding: json!({ "method": "POST", "path": "/a" }),
            digest: text.to_owned(),
        }
    }

    #[test]
    fn what_is_new_gone_and_changed_is_told_apart() {
        let none = json!({});
        let reading = |tools: &[Tool]| {
            changes(
                Reading {
                    tools: &[tool("s.a", "1"), tool("s.b", "1"), tool("s.c", "1")],
                    definitions: &none,
                },
                Reading {
                    tools,
                    definitions: &none,
                },
            )
        };
        let told: Vec<_> = reading(&[tool("s.b", "2"), tool("s.c", "1"), tool("s.d", "1")])
            .into_iter()
            .map(|c| (c.path, c.change.as_str()))
            .collect();
        let expected = [("s.a", "removed"), ("s.b", "changed"), ("s.d", "added")];
        assert_eq!(
            told,
            expected.map(|(path, change)| (path.to_owned(), change))
        );
    }

    #[test]
    fn every_part_of_a_definition_shows() {
        let none = json!({});
        let old = tool("s.a", "1");
        let fields = |new: &Tool| -> Vec<String> {
            let all = differ((&old, &none), (new, &none));
            all.into_iter().map(|d| d.field).collect()
        };
        let with = |change: &dyn Fn(&mut Tool)| {
            let mut new = old.clone();
            change(&mut new);
            fields(&new)
        };
        assert_eq!(with(&|t| t.risk = Risk::Read), ["risk"]);
        assert_eq!(with(&|t| t.binding["path"] = json!("/b")), ["endpoint"]);
        assert_eq!(
            with(&|t| t.binding["server"] = json!("https://x")),
            ["endpoint"]
        );
        assert_eq!(with(&|t| t.description = "2".into()), ["description"]);
        let text = json!({ "type": "object", "properties": { "x": { "type": "string" } } });
        assert_eq!(with(&|t| t.input_schema = text.clone()), ["input"]);
        assert_eq!(with(&|t| t.output_schema = Some(text.clone())), ["output"]);
        assert_eq!(
            with(&|t| t.binding["style"] = json!("form")),
            ["definition"]
        );
    }

    #[test]
    fn long_texts_are_cut_around_the_first_difference() {
        let (same, long) = ("s".repeat(5_000), "x".repeat(5_000));
        let (before, after) = around(&format!("{same}A{long}"), &format!("{same}B"));
        assert!(before.starts_with("…s") && before.contains('A') && before.ends_with('…'));
        assert!(after.starts_with("…s") && after.ends_with('B'));
        assert!(before.chars().count() <= TEXT_CHARS_MAX + 2);
        assert_eq!(around("a", "b"), ("a".to_owned(), "b".to_owned()));
    }
}
