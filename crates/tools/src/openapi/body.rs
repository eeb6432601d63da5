//! The request body of one operation: which media type, and which arguments it is made of.
//!
//! An object's fields become arguments of their own; anything else becomes `body`. One media type
//! is chosen at import, so that a reviewer sees one form of the bytes.

use super::Warnings;
use super::binding::{Body, BodyKind, BodyShape, Encoding, Style};
use super::keywords;
use super::operation::{Arguments, origin};
use super::schema::Schemas;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How deep `allOf` and references are looked into for an object's fields.
const FLATTEN_DEPTH_MAX: usize = 16;

/// How deep files are looked for inside one field: a list of one of several forms.
const PART_DEPTH_MAX: usize = 3;

/// Reads a request body and adds its arguments.
pub(crate) fn read(
    declaration: &Value,
    schemas: &mut Schemas<'_>,
    arguments: &mut Arguments,
    warnings: &mut Warnings,
) -> Result<Option<Body>, String> {
    let declaration = schemas.document().resolve(declaration)?;
    let Some(content) = declaration.get("content").and_then(Value::as_object) else {
        return Ok(None);
    };
    let Some((media_type, media)) = preferred(content, schemas) else {
        return Ok(None);
    };
    let kind = kind(media_type);
    let any = Value::Bool(true);
    let raw = media.get("schema").unwrap_or(&any);
    let description = declaration
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let description = keywords::described(description, 300, warnings);
    // Most descriptions leave `required` out and mean it; only an explicit `false` is believed.
    let demanded = declaration.get("required").and_then(Value::as_bool);
    let fields = match kind {
        BodyKind::Json | BodyKind::Form | BodyKind::Multipart => fields(raw, schemas)?,
        BodyKind::Text | BodyKind::Binary => None,
    };
    let (shape, required) = match fields {
        Some(fields) => {
            let needed = demanded.unwrap_or(!fields.required.is_empty());
            (spread(fields, kind, needed, schemas, arguments), needed)
        }
        None => {
            let required = demanded.unwrap_or(false);
            let mut schema = whole(raw, kind, media_type, schemas);
            if !description.is_empty() {
                schema["description"] = description.into();
            }
            (
                BodyShape::Whole(arguments.add(origin(None), "body", schema, required)),
                required,
            )
        }
    };
    let encoding = encodings(media.get("encoding"));
    Ok(Some(Body {
        media_type: media_type.to_owned(),
        kind,
        shape,
        required,
        encoding,
    }))
}

/// JSON before forms before multipart before text before bytes. Multipart goes first where JSON is
/// offered for a schema with files in it: JSON cannot carry their bytes.
fn preferred<'c>(
    content: &'c Map<String, Value>,
    schemas: &Schemas<'_>,
) -> Option<(&'c str, &'c Value)> {
    let (media_type, media) = content.iter().min_by_key(|(m, _)| (kind(m), m.len()))?;
    let multipart = content.iter().find(|(m, _)| kind(m) == BodyKind::Multipart);
    let with_files = || {
        let fields = fields(media.get("schema")?, schemas).ok()??;
        fields
            .properties
            .iter()
            .any(|(_, p)| takes_files(p, schemas))
            .then_some(())
    };
    let chosen = match multipart {
        Some(multipart) if kind(media_type) == BodyKind::Json && with_files().is_some() => {
            multipart
        }
        Some(_) | None => (media_type, media),
    };
    Some((chosen.0.as_str(), chosen.1))
}

/// The media type without parameters, in small letters.
pub(crate) fn essence(media_type: &str) -> String {
    media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn kind(media_type: &str) -> BodyKind {
    match essence(media_type).as_str() {
        "application/x-www-form-urlencoded" => BodyKind::Form,
        "multipart/form-data" => BodyKind::Multipart,
        // A wildcard accepts JSON like anything else.
        "application/json" | "text/json" | "*/*" | "application/*" => BodyKind::Json,
        other if other.ends_with("+json") => BodyKind::Json,
        other if other.starts_with("multipart/") => BodyKind::Multipart,
        other if is_text(other) => BodyKind::Text,
        _ => BodyKind::Binary,
    }
}

/// Whether bytes of a media type are text to a program.
pub(crate) fn is_text(essence: &str) -> bool {
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || essence.ends_with("+yaml")
        || matches!(
            essence,
            "application/xml"
                | "application/yaml"
                | "application/x-yaml"
                | "application/javascript"
                | "application/ecmascript"
                | "application/graphql"
                | "application/sdp"
                | "application/sql"
                | "application/toml"
                | "application/x-www-form-urlencoded"
                | "application/x-ndjson"
                | "application/jsonl"
        )
}

/// The argument of a body that is not spread.
fn whole(raw: &Value, kind: BodyKind, media_type: &str, schemas: &mut Schemas<'_>) -> Value {
    match kind {
        BodyKind::Json => schemas.convert(raw),
        BodyKind::Form | BodyKind::Multipart => part(raw, schemas, 0),
        BodyKind::Text => {
            json!({ "type": "string", "description": format!("Text of type {}.", essence(media_type)) })
        }
        BodyKind::Binary => schemas.file(),
    }
}

#[derive(Default)]
struct Fields<'a> {
    properties: Vec<(&'a str, &'a Value)>,
    required: BTreeSet<&'a str>,
    open: Option<&'a Value>,
}

/// The fields of an object schema, through references and `allOf`; none if it is anything else.
fn fields<'d>(raw: &'d Value, schemas: &Schemas<'d>) -> Result<Option<Fields<'d>>, String> {
    let mut found = Fields::default();
    let flat = gather(raw, schemas, &mut found, 0)?;
    Ok((flat && !found.properties.is_empty()).then_some(found))
}

