//! Events: the truth that streams read, and the notice that there is more of it.

use crate::approvals::may_see;
use crate::settings::sees_all_tasks;
use crate::{Engine, Error};
use domain::TaskId;
use domain::access::{Caller, Permission, Scope};
use domain::event::{Event, EventKind};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;

/// Watches a workspace.
pub struct Watch {
    changes: watch::Receiver<u64>,
}

impl Watch {
    /// Completes when something may have happened, after a second at the latest: another server may
    /// have written it. Dropping the future loses nothing.
    pub async fn changed(&mut self) {
        let wait = tokio::time::timeout(Duration::from_secs(1), self.changes.changed()).await;
        if matches!(wait, Ok(Err(_))) {
            // The feed dropped its end because nobody watched; look again by the clock.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Which events of a workspace are read.
#[derive(Debug, Clone, Copy)]
pub struct EventQuery {
    /// The number after which to begin.
    pub after: i64,
    /// How many at most.
    pub limit: u32,
    /// Whether the lines that programs log are among them.
    pub logs: bool,
}

/// Events that were read together.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// The events that were asked for and that the caller may see, the oldest first.
    pub events: Vec<Event>,
    /// The number up to which everything was looked at; the next read begins after it.
    pub until: i64,
}

/// Those of the events that a member may see who does not see the tasks of others.
fn concerning(
    reader: &mut store::Reader<'_>,
    scope: &Scope,
    caller: &Caller,
    events: Vec<Event>,
) -> Result<Vec<Event>, Error> {
    let mut own: HashMap<TaskId, bool> = HashMap::new();
    let mut kept = Vec::new();
    for event in events {
        let mut may = matches!(
            event.kind,
            EventKind::Source { .. } | EventKind::Settings {} | EventKind::Policy { .. }
        );
        if let Some(task) = &event.task_id {
            may = match own.get(task) {
                Some(known) => *known,
                None => {
                    let owner = store::tasks::owner(reader, scope, task)?;
                    let is_own = owner.as_ref() == Some(&caller.account_id);
                    own.insert(task.clone(), is_own);
                    is_own
                }
            };
        }
        if let EventKind::Client { account_id, .. } = &event.kind {
            may = *account_id == caller.account_id;
        }
        if let (false, EventKind::Approval { approval_id, .. }) = (may, &event.kind) {
            may = store::approvals::get(reader, scope, approval_id)?
                .is_some_and(|approval| may_see(caller, false, &approval));
        }
        if may {
            kept.push(event);
        }
    }
    Ok(kept)
}

impl Engine {
    /// Watches the caller's workspace from now on.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn watch(&self, caller: &Caller) -> Result<Watch, Error> {
        let scope = caller.scope(Permission::SeeTasks)?;
        Ok(Watch {
            changes: self.inner.feed.watch(scope.workspace_id()),
        })
    }

    /// Events of the workspace after a number, in their order. Who may not see everybody's tasks
    /// reads of their own, of approvals that name them, and of what all members read.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn events(
        &self,
        caller: &Caller,
        query: EventQuery,
    ) -> BoxFuture<'_, Result<Stretch, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeTasks)?;
            self.inner
                .store
                .read(move |r| {
                    // Read first: whoever sees a number sees the events of all lower ones.
                    let head = store::events::last(r, &scope)?;
                    let EventQuery { after, limit, logs } = query;
                    let mut events = store::events::after(r, &scope, after, limit, logs)?;
                    let last = events.last().map_or(after, |e| e.sequence);
                    let is_whole = u32::try_from(events.len()).is_ok_and(|n| n < limit);
                    if !sees_all_tasks(r, &scope, &caller)? {
                        events = concerning(r, &scope, &caller, events)?;
                    }
                    let until = if is_whole { last.max(head) } else { last };
                    Ok(Stretch { events, until })
                })
                .await
        })
    }

    /// Events of one task after a number, in their order.
    ///
    /// # Errors
    /// `not_found`.
    pub fn task_events(
        &self,
        caller: &Caller,
        id: &TaskId,
        after: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Event>, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeTasks)?;
            if caller.scope(Permission::SeeAllTasks).is_err() {
                self.task(&caller, &id).await?;
            }
            self.inner
                .store
                .read(move |r| Ok(store::events::task_after(r, &scope, &id, after, limit)?))
                .await
        })
    }

    /// The highest number of an event of the workspace that has outlived its time and was removed:
    /// a stream cannot be resumed before it. 0 if none was.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn removed_events(&self, caller: &Caller) -> BoxFuture<'_, Result<i64, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeTasks)?;
            self.inner
                .store
                .read(move |r| Ok(store::retention::removed_events(r, &scope)?))
                .await
        })
    }

    /// The number of the workspace's last event.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn last_event(&self, caller: &Caller) -> BoxFuture<'_, Result<i64, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeTasks)?;
            self.inner
                .store
                .read(move |r| Ok(store::events::last(r, &scope)?))
                .await
        })
    }
}
