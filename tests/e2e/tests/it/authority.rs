//! An authorization server and the API that it protects, on one address on loopback: it counts what it
//! gives out, uses every code and refresh token once, notices when one comes twice, and can be as bad
//! as a real one.
//!
//! It is the witness of what OAuth's tests claim. The person's browser is played by [`Browser`].

use crate::server::{PATIENCE, Server};
use crate::upstream::fresh_token;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What it has done and what it is told to do.
#[derive(Default)]
pub(crate) struct Book {
    /// Clients that it made.
    pub(crate) registered: usize,
    /// Grants by type that came to something.
    pub(crate) granted: HashMap<String, usize>,
    /// Refresh tokens that came a second time.
    pub(crate) reused: usize,
    /// Requests to the token endpoint.
    pub(crate) asked: usize,
    /// Refreshes that wait to be answered.
    pub(crate) held: usize,
    /// Every token, code and secret that it ever gave out.
    pub(crate) given: Vec<String>,
    /// Tokens that were given back.
    pub(crate) revoked: Vec<String>,
    /// Requests to the API that carried a good token, by path.
    pub(crate) served: HashMap<String, usize>,
    /// Requests to the API that carried none, by path.
    pub(crate) turned_away: HashMap<String, usize>,

    /// Seconds that its tokens are said to work for; none to say nothing.
    pub(crate) lasts_s: Option<u64>,
    /// Whether it gives refresh tokens.
    pub(crate) keeps: bool,
    /// An error with which refreshes are answered: the status and the code.
    pub(crate) refuses: Option<(u16, &'static str)>,
    /// Fields put over those of its metadata; null takes one away.
    pub(crate) metadata: Value,
    /// Fields put over those of what the API says of itself.
    pub(crate) resource: Value,
    /// What it says that it is when a browser goes back; none for what it is, empty to say nothing.
    pub(crate) iss: Option<String>,
    /// Where the token endpoint redirects to, instead of answering.
    pub(crate) redirects: Option<String>,
    /// Whether somebody has entered the device's code.
    pub(crate) entered: bool,
    /// A scope that the API asks for on `/admin`.
    pub(crate) wants: Option<String>,

    /// The refresh token and the client's secret that were given out last.
    last: [String; 2],
    codes: HashMap<String, (String, String, String)>,
    access: HashMap<String, (Instant, String)>,
    refresh: HashMap<String, String>,
    used: HashSet<String>,
}

struct Shared {
    base_url: String,
    book: Mutex<Book>,
    released: watch::Sender<bool>,
}

/// A running authority. It ends with the test.
pub(crate) struct Authority {
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Authority {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            base_url: format!("http://{address}"),
            book: Mutex::new(Book {
                lasts_s: Some(3_600),
                keeps: true,
                metadata: json!({}),
                resource: json!({}),
                ..Book::default()
            }),
            released: watch::Sender::new(true),
        });
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            axum::serve(listener, app)
                .await
                .expect("the authority serves until the test ends");
        });
        Self { shared, serving }
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    /// Looks at its book, or changes what it is told to do.
    pub(crate) fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.shared.book.lock().expect("no handler panicked"))
    }

    /// How often a grant came to something.
    pub(crate) fn granted(&self, kind: &str) -> usize {
        self.book(|b| b.granted.get(kind).copied().unwrap_or_default())
    }

    /// How often the API served a path.
    pub(crate) fn served(&self, path: &str) -> usize {
        self.book(|b| b.served.get(path).copied().unwrap_or_default())
    }

    /// From now on refreshes wait until [`Authority::release`].
    pub(crate) fn hold(&self) {
        self.shared.released.send_replace(false);
    }

    pub(crate) fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// No access token that was given out is good any more.
    pub(crate) fn expire(&self) {
        self.book(|b| b.access.clear());
    }

    /// Waits until something holds of its book.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Book) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.book(|b| holds(b)) {
            assert!(Instant::now() < deadline, "never came: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Adds its API to a server as the source `things`.
    pub(crate) async fn add_to(&self, server: &Server) {
        let url = format!("{}/openapi.json", self.base_url());
        let new = json!({ "url": url, "name": "things", "allowPrivate": true });
        let source = server.post("/sources", new).await;
        assert_eq!(source["status"], "ready", "{source:#}");
    }

    /// Connects the source by a browser whose person agrees; gives back the connect as it ended.
    pub(crate) async fn connect(&self, server: &Server) -> Value {
        let begun = server.post("/sources/things/connect", json!({})).await;
        let page = Browser::new().agree(&begun).await;
        let ended = server
            .get(&format!("/connects/{}", text(&begun["id"])))
            .await;
        assert_eq!(ended["status"], "connected", "{ended:#}\n{page}");
        ended
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// The person's browser: it follows links when told to and keeps cookies by name.
pub(crate) struct Browser {
    http: reqwest::Client,
    cookies: Mutex<Vec<(String, String)>>,
}

/// What a browser came to.
pub(crate) struct Visited {
    pub(crate) status: u16,
    /// Where it is sent on, if it is.
    pub(crate) location: Option<String>,
    pub(crate) page: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .expect("an HTTP client");
        Self {
            http,
            cookies: Mutex::default(),
        }
    }

    pub(crate) async fn visit(&self, url: &str) -> Visited {
        self.send(self.http.get(url)).await
    }

    /// Sends the form of a page of ours.
    pub(crate) async fn submit(&self, url: &str) -> Visited {
        let origin = reqwest::Url::parse(url).expect("an address").origin();
        let form = self.http.post(url);
        self.send(form.header("origin", origin.ascii_serialization()))
            .await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Visited {
        let cookies = {
            let kept = self.cookies.lock().expect("no test panicked here");
            let pairs: Vec<String> = kept.iter().map(|(n, v)| format!("{n}={v}")).collect();
            pairs.join("; ")
        };
        let request = request
            .header("cookie", cookies)
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        let answer = request.send().await.expect("an answer");
        {
            let mut kept = self.cookies.lock().expect("no test panicked here");
            for cookie in answer.headers().get_all("set-cookie") {
                let pair = cookie.to_str().expect("text").split(';').next();
                let (name, value) = pair.and_then(|p| p.split_once('=')).expect("a pair");
                kept.retain(|(n, _)| n != name);
                kept.push((name.to_owned(), value.to_owned()));
            }
        }
        let location = answer.headers().get("location");
        Visited {
            status: answer.status().as_u16(),
            location: location.map(|l| l.to_str().expect("text").to_owned()),
            page: answer.text().await.expect("text"),
        }
    }

    /// Goes from the link of a connect to the authorization server; gives back its address.
    pub(crate) async fn go(&self, connect: &Value) -> String {
        let url = text(&connect["url"]);
        let page = self.visit(url).await;
        assert_eq!(page.status, 200, "{}", page.page);
        let sent = self.visit(&format!("{url}/go")).await;
        assert_eq!(sent.status, 303, "{}", sent.page);
        sent.location.expect("it is sent away")
    }

    /// The whole way: away, agree, back. Gives back the last page.
    pub(crate) async fn agree(&self, connect: &Value) -> String {
        let away = self.go(connect).await;
        let back = self.visit(&away).await.location.expect("it is sent back");
        self.visit(&back).await.page
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20)
        .await
        .unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let bearer = parts.headers.get(header::AUTHORIZATION);
    let bearer = bearer.and_then(|v| v.to_str().ok()).unwrap_or_default();
    let path = parts.uri.path();
    match (parts.method.as_str(), path) {
        (_, "/openapi.json") => json_answer(200, &description(&shared.base_url)),
        (_, "/.well-known/oauth-protected-resource") => {
            let about = json!({ "resource": shared.base_url,
                "authorization_servers": [shared.base_url], "scopes_supported": ["read"] });
            json_answer(200, &over(about, &book(&shared).resource))
        }
        (_, "/.well-known/oauth-authorization-server") => {
            let about = metadata(&shared.base_url);
            json_answer(200, &over(about, &book(&shared).metadata))
        }
        ("GET", "/authorize") => authorize(&shared, &query),
        ("POST", "/token") => {
            let form = pairs(std::str::from_utf8(&body).unwrap_or_default());
            token(&shared, &form).await
        }
        ("POST", "/register") => {
            let mut book = book(&shared);
            book.registered += 1;
            let mut made: Value = serde_json::from_slice(&body).expect("JSON");
            let secret = fresh_token();
            book.given.push(secret.clone());
            book.last[1] = secret.clone();
            made["client_id"] = json!(format!("client-{}", book.registered));
            made["client_secret"] = json!(secret);
            json_answer(201, &made)
        }
        ("POST", "/device") => {
            let code = fresh_token();
            book(&shared).given.push(code.clone());
            json_answer(
                200,
                &json!({ "device_code": code, "user_code": "WDJB-MJHT",
                "verification_uri": format!("{}/enter", shared.base_url),
                "expires_in": 600, "interval": 1 }),
            )
        }
        ("POST", "/revoke") => {
            let form = pairs(std::str::from_utf8(&body).unwrap_or_default());
            book(&shared).revoked.push(form["token"].clone());
            json_answer(200, &json!({}))
        }
        (_, path) => api(&shared, path, bearer.trim_start_matches("Bearer ")),
    }
}

fn book(shared: &Shared) -> std::sync::MutexGuard<'_, Book> {
    shared.book.lock().expect("no handler panicked")
}

fn over(mut base: Value, with: &Value) -> Value {
    for (key, value) in with.as_object().expect("an object") {
        if value.is_null() {
            base.as_object_mut().expect("an object").remove(key);
        } else {
            base[key] = value.clone();
        }
    }
    base
}

fn metadata(base: &str) -> Value {
    json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "registration_endpoint": format!("{base}/register"),
        "device_authorization_endpoint": format!("{base}/device"),
        "revocation_endpoint": format!("{base}/revoke"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "authorization_response_iss_parameter_supported": true,
    })
}

