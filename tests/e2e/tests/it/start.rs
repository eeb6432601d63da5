//! Starting where something is wrong: a clear error that says what and where, and nothing damaged.

use crate::database::Database;
use crate::server::Server;
use crate::upstream::Upstream;
use base64::Engine as _;
use serde_json::json;

on_both_databases!(
    a_broken_source_is_refused_and_the_others_live,
    a_source_that_breaks_later_keeps_its_tools,
    a_busy_port_is_named,
    a_second_server_on_the_directory_is_refused,
    a_wrong_master_key_is_refused,
    an_unknown_configuration_key_is_refused,
    what_was_done_is_there_after_a_restart,
);

async fn a_broken_source_is_refused_and_the_others_live(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let cases = [
        (
            "cut.json",
            "{\"openapi\": \"3.1.0\",\n \"paths\": {",
            "cut.json",
        ),
        ("cut.yaml", "openapi: 3.1.0\npaths:\n  - {", "cut.yaml"),
        ("other.json", "{\"hello\": \"world\"}", "OpenAPI"),
        ("empty.json", "", "empty.json"),
        ("binary.json", "\0\u{1}\u{2}", "binary.json"),
    ];
    for (name, text, word) in cases {
        let file = server.scratch(name);
        std::fs::write(&file, text).expect("the file is written");
        let add = ["sources", "add", file.to_str().expect("UTF-8"), "--json"];
        let ran = server.cli(&add).await;
        assert_eq!(ran.code, 1, "{name}: {ran:#?}");
        assert!(!ran.err.contains("internal"), "{name}: {ran:#?}");
        ran.says(&[word]);
    }
    let missing = server.cli(&["sources", "add", "/no/such/file.json"]).await;
    assert_ne!(missing.code, 0);
    missing.says(&["/no/such/file.json"]);
    let closed = format!(
        "http://127.0.0.1:{}/openapi.json",
        crate::server::free_port()
    );
    let refused = server
        .cli(&["sources", "add", &closed, "--allow-private"])
        .await
        .exits(1);
    refused.says(&[&closed]);
    let private = format!("{}/openapi.json", upstream.base_url());
    let refused = server
        .cli(&["sources", "add", &private, "--name", "p"])
        .await
        .exits(1);
    refused.says(&["--allow-private"]);

    // A description with one broken operation loses that operation alone, and says so.
    let mut partly = crate::ledger::description(upstream.base_url());
    partly["paths"]["/items"]["get"]["parameters"] = json!([{ "$ref": "#/no/such/place" }]);
    let file = server.scratch("partly.json");
    std::fs::write(&file, partly.to_string()).expect("the file is written");
    let add = [
        "sources",
        "add",
        file.to_str().expect("UTF-8"),
        "--name",
        "partly",
        "--json",
    ];
    let source = server.cli(&add).await.exits(0).json();
    assert_eq!(source["toolCount"], 14, "{source:#}");
    assert!(
        source["warnings"].to_string().contains("/items"),
        "{source:#}"
    );

    let sources = server
        .cli(&["sources", "list", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(sources.as_array().map(Vec::len), Some(2), "{sources:#}");
    let read = server
        .value("return (await tools.ledger.items.listItems()).items.length")
        .await;
    assert_eq!(read, 1);
}

async fn a_source_that_breaks_later_keeps_its_tools(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    upstream.break_description();
    let refreshed = server.cli(&["sources", "refresh", "ledger"]).await;
    assert_ne!(refreshed.code, 0, "{refreshed:#?}");
    let source = server
        .cli(&["sources", "show", "ledger", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(source["status"], "degraded", "{source:#}");
    assert!(
        source["reason"].as_str().is_some_and(|r| !r.is_empty()),
        "{source:#}"
    );
    assert_eq!(source["toolCount"], 15, "{source:#}");
    let read = server
        .value("return (await tools.ledger.items.listItems()).items.length")
        .await;
    assert_eq!(read, 1, "the tools it had go on working");
}

async fn a_busy_port_is_named(database: Database) {
    let mut server = Server::prepare(database);
    let taken = std::net::TcpListener::bind(("127.0.0.1", server.port)).expect("the port is free");
    server
        .launch_refused()
        .await
        .says(&[&server.port.to_string(), "--port"]);
    drop(taken);
    server.launch().await;
    assert_eq!(
        server.value("return 1").await,
        1,
        "once the port is free it starts"
    );
}

async fn a_second_server_on_the_directory_is_refused(database: Database) {
    let server = Server::start(database).await;
    let mut second = server.command();
    second.args(["serve", "--port", &crate::server::free_port().to_string()]);
    if let Some(url) = &server.database.url {
        second.args(["--database-url", url]);
    }
    let ran = crate::binary::finish(second, None).await;
    assert_ne!(ran.code, 0, "{ran:#?}");
    ran.says(&[&server.pid().to_string(), &server.url()]);
    assert_eq!(server.value("return 1").await, 1, "the first goes on");
}

fn fresh_key() -> String {
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("the system has randomness");
    base64::engine::general_purpose::STANDARD.encode(key)
}

async fn a_wrong_master_key_is_refused(database: Database) {
    let mut server = Server::prepare(database);
    let right = fresh_key();
    server.environment = vec![("EXECUTOR_MASTER_KEY".to_owned(), right.clone())];
    server.launch().await;
    let upstream = Upstream::start().await;
    upstream.connect(&server).await;
    server.stop().await;

    let bad = [
        fresh_key(),
        "too short".to_owned(),
        "bm90IDMyIGJ5dGVz".to_owned(),
    ];
    for key in &bad {
        server.environment = vec![("EXECUTOR_MASTER_KEY".to_owned(), key.clone())];
        let ran = server.launch_refused().await;
        assert!(
            !ran.err.contains(key.as_str()),
            "a key is not repeated: {ran:#?}"
        );
        ran.says(&["master key"]);
    }
    // Without the variable there is no key at all in this directory: not a reason to make another.
    server.environment.clear();
    server.launch_refused().await.says(&["master key"]);

    server.environment = vec![("EXECUTOR_MASTER_KEY".to_owned(), right)];
    server.launch().await;
    let read = server
        .value("return (await tools.ledger.items.listItems()).items.length")
        .await;
    assert_eq!(read, 1, "with the right key everything is as it was");
}

async fn an_unknown_configuration_key_is_refused(database: Database) {
    let mut server = Server::prepare(database);
    std::fs::create_dir_all(server.data()).expect("the data directory");
    let file = server.data().join("executor.toml");
    std::fs::write(&file, "prot = 5312\n").expect("the file is written");
    server
        .launch_refused()
        .await
        .says(&["prot", "port", "executor.toml"]);
    std::fs::write(&file, "sandbox_workers = \"many\"\n").expect("the file is written");
    server
        .launch_refused()
        .await
        .says(&["sandbox_workers", "many", "executor.toml"]);
    std::fs::write(&file, "port = = 1\n").expect("the file is written");
    server.launch_refused().await.says(&["executor.toml", "1"]);
    std::fs::write(&file, "port = 1\n").expect("the file is written");
    server.launch().await;
    assert_eq!(
        server.value("return 1").await,
        1,
        "a flag wins over the file"
    );
    let shown = server.cli(&["config"]).await.exits(0);
    shown.says(&["executor.toml", "default"]);
}

async fn what_was_done_is_there_after_a_restart(database: Database) {
    let (mut server, _upstream) = Upstream::connected(database).await;
    let rule = json!({ "effect": "deny", "match": { "tools": ["ledger.items.deleteItem"] } });
    server.post("/policies", rule).await;
    let task = server
        .submit("console.log('kept'); return { kept: true }")
        .await;
    let before = server.finished(&task).await;
    let sources = server.get("/sources").await;
    let policies = server.get("/policies").await;
    server.stop().await;
    server.launch().await;
    assert_eq!(server.task(&task).await, before);
    assert_eq!(server.logs(&task).await, ["kept"]);
    assert_eq!(server.get("/sources").await, sources);
    assert_eq!(server.get("/policies").await, policies);
    let verified = server.get("/audit/verify").await;
    assert_eq!(verified["intact"], true, "{verified:#}");
}
