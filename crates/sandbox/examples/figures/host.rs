//! The host's part: a pool whose workers are this same binary, and tasks driven to their end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbox::{
    Command, Event, Isolate, IsolateConfig, Limits, Outcome, Program, Sandbox, Session, Start,
};

use crate::Failed;

pub(crate) const SOURCE_BYTES_MAX: usize = 256 << 10;
/// Any moment: programs see it and nothing depends on it.
const NOW_MS: i64 = 1_790_000_000_000;

/// A pool of exactly so many workers.
pub(crate) async fn isolate(workers: usize) -> Result<Isolate, Failed> {
    pool(workers, workers).await
}

pub(crate) async fn pool(workers_min: usize, workers_max: usize) -> Result<Isolate, Failed> {
    let config = IsolateConfig {
        workers_min,
        workers_max,
        ..IsolateConfig::new(std::env::current_exe()?)
    };
    Ok(Isolate::start(config).await?)
}

/// The product's defaults, as `docs/` names them.
pub(crate) fn limits() -> Limits {
    Limits {
        compute_ms: 30_000,
        memory_bytes: 64 << 20,
        calls_max: 1_000,
        calls_in_flight_max: 32,
        log_bytes_max: 1 << 20,
        result_bytes_max: 1 << 20,
        message_bytes_max: 10 << 20,
    }
}

pub(crate) fn compile(source: &str) -> Result<Arc<Program>, Failed> {
    Ok(Arc::new(sandbox::compile(source, SOURCE_BYTES_MAX)?))
}

pub(crate) fn task(tenant: &str, program: &Arc<Program>, limits: Limits) -> Start {
    Start {
        tenant: tenant.to_owned(),
        program: program.clone(),
        seed: [7; 32],
        now_ms: NOW_MS,
        elapsed_ms: 0,
        limits,
        snapshot: None,
    }
}

/// How one task went.
pub(crate) struct Run {
    /// From asking for it to its first call or line; as `finished` when it made none.
    pub(crate) first: Duration,
    /// From asking for it to its end.
    pub(crate) finished: Duration,
    /// From the last answer given to its end; as `finished` when it made no call.
    pub(crate) after_answer: Duration,
    /// `Done`, `Failed` or `Lost`.
    pub(crate) end: Event,
}

impl Run {
    /// The run, if it returned a result.
    pub(crate) fn completed(self) -> Result<Self, Failed> {
        if matches!(self.end, Event::Done { .. }) {
            return Ok(self);
        }
        Err(format!("a program did not complete: {:?}", self.end).into())
    }
}

/// Runs a task to its end and gives every call the same answer as soon as its turn has ended.
pub(crate) async fn run(isolate: &Isolate, start: Start, answer: &Outcome) -> Result<Run, Failed> {
    let begun = Instant::now();
    let mut session = isolate.start(start).await?;
    let (mut first, mut answered) = (None, begun);
    let mut waiting = Vec::new();
    loop {
        match session.next().await {
            Event::Log { .. } => {
                first.get_or_insert_with(|| begun.elapsed());
            }
            Event::Call { seq, .. } => {
                first.get_or_insert_with(|| begun.elapsed());
                waiting.push(seq);
            }
            Event::TurnEnd {
                next_timer_elapsed_ms,
                ..
            } => {
                answered = Instant::now();
                next_turn(&session, &mut waiting, next_timer_elapsed_ms, answer).await;
            }
            Event::Snapshot(_) => {}
            end @ (Event::Done { .. } | Event::Failed(_) | Event::Lost) => {
                let finished = begun.elapsed();
                return Ok(Run {
                    first: first.unwrap_or(finished),
                    finished,
                    after_answer: answered.elapsed(),
                    end,
                });
            }
        }
    }
}

/// Answers the latest call, or lets the next timer fire. A program that has ended meanwhile says so
/// in its next event.
async fn next_turn(
    session: &Session,
    waiting: &mut Vec<u32>,
    next_timer: Option<u64>,
    answer: &Outcome,
) {
    let elapsed_ms = next_timer.unwrap_or(0);
    let command = match waiting.pop() {
        Some(seq) => Command::Deliver {
            seq,
            now_ms: NOW_MS,
            elapsed_ms: 0,
            outcome: answer.clone(),
        },
        None => Command::Advance {
            now_ms: NOW_MS + i64::try_from(elapsed_ms).unwrap_or(0),
            elapsed_ms,
        },
    };
    drop(session.send(command).await);
}

/// The value below which this share of the sorted times lies, in milliseconds.
pub(crate) fn quantile(times: &[Duration], share: f64) -> f64 {
    let last = times.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    times
        .get(at)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}
