//! MCP servers as sources: the official ones, tool by tool, over their input and output, over
//! streamable HTTP and over events; approvals and credentials for them; and what becomes of a server
//! that dies, changes or lies.

mod official;

use crate::api::items;
use crate::binary;
use crate::database::Database;
use crate::server::{PATIENCE, Server, free_port};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::process::Child;

on_both_databases!(
    what_a_person_approves_is_what_a_server_gets,
    a_block_of_servers_becomes_sources,
    a_command_that_changes_and_dies_keeps_its_tools,
);

/// The script of an official server for Node.
fn script(package: &str) -> String {
    let path = binary::root()
        .join("tests/node/node_modules/@modelcontextprotocol")
        .join(package)
        .join("dist/index.js");
    assert!(
        path.is_file(),
        "{} is missing; run `cargo xtask setup`",
        path.display()
    );
    path.display().to_string()
}

fn hostile() -> String {
    binary::root()
        .join("tests/node/mcp_hostile.mjs")
        .display()
        .to_string()
}

/// Adds a command as a source whose every tool may be called.
async fn add(server: &Server, name: &str, command: &[&str]) -> Value {
    let new = json!({ "name": name, "command": command });
    let source = server.post("/sources", new).await;
    assert_eq!(
        (&source["status"], &source["kind"]),
        (&json!("ready"), &json!("mcp")),
        "{source:#}"
    );
    allow(server, name).await;
    source
}

async fn allow(server: &Server, name: &str) {
    let tools = json!({ "tools": [format!("{name}.**")] });
    server
        .post("/policies", json!({ "effect": "allow", "match": tools }))
        .await;
}

/// The paths of a source's tools below its name, in order.
async fn offered(server: &Server, name: &str) -> Vec<String> {
    let code = format!("return await tools.catalog.tools({{ namespace: '{name}', limit: 200 }})");
    let found = server.value(&code).await;
    let prefix = format!("{name}.");
    let mut paths: Vec<String> = items(&found["results"])
        .iter()
        .map(|t| t["path"].as_str().expect("a path").to_owned())
        .map(|p| p.strip_prefix(&prefix).expect("its own").to_owned())
        .collect();
    paths.sort();
    paths
}

/// Calls every tool of a source once, in order, and looks at what it says. A tool that is not listed
/// fails the case, and so does one that is listed and not there.
async fn tool_by_tool(server: &Server, name: &str, calls: &[(&str, Value, &str)]) {
    let mut listed: Vec<String> = calls.iter().map(|c| c.0.to_owned()).collect();
    listed.sort();
    listed.dedup();
    assert_eq!(offered(server, name).await, listed);
    for (tool, arguments, part) in calls {
        let task = server
            .run(&format!("return await tools.{name}.{tool}({arguments})"))
            .await;
        assert_eq!(
            task["status"],
            "completed",
            "{tool}: {task:#}\n{}",
            server.log()
        );
        let text = task["result"].to_string();
        assert!(text.contains(part), "{tool}: {part:?} is not in {text}");
    }
}

