//! How many requests a workspace, and one key or person in it, may make: a bucket of tokens for
//! each, in the memory of this server. With several servers each has buckets of its own, which the
//! limits' descriptions say.
//!
//! The settings of a workspace are kept here for a moment, so that counting a request asks the
//! database nothing.

use crate::{Engine, Error};
use domain::access::{Caller, Permission, Scope};
use domain::limits::Limit;
use domain::settings::Settings;
use domain::{Timestamp, WorkspaceId};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long settings are taken as read: a change made at another server holds here after it.
const SETTINGS_MS: u64 = 2_000;
/// Buckets kept at most; when there are more, the full ones are dropped, which loses nothing.
const BUCKETS_MAX: usize = 10_000;

/// The buckets of this server, and the settings they are filled by.
#[derive(Default)]
pub(crate) struct Rates {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    settings: HashMap<WorkspaceId, (Arc<Settings>, Timestamp)>,
    /// Those of workspaces have no second part; those of people and keys do.
    buckets: HashMap<(WorkspaceId, Option<String>), Bucket>,
}

/// What is left of a burst, in thousandths of a request, at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    left: u64,
    at: Timestamp,
}

/// A rate: tokens that come back each second, and how many there may be.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: u64,
    burst: u64,
}

impl Bucket {
    /// The bucket as it is at a later moment, when more has flowed in.
    fn at(self, rate: Rate, now: Timestamp) -> Self {
        let come = now.since(self.at).saturating_mul(rate.per_second);
        Self {
            left: self
                .left
                .saturating_add(come)
                .min(rate.burst.saturating_mul(1_000)),
            at: self.at.max(now),
        }
    }

    /// Takes a request out, or says in how many milliseconds there is room for one.
    fn take(&mut self, rate: Rate) -> Result<(), u64> {
        if self.left >= 1_000 {
            self.left -= 1_000;
            return Ok(());
        }
        Err((1_000 - self.left).div_ceil(rate.per_second.max(1)))
    }
}

impl Rates {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing is left half done where a panic could poison it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads settings anew from the next request on.
    pub(crate) fn forget(&self, workspace: &WorkspaceId) {
        self.lock().settings.remove(workspace);
    }

    fn known(&self, workspace: &WorkspaceId, now: Timestamp) -> Option<Arc<Settings>> {
        let inner = self.lock();
        let (settings, at) = inner.settings.get(workspace)?;
        (now.since(*at) < SETTINGS_MS).then(|| Arc::clone(settings))
    }

    fn learn(&self, workspace: &WorkspaceId, settings: Settings, now: Timestamp) -> Arc<Settings> {
        let settings = Arc::new(settings);
        let mut inner = self.lock();
        inner
            .settings
            .insert(workspace.clone(), (Arc::clone(&settings), now));
        settings
    }

