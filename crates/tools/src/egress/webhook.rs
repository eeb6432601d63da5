//! What a webhook is sent: one POST, no redirects, a short time, and of the answer only its status
//! and the beginning of its text.
//!
//! A receiver is no more trusted than any other address: it may redirect inward, never end, or quote
//! what it was sent. None of that reaches further than the bounds here.

use super::{Egress, Outgoing, Reach, judge, parse};
use crate::error::FetchError;
use crate::invoke::Attachment;
use crate::masking::Masks;
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// Milliseconds for a receiver to answer, connecting included.
const ANSWER_MS: u64 = 10_000;
/// Milliseconds to wait for the beginning of its text, once it has answered.
const TEXT_MS: u64 = 2_000;
/// Bytes of its text that are read.
const TEXT_BYTES_MAX: usize = 512;

/// How a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The HTTP status. A redirect is a status like any other: it is not followed.
    pub status: u16,
    /// Seconds after which it wants to be asked again, where it says so in seconds.
    pub retry_after_s: Option<u32>,
    /// The beginning of its text in one line, with the secrets masked.
    pub text: String,
}

impl Egress {
    /// Whether a webhook may have this address, as far as that shows without asking for its name: the
    /// address itself is judged again each time it is dialed.
    ///
    /// # Errors
    /// [`FetchError::BadUrl`], [`FetchError::Refused`].
    pub fn check_webhook(&self, url: &str, allow_private: bool) -> Result<(), FetchError> {
        let url = webhook_url(url, allow_private)?;
        judge(&url, &reach(&url, allow_private)).map(|_| ())
    }

    /// Sends JSON to a webhook once. `secrets` are masked in what comes back.
    ///
    /// # Errors
    /// [`FetchError`], where there was no answer.
    pub fn post_webhook(
        &self,
        url: &str,
        allow_private: bool,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        secrets: Vec<Attachment>,
    ) -> BoxFuture<'static, Result<Taken, FetchError>> {
        let (egress, url) = (self.clone(), webhook_url(url, allow_private));
        Box::pin(async move {
            let url = url?;
            let reach = reach(&url, allow_private);
            let deadline = Instant::now() + Duration::from_millis(ANSWER_MS);
            let outgoing = Outgoing {
                method: "POST".to_owned(),
                url,
                headers,
                body: Some(body),
            };
            let answer = match egress.send(outgoing, &reach, deadline).await {
                Err(FetchError::Timeout { host, .. }) => {
                    return Err(FetchError::Timeout {
                        host,
                        phase: "answer",
                        limit_ms: ANSWER_MS,
                    });
                }
                other => other?,
            };
            let status = answer.status();
            let retry_after_s = answer
                .headers()
                .iter()
                .find(|(name, _)| name == "retry-after")
                .and_then(|(_, value)| value.trim().parse().ok());
            let limit = Duration::from_millis(TEXT_MS);
            let (begun, _) = tokio::time::timeout(limit, answer.begin(TEXT_BYTES_MAX))
                .await
                .unwrap_or_default();
            Ok(Taken {
                status,
                retry_after_s,
                text: one_line(&Masks::new(&secrets).text(&String::from_utf8_lossy(&begun))),
            })
        })
    }
}

fn webhook_url(text: &str, allow_private: bool) -> Result<Url, FetchError> {
    let url = parse(text)?;
    if url.scheme() != "https" && !allow_private {
        return Err(FetchError::BadUrl {
            url: super::host_of(&url),
            problem:
                "a webhook's address begins with https://; plain http is for private addresses \
                      that an administrator allows"
                    .to_owned(),
        });
    }
    Ok(url)
}

fn reach(url: &Url, allow_private: bool) -> Reach {
    if allow_private {
        Reach::also(url)
    } else {
        Reach::public()
    }
}

fn one_line(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let line: String = visible.collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EgressConfig;

    #[test]
    fn addresses_of_webhooks() {
        let egress = Egress::new(EgressConfig::default());
        for (url, allow_private, fits) in [
            ("https://hooks.example/a?b=c", false, true),
            ("http://hooks.example/", false, false),
            ("http://hooks.example/", true, true),
            ("https://127.0.0.1/", false, false),
            ("https://[::1]/", false, false),
            ("https://localhost/", false, false),
            ("https://10.1.2.3/", false, false),
            ("http://127.0.0.1:9/", true, true),
            ("https://169.254.169.254/latest", false, false),
            ("http://169.254.169.254/latest", true, false),
            ("https://0x7f.1/", false, false),
            ("ftp://hooks.example/", true, false),
            ("https://me:pw@hooks.example/", true, false),
            ("hooks.example", true, false),
        ] {
            assert_eq!(
                egress.check_webhook(url, allow_private).is_ok(),
                fits,
                "{url} {allow_private}"
            );
        }
    }

    #[test]
    fn what_comes_back_is_one_line() {
        assert_eq!(one_line("a\r\n\tb\u{1b}[31m  c\0"), "a b [31m c");
    }
}
