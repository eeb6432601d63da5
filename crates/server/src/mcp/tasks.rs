//! The extension `io.modelcontextprotocol/tasks`: our tasks as tasks of the protocol, under our own
//! identifiers, read from the database on any server.
//!
//! Somebody else's task is "not found". A task that waits for a person asks for input where the
//! client has a channel to them, and otherwise says in words what it waits for.

use super::client::Client;
use super::elicit::{self, Said};
use super::execute::{pending, shown, task_id};
use super::rounds;
use crate::{App, wire};
use domain::access::Caller;
use domain::approval::{Approval, ApprovalStatus};
use domain::task::{Outcome, TaskState};
use domain::{ApprovalId, TaskId};
use engine::TaskView;
use rmcp::model::{
    CreateTaskResult, DetailedTask, ElicitRequestParams, ErrorData, GetTaskResult, InputResponses,
    Task, TaskPayload, TaskStatus,
};
use serde_json::{Value, json};

/// How often a client may look again, while a program runs and while a person is asked.
const POLL_RUNNING_MS: u64 = 1_000;
const POLL_WAITING_MS: u64 = 3_000;

/// The task in place of a result.
pub(super) fn handle(view: &TaskView) -> CreateTaskResult {
    CreateTaskResult::new(described(view, TaskStatus::Working))
}

/// What the client can show its person of what the task asks.
async fn questions(
    app: &App,
    caller: &Caller,
    client: &Client,
    view: &TaskView,
) -> Result<Vec<(Approval, ElicitRequestParams)>, engine::Error> {
    let asked = pending(view);
    let wanted: Vec<Approval> = view
        .approvals
        .iter()
        .filter(|a| asked.contains(&a.id))
        .cloned()
        .collect();
    rounds::channels(app, caller, client, (view, &wanted)).await
}

/// Whether the task asks something that the client can show its person.
pub(super) async fn asks(
    app: &App,
    caller: &Caller,
    client: &Client,
    view: &TaskView,
) -> Result<bool, engine::Error> {
    Ok(!questions(app, caller, client, view).await?.is_empty())
}

/// `tasks/get`.
pub(super) async fn get(
    app: &App,
    caller: &Caller,
    client: &Client,
    id: &str,
) -> Result<GetTaskResult, ErrorData> {
    let view = view(app, caller, id).await?;
    let payload = payload(app, caller, client, &view).await.map_err(failed)?;
    let mut task = described(&view, payload.status());
    if let Some(message) = message(&view, app.engine.public_url()) {
        task = task.with_status_message(message);
    }
    Ok(GetTaskResult::new(DetailedTask::new(task, payload)))
}

async fn payload(
    app: &App,
    caller: &Caller,
    client: &Client,
    view: &TaskView,
) -> Result<TaskPayload, engine::Error> {
    match &view.task.state {
        TaskState::Finished(Outcome::Canceled) => Ok(TaskPayload::Cancelled),
        TaskState::Finished(_) => {
            let result = serde_json::to_value(shown(app, caller, view).await?);
            let Ok(Value::Object(result)) = result else {
                return Ok(TaskPayload::Completed {
                    result: serde_json::Map::new(),
                });
            };
            Ok(TaskPayload::Completed { result })
        }
        TaskState::Queued | TaskState::Running | TaskState::Suspended => {
            let asked = questions(app, caller, client, view).await?;
            if asked.is_empty() {
                return Ok(TaskPayload::Working);
            }
            let input_requests = rounds::questions(asked);
            Ok(TaskPayload::InputRequired { input_requests })
        }
    }
}

/// `tasks/update`: the person's answers. What names no question of the task is passed over, as the
/// extension wants it; a yes or no that does not count is told.
pub(super) async fn update(
    app: &App,
    caller: &Caller,
    id: &str,
    responses: &InputResponses,
) -> Result<(), ErrorData> {
    let view = view(app, caller, id).await?;
    let mut refused = Vec::new();
    for (key, response) in responses {
        let Some(approval) = named(&view, key) else {
            continue;
        };
        if rounds::key(approval) != *key {
            refused.push(format!(
                "{} was changed since it was shown; look at the task's inputRequests again.",
                approval.id
            ));
            continue;
        }
        let digest = engine::approval_digest(approval);
        let said = elicit::hand_on(app, caller, (&approval.id, &digest), response).await;
        if let Said::NotTaken(why) = said {
            refused.push(why);
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let data = json!({ "code": "answer_not_taken", "taskId": view.task.id });
    Err(ErrorData::invalid_params(refused.join(" "), Some(data)))
}

/// The approval that a question is about.
fn named<'a>(view: &'a TaskView, key: &str) -> Option<&'a Approval> {
    let (id, _) = key.split_once('.')?;
    let id = ApprovalId::parse(id).ok()?;
    let mut approvals = view.approvals.iter();
    approvals.find(|a| a.id == id)
}

/// `tasks/cancel`. A task that has ended stays as it is.
pub(super) async fn cancel(app: &App, caller: &Caller, id: &str) -> Result<(), ErrorData> {
    let id = known(id)?;
    let canceled = app.engine.cancel_task(caller, &id).await;
    canceled.map(|_| ()).map_err(failed)
}

async fn view(app: &App, caller: &Caller, id: &str) -> Result<TaskView, ErrorData> {
    let id = known(id)?;
    app.engine.task(caller, &id).await.map_err(failed)
}

fn known(id: &str) -> Result<TaskId, ErrorData> {
    task_id(id).map_err(failed)
}

fn failed(error: engine::Error) -> ErrorData {
    let data = Some(json!({ "code": error.code() }));
    match error {
        engine::Error::Internal { .. } | engine::Error::Unavailable { .. } => {
            ErrorData::internal_error(error.to_string(), data)
        }
        engine::Error::NotFound { .. }
        | engine::Error::NotFoundNear { .. }
        | engine::Error::Forbidden(_)
        | engine::Error::Invalid { .. }
        | engine::Error::Conflict { .. }
        | engine::Error::Limited { .. }
        | engine::Error::TooManyTries { .. }
        | engine::Error::LostLease => ErrorData::invalid_params(error.to_string(), data),
    }
}

/// What is said of a task whatever it does. It has no time to live of its own: it is kept as long
/// as the workspace keeps tasks.
fn described(view: &TaskView, status: TaskStatus) -> Task {
    let t = &view.task;
    let asked = view.approvals.iter().map(|a| {
        let answered = a.status.answered().map(|by| by.at);
        answered.unwrap_or(a.created_at)
    });
    let changed = [t.started_at, t.finished_at].into_iter().flatten();
    let last = changed.chain(asked).max().unwrap_or(t.created_at);
    let poll_ms = if t.shown_status() == "waiting" {
        POLL_WAITING_MS
    } else {
        POLL_RUNNING_MS
    };
    Task::new(
        t.id.to_string(),
        status,
        t.created_at.to_rfc3339(),
        last.to_rfc3339(),
    )
    .with_poll_interval_ms(poll_ms)
}

fn message(view: &TaskView, public_url: &str) -> Option<String> {
    let status = view.task.shown_status();
    let links: Vec<String> = view
        .approvals
        .iter()
        .filter(|a| a.status == ApprovalStatus::Pending)
        .map(|a| format!("{} ({})", wire::approval_url(a, public_url), a.binding.tool))
        .collect();
    match status {
        "completed" => None,
        "waiting" => Some(format!(
            "A person has to approve before the program goes on: {}",
            links.join(", ")
        )),
        other => Some(other.to_owned()),
    }
}
