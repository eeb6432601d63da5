//! `executor web`: opens the page signed in, by a link that works once.

use crate::context::Context;
use crate::failure::{Exit, Result};
use api::system::SignInLink;
use std::process::{Command, Stdio};

/// Opens the dashboard, signed in by a one-time link
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor web\n  executor web --print   for another browser or machine\n  executor web --page /approvals/appr_…"
)]
pub(crate) struct Arguments {
    /// Print the link instead of opening it
    #[arg(long)]
    print: bool,
    /// Where the browser goes once it is signed in: a path of the dashboard
    #[arg(long, value_name = "PATH", value_parser = page)]
    page: Option<String>,
}

fn page(text: &str) -> std::result::Result<String, String> {
    if domain::sign_in::local_path(text) == text {
        Ok(text.to_owned())
    } else {
        Err("a page is a path of the server, such as /approvals".to_owned())
    }
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let mut link: SignInLink = context.client()?.post(&["sign-in-links"], &[]).await?;
    if let (Some(page), Ok(mut url)) = (&arguments.page, url::Url::parse(&link.url)) {
        url.query_pairs_mut().append_pair("next", page);
        link.url = url.into();
    }
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
