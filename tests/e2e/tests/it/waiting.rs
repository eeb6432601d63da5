//! Waiting is free and survives: a task whose sandbox was let go goes on as if nothing had been.

use crate::database::Database;
use crate::upstream::Upstream;
use serde_json::json;
use std::time::{Duration, Instant};

on_both_databases!(beyond_the_hold_window_a_task_is_rebuilt);

/// A little more than the 10 s for which a waiting sandbox is kept.
const BEYOND_THE_HOLD_WINDOW: Duration = Duration::from_secs(13);

async fn beyond_the_hold_window_a_task_is_rebuilt(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = r#"
        const before = { random: Math.random(), now: Date.now(), clock: performance.now() };
        const list = await tools.ledger.items.listItems();
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
}
