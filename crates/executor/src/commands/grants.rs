//! `executor grants`: what people have granted to MCP clients. Granting is done in a browser.

use crate::commands::{find, removed};
use crate::context::Context;
use crate::failure::{Exit, Result};
use crate::output::{plain, table};
use api::grants::Grant;

/// Lists and revokes what was granted to MCP clients
#[derive(clap::Args)]
#[command(
    after_help = "A client that speaks OAuth asks in a browser, and gets tokens that end with its grant.\n\nExamples:\n  executor grants list\n  executor grants revoke grant_…"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists grants: your own, for administrators everybody's
    #[command(after_help = "Example:\n  executor grants list --json")]
    List,
    /// Ends a grant with all its tokens, at once and for good
    #[command(after_help = "Example:\n  executor grants revoke grant_…")]
    Revoke {
        /// The grant's id
        grant: String,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let all: Vec<Grant> = client.list(&["grants"], &[], usize::MAX).await?;
    match arguments.command {
        Command::List => {
            context.output.show(&all, |all| listed(all));
            Ok(Exit::Done)
        }
        Command::Revoke { grant } => {
            let found = find(&all, "grant", &grant, |known| known.id == grant)?;
            client.delete(&["grants", &found.id]).await?;
            Ok(removed(context, "grant", &found.id))
        }
    }
}

fn listed(grants: &[Grant]) -> String {
    let row = |grant: &Grant| {
        vec![
            plain(&grant.client_name),
            plain(&grant.client_host),
            grant.member.clone(),
            grant.scopes.join(" "),
            grant
                .last_used_at
                .clone()
                .unwrap_or_else(|| "never".to_owned()),
            grant.id.clone(),
        ]
    };
    table(
        &["CLIENT", "HOST", "MEMBER", "SCOPES", "LAST USED", "ID"],
        &grants.iter().map(row).collect::<Vec<_>>(),
    )
}
