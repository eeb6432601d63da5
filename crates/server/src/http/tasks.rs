//! Tasks: submit, list, show, cancel, run again; their calls, logs and large results.

use super::answer::{Created, cursor, page};
use super::extract::{Input, Params, Who, before, id, instant, limit, wait};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::Page;
use api::tasks::{
    Call, LogLine, NewFork, NewTask, ResultPart, SeenClients, StopClient, StoppedClient, Task,
};
use axum::Json;
use axum::extract::{Path, State};
use domain::{HandleId, TaskId};
use engine::{TaskCalls, TaskQuery, Until};
use http::HeaderMap;
use serde::Deserialize;
use utoipa::IntoParams;

/// Bytes of a large result that one request reads unless it says otherwise, and at most.
const PART_BYTES: u64 = 64 << 10;
const PART_BYTES_MAX: u64 = 1 << 20;

/// Log lines that one request reads at most.
const LOG_LINES_MAX: u32 = 1_000;

/// Submits a program. A syntax error is a 422 that names line and column; then no task exists.
#[utoipa::path(
    post, path = "/api/v1/tasks", operation_id = "submitTask", tag = "tasks",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The same key with the same program gives the same task again; with another program, a 409")),
    request_body = NewTask,
    responses((status = 201, description = "The task", body = Task), Problems, WriteProblems)
)]
pub(crate) async fn submit(
    State(app): State<App>,
    Who(caller): Who,
    headers: HeaderMap,
    Input(new): Input<NewTask>,
) -> Result<Created<Task>, Failure> {
    let wait = wait(new.wait_ms, 0)?;
    let new = engine::NewTask {
        code: new.code,
        timeout_ms: new.timeout_ms,
        runtime_id: new.runtime_id,
        metadata: new.metadata,
        idempotency_key: idempotency_key(&headers)?,
        run_as: None,
    };
    let view = if wait.is_zero() {
        app.engine.submit_task(&caller, new).await?
    } else {
        app.engine
            .run_task(&caller, new, Until::FinishedOrWaiting, wait)
            .await?
    };
    Ok(Created(wire::task(&view, app.engine.public_url())))
}

/// The key that makes a repeated submission give the same task.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(text) if (1..=255).contains(&text.len()) => Ok(Some(text.to_owned())),
        Ok(_) | Err(_) => Err(Failure::malformed(
            "Idempotency-Key",
            "expected 1 to 255 printable characters",
        )),
    }
}

/// Which tasks to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskList {
    /// Only those with this status.
    status: Option<String>,
    /// Only the caller's own.
    #[serde(default)]
    mine: bool,
    /// Words of which each must stand in the task: in its program, client, metadata, error or
    /// small result, as the beginning of its identifier, or in the path of a tool that it called.
    q: Option<String>,
    /// Only those of clients that call themselves so, to the letter.
    client: Option<String>,
    /// Only those that called this tool: its path as the catalog has it.
    tool: Option<String>,
    /// Only those submitted at this instant or later, by RFC 3339.
    since: Option<String>,
    /// Only those submitted before this instant, by RFC 3339.
    until: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// How many, 1 to 200; 50 by default.
    limit: Option<u32>,
}

/// Lists tasks, the newest first. In the place of a result over 4 KiB stands
/// `{ $leftOut, bytes, preview }`; one task has it whole. A search by `q`, `client` or `tool`
/// looks through 20,000 tasks at once: its page may hold fewer than asked for, or none, and have a
/// next one.
#[utoipa::path(
    get, path = "/api/v1/tasks", operation_id = "listTasks", tag = "tasks", params(TaskList),
    responses((status = 200, description = "A page of tasks", body = Page<Task>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Params(query): Params<TaskList>,
) -> Result<Json<Page<Task>>, Failure> {
    let limit = limit(query.limit)?;
    let since = instant("since", query.since.as_deref())?;
    let until = instant("until", query.until.as_deref())?;
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        let why = "it is not after 'since', so that no task can be between them";
        return Err(Failure::invalid("until", why));
    }
    let found = TaskQuery {
        status: query.status,
        mine: query.mine,
        client: query.client.filter(|client| !client.is_empty()),
        tool: query.tool.filter(|tool| !tool.is_empty()),
        search: query.q.unwrap_or_default(),
        since,
        until,
        before: before::<TaskId>(query.cursor.as_deref())?,
        limit: limit + 1,
    };
    let found = app.engine.tasks(&caller, found).await?;
    let Json(mut shown) = page(
        found.views,
        limit,
        |v| format!("{}:{}", v.task.created_at.0, v.task.id),
        |v| wire::task(v, app.engine.public_url()),
    );
    if let (None, Some((at, id))) = (&shown.next_cursor, found.back_to) {
        shown.next_cursor = Some(cursor(&format!("{}:{id}", at.0)));
    }
    Ok(Json(shown))
}

