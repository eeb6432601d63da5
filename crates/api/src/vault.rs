//! The keys that protect credentials: how they stand, and changing them. Never a key.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the keys stand.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultStatus {
    /// What the master key is called: digits of a digest, from which nothing follows.
    pub master_key: String,
    /// Whether servers are still to take a new master key over.
    pub handing_over: bool,
    /// The organization's data key; null before anything was sealed.
    pub data_key: Option<DataKey>,
}

/// The data key that seals an organization's values.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataKey {
    /// From 1; rises with each rotation.
    pub version: u32,
    /// When it was made.
    pub created_at: String,
    /// Whether values that an older one sealed are still to be sealed anew.
    pub resealing: bool,
}

/// A new master key.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MasterKeyRotation {
    /// 32 bytes in base64, as `openssl rand -base64 32` prints.
    pub key: String,
}
