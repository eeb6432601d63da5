//! `cargo xtask bench sandbox`: what the sandbox costs, alone and inside the engine, what hostile
//! programs do to others, and the same work on Node, Bun, Deno and workerd in one table.
//!
//! The measuring is done by an example of `sandbox` and one of `engine`, which print a JSON object per
//! figure. Here stand the budgets: a figure without a line here, or a line
//! that nobody measured, is an error. Next: `peers.rs`, `hostile.rs`.

use super::process::Program;
use super::{Budget, Figure, Options, hostile, machine, peers, report};
use crate::project;
use anyhow::{Context, Result, bail};
use serde::Deserialize;

type Line = (&'static str, &'static str, Budget);

const SANDBOX: [Line; 23] = [
    ("first line p50", "ms", Budget::AtMost(0.2)),
    ("first line p99", "ms", Budget::AtMost(1.0)),
    ("trivial task finished p50", "ms", Budget::None),
    ("trivial task finished p99", "ms", Budget::None),
    ("1 MB JSON into a program", "ms", Budget::AtMost(25.0)),
    ("filter, sort, group 100,000", "ms", Budget::None),
    ("5 million steps", "ms", Budget::None),
    ("replay of 10 calls", "ms", Budget::None),
    ("replay of 100 calls", "ms", Budget::None),
    ("replay of 1,000 calls", "ms", Budget::None),
    (
        "trivial tasks, one worker",
        "tasks/s",
        Budget::AtLeast(5_000.0),
    ),
    (
        "tool calls, one worker",
        "calls/s",
        Budget::AtLeast(15_000.0),
    ),
    ("a tool call, there and back", "us", Budget::None),
    ("compile 50 lines", "ms", Budget::None),
    ("compile 2,000 lines", "ms", Budget::None),
    ("memory of a waiting task", "KB", Budget::AtMost(400.0)),
    ("snapshot of a waiting task", "KB", Budget::AtMost(64.0)),
    ("snapshot taken p50", "ms", Budget::None),
    ("snapshot restored p50", "ms", Budget::AtMost(0.3)),
    (
        "hostile, longest over its limit",
        "ms",
        Budget::AtMost(1_000.0),
    ),
    ("victim of another tenant p95", "ms", Budget::AtMost(100.0)),
    ("victim of the same tenant p95", "ms", Budget::AtMost(100.0)),
    ("memory left by the hostile", "MB", Budget::AtMost(10.0)),
];

const ENGINE: [Line; 4] = [
    ("50 lines compiled and checked", "ms", Budget::AtMost(0.3)),
    ("task with its journal p50", "ms", Budget::AtMost(0.8)),
    ("task with its journal p99", "ms", Budget::None),
    (
        "tasks through the engine",
        "tasks/s",
        Budget::AtLeast(2_500.0),
    ),
];

/// The measuring programs: package and example.
const EXAMPLES: [(&str, &str); 2] = [
    ("executor-sandbox", "figures"),
    ("executor-engine", "whole_tasks"),
];

/// What an example prints.
#[derive(Deserialize)]
struct Measured {
    name: String,
    value: f64,
    unit: String,
    note: String,
}

/// Measures and prints; how many budgets are missed.
pub(super) fn run(options: &Options, program: &Program) -> Result<usize> {
    if !options.no_build {
        EXAMPLES.into_iter().try_for_each(build)?;
    }
    machine();
    let sandbox = example(EXAMPLES[0].1, &SANDBOX)?;
    let mut missed = report("the sandbox alone", &sandbox);
    let engine = example(EXAMPLES[1].1, &ENGINE)?;
    missed += report("the engine, embedded database, no HTTP", &engine);
    missed += report(
        "hostile programs through the product",
        &hostile::all(program)?,
    );
    if !options.no_others {
        compare(&sandbox, &peers::measure()?)?;
    }
    Ok(missed)
}

fn build((package, example): (&str, &str)) -> Result<()> {
    let arguments = [
        "build",
        "--release",
        "--package",
        package,
        "--example",
        example,
    ];
    project::run(project::cargo().args(arguments))
}

fn example(name: &str, lines: &[Line]) -> Result<Vec<Figure>> {
    let program = project::root().join("target/release/examples").join(name);
    let printed = project::output(&mut project::command(&program.display().to_string()))?;
    let measured = printed
        .lines()
        .map(|line| serde_json::from_str(line).context("a figure that is no figure"))
        .collect::<Result<Vec<Measured>>>()?;
    if let Some(unknown) = measured
        .iter()
        .find(|m| !lines.iter().any(|l| l.0 == m.name))
    {
        bail!("`{}` has no line in bench/sandbox.rs", unknown.name);
    }
    lines
        .iter()
        .map(|&(name, unit, budget)| {
            let found = measured.iter().find(|m| m.name == name && m.unit == unit);
            let found = found.with_context(|| format!("`{name}` was not measured in {unit}"))?;
            Ok(Figure {
                name,
                value: found.value,
                unit,
                budget,
                note: found.note.clone(),
            })
        })
        .collect()
}

/// The same work everywhere, a column for each runtime.
fn compare(own: &[Figure], columns: &[peers::Column]) -> Result<()> {
    println!("\nthe same programs elsewhere, in this run");
    let names = columns.iter().map(|column| format!("{:>17}", column.name));
    println!(
        "  {:<32} {:>17}{}",
        "",
        "isolate",
        names.collect::<String>()
    );
    for (row, (name, unit)) in peers::ROWS.into_iter().enumerate() {
        let figure = own.iter().find(|figure| figure.name == name);
        let figure = figure.with_context(|| format!("the isolate has no figure `{name}`"))?;
        let values =
            std::iter::once(figure.value).chain(columns.iter().map(|column| column.values[row]));
        let shown = values.map(|value| format!("{value:>17.*}", if value < 10.0 { 2 } else { 0 }));
        println!(
            "  {:<32} {}",
            format!("{name}, {unit}"),
            shown.collect::<String>()
        );
    }
    Ok(())
}