fn gather<'d>(
    raw: &'d Value,
    schemas: &Schemas<'d>,
    found: &mut Fields<'d>,
    depth: usize,
) -> Result<bool, String> {
    let schema = schemas.document().resolve(raw)?;
    let is_object = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|k| k == "object"),
        Some(_) | None => true,
    };
    if !is_object || depth > FLATTEN_DEPTH_MAX {
        return Ok(false);
    }
    for key in ["oneOf", "anyOf"] {
        for branch in schema
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            // Branches that only say which fields are required together do not stop spreading.
            let harmless = branch.as_object().is_some_and(|b| {
                b.keys()
                    .all(|k| matches!(k.as_str(), "required" | "not" | "title" | "description"))
            });
            if !harmless {
                return Ok(false);
            }
        }
    }
    for inner in schema
        .get("allOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if !gather(inner, schemas, found, depth + 1)? {
            return Ok(false);
        }
    }
    for (name, property) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        found.properties.retain(|(n, _)| n != name);
        found.properties.push((name, property));
    }
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    found.required.extend(required.filter_map(Value::as_str));
    if let Some(open @ (Value::Bool(true) | Value::Object(_))) = schema.get("additionalProperties")
    {
        found.open = Some(open);
    }
    Ok(true)
}

fn spread(
    fields: Fields<'_>,
    kind: BodyKind,
    needed: bool,
    schemas: &mut Schemas<'_>,
    arguments: &mut Arguments,
) -> BodyShape {
    let mut names = Vec::new();
    let mut renamed = BTreeMap::new();
    for (name, property) in fields.properties {
        let read_only = schemas.document().resolve(property).is_ok_and(|p| {
            [p, property]
                .iter()
                .any(|p| p.get("readOnly") == Some(&Value::Bool(true)))
        });
        if read_only {
            continue;
        }
        let schema = match kind {
            BodyKind::Multipart | BodyKind::Form => part(property, schemas, 0),
            BodyKind::Json | BodyKind::Text | BodyKind::Binary => schemas.convert(property),
        };
        let required = needed && fields.required.contains(name);
        let arg = arguments.add(origin(None), name, schema, required);
        if arg == name {
            names.push(arg);
        } else {
            renamed.insert(arg, name.to_owned());
        }
    }
    if let Some(open) = fields.open {
        let schema = schemas.convert(open);
        arguments.open(if schema == json!({}) {
            Value::Bool(true)
        } else {
            schema
        });
    }
    BodyShape::Fields {
        renamed,
        names,
        open: fields.open.is_some(),
    }
}

/// The schema of one part of a form: binary text becomes a file value.
fn part(raw: &Value, schemas: &mut Schemas<'_>, depth: usize) -> Value {
    let document = schemas.document();
    let Ok(resolved) = document.resolve(raw) else {
        return schemas.convert(raw);
    };
    let described = |mut schema: Value| {
        if let Some(text) = resolved.get("description").and_then(Value::as_str) {
            schema["description"] = keywords::described(text, 300, &mut Warnings::default()).into();
        }
        schema
    };
    if is_binary(resolved) {
        return described(schemas.file());
    }
    if depth >= PART_DEPTH_MAX || !takes_files(resolved, schemas) {
        return schemas.convert(raw);
    }
    if let Some(items) = resolved.get("items") {
        let mut schema = json!({ "type": "array", "items": part(items, schemas, depth + 1) });
        for key in ["minItems", "maxItems"] {
            if let Some(count) = resolved.get(key).filter(|c| c.is_u64()) {
                schema[key] = count.clone();
            }
        }
        return described(schema);
    }
    let branches = alternatives(resolved).map(|b| part(b, schemas, depth + 1));
    described(json!({ "anyOf": branches.collect::<Vec<_>>() }))
}

fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf"]
        .into_iter()
        .filter_map(|k| schema.get(k)?.as_array())
        .flatten()
}

/// Whether a field can hold a file: itself, as an item of a list or as one of its forms. Each
/// schema is looked at once, whatever refers to it.
fn takes_files(raw: &Value, schemas: &Schemas<'_>) -> bool {
    let mut seen = BTreeSet::new();
    let mut stack = vec![raw];
    while let Some(at) = stack.pop() {
        let Ok(schema) = schemas.document().resolve(at) else {
            continue;
        };
        if !seen.insert(std::ptr::from_ref(schema)) {
            continue;
        }
        if is_binary(schema) {
            return true;
        }
        stack.extend(schema.get("items"));
        stack.extend(alternatives(schema));
    }
    false
}

fn is_binary(schema: &Value) -> bool {
    let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "file" => true,
        "string" => {
            text("format") == "binary"
                || text("contentEncoding") == "binary"
                || (text("contentMediaType") == "application/octet-stream"
                    && text("contentEncoding").is_empty())
        }
        "" => {
            text("contentMediaType") == "application/octet-stream"
                && text("contentEncoding").is_empty()
        }
        _ => false,
    }
}

fn encodings(declared: Option<&Value>) -> BTreeMap<String, Encoding> {
    let mut found = BTreeMap::new();
    for (name, encoding) in declared.and_then(Value::as_object).into_iter().flatten() {
        let text = |key: &str| encoding.get(key).and_then(Value::as_str);
        let read = Encoding {
            // Of several allowed types the first is as good as any.
            content_type: text("contentType")
                .and_then(|t| t.split(',').next())
                .map(|t| t.trim().to_owned()),
            style: text("style").and_then(Style::parse),
            explode: encoding.get("explode").and_then(Value::as_bool),
        };
        if read != Encoding::default() {
            found.insert(name.clone(), read);
        }
    }
    found
}
