//! This server among those that share its database: it says that it lives, keeps what it runs and
//! lets go of what it does not, hears what the others have done, and leaves without losing anything.
//!
//! Nothing here is needed for truth: a server that does none of it loses its tasks to others when
//! their leases run out, and its writes are refused from then on. Time is the database's throughout.

use crate::live::{Live, Signals};
use crate::worker::LOOK_MS;
use crate::{Check, CheckStatus, Engine, Error};
use domain::Timestamp;
use domain::access::{Caller, Permission};
use domain::limits::{DRAIN_MS, LEASE_MS};
use domain::server::{Server, ServerState};
use domain::task::Lease;
use futures_util::future::BoxFuture;
use std::collections::HashSet;
use std::time::Duration;
use store::Notice;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How a server behaves among others.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// Names of servers that are certainly gone, whose tasks need not wait for their leases.
    pub gone: Vec<String>,
    /// The program's version, as others see it.
    pub version: String,
    /// How long this server may be silent before others take its tasks.
    pub lease_ms: i64,
    /// How long it takes to leave, at most.
    pub drain_ms: u64,
    /// Whether changes are told to others at once; they find them by looking, too.
    pub notices: bool,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            gone: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lease_ms: LEASE_MS,
            drain_ms: DRAIN_MS,
            notices: true,
        }
    }
}

/// A server as the others know it.
#[derive(Debug, Clone)]
pub struct ServerView {
    /// What it said of itself.
    pub server: Server,
    /// `running`, `draining`, `stopped`, or `lost` when it has been silent for too long.
    pub state: &'static str,
    /// Whether it is the one that is asked.
    pub is_this: bool,
}

impl Engine {
    /// Makes this server known, and takes back the tasks of servers that are certainly gone: those
    /// that held this data directory before, whose lock proves it, and where the database is this
    /// server's alone, all. Of any other server its leases tell.
    pub(crate) async fn recover(&self) -> Result<(), Error> {
        let worker = &self.inner.worker;
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let (shared, gone) = (self.inner.store.is_shared(), worker.sharing.gone.clone());
        let (taken, now) = self
            .inner
            .store
            .write(move |tx| {
                let now = tx.now(local)?;
                let mut taken = 0;
                if shared {
                    store::servers::forget(tx, system, now)?;
                    for owner in &gone {
                        taken += store::tasks::abandon(tx, system, owner)?;
                        store::servers::succeed(tx, system, owner)?;
                    }
                } else {
                    store::servers::forget_all(tx, system)?;
                    taken = store::tasks::abandon_all(tx, system)?;
                }
                Ok::<_, Error>((taken, now))
            })
            .await?;
        if taken > 0 {
            tracing::info!(
                tasks = taken,
                "taking back the tasks of the server before this one"
            );
        }
        let _first = worker.started_at.set(now);
        self.beat().await
    }

    /// The time on the clock that the servers share, for what one of them writes and another judges.
    pub(crate) async fn shared_now(&self) -> Result<Timestamp, Error> {
        let local = self.inner.clock.now();
        if !self.inner.store.is_shared() {
            return Ok(local);
        }
        self.inner
            .store
            .read(move |r| Ok::<_, Error>(r.now(local)?))
            .await
    }

    /// What this server says of itself.
    fn this_server(&self, state: ServerState, now: Timestamp) -> Server {
        let worker = &self.inner.worker;
        Server {
            id: worker.owner().to_owned(),
            version: worker.sharing.version.clone(),
            state,
            started_at: worker.started_at.get().copied().unwrap_or(now),
            seen_at: now,
            engines: self.inner.runtimes.engines(),
        }
    }

    /// Says that this server lives, and renews what it runs. What turns out to be lost is told to
    /// its run before anything is sent again.
    pub(crate) async fn beat(&self) -> Result<(), Error> {
        let worker = &self.inner.worker;
        let begun = Instant::now();
        let held = self.inner.live.held();
        let state = if self.is_stopping() {
            ServerState::Draining
        } else {
            ServerState::Running
        };
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let (server, lease_ms) = (self.this_server(state, local), worker.sharing.lease_ms);
        let (kept, others) = self
            .inner
            .store
            .write(move |tx| {
                let now = tx.now(local)?;
                let server = Server {
                    seen_at: now,
                    ..server.clone()
                };
                store::servers::beat(tx, system, &server)?;
                let kept = store::tasks::renew(tx, system, &server.id, now.plus_ms(lease_ms))?;
                let since = now.plus_ms(-lease_ms);
                let others = store::servers::others(tx, system, &server.id, since)?;
                Ok::<_, Error>((kept, others))
            })
            .await?;
        if worker.sharing.notices {
            self.inner.store.tell_others(others);
        }
        let kept: HashSet<Lease> = kept.into_iter().collect();
        for (lease, live) in held {
            if !kept.contains(&lease) {
                live.signals.send_modify(|s| s.lost = true);
            }
        }
        self.hold_what_is_ending().await?;
        self.give_back_forgotten(kept).await?;
        worker.renewed.send_replace(begun);
        Ok(())
    }

