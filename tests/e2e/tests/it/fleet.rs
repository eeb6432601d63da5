//! Several servers on one PostgreSQL: each with a directory of its own, all with one master key.

use crate::database::Database;
use crate::kills::Random;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Short enough to wait for, long enough for a busy machine to renew in.
const LEASE_MS: u64 = 3_000;

/// Servers that share a database, and the upstream that they are connected to.
pub(crate) struct Fleet {
    pub(crate) servers: Vec<Server>,
    pub(crate) upstream: Upstream,
    pub(crate) database: String,
}

impl Fleet {
    /// Starts servers one after the other.
    pub(crate) async fn start(count: usize, settings: &[(&str, &str)]) -> Self {
        let database = testkit::postgres::new_database();
        let upstream = Upstream::start().await;
        let mut fleet = Self {
            servers: Vec::new(),
            upstream,
            database,
        };
        for _ in 0..count {
            fleet.join(settings).await;
        }
        if let Some(first) = fleet.servers.first() {
            fleet.upstream.connect(first).await;
        }
        fleet
    }

    /// Starts one more.
    pub(crate) async fn join(&mut self, settings: &[(&str, &str)]) {
        let mut server = self.prepare(settings);
        server.launch().await;
        self.servers.push(server);
    }

    /// One more that does not run yet.
    pub(crate) fn prepare(&self, settings: &[(&str, &str)]) -> Server {
        let mut server = Server::prepare(Database {
            url: Some(self.database.clone()),
        });
        let lease = LEASE_MS.to_string();
        let common = [
            (
                "EXECUTOR_MASTER_KEY",
                "c2V2ZXJhbCBzZXJ2ZXJzIHNoYXJlIG9uZSBrZXkuLi4=",
            ),
            ("EXECUTOR_LEASE_MS", lease.as_str()),
            ("EXECUTOR_EXAMPLE", "false"),
            ("EXECUTOR_SANDBOX_WORKERS", "1"),
        ];
        let all = common.iter().chain(settings);
        server.environment = all.map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        server
    }

    /// Lets `ledger.items.createItem` through without a question.
    pub(crate) async fn allow_writes(&self) {
        let rule = json!({ "effect": "allow", "match": { "tools": ["ledger.items.createItem"] } });
        self.servers[0].post("/policies", rule).await;
    }

    /// Runs SQL behind the servers' backs; gives back the first column of what it yields, as text.
    pub(crate) async fn sql(&self, sql: &str) -> Vec<String> {
        let (url, sql) = (self.database.clone(), sql.to_owned());
        // The driver may not be used on a thread that runs async code.
        let asked = tokio::task::spawn_blocking(move || {
            let mut client =
                postgres::Client::connect(&url, postgres::NoTls).expect("the database answers");
            let rows = client.query(&sql, &[]).expect("the statement is right");
            rows.iter().map(|row| row.get(0)).collect()
        });
        asked.await.expect("the statement runs")
    }

    /// Waits until a task is no longer with this server.
    pub(crate) async fn taken_over(&self, task: &str, from: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.runs_at(task).await.is_some_and(|owner| owner == from) {
            assert!(Instant::now() < deadline, "{task} stays with {from}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The server that runs a task.
    pub(crate) async fn owner(&self, task: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(owner) = self.runs_at(task).await {
                return owner;
            }
            assert!(Instant::now() < deadline, "nobody runs {task}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The server that runs a task at this moment, if any does.
    pub(crate) async fn runs_at(&self, task: &str) -> Option<String> {
        let sql = format!("select owner from tasks where id = '{task}' and owner is not null");
        self.sql(&sql).await.pop()
    }

    /// Waits until the lease of a task was renewed so many times.
    pub(crate) async fn renewed(&self, task: &str, times: usize) {
        let mut seen = std::collections::BTreeSet::new();
        let deadline = Instant::now() + PATIENCE;
        while seen.len() <= times {
            seen.insert(self.sql_of_task(task, "lease_until").await);
            assert!(
                Instant::now() < deadline,
                "the lease is not renewed: {seen:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A column of a task, as text.
    pub(crate) async fn sql_of_task(&self, task: &str, column: &str) -> String {
        let sql = format!("select cast({column} as text) from tasks where id = '{task}'");
        self.sql(&sql).await.pop().expect("the task is there")
    }

    /// Answers every question about a call of unknown outcome with no, at the server that answers,
    /// until all tasks have ended; gives them back.
    pub(crate) async fn end_all(&self, at: &Server, tasks: &[String]) -> Vec<Value> {
        let deadline = Instant::now() + 2 * PATIENCE;
        let mut ended = Vec::new();
        for task in tasks {
            loop {
                let state = at.task(task).await;
                if state.get("finishedAt").is_some_and(|t| !t.is_null()) {
                    ended.push(state);
                    break;
                }
                for approval in state["approvals"].as_array().into_iter().flatten() {
                    if approval["status"] == "pending" {
                        assert_eq!(approval["question"], "send_again", "{approval:#}");
                        at.deny(approval, "not twice").await;
                    }
                }
                assert!(Instant::now() < deadline, "{state:#}\n{}", at.log());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        ended
    }

    /// The upstream's word on what a program of [`WRITES`] says became of its writes.
    pub(crate) fn judge(&self, done: &Value, writes: usize) -> usize {
        assert_eq!(done["status"], "completed", "{done:#}");
        self.upstream.judge(done, writes)
    }
}

/// A program of many writes, with a little time between them; its result is what became of each.
/// `NAME` sets its writes apart from those of others.
pub(crate) const WRITES: &str = r#"
const outcomes: Record<string, string> = {};
async function write(name: string) {
  try { outcomes[name] = (await tools.ledger.items.createItem({ name, amount: 1 })).name; }
  catch (e) { outcomes[name] = e.code; }
}
for (let i = 0; i < 16; i++) {
  if (i % 4 === 0) await Promise.all([write(`NAME-${i}a`), write(`NAME-${i}b`)]);
  else await write(`NAME-${i}`);
  await tools.ledger.items.listItems();
  await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 60));
  console.log(i, Date.now());
}
return outcomes;
"#;

/// How many writes [`WRITES`] makes.
pub(crate) const WRITES_MADE: usize = 20;

/// Sends a signal to a server's process.
pub(crate) async fn signal(server: &Server, name: &str) {
    // The shell's own: a bare machine has no program of that name.
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", server.pid())])
        .status()
        .await
        .expect("kill runs");
    assert!(sent.success(), "SIG{name} could not be sent");
}

/// A moment of up to a second.
pub(crate) async fn a_moment(random: &mut Random) {
    tokio::time::sleep(Duration::from_millis(random.below(1_000) as u64)).await;
}

/// Stands between a program and the system's clock: the time of day is off by `CLOCK_OFF_S` seconds.
const WRONG_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, at);
    const char *off = getenv("CLOCK_OFF_S");
    if (!done && off && id == CLOCK_REALTIME) at->tv_sec += atol(off);
    return done;
}
"#;

/// Settings under which a server's clock is wrong by so many seconds.
pub(crate) fn wrong_clock(folder: &std::path::Path, off_s: i64) -> [(String, String); 2] {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, WRONG_CLOCK).expect("the source is written");
    let compiled = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .output()
        .expect("a C compiler is needed for this test, as it is for linking; install cc");
    assert!(compiled.status.success(), "{compiled:?}");
    let library = library.to_str().expect("paths of tests are plain");
    [
        ("LD_PRELOAD".to_owned(), library.to_owned()),
        ("CLOCK_OFF_S".to_owned(), off_s.to_string()),
    ]
}
