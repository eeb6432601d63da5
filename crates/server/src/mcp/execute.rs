//! What the MCP tools do: run, wait, cancel, search. Nothing here can answer an approval.
//!
//! A client that hangs up or cancels its request leaves the task alive: it goes on and can be
//! resumed. Progress is told only to clients that asked for it.

use super::answer;
use super::input::{Cancel, Execute, Resume, Search};
use crate::App;
use domain::TaskId;
use domain::access::Caller;
use domain::approval::ApprovalStatus;
use domain::{ApprovalId, event::Event};
use engine::{NewTask, Query, TaskView, Until};
use rmcp::model::{CallToolResult, ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RoleServer};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// Lines of a log in an answer: the last ones.
const LOG_LINES: u32 = 200;

/// How long a client that wants progress is left without any.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Characters of a line told as progress.
const PROGRESS_CHARS_MAX: usize = 1_000;

pub(super) async fn execute(
    app: &App,
    caller: &Caller,
    input: Execute,
    progress: Option<Progress>,
) -> CallToolResult {
    let wait = match input.wait() {
        Ok(wait) => wait,
        Err(why) => return answer::refusal("invalid_arguments", &why, None),
    };
    let new = NewTask {
        code: input.code,
        timeout_ms: input.timeout_ms,
        runtime_id: input.runtime_id,
        metadata: input.metadata,
        idempotency_key: None,
    };
    let ran = match (wait, progress) {
        (None, _) => app.engine.submit_task(caller, new).await,
        (Some(wait), None) => {
            app.engine
                .run_task(caller, new, Until::FinishedOrWaiting, wait)
                .await
        }
        (Some(wait), Some(progress)) => {
            let deadline = Instant::now() + wait;
            match app.engine.submit_task(caller, new).await {
                Ok(view) => {
                    let seen = HashSet::new();
                    follow(app, caller, &view.task.id, &seen, deadline, Some(progress)).await
                }
                Err(error) => Err(error),
            }
        }
    };
    shown(app, caller, ran).await
}

pub(super) async fn resume(
    app: &App,
    caller: &Caller,
    input: Resume,
    progress: Option<Progress>,
) -> CallToolResult {
    let deadline = match input.wait() {
        Ok(wait) => Instant::now() + wait,
        Err(why) => return answer::refusal("invalid_arguments", &why, None),
    };
    let ran = match task_id(&input.task_id) {
        Ok(id) => match app.engine.task(caller, &id).await {
            // The model knows of these questions: it comes back when one is answered, or another
            // is asked.
            Ok(view) => follow(app, caller, &id, &pending(&view), deadline, progress).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    shown(app, caller, ran).await
}

pub(super) async fn cancel(app: &App, caller: &Caller, input: Cancel) -> CallToolResult {
    let ended = match task_id(&input.task_id) {
        Ok(id) => app.engine.cancel_task(caller, &id).await,
        Err(error) => Err(error),
    };
    shown(app, caller, ended).await
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
    match app.engine.search_tools(caller, query).await {
        Ok(found) => answer::discovery(&found),
        Err(error) => answer::engine_error(&error),
    }
}

fn task_id(text: &str) -> Result<TaskId, engine::Error> {
    TaskId::parse(text).map_err(|_| engine::Error::NotFound {
        what: "task",
        id: text.chars().take(64).collect(),
    })
}

async fn shown(app: &App, caller: &Caller, ran: Result<TaskView, engine::Error>) -> CallToolResult {
    let view = match ran {
        Ok(view) => view,
        Err(error) => return answer::engine_error(&error),
    };
    match logs(app, caller, &view).await {
        Ok(logs) => answer::task(&view, &logs, app.engine.public_url()),
        Err(error) => answer::engine_error(&error),
    }
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

fn pending(view: &TaskView) -> HashSet<ApprovalId> {
    let pending = view
        .approvals
        .iter()
        .filter(|a| a.status == ApprovalStatus::Pending);
    pending.map(|a| a.id.clone()).collect()
}

/// Waits until a task has ended, or waits for a person with a question that is not among `seen`,
/// or the time is up; tells progress meanwhile.
async fn follow(
    app: &App,
    caller: &Caller,
    id: &TaskId,
    seen: &HashSet<ApprovalId>,
    deadline: Instant,
    mut progress: Option<Progress>,
) -> Result<TaskView, engine::Error> {
    let mut watch = app.engine.watch(caller)?;
    loop {
        let view = app.engine.task(caller, id).await?;
        if let Some(progress) = &mut progress {
            progress.tell(app, caller, &view).await?;
        }
        let asks = view.task.shown_status() == "waiting" && !pending(&view).is_subset(seen);
        if view.task.state.is_finished() || asks || Instant::now() >= deadline {
            return Ok(view);
        }
        tokio::select! {
            () = watch.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = app.closing.cancelled() => return Ok(view),
        }
    }
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
