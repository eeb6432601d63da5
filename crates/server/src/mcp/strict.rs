//! Reads a message before the protocol library does: one JSON-RPC message, without any of the
//! liberties in which two readers of the same bytes could see two different messages.
//!
//! No batch, no key given twice, no mark or text around it, an id that is a text or a whole number.
//! What is refused here has done nothing.

use crate::error::malformed_message;
use crate::http::extract::strict_json;
use axum::response::Response;
use serde_json::{Value, json};

/// The first revision without sessions.
const MODERN: &str = "2026-07-28";

/// Longest id in characters.
const ID_CHARS_MAX: usize = 256;

/// What is known of a message that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    /// Whether it says itself that it belongs to a revision without sessions.
    pub(super) modern: bool,
}

/// Why a message cannot be read: the JSON-RPC error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    id: Value,
    code: i64,
    why: String,
}

const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;

/// Judges the bytes of a message.
pub(super) fn read(body: &[u8]) -> Result<Message, Unreadable> {
    let unreadable = |id: &Value, code, why: &str| Unreadable {
        id: id.clone(),
        code,
        why: why.to_owned(),
    };
    if body.starts_with(b"\xEF\xBB\xBF") {
        let why = "the message begins with a byte order mark; send UTF-8 without one";
        return Err(unreadable(&Value::Null, PARSE_ERROR, why));
    }
    let message = strict_json(body)
        .map_err(|e| unreadable(&Value::Null, PARSE_ERROR, &format!("it is no JSON: {e}")))?;
    let invalid = |id: &Value, why: &str| Err(unreadable(id, INVALID_REQUEST, why));
    let Value::Object(fields) = &message else {
        let why = "one message is one JSON object; batches are not taken";
        return invalid(&Value::Null, why);
    };
    let id = match fields.get("id") {
        Some(Value::String(text)) if text.chars().count() > ID_CHARS_MAX => {
            return invalid(&Value::Null, "the id has more than 256 characters");
        }
        Some(id @ Value::String(_)) => Some(id),
        Some(id @ Value::Number(n)) if n.as_i64().is_some() => Some(id),
        Some(_) => {
            let why = "the id must be a text or a whole number of 64 bits";
            return invalid(&Value::Null, why);
        }
        None => None,
    };
    let shown = id.unwrap_or(&Value::Null);
    if fields.get("jsonrpc") != Some(&json!("2.0")) {
        return invalid(shown, "`jsonrpc` must be \"2.0\"");
    }
    match fields.get("method") {
        Some(Value::String(method)) => {
            if id.is_none() && !method.starts_with("notifications/") {
                let why = format!("`{method}` is a request and needs an id; nothing was done");
                return invalid(shown, &why);
            }
            if id.is_some() && method.starts_with("notifications/") {
                let why = format!("`{method}` is a notification and has no id");
                return invalid(shown, &why);
            }
        }
        Some(_) => return invalid(shown, "`method` must be a text"),
        None if id.is_none() => return invalid(shown, "it has neither a method nor an id"),
        None if fields.contains_key("result") == fields.contains_key("error") => {
            return invalid(shown, "an answer has either a result or an error");
        }
        None => {}
    }
    if fields.get("params").is_some_and(|p| !p.is_object()) {
        return invalid(shown, "`params` must be an object");
    }
    let version = message.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion");
    Ok(Message {
        modern: version
            .and_then(Value::as_str)
            .is_some_and(|version| version >= MODERN),
    })
}

impl Unreadable {
    pub(super) fn into_response(self) -> Response {
        malformed_message(&json!({
            "jsonrpc": "2.0", "id": self.id,
            "error": { "code": self.code, "message": self.why },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"a":{}{}}}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        for (text, code, word) in [
            ("", PARSE_ERROR, "EOF"),
            ("\u{feff}{}", PARSE_ERROR, "byte order mark"),
            (
                r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
                PARSE_ERROR,
                "twice",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping"} {}"#,
                PARSE_ERROR,
                "trailing",
            ),
            (deep.as_str(), PARSE_ERROR, "recursion"),
            (
                r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
                INVALID_REQUEST,
                "batches",
            ),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
                INVALID_REQUEST,
                "id",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
                INVALID_REQUEST,
                "id",
            ),
            (
                r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"ping"}"#,
                INVALID_REQUEST,
                "id",
            ),
            (
                r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
                INVALID_REQUEST,
                "jsonrpc",
            ),
            (r#"{"id":1,"method":"ping"}"#, INVALID_REQUEST, "jsonrpc"),
            (
                r#"{"jsonrpc":"2.0","method":"tools/call"}"#,
                INVALID_REQUEST,
                "needs an id",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"notifications/x"}"#,
                INVALID_REQUEST,
                "no id",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
                INVALID_REQUEST,
                "method",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
                INVALID_REQUEST,
                "params",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
                INVALID_REQUEST,
                "either",
            ),
            (r#"{"jsonrpc":"2.0"}"#, INVALID_REQUEST, "neither"),
        ] {
            let refused = read(text.as_bytes()).unwrap_err();
            assert_eq!(refused.code, code, "{text}: {refused:?}");
            assert!(refused.why.contains(word), "{text}: {refused:?}");
        }
    }

    #[test]
    fn whole_messages_pass_and_say_their_era() {
        for (text, modern) in [
            (r#"{"jsonrpc":"2.0","id":-1,"method":"ping"}"#, false),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
                false,
            ),
            (r#"{"jsonrpc":"2.0","id":"a","result":{}}"#, false),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
                true,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}}}"#,
                false,
            ),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap().modern, modern, "{text}");
        }
    }
}
