//! How often an address may try what it does not know: the secrets of links and of the first owner.
//!
//! Only failures count, and whoever brings the right secret gets in whatever was tried before, so
//! that nobody locks another out: the secrets are too long to be guessed, and this only keeps
//! guessing from costing the server anything. In the memory of each server.

use domain::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Failures that are answered at once.
const FREE: u32 = 10;
/// The first pause after that, doubled with each further failure up to the longest.
const PAUSE_MS: i64 = 1_000;
const PAUSE_MS_MAX: i64 = 15 * 60_000;
/// Without a failure for so long, everything is forgotten.
const FORGET_MS: u64 = 30 * 60_000;
/// Addresses that are remembered.
const KEPT_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Tries {
    failed: Mutex<HashMap<String, Failed>>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    count: u32,
    at: Timestamp,
    until: Timestamp,
}

impl Tries {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Failed>> {
        // Nothing is left half done where a panic could poison it.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failure: in how many milliseconds the next try is answered otherwise than with a
    /// refusal to look.
    pub(super) fn failed(&self, who: &str, now: Timestamp) -> Result<(), u64> {
        let mut all = self.lock();
        if all.len() >= KEPT_MAX {
            all.retain(|_, f| now.since(f.at) < FORGET_MS && f.count > FREE);
            if all.len() >= KEPT_MAX {
                all.clear();
            }
        }
        let entry = all.entry(who.to_owned()).or_insert(Failed {
            count: 0,
            at: now,
            until: now,
        });
        if now.since(entry.at) >= FORGET_MS {
            entry.count = 0;
        }
        if now < entry.until {
            return Err(entry.until.since(now));
        }
        entry.count = entry.count.saturating_add(1);
        entry.at = now;
        if entry.count > FREE {
            let doubled = (entry.count - FREE - 1).min(20);
            let pause = (PAUSE_MS << doubled).min(PAUSE_MS_MAX);
            entry.until = now.plus_ms(pause);
            return Err(entry.until.since(now));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_cost_more_and_more_and_only_who_fails() {
        let tries = Tries::default();
        for _ in 0..FREE {
            assert_eq!(tries.failed("a", Timestamp(0)), Ok(()));
        }
        assert_eq!(tries.failed("a", Timestamp(0)), Err(1_000));
        assert_eq!(tries.failed("a", Timestamp(400)), Err(600), "not counted");
        assert_eq!(tries.failed("a", Timestamp(1_000)), Err(2_000));
        assert_eq!(tries.failed("a", Timestamp(3_000)), Err(4_000));
        assert_eq!(tries.failed("b", Timestamp(3_000)), Ok(()));
        let later = Timestamp(3_000 + i64::try_from(FORGET_MS).unwrap());
        assert_eq!(tries.failed("a", later), Ok(()));
    }

    #[test]
    fn the_pause_has_an_end_and_addresses_are_forgotten() {
        let tries = Tries::default();
        let mut now = Timestamp(0);
        for _ in 0..100 {
            if let Err(wait) = tries.failed("a", now) {
                assert!(wait <= u64::try_from(PAUSE_MS_MAX).unwrap());
                now = now.plus_ms(i64::try_from(wait).unwrap());
            }
        }
        for n in 0..=KEPT_MAX {
            let _counted = tries.failed(&n.to_string(), now);
        }
        assert!(tries.lock().len() <= KEPT_MAX);
    }
}
