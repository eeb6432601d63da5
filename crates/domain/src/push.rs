//! Browsers of a person that are told, while they are closed, that a question waits for that person.
//!
//! What is told is written when it is asked and told from an outbox; what is pointless by then is left
//! out. Pauses, failures and pace are those of webhooks that people read (`webhook.rs`). How it is
//! sent, and sealed for the one browser, is `engine/push`; nothing here waits.

use crate::webhook::{Attempt, PAUSE_MS_MAX, Pace, QuietHours, WebhookHealth, pause_ms};
use crate::{AccountId, ApprovalId, PushId, SessionId, Timestamp};

/// Browsers that one person may have in one workspace.
pub const BROWSERS_MAX: usize = 10;
/// Longest name of a browser, in characters.
pub const NAME_CHARS_MAX: usize = 80;
/// Longest time for which a push service is asked to keep a message, in milliseconds: four weeks, the
/// longest that the large ones take.
pub const KEPT_MS_MAX: i64 = 28 * 24 * 60 * 60 * 1_000;

/// A browser that is told. Where it is reached, and what seals for it, is kept apart and sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushSubscription {
    /// Its identifier.
    pub id: PushId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The session it was added in, where there was one: ending that session ends this, too.
    pub session_id: Option<SessionId>,
    /// The host of its push service.
    pub service: String,
    /// What the person calls it.
    pub name: String,
    /// In which hours nothing is told.
    pub quiet: Option<QuietHours>,
    /// The last messages.
    pub pace: Pace,
    /// How it has been going.
    pub health: WebhookHealth,
    /// When it was added.
    pub created_at: Timestamp,
}

/// Why a browser is told of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushAbout {
    /// It is asked.
    Asked,
    /// Somebody else made it this person's to look after.
    Assigned,
}

impl PushAbout {
    /// The stable name, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Assigned => "assigned",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut all = [Self::Asked, Self::Assigned].into_iter();
        all.find(|about| about.as_str() == name)
    }
}

/// That one browser is to be told of one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushMessage {
    /// Which browser.
    pub push_id: PushId,
    /// Which question.
    pub approval_id: ApprovalId,
    /// Why.
    pub about: PushAbout,
    /// When it is to be told, at the earliest.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it came up.
    pub created_at: Timestamp,
}

impl PushMessage {
    /// When it is tried again after one more try that failed. `jitter` is drawn at random; `asked_ms`
    /// is how long the push service asked to be left alone.
    #[must_use]
    pub fn next_try(&self, failed: &Attempt, jitter: u32, asked_ms: Option<i64>) -> Timestamp {
        let pause = pause_ms(self.attempts, jitter);
        let asked = asked_ms.unwrap_or(0).min(PAUSE_MS_MAX);
        failed.at.plus_ms(pause.max(asked))
    }
}

/// Whether an answer says that a browser takes nothing at this address any more (RFC 8030, section
/// 7.3: 404; 410 is what services send in practice).
#[must_use]
pub fn is_gone(attempt: &Attempt) -> bool {
    matches!(attempt.status, Some(404 | 410))
}

/// For how many seconds a push service is asked to keep a message about a question (RFC 8030, section
/// 5.2): as long as it can be answered.
#[must_use]
pub fn ttl_seconds(now: Timestamp, answerable_until: Timestamp) -> i64 {
    let left = answerable_until.0.saturating_sub(now.0);
    left.clamp(0, KEPT_MS_MAX) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(status: Option<u16>) -> Attempt {
        Attempt {
            at: Timestamp(1_000),
            status,
            note: String::new(),
        }
    }

    #[test]
    fn it_is_tried_later_each_time_and_not_before_it_was_asked_for() {
        let mut message = PushMessage {
            push_id: PushId::from_bits([1; 16]),
            approval_id: ApprovalId::from_bits([2; 16]),
            about: PushAbout::Asked,
            due_at: Timestamp(0),
            attempts: 1,
            created_at: Timestamp(0),
        };
        let next = |m: &PushMessage, asked| m.next_try(&attempt(Some(429)), 1_000, asked);
        assert_eq!(next(&message, None), Timestamp(3_000));
        assert_eq!(next(&message, Some(60_000)), Timestamp(61_000));
        assert_eq!(next(&message, Some(i64::MAX)), Timestamp(3_601_000));
        message.attempts = 3;
        assert_eq!(next(&message, None), Timestamp(9_000));
        message.attempts = u32::MAX;
        assert_eq!(next(&message, None), Timestamp(3_601_000));
    }

    #[test]
    fn what_is_gone_and_how_long_a_message_is_kept() {
        for (status, gone) in [
            (Some(404), true),
            (Some(410), true),
            (Some(201), false),
            (Some(403), false),
            (Some(503), false),
            (None, false),
        ] {
            assert_eq!(is_gone(&attempt(status)), gone, "{status:?}");
        }
        let now = Timestamp(10_000);
        assert_eq!(ttl_seconds(now, Timestamp(70_999)), 60);
        assert_eq!(ttl_seconds(now, Timestamp(9_000)), 0);
        assert_eq!(ttl_seconds(now, Timestamp(i64::MAX)), 28 * 24 * 60 * 60);
    }

    #[test]
    fn names_read_back() {
        for about in [PushAbout::Asked, PushAbout::Assigned] {
            assert_eq!(PushAbout::parse(about.as_str()), Some(about));
        }
        assert_eq!(PushAbout::parse("other"), None);
    }
}
