//! Webhooks: an address of a workspace is told, signed, that a person is asked and what became of it.
//!
//! Here: what administrators do with them. `outbox.rs` writes down what is to be told, in the
//! transaction that records the approval, and tells it; `message.rs` says what is sent and how it is
//! signed, `slack.rs` what people read of it. Nothing that is sent decides anything: it holds a link, and opening it needs a sign-in.

mod message;
mod outbox;
mod slack;

pub(crate) use outbox::{Outbox, answerable_longer, claim_until, tell_of_approval, tell_of_change};
pub(crate) use slack::short;

use crate::audit::by_person;
use crate::health::{Check, CheckStatus};
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Channel, Permission, Scope};
use domain::credential::{Sealed, Secret};
use domain::event::EventKind;
use domain::webhook::{
    Delivery, DeliveryState, OVERLAP_MS, OVERLAP_MS_MAX, Pace, QuietHours, Webhook, WebhookEvent,
    WebhookFormat, WebhookHealth,
};
use domain::{DeliveryId, Timestamp, WebhookId};
use futures_util::future::BoxFuture;
use serde_json::json;

/// Webhooks that a workspace may have.
const WEBHOOKS_MAX: usize = 20;
/// Longest address in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// A webhook to add.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// Where it is told.
    pub url: String,
    /// What it is told; everything there is if empty.
    pub events: Vec<WebhookEvent>,
    /// Who reads it; a program unless it says otherwise.
    pub format: FormatChange,
    /// Whether its address may be private, or without TLS.
    pub allow_private: bool,
}

/// What to change about a webhook; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    /// Where it is told.
    pub url: Option<String>,
    /// What it is told.
    pub events: Option<Vec<WebhookEvent>>,
    /// Who reads it, and when.
    pub format: FormatChange,
    /// Whether it is told at all.
    pub enabled: Option<bool>,
    /// Whether its address may be private, or without TLS.
    pub allow_private: Option<bool>,
}

/// Who reads what a webhook is sent, and in which hours they are told nothing; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct FormatChange {
    /// `standard` or `slack`.
    pub format: Option<String>,
    /// The hours, or none of them any more.
    pub quiet: Option<Option<QuietHours>>,
}

impl FormatChange {
    fn applied_to(&self, old: WebhookFormat) -> Result<WebhookFormat, Error> {
        let name = self.format.as_deref().unwrap_or(old.as_str());
        let slack = WebhookFormat::Slack(None).as_str();
        let kept = if name == slack { old.quiet() } else { None };
        WebhookFormat::parse(name, self.quiet.unwrap_or(kept)).ok_or_else(|| {
            let why = if name == WebhookFormat::Standard.as_str() {
                "a program is told everything at once; quiet hours are for the format slack"
            } else {
                "a webhook's format is `standard`, for programs, or `slack`, for people"
            };
            Error::invalid("invalid_webhook", why)
        })
    }
}

/// A webhook with its new secret: the one time that it is shown.
pub struct ShownSecret {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret, as receivers write it: `whsec_…`.
    pub secret: Secret,
}

