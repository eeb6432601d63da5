//! `executor members`: the people of the organization and their roles.

use crate::commands::{find, removed};
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
    /// Changes a member's role or name
    #[command(after_help = "Example:\n  executor members edit acct_… --role member")]
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
fn one(all: &[Member], wanted: &str) -> Result<Member> {
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

fn listed(members: &[Member]) -> String {
    let row = |member: &Member| {
        vec![
            plain(&member.name),
            member.role.clone(),
            member.created_at.clone(),
            member.id.clone(),
        ]
    };
    table(
        &["NAME", "ROLE", "SINCE", "ID"],
        &members.iter().map(row).collect::<Vec<_>>(),
    )
}
