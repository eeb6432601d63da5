//! The server itself: who is asking, how it is, links that sign a browser in.

use super::answer::{Created, Readiness};
use super::extract::{Input, Who};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::Page;
use api::system::{
    Example, Health, Me, NewWorkspace, Server, SignInLink, StatusCount, Storage, Workspace,
};
use axum::Json;
use axum::extract::State;
use engine::CheckStatus;
use serde_json::json;

/// Says who the request is taken for.
#[utoipa::path(
    get, path = "/api/v1/me", operation_id = "getMe", tag = "system",
    responses((status = 200, description = "The caller", body = Me), Problems)
)]
pub(crate) async fn me(State(app): State<App>, Who(caller): Who) -> Result<Json<Me>, Failure> {
    Ok(Json(wire::me(&app.engine.me(&caller).await?)))
}

/// Lists the workspaces that the caller may use.
#[utoipa::path(
    get, path = "/api/v1/workspaces", operation_id = "listWorkspaces", tag = "system",
    responses((status = 200, description = "The workspaces", body = Page<Workspace>), Problems)
)]
pub(crate) async fn workspaces(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<Workspace>>, Failure> {
    let found = app.engine.workspaces(&caller).await?;
    Ok(Json(Page {
        items: found
            .iter()
            .map(|w| wire::workspace(&w.workspace, &w.organization_slug))
            .collect(),
        next_cursor: None,
    }))
}

/// Makes a workspace in the caller's organization.
#[utoipa::path(
    post, path = "/api/v1/workspaces", operation_id = "createWorkspace", tag = "system",
    request_body = NewWorkspace,
    responses((status = 201, description = "The workspace", body = Workspace), Problems, WriteProblems)
)]
pub(crate) async fn create_workspace(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewWorkspace>,
) -> Result<Created<Workspace>, Failure> {
    let made = app
        .engine
        .create_workspace(&caller, &new.slug, new.name.as_deref())
        .await?;
    Ok(Created(wire::workspace(
        &made.workspace,
        &made.organization_slug,
    )))
}

/// Looks at the server's parts.
#[utoipa::path(
    get, path = "/api/v1/health", operation_id = "getHealth", tag = "system",
    responses((status = 200, description = "How the parts are", body = Health), Problems)
)]
pub(crate) async fn health(State(app): State<App>, Who(_caller): Who) -> Json<Health> {
    let mut checks = app.engine.health().await;
    // Asks the provider, which readiness does not wait for.
    checks.push(app.engine.sign_in_check().await);
    Json(wire::health(&checks, app.version))
}

/// Lists the servers that share the database, the youngest first.
#[utoipa::path(
    get, path = "/api/v1/servers", operation_id = "listServers", tag = "system",
    responses((status = 200, description = "All servers of which something is known", body = Page<Server>), Problems)
)]
pub(crate) async fn servers(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<Server>>, Failure> {
    let servers = app.engine.servers(&caller).await?;
    Ok(Json(Page {
        items: servers.iter().map(wire::server).collect(),
        next_cursor: None,
    }))
}

/// Says what is kept and how large it is.
#[utoipa::path(
    get, path = "/api/v1/storage", operation_id = "getStorage", tag = "system",
    responses((status = 200, description = "What is kept", body = Storage), Problems)
)]
pub(crate) async fn storage(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Storage>, Failure> {
    let found = app.engine.storage(&caller).await?;
    let tasks = found.tasks.into_iter();
    Ok(Json(Storage {
        database: found.database.to_owned(),
        bytes: found.bytes,
        tasks: tasks
            .map(|(status, count)| StatusCount { status, count })
            .collect(),
        retention_days: found.retention_days,
    }))
}

/// Makes a link that signs a browser in, once.
#[utoipa::path(
    post, path = "/api/v1/sign-in-links", operation_id = "createSignInLink", tag = "system",
    responses((status = 201, description = "The link", body = SignInLink), Problems, WriteProblems)
)]
pub(crate) async fn sign_in_link(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Created<SignInLink>, Failure> {
    let (token, expires_at) = app.engine.create_sign_in_link(&caller).await?;
    let url = format!("{}/sign-in?token={token}", app.engine.public_url());
    Ok(Created(SignInLink {
        url,
        expires_at: expires_at.to_rfc3339(),
    }))
}

/// The process answers.
pub(crate) async fn alive() -> Json<serde_json::Value> {
    Json(json!({ "alive": true }))
}

/// Whether the server can do its work.
pub(crate) async fn ready(State(app): State<App>) -> Readiness {
    let checks = app.engine.health().await;
    let named = |status| {
        let of_status = checks.iter().filter(|check| check.status == status);
        of_status.map(|check| check.name.clone()).collect()
    };
    Readiness {
        ready: wire::is_ready(&checks) && !app.engine.is_draining() && !app.closing.is_cancelled(),
        failing: named(CheckStatus::Problem),
        warning: named(CheckStatus::Warning),
        runtimes: app.engine.runtimes(),
    }
}

/// Shows the example API that comes with the program: add it as a source like any other.
#[utoipa::path(
    get, path = "/api/v1/example", operation_id = "getExample", tag = "system",
    responses((status = 200, description = "The example, where it is offered", body = Example), Problems)
)]
pub(crate) async fn example(State(app): State<App>, Who(_caller): Who) -> Json<Example> {
    let offered = app.example.as_deref().cloned();
    Json(Example { offered })
}
