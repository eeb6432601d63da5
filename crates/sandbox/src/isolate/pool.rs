//! The workers: starts them, gives programs their places, looks after each until it ends.
//!
//! Who gets which place is decided in `places.rs`, what is said to a worker in
//! `link.rs`. A worker that dies is replaced and reported (`incident.rs`); one
//! that has served long or grown large is recycled; one started for a rush is
//! let go when idle. Starting one never holds up a program that has a place.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::guest::SLOTS;
use super::incident::{Incident, IncidentKind};
use super::link::{Link, Opened};
use super::lockdown::Layer;
use super::places::{Bounds, Left, Places};
use super::{CODE, IsolateConfig, Stats, witness};
use crate::Error;
use crate::session::{Session, Start};

/// How long a worker that is swollen, or beyond the minimum, stays without work.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Pause before a dead worker is replaced, so that one that cannot live does not busy the machine.
const REPLACE_AFTER: Duration = Duration::from_millis(100);
/// Pause after a worker could not be started.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often the size of a worker that programs leave is looked at.
const WEIGH_EVERY: Duration = Duration::from_millis(250);

/// All workers of one isolate.
pub(super) struct Pool {
    config: IsolateConfig,
    image: File,
    state: Mutex<State>,
    tasks: TaskTracker,
    closed: CancellationToken,
}

struct State {
    places: Places,
    workers: HashMap<u64, Worker>,
    /// Who waits, by ticket.
    tickets: HashMap<u64, oneshot::Sender<Result<Seat, Error>>>,
    lost: u64,
}

struct Worker {
    link: Arc<Link>,
    /// Ends the worker when canceled.
    end: CancellationToken,
    weighed: Instant,
}

/// A place in a worker. Dropping it gives it back, unless a program was started in it.
struct Seat {
    pool: Arc<Pool>,
    number: u64,
    link: Arc<Link>,
    taken: bool,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.taken {
            self.pool.leave(self.number);
        }
    }
}

impl Pool {
    /// Starts the minimum of workers. Answers the layers that hold the last of them.
    pub(super) async fn open(config: IsolateConfig) -> Result<(Arc<Pool>, Vec<Layer>), Error> {
        let bounds = Bounds {
            workers_min: config.workers_min,
            workers_max: config.workers_max,
            seats: SLOTS,
            served_max: config.served_max,
            waiting_max: config.waiting_max,
        };
        let mut places = Places::new(bounds);
        let count = places.start_more();
        let pool = Arc::new(Pool {
            image: sealed_image()?,
            state: Mutex::new(State {
                places,
                workers: HashMap::new(),
                tickets: HashMap::new(),
                lost: 0,
            }),
            tasks: TaskTracker::new(),
            closed: CancellationToken::new(),
            config,
        });
        // Held from here on: an early return ends the workers that did start.
        let unless_finished = pool.closed.clone().drop_guard();
        let opening = (0..count).map(|_| Link::open(&pool.config.worker_exe, &pool.image));
        let mut layers = Vec::new();
        for worker in futures_util::future::join_all(opening).await {
            let worker = worker?;
            layers = witness::confirm(worker.link.pid, &worker.layers);
            pool.adopt(worker);
        }
        unless_finished.disarm();
        Ok((pool, layers))
    }

