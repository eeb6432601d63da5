//! One task, run once: drives its sandbox, passes its calls through the gate, records and delivers
//! their outcomes, waits for people, and writes its end.
//!
//! The order of writes is in ARCHITECTURE.md. A task that was run before is rebuilt by the same
//! loop: its program runs again and the journal answers. Calls are in `run/calls.rs`, what was
//! recorded in `run/journal.rs`, a suspended program in `run/rest.rs`, the task's own time in
//! `run/task_clock.rs`, how it is left to another server in `run/leave.rs`.

mod answers;
mod begin;
mod calls;
mod end;
mod inputs;
mod journal;
mod leave;
mod logs;
mod record;
mod replay;
mod rest;
mod task_clock;
mod uncertain;

use crate::gate::Wanted;
use crate::live::{Doing, Live};
use crate::tasks::TaskView;
use crate::{Engine, Error};
pub(crate) use begin::{Started, start};
use begin::{journal_broken, rebuild_program, recorded};
use calls::CallState;
use domain::access::Scope;
use domain::approval::{Approval, ApprovalStatus};
use domain::call::{Call, CallStatus};
use domain::canonical::canonical;
use domain::elicitation::Elicitation;
use domain::limits::HOLD_WINDOW_MS;
use domain::task::{Lease, Outcome, Task};
use domain::{CredentialId, Timestamp};
pub(crate) use end::cancel_at_rest;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use inputs::Came;
use journal::Journal;
pub(crate) use journal::outcome_of;
use logs::{LOG_FLUSH_MS, Logs};
use record::Settled;
use sandbox::{Command, Event, Session};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use task_clock::TaskClock;

/// How often a waiting task looks whether it was answered without a notice.
const LOOK_AGAIN_MS: u64 = 1_000;

/// How a run left its task.
enum End {
    /// With its last word.
    Outcome(Outcome),
    /// Suspended until an approval is answered; its sandbox is released.
    Suspended,
    /// As it is recorded: the server stops, or another has taken over.
    LeftAsRecorded,
}

/// Runs a claimed task. Faults of the database leave it as recorded, to be claimed again.
pub(crate) async fn run(
    engine: &Engine,
    task: Task,
    lease: Lease,
    live: &Arc<Live>,
    started: Option<Started>,
) {
    let id = task.id.clone();
    let scope = engine
        .inner
        .system
        .scope(task.organization_id.clone(), task.workspace_id.clone());
    let doing = match Run::begin(engine, scope, task, lease.clone(), live, started).await {
        Ok(doing) => doing,
        Err(Error::LostLease) => {
            tracing::warn!(
                task.id = %id,
                "the lease of the task was lost and another server has it now; nothing more of it \
                 is written or sent here"
            );
            Doing::Released
        }
        Err(error) => {
            tracing::error!(task.id = %id, "the task is left as recorded: {error}");
            give_back(engine, lease).await;
            Doing::Released
        }
    };
    live.doing.send_replace(doing);
}

/// Gives a task back to be claimed again, as soon as the database takes the word.
async fn give_back(engine: &Engine, lease: Lease) {
    loop {
        engine.inner.clock.sleep(LOOK_AGAIN_MS).await;
        let lease = lease.clone();
        let released: Result<(), Error> = engine
            .inner
            .store
            .write(move |tx| Ok(store::tasks::release(tx, &lease, None)?))
            .await;
        if !matches!(released, Err(Error::Unavailable { .. })) || engine.is_stopping() {
            return;
        }
    }
}

struct Run<'e> {
    engine: &'e Engine,
    scope: Scope,
    task: Task,
    lease: Lease,
    live: Arc<Live>,
    program: Arc<sandbox::Program>,
    session: Session,
    clock: TaskClock,
    journal: Journal,
    /// Calls that the program has made and that have not been answered to it.
    calls: BTreeMap<u32, CallState>,
    /// Every call the program has made, as recorded when it was made.
    made: HashMap<u32, Call>,
    /// New calls made while recorded answers are still being given again.
    held: Vec<Wanted>,
    /// Calls that were under way when a server died.
    uncertain: Vec<Call>,
    look_at_answers: bool,
    in_flight: FuturesUnordered<BoxFuture<'static, (u32, Came)>>,
    /// What sources ask instead of answering, to be recorded.
    inquiries: Vec<(u32, Elicitation)>,
    /// Outcomes to record and deliver.
    ready: Vec<(u32, CallStatus)>,
    /// The credentials that went along with calls whose outcome is not taken yet.
    opened: HashMap<u32, CredentialId>,
    /// Outcomes given to the program, to be written with what the run writes next.
    unwritten: Vec<Settled>,
    /// Whether a start of the sandbox is to be noted with what the run writes next.
    is_start_unwritten: bool,
    approvals: Vec<Approval>,
    deliveries: u32,
    /// Turns for the sandbox that found no room yet.
    outbox: VecDeque<Command>,
    /// Turns that the sandbox has been given and not ended.
    turns_open: u32,
    next_timer_ms: Option<u64>,
    /// Processor time that the program has used, as its sandbox said last.
    compute_ms: u64,
    logs: Logs,
    /// How many sandboxes it has had since it last got on, which was at this delivery.
    sandboxes: u32,
    lost_at: u32,
    /// The program goes on from a snapshot and has not said yet that it could.
    restoring: bool,
    waiting_since: Option<Timestamp>,
    shown_waiting: bool,
    /// Since when the task is being left to another server.
    leaving_since: Option<Timestamp>,
    /// The program has said things since that were not heeded: what it is now is not recorded.
    unheeded: bool,
    ended: Option<Outcome>,
}