fn description(base: &str) -> Value {
    let get = |id: &str| json!({ "get": { "operationId": id, "responses": {} } });
    json!({
        "openapi": "3.1.0", "info": { "title": "Things", "version": "1" },
        "servers": [{ "url": base }],
        "paths": {
            "/things": { "get": { "operationId": "listThings", "responses": {} },
                         "post": { "operationId": "makeThing", "responses": {} } },
            "/echo": get("echo"), "/split": get("split"), "/admin": get("admin"),
            "/never": get("never"),
        }
    })
}

fn pairs(text: &str) -> HashMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://x/?{text}")).expect("a query");
    url.query_pairs().into_owned().collect()
}

fn authorize(shared: &Shared, query: &str) -> Response {
    let asked = pairs(query);
    let want = |name: &str| asked.get(name).cloned().unwrap_or_default();
    assert_eq!(want("code_challenge_method"), "S256", "{asked:?}");
    assert_eq!(want("response_type"), "code");
    let code = fresh_token();
    let mut book = book(shared);
    book.given.push(code.clone());
    let kept = (want("code_challenge"), want("redirect_uri"), want("scope"));
    book.codes.insert(code.clone(), kept);
    let mut back = reqwest::Url::parse(&want("redirect_uri")).expect("an address");
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &want("state"));
    let iss = book.iss.clone().unwrap_or_else(|| shared.base_url.clone());
    if !iss.is_empty() {
        back.query_pairs_mut().append_pair("iss", &iss);
    }
    (StatusCode::FOUND, [(header::LOCATION, back.to_string())]).into_response()
}

