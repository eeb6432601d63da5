//! A refused credential is renewed and the call sent once more, where nothing can have been done; and
//! what a person set for a source stays with its own origin.

use crate::fixture::{admission, bearer, document, import, limits, source};
use crate::upstream::{Upstream, answer, ok};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tools::{Credentials, Egress, Invoked, Invoker, Renew, SourceTools};

fn things(url: &str) -> SourceTools {
    let operation = |id: &str| json!({"operationId": id});
    source(
        "s",
        import(
            "s",
            &document(
                url,
                json!({
                    "/thing": {"get": operation("read"), "post": operation("make")},
                    "/moved": {"post": operation("moved")},
                }),
            ),
        ),
    )
}

/// Calls with an old token, and a new one in reserve; also says how often that was asked for.
async fn call(source: &SourceTools, path: &str, newer: Option<&str>) -> (Invoked, usize) {
    let tool = source.tools.iter().find(|t| t.path == path).unwrap();
    let prepared = tools::prepare(tool, source, &json!({})).unwrap();
    let invoker = Invoker::new(Egress::new(limits()));
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, newer) = (Arc::clone(&asked), newer.map(str::to_owned));
    let renew: Renew<'_> = Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            newer.map(|token| Credentials {
                attachments: bearer(&token),
                ..Credentials::default()
            })
        })
    });
    let credentials = Credentials {
        attachments: bearer("old-token-0123456789"),
        renew: Some(renew),
        ..Credentials::default()
    };
    let invoked = invoker
        .invoke(
            admission(tool),
            tool,
            source,
            &prepared,
            credentials,
            1 << 20,
        )
        .await;
    (invoked, asked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let upstream = Upstream::start(|seen| match seen.header("authorization") {
        Some("Bearer new-token-0123456789") => ok(
            "application/json",
            r#"["old-token-0123456789","new-token-0123456789"]"#,
        ),
        _ => answer(401, &[], ""),
    })
    .await;
    let source = things(&upstream.url());
    for path in ["s.read", "s.make"] {
        let before = upstream.seen().len();
        let (invoked, asked) = call(&source, path, Some("new-token-0123456789")).await;
        // Both tokens are known from then on.
        assert_eq!(
            invoked.answer.unwrap().data,
            json!(["[secret]", "[secret]"])
        );
        assert_eq!((asked, upstream.seen().len() - before), (1, 2), "{path}");
    }
    for newer in [None, Some("another-bad-token-01")] {
        let before = upstream.seen().len();
        let (invoked, asked) = call(&source, "s.make", newer).await;
        let error = invoked.answer.unwrap_err();
        assert_eq!(error.code.as_str(), "credential_rejected");
        let sent = upstream.seen().len() - before;
        assert_eq!((asked, sent), (1, 1 + newer.iter().len()), "{newer:?}");
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_not_sent_again() {
    let upstream = Upstream::start(|seen| match seen.line() {
        "POST /moved" => answer(303, &[("location", "/thing")], ""),
        "GET /thing" => answer(401, &[], ""),
        _ => answer(500, &[], ""),
    })
    .await;
    let source = things(&upstream.url());
    let (invoked, asked) = call(&source, "s.moved", Some("new-token-0123456789")).await;
    assert_eq!(invoked.answer.unwrap_err().status, Some(401));
    let (invoked, more) = call(&source, "s.make", Some("new-token-0123456789")).await;
    assert_eq!(invoked.answer.unwrap_err().status, Some(500));
    assert_eq!((asked, more, upstream.seen().len()), (0, 0, 3));
}

#[tokio::test]
async fn headers_of_a_source_stay_with_its_origin() {
    let operation = |id: &str| json!({"operationId": id});
    let elsewhere = json!({"operationId": "away", "servers": [{"url": "https://other.example"}]});
    let mut source = source(
        "s",
        import(
            "s",
            &document(
                "https://api.example/v1",
                json!({
                    "/own": {"get": operation("own")},
                    "/away": {"get": elsewhere},
                }),
            ),
        ),
    );
    source.source.headers = vec![("X-Key".to_owned(), "k".to_owned())];
    for (path, expected) in [("s.own", true), ("s.away", false)] {
        let tool = source.tools.iter().find(|t| t.path == path).unwrap();
        let prepared = tools::prepare(tool, &source, &json!({})).unwrap();
        let has = prepared.headers.iter().any(|(n, _)| n == "x-key");
        assert_eq!(has, expected, "{prepared:?}");
    }
}
