//! `executor run`: submits a program, follows it, prints its result.

use crate::client::{Client, idempotency_key};
use crate::context::Context;
use crate::duration::parse_ms;
use crate::failure::{Exit, Failure, Result};
use crate::follow::{Asked, Followed, follow};
use crate::output::plain;
use crate::program::Program;
use crate::show::{conclude, excerpt};
use api::tasks::{NewTask, Task};
use serde_json::{Map, Value, json};

/// Runs a program, streams its logs to stderr and prints its result to stdout
#[derive(clap::Args)]
#[command(
    after_help = "The program is the body of an async function: `await` anywhere, `return` gives the result.\nA call that needs a person is shown with its exact request, and the command waits.\nCtrl-C leaves; the task goes on.\n\nExamples:\n  executor run -e 'return 1 + 1'\n  executor run report.ts --timeout 2m --metadata ticket=42\n  echo 'return await tools.discover(\"payments\")' | executor run - --json"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    program: Program,
    /// Time it may take, not counting the time a person is asked: 500ms, 30s, 5m
    #[arg(long, value_parser = parse_ms)]
    timeout: Option<u64>,
    /// Runtime to run it in
    #[arg(long, value_name = "ID")]
    runtime: Option<String>,
    /// Print the task's id and do not wait
    #[arg(long)]
    detach: bool,
    /// Something to keep with the task
    #[arg(long, value_name = "K=V", value_parser = key_value)]
    metadata: Vec<(String, String)>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let metadata: Map<String, Value> = arguments
        .metadata
        .iter()
        .map(|(k, v)| (k.clone(), json!(v)))
        .collect();
    let new = NewTask {
        code: arguments.program.read()?,
        timeout_ms: arguments.timeout,
        runtime_id: arguments.runtime,
        metadata: (!metadata.is_empty()).then_some(Value::Object(metadata)),
        wait_ms: None,
    };
    let client = context.client()?;
    let task = match submit(&client, &new).await {
        Ok(task) => task,
        Err(failure) if failure.code == "syntax_error" => {
            return Ok(refused(context, &new.code, &failure));
        }
        Err(failure) => return Err(failure),
    };
    if arguments.detach {
        return Ok(detached(context, &task));
    }
    let asked = if context.output.can_ask() && !arguments.program.is_stdin() {
        Asked::Prompt
    } else {
        Asked::Show
    };
    to_the_end(context, &client, &task, asked).await
}

/// Submits a program; a repetition after a broken connection does not run it twice.
pub(crate) async fn submit(client: &Client, new: &NewTask) -> Result<Task> {
    let key = idempotency_key()?;
    match client.send_once(&["tasks"], new, &key).await {
        Err(failure) if failure.exit == Exit::Unreachable => {
            client.again().send_once(&["tasks"], new, &key).await
        }
        done => done,
    }
}

/// Follows a task and prints how it ended.
pub(crate) async fn to_the_end(
    context: &Context,
    client: &Client,
    task: &Task,
    asked: Asked,
) -> Result<Exit> {
    let output = &context.output;
    match follow(client, output, &task.id, asked).await? {
        Followed::Ended(task, logs) => Ok(conclude(output, &task, &logs)),
        Followed::Left => {
            if output.json {
                detached(context, task);
            }
            output.err(&format!(
                "left; the task goes on: `executor tasks show {0}`, `executor tasks cancel {0}`",
                task.id
            ));
            Ok(Exit::Canceled)
        }
    }
}

/// Prints a task that nobody waits for.
pub(crate) fn detached(context: &Context, task: &Task) -> Exit {
    let document = json!({
        "taskId": task.id, "status": task.status, "result": null, "logs": [], "error": null,
    });
    context.output.show(&document, |_| task.id.clone());
    Exit::Done
}

/// A program that does not parse never became a task.
fn refused(context: &Context, code: &str, failure: &Failure) -> Exit {
    let number = |key: &str| {
        let value = failure
            .details
            .as_ref()
            .and_then(|d| d.get(key))
            .and_then(Value::as_u64);
        value.and_then(|v| u32::try_from(v).ok())
    };
    let (line, column) = (number("line"), number("column"));
    if context.output.json {
        context.output.document(&json!({
            "taskId": null, "status": "failed", "result": null, "logs": [],
            "error": { "code": failure.code, "message": failure.message, "line": line, "column": column },
        }));
    }
    // The server's sentence goes on with the offending line, which stands below with a mark.
    let sentence = failure.message.lines().next().unwrap_or_default();
    context
        .output
        .err(&format!("syntax error: {}", plain(sentence)));
    if let Some(line) = line {
        context.output.err(&excerpt(code, line, column));
    }
    Exit::Failed
}

fn key_value(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
