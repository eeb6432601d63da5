//! The task worker: claims what is queued, takes over what lost servers have left, expires approvals.
//!
//! Every duty is a loop that looks at the database; notices only make it look sooner. How this server
//! stands among others is in `servers.rs`.

use crate::audit::by_server;
use crate::gate;
use crate::live::Live;
use crate::run::Started;
use crate::servers::Sharing;
use crate::{Engine, Error};
use domain::access::Scope;
use domain::approval::Approval;
use domain::task::{Lease, Task};
use domain::{Timestamp, WorkspaceId};
use futures_util::future::BoxFuture;
use sandbox::Incident;
use serde_json::json;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use store::tasks::{Claim, Claimed};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tasks that one server runs at once; more are queued.
const TASKS_AT_ONCE: usize = 256;
/// Tasks that one server claims at once: others on the same database want some, too.
const CLAIMS_AT_ONCE: u32 = 16;
/// How often a server looks for work that nobody told it of.
pub(crate) const LOOK_MS: u64 = 1_000;

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
    pub(crate) sharing: Sharing,
    pub(crate) started_at: OnceLock<Timestamp>,
    permits: Arc<Semaphore>,
    kick: Notify,
    /// Something was deleted that is to go at once.
    pub(crate) purge: Notify,
    /// More is queued than there are places: new tasks queue behind it.
    behind: AtomicBool,
    /// The workspace that was given a place last.
    turn: Mutex<Option<WorkspaceId>>,
    /// When the renewal of leases began that succeeded last.
    pub(crate) renewed: watch::Sender<Instant>,
    /// What the last renewal found to be this server's and running nowhere.
    forgotten: Mutex<HashSet<Lease>>,
    /// No more tasks are taken, and those that run come to rest.
    pub(crate) stop: CancellationToken,
    /// Nobody waits for tasks any longer.
    pub(crate) parted: CancellationToken,
    /// All duties end.
    pub(crate) over: CancellationToken,
    pub(crate) runs: TaskTracker,
    duties: TaskTracker,
}

impl Worker {
    pub(crate) fn new(owner: String, sharing: Sharing) -> Self {
        Self {
            owner,
            sharing,
            started_at: OnceLock::new(),
            permits: Arc::new(Semaphore::new(TASKS_AT_ONCE)),
            kick: Notify::new(),
            purge: Notify::new(),
            behind: AtomicBool::new(false),
            turn: Mutex::default(),
            renewed: watch::Sender::new(Instant::now()),
            forgotten: Mutex::default(),
            stop: CancellationToken::new(),
            parted: CancellationToken::new(),
            over: CancellationToken::new(),
            runs: TaskTracker::new(),
            duties: TaskTracker::new(),
        }
    }

    /// The right to run a task that is just being submitted, as [`Worker::try_permit`], unless
    /// others were there before it.
    pub(crate) fn try_permit_at_once(&self) -> Option<OwnedSemaphorePermit> {
        if self.behind.load(Ordering::Relaxed) {
            return None;
        }
        let permit = self.try_permit();
        self.behind.store(permit.is_none(), Ordering::Relaxed);
        permit
    }

    pub(crate) fn forgotten(&self) -> MutexGuard<'_, HashSet<Lease>> {
        self.forgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, Option<WorkspaceId>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Whether as many tasks run as may: another can begin only when one makes room.
    pub(crate) fn is_full(&self) -> bool {
        self.permits.available_permits() == 0
    }

    /// Something was queued: look now.
    pub(crate) fn kick(&self) {
        self.kick.notify_one();
    }
}

impl Engine {
    pub(crate) fn start_workers(&self, incidents: mpsc::Receiver<Incident>) -> Result<(), Error> {
        let worker = &self.inner.worker;
        let duties = &worker.duties;
        duties.spawn(self.clone().incident_loop(incidents));
        duties.spawn(self.clone().claim_loop());
        duties.spawn(self.clone().lease_loop());
        duties.spawn(self.clone().expiry_loop());
        duties.spawn(self.clone().retention_loop());
        duties.spawn(self.clone().purge_loop());
        duties.spawn(self.clone().webhook_loop());
        duties.spawn(self.clone().mcp_loop());
        duties.spawn(self.clone().refresh_loop());
        duties.spawn(self.clone().traffic_loop());
        duties.spawn(self.clone().oauth_loop());
        duties.spawn(self.clone().visitors_loop());
        duties.spawn(self.clone().workos_loop());
        if self.inner.store.is_shared() {
            duties.spawn(self.clone().cancel_loop());
            if worker.sharing.notices {
                let notices = self.inner.store.listen()?;
                duties.spawn(self.clone().listen_loop(notices));
            }
        }
        Ok(())
    }

    pub(crate) async fn stop_workers(&self) {
        let worker = &self.inner.worker;
        worker.stop.cancel();
        worker.over.cancel();
        worker.duties.close();
        worker.duties.wait().await;
    }

