//! The outbox of browsers: what they are to be told is written with what it tells of, and told from
//! here, at least once, as webhooks are (`webhooks/outbox.rs`).
//!
//! Whether somebody is still wanted is asked when it is told: nothing is sent of a question that was
//! answered, nor to whoever may not answer it any more. In quiet hours what is due is put off to their
//! end; what would be too much within the minute goes together as one.

use super::message::{Asked, Envelope, IDS_MAX, Letter, digest, headers, single, test};
use crate::audit::by_server;
use crate::webhooks::claim_until;
use crate::{Engine, Error, entropy};
use domain::access::Scope;
use domain::approval::{Approval, ApprovalStatus};
use domain::credential::Sealed;
use domain::push::{PushAbout, PushMessage, PushSubscription, is_gone};
use domain::webhook::{Attempt, TRIED_MS_MAX};
use domain::{ApprovalId, PushId, Timestamp};
use serde_json::json;
use store::push::Due;
use store::{Reader, Tx};
use tokio::sync::OwnedSemaphorePermit;
use vault::PushReceiver;

/// How long it is tried to tell a browser something: through quiet hours, and a day besides.
const TRIED_MS: i64 = 2 * TRIED_MS_MAX;
/// How long it is remembered what a browser was told: longer than any question waits.
const KEPT_MS: i64 = 62 * 24 * 60 * 60 * 1_000;
/// Questions that are looked at for a message of several; more are counted only.
const LOOKED_AT_MAX: usize = 100;

/// Writes down that the browsers of those who may answer are to be told of a question, in the
/// transaction that asks it; of one that is over, what was not told yet is not told any more.
pub(crate) fn tell_of_approval(
    tx: &mut Tx<'_>,
    scope: &Scope,
    approval: &Approval,
    now: Timestamp,
) -> Result<(), Error> {
    if approval.status != ApprovalStatus::Pending {
        store::push::drop_untold(tx, scope, &approval.id, now)?;
        return Ok(());
    }
    if approval.created_at < now {
        // A yes of several, or other arguments: it was told when it was asked.
        return Ok(());
    }
    for (person, browsers) in store::push::people(tx, scope)? {
        let role = store::tenancy::role_in(tx, scope, &person)?;
        if approval.waits_for(&person, role, now) {
            write_down(tx, scope, &browsers, (approval, PushAbout::Asked), now)?;
        }
    }
    Ok(())
}

/// Writes down that the browsers of whoever a question was assigned to are to be told so, unless they
/// did it themselves.
pub(crate) fn tell_of_assignment(
    tx: &mut Tx<'_>,
    scope: &Scope,
    approval: &Approval,
    now: Timestamp,
) -> Result<(), Error> {
    let assigned = approval.assigned.as_ref().filter(|a| a.to != a.by);
    let Some(assigned) = assigned else {
        return Ok(());
    };
    let people = store::push::people(tx, scope)?;
    for (_, browsers) in people.iter().filter(|(person, _)| *person == assigned.to) {
        write_down(tx, scope, browsers, (approval, PushAbout::Assigned), now)?;
    }
    Ok(())
}

fn write_down(
    tx: &mut Tx<'_>,
    scope: &Scope,
    browsers: &[PushId],
    (approval, about): (&Approval, PushAbout),
    now: Timestamp,
) -> Result<(), Error> {
    for push_id in browsers {
        let message = PushMessage {
            push_id: push_id.clone(),
            approval_id: approval.id.clone(),
            about,
            due_at: now,
            attempts: 0,
            created_at: now,
        };
        store::push::enqueue(tx, scope, &message)?;
    }
    Ok(())
}

/// What a try needs to know.
struct Known {
    browser: PushSubscription,
    sealed: Sealed,
    workspace: String,
    /// Whether its person reaches the workspace.
    is_member: bool,
    /// What is told, with the message that says so.
    told: Vec<(PushMessage, Asked)>,
    /// What is pointless by now.
    moot: Vec<PushMessage>,
    /// Everything that waits for the person of what the browser is told of, where several are told.
    waiting: (Vec<Approval>, usize),
    over: Vec<ApprovalId>,
}

