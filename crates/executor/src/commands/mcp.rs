//! `executor mcp`: MCP over stdio for clients that start programs, in front of the one server.
//!
//! Lines of stdin go to the server's MCP endpoint, its messages come out as lines of stdout. The
//! server is started where none runs, and found again after a restart. Nothing is decided here:
//! see `link.rs` for the way to the endpoint, `launch.rs` for starting the server.

mod launch;
mod link;
mod state;

use crate::context::Context;
use crate::failure::{Exit, Result};
use link::Link;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::task::JoinSet;

/// How long answers under way are waited for once the client has closed stdin.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Speaks MCP over stdio; starts or joins the server of the data directory
#[derive(clap::Args)]
#[command(
    after_help = "Logs of a server that it starts are in server.log in the data directory.\n\nExamples:\n  claude mcp add executor -- executor mcp\n  executor mcp --data-dir ./data"
)]
pub(crate) struct Arguments {}

pub(crate) async fn run(context: &Context) -> Result<Exit> {
    let client = context.client_to_be()?;
    launch::ensure(context, &client).await?;
    let link = Arc::new(Link::new(context, client.again()));
    let mut lines = BufReader::new(stdin()).lines();
    let mut under_way = JoinSet::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim().is_empty() {
            continue;
        }
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            link.write(&json!({
                "jsonrpc": "2.0", "id": null,
                "error": { "code": -32700, "message": "this line is no JSON" },
            }));
            continue;
        };
        match message.get("method").and_then(Value::as_str) {
            // Everything after these depends on the session that they make.
            Some("initialize") => link.initialize(message).await,
            Some("notifications/initialized") => {
                link.forward(&message).await;
                under_way.spawn(Arc::clone(&link).listen());
            }
            _ => {
                let link = Arc::clone(&link);
                under_way.spawn(async move { link.forward(&message).await });
            }
        }
        while under_way.try_join_next().is_some() {}
    }
    link.close();
    let all = async { while under_way.join_next().await.is_some() {} };
    let _unfinished = tokio::time::timeout(LAST_ANSWERS, all).await;
    link.end().await;
    Ok(Exit::Done)
}
