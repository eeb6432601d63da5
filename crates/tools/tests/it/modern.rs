//! OpenAPI 3.2, references to other documents, and what goes one way only.

use crate::fixture::{
    attachment, call, call_with, document, fetch, import, limits, options, source,
};
use crate::upstream::{Upstream, ok};
use domain::source::{ApiKeyLocation, AuthScheme};
use serde_json::json;
use tools::{Egress, ImportOptions, Parsed};

#[tokio::test]
async fn what_is_new_in_3_2_arrives() {
    let upstream = Upstream::json("{}").await;
    let filter = json!({"type": "object", "properties": {"a": {"type": "string"}, "l": {"type": "array", "items": {"type": "integer"}}}});
    let mut made = document(
        &upstream.url(),
        json!({
        "/search": {
            "query": {"operationId": "search", "requestBody": {"content": {"application/json": {"$ref": "#/components/mediaTypes/Filter"}}}},
            "additionalOperations": {"COPY": {"operationId": "copy"}, "GET": {"operationId": "again"}, "BAD METHOD": {}, "CONNECT": {}},
            "get": {"operationId": "get", "parameters": [
                {"name": "q", "in": "querystring", "content": {"application/x-www-form-urlencoded": {"schema": filter}}}]},
            "put": {"operationId": "put", "parameters": [
                {"name": "q", "in": "querystring", "content": {"application/json": {"schema": filter}}},
                {"name": "c", "in": "cookie", "style": "cookie", "schema": {"type": "array", "items": {"type": "string"}}}]}},
        "/events": {"get": {"operationId": "events", "responses": {"200": {"content": {"text/event-stream": {"itemSchema": {
            "oneOf": [{"properties": {"data": {"type": "string", "contentSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}}}},
                {"properties": {"data": {"type": "string"}}}]}}}}}}}}),
    );
    made["openapi"] = "3.2.0".into();
    made["components"] = json!({"mediaTypes": {"Filter": {"schema": filter}}});
    let import = import("s", &made);
    assert_eq!(import.warnings.len(), 3, "{:?}", import.warnings);
    let source = source("s", import);
    for (path, args, line, body) in [
        (
            "s.search",
            json!({"a": "x"}),
            "QUERY /search",
            "{\"a\":\"x\"}",
        ),
        ("s.copy", json!({}), "COPY /search", ""),
        (
            "s.get",
            json!({"q": {"a": "x&y", "l": [1, 2]}}),
            "GET /search?a=x%26y&l=1&l=2",
            "",
        ),
        (
            "s.put",
            json!({"q": {"a": "x"}}),
            "PUT /search?%7B%22a%22%3A%22x%22%7D",
            "",
        ),
    ] {
        call(&source, path, args).await.unwrap();
        let seen = upstream.last();
        assert_eq!((seen.line(), seen.text()), (line, body), "{path}");
    }
    call(&source, "s.put", json!({"c": ["a%20b", "c"]}))
        .await
        .unwrap();
    assert_eq!(upstream.last().header("cookie"), Some("c=a%20b; c=c"));
    let error = call(&source, "s.put", json!({"c": ["a; admin=1"]}))
        .await
        .unwrap_err();
    assert!(error.message.contains("semicolons"), "{}", error.message);
    let events = source.tools.iter().find(|t| t.path == "s.events").unwrap();
    let data = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    assert_eq!(
        events.output_schema,
        Some(json!({"type": "array", "items": {"anyOf": [data, {"type": "string"}]}}))
    );
}

#[tokio::test]
async fn references_are_read_where_the_description_comes_from() {
    let elsewhere = Upstream::json("{\"type\": \"string\"}").await;
    let other = elsewhere.url();
    let upstream = Upstream::start(move |seen| match seen.line() {
        "GET /api/openapi.json" => ok("application/json", json!({"openapi": "3.1.0", "info": {"title": "T"}, "paths": {
            "/a": {"$ref": "paths/a.yaml"},
            "/b": {"get": {"operationId": "b", "parameters": [
                {"name": "far", "in": "query", "schema": {"$ref": format!("{other}/far.json")}},
                {"name": "gone", "in": "query", "schema": {"$ref": "gone.json#/x"}}]}}}}).to_string()),
        "GET /api/paths/a.yaml" => ok("text/yaml", "get:\n  operationId: a\n  responses: {200: {content: {application/json: {schema: {$ref: '../types.json#/definitions/Item'}}}}}\n"),
        "GET /api/types.json" => ok("application/json", json!({"definitions": {"Item": {"type": "object", "properties": {
            "next": {"$ref": "#/definitions/Item"}, "back": {"$ref": "openapi.json#/info/title"}}}}}).to_string()),
        line => { assert!(line.ends_with("gone.json"), "{line}"); crate::upstream::answer(404, &[], "") }
    }).await;
    let url = format!("{}/api/openapi.json", upstream.url());
    let egress = Egress::new(limits());
    let headers = [("x-team".to_owned(), "blue".to_owned())];
    let bytes = fetch(&egress, &url, &headers, true).await.unwrap();
    let mut parsed = Parsed::parse(&bytes, Some(&url)).unwrap();
    loop {
        let wanted = parsed.wanted();
        if wanted.is_empty() {
            break;
        }
        for (url, read) in egress.fetch_others(wanted, &url, &headers, true).await {
            parsed.add(&url, read);
        }
    }
    let import = parsed
        .import(&ImportOptions {
            location: Some(&url),
            ..options("s")
        })
        .unwrap();
    let paths: Vec<&str> = import.tools.iter().map(|t| t.path.as_str()).collect();
    assert_eq!(paths, ["s.a", "s.b"]);
    assert_eq!(
        import.tools[0].output_schema,
        Some(json!({"$ref": "#/$defs/Item"}))
    );
    assert_eq!(
        import.definitions["Item"]["properties"]["next"],
        json!({"$ref": "#/$defs/Item"})
    );
    // Another host on the private network is not part of the grant, however it is referred to.
    assert_eq!(elsewhere.connections(), 0);
    let said = import.warnings.join("\n");
    assert!(
        said.contains("far.json` could not be read: this address may not be reached"),
        "{said}"
    );
    assert!(
        said.contains("gone.json` could not be read") && said.contains("404"),
        "{said}"
    );
    assert!(
        upstream
            .seen()
            .iter()
            .all(|s| s.header("x-team") == Some("blue"))
    );
}

#[test]
fn what_goes_one_way_only_is_no_part_of_the_other() {
    let mut made = document(
        "https://x.example",
        json!({
        "/users": {
            "post": {"operationId": "add", "requestBody": {"content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/User"}}}}},
                "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}}}},
            "put": {"operationId": "set", "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Admin"}}}}}}}),
    );
    made["components"] = json!({"schemas": {
        "Id": {"type": "string", "readOnly": true},
        "User": {"type": "object", "required": ["id", "password", "plain"], "properties": {
            "id": {"$ref": "#/components/schemas/Id"}, "password": {"type": "string", "writeOnly": true},
            "plain": {"$ref": "#/components/schemas/Plain"}}},
        "Admin": {"allOf": [{"$ref": "#/components/schemas/User"}, {"required": ["id", "level"], "properties": {"level": {"type": "integer"}}}]},
        "Plain": {"type": "object", "properties": {"x": {"type": "string"}}}}});
    let import = import("s", &made);
    let names: Vec<&String> = import.definitions.as_object().unwrap().keys().collect();
    assert_eq!(names, ["Id", "Plain", "User", "UserInput"]);
    let keys = |name: &str| {
        import.definitions[name]["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys("User"), ["id", "plain"]);
    assert_eq!(
        import.definitions["User"]["required"],
        json!(["id", "plain"])
    );
    assert_eq!(keys("UserInput"), ["password", "plain"]);
    assert_eq!(
        import.definitions["UserInput"]["required"],
        json!(["password", "plain"])
    );
    let set = import.tools.iter().find(|t| t.path == "s.set").unwrap();
    assert_eq!(
        set.input_schema["required"],
        json!(["level", "password", "plain"])
    );
}

#[tokio::test]
async fn credentials_that_belong_together_go_together() {
    let upstream =
        Upstream::start(|seen| ok("application/json", json!({"head": seen.head}).to_string()))
            .await;
    let mut made = document(
        &upstream.url(),
        json!({"/x": {"get": {"operationId": "go", "security": [{"app": [], "user": []}]}}}),
    );
    made["components"] = json!({"securitySchemes": {
        "app": {"type": "apiKey", "in": "header", "name": "X-App"}, "user": {"type": "http", "scheme": "basic"}}});
    let import = import("s", &made);
    let app = AuthScheme::ApiKey {
        location: ApiKeyLocation::Header,
        name: "X-App".to_owned(),
    };
    let both = AuthScheme::All(vec![app, AuthScheme::Basic]);
    assert_eq!(import.auth, std::slice::from_ref(&both));
    let source = source("s", import);
    let attachments = attachment(both, "app-secret-1\nme:user-secret-2\n");
    let answer = call_with(&source, "s.go", json!({}), &attachments)
        .await
        .unwrap();
    let seen = upstream.last();
    assert_eq!(seen.header("x-app"), Some("app-secret-1"));
    assert_eq!(
        seen.header("authorization"),
        Some("Basic bWU6dXNlci1zZWNyZXQtMg==")
    );
    let said = answer.data["head"].as_str().unwrap();
    assert!(said.contains("[secret]"));
    for secret in ["app-secret-1", "user-secret-2", "dXNlci1zZWNyZXQtMg"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_base_stands_for_its_subtypes() {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let mut made = document(
        "https://x.example",
        json!({
        "/pets": {"post": {"operationId": "add", "requestBody": {"content": {"application/json": {"schema": reference("Pet")}}},
            "responses": {"200": {"content": {"application/json": {"schema": {"type": "array", "items": reference("Pet")}}}}}}}}),
    );
    let subtype = |own: &str| json!({"allOf": [reference("Pet"), {"type": "object", "required": [own], "properties": {own: {"type": "string"}}}]});
    made["components"] = json!({"schemas": {
        "Pet": {"type": "object", "required": ["kind"], "discriminator": {"propertyName": "kind"},
            "properties": {"kind": {"type": "string"}, "id": {"type": "string", "readOnly": true}}},
        "Cat": subtype("claws"), "Dog": subtype("bark"),
        "Siamese": {"allOf": [reference("Cat"), {"properties": {"blue": {"type": "boolean"}}}]}}});
    let found = import("s", &made);
    let names: Vec<&String> = found.definitions.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "Cat",
            "CatInput",
            "Dog",
            "DogInput",
            "Pet",
            "PetBase",
            "PetBaseInput",
            "PetInput",
            "Siamese",
            "SiameseInput"
        ]
    );
    let to = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    assert_eq!(
        found.definitions["Pet"],
        json!({"anyOf": [to("Cat"), to("Dog"), to("Siamese"), to("PetBase")]})
    );
    assert_eq!(
        found.definitions["CatInput"]["allOf"][0],
        to("PetBaseInput")
    );
    assert_eq!(
        found.tools[0].output_schema,
        Some(json!({"type": "array", "items": to("Pet")}))
    );
    assert_eq!(
        found.tools[0].input_schema["properties"]["body"],
        to("PetInput")
    );
    let source = source("s", found);
    let declared = tools::Catalog::new(vec![std::sync::Arc::new(source)])
        .describe("s.add")
        .unwrap();
    assert!(
        declared
            .input
            .contains("type PetInput = CatInput | DogInput | SiameseInput | PetBaseInput;"),
        "{}",
        declared.input
    );
}
