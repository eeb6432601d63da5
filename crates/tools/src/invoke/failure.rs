//! Every way in which a call can fail upstream, as a distinguishable error.
//!
//! Each says what happened and what to do. `details.reason` tells apart what shares a code. A
//! call that may have had its effect is never called retryable.

use crate::answer;
use crate::egress::Arriving;
use crate::error::FetchError;
use crate::masking::Masks;
use crate::oauth::{is_insufficient_scope, scope_of};
use domain::source::{Source, SourceKind};
use domain::tool::{Tool, ToolError, ToolErrorCode};
use serde_json::{Map, Value, json};

/// How much of an error's body is read to see how large it is.
pub(crate) const BODY_BYTES_READ: usize = 64 << 10;

/// How much of an error's body is shown.
const BODY_BYTES_SHOWN: usize = 4 << 10;

/// How much of it stands in the message.
const SNIPPET_CHARS: usize = 200;

/// Makes the errors of one call.
pub(crate) struct Failures<'a> {
    pub(crate) tool: &'a Tool,
    pub(crate) source: &'a Source,
    pub(crate) method: &'a str,
    /// Whether it only reads, whatever its method.
    pub(crate) reads: bool,
}

impl Failures<'_> {
    pub(crate) fn error(&self, code: ToolErrorCode, text: impl std::fmt::Display) -> ToolError {
        ToolError::new(code, &self.tool.path, format!("{}: {text}", self.tool.path))
    }

    /// Whether sending again cannot do a thing twice.
    pub(crate) fn is_safe(&self) -> bool {
        self.reads || matches!(self.method, "GET" | "HEAD" | "OPTIONS")
    }

    /// No complete answer.
    pub(crate) fn unanswered(&self, error: &FetchError) -> ToolError {
        use ToolErrorCode::{Internal, ResultTooLarge, UpstreamTimeout, UpstreamUnreachable};
        // What failed before anything was sent can be tried again by anybody.
        let (code, reason, retryable) = match error {
            FetchError::Refused => (UpstreamUnreachable, "refused", false),
            FetchError::Name { .. } => (UpstreamUnreachable, "dns", true),
            FetchError::Connect { .. } => (UpstreamUnreachable, "connect", true),
            FetchError::Tls { .. } => (UpstreamUnreachable, "tls", false),
            FetchError::Timeout {
                phase: "connect", ..
            } => (UpstreamTimeout, "connect", true),
            FetchError::Timeout { .. } => (UpstreamTimeout, "answer", self.is_safe()),
            FetchError::NoAnswer { .. } => (UpstreamUnreachable, "no_answer", self.is_safe()),
            FetchError::BrokeOff { .. } => (UpstreamUnreachable, "broke_off", self.is_safe()),
            FetchError::TooLarge { .. } => (ResultTooLarge, "too_large", false),
            FetchError::BadUrl { .. }
            | FetchError::Status { .. }
            | FetchError::Redirects { .. }
            | FetchError::Malformed { .. } => (Internal, "malformed", false),
        };
        let hint = match reason {
            "too_large" => {
                "; ask for less (a page, a filter) or raise the limit `tool_result_bytes`"
            }
            "answer" | "no_answer" | "broke_off" if !self.is_safe() => {
                "; the call may have taken effect, so look before calling again"
            }
            _ => "",
        };
        let mut made = self
            .error(code, format_args!("{error}{hint}"))
            .with_details(json!({ "reason": reason }));
        made.retryable = retryable;
        made
    }

    pub(crate) fn redirects(&self) -> ToolError {
        self.error(ToolErrorCode::UpstreamError, "it redirects in circles")
            .with_details(json!({ "reason": "redirects" }))
    }

    /// A 2xx answer that cannot be read.
    pub(crate) fn broken(&self, status: u16, problem: &str) -> ToolError {
        self.error(ToolErrorCode::UpstreamError, problem)
            .with_status(status)
            .with_details(json!({ "reason": "broken_answer" }))
    }

    /// An answer other than 2xx.
    pub(crate) async fn status(
        &self,
        arriving: Arriving,
        attached: bool,
        masks: &Masks,
    ) -> ToolError {
        let status = arriving.status();
        let headers = answer::worth_reading(arriving.headers());
        let (body, complete) = arriving.begin(BODY_BYTES_READ).await;
        let body = shown(&headers, &body, complete, masks);
        self.refused(status, headers, body, attached)
    }

    /// An answer other than 2xx whose body is as shown.
    pub(crate) fn refused(
        &self,
        status: u16,
        headers: Vec<(String, String)>,
        body: Value,
        attached: bool,
    ) -> ToolError {
        let challenge = answer::header(&headers, "www-authenticate").unwrap_or_default();
        let scopes = scope_of(challenge);
        let retry_after = answer::header(&headers, "retry-after").map(seconds);
        let snippet = snippet(&body);
        let source = &self.source.name;
        let (code, text) = match status {
            401 if attached => (
                ToolErrorCode::CredentialRejected,
                format!(
                    "the credential of `{source}` was refused (401); set it anew with `executor credentials set {source}`{snippet}"
                ),
            ),
            // A GraphQL schema does not say how it lets callers in.
            401 if !self.source.auth.is_empty() || self.source.kind == SourceKind::GraphQl => (
                ToolErrorCode::CredentialMissing,
                format!(
                    "`{source}` wants a credential (401); set one with `executor credentials set {source}`, or let it be granted with `executor credentials connect {source}`{snippet}"
                ),
            ),
            403 if is_insufficient_scope(challenge) => (
                ToolErrorCode::InsufficientScope,
                match scopes.as_slice() {
                    [] => format!("the credential of `{source}` lacks a scope (403): {challenge}"),
                    scopes => format!(
                        "the credential of `{source}` lacks a scope (403); it wants {}",
                        scopes.join(" ")
                    ),
                },
            ),
            429 => (
                ToolErrorCode::RateLimited,
                format!("the upstream asks to slow down (429){snippet}"),
            ),
            300..=399 => (
                ToolErrorCode::UpstreamError,
                format!("answered {status}, a redirect to another place, which is not followed"),
            ),
            _ => (
                ToolErrorCode::UpstreamError,
                format!("answered {status}{snippet}"),
            ),
        };
        let mut details = Map::new();
        details.insert("body".to_owned(), body);
        details.insert(
            "headers".to_owned(),
            headers
                .into_iter()
                .map(|(n, v)| (n, Value::String(v)))
                .collect(),
        );
        if code == ToolErrorCode::InsufficientScope && !scopes.is_empty() {
            details.insert("scopes".to_owned(), scopes.into());
        }
        details.extend(retry_after.map(|v| ("retryAfter".to_owned(), v)));
        let mut error = self
            .error(code, text)
            .with_status(status)
            .with_details(Value::Object(details));
        // A refusal to serve now: 429 did nothing, 502 to 504 may have.
        error.retryable = status == 429 || (matches!(status, 502..=504) && self.is_safe());
        error
    }
}

