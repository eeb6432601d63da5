//! Removes what has outlived its time: ended tasks after the days their workspace keeps them, the
//! values and events that belonged to them, remembered answers, old snapshots.
//!
//! One server at a time, in transactions of a few hundred rows with a pause after each, so that no
//! task waits for it. It never touches a live task; of the audit chain it has only removed
//! what an organization says it keeps no longer (`audit/checkpoints.rs`). Looking often costs little:
//! each look is one read that finds nothing.

use crate::sources::KEPT_MS;
use crate::{Engine, Error};
use domain::Timestamp;
use domain::access::Scope;

/// How soon after its start a server looks for what is to be removed, and how often then.
const FIRST_LOOK_MS: u64 = 2_000;
const LOOK_MS: u64 = 60_000;
/// Every so many looks it goes through all values, even if no task was removed.
const LOOKS_AT_VALUES: u64 = 60;
/// How long a server has the right to remove without renewing it.
const LEASE_MS: i64 = 3 * 60_000;
/// The pause after each transaction.
const PAUSE_MS: u64 = 10;
/// How long an answer to an `Idempotency-Key` is remembered.
const ANSWERS_MS: i64 = DAY_MS;
/// How long a waiting program is kept as it rests; later it is rebuilt from its journal.
const SNAPSHOT_MS: i64 = DAY_MS;
/// How long a value is kept after its last use though nothing refers to it. Longer than the step in
/// which uses are written down, and than clocks of servers differ.
const VALUE_MS: i64 = 3 * 3_600_000;
/// How long a grant that is over is remembered: longer than any task may wait.
const GRANTS_MS: i64 = 90 * DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;

impl Engine {
    pub(crate) async fn retention_loop(self) {
        let (mut wait_ms, mut looks) = (FIRST_LOOK_MS, 0);
        loop {
            tokio::select! {
                biased;
                () = self.stopping() => break,
                () = self.inner.clock.sleep(wait_ms) => {}
            }
            wait_ms = LOOK_MS;
            if let Err(error) = self.remove_what_is_over(looks).await {
                tracing::warn!("what has outlived its time could not be removed: {error}");
            }
            looks += 1;
        }
        let (system, owner) = (self.inner.system, self.inner.worker.owner().to_owned());
        let let_go = self
            .inner
            .store
            .write(move |tx| Ok::<_, Error>(store::retention::let_go(tx, system, &owner)?));
        if let Err(error) = let_go.await {
            tracing::info!("the next server waits until the right to remove runs out: {error}");
        }
    }

    /// One look at everything. Ends early when the server stops or another one does the work.
    async fn remove_what_is_over(&self, look: u64) -> Result<(), Error> {
        self.look_after_keys_here().await?;
        if !self.may_remove().await? {
            return Ok(());
        }
        let (system, now) = (self.inner.system, self.inner.clock.now());
        self.forget_answers(now).await?;
        self.forget_grants(GRANTS_MS).await?;
        self.in_steps(move |tx| {
            let removed = store::retention::remove_snapshots(tx, system, now.plus_ms(-SNAPSHOT_MS));
            Ok(removed? > 0)
        })
        .await?;
        self.in_steps(move |tx| {
            store::traffic::forget_before(tx, system, now.plus_ms(-KEPT_MS))?;
            Ok(false)
        })
        .await?;
        let mut removed = 0;
        for (scope, before) in self.outlived(now).await? {
            // What keeps one workspace's tasks from going must not keep the others'.
            match self.remove_ended(&scope, before).await {
                Ok(gone) => removed += gone,
                Err(error) => tracing::warn!(
                    workspace.id = %scope.workspace_id(),
                    "ended tasks could not be removed: {error}"
                ),
            }
        }
        if let Err(error) = self.look_after_keys().await {
            tracing::warn!("values could not be sealed anew: {error}");
        }
        if let Err(error) = self.look_after_audit(now).await {
            tracing::warn!("the audit chain could not be looked after: {error}");
        }
        if removed > 0 || look.is_multiple_of(LOOKS_AT_VALUES) {
            self.remove_values(now.plus_ms(-VALUE_MS)).await?;
        }
        Ok(())
    }

