//! Reading sources again by the clock: each when its time has come, one after the other, by one of
//! the servers that share the database.
//!
//! A source that is due is claimed by moving its time on, so a server that dies while it reads loses
//! nothing but that while. A reading that finds nothing new writes one row and tells nobody.

use super::refresh::Doubtful;
use super::told;
use crate::{Engine, Error, entropy};
use domain::Timestamp;
use domain::access::{Caller, Permission, Scope};
use domain::source::{Origin, RefreshEvery, Source, SourceStatus, next_read};
use futures_util::future::BoxFuture;
use store::Tx;
use store::sources::upkeep::{self, Due};
use tokio::sync::Notify;
use tools::Validators;

/// How soon after its start a server looks for what is due, and how often at least.
const FIRST_LOOK_MS: u64 = 3_000;
const LOOK_MS: u64 = 60_000;
/// The pause after a look that found something, at least.
const PAUSE_MS: u64 = 200;
/// Sources that one look finds.
const DUE_AT_ONCE: u32 = 20;
/// What a server may say of how long its list of tools holds: at least and at most.
const TTL_MS_MIN: u64 = 60_000;
const TTL_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// How long a server has to read one source before another tries.
const CLAIM_MS: i64 = 10 * 60_000;

/// Wakes the loop when a time may have come nearer.
#[derive(Default)]
pub(crate) struct Schedule {
    look: Notify,
}

impl Schedule {
    pub(crate) fn look(&self) {
        self.look.notify_one();
    }
}

/// When something is planned: this server's clock, and by how much the plan is moved, so that what
/// is planned at once is not done at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    spread: u8,
}

impl Moment {
    /// When a source is to be read next; none if it is not read by itself.
    pub(super) fn next(
        self,
        tx: &mut Tx<'_>,
        scope: &Scope,
        source: &Source,
        (failures, ttl_ms): (u32, Option<u64>),
    ) -> Result<Option<Timestamp>, Error> {
        let every = match (&source.origin, source.upkeep.refresh_every) {
            (Origin::Upload(_), _) => return Ok(None),
            // A command runs on this server: nothing of it changes by itself.
            (Origin::Command(_), None) => return Ok(None),
            (Origin::Url(_) | Origin::Command(_), Some(every)) => every,
            (Origin::Url(_), None) => store::settings::get(tx, scope)?.source_refresh_every(),
        };
        // Whichever server finds it due looks at the clock that all share.
        let now = tx.now(self.now)?;
        let next = next_read(every, failures, self.spread, now);
        // What its server says of itself counts where nobody has said how often.
        let said = ttl_ms.filter(|_| failures == 0 && source.upkeep.refresh_every.is_none());
        Ok(match (next, said) {
            (Some(_), Some(ttl)) => {
                let ttl = ttl.clamp(TTL_MS_MIN, TTL_MS_MAX);
                Some(now.plus_ms(i64::try_from(ttl).unwrap_or(i64::MAX)))
            }
            (next, _) => next,
        })
    }
}

impl Engine {
    pub(super) fn moment(&self) -> Moment {
        let [byte] = entropy::bytes::<1>();
        Moment {
            now: self.inner.clock.now(),
            spread: (u16::from(byte) * 200 / 255) as u8,
        }
    }

