//! The description of the upstream's API, as OpenAPI 3.1 in JSON and 3.0 in YAML.
//!
//! Small, but with everything a case needs: reads, writes, a deletion, every kind of failure, and an
//! operation that tells what it was sent.

use serde_json::{Value, json};

/// The description as OpenAPI 3.1.
pub(crate) fn description(base_url: &str) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Ledger", "version": "1.0.0" },
        "servers": [{ "url": base_url }],
        "security": [{ "token": [] }],
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Item": item(), "NewItem": new_item() },
        },
        "paths": paths(),
    })
}

/// The same as OpenAPI 3.0, in YAML.
pub(crate) fn description_30(base_url: &str) -> String {
    let mut description = description(base_url);
    description["openapi"] = json!("3.0.3");
    let note = &mut description["components"]["schemas"]["NewItem"]["properties"]["note"];
    *note = json!({ "type": "string", "nullable": true });
    yaml_serde::to_string(&description).expect("a description is YAML")
}

fn item() -> Value {
    json!({
        "type": "object",
        "required": ["id", "name", "amount"],
        "properties": {
            "id": { "type": "integer" },
            "name": { "type": "string" },
            "amount": { "type": "number" },
        },
    })
}

fn new_item() -> Value {
    json!({
        "type": "object",
        "required": ["name", "amount"],
        "properties": {
            "name": { "type": "string", "description": "What it is for; each name is counted." },
            "amount": { "type": "number" },
            "note": { "type": ["string", "null"] },
        },
        "additionalProperties": false,
    })
}

fn paths() -> Value {
    let one = json!({ "$ref": "#/components/schemas/Item" });
    let many = json!({
        "type": "object",
        "required": ["items"],
        "properties": { "items": { "type": "array", "items": one } },
    });
    let any = json!({});
    let id =
        json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    let limit = json!({ "name": "limit", "in": "query", "schema": { "type": "integer" } });
    let status = json!({ "name": "status", "in": "path", "required": true, "schema": { "type": "integer" } });
    let size = json!({
        "name": "megabytes", "in": "query", "required": true, "schema": { "type": "integer" },
    });
    let mut create = operation("items", "createItem", json!([]), &one);
    create["requestBody"] = json!({
        "required": true,
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/NewItem" } } },
    });
    json!({
        "/items": {
            "get": operation("items", "listItems", json!([limit]), &many),
            "post": create,
        },
        "/items/{id}": {
            "get": operation("items", "getItem", json!([id]), &one),
            "delete": operation("items", "deleteItem", json!([id]), &any),
        },
        "/echo": { "get": operation("probe", "echo", json!([]), &any) },
        "/held": { "get": operation("probe", "held", json!([]), &any) },
        "/zipped": { "get": operation("probe", "zipped", json!([]), &any) },
        "/elsewhere": { "get": operation("probe", "elsewhere", json!([]), &any) },
        "/leak": { "get": operation("probe", "leak", json!([]), &any) },
        "/faults/status/{status}": { "get": operation("faults", "status", json!([status]), &any) },
        "/faults/broken": { "get": operation("faults", "broken", json!([]), &any) },
        "/faults/dropped": { "get": operation("faults", "dropped", json!([]), &any) },
        "/faults/large": { "get": operation("faults", "large", json!([size]), &any) },
        "/faults/bomb": { "get": operation("faults", "bomb", json!([]), &any) },
        "/faults/silent": { "get": operation("faults", "silent", json!([]), &any) },
    })
}

fn operation(tag: &str, id: &str, parameters: Value, answer: &Value) -> Value {
    json!({
        "tags": [tag],
        "operationId": id,
        "summary": format!("The operation {id} of the ledger"),
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done", "content": { "application/json": { "schema": answer } } },
        },
    })
}
