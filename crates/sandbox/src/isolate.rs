//! The built-in runtime: QuickJS in WebAssembly inside locked-down workers.
//!
//! Read in order: `places` (which worker gets a program), `pool` (the workers'
//! lives), `incident` (how one is lost), `link` (the host's end
//! of one worker), `judge` (what that end believes), `watch` (when it kills),
//! `witness` (what it sees from outside), `wire` (frames), `worker`, `outbox` and
//! `ticker` (the process), `guest` (one program in WebAssembly), `pages` (its memory,
//! packed), `lockdown` (what a worker gives up), `settings` (what the machine code was
//! made with).

mod compatible;
mod guest;
mod incident;
mod judge;
mod link;
mod lockdown;
mod outbox;
mod pages;
mod places;
mod pool;
#[cfg(test)]
mod second_wall;
mod settings;
mod ticker;
mod watch;
mod wire;
mod witness;
mod worker;

pub(crate) use judge::{Judge, Violation};
pub(crate) use watch::processor_time_ms;
pub(crate) use wire::{Frame, Kind};
pub(crate) use witness::resident_bytes;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::session::{Sandbox, Session, Start};
use pool::Pool;

pub use incident::{Incident, IncidentKind};
pub use lockdown::{Layer, allowed_calls, lock_down, shut_in};
pub use worker::worker_main;

/// Machine code and memory of the engine image, made by `build.rs`.
static CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/executor-quickjs.cwasm"));
static IMAGE_DIGEST: &str = include_str!("../image/executor-quickjs.wasm.sha256");

/// Digest of what a replay depends on besides the program: engine image (with
/// its prelude) and the version of the wire. Lower-case hexadecimal SHA-256.
pub(crate) fn engine_digest() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| {
        let mut hash = Sha256::new();
        hash.update(IMAGE_DIGEST.trim());
        hash.update([wire::WIRE_VERSION]);
        crate::compile::hex(&hash.finalize())
    })
}

/// How the isolate runtime is set up.
#[derive(Clone, Debug)]
pub struct IsolateConfig {
    /// Workers kept ready. At least one.
    pub workers_min: usize,
    /// Workers at most. At least `workers_min`.
    pub workers_max: usize,
    /// Programs of one tenant that may wait for a place; more are refused.
    pub waiting_max: usize,
    /// Programs after which a worker is replaced when it is next empty.
    pub served_max: u64,
    /// Resident memory beyond which a worker is replaced when it is next empty.
    pub resident_bytes_max: u64,
    /// How long a worker may stay silent while programs run in it.
    pub silence_max: Duration,
    /// Run programs even without a required layer (`DANGEROUSLY_ALLOW_WEAK_SANDBOX`).
    pub allow_weak: bool,
    /// Who is told of workers that are lost. One that does not keep up misses some; the log has all.
    pub incidents: Option<tokio::sync::mpsc::Sender<Incident>>,
    /// A program that calls [`crate::worker_main`] when its first argument is `sandbox-worker`.
    pub worker_exe: PathBuf,
}

impl IsolateConfig {
    /// The usual values: one worker ready, at most four.
    pub fn new(worker_exe: PathBuf) -> Self {
        Self {
            workers_min: 1,
            workers_max: 4,
            waiting_max: 1_000,
            served_max: 10_000,
            resident_bytes_max: 512 << 20,
            silence_max: Duration::from_secs(10),
            allow_weak: false,
            incidents: None,
            worker_exe,
        }
    }
}

/// The pool at this moment, for `doctor` and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Workers alive.
    pub workers: usize,
    /// Programs that hold a place.
    pub sessions: usize,
    /// Programs that wait for one.
    pub waiting: usize,
    /// Workers that died or were killed since the start.
    pub workers_lost: u64,
}

/// The built-in runtime. Dropping it ends every worker.
pub struct Isolate {
    pool: Arc<Pool>,
    layers: Vec<Layer>,
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
            let allow_weak = config.allow_weak;
            let (pool, found) = Pool::open(config).await?;
            let layers = if allow_weak { weakened(found) } else { found };
            if layers.iter().any(|l| l.required && !l.active) {
                // They may serve nobody.
                pool.close();
            }
            Ok(Isolate { pool, layers })
        }
        .boxed()
    }

    /// The pool at this moment.
    pub fn stats(&self) -> Stats {
        self.pool.stats()
    }
}

impl Drop for Isolate {
    fn drop(&mut self) {
        self.pool.close();
    }
}

impl Sandbox for Isolate {
    fn name(&self) -> &'static str {
        "isolate"
    }

    fn engine_digest(&self) -> &str {
        engine_digest()
    }

    fn engines(&self) -> Vec<&str> {
        compatible::with_older(engine_digest(), compatible::REVIEWED)
    }

    /// As found when the first workers started.
    fn layers(&self) -> Vec<Layer> {
        self.layers.clone()
    }

    fn start(&self, start: Start) -> BoxFuture<'_, Result<Session, Error>> {
        // Closed before it was dropped: it has refused from the start.
        if self.pool.is_closed()
            && let Some(refusal) = self.refusal()
        {
            return futures_util::future::ready(Err(refusal)).boxed();
        }
        self.pool.clone().start(start).boxed()
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
