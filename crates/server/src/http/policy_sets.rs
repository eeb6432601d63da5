//! Policy sets: make, describe, change their rules, assign them and take that back.
//!
//! What an assignment or a change would do to recorded calls is asked of `policies/backtest`, as for
//! rules.

use super::answer::{Created, Done};
use super::extract::{Input, Who, id};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire::policy_sets as wire;
use api::Page;
use api::policies::{NewRule, RuleMove};
use api::policy_sets::{
    NewAssignment, NewPolicySet, PolicySet, PolicySetSummary, SetAssignment, SetRule,
};
use axum::Json;
use axum::extract::{Path, State};
use domain::access::Caller;
use domain::{AssignmentId, PolicySetId, SetRuleId};
use engine::SetEdit;

/// Lists the policy sets of the organization by name. Whoever is no administrator sees those that bind
/// them in this workspace.
#[utoipa::path(
    get, path = "/api/v1/policies/sets", operation_id = "listPolicySets", tag = "policies",
    responses((status = 200, description = "The sets", body = Page<PolicySetSummary>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<PolicySetSummary>>, Failure> {
    let found = app.engine.policy_sets(&caller).await?;
    Ok(Json(Page {
        items: found.iter().map(wire::summary).collect(),
        next_cursor: None,
    }))
}

/// Makes a policy set without rules. It binds nobody until it is assigned.
#[utoipa::path(
    post, path = "/api/v1/policies/sets", operation_id = "createPolicySet", tag = "policies",
    request_body = NewPolicySet,
    responses((status = 201, description = "The set", body = PolicySet), Problems, WriteProblems)
)]
pub(crate) async fn create(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewPolicySet>,
) -> Result<Created<PolicySet>, Failure> {
    let draft = wire::set_draft(new);
    let made = app.engine.create_policy_set(&caller, draft).await?;
    Ok(Created(wire::policy_set(&made)))
}

/// Shows a policy set with its rules and whom it binds.
#[utoipa::path(
    get, path = "/api/v1/policies/sets/{id}", operation_id = "getPolicySet", tag = "policies",
    params(("id" = String, Path, description = "The set")),
    responses((status = 200, description = "The set", body = PolicySet), Problems)
)]
pub(crate) async fn show(
    State(app): State<App>,
    Who(caller): Who,
    Path(set): Path<String>,
) -> Result<Json<PolicySet>, Failure> {
    let found = app.engine.policy_set(&caller, &set_id(&set)?).await?;
    Ok(Json(wire::policy_set(&found)))
}

/// Gives a policy set another name and description.
#[utoipa::path(
    put, path = "/api/v1/policies/sets/{id}", operation_id = "describePolicySet", tag = "policies",
    params(("id" = String, Path, description = "The set")), request_body = NewPolicySet,
    responses((status = 200, description = "The set as it is now", body = PolicySet), Problems, WriteProblems)
)]
pub(crate) async fn describe(
    State(app): State<App>,
    Who(caller): Who,
    Path(set): Path<String>,
    Input(new): Input<NewPolicySet>,
) -> Result<Json<PolicySet>, Failure> {
    let (set, draft) = (set_id(&set)?, wire::set_draft(new));
    let found = app.engine.describe_policy_set(&caller, &set, draft).await?;
    Ok(Json(wire::policy_set(&found)))
}

/// Deletes a policy set with its rules. One that is assigned is not deleted before that is taken back.
#[utoipa::path(
    delete, path = "/api/v1/policies/sets/{id}", operation_id = "deletePolicySet", tag = "policies",
    params(("id" = String, Path, description = "The set")),
    responses((status = 204, description = "It is deleted"), Problems, WriteProblems)
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Who(caller): Who,
    Path(set): Path<String>,
) -> Result<Done, Failure> {
    app.engine
        .delete_policy_set(&caller, &set_id(&set)?)
        .await?;
    Ok(Done)
}

/// Adds a rule to a policy set, above broader ones, and wherever the set is assigned.
#[utoipa::path(
    post, path = "/api/v1/policies/sets/{id}/rules", operation_id = "addSetRule", tag = "policies",
    params(("id" = String, Path, description = "The set")), request_body = NewRule,
    responses((status = 201, description = "The rule", body = SetRule), Problems, WriteProblems)
)]
pub(crate) async fn add_rule(
    State(app): State<App>,
    Who(caller): Who,
    Path(set): Path<String>,
    Input(new): Input<NewRule>,
) -> Result<Created<SetRule>, Failure> {
    let edit = SetEdit::Add(wire::set_rule(new)?);
    Ok(Created(changed(&app, &caller, &set, edit).await?.1))
}

