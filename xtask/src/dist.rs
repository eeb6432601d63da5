//! The program as people get it: a release build with the dashboard in it. `cargo xtask dist` makes
//! it and looks whether the dashboard is there; `cargo xtask run` makes it and starts it.

use crate::{project, web};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Stdio;

const BUILD: [&str; 5] = ["build", "--release", "--locked", "--package", "executor"];

/// Builds the program with the dashboard, and says where it is and how large.
///
/// # Errors
/// There is no Node that builds the dashboard; a step failed; the program lacks the dashboard.
pub(crate) fn run() -> Result<()> {
    web::build()?;
    let path = program()?;
    web::check_bundled(&path)?;
    let megabytes = path.metadata()?.len() as f64 / 1e6;
    println!("{}: {megabytes:.1} MB, with the dashboard", path.display());
    Ok(())
}

/// Builds the program, with the dashboard where it can be built, and runs it as it would be run by
/// hand. Without the dashboard everything else works, and its pages say how to build it.
///
/// # Errors
/// The program does not build, or it ended with anything but success.
pub(crate) fn start(arguments: &[String]) -> Result<()> {
    if let Err(reason) = web::build_if_stale() {
        eprintln!("the dashboard is left out: {reason:#}");
    }
    let mut program = project::command(&program()?.to_string_lossy());
    program.args(arguments).stdin(Stdio::inherit());
    if let Ok(here) = std::env::current_dir() {
        program.current_dir(here);
    }
    let status = program.status()?;
    if !status.success() {
        bail!("the program ended with {status}");
    }
    Ok(())
}

/// Builds the program, and says where it is.
///
/// # Errors
/// It does not build.
pub(crate) fn program() -> Result<PathBuf> {
    project::run(project::cargo().args(BUILD))?;
    Ok(project::root().join("target/release/executor"))
}
