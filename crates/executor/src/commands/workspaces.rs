//! `executor workspaces`: what holds tasks, sources, rules and credentials, and its settings.

use crate::client::Client;
use crate::commands::{find, members, organizations};
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::output::{Output, fields, plain, table};
use api::members::Member;
use api::settings::{Settings, SettingsChange};
use api::system::{NewWorkspace, NewWorkspaceMember, Storage, Workspace, WorkspaceChange};
use reqwest::Method;

/// Lists and makes workspaces, and changes the settings of one
#[derive(clap::Args)]
#[command(
    after_help = "Every command takes --workspace (EXECUTOR_WORKSPACE) for another than the first.\n\nExamples:\n  executor workspaces create staging\n  executor workspaces settings --in-client-decisions on --workspace staging"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists the workspaces that you reach
    #[command(after_help = "Example:\n  executor workspaces list --json")]
    List,
    /// Makes a workspace
    #[command(after_help = "Example:\n  executor workspaces create staging --name 'Staging'")]
    Create {
        /// Its short name for addresses: lower-case letters, digits and hyphens
        slug: String,
        /// The name people see; the short name by default
        #[arg(long)]
        name: Option<String>,
        /// open to all members of the organization (the default), or restricted to those it names
        #[arg(long, value_name = "open|restricted")]
        access: Option<String>,
    },
    /// Changes the names of a workspace, and whom it lets in
    #[command(after_help = "Example:\n  executor workspaces change staging --access restricted")]
    Change {
        /// The workspace: short name, id, or organization/workspace
        target: String,
        /// The new name
        #[arg(long)]
        name: Option<String>,
        /// The new short name
        #[arg(long)]
        slug: Option<String>,
        /// open or restricted
        #[arg(long, value_name = "open|restricted")]
        access: Option<String>,
    },
    /// Deletes a workspace with everything in it; it can be restored for 30 days
    #[command(
        after_help = "Asks for the short name, or takes it from --confirm.\n\nExample:\n  executor workspaces delete staging --confirm staging"
    )]
    Delete {
        /// The workspace: short name, id, or organization/workspace
        target: String,
        /// Its short name, typed to confirm
        #[arg(long, value_name = "SLUG")]
        confirm: Option<String>,
        /// Days for which it can be restored; 0 removes everything at once
        #[arg(long, value_name = "DAYS")]
        grace_days: Option<u32>,
    },
    /// Lists the workspaces that were deleted and that you may restore
    #[command(after_help = "Example:\n  executor workspaces deleted")]
    Deleted,
    /// Takes a deletion back
    #[command(after_help = "Example:\n  executor workspaces restore staging")]
    Restore {
        /// The workspace: short name, id, or organization/workspace
        target: String,
    },
    /// Lists, adds and removes the members whom a restricted workspace lets in
    #[command(after_help = "Example:\n  executor workspaces members staging --add acct_…")]
    Members {
        /// The workspace: short name, id, or organization/workspace
        target: String,
        /// A member of the organization to let in, by id
        #[arg(long, value_name = "MEMBER")]
        add: Vec<String>,
        /// A member to let in no longer, by id
        #[arg(long, value_name = "MEMBER")]
        remove: Vec<String>,
    },
    /// Says how large the database is, and how many tasks of the workspace are kept
    #[command(after_help = "Example:\n  executor workspaces storage --json")]
    Storage,
    /// Shows the settings of a workspace, and changes those that are given
    #[command(
        after_help = "Examples:\n  executor workspaces settings\n  executor workspaces settings --limit calls=2000 --limit computeMs=default"
    )]
    Settings {
        /// Whether a person may answer approvals in a form of their MCP client
        #[arg(long, value_name = "on|off", value_parser = switch)]
        in_client_decisions: Option<bool>,
        /// Whether members see each other's tasks, code and arguments
        #[arg(long, value_name = "on|off", value_parser = switch)]
        members_see_all_tasks: Option<bool>,
        /// Whether a reviewer may change the arguments of any call that is asked about
        #[arg(long, value_name = "on|off", value_parser = switch)]
        approvers_may_edit: Option<bool>,
        /// Days after its end at which a task is removed; 0 keeps it for ever
        #[arg(long, value_name = "DAYS")]
        retention_days: Option<u32>,
        /// How often sources are read again that do not say so themselves: never, or 10s to 30d
        #[arg(long, value_name = "TIME")]
        source_refresh_every: Option<String>,
        /// A limit and its new value, or `default`
        #[arg(long = "limit", value_name = "NAME=N", value_parser = limit)]
        limits: Vec<(String, Option<u64>)>,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let output = &context.output;
    match arguments.command {
        Command::List => {
            let all: Vec<Workspace> = client.list(&["workspaces"], &[], usize::MAX).await?;
            output.show(&all, |all| listed(all));
        }
        Command::Change {
            target,
            name,
            slug,
            access,
        } => {
            if name.is_none() && slug.is_none() && access.is_none() {
                return Err(
                    Failure::usage("nothing to change").next("give --name, --slug or --access")
                );
            }
            let change = WorkspaceChange { name, slug, access };
            let path = ["workspaces", target.as_str()];
            let changed: Workspace = client.send(Method::PATCH, &path, &change).await?;
            output.show(&changed, |w| listed(std::slice::from_ref(w)));
        }
        Command::Delete {
            target,
            confirm,
            grace_days,
        } => {
            delete(output, &client, &target, (confirm, grace_days)).await?;
        }
        Command::Deleted => {
            let path = ["deleted-workspaces"];
            let all: Vec<Workspace> = client.list(&path, &[], usize::MAX).await?;
            output.show(&all, |all| listed(all));
        }
        Command::Restore { target } => {
            let path = ["deleted-workspaces", target.as_str(), "restore"];
            let restored: Workspace = client.post(&path, &[]).await?;
            output.show(&restored, |w| listed(std::slice::from_ref(w)));
        }
        Command::Members {
            target,
            add,
            remove,
        } => {
            named(output, &client, &target, (add, remove)).await?;
        }
        Command::Create { slug, name, access } => {
            let new = NewWorkspace { slug, name, access };
            let made: Workspace = client.send(Method::POST, &["workspaces"], &new).await?;
            output.show(&made, |w| listed(std::slice::from_ref(w)));
        }
        Command::Storage => {
            let storage: Storage = client.get(&["storage"], &[]).await?;
            output.show(&storage, kept);
        }
        Command::Settings {
            in_client_decisions,
            members_see_all_tasks,
            approvers_may_edit,
            retention_days,
            source_refresh_every,
            limits,
        } => {
            let change = SettingsChange {
                in_client_decisions,
                members_see_all_tasks,
                approvers_may_edit,
                retention_days,
                source_refresh_every,
                ..SettingsChange::default()
            };
            settings(output, &client, change, limits).await?;
        }
    }
    Ok(Exit::Done)
}

