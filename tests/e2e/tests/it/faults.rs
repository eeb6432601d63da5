//! Every way an upstream can fail is told apart by the program: by its code, its status, or what the
//! message says.

use crate::database::Database;
use crate::server::{Server, free_port};
use crate::upstream::{Upstream, fresh_token};
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_both_databases!(
    every_failure_is_distinguishable,
    a_rejected_and_a_missing_credential_are_told_apart,
    an_answer_that_is_too_large_is_refused,
    a_silent_upstream_does_not_hold_a_task_for_ever,
);

/// Calls a tool that must fail, and gives back what the program caught.
async fn caught(server: &Server, path: &str, arguments: Value) -> Value {
    let code = format!(
        "try {{ await tools['{path}']({arguments}); return null; }} catch (e) {{ return {{\n\
         code: e.code, status: e.status ?? null, message: e.message, tool: e.tool,\n\
         details: e.details ?? null, retryable: e.retryable, known: e instanceof ToolError }}; }}"
    );
    let caught = server.value(&code).await;
    assert_eq!(caught["known"], true, "{path} {arguments}: {caught:#}");
    assert_eq!(caught["tool"], path, "{caught:#}");
    assert!(
        caught["message"].as_str().is_some_and(|m| m.len() > 10),
        "{caught:#}"
    );
    caught
}

async fn add(server: &Server, upstream: &Upstream, name: &str, base_url: &str) {
    let url = format!("{}/openapi.json", upstream.base_url());
    let document = reqwest::get(url)
        .await
        .expect("a description")
        .text()
        .await
        .expect("text");
    let new = json!({
        "document": document, "fileName": "ledger.json", "name": name, "baseUrl": base_url,
        "allowPrivate": true,
    });
    server.post("/sources", new).await;
    server
        .post(
            "/credentials",
            json!({ "source": name, "value": upstream.token() }),
        )
        .await;
}

/// A tool, its arguments, the code its failure has, and the status where the upstream answered.
type Case = (&'static str, Value, &'static str, Option<u16>);

fn cases() -> Vec<Case> {
    let status = |n: u16| json!({ "status": n });
    let none = || json!({});
    vec![
        (
            "closed.items.listItems",
            none(),
            "upstream_unreachable",
            None,
        ),
        (
            "unknown.items.listItems",
            none(),
            "upstream_unreachable",
            None,
        ),
        (
            "ledger.faults.dropped",
            none(),
            "upstream_unreachable",
            None,
        ),
        ("ledger.faults.broken", none(), "upstream_error", Some(200)),
        (
            "ledger.faults.status",
            status(401),
            "credential_rejected",
            Some(401),
        ),
        (
            "ledger.faults.status",
            status(403),
            "upstream_error",
            Some(403),
        ),
        (
            "ledger.faults.status",
            status(404),
            "upstream_error",
            Some(404),
        ),
        (
            "ledger.faults.status",
            status(429),
            "rate_limited",
            Some(429),
        ),
        (
            "ledger.faults.status",
            status(500),
            "upstream_error",
            Some(500),
        ),
        (
            "ledger.faults.status",
            status(503),
            "upstream_error",
            Some(503),
        ),
        (
            "ledger.faults.large",
            json!({ "megabytes": 44 }),
            "result_too_large",
            None,
        ),
    ]
}

async fn every_failure_is_distinguishable(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    add(
        &server,
        &upstream,
        "closed",
        &format!("http://127.0.0.1:{}", free_port()),
    )
    .await;
    add(&server, &upstream, "unknown", "http://no-such-host.invalid").await;

    let cases = cases();
    let mut seen = BTreeSet::new();
    let mut messages = BTreeSet::new();
    for (path, arguments, code, status) in &cases {
        let error = caught(&server, path, arguments.clone()).await;
        assert_eq!(error["code"], *code, "{path} {arguments}: {error:#}");
        if let Some(status) = status {
            assert_eq!(error["status"], *status, "{path} {arguments}: {error:#}");
        }
        let retryable =
            matches!(*code, "upstream_unreachable" | "rate_limited") || *status == Some(503);
        assert_eq!(error["retryable"], retryable, "{error:#}");
        seen.insert(format!("{code} {status:?}"));
        messages.insert(error["message"].as_str().expect("checked above").to_owned());
        if *status == Some(404) {
            assert!(
                error.to_string().contains("told to answer 404"),
                "the body: {error:#}"
            );
        }
        if *code == "rate_limited" {
            assert!(
                error["details"].to_string().contains('7'),
                "when to try again: {error:#}"
            );
        }
    }
    assert!(seen.len() >= 9, "{seen:#?}");
    assert_eq!(
        messages.len(),
        cases.len(),
        "no two failures read the same: {messages:#?}"
    );
    // The source that cannot be reached took nothing down with it.
    let read = server
        .value("return (await tools.ledger.items.listItems()).items.length")
        .await;
    assert_eq!(read, 1);
}

