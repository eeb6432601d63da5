//! What a server says by itself: requests are refused or answered with nothing, changes are passed
//! on, the rest is let go.
//!
//! A server gets no model to ask (sampling), no directory (roots) and nobody to question
//! (elicitation): none of these is offered in the handshake, and whoever asks all the same is told
//! so. That it asked is logged, without its words.

use super::wire;
use serde_json::{Value, json};
use std::sync::Arc;

const METHOD_NOT_FOUND: i64 = -32601;

/// Is told when the list of tools has changed.
pub(super) type OnChange = Arc<dyn Fn() + Send + Sync>;

/// The server at the other end.
pub(super) struct Peer {
    /// The source's name, or where it is while it has none.
    pub(super) name: String,
    on_change: Option<OnChange>,
}

impl Peer {
    pub(super) fn new(name: String, on_change: Option<OnChange>) -> Self {
        Self { name, on_change }
    }

    /// The reply to a request of the server's own.
    pub(super) fn asked(&self, id: &Value, method: &str) -> String {
        let outcome = match method {
            "ping" => Ok(json!({})),
            "roots/list" => Ok(json!({ "roots": [] })),
            "elicitation/create" => {
                self.refuse("a question to a person");
                Ok(json!({ "action": "decline" }))
            }
            "sampling/createMessage" => {
                self.refuse("a model");
                Err((
                    METHOD_NOT_FOUND,
                    "sampling is not offered: no server is given a model",
                ))
            }
            _ => Err((METHOD_NOT_FOUND, "this client does not offer that")),
        };
        wire::reply(id, outcome)
    }

    /// The answers to questions that came as a result; none if one of them cannot be answered.
    pub(super) fn answers(&self, questions: &Value) -> Option<Value> {
        let mut answers = serde_json::Map::new();
        for (name, question) in questions.as_object()? {
            let answer = match question.get("method").and_then(Value::as_str) {
                Some("elicitation/create") => {
                    self.refuse("a question to a person");
                    json!({ "action": "decline" })
                }
                Some("roots/list") => json!({ "roots": [] }),
                Some(_) | None => {
                    self.refuse("a model");
                    return None;
                }
            };
            answers.insert(name.clone(), answer);
        }
        Some(Value::Object(answers))
    }

    fn refuse(&self, what: &str) {
        tracing::warn!(source.name = %self.name, "an MCP server asked for {what} and was refused");
    }

    /// A notification.
    pub(super) fn told(&self, method: &str) {
        match method {
            "notifications/tools/list_changed" => {
                if let Some(on_change) = &self.on_change {
                    on_change();
                }
            }
            // Progress keeps its stream alive; log lines and the like are the server's own.
            _ => tracing::trace!("an MCP server said {method}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_ours_is_given_away() {
        let peer = Peer::new("s".into(), None);
        let asked = |method: &str| -> Value {
            serde_json::from_str(&peer.asked(&json!(7), method)).expect("JSON")
        };
        assert_eq!(asked("ping")["result"], json!({}));
        assert_eq!(asked("roots/list")["result"], json!({ "roots": [] }));
        assert_eq!(asked("elicitation/create")["result"]["action"], "decline");
        for refused in ["sampling/createMessage", "tools/list", "x"] {
            assert_eq!(
                asked(refused)["error"]["code"],
                METHOD_NOT_FOUND,
                "{refused}"
            );
        }
        let form =
            json!({ "q": { "method": "elicitation/create" }, "r": { "method": "roots/list" } });
        assert_eq!(
            peer.answers(&form),
            Some(json!({ "q": { "action": "decline" }, "r": { "roots": [] } }))
        );
        assert_eq!(
            peer.answers(&json!({ "m": { "method": "sampling/createMessage" } })),
            None
        );
    }
}
