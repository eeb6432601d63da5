//! The page of an invite: what it is to, and the button that accepts it.
//!
//! Loading the page changes nothing, whoever or whatever follows the link: scanners and previews do.
//! Accepting takes a form of our own page, sent by a browser that says so, and somebody signed in.
//! Who is not is sent to sign in and comes back. Next: `engine/invites.rs` for what an invite is worth.

use crate::App;
use crate::error::Failure;
use crate::http::extract::Whoever;
use crate::http::invites::LINK;
use crate::web::{HTML, escaped};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use engine::Invitation;
use http::header::{CONTENT_TYPE, HeaderMap, ORIGIN};

const PAGE: &str = include_str!("web/connect.html");

pub(crate) fn routes(app: &App) -> Router {
    Router::new()
        .route(&format!("{LINK}{{token}}"), get(show).post(accept))
        .with_state(app.clone())
}

/// Whether a path is the page of an invite.
pub(crate) fn is_invite(path: &str) -> bool {
    path.starts_with(LINK)
}

/// Where whoever is not signed in goes, to come back to the page of an invite. None for a path that
/// is none, or whose end is not such as a token has.
pub(crate) fn by_way_of_sign_in(path: &str) -> Option<Response> {
    let token = path.strip_prefix(LINK)?;
    let plain = !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then(|| Redirect::to(&format!("/sign-in?next=%2Finvite%2F{token}")).into_response())
}

/// The path as it may be written to a log: the token of an invite lets somebody in.
pub(crate) fn without_token(path: &str) -> &str {
    if is_invite(path) { LINK } else { path }
}

/// What the invite is to.
async fn show(
    State(app): State<App>,
    Whoever(_person): Whoever,
    Path(token): Path<String>,
) -> Response {
    match app.engine.invitation(&token).await {
        Ok(invitation) => page(
            &format!("Join {}", invitation.organization.name),
            &asking(&invitation, &token),
        ),
        Err(error) => refused(error),
    }
}

/// Accepts the invite.
async fn accept(
    State(app): State<App>,
    Whoever(person): Whoever,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    // Where these headers are foreign the request was refused before; a browser sends one of them
    // with every form.
    let own_page = headers.contains_key(ORIGIN)
        || headers
            .get("sec-fetch-site")
            .is_some_and(|site| site == "same-origin");
    if !own_page {
        return Failure::refused(
            "cross_site",
            "an invite is accepted on its own page, by a browser that says where a form comes from",
        )
        .into_response();
    }
    match app.engine.accept_invite(&person, &token).await {
        Ok(joined) => page(
            &format!("You joined {}", joined.organization.name),
            &(paragraph(&format!("You are {} there now.", role(&joined)))
                + "    <p><a class=\"button\" href=\"/\">Open the dashboard</a></p>\n"),
        ),
        Err(error) => refused(error),
    }
}

fn refused(error: engine::Error) -> Response {
    let failure = Failure::from(error);
    let mut response = page("Not joined", &paragraph(failure.title()));
    *response.status_mut() = failure.into_response().status();
    response
}

fn asking(invitation: &Invitation, token: &str) -> String {
    let who = if invitation.invited_by.is_empty() {
        "A member".to_owned()
    } else {
        invitation.invited_by.clone()
    };
    let what = format!(
        "{who} invites you to {} ({}) as {}.",
        invitation.organization.name,
        invitation.organization.slug,
        role(invitation)
    );
    // To the minute: seconds and their parts are for machines.
    let ends = invitation.expires_at.to_rfc3339();
    let (day, rest) = ends.split_once('T').unwrap_or((&ends, ""));
    let minute = rest.get(..5).unwrap_or_default();
    let until = format!("The invite works until {day} {minute} UTC.");
    let form = format!(
        "    <form method=\"post\" action=\"{LINK}{}\"><button class=\"main\" type=\"submit\">Join</button></form>\n",
        escaped(token)
    );
    paragraph(&what) + &paragraph(&until) + &form
}

fn role(invitation: &Invitation) -> &'static str {
    use domain::tenancy::Role::{Admin, BillingAdmin, Member, Owner};
    match invitation.role {
        Owner => "an owner",
        Admin => "an administrator",
        BillingAdmin => "a billing administrator",
        Member => "a member",
    }
}

fn paragraph(text: &str) -> String {
    format!("    <p>{}</p>\n", escaped(text))
}

fn page(title: &str, body: &str) -> Response {
    let page = PAGE
        .replace("{{title}}", &escaped(title))
        .replace("{{body}}", body);
    ([(CONTENT_TYPE, HTML)], page).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::LOCATION;

    #[test]
    fn only_a_path_of_ours_is_come_back_to() {
        let sent = by_way_of_sign_in("/invite/ab12").unwrap();
        assert_eq!(sent.headers()[LOCATION], "/sign-in?next=%2Finvite%2Fab12");
        for path in [
            "/invite/",
            "/invite//evil.example",
            "/invite/a%0d",
            "/invite/a&x=1",
            "/tasks",
        ] {
            assert!(by_way_of_sign_in(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_token_is_written_to_no_log() {
        assert_eq!(without_token("/invite/ab12"), "/invite/");
        assert_eq!(without_token("/tasks/task_1"), "/tasks/task_1");
    }
}
