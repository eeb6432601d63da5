//! `cargo xtask`: the one tool of the project. It checks, tests, measures and runs; it holds no
//! product code and links none, so that it builds in seconds on a bare machine.
//! What the server of the project runs on every push is exactly `cargo xtask ci`.
//! Next: `ci.rs` for the stages, `tidy.rs` for the rules a compiler cannot check.

#![expect(
    clippy::print_stdout,
    reason = "a command line tool talks on standard output"
)]

mod bench;
mod ci;
mod dev;
mod dist;
mod project;
mod proof;
mod setup;
mod tidy;
mod web;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Checks, tests, measures and runs this project"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must hold before a change is taken, cheapest first.
    Ci {
        /// One stage alone; all of them by default.
        #[arg(value_enum)]
        stage: Option<ci::Stage>,
    },
    /// The rules a compiler cannot check: arrows between crates, headers, sizes, words, documents.
    Tidy,
    /// Builds and runs the tests of every crate and of the product.
    Test {
        /// Runs only the tests whose name contains this.
        filter: Option<String>,
    },
    /// Installs what the tests need and this machine lacks (Debian, as root), or names it.
    Setup,
    /// Builds the program with the dashboard, where Node is there, and runs it with these arguments.
    Run {
        /// What the program is given.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Builds the program as it is given to people, with the dashboard in it; needs Node.
    Dist,
    /// Runs a development server from source on port 4312 and rebuilds it when a file changes.
    Dev,
    /// Plays the simulation: the engine under kills, failures and people, by seeds.
    Sim(proof::Sim),
    /// Kills the built binary at random instants and looks whether anything is lost or doubled.
    Kills(proof::Kills),
    /// Makes up programs, rebuilds them at every pause and looks whether they see the same.
    Generated(proof::Generated),
    /// Builds the release binary and measures it against the budgets.
    Bench(bench::Options),
    /// Builds the dashboard, which the next build of the server embeds; needs Node.
    Web(web::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Ci { stage } => ci::run(stage),
        Command::Tidy => tidy::run(),
        Command::Test { filter } => ci::test(filter.as_deref()),
        Command::Setup => setup::run(),
        Command::Run { arguments } => dist::start(&arguments),
        Command::Dist => dist::run(),
        Command::Dev => dev::run(),
        Command::Sim(options) => proof::sim(&options),
        Command::Kills(options) => proof::kills(&options),
        Command::Generated(options) => proof::generated(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Web(options) => web::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
