//! The outbox: what webhooks are to be told is written with what it tells of, and told from here.
//!
//! At least once: a delivery is claimed, sent and settled, and a server that dies in between leaves a
//! claim that runs out. An address that fails is left alone for growing times and never holds up
//! another; when it is well again, what has waited goes out as it falls due. What people read goes
//! together where it would be too much, and not in their quiet hours.

use super::message::{Names, Told};
use super::{binding, event, message, slack};
use crate::audit::by_server;
use crate::{Engine, Error, entropy};
use domain::access::Scope;
use domain::approval::{Approval, ApprovalStatus};
use domain::credential::Secret;
use domain::source::AuthScheme;
use domain::webhook::{
    Attempt, Delivery, DeliveryState, TRIED_MS_MAX, Webhook, WebhookEvent, WebhookFormat,
    WebhookHealth,
};
use domain::{DeliveryId, Timestamp, WebhookId};
use serde_json::json;
use std::sync::Arc;
use store::Tx;
use store::webhooks::{Due, Secrets};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tools::Attachment;

/// Deliveries that one server sends at once.
const SENDS_AT_ONCE: usize = 16;
/// How often a server looks for what is due.
const LOOK_MS: u64 = 1_000;
/// How long a claim holds: longer than a try takes (`tools/egress/webhook.rs`). What a server that died
/// had claimed is told again after it.
const CLAIM_MS: i64 = 20_000;
/// How often what has waited too long is given up, and what is old forgotten.
const SWEEP_MS: u64 = 60_000;
/// How long it is tried to tell people something: through quiet hours, and a day besides.
const PEOPLE_TRIED_MS: i64 = 2 * TRIED_MS_MAX;
/// How long ended deliveries are kept to be looked at.
const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// What the loop and those who wake it share.
pub(crate) struct Outbox {
    places: Arc<Semaphore>,
    kick: Notify,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(SENDS_AT_ONCE)),
            kick: Notify::new(),
        }
    }
}

impl Outbox {
    /// A place to send from, if one is free.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Something may be due: look now.
    pub(crate) fn kick(&self) {
        self.kick.notify_one();
    }
}

/// Until when a try that begins now is nobody else's.
pub(crate) fn claim_until(now: Timestamp) -> Timestamp {
    now.plus_ms(CLAIM_MS)
}

/// Writes down that webhooks are to be told where an approval stands, in the transaction that makes
/// it so. A question is told of for as long as it can be answered; after that, only what became of it.
pub(crate) fn tell_of_approval(
    tx: &mut Tx<'_>,
    scope: &Scope,
    approval: &Approval,
    now: Timestamp,
) -> Result<(), Error> {
    let kind = if approval.status != ApprovalStatus::Pending {
        WebhookEvent::ApprovalResolved
    } else if approval.created_at >= now {
        WebhookEvent::ApprovalPending
    } else {
        // A yes of several, or other arguments: what it is about was told when it was asked.
        return Ok(());
    };
    let told = ToTell {
        kind,
        subject: approval.id.to_string(),
        data: message::of_approval(approval).to_string(),
        give_up_at: told_until(approval, kind, now),
    };
    write_down(tx, scope, &told, now)
}

