//! Approvals: list, show, answer. An answer counts once, and only from whoever may give it. What a
//! reviewer sees beside the question is in `approvals/view.rs`. Edited arguments are in `approvals/edit.rs`, what is taken back in `approvals/withdraw.rs`, more time and
//! who looks after a question in `approvals/attention.rs`, what can be looked at before in
//! `approvals/counterpart.rs`.

mod attention;
mod counterpart;
mod edit;
mod view;
mod withdraw;

use crate::audit::by_person;
use crate::settings::sees_all_tasks;
use crate::{Engine, Error, gate};
use domain::access::{Caller, Channel, Permission, Scope, System};
use domain::approval::{Answered, Approval, ApprovalStatus, Effect, Question, Refusal, Verdict};
use domain::{AccountId, ApprovalId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
pub use store::approvals::ApprovalOrder;
pub use view::{ApprovalView, PreviousCall};

/// Longest reason in characters.
const REASON_CHARS_MAX: usize = 4_000;

/// Largest value, in bytes of JSON, that a person may say a call gave.
const HAPPENED_BYTES_MAX: usize = 1 << 20;

/// Which approvals to list.
#[derive(Debug, Clone, Default)]
pub struct ApprovalQuery {
    /// Only those with this status.
    pub status: Option<String>,
    /// Only those that this person looks after.
    pub assignee: Option<AccountId>,
    /// In which order.
    pub order: ApprovalOrder,
    /// Only what comes after this one in that order: the time that it goes by, and its identifier.
    pub before: Option<(Timestamp, ApprovalId)>,
    /// How many at most.
    pub limit: u32,
}

/// What an answer is bound to: the tool's definition, the arguments and the request as shown.
#[must_use]
pub fn approval_digest(approval: &Approval) -> String {
    approval.digest()
}

/// Whether a person may see an approval: whoever sees all tasks every one, others those of their own
/// tasks and those they are named in.
pub(crate) fn may_see(caller: &Caller, all: bool, approval: &Approval) -> bool {
    all || approval.requested_by == caller.account_id
        || approval.ask.approvers.contains(&caller.account_id)
}

impl Engine {
    /// Lists approvals, in the order that the query names.
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
            let scope = caller.scope(Permission::SeeTasks)?;
            self.inner
                .store
                .read(move |r| {
                    let all = sees_all_tasks(r, &scope, &caller)?;
                    let filter = store::approvals::ApprovalFilter {
                        status: query.status.clone(),
                        concerning: (!all).then(|| caller.account_id.clone()),
                        assignee: query.assignee.clone(),
                        order: query.order,
                        before: query.before.clone(),
                        limit: query.limit,
                    };
                    Ok(store::approvals::list(r, &scope, &filter)?)
                })
                .await
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
            let scope = caller.scope(Permission::SeeTasks)?;
            let wanted = id.clone();
            self.inner
                .store
                .read(move |r| {
                    let all = sees_all_tasks(r, &scope, &caller)?;
                    let found = store::approvals::get(r, &scope, &wanted)?;
                    Ok::<_, Error>(found.filter(|a| may_see(&caller, all, a)))
                })
                .await?
                .ok_or_else(|| Error::not_found("approval", &id))
        })
    }

    /// Answers an approval. With `digest`, only if it is what the person saw; an edit may also name
    /// the digest of what it makes, as [`Engine::preview_approval`] shows it.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for whoever may not decide, and always through MCP;
    /// `already_resolved`, saying who answered first; `answered_before` on a second yes of the same
    /// person; `approval_changed` on another digest; for an edit also `editing_not_allowed`,
    /// `invalid_arguments` and `denied_by_policy`.
    pub fn answer_approval(
        &self,
        caller: &Caller,
        id: &ApprovalId,
        verdict: Verdict,
        reason: String,
        digest: Option<String>,
    ) -> BoxFuture<'_, Result<Approval, Error>> {
        self.answer_and_more(caller, id, (verdict, reason), digest, Besides::default())
    }

    /// Answers an approval and, in the same transaction, does what else is wanted: stores a rule that
    /// decides calls like it, ends its task.
    ///
    /// # Errors
    /// As [`Engine::answer_approval`]; `rule_does_not_decide` if the rule would not decide this
    /// call as it is answered; `forbidden`, `invalid_rule`; `forbidden` to end the task of somebody
    /// else as a member. Then nothing is answered.
    pub fn answer_and_more(
        &self,
        caller: &Caller,
        id: &ApprovalId,
        (verdict, reason): (Verdict, String),
        digest: Option<String>,
        besides: Besides,
    ) -> BoxFuture<'_, Result<Approval, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let approval = self.approval(&caller, &id).await?;
            let scope = decider(&caller, &approval)?;
            check_answer(&verdict, &reason)?;
            if digest.is_none() && caller.channel == Channel::Dashboard && verdict.lets_through() {
                return Err(unnamed());
            }
            if besides.ends_task {
                crate::tasks::may_end(&caller, &approval.requested_by)?;
            }
            let edit = match &verdict {
                Verdict::Edit(arguments) => Some(self.edit_of(&scope, &approval, arguments).await?),
                Verdict::Approve | Verdict::Deny | Verdict::Happened(_) | Verdict::Input(_) => None,
            };
            let answering = Answering {
                system: self.inner.system,
                caller: caller.clone(),
                scope: scope.clone(),
                id,
                verdict,
                edit,
                digest,
                answered: Answered {
                    by: caller.account_id.clone(),
                    channel: caller.channel,
                    at: self.shared_now().await?,
                    reason,
                },
            };
            let attempt = (answering.id.clone(), answering.answered.clone());
            let who = caller.clone();
            let remember = match besides.remember {
                Some(rule) => Some((rule, self.catalog(&scope).await?)),
                None => None,
            };
            let ending = besides.ends_task.then(|| crate::tasks::Ending {
                scope: scope.clone(),
                by: caller.account_id.clone(),
                owner: self.inner.worker.owner().to_owned(),
                now: self.inner.clock.now(),
            });
            let answered = self
                .commit(&scope, move |tx| {
                    let answered = answering.write(tx)?;
                    if let Some((rule, catalog)) = &remember {
                        let of = (catalog, answering.answered.at);
                        crate::policies::remember::keep(tx, &caller, &answered, rule, of)?;
                    }
                    if let Some(ending) = &ending {
                        ending.write(tx, &answered.binding.task_id)?;
                    }
                    Ok(answered)
                })
                .await;
            let answered = match answered {
                Err(Error::Conflict { code, message }) => {
                    self.note_refused(who, &scope, attempt, code).await?;
                    return Err(Error::Conflict { code, message });
                }
                answered => answered?,
            };
            if besides.ends_task {
                self.tell_ended(&answered.binding.task_id);
            }
            self.tell_answered(&answered);
            Ok(answered)
        })
    }
}

