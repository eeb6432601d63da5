//! What successes look like: a value that was made, nothing, readiness, a page of a list.
//!
//! Errors are in `error.rs`.

use api::Page;
use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

/// Something that was made by this request.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

/// Done, and nothing to say.
pub(crate) struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// Whether the server can do its work, and what keeps it from it.
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    /// Names of the checks that fail; anybody may ask, so nothing more is said.
    pub(crate) failing: Vec<String>,
    /// Names of the checks that somebody should look at, such as a sandbox made weaker by a switch.
    pub(crate) warning: Vec<String>,
    /// The runtimes that programs may ask for, the default first.
    pub(crate) runtimes: Vec<&'static str>,
}

impl IntoResponse for Readiness {
    fn into_response(self) -> Response {
        let status = if self.ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (
            status,
            Json(json!({
                "ready": self.ready,
                "failing": self.failing,
                "warning": self.warning,
                "runtimes": self.runtimes,
            })),
        )
            .into_response()
    }
}

/// The items of a page out of a list that was asked for with one item more than fits: the one more
/// says whether there is a next page.
pub(crate) fn page<D, T>(
    mut found: Vec<D>,
    limit: u32,
    cursor: impl Fn(&D) -> String,
    show: impl Fn(&D) -> T,
) -> Json<Page<T>> {
    let limit = limit as usize;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found
        .last()
        .filter(|_| more)
        .map(|last| self::cursor(&cursor(last)));
    Json(Page {
        items: found.iter().map(show).collect(),
        next_cursor,
    })
}

/// A place in a list as a client keeps it.
pub(crate) fn cursor(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

/// What a cursor made by [`page`] holds.
pub(crate) fn read_cursor(text: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_stands_on_all_pages_but_the_last() {
        let Json(first) = page(vec![1, 2, 3], 2, ToString::to_string, |n| *n);
        assert_eq!(first.items, [1, 2]);
        assert_eq!(
            read_cursor(&first.next_cursor.unwrap()).as_deref(),
            Some("2")
        );
        let Json(last) = page(vec![1, 2], 2, ToString::to_string, |n| *n);
        assert_eq!((last.items.len(), last.next_cursor), (2, None));
        assert_eq!(read_cursor("not base64!"), None);
    }
}