    /// A task that is this server's in the database and that nothing here runs, twice in a row, goes
    /// back: it would be kept from others for ever. Once is no sign: it may just be beginning.
    async fn give_back_forgotten(&self, kept: HashSet<Lease>) -> Result<(), Error> {
        let worker = &self.inner.worker;
        let unknown: HashSet<Lease> = kept
            .into_iter()
            .filter(|lease| self.inner.live.get(&lease.task_id).is_none())
            .collect();
        let twice: Vec<Lease> = {
            let mut before = worker.forgotten();
            let twice = before.intersection(&unknown).cloned().collect();
            *before = unknown;
            twice
        };
        for lease in twice {
            tracing::warn!(task.id = %lease.task_id, "nothing here runs the task; it is given back");
            let released: Result<(), Error> = self
                .inner
                .store
                .write(move |tx| Ok(store::tasks::release(tx, &lease, None)?))
                .await;
            match released {
                Ok(()) | Err(Error::LostLease) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) async fn lease_loop(self) {
        let worker = &self.inner.worker;
        let every_ms = worker.sharing.lease_ms.unsigned_abs() / 5;
        loop {
            tokio::select! {
                biased;
                () = worker.over.cancelled() => return,
                () = self.inner.clock.sleep(every_ms) => {}
            }
            // Where nobody else looks, an idle server need not write.
            if !self.inner.store.is_shared() && self.inner.live.is_empty() {
                continue;
            }
            if let Err(error) = self.beat().await {
                tracing::warn!("leases could not be renewed: {error}");
            }
        }
    }

    /// Cancels that another server recorded reach the task here at the latest by this.
    pub(crate) async fn cancel_loop(self) {
        loop {
            tokio::select! {
                biased;
                () = self.inner.worker.over.cancelled() => return,
                () = self.inner.clock.sleep(LOOK_MS) => {}
            }
            if self.inner.live.is_empty() {
                continue;
            }
            if let Err(error) = self.pass_on_cancels().await {
                tracing::warn!("could not look for canceled tasks: {error}");
            }
        }
    }

    async fn pass_on_cancels(&self) -> Result<(), Error> {
        let (system, owner) = (self.inner.system, self.inner.worker.owner().to_owned());
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

    /// Looks again where another server says that there is something to see.
    pub(crate) async fn listen_loop(self, mut notices: mpsc::Receiver<Notice>) {
        loop {
            let notice = tokio::select! {
                biased;
                () = self.inner.worker.over.cancelled() => return,
                notice = notices.recv() => notice,
            };
            let Some(notice) = notice else { return };
            if let Err(error) = self.heed(notice).await {
                tracing::debug!("a notice came to nothing; looking by the clock will do: {error}");
            }
        }
    }

    async fn heed(&self, notice: Notice) -> Result<(), Error> {
        let answered = |s: &mut Signals| s.answers += 1;
        match notice {
            Notice::Servers => self.beat().await,
            Notice::Queue => {
                self.inner.worker.kick();
                Ok(())
            }
            Notice::Workspace(id) => {
                self.inner.feed.wake(&id);
                Ok(())
            }
            Notice::Task(id) => {
                let Some(live) = self.inner.live.get(&id) else {
                    return Ok(());
                };
                live.signals.send_modify(answered);
                self.pass_on_cancels().await
            }
            Notice::Everything => {
                self.inner.worker.kick();
                self.inner.feed.wake_all();
                for live in self.inner.live.all() {
                    live.signals.send_modify(answered);
                }
                self.pass_on_cancels().await
            }
        }
    }

    /// Returns once it is certain that this server still has the tasks that it runs: asked just
    /// before something is sent. A server that was stopped for longer than its leases last, or cut
    /// off from the database, must not go on with what others may have taken over. Never returns for
    /// a task that is lost; its run ends by that signal. Safe to drop.
    pub(crate) async fn still_ours(&self, live: &Live) {
        if !self.inner.store.is_shared() {
            return;
        }
        let worker = &self.inner.worker;
        let certain = Duration::from_millis(worker.sharing.lease_ms.unsigned_abs() * 2 / 3);
        let mut renewed = worker.renewed.subscribe();
        let mut signals = live.signals.subscribe();
        loop {
            if signals.borrow_and_update().lost {
                return std::future::pending().await;
            }
            if renewed.borrow_and_update().elapsed() < certain {
                return;
            }
            tokio::select! {
                biased;
                _ = renewed.changed() => {}
                _ = signals.changed() => {}
            }
        }
    }

    /// The servers of the database, the youngest first.
    ///
    /// # Errors
    /// `forbidden`; `unavailable`.
    pub fn servers(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<ServerView>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            caller.scope(Permission::ManageWorkspace)?;
            self.known_servers().await
        })
    }

    async fn known_servers(&self) -> Result<Vec<ServerView>, Error> {
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let (servers, now) = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>((store::servers::list(r, system)?, r.now(local)?)))
            .await?;
        let worker = &self.inner.worker;
        let view = |mut server: Server| {
            let is_this = server.id == worker.owner();
            if is_this {
                // That it answers says more than when it last wrote.
                server.seen_at = now;
            }
            ServerView {
                state: server.shown_state(now, worker.sharing.lease_ms),
                is_this,
                server,
            }
        };
        Ok(servers.into_iter().map(view).collect())
    }

