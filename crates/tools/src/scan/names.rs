//! Names beside names: a source or tool that is nearly called like one already connected, and
//! descriptions that speak of other sources' tools.

use super::Hit;
use super::letters::{latin, skeleton};
use crate::nearest::distance;
use domain::source::{Finding, FindingKind, Place, Severity};
use domain::tool::{Tool, fold_path};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Shorter names are near one another by chance.
const SOURCE_CHARS_MIN: usize = 4;
const TOOL_CHARS_MIN: usize = 8;

/// Look-alike tools beyond this many say nothing new about a source.
const LOOK_ALIKES_MAX: usize = 20;

/// Mentions in one text beyond this many say nothing new about it.
const MENTIONS_MAX: usize = 3;

/// How far before a mention the words stand that make it an instruction, in bytes.
const LEAD_BYTES: usize = 48;

/// What makes a mention an instruction.
const LEADS: [&str; 16] = [
    "before ",
    "instead of ",
    "rather than ",
    "after ",
    "whenever ",
    "when using ",
    "when calling ",
    "when you ",
    "do not use ",
    "don't use ",
    "never use ",
    "always use ",
    "always call ",
    "must call ",
    "must use ",
    "then call ",
];

/// What is connected already, in the forms that names are compared in. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct KnownNames(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Names of sources.
    sources: Vec<String>,
    /// Folded paths of tools, each with the path as it is.
    paths: HashMap<String, String>,
    /// Folded last segments of telling names, each with a path.
    ends: HashMap<String, String>,
    /// The same as they look.
    looks: HashMap<String, String>,
}

impl KnownNames {
    /// The names of connected sources and the paths of their tools. Leave out the source that is
    /// scanned itself.
    #[must_use]
    pub fn new<'a>(
        sources: impl IntoIterator<Item = &'a str>,
        tools: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut inner = Inner {
            sources: sources.into_iter().map(str::to_owned).collect(),
            ..Inner::default()
        };
        for path in tools {
            let end = folded_end(path);
            if is_telling(path.rsplit('.').next().unwrap_or(path)) {
                inner.looks.insert(look(&end), path.to_owned());
                inner.ends.insert(end, path.to_owned());
            }
            inner.paths.insert(fold_path(path), path.to_owned());
        }
        Self(Arc::new(inner))
    }

    /// Tools of other sources that a text of `source` speaks of. `own` are the folded last segments
    /// of its own.
    pub(super) fn mentions(&self, text: &str, source: &str, own: &HashSet<String>) -> Vec<Hit> {
        if self.0.paths.is_empty() {
            return Vec::new();
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let mut hits = Vec::new();
        let mut from = 0;
        while hits.len() < MENTIONS_MAX
            && let Some(start) = text[from..].find(is_part).map(|i| from + i)
        {
            let end = text[start..]
                .find(|c| !is_part(c))
                .map_or(text.len(), |i| start + i);
            from = end;
            let word = text[start..end].trim_end_matches(['.', '-']);
            let Some(path) = self.named(word, own) else {
                continue;
            };
            if path.split('.').next() == Some(source) {
                continue;
            }
            let mut lead = start.saturating_sub(LEAD_BYTES);
            while !text.is_char_boundary(lead) {
                lead += 1;
            }
            let lead = text[lead..start].to_lowercase();
            let steers = LEADS.iter().any(|l| lead.contains(l));
            hits.push(Hit {
                kind: FindingKind::CrossMention,
                severity: if steers {
                    Severity::High
                } else {
                    Severity::Medium
                },
                start,
                end: start + word.len(),
                decoded: Some(path.to_owned()),
            });
        }
        hits
    }

    /// The tool that a word names, if it cannot well mean anything else.
    fn named(&self, word: &str, own: &HashSet<String>) -> Option<&str> {
        if word.contains('.') {
            return self.0.paths.get(&fold_path(word)).map(String::as_str);
        }
        if !is_telling(word) {
            return None;
        }
        let folded = fold_path(word);
        if own.contains(&folded) {
            return None;
        }
        self.0.ends.get(&folded).map(String::as_str)
    }

    /// Names of a source and its tools that are nearly those of others.
    pub(super) fn look_alikes(&self, source: &str, title: &str, tools: &[Tool]) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut add = |tool: Option<&str>, place, severity, name: &str, other: &str| {
            found.push(Finding {
                tool: tool.map(str::to_owned),
                place,
                at: String::new(),
                kind: FindingKind::LookAlike,
                severity,
                excerpt: format!("'{}' beside '{other}'", super::hidden::escaped(name)),
            });
        };
        for other in &self.0.sources {
            if let Some(severity) = nearly(source, other) {
                add(None, Place::Source, severity, source, other);
            }
            let letters: String = fold_path(title)
                .chars()
                .filter(|c| !c.is_whitespace())
                .collect();
            if !letters.is_ascii() && look(&letters) == look(&fold_path(other)) {
                add(None, Place::Source, Severity::High, title, other);
            }
        }
        let alike = tools.iter().filter_map(|tool| {
            let end = folded_end(&tool.path);
            let other = self.0.looks.get(&look(&end))?;
            (folded_end(other) != end).then_some((tool, other))
        });
        for (tool, other) in alike.take(LOOK_ALIKES_MAX) {
            add(
                Some(&tool.path),
                Place::Name,
                Severity::Medium,
                &tool.path,
                other,
            );
        }
        found
    }
}

