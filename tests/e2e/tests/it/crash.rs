//! Kill the process at any instant: no task, approval or answer is lost, and nothing is sent twice.
//!
//! The counting upstream judges. Here the instants are chosen; in `kills.rs` they are random.

use crate::database::Database;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};

on_both_databases!(
    killed_between_two_answers,
    killed_before_any_answer,
    killed_while_a_write_is_under_way_a_person_is_asked,
    asked_to_end_nothing_is_lost,
    a_command_that_waits_survives_a_restart,
    no_worker_outlives_its_server,
);

const TWO_WRITES: &str = r#"
const before = { random: Math.random(), uuid: crypto.randomUUID(), now: Date.now() };
console.log(JSON.stringify(before));
const results = await Promise.all([
  tools.ledger.items.createItem({ name: "first", amount: 1 }),
  tools.ledger.items.createItem({ name: "second", amount: 2 }),
]);
return { before, names: results.map((r) => r.name), ids: results.map((r) => r.id), later: Math.random() };
"#;

/// Waits until `count` calls of a task have succeeded.
async fn succeeded(server: &Server, task: &str, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let calls = server.calls(task).await;
        if calls.iter().filter(|c| c["status"] == "succeeded").count() >= count {
            return;
        }
        assert!(Instant::now() < deadline, "{calls:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn assert_unchanged(done: &Value, logs: &[String]) {
    assert_eq!(done["status"], "completed", "{done:#}");
    assert_eq!(
        done["result"]["names"],
        json!(["first", "second"]),
        "{done:#}"
    );
    assert_eq!(
        logs.len(),
        1,
        "what was logged before the kill is not logged again: {logs:?}"
    );
    let logged: Value = serde_json::from_str(&logs[0]).expect("the line is JSON");
    assert_eq!(
        done["result"]["before"], logged,
        "randomness and clock are what they were"
    );
}

async fn killed_between_two_answers(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let task = server.submit(TWO_WRITES).await;
    let asked = server.pending(2).await;
    server.approve(&asked[0]).await;
    succeeded(&server, &task, 1).await;
    server.kill().await;
    server.launch().await;
    let left = server.pending(1).await;
    assert_eq!(
        left[0]["id"], asked[1]["id"],
        "the same question, not a new one"
    );
    server.approve(&left[0]).await;
    let done = server.finished(&task).await;
    assert_unchanged(&done, &server.logs(&task).await);
    assert_eq!(
        (upstream.created("first"), upstream.created("second")),
        (1, 1)
    );
}

async fn killed_before_any_answer(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let task = server.submit(TWO_WRITES).await;
    let asked = server.pending(2).await;
    server.kill().await;
    server.launch().await;
    let again = server.pending(2).await;
    assert_eq!(again[0]["id"], asked[0]["id"]);
    assert_eq!(again[1]["digest"], asked[1]["digest"]);
    // A second kill, and the answers in the other order.
    server.approve(&again[1]).await;
    succeeded(&server, &task, 1).await;
    server.kill().await;
    server.launch().await;
    server.approve(&again[0]).await;
    let done = server.finished(&task).await;
    assert_unchanged(&done, &server.logs(&task).await);
    assert_eq!(
        (upstream.created("first"), upstream.created("second")),
        (1, 1)
    );
}

async fn asked_to_end_nothing_is_lost(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let waiting = server.submit(TWO_WRITES).await;
    let asked = server.pending(2).await;
    let held = server
        .submit("return await tools.ledger.probe.held()")
        .await;
    upstream.arrived(1).await;
    server.stop().await;
    upstream.release();
    server.launch().await;
    let held = server.finished(&held).await;
    assert_eq!(
        held["result"],
        json!({ "held": true }),
        "a read is simply made again: {held:#}"
    );
    server.approve(&asked[0]).await;
    server.approve(&asked[1]).await;
    let done = server.finished(&waiting).await;
    assert_unchanged(&done, &server.logs(&waiting).await);
    assert_eq!(
        (upstream.created("first"), upstream.created("second")),
        (1, 1)
    );
}

async fn killed_while_a_write_is_under_way_a_person_is_asked(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let rule = json!({ "effect": "allow", "match": { "tools": ["ledger.items.*"] } });
    server.post("/policies", rule).await;
    upstream.hold_writes();
    let code = "try { return (await tools.ledger.items.createItem({ name: 'once', amount: 1 })).name; }\n\
                catch (e) { return e.code; }";
    for (again, expected, sent) in [
        (false, json!("outcome_unknown"), 1),
        (true, json!("once"), 3),
    ] {
        let before = upstream.received().len();
        let task = server.submit(code).await;
        upstream.arrived(before + 1).await;
        server.kill().await;
        server.launch().await;
        let asked = server.pending(1).await.remove(0);
        assert_eq!(asked["question"], "send_again", "{asked:#}");
        assert_eq!(
            upstream.received().len(),
            before + 1,
            "nothing is sent again unasked"
        );
        if again {
            upstream.release();
            server.approve(&asked).await;
        } else {
            server.deny(&asked, "I looked: it is there").await;
        }
        let done = server.finished(&task).await;
        assert_eq!(done["result"], expected, "{done:#}");
        assert_eq!(upstream.created("once"), sent);
    }
}

async fn a_command_that_waits_survives_a_restart(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let mut command = server.command();
    command.args(["run", "-e", TWO_WRITES]);
    let mut waiting = command.spawn().expect("the command starts");
    let stderr = waiting.stderr.take().expect("stderr is piped");
    let mut lines = BufReader::new(stderr).lines();
    let asked = server.pending(2).await;
    // The first link is shown; the command may be anywhere in showing the second.
    let url = asked[0]["url"].as_str().expect("a link");
    let mut told = String::new();
    while !told.contains(url) {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = line
            .expect("the link is shown in time")
            .expect("stderr reads");
        told.push_str(&line.expect("the command waits"));
    }
    server.kill().await;
    server.launch().await;
    for approval in &asked {
        server.approve(approval).await;
    }
    while let Some(line) = lines.next_line().await.expect("stderr reads") {
        told.push_str(&line);
    }
    let ended = waiting
        .wait_with_output()
        .await
        .expect("it can be waited for");
    assert_eq!(ended.status.code(), Some(0), "{told} {ended:?}");
    let result: Value = serde_json::from_slice(&ended.stdout).expect("stdout is the result");
    assert_eq!(result["names"], json!(["first", "second"]), "{result:#}");
    assert_eq!(
        told.matches("\"random\":").count(),
        1,
        "a line is shown once: {told}"
    );
    assert_eq!(
        (upstream.created("first"), upstream.created("second")),
        (1, 1)
    );
}

async fn no_worker_outlives_its_server(database: Database) {
    let mut server = Server::start(database).await;
    server.value("return 1").await;
    let workers = children(server.pid());
    assert!(
        !workers.is_empty(),
        "programs run in processes of their own"
    );
    server.kill().await;
    let deadline = Instant::now() + PATIENCE;
    while workers.iter().any(|pid| is_alive(*pid)) {
        assert!(
            Instant::now() < deadline,
            "workers outlive their server: {workers:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// The processes that a process has started.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc reads");
    let pids = processes.filter_map(|p| p.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, p)| p == parent))
        .collect()
}
