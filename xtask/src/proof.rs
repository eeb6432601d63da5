//! The proofs that run longer than CI lets them: the simulation, the kills and the generated programs,
//! as many as are asked for. Each prints the seed that repeats it. What they try is in the tests that they start.

use crate::project;
use anyhow::Result;

/// What the simulation plays.
#[derive(clap::Args)]
pub(crate) struct Sim {
    /// Plays one seed and prints its course of events.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds to play.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// What is killed, and how often.
#[derive(clap::Args)]
pub(crate) struct Kills {
    /// How often the server is killed.
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// The database it keeps things in.
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Database,
    /// Draws the instants as a run before did.
    #[arg(long)]
    seed: Option<u64>,
}

/// How many programs are made up.
#[derive(clap::Args)]
pub(crate) struct Generated {
    /// How many on each database.
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// Draws the same programs as a run before did.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

/// Plays the simulation.
pub(crate) fn sim(options: &Sim) -> Result<()> {
    let mut cargo = project::cargo();
    // The whole workspace, as CI builds it: another selection would build other libraries.
    cargo.args(["test", "--quiet", "--workspace", "--test", "sim", "--"]);
    match options.seed {
        Some(seed) => cargo.arg("--seed").arg(seed.to_string()),
        None => cargo
            .arg("--seeds")
            .arg(options.seeds.to_string())
            .arg("--from")
            .arg(options.from.to_string()),
    };
    project::run(&mut cargo)
}

/// Kills the built binary.
pub(crate) fn kills(options: &Kills) -> Result<()> {
    let database = match options.database {
        Database::Sqlite => "on_sqlite",
        Database::Postgres => "on_postgres",
    };
    let case = format!("storm::{database}::a_storm_loses_and_doubles_nothing");
    product(&case, "EXECUTOR_KILLS", options.count, options.seed)
}

/// Makes up programs and rebuilds them at every pause.
pub(crate) fn generated(options: &Generated) -> Result<()> {
    let case = "a_rebuilt_program_sees_what_it_saw";
    product(case, "EXECUTOR_GENERATED", options.count, options.seed)
}

/// Runs product tests, told by variables how much to do and from which seed.
fn product(case: &str, variable: &str, count: u64, seed: Option<u64>) -> Result<()> {
    let mut cargo = project::cargo();
    cargo.args(["test", "--quiet", "--package", "executor-e2e", "--"]);
    cargo.args([case, "--nocapture", "--test-threads", "1"]);
    cargo.env(variable, count.to_string());
    if let Some(seed) = seed {
        cargo.env(format!("{variable}_SEED"), seed.to_string());
    }
    project::run(&mut cargo)
}
