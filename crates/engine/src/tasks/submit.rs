//! Submitting a program: checked and compiled first, then recorded, then run at once if there is a
//! place for it.

use super::{NewTask, TaskView, task_event};
use crate::quotas::count_into_day;
use crate::worker::FirstRun;
use crate::{Engine, Error, entropy};
use domain::TaskId;
use domain::access::{Caller, Permission, Scope};
use domain::canonical::sha256_hex;
use domain::limits::{Limit, Limits, TIMEOUT_MS_MAX};
use domain::settings::Settings;
use domain::task::{Activity, Outcome, Pins, Task, TaskError, TaskState};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;

/// Whether a program's calls are checked before it is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Those that its text shows.
    AtItsCalls,
    /// It ran before, and is to run as it did.
    Not,
}

impl Engine {
    /// Submits a program. A syntax error is found before a task exists; a program whose text shows
    /// a call that must fail, and that nothing catches, becomes a task that has failed already.
    ///
    /// # Errors
    /// `syntax_error`, `source_too_large`, `invalid_timeout`, `unknown_runtime`,
    /// `runtime_not_enabled`, `invalid_metadata`, `idempotency_mismatch`, `quota_exceeded`.
    pub fn submit_task(
        &self,
        caller: &Caller,
        new: NewTask,
    ) -> BoxFuture<'_, Result<TaskView, Error>> {
        self.submit(caller, new, Look::AtItsCalls)
    }

    /// As [`Engine::submit_task`], for a program that may have been looked at before.
    pub(super) fn submit(
        &self,
        caller: &Caller,
        new: NewTask,
        look: Look,
    ) -> BoxFuture<'_, Result<TaskView, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let settings = self.settings_at_hand(&scope).await?;
            let (task, program) = self.prepare(&caller, &new, &settings)?;
            let mut request = json!([new.code, new.timeout_ms, new.runtime_id, new.metadata]);
            if let (Some(id), Some(parts)) = (&new.run_as, request.as_array_mut()) {
                parts.push(json!(id.as_str()));
            }
            let request = sha256_hex(request.to_string().as_bytes());
            if let Some(key) = &new.idempotency_key
                && let Some(known) = self.known_task(&scope, key, &request).await?
            {
                return self.task(&caller, &known).await;
            }
            if let Some(id) = &new.run_as {
                self.usable_credential(&caller, &scope, id).await?;
            }
            self.take_place(&scope, &settings).await?;
            let remember = new.idempotency_key.map(|key| (key, request));
            let objection = match look {
                Look::AtItsCalls => self.objection(&caller, &scope, &program).await?,
                Look::Not => None,
            };
            if let Some(error) = objection {
                return self
                    .submit_failed(&scope, &settings, task, error, remember)
                    .await;
            }
            let Some(permit) = self.inner.worker.try_permit_at_once() else {
                let queued = task.clone();
                self.commit(&scope, {
                    let scope = scope.clone();
                    move |tx| {
                        store::tasks::insert(tx, &scope, &queued)?;
                        count_into_day(tx, &scope, &queued, &settings)?;
                        submitted(tx, &scope, &queued, remember.as_ref())
                    }
                })
                .await?;
                self.inner.worker.kick();
                return Ok(TaskView {
                    task,
                    approvals: Vec::new(),
                    calls: None,
                });
            };
            let now = task.created_at;
            let mut running = task;
            running.state = TaskState::Running;
            running.started_at = Some(now);
            running.attempts = 1;
            let view = TaskView {
                task: running.clone(),
                approvals: Vec::new(),
                calls: None,
            };
            let live = self.inner.live.enter(&running.id);
            let claim = {
                let (scope, task) = (scope.clone(), running.clone());
                let owner = self.inner.worker.owner().to_owned();
                let lease_ms = self.inner.worker.sharing.lease_ms;
                self.commit(&scope.clone(), move |tx| {
                    let until = tx.now(now)?.plus_ms(lease_ms);
                    let lease = store::tasks::insert_claimed(tx, &scope, &task, &owner, until)?;
                    count_into_day(tx, &scope, &task, &settings)?;
                    submitted(tx, &scope, &task, remember.as_ref())?;
                    Ok(lease)
                })
            };
            let first = FirstRun {
                task: running,
                live,
                program: Arc::new(program),
                permit,
            };
            self.spawn_first_run(first, claim).await?;
            Ok(view)
        })
    }

    /// Records a task that has failed before it began.
    async fn submit_failed(
        &self,
        scope: &Scope,
        settings: &Arc<Settings>,
        mut task: Task,
        error: TaskError,
        remember: Option<(String, String)>,
    ) -> Result<TaskView, Error> {
        let (now, outcome) = (task.created_at, Outcome::Failed(error));
        self.commit(scope, {
            let (scope, task, outcome) = (scope.clone(), task.clone(), outcome.clone());
            let settings = Arc::clone(settings);
            move |tx| {
                store::tasks::insert(tx, &scope, &task)?;
                count_into_day(tx, &scope, &task, &settings)?;
                submitted(tx, &scope, &task, remember.as_ref())?;
                store::tasks::finish_unclaimed(tx, &scope, &task.id, &outcome, now)?;
                task_event(tx, &scope, &task.id, outcome.as_str(), now)
            }
        })
        .await?;
        task.state = TaskState::Finished(outcome);
        task.finished_at = Some(now);
        Ok(TaskView {
            task,
            approvals: Vec::new(),
            calls: None,
        })
    }

    pub(super) fn prepare(
        &self,
        caller: &Caller,
        new: &NewTask,
        settings: &Settings,
    ) -> Result<(Task, sandbox::Program), Error> {
        let mut limits = Limits::under(settings);
        if let Some(ms) = new.timeout_ms {
            if ms == 0 || ms > TIMEOUT_MS_MAX {
                return Err(Error::invalid(
                    "invalid_timeout",
                    format!("timeoutMs must be from 1 to {TIMEOUT_MS_MAX}, not {ms}"),
                ));
            }
            limits.wall_ms = ms;
        }
        let runtime = self.inner.runtimes.chosen(new.runtime_id.as_deref())?;
        if let Some(refusal) = runtime.refusal() {
            return Err(Error::Unavailable {
                message: refusal.to_string(),
            });
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
            key_id: caller.key_id.clone(),
            grant_id: caller.grant_id.clone(),
            code: new.code.clone(),
            runtime_id: runtime.name().to_owned(),
            metadata,
            limits,
            seed: entropy::hex(&seed),
            pins: Pins {
                source: program.source_digest().to_owned(),
                code: program.code_digest().to_owned(),
                engine: runtime.engine_digest().to_owned(),
                fork: None,
                run_as: new.run_as.clone(),
            },
            state: TaskState::Queued,
            activity: Activity::default(),
            log_lines: 0,
            attempts: 0,
            created_at: self.inner.clock.now(),
            started_at: None,
            finished_at: None,
            sandbox_starts: Vec::new(),
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
                    "the program has {} bytes; the limit source ({}) is {max} bytes. Pass data as \
                     tool arguments or read it with a tool instead of writing it into the program; \
                     {}",
                    code.len(),
                    Limit::SourceBytes.as_str(),
                    Limit::SourceBytes.how_to_raise()
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
            details: Some(json!({
                "line": e.line, "column": e.column, "excerpt": e.excerpt, "reason": e.message,
            })),
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
}

pub(super) fn submitted(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    task: &Task,
    remember: Option<&(String, String)>,
) -> Result<(), Error> {
    if let Some((key, request)) = remember {
        let kept = store::idempotency::remember(
            tx,
            scope,
            key,
            request,
            task.id.as_str(),
            task.created_at,
        );
        if let Err(store::Error::Conflict(_)) = kept {
            return Err(Error::conflict(
                "idempotency_in_use",
                format!("a request with the Idempotency-Key '{key}' is under way; send it again"),
            ));
        }
        kept?;
    }
    task_event(tx, scope, &task.id, task.shown_status(), task.created_at)
}
