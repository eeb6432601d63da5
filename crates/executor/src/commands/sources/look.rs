//! Sources as people read them: one in full, what it would bring, what changes in it, what is still to
//! be looked at.

use crate::output::{brief, fields, plain, table};
use api::sources::{
    RefreshReport, Reviewed, Source, SourceFinding, SourceHealth, SourcePreview, ToolChange,
    ToolDifference, UnreviewedTools,
};
use serde::Serialize;

/// Longest line of one side of a difference, in characters.
const SIDE_CHARS: usize = 240;
/// Tools that a preview lists.
const TOOLS_SHOWN: usize = 40;
/// Findings that are listed.
const FINDINGS_SHOWN: usize = 20;

/// A source with how it is: what `sources show` prints.
#[derive(Serialize)]
pub(super) struct WithHealth {
    #[serde(flatten)]
    pub(super) source: Source,
    pub(super) health: SourceHealth,
}

/// All sources.
pub(super) fn listed(sources: &[Source]) -> String {
    let row = |s: &Source| {
        let mut notes: Vec<String> = Vec::new();
        if s.unreviewed > 0 {
            notes.push(format!("{} to review", s.unreviewed));
        }
        notes.extend(s.reason.clone());
        vec![
            s.name.clone(),
            s.status.clone(),
            s.kind.clone(),
            s.tool_count.to_string(),
            s.base_url.clone(),
            s.id.clone(),
            brief(&notes.join("; "), 60),
        ]
    };
    table(
        &["NAME", "STATUS", "KIND", "TOOLS", "BASE URL", "ID", "NOTE"],
        &sources.iter().map(row).collect::<Vec<_>>(),
    )
}

/// One source.
pub(super) fn source(source: &Source) -> String {
    let auth: Vec<_> = source.auth.iter().map(ToString::to_string).collect();
    let unreviewed = match source.unreviewed {
        0 => String::new(),
        some => format!("{some} tools; `executor sources review {}`", source.name),
    };
    let failure = match (&source.last_failure_at, &source.last_failure) {
        (Some(at), Some(why)) => format!("{at}: {why}"),
        (_, _) => String::new(),
    };
    fields(&[
        ("source", source.name.clone()),
        ("id", source.id.clone()),
        ("title", source.title.clone()),
        ("kind", source.kind.clone()),
        ("status", source.status.clone()),
        ("reason", source.reason.clone().unwrap_or_default()),
        ("origin", source.origin.clone()),
        ("base URL", source.base_url.clone()),
        ("auth", auth.join("\n")),
        (
            "private",
            if source.allow_private {
                "allowed for its own host and port"
            } else {
                ""
            }
            .to_owned(),
        ),
        ("repeatable", source.idempotent.join("\n")),
        (
            "hints",
            if source.trust_hints { "trusted" } else { "" }.to_owned(),
        ),
        (
            "questions",
            if source.may_ask {
                ""
            } else {
                "it may ask nobody"
            }
            .to_owned(),
        ),
        ("tools", source.tool_count.to_string()),
        ("to review", unreviewed),
        ("found", found(&source.findings, "\n").trim().to_owned()),
        ("left out", source.warnings.join("\n")),
        ("added", source.created_at.clone()),
        ("refreshed", source.refreshed_at.clone()),
        ("every", source.refresh_every.clone().unwrap_or_default()),
        ("next", source.next_refresh_at.clone().unwrap_or_default()),
        ("last failure", failure),
    ])
}

/// One source, with how it is.
pub(super) fn shown(both: &WithHealth) -> String {
    let calls = &both.health.calls;
    let told = match (calls.p50_ms, calls.p95_ms) {
        (Some(p50), Some(p95)) => format!(
            "{} in {} h, {} failed; half within {p50} ms, 95 % within {p95} ms",
            calls.count, calls.hours, calls.failed
        ),
        (_, _) => format!("none in {} h", calls.hours),
    };
    let reasons: Vec<String> = both
        .health
        .reasons
        .iter()
        .map(|r| format!("{}: {}; {}", r.code, r.message, r.next_step))
        .collect();
    let health = fields(&[("calls", told), ("health", reasons.join("\n"))]);
    format!("{}\n{health}", source(&both.source))
}

/// What was found in texts, each on a line of its own.
pub(super) fn found(findings: &[SourceFinding], before: &str) -> String {
    let mut out = String::new();
    for f in findings.iter().take(FINDINGS_SHOWN) {
        let place = if f.at.is_empty() {
            f.place.clone()
        } else {
            format!("{} {}", f.place, f.at)
        };
        let of = f.tool.as_deref().unwrap_or("the source");
        out.push_str(&format!(
            "{before}{} ({place} of {}): {}: {}",
            f.severity,
            plain(of),
            f.message,
            plain(&f.excerpt)
        ));
    }
    if findings.len() > FINDINGS_SHOWN {
        out.push_str(&format!(
            "{before}and {} more",
            findings.len() - FINDINGS_SHOWN
        ));
    }
    out
}