impl Engine {
    /// The webhooks of the workspace, the oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn webhooks(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<Webhook>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            self.inner
                .store
                .read(move |r| Ok(store::webhooks::list(r, &scope)?))
                .await
        })
    }

    /// One webhook.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn webhook(
        &self,
        caller: &Caller,
        id: &WebhookId,
    ) -> BoxFuture<'_, Result<Webhook, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            self.inner
                .store
                .read(move |r| {
                    store::webhooks::get(r, &scope, &id)?
                        .ok_or_else(|| Error::not_found("webhook", &id))
                })
                .await
        })
    }

    /// Adds a webhook and makes its secret.
    ///
    /// # Errors
    /// `forbidden`; `invalid_webhook` for an address that may not be told; `too_many_webhooks`.
    pub fn add_webhook(
        &self,
        caller: &Caller,
        new: NewWebhook,
    ) -> BoxFuture<'_, Result<ShownSecret, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            self.not_as_visitor(&caller, "have webhooks").await?;
            let events = if new.events.is_empty() {
                WebhookEvent::OFFERED.to_vec()
            } else {
                new.events
            };
            let webhook = Webhook {
                id: WebhookId::from_bits(entropy::bits()),
                url: new.url,
                events: subscribed(events)?,
                format: new.format.applied_to(WebhookFormat::Standard)?,
                pace: Pace::default(),
                enabled: true,
                allow_private: new.allow_private,
                secret_version: 1,
                overlap_until: None,
                created_by: caller.account_id.clone(),
                created_at: self.inner.clock.now(),
                health: WebhookHealth::default(),
            };
            self.check_url(&webhook)?;
            let secret = vault::new_signing_secret().map_err(|e| Error::internal(&e))?;
            let binding = binding(&scope, &webhook.id, webhook.secret_version);
            let sealed = self.seal_signing(&scope, &binding, &secret).await?;
            let (within, by, added) = (scope.clone(), caller.clone(), webhook.clone());
            self.commit(&scope, move |tx| {
                if store::webhooks::list(tx, &within)?.len() >= WEBHOOKS_MAX {
                    return Err(Error::conflict(
                        "too_many_webhooks",
                        format!(
                            "a workspace has at most {WEBHOOKS_MAX} webhooks; remove one first"
                        ),
                    ));
                }
                store::webhooks::insert(tx, &within, &added, &sealed)?;
                note(tx, &within, &by, &added, "added", added.created_at)
            })
            .await?;
            Ok(ShownSecret {
                webhook,
                secret: message::shown(&secret),
            })
        })
    }

    /// Changes a webhook. It is given a fresh start: its failures are forgotten.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `invalid_webhook`.
    pub fn change_webhook(
        &self,
        caller: &Caller,
        id: &WebhookId,
        change: WebhookChange,
    ) -> BoxFuture<'_, Result<Webhook, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            self.not_as_visitor(&caller, "have webhooks").await?;
            let now = self.inner.clock.now();
            let engine = self.clone();
            let within = scope.clone();
            let changed = self.commit(&scope, move |tx| {
                let old = store::webhooks::locked(tx, &within, &id)?
                    .ok_or_else(|| Error::not_found("webhook", &id))?;
                let change = change.clone();
                let format = change.format.applied_to(old.format)?;
                let rehoured = format != old.format;
                let webhook = Webhook {
                    format,
                    url: change.url.unwrap_or(old.url),
                    events: subscribed(change.events.unwrap_or(old.events))?,
                    enabled: change.enabled.unwrap_or(old.enabled),
                    allow_private: change.allow_private.unwrap_or(old.allow_private),
                    health: WebhookHealth {
                        failures: 0,
                        rests_until: Timestamp::default(),
                        ..old.health
                    },
                    ..old
                };
                engine.check_url(&webhook)?;
                store::webhooks::change(tx, &within, &webhook)?;
                if rehoured {
                    store::webhooks::release(tx, &within, &webhook.id, now)?;
                }
                note(tx, &within, &caller, &webhook, "changed", now)?;
                Ok(webhook)
            });
            let changed = changed.await?;
            self.inner.outbox.kick();
            Ok(changed)
        })
    }

    /// Puts a new secret in the place of the present one, which goes on signing beside it for
    /// `overlap_ms`, so that a receiver can be given the new one without missing anything.
    ///
    /// # Errors
    /// `forbidden`, `not_found`; `invalid_overlap`; `rotated_meanwhile` if another was first.
    pub fn rotate_webhook(
        &self,
        caller: &Caller,
        id: &WebhookId,
        overlap_ms: Option<i64>,
    ) -> BoxFuture<'_, Result<ShownSecret, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            let overlap_ms = overlap_ms.unwrap_or(OVERLAP_MS);
            if !(0..=OVERLAP_MS_MAX).contains(&overlap_ms) {
                return Err(Error::invalid(
                    "invalid_overlap",
                    "the old secret can go on signing for 0 to 604800 seconds (7 days)",
                ));
            }
            let old = self.webhook(&caller, &id).await?;
            let now = self.inner.clock.now();
            let webhook = Webhook {
                secret_version: old.secret_version.saturating_add(1),
                overlap_until: Some(now.plus_ms(overlap_ms)),
                ..old
            };
            let secret = vault::new_signing_secret().map_err(|e| Error::internal(&e))?;
            let binding = binding(&scope, &webhook.id, webhook.secret_version);
            let sealed = self.seal_signing(&scope, &binding, &secret).await?;
            let (within, rotated) = (scope.clone(), webhook.clone());
            self.commit(&scope, move |tx| {
                if !store::webhooks::rotate(tx, &within, &rotated, &sealed)? {
                    return Err(Error::conflict(
                        "rotated_meanwhile",
                        "somebody else changed this webhook just now; look at it and try again",
                    ));
                }
                note(tx, &within, &caller, &rotated, "rotated", now)
            })
            .await?;
            Ok(ShownSecret {
                webhook,
                secret: message::shown(&secret),
            })
        })
    }

    /// Removes a webhook with everything that it was still to be told.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn remove_webhook(
        &self,
        caller: &Caller,
        id: &WebhookId,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            let now = self.inner.clock.now();
            let within = scope.clone();
            self.commit(&scope, move |tx| {
                let webhook = store::webhooks::locked(tx, &within, &id)?
                    .ok_or_else(|| Error::not_found("webhook", &id))?;
                store::webhooks::remove(tx, &within, &id)?;
                note(tx, &within, &caller, &webhook, "removed", now)
            })
            .await
        })
    }

    /// Sends a webhook something harmless at once, whether it is on or off, and says what came of it.
    ///
    /// # Errors
    /// `forbidden`, `not_found`. A receiver that fails is no error: the delivery says so.
    pub fn test_webhook(
        &self,
        caller: &Caller,
        id: &WebhookId,
    ) -> BoxFuture<'_, Result<Delivery, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            let webhook = self.webhook(&caller, &id).await?;
            let now = self.inner.clock.now();
            let delivery = Delivery {
                id: DeliveryId::from_bits(entropy::bits()),
                webhook_id: webhook.id,
                event: WebhookEvent::Test,
                subject: id.to_string(),
                data: json!({ "webhookId": id, "message": "a test of this webhook" }).to_string(),
                state: DeliveryState::Pending(now),
                attempts: 1,
                last: None,
                created_at: now,
                give_up_at: now,
            };
            let (within, written) = (scope.clone(), delivery.clone());
            self.inner
                .store
                .write(move |tx| {
                    let until = outbox::claim_until(now);
                    store::webhooks::enqueue(tx, &within, &written, until)
                })
                .await?;
            self.tell(&scope, vec![delivery])
                .await?
                .ok_or_else(|| Error::not_found("webhook", &id))
        })
    }

    /// What a webhook was told and is to be told, the newest first.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn webhook_deliveries(
        &self,
        caller: &Caller,
        id: &WebhookId,
        before: Option<(Timestamp, DeliveryId)>,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Delivery>, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            self.webhook(&caller, &id).await?;
            self.inner
                .store
                .read(move |r| {
                    let before = before.as_ref();
                    Ok(store::webhooks::deliveries(r, &scope, &id, before, limit)?)
                })
                .await
        })
    }

    async fn seal_signing(
        &self,
        scope: &Scope,
        binding: &str,
        secret: &Secret,
    ) -> Result<Sealed, Error> {
        let keys = &self.inner.credentials;
        let text = secret.expose().to_owned();
        let sealed = keys.seal_text(scope, binding, text).await?;
        Ok(Sealed(sealed))
    }

    fn check_url(&self, webhook: &Webhook) -> Result<(), Error> {
        let refuse = |why: String| Err(Error::invalid("invalid_webhook", why));
        if webhook.url.len() > URL_BYTES_MAX {
            return refuse(format!("the address is longer than {URL_BYTES_MAX} bytes"));
        }
        match self
            .inner
            .egress
            .check_webhook(&webhook.url, webhook.allow_private)
        {
            Ok(()) => Ok(()),
            Err(error) => refuse(message::why_not(&error)),
        }
    }

    /// Whether there are webhooks that fail, for `doctor`.
    pub(crate) async fn webhooks_check(&self) -> Check {
        let name = "webhooks";
        let caller = self.local_caller(Channel::Api, String::new());
        let webhooks = match self.webhooks(&caller).await {
            Ok(webhooks) => webhooks,
            Err(error) => return Check::new(name, CheckStatus::Problem, error.to_string()),
        };
        let failing: Vec<String> = webhooks
            .iter()
            .filter(|w| w.enabled && w.health.failures > 0)
            .map(|w| {
                let last = w.health.last.as_ref();
                let note = last.map_or("", |a| a.note.as_str());
                format!("{} ({} in a row: {note})", w.id, w.health.failures)
            })
            .collect();
        if failing.is_empty() {
            let on = webhooks.iter().filter(|w| w.enabled).count();
            return Check::new(name, CheckStatus::Ok, format!("{on} on"));
        }
        Check {
            next_step: Some(
                "Run `executor webhooks deliveries ID` for what came back, and `executor webhooks \
                 test ID` when it is mended."
                    .into(),
            ),
            ..Check::new(
                name,
                CheckStatus::Warning,
                format!("failing: {}", failing.join(", ")),
            )
        }
    }
}

