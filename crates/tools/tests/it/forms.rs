//! Several forms of one body: which one the arguments choose, and what then arrives.

use crate::fixture::{call, document, import, source};
use crate::upstream::{Seen, Upstream};
use domain::tool::ToolError;
use serde_json::{Value, json};
use tools::SourceTools;

fn taking(server: &str, content: Value) -> SourceTools {
    let body = json!({"required": true, "content": content});
    let paths = json!({"/x": {"post": {"operationId": "go", "requestBody": body}}});
    source("s", import("s", &document(server, paths)))
}

async fn sent(source: &SourceTools, upstream: &Upstream, args: Value) -> Result<Seen, ToolError> {
    call(source, "s.go", args).await?;
    Ok(upstream.last())
}

fn media(seen: &Seen) -> &str {
    seen.header("content-type")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
}

fn file(text: &str) -> Value {
    json!({"$file": {"name": "a.bin", "type": "image/png", "base64": text}})
}

#[tokio::test]
async fn files_go_beside_json_as_discord_has_it() {
    let upstream = Upstream::json("{}").await;
    let message = json!({"type": "object", "properties": {"content": {"type": "string"},
        "embeds": {"type": "array", "items": {"type": "object"}}}});
    let binary = json!({"type": "string", "contentEncoding": "binary"});
    let with_files = json!({"allOf": [message, {"type": "object", "properties": {"files[0]": binary, "files[1]": binary}}]});
    let source = taking(
        &upstream.url(),
        json!({"application/json": {"schema": message},
        "application/x-www-form-urlencoded": {"schema": message}, "multipart/form-data": {"schema": with_files}}),
    );
    let words = json!({"content": "hi", "embeds": [{"title": "t"}]});
    let seen = sent(&source, &upstream, words.clone()).await.unwrap();
    assert_eq!(
        (media(&seen), seen.text()),
        ("application/json", words.to_string().as_str())
    );
    let mut both = words.clone();
    both["files[0]"] = file("aGk=");
    let seen = sent(&source, &upstream, both).await.unwrap();
    assert_eq!(media(&seen), "multipart/form-data");
    let text = seen.text();
    assert_eq!(text.matches("Content-Disposition").count(), 2, "{text}");
    assert!(
        text.contains(&format!(
            "name=\"payload_json\"\r\nContent-Type: application/json\r\n\r\n{words}\r\n"
        )),
        "{text}"
    );
    assert!(
        text.contains(
            "name=\"files[0]\"; filename=\"a.bin\"\r\nContent-Type: image/png\r\n\r\nhi\r\n"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn an_object_of_several_forms_goes_with_its_files() {
    let upstream = Upstream::json("{}").await;
    let either = json!({"anyOf": [
        {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
        {"type": "object", "required": ["b"], "properties": {"b": {"type": "string"}}}]});
    let binary = json!({"type": "string", "format": "binary"});
    let with_file = json!({"allOf": [either, {"type": "object", "properties": {"file": binary}}]});
    let source = taking(
        &upstream.url(),
        json!({"application/json": {"schema": either},
        "multipart/form-data": {"schema": with_file}}),
    );
    let seen = sent(&source, &upstream, json!({"body": {"a": "1"}}))
        .await
        .unwrap();
    assert_eq!(
        (media(&seen), seen.text()),
        ("application/json", "{\"a\":\"1\"}")
    );
    let seen = sent(
        &source,
        &upstream,
        json!({"body": {"b": "2"}, "file": file("aGk=")}),
    )
    .await
    .unwrap();
    assert_eq!(media(&seen), "multipart/form-data");
    assert!(
        seen.text().contains("name=\"b\"\r\n\r\n2\r\n") && seen.text().contains("name=\"file\"")
    );
}

#[tokio::test]
async fn the_arguments_choose_the_form() {
    let upstream = Upstream::json("{}").await;
    let by_url = json!({"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}, "image": {"type": "string"}}});
    let by_file = json!({"type": "object", "required": ["image"], "properties": {
        "image": {"type": "string", "format": "binary"}, "alt": {"type": "string"}}});
    let source = taking(
        &upstream.url(),
        json!({
        "application/octet-stream": {}, "image/png": {}, "multipart/form-data": {"schema": by_file},
        "application/xml": {"schema": by_url}, "application/json": {"schema": by_url}}),
    );
    let properties = &source.tools[0].input_schema["properties"];
    assert_eq!(
        properties.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["url", "image", "alt", "body"]
    );
    for (args, expected) in [
        (json!({"url": "u"}), "application/json"),
        (json!({"url": "u", "image": "i"}), "application/json"),
        (json!({"image": file("aGk=")}), "multipart/form-data"),
        (
            json!({"image": file("aGk="), "alt": "a"}),
            "multipart/form-data",
        ),
        (json!({"body": file("aGk=")}), "image/png"),
    ] {
        let seen = sent(&source, &upstream, args.clone()).await.unwrap();
        assert_eq!(media(&seen), expected, "{args}");
    }
    for (args, problem) in [
        (
            json!({"url": "u", "body": file("aGk=")}),
            "together with the other arguments",
        ),
        (json!({"alt": "a"}), "`image` is missing"),
        (json!({}), "`url` is missing"),
        (json!({"image": 1}), "must be"),
    ] {
        let error = sent(&source, &upstream, args.clone()).await.unwrap_err();
        assert_eq!(error.code.as_str(), "invalid_arguments");
        assert!(error.message.contains(problem), "{args}: {}", error.message);
    }
}

#[tokio::test]
async fn bytes_say_what_they_are() {
    let upstream = Upstream::json("{}").await;
    let source = taking(&upstream.url(), json!({"image/jpeg": {}, "image/png": {}}));
    let mut other = file("aGk=");
    let seen = sent(&source, &upstream, json!({"body": other}))
        .await
        .unwrap();
    assert_eq!((media(&seen), seen.text()), ("image/png", "hi"));
    other["$file"]["type"] = "text/html".into();
    let seen = sent(&source, &upstream, json!({"body": other}))
        .await
        .unwrap();
    assert_eq!(media(&seen), "image/png");
    let source = taking(&upstream.url(), json!({"image/*": {}}));
    let seen = sent(&source, &upstream, json!({"body": file("aGk=")}))
        .await
        .unwrap();
    assert_eq!(media(&seen), "image/png");
    // JSON of any shape, or bytes.
    let source = taking(
        &upstream.url(),
        json!({"application/json": {"schema": {"type": "array", "items": {}}}, "application/octet-stream": {}}),
    );
    let seen = sent(&source, &upstream, json!({"body": [1]}))
        .await
        .unwrap();
    assert_eq!((media(&seen), seen.text()), ("application/json", "[1]"));
    let seen = sent(&source, &upstream, json!({"body": file("aGk=")}))
        .await
        .unwrap();
    assert_eq!(
        (media(&seen), seen.text()),
        ("application/octet-stream", "hi")
    );
}

#[tokio::test]
async fn lines_are_written_one_by_one() {
    let upstream = Upstream::json("{}").await;
    let item = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    for declared in [
        json!({"itemSchema": item}),
        json!({"schema": item}),
        json!({"schema": {"type": "array", "items": item}}),
    ] {
        let source = taking(&upstream.url(), json!({"application/x-ndjson": declared}));
        let seen = sent(&source, &upstream, json!({"body": [{"n": 1}, {"n": 2}]}))
            .await
            .unwrap();
        assert_eq!(
            (media(&seen), seen.text()),
            ("application/x-ndjson", "{\"n\":1}\n{\"n\":2}\n")
        );
        assert!(
            sent(&source, &upstream, json!({"body": [{"n": "x"}]}))
                .await
                .is_err()
        );
    }
    let source = taking(
        &upstream.url(),
        json!({"application/jsonl": {"schema": {"type": "string"}}}),
    );
    let seen = sent(&source, &upstream, json!({"body": "{}\n"}))
        .await
        .unwrap();
    assert_eq!(seen.text(), "{}\n");
}
