//! Executor: the one program. Reads the command line, wires the parts, maps ends to exit codes.
//!
//! Start at `args.rs` for the commands, `serve.rs` for how the server is put together, `config.rs`
//! for every setting. No rule of the product lives in this crate.

mod args;
mod client;
mod commands;
mod config;
mod context;
mod duration;
mod events;
mod example_api;
mod failure;
mod follow;
mod home;
mod logins;
mod master_key;
mod memory;
mod output;
mod program;
mod reconnect;
mod result;
mod runtimes;
mod serve;
mod show;
mod sign_in;
mod terminal;
mod tsc;

use args::{Cli, Command};
use clap::Parser;
use context::Context;
use failure::{Exit, Failure, Result};
use std::process::ExitCode;

/// The hidden first argument under which the server starts its sandbox processes.
const SANDBOX_WORKER: &str = "sandbox-worker";

fn main() -> ExitCode {
    // Before anything else: a sandbox process must not open files or start threads first.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|a| a == SANDBOX_WORKER)
    {
        sandbox::worker_main();
    }
    let cli = Cli::parse();
    let output = output::Output::new(cli.shared.json, cli.shared.quiet, config::no_color());
    let exit = start(cli, output).unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit
    });
    ExitCode::from(exit as u8)
}

fn start(cli: Cli, output: output::Output) -> Result<Exit> {
    let home = config::Home::find(cli.shared.data_dir.as_deref())?;
    let config = config::Config::load(home, &cli.flags())?;
    let context = Context::new(config, output);
    let serves = matches!(cli.command, Command::Serve(_) | Command::Example(_));
    if serves {
        memory::no_dumps()?;
    }
    let mut builder = if serves {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|e| Failure::failed("system", format!("cannot start: {e}")))?;
    let exit = runtime.block_on(commands::dispatch(&context, cli.command));
    // Whatever still reads the terminal must not keep the process.
    runtime.shutdown_background();
    exit
}
