//! The description of the API is complete: every route, every reference, every field.

use super::*;
use serde_json::Value;
use std::collections::BTreeSet;

fn document() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

const ROUTES: &[&str] = &[
    "delete /api/v1/credentials/{id}",
    "delete /api/v1/grants/{id}",
    "delete /api/v1/invites/{id}",
    "delete /api/v1/keys/{id}",
    "delete /api/v1/members/me",
    "delete /api/v1/members/{id}",
    "delete /api/v1/organizations/{id}",
    "delete /api/v1/policies/sets/{id}",
    "delete /api/v1/policies/sets/{id}/assignments/{assignment}",
    "delete /api/v1/policies/sets/{id}/rules/{rule}",
    "delete /api/v1/policies/{id}",
    "delete /api/v1/push/subscriptions/{id}",
    "delete /api/v1/sessions",
    "delete /api/v1/sessions/{id}",
    "delete /api/v1/sources/{id}",
    "delete /api/v1/webhooks/{id}",
    "delete /api/v1/workspaces/{workspace}",
    "delete /api/v1/workspaces/{workspace}/members/{id}",
    "get /api/v1/approvals",
    "get /api/v1/approvals/{id}",
    "get /api/v1/approvals/{id}/look",
    "get /api/v1/approvals/{id}/remember",
    "get /api/v1/audit",
    "get /api/v1/audit/checkpoints",
    "get /api/v1/audit/export",
    "get /api/v1/audit/retention",
    "get /api/v1/audit/verify",
    "get /api/v1/backup",
    "get /api/v1/clients",
    "get /api/v1/connects/{id}",
    "get /api/v1/credentials",
    "get /api/v1/deleted-workspaces",
    "get /api/v1/example",
    "get /api/v1/grants",
    "get /api/v1/health",
    "get /api/v1/invites",
    "get /api/v1/keys",
    "get /api/v1/me",
    "get /api/v1/members",
    "get /api/v1/organizations",
    "get /api/v1/policies",
    "get /api/v1/policies/sets",
    "get /api/v1/policies/sets/{id}",
    "get /api/v1/policies/usage",
    "get /api/v1/policies/versions",
    "get /api/v1/policies/versions/{version}",
    "get /api/v1/presets",
    "get /api/v1/push/key",
    "get /api/v1/push/subscriptions",
    "get /api/v1/results/{handle}",
    "get /api/v1/servers",
    "get /api/v1/sessions",
    "get /api/v1/sources",
    "get /api/v1/sources/{id}",
    "get /api/v1/sources/{id}/credential-order",
    "get /api/v1/sources/{id}/health",
    "get /api/v1/sources/{id}/unreviewed",
    "get /api/v1/storage",
    "get /api/v1/tasks",
    "get /api/v1/tasks/{id}",
    "get /api/v1/tasks/{id}/calls",
    "get /api/v1/tasks/{id}/calls/{sequence}",
    "get /api/v1/tasks/{id}/calls/{sequence}/explain",
    "get /api/v1/tasks/{id}/events",
    "get /api/v1/tasks/{id}/logs",
    "get /api/v1/tools",
    "get /api/v1/tools/describe",
    "get /api/v1/tools/namespaces",
    "get /api/v1/tools/search",
    "get /api/v1/tools/usage",
    "get /api/v1/vault",
    "get /api/v1/webhooks",
    "get /api/v1/webhooks/{id}",
    "get /api/v1/webhooks/{id}/deliveries",
    "get /api/v1/workspace/settings",
    "get /api/v1/workspaces",
    "get /api/v1/workspaces/{workspace}/events",
    "get /api/v1/workspaces/{workspace}/members",
    "patch /api/v1/members/{id}",
    "patch /api/v1/organizations/{id}",
    "patch /api/v1/push/subscriptions/{id}",
    "patch /api/v1/sources/{id}",
    "patch /api/v1/webhooks/{id}",
    "patch /api/v1/workspace/settings",
    "patch /api/v1/workspaces/{workspace}",
    "post /api/v1/approvals/{id}/answer",
    "post /api/v1/approvals/{id}/approve",
    "post /api/v1/approvals/{id}/assign",
    "post /api/v1/approvals/{id}/deny",
    "post /api/v1/approvals/{id}/extend",
    "post /api/v1/approvals/{id}/happened",
    "post /api/v1/approvals/{id}/preview",
    "post /api/v1/approvals/{id}/withdraw",
    "post /api/v1/audit/checkpoints",
    "post /api/v1/clients/stop",
    "post /api/v1/credentials",
    "post /api/v1/credentials/{id}/prefer",
    "post /api/v1/credentials/{id}/rotate",
    "post /api/v1/credentials/{id}/test",
    "post /api/v1/deleted-workspaces/{id}/restore",
    "post /api/v1/invitations",
    "post /api/v1/invitations/accept",
    "post /api/v1/invites",
    "post /api/v1/keys",
    "post /api/v1/keys/{id}/rotate",
    "post /api/v1/members",
    "post /api/v1/organizations",
    "post /api/v1/organizations/{id}/restore",
    "post /api/v1/policies",
    "post /api/v1/policies/backtest",
    "post /api/v1/policies/preview",
    "post /api/v1/policies/sets",
    "post /api/v1/policies/sets/{id}/assignments",
    "post /api/v1/policies/sets/{id}/rules",
    "post /api/v1/policies/sets/{id}/rules/{rule}/move",
    "post /api/v1/policies/test",
    "post /api/v1/policies/{id}/move",
    "post /api/v1/push/subscriptions",
    "post /api/v1/push/subscriptions/{id}/test",
    "post /api/v1/sign-in-links",
    "post /api/v1/sources",
    "post /api/v1/sources/preview",
    "post /api/v1/sources/{id}/connect",
    "post /api/v1/sources/{id}/refresh",
    "post /api/v1/sources/{id}/review",
    "post /api/v1/tasks",
    "post /api/v1/tasks/{id}/cancel",
    "post /api/v1/tasks/{id}/fork",
    "post /api/v1/tasks/{id}/rerun",
    "post /api/v1/tools/call",
    "post /api/v1/vault/data-key",
    "post /api/v1/vault/master-key",
    "post /api/v1/webhooks",
    "post /api/v1/webhooks/{id}/rotate",
    "post /api/v1/webhooks/{id}/test",
    "post /api/v1/workspaces",
    "post /api/v1/workspaces/{workspace}/check",
    "post /api/v1/workspaces/{workspace}/members",
    "put /api/v1/audit/retention",
    "put /api/v1/policies/sets/{id}",
    "put /api/v1/policies/sets/{id}/rules/{rule}",
    "put /api/v1/policies/{id}",
    "put /api/v1/sources/{id}/credential-order",
];

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    each.collect()
}

