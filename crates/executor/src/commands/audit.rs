//! `executor audit`: the record of what was done, and whether it is whole.

use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::output::table;
use api::audit::{AuditEntry, AuditVerification};

/// The hash-chained record of every decision, answer, call and change
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor audit list --action approval\n  executor audit verify"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists entries, the newest first
    #[command(after_help = "Example:\n  executor audit list --action call --limit 20 --json")]
    List {
        /// Only actions that begin with this
        #[arg(long)]
        action: Option<String>,
        /// Only what was done to this, such as a task or tool
        #[arg(long)]
        subject: Option<String>,
        /// Entries at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Checks that every entry follows from the one before; exit 1 if one does not
    #[command(after_help = "Example:\n  executor audit verify --json")]
    Verify,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    match arguments.command {
        Command::List {
            action,
            subject,
            limit,
        } => {
            let mut query = Vec::new();
            query.extend(action.as_deref().map(|a| ("action", a)));
            query.extend(subject.as_deref().map(|s| ("subject", s)));
            let entries: Vec<AuditEntry> = client.list(&["audit"], &query, limit).await?;
            context.output.show(&entries, |entries| {
                let row = |e: &AuditEntry| {
                    vec![
                        e.sequence.to_string(),
                        e.at.clone(),
                        e.action.clone(),
                        e.subject.clone(),
                        e.via.clone(),
                        e.detail.to_string(),
                    ]
                };
                let rows: Vec<_> = entries.iter().map(row).collect();
                table(&["#", "AT", "ACTION", "SUBJECT", "VIA", "DETAIL"], &rows)
            });
            Ok(Exit::Done)
        }
        Command::Verify => {
            let found: AuditVerification = client.get(&["audit", "verify"], &[]).await?;
            if found.intact || context.output.json {
                context.output.show(&found, |f| {
                    format!(
                        "{} entries, every one follows from the one before\nhead {}",
                        f.entries, f.head
                    )
                });
            }
            if found.intact {
                return Ok(Exit::Done);
            }
            let place = found
                .first_bad
                .map_or_else(String::new, |n| format!(" at entry {n}"));
            let failure = Failure::failed(
                "audit_broken",
                format!(
                    "the audit chain does not hold{place}: {}",
                    found.problem.unwrap_or_default()
                ),
            );
            if context.output.json {
                return Ok(failure.exit);
            }
            Err(failure
                .next("compare with a backup: entries from there on were changed outside Executor"))
        }
    }
}