/// Replaces the text of a rule of a policy set, wherever the set is assigned; it keeps its place.
#[utoipa::path(
    put, path = "/api/v1/policies/sets/{id}/rules/{rule}", operation_id = "editSetRule", tag = "policies",
    params(("id" = String, Path, description = "The set"),
        ("rule" = String, Path, description = "The rule of the set, as `srule_…`")),
    request_body = NewRule,
    responses((status = 200, description = "The rule as it is now", body = SetRule), Problems, WriteProblems)
)]
pub(crate) async fn edit_rule(
    State(app): State<App>,
    Who(caller): Who,
    Path((set, rule)): Path<(String, String)>,
    Input(new): Input<NewRule>,
) -> Result<Json<SetRule>, Failure> {
    let edit = SetEdit::Edit(rule_id(&rule)?, wire::set_rule(new)?);
    Ok(Json(changed(&app, &caller, &set, edit).await?.1))
}

/// Removes a rule from a policy set, and wherever the set is assigned.
#[utoipa::path(
    delete, path = "/api/v1/policies/sets/{id}/rules/{rule}", operation_id = "removeSetRule",
    tag = "policies",
    params(("id" = String, Path, description = "The set"),
        ("rule" = String, Path, description = "The rule of the set, as `srule_…`")),
    responses((status = 204, description = "It is removed"), Problems, WriteProblems)
)]
pub(crate) async fn remove_rule(
    State(app): State<App>,
    Who(caller): Who,
    Path((set, rule)): Path<(String, String)>,
) -> Result<Done, Failure> {
    let edit = SetEdit::Remove(rule_id(&rule)?);
    app.engine
        .change_policy_set(&caller, &set_id(&set)?, edit)
        .await?;
    Ok(Done)
}

/// Moves a rule to another place in its policy set, wherever the set is assigned.
#[utoipa::path(
    post, path = "/api/v1/policies/sets/{id}/rules/{rule}/move", operation_id = "moveSetRule",
    tag = "policies",
    params(("id" = String, Path, description = "The set"),
        ("rule" = String, Path, description = "The rule of the set, as `srule_…`")),
    request_body = RuleMove,
    responses((status = 200, description = "The set as it is now", body = PolicySet), Problems, WriteProblems)
)]
pub(crate) async fn move_rule(
    State(app): State<App>,
    Who(caller): Who,
    Path((set, rule)): Path<(String, String)>,
    Input(place): Input<RuleMove>,
) -> Result<Json<PolicySet>, Failure> {
    if place.position == 0 {
        return Err(Failure::invalid("position", "places are counted from 1"));
    }
    let edit = SetEdit::Move(rule_id(&rule)?, place.position);
    Ok(Json(changed(&app, &caller, &set, edit).await?.0))
}

/// Assigns a policy set: its rules become rules of that level at once, as a layer of their own.
#[utoipa::path(
    post, path = "/api/v1/policies/sets/{id}/assignments", operation_id = "assignPolicySet",
    tag = "policies",
    params(("id" = String, Path, description = "The set")), request_body = NewAssignment,
    responses((status = 201, description = "The assignment", body = SetAssignment), Problems, WriteProblems)
)]
pub(crate) async fn assign(
    State(app): State<App>,
    Who(caller): Who,
    Path(set): Path<String>,
    Input(new): Input<NewAssignment>,
) -> Result<Created<SetAssignment>, Failure> {
    let (set, to) = (set_id(&set)?, wire::assign_to("", &new)?);
    let made = app.engine.assign_policy_set(&caller, &set, to).await?;
    Ok(Created(wire::assignment(&made)))
}

/// Takes an assignment of a policy set back: the rules that it brought go.
#[utoipa::path(
    delete, path = "/api/v1/policies/sets/{id}/assignments/{assignment}",
    operation_id = "unassignPolicySet", tag = "policies",
    params(("id" = String, Path, description = "The set"),
        ("assignment" = String, Path, description = "The assignment, as `asgn_…`")),
    responses((status = 204, description = "It binds nobody any more"), Problems, WriteProblems)
)]
pub(crate) async fn unassign(
    State(app): State<App>,
    Who(caller): Who,
    Path((set, assignment)): Path<(String, String)>,
) -> Result<Done, Failure> {
    let assignment = id::<AssignmentId>("assignment of this policy set", &assignment)?;
    app.engine
        .unassign_policy_set(&caller, &set_id(&set)?, &assignment)
        .await?;
    Ok(Done)
}

fn set_id(text: &str) -> Result<PolicySetId, Failure> {
    id("policy set", text)
}

fn rule_id(text: &str) -> Result<SetRuleId, Failure> {
    id("rule of this policy set", text)
}

/// Makes a change of the rules of a set; answers the set, and the rule at its place.
async fn changed(
    app: &App,
    caller: &Caller,
    set: &str,
    edit: SetEdit,
) -> Result<(PolicySet, SetRule), Failure> {
    let set = set_id(set)?;
    let (view, rule) = app.engine.change_policy_set(caller, &set, edit).await?;
    let place = view.set.place(&rule.id).unwrap_or_default();
    Ok((wire::policy_set(&view), wire::shown_rule(&rule, place + 1)))
}