    /// Starts something that the server waits for when it goes down; it ends by itself then.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.inner.worker.duties.spawn(work);
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
        let worker = &self.inner.worker;
        loop {
            let claimable = self.look_for_tasks().await?;
            worker.behind.store(claimable, Ordering::Relaxed);
            if !claimable {
                return Ok(());
            }
            let mut permits = Vec::new();
            while permits.len() < CLAIMS_AT_ONCE as usize {
                let Some(permit) = worker.try_permit() else {
                    break;
                };
                permits.push(permit);
            }
            let wanted = u32::try_from(permits.len()).unwrap_or(CLAIMS_AT_ONCE);
            if wanted == 0 {
                return Ok(());
            }
            let claimed = self.claim_up_to(wanted).await?;
            *worker.turn() = claimed.last;
            if claimed.tasks.is_empty() {
                // Another server was faster.
                return Ok(());
            }
            for ((task, lease), permit) in claimed.tasks.into_iter().zip(permits) {
                tracing::debug!(task.id = %task.id, attempt = task.attempts, "task claimed");
                let live = self.inner.live.enter(&task.id);
                self.spawn_run(task, lease, live, permit);
            }
        }
    }

    /// Whether there is something to claim; takes back first what lost servers have left.
    async fn look_for_tasks(&self) -> Result<bool, Error> {
        let (system, owner) = (self.inner.system, self.inner.worker.owner.clone());
        let local = self.inner.clock.now();
        let (lapsed, claimable) = self
            .inner
            .store
            .read(move |r| {
                let now = r.now(local)?;
                let lapsed = store::tasks::lapsed(r, system, now)?;
                let claimable = lapsed || store::tasks::claimable(r, system, &owner, now)?;
                Ok::<_, Error>((lapsed, claimable))
            })
            .await?;
        if lapsed {
            let taken = self
                .inner
                .store
                .write(move |tx| {
                    let now = tx.now(local)?;
                    Ok::<_, Error>(store::tasks::lapse(tx, system, now)?)
                })
                .await?;
            if taken > 0 {
                tracing::warn!(
                    tasks = taken,
                    "the server that ran them has let its leases run out; others take them over"
                );
            }
        }
        Ok(claimable)
    }

    async fn claim_up_to(&self, limit: u32) -> Result<Claimed, Error> {
        let worker = &self.inner.worker;
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let (owner, after) = (worker.owner.clone(), worker.turn().clone());
        let lease_ms = worker.sharing.lease_ms;
        self.inner
            .store
            .write(move |tx| {
                let now = tx.now(local)?;
                let claim = Claim {
                    owner: &owner,
                    now,
                    lease_until: now.plus_ms(lease_ms),
                    after: after.as_ref(),
                    limit,
                };
                Ok(store::tasks::claim(tx, system, &claim)?)
            })
            .await
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
        self.inner.worker.runs.spawn(async move {
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
        self.inner.worker.runs.spawn(async move {
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
        live.has(&lease);
        if self.is_stopping() {
            // It began between the word that all are to come to rest and the last look.
            live.signals.send_modify(|s| s.shutdown = true);
        }
        // Left however the run ends: a task that stays here after its run would never be given back.
        let entered = Entered {
            engine: self,
            live: &live,
            task: task.id.clone(),
        };
        crate::run::run(self, task, lease, &live, started).await;
        drop(entered);
        let worker = &self.inner.worker;
        let was_full = worker.is_full();
        drop(permit);
        if was_full || worker.behind.load(Ordering::Relaxed) {
            // A place is free: whatever was queued for want of one may begin.
            worker.kick();
        }
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
        while !self.is_stopping() && self.expire_some().await? {}
        Ok(())
    }

    /// Expires as many as go into one transaction; whether there may be more.
    async fn expire_some(&self) -> Result<bool, Error> {
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let due = self
            .inner
            .store
            .read(move |r| {
                let Some(next) = store::approvals::next_expiry(r, system)? else {
                    return Ok(false);
                };
                Ok::<_, Error>(next <= r.now(local)?)
            })
            .await?;
        if !due {
            return Ok(false);
        }
        let expired = self
            .inner
            .store
            .write(move |tx| {
                let now = tx.now(local)?;
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
        Ok(true)
    }

    /// An approval was resolved: its task goes on, here or wherever it is claimed next.
    pub(crate) fn tell_answered(&self, approval: &Approval) {
        match self.inner.live.get(&approval.binding.task_id) {
            Some(live) => live.signals.send_modify(|s| s.answers += 1),
            None => self.inner.worker.kick(),
        }
    }
}

/// A task's place among the live ones, while its run goes on.
struct Entered<'e> {
    engine: &'e Engine,
    live: &'e Arc<Live>,
    task: domain::TaskId,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.engine.inner.live.leave(&self.task, self.live);
    }
}

fn expire(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    approval: &Approval,
    now: Timestamp,
) -> Result<(), Error> {
    gate::approval_event(tx, scope, approval, now)?;
    let detail = json!({
        "task": approval.binding.task_id,
        "tool": approval.binding.tool,
        "expiredAt": approval.expires_at.to_rfc3339(),
    });
    let subject = approval.id.as_str();
    let draft = by_server(scope, "approval.expired", subject, &detail, now);
    store::audit::append(tx, scope, draft)?;
    Ok(())
}
