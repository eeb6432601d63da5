//! Sources, what they would bring, what changes in them and how they are → public shapes. Decides
//! nothing.

use super::auth_text;
use api::sources as wire;
use domain::source::{Difference, Finding, Review, Source, SourceStatus};
use domain::tool::Risk;
use domain::{Timestamp, source};
use engine::{Change, RefreshReport, SourceHealth, SourcePreview, WaitingTool};

/// Hours over which calls are shown.
const HOURS: u32 = 24;

/// A source with everything that was found in its texts.
pub(crate) fn one(s: &Source) -> wire::Source {
    wire::Source {
        findings: s.upkeep.findings.iter().map(finding).collect(),
        ..listed(s)
    }
}

/// A source among others.
pub(crate) fn listed(s: &Source) -> wire::Source {
    let reason = match &s.status {
        SourceStatus::Degraded { reason } => Some(reason.clone()),
        SourceStatus::Ready | SourceStatus::Disabled => None,
    };
    let last_failure = s.upkeep.last_failure.as_ref();
    wire::Source {
        id: s.id.to_string(),
        name: s.name.clone(),
        kind: s.kind.as_str().to_owned(),
        title: s.title.clone(),
        status: s.status.as_str().to_owned(),
        reason,
        origin: s.origin.shown(),
        base_url: s.base_url.clone(),
        auth: s.auth.iter().map(auth_text).collect(),
        allow_private: s.allow_private,
        idempotent: s.idempotent.iter().map(|p| p.as_str().to_owned()).collect(),
        trust_hints: s.trust_hints,
        may_ask: s.may_ask,
        tool_count: s.tool_count,
        warnings: s.warnings.clone(),
        created_at: s.created_at.to_rfc3339(),
        refreshed_at: s.refreshed_at.to_rfc3339(),
        refresh_every: s.upkeep.refresh_every.map(source::RefreshEvery::to_text),
        next_refresh_at: next_refresh_at(s),
        failures_in_a_row: s.upkeep.failures,
        last_failure_at: last_failure.map(|f| f.at.to_rfc3339()),
        last_failure: last_failure.map(|f| f.reason.clone()),
        revision: s.upkeep.revision,
        unreviewed: s.upkeep.unreviewed.len(),
        finding_count: s.upkeep.findings.len(),
        findings: Vec::new(),
    }
}

/// A source that is switched off is not read.
fn next_refresh_at(s: &Source) -> Option<String> {
    let on = s.status != SourceStatus::Disabled;
    s.upkeep
        .next_refresh_at
        .filter(|_| on)
        .map(Timestamp::to_rfc3339)
}

fn finding(f: &Finding) -> wire::SourceFinding {
    wire::SourceFinding {
        tool: f.tool.clone(),
        place: f.place.as_str().to_owned(),
        at: f.at.clone(),
        kind: f.kind.as_str().to_owned(),
        message: f.kind.sentence().to_owned(),
        severity: f.severity.as_str().to_owned(),
        excerpt: f.excerpt.clone(),
    }
}

fn differences(all: &[Difference]) -> Vec<wire::ToolDifference> {
    let shown = |d: &Difference| wire::ToolDifference {
        field: d.field.clone(),
        before: d.before.clone(),
        after: d.after.clone(),
    };
    all.iter().map(shown).collect()
}

/// What a source would bring.
pub(crate) fn preview(p: &SourcePreview) -> wire::SourcePreview {
    let s = &p.source;
    let of = |risk: Risk| {
        p.risks
            .iter()
            .find(|(r, _)| *r == risk)
            .map_or(0, |(_, n)| *n)
    };
    let tools = p.tools.iter().map(|t| wire::PreviewedTool {
        path: t.path.clone(),
        description: t.description.clone(),
        risk: t.risk.as_str().to_owned(),
        decision: t.decision.to_owned(),
    });
    wire::SourcePreview {
        name: s.name.clone(),
        name_is_taken: p.name_is_taken,
        kind: s.kind.as_str().to_owned(),
        evidence: p.evidence.clone(),
        title: s.title.clone(),
        origin: s.origin.shown(),
        base_url: s.base_url.clone(),
        auth: s.auth.iter().map(auth_text).collect(),
        tool_count: s.tool_count,
        risks: wire::RiskCounts {
            read: of(Risk::Read),
            write: of(Risk::Write),
            destructive: of(Risk::Destructive),
            unknown: of(Risk::Unknown),
        },
        tools: tools.collect(),
        warnings: s.warnings.clone(),
        findings: s.upkeep.findings.iter().map(finding).collect(),
    }
}