/// Writes down that webhooks are to be told what changed about a question that is still asked.
pub(crate) fn tell_of_change(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (approval, change): (&Approval, &'static str),
    now: Timestamp,
) -> Result<(), Error> {
    let kind = WebhookEvent::ApprovalChanged;
    let mut data = message::of_approval(approval);
    data["change"] = json!(change);
    let told = ToTell {
        kind,
        subject: approval.id.to_string(),
        data: data.to_string(),
        give_up_at: told_until(approval, kind, now),
    };
    write_down(tx, scope, &told, now)
}

/// A question has more time: what was not told yet is told with that, and for as long.
pub(crate) fn answerable_longer(
    tx: &mut Tx<'_>,
    scope: &Scope,
    approval: &Approval,
) -> Result<(), Error> {
    let kind = WebhookEvent::ApprovalPending;
    let data = message::of_approval(approval).to_string();
    let until = told_until(approval, kind, approval.created_at);
    let subject = approval.id.as_str();
    store::webhooks::retell(tx, scope, (kind, subject), &data, until)?;
    Ok(())
}

/// How long it is tried to tell something: a question no longer than it can be answered.
fn told_until(approval: &Approval, kind: WebhookEvent, now: Timestamp) -> Timestamp {
    let tried_until = now.plus_ms(TRIED_MS_MAX);
    match kind {
        WebhookEvent::ApprovalPending | WebhookEvent::ApprovalChanged => {
            tried_until.min(approval.expires_at)
        }
        WebhookEvent::ApprovalResolved | WebhookEvent::Test => tried_until,
    }
}

/// What is to be told.
struct ToTell {
    kind: WebhookEvent,
    subject: String,
    data: String,
    give_up_at: Timestamp,
}

fn write_down(tx: &mut Tx<'_>, scope: &Scope, told: &ToTell, now: Timestamp) -> Result<(), Error> {
    for webhook in store::webhooks::list(tx, scope)? {
        if !webhook.enabled || !webhook.events.contains(&told.kind) {
            continue;
        }
        let delivery = Delivery {
            id: DeliveryId::from_bits(entropy::bits()),
            webhook_id: webhook.id,
            event: told.kind,
            subject: told.subject.clone(),
            data: told.data.clone(),
            state: DeliveryState::Pending(now),
            attempts: 0,
            last: None,
            created_at: now,
            give_up_at: match webhook.format {
                WebhookFormat::Standard => told.give_up_at,
                // People are told after their quiet hours too, and then what became of it.
                WebhookFormat::Slack(_) => now.plus_ms(PEOPLE_TRIED_MS),
            },
        };
        store::webhooks::enqueue(tx, scope, &delivery, Timestamp::default())?;
    }
    Ok(())
}

/// What a try needs to know.
struct Known {
    webhook: Webhook,
    secrets: Secrets,
    workspace: Option<domain::tenancy::Workspace>,
    /// What goes out in one request: one thing, or several to people.
    told: Vec<Told>,
}

/// What a try came to.
struct Tried {
    attempt: Attempt,
    asked_ms: Option<i64>,
}

impl Engine {
    /// Tells webhooks and people's browsers what is due, for as long as the server runs.
    pub(crate) async fn webhook_loop(self) {
        let mut swept: Option<Timestamp> = None;
        loop {
            if let Err(error) = self.tell_due().await {
                tracing::warn!("could not look for webhook deliveries: {error}");
            }
            if let Err(error) = self.push_due().await {
                tracing::warn!("could not look for what browsers are to be told: {error}");
            }
            let now = self.inner.clock.now();
            if swept.is_none_or(|at| now.since(at) >= SWEEP_MS) {
                swept = Some(now);
                if let Err(error) = self.sweep(now).await {
                    tracing::warn!("could not tidy up webhook deliveries: {error}");
                }
                if let Err(error) = self.push_sweep(now).await {
                    tracing::warn!("could not tidy up what browsers were told: {error}");
                }
            }
            tokio::select! {
                biased;
                () = self.stopping() => return,
                () = self.inner.outbox.kick.notified() => {}
                () = self.inner.clock.sleep(LOOK_MS) => {}
            }
        }
    }

    /// Claims what is due while there is a place to send it from.
    async fn tell_due(&self) -> Result<(), Error> {
        let system = self.inner.system;
        while !self.is_stopping() {
            let Some(place) = self.inner.outbox.place() else {
                return Ok(());
            };
            let now = self.inner.clock.now();
            let due = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::webhooks::claimable(r, system, now)?))
                .await?;
            if !due {
                return Ok(());
            }
            let claimed = self
                .inner
                .store
                .write(move |tx| {
                    let until = claim_until(now);
                    Ok::<_, Error>(store::webhooks::claim(tx, system, now, until)?)
                })
                .await?;
            let Some((scope, delivery)) = claimed else {
                return Ok(());
            };
            self.spawn_tell(scope, delivery, place);
        }
        Ok(())
    }

    fn spawn_tell(&self, scope: Scope, delivery: Delivery, place: OwnedSemaphorePermit) {
        let engine = self.clone();
        self.spawn(async move {
            // A server that goes down does not wait for a receiver: the claim runs out, and another
            // server, or this one's successor, tells again.
            tokio::select! {
                biased;
                () = engine.stopping() => {}
                told = engine.tell_with_others(&scope, delivery) => {
                    if let Err(error) = told {
                        tracing::warn!("a webhook delivery could not be settled: {error}");
                    }
                }
            }
            drop(place);
            engine.inner.outbox.kick();
        });
    }

    /// Tries a claimed delivery, with what else is to be told to the same people at the moment.
    async fn tell_with_others(&self, scope: &Scope, delivery: Delivery) -> Result<(), Error> {
        let deliveries = self.together(scope, delivery).await?;
        if !deliveries.is_empty() {
            self.tell(scope, deliveries).await?;
        }
        Ok(())
    }

    /// What goes out in one request with a delivery: to a program it alone. To people everything that is
    /// due, where it was put off or failed before, or where one by one it would be too much within the
    /// minute; nothing in their quiet hours, and all of it waits for their end.
    async fn together(&self, scope: &Scope, first: Delivery) -> Result<Vec<Delivery>, Error> {
        let (within, id) = (scope.clone(), first.webhook_id.clone());
        let webhook = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::webhooks::get(r, &within, &id)?))
            .await?;
        let (pace, quiet) = match webhook {
            Some(Webhook {
                format: WebhookFormat::Slack(quiet),
                pace,
                ..
            }) => (pace, quiet),
            Some(_) | None => return Ok(vec![first]),
        };
        let now = self.inner.clock.now();
        let within = scope.clone();
        self.inner
            .store
            .write(move |tx| {
                let due = Due { first: &first, now };
                if let Some(end) = quiet.and_then(|hours| hours.end(now)) {
                    store::webhooks::postpone(tx, &within, due, end)?;
                    return Ok(Vec::new());
                }
                let waited = first.attempts > 1 || first.state.at() > first.created_at;
                let at_least = if waited { 1 } else { pace.left(now) };
                let until = claim_until(now);
                let others = store::webhooks::due_of(tx, &within, due, at_least, until)?;
                let mut all = vec![first.clone()];
                all.extend(others);
                Ok::<_, Error>(all)
            })
            .await
    }

    /// Tries claimed deliveries of one webhook once, in one request, and writes down what came of it;
    /// answers the first of them, none if its webhook is gone.
    pub(super) async fn tell(
        &self,
        scope: &Scope,
        deliveries: Vec<Delivery>,
    ) -> Result<Option<Delivery>, Error> {
        let Some(known) = self.known(scope, &deliveries).await? else {
            return Ok(None);
        };
        let Some(first) = deliveries.first() else {
            return Ok(None);
        };
        let tried = self.try_once(scope, first, known).await;
        self.settle(scope, deliveries, tried).await
    }

    async fn known(&self, scope: &Scope, deliveries: &[Delivery]) -> Result<Option<Known>, Error> {
        let (scope, deliveries) = (scope.clone(), deliveries.to_vec());
        self.inner
            .store
            .read(move |r| {
                let Some(first) = deliveries.first() else {
                    return Ok::<_, Error>(None);
                };
                let found = store::webhooks::get(r, &scope, &first.webhook_id)?;
                let secrets = store::webhooks::secrets(r, &scope, &first.webhook_id)?;
                let (Some(webhook), Some(secrets)) = (found, secrets) else {
                    return Ok(None);
                };
                let told = deliveries.iter().map(|delivery| {
                    let mut told = Told::of(r, &scope, delivery)?;
                    if webhook.format != WebhookFormat::Standard {
                        slack::look_up(r, &scope, delivery, &mut told)?;
                    }
                    Ok(told)
                });
                let told: Result<Vec<Told>, Error> = told.collect();
                Ok(Some(Known {
                    told: told?,
                    workspace: store::tenancy::workspace(r, &scope)?,
                    webhook,
                    secrets,
                }))
            })
            .await
    }

    async fn try_once(&self, scope: &Scope, first: &Delivery, known: Known) -> Tried {
        let now = self.inner.clock.now();
        let failed = |note: String| Tried {
            attempt: Attempt {
                at: now,
                status: None,
                note,
            },
            asked_ms: None,
        };
        let names = Names {
            workspace: known.workspace.as_ref(),
            public_url: &self.inner.public_url,
        };
        let body = match (known.webhook.format, known.told.as_slice()) {
            (WebhookFormat::Slack(_), told) => slack::body(told, &names),
            (WebhookFormat::Standard, [told, ..]) => message::body(first, told, &names),
            (WebhookFormat::Standard, []) => return failed("there is nothing to tell".to_owned()),
        };
        let signed = self
            .open_secrets(scope, &known, now)
            .await
            .and_then(|secrets| {
                let headers = message::headers(first, &secrets, &body, now).ok()?;
                Some((headers, secrets))
            });
        let Some((headers, secrets)) = signed else {
            return failed("its secret does not open; rotate it".to_owned());
        };
        let url = &known.webhook.url;
        let path = message::path(url).map(|path| Secret::new(path.to_owned()));
        let masked = secrets.into_iter().chain(path).map(|secret| Attachment {
            scheme: AuthScheme::Bearer,
            secret,
        });
        let posted = self.inner.egress.post_webhook(
            url,
            known.webhook.allow_private,
            headers,
            body,
            masked.collect(),
        );
        match posted.await {
            Err(error) => failed(message::why_not(&error)),
            Ok(taken) => Tried {
                attempt: Attempt {
                    at: self.inner.clock.now(),
                    status: Some(taken.status),
                    note: answered(taken.status, &taken.text),
                },
                asked_ms: taken.retry_after_s.map(|s| i64::from(s) * 1_000),
            },
        }
    }

    /// The secrets that are in force, newest first; none if one does not open.
    async fn open_secrets(
        &self,
        scope: &Scope,
        known: &Known,
        now: Timestamp,
    ) -> Option<Vec<Secret>> {
        let keys = &self.inner.credentials;
        let webhook = &known.webhook;
        let version = webhook.secret_version;
        let current = binding(scope, &webhook.id, version);
        let mut secrets = vec![
            keys.open_text(scope, &current, &known.secrets.current.0)
                .await?,
        ];
        if let Some(previous) = &known.secrets.previous
            && webhook.overlap_until.is_some_and(|until| now < until)
        {
            let before = binding(scope, &webhook.id, version.saturating_sub(1));
            secrets.push(keys.open_text(scope, &before, &previous.0).await?);
        }
        Some(secrets)
    }

    /// Writes down where deliveries and their webhook stand after a try; answers the first of them.
    async fn settle(
        &self,
        scope: &Scope,
        deliveries: Vec<Delivery>,
        tried: Tried,
    ) -> Result<Option<Delivery>, Error> {
        let Tried { attempt, asked_ms } = tried;
        let jitter = u32::from_be_bytes(entropy::bytes());
        let settled: Vec<Delivery> = deliveries
            .into_iter()
            .map(|delivery| Delivery {
                state: delivery.after(&attempt, jitter, asked_ms),
                last: Some(attempt.clone()),
                ..delivery
            })
            .collect();
        let within = scope.clone();
        self.commit(scope, move |tx| {
            let Some(first) = settled.first() else {
                return Ok(None);
            };
            let Some(webhook) = store::webhooks::locked(tx, &within, &first.webhook_id)? else {
                return Ok(None);
            };
            let health = webhook.health.after(&attempt);
            let pace = match webhook.format {
                WebhookFormat::Slack(_) if attempt.is_taken() => webhook.pace.with(attempt.at),
                WebhookFormat::Slack(_) | WebhookFormat::Standard => webhook.pace.clone(),
            };
            let mut counts = Vec::new();
            for one in &settled {
                if store::webhooks::tried(tx, &within, one, (&health, &pace))? {
                    counts.push(one);
                }
            }
            tell_of_health(tx, &within, &webhook, &health, &counts)?;
            Ok(Some(first.clone()))
        })
        .await
    }

    /// Gives up what has waited as long as it may, and forgets what is old.
    async fn sweep(&self, now: Timestamp) -> Result<(), Error> {
        let system = self.inner.system;
        self.inner
            .store
            .write(move |tx| {
                for (scope, delivery) in store::webhooks::give_up_due(tx, system, now)? {
                    gave_up(tx, &scope, &delivery, now)?;
                }
                store::webhooks::forget(tx, system, now.plus_ms(-KEPT_MS))?;
                Ok::<_, Error>(())
            })
            .await
    }
}

