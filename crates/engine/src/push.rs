//! Web Push: a person's browsers are told, while they are closed, that a question waits for them.
//!
//! Here: what people do with their browsers, and the key pair of the installation. `outbox.rs` writes
//! down what is to be told, in the transaction that records the question, and tells it; `message.rs`
//! says what is sent, sealed for the one browser and signed. No argument is in it, and nothing that
//! is sent decides anything: it leads to the question, and answering needs a sign-in.

mod message;
mod outbox;

pub(crate) use outbox::{tell_of_approval, tell_of_assignment};

use crate::audit::by_person;
use crate::keys::checked_name;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope};
use domain::canonical::sha256_hex;
use domain::credential::{Sealed, Secret};
use domain::push::{BROWSERS_MAX, NAME_CHARS_MAX, PushSubscription};
use domain::webhook::{Attempt, MESSAGES_PER_MINUTE, Pace, QuietHours, WebhookHealth};
use domain::{AccountId, PushId, SessionId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tools::FetchError;
use vault::{PushReceiver, PushSigner};

/// Longest address of a browser at its push service, in bytes.
const ENDPOINT_BYTES_MAX: usize = 2_048;
/// What a browser is called that is given no name.
const NAMELESS: &str = "A browser";

/// A browser to add, as it described itself when it subscribed.
#[derive(Clone)]
pub struct NewPush {
    /// Where its push service takes messages for it.
    pub endpoint: String,
    /// Its public key, base64url.
    pub p256dh: String,
    /// The secret that it shares with whoever may write to it, base64url.
    pub auth: String,
    /// What the person calls it.
    pub name: Option<String>,
    /// In which hours it is told nothing; as before if absent.
    pub quiet: Option<Option<QuietHours>>,
    /// The session in which it is added.
    pub session_id: Option<SessionId>,
}

/// What to change about a browser; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct PushChange {
    /// What the person calls it.
    pub name: Option<String>,
    /// In which hours it is told nothing.
    pub quiet: Option<Option<QuietHours>>,
}

/// Where a browser is reached, and what seals for it; kept sealed.
#[derive(serde::Serialize, serde::Deserialize)]
struct Reached {
    endpoint: String,
    p256dh: String,
    auth: String,
}

/// What sending needs besides the rows.
pub(crate) struct Push {
    signer: OnceCell<Arc<PushSigner>>,
    /// Origins of push services that may be private, or without TLS.
    services: Vec<String>,
    /// When people last sent tests through this server.
    tests: Mutex<HashMap<AccountId, Pace>>,
}

impl Push {
    pub(crate) fn new(services: Vec<String>) -> Self {
        Self {
            signer: OnceCell::new(),
            services,
            tests: Mutex::default(),
        }
    }

    /// Whether a person may send a test now: not more within a minute than messages may come. It counts
    /// from then on.
    fn may_test(&self, who: &AccountId, now: Timestamp) -> bool {
        let mut tests = self.tests.lock().unwrap_or_else(PoisonError::into_inner);
        tests.retain(|_, pace| pace.left(now) < MESSAGES_PER_MINUTE);
        let pace = tests.get(who).cloned().unwrap_or_default();
        if pace.left(now) == 0 {
            return false;
        }
        tests.insert(who.clone(), pace.with(now));
        true
    }

    /// Whether whoever runs the server allows a push service to be private, or without TLS.
    fn allows_private(&self, endpoint: &str) -> bool {
        let origin = tools::oauth::origin_of(endpoint);
        origin.is_some_and(|origin| self.services.contains(&origin))
    }
}

/// What the ciphertext of where a browser is reached is bound to.
pub(crate) fn binding(scope: &Scope, id: &PushId) -> String {
    let (organization, workspace) = (scope.organization_id(), scope.workspace_id());
    format!("push {organization}/{workspace}/{id}")
}

/// What the ciphertext of the installation's key pair is bound to.
pub(crate) fn key_binding(scope: &Scope) -> String {
    format!("push key pair of {}", scope.organization_id())
}

