//! The runtime `local-bun`: one Bun process for each program, for development.
//!
//! Fast, and no sandbox: the process has the rights of the server's user. It is
//! given no environment and an empty folder, and held to its limits from
//! outside, by the kernel's clock of the process and its resident memory. The
//! program's world is `world.rs`'s; the process's own script is
//! `runtimes/local-bun.js`. Whether it may be used at all is configuration.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command as Process};
use tokio::sync::{Semaphore, mpsc};

use super::said::{Ear, MESSAGE_BYTES_MAX, Turn, start_text};
use super::world::{digest, world};
use crate::isolate::{processor_time_ms, resident_bytes};
use crate::limits::MEMORY_BYTES_BESIDE;
use crate::session::{Command, Event, FailureCode, Sandbox, Session, Start};
use crate::{Error, Layer, Limits};

/// How often a program that runs is held against its limits.
const WATCH_EVERY: Duration = Duration::from_millis(20);
/// How long Bun may take to start; generous, for a loaded machine.
const READY_TIMEOUT: Duration = Duration::from_secs(20);
/// Processor time after which the kernel ends a process that nobody watches any more, beyond its limit.
const ORPHAN_SECONDS: u64 = 5;
/// Events a session may fall behind before its process is made to wait.
const EVENTS_BEHIND_MAX: usize = 256;
const READ_BYTES: usize = 64 << 10;

const SCRIPT: &str = include_str!("../../runtimes/local-bun.js");

/// How the runtime is set up.
#[derive(Clone, Debug)]
pub struct LocalBunConfig {
    /// The program `bun`.
    pub bun: PathBuf,
    /// A folder of its own, made when it is missing.
    pub folder: PathBuf,
    /// Processes at one time; further programs wait.
    pub processes_max: usize,
}

/// Programs in Bun processes. Dropping it ends none that run.
pub struct LocalBun {
    bun: PathBuf,
    script: PathBuf,
    empty: PathBuf,
    version: String,
    digest: String,
    places: Arc<Semaphore>,
}

/// One process and what it says.
struct Link {
    child: Child,
    pid: u32,
    commands: ChildStdin,
    messages: ChildStdout,
    buffer: Vec<u8>,
    /// Processor time and resident memory when the program began.
    since_ms: u64,
    since_bytes: u64,
}

impl LocalBun {
    /// Asks Bun for its version and lays out the folder.
    ///
    /// # Errors
    /// [`Error::WorkerStart`] when there is no Bun; [`Error::Host`] when the folder cannot be written.
    pub fn start(config: LocalBunConfig) -> BoxFuture<'static, Result<LocalBun, Error>> {
        async move {
            let version = version(&config.bun).await?;
            let empty = config.folder.join("empty");
            let script = config.folder.join("local-bun.cjs");
            std::fs::create_dir_all(&empty)
                .and_then(|()| std::fs::write(&script, SCRIPT))
                .map_err(|source| Error::Host {
                    doing: "lay out the folder of local-bun",
                    source,
                })?;
            Ok(LocalBun {
                digest: digest(&["local-bun", SCRIPT, &version]),
                bun: config.bun,
                script,
                empty,
                version,
                places: Arc::new(Semaphore::new(config.processes_max.max(1))),
            })
        }
        .boxed()
    }

    async fn session(&self, start: Start) -> Result<Session, Error> {
        let place = self
            .places
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| Error::Closed)?;
        let limits = start.limits.within_reach();
        let mut link = self.open(&limits)?;
        let failed = |reason: String| self.not_started(reason);
        tokio::time::timeout(READY_TIMEOUT, link.begin(&start, &limits))
            .await
            .unwrap_or_else(|_| Err("it did not report in time".into()))
            .map_err(failed)?;
        let (events, heard) = mpsc::channel(EVENTS_BEHIND_MAX);
        let (commands, orders) = mpsc::channel(1);
        let ear = Ear::new(start.program, limits.clone());
        tokio::spawn(async move {
            link.converse(ear, &limits, orders, events).await;
            // Fails only when it is dead, which is what is wanted.
            let _ = link.child.kill().await;
            drop(place);
        });
        Ok(Session::new(commands, heard))
    }

    fn open(&self, limits: &Limits) -> Result<Link, Error> {
        let failed = |reason: &str| self.not_started(reason.to_owned());
        let mut child = Process::new(&self.bun)
            .arg(&self.script)
            .env_clear()
            .env("TZ", "UTC")
            // Every call leaves its frame in a stack, as elsewhere.
            .env("BUN_JSC_useTailCalls", "0")
            // Garbage is collected with the limit in mind, not this machine's memory.
            .env("BUN_JSC_forceRAMSize", limits.memory_bytes.to_string())
            .env("BUN_JSC_useShadowRealm", "0")
            .current_dir(&self.empty)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| failed(&e.to_string()))?;
        let (Some(pid), Some(commands), Some(messages)) =
            (child.id(), child.stdin.take(), child.stdout.take())
        else {
            return Err(failed("it ended at once"));
        };
        if let Err(error) = bound_orphan(pid, limits.compute_ms / 1_000 + ORPHAN_SECONDS) {
            tracing::warn!(%error, "the processor time of a Bun process could not be bounded");
        }
        Ok(Link {
            child,
            pid,
            commands,
            messages,
            buffer: Vec::new(),
            since_ms: 0,
            since_bytes: 0,
        })
    }

    fn not_started(&self, reason: String) -> Error {
        Error::WorkerStart {
            exe: self.bun.display().to_string(),
            reason,
        }
    }
}

