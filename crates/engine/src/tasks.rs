//! Tasks: submit, wait, list, cancel, run again.

use crate::live::Doing;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope, System};
use domain::approval::Approval;
use domain::call::Call;
use domain::canonical::sha256_hex;
use domain::event::{Event, EventKind};
use domain::limits::{LEASE_MS, Limits, TIMEOUT_MS_MAX};
use domain::task::{Activity, Outcome, Pins, Task, TaskState};
use domain::tenancy::{Account, Organization, Workspace};
use domain::{AccountId, HandleId, OrganizationId, TaskId, Timestamp, WorkspaceId};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Name of the built-in runtime.
pub(crate) const ISOLATE: &str = "isolate";

/// A program to run.
#[derive(Debug, Clone, Default)]
pub struct NewTask {
    /// TypeScript or JavaScript.
    pub code: String,
    /// Wall time in milliseconds; the default limit if absent.
    pub timeout_ms: Option<u64>,
    /// The runtime; `isolate` if absent.
    pub runtime_id: Option<String>,
    /// An object to keep with the task.
    pub metadata: Option<Value>,
    /// The same key with the same program gives the same task again.
    pub idempotency_key: Option<String>,
}

/// A task with the approvals it is or was asked about.
#[derive(Debug, Clone)]
pub struct TaskView {
    /// The task.
    pub task: Task,
    /// Its approvals, the oldest first.
    pub approvals: Vec<Approval>,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The task's end.
    Finished,
    /// Its end, or that it waits for a person and nothing else.
    FinishedOrWaiting,
}

/// Which tasks to list.
#[derive(Debug, Clone, Default)]
pub struct TaskQuery {
    /// Only those with this status, as people see it.
    pub status: Option<String>,
    /// Only the caller's own.
    pub mine: bool,
    /// Only those submitted before this one.
    pub before: Option<(Timestamp, TaskId)>,
    /// How many at most.
    pub limit: u32,
}

/// Finds the one local workspace, or makes it on first start.
pub(crate) async fn local_workspace(
    store: &store::Store,
    system: System,
    now: Timestamp,
) -> Result<store::tenancy::Local, Error> {
    let organization_id = OrganizationId::from_bits(entropy::bits());
    let new = store::tenancy::NewLocal {
        organization: Organization {
            id: organization_id.clone(),
            name: "Local".into(),
            created_at: now,
        },
        workspace: Workspace {
            id: WorkspaceId::from_bits(entropy::bits()),
            organization_id,
            slug: "local".into(),
            name: "Local".into(),
            created_at: now,
        },
        account: Account {
            id: AccountId::from_bits(entropy::bits()),
            name: "Owner".into(),
            created_at: now,
        },
    };
    store
        .write(move |tx| Ok(store::tenancy::ensure_local(tx, system, &new)?))
        .await
}

