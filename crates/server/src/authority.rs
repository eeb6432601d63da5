//! The doors of the authorization server: what it says of itself, where clients register, where
//! tokens are given out, given back and explained. The pages are in `authority/pages.rs`.
//!
//! No person is behind these requests, but for `/oauth/introspect`: what counts is what a client
//! brings. Answers and errors are those of OAuth and never kept by anybody on the way. Where another
//! authorization server is named in our place, there is but the word that says so.

mod pages;

use crate::App;
use crate::auth::Client;
use crate::error::{Failure, oauth_error};
use crate::http::answer::Created;
use crate::http::extract::{Who, strict_json};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::credential::Secret;
use engine::{ClientSaid, Here, Params, Refused};
use http::HeaderMap;
use serde_json::Value;
use std::time::Duration;

/// Bytes of a form or of a client's description.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long one may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Our doors that take tokens.
const DOORS: [&str; 3] = ["/mcp", "/v1/mcp", "/api/v1"];

/// Where a form of a page may lead, besides to us.
#[derive(Clone)]
pub(crate) struct FormTarget(pub(crate) String);

pub(crate) fn routes(app: &App) -> Router {
    let mut router = Router::new().route(engine::RESOURCE_METADATA_PATH, get(resource));
    for door in DOORS {
        let path = format!("{}{door}", engine::RESOURCE_METADATA_PATH);
        router = router.route(&path, get(resource));
    }
    if app.engine.is_authorized_elsewhere() {
        return router.with_state(app.clone());
    }
    router
        .route(engine::AUTHORITY_METADATA_PATH, get(authority))
        .route(engine::REGISTER_PATH, post(register))
        .route(engine::TOKEN_PATH, post(token))
        .route(engine::REVOKE_PATH, post(revoke))
        .route(engine::INTROSPECT_PATH, post(introspect))
        .route(engine::DEVICE_AUTHORIZATION_PATH, post(device))
        .route(engine::AUTHORIZE_PATH, get(pages::ask).post(pages::answer))
        .route(
            engine::DEVICE_PATH,
            get(pages::device).post(pages::device_code),
        )
        .with_state(app.clone())
}

/// The origin under which a request reached us, as its client wrote it.
pub(crate) fn origin(app: &App, headers: &HeaderMap) -> String {
    let public = app.engine.public_url();
    let Some(host) = headers.get(HOST).and_then(|h| h.to_str().ok()) else {
        return public.to_owned();
    };
    let (scheme, named) = public.split_once("://").unwrap_or(("http", public));
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_local = ["localhost", "127.0.0.1", "[::1]"].contains(&name);
    if host.eq_ignore_ascii_case(named) {
        public.to_owned()
    } else if is_local {
        format!("http://{host}")
    } else {
        format!("{scheme}://{host}")
    }
}

/// Under what addresses a request could have reached us.
fn here(app: &App, headers: &HeaderMap) -> Here {
    let host = headers.get(HOST).and_then(|h| h.to_str().ok());
    Here::new(&app.engine, app.port, host)
}

fn from(parts: &Parts) -> String {
    let client = parts.extensions.get::<Client>();
    client.map(|c| c.address.clone()).unwrap_or_default()
}

/// The challenge to whoever comes without a token (RFC 9728, section 5.1; RFC 6750, section 3).
pub(crate) fn challenge(app: &App, headers: &HeaderMap, path: &str, error: Option<&str>) -> String {
    let door = DOORS
        .into_iter()
        .find(|door| path == *door || path.starts_with(&format!("{door}/")))
        .unwrap_or("/mcp");
    let error = error
        .map(|e| format!(", error=\"{e}\""))
        .unwrap_or_default();
    format!(
        "Bearer realm=\"executor\"{error}, resource_metadata=\"{}{}{door}\", scope=\"{}\"",
        origin(app, headers),
        engine::RESOURCE_METADATA_PATH,
        domain::access::Scopes::USUAL,
    )
}

async fn authority(State(app): State<App>) -> Json<Value> {
    Json(app.engine.authority_metadata())
}

async fn resource(State(app): State<App>, headers: HeaderMap, uri: http::Uri) -> Json<Value> {
    let door = uri.path().strip_prefix(engine::RESOURCE_METADATA_PATH);
    let door = door.filter(|d| !d.is_empty()).unwrap_or("/mcp");
    Json(app.engine.resource_metadata(&origin(&app, &headers), door))
}

