//! `executor notifications`: your own browsers that are told of approvals while they are closed. A
//! browser is added by itself, in the dashboard.

use crate::client::Client;
use crate::commands::removed;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::output::{plain, table};
use api::push::{PushSubscription, PushSubscriptionChange, PushTest};
use reqwest::Method;

const PATH: [&str; 2] = ["push", "subscriptions"];

/// Lists, tests and removes your browsers that are told of approvals while they are closed
#[derive(clap::Args)]
#[command(
    after_help = "A browser is added in the dashboard, under Settings > Notifications: it has to be asked itself.\nWhat is sent names the tool, its risk and who asks, never arguments.\n\nExamples:\n  executor notifications list\n  executor notifications test push_…"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists your browsers, and how telling them has been going
    #[command(after_help = "Example:\n  executor notifications list --json")]
    List,
    /// Sends a browser a test at once and shows what its push service answered; exit 1 if it was not taken
    #[command(after_help = "Example:\n  executor notifications test push_…")]
    Test {
        /// The browser's id, or its name
        browser: String,
    },
    /// Changes what a browser is called, or when it is told nothing
    #[command(
        after_help = "Examples:\n  executor notifications edit push_… --name \"My phone\"\n  executor notifications edit push_… --quiet-hours 22:00-07:00+02:00\n  executor notifications edit push_… --quiet-hours none"
    )]
    Edit {
        /// The browser's id, or its name
        browser: String,
        /// What you call it
        #[arg(long)]
        name: Option<String>,
        /// Hours in which it is told nothing, by a clock so far ahead of Greenwich: 22:00-07:00+02:00; or none.
        /// What waited comes as one message when they end
        #[arg(long, value_name = "HOURS")]
        quiet_hours: Option<String>,
    },
    /// Removes a browser with everything it was still to be told
    #[command(after_help = "Example:\n  executor notifications remove push_…")]
    Remove {
        /// The browser's id, or its name
        browser: String,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let output = &context.output;
    match arguments.command {
        Command::List => {
            let all: Vec<PushSubscription> = client.list(&PATH, &[], usize::MAX).await?;
            output.show(&all, |all| listed(all));
        }
        Command::Test { browser } => {
            let browser = one(&client, &browser).await?;
            let path = [PATH[0], PATH[1], &browser.id, "test"];
            let told: PushTest = client.post(&path, &[]).await?;
            output.show(&told, |told| {
                format!("{}: {}", told.status, plain(&told.attempt.message))
            });
            let is_taken = told.status == "delivered";
            return Ok(if is_taken { Exit::Done } else { Exit::Failed });
        }
        Command::Edit {
            browser,
            name,
            quiet_hours,
        } => {
            let browser = one(&client, &browser).await?;
            let change = PushSubscriptionChange { name, quiet_hours };
            let path = [PATH[0], PATH[1], &browser.id];
            let changed: PushSubscription = client.send(Method::PATCH, &path, &change).await?;
            output.show(&changed, |b| listed(std::slice::from_ref(b)));
        }
        Command::Remove { browser } => {
            let browser = one(&client, &browser).await?;
            client.delete(&[PATH[0], PATH[1], &browser.id]).await?;
            return Ok(removed(context, "browser", &browser.id));
        }
    }
    Ok(Exit::Done)
}

/// A browser by its id, or by its name where only one has it.
async fn one(client: &Client, wanted: &str) -> Result<PushSubscription> {
    let all: Vec<PushSubscription> = client.list(&PATH, &[], usize::MAX).await?;
    if let Some(found) = all.iter().find(|b| b.id == wanted) {
        return Ok(found.clone());
    }
    let named: Vec<&PushSubscription> = all.iter().filter(|b| b.name == wanted).collect();
    match named.as_slice() {
        [found] => Ok((*found).clone()),
        [] => Err(Failure::failed(
            "not_found",
            format!("you have no browser '{wanted}' that is notified"),
        )
        .next("`executor notifications list` shows them")),
        _ => Err(Failure::usage("several of your browsers have that name")
            .next("name one by its id; `executor notifications list` shows them")),
    }
}

fn listed(browsers: &[PushSubscription]) -> String {
    let row = |b: &PushSubscription| {
        vec![
            plain(&b.name),
            b.service.clone(),
            b.quiet_hours.clone().unwrap_or_else(|| "-".to_owned()),
            b.status.clone(),
            b.last_taken_at
                .clone()
                .unwrap_or_else(|| "never".to_owned()),
            b.id.clone(),
        ]
    };
    let head = ["NAME", "SERVICE", "QUIET", "STATUS", "LAST TAKEN", "ID"];
    table(&head, &browsers.iter().map(row).collect::<Vec<_>>())
}
