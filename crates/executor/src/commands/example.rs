//! `executor example`: connects the bundled API, runs a first program and explains each step.
//!
//! Everything it does, a person could do with other commands; it says which. Doing it twice is
//! harmless. Where no server runs it starts one for its own time.

use crate::client::Client;
use crate::commands::run::submit;
use crate::context::Context;
use crate::example_api::{NAME, PROGRAM, TITLE, TOKEN};
use crate::failure::{Exit, Failure, Result};
use crate::follow::{Asked, Followed, follow};
use crate::home;
use crate::output::{Paint, plain};
use crate::serve::{self, Running};
use crate::show::conclude;
use api::credentials::{Credential, NewCredential};
use api::sources::{NewSource, Source};
use api::tasks::NewTask;
use reqwest::Method;
use serde_json::json;

/// Adds the bundled example API, runs a first program against it and explains each step
#[derive(clap::Args)]
#[command(
    after_help = "The program reads, which is allowed, and writes, which asks you. No network is needed.\n\nExamples:\n  executor example\n  executor example --approve   answers the question itself\n  executor example --remove"
)]
pub(crate) struct Arguments {
    /// Take the example out again
    #[arg(long, conflicts_with = "approve")]
    remove: bool,
    /// Approve the write without asking, and say so
    #[arg(long)]
    approve: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let (client, own) = reach(context).await?;
    let done = if arguments.remove {
        remove(context, &client).await
    } else {
        tour(context, &client, own.is_some(), arguments.approve).await
    };
    if let Some(running) = own {
        running.stop().await?;
    }
    done
}

/// The server of the directory, or one of our own for the time of this command.
async fn reach(context: &Context) -> Result<(Client, Option<Running>)> {
    let client = context.client_to_be()?;
    match client.alive_here().await {
        Ok(_) => Ok((client, None)),
        Err(_) if context.config.url.is_none() => {
            let running = serve::start(&context.config).await?;
            Ok((client.again(), Some(running)))
        }
        Err(failure) => Err(failure),
    }
}

async fn remove(context: &Context, client: &Client) -> Result<Exit> {
    let sources: Vec<Source> = client.list(&["sources"], &[], usize::MAX).await?;
    let found = sources.iter().find(|s| s.name == NAME && s.title == TITLE);
    if let Some(source) = found {
        client.delete(&["sources", &source.id]).await?;
    }
    context.output.show(
        &json!({ "name": NAME, "removed": found.is_some() }),
        |_| match found {
            Some(_) => format!("removed source {NAME} with its credential"),
            None => "the example was not there".to_owned(),
        },
    );
    Ok(Exit::Done)
}

async fn tour(context: &Context, client: &Client, own: bool, approve: bool) -> Result<Exit> {
    let output = &context.output;
    let step = |title: &str, text: &str| {
        let lines = text
            .lines()
            .map(|l| format!("\n{:1$}{l}", "", if l.is_empty() { 0 } else { 2 }));
        let lines: Vec<_> = lines.collect();
        output.note(&format!(
            "\n{}{}",
            output.on_err(Paint::Bold, title),
            lines.concat()
        ));
    };
    if own {
        output.note(&format!("No server runs, so this command runs one at {} until it ends. `executor serve` keeps one.", client.address()));
    }
    let source = connect(context, client).await?;
    step(
        "1. Connect an API",
        &format!(
            "{}: {} tools, one for each operation of {}\nIts bearer token is sealed in the database; no program ever sees it.\nYour own: executor sources add URL --auth bearer",
            plain(&source.name),
            source.tool_count,
            plain(&source.origin)
        ),
    );
    step(
        "2. Run a program",
        &format!(
            "An agent would send this over MCP or HTTP. It runs in a locked sandbox.\n\n{}",
            PROGRAM.trim_end()
        ),
    );
    let new = NewTask {
        code: PROGRAM.to_owned(),
        ..NewTask::default()
    };
    let task = submit(client, &new).await?;
    step(
        "3. Follow it",
        &format!(
            "{}\nReading is allowed; the payment needs a person, who sees exactly what will be sent.\n",
            task.id
        ),
    );
    let asked = match approve {
        true => Asked::Approve,
        false if output.can_ask() => Asked::Prompt,
        false => Asked::Show,
    };
    let (task, logs) = match follow(client, output, &task.id, asked).await? {
        Followed::Ended(task, logs) => (task, logs),
        Followed::Left => {
            output.err(&format!(
                "left; `executor tasks show {}` shows how it goes on",
                task.id
            ));
            return Ok(Exit::Canceled);
        }
    };
    step(
        "4. What came of it",
        match task.status.as_str() {
            "completed" => "The call was sent once, after the answer. The program's result:\n",
            "denied" => "Nothing was sent. A program can catch a denial; this one does not.\n",
            _ => "The task did not complete.\n",
        },
    );
    let exit = conclude(output, &task, &logs);
    step(
        "5. Look around",
        &format!(
            "executor tasks show {}\nexecutor audit list\nexecutor tools search 'revoke a payment'\nexecutor policies add allow ledger.payments.create --when 'amount <= 20000'\nclaude mcp add executor -- executor mcp",
            task.id
        ),
    );
    Ok(exit)
}

/// Adds the source and its credential where they are missing, or the address has changed.
async fn connect(context: &Context, client: &Client) -> Result<Source> {
    let example = home::notice(&context.config.home).and_then(|n| n.example).ok_or_else(|| {
        Failure::failed("no_example", "the server does not offer the example API")
            .next("it needs a server of this data directory, bound to loopback, with the setting `example` on")
    })?;
    let url = format!("{example}/openapi.json");
    let sources: Vec<Source> = client.list(&["sources"], &[], usize::MAX).await?;
    let mut present = sources.into_iter().find(|s| s.name == NAME);
    if let Some(source) = &present {
        if source.title != TITLE {
            return Err(Failure::failed(
                "name_taken",
                format!(
                    "there is another source named {NAME}, from {}",
                    source.origin
                ),
            )
            .next(format!("remove it first: executor sources remove {NAME}")));
        }
        if source.origin != url {
            client.delete(&["sources", &source.id]).await?;
            present = None;
        }
    }
    let source = match present {
        Some(source) => source,
        None => {
            let new = NewSource {
                url: Some(url),
                name: Some(NAME.to_owned()),
                allow_private: true,
                ..NewSource::default()
            };
            client.send(Method::POST, &["sources"], &new).await?
        }
    };
    let credentials: Vec<Credential> = client.list(&["credentials"], &[], usize::MAX).await?;
    if !credentials.iter().any(|c| c.source == NAME) {
        let new = NewCredential {
            source: NAME.to_owned(),
            value: TOKEN.to_owned(),
            scope: None,
            auth: Some("bearer".to_owned()),
            label: None,
        };
        let _set: Credential = client.send(Method::POST, &["credentials"], &new).await?;
    }
    Ok(source)
}
