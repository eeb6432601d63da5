//! The task worker: claims what is queued, renews leases, expires approvals, takes back what a
//! server that is gone has left.
//!
//! Every duty is a loop that looks at the database; notices only make it look sooner.

use crate::gate;
use crate::live::Live;
use crate::run::Started;
use crate::{Engine, Error, entropy};
use domain::access::Scope;
use domain::approval::Approval;
use domain::audit::AuditDraft;
use domain::limits::LEASE_MS;
use domain::task::{Lease, Task};
use domain::{AuditId, Timestamp};
use futures_util::future::BoxFuture;
use sandbox::Incident;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tasks that one server runs at once; more are queued.
const TASKS_AT_ONCE: usize = 256;
/// How often a server looks for work that nobody told it of.
const LOOK_MS: u64 = 1_000;

/// A task on its first run, before it is recorded.
pub(crate) struct FirstRun {
    pub(crate) task: Task,
    pub(crate) live: Arc<Live>,
    pub(crate) program: Arc<sandbox::Program>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// What the worker's loops share.
pub(crate) struct Worker {
    owner: String,
    permits: Arc<Semaphore>,
    kick: Notify,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Worker {
    pub(crate) fn new(owner: String) -> Self {
        Self {
            owner,
            permits: Arc::new(Semaphore::new(TASKS_AT_ONCE)),
            kick: Notify::new(),
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
        }
    }

    /// The name under which this server holds leases.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// The right to run one more task, unless as many run as may or the server is going down.
    pub(crate) fn try_permit(&self) -> Option<OwnedSemaphorePermit> {
        if self.stop.is_cancelled() {
            return None;
        }
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Something was queued: look now.
    pub(crate) fn kick(&self) {
        self.kick.notify_one();
    }
}

impl Engine {
    /// Takes back the tasks of this server's predecessor on the same data directory, whose lock
    /// proves that it is gone. Of other servers their leases tell.
    pub(crate) async fn recover(&self) -> Result<(), Error> {
        let system = self.inner.system;
        let owner = self.inner.worker.owner.clone();
        let taken = self
            .inner
            .store
            .write(move |tx| Ok::<_, Error>(store::tasks::abandon(tx, system, &owner)?))
            .await?;
        if taken > 0 {
            tracing::info!(
                tasks = taken,
                "taking back the tasks of the server before this one"
            );
        }
        Ok(())
    }

    pub(crate) fn start_workers(&self, incidents: mpsc::Receiver<Incident>) {
        let tracker = &self.inner.worker.tracker;
        tracker.spawn(self.clone().incident_loop(incidents));
        tracker.spawn(self.clone().claim_loop());
        tracker.spawn(self.clone().lease_loop());
        tracker.spawn(self.clone().expiry_loop());
        tracker.spawn(self.clone().webhook_loop());
    }

    pub(crate) async fn stop_workers(&self) {
        self.inner.worker.stop.cancel();
        for live in self.inner.live.all() {
            live.signals.send_modify(|s| s.shutdown = true);
        }
        self.inner.worker.tracker.close();
        self.inner.worker.tracker.wait().await;
    }

    /// Starts something that the server waits for when it goes down; it ends by itself then.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.inner.worker.tracker.spawn(work);
    }

    /// Returns when the server is going down.
    pub(crate) async fn stopping(&self) {
        self.inner.worker.stop.cancelled().await;
    }

    /// Whether the server is going down.
    pub(crate) fn is_stopping(&self) -> bool {
        self.inner.worker.stop.is_cancelled()
    }

    async fn claim_loop(self) {
        let worker = &self.inner.worker;
        while !worker.stop.is_cancelled() {
            match self.claim_all().await {
                Ok(()) => {}
                Err(error) => tracing::warn!("could not look for queued tasks: {error}"),
            }
            tokio::select! {
                biased;
                () = worker.stop.cancelled() => return,
                () = worker.kick.notified() => {}
                () = self.inner.clock.sleep(LOOK_MS) => {}
            }
        }
    }

    async fn claim_all(&self) -> Result<(), Error> {
        if self.inner.runtimes.refusal().is_some() {
            // Left as recorded: another server, or this one on a better machine, runs them.
            return Ok(());
        }
        loop {
            let Some(permit) = self.inner.worker.try_permit() else {
                return Ok(());
            };
            let (system, owner) = (self.inner.system, self.inner.worker.owner.clone());
            let now = self.inner.clock.now();
            let claimable = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::tasks::claimable(r, system, now)?))
                .await?;
            if !claimable {
                return Ok(());
            }
            let claimed = self
                .inner
                .store
                .write(move |tx| {
                    let until = now.plus_ms(LEASE_MS);
                    Ok::<_, Error>(store::tasks::claim_next(tx, system, &owner, now, until)?)
                })
                .await?;
            let Some((task, lease)) = claimed else {
                return Ok(());
            };
            tracing::debug!(task.id = %task.id, attempt = task.attempts, "task claimed");
            let live = self.inner.live.enter(&task.id);
            self.spawn_run(task, lease, live, permit);
        }
    }

