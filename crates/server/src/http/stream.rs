//! Server-sent events of a workspace or a task, resumed without loss or repetition.
//!
//! The events table is the truth and the event's number the stream's position; the engine's watch
//! only says "look again". A stream holds nothing back, so a client that lost its connection sends
//! the last number it saw and goes on from there.

use super::extract::{Params, Who, here, id};
use crate::App;
use crate::auth::CurrentSession;
use crate::error::{Failure, Problems};
use crate::wire;
use api::events::Event as WireEvent;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::access::Caller;
use domain::event::{Event, EventKind};
use domain::{SessionId, TaskId};
use engine::{EventQuery, Stretch, Watch};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use utoipa::IntoParams;

/// Events read at once.
const BATCH: u32 = 256;

/// How often a silent stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often it is looked at whether the reader of a stream still may.
const RENEW: Duration = Duration::from_secs(1);

/// Tells a proxy (nginx and those that follow it) to hand each event on as it comes.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// The number of the last event that was seen; the header `Last-Event-ID` outranks it.
    after: Option<i64>,
}

/// Where to begin, and with what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The number of the last event that was seen; the header `Last-Event-ID` outranks it.
    after: Option<i64>,
    /// Whether the lines that programs log are among the events; they are unless this is `false`.
    logs: Option<bool>,
}

/// Streams what happens to one task, logs included, from the beginning or from `Last-Event-ID`,
/// and ends after the task's last event. A finished stream that is resumed answers 204.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/events", operation_id = "streamTaskEvents", tag = "events",
    params(("id" = String, Path, description = "The task"), After,
        ("Last-Event-ID" = Option<i64>, Header, description = "The number of the last event that was seen")),
    responses(
        (status = 200, description = "Events: `id` is the number, `event` the type, `data` this", body = WireEvent, content_type = "text/event-stream"),
        (status = 204, description = "The task has ended and every event of it was seen"), Problems)
)]
pub(crate) async fn task_events(
    State(app): State<App>,
    Who(caller): Who,
    Extension(CurrentSession(session)): Extension<CurrentSession>,
    Path(task): Path<String>,
    Params(query): Params<After>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let task = id::<TaskId>("task", &task)?;
    let finished = app
        .engine
        .task(&caller, &task)
        .await?
        .task
        .state
        .is_finished();
    let resumed = position(&headers, query.after)?;
    let after = resumed.unwrap_or(0);
    let first = app.engine.task_events(&caller, &task, after, BATCH).await?;
    if finished && first.is_empty() && resumed.is_some() {
        return Ok(super::answer::Done.into_response());
    }
    let watch = app.engine.watch(&caller)?;
    let feed = Feed {
        app,
        caller,
        session,
        of: Of::Task(task),
        after: first.last().map_or(after, |e| e.sequence),
        sent: after,
        renewed: Instant::now(),
        watch,
        ready: first.into(),
        over: finished,
    };
    Ok(feed.into_response())
}

/// Streams what happens in a workspace, from now or from `Last-Event-ID`. Where events after that
/// one have outlived the days the workspace keeps them, the answer is a 410. Who may not see
/// everybody's tasks is told of their own, of approvals that name them, and of what all members read.
#[utoipa::path(
    get, path = "/api/v1/workspaces/{workspace}/events", operation_id = "streamWorkspaceEvents",
    tag = "events",
    params(("workspace" = String, Path, description = "The workspace: its identifier or short name"), Wanted,
        ("Last-Event-ID" = Option<i64>, Header, description = "The number of the last event that was seen")),
    responses((status = 200, description = "Events: `id` is the number, `event` the type, `data` this", body = WireEvent, content_type = "text/event-stream"), Problems)
)]
pub(crate) async fn workspace_events(
    State(app): State<App>,
    Who(caller): Who,
    Extension(CurrentSession(session)): Extension<CurrentSession>,
    Path(workspace): Path<String>,
    Params(query): Params<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    here(&app, &caller, &workspace).await?;
    let after = match position(&headers, query.after)? {
        Some(after) => {
            let removed = app.engine.removed_events(&caller).await?;
            if after < removed {
                return Err(Failure::events_removed(removed));
            }
            after
        }
        None => app.engine.last_event(&caller).await?,
    };
    let watch = app.engine.watch(&caller)?;
    // Read once here, so that a caller who may not read is told so instead of seeing a stream end.
    let logs = query.logs.unwrap_or(true);
    let first = app.engine.events(&caller, stretch(after, logs)).await?;
    let feed = Feed {
        app,
        caller,
        session,
        of: Of::Workspace { logs },
        after: first.until,
        sent: after,
        renewed: Instant::now(),
        watch,
        ready: first.events.into(),
        over: false,
    };
    Ok(feed.into_response())
}