impl Engine {
    /// The public half of the key pair by which push services know this installation, base64url. A
    /// browser is given it when it subscribes.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn push_key(&self, caller: &Caller) -> BoxFuture<'_, Result<String, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            caller.scope(Permission::SeeSettings)?;
            Ok(self.push_signer().await?.public_key())
        })
    }

    /// The caller's own browsers in the workspace, the oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn push_subscriptions(
        &self,
        caller: &Caller,
    ) -> BoxFuture<'_, Result<Vec<PushSubscription>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeSettings)?;
            self.inner
                .store
                .read(move |r| Ok(store::push::list(r, &scope, &caller.account_id)?))
                .await
        })
    }

    /// Adds a browser of the caller's, in person; one that was added before is brought up to date.
    /// Whoever had the same browser before is told nothing there any more.
    ///
    /// # Errors
    /// `forbidden`, as for whatever is done with browsers, for keys and models always;
    /// `invalid_push_subscription`, `invalid_name`,
    /// `too_many_browsers`.
    pub fn add_push(
        &self,
        caller: &Caller,
        new: NewPush,
    ) -> BoxFuture<'_, Result<PushSubscription, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::OwnNotifications)?;
            self.check_endpoint(&new.endpoint)?;
            PushReceiver::parse(&new.p256dh, &new.auth)
                .map_err(|e| Error::invalid("invalid_push_subscription", e.to_string()))?;
            let name = new.name.as_deref().map(browser_name).transpose()?;
            let digest = sha256_hex(new.endpoint.as_bytes());
            let (within, who) = (scope.clone(), caller.account_id.clone());
            let wanted = digest.clone();
            let before = self
                .inner
                .store
                .write(move |tx| {
                    let found = store::push::at_endpoint(tx, &within, &who, &wanted)?;
                    Ok::<_, Error>(found)
                })
                .await?;
            let now = self.inner.clock.now();
            let added = PushSubscription {
                id: before.as_ref().map_or_else(
                    || PushId::from_bits(entropy::bits()),
                    |before| before.id.clone(),
                ),
                account_id: caller.account_id.clone(),
                session_id: new.session_id,
                service: tools::oauth::host_of(&new.endpoint).unwrap_or_default(),
                name: name.unwrap_or_else(|| NAMELESS.to_owned()),
                quiet: new.quiet.flatten(),
                pace: Pace::default(),
                health: WebhookHealth::default(),
                created_at: now,
            };
            let given = (new.name.is_some(), new.quiet.is_some());
            let reached = Reached {
                endpoint: new.endpoint,
                p256dh: new.p256dh,
                auth: new.auth,
            };
            let sealed = self.seal_reached(&scope, &added.id, &reached).await?;
            let adding = Adding {
                caller,
                scope: scope.clone(),
                added,
                given,
                digest,
                sealed,
            };
            let system = self.inner.system;
            self.commit(&scope, move |tx| adding.write(tx, system))
                .await
        })
    }

    /// Changes what one of the caller's browsers is called, or in which hours it is told nothing.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `invalid_name`.
    pub fn change_push(
        &self,
        caller: &Caller,
        id: &PushId,
        change: PushChange,
    ) -> BoxFuture<'_, Result<PushSubscription, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::OwnNotifications)?;
            let name = change.name.as_deref().map(browser_name).transpose()?;
            let now = self.inner.clock.now();
            let within = scope.clone();
            let changed = self.commit(&scope, move |tx| {
                let before = own(tx, &within, &caller, &id)?;
                let after = PushSubscription {
                    name: name.clone().unwrap_or_else(|| before.name.clone()),
                    quiet: change.quiet.unwrap_or(before.quiet),
                    ..before.clone()
                };
                store::push::change(tx, &within, &after, None)?;
                if after.quiet != before.quiet {
                    store::push::release(tx, &within, &id, now)?;
                }
                note(tx, &within, &caller, (&after, "changed"), now)?;
                Ok(after)
            });
            let changed = changed.await?;
            self.inner.outbox.kick();
            Ok(changed)
        })
    }

    /// Removes one of the caller's browsers with everything that it was still to be told.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn remove_push(&self, caller: &Caller, id: &PushId) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::OwnNotifications)?;
            let now = self.inner.clock.now();
            let within = scope.clone();
            self.commit(&scope, move |tx| {
                let removed = own(tx, &within, &caller, &id)?;
                store::push::remove(tx, &within, &id)?;
                note(tx, &within, &caller, (&removed, "removed"), now)
            })
            .await
        })
    }

    /// Sends one of the caller's browsers something harmless at once, also in its quiet hours, and
    /// says what its push service answered.
    ///
    /// # Errors
    /// `forbidden`, `not_found`; `too_many_tests` for more than a person may send within a minute. A push service that fails is no error: the attempt says so.
    pub fn test_push(&self, caller: &Caller, id: &PushId) -> BoxFuture<'_, Result<Attempt, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::OwnNotifications)?;
            let (within, wanted) = (scope.clone(), id.clone());
            let found = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::push::get(r, &within, &wanted)?))
                .await?;
            let (browser, sealed) = found
                .filter(|(browser, _)| browser.account_id == caller.account_id)
                .ok_or_else(|| Error::not_found("push subscription", &id))?;
            let push = &self.inner.push;
            if !push.may_test(&caller.account_id, self.inner.clock.now()) {
                return Err(Error::conflict(
                    "too_many_tests",
                    format!(
                        "you sent {MESSAGES_PER_MINUTE} tests within the minute, as many as you \
                         may; wait a minute"
                    ),
                ));
            }
            self.tell_test(&scope, &browser, &sealed).await
        })
    }

    /// The key pair, made if there is none yet: once for all servers of a database.
    async fn push_signer(&self) -> Result<Arc<PushSigner>, Error> {
        let made = self.inner.push.signer.get_or_try_init(|| async {
            let system = self.inner.system;
            let local = &self.inner.local.workspace;
            let scope = system.scope(local.organization_id.clone(), local.id.clone());
            let find = || {
                let read = move |r: &mut store::Reader<'_>| store::push::key(r, system);
                self.inner.store.read(move |r| Ok::<_, Error>(read(r)?))
            };
            let keys = &self.inner.credentials;
            let mut found = find().await?;
            if found.is_none() {
                let pair = PushSigner::new_pair().map_err(|e| Error::internal(&e))?;
                let signer = PushSigner::from_pair(&pair).map_err(|e| Error::internal(&e))?;
                let public = signer.public_key();
                let text = pair.expose().to_owned();
                let sealed = keys.seal_text(&scope, &key_binding(&scope), text).await?;
                let (within, now) = (scope.clone(), self.inner.clock.now());
                self.inner
                    .store
                    .write(move |tx| {
                        let pair = (public.as_str(), &Sealed(sealed.clone()));
                        let organization = within.organization_id();
                        store::push::keep_key(tx, system, organization, pair, now)?;
                        Ok::<_, Error>(())
                    })
                    .await?;
                // Another server may have been first.
                found = find().await?;
            }
            let pair: Option<Secret> = match found {
                None => None,
                Some((_, sealed)) => {
                    let binding = key_binding(&scope);
                    keys.open_text(&scope, &binding, &sealed.0).await
                }
            };
            let pair = pair.ok_or_else(|| Error::internal(&vault::Error::DoesNotOpen))?;
            let signer = PushSigner::from_pair(&pair).map_err(|e| Error::internal(&e))?;
            Ok::<_, Error>(Arc::new(signer))
        });
        Ok(Arc::clone(made.await?))
    }

    async fn seal_reached(
        &self,
        scope: &Scope,
        id: &PushId,
        reached: &Reached,
    ) -> Result<Sealed, Error> {
        let text = serde_json::to_string(reached).map_err(|e| Error::internal(&e))?;
        let keys = &self.inner.credentials;
        let sealed = keys.seal_text(scope, &binding(scope, id), text).await?;
        Ok(Sealed(sealed))
    }

    /// Where a browser is reached; none if that does not open.
    async fn open_reached(&self, scope: &Scope, id: &PushId, sealed: &Sealed) -> Option<Reached> {
        let keys = &self.inner.credentials;
        let opened = keys
            .open_text(scope, &binding(scope, id), &sealed.0)
            .await?;
        serde_json::from_str(opened.expose()).ok()
    }

    fn check_endpoint(&self, endpoint: &str) -> Result<(), Error> {
        let refuse = |why: String| Err(Error::invalid("invalid_push_subscription", why));
        if endpoint.len() > ENDPOINT_BYTES_MAX {
            return refuse(format!(
                "the endpoint is longer than {ENDPOINT_BYTES_MAX} bytes"
            ));
        }
        let allowed = self.inner.push.allows_private(endpoint);
        match self.inner.egress.check_webhook(endpoint, allowed) {
            Ok(()) => Ok(()),
            Err(FetchError::Refused) => refuse(
                "the endpoint lies at a private, local or special address; whoever runs the server \
                 can allow a push service there with `push_services`"
                    .to_owned(),
            ),
            Err(_) => refuse(
                "the endpoint is no https:// address of a push service, as a browser gives one when \
                 it subscribes"
                    .to_owned(),
            ),
        }
    }
}

