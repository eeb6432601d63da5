//! Arguments of which only a part is known: what no value could mend is found, nothing else.

use crate::fixture::{document, import, source};
use domain::partial::{Entry, Partial, Place};
use serde_json::{Value, json};
use tools::SourceTools;

fn taking(schema: &Value) -> SourceTools {
    let body = json!({"required": true, "content": {"application/json": {"schema": schema}}});
    let operation = json!({"operationId": "go", "requestBody": body});
    let paths = json!({"/x": {"post": operation}});
    source("s", import("s", &document("https://x.example", paths)))
}

/// Reads `"?"` as unknown and a key `…` as "perhaps others"; keys stand in columns 1, 2, 3.
fn partial(value: &Value) -> Partial {
    match value {
        Value::String(text) if text == "?" => Partial::Unknown,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Partial::Scalar(value.clone())
        }
        Value::Array(items) => Partial::List {
            items: items.iter().map(partial).collect(),
            open: false,
        },
        Value::Object(map) => Partial::Object {
            open: map.contains_key("…"),
            entries: map
                .iter()
                .filter(|(key, _)| *key != "…")
                .enumerate()
                .map(|(at, (key, value))| Entry {
                    key: key.clone(),
                    place: Place {
                        line: 1,
                        column: at as u32 + 1,
                    },
                    value: partial(value),
                })
                .collect(),
        },
    }
}

fn wrong(source: &SourceTools, args: &Value) -> Vec<String> {
    let Err(found) = tools::check_partial(&source.tools[0], source, &partial(args)) else {
        return Vec::new();
    };
    assert_eq!(found.error.code.as_str(), "invalid_arguments");
    let mut all: Vec<String> = found
        .wrong
        .iter()
        .map(|w| {
            assert!(found.error.message.contains(&w.message), "{found:?}");
            let column = w.place.map_or(0, |p| p.column);
            format!("{column} {}", w.message)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn only_what_is_certain_is_wrong() {
    let source = taking(
        &json!({"type": "object", "required": ["owner", "title"], "additionalProperties": false,
        "minProperties": 3, "properties": {
            "owner": {"type": "string"}, "title": {"type": "string", "maxLength": 5},
            "count": {"type": "integer"}, "state": {"enum": ["open", "closed"]},
            "to": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            "labels": {"type": "array", "items": {"oneOf": [{"type": "string"},
                {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}]}}}}),
    );
    for (args, expected) in [
        (json!("?"), vec![]),
        (json!({"…": 1}), vec![]),
        (json!({"…": 1, "count": "?"}), vec![]),
        (json!({"owner": "?", "title": "?"}), vec![]),
        (json!({"owner": "?"}), vec!["0 `title` is missing"]),
        (
            json!({"…": 1, "titel": "?"}),
            vec!["1 `titel` is unknown (did you mean `title`?)"],
        ),
        (
            json!({"owner": "?", "title": 1, "state": "opn"}),
            vec![
                "2 `title` must be string, got number 1",
                "3 `state` must be one of \"open\", \"closed\", got string \"opn\"",
            ],
        ),
        (json!({"owner": "a", "title": "b", "to": {"…": 1}}), vec![]),
        (
            json!({"owner": "a", "title": "b", "to": {}}),
            vec!["3 `to.name` is missing"],
        ),
        (
            json!({"…": 1, "labels": ["?", "x", {"name": "?"}, {"…": 1}, {"name": 1, "…": 1}, 7]}),
            vec![
                "1 `labels[4].name` must be string, got number 1",
                "1 `labels[5]` must be object or string, got number 7",
            ],
        ),
    ] {
        assert_eq!(wrong(&source, &args), expected, "{args}");
    }
}

#[test]
fn what_is_known_whole_is_checked_as_at_run_time() {
    let source = taking(
        &json!({"type": "object", "properties": {"title": {"type": "string", "maxLength": 5}}}),
    );
    for args in [
        json!({"title": "longer"}),
        json!({"titel": 1}),
        json!([1]),
        json!("text"),
        json!({"title": "short"}),
    ] {
        let found = tools::check_partial(&source.tools[0], &source, &partial(&args));
        let run = tools::check_arguments(&source.tools[0], &source, &args);
        assert_eq!(found.map_err(|m| m.error).err(), run.err(), "{args}");
    }
}
