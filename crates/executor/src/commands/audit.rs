//! `executor audit`: the record of what was done, whether it is whole, and taking it elsewhere.

mod offline;

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::home;
use crate::output::{plain, table};
use api::audit::{AuditCheckpoint, AuditEntry, AuditRetention, AuditVerification};
use offline::{Verdict, Walk};
use reqwest::Method;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The hash-chained record of every sign-in, decision, answer, call and change
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor audit list --action approval --from 2026-11-01T00:00:00Z\n  executor audit export --output audit.jsonl\n  executor audit verify audit.jsonl --checkpoint kept-elsewhere.json"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists entries of the workspace, the newest first
    #[command(after_help = "Example:\n  executor audit list --action call --limit 20 --json")]
    List(ListArguments),
    /// Writes the organization's whole chain, in order
    #[command(
        after_help = "Examples:\n  executor audit export --output audit.jsonl\n  executor audit export --format csv > audit.csv"
    )]
    Export {
        /// `jsonl`, which `audit verify` reads, or `csv` for a spreadsheet
        #[arg(long, default_value = "jsonl")]
        format: String,
        /// Only entries after this one, to continue another export
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// Write to this file; stdout by default
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Checks that every entry follows from the one before; exit 1 if one does not
    ///
    /// Without FILE the server checks its own chain. With FILE an export is checked, with no server
    /// at all. With --checkpoint the chain is compared with what was kept elsewhere, so that a tail
    /// that was cut off and a chain that was written anew show as well.
    #[command(
        after_help = "Examples:\n  executor audit verify --json\n  executor audit verify audit.jsonl --checkpoint checkpoint.json"
    )]
    Verify {
        /// An export in JSON lines
        file: Option<PathBuf>,
        /// A checkpoint that was kept elsewhere; may be given several times
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        /// The key that must have signed every checkpoint, as `audit checkpoint` shows it
        #[arg(long, value_name = "KEY")]
        public_key: Option<String>,
    },
    /// Signs how far the chain has gone; keep it elsewhere
    #[command(after_help = "Example:\n  executor audit checkpoint --output checkpoint.json")]
    Checkpoint {
        /// Write to this file; stdout by default
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Shows or sets for how many days entries are kept; 0 for ever
    #[command(after_help = "Examples:\n  executor audit retention\n  executor audit retention 730")]
    Retention {
        /// Days, 30 to 36500; 0 keeps entries for ever
        days: Option<u32>,
    },
}

#[derive(clap::Args)]
struct ListArguments {
    /// Only actions that begin with this
    #[arg(long)]
    action: Option<String>,
    /// Only what was done to this, such as a task or tool
    #[arg(long)]
    subject: Option<String>,
    /// Only by this person, by account
    #[arg(long, value_name = "ACCOUNT")]
    actor: Option<String>,
    /// Only with this API key, by id
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only through this: dashboard, cli, api, mcp, client or server
    #[arg(long)]
    channel: Option<String>,
    /// Only from this instant on, such as 2026-11-22T18:54:00Z
    #[arg(long, value_name = "INSTANT")]
    from: Option<String>,
    /// Only before this instant
    #[arg(long, value_name = "INSTANT")]
    to: Option<String>,
    /// Only with this text in action, subject, client or detail
    #[arg(long)]
    text: Option<String>,
    /// Entries at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    match arguments.command {
        Command::List(arguments) => list(context, &arguments).await,
        Command::Export {
            format,
            after,
            output,
        } => export(context, &format, after, output.as_deref()).await,
        Command::Verify {
            file: None,
            checkpoint,
            public_key: None,
        } if checkpoint.is_empty() => verify_here(context).await,
        Command::Verify {
            file,
            checkpoint,
            public_key,
        } => verify(context, file.as_deref(), &checkpoint, public_key).await,
        Command::Checkpoint { output } => checkpoint(context, output.as_deref()).await,
        Command::Retention { days } => retention(context, days).await,
    }
}