fn subscribed(events: Vec<WebhookEvent>) -> Result<Vec<WebhookEvent>, Error> {
    let offered = WebhookEvent::OFFERED.into_iter();
    let chosen: Vec<WebhookEvent> = offered.filter(|e| events.contains(e)).collect();
    if chosen.is_empty() {
        return Err(Error::invalid(
            "invalid_webhook",
            "a webhook is told of at least one of approval.pending, approval.changed, \
             approval.resolved; to tell it nothing for a while, switch it off",
        ));
    }
    Ok(chosen)
}

/// What the ciphertext of a secret is bound to: moved to another row, it does not open.
pub(crate) fn binding(scope: &Scope, id: &WebhookId, version: u32) -> String {
    format!(
        "{}/{}/{id}/{version}",
        scope.organization_id(),
        scope.workspace_id()
    )
}

/// Writes down what a person did to a webhook. Of its address only the host: the rest may be secret.
fn note(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    caller: &Caller,
    webhook: &Webhook,
    change: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let detail = json!({
        "host": message::host(&webhook.url),
        "events": webhook.events,
        "format": webhook.format.as_str(),
        "quietHours": webhook.format.quiet().map(|hours| hours.to_string()),
        "enabled": webhook.enabled,
        "allowPrivate": webhook.allow_private,
        "secretVersion": webhook.secret_version,
    });
    let action = format!("webhook.{change}");
    let draft = by_person(caller, scope, &action, webhook.id.as_str(), &detail, now);
    store::audit::append(tx, scope, draft)?;
    event(tx, scope, &webhook.id, change, now)
}

fn event(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    id: &WebhookId,
    change: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let kind = EventKind::Webhook {
        webhook_id: id.clone(),
        change: change.to_owned(),
    };
    store::events::append(tx, scope, None, now, &kind)?;
    Ok(())
}
