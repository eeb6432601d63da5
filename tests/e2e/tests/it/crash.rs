//! Kill the process at any instant: no task, approval or answer is lost, and nothing is sent twice.
//!
//! The counting upstream judges. Which instants are tried is drawn from a seed that is printed.

use crate::database::Database;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both_databases!(
    killed_between_two_answers,
    killed_before_any_answer,
    killed_at_random_instants_nothing_is_sent_twice,
    killed_while_people_answer,
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

/// How often the server is killed while a task runs.
const KILLS: u32 = 20;

/// Writes one after the other and in pairs; what became of each is in the result.
const MANY_WRITES: &str = r#"
const outcomes: Record<string, string> = {};
async function write(name: string) {
  try { outcomes[name] = (await tools.ledger.items.createItem({ name, amount: 1 })).name; }
  catch (e) { outcomes[name] = e.code; }
}
for (let i = 0; i < 40; i++) {
  if (i % 4 === 0) await Promise.all([write(`${i}a`), write(`${i}b`)]);
  else await write(`${i}`);
  await tools.ledger.items.listItems();
  if (Math.random() < 0.2) console.log(i, Date.now());
}
return outcomes;
"#;

async fn killed_at_random_instants_nothing_is_sent_twice(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let rule = json!({ "effect": "allow", "match": { "tools": ["ledger.items.createItem"] } });
    server.post("/policies", rule).await;
    let mut random = Random::seeded();
    let task = server.submit(MANY_WRITES).await;
    let mut kills = 0;
    while kills < KILLS {
        let target = upstream.received().len() + random.below(4);
        let finished =
            fail_unknown_until(&server, &task, || upstream.received().len() >= target).await;
        if finished {
            break;
        }
        tokio::time::sleep(Duration::from_micros(random.below(8_000) as u64)).await;
        server.kill().await;
        server.launch().await;
        kills += 1;
    }
    fail_unknown_until(&server, &task, || false).await;
    let done = server.finished(&task).await;
    assert_eq!(done["status"], "completed", "after {kills} kills: {done:#}");
    let outcomes = done["result"].as_object().expect("the outcomes");
    assert_eq!(outcomes.len(), 50, "{done:#}");
    let mut unknown = 0;
    for (name, outcome) in outcomes {
        let sent = upstream.created(name);
        if outcome == "outcome_unknown" {
            unknown += 1;
            assert!(sent <= 1, "{name} was sent {sent} times");
        } else {
            assert_eq!(outcome, name, "{done:#}");
            assert_eq!(sent, 1, "{name} succeeded and was sent {sent} times");
        }
    }
    eprintln!("{kills} kills, {unknown} of 50 writes with an unknown outcome");
    assert!(
        kills >= KILLS / 4,
        "the task ended before it was tried: {kills}"
    );
}

/// Answers every question about a call of unknown outcome with no, until the task has ended (true)
/// or `reached` holds (false).
async fn fail_unknown_until(server: &Server, task: &str, reached: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = server.task(task).await;
        if state.get("finishedAt").is_some_and(|t| !t.is_null()) {
            return true;
        }
        for approval in state["approvals"].as_array().into_iter().flatten() {
            if approval["status"] == "pending" {
                assert_eq!(approval["question"], "send_again", "{approval:#}");
                server.deny(approval, "not twice").await;
            }
        }
        if reached() {
            return false;
        }
        assert!(Instant::now() < deadline, "{state:#}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Xorshift: enough to pick instants, and a seed repeats them.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("the system has randomness");
        let random = Self(u64::from_le_bytes(seed) | 1);
        eprintln!("seed {:#x}", random.0);
        random
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }
}

const APPROVED_WRITES: &str = r#"
const outcomes: string[] = [];
for (let i = 0; i < 12; i++) {
  try { outcomes.push((await tools.ledger.items.createItem({ name: `${i}`, amount: i })).name); }
  catch (e) { outcomes.push(e.code); }
}
return outcomes;
"#;

/// Kills just after, or together with, a person's answer: the answer that was acknowledged stands,
/// and what it allows is sent once.
async fn killed_while_people_answer(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let mut random = Random::seeded();
    let task = server.submit(APPROVED_WRITES).await;
    let mut kills = 0;
    let deadline = Instant::now() + 2 * PATIENCE;
    let done = loop {
        assert!(Instant::now() < deadline, "{}", server.log());
        let state = server.task(&task).await;
        if state.get("finishedAt").is_some_and(|t| !t.is_null()) {
            break state;
        }
        let approvals = state["approvals"].as_array().expect("a list");
        let Some(asked) = approvals.iter().find(|a| a["status"] == "pending") else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        if asked["question"] == "send_again" {
            server.deny(asked, "not twice").await;
            continue;
        }
        server.approve(asked).await;
        if kills < KILLS && random.below(3) > 0 {
            tokio::time::sleep(Duration::from_micros(random.below(6_000) as u64)).await;
            server.kill().await;
            server.launch().await;
            kills += 1;
            let id = asked["id"].as_str().expect("an id");
            let kept = server.get(&format!("/approvals/{id}")).await;
            assert_eq!(
                kept["status"], "approved",
                "an acknowledged answer is never lost"
            );
        }
    };
    assert_eq!(done["status"], "completed", "{done:#}");
    for (name, outcome) in done["result"]
        .as_array()
        .expect("outcomes")
        .iter()
        .enumerate()
    {
        let (name, sent) = (name.to_string(), upstream.created(&name.to_string()));
        if outcome == "outcome_unknown" {
            assert!(sent <= 1, "{name} was sent {sent} times");
        } else {
            assert_eq!((outcome, sent), (&json!(name), 1), "{done:#}");
        }
    }
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
    let waiting = command.spawn().expect("the command starts");
    let asked = server.pending(2).await;
    server.kill().await;
    server.launch().await;
    for approval in &asked {
        server.approve(approval).await;
    }
    let ended = tokio::time::timeout(PATIENCE, waiting.wait_with_output()).await;
    let ended = ended.expect("it ends").expect("it can be waited for");
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let result: Value = serde_json::from_slice(&ended.stdout).expect("stdout is the result");
    assert_eq!(result["names"], json!(["first", "second"]), "{result:#}");
    let told = String::from_utf8_lossy(&ended.stderr);
    let url = asked[0]["url"].as_str().expect("a link");
    assert!(
        told.contains(url),
        "the pending approval was shown with its link: {told}"
    );
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
