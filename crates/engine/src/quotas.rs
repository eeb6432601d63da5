//! How much a workspace may hold at once, and submit in a day.
//!
//! What is held (tasks that are under way, tasks that wait, open approvals) is counted in the
//! database, from an index, and the count is taken as known for a moment: each task taken here since
//! is added to it, so one server never takes more than the limit, and several exceed it at most by
//! what the others took since each counted last. Near the limit it is counted anew, and a refusal
//! costs nobody's writer anything. What a day has seen is one row, counted with each submission.

use crate::{Engine, Error};
use domain::access::Scope;
use domain::limits::Limit;
use domain::settings::Settings;
use domain::task::Task;
use domain::{Timestamp, WorkspaceId};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a count is taken as known.
const KNOWN_MS: u64 = 5_000;
/// How soon a count that stands at its limit is looked at again.
const AGAIN_MS: u64 = 250;
/// Workspaces whose counts are kept.
const KEPT_MAX: usize = 10_000;
/// Days whose numbers are kept.
const DAYS_KEPT: i64 = 90;
/// A day.
const DAY_MS: i64 = 24 * 3_600_000;

/// What a workspace holds, and what each new task may come to: it runs, it may wait, it may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Held {
    Active,
    Waiting,
    Asked,
}

impl Held {
    const ALL: [Self; 3] = [Self::Active, Self::Waiting, Self::Asked];

    fn limit(self) -> Limit {
        match self {
            Self::Active => Limit::TasksActive,
            Self::Waiting => Limit::TasksWaiting,
            Self::Asked => Limit::WorkspaceApprovalsPending,
        }
    }

    /// When another try may find room: tasks end by themselves, people take their time.
    fn again_ms(self) -> u64 {
        match self {
            Self::Active => 1_000,
            Self::Waiting | Self::Asked => 60_000,
        }
    }
}

/// The counts that this server knows.
#[derive(Default)]
pub(crate) struct Quotas {
    known: Mutex<HashMap<(WorkspaceId, Held), Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    count: u64,
    at: Timestamp,
}

/// What is known of a count.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// There is room, and a place in it is taken.
    Taken,
    /// It stood at the limit a moment ago.
    Full,
    /// It must be counted.
    Unknown,
}

impl Quotas {
    fn lock(&self) -> MutexGuard<'_, HashMap<(WorkspaceId, Held), Known>> {
        // Nothing is left half done where a panic could poison it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, workspace: &WorkspaceId, held: Held, most: u64, now: Timestamp) -> Look {
        let mut known = self.lock();
        let Some(entry) = known.get_mut(&(workspace.clone(), held)) else {
            return Look::Unknown;
        };
        let age = now.since(entry.at);
        if entry.count < most && age < KNOWN_MS {
            entry.count += 1;
            Look::Taken
        } else if entry.count >= most && age < AGAIN_MS {
            Look::Full
        } else {
            Look::Unknown
        }
    }

    fn learn(&self, workspace: &WorkspaceId, held: Held, count: u64, now: Timestamp) {
        let mut known = self.lock();
        if known.len() >= KEPT_MAX {
            known.retain(|_, entry| now.since(entry.at) < KNOWN_MS);
        }
        let entry = Known { count, at: now };
        known.insert((workspace.clone(), held), entry);
    }
}

impl Engine {
    /// Takes a place for one more task.
    ///
    /// # Errors
    /// `quota_exceeded`.
    pub(crate) async fn take_place(&self, scope: &Scope, settings: &Settings) -> Result<(), Error> {
        let workspace = scope.workspace_id();
        for held in Held::ALL {
            let most = settings.limit(held.limit());
            let now = self.inner.clock.now();
            let quotas = &self.inner.quotas;
            let full = match quotas.take(workspace, held, most, now) {
                Look::Taken => false,
                Look::Full => true,
                Look::Unknown => {
                    let count = self.count(scope, held, most).await?;
                    quotas.learn(workspace, held, count, now);
                    quotas.take(workspace, held, most, now) != Look::Taken
                }
            };
            if full {
                return Err(Error::limited(
                    "quota_exceeded",
                    held.limit(),
                    most,
                    held.again_ms(),
                ));
            }
        }
        Ok(())
    }

    /// How many there are, counting no further than the limit.
    async fn count(&self, scope: &Scope, held: Held, most: u64) -> Result<u64, Error> {
        let scope = scope.clone();
        self.inner
            .store
            .read(move |r| {
                Ok(match held {
                    Held::Active => store::quotas::tasks_active(r, &scope, most)?,
                    Held::Waiting => store::quotas::tasks_waiting(r, &scope, most)?,
                    Held::Asked => store::quotas::approvals_pending(r, &scope, most)?,
                })
            })
            .await
    }
}

/// Counts a task into the day of its workspace, and of the key or grant it came in with.
///
/// # Errors
/// `quota_exceeded`, with the time until the day is over; the transaction is to be given up.
pub(crate) fn count_into_day(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    task: &Task,
    settings: &Settings,
) -> Result<(), Error> {
    let day = task.created_at.0.div_euclid(DAY_MS);
    let rest_ms = u64::try_from(DAY_MS - task.created_at.0.rem_euclid(DAY_MS)).unwrap_or(0);
    let check = |count: u64, limit: Limit| {
        let most = settings.limit(limit);
        if count > most {
            Err(Error::limited("quota_exceeded", limit, most, rest_ms))
        } else {
            Ok(())
        }
    };
    let per_key = Limit::TasksPerDayPerKey;
    let all = store::quotas::count_task(tx, scope, day, None)?;
    if all == 1 {
        store::quotas::forget_days_before(tx, scope, day - DAYS_KEPT)?;
    }
    check(all, Limit::TasksPerDay)?;
    if let Some(key) = &task.key_id {
        let with_key = store::quotas::count_task(tx, scope, day, Some(key.as_str()))?;
        check(with_key, per_key)?;
        let held = store::keys::get(tx, scope, key)?;
        let own = held.and_then(|key| key.limits.tasks_per_day);
        if let Some(own) = own.filter(|most| with_key > *most) {
            let code = "quota_exceeded";
            return Err(Error::limited_by_key(code, per_key, own, rest_ms));
        }
    } else if let Some(grant) = &task.grant_id {
        let with_grant = store::quotas::count_task(tx, scope, day, Some(grant.as_str()))?;
        check(with_grant, per_key)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_known_for_a_moment_and_refused_for_a_shorter_one() {
        let quotas = Quotas::default();
        let (place, held) = (WorkspaceId::from_bits([1; 16]), Held::Active);
        let take = |most, ms| quotas.take(&place, held, most, Timestamp(ms));
        assert_eq!(take(3, 0), Look::Unknown);
        quotas.learn(&place, held, 1, Timestamp(0));
        assert_eq!(take(3, 1), Look::Taken);
        assert_eq!(take(3, 2), Look::Taken);
        assert_eq!(take(3, 3), Look::Full, "what was taken since counts");
        assert_eq!(take(3, 250), Look::Unknown, "something may have ended");
        assert_eq!(take(4, 4_999), Look::Taken);
        quotas.learn(&place, held, 0, Timestamp(5_000));
        assert_eq!(take(3, 10_000), Look::Unknown, "too long ago");
        let other = WorkspaceId::from_bits([2; 16]);
        let elsewhere = quotas.take(&other, held, 3, Timestamp(5_001));
        assert_eq!(elsewhere, Look::Unknown);
    }
}
