//! The one uncertain case: the server dies between sending a call and recording its answer. What is
//! safe to repeat is repeated with the same key; about everything else a person is asked.

use crate::database::Database;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

on_both_databases!(
    a_person_says_that_it_happened,
    nobody_says_what_happened,
    an_approved_call_is_sent_again_by_the_same_demand,
    what_an_administrator_calls_safe_is_sent_again,
    what_its_source_calls_safe_is_sent_again_with_the_same_key,
    a_write_carries_a_key_of_its_own,
    followed_logs_survive_a_restart,
);

const CREATE: &str = "try { return await tools.ledger.items.createItem({ name: 'once', amount: 1 }); }\n\
     catch (e) { return e.code; }";

async fn rule(server: &Server, rule: Value) {
    server.post("/policies", rule).await;
}

fn allow() -> Value {
    json!({ "effect": "allow", "match": { "tools": ["**"] } })
}

/// Runs a program whose write is under way when the server is killed, and starts the server again.
async fn cut(server: &mut Server, upstream: &Upstream, code: &str) -> String {
    upstream.hold_writes();
    let before = upstream.received().len();
    let task = server.submit(code).await;
    upstream.arrived(before + 1).await;
    server.kill().await;
    server.launch().await;
    task
}

async fn a_person_says_that_it_happened(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    rule(&server, allow()).await;
    let task = cut(&mut server, &upstream, CREATE).await;
    let asked = server.pending(1).await.remove(0);
    assert_eq!(asked["question"], "send_again", "{asked:#}");
    let id = asked["id"].as_str().expect("an id");
    server
        .cli(&["approvals", "show", id])
        .await
        .exits(0)
        .says(&[
            "may have been sent already",
            "--happened",
            "outcome_unknown",
        ]);
    let edit = json!({ "arguments": { "name": "other", "amount": 1 } });
    let path = format!("/approvals/{id}/approve");
    let edited = server.send("POST", &path, Some(&edit)).await;
    assert_eq!(edited.status, 409, "{edited:#?}");
    // Any JSON is a value, also one with characters that databases do not keep.
    let value = json!({ "id": 7, "name": "once\u{0}", "amount": 1 });
    let said = value.to_string();
    let approve = ["approvals", "approve", id, "--happened", &said, "--json"];
    let answered = server.cli(&approve).await.exits(0).json();
    assert_eq!(answered["answer"], "happened", "{answered:#}");
    assert_eq!(answered["value"], value);
    let done = server.finished(&task).await;
    assert_eq!(done["result"], value, "{done:#}");
    assert_eq!(upstream.created("once"), 1, "it is not sent again");
    assert_eq!(server.calls(&task).await[0]["status"], "succeeded");
    // Of a call that was never sent nobody can say that.
    rule(
        &server,
        json!({ "effect": "ask", "match": { "tools": ["ledger.items.createItem"] } }),
    )
    .await;
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    let path = format!(
        "/approvals/{}/happened",
        asked["id"].as_str().expect("an id")
    );
    let said = server
        .send("POST", &path, Some(&json!({ "value": 1 })))
        .await;
    assert_eq!(
        (said.status, &said.body["code"]),
        (409, &json!("not_this_question"))
    );
    server.deny(&asked, "").await;
    server.finished(&task).await;
}

async fn nobody_says_what_happened(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let tools = json!({ "tools": ["ledger.items.createItem"] });
    rule(
        &server,
        json!({ "effect": "ask", "match": tools, "ask": { "waitMs": 3_000 } }),
    )
    .await;
    upstream.hold_writes();
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    server.approve(&asked).await;
    upstream.arrived(1).await;
    server.kill().await;
    server.launch().await;
    let again = server.pending(1).await.remove(0);
    assert_eq!(again["question"], "send_again", "{again:#}");
    let done = server.finished(&task).await;
    assert_eq!(done["result"], "outcome_unknown", "{done:#}");
    assert_eq!(server.calls(&task).await[0]["status"], "unknown");
    let id = again["id"].as_str().expect("an id");
    assert_eq!(
        server.get(&format!("/approvals/{id}")).await["status"],
        "expired"
    );
    assert_eq!(upstream.created("once"), 1);
}

