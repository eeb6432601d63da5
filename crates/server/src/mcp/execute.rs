//! What the MCP tools do: run, wait, cancel, search. Nothing here can answer an approval; a person
//! is asked through what their client has (`elicit.rs`, `rounds.rs`, `tasks.rs`), and by the link.
//!
//! A client that hangs up or cancels its request leaves the task alive: it goes on and can be
//! resumed. Progress is told only to clients that asked for it.

use super::client::Client;
use super::input::{Cancel, Execute, Resume, Search};
use super::rounds::{self, Asked};
use super::{answer, elicit, tasks};
use crate::App;
use domain::TaskId;
use domain::access::Caller;
use domain::approval::{Approval, ApprovalStatus};
use domain::{ApprovalId, event::Event};
use engine::{NewTask, Query, Shown, TaskView, Until};
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{Peer, RoleServer};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// Lines of a log in an answer: the last ones.
const LOG_LINES: u32 = 200;

/// How long a client that follows tasks waits for a result before it is given the task.
const TASK_AFTER: Duration = Duration::from_secs(2);

/// For how long a caller is taken to be what they were.
const RENEW: Duration = Duration::from_secs(1);

/// How long a client that wants progress is left without any.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Characters of a line told as progress.
const PROGRESS_CHARS_MAX: usize = 1_000;

/// One call of a tool that runs a task or waits for one: who calls, and through what.
pub(super) struct Talk<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) client: &'a Client,
    /// The digest of the request, to which a round of it is bound.
    pub(super) request_digest: String,
    /// What the client gave to recognize a repeated request by.
    pub(super) idempotency_key: Option<String>,
    pub(super) progress: Option<Progress>,
    /// When it began: the caller is known to be what they are as of then.
    pub(super) begun: Instant,
}

