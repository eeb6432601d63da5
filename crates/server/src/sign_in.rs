//! The pages on which people sign in and out: links, the way to a provider and back, the first owner,
//! visitors; and where WorkOS sends its hints.
//!
//! A session's token is in a cookie and nowhere else, never in an address. It is another after each
//! sign-in, and what the browser had before ends. Pages lead only to paths of this server. Next: the
//! order of things in `engine/sign_in.rs`; how a cookie is looked up in `auth.rs`.

mod onward;

use crate::App;
use crate::auth::{Client, cookie};
use crate::error::Failure;
use crate::http::extract::{Who, Whoever};
use crate::web::{HTML, escaped};
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use domain::sign_in::{Mode, local_path};
use engine::{Browser, VisitBefore};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, SET_COOKIE, USER_AGENT};
use http::{HeaderValue, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

const PAGE: &str = include_str!("web/connect.html");

/// How long a browser may be away at a provider.
const AWAY_SECONDS: u32 = 15 * 60;
/// How long browsers keep the session cookie; the engine ends a session no later.
const SESSION_SECONDS: u32 = 365 * 24 * 3_600;
/// Bytes of a form.
const FORM_BYTES_MAX: usize = 16 << 10;
/// Bytes of a webhook.
const EVENT_BYTES_MAX: usize = 1 << 20;

const SIGNATURE: HeaderName = HeaderName::from_static("workos-signature");

pub(crate) fn routes(app: &App) -> Router {
    Router::new()
        .route("/sign-in", get(ways).post(with_link))
        .route("/sign-in/begin", get(begin))
        .route("/sign-in/callback", get(come_back))
        .route("/sign-out", post(sign_out))
        .route("/setup", get(setup).post(set_up))
        .route("/anonymous", get(visit))
        .route("/anonymous/key", post(visitor_key))
        .route("/webhooks/workos", post(workos))
        .with_state(app.clone())
}

/// The name of the session cookie. On https its name says that it is of this very host and of no
/// other; on http cookies know no ports, so that the name carries it: two servers on one machine do
/// not overwrite each other's.
pub(crate) fn session_cookie(app: &App) -> String {
    if is_https(app) {
        "__Host-executor".to_owned()
    } else {
        format!("executor_{}", app.port)
    }
}

fn is_https(app: &App) -> bool {
    app.engine.public_url().starts_with("https://")
}

fn set_cookie(app: &App, name: &str, value: &str, seconds: u32) -> String {
    let secure = if is_https(app) { "; Secure" } else { "" };
    // Lax: the way back from a provider is a link from another site.
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

/// The cookie of a session that has begun.
pub(crate) fn signed_in_cookie(app: &App, token: &str) -> String {
    set_cookie(app, &session_cookie(app), token, SESSION_SECONDS)
}

/// A cookie of its own for each way to the provider, so that two at once do not disturb each other.
fn away_cookie(app: &App, name: &str) -> String {
    if is_https(app) {
        format!("__Host-executor_sign_in_{name}")
    } else {
        format!("executor_sign_in_{}_{name}", app.port)
    }
}

/// What a browser says of itself, and the session that it has.
pub(crate) fn browser(app: &App, headers: &HeaderMap, client: &Client) -> Browser {
    let agent = headers.get(USER_AGENT).and_then(|v| v.to_str().ok());
    Browser {
        user_agent: agent.unwrap_or_default().to_owned(),
        address: client.address.clone(),
        before: cookie(headers, &session_cookie(app)).map(str::to_owned),
    }
}

/// How whoever is refused signs in, for an answer that nobody sees in a browser.
pub(crate) fn how(app: &App) -> String {
    let page = format!("{}/sign-in", app.engine.public_url());
    match app.engine.sign_in_mode() {
        Mode::Local => "Connect as the operating-system user who runs the server, or run \
                        `executor web` there to get a sign-in link. Programs send an API key."
            .to_owned(),
        Mode::Oidc | Mode::WorkOs => {
            format!("Sign in at {page} in a browser. Programs send an API key.")
        }
        Mode::Anonymous => format!(
            "Open {}/anonymous in a browser for a workspace and a key of your own, or sign in at \
             {page}.",
            app.engine.public_url()
        ),
    }
}

fn page(title: &str, body: &str) -> Response {
    let page = PAGE
        .replace("{{title}}", &escaped(title))
        .replace("{{body}}", body);
    ([(CONTENT_TYPE, HTML)], page).into_response()
}

fn paragraph(text: &str) -> String {
    format!("    <p>{}</p>\n", escaped(text))
}

/// A refusal as a page, with the status of the refusal.
fn refusal(failure: Failure, title: &str, more: &str) -> Response {
    let mut body = paragraph(failure.title());
    if let Some(step) = failure.next_step() {
        body += &paragraph(step);
    }
    body += more;
    let shown = page(title, &body);
    let mut response = failure.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HTML);
    *response.body_mut() = shown.into_body();
    response
}

const AGAIN: &str = "    <p><a class=\"button\" href=\"/sign-in\">Sign in</a></p>\n";

/// What is shown to a browser that nobody is signed in with, and that wants to go to `next`.
pub(crate) fn sign_in_page(app: &App, failure: Failure, next: &str) -> Response {
    let shown = page(
        "Sign in",
        &(paragraph(failure.title()) + &offers(app, next)),
    );
    let mut response = failure.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HTML);
    *response.body_mut() = shown.into_body();
    onward::keep(app, &mut response, next);
    response
}

