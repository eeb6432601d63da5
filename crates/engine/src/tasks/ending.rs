//! How a person ends a task: at once where no server runs it, else by the server that does.

use super::{TaskView, Until};
use crate::{Engine, Error};
use domain::access::{Caller, Permission, Scope};
use domain::{AccountId, TaskId, Timestamp};
use futures_util::future::BoxFuture;
use std::time::Duration;

/// Whether somebody may end the task of a person: their own, and administrators everybody's. Whoever may
/// merely look on ends nothing.
pub(crate) fn may_end(caller: &Caller, person: &AccountId) -> Result<(), Error> {
    if *person != caller.account_id {
        caller.scope(Permission::SeeAllTasks)?;
    }
    Ok(())
}

/// A task's end that a person wants, on its way into the database.
pub(crate) struct Ending {
    pub(crate) scope: Scope,
    pub(crate) by: AccountId,
    /// This server, as it calls itself in leases.
    pub(crate) owner: String,
    pub(crate) now: Timestamp,
}

impl Ending {
    /// Ends a task that no server runs, and asks the one that runs it to end it. False if it has ended.
    pub(crate) fn write(&self, tx: &mut store::Tx<'_>, id: &TaskId) -> Result<bool, Error> {
        let scope = &self.scope;
        let task = store::tasks::get(tx, scope, id)?;
        let Some(task) = task.filter(|task| !task.state.is_finished()) else {
            return Ok(false);
        };
        if crate::run::cancel_at_rest(tx, scope, &task, &self.owner, self.now)? {
            return Ok(true);
        }
        Ok(store::tasks::request_cancel(tx, scope, id, &self.by)?)
    }
}

impl Engine {
    /// Ends a task and waits until it has ended. One that has ended stays as it is.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for somebody else's, which members never end.
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
            may_end(&caller, &view.task.account_id)?;
            let scope = caller.scope(Permission::RunTasks)?;
            let ending = Ending {
                scope: scope.clone(),
                by: caller.account_id.clone(),
                owner: self.inner.worker.owner().to_owned(),
                now: self.inner.clock.now(),
            };
            let task = view.task.id;
            self.commit(&scope, move |tx| ending.write(tx, &task).map(|_| ()))
                .await?;
            self.tell_ended(&id);
            self.wait_task(&caller, &id, Until::Finished, Duration::from_secs(10))
                .await
        })
    }

    /// Tells a run on this server that its task is to end; others hear it from the database.
    pub(crate) fn tell_ended(&self, id: &TaskId) {
        if let Some(live) = self.inner.live.get(id) {
            live.signals.send_modify(|s| s.cancel = true);
        }
    }
}
