//! Pages: the dashboard where it is embedded, else a small page of our own.
//!
//! The server sends one empty frame and files; what is shown is drawn by the browser from the public
//! API, as text and never as markup. Loading a page changes nothing. Signing in is in
//! `sign_in.rs`.
//! Next: `web/dashboard.rs` for what is embedded.

pub(crate) mod dashboard;

use crate::App;
use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

const FRAME: &str = include_str!("web/frame.html");
const SCRIPT: &str = include_str!("web/app.js");
const STYLE: &str = include_str!("web/app.css");
/// What a browser runs while no page is open. At the root, because it may act for what lies below it.
const SERVICE_WORKER: &str = include_str!("web/service-worker.js");
const ICON: &str = include_str!("web/icon.svg");

/// The first segments of the paths of pages. Which page is drawn, the browser decides.
const PAGES: [&str; 15] = [
    "w",
    "welcome",
    "a",
    "approvals",
    "tasks",
    "run",
    "tools",
    "sources",
    "credentials",
    "policies",
    "clients",
    "audit",
    "settings",
    "home",
    "storage",
];

/// Whether a path is one of a page.
pub(crate) fn is_page(path: &str) -> bool {
    let first = path.strip_prefix('/').and_then(|p| p.split('/').next());
    path == "/" || first.is_some_and(|first| PAGES.contains(&first))
}

pub(crate) fn routes(app: &App) -> Router {
    let frame = || async { framed(dashboard::frame()) };
    let mut router = Router::new().route("/", get(frame));
    for page in PAGES {
        router = router
            .route(&format!("/{page}"), get(frame))
            .route(&format!("/{page}/{{*rest}}"), get(frame));
    }
    router
        .route("/assets/{*name}", get(dashboard::asset))
        .route(
            "/assets/app.js",
            get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }),
        )
        .route(
            "/assets/app.css",
            get(|| async { file("text/css; charset=utf-8", STYLE) }),
        )
        .route(
            "/assets/icon.svg",
            get(|| async { file("image/svg+xml", ICON) }),
        )
        .route("/service-worker.js", get(|| async { service_worker() }))
        .with_state(app.clone())
}

fn service_worker() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, SERVICE_WORKER).into_response()
}

/// The dashboard's frame; in a build without it, the page that says so and how to get it.
fn framed(bundled: Option<Response>) -> Response {
    bundled.unwrap_or_else(|| Html(FRAME).into_response())
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    // Small, and another with every version: asked for each time.
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text)
}

pub(crate) const HTML: http::HeaderValue =
    http::HeaderValue::from_static("text/html; charset=utf-8");

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_no_script_and_no_style_of_their_own() {
        for page in [FRAME] {
            let lower = page.to_ascii_lowercase();
            assert!(!lower.contains("style="), "inline style");
            let handler = |rest: &str| {
                rest.trim_start_matches(|c: char| c.is_ascii_lowercase())
                    .starts_with('=')
            };
            assert!(!lower.split(" on").skip(1).any(handler), "inline handler");
            assert!(!lower.contains("javascript:"), "script in an address");
            for script in lower.split("<script").skip(1) {
                assert!(script.starts_with(" src=\"/assets/"), "inline script");
            }
        }
        assert!(
            !SERVICE_WORKER.contains("fetch") && !SERVICE_WORKER.contains("caches"),
            "it keeps and answers nothing"
        );
        assert!(!SCRIPT.contains("innerHTML") && !SCRIPT.contains("insertAdjacentHTML"));
    }

    #[test]
    fn a_build_without_the_dashboard_sends_a_page_that_says_how_to_get_it() {
        let page = framed(None);
        assert!(page.status().is_success());
        assert_eq!(page.headers().get(CONTENT_TYPE), Some(&HTML));
        for hint in [
            "cargo xtask web",
            "executor approvals list",
            "/api/v1/openapi.json",
        ] {
            assert!(FRAME.contains(hint), "{hint}");
        }
        let bundled = framed(Some("the dashboard".into_response()));
        assert_ne!(bundled.headers().get(CONTENT_TYPE), Some(&HTML));
    }

    #[test]
    fn pages_are_told_from_files_and_from_the_api() {
        for path in [
            "/",
            "/w/local/tasks",
            "/a/appr_1",
            "/approvals/appr_1",
            "/welcome",
        ] {
            assert!(is_page(path), "{path}");
        }
        for path in [
            "/api/v1/me",
            "/assets/a.js",
            "/approvalsx",
            "/sign-in",
            "/service-worker.js",
            "/mcp",
            "/W",
        ] {
            assert!(!is_page(path), "{path}");
        }
    }

    #[test]
    fn words_of_others_stay_words() {
        assert_eq!(escaped("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