impl Engine {
    /// Submits a program. A syntax error is found before a task exists.
    ///
    /// # Errors
    /// `syntax_error`, `source_too_large`, `invalid_timeout`, `unknown_runtime`, `invalid_metadata`,
    /// `idempotency_mismatch`.
    pub fn submit_task(
        &self,
        caller: &Caller,
        new: NewTask,
    ) -> BoxFuture<'_, Result<TaskView, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let (task, program) = self.prepare(&caller, &new)?;
            let request = sha256_hex(
                json!([new.code, new.timeout_ms, new.runtime_id, new.metadata])
                    .to_string()
                    .as_bytes(),
            );
            if let Some(key) = &new.idempotency_key
                && let Some(known) = self.known_task(&scope, key, &request).await?
            {
                return self.task(&caller, &known).await;
            }
            let remember = new.idempotency_key.map(|key| (key, request));
            let Some(permit) = self.inner.worker.try_permit() else {
                let queued = task.clone();
                self.commit(&scope, {
                    let scope = scope.clone();
                    move |tx| {
                        store::tasks::insert(tx, &scope, &queued)?;
                        submitted(tx, &scope, &queued, remember.as_ref())
                    }
                })
                .await?;
                self.inner.worker.kick();
                return Ok(TaskView {
                    task,
                    approvals: Vec::new(),
                });
            };
            let now = task.created_at;
            let mut running = task;
            running.state = TaskState::Running;
            running.started_at = Some(now);
            running.attempts = 1;
            let live = self.inner.live.enter(&running.id);
            let lease = self
                .commit(&scope, {
                    let (scope, task) = (scope.clone(), running.clone());
                    let owner = self.inner.worker.owner().to_owned();
                    move |tx| {
                        let until = now.plus_ms(LEASE_MS);
                        let lease = store::tasks::insert_claimed(tx, &scope, &task, &owner, until)?;
                        submitted(tx, &scope, &task, remember.as_ref())?;
                        Ok(lease)
                    }
                })
                .await
                .inspect_err(|_| self.inner.live.leave(&running.id, &live))?;
            let view = TaskView {
                task: running.clone(),
                approvals: Vec::new(),
            };
            self.spawn_run(running, lease, live, Some(Arc::new(program)), permit);
            Ok(view)
        })
    }

    fn prepare(&self, caller: &Caller, new: &NewTask) -> Result<(Task, sandbox::Program), Error> {
        let mut limits = Limits::default();
        if let Some(ms) = new.timeout_ms {
            if ms == 0 || ms > TIMEOUT_MS_MAX {
                return Err(Error::invalid(
                    "invalid_timeout",
                    format!("timeoutMs must be from 1 to {TIMEOUT_MS_MAX}, not {ms}"),
                ));
            }
            limits.wall_ms = ms;
        }
        let runtime_id = new.runtime_id.clone().unwrap_or_else(|| ISOLATE.to_owned());
        if runtime_id != self.inner.sandbox.name() {
            return Err(Error::invalid(
                "unknown_runtime",
                format!(
                    "there is no runtime '{}' here; the one there is is called '{}'",
                    runtime_id.chars().take(64).collect::<String>(),
                    self.inner.sandbox.name()
                ),
            ));
        }
        let metadata = match &new.metadata {
            None | Some(Value::Null) => "{}".to_owned(),
            Some(Value::Object(map)) => {
                let text = Value::Object(map.clone()).to_string();
                if text.len() > 64 << 10 {
                    return Err(Error::invalid(
                        "invalid_metadata",
                        "metadata is larger than 64 KiB",
                    ));
                }
                text
            }
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                return Err(Error::invalid(
                    "invalid_metadata",
                    "metadata must be an object",
                ));
            }
        };
        let program = self.compile(&new.code, &limits)?;
        let seed: [u8; 32] = entropy::bytes();
        let task = Task {
            id: TaskId::from_bits(entropy::bits()),
            organization_id: caller.organization_id.clone(),
            workspace_id: caller.workspace_id.clone(),
            account_id: caller.account_id.clone(),
            role: caller.role,
            channel: caller.channel,
            client: caller.client.clone(),
            code: new.code.clone(),
            runtime_id,
            metadata,
            limits,
            seed: entropy::hex(&seed),
            pins: Pins {
                source: program.source_digest().to_owned(),
                code: program.code_digest().to_owned(),
                engine: sandbox::engine_digest().to_owned(),
            },
            state: TaskState::Queued,
            activity: Activity::default(),
            log_lines: 0,
            attempts: 0,
            created_at: self.inner.clock.now(),
            started_at: None,
            finished_at: None,
        };
        Ok((task, program))
    }

    /// Compiles a program within its limit on size.
    pub(crate) fn compile(&self, code: &str, limits: &Limits) -> Result<sandbox::Program, Error> {
        let max = usize::try_from(limits.source_bytes).unwrap_or(usize::MAX);
        if code.len() > max {
            return Err(Error::invalid(
                "source_too_large",
                format!(
                    "the program has {} bytes; the limit source is {max} bytes. Pass data as tool \
                     arguments or read it with a tool instead of writing it into the program",
                    code.len()
                ),
            ));
        }
        if code.contains('\0') {
            return Err(Error::invalid(
                "syntax_error",
                "the program has a NUL character in it; remove it",
            ));
        }
        sandbox::compile(code, max).map_err(|e| Error::Invalid {
            code: "syntax_error",
            message: format!(
                "line {}, column {}: {}\n  {}",
                e.line, e.column, e.message, e.excerpt
            ),
            details: Some(json!({ "line": e.line, "column": e.column, "excerpt": e.excerpt })),
        })
    }

    async fn known_task(
        &self,
        scope: &Scope,
        key: &str,
        request: &str,
    ) -> Result<Option<TaskId>, Error> {
        let (scope, key_text) = (scope.clone(), key.to_owned());
        let known = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::idempotency::find(r, &scope, &key_text)?))
            .await?;
        let Some(known) = known else { return Ok(None) };
        if known.request_digest != request {
            return Err(Error::conflict(
                "idempotency_mismatch",
                format!("the Idempotency-Key '{key}' was used for a different request"),
            ));
        }
        Ok(TaskId::parse(&known.response).ok())
    }

    /// Submits a program and waits for it.
    ///
    /// # Errors
    /// As [`Engine::submit_task`].
    pub fn run_task(
        &self,
        caller: &Caller,
        new: NewTask,
        until: Until,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<TaskView, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let view = self.submit_task(&caller, new).await?;
            if view.task.state.is_finished() {
                return Ok(view);
            }
            self.wait_task(&caller, &view.task.id, until, timeout).await
        })
    }

    /// One task.
    ///
    /// # Errors
    /// `not_found`.
    pub fn task(&self, caller: &Caller, id: &TaskId) -> BoxFuture<'_, Result<TaskView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let all = caller.scope(Permission::SeeAllTasks).is_ok();
            let found = self
                .inner
                .store
                .read({
                    let (scope, id) = (scope, id.clone());
                    move |r| {
                        let Some(task) = store::tasks::get(r, &scope, &id)? else {
                            return Ok(None);
                        };
                        let approvals = store::approvals::for_task(r, &scope, &id)?;
                        Ok::<_, Error>(Some(TaskView { task, approvals }))
                    }
                })
                .await?;
            found
                .filter(|v| all || v.task.account_id == caller.account_id)
                .ok_or_else(|| Error::not_found("task", &id))
        })
    }

    /// Waits for a task, at most `timeout`, and gives it as it is then.
    ///
    /// # Errors
    /// `not_found`.
    pub fn wait_task(
        &self,
        caller: &Caller,
        id: &TaskId,
        until: Until,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<TaskView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            // A live task may be another member's: the same check as for reading it.
            if caller.scope(Permission::SeeAllTasks).is_err() {
                self.task(&caller, &id).await?;
            }
            let scope = caller.scope(Permission::RunTasks)?;
            let deadline = tokio::time::Instant::now() + timeout;
            let mut watch = self.inner.feed.watch(scope.workspace_id());
            loop {
                watch.mark_unchanged();
                let live = self.inner.live.get(&id).map(|l| l.doing.subscribe());
                if let Some(mut doing) = live {
                    match self.follow(&mut doing, until, deadline).await {
                        Some(view) if view.task.workspace_id == *scope.workspace_id() => {
                            return Ok((*view).clone());
                        }
                        Some(_) => return Err(Error::not_found("task", &id)),
                        None => {}
                    }
                }
                let view = self.task(&caller, &id).await?;
                let enough = view.task.state.is_finished()
                    || (until == Until::FinishedOrWaiting && view.task.shown_status() == "waiting");
                if enough || tokio::time::Instant::now() >= deadline {
                    return Ok(view);
                }
                // Another server may run it: then no notice comes, and looking again is the floor.
                let look_again = deadline.min(tokio::time::Instant::now() + Duration::from_secs(1));
                drop(tokio::time::timeout_at(look_again, watch.changed()).await);
            }
        })
    }

    async fn follow(
        &self,
        doing: &mut tokio::sync::watch::Receiver<Doing>,
        until: Until,
        deadline: tokio::time::Instant,
    ) -> Option<Arc<TaskView>> {
        loop {
            match &*doing.borrow_and_update() {
                Doing::Finished(view) => return Some(Arc::clone(view)),
                Doing::Waiting(view) if until == Until::FinishedOrWaiting => {
                    return Some(Arc::clone(view));
                }
                Doing::Released => return None,
                Doing::Busy | Doing::Waiting(_) => {}
            }
            match tokio::time::timeout_at(deadline, doing.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return None,
            }
        }
    }

    /// Lists tasks, the newest first. Members see their own.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn tasks(
        &self,
        caller: &Caller,
        query: TaskQuery,
    ) -> BoxFuture<'_, Result<Vec<TaskView>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let own = query.mine || caller.scope(Permission::SeeAllTasks).is_err();
            let filter = store::tasks::TaskFilter {
                status: query.status,
                account: own.then(|| caller.account_id.clone()),
                before: query.before,
                limit: query.limit,
            };
            self.inner
                .store
                .read(move |r| {
                    let tasks = store::tasks::list(r, &scope, &filter)?;
                    tasks
                        .into_iter()
                        .map(|task| {
                            let approvals = store::approvals::for_task(r, &scope, &task.id)?;
                            Ok(TaskView { task, approvals })
                        })
                        .collect()
                })
                .await
        })
    }

    /// Ends a task and waits until it has ended. One that has ended stays as it is.
    ///
    /// # Errors
    /// `not_found`.
    pub fn cancel_task(
        &self,
        caller: &Caller,
        id: &TaskId,
    ) -> BoxFuture<'_, Result<TaskView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let view = self.task(&caller, &id).await?;
            if view.task.state.is_finished() {
                return Ok(view);
            }
            let scope = caller.scope(Permission::RunTasks)?;
            let now = self.inner.clock.now();
            self.commit(&scope, {
                let (scope, id, by) = (scope.clone(), id.clone(), caller.account_id.clone());
                move |tx| {
                    if store::tasks::finish_unclaimed(tx, &scope, &id, &Outcome::Canceled, now)? {
                        for approval in store::approvals::withdraw_pending(tx, &scope, &id)? {
                            crate::gate::approval_event(tx, &scope, &approval, now)?;
                        }
                        task_event(tx, &scope, &id, "canceled", now)
                    } else {
                        store::tasks::request_cancel(tx, &scope, &id, &by)?;
                        Ok(())
                    }
                }
            })
            .await?;
            if let Some(live) = self.inner.live.get(&id) {
                live.signals.send_modify(|s| s.cancel = true);
            }
            self.wait_task(&caller, &id, Until::Finished, Duration::from_secs(10))
                .await
        })
    }

    /// Runs the program of a task again, as a new task of the caller.
    ///
    /// # Errors
    /// `not_found`, and as [`Engine::submit_task`].
    pub fn rerun_task(
        &self,
        caller: &Caller,
        id: &TaskId,
    ) -> BoxFuture<'_, Result<TaskView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let Task {
                code,
                runtime_id,
                metadata,
                limits,
                ..
            } = self.task(&caller, &id).await?.task;
            let new = NewTask {
                code,
                timeout_ms: Some(limits.wall_ms),
                runtime_id: Some(runtime_id),
                metadata: serde_json::from_str(&metadata).ok(),
                idempotency_key: None,
            };
            self.submit_task(&caller, new).await
        })
    }

    /// The calls of a task in their order.
    ///
    /// # Errors
    /// `not_found`.
    pub fn task_calls(
        &self,
        caller: &Caller,
        id: &TaskId,
    ) -> BoxFuture<'_, Result<Vec<Call>, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            self.task(&caller, &id).await?;
            let scope = caller.scope(Permission::RunTasks)?;
            self.inner
                .store
                .read(move |r| Ok(store::calls::list(r, &scope, &id)?))
                .await
        })
    }

    /// Lines that a task logged, after a line.
    ///
    /// # Errors
    /// `not_found`.
    pub fn task_logs(
        &self,
        caller: &Caller,
        id: &TaskId,
        after_line: u32,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Event>, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            self.task(&caller, &id).await?;
            let scope = caller.scope(Permission::RunTasks)?;
            self.inner
                .store
                .read(move |r| Ok(store::events::logs(r, &scope, &id, after_line, limit)?))
                .await
        })
    }

    /// A part of a value that was too large to be carried: the text from byte `offset`, at most
    /// `length` bytes, cut between characters; and how long the whole is.
    ///
    /// # Errors
    /// `not_found`.
    pub fn read_handle(
        &self,
        caller: &Caller,
        id: &HandleId,
        offset: u64,
        length: u64,
    ) -> BoxFuture<'_, Result<(String, u64), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            self.handle_part(&scope, &id, offset, length).await
        })
    }

    pub(crate) async fn handle_part(
        &self,
        scope: &Scope,
        id: &HandleId,
        offset: u64,
        length: u64,
    ) -> Result<(String, u64), Error> {
        let (scope, handle) = (scope.clone(), id.clone());
        self.inner
            .store
            .read(move |r| {
                Ok::<_, Error>(store::handles::read(r, &scope, &handle, offset, length)?)
            })
            .await?
            .ok_or_else(|| Error::not_found("handle", id))
    }
}

fn submitted(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    task: &Task,
    remember: Option<&(String, String)>,
) -> Result<(), Error> {
    if let Some((key, request)) = remember {
        store::idempotency::remember(tx, scope, key, request, task.id.as_str(), task.created_at)?;
    }
    task_event(tx, scope, &task.id, task.shown_status(), task.created_at)
}

/// Tells watchers where a task stands.
pub(crate) fn task_event(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    id: &TaskId,
    status: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let kind = EventKind::Task {
        status: status.to_owned(),
    };
    store::events::append(tx, scope, Some(id), now, &kind)?;
    Ok(())
}
