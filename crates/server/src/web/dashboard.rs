//! The built dashboard, as embedded by the build: its frame and its files.
//!
//! A file whose name carries a digest never changes and is kept by browsers for ever; the frame is
//! asked for each time, so that a new version is seen at the next load.

use crate::error::Failure;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, VARY,
};

/// One embedded file.
struct Asset {
    /// Its path below the dashboard's folder.
    name: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// Where the frame's nonce goes.
const NONCE: &str = "{{nonce}}";

/// The nonce under which a response's page may add style sheets of its own.
#[derive(Clone)]
pub(crate) struct StyleNonce(pub(crate) String);

/// Whether this program carries the dashboard.
pub(crate) const fn is_bundled() -> bool {
    INDEX.is_some()
}

/// The frame with a nonce of its own; none where the dashboard is not embedded.
pub(super) fn frame() -> Option<Response> {
    let index = INDEX?;
    let nonce = match getrandom::u64().and_then(|a| getrandom::u64().map(|b| (a, b))) {
        Ok((a, b)) => format!("{a:016x}{b:016x}"),
        Err(_) => return Some(Failure::internal().into_response()),
    };
    let mut response = axum::response::Html(index.replace(NONCE, &nonce)).into_response();
    response.extensions_mut().insert(StyleNonce(nonce));
    Some(response)
}

/// A file of the dashboard, packed as the browser likes it best.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let wanted = format!("assets/{name}");
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == wanted) else {
        return Failure::no_route(&format!("/{wanted}")).into_response();
    };
    let accepts = |coding: &str| {
        let values = headers.get_all(ACCEPT_ENCODING).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .any(|value| accepts(value, coding))
    };
    let (coding, bytes) = match (asset.brotli, asset.gzip) {
        (Some(bytes), _) if accepts("br") => (Some("br"), bytes),
        (_, Some(bytes)) if accepts("gzip") => (Some("gzip"), bytes),
        (_, _) => (None, asset.plain),
    };
    let mut response = bytes.into_response();
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(kind(asset.name)));
    out.insert(CACHE_CONTROL, HeaderValue::from_static(kept(asset.name)));
    out.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(coding) = coding {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// Whether a value of `Accept-Encoding` lists a coding and does not refuse it.
fn accepts(value: &str, coding: &str) -> bool {
    value.split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        let named = words.next().is_some_and(|w| w.eq_ignore_ascii_case(coding));
        named && !words.any(|w| matches!(w, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// How long browsers keep a file: for ever where its name ends in a digest of eight characters.
fn kept(name: &str) -> &'static str {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let digest = stem.get(stem.len().saturating_sub(9)..);
    let has_digest = digest.and_then(|d| d.strip_prefix('-')).is_some_and(|d| {
        let mut letters = d.chars();
        letters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    });
    if has_digest {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_taken_as_the_browser_lists_them() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("BR;q=0.5", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("brotli", "br"));
        assert!(!accepts("", "gzip"));
    }

    #[test]
    fn only_names_with_a_digest_are_kept_for_ever() {
        let for_ever = "public, max-age=31536000, immutable";
        assert_eq!(kept("assets/index-BxY_3k9Z.js"), for_ever);
        assert_eq!(kept("assets/a-b-12345678.woff2"), for_ever);
        assert_eq!(kept("assets/theme.js"), "no-cache");
        assert_eq!(kept("assets/icon.svg"), "no-cache");
    }

    #[test]
    fn the_frame_says_nothing_by_itself() {
        let Some(index) = INDEX else { return };
        assert!(index.contains(NONCE), "the place of the nonce");
        assert!(!index.contains("style="), "inline style");
        for script in index.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(tag.contains("src=\"/assets/"), "inline script: {tag}");
        }
    }
}