#[test]
fn every_route_is_described() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found: Vec<String> = operations(&document)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    found.sort();
    assert_eq!(found, ROUTES);
}

#[test]
fn every_operation_has_a_name_a_tag_and_its_errors() {
    let document = document();
    let mut names = BTreeSet::new();
    for (route, operation) in operations(&document) {
        assert!(
            names.insert(operation["operationId"].as_str().unwrap()),
            "{route}"
        );
        assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{route}");
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|s| s.ends_with('.')),
            "{route}"
        );
        let responses = operation["responses"].as_object().unwrap();
        for status in ["400", "401", "403", "404", "500", "503"] {
            let content = &responses[status]["content"]["application/problem+json"]["schema"];
            assert_eq!(
                content["$ref"], "#/components/schemas/Problem",
                "{route} {status}"
            );
        }
        let changes = !route.starts_with("get ");
        assert_eq!(responses.contains_key("409"), changes, "{route}");
        assert!(responses.keys().any(|s| s.starts_with('2')), "{route}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let described = parameter["description"]
                .as_str()
                .is_some_and(|d| !d.is_empty());
            assert!(described, "{route}: {}", parameter["name"]);
        }
    }
}

#[test]
fn references_resolve_and_fields_are_described() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{reference}");
    }
    for (name, schema) in schemas {
        for (field, of_field) in schema["properties"].as_object().into_iter().flatten() {
            let is_told = |schema: &Value| {
                schema.get("description").is_some() || schema.get("$ref").is_some()
            };
            let choices = of_field["oneOf"].as_array();
            let described = is_told(of_field) || choices.is_some_and(|c| c.iter().any(is_told));
            assert!(described, "{name}.{field}");
        }
    }
}

fn collect<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            into.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|v| collect(v, into));
        }
        Value::Array(items) => items.iter().for_each(|v| collect(v, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
