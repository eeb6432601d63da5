//! The commands, one file each: its arguments, and what it does over the public API.

pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod credentials;
pub(crate) mod doctor;
pub(crate) mod example;
pub(crate) mod grants;
pub(crate) mod invites;
pub(crate) mod keys;
pub(crate) mod login;
pub(crate) mod mcp;
pub(crate) mod members;
pub(crate) mod notifications;
pub(crate) mod organizations;
pub(crate) mod policies;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod sources;
pub(crate) mod tasks;
pub(crate) mod tools;
pub(crate) mod vault;
pub(crate) mod version;
pub(crate) mod web;
pub(crate) mod webhooks;
pub(crate) mod workspaces;

use crate::args::Command;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;

/// Does what the command line asks.
pub(crate) async fn dispatch(context: &Context, command: Command) -> Result<Exit> {
    // Boxed one by one: the largest command must not decide how much stack every other one takes.
    let work: Pin<Box<dyn Future<Output = Result<Exit>> + '_>> = match command {
        Command::Serve(_) => Box::pin(serve::serve(context)),
        Command::Run(arguments) => Box::pin(run::run(context, arguments)),
        Command::Check(arguments) => Box::pin(check::run(context, arguments)),
        Command::Tasks(arguments) => Box::pin(tasks::run(context, arguments)),
        Command::Approvals(arguments) => Box::pin(approvals::run(context, arguments)),
        Command::Sources(arguments) => Box::pin(sources::run(context, arguments)),
        Command::Tools(arguments) => Box::pin(tools::run(context, arguments)),
        Command::Policies(arguments) => Box::pin(policies::run(context, arguments)),
        Command::Credentials(arguments) => Box::pin(credentials::run(context, arguments)),
        Command::Grants(arguments) => Box::pin(grants::run(context, arguments)),
        Command::Keys(arguments) => Box::pin(keys::run(context, arguments)),
        Command::Members(arguments) => Box::pin(members::run(context, arguments)),
        Command::Organizations(arguments) => Box::pin(organizations::run(context, arguments)),
        Command::Invites(arguments) => Box::pin(invites::run(context, arguments)),
        Command::Workspaces(arguments) => Box::pin(workspaces::run(context, arguments)),
        Command::Webhooks(arguments) => Box::pin(webhooks::run(context, arguments)),
        Command::Notifications(arguments) => Box::pin(notifications::run(context, arguments)),
        Command::Audit(arguments) => Box::pin(audit::run(context, arguments)),
        Command::Vault(arguments) => Box::pin(vault::run(context, arguments)),
        Command::Backup(arguments) => Box::pin(backup::backup(context, arguments)),
        Command::Restore(arguments) => Box::pin(backup::restore(context, arguments)),
        Command::Doctor(_) => Box::pin(doctor::run(context)),
        Command::Example(arguments) => Box::pin(example::run(context, arguments)),
        Command::Mcp(arguments) => Box::pin(mcp::run(context, arguments)),
        Command::Web(arguments) => Box::pin(web::run(context, arguments)),
        Command::Sessions(arguments) => Box::pin(sessions::run(context, arguments)),
        Command::Login(arguments) => Box::pin(login::login(context, arguments)),
        Command::Logout(arguments) => Box::pin(login::logout(context, arguments)),
        Command::Config(_) => Box::pin(config::run(context)),
        Command::Version(_) => Box::pin(version::run(context)),
    };
    work.await
}

/// Reads a JSON object of the command line.
fn json_object(text: &str) -> std::result::Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("arguments are one JSON object, such as '{\"id\": 1}'".to_owned()),
        Err(e) => Err(format!("this is no JSON: {e}")),
    }
}

/// What a removal prints with `--json`.
fn removed(context: &Context, what: &str, id: &str) -> Exit {
    let document = serde_json::json!({ "id": id, "removed": true });
    context
        .output
        .show(&document, |_| format!("removed {what} {id}"));
    Exit::Done
}

/// A look-up by name or identifier in a list that the caller has read.
fn find<'a, T>(items: &'a [T], what: &str, wanted: &str, is: impl Fn(&T) -> bool) -> Result<&'a T> {
    items.iter().find(|item| is(item)).ok_or_else(|| {
        Failure::failed("not_found", format!("there is no {what} '{wanted}'"))
            .next(format!("`executor {what}s list` shows them"))
    })
}
