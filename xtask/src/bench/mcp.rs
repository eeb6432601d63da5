//! The least of an MCP client over Streamable HTTP: it initializes and calls `execute`. It takes an
//! answer as JSON or as an event stream, whichever the server chooses.

use super::http::{Connection, Response};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::net::SocketAddr;

const PROTOCOL: &str = "2025-11-25";
const ACCEPT: &str =
    "content-type: application/json\r\naccept: application/json, text/event-stream\r\n";

/// An initialized client on a connection of its own.
pub(crate) struct Client {
    connection: Connection,
    headers: String,
    next_id: u64,
}

impl Client {
    /// Connects and initializes.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let mut client = Self {
            connection: Connection::open(address)?,
            headers: ACCEPT.into(),
            next_id: 1,
        };
        let hello = json!({
            "protocolVersion": PROTOCOL,
            "capabilities": {},
            "clientInfo": { "name": "bench", "version": "1" },
        });
        let response = client.post("initialize", &hello)?;
        client.headers += &format!("mcp-protocol-version: {PROTOCOL}\r\n");
        if let Some(session) = response.header("mcp-session-id") {
            client.headers += &format!("mcp-session-id: {session}\r\n");
        }
        answer(&response)?;
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        client
            .connection
            .send("POST /mcp", &client.headers, &ready.to_string())?;
        Ok(client)
    }

    /// Runs a program and gives its result.
    ///
    /// # Errors
    /// It did not complete.
    pub(crate) fn execute(&mut self, code: &str) -> Result<Value> {
        let outcome = self.outcome(code, None)?;
        if outcome["status"] != "completed" {
            bail!("the task did not complete: {outcome}");
        }
        Ok(outcome["result"].clone())
    }

    /// Runs a program and tells how it ended.
    pub(crate) fn outcome(&mut self, code: &str, timeout_ms: Option<u64>) -> Result<Value> {
        let arguments = match timeout_ms {
            Some(ms) => json!({ "code": code, "timeoutMs": ms }),
            None => json!({ "code": code }),
        };
        let call = json!({ "name": "execute", "arguments": arguments });
        let response = self.post("tools/call", &call)?;
        let mut result = answer(&response)?;
        Ok(result["structuredContent"].take())
    }

    fn post(&mut self, method: &str, parameters: &Value) -> Result<Response> {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters });
        self.connection
            .send("POST /mcp", &self.headers, &request.to_string())
    }
}

/// The result that a response carries: in an event stream, the last message.
fn answer(response: &Response) -> Result<Value> {
    let is_stream = response
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    let text = if is_stream {
        response
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .next_back()
    } else {
        Some(response.body.as_str())
    };
    let text = text.with_context(|| format!("an answer without a message: {}", response.body))?;
    let mut message: Value = serde_json::from_str(text.trim())
        .with_context(|| format!("HTTP {}: {}", response.status, response.body))?;
    if message["result"].is_null() {
        bail!("the server answered {message}");
    }
    Ok(message["result"].take())
}
