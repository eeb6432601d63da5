//! What is recorded: the audit chain holds and notices tampering; event streams resume without loss
//! or repetition, across restarts too.

use crate::api::items;
use crate::database::Database;
use crate::server::Server;
use crate::stream::Stream;
use crate::upstream::Upstream;
use serde_json::json;

on_both_databases!(
    the_audit_chain_tells_everything_and_holds,
    a_stream_resumes_without_loss_or_repetition,
    a_task_stream_tells_the_whole_task_and_ends,
);

async fn the_audit_chain_tells_everything_and_holds(database: Database) {
    let (mut server, _upstream) = Upstream::connected(database).await;
    server
        .post(
            "/policies",
            json!({ "effect": "deny", "match": { "tools": ["x.**"] } }),
        )
        .await;
    let code = "try { await tools.ledger.items.createItem({ name: 'a', amount: 1 }); } catch {}\n\
                await tools.ledger.items.createItem({ name: 'b', amount: 1 });";
    let task = server.submit(code).await;
    let asked = server.pending(1).await;
    server.deny(&asked[0], "first no").await;
    let asked = server.pending(1).await;
    server.approve(&asked[0]).await;
    assert_eq!(server.finished(&task).await["status"], "completed");

    let listed = server
        .cli(&["audit", "list", "--json"])
        .await
        .exits(0)
        .json();
    let entries = items(&listed);
    let actions: Vec<&str> = entries
        .iter()
        .filter_map(|e| e["action"].as_str())
        .collect();
    for subject in [
        "source",
        "credential",
        "rule",
        "decision",
        "call",
        "approval",
    ] {
        assert!(
            actions.iter().any(|a| a.starts_with(subject)),
            "{subject}: {actions:?}"
        );
    }
    let told = serde_json::to_string(&entries).expect("JSON");
    assert!(
        told.contains("first no"),
        "the reviewer's reason is kept: {told}"
    );
    let mut sequences: Vec<i64> = entries
        .iter()
        .filter_map(|e| e["sequence"].as_i64())
        .collect();
    sequences.sort_unstable();
    let expected: Vec<i64> = (1..).take(entries.len()).collect();
    assert_eq!(sequences, expected, "numbered without gaps");

    let verified = server
        .cli(&["audit", "verify", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(verified["intact"], true, "{verified:#}");
    assert!(
        verified["entries"].as_u64() >= Some(entries.len() as u64),
        "{verified:#}"
    );

    if server.database.is_embedded() {
        tamper_and_verify(&mut server).await;
    }
}

/// Edits one entry behind the server's back.
async fn tamper_and_verify(server: &mut Server) {
    server.stop().await;
    let file = database_file(server);
    let file = rusqlite::Connection::open(file).expect("the file opens");
    let changed = file
        .execute(
            "update audit set action = 'nothing.happened' where sequence = 3",
            [],
        )
        .expect("the entry can be edited");
    assert_eq!(changed, 1);
    drop(file);
    server.launch().await;
    let verified = server
        .cli(&["audit", "verify", "--json"])
        .await
        .exits(1)
        .json();
    assert_eq!(verified["intact"], false, "{verified:#}");
    assert_eq!(verified["firstBad"], 3, "{verified:#}");
    server.cli(&["audit", "verify"]).await.exits(1).says(&["3"]);
}

/// The embedded database's file.
pub(crate) fn database_file(server: &Server) -> std::path::PathBuf {
    let entries = std::fs::read_dir(server.data()).expect("the data directory reads");
    let mut files = entries.filter_map(Result::ok).map(|e| e.path());
    let sqlite = |path: &std::path::PathBuf| {
        std::fs::read(path).is_ok_and(|b| b.starts_with(b"SQLite format 3\0"))
    };
    files
        .find(sqlite)
        .expect("the data directory holds a SQLite file")
}

async fn a_stream_resumes_without_loss_or_repetition(database: Database) {
    let mut server = Server::start(database).await;
    let me = server.get("/me").await;
    let workspace = me["workspace"]["id"].as_str().expect("an id");
    let path = format!("/workspaces/{workspace}/events");

    let mut broken = Stream::open(&server, &path, Some(0)).await;
    let mut seen = Vec::new();
    for round in 0..4 {
        let code =
            format!("for (let i = 0; i < 5; i++) console.log('round {round}', i); return 1;");
        let task = server.submit(&code).await;
        // Part of the round is read before the connection is dropped, part after.
        for _ in 0..=round {
            seen.push(broken.next().await.expect("the stream goes on"));
        }
        drop(broken);
        server.finished(&task).await;
        if round == 2 {
            server.kill().await;
            server.launch().await;
        }
        let last = seen.last().map(|e| e.id);
        broken = Stream::open(&server, &path, last).await;
    }
    let last = server.submit("console.log('the end'); return 2;").await;
    let ends = |e: &crate::stream::Event| e.data["taskId"] == last.as_str() && is_end(e);
    seen.extend(broken.until(ends).await);

    let whole = Stream::open(&server, &path, Some(0))
        .await
        .until(ends)
        .await;
    assert_eq!(
        seen, whole,
        "a reader that was cut off sees what one sees that was not"
    );
    let ids: Vec<i64> = whole.iter().map(|e| e.id).collect();
    let expected: Vec<i64> = (1..).take(ids.len()).collect();
    assert_eq!(ids, expected, "numbered without gaps");
    let lines = whole.iter().filter(|e| e.name == "log").count();
    assert_eq!(lines, 21, "every line of every task, once");
    follows(&whole);

    // Without the lines nothing else is missing, and what each follows says that nothing is.
    let path = format!("{path}?logs=false");
    let mut quiet = Stream::open(&server, &path, Some(0)).await;
    assert_eq!(quiet.header("x-accel-buffering"), Some("no"));
    let quiet = quiet.until(ends).await;
    let rest = whole.iter().filter(|e| e.name != "log").map(|e| e.id);
    assert!(rest.eq(quiet.iter().map(|e| e.id)), "{quiet:#?}");
    follows(&quiet);
}

/// Each event names the one before it on its stream, the first one where the stream began.
fn follows(events: &[crate::stream::Event]) {
    let mut last = 0;
    for event in events {
        assert_eq!(event.data["previous"], last, "{event:#?}");
        last = event.id;
    }
}

/// Whether an event is a task's last: it carries a final status.
fn is_end(event: &crate::stream::Event) -> bool {
    event.name == "task" && event.data["data"].to_string().contains("completed")
}

async fn a_task_stream_tells_the_whole_task_and_ends(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let code = "console.log('one');\nawait tools.ledger.items.createItem({ name: 'a', amount: 1 });\n\
                console.log('two'); return 'three';";
    let task = server.submit(code).await;
    let path = format!("/tasks/{task}/events");
    let mut stream = Stream::open(&server, &path, None).await;
    let mut events = stream.until(|e| e.name == "approval").await;
    assert!(
        events.iter().any(|e| e.data.to_string().contains("one")),
        "{events:#?}"
    );
    assert!(
        !events.iter().any(|e| e.data.to_string().contains("two")),
        "{events:#?}"
    );
    let asked = server.pending(1).await;
    server.approve(&asked[0]).await;
    while let Some(event) = stream.next().await {
        events.push(event);
    }
    assert!(
        events.last().is_some_and(is_end),
        "the stream ends after the task: {events:#?}"
    );

    let mut again = Vec::new();
    let mut replayed = Stream::open(&server, &path, None).await;
    while let Some(event) = replayed.next().await {
        again.push(event);
    }
    assert_eq!(
        again, events,
        "told again after its end, it is the same story"
    );
    let middle = events.len() / 2;
    let mut rest = Vec::new();
    let mut resumed = Stream::open(&server, &path, Some(events[middle].id)).await;
    while let Some(event) = resumed.next().await {
        rest.push(event);
    }
    assert_eq!(
        rest,
        events[middle + 1..],
        "from the middle it goes on with the next"
    );
}
