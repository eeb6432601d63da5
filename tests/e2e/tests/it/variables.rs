//! Credentials out of variables, on purpose only; and the order in which a source looks for one.

use crate::database::Database;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::json;

on_both_databases!(
    variables_are_taken_on_purpose,
    a_source_says_in_which_order_it_looks,
);

const READ: &str = "return (await tools.ledger.items.listItems()).items.length";

async fn variables_are_taken_on_purpose(database: Database) {
    let mut server = Server::prepare(database);
    let upstream = Upstream::start().await;
    let token = upstream.token().to_owned();
    // It stands in the environment all the time, and nobody takes it from there unasked.
    server.environment = vec![("LEDGER_TOKEN".to_owned(), token.clone())];
    server.launch().await;
    upstream.connect_without_credential(&server).await;
    assert_eq!(server.run(READ).await["status"], "failed");
    let import = ["credentials", "import", "--env", "LEDGER_TOKEN"];
    server
        .cli(&import)
        .await
        .exits(2)
        .says(&["LEDGER_TOKEN opens ledger", "nothing was set"]);
    let none = server.get("/credentials").await;
    assert_eq!(none["items"], json!([]));
    let set = server.cli(&[&import[..], &["--yes"]].concat()).await;
    assert!(!format!("{set:?}").contains(&token), "a value is shown");
    set.exits(0).says(&["LEDGER_TOKEN opens ledger"]);
    assert_eq!(server.value(READ).await, 1);
    // The same from a file; what speaks of no source is left alone.
    let file = server.scratch("variables.env");
    let text = format!("# ours\nexport LEDGER_API_KEY=\"{token}\" # here\nHOME_TOKEN=x\n");
    std::fs::write(&file, text).expect("written");
    let path = file.to_str().expect("a path");
    let import = [
        "credentials",
        "import",
        "--env-file",
        path,
        "--yes",
        "--json",
    ];
    let set = server.cli(&import).await.exits(0).json();
    assert_eq!(set.as_array().map(Vec::len), Some(1), "{set:#}");
    assert_eq!(set[0]["version"], 2, "it took the place of the one before");
    std::fs::write(&file, "LEDGER_TOKEN='not closed\n").expect("written");
    server
        .cli(&import)
        .await
        .exits(2)
        .says(&["line 1", "not closed"]);
    for (name, why) in [
        ("NO_SUCH=ledger", "not set"),
        ("LEDGER_TOKEN=x", "no source"),
    ] {
        server
            .cli(&["credentials", "import", "--env", name, "--yes"])
            .await
            .exits(2)
            .says(&[why]);
    }
    let heard = String::from_utf8_lossy(&server.heard()).into_owned();
    assert!(!heard.contains(&token), "the value is told nobody");
}

async fn a_source_says_in_which_order_it_looks(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let own = json!({ "source": "ledger", "value": "wrong", "scope": "personal" });
    server.post("/credentials", own).await;
    assert_eq!(
        server.run(READ).await["status"],
        "failed",
        "the person's own comes first"
    );
    let order = |words: &'static [&'static str]| {
        let arguments = [&["credentials", "order", "ledger"], words].concat();
        let server = &server;
        async move { server.cli(&arguments).await }
    };
    order(&[])
        .await
        .exits(0)
        .says(&["personal, workspace, organization"]);
    order(&["workspace", "personal"])
        .await
        .exits(0)
        .says(&["workspace, personal"]);
    assert_eq!(server.value(READ).await, 1);
    order(&["organization"]).await.exits(0);
    let sent = upstream.received().len();
    server.run(READ).await;
    let attached = upstream.received()[sent..]
        .iter()
        .any(|r| r.header("authorization").is_some());
    assert!(!attached, "what is left out is not looked in");
    for bad in [&["nobody"][..], &["personal", "personal"]] {
        order(bad).await.exits(1);
    }
    let told = server
        .get("/audit?action=source.changed&text=credentialOrder")
        .await;
    assert_eq!(told["items"].as_array().map(Vec::len), Some(2), "{told:#}");
}
