//! `executor tasks`: look at tasks, follow their logs, end them, run them again.

use crate::client::Client;
use crate::commands::run::{detached, to_the_end};
use crate::context::Context;
use crate::duration::parse_since;
use crate::failure::{Exit, Failure, Result};
use crate::follow::Asked;
use crate::output::{brief, fields, plain, table};
use crate::reconnect::Source;
use crate::result::{handle, unwritable, write_whole};
use api::tasks::{
    Call, LogLine, NewFork, SandboxStart, SeenClient, SeenClients, StopClient, StoppedClient, Task,
};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Shows, cancels and repeats tasks
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor tasks list --status waiting\n  executor tasks logs task_… -f\n  executor tasks result task_… --out result.json"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists tasks, the newest first
    #[command(after_help = "Example:\n  executor tasks list --status failed --since 24h --json")]
    List(ListArguments),
    /// Shows one task with its calls
    #[command(after_help = "Example:\n  executor tasks show task_… --json")]
    Show {
        /// The task's id
        id: String,
    },
    /// Prints the whole result of a task, however large
    #[command(after_help = "Example:\n  executor tasks result task_… --out result.json")]
    Result {
        /// The task's id, or the handle that stands in the place of a large value
        id: String,
        /// Write it to this file instead
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Prints what a task logged
    #[command(after_help = "Example:\n  executor tasks logs task_… -f")]
    Logs {
        /// The task's id
        id: String,
        /// Go on until the task ends
        #[arg(short, long)]
        follow: bool,
    },
    /// Ends a task
    #[command(after_help = "Example:\n  executor tasks cancel task_…")]
    Cancel {
        /// The task's id
        id: String,
    },
    /// Runs the program of a task again, as a new task
    #[command(after_help = "Example:\n  executor tasks rerun task_… --detach")]
    Rerun {
        /// The task's id
        id: String,
        /// Print the new task's id and do not wait
        #[arg(long)]
        detach: bool,
    },
    /// Goes on from the record of a task: what its first calls gave is given again, not sent
    #[command(
        after_help = "Examples:\n  executor tasks fork task_… --from 3\n  executor tasks fork task_… --from 3 --program mended.ts --detach"
    )]
    Fork {
        /// The task's id
        id: String,
        /// The first call that is made anew
        #[arg(long, value_name = "CALL")]
        from: u32,
        /// File with another program, which makes the same calls up to there
        #[arg(long, value_name = "FILE")]
        program: Option<PathBuf>,
        /// Print the new task's id and do not wait
        #[arg(long)]
        detach: bool,
    },
    /// Lists who has sent tasks in the last seven days
    #[command(after_help = "Example:\n  executor tasks clients --json")]
    Clients,
    /// Stops a client: denies what waits of it and cancels its tasks; with --pause, for good
    #[command(
        name = "stop-client",
        after_help = "Name its key, or what it calls itself and how it comes, as `tasks clients` lists them.\n\nExamples:\n  executor tasks stop-client --key key_… --pause --reason 'it went astray'\n  executor tasks stop-client --client claude-code/2.1 --channel mcp"
    )]
    StopClient(StopArguments),
}

#[derive(clap::Args)]
struct StopArguments {
    /// The key that it comes with
    #[arg(long, required_unless_present = "client", conflicts_with_all = ["client", "channel", "account"])]
    key: Option<String>,
    /// What it calls itself
    #[arg(long, requires = "channel")]
    client: Option<String>,
    /// Through what its tasks come: mcp, api, cli
    #[arg(long)]
    channel: Option<String>,
    /// Whose tasks they are: the id of a member; your own by default
    #[arg(long)]
    account: Option<String>,
    /// Why, for its programs and the record
    #[arg(long)]
    reason: Option<String>,
    /// Deny whatever it calls from now on, until the rule is removed
    #[arg(long)]
    pause: bool,
}