/// A browser with everything that adding it writes.
struct Adding {
    caller: Caller,
    scope: Scope,
    added: PushSubscription,
    /// Whether a name and hours were given.
    given: (bool, bool),
    digest: String,
    sealed: Sealed,
}

impl Adding {
    fn write(
        &self,
        tx: &mut store::Tx<'_>,
        system: domain::access::System,
    ) -> Result<PushSubscription, Error> {
        let (scope, added, who) = (&self.scope, &self.added, &self.caller.account_id);
        store::push::take_from_others(tx, system, &self.digest, who)?;
        if let Some(before) = store::push::at_endpoint(tx, scope, who, &self.digest)? {
            if before.id != added.id {
                return Err(Error::conflict(
                    "added_meanwhile",
                    "this browser was added just now by another request; look again",
                ));
            }
            let (named, houred) = self.given;
            let after = PushSubscription {
                name: if named { &added.name } else { &before.name }.clone(),
                quiet: if houred { added.quiet } else { before.quiet },
                session_id: added.session_id.clone().or(before.session_id.clone()),
                ..before.clone()
            };
            store::push::change(tx, scope, &after, Some(&self.sealed))?;
            if after.quiet != before.quiet {
                store::push::release(tx, scope, &after.id, added.created_at)?;
            }
            return Ok(after);
        }
        if store::push::list(tx, scope, who)?.len() >= BROWSERS_MAX {
            return Err(Error::conflict(
                "too_many_browsers",
                format!(
                    "a person has at most {BROWSERS_MAX} browsers notified in a workspace; remove \
                     one first"
                ),
            ));
        }
        store::push::insert(tx, scope, added, (&self.digest, &self.sealed))?;
        note(tx, scope, &self.caller, (added, "added"), added.created_at)?;
        Ok(added.clone())
    }
}

fn browser_name(name: &str) -> Result<String, Error> {
    let name = checked_name("the browser", name)?;
    Ok(name.chars().take(NAME_CHARS_MAX).collect())
}

/// One of the caller's own browsers, held until the end of the transaction.
fn own(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    caller: &Caller,
    id: &PushId,
) -> Result<PushSubscription, Error> {
    store::push::locked(tx, scope, id)?
        .filter(|browser| browser.account_id == caller.account_id)
        .ok_or_else(|| Error::not_found("push subscription", id))
}

/// Writes down what a person did to a browser. Of where it is reached only the push service's host.
fn note(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    caller: &Caller,
    (browser, change): (&PushSubscription, &str),
    now: Timestamp,
) -> Result<(), Error> {
    let detail = json!({
        "service": browser.service,
        "name": browser.name,
        "quietHours": browser.quiet.map(|hours| hours.to_string()),
    });
    let action = format!("push.{change}");
    let entry = by_person(caller, scope, &action, browser.id.as_str(), &detail, now);
    store::audit::append(tx, scope, entry)?;
    Ok(())
}
