//! Kills at random instants: while a task runs, and while people answer. Whatever the instant, no
//! answer is lost and nothing is sent twice.
//!
//! The counting upstream judges. The instants are drawn from a seed that is printed.

use crate::database::Database;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::json;
use std::time::{Duration, Instant};

on_both_databases!(killed_while_a_task_runs, killed_while_people_answer);

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

async fn killed_while_a_task_runs(database: Database) {
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
    let unknown = upstream.judge(&done, 50);
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
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded() -> Self {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("the system has randomness");
        Self::from_seed(u64::from_le_bytes(seed))
    }

    pub(crate) fn from_seed(seed: u64) -> Self {
        let random = Self(seed | 1);
        eprintln!("seed {}", random.0);
        random
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
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
