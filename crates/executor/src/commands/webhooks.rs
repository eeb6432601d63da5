//! `executor webhooks`: addresses that are told when a person is asked, and what became of it.

use crate::client::Client;
use crate::commands::{find, removed};
use crate::context::Context;
use crate::duration::parse_ms;
use crate::failure::{Exit, Failure, Result};
use crate::output::{plain, table};
use api::webhooks::{
    NewWebhook, Webhook, WebhookAttempt, WebhookChange, WebhookDelivery, WebhookRotation,
    WebhookSecret,
};
use reqwest::Method;

/// Tells other programs when a person is asked, by signed webhooks
#[derive(clap::Args)]
#[command(
    after_help = "What is sent holds a link, never arguments and no token; it is signed as Standard Webhooks\nsays, so libraries of that name check it.\n\nExamples:\n  executor webhooks add https://hooks.example.com/executor\n  executor webhooks test hook_…"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists webhooks, and how telling them has been going
    #[command(after_help = "Example:\n  executor webhooks list --json")]
    List,
    /// Adds a webhook and prints its secret, this once
    #[command(
        after_help = "Examples:\n  executor webhooks add https://hooks.example.com/executor --event approval.pending\n  executor webhooks add http://127.0.0.1:9000/hook --allow-private\n  executor webhooks add https://hooks.slack.com/services/… --format slack --quiet-hours 22:00-07:00+02:00"
    )]
    Add {
        /// Where it is told: a public https address
        url: String,
        /// What it is told: approval.pending, approval.changed, approval.resolved; all unless given
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<String>,
        #[command(flatten)]
        readers: Readers,
        /// Lets the address be private, or without TLS
        #[arg(long)]
        allow_private: bool,
    },
    /// Sends a test at once and shows what came back; exit 1 if it was not taken
    #[command(after_help = "Example:\n  executor webhooks test hook_…")]
    Test {
        /// The webhook's id, or its address
        webhook: String,
    },
    /// Changes a webhook: what is not given stays; its failures are forgotten
    #[command(
        after_help = "Examples:\n  executor webhooks edit hook_… --off\n  executor webhooks edit hook_… --url https://hooks.example.com/new\n  executor webhooks edit hook_… --quiet-hours none"
    )]
    Edit {
        /// The webhook's id, or its address
        webhook: String,
        /// Where it is told
        #[arg(long)]
        url: Option<String>,
        /// What it is told
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<String>,
        #[command(flatten)]
        readers: Readers,
        /// Switches it on
        #[arg(long, conflicts_with = "off")]
        on: bool,
        /// Switches it off
        #[arg(long)]
        off: bool,
        /// Whether the address may be private, or without TLS
        #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
        allow_private: Option<bool>,
    },
    /// Makes a new secret and prints it, this once; the old one signs too for a while
    #[command(
        after_help = "Examples:\n  executor webhooks rotate hook_…\n  executor webhooks rotate hook_… --overlap 0s"
    )]
    Rotate {
        /// The webhook's id, or its address
        webhook: String,
        /// How long the old secret goes on signing, at most 7d [default: 24h]
        #[arg(long, value_name = "TIME", value_parser = parse_ms)]
        overlap: Option<u64>,
    },
    /// Removes a webhook with everything it was still to be told
    #[command(after_help = "Example:\n  executor webhooks remove hook_…")]
    Remove {
        /// The webhook's id, or its address
        webhook: String,
    },
    /// Lists what a webhook was told in the last week and is to be told
    #[command(after_help = "Example:\n  executor webhooks deliveries hook_… --limit 5")]
    Deliveries {
        /// The webhook's id, or its address
        webhook: String,
        /// How many at most
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
}