/// Whether a path leads to one thing or one workspace, and so was given to somebody who reaches it: a
/// visitor made just now does not.
pub(crate) fn is_link(path: &str) -> bool {
    ["/a/", "/approvals/", "/tasks/", "/w/"]
        .iter()
        .any(|begins| path.starts_with(begins))
}

/// The ways in that this server has.
fn offers(app: &App, next: &str) -> String {
    let mut body = String::new();
    let next = local_path(next);
    if let Some(provider) = app.engine.sign_in_provider() {
        let query = onward::encoded(next);
        body += &format!(
            "    <p><a class=\"button\" href=\"/sign-in/begin?next={query}\">Continue with {}</a></p>\n",
            escaped(&provider)
        );
    }
    match app.engine.sign_in_mode() {
        Mode::Local => {
            body += "    <p>Run this as the user who runs the server. It opens a browser that is \
                     signed in; with <code>--print</code> it prints the link instead:</p>\n    \
                     <pre class=\"block\">executor web</pre>\n    \
                     <p class=\"muted\">A link works once, for ten minutes.</p>\n";
        }
        Mode::Anonymous => {
            // What a link leads to is nothing that a new visitor reaches.
            let start = if is_link(next) { "/" } else { next };
            body += &format!(
                "    <p><a href=\"{}\">Go on without an account</a>: you get a workspace of your \
                 own for a time.</p>\n",
                escaped(start)
            );
        }
        Mode::Oidc | Mode::WorkOs => {}
    }
    body
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    token: String,
    next: String,
}

/// Shows the ways in; with the token of a one-time link, trades it for a session.
async fn ways(
    State(app): State<App>,
    Query(asked): Query<Asked>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    if asked.token.is_empty() {
        let next = onward::wanted(&app, &headers, &asked.next);
        let mut shown = page("Sign in", &offers(&app, &next));
        onward::keep(&app, &mut shown, &next);
        return shown;
    }
    if app.engine.sign_in_mode() != Mode::Anonymous {
        let browser = browser(&app, &headers, &client);
        return redeem((&app, &headers), &asked, &browser, VisitBefore::Left).await;
    }
    // Whoever follows the link may hold a workspace that the session before is the only way to.
    let next = onward::wanted(&app, &headers, &asked.next);
    let (token, next) = (escaped(&asked.token), escaped(&next));
    let body = format!(
        "{}    <form method=\"post\" action=\"/sign-in\"><input type=\"hidden\" name=\"token\" \
         value=\"{token}\"><input type=\"hidden\" name=\"next\" value=\"{next}\">\
         <button class=\"main\" type=\"submit\">Sign in</button></form>\n",
        paragraph(
            "This link signs this browser in. The workspace that you have here as a visitor, if \
             you have one, becomes that of whom the link is for: go on only if you made it yourself."
        )
    );
    page("Sign in", &body)
}