/// What a refresh changed, or would change.
pub(crate) fn report(r: &RefreshReport) -> wire::RefreshReport {
    let changes = r.changes.iter().map(|c| wire::ToolChange {
        path: c.path.clone(),
        change: c.change.as_str().to_owned(),
        risk: c.risk.as_str().to_owned(),
        differences: differences(&c.differences),
        unreviewed: c.review == Review::Unreviewed,
        decision_before: c.before.map(str::to_owned),
        decision_after: c.after.map(str::to_owned),
    });
    let rules = r.rules.iter().map(|rule| wire::RuleTouched {
        rule: rule.rule_id.to_string(),
        level: rule.level.to_owned(),
        effect: rule.effect.to_owned(),
        total: rule.total,
        paths: rule.paths.clone(),
        orphaned: rule.orphaned,
    });
    wire::RefreshReport {
        source: one(&r.source),
        added: r.paths(Change::Added),
        removed: r.paths(Change::Removed),
        changed: r.paths(Change::Changed),
        changes: changes.collect(),
        rules: rules.collect(),
        doubt: r.doubt.clone(),
    }
}

/// The tools of a source that wait for somebody to look at them.
pub(crate) fn unreviewed(s: &Source, waiting: &[WaitingTool]) -> wire::UnreviewedTools {
    let findings = |path: &str| {
        let of_tool = s.upkeep.findings.iter();
        let of_tool = of_tool.filter(|f| f.tool.as_deref().is_none_or(|t| t == path));
        of_tool.map(finding).collect()
    };
    let items = waiting.iter().map(|w| wire::UnreviewedTool {
        path: w.tool.path.clone(),
        cause: w.unreviewed.cause.as_str().to_owned(),
        since: w.unreviewed.since.to_rfc3339(),
        risk: w.tool.risk.as_str().to_owned(),
        description: w.tool.description.clone(),
        differences: differences(&w.unreviewed.differences),
        findings: findings(&w.tool.path),
    });
    wire::UnreviewedTools {
        source: s.name.clone(),
        revision: s.upkeep.revision,
        items: items.collect(),
    }
}

/// How a source is.
pub(crate) fn health(h: &SourceHealth) -> wire::SourceHealth {
    let (s, calls) = (&h.source, &h.calls);
    let last_failure = s.upkeep.last_failure.as_ref();
    let reasons = h.reasons.iter().map(|r| wire::HealthReason {
        code: r.code.to_owned(),
        message: r.message.clone(),
        next_step: r.next_step.clone(),
    });
    wire::SourceHealth {
        source: s.name.clone(),
        status: s.status.as_str().to_owned(),
        reasons: reasons.collect(),
        last_success_at: s.refreshed_at.to_rfc3339(),
        last_failure_at: last_failure.map(|f| f.at.to_rfc3339()),
        last_failure: last_failure.map(|f| f.reason.clone()),
        failures_in_a_row: s.upkeep.failures,
        next_refresh_at: next_refresh_at(s),
        calls: wire::CallsHealth {
            hours: HOURS,
            count: calls.calls,
            failed: calls.failed,
            error_rate: (calls.calls > 0).then(|| calls.failed as f64 / calls.calls as f64),
            p50_ms: calls.percentile_ms(50),
            p95_ms: calls.percentile_ms(95),
            last_success_at: calls.last_success_at.map(Timestamp::to_rfc3339),
            last_failure_at: calls.last_failure.map(|(at, _)| at.to_rfc3339()),
            last_failure: calls.last_failure.map(|(_, code)| code.as_str().to_owned()),
        },
    }
}
