//! Answers as data, credentials on the way out and masked on the way back.

use crate::fixture::{bearer, call, call_with, document, import, source};
use crate::upstream::{Upstream, answer, ok};
use domain::source::{ApiKeyLocation, AuthScheme};
use serde_json::{Value, json};
use tools::Credentials;

#[tokio::test]
async fn answers_become_data() {
    let upstream = Upstream::start(|seen| match seen.line() {
        "GET /json" => answer(
            200,
            &[
                ("content-type", "application/json"),
                ("etag", "\"1\""),
                ("set-cookie", "a=b"),
            ],
            "{\"a\":[1]}",
        ),
        "GET /text" => ok("text/plain", "hello"),
        "GET /lines" => ok("application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n"),
        "GET /events" => ok("text/event-stream", "data: {\"a\":1}\n\ndata: [DONE]\n\n"),
        "GET /bytes" => answer(
            200,
            &[
                ("content-type", "image/png"),
                ("content-disposition", "attachment; filename=a.png"),
            ],
            b"\x89P",
        ),
        _ => answer(204, &[], ""),
    })
    .await;
    let paths: Value = ["json", "text", "lines", "events", "bytes", "none"]
        .iter()
        .map(|n| (format!("/{n}"), json!({"get": {"operationId": n}})))
        .collect();
    let source = source("s", import("s", &document(&upstream.url(), paths)));
    for (path, expected) in [
        ("s.json", json!({"a": [1]})),
        ("s.text", json!("hello")),
        ("s.lines", json!([{"a": 1}, {"a": 2}])),
        ("s.events", json!([{"a": 1}])),
        (
            "s.bytes",
            json!({"$file": {"type": "image/png", "base64": "iVA=", "name": "a.png"}}),
        ),
        ("s.none", json!(null)),
    ] {
        let answer = call(&source, path, json!({})).await.unwrap();
        assert_eq!(answer.data, expected, "{path}");
    }
    let answer = call(&source, "s.json", json!({})).await.unwrap();
    assert_eq!((answer.status, answer.bytes), (200, 9));
    let names: Vec<&str> = answer.headers.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["content-length", "content-type", "etag"]);
}

#[tokio::test]
async fn credentials_go_where_their_scheme_says_and_come_back_masked() {
    const SECRET: &str = "sk_live_51H8xTq/=+";
    let upstream = Upstream::start(|seen| {
        let echo =
            json!({"line": seen.line(), "head": seen.head, "auth": seen.header("authorization")});
        if seen.line().contains("fail") {
            answer(
                500,
                &[("x-echo", &seen.head.replace("\r\n", " "))],
                echo.to_string(),
            )
        } else {
            ok("application/json", echo.to_string())
        }
    })
    .await;
    let paths =
        json!({"/ok": {"get": {"operationId": "ok"}}, "/fail": {"get": {"operationId": "fail"}}});
    let source = source("s", import("s", &document(&upstream.url(), paths)));
    let key = |location, name: &str| AuthScheme::ApiKey {
        location,
        name: name.to_owned(),
    };
    let rows = [
        (
            AuthScheme::Bearer,
            SECRET.to_owned(),
            "authorization: Bearer sk_live_51H8xTq/=+",
        ),
        (
            AuthScheme::Basic,
            format!("me:{SECRET}"),
            "authorization: Basic bWU6c2tfbGl2ZV81MUg4eFRxLz0r",
        ),
        (
            key(ApiKeyLocation::Header, "X-Key"),
            SECRET.to_owned(),
            "x-key: sk_live_51H8xTq/=+",
        ),
        (
            key(ApiKeyLocation::Query, "key"),
            SECRET.to_owned(),
            "?key=sk_live_51H8xTq%2F%3D%2B HTTP",
        ),
        (
            key(ApiKeyLocation::Cookie, "sid"),
            SECRET.to_owned(),
            "cookie: sid=sk_live_51H8xTq/=+",
        ),
    ];
    for (scheme, secret, expected) in rows {
        let attachments = crate::fixture::attachment(scheme.clone(), &secret);
        let answer = call_with(&source, "s.ok", json!({}), &attachments)
            .await
            .unwrap();
        assert!(
            upstream.last().head.contains(expected),
            "{scheme:?}: {}",
            upstream.last().head
        );
        let failed = call_with(&source, "s.fail", json!({}), &attachments)
            .await
            .unwrap_err();
        for shown in [
            answer.data.to_string(),
            serde_json::to_string(&failed).unwrap(),
        ] {
            assert!(shown.contains("[secret]"), "{scheme:?}: {shown}");
            for form in [
                SECRET,
                "sk_live_51H8xTq%2F%3D%2B",
                "c2tfbGl2ZV81MUg4eFRxLz0r",
            ] {
                assert!(!shown.contains(form), "{scheme:?}: {shown}");
            }
        }
    }
    // The control: without a credential nothing is masked.
    let answer = call(&source, "s.ok", json!({})).await.unwrap();
    assert!(!answer.data.to_string().contains("[secret]"));
}

#[tokio::test]
async fn connections_are_kept_and_the_admission_must_fit() {
    let upstream = Upstream::json("{}").await;
    let paths = json!({"/a": {"get": {"operationId": "a"}}, "/b": {"get": {"operationId": "b"}}});
    let source = source("s", import("s", &document(&upstream.url(), paths)));
    let invoker = tools::Invoker::new(tools::Egress::new(crate::fixture::limits()));
    let (a, b) = (&source.tools[0], &source.tools[1]);
    let prepared = tools::prepare(a, &source, &json!({})).unwrap();
    for _ in 0..5 {
        invoker
            .invoke(
                crate::fixture::admission(a),
                a,
                &source,
                &prepared,
                Credentials::default(),
                100,
            )
            .await
            .answer
            .unwrap();
    }
    assert_eq!((upstream.seen().len(), upstream.connections()), (5, 1));
    let error = invoker
        .invoke(
            crate::fixture::admission(b),
            a,
            &source,
            &prepared,
            Credentials::default(),
            100,
        )
        .await
        .answer
        .unwrap_err();
    assert_eq!(error.code.as_str(), "internal");
    let mut elsewhere = prepared.clone();
    elsewhere.url = "http://127.0.0.2:9/a".to_owned();
    let error = invoker
        .invoke(
            crate::fixture::admission(a),
            a,
            &source,
            &elsewhere,
            Credentials {
                attachments: bearer("token-123"),
                ..Credentials::default()
            },
            100,
        )
        .await
        .answer
        .unwrap_err();
    assert_eq!(error.code.as_str(), "internal");
    assert_eq!(upstream.seen().len(), 5);
}
