//! Approvals: list, show, approve, deny, say that it happened, answer what a source asks, withdraw,
//! extend, assign. Reading never answers.

use super::answer::page;
use super::extract::{Input, Params, Who, before, id, limit};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::Page;
use api::approvals::{
    Answer, Approval, Assignment, Happened, Input as Entered, Look, Preview, ReadingCall,
    Withdrawal,
};
use axum::Json;
use axum::extract::{Path, State};
use domain::access::Caller;
use domain::approval::Verdict;
use domain::{AccountId, ApprovalId};
use engine::{ApprovalOrder, ApprovalQuery, Besides};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which approvals to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApprovalList {
    /// Only those with this status.
    status: Option<String>,
    /// Only those that somebody looks after: a person's identifier, or `me`.
    assignee: Option<String>,
    /// In which order: `newest` first, as they were asked, by default; `soonest` first, as they
    /// expire.
    order: Option<String>,
    /// Where the page before ended; of a list in the same order.
    cursor: Option<String>,
    /// How many, 1 to 200; 50 by default.
    limit: Option<u32>,
}

/// Lists approvals, the newest first unless another order is asked for.
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
    let order = match query.order.as_deref() {
        None | Some("newest") => ApprovalOrder::Newest,
        Some("soonest") => ApprovalOrder::Soonest,
        Some(_) => return Err(Failure::invalid("order", "expected newest or soonest")),
    };
    let assignee = query.assignee.as_deref();
    let found = ApprovalQuery {
        status: query.status,
        assignee: assignee.map(|text| person(&caller, text)).transpose()?,
        order,
        before: before::<ApprovalId>(query.cursor.as_deref())?,
        limit: limit + 1,
    };
    let found = app.engine.approval_views(&caller, found).await?;
    Ok(page(
        found,
        limit,
        |v| format!("{}:{}", order.time(&v.approval).0, v.approval.id),
        |v| wire::approval_view(v, &caller.workspace_id, app.engine.public_url()),
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
        .approval_view(&caller, &id("approval", &approval)?)
        .await?;
    let (workspace, url) = (&caller.workspace_id, app.engine.public_url());
    Ok(Json(wire::approval_view(&approval, workspace, url)))
}

/// Lets the call be sent, or sent again; where several people must say yes, counts one of them. With
/// `arguments` it is sent with those. Once it is answered, every later answer is a 409.
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
    if answer.stop {
        let why = "a task that is to end has nothing sent; deny the call with `stop`";
        return Err(Failure::invalid("stop", why));
    }
    let verdict = match answer.arguments.clone() {
        None => Verdict::Approve,
        Some(arguments) => Verdict::Edit(arguments),
    };
    decide(&app, &caller, &approval, verdict, answer).await
}

/// Refuses the call; the program learns the reason. A call that may have happened fails with
/// `outcome_unknown`. The first answer counts.
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
    if answer.arguments.is_some() {
        let why = "what is denied is not sent, with no arguments; leave them out";
        return Err(Failure::invalid("arguments", why));
    }
    decide(&app, &caller, &approval, Verdict::Deny, answer).await
}

/// Says that a call of unknown outcome happened, and what it gave: it is not sent again, and the
/// program gets the value. The first answer counts.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/happened", operation_id = "happened", tag = "approvals",
    params(("id" = String, Path, description = "The approval, whose question is `send_again`")),
    request_body = Happened,
    responses((status = 200, description = "The approval as answered", body = Approval), Problems, WriteProblems)
)]
pub(crate) async fn happened(
    State(app): State<App>,
    Who(caller): Who,
    Path(approval): Path<String>,
    Input(said): Input<Happened>,
) -> Result<Json<Approval>, Failure> {
    let answer = Answer {
        reason: said.reason,
        digest: said.digest,
        ..Answer::default()
    };
    let verdict = Verdict::Happened(said.value);
    decide(&app, &caller, &approval, verdict, answer).await
}

/// Answers what a source asks of the person who runs the task: for that person alone, whatever the
/// role of another, and for no key. To refuse is to deny. The first answer counts.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/answer", operation_id = "answerSource", tag = "approvals",
    params(("id" = String, Path, description = "The approval, whose question is `input`")),
    request_body = Entered,
    responses((status = 200, description = "The approval as answered", body = Approval), Problems, WriteProblems)
)]
pub(crate) async fn answer_source(
    State(app): State<App>,
    Who(caller): Who,
    Path(approval): Path<String>,
    Input(entered): Input<Entered>,
) -> Result<Json<Approval>, Failure> {
    let answer = Answer {
        reason: entered.reason,
        digest: entered.digest,
        ..Answer::default()
    };
    let verdict = Verdict::Input(serde_json::Value::Object(entered.content));
    decide(&app, &caller, &approval, verdict, answer).await
}

