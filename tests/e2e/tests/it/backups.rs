//! Backups that are taken while the server serves, and taken in by either database: tasks that wait
//! go on waiting, credentials open, and what is no whole backup is refused before anything is written.

use crate::database::Database;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

mod from_either_to_the_other {
    use crate::database::Database;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn from_sqlite_to_postgres() {
        super::everything_goes_on(Database::sqlite(), Database::postgres()).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn from_postgres_to_sqlite() {
        super::everything_goes_on(Database::postgres(), Database::sqlite()).await;
    }
}

on_both_databases!(what_is_no_whole_backup_is_refused);

const WRITE: &str =
    "return (await tools.ledger.items.createItem({ name: 'later', amount: 1 })).name";

async fn backed_up(server: &Server, name: &str) -> PathBuf {
    let file = server.scratch(name);
    let path = file.to_str().expect("a path");
    let ran = server.cli(&["backup", path, "--json"]).await.exits(0);
    ran.json();
    ran.says(&["the master key is not in it"]);
    file
}

/// A server that does not run yet, on another database, with the master key of the first or none.
fn elsewhere(first: &Server, database: Database, key: bool) -> Server {
    let server = Server::prepare(database);
    if key {
        std::fs::create_dir_all(server.data()).expect("a directory");
        let name = "master.key";
        std::fs::copy(first.data().join(name), server.data().join(name)).expect("a key");
    }
    server
}

async fn restored(server: &Server, file: &Path) -> crate::binary::Ran {
    let mut arguments = vec!["restore", file.to_str().expect("a path")];
    if let Some(url) = &server.database.url {
        arguments.extend(["--database-url", url]);
    }
    server.cli(&arguments).await
}

async fn everything_goes_on(from: Database, to: Database) {
    let (mut server, upstream) = Upstream::connected(from).await;
    let waiting = server.submit(WRITE).await;
    let done = server.run("console.log('said'); return 'done'").await;
    let large = server.run("return 'x'.repeat(2 * 1024 * 1024)").await;
    let rule = json!({ "effect": "deny", "match": { "tools": ["x.**"] } });
    server.post("/policies", rule).await;
    let policies = server.get("/policies").await;
    let asked = server.pending(1).await.remove(0);
    let file = backed_up(&server, "first.backup").await;
    let text = std::fs::read_to_string(&file).expect("it reads");
    let key = std::fs::read_to_string(server.data().join("master.key")).expect("a key");
    assert!(!text.contains(key.trim()), "the master key is not in it");
    assert!(!text.contains(upstream.token()), "nor is a credential");
    assert!(text.contains("said"), "what is no secret is");
    // What happens after it is not in it.
    let after = server.run("return 'after'").await;
    server.stop().await;

    let mut other = elsewhere(&server, to, true);
    restored(&other, &file).await.exits(0).says(&["rows of"]);
    other.launch().await;
    let id = |task: &Value| task["id"].as_str().expect("an id").to_owned();
    assert_eq!(other.task(&id(&done)).await["result"], "done");
    assert_eq!(other.logs(&id(&done)).await, ["said"]);
    assert_eq!(other.task(&id(&large)).await["result"], large["result"]);
    let gone = other
        .send("GET", &format!("/tasks/{}", id(&after)), None)
        .await;
    assert_eq!(gone.status, 404, "{gone:#?}");
    assert_eq!(other.task(&waiting).await["status"], "waiting");
    let still = other.pending(1).await.remove(0);
    assert_eq!(still["id"], asked["id"]);
    assert_eq!(upstream.created("later"), 0);
    other.approve(&still).await;
    let task = other.finished(&waiting).await;
    assert_eq!(task["result"], "later", "the credential opens: {task:#}");
    assert_eq!(upstream.created("later"), 1);
    let verified = other.get("/audit/verify").await;
    assert_eq!(verified["intact"], true, "{verified:#}");
    assert_eq!(other.get("/policies").await, policies);

    // Nothing is restored over something, and nothing of it is touched.
    other.stop().await;
    restored(&other, &file)
        .await
        .exits(1)
        .says(&["the database is not empty"]);
    other.launch().await;
    assert_eq!(other.task(&waiting).await["result"], "later");
    // Without a server, the database itself is read.
    other.stop().await;
    let file = other.scratch("second.backup");
    let path = file.to_str().expect("a path");
    let mut arguments = vec!["backup", path];
    if let Some(url) = &other.database.url {
        other
            .environment
            .push(("EXECUTOR_DATABASE_URL".into(), url.clone()));
    }
    arguments.push("--json");
    other.cli(&arguments).await.exits(0);
    let third = elsewhere(&server, Database::sqlite(), true);
    restored(&third, &file).await.exits(0);
}

async fn what_is_no_whole_backup_is_refused(database: Database) {
    let embedded = database.is_embedded();
    let (mut server, _upstream) = Upstream::connected(database).await;
    server.run("return 'a'").await;
    let file = backed_up(&server, "whole.backup").await;
    server.stop().await;
    let whole = std::fs::read(&file).expect("it reads");
    let another = || {
        if embedded {
            Database::sqlite()
        } else {
            Database::postgres()
        }
    };
    let target = elsewhere(&server, another(), true);
    let lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').collect();
    let flipped = {
        let mut bytes = whole.clone();
        let at = whole.len() / 2;
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        bytes
    };
    let without_a_line = [&lines[..5], &lines[6..]].concat().concat();
    for (what, bytes) in [
        ("cut in a line", whole[..whole.len() / 2].to_vec()),
        ("cut at a line", lines[..lines.len() - 1].concat()),
        ("changed", flipped),
        ("less a line", without_a_line),
        ("with more", [whole.as_slice(), b"x\n"].concat()),
        ("empty", Vec::new()),
        ("something else", b"hello\n".to_vec()),
    ] {
        let bad = server.scratch("bad.backup");
        std::fs::write(&bad, bytes).expect("written");
        let ran = restored(&target, &bad).await;
        assert_eq!(ran.code, 1, "{what}: {ran:#?}");
        assert!(
            ran.err.contains("this backup cannot be used"),
            "{what}: {ran:#?}"
        );
    }
    // Another master key is told from the right one before anything is written.
    let wrong = elsewhere(&server, another(), false);
    std::fs::create_dir_all(wrong.data()).expect("a directory");
    let other_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";
    std::fs::write(wrong.data().join("master.key"), other_key).expect("a key");
    restored(&wrong, &file)
        .await
        .exits(1)
        .says(&["the master key here is not the one"]);
    let none = elsewhere(&server, another(), false);
    restored(&none, &file)
        .await
        .exits(0)
        .says(&["no master key is here yet"]);
    none.launch_refused()
        .await
        .says(&["the master key is missing"]);
    // After all that the empty one still takes it.
    restored(&target, &file).await.exits(0);
}
