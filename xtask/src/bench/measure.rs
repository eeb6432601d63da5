//! How each figure is taken. All go through the public doors: MCP, the API, the command line.

use super::http::Connection;
use super::mcp::Client;
use super::process::{Database, Home, Program, Server};
use super::{Budget, Figure, megabytes, upstream};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const STARTS: usize = 10;
const TRIVIAL: &str = "return 1 + 1";
const WARM_UP: usize = 300;
const ONE_AT_A_TIME: usize = 3_000;
const CONCURRENT: usize = 16;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);
const CALLS: usize = 500;
const DOCUMENTS: [&str; 3] = ["discord.json", "twilio_api_v2010.json", "openai.yaml"];

/// Every figure that depends on the database.
pub(crate) fn all(program: &Program, database: &Database) -> Result<Vec<Figure>> {
    let mut figures = starts(program, database)?;
    let home = Home::new(database)?;
    let server = Server::start(program, &home)?;
    figures.push(idle_memory(&server)?);
    figures.extend(one_at_a_time(&server)?);
    figures.push(concurrent(&server)?);
    figures.push(call_overhead(&server)?);
    for document in DOCUMENTS {
        figures.push(import(program, &server, document)?);
    }
    Ok(figures)
}

fn starts(program: &Program, database: &Database) -> Result<Vec<Figure>> {
    let mut first = Vec::new();
    let mut warm = Vec::new();
    for _ in 0..STARTS {
        let home = Home::new(database)?;
        first.push(milliseconds(Server::start(program, &home)?.ready_after));
        warm.push(milliseconds(Server::start(program, &home)?.ready_after));
    }
    let note = |times: &[f64]| {
        format!(
            "median of {STARTS}, {:.0} to {:.0}",
            quantile(times, 0.0),
            quantile(times, 1.0)
        )
    };
    let figure = |name, times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        let (value, note) = (quantile(times, 0.5), note(times));
        Figure {
            name,
            value,
            unit: "ms",
            budget: Budget::AtMost(150.0),
            note,
        }
    };
    Ok(vec![
        figure("ready, first start", &mut first),
        figure("ready, later start", &mut warm),
    ])
}

fn idle_memory(server: &Server) -> Result<Figure> {
    // Long enough for everything a start leaves to do in the background.
    thread::sleep(Duration::from_secs(2));
    let (rss, pss) = server.memory()?;
    let count = server.process_count();
    Ok(Figure {
        name: "idle memory with the pool (PSS)",
        value: megabytes(pss),
        unit: "MB",
        budget: Budget::AtMost(50.0),
        note: format!(
            "server and workers, {count} processes; their RSS adds to {:.1} MB",
            megabytes(rss)
        ),
    })
}

fn one_at_a_time(server: &Server) -> Result<Vec<Figure>> {
    let mut client = Client::connect(server.address)?;
    for _ in 0..WARM_UP {
        client.execute(TRIVIAL)?;
    }
    let mut times = Vec::with_capacity(ONE_AT_A_TIME);
    for _ in 0..ONE_AT_A_TIME {
        let started = Instant::now();
        let result = client.execute(TRIVIAL)?;
        times.push(milliseconds(started.elapsed()));
        if result != json!(2) {
            bail!("`{TRIVIAL}` gave {result}");
        }
    }
    times.sort_by(f64::total_cmp);
    let figure = |name, share, budget, note: &str| Figure {
        name,
        value: quantile(&times, share),
        unit: "ms",
        budget,
        note: note.into(),
    };
    let note = format!("`{TRIVIAL}` through MCP, {ONE_AT_A_TIME} in a row");
    Ok(vec![
        figure(
            "trivial task, one at a time, p50",
            0.5,
            Budget::AtMost(1.5),
            &note,
        ),
        figure("trivial task, one at a time, p99", 0.99, Budget::None, ""),
    ])
}