/// What else happens with an answer, or not at all.
#[derive(Debug, Clone, Default)]
pub struct Besides {
    /// A rule to store that decides calls like it.
    pub remember: Option<crate::RuleDraft>,
    /// Whether the task that asks ends with it.
    pub ends_task: bool,
}

impl Engine {
    /// An answer that did not count is known afterwards too: who else tried, and why it came to
    /// nothing.
    async fn note_refused(
        &self,
        caller: Caller,
        scope: &Scope,
        (id, answered): (ApprovalId, Answered),
        code: &'static str,
    ) -> Result<(), Error> {
        let detail = json!({ "code": code, "reason": answered.reason });
        self.commit(scope, {
            let scope = scope.clone();
            move |tx| {
                let what = (&id, "approval.refused");
                audit(tx, (&caller, &scope), what, &detail, answered.at)
            }
        })
        .await
    }
}

/// An answer on its way into the database.
struct Answering {
    system: System,
    /// Whoever answers, and through what.
    caller: Caller,
    scope: Scope,
    id: ApprovalId,
    verdict: Verdict,
    edit: Option<edit::Edit>,
    digest: Option<String>,
    answered: Answered,
}

impl Answering {
    fn write(&self, tx: &mut store::Tx<'_>) -> Result<Approval, Error> {
        let (scope, at) = (&self.scope, self.answered.at);
        if self.answered.channel == Channel::Client
            && !store::settings::get(tx, scope)?.in_client_decisions
        {
            return Err(not_in_client());
        }
        // Held until the end: of many answers at once, each sees what the one before it did.
        let before = store::approvals::hold(tx, scope, &self.id)?
            .ok_or_else(|| Error::not_found("approval", &self.id))?;
        let by = &self.answered;
        let roles = gate::roles_of(tx, scope, &before, Some(&by.by))?;
        let roles = |person: &AccountId| roles.get(person).copied();
        // Who was first is told before anything else, and who may not answer learns nothing more.
        before
            .answer(&self.verdict, by.clone(), &roles)
            .map(|_| ())
            .or_else(|refusal| {
                let another = matches!(refusal, Refusal::AnsweredBefore(_));
                // A yes to other arguments than those before is another yes.
                if another && self.edit.is_some() {
                    Ok(())
                } else {
                    Err(refused(refusal))
                }
            })?;
        let current = match &self.edit {
            Some(edit) => edit.approval(tx, scope, &before, by)?,
            None => before.clone(),
        };
        let seen = |digest: &String| *digest == before.digest() || *digest == current.digest();
        if !self.digest.as_ref().is_none_or(seen) {
            return Err(changed());
        }
        let effect = current
            .answer(&self.verdict, by.clone(), &roles)
            .map_err(refused)?;
        if self.edit.is_some() {
            store::approvals::edit(tx, scope, &current)?;
            let detail = json!({
                "task": current.binding.task_id,
                "tool": current.binding.tool,
                "digestBefore": before.digest(),
                "digest": current.digest(),
                "argumentsBefore": before.binding.arguments_digest,
                "arguments": current.binding.arguments_digest,
            });
            self.audit(tx, "approval.edited", &detail)?;
        }
        let answered = match effect {
            Effect::Resolves(status) => self.resolve(tx, current, status)?,
            Effect::OneMore(yes) => {
                if !store::approvals::add_yes(tx, scope, &self.id, &yes)? {
                    return Err(Error::internal(&"a yes was there that nobody saw"));
                }
                let mut current = current;
                current.yeses.retain(|y| y.answered.by != yes.answered.by);
                current.yeses.push(yes);
                let detail = self.detail(&current);
                self.audit(tx, "approval.yes", &detail)?;
                current
            }
        };
        gate::approval_event(tx, scope, &answered, at)?;
        Ok(answered)
    }

