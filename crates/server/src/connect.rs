//! The pages on which a person connects a source: what is asked for and of whom, the way there and the
//! way back.
//!
//! A page changes nothing when it is loaded. The link that leads away gives the browser a cookie, and
//! what comes back counts only with it. Everything that others say is shown as text. Next: the order
//! of things in `engine/oauth.rs`.

use crate::App;
use crate::auth::cookie;
use crate::error::Failure;
use crate::http::extract::{Who, id};
use crate::web::{HTML, escaped};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use domain::connect::{Connect, ConnectStatus};
use domain::oauth::Flow;
use domain::{ConnectId, CredentialId};
use engine::{ConnectView, CredentialView};
use http::Uri;
use http::header::{CONTENT_TYPE, HeaderMap, SET_COOKIE};

const PAGE: &str = include_str!("web/connect.html");

/// How long a browser may be away.
const COOKIE_SECONDS: u32 = 15 * 60;

pub(crate) fn routes(app: &App) -> Router {
    let document = |State(app): State<App>| async move { Json(app.engine.client_document()) };
    Router::new()
        .route("/connect/{id}", get(show).post(begin))
        .route("/connect/{id}/go", get(go))
        .route(engine::CALLBACK_PATH, get(come_back))
        .route(engine::CLIENT_PATH, get(document))
        .with_state(app.clone())
}

/// What a connect, or a credential that is to be connected anew, asks for.
async fn show(
    State(app): State<App>,
    Who(caller): Who,
    Path(wanted): Path<String>,
) -> Result<Response, Failure> {
    if let Ok(credential) = wanted.parse::<CredentialId>() {
        let all = app.engine.credentials(&caller).await?;
        let found = all.into_iter().find(|v| v.credential.id == credential);
        let view = found.ok_or_else(|| Failure::not_found("credential", &wanted))?;
        return Ok(page(&anew(&view)));
    }
    let connect = id::<ConnectId>("connect", &wanted)?;
    let (_, view) = app.engine.follow_connect(&caller, &connect).await?;
    Ok(page(&of_connect(&view)))
}

/// Begins to connect a credential anew; the page that follows says what for.
async fn begin(
    State(app): State<App>,
    Who(caller): Who,
    Path(wanted): Path<String>,
) -> Result<Response, Failure> {
    let credential = id::<CredentialId>("credential", &wanted)?;
    let view = app.engine.reconnect(&caller, &credential).await?;
    Ok(Redirect::to(&format!("/connect/{}", view.connect.id)).into_response())
}

/// Sends the browser to whoever grants tokens.
async fn go(
    State(app): State<App>,
    Who(caller): Who,
    Path(wanted): Path<String>,
) -> Result<Response, Failure> {
    let connect = id::<ConnectId>("connect", &wanted)?;
    let away = app.engine.send_away(&caller, &connect).await?;
    let kept = set_cookie(&app, &away.name, &away.browser, COOKIE_SECONDS);
    Ok(([(SET_COOKIE, kept)], Redirect::to(&away.url)).into_response())
}

