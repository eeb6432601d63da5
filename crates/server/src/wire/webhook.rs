//! Webhooks and their deliveries → public shapes; names of events from outside → ours.

use crate::error::Failure;
use api::webhooks::{Webhook, WebhookAttempt, WebhookDelivery, WebhookSecret};
use domain::webhook::{Attempt, Delivery, DeliveryState, QuietHours, WebhookEvent};
use engine::{FormatChange, ShownSecret};

pub(crate) fn webhook(w: &domain::webhook::Webhook) -> Webhook {
    let health = &w.health;
    let status = match (w.enabled, health.failures, &health.last) {
        (false, _, _) => "disabled",
        (true, 0, None) => "untried",
        (true, 0, Some(_)) => "ok",
        (true, _, _) => "failing",
    };
    Webhook {
        id: w.id.to_string(),
        url: w.url.clone(),
        events: w.events.iter().map(|e| e.as_str().to_owned()).collect(),
        format: w.format.as_str().to_owned(),
        quiet_hours: w.format.quiet().map(|hours| hours.to_string()),
        enabled: w.enabled,
        allow_private: w.allow_private,
        status: status.to_owned(),
        failures: health.failures,
        rests_until: (health.rests_until.0 > 0).then(|| health.rests_until.to_rfc3339()),
        secret_version: w.secret_version,
        overlap_until: w.overlap_until.map(domain::Timestamp::to_rfc3339),
        last_delivered_at: health.taken_at.map(domain::Timestamp::to_rfc3339),
        last_attempt: health.last.as_ref().map(attempt),
        created_by: w.created_by.to_string(),
        created_at: w.created_at.to_rfc3339(),
    }
}

pub(crate) fn secret(shown: &ShownSecret) -> WebhookSecret {
    WebhookSecret {
        webhook: webhook(&shown.webhook),
        secret: shown.secret.expose().to_owned(),
    }
}

pub(crate) fn delivery(d: &Delivery) -> WebhookDelivery {
    let (next, ended) = match d.state {
        DeliveryState::Pending(at) => (Some(at), None),
        DeliveryState::Delivered(at) | DeliveryState::Failed(at) => (None, Some(at)),
    };
    WebhookDelivery {
        id: d.id.to_string(),
        webhook_id: d.webhook_id.to_string(),
        event: d.event.as_str().to_owned(),
        subject: d.subject.clone(),
        status: d.state.as_str().to_owned(),
        attempts: d.attempts,
        last_attempt: d.last.as_ref().map(attempt),
        next_attempt_at: next.map(domain::Timestamp::to_rfc3339),
        ended_at: ended.map(domain::Timestamp::to_rfc3339),
        created_at: d.created_at.to_rfc3339(),
        gives_up_at: d.give_up_at.to_rfc3339(),
    }
}

pub(crate) fn attempt(a: &Attempt) -> WebhookAttempt {
    WebhookAttempt {
        at: a.at.to_rfc3339(),
        status: a.status,
        message: a.note.clone(),
    }
}

/// Reads the names of events.
pub(crate) fn events(names: &[String]) -> Result<Vec<WebhookEvent>, Failure> {
    let offered = WebhookEvent::OFFERED;
    names
        .iter()
        .map(|name| {
            let found = offered.into_iter().find(|e| e.as_str() == name);
            found.ok_or_else(|| {
                let known: Vec<&str> = offered.iter().map(|e| e.as_str()).collect();
                Failure::invalid(
                    "events",
                    format!("'{name}' is none of {}", known.join(", ")),
                )
            })
        })
        .collect()
}

/// Reads who is told, and when nobody wants to be; what is absent stays as it is.
pub(crate) fn format(format: Option<String>, hours: Option<&str>) -> Result<FormatChange, Failure> {
    let quiet = match hours {
        None => None,
        Some("none") => Some(None),
        Some(text) => Some(Some(QuietHours::parse(text).ok_or_else(|| {
            Failure::invalid(
                "quietHours",
                format!(
                    "'{text}' is neither hours with the offset of their clock, such as \
                     22:00-07:00+02:00, nor none"
                ),
            )
        })?)),
    };
    Ok(FormatChange { format, quiet })
}
