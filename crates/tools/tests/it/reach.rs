//! Who may be reached: addresses in every spelling, redirects, grants.

use crate::fixture::{call, document, fetch, import, limits, source};
use crate::upstream::{Upstream, answer, ok};
use serde_json::json;
use tools::{Egress, FetchError};

#[tokio::test]
async fn forbidden_addresses_are_refused_in_every_spelling() {
    let canary = Upstream::json("{}").await;
    let port = canary.address.port();
    let egress = Egress::new(limits());
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "１２７.０.０.１",
        "127.0.0.1.",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "198.18.0.1",
        "240.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
    ] {
        let url = format!("http://{host}:{port}/");
        let error = fetch(&egress, &url, &[], false).await.unwrap_err();
        assert_eq!(error, FetchError::Refused, "{url}");
    }
    assert_eq!(canary.connections(), 0);
    // The control: the same server, when its owner allows it.
    let fetched = fetch(&egress, &canary.url(), &[], true).await.unwrap();
    assert_eq!(fetched, b"{}");
    // Metadata services and "this host" stay closed even then.
    for host in [
        "169.254.169.254",
        "0.0.0.0",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
    ] {
        let error = fetch(&egress, &format!("http://{host}:{port}/"), &[], true)
            .await
            .unwrap_err();
        assert_eq!(error, FetchError::Refused, "{host}");
    }
    assert_eq!(canary.connections(), 1);
}

#[tokio::test]
async fn one_parser_judges_and_dials() {
    let canary = Upstream::json("{}").await;
    let at = canary.address;
    let egress = Egress::new(limits());
    for (url, expected) in [
        (
            format!("http://example.invalid@{at}/"),
            "user names in addresses",
        ),
        (
            format!("http://{at}#@example.invalid/"),
            "may not be reached",
        ),
        (
            format!("http://{at}\\@example.invalid/"),
            "may not be reached",
        ),
        (format!("http://\t{at}/"), "may not be reached"),
        ("http://[127.0.0.1]/".to_owned(), "not a usable address"),
        ("file:///etc/passwd".to_owned(), "only http and https"),
        (
            "gopher://example.invalid/".to_owned(),
            "only http and https",
        ),
        ("http://".to_owned(), "not a usable address"),
    ] {
        let error = fetch(&egress, &url, &[], false)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{url}: {error}");
    }
    assert_eq!(canary.connections(), 0);
    let error = fetch(&egress, "http://me:pw@x.invalid/?key=k", &[], false)
        .await
        .unwrap_err()
        .to_string();
    assert!(!error.contains("pw") && !error.contains("key"), "{error}");
}

#[tokio::test]
async fn redirects_are_judged_and_headers_stay_home() {
    let canary = Upstream::json("{}").await;
    let (elsewhere, named) = (
        canary.url(),
        format!("http://localhost:{}", canary.address.port()),
    );
    let start = Upstream::start(move |seen| match seen.line() {
        "GET /own" => answer(301, &[("location", "/doc")], ""),
        "GET /doc" => ok("application/json", "[]"),
        "GET /away" => answer(302, &[("location", &elsewhere)], ""),
        "GET /name" => answer(302, &[("location", &named)], ""),
        "GET /meta" => answer(302, &[("location", "http://169.254.169.254/latest")], ""),
        "GET /file" => answer(302, &[("location", "file:///etc/passwd")], ""),
        _ => answer(302, &[("location", "/loop")], ""),
    })
    .await;
    let egress = Egress::new(limits());
    let headers = [("authorization".to_owned(), "Bearer t".to_owned())];
    let get = |path: &str| {
        let (egress, url, headers) = (
            egress.clone(),
            format!("{}{path}", start.url()),
            headers.clone(),
        );
        async move { fetch(&egress, &url, &headers, true).await }
    };
    assert_eq!(get("/own").await.unwrap(), b"[]");
    assert_eq!(start.last().header("authorization"), Some("Bearer t"));
    // The grant is for the first host and port alone.
    for path in ["/away", "/name", "/meta"] {
        assert_eq!(get(path).await.unwrap_err(), FetchError::Refused, "{path}");
    }
    assert!(matches!(
        get("/file").await.unwrap_err(),
        FetchError::BadUrl { .. }
    ));
    assert!(matches!(
        get("/loop").await.unwrap_err(),
        FetchError::Redirects { max: 5, .. }
    ));
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn calls_obey_the_grant_of_their_source() {
    let upstream = Upstream::json("1").await;
    let paths = json!({"/a": {"get": {"operationId": "a"}}});
    let mut source = source("s", import("s", &document(&upstream.url(), paths)));
    assert_eq!(
        call(&source, "s.a", json!({})).await.unwrap().data,
        json!(1)
    );
    source.source.allow_private = false;
    let error = call(&source, "s.a", json!({})).await.unwrap_err();
    assert_eq!(error.code.as_str(), "upstream_unreachable");
    assert!(
        error.message.contains("may not be reached"),
        "{}",
        error.message
    );
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn documents_are_bounded() {
    let upstream = Upstream::start(|seen| match seen.line() {
        "GET /large" => ok("text/plain", "x".repeat(2_000)),
        _ => answer(404, &[], "no"),
    })
    .await;
    let mut config = limits();
    config.document_bytes_max = 1_000;
    let egress = Egress::new(config);
    let get = |path: &str| format!("{}{path}", upstream.url());
    let large = fetch(&egress, &get("/large"), &[], true).await.unwrap_err();
    assert!(matches!(large, FetchError::TooLarge { max: 1_000, .. }));
    let missing = fetch(&egress, &get("/missing"), &[], true)
        .await
        .unwrap_err();
    assert!(matches!(missing, FetchError::Status { status: 404, .. }));
}

#[tokio::test]
async fn an_address_is_looked_at_once_whatever_it_turns_out_to_be() {
    let upstream = Upstream::start(|seen| match seen.line() {
        "GET /docs" => ok(
            "text/html",
            "<!doctype html><link rel=\"service-desc\" href=\"/spec.json\">",
        ),
        "GET /spec.json" => ok(
            "application/json",
            document(
                "https://api.example",
                json!({"/a": {"get": {"operationId": "a"}}}),
            )
            .to_string(),
        ),
        _ => answer(404, &[], ""),
    })
    .await;
    let egress = Egress::new(limits());
    let url = format!("{}/docs", upstream.url());
    let address = tools::Address {
        url: &url,
        kind: None,
        headers: &[],
        attachments: &[],
        allow_private: true,
    };
    let found = tools::read_address(&egress, &address).await.unwrap();
    assert!(
        found.found_by.is_some() && found.url.ends_with("/spec.json"),
        "{found:?}"
    );
    let looks = upstream
        .seen()
        .iter()
        .filter(|seen| seen.line() == "GET /docs")
        .count();
    assert_eq!(looks, 1, "{:?}", upstream.seen());
}
