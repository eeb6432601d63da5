//! The official MCP clients, for Python and TypeScript, over HTTP and over stdio: initialize, list,
//! execute, wait for a person, resume, cancel.
//!
//! The conversations are in `tests/python/client.py` and `tests/node/client.mjs`; what came back is
//! judged here.

use crate::binary;
use crate::database::Database;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

on_both_databases!(
    python_over_http,
    python_over_http_by_handshake,
    python_over_stdio,
    typescript_over_http,
    typescript_over_stdio,
    over_stdio_a_server_is_started_where_none_runs,
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

pub(crate) fn interpreter(language: &str) -> (PathBuf, PathBuf) {
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

async fn over_stdio_a_server_is_started_where_none_runs(database: Database) {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let mut server = Server::prepare(database);
    if let Some(url) = &server.database.url {
        server.environment = vec![("EXECUTOR_DATABASE_URL".to_owned(), url.clone())];
    }
    server
        .environment
        .push(("EXECUTOR_PORT".to_owned(), server.port.to_string()));
    let mut command = server.command();
    command.arg("mcp").stdin(std::process::Stdio::piped());
    let mut proxy = command.spawn().expect("the command starts");
    let mut stdin = proxy.stdin.take().expect("stdin is piped");
    let mut stdout = BufReader::new(proxy.stdout.take().expect("stdout is piped")).lines();
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "by hand", "version": "1" },
        },
    });
    stdin
        .write_all(format!("{initialize}\n").as_bytes())
        .await
        .expect("stdin takes it");
    let line = tokio::time::timeout(crate::server::PATIENCE, stdout.next_line()).await;
    let line = line
        .expect("it answers")
        .expect("stdout reads")
        .expect("it does not end");
    let answer: Value = serde_json::from_str(&line).expect("one JSON document on each line");
    assert_eq!(
        answer["result"]["serverInfo"]["name"], "executor",
        "{answer:#}"
    );
    assert_eq!(
        answer["result"]["protocolVersion"], "2025-06-18",
        "{answer:#}"
    );

    // The server it started is the one of the directory, and outlives the conversation.
    drop(stdin);
    let ended = tokio::time::timeout(crate::server::PATIENCE, proxy.wait()).await;
    ended
        .expect("without its client it ends")
        .expect("it can be waited for");
    assert_eq!(server.value("return 1").await, 1);
    let note = std::fs::read_to_string(server.data().join("server.json")).expect("it left a note");
    let note: Value = serde_json::from_str(&note).expect("the note is JSON");
    let pid = note["pid"].as_u64().expect("a pid").to_string();
    let ended = tokio::process::Command::new("sh")
        .args(["-c", &format!("kill {pid}")])
        .status()
        .await
        .expect("kill runs");
    assert!(ended.success());
    while Path::new("/proc").join(&pid).exists() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
