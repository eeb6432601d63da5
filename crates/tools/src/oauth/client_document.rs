//! The document by which a client of ours describes itself, at the address that names it
//! (draft-ietf-oauth-client-id-metadata-document; SEP-991 of MCP).
//!
//! Whoever asks for access names the address, so nothing about it is trusted: it is fetched through
//! the guarded client, without redirects, small and quickly. What it says is judged by the caller.

use super::OAuthError;
use crate::egress::{self, Egress, Outgoing, Reach};
use crate::error::FetchError;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::Instant;

/// Largest document, in bytes.
pub const CLIENT_DOCUMENT_BYTES_MAX: u64 = 16 << 10;

/// Milliseconds for all of it.
pub const CLIENT_DOCUMENT_MS: u64 = 5_000;

impl Egress {
    /// Reads a client's document. Origins in `private` may lie at private addresses and speak plain
    /// http: an administrator of the server named them.
    ///
    /// # Errors
    /// [`OAuthError`]: not reached or not to be reached, no JSON object, too large, too slow, a
    /// redirect.
    pub fn client_document<'a>(
        &'a self,
        address: &'a str,
        private: &'a [String],
    ) -> BoxFuture<'a, Result<Map<String, Value>, OAuthError>> {
        Box::pin(async move {
            let url = egress::parse(address)?;
            let host = egress::host_of(&url);
            let allowed = private.contains(&url.origin().ascii_serialization());
            if url.scheme() != "https" && !allowed {
                return Err(FetchError::BadUrl {
                    url: host,
                    problem: "a client's document has an address that begins with https://"
                        .to_owned(),
                }
                .into());
            }
            let reach = if allowed {
                Reach::also(&url)
            } else {
                Reach::public()
            };
            let outgoing = Outgoing {
                method: "GET".to_owned(),
                url,
                headers: vec![("accept".to_owned(), "application/json".to_owned())],
                body: None,
            };
            let deadline = Instant::now() + Duration::from_millis(CLIENT_DOCUMENT_MS);
            let arriving = self.send(outgoing, &reach, deadline).await?;
            let status = arriving.status();
            if status != 200 {
                return Err(FetchError::Status { host, status }.into());
            }
            let body = arriving.read(CLIENT_DOCUMENT_BYTES_MAX).await?;
            match serde_json::from_slice(&body) {
                Ok(Value::Object(fields)) => Ok(fields),
                Ok(_) | Err(_) => Err(OAuthError::Answer {
                    host,
                    problem: "it is no JSON object".to_owned(),
                }),
            }
        })
    }
}

/// An address with parameters added to its query, as an answer goes back to a client.
#[must_use]
pub fn answer_address(redirect_uri: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let between = if redirect_uri.contains('?') { '&' } else { '?' };
    format!("{redirect_uri}{between}{}", query.finish())
}

/// The pairs of a query or form, in order.
#[must_use]
pub fn form_pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

/// Origin, path without a slash at the end: what names a resource of ours, whatever its query.
#[must_use]
pub fn resource_parts(address: &str) -> Option<(String, String)> {
    let url = egress::parse(address).ok()?;
    if address.contains('#') || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let path = url.path().trim_end_matches('/').to_owned();
    Some((url.origin().ascii_serialization(), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_the_address_they_go_to() {
        let pairs = [("code", "a b"), ("state", "&x=1#")];
        assert_eq!(
            answer_address("https://a.example/cb", &pairs),
            "https://a.example/cb?code=a+b&state=%26x%3D1%23"
        );
        assert_eq!(
            answer_address("app:/cb?x=1", &pairs[..1]),
            "app:/cb?x=1&code=a+b"
        );
        let read = form_pairs(b"a=1&b=%26&a=2");
        assert_eq!(read.len(), 3);
        assert_eq!(read[1], ("b".to_owned(), "&".to_owned()));
    }

    #[test]
    fn a_resource_is_its_origin_and_path() {
        let parts = |text| resource_parts(text);
        let expected = Some(("http://127.0.0.1:5312".to_owned(), "/mcp".to_owned()));
        assert_eq!(parts("http://127.0.0.1:5312/mcp"), expected);
        assert_eq!(parts("http://127.0.0.1:5312/mcp/?workspace=a"), expected);
        assert_eq!(parts("HTTP://127.0.0.1:5312/mcp"), expected);
        for bad in [
            "/mcp",
            "http://a@127.0.0.1:5312/mcp",
            "http://127.0.0.1:5312/mcp#x",
        ] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }
}
