//! A list of tools is of whoever asked for it (M19): what one person's own credential shows of a source
//! is nobody else's unless the source says that it is everybody's, and what we offer is made for each.

use crate::api::items;
use crate::database::Database;
use crate::doors::Mcp;
use crate::people::{Person, text};
use crate::server::Server;
use crate::upstream::Upstream;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

on_both_databases!(
    what_ones_own_credential_shows_is_nobody_elses,
    what_is_offered_to_one_is_not_offered_to_another,
);

/// What shows more tools to whoever has it.
const OWN: &str = "a-token-of-ones-own";

/// A server of MCP, 2026-07-28, that has one tool for everybody and one for [`OWN`].
struct Shelf {
    url: String,
    /// What it says of whose its list is.
    scope: Arc<Mutex<Option<&'static str>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shelf {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let scope = Arc::<Mutex<Option<&'static str>>>::default();
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&scope));
        let serving = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("it serves");
        });
        Self {
            url,
            scope,
            serving,
        }
    }

    fn says(&self, scope: Option<&'static str>) {
        *self.scope.lock().expect("no handler panicked") = scope;
    }
}

async fn answer(
    State(scope): State<Arc<Mutex<Option<&'static str>>>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if method != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let message: Value = serde_json::from_slice(&body).expect("a message");
    if message["id"].is_null() {
        return StatusCode::ACCEPTED.into_response();
    }
    let own = format!("Bearer {OWN}");
    let is_own = headers
        .get("authorization")
        .is_some_and(|sent| sent.as_bytes() == own.as_bytes());
    let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
    let mut result = match message["method"].as_str() {
        Some("server/discover") => json!({
            "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} } }),
        Some("tools/list") if is_own => json!({ "tools": [tool("open"), tool("hidden")] }),
        Some("tools/list") => json!({ "tools": [tool("open")] }),
        _ => json!({ "structuredContent": {} }),
    };
    result["resultType"] = json!("complete");
    if let Some(scope) = *scope.lock().expect("no handler panicked") {
        result["cacheScope"] = json!(scope);
    }
    let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
    axum::Json(body).into_response()
}

/// The tools of the source that somebody sees.
async fn seen(server: &Server, key: Option<&str>) -> Vec<String> {
    let tools = server.send_as(key, "GET", "/tools?namespace=shelf", None);
    let mut names: Vec<String> = items(&json!({ "items": tools.await.body["results"] }))
        .iter()
        .map(|tool| text(&tool["path"]))
        .collect();
    names.sort();
    names
}

async fn what_ones_own_credential_shows_is_nobody_elses(database: Database) {
    let server = Server::start(database).await;
    let shelf = Shelf::start().await;
    let new = json!({ "url": shelf.url, "name": "shelf", "allowPrivate": true });
    let source = server.post("/sources", new).await;
    assert_eq!(source["status"], "ready", "{source:#}");
    let ada = Person::add(&server, "Ada", "member").await;
    let value = json!({ "source": "shelf", "value": OWN, "scope": "personal" });
    server.post("/credentials", value).await;
    let whole = ["shelf.hidden", "shelf.open"];
    for (scope, expected) in [
        (None, &whole[1..]),
        (Some("private"), &whole[1..]),
        (Some("whatever"), &whole[1..]),
        // The same list, and its own word that it is everybody's.
        (Some("public"), &whole[..]),
        (Some("private"), &whole[1..]),
    ] {
        shelf.says(scope);
        let accepted = json!({});
        server
            .post("/sources/shelf/refresh?accept=true", accepted)
            .await;
        assert_eq!(seen(&server, Some(&ada.key)).await, expected, "{scope:?}");
        assert_eq!(seen(&server, None).await, expected, "{scope:?}");
    }
    // Alone, one's own list is that of the workspace.
    let path = format!("/members/{}", ada.id);
    server.send("DELETE", &path, None).await;
    server
        .post("/sources/shelf/refresh?accept=true", json!({}))
        .await;
    assert_eq!(seen(&server, None).await, whole);
}

async fn what_is_offered_to_one_is_not_offered_to_another(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let (ada, bob) = (
        Person::add(&server, "Ada", "member").await,
        Person::add(&server, "Bob", "member").await,
    );
    let deny = json!({ "effect": "deny", "level": "personal",
        "match": { "tools": ["ledger.items.createItem"] } });
    let made = ada.send(&server, "POST", "/policies", Some(&deny)).await;
    assert_eq!(made.status, 201, "{made:#?}");
    let tool = "ledger_items_createItem".to_owned();
    // One after the other and back again: whoever asked before is not remembered.
    for (person, offered) in [(&bob, true), (&ada, false), (&bob, true), (&ada, false)] {
        let path = "/mcp?tools=direct";
        let (mcp, _) = Mcp::connect_as(&server, path, "2025-11-25", &person.key).await;
        assert_eq!(mcp.tools().await.contains(&tool), offered);
    }
}