    /// The servers, in a sentence.
    pub(crate) async fn servers_check(&self) -> Check {
        let servers = match self.known_servers().await {
            Ok(servers) => servers,
            Err(error) => return Check::new("servers", CheckStatus::Problem, error.to_string()),
        };
        let in_state = |state: &str| {
            let of_state = servers.iter().filter(|s| s.state == state);
            of_state.map(|s| s.server.id.as_str()).collect::<Vec<_>>()
        };
        let (running, lost) = (in_state("running").len(), in_state("lost"));
        let mut message = match running {
            1 => "1 running".to_owned(),
            more => format!("{more} running"),
        };
        if self.is_stopping() {
            message.push_str("; this one is ending");
        }
        if !lost.is_empty() {
            let message = format!("{message}; silent since: {}", lost.join(", "));
            return Check {
                next_step: Some(
                    "Their tasks are taken over. If they were not ended on purpose, see their logs."
                        .into(),
                ),
                ..Check::new("servers", CheckStatus::Warning, message)
            };
        }
        let deaf = running > 1 && self.inner.worker.sharing.notices;
        if deaf && !self.inner.store.is_listening() {
            message.push_str("; not hearing each other for now, so changes are seen by looking");
        }
        Check::new("servers", CheckStatus::Ok, message)
    }

    /// Whether the server takes no more tasks and is about to end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_stopping()
    }

    /// Takes no more tasks, lets the running ones come to rest, and gives them to other servers, or
    /// to the next start. Requests are still answered meanwhile; once this completes, whoever waits
    /// for a task is told how far it is. Takes part of the time for leaving, at most.
    pub fn drain(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let worker = &self.inner.worker;
            worker.stop.cancel();
            for live in self.inner.live.all() {
                live.signals.send_modify(|s| s.shutdown = true);
            }
            if let Err(error) = self.beat().await {
                tracing::warn!("other servers could not be told that this one ends: {error}");
            }
            worker.runs.close();
            let patience = Duration::from_millis(worker.sharing.drain_ms * 6 / 10);
            if tokio::time::timeout(patience, worker.runs.wait())
                .await
                .is_err()
            {
                tracing::warn!(
                    tasks = worker.runs.len(),
                    "some tasks did not come to rest in time; they are left as recorded"
                );
            }
            worker.parted.cancel();
        })
    }

    /// Writes down that this server has ended.
    pub(crate) async fn leave_word(&self) {
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let server = self.this_server(ServerState::Stopped, local);
        let left: Result<(), Error> = self
            .inner
            .store
            .write(move |tx| {
                let server = Server {
                    seen_at: tx.now(local)?,
                    ..server.clone()
                };
                Ok(store::servers::beat(tx, system, &server)?)
            })
            .await;
        if let Err(error) = left {
            tracing::debug!("its end could not be written down: {error}");
        }
    }
}
