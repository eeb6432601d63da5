//! Two workspaces of one organization: what stands in one is not to be found in the other, whoever
//! asks, and a key reaches its own alone.

use crate::database::Database;
use crate::people::{Person, text};
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    nothing_of_one_is_in_the_other,
    a_key_reaches_its_own_alone,
    names_belong_to_their_workspace,
    a_link_leads_a_person_to_its_workspace,
    workspaces_from_the_command_line,
);

const WRITE: &str =
    "return (await tools.ledger.items.createItem({ name: 'here', amount: 1 })).name";

/// What is made in the first workspace, as the word of a path and its identifier.
async fn things(server: &Server) -> Vec<(&'static str, String)> {
    let task = server.submit(WRITE).await;
    let approval = text(&server.pending(1).await[0]["id"]);
    let large = server.run("return 'x'.repeat(2 * 1024 * 1024)").await;
    let rule = json!({ "effect": "ask", "match": { "tools": ["nothing.**"] } });
    let rule = server.post("/policies", rule).await;
    let hook = json!({ "url": "https://example.com/hook" });
    let hook = server.post("/webhooks", hook).await;
    let key = server.post("/keys", json!({ "name": "k" })).await;
    let credentials = server.get("/credentials").await;
    vec![
        ("tasks", task),
        ("approvals", approval),
        ("results", text(&large["result"]["$handle"])),
        ("policies", text(&rule["id"])),
        ("keys", text(&key["key"]["id"])),
        ("webhooks", text(&hook["webhook"]["id"])),
        ("credentials", text(&credentials["items"][0]["id"])),
        (
            "sources",
            text(&server.get("/sources").await["items"][0]["id"]),
        ),
    ]
}

async fn nothing_of_one_is_in_the_other(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    server.post("/workspaces", json!({ "slug": "other" })).await;
    let things = things(&server).await;
    let description = server.get("/openapi.json").await;
    let mut tried = Vec::new();
    for (path, methods) in description["paths"].as_object().expect("paths") {
        let Some(rest) = path.strip_prefix("/api/v1/") else {
            continue;
        };
        let Some((word, _)) = rest.split_once("/{") else {
            continue;
        };
        let Some((_, id)) = things.iter().find(|(thing, _)| *thing == word) else {
            continue;
        };
        for (method, operation) in methods.as_object().expect("methods") {
            let method = method.to_uppercase();
            is_not_there(&server, &method, path, id, operation).await;
            tried.push(format!("{method} {path}"));
        }
    }
    assert!(tried.len() >= 20, "{tried:#?}");
    for list in [
        "tasks",
        "approvals",
        "policies",
        "keys",
        "webhooks",
        "credentials",
        "sources",
        "tools",
    ] {
        let seen = server.get(&format!("/{list}?workspace=other")).await;
        for (thing, id) in &things {
            assert!(!seen.to_string().contains(id), "{list} tells of {thing}");
        }
        assert!(!seen.to_string().contains("ledger"), "{list}: {seen:#}");
    }
    let search = server
        .get("/tools/search?query=items&workspace=other")
        .await;
    assert_eq!(search["total"], 0, "{search:#}");
    its_programs_find_no_tool_of_the_first(&server).await;
    // Here everything is still there, and works.
    for (word, id) in &things {
        if matches!(*word, "tasks" | "approvals" | "sources" | "results") {
            server.get(&format!("/{word}/{id}")).await;
        }
    }
    let asked = server.pending(1).await.remove(0);
    server.approve(&asked).await;
    assert_eq!(server.finished(&things[0].1).await["status"], "completed");
    assert_eq!(upstream.writes(), 1);
}

