//! `executor sources`: connect APIs and keep them current. `check` imports a description here, without
//! any server.

mod look;

use crate::client::Client;
use crate::commands::credentials;
use crate::commands::removed;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::output::{Output, plain};
use api::sources::{
    Header, NewSource, RefreshReport, Review, Reviewed, Source, SourceChange, SourceFinding,
    SourceHealth, SourcePreview, UnreviewedTools,
};
use domain::SourceId;
use reqwest::Method;
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Connects APIs: every operation becomes a tool
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor sources add https://api.example.com/openapi.json --auth bearer\n  executor sources check openapi.yaml"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Adds a source from the description at an address, in a file or on stdin
    #[command(
        after_help = "An address that is a web page is looked through for the description it names.\nWith --auth the secret is asked for, or read from stdin or --from-file.\n\nExamples:\n  executor sources add https://api.example.com/openapi.json --dry-run\n  executor sources add https://api.example.com/openapi.json --name shop\n  executor sources add openapi.yaml --base-url https://api.example.com --auth header:X-Api-Key --from-file key.txt\n  executor sources add http://127.0.0.1:8080/openapi.json --allow-private"
    )]
    Add(Add),
    /// Lists sources
    #[command(after_help = "Example:\n  executor sources list --json")]
    List,
    /// Shows one source
    #[command(after_help = "Example:\n  executor sources show github")]
    Show {
        /// Its name or id
        source: String,
    },
    /// Reads the description again
    #[command(
        after_help = "Tools that are new or changed, and do more than read, ask until somebody has looked at them:\n`executor sources review NAME`.\n\nExamples:\n  executor sources refresh github --dry-run\n  executor sources refresh github --accept"
    )]
    Refresh {
        /// Its name or id
        source: String,
        /// Say what would change, change nothing
        #[arg(long)]
        dry_run: bool,
        /// Take it over although it looks like half a document, or like a flood
        #[arg(long, conflicts_with = "dry_run")]
        accept: bool,
    },
    /// Shows what is new or changed since somebody looked, and says that you have
    #[command(
        after_help = "Until then these tools ask where policy would allow.\n\nExamples:\n  executor sources review github\n  executor sources review github github.issues.create\n  executor sources review github --all"
    )]
    Review {
        /// Its name or id
        source: String,
        /// The tools that you have looked at
        #[arg(value_name = "TOOL", conflicts_with = "all")]
        tools: Vec<String>,
        /// All that wait
        #[arg(long)]
        all: bool,
        /// The revision that you looked at, as shown; the present one by default
        #[arg(long, value_name = "N")]
        revision: Option<i64>,
    },
    /// Puts its tools back into the catalog
    #[command(after_help = "Example:\n  executor sources enable github")]
    Enable {
        /// Its name or id
        source: String,
    },
    /// Takes its tools out of the catalog
    #[command(after_help = "Example:\n  executor sources disable github")]
    Disable {
        /// Its name or id
        source: String,
    },
    /// Says which of its tools may be called twice without harm, and how often it is read again
    #[command(
        after_help = "A call that may be made twice is sent again by itself when the server died while it was under\nway; about every other write a person is asked.\n\nExamples:\n  executor sources edit shop --idempotent 'shop.items.put*'\n  executor sources edit shop --no-idempotent\n  executor sources edit shop --refresh-every 6h"
    )]
    Edit {
        /// Its name or id
        source: String,
        /// Tools that may be called twice, in place of those before: * for one segment, ** for any
        #[arg(
            long,
            value_name = "PATTERN",
            required_unless_present_any = ["no_idempotent", "refresh_every"]
        )]
        idempotent: Vec<String>,
        /// None of its tools
        #[arg(long, conflicts_with = "idempotent")]
        no_idempotent: bool,
        /// `never`, a time from 10s to 30d, or `default` for what the workspace says
        #[arg(long, value_name = "TIME")]
        refresh_every: Option<String>,
    },
    /// Removes it with its tools and credentials
    #[command(after_help = "Example:\n  executor sources remove github")]
    Remove {
        /// Its name or id
        source: String,
    },
    /// Imports descriptions without saving or contacting anything
    #[command(after_help = "Example:\n  executor sources check openapi.json twilio.json --json")]
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(clap::Args)]
struct Add {
    /// Address or file of the description, JSON or YAML; its text, or - for stdin
    #[arg(value_name = "URL|FILE|-")]
    from: String,
    /// Name its tools begin with; made from the title by default
    #[arg(long)]
    name: Option<String>,
    /// What it is: openapi; detected by default
    #[arg(long)]
    kind: Option<String>,
    /// Header to send with every call and when reading the description
    #[arg(long, value_name = "K: V", value_parser = header)]
    header: Vec<Header>,
    /// Set its credential too: bearer, basic, header:NAME, query:NAME or cookie:NAME
    #[arg(long)]
    auth: Option<String>,
    /// File with the credential's value, with --auth
    #[arg(long, value_name = "FILE", requires = "auth")]
    from_file: Option<PathBuf>,
    /// Address to send calls to, where the description's own is missing or not wanted
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Let this source's own host and port be on a private network
    #[arg(long)]
    allow_private: bool,
    /// How often it is read again: `never`, or a time from 10s to 30d
    #[arg(long, value_name = "TIME")]
    refresh_every: Option<String>,
    /// Show what it would bring, add nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    if let Command::Check { files } = arguments.command {
        return Ok(check(&context.output, &files));
    }
    let client = context.client()?;
    match arguments.command {
        Command::Add(add) => return added(context, &client, add).await,
        Command::List => {
            let sources: Vec<Source> = client.list(&["sources"], &[], usize::MAX).await?;
            context.output.show(&sources, |all| look::listed(all));
        }
        Command::Show { source } => {
            let health: SourceHealth = client.get(&["sources", &source, "health"], &[]).await?;
            let source: Source = client.get(&["sources", &source], &[]).await?;
            let both = look::WithHealth { source, health };
            context.output.show(&both, look::shown);
        }
        Command::Refresh {
            source,
            dry_run,
            accept,
        } => {
            let word = |on: bool| if on { "true" } else { "false" };
            let query = [("dryRun", word(dry_run)), ("accept", word(accept))];
            let report: RefreshReport = client
                .post(&["sources", &source, "refresh"], &query)
                .await?;
            context
                .output
                .show(&report, |r| look::refreshed(r, dry_run));
        }
        Command::Review {
            source,
            tools,
            all,
            revision,
        } => {
            let waiting: UnreviewedTools =
                client.get(&["sources", &source, "unreviewed"], &[]).await?;
            if !all && tools.is_empty() {
                context.output.show(&waiting, look::unreviewed);
                return Ok(Exit::Done);
            }
            let review = Review {
                revision: revision.unwrap_or(waiting.revision),
                all,
                tools,
            };
            let path = ["sources", &source, "review"];
            let done: Reviewed = client.send(Method::POST, &path, &review).await?;
            context.output.show(&done, look::reviewed);
        }
        Command::Enable { source } => set_enabled(context, &client, &source, true).await?,
        Command::Disable { source } => set_enabled(context, &client, &source, false).await?,
        Command::Edit {
            source,
            idempotent,
            no_idempotent,
            refresh_every,
        } => {
            let change = SourceChange {
                idempotent: (no_idempotent || !idempotent.is_empty()).then_some(idempotent),
                refresh_every,
                ..SourceChange::default()
            };
            let source: Source = client
                .send(Method::PATCH, &["sources", &source], &change)
                .await?;
            context.output.show(&source, look::source);
        }
        Command::Remove { source } => {
            client.delete(&["sources", &source]).await?;
            return Ok(removed(context, "source", &source));
        }
        Command::Check { .. } => unreachable!("handled above, before a server is looked for"),
    }
    Ok(Exit::Done)
}

