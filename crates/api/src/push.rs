//! Web Push: a person's own browsers, which are told of approvals while they are closed.

use crate::webhooks::WebhookAttempt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a browser is given when it subscribes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushKey {
    /// The public key of this installation, for `applicationServerKey`: an uncompressed point of P-256
    /// in base64url.
    pub public_key: String,
}

/// The keys of a browser's subscription, as `PushSubscription.toJSON()` gives them.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PushKeys {
    /// The browser's public key: an uncompressed point of P-256 in base64url.
    pub p256dh: String,
    /// 16 bytes in base64url.
    #[schema(format = Password)]
    pub auth: String,
}

/// A browser to add, or to bring up to date where it was added before.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPushSubscription {
    /// Where the browser's push service takes messages for it: a public `https://` address. It is kept
    /// sealed and never shown again.
    pub endpoint: String,
    /// What messages are sealed for.
    pub keys: PushKeys,
    /// What you call the browser, at most 80 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Hours in which it is told nothing, such as `22:00-07:00+02:00`, or `none`; what waited then comes
    /// as one message when they end. As before if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<String>,
}

/// What to change about a browser; what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushSubscriptionChange {
    /// What you call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Hours in which it is told nothing, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<String>,
}

/// One of your browsers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSubscription {
    /// `push_…`
    pub id: String,
    /// What you call it.
    pub name: String,
    /// The host of its push service.
    pub service: String,
    /// Hours in which it is told nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<String>,
    /// `untried`, `ok` or `failing`.
    pub status: String,
    /// Failures since its push service last took something.
    pub failures: u32,
    /// When its push service last took something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_taken_at: Option<String>,
    /// The last try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<WebhookAttempt>,
    /// When it was added.
    pub created_at: String,
}

/// What came of a test.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushTest {
    /// `delivered`, when the push service took it, or `failed`. A browser that is gone for good is
    /// removed.
    pub status: String,
    /// The try.
    pub attempt: WebhookAttempt,
}
