//! `executor tools`: find, read and call what the connected APIs offer.

use crate::client::Client;
use crate::commands::json_object;
use crate::commands::run::to_the_end;
use crate::context::Context;
use crate::failure::{Exit, Result};
use crate::follow::Asked;
use crate::output::{brief, fields, plain, table};
use api::tasks::Task;
use api::tools::{
    Discovery, Namespace, Namespaces, ToolCall, ToolClient, ToolDescription, ToolEnded, ToolHit,
    ToolList, ToolUsage,
};
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeMap;

/// Tools asked for at once.
const PAGE: usize = 200;

/// Finds, describes and calls tools
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor tools search 'create an issue'\n  executor tools describe github.issues.create"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Searches tools by what they do
    #[command(
        after_help = "Example:\n  executor tools search 'create an issue' --namespace github --json"
    )]
    Search {
        /// What to look for
        query: String,
        /// Only below this path
        #[arg(long)]
        namespace: Option<String>,
        /// Tools at most
        #[arg(long, default_value_t = 8)]
        limit: usize,
    },
    /// Lists the namespaces, or every tool below one
    #[command(
        after_help = "Examples:\n  executor tools list\n  executor tools list github.issues --json\n  executor tools list github --denied"
    )]
    List {
        /// The path to list below
        namespace: Option<String>,
        /// Only those that policy denies to you, with the rule that does (administrators)
        #[arg(long)]
        denied: bool,
    },
    /// Shows a tool with its TypeScript types
    #[command(after_help = "Example:\n  executor tools describe github.issues.create")]
    Describe {
        /// The tool's path
        path: String,
        /// Also where policy denies it to you (administrators)
        #[arg(long)]
        denied: bool,
    },
    /// Says what the calls of a tool came to in the last thirty days
    #[command(after_help = "Example:\n  executor tools usage github.issues.create --json")]
    Usage {
        /// The tool's path
        path: String,
    },
    /// Calls one tool, through the same gate as a program
    #[command(
        after_help = "Example:\n  executor tools call ledger.accounts.get '{\"accountId\": \"acc_operations\"}'"
    )]
    Call {
        /// The tool's path
        path: String,
        /// Its arguments
        #[arg(value_name = "JSON", value_parser = json_object)]
        arguments: Option<Value>,
        /// The credential that the call carries: its id, its label, or whom it serves where that is
        /// only one; by default the one that an agent's call would carry
        #[arg(long, value_name = "NAME")]
        credential: Option<String>,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    match arguments.command {
        Command::Search {
            query,
            namespace,
            limit,
        } => {
            let limit = limit.to_string();
            let mut pairs = vec![("query", query.as_str()), ("limit", &limit)];
            pairs.extend(namespace.as_deref().map(|n| ("namespace", n)));
            let found: Discovery = client.get(&["tools", "search"], &pairs).await?;
            context.output.show(&found, |f| {
                let more = if f.has_more {
                    format!("\n{} in all; --limit shows more", f.total)
                } else {
                    String::new()
                };
                format!("{}{more}", hits(&f.results))
            });
        }
        Command::List {
            namespace: None,
            denied,
        } => {
            let query: &[_] = if denied { &[("denied", "only")] } else { &[] };
            let found: Namespaces = client.get(&["tools", "namespaces"], query).await?;
            let shown = |found: &Vec<_>| in_namespaces(found);
            context.output.show(&found.namespaces, shown);
        }
        Command::List {
            namespace: Some(namespace),
            denied,
        } => {
            let which = if denied { "only" } else { "without" };
            let all = all_below(&client, &namespace, which).await?;
            context.output.show(&all, |all| hits(all));
        }
        Command::Describe { path, denied } => {
            let which = if denied { "too" } else { "without" };
            let query = [("path", path.as_str()), ("denied", which)];
            let tool: ToolDescription = client.get(&["tools", "describe"], &query).await?;
            context.output.show(&tool, described);
        }
        Command::Usage { path } => {
            let usage: ToolUsage = client.get(&["tools", "usage"], &[("path", &path)]).await?;
            context.output.show(&usage, used);
        }
        Command::Call {
            path,
            arguments,
            credential,
        } => {
            let call = ToolCall {
                path,
                arguments,
                credential,
                wait_ms: None,
            };
            let task: Task = client.send(Method::POST, &["tools", "call"], &call).await?;
            let asked = if context.output.can_ask() {
                Asked::Prompt
            } else {
                Asked::Show
            };
            return to_the_end(context, &client, &task, asked).await;
        }
    }
    Ok(Exit::Done)
}

