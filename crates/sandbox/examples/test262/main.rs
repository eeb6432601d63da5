//! Runs the parts of test262, the conformance suite of ECMAScript, that apply to programs here.
//!
//! `cargo run --release -p executor-sandbox --example test262 -- CHECKOUT [--json FILE] [FOLDER…]`
//! compiles each test with its harness files as one program and runs it in a real worker. What fails
//! so is tried once more as a plain script, by an indirect `eval` inside a program: that tells the
//! engine's failures from those of being a TypeScript function body. The suite itself is not part of
//! this repository. Next: `case.rs` (what is left out, and why), `trial.rs`, `report.rs`.

#![expect(clippy::print_stdout, reason = "its result is what it prints")]

mod case;
mod report;
mod trial;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use case::Case;
use report::Report;
use sandbox::{Isolate, IsolateConfig};
use trial::Suite;

/// Why the suite was not run.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Tests under way at once; more would only queue in the workers.
const AT_ONCE: usize = 12;
const FOLDERS: [&str; 2] = ["language", "built-ins"];

struct Arguments {
    checkout: PathBuf,
    json: Option<PathBuf>,
    folders: Vec<String>,
}

fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|first| first == "sandbox-worker") {
        sandbox::worker_main();
    }
    let arguments = read(words)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(arguments))
}

fn read(words: Vec<String>) -> Result<Arguments, Failed> {
    let (mut checkout, mut json, mut folders) = (None, None, Vec::new());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--json" {
            json = Some(words.next().ok_or("--json names a file to write")?.into());
        } else if checkout.is_none() {
            checkout = Some(PathBuf::from(word));
        } else {
            folders.push(word);
        }
    }
    if folders.is_empty() {
        folders = FOLDERS.map(str::to_owned).into();
    }
    let checkout = checkout.ok_or("name a checkout of github.com/tc39/test262")?;
    Ok(Arguments {
        checkout,
        json,
        folders,
    })
}

async fn run(arguments: Arguments) -> Result<(), Failed> {
    let begun = Instant::now();
    let tests = arguments.checkout.join("test");
    let mut paths = Vec::new();
    for folder in &arguments.folders {
        find(&tests.join(folder), &mut paths)?;
    }
    paths.sort();
    let mut report = Report::default();
    let mut cases = Vec::new();
    for path in paths {
        let name = path.strip_prefix(&tests)?.display().to_string();
        let text = std::fs::read_to_string(&path)?;
        match Case::read(name, text) {
            Ok(case) => cases.push(case),
            Err(reason) => report.leave_out(reason),
        }
    }
    let suite = Arc::new(Suite::new(&arguments.checkout, isolate().await?)?);
    let (cases, next) = (Arc::new(cases), Arc::new(AtomicUsize::new(0)));
    let runners: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (suite, cases, next) = (suite.clone(), cases.clone(), next.clone());
            tokio::spawn(async move {
                let mut verdicts = Vec::new();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    verdicts.push((case.name.clone(), suite.judge(case).await?));
                }
                Ok::<_, Failed>(verdicts)
            })
        })
        .collect();
    for runner in runners {
        for (name, verdict) in runner.await?? {
            report.add(name, verdict);
        }
    }
    print!("{}", report.table());
    println!("\n{} s", begun.elapsed().as_secs());
    if let Some(path) = arguments.json {
        std::fs::write(path, report.json())?;
    }
    Ok(())
}

async fn isolate() -> Result<Isolate, Failed> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let config = IsolateConfig {
        workers_min: cores,
        workers_max: cores,
        ..IsolateConfig::new(std::env::current_exe()?)
    };
    Ok(Isolate::start(config).await?)
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failed> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("{} is no folder of tests: {error}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            find(&path, found)?;
        } else if name.ends_with(".js") && !name.contains("_FIXTURE") {
            found.push(path);
        }
    }
    Ok(())
}
