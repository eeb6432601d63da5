//! Approvals: list, show, approve, deny. Reading one never answers it.

use super::answer::page;
use super::extract::{Input, Params, Who, before, id, limit};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::Page;
use api::approvals::{Answer, Approval};
use axum::Json;
use axum::extract::{Path, State};
use domain::ApprovalId;
use domain::access::Caller;
use domain::approval::Verdict;
use engine::ApprovalQuery;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which approvals to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApprovalList {
    /// Only those with this status.
    status: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// How many, 1 to 200; 50 by default.
    limit: Option<u32>,
}

/// Lists approvals, the newest first.
#[utoipa::path(
    get, path = "/api/v1/approvals", operation_id = "listApprovals", tag = "approvals",
    params(ApprovalList),
    responses((status = 200, description = "A page of approvals", body = Page<Approval>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Params(query): Params<ApprovalList>,
) -> Result<Json<Page<Approval>>, Failure> {
    let limit = limit(query.limit)?;
    let found = ApprovalQuery {
        status: query.status,
        before: before::<ApprovalId>(query.cursor.as_deref())?,
        limit: limit + 1,
    };
    let found = app.engine.approvals(&caller, found).await?;
    Ok(page(
        found,
        limit,
        |a| format!("{}:{}", a.created_at.0, a.id),
        |a| wire::approval(a, app.engine.public_url()),
    ))
}

/// Shows an approval with the arguments and the request exactly as they will be sent.
#[utoipa::path(
    get, path = "/api/v1/approvals/{id}", operation_id = "getApproval", tag = "approvals",
    params(("id" = String, Path, description = "The approval")),
    responses((status = 200, description = "The approval", body = Approval), Problems)
)]
pub(crate) async fn show(
    State(app): State<App>,
    Who(caller): Who,
    Path(approval): Path<String>,
) -> Result<Json<Approval>, Failure> {
    let approval = app
        .engine
        .approval(&caller, &id("approval", &approval)?)
        .await?;
    Ok(Json(wire::approval(&approval, app.engine.public_url())))
}

/// Lets the call be sent. The first answer counts; every later one is a 409.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/approve", operation_id = "approve", tag = "approvals",
    params(("id" = String, Path, description = "The approval")), request_body = Answer,
    responses((status = 200, description = "The approval as answered", body = Approval), Problems, WriteProblems)
)]
pub(crate) async fn approve(
    State(app): State<App>,
    Who(caller): Who,
    Path(approval): Path<String>,
    Input(answer): Input<Answer>,
) -> Result<Json<Approval>, Failure> {
    decide(&app, &caller, &approval, Verdict::Approve, answer).await
}

/// Refuses the call; the program learns the reason. The first answer counts.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/deny", operation_id = "deny", tag = "approvals",
    params(("id" = String, Path, description = "The approval")), request_body = Answer,
    responses((status = 200, description = "The approval as answered", body = Approval), Problems, WriteProblems)
)]
pub(crate) async fn deny(
    State(app): State<App>,
    Who(caller): Who,
    Path(approval): Path<String>,
    Input(answer): Input<Answer>,
) -> Result<Json<Approval>, Failure> {
    decide(&app, &caller, &approval, Verdict::Deny, answer).await
}

async fn decide(
    app: &App,
    caller: &Caller,
    approval: &str,
    verdict: Verdict,
    answer: Answer,
) -> Result<Json<Approval>, Failure> {
    let approval = id::<ApprovalId>("approval", approval)?;
    let reason = answer.reason.unwrap_or_default();
    let remember = answer.remember.map(wire::policy::draft).transpose()?;
    let answered = app
        .engine
        .answer_and_remember(
            caller,
            &approval,
            (verdict, reason),
            answer.digest,
            remember,
        )
        .await?;
    Ok(Json(wire::approval(&answered, app.engine.public_url())))
}
