//! `executor organizations`: what holds workspaces and members.

use crate::commands::find;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::output::{Output, plain, table};
use crate::terminal::Lines;
use api::organizations::{NewOrganization, OrganizationChange, OwnOrganization};
use reqwest::Method;

/// Lists, makes, renames, deletes and restores organizations
#[derive(clap::Args)]
#[command(
    after_help = "An organization is a person's doing: no API key makes or deletes one.\n\nExamples:\n  executor organizations create 'Acme Inc.' --slug acme\n  executor tasks list --workspace acme/main"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists your organizations, and those you deleted and may restore
    #[command(after_help = "Example:\n  executor organizations list --json")]
    List,
    /// Makes an organization, which you own, with a first workspace
    #[command(after_help = "Example:\n  executor organizations create 'Acme Inc.' --slug acme")]
    Create {
        /// The name people see
        name: String,
        /// Its short name for addresses; made of the name by default
        #[arg(long)]
        slug: Option<String>,
    },
    /// Gives an organization another name, or another short name
    #[command(after_help = "Example:\n  executor organizations rename acme --name 'Acme Ltd.'")]
    Rename {
        /// The organization's short name or id
        organization: String,
        /// The new name
        #[arg(long)]
        name: Option<String>,
        /// The new short name
        #[arg(long)]
        slug: Option<String>,
    },
    /// Deletes an organization with everything in it; it can be restored for 30 days
    #[command(
        after_help = "Asks for the short name, or takes it from --confirm.\n\nExamples:\n  executor organizations delete acme\n  executor organizations delete acme --confirm acme --grace-days 7"
    )]
    Delete {
        /// The organization's short name or id
        organization: String,
        /// Its short name, typed to confirm
        #[arg(long, value_name = "SLUG")]
        confirm: Option<String>,
        /// Days for which it can be restored; 0 removes everything at once
        #[arg(long, value_name = "DAYS")]
        grace_days: Option<u32>,
    },
    /// Takes a deletion back
    #[command(after_help = "Example:\n  executor organizations restore acme")]
    Restore {
        /// The organization's short name or id
        organization: String,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let output = &context.output;
    match arguments.command {
        Command::List => {
            let all: Vec<OwnOrganization> =
                client.list(&["organizations"], &[], usize::MAX).await?;
            output.show(&all, |all| listed(all));
        }
        Command::Create { name, slug } => {
            let new = NewOrganization { name, slug };
            let path = ["organizations"];
            let made: OwnOrganization = client.send(Method::POST, &path, &new).await?;
            output.show(&made, |o| listed(std::slice::from_ref(o)));
            output.note(&format!(
                "use it with --workspace {}/main",
                made.organization.slug
            ));
        }
        Command::Rename {
            organization,
            name,
            slug,
        } => {
            if name.is_none() && slug.is_none() {
                return Err(
                    Failure::usage("nothing to change").next("give --name or --slug, or both")
                );
            }
            let change = OrganizationChange { name, slug };
            let path = ["organizations", organization.as_str()];
            let changed: OwnOrganization = client.send(Method::PATCH, &path, &change).await?;
            output.show(&changed, |o| listed(std::slice::from_ref(o)));
        }
        Command::Delete {
            organization,
            confirm,
            grace_days,
        } => {
            let all: Vec<OwnOrganization> =
                client.list(&["organizations"], &[], usize::MAX).await?;
            let found = find(&all, "organization", &organization, |o| {
                o.organization.id == organization || o.organization.slug == organization
            })?;
            let slug = &found.organization.slug;
            let typed = typed(output, "organization", slug, confirm).await?;
            let query = sure(&typed, grace_days);
            let path = ["organizations", found.organization.id.as_str()];
            let deleted: OwnOrganization = client.remove(&path, &query.borrowed()).await?;
            output.show(&deleted, |o| listed(std::slice::from_ref(o)));
            output.note(&format!(
                "`executor organizations restore {slug}` takes it back until {}",
                deleted.organization.purge_at.as_deref().unwrap_or("then")
            ));
        }
        Command::Restore { organization } => {
            let path = ["organizations", organization.as_str(), "restore"];
            let restored: OwnOrganization = client.post(&path, &[]).await?;
            output.show(&restored, |o| listed(std::slice::from_ref(o)));
        }
    }
    Ok(Exit::Done)
}

/// What whoever deletes typed: given already, or asked for on the terminal.
pub(super) async fn typed(
    output: &Output,
    what: &str,
    slug: &str,
    given: Option<String>,
) -> Result<String> {
    let typed = match given {
        Some(given) => given,
        None if output.can_ask() => {
            output.ask(&format!(
                "This deletes the {what} {slug} with everything in it. Type its short name: "
            ));
            Lines::default().next().await.trim().to_owned()
        }
        None => {
            return Err(
                Failure::usage(format!("deleting the {what} takes its short name"))
                    .next(format!("give --confirm {slug}")),
            );
        }
    };
    if typed == slug {
        Ok(typed)
    } else {
        Err(Failure::usage(format!(
            "nothing was deleted: '{typed}' is not the short name of the {what}, '{slug}'"
        )))
    }
}

/// How sure somebody is who deletes, as the API wants it.
pub(super) struct Sure(Vec<(&'static str, String)>);

pub(super) fn sure(typed: &str, grace_days: Option<u32>) -> Sure {
    let mut query = vec![("confirm", typed.to_owned())];
    query.extend(grace_days.map(|days| ("graceDays", days.to_string())));
    Sure(query)
}

impl Sure {
    pub(super) fn borrowed(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(k, v)| (*k, v.as_str())).collect()
    }
}

fn listed(all: &[OwnOrganization]) -> String {
    let row = |o: &OwnOrganization| {
        let organization = &o.organization;
        vec![
            organization.slug.clone(),
            plain(&organization.name),
            o.role.clone(),
            organization
                .purge_at
                .as_ref()
                .map(|at| format!("deleted, until {at}"))
                .unwrap_or_default(),
            organization.id.clone(),
        ]
    };
    table(
        &["SLUG", "NAME", "YOUR ROLE", "STATUS", "ID"],
        &all.iter().map(row).collect::<Vec<_>>(),
    )
}
