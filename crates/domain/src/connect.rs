//! A connect: a person's way to a credential that a source's authorization server grants.
//!
//! It is begun here, agreed to elsewhere and ends here, once. What is sealed of it meanwhile is
//! [`crate::oauth::Pending`].

use crate::credential::CredentialScope;
use crate::oauth::Flow;
use crate::{AccountId, ConnectId, CredentialId, SourceId, Timestamp};

/// How long a person has to agree.
pub const CONNECT_MS: i64 = 15 * 60_000;

/// How long it is kept after that, to be looked at.
pub const CONNECT_KEPT_MS: i64 = 24 * 3_600_000;

/// Longest label of an account.
pub const LABEL_CHARS_MAX: usize = 64;

/// What a person is shown before agreeing.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Asked {
    /// The host that the person is sent to.
    pub host: String,
    /// What it is asked for.
    pub scopes: Vec<String>,
    /// Those of them that an earlier credential did not have.
    pub wider: Vec<String>,
    /// What to enter where, for a device.
    pub device: Option<DeviceCode>,
}

/// What a person enters on any device (RFC 8628).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceCode {
    /// The code to enter.
    pub user_code: String,
    /// Where to enter it.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: Option<String>,
}

/// Where a connect stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectStatus {
    /// A person has not agreed yet.
    Pending,
    /// There is a credential now.
    Connected(CredentialId),
    /// It came to nothing; why, in a sentence.
    Failed(String),
}

/// A way to a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Its identifier.
    pub id: ConnectId,
    /// The source that is to be opened.
    pub source_id: SourceId,
    /// Who began it: nobody else ends it.
    pub account_id: AccountId,
    /// Whom the credential will serve.
    pub scope: CredentialScope,
    /// Tells apart several accounts; empty for the only one.
    pub label: String,
    /// How.
    pub flow: Flow,
    /// What the person is shown.
    pub asked: Asked,
    /// Where it stands.
    pub status: ConnectStatus,
    /// SHA-256 of what the browser holds that was sent away.
    pub browser_sha256: Option<String>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Until when a person can agree.
    pub expires_at: Timestamp,
}

impl Connect {
    /// Where it stands, as people see it: `pending`, `connected`, `failed` or `expired`.
    #[must_use]
    pub fn shown_status(&self, now: Timestamp) -> &'static str {
        match self.status {
            ConnectStatus::Pending if now >= self.expires_at => "expired",
            ConnectStatus::Pending => "pending",
            ConnectStatus::Connected(_) => "connected",
            ConnectStatus::Failed(_) => "failed",
        }
    }
}
