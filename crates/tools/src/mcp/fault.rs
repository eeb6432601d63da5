//! Whatever can go wrong between us and an MCP server, and how a person is told.

use super::wire::RpcError;
use crate::error::FetchError;
use crate::mcp::limits::MESSAGE_BYTES_MAX;
use tokio::time::Instant;

/// The error by which a server refuses a revision.
const UNSUPPORTED_VERSION: i64 = -32022;

/// Why an MCP server could not be reached, or what it offers could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct McpError {
    /// What was tried and what came back.
    pub message: String,
    /// Whether the server wants a credential, or refused the one that it was given.
    pub wants_credential: bool,
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// No complete answer.
    Fetch(FetchError),
    /// An answer other than 2xx.
    Refused(Refused),
    /// The server does not know the session any more; nothing was done.
    SessionLost,
    /// An error as the answer.
    Rpc(RpcError),
    /// The process or the stream ended before the answer.
    Ended(String),
    /// The command could not be started.
    Start(String),
    /// No answer in time.
    Late { limit_ms: u64 },
    /// What came is not the protocol.
    Broken(String),
    /// An answer larger than the limit.
    TooLarge { max: u64 },
    /// It failed a moment ago and is left alone for a while.
    Resting { last: String, seconds: u64 },
    /// As many sessions as may be are in use.
    Full(usize),
}

/// An answer other than 2xx, as far as it was read.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) complete: bool,
}

impl From<FetchError> for Fault {
    fn from(error: FetchError) -> Self {
        if let FetchError::TooLarge { max, .. } = error {
            return Self::TooLarge { max };
        }
        Self::Fetch(error)
    }
}

impl Fault {
    /// Whether a credential is what is missing.
    pub(super) fn wants_credential(&self) -> bool {
        matches!(self, Self::Refused(refused) if refused.status == 401)
    }

    /// A server of another era, or none at all, as far as its answer to a greeting tells.
    pub(super) fn is_foreign(&self) -> bool {
        match self {
            Self::Rpc(_) | Self::Broken(_) | Self::SessionLost => true,
            Self::Refused(refused) => {
                (400..500).contains(&refused.status) && !matches!(refused.status, 401 | 403 | 429)
            }
            Self::Fetch(_)
            | Self::Ended(_)
            | Self::Start(_)
            | Self::Late { .. }
            | Self::TooLarge { .. }
            | Self::Resting { .. }
            | Self::Full(_) => false,
        }
    }

    /// Whether a server refuses the revision that a message was in and would take another.
    pub(super) fn offers(&self, version: &str) -> bool {
        let Self::Rpc(RpcError {
            code: UNSUPPORTED_VERSION,
            data: Some(data),
            ..
        }) = self
        else {
            return false;
        };
        let offered = data.get("supported").and_then(|s| s.as_array());
        offered.is_some_and(|all| all.iter().any(|one| one == version))
    }

    /// Whether the connection is of no more use.
    pub(super) fn is_fatal(&self) -> bool {
        match self {
            Self::Ended(_) | Self::SessionLost | Self::Start(_) => true,
            Self::Fetch(_)
            | Self::Refused(_)
            | Self::Rpc(_)
            | Self::Late { .. }
            | Self::Broken(_)
            | Self::TooLarge { .. }
            | Self::Resting { .. }
            | Self::Full(_) => false,
        }
    }

    /// The sentence that a person reads, without the name of the source.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Fetch(error) => error.to_string(),
            Self::Refused(refused) => {
                let said = super::wire::refusal(&refused.body).map(|e| e.message);
                let said = said
                    .map(|m| format!(": {}", shortened(&m)))
                    .unwrap_or_default();
                match refused.status {
                    401 => format!("it wants a credential (401){said}"),
                    status => format!("it answered {status}{said}"),
                }
            }
            Self::SessionLost => "it does not know the session any more".to_owned(),
            Self::Rpc(error) => {
                format!(
                    "it answered with error {}: {}",
                    error.code,
                    shortened(&error.message)
                )
            }
            Self::Ended(why) | Self::Start(why) | Self::Broken(why) => why.clone(),
            Self::Late { limit_ms } => format!("it did not answer within {limit_ms} ms"),
            Self::TooLarge { max } => format!("its answer is larger than {max} bytes"),
            Self::Resting { last, seconds } => {
                format!("it failed ({last}) and is tried again in {seconds} s")
            }
            Self::Full(max) => format!("all {max} sessions with MCP servers are in use; try again"),
        }
    }

    /// No answer until a deadline that began to run at a moment.
    pub(super) fn late(begun: Instant, deadline: Instant) -> Self {
        let limit = deadline.saturating_duration_since(begun);
        Self::Late {
            limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn too_large() -> Self {
        Self::TooLarge {
            max: MESSAGE_BYTES_MAX as u64,
        }
    }
}

impl From<Fault> for McpError {
    fn from(fault: Fault) -> Self {
        Self {
            message: fault.sentence(),
            wants_credential: fault.wants_credential(),
        }
    }
}

/// A text of somebody else's, on one line and not too long.
pub(super) fn shortened(text: &str) -> String {
    let (text, _) = crate::openapi::lent::visible_text(text);
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
