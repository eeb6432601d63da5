//! Looks through a description for text that is meant for a model instead of a person.
//!
//! Pure: an import and the names already connected in, findings out, the gravest first. It changes
//! nothing and refuses nothing; whoever imports shows the findings, and the engine makes tools with
//! grave ones ask. What agents read is cleaned of unseen characters in any case ([`plain`]).
//! `hidden` and `letters` know characters, `phrases` sentences and markup, `encoded` blobs, `names`
//! look-alikes.
//! What it finds, and how often it is wrong, is written down in `docs/scanning.md`.

mod encoded;
mod hidden;
mod letters;
mod names;
mod phrases;
mod walk;

pub use names::KnownNames;

pub(crate) use hidden::{escaped, plain};

use crate::openapi::Import;
use domain::source::{Finding, FindingKind, Place, Severity};
use hidden::{Found, Hidden};
use std::collections::HashSet;

/// Findings beyond this many are counted, not listed; the gravest are kept.
const FINDINGS_MAX: usize = 500;

/// Longest excerpt, in characters of the original text.
const EXCERPT_CHARS_MAX: usize = 120;

/// Longest excerpt as shown, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// Fewer zero-width characters than this may be an accident of copying.
const ACCIDENTS_MAX: usize = 3;

/// Something found in one text.
struct Hit {
    kind: FindingKind,
    severity: Severity,
    /// Where in the text, in bytes.
    start: usize,
    end: usize,
    /// What it says when decoded.
    decoded: Option<String>,
}

/// Everything in a description that a person should see before agents read it, the gravest first.
///
/// `known` are the names of what is connected already, without the source itself. A finding whose
/// `tool` is `None` concerns the source as a whole. At most 500 are listed, each text once; the
/// last one says how many more there are.
#[must_use]
pub fn scan(import: &Import, known: &KnownNames) -> Vec<Finding> {
    let mut found = Vec::new();
    let source = import
        .tools
        .first()
        .map(|t| t.source_name())
        .unwrap_or_default();
    let own: HashSet<String> = import
        .tools
        .iter()
        .map(|t| names::folded_end(&t.path))
        .collect();
    let mut text = |tools: &[&str], place, at: &str, text: &str| {
        let text = &*hidden::restored(text);
        let mut hits = hits(text, 0);
        if matches!(place, Place::Description | Place::Parameter) {
            hits.extend(known.mentions(text, source, &own));
        }
        for hit in hits {
            let finding = finding(place, at, text, &hit);
            match tools {
                [] => found.push(finding),
                tools => found.extend(tools.iter().map(|tool| Finding {
                    tool: Some((*tool).to_owned()),
                    ..finding.clone()
                })),
            }
        }
    };
    text(&[], Place::Source, "", &import.title);
    walk::texts(import, &mut text);
    found.extend(known.look_alikes(source, &import.title, &import.tools));
    settle(found)
}

/// The same for one text apart from any description: what a server says of itself, an error.
#[must_use]
pub fn scan_text(place: Place, text: &str) -> Vec<Finding> {
    let text = &*hidden::restored(text);
    let hits = hits(text, 0);
    settle(hits.iter().map(|h| finding(place, "", text, h)).collect())
}

/// A hit as it is shown, of no tool yet.
fn finding(place: Place, at: &str, text: &str, hit: &Hit) -> Finding {
    Finding {
        tool: None,
        place,
        at: at.to_owned(),
        kind: hit.kind,
        severity: hit.severity.max(raised(place, hit.kind)),
        excerpt: excerpt(text, hit),
    }
}

/// A name is short and read by everybody: look-alike letters in it are no accident.
fn raised(place: Place, kind: FindingKind) -> Severity {
    match (place, kind) {
        (Place::Name | Place::Source, FindingKind::MixedScripts) => Severity::High,
        _ => Severity::Low,
    }
}

/// The gravest first, each once, and no more than the limit.
fn settle(mut found: Vec<Finding>) -> Vec<Finding> {
    let mut seen = HashSet::new();
    found.retain(|f| seen.insert(f.clone()));
    found.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| a.tool.cmp(&b.tool))
    });
    let beyond = found.len().saturating_sub(FINDINGS_MAX);
    if beyond > 0 {
        found.truncate(FINDINGS_MAX - 1);
        if let Some(last) = found.last().cloned() {
            found.push(Finding {
                tool: None,
                at: String::new(),
                excerpt: format!(
                    "and {} more findings that are no graver than this",
                    beyond + 1
                ),
                ..last
            });
        }
    }
    found
}