/// Changes whom a restricted workspace names, and shows them.
async fn named(
    output: &Output,
    client: &Client,
    target: &str,
    (add, remove): (Vec<String>, Vec<String>),
) -> Result<()> {
    let path = ["workspaces", target, "members"];
    for member in add {
        let new = NewWorkspaceMember { member };
        let _named: Member = client.send(Method::POST, &path, &new).await?;
    }
    for member in remove {
        client
            .delete(&["workspaces", target, "members", &member])
            .await?;
    }
    let all: Vec<Member> = client.list(&path, &[], usize::MAX).await?;
    output.show(&all, |all| members::listed(all));
    Ok(())
}

/// Deletes a workspace whose short name was typed.
async fn delete(
    output: &Output,
    client: &Client,
    target: &str,
    (confirm, grace_days): (Option<String>, Option<u32>),
) -> Result<()> {
    let slug = target.rsplit('/').next().unwrap_or(target);
    let slug = if slug.starts_with("ws_") {
        let all: Vec<Workspace> = client.list(&["workspaces"], &[], usize::MAX).await?;
        find(&all, "workspace", slug, |w| w.id == slug)?
            .slug
            .clone()
    } else {
        slug.to_owned()
    };
    let typed = organizations::typed(output, "workspace", &slug, confirm).await?;
    let query = organizations::sure(&typed, grace_days);
    let path = ["workspaces", target];
    let deleted: Workspace = client.remove(&path, &query.borrowed()).await?;
    output.show(&deleted, |w| listed(std::slice::from_ref(w)));
    output.note(&format!(
        "`executor workspaces restore {}/{}` takes it back until {}",
        deleted.organization,
        deleted.slug,
        deleted.purge_at.as_deref().unwrap_or("then")
    ));
    Ok(())
}

