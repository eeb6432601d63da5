//! Texts that mean something to a database, a full-text search or a pattern are letters like any others
//! (L09): in every parameter of every read, and in what people search for.
//!
//! The parameters come from the server's own description.

use crate::api::items;
use crate::database::Database;
use crate::keeping::number;
use crate::server::Server;
use crate::upstream::Upstream;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

on_both_databases!(
    no_parameter_is_read_by_the_database,
    what_is_searched_for_is_found_to_the_letter,
);

const TEXTS: [&str; 12] = [
    "'",
    "'; drop table tasks; --",
    "' or '1'='1",
    "\" or \"\"=\"",
    "1); delete from audit; --",
    "%",
    "_",
    "\\",
    "a* OR b*",
    "tasks: NEAR(a b)",
    "$1::text",
    "\u{0}",
];

/// What a text is in an address.
fn encoded(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |all, byte| format!("{all}%{byte:02X}"))
}

/// Every way to say something in a read: a parameter of the query, or a part of the path.
fn ways(description: &Value) -> Vec<(String, Option<String>)> {
    let mut ways = Vec::new();
    for (path, methods) in description["paths"].as_object().expect("paths") {
        let Some(path) = path.strip_prefix("/api/v1") else {
            continue;
        };
        let Some(read) = methods.get("get") else {
            continue;
        };
        if path.contains('{') {
            ways.push((path.to_owned(), None));
            continue;
        }
        for parameter in read["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "query" {
                let name = parameter["name"].as_str().expect("a name").to_owned();
                ways.push((path.to_owned(), Some(name)));
            }
        }
    }
    ways
}

async fn no_parameter_is_read_by_the_database(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    server.run("return 'one'").await;
    let ways = ways(&server.get("/openapi.json").await);
    assert!(ways.len() > 50, "{ways:#?}");
    let rows = |table: &str| number(&server, &format!("select count(*) from {table}"));
    let before = ["tasks", "sources", "rules", "members"].map(rows);
    let tries = ways
        .iter()
        .flat_map(|way| TEXTS.map(|text| (way, encoded(text))));
    let server = &server;
    let tried = tries.map(|((path, parameter), text)| async move {
        let path = match parameter {
            Some(name) => format!("{path}?{name}={text}"),
            None => {
                let mut parts = path.split(['{', '}']);
                let first = parts.next().unwrap_or_default().to_owned();
                let rest = parts.collect::<Vec<_>>();
                rest.chunks(2).fold(first, |all, part| {
                    format!("{all}{text}{}", part.get(1).unwrap_or(&""))
                })
            }
        };
        let status = status(server, &path).await;
        // What it is refused for is told; what it is taken for, it does.
        (!matches!(status, 200 | 400 | 404 | 410 | 422)).then(|| format!("{path}: {status}"))
    });
    let tried = futures_util::stream::iter(tried).buffer_unordered(8);
    let wrong: Vec<String> = tried.filter_map(async |wrong| wrong).collect().await;
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", server.log());
    assert_eq!(["tasks", "sources", "rules", "members"].map(rows), before);
    let whole = server.get("/audit/verify").await;
    assert_eq!(whole["intact"], true, "{whole:#}");
    assert!(!server.log().contains("syntax error"), "{}", server.log());
}

/// Its body is not read: streams do not end.
async fn status(server: &Server, path: &str) -> u16 {
    let url = format!("{}/api/v1{path}", server.url());
    let answer = server.http.get(url).send().await.expect("an answer");
    answer.status().as_u16()
}

async fn what_is_searched_for_is_found_to_the_letter(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let odd = "100% of_it's \\ \"so\"";
    for name in [odd, "100 percent of it"] {
        let code = format!("return {}", Value::from(name));
        server.run(&code).await;
        let rule = json!({ "effect": "ask", "note": name, "match": { "tools": ["none.**"] } });
        server.post("/policies", rule).await;
    }
    let tasks = async |words: &str| {
        let found = server.get(&format!("/tasks?q={}", encoded(words))).await;
        items(&found).len()
    };
    let entries = async |text: &str| {
        let found = server
            .get(&format!("/audit?action=rule.&text={}", encoded(text)))
            .await;
        items(&found).len()
    };
    for (text, found) in [
        ("100", 2),
        ("100%", 1),
        ("of_it's", 1),
        ("%", 1),
        ("_it", 1),
        ("0%0", 0),
        ("1__", 0),
        ("' or '1'='1", 0),
    ] {
        assert_eq!(entries(text).await, found, "entries: {text}");
        if !text.contains(' ') {
            assert_eq!(tasks(text).await, found, "tasks: {text}");
        }
    }
}
