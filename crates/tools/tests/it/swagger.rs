//! Swagger 2.0: what a description of it says arrives on the wire like that.

use crate::fixture::{call, import, source};
use crate::upstream::Upstream;
use domain::source::AuthScheme;
use serde_json::{Value, json};

fn petstore(address: &str) -> Value {
    let list = |place: &str, format: &str| json!({"name": format, "in": place, "type": "array", "items": {"type": "string"}, "collectionFormat": format});
    json!({"swagger": "2.0", "info": {"title": "Pets", "version": "1"},
    "host": address, "basePath": "/v2", "schemes": ["http"],
    "consumes": ["application/json", "application/x-www-form-urlencoded"],
    "produces": ["application/json"],
    "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
    "parameters": {
        "limit": {"name": "limit", "in": "query", "type": "integer", "maximum": 50},
        "pet": {"name": "pet", "in": "body", "required": true, "schema": {"$ref": "#/definitions/Pet"}}},
    "responses": {"Pet": {"description": "One", "schema": {"$ref": "#/definitions/Pet"}},
        "Inline": {"description": "One", "schema": {"type": "object", "properties": {"deep": {"type": "string"}}}}},
    "definitions": {"Pet": {"type": "object", "required": ["id", "name"], "properties": {
        "id": {"type": "integer", "readOnly": true}, "name": {"type": "string"},
        "tag": {"type": "string", "x-nullable": true},
        "friends": {"type": "array", "items": {"$ref": "#/definitions/Pet"}}}}},
    "paths": {
        "/pets": {
            "parameters": [{"$ref": "#/parameters/limit"}],
            "get": {"operationId": "listPets", "parameters": [
                list("query", "csv"), list("query", "ssv"), list("query", "tsv"),
                list("query", "pipes"), list("query", "multi")],
                "responses": {"200": {"description": "", "schema": {"type": "array", "items": {"$ref": "#/definitions/Pet"}}}}},
            "post": {"operationId": "addPet", "parameters": [{"$ref": "#/parameters/pet"}],
                "responses": {"201": {"$ref": "#/responses/Pet"}}}},
        "/pets/{csv}/{pipes}": {"get": {"operationId": "findPets", "parameters": [
            json!({"name": "csv", "in": "path", "required": true, "type": "array", "items": {"type": "string"}}),
            json!({"name": "pipes", "in": "path", "required": true, "type": "array", "items": {"type": "string"}, "collectionFormat": "pipes"}),
            list("header", "ssv")],
            "responses": {"200": {"$ref": "#/responses/Inline"}}}},
        "/form": {"post": {"operationId": "form", "parameters": [
            {"name": "a", "in": "formData", "type": "string", "required": true},
            {"name": "l", "in": "formData", "type": "array", "items": {"type": "string"}, "collectionFormat": "pipes"},
            {"name": "m", "in": "formData", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"}],
            "responses": {"204": {"description": ""}}}},
        "/upload": {"post": {"operationId": "upload", "consumes": ["multipart/form-data"], "parameters": [
            {"name": "file", "in": "formData", "type": "file", "required": true},
            {"name": "l", "in": "formData", "type": "array", "items": {"type": "string"}, "collectionFormat": "csv"}],
            "responses": {"200": {"description": ""}}}},
        "/image": {"get": {"operationId": "image", "produces": ["image/png"],
            "responses": {"200": {"description": "", "schema": {"type": "file"}}}}},
        "/report": {"get": {"operationId": "report",
            "responses": {"200": {"description": "", "schema": {"type": "file"}}}}}
    }})
}

#[expect(clippy::too_many_lines, reason = "one table")]
#[tokio::test]
async fn every_kind_of_parameter_arrives() {
    let upstream = Upstream::json("{}").await;
    let import = import("pets", &petstore(&upstream.address.to_string()));
    assert_eq!(
        (import.version.as_str(), import.warnings.as_slice()),
        ("2.0", &[][..])
    );
    assert_eq!(import.base_url, format!("{}/v2", upstream.url()));
    assert!(matches!(&import.auth[..], [AuthScheme::ApiKey { name, .. }] if name == "X-Key"));
    let source = source("pets", import);
    let list = json!(["a", "b c"]);
    for (path, args, line, body) in [
        (
            "pets.listPets",
            json!({"limit": 2, "csv": list}),
            "GET /v2/pets?limit=2&csv=a,b%20c",
            "",
        ),
        (
            "pets.listPets",
            json!({"ssv": list}),
            "GET /v2/pets?ssv=a%20b%20c",
            "",
        ),
        (
            "pets.listPets",
            json!({"tsv": list}),
            "GET /v2/pets?tsv=a%09b%20c",
            "",
        ),
        (
            "pets.listPets",
            json!({"pipes": list}),
            "GET /v2/pets?pipes=a%7Cb%20c",
            "",
        ),
        (
            "pets.listPets",
            json!({"multi": list}),
            "GET /v2/pets?multi=a&multi=b%20c",
            "",
        ),
        (
            "pets.findPets",
            json!({"csv": list, "pipes": list}),
            "GET /v2/pets/a,b%20c/a%7Cb%20c",
            "",
        ),
        (
            "pets.addPet",
            json!({"name": "x", "tag": null}),
            "POST /v2/pets",
            "{\"name\":\"x\",\"tag\":null}",
        ),
        (
            "pets.form",
            json!({"a": "1", "l": list, "m": list}),
            "POST /v2/form",
            "a=1&l=a%7Cb%20c&m=a&m=b%20c",
        ),
    ] {
        call(&source, path, args.clone()).await.unwrap();
        let seen = upstream.last();
        assert_eq!((seen.line(), seen.text()), (line, body), "{path} {args}");
    }
    assert_eq!(
        upstream.last().header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    call(
        &source,
        "pets.findPets",
        json!({"csv": ["x"], "pipes": ["y"], "ssv": list}),
    )
    .await
    .unwrap();
    assert_eq!(upstream.last().header("ssv"), Some("a b c"));
    let file = json!({"$file": {"name": "a.txt", "base64": "aGk="}});
    call(&source, "pets.upload", json!({"file": file, "l": list}))
        .await
        .unwrap();
    let seen = upstream.last();
    assert!(
        seen.header("content-type")
            .unwrap()
            .starts_with("multipart/form-data; boundary=")
    );
    assert!(seen.text().contains(
        "name=\"file\"; filename=\"a.txt\"\r\nContent-Type: application/octet-stream\r\n\r\nhi\r\n"
    ));
    assert!(
        seen.text().contains("name=\"l\"\r\n\r\na,b c\r\n"),
        "{}",
        seen.text()
    );
    for (path, args) in [
        ("pets.listPets", json!({"limit": 51})),
        ("pets.addPet", json!({"name": "x", "id": 1})),
        ("pets.addPet", json!({})),
        ("pets.upload", json!({"file": "hi"})),
    ] {
        let error = call(&source, path, args.clone()).await.unwrap_err();
        assert_eq!(error.code.as_str(), "invalid_arguments", "{path} {args}");
    }
}

#[test]
fn answers_have_their_types() {
    let import = import("pets", &petstore("pets.example"));
    let output = |path: &str| {
        let tool = import.tools.iter().find(|t| t.path == path).unwrap();
        tool.output_schema.clone().unwrap_or_default()
    };
    assert_eq!(output("pets.addPet"), json!({"$ref": "#/$defs/Pet"}));
    assert_eq!(
        output("pets.listPets"),
        json!({"type": "array", "items": {"$ref": "#/$defs/Pet"}})
    );
    assert_eq!(output("pets.form"), json!({"type": "null"}));
    for path in ["pets.image", "pets.report"] {
        assert_eq!(output(path), json!({"$ref": "#/$defs/FileValue"}), "{path}");
    }
    let pet = &import.definitions["Pet"];
    assert_eq!(
        pet["properties"]["friends"]["items"],
        json!({"$ref": "#/$defs/Pet"})
    );
    assert_eq!(pet["properties"]["tag"]["type"], json!(["string", "null"]));
    assert_eq!(pet["required"], json!(["id", "name"]));
    // As input the same type lacks what the server sets.
    let input = &import.definitions["PetInput"];
    assert_eq!(input["required"], json!(["name"]));
    assert!(input["properties"].get("id").is_none());
    assert_eq!(
        input["properties"]["friends"]["items"],
        json!({"$ref": "#/$defs/PetInput"})
    );
}

#[test]
fn the_address_is_put_together() {
    for (more, location, expected) in [
        (
            json!({"host": "h.example", "basePath": "/v1/"}),
            None,
            "https://h.example/v1",
        ),
        (
            json!({"host": "h.example", "schemes": ["http", "https"]}),
            None,
            "https://h.example",
        ),
        (
            json!({"host": "h.example", "schemes": ["ws", "http"]}),
            None,
            "http://h.example",
        ),
        (
            json!({"host": "https://h.example"}),
            None,
            "https://h.example",
        ),
        (
            json!({"basePath": "v1"}),
            Some("https://docs.example/a/b.json"),
            "https://docs.example/v1",
        ),
        (json!({}), None, ""),
    ] {
        let mut document = json!({"swagger": 2.0, "paths": {"/x": {"get": {}}}});
        document
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let options = tools::ImportOptions {
            location,
            ..crate::fixture::options("s")
        };
        let import = tools::import(document.to_string().as_bytes(), &options).unwrap();
        assert_eq!(import.base_url, expected, "{more}");
    }
}
