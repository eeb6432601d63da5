//! Credentials: set, list, test, rotate, remove. A value goes in and never comes out.

use super::answer::{Created, Done};
use super::extract::{Input, Who, id};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::Page;
use api::credentials::{
    Credential, CredentialOrder, CredentialRotation, CredentialTest, NewCredential,
};
use axum::Json;
use axum::extract::{Path, State};
use domain::CredentialId;
use domain::credential::{CredentialScope, Secret};

/// Sets the credential that opens a source.
#[utoipa::path(
    post, path = "/api/v1/credentials", operation_id = "setCredential", tag = "credentials",
    request_body = NewCredential,
    responses((status = 201, description = "The credential without its value", body = Credential), Problems, WriteProblems)
)]
pub(crate) async fn set(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewCredential>,
) -> Result<Created<Credential>, Failure> {
    let value = Secret::new(new.value);
    let scope = wire::credential_scope(new.scope.as_deref())?;
    let auth = new.auth.as_deref().map(wire::auth_scheme).transpose()?;
    let new = engine::NewCredential {
        source: new.source,
        value,
        scope,
        auth,
        label: new.label.unwrap_or_default(),
    };
    Ok(Created(wire::credential(
        &app.engine.set_credential(&caller, new).await?,
    )))
}

/// Lists credentials, without their values.
#[utoipa::path(
    get, path = "/api/v1/credentials", operation_id = "listCredentials", tag = "credentials",
    responses((status = 200, description = "All credentials the caller may use", body = Page<Credential>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<Credential>>, Failure> {
    let found = app.engine.credentials(&caller).await?;
    Ok(Json(Page {
        items: found.iter().map(wire::credential).collect(),
        next_cursor: None,
    }))
}

/// Replaces the value of a credential.
#[utoipa::path(
    post, path = "/api/v1/credentials/{id}/rotate", operation_id = "rotateCredential",
    tag = "credentials",
    params(("id" = String, Path, description = "The credential")),
    request_body = CredentialRotation,
    responses((status = 200, description = "The credential", body = Credential), Problems, WriteProblems)
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    Who(caller): Who,
    Path(credential): Path<String>,
    Input(rotation): Input<CredentialRotation>,
) -> Result<Json<Credential>, Failure> {
    let value = Secret::new(rotation.value);
    let credential = id::<CredentialId>("credential", &credential)?;
    shown(app.engine.rotate_credential(&caller, &credential, value)).await
}

/// Tries a credential with a call that changes nothing.
#[utoipa::path(
    post, path = "/api/v1/credentials/{id}/test", operation_id = "testCredential",
    tag = "credentials",
    params(("id" = String, Path, description = "The credential")),
    responses((status = 200, description = "What was found", body = CredentialTest), Problems, WriteProblems)
)]
pub(crate) async fn test(
    State(app): State<App>,
    Who(caller): Who,
    Path(credential): Path<String>,
) -> Result<Json<CredentialTest>, Failure> {
    let credential = id::<CredentialId>("credential", &credential)?;
    let found = app.engine.test_credential(&caller, &credential).await?;
    Ok(Json(CredentialTest {
        accepted: found.accepted,
        tool: found.tool,
        message: found.message,
    }))
}

/// Removes a credential.
#[utoipa::path(
    delete, path = "/api/v1/credentials/{id}", operation_id = "removeCredential",
    tag = "credentials",
    params(("id" = String, Path, description = "The credential")),
    responses((status = 204, description = "It is removed"), Problems, WriteProblems)
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Who(caller): Who,
    Path(credential): Path<String>,
) -> Result<Done, Failure> {
    app.engine
        .remove_credential(&caller, &id::<CredentialId>("credential", &credential)?)
        .await?;
    Ok(Done)
}

/// Makes a credential the one that calls take, among several of its source and scope.
#[utoipa::path(
    post, path = "/api/v1/credentials/{id}/prefer", operation_id = "preferCredential",
    tag = "credentials",
    params(("id" = String, Path, description = "The credential")),
    responses((status = 200, description = "The credential", body = Credential), Problems, WriteProblems)
)]
pub(crate) async fn prefer(
    State(app): State<App>,
    Who(caller): Who,
    Path(credential): Path<String>,
) -> Result<Json<Credential>, Failure> {
    let credential = id::<CredentialId>("credential", &credential)?;
    shown(app.engine.prefer_credential(&caller, &credential)).await
}

/// Says in which order a source looks for a credential.
#[utoipa::path(
    get, path = "/api/v1/sources/{id}/credential-order", operation_id = "getCredentialOrder",
    tag = "credentials",
    params(("id" = String, Path, description = "The source: its identifier or name")),
    responses((status = 200, description = "The order", body = CredentialOrder), Problems)
)]
pub(crate) async fn order(
    State(app): State<App>,
    Who(caller): Who,
    Path(source): Path<String>,
) -> Result<Json<CredentialOrder>, Failure> {
    let order = app.engine.credential_order(&caller, &source).await?;
    Ok(ordered(&order))
}

/// Sets in which order a source looks for a credential; what is left out is not looked in.
#[utoipa::path(
    put, path = "/api/v1/sources/{id}/credential-order", operation_id = "setCredentialOrder",
    tag = "credentials",
    params(("id" = String, Path, description = "The source: its identifier or name")),
    request_body = CredentialOrder,
    responses((status = 200, description = "The order", body = CredentialOrder), Problems, WriteProblems)
)]
pub(crate) async fn set_order(
    State(app): State<App>,
    Who(caller): Who,
    Path(source): Path<String>,
    Input(wanted): Input<CredentialOrder>,
) -> Result<Json<CredentialOrder>, Failure> {
    let read = |text: &String| wire::credential_scope(Some(text));
    let order = wanted.order.iter().map(read).collect::<Result<_, _>>()?;
    let set = app.engine.set_credential_order(&caller, &source, order);
    Ok(ordered(&set.await?))
}

fn ordered(order: &[CredentialScope]) -> Json<CredentialOrder> {
    let order = order.iter().map(|s| s.as_str().to_owned()).collect();
    Json(CredentialOrder { order })
}

/// The credential that an operation comes to.
async fn shown(
    operation: impl Future<Output = Result<engine::CredentialView, engine::Error>>,
) -> Result<Json<Credential>, Failure> {
    Ok(Json(wire::credential(&operation.await?)))
}