/// What a try came to.
struct Tried {
    attempt: Attempt,
    asked_ms: Option<i64>,
}

impl Engine {
    /// Claims what is due at browsers while there is a place to send it from.
    pub(crate) async fn push_due(&self) -> Result<(), Error> {
        let system = self.inner.system;
        while !self.is_stopping() {
            let Some(place) = self.inner.outbox.place() else {
                return Ok(());
            };
            let now = self.inner.clock.now();
            let due = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::push::claimable(r, system, now)?))
                .await?;
            if !due {
                return Ok(());
            }
            let claimed = self
                .inner
                .store
                .write(move |tx| {
                    let until = claim_until(now);
                    Ok::<_, Error>(store::push::claim(tx, system, now, until)?)
                })
                .await?;
            let Some((scope, message)) = claimed else {
                return Ok(());
            };
            self.spawn_push(scope, message, place);
        }
        Ok(())
    }

    /// Forgets what is old.
    pub(crate) async fn push_sweep(&self, now: Timestamp) -> Result<(), Error> {
        let system = self.inner.system;
        self.inner
            .store
            .write(move |tx| {
                store::push::forget(tx, system, now.plus_ms(-KEPT_MS))?;
                Ok::<_, Error>(())
            })
            .await
    }

    fn spawn_push(&self, scope: Scope, message: PushMessage, place: OwnedSemaphorePermit) {
        let engine = self.clone();
        self.spawn(async move {
            tokio::select! {
                biased;
                () = engine.stopping() => {}
                told = engine.push_with_others(&scope, message) => {
                    if let Err(error) = told {
                        tracing::warn!("a browser could not be told: {error}");
                    }
                }
            }
            drop(place);
            engine.inner.outbox.kick();
        });
    }

    /// Tells a browser of a claimed message, with what else is due there where it is too much.
    async fn push_with_others(&self, scope: &Scope, first: PushMessage) -> Result<(), Error> {
        let messages = self.push_together(scope, first).await?;
        let Some(first) = messages.first() else {
            return Ok(());
        };
        let push_id = first.push_id.clone();
        let now = self.shared_now().await?;
        let within = scope.clone();
        let known = self
            .inner
            .store
            .read(move |r| known(r, &within, &push_id, &messages, now))
            .await?;
        let Some(known) = known else {
            return Ok(());
        };
        if !known.is_member {
            let within = scope.clone();
            return self
                .commit(scope, move |tx| {
                    let why = "its person does not reach the workspace any more";
                    removed(tx, &within, &known.browser, why, now)
                })
                .await;
        }
        if known.told.is_empty() {
            return self.push_settle(scope, known, None).await;
        }
        let envelope = Envelope {
            push_id: &known.browser.id,
            workspace: &known.workspace,
            workspace_id: scope.workspace_id(),
            over: &known.over,
            now,
        };
        let letter = match (known.told.as_slice(), &known.waiting) {
            ([(_, one)], _) => single(one, &envelope),
            (_, (waiting, more)) => digest(waiting, *more, &envelope),
        };
        let tried = self
            .push_once(scope, (&known.browser, &known.sealed), &letter)
            .await;
        self.push_settle(scope, known, Some(tried)).await
    }

    /// What goes out in one message with a claimed one: everything that is due there, where it was put
    /// off or failed before, or where one by one it would be too much within the minute; nothing in
    /// quiet hours, and all of it waits for their end.
    async fn push_together(
        &self,
        scope: &Scope,
        first: PushMessage,
    ) -> Result<Vec<PushMessage>, Error> {
        let now = self.inner.clock.now();
        let within = scope.clone();
        self.inner
            .store
            .write(move |tx| {
                let Some(browser) = store::push::locked(tx, &within, &first.push_id)? else {
                    store::push::tried(tx, &within, &first, None)?;
                    return Ok(Vec::new());
                };
                let due = Due { first: &first, now };
                if let Some(end) = browser.quiet.and_then(|hours| hours.end(now)) {
                    store::push::postpone(tx, &within, due, end)?;
                    return Ok(Vec::new());
                }
                let waited = first.attempts > 1 || first.due_at > first.created_at;
                let at_least = if waited { 1 } else { browser.pace.left(now) };
                let until = claim_until(now);
                let others = store::push::due_of(tx, &within, due, at_least, until)?;
                let mut all = vec![first.clone()];
                all.extend(others);
                Ok::<_, Error>(all)
            })
            .await
    }

    /// Sends a browser something harmless, and notes what came of it.
    pub(super) async fn tell_test(
        &self,
        scope: &Scope,
        browser: &PushSubscription,
        sealed: &Sealed,
    ) -> Result<Attempt, Error> {
        let within = scope.clone();
        let workspace = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::tenancy::workspace(r, &within)?))
            .await?;
        let letter = test(&Envelope {
            push_id: &browser.id,
            workspace: &workspace.map_or_else(String::new, |w| w.name),
            workspace_id: scope.workspace_id(),
            over: &[],
            now: self.inner.clock.now(),
        });
        let tried = self.push_once(scope, (browser, sealed), &letter).await;
        let (within, id) = (scope.clone(), browser.id.clone());
        let attempt = tried.attempt.clone();
        self.commit(scope, move |tx| {
            let Some(browser) = store::push::locked(tx, &within, &id)? else {
                return Ok(());
            };
            noted(tx, &within, &browser, (&tried.attempt, false))
        })
        .await?;
        Ok(attempt)
    }

    /// Sends a message once.
    async fn push_once(
        &self,
        scope: &Scope,
        (browser, sealed): (&PushSubscription, &Sealed),
        letter: &Letter,
    ) -> Tried {
        let failed = |note: &str| Tried {
            attempt: Attempt {
                at: self.inner.clock.now(),
                status: None,
                note: note.to_owned(),
            },
            asked_ms: None,
        };
        let Some(reached) = self.open_reached(scope, &browser.id, sealed).await else {
            return failed("where it is reached does not open; add the browser again");
        };
        let receiver = PushReceiver::parse(&reached.p256dh, &reached.auth);
        let Ok(body) = receiver.and_then(|receiver| receiver.seal(&letter.text)) else {
            return failed("the message could not be sealed for it; add the browser again");
        };
        let signer = match self.push_signer().await {
            Ok(signer) => signer,
            Err(error) => {
                tracing::warn!("no push service can be told who sends: {error}");
                return failed("the server's key pair does not open");
            }
        };
        let origin = tools::oauth::origin_of(&reached.endpoint).unwrap_or_default();
        let to = (origin.as_str(), self.inner.public_url.as_str());
        // Push services judge the time of the token by the clock of the world.
        let Ok(headers) = headers(letter, &signer, to, self.inner.clock.now()) else {
            return failed("the message could not be signed");
        };
        let allowed = self.inner.push.allows_private(&reached.endpoint);
        let posted =
            self.inner
                .egress
                .post_webhook(&reached.endpoint, allowed, headers, body, Vec::new());
        match posted.await {
            Err(tools::FetchError::Refused) => {
                failed("its push service lies at an address that may not be told")
            }
            Err(error) => failed(&error.to_string()),
            // Of the answer only the status: its text is for whoever runs the service.
            Ok(taken) => Tried {
                attempt: Attempt {
                    at: self.inner.clock.now(),
                    status: Some(taken.status),
                    note: answered(taken.status).to_owned(),
                },
                asked_ms: taken.retry_after_s.map(|s| i64::from(s) * 1_000),
            },
        }
    }

    /// Writes down where messages and their browser stand after a try, all in one transaction; without
    /// one, there was nothing to tell.
    async fn push_settle(
        &self,
        scope: &Scope,
        known: Known,
        tried: Option<Tried>,
    ) -> Result<(), Error> {
        let jitter = u32::from_be_bytes(entropy::bytes());
        let within = scope.clone();
        self.commit(scope, move |tx| {
            for message in &known.moot {
                store::push::tried(tx, &within, message, None)?;
            }
            let Some(Tried { attempt, asked_ms }) = &tried else {
                return Ok(());
            };
            let Some(browser) = store::push::locked(tx, &within, &known.browser.id)? else {
                return Ok(());
            };
            for (message, _) in &known.told {
                if attempt.is_taken() {
                    store::push::settle(tx, &within, message)?;
                    continue;
                }
                let again = message.next_try(attempt, jitter, *asked_ms);
                let is_in_time = again <= message.created_at.plus_ms(TRIED_MS);
                store::push::tried(tx, &within, message, is_in_time.then_some(again))?;
            }
            if attempt.is_taken() {
                store::push::forget_over(tx, &within, &browser.id, &known.over)?;
            }
            noted(tx, &within, &browser, (attempt, true))
        })
        .await
    }
}

