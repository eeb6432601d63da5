//! Checking a program without running it.

use super::extract::{Input, Who, here};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use api::check::{Check, Finding, Forecast, NewCheck, TypeFinding};
use axum::Json;
use axum::extract::{Path, State};
use engine::{Report, Types};

/// Checks a program against the catalog, and says what policy would decide about the calls that its
/// text shows. Nothing is run, recorded or sent. A syntax error is a finding.
#[utoipa::path(
    post, path = "/api/v1/workspaces/{workspace}/check", operation_id = "checkProgram", tag = "tasks",
    params(("workspace" = String, Path, description = "The workspace: its identifier or short name")),
    request_body = NewCheck,
    responses((status = 200, description = "What was found", body = Check), Problems, WriteProblems)
)]
pub(crate) async fn check(
    State(app): State<App>,
    Who(caller): Who,
    Path(workspace): Path<String>,
    Input(new): Input<NewCheck>,
) -> Result<Json<Check>, Failure> {
    here(&app, &caller, &workspace).await?;
    let types = match new.types {
        Some(true) => Types::Check,
        Some(false) | None => Types::Erase,
    };
    let report = app.engine.check_program(&caller, &new.code, types).await?;
    Ok(Json(shown(report)))
}

fn shown(report: Report) -> Check {
    let findings = report.findings.into_iter().map(|f| Finding {
        severity: f.severity.as_str().to_owned(),
        code: f.code.to_owned(),
        message: f.message,
        line: f.place.line,
        column: f.place.column,
        tool: f.tool,
        suggestions: f.suggestions,
        excerpt: f.excerpt,
    });
    let forecast = report.forecast.into_iter().map(|f| Forecast {
        tool: f.tool,
        line: f.place.line,
        column: f.place.column,
        risk: f.risk.as_str().to_owned(),
        decision: match f.decisions.as_slice() {
            [only] => (*only).to_owned(),
            _ => "depends".to_owned(),
        },
        decisions: f.decisions.into_iter().map(str::to_owned).collect(),
        rule: f.rule_id.map(|id| id.to_string()),
        reason: f.reason,
    });
    let types = report.types.map(|found| {
        let found = found.into_iter().map(|f| TypeFinding {
            code: f.code,
            message: f.message,
            line: f.line,
            column: f.column,
        });
        found.collect()
    });
    Check {
        findings: findings.collect(),
        forecast: forecast.collect(),
        types,
    }
}
