//! Values that are kept in WorkOS Vault: only a reference is in the database, another organization's is
//! refused, and a vault that does not answer is told clearly. The double is made from WorkOS's
//! published description of the API; that there is another store changes nothing for programs.

use crate::answers::meddle;
use crate::database::Database;
use crate::keeping::number;
use crate::server::Server;
use crate::upstream::Upstream;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

on_both_databases!(
    the_value_is_there_and_a_reference_here,
    what_is_another_organizations_is_refused,
    an_organization_of_workos_stands_under_its_name_there,
    a_vault_that_does_not_answer_is_told,
);

const KEY: &str = "sk_a_key_of_the_vault";

/// What the double keeps.
#[derive(Default)]
struct Kept {
    objects: BTreeMap<String, Value>,
    made: usize,
    down: bool,
    asked: Vec<String>,
}

struct Double {
    kept: Arc<Mutex<Kept>>,
    address: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Double {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let kept = Arc::new(Mutex::new(Kept::default()));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&kept));
        let serving = tokio::spawn(async move {
            axum::serve(listener, app)
                .await
                .expect("the double serves until the test ends");
        });
        Self {
            kept,
            address,
            serving,
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Kept) -> T) -> T {
        look(&mut self.kept.lock().expect("no handler panicked"))
    }

    /// A server whose credentials are kept here, and an upstream that is connected to it.
    async fn connected(&self, database: Database) -> (Server, Upstream) {
        let mut server = Server::prepare(database);
        server.environment = [
            ("EXECUTOR_CREDENTIAL_STORE", "workos-vault"),
            ("EXECUTOR_WORKOS_VAULT_API_KEY", KEY),
            ("EXECUTOR_WORKOS_VAULT_URL", &self.address),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        server.launch().await;
        let upstream = Upstream::start().await;
        upstream.connect(&server).await;
        (server, upstream)
    }
}

async fn answer(State(kept): State<Arc<Mutex<Kept>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20)
        .await
        .unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut kept = kept.lock().expect("no handler panicked");
    let path = parts.uri.path().to_owned();
    kept.asked.push(format!("{} {path}", parts.method));
    let authorized = parts
        .headers
        .get("authorization")
        .is_some_and(|v| v == &format!("Bearer {KEY}"));
    if kept.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !authorized {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let json = |status: StatusCode, value: Value| (status, axum::Json(value)).into_response();
    let missing = || json(StatusCode::NOT_FOUND, json!({ "message": "not found" }));
    let rest = path.strip_prefix("/vault/v1/kv").unwrap_or_default();
    match (parts.method.as_str(), rest) {
        ("POST", "") => {
            let name = body["name"].as_str().expect("a name").to_owned();
            if kept.objects.values().any(|o| o["name"] == name.as_str()) {
                return json(StatusCode::CONFLICT, json!({ "message": "it exists" }));
            }
            kept.made += 1;
            let id = format!("secret_{}", kept.made);
            let metadata = json!({ "id": id, "context": body["key_context"],
                "environment_id": "environment_1", "key_id": "k", "version_id": "v",
                "updated_at": "2026-11-27T00:00:00Z", "updated_by": { "id": "u", "name": "n" } });
            let object = json!({ "id": id, "name": name, "value": body["value"],
                "metadata": metadata });
            kept.objects.insert(id, object);
            json(StatusCode::CREATED, metadata)
        }
        ("GET", rest) if rest.starts_with("/name/") => {
            let name = &rest["/name/".len()..];
            let found = kept.objects.values().find(|o| o["name"] == name);
            found.map_or_else(missing, |o| json(StatusCode::OK, o.clone()))
        }
        (method, rest) => {
            let id = rest.trim_start_matches('/');
            match (method, kept.objects.get_mut(id)) {
                (_, None) => missing(),
                ("GET", Some(object)) => json(StatusCode::OK, object.clone()),
                ("PUT", Some(object)) => {
                    object["value"] = body["value"].clone();
                    json(StatusCode::OK, object.clone())
                }
                (_, Some(_)) => {
                    kept.objects.remove(id);
                    StatusCode::NO_CONTENT.into_response()
                }
            }
        }
    }
}

const READ: &str = "return (await tools.ledger.items.listItems()).items.length";

