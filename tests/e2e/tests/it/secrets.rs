//! A credential goes in and never comes out: not in an answer, a log, an error or the audit chain,
//! and not in clear on the disk.
//!
//! The search is proven by markers that are no secret and must be found by the same search.

use crate::database::Database;
use crate::server::Server;
use crate::upstream::{Upstream, fresh_token};
use base64::Engine as _;
use serde_json::json;
use std::path::{Path, PathBuf};

on_both_databases!(the_token_is_nowhere);

async fn the_token_is_nowhere(database: Database) {
    let mut server = Server::start(database).await;
    let upstream = Upstream::start().await;
    upstream.connect_without_credential(&server).await;
    let set = server
        .cli_with(&["credentials", "set", "ledger"], Some(upstream.token()))
        .await;
    set.exits(0);

    let marker = fresh_token();
    use_it_in_every_way(&server, &upstream, &marker).await;

    let attached = format!("Bearer {}", upstream.token());
    let received = upstream.received();
    assert!(
        received
            .iter()
            .any(|r| r.header("authorization") == Some(&attached)),
        "it was used"
    );

    let heard = server.heard();
    assert_eq!(
        found(&heard, &marker),
        ["raw"],
        "the search finds what is there"
    );
    assert_eq!(
        found(&heard, upstream.token()),
        [""; 0],
        "in what the server said"
    );

    let files = files_of(&server).await;
    let mut marked = 0;
    for file in files.iter().filter(|f| f.is_file()) {
        let bytes = std::fs::read(file).expect("the file reads");
        marked += found(&bytes, &marker).len();
        assert_eq!(
            found(&bytes, upstream.token()),
            [""; 0],
            "in {}",
            file.display()
        );
    }
    assert!(
        marked > 0,
        "the marker is in the database, so the search looks in the right place"
    );

    // Still sealed and still usable after a restart.
    server.stop().await;
    server.launch().await;
    let read = server
        .value("return (await tools.ledger.items.listItems()).items.length")
        .await;
    assert_eq!(read, 1);
    assert_eq!(found(&server.heard(), upstream.token()), [""; 0]);
}

async fn use_it_in_every_way(server: &Server, upstream: &Upstream, marker: &str) {
    let code = format!(
        "// {marker}\nconst echo = await tools.ledger.probe.echo({{}}, {{ meta: true }});\n\
         console.log(JSON.stringify(echo));\n\
         try {{ await tools.ledger.probe.leak(); }} catch (e) {{\n\
         console.error(e.message, JSON.stringify(e.details), e.stack); }}\n\
         await tools.ledger.items.createItem({{ name: '{marker}', amount: 1 }});\nreturn echo;"
    );
    let task = server.submit(&code).await;
    let asked = server.pending(1).await;
    server.approve(&asked[0]).await;
    let done = server.finished(&task).await;
    assert_eq!(done["status"], "completed", "{done:#}");
    assert!(
        done["result"].to_string().contains("[secret]"),
        "the mask shows: {done:#}"
    );
    // Uncaught, with the secret in the error's text.
    let failed = server.run("return await tools.ledger.probe.leak()").await;
    assert_eq!(failed["status"], "failed", "{failed:#}");
    assert!(
        failed["error"]["message"]
            .as_str()
            .is_some_and(|m| m.contains("500")),
        "{failed:#}"
    );

    for path in [
        "/tasks",
        "/approvals",
        "/credentials",
        "/sources",
        "/audit",
        "/policies",
    ] {
        server.get(path).await;
    }
    server.get(&format!("/tasks/{task}/calls")).await;
    server.logs(&task).await;
    for command in [
        &["credentials", "list"][..],
        &["sources", "show", "ledger"],
        &["audit", "list", "--json"],
        &["tasks", "show", &task],
        &["tasks", "logs", &task],
        &["config"],
        &["doctor"],
        &["run", "-e", "return await tools.ledger.probe.echo()"],
    ] {
        server.cli(command).await.exits(0);
    }
    let credentials = server.get("/credentials").await;
    let id = credentials["items"][0]["id"].as_str().expect("an id");
    server
        .post(&format!("/credentials/{id}/test"), json!({}))
        .await;
    assert!(upstream.received().len() > 3);
}

/// Every file in which the server may have kept something. Of PostgreSQL's these are the files of
/// the database and the write-ahead log, which it shares with other databases of this process.
async fn files_of(server: &Server) -> Vec<PathBuf> {
    let mut files = below(server.data());
    if let Some(url) = server.database.url.clone() {
        let directories = tokio::task::spawn_blocking(move || postgres_directories(&url)).await;
        for directory in directories.expect("PostgreSQL tells where its files are") {
            files.extend(below(&directory));
        }
    }
    files
}

fn postgres_directories(url: &str) -> [PathBuf; 2] {
    let mut connection =
        postgres::Client::connect(url, postgres::NoTls).expect("the database can be reached");
    connection
        .batch_execute("checkpoint")
        .expect("what is in memory goes to the disk");
    let row = connection
        .query_one(
            "select current_setting('data_directory'), oid::bigint from pg_database \
             where datname = current_database()",
            &[],
        )
        .expect("PostgreSQL knows itself");
    let root = PathBuf::from(row.get::<_, String>(0));
    [
        root.join("base").join(row.get::<_, i64>(1).to_string()),
        root.join("pg_wal"),
    ]
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        // A file may vanish while a database cleans up after itself.
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path)
            } else {
                files.push(path)
            }
        }
    }
    assert!(!files.is_empty(), "{} holds files", directory.display());
    files
}

/// The forms in which a text is found in some bytes.
fn found(bytes: &[u8], secret: &str) -> Vec<&'static str> {
    let present = |form: &[u8]| memchr::memmem::find(bytes, form).is_some();
    forms(secret)
        .into_iter()
        .filter(|(_, form)| present(form))
        .map(|(name, _)| name)
        .collect()
}

/// A text as it might be hidden: in hexadecimal, reversed, or in base64 at each of its three
/// alignments, less the ends that depend on what stands beside it.
fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    let mut forms = vec![
        ("raw", secret.as_bytes().to_vec()),
        ("hex", hex.clone().into_bytes()),
        ("upper-case hex", hex.to_uppercase().into_bytes()),
        ("reversed", secret.bytes().rev().collect()),
    ];
    let engines = [
        base64::engine::general_purpose::STANDARD,
        base64::engine::general_purpose::URL_SAFE,
    ];
    for (engine, shift) in engines.iter().flat_map(|e| [(e, 0), (e, 1), (e, 2)]) {
        let mut shifted = vec![b'x'; shift];
        shifted.extend_from_slice(secret.as_bytes());
        let encoded = engine.encode(shifted);
        forms.push(("base64", encoded.as_bytes()[4..encoded.len() - 4].to_vec()));
    }
    forms
}