/// Shows a task.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}", operation_id = "getTask", tag = "tasks",
    params(("id" = String, Path, description = "The task")),
    responses((status = 200, description = "The task", body = Task), Problems)
)]
pub(crate) async fn show(
    State(app): State<App>,
    Who(caller): Who,
    Path(task): Path<String>,
) -> Result<Json<Task>, Failure> {
    let view = app
        .engine
        .task(&caller, &id::<TaskId>("task", &task)?)
        .await?;
    Ok(Json(wire::task(&view, app.engine.public_url())))
}

/// Cancels a task and answers once it has ended. A task that has ended stays as it is.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/cancel", operation_id = "cancelTask", tag = "tasks",
    params(("id" = String, Path, description = "The task")),
    responses((status = 200, description = "The task as it ended", body = Task), Problems, WriteProblems)
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    Who(caller): Who,
    Path(task): Path<String>,
) -> Result<Json<Task>, Failure> {
    let view = app
        .engine
        .cancel_task(&caller, &id::<TaskId>("task", &task)?)
        .await?;
    Ok(Json(wire::task(&view, app.engine.public_url())))
}

/// Submits the same program again, as a new task.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/rerun", operation_id = "rerunTask", tag = "tasks",
    params(("id" = String, Path, description = "The task to repeat")),
    responses((status = 201, description = "The new task", body = Task), Problems, WriteProblems)
)]
pub(crate) async fn rerun(
    State(app): State<App>,
    Who(caller): Who,
    Path(task): Path<String>,
) -> Result<Created<Task>, Failure> {
    let view = app
        .engine
        .rerun_task(&caller, &id::<TaskId>("task", &task)?)
        .await?;
    Ok(Created(wire::task(&view, app.engine.public_url())))
}

/// Goes on from the record of a task, as a new task: what the calls before `fromCall` gave is given
/// again, at the same readings of the clock and with the same random numbers, and the calls from there
/// on pass the gate as of now. A program that does not make the same calls up to there fails with
/// `replay_diverged`, and nothing of it is sent.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/fork", operation_id = "forkTask", tag = "tasks",
    params(("id" = String, Path, description = "The task to go on from")), request_body = NewFork,
    responses((status = 201, description = "The new task", body = Task), Problems, WriteProblems)
)]
pub(crate) async fn fork(
    State(app): State<App>,
    Who(caller): Who,
    Path(task): Path<String>,
    Input(new): Input<NewFork>,
) -> Result<Created<Task>, Failure> {
    let task = id::<TaskId>("task", &task)?;
    let new = engine::NewFork {
        from_call: new.from_call,
        code: new.code,
        timeout_ms: new.timeout_ms,
    };
    let view = app.engine.fork_task(&caller, &task, new).await?;
    Ok(Created(wire::task(&view, app.engine.public_url())))
}

/// Lists who has sent tasks, or listed the tools over MCP, in the last seven days, the latest first: each
/// client by what it calls itself, for whom it comes and the key it comes with.
#[utoipa::path(
    get, path = "/api/v1/clients", operation_id = "listClients", tag = "tasks",
    responses((status = 200, description = "The clients", body = SeenClients), Problems)
)]
pub(crate) async fn clients(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<SeenClients>, Failure> {
    let (since, seen) = app.engine.clients_seen(&caller).await?;
    Ok(Json(SeenClients {
        since: since.to_rfc3339(),
        items: seen.iter().map(wire::client).collect(),
    }))
}

/// Stops a client in one step: pauses it where that is wanted, denies everything of it that waits, and
/// cancels its tasks until none is left. In person only; a member stops their own.
#[utoipa::path(
    post, path = "/api/v1/clients/stop", operation_id = "stopClient", tag = "tasks",
    request_body = StopClient,
    responses((status = 200, description = "What was stopped", body = StoppedClient), Problems, WriteProblems)
)]
pub(crate) async fn stop_client(
    State(app): State<App>,
    Who(caller): Who,
    Input(stop): Input<StopClient>,
) -> Result<Json<StoppedClient>, Failure> {
    let stop = wire::stop_client(stop, &caller.account_id)?;
    let stopped = app.engine.stop_client(&caller, stop).await?;
    Ok(Json(StoppedClient {
        denied: stopped.denied,
        canceled: stopped.canceled,
        rule: stopped.rule_id.map(|id| id.to_string()),
    }))
}

