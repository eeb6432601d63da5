//! An answer while it arrives: bounded in time, silence and decompressed size.

use super::EgressConfig;
use crate::error::FetchError;
use std::time::Duration;
use tokio::time::Instant;

/// An answer whose head is here and whose body may not be.
pub(crate) struct Arriving {
    response: reqwest::Response,
    host: String,
    deadline: Instant,
    config: EgressConfig,
}

impl Arriving {
    pub(super) fn new(
        response: reqwest::Response,
        host: String,
        deadline: Instant,
        config: EgressConfig,
    ) -> Self {
        Self {
            response,
            host,
            deadline,
            config,
        }
    }

    /// The whole of it may take until then.
    pub(crate) fn allow_until(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Headers in their order; bytes that are no UTF-8 are replaced.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let text =
            |v: &reqwest::header::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
        self.response
            .headers()
            .iter()
            .map(|(n, v)| (n.as_str().to_owned(), text(v)))
            .collect()
    }

    /// Where the answer redirects to, if it does.
    pub(crate) fn redirect(&self) -> Option<String> {
        let is_redirect = matches!(self.status(), 301 | 302 | 303 | 307 | 308);
        let location = self.response.headers().get(reqwest::header::LOCATION)?;
        is_redirect.then(|| String::from_utf8_lossy(location.as_bytes()).into_owned())
    }

    /// The whole body.
    pub(crate) async fn read(mut self, bytes_max: u64) -> Result<Vec<u8>, FetchError> {
        let declared = self.response.content_length().unwrap_or(0);
        let mut body = Vec::with_capacity(declared.min(bytes_max).min(1 << 20) as usize);
        while let Some(chunk) = self.chunk(body.len()).await? {
            if body.len() as u64 + chunk.len() as u64 > bytes_max {
                return Err(FetchError::TooLarge {
                    host: self.host,
                    max: bytes_max,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The beginning of the body, and whether that is all of it. What breaks off counts as its end.
    pub(crate) async fn begin(mut self, bytes_max: usize) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = self.chunk(body.len()).await {
            let room = bytes_max - body.len();
            if chunk.len() > room {
                body.extend_from_slice(&chunk[..room]);
                return (body, false);
            }
            body.extend_from_slice(&chunk);
        }
        (body, true)
    }

    async fn chunk(&mut self, so_far: usize) -> Result<Option<bytes::Bytes>, FetchError> {
        let idle = Duration::from_millis(self.config.idle_ms);
        self.next(so_far, idle).await
    }

    /// The next bytes of a stream that may be silent for as long as `idle`.
    pub(crate) async fn next(
        &mut self,
        so_far: usize,
        idle: Duration,
    ) -> Result<Option<bytes::Bytes>, FetchError> {
        let within = (Instant::now() + idle).min(self.deadline);
        let host = || self.host.clone();
        match tokio::time::timeout_at(within, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(_)) => Err(FetchError::BrokeOff {
                host: host(),
                bytes: so_far as u64,
            }),
            Err(_) if within == self.deadline => Err(FetchError::Timeout {
                host: host(),
                phase: "finish its answer",
                limit_ms: self.config.total_ms,
            }),
            Err(_) => Err(FetchError::Timeout {
                host: host(),
                phase: "go on with its answer",
                limit_ms: u64::try_from(idle.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }
}