#[derive(clap::Args)]
struct ListArguments {
    /// Only with this status: queued, running, waiting, completed, failed, timed_out, denied, canceled
    #[arg(long)]
    status: Option<String>,
    /// Only your own
    #[arg(long)]
    mine: bool,
    /// Words that must stand in the program, client, metadata, error or result, in the path of a
    /// tool that was called, or at the beginning of the id
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// Only of the client that calls itself so
    #[arg(long)]
    client: Option<String>,
    /// Only those that called this tool
    #[arg(long, value_name = "PATH")]
    tool: Option<String>,
    /// Only submitted since: a length of time before now, such as 24h, or an instant
    #[arg(long, value_parser = parse_since, value_name = "WHEN")]
    since: Option<String>,
    /// Only submitted before: a length of time before now, or an instant
    #[arg(long, value_parser = parse_since, value_name = "WHEN")]
    until: Option<String>,
    /// Tasks at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Serialize)]
struct TaskWithCalls {
    #[serde(flatten)]
    task: Task,
    calls: Vec<Call>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    match arguments.command {
        Command::List(arguments) => list(context, &client, &arguments).await?,
        Command::Show { id } => {
            let task: Task = client.get(&["tasks", &id], &[]).await?;
            let calls: Vec<Call> = client
                .list(&["tasks", &id, "calls"], &[], usize::MAX)
                .await?;
            context
                .output
                .show(&TaskWithCalls { task, calls }, |t| shown(context, t));
        }
        Command::Result { id, out } => result(context, &id, out.as_deref()).await?,
        Command::Logs { id, follow: false } => {
            let lines: Vec<LogLine> = client
                .list(&["tasks", &id, "logs"], &[], usize::MAX)
                .await?;
            context.output.show(&lines, |lines| {
                lines
                    .iter()
                    .map(|l| plain(&l.text))
                    .collect::<Vec<_>>()
                    .join("\n")
            });
        }
        Command::Logs { id, follow: true } => follow_logs(context, &id).await?,
        Command::Cancel { id } => {
            let task: Task = client.post(&["tasks", &id, "cancel"], &[]).await?;
            context
                .output
                .show(&task, |t| format!("{} {}", t.id, t.status));
        }
        Command::Rerun { id, detach } => {
            let task: Task = client.post(&["tasks", &id, "rerun"], &[]).await?;
            return begun(context, &client, &task, detach, "running again").await;
        }
        Command::Fork {
            id,
            from,
            program,
            detach,
        } => {
            let code = program.as_deref().map(|path| {
                std::fs::read_to_string(path)
                    .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))
            });
            let new = NewFork {
                from_call: from,
                code: code.transpose()?,
                timeout_ms: None,
            };
            let task: Task = client
                .send(Method::POST, &["tasks", &id, "fork"], &new)
                .await?;
            return begun(context, &client, &task, detach, "going on").await;
        }
        Command::Clients => {
            let seen: SeenClients = client.get(&["clients"], &[]).await?;
            context.output.show(&seen.items, |items| clients(items));
        }
        Command::StopClient(stop) => stop_client(context, &client, stop).await?,
    }
    Ok(Exit::Done)
}

async fn stop_client(context: &Context, client: &Client, stop: StopArguments) -> Result<()> {
    let body = StopClient {
        key: stop.key,
        client: stop.client,
        channel: stop.channel,
        account: stop.account,
        reason: stop.reason,
        pause: stop.pause,
    };
    let stopped: StoppedClient = client
        .send(Method::POST, &["clients", "stop"], &body)
        .await?;
    context.output.show(&stopped, |s| {
        let mut line = format!("denied {} and canceled {}", s.denied, s.canceled);
        if let Some(rule) = &s.rule {
            line.push_str(&format!("; paused by {rule}"));
        }
        line
    });
    Ok(())
}

async fn list(context: &Context, client: &Client, wanted: &ListArguments) -> Result<()> {
    let given = [
        ("status", wanted.status.as_deref()),
        ("mine", wanted.mine.then_some("true")),
        ("q", wanted.search.as_deref()),
        ("client", wanted.client.as_deref()),
        ("tool", wanted.tool.as_deref()),
        ("since", wanted.since.as_deref()),
        ("until", wanted.until.as_deref()),
    ];
    let query: Vec<_> = given
        .iter()
        .filter_map(|(name, value)| Some((*name, (*value)?)))
        .collect();
    let tasks: Vec<Task> = client.list(&["tasks"], &query, wanted.limit).await?;
    context.output.show(&tasks, |tasks| {
        let row = |t: &Task| {
            vec![
                t.id.clone(),
                t.status.clone(),
                t.created_at.clone(),
                t.client.clone(),
                brief(&t.code, 60),
            ]
        };
        table(
            &["ID", "STATUS", "CREATED", "CLIENT", "PROGRAM"],
            &tasks.iter().map(row).collect::<Vec<_>>(),
        )
    });
    Ok(())
}

/// Follows a task that was begun from another one, unless nobody wants to wait.
async fn begun(
    context: &Context,
    client: &Client,
    task: &Task,
    detach: bool,
    what: &str,
) -> Result<Exit> {
    if detach {
        return Ok(detached(context, task));
    }
    context.output.note(&format!("{what} as {}", task.id));
    let asked = if context.output.can_ask() {
        Asked::Prompt
    } else {
        Asked::Show
    };
    to_the_end(context, client, task, asked).await
}

fn clients(seen: &[SeenClient]) -> String {
    let row = |c: &SeenClient| {
        vec![
            plain(&c.client),
            c.channel.clone(),
            c.account.clone(),
            c.key.clone().unwrap_or_default(),
            c.tasks.to_string(),
            c.open.to_string(),
            c.pending.to_string(),
            c.calls_in_day.to_string(),
            c.listed
                .as_ref()
                .map_or_else(String::new, |l| l.tools.to_string()),
            c.last_at.clone(),
        ]
    };
    table(
        &[
            "CLIENT",
            "OVER",
            "FOR",
            "KEY",
            "TASKS",
            "OPEN",
            "WAITING",
            "CALLS IN A DAY",
            "TOOLS LISTED",
            "LAST",
        ],
        &seen.iter().map(row).collect::<Vec<_>>(),
    )
}