fn refuse(status: u16, code: &str) -> Response {
    let text = format!("told to answer {code}");
    json_answer(status, &json!({ "error": code, "error_description": text }))
}

async fn token(shared: &Shared, form: &HashMap<String, String>) -> Response {
    let want = |name: &str| form.get(name).cloned().unwrap_or_default();
    let kind = want("grant_type");
    if let Some(to) = {
        let mut book = book(shared);
        book.asked += 1;
        book.redirects.clone()
    } {
        return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response();
    }
    if kind == "refresh_token" && !*shared.released.borrow() {
        book(shared).held += 1;
        let mut released = shared.released.subscribe();
        // The sender lives as long as the authority, so waiting cannot fail.
        let _ = released.wait_for(|open| *open).await;
    }
    let mut book = book(shared);
    let scope = match kind.as_str() {
        "authorization_code" => {
            let Some((challenge, redirect_uri, scope)) = book.codes.remove(&want("code")) else {
                return refuse(400, "invalid_grant");
            };
            let digest = sha2::Sha256::digest(want("code_verifier").as_bytes());
            if URL_SAFE_NO_PAD.encode(digest) != challenge || redirect_uri != want("redirect_uri") {
                return refuse(400, "invalid_grant");
            }
            scope
        }
        "refresh_token" => {
            if let Some((status, code)) = book.refuses {
                return refuse(status, code);
            }
            let token = want("refresh_token");
            if book.used.contains(&token) {
                // Somebody holds a copy: everything that came of it ends.
                book.reused += 1;
                book.access.clear();
                book.refresh.clear();
                return refuse(400, "invalid_grant");
            }
            let Some(scope) = book.refresh.remove(&token) else {
                return refuse(400, "invalid_grant");
            };
            book.used.insert(token);
            scope
        }
        "client_credentials" => want("scope"),
        _ if !book.entered => return refuse(400, "authorization_pending"),
        _ => "read".to_owned(),
    };
    *book.granted.entry(kind.clone()).or_default() += 1;
    let lasts = book.lasts_s;
    let access = fresh_token();
    let until = Instant::now() + Duration::from_secs(lasts.unwrap_or(86_400));
    book.access.insert(access.clone(), (until, scope.clone()));
    book.given.push(access.clone());
    let mut given = json!({ "access_token": access, "token_type": "Bearer", "scope": scope });
    if let Some(lasts) = lasts {
        given["expires_in"] = json!(lasts);
    }
    if book.keeps && kind != "client_credentials" {
        let refresh = fresh_token();
        book.given.push(refresh.clone());
        book.last[0] = refresh.clone();
        book.refresh.insert(refresh.clone(), scope);
        given["refresh_token"] = json!(refresh);
    }
    let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"7","email":"ada@things.example"}"#);
    given["id_token"] = json!(format!("e30.{claims}.c2ln"));
    json_answer(200, &given)
}

