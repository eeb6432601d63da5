//! What goes over the wire: parameters in every style, bodies of every kind, answers of every form.

use crate::fixture::{bearer, call, call_with, document, import, source};
use crate::upstream::{Upstream, answer, ok};
use domain::source::{ApiKeyLocation, AuthScheme};
use serde_json::{Value, json};

fn parameter(place: &str, more: &Value) -> Value {
    let mut parameter =
        json!({"name": "c", "in": place, "required": place == "path", "schema": {}});
    for (key, value) in more.as_object().unwrap() {
        parameter[key] = value.clone();
    }
    parameter
}

#[expect(clippy::too_many_lines, reason = "one table")]
#[tokio::test]
async fn every_parameter_style_arrives_as_the_specification_says() {
    let upstream = Upstream::json("{}").await;
    let list = json!(["blue", "black", "b r"]);
    let map = json!({"R": 100, "G": 200});
    let rows = [
        ("path", json!({}), json!("a/b c"), "/x/a%2Fb%20c"),
        ("path", json!({}), list.clone(), "/x/blue,black,b%20r"),
        (
            "path",
            json!({"explode": true}),
            map.clone(),
            "/x/R=100,G=200",
        ),
        ("path", json!({"style": "label"}), json!("blue"), "/x/.blue"),
        (
            "path",
            json!({"style": "label", "explode": true}),
            list.clone(),
            "/x/.blue.black.b%20r",
        ),
        (
            "path",
            json!({"style": "label"}),
            map.clone(),
            "/x/.R,100,G,200",
        ),
        (
            "path",
            json!({"style": "matrix"}),
            json!("blue"),
            "/x/;c=blue",
        ),
        (
            "path",
            json!({"style": "matrix"}),
            list.clone(),
            "/x/;c=blue,black,b%20r",
        ),
        (
            "path",
            json!({"style": "matrix", "explode": true}),
            list.clone(),
            "/x/;c=blue;c=black;c=b%20r",
        ),
        (
            "path",
            json!({"style": "matrix", "explode": true}),
            map.clone(),
            "/x/;R=100;G=200",
        ),
        ("query", json!({}), json!("é&=#"), "/x?c=%C3%A9%26%3D%23"),
        (
            "query",
            json!({}),
            list.clone(),
            "/x?c=blue&c=black&c=b%20r",
        ),
        ("query", json!({}), map.clone(), "/x?R=100&G=200"),
        (
            "query",
            json!({"explode": false}),
            list.clone(),
            "/x?c=blue,black,b%20r",
        ),
        (
            "query",
            json!({"explode": false}),
            map.clone(),
            "/x?c=R,100,G,200",
        ),
        (
            "query",
            json!({"style": "spaceDelimited", "explode": false}),
            list.clone(),
            "/x?c=blue%20black%20b%20r",
        ),
        (
            "query",
            json!({"style": "pipeDelimited", "explode": false}),
            list.clone(),
            "/x?c=blue%7Cblack%7Cb%20r",
        ),
        (
            "query",
            json!({"style": "deepObject", "explode": true}),
            map.clone(),
            "/x?c%5BR%5D=100&c%5BG%5D=200",
        ),
        (
            "query",
            json!({"allowReserved": true}),
            json!("a/b?c:d&e"),
            "/x?c=a/b?c:d%26e",
        ),
        (
            "query",
            json!({"content": {"application/json": {"schema": {}}}}),
            map.clone(),
            "/x?c=%7B%22R%22%3A100%2C%22G%22%3A200%7D",
        ),
        ("query", json!({}), json!(true), "/x?c=true"),
        (
            "query",
            json!({}),
            json!(9_007_199_254_740_993_i64),
            "/x?c=9007199254740993",
        ),
        ("query", json!({}), json!(null), "/x"),
        ("query", json!({}), json!([]), "/x"),
    ];
    for (place, more, value, expected) in rows {
        let path = if place == "path" { "/x/{c}" } else { "/x" };
        let operation = json!({"operationId": "go", "parameters": [parameter(place, &more)]});
        let source = source(
            "s",
            import(
                "s",
                &document(&upstream.url(), json!({path: {"get": operation}})),
            ),
        );
        call(&source, "s.go", json!({"c": value})).await.unwrap();
        assert_eq!(
            upstream.last().line(),
            format!("GET {expected}"),
            "{place} {more} {value}"
        );
    }
}