impl Talk<'_> {
    pub(super) async fn execute(self, input: Execute) -> CallToolResponse {
        let wait = match input.wait() {
            Ok(wait) => wait,
            Err(why) => return answer::refusal("invalid_arguments", &why, None).into(),
        };
        let new = NewTask {
            code: input.code,
            timeout_ms: input.timeout_ms,
            runtime_id: input.runtime_id,
            metadata: input.metadata,
            idempotency_key: self.idempotency_key.clone(),
            run_as: None,
        };
        self.run(new, wait).await
    }

    /// Runs a program, and waits for it unless told not to.
    pub(super) async fn run(mut self, new: NewTask, wait: Option<Duration>) -> CallToolResponse {
        let ran = match wait {
            None => self.submit(new).await,
            Some(wait) if self.client.tasks => self.begin_task(new, wait).await,
            Some(wait) => self.run_and_wait(new, wait).await,
        };
        ran.unwrap_or_else(|error| answer::engine_error(&error).into())
    }

    async fn submit(&mut self, new: NewTask) -> Result<CallToolResponse, engine::Error> {
        let view = self.app.engine.submit_task(self.caller, new).await?;
        Ok(shown(self.app, self.caller, &view).await?.into())
    }

    async fn run_and_wait(
        &mut self,
        new: NewTask,
        wait: Duration,
    ) -> Result<CallToolResponse, engine::Error> {
        let deadline = Instant::now() + wait;
        let engine = &self.app.engine;
        if self.progress.is_some() {
            let view = engine.submit_task(self.caller, new).await?;
            return self.settle(&view.task.id, Asked::default(), deadline).await;
        }
        let until = Until::FinishedOrWaiting;
        let view = engine.run_task(self.caller, new, until, wait).await?;
        self.settle_from(view, Asked::default(), deadline).await
    }

    /// Runs a program for a client that follows tasks: what is not over soon is handed to it.
    async fn begin_task(
        &mut self,
        new: NewTask,
        wait: Duration,
    ) -> Result<CallToolResponse, engine::Error> {
        let until = Until::FinishedOrWaiting;
        let soon = wait.min(TASK_AFTER);
        let view = self
            .app
            .engine
            .run_task(self.caller, new, until, soon)
            .await?;
        let waiting = view.task.shown_status() == "waiting";
        let over = view.task.state.is_finished();
        // Where the client can show nothing to its person, the model has to pass the link on.
        if over || (waiting && !tasks::asks(self.app, self.caller, self.client, &view).await?) {
            return Ok(shown(self.app, self.caller, &view).await?.into());
        }
        Ok(tasks::handle(&view).into())
    }

    pub(super) async fn resume(mut self, input: Resume) -> CallToolResponse {
        let waited = match (input.wait(), task_id(&input.task_id)) {
            (Err(why), _) => return answer::refusal("invalid_arguments", &why, None).into(),
            (Ok(_), Err(error)) => Err(error),
            (Ok(wait), Ok(id)) => self.wait_on(&id, Instant::now() + wait).await,
        };
        waited.unwrap_or_else(|error| answer::engine_error(&error).into())
    }

    /// Waits for a task. What its person can be shown a form for is asked; for the rest, the caller
    /// was told of the link, and waits for the answer.
    async fn wait_on(
        &mut self,
        id: &TaskId,
        deadline: Instant,
    ) -> Result<CallToolResponse, engine::Error> {
        let view = self.app.engine.task(self.caller, id).await?;
        let mut known = Asked {
            awaited: pending(&view),
            ..Asked::default()
        };
        if self.client.form && !known.awaited.is_empty() {
            let engine = &self.app.engine;
            for approval in engine.answerable_in_client(self.caller, &view).await? {
                known.awaited.remove(&approval.id);
            }
        }
        self.settle(id, known, deadline).await
    }

    /// Goes on with the task of a round that the client brought back.
    pub(super) async fn go_on(
        mut self,
        (id, asked): (TaskId, Asked),
        wait: Duration,
    ) -> CallToolResponse {
        self.settle(&id, asked, Instant::now() + wait)
            .await
            .unwrap_or_else(|error| answer::engine_error(&error).into())
    }

    async fn settle(
        &mut self,
        id: &TaskId,
        asked: Asked,
        deadline: Instant,
    ) -> Result<CallToolResponse, engine::Error> {
        let view = self.follow(id, &asked.awaited, deadline).await?;
        self.settle_from(view, asked, deadline).await
    }

    /// Asks what has to be asked, through what the client has, until the task has ended, the time
    /// is up, or only the link is left.
    async fn settle_from(
        &mut self,
        mut view: TaskView,
        mut asked: Asked,
        deadline: Instant,
    ) -> Result<CallToolResponse, engine::Error> {
        let (app, caller, client) = (self.app, self.caller, self.client);
        let id = view.task.id.clone();
        loop {
            let fresh = fresh(&view, &asked);
            let channels = rounds::channels(app, caller, client, (&view, &fresh)).await?;
            if channels.is_empty() {
                break;
            }
            if client.modern {
                let digest = &self.request_digest;
                return Ok(rounds::begin(app, caller, digest, &id, channels)
                    .await?
                    .into());
            }
            for (approval, params) in channels {
                let question = (&approval, params);
                let said = elicit::ask(app, caller, client, question, deadline).await;
                asked.note(&approval.id, said);
            }
            view = self.follow(&id, &asked.awaited, deadline).await?;
        }
        let mut result = shown(app, caller, &view).await?;
        let notes = asked.notes.into_iter().map(ContentBlock::text);
        result.content.extend(notes);
        Ok(result.into())
    }

    /// Waits until a task has ended, or waits for a person with a question whose answer is not
    /// awaited, or the time is up; tells progress meanwhile.
    async fn follow(
        &mut self,
        id: &TaskId,
        awaited: &HashSet<ApprovalId>,
        deadline: Instant,
    ) -> Result<TaskView, engine::Error> {
        let app = self.app;
        let mut watch = app.engine.watch(self.caller)?;
        let mut caller = match self.begun.elapsed() < RENEW {
            true => self.caller.clone(),
            // A person was asked in between.
            false => renewed(app, self.caller, id).await?,
        };
        loop {
            let view = app.engine.task(&caller, id).await?;
            if let Some(progress) = &mut self.progress {
                progress.tell(app, &caller, &view).await?;
            }
            let asks = view.task.shown_status() == "waiting" && !pending(&view).is_subset(awaited);
            if view.task.state.is_finished() || asks || Instant::now() >= deadline {
                return Ok(view);
            }
            tokio::select! {
                () = watch.changed() => {}
                () = tokio::time::sleep_until(deadline) => {}
                () = app.closing.cancelled() => return Ok(view),
            }
            caller = renewed(app, &caller, id).await?;
        }
    }
}

