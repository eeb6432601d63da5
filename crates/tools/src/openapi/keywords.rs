//! The simple keywords of a schema: types, numbers, `nullable`, descriptions, file values.
//!
//! Values that make no sense are left out, not repaired. What refers to other schemas is in
//! `schema`.

use super::{Warnings, names};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The `type`, one or several, of those that JSON Schema knows.
pub(super) fn types(map: &Map<String, Value>, out: &mut Map<String, Value>) {
    const KNOWN: [&str; 7] = [
        "string", "number", "integer", "boolean", "array", "object", "null",
    ];
    let known = |name: &str| match name {
        "file" => Some("string"),
        other => KNOWN.iter().find(|k| **k == other).copied(),
    };
    match map.get("type") {
        Some(Value::String(name)) => {
            out.extend(known(name).map(|n| ("type".to_owned(), n.into())));
        }
        Some(Value::Array(names)) => {
            let kept: BTreeSet<&str> = names
                .iter()
                .filter_map(Value::as_str)
                .filter_map(known)
                .collect();
            match kept.len() {
                0 => {}
                1 => out.extend(kept.first().map(|n| ("type".to_owned(), (*n).into()))),
                _ => out.extend([("type".to_owned(), json!(kept))]),
            }
        }
        Some(_) | None => {}
    }
}

pub(super) fn numbers(map: &Map<String, Value>, out: &mut Map<String, Value>) {
    for (key, exclusive) in [
        ("minimum", "exclusiveMinimum"),
        ("maximum", "exclusiveMaximum"),
    ] {
        let bound = map.get(key).filter(|v| v.is_number());
        match (map.get(exclusive), bound) {
            // OpenAPI 3.0: a boolean beside the bound.
            (Some(Value::Bool(true)), Some(bound)) => {
                out.insert(exclusive.to_owned(), bound.clone());
            }
            (other, bound) => {
                out.extend(bound.map(|b| (key.to_owned(), b.clone())));
                out.extend(
                    other
                        .filter(|v| v.is_number())
                        .map(|v| (exclusive.to_owned(), v.clone())),
                );
            }
        }
    }
    if let Some(step) = map
        .get("multipleOf")
        .filter(|v| v.as_f64().is_some_and(|n| n > 0.0))
    {
        out.insert("multipleOf".to_owned(), step.clone());
    }
    for key in [
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
    ] {
        if let Some(count) = map.get(key).and_then(Value::as_u64) {
            out.insert(key.to_owned(), count.into());
        }
    }
}

/// The same schema, also accepting `null`.
pub(super) fn nullable(mut out: Map<String, Value>) -> Value {
    let simple = out
        .get("type")
        .is_some_and(|t| t.is_string() || t.is_array())
        && !["$ref", "allOf", "anyOf", "const"]
            .iter()
            .any(|k| out.contains_key(*k));
    if !simple {
        if out.is_empty() {
            return Value::Object(out);
        }
        let description = out.remove("description");
        let mut wrapped = json!({ "anyOf": [Value::Object(out), { "type": "null" }] });
        if let Some(text) = description {
            wrapped["description"] = text;
        }
        return wrapped;
    }
    let mut kinds = match out.remove("type") {
        Some(Value::Array(kinds)) => kinds,
        Some(kind) => vec![kind],
        None => Vec::new(),
    };
    if !kinds.iter().any(|k| k == "null") {
        kinds.push("null".into());
    }
    out.insert("type".to_owned(), Value::Array(kinds));
    if let Some(Value::Array(values)) = out.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    Value::Object(out)
}

pub(super) fn file_schema() -> Value {
    json!({
        "type": "object",
        "description": "The bytes of a file.",
        "properties": {
            "$file": {
                "type": "object",
                "properties": {
                    "name": { "type": "string" },
                    "type": { "type": "string", "description": "Its media type." },
                    "base64": { "type": "string" },
                },
                "required": ["base64"],
                "additionalProperties": false,
            },
        },
        "required": ["$file"],
        "additionalProperties": false,
    })
}

/// A description on one line, cut at a word, hidden characters made visible and noted.
pub(crate) fn described(text: &str, chars_max: usize, notes: &mut Warnings) -> String {
    let (text, hidden) = names::visible_text(text);
    if hidden {
        let shown: String = text.chars().take(60).collect();
        notes.add(format!(
            "a description holds hidden characters, shown as `\\u{{…}}`: {shown}"
        ));
    }
    cut(&text, chars_max)
}

fn cut(text: &str, chars_max: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(chars_max) else {
        return text.to_owned();
    };
    let kept = &text[..end];
    let kept = kept.rfind(' ').map_or(kept, |space| &kept[..space]);
    format!("{}…", kept.trim_end())
}
