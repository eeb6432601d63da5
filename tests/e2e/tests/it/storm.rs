//! SIGKILL at random instants, again and again, while several tasks run, wait and are answered: no
//! task, answer or call is lost, doubled or sent elsewhere. The counting upstream judges.
//!
//! Also a kill at each named write point, from inside a development build (`EXECUTOR_FAULT`).
//! `cargo xtask kills --count N --database sqlite|postgres [--seed N]` asks for more than CI does.

use crate::database::Database;
use crate::kills::Random;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

on_both_databases!(
    a_storm_loses_and_doubles_nothing,
    killed_at_each_named_point
);

/// Kills in CI, on each database.
const KILLS: usize = 200;
/// Tasks that are under way at any time.
const TASKS: usize = 3;

/// Writes that are allowed and writes that somebody is asked about, alone and in pairs, with reads
/// in between; what became of each is in the result.
const PROGRAM: &str = r#"
const outcomes: Record<string, string> = {};
async function write(name: string, amount: number) {
  try { outcomes[name] = (await tools.ledger.items.createItem({ name, amount })).name; }
  catch (e) { outcomes[name] = e.code; }
}
for (let i = 0; i < 6; i++) {
  const asked = Math.random() < 0.4 ? 500 : 1;
  if (i % 3 === 0) await Promise.all([write(`NAME-${i}a`, asked), write(`NAME-${i}b`, 1)]);
  else await write(`NAME-${i}`, asked);
  await tools.ledger.items.listItems();
  if (Math.random() < 0.3) console.log(i, Date.now());
}
return outcomes;
"#;
/// Writes of one task.
const WRITES: usize = 8;

/// What a person said and was told to be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Approve,
    Deny,
}

impl Said {
    fn path(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }

    fn status(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Deny => "denied",
        }
    }
}

struct Storm {
    server: Server,
    upstream: Upstream,
    random: Random,
    /// Each task under way, and the name its writes begin with.
    tasks: Vec<(String, String)>,
    begun: usize,
    judged: usize,
    unknown: usize,
    /// Answers that were taken: the approval's identifier, and what was said.
    taken: BTreeMap<String, Said>,
    kills: usize,
}

async fn a_storm_loses_and_doubles_nothing(database: Database) {
    let random = match number("EXECUTOR_KILLS_SEED") {
        Some(seed) => Random::from_seed(seed),
        None => Random::seeded(),
    };
    let kills = number("EXECUTOR_KILLS").map_or(KILLS, |n| usize::try_from(n).expect("a count"));
    let mut storm = Storm::begin(database, random).await;
    while storm.kills < kills {
        storm.fill().await;
        storm.until_some_progress().await;
        storm.kill_and_launch().await;
        if storm.kills.is_multiple_of(500) {
            eprintln!("{} kills, {} tasks judged", storm.kills, storm.judged);
        }
    }
    storm.calm().await;
    eprintln!(
        "{} kills, {} tasks, {} answers, {} writes with an unknown outcome",
        storm.kills,
        storm.judged,
        storm.taken.len(),
        storm.unknown
    );
    assert!(storm.judged >= kills / 20, "the tasks did not get on");
}

/// A number that `cargo xtask` asks for by a variable.
pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
    )
}

impl Storm {
    async fn begin(database: Database, random: Random) -> Self {
        let (server, upstream) = Upstream::connected(database).await;
        let rule = json!({
            "effect": "allow",
            "match": {
                "tools": ["ledger.items.createItem"],
                "conditions": ["amount < 100"],
            },
        });
        server.post("/policies", rule).await;
        Self {
            server,
            upstream,
            random,
            tasks: Vec::new(),
            begun: 0,
            judged: 0,
            unknown: 0,
            taken: BTreeMap::new(),
            kills: 0,
        }
    }

    /// Begins tasks in the place of those that have ended.
    async fn fill(&mut self) {
        while self.tasks.len() < TASKS {
            self.begun += 1;
            let name = format!("n{}", self.begun);
            let task = self.server.submit(&PROGRAM.replace("NAME", &name)).await;
            self.tasks.push((task, name));
        }
    }

    /// Answers people's questions until the upstream has heard something new or an answer was taken.
    async fn until_some_progress(&mut self) {
        let target = self.upstream.received().len() + self.random.below(4);
        let answers = self.taken.len() + 1 + self.random.below(3);
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.answer_some().await;
            self.judge_ended().await;
            let moved = self.upstream.received().len() >= target || self.taken.len() >= answers;
            if moved || self.tasks.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "nothing moves:\n{}",
                self.server.log()
            );
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Answers what is pending, some of it twice; leaves some for after the next kill.
    async fn answer_some(&mut self) {
        let page = self.server.get("/approvals?status=pending").await;
        for approval in crate::api::items(&page) {
            if self.random.below(3) == 0 {
                continue;
            }
            let said = match self.random.below(4) {
                0 => Said::Deny,
                _ if approval["question"] == "send_again" => Said::Deny,
                _ => Said::Approve,
            };
            self.answer(&approval, said).await;
            if self.random.below(4) == 0 {
                self.answer(&approval, Said::Approve).await;
            }
        }
    }

    async fn answer(&mut self, approval: &Value, said: Said) {
        let id = approval["id"].as_str().expect("an id").to_owned();
        let path = format!("/approvals/{id}/{}", said.path());
        let reply = self.server.send("POST", &path, Some(&json!({}))).await;
        match reply.status {
            200 => {
                let before = self.taken.insert(id.clone(), said);
                assert_eq!(before, None, "two answers to {id} were taken: {reply:#?}");
            }
            409 => {}
            _ => panic!("{path}: {reply:#?}\n{}", self.server.log()),
        }
    }

