//! The gate, judged by a counting upstream: reads run, writes ask, the bytes that were shown are the
//! bytes that arrive, and each answer counts once.

use crate::database::Database;
use crate::server::Server;
use crate::upstream::{Received, Upstream};
use serde_json::{Value, json};

on_both_databases!(
    a_read_runs_and_a_write_asks,
    approve_sends_exactly_what_was_shown_once,
    deny_sends_nothing_and_can_be_caught,
    the_second_answer_is_refused,
    many_answers_at_once_count_once,
    wrong_arguments_are_refused_before_anything,
    an_unanswered_approval_expires,
    two_writes_side_by_side_ask_twice,
    the_description_in_yaml_works_the_same,
);

const WRITE: &str =
    "return await tools.ledger.items.createItem({ name: 'tea & \"scones\" ✓', amount: 2.50 });";

async fn a_read_runs_and_a_write_asks(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let read = server
        .value("return await tools.ledger.items.listItems({ limit: 5 })")
        .await;
    assert_eq!(read["items"][0]["name"], "coffee");
    let received = upstream.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].target, "/items?limit=5");
    assert_eq!(
        received[0].header("authorization"),
        Some(format!("Bearer {}", upstream.token()).as_str())
    );

    let task = server.submit(WRITE).await;
    let asked = &server.pending(1).await[0];
    assert_eq!(asked["taskId"], task.as_str());
    assert_eq!(asked["tool"], "ledger.items.createItem");
    assert_eq!(asked["risk"], "write");
    let waiting = server.task_until(&task, |t| t["status"] == "waiting").await;
    assert_eq!(waiting["approvals"][0]["id"], asked["id"]);
    assert_eq!(
        upstream.writes(),
        0,
        "nothing is sent while a person is asked"
    );

    let listed = server
        .cli(&["approvals", "list", "--json"])
        .await
        .exits(0)
        .json();
    let fields = [
        "id",
        "taskId",
        "tool",
        "arguments",
        "status",
        "risk",
        "rule",
        "requestedBy",
    ];
    for field in fields.iter().chain(&["createdAt", "expiresAt"]) {
        assert_eq!(
            listed[0].get(field),
            asked.get(field),
            "{field} of {listed:#}"
        );
        assert!(listed[0].get(field).is_some(), "{field} is in {listed:#}");
    }
}

async fn approve_sends_exactly_what_was_shown_once(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let task = server.submit(WRITE).await;
    let asked = server.pending(1).await.remove(0);
    assert_eq!(
        asked["arguments"],
        json!({ "name": "tea & \"scones\" ✓", "amount": 2.5 })
    );
    let id = asked["id"].as_str().expect("an id");
    let shown = server.cli(&["approvals", "show", id]).await.exits(0);
    let body = asked["request"]["body"]
        .as_str()
        .expect("the request has a body");
    assert!(shown.out.contains("POST"), "{shown:#?}");
    assert!(
        shown
            .out
            .contains(&format!("{}/items", upstream.base_url())),
        "{shown:#?}"
    );

    server.cli(&["approvals", "approve", id]).await.exits(0);
    let done = server.finished(&task).await;
    assert_eq!(done["status"], "completed", "{done:#}");
    assert_eq!(done["result"]["name"], "tea & \"scones\" ✓");
    let received = upstream.received();
    assert_eq!(received.len(), 1, "sent once");
    assert_same_request(&asked["request"], &received[0], upstream.base_url());
    assert_eq!(received[0].body, body.as_bytes());
}

/// What the reviewer saw is, to the byte, what arrived.
fn assert_same_request(shown: &Value, received: &Received, base_url: &str) {
    assert_eq!(shown["method"], received.method.as_str());
    assert_eq!(shown["url"], format!("{base_url}{}", received.target));
    let headers = shown["headers"]
        .as_array()
        .expect("the request shows its headers");
    assert!(
        !headers.is_empty(),
        "at least the content type is shown: {shown:#}"
    );
    for header in headers {
        let (name, value) = (&header[0], &header[1]);
        let name = name
            .as_str()
            .expect("a header has a name")
            .to_ascii_lowercase();
        assert_ne!(
            name, "authorization",
            "the credential is not shown: {shown:#}"
        );
        assert_eq!(received.header(&name), value.as_str(), "{name} as shown");
    }
}

