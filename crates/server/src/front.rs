//! The first to see every request: names it, refuses foreign hosts and pages, finds the caller and
//! hands it to the routes.
//!
//! Nothing is read of a body and nothing is looked up before host and origin have been judged.
//! Next: `hosts.rs` for the judging, `auth.rs` for the caller, `http.rs` for the routes.

use crate::auth::{Client, CurrentSession, Door, Known, Peer, identify, is_cross_site};
use crate::error::Failure;
use crate::hosts::{Hosts, Named, Refused};
use crate::proxies::Proxies;
use crate::{App, authority, connect, exchange, http as api_routes, invite, mcp, sign_in, web};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use domain::access::Channel;
use domain::sign_in::Mode;
use engine::Thing;
use futures_util::FutureExt as _;
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::body::Incoming;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tower::ServiceExt as _;
use tracing::Instrument as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Nothing but our own files, in no frame; no script in a page.
const POLICY: &str = "default-src 'self'; base-uri 'none'; object-src 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// The policy of one response. The dashboard's editor and floating layers add style sheets, which
/// its frame lets them do under a nonce that no other response has.
fn policy(response: &Response) -> HeaderValue {
    if let Some(target) = response.extensions().get::<authority::FormTarget>() {
        // Browsers judge where a form's answer leads, too, and a consent leads to the client.
        let leads = format!("form-action 'self' {}", target.0);
        let text = POLICY.replace("form-action 'self'", &leads);
        return HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(POLICY));
    }
    let nonce = response.extensions().get::<web::dashboard::StyleNonce>();
    nonce
        .map(|nonce| format!("{POLICY}; style-src 'self' 'nonce-{}'", nonce.0))
        .and_then(|text| HeaderValue::from_str(&text).ok())
        .unwrap_or(HeaderValue::from_static(POLICY))
}

/// All routes, and what stands before them.
pub(crate) struct Front {
    app: App,
    hosts: Hosts,
    proxies: Proxies,
    routes: Router,
}

impl Front {
    pub(crate) fn new(app: App, hosts: Hosts, proxies: Proxies) -> Self {
        let routes = api_routes::routes(&app)
            .merge(mcp::routes(&app))
            .merge(exchange::routes(&app))
            .merge(web::routes(&app))
            .merge(connect::routes(&app))
            .merge(invite::routes(&app))
            .merge(sign_in::routes(&app))
            .merge(authority::routes(&app))
            .fallback(|request: Request| async move { Failure::no_route(request.uri().path()) })
            .method_not_allowed_fallback(|| async { Failure::method_not_allowed() });
        Self {
            app,
            hosts,
            proxies,
            routes,
        }
    }

    /// Answers one request, whatever becomes of it.
    pub(crate) async fn answer(
        &self,
        peer: Arc<Peer>,
        request: hyper::Request<Incoming>,
    ) -> Response {
        let id = request_id();
        let span = tracing::info_span!(
            "request",
            request.id = %id,
            http.method = %request.method(),
            http.path = %invite::without_token(request.uri().path()),
        );
        let address = self.proxies.client(peer.address(), request.headers());
        let client = Client {
            address: address.to_string(),
        };
        let whence = engine::Whence {
            address: Some(client.address.clone()),
            request_id: Some(id.clone()),
        };
        // A panic ends this request and no other.
        let handled = self.handle((&peer, client), request.map(Body::new));
        let handled = AssertUnwindSafe(engine::answering(whence, handled));
        let mut response = handled
            .catch_unwind()
            .instrument(span.clone())
            .await
            .unwrap_or_else(|_panic| {
                span.in_scope(|| tracing::error!("a request ended in a panic"));
                Failure::internal().into_response()
            });
        span.in_scope(|| tracing::debug!(http.status = response.status().as_u16(), "answered"));
        finish(&mut response, &id);
        response
    }