/// How alike two names of sources are, where they are not the same.
fn nearly(name: &str, other: &str) -> Option<Severity> {
    let (name, other) = (fold_path(name), fold_path(other));
    let counted = |n: &str| n.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    // `shop2` beside `shop` is how people name a second one.
    if counted(&name) == counted(&other) {
        return None;
    }
    if look(&name) == look(&other) {
        return Some(Severity::High);
    }
    let long = name.len().min(other.len()) >= SOURCE_CHARS_MIN;
    (long && distance(&name, &other) == 1).then_some(Severity::Medium)
}

/// A name as it looks in a small font: `rn` is `m`, `0` is `o`, `1` and `i` are `l`.
fn look(folded: &str) -> String {
    skeleton(folded)
        .replace("rn", "m")
        .replace("vv", "w")
        .chars()
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            '5' => 's',
            _ => c,
        })
        .collect()
}

/// Whether a name is long and made of several words, so that prose does not hold it by chance.
fn is_telling(name: &str) -> bool {
    let inner = |c: char| matches!(c, '_' | '-') || c.is_ascii_uppercase();
    name.len() >= TOOL_CHARS_MIN
        && name.chars().skip(1).any(inner)
        && name.chars().any(|c| c.is_ascii_lowercase())
        && name.chars().all(|c| latin(c).is_some() || inner(c))
}

/// The last segment of a path as a look-up sees it.
pub(super) fn folded_end(path: &str) -> String {
    fold_path(path.rsplit('.').next().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_or_not() {
        for (name, other, expected) in [
            ("github", "github", None),
            ("github2", "github", None),
            ("githvb", "github", Some(Severity::Medium)),
            ("githb", "github", Some(Severity::Medium)),
            ("glthub", "github", Some(Severity::High)),
            ("s1ack", "slack", Some(Severity::High)),
            ("modem", "modern", Some(Severity::High)),
            ("gitlab", "github", None),
            ("jira", "gira", Some(Severity::Medium)),
            ("abc", "abd", None),
        ] {
            assert_eq!(nearly(name, other), expected, "{name} {other}");
        }
    }

    #[test]
    fn mentions_are_of_others_and_of_telling_names() {
        let known = KnownNames::new(
            ["mail"],
            ["mail.sendMessage", "mail.drafts.list", "shop.createOrder"],
        );
        let own = HashSet::from(["createorder".to_owned()]);
        let found = |text: &str| -> Vec<(String, Severity)> {
            known
                .mentions(text, "shop", &own)
                .into_iter()
                .map(|h| (h.decoded.unwrap_or_default(), h.severity))
                .collect()
        };
        let high = |p: &str| vec![(p.to_owned(), Severity::High)];
        assert_eq!(
            found("Before using send_message, call this."),
            high("mail.sendMessage")
        );
        assert_eq!(
            found("The draft of mail.drafts.list."),
            [("mail.drafts.list".to_owned(), Severity::Medium)]
        );
        for text in [
            "Send message to a list",
            "createOrder first",
            "list sends messages",
            "",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
