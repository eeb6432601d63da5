//! Arguments that a reviewer changes: looked up, checked and prepared like those of a program, and
//! decided by policy again. What is sent is what the editor was shown.

use super::{changed, decider};
use crate::builtin::{View, caller_of};
use crate::gate::{self, Editing, Target};
use crate::{Engine, Error};
use domain::access::{Caller, Scope};
use domain::approval::{Answered, Approval};
use domain::task::Task;
use domain::tool::ToolError;
use domain::{ApprovalId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::Value;

/// Edited arguments that can be sent, if they may.
pub(super) struct Edit {
    task: Task,
    /// What they lead to.
    target: Target,
    /// What they were made from.
    digest: String,
}

impl Edit {
    /// The approval with the edited arguments, as policy asks about them at this moment.
    pub(super) fn approval(
        &self,
        conn: &mut store::Reader<'_>,
        scope: &Scope,
        before: &Approval,
        by: &Answered,
    ) -> Result<Approval, Error> {
        if before.digest() != self.digest {
            return Err(changed());
        }
        gate::edited(
            conn,
            &Editing {
                scope,
                task: &self.task,
                approval: before,
                target: &self.target,
                by: (by.by.clone(), by.channel, by.at),
            },
        )
    }
}

impl Engine {
    /// An approval as it would be with other arguments: the request that would be sent, and how
    /// policy asks about it. Changes nothing.
    ///
    /// # Errors
    /// As those of an edit by [`Engine::answer_approval`].
    pub fn preview_approval(
        &self,
        caller: &Caller,
        id: &ApprovalId,
        arguments: Value,
    ) -> BoxFuture<'_, Result<Approval, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let approval = self.approval(&caller, &id).await?;
            let scope = decider(&caller, &approval)?;
            let edit = self.edit_of(&scope, &approval, &arguments).await?;
            let by = Answered {
                by: caller.account_id.clone(),
                channel: caller.channel,
                at: self.shared_now().await?,
                reason: String::new(),
            };
            self.inner
                .store
                .read(move |r| edit.approval(r, &scope, &approval, &by))
                .await
        })
    }

    /// What other arguments of an approval lead to.
    pub(super) async fn edit_of(
        &self,
        scope: &Scope,
        approval: &Approval,
        arguments: &Value,
    ) -> Result<Edit, Error> {
        let (wanted, id) = (scope.clone(), approval.binding.task_id.clone());
        let task = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::tasks::get(r, &wanted, &id)?))
            .await?
            .ok_or_else(|| Error::not_found("approval", &approval.id))?;
        let (catalog, policy) = self.catalog_and_policy(scope, &task.account_id).await?;
        let caller = caller_of(&task);
        let now: Timestamp = self.inner.clock.now();
        let view = View {
            engine: self,
            caller: &caller,
            catalog: &catalog,
            policy: &policy,
            task: Some(&task.id),
            now,
        };
        let binding = &approval.binding;
        let target = view
            .target(&binding.tool, arguments.clone(), binding.sequence)
            .map_err(unfit)?;
        Ok(Edit {
            digest: approval.digest(),
            target,
            task,
        })
    }
}

fn unfit(error: ToolError) -> Error {
    Error::Invalid {
        code: "invalid_arguments",
        message: error.message,
        details: error.details,
    }
}
