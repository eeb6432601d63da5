//! Waiting is free and survives: a task whose sandbox was let go goes on as if nothing had been.

use crate::database::Database;
use crate::server::Server;
use crate::upstream::Upstream;
use rusqlite::OptionalExtension as _;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both_databases!(
    beyond_the_hold_window_a_task_is_rebuilt,
    a_task_that_is_soon_replayed_is_not_kept,
    a_broken_snapshot_is_no_loss,
);

/// A little more than the 10 s for which a waiting sandbox is kept.
const BEYOND_THE_HOLD_WINDOW: Duration = Duration::from_secs(13);

async fn beyond_the_hold_window_a_task_is_rebuilt(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = r#"
        const before = { random: Math.random(), now: Date.now(), clock: performance.now() };
        const list = await tools.ledger.items.listItems();
        let work = 0;
        for (let i = 0; i < 3_000_000; i++) work = (work * 31 + i) % 1_000_003;
        console.log(JSON.stringify(before));
        const begun = performance.now();
        const made = await tools.ledger.items.createItem({ name: "patient", amount: Math.random() });
        return { before, listed: list.items.length, made: made.name, asked: performance.now() - begun };
    "#;
    // A wall limit far shorter than the wait: its clock stands still while a person is asked.
    let task = server
        .post("/tasks", json!({ "code": code, "timeoutMs": 5000 }))
        .await;
    let task = task["id"].as_str().expect("an id");
    let asked = server.pending(1).await.remove(0);
    let begun = Instant::now();
    tokio::time::sleep(BEYOND_THE_HOLD_WINDOW).await;
    assert_eq!(server.task(task).await["status"], "waiting");
    server.approve(&asked).await;
    let done = server.finished(task).await;
    assert!(begun.elapsed() >= BEYOND_THE_HOLD_WINDOW);
    assert_eq!(done["status"], "completed", "{done:#}");
    let logs = server.logs(task).await;
    assert_eq!(
        logs,
        [done["result"]["before"].to_string()],
        "logged once, and unchanged"
    );
    assert_eq!(done["result"]["made"], "patient");
    let asked_ms = done["result"]["asked"].as_f64().expect("a number");
    assert!(
        asked_ms < 5000.0,
        "the program's clock stood still while a person was asked: {done:#}"
    );
    let reads = upstream
        .received()
        .iter()
        .filter(|r| r.method == "GET")
        .count();
    assert_eq!(
        (reads, upstream.created("patient")),
        (1, 1),
        "nothing is sent again to rebuild it"
    );
    assert!(
        server.log().contains("goes on from its snapshot"),
        "{}",
        server.log()
    );
}

async fn a_task_that_is_soon_replayed_is_not_kept(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let code = r#"
        const list = await tools.ledger.items.listItems();
        const random = Math.random();
        const made = await tools.ledger.items.createItem({ name: "light", amount: random });
        return { same: random === made.amount, listed: list.items.length };
    "#;
    let task = server.submit(code).await;
    let asked = server.pending(1).await.remove(0);
    tokio::time::sleep(BEYOND_THE_HOLD_WINDOW).await;
    server.stop().await;
    assert!(
        !snapshot(&server, str::to_owned),
        "replaying it costs less than keeping it"
    );
    server.launch().await;
    server.approve(&asked).await;
    let done = server.finished(&task).await;
    assert_eq!(
        done["result"],
        json!({ "same": true, "listed": 1 }),
        "{done:#}"
    );
    assert_eq!(upstream.created("light"), 1);
}

async fn a_broken_snapshot_is_no_loss(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let code = r#"
        const list = await tools.ledger.items.listItems();
        let work = 0;
        for (let i = 0; i < 3_000_000; i++) work = (work * 31 + i) % 1_000_003;
        const random = Math.random();
        const made = await tools.ledger.items.createItem({ name: "mended", amount: random });
        return { listed: list.items.length, random, made: made.name };
    "#;
    let task = server.post("/tasks", json!({ "code": code })).await;
    let task = task["id"].as_str().expect("an id");
    let asked = server.pending(1).await.remove(0);
    tokio::time::sleep(BEYOND_THE_HOLD_WINDOW).await;
    server.stop().await;
    let kept = snapshot(&server, |kept| {
        // Its head stays; its memory loses its end.
        let mut kept: Value = serde_json::from_str(kept).expect("JSON");
        let program = kept["program"].as_str().expect("base64").to_owned();
        assert!(
            program.len() < 64 << 10,
            "{} bytes in base64",
            program.len()
        );
        kept["program"] = program[..program.len() / 8 * 4].into();
        kept.to_string()
    });
    assert!(kept, "a suspended task keeps its program");
    server.launch().await;
    server.approve(&asked).await;
    let done = server.finished(task).await;
    assert_eq!(done["status"], "completed", "{done:#}");
    assert_eq!(done["result"]["made"], "mended");
    assert_eq!(upstream.created("mended"), 1);
    let reads = upstream
        .received()
        .into_iter()
        .filter(|r| r.method == "GET");
    assert_eq!(reads.count(), 1, "replay reads from the journal");
    assert!(
        server.log().contains("its snapshot is of no use"),
        "{}",
        server.log()
    );
    assert!(
        !snapshot(&server, str::to_owned),
        "gone when the task has ended"
    );
}

/// Changes the one snapshot that is kept. False if there is none.
fn snapshot(server: &Server, change: impl Fn(&str) -> String + Sync) -> bool {
    let read = "select id, snapshot from tasks where snapshot is not null";
    let write = "update tasks set snapshot = $1 where id = $2";
    match &server.database.url {
        Some(url) => std::thread::scope(|threads| {
            let changed = threads.spawn(|| {
                let mut client =
                    postgres::Client::connect(url, postgres::NoTls).expect("a connection");
                let row = client.query_opt(read, &[]).expect("at most one");
                row.is_some_and(|row| {
                    let (id, kept): (String, String) = (row.get(0), row.get(1));
                    client
                        .execute(write, &[&change(&kept), &id])
                        .expect("changed")
                        == 1
                })
            });
            changed.join().expect("the database answers")
        }),
        None => {
            let file = rusqlite::Connection::open(crate::record::database_file(server))
                .expect("the file opens");
            let row: Option<(String, String)> = file
                .query_row(read, [], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
                .expect("at most one");
            row.is_some_and(|(id, kept)| {
                file.execute(write, [&change(&kept), &id]).expect("changed") == 1
            })
        }
    }
}
