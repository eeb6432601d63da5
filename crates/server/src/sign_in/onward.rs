//! Where a browser goes once it is signed in: the page that it wanted when it was asked to.
//!
//! The way to a provider takes it along. A link that somebody else makes cannot, so that the browser
//! keeps it for a while; it names a page and opens none. Whatever comes from an address or a cookie
//! is a path of this server, or else the first page ([`domain::sign_in::local_path`]).

use super::{Asked, is_https, set_cookie};
use crate::App;
use crate::auth::cookie;
use axum::extract::Query;
use axum::response::Response;
use domain::sign_in::local_path;
use http::header::{HeaderMap, SET_COOKIE};
use http::{HeaderValue, Uri};

/// How long it is kept.
const KEPT_SECONDS: u32 = 15 * 60;

fn name(app: &App) -> String {
    if is_https(app) {
        "__Host-executor_sign_in_next".to_owned()
    } else {
        format!("executor_sign_in_{}_next", app.port)
    }
}

/// A text as the value of a query, or of a cookie.
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect()
}

fn decoded(value: &str) -> Option<String> {
    let uri = Uri::try_from(format!("/?next={value}")).ok()?;
    Query::<Asked>::try_from_uri(&uri)
        .ok()
        .map(|Query(asked)| asked.next)
}

/// Where a request says that it goes on to, or else what the browser keeps.
pub(super) fn wanted(app: &App, headers: &HeaderMap, asked: &str) -> String {
    let kept = || cookie(headers, &name(app)).and_then(decoded);
    let next = match asked {
        "" => kept().unwrap_or_default(),
        asked => asked.to_owned(),
    };
    local_path(&next).to_owned()
}

fn add(response: &mut Response, line: &str) {
    if let Ok(line) = HeaderValue::from_str(line) {
        response.headers_mut().append(SET_COOKIE, line);
    }
}

/// Lets the browser keep where it wanted to go. The first page is not worth it.
pub(super) fn keep(app: &App, response: &mut Response, next: &str) {
    let next = local_path(next);
    if next != "/" {
        let line = set_cookie(app, &name(app), &encoded(next), KEPT_SECONDS);
        add(response, &line);
    }
}

/// Lets it forget that, once it is on its way.
pub(super) fn forget(app: &App, headers: &HeaderMap, response: &mut Response) {
    let name = name(app);
    if cookie(headers, &name).is_some() {
        add(response, &set_cookie(app, &name, "", 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_value_of_a_query() {
        assert_eq!(encoded("/a/b?x=1&y=2#z"), "/a/b%3Fx%3D1%26y%3D2%23z");
        for path in ["/a/b?x=1&y=2#z", "/a;b,\"c\"", "/%2Fx", "/a+b"] {
            let value = encoded(path);
            assert!(!value.contains([';', ',', '"', ' ', '&']), "{value}");
            assert_eq!(decoded(&value).as_deref(), Some(path));
        }
    }

    #[test]
    fn what_a_cookie_holds_is_one_value_and_no_more() {
        assert_eq!(decoded("/a&token=x&next=/b"), None, "twice");
        assert_eq!(decoded("/a&token=x").as_deref(), Some("/a"));
        for planted in [
            "%2F%2Fevil.example",
            "/%5Cevil.example",
            "https:evil",
            "%FF",
            "/%09/x",
        ] {
            let next = decoded(planted).unwrap_or_default();
            assert_eq!(local_path(&next), "/", "{planted}");
        }
    }
}
