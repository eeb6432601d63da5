//! What calls of a source came to: counts and times of one hour, which add up to those of a day.
//!
//! Times are kept in classes that grow by half an octave, so that a percentile is known to within
//! 42 % and the whole takes a few dozen numbers. Nothing here reads a clock.

use crate::Timestamp;
use crate::tool::ToolErrorCode;
use std::collections::BTreeMap;

/// How a call that left ended, as it bears on the health of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With an answer.
    Well,
    /// With a no of the API to what was asked: the source works.
    Refused,
    /// The source did not accept the credential.
    Rejected,
    /// The source did not do its part.
    Failed,
}

impl Ended {
    /// What an error of a call says about its source. `status` is the upstream's, where it answered.
    #[must_use]
    pub fn of(code: ToolErrorCode, status: Option<u16>) -> Self {
        match code {
            ToolErrorCode::CredentialRejected | ToolErrorCode::ReauthorizationRequired => {
                Self::Rejected
            }
            ToolErrorCode::UpstreamError if status.is_some_and(|s| s < 500) => Self::Refused,
            ToolErrorCode::UpstreamError
            | ToolErrorCode::UpstreamUnreachable
            | ToolErrorCode::UpstreamTimeout
            | ToolErrorCode::RateLimited
            | ToolErrorCode::ResultTooLarge
            | ToolErrorCode::OutcomeUnknown
            | ToolErrorCode::Internal => Self::Failed,
            ToolErrorCode::ToolNotFound
            | ToolErrorCode::InvalidArguments
            | ToolErrorCode::DeniedByPolicy
            | ToolErrorCode::ApprovalDenied
            | ToolErrorCode::ApprovalExpired
            | ToolErrorCode::CredentialMissing
            | ToolErrorCode::InsufficientScope
            | ToolErrorCode::CallLimitExceeded => Self::Refused,
        }
    }
}

/// What calls of one source in a stretch of time came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Traffic {
    /// How many left.
    pub calls: u64,
    /// How many failed by the source's fault, rejected credentials among them.
    pub failed: u64,
    /// How many of the last ones in a row were rejected for their credential.
    pub rejected_in_a_row: u64,
    /// How many there were in each class of time.
    times: BTreeMap<u8, u64>,
    /// When one last ended well.
    pub last_success_at: Option<Timestamp>,
    /// When one last failed, and the code of its error.
    pub last_failure: Option<(Timestamp, ToolErrorCode)>,
}

impl Traffic {
    /// Counts one call that took `ms` milliseconds.
    pub fn count(&mut self, ended: Ended, code: Option<ToolErrorCode>, ms: u64, at: Timestamp) {
        self.calls += 1;
        *self.times.entry(class_of(ms)).or_default() += 1;
        match ended {
            Ended::Well | Ended::Refused => {
                self.rejected_in_a_row = 0;
                self.last_success_at = self.last_success_at.max(Some(at));
            }
            Ended::Rejected | Ended::Failed => {
                self.failed += 1;
                self.rejected_in_a_row = match ended {
                    Ended::Rejected => self.rejected_in_a_row + 1,
                    Ended::Well | Ended::Refused | Ended::Failed => 0,
                };
                self.last_failure = code.map(|code| (at, code)).or(self.last_failure);
            }
        }
    }

    /// This stretch and a later one as one.
    #[must_use]
    pub fn then(mut self, later: &Self) -> Self {
        let all_rejected = later.rejected_in_a_row == later.calls;
        self.rejected_in_a_row = later.rejected_in_a_row
            + if all_rejected {
                self.rejected_in_a_row
            } else {
                0
            };
        self.calls += later.calls;
        self.failed += later.failed;
        for (class, count) in &later.times {
            *self.times.entry(*class).or_default() += count;
        }
        self.last_success_at = self.last_success_at.max(later.last_success_at);
        self.last_failure = later.last_failure.or(self.last_failure);
        self
    }

