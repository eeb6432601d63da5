//! `executor approvals`: what people are asked, and their answers.

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::follow::{answer, typed};
use crate::output::{plain, table};
use crate::show::describe;
use crate::terminal::Lines;
use api::approvals::Approval;
use api::system::Me;
use serde_json::Value;
use std::collections::VecDeque;

/// Shows and answers what people are asked
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor approvals list --status pending\n  executor approvals deny appr_… --reason 'wrong account'"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists approvals, the newest first
    #[command(after_help = "Example:\n  executor approvals list --status pending --json")]
    List {
        /// Only with this status: pending, approved, denied, expired, withdrawn
        #[arg(long)]
        status: Option<String>,
        /// Approvals at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Shows one approval with the exact request
    #[command(after_help = "Example:\n  executor approvals show appr_…")]
    Show {
        /// The approval's id
        id: String,
    },
    /// Lets the call through
    #[command(after_help = "Example:\n  executor approvals approve appr_…")]
    Approve {
        /// The approval's id
        id: String,
        /// Why, for the record
        #[arg(long)]
        reason: Option<String>,
    },
    /// Refuses the call
    #[command(after_help = "Example:\n  executor approvals deny appr_… --reason 'wrong account'")]
    Deny {
        /// The approval's id
        id: String,
        /// Why, for the program and the record
        #[arg(long)]
        reason: Option<String>,
    },
    /// Shows approvals as they come and takes answers at the terminal
    #[command(after_help = "Example:\n  executor approvals watch")]
    Watch,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    match arguments.command {
        Command::List { status, limit } => {
            let query: Vec<_> = status
                .as_deref()
                .map(|s| ("status", s))
                .into_iter()
                .collect();
            let approvals: Vec<Approval> = client.list(&["approvals"], &query, limit).await?;
            context.output.show(&approvals, |approvals| {
                let row = |a: &Approval| {
                    vec![
                        a.id.clone(),
                        a.status.clone(),
                        a.risk.clone(),
                        a.tool.clone(),
                        a.expires_at.clone(),
                        a.arguments.to_string(),
                    ]
                };
                let rows: Vec<_> = approvals.iter().map(row).collect();
                table(
                    &["ID", "STATUS", "RISK", "TOOL", "EXPIRES", "ARGUMENTS"],
                    &rows,
                )
            });
        }
        Command::Show { id } => {
            let approval: Approval = client.get(&["approvals", &id], &[]).await?;
            context.output.show(&approval, |a| {
                format!("{}\n  status {}", describe(&context.output, a), ended(a))
            });
        }
        Command::Approve { id, reason } => {
            answered(context, &client, &id, "approve", reason).await?
        }
        Command::Deny { id, reason } => answered(context, &client, &id, "deny", reason).await?,
        Command::Watch => return watch(context, client).await,
    }
    Ok(Exit::Done)
}

async fn answered(
    context: &Context,
    client: &Client,
    id: &str,
    verdict: &str,
    reason: Option<String>,
) -> Result<()> {
    let approval: Approval = client.get(&["approvals", id], &[]).await?;
    let approval = answer(client, &approval, verdict, reason).await?;
    context.output.show(&approval, |a| {
        format!("{} {} {}", a.id, a.status, plain(&a.tool))
    });
    Ok(())
}

fn ended(approval: &Approval) -> String {
    let mut text = approval.status.clone();
    for (word, value) in [
        ("by", &approval.decided_by),
        ("via", &approval.decided_via),
        ("at", &approval.decided_at),
        ("because", &approval.reason),
    ] {
        if let Some(value) = value.as_ref().filter(|v| !v.is_empty()) {
            text.push_str(&format!(" {word} {}", plain(value)));
        }
    }
    text
}

/// Asks about what is pending, then about what comes, until Ctrl-C.
async fn watch(context: &Context, client: Client) -> Result<Exit> {
    let output = &context.output;
    if !output.can_ask() || output.json {
        return Err(
            Failure::usage("`approvals watch` asks on the terminal, and there is none").next(
                "use `executor approvals list --status pending --json`, then approve or deny by id",
            ),
        );
    }
    let me: Me = client.get(&["me"], &[]).await?;
    // The stream is opened before the list is read, so nothing falls between the two.
    let mut stream = client
        .events(&["workspaces", &me.workspace.id, "events"], None)
        .await?;
    let mut waiting: VecDeque<Approval> = client
        .list(&["approvals"], &[("status", "pending")], 1_000)
        .await?
        .into_iter()
        .rev()
        .collect();
    let mut lines = Lines::default();
    output.note("watching; Ctrl-C ends");
    let mut asked = String::new();
    loop {
        if let Some(first) = waiting.front()
            && first.id != asked
        {
            output.err(&describe(output, first));
            output.ask(&format!(
                "Send {}? [y]es, [n]o and why: ",
                plain(&first.tool)
            ));
            asked.clone_from(&first.id);
        }
        tokio::select! {
            event = stream.next() => {
                let Some(event) = event? else {
                    return Err(Failure::unreachable("the server ended the stream").next("run it again once the server is back"));
                };
                let text = |key: &str| event.data.get(key).and_then(Value::as_str).unwrap_or_default();
                let id = text("approvalId");
                if event.kind != "approval" || waiting.iter().any(|a| a.id == id) && text("status") == "pending" {
                    continue;
                }
                if text("status") == "pending" {
                    waiting.push_back(client.get(&["approvals", id], &[]).await?);
                } else if waiting.iter().any(|a| a.id == id) {
                    output.note(&format!("\n{id} is {}", plain(text("status"))));
                    waiting.retain(|a| a.id != id);
                }
            }
            line = lines.next(), if !waiting.is_empty() => {
                asked.clear();
                if let (Some(first), Some((verdict, reason))) = (waiting.front().cloned(), typed(&line)) {
                    waiting.pop_front();
                    match answer(&client, &first, verdict, reason).await {
                        Ok(a) => output.note(&format!("{} {}", a.id, a.status)),
                        Err(failure) => output.failure(&failure),
                    }
                }
            }
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
        }
    }
}
