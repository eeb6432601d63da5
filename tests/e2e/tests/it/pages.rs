//! Pages: with the dashboard in the program its frame and files, without it the small page that says
//! how to build it. What must hold of both is tried on both.

use crate::database::Database;
use crate::server::{Server, client};
use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

on_both_databases!(every_page_is_the_frame_and_nothing_else_is);

const PAGES: [&str; 10] = [
    "/",
    "/welcome",
    "/w/local",
    "/w/local/approvals/appr_0",
    "/a/appr_0",
    "/approvals/appr_0",
    "/tasks/task_0",
    "/policies/history",
    "/settings/keys",
    "/tools/a.b",
];

async fn every_page_is_the_frame_and_nothing_else_is(database: Database) {
    let server = Server::start(database).await;
    let get = |path: &str| {
        let request = client().get(format!("{}{path}", server.url()));
        async move { request.send().await.expect("an answer") }
    };
    let mut policies = Vec::new();
    for path in PAGES {
        let page = get(path).await;
        assert_eq!(page.status(), 200, "{path}");
        assert_eq!(page.headers()[CACHE_CONTROL], "no-store", "{path}");
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str();
        let policy = policy.expect("text").to_owned();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        let text = page.text().await.expect("a page");
        if text.contains("id=\"root\"") {
            let nonce = text.split("csp-nonce\" content=\"").nth(1);
            let nonce = nonce.and_then(|rest| rest.split('"').next());
            let nonce = nonce.expect("a nonce in the frame");
            assert!(policy.contains(&format!("'nonce-{nonce}'")), "{policy}");
            policies.push(policy);
        } else {
            assert!(text.contains("cargo xtask web"), "{path}: {text}");
            assert!(text.contains("/api/v1/openapi.json"), "{path}: {text}");
            assert!(!policy.contains("nonce"), "{path}: {policy}");
        }
    }
    let pages = policies.len();
    policies.sort();
    policies.dedup();
    assert_eq!(policies.len(), pages, "a nonce is used once");

    for path in [
        "/assets/none-12345678.js",
        "/assets/",
        "/assets/..%2findex.html",
        "/approvalsx",
        "/api/v1/none",
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        let kind = answer.headers()[CONTENT_TYPE].to_str().expect("text");
        assert_eq!(kind, "application/problem+json", "{path}");
    }
}