    async fn handle(&self, (peer, client): (&Peer, Client), request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let door = door(parts.uri.path());
        parts.extensions.insert(client.clone());
        let named = match self.judge(peer, &mut parts, door) {
            Ok(named) => named,
            Err(failure) => return failure.into_response(),
        };
        let (known, begun) = match self.admit((peer, named), &parts, door).await {
            Ok(known) => (known, None),
            Err(failure) if door == Some(Door::Page) && failure.wants_sign_in() => {
                if let Some(response) = invite::by_way_of_sign_in(parts.uri.path()) {
                    return response;
                }
                match self.visit(&client, &parts).await {
                    Ok(Some((known, cookie))) => (Some(known), Some(cookie)),
                    Ok(None) => return self.sign_in_page(failure, &parts),
                    Err(failure) => return self.sign_in_page(failure, &parts),
                }
            }
            Err(failure) => return failure.saying_how(sign_in::how(&self.app)).into_response(),
        };
        if let Some(Known {
            person,
            caller,
            session,
        }) = known
        {
            parts.extensions.insert(CurrentSession(session));
            if let Some(person) = person {
                parts.extensions.insert(person);
            }
            if let Some(caller) = caller {
                self.app.engine.note_presence(&caller).await;
                parts.extensions.insert(caller);
            }
        }
        match self
            .routes
            .clone()
            .oneshot(Request::from_parts(parts, body))
            .await
        {
            Ok(mut response) => {
                if let Some(cookie) = begun {
                    response.headers_mut().append(SET_COOKIE, cookie);
                }
                response
            }
            Err(never) => match never {},
        }
    }

    fn sign_in_page(&self, failure: Failure, request: &Parts) -> Response {
        let wanted = request.uri.path_and_query().map_or("/", |p| p.as_str());
        let next = match request.method {
            http::Method::GET => wanted,
            _ => "/",
        };
        let failure = failure.saying_how(sign_in::how(&self.app));
        sign_in::sign_in_page(&self.app, failure, next)
    }

    /// Whoever comes to a page of a server that takes visitors is one from then on: who it is, and
    /// the cookie that says so. None where there are no visitors, for what no browser shows, and for
    /// a link to one thing where somebody who reaches it can sign in: that is asked first.
    async fn visit(
        &self,
        client: &Client,
        request: &Parts,
    ) -> Result<Option<(Known, HeaderValue)>, Failure> {
        let asks = match request.uri.path() {
            "/anonymous/key" => request.method == http::Method::POST,
            "/setup" => false,
            _ => request.method == http::Method::GET,
        };
        let signs_in = self.app.engine.sign_in_provider().is_some();
        let is_asked = signs_in && sign_in::is_link(request.uri.path());
        if self.app.engine.sign_in_mode() != Mode::Anonymous || !asks || is_asked {
            return Ok(None);
        }
        let headers = &request.headers;
        let browser = sign_in::browser(&self.app, headers, client);
        let visit = self.app.engine.begin_visit(&browser).await?;
        let begun = self
            .app
            .engine
            .session_caller(&visit.token, Channel::Dashboard, "browser".to_owned())
            .await?;
        let cookie = sign_in::signed_in_cookie(&self.app, &visit.token);
        let cookie = HeaderValue::from_str(&cookie).map_err(|_| Failure::internal())?;
        Ok(begun.map(|signed_in| {
            let known = Known {
                person: Some(signed_in.person),
                caller: signed_in.caller,
                session: Some(signed_in.session_id),
            };
            (known, cookie)
        }))
    }

    /// Judges by which name a request asks for us, and from whose page. Where a trusted proxy says by
    /// which name it was asked itself, the request goes on under that one.
    fn judge(
        &self,
        peer: &Peer,
        request: &mut Parts,
        door: Option<Door>,
    ) -> Result<Named, Failure> {
        let foreign = |why: Refused| Failure::refused("foreign_request", why.to_string());
        let headers = &request.headers;
        let asked = self.proxies.host(peer.address(), headers);
        let asked = asked.map_err(|()| foreign(Refused::Host))?;
        let named = self
            .hosts
            .check(&request.uri, headers, peer.local(), asked)
            .map_err(foreign)?;
        if is_cross_site(&request.method, headers, door) {
            return Err(Failure::refused(
                "cross_site",
                "the request comes from a page of another site",
            ));
        }
        if let Some(asked) = asked {
            let host = HeaderValue::from_str(asked).map_err(|_| foreign(Refused::Host))?;
            request.headers.insert(HOST, host);
        }
        Ok(named)
    }

