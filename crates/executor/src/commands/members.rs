//! `executor members`: the people of the organization and their roles.

use crate::commands::{find, invites, removed};
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::output::{plain, table};
use api::members::{Member, MemberChange, NewMember};
use reqwest::Method;

/// Lists, adds, changes and removes members
#[derive(clap::Args)]
#[command(
    after_help = "A member works through API keys: `executor keys create NAME --member acct_…`.\n\nExamples:\n  executor members add Ada --role admin\n  executor members list"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists members
    #[command(after_help = "Example:\n  executor members list --json")]
    List,
    /// Adds a member
    #[command(after_help = "Example:\n  executor members add Ada --role admin")]
    Add {
        /// The name people see
        name: String,
        /// member (the default), billing_admin, admin or owner; none above your own
        #[arg(long)]
        role: Option<String>,
    },
    /// Makes an invite and prints its link, this once; as `executor invites create`
    #[command(after_help = "Example:\n  executor members invite --role admin")]
    Invite(invites::New),
    /// Lists invites; as `executor invites list`
    #[command(after_help = "Example:\n  executor members invites --json")]
    Invites,
    /// Revokes an invite; as `executor invites revoke`
    #[command(after_help = "Example:\n  executor members revoke-invite inv_…")]
    RevokeInvite {
        /// The invite's id
        invite: String,
    },
    /// Leaves the organization of the workspace, and ends your keys there
    #[command(after_help = "Example:\n  executor members leave --workspace acme/main")]
    Leave,
    /// Changes a member's role or name
    #[command(
        visible_alias = "change",
        after_help = "Example:\n  executor members edit acct_… --role member"
    )]
    Edit {
        /// The member's id, or the name where only one is called that
        member: String,
        /// The new role
        #[arg(long)]
        role: Option<String>,
        /// The new name
        #[arg(long)]
        name: Option<String>,
    },
    /// Removes a member, and revokes their keys
    #[command(after_help = "Example:\n  executor members remove acct_…")]
    Remove {
        /// The member's id, or the name where only one is called that
        member: String,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let output = &context.output;
    match arguments.command {
        Command::List => {
            let all: Vec<Member> = client.list(&["members"], &[], usize::MAX).await?;
            output.show(&all, |all| listed(all));
        }
        Command::Add { name, role } => {
            let new = NewMember { name, role };
            let member: Member = client.send(Method::POST, &["members"], &new).await?;
            output.show(&member, |m| listed(std::slice::from_ref(m)));
            output.note(&format!(
                "make a key with `executor keys create NAME --member {}`",
                member.id
            ));
        }
        Command::Edit { member, role, name } => {
            if role.is_none() && name.is_none() {
                return Err(
                    Failure::usage("nothing to change").next("give --role or --name, or both")
                );
            }
            let all: Vec<Member> = client.list(&["members"], &[], usize::MAX).await?;
            let member = one(&all, &member)?;
            let change = MemberChange { name, role };
            let path = ["members", member.id.as_str()];
            let member: Member = client.send(Method::PATCH, &path, &change).await?;
            output.show(&member, |m| listed(std::slice::from_ref(m)));
        }
        Command::Invite(new) => return invites::create(context, new).await,
        Command::Invites => return invites::list(context).await,
        Command::RevokeInvite { invite } => return invites::revoke(context, &invite).await,
        Command::Leave => {
            client.delete(&["members", "me"]).await?;
            output.show(&serde_json::json!({ "left": true }), |_| {
                "you are no member of the organization any more".to_owned()
            });
        }
        Command::Remove { member } => {
            let all: Vec<Member> = client.list(&["members"], &[], usize::MAX).await?;
            let member = one(&all, &member)?;
            client.delete(&["members", &member.id]).await?;
            return Ok(removed(context, "member", &member.id));
        }
    }
    Ok(Exit::Done)
}

/// A member by id, or by a name that only one has.
pub(super) fn one(all: &[Member], wanted: &str) -> Result<Member> {
    let named = all.iter().filter(|member| member.name == wanted).count();
    find(all, "member", wanted, |member| {
        member.id == wanted || (named == 1 && member.name == wanted)
    })
    .cloned()
    .map_err(|failure| {
        if named > 1 {
            failure.next(format!(
                "{named} members are called that; name one by its id, which `executor members list` \
                 shows"
            ))
        } else {
            failure
        }
    })
}

pub(super) fn listed(members: &[Member]) -> String {
    let row = |member: &Member| {
        vec![
            plain(&member.name),
            member.role.clone(),
            member.created_at.clone(),
            member.last_active_at.clone().unwrap_or_default(),
            member.id.clone(),
        ]
    };
    table(
        &["NAME", "ROLE", "SINCE", "LAST ACTIVE", "ID"],
        &members.iter().map(row).collect::<Vec<_>>(),
    )
}
