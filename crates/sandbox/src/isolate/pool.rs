//! Which worker a program gets.
//!
//! Two tenants never share a worker at the same time: a program goes to a
//! worker of its own tenant or to an empty one, else a new one is started, else
//! it waits. A worker that dies is replaced; one that has served long is
//! recycled; one started for a rush is let go when idle. The pool decides
//! places only; the conversation is `link.rs`'s.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::future::FusedFuture;
use rustix::fs::{MemfdFlags, SealFlags};
use tokio::process::Child;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::CODE;
use super::guest::SLOTS;
use super::link::{Link, Opened};
use super::lockdown::Layer;
use super::witness;
use crate::Error;
use crate::session::{Sandbox, Session, Start};

/// Programs of one tenant that share a worker before another is taken for them.
const CROWDED: u32 = 4;
/// Programs after which a worker is replaced when it is next empty.
const SERVED_MAX: u64 = 10_000;
/// Programs held at once after which a worker's memory is not given back: every
/// place it ever used stays mapped, about 1.6 MB each.
const SWOLLEN: u32 = 8;
/// How long a worker that is swollen, or beyond the minimum, stays without work.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Pause before a dead worker is replaced, so that one that cannot live does not busy the machine.
const REPLACE_AFTER: Duration = Duration::from_millis(100);

/// How the isolate runtime is set up.
#[derive(Clone, Debug)]
pub struct IsolateConfig {
    /// Workers kept ready. At least one.
    pub workers_min: usize,
    /// Workers at most. At least `workers_min`.
    pub workers_max: usize,
    /// Run programs even without a required layer (`DANGEROUSLY_ALLOW_WEAK_SANDBOX`).
    pub allow_weak: bool,
    /// A program that calls [`crate::worker_main`] when its first argument is `sandbox-worker`.
    pub worker_exe: PathBuf,
}

/// The pool at this moment, for metrics and `doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Workers alive.
    pub workers: usize,
    /// Programs that hold a place.
    pub sessions: usize,
    /// Workers that died or were killed since the start.
    pub workers_lost: u64,
}

/// The built-in runtime. Dropping it ends every worker.
pub struct Isolate {
    pool: Arc<Pool>,
    layers: Vec<Layer>,
}

struct Pool {
    config: IsolateConfig,
    image: File,
    state: Mutex<State>,
    /// A place may have become free.
    freed: Notify,
    tasks: TaskTracker,
    closed: CancellationToken,
}

#[derive(Default)]
struct State {
    slots: Vec<Slot>,
    starting: usize,
    lost: u64,
    next: u64,
}

struct Slot {
    number: u64,
    link: Arc<Link>,
    tenant: Option<String>,
    sessions: u32,
    /// The most sessions there were at one time.
    peak: u32,
    served: u64,
    /// Ends the worker when canceled.
    end: CancellationToken,
}

enum Choice {
    Seat(u64, Arc<Link>),
    Open,
    Wait,
}

impl Isolate {
    /// Starts the minimum of workers and looks at what holds them. Where a required
    /// layer is missing, every program is refused (see [`Sandbox::refusal`]).
    ///
    /// # Errors
    /// [`Error::WorkerStart`] when no worker can run.
    pub fn start(config: IsolateConfig) -> BoxFuture<'static, Result<Isolate, Error>> {
        async move {
            let workers_min = config.workers_min.max(1);
            let config = IsolateConfig {
                workers_min,
                workers_max: config.workers_max.max(workers_min),
                ..config
            };
            let pool = Arc::new(Pool {
                image: sealed_image()?,
                state: Mutex::new(State {
                    starting: workers_min,
                    ..State::default()
                }),
                freed: Notify::new(),
                tasks: TaskTracker::new(),
                closed: CancellationToken::new(),
                config,
            });
            // Held from here on: an early return ends the workers that did start.
            let mut isolate = Isolate {
                pool: pool.clone(),
                layers: Vec::new(),
            };
            let opened = futures_util::future::join_all(
                (0..workers_min).map(|_| Link::open(&pool.config.worker_exe, &pool.image)),
            )
            .await;
            for worker in opened {
                let worker = worker?;
                isolate.layers = witness::confirm(worker.link.pid, &worker.layers);
                pool.adopt(worker);
            }
            if isolate.pool.config.allow_weak {
                isolate.layers = weakened(std::mem::take(&mut isolate.layers));
            }
            if isolate.layers.iter().any(|l| l.required && !l.active) {
                // They may serve nobody.
                pool.closed.cancel();
            }
            Ok(isolate)
        }
        .boxed()
    }

    /// The pool at this moment.
    pub fn stats(&self) -> Stats {
        let state = self.pool.state();
        Stats {
            workers: state.slots.len(),
            sessions: state.slots.iter().map(|s| s.sessions as usize).sum(),
            workers_lost: state.lost,
        }
    }
}

