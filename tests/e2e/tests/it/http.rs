//! The HTTP API as a client's author meets it: described completely, paged, safe to repeat.

use crate::api::items;
use crate::database::Database;
use crate::server::{Server, client};
use serde_json::{Value, json};

on_both_databases!(
    the_description_is_complete_and_true,
    a_repeated_submission_is_one_task,
    lists_page_to_their_end,
    health_tells_no_secret_and_the_page_obeys_a_strict_policy,
);

async fn the_description_is_complete_and_true(database: Database) {
    let server = Server::start(database).await;
    let description = server.get("/openapi.json").await;
    assert!(
        description["openapi"]
            .as_str()
            .is_some_and(|v| v.starts_with("3.1"))
    );
    let paths = description["paths"].as_object().expect("paths");
    let mut operations = 0;
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            operations += 1;
            assert!(operation["operationId"].is_string(), "{method} {path}");
            assert!(
                operation["responses"]
                    .as_object()
                    .is_some_and(|r| r.len() > 1),
                "{method} {path}"
            );
        }
    }
    assert!(operations >= 40, "{operations} operations");
    assert_references_resolve(&description, &description);
    // It is a source like any other: the importer reads it, and a tool of it works.
    let url = format!("{}/api/v1/openapi.json", server.url());
    let add = json!({ "url": url, "name": "executor", "allowPrivate": true });
    let source = server.post("/sources", add).await;
    assert_eq!(source["toolCount"], operations, "{source:#}");
    assert_eq!(source["warnings"], json!([]), "{source:#}");
}

fn assert_references_resolve(part: &Value, whole: &Value) {
    if let Some(reference) = part["$ref"].as_str() {
        let pointer = reference
            .strip_prefix('#')
            .expect("a reference within the document");
        assert!(
            whole.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
    match part.as_object() {
        Some(fields) => fields
            .values()
            .for_each(|v| assert_references_resolve(v, whole)),
        None => part
            .as_array()
            .into_iter()
            .flatten()
            .for_each(|v| assert_references_resolve(v, whole)),
    }
}

async fn a_repeated_submission_is_one_task(database: Database) {
    let server = Server::start(database).await;
    let submit = |key: &str, code: &str| {
        let request = client().post(format!("{}/api/v1/tasks", server.url()));
        let request = request
            .header("idempotency-key", key)
            .json(&json!({ "code": code }));
        async move {
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            let text = answer.text().await.expect("text");
            (status, serde_json::from_str::<Value>(&text).expect("JSON"))
        }
    };
    let (_, first) = submit("one", "return 1").await;
    let (_, again) = submit("one", "return 1").await;
    assert_eq!(first["id"], again["id"]);
    let (_, other) = submit("two", "return 1").await;
    assert_ne!(first["id"], other["id"]);
    let (status, problem) = submit("one", "return 2").await;
    assert_eq!(
        status, 409,
        "the same key for another program is a mistake: {problem:#}"
    );
    let many = (0..8).map(|_| submit("eight", "return 8"));
    let made = futures_util::future::join_all(many).await;
    // One that finds another under way is told to come again; the others get the same task.
    let (made, early): (Vec<_>, Vec<_>) = made.into_iter().partition(|(status, _)| *status < 300);
    assert!(
        early.iter().all(|(_, p)| p["code"] == "idempotency_in_use"),
        "{early:#?}"
    );
    let mut ids: Vec<String> = made
        .iter()
        .map(|(_, task)| task["id"].to_string())
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "eight at once are one task: {ids:?}");
    assert_eq!(
        server.get("/tasks").await["items"].as_array().map(Vec::len),
        Some(3)
    );
}

async fn lists_page_to_their_end(database: Database) {
    let server = Server::start(database).await;
    let mut made = Vec::new();
    for n in 0..7 {
        made.insert(0, server.submit(&format!("return {n}")).await);
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/tasks?limit=3{cursor}")).await;
        let tasks = items(&page);
        assert!(tasks.len() <= 3, "{page:#}");
        seen.extend(
            tasks
                .iter()
                .map(|t| t["id"].as_str().expect("an id").to_owned()),
        );
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, made, "every task once, the newest first");
    let reply = server.send("GET", "/tasks?cursor=nonsense", None).await;
    assert_eq!(reply.status, 400, "{reply:#?}");
}

async fn health_tells_no_secret_and_the_page_obeys_a_strict_policy(database: Database) {
    let server = Server::start(database).await;
    for path in ["/healthz", "/readyz"] {
        let answer = client()
            .get(format!("{}{path}", server.url()))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let text = answer.text().await.expect("text");
        assert!(!text.contains("postgres://"), "{path}: {text}");
        assert!(
            !text.contains(server.data().to_str().expect("UTF-8")),
            "{path}: {text}"
        );
    }
    let page = client().get(server.url()).send().await.expect("an answer");
    assert_eq!(page.status(), 200);
    let policy = page
        .headers()
        .get("content-security-policy")
        .and_then(|v| v.to_str().ok());
    let policy = policy.expect("the page has a content security policy");
    assert!(
        policy.contains("default-src 'self'") && !policy.contains("unsafe-inline"),
        "{policy}"
    );
}