/// Through what it was done: what the client calls itself, and the key or grant that it brought.
fn through(entry: &AuditEntry) -> String {
    let grant = entry.detail.get("grant").and_then(Value::as_str);
    let brought = entry.key_id.as_deref().or(grant);
    match brought {
        Some(id) => format!("{} {id}", plain(&entry.client)),
        None => plain(&entry.client),
    }
}

async fn list(context: &Context, wanted: &ListArguments) -> Result<Exit> {
    let client = context.client()?;
    let filters = [
        ("action", &wanted.action),
        ("subject", &wanted.subject),
        ("actor", &wanted.actor),
        ("key", &wanted.key),
        ("channel", &wanted.channel),
        ("from", &wanted.from),
        ("to", &wanted.to),
        ("text", &wanted.text),
    ];
    let query: Vec<(&str, &str)> = filters
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)))
        .collect();
    let entries: Vec<AuditEntry> = client.list(&["audit"], &query, wanted.limit).await?;
    context.output.show(&entries, |entries| {
        let row = |e: &AuditEntry| {
            vec![
                e.sequence.to_string(),
                e.at.clone(),
                e.action.clone(),
                e.subject.clone(),
                e.account_id.clone().unwrap_or_default(),
                e.via.clone(),
                through(e),
                e.address.clone().unwrap_or_default(),
                e.detail.to_string(),
            ]
        };
        let rows: Vec<_> = entries.iter().map(row).collect();
        table(
            &[
                "#", "AT", "ACTION", "SUBJECT", "ACTOR", "VIA", "CLIENT", "FROM", "DETAIL",
            ],
            &rows,
        )
    });
    Ok(Exit::Done)
}

async fn export(
    context: &Context,
    format: &str,
    after: u64,
    output: Option<&Path>,
) -> Result<Exit> {
    let client = context.client()?;
    let after = after.to_string();
    let query = [("format", format), ("after", after.as_str())];
    let mut answer = client.download(&["audit", "export"], &query).await?;
    let written = match output {
        None => {
            let mut out = std::io::stdout().lock();
            copy(&client, &mut answer, &mut out, "stdout").await?
        }
        Some(path) => {
            // Beside its place, so that a part is never taken for the whole.
            let draft = path.with_added_extension("part");
            let place = draft.display().to_string();
            let mut file = home::private()
                .create(true)
                .truncate(true)
                .open(&draft)
                .map_err(|e| cannot_write(&place, &e))?;
            let written = copy(&client, &mut answer, &mut file, &place).await?;
            file.sync_all()
                .and_then(|()| std::fs::rename(&draft, path))
                .map_err(|e| cannot_write(&place, &e))?;
            written
        }
    };
    if let Some(path) = output {
        let place = path.display();
        context.output.note(&format!("{written} bytes in {place}"));
    }
    Ok(Exit::Done)
}

async fn copy(
    client: &Client,
    answer: &mut reqwest::Response,
    out: &mut impl Write,
    place: &str,
) -> Result<u64> {
    let mut written = 0;
    while let Some(chunk) = answer.chunk().await.map_err(|e| client.broke_off(&e))? {
        out.write_all(&chunk).map_err(|e| cannot_write(place, &e))?;
        written += chunk.len() as u64;
    }
    out.flush().map_err(|e| cannot_write(place, &e))?;
    Ok(written)
}

fn cannot_write(place: &str, e: &std::io::Error) -> Failure {
    Failure::failed("file_error", format!("cannot write {place}: {e}"))
}

async fn verify_here(context: &Context) -> Result<Exit> {
    let found: AuditVerification = context.client()?.get(&["audit", "verify"], &[]).await?;
    if found.intact || context.output.json {
        context.output.show(&found, |f| {
            let beginning = match f.begins_after {
                0 => String::new(),
                n => format!(" after entry {n}, up to which entries are kept no longer"),
            };
            format!(
                "{} entries{beginning}, every one follows from the one before; {} checkpoints fit\nhead {} at entry {}",
                f.entries, f.checkpoints, f.head, f.sequence
            )
        });
    }
    if found.intact {
        return Ok(Exit::Done);
    }
    broken(context, found.first_bad, &found.problem.unwrap_or_default())
}