/// What a source would bring.
pub(super) fn preview(p: &SourcePreview) -> String {
    let taken = if p.name_is_taken {
        " (taken: give another with --name)"
    } else {
        ""
    };
    let risks = format!(
        "{} read, {} write, {} destructive, {} unknown",
        p.risks.read, p.risks.write, p.risks.destructive, p.risks.unknown
    );
    let head = fields(&[
        ("is", p.evidence.clone()),
        ("title", p.title.clone()),
        ("name", format!("{}{taken}", p.name)),
        ("base URL", p.base_url.clone()),
        ("auth", p.auth.join("\n")),
        ("tools", format!("{}: {risks}", p.tool_count)),
        ("found", found(&p.findings, "\n").trim().to_owned()),
        ("left out", p.warnings.join("\n")),
    ]);
    let rows: Vec<Vec<String>> = p
        .tools
        .iter()
        .take(TOOLS_SHOWN)
        .map(|t| {
            let does = brief(&t.description, 60);
            vec![t.path.clone(), t.risk.clone(), t.decision.clone(), does]
        })
        .collect();
    let more = match p.tools.len().saturating_sub(TOOLS_SHOWN) {
        0 => String::new(),
        more => format!("\nand {more} more; --json has them"),
    };
    let tools = table(&["PATH", "RISK", "DECISION", "DOES"], &rows);
    format!("{head}\n\n{tools}{more}\n\nNothing was added.")
}

/// What a refresh changed, or would change.
pub(super) fn refreshed(r: &RefreshReport, dry_run: bool) -> String {
    let word = if dry_run { "would be " } else { "" };
    let of = |kind: &str| -> Vec<&ToolChange> {
        r.changes.iter().filter(|c| c.change == kind).collect()
    };
    let list = |what: &str| {
        let changes = of(what);
        let lines: Vec<String> = changes.iter().map(|c| change(c)).collect();
        format!("{} {word}{what}{}", changes.len(), lines.concat())
    };
    let mut parts = ["added", "removed", "changed"].map(list).to_vec();
    let rules: Vec<String> = r
        .rules
        .iter()
        .map(|rule| {
            let orphaned = if rule.orphaned {
                "; it is about no tool any more"
            } else {
                ""
            };
            format!(
                "\n  {} ({}, {}) is about {} of these{orphaned}",
                rule.rule, rule.level, rule.effect, rule.total
            )
        })
        .collect();
    if !rules.is_empty() {
        parts.push(format!("rules{}", rules.concat()));
    }
    let found = found(&r.source.findings, "\n  ");
    if !found.is_empty() {
        parts.push(format!("found in texts{found}"));
    }
    if let Some(doubt) = &r.doubt {
        parts.push(if dry_run {
            format!("{doubt}: it would not be taken over without --accept")
        } else {
            doubt.clone()
        });
    }
    if r.source.unreviewed > 0 && !dry_run {
        parts.push(format!(
            "{} tools ask until somebody has looked at them: `executor sources review {}`",
            r.source.unreviewed, r.source.name
        ));
    }
    parts.join("\n")
}

fn change(c: &ToolChange) -> String {
    let decision = match (&c.decision_before, &c.decision_after) {
        (Some(before), Some(after)) if before != after => format!(": {before}, then {after}"),
        (_, Some(decision)) | (Some(decision), None) => format!(": {decision}"),
        (None, None) => String::new(),
    };
    let review = if c.unreviewed { ", to review" } else { "" };
    let head = format!("\n  {} ({}){decision}{review}", plain(&c.path), c.risk);
    format!("{head}{}", differences(&c.differences))
}

fn differences(all: &[ToolDifference]) -> String {
    let lines = all.iter().map(|d| {
        format!(
            "\n    {}\n      - {}\n      + {}",
            d.field,
            brief(&d.before, SIDE_CHARS),
            brief(&d.after, SIDE_CHARS)
        )
    });
    lines.collect()
}

/// What is still to be looked at.
pub(super) fn unreviewed(all: &UnreviewedTools) -> String {
    if all.items.is_empty() {
        return format!("nothing in {} waits for somebody to look at it", all.source);
    }
    let lines = all.items.iter().map(|t| {
        format!(
            "{} ({}, {} since {})\n    {}{}{}\n",
            plain(&t.path),
            t.risk,
            t.cause,
            t.since,
            brief(&t.description, SIDE_CHARS),
            differences(&t.differences),
            found(&t.findings, "\n    ")
        )
    });
    format!(
        "{}\n`executor sources review {} --all --revision {}` says that you have looked",
        lines.collect::<String>(),
        all.source,
        all.revision
    )
}

/// What counts as looked at now.
pub(super) fn reviewed(done: &Reviewed) -> String {
    let lines = done.reviewed.iter().map(|p| format!("\n  {}", plain(p)));
    let left = match done.source.unreviewed {
        0 => String::new(),
        some => format!("\n{some} are still to be looked at"),
    };
    format!(
        "{} looked at{}{left}",
        done.reviewed.len(),
        lines.collect::<String>()
    )
}
