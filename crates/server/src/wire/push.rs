//! A person's browsers → public shapes.

use super::webhook::attempt;
use crate::error::Failure;
use api::push::{PushSubscription, PushTest};
use domain::Timestamp;
use domain::webhook::{Attempt, QuietHours};

pub(crate) fn subscription(of: &domain::push::PushSubscription) -> PushSubscription {
    let health = &of.health;
    let status = match (health.failures, &health.last) {
        (0, None) => "untried",
        (0, Some(_)) => "ok",
        (_, _) => "failing",
    };
    PushSubscription {
        id: of.id.to_string(),
        name: of.name.clone(),
        service: of.service.clone(),
        quiet_hours: of.quiet.map(|hours| hours.to_string()),
        status: status.to_owned(),
        failures: health.failures,
        last_taken_at: health.taken_at.map(Timestamp::to_rfc3339),
        last_attempt: health.last.as_ref().map(attempt),
        created_at: of.created_at.to_rfc3339(),
    }
}

pub(crate) fn test(of: &Attempt) -> PushTest {
    let status = if of.is_taken() { "delivered" } else { "failed" };
    PushTest {
        status: status.to_owned(),
        attempt: attempt(of),
    }
}

/// Reads quiet hours; what is absent stays as it is.
pub(crate) fn quiet(hours: Option<&str>) -> Result<Option<Option<QuietHours>>, Failure> {
    Ok(super::webhook::format(None, hours)?.quiet)
}
