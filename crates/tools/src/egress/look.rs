//! Fetching a description, and seeing what an address answers where it is none.
//!
//! Up to five redirects are followed, each judged; a person's headers go to the address's own origin
//! alone. By its validators a server says that nothing has changed, without sending it again.

use super::{Asked, Egress, Outgoing, REDIRECTS_MAX, Reach, host_of, join, parse};
use crate::error::FetchError;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use url::Url;

/// By what a server recognizes a document that it gave before (RFC 9110, section 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Validators {
    /// Its entity tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When it says that it was changed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

impl Validators {
    /// Whether there is nothing to recognize it by.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    fn conditions(&self) -> impl Iterator<Item = (String, String)> {
        let tag = self.etag.clone().map(|v| ("if-none-match".to_owned(), v));
        let time = self
            .last_modified
            .clone()
            .map(|v| ("if-modified-since".to_owned(), v));
        tag.into_iter().chain(time)
    }
}

/// What an address answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Where the answer came from, after redirects.
    pub url: String,
    /// Its HTTP status.
    pub status: u16,
    /// What it says that it is; empty if it does not.
    pub content_type: String,
    /// Its `Link` headers (RFC 8288).
    pub links: Vec<String>,
    /// By what it is recognized.
    pub validators: Validators,
    /// The whole body where the status is 2xx, else its beginning.
    pub body: Vec<u8>,
}

impl Seen {
    /// Whether the server says that what is known is still so.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.status == 304
    }

    /// Whether it is an answer that was asked for.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// How much is kept of an answer that is no success, in bytes.
const BEGINNING_BYTES: usize = 4 << 10;

impl Egress {
    /// Looks at an address as one fetches a description, and tells whatever it answers. `known` are
    /// the validators of what was read before. `allow_private` holds for its own host and port alone.
    ///
    /// # Errors
    /// [`FetchError`], where there was no answer; a refused address is told apart from nothing else.
    pub fn look<'a>(
        &'a self,
        url: &'a str,
        headers: &'a [(String, String)],
        allow_private: bool,
        known: &'a Validators,
    ) -> BoxFuture<'a, Result<Seen, FetchError>> {
        Box::pin(self.looked(url, headers, allow_private, known))
    }

    async fn looked(
        &self,
        url: &str,
        headers: &[(String, String)],
        allow_private: bool,
        known: &Validators,
    ) -> Result<Seen, FetchError> {
        let own = parse(url)?;
        let asked = Asked {
            own: &own,
            headers,
            allow_private,
        };
        let bytes_max = self.0.config.document_bytes_max;
        self.seen(own.clone(), asked, bytes_max, self.deadline(), known)
            .await
    }

    /// The same of any address, with what holds for the description's own.
    pub(super) async fn seen(
        &self,
        start: Url,
        asked: Asked<'_>,
        bytes_max: u64,
        deadline: Instant,
        known: &Validators,
    ) -> Result<Seen, FetchError> {
        let reach = if asked.allow_private {
            Reach::also(asked.own)
        } else {
            Reach::public()
        };
        let mut at = start.clone();
        for _ in 0..=REDIRECTS_MAX {
            let accept = (
                "accept".to_owned(),
                "application/json, application/yaml, text/yaml, */*;q=0.5".to_owned(),
            );
            let mut sent = vec![accept];
            if at.origin() == asked.own.origin() {
                sent.extend(asked.headers.iter().cloned());
            }
            sent.extend(known.conditions());
            let outgoing = Outgoing {
                method: "GET".to_owned(),
                url: at.clone(),
                headers: sent,
                body: None,
            };
            let answer = self.send(outgoing, &reach, deadline).await?;
            if let Some(location) = answer.redirect() {
                at = join(&at, &location)?;
                continue;
            }
            let head = answer.headers();
            let first = |name: &str| head.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
            let links = head.iter().filter(|(n, _)| n == "link");
            let mut seen = Seen {
                url: at.to_string(),
                status: answer.status(),
                content_type: first("content-type").unwrap_or_default(),
                links: links.map(|(_, v)| v.clone()).collect(),
                validators: Validators {
                    etag: first("etag"),
                    last_modified: first("last-modified"),
                },
                body: Vec::new(),
            };
            seen.body = if seen.is_success() {
                answer.read(bytes_max).await?
            } else {
                answer.begin(BEGINNING_BYTES).await.0
            };
            return Ok(seen);
        }
        Err(FetchError::Redirects {
            host: host_of(&start),
            max: REDIRECTS_MAX,
        })
    }
}
