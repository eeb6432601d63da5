//! Rounds: what an MCP client is given to bring back with its person's answer.
//!
//! A round is a sealed text. It opens only for the caller, the workspace and the request that it was
//! made for, on any server of the database, and is taken once. It carries no right: the answer that
//! comes with it is judged as any other (`approvals.rs`).

use crate::{Engine, Error, TaskView, approval_digest, entropy};
use domain::access::{Caller, Channel, Permission};
use domain::approval::{Approval, ApprovalStatus, Question};
use domain::{ApprovalId, GrantId, KeyId, TaskId, Timestamp};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// A conversation that was left off to ask a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Round {
    id: String,
    /// The task that waits.
    pub task_id: TaskId,
    /// What was asked: each approval with the digest of what was shown.
    pub asked: Vec<(ApprovalId, String)>,
    /// When it cannot be brought back any more.
    pub expires_at: Timestamp,
}

/// One answer for every text that is no round of this caller: what was wrong is nobody's business.
fn no_round() -> Error {
    Error::invalid(
        "invalid_request_state",
        "this requestState is not one that was given to you for this request, or it has expired; \
         nothing was done. Send the state back unchanged, or call `resume` with the taskId",
    )
}

/// What a round is bound to. The key belongs to it: what one key was given, another may not bring.
fn binding(caller: &Caller, request_digest: &str) -> String {
    let key = caller.key_id.as_ref().map(KeyId::as_str);
    let grant = caller.grant_id.as_ref().map(GrantId::as_str);
    let key = key.or(grant).unwrap_or_default();
    format!(
        "mcp round of {} in {} with {key} for {request_digest}",
        caller.account_id, caller.workspace_id
    )
}

impl Engine {
    /// The pending approvals of a task that this person may answer in a form of their client: where
    /// the workspace allows it, and role and rule do. None at all is the default.
    ///
    /// # Errors
    /// Those of the database.
    pub fn answerable_in_client(
        &self,
        caller: &Caller,
        view: &TaskView,
    ) -> BoxFuture<'_, Result<Vec<Approval>, Error>> {
        let person = Caller {
            channel: Channel::Client,
            ..caller.clone()
        };
        let pending: Vec<Approval> = view
            .approvals
            .iter()
            .filter(|a| a.status == ApprovalStatus::Pending)
            .cloned()
            .collect();
        Box::pin(async move {
            if pending.is_empty() {
                return Ok(pending);
            }
            let scope = person.scope(Permission::RunTasks)?;
            let settings = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::settings::get(r, &scope)?))
                .await?;
            if !settings.in_client_decisions {
                return Ok(Vec::new());
            }
            let may_decide = person.scope(Permission::DecideApprovals).is_ok();
            let may = |a: &Approval| match a.question {
                // A source asks whoever runs the task, whatever their role.
                Question::Input => a.requested_by == person.account_id,
                Question::Send | Question::SendAgain => {
                    (may_decide || a.ask.approvers.contains(&person.account_id))
                        && (a.ask.requester_may || a.requested_by != person.account_id)
                        && a.yeses.iter().all(|y| y.answered.by != person.account_id)
                }
            };
            Ok(pending.into_iter().filter(may).collect())
        })
    }

    /// Makes a round about approvals of a task, for the request whose digest is given.
    ///
    /// # Errors
    /// `forbidden`; when the system gives no randomness.
    pub async fn begin_round(
        &self,
        caller: &Caller,
        request_digest: &str,
        task_id: &TaskId,
        asked: &[Approval],
    ) -> Result<String, Error> {
        let scope = caller.scope(Permission::RunTasks)?;
        // A question may be given more time while its round is with the client.
        let last = asked.iter().map(Approval::latest_expiry).max();
        let round = Round {
            id: entropy::hex(&entropy::bits()),
            task_id: task_id.clone(),
            asked: asked
                .iter()
                .map(|a| (a.id.clone(), approval_digest(a)))
                .collect(),
            expires_at: last.unwrap_or_else(|| self.inner.clock.now()),
        };
        let text = serde_json::to_string(&round).map_err(|e| Error::internal(&e))?;
        let binding = binding(caller, request_digest);
        let keys = &self.inner.credentials;
        keys.seal_text(&scope, &binding, text).await
    }

    /// Takes a round back, once.
    ///
    /// # Errors
    /// `invalid_request_state` for everything that is no live round of this caller and request;
    /// `request_state_used` where it was brought before.
    pub fn take_round(
        &self,
        caller: &Caller,
        request_digest: &str,
        sealed: &str,
    ) -> BoxFuture<'_, Result<Round, Error>> {
        let scope = caller.scope(Permission::RunTasks);
        let binding = binding(caller, request_digest);
        let sealed = sealed.to_owned();
        Box::pin(async move {
            let scope = scope?;
            let opened = self
                .inner
                .credentials
                .open_text(&scope, &binding, &sealed)
                .await
                .ok_or_else(no_round)?;
            let round: Round = serde_json::from_str(opened.expose()).map_err(|_| no_round())?;
            let now = self.shared_now().await?;
            if now >= round.expires_at {
                return Err(no_round());
            }
            let (id, expires_at) = (round.id.clone(), round.expires_at);
            let first = self
                .commit(&scope.clone(), move |tx| {
                    Ok(store::rounds::use_up(tx, &scope, &id, expires_at, now)?)
                })
                .await?;
            if first {
                return Ok(round);
            }
            Err(Error::Conflict {
                code: "request_state_used",
                message: format!(
                    "this requestState was used before; nothing was done again. Call `resume` with \
                     taskId {} for the result",
                    round.task_id
                ),
            })
        })
    }
}