    fn resolve(
        &self,
        tx: &mut store::Tx<'_>,
        current: Approval,
        status: ApprovalStatus,
    ) -> Result<Approval, Error> {
        if !store::approvals::resolve(tx, &self.scope, &self.id, &status)? {
            return Err(Error::internal(
                &"an approval was answered while it was held",
            ));
        }
        let resolved = Approval { status, ..current };
        let action = match &resolved.status {
            ApprovalStatus::Happened(..) if resolved.question == Question::Input => {
                "approval.answered".to_owned()
            }
            ApprovalStatus::Happened(..) => "approval.happened".to_owned(),
            ApprovalStatus::Pending
            | ApprovalStatus::Approved(_)
            | ApprovalStatus::Denied(_)
            | ApprovalStatus::Expired
            | ApprovalStatus::Withdrawn(_) => format!("approval.{}", resolved.status.as_str()),
        };
        let detail = self.detail(&resolved);
        self.audit(tx, &action, &detail)?;
        store::tasks::wake(tx, self.system, &resolved.binding.task_id)?;
        Ok(resolved)
    }

    fn detail(&self, approval: &Approval) -> Value {
        json!({
            "task": approval.binding.task_id,
            "tool": approval.binding.tool,
            "digest": approval.digest(),
            "missing": approval.missing(),
            "reason": self.answered.reason,
        })
    }

    fn audit(&self, tx: &mut store::Tx<'_>, action: &str, detail: &Value) -> Result<(), Error> {
        let (who, what) = ((&self.caller, &self.scope), (&self.id, action));
        audit(tx, who, what, detail, self.answered.at)
    }
}

