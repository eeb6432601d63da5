//! `executor approvals`: what people are asked, and their answers. Editing arguments is in
//! `approvals/edit.rs`, what a source asks in `approvals/answer.rs`, more time and who looks after a
//! question in `approvals/attention.rs`, answering as questions come in `approvals/watch.rs`.

mod answer;
mod attention;
mod edit;
mod remember;
mod watch;

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Exit, Result};
use crate::follow::{Reply, answer_with, taken};
use crate::output::{plain, table};
use crate::show::describe;
use api::approvals::{Approval, Look, Withdrawal};
use remember::{Kept, Remember};
use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

/// Shows and answers what people are asked
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor approvals list --status pending\n  executor approvals deny appr_… --reason 'wrong account'"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists approvals
    #[command(
        after_help = "Examples:\n  executor approvals list --status pending --json\n  executor approvals list --status pending --order soonest\n  executor approvals list --status pending --assignee me"
    )]
    List(List),
    /// Shows one approval with the exact request
    #[command(after_help = "Example:\n  executor approvals show appr_…")]
    Show {
        /// The approval's id
        id: String,
    },
    /// Lets the call through, or sends it again; or says that it happened
    #[command(
        after_help = "A call that was under way when the server stopped may have happened: look, then approve to\nsend it again, say with --happened what it gave, or deny to let it fail.\n\nExamples:\n  executor approvals approve appr_…\n  executor approvals approve appr_… --edit\n  executor approvals approve appr_… --arguments '{\"amount\": 10}'\n  executor approvals approve appr_… --happened '{\"id\": 7}'\n  executor approvals approve appr_… --remember"
    )]
    Approve(Approve),
    /// Takes a question back, until its call is on its way; the program is told
    #[command(after_help = "Example:\n  executor approvals withdraw appr_… --reason 'not needed'")]
    Withdraw {
        /// The approval's id
        id: String,
        /// Why, for the program and the record
        #[arg(long)]
        reason: Option<String>,
    },
    /// Gives a question its own time once more, counted from when it would have expired
    #[command(
        after_help = "It is done once for each question, by somebody who may answer it.\n\nExample:\n  executor approvals extend appr_…"
    )]
    Extend {
        /// The approval's id
        id: String,
    },
    /// Says who looks after a question; it changes nothing about who may answer
    #[command(
        after_help = "Examples:\n  executor approvals assign appr_… --to me\n  executor approvals assign appr_… --to Ada\n  executor approvals assign appr_… --to nobody"
    )]
    Assign {
        /// The approval's id
        id: String,
        /// Somebody who may answer it: the id or name of a member, or me; or nobody
        #[arg(long, value_name = "WHO")]
        to: String,
    },
    /// Refuses the call; one that may have happened fails with outcome_unknown
    #[command(
        after_help = "Examples:\n  executor approvals deny appr_… --reason 'wrong account'\n  executor approvals deny appr_… --stop"
    )]
    Deny {
        /// The approval's id
        id: String,
        /// Why, for the program and the record
        #[arg(long)]
        reason: Option<String>,
        /// Cancel its task in the same step
        #[arg(long)]
        stop: bool,
        #[command(flatten)]
        remember: Remember,
    },
    /// Answers what a source asks you in the middle of a call; to refuse it is to deny it
    #[command(
        after_help = "Only the person who runs the task is asked. A source asks for secrets on a page of its own,\nnever in a form. A page that you visited is answered without fields.\n\nExamples:\n  executor approvals answer appr_… --field name=Ada --field count=3\n  executor approvals answer appr_… --content '{\"name\": \"Ada\"}'"
    )]
    Answer(answer::Arguments),
    /// Shows approvals as they come and takes answers at the terminal
    #[command(after_help = "Example:\n  executor approvals watch")]
    Watch,
}

#[derive(clap::Args)]
struct List {
    /// Only with this status: pending, approved, denied, expired, withdrawn
    #[arg(long)]
    status: Option<String>,
    /// Only those that somebody looks after: me, or the id or name of a member
    #[arg(long, value_name = "WHO")]
    assignee: Option<String>,
    /// Which come first: the newest, or those that expire soonest
    #[arg(long, value_parser = ["newest", "soonest"], default_value = "newest")]
    order: String,
    /// Approvals at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(clap::Args)]
struct Approve {
    /// The approval's id
    id: String,
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
    /// Change the arguments in your editor first
    #[arg(long, conflicts_with_all = ["arguments", "happened", "remember"])]
    edit: bool,
    /// Send with these arguments instead: JSON, or @FILE
    #[arg(long, value_name = "JSON|@FILE", value_parser = edit::json, conflicts_with_all = ["happened", "remember"])]
    arguments: Option<Value>,
    /// It happened when it was sent before, and gave this: JSON, or @FILE
    #[arg(long, value_name = "JSON|@FILE", value_parser = edit::json, conflicts_with = "remember")]
    happened: Option<Value>,
    #[command(flatten)]
    remember: Remember,
}

/// What `approvals list` prints of each.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    id: &'a str,
    task_id: &'a str,
    tool: &'a str,
    arguments: &'a Value,
    status: &'a str,
    risk: &'a str,
    rule: Option<&'a str>,
    requested_by: &'a str,
    created_at: &'a str,
    expires_at: &'a str,
}