impl<'e> Run<'e> {
    async fn begin(
        engine: &'e Engine,
        scope: Scope,
        task: Task,
        lease: Lease,
        live: &Arc<Live>,
        started: Option<Started>,
    ) -> Result<Doing, Error> {
        let (program, session) = match started {
            Some(started) => (Ok(started.program), Some((started.session, started.start))),
            None => (rebuild_program(engine, &task), None),
        };
        let (journal, approvals) = if task.attempts > 1 {
            match recorded(engine, &scope, &task).await {
                Err(store::Error::JournalBroken { sequence, what, .. }) => {
                    let outcome = Outcome::Failed(journal_broken(sequence, what));
                    let view = end::finish_without_run(engine, &scope, task, &lease, outcome);
                    return Ok(Doing::Finished(Arc::new(view.await?)));
                }
                recorded => recorded?,
            }
        } else {
            (Journal::new(Vec::new()), Vec::new())
        };
        let program = match program {
            Ok(program) => program,
            Err(error) => {
                let outcome = Outcome::Failed(error);
                let view = end::finish_without_run(engine, &scope, task, &lease, outcome);
                return Ok(Doing::Finished(Arc::new(view.await?)));
            }
        };
        let (rest, (session, start)) = match session {
            Some(session) => (None, session),
            None => rest::start_again(engine, &scope, &task, &journal, &program).await?,
        };
        let session = match session {
            Ok(session) => session,
            Err(error) => {
                let outcome = Outcome::Failed(error);
                let view = end::finish_without_run(engine, &scope, task, &lease, outcome);
                return Ok(Doing::Finished(Arc::new(view.await?)));
            }
        };
        let mut run = Self {
            engine,
            scope,
            clock: TaskClock::standing(0, (task.clock_begins(), 0)),
            deliveries: journal.last_order(),
            task: begin::with_start(task, start),
            lease,
            live: Arc::clone(live),
            program,
            session,
            journal,
            calls: BTreeMap::new(),
            made: HashMap::new(),
            held: Vec::new(),
            uncertain: Vec::new(),
            look_at_answers: false,
            in_flight: FuturesUnordered::new(),
            inquiries: Vec::new(),
            ready: Vec::new(),
            opened: HashMap::new(),
            approvals,
            unwritten: Vec::new(),
            is_start_unwritten: true,
            outbox: VecDeque::new(),
            turns_open: 1,
            next_timer_ms: None,
            compute_ms: 0,
            logs: Logs::default(),
            sandboxes: 1,
            lost_at: 0,
            restoring: false,
            waiting_since: None,
            shown_waiting: false,
            leaving_since: None,
            unheeded: false,
            ended: None,
        };
        if let Some(rest) = rest {
            run.go_on_from(&rest);
        }
        let end = run.drive().await?;
        run.close(end).await
    }

    fn now(&self) -> Timestamp {
        self.engine.inner.clock.now()
    }

