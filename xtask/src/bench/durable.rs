//! `cargo xtask bench durable`: many tasks that wait for a person, made through the API as fast as
//! the server takes them, then what they cost: memory with them and after a restart, bytes of
//! database by table, the list of pending approvals; and how soon a task goes on after its answer.
//!
//! A waiting task here has made two reads and one call that asks. Each has left its sandbox before
//! anything is measured. How a table's size is found is in the store's example `tables`.

use super::http::Connection;
use super::measure::{memory, milliseconds, quantile, side_by_side};
use super::process::{Database, Home, Program, Server};
use super::{Budget, Figure, Options, machine, postgres, report, upstream};
use crate::project;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

const CLIENTS: usize = 32;
const LISTS: usize = 200;
/// After so long nothing is left to do for tasks that wait.
const AT_REST: Duration = Duration::from_secs(45);
/// What a server with tasks that wait may hold, in megabytes.
const MEMORY_MAX: Budget = Budget::AtMost(120.0);
/// Tasks whose going on is timed, for each number of recorded calls.
const ANSWERS: usize = 25;
/// The tables that are a history of what happened rather than what a waiting task needs.
const HISTORY: [&str; 2] = ["audit", "events"];

/// Measures on each database; how many budgets are missed.
pub(super) fn run(options: &Options, program: &Program) -> Result<usize> {
    machine();
    if !options.no_build {
        let example = [
            "build",
            "--package",
            "executor-store",
            "--example",
            "tables",
        ];
        project::run(project::cargo().args(example))?;
    }
    let mut missed = report(
        "SQLite",
        &all(options, program, &Database::Sqlite).context("on SQLite")?,
    );
    if options.postgres {
        let database = Database::Postgres(postgres::Cluster::start()?);
        missed += report(
            "PostgreSQL, own cluster, fsync on",
            &all(options, program, &database).context("on PostgreSQL")?,
        );
    }
    Ok(missed)
}

fn all(options: &Options, program: &Program, database: &Database) -> Result<Vec<Figure>> {
    let home = Home::new(database)?;
    let (writes, arrived) = channel();
    let upstream = upstream::start_noting(writes)?;
    let server = Server::start(program, &home)?;
    connect(server.address, upstream)?;
    let empty = look(&home, None)?;
    let mut figures = vec![make(server.address, &home, options.tasks)?];
    let full = look(&home, None)?;
    figures.extend(sizes(&empty, &full, options.tasks));
    figures.push(memory("memory at once (PSS)", Budget::None, &server)?);
    figures.extend(lists(server.address)?);
    // Workers that nobody needs are let go of by then.
    thread::sleep(AT_REST);
    figures.push(memory("memory at rest (PSS)", MEMORY_MAX, &server)?);
    drop(server);
    let server = Server::start(program, &home)?;
    // Long enough for everything a start leaves to do in the background.
    thread::sleep(Duration::from_secs(5));
    figures.push(memory("memory after a restart (PSS)", MEMORY_MAX, &server)?);
    for (name, calls, kept, budget) in [
        ("goes on, 10 calls", 10, true, Budget::AtMost(20.0)),
        ("goes on, 100 calls", 100, true, Budget::None),
        ("goes on, 1,000 calls", 999, true, Budget::AtMost(150.0)),
        ("goes on by replay, 10 calls", 10, false, Budget::None),
        ("goes on by replay, 100 calls", 100, false, Budget::None),
        ("goes on by replay, 1,000 calls", 999, false, Budget::None),
    ] {
        let answered = Answered {
            calls,
            kept,
            home: &home,
            arrived: &arrived,
        };
        figures.push(answered.figure(name, budget, server.address)?);
    }
    Ok(figures)
}

/// Adds the API, and a rule that lets its questions wait for longer than all this takes.
fn connect(server: SocketAddr, upstream: SocketAddr) -> Result<()> {
    let mut api = Connection::open(server)?;
    let source = json!({
        "url": format!("http://{upstream}/openapi.json"), "name": "bench", "allowPrivate": true,
    });
    post(&mut api, "sources", &source)?;
    let rule = json!({
        "effect": "ask", "match": { "tools": ["bench.make"] }, "ask": { "waitMs": 86_400_000_u64 },
    });
    post(&mut api, "policies", &rule)?;
    Ok(())
}

fn post(api: &mut Connection, path: &str, body: &Value) -> Result<Value> {
    api.ask(&format!("POST /api/v1/{path}"), body)
}

fn get(api: &mut Connection, path: &str) -> Result<Value> {
    api.ask(&format!("GET /api/v1/{path}"), &Value::Null)
}

/// A program that reads so many times and then asks.
fn program(reads: usize, name: &str) -> String {
    format!(
        "const seen = [];\n\
         for (let i = 0; i < {reads}; i++) seen.push(await tools.bench.ping());\n\
         const made = await tools.bench.make({{ name: '{name}', amount: seen.length, \
         note: 'an order that a person has to look at before it is placed' }});\n\
         return {{ made, seen: seen.length }};"
    )
}

/// Makes the waiting tasks, and waits until every one has left its sandbox.
fn make(server: SocketAddr, home: &Home, tasks: usize) -> Result<Figure> {
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    side_by_side(CLIENTS, || {
        let mut api = Connection::open(server)?;
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= tasks {
                return Ok(());
            }
            let code = program(2, &format!("order {n}"));
            post(&mut api, "tasks", &json!({ "code": code }))?;
        }
    })?;
    wait_suspended(home, tasks)?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Figure {
        name: "tasks brought to wait",
        value: tasks as f64 / seconds,
        unit: "/s",
        budget: Budget::None,
        note: format!(
            "{tasks} in {seconds:.0} s, three calls each, until all had left their sandboxes"
        ),
    })
}