impl<'a> Listed<'a> {
    fn of(a: &'a Approval) -> Self {
        Self {
            id: &a.id,
            task_id: &a.task_id,
            tool: &a.tool,
            arguments: &a.arguments,
            status: &a.status,
            risk: &a.risk,
            rule: a.rule.as_deref(),
            requested_by: &a.requested_by,
            created_at: &a.created_at,
            expires_at: &a.expires_at,
        }
    }
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    match arguments.command {
        Command::List(wanted) => list(context, &client, wanted).await?,
        Command::Show { id } => {
            let approval: Approval = client.get(&["approvals", &id], &[]).await?;
            context.output.show(&approval, |a| {
                format!("{}\n  status {}", describe(&context.output, a), ended(a))
            });
            if approval.status == "pending" {
                let look: Look = client.get(&["approvals", &id, "look"], &[]).await?;
                if let Some(call) = look.call {
                    context.output.note(&format!(
                        "to see what it would change: executor tools call {} '{}'",
                        plain(&call.path),
                        plain(&call.arguments.to_string())
                    ));
                }
            }
        }
        Command::Approve(approve) => approved(context, &client, approve).await?,
        Command::Deny {
            id,
            reason,
            stop,
            remember,
        } => {
            let approval: Approval = client.get(&["approvals", &id], &[]).await?;
            let kept = remember.choose(context, &client, &approval, "deny");
            let rule = match kept.await? {
                Kept::Left => return Ok(Exit::Done),
                Kept::Nothing => None,
                Kept::Rule(rule) => Some(*rule),
            };
            let denied = answer_with(
                &client,
                &approval,
                if stop {
                    Reply::DenyAndStop
                } else {
                    Reply::Deny
                },
                reason,
                rule,
            )
            .await?;
            told(context, &denied);
        }
        Command::Withdraw { id, reason } => {
            let path = ["approvals", &id, "withdraw"];
            let body = Withdrawal { reason };
            let withdrawn: Approval = client.send(Method::POST, &path, &body).await?;
            told(context, &withdrawn);
        }
        Command::Extend { id } => {
            let extended = attention::extend(&client, &id).await?;
            context.output.show(&extended, attention::extended);
        }
        Command::Assign { id, to } => {
            let assigned = attention::assign(&client, &id, &to).await?;
            context.output.show(&assigned, attention::assigned);
        }
        Command::Answer(arguments) => {
            let answered = answer::run(&client, arguments).await?;
            told(context, &answered);
        }
        Command::Watch => return watch::run(context, client).await,
    }
    Ok(Exit::Done)
}

async fn list(context: &Context, client: &Client, wanted: List) -> Result<()> {
    let List {
        status,
        assignee,
        order,
        limit,
    } = wanted;
    let assignee = match &assignee {
        Some(who) => Some(attention::person(client, who).await?),
        None => None,
    };
    let mut query = vec![("order", order.as_str())];
    query.extend(status.as_deref().map(|s| ("status", s)));
    query.extend(assignee.as_deref().map(|who| ("assignee", who)));
    let approvals: Vec<Approval> = client.list(&["approvals"], &query, limit).await?;
    let listed: Vec<_> = approvals.iter().map(Listed::of).collect();
    context.output.show(&listed, |_| {
        let row = |a: &Approval| {
            vec![
                a.id.clone(),
                match a.missing {
                    0 | 1 => a.status.clone(),
                    missing => format!("{} ({missing} missing)", a.status),
                },
                a.risk.clone(),
                a.tool.clone(),
                a.expires_at.clone(),
                a.arguments.to_string(),
            ]
        };
        let rows: Vec<_> = approvals.iter().map(row).collect();
        table(
            &["ID", "STATUS", "RISK", "TOOL", "EXPIRES", "ARGUMENTS"],
            &rows,
        )
    });
    Ok(())
}

async fn approved(context: &Context, client: &Client, approve: Approve) -> Result<()> {
    let approval: Approval = client.get(&["approvals", &approve.id], &[]).await?;
    let arguments = match (approve.arguments, approve.edit) {
        (Some(arguments), _) => Some(arguments),
        (None, true) => Some(edit::in_editor(context, &approval)?),
        (None, false) => None,
    };
    let (approval, reply) = match (approve.happened, arguments) {
        (Some(value), _) => (approval, Reply::Happened(value)),
        (None, Some(arguments)) => {
            let Some(shown) = edit::shown(context, client, &approval, &arguments).await? else {
                return Ok(());
            };
            (shown, Reply::Edit(arguments))
        }
        (None, None) => (approval, Reply::Approve),
    };
    let kept = approve.remember.choose(context, client, &approval, "allow");
    let rule = match kept.await? {
        Kept::Left => return Ok(()),
        Kept::Nothing => None,
        Kept::Rule(rule) => Some(*rule),
    };
    let answered = answer_with(client, &approval, reply, approve.reason, rule).await?;
    told(context, &answered);
    Ok(())
}

fn told(context: &Context, approval: &Approval) {
    context
        .output
        .show(approval, |a| format!("{} {}", taken(a), plain(&a.tool)));
}

fn ended(approval: &Approval) -> String {
    let mut text = match approval.answer.as_deref() {
        None => approval.status.clone(),
        Some(answer) => format!("{} ({answer})", approval.status),
    };
    if let Some(value) = &approval.value {
        text.push_str(&format!(" with {}", plain(&value.to_string())));
    }
    for (word, value) in [
        ("by", &approval.decided_by),
        ("via", &approval.decided_via),
        ("at", &approval.decided_at),
        ("because", &approval.reason),
    ] {
        if let Some(value) = value.as_ref().filter(|v| !v.is_empty()) {
            text.push_str(&format!(" {word} {}", plain(value)));
        }
    }
    text
}
