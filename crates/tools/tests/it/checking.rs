//! Arguments against schemas: every wrong key is named, and hostile schemas cost little.

use crate::fixture::{document, import, source};
use domain::tool::ToolError;
use serde_json::{Value, json};
use tools::SourceTools;

fn taking(schema: &Value) -> SourceTools {
    let body = json!({"required": true, "content": {"application/json": {"schema": schema}}});
    source(
        "s",
        import(
            "s",
            &document(
                "https://x.example",
                json!({"/x": {"post": {"operationId": "go", "requestBody": body}}}),
            ),
        ),
    )
}

fn check(source: &SourceTools, args: &Value) -> Result<(), ToolError> {
    tools::check_arguments(&source.tools[0], source, args)
}

#[test]
fn every_wrong_key_is_named() {
    let source = taking(
        &json!({"type": "object", "required": ["owner", "title"], "properties": {
        "owner": {"type": "string"}, "title": {"type": "string", "maxLength": 5}, "count": {"type": "integer", "minimum": 1},
        "state": {"type": "string", "enum": ["open", "closed"]}, "when": {"type": ["string", "null"]},
        "labels": {"type": "array", "items": {"oneOf": [{"type": "string"},
            {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}]}}}}),
    );
    assert_eq!(
        check(
            &source,
            &json!({"owner": "a", "title": "b", "labels": ["x", {"name": "y"}], "when": null})
        ),
        Ok(())
    );
    let error = check(&source, &json!({"titel": "b", "count": "1", "state": "opn", "labels": ["x", {"name": 1}, 7], "zzzzzz": 1}))
        .unwrap_err();
    assert_eq!(error.code.as_str(), "invalid_arguments");
    let details = error.details.unwrap();
    let mut wrong: Vec<String> = details["wrong"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| {
            let text = |k: &str| w[k].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {} {} {}",
                text("path"),
                text("problem"),
                text("expected"),
                text("got"),
                text("nearest")
            )
        })
        .collect();
    wrong.sort();
    assert_eq!(
        wrong,
        [
            "count type integer string \"1\" -",
            "labels[1].name type string number 1 -",
            "labels[2] type object or string number 7 -",
            "owner missing - - -",
            "state value one of \"open\", \"closed\" string \"opn\" -",
            "titel unknown - - title",
            "title missing - - -",
            "zzzzzz unknown - - -",
        ]
    );
    for says in [
        "`titel` is unknown (did you mean `title`?)",
        "`owner` is missing",
        "It takes: owner, title, count",
    ] {
        assert!(error.message.contains(says), "{}", error.message);
    }
    assert!(
        check(&source, &json!([1]))
            .unwrap_err()
            .message
            .contains("one plain object")
    );
    assert!(
        check(&source, &json!({"owner": "a", "title": "too long"}))
            .unwrap_err()
            .message
            .contains("longer than 5")
    );
}

#[test]
fn the_variant_that_was_meant_is_explained() {
    let variant = |kind: &str, key: &str| {
        json!({"type": "object", "required": ["kind", key], "additionalProperties": false,
        "properties": {"kind": {"const": kind}, key: {"type": "string"}}})
    };
    let source = taking(
        &json!({"type": "object", "properties": {"shape": {"oneOf": [variant("circle", "radius"), variant("square", "side")]}}}),
    );
    assert_eq!(
        check(&source, &json!({"shape": {"kind": "square", "side": "1"}})),
        Ok(())
    );
    let error = check(&source, &json!({"shape": {"kind": "square", "sied": "1"}})).unwrap_err();
    for says in ["`shape.sied` is unknown", "`shape.side` is missing"] {
        assert!(
            error.message.contains(says) && !error.message.contains("radius"),
            "{}",
            error.message
        );
    }
}

#[test]
fn what_the_server_sets_need_not_be_sent() {
    let mut made = document(
        "https://x.example",
        json!({"/x": {"post": {"operationId": "go", "requestBody": {"content": {"application/json": {"schema":
        {"type": "object", "properties": {"item": {"$ref": "#/components/schemas/Item"}}}}}}}}}),
    );
    made["components"] = json!({"schemas": {"Item": {"type": "object", "required": ["id", "name"],
        "properties": {"id": {"type": "integer", "readOnly": true}, "name": {"type": "string"}}}}});
    let source = source("s", import("s", &made));
    assert_eq!(check(&source, &json!({"item": {"name": "x"}})), Ok(()));
    assert!(
        check(&source, &json!({"item": {}}))
            .unwrap_err()
            .message
            .contains("`item.name` is missing")
    );
}

#[test]
fn hostile_schemas_end_soon() {
    // Exponential for a backtracking engine: 2^60 steps here.
    let checked = taking(
        &json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}),
    );
    let almost = format!("{}!", "a".repeat(60));
    assert!(check(&checked, &json!({"a": almost})).is_err());
    assert_eq!(check(&checked, &json!({"a": "aaa"})), Ok(()));
    // A pattern that needs look-around is not checked, and says so.
    let unchecked = taking(
        &json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(?!x)"}}}),
    );
    assert_eq!(check(&unchecked, &json!({"a": "x"})), Ok(()));
    assert!(
        unchecked.source.warnings[0].contains("is not checked"),
        "{:?}",
        unchecked.source.warnings
    );
    // Types that contain themselves.
    let mut made = document(
        "https://x.example",
        json!({"/x": {"post": {"operationId": "go", "requestBody": {"content": {"application/json": {"schema":
        {"type": "object", "properties": {"tree": {"$ref": "#/components/schemas/Tree"}}}}}}}}}),
    );
    made["components"] = json!({"schemas": {"Tree": {"type": "object", "additionalProperties": false,
        "properties": {"left": {"$ref": "#/components/schemas/Tree"}, "right": {"$ref": "#/components/schemas/Tree"}}}}});
    let source = source("s", import("s", &made));
    assert_eq!(
        check(&source, &json!({"tree": {"left": {"right": {}}}})),
        Ok(())
    );
    assert!(
        check(&source, &json!({"tree": {"left": {"right": 1}}}))
            .unwrap_err()
            .message
            .contains("`tree.left.right`")
    );
}
