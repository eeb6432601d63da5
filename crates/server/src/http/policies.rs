//! Policy rules: add, list, edit, move, remove; what they say to a call, did say, and would say; their
//! versions; rules made of an approval.

use super::answer::{Created, Done, page, read_cursor};
use super::extract::{Input, Params, Who, bad_cursor, id, limit};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire::{policy as wire, policy_history as history};
use api::Page;
use api::policies::{NewRule, Policy, PolicyTest, Rule, RuleMove, RuleUsage, Verdict};
use api::policy_history::{
    Backtest, Explanation, NewBacktest, PolicyVersion, PolicyVersionDetail, RulePreview,
    Suggestions,
};
use axum::Json;
use axum::extract::{Path, State};
use domain::access::Caller;
use domain::{ApprovalId, RuleId, TaskId};
use engine::Lasting;
use serde::Deserialize;
use utoipa::IntoParams;

/// Lists all rules in the order in which they are looked at.
#[utoipa::path(
    get, path = "/api/v1/policies", operation_id = "getPolicy", tag = "policies",
    responses((status = 200, description = "The policy", body = Policy), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Policy>, Failure> {
    Ok(Json(wire::policy(&app.engine.policy(&caller).await?)))
}

/// Says how often each rule decided a call of the workspace in the last thirty days, and when last, and
/// which rules never decide because of others.
/// A member's own calls alone are counted where members do not see each other's tasks.
#[utoipa::path(
    get, path = "/api/v1/policies/usage", operation_id = "getRuleUsage", tag = "policies",
    responses((status = 200, description = "The rules that decided", body = RuleUsage), Problems)
)]
pub(crate) async fn usage(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<RuleUsage>, Failure> {
    Ok(Json(wire::usage(&app.engine.rule_usage(&caller).await?)))
}

/// Adds a rule, above broader ones of its level.
#[utoipa::path(
    post, path = "/api/v1/policies", operation_id = "addRule", tag = "policies",
    request_body = NewRule,
    responses((status = 201, description = "The rule", body = Rule), Problems, WriteProblems)
)]
pub(crate) async fn add(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewRule>,
) -> Result<Created<Rule>, Failure> {
    let rule = app.engine.add_rule(&caller, wire::draft(new)?).await?;
    Ok(Created(placed(&app, &caller, &rule.id).await?))
}

/// Replaces the text of a rule; it keeps its place.
#[utoipa::path(
    put, path = "/api/v1/policies/{id}", operation_id = "editRule", tag = "policies",
    params(("id" = String, Path, description = "The rule")), request_body = NewRule,
    responses((status = 200, description = "The rule as it is now", body = Rule), Problems, WriteProblems)
)]
pub(crate) async fn edit(
    State(app): State<App>,
    Who(caller): Who,
    Path(rule): Path<String>,
    Input(new): Input<NewRule>,
) -> Result<Json<Rule>, Failure> {
    let rule = id::<RuleId>("rule", &rule)?;
    app.engine
        .edit_rule(&caller, &rule, wire::draft(new)?)
        .await?;
    Ok(Json(placed(&app, &caller, &rule).await?))
}

/// A rule with its place among the others.
async fn placed(app: &App, caller: &Caller, rule: &RuleId) -> Result<Rule, Failure> {
    let policy = app.engine.policy(caller).await?;
    wire::rule_in(&policy, rule).ok_or_else(|| Failure::not_found("rule", rule.as_str()))
}

/// Removes a rule.
#[utoipa::path(
    delete, path = "/api/v1/policies/{id}", operation_id = "removeRule", tag = "policies",
    params(("id" = String, Path, description = "The rule")),
    responses((status = 204, description = "It is removed"), Problems, WriteProblems)
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Who(caller): Who,
    Path(rule): Path<String>,
) -> Result<Done, Failure> {
    app.engine
        .remove_rule(&caller, &id::<RuleId>("rule", &rule)?)
        .await?;
    Ok(Done)
}

/// Moves a rule to another place in its level.
#[utoipa::path(
    post, path = "/api/v1/policies/{id}/move", operation_id = "moveRule", tag = "policies",
    params(("id" = String, Path, description = "The rule")), request_body = RuleMove,
    responses((status = 200, description = "The policy as it is now", body = Policy), Problems, WriteProblems)
)]
pub(crate) async fn reorder(
    State(app): State<App>,
    Who(caller): Who,
    Path(rule): Path<String>,
    Input(place): Input<RuleMove>,
) -> Result<Json<Policy>, Failure> {
    if place.position == 0 {
        return Err(Failure::invalid("position", "places are counted from 1"));
    }
    let rule = id::<RuleId>("rule", &rule)?;
    let policy = app.engine.move_rule(&caller, &rule, place.position).await?;
    Ok(Json(wire::policy(&policy)))
}

/// Says what policy decides about a call, and why. Nothing is called.
#[utoipa::path(
    post, path = "/api/v1/policies/test", operation_id = "testPolicy", tag = "policies",
    request_body = PolicyTest,
    responses((status = 200, description = "The decision", body = Verdict), Problems, WriteProblems)
)]
pub(crate) async fn test(
    State(app): State<App>,
    Who(caller): Who,
    Input(call): Input<PolicyTest>,
) -> Result<Json<Verdict>, Failure> {
    let instead = call.asked_for.map(history::instead).transpose()?;
    let tested = app
        .engine
        .test_policy(&caller, &call.tool, call.arguments, instead)
        .await?;
    Ok(Json(history::verdict(&tested)))
}

