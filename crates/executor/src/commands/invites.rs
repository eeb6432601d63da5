//! `executor invites`: links by which people become members.

use crate::commands::removed;
use crate::context::Context;
use crate::duration::parse_until;
use crate::failure::{Exit, Result};
use crate::output::{brief, fields, plain, table};
use api::invites::{Invitation, Invite, InviteToken, MadeInvite, NewInvite};
use reqwest::Method;

/// Makes, lists, revokes and accepts invites
#[derive(clap::Args)]
#[command(
    after_help = "Whoever holds the link may use it, once signed in; it works for 7 days by default.\n\nExamples:\n  executor invites create --role admin --email ada@example.com\n  executor invites accept https://…/invite/…"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// An invite to make.
#[derive(clap::Args)]
pub(crate) struct New {
    /// member (the default), billing_admin, admin or owner; none above your own
    #[arg(long)]
    role: Option<String>,
    /// For whom it is meant; a note, for the link proves no address
    #[arg(long)]
    email: Option<String>,
    /// What else is to be said of it
    #[arg(long)]
    note: Option<String>,
    /// A restricted workspace that is to let in whoever accepts; may be given several times
    #[arg(long = "into", value_name = "WORKSPACE")]
    workspaces: Vec<String>,
    /// When it stops to work: a time such as 7d, or an instant; 30 days at most
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    expires: Option<String>,
    /// How many people may accept it [default: 1]
    #[arg(long, value_name = "N")]
    max_uses: Option<u32>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Makes an invite and prints its link, this once
    #[command(after_help = "Example:\n  executor invites create --role member --into staging")]
    Create(New),
    /// Lists invites, with those that ended in the last 30 days
    #[command(after_help = "Example:\n  executor invites list --json")]
    List,
    /// Revokes an invite
    #[command(after_help = "Example:\n  executor invites revoke inv_…")]
    Revoke {
        /// The invite's id
        invite: String,
    },
    /// Shows what a link invites to
    #[command(after_help = "Example:\n  executor invites show https://…/invite/…")]
    Show {
        /// The link, or what stands at its end
        link: String,
    },
    /// Accepts an invite: you become a member of its organization
    #[command(after_help = "Example:\n  executor invites accept https://…/invite/…")]
    Accept {
        /// The link, or what stands at its end
        link: String,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    match arguments.command {
        Command::Create(new) => create(context, new).await,
        Command::List => list(context).await,
        Command::Revoke { invite } => revoke(context, &invite).await,
        Command::Show { link } => {
            let path = ["invitations"];
            let given = InviteToken { token: link };
            let client = context.client()?;
            let found: Invitation = client.send(Method::POST, &path, &given).await?;
            context.output.show(&found, told);
            Ok(Exit::Done)
        }
        Command::Accept { link } => {
            let path = ["invitations", "accept"];
            let given = InviteToken { token: link };
            let client = context.client()?;
            let joined: Invitation = client.send(Method::POST, &path, &given).await?;
            context.output.show(&joined, told);
            context.output.note(&format!(
                "`executor workspaces list` shows what you reach in {}",
                plain(&joined.organization.name)
            ));
            Ok(Exit::Done)
        }
    }
}

pub(super) async fn create(context: &Context, new: New) -> Result<Exit> {
    let new = NewInvite {
        role: new.role,
        email: new.email,
        note: new.note,
        workspaces: new.workspaces,
        expires_at: new.expires,
        max_uses: new.max_uses,
    };
    let client = context.client()?;
    let made: MadeInvite = client.send(Method::POST, &["invites"], &new).await?;
    context.output.show(&made, |m| m.url.clone());
    context.output.note(&format!(
        "the link works until {} and is not shown again",
        made.invite.expires_at
    ));
    Ok(Exit::Done)
}

pub(super) async fn list(context: &Context) -> Result<Exit> {
    let client = context.client()?;
    let all: Vec<Invite> = client.list(&["invites"], &[], usize::MAX).await?;
    context.output.show(&all, |all| listed(all));
    Ok(Exit::Done)
}

pub(super) async fn revoke(context: &Context, invite: &str) -> Result<Exit> {
    context.client()?.delete(&["invites", invite]).await?;
    Ok(removed(context, "invite", invite))
}

fn told(invitation: &Invitation) -> String {
    fields(&[
        ("organization", plain(&invitation.organization.name)),
        ("slug", invitation.organization.slug.clone()),
        ("role", invitation.role.clone()),
        ("invited by", plain(&invitation.invited_by)),
        ("until", invitation.expires_at.clone()),
    ])
}

fn listed(all: &[Invite]) -> String {
    let row = |i: &Invite| {
        vec![
            i.id.clone(),
            i.role.clone(),
            i.status.clone(),
            format!("{}/{}", i.uses, i.max_uses),
            i.expires_at.clone(),
            plain(&i.email),
            brief(&plain(&i.note), 40),
        ]
    };
    table(
        &["ID", "ROLE", "STATUS", "USED", "EXPIRES", "FOR", "NOTE"],
        &all.iter().map(row).collect::<Vec<_>>(),
    )
}
