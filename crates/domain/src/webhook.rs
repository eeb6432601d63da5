//! Webhooks: addresses of a workspace that are told of approvals, and what each is still to be told.
//!
//! A delivery is tried until it is taken, or until telling is pointless; how long to wait between
//! tries and when an address counts as failing is decided here; `webhook/people.rs` is about those
//! that people read. Order is not promised. What is sent and how it is signed is `engine/webhooks`;
//! nothing here waits.

mod people;

pub use people::{MESSAGES_PER_MINUTE, Pace, QuietHours, WebhookFormat};

use crate::{AccountId, DeliveryId, Timestamp, WebhookId};

/// Longest time that one delivery is tried.
pub const TRIED_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// Longest pause between two tries of a delivery.
pub const PAUSE_MS_MAX: i64 = 60 * 60 * 1_000;
/// First pause; each one after is twice as long.
const PAUSE_MS_FIRST: i64 = 2_000;
/// Failures in a row, of whatever deliveries, after which an address counts as failing.
pub const FAILURES_MAX: u32 = 5;
/// Longest time for which a failing address is left alone.
const REST_MS_MAX: i64 = 10 * 60 * 1_000;
/// First such time; each one after is twice as long.
const REST_MS_FIRST: i64 = 30_000;
/// How long a replaced secret goes on signing, unless somebody says otherwise.
pub const OVERLAP_MS: i64 = 24 * 60 * 60 * 1_000;
/// Longest such time.
pub const OVERLAP_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1_000;

/// What a webhook can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum WebhookEvent {
    /// A person is asked.
    #[serde(rename = "approval.pending")]
    ApprovalPending,
    /// A question that is still asked was given more time, or somebody to look after it.
    #[serde(rename = "approval.changed")]
    ApprovalChanged,
    /// It was answered, expired or withdrawn.
    #[serde(rename = "approval.resolved")]
    ApprovalResolved,
    /// Somebody pressed the test button.
    #[serde(rename = "webhook.test")]
    Test,
}

impl WebhookEvent {
    /// What a webhook can ask to be told.
    pub const OFFERED: [Self; 3] = [
        Self::ApprovalPending,
        Self::ApprovalChanged,
        Self::ApprovalResolved,
    ];

    /// The stable name, as stored, shown and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalPending => "approval.pending",
            Self::ApprovalChanged => "approval.changed",
            Self::ApprovalResolved => "approval.resolved",
            Self::Test => "webhook.test",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = Self::OFFERED.into_iter().chain([Self::Test]);
        all.find(|e| e.as_str() == text)
    }
}

/// An address that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its identifier.
    pub id: WebhookId,
    /// Where it is told. Often a secret itself: whoever knows it can write there.
    pub url: String,
    /// What it is told.
    pub events: Vec<WebhookEvent>,
    /// Who reads it, and how it is written for them.
    pub format: WebhookFormat,
    /// The last messages, where people read them.
    pub pace: Pace,
    /// Whether it is told at all.
    pub enabled: bool,
    /// Whether an administrator allows its address to be private, or without TLS.
    pub allow_private: bool,
    /// Rises with each rotation of its secret; part of what the ciphertext is bound to.
    pub secret_version: u32,
    /// Until when the secret before signs too.
    pub overlap_until: Option<Timestamp>,
    /// Who added it.
    pub created_by: AccountId,
    /// When it was added.
    pub created_at: Timestamp,
    /// How it has been going.
    pub health: WebhookHealth,
}

/// How telling an address has been going.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookHealth {
    /// Failures since it last took something.
    pub failures: u32,
    /// Nothing is sent to it before; the past when it is well.
    pub rests_until: Timestamp,
    /// When it last took something.
    pub taken_at: Option<Timestamp>,
    /// The last try.
    pub last: Option<Attempt>,
}

impl WebhookHealth {
    /// Whether it fails so often that it is left alone at times.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    /// After one more try.
    #[must_use]
    pub fn after(&self, attempt: &Attempt) -> Self {
        if attempt.is_taken() {
            return Self {
                failures: 0,
                rests_until: Timestamp::default(),
                taken_at: Some(attempt.at),
                last: Some(attempt.clone()),
            };
        }
        let failures = self.failures.saturating_add(1);
        let rests_until = match failures.checked_sub(FAILURES_MAX) {
            None => self.rests_until,
            Some(beyond) => attempt
                .at
                .plus_ms(doubled(REST_MS_FIRST, beyond, REST_MS_MAX)),
        };
        Self {
            failures,
            rests_until,
            taken_at: self.taken_at,
            last: Some(attempt.clone()),
        }
    }
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// The status it was answered with, if it was answered.
    pub status: Option<u16>,
    /// What came back, short and masked, or why nothing did.
    pub note: String,
}

impl Attempt {
    /// Whether it was taken: any status from 200 to 299.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.status.is_some_and(|s| (200..300).contains(&s))
    }

    /// Whether the receiver says that it is gone for good.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.status == Some(410)
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be tried, not before that time.
    Pending(Timestamp),
    /// The receiver took it.
    Delivered(Timestamp),
    /// Given up.
    Failed(Timestamp),
}

impl DeliveryState {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending(_) => "pending",
            Self::Delivered(_) => "delivered",
            Self::Failed(_) => "failed",
        }
    }

    /// When it is due, or when it ended.
    #[must_use]
    pub fn at(self) -> Timestamp {
        match self {
            Self::Pending(at) | Self::Delivered(at) | Self::Failed(at) => at,
        }
    }

    /// Reads the stable name, with its time.
    #[must_use]
    pub fn parse(name: &str, at: Timestamp) -> Option<Self> {
        [Self::Pending(at), Self::Delivered(at), Self::Failed(at)]
            .into_iter()
            .find(|s| s.as_str() == name)
    }
}