/// Denies a question in the transaction of something greater. False where it is pending no more, or is
/// not the person's to answer: then nothing is changed.
pub(crate) fn denied_by(
    tx: &mut store::Tx<'_>,
    (caller, scope, system): (&Caller, &Scope, System),
    approval: &Approval,
    answered: &Answered,
) -> Result<bool, Error> {
    if approval.status != ApprovalStatus::Pending || decider(caller, approval).is_err() {
        return Ok(false);
    }
    let answering = Answering {
        system,
        caller: caller.clone(),
        scope: scope.clone(),
        id: approval.id.clone(),
        verdict: Verdict::Deny,
        edit: None,
        digest: None,
        answered: answered.clone(),
    };
    match answering.write(tx) {
        Ok(_) => Ok(true),
        // It has expired, or whoever runs the task may not answer: it ends with its task.
        Err(Error::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Notes what somebody did to an approval: through which client, and with which key or grant.
fn audit(
    tx: &mut store::Tx<'_>,
    (caller, scope): (&Caller, &Scope),
    (id, action): (&ApprovalId, &str),
    detail: &Value,
    at: Timestamp,
) -> Result<(), Error> {
    let draft = by_person(caller, scope, action, id.as_str(), detail, at);
    store::audit::append(tx, scope, draft)?;
    Ok(())
}

/// The scope of whoever may answer: administrators, and people whom the rule that asks names.
fn decider(caller: &Caller, approval: &Approval) -> Result<Scope, Error> {
    if approval.question == Question::Input {
        return owner(caller, approval);
    }
    match caller.scope(Permission::DecideApprovals) {
        Ok(scope) => Ok(scope),
        Err(forbidden) => {
            let named = approval.ask.approvers.contains(&caller.account_id);
            if named && caller.speaks_for_person() {
                Ok(caller.scope(Permission::RunTasks)?)
            } else {
                Err(forbidden.into())
            }
        }
    }
}

/// The scope of whoever runs the task, themselves: what a source asks is asked of nobody else.
fn owner(caller: &Caller, approval: &Approval) -> Result<Scope, Error> {
    let scope = caller.scope(Permission::RunTasks)?;
    if caller.account_id != approval.requested_by {
        return Err(refused(Refusal::NotTheOwner));
    }
    if !caller.speaks_for_person() {
        // What a key or a model would be told that tries to decide.
        caller.scope(Permission::DecideApprovals)?;
        return Err(refused(Refusal::NotTheOwner));
    }
    Ok(scope)
}

fn check_answer(verdict: &Verdict, reason: &str) -> Result<(), Error> {
    check_reason(reason)?;
    if let Verdict::Happened(value) | Verdict::Input(value) = verdict
        && value.to_string().len() > HAPPENED_BYTES_MAX
    {
        return Err(Error::invalid(
            "invalid_value",
            format!(
                "what the call gave may have at most {HAPPENED_BYTES_MAX} bytes of JSON; give the \
                 part that the program needs"
            ),
        ));
    }
    Ok(())
}

fn check_reason(reason: &str) -> Result<(), Error> {
    if reason.chars().count() > REASON_CHARS_MAX {
        return Err(Error::invalid(
            "invalid_reason",
            format!("a reason may have at most {REASON_CHARS_MAX} characters"),
        ));
    }
    Ok(())
}

fn changed() -> Error {
    Error::conflict(
        "approval_changed",
        "this is not what you saw: the approval's digest differs. Load it again and read it before \
         you answer",
    )
}

fn unnamed() -> Error {
    Error::invalid(
        "invalid_digest",
        "a yes names the digest of what was shown; load the approval, and give its `digest` back",
    )
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
        Refusal::AnsweredBefore(_) => Error::conflict("answered_before", message),
        Refusal::Requester => Error::conflict("requester_may_not_answer", message),
        Refusal::NotAReviewer => Error::conflict("not_a_reviewer", message),
        Refusal::NotThisQuestion(_) => Error::conflict("not_this_question", message),
        Refusal::NotTheOwner => Error::conflict("not_the_owner", message),
        Refusal::DoesNotFit(_) => Error::invalid("invalid_answer", message),
        Refusal::ExtendedBefore(_) => Error::conflict("already_extended", message),
        Refusal::WaitsLongest => Error::conflict("waits_longest", message),
        Refusal::Assignee(_) => Error::invalid("invalid_assignee", message),
    }
}