/// What one text holds. `depth` is how many times it was decoded already.
fn hits(text: &str, depth: usize) -> Vec<Hit> {
    let mut all = characters(text);
    all.extend(phrases::markup(text));
    all.extend(phrases::sentences(text));
    all.extend(encoded::blobs(text, depth));
    all
}

fn characters(text: &str) -> Vec<Hit> {
    let found = hidden::found(text);
    let (turning, unseen): (Vec<Found>, Vec<Found>) = found
        .into_iter()
        .partition(|f| matches!(f.hidden, Hidden::Direction | Hidden::Mark));
    let mut all = Vec::new();
    if let (Some(first), Some(last)) = (unseen.first(), unseen.last()) {
        let grave = unseen.len() > ACCIDENTS_MAX
            || unseen
                .iter()
                .any(|f| matches!(f.hidden, Hidden::Tag) || f.c == '\u{1b}');
        // A byte order mark at the start, a soft hyphen: editors leave them behind.
        let accident = unseen
            .iter()
            .all(|f| f.c == '\u{ad}' || (f.c == '\u{feff}' && f.at == 0));
        all.push(Hit {
            kind: FindingKind::HiddenCharacters,
            severity: match (accident, grave) {
                (true, _) => Severity::Low,
                (false, true) => Severity::High,
                (false, false) => Severity::Medium,
            },
            start: first.at,
            end: last.at + last.c.len_utf8(),
            decoded: hidden::spelled(&unseen),
        });
    }
    if let (Some(first), Some(last)) = (turning.first(), turning.last()) {
        let turns = turning.iter().any(|f| f.hidden == Hidden::Direction);
        all.push(Hit {
            kind: FindingKind::Bidirectional,
            severity: if turns {
                Severity::High
            } else {
                Severity::Medium
            },
            start: first.at,
            end: last.at + last.c.len_utf8(),
            decoded: None,
        });
    }
    if let Some((start, end)) = letters::mixed_word(text) {
        all.push(Hit {
            kind: FindingKind::MixedScripts,
            severity: Severity::Medium,
            start,
            end,
            decoded: Some(letters::skeleton(&text[start..end])),
        });
    }
    // What was spelled in unseen characters is read like any other text.
    let spelled: Vec<Hit> = all
        .iter()
        .filter_map(|hit| {
            let text = hit.decoded.as_deref()?;
            phrases::sentences(text)
                .into_iter()
                .next()
                .map(|inner| Hit {
                    kind: inner.kind,
                    severity: Severity::High,
                    start: hit.start,
                    end: hit.end,
                    decoded: Some(text.to_owned()),
                })
        })
        .collect();
    all.extend(spelled);
    all
}

/// The text around a hit, readable and short.
fn excerpt(text: &str, hit: &Hit) -> String {
    let inside = text[hit.start..hit.end]
        .chars()
        .count()
        .min(EXCERPT_CHARS_MAX);
    let around = (EXCERPT_CHARS_MAX - inside) / 2;
    let start = text[..hit.start]
        .char_indices()
        .rev()
        .nth(around.saturating_sub(1))
        .map_or(0, |(i, _)| i);
    let start = if around == 0 { hit.start } else { start };
    let end = text[start..]
        .char_indices()
        .nth(EXCERPT_CHARS_MAX)
        .map_or(text.len(), |(i, _)| start + i);
    let mut shown = hidden::escaped(text[start..end].trim());
    if let Some(decoded) = &hit.decoded {
        let decoded: String = hidden::escaped(decoded).chars().take(80).collect();
        shown = format!("says \"{decoded}\": {shown}");
    }
    let cut = shown.chars().count() > SHOWN_CHARS_MAX;
    let mut shown: String = shown
        .chars()
        .take(SHOWN_CHARS_MAX - usize::from(cut))
        .collect();
    if cut {
        shown.push('…');
    }
    shown
}