    async fn admit(
        &self,
        (peer, named): (&Peer, Named),
        request: &Parts,
        door: Option<Door>,
    ) -> Result<Option<Known>, Failure> {
        let headers = &request.headers;
        let Some(door) = door else { return Ok(None) };
        let visitors = is_for_visitors(request.uri.path());
        if visitors && self.app.engine.sign_in_mode() != Mode::Anonymous {
            return Err(Failure::no_route(request.uri.path()));
        }
        let known = identify(&self.app, peer, named, (&request.uri, headers), door).await?;
        let Known {
            person,
            caller,
            session,
        } = known;
        let engine = &self.app.engine;
        let wanted = wanted_workspace(&request.uri)?;
        let Some(caller) = caller else {
            return match wanted {
                Some(name) => Err(Failure::not_found("workspace", &name)),
                None => Ok(Some(Known {
                    person,
                    caller,
                    session,
                })),
            };
        };
        let caller = match (wanted, thing(request.uri.path())) {
            (Some(wanted), _) => engine.enter_workspace(&caller, &wanted).await?,
            (None, Some(thing)) => engine.enter_workspace_of(&caller, thing).await?,
            (None, None) => caller,
        };
        if visitors && !engine.is_visitor(&caller).await? {
            return Err(Failure::no_visitor());
        }
        // Clients of MCP take a refused request for a broken connection: there the calls of tools
        // are counted, and one too many is a result that a model can read.
        if door != Door::Mcp {
            engine.count_request(&caller).await?;
        }
        Ok(Some(Known {
            person,
            caller: Some(caller),
            session,
        }))
    }
}

/// The workspace that a request names: `?workspace=`, or the path under `/api/v1/workspaces/`, by
/// identifier, short name, or `organization/workspace` with the slash as it is or escaped.
///
/// # Errors
/// A 400 where `workspace` stands twice, as which of the two counts would depend on the reader, or
/// cannot be read.
fn wanted_workspace(uri: &http::Uri) -> Result<Option<String>, Failure> {
    #[derive(serde::Deserialize)]
    struct Named {
        workspace: Option<String>,
    }
    let read = |query: &str| {
        let uri = http::Uri::try_from(format!("/?{query}"))
            .map_err(|e| Failure::malformed("workspace", e.to_string()))?;
        Query::<Named>::try_from_uri(&uri)
            .map(|Query(named)| named.workspace)
            .map_err(|_| Failure::malformed("workspace", "expected one name of a workspace"))
    };
    let of_query = |pair: &&str| pair.split('=').next() == Some("workspace");
    let query = uri.query().unwrap_or_default().split('&').filter(of_query);
    let query = query.collect::<Vec<_>>().join("&");
    if !query.is_empty() {
        return read(&query);
    }
    let of_path = uri.path().strip_prefix("/api/v1/workspaces/");
    match of_path.and_then(|rest| rest.split('/').next()) {
        Some(name) => read(&format!("workspace={name}")),
        None => Ok(None),
    }
}

/// Whether a path is the MCP endpoint of visitors.
fn is_for_visitors(path: &str) -> bool {
    matches!(path, "/mcp/anonymous" | "/v1/mcp/anonymous")
}

/// The thing that a path of the API is about, where people are sent links to such things.
fn thing(path: &str) -> Option<Thing> {
    let mut parts = path.strip_prefix("/api/v1/")?.split('/');
    match (parts.next()?, parts.next()?) {
        ("tasks", id) => id.parse().ok().map(Thing::Task),
        ("approvals", id) => id.parse().ok().map(Thing::Approval),
        (_, _) => None,
    }
}

/// Which paths want a caller. What is left out is open to anybody on this host: health, the
/// description of the API, files of the page, signing in, sessions that bring a token of their own,
/// and what does not exist.
fn door(path: &str) -> Option<Door> {
    let under = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if path == "/api/v1/openapi.json" {
        None
    } else if under("/api") || path == engine::INTROSPECT_PATH {
        Some(Door::Api)
    } else if under("/mcp") || under("/v1/mcp") {
        Some(Door::Mcp)
    } else if web::is_page(path)
        || under("/connect")
        || invite::is_invite(path)
        || under("/anonymous")
        || path == "/setup"
        || path == engine::CALLBACK_PATH
        || path == engine::AUTHORIZE_PATH
        || path == engine::DEVICE_PATH
    {
        Some(Door::Page)
    } else {
        None
    }
}

