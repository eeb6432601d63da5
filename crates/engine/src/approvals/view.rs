//! What is told of an approval beside the question itself: what came of its call, and the call that it
//! is compared with.

use crate::settings::sees_all_tasks;
use crate::{Engine, Error};
use domain::access::{Caller, Permission, Scope};
use domain::approval::{Approval, ApprovalStatus};
use domain::{ApprovalId, TaskId, Timestamp};
use futures_util::future::BoxFuture;
use store::Reader;

/// An approval with what is told beside it.
#[derive(Debug, Clone)]
pub struct ApprovalView {
    /// The question.
    pub approval: Approval,
    /// Where its call stands, if somebody let it through: `running`, `succeeded`, `failed`, `denied`,
    /// `unknown`; `waiting` where it is on its way.
    pub call_status: Option<String>,
    /// The call of the same tool that the same client last sent for the same person; only of a single
    /// approval, and for those who may see that call's task.
    pub previous: Option<PreviousCall>,
}

/// A call that was sent before.
#[derive(Debug, Clone)]
pub struct PreviousCall {
    /// Its task.
    pub task_id: TaskId,
    /// Its place in the task, from 1.
    pub sequence: u32,
    /// Canonical arguments, as JSON text.
    pub arguments: String,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
}

impl Engine {
    /// Approvals as they are listed, in the order that the query names.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn approval_views(
        &self,
        caller: &Caller,
        query: super::ApprovalQuery,
    ) -> BoxFuture<'_, Result<Vec<ApprovalView>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let found = self.approvals(&caller, query).await?;
            let scope = caller.scope(Permission::SeeTasks)?;
            self.inner
                .store
                .read(move |r| {
                    let views = found.iter().map(|approval| {
                        Ok(ApprovalView {
                            call_status: call_status(r, &scope, approval)?,
                            previous: None,
                            approval: approval.clone(),
                        })
                    });
                    views.collect()
                })
                .await
        })
    }

    /// One approval with everything that a reviewer is told.
    ///
    /// # Errors
    /// `not_found`.
    pub fn approval_view(
        &self,
        caller: &Caller,
        id: &ApprovalId,
    ) -> BoxFuture<'_, Result<ApprovalView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let approval = self.approval(&caller, &id).await?;
            let scope = caller.scope(Permission::SeeTasks)?;
            self.inner
                .store
                .read(move |r| {
                    // The call before is one of the same person's.
                    let sees = approval.requested_by == caller.account_id
                        || sees_all_tasks(r, &scope, &caller)?;
                    Ok(ApprovalView {
                        call_status: call_status(r, &scope, &approval)?,
                        previous: if sees {
                            previous(r, &scope, &approval)?
                        } else {
                            None
                        },
                        approval: approval.clone(),
                    })
                })
                .await
        })
    }
}

fn call_status(
    r: &mut Reader<'_>,
    scope: &Scope,
    approval: &Approval,
) -> Result<Option<String>, Error> {
    match &approval.status {
        ApprovalStatus::Approved(_) | ApprovalStatus::Happened(..) => {
            let binding = &approval.binding;
            let found = store::calls::status(r, scope, &binding.task_id, binding.sequence)?;
            Ok(found)
        }
        ApprovalStatus::Pending
        | ApprovalStatus::Denied(_)
        | ApprovalStatus::Expired
        | ApprovalStatus::Withdrawn(_) => Ok(None),
    }
}

fn previous(
    r: &mut Reader<'_>,
    scope: &Scope,
    approval: &Approval,
) -> Result<Option<PreviousCall>, Error> {
    let Some(named) = &approval.previous else {
        return Ok(None);
    };
    let found = store::calls::arguments(r, scope, &named.task_id, named.sequence)?;
    Ok(found.map(|(arguments, sent_at)| PreviousCall {
        task_id: named.task_id.clone(),
        sequence: named.sequence,
        arguments,
        sent_at,
    }))
}
