//! `executor web`: opens the page signed in, by a link that works once.

use crate::context::Context;
use crate::failure::{Exit, Result};
use api::system::SignInLink;
use std::process::{Command, Stdio};

/// Opens the dashboard, signed in by a one-time link
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor web\n  executor web --print   for another browser or machine"
)]
pub(crate) struct Arguments {
    /// Print the link instead of opening it
    #[arg(long)]
    print: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let link: SignInLink = context.client()?.post(&["sign-in-links"], &[]).await?;
    context.output.show(&link, |link| link.url.clone());
    if !arguments.print && !context.output.json && !open(&link.url) {
        context
            .output
            .note("no browser could be started; open the link above yourself");
    }
    context
        .output
        .note(&format!("the link works once, until {}", link.expires_at));
    Ok(Exit::Done)
}

/// Gives an address to the system to be opened: as one argument, through no shell.
pub(crate) fn open(url: &str) -> bool {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok()
}
