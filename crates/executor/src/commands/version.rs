//! `executor version`

use crate::context::Context;
use crate::failure::{Exit, Result};
use serde_json::json;

/// Prints the version
#[derive(clap::Args)]
#[command(after_help = "Example:\n  executor version --json")]
pub(crate) struct Arguments {}

pub(crate) async fn run(context: &Context) -> Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    context.output.show(
        &json!({ "name": "executor", "version": version, "target": std::env::consts::ARCH, "os": std::env::consts::OS, "web": if server::has_dashboard() { "bundled" } else { "absent" } }),
        |_| format!("executor {version}"),
    );
    Ok(Exit::Done)
}
