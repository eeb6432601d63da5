//! Errors: `application/problem+json` as RFC 9457 has it, with a stable code.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Why a request did not succeed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A stable code, such as `not_found` or `invalid_source`.
    pub code: String,
    /// What was wrong, in a sentence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What to do next, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_step: Option<String>,
    /// Names this failure in the server's log.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
    /// What else is known, such as a line and column.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
}
