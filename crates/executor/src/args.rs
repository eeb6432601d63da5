//! The command line: what every command shares, and the list of commands.
//!
//! Each command's own arguments stand beside what it does, in `commands/`. Values of settings are
//! not read from the environment here: `config.rs` does that, so that it can say where from.

use crate::commands::{
    approvals, audit, backup, check, config, credentials, doctor, example, grants, invites, keys,
    login, mcp, members, notifications, organizations, policies, run, serve, sessions, sources,
    tasks, tools, vault, version, web, webhooks, workspaces,
};
use crate::config::Flags;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// One gateway for AI agents: they send TypeScript, it runs in a locked sandbox, every tool of every
/// connected API is a function there, and each call passes one gate.
#[derive(Parser)]
#[command(
    name = "executor",
    version,
    about,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  executor example            a first program, explained, with no network\n  executor serve              the server, in the foreground\n  executor run -e 'return 1'  run a program\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 denied, 4 timed out, 5 canceled,\n6 server not reachable, 7 not signed in or not allowed."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Shared {
    /// Print one JSON document on stdout and nothing else there
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Address of the server [env: EXECUTOR_URL] [default: the one of the data directory]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// API key; not needed as the user who runs the server [env: EXECUTOR_API_KEY]
    #[arg(long, global = true, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// Workspace, where a key reaches several [env: EXECUTOR_WORKSPACE]
    #[arg(long, global = true, value_name = "SLUG|ID")]
    pub(crate) workspace: Option<String>,
    /// Directory that everything is kept in [env: EXECUTOR_HOME] [default: ~/.executor]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// No remarks on stderr, errors and questions excepted
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    Serve(serve::Arguments),
    Run(run::Arguments),
    Check(check::Arguments),
    Tasks(tasks::Arguments),
    Approvals(approvals::Arguments),
    Sources(sources::Arguments),
    Tools(tools::Arguments),
    Policies(policies::Arguments),
    Credentials(credentials::Arguments),
    Keys(keys::Arguments),
    Grants(grants::Arguments),
    Members(members::Arguments),
    #[command(visible_alias = "orgs")]
    Organizations(organizations::Arguments),
    Invites(invites::Arguments),
    Workspaces(workspaces::Arguments),
    Webhooks(webhooks::Arguments),
    Notifications(notifications::Arguments),
    Audit(audit::Arguments),
    Vault(vault::Arguments),
    Backup(backup::BackupArguments),
    Restore(backup::RestoreArguments),
    Doctor(doctor::Arguments),
    Example(example::Arguments),
    Mcp(mcp::Arguments),
    Web(web::Arguments),
    Sessions(sessions::Arguments),
    Login(login::Arguments),
    Logout(login::LogoutArguments),
    Config(config::Arguments),
    Version(version::Arguments),
}

impl Cli {
    /// The settings that the command line gives.
    pub(crate) fn flags(&self) -> Flags {
        let mut flags = Flags::new();
        let mut set = |flag, key, value: &Option<String>| {
            if let Some(value) = value {
                flags.push((flag, key, value.clone()));
            }
        };
        set("--server", "url", &self.shared.server);
        set("--api-key", "api_key", &self.shared.api_key);
        set("--workspace", "workspace", &self.shared.workspace);
        if let Command::Serve(serve) = &self.command {
            set("--host", "host", &serve.host);
            set("--port", "port", &serve.port.map(|p| p.to_string()));
            set("--sign-in", "sign_in_mode", &serve.sign_in);
            set("--database-url", "database_url", &serve.database_url);
        }
        if let Command::Restore(restore) = &self.command {
            set("--database-url", "database_url", &restore.database_url);
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