    /// Ends every worker.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    pub(super) fn stats(&self) -> Stats {
        let state = self.state();
        let (workers, sessions) = state.places.count();
        Stats {
            workers,
            sessions,
            waiting: state.tickets.len(),
            workers_lost: state.lost,
        }
    }

    /// Starts a program as soon as there is a place for it.
    pub(super) async fn start(self: Arc<Self>, mut start: Start) -> Result<Session, Error> {
        loop {
            let seat = self.seat(&start.tenant).await?;
            let (told, answer) = oneshot::channel();
            // In a task of its own: what is begun on the wire is finished, whoever stops listening.
            self.tasks.spawn(seat.serve(start, told));
            match answer.await {
                Ok(Ok(session)) => return Ok(session),
                // Its worker died in this moment.
                Ok(Err(back)) => start = back,
                Err(_) => return Err(Error::Closed),
            }
        }
    }

    async fn seat(self: &Arc<Self>, tenant: &str) -> Result<Seat, Error> {
        let (ticket, granted) = oneshot::channel();
        {
            let mut state = self.state();
            let number = state.places.ask(tenant).ok_or(Error::Busy {
                waiting_max: self.config.waiting_max,
            })?;
            state.tickets.insert(number, ticket);
        }
        self.settle();
        tokio::select! {
            seat = granted => seat.unwrap_or(Err(Error::Closed)),
            () = self.closed.cancelled() => Err(Error::Closed),
        }
    }

    /// Gives every place that can be given, and starts the workers that are wanted.
    fn settle(self: &Arc<Self>) {
        loop {
            let mut state = self.state();
            let Some((ticket, number)) = state.places.assign() else {
                let more = if self.closed.is_cancelled() {
                    0
                } else {
                    state.places.start_more()
                };
                drop(state);
                for _ in 0..more {
                    self.tasks.spawn(self.clone().start_worker(Duration::ZERO));
                }
                return;
            };
            let waiting = state.tickets.remove(&ticket);
            let link = state.workers.get(&number).map(|w| w.link.clone());
            drop(state);
            match (waiting, link) {
                (Some(waiting), Some(link)) => {
                    let seat = Seat {
                        pool: self.clone(),
                        number,
                        link,
                        taken: false,
                    };
                    if let Err(Ok(mut seat)) = waiting.send(Ok(seat)) {
                        // Nobody waits for it any more. Given back without looking for the next.
                        seat.taken = true;
                        self.left(number);
                    }
                }
                // Both are kept as long as the places know them.
                (None, _) | (_, None) => self.left(number),
            }
        }
    }

    async fn start_worker(self: Arc<Self>, after: Duration) {
        if !after.is_zero() && !self.passes(after).await {
            return;
        }
        let opened = tokio::select! {
            opened = self.open_one() => opened,
            () = self.closed.cancelled() => return,
        };
        match opened {
            Ok(worker) => self.adopt(worker),
            Err(error) => {
                tracing::error!(%error, "a sandbox worker could not be started");
                self.tell_nobody_comes(&error);
                if !self.passes(TRY_AGAIN_AFTER).await {
                    return;
                }
                self.state().places.not_opened();
            }
        }
        self.settle();
    }

    /// Starts one more worker, which must hold what the first ones did.
    async fn open_one(&self) -> Result<Opened, Error> {
        let worker = Link::open(&self.config.worker_exe, &self.image).await?;
        let layers = witness::confirm(worker.link.pid, &worker.layers);
        match layers.into_iter().find(|l| l.required && !l.active) {
            Some(missing) if !self.config.allow_weak => Err(Error::Unprotected {
                layer: missing.name,
                detail: missing.detail,
            }),
            _ => Ok(worker),
        }
    }

    /// Where no worker lives and none will, those who wait are told why.
    fn tell_nobody_comes(&self, error: &Error) {
        let mut state = self.state();
        for ticket in state.places.nobody_comes() {
            if let Some(waiting) = state.tickets.remove(&ticket) {
                let _ = waiting.send(Err(Error::WorkerStart {
                    exe: self.config.worker_exe.display().to_string(),
                    reason: error.to_string(),
                }));
            }
        }
    }

    /// Takes in a worker that was counted as starting, and looks after it until it dies.
    fn adopt(self: &Arc<Self>, worker: Opened) {
        let end = self.closed.child_token();
        let mut state = self.state();
        let number = state.places.opened();
        state.workers.insert(
            number,
            Worker {
                link: worker.link.clone(),
                end: end.clone(),
                weighed: Instant::now(),
            },
        );
        drop(state);
        self.tasks
            .spawn(self.clone().look_after(number, worker, end));
    }

    async fn look_after(self: Arc<Self>, number: u64, worker: Opened, end: CancellationToken) {
        let Opened {
            link,
            mut child,
            reader,
            ..
        } = worker;
        let reading = link.read(reader, || self.leave(number));
        let mut reading = std::pin::pin!(reading.fuse());
        let mut verdict = None;
        tokio::select! {
            violation = &mut reading => if let Some(violation) = violation {
                verdict = Some((IncidentKind::BrokeProtocol, violation.to_string()));
            },
            kind = link.watch(self.config.silence_max) => {
                verdict = Some((kind, kind.as_str().replace('_', " ")));
            }
            () = end.cancelled() => {}
        }
        let ended = end.is_cancelled();
        // From here on no program is sent to it.
        end.cancel();
        self.state().places.retire(number);
        let status = kill(&mut child).await;
        // What it said before it died still counts; then its sessions hear of it.
        if !reading.is_terminated() {
            reading.await;
        }
        let (tenant, sessions) = {
            let mut state = self.state();
            state.lost += u64::from(!ended);
            state.workers.remove(&number);
            state.places.gone(number)
        };
        if !ended {
            let (kind, detail) = verdict.unwrap_or_else(|| match status {
                Ok(status) => (IncidentKind::of_end(status), status.to_string()),
                Err(error) => (IncidentKind::Died, error.to_string()),
            });
            self.report(Incident {
                kind,
                detail,
                tenant,
                sessions,
            });
            // One that cannot live must not busy the machine.
            self.passes(REPLACE_AFTER).await;
        }
        self.settle();
    }

    fn report(&self, incident: Incident) {
        tracing::error!(
            kind = incident.kind.as_str(),
            detail = incident.detail,
            sessions = incident.sessions,
            "a sandbox worker is lost; its tasks will be rebuilt"
        );
        if let Some(listener) = &self.config.incidents
            && listener.try_send(incident).is_err()
        {
            tracing::error!("nobody took note of it: too many workers are lost at once");
        }
    }

    /// A program has left its worker: its place is for the next.
    fn leave(self: &Arc<Self>, number: u64) {
        self.left(number);
        self.settle();
    }

    fn left(self: &Arc<Self>, number: u64) {
        let mut state = self.state();
        if self.is_too_large(&mut state, number) {
            state.places.retire(number);
        }
        match state.places.left(number) {
            Left::Stays => {}
            Left::Idle { served } => {
                self.tasks.spawn(self.clone().let_go(number, served));
            }
            Left::Ends => {
                if let Some(worker) = state.workers.get(&number) {
                    worker.end.cancel();
                }
            }
        }
    }

    fn is_too_large(&self, state: &mut State, number: u64) -> bool {
        let Some(worker) = state.workers.get_mut(&number) else {
            return false;
        };
        if worker.weighed.elapsed() < WEIGH_EVERY {
            return false;
        }
        worker.weighed = Instant::now();
        witness::resident_bytes(worker.link.pid).is_some_and(|b| b > self.config.resident_bytes_max)
    }

    /// Ends a worker that has had no work since it had served `served` programs.
    async fn let_go(self: Arc<Self>, number: u64, served: u64) {
        if !self.passes(IDLE_MAX).await {
            return;
        }
        let mut state = self.state();
        if state.places.let_go(number, served)
            && let Some(worker) = state.workers.get(&number)
        {
            worker.end.cancel();
        }
    }

    /// Waits. False when the pool was closed meanwhile.
    async fn passes(&self, time: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => true,
            () = self.closed.cancelled() => false,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Starts a program in this place and carries its commands until it is over.
    async fn serve(mut self, start: Start, told: oneshot::Sender<Result<Session, Start>>) {
        match self.link.start(start).await {
            Ok((session, pump)) => {
                // Given back when the worker says that nothing of the program is left.
                self.taken = true;
                drop(self);
                let _ = told.send(Ok(session));
                pump.await;
            }
            Err(back) => {
                // No other program is to try it.
                self.pool.state().places.retire(self.number);
                drop(self);
                let _ = told.send(Err(back));
            }
        }
    }
}