fn stretch(after: i64, logs: bool) -> EventQuery {
    EventQuery {
        after,
        limit: BATCH,
        logs,
    }
}

fn position(headers: &HeaderMap, after: Option<i64>) -> Result<Option<i64>, Failure> {
    let Some(header) = headers.get("last-event-id") else {
        return Ok(after);
    };
    let sequence = header
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    sequence.map(Some).ok_or_else(|| {
        Failure::malformed(
            "Last-Event-ID",
            "expected the number of an event of this stream",
        )
    })
}

/// What a stream is about.
enum Of {
    Task(TaskId),
    Workspace { logs: bool },
}

/// A stream between two reads.
struct Feed {
    app: App,
    caller: Caller,
    /// The browser's, where one reads.
    session: Option<SessionId>,
    of: Of,
    /// The number up to which events were read.
    after: i64,
    /// The number of the last event that was sent, or the one after which the stream began.
    sent: i64,
    /// When it was last looked at whether the caller still may.
    renewed: Instant,
    watch: Watch,
    ready: VecDeque<Event>,
    /// Nothing comes after what is ready and what is recorded.
    over: bool,
}

impl Feed {
    /// The next event, and the number of the one before it; none ends the stream.
    async fn next(&mut self) -> Option<(Event, i64)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                let previous = std::mem::replace(&mut self.sent, event.sequence);
                if matches!(self.of, Of::Task(_)) && is_last(&event) {
                    self.over = true;
                }
                return Some((event, previous));
            }
            if !self.renew().await {
                return None;
            }
            let Stretch { events, until } = match self.read().await {
                Ok(stretch) => stretch,
                Err(error) => {
                    // The client comes back with its position; the error is told then.
                    tracing::debug!("an event stream ends early: {error}");
                    return None;
                }
            };
            let is_further = until > self.after;
            (self.ready, self.after) = (events.into(), until);
            if !is_further && !self.wait().await {
                return None;
            }
        }
    }

    async fn read(&self) -> Result<Stretch, engine::Error> {
        let (engine, caller) = (&self.app.engine, &self.caller);
        match &self.of {
            Of::Workspace { logs } => engine.events(caller, stretch(self.after, *logs)).await,
            Of::Task(task) => {
                let events = engine.task_events(caller, task, self.after, BATCH).await?;
                let until = events.last().map_or(self.after, |e| e.sequence);
                Ok(Stretch { events, until })
            }
        }
    }

    /// A stream may outlive the rights that it was opened with: whether the caller still has any.
    async fn renew(&mut self) -> bool {
        if self.renewed.elapsed() < RENEW {
            return true;
        }
        let renewed = self.app.engine.renewed(&self.caller, self.session.as_ref());
        match renewed.await {
            Ok(Some(caller)) => {
                self.caller = caller;
                self.renewed = Instant::now();
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::debug!("an event stream ends early: {error}");
                false
            }
        }
    }

    /// Waits until there may be more; whether there may.
    async fn wait(&mut self) -> bool {
        if self.over {
            return false;
        }
        tokio::select! {
            () = self.app.closing.cancelled() => false,
            () = self.watch.changed() => true,
        }
    }

    fn into_response(self) -> Response {
        let events = stream::unfold(self, |mut feed| async move {
            let (event, previous) = feed.next().await?;
            Some((message(&event, previous), feed))
        });
        let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
        ([(UNBUFFERED, HeaderValue::from_static("no"))], stream).into_response()
    }
}

fn message(event: &Event, previous: i64) -> Result<Message, axum::Error> {
    let wire = WireEvent {
        previous: Some(previous),
        ..wire::event(event)
    };
    Message::default()
        .id(wire.sequence.to_string())
        .event(&wire.kind)
        .json_data(&wire)
}

/// Whether an event says that its task has ended.
fn is_last(event: &Event) -> bool {
    match &event.kind {
        EventKind::Task { status } => !matches!(
            status.as_str(),
            "queued" | "running" | "waiting" | "suspended"
        ),
        EventKind::Log { .. }
        | EventKind::Call { .. }
        | EventKind::Progress { .. }
        | EventKind::Approval { .. }
        | EventKind::Source { .. }
        | EventKind::Sandbox { .. }
        | EventKind::Settings {}
        | EventKind::Policy { .. }
        | EventKind::Credential { .. }
        | EventKind::Client { .. }
        | EventKind::Webhook { .. } => false,
    }
}
