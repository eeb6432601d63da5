//! `executor mcp`: MCP over stdio for clients that start programs, in front of the one server.
//!
//! Lines of stdin go to the server's MCP endpoint, its messages come out as lines of stdout. The
//! server is started where none runs, and found again after a restart. Nothing is decided here:
//! see `link.rs` for the way to the endpoint, `launch.rs` for starting the server.

mod launch;
mod link;
mod modern;
mod state;

use crate::client::Query;
use crate::context::Context;
use crate::failure::{Exit, Result};
use link::Link;
use modern::Modern;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::task::{AbortHandle, JoinSet};

/// How long answers under way are waited for once the client has closed stdin.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Speaks MCP over stdio; starts or joins the server of the data directory
#[derive(clap::Args)]
#[command(
    after_help = "Logs of a server that it starts are in server.log in the data directory.\n\nExamples:\n  claude mcp add executor -- executor mcp\n  executor mcp --data-dir ./data\n  executor mcp --direct"
)]
pub(crate) struct Arguments {
    /// Offers the catalog itself as tools, for clients with few tools
    #[arg(long)]
    direct: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client_to_be()?;
    launch::ensure(context, &client).await?;
    let query: Query<'static> = if arguments.direct {
        &[("tools", "direct")]
    } else {
        &[]
    };
    let link = Arc::new(Link::new(context, client.again(), query));
    let mut lines = BufReader::new(stdin()).lines();
    let mut under_way = JoinSet::new();
    let mut requests = Requests::default();
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
            Some("notifications/cancelled") if requests.cancel(&message) => {}
            _ => {
                let (link, sent) = (Arc::clone(&link), message.clone());
                let request = under_way.spawn(async move { link.forward(&sent).await });
                requests.begin(&message, request);
            }
        }
        while under_way.try_join_next().is_some() {}
    }
    link.close();
    requests.end_subscriptions();
    let all = async { while under_way.join_next().await.is_some() {} };
    let _unfinished = tokio::time::timeout(LAST_ANSWERS, all).await;
    link.end().await;
    Ok(Exit::Done)
}

/// The requests under way that belong to a revision without sessions: there, to close the stream of
/// a request over HTTP is to cancel it.
#[derive(Default)]
struct Requests(HashMap<String, UnderWay>);

struct UnderWay {
    request: AbortHandle,
    is_subscription: bool,
}

impl Requests {
    fn begin(&mut self, message: &Value, request: AbortHandle) {
        self.0.retain(|_, known| !known.request.is_finished());
        let (Some(id), Some(_)) = (message.get("id"), Modern::of(message)) else {
            return;
        };
        let is_subscription =
            message.get("method").and_then(Value::as_str) == Some("subscriptions/listen");
        let under_way = UnderWay {
            request,
            is_subscription,
        };
        self.0.insert(id.to_string(), under_way);
    }

    /// Cancels what a notification names; false if that is none of these requests.
    fn cancel(&mut self, message: &Value) -> bool {
        let id = message.pointer("/params/requestId");
        let known = id.and_then(|id| self.0.remove(&id.to_string()));
        known.inspect(|known| known.request.abort()).is_some()
    }

    /// Ends what would go on for as long as somebody listens.
    fn end_subscriptions(&self) {
        for known in self.0.values().filter(|known| known.is_subscription) {
            known.request.abort();
        }
    }
}
