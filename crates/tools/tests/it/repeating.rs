//! Keys by which an API recognizes a repetition: where they are found, that they are in the request
//! and nowhere else, and what is believed about repeating.

use crate::fixture::{document, import, source};
use serde_json::{Value, json};

const KEY: &str = "0e9f7a52-0000-4000-8000-000000000000";

/// What one operation's description says, and where the key of a call without one of its own goes.
struct Case {
    method: &'static str,
    more: Value,
    place: Option<(&'static str, &'static str)>,
    idempotent: bool,
    warns: bool,
}

fn case(method: &'static str, more: Value) -> Case {
    Case {
        method,
        more,
        place: None,
        idempotent: false,
        warns: false,
    }
}

fn header(name: &str) -> Value {
    json!({ "parameters": [{ "name": name, "in": "header", "required": true, "schema": { "type": "string" } }] })
}

fn body(field: &str) -> Value {
    json!({ "requestBody": { "required": true, "content": { "application/json": { "schema": {
        "type": "object", "required": [field], "properties": { field: { "type": "string" }, "a": {} },
    } } } } })
}

fn with(mut operation: Value, key: &str, value: Value) -> Value {
    operation[key] = value;
    operation
}

fn cases() -> Vec<Case> {
    let named = |place: &str, name: &str| json!({ "in": place, "name": name });
    let place = |mut case: Case, place, name| {
        case.place = Some((place, name));
        case
    };
    let key = |operation: Value, value: Value| with(operation, "x-idempotency-key", value);
    let warned = |mut case: Case| {
        case.warns = true;
        case
    };
    vec![
        place(
            case("post", header("Idempotency-Key")),
            "header",
            "idempotency-key",
        ),
        place(
            case("patch", header("x-idempotency-key")),
            "header",
            "x-idempotency-key",
        ),
        place(
            case("put", header("PayPal-Request-Id")),
            "header",
            "paypal-request-id",
        ),
        place(
            case("post", body("idempotency_key")),
            "body",
            "idempotency_key",
        ),
        place(
            case("delete", key(json!({}), named("header", "X-Once"))),
            "header",
            "x-once",
        ),
        place(
            case("post", key(json!({}), named("query", "once"))),
            "query",
            "once",
        ),
        place(
            case("post", key(body("name"), named("body", "once"))),
            "body",
            "once",
        ),
        place(
            case(
                "post",
                key(header("X-Request-Id"), named("header", "x-request-id")),
            ),
            "header",
            "x-request-id",
        ),
        case("post", header("X-Request-Id")),
        case("post", body("name")),
        case("get", header("Idempotency-Key")),
        warned(case("post", key(json!({}), named("body", "once")))),
        warned(case(
            "post",
            key(json!({}), named("header", "Authorization")),
        )),
        warned(case("post", key(json!({}), named("header", "a b")))),
        warned(case("post", key(json!({}), json!("X-Once")))),
        warned(case("post", with(json!({}), "x-idempotent", json!("yes")))),
        case("put", json!({})),
        case("delete", json!({})),
        Case {
            idempotent: true,
            ..case("post", with(json!({}), "x-idempotent", json!(true)))
        },
    ]
}

#[test]
fn a_key_goes_where_the_description_says_and_only_a_plain_word_is_believed() {
    for case in cases() {
        let told = format!("{} {}", case.method, case.more);
        let paths = json!({ "/things": { case.method: case.more } });
        let imported = import("x", &document("https://x.example", paths));
        assert_eq!(
            !imported.warnings.is_empty(),
            case.warns,
            "{told}: {:?}",
            imported.warnings
        );
        let source = source("x", imported);
        let tool = &source.tools[0];
        assert_eq!(tools::is_idempotent(tool), case.idempotent, "{told}");
        let required = tool.input_schema["required"].to_string();
        let mut arguments = json!({});
        if required.contains("name") {
            arguments["name"] = "x".into();
        }
        if case.method == "get" {
            arguments["Idempotency-Key"] = "given".into();
        }
        if case.place.is_none() && required.contains("X-Request-Id") {
            arguments["X-Request-Id"] = "given".into();
        }
        tools::check_arguments(tool, &source, &arguments).unwrap();
        let filled = tools::with_key(tool, &arguments, KEY);
        let prepared = tools::prepare(tool, &source, &filled).unwrap();
        let sent = serde_json::to_value(&prepared).unwrap();
        match case.place {
            None => assert!(!sent.to_string().contains(KEY), "{told}: {sent}"),
            Some(("header", name)) => {
                let pair = (name.to_owned(), KEY.to_owned());
                assert!(prepared.headers.contains(&pair), "{told}: {sent}");
            }
            Some(("query", name)) => {
                assert!(
                    prepared.url.ends_with(&format!("?{name}={KEY}")),
                    "{told}: {sent}"
                );
            }
            Some((_, name)) => {
                let body: Value = serde_json::from_slice(&prepared.body.unwrap()).unwrap();
                assert_eq!(body[name], KEY, "{told}");
            }
        }
        assert!(
            !arguments.to_string().contains(KEY),
            "the arguments stay the program's"
        );
    }
}

#[test]
fn a_key_of_the_programs_own_stays() {
    let paths = json!({ "/things": { "post": header("Idempotency-Key") } });
    let source = source("x", import("x", &document("https://x.example", paths)));
    let tool = &source.tools[0];
    for (given, expected) in [
        (json!({ "Idempotency-Key": "mine" }), "mine"),
        (json!({ "Idempotency-Key": null }), KEY),
    ] {
        let filled = tools::with_key(tool, &given, KEY);
        assert_eq!(filled["Idempotency-Key"], expected);
    }
}