fn api(shared: &Shared, path: &str, token: &str) -> Response {
    let mut book = book(shared);
    let scope = match book.access.get(token) {
        Some((until, scope)) if *until > Instant::now() && path != "/never" => scope.clone(),
        Some(_) | None => {
            *book.turned_away.entry(path.to_owned()).or_default() += 1;
            let place = "/.well-known/oauth-protected-resource";
            let challenge = format!("Bearer resource_metadata=\"{}{place}\"", shared.base_url);
            let headers = [(header::WWW_AUTHENTICATE, challenge)];
            return (StatusCode::UNAUTHORIZED, headers, "who are you?").into_response();
        }
    };
    *book.served.entry(path.to_owned()).or_default() += 1;
    let lacks = book
        .wants
        .clone()
        .filter(|wanted| path == "/admin" && !scope.split(' ').any(|s| s == wanted));
    if let Some(wanted) = lacks {
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{wanted}\"");
        let headers = [(header::WWW_AUTHENTICATE, challenge)];
        return (StatusCode::FORBIDDEN, headers, "not enough").into_response();
    }
    let (first, last) = token.split_at(token.len() / 2);
    match path {
        "/things" | "/admin" => json_answer(200, &json!({ "things": [1, 2], "scope": scope })),
        "/echo" => json_answer(200, &json!({ "sent": token, "kept": book.last })),
        "/split" => json_answer(200, &json!({ "a": first, "b": last })),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn json_answer(status: u16, value: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, axum::Json(value)).into_response()
}
