//! Webhooks: addresses that are told of approvals. A secret is shown once, when it is made.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A webhook to add.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewWebhook {
    /// Where it is told: an `https://` address that is public.
    pub url: String,
    /// What it is told: `approval.pending`, `approval.changed`, `approval.resolved`. All if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// `standard`, for programs, if absent; `slack` for people: messages as Slack takes them, at most
    /// five a minute, above that together as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Hours in which people are told nothing, such as `22:00-07:00+02:00`; what waited then comes as
    /// one message when they end. The offset is fixed and knows of no summer time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<String>,
    /// Lets the address be private, or without TLS. Never a metadata service.
    #[serde(default)]
    pub allow_private: bool,
}

/// What to change about a webhook; what is absent stays. Its failures are forgotten.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookChange {
    /// Where it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// `standard` or `slack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Hours in which people are told nothing, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<String>,
    /// Whether it is told at all. What it was still to be told waits until it is switched on again,
    /// for a day at most; what happens while it is off it is never told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Lets the address be private, or without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_private: Option<bool>,
}

/// How to rotate a secret.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookRotation {
    /// Seconds for which the old secret goes on signing beside the new one, at most 604800; 86400 if
    /// absent. 0 where the old one is known to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_seconds: Option<u32>,
}

/// A webhook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// `hook_…`
    pub id: String,
    /// Where it is told.
    pub url: String,
    /// What it is told.
    pub events: Vec<String>,
    /// `standard`, for programs, or `slack`, for people.
    pub format: String,
    /// Hours in which people are told nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<String>,
    /// Whether it is told at all.
    pub enabled: bool,
    /// Whether its address may be private, or without TLS.
    pub allow_private: bool,
    /// `untried`, `ok`, `failing` or `disabled`.
    pub status: String,
    /// Failures since it last took something.
    pub failures: u32,
    /// Until when it is left alone, because it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rests_until: Option<String>,
    /// Rises with each rotation of its secret.
    pub secret_version: u32,
    /// Until when the secret before signs too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap_until: Option<String>,
    /// When it last took something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_delivered_at: Option<String>,
    /// The last try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<WebhookAttempt>,
    /// Who added it.
    pub created_by: String,
    /// When it was added.
    pub created_at: String,
}

/// A webhook with its new secret: the one time that it is shown.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSecret {
    /// The webhook.
    pub webhook: Webhook,
    /// What signs what it is told, as receivers of Standard Webhooks take it: `whsec_…`.
    #[schema(format = Password)]
    pub secret: String,
}

/// One try to tell a webhook something.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookAttempt {
    /// When.
    pub at: String,
    /// The status it was answered with; absent where there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What came back, short and masked, or why nothing did.
    pub message: String,
}

/// One thing that a webhook is told.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDelivery {
    /// `dlv_…`: the header `webhook-id`, the same at each try.
    pub id: String,
    /// The webhook.
    pub webhook_id: String,
    /// `approval.pending`, `approval.changed`, `approval.resolved` or `webhook.test`.
    pub event: String,
    /// What it is about: an approval's identifier, or the webhook's own in a test.
    pub subject: String,
    /// `pending`, `delivered` or `failed`.
    pub status: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The last try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<WebhookAttempt>,
    /// When it is tried next, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<String>,
    /// When it ended, once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// When it happened.
    pub created_at: String,
    /// When trying ends.
    pub gives_up_at: String,
}
