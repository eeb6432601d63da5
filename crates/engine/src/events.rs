//! Events: the truth that streams read, and the notice that there is more of it.

use crate::settings::sees_all_tasks;
use crate::{Engine, Error};
use domain::TaskId;
use domain::access::{Caller, Permission};
use domain::event::Event;
use futures_util::future::BoxFuture;
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

    /// Events of the workspace after a number, in their order.
    ///
    /// # Errors
    /// `forbidden`: a workspace's events tell of everybody's tasks.
    pub fn events(
        &self,
        caller: &Caller,
        after: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Event>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeTasks)?;
            self.inner
                .store
                .read(move |r| {
                    if !sees_all_tasks(r, &scope, &caller)? {
                        caller.scope(Permission::SeeAllTasks)?;
                    }
                    Ok(store::events::after(r, &scope, after, limit)?)
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
