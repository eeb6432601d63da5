//! Credentials, without their values: a value goes in and never comes out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A credential to set.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCredential {
    /// The source it opens: its name or identifier.
    pub source: String,
    /// The token, the key, or `user:password` for basic; of several together one a line.
    #[schema(format = Password)]
    pub value: String,
    /// `personal`, `workspace` (the default) or `organization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// How it is attached, where the source does not say or says several:
    /// `bearer`, `basic`, `header:NAME`, `query:NAME` or `cookie:NAME`; several that are sent
    /// together are separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
}

/// A new value for a credential.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialRotation {
    /// The new value.
    #[schema(format = Password)]
    pub value: String,
}

/// A credential without its value.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// `cred_…`
    pub id: String,
    /// The name of the source it opens.
    pub source: String,
    /// `personal`, `workspace` or `organization`.
    pub scope: String,
    /// How it is attached: `bearer`, `basic`, `header:NAME`, `query:NAME` or `cookie:NAME`, or
    /// several of them, separated by commas.
    pub auth: String,
    /// Rises with each rotation.
    pub version: u32,
    /// When it was first set.
    pub created_at: String,
    /// When its value last changed.
    pub rotated_at: String,
    /// When a call last used it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
}

/// What a test of a credential found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialTest {
    /// Whether the source let it in; null where it offers nothing harmless to try.
    pub accepted: Option<bool>,
    /// The tool that was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What came back, in a sentence.
    pub message: String,
}
