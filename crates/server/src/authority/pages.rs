//! The pages on which a person decides what a client may have: the one that a client sends a browser
//! to, and the one where the code of a device is entered.
//!
//! Whatever a client says is shown as text, and beside its name always where the answer goes. A page
//! changes nothing when it is loaded; an answer is a form that our own page sent, from the browser
//! that was shown it. Next: `engine/authority/consent.rs` for what an answer means.

use super::{FormTarget, form, here};
use crate::App;
use crate::auth::cookie;
use crate::connect::{Text, page, paragraph};
use crate::error::Failure;
use crate::http::extract::Who;
use crate::web::escaped;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use domain::access::{ScopeName, Scopes};
use engine::{Asking, AskingRefused, Consent, Params, Refused, Way};

/// How long a browser is known between a page and its answer.
const COOKIE_SECONDS: u32 = 15 * 60;
/// Characters of what names a browser.
const BROWSER_CHARS: usize = 64;

fn cookie_name(app: &App) -> String {
    let port = app.port;
    if app.engine.public_url().starts_with("https://") {
        format!("__Host-executor_consent_{port}")
    } else {
        format!("executor_consent_{port}")
    }
}

/// What names this browser, if it was named.
fn browser(app: &App, headers: &HeaderMap) -> Option<String> {
    let named = cookie(headers, &cookie_name(app))?;
    let fits = named.len() == BROWSER_CHARS && named.bytes().all(|b| b.is_ascii_hexdigit());
    fits.then(|| named.to_owned())
}

/// Names this browser; a name that it has is kept, so that two pages at once do not disturb each
/// other.
fn named_browser(app: &App, headers: &HeaderMap) -> Result<String, Failure> {
    if let Some(known) = browser(app, headers) {
        return Ok(known);
    }
    let mut bytes = [0; BROWSER_CHARS / 2];
    getrandom::fill(&mut bytes).map_err(|_| Failure::internal())?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

fn remember(app: &App, browser: &str) -> String {
    let name = cookie_name(app);
    let secure = if name.starts_with("__Host-") {
        "; Secure"
    } else {
        ""
    };
    // Lax: the page is reached by a link from the client.
    format!("{name}={browser}; Path=/; HttpOnly; SameSite=Lax; Max-Age={COOKIE_SECONDS}{secure}")
}

/// A page that says why there is nothing to agree to.
fn refusal(refused: Refused) -> Response {
    let failure = match refused {
        Refused::OAuth { why, .. } => Failure::malformed("", why),
        Refused::TooOften(ms) => Failure::too_often(ms),
        Refused::Failed(error) => Failure::from(error),
    };
    let text = Text {
        title: "Nothing was granted".to_owned(),
        body: paragraph(failure.title()) + &paragraph("Nothing was sent to the client."),
    };
    let mut shown = page(&text);
    *shown.status_mut() = failure.into_response().status();
    shown
}

/// The parameters in the address of a page. Where they cannot be read, a page says why.
pub(super) struct Asked(Params);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let query = parts.uri.query().unwrap_or_default();
        Params::read(query.as_bytes()).map(Self).map_err(refusal)
    }
}

/// The parameters of a page's form, and the headers that it came with; likewise.
pub(super) struct Answered(HeaderMap, Params);

impl<S: Send + Sync> FromRequest<S> for Answered {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let (parts, params) = form(request).await.map_err(refusal)?;
        Ok(Self(parts.headers, params))
    }
}

/// Asks a person what a client asks for.
pub(super) async fn ask(
    State(app): State<App>,
    Who(caller): Who,
    headers: HeaderMap,
    Asked(params): Asked,
) -> Result<Response, Failure> {
    let asking: Asking = match app
        .engine
        .asking(&caller, params, here(&app, &headers))
        .await
    {
        Ok(asking) => asking,
        Err(AskingRefused::Here(refused)) => return Ok(refusal(refused)),
        Err(AskingRefused::Back(address)) => return Ok(Redirect::to(&address).into_response()),
    };
    let browser = named_browser(&app, &headers)?;
    let consent = app.engine.consent_to(&caller, &asking, &browser).await?;
    Ok(consent_page(&app, &consent, &browser))
}

/// Takes a person's answer.
pub(super) async fn answer(
    State(app): State<App>,
    Who(caller): Who,
    Answered(headers, params): Answered,
) -> Result<Response, Failure> {
    let browser = browser(&app, &headers).unwrap_or_default();
    let ticket = params.get("ticket").unwrap_or_default();
    let engine = &app.engine;
    let answered = match params.get("decision") {
        Some("allow") => {
            let workspace = params.get("workspace").unwrap_or_default();
            let scopes: Scopes = ScopeName::ALL
                .into_iter()
                .filter(|s| params.get(&format!("scope_{}", s.as_str())).is_some())
                .collect();
            engine
                .grant(&caller, (ticket, &browser), workspace, scopes)
                .await
        }
        Some("deny") => engine.refuse_grant(&caller, (ticket, &browser)).await,
        Some(_) | None => {
            let why = "decision must be allow or deny".to_owned();
            return Ok(refusal(Refused::OAuth {
                code: "invalid_request",
                why,
            }));
        }
    };
    match answered {
        Ok(Some(address)) => Ok(Redirect::to(&address).into_response()),
        Ok(None) => {
            let allowed = params.get("decision") == Some("allow");
            Ok(page(&Text {
                title: if allowed { "Granted" } else { "Refused" }.to_owned(),
                body: paragraph("You can close this page; the device goes on by itself."),
            }))
        }
        Err(error) => Ok(refusal(Refused::Failed(error))),
    }
}