    /// The milliseconds within which so many of a hundred calls ended; none where there were none.
    #[must_use]
    pub fn percentile_ms(&self, of_a_hundred: u64) -> Option<u64> {
        let wanted = (self.calls * of_a_hundred).div_ceil(100).max(1);
        let mut seen = 0;
        for (class, count) in &self.times {
            seen += count;
            if seen >= wanted {
                return Some(longest_of(*class));
            }
        }
        None
    }
}

/// Half octaves: 0, 1, 2, 3-4, 5-… milliseconds.
fn class_of(ms: u64) -> u8 {
    let mut class = 0;
    while class < 60 && longest_of(class) < ms {
        class += 1;
    }
    class
}

/// The longest time of a class: each is half an octave above the one before.
fn longest_of(class: u8) -> u64 {
    let octave = 1_u64 << (class / 2);
    if class.is_multiple_of(2) {
        octave - 1
    } else {
        octave + octave / 2 - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(outcomes: &[(Ended, u64)]) -> Traffic {
        let mut traffic = Traffic::default();
        for (n, (ended, ms)) in (0..).zip(outcomes) {
            let code = match ended {
                Ended::Well => None,
                Ended::Refused | Ended::Failed => Some(ToolErrorCode::UpstreamError),
                Ended::Rejected => Some(ToolErrorCode::CredentialRejected),
            };
            traffic.count(*ended, code, *ms, Timestamp(n));
        }
        traffic
    }

    #[test]
    fn percentiles_are_right_to_within_their_class() {
        let traffic = of(&(1..=1_000).map(|ms| (Ended::Well, ms)).collect::<Vec<_>>());
        for (of_a_hundred, exact) in [(50, 500), (95, 950), (100, 1_000)] {
            let found = traffic.percentile_ms(of_a_hundred).unwrap();
            assert!(
                found >= exact && found * 100 <= exact * 151,
                "p{of_a_hundred} is {found}, exactly {exact}"
            );
        }
        assert_eq!(Traffic::default().percentile_ms(50), None);
        assert_eq!(of(&[(Ended::Well, 0)]).percentile_ms(50), Some(0));
        assert!(of(&[(Ended::Well, u64::MAX)]).percentile_ms(50).is_some());
    }

    #[test]
    fn rejections_in_a_row_are_counted_over_stretches() {
        use Ended::{Failed, Refused, Rejected, Well};
        let r = |n: usize| vec![(Rejected, 1); n];
        for (first, second, expected) in [
            (r(2), r(3), 5),
            (r(2), vec![(Well, 1), (Rejected, 1)], 1),
            (r(2), vec![(Refused, 1)], 0),
            (r(2), vec![(Failed, 1)], 0),
            (r(2), Vec::new(), 2),
            (vec![(Well, 1)], r(3), 3),
        ] {
            let both = of(&first).then(&of(&second));
            assert_eq!(
                both.rejected_in_a_row, expected,
                "{first:?} then {second:?}"
            );
            assert_eq!(both.calls as usize, first.len() + second.len());
        }
    }

    #[test]
    fn it_reads_back() {
        let traffic = of(&[(Ended::Well, 5), (Ended::Failed, 900)]);
        let text = serde_json::to_string(&traffic).unwrap();
        assert_eq!(serde_json::from_str::<Traffic>(&text).unwrap(), traffic);
    }

    #[test]
    fn a_no_to_the_arguments_is_no_fault_of_the_source() {
        for (code, status, expected) in [
            (ToolErrorCode::UpstreamError, Some(422), Ended::Refused),
            (ToolErrorCode::UpstreamError, Some(503), Ended::Failed),
            (ToolErrorCode::UpstreamError, None, Ended::Failed),
            (
                ToolErrorCode::CredentialRejected,
                Some(401),
                Ended::Rejected,
            ),
            (ToolErrorCode::UpstreamTimeout, None, Ended::Failed),
        ] {
            assert_eq!(Ended::of(code, status), expected, "{code:?} {status:?}");
        }
    }
}
