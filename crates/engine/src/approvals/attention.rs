//! More time for a question, once, and who looks after it. Both are for whoever may decide, in person;
//! neither is an answer, and neither changes who may give one.

use super::{audit, decider, refused};
use crate::{Engine, Error, gate};
use domain::access::{Caller, Permission, Scope};
use domain::approval::{Approval, Assigned, Extended, Question};
use domain::{AccountId, ApprovalId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::json;
use store::Tx;

impl Engine {
    /// Gives a pending question its own period once more, counted from when it would have expired. It
    /// is done once, by one of those who may answer.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for whoever may not decide, for keys and through MCP;
    /// `already_resolved` when it is too late; `already_extended`, saying by whom; `waits_longest`
    /// where it waits as long as anything may; `requester_may_not_answer`.
    pub fn extend_approval(
        &self,
        caller: &Caller,
        id: &ApprovalId,
    ) -> BoxFuture<'_, Result<Approval, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let approval = self.approval(&caller, &id).await?;
            let scope = decider(&caller, &approval)?;
            let extended = Extended {
                by: caller.account_id.clone(),
                channel: caller.channel,
                at: self.shared_now().await?,
            };
            let within = scope.clone();
            self.commit(&scope, move |tx| {
                extend(tx, (&caller, &within), &id, extended.clone())
            })
            .await
        })
    }

    /// Says who looks after a pending question: somebody who may answer it, or nobody.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for whoever may not decide, for keys and through MCP;
    /// `already_resolved` when it is too late; `invalid_assignee` for somebody who may not answer it;
    /// `not_this_question` for what only one person is asked.
    pub fn assign_approval(
        &self,
        caller: &Caller,
        id: &ApprovalId,
        to: Option<AccountId>,
    ) -> BoxFuture<'_, Result<Approval, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let approval = self.approval(&caller, &id).await?;
            let scope = match approval.question {
                Question::Send | Question::SendAgain => decider(&caller, &approval)?,
                // Whatever the role: the refusal below says why nobody can be named.
                Question::Input => caller.scope(Permission::RunTasks)?,
            };
            let at = self.shared_now().await?;
            let within = scope.clone();
            self.commit(&scope, move |tx| {
                assign(tx, (&caller, &within), &id, to.as_ref(), at)
            })
            .await
        })
    }
}

/// The question, held until the end of the transaction: of many who want something of it at once,
/// each sees what the one before did.
fn held(tx: &mut Tx<'_>, scope: &Scope, id: &ApprovalId) -> Result<Approval, Error> {
    store::approvals::hold(tx, scope, id)?.ok_or_else(|| Error::not_found("approval", id))
}

fn extend(
    tx: &mut Tx<'_>,
    (caller, scope): (&Caller, &Scope),
    id: &ApprovalId,
    extended: Extended,
) -> Result<Approval, Error> {
    let before = held(tx, scope, id)?;
    let roles = gate::roles_of(tx, scope, &before, Some(&extended.by))?;
    let roles = |person: &AccountId| roles.get(person).copied();
    let longer = before
        .with_more_time(extended.clone(), &roles)
        .map_err(refused)?;
    if !store::approvals::extend(tx, scope, &longer, &extended)? {
        return Err(Error::internal(
            &"an approval was changed while it was held",
        ));
    }
    let detail = json!({
        "task": longer.binding.task_id,
        "tool": longer.binding.tool,
        "before": before.expires_at.to_rfc3339(),
        "expiresAt": longer.expires_at.to_rfc3339(),
    });
    let what = (id, "approval.extended");
    audit(tx, (caller, scope), what, &detail, extended.at)?;
    crate::webhooks::answerable_longer(tx, scope, &longer)?;
    gate::attention_event(tx, scope, (&longer, "extended"), extended.at)?;
    Ok(longer)
}

fn assign(
    tx: &mut Tx<'_>,
    (caller, scope): (&Caller, &Scope),
    id: &ApprovalId,
    to: Option<&AccountId>,
    at: Timestamp,
) -> Result<Approval, Error> {
    let before = held(tx, scope, id)?;
    let roles = gate::roles_of(tx, scope, &before, to)?;
    let roles = |person: &AccountId| roles.get(person).copied();
    let assigned = to.map(|to| Assigned {
        to: to.clone(),
        by: caller.account_id.clone(),
        at,
    });
    let after = before.assigned_to(assigned, at, &roles).map_err(refused)?;
    let was = before.assigned.as_ref().map(|a| &a.to);
    if was == to {
        return Ok(before);
    }
    if !store::approvals::assign(tx, scope, &after, at)? {
        return Err(Error::internal(
            &"an approval was changed while it was held",
        ));
    }
    let detail = json!({
        "task": after.binding.task_id,
        "tool": after.binding.tool,
        "before": was,
        "assignee": to,
    });
    audit(tx, (caller, scope), (id, "approval.assigned"), &detail, at)?;
    gate::attention_event(tx, scope, (&after, "assigned"), at)?;
    Ok(after)
}