fn broken(context: &Context, place: Option<i64>, problem: &str) -> Result<Exit> {
    let place = place.map_or_else(String::new, |n| format!(" at entry {n}"));
    let failure = Failure::failed(
        "audit_broken",
        format!("the audit chain does not hold{place}: {problem}"),
    );
    if context.output.json {
        return Ok(failure.exit);
    }
    Err(failure.next("compare with a backup: entries from there on were changed outside Executor"))
}

async fn verify(
    context: &Context,
    file: Option<&Path>,
    checkpoints: &[PathBuf],
    public_key: Option<String>,
) -> Result<Exit> {
    let kept = checkpoints
        .iter()
        .map(|path| read_checkpoint(path))
        .collect::<Result<Vec<_>>>()?;
    let walk = Walk::new(kept, public_key)?;
    let verdict = match file {
        Some(path) => offline::of_file(path, walk)?,
        None => of_server(context, walk).await?,
    };
    if verdict.intact || context.output.json {
        context.output.show(&verdict, Verdict::told);
    }
    if verdict.intact {
        return Ok(Exit::Done);
    }
    broken(
        context,
        verdict.first_bad,
        &plain(&verdict.problem.unwrap_or_default()),
    )
}

/// The server's chain, exported and checked here: its own word is not taken.
async fn of_server(context: &Context, mut walk: Walk) -> Result<Verdict> {
    let client = context.client()?;
    let mut answer = client.download(&["audit", "export"], &[]).await?;
    let mut rest = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| client.broke_off(&e))? {
        rest.extend_from_slice(&chunk);
        let mut from = 0;
        while let Some(end) = rest[from..].iter().position(|b| *b == b'\n') {
            walk.line(&rest[from..from + end]);
            from += end + 1;
        }
        rest.drain(..from);
    }
    if !rest.is_empty() {
        walk.line(&rest);
    }
    Ok(walk.end())
}

fn read_checkpoint(path: &Path) -> Result<AuditCheckpoint> {
    let place = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("cannot read the checkpoint {place}: {e}")))?;
    serde_json::from_str(&text).map_err(|e| {
        Failure::usage(format!("{place} is no checkpoint: {e}"))
            .next("a checkpoint is what `executor audit checkpoint` prints")
    })
}

async fn checkpoint(context: &Context, output: Option<&Path>) -> Result<Exit> {
    let client = context.client()?;
    let made: AuditCheckpoint = client.post(&["audit", "checkpoints"], &[]).await?;
    match output {
        None => context.output.document(&made),
        Some(path) => {
            let text = serde_json::to_string_pretty(&made)
                .expect("a checkpoint holds texts and numbers only, which all serialize");
            home::replace(path, format!("{text}\n").as_bytes())?;
            context.output.show(&made, |c| {
                format!(
                    "the chain up to entry {} is signed in {}; keep it elsewhere than the server\npublic key {}",
                    c.sequence,
                    path.display(),
                    c.public_key
                )
            });
        }
    }
    Ok(Exit::Done)
}

async fn retention(context: &Context, days: Option<u32>) -> Result<Exit> {
    let client = context.client()?;
    let path = ["audit", "retention"];
    let kept: AuditRetention = match days {
        None => client.get(&path, &[]).await?,
        Some(days) => {
            let wanted = AuditRetention { days };
            client.send(Method::PUT, &path, &wanted).await?
        }
    };
    context.output.show(&kept, |kept| match kept.days {
        0 => "audit entries are kept for ever".to_owned(),
        days => format!("audit entries are kept for {days} days"),
    });
    Ok(Exit::Done)
}
