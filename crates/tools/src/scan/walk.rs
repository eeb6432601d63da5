//! Every text of an import with its place: descriptions, arguments, values, examples, answers.
//!
//! A shared type is read once. What is found in it concerns each tool that uses it, or, where those
//! are many, the source as a whole.

use crate::openapi::Import;
use domain::source::Place;
use domain::tool::Tool;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A shared type that more tools use than this concerns the whole source.
const USERS_MAX: usize = 20;

/// Deepest nesting that is read; deeper is not written out for agents either.
const DEPTH_MAX: usize = 32;

/// What is told of each text: the tools it is of (none where it is of the source as a whole), the
/// place, where within it, the text.
pub(super) type Sink<'a> = dyn FnMut(&[&str], Place, &str, &str) + 'a;

/// Tells every text of an import.
pub(super) fn texts(import: &Import, sink: &mut Sink<'_>) {
    let direct = direct(&import.definitions);
    let mut users: BTreeMap<&str, Vec<(&Tool, Place)>> = BTreeMap::new();
    for tool in &import.tools {
        let path = [tool.path.as_str()];
        sink(&path, Place::Description, "", &tool.description);
        let schemas = [
            (Place::Parameter, Some(&tool.input_schema)),
            (Place::Output, tool.output_schema.as_ref()),
        ];
        for (place, schema) in schemas {
            let Some(schema) = schema else { continue };
            of_schema(schema, place, "", 0, &mut |place, at, text| {
                sink(&path, place, at, text);
            });
            for name in reached(schema, &direct) {
                let used = users.entry(name).or_default();
                if used.len() <= USERS_MAX && used.last().is_none_or(|(t, _)| t.path != tool.path) {
                    used.push((tool, place));
                }
            }
        }
    }
    let Some(definitions) = import.definitions.as_object() else {
        return;
    };
    for (name, schema) in definitions {
        let used = users
            .get(name.as_str())
            .map(Vec::as_slice)
            .unwrap_or_default();
        let place = used.first().map_or(Place::Output, |(_, place)| *place);
        let known: Vec<&str> = match used.len() {
            0 => continue,
            1..=USERS_MAX => used.iter().map(|(t, _)| t.path.as_str()).collect(),
            _ => Vec::new(),
        };
        of_schema(schema, place, name, 0, &mut |place, at, text| {
            sink(&known, place, at, text);
        });
    }
}

/// The shared types that each shared type refers to itself.
fn direct(definitions: &Value) -> HashMap<&str, Vec<String>> {
    let all = definitions.as_object().into_iter().flatten();
    all.map(|(name, schema)| (name.as_str(), crate::typings::references(schema)))
        .collect()
}

/// The shared types that a schema leads to, through others too.
fn reached<'a>(schema: &Value, direct: &'a HashMap<&str, Vec<String>>) -> HashSet<&'a str> {
    let mut all = HashSet::new();
    let first = crate::typings::references(schema);
    let mut queue: Vec<&str> = first.iter().map(String::as_str).collect();
    while let Some(name) = queue.pop() {
        if let Some((name, next)) = direct.get_key_value(name)
            && all.insert(*name)
        {
            queue.extend(next.iter().map(String::as_str));
        }
    }
    all
}

fn of_schema(
    schema: &Value,
    place: Place,
    at: &str,
    depth: usize,
    sink: &mut dyn FnMut(Place, &str, &str),
) {
    let Some(map) = schema.as_object() else {
        return;
    };
    if depth > DEPTH_MAX {
        return;
    }
    for key in ["title", "description", "$comment"] {
        if let Some(text) = map.get(key).and_then(Value::as_str) {
            sink(place, at, text);
        }
    }
    values(map, place, at, sink);
    let below = |name: &str| match at {
        "" => name.to_owned(),
        at => format!("{at}.{name}"),
    };
    for key in ["properties", "patternProperties", "$defs", "definitions"] {
        for (name, schema) in map
            .get(key)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let at = below(name);
            sink(place, &at, name);
            of_schema(schema, place, &at, depth + 1, sink);
        }
    }
    for key in [
        "items",
        "additionalProperties",
        "not",
        "if",
        "then",
        "else",
        "contains",
    ] {
        if let Some(schema) = map.get(key) {
            of_schema(schema, place, at, depth + 1, sink);
        }
    }
    for key in ["allOf", "anyOf", "oneOf", "prefixItems"] {
        for schema in map.get(key).and_then(Value::as_array).into_iter().flatten() {
            of_schema(schema, place, at, depth + 1, sink);
        }
    }
}

/// The values that a schema shows: what may be given, what is given by default, examples.
fn values(
    map: &Map<String, Value>,
    place: Place,
    at: &str,
    sink: &mut dyn FnMut(Place, &str, &str),
) {
    let of = |own| {
        if place == Place::Output {
            Place::Output
        } else {
            own
        }
    };
    for (key, own) in [
        ("enum", Place::Enum),
        ("const", Place::Enum),
        ("default", Place::Example),
        ("example", Place::Example),
        ("examples", Place::Example),
    ] {
        if let Some(value) = map.get(key) {
            strings(value, 0, &mut |text| sink(of(own), at, text));
        }
    }
}

fn strings(value: &Value, depth: usize, sink: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => sink(text),
        Value::Array(all) if depth < DEPTH_MAX => {
            all.iter().for_each(|v| strings(v, depth + 1, sink));
        }
        Value::Object(map) if depth < DEPTH_MAX => {
            for (key, value) in map {
                sink(key);
                strings(value, depth + 1, sink);
            }
        }
        Value::Array(_) | Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
