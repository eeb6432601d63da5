//! Parameters on the wire: every style, headers, cookies, path values.

use crate::fixture::{call, document, import, source};
use crate::upstream::Upstream;
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
