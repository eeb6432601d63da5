//! Approvals: list, show, answer. An answer counts once, and only from whoever may give it.

use crate::{Engine, Error, entropy, gate};
use domain::access::{Caller, Channel, Permission, Scope};
use domain::approval::{Answered, Approval, Refusal, Verdict};
use domain::audit::AuditDraft;
use domain::canonical::sha256_parts;
use domain::{ApprovalId, AuditId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::json;

/// Longest reason in characters.
const REASON_CHARS_MAX: usize = 4_000;

/// Which approvals to list.
#[derive(Debug, Clone, Default)]
pub struct ApprovalQuery {
    /// Only those with this status.
    pub status: Option<String>,
    /// Only those asked before this one.
    pub before: Option<(Timestamp, ApprovalId)>,
    /// How many at most.
    pub limit: u32,
}

/// What an answer is bound to: the tool's definition, the arguments and the request as shown.
#[must_use]
pub fn approval_digest(approval: &Approval) -> String {
    sha256_parts(&[
        approval.id.as_str().as_bytes(),
        approval.binding.tool.as_bytes(),
        approval.binding.definition_digest.as_bytes(),
        approval.arguments.as_bytes(),
        approval.request.as_bytes(),
    ])
}

/// Whether a person may see an approval: reviewers all, others those of their own tasks and those
/// they are named in.
fn may_see(caller: &Caller, approval: &Approval) -> bool {
    caller.scope(Permission::SeeAllTasks).is_ok()
        || approval.requested_by == caller.account_id
        || approval.ask.approvers.contains(&caller.account_id)
}

impl Engine {
    /// Lists approvals, the newest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn approvals(
        &self,
        caller: &Caller,
        query: ApprovalQuery,
    ) -> BoxFuture<'_, Result<Vec<Approval>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let filter = store::approvals::ApprovalFilter {
                status: query.status,
                task: None,
                before: query.before,
                limit: query.limit,
            };
            let mut found = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::approvals::list(r, &scope, &filter)?))
                .await?;
            found.retain(|a| may_see(&caller, a));
            Ok(found)
        })
    }

    /// One approval.
    ///
    /// # Errors
    /// `not_found`.
    pub fn approval(
        &self,
        caller: &Caller,
        id: &ApprovalId,
    ) -> BoxFuture<'_, Result<Approval, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let wanted = id.clone();
            self.inner
                .store
                .read(move |r| Ok::<_, Error>(store::approvals::get(r, &scope, &wanted)?))
                .await?
                .filter(|a| may_see(&caller, a))
                .ok_or_else(|| Error::not_found("approval", &id))
        })
    }

    /// Answers an approval. With `digest`, only if it is what the person saw.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for whoever may not decide, and always through MCP;
    /// `already_resolved`, saying who answered first; `approval_changed` on another digest.
    pub fn answer_approval(
        &self,
        caller: &Caller,
        id: &ApprovalId,
        verdict: Verdict,
        reason: String,
        digest: Option<String>,
    ) -> BoxFuture<'_, Result<Approval, Error>> {
        self.answer_and_remember(caller, id, (verdict, reason), digest, None)
    }

    /// Answers an approval and, in the same transaction, stores a rule that decides calls like it.
    ///
    /// # Errors
    /// As [`Engine::answer_approval`]; `rule_does_not_decide` if the rule would not decide this
    /// call as it is answered; `forbidden`, `invalid_rule`. Then nothing is answered.
    pub fn answer_and_remember(
        &self,
        caller: &Caller,
        id: &ApprovalId,
        (verdict, reason): (Verdict, String),
        digest: Option<String>,
        remember: Option<crate::RuleDraft>,
    ) -> BoxFuture<'_, Result<Approval, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let approval = self.approval(&caller, &id).await?;
            let scope = decider(&caller, &approval)?;
            if reason.chars().count() > REASON_CHARS_MAX {
                return Err(Error::invalid(
                    "invalid_reason",
                    format!("a reason may have at most {REASON_CHARS_MAX} characters"),
                ));
            }
            if digest.is_some_and(|d| d != approval_digest(&approval)) {
                return Err(Error::conflict(
                    "approval_changed",
                    "this is not what you saw: the approval's digest differs. Load it again and \
                     read it before you answer",
                ));
            }
            let answered = Answered {
                by: caller.account_id.clone(),
                channel: caller.channel,
                at: self.inner.clock.now(),
                reason,
            };
            let system = self.inner.system;
            let resolved = self
                .commit(&scope, {
                    let scope = scope.clone();
                    move |tx| {
                        if answered.channel == Channel::Client
                            && !store::settings::get(tx, &scope)?.in_client_decisions
                        {
                            return Err(not_in_client());
                        }
                        let current = store::approvals::get(tx, &scope, &id)?
                            .ok_or_else(|| Error::not_found("approval", &id))?;
                        let at = answered.at;
                        let status = current.answer(verdict, answered.clone()).map_err(refused)?;
                        if !store::approvals::resolve(tx, &scope, &id, &status)? {
                            let winner = store::approvals::get(tx, &scope, &id)?
                                .ok_or_else(|| Error::not_found("approval", &id))?;
                            return match winner.answer(verdict, answered.clone()) {
                                Err(refusal) => Err(refused(refusal)),
                                Ok(_) => {
                                    Err(Error::internal(&"an answer was neither first nor late"))
                                }
                            };
                        }
                        let resolved = Approval { status, ..current };
                        gate::approval_event(tx, &scope, &resolved, at)?;
                        store::audit::append(tx, &scope, audit_of(&scope, &resolved, &answered))?;
                        store::tasks::wake(tx, system, &resolved.binding.task_id)?;
                        if let Some(rule) = &remember {
                            crate::policies::remember::keep(tx, &caller, &resolved, rule, at)?;
                        }
                        Ok(resolved)
                    }
                })
                .await?;
            self.tell_answered(&resolved);
            Ok(resolved)
        })
    }
}

/// The scope of whoever may answer: administrators, and people whom the rule that asks names.
fn decider(caller: &Caller, approval: &Approval) -> Result<Scope, Error> {
    match caller.scope(Permission::DecideApprovals) {
        Ok(scope) => Ok(scope),
        Err(forbidden) => {
            let named = approval.ask.approvers.contains(&caller.account_id);
            if named && caller.channel != Channel::Mcp {
                Ok(caller.scope(Permission::RunTasks)?)
            } else {
                Err(forbidden.into())
            }
        }
    }
}

fn not_in_client() -> Error {
    Error::conflict(
        "not_in_client",
        "this workspace takes no answers from forms of MCP clients; open the approval's link, or \
         use `executor approvals`",
    )
}

fn refused(refusal: Refusal) -> Error {
    let message = refusal.to_string();
    match refusal {
        Refusal::AlreadyResolved(_) => Error::conflict("already_resolved", message),
        Refusal::Requester => Error::conflict("requester_may_not_answer", message),
    }
}

fn audit_of(scope: &Scope, approval: &Approval, answered: &Answered) -> AuditDraft {
    AuditDraft {
        id: AuditId::from_bits(entropy::bits()),
        workspace_id: scope.workspace_id().clone(),
        account_id: Some(answered.by.clone()),
        via: answered.channel.as_str().to_owned(),
        action: format!("approval.{}", approval.status.as_str()),
        subject: approval.id.to_string(),
        detail: json!({
            "task": approval.binding.task_id,
            "tool": approval.binding.tool,
            "digest": approval_digest(approval),
            "reason": answered.reason,
        })
        .to_string(),
        at: answered.at,
    }
}
