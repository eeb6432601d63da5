//! `/runtime/exchange`: where sessions of a runtime elsewhere bring events and fetch commands.
//!
//! Machine to machine: no person is behind it and no `Caller` is made of it. The session's token is
//! all that counts, and is looked at before anything of the body is read. The route exists only
//! where such a runtime is configured.

use crate::App;
use crate::error::Failure;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use std::time::Duration;

/// How long the events of one turn may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Asks to come again, as the server stops.
const COME_AGAIN: &str = r#"{"t":"wait"}"#;

pub(crate) fn routes(app: &App) -> Router {
    if app.engine.exchange_bytes_max().is_none() {
        return Router::new();
    }
    Router::new()
        .route("/runtime/exchange", post(exchange))
        .with_state(app.clone())
}

async fn exchange(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let token = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|v| v.to_str().ok()?.strip_prefix("Bearer "))
        .filter(|token| app.engine.has_session(token))
        .ok_or_else(Failure::unknown_token)?;
    let said = read(&app, body).await?;
    let command = tokio::select! {
        command = app.engine.exchange(token, &said) => command.map_err(Failure::exchange)?,
        () = app.closing.cancelled() => COME_AGAIN.to_owned(),
    };
    Ok(([(CONTENT_TYPE, "application/json")], command).into_response())
}

async fn read(app: &App, body: Body) -> Result<bytes::Bytes, Failure> {
    let bytes_max = app.engine.exchange_bytes_max().unwrap_or(0);
    tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, bytes_max))
        .await
        .map_err(|_| Failure::too_slow())?
        .map_err(|_| Failure::too_large(bytes_max))
}
