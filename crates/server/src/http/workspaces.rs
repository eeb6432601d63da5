//! Workspaces: list, make, change, delete, restore, and the members that a restricted one names.

use super::answer::{Created, Done};
use super::extract::{Input, Params, Who, Whoever, id};
use super::organizations::Sure;
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire::{self, people};
use api::Page;
use api::members::Member;
use api::system::{NewWorkspace, NewWorkspaceMember, Workspace, WorkspaceChange};
use axum::Json;
use axum::extract::{Path, State};
use domain::AccountId;
use domain::tenancy::Access;

fn shown(w: &engine::ReachedWorkspace) -> Workspace {
    wire::workspace(&w.workspace, &w.organization_slug)
}

/// Lists the workspaces that the caller may use, of all their organizations.
#[utoipa::path(
    get, path = "/api/v1/workspaces", operation_id = "listWorkspaces", tag = "organizations",
    responses((status = 200, description = "The workspaces", body = Page<Workspace>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<Workspace>>, Failure> {
    let found = app.engine.workspaces(&caller).await?;
    Ok(Json(Page {
        items: found.iter().map(shown).collect(),
        next_cursor: None,
    }))
}

/// Lists the workspaces that were deleted and that the person who asks may still restore.
#[utoipa::path(
    get, path = "/api/v1/deleted-workspaces", operation_id = "listDeletedWorkspaces", tag = "organizations",
    responses((status = 200, description = "The workspaces", body = Page<Workspace>), Problems)
)]
pub(crate) async fn deleted(
    State(app): State<App>,
    Whoever(person): Whoever,
) -> Result<Json<Page<Workspace>>, Failure> {
    let found = app.engine.deleted_workspaces(&person).await?;
    Ok(Json(Page {
        items: found.iter().map(shown).collect(),
        next_cursor: None,
    }))
}

/// Makes a workspace in the caller's organization.
#[utoipa::path(
    post, path = "/api/v1/workspaces", operation_id = "createWorkspace", tag = "organizations",
    request_body = NewWorkspace,
    responses((status = 201, description = "The workspace", body = Workspace), Problems, WriteProblems)
)]
pub(crate) async fn create(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewWorkspace>,
) -> Result<Created<Workspace>, Failure> {
    let access = new
        .access
        .as_deref()
        .map_or(Ok(Access::Open), people::access)?;
    let made = app
        .engine
        .create_workspace(&caller, &new.slug, new.name.as_deref(), access)
        .await?;
    Ok(Created(shown(&made)))
}

/// Changes the names of a workspace, and whom it lets in.
#[utoipa::path(
    patch, path = "/api/v1/workspaces/{workspace}", operation_id = "changeWorkspace", tag = "organizations",
    params(("workspace" = String, Path, description = "The workspace: its identifier, short name, or organization/workspace")),
    request_body = WorkspaceChange,
    responses((status = 200, description = "The workspace", body = Workspace), Problems, WriteProblems)
)]
pub(crate) async fn change(
    State(app): State<App>,
    Who(caller): Who,
    Path(workspace): Path<String>,
    Input(change): Input<WorkspaceChange>,
) -> Result<Json<Workspace>, Failure> {
    // Named from where the caller is: `?workspace=` may say which organization that is.
    let caller = app.engine.enter_workspace(&caller, &workspace).await?;
    let change = engine::WorkspaceChange {
        name: change.name,
        slug: change.slug,
        access: change.access.as_deref().map(people::access).transpose()?,
    };
    let changed = app.engine.change_workspace(&caller, change).await?;
    Ok(Json(shown(&changed)))
}

