//! Stopping a client, in one operation: it is paused first, so that nothing new of it is let through,
//! then everything of it that waits is denied and every task of it that has not ended is ended, until
//! none is left.

use crate::approvals::denied_by;
use crate::policies::pause;
use crate::tasks::{Ending, may_end};
use crate::{Engine, Error};
use domain::access::{Caller, Permission, Scope};
use domain::approval::Answered;
use domain::{AccountId, RuleId, TaskId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::json;
use store::tasks::ClientName;

/// Tasks that are ended in one transaction, which others wait for.
const TASKS_AT_ONCE: u32 = 50;
/// Longest reason in characters.
const REASON_CHARS_MAX: usize = 2_000;
/// What its programs are told where nobody gives a reason.
const STOPPED: &str = "the agent was stopped";

/// Which client to stop, and how.
#[derive(Debug, Clone)]
pub struct StopClient {
    /// Whom.
    pub client: ClientName,
    /// Why, for its programs and the record; may be empty.
    pub reason: String,
    /// Whether a rule denies whatever it calls from now on.
    pub pause: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Questions that were denied. Those that the caller may not answer were withdrawn with their tasks.
    pub denied: u32,
    /// Tasks that were ended, or that the server which runs them ends now.
    pub canceled: u32,
    /// The rule that pauses it, also one that did so before.
    pub rule_id: Option<RuleId>,
}

impl Engine {
    /// Stops a client: denies everything of it that waits and ends its tasks, those also that come while
    /// this goes on; with `pause`, a rule denies its calls from now on.
    ///
    /// # Errors
    /// `forbidden` for another person's client unless by an administrator, to pause unless by whoever
    /// may make rules of the workspace, and for keys and through MCP; `invalid_reason`.
    pub fn stop_client(
        &self,
        caller: &Caller,
        stop: StopClient,
    ) -> BoxFuture<'_, Result<Stopped, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let person = checked(&caller, &stop)?;
            let scope = caller.scope(Permission::RunTasks)?;
            let mut stopped = Stopped::default();
            if stop.pause {
                stopped.rule_id = Some(self.paused(&caller, &stop).await?);
            }
            let reason = match stop.reason.trim() {
                "" => STOPPED.to_owned(),
                reason => reason.to_owned(),
            };
            let mut after: Option<TaskId> = None;
            loop {
                let round = Round {
                    caller: caller.clone(),
                    scope: scope.clone(),
                    client: stop.client.clone(),
                    person: person.clone(),
                    after: after.clone(),
                    ending: Ending {
                        scope: scope.clone(),
                        by: caller.account_id.clone(),
                        owner: self.inner.worker.owner().to_owned(),
                        now: self.inner.clock.now(),
                    },
                    system: self.inner.system,
                    answered: Answered {
                        by: caller.account_id.clone(),
                        channel: caller.channel,
                        at: self.shared_now().await?,
                        reason: reason.clone(),
                    },
                };
                let done = self.commit(&scope, move |tx| round.write(tx)).await?;
                for task in &done.tasks {
                    self.tell_ended(task);
                }
                self.inner.worker.kick();
                stopped.denied += done.denied;
                stopped.canceled += done.canceled;
                after = done.tasks.last().cloned();
                if after.is_none() {
                    break;
                }
            }
            self.note_stopped(&caller, &scope, (&stop, &reason), &stopped)
                .await?;
            Ok(stopped)
        })
    }

    async fn paused(&self, caller: &Caller, stop: &StopClient) -> Result<RuleId, Error> {
        let scope = caller.scope(Permission::ManageRules)?;
        let now = self.inner.clock.now();
        let (caller, client) = (caller.clone(), stop.client.clone());
        self.commit(&scope.clone(), move |tx| {
            pause(tx, &caller, &scope, &client, now)
        })
        .await
    }

    async fn note_stopped(
        &self,
        caller: &Caller,
        scope: &Scope,
        (stop, reason): (&StopClient, &str),
        stopped: &Stopped,
    ) -> Result<(), Error> {
        let now: Timestamp = self.inner.clock.now();
        let (target, named) = match &stop.client {
            ClientName::Key(key) => (key.to_string(), json!({ "key": key })),
            ClientName::SaysOfItself {
                client,
                channel,
                account,
            } => (
                account.to_string(),
                json!({ "client": client, "channel": channel.as_str(), "person": account }),
            ),
        };
        let detail = json!({
            "client": named,
            "reason": reason,
            "denied": stopped.denied,
            "canceled": stopped.canceled,
            "rule": stopped.rule_id,
        });
        let entry = crate::audit::by_person(caller, scope, "client.stopped", &target, &detail, now);
        let within = scope.clone();
        self.commit(scope, move |tx| {
            store::audit::append(tx, &within, entry.clone())?;
            Ok(())
        })
        .await
    }
}

/// Whose tasks alone may be ended; everybody's for administrators.
fn checked(caller: &Caller, stop: &StopClient) -> Result<Option<AccountId>, Error> {
    if !caller.speaks_for_person() {
        // What a key or a model would be told that tries to decide.
        caller.scope(Permission::DecideApprovals)?;
    }
    if stop.pause {
        caller.scope(Permission::ManageRules)?;
    }
    if stop.reason.chars().count() > REASON_CHARS_MAX {
        return Err(Error::invalid(
            "invalid_reason",
            format!("a reason may have at most {REASON_CHARS_MAX} characters"),
        ));
    }
    match &stop.client {
        ClientName::SaysOfItself { account, .. } => may_end(caller, account)?,
        ClientName::Key(_) => {}
    }
    // Of a key that serves several people, a member ends their own tasks.
    let everybody = caller.scope(Permission::SeeAllTasks).is_ok();
    Ok((!everybody).then(|| caller.account_id.clone()))
}

/// Some tasks of a client, ended in one transaction.
struct Round {
    caller: Caller,
    scope: Scope,
    client: ClientName,
    person: Option<AccountId>,
    after: Option<TaskId>,
    ending: Ending,
    system: domain::access::System,
    answered: Answered,
}

/// What one round did.
struct Done {
    tasks: Vec<TaskId>,
    denied: u32,
    canceled: u32,
}

impl Round {
    fn write(&self, tx: &mut store::Tx<'_>) -> Result<Done, Error> {
        let scope = &self.scope;
        let of = (&self.client, self.person.as_ref());
        let tasks =
            store::tasks::open_of_client(tx, scope, of, self.after.as_ref(), TASKS_AT_ONCE)?;
        let mut done = Done {
            denied: 0,
            canceled: 0,
            tasks,
        };
        for task in &done.tasks {
            for approval in store::approvals::for_task(tx, scope, task)? {
                let who = (&self.caller, scope, self.system);
                done.denied += u32::from(denied_by(tx, who, &approval, &self.answered)?);
            }
            done.canceled += u32::from(self.ending.write(tx, task)?);
        }
        Ok(done)
    }
}