/// Shows an approval as it would be with other arguments: the exact request, its digest, and who
/// would have to answer. Changes nothing.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/preview", operation_id = "previewApproval", tag = "approvals",
    params(("id" = String, Path, description = "The approval")), request_body = Preview,
    responses((status = 200, description = "The approval as it would be", body = Approval), Problems, WriteProblems)
)]
pub(crate) async fn preview(
    State(app): State<App>,
    Who(caller): Who,
    Path(approval): Path<String>,
    Input(preview): Input<Preview>,
) -> Result<Json<Approval>, Failure> {
    let approval = id::<ApprovalId>("approval", &approval)?;
    let edited = app
        .engine
        .preview_approval(&caller, &approval, preview.arguments)
        .await?;
    Ok(Json(shown(&app, &caller, &edited)))
}

/// Names the call that reads what an approval's call would change, so that a person can look first.
/// Nothing is called.
#[utoipa::path(
    get, path = "/api/v1/approvals/{id}/look", operation_id = "lookBeforeApproval", tag = "approvals",
    params(("id" = String, Path, description = "The approval")),
    responses((status = 200, description = "The call, where there is one", body = Look), Problems)
)]
pub(crate) async fn look(
    State(app): State<App>,
    Who(caller): Who,
    Path(approval): Path<String>,
) -> Result<Json<Look>, Failure> {
    let approval = id::<ApprovalId>("approval", &approval)?;
    let found = app.engine.counterpart(&caller, &approval).await?;
    Ok(Json(Look {
        call: found.map(|call| ReadingCall {
            path: call.path,
            arguments: call.arguments,
            identifying: call.identifying,
        }),
    }))
}

/// Takes a question back, also one that was approved, until it is used. Nothing is sent, and the
/// program is told. For whoever runs the task, and for administrators.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/withdraw", operation_id = "withdraw", tag = "approvals",
    params(("id" = String, Path, description = "The approval")), request_body = Withdrawal,
    responses((status = 200, description = "The approval, withdrawn", body = Approval), Problems, WriteProblems)
)]
pub(crate) async fn withdraw(
    State(app): State<App>,
    Who(caller): Who,
    Path(approval): Path<String>,
    Input(withdrawal): Input<Withdrawal>,
) -> Result<Json<Approval>, Failure> {
    let approval = id::<ApprovalId>("approval", &approval)?;
    let reason = withdrawal.reason.unwrap_or_default();
    let withdrawn = app
        .engine
        .withdraw_approval(&caller, &approval, reason)
        .await?;
    Ok(Json(shown(&app, &caller, &withdrawn)))
}

/// Gives a pending question its own time once more, counted from when it would have expired. For those
/// who may answer it, in person, and once: after that it is a 409 that says who did it.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/extend", operation_id = "extendApproval", tag = "approvals",
    params(("id" = String, Path, description = "The approval")),
    responses((status = 200, description = "The approval with more time", body = Approval), Problems, WriteProblems)
)]
pub(crate) async fn extend(
    State(app): State<App>,
    Who(caller): Who,
    Path(approval): Path<String>,
) -> Result<Json<Approval>, Failure> {
    let approval = id::<ApprovalId>("approval", &approval)?;
    let extended = app.engine.extend_approval(&caller, &approval).await?;
    Ok(Json(shown(&app, &caller, &extended)))
}

/// Says who looks after a pending question: one of those who may answer it, or nobody. It changes
/// nothing about who may answer, and is for those who may, in person.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/assign", operation_id = "assignApproval", tag = "approvals",
    params(("id" = String, Path, description = "The approval")), request_body = Assignment,
    responses((status = 200, description = "The approval as assigned", body = Approval), Problems, WriteProblems)
)]
pub(crate) async fn assign(
    State(app): State<App>,
    Who(caller): Who,
    Path(approval): Path<String>,
    Input(assignment): Input<Assignment>,
) -> Result<Json<Approval>, Failure> {
    let approval = id::<ApprovalId>("approval", &approval)?;
    let to = match assignment.assignee.as_str() {
        "nobody" => None,
        text => Some(person(&caller, text)?),
    };
    let assigned = app.engine.assign_approval(&caller, &approval, to).await?;
    Ok(Json(shown(&app, &caller, &assigned)))
}

/// A person by identifier, or `me`.
fn person(caller: &Caller, text: &str) -> Result<AccountId, Failure> {
    if text == "me" {
        return Ok(caller.account_id.clone());
    }
    AccountId::parse(text).map_err(|_| {
        Failure::invalid(
            "assignee",
            "expected `me` or a person's identifier, `acct_…`",
        )
    })
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
        .answer_and_more(
            caller,
            &approval,
            (verdict, reason),
            answer.digest,
            Besides {
                remember,
                ends_task: answer.stop,
            },
        )
        .await?;
    Ok(Json(shown(app, caller, &answered)))
}

/// An approval as it is shown to a caller.
fn shown(app: &App, caller: &Caller, approval: &domain::approval::Approval) -> Approval {
    wire::approval(approval, &caller.workspace_id, app.engine.public_url())
}
