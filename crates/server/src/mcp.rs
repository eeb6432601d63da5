//! The MCP endpoint: Streamable HTTP at `/mcp` and `/v1/mcp`, for the revisions of 2025, which have
//! sessions, and for 2026-07-28, which has none.
//!
//! `rmcp` speaks the protocol; it is named in this module only. A session carries the client's name
//! and the streams under way, and no right: every request is judged by its own caller. Next:
//! `mcp/handler.rs` for the tools, `mcp/execute.rs` for what they do.

mod strict;

mod handler;

mod client;
mod execute;

mod answer;
mod changes;
mod direct;
mod elicit;
mod input;
mod rounds;
mod schemas;
mod sessions;
mod tasks;

use crate::App;
use crate::error::Failure;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use changes::Changes;
use domain::access::Caller;
use handler::Handler;
use http::Method;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use sessions::Sessions;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a message. A program has at most 256 KiB; escaping may make six of one byte.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// How long a message may take to arrive.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

const SESSION_ID: &str = "mcp-session-id";

#[derive(Clone)]
struct Endpoint {
    service: StreamableHttpService<Handler, LocalSessionManager>,
    sessions: Arc<Sessions>,
}

pub(crate) fn routes(app: &App) -> Router {
    let mut manager = LocalSessionManager::default();
    // A person may be asked for long, and an idle client may come back: what bounds the number of
    // sessions is the cap, not the clock.
    manager.session_config.keep_alive = Some(sessions::IDLE_MAX);
    // Without the empty first event that some clients of 2025 take for broken JSON. Later events
    // have ids all the same, so that a stream that broke off can be resumed.
    manager.session_config.sse_retry = None;
    let manager = Arc::new(manager);
    // Host and origin were judged by our own front before.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_sse_retry(None)
        .with_sse_keep_alive(Some(Duration::from_secs(15)))
        .with_max_request_body_bytes(MESSAGE_BYTES_MAX)
        .with_cancellation_token(app.closing.clone());
    let sessions = Arc::new(Sessions::new(Arc::clone(&manager)));
    let new_handler = {
        let (app, changes) = (app.clone(), Arc::<Changes>::default());
        let sessions = Arc::clone(&sessions);
        move || {
            let (changes, sessions) = (Arc::clone(&changes), Arc::clone(&sessions));
            Ok(Handler::new(app.clone(), changes, sessions))
        }
    };
    let endpoint = Endpoint {
        service: StreamableHttpService::new(new_handler, manager, config),
        sessions,
    };
    Router::new()
        .route("/mcp", any(answer))
        .route("/v1/mcp", any(answer))
        .route("/mcp/anonymous", any(answer))
        .route("/v1/mcp/anonymous", any(answer))
        .with_state(endpoint)
}

async fn answer(State(endpoint): State<Endpoint>, request: Request) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else {
        return Failure::not_signed_in().into_response();
    };
    let owner = (caller.account_id.clone(), caller.workspace_id.clone());
    let (request, modern) = match read(request).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    // A client of 2026 has no session, whatever its headers say.
    if let Some(id) = session(request.headers()).filter(|_| !modern) {
        if !endpoint.sessions.touch(&id, &owner) {
            return Failure::no_session().into_response();
        }
        if request.method() == Method::DELETE {
            endpoint.sessions.forget(&id);
        }
    }
    let response = endpoint.service.handle(request).await;
    if let Some(id) = session(response.headers()) {
        endpoint.sessions.opened(id, owner).await;
    }
    response.map(Body::new)
}

fn session(headers: &http::HeaderMap) -> Option<String> {
    let id = headers.get(SESSION_ID)?.to_str().ok()?;
    Some(id.to_owned())
}

/// Reads a message whole and judges it; whether it is of the revision without sessions.
async fn read(request: Request) -> Result<(Request, bool), Response> {
    if request.method() != Method::POST {
        return Ok((request, false));
    }
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(MESSAGE_TIMEOUT, to_bytes(body, MESSAGE_BYTES_MAX));
    let body = body
        .await
        .map_err(|_| Failure::too_slow().into_response())?
        .map_err(|_| Failure::too_large(MESSAGE_BYTES_MAX).into_response())?;
    let message = strict::read(&body).map_err(strict::Unreadable::into_response)?;
    let request = Request::from_parts(parts, Body::from(body));
    Ok((request, message.modern))
}