/// Deletes a workspace with everything in it. At once nobody reaches it and nothing runs in it; it can
/// be taken back until its time is over.
#[utoipa::path(
    delete, path = "/api/v1/workspaces/{workspace}", operation_id = "deleteWorkspace", tag = "organizations",
    params(("workspace" = String, Path, description = "The workspace: its identifier, short name, or organization/workspace"), Sure),
    responses((status = 200, description = "The workspace, as it is until it is gone", body = Workspace), Problems, WriteProblems)
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Who(caller): Who,
    Path(workspace): Path<String>,
    Params(sure): Params<Sure>,
) -> Result<Json<Workspace>, Failure> {
    // Named from where the caller is: `?workspace=` may say which organization that is.
    let caller = app.engine.enter_workspace(&caller, &workspace).await?;
    let deleted = app
        .engine
        .delete_workspace(&caller, sure.confirm.as_deref(), sure.grace_days)
        .await?;
    Ok(Json(shown(&deleted)))
}

/// Takes the deletion of a workspace back.
#[utoipa::path(
    post, path = "/api/v1/deleted-workspaces/{id}/restore", operation_id = "restoreWorkspace", tag = "organizations",
    params(("id" = String, Path, description = "The workspace: its identifier, organization/workspace, or a short name that only one deleted workspace has")),
    responses((status = 200, description = "The workspace", body = Workspace), Problems, WriteProblems)
)]
pub(crate) async fn restore(
    State(app): State<App>,
    Whoever(person): Whoever,
    Path(workspace): Path<String>,
) -> Result<Json<Workspace>, Failure> {
    let restored = app.engine.restore_workspace(&person, &workspace).await?;
    Ok(Json(shown(&restored)))
}

/// Lists the members that a workspace names. While it is restricted they reach it, beside
/// administrators and owners.
#[utoipa::path(
    get, path = "/api/v1/workspaces/{workspace}/members", operation_id = "listWorkspaceMembers", tag = "organizations",
    params(("workspace" = String, Path, description = "The workspace: its identifier, short name, or organization/workspace")),
    responses((status = 200, description = "The members", body = Page<Member>), Problems)
)]
pub(crate) async fn members(
    State(app): State<App>,
    Who(caller): Who,
    Path(workspace): Path<String>,
) -> Result<Json<Page<Member>>, Failure> {
    // Named from where the caller is: `?workspace=` may say which organization that is.
    let caller = app.engine.enter_workspace(&caller, &workspace).await?;
    let found = app.engine.workspace_members(&caller).await?;
    Ok(Json(Page {
        items: found.iter().map(people::member).collect(),
        next_cursor: None,
    }))
}

/// Names a member of the organization in a workspace.
#[utoipa::path(
    post, path = "/api/v1/workspaces/{workspace}/members", operation_id = "addWorkspaceMember", tag = "organizations",
    params(("workspace" = String, Path, description = "The workspace: its identifier, short name, or organization/workspace")),
    request_body = NewWorkspaceMember,
    responses((status = 201, description = "The member", body = Member), Problems, WriteProblems)
)]
pub(crate) async fn add_member(
    State(app): State<App>,
    Who(caller): Who,
    Path(workspace): Path<String>,
    Input(new): Input<NewWorkspaceMember>,
) -> Result<Created<Member>, Failure> {
    // Named from where the caller is: `?workspace=` may say which organization that is.
    let caller = app.engine.enter_workspace(&caller, &workspace).await?;
    let member = id::<AccountId>("member", &new.member)?;
    let member = app.engine.name_workspace_member(&caller, &member).await?;
    Ok(Created(people::member(&member)))
}

/// Names a member in a workspace no longer.
#[utoipa::path(
    delete, path = "/api/v1/workspaces/{workspace}/members/{id}", operation_id = "removeWorkspaceMember", tag = "organizations",
    params(("workspace" = String, Path, description = "The workspace: its identifier, short name, or organization/workspace"),
        ("id" = String, Path, description = "The member")),
    responses((status = 204, description = "The workspace does not name the member any more"), Problems, WriteProblems)
)]
pub(crate) async fn remove_member(
    State(app): State<App>,
    Who(caller): Who,
    Path((workspace, member)): Path<(String, String)>,
) -> Result<Done, Failure> {
    // Named from where the caller is: `?workspace=` may say which organization that is.
    let caller = app.engine.enter_workspace(&caller, &workspace).await?;
    let member = id::<AccountId>("member", &member)?;
    app.engine.unname_workspace_member(&caller, &member).await?;
    Ok(Done)
}