async fn set_enabled(
    context: &Context,
    client: &Client,
    source: &str,
    enabled: bool,
) -> Result<()> {
    let change = SourceChange {
        enabled: Some(enabled),
        ..SourceChange::default()
    };
    let source: Source = client
        .send(Method::PATCH, &["sources", source], &change)
        .await?;
    context
        .output
        .show(&source, |s| format!("{} {}", plain(&s.name), s.status));
    Ok(())
}

async fn added(context: &Context, client: &Client, add: Add) -> Result<Exit> {
    let mut new = NewSource {
        name: add.name,
        kind: add.kind,
        base_url: add.base_url,
        headers: add.header,
        allow_private: add.allow_private,
        refresh_every: add.refresh_every,
        ..NewSource::default()
    };
    if add.from.starts_with("http://") || add.from.starts_with("https://") {
        new.url = Some(add.from.clone());
    } else {
        let (name, text) = text_of(&add.from)?;
        new.document = Some(text);
        new.file_name = Some(name);
    }
    if add.dry_run {
        let path = ["sources", "preview"];
        let preview: SourcePreview = client.send(Method::POST, &path, &new).await?;
        context.output.show(&preview, look::preview);
        return Ok(Exit::Done);
    }
    let source: Source = client.send(Method::POST, &["sources"], &new).await?;
    if let Some(auth) = add.auth {
        let set = credentials::set(
            context,
            client,
            &source.name,
            Some(auth),
            None,
            add.from_file.as_deref(),
        );
        set.await.map_err(|failure| {
            let message = format!(
                "source {} was added, but not its credential: {}",
                source.name, failure.message
            );
            Failure { message, ..failure }.next(format!(
                "`executor credentials set {}` sets it",
                source.name
            ))
        })?;
    }
    context.output.show(&Added::of(&source), |_| {
        let mut text = format!(
            "{} {}: {} tools from {}",
            plain(&source.name),
            source.status,
            source.tool_count,
            plain(&source.title)
        );
        if new
            .url
            .as_ref()
            .is_some_and(|given| *given != source.origin)
        {
            text.push_str(&format!("\n  read from {}", plain(&source.origin)));
        }
        for warning in &source.warnings {
            text.push_str(&format!("\n  left out: {}", plain(warning)));
        }
        text.push_str(&look::found(&source.findings, "\n  "));
        if source.unreviewed > 0 {
            text.push_str(&format!(
                "\n  {} tools ask until somebody has looked at them: `executor sources review {}`",
                source.unreviewed, source.name
            ));
        }
        text
    });
    Ok(Exit::Done)
}