async fn an_approved_call_is_sent_again_by_the_same_demand(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let tools = json!({ "tools": ["ledger.items.createItem"] });
    let ask = json!({ "waitMs": 600_000, "mayEdit": true });
    rule(
        &server,
        json!({ "effect": "ask", "match": tools, "ask": ask }),
    )
    .await;
    upstream.hold_writes();
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    let path = format!(
        "/approvals/{}/approve",
        asked["id"].as_str().expect("an id")
    );
    let edit = json!({ "arguments": { "name": "edited", "amount": 2 } });
    server.post(&path, edit).await;
    upstream.arrived(1).await;
    server.kill().await;
    server.launch().await;
    let again = server.pending(1).await.remove(0);
    assert_eq!(again["question"], "send_again", "{again:#}");
    assert_eq!(
        again["arguments"]["name"], "edited",
        "what was sent is what is asked about"
    );
    assert_eq!(
        again["request"],
        server
            .get(&format!(
                "/approvals/{}",
                asked["id"].as_str().expect("an id")
            ))
            .await["request"]
    );
    upstream.release();
    server.approve(&again).await;
    let done = server.finished(&task).await;
    assert_eq!(
        done["result"]["name"], "edited",
        "asked once, sent again: {done:#}"
    );
    assert_eq!(
        (upstream.created("once"), upstream.created("edited")),
        (0, 2)
    );
}

async fn what_an_administrator_calls_safe_is_sent_again(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    rule(&server, allow()).await;
    let edit = [
        "sources",
        "edit",
        "ledger",
        "--idempotent",
        "ledger.items.create*",
        "--json",
    ];
    let source = server.cli(&edit).await.exits(0).json();
    assert_eq!(source["idempotent"], json!(["ledger.items.create*"]));
    let task = cut(&mut server, &upstream, CREATE).await;
    upstream.release();
    let done = server.finished(&task).await;
    assert_eq!(done["result"]["name"], "once", "{done:#}");
    assert_eq!(upstream.created("once"), 2, "sent again without a question");
    assert_eq!(server.get("/approvals").await["items"], json!([]));
    // Policy is asked all the same.
    server
        .cli(&["sources", "edit", "ledger", "--no-idempotent"])
        .await
        .exits(0);
    let source = server.get("/sources/ledger").await;
    assert_eq!(source["idempotent"], json!([]));
}

/// A description of the upstream's items whose creation says more about repetitions.
fn description(base_url: &str, more: Value) -> String {
    let mut create = json!({
        "tags": ["items"],
        "operationId": "createItem",
        "requestBody": { "required": true, "content": { "application/json": { "schema": {
            "type": "object",
            "required": ["name"],
            "properties": { "name": { "type": "string" } },
        } } } },
        "responses": { "200": { "description": "Done" } },
    });
    for (key, value) in more.as_object().expect("an object") {
        create[key] = value.clone();
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Keyed", "version": "1" },
        "servers": [{ "url": base_url }],
        "security": [{ "token": [] }],
        "components": { "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } },
        "paths": { "/items": { "post": create } },
    })
    .to_string()
}

async fn add(server: &Server, upstream: &Upstream, more: Value) {
    let new = json!({
        "document": description(upstream.base_url(), more), "fileName": "keyed.json",
        "name": "keyed", "allowPrivate": true,
    });
    let source = server.post("/sources", new).await;
    assert_eq!(source["warnings"], json!([]), "{source:#}");
    let credential = json!({ "source": "keyed", "value": upstream.token() });
    server.post("/credentials", credential).await;
}