fn in_namespaces(namespaces: &[Namespace]) -> String {
    let row = |n: &Namespace| {
        let (count, samples) = (n.tool_count.to_string(), n.sample_paths.join(" "));
        vec![n.namespace.clone(), count, samples]
    };
    let rows: Vec<_> = namespaces.iter().map(row).collect();
    table(&["NAMESPACE", "TOOLS", "FOR EXAMPLE"], &rows)
}

/// Every tool below a path, page by page; which of those that policy denies, `denied` says.
async fn all_below(client: &Client, namespace: &str, denied: &str) -> Result<Vec<ToolHit>> {
    let mut all = Vec::new();
    loop {
        let (limit, offset) = (PAGE.to_string(), all.len().to_string());
        let query = [
            ("namespace", namespace),
            ("limit", &limit),
            ("offset", &offset),
            ("denied", denied),
        ];
        let page: ToolList = client.get(&["tools"], &query).await?;
        let more = page.has_more && !page.results.is_empty();
        all.extend(page.results);
        if !more {
            return Ok(all);
        }
    }
}

/// What policy says, and whether that is so because nobody has looked at the tool as it is now.
fn decision(decision: &str, unreviewed: bool) -> String {
    if unreviewed {
        format!("{decision} (unreviewed)")
    } else {
        decision.to_owned()
    }
}

fn hits(hits: &[ToolHit]) -> String {
    let row = |h: &ToolHit| {
        vec![
            h.path.clone(),
            h.risk.clone(),
            match &h.rule {
                Some(rule) => format!("{} ({rule})", h.decision),
                None => decision(&h.decision, h.unreviewed),
            },
            brief(&h.description, 70),
        ]
    };
    table(
        &["PATH", "RISK", "DECISION", "DOES"],
        &hits.iter().map(row).collect::<Vec<_>>(),
    )
}

fn described(tool: &ToolDescription) -> String {
    let head = fields(&[
        ("tool", tool.path.clone()),
        ("risk", tool.risk.clone()),
        ("decision", decision(&tool.decision, tool.unreviewed)),
        ("rule", tool.rule.clone().unwrap_or_default()),
        ("does", tool.description.clone()),
    ]);
    format!(
        "{head}\n\n{}\n\n{}",
        plain(tool.input.trim()),
        plain(tool.output.trim())
    )
}

fn used(usage: &ToolUsage) -> String {
    let each = |counts: &BTreeMap<String, u64>| {
        let parts: Vec<_> = counts
            .iter()
            .map(|(name, n)| format!("{n} {name}"))
            .collect();
        parts.join(", ")
    };
    let whose = if usage.own_only { "of your own " } else { "" };
    let cut = if usage.cut {
        ", the latest that were looked through"
    } else {
        ""
    };
    let mut out = fields(&[
        ("tool", usage.path.clone()),
        (
            "calls",
            format!("{} {whose}since {}{cut}", usage.calls, usage.since),
        ),
        ("last", usage.last_at.clone().unwrap_or_default()),
        ("ended", each(&usage.outcomes)),
        ("decided", each(&usage.decisions)),
        (
            "took",
            usage.latency.as_ref().map_or_else(String::new, |l| {
                format!("{} ms at p50, {} ms at p95", l.p50_ms, l.p95_ms)
            }),
        ),
    ]);
    if usage.calls == 0 {
        return out;
    }
    let client = |c: &ToolClient| {
        vec![
            plain(&c.client),
            c.channel.clone(),
            c.account.clone(),
            c.calls.to_string(),
            c.failed.to_string(),
            c.last_at.clone(),
        ]
    };
    let clients: Vec<_> = usage.clients.iter().map(client).collect();
    let headings = ["CLIENT", "OVER", "FOR", "CALLS", "FAILED", "LAST"];
    out.push_str("\n\n");
    out.push_str(&table(&headings, &clients));
    let call = |c: &ToolEnded| {
        vec![
            c.finished_at.clone(),
            c.status.clone(),
            c.decision.clone(),
            c.took_ms.map_or_else(String::new, |ms| format!("{ms} ms")),
            c.task_id.clone(),
            c.sequence.to_string(),
        ]
    };
    let calls: Vec<_> = usage.recent.iter().map(call).collect();
    out.push_str("\n\n");
    out.push_str(&table(
        &["ENDED", "STATUS", "DECISION", "TOOK", "TASK", "#"],
        &calls,
    ));
    out
}
