//! The fields of a body that is an object, and which of them are files.

use super::media;
use crate::openapi::binding::BodyKind;
use crate::openapi::schema::Schemas;
use serde_json::Value;
use std::collections::BTreeSet;

/// How deep `allOf` and references are looked into for an object's fields.
const DEPTH_MAX: usize = 16;

/// The fields of an object schema.
#[derive(Default)]
pub(super) struct Fields<'d> {
    /// By name, in the order of the description.
    pub(super) properties: Vec<(&'d str, &'d Value)>,
    pub(super) required: BTreeSet<&'d str>,
    /// The schema of fields that are not listed, where others may be given.
    pub(super) open: Option<&'d Value>,
    /// Parts that are objects of one of several forms: their fields cannot be listed.
    pub(super) opaque: bool,
}

/// The fields of an object schema, through references and `allOf`; none if it is anything else.
pub(super) fn of<'d, 's: 'd>(
    raw: &'d Value,
    schemas: &Schemas<'s>,
) -> Result<Option<Fields<'d>>, String> {
    Ok(partly(raw, schemas)?.filter(|fields| !fields.opaque))
}

/// The same where parts of an `allOf` are objects of one of several forms: the fields of the others.
pub(super) fn partly<'d, 's: 'd>(
    raw: &'d Value,
    schemas: &Schemas<'s>,
) -> Result<Option<Fields<'d>>, String> {
    let mut found = Fields {
        opaque: schemas.has_subtypes(raw),
        ..Fields::default()
    };
    if !gather(raw, schemas, &mut found, 0)? {
        return Ok(None);
    }
    Ok(Some(found).filter(|fields| !fields.properties.is_empty()))
}

fn gather<'d, 's: 'd>(
    raw: &'d Value,
    schemas: &Schemas<'s>,
    found: &mut Fields<'d>,
    depth: usize,
) -> Result<bool, String> {
    let schema = schemas.document().resolve(raw)?;
    let is_object = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|k| k == "object"),
        Some(_) | None => true,
    };
    if !is_object || depth > DEPTH_MAX {
        return Ok(false);
    }
    // Branches that only say which fields are required together do not stop spreading.
    let harmless = |branch: &Value| {
        branch.as_object().is_some_and(|b| {
            b.keys()
                .all(|k| matches!(k.as_str(), "required" | "not" | "title" | "description"))
        })
    };
    found.opaque |= !alternatives(schema).all(harmless);
    let parts = schema.get("allOf").and_then(Value::as_array);
    for inner in parts.into_iter().flatten() {
        if !gather(inner, schemas, found, depth + 1)? {
            return Ok(false);
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        found.properties.retain(|(n, _)| n != name);
        found.properties.push((name, property));
    }
    let required = schema.get("required").and_then(Value::as_array);
    let required = required.into_iter().flatten();
    found.required.extend(required.filter_map(Value::as_str));
    if let Some(open @ (Value::Bool(true) | Value::Object(_))) = schema.get("additionalProperties")
    {
        found.open = Some(open);
    }
    Ok(true)
}

/// The forms of a schema that has several.
pub(super) fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf"]
        .into_iter()
        .filter_map(|k| schema.get(k)?.as_array())
        .flatten()
}

/// Whether a field can hold a file: itself, as an item of a list or as one of its forms. Each
/// schema is looked at once, whatever refers to it.
pub(super) fn takes_files(raw: &Value, schemas: &Schemas<'_>) -> bool {
    let mut seen = BTreeSet::new();
    let mut stack = vec![raw];
    while let Some(at) = stack.pop() {
        let Ok(schema) = schemas.document().resolve(at) else {
            continue;
        };
        if !seen.insert(std::ptr::from_ref(schema)) {
            continue;
        }
        if is_file(schema) {
            return true;
        }
        stack.extend(schema.get("items"));
        stack.extend(alternatives(schema));
    }
    false
}

/// Whether a schema, without a reference, is that of bytes.
pub(super) fn is_file(schema: &Value) -> bool {
    let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    // OpenAPI 3.1, "Considerations for File Uploads": a media type and no encoding.
    let is_bytes = || {
        let media_type = text("contentMediaType");
        !media_type.is_empty()
            && text("contentEncoding").is_empty()
            && media::kind(media_type) == BodyKind::Binary
    };
    match text("type") {
        "file" => true,
        "string" => text("format") == "binary" || text("contentEncoding") == "binary" || is_bytes(),
        "" => is_bytes(),
        _ => false,
    }
}
