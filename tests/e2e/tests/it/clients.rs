//! The official MCP clients, for Python and TypeScript, over HTTP and over stdio: initialize, list,
//! execute, wait for a person, resume, cancel.
//!
//! The conversations are in `tests/python/client.py` and `tests/node/client.mjs`; what came back is
//! judged here.

use crate::binary;
use crate::database::Database;
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::path::PathBuf;

on_both_databases!(
    python_over_http,
    python_over_http_by_handshake,
    python_over_stdio,
    typescript_over_http,
    typescript_over_stdio,
);

async fn python_over_http(database: Database) {
    converse(database, "python", "http", "auto").await;
}

async fn python_over_http_by_handshake(database: Database) {
    converse(database, "python", "http", "legacy").await;
}

async fn python_over_stdio(database: Database) {
    converse(database, "python", "stdio", "auto").await;
}

async fn typescript_over_http(database: Database) {
    converse(database, "typescript", "http", "legacy").await;
}

async fn typescript_over_stdio(database: Database) {
    converse(database, "typescript", "stdio", "legacy").await;
}

const READ: &str = "const found: { items: unknown[] } = await tools.ledger.items.listItems();\n\
                    console.log('read', found.items.length); return found.items.length;";
const THROWN: &str = "type A = string;\nthrow new Error('on purpose');";
const WRITE: &str =
    "return (await tools.ledger.items.createItem({ name: 'by a client', amount: 1 })).name;";

async fn converse(database: Database, language: &str, transport: &str, mode: &str) {
    let (server, upstream) = Upstream::connected(database).await;
    let (program, script) = interpreter(language);
    let order = json!({
        "transport": transport, "mode": mode,
        "url": format!("{}/mcp", server.url()), "api": format!("{}/api/v1", server.url()),
        "command": binary::path(),
        "env": { "EXECUTOR_HOME": server.data(), "HOME": server.scratch("home") },
        "query": "list the items", "read": READ, "thrown": THROWN, "write": WRITE,
    });
    let mut command = binary::command(&program, &server.scratch(""));
    command.arg(script);
    let ran = binary::finish(command, Some(&order.to_string()))
        .await
        .exits(0);
    let told = ran.json();
    assert_eq!(told["server"], "executor", "{told:#}");
    if let Some(protocol) = told["protocol"].as_str() {
        let known = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];
        assert!(known.contains(&protocol), "{protocol}");
    }
    assert_tools(&told["tools"]);
    assert!(
        told["found"].to_string().contains("ledger.items.listItems"),
        "{told:#}"
    );
    assert_results(&told);
    assert_eq!(upstream.created("by a client"), 1, "sent once");
}

fn interpreter(language: &str) -> (PathBuf, PathBuf) {
    let root = binary::root();
    let (program, script, needed) = match language {
        "python" => {
            let python = root.join("target/venv/bin/python");
            (python.clone(), root.join("tests/python/client.py"), python)
        }
        "typescript" => {
            let module = root.join("tests/node/node_modules/@modelcontextprotocol/sdk");
            (
                PathBuf::from("node"),
                root.join("tests/node/client.mjs"),
                module,
            )
        }
        other => panic!("no client in {other}"),
    };
    assert!(
        needed.exists(),
        "{} is missing; run `cargo xtask setup`",
        needed.display()
    );
    (program, script)
}

fn assert_tools(tools: &Value) {
    let tools = tools.as_array().expect("a list of tools");
    let mut names: Vec<&str> = tools.iter().filter_map(|t| t["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["cancel_task", "execute", "resume", "search_tools"]);
    let execute = tools
        .iter()
        .find(|t| t["name"] == "execute")
        .expect("listed above");
    let description = execute["description"].as_str().expect("a description");
    assert!(
        description.contains("tools.discover"),
        "it teaches discovery: {description}"
    );
    assert!(
        description.contains("ledger"),
        "it names the sources: {description}"
    );
    let words = description.split_whitespace().count();
    assert!(
        words < 450,
        "under 600 tokens, so well under 450 words: {words}"
    );
}

fn assert_results(told: &Value) {
    let read = &told["read"];
    assert_eq!(read["isError"], false, "{told:#}");
    assert_eq!(read["structured"]["status"], "completed", "{told:#}");
    assert_eq!(read["structured"]["result"], 1, "{told:#}");
    assert!(
        read["structured"]["logs"].to_string().contains("read 1"),
        "{told:#}"
    );
    for field in ["taskId", "runtimeId", "workspaceId"] {
        assert!(read["structured"][field].is_string(), "{field}: {told:#}");
    }
    let thrown = &told["thrown"];
    assert_eq!(thrown["isError"], true, "{told:#}");
    assert_eq!(thrown["structured"]["error"]["line"], 2, "{told:#}");
    assert!(
        thrown["text"]
            .as_str()
            .is_some_and(|t| t.contains("on purpose")),
        "{told:#}"
    );

    let waiting = &told["waiting"];
    assert_eq!(waiting["isError"], false, "{told:#}");
    assert_eq!(waiting["structured"]["status"], "waiting", "{told:#}");
    let asked = &waiting["structured"]["approvals"][0];
    assert_eq!(asked["tool"], "ledger.items.createItem", "{told:#}");
    assert_eq!(asked["status"], "pending", "{told:#}");
    let url = asked["url"].as_str().expect("an approval has a link");
    let text = waiting["text"].as_str().expect("text");
    assert!(
        text.contains(url) && text.contains("resume"),
        "the text tells what to do: {text}"
    );
    assert_eq!(told["answers"][0]["status"], "approved", "{told:#}");

    let resumed = &told["resumed"];
    assert_eq!(resumed["isError"], false, "{told:#}");
    assert_eq!(resumed["structured"]["status"], "completed", "{told:#}");
    assert_eq!(resumed["structured"]["result"], "by a client", "{told:#}");
    assert_eq!(
        resumed["structured"]["taskId"], waiting["structured"]["taskId"],
        "{told:#}"
    );
    assert_eq!(
        told["canceled"]["structured"]["status"], "canceled",
        "{told:#}"
    );
}