/// Writes down what a try says of a browser: how it goes, or that it is gone. A test does not count
/// among the messages of the minute.
fn noted(
    tx: &mut Tx<'_>,
    scope: &Scope,
    browser: &PushSubscription,
    (attempt, counts): (&Attempt, bool),
) -> Result<(), Error> {
    if is_gone(attempt) {
        let why = "its push service says that it takes no messages any more";
        return removed(tx, scope, browser, why, attempt.at);
    }
    let health = browser.health.after(attempt);
    let pace = if attempt.is_taken() && counts {
        browser.pace.with(attempt.at)
    } else {
        browser.pace.clone()
    };
    store::push::note_health(tx, scope, &browser.id, (&health, &pace))?;
    Ok(())
}

/// Removes a browser of somebody, and writes down why.
fn removed(
    tx: &mut Tx<'_>,
    scope: &Scope,
    browser: &PushSubscription,
    why: &str,
    now: Timestamp,
) -> Result<(), Error> {
    if store::push::remove(tx, scope, &browser.id)? {
        let detail = json!({
            "service": browser.service,
            "name": browser.name,
            "of": browser.account_id,
            "why": why,
        });
        let entry = by_server(scope, "push.removed", browser.id.as_str(), &detail, now);
        store::audit::append(tx, scope, entry)?;
    }
    Ok(())
}

