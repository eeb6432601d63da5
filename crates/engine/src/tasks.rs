//! Tasks: wait, list, run again. How one is submitted is in `tasks/submit.rs`, how a person ends one in
//! `tasks/ending.rs`, how one goes on from another's record in `tasks/fork.rs`.

mod ending;
mod fork;
mod submit;

use crate::live::Doing;
use crate::settings::sees_all_tasks;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope, System};
use domain::approval::Approval;
use domain::call::Call;
use domain::event::{Event, EventKind};
use domain::task::Task;
use domain::tenancy::{Access, Account, Organization, Workspace};
use domain::{AccountId, CredentialId, HandleId, OrganizationId, TaskId, Timestamp, WorkspaceId};
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::calls::Opened;
use store::values::Part;

pub(crate) use ending::{Ending, may_end};
pub use fork::NewFork;
use submit::Look;

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
    /// The credential that its calls carry; the one that each source finds first if absent.
    pub run_as: Option<CredentialId>,
}

/// A task with the approvals it is or was asked about.
#[derive(Debug, Clone)]
pub struct TaskView {
    /// The task.
    pub task: Task,
    /// Its approvals, the oldest first.
    pub approvals: Vec<Approval>,
    /// How many calls it has made; none where that was not looked up.
    pub calls: Option<u32>,
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
    /// Only those of clients that call themselves so.
    pub client: Option<String>,
    /// Only those that called the tool of this path.
    pub tool: Option<String>,
    /// Words, separated by spaces, of which each must stand in the task; empty for all.
    pub search: String,
    /// Only those submitted at this time or later.
    pub since: Option<Timestamp>,
    /// Only those submitted before this time.
    pub until: Option<Timestamp>,
    /// Only those submitted before this one.
    pub before: Option<(Timestamp, TaskId)>,
    /// How many at most.
    pub limit: u32,
}

/// What a list of tasks found.
#[derive(Debug, Clone)]
pub struct FoundTasks {
    /// The tasks, the newest first.
    pub views: Vec<TaskView>,
    /// How far back a search has looked, where there may be older ones to look through: the next one
    /// goes on before this task.
    pub back_to: Option<(Timestamp, TaskId)>,
}

