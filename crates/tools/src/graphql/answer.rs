//! What a GraphQL server answers: data, errors, or both.
//!
//! A field's tool gives the field's own value. Errors are the error of the call; where there is data
//! beside them, the caller decides which of the two counts.

use super::binding::Binding;
use domain::tool::{Tool, ToolError, ToolErrorCode};
use serde_json::{Value, json};

/// Errors that are kept.
const ERRORS_MAX: usize = 20;

/// Errors that are told in the message.
const TOLD_MAX: usize = 5;

/// Longest part of one error's own words, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// Largest list of errors that is kept whole, in bytes.
const ERRORS_BYTES_MAX: usize = 16 << 10;

/// The data of an answer, and its errors where there is data beside them.
///
/// # Errors
/// The errors of the answer where there is no data; an answer that is none of GraphQL's.
pub(crate) fn settle(
    tool: &Tool,
    status: u16,
    mut body: Value,
) -> Result<(Value, Option<ToolError>), ToolError> {
    let is_answer = body.get("data").is_some() || body.get("errors").is_some();
    if !is_answer {
        let text = format!(
            "{}: the answer is none of a GraphQL server's: it has neither `data` nor `errors`",
            tool.path
        );
        let error = ToolError::new(ToolErrorCode::UpstreamError, &tool.path, text);
        let details = json!({ "reason": "broken_answer", "body": shortened(&body) });
        return Err(error.with_status(status).with_details(details));
    }
    let mut data = body["data"].take();
    let binding = Binding::of(tool)?;
    if let Some(Binding::Field(field)) = &binding
        && data.is_object()
    {
        data = data[field.name.as_str()].take();
    }
    let errors: Vec<Value> = match body["errors"].take() {
        Value::Array(errors) => errors,
        Value::Null => Vec::new(),
        one @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            vec![one]
        }
    };
    if errors.is_empty() {
        return Ok((data, None));
    }
    let error = failed(tool, status, errors, &data);
    match data.is_null() {
        true => Err(error),
        false => Ok((data, Some(error))),
    }
}

fn failed(tool: &Tool, status: u16, mut errors: Vec<Value>, data: &Value) -> ToolError {
    let mut told: Vec<String> = errors.iter().take(TOLD_MAX).map(sentence).collect();
    if errors.len() > TOLD_MAX {
        told.push(format!("and {} more", errors.len() - TOLD_MAX));
    }
    let hint = match data.is_null() {
        true => "",
        false => "; there is data besides: call with { meta: true } to be given both",
    };
    let message = format!("{}: {}{hint}", tool.path, told.join("; "));
    errors.truncate(ERRORS_MAX);
    let errors = Value::Array(errors);
    let kept = match errors.to_string().len() > ERRORS_BYTES_MAX {
        true => json!(told),
        false => errors,
    };
    ToolError::new(ToolErrorCode::UpstreamError, &tool.path, message)
        .with_status(status)
        .with_details(json!({ "reason": "graphql", "errors": kept }))
}

/// `Could not resolve to a User (at user.followers; NOT_FOUND)`.
fn sentence(error: &Value) -> String {
    let said = error.get("message").and_then(Value::as_str);
    let said = said.map_or_else(|| error.to_string(), str::to_owned);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text: String = said.chars().take(MESSAGE_CHARS_MAX).collect();
    if text.len() < said.len() {
        text.push('…');
    }
    let mut about = Vec::new();
    if let Some(path) = error.get("path").and_then(Value::as_array) {
        let steps: Vec<String> = path
            .iter()
            .take(20)
            .map(|s| s.as_str().map_or_else(|| s.to_string(), str::to_owned))
            .collect();
        about.push(format!("at {}", steps.join(".")));
    }
    let code = error.pointer("/extensions/code").or(error.get("type"));
    about.extend(code.and_then(Value::as_str).map(str::to_owned));
    if !about.is_empty() {
        text.push_str(&format!(" ({})", about.join("; ")));
    }
    text
}

fn shortened(body: &Value) -> Value {
    let text = body.to_string();
    match text.char_indices().nth(1_000) {
        Some((end, _)) => format!("{}… [cut here]", &text[..end]).into(),
        None => body.clone(),
    }
}
