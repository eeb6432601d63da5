//! The host's end of one worker process.
//!
//! One task reads and judges every frame (`judge.rs`), one per session writes
//! its commands, one keeps watch while programs run (`watch.rs`). When the
//! worker is killed or dies, its sessions get [`Event::Lost`]. Which program
//! goes where is decided in `pool.rs`.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command as Process};
use tokio::sync::{Notify, Semaphore, mpsc};

use super::judge::{Judge, Violation};
use super::lockdown::Layer;
use super::watch::Ledger;
use super::wire::{Frame, HEADER_BYTES, Kind, PARAMS_BYTES, WIRE_VERSION};
use crate::Error;
use crate::limits::FRAME_BYTES_MAX;
use crate::session::{Command, Event, Session, Start};

/// How long a worker may take to lock itself down; generous, for a loaded machine.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);
/// Events a session may fall behind before its worker is made to wait.
const EVENTS_BEHIND_MAX: usize = 256;
const READ_BYTES: usize = 64 << 10;

/// One worker, alive or dead.
pub(super) struct Link {
    pub(super) pid: u32,
    writer: tokio::sync::Mutex<OwnedWriteHalf>,
    seats: Mutex<HashMap<u32, Seat>>,
    next_task: AtomicU32,
    /// Closed when the worker is dead.
    alive: Semaphore,
    /// Raised when a turn begins, for the watch.
    pub(super) turns: Notify,
    /// The reader waits for a slow session: silence is not the worker's fault.
    pub(super) held_up: AtomicBool,
    pub(super) heard: AtomicU64,
    ledger: Mutex<Ledger>,
}

/// A session's place in a worker.
pub(super) struct Seat {
    pub(super) judge: Judge,
    events: mpsc::Sender<Event>,
    /// One permit while the task rests; closed when it is over.
    rest: Arc<Semaphore>,
    /// Cancel was sent: frames already on their way are dropped until Gone.
    canceled: bool,
}

/// What a new worker is made of, and what it said of itself.
pub(super) struct Opened {
    pub link: Arc<Link>,
    pub layers: Vec<Layer>,
    pub child: Child,
    pub reader: Reader,
}

/// The reading half, with what was read too far.
pub(super) struct Reader {
    socket: OwnedReadHalf,
    buffer: Vec<u8>,
}

