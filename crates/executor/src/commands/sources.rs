//! `executor sources`: connect APIs. `check` imports descriptions here, without any server.

mod beside;
mod check;
mod presets;

use crate::client::Client;
use crate::commands::removed;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::output::{fields, plain, table};
use crate::terminal::secret;
use api::sources::{FirstCredential, Header, NewSource, RefreshReport, Source, SourceChange};
use reqwest::Method;
use serde::Serialize;
use std::path::{Path, PathBuf};

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
    /// Adds a source: the description at an address or in a file, an MCP server at an address or as a
    /// command, or the servers of an mcp.json
    #[command(
        after_help = "With --auth the secret is asked for, or read from stdin or --from-file.\n\nExamples:\n  executor sources add https://api.example.com/openapi.json --name shop\n  executor sources add openapi.yaml --base-url https://api.example.com --auth header:X-Api-Key --from-file key.txt\n  executor sources add http://127.0.0.1:8080/openapi.json --allow-private\n  executor sources add https://api.github.com/graphql --auth bearer\n  executor sources add schema.graphql --base-url https://api.example.com/graphql\n  executor sources add https://mcp.example.com/mcp --auth bearer\n  executor sources add --name files -- npx -y @modelcontextprotocol/server-filesystem ~/notes\n  executor sources add mcp.json"
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
    #[command(after_help = "Example:\n  executor sources refresh github --dry-run")]
    Refresh {
        /// Its name or id
        source: String,
        /// Say what would change, change nothing
        #[arg(long)]
        dry_run: bool,
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
    /// Says which of its tools may be called twice without harm
    #[command(
        after_help = "Such a call is sent again by itself when the server died while it was under way; about every\nother write a person is asked.\n\nExamples:\n  executor sources edit shop --idempotent 'shop.items.put*'\n  executor sources edit shop --no-idempotent"
    )]
    Edit {
        /// Its name or id
        source: String,
        /// Tools that may be called twice, in place of those before: * for one segment, ** for any
        #[arg(
            long,
            value_name = "PATTERN",
            required_unless_present = "no_idempotent"
        )]
        idempotent: Vec<String>,
        /// None of its tools
        #[arg(long, conflicts_with = "idempotent")]
        no_idempotent: bool,
    },
    /// Removes it with its tools and credentials
    #[command(after_help = "Example:\n  executor sources remove github")]
    Remove {
        /// Its name or id
        source: String,
    },
    /// Lists services that can be added by name
    #[command(after_help = "Examples:\n  executor sources presets\n  executor sources add github")]
    Presets,
    /// Imports descriptions without saving or contacting anything
    #[command(
        after_help = "Of a folder, every file below it that ends in .json, .yaml, .yml, .graphql or .gql.\n\nExamples:\n  executor sources check openapi.json twilio.json --json\n  executor sources check descriptions/"
    )]
    Check {
        /// The files, or folders of files
        #[arg(required = true, value_name = "FILE|FOLDER")]
        files: Vec<PathBuf>,
    },
}

#[derive(clap::Args)]
struct Add {
    /// Address of a description, GraphQL endpoint or MCP server; file with a description or an mcp.json; name of a preset
    #[arg(value_name = "URL|FILE|PRESET", required_unless_present = "command")]
    from: Option<String>,
    /// Program of the server's machine that speaks MCP, and its arguments, after --
    #[arg(value_name = "COMMAND", last = true, conflicts_with = "from")]
    command: Vec<String>,
    /// Name its tools begin with; made from the title by default
    #[arg(long)]
    name: Option<String>,
    /// What it is: openapi, graphql or mcp; detected by default
    #[arg(long)]
    kind: Option<String>,
    /// Header to send with every call and when reading the description
    #[arg(long, value_name = "K: V", value_parser = header)]
    header: Vec<Header>,
    /// Variable to set in the environment of a command; a secret is set with --auth env:NAME
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable, requires = "command")]
    env: Vec<Header>,
    /// Set its credential too: bearer, basic, header:NAME, query:NAME, cookie:NAME or env:NAME
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
    /// Believe what an MCP server says about the risk of its own tools
    #[arg(long)]
    trust_hints: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    if let Command::Check { files } = arguments.command {
        return Ok(check::check(&context.output, &files));
    }
    let client = context.client()?;
    match arguments.command {
        Command::Add(add) => return added(context, &client, add).await,
        Command::List => {
            let sources: Vec<Source> = client.list(&["sources"], &[], usize::MAX).await?;
            context.output.show(&sources, |sources| {
                let row = |s: &Source| {
                    vec![
                        s.name.clone(),
                        s.status.clone(),
                        s.kind.clone(),
                        s.tool_count.to_string(),
                        s.base_url.clone(),
                        s.id.clone(),
                    ]
                };
                table(
                    &["NAME", "STATUS", "KIND", "TOOLS", "BASE URL", "ID"],
                    &sources.iter().map(row).collect::<Vec<_>>(),
                )
            });
        }
        Command::Show { source } => {
            let source: Source = client.get(&["sources", &source], &[]).await?;
            context.output.show(&source, shown);
        }
        Command::Refresh { source, dry_run } => {
            let query = [("dryRun", if dry_run { "true" } else { "false" })];
            let report: RefreshReport = client
                .post(&["sources", &source, "refresh"], &query)
                .await?;
            context.output.show(&report, |r| {
                let word = if dry_run { "would be " } else { "" };
                let list = |what: &str, paths: &[String]| {
                    let lines: Vec<_> = paths.iter().map(|p| format!("\n  {}", plain(p))).collect();
                    format!("{} {word}{what}{}", paths.len(), lines.concat())
                };
                [
                    list("added", &r.added),
                    list("removed", &r.removed),
                    list("changed", &r.changed),
                ]
                .join("\n")
            });
        }
        Command::Enable { source } => set_enabled(context, &client, &source, true).await?,
        Command::Disable { source } => set_enabled(context, &client, &source, false).await?,
        Command::Edit {
            source, idempotent, ..
        } => {
            let change = SourceChange {
                idempotent: Some(idempotent),
                ..SourceChange::default()
            };
            let source: Source = client
                .send(Method::PATCH, &["sources", &source], &change)
                .await?;
            context.output.show(&source, shown);
        }
        Command::Remove { source } => {
            client.delete(&["sources", &source]).await?;
            return Ok(removed(context, "source", &source));
        }
        Command::Presets => presets::list(context, &client).await?,
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
        }
    }
}

fn shown(source: &Source) -> String {
    let auth: Vec<_> = source.auth.iter().map(ToString::to_string).collect();
    fields(&[
        ("source", source.name.clone()),
        ("id", source.id.clone()),
        ("title", source.title.clone()),
        ("kind", source.kind.clone()),
        ("status", source.status.clone()),
        ("reason", source.reason.clone().unwrap_or_default()),
        ("origin", source.origin.clone()),
        ("base URL", source.base_url.clone()),
        ("auth", auth.join("\n")),
        (
            "private",
            if source.allow_private {
                "allowed for its own host and port"
            } else {
                ""
            }
            .to_owned(),
        ),
        ("repeatable", source.idempotent.join("\n")),
        (
            "hints",
            if source.trust_hints { "trusted" } else { "" }.to_owned(),
        ),
        ("tools", source.tool_count.to_string()),
        ("left out", source.warnings.join("\n")),
        ("added", source.created_at.clone()),
        ("refreshed", source.refreshed_at.clone()),
    ])
}

fn variable(text: &str) -> std::result::Result<Header, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(Header {
            name: name.to_owned(),
            value: value.to_owned(),
        }),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
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