fn everything() -> Vec<(&'static str, Value, &'static str)> {
    let data = "data:text/plain;base64,aGVsbG8=";
    vec![
        ("echo", json!({ "message": "hi" }), "\"Echo: hi\""),
        (
            "getAnnotatedMessage",
            json!({ "messageType": "success", "includeImage": true }),
            "$file",
        ),
        ("getEnv", json!({}), "PATH"),
        ("getResourceLinks", json!({ "count": 2 }), "resource_link"),
        (
            "getResourceReference",
            json!({ "resourceType": "Blob", "resourceId": 1 }),
            "$file",
        ),
        (
            "getStructuredContent",
            json!({ "location": "Chicago" }),
            "\"temperature\":36",
        ),
        (
            "getSum",
            json!({ "a": 2, "b": 3 }),
            "The sum of 2 and 3 is 5.",
        ),
        ("getTinyImage", json!({}), "image/png"),
        (
            "gzipFileAsResource",
            json!({ "name": "a.gz", "data": data, "outputType": "resource" }),
            "application/gzip",
        ),
        ("toggleSimulatedLogging", json!({}), "Started simulated"),
        ("toggleSimulatedLogging", json!({}), "Stopped simulated"),
        (
            "toggleSubscriberUpdates",
            json!({}),
            "Started simulated resource",
        ),
        (
            "triggerLongRunningOperation",
            json!({ "duration": 0.2, "steps": 2 }),
            "completed",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_over_its_input_and_output() {
    let server = Server::start(Database::sqlite()).await;
    add(
        &server,
        "everything",
        &["node", &script("server-everything")],
    )
    .await;
    tool_by_tool(&server, "everything", &everything()).await;
    let environment = server
        .value("return JSON.parse(await tools.everything.getEnv({}))")
        .await;
    let names = environment.as_object().expect("variables").keys();
    let foreign: Vec<&String> = names.filter(|n| n.starts_with("EXECUTOR")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    let wrong = server
        .run("return await tools.everything.getSum({ a: 'x' })")
        .await;
    assert_eq!(wrong["error"]["code"], "invalid_arguments", "{wrong:#}");
}

/// An official server that listens on a port of its own.
struct Listening {
    port: u16,
    _child: Child,
}

async fn listening(server: &Server, transport: &str, path: &str) -> Listening {
    let port = free_port();
    let mut command = binary::command(&PathBuf::from("node"), &server.scratch(""));
    command
        .arg(script("server-everything"))
        .arg(transport)
        .env("PORT", port.to_string());
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let child = command.spawn().expect("node starts");
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .is_err()
    {
        assert!(
            Instant::now() < deadline,
            "{transport} {path} does not listen"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Listening {
        port,
        _child: child,
    }
}

async fn everything_over(transport: &str, path: &str, version: &str) {
    let server = Server::start(Database::sqlite()).await;
    let upstream = listening(&server, transport, path).await;
    let url = format!("http://127.0.0.1:{}{path}", upstream.port);
    // Without a person's word nothing on this machine is reached.
    let new = json!({ "url": url, "name": "everything" });
    let refused = server.send("POST", "/sources", Some(&new)).await;
    assert_eq!(refused.status, 422, "{refused:#?}");
    let new = json!({ "url": url, "name": "everything", "allowPrivate": true });
    let source = server.post("/sources", new).await;
    assert_eq!(source["kind"], "mcp", "{source:#}");
    assert!(server.log().contains(version), "{}", server.log());
    allow(&server, "everything").await;
    tool_by_tool(&server, "everything", &everything()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_over_streamable_http() {
    everything_over("streamableHttp", "/mcp", "MCP 2025-11-25").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_over_events() {
    everything_over("sse", "/sse", "tools").await;
}

async fn what_a_person_approves_is_what_a_server_gets(database: Database) {
    let server = Server::start(database).await;
    let command = ["node".to_owned(), script("server-everything")];
    server
        .post(
            "/sources",
            json!({ "name": "everything", "command": command }),
        )
        .await;
    // Whatever a server says of its tools, nobody has said that it is to be believed.
    let id = server
        .submit("return await tools.everything.echo({ message: 'é \"x\"' })")
        .await;
    let asked = server.pending(1).await.remove(0);
    assert_eq!(asked["risk"], "unknown", "{asked:#}");
    let request = &asked["request"];
    assert_eq!(request["method"], "STDIO", "{request:#}");
    let url = request["url"].as_str().expect("where it goes");
    assert!(
        url.starts_with("stdio:node ") && url.contains("server-everything"),
        "{url}"
    );
    let body: Value =
        serde_json::from_str(request["body"].as_str().expect("the message")).expect("JSON");
    assert_eq!(
        body["params"],
        json!({ "name": "echo", "arguments": { "message": "é \"x\"" } })
    );
    server.approve(&asked).await;
    assert_eq!(server.finished(&id).await["result"], "Echo: é \"x\"");
    let denied = server
        .submit("return await tools.everything.echo({ message: 'no' })")
        .await;
    let asked = server.pending(1).await.remove(0);
    server.deny(&asked, "not now").await;
    assert_eq!(server.finished(&denied).await["status"], "denied");
    // An administrator's trust changes what is asked.
    let trusted = json!({ "name": "trusted", "command": command, "trustHints": true });
    server.post("/sources", trusted).await;
    let sum = server
        .value("return await tools.trusted.getSum({ a: 1, b: 1 })")
        .await;
    assert_eq!(sum, "The sum of 1 and 1 is 2.");
    assert_eq!(server.get("/audit/verify").await["firstBad"], Value::Null);
}

async fn a_block_of_servers_becomes_sources(database: Database) {
    let server = Server::start(database).await;
    let file = server.scratch("mcp.json");
    let block = json!({ "mcpServers": {
        "first-server": { "command": "node", "args": [script("server-everything")] },
        "second": { "command": "node", "args": [hostile()],
            "env": { "LEVEL": "high", "API_TOKEN": "s3cret-of-the-block" } },
    }});
    std::fs::write(&file, block.to_string()).expect("a file");
    let path = file.display().to_string();
    let added = server
        .cli(&["sources", "add", &path, "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(items(&added).len(), 2, "{added:#}");
    assert_eq!(added[0]["name"], "first", "{added:#}");
    assert_eq!(added[1]["name"], "second", "{added:#}");
    allow(&server, "second").await;
    let seen = server.value("return await tools.second.see({})").await;
    assert_eq!(seen["env"]["LEVEL"], "high");
    assert_eq!(
        seen["env"]["API_TOKEN"], "[secret]",
        "it has it, and nobody reads it"
    );
    let shown = server.get("/sources/second").await;
    assert_eq!(shown["auth"], json!(["env:API_TOKEN"]), "{shown:#}");
    // Over the API a block with several is ambiguous, and says so.
    let new = json!({ "document": block.to_string(), "fileName": "mcp.json" });
    let refused = server.send("POST", "/sources", Some(&new)).await;
    assert_eq!(refused.status, 422, "{refused:#?}");
    assert!(
        refused.body.to_string().contains("first-server"),
        "{refused:#?}"
    );
    let heard = String::from_utf8_lossy(&server.heard()).into_owned();
    assert!(
        !heard.contains("s3cret-of-the-block"),
        "the secret was said"
    );
    let command = [
        "sources",
        "add",
        "--name",
        "third",
        "--",
        "node",
        &hostile(),
    ];
    server.cli(&command).await.exits(0).says(&["third ready"]);
    let missing = ["sources", "add", "--", "/no/such/program"];
    server
        .cli(&missing)
        .await
        .exits(1)
        .says(&["could not be started"]);
}

async fn a_command_that_changes_and_dies_keeps_its_tools(database: Database) {
    let mut server = Server::start(database).await;
    add(&server, "hostile", &["node", &hostile(), "changes"]).await;
    assert!(
        !offered(&server, "hostile")
            .await
            .contains(&"appeared".to_owned())
    );
    let died = server.run("return await tools.hostile.die({})").await;
    assert_eq!(died["error"]["code"], "upstream_unreachable", "{died:#}");
    let degraded = server.get("/sources/hostile").await;
    assert_eq!(degraded["status"], "degraded", "{degraded:#}");
    assert!(
        degraded["reason"].to_string().contains("my last words"),
        "{degraded:#}"
    );
    // Its tools are still there, and a call of them starts it again.
    assert_eq!(
        server.value("return await tools.hostile.count({})").await["calls"],
        1
    );
    assert_eq!(server.get("/sources/hostile").await["status"], "ready");
    // A source that cannot be read again keeps what it has, and harms no other.
    server.value("return await tools.hostile.change({})").await;
    let deadline = Instant::now() + PATIENCE;
    // The list is read in a process of its own, which has not changed: nothing is taken away.
    while !server.log().contains("found MCP") && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        offered(&server, "hostile")
            .await
            .contains(&"count".to_owned())
    );
    let litter = server.value("return await tools.hostile.litter({})").await;
    let seen = server.value("return await tools.hostile.see({})").await;
    server.stop().await;
    for pid in [&litter["pid"], &seen["pid"]] {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = status
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        assert!(
            state.is_empty() || state.starts_with('Z'),
            "{pid} lives on: {state}"
        );
    }
    // A start does not wait for servers, and the catalog is there without them.
    server.launch().await;
    assert!(
        offered(&server, "hostile")
            .await
            .contains(&"count".to_owned())
    );
    assert_eq!(
        server.value("return await tools.hostile.count({})").await["calls"],
        1
    );
}