/// Lists the calls of a task in the order in which the program made them. In the place of
/// arguments or a result over 4 KiB stands `{ $leftOut, bytes, preview }`; one call has them whole.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/calls", operation_id = "listTaskCalls", tag = "tasks",
    params(("id" = String, Path, description = "The task")),
    responses((status = 200, description = "All calls of the task", body = Page<Call>), Problems)
)]
pub(crate) async fn calls(
    State(app): State<App>,
    Who(caller): Who,
    Path(task): Path<String>,
) -> Result<Json<Page<Call>>, Failure> {
    let task = id::<TaskId>("task", &task)?;
    let TaskCalls { calls, opened } = app.engine.task_calls(&caller, &task).await?;
    let changed = app.engine.changed_tools(&caller, &calls).await?;
    let shown = |call| {
        let mut shown = wire::call(call);
        shown.tool_changed = changed.contains(&shown.sequence);
        shown.credential = opened.get(&shown.sequence).map(wire::opened);
        shown
    };
    Ok(Json(Page {
        items: calls.iter().map(shown).collect(),
        next_cursor: None,
    }))
}

/// Shows one call of a task with its arguments and its result whole.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/calls/{sequence}", operation_id = "getTaskCall", tag = "tasks",
    params(("id" = String, Path, description = "The task"),
        ("sequence" = u32, Path, description = "The call's place in the task, from 1")),
    responses((status = 200, description = "The call", body = Call), Problems)
)]
pub(crate) async fn call(
    State(app): State<App>,
    Who(caller): Who,
    Path((task, sequence)): Path<(String, String)>,
) -> Result<Json<Call>, Failure> {
    let task = id::<TaskId>("task", &task)?;
    let number = sequence
        .parse()
        .map_err(|_| Failure::not_found("call", &sequence))?;
    let (call, opened) = app.engine.task_call(&caller, &task, number).await?;
    let mut shown = wire::call(&call);
    shown.credential = opened.as_ref().map(wire::opened);
    Ok(Json(shown))
}

/// Which lines to read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// The line after which to read on; 0 by default.
    #[serde(default)]
    after: u32,
    /// How many, 1 to 1000; 1000 by default.
    limit: Option<u32>,
}

/// Lists the lines a task has logged, in their order. Read on with `after`.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/logs", operation_id = "listTaskLogs", tag = "tasks",
    params(("id" = String, Path, description = "The task"), LogQuery),
    responses((status = 200, description = "Lines of the task", body = Page<LogLine>), Problems)
)]
pub(crate) async fn logs(
    State(app): State<App>,
    Who(caller): Who,
    Path(task): Path<String>,
    Params(query): Params<LogQuery>,
) -> Result<Json<Page<LogLine>>, Failure> {
    let limit = query.limit.unwrap_or(LOG_LINES_MAX).clamp(1, LOG_LINES_MAX);
    let lines = app
        .engine
        .task_logs(&caller, &id::<TaskId>("task", &task)?, query.after, limit);
    let items = lines.await?.iter().filter_map(wire::log_line).collect();
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}

/// Which part to read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PartQuery {
    /// Where to begin, in bytes; 0 by default.
    #[serde(default)]
    offset: u64,
    /// How many bytes at most, 1 to 1048576; 65536 by default.
    length: Option<u64>,
}

/// Reads a part of a value that was too large to be carried whole.
#[utoipa::path(
    get, path = "/api/v1/results/{handle}", operation_id = "readResult", tag = "tasks",
    params(("handle" = String, Path, description = "The handle that stands in place of the value"), PartQuery),
    responses((status = 200, description = "The part", body = ResultPart), Problems)
)]
pub(crate) async fn result_part(
    State(app): State<App>,
    Who(caller): Who,
    Path(handle): Path<String>,
    Params(query): Params<PartQuery>,
) -> Result<Json<ResultPart>, Failure> {
    let length = query.length.unwrap_or(PART_BYTES).clamp(1, PART_BYTES_MAX);
    let handle = id::<HandleId>("handle", &handle)?;
    let part = app
        .engine
        .read_handle(&caller, &handle, query.offset, length)
        .await?;
    let end = part.offset + part.text.len() as u64;
    Ok(Json(ResultPart {
        text: part.text,
        offset: part.offset,
        bytes: part.bytes,
        next_offset: (end < part.bytes).then_some(end),
    }))
}
