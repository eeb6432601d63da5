//! What the isolate costs, through the crate's public door alone: start, calls, memory, limits.
//!
//! `cargo run --release -p executor-sandbox --example figures [SECTION…]` measures and prints one
//! JSON object per figure. It judges nothing: budgets, and the other runtimes beside it, are
//! `cargo xtask bench sandbox`'s. The same binary is the worker process.
//! Next: `speed.rs`, `memory.rs`, `hostile.rs`; the programs are in `programs/`.

#![expect(clippy::print_stdout, reason = "its result is what it prints")]

mod host;
mod hostile;
mod memory;
mod processes;
mod speed;

use std::error::Error;

use serde_json::json;

/// Why a measurement was not taken.
type Failed = Box<dyn Error + Send + Sync>;

/// One measured figure.
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// How it was taken, or what it is made of.
    note: String,
}

const SECTIONS: [&str; 7] = [
    "start", "rate", "calls", "compile", "memory", "snapshot", "hostile",
];

fn main() -> Result<(), Failed> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted
        .first()
        .is_some_and(|first| first == "sandbox-worker")
    {
        sandbox::worker_main();
    }
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !SECTIONS.contains(&name.as_str()))
    {
        return Err(format!("no section {unknown}; there are {}", SECTIONS.join(", ")).into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    for section in SECTIONS {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == section) {
            continue;
        }
        for figure in runtime.block_on(measure(section))? {
            println!(
                "{}",
                json!({ "name": figure.name, "value": figure.value, "unit": figure.unit, "note": figure.note })
            );
        }
    }
    Ok(())
}

async fn measure(section: &str) -> Result<Vec<Figure>, Failed> {
    match section {
        "start" => speed::starts().await,
        "rate" => speed::rate().await,
        "calls" => speed::calls().await,
        "compile" => speed::compile_times(),
        "memory" => memory::waiting().await,
        "snapshot" => memory::snapshots().await,
        _ => hostile::all().await,
    }
}
