//! Organizations of the person who asks: make, list, rename, delete, restore. No key does any of it.

use super::answer::Created;
use super::extract::{Input, Params, Whoever};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire::people;
use api::Page;
use api::organizations::{NewOrganization, OrganizationChange, OwnOrganization};
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;

/// How sure somebody is who deletes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct Sure {
    /// The short name of what is to go, typed to confirm.
    pub(crate) confirm: Option<String>,
    /// For how many days it can be taken back: 30 by default, 90 at most, 0 for not at all.
    pub(crate) grace_days: Option<u32>,
}

/// Lists the organizations of the person who asks. What was deleted is shown to its owners until it
/// is removed for good.
#[utoipa::path(
    get, path = "/api/v1/organizations", operation_id = "listOrganizations", tag = "organizations",
    responses((status = 200, description = "The organizations, in the order in which the person joined", body = Page<OwnOrganization>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Whoever(person): Whoever,
) -> Result<Json<Page<OwnOrganization>>, Failure> {
    let found = app.engine.organizations(&person).await?;
    Ok(Json(Page {
        items: found.iter().map(people::own_organization).collect(),
        next_cursor: None,
    }))
}

/// Makes an organization with a first workspace, and the person who asks its owner.
#[utoipa::path(
    post, path = "/api/v1/organizations", operation_id = "createOrganization", tag = "organizations",
    request_body = NewOrganization,
    responses((status = 201, description = "The organization", body = OwnOrganization), Problems, WriteProblems)
)]
pub(crate) async fn create(
    State(app): State<App>,
    Whoever(person): Whoever,
    Input(new): Input<NewOrganization>,
) -> Result<Created<OwnOrganization>, Failure> {
    let made = app
        .engine
        .create_organization(&person, &new.name, new.slug.as_deref())
        .await?;
    Ok(Created(people::own_organization(&made)))
}

/// Gives an organization other names.
#[utoipa::path(
    patch, path = "/api/v1/organizations/{id}", operation_id = "changeOrganization", tag = "organizations",
    params(("id" = String, Path, description = "The organization: its identifier or short name")),
    request_body = OrganizationChange,
    responses((status = 200, description = "The organization", body = OwnOrganization), Problems, WriteProblems)
)]
pub(crate) async fn change(
    State(app): State<App>,
    Whoever(person): Whoever,
    Path(organization): Path<String>,
    Input(change): Input<OrganizationChange>,
) -> Result<Json<OwnOrganization>, Failure> {
    let change = engine::NameChange {
        name: change.name,
        slug: change.slug,
    };
    let changed = app
        .engine
        .rename_organization(&person, &organization, change)
        .await?;
    Ok(Json(people::own_organization(&changed)))
}

/// Deletes an organization with everything in it. At once nobody reaches it and nothing runs in it;
/// it can be taken back until its time is over.
#[utoipa::path(
    delete, path = "/api/v1/organizations/{id}", operation_id = "deleteOrganization", tag = "organizations",
    params(("id" = String, Path, description = "The organization: its identifier or short name"), Sure),
    responses((status = 200, description = "The organization, as it is until it is gone", body = OwnOrganization), Problems, WriteProblems)
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Whoever(person): Whoever,
    Path(organization): Path<String>,
    Params(sure): Params<Sure>,
) -> Result<Json<OwnOrganization>, Failure> {
    let confirm = sure.confirm.as_deref();
    let deleted = app
        .engine
        .delete_organization(&person, &organization, confirm, sure.grace_days)
        .await?;
    Ok(Json(people::own_organization(&deleted)))
}

/// Takes the deletion of an organization back.
#[utoipa::path(
    post, path = "/api/v1/organizations/{id}/restore", operation_id = "restoreOrganization", tag = "organizations",
    params(("id" = String, Path, description = "The organization: its identifier or short name")),
    responses((status = 200, description = "The organization", body = OwnOrganization), Problems, WriteProblems)
)]
pub(crate) async fn restore(
    State(app): State<App>,
    Whoever(person): Whoever,
    Path(organization): Path<String>,
) -> Result<Json<OwnOrganization>, Failure> {
    let restored = app
        .engine
        .restore_organization(&person, &organization)
        .await?;
    Ok(Json(people::own_organization(&restored)))
}
