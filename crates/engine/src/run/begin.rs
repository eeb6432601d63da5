//! What a run begins with: its program, its sandbox, and what was recorded of it before.

use super::Run;
use super::calls::CallState;
use super::journal::Journal;
use super::task_clock::TaskClock;
use crate::{Engine, Error};
use domain::access::Scope;
use domain::approval::Approval;
use domain::task::{Outcome, SandboxStart, Task, TaskError};
use sandbox::Session;
use std::sync::Arc;

/// How many sandboxes may be lost without the task getting on: its program may be what kills them.
const SANDBOXES_MAX: u32 = 3;

impl Run<'_> {
    /// The sandbox died under the task: begin again in another one, from the journal.
    pub(super) async fn restart(&mut self) -> Result<(), Error> {
        if self.deliveries > self.lost_at {
            self.lost_at = self.deliveries;
            self.sandboxes = 1;
        }
        self.sandboxes += 1;
        if self.sandboxes > SANDBOXES_MAX {
            self.ended = Some(Outcome::Failed(TaskError::new(
                "sandbox_lost",
                format!(
                    "its sandbox died {SANDBOXES_MAX} times at the same place; it is not tried again"
                ),
            )));
            return Ok(());
        }
        tracing::warn!(task.id = %self.task.id, "its sandbox died; the task is rebuilt");
        // What was ready is recorded first, so that the journal is all there is to know.
        self.settle_undelivered();
        self.write_all().await?;
        let (journal, approvals) = recorded(self.engine, &self.scope, &self.task).await?;
        self.journal = journal;
        self.approvals = approvals;
        self.deliveries = self.journal.last_order();
        self.calls
            .retain(|_, state| matches!(state, CallState::InFlight));
        self.held.clear();
        self.uncertain.clear();
        self.ready.clear();
        self.outbox.clear();
        let now = self.now();
        self.clock.stand(now);
        let elapsed = self.clock.elapsed_ms(now);
        self.clock = TaskClock::standing(elapsed, (self.task.clock_begins(), 0));
        self.logs.lines = 0;
        self.logs.buffer.clear();
        self.logs.since = None;
        self.next_timer_ms = None;
        self.waiting_since = None;
        self.restoring = false;
        let session = start_session(self.engine, &self.task, &self.program, None);
        let (session, start) = timed(self.engine, session).await;
        match session {
            Ok(session) => {
                self.task = with_start(self.task.clone(), start);
                self.is_start_unwritten = true;
                self.session = session;
                self.turns_open = 1;
            }
            Err(error) => self.ended = Some(Outcome::Failed(error)),
        }
        Ok(())
    }
}

/// A task with one more start of its sandbox, which is noted with what the run writes next.
pub(super) fn with_start(mut task: Task, start: SandboxStart) -> Task {
    task.sandbox_starts = SandboxStart::kept(task.sandbox_starts, start);
    task
}

pub(super) fn rebuild_program(
    engine: &Engine,
    task: &Task,
) -> Result<Arc<sandbox::Program>, TaskError> {
    let runtime = engine.inner.runtimes.of_task(&task.runtime_id)?;
    if !runtime.engines().contains(&task.pins.engine.as_str()) {
        return Err(TaskError::new(
            "engine_changed",
            "the task began under another version of the engine, no server that has it was seen \
             for a minute, and this version cannot rebuild it. What it did is in its journal; run it \
             again, or start a server of the version it began under on the same database and run \
             the rest of such tasks there before it is retired",
        ));
    }
    let program = engine
        .compile(&task.code, &task.limits)
        .map_err(|e| TaskError::new("replay_diverged", e.to_string()))?;
    if program.code_digest() != task.pins.code {
        return Err(TaskError::new(
            "engine_changed",
            "the program compiles to other code than when the task began; run it again",
        ));
    }
    Ok(Arc::new(program))
}

pub(super) async fn recorded(
    engine: &Engine,
    scope: &Scope,
    task: &Task,
) -> Result<(Journal, Vec<Approval>), store::Error> {
    let (scope, id) = (scope.clone(), task.id.clone());
    let (calls, approvals) = engine
        .inner
        .store
        .read(move |r| {
            let calls = store::calls::list(r, &scope, &id)?;
            Ok::<_, store::Error>((calls, store::approvals::for_task(r, &scope, &id)?))
        })
        .await?;
    Ok((Journal::new(calls), approvals))
}

/// A program that has been started for a task that is run for the first time.
pub(crate) struct Started {
    pub(super) program: Arc<sandbox::Program>,
    pub(super) session: Result<Session, TaskError>,
    pub(super) start: SandboxStart,
}

/// Starts the program of a new task.
pub(crate) async fn start(engine: &Engine, task: &Task, program: Arc<sandbox::Program>) -> Started {
    let timed = timed(engine, start_session(engine, task, &program, None));
    let (session, start) = timed.await;
    Started {
        session,
        start,
        program,
    }
}

/// What starts a sandbox, with the times of its beginning and end.
pub(super) async fn timed<T>(engine: &Engine, start: impl Future<Output = T>) -> (T, SandboxStart) {
    let asked_at = engine.inner.clock.now();
    let started = start.await;
    let began_at = engine.inner.clock.now();
    (started, SandboxStart { asked_at, began_at })
}

/// Starts the program, from where it rested if there is a snapshot.
pub(super) async fn start_session(
    engine: &Engine,
    task: &Task,
    program: &Arc<sandbox::Program>,
    snapshot: Option<sandbox::Snapshot>,
) -> Result<Session, TaskError> {
    let limits = &task.limits;
    let runtime = engine.inner.runtimes.of_task(&task.runtime_id)?;
    if !engine.inner.runtimes.is_default(runtime.name()) {
        tracing::info!(task.id = %task.id, task.runtime = runtime.name(), "the task runs elsewhere than in the default runtime");
    }
    runtime
        .start(sandbox::Start {
            tenant: task.workspace_id.to_string(),
            program: Arc::clone(program),
            seed: seed_bytes(&task.seed),
            now_ms: task.clock_begins().0,
            elapsed_ms: 0,
            limits: sandbox::Limits {
                compute_ms: limits.compute_ms,
                memory_bytes: limits.memory_bytes,
                calls_max: limits.calls,
                calls_in_flight_max: limits.calls_in_flight,
                log_bytes_max: limits.log_bytes,
                result_bytes_max: limits.tool_result_bytes,
                message_bytes_max: limits.tool_result_bytes + (64 << 10),
            },
            snapshot,
        })
        .await
        .map_err(|error| {
            let code = match error {
                sandbox::Error::Busy { .. } => "sandbox_busy",
                sandbox::Error::Unprotected { .. }
                | sandbox::Error::WorkerStart { .. }
                | sandbox::Error::Elsewhere { .. }
                | sandbox::Error::Closed
                | sandbox::Error::Host { .. } => "sandbox_unavailable",
            };
            TaskError::new(code, format!("no sandbox could be had: {error}"))
        })
}

fn seed_bytes(hex: &str) -> [u8; 32] {
    let mut seed = [0u8; 32];
    for (byte, pair) in seed.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(pair).unwrap_or("0");
        *byte = u8::from_str_radix(digits, 16).unwrap_or(0);
    }
    seed
}

pub(super) fn journal_broken(sequence: u32, what: &str) -> TaskError {
    TaskError::new(
        "journal_broken",
        format!(
            "the task's journal was changed after it was written: call {sequence}, {what}. The \
             task cannot be rebuilt; nothing was sent again"
        ),
    )
}