/// Whether a thing of the first workspace is as unknown in the other as what nobody has.
async fn is_not_there(server: &Server, method: &str, path: &str, id: &str, operation: &Value) {
    let body = body(operation);
    let ask = |id: &str| {
        let path = path.replace("{sequence}", "1");
        let (start, end) = (path.find('{'), path.find('}'));
        let (start, end) = (start.expect("a brace"), end.expect("a brace"));
        let path = format!("{}{id}{}", &path["/api/v1".len()..start], &path[end + 1..]);
        let body = &body;
        async move {
            let path = format!("{path}?workspace=other");
            server.send(method, &path, body.as_ref()).await
        }
    };
    let foreign = ask(id).await;
    assert_eq!(foreign.status, 404, "{method} {path}: {foreign:#?}");
    let (kind, bits) = id.split_once('_').expect("a prefix");
    let nobodys = format!("{kind}_{}", "0".repeat(bits.len()));
    let unknown = ask(&nobodys).await;
    assert_eq!(
        foreign.body.to_string().replace(id, "it"),
        unknown.body.to_string().replace(&nobodys, "it"),
        "{method} {path}"
    );
}

async fn its_programs_find_no_tool_of_the_first(server: &Server) {
    let code = "try { return await tools.ledger.items.listItems() } catch (e) { return e.code }";
    let new = json!({ "code": code, "waitMs": 30_000 });
    let ran = server.post("/tasks?workspace=other", new).await;
    let id = text(&ran["id"]);
    let path = format!("/tasks/{id}?workspace=other");
    let deadline = std::time::Instant::now() + crate::server::PATIENCE;
    let done = loop {
        let task = server.get(&path).await;
        if task["status"] != "queued" && task["status"] != "running" {
            break task;
        }
        assert!(std::time::Instant::now() < deadline, "{task:#}");
    };
    assert!(
        done.to_string().contains("tool_not_found"),
        "the tools of one are not the other's: {done:#}"
    );
}

/// A body that fits, as far as it must to be judged.
pub(crate) fn body(operation: &Value) -> Option<Value> {
    let wanted = &operation["requestBody"];
    if wanted.is_null() {
        return None;
    }
    let id = operation["operationId"].as_str().unwrap_or_default();
    Some(match id {
        "editRule" => json!({ "effect": "ask" }),
        "forkTask" => json!({ "fromCall": 1 }),
        "previewApproval" => json!({ "arguments": {} }),
        "assignApproval" => json!({ "assignee": "nobody" }),
        "moveRule" | "moveSetRule" => json!({ "position": 1 }),
        "createPolicySet" | "describePolicySet" => json!({ "name": "a set" }),
        "addSetRule" | "editSetRule" => json!({ "effect": "ask" }),
        "assignPolicySet" => json!({ "level": "workspace" }),
        "reviewSource" => json!({ "all": true, "revision": 1 }),
        "setCredentialOrder" => json!({ "order": ["workspace"] }),
        "rotateCredential" => json!({ "value": "x" }),
        "stopClient" => json!({ "client": "x", "channel": "api" }),
        _ => json!({}),
    })
}

async fn a_key_reaches_its_own_alone(database: Database) {
    let server = Server::start(database).await;
    server.post("/workspaces", json!({ "slug": "other" })).await;
    let ada = Person::add(&server, "Ada", "member").await;
    let there = json!({ "name": "there", "member": ada.id });
    let there = server.post("/keys?workspace=other", there).await;
    let there = text(&there["secret"]);
    let slug = |key: String, query: &'static str| {
        let server = &server;
        async move {
            let path = format!("/me{query}");
            let reply = server.send_as(Some(&key), "GET", &path, None).await;
            (
                reply.status,
                reply.body["workspace"]["slug"].clone(),
                reply.body["code"].clone(),
            )
        }
    };
    let here = || ada.key.clone();
    assert_eq!(slug(here(), "").await.1, "local");
    assert_eq!(slug(there.clone(), "").await.1, "other");
    assert_eq!(slug(there.clone(), "?workspace=other").await.1, "other");
    let refused = slug(here(), "?workspace=other").await;
    assert_eq!((refused.0, refused.2), (403, json!("wrong_workspace")));
    assert_eq!(slug(there, "?workspace=local").await.0, 403);
    assert_eq!(slug(here(), "?workspace=nowhere").await.0, 404);
    let listed = ada.send(&server, "GET", "/workspaces", None).await;
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(1));
    let listed = server.get("/workspaces").await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));
}

