//! People behind the official MCP clients, asked in forms: in the middle of a request by the revisions
//! of 2025, between two requests by that of 2026; over HTTP and over stdio.
//!
//! The people are in `tests/python/person.py` and `tests/node/person.mjs`; what they were shown and
//! what came of their answers is judged here.

use crate::binary;
use crate::clients::interpreter;
use crate::database::Database;
use crate::eras::let_forms_decide;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    python_asked_between_requests,
    python_asked_in_the_middle,
    python_asked_over_stdio,
    python_asked_in_the_middle_over_stdio,
    typescript_asked_in_the_middle,
    typescript_asked_over_stdio,
    who_denies_is_heard_and_who_closes_the_form_is_not,
    a_form_decides_nothing_unless_allowed,
);

const TWICE: &str = "console.log('begun');\n\
    const name = async (name) => (await tools.ledger.items.createItem({ name, amount: 1 })).name;\n\
    return [await name('first'), await name('second')];";

/// A person's conversation; what they were shown and what came back.
async fn talk(server: &Server, way: (&str, &str, &str), code: &str, answers: &[&str]) -> Value {
    converse(server, way, json!({ "code": code, "answers": answers })).await
}

/// The same, with what else the person's script is told.
pub(crate) async fn converse(server: &Server, way: (&str, &str, &str), told: Value) -> Value {
    let (language, transport, mode) = way;
    let (program, client) = interpreter(language);
    let script = client.with_file_name(match language {
        "python" => "person.py",
        _ => "person.mjs",
    });
    let mut order = json!({
        "transport": transport, "mode": mode, "url": format!("{}/mcp", server.url()),
        "command": binary::path(), "headers": {},
        "env": { "EXECUTOR_HOME": server.data(), "HOME": server.scratch("home") },
    });
    for (name, value) in told.as_object().expect("an object") {
        order[name] = value.clone();
    }
    let mut command = binary::command(&program, &server.scratch(""));
    command.arg(script);
    let ran = binary::finish(command, Some(&order.to_string())).await;
    ran.exits(0).json()
}

async fn asked_twice(database: Database, way: (&str, &str, &str), protocol: &str) {
    let (server, upstream) = Upstream::connected(database).await;
    let_forms_decide(&server).await;
    let told = talk(&server, way, TWICE, &["approve", "approve"]).await;
    if way.0 == "python" {
        assert_eq!(told["protocol"], protocol, "{told:#}");
    }
    assert_eq!(told["structured"]["status"], "completed", "{told:#}");
    assert_eq!(told["structured"]["result"], json!(["first", "second"]));
    let shown = told["shown"].as_array().expect("what was shown");
    assert_eq!(shown.len(), 2, "{told:#}");
    for (question, word) in shown.iter().zip(["first", "second"]) {
        let message = question["message"].as_str().expect("a message");
        assert!(message.contains(word), "{word}: {message}");
        assert!(message.contains("/approvals/appr_"), "the link: {message}");
        let form = &question["requestedSchema"]["properties"]["decision"]["enum"];
        assert_eq!(*form, json!(["approve", "deny"]), "{question:#}");
    }
    assert!(told["progress"].to_string().contains("begun"), "{told:#}");
    assert_eq!(upstream.created("first"), 1);
    assert_eq!(upstream.created("second"), 1);
    let tasks = server.get("/tasks").await["items"].clone();
    assert_eq!(
        tasks.as_array().map(Vec::len),
        Some(1),
        "one task: {tasks:#}"
    );
}

async fn python_asked_between_requests(database: Database) {
    asked_twice(database, ("python", "http", "auto"), "2026-07-28").await;
}

async fn python_asked_in_the_middle(database: Database) {
    asked_twice(database, ("python", "http", "legacy"), "2025-11-25").await;
}

async fn python_asked_over_stdio(database: Database) {
    asked_twice(database, ("python", "stdio", "auto"), "2026-07-28").await;
}

async fn python_asked_in_the_middle_over_stdio(database: Database) {
    asked_twice(database, ("python", "stdio", "legacy"), "2025-11-25").await;
}

async fn typescript_asked_in_the_middle(database: Database) {
    asked_twice(database, ("typescript", "http", "legacy"), "2025-11-25").await;
}

async fn typescript_asked_over_stdio(database: Database) {
    asked_twice(database, ("typescript", "stdio", "legacy"), "2025-11-25").await;
}

async fn who_denies_is_heard_and_who_closes_the_form_is_not(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let_forms_decide(&server).await;
    for (n, way) in [("python", "http", "auto"), ("typescript", "http", "legacy")]
        .into_iter()
        .enumerate()
    {
        let told = talk(&server, way, TWICE, &["approve", "deny"]).await;
        let structured = &told["structured"];
        assert_eq!(structured["status"], "denied", "{told:#}");
        assert_eq!(structured["error"]["code"], "approval_denied");
        assert!(
            told["text"].to_string().contains("the person says deny"),
            "{told:#}"
        );
        for closes in ["decline", "cancel"] {
            let told = talk(&server, way, TWICE, &[closes]).await;
            assert_eq!(
                told["structured"]["status"], "waiting",
                "{closes}: {told:#}"
            );
            assert_eq!(told["structured"]["approvals"][0]["status"], "pending");
            assert!(
                told["text"].to_string().contains("/approvals/appr_"),
                "{told:#}"
            );
        }
        assert_eq!(upstream.created("first"), n + 1);
        assert_eq!(upstream.created("second"), 0);
    }
}

async fn a_form_decides_nothing_unless_allowed(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let way = ("typescript", "http", "legacy");
    // Where a form does not decide, one without fields tells of the page; yes said in it is none.
    for answer in ["approve", "decline"] {
        let told = talk(&server, way, TWICE, &[answer]).await;
        assert_eq!(told["structured"]["status"], "waiting", "{told:#}");
        let shown = &told["shown"][0];
        assert_eq!(shown["requestedSchema"]["properties"], json!({}));
        assert!(
            shown["message"]
                .as_str()
                .is_some_and(|m| m.contains("/approvals/appr_")),
            "{told:#}"
        );
        assert_eq!(told["structured"]["approvals"][0]["status"], "pending");
    }
    // The client for Python opens pages too: it is sent to the page, which nobody has answered.
    let told = talk(&server, ("python", "http", "auto"), TWICE, &["decline"]).await;
    assert_eq!(told["structured"]["status"], "waiting", "{told:#}");
    assert_eq!(told["shown"][0]["mode"], "url", "{told:#}");
    assert_eq!(upstream.writes(), 0);
}