fn wait_suspended(home: &Home, tasks: usize) -> Result<()> {
    let (mut before, mut since) = (0, Instant::now());
    loop {
        let suspended = look(home, None)?.suspended;
        if suspended >= tasks {
            return Ok(());
        }
        if suspended > before {
            (before, since) = (suspended, Instant::now());
        } else if since.elapsed() > Duration::from_secs(120) {
            bail!("{suspended} of {tasks} tasks are suspended, and no more come");
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// What the database holds.
#[derive(Deserialize)]
struct Look {
    tables: BTreeMap<String, u64>,
    suspended: usize,
    kept: usize,
}

fn look(home: &Home, word: Option<&str>) -> Result<Look> {
    let path = project::root().join("target/debug/examples/tables");
    let mut command = std::process::Command::new(path);
    command.arg(home.database()).args(word);
    Ok(serde_json::from_str(&project::output(&mut command)?)?)
}

/// Bytes of database for each task, the history apart.
fn sizes(empty: &Look, full: &Look, tasks: usize) -> Vec<Figure> {
    let each: Vec<(&str, f64)> = full
        .tables
        .iter()
        .map(|(table, bytes)| {
            let before = empty.tables.get(table).copied().unwrap_or(0);
            let grown = bytes.saturating_sub(before) as f64 / tasks as f64;
            (table.as_str(), grown)
        })
        .filter(|(_, bytes)| *bytes >= 1.0)
        .collect();
    let figure = |name, budget, of_history: bool| {
        let parts = each
            .iter()
            .filter(|(table, _)| HISTORY.contains(table) == of_history);
        let note: Vec<String> = parts
            .clone()
            .map(|(table, bytes)| format!("{table} {bytes:.0}"))
            .collect();
        Figure {
            name,
            value: parts.map(|(_, bytes)| bytes).sum::<f64>() / 1_024.0,
            unit: "KB",
            budget,
            note: format!("bytes by table with indexes: {}", note.join(", ")),
        }
    };
    vec![
        figure("database of a waiting task", Budget::AtMost(4.0), false),
        figure("its log: audit and events", Budget::None, true),
    ]
}

fn lists(server: SocketAddr) -> Result<Vec<Figure>> {
    let mut api = Connection::open(server)?;
    let mut timed = |path: &str| -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(LISTS);
        for _ in 0..LISTS {
            let begun = Instant::now();
            let page = get(&mut api, path)?;
            times.push(milliseconds(begun.elapsed()));
            if page["items"].as_array().map_or(0, Vec::len) != 50 {
                bail!("{path} gave {page}");
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(times)
    };
    let figure = |name, times: &[f64], budget| Figure {
        name,
        value: quantile(times, 0.5),
        unit: "ms",
        budget,
        note: format!(
            "p50 of {LISTS}, 50 objects each; p99 {:.1}",
            quantile(times, 0.99)
        ),
    };
    let pending = timed("approvals?status=pending")?;
    let waiting = timed("tasks?status=waiting")?;
    Ok(vec![
        figure("list of pending approvals", &pending, Budget::AtMost(20.0)),
        figure("list of waiting tasks", &waiting, Budget::None),
    ])
}

/// Tasks that are answered one after another.
struct Answered<'a> {
    calls: usize,
    /// Whether a program that was kept as it rests may be gone on from.
    kept: bool,
    home: &'a Home,
    arrived: &'a Receiver<Instant>,
}

impl Answered<'_> {
    /// From the answer to the arrival upstream of the call that it was about.
    fn figure(&self, name: &'static str, budget: Budget, server: SocketAddr) -> Result<Figure> {
        let mut api = Connection::open(server)?;
        let waiting = look(self.home, None)?.suspended;
        let mut tasks = Vec::new();
        for n in 0..ANSWERS {
            let code = program(self.calls, &format!("answered {n}"));
            let task = post(
                &mut api,
                "tasks",
                &json!({ "code": code, "waitMs": 60_000 }),
            )?;
            let approval = task["approvals"][0]["id"].as_str();
            let approval = approval.with_context(|| format!("it did not ask: {task}"))?;
            let id = task["id"].as_str().context("a task without an id")?;
            tasks.push((id.to_owned(), approval.to_owned()));
        }
        wait_suspended(self.home, waiting + ANSWERS)?;
        let word = (!self.kept).then_some("forget");
        let kept = look(self.home, word)?.kept;
        while self.arrived.try_recv().is_ok() {}
        let (mut resumed, mut ended) = (Vec::new(), Vec::new());
        for (task, approval) in tasks {
            let begun = Instant::now();
            post(
                &mut api,
                &format!("approvals/{approval}/approve"),
                &json!({}),
            )?;
            let arrived = self.arrived.recv_timeout(Duration::from_secs(30));
            let arrived = arrived.with_context(|| format!("{task} did not go on"))?;
            resumed.push(milliseconds(arrived.duration_since(begun)));
            while get(&mut api, &format!("tasks/{task}"))?["status"] != "completed" {
                if begun.elapsed() > Duration::from_secs(30) {
                    bail!("{task} did not complete");
                }
            }
            ended.push(milliseconds(begun.elapsed()));
        }
        resumed.sort_by(f64::total_cmp);
        ended.sort_by(f64::total_cmp);
        Ok(Figure {
            name,
            value: quantile(&resumed, 0.5),
            unit: "ms",
            budget,
            note: format!(
                "p50 of {ANSWERS}, from the answer to its call upstream; p95 {:.0}, task ended {:.0}; \
                 {kept} programs kept",
                quantile(&resumed, 0.95),
                quantile(&ended, 0.5)
            ),
        })
    }
}
