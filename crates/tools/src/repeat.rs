//! Calls that may be sent twice: the key by which an API recognizes a repetition, and whether its
//! description says that one does no harm. Decides nothing: whether to send again is for others.

use crate::openapi::binding::Operation;
use domain::tool::{Risk, Tool};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// Whether the tool's own description says that doing it twice does what doing it once does.
#[must_use]
pub fn is_idempotent(tool: &Tool) -> bool {
    // Of the binding of every kind, so that none has to be known here.
    tool.binding.get("idempotent") == Some(&Value::Bool(true))
}

/// The arguments with an idempotency key in its place, where the tool takes one, writes, and was
/// given none.
#[must_use]
pub fn with_key<'a>(tool: &Tool, arguments: &'a Value, key: &str) -> Cow<'a, Value> {
    let operation = Operation::deserialize(&tool.binding).ok();
    let place = operation
        .and_then(|operation| operation.idempotency_key)
        .filter(|_| tool.risk != Risk::Read);
    let given = |arg: &str| arguments.get(arg).is_some_and(|v| !v.is_null());
    match (place, arguments) {
        (Some(arg), Value::Object(map)) if !given(&arg) => {
            let mut map = map.clone();
            map.insert(arg, key.into());
            Cow::Owned(Value::Object(map))
        }
        (_, _) => Cow::Borrowed(arguments),
    }
}
