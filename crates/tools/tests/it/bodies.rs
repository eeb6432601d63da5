//! Request bodies on the wire, of every kind.

use crate::fixture::{call, document, import, source};
use crate::upstream::Upstream;
use serde_json::{Value, json};

fn posting(server: &str, media_type: &str, schema: &Value, more: &Value) -> Value {
    let mut media = json!({"schema": schema});
    for (key, value) in more.as_object().unwrap() {
        media[key] = value.clone();
    }
    let body = json!({"required": true, "content": {media_type: media}});
    document(
        server,
        json!({"/x/{id}": {"post": {"operationId": "go", "requestBody": body}}}),
    )
}

#[expect(clippy::too_many_lines, reason = "one table")]
#[tokio::test]
async fn every_kind_of_body_arrives() {
    let upstream = Upstream::json("{}").await;
    let fields = json!({"type": "object", "properties": {"id": {"type": "string"}, "n": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}}, "o": {"type": "object"}}});
    let deep = json!({"encoding": {"o": {"style": "deepObject", "explode": true}}});
    let bytes = json!({"$file": {"type": "image/png", "base64": "iVA="}});
    let none = json!({});
    let rows = [
        (
            "application/json",
            &fields,
            &none,
            json!({"id": "p", "body_id": "b", "n": 1, "tags": ["x"]}),
            "{\"id\":\"b\",\"n\":1,\"tags\":[\"x\"]}",
        ),
        ("application/json", &fields, &none, json!({"id": "p"}), "{}"),
        (
            "application/merge-patch+json",
            &fields,
            &none,
            json!({"id": "p", "n": 2}),
            "{\"n\":2}",
        ),
        (
            "application/json",
            &json!({"type": "array", "items": {}}),
            &none,
            json!({"id": "p", "body": [1, "a"]}),
            "[1,\"a\"]",
        ),
        (
            "application/json",
            &json!({"type": "string"}),
            &none,
            json!({"id": "p", "body": "a"}),
            "\"a\"",
        ),
        (
            "application/x-www-form-urlencoded",
            &fields,
            &none,
            json!({"id": "p", "n": 1, "tags": ["x", "y z"], "o": {"k": 1}}),
            "n=1&tags=x&tags=y%20z&o=%7B%22k%22%3A1%7D",
        ),
        (
            "application/x-www-form-urlencoded",
            &fields,
            &deep,
            json!({"id": "p", "o": {"k": {"l": 1}}}),
            "o%5Bk%5D%5Bl%5D=1",
        ),
        (
            "text/plain",
            &json!({"type": "string"}),
            &none,
            json!({"id": "p", "body": "é\n"}),
            "é\n",
        ),
        (
            "application/xml",
            &json!({"type": "object"}),
            &none,
            json!({"id": "p", "body": "<a/>"}),
            "<a/>",
        ),
    ];
    for (media_type, schema, more, args, expected) in rows {
        let source = source(
            "s",
            import("s", &posting(&upstream.url(), media_type, schema, more)),
        );
        call(&source, "s.go", args.clone()).await.unwrap();
        let seen = upstream.last();
        assert_eq!(
            (seen.line(), seen.text()),
            ("POST /x/p", expected),
            "{media_type} {args}"
        );
        assert_eq!(seen.header("content-type"), Some(media_type));
    }
    let document = posting(
        &upstream.url(),
        "application/octet-stream",
        &json!({"type": "string", "format": "binary"}),
        &none,
    );
    let source = source("s", import("s", &document));
    call(&source, "s.go", json!({"id": "p", "body": bytes}))
        .await
        .unwrap();
    assert_eq!(upstream.last().body, b"\x89P");
    assert_eq!(
        upstream.last().header("content-type"),
        Some("application/octet-stream")
    );
}

#[tokio::test]
async fn files_arrive_in_multipart() {
    let upstream = Upstream::json("{}").await;
    let schema = json!({"type": "object", "required": ["file"], "properties": {
        "file": {"type": "string", "format": "binary"},
        "more": {"type": "array", "items": {"type": "string", "contentMediaType": "application/octet-stream"}},
        "purpose": {"type": "string"}, "meta": {"type": "object"}}});
    let encoding = json!({"encoding": {"meta": {"contentType": "application/vnd.x+json"}}});
    let source = source(
        "s",
        import(
            "s",
            &posting(&upstream.url(), "multipart/form-data", &schema, &encoding),
        ),
    );
    let png = json!({"$file": {"name": "a.png", "type": "image/png", "base64": "iVA="}});
    let text = json!({"$file": {"base64": "aGk="}});
    call(
        &source,
        "s.go",
        json!({"id": "p", "file": png, "more": [text, text], "purpose": "x", "meta": {"k": 1}}),
    )
    .await
    .unwrap();
    let seen = upstream.last();
    let boundary = seen
        .header("content-type")
        .unwrap()
        .split_once("boundary=")
        .unwrap()
        .1
        .to_owned();
    let body = String::from_utf8_lossy(&seen.body).into_owned();
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 7, "{body}");
    assert!(parts[1].contains(
        "name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\u{fffd}P\r\n"
    ));
    assert!(parts[2].contains(
        "name=\"more\"; filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\nhi\r\n"
    ));
    assert!(
        parts[4].ends_with("name=\"purpose\"\r\n\r\nx\r\n"),
        "{}",
        parts[4]
    );
    assert!(
        parts[5].ends_with("Content-Type: application/vnd.x+json\r\n\r\n{\"k\":1}\r\n"),
        "{}",
        parts[5]
    );
    let error = call(&source, "s.go", json!({"id": "p", "file": "text"}))
        .await
        .unwrap_err();
    assert_eq!(error.code.as_str(), "invalid_arguments");
}
