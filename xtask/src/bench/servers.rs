//! Two servers on one PostgreSQL beside one, where neither processors nor database are the limit:
//! every task waits for an API that takes its time, and how much one server runs at once is the limit.
//!
//! All tasks are submitted to the first server; the second has what it claims from the queue.

use super::http::Connection;
use super::measure::side_by_side;
use super::process::{Database, Home, Program, Server};
use super::{Budget, Figure, postgres, upstream};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// How long the API takes for each call.
const LATENCY: Duration = Duration::from_secs(3);
/// Eight times what one server runs at once.
const TASKS: usize = 2_048;
const CLIENTS: usize = 8;
const PROGRAM: &str = "return await tools.bench.ping()";

/// The rates of one server and of two, and what the second adds.
pub(super) fn measure(program: &Program) -> Result<Vec<Figure>> {
    let database = Database::Postgres(postgres::Cluster::start()?);
    let one = rate(program, &database, 1)?;
    let two = rate(program, &database, 2)?;
    let note = format!(
        "{TASKS} tasks of one call that takes {} s, submitted to the first",
        LATENCY.as_secs()
    );
    let figure = |name, value, unit, budget, note: &str| Figure {
        name,
        value,
        unit,
        budget,
        note: note.to_owned(),
    };
    Ok(vec![
        figure("one server", one, "tasks/s", Budget::None, &note),
        figure("two servers", two, "tasks/s", Budget::None, ""),
        figure(
            "two beside one",
            two / one,
            "times",
            Budget::AtLeast(1.7),
            "",
        ),
    ])
}

/// Tasks that so many servers finish in a second, from the first submission to the last end.
fn rate(program: &Program, database: &Database, servers: usize) -> Result<f64> {
    let home = Home::new(database)?;
    let first = Server::start(program, &home)?;
    let mut others = Vec::new();
    for _ in 1..servers {
        let home = home.beside()?;
        others.push((Server::start(program, &home)?, home));
    }
    let address = upstream::start_slow(LATENCY)?;
    let source = json!({
        "url": format!("http://{address}/openapi.json"), "name": "bench", "allowPrivate": true,
    });
    let mut api = Connection::open(first.address)?;
    api.ask("POST /api/v1/sources", &source)?;
    let started = Instant::now();
    side_by_side(CLIENTS, || submit(&first, TASKS / CLIENTS))?;
    for status in ["queued", "running"] {
        let left = format!("GET /api/v1/tasks?limit=1&status={status}");
        while !is_empty(&api.ask(&left, &Value::Null)?) {
            thread::sleep(Duration::from_millis(20));
        }
    }
    let taken = started.elapsed();
    let failed = api.ask("GET /api/v1/tasks?limit=1&status=failed", &Value::Null)?;
    if !is_empty(&failed) {
        bail!("a task failed: {failed}");
    }
    Ok(TASKS as f64 / taken.as_secs_f64())
}

fn submit(server: &Server, count: usize) -> Result<()> {
    let mut api = Connection::open(server.address)?;
    for _ in 0..count {
        api.ask("POST /api/v1/tasks", &json!({ "code": PROGRAM }))?;
    }
    Ok(())
}

fn is_empty(page: &Value) -> bool {
    page["items"].as_array().is_none_or(Vec::is_empty)
}
