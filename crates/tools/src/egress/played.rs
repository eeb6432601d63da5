//! An upstream that is played inside this process, for the simulation: what the client would have
//! put on the wire is given to a function, and what that says is read like any answer.

use super::Outgoing;
use crate::error::FetchError;
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// A request as it would have gone on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayedRequest {
    /// The method.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// Names in lower case, with values; credentials included.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
}

/// What the upstream answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlayedAnswer {
    /// JSON with a status.
    Json(u16, String),
    /// The connection ends without an answer.
    Silence,
    /// Nobody listens: the request was never received.
    Unreachable,
}

/// Answers requests in place of the network.
pub type Played = Arc<dyn Fn(PlayedRequest) -> BoxFuture<'static, PlayedAnswer> + Send + Sync>;

pub(super) async fn carry(
    played: &Played,
    outgoing: Outgoing,
    host: &str,
) -> Result<reqwest::Response, FetchError> {
    let host = host.to_owned();
    let request = PlayedRequest {
        method: outgoing.method,
        url: outgoing.url.into(),
        headers: outgoing.headers,
        body: outgoing.body,
    };
    let (status, body) = match played(request).await {
        PlayedAnswer::Json(status, body) => (status, body),
        PlayedAnswer::Silence => return Err(FetchError::NoAnswer { host }),
        PlayedAnswer::Unreachable => {
            let problem = "connection refused".to_owned();
            return Err(FetchError::Connect { host, problem });
        }
    };
    let answer = http::Response::builder()
        .status(status)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body);
    answer
        .map(reqwest::Response::from)
        .map_err(|problem| FetchError::Malformed {
            host,
            problem: problem.to_string(),
        })
}