    async fn kill_and_launch(&mut self) {
        let pause = u64::try_from(self.random.below(9_000)).expect("it fits");
        tokio::time::sleep(Duration::from_micros(pause)).await;
        self.server.kill().await;
        self.server.launch().await;
        self.kills += 1;
    }

    /// Judges the tasks that have ended.
    async fn judge_ended(&mut self) {
        for (task, name) in self.tasks.clone() {
            let state = self.server.task(&task).await;
            if state["finishedAt"].is_null() {
                continue;
            }
            self.judge(&state, &name);
            self.tasks.retain(|(other, _)| *other != task);
            self.judged += 1;
        }
    }

    fn judge(&mut self, state: &Value, name: &str) {
        assert_eq!(
            state["status"],
            "completed",
            "{state:#}\n{}",
            self.server.log()
        );
        let outcomes = state["result"].as_object().expect("the outcomes");
        assert_eq!(outcomes.len(), WRITES, "{state:#}");
        for approval in state["approvals"].as_array().into_iter().flatten() {
            let id = approval["id"].as_str().expect("an id");
            if let Some(said) = self.taken.get(id) {
                assert_eq!(
                    approval["status"],
                    said.status(),
                    "an answer is lost: {approval:#}"
                );
            }
        }
        for (write, outcome) in outcomes {
            assert!(
                write.starts_with(&format!("{name}-")),
                "{write} is of another task"
            );
            let sent = self.upstream.created(write);
            match outcome.as_str() {
                Some("outcome_unknown") => {
                    self.unknown += 1;
                    assert!(sent <= 1, "{write} was sent {sent} times: {state:#}");
                }
                Some("approval_denied") => assert_eq!(sent, 0, "{write} was denied: {state:#}"),
                Some(_) | None => {
                    assert_eq!(outcome, write, "{state:#}");
                    assert_eq!(sent, 1, "{write} was sent {sent} times: {state:#}");
                }
            }
        }
    }

    /// No kill any more: everything comes to its end.
    async fn calm(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.tasks.is_empty() {
            self.answer_some().await;
            self.judge_ended().await;
            assert!(
                Instant::now() < deadline,
                "{:?}\n{}",
                self.tasks,
                self.server.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The points of `store::points` that the program below passes.
const POINTS: [&str; 7] = [
    "task.submitted",
    "call.recorded",
    "approval.asked",
    "approval.answered",
    "call.sent",
    "outcome.recorded",
    "task.finished",
];

const ONE_ASKED: &str = r#"
await new Promise((resolve) => setTimeout(resolve, 30));
try { return (await tools.ledger.items.createItem({ name: "NAME", amount: 500 })).name; }
catch (e) { return e.code; }
"#;

/// The process ends just before, and just after, each commit that holds a point; what the next one
/// finds is enough.
async fn killed_at_each_named_point(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    for point in POINTS {
        for moment in ["before", "after"] {
            let name = format!("{point}-{moment}");
            server.kill().await;
            let fault = ("EXECUTOR_FAULT".to_owned(), format!("{point}:{moment}:1"));
            server.environment.push(fault);
            server.launch().await;
            let struck = submit_and_approve(&server, &name).await;
            server.environment.clear();
            server.died().await;
            server.launch().await;
            let task = match struck {
                Some(task) => task,
                // Not acknowledged: tried again with the same key, it is one task all the same.
                None => submit(&server, &name).await.expect("no fault is armed now"),
            };
            let result = answer_to_the_end(&server, &task).await;
            let sent = upstream.created(&name);
            let allowed = match result.as_str() {
                Some("outcome_unknown") => point == "call.sent" || point == "outcome.recorded",
                Some(text) => text == name,
                None => false,
            };
            assert!(allowed, "{point} {moment}: {result}");
            assert!(sent <= 1, "{point} {moment}: {name} was sent {sent} times");
            assert!(
                sent == 1 || result == "outcome_unknown",
                "{point} {moment}: {name} is lost"
            );
        }
    }
}

/// The request body of a submission, always the same for a name.
async fn submit(server: &Server, name: &str) -> Option<String> {
    let request = server
        .http
        .post(format!("{}/api/v1/tasks", server.url()))
        .header("idempotency-key", name)
        .json(&json!({ "code": ONE_ASKED.replace("NAME", name) }));
    let task: Value = request.send().await.ok()?.json().await.ok()?;
    task["id"].as_str().map(str::to_owned)
}

/// Goes on until the server is gone. Yields the task, if it was told of one.
async fn submit_and_approve(server: &Server, name: &str) -> Option<String> {
    let task = submit(server, name).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(
            Instant::now() < deadline,
            "the fault never struck:\n{}",
            server.log()
        );
        let list = format!("{}/api/v1/approvals?status=pending", server.url());
        let Ok(reply) = server.http.get(list).send().await else {
            return Some(task);
        };
        let page: Value = reply.json().await.unwrap_or_default();
        for approval in page["items"].as_array().into_iter().flatten() {
            let id = approval["id"].as_str().expect("an id");
            let approve = format!("{}/api/v1/approvals/{id}/approve", server.url());
            // The fault may strike here, before the answer to the answer.
            let _gone = server.http.post(approve).json(&json!({})).send().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn answer_to_the_end(server: &Server, task: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = server.task(task).await;
        if !state["finishedAt"].is_null() {
            assert_eq!(state["status"], "completed", "{state:#}\n{}", server.log());
            return state["result"].clone();
        }
        for approval in state["approvals"].as_array().into_iter().flatten() {
            if approval["status"] != "pending" {
                continue;
            }
            if approval["question"] == "send_again" {
                server.deny(approval, "not twice").await;
            } else {
                server.approve(approval).await;
            }
        }
        assert!(Instant::now() < deadline, "{state:#}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
