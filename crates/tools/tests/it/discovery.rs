//! Look-up, lists, search, signatures.

use crate::fixture::{document, import, source};
use domain::tool::{Risk, Tool};
use serde_json::{Value, json};
use std::sync::Arc;
use tools::{Catalog, Query};

fn operation(tag: &str, id: &str, summary: &str) -> Value {
    json!({"tags": [tag], "operationId": format!("{tag}/{id}"), "summary": summary})
}

fn catalog() -> Catalog {
    let stuffed =
        "merge pull request merge pull request issue issues create list delete ".repeat(40);
    let hub = json!({
        "/issues": {"post": operation("issues", "create", "Create an issue"), "get": operation("issues", "list", "List issues assigned to a user")},
        "/issues/{id}": {"delete": operation("issues", "delete-comment", "Remove a comment from an issue")},
        "/pulls/{n}/merge": {"put": operation("pulls", "merge", "Merge a pull request"), "get": operation("pulls", "check-if-merged", "Check if a pull request has been merged")},
        "/repos": {"get": operation("repos", "list-for-user", "List repositories of a person")},
        "/spam": {"get": operation("spam", "everything", &stuffed)},
    });
    let mail = json!({
        "/send": {"post": {"operationId": "sendMessage", "summary": "Send an email", "requestBody": {"required": true, "content": {"application/json": {"schema":
            {"type": "object", "required": ["to"], "properties": {"to": {"type": "string"}, "subject": {"type": "string"}, "attachments": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}}}}}}}},
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/sent"}}}}}}},
        "/ping": {"get": {"operationId": "ping"}},
    });
    let mut mail = document("https://mail.example", mail);
    mail["components"] = json!({"schemas": {"sent": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}}});
    Catalog::new(vec![
        Arc::new(source(
            "hub",
            import("hub", &document("https://hub.example", hub)),
        )),
        Arc::new(source("mail", import("mail", &mail))),
    ])
}

fn all(_: &Tool) -> bool {
    true
}

fn query(text: &str, namespace: Option<&str>) -> Query {
    Query {
        text: text.to_owned(),
        namespace: namespace.map(str::to_owned),
        limit: 3,
        offset: 0,
    }
}

#[test]
fn the_obvious_tool_comes_first() {
    let catalog = catalog();
    for (text, expected) in [
        ("merge a pull request", "hub.pulls.merge"),
        ("merge PR", "hub.pulls.merge"),
        ("create issue", "hub.issues.create"),
        ("open a new ticket", "hub.issues.create"),
        ("remove comment", "hub.issues.deleteComment"),
        ("list repos", "hub.repos.listForUser"),
        ("repositor", "hub.repos.listForUser"),
        ("hub.issues.list", "hub.issues.list"),
        ("deleteComment", "hub.issues.deleteComment"),
        ("send mail", "mail.sendMessage"),
        (
            "has a pull request been merged? check",
            "hub.pulls.checkIfMerged",
        ),
    ] {
        let found = catalog.search(&query(text, None), &all);
        assert_eq!(
            found.hits[0].path,
            expected,
            "{text}: {:?}",
            found.hits.iter().map(|t| &t.path).collect::<Vec<_>>()
        );
    }
    assert_eq!(catalog.search(&query("xylophone", None), &all).total, 0);
}

#[test]
fn what_is_not_visible_is_nowhere() {
    let catalog = catalog();
    let reads = |t: &Tool| t.risk == Risk::Read;
    let paths: Vec<String> = catalog
        .search(&query("merge pull request", None), &reads)
        .hits
        .iter()
        .map(|t| t.path.clone())
        .collect();
    assert_eq!(paths[0], "hub.pulls.checkIfMerged");
    assert!(!paths.contains(&"hub.pulls.merge".to_owned()));
    assert!(
        !catalog
            .suggestions("hub.pulls.merg", &reads)
            .contains(&"hub.pulls.merge".to_owned())
    );
    let counts: Vec<(String, usize)> = catalog
        .namespaces(&reads)
        .into_iter()
        .map(|n| (n.namespace, n.tool_count))
        .collect();
    assert_eq!(counts, [("hub".to_owned(), 4), ("mail".to_owned(), 1)]);
}

#[test]
fn an_empty_query_enumerates() {
    let catalog = catalog();
    let mut page = query("", Some("HUB"));
    let first = catalog.search(&page, &all);
    page.offset = 3;
    let rest = catalog.search(&Query { limit: 50, ..page }, &all);
    let paths: Vec<&str> = first
        .hits
        .iter()
        .chain(&rest.hits)
        .map(|t| t.path.as_str())
        .collect();
    assert_eq!(first.total, 7);
    assert_eq!(
        paths,
        [
            "hub.issues.create",
            "hub.issues.deleteComment",
            "hub.issues.list",
            "hub.pulls.checkIfMerged",
            "hub.pulls.merge",
            "hub.repos.listForUser",
            "hub.spam.everything"
        ]
    );
    assert_eq!(catalog.search(&query("", Some("hub.pulls")), &all).total, 2);
    assert_eq!(catalog.search(&query("", Some("hub.pull")), &all).total, 0);
    let listed: Vec<String> = catalog
        .list(&query("merge", None), &all)
        .hits
        .iter()
        .map(|t| t.path.clone())
        .collect();
    assert_eq!(
        listed,
        [
            "hub.pulls.checkIfMerged",
            "hub.pulls.merge",
            "hub.spam.everything"
        ]
    );
}

#[test]
fn paths_are_forgiving_and_near_ones_are_suggested() {
    let catalog = catalog();
    for path in [
        "hub.issues.create",
        "Hub.Issues.Create",
        "hub.issues.delete_comment",
        "hub.pulls.check-if-merged",
    ] {
        assert!(catalog.lookup(path).is_some(), "{path}");
    }
    for (path, expected) in [
        ("hub.issues.creat", "hub.issues.create"),
        ("hub.issue.list", "hub.issues.list"),
        ("issues.create", "hub.issues.create"),
        ("hub.pulls.list", "hub.issues.list"),
    ] {
        assert!(catalog.lookup(path).is_none());
        let near = catalog.suggestions(path, &all);
        assert!(
            near.len() <= 3 && near.contains(&expected.to_owned()),
            "{path}: {near:?}"
        );
    }
}

#[test]
fn signatures_and_descriptions_are_short() {
    let catalog = catalog();
    let signature = |path: &str| catalog.signature(catalog.lookup(path).unwrap().0);
    assert_eq!(signature("mail.ping"), "mail.ping(): Promise<unknown>");
    assert_eq!(
        signature("mail.sendMessage"),
        "mail.sendMessage(args: { to: string; subject?: string; attachments?: { a?: { b?: string } }[] }): Promise<Sent>"
    );
    let described = catalog.describe("mail.sendmessage").unwrap();
    assert_eq!(described.path, "mail.sendMessage");
    assert!(
        described
            .input
            .starts_with("type Input = {\n  to: string;\n"),
        "{}",
        described.input
    );
    assert_eq!(
        described.output,
        "type Output = Sent;\ntype Sent = {\n  id: string;\n};\n"
    );
}
