//! Policy rules: add, list, edit, move, remove, and what they say to a call.

use super::answer::{Created, Done};
use super::extract::{Input, Who, id};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire::policy as wire;
use api::policies::{NewRule, Policy, PolicyTest, Rule, RuleMove, Verdict};
use axum::Json;
use axum::extract::{Path, State};
use domain::RuleId;
use domain::access::Caller;

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
    let (decision, risk) = app
        .engine
        .test_policy(&caller, &call.tool, call.arguments)
        .await?;
    Ok(Json(wire::verdict(&decision, risk)))
}
