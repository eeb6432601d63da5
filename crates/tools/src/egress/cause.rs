//! What an error of the HTTP library means to us.

use crate::error::FetchError;
use std::error::Error as StdError;
use std::io::ErrorKind as Kind;

/// The target is not one that may be reached. Carries nothing: see [`FetchError::Refused`].
#[derive(Debug, thiserror::Error)]
#[error("refused")]
pub(super) struct Refused;

/// The name has no address.
#[derive(Debug, thiserror::Error)]
#[error("no such name")]
pub(super) struct NoName;

/// What an error of the HTTP library means. Its text is never used: it may hold the address
/// with a key in the query.
pub(super) fn of(
    error: &reqwest::Error,
    host: String,
    secure: bool,
    connect_ms: u64,
) -> FetchError {
    let mut io: Option<&std::io::Error> = None;
    let mut at: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = at {
        if cause.is::<Refused>() {
            return FetchError::Refused;
        }
        if cause.is::<NoName>() {
            return FetchError::Name { host };
        }
        io = io.or_else(|| cause.downcast_ref());
        at = cause.source();
    }
    if !error.is_connect() {
        return if error.is_builder() {
            FetchError::Malformed {
                host,
                problem: "a header or the address is malformed".to_owned(),
            }
        } else {
            FetchError::NoAnswer { host }
        };
    }
    if error.is_timeout() {
        return FetchError::Timeout {
            host,
            phase: "connect",
            limit_ms: connect_ms,
        };
    }
    let network = io.is_some_and(|e| {
        matches!(
            e.kind(),
            Kind::ConnectionRefused
                | Kind::HostUnreachable
                | Kind::NetworkUnreachable
                | Kind::AddrNotAvailable
        )
    });
    if secure && !network {
        let problem = io.map_or_else(|| "the handshake failed".to_owned(), innermost);
        return FetchError::Tls { host, problem };
    }
    let problem = match io.map(std::io::Error::kind) {
        Some(Kind::ConnectionRefused) => "connection refused",
        Some(Kind::HostUnreachable | Kind::NetworkUnreachable) => "the network does not reach it",
        Some(Kind::ConnectionReset) => "connection reset",
        _ => "the connection failed",
    };
    FetchError::Connect {
        host,
        problem: problem.to_owned(),
    }
}

fn innermost(error: &std::io::Error) -> String {
    error
        .get_ref()
        .map_or_else(|| error.kind().to_string(), ToString::to_string)
}
