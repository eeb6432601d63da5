//! A question taken back by whoever asked it, or by an administrator: until it is used, also one
//! that was approved. Nothing is sent, and the program is told.

use super::{audit, check_reason};
use crate::{Engine, Error, gate};
use domain::ApprovalId;
use domain::access::{Caller, Channel, Permission};
use domain::approval::{Answered, Approval, ApprovalStatus};
use futures_util::future::BoxFuture;
use serde_json::json;

impl Engine {
    /// Withdraws an approval that is pending, or approved and not used yet.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for whoever is neither administrator nor the one who asked, and
    /// always through MCP; `already_resolved` when it is too late.
    pub fn withdraw_approval(
        &self,
        caller: &Caller,
        id: &ApprovalId,
        reason: String,
    ) -> BoxFuture<'_, Result<Approval, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let approval = self.approval(&caller, &id).await?;
            let scope = match caller.scope(Permission::DecideApprovals) {
                Ok(scope) => scope,
                Err(forbidden) => {
                    let own = approval.requested_by == caller.account_id;
                    if !own || caller.channel == Channel::Mcp {
                        return Err(forbidden.into());
                    }
                    caller.scope(Permission::RunTasks)?
                }
            };
            check_reason(&reason)?;
            let by = Answered {
                by: caller.account_id.clone(),
                channel: caller.channel,
                at: self.shared_now().await?,
                reason,
            };
            let system = self.inner.system;
            let withdrawn = self
                .commit(&scope.clone(), move |tx| {
                    let before = store::approvals::hold(tx, &scope, &id)?
                        .ok_or_else(|| Error::not_found("approval", &id))?;
                    let due =
                        before.status == ApprovalStatus::Pending && by.at >= before.expires_at;
                    if due || !store::approvals::withdraw(tx, &scope, &id, &by)? {
                        return Err(too_late(&before));
                    }
                    let detail = json!({
                        "task": before.binding.task_id,
                        "tool": before.binding.tool,
                        "before": before.status.as_str(),
                        "reason": by.reason,
                    });
                    let what = (&id, "approval.withdrawn");
                    audit(tx, (&caller, &scope), what, &detail, by.at)?;
                    let withdrawn = Approval {
                        status: ApprovalStatus::Withdrawn(Some(by.clone())),
                        ..before
                    };
                    gate::approval_event(tx, &scope, &withdrawn, by.at)?;
                    store::tasks::wake(tx, system, &withdrawn.binding.task_id)?;
                    Ok(withdrawn)
                })
                .await?;
            self.tell_answered(&withdrawn);
            Ok(withdrawn)
        })
    }
}

fn too_late(approval: &Approval) -> Error {
    let why = match &approval.status {
        ApprovalStatus::Pending | ApprovalStatus::Expired => "it has expired",
        ApprovalStatus::Approved(_) => "it was approved and its call is on its way or done",
        ApprovalStatus::Happened(..) => "a person said that the call happened",
        ApprovalStatus::Denied(_) => "it was denied",
        ApprovalStatus::Withdrawn(_) => "it was withdrawn before",
    };
    Error::conflict(
        "already_resolved",
        format!("{} cannot be withdrawn any more: {why}", approval.id),
    )
}