    /// Counts a request of `who` in a workspace: both buckets must have room, or neither is used.
    fn take(
        &self,
        workspace: &WorkspaceId,
        who: String,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<(), (Limit, u64)> {
        let rate = |per_second, burst| Rate {
            per_second: settings.limit(per_second),
            burst: settings.limit(burst),
        };
        let all = rate(Limit::RequestsPerSecond, Limit::RequestBurst);
        let each = rate(Limit::RequestsPerSecondEach, Limit::RequestBurstEach);
        let mut inner = self.lock();
        if inner.buckets.len() >= BUCKETS_MAX {
            inner.buckets.retain(|(_, who), bucket| {
                let rate = if who.is_some() { each } else { all };
                bucket.at(rate, now).left < rate.burst.saturating_mul(1_000)
            });
        }
        let full = |rate: Rate| Bucket {
            left: rate.burst.saturating_mul(1_000),
            at: now,
        };
        let (whole, own) = ((workspace.clone(), None), (workspace.clone(), Some(who)));
        let found = |key: &(WorkspaceId, Option<String>), rate: Rate| {
            inner.buckets.get(key).copied().unwrap_or(full(rate))
        };
        let mut of_all = found(&whole, all).at(all, now);
        let mut of_each = found(&own, each).at(each, now);
        of_each
            .take(each)
            .map_err(|wait| (Limit::RequestsPerSecondEach, wait))?;
        of_all
            .take(all)
            .map_err(|wait| (Limit::RequestsPerSecond, wait))?;
        inner.buckets.insert(whole, of_all);
        inner.buckets.insert(own, of_each);
        Ok(())
    }
}

impl Engine {
    /// Counts a request against the rates of the caller's workspace and of the caller.
    ///
    /// # Errors
    /// `rate_limited`, with the time after which there is room again.
    pub fn count_request(&self, caller: &Caller) -> BoxFuture<'_, Result<(), Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let settings = self.settings_at_hand(&scope).await?;
            let who = match &caller.key_id {
                Some(key) => key.to_string(),
                None => caller.account_id.to_string(),
            };
            let now = self.inner.clock.now();
            let taken = self
                .inner
                .rates
                .take(scope.workspace_id(), who, &settings, now);
            taken.map_err(|(limit, wait_ms)| {
                Error::limited("rate_limited", limit, settings.limit(limit), wait_ms)
            })
        })
    }

    /// The settings of a workspace as they were a moment ago at the latest.
    pub(crate) async fn settings_at_hand(&self, scope: &Scope) -> Result<Arc<Settings>, Error> {
        let now = self.inner.clock.now();
        let rates = &self.inner.rates;
        if let Some(known) = rates.known(scope.workspace_id(), now) {
            return Ok(known);
        }
        let wanted = scope.clone();
        let read = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::settings::get(r, &wanted)?))
            .await?;
        Ok(rates.learn(scope.workspace_id(), read, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: [(Limit, u64); 4] = [
        (Limit::RequestsPerSecond, 10),
        (Limit::RequestBurst, 3),
        (Limit::RequestsPerSecondEach, 1),
        (Limit::RequestBurstEach, 2),
    ];

    fn workspace(n: u8) -> WorkspaceId {
        WorkspaceId::from_bits([n; 16])
    }

    #[test]
    fn a_burst_then_the_rate_for_each_and_for_all() {
        let rates = Rates::default();
        let settings = Settings {
            limits: SETTINGS.into(),
            ..Settings::default()
        };
        let take = |place: u8, who: &str, ms: i64| {
            rates.take(&workspace(place), who.to_owned(), &settings, Timestamp(ms))
        };
        assert_eq!(take(1, "ada", 0), Ok(()));
        assert_eq!(take(1, "ada", 0), Ok(()));
        let each = Limit::RequestsPerSecondEach;
        assert_eq!(take(1, "ada", 0), Err((each, 1_000)));
        assert_eq!(
            take(1, "ada", 400),
            Err((each, 600)),
            "refusals cost nothing"
        );
        assert_eq!(take(1, "bob", 400), Ok(()), "another person is not held up");
        assert_eq!(take(1, "ada", 1_000), Ok(()));
        for who in ["a", "b", "c"] {
            assert_eq!(take(2, who, 0), Ok(()));
        }
        let all = Limit::RequestsPerSecond;
        assert_eq!(take(2, "d", 0), Err((all, 100)));
        assert_eq!(take(3, "d", 0), Ok(()), "another workspace is not held up");
        assert_eq!(take(2, "d", 100), Ok(()));
        // A clock that goes back gives nothing and takes nothing.
        assert_eq!(take(2, "e", 50), Err((all, 100)));
    }

    #[test]
    fn full_buckets_are_not_kept() {
        let rates = Rates::default();
        let settings = Settings {
            limits: SETTINGS.into(),
            ..Settings::default()
        };
        for n in 0..BUCKETS_MAX {
            let now = Timestamp(i64::try_from(n).unwrap() * 1_000);
            assert_eq!(
                rates.take(&workspace(1), n.to_string(), &settings, now),
                Ok(())
            );
        }
        assert!(rates.lock().buckets.len() < BUCKETS_MAX);
    }
}