impl Sandbox for LocalBun {
    fn name(&self) -> &'static str {
        "local-bun"
    }

    fn engine_digest(&self) -> &str {
        &self.digest
    }

    /// None protects: one layer says so.
    fn layers(&self) -> Vec<Layer> {
        vec![Layer {
            name: "boundary".into(),
            active: false,
            required: false,
            detail: format!(
                "DANGEROUSLY_ALLOW_LOCAL_VM is set: programs that ask for it run in Bun {} with the rights of the server's user, behind no wall",
                self.version
            ),
        }]
    }

    fn start(&self, start: Start) -> BoxFuture<'_, Result<Session, Error>> {
        self.session(start).boxed()
    }
}

impl Link {
    /// Hands over world and program and begins the first turn.
    async fn begin(&mut self, start: &Start, limits: &Limits) -> Result<(), String> {
        let sent = self.tell(world()).await;
        sent.map_err(|e| e.to_string())?;
        match self.message().await.map_err(|e| e.to_string())? {
            Some(ready) if ready == br#"{"t":"ready"}"# => {}
            Some(_) => return Err("it said something else than that it is ready".into()),
            None => return Err("it ended before it was ready".into()),
        }
        self.since_ms = processor_time_ms(self.pid).unwrap_or(0);
        self.since_bytes = resident_bytes(self.pid).unwrap_or(0);
        let sent = self.tell(&start_text(start, limits)).await;
        sent.map_err(|e| e.to_string())
    }

    /// Carries commands and events until either side is done.
    async fn converse(
        &mut self,
        mut ear: Ear,
        limits: &Limits,
        mut orders: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
    ) {
        let mut watch = tokio::time::interval(WATCH_EVERY);
        watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                () = events.closed() => return,
                message = self.message() => match message {
                    Ok(Some(message)) => ear.hear(&message, self.compute_ms()).unwrap_or_else(|violation| {
                        tracing::error!(pid = self.pid, %violation, "a Bun process broke the protocol and is killed");
                        Event::Lost
                    }),
                    Ok(None) | Err(_) => Event::Lost,
                },
                _ = watch.tick(), if ear.in_turn() => match self.passed(limits) {
                    Some(code) => ear.passed(code, self.compute_ms()),
                    None => continue,
                },
                order = orders.recv(), if !ear.in_turn() => {
                    let Some(order) = order else { return };
                    match Turn::of(&order) {
                        None => Event::Snapshot(None),
                        Some(turn) if ear.begin_turn(&turn) => match self.tell(&turn.text).await {
                            Ok(()) => continue,
                            Err(_) => Event::Lost,
                        },
                        Some(_) => {
                            tracing::error!(pid = self.pid, "an answer was given to a call that does not wait for one");
                            return;
                        }
                    }
                }
            };
            let over = matches!(event, Event::Done { .. } | Event::Failed(_) | Event::Lost);
            // A session that was dropped meanwhile wants no events.
            if events.send(event).await.is_err() || over {
                return;
            }
        }
    }

    /// The limit that the process has passed, if any.
    fn passed(&self, limits: &Limits) -> Option<FailureCode> {
        if self.compute_ms() > limits.compute_ms {
            return Some(FailureCode::ComputeLimit);
        }
        let grown = resident_bytes(self.pid)?.saturating_sub(self.since_bytes);
        (grown > limits.memory_bytes + MEMORY_BYTES_BESIDE).then_some(FailureCode::MemoryLimit)
    }

    fn compute_ms(&self) -> u64 {
        processor_time_ms(self.pid)
            .unwrap_or(0)
            .saturating_sub(self.since_ms)
    }

    async fn tell(&mut self, text: &str) -> std::io::Result<()> {
        let length = u32::try_from(text.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
        self.commands.write_all(&length.to_le_bytes()).await?;
        self.commands.write_all(text.as_bytes()).await?;
        self.commands.flush().await
    }

    /// The next message; `None` at the end. Safe to drop.
    async fn message(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            if let Some((header, rest)) = self.buffer.split_first_chunk::<4>() {
                let length = u32::from_le_bytes(*header) as usize;
                if length > MESSAGE_BYTES_MAX {
                    return Err(std::io::ErrorKind::InvalidData.into());
                }
                if let Some(message) = rest.get(..length) {
                    let message = message.to_vec();
                    self.buffer.drain(..4 + length);
                    self.buffer.shrink_to(READ_BYTES);
                    return Ok(Some(message));
                }
            }
            self.buffer.reserve(READ_BYTES);
            if self.messages.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

async fn version(bun: &Path) -> Result<String, Error> {
    let failed = |reason: String| Error::WorkerStart {
        exe: bun.display().to_string(),
        reason,
    };
    let asked = Process::new(bun)
        .arg("--revision")
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(READY_TIMEOUT, asked)
        .await
        .map_err(|_| failed("it does not tell its version".into()))?
        .map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("it is no Bun: {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Should this server be killed, nobody is left to watch a program that never rests.
#[cfg(target_os = "linux")]
fn bound_orphan(pid: u32, seconds: u64) -> std::io::Result<()> {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    // Without a number the limit would be the server's own.
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    let bound = Rlimit {
        current: Some(seconds),
        maximum: Some(seconds),
    };
    prlimit(Some(pid), Resource::Cpu, bound)?;
    Ok(())
}

/// Other systems limit only the process that asks.
#[cfg(not(target_os = "linux"))]
fn bound_orphan(_pid: u32, _seconds: u64) -> std::io::Result<()> {
    Ok(())
}
