//! JSON-RPC as MCP uses it: what a message is, and how ours are written.
//!
//! An answer is taken only for a request of ours that is under way; what fits no shape is left out.

use super::limits::MESSAGE_BYTES_MAX;
use serde_json::{Map, Value, json};

/// The revision without sessions.
pub(super) const STATELESS: &str = "2026-07-28";

/// The revisions with a handshake, newest first; the first one is offered.
pub(super) const HANDSHAKES: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// The extension by which an answer may be a task.
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// An error that a server answers with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

/// One message of a server.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// The answer to a request of ours.
    Answer(u64, Result<Value, RpcError>),
    /// A request of its own, with its id and parameters.
    Asked(Value, String, Value),
    /// A notification, with its parameters.
    Told(String, Value),
}

/// A request on its way out.
#[derive(Debug, Clone)]
pub(super) struct Outbound {
    pub(super) id: u64,
    pub(super) method: &'static str,
    /// The value of `Mcp-Name`: the tool or task that the request is about.
    pub(super) name: Option<String>,
    /// Further headers, for transports that have them.
    pub(super) headers: Vec<(String, String)>,
    /// The message.
    pub(super) text: String,
}

/// The messages in a text: one, or a batch as the revision 2025-03-26 allows.
pub(super) fn read(text: &[u8]) -> Result<Vec<Incoming>, String> {
    if text.len() > MESSAGE_BYTES_MAX {
        return Err(format!(
            "a message is larger than {MESSAGE_BYTES_MAX} bytes"
        ));
    }
    let value: Value =
        serde_json::from_slice(text).map_err(|e| format!("a message is no JSON: {e}"))?;
    let found = match value {
        Value::Array(all) => all.into_iter().filter_map(one).collect(),
        single @ Value::Object(_) => one(single).into_iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    Ok(found)
}

fn one(value: Value) -> Option<Incoming> {
    let Value::Object(mut map) = value else {
        return None;
    };
    let id = map.remove("id").filter(|id| !id.is_null());
    if let Some(Value::String(method)) = map.remove("method") {
        let params = map.remove("params").unwrap_or_default();
        return Some(match id {
            Some(id) => Incoming::Asked(id, method, params),
            None => Incoming::Told(method, params),
        });
    }
    let id = id?.as_u64()?;
    if let Some(error) = map.remove("error") {
        let message = error.get("message").and_then(Value::as_str);
        return Some(Incoming::Answer(
            id,
            Err(RpcError {
                code: error.get("code").and_then(Value::as_i64).unwrap_or(0),
                message: message.unwrap_or("an error without a message").to_owned(),
                data: error.get("data").filter(|d| !d.is_null()).cloned(),
            }),
        ));
    }
    Some(Incoming::Answer(id, Ok(map.remove("result")?)))
}

/// The error in the body of a refusal that answers no request in particular.
pub(super) fn refusal(body: &[u8]) -> Option<RpcError> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let error = value.get("error")?;
    Some(RpcError {
        code: error.get("code")?.as_i64()?,
        message: error.get("message")?.as_str()?.to_owned(),
        data: error.get("data").cloned(),
    })
}

pub(super) fn request(id: u64, method: &str, params: &Map<String, Value>) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

pub(super) fn notification(method: &str, params: Option<Value>) -> String {
    let mut message = json!({ "jsonrpc": "2.0", "method": method });
    if let Some(params) = params {
        message["params"] = params;
    }
    message.to_string()
}

pub(super) fn reply(id: &Value, outcome: Result<Value, (i64, &str)>) -> String {
    let message = match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, text)) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } })
        }
    };
    message.to_string()
}

/// Who we are.
pub(super) fn client_info() -> Value {
    json!({ "name": "executor", "title": "Executor", "version": env!("CARGO_PKG_VERSION") })
}

/// What a server may ask of us: questions to a person where it may ask any, and nothing else.
pub(super) fn capabilities(may_ask: bool) -> Value {
    match may_ask {
        true => json!({ "elicitation": { "form": {}, "url": {} } }),
        false => json!({}),
    }
}

/// The same in the revision without sessions, where tasks are another thing that we can.
fn stateless_capabilities(may_ask: bool) -> Value {
    let mut can = capabilities(may_ask);
    can["extensions"] = json!({ TASKS: {} });
    can
}

/// What every request of the revision without sessions says of its sender.
pub(super) fn stateless_meta(may_ask: bool) -> Map<String, Value> {
    let fields = [
        ("protocolVersion", STATELESS.into()),
        ("clientInfo", client_info()),
        ("clientCapabilities", stateless_capabilities(may_ask)),
    ];
    let named = |(name, value): (&str, Value)| (format!("io.modelcontextprotocol/{name}"), value);
    fields.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_and_nonsense_is_left_out() {
        let read = |text: &str| read(text.as_bytes()).expect("JSON");
        assert_eq!(
            read(r#"{"jsonrpc":"2.0","id":3,"result":{"a":1}}"#),
            [Incoming::Answer(3, Ok(json!({"a": 1})))]
        );
        let refused = RpcError {
            code: -32602,
            message: "no".into(),
            data: Some(json!(1)),
        };
        assert_eq!(
            read(r#"{"id":4,"error":{"code":-32602,"message":"no","data":1}}"#),
            [Incoming::Answer(4, Err(refused))]
        );
        assert_eq!(
            read(r#"[{"id":"x","method":"ping"},{"method":"notifications/x","params":{"b":2}}]"#),
            [
                Incoming::Asked(json!("x"), "ping".into(), Value::Null),
                Incoming::Told("notifications/x".into(), json!({ "b": 2 })),
            ]
        );
        for nothing in [
            "1",
            "[]",
            "[[]]",
            r#"{"id":1}"#,
            r#"{"id":1.5,"result":{}}"#,
            r#"{"id":null,"result":{}}"#,
            r#"{"id":"1","result":{}}"#,
            r#"{"id":-1,"result":{}}"#,
        ] {
            assert_eq!(read(nothing), [], "{nothing}");
        }
        assert!(super::read(b"{").is_err());
    }
}