/// Takes what the browser brings back.
async fn come_back(
    State(app): State<App>,
    Who(caller): Who,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let query = uri.query().unwrap_or_default();
    let name = engine::answer_name(query);
    let kept = name
        .as_ref()
        .and_then(|name| cookie(&headers, &cookie_name(&app, name)));
    let taken = app.engine.take_answer(&caller, query, kept).await;
    let mut response = match taken {
        Ok(view) => page(&of_connect(&view)),
        Err(error) => {
            let failure = Failure::from(error);
            let text = Text {
                title: "Not connected".to_owned(),
                body: paragraph(failure.title()),
            };
            let mut refused = page(&text);
            *refused.status_mut() = failure.into_response().status();
            refused
        }
    };
    if let Some(name) = name
        && let Ok(gone) = set_cookie(&app, &name, "", 0).parse()
    {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    response
}

/// A cookie of its own for each way there, so that two at once do not disturb each other.
fn cookie_name(app: &App, name: &str) -> String {
    let port = app.port;
    if app.engine.public_url().starts_with("https://") {
        format!("__Host-executor_connect_{port}_{name}")
    } else {
        format!("executor_connect_{port}_{name}")
    }
}

fn set_cookie(app: &App, name: &str, value: &str, seconds: u32) -> String {
    let name = cookie_name(app, name);
    let secure = if name.starts_with("__Host-") {
        "; Secure"
    } else {
        ""
    };
    // Lax: the way back is a link from another site.
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

/// What a page says.
pub(crate) struct Text {
    pub(crate) title: String,
    /// Markup whose texts are escaped.
    pub(crate) body: String,
}

pub(crate) fn page(text: &Text) -> Response {
    let page = PAGE
        .replace("{{title}}", &escaped(&text.title))
        .replace("{{body}}", &text.body);
    ([(CONTENT_TYPE, HTML)], page).into_response()
}

pub(crate) fn paragraph(text: &str) -> String {
    format!("    <p>{}</p>\n", escaped(text))
}

fn scopes(what: &str, scopes: &[String]) -> String {
    if scopes.is_empty() {
        return String::new();
    }
    let items: String = scopes
        .iter()
        .map(|s| format!("<li><code>{}</code></li>", escaped(s)))
        .collect();
    format!("{}    <ul>{items}</ul>\n", paragraph(what))
}

fn of_connect(view: &ConnectView) -> Text {
    let connect = &view.connect;
    let source = &view.source_name;
    match &connect.status {
        ConnectStatus::Connected(_) => Text {
            title: format!("{source} is connected"),
            body: paragraph(&format!(
                "{} has agreed. You can close this page; the token renews itself where the server \
                 allows it.",
                connect.asked.host
            )),
        },
        ConnectStatus::Failed(why) => Text {
            title: format!("{source} is not connected"),
            body: paragraph(why) + &paragraph("Begin again from where you came."),
        },
        ConnectStatus::Pending if view.status == "expired" => Text {
            title: format!("{source} is not connected"),
            body: paragraph("This took too long. Begin again from where you came."),
        },
        ConnectStatus::Pending => asking(connect, source),
    }
}

/// What is asked for, of whom, and for whom; and the way there.
fn asking(connect: &Connect, source: &str) -> Text {
    let host = &connect.asked.host;
    let serves = match connect.scope {
        domain::credential::CredentialScope::Personal => "you alone",
        domain::credential::CredentialScope::Workspace => "everybody in the workspace",
        domain::credential::CredentialScope::Organization => "everybody in the organization",
    };
    let label = if connect.label.is_empty() {
        String::new()
    } else {
        format!(" as “{}”", connect.label)
    };
    let mut body = paragraph(&format!(
        "{host} will be asked for access to {source}{label}. It will serve {serves}."
    ));
    let wider = &connect.asked.wider;
    let rest: Vec<String> = connect
        .asked
        .scopes
        .iter()
        .filter(|s| !wider.contains(s))
        .cloned()
        .collect();
    body += &scopes("New: the source asks for more than it had.", wider);
    body += &scopes("What is asked for:", &rest);
    match (&connect.asked.device, connect.flow) {
        (Some(device), _) => {
            let uri = escaped(&device.verification_uri);
            body += &format!(
                "    <p>Open <a href=\"{uri}\" rel=\"noopener noreferrer\">{uri}</a> on any device and \
                 enter this code:</p>\n    <pre class=\"block\">{}</pre>\n",
                escaped(&device.user_code)
            );
        }
        (None, Flow::Browser) => {
            body += &format!(
                "    <p><a class=\"button\" href=\"/connect/{}/go\" rel=\"noreferrer\">Continue to {}</a></p>\n",
                connect.id,
                escaped(host)
            );
        }
        (None, Flow::Device | Flow::ClientCredentials) => {}
    }
    Text {
        title: format!("Connect {source}"),
        body,
    }
}

/// A credential that is to be connected anew.
fn anew(view: &CredentialView) -> Text {
    let source = &view.source_name;
    let mut body = String::new();
    match &view.credential.connection {
        Some(connection) => {
            body += &paragraph(&format!(
                "Granted by {}{}.",
                connection.issuer,
                connection
                    .account
                    .as_ref()
                    .map(|a| format!(" for {a}"))
                    .unwrap_or_default()
            ));
            if let Some(reason) = &view.reason {
                body += &paragraph(&format!("It has to be connected anew: {reason}."));
            }
            body += &scopes("The source asks for more:", &connection.wanted);
            body += &scopes("It is good for:", &connection.scopes);
            body +=
                "    <form method=\"post\"><button type=\"submit\">Connect anew</button></form>\n";
        }
        None => {
            body += &paragraph(
                "It is a value that somebody set. Set another one with `executor \
                                credentials set`.",
            );
        }
    }
    Text {
        title: format!("Connect {source}"),
        body,
    }
}
