//! What an operation answers with: the type of its data and the `Accept` header.
//!
//! Only successful answers count. JSON alone counts where several forms are offered; event streams
//! and line-delimited JSON are arrays, bytes are file values, no content is `null`.

use super::body::media::{essence, is_text};
use super::schema::{ANY, Schemas};
use serde_json::{Value, json};

/// The forms that an answer's data can take, by media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    Json,
    /// One JSON value per line.
    Lines,
    /// Server-sent events.
    Events,
    Text,
    Bytes,
}

impl Form {
    /// The form of an essence, as `body::essence` gives it.
    pub(crate) fn of(essence: &str) -> Self {
        match essence {
            "application/json" | "text/json" => Self::Json,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/json-seq"
            | "application/stream+json" => Self::Lines,
            "text/event-stream" => Self::Events,
            other if other.ends_with("+json") => Self::Json,
            other if is_text(other) => Self::Text,
            _ => Self::Bytes,
        }
    }
}

/// The output schema, if the description says anything, and what to accept.
pub(crate) fn read(
    responses: Option<&Value>,
    schemas: &mut Schemas<'_>,
) -> (Option<Value>, String) {
    let mut answers: Vec<(&String, &Value)> = Vec::new();
    for (status, response) in responses.and_then(Value::as_object).into_iter().flatten() {
        if let Ok(response) = schemas.document().resolve(response) {
            answers.push((status, response));
        }
    }
    answers.sort_by_key(|(status, _)| *status);
    let successful = |status: &str| status.len() == 3 && status.starts_with('2');
    let mut chosen: Vec<&Value> = answers
        .iter()
        .filter(|(s, _)| successful(s))
        .map(|(_, r)| *r)
        .collect();
    if chosen.is_empty() {
        chosen = answers
            .iter()
            .filter(|(s, _)| *s == "default")
            .map(|(_, r)| *r)
            .collect();
    }
    let mut accepted: Vec<String> = Vec::new();
    let mut types: Vec<Value> = Vec::new();
    for (schema, media_type) in chosen
        .iter()
        .copied()
        .flat_map(|response| data(response, schemas))
    {
        accepted.extend(media_type.filter(|m| m != "*/*"));
        if !types.contains(&schema) {
            types.push(schema);
        }
    }
    accepted.sort_by_key(|m| Form::of(m));
    accepted.dedup();
    let null = json!({ "type": "null" });
    // "No content" beside real data reads better at the end.
    types.sort_by_key(|t| *t == null);
    let output = match types.len() {
        0 => None,
        1 => types.pop(),
        _ => Some(json!({ "anyOf": types })),
    };
    let accept = if accepted.is_empty() {
        "*/*".to_owned()
    } else {
        format!("{}, */*;q=0.5", accepted.join(", "))
    };
    (output.filter(|o| *o != json!({})), accept)
}

/// The data of one response and the media types that it comes as: JSON alone where it is offered,
/// else every form.
fn data(response: &Value, schemas: &mut Schemas<'_>) -> Vec<(Value, Option<String>)> {
    let content = response.get("content").and_then(Value::as_object);
    let Some(content) = content.filter(|c| !c.is_empty()) else {
        return vec![(json!({ "type": "null" }), None)];
    };
    let is_json = |media_type: &str| Form::of(&essence(media_type)) == Form::Json;
    let has_json = content.keys().any(|m| is_json(m));
    content
        .iter()
        .filter(|(media_type, _)| !has_json || is_json(media_type))
        .map(|(media_type, media)| {
            let essence = essence(media_type);
            let media = schemas.document().resolve(media).unwrap_or(media);
            let declared = media.get("schema").unwrap_or(&ANY);
            let schema = match Form::of(&essence) {
                _ if essence.contains('*') => schemas.convert(declared),
                Form::Json => schemas.convert(declared),
                Form::Lines => list(item(media, schemas)),
                Form::Events => list(match media.get("itemSchema") {
                    Some(event) => event_data(event, schemas, 0),
                    None => item(media, schemas),
                }),
                Form::Text => json!({ "type": "string" }),
                Form::Bytes => schemas.file(),
            };
            (schema, Some(essence))
        })
        .collect()
}

fn list(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

/// What one line or event is. `schema` describes the whole of it, by the specification, and one
/// item of it, by many descriptions.
fn item(media: &Value, schemas: &mut Schemas<'_>) -> Value {
    if let Some(item) = media.get("itemSchema") {
        return schemas.convert(item);
    }
    let schema = media.get("schema").unwrap_or(&ANY);
    let resolved = schemas.document().resolve(schema).unwrap_or(schema);
    let is_list = resolved.get("type").and_then(Value::as_str) == Some("array");
    match resolved.get("items").filter(|_| is_list) {
        Some(items) => schemas.convert(items),
        None => schemas.convert(schema),
    }
}

/// How deep the forms of an event are looked into.
const EVENT_DEPTH_MAX: usize = 4;

/// What the data of an event is once parsed (OpenAPI 3.2, "Server-Sent Event Streams").
fn event_data(event: &Value, schemas: &mut Schemas<'_>, depth: usize) -> Value {
    let event = schemas.document().resolve(event).unwrap_or(event);
    let forms = ["oneOf", "anyOf", "allOf"].into_iter();
    let forms = forms.filter_map(|k| event.get(k)?.as_array()).flatten();
    match event.pointer("/properties/data") {
        Some(data) => {
            let data = schemas.document().resolve(data).unwrap_or(data);
            schemas.convert(data.get("contentSchema").unwrap_or(data))
        }
        None if depth < EVENT_DEPTH_MAX => {
            let mut all: Vec<Value> = Vec::new();
            for form in forms {
                let data = event_data(form, schemas, depth + 1);
                if data != json!({}) && !all.contains(&data) {
                    all.push(data);
                }
            }
            match all.len() {
                0 => json!({}),
                1 => all.remove(0),
                _ => json!({ "anyOf": all }),
            }
        }
        None => json!({}),
    }
}