async fn the_value_is_there_and_a_reference_here(database: Database) {
    let vault = Double::start().await;
    let (server, upstream) = vault.connected(database).await;
    assert_eq!(server.value(READ).await, 1);
    let values = || {
        vault.with(|k| {
            k.objects
                .values()
                .map(|o| o["value"].clone())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(values(), [json!(upstream.token())]);
    let me = server.get("/me").await;
    let context = vault.with(|k| k.objects["secret_1"]["metadata"]["context"].clone());
    assert!(
        context["organization_id"]
            .as_str()
            .is_some_and(|o| o.starts_with("org_")),
        "{context:#} {me:#}"
    );
    let outside = "select count(*) from credentials where sealed like 'w.%'";
    assert_eq!(number(&server, outside), 1);
    // A new value takes the place of the one before.
    let credentials = server.get("/credentials").await;
    let id = credentials["items"][0]["id"].as_str().expect("an id");
    let rotate = format!("/credentials/{id}/rotate");
    server.post(&rotate, json!({ "value": "wrong" })).await;
    assert_eq!(values(), [json!("wrong")]);
    let refused = server.run(READ).await;
    assert_eq!(refused["status"], "failed", "{refused:#}");
    server
        .post(&rotate, json!({ "value": upstream.token() }))
        .await;
    assert_eq!(server.value(READ).await, 1);
    // Keys change as they do anywhere, and the reference opens.
    server.post("/vault/data-key", json!({})).await;
    let anew = "select count(*) from credentials where sealed like 'w.k2.%'";
    let deadline = std::time::Instant::now() + crate::server::PATIENCE;
    while number(&server, anew) != 1 {
        assert!(std::time::Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(server.value(READ).await, 1);
    let gone = server
        .send("DELETE", &format!("/credentials/{id}"), None)
        .await;
    assert_eq!(gone.status, 204, "{gone:#?}");
    assert_eq!(values(), [] as [Value; 0]);
}

async fn what_is_another_organizations_is_refused(database: Database) {
    let vault = Double::start().await;
    let (server, upstream) = vault.connected(database).await;
    assert_eq!(server.value(READ).await, 1);
    let sent = upstream.received().len();
    let own = vault.with(|k| k.objects["secret_1"]["metadata"]["context"].clone());
    let set = |context: Value| {
        vault.with(|k| {
            let object = k.objects.get_mut("secret_1").expect("it is there");
            object["metadata"]["context"] = context;
        });
    };
    set(json!({ "organization_id": "org_00000000000000000000000000" }));
    let refused = server.run(READ).await;
    assert_eq!(refused["status"], "failed", "{refused:#}");
    assert!(
        refused.to_string().contains("another organization"),
        "{refused:#}"
    );
    assert_eq!(upstream.received().len(), sent, "nothing was sent");
    set(own);
    assert_eq!(server.value(READ).await, 1);
}

/// Once WorkOS knows the organization its own key is the one to encrypt by, and what was kept before
/// is still read.
async fn an_organization_of_workos_stands_under_its_name_there(database: Database) {
    let vault = Double::start().await;
    let (server, upstream) = vault.connected(database).await;
    assert_eq!(server.value(READ).await, 1);
    meddle(
        &server,
        "insert into linked_organizations (provider, external_id, organization_id)
         select 'workos', 'org_01LINKED', id from organizations where slug = 'local'",
    );
    assert_eq!(server.value(READ).await, 1, "by the name of before");
    let set = json!({ "source": "ledger", "value": upstream.token(), "scope": "personal" });
    server.post("/credentials", set).await;
    let contexts = vault.with(|k| {
        let all = k.objects.values();
        all.map(|o| o["metadata"]["context"].clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(contexts.len(), 2, "{contexts:#?}");
    assert_eq!(contexts[1], json!({ "organization_id": "org_01LINKED" }));
    assert_eq!(server.value(READ).await, 1);
    vault.with(|k| {
        let object = k.objects.get_mut("secret_2").expect("it is there");
        object["metadata"]["context"] = json!({ "organization_id": "org_01OTHER" });
    });
    let refused = server.run(READ).await;
    assert_eq!(refused["status"], "failed", "{refused:#}");
}

async fn a_vault_that_does_not_answer_is_told(database: Database) {
    let vault = Double::start().await;
    let (server, upstream) = vault.connected(database).await;
    assert_eq!(server.value(READ).await, 1);
    let sent = upstream.received().len();
    vault.with(|k| k.down = true);
    let code = "try { return await tools.ledger.items.listItems() }\n\
                catch (e) { return [e.code, e.message, e.retryable] }";
    let told = server.value(code).await;
    assert_eq!(told[0], "upstream_unreachable", "{told:#}");
    assert!(
        told.to_string().contains("WorkOS Vault answered 503"),
        "{told:#}"
    );
    assert_eq!(told[2], true, "{told:#}");
    let set = json!({ "source": "ledger", "value": "new", "scope": "personal" });
    let refused = server.send("POST", "/credentials", Some(&set)).await;
    assert_eq!(refused.status, 503, "{refused:#?}");
    assert_eq!(upstream.received().len(), sent, "nothing was sent");
    vault.with(|k| k.down = false);
    assert_eq!(server.value(READ).await, 1);
    let heard = String::from_utf8_lossy(&server.heard()).into_owned();
    assert!(!heard.contains(KEY), "the API key is told nobody");
    assert!(vault.with(|k| k.asked.len()) > 3);
}