async fn deny_sends_nothing_and_can_be_caught(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = "try { await tools.ledger.items.createItem({ name: 'denied', amount: 1 }); }\n\
                catch (e) { return { code: e.code, message: e.message, tool: e.tool,\n\
                known: e instanceof ToolError }; }";
    let task = server.submit(code).await;
    let asked = server.pending(1).await.remove(0);
    let id = asked["id"].as_str().expect("an id");
    server
        .cli(&["approvals", "deny", id, "--reason", "not this month"])
        .await
        .exits(0);
    let done = server.finished(&task).await;
    assert_eq!(done["status"], "completed", "{done:#}");
    let caught = &done["result"];
    assert_eq!(caught["code"], "approval_denied");
    assert_eq!(caught["tool"], "ledger.items.createItem");
    assert_eq!(caught["known"], true);
    assert!(
        caught["message"]
            .as_str()
            .expect("a message")
            .contains("not this month"),
        "{done:#}"
    );

    let task = server.submit(WRITE).await;
    let asked = server.pending(1).await.remove(0);
    server.deny(&asked, "no").await;
    let done = server.finished(&task).await;
    assert_eq!(
        done["status"], "denied",
        "uncaught, a denial ends the task as denied: {done:#}"
    );
    assert_eq!(done["error"]["code"], "approval_denied", "{done:#}");
    assert_eq!(upstream.received().len(), 0, "nothing was sent");
}

async fn the_second_answer_is_refused(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let task = server.submit(WRITE).await;
    let asked = server.pending(1).await.remove(0);
    let first = server.approve(&asked).await;
    assert_eq!(first["status"], "approved");
    let decided_by = first["decidedBy"]
        .as_str()
        .expect("it says who decided")
        .to_owned();
    let id = asked["id"].as_str().expect("an id");
    for verdict in ["deny", "approve"] {
        let path = format!("/approvals/{id}/{verdict}");
        let second = server.send("POST", &path, Some(&json!({}))).await;
        assert_eq!(second.status, 409, "{second:#?}");
        let told = second.body["title"].as_str().expect("a sentence");
        assert!(
            told.contains("approved") && told.contains(&decided_by),
            "{second:#?}"
        );
    }
    let told = server.cli(&["approvals", "deny", id]).await;
    assert_ne!(told.code, 0);
    told.says(&["already approved"]);
    assert_eq!(server.finished(&task).await["status"], "completed");
    assert_eq!(upstream.writes(), 1);
}

async fn many_answers_at_once_count_once(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let task = server.submit(WRITE).await;
    let asked = server.pending(1).await.remove(0);
    let id = asked["id"].as_str().expect("an id");
    let answers = (0..16).map(|n| {
        let verdict = if n % 2 == 0 { "approve" } else { "deny" };
        let path = format!("/approvals/{id}/{verdict}");
        let server = &server;
        async move { server.send("POST", &path, Some(&json!({}))).await.status }
    });
    let statuses = futures_util::future::join_all(answers).await;
    let won = statuses.iter().filter(|s| **s == 200).count();
    assert_eq!(won, 1, "one answer counts: {statuses:?}");
    assert!(
        statuses.iter().all(|s| matches!(s, 200 | 409)),
        "{statuses:?}"
    );
    let done = server.finished(&task).await;
    let approved = server.get(&format!("/approvals/{id}")).await["status"] == "approved";
    assert_eq!(
        done["status"],
        if approved { "completed" } else { "denied" },
        "{done:#}"
    );
    assert_eq!(upstream.writes(), usize::from(approved));
}

