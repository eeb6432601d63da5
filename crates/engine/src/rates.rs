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
    buckets: HashMap<(WorkspaceId, Whose), Bucket>,
}

/// Whose bucket it is, within a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    /// Everybody's together.
    Workspace,
    /// Of a person, a key or a grant.
    Of(String),
    /// Of a key or a grant, by the minute.
    Minute(String),
}

/// Who makes a request.
struct Who {
    /// The key, the grant, or else the person.
    id: String,
    /// What they may make in a minute, where they came with a key or a token.
    per_minute: Option<u64>,
}

/// What one request is in the unit in which buckets are measured: such that what comes back in a
/// millisecond at a rate by the minute is a whole number.
const REQUEST: u64 = 60_000;

/// What is left of a burst, in parts of a request, at a moment, and the rate it was last used at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    left: u64,
    at: Timestamp,
    rate: Rate,
}

/// A rate: requests that come back each minute, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    per_minute: u64,
    burst: u64,
}

impl Bucket {
    fn full(rate: Rate, now: Timestamp) -> Self {
        Self {
            left: rate.burst.saturating_mul(REQUEST),
            at: now,
            rate,
        }
    }

    /// The bucket as it is at a later moment, when more has flowed in.
    fn at(self, rate: Rate, now: Timestamp) -> Self {
        let come = now.since(self.at).saturating_mul(rate.per_minute);
        Self {
            left: self
                .left
                .saturating_add(come)
                .min(rate.burst.saturating_mul(REQUEST)),
            at: self.at.max(now),
            rate,
        }
    }

    fn is_full(&self) -> bool {
        self.left >= self.rate.burst.saturating_mul(REQUEST)
    }

    /// Takes a request out, or says in how many milliseconds there is room for one.
    fn take(&mut self) -> Result<(), u64> {
        if self.left >= REQUEST {
            self.left -= REQUEST;
            return Ok(());
        }
        Err((REQUEST - self.left).div_ceil(self.rate.per_minute.max(1)))
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

    /// Counts a request of `who` in a workspace: every bucket must have room, or none is used.
    fn take(
        &self,
        workspace: &WorkspaceId,
        who: Who,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<(), (Limit, u64)> {
        let each_second = |per_second, burst| Rate {
            per_minute: settings.limit(per_second).saturating_mul(60),
            burst: settings.limit(burst),
        };
        let all = each_second(Limit::RequestsPerSecond, Limit::RequestBurst);
        let each = each_second(Limit::RequestsPerSecondEach, Limit::RequestBurstEach);
        let minute = who.per_minute.map(|n| Rate {
            per_minute: n,
            burst: n,
        });
        let wanted = [
            minute.map(|rate| {
                let whose = Whose::Minute(who.id.clone());
                (Limit::RequestsPerMinutePerKey, whose, rate)
            }),
            Some((Limit::RequestsPerSecondEach, Whose::Of(who.id), each)),
            Some((Limit::RequestsPerSecond, Whose::Workspace, all)),
        ];
        let mut inner = self.lock();
        if inner.buckets.len() >= BUCKETS_MAX {
            inner
                .buckets
                .retain(|_, bucket| !bucket.at(bucket.rate, now).is_full());
        }
        let mut taken = Vec::with_capacity(wanted.len());
        for (limit, whose, rate) in wanted.into_iter().flatten() {
            let key = (workspace.clone(), whose);
            let found = inner.buckets.get(&key).copied();
            let mut bucket = found.unwrap_or(Bucket::full(rate, now)).at(rate, now);
            bucket.take().map_err(|wait| (limit, wait))?;
            taken.push((key, bucket));
        }
        inner.buckets.extend(taken);
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
            let scope = caller.scope(Permission::Enter)?;
            let settings = self.settings_at_hand(&scope).await?;
            let every_key = settings.limit(Limit::RequestsPerMinutePerKey);
            let own = caller.requests_per_minute.filter(|n| *n < every_key);
            let id = match (&caller.key_id, &caller.grant_id) {
                (Some(key), _) => key.to_string(),
                (None, Some(grant)) => grant.to_string(),
                (None, None) => caller.account_id.to_string(),
            };
            let who = Who {
                id,
                per_minute: caller.is_bound().then(|| own.unwrap_or(every_key)),
            };
            let now = self.inner.clock.now();
            let rates = &self.inner.rates;
            let taken = rates.take(scope.workspace_id(), who, &settings, now);
            taken.map_err(|(limit, wait_ms)| match own {
                Some(own) if limit == Limit::RequestsPerMinutePerKey => {
                    Error::limited_by_key("rate_limited", limit, own, wait_ms)
                }
                Some(_) | None => {
                    Error::limited("rate_limited", limit, settings.limit(limit), wait_ms)
                }
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
            let who = Who {
                id: who.to_owned(),
                per_minute: None,
            };
            rates.take(&workspace(place), who, &settings, Timestamp(ms))
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
    fn a_key_is_held_to_its_minute() {
        let rates = Rates::default();
        let settings = Settings::default();
        let take = |per_minute: u64, ms: i64| {
            let who = Who {
                id: "key".to_owned(),
                per_minute: Some(per_minute),
            };
            rates.take(&workspace(1), who, &settings, Timestamp(ms))
        };
        let limit = Limit::RequestsPerMinutePerKey;
        assert_eq!(take(2, 0), Ok(()));
        assert_eq!(take(2, 0), Ok(()));
        assert_eq!(take(2, 0), Err((limit, 30_000)));
        assert_eq!(take(2, 29_999), Err((limit, 1)));
        assert_eq!(take(2, 30_000), Ok(()));
        assert_eq!(take(2, 30_000), Err((limit, 30_000)));
        assert_eq!(take(2, 90_000), Ok(()));
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
            let who = Who {
                id: n.to_string(),
                per_minute: None,
            };
            assert_eq!(rates.take(&workspace(1), who, &settings, now), Ok(()));
        }
        assert!(rates.lock().buckets.len() < BUCKETS_MAX);
    }
}
