//! What a trivial task costs through the whole engine: permission, compiling, the journal in an
//! embedded database with every flush, the sandbox; no HTTP and no MCP around it. And what it costs
//! to look at a program before it runs.
//!
//! `cargo run --release -p executor-engine --example whole_tasks` measures and prints one JSON object
//! per figure; budgets are `cargo xtask bench sandbox`'s. The same binary is the worker process.

#![expect(clippy::print_stdout, reason = "its result is what it prints")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::access::{Caller, Channel, System};
use domain::task::{Outcome, TaskState};
use engine::{Engine, NewSource, NewTask, Parts, Runtimes, Sharing, SystemClock, Types, Until};
use serde_json::json;

/// Why a measurement was not taken.
type Failed = Box<dyn Error + Send + Sync>;

const PROGRAM: &str = "console.log('first'); return [1, 2, 3].map((x) => x * 2)";
const FIFTY_LINES: &str = include_str!("../../sandbox/examples/figures/programs/fifty-lines.ts");
const CHECKS: usize = 1_000;
const WARM_UP: usize = 300;
const ONE_AT_A_TIME: usize = 3_000;
const CLIENTS: usize = 16;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Failed> {
    if std::env::args().nth(1).as_deref() == Some("sandbox-worker") {
        sandbox::worker_main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Failed> {
    // Below the current folder: the temporary one may be memory, which flushes for nothing.
    let directory = tempfile::tempdir_in(".")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let isolate = sandbox::Isolate::start(sandbox::IsolateConfig {
        workers_min: cores,
        workers_max: cores,
        ..sandbox::IsolateConfig::new(std::env::current_exe()?)
    });
    let location = store::Location::File(directory.path().join("figures.db"));
    let engine = Engine::start(Parts {
        store: store::Store::open(location).await?,
        vault: vault::Vault::new(vault::MasterKey::from_bytes([7; 32])),
        credential_store: engine::CredentialStore::default(),
        runtimes: Runtimes::new(Arc::new(isolate.await?), Vec::new()),
        // Nobody writes down what is lost here.
        incidents: tokio::sync::mpsc::channel(1).1,
        type_checker: None,
        egress: tools::Egress::new(tools::EgressConfig::default()),
        clock: Arc::new(SystemClock),
        system: System::mint(),
        public_url: "http://127.0.0.1:4788".into(),
        server_id: "figures".into(),
        sharing: Sharing::default(),
        sign_in: engine::SignInConfig::default(),
        push_services: Vec::new(),
        authorization: engine::Authorization::default(),
    })
    .await?;
    let caller = engine.local_caller(Channel::Api, "figures".into());
    check(&engine, &caller).await?;
    for _ in 0..WARM_UP {
        run(&engine, &caller).await?;
    }
    let mut times = Vec::new();
    for _ in 0..ONE_AT_A_TIME {
        let begun = Instant::now();
        run(&engine, &caller).await?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    let note = format!("{ONE_AT_A_TIME} in a row, embedded database, compiled and journaled each");
    print("task with its journal p50", at(50), "ms", &note);
    print("task with its journal p99", at(99), "ms", "");
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        rates.push(rate(&engine, &caller).await?);
    }
    rates.sort_by(f64::total_cmp);
    let note = format!(
        "{CLIENTS} clients, median of {ROUNDS} rounds of {} s, {:.0} to {:.0}",
        ROUND.as_secs(),
        rates[0],
        rates[ROUNDS - 1]
    );
    print(
        "tasks through the engine",
        rates[ROUNDS / 2],
        "tasks/s",
        &note,
    );
    engine.shutdown().await;
    Ok(())
}

fn print(name: &str, value: f64, unit: &str, note: &str) {
    println!(
        "{}",
        json!({ "name": name, "value": value, "unit": unit, "note": note })
    );
}

/// A program of fifty lines, compiled and held against catalog and policy, as before each run.
async fn check(engine: &Engine, caller: &Caller) -> Result<(), Failed> {
    let parameter =
        |name: &str, kind: &str| json!({ "name": name, "in": "query", "schema": { "type": kind } });
    let description = json!({
        "openapi": "3.1.0",
        "info": { "title": "Issues", "version": "1" },
        "servers": [{ "url": "https://issues.example" }],
        "paths": {
            "/issues": { "get": {
                "operationId": "issues/list",
                "tags": ["issues"],
                "parameters": [parameter("repository", "string"), parameter("page", "integer"), parameter("perPage", "integer")],
                "responses": { "200": { "description": "the issues" } }
            } },
            "/issues/close": { "post": {
                "operationId": "issues/close",
                "tags": ["issues"],
                "parameters": [parameter("id", "integer"), parameter("comment", "string")],
                "responses": { "200": { "description": "closed" } }
            } }
        }
    });
    let source = NewSource {
        document: Some(("issues.json".into(), description.to_string().into_bytes())),
        name: Some("github".into()),
        ..NewSource::default()
    };
    engine.add_source(caller, source).await?;
    let mut times = Vec::new();
    for _ in 0..CHECKS {
        let begun = Instant::now();
        let report = engine
            .check_program(caller, FIFTY_LINES, Types::Erase)
            .await?;
        times.push(begun.elapsed());
        if !report.findings.is_empty() || report.forecast.len() != 2 {
            return Err(format!("the fifty lines were found wrong: {report:?}").into());
        }
    }
    times.sort_unstable();
    let p50 = times[CHECKS / 2].as_secs_f64() * 1e3;
    let note = format!("against catalog and policy, both read, two calls seen; median of {CHECKS}");
    print("50 lines compiled and checked", p50, "ms", &note);
    Ok(())
}

async fn run(engine: &Engine, caller: &Caller) -> Result<(), Failed> {
    let new = NewTask {
        code: PROGRAM.into(),
        ..NewTask::default()
    };
    let view = engine
        .run_task(caller, new, Until::Finished, PATIENCE)
        .await?;
    if matches!(view.task.state, TaskState::Finished(Outcome::Completed(_))) {
        return Ok(());
    }
    Err(format!("the task did not complete: {:?}", view.task.state).into())
}

async fn rate(engine: &Engine, caller: &Caller) -> Result<f64, Failed> {
    let begun = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (engine, caller) = (engine.clone(), caller.clone());
            tokio::spawn(async move {
                let mut count = 0;
                while begun.elapsed() < ROUND {
                    run(&engine, &caller).await?;
                    count += 1;
                }
                Ok::<u32, Failed>(count)
            })
        })
        .collect();
    let mut count = 0;
    for client in clients {
        count += client.await??;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}
