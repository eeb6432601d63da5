//! One running program as its host sees it: commands in, events out.
//!
//! The host says what time it is and delivers answers; the program runs in
//! turns. Each command begins one turn, which ends with exactly one of
//! `TurnEnd`, `Done` or `Failed` after any number of `Call` and `Log`. Given
//! the same program, seed and commands, the events are the same to the byte.
//! Nothing here waits for people or decides anything; see the engine.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::{Error, Layer, Limits, Program, Snapshot};

/// Runs programs. Implemented by the isolate and by other runtimes.
pub trait Sandbox: Send + Sync {
    /// The runtime's identifier, as in `runtimeId`.
    fn name(&self) -> &'static str;
    /// Digest of what a replay depends on besides the program: a journal recorded
    /// under another is not resumed. Lower-case hexadecimal SHA-256.
    fn engine_digest(&self) -> &str;
    /// Digests of all engines whose journals this one replays to the byte: its own, and those of
    /// older versions that it has been shown to be compatible with.
    fn engines(&self) -> Vec<&str> {
        vec![self.engine_digest()]
    }
    /// The protections around programs, and which of them hold.
    fn layers(&self) -> Vec<Layer>;
    /// Why no program may run here: a required layer that does not hold.
    fn refusal(&self) -> Option<Error> {
        let missing = self
            .layers()
            .into_iter()
            .find(|l| l.required && !l.active)?;
        Some(Error::Unprotected {
            layer: missing.name,
            detail: missing.detail,
        })
    }
    /// Starts a program; waits for a free place when all are taken.
    fn start(&self, start: Start) -> BoxFuture<'_, Result<Session, Error>>;
}

/// Everything a run depends on besides the answers it will be given.
pub struct Start {
    /// Programs of different tenants do not share a process at the same time.
    pub tenant: String,
    /// The compiled program.
    pub program: Arc<Program>,
    /// Source of all randomness in the program.
    pub seed: [u8; 32],
    /// What `Date.now()` shows, milliseconds since 1970.
    pub now_ms: i64,
    /// Task time, which timers and `performance.now()` run on.
    pub elapsed_ms: u64,
    /// What the program may use.
    pub limits: Limits,
    /// Where to go on from, instead of the beginning. The first turn then only says what
    /// the program waits for. Should it fail, nothing has happened: begin without one.
    pub snapshot: Option<Snapshot>,
}

/// A running program. Dropping it cancels the program.
pub struct Session {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Event>,
}

/// The session's program is over; nothing can be sent to it.
#[derive(Debug, thiserror::Error)]
#[error("the program is over")]
pub struct Gone;

impl Session {
    /// A session over channels that some runtime, or a test script, serves.
    pub fn new(commands: mpsc::Sender<Command>, events: mpsc::Receiver<Event>) -> Self {
        Self { commands, events }
    }

    /// The next event; [`Event::Lost`] for ever once the runtime is gone. Safe to drop.
    pub async fn next(&mut self) -> Event {
        self.events.recv().await.unwrap_or(Event::Lost)
    }

    /// Begins a turn, after those already asked for.
    ///
    /// # Errors
    /// [`Gone`] when the program has ended or its worker has died.
    pub async fn send(&self, command: Command) -> Result<(), Gone> {
        self.commands.send(command).await.map_err(|_| Gone)
    }
}

/// Begins a turn.
#[derive(Clone, Debug)]
pub enum Command {
    /// Answers a call. Timers due by `elapsed_ms` fire first, each at its own moment.
    Deliver {
        /// The call's number.
        seq: u32,
        /// What `Date.now()` shows from here on.
        now_ms: i64,
        /// Task time from here on.
        elapsed_ms: u64,
        /// The answer.
        outcome: Outcome,
    },
    /// Lets time pass: fires the timers due by `elapsed_ms`, in order.
    Advance {
        /// What `Date.now()` shows from here on.
        now_ms: i64,
        /// Task time from here on.
        elapsed_ms: u64,
    },
    /// Asks for a snapshot; answered by [`Event::Snapshot`], which ends this turn.
    Snapshot,
}

/// The answer to a call.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The value it resolves to, as JSON.
    Value(Arc<str>),
    /// The `ToolError` it rejects with: `{code, message, tool, status?, details?, retryable}`.
    Error(Arc<str>),
}

impl Outcome {
    /// Whether it is a value, and its JSON.
    pub(crate) fn as_json(&self) -> (bool, &str) {
        match self {
            Outcome::Value(json) => (true, json),
            Outcome::Error(json) => (false, json),
        }
    }
}

/// How a logged line was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// `console.debug`, `console.trace`
    Debug,
    /// `console.log`
    Log,
    /// `console.info`
    Info,
    /// `console.warn`
    Warn,
    /// `console.error`
    Error,
}

/// What a program does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It calls a tool.
    Call {
        /// 1, 2, 3, … in the order of calling.
        seq: u32,
        /// The path as written, segments joined by dots.
        path: String,
        /// A JSON object.
        arguments: String,
        /// A JSON object.
        options: String,
        /// Line and column of the call in the source as sent, from 1; best effort.
        position: Option<(u32, u32)>,
    },
    /// It writes a line.
    Log {
        /// Which `console` function.
        level: LogLevel,
        /// The line; may hold line breaks.
        text: String,
    },
    /// It waits.
    TurnEnd {
        /// Calls without an answer.
        pending_calls: u32,
        /// When the next timer is due, in task time.
        next_timer_elapsed_ms: Option<u64>,
        /// Processor time used so far by the whole task.
        compute_ms: u64,
    },
    /// It returned.
    Done {
        /// JSON; `null` for undefined.
        result: String,
        /// Nothing was returned.
        was_undefined: bool,
        /// Processor time used by the whole task.
        compute_ms: u64,
    },
    /// It threw, or passed a limit.
    Failed(Failure),
    /// The program as it rests, or nothing where its runtime makes no snapshots or it is too large.
    Snapshot(Option<Snapshot>),
    /// Its worker is gone through no fault of its own; it can be rebuilt by replay.
    Lost,
}

/// Why a program ended without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of end.
    pub code: FailureCode,
    /// One sentence for a person; names the limit where one was passed.
    pub message: String,
    /// The error's name, such as `TypeError`; empty when no error was thrown.
    pub name: String,
    /// Frames in the source as sent, one per line; may be empty.
    pub stack: String,
    /// Where, in the source as sent, from 1.
    pub line: Option<u32>,
    /// Where, in the source as sent, from 1.
    pub column: Option<u32>,
    /// The tool's error as JSON, when it was one that the program did not catch.
    pub tool_error: Option<String>,
    /// Processor time used by the whole task.
    pub compute_ms: u64,
}

/// The kinds of failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCode {
    /// An exception was not caught.
    Thrown,
    /// It awaits something that nothing can bring about.
    NeverSettles,
    /// Limit `computeMs`.
    ComputeLimit,
    /// Limit `memoryBytes`.
    MemoryLimit,
    /// The engine's stack, a fixed limit.
    StackLimit,
    /// Limit `logBytes`.
    LogLimit,
    /// Limit `calls` or `callsInFlight`, where a runtime ends the program for it.
    CallLimit,
    /// Limit `resultBytes`.
    ResultLimit,
    /// The engine failed.
    Internal,
}
