//! `cargo xtask bench tenants`: a thousand workspaces with a hundred sources each, connected through
//! the API, then what the server costs that has them: how soon it is ready, how much it holds while
//! nobody asks for anything, and what the first use of a workspace takes.

use super::http::Connection;
use super::measure::{memory, milliseconds, quantile, side_by_side};
use super::process::{Database, Home, Program, Server};
use super::{Budget, Figure, Options, machine, postgres, report, upstream};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The first is there from the start.
const WORKSPACES: usize = 1_000;
const SOURCES: usize = 100;
const CLIENTS: usize = 8;
/// How often the server is started.
const STARTS: usize = 5;
/// Workspaces that are used for the first time, one after another.
const USED: usize = 100;

/// Measures on each database; how many budgets are missed.
pub(super) fn run(options: &Options, program: &Program) -> Result<usize> {
    machine();
    let figures = all(program, &Database::Sqlite).context("on SQLite")?;
    let mut missed = report("SQLite", &figures);
    if options.postgres {
        let database = Database::Postgres(postgres::Cluster::start()?);
        let figures = all(program, &database).context("on PostgreSQL")?;
        missed += report("PostgreSQL, own cluster, fsync on", &figures);
    }
    Ok(missed)
}

fn all(program: &Program, database: &Database) -> Result<Vec<Figure>> {
    let home = Home::new(database)?;
    let upstream = upstream::start()?;
    let mut figures = vec![connect(&Server::start(program, &home)?, upstream)?];
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let server = Server::start(program, &home)?;
        starts.push(milliseconds(server.ready_after));
    }
    starts.sort_by(f64::total_cmp);
    figures.push(Figure {
        name: "start until ready",
        value: quantile(&starts, 0.5),
        unit: "ms",
        budget: Budget::AtMost(1_000.0),
        note: format!(
            "p50 of {STARTS}; {:.0} to {:.0}",
            starts[0],
            starts[STARTS - 1]
        ),
    });
    let server = Server::start(program, &home)?;
    // Long enough for everything a start leaves to do in the background.
    thread::sleep(Duration::from_secs(10));
    figures.push(memory(
        "memory, idle (PSS)",
        Budget::AtMost(150.0),
        &server,
    )?);
    figures.push(first_uses(&server)?);
    figures.push(memory(
        "memory after first uses (PSS)",
        Budget::None,
        &server,
    )?);
    Ok(figures)
}

fn workspace(number: usize) -> String {
    format!("w{number}")
}

/// Makes the workspaces and connects the sources.
fn connect(server: &Server, upstream: SocketAddr) -> Result<Figure> {
    let mut api = Connection::open(server.address)?;
    for number in 1..WORKSPACES {
        api.ask(
            "POST /api/v1/workspaces",
            &json!({ "slug": workspace(number) }),
        )?;
    }
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    side_by_side(CLIENTS, || connect_some(server.address, upstream, &next))?;
    let (count, seconds) = (WORKSPACES * SOURCES, begun.elapsed().as_secs_f64());
    Ok(Figure {
        name: "sources connected",
        value: count as f64 / seconds,
        unit: "/s",
        budget: Budget::None,
        note: format!("{count} in {seconds:.0} s: {WORKSPACES} workspaces of {SOURCES}"),
    })
}

fn connect_some(server: SocketAddr, upstream: SocketAddr, next: &AtomicUsize) -> Result<()> {
    let mut api = Connection::open(server)?;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        // One after another for each workspace, so that clients do not wait for each other.
        let (of, source) = (number % WORKSPACES, number / WORKSPACES);
        if source >= SOURCES {
            return Ok(());
        }
        let line = match of {
            0 => "POST /api/v1/sources".to_owned(),
            of => format!("POST /api/v1/sources?workspace={}", workspace(of)),
        };
        let body = json!({
            "url": format!("http://{upstream}/openapi.json"), "name": format!("s{source}"),
            "allowPrivate": true,
        });
        api.ask(&line, &body)?;
    }
}

/// What the first question about its tools takes in a workspace that nobody has used yet.
fn first_uses(server: &Server) -> Result<Figure> {
    let mut api = Connection::open(server.address)?;
    let mut times = Vec::with_capacity(USED);
    for number in 1..=USED {
        let line = format!(
            "GET /api/v1/tools/search?query=ping&workspace={}",
            workspace(number)
        );
        let begun = Instant::now();
        let found = api.ask(&line, &Value::Null)?;
        times.push(milliseconds(begun.elapsed()));
        if found["results"].as_array().is_none_or(Vec::is_empty) {
            bail!("{line} gave {found}");
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(Figure {
        name: "first use of a workspace",
        value: quantile(&times, 0.5),
        unit: "ms",
        budget: Budget::None,
        note: format!(
            "p50 of {USED}, a search among {} tools; p99 {:.1}",
            2 * SOURCES,
            quantile(&times, 0.99)
        ),
    })
}