/// Shows the settings, or changes those that were given.
async fn settings(
    output: &Output,
    client: &Client,
    mut change: SettingsChange,
    limits: Vec<(String, Option<u64>)>,
) -> Result<()> {
    let asks = change == SettingsChange::default() && limits.is_empty();
    for (name, value) in limits {
        if change.limits.insert(name.clone(), value).is_some() {
            return Err(Failure::usage(format!("--limit {name} is given twice")));
        }
    }
    let path = ["workspace", "settings"];
    let settings: Settings = if asks {
        client.get(&path, &[]).await?
    } else {
        client.send(Method::PATCH, &path, &change).await?
    };
    output.show(&settings, shown);
    Ok(())
}

fn switch(text: &str) -> std::result::Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it is on or off".to_owned()),
    }
}

fn limit(text: &str) -> std::result::Result<(String, Option<u64>), String> {
    let refuse = || format!("'{text}' is no NAME=N, such as calls=2000 or calls=default");
    let (name, value) = text.split_once('=').ok_or_else(refuse)?;
    let value = match value {
        "default" => None,
        number => Some(number.parse().map_err(|_| refuse())?),
    };
    Ok((name.to_owned(), value))
}

fn kept(storage: &Storage) -> String {
    let mut rows = vec![
        ("database", storage.database.clone()),
        ("bytes", storage.bytes.to_string()),
        ("retention days", storage.retention_days.to_string()),
    ];
    let counts: Vec<(String, String)> = storage
        .tasks
        .iter()
        .map(|each| (format!("tasks {}", each.status), each.count.to_string()))
        .collect();
    rows.extend(
        counts
            .iter()
            .map(|(name, count)| (name.as_str(), count.clone())),
    );
    fields(&rows)
}

fn listed(workspaces: &[Workspace]) -> String {
    let row = |w: &Workspace| {
        vec![
            format!("{}/{}", w.organization, w.slug),
            plain(&w.name),
            w.access.clone(),
            w.id.clone(),
        ]
    };
    table(
        &["WORKSPACE", "NAME", "ACCESS", "ID"],
        &workspaces.iter().map(row).collect::<Vec<_>>(),
    )
}

fn shown(settings: &Settings) -> String {
    let word = |on: bool| if on { "on" } else { "off" }.to_owned();
    let mut rows = vec![
        vec![
            "in-client-decisions".to_owned(),
            word(settings.in_client_decisions),
            word(false),
            "whether a person may answer approvals in a form of their MCP client".to_owned(),
        ],
        vec![
            "members-see-all-tasks".to_owned(),
            word(settings.members_see_all_tasks),
            word(false),
            "whether members see each other's tasks, code and arguments".to_owned(),
        ],
        vec![
            "approvers-may-edit".to_owned(),
            word(settings.approvers_may_edit),
            word(false),
            "whether a reviewer may change the arguments of any call that is asked about"
                .to_owned(),
        ],
        vec![
            "retention-days".to_owned(),
            settings.retention_days.to_string(),
            "90".to_owned(),
            "days after its end at which a task is removed; 0 keeps it for ever".to_owned(),
        ],
    ];
    rows.push(vec![
        "source-refresh-every".to_owned(),
        settings.source_refresh_every.clone(),
        "24h".to_owned(),
        "how often sources are read again that do not say so themselves".to_owned(),
    ]);
    rows.extend(settings.limits.iter().map(|limit| {
        vec![
            limit.name.clone(),
            limit.value.to_string(),
            limit.default.to_string(),
            limit.description.clone(),
        ]
    }));
    table(&["SETTING", "VALUE", "DEFAULT", "WHAT"], &rows)
}