    /// Runs a task that is just being recorded. Whoever submits it may hang up in between: what is
    /// recorded as running is run all the same. Completes when the task is recorded.
    pub(crate) async fn spawn_first_run(
        &self,
        first: FirstRun,
        claim: BoxFuture<'static, Result<Lease, Error>>,
    ) -> Result<(), Error> {
        let (recorded, told) = oneshot::channel();
        let engine = self.clone();
        self.inner.worker.tracker.spawn(async move {
            let FirstRun {
                task,
                live,
                program,
                permit,
            } = first;
            // Nobody may be listening any more; the task is run for its own sake.
            let claim = async {
                let claimed = claim.await;
                let told = claimed.as_ref().map(|_| ()).map_err(Clone::clone);
                let _listening = recorded.send(told);
                claimed
            };
            // The program starts while the task is being recorded: until that is done nobody
            // hears what it says, so nothing of it leaves the sandbox.
            let start = async { Ok(crate::run::start(&engine, &task, program).await) };
            match tokio::try_join!(claim, start) {
                Ok((lease, started)) => {
                    engine
                        .run_to_end(task, lease, live, Some(started), permit)
                        .await;
                }
                Err(_) => engine.inner.live.leave(&task.id, &live),
            }
        });
        told.await.unwrap_or_else(|_| {
            Err(Error::Unavailable {
                message: "the server is stopping".into(),
            })
        })
    }

    /// Runs a claimed task until it ends, waits too long for a person, or the server stops.
    pub(crate) fn spawn_run(
        &self,
        task: Task,
        lease: Lease,
        live: Arc<Live>,
        permit: OwnedSemaphorePermit,
    ) {
        let engine = self.clone();
        self.inner.worker.tracker.spawn(async move {
            engine.run_to_end(task, lease, live, None, permit).await;
        });
    }

    async fn run_to_end(
        &self,
        task: Task,
        lease: Lease,
        live: Arc<Live>,
        started: Option<Started>,
        permit: OwnedSemaphorePermit,
    ) {
        let id = task.id.clone();
        crate::run::run(self, task, lease, &live, started).await;
        self.inner.live.leave(&id, &live);
        let was_full = self.inner.worker.permits.available_permits() == 0;
        drop(permit);
        if was_full {
            // A place is free: whatever was queued for want of one may begin.
            self.inner.worker.kick();
        }
    }

    async fn lease_loop(self) {
        let worker = &self.inner.worker;
        loop {
            tokio::select! {
                biased;
                () = worker.stop.cancelled() => return,
                () = self.inner.clock.sleep(LEASE_MS.unsigned_abs() / 5) => {}
            }
            if self.inner.live.len() == 0 {
                continue;
            }
            let (system, owner) = (self.inner.system, worker.owner.clone());
            let until = self.inner.clock.now().plus_ms(LEASE_MS);
            let renewed: Result<u64, Error> = self
                .inner
                .store
                .write(move |tx| Ok(store::tasks::renew(tx, system, &owner, until)?))
                .await;
            if let Err(error) = renewed {
                tracing::warn!("leases could not be renewed: {error}");
            }
            if let Err(error) = self.pass_on_cancels().await {
                tracing::warn!("could not look for canceled tasks: {error}");
            }
        }
    }

    /// Cancels that another server recorded reach the task here.
    async fn pass_on_cancels(&self) -> Result<(), Error> {
        let (system, owner) = (self.inner.system, self.inner.worker.owner.clone());
        let ids = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::tasks::cancel_requested(r, system, &owner)?))
            .await?;
        for id in ids {
            if let Some(live) = self.inner.live.get(&id) {
                live.signals.send_modify(|s| s.cancel = true);
            }
        }
        Ok(())
    }

    async fn expiry_loop(self) {
        loop {
            tokio::select! {
                biased;
                () = self.inner.worker.stop.cancelled() => return,
                () = self.inner.clock.sleep(LOOK_MS) => {}
            }
            if let Err(error) = self.expire_due().await {
                tracing::warn!("could not expire approvals: {error}");
            }
        }
    }

    async fn expire_due(&self) -> Result<(), Error> {
        let (system, now) = (self.inner.system, self.inner.clock.now());
        let next = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::approvals::next_expiry(r, system)?))
            .await?;
        if next.is_none_or(|at| at > now) {
            return Ok(());
        }
        let expired = self
            .inner
            .store
            .write(move |tx| {
                let expired = store::approvals::expire_due(tx, system, now)?;
                for (scope, approval) in &expired {
                    expire(tx, scope, approval, now)?;
                    store::tasks::wake(tx, system, &approval.binding.task_id)?;
                }
                Ok::<_, Error>(expired)
            })
            .await?;
        for (scope, approval) in expired {
            self.inner.feed.wake(scope.workspace_id());
            self.tell_answered(&approval);
        }
        Ok(())
    }

    /// An approval was resolved: its task goes on, here or wherever it is claimed next.
    pub(crate) fn tell_answered(&self, approval: &Approval) {
        match self.inner.live.get(&approval.binding.task_id) {
            Some(live) => live.signals.send_modify(|s| s.answers += 1),
            None => self.inner.worker.kick(),
        }
    }
}

fn expire(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    approval: &Approval,
    now: Timestamp,
) -> Result<(), Error> {
    gate::approval_event(tx, scope, approval, now)?;
    let draft = AuditDraft {
        id: AuditId::from_bits(entropy::bits()),
        workspace_id: scope.workspace_id().clone(),
        account_id: None,
        via: "server".into(),
        action: "approval.expired".into(),
        subject: approval.id.to_string(),
        detail: json!({
            "task": approval.binding.task_id,
            "tool": approval.binding.tool,
            "expiredAt": approval.expires_at.to_rfc3339(),
        })
        .to_string(),
        at: now,
    };
    store::audit::append(tx, scope, draft)?;
    Ok(())
}
