//! Names, collisions, arguments and leniency of an import.

use crate::fixture::{document, import, options};
use serde_json::{Value, json};

fn paths(document: &Value) -> Vec<(String, String)> {
    let imported = import("s", document);
    imported
        .tools
        .iter()
        .map(|t| {
            (
                t.binding["path"].as_str().unwrap().to_owned(),
                t.path.clone(),
            )
        })
        .collect()
}

#[test]
fn names_do_not_depend_on_the_order_of_the_document() {
    let operations = [
        (
            "/items/{id}",
            json!({"get": {"operationId": "getItem", "tags": ["items"]}}),
        ),
        (
            "/items",
            json!({"get": {"operationId": "items/list", "tags": ["items"]}}),
        ),
        ("/a", json!({"get": {"operationId": "same"}})),
        ("/b", json!({"get": {"operationId": "SAME"}})),
        ("/c", json!({"get": {"operationId": "sa-me", "tags": []}})),
        ("/d/{x}", json!({"get": {}})),
        ("/d/{y}", json!({"get": {"operationId": "!!!"}})),
    ];
    let forward = document(
        "https://x.example",
        operations
            .iter()
            .cloned()
            .map(|(k, v)| (k.to_owned(), v))
            .collect(),
    );
    let backward = document(
        "https://x.example",
        operations
            .iter()
            .rev()
            .cloned()
            .map(|(k, v)| (k.to_owned(), v))
            .collect(),
    );
    let (mut one, mut other) = (paths(&forward), paths(&backward));
    one.sort();
    other.sort();
    assert_eq!(one, other);
    let expected = [
        ("/a", "s.getA"),
        ("/b", "s.getB"),
        ("/c", "s.getC"),
        ("/d/{x}", "s.getDByX"),
        ("/d/{y}", "s.getDByY"),
        ("/items", "s.items.list"),
        ("/items/{id}", "s.items.getItem"),
    ];
    assert_eq!(one, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    let digests = |d: &Value| {
        import("s", d)
            .tools
            .into_iter()
            .map(|t| (t.path, t.digest))
            .collect::<Vec<_>>()
    };
    assert_eq!(digests(&forward), digests(&backward));
}

#[test]
fn a_digest_changes_with_what_a_tool_refers_to_and_with_nothing_else() {
    let make = |used: &str, unused: &str| {
        let response = json!({"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}});
        let mut document = document(
            "https://x.example",
            json!({"/a": {"get": {"operationId": "a", "responses": response}},
            "/b": {"get": {"operationId": "b", "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/B"}}}}}}}}),
        );
        document["components"] = json!({"schemas": {"A": {"properties": {"n": {"$ref": "#/components/schemas/N"}}},
            "N": {"type": used}, "B": {"type": unused}, "Never": {"type": "string"}}});
        import("s", &document)
    };
    let (one, two, three) = (
        make("string", "string"),
        make("integer", "string"),
        make("string", "integer"),
    );
    assert_ne!(one.tools[0].digest, two.tools[0].digest);
    assert_eq!(one.tools[0].digest, three.tools[0].digest);
    let names: Vec<&String> = one.definitions.as_object().unwrap().keys().collect();
    assert_eq!(names, ["A", "B", "N"]);
}