fn bad_request(why: impl Into<String>) -> Refused {
    Refused::OAuth {
        code: "invalid_request",
        why: why.into(),
    }
}

fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next();
    essence.is_some_and(|e| e.trim().eq_ignore_ascii_case(wanted))
}

async fn body(body: Body) -> Result<bytes::Bytes, Refused> {
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, BODY_BYTES_MAX)).await;
    read.map_err(|_| bad_request("the body did not arrive in time"))?
        .map_err(|_| bad_request(format!("the body has more than {BODY_BYTES_MAX} bytes")))
}

/// The parameters of a form.
async fn form(request: Request) -> Result<(Parts, Params), Refused> {
    let (parts, sent) = request.into_parts();
    if !is_of_type(&parts.headers, "application/x-www-form-urlencoded") {
        return Err(bad_request(
            "the body must be a form, sent as application/x-www-form-urlencoded",
        ));
    }
    let params = Params::read(&body(sent).await?)?;
    Ok((parts, params))
}

fn said(parts: &Parts, params: &Params) -> Result<ClientSaid, Refused> {
    let header = parts.headers.get(AUTHORIZATION).map(|v| v.to_str().ok());
    match header {
        Some(None) => Err(bad_request("Authorization is no text")),
        Some(Some(text)) => ClientSaid::read(params, Some(text)),
        None => ClientSaid::read(params, None),
    }
}

/// Registers a client (RFC 7591).
async fn register(State(app): State<App>, request: Request) -> Response {
    let made = async {
        let (parts, sent) = request.into_parts();
        if !is_of_type(&parts.headers, "application/json") {
            return Err(bad_request(
                "the body must be JSON, sent as application/json",
            ));
        }
        let bytes = body(sent).await?;
        let Ok(Value::Object(fields)) = strict_json(&bytes) else {
            return Err(Refused::OAuth {
                code: "invalid_client_metadata",
                why: "the body is no JSON object, or names a field twice".to_owned(),
            });
        };
        let here = here(&app, &parts.headers);
        app.engine.register_client(fields, here, from(&parts)).await
    };
    match made.await {
        Ok(client) => Created(client.metadata()).into_response(),
        Err(refused) => oauth_error(refused),
    }
}

/// Gives out tokens (RFC 6749, section 3.2).
async fn token(State(app): State<App>, request: Request) -> Response {
    let issued = async {
        let (parts, params) = form(request).await?;
        let said = said(&parts, &params)?;
        let here = here(&app, &parts.headers);
        app.engine.token(params, said, here).await
    };
    match issued.await {
        Ok(issued) => Json(issued.answer()).into_response(),
        Err(refused) => oauth_error(refused),
    }
}

/// Takes tokens back (RFC 7009).
async fn revoke(State(app): State<App>, request: Request) -> Response {
    let ended = async {
        let (parts, params) = form(request).await?;
        let said = said(&parts, &params)?;
        let token = Secret::new(params.must("token")?.to_owned());
        app.engine.take_back(&token, said).await
    };
    match ended.await {
        Ok(()) => Json(serde_json::json!({})).into_response(),
        Err(refused) => oauth_error(refused),
    }
}

/// Explains a token to whoever holds a key with the scope `keys` (RFC 7662).
async fn introspect(State(app): State<App>, Who(caller): Who, request: Request) -> Response {
    let params = match form(request).await {
        Ok((_, params)) => params,
        Err(refused) => return oauth_error(refused),
    };
    let token = match params.must("token") {
        Ok(token) => Secret::new(token.to_owned()),
        Err(refused) => return oauth_error(refused),
    };
    match app.engine.introspect(&caller, &token).await {
        Ok(told) => Json(told).into_response(),
        Err(error) => Failure::from(error).into_response(),
    }
}

/// Gives a device a code to show (RFC 8628, section 3.1).
async fn device(State(app): State<App>, request: Request) -> Response {
    let asked = async {
        let (parts, params) = form(request).await?;
        let said = said(&parts, &params)?;
        let here = here(&app, &parts.headers);
        app.engine
            .device_asks(params, said, here, from(&parts))
            .await
    };
    match asked.await {
        Ok(asking) => Json(asking.answer(&app.engine)).into_response(),
        Err(refused) => oauth_error(refused),
    }
}
