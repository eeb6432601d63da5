//! What the host believes of one task's frames, and what it makes of them.
//!
//! A worker may have been taken over by what it ran, so every frame is held
//! against what the task could have said at that point. One that does not fit
//! is a [`Violation`], and the worker dies for it. Who a frame is about follows
//! from the link it came by, never from its content.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::wire::{Body, Frame, Kind};
use crate::Program;
use crate::limits::Limits;
use crate::session::{Event, Failure, FailureCode, LogLevel};
use crate::snapshot::{Head, Snapshot};

/// As in `engine.c`.
const PATH_BYTES_MAX: usize = 512;
/// As in `engine.c`.
const LOOKUPS_MAX: u32 = 10_000;
/// As in the prelude: paths that the limit on calls leaves out.
const LOOKUPS: [&str; 5] = [
    "discover",
    "describe",
    "catalog.namespaces",
    "catalog.tools",
    "results.read",
];
/// A described error: three texts of at most 16 K characters each, and a tool's error.
const FAILURE_BYTES_BESIDE: u64 = 512 << 10;

/// A frame that no honest worker sends.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Violation(pub &'static str);

/// What a task may still say.
pub(crate) struct Judge {
    program: Arc<Program>,
    limits: Limits,
    in_turn: bool,
    /// The turn under way is a request for a snapshot.
    in_snapshot: bool,
    last_seq: u32,
    /// So many of them were look-ups.
    lookups: u32,
    /// Calls that wait, with the bytes of their arguments and options.
    pending: HashMap<u32, u64>,
    log_bytes: u64,
    compute_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    stack: String,
    tool_error: Option<String>,
}

impl Judge {
    /// For a task whose first turn begins now.
    pub(crate) fn new(program: Arc<Program>, limits: Limits) -> Judge {
        Judge {
            program,
            limits,
            in_turn: true,
            in_snapshot: false,
            last_seq: 0,
            lookups: 0,
            pending: HashMap::new(),
            log_bytes: 0,
            compute_ms: 0,
        }
    }

    /// For a task that goes on from a snapshot.
    pub(super) fn restored(program: Arc<Program>, limits: Limits, head: &Head) -> Judge {
        Judge {
            last_seq: head.last_seq,
            lookups: head.lookups,
            pending: head.pending.iter().copied().collect(),
            log_bytes: head.log_bytes,
            compute_ms: head.compute_ms,
            ..Judge::new(program, limits)
        }
    }

    /// Whether a turn is under way.
    pub(crate) fn in_turn(&self) -> bool {
        self.in_turn
    }

    /// Processor time the task has used in turns that ended.
    pub(crate) fn compute_ms(&self) -> u64 {
        self.compute_ms
    }

    /// Processor time the task may still use.
    pub(super) fn compute_left_ms(&self) -> u64 {
        self.limits.compute_ms.saturating_sub(self.compute_ms)
    }

    /// A turn begins; with `answers`, by the answer to that call. False when no such call waits.
    pub(crate) fn begin_turn(&mut self, answers: Option<u32>) -> bool {
        if answers.is_some_and(|seq| self.pending.remove(&seq).is_none()) {
            return false;
        }
        self.in_turn = true;
        true
    }

    /// The task is asked for a snapshot.
    pub(super) fn begin_snapshot(&mut self) {
        self.in_turn = true;
        self.in_snapshot = true;
    }