/// Says where a rule would be placed and which tools it would be about. Nothing is stored.
#[utoipa::path(
    post, path = "/api/v1/policies/preview", operation_id = "previewRule", tag = "policies",
    request_body = NewRule,
    responses((status = 200, description = "What it would be about", body = RulePreview), Problems, WriteProblems)
)]
pub(crate) async fn preview(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewRule>,
) -> Result<Json<RulePreview>, Failure> {
    let found = app.engine.preview_rule(&caller, wire::draft(new)?).await?;
    Ok(Json(RulePreview {
        position: found.position,
        total: found.total,
        tools: found.paths,
    }))
}

/// Tries a change of the rules on recorded calls: how many would be decided otherwise, and which.
/// Nothing is changed.
#[utoipa::path(
    post, path = "/api/v1/policies/backtest", operation_id = "backtestPolicy", tag = "policies",
    request_body = NewBacktest,
    responses((status = 200, description = "What the change would do", body = Backtest), Problems, WriteProblems)
)]
pub(crate) async fn backtest(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewBacktest>,
) -> Result<Json<Backtest>, Failure> {
    let (proposal, sample) = history::proposal(new)?;
    let found = app.engine.backtest(&caller, proposal, sample).await?;
    Ok(Json(history::backtest(&found)))
}

/// Which versions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionList {
    /// Where the page before ended.
    cursor: Option<String>,
    /// How many, 1 to 200; 50 by default.
    limit: Option<u32>,
}

/// Lists the changes of the rules, the newest first.
#[utoipa::path(
    get, path = "/api/v1/policies/versions", operation_id = "listPolicyVersions", tag = "policies",
    params(VersionList),
    responses((status = 200, description = "A page of changes", body = Page<PolicyVersion>), Problems)
)]
pub(crate) async fn versions(
    State(app): State<App>,
    Who(caller): Who,
    Params(query): Params<VersionList>,
) -> Result<Json<Page<PolicyVersion>>, Failure> {
    let limit = limit(query.limit)?;
    let before = match query.cursor.as_deref() {
        None => None,
        Some(text) => {
            let number = read_cursor(text).and_then(|text| text.parse::<i64>().ok());
            Some(number.ok_or_else(bad_cursor)?)
        }
    };
    let found = app
        .engine
        .policy_versions(&caller, before, limit + 1)
        .await?;
    Ok(page(
        found,
        limit,
        |v| v.number.to_string(),
        history::version,
    ))
}

/// Shows one version: what was changed, field by field, and all rules as they were after it.
#[utoipa::path(
    get, path = "/api/v1/policies/versions/{version}", operation_id = "getPolicyVersion",
    tag = "policies", params(("version" = i64, Path, description = "The version")),
    responses((status = 200, description = "The version", body = PolicyVersionDetail), Problems)
)]
pub(crate) async fn version(
    State(app): State<App>,
    Who(caller): Who,
    Path(version): Path<String>,
) -> Result<Json<PolicyVersionDetail>, Failure> {
    let number = id::<i64>("version of the policy", &version)?;
    let found = app.engine.policy_version(&caller, number).await?;
    Ok(Json(history::version_detail(&found)))
}

/// Says why a recorded call was decided as it was: the rules that were looked at, as they were then,
/// and the one that decided.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/calls/{sequence}/explain", operation_id = "explainCall",
    tag = "policies",
    params(("id" = String, Path, description = "The task"),
        ("sequence" = u32, Path, description = "The call's number in the task")),
    responses((status = 200, description = "The reason", body = Explanation), Problems)
)]
pub(crate) async fn explain(
    State(app): State<App>,
    Who(caller): Who,
    Path((task, sequence)): Path<(String, String)>,
) -> Result<Json<Explanation>, Failure> {
    let task = id::<TaskId>("task", &task)?;
    let sequence = id::<u32>("call", &sequence)?;
    let found = app.engine.explain_call(&caller, &task, sequence).await?;
    Ok(Json(history::explanation(&found)))
}

/// For which answer to suggest.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SuggestionQuery {
    /// `allow` (the default), to remember a yes, or `deny`, to remember a no.
    effect: Option<String>,
}

/// Suggests rules that would decide calls like this one, exactly as they would be stored, with what
/// they would do to recorded calls. Nothing is stored.
#[utoipa::path(
    get, path = "/api/v1/approvals/{id}/remember", operation_id = "suggestRules",
    tag = "approvals", params(("id" = String, Path, description = "The approval"), SuggestionQuery),
    responses((status = 200, description = "The rules, the narrowest first", body = Suggestions), Problems)
)]
pub(crate) async fn suggest(
    State(app): State<App>,
    Who(caller): Who,
    Path(approval): Path<String>,
    Params(query): Params<SuggestionQuery>,
) -> Result<Json<Suggestions>, Failure> {
    let lasting = match query.effect.as_deref() {
        None | Some("allow") => Lasting::Allow,
        Some("deny") => Lasting::Deny,
        Some(other) => {
            let why = format!("'{other}' is neither allow nor deny");
            return Err(Failure::invalid("effect", why));
        }
    };
    let approval = id::<ApprovalId>("approval", &approval)?;
    let found = app.engine.suggestions(&caller, &approval, lasting).await?;
    Ok(Json(Suggestions {
        items: found.iter().map(history::suggestion).collect(),
    }))
}
