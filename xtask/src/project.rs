//! Where the project lies and how its tools are called. Nothing here knows what is checked.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .map(PathBuf::from)
        .expect("xtask is a folder of the workspace")
}

/// A command that starts in the root and reads nothing from the terminal.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The cargo that runs us, so that both are of one toolchain.
pub(crate) fn cargo() -> Command {
    command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
}

/// Prints a command, runs it with its output shown, and fails where it fails.
///
/// # Errors
/// The program is missing, or it ended with anything but success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command silently and gives what it wrote on standard output.
///
/// # Errors
/// As [`run`]; the message carries what it wrote on standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed ({}): {}",
            shown(command),
            output.status,
            said.trim()
        );
    }
    String::from_utf8(output.stdout).context("the command wrote something that is not text")
}

/// Sends a signal. By the shell's own `kill`: a bare machine has no program of that name.
///
/// # Errors
/// The process has ended already.
pub(crate) fn signal(process: u32, name: &str) -> Result<()> {
    output(command("sh").args(["-c", &format!("kill -{name} {process}")])).map(drop)
}

/// When this file, or one below this folder, was last changed; none where nothing is there.
pub(crate) fn newest_change(path: &Path) -> Option<SystemTime> {
    match std::fs::read_dir(path) {
        Ok(entries) => entries
            .flatten()
            .filter_map(|entry| newest_change(&entry.path()))
            .max(),
        Err(_) => path.metadata().ok()?.modified().ok(),
    }
}

/// Whether a program of this name can be found.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let line = words.join(" ");
    // The toolchain's own path to cargo says nothing to a reader.
    match line.split_once("/bin/cargo ") {
        Some((_, rest)) => format!("cargo {rest}"),
        None => line,
    }
}
