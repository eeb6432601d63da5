//! A tool: its path, risk, schemas and digest; and the errors its calls end with.

use crate::SourceId;
use crate::canonical::{canonical, sha256_parts};
use serde_json::Value;

/// What a call may do to the world.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Changes nothing.
    Read,
    /// Changes something.
    Write,
    /// Takes something away.
    Destructive,
    /// Nobody said.
    Unknown,
}

impl Risk {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Destructive => "destructive",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Destructive, Self::Unknown]
            .into_iter()
            .find(|r| r.as_str() == text)
    }
}

/// One tool of a catalog.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tool {
    /// `<source>.<group>.<operation>`, segments in camelCase.
    pub path: String,
    /// The source it belongs to.
    pub source_id: SourceId,
    /// One or a few sentences from its description.
    pub description: String,
    /// What a call may do.
    pub risk: Risk,
    /// JSON Schema of the arguments: an object. `$ref`s point to `#/$defs/<Name>`, kept once for
    /// the whole source.
    pub input_schema: Value,
    /// JSON Schema of the data it answers with, if its description says.
    pub output_schema: Option<Value>,
    /// How to call it; the importer of the source's kind reads and writes this.
    pub binding: Value,
    /// SHA-256 over everything above and the definitions it refers to. An approval binds to it.
    pub digest: String,
}

impl Tool {
    /// The digest of a definition.
    ///
    /// `definitions_digest` stands for the shared definitions that the schemas refer to.
    #[must_use]
    pub fn digest_of(&self, definitions_digest: &str) -> String {
        let output = self
            .output_schema
            .as_ref()
            .map(canonical)
            .unwrap_or_default();
        sha256_parts(&[
            self.path.as_bytes(),
            self.description.as_bytes(),
            self.risk.as_str().as_bytes(),
            canonical(&self.input_schema).as_bytes(),
            output.as_bytes(),
            canonical(&self.binding).as_bytes(),
            definitions_digest.as_bytes(),
        ])
    }

    /// The name of the source: the first segment of the path.
    #[must_use]
    pub fn source_name(&self) -> &str {
        self.path.split('.').next().unwrap_or(&self.path)
    }
}

/// The path as a look-up sees it: without case, `_` and `-`.
#[must_use]
pub fn fold_path(path: &str) -> String {
    path.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Why a call did not succeed: codes that programs rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ToolErrorCode {
    /// No such tool, or not one that this caller may see.
    ToolNotFound,
    /// The arguments do not fit; nothing was sent and nobody asked.
    InvalidArguments,
    /// A rule denies the call.
    DeniedByPolicy,
    /// A person denied the call.
    ApprovalDenied,
    /// Nobody answered in time.
    ApprovalExpired,
    /// The tool needs a credential and there is none.
    CredentialMissing,
    /// The upstream refused the credential.
    CredentialRejected,
    /// The credential must be granted anew by a person.
    ReauthorizationRequired,
    /// The credential lacks a scope.
    InsufficientScope,
    /// The upstream answered 4xx or 5xx.
    UpstreamError,
    /// No answer could be had from the upstream at all.
    UpstreamUnreachable,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The upstream, or Executor, asks to slow down.
    RateLimited,
    /// The answer is larger than the limit.
    ResultTooLarge,
    /// The server died between sending and recording; whether it happened is not known.
    OutcomeUnknown,
    /// The task has made as many calls as it may.
    CallLimitExceeded,
    /// A fault of Executor itself.
    Internal,
}

impl ToolErrorCode {
    const ALL: [Self; 17] = [
        Self::ToolNotFound,
        Self::InvalidArguments,
        Self::DeniedByPolicy,
        Self::ApprovalDenied,
        Self::ApprovalExpired,
        Self::CredentialMissing,
        Self::CredentialRejected,
        Self::ReauthorizationRequired,
        Self::InsufficientScope,
        Self::UpstreamError,
        Self::UpstreamUnreachable,
        Self::UpstreamTimeout,
        Self::RateLimited,
        Self::ResultTooLarge,
        Self::OutcomeUnknown,
        Self::CallLimitExceeded,
        Self::Internal,
    ];

    /// The stable code, as a program sees it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToolNotFound => "tool_not_found",
            Self::InvalidArguments => "invalid_arguments",
            Self::DeniedByPolicy => "denied_by_policy",
            Self::ApprovalDenied => "approval_denied",
            Self::ApprovalExpired => "approval_expired",
            Self::CredentialMissing => "credential_missing",
            Self::CredentialRejected => "credential_rejected",
            Self::ReauthorizationRequired => "reauthorization_required",
            Self::InsufficientScope => "insufficient_scope",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::RateLimited => "rate_limited",
            Self::ResultTooLarge => "result_too_large",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::CallLimitExceeded => "call_limit_exceeded",
            Self::Internal => "internal",
        }
    }

    /// Reads the stable code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == text)
    }

    /// Whether the same call may do better later.
    #[must_use]
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::UpstreamUnreachable | Self::UpstreamTimeout | Self::RateLimited
        )
    }

    /// Whether the call was refused by policy or a person, rather than failing.
    #[must_use]
    pub fn is_denial(self) -> bool {
        matches!(self, Self::DeniedByPolicy | Self::ApprovalDenied)
    }
}

impl serde::Serialize for ToolErrorCode {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for ToolErrorCode {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("unknown tool error code"))
    }
}

/// What a program catches when a call does not succeed.
#[derive(Debug, Clone, PartialEq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{message}")]
pub struct ToolError {
    /// The stable code.
    pub code: ToolErrorCode,
    /// What was wrong, where, and what to do.
    pub message: String,
    /// The tool that was called.
    pub tool: String,
    /// The upstream's HTTP status, where it answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// What else is known: wrong keys, suggestions, the upstream's body.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub details: Option<Value>,
    /// Whether the same call may do better later.
    pub retryable: bool,
}

impl ToolError {
    /// An error of a code about a tool.
    #[must_use]
    pub fn new(code: ToolErrorCode, tool: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            tool: tool.to_owned(),
            status: None,
            details: None,
            retryable: code.retryable(),
        }
    }

    /// With what else is known.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// With the upstream's status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back() {
        for code in ToolErrorCode::ALL {
            assert_eq!(ToolErrorCode::parse(code.as_str()), Some(code));
        }
    }

    #[test]
    fn look_up_ignores_case_and_separators() {
        assert_eq!(
            fold_path("GitHub.list_for-Repo"),
            fold_path("github.listForRepo")
        );
        assert_ne!(fold_path("a.bc"), fold_path("ab.c"));
    }
}