async fn what_its_source_calls_safe_is_sent_again_with_the_same_key(database: Database) {
    let mut server = Server::start(database).await;
    let upstream = Upstream::start().await;
    let key = json!({ "in": "header", "name": "X-Once" });
    add(
        &server,
        &upstream,
        json!({ "x-idempotent": true, "x-idempotency-key": key }),
    )
    .await;
    rule(&server, allow()).await;
    let code = "return (await tools.keyed.items.createItem({ name: 'once' })).name";
    let task = cut(&mut server, &upstream, code).await;
    upstream.release();
    assert_eq!(server.finished(&task).await["result"], "once");
    let sent = upstream.received();
    let keys: Vec<_> = sent.iter().map(|r| r.header("x-once")).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys[0].is_some_and(|k| k.len() == 36), "{keys:?}");
    assert_eq!(keys[0], keys[1], "the same key");
    assert_eq!(server.get("/approvals").await["items"], json!([]));
}

async fn a_write_carries_a_key_of_its_own(database: Database) {
    let mut server = Server::start(database).await;
    let upstream = Upstream::start().await;
    let header = json!([{
        "name": "Idempotency-Key", "in": "header", "required": true, "schema": { "type": "string" },
    }]);
    add(&server, &upstream, json!({ "parameters": header })).await;
    let code = "const make = (name, more) => tools.keyed.items.createItem({ name, ...more });\n\
         await make('a'); await make('b'); await make('c', { 'Idempotency-Key': 'mine' });\n\
         return 'done'";
    let task = server.submit(code).await;
    let mut shown = Vec::new();
    for _ in 0..3 {
        let asked = server.pending(1).await.remove(0);
        shown.push(asked["request"]["headers"].clone());
        server.approve(&asked).await;
        if shown.len() == 1 {
            upstream.arrived(1).await;
        }
    }
    assert_eq!(server.finished(&task).await["result"], "done");
    let sent = upstream.received();
    let keys: Vec<_> = sent
        .iter()
        .map(|r| r.header("idempotency-key").expect("a key").to_owned())
        .collect();
    for (key, headers) in keys.iter().zip(&shown) {
        let pair = json!(["idempotency-key", key]);
        let all = headers.as_array().expect("headers");
        assert!(all.contains(&pair), "the reviewer saw it: {headers:#}");
    }
    assert_eq!(keys[2], "mine");
    assert_ne!(keys[0], keys[1]);
    // A key alone is no word that a repetition does no harm: a person is asked, and the same key
    // is sent again.
    rule(&server, allow()).await;
    let code = "return (await tools.keyed.items.createItem({ name: 'd' })).name";
    let task = cut(&mut server, &upstream, code).await;
    let asked = server.pending(1).await.remove(0);
    upstream.release();
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["result"], "d");
    let sent = upstream.received();
    let last: Vec<_> = sent[3..]
        .iter()
        .map(|r| r.header("idempotency-key"))
        .collect();
    assert_eq!(last.len(), 2);
    assert_eq!(last[0], last[1]);
}

async fn followed_logs_survive_a_restart(database: Database) {
    let (mut server, _upstream) = Upstream::connected(database).await;
    let code = "console.log('before');\n\
         await tools.ledger.items.createItem({ name: 'once', amount: 1 });\n\
         console.log('after')";
    let task = server.submit(code).await;
    let asked = server.pending(1).await.remove(0);
    let mut command = server.command();
    command.args(["tasks", "logs", &task, "-f"]);
    let mut following = command.spawn().expect("the command starts");
    let stdout = following.stdout.take().expect("stdout is piped");
    let mut lines = BufReader::new(stdout).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    assert_eq!(
        first.expect("in time").expect("it reads").as_deref(),
        Some("before")
    );
    server.kill().await;
    server.launch().await;
    server.approve(&asked).await;
    let second = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    assert_eq!(
        second.expect("in time").expect("it reads").as_deref(),
        Some("after"),
        "each line once"
    );
    let ended = tokio::time::timeout(PATIENCE, following.wait()).await;
    let status = ended.expect("it ends with the task").expect("it ran");
    assert_eq!(status.code(), Some(0));
}