fn concurrent(server: &Server) -> Result<Figure> {
    let mut clients = Vec::new();
    for _ in 0..CONCURRENT {
        clients.push(Client::connect(server.address)?);
    }
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let finished = thread::scope(|scope| {
            let threads: Vec<_> = clients
                .iter_mut()
                .map(|client| scope.spawn(move || run_until(client, started + ROUND)))
                .collect();
            let counts = threads
                .into_iter()
                .map(|thread| thread.join().expect("no panics in it"));
            counts.sum::<Result<usize>>()
        })?;
        rates.push(finished as f64 / started.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    let (low, high) = (quantile(&rates, 0.0), quantile(&rates, 1.0));
    Ok(Figure {
        name: "trivial tasks, 16 clients",
        value: quantile(&rates, 0.5),
        unit: "tasks/s",
        budget: Budget::AtLeast(1_500.0),
        note: format!(
            "median of {ROUNDS} rounds of {} s, {low:.0} to {high:.0}",
            ROUND.as_secs()
        ),
    })
}

fn run_until(client: &mut Client, end: Instant) -> Result<usize> {
    let mut finished = 0;
    while Instant::now() < end {
        client.execute(TRIVIAL)?;
        finished += 1;
    }
    Ok(finished)
}

/// (time of a program with many calls − time of one with none) ÷ calls − time of the same call made
/// directly: what a call costs inside the server, sandbox, gate, journal and client included.
fn call_overhead(server: &Server) -> Result<Figure> {
    let address = upstream::start()?;
    let source = json!({
        "url": format!("http://{address}/openapi.json"), "name": "bench", "allowPrivate": true,
    });
    let mut api = Connection::open(server.address)?;
    let headers = "content-type: application/json\r\n";
    let added = api.send("POST /api/v1/sources", headers, &source.to_string())?;
    if added.status >= 300 {
        bail!(
            "the bench's API was not added: HTTP {} {}",
            added.status,
            added.body
        );
    }
    let mut client = Client::connect(server.address)?;
    let with_calls =
        format!("for (let i = 0; i < {CALLS}; i++) await tools.bench.ping(); return {CALLS}");
    let mut direct = Connection::open(address)?;
    let mut overheads = Vec::new();
    let mut direct_times = Vec::new();
    for round in 0..=ROUNDS {
        let empty = median_time(10, || client.execute("return 0"))?;
        let full = median_time(1, || client.execute(&with_calls))?;
        let alone = median_time(CALLS, || direct.send("GET /ping", "", ""))?;
        // The first round warms up.
        if round > 0 {
            overheads.push((full - empty) * 1_000.0 / CALLS as f64 - alone * 1_000.0);
            direct_times.push(alone * 1_000.0);
        }
    }
    overheads.sort_by(f64::total_cmp);
    direct_times.sort_by(f64::total_cmp);
    Ok(Figure {
        name: "a tool call inside the server",
        value: quantile(&overheads, 0.5),
        unit: "us",
        budget: Budget::AtMost(150.0),
        note: format!(
            "(task of {CALLS} calls - empty task) / {CALLS} - the same call made directly ({:.0} us)",
            quantile(&direct_times, 0.5)
        ),
    })
}

fn median_time<T>(times: usize, mut step: impl FnMut() -> Result<T>) -> Result<f64> {
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let started = Instant::now();
        step()?;
        taken.push(milliseconds(started.elapsed()));
    }
    taken.sort_by(f64::total_cmp);
    Ok(quantile(&taken, 0.5))
}

/// `executor sources add FILE`, from the start of the command to its end.
fn import(program: &Program, server: &Server, document: &'static str) -> Result<Figure> {
    let shared = std::env::var_os("EXECUTOR_SHARED").map_or_else(
        || crate::project::root().join("../shared/data"),
        std::path::PathBuf::from,
    );
    let file = shared.join("openapi").join(document);
    let mut command = Command::new(&program.path);
    command.args([
        "--json",
        "--server",
        &format!("http://{}", server.address),
        "sources",
        "add",
    ]);
    command
        .arg(&file)
        .env_clear()
        .env("HOME", &server.data)
        .stdin(Stdio::null());
    let started = Instant::now();
    let output = command.output().context("cannot start the program")?;
    let taken = milliseconds(started.elapsed());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(tools) = said["toolCount"].as_u64() else {
        bail!(
            "{} was not added: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    };
    Ok(Figure {
        name: document,
        value: taken,
        unit: "ms",
        budget: Budget::AtMost(2_000.0),
        note: format!("`executor sources add`, {tools} tools"),
    })
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The value below which this share of sorted values lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

/// What a server and its workers hold, each page counted once.
pub(super) fn memory(name: &'static str, budget: Budget, server: &Server) -> Result<Figure> {
    let (rss, pss) = server.memory()?;
    Ok(Figure {
        name,
        value: megabytes(pss),
        unit: "MB",
        budget,
        note: format!(
            "server and workers, {} processes; their RSS adds to {:.1} MB",
            server.process_count(),
            megabytes(rss)
        ),
    })
}

/// Runs so many clients of the bench beside each other, to the end of all.
///
/// # Errors
/// The first that one of them ends with.
pub(super) fn side_by_side(clients: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|threads| {
        let clients: Vec<_> = (0..clients).map(|_| threads.spawn(&work)).collect();
        clients.into_iter().try_for_each(|client| {
            client
                .join()
                .unwrap_or_else(|_| anyhow::bail!("a client of the bench panicked"))
        })
    })
}
