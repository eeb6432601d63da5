//! An upstream whose description says whatever a test wants, from one moment to the next.
//!
//! It serves the description with an entity tag, a page that names it and one that does not, and
//! answers every call with what was called.

use crate::database::Database;
use crate::server::Server;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Shared {
    description: Mutex<String>,
    whole: AtomicUsize,
    unchanged: AtomicUsize,
    calls: AtomicUsize,
    rejects: AtomicBool,
}

/// A running upstream. It ends with the test.
pub(crate) struct Described {
    shared: Arc<Shared>,
    base_url: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Described {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One operation of a description: method, path, name, what it says of itself.
pub(crate) type Operation<'a> = (&'a str, &'a str, &'a str, &'a str);

impl Described {
    /// An upstream that offers these operations.
    pub(crate) async fn start(operations: &[Operation<'_>]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            axum::serve(listener, app)
                .await
                .expect("the upstream serves until the test ends");
        });
        let described = Self {
            shared,
            base_url: format!("http://{address}"),
            serving,
        };
        described.offer(operations);
        described
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The address of its description.
    pub(crate) fn description_url(&self) -> String {
        format!("{}/openapi.json", self.base_url)
    }

    /// From now on it offers these operations.
    pub(crate) fn offer(&self, operations: &[Operation<'_>]) {
        self.say(&description(&self.base_url, operations).to_string());
    }

    /// From now on this is its description.
    pub(crate) fn say(&self, text: &str) {
        let mut description = self.shared.description.lock().expect("no handler panicked");
        text.clone_into(&mut description);
    }

    /// From now on it accepts nobody's credential, or everybody's.
    pub(crate) fn reject(&self, rejects: bool) {
        self.shared.rejects.store(rejects, Ordering::SeqCst);
    }

    /// How often its description was sent whole.
    pub(crate) fn read_whole(&self) -> usize {
        self.shared.whole.load(Ordering::SeqCst)
    }

    /// How often it could say that nothing has changed.
    pub(crate) fn read_unchanged(&self) -> usize {
        self.shared.unchanged.load(Ordering::SeqCst)
    }

    /// How many calls arrived.
    pub(crate) fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }

    /// What adds it to a server as the source `shelf`.
    pub(crate) fn as_source(&self) -> Value {
        json!({ "url": self.description_url(), "name": "shelf", "allowPrivate": true })
    }
}

pub(crate) const LIST: Operation<'_> = ("get", "/things", "list", "Lists things");
pub(crate) const PUT: Operation<'_> = ("put", "/things", "put", "Puts a thing");
pub(crate) const PUT_CHANGED: Operation<'_> =
    ("put", "/things", "put", "Puts a thing and mails it");
pub(crate) const WIPE: Operation<'_> = ("delete", "/things", "wipe", "Wipes all things");

pub(crate) const CALL_PUT: &str = "return (await tools.shelf.put()).method";
pub(crate) const CALL_LIST: &str = "return (await tools.shelf.list()).method";

/// A server, and an upstream of these operations that is connected to it as `shelf`.
pub(crate) async fn shelf(database: Database, operations: &[Operation<'_>]) -> (Server, Described) {
    let server = Server::start(database).await;
    let described = Described::start(operations).await;
    let source = server.post("/sources", described.as_source()).await;
    assert_eq!(source["status"], "ready", "{source:#}");
    (server, described)
}

/// Lets every tool of the shelf through; gives back the rule.
pub(crate) async fn allow_all(server: &Server) -> String {
    let rule = json!({ "effect": "allow", "match": { "tools": ["shelf.**"] } });
    let made = server.post("/policies", rule).await;
    made["id"].as_str().expect("a rule has an id").to_owned()
}

/// Has the shelf read again.
pub(crate) async fn refresh(server: &Server) -> Value {
    server.post("/sources/shelf/refresh", json!(null)).await
}

/// The tools of the shelf that are marked as unreviewed, as lists show them.
pub(crate) async fn marked(server: &Server) -> Vec<String> {
    let listed = server
        .cli(&["tools", "list", "shelf", "--json"])
        .await
        .exits(0)
        .json();
    let hits = listed.as_array().expect("a list").iter();
    let marked = hits.filter(|hit| hit["unreviewed"] == json!(true));
    marked
        .map(|hit| hit["path"].as_str().expect("a path").to_owned())
        .collect()
}

/// A description of operations, each with one optional argument.
pub(crate) fn description(base_url: &str, operations: &[Operation<'_>]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (method, path, name, says) in operations {
        let item = paths.entry((*path).to_owned()).or_insert_with(|| json!({}));
        item[*method] = json!({
            "operationId": name,
            "summary": says,
            "parameters": [{ "name": "q", "in": "query", "schema": { "type": "string" } }],
            "responses": { "200": {
                "description": "Done",
                "content": { "application/json": { "schema": { "type": "object" } } },
            } },
        });
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Shelf", "version": "1" },
        "servers": [{ "url": base_url }],
        "paths": paths,
    })
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    match request.uri().path() {
        "/openapi.json" => {
            let text = shared
                .description
                .lock()
                .expect("no handler panicked")
                .clone();
            let tag = format!("\"{:x}\"", text.len() * 31 + text.bytes().map(usize::from).sum::<usize>());
            let known = request.headers().get(header::IF_NONE_MATCH);
            if known.is_some_and(|k| k.as_bytes() == tag.as_bytes()) {
                shared.unchanged.fetch_add(1, Ordering::SeqCst);
                return StatusCode::NOT_MODIFIED.into_response();
            }
            shared.whole.fetch_add(1, Ordering::SeqCst);
            let headers = [
                (header::ETAG, tag),
                (header::CONTENT_TYPE, "application/json".to_owned()),
            ];
            (headers, text).into_response()
        }
        "/docs" => Html(
            "<!DOCTYPE html><html><head><link rel=\"service-desc\" href=\"/openapi.json\"></head></html>",
        )
        .into_response(),
        "/nowhere" => StatusCode::NOT_FOUND.into_response(),
        path if path.starts_with("/things") => {
            shared.calls.fetch_add(1, Ordering::SeqCst);
            if shared.rejects.load(Ordering::SeqCst) {
                return (StatusCode::UNAUTHORIZED, "{\"error\":\"who are you?\"}").into_response();
            }
            axum::Json(json!({ "method": request.method().as_str(), "path": path })).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