impl Link {
    /// Starts a worker process and waits for its report.
    ///
    /// # Errors
    /// [`Error::WorkerStart`] when it cannot run or says nothing sensible.
    pub(super) async fn open(exe: &Path, image: &File) -> Result<Opened, Error> {
        let failed = |reason: String| Error::WorkerStart {
            exe: exe.display().to_string(),
            reason,
        };
        let (ours, theirs) =
            std::os::unix::net::UnixStream::pair().map_err(|e| failed(e.to_string()))?;
        ours.set_nonblocking(true)
            .map_err(|e| failed(e.to_string()))?;
        let (socket, writer) = UnixStream::from_std(ours)
            .map_err(|e| failed(e.to_string()))?
            .into_split();
        let image = image.try_clone().map_err(|e| failed(e.to_string()))?;
        let child = Process::new(exe)
            .arg("sandbox-worker")
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(image))
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| failed(e.to_string()))?;
        let mut reader = Reader {
            socket,
            buffer: Vec::new(),
        };
        let hello = tokio::time::timeout(HELLO_TIMEOUT, reader.hello())
            .await
            .unwrap_or_else(|_| Err("it did not report in time".into()));
        let layers = hello.map_err(failed)?;
        let link = Link {
            pid: child.id().unwrap_or(0),
            writer: tokio::sync::Mutex::new(writer),
            seats: Mutex::default(),
            next_task: AtomicU32::new(1),
            alive: Semaphore::new(0),
            turns: Notify::new(),
            held_up: AtomicBool::new(false),
            heard: AtomicU64::new(0),
            ledger: Mutex::default(),
        };
        Ok(Opened {
            link: Arc::new(link),
            layers,
            child,
            reader,
        })
    }

    /// Starts a program here. The second value is the session's pump, to be run to its end.
    ///
    /// # Errors
    /// Gives the start back when the worker is dead.
    pub(super) async fn start(
        self: &Arc<Self>,
        start: Start,
    ) -> Result<(Session, impl Future<Output = ()> + Send + use<>), Start> {
        if self.alive.is_closed() {
            return Err(start);
        }
        let task = self.next_task.fetch_add(1, Ordering::Relaxed);
        let limits = start.limits.within_reach();
        let (events, heard) = mpsc::channel(EVENTS_BEHIND_MAX);
        let (commands, orders) = mpsc::channel(1);
        let at_rest = Arc::new(Semaphore::new(0));
        let (program, snapshot) = (start.program.clone(), start.snapshot.as_ref());
        let judge = match snapshot {
            Some(snapshot) => Judge::restored(program, limits.clone(), &snapshot.head),
            None => Judge::new(program, limits.clone()),
        };
        let compute_used_ms = judge.compute_ms();
        self.note_turn();
        self.seats().insert(
            task,
            Seat {
                judge,
                events: events.clone(),
                rest: at_rest.clone(),
                canceled: false,
            },
        );

        let rest = snapshot.map_or(start.program.code().as_bytes(), |s| &s.memory);
        let mut frame = Vec::with_capacity(HEADER_BYTES + PARAMS_BYTES + 16 + rest.len());
        Frame::write(
            &mut frame,
            Kind::Start,
            u8::from(snapshot.is_some()),
            (task, 0),
            &[
                &params(&start, &limits),
                &limits.compute_ms.to_le_bytes(),
                &compute_used_ms.to_le_bytes(),
                rest,
            ],
        );
        if self.write(&frame).await.is_err() {
            self.seats().remove(&task);
            return Err(start);
        }
        let link = self.clone();
        Ok((Session::new(commands, heard), async move {
            link.pump(task, orders, events, at_rest).await
        }))
    }

    /// Carries one session's commands to the worker, one turn at a time, until either side is done.
    async fn pump(
        &self,
        task: u32,
        mut orders: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        rest: Arc<Semaphore>,
    ) {
        loop {
            let rested = tokio::select! {
                () = events.closed() => break,
                rested = rest.acquire() => rested,
            };
            let Ok(permit) = rested else { break };
            permit.forget();
            let order = tokio::select! {
                () = events.closed() => break,
                _ = self.alive.acquire() => break,
                order = orders.recv() => order,
            };
            let Some(order) = order else { break };
            if self.give(task, &order).await.is_err() {
                break;
            }
        }
        drop(events);
        if let Some(seat) = self.seats().get_mut(&task) {
            seat.canceled = true;
        }
        let mut frame = Vec::new();
        Frame::write(&mut frame, Kind::Cancel, 0, (task, 0), &[]);
        // A worker that cannot be written to is dead, and its reader knows.
        let _ = self.write(&frame).await;
    }

    async fn give(&self, task: u32, order: &Command) -> std::io::Result<()> {
        let answers = match order {
            Command::Deliver { seq, .. } => Some(*seq),
            Command::Advance { .. } | Command::Snapshot => None,
        };
        self.note_turn();
        let known = self.seats().get_mut(&task).is_some_and(|seat| {
            if matches!(order, Command::Snapshot) {
                seat.judge.begin_snapshot();
                return true;
            }
            seat.judge.begin_turn(answers)
        });
        if !known {
            tracing::error!(
                task,
                ?answers,
                "an answer was given to a call that does not wait for one"
            );
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        let mut frame = Vec::new();
        match order {
            Command::Deliver {
                seq,
                now_ms,
                elapsed_ms,
                outcome,
            } => {
                let (ok, json) = outcome.as_json();
                Frame::write(
                    &mut frame,
                    Kind::Deliver,
                    u8::from(ok),
                    (task, *seq),
                    &[&clock(*now_ms), &clock(*elapsed_ms as i64), json.as_bytes()],
                );
            }
            Command::Advance { now_ms, elapsed_ms } => {
                Frame::write(
                    &mut frame,
                    Kind::Advance,
                    0,
                    (task, 0),
                    &[&clock(*now_ms), &clock(*elapsed_ms as i64)],
                );
            }
            Command::Snapshot => Frame::write(&mut frame, Kind::Snapshot, 0, (task, 0), &[]),
        }
        if frame.len() > FRAME_BYTES_MAX {
            tracing::error!(
                task,
                bytes = frame.len(),
                "an answer is too large for the sandbox"
            );
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        self.write(&frame).await
    }

    /// Reads until the worker dies or lies, and answers the lie; by then every session knows.
    /// `freed` is called whenever a task has left the worker entirely.
    pub(super) async fn read(&self, mut reader: Reader, freed: impl Fn()) -> Option<Violation> {
        let violation = loop {
            match reader.more().await {
                Ok(true) => {
                    if let Err(violation) = self.hear(&mut reader.buffer, &freed).await {
                        break Some(violation);
                    }
                }
                Ok(false) | Err(_) => break None,
            }
        };
        self.alive.close();
        let seats: Vec<Seat> = self.seats().drain().map(|(_, seat)| seat).collect();
        for seat in seats {
            seat.rest.close();
            // The channel may be full and its reader slow; closing it says Lost as well.
            let _ = seat.events.try_send(Event::Lost);
        }
        violation
    }

    async fn hear(&self, buffer: &mut Vec<u8>, freed: &impl Fn()) -> Result<(), Violation> {
        let mut at = 0;
        while let Some((frame, used)) = Frame::split(&buffer[at..]).map_err(Violation)? {
            self.heard.fetch_add(1, Ordering::Relaxed);
            if let Some((events, event)) = self.judge(&frame, freed)?
                && let Err(mpsc::error::TrySendError::Full(event)) = events.try_send(event)
            {
                self.held_up.store(true, Ordering::Relaxed);
                // A session that was dropped meanwhile wants no events.
                let _ = events.send(event).await;
                self.held_up.store(false, Ordering::Relaxed);
            }
            at += used;
        }
        buffer.drain(..at);
        buffer.shrink_to(READ_BYTES);
        Ok(())
    }

    fn judge(
        &self,
        frame: &Frame<'_>,
        freed: &impl Fn(),
    ) -> Result<Option<(mpsc::Sender<Event>, Event)>, Violation> {
        if frame.kind == Kind::Pong {
            return Ok(None);
        }
        let mut seats = self.seats();
        let seat = seats
            .get_mut(&frame.task)
            .ok_or(Violation("a frame about a task that is not there"))?;
        if frame.kind == Kind::Gone {
            if !seat.canceled {
                return Err(Violation("a task that left on its own"));
            }
            seats.remove(&frame.task);
            drop(seats);
            freed();
            return Ok(None);
        }
        if seat.canceled {
            return Ok(None);
        }
        let before_ms = seat.judge.compute_ms();
        let event = seat.judge.hear(frame)?;
        if !seat.judge.in_turn() {
            self.ledger().reported_ms += seat.judge.compute_ms() - before_ms;
        }
        let events = seat.events.clone();
        match &event {
            Event::TurnEnd { .. } | Event::Snapshot(_) => seat.rest.add_permits(1),
            Event::Done { .. } | Event::Failed(_) | Event::Lost => seat.rest.close(),
            Event::Call { .. } | Event::Log { .. } => {}
        }
        Ok(Some((events, event)))
    }

    pub(super) async fn write(&self, frame: &[u8]) -> std::io::Result<()> {
        self.writer.lock().await.write_all(frame).await
    }

    pub(super) fn seats(&self) -> MutexGuard<'_, HashMap<u32, Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Reads once. False at the end.
    async fn more(&mut self) -> std::io::Result<bool> {
        self.buffer.reserve(READ_BYTES);
        Ok(self.socket.read_buf(&mut self.buffer).await? > 0)
    }

    async fn hello(&mut self) -> Result<Vec<Layer>, String> {
        loop {
            if let Some((frame, used)) = Frame::split(&self.buffer)? {
                if frame.kind != Kind::Hello {
                    return Err("it is not a sandbox worker".into());
                }
                if frame.flags != WIRE_VERSION {
                    return Err("it is a sandbox worker of another version".into());
                }
                let layers = serde_json::from_slice(frame.body).map_err(|e| e.to_string())?;
                self.buffer.drain(..used);
                return Ok(layers);
            }
            if !self.more().await.map_err(|e| e.to_string())? {
                return Err("it ended before it was ready".into());
            }
        }
    }
}

/// `struct params` of `engine.c`.
fn params(start: &Start, limits: &crate::Limits) -> Vec<u8> {
    let word = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = Vec::with_capacity(PARAMS_BYTES);
    out.extend_from_slice(&start.seed);
    out.extend_from_slice(&clock(start.now_ms));
    out.extend_from_slice(&clock(start.elapsed_ms as i64));
    for value in [
        limits.memory_bytes,
        u64::from(limits.calls_max),
        u64::from(limits.calls_in_flight_max),
        limits.log_bytes_max,
        limits.result_bytes_max,
        limits.message_bytes_max,
    ] {
        out.extend_from_slice(&word(value));
    }
    out
}

/// Milliseconds as the engine's number; exact far beyond any date.
fn clock(ms: i64) -> [u8; 8] {
    (ms as f64).to_le_bytes()
}
