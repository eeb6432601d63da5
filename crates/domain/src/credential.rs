//! Secrets and what surrounds them.
//!
//! A [`Secret`] can be neither printed nor serialized, and is overwritten when dropped. A
//! [`Sealed`] is what the database holds: it opens only with the key and the row's own identity.

use crate::oauth::Connection;
use crate::source::AuthScheme;
use crate::{AccountId, CredentialId, SourceId, TaskId, Timestamp};
use zeroize::Zeroizing;

/// A value that must not be seen. No `Debug`, no `Display`, no `Serialize`.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a value in.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Gives the value out, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A ciphertext as stored: text in a form that only the vault reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(pub String);

/// Who a credential serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialScope {
    /// The person who set it.
    Personal,
    /// Everybody in the workspace.
    Workspace,
    /// Everybody in the organization.
    Organization,
}

impl CredentialScope {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Workspace => "workspace",
            Self::Organization => "organization",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Personal, Self::Workspace, Self::Organization]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// A stored credential without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its identifier.
    pub id: CredentialId,
    /// The source it opens.
    pub source_id: SourceId,
    /// Who it serves.
    pub scope: CredentialScope,
    /// The person it serves, or who set it.
    pub account_id: AccountId,
    /// Tells apart several accounts at one source; empty for the only one.
    pub label: String,
    /// How it is attached to a request.
    pub scheme: AuthScheme,
    /// Rises with each rotation; part of what the ciphertext is bound to.
    pub version: u32,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When its value last changed.
    pub rotated_at: Timestamp,
    /// When a call last used it.
    pub last_used_at: Option<Timestamp>,
    /// The task of a call that used it lately; none where none did.
    pub last_used_by: Option<TaskId>,
    /// How it stands with the authorization server that granted it; none for a value that a person
    /// entered.
    pub connection: Option<Connection>,
}

impl Credential {
    /// What its ciphertext is bound to: moved to another row, it does not open.
    #[must_use]
    pub fn binding(
        &self,
        organization_id: &crate::OrganizationId,
        workspace_id: &crate::WorkspaceId,
    ) -> String {
        format!(
            "{organization_id}/{workspace_id}/{}/{}/{}",
            self.source_id, self.id, self.version
        )
    }
}
