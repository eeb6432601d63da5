//! A suspended program as it rests: kept when its sandbox is released, gone on with when its
//! answer comes.
//!
//! A cache beside the journal, made only where replay would take long. It is used only where the
//! journal has not grown since, and whatever is wrong with it, the task is rebuilt by replay instead.

use super::Run;
use super::begin::{start_session, timed};
use super::journal::Journal;
use super::task_clock::TaskClock;
use crate::{Engine, Error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use domain::access::Scope;
use domain::task::{SandboxStart, Task, TaskError};
use sandbox::{Command, Event, Session, Snapshot};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Computing, in milliseconds, that replay may do again rather than that the program is kept.
const REPLAY_COMPUTE_MS: u64 = 25;

/// Calls that replay may answer again rather than that the program is kept.
const REPLAY_CALLS: u32 = 250;

/// What is kept of a suspended task, and where in its journal it stands.
#[derive(Serialize, Deserialize)]
pub(super) struct Rest {
    deliveries: u32,
    log_lines: u32,
    elapsed_ms: u64,
    /// The date of the latest delivery, and the task's own time then.
    delivered_at: (Timestamp, u64),
    program: String,
}

impl Rest {
    /// What was kept of a task, if anything was.
    async fn kept(
        engine: &Engine,
        scope: &Scope,
        task: &Task,
    ) -> Result<Option<Rest>, store::Error> {
        let (scope, id) = (scope.clone(), task.id.clone());
        let kept = engine
            .inner
            .store
            .read(move |r| store::tasks::snapshot(r, &scope, &id))
            .await?;
        Ok(kept.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// The program, if it rests exactly where the journal ends.
    fn fitting(
        &self,
        task: &Task,
        journal: &Journal,
        program: &sandbox::Program,
    ) -> Option<Snapshot> {
        let bytes = STANDARD.decode(&self.program).ok()?;
        let snapshot = Snapshot::from_bytes(&bytes, program)?;
        let stands = snapshot.last_call() as usize == journal.calls()
            && self.deliveries == journal.last_order()
            && self.log_lines == task.log_lines;
        let waits: BTreeSet<u32> = snapshot.pending().collect();
        let open: BTreeSet<u32> = journal.undelivered().map(|c| c.binding.sequence).collect();
        (stands && waits == open).then_some(snapshot)
    }

    /// The task's own time where it rests.
    fn clock(&self) -> TaskClock {
        TaskClock::standing(self.elapsed_ms, self.delivered_at)
    }
}

/// Starts a program that ran before: from where it rests, if that was kept and fits, else from its
/// beginning. With the session, or why there is none, when it was asked for and had.
pub(super) async fn start_again(
    engine: &Engine,
    scope: &Scope,
    task: &Task,
    journal: &Journal,
    program: &Arc<sandbox::Program>,
) -> Result<(Option<Rest>, (Result<Session, TaskError>, SandboxStart)), store::Error> {
    let rest = if task.attempts > 1 {
        Rest::kept(engine, scope, task).await?
    } else {
        None
    };
    let resting = rest
        .as_ref()
        .and_then(|rest| rest.fitting(task, journal, program));
    let rest = rest.filter(|_| resting.is_some());
    let started = timed(engine, start_session(engine, task, program, resting)).await;
    Ok((rest, started))
}

impl Run<'_> {
    /// Takes up a program that rests where the journal ends.
    pub(super) fn go_on_from(&mut self, rest: &Rest) {
        self.restoring = true;
        self.journal.skip_to_end();
        self.clock = rest.clock();
        self.logs.lines = rest.log_lines;
        let open: Vec<_> = self.journal.undelivered().cloned().collect();
        for call in open {
            self.attach(call);
        }
        tracing::info!(task.id = %self.task.id, "the task goes on from its snapshot");
    }

    /// Releases the sandbox while a person is asked, unless an answer has come in between.
    pub(super) async fn suspend(&mut self) -> Result<bool, Error> {
        let kept = if self.is_costly_to_replay() {
            self.kept().await
        } else {
            None
        };
        let lease = self.lease.clone();
        self.commit(move |tx| Ok(store::tasks::suspend(tx, &lease, kept.as_deref())?))
            .await
    }

    /// The program as it rests, as text to keep.
    pub(super) async fn kept(&mut self) -> Option<String> {
        let rest = self.rest().await?;
        serde_json::to_string(&rest).ok()
    }

    /// A program as it rests is many times the size of all else that a waiting task keeps.
    fn is_costly_to_replay(&self) -> bool {
        let calls = self.made.keys().max().copied().unwrap_or(0);
        self.compute_ms > REPLAY_COMPUTE_MS || calls > REPLAY_CALLS
    }

    /// The program as it rests; nothing where its runtime does not put programs away.
    async fn rest(&mut self) -> Option<Rest> {
        self.session.send(Command::Snapshot).await.ok()?;
        // At rest a program says nothing else. A sandbox that is lost now says so again later.
        let Event::Snapshot(Some(snapshot)) = self.session.next().await else {
            return None;
        };
        let now = self.now();
        Some(Rest {
            deliveries: self.deliveries,
            log_lines: self.task.log_lines,
            elapsed_ms: self.clock.elapsed_ms(now),
            delivered_at: self.clock.latest_delivery(),
            program: STANDARD.encode(snapshot.to_bytes()),
        })
    }
}