async fn a_rejected_and_a_missing_credential_are_told_apart(database: Database) {
    let server = Server::start(database).await;
    let upstream = Upstream::start().await;
    upstream.connect_without_credential(&server).await;
    let error = caught(&server, "ledger.items.listItems", json!({})).await;
    assert_eq!(error["code"], "credential_missing", "{error:#}");
    assert!(
        error["message"]
            .as_str()
            .expect("checked above")
            .contains("ledger"),
        "it says for what: {error:#}"
    );

    let wrong = fresh_token();
    let set = server
        .cli_with(&["credentials", "set", "ledger"], Some(&wrong))
        .await;
    set.exits(0);
    let error = caught(&server, "ledger.items.listItems", json!({})).await;
    assert_eq!(error["code"], "credential_rejected", "{error:#}");
    assert!(
        !error.to_string().contains(&wrong),
        "the upstream's echo is masked: {error:#}"
    );
    assert!(
        error.to_string().contains("[secret]"),
        "the mask shows: {error:#}"
    );

    let credentials = server.get("/credentials").await;
    let id = credentials["items"][0]["id"].as_str().expect("an id");
    let rotate = server
        .cli_with(&["credentials", "rotate", id], Some(upstream.token()))
        .await;
    rotate.exits(0);
    let read = server
        .value("return (await tools.ledger.items.listItems()).items.length")
        .await;
    assert_eq!(read, 1, "with the right credential the same call succeeds");
}

async fn an_answer_that_is_too_large_is_refused(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    // 44 KB on the wire, 44 MB once unpacked: what counts is what it unpacks to.
    let error = caught(&server, "ledger.faults.bomb", json!({})).await;
    assert_eq!(error["code"], "result_too_large", "{error:#}");
    let small = server.value("return tools.ledger.probe.zipped()").await;
    assert_eq!(
        small,
        json!({ "zipped": true }),
        "a small zipped answer is read"
    );

    // More than a program may hold, but worth keeping: it becomes a handle.
    let large = server
        .value("return tools.ledger.faults.large({ megabytes: 11 })")
        .await;
    assert_eq!(large["bytes"], (11 << 20) + 2, "{large:#}");
    assert!(
        large["preview"].as_str().is_some_and(|p| p.contains("xxx")),
        "{large:#}"
    );

    // A result over the inline limit is a handle that reads on, never a silent cut.
    let handle = server.value("return 'é'.repeat(1_000_000)").await;
    let bytes = handle["bytes"]
        .as_u64()
        .expect("a handle says how long it is");
    assert_eq!(bytes, 2_000_002, "{handle:#}");
    let id = handle["$handle"].as_str().expect("a handle").to_owned();
    let mut whole = String::new();
    let mut offset = 0;
    loop {
        let part = server
            .get(&format!("/results/{id}?offset={offset}&length=700000"))
            .await;
        whole.push_str(part["text"].as_str().expect("text"));
        match part["nextOffset"].as_u64() {
            Some(next) => offset = next,
            None => break,
        }
    }
    assert_eq!(whole, format!("\"{}\"", "é".repeat(1_000_000)));
    let code = format!("return (await tools.results.read({{ handle: '{id}', length: 100 }}))");
    assert!(
        server.value(&code).await.to_string().contains('é'),
        "a program reads it too"
    );
}

async fn a_silent_upstream_does_not_hold_a_task_for_ever(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = "return await tools.ledger.faults.silent()";
    let task = server
        .post("/tasks", json!({ "code": code, "timeoutMs": 1500 }))
        .await;
    upstream.arrived(1).await;
    let done = server.finished(task["id"].as_str().expect("an id")).await;
    assert_eq!(done["status"], "timed_out", "{done:#}");
    assert!(
        done["error"]["message"]
            .as_str()
            .is_some_and(|m| m.contains("1500")),
        "{done:#}"
    );
}