/// Who reads what is sent, and when they do not want to.
#[derive(clap::Args)]
struct Readers {
    /// standard, for programs, which are told every event at once; slack, for people: messages, at most
    /// five a minute, above that together as one
    #[arg(long, value_parser = ["standard", "slack"])]
    format: Option<String>,
    /// Hours in which people are told nothing, by a clock so far ahead of Greenwich: 22:00-07:00+02:00; or none.
    /// What waited comes as one message when they end
    #[arg(long, value_name = "HOURS")]
    quiet_hours: Option<String>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let output = &context.output;
    match arguments.command {
        Command::List => {
            let all: Vec<Webhook> = client.list(&["webhooks"], &[], usize::MAX).await?;
            output.show(&all, |all| listed(all));
        }
        Command::Add {
            url,
            events,
            readers,
            allow_private,
        } => {
            let new = NewWebhook {
                url,
                events,
                format: readers.format,
                quiet_hours: readers.quiet_hours,
                allow_private,
            };
            let added: WebhookSecret = client.send(Method::POST, &["webhooks"], &new).await?;
            output.show(&added, with_secret);
        }
        Command::Test { webhook } => {
            let webhook = one(&client, &webhook).await?;
            let told: WebhookDelivery =
                client.post(&["webhooks", &webhook.id, "test"], &[]).await?;
            output.show(&told, |d| {
                format!("{}: {}", d.status, message(d.last_attempt.as_ref()))
            });
            let is_taken = told.status == "delivered";
            return Ok(if is_taken { Exit::Done } else { Exit::Failed });
        }
        Command::Edit {
            webhook,
            url,
            events,
            readers,
            on,
            off,
            allow_private,
        } => {
            let webhook = one(&client, &webhook).await?;
            let change = WebhookChange {
                url,
                events: (!events.is_empty()).then_some(events),
                format: readers.format,
                quiet_hours: readers.quiet_hours,
                enabled: (on || off).then_some(on),
                allow_private,
            };
            let path = ["webhooks", &webhook.id];
            let changed: Webhook = client.send(Method::PATCH, &path, &change).await?;
            output.show(&changed, |w| listed(std::slice::from_ref(w)));
        }
        Command::Rotate { webhook, overlap } => {
            let rotation = WebhookRotation {
                overlap_seconds: overlap.map(seconds).transpose()?,
            };
            let webhook = one(&client, &webhook).await?;
            let path = ["webhooks", &webhook.id, "rotate"];
            let rotated: WebhookSecret = client.send(Method::POST, &path, &rotation).await?;
            output.show(&rotated, with_secret);
        }
        Command::Remove { webhook } => {
            let webhook = one(&client, &webhook).await?;
            client.delete(&["webhooks", &webhook.id]).await?;
            return Ok(removed(context, "webhook", &webhook.id));
        }
        Command::Deliveries { webhook, limit } => {
            let webhook = one(&client, &webhook).await?;
            let path = ["webhooks", &webhook.id, "deliveries"];
            let told: Vec<WebhookDelivery> = client.list(&path, &[], limit).await?;
            output.show(&told, |told| delivered(told));
        }
    }
    Ok(Exit::Done)
}

fn seconds(ms: u64) -> Result<u32> {
    u32::try_from(ms / 1_000).map_err(|_| Failure::usage("the old secret can sign for at most 7d"))
}

/// A webhook by its id, or by its address.
async fn one(client: &Client, wanted: &str) -> Result<Webhook> {
    let all: Vec<Webhook> = client.list(&["webhooks"], &[], usize::MAX).await?;
    if all.iter().filter(|w| w.url == wanted).count() > 1 {
        return Err(Failure::usage("several webhooks have that address")
            .next("name one by its id; `executor webhooks list` shows them"));
    }
    find(&all, "webhook", wanted, |w| {
        w.id == wanted || w.url == wanted
    })
    .cloned()
}

fn with_secret(shown: &WebhookSecret) -> String {
    format!(
        "{}\n\nIts secret, shown this once:\n  {}",
        listed(std::slice::from_ref(&shown.webhook)),
        shown.secret
    )
}

fn message(attempt: Option<&WebhookAttempt>) -> String {
    attempt.map_or_else(String::new, |a| plain(&a.message))
}

fn listed(webhooks: &[Webhook]) -> String {
    let row = |w: &Webhook| {
        let last = w.last_delivered_at.as_deref().unwrap_or("never");
        let format = match &w.quiet_hours {
            None => w.format.clone(),
            Some(hours) => format!("{}, quiet {hours}", w.format),
        };
        vec![
            plain(&w.url),
            w.events.join(" "),
            format,
            w.status.clone(),
            w.failures.to_string(),
            last.to_owned(),
            w.id.clone(),
        ]
    };
    let head = [
        "URL",
        "EVENTS",
        "FORMAT",
        "STATUS",
        "FAILURES",
        "LAST TAKEN",
        "ID",
    ];
    table(&head, &webhooks.iter().map(row).collect::<Vec<_>>())
}

fn delivered(deliveries: &[WebhookDelivery]) -> String {
    let row = |d: &WebhookDelivery| {
        vec![
            d.created_at.clone(),
            d.event.clone(),
            d.subject.clone(),
            d.status.clone(),
            d.attempts.to_string(),
            message(d.last_attempt.as_ref()),
        ]
    };
    let head = ["AT", "EVENT", "ABOUT", "STATUS", "TRIES", "LAST ANSWER"];
    table(&head, &deliveries.iter().map(row).collect::<Vec<_>>())
}