/// `Retry-After`: seconds as a number, a date as it stands.
fn seconds(text: &str) -> Value {
    text.trim()
        .parse::<u64>()
        .map_or_else(|_| Value::String(text.to_owned()), Value::from)
}

/// An error's body: data where it is small, else its beginning with a mark.
pub(crate) fn shown(
    headers: &[(String, String)],
    body: &[u8],
    complete: bool,
    masks: &Masks,
) -> Value {
    // Before the cut: half a secret would not be found any more.
    let text = || String::from_utf8_lossy(&masks.bytes(body)).into_owned();
    if complete && body.len() <= BODY_BYTES_SHOWN {
        return answer::decode(headers, body, "", masks).unwrap_or_else(|_| text().into());
    }
    let mut kept = text();
    let end = (0..=BODY_BYTES_SHOWN.min(kept.len()))
        .rev()
        .find(|i| kept.is_char_boundary(*i));
    kept.truncate(end.unwrap_or(0));
    let more = if complete { "" } else { "more than " };
    format!(
        "{kept}… [cut here: the body has {more}{} bytes]",
        body.len()
    )
    .into()
}

/// What an error says in the fields that APIs commonly say it in.
fn own_sentence(body: &Value) -> Option<&str> {
    const KEYS: [&str; 5] = ["message", "detail", "error_description", "error", "title"];
    let listed = || body.pointer("/errors/0/message")?.as_str();
    KEYS.iter()
        .find_map(|key| {
            let found = body.get(*key)?;
            found.as_str().or_else(|| found.get("message")?.as_str())
        })
        .or_else(listed)
}

/// The beginning of the body for the message: an error's own sentence, if it has one.
fn snippet(body: &Value) -> String {
    let text = match body {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            own_sentence(body).map_or_else(|| body.to_string(), str::to_owned)
        }
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SNIPPET_CHARS) {
        Some((end, _)) => format!(": {}…", &text[..end]),
        None => format!(": {text}"),
    }
}