fn finish(response: &mut Response, id: &str) {
    let referrer = referrer(response);
    let policy = policy(response);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, referrer);
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Nobody is told where a link was followed. A page of ours with a form tells us alone: where a page
/// tells nobody, browsers send its forms with `Origin: null`, which is refused as of another site
/// (Fetch, "append a request `Origin` header"). The dashboard sends no forms.
fn referrer(response: &Response) -> HeaderValue {
    let is_page = response.headers().get(CONTENT_TYPE) == Some(&web::HTML);
    let is_dashboard = response
        .extensions()
        .get::<web::dashboard::StyleNonce>()
        .is_some();
    HeaderValue::from_static(if is_page && !is_dashboard {
        "same-origin"
    } else {
        "no-referrer"
    })
}

fn request_id() -> String {
    let bits = getrandom::u64().unwrap_or_default();
    format!("req_{bits:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_workspace() {
        for (uri, expected) in [
            ("/api/v1/tasks", None),
            ("/api/v1/workspaces", None),
            ("/api/v1/workspaces/ws_1/events", Some("ws_1")),
            ("/api/v1/tasks?limit=1&workspace=a", Some("a")),
            ("/mcp?workspace=b", Some("b")),
            ("/mcp?other_workspace=b", None),
            ("/api/v1/workspaces/a/events?workspace=b", Some("b")),
            ("/mcp?workspace=acme/b", Some("acme/b")),
            ("/mcp?workspace=acme%2Fb", Some("acme/b")),
            ("/api/v1/workspaces/acme%2Fb/events", Some("acme/b")),
        ] {
            let wanted = wanted_workspace(&uri.parse().unwrap()).unwrap();
            assert_eq!(wanted.as_deref(), expected, "{uri}");
        }
        for uri in [
            "/mcp?workspace=a&workspace=b",
            "/mcp?workspace=a&workspace=a",
        ] {
            assert!(wanted_workspace(&uri.parse().unwrap()).is_err(), "{uri}");
        }
    }

    #[test]
    fn every_path_has_its_door() {
        for (path, expected) in [
            ("/", Some(Door::Page)),
            ("/tasks/task_1", Some(Door::Page)),
            ("/approvals/appr_1", Some(Door::Page)),
            ("/connect/conn_1/go", Some(Door::Page)),
            ("/oauth/callback", Some(Door::Page)),
            ("/invite/ab12", Some(Door::Page)),
            ("/.well-known/oauth-client", None),
            ("/.well-known/oauth-authorization-server", None),
            ("/.well-known/oauth-protected-resource/mcp", None),
            ("/oauth/authorize", Some(Door::Page)),
            ("/oauth/token", None),
            ("/oauth/register", None),
            ("/oauth/introspect", Some(Door::Api)),
            ("/device", Some(Door::Page)),
            ("/w/local/policies", Some(Door::Page)),
            ("/a/appr_1", Some(Door::Page)),
            ("/api/v1/me", Some(Door::Api)),
            ("/api", Some(Door::Api)),
            ("/api/v1/openapi.json", None),
            ("/mcp", Some(Door::Mcp)),
            ("/mcp/", Some(Door::Mcp)),
            ("/v1/mcp", Some(Door::Mcp)),
            ("/mcpx", None),
            ("/healthz", None),
            ("/metrics", None),
            ("/assets/app.js", None),
            ("/service-worker.js", None),
            ("/sign-in", None),
            ("/sign-in/callback", None),
            ("/sign-out", None),
            ("/webhooks/workos", None),
            ("/setup", Some(Door::Page)),
            ("/anonymous", Some(Door::Page)),
            ("/mcp/anonymous", Some(Door::Mcp)),
            ("/runtime/exchange", None),
        ] {
            assert_eq!(door(path), expected, "{path}");
        }
    }
}
