//! Commands and events of a foreign runtime as JSON, and what is believed of them.
//!
//! An event is put into the form of a worker's frame and judged as one. Its
//! processor time is never the runtime's to say: the host adds what it knows.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::isolate::{Frame, Judge, Kind, Violation};
use crate::limits::FRAME_BYTES_MAX;
use crate::session::{Command, Event, FailureCode, Start};
use crate::{Limits, Program};

/// The largest message in either direction: a text of the largest size, each character escaped.
pub(super) const MESSAGE_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX + (64 << 10);

#[derive(Deserialize)]
#[serde(tag = "t", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Said {
    Call {
        seq: u32,
        line: u32,
        column: u32,
        path: String,
        arguments: String,
        options: String,
    },
    Log {
        level: u8,
        text: String,
    },
    TurnEnd {
        pending_calls: u32,
        next_timer: Option<f64>,
    },
    Done {
        result: String,
        was_undefined: bool,
    },
    Failed {
        kind: FailedKind,
        error: Value,
    },
}

/// The ends that a runtime may speak of itself; all others are the host's to find.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum FailedKind {
    Thrown,
    NeverSettles,
    LogLimit,
    ResultLimit,
}

/// Listens to one session.
pub(super) struct Ear {
    judge: Judge,
}

impl Ear {
    /// For a session whose first turn begins now.
    pub(super) fn new(program: Arc<Program>, limits: Limits) -> Ear {
        Ear {
            judge: Judge::new(program, limits),
        }
    }

    pub(super) fn in_turn(&self) -> bool {
        self.judge.in_turn()
    }

    /// A turn begins by this command. False when it answers a call that does not wait.
    pub(super) fn begin_turn(&mut self, turn: &Turn) -> bool {
        self.judge.begin_turn(turn.answers)
    }

    /// The event that a message stands for, `compute_ms` into the task's processor time.
    ///
    /// # Errors
    /// [`Violation`] when the session cannot have said this now.
    pub(super) fn hear(&mut self, message: &[u8], compute_ms: u64) -> Result<Event, Violation> {
        let said =
            serde_json::from_slice(message).map_err(|_| Violation("a message that is no event"))?;
        let used = compute_ms.max(self.judge.compute_ms()).to_le_bytes();
        let (kind, flags, call, body) = match said {
            Said::Call {
                seq,
                line,
                column,
                path,
                arguments,
                options,
            } => {
                let mut body =
                    Vec::with_capacity(path.len() + arguments.len() + options.len() + 16);
                for number in [line, column, length(&path)?, length(&arguments)?] {
                    body.extend_from_slice(&number.to_le_bytes());
                }
                for text in [&path, &arguments, &options] {
                    body.extend_from_slice(text.as_bytes());
                }
                (Kind::Call, 0, seq, body)
            }
            Said::Log { level, text } => (Kind::Log, level, 0, text.into_bytes()),
            Said::TurnEnd {
                pending_calls,
                next_timer,
            } => {
                let timer = next_timer.unwrap_or(-1.0).to_le_bytes();
                (Kind::TurnEnd, 0, pending_calls, [used, timer].concat())
            }
            Said::Done {
                result,
                was_undefined,
            } => {
                let body = [&used, result.as_bytes()].concat();
                (Kind::Done, u8::from(was_undefined), 0, body)
            }
            Said::Failed { kind, error } => {
                let code = match kind {
                    FailedKind::Thrown => FailureCode::Thrown,
                    FailedKind::NeverSettles => FailureCode::NeverSettles,
                    FailedKind::LogLimit => FailureCode::LogLimit,
                    FailedKind::ResultLimit => FailureCode::ResultLimit,
                };
                let body = [&used, error.to_string().as_bytes()].concat();
                (Kind::Failed, code as u8, 0, body)
            }
        };
        self.frame(kind, flags, call, &body)
    }

    /// The end of a session that the host found to have passed a limit.
    pub(super) fn passed(&mut self, code: FailureCode, compute_ms: u64) -> Event {
        let used = compute_ms.max(self.judge.compute_ms()).to_le_bytes();
        self.frame(Kind::Failed, code as u8, 0, &[&used, &b"{}"[..]].concat())
            .unwrap_or(Event::Lost)
    }

    fn frame(&mut self, kind: Kind, flags: u8, call: u32, body: &[u8]) -> Result<Event, Violation> {
        self.judge.hear(&Frame {
            kind,
            flags,
            task: 0,
            call,
            body,
        })
    }
}

fn length(text: &str) -> Result<u32, Violation> {
    u32::try_from(text.len()).map_err(|_| Violation("a text over every limit"))
}

/// The first command.
pub(super) fn start_text(start: &Start, limits: &Limits) -> String {
    json!({
        "t": "start",
        "code": start.program.code(),
        "seed": crate::compile::hex(&start.seed),
        "nowMs": start.now_ms,
        "elapsedMs": start.elapsed_ms,
        "limits": {
            "callsMax": limits.calls_max,
            "callsInFlightMax": limits.calls_in_flight_max,
            "logBytesMax": limits.log_bytes_max,
            "resultBytesMax": limits.result_bytes_max,
            "messageBytesMax": limits.message_bytes_max,
        },
    })
    .to_string()
}

/// A turn for a runtime to take, as it is told of it.
pub(super) struct Turn {
    answers: Option<u32>,
    pub(super) text: String,
}

impl Turn {
    /// The turn that a command asks for; none where the host itself answers.
    pub(super) fn of(command: &Command) -> Option<Turn> {
        let (answers, text) = match command {
            Command::Deliver {
                seq,
                now_ms,
                elapsed_ms,
                outcome,
            } => {
                let (ok, json) = outcome.as_json();
                (
                    Some(*seq),
                    json!({ "t": "deliver", "seq": seq, "nowMs": now_ms, "elapsedMs": elapsed_ms, "ok": ok, "json": json }),
                )
            }
            Command::Advance { now_ms, elapsed_ms } => (
                None,
                json!({ "t": "advance", "nowMs": now_ms, "elapsedMs": elapsed_ms }),
            ),
            // Programs on these engines are not put away; they are rebuilt by replay.
            Command::Snapshot => return None,
        };
        Some(Turn {
            answers,
            text: text.to_string(),
        })
    }
}