    /// The workspaces in which something has outlived its time, each with the instant before which it
    /// ended. One read for all of them, and no write where there is nothing to remove.
    async fn outlived(&self, now: Timestamp) -> Result<Vec<(Scope, Timestamp)>, Error> {
        let system = self.inner.system;
        // Nothing is kept for less than a day.
        let shortest = now.plus_ms(-DAY_MS);
        self.inner
            .store
            .read(move |r| {
                let mut outlived = Vec::new();
                for (scope, settings) in store::retention::workspaces(r, system, shortest)? {
                    let Some(days) = settings.kept_days() else {
                        continue;
                    };
                    let before = now.plus_ms(-i64::from(days) * DAY_MS);
                    if store::retention::has_outlived(r, &scope, before)? {
                        outlived.push((scope, before));
                    }
                }
                Ok::<_, Error>(outlived)
            })
            .await
    }

    async fn may_remove(&self) -> Result<bool, Error> {
        if self.is_stopping() {
            return Ok(false);
        }
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let owner = self.inner.worker.owner().to_owned();
        self.inner
            .store
            .write(move |tx| {
                let now = tx.now(local)?;
                let until = now.plus_ms(LEASE_MS);
                Ok(store::retention::claim(tx, system, &owner, now, until)?)
            })
            .await
    }

    /// Runs a step, again and again as long as it says that there may be more.
    async fn in_steps(
        &self,
        step: impl Fn(&mut store::Tx<'_>) -> Result<bool, Error> + Clone + Send + 'static,
    ) -> Result<(), Error> {
        while self.inner.store.write(step.clone()).await? && !self.is_stopping() {
            self.inner.clock.sleep(PAUSE_MS).await;
        }
        Ok(())
    }

    /// Before tasks are removed, so that no remembered answer names one that is gone: a task is kept
    /// for a day at least.
    async fn forget_answers(&self, now: Timestamp) -> Result<(), Error> {
        let system = self.inner.system;
        self.in_steps(move |tx| {
            let before = now.plus_ms(-ANSWERS_MS);
            Ok(store::idempotency::forget_before(tx, system, before)? > 0)
        })
        .await
    }

    /// Removes what has ended in a workspace before an instant; answers how many tasks went.
    async fn remove_ended(&self, scope: &Scope, before: Timestamp) -> Result<u64, Error> {
        let mut removed = 0_u64;
        loop {
            let of = scope.clone();
            let ended = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::retention::ended_tasks(r, &of, before)?))
                .await?;
            if ended.is_empty() || !self.may_remove().await? {
                break;
            }
            for id in ended {
                if self.is_stopping() {
                    return Ok(removed);
                }
                let (of, task) = (scope.clone(), id.clone());
                self.in_steps(move |tx| {
                    Ok(store::retention::remove_task_events(
                        tx, &of, &task, before,
                    )?)
                })
                .await?;
                let of = scope.clone();
                let gone: Result<bool, Error> = self
                    .inner
                    .store
                    .write(move |tx| Ok(store::retention::remove_task(tx, &of, &id, before)?))
                    .await;
                removed += u64::from(gone?);
                self.inner.clock.sleep(PAUSE_MS).await;
            }
        }
        let of = scope.clone();
        self.in_steps(move |tx| Ok(store::retention::remove_other_events(tx, &of, before)?))
            .await?;
        if removed > 0 {
            tracing::info!(
                workspace.id = %scope.workspace_id(),
                tasks = removed,
                "ended tasks have outlived their time and are removed"
            );
        }
        Ok(removed)
    }

    async fn remove_values(&self, before: Timestamp) -> Result<(), Error> {
        let system = self.inner.system;
        loop {
            let idle = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::retention::idle_values(r, system, before)?))
                .await?;
            if idle.is_empty() || !self.may_remove().await? {
                return Ok(());
            }
            let mut removed = 0;
            for (scope, digest) in idle {
                if self.is_stopping() {
                    return Ok(());
                }
                let gone: Result<u64, Error> = self
                    .inner
                    .store
                    .write(move |tx| {
                        Ok(store::retention::remove_values(
                            tx, &scope, &digest, before,
                        )?)
                    })
                    .await;
                removed += gone?;
                self.inner.clock.sleep(PAUSE_MS).await;
            }
            if removed == 0 {
                // All of them were taken into use again in between.
                return Ok(());
            }
        }
    }
}
