//! Finding the server of the directory, or starting it apart from this process.

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::home;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a started server may take until it answers.
const START: Duration = Duration::from_secs(15);

/// How long to look for a server that this machine cannot start.
const ELSEWHERE: Duration = Duration::from_secs(30);

/// Returns once a server answers.
///
/// # Errors
/// When none can be started, or one that is configured elsewhere stays away.
pub(crate) async fn ensure(context: &Context, client: &Client) -> Result<()> {
    let failure = match client.alive_here().await {
        Ok(_) => return Ok(()),
        Err(failure) => failure,
    };
    if context.config.url.is_some() {
        return wait(client, ELSEWHERE, None).await.map_err(|_| failure);
    }
    home::prepare(&context.config.home)?;
    let path = context.config.home.join("server.log");
    let cannot = |e: std::io::Error| {
        Failure::failed("start_failed", format!("cannot start a server: {e}"))
            .next("start one yourself: executor serve")
    };
    let log = home::private()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(cannot)?;
    let program = std::env::current_exe().map_err(cannot)?;
    let mut child = Command::new(program)
        .arg("serve")
        .arg("--data-dir")
        .arg(&context.config.home)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(cannot)?)
        .stderr(log)
        // Apart from the client's process group, so that its Ctrl-C does not end the server.
        .process_group(0)
        .spawn()
        .map_err(cannot)?;
    // Another process may have started one at the same moment: ours then ends, theirs answers.
    wait(client, START, Some(&mut child)).await.map_err(|_| {
        let log = std::fs::read_to_string(&path).unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(4).collect();
        let last: Vec<_> = last.into_iter().rev().collect();
        Failure::failed(
            "start_failed",
            format!("the server did not start: {}", last.join(" / ")),
        )
        .next(format!(
            "see {}, or start it yourself: executor serve",
            path.display()
        ))
    })
}

/// Looks for a server until it answers, patience ends, or the started one has ended.
async fn wait(client: &Client, patience: Duration, mut started: Option<&mut Child>) -> Result<()> {
    let begun = Instant::now();
    loop {
        let ended = started
            .as_mut()
            .is_some_and(|c| matches!(c.try_wait(), Ok(Some(_))));
        let over = ended || begun.elapsed() > patience;
        match client.alive_here().await {
            Ok(_) => return Ok(()),
            Err(failure) if over => return Err(failure),
            Err(_) => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
}
