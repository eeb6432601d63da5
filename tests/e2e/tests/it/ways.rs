//! No way around the gate: every door of the product is tried on one tool under three policies, and
//! the upstream counts. Denied and asked about, nothing arrives through any of them; allowed, exactly
//! what the door carries, so that a door that is shut for another reason does not pass for safe.
//!
//! The list of doors is held against the server's own description and its list of MCP tools: a route
//! or tool that nobody has placed here fails the test.

use crate::database::Database;
use crate::doors::Mcp;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_both_databases!(
    no_door_leads_around_the_gate,
    no_other_route_reaches_a_tool,
    every_tool_of_the_protocol_is_placed,
);

/// Routes that may lead to a call, tried as doors here or, where an answer opens them, in `gate.rs`,
/// `rules.rs` and `policies.rs`.
const LEADING: [&str; 8] = [
    "POST /api/v1/tasks",
    "POST /api/v1/tasks/{id}/rerun",
    "POST /api/v1/tasks/{id}/fork",
    "POST /api/v1/tools/call",
    "POST /api/v1/approvals/{id}/approve",
    "POST /api/v1/approvals/{id}/deny",
    "POST /api/v1/approvals/{id}/answer",
    "POST /api/v1/approvals/{id}/happened",
];

/// The one call, as a program; what is carried is counted by its name.
fn program(path: &str, name: &str) -> String {
    format!("return await {path}({{ name: '{name}', amount: 1 }});")
}

