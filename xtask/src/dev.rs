//! `cargo xtask dev`: a server from source on port 4312, with its data under `target/dev`, built
//! again and restarted when a source file changes. A build that fails leaves the old one running.

use crate::project;
use anyhow::Result;
use std::process::Child;
use std::thread;
use std::time::Duration;

const PORT: &str = "4312";
const LOOK_AGAIN: Duration = Duration::from_millis(700);

/// Runs until interrupted.
pub(crate) fn run() -> Result<()> {
    let mut server: Option<Child> = None;
    loop {
        let seen = project::newest_change(&project::root().join("crates"));
        match project::run(project::cargo().args(["build", "--package", "executor"])) {
            Ok(()) => {
                if let Some(old) = server.take() {
                    stop(old);
                }
                server = Some(start()?);
            }
            Err(error) => eprintln!("dev: {error:#}; waiting for a change"),
        }
        while project::newest_change(&project::root().join("crates")) == seen {
            thread::sleep(LOOK_AGAIN);
        }
    }
}

fn start() -> Result<Child> {
    let program = project::root().join("target/debug/executor");
    let mut command = project::command(&program.to_string_lossy());
    let data = project::root().join("target/dev");
    command
        .args(["serve", "--port", PORT, "--data-dir"])
        .arg(data);
    Ok(command.spawn()?)
}

/// Asks the server to end, as a person would with Ctrl-C, and waits for it.
fn stop(mut server: Child) {
    if project::signal(server.id(), "TERM").is_err() {
        // It has already ended, or it cannot be asked: either way nothing is lost by a kill.
        drop(server.kill());
    }
    drop(server.wait());
}