/// Trades a link for a session, as a person has asked for on our own page.
async fn with_link(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Failure> {
    let asked: Asked = form(request).await?;
    let browser = browser(&app, &headers, &client);
    Ok(redeem((&app, &headers), &asked, &browser, VisitBefore::Claimed).await)
}

async fn redeem(
    (app, headers): (&App, &HeaderMap),
    asked: &Asked,
    browser: &Browser,
    visit: VisitBefore,
) -> Response {
    let next = onward::wanted(app, headers, &asked.next);
    let redeemed = app.engine.redeem_sign_in_link(&asked.token, browser, visit);
    match redeemed.await {
        Ok(session) => signed_in((app, headers), &session, &next),
        Err(error) => refusal(error.into(), "Not signed in", &offers(app, &next)),
    }
}

fn signed_in((app, headers): (&App, &HeaderMap), session: &str, next: &str) -> Response {
    let cookie = signed_in_cookie(app, session);
    let to = Redirect::to(local_path(next));
    let mut response = ([(SET_COOKIE, cookie)], to).into_response();
    onward::forget(app, headers, &mut response);
    response
}

/// Sends the browser to the provider.
async fn begin(State(app): State<App>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let next = onward::wanted(&app, &headers, &asked.next);
    match app.engine.send_to_provider(&next).await {
        Ok(away) => {
            let name = away_cookie(&app, &away.name);
            let cookie = set_cookie(&app, &name, &away.browser, AWAY_SECONDS);
            ([(SET_COOKIE, cookie)], Redirect::to(&away.url)).into_response()
        }
        Err(error) => refusal(error.into(), "Not signed in", AGAIN),
    }
}

/// Takes what the browser brings back from the provider.
async fn come_back(
    State(app): State<App>,
    uri: Uri,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    let query = uri.query().unwrap_or_default();
    let name = engine::answer_name(query).map(|name| away_cookie(&app, &name));
    let kept = name.as_ref().and_then(|name| cookie(&headers, name));
    let browser = browser(&app, &headers, &client);
    let taken = app.engine.take_provider_answer(query, kept, &browser);
    let mut response = match taken.await {
        Ok((session, next)) => signed_in((&app, &headers), &session, &next),
        Err(error) => refusal(error.into(), "Not signed in", AGAIN),
    };
    if let (Some(name), Some(_)) = (name, kept)
        && let Ok(gone) = set_cookie(&app, &name, "", 0).parse()
    {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    response
}

/// Ends the session of this browser, on the server as well, and leads it on to the provider, where
/// that publishes how people sign out there. Whoever wants JSON is told where that is.
async fn sign_out(State(app): State<App>, headers: HeaderMap) -> Result<Response, Failure> {
    let name = session_cookie(&app);
    let at_provider = match cookie(&headers, &name) {
        Some(token) => app.engine.sign_out(token).await?,
        None => None,
    };
    let next = at_provider.as_deref().unwrap_or("/sign-in");
    let answer = if wants_json(&headers) {
        Json(json!({ "next": next })).into_response()
    } else {
        Redirect::to(next).into_response()
    };
    let gone = set_cookie(&app, &name, "", 0);
    Ok(([(SET_COOKIE, gone)], answer).into_response())
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|v| v.to_str().ok());
    accept.is_some_and(|v| v.contains("application/json"))
}

const SETUP_FORM: &str = "    <form method=\"post\" action=\"/setup\"><label>Secret<input name=\"secret\" \
     type=\"password\" autocomplete=\"off\" required></label><button class=\"main\" \
     type=\"submit\">Become the owner</button></form>\n";

/// Asks for the secret of the server's console.
async fn setup(State(app): State<App>, Whoever(_person): Whoever) -> Result<Response, Failure> {
    if app.engine.sign_in_mode() == Mode::Local {
        return Err(Failure::no_route("/setup"));
    }
    let body = paragraph(
        "Whoever set this server up finds a secret in what it printed when it started. It makes \
         you the owner of the server's organization.",
    );
    Ok(page("First owner", &(body + SETUP_FORM)))
}

#[derive(Deserialize)]
struct Setup {
    secret: String,
}

/// Takes the secret of the server's console.
async fn set_up(
    State(app): State<App>,
    Whoever(person): Whoever,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Failure> {
    let sent: Setup = form(request).await?;
    let browser = browser(&app, &headers, &client);
    let taken = app.engine.take_setup(&person, &sent.secret, &browser).await;
    Ok(match taken {
        Ok(()) => Redirect::to("/").into_response(),
        Err(error) => refusal(error.into(), "First owner", SETUP_FORM),
    })
}

/// Shows a visitor what is theirs.
async fn visit(State(app): State<App>, Who(caller): Who) -> Result<Response, Failure> {
    if !app.engine.is_visitor(&caller).await? {
        return Ok(Redirect::to("/").into_response());
    }
    let url = escaped(&visitor_url(&app));
    let mut body = paragraph(
        "This workspace is yours as long as this browser keeps its cookie or you use a key of it. \
         Without use it goes.",
    );
    if app.engine.sign_in_provider().is_some() {
        body += "    <p><a class=\"button\" href=\"/sign-in/begin\">Sign in to keep it</a></p>\n";
    }
    body += &format!(
        "    <p>An MCP client reaches it at</p>\n    <pre class=\"block\">{url}</pre>\n    \
         <p>with a key, sent as <code>Authorization: Bearer</code>:</p>\n    \
         <form method=\"post\" action=\"/anonymous/key\"><button type=\"submit\">Make a key</button>\
         </form>\n"
    );
    Ok(page("Your workspace", &body))
}

fn visitor_url(app: &App) -> String {
    format!("{}/mcp/anonymous", app.engine.public_url())
}

/// Makes a key for a visitor's MCP client; it is shown this once.
async fn visitor_key(
    State(app): State<App>,
    Who(caller): Who,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if !app.engine.is_visitor(&caller).await? {
        return Err(Failure::no_route("/anonymous/key"));
    }
    let new = engine::NewKey {
        name: "MCP".to_owned(),
        ..engine::NewKey::default()
    };
    let (_, secret) = app.engine.create_key(&caller, new).await?;
    if wants_json(&headers) {
        return Ok(Json(json!({
            "url": visitor_url(&app),
            "key": secret.expose(),
            "workspaceId": caller.workspace_id,
        }))
        .into_response());
    }
    let body = format!(
        "{}    <pre class=\"block\">{}</pre>\n{}    <pre class=\"block\">{}</pre>\n",
        paragraph("This key is not shown again:"),
        escaped(secret.expose()),
        paragraph("It opens your workspace at"),
        escaped(&visitor_url(&app)),
    );
    Ok(page("Your key", &body))
}

/// Takes a hint of WorkOS.
async fn workos(
    State(app): State<App>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<serde_json::Value>, Failure> {
    let signature = headers.get(SIGNATURE).and_then(|v| v.to_str().ok());
    let signature = signature.unwrap_or_default().to_owned();
    let body = read(request.into_body(), EVENT_BYTES_MAX).await?;
    app.engine.take_workos_event(&signature, body).await?;
    Ok(Json(json!({ "taken": true })))
}

async fn read(body: Body, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let read = tokio::time::timeout(
        std::time::Duration::from_secs(30),
        to_bytes(body, bytes_max),
    );
    let bytes = read.await.map_err(|_| Failure::too_slow())?;
    bytes
        .map(|bytes| bytes.to_vec())
        .map_err(|_| Failure::too_large(bytes_max))
}

/// Reads a form of one of our own pages.
async fn form<T: DeserializeOwned>(request: Request) -> Result<T, Failure> {
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let is_form = |v: &HeaderValue| {
        v.to_str()
            .is_ok_and(|v| v.starts_with("application/x-www-form-urlencoded"))
    };
    if !kind.as_ref().is_some_and(is_form) {
        return Err(Failure::malformed("", "expected a form"));
    }
    let bytes = read(request.into_body(), FORM_BYTES_MAX).await?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::malformed("", "expected text"))?;
    let uri = Uri::try_from(format!("/?{text}"))
        .map_err(|_| Failure::malformed("", "expected a form"))?;
    Query::<T>::try_from_uri(&uri)
        .map(|Query(read)| read)
        .map_err(|e| Failure::malformed("", e.body_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_no_script_and_no_style_of_their_own() {
        for text in [PAGE, SETUP_FORM, AGAIN] {
            let lower = text.to_ascii_lowercase();
            assert!(!lower.contains("style="), "inline style");
            assert!(!lower.contains("<script"), "script");
            assert!(!lower.contains("javascript:"), "script in an address");
            assert!(!lower.contains("onclick"), "inline handler");
        }
    }

    #[test]
    fn a_refusal_says_no_markup_of_others() {
        let response = refusal(Failure::malformed("", "<b>&"), "Not signed in", AGAIN);
        assert_eq!(response.headers()[CONTENT_TYPE], HTML);
    }
}
