//! What people have granted to clients: list and revoke. Granting is done on a page, in person.

use super::answer::Done;
use super::extract::{Who, id};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::Page;
use api::grants::Grant;
use axum::Json;
use axum::extract::{Path, State};
use domain::GrantId;

/// Lists what was granted to clients: the caller's own, for administrators everybody's.
#[utoipa::path(
    get, path = "/api/v1/grants", operation_id = "listGrants", tag = "grants",
    responses((status = 200, description = "The grants in force, the oldest first", body = Page<Grant>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<Grant>>, Failure> {
    let found = app.engine.grants(&caller).await?;
    Ok(Json(Page {
        items: found.iter().map(wire::people::grant).collect(),
        next_cursor: None,
    }))
}

/// Ends what was granted to a client, at once and for good.
#[utoipa::path(
    delete, path = "/api/v1/grants/{id}", operation_id = "revokeGrant", tag = "grants",
    params(("id" = String, Path, description = "The grant")),
    responses((status = 204, description = "It has ended"), Problems, WriteProblems)
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    Who(caller): Who,
    Path(grant): Path<String>,
) -> Result<Done, Failure> {
    app.engine
        .revoke_grant(&caller, &id::<GrantId>("grant", &grant)?)
        .await?;
    Ok(Done)
}
