//! Connects: begin one, and see where it stands. The person's part is in `connect.rs`.

use super::answer::Created;
use super::extract::{Input, Who, id};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::connects::{Connect, NewConnect};
use axum::Json;
use axum::extract::{Path, State};
use domain::ConnectId;
use domain::credential::Secret;
use domain::oauth::Flow;
use domain::source::OAuthHint;

/// Begins to connect a source to whoever grants tokens for it.
#[utoipa::path(
    post, path = "/api/v1/sources/{id}/connect", operation_id = "connectSource",
    tag = "credentials",
    params(("id" = String, Path, description = "The source: its identifier or name")),
    request_body = NewConnect,
    responses((status = 201, description = "The way to the credential", body = Connect), Problems, WriteProblems)
)]
pub(crate) async fn begin(
    State(app): State<App>,
    Who(caller): Who,
    Path(source): Path<String>,
    Input(new): Input<NewConnect>,
) -> Result<Created<Connect>, Failure> {
    let scope = wire::credential_scope(new.scope.as_deref())?;
    let flow = new.flow.as_deref().map(|text| {
        Flow::parse(text).ok_or_else(|| {
            Failure::invalid(
                "flow",
                format!("'{text}' is none of browser, device, client-credentials"),
            )
        })
    });
    let endpoints = OAuthHint {
        authorization_url: new.authorization_url,
        token_url: new.token_url,
        device_url: new.device_url,
        openid_url: None,
        scopes: new.scopes.clone(),
    };
    let has_endpoints = endpoints.authorization_url.is_some() || endpoints.token_url.is_some();
    let new = engine::NewConnect {
        source,
        scope,
        label: new.label.unwrap_or_default(),
        flow: flow.transpose()?,
        scopes: new.scopes,
        issuer: new.issuer,
        endpoints: has_endpoints.then_some(endpoints),
        client_id: new.client_id,
        client_secret: new.client_secret.map(Secret::new),
        private_origins: new.allow_private,
    };
    Ok(Created(wire::connect(
        &app.engine.begin_connect(&caller, new).await?,
    )))
}

/// Says where a connect stands.
#[utoipa::path(
    get, path = "/api/v1/connects/{id}", operation_id = "getConnect", tag = "credentials",
    params(("id" = String, Path, description = "The connect")),
    responses((status = 200, description = "The way to the credential", body = Connect), Problems)
)]
pub(crate) async fn show(
    State(app): State<App>,
    Who(caller): Who,
    Path(connect): Path<String>,
) -> Result<Json<Connect>, Failure> {
    let connect = id::<ConnectId>("connect", &connect)?;
    Ok(Json(wire::connect(
        &app.engine.connect(&caller, &connect).await?,
    )))
}