    async fn drive(&mut self) -> Result<End, Error> {
        let mut signals = self.live.signals.subscribe();
        // What was said before this run listened is heard first.
        signals.mark_changed();
        let mut answers_seen = 0;
        loop {
            if let Some(end) = self.settle().await? {
                return Ok(end);
            }
            let sleep = self.engine.inner.clock.sleep(self.wake_in_ms());
            tokio::select! {
                biased;
                _ = signals.changed() => {
                    let said = *signals.borrow_and_update();
                    if said.lost {
                        return Err(Error::LostLease);
                    }
                    if said.shutdown {
                        self.begin_to_leave();
                    }
                    if said.cancel && self.ended.is_none() {
                        self.ended = Some(Outcome::Canceled);
                    }
                    if said.answers != answers_seen {
                        answers_seen = said.answers;
                        self.look_for_answers().await?;
                    }
                }
                Some(done) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.came(done);
                    while let Some(Some(done)) = self.in_flight.next().now_or_never() {
                        self.came(done);
                    }
                }
                event = self.session.next(), if self.ended.is_none() => self.on_events(event).await?,
                () = sleep => {
                    if self.has_pending_approval() {
                        self.look_for_answers().await?;
                    }
                }
            }
        }
    }

    /// Does everything that can be done without waiting. Yields the end once it has come.
    async fn settle(&mut self) -> Result<Option<End>, Error> {
        self.inquire().await?;
        if self.ended.is_some() {
            return self.settle_ended().await;
        }
        self.send_commands();
        if let Some(since) = self.leaving_since {
            return Ok(self.settle_leaving(since));
        }
        self.replay_next();
        if !self.journal.is_replaying() && self.ended.is_none() {
            self.after_replay().await?;
            // An answer may be there before the program has made its call again.
            // Nor does a program take one that has not yet said that it could go on where it rested.
            if !self.journal.owes_calls() && !self.restoring {
                self.deliver_ready().await?;
            }
            self.keep_time();
            self.fire_timer();
        }
        if self.turns_open == 0 {
            // The program waits: nothing more is coming to be written along with.
            self.write_all().await?;
        }
        self.flush_logs_if_due().await?;
        let now = self.now();
        if self.ended.is_none() && self.clock.elapsed_ms(now) >= self.task.limits.wall_ms {
            self.ended = Some(Outcome::TimedOut(end::wall_limit(self.task.limits.wall_ms)));
        }
        if self.ended.is_some() {
            return self.settle_ended().await;
        }
        self.show_waiting();
        // A place that others wait for is not held for an answer that may be long in coming.
        let held_enough = self.waiting_since.is_some_and(|since| {
            now.since(since) >= HOLD_WINDOW_MS || self.engine.inner.worker.is_full()
        });
        if held_enough && self.in_flight.is_empty() && self.suspend().await? {
            return Ok(Some(End::Suspended));
        }
        Ok(None)
    }

    /// Goes on where the record ends, once the program has come to rest there.
    async fn after_replay(&mut self) -> Result<(), Error> {
        if self.turns_open > 0 {
            return Ok(());
        }
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.make_calls(held).await?;
        }
        if !self.uncertain.is_empty() {
            self.settle_uncertain().await?;
        }
        if self.look_at_answers {
            self.look_for_answers().await?;
        }
        Ok(())
    }

    /// The task's time runs while it owes work to nobody but itself.
    fn keep_time(&mut self) {
        let now = self.now();
        if self.has_pending_approval() {
            self.clock.stand(now);
        } else {
            self.clock.run(now);
        }
    }

    fn fire_timer(&mut self) {
        let now = self.now();
        let due = self.next_timer_ms.filter(|t| {
            self.turns_open == 0 && self.clock.is_running() && self.clock.elapsed_ms(now) >= *t
        });
        if due.is_some() {
            self.next_timer_ms = None;
            let now_ms = self.clock.timer_date(now).0;
            let elapsed_ms = self.clock.elapsed_ms(now);
            self.command(Command::Advance { now_ms, elapsed_ms });
        }
    }

    /// Gives the sandbox a turn.
    fn command(&mut self, command: Command) {
        self.turns_open += 1;
        self.outbox.push_back(command);
        self.send_commands();
    }

    /// Sends what fits. Waiting for room here could wait for ever: the sandbox may itself be waiting
    /// for its events to be read. A sandbox that is gone says so by its next event.
    fn send_commands(&mut self) {
        while let Some(command) = self.outbox.front() {
            if self.session.send(command.clone()).now_or_never().is_none() {
                return;
            }
            self.outbox.pop_front();
        }
    }

    /// Milliseconds until something is due that nobody announces.
    fn wake_in_ms(&self) -> u64 {
        let now = self.now();
        let mut wake = u64::MAX;
        if self.clock.is_running() && self.ended.is_none() {
            let elapsed = self.clock.elapsed_ms(now);
            wake = wake.min(self.task.limits.wall_ms.saturating_sub(elapsed));
            if let Some(timer) = self.next_timer_ms.filter(|_| self.turns_open == 0) {
                wake = wake.min(timer.saturating_sub(elapsed));
            }
        }
        if let Some(since) = self.logs.since {
            wake = wake.min(LOG_FLUSH_MS.saturating_sub(now.since(since)));
        }
        if self.has_pending_approval() {
            wake = wake.min(LOOK_AGAIN_MS);
        }
        if self.ended.is_some() || self.leaving_since.is_some() {
            wake = wake.min(LOOK_AGAIN_MS);
        } else if let Some(since) = self.waiting_since {
            wake = wake.min(HOLD_WINDOW_MS.saturating_sub(now.since(since)));
        }
        wake.clamp(1, 60_000)
    }

    async fn on_events(&mut self, first: Event) -> Result<(), Error> {
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut done = None;
        let mut event = Some(first);
        while let Some(current) = event {
            match current {
                Event::Call {
                    seq,
                    path,
                    arguments,
                    options,
                    position,
                } => {
                    wanted.push(Wanted {
                        sequence: seq,
                        path: path.replace('\0', "\u{fffd}"),
                        arguments: canonical_text(&arguments),
                        options: canonical_text(&options),
                        position,
                    });
                }
                Event::Log { level, text } => self.on_log(level, text),
                Event::TurnEnd {
                    next_timer_elapsed_ms,
                    compute_ms,
                    ..
                } => {
                    self.compute_ms = compute_ms;
                    self.restoring = false;
                    self.turns_open = self.turns_open.saturating_sub(1);
                    self.next_timer_ms = next_timer_elapsed_ms;
                }
                Event::Done { result, .. } => {
                    self.turns_open = 0;
                    done = Some(result);
                }
                Event::Failed(failure) if self.restoring => {
                    tracing::warn!(
                        task.id = %self.task.id,
                        "its snapshot is of no use ({}); the task is rebuilt",
                        failure.message
                    );
                    self.restart().await?;
                    return Ok(());
                }
                // Asked for in `rest`, where its answer is taken.
                Event::Snapshot(_) => {}
                Event::Failed(failure) => {
                    self.turns_open = 0;
                    self.ended = Some(end::failed(failure, &self.task.limits));
                }
                Event::Lost => {
                    self.restart().await?;
                    return Ok(());
                }
            }
            event = if self.ended.is_some() || done.is_some() {
                None
            } else {
                self.session.next().now_or_never()
            };
        }
        if self.leaving_since.is_some() && (self.unheeded || !wanted.is_empty()) {
            self.leave_unmade();
            return Ok(());
        }
        // A call made just before the end is the program's last will only if nobody must be asked:
        // it goes through the gate like any other.
        self.make_calls(wanted).await?;
        // Only now: a recorded call may be made again in the very turn that ends the program.
        if let (Some(result), None) = (done, &self.ended) {
            self.ended = Some(self.completed(result));
        }
        Ok(())
    }

    fn completed(&self, result: String) -> Outcome {
        // Answers may remain that were recorded after the one that ended the program; calls may not.
        if self.journal.owes_calls() {
            return Outcome::Failed(self.journal.stopped_short());
        }
        Outcome::Completed(result)
    }

    fn has_pending_approval(&self) -> bool {
        self.calls.values().any(|c| matches!(c, CallState::Asked)) || self.asking_live() > 0
    }

    /// Notes and shows whether the task waits for a person and nothing else.
    fn show_waiting(&mut self) {
        let waiting = self.has_pending_approval()
            && self.in_flight.len() == self.asking_live()
            && self.ready.is_empty()
            && self.turns_open == 0
            && !self.journal.is_replaying();
        let now = self.now();
        if !waiting {
            self.waiting_since = None;
            if self.shown_waiting {
                self.shown_waiting = false;
                self.live.doing.send_replace(Doing::Busy);
            }
            return;
        }
        self.waiting_since.get_or_insert(now);
        if !self.shown_waiting {
            self.shown_waiting = true;
            let view = Doing::Waiting(Arc::new(self.view()));
            self.live.doing.send_replace(view);
        }
    }

    fn view(&self) -> TaskView {
        let mut task = self.task.clone();
        let pending = self
            .approvals
            .iter()
            .filter(|a| a.status == ApprovalStatus::Pending)
            .count();
        task.activity = domain::task::Activity {
            approvals_pending: u32::try_from(pending).unwrap_or(u32::MAX),
            calls_running: u32::try_from(self.in_flight.len() - self.asking_live())
                .unwrap_or(u32::MAX),
        };
        TaskView {
            task,
            approvals: self.approvals.clone(),
            calls: None,
        }
    }
}

fn canonical_text(json: &str) -> String {
    serde_json::from_str(json).map_or_else(|_| json.to_owned(), |v| canonical(&v))
}

/// What the program is told of a call's end.
fn sandbox_outcome(tool: &str, status: &CallStatus) -> sandbox::Outcome {
    match status {
        CallStatus::Succeeded(value) => sandbox::Outcome::Value(value.as_str().into()),
        CallStatus::Failed(error) | CallStatus::Denied(error) => {
            let text = serde_json::to_string(error).unwrap_or_else(|_| "{}".to_owned());
            sandbox::Outcome::Error(text.into())
        }
        CallStatus::Waiting | CallStatus::Running | CallStatus::Unknown => {
            let error = calls::outcome_unknown(tool);
            let text = serde_json::to_string(&error).unwrap_or_else(|_| "{}".to_owned());
            sandbox::Outcome::Error(text.into())
        }
    }
}