async fn wrong_arguments_are_refused_before_anything(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = "try { await tools.ledger.items.createItem({ nam: 'x', amount: 'much', note: 'n' }); }\n\
                catch (e) { return { code: e.code, message: e.message }; }";
    let caught = server.value(code).await;
    assert_eq!(caught["code"], "invalid_arguments");
    let message = caught["message"].as_str().expect("a message");
    for key in ["nam", "name", "amount"] {
        assert!(message.contains(key), "every wrong key is named: {message}");
    }
    let code = "try { await tools.ledger.items.craeteItem({ name: 'x', amount: 1 }); }\n\
                catch (e) { return { code: e.code, details: e.details, message: e.message }; }";
    let caught = server.value(code).await;
    assert_eq!(caught["code"], "tool_not_found");
    assert!(
        caught.to_string().contains("ledger.items.createItem"),
        "it suggests: {caught:#}"
    );
    let all = server.get("/approvals").await;
    assert_eq!(all["items"], json!([]), "nobody was asked");
    assert_eq!(upstream.received().len(), 0, "nothing was sent");
}

async fn an_unanswered_approval_expires(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let rule = json!({
        "effect": "ask", "match": { "tools": ["ledger.items.*"] }, "ask": { "waitMs": 1000 },
    });
    server.post("/policies", rule).await;
    let code = "try { return await tools.ledger.items.createItem({ name: 'late', amount: 1 }); }\n\
                catch (e) { return e.code; }";
    let task = server.submit(code).await;
    let asked = server.pending(1).await.remove(0);
    let done = server.finished(&task).await;
    assert_eq!(done["result"], "approval_expired", "{done:#}");
    let id = asked["id"].as_str().expect("an id");
    assert_eq!(
        server.get(&format!("/approvals/{id}")).await["status"],
        "expired"
    );
    let late = server
        .send(
            "POST",
            &format!("/approvals/{id}/approve"),
            Some(&json!({})),
        )
        .await;
    assert_eq!(late.status, 409, "expired stays expired: {late:#?}");
    assert_eq!(upstream.received().len(), 0);
}

async fn two_writes_side_by_side_ask_twice(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = "const [a, b] = await Promise.all(['one', 'two'].map((name, i) =>\n\
                tools.ledger.items.createItem({ name, amount: i })));\nreturn [a.name, b.name];";
    let task = server.submit(code).await;
    let asked = server.pending(2).await;
    assert_eq!(asked[0]["arguments"]["name"], "one");
    assert_eq!(asked[1]["arguments"]["name"], "two");
    // Answered in the other order: each answer belongs to its own call.
    server.approve(&asked[1]).await;
    server.approve(&asked[0]).await;
    let done = server.finished(&task).await;
    assert_eq!(done["result"], json!(["one", "two"]), "{done:#}");
    assert_eq!((upstream.created("one"), upstream.created("two")), (1, 1));
}

async fn the_description_in_yaml_works_the_same(database: Database) {
    let server = Server::start(database).await;
    let upstream = Upstream::start().await;
    let url = format!("{}/openapi.yaml", upstream.base_url());
    let add = [
        "sources",
        "add",
        &url,
        "--name",
        "ledger",
        "--allow-private",
        "--json",
    ];
    let source = server.cli(&add).await.exits(0).json();
    assert_eq!(source["toolCount"], 15, "{source:#}");
    let set = server
        .cli_with(&["credentials", "set", "ledger"], Some(upstream.token()))
        .await;
    set.exits(0);
    let code = "return tools.ledger.items.createItem({ name: 'thirty', amount: 3, note: null })";
    let task = server.submit(code).await;
    let asked = server.pending(1).await;
    server.approve(&asked[0]).await;
    assert_eq!(server.finished(&task).await["status"], "completed");
    assert_eq!(upstream.created("thirty"), 1);
    let zipped = server.value("return tools.ledger.probe.zipped()").await;
    assert_eq!(zipped, json!({ "zipped": true }));
}
