//! `cargo xtask bench`: the release binary on a data directory of its own, measured from outside
//! against the budgets; `bench sandbox` measures the sandbox and the engine, beside other runtimes;
//! `bench durable` what waiting costs and how soon a task goes on; `bench tenants` a server of a
//! thousand workspaces; `bench import` reading descriptions of APIs.
//! It warms up, repeats and prints medians; it judges only with `--strict`, because a busy machine
//! is no defect of the program.
//! Next: `bench/measure.rs` for how each figure is taken, `bench/sandbox.rs` for the sandbox's,
//! `bench/durable.rs` for those of waiting tasks.

mod durable;
mod hostile;
mod http;
mod import;
mod mcp;
mod measure;
mod peers;
mod postgres;
mod process;
mod sandbox;
mod servers;
mod tenants;
mod upstream;

use crate::project;
use anyhow::{Context, Result, bail};
use process::{Database, Program};
use std::path::PathBuf;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What is measured.
    #[arg(value_enum, default_value = "product")]
    subject: Subject,
    /// Leaves out the other runtimes, and with them what npm installs for them (`sandbox`).
    #[arg(long)]
    no_others: bool,
    /// Measures on a PostgreSQL server of its own too.
    #[arg(long)]
    postgres: bool,
    /// Fails where a budget is not met.
    #[arg(long)]
    strict: bool,
    /// Takes what is in target/release as it is.
    #[arg(long)]
    no_build: bool,
    /// Measures this program instead of the release build.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// How many tasks wait at once (`durable`).
    #[arg(long, default_value_t = 100_000)]
    tasks: usize,
    /// A set of one's own, two files of JSON lines (`search`); the published sets by default.
    #[arg(long, num_args = 2, value_names = ["TOOLS", "QUERIES"])]
    set: Vec<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Subject {
    /// The program as a whole, through its public doors.
    Product,
    /// The sandbox and the engine alone, hostile programs, and other runtimes doing the same.
    Sandbox,
    /// Two servers on one PostgreSQL beside one.
    Servers,
    /// Waiting tasks by the hundred thousand: memory, database, and how soon one goes on.
    Durable,
    /// A thousand workspaces of a hundred sources: start, memory, first use.
    Tenants,
    /// Search: golden sets, stuffed descriptions, and catalogs of many tools.
    Search,
    /// Descriptions of APIs to tools: time and memory.
    Import,
}

/// A measured figure and the most (or least) it may be.
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    budget: Budget,
    /// How it was taken, or what it is made of.
    note: String,
}

#[derive(Clone, Copy)]
enum Budget {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Figure {
    fn is_met(&self) -> bool {
        match self.budget {
            Budget::AtMost(most) => self.value <= most,
            Budget::AtLeast(least) => self.value >= least,
            Budget::None => true,
        }
    }

    fn line(&self) -> String {
        let digits = if self.value < 10.0 {
            2
        } else {
            usize::from(self.value < 1000.0)
        };
        let (budget, verdict) = match self.budget {
            Budget::AtMost(most) => (
                format!("<= {most}"),
                if self.is_met() { "ok" } else { "OVER" },
            ),
            Budget::AtLeast(least) => (
                format!(">= {least}"),
                if self.is_met() { "ok" } else { "UNDER" },
            ),
            Budget::None => (String::new(), ""),
        };
        let (name, value, unit, note) = (self.name, self.value, self.unit, &self.note);
        format!("{name:<34} {value:>9.digits$} {unit:<8} {budget:>8} {verdict:<5}  {note}")
    }
}

/// Builds, measures, prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    if matches!(options.subject, Subject::Search) {
        return search(options);
    }
    if matches!(options.subject, Subject::Import) {
        machine();
        return judged(options, report("imports", &import::measure(options)?));
    }
    if !options.no_build && options.program.is_none() {
        project::run(project::cargo().args(["build", "--release", "--package", "executor"]))?;
    }
    let path = match &options.program {
        Some(path) => path.clone(),
        None => project::root().join("target/release/executor"),
    };
    path.metadata()
        .with_context(|| format!("{} is missing", path.display()))?;
    let program = Program { path };
    let missed = match options.subject {
        Subject::Product => product(options, &program)?,
        Subject::Sandbox => sandbox::run(options, &program)?,
        Subject::Servers => {
            machine();
            report("several servers", &servers::measure(&program)?)
        }
        Subject::Durable => durable::run(options, &program)?,
        Subject::Tenants => tenants::run(options, &program)?,
        // These need no program; answered above.
        Subject::Search | Subject::Import => 0,
    };
    judged(options, missed)
}

