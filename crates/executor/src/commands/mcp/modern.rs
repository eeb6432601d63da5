//! Messages of 2026-07-28: each says its revision itself, and over HTTP headers repeat what routes it.
//!
//! There is no session to keep for them. See
//! <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http>.

use reqwest::RequestBuilder;
use serde_json::Value;

/// The first revision without sessions.
const FIRST: &str = "2026-07-28";

/// What the headers of a message repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Modern {
    version: String,
    method: String,
    name: Option<String>,
}

impl Modern {
    /// Reads a message; none if it belongs to a revision with sessions.
    pub(super) fn of(message: &Value) -> Option<Self> {
        let version = message
            .pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion")
            .and_then(Value::as_str)
            .filter(|version| *version >= FIRST)?;
        let method = message.get("method").and_then(Value::as_str)?;
        let key = match method {
            "tools/call" | "prompts/get" => Some("name"),
            "resources/read" => Some("uri"),
            "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
            _ => None,
        };
        let name = key.and_then(|key| message.get("params")?.get(key)?.as_str());
        Some(Self {
            version: version.to_owned(),
            method: method.to_owned(),
            name: name.map(str::to_owned),
        })
    }

    /// A request that carries the message.
    pub(super) fn headed(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request
            .header("mcp-protocol-version", &self.version)
            .header("mcp-method", &self.method);
        match &self.name {
            Some(name) => request.header("mcp-name", name),
            None => request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(version: &str, method: &str, params: Value) -> Option<Modern> {
        let mut message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(version);
        Modern::of(&message)
    }

    #[test]
    fn the_headers_repeat_the_message() {
        let call = read(FIRST, "tools/call", json!({ "name": "execute" })).unwrap();
        assert_eq!(
            (call.method.as_str(), call.name.as_deref()),
            ("tools/call", Some("execute"))
        );
        let get = read(FIRST, "tasks/get", json!({ "taskId": "task_1" })).unwrap();
        assert_eq!(get.name.as_deref(), Some("task_1"));
        let list = read(FIRST, "tools/list", json!({ "name": "no" })).unwrap();
        assert_eq!(list.name, None);
        assert_eq!(read("2025-11-25", "tools/list", json!({})), None);
        assert_eq!(
            Modern::of(&json!({ "method": "initialize", "params": {} })),
            None
        );
    }
}