#[tokio::test]
async fn headers_and_cookies_arrive() {
    let upstream = Upstream::json("{}").await;
    let parameters = json!([
        {"name": "X-List", "in": "header", "schema": {"type": "array", "items": {"type": "string"}}},
        {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
        {"name": "X-HTTP-Method-Override", "in": "header", "schema": {"type": "string"}},
        {"name": "id", "in": "cookie", "schema": {"type": "string"}},
    ]);
    let operation = json!({"operationId": "go", "parameters": parameters});
    let mut source = source(
        "s",
        import(
            "s",
            &document(&upstream.url(), json!({"/x": {"get": operation}})),
        ),
    );
    source.source.headers = vec![("X-Team".to_owned(), "blue".to_owned())];
    call(
        &source,
        "s.go",
        json!({"X-List": ["a", "b c"], "id": "1;2"}),
    )
    .await
    .unwrap();
    let seen = upstream.last();
    assert_eq!(seen.header("x-list"), Some("a,b c"));
    assert_eq!(seen.header("cookie"), Some("id=1%3B2"));
    assert_eq!(seen.header("x-team"), Some("blue"));
    assert_eq!(
        seen.header("user-agent"),
        Some(concat!("executor/", env!("CARGO_PKG_VERSION")))
    );
    for argument in ["Authorization", "X-HTTP-Method-Override"] {
        let error = call(&source, "s.go", json!({argument: "x"}))
            .await
            .unwrap_err();
        assert_eq!(error.code.as_str(), "invalid_arguments", "{argument}");
    }
    let error = call(&source, "s.go", json!({"X-List": ["a\r\nX-Evil: 1"]}))
        .await
        .unwrap_err();
    assert_eq!(error.code.as_str(), "invalid_arguments");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn path_values_stay_in_their_segment() {
    let upstream = Upstream::json("{}").await;
    let parameters = json!([parameter("path", &json!({}))]);
    let paths = json!({"/base/{c}": {"get": {"operationId": "go", "parameters": parameters}}});
    let source = source(
        "s",
        import("s", &document(&format!("{}/v1", upstream.url()), paths)),
    );
    for (value, expected) in [
        ("../../admin", "..%2F..%2Fadmin"),
        ("%2e%2e%2f", "%252e%252e%252f"),
        ("..;/", "..%3B%2F"),
        ("//evil.com", "%2F%2Fevil.com"),
        ("a?b#c\\d", "a%3Fb%23c%5Cd"),
        ("{c}", "%7Bc%7D"),
        ("...", "..."),
    ] {
        call(&source, "s.go", json!({"c": value})).await.unwrap();
        assert_eq!(
            upstream.last().line(),
            format!("GET /v1/base/{expected}"),
            "{value}"
        );
    }
    let sent = upstream.seen().len();
    for value in ["..", ".", ""] {
        let error = call(&source, "s.go", json!({"c": value}))
            .await
            .unwrap_err();
        assert_eq!(error.code.as_str(), "invalid_arguments", "{value}");
    }
    assert_eq!(upstream.seen().len(), sent);
}

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
                &[],
                100,
            )
            .await
            .unwrap();
    }
    assert_eq!((upstream.seen().len(), upstream.connections()), (5, 1));
    let error = invoker
        .invoke(
            crate::fixture::admission(b),
            a,
            &source,
            &prepared,
            &[],
            100,
        )
        .await
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
            &bearer("token-123"),
            100,
        )
        .await
        .unwrap_err();
    assert_eq!(error.code.as_str(), "internal");
    assert_eq!(upstream.seen().len(), 5);
}