/// A way in, and how many calls it carries when nothing stops it.
#[derive(Debug, Clone, Copy)]
enum Door {
    Submit(&'static str),
    Guarded,
    Together,
    Sequence,
    Rerun,
    Fork,
    CallTool(&'static str),
    CliRun,
    CliRerun,
    Execute(&'static str),
    Detached,
    Direct,
    Check,
    Search,
    Describe,
}

const PLAIN: &str = "tools.ledger.items.createItem";

const DOORS: [Door; 21] = [
    Door::Submit(PLAIN),
    Door::Submit("tools.LEDGER.Items.create_item"),
    Door::Submit("tools['ledger.items.createItem']"),
    Door::Submit("tools['Ledger.ITEMS.create-item']"),
    Door::Submit("tools.ledger['items.createItem']"),
    Door::Guarded,
    Door::Together,
    Door::Sequence,
    Door::Rerun,
    Door::Fork,
    Door::CallTool("ledger.items.createItem"),
    Door::CallTool("LEDGER.items.Create_Item"),
    Door::CliRun,
    Door::CliRerun,
    Door::Execute("/mcp"),
    Door::Execute("/v1/mcp"),
    Door::Detached,
    Door::Direct,
    Door::Check,
    Door::Search,
    Door::Describe,
];

impl Door {
    fn carries(self) -> usize {
        match self {
            Self::Together => 5,
            Self::Sequence => 3,
            // The first run and the second.
            Self::Rerun | Self::Fork | Self::CliRerun => 2,
            Self::Check | Self::Search | Self::Describe => 0,
            Self::Submit(_)
            | Self::Guarded
            | Self::CallTool(_)
            | Self::CliRun
            | Self::Execute(_)
            | Self::Detached
            | Self::Direct => 1,
        }
    }

    /// Goes through it once, as far as it goes. What comes back does not matter; what arrives does.
    async fn go(self, server: &Server, name: &str) {
        match self {
            Self::Submit(path) => drop(submit(server, &program(path, name)).await),
            Self::Guarded => {
                let call = program(PLAIN, name);
                let code = format!("try {{ {call} }} catch (e) {{ return e.code; }}");
                submit(server, &code).await;
            }
            Self::Together => {
                let code = format!(
                    "return await Promise.all([1, 2, 3, 4, 5].map((n) =>\n\
                     {PLAIN}({{ name: '{name}', amount: n }})));"
                );
                submit(server, &code).await;
            }
            Self::Sequence => {
                let code = format!(
                    "for (let n = 0; n < 3; n++) {{\n\
                     try {{ await {PLAIN}({{ name: '{name}', amount: n }}); }} catch {{}} }}"
                );
                submit(server, &code).await;
            }
            Self::Rerun => {
                let id = submit(server, &program(PLAIN, name)).await;
                let path = format!("/tasks/{id}/rerun");
                let again = server.send("POST", &path, Some(&json!({}))).await;
                if let Some(id) = again.body["id"].as_str() {
                    rest(server, id).await;
                }
            }
            Self::Fork => {
                let id = submit(server, &program(PLAIN, name)).await;
                let path = format!("/tasks/{id}/fork");
                let first = json!({ "fromCall": 1 });
                let on = server.send("POST", &path, Some(&first)).await;
                if let Some(id) = on.body["id"].as_str() {
                    rest(server, id).await;
                }
            }
            Self::CallTool(path) => {
                let arguments = json!({ "name": name, "amount": 1 });
                let call = json!({ "path": path, "arguments": arguments, "waitMs": 10_000 });
                server.send("POST", "/tools/call", Some(&call)).await;
            }
            Self::CliRun => {
                let code = program(PLAIN, name);
                server.cli(&["run", "-e", &code, "--detach"]).await;
                everything_rests(server).await;
            }
            Self::CliRerun => {
                let id = submit(server, &program(PLAIN, name)).await;
                server.cli(&["tasks", "rerun", &id, "--detach"]).await;
                everything_rests(server).await;
            }
            Self::Execute(path) => execute(server, path, name).await,
            Self::Detached => detached(server, name).await,
            Self::Direct => direct(server, name).await,
            Self::Check => {
                let code = json!({ "code": program(PLAIN, name) });
                server.post("/workspaces/local/check", code).await;
            }
            Self::Search => {
                let (mcp, _) = Mcp::connect(server, "2025-11-25").await;
                mcp.call("search_tools", json!({ "query": "create item" }))
                    .await;
                server.value("return tools.discover('create item')").await;
            }
            Self::Describe => {
                let path = "/tools/describe?path=ledger.items.createItem";
                server.send("GET", path, None).await;
            }
        }
    }
}

async fn execute(server: &Server, path: &str, name: &str) {
    let (mcp, _) = Mcp::connect_at(server, path, "2025-11-25").await;
    let execute = json!({ "code": program(PLAIN, name), "resultTimeoutMs": 10_000 });
    let done = mcp.call("execute", execute).await;
    // A model that is told to wait asks again: that is no answer.
    let id = done["structuredContent"]["taskId"].clone();
    mcp.call("resume", json!({ "taskId": id, "waitMs": 100 }))
        .await;
}

async fn detached(server: &Server, name: &str) {
    let (mcp, _) = Mcp::connect(server, "2025-06-18").await;
    let code = program(PLAIN, name);
    mcp.call("execute", json!({ "code": code, "waitForResult": false }))
        .await;
    everything_rests(server).await;
}

async fn direct(server: &Server, name: &str) {
    let (mcp, _) = Mcp::connect_at(server, "/mcp?tools=direct", "2025-11-25").await;
    let arguments = json!({ "name": name, "amount": 1 });
    mcp.call("ledger_items_createItem", arguments).await;
    everything_rests(server).await;
}

/// Submits a program and waits until it has ended or a person is asked.
async fn submit(server: &Server, code: &str) -> String {
    let new = json!({ "code": code, "waitMs": 30_000 });
    let reply = server.send("POST", "/tasks", Some(&new)).await;
    let id = reply.body["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{code}: {reply:#?}"));
    rest(server, id).await;
    id.to_owned()
}

async fn rest(server: &Server, id: &str) {
    server
        .task_until(id, |t| {
            !matches!(t["status"].as_str(), Some("queued" | "running"))
        })
        .await;
}

async fn everything_rests(server: &Server) {
    let tasks = server.get("/tasks?limit=200").await;
    for task in tasks["items"].as_array().expect("tasks") {
        rest(server, task["id"].as_str().expect("an id")).await;
    }
}

/// Ends everything that waits, so that the next door begins with nobody asked.
async fn end_all(server: &Server) {
    everything_rests(server).await;
    let waiting = server.get("/tasks?status=waiting&limit=200").await;
    for task in waiting["items"].as_array().expect("tasks") {
        let id = task["id"].as_str().expect("an id");
        server.post(&format!("/tasks/{id}/cancel"), json!({})).await;
    }
}

async fn pending(server: &Server) -> usize {
    let page = server.get("/approvals?status=pending&limit=200").await;
    page["items"].as_array().expect("approvals").len()
}

async fn no_door_leads_around_the_gate(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let mut rule: Option<String> = None;
    for (effect, n) in [("deny", 0), ("ask", 1), ("allow", 2)] {
        if let Some(old) = rule.take() {
            server
                .send("DELETE", &format!("/policies/{old}"), None)
                .await;
        }
        let new = json!({ "effect": effect, "match": { "tools": ["ledger.items.create*"] } });
        let made = server.post("/policies", new).await;
        rule = made["id"].as_str().map(str::to_owned);
        for (at, door) in DOORS.into_iter().enumerate() {
            let name = format!("door{n}x{at}");
            door.go(&server, &name).await;
            everything_rests(&server).await;
            let arrived = upstream.created(&name);
            let asked = pending(&server).await;
            let carries = door.carries();
            match effect {
                "deny" => assert_eq!((arrived, asked), (0, 0), "{door:?} under deny"),
                "ask" => {
                    assert_eq!(arrived, 0, "{door:?} under ask");
                    assert_eq!(asked > 0, carries > 0, "{door:?} leads to the question");
                }
                _ => assert_eq!((arrived, asked), (carries, 0), "{door:?} under allow"),
            }
            end_all(&server).await;
        }
    }
}

/// Sends a request whose answer does not matter, whatever kind it is of.
async fn knock(server: &Server, method: &str, path: &str, body: Option<&Value>) {
    let method = method.parse::<reqwest::Method>().expect("a method");
    let mut request = server
        .http
        .request(method, format!("{}/api/v1{path}", server.url()));
    if let Some(body) = body {
        request = request.json(body);
    }
    request
        .send()
        .await
        .expect("an answer")
        .bytes()
        .await
        .expect("all of it");
}

/// Every route that is not a door is sent what a door would take, with identifiers that exist.
async fn no_other_route_reaches_a_tool(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let task = submit(&server, &program(PLAIN, "waits")).await;
    let asked = server.pending(1).await.remove(0);
    let id = asked["id"].as_str().expect("an id");
    let document = server.get("/openapi.json").await;
    let paths = document["paths"].as_object().expect("paths");
    let mut tried = BTreeSet::new();
    let mut leading = BTreeSet::new();
    for (path, methods) in paths {
        for method in methods.as_object().expect("methods").keys() {
            let method = method.to_ascii_uppercase();
            if !matches!(method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE") {
                continue;
            }
            let route = format!("{method} {path}");
            if LEADING.contains(&route.as_str()) {
                leading.insert(route);
                continue;
            }
            // Streams do not end, and a task that is cancelled takes its question with it.
            if path.ends_with("/events") || path.ends_with("/cancel") || path.ends_with("/withdraw")
            {
                continue;
            }
            let filled = path
                .replace("/tasks/{id}", &format!("/tasks/{task}"))
                .replace("/approvals/{id}", &format!("/approvals/{id}"))
                .replace("{sequence}", "1")
                .replace("{ws}", "local")
                .replace("{workspace}", "local")
                .replace("{id}", "ledger");
            let Some(filled) = filled.strip_prefix("/api/v1") else {
                continue;
            };
            if method == "DELETE" && filled.starts_with("/sources") {
                continue;
            }
            let body = json!({
                "code": program(PLAIN, "around"), "path": "ledger.items.createItem",
                "tool": "ledger.items.createItem", "name": "around",
                "arguments": { "name": "around", "amount": 1 }, "approved": true,
            });
            let body = (method != "GET").then_some(&body);
            knock(&server, &method, filled, body).await;
            for less in [
                json!({ "code": program(PLAIN, "around") }),
                json!({ "tool": "ledger.items.createItem",
                        "arguments": { "name": "around", "amount": 1 } }),
            ] {
                if body.is_some() {
                    knock(&server, &method, filled, Some(&less)).await;
                }
            }
            tried.insert(route);
        }
    }
    let known: BTreeSet<String> = LEADING.iter().map(|r| (*r).to_owned()).collect();
    assert_eq!(leading, known, "the doors are those of the description");
    assert!(tried.len() > 30, "{tried:#?}");
    everything_rests(&server).await;
    assert_eq!(upstream.writes(), 0, "{tried:#?}");
    assert_eq!(upstream.created("around"), 0);
    let still = server.get(&format!("/approvals/{id}")).await;
    assert_eq!(still["status"], "pending", "{still:#}");
    server.approve(&asked).await;
    server.finished(&task).await;
    assert_eq!(
        upstream.created("waits"),
        1,
        "the one door that an answer opens"
    );
}

async fn every_tool_of_the_protocol_is_placed(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let deny = json!({ "effect": "deny", "match": { "tools": ["ledger.items.create*"] } });
    server.post("/policies", deny).await;
    let (mcp, _) = Mcp::connect(&server, "2025-11-25").await;
    assert_eq!(
        mcp.tools().await,
        ["execute", "resume", "cancel_task", "search_tools"],
        "a tool more is a door more: place it in DOORS"
    );
    let (direct, _) = Mcp::connect_at(&server, "/mcp?tools=direct", "2025-11-25").await;
    let offered = direct.tools().await;
    assert!(
        offered.contains(&"ledger_items_listItems".to_owned()),
        "{offered:?}"
    );
    assert!(
        !offered.contains(&"ledger_items_createItem".to_owned()),
        "what is denied is not offered: {offered:?}"
    );
    for name in [
        "ledger_items_createItem",
        "ledger.items.createItem",
        "createItem",
    ] {
        let arguments = json!({ "name": "direct", "amount": 1 });
        let refused: Value = direct.call(name, arguments).await;
        assert!(refused["isError"] != false, "{name}: {refused:#}");
    }
    assert_eq!(upstream.writes(), 0);
    let read = direct
        .call("ledger_items_listItems", json!({ "limit": 1 }))
        .await;
    assert_eq!(read["isError"], false, "{read:#}");
    assert_eq!(upstream.received().len(), 1);
}
