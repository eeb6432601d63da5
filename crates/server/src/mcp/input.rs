//! Reads the arguments of the MCP tools, and says in words for a model what does not fit.
//!
//! A wrong argument is a result with `isError`, not a protocol error: models see the one and can
//! mend their call, and are not shown the other.

use domain::limits::TIMEOUT_MS_MAX;
use rmcp::model::JsonObject;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// How long `execute` and `resume` wait unless told otherwise: less than the minute after which
/// the common client libraries give up on a request.
const WAIT_MS: u64 = 50_000;
pub(super) const WAIT: Duration = Duration::from_millis(WAIT_MS);

/// How long they may be told to wait.
pub(super) const WAIT_MS_MIN: u64 = 100;
pub(super) const WAIT_MS_MAX: u64 = 900_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Execute {
    pub(super) code: String,
    pub(super) timeout_ms: Option<u64>,
    pub(super) runtime_id: Option<String>,
    pub(super) metadata: Option<Value>,
    pub(super) wait_for_result: Option<bool>,
    pub(super) result_timeout_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Resume {
    pub(super) task_id: String,
    pub(super) wait_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Cancel {
    pub(super) task_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Search {
    pub(super) query: String,
    pub(super) namespace: Option<String>,
    pub(super) limit: Option<usize>,
}

/// Reads arguments of a known shape.
///
/// # Errors
/// A sentence that names the argument and what was expected.
pub(super) fn read<T: DeserializeOwned>(arguments: Option<JsonObject>) -> Result<T, String> {
    let value = Value::Object(arguments.unwrap_or_default());
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = e.path().to_string();
        let why = e.into_inner();
        if path == "." {
            why.to_string()
        } else {
            format!("{path}: {why}")
        }
    })
}

impl Execute {
    /// Checks what the shape does not say; how long to wait, or not at all.
    pub(super) fn wait(&self) -> Result<Option<Duration>, String> {
        if let Some(ms) = self.timeout_ms
            && !(1..=TIMEOUT_MS_MAX).contains(&ms)
        {
            return Err(format!(
                "timeoutMs: {ms} is not between 1 and {TIMEOUT_MS_MAX} milliseconds"
            ));
        }
        let wait = wait("resultTimeoutMs", self.result_timeout_ms)?;
        Ok(self.wait_for_result.unwrap_or(true).then_some(wait))
    }
}

impl Resume {
    pub(super) fn wait(&self) -> Result<Duration, String> {
        wait("waitMs", self.wait_ms)
    }
}

fn wait(name: &str, wanted: Option<u64>) -> Result<Duration, String> {
    match wanted.unwrap_or(WAIT_MS) {
        ms @ WAIT_MS_MIN..=WAIT_MS_MAX => Ok(Duration::from_millis(ms)),
        ms => Err(format!(
            "{name}: {ms} is not between {WAIT_MS_MIN} and {WAIT_MS_MAX} milliseconds"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn execute(arguments: Value) -> Result<Option<Duration>, String> {
        let Value::Object(arguments) = arguments else {
            panic!("not an object")
        };
        read::<Execute>(Some(arguments)).and_then(|e| e.wait())
    }

    #[test]
    fn limits_have_clear_errors() {
        assert_eq!(
            execute(json!({ "code": "1" })),
            Ok(Some(Duration::from_secs(50)))
        );
        assert_eq!(
            execute(json!({ "code": "1", "waitForResult": false })),
            Ok(None)
        );
        for (arguments, expected) in [
            (json!({}), "missing field `code`"),
            (json!({ "code": 1 }), "code: invalid type"),
            (
                json!({ "code": "1", "timeout": 5 }),
                "timeout: unknown field `timeout`",
            ),
            (
                json!({ "code": "1", "timeoutMs": 600_001 }),
                "timeoutMs: 600001 is not between 1 and 600000",
            ),
            (
                json!({ "code": "1", "resultTimeoutMs": 99 }),
                "resultTimeoutMs: 99 is not between 100 and 900000",
            ),
            (
                json!({ "code": "1", "resultTimeoutMs": 900_001 }),
                "resultTimeoutMs: 900001 is not",
            ),
        ] {
            let said = execute(arguments).unwrap_err();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