    /// The event a frame stands for.
    ///
    /// # Errors
    /// [`Violation`] when the task cannot have said this now.
    pub(crate) fn hear(&mut self, frame: &Frame<'_>) -> Result<Event, Violation> {
        if !self.in_turn {
            return Err(Violation("a frame between two turns"));
        }
        if self.in_snapshot != (frame.kind == Kind::Memory) {
            return Err(Violation("another answer than was asked for"));
        }
        let mut body = Body(frame.body);
        match frame.kind {
            Kind::Memory => {
                self.in_turn = false;
                self.in_snapshot = false;
                let memory = frame.body.to_vec();
                Ok(Event::Snapshot((!memory.is_empty()).then(|| Snapshot {
                    head: self.head(),
                    memory,
                })))
            }
            Kind::Call => self.call(frame.call, body),
            Kind::Log => self.log(frame.flags, frame.body),
            Kind::TurnEnd => {
                self.end_turn(&mut body)?;
                let timer = body.f64().ok_or(Violation("a short frame"))?;
                if frame.call as usize != self.pending.len() || !timer.is_finite() {
                    return Err(Violation("a turn that ends with calls it did not make"));
                }
                let next_timer_elapsed_ms = (timer >= 0.0).then_some(timer as u64);
                Ok(Event::TurnEnd {
                    pending_calls: frame.call,
                    next_timer_elapsed_ms,
                    compute_ms: self.compute_ms,
                })
            }
            Kind::Done => {
                self.end_turn(&mut body)?;
                let result = json(body.0, self.limits.result_bytes_max, "the result")?;
                Ok(Event::Done {
                    result,
                    was_undefined: frame.flags == 1,
                    compute_ms: self.compute_ms,
                })
            }
            Kind::Failed => {
                self.end_turn(&mut body)?;
                let code =
                    failure_code(frame.flags).ok_or(Violation("a failure of unknown kind"))?;
                if body.0.len() as u64 > self.limits.message_bytes_max + FAILURE_BYTES_BESIDE {
                    return Err(Violation("a failure described at too great length"));
                }
                let described = serde_json::from_slice(body.0)
                    .map_err(|_| Violation("a failure that is not described as JSON"))?;
                Ok(Event::Failed(self.failure(code, described)))
            }
            Kind::Start
            | Kind::Deliver
            | Kind::Advance
            | Kind::Cancel
            | Kind::Ping
            | Kind::Snapshot
            | Kind::Hello
            | Kind::Gone
            | Kind::Pong => Err(Violation("a frame that is not a task's to send")),
        }
    }

    fn head(&self) -> Head {
        Head {
            engine: super::engine_digest().to_owned(),
            code: self.program.code_digest().to_owned(),
            last_seq: self.last_seq,
            lookups: self.lookups,
            pending: self
                .pending
                .iter()
                .map(|(seq, bytes)| (*seq, *bytes))
                .collect(),
            log_bytes: self.log_bytes,
            compute_ms: self.compute_ms,
        }
    }

    fn end_turn(&mut self, body: &mut Body<'_>) -> Result<(), Violation> {
        let used = body.u64().ok_or(Violation("a short frame"))?;
        if used < self.compute_ms {
            return Err(Violation("compute time that runs backwards"));
        }
        self.compute_ms = used;
        self.in_turn = false;
        Ok(())
    }

    fn call(&mut self, seq: u32, mut body: Body<'_>) -> Result<Event, Violation> {
        let short = Violation("a short frame");
        let (Some(line), Some(column), Some(path_len), Some(arguments_len)) =
            (body.u32(), body.u32(), body.u32(), body.u32())
        else {
            return Err(short);
        };
        let (Some(path), Some(arguments)) = (
            body.bytes(path_len as usize),
            body.bytes(arguments_len as usize),
        ) else {
            return Err(short);
        };
        if seq != self.last_seq.wrapping_add(1)
            || self.pending.len() as u64 >= u64::from(self.limits.calls_in_flight_max)
        {
            return Err(Violation("a call out of order or over its limit"));
        }
        let path = utf8(path)?;
        let lookup = LOOKUPS.contains(&path.as_str());
        let over = if lookup {
            self.lookups >= LOOKUPS_MAX
        } else {
            self.last_seq - self.lookups >= self.limits.calls_max
        };
        if over {
            return Err(Violation("more calls than their limit"));
        }
        let bytes = (arguments.len() + body.0.len()) as u64;
        if self.pending.values().sum::<u64>() + bytes > self.limits.message_bytes_max {
            return Err(Violation("calls in flight that are too large together"));
        }
        if path.is_empty() || path.len() > PATH_BYTES_MAX {
            return Err(Violation("a call of an impossible path"));
        }
        self.last_seq = seq;
        self.lookups += u32::from(lookup);
        self.pending.insert(seq, bytes);
        Ok(Event::Call {
            seq,
            path,
            arguments: object(arguments, self.limits.message_bytes_max)?,
            options: object(body.0, self.limits.message_bytes_max)?,
            position: self.program.locate(line, column),
        })
    }