/// The text of a description that is no address, and a name for it: a file's, stdin's, or the text
/// itself.
fn text_of(from: &str) -> Result<(String, String)> {
    if from.trim_start().starts_with('{') || from.contains('\n') {
        return Ok(("text".to_owned(), from.to_owned()));
    }
    let read = match from {
        "-" => std::io::read_to_string(std::io::stdin()),
        file => std::fs::read_to_string(file),
    };
    let text = read.map_err(|e| {
        Failure::usage(format!("cannot read a description from {from}: {e}")).next(
            "give an address that begins with http:// or https://, a file with JSON or YAML, or - \
             for stdin",
        )
    })?;
    let name = match from {
        "-" => Some("stdin".to_owned()),
        file => Path::new(file)
            .file_name()
            .map(|n| n.to_string_lossy().into_owned()),
    };
    Ok((name.unwrap_or_else(|| from.to_owned()), text))
}

/// What `sources add` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added<'a> {
    id: &'a str,
    name: &'a str,
    kind: &'a str,
    status: &'a str,
    tool_count: u32,
    warnings: &'a [String],
    unreviewed: usize,
    findings: &'a [SourceFinding],
}

impl<'a> Added<'a> {
    fn of(s: &'a Source) -> Self {
        Self {
            id: &s.id,
            name: &s.name,
            kind: &s.kind,
            status: &s.status,
            tool_count: s.tool_count,
            warnings: &s.warnings,
            unreviewed: s.unreviewed,
            findings: &s.findings,
        }
    }
}

fn check(output: &Output, files: &[PathBuf]) -> Exit {
    let mut documents = Vec::new();
    let mut exit = Exit::Done;
    for path in files {
        let file = path.display().to_string();
        let begun = Instant::now();
        let found = std::fs::read(path)
            .map_err(|e| e.to_string())
            .and_then(|bytes| {
                let name = path
                    .file_stem()
                    .map(|s| s.to_string_lossy().into_owned())
                    .unwrap_or_default();
                let name = tools::suggest_name(&name, None);
                let options = tools::ImportOptions {
                    source_id: SourceId::from_bits([0; 16]),
                    name: &name,
                    location: None,
                    base_url: None,
                };
                tools::import(&bytes, &options).map_err(|e| e.to_string())
            });
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        documents.push(match found {
            Ok(import) => {
                if !output.json {
                    output.line(&format!("{}: {}, {} tools, {} warnings, {ms} ms", plain(&file), import.kind.as_str(), import.tools.len(), import.warnings.len()));
                    for warning in &import.warnings {
                        output.line(&format!("  left out: {}", plain(warning)));
                    }
                }
                json!({ "file": file, "kind": import.kind.as_str(), "toolCount": import.tools.len(), "warnings": import.warnings, "ms": ms })
            }
            Err(why) => {
                exit = Exit::Failed;
                output.failure_line(&format!("{}: {}", file, why));
                json!({ "file": file, "kind": null, "toolCount": 0, "warnings": [], "ms": ms, "error": why })
            }
        });
    }
    if output.json {
        output.document(&documents);
    }
    exit
}

fn header(text: &str) -> std::result::Result<Header, String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => Ok(Header {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
        }),
        _ => Err("expected 'Name: value'".to_owned()),
    }
}