/// Ends a worker, unless it has ended already, and tells how it did.
async fn kill(child: &mut Child) -> std::io::Result<ExitStatus> {
    // Fails only when it is dead, which is what is wanted.
    let _ = child.start_kill();
    child.wait().await
}

/// The machine code as a file that nobody can change, which every worker maps
/// instead of holding a copy.
fn sealed_image() -> Result<File, Error> {
    engine_file().map_err(|source| Error::Host {
        doing: "hand the engine to its workers",
        source,
    })
}

#[cfg(target_os = "linux")]
fn engine_file() -> std::io::Result<File> {
    use rustix::fs::{MemfdFlags, SealFlags};
    let mut file = File::from(rustix::fs::memfd_create(
        "executor-engine",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )?);
    file.write_all(CODE)?;
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
    )?;
    Ok(file)
}

/// Where no file can be sealed: one without a name, open for reading only.
#[cfg(not(target_os = "linux"))]
fn engine_file() -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut bits = [0u8; 16];
    getrandom::fill(&mut bits).map_err(std::io::Error::other)?;
    let name = format!("executor-engine-{}", crate::compile::hex(&bits));
    let path = std::env::temp_dir().join(name);
    let mut written = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    let opened = written.write_all(CODE).and_then(|()| File::open(&path));
    std::fs::remove_file(&path)?;
    opened
}