/// What came back, in a sentence.
fn answered(status: u16, text: &str) -> String {
    let what = match status {
        200..300 => "taken".to_owned(),
        300..400 => {
            format!("answered {status}, a redirect, which is not followed; give the final address")
        }
        410 => "answered 410: it is gone for good".to_owned(),
        _ => format!("answered {status}"),
    };
    if text.is_empty() {
        what
    } else {
        format!("{what}: {text}")
    }
}

/// Tells people what a try changed: a webhook that begins or ceases to fail, a delivery that is given
/// up, an address that is gone.
fn tell_of_health(
    tx: &mut Tx<'_>,
    scope: &Scope,
    before: &Webhook,
    health: &WebhookHealth,
    deliveries: &[&Delivery],
) -> Result<(), Error> {
    let Some(last) = deliveries.first().and_then(|d| d.last.as_ref()) else {
        return Ok(());
    };
    let change = match (before.health.is_failing(), health.is_failing()) {
        (false, true) => Some("failing"),
        (true, false) => Some("recovered"),
        (true, true) | (false, false) => None,
    };
    if let Some(change) = change {
        let detail = json!({ "failures": health.failures, "last": last });
        tell_by_server(tx, scope, &before.id, change, &detail, last.at)?;
    }
    for delivery in deliveries {
        let failed = matches!(delivery.state, DeliveryState::Failed(_));
        if failed && delivery.event != WebhookEvent::Test {
            gave_up(tx, scope, delivery, last.at)?;
        }
    }
    if last.is_gone() && before.enabled {
        let off = Webhook {
            enabled: false,
            ..before.clone()
        };
        store::webhooks::change(tx, scope, &off)?;
        let given_up = store::webhooks::give_up(tx, scope, &before.id, last.at)?;
        let detail = json!({ "last": last, "givenUp": given_up });
        tell_by_server(tx, scope, &before.id, "disabled", &detail, last.at)?;
    }
    Ok(())
}

fn gave_up(
    tx: &mut Tx<'_>,
    scope: &Scope,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<(), Error> {
    let detail = json!({
        "delivery": delivery.id,
        "event": delivery.event.as_str(),
        "about": delivery.subject,
        "attempts": delivery.attempts,
        "last": delivery.last,
    });
    tell_by_server(tx, scope, &delivery.webhook_id, "gave_up", &detail, now)
}

fn tell_by_server(
    tx: &mut Tx<'_>,
    scope: &Scope,
    webhook: &WebhookId,
    change: &str,
    detail: &serde_json::Value,
    now: Timestamp,
) -> Result<(), Error> {
    let action = format!("webhook.{change}");
    let draft = by_server(scope, &action, webhook.as_str(), detail, now);
    store::audit::append(tx, scope, draft)?;
    event(tx, scope, webhook, change, now)
}
