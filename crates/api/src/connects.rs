//! Connects: ways of a person to a credential that a source's authorization server grants.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A connect to begin. Mostly nothing has to be said: the source's description, or its server, says
/// who grants tokens. What an administrator gives is kept for the source.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewConnect {
    /// Whom it will serve: `personal`, `workspace` (the default) or `organization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Tells apart several accounts at one source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `browser` (the default), `device` or `client-credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// What to ask for; what the source says by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The authorization server, where it is not found by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Where a person agrees, where the server does not describe itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_url: Option<String>,
    /// Where tokens are given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// Where a device asks for a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_url: Option<String>,
    /// The client that was made there, where one has to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Its secret, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Password)]
    pub client_secret: Option<String>,
    /// Origins on private networks that may be reached for this, such as `http://127.0.0.1:8080`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_private: Vec<String>,
}

/// A way to a credential.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connect {
    /// `conn_…`
    pub id: String,
    /// The name of the source.
    pub source: String,
    /// `pending`, `connected`, `failed` or `expired`.
    pub status: String,
    /// `browser`, `device` or `client-credentials`.
    pub flow: String,
    /// `personal`, `workspace` or `organization`.
    pub scope: String,
    /// Tells apart several accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The host that is asked.
    pub host: String,
    /// What it is asked for.
    pub scopes: Vec<String>,
    /// Those of them that the credential so far does not have.
    pub wider: Vec<String>,
    /// The page on which the person goes on, in a browser that is signed in.
    pub url: String,
    /// What to enter where, for a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceCode>,
    /// The credential, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Why it came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// When it was begun.
    pub created_at: String,
    /// Until when a person can agree.
    pub expires_at: String,
}

/// What a person enters on any device.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceCode {
    /// The code.
    pub user_code: String,
    /// Where to enter it.
    pub verification_uri: String,
    /// The same with the code in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification_uri_complete: Option<String>,
}
