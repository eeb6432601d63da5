//! The upstream that counts: an API on loopback that wants a bearer token, records every request to
//! the byte, and can fail in every way a real one does.
//!
//! It is the witness of what was sent. What the product says about itself is checked against this.

use crate::database::Database;
use crate::ledger;
use crate::server::Server;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

struct Shared {
    token: String,
    base_url: String,
    received: Mutex<Vec<Received>>,
    released: watch::Sender<bool>,
    holds_writes: AtomicBool,
    broken: AtomicBool,
    revised: AtomicBool,
    elsewhere: Mutex<String>,
}

/// A running upstream. It ends with the test.
pub(crate) struct Upstream {
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Upstream {
    /// An upstream with a fresh token.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            token: fresh_token(),
            base_url: format!("http://{address}"),
            received: Mutex::default(),
            released: watch::Sender::new(false),
            holds_writes: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            revised: AtomicBool::new(false),
            elsewhere: Mutex::default(),
        });
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            axum::serve(listener, app)
                .await
                .expect("the upstream serves until the test ends");
        });
        Self { shared, serving }
    }

    /// A server, and an upstream that is connected to it.
    pub(crate) async fn connected(database: Database) -> (Server, Self) {
        let server = Server::start(database).await;
        let upstream = Self::start().await;
        upstream.connect(&server).await;
        (server, upstream)
    }

    /// The token it wants.
    pub(crate) fn token(&self) -> &str {
        &self.shared.token
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    /// Every request but those for its description.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared
            .received
            .lock()
            .expect("no handler panicked")
            .clone()
    }

    /// How often an item of a name was created.
    pub(crate) fn created(&self, name: &str) -> usize {
        let received = self.received();
        let creations = received
            .iter()
            .filter(|r| r.method == "POST" && r.target == "/items");
        creations
            .filter(|r| name_of(&r.body).as_deref() == Some(name))
            .count()
    }

    /// The upstream's word on what a program says became of its writes, by name: sent once where
    /// they succeeded, at most once where nobody knows. Answers of how many nobody knows.
    pub(crate) fn judge(&self, done: &Value, writes: usize) -> usize {
        let outcomes = done["result"].as_object().expect("the outcomes");
        assert_eq!(outcomes.len(), writes, "{done:#}");
        let mut unknown = 0;
        for (name, outcome) in outcomes {
            let sent = self.created(name);
            if outcome == "outcome_unknown" {
                unknown += 1;
                assert!(sent <= 1, "{name} was sent {sent} times");
            } else {
                assert_eq!(outcome, name, "{done:#}");
                assert_eq!(sent, 1, "{name} succeeded and was sent {sent} times");
            }
        }
        unknown
    }

    /// How many writes arrived.
    pub(crate) fn writes(&self) -> usize {
        self.received().iter().filter(|r| r.method != "GET").count()
    }

    /// Waits until `count` requests have arrived.
    pub(crate) async fn arrived(&self, count: usize) {
        let deadline = Instant::now() + crate::server::PATIENCE;
        while self.received().len() < count {
            assert!(
                Instant::now() < deadline,
                "{count} requests never came: {:?}",
                self.received()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// From now on writes are counted but not answered until `release`.
    pub(crate) fn hold_writes(&self) {
        self.shared.holds_writes.store(true, Ordering::SeqCst);
    }

    /// From now on its description is half a document.
    pub(crate) fn break_description(&self) {
        self.shared.broken.store(true, Ordering::SeqCst);
    }

    /// From now on its description says something else about `createItem`.
    pub(crate) fn revise_description(&self) {
        self.shared.revised.store(true, Ordering::SeqCst);
    }

    /// From now on `/elsewhere` redirects there.
    pub(crate) fn redirect_to(&self, url: &str) {
        url.clone_into(&mut self.shared.elsewhere.lock().expect("no handler panicked"));
    }

    /// Lets the requests that are held go on, those that wait and those that come.
    pub(crate) fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// Adds this upstream to a server as the source `ledger`, and its token as the credential.
    pub(crate) async fn connect(&self, server: &Server) {
        self.connect_without_credential(server).await;
        server
            .post(
                "/credentials",
                json!({ "source": "ledger", "value": self.token() }),
            )
            .await;
    }

    /// Adds this upstream to a server as the source `ledger`.
    pub(crate) async fn connect_without_credential(&self, server: &Server) {
        let url = format!("{}/openapi.json", self.base_url());
        let new = json!({ "url": url, "name": "ledger", "allowPrivate": true });
        let source = server.post("/sources", new).await;
        assert_eq!(source["status"], "ready", "{source:#}");
    }
}

/// A random token that cannot be met by chance.
pub(crate) fn fresh_token() -> String {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    format!(
        "tok{}",
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .encode(bytes)
            .replace('_', "u")
    )
}

fn name_of(body: &[u8]) -> Option<String> {
    let value = serde_json::from_slice::<Value>(body).ok()?;
    value["name"].as_str().map(str::to_owned)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |t| t.as_str())
        .to_owned();
    match target.as_str() {
        "/openapi.json" if shared.broken.load(Ordering::SeqCst) => {
            return "{\"openapi\": \"3.1.0\", \"paths\": {".into_response();
        }
        "/openapi.json" => {
            let mut description = ledger::description(&shared.base_url);
            if shared.revised.load(Ordering::SeqCst) {
                description["paths"]["/items"]["post"]["summary"] = json!("Pays an item at once");
            }
            return json_answer(&description);
        }
        "/openapi.yaml" => return ledger::description_30(&shared.base_url).into_response(),
        _ => {}
    }
    let body = axum::body::to_bytes(body, 16 << 20)
        .await
        .unwrap_or_default();
    let received = Received {
        method: parts.method.to_string(),
        target: target.clone(),
        headers: readable(&parts.headers),
        body: body.to_vec(),
    };
    let number = {
        let mut all = shared.received.lock().expect("no handler panicked");
        all.push(received.clone());
        all.len()
    };
    let expected = format!("Bearer {}", shared.token);
    if received.header("authorization") != Some(&expected) {
        let message = json!({ "error": "who are you?", "you sent": received.headers });
        return (StatusCode::UNAUTHORIZED, axum::Json(message)).into_response();
    }
    operate(&shared, &received, number).await
}

async fn operate(shared: &Shared, received: &Received, number: usize) -> Response {
    let path = received.target.split('?').next().unwrap_or_default();
    if let Some(status) = path.strip_prefix("/faults/status/") {
        return failing(status, received);
    }
    match (received.method.as_str(), path) {
        ("GET", "/items") => {
            let items = json!([{ "id": 1, "name": "coffee", "amount": 3.5 }]);
            json_answer(&json!({ "items": items }))
        }
        ("POST", "/items") => {
            if shared.holds_writes.load(Ordering::SeqCst) {
                hold(shared).await;
            }
            let mut item = serde_json::from_slice::<Value>(&received.body).unwrap_or_default();
            item["id"] = json!(number);
            json_answer(&item)
        }
        ("GET", "/echo") => {
            let encoded = base64::engine::general_purpose::STANDARD.encode(&shared.token);
            json_answer(&json!({ "headers": received.headers, "encoded": encoded }))
        }
        ("GET", "/leak") => {
            let told = format!("cannot read with {}", shared.token);
            (StatusCode::INTERNAL_SERVER_ERROR, told).into_response()
        }
        ("GET", "/held") => {
            hold(shared).await;
            json_answer(&json!({ "held": true }))
        }
        ("GET", "/zipped") => zipped(br#"{"zipped":true}"#),
        ("GET", "/faults/bomb") => zipped(format!("\"{}\"", "0".repeat(44 << 20)).as_bytes()),
        ("GET", "/faults/large") => {
            let size = received
                .target
                .rsplit('=')
                .next()
                .and_then(|n| n.parse::<usize>().ok());
            json_answer(&json!("x".repeat(size.unwrap_or_default() << 20)))
        }
        ("GET", "/faults/broken") => (
            [(header::CONTENT_TYPE, "application/json")],
            "{\"items\": [",
        )
            .into_response(),
        ("GET", "/faults/dropped") => dropped(),
        ("GET", "/elsewhere") => {
            let url = shared
                .elsewhere
                .lock()
                .expect("no handler panicked")
                .clone();
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url)]).into_response()
        }
        ("GET", "/faults/silent") => std::future::pending().await,
        (_, path) if path.starts_with("/items/") => {
            json_answer(&json!({ "id": 1, "name": "coffee", "amount": 3.5 }))
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn hold(shared: &Shared) {
    let mut released = shared.released.subscribe();
    // The sender lives as long as the upstream, so waiting cannot fail.
    let _ = released.wait_for(|open| *open).await;
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |v: &axum::http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(n, v)| (n.to_string(), text(v)))
        .collect()
}

fn json_answer(value: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        value.to_string(),
    )
        .into_response()
}

fn failing(status: &str, received: &Received) -> Response {
    let status = StatusCode::from_bytes(status.as_bytes()).expect("a status");
    let body = json!({ "error": format!("told to answer {status}"), "at": received.target });
    let mut response = (status, axum::Json(body)).into_response();
    if status == StatusCode::TOO_MANY_REQUESTS {
        response
            .headers_mut()
            .insert("retry-after", header::HeaderValue::from_static("7"));
    }
    response
}

fn zipped(content: &[u8]) -> Response {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).expect("memory takes it");
    let bytes = encoder.finish().expect("memory takes it");
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_ENCODING, "gzip"),
    ];
    (headers, bytes).into_response()
}

/// Half an answer, then the connection is cut.
fn dropped() -> Response {
    let half = Ok(Bytes::from_static(b"{\"items\": [1, 2,"));
    let cut = Err(std::io::Error::other("cut"));
    let body = Body::from_stream(futures_util::stream::iter([half, cut]));
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_LENGTH, "1000"),
    ];
    (headers, body).into_response()
}
