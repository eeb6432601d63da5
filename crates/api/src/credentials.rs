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
    /// Tells apart several accounts at one source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
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
    /// Who set it: `acct_…`; of a personal one the person whom it serves.
    pub set_by: String,
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
    /// The task of a call that used it about then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_by: Option<String>,
    /// Tells apart several accounts at one source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `set` for a value that somebody entered; `connected`, `expiring`, `reauthorization_required`
    /// or `error` for one that an authorization server granted.
    pub state: String,
    /// Why it is not simply connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is known of one that an authorization server granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
}

/// What is known of a credential that an authorization server granted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Who granted it.
    pub issuer: String,
    /// `browser`, `device` or `client-credentials`.
    pub flow: String,
    /// Whose account it is, where the server says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What it is good for; empty where the server does not say.
    pub scopes: Vec<String>,
    /// What the source has asked for since.
    pub wanted: Vec<String>,
    /// Whether it renews itself.
    pub renewable: bool,
    /// When the present token ceases to work, where the server says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The page on which a person connects it anew.
    pub connect_url: String,
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

/// The order in which a source looks for a credential.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialOrder {
    /// `personal`, `workspace`, `organization`: the first that has a credential opens the source.
    /// What is left out is not looked in.
    pub order: Vec<String>,
}