/// Tasks that one request of a search looks through: their texts, clients and tools have no index.
const SEARCHED_AT_ONCE: u32 = 20_000;

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
            slug: "local".into(),
            name: "Local".into(),
            created_at: now,
            ending: None,
        },
        workspace: Workspace {
            id: WorkspaceId::from_bits(entropy::bits()),
            organization_id,
            slug: "local".into(),
            name: "Local".into(),
            created_at: now,
            access: Access::Open,
            ending: None,
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

/// How long somebody may wait without its being looked at whether they still may.
const RENEW: Duration = Duration::from_secs(1);

/// Letters of a search at most, and its words: each is looked for in every task until a page is full.
const SEARCH_CHARS_MAX: usize = 200;
const SEARCH_WORDS_MAX: usize = 8;

/// The calls of a task.
pub struct TaskCalls {
    /// In their order.
    pub calls: Vec<Call>,
    /// The credentials that went along, by the place of the call; never a value.
    pub opened: BTreeMap<u32, Opened>,
}

/// Where a task stands in the order of age.
type Place = (Timestamp, TaskId);

/// The first task of the window that may be shown, and the one before which all stand: time and page
/// as one pair of bounds, so that the index of age serves both however far the pages have gone.
fn window(query: &TaskQuery) -> (Option<Place>, Option<Place>) {
    let at = |time: Timestamp| (time, TaskId::from_bits([0; 16]));
    let until = query.until.map(at);
    let before = match (query.before.clone(), until) {
        (Some(page), Some(until)) => Some(page.min(until)),
        (page, until) => page.or(until),
    };
    (query.since.map(at), before)
}

fn search_words(search: &str) -> Result<Vec<String>, Error> {
    let words: Vec<String> = search.split_whitespace().map(str::to_owned).collect();
    if search.chars().count() > SEARCH_CHARS_MAX || words.len() > SEARCH_WORDS_MAX {
        return Err(Error::invalid(
            "invalid_search",
            format!(
                "a search has at most {SEARCH_WORDS_MAX} words and {SEARCH_CHARS_MAX} characters"
            ),
        ));
    }
    if search.contains('\0') {
        return Err(Error::invalid(
            "invalid_search",
            "a search has no NUL character in it",
        ));
    }
    Ok(words)
}

impl Engine {
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
            let scope = caller.scope(Permission::SeeTasks)?;
            let found = self
                .inner
                .store
                .read({
                    let (scope, id, caller) = (scope, id.clone(), caller.clone());
                    move |r| {
                        let Some(task) = store::tasks::get(r, &scope, &id)? else {
                            return Ok(None);
                        };
                        let own = task.account_id == caller.account_id;
                        if !own && !sees_all_tasks(r, &scope, &caller)? {
                            return Ok(None);
                        }
                        let approvals = store::approvals::for_task(r, &scope, &id)?;
                        let calls = Some(store::calls::count(r, &scope, &id)?);
                        Ok::<_, Error>(Some(TaskView {
                            task,
                            approvals,
                            calls,
                        }))
                    }
                })
                .await?;
            found.ok_or_else(|| Error::not_found("task", &id))
        })
    }

    /// Waits for a task, at most `timeout` and until this server ends, and gives it as it is then to
    /// whoever may still see it.
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
            let begun = tokio::time::Instant::now();
            let view = self.waited_for(&caller, &id, until, timeout).await?;
            if begun.elapsed() < RENEW {
                return Ok(view);
            }
            // A wait may outlive the rights that it began with.
            match self.renewed(&caller, None).await? {
                Some(caller) => self.task(&caller, &id).await,
                None => Err(Error::not_found("task", &id)),
            }
        })
    }

    fn waited_for(
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
            let scope = caller.scope(Permission::SeeTasks)?;
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
                    || (until == Until::FinishedOrWaiting && view.task.shown_status() == "waiting")
                    || self.inner.worker.parted.is_cancelled();
                if enough || tokio::time::Instant::now() >= deadline {
                    return Ok(view);
                }
                // Another server may run it, and its notice be lost: looking again is the floor.
                let look_again = deadline.min(tokio::time::Instant::now() + Duration::from_secs(1));
                tokio::select! {
                    biased;
                    changed = tokio::time::timeout_at(look_again, watch.changed()) => drop(changed),
                    () = self.inner.worker.parted.cancelled() => {}
                }
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
            tokio::select! {
                biased;
                changed = tokio::time::timeout_at(deadline, doing.changed()) => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return None,
                },
                () = self.inner.worker.parted.cancelled() => return None,
            }
        }
    }

    /// Lists tasks, the newest first. Members see their own, or everybody's where the workspace lets
    /// them. A search looks through so many tasks at once and says how far it came.
    ///
    /// # Errors
    /// `forbidden`, `invalid_search`.
    pub fn tasks(
        &self,
        caller: &Caller,
        query: TaskQuery,
    ) -> BoxFuture<'_, Result<FoundTasks, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeTasks)?;
            let words = search_words(&query.search)?;
            self.inner
                .store
                .read(move |r| {
                    let own = query.mine || !sees_all_tasks(r, &scope, &caller)?;
                    let (first, before) = window(&query);
                    let is_search =
                        !words.is_empty() || query.client.is_some() || query.tool.is_some();
                    let searched = if is_search {
                        store::tasks::last_of(r, &scope, before.as_ref(), SEARCHED_AT_ONCE)?
                    } else {
                        None
                    };
                    // Where the window ends before the search does, there is nothing to go on to.
                    let back_to = searched.filter(|s| first.as_ref().is_none_or(|f| s > f));
                    let filter = store::tasks::TaskFilter {
                        status: query.status.clone(),
                        account: own.then(|| caller.account_id.clone()),
                        client: query.client.clone(),
                        tool: query.tool.clone(),
                        words: words.clone(),
                        before,
                        back_to: back_to.clone().or(first),
                        limit: query.limit,
                    };
                    let tasks = store::tasks::list(r, &scope, &filter)?;
                    let views = tasks.into_iter().map(|task| {
                        let approvals = store::approvals::for_task(r, &scope, &task.id)?;
                        let calls = Some(store::calls::count(r, &scope, &task.id)?);
                        Ok::<_, Error>(TaskView {
                            task,
                            approvals,
                            calls,
                        })
                    });
                    Ok(FoundTasks {
                        views: views.collect::<Result<_, _>>()?,
                        back_to,
                    })
                })
                .await
        })
    }

    /// Runs the program of a task again, as a new task of the caller, without looking at its calls
    /// first; with the credential that was chosen for it, if the caller may use that.
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
                pins,
                ..
            } = self.task(&caller, &id).await?.task;
            let new = NewTask {
                code,
                timeout_ms: Some(limits.wall_ms),
                runtime_id: Some(runtime_id),
                metadata: serde_json::from_str(&metadata).ok(),
                idempotency_key: None,
                run_as: pins.run_as,
            };
            self.submit(&caller, new, Look::Not).await
        })
    }

    /// The calls of a task. In the place of a large value stands how long it is and how it begins;
    /// [`Engine::task_call`] has it whole.
    ///
    /// # Errors
    /// `not_found`.
    pub fn task_calls(
        &self,
        caller: &Caller,
        id: &TaskId,
    ) -> BoxFuture<'_, Result<TaskCalls, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            self.task(&caller, &id).await?;
            let scope = caller.scope(Permission::SeeTasks)?;
            self.inner
                .store
                .read(move |r| {
                    let calls = store::calls::outline(r, &scope, &id)?;
                    let opened = store::calls::credentials_of(r, &scope, &id, 1..=u32::MAX)?;
                    Ok(TaskCalls { calls, opened })
                })
                .await
        })
    }

    /// One call of a task, whole, and the credential that went along.
    ///
    /// # Errors
    /// `not_found`.
    pub fn task_call(
        &self,
        caller: &Caller,
        id: &TaskId,
        sequence: u32,
    ) -> BoxFuture<'_, Result<(Call, Option<Opened>), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            self.task(&caller, &id).await?;
            let scope = caller.scope(Permission::SeeTasks)?;
            self.inner
                .store
                .read(move |r| {
                    let call = store::calls::get(r, &scope, &id, sequence)?
                        .ok_or_else(|| Error::not_found("call", sequence))?;
                    let mut opened =
                        store::calls::credentials_of(r, &scope, &id, sequence..=sequence)?;
                    Ok((call, opened.remove(&sequence)))
                })
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
            let scope = caller.scope(Permission::SeeTasks)?;
            self.inner
                .store
                .read(move |r| Ok(store::events::logs(r, &scope, &id, after_line, limit)?))
                .await
        })
    }

    /// A part of a value that was too large to be carried, from byte `offset` and at most `length`
    /// bytes, cut between characters. Whoever may see the task that it belongs to may read it.
    ///
    /// # Errors
    /// `not_found`.
    pub fn read_handle(
        &self,
        caller: &Caller,
        id: &HandleId,
        offset: u64,
        length: u64,
    ) -> BoxFuture<'_, Result<Part, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeTasks)?;
            self.inner
                .store
                .read({
                    let (id, caller) = (id.clone(), caller.clone());
                    move |r| {
                        let Some(owner) = store::handles::owner(r, &scope, &id)? else {
                            return Ok(None);
                        };
                        let own = owner == caller.account_id;
                        if !own && !sees_all_tasks(r, &scope, &caller)? {
                            return Ok(None);
                        }
                        Ok::<_, Error>(store::handles::read(r, &scope, &id, offset, length)?)
                    }
                })
                .await?
                .ok_or_else(|| Error::not_found("handle", &id))
        })
    }
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
