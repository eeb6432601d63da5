//! `executor sources`: connect APIs and keep them current. `check` imports descriptions here, without
//! any server.

mod add;
mod beside;
mod check;
mod look;
mod presets;

use crate::client::Client;
use crate::commands::removed;
use crate::context::Context;
use crate::failure::{Exit, Result};
use crate::output::plain;
use api::sources::{
    Header, RefreshReport, Review, Reviewed, Source, SourceChange, SourceHealth, UnreviewedTools,
};
use reqwest::Method;
use std::path::PathBuf;

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
        after_help = "An address that is a web page is looked through for the description it names.\nWith --auth the secret is asked for, or read from stdin or --from-file.\n\nExamples:\n  executor sources add https://api.example.com/openapi.json --dry-run\n  executor sources add https://api.example.com/openapi.json --name shop\n  executor sources add openapi.yaml --base-url https://api.example.com --auth header:X-Api-Key --from-file key.txt\n  executor sources add http://127.0.0.1:8080/openapi.json --allow-private\n  executor sources add https://api.github.com/graphql --auth bearer\n  executor sources add schema.graphql --base-url https://api.example.com/graphql\n  executor sources add https://mcp.example.com/mcp --auth bearer\n  executor sources add --name files -- npx -y @modelcontextprotocol/server-filesystem ~/notes\n  executor sources add mcp.json"
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
    /// Says which of its tools may be called twice without harm, how often it is read again, and whether
    /// it may ask people
    #[command(
        after_help = "A call that may be made twice is sent again by itself when the server died while it was under\nway; about every other write a person is asked.\n\nExamples:\n  executor sources edit shop --idempotent 'shop.items.put*'\n  executor sources edit shop --no-idempotent\n  executor sources edit shop --refresh-every 6h\n  executor sources edit shop --may-ask no"
    )]
    Edit {
        /// Its name or id
        source: String,
        /// Tools that may be called twice, in place of those before: * for one segment, ** for any
        #[arg(
            long,
            value_name = "PATTERN",
            required_unless_present_any = ["no_idempotent", "refresh_every", "may_ask"]
        )]
        idempotent: Vec<String>,
        /// None of its tools
        #[arg(long, conflicts_with = "idempotent")]
        no_idempotent: bool,
        /// `never`, a time from 10s to 30d, or `default` for what the workspace says
        #[arg(long, value_name = "TIME")]
        refresh_every: Option<String>,
        /// Whether it may ask whoever runs a task something in the middle of a call
        #[arg(long, value_name = "YES|NO", value_parser = yes_or_no)]
        may_ask: Option<bool>,
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
    /// Address of a description, GraphQL endpoint or MCP server; file with a description or an mcp.json, its text, or - for stdin; name of a preset
    #[arg(value_name = "URL|FILE|-|PRESET", required_unless_present = "command")]
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
    /// How often it is read again: `never`, or a time from 10s to 30d
    #[arg(long, value_name = "TIME")]
    refresh_every: Option<String>,
    /// Show what it would bring, add nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    if let Command::Check { files } = arguments.command {
        return Ok(check::check(&context.output, &files));
    }
    let client = context.client()?;
    match arguments.command {
        Command::Add(add) => return add::added(context, &client, add).await,
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
            let looked_at = (all, tools, revision);
            review(context, &client, &source, looked_at).await?;
        }
        Command::Enable { source } => set_enabled(context, &client, &source, true).await?,
        Command::Disable { source } => set_enabled(context, &client, &source, false).await?,
        Command::Edit {
            source,
            idempotent,
            no_idempotent,
            refresh_every,
            may_ask,
        } => {
            let change = SourceChange {
                idempotent: (no_idempotent || !idempotent.is_empty()).then_some(idempotent),
                refresh_every,
                may_ask,
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
        Command::Presets => presets::list(context, &client).await?,
        Command::Check { .. } => unreachable!("handled above, before a server is looked for"),
    }
    Ok(Exit::Done)
}

/// Shows what of a source nobody has looked at, or takes what was named as looked at.
async fn review(
    context: &Context,
    client: &Client,
    source: &str,
    (all, tools, revision): (bool, Vec<String>, Option<i64>),
) -> Result<()> {
    let waiting: UnreviewedTools = client.get(&["sources", source, "unreviewed"], &[]).await?;
    if !all && tools.is_empty() {
        context.output.show(&waiting, look::unreviewed);
        return Ok(());
    }
    let review = Review {
        revision: revision.unwrap_or(waiting.revision),
        all,
        tools,
    };
    let path = ["sources", source, "review"];
    let done: Reviewed = client.send(Method::POST, &path, &review).await?;
    context.output.show(&done, look::reviewed);
    Ok(())
}

fn yes_or_no(text: &str) -> std::result::Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => Err(format!("`{other}` is neither `yes` nor `no`")),
    }
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