fn judged(options: &Options, missed: usize) -> Result<()> {
    match missed {
        0 => println!("\nbench: every budget is met"),
        missed if options.strict => bail!("bench: {missed} budget(s) missed, marked above"),
        missed => println!("\nbench: {missed} budget(s) missed, marked above"),
    }
    Ok(())
}

/// Search needs no server: an example of the crate measures it.
fn search(options: &Options) -> Result<()> {
    let example = example(options, "search")?;
    machine();
    let sets = match options.set.as_slice() {
        [] => vec![data().join("search")],
        given => given.to_vec(),
    };
    let mut command = project::command(&example.display().to_string());
    let said = project::output(command.args(&sets))?;
    let (figures, told): (Vec<&str>, Vec<&str>) =
        said.lines().partition(|line| line.starts_with("size;"));
    told.iter().for_each(|line| println!("{line}"));
    // One's own set has no figures at size.
    if figures.is_empty() {
        return Ok(());
    }
    judged(options, report("search at size", &at_size(&figures)?))
}

/// What search may cost in catalogs of ten thousand tools and of the most that a workspace may have.
fn at_size(lines: &[&str]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split(';').collect();
        let [_, tools, built, bytes, median, slow] = fields.as_slice() else {
            bail!("`search` says what is not understood: {line}");
        };
        let (is_small, note) = (*tools == "10000", format!("{tools} tools"));
        let mut add = |name, value: &str, unit, budget| -> Result<()> {
            let (value, note) = (value.parse()?, note.clone());
            figures.push(Figure {
                name,
                value,
                unit,
                budget,
                note,
            });
            Ok(())
        };
        let at_most = |is_judged: bool, most: f64| match is_judged {
            true => Budget::AtMost(most),
            false => Budget::None,
        };
        add(
            "catalog and index built",
            built,
            "ms",
            at_most(is_small, 500.0),
        )?;
        add(
            "index, for each tool",
            bytes,
            "bytes",
            Budget::AtMost(1_500.0),
        )?;
        add("a query, median", median, "ms", Budget::None)?;
        add("a query, 99 of 100", slow, "ms", at_most(!is_small, 5.0))?;
    }
    Ok(figures)
}

/// An example of `executor-tools`, built unless that is not wanted.
fn example(options: &Options, name: &str) -> Result<PathBuf> {
    if !options.no_build {
        let build = ["build", "--release", "--package", "executor-tools"];
        project::run(project::cargo().args(build).args(["--example", name]))?;
    }
    let path = project::root().join("target/release/examples").join(name);
    path.metadata()
        .with_context(|| format!("{} is missing", path.display()))?;
    Ok(path)
}

/// Where descriptions and search sets lie.
fn data() -> PathBuf {
    let shared = std::env::var_os("EXECUTOR_SHARED");
    let shared = shared.map_or_else(|| project::root().join("../shared"), PathBuf::from);
    shared.join("data")
}

fn machine() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "\n{cores} cores, load before: {}",
        load.split(' ').next().unwrap_or("unknown")
    );
}

/// How many budgets are missed.
fn product(options: &Options, program: &Program) -> Result<usize> {
    machine();
    let size = program.path.metadata()?.len();
    let mut missed = report(
        "the program",
        &[Figure {
            name: "release binary",
            value: megabytes(size),
            unit: "MB",
            budget: Budget::AtMost(45.0),
            note: format!("{size} bytes, symbols stripped"),
        }],
    );
    missed += report("SQLite", &measure::all(program, &Database::Sqlite)?);
    if options.postgres {
        let database = Database::Postgres(postgres::Cluster::start()?);
        missed += report(
            "PostgreSQL, own cluster, fsync on",
            &measure::all(program, &database)?,
        );
    }
    Ok(missed)
}

/// Prints the figures; how many missed their budget.
fn report(title: &str, figures: &[Figure]) -> usize {
    println!("\n{title}");
    for figure in figures {
        println!("  {}", figure.line());
    }
    figures.iter().filter(|figure| !figure.is_met()).count()
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
