//! `executor keys`: how programs prove whose they are. A secret is printed once.

use crate::commands::{find, removed};
use crate::context::Context;
use crate::duration::{parse_ms, parse_until};
use crate::failure::{Exit, Result};
use crate::output::{plain, table};
use api::keys::{Key, KeyLimits, KeyRotation, KeyWithSecret, NewKey};
use reqwest::Method;

/// Makes, lists, rotates and revokes API keys
#[derive(clap::Args)]
#[command(
    after_help = "A program sends its key as `Authorization: Bearer exk_…` or `x-api-key: exk_…`; commands\ntake it from --api-key or EXECUTOR_API_KEY. A key may do what its member may,\nwithin its scopes, and never decides approvals.\n\nExamples:\n  executor keys create ci --expires 90d\n  EXECUTOR_API_KEY=exk_… executor run -e 'return 1'"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Makes a key; its secret alone goes to stdout, this once
    #[command(
        after_help = "Examples:\n  executor keys create ci --expires 90d\n  executor keys create bot --member acct_…\n  executor keys create setup --scope sources --scope credentials --requests-per-minute 60"
    )]
    Create {
        /// What people call it
        name: String,
        /// Whom it stands for, where that is not you (administrators)
        #[arg(long, value_name = "ACCT")]
        member: Option<String>,
        /// When it stops to work: a length of time or an instant; never by default
        #[arg(long, value_parser = parse_until, value_name = "WHEN")]
        expires: Option<String>,
        /// What it may be used for: run, read, sources, policies, credentials, keys, members,
        /// settings, audit [default: run and read]
        #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
        scopes: Vec<String>,
        /// Most requests with it each minute, on each server
        #[arg(long, value_name = "N")]
        requests_per_minute: Option<u64>,
        /// Most tasks submitted with it in a day (UTC)
        #[arg(long, value_name = "N")]
        tasks_per_day: Option<u64>,
    },
    /// Lists keys, without their secrets: your own, for administrators everybody's
    #[command(after_help = "Example:\n  executor keys list --json")]
    List,
    /// Ends a key, at once and for good
    #[command(after_help = "Example:\n  executor keys revoke ci")]
    Revoke {
        /// The key's id, or its name where only one is called that
        key: String,
    },
    /// Gives a key a new secret; the old one works on for a while
    #[command(
        after_help = "Examples:\n  executor keys rotate ci\n  executor keys rotate key_… --overlap 0"
    )]
    Rotate {
        /// The key's id, or its name where only one is called that
        key: String,
        /// How long the old secret works on; 0 for not at all [default: 24h]
        #[arg(long, value_parser = parse_ms, value_name = "TIME")]
        overlap: Option<u64>,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let output = &context.output;
    match arguments.command {
        Command::Create {
            name,
            member,
            expires,
            scopes,
            requests_per_minute,
            tasks_per_day,
        } => {
            let limits = KeyLimits {
                requests_per_minute,
                tasks_per_day,
            };
            let new = NewKey {
                name,
                member,
                expires_at: expires,
                scopes: (!scopes.is_empty()).then_some(scopes),
                limits: (limits != KeyLimits::default()).then_some(limits),
            };
            let made: KeyWithSecret = client.send(Method::POST, &["keys"], &new).await?;
            output.show(&made, |made| made.secret.clone());
            output.note(&format!(
                "this is {} ({}), for {}; its secret is not shown again",
                made.key.id,
                plain(&made.key.name),
                made.key.scopes.join(", ")
            ));
        }
        Command::List => {
            let all: Vec<Key> = client.list(&["keys"], &[], usize::MAX).await?;
            output.show(&all, |all| listed(all));
        }
        Command::Revoke { key } => {
            let all: Vec<Key> = client.list(&["keys"], &[], usize::MAX).await?;
            let key = one(&all, &key)?;
            client.delete(&["keys", &key.id]).await?;
            return Ok(removed(context, "key", &key.id));
        }
        Command::Rotate { key, overlap } => {
            let all: Vec<Key> = client.list(&["keys"], &[], usize::MAX).await?;
            let key = one(&all, &key)?;
            let rotation = KeyRotation {
                overlap_ms: overlap,
            };
            let path = ["keys", key.id.as_str(), "rotate"];
            let made: KeyWithSecret = client.send(Method::POST, &path, &rotation).await?;
            output.show(&made, |made| made.secret.clone());
            match &made.key.previous_until {
                Some(until) => output.note(&format!("the old secret works until {until}")),
                None => output.note("the old secret does not work any more"),
            }
        }
    }
    Ok(Exit::Done)
}

/// A key by its id, or by a name that only one has.
fn one(all: &[Key], wanted: &str) -> Result<Key> {
    let named = all.iter().filter(|key| key.name == wanted).count();
    find(all, "key", wanted, |key| {
        key.id == wanted || (named == 1 && key.name == wanted)
    })
    .cloned()
    .map_err(|failure| {
        if named > 1 {
            failure.next(format!(
                "{named} keys are called that; name one by its id, which `executor keys list` shows"
            ))
        } else {
            failure
        }
    })
}

fn listed(keys: &[Key]) -> String {
    let row = |key: &Key| {
        vec![
            plain(&key.name),
            key.prefix
                .as_ref()
                .map_or_else(|| "unknown".to_owned(), |p| format!("{p}…")),
            key.status.clone(),
            key.member.clone(),
            key.scopes.join(" "),
            key.last_used_at
                .clone()
                .unwrap_or_else(|| "never".to_owned()),
            key.expires_at.clone().unwrap_or_else(|| "never".to_owned()),
            key.id.clone(),
        ]
    };
    table(
        &[
            "NAME",
            "SECRET",
            "STATUS",
            "MEMBER",
            "SCOPES",
            "LAST USED",
            "EXPIRES",
            "ID",
        ],
        &keys.iter().map(row).collect::<Vec<_>>(),
    )
}