    fn log(&mut self, level: u8, text: &[u8]) -> Result<Event, Violation> {
        let level = match level {
            0 => LogLevel::Debug,
            1 => LogLevel::Log,
            2 => LogLevel::Info,
            3 => LogLevel::Warn,
            4 => LogLevel::Error,
            _ => return Err(Violation("a log line of unknown level")),
        };
        self.log_bytes += text.len() as u64 + 1;
        if self.log_bytes > self.limits.log_bytes_max {
            return Err(Violation("more log output than its limit"));
        }
        Ok(Event::Log {
            level,
            text: utf8(text)?,
        })
    }

    fn failure(&self, code: FailureCode, described: Described) -> Failure {
        let message = match code {
            FailureCode::Thrown if described.message.is_empty() => "the program threw an error without a message".into(),
            FailureCode::Thrown => described.message,
            FailureCode::NeverSettles => {
                "the program waits for something that can never happen: no tool call and no timer is pending, so its promise cannot settle".into()
            }
            FailureCode::ComputeLimit => over("compute time", self.limits.compute_ms, "ms", "computeMs", "let tools do the heavy work"),
            FailureCode::MemoryLimit => over("memory", self.limits.memory_bytes, "bytes", "memoryBytes", "ask tools for less at a time"),
            FailureCode::LogLimit => over("log output", self.limits.log_bytes_max, "bytes", "logBytes", "log less"),
            FailureCode::ResultLimit => over("result size", self.limits.result_bytes_max, "bytes", "resultBytes", "return less"),
            FailureCode::CallLimit => over("tool calls", u64::from(self.limits.calls_max), "calls", "calls", "split the work"),
            FailureCode::StackLimit => "the program recursed too deeply for the engine's stack (a fixed limit); use a loop".into(),
            FailureCode::Internal => format!("the sandbox engine failed: {}", described.message),
        };
        let (stack, place) = self.program.map_stack(&described.stack);
        Failure {
            code,
            message,
            name: described.name,
            stack,
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            tool_error: described
                .tool_error
                .filter(|json| serde_json::from_str::<IgnoredAny>(json).is_ok()),
            compute_ms: self.compute_ms,
        }
    }
}

fn over(what: &str, value: u64, unit: &str, name: &str, instead: &str) -> String {
    format!(
        "the program passed its limit of {what}, {value} {unit} ({name}); {instead}, or have an administrator raise the limit"
    )
}

fn failure_code(byte: u8) -> Option<FailureCode> {
    [
        FailureCode::Thrown,
        FailureCode::NeverSettles,
        FailureCode::ComputeLimit,
        FailureCode::MemoryLimit,
        FailureCode::StackLimit,
        FailureCode::LogLimit,
        FailureCode::CallLimit,
        FailureCode::ResultLimit,
        FailureCode::Internal,
    ]
    .into_iter()
    .find(|code| *code as u8 == byte)
}

fn utf8(bytes: &[u8]) -> Result<String, Violation> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| Violation("text that is not UTF-8"))
}

/// A whole JSON value; nesting is bounded by the parser (128), which does not recurse further.
fn json(bytes: &[u8], max: u64, what: &'static str) -> Result<String, Violation> {
    if bytes.len() as u64 > max {
        return Err(Violation("a text over its limit"));
    }
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|_| Violation(what))?;
    utf8(bytes)
}

fn object(bytes: &[u8], max: u64) -> Result<String, Violation> {
    if !bytes.starts_with(b"{") {
        return Err(Violation("arguments that are no object"));
    }
    json(bytes, max, "arguments that are not JSON")
}
