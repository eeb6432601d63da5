//! The browsers that a person is signed in with. Only the person sees and ends them: no key does.

use super::answer::Done;
use super::extract::{Whoever, id};
use crate::App;
use crate::auth::CurrentSession;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::Page;
use api::sessions::{EndedSessions, Session};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use domain::SessionId;

/// Lists the browsers that you are signed in with, the one used last first.
#[utoipa::path(
    get, path = "/api/v1/sessions", operation_id = "listSessions", tag = "system",
    responses((status = 200, description = "Your sessions", body = Page<Session>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Whoever(person): Whoever,
    Extension(current): Extension<CurrentSession>,
) -> Result<Json<Page<Session>>, Failure> {
    let found = app.engine.sessions(&person).await?;
    Ok(Json(Page {
        items: found
            .iter()
            .map(|session| wire::session(session, current.0.as_ref()))
            .collect(),
        next_cursor: None,
    }))
}

/// Ends one of your sessions, at once: that browser has to sign in again.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", operation_id = "endSession", tag = "system",
    params(("id" = String, Path, description = "The session")),
    responses((status = 204, description = "It has ended"), Problems, WriteProblems)
)]
pub(crate) async fn end(
    State(app): State<App>,
    Whoever(person): Whoever,
    Path(wanted): Path<String>,
) -> Result<Done, Failure> {
    let session = id::<SessionId>("session", &wanted)?;
    app.engine.end_session(&person, &session).await?;
    Ok(Done)
}

/// Ends all of your sessions but the one that asks.
#[utoipa::path(
    delete, path = "/api/v1/sessions", operation_id = "endOtherSessions", tag = "system",
    responses((status = 200, description = "How many have ended", body = EndedSessions), Problems, WriteProblems)
)]
pub(crate) async fn end_others(
    State(app): State<App>,
    Whoever(person): Whoever,
    Extension(current): Extension<CurrentSession>,
) -> Result<Json<EndedSessions>, Failure> {
    let ended = app
        .engine
        .end_other_sessions(&person, current.0.as_ref())
        .await?;
    Ok(Json(EndedSessions { ended }))
}