impl Drop for Isolate {
    fn drop(&mut self) {
        self.pool.closed.cancel();
    }
}

impl Sandbox for Isolate {
    fn name(&self) -> &'static str {
        "isolate"
    }

    fn engine_digest(&self) -> &str {
        super::engine_digest()
    }

    /// As found when the first workers started.
    fn layers(&self) -> Vec<Layer> {
        self.layers.clone()
    }

    fn start(&self, start: Start) -> BoxFuture<'_, Result<Session, Error>> {
        // Ended before it was dropped: it has refused from the start.
        if self.pool.closed.is_cancelled()
            && let Some(refusal) = self.refusal()
        {
            return futures_util::future::ready(Err(refusal)).boxed();
        }
        self.pool.clone().place(start).boxed()
    }
}

impl Pool {
    async fn place(self: Arc<Self>, mut start: Start) -> Result<Session, Error> {
        loop {
            // Asked for before looking, so that a place freed in between is not missed.
            let freed = self.freed.notified();
            let mut freed = std::pin::pin!(freed);
            freed.as_mut().enable();
            let choice = self.choose(&start.tenant);
            let (number, link) = match choice {
                Choice::Seat(number, link) => (number, link),
                Choice::Open => match self.open().await {
                    Ok(worker) => {
                        self.adopt(worker);
                        continue;
                    }
                    Err(error) => {
                        self.state().starting -= 1;
                        return Err(error);
                    }
                },
                Choice::Wait => {
                    tokio::select! {
                        () = &mut freed => continue,
                        () = self.closed.cancelled() => return Err(Error::Closed),
                    }
                }
            };
            match link.start(start).await {
                Ok((session, pump)) => {
                    self.tasks.spawn(pump);
                    return Ok(session);
                }
                Err(back) => {
                    // Its worker died in this moment; what it still said may keep its reader busy.
                    self.dead(number);
                    self.leave(number);
                    start = back;
                }
            }
        }
    }

    /// Finds a place and takes it.
    fn choose(&self, tenant: &str) -> Choice {
        let mut state = self.state();
        let total = state.slots.len() + state.starting;
        let open = |slot: &&mut Slot| slot.served < SERVED_MAX && !slot.end.is_cancelled();
        let idle = state
            .slots
            .iter()
            .filter(|s| s.sessions == 0 && s.served < SERVED_MAX && !s.end.is_cancelled())
            .count();
        let own = state
            .slots
            .iter_mut()
            .filter(open)
            .filter(|s| s.sessions > 0 && s.sessions < SLOTS && s.tenant.as_deref() == Some(tenant))
            .min_by_key(|s| s.sessions)
            .map(|s| (s.number, s.sessions));
        // One idle worker is left for the next tenant, unless this one's are crowded.
        let number = match own {
            Some((number, sessions)) if sessions < CROWDED && idle <= 1 => Some(number),
            _ if idle > 0 => state
                .slots
                .iter_mut()
                .filter(open)
                .find(|s| s.sessions == 0)
                .map(|s| s.number),
            Some((number, sessions))
                if sessions < CROWDED * 2 || total >= self.config.workers_max =>
            {
                Some(number)
            }
            _ => None,
        };
        if let Some(slot) = number.and_then(|n| state.slots.iter_mut().find(|s| s.number == n)) {
            slot.tenant = Some(tenant.to_owned());
            slot.sessions += 1;
            slot.peak = slot.peak.max(slot.sessions);
            slot.served += 1;
            return Choice::Seat(slot.number, slot.link.clone());
        }
        if total < self.config.workers_max {
            state.starting += 1;
            return Choice::Open;
        }
        Choice::Wait
    }