    /// Says how often a source is read again by itself; with none as often as the workspace says.
    ///
    /// # Errors
    /// `not_found`, `forbidden`; `invalid_source` for one that was uploaded.
    pub fn set_source_refresh(
        &self,
        caller: &Caller,
        name_or_id: &str,
        every: Option<RefreshEvery>,
    ) -> BoxFuture<'_, Result<Source, Error>> {
        let (caller, wanted) = (caller.clone(), name_or_id.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageSources)?;
            let mut source = self.source(&caller, &wanted).await?;
            if matches!(source.origin, Origin::Upload(_)) {
                return Err(Error::invalid(
                    "invalid_source",
                    format!(
                        "{} was read from a file, which nobody but you can read again; add it by \
                         its address to have it refreshed",
                        source.name
                    ),
                ));
            }
            source.upkeep.refresh_every = every;
            let moment = self.moment();
            let source = self
                .commit(&scope, {
                    let scope = scope.clone();
                    move |tx| {
                        let mut source = source.clone();
                        let next = moment.next(tx, &scope, &source, (0, None))?;
                        upkeep::set_every(tx, &scope, &source.id, every, next)?;
                        source.upkeep.next_refresh_at = next;
                        told(tx, &scope, Some(&caller), &source, "changed", moment.now)?;
                        Ok(source)
                    }
                })
                .await?;
            self.inner.schedule.look();
            Ok(source)
        })
    }

    /// Plans every source of a workspace anew that goes by what the workspace says.
    pub(crate) fn plan_sources(
        &self,
    ) -> impl Fn(&mut Tx<'_>, &Scope) -> Result<(), Error> + Send + 'static + use<> {
        let moment = self.moment();
        move |tx, scope| {
            for source in store::sources::list(tx, scope)? {
                if source.upkeep.refresh_every.is_none() {
                    let next = moment.next(tx, scope, &source, (source.upkeep.failures, None))?;
                    upkeep::set_next(tx, scope, &source.id, next)?;
                }
            }
            Ok(())
        }
    }

    pub(crate) async fn refresh_loop(self) {
        let mut wait_ms = FIRST_LOOK_MS;
        loop {
            tokio::select! {
                biased;
                () = self.stopping() => return,
                () = self.inner.schedule.look.notified() => {}
                () = self.inner.clock.sleep(wait_ms) => {}
            }
            let looked = tokio::select! {
                biased;
                () = self.stopping() => return,
                looked = self.refresh_what_is_due() => looked,
            };
            wait_ms = looked.unwrap_or_else(|error| {
                tracing::warn!("could not look for sources to refresh: {error}");
                LOOK_MS
            });
        }
    }

    /// Reads what is due; answers in how many milliseconds to look again. Safe to drop: what was
    /// claimed and not read is tried again later.
    async fn refresh_what_is_due(&self) -> Result<u64, Error> {
        let system = self.inner.system;
        let now = self.shared_now().await?;
        let due = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(upkeep::due(r, system, now, DUE_AT_ONCE)?))
            .await?;
        for one in due {
            let (wanted, until) = (one.clone(), now.plus_ms(CLAIM_MS));
            let claimed: Result<bool, Error> = self
                .inner
                .store
                .write(move |tx| Ok(upkeep::claim(tx, &wanted, until)?))
                .await;
            if claimed? && let Err(error) = self.refresh_by_clock(&one).await {
                tracing::info!(source.id = %one.id, "a source could not be refreshed: {error}");
            }
        }
        let next = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(upkeep::next_due(r, system)?))
            .await?;
        let now = self.shared_now().await?;
        Ok(next.map_or(LOOK_MS, |at| at.since(now).clamp(PAUSE_MS, LOOK_MS)))
    }

    async fn refresh_by_clock(&self, due: &Due) -> Result<(), Error> {
        let (scope, id) = (due.scope.clone(), due.id.clone());
        let (source, known) = self
            .inner
            .store
            .read(move |r| {
                let source = store::sources::get(r, &scope, &id)?;
                Ok::<_, Error>((source, upkeep::validators(r, &scope, &id)?))
            })
            .await?;
        let Some(source) = source else { return Ok(()) };
        let scope = &due.scope;
        // One that is degraded is read in full: what is stored of it may be what is wrong.
        let sound = source.status == SourceStatus::Ready;
        let known: Option<Validators> = known
            .filter(|_| sound)
            .and_then(|text| serde_json::from_str(&text).ok());
        let read = self.import_again(scope, &source, known.as_ref(), None);
        let mut ttl_ms = None;
        let read = match read.await {
            Ok(Some(read)) if sound && read.is_of(&source) => {
                ttl_ms = read.ttl_ms;
                None
            }
            Ok(read) => read,
            Err(error) => {
                self.reading_failed(scope, None, &source, &error.to_string())
                    .await?;
                return Err(error);
            }
        };
        match read {
            Some(read) => {
                let taken = self
                    .take_over(scope, None, source, read, Doubtful::KeepOld)
                    .await?;
                tracing::info!(
                    source.id = %due.id,
                    changes = taken.changes.len(),
                    "a source's description has changed and is taken over"
                );
                Ok(())
            }
            None => self.found_unchanged(scope, source, ttl_ms).await,
        }
    }

    async fn found_unchanged(
        &self,
        scope: &Scope,
        source: Source,
        ttl_ms: Option<u64>,
    ) -> Result<(), Error> {
        let (scope, moment) = (scope.clone(), self.moment());
        self.inner
            .store
            .write(move |tx| {
                let next = moment.next(tx, &scope, &source, (0, ttl_ms))?;
                upkeep::found_unchanged(tx, &scope, &source.id, moment.now, next)?;
                Ok(())
            })
            .await
    }
}