async fn names_belong_to_their_workspace(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let other = Upstream::start().await;
    server.post("/workspaces", json!({ "slug": "other" })).await;
    let url = format!("{}/openapi.json", other.base_url());
    let add = json!({ "url": url, "name": "ledger", "allowPrivate": true });
    server.post("/sources?workspace=other", add).await;
    let value = json!({ "source": "ledger", "value": other.token() });
    server.post("/credentials?workspace=other", value).await;
    let call = json!({ "path": "ledger.items.listItems", "waitMs": 30_000 });
    let there = server
        .post("/tools/call?workspace=other", call.clone())
        .await;
    assert_eq!(there["status"], "completed", "{there:#}");
    assert_eq!((upstream.received().len(), other.received().len()), (0, 1));
    let here = server.post("/tools/call", call).await;
    assert_eq!(here["status"], "completed", "{here:#}");
    assert_eq!((upstream.received().len(), other.received().len()), (1, 1));
    let taken = json!({ "slug": "other" });
    let taken = server.send("POST", "/workspaces", Some(&taken)).await;
    assert_eq!(taken.status, 409, "{taken:#?}");
    for slug in ["", "Upper", "-a", "a b", "ws_1"] {
        let refused = json!({ "slug": slug });
        let refused = server.send("POST", "/workspaces", Some(&refused)).await;
        assert_eq!(refused.status, 422, "{slug}: {refused:#?}");
    }
}

async fn a_link_leads_a_person_to_its_workspace(database: Database) {
    let server = Server::start(database).await;
    let upstream = Upstream::start().await;
    server.post("/workspaces", json!({ "slug": "other" })).await;
    let url = format!("{}/openapi.json", upstream.base_url());
    let add = json!({ "url": url, "name": "ledger", "allowPrivate": true });
    server.post("/sources?workspace=other", add).await;
    let value = json!({ "source": "ledger", "value": upstream.token() });
    server.post("/credentials?workspace=other", value).await;
    let new = json!({ "code": WRITE, "waitMs": 30_000 });
    let task = server.post("/tasks?workspace=other", new).await;
    assert_eq!(task["status"], "waiting", "{task:#}");
    let asked = &task["approvals"][0];
    // A key of another workspace is led nowhere, whosever it is.
    let here = server.post("/keys", json!({ "name": "here" })).await;
    let path = format!("/approvals/{}", text(&asked["id"]));
    let key = text(&here["secret"]);
    let foreign = server.send_as(Some(&key), "GET", &path, None).await;
    assert_eq!(foreign.status, 404, "{foreign:#?}");
    server.get(&path).await;
    server.approve(asked).await;
    let done = server.finished(&text(&task["id"])).await;
    assert_eq!(done["status"], "completed", "{done:#}");
    assert_eq!(upstream.writes(), 1);
}

async fn workspaces_from_the_command_line(database: Database) {
    let server = Server::start(database).await;
    let made = [
        "workspaces",
        "create",
        "staging",
        "--name",
        "Staging",
        "--json",
    ];
    let made = server.cli(&made).await.exits(0).json();
    assert_eq!(made["slug"], "staging");
    let listed = server
        .cli(&["workspaces", "list", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    let run = ["run", "-e", "return 1", "--workspace", "staging", "--json"];
    let ran = server.cli(&run).await.exits(0).json();
    assert_eq!(ran["result"], 1, "{ran:#}");
    let here = server
        .cli(&["tasks", "list", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(here, json!([]), "it ran in the other one");
    let nowhere = ["tasks", "list", "--workspace", "nowhere"];
    server
        .cli(&nowhere)
        .await
        .exits(1)
        .says(&["no workspace 'nowhere'"]);
}