    /// Starts one more worker, which must hold what the first ones did.
    async fn open(&self) -> Result<Opened, Error> {
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

    /// Takes in a worker that was counted as starting, and looks after it until it dies.
    fn adopt(self: &Arc<Self>, worker: Opened) {
        let mut state = self.state();
        state.starting -= 1;
        let number = state.next;
        state.next += 1;
        let end = self.closed.child_token();
        state.slots.push(Slot {
            number,
            link: worker.link.clone(),
            tenant: None,
            sessions: 0,
            peak: 0,
            served: 0,
            end: end.clone(),
        });
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
        let reason = tokio::select! {
            () = &mut reading => "it died or broke the protocol",
            reason = link.watch() => reason,
            () = end.cancelled() => "",
        };
        let ended = end.is_cancelled();
        // From here on no program is sent to it.
        end.cancel();
        let status = kill(&mut child).await;
        // What it said before it died still counts; then its sessions hear of it.
        if !reading.is_terminated() {
            reading.await;
        }
        if !ended {
            tracing::error!(
                worker = number,
                reason,
                status,
                "a sandbox worker is lost; its tasks will be rebuilt"
            );
        }
        let replace = {
            let mut state = self.state();
            state.slots.retain(|slot| slot.number != number);
            state.lost += u64::from(!ended);
            let replace = !self.closed.is_cancelled()
                && state.slots.len() + state.starting < self.config.workers_min;
            state.starting += usize::from(replace);
            replace
        };
        self.freed.notify_waiters();
        if replace {
            self.clone().replace(ended).await;
        }
    }

    async fn replace(self: Arc<Self>, at_once: bool) {
        if !at_once {
            tokio::time::sleep(REPLACE_AFTER).await;
        }
        match self.open().await {
            Ok(worker) => self.adopt(worker),
            Err(error) => {
                self.state().starting -= 1;
                // The next program tries again, and its caller hears of it.
                tracing::error!(%error, "a sandbox worker could not be replaced");
            }
        }
        self.freed.notify_waiters();
    }

    /// No program is sent to this worker any more.
    fn dead(&self, number: u64) {
        if let Some(slot) = self
            .state()
            .slots
            .iter_mut()
            .find(|slot| slot.number == number)
        {
            slot.served = SERVED_MAX;
        }
    }

    /// A program has left its worker.
    fn leave(self: &Arc<Self>, number: u64) {
        let mut state = self.state();
        let beyond = state.slots.len() > self.config.workers_min;
        if let Some(slot) = state.slots.iter_mut().find(|slot| slot.number == number) {
            slot.sessions -= 1;
            if slot.sessions == 0 {
                slot.tenant = None;
                if slot.served >= SERVED_MAX {
                    slot.end.cancel();
                } else if beyond || slot.peak > SWOLLEN {
                    self.tasks.spawn(self.clone().let_go(number, slot.served));
                }
            }
        }
        drop(state);
        self.freed.notify_waiters();
    }

    /// Ends a worker that has had no work since it had served `served` programs.
    async fn let_go(self: Arc<Self>, number: u64, served: u64) {
        tokio::select! {
            () = tokio::time::sleep(IDLE_MAX) => {}
            () = self.closed.cancelled() => return,
        }
        let state = self.state();
        let beyond = state
            .slots
            .iter()
            .filter(|slot| !slot.end.is_cancelled())
            .count()
            > self.config.workers_min;
        if let Some(slot) = state.slots.iter().find(|slot| slot.number == number)
            && (beyond || slot.peak > SWOLLEN)
            && slot.sessions == 0
            && slot.served == served
        {
            slot.end.cancel();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The layers where missing ones are tolerated: none refuses anything, and that is said.
fn weakened(layers: Vec<Layer>) -> Vec<Layer> {
    let missing: Vec<&str> = layers
        .iter()
        .filter(|l| l.required && !l.active)
        .map(|l| l.name.as_str())
        .collect();
    let found = if missing.is_empty() {
        "although every required layer holds; unset it".to_owned()
    } else {
        format!("and programs run without {}", missing.join(", "))
    };
    let said = Layer {
        name: "switch".into(),
        active: false,
        required: false,
        detail: format!("DANGEROUSLY_ALLOW_WEAK_SANDBOX is set, {found}"),
    };
    layers
        .into_iter()
        .map(|l| Layer {
            required: false,
            ..l
        })
        .chain([said])
        .collect()
}

/// Ends a worker, unless it has ended already, and tells how it did.
async fn kill(child: &mut Child) -> String {
    // Fails only when it is dead, which is what is wanted.
    let _ = child.start_kill();
    child
        .wait()
        .await
        .map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// The machine code as a file in memory that nobody can change, which every
/// worker maps instead of holding a copy.
fn sealed_image() -> Result<File, Error> {
    let make = || -> std::io::Result<File> {
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
    };
    make().map_err(|source| Error::Host {
        doing: "hand the engine to its workers",
        source,
    })
}