/// Prints a result whole, or writes it to a file. It is JSON, so that `--json` changes nothing.
async fn result(context: &Context, id: &str, out: Option<&Path>) -> Result<()> {
    let client = context.client()?;
    let value = if id.starts_with("task_") {
        let task: Task = client.get(&["tasks", id], &[]).await?;
        if task.status != "completed" {
            let message = format!("task {id} has no result: it is {}", task.status);
            return Err(Failure::failed("no_result", message)
                .next(format!("see why with `executor tasks show {id}`")));
        }
        task.result.unwrap_or(Value::Null)
    } else {
        json!({ "$handle": id, "bytes": 0 })
    };
    let mut sink: Box<dyn Write + Send> = match out {
        Some(path) => {
            let file = std::fs::File::create(path).map_err(|e| {
                Failure::failed("output", format!("cannot write {}: {e}", path.display()))
            })?;
            Box::new(std::io::BufWriter::new(file))
        }
        None => Box::new(std::io::stdout()),
    };
    let bytes = match handle(&value) {
        Some((handle, _)) => write_whole(&client, handle, &mut sink).await?,
        None => {
            let text = value.to_string();
            sink.write_all(text.as_bytes())
                .map_err(|e| unwritable(&e))?;
            text.len() as u64
        }
    };
    match out {
        Some(path) => context
            .output
            .note(&format!("{bytes} bytes written to {}", path.display())),
        None => sink.write_all(b"\n").map_err(|e| unwritable(&e))?,
    }
    sink.flush().map_err(|e| unwritable(&e))
}

/// Prints lines as they come, on stdout, until the task has ended; a restart of the server in between
/// loses no line and repeats none.
async fn follow_logs(context: &Context, id: &str) -> Result<()> {
    let output = &context.output;
    let mut client = context.client()?;
    let source = Source {
        output,
        path: vec!["tasks", id, "events"],
        kept: "the task is kept",
        next: format!("start the server, then `executor tasks logs {id}`"),
    };
    let mut last = None;
    let mut lines: Vec<Value> = Vec::new();
    'streams: while let Some(mut stream) = source.open(&mut client, last).await? {
        while let Ok(Some(event)) = stream.next().await {
            last = Some(event.sequence);
            if event.kind != "log" {
                continue;
            }
            if output.json {
                lines.push(event.data);
            } else if let Some(text) = event.data.get("text").and_then(Value::as_str) {
                output.line(&plain(text));
            }
        }
        match client.get::<Task>(&["tasks", id], &[]).await {
            Ok(task) if task.finished_at.is_some() => break 'streams,
            Ok(_) => {}
            Err(failure) if failure.exit == Exit::Unreachable => {}
            Err(failure) => return Err(failure),
        }
    }
    if output.json {
        output.document(&lines);
    }
    Ok(())
}

fn shown(context: &Context, shown: &TaskWithCalls) -> String {
    let TaskWithCalls { task, calls } = shown;
    let error = task.error.as_ref().map_or_else(String::new, |e| {
        let place = e.line.map_or_else(String::new, |l| format!(" (line {l})"));
        format!("{}: {}{place}", e.code, e.message)
    });
    let mut out = fields(&[
        ("task", task.id.clone()),
        ("status", task.status.clone()),
        (
            "by",
            format!("{} via {} {}", task.requested_by, task.channel, task.client),
        ),
        ("runtime", task.runtime_id.clone()),
        ("runs as", task.run_as.clone().unwrap_or_default()),
        ("created", task.created_at.clone()),
        ("started", task.started_at.clone().unwrap_or_default()),
        ("sandbox", sandboxes(&task.sandbox_starts)),
        ("finished", task.finished_at.clone().unwrap_or_default()),
        (
            "result",
            task.result
                .as_ref()
                .map(Value::to_string)
                .unwrap_or_default(),
        ),
        ("error", error),
        ("log lines", task.log_lines.to_string()),
        ("program", task.code.clone()),
    ]);
    if !calls.is_empty() {
        let row = |c: &Call| {
            vec![
                c.sequence.to_string(),
                c.tool.clone(),
                c.status.clone(),
                c.decision.clone(),
                c.arguments.to_string(),
            ]
        };
        out.push_str("\n\n");
        out.push_str(&table(
            &["#", "CALL", "STATUS", "DECISION", "ARGUMENTS"],
            &calls.iter().map(row).collect::<Vec<_>>(),
        ));
    }
    for approval in task.approvals.iter().filter(|a| a.status == "pending") {
        out.push_str(&format!(
            "\n\nwaits for an answer: {} {}\n{}",
            approval.tool,
            context.output.status(&approval.status),
            approval.url
        ));
    }
    out
}

/// When each sandbox of a task was asked for, and how long its start took.
fn sandboxes(starts: &[SandboxStart]) -> String {
    let each = starts
        .iter()
        .map(|start| format!("{} took {} ms", start.asked_at, start.took_ms));
    each.collect::<Vec<_>>().join("\n")
}
