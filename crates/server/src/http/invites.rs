//! Invites to the organization: make, list, revoke; look at one and accept it.

use super::answer::{Created, Done};
use super::extract::{Input, Who, Whoever, id};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire::{instant, people};
use api::Page;
use api::invites::{Invitation, Invite, InviteToken, MadeInvite, NewInvite};
use axum::Json;
use axum::extract::{Path, State};
use domain::InviteId;
use domain::tenancy::Role;

/// What stands before the token of an invite in its link.
pub(crate) const LINK: &str = "/invite/";

/// Makes an invite. Its link is in the answer, and never shown again.
#[utoipa::path(
    post, path = "/api/v1/invites", operation_id = "createInvite", tag = "members",
    request_body = NewInvite,
    responses((status = 201, description = "The invite and its link", body = MadeInvite), Problems, WriteProblems)
)]
pub(crate) async fn create(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewInvite>,
) -> Result<Created<MadeInvite>, Failure> {
    let expires_at = match new.expires_at.as_deref() {
        None => None,
        Some(text) => Some(instant(text).ok_or_else(|| {
            Failure::invalid("expiresAt", format!("'{text}' is no time in RFC 3339"))
        })?),
    };
    let new = engine::NewInvite {
        role: new.role.as_deref().map_or(Ok(Role::Member), people::role)?,
        email: new.email,
        note: new.note,
        workspaces: new.workspaces,
        expires_at,
        uses_max: new.max_uses,
    };
    let (invite, token) = app.engine.create_invite(&caller, new).await?;
    Ok(Created(MadeInvite {
        invite: people::invite(&invite, app.engine.now()),
        url: format!("{}{LINK}{token}", app.engine.public_url()),
    }))
}

/// Lists the invites to the organization, with those that ended within the last 30 days.
#[utoipa::path(
    get, path = "/api/v1/invites", operation_id = "listInvites", tag = "members",
    responses((status = 200, description = "The invites, the newest first", body = Page<Invite>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<Invite>>, Failure> {
    let now = app.engine.now();
    let found = app.engine.invites(&caller).await?;
    Ok(Json(Page {
        items: found.iter().map(|i| people::invite(i, now)).collect(),
        next_cursor: None,
    }))
}

/// Revokes an invite: its link lets nobody in any more.
#[utoipa::path(
    delete, path = "/api/v1/invites/{id}", operation_id = "revokeInvite", tag = "members",
    params(("id" = String, Path, description = "The invite")),
    responses((status = 204, description = "The invite works no more"), Problems, WriteProblems)
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    Who(caller): Who,
    Path(invite): Path<String>,
) -> Result<Done, Failure> {
    app.engine
        .revoke_invite(&caller, &id::<InviteId>("invite", &invite)?)
        .await?;
    Ok(Done)
}

/// Shows what an invite is to. Looking at it changes nothing.
#[utoipa::path(
    post, path = "/api/v1/invitations", operation_id = "getInvitation", tag = "members",
    request_body = InviteToken,
    responses((status = 200, description = "What the invite is to", body = Invitation), Problems, WriteProblems)
)]
pub(crate) async fn look(
    State(app): State<App>,
    Whoever(_person): Whoever,
    Input(given): Input<InviteToken>,
) -> Result<Json<Invitation>, Failure> {
    let found = app.engine.invitation(token_in(&given.token)).await?;
    Ok(Json(people::invitation(&found)))
}

/// Accepts an invite: the person who asks becomes a member of the organization.
#[utoipa::path(
    post, path = "/api/v1/invitations/accept", operation_id = "acceptInvite", tag = "members",
    request_body = InviteToken,
    responses((status = 200, description = "What the person has joined", body = Invitation), Problems, WriteProblems)
)]
pub(crate) async fn accept(
    State(app): State<App>,
    Whoever(person): Whoever,
    Input(given): Input<InviteToken>,
) -> Result<Json<Invitation>, Failure> {
    let token = token_in(&given.token);
    let joined = app.engine.accept_invite(&person, token).await?;
    Ok(Json(people::invitation(&joined)))
}

/// The token of a link, or what is given if it is none.
fn token_in(given: &str) -> &str {
    let given = given.trim();
    given.rsplit_once(LINK).map_or(given, |(_, token)| token)
}
