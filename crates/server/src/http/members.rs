//! Members of the organization: add, list, change, remove.

use super::answer::{Created, Done};
use super::extract::{Input, Who, id};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire::people;
use api::Page;
use api::members::{Member, MemberChange, NewMember};
use axum::Json;
use axum::extract::{Path, State};
use domain::AccountId;
use domain::tenancy::Role;

/// Adds a person, who works through keys until they can sign in.
#[utoipa::path(
    post, path = "/api/v1/members", operation_id = "addMember", tag = "members",
    request_body = NewMember,
    responses((status = 201, description = "The member", body = Member), Problems, WriteProblems)
)]
pub(crate) async fn add(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewMember>,
) -> Result<Created<Member>, Failure> {
    let role = new.role.as_deref().map_or(Ok(Role::Member), people::role)?;
    let member = app.engine.add_member(&caller, &new.name, role).await?;
    Ok(Created(people::member(&member)))
}

/// Lists the members of the organization.
#[utoipa::path(
    get, path = "/api/v1/members", operation_id = "listMembers", tag = "members",
    responses((status = 200, description = "The members, the oldest first", body = Page<Member>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<Member>>, Failure> {
    let found = app.engine.members(&caller).await?;
    Ok(Json(Page {
        items: found.iter().map(people::member).collect(),
        next_cursor: None,
    }))
}

/// Changes a member's role or name.
#[utoipa::path(
    patch, path = "/api/v1/members/{id}", operation_id = "changeMember", tag = "members",
    params(("id" = String, Path, description = "The member")),
    request_body = MemberChange,
    responses((status = 200, description = "The member", body = Member), Problems, WriteProblems)
)]
pub(crate) async fn change(
    State(app): State<App>,
    Who(caller): Who,
    Path(member): Path<String>,
    Input(change): Input<MemberChange>,
) -> Result<Json<Member>, Failure> {
    let change = engine::MemberChange {
        role: change.role.as_deref().map(people::role).transpose()?,
        name: change.name,
    };
    let member = id::<AccountId>("member", &member)?;
    let member = app.engine.change_member(&caller, &member, change).await?;
    Ok(Json(people::member(&member)))
}

/// Leaves the caller's organization, and ends the caller's keys there.
#[utoipa::path(
    delete, path = "/api/v1/members/me", operation_id = "leaveOrganization", tag = "members",
    responses((status = 204, description = "The person is no member any more"), Problems, WriteProblems)
)]
pub(crate) async fn leave(State(app): State<App>, Who(caller): Who) -> Result<Done, Failure> {
    app.engine.leave_organization(&caller).await?;
    Ok(Done)
}

/// Removes a member, and their keys.
#[utoipa::path(
    delete, path = "/api/v1/members/{id}", operation_id = "removeMember", tag = "members",
    params(("id" = String, Path, description = "The member")),
    responses((status = 204, description = "The person is no member any more"), Problems, WriteProblems)
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Who(caller): Who,
    Path(member): Path<String>,
) -> Result<Done, Failure> {
    app.engine
        .remove_member(&caller, &id::<AccountId>("member", &member)?)
        .await?;
    Ok(Done)
}