/// Asks for the code of a device, or, where the address carries it, what the device asks for.
pub(super) async fn device(
    State(app): State<App>,
    Who(caller): Who,
    headers: HeaderMap,
    Asked(params): Asked,
) -> Result<Response, Failure> {
    match params.get("user_code") {
        Some(code) => entered(&app, &caller, code, &headers).await,
        None => Ok(page(&Text {
            title: "Connect a device".to_owned(),
            body: format!(
                "{}    <form method=\"post\" action=\"/device\">\n      <label>Code \
                 <input name=\"user_code\" autocomplete=\"off\" autocapitalize=\"characters\" \
                 spellcheck=\"false\" maxlength=\"12\" required></label>\n      \
                 <button class=\"main\" type=\"submit\">Continue</button>\n    </form>\n",
                paragraph("Enter the code that the device shows.")
            ),
        })),
    }
}

/// Takes the code of a device.
pub(super) async fn device_code(
    State(app): State<App>,
    Who(caller): Who,
    Answered(headers, params): Answered,
) -> Result<Response, Failure> {
    let code = params.get("user_code").unwrap_or_default();
    entered(&app, &caller, code, &headers).await
}

async fn entered(
    app: &App,
    caller: &domain::access::Caller,
    code: &str,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let browser = named_browser(app, headers)?;
    match app.engine.device_consent(caller, code, &browser).await {
        Ok(consent) => Ok(consent_page(app, &consent, &browser)),
        Err(refused) => Ok(refusal(refused)),
    }
}

/// Who asks and where the answer goes, in sentences.
fn whoever_asks(consent: &Consent) -> String {
    let ticket = &consent.ticket;
    let name = escaped(&ticket.client_name);
    let account = escaped(&consent.account_name);
    let mut text = format!(
        "    <p><strong>{name}</strong> wants to act for you, {account}, through Executor.</p>\n"
    );
    let host = escaped(&ticket.host);
    text += &match &ticket.way {
        Way::Browser { .. } => {
            let local = ["127.0.0.1", "localhost", "[::1]"].contains(&ticket.host.as_str());
            if local {
                format!(
                    "    <p>The answer goes to a program on this machine (<strong>{host}</strong>).</p>\n"
                )
            } else {
                format!("    <p>The answer goes to <strong>{host}</strong>.</p>\n")
            }
        }
        Way::Device { user_code } => {
            let (first, second) = user_code.split_at(user_code.len() / 2);
            format!(
                "    <p>It waits on a device that shows <strong>{}-{}</strong>. Go on only if you \
                 began this yourself: whoever sent you the code gets the access.</p>\n",
                escaped(first),
                escaped(second)
            )
        }
    };
    let known = if ticket.is_described {
        format!("It is the client described at {}.", ticket.client_id)
    } else {
        "The name is what the client calls itself; nobody has checked it.".to_owned()
    };
    text + &format!("    <p class=\"muted\">{}</p>\n", escaped(&known))
}

fn consent_page(app: &App, consent: &Consent, browser: &str) -> Response {
    let workspaces: String = consent
        .workspaces
        .iter()
        .enumerate()
        .map(|(n, w)| {
            let checked = if n == 0 { " checked" } else { "" };
            format!(
                "        <p><label><input type=\"radio\" name=\"workspace\" value=\"{}\"{checked}> {}</label></p>\n",
                escaped(w.workspace.id.as_str()),
                escaped(&format!("{} · {}", w.organization_slug, w.workspace.name))
            )
        })
        .collect();
    let scopes: String = consent
        .ticket
        .scopes()
        .iter()
        .map(|s| {
            format!(
                "        <p><label><input type=\"checkbox\" name=\"scope_{}\" value=\"on\" checked> {} \
                 (<code>{}</code>)</label></p>\n",
                s.as_str(),
                escaped(s.describe()),
                s.as_str()
            )
        })
        .collect();
    let body = format!(
        "{}    <form class=\"consent\" method=\"post\" action=\"{}\">\n      \
         <input type=\"hidden\" name=\"ticket\" value=\"{}\">\n      <fieldset>\n        \
         <legend>In the workspace</legend>\n{workspaces}      </fieldset>\n      <fieldset>\n        \
         <legend>It may</legend>\n{scopes}      </fieldset>\n      <p class=\"muted\">It never \
         decides approvals. You can end this at any time: <code>executor grants revoke</code>.</p>\n      \
         <button class=\"main\" type=\"submit\" name=\"decision\" value=\"allow\">Allow</button>\n      \
         <button class=\"no\" type=\"submit\" name=\"decision\" value=\"deny\">Refuse</button>\n    \
         </form>\n",
        whoever_asks(consent),
        engine::AUTHORIZE_PATH,
        escaped(&consent.sealed),
    );
    let text = Text {
        title: "Allow access?".to_owned(),
        body,
    };
    let mut response = page(&text);
    if let Ok(kept) = remember(app, browser).parse() {
        response.headers_mut().append(SET_COOKIE, kept);
    }
    if let Way::Browser { redirect_uri, .. } = &consent.ticket.way
        && let Some(target) = domain::grant::form_target(redirect_uri)
    {
        response.extensions_mut().insert(FormTarget(target));
    }
    response
}
