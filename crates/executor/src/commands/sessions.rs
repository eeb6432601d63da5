//! `executor sessions`: the browsers that you are signed in with.

use crate::commands::{find, removed};
use crate::context::Context;
use crate::failure::{Exit, Result};
use crate::output::{plain, table};
use api::sessions::{EndedSessions, Session};
use reqwest::Method;

/// Lists and ends the browsers that you are signed in with
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor sessions list\n  executor sessions end sess_…\n  executor sessions end-others   sign out everywhere"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists them, the one used last first
    #[command(after_help = "Example:\n  executor sessions list --json")]
    List,
    /// Ends one, at once: that browser has to sign in again
    #[command(after_help = "Example:\n  executor sessions end sess_…")]
    End {
        /// The session's id
        session: String,
    },
    /// Ends all of them, but for the one that asks
    #[command(after_help = "Example:\n  executor sessions end-others")]
    EndOthers,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    match arguments.command {
        Command::List => {
            let all: Vec<Session> = client.list(&["sessions"], &[], usize::MAX).await?;
            context.output.show(&all, |all| listed(all));
        }
        Command::End { session } => {
            let all: Vec<Session> = client.list(&["sessions"], &[], usize::MAX).await?;
            let session = find(&all, "session", &session, |s| s.id == session)?;
            client.delete(&["sessions", &session.id]).await?;
            return Ok(removed(context, "session", &session.id));
        }
        Command::EndOthers => {
            let request = client.request(Method::DELETE, &["sessions"], &[]);
            let ended: EndedSessions = client.ask(request).await?;
            context
                .output
                .show(&ended, |ended| format!("{} ended", ended.ended));
        }
    }
    Ok(Exit::Done)
}

fn listed(sessions: &[Session]) -> String {
    let row = |session: &Session| {
        vec![
            session.id.clone(),
            session.via.clone(),
            session.last_used_at.clone(),
            session.expires_at.clone(),
            plain(&session.address),
            plain(&session.user_agent),
        ]
    };
    table(
        &["ID", "BY", "LAST USED", "ENDS", "FROM", "BROWSER"],
        &sessions.iter().map(row).collect::<Vec<_>>(),
    )
}