/// A caller as they are now: a wait may outlive the rights that it began with.
async fn renewed(app: &App, caller: &Caller, id: &TaskId) -> Result<Caller, engine::Error> {
    let renewed = app.engine.renewed(caller, None).await?;
    renewed.ok_or_else(|| engine::Error::NotFound {
        what: "task",
        id: id.to_string(),
    })
}

/// The pending approvals of a task that waits for nothing else, and that nobody was asked about yet.
fn fresh(view: &TaskView, asked: &Asked) -> Vec<Approval> {
    if view.task.shown_status() != "waiting" {
        return Vec::new();
    }
    let known = |id: &ApprovalId| asked.asked.contains(id) || asked.awaited.contains(id);
    view.approvals
        .iter()
        .filter(|a| a.status == ApprovalStatus::Pending && !known(&a.id))
        .cloned()
        .collect()
}

pub(super) async fn cancel(app: &App, caller: &Caller, input: Cancel) -> CallToolResult {
    let ended = match task_id(&input.task_id) {
        Ok(id) => app.engine.cancel_task(caller, &id).await,
        Err(error) => Err(error),
    };
    let result = match ended {
        Ok(view) => shown(app, caller, &view).await,
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| answer::engine_error(&error))
}

pub(super) async fn search(app: &App, caller: &Caller, input: Search) -> CallToolResult {
    let limit = input.limit.unwrap_or(8);
    if !(1..=50).contains(&limit) {
        let why = format!("limit: {limit} is not between 1 and 50");
        return answer::refusal("invalid_arguments", &why, None);
    }
    let query = Query {
        text: input.query,
        namespace: input.namespace,
        limit,
        offset: 0,
    };
    match app.engine.search_tools(caller, query, Shown::Offered).await {
        Ok(found) => answer::discovery(&found),
        Err(error) => answer::engine_error(&error),
    }
}

pub(super) fn task_id(text: &str) -> Result<TaskId, engine::Error> {
    TaskId::parse(text).map_err(|_| engine::Error::NotFound {
        what: "task",
        id: text.chars().take(64).collect(),
    })
}

/// The result for a task as it stands.
pub(super) async fn shown(
    app: &App,
    caller: &Caller,
    view: &TaskView,
) -> Result<CallToolResult, engine::Error> {
    let logs = logs(app, caller, view).await?;
    Ok(answer::task(view, &logs, app.engine.public_url()))
}

async fn logs(app: &App, caller: &Caller, view: &TaskView) -> Result<Vec<Event>, engine::Error> {
    match view.task.log_lines {
        0 => Ok(Vec::new()),
        lines => {
            let after = lines.saturating_sub(LOG_LINES);
            app.engine
                .task_logs(caller, &view.task.id, after, LOG_LINES)
                .await
        }
    }
}

pub(super) fn pending(view: &TaskView) -> HashSet<ApprovalId> {
    let pending = view
        .approvals
        .iter()
        .filter(|a| a.status == ApprovalStatus::Pending);
    pending.map(|a| a.id.clone()).collect()
}

/// Tells a client what goes on, for the token that it gave.
pub(super) struct Progress {
    peer: Peer<RoleServer>,
    token: ProgressToken,
    told: u32,
    last_line: u32,
    at: Instant,
}

impl Progress {
    pub(super) fn new(peer: Peer<RoleServer>, token: ProgressToken) -> Self {
        Self {
            peer,
            token,
            told: 0,
            last_line: 0,
            at: Instant::now(),
        }
    }

    /// Tells the lines that were logged since; after a while without any, the status.
    async fn tell(
        &mut self,
        app: &App,
        caller: &Caller,
        view: &TaskView,
    ) -> Result<(), engine::Error> {
        let lines = app
            .engine
            .task_logs(caller, &view.task.id, self.last_line, LOG_LINES)
            .await?;
        for line in lines.iter().filter_map(crate::wire::log_line) {
            self.last_line = line.line;
            self.send(line.text.chars().take(PROGRESS_CHARS_MAX).collect())
                .await;
        }
        if self.at.elapsed() >= HEARTBEAT {
            self.send(view.task.shown_status().to_owned()).await;
        }
        Ok(())
    }

    async fn send(&mut self, message: String) {
        self.told += 1;
        self.at = Instant::now();
        let told = ProgressNotificationParam::new(self.token.clone(), f64::from(self.told));
        // A client that has gone needs no telling; the task goes on without it.
        let _gone = self.peer.notify_progress(told.with_message(message)).await;
    }
}