/// One thing that one webhook is told. Its identifier is the same at each try, so that a receiver
/// knows a repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its identifier.
    pub id: DeliveryId,
    /// Who is told.
    pub webhook_id: WebhookId,
    /// What kind of thing.
    pub event: WebhookEvent,
    /// What it is about: an approval's identifier.
    pub subject: String,
    /// What is told, as JSON text, without links.
    pub data: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// The last try.
    pub last: Option<Attempt>,
    /// When it happened.
    pub created_at: Timestamp,
    /// When trying ends.
    pub give_up_at: Timestamp,
}

impl Delivery {
    /// Where it stands after one more try. `jitter` is drawn at random; `asked_ms` is how long the
    /// receiver asked to be left alone.
    #[must_use]
    pub fn after(&self, attempt: &Attempt, jitter: u32, asked_ms: Option<i64>) -> DeliveryState {
        if attempt.is_taken() {
            return DeliveryState::Delivered(attempt.at);
        }
        let pause = pause_ms(self.attempts, jitter).max(asked_ms.unwrap_or(0).min(PAUSE_MS_MAX));
        let next = attempt.at.plus_ms(pause);
        if attempt.is_gone() || self.event == WebhookEvent::Test || next > self.give_up_at {
            DeliveryState::Failed(attempt.at)
        } else {
            DeliveryState::Pending(next)
        }
    }
}

/// The pause after so many tries: doubled each time, bounded, and moved by up to a quarter either
/// way, so that many deliveries of one outage do not come back at one instant.
pub(crate) fn pause_ms(attempts: u32, jitter: u32) -> i64 {
    let pause = doubled(PAUSE_MS_FIRST, attempts.saturating_sub(1), PAUSE_MS_MAX);
    let moved = pause / 4 * (i64::from(jitter % 2_001) - 1_000) / 1_000;
    pause + moved
}

fn doubled(first: i64, times: u32, max: i64) -> i64 {
    (first << times.min(30)).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(at: i64, status: Option<u16>) -> Attempt {
        Attempt {
            at: Timestamp(at),
            status,
            note: String::new(),
        }
    }

    fn delivery(event: WebhookEvent, attempts: u32) -> Delivery {
        Delivery {
            id: DeliveryId::from_bits([1; 16]),
            webhook_id: WebhookId::from_bits([2; 16]),
            event,
            subject: String::new(),
            data: "{}".into(),
            state: DeliveryState::Pending(Timestamp(0)),
            attempts,
            last: None,
            created_at: Timestamp(0),
            give_up_at: Timestamp(TRIED_MS_MAX),
        }
    }

    #[test]
    fn pauses_grow_are_bounded_and_differ() {
        const MIDDLE: u32 = 1_000;
        for (attempts, pause) in [
            (1, 2_000),
            (2, 4_000),
            (5, 32_000),
            (11, 2_048_000),
            (12, PAUSE_MS_MAX),
            (u32::MAX, PAUSE_MS_MAX),
        ] {
            assert_eq!(pause_ms(attempts, MIDDLE), pause, "{attempts}");
            assert_eq!(pause_ms(attempts, 0), pause - pause / 4);
            assert_eq!(pause_ms(attempts, 2_000), pause + pause / 4);
        }
    }

    #[test]
    fn what_a_try_makes_of_a_delivery() {
        use DeliveryState::{Delivered, Failed, Pending};
        use WebhookEvent::{ApprovalPending, Test};
        let late = TRIED_MS_MAX - 1;
        for (event, tried, asked, expected) in [
            (
                ApprovalPending,
                attempt(10, Some(200)),
                None,
                Delivered(Timestamp(10)),
            ),
            (
                ApprovalPending,
                attempt(10, Some(299)),
                None,
                Delivered(Timestamp(10)),
            ),
            (
                ApprovalPending,
                attempt(10, Some(302)),
                None,
                Pending(Timestamp(2_010)),
            ),
            (
                ApprovalPending,
                attempt(10, Some(500)),
                None,
                Pending(Timestamp(2_010)),
            ),
            (
                ApprovalPending,
                attempt(10, None),
                None,
                Pending(Timestamp(2_010)),
            ),
            (
                ApprovalPending,
                attempt(10, Some(429)),
                Some(60_000),
                Pending(Timestamp(60_010)),
            ),
            (
                ApprovalPending,
                attempt(10, Some(429)),
                Some(i64::MAX),
                Pending(Timestamp(3_600_010)),
            ),
            (
                ApprovalPending,
                attempt(10, Some(410)),
                None,
                Failed(Timestamp(10)),
            ),
            (
                ApprovalPending,
                attempt(late, Some(500)),
                None,
                Failed(Timestamp(late)),
            ),
            (Test, attempt(10, Some(500)), None, Failed(Timestamp(10))),
        ] {
            assert_eq!(
                delivery(event, 1).after(&tried, 1_000, asked),
                expected,
                "{tried:?}"
            );
        }
    }

    #[test]
    fn an_address_fails_rests_and_recovers() {
        let mut health = WebhookHealth::default();
        for n in 1..FAILURES_MAX {
            health = health.after(&attempt(i64::from(n), Some(500)));
            assert!(!health.is_failing());
            assert_eq!(health.rests_until, Timestamp(0));
        }
        for rest in [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000] {
            health = health.after(&attempt(1_000, None));
            assert!(health.is_failing());
            assert_eq!(health.rests_until, Timestamp(1_000 + rest));
        }
        health = health.after(&attempt(2_000, Some(204)));
        assert_eq!(health.failures, 0);
        assert_eq!(health.rests_until, Timestamp(0));
        assert_eq!(health.taken_at, Some(Timestamp(2_000)));
    }
}