/// What a try needs to know, as things stand; none if the browser is gone.
fn known(
    r: &mut Reader<'_>,
    scope: &Scope,
    push_id: &PushId,
    messages: &[PushMessage],
    now: Timestamp,
) -> Result<Option<Known>, Error> {
    let Some((browser, sealed)) = store::push::get(r, scope, push_id)? else {
        return Ok(None);
    };
    let role = store::tenancy::role_in(r, scope, &browser.account_id)?;
    let wanted = |approval: &Approval| approval.waits_for(&browser.account_id, role, now);
    let (mut told, mut moot) = (Vec::new(), Vec::new());
    for message in messages {
        let found = store::approvals::get(r, scope, &message.approval_id)?;
        let Some(approval) = found.filter(&wanted) else {
            moot.push(message.clone());
            continue;
        };
        let asked = Asked {
            by: store::accounts::name(r, scope, &approval.requested_by)?,
            about: message.about,
            approval,
        };
        told.push((message.clone(), asked));
    }
    let mut waiting = (Vec::new(), 0);
    if told.len() > 1 {
        let all = store::push::waiting(r, scope, push_id, now)?;
        waiting.1 = all.len().saturating_sub(LOOKED_AT_MAX);
        for id in all.iter().take(LOOKED_AT_MAX) {
            let found = store::approvals::get(r, scope, id)?;
            waiting.0.extend(found.filter(&wanted));
        }
    }
    let limit = u32::try_from(IDS_MAX).unwrap_or(u32::MAX);
    Ok(Some(Known {
        over: store::push::over(r, scope, push_id, limit)?,
        workspace: store::tenancy::workspace(r, scope)?.map_or_else(String::new, |w| w.name),
        is_member: role.is_some(),
        browser,
        sealed,
        told,
        moot,
        waiting,
    }))
}

/// What a push service answered, in a sentence.
fn answered(status: u16) -> &'static str {
    match status {
        200..300 => "taken by its push service",
        404 | 410 => "its push service says that it takes no messages any more",
        401 | 403 => {
            "its push service does not take messages of this server; add the browser again"
        }
        413 => "its push service finds the message too large",
        429 => "its push service wants to be left alone for a while",
        500..600 => "its push service fails at the moment",
        _ => "its push service refuses the message",
    }
}