#[test]
fn arguments_are_flat_and_collisions_say_where_they_come_from() {
    let operation = json!({"operationId": "go", "parameters": [
            {"name": "id", "in": "query", "schema": {"type": "string"}},
            {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
        "requestBody": {"content": {"application/json": {"schema": {"allOf": [
            {"$ref": "#/components/schemas/Base"},
            {"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}}]}}}}});
    let mut document = document("https://x.example", json!({"/x/{id}": {"post": operation}}));
    document["components"] = json!({"schemas": {"Base": {"type": "object", "required": ["createdAt"], "properties": {
        "id": {"type": "string"}, "createdAt": {"type": "string", "readOnly": true}}}}});
    let imported = import("s", &document);
    let input = &imported.tools[0].input_schema;
    let names: Vec<&String> = input["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["id", "query_id", "body_id", "title"]);
    assert_eq!(input["properties"]["id"], json!({"type": "integer"}));
    assert_eq!(input["required"], json!(["id", "title"]));
    assert_eq!(input["additionalProperties"], json!(false));
}

#[test]
fn what_is_broken_is_left_out_with_a_warning() {
    let paths = json!({
        "/good": {"get": {"operationId": "good", "summary": "Hid\u{200b}den."}},
        "/null": {"get": null},
        "/ref": {"get": {"parameters": [{"$ref": "#/components/parameters/Gone"}]}},
        "/place": {"get": {"parameters": [{"name": "a", "in": "body"}]}},
        "/item": 7,
        "/elsewhere": {"$ref": "http://169.254.169.254/x"},
    });
    let imported = import("s", &document("https://x.example", paths));
    assert_eq!(imported.tools.len(), 1);
    let all = imported.warnings.join("\n");
    for says in [
        "`GET /null` is left out: it is no object",
        "`#/components/parameters/Gone` leads nowhere",
        "in `body`, which is not known",
        "`/item` is left out",
        "`/elsewhere` is left out",
        "hidden characters",
    ] {
        assert!(all.contains(says), "{all} lacks {says}");
    }
    assert_eq!(imported.tools[0].description, "Hid\\u{200b}den.");
    let none = document("https://x.example", json!({"/null": {"get": null}}));
    let error = tools::import(none.to_string().as_bytes(), &options("s")).unwrap_err();
    assert!(
        error.to_string().contains("`GET /null` is left out"),
        "{error}"
    );
}

#[test]
fn risk_follows_the_method() {
    let methods = [
        "get", "head", "options", "delete", "post", "put", "patch", "trace",
    ];
    let item: Value = methods
        .iter()
        .map(|m| ((*m).to_owned(), json!({"operationId": format!("do-{m}")})))
        .collect();
    let imported = import("s", &document("https://x.example", json!({"/x": item})));
    let found: Vec<String> = imported
        .tools
        .iter()
        .map(|t| format!("{} {}", t.path, t.risk.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            "s.doDelete destructive",
            "s.doGet read",
            "s.doHead read",
            "s.doOptions read",
            "s.doPatch write",
            "s.doPost write",
            "s.doPut write",
            "s.doTrace write",
        ]
    );
}

#[test]
fn multipart_is_chosen_where_json_cannot_carry_the_files() {
    let with = json!({"type": "object", "properties": {"file": {"oneOf": [
        {"$ref": "#/components/schemas/Bytes"}, {"type": "array", "items": {"$ref": "#/components/schemas/Bytes"}}]}}});
    let without = json!({"type": "object", "properties": {"url": {"type": "string"}}});
    for (json_schema, expected) in [
        (&with, "multipart/form-data"),
        (&without, "application/json"),
    ] {
        let content = json!({"application/json": {"schema": json_schema}, "multipart/form-data": {"schema": with}});
        let mut made = document(
            "https://x.example",
            json!({"/x": {"post": {"operationId": "go", "requestBody": {"content": content}}}}),
        );
        made["components"] = json!({"schemas": {"Bytes": {"type": "string", "format": "binary"}}});
        let imported = import("s", &made);
        assert_eq!(imported.tools[0].binding["body"]["mediaType"], expected);
        let file = &imported.tools[0].input_schema["properties"]["file"]["anyOf"];
        let reference = json!({"$ref": "#/$defs/FileValue"});
        assert_eq!(
            file,
            &json!([reference, {"type": "array", "items": reference}])
        );
        // Beside JSON that has no place for them, files are the other form.
        let others = &imported.tools[0].binding["other_bodies"][0]["mediaType"];
        let other = (expected == "application/json").then_some("multipart/form-data");
        assert_eq!(others.as_str(), other);
    }
}
