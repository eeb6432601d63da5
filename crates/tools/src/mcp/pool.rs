//! The sessions: one for each person with each server and credential, kept while it is used, so
//! that what a server remembers is remembered for that person and never shown to another.
//!
//! Bounded in number, ended when idle. A server that fails is left alone for a while that doubles;
//! one that does not know a session any more gets a new one, once. Nothing here outlives the
//! process: a call after a restart begins a new session.

use super::carried::Carried;
use super::configured::McpWay;
use super::fault::{Fault, McpError};
use super::import::McpListing;
use super::limits::{
    BACKOFF_MAX, BACKOFF_WAITED, HANDSHAKE, LISTING, PROCESSES_MAX, SESSION_IDLE, SESSIONS_MAX,
    SETTLE, SWEEP,
};
use super::listing;
use super::peer::{OnChange, Peer};
use super::session::{Called, Going, Session, ToolCall};
use crate::egress::Egress;
use crate::invoke::Attachment;
use domain::access::Scope;
use domain::canonical::sha256_parts;
use domain::credential::Secret;
use domain::source::Source;
use domain::{AccountId, SourceId};
use futures_util::future::{BoxFuture, join_all};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Who a session is for.
#[derive(Clone, Copy)]
pub struct McpPerson<'a> {
    /// The workspace in which the person acts.
    pub scope: &'a Scope,
    /// The person.
    pub account: &'a AccountId,
}

/// A server said that its tools have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpChange {
    /// The workspace of the source.
    pub scope: Scope,
    /// The person in whose session it was said.
    pub account: AccountId,
    /// The source.
    pub source: SourceId,
}

/// All sessions with MCP servers. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct McpServers(Arc<Inner>);

struct Inner {
    egress: Egress,
    slots: Mutex<Slots>,
    changes: Arc<Changes>,
}

#[derive(Default)]
struct Slots {
    by_key: HashMap<Key, Arc<Slot>>,
    is_swept: bool,
    is_closed: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    source: SourceId,
    account: AccountId,
    /// Of where the server is and what opens it.
    digest: String,
}

/// The place of one session.
struct Slot {
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    state: Mutex<Rest>,
    is_process: bool,
}

struct Rest {
    used: Instant,
    failures: u32,
    until: Option<Instant>,
    last: String,
}

#[derive(Default)]
struct Changes {
    pending: Mutex<HashMap<SourceId, (McpChange, Instant)>>,
    news: Notify,
}

impl McpServers {
    /// Servers that are reached through this client; those that are commands, directly.
    #[must_use]
    pub fn new(egress: Egress) -> Self {
        Self(Arc::new(Inner {
            egress,
            slots: Mutex::default(),
            changes: Arc::default(),
        }))
    }

    /// Reads what a server offers, in a session for this alone.
    ///
    /// # Errors
    /// [`McpError`] says what was tried and what came back.
    pub fn listing<'a>(
        &'a self,
        way: &'a McpWay,
        attachments: &'a [Attachment],
    ) -> BoxFuture<'a, Result<McpListing, McpError>> {
        Box::pin(async move {
            let name = way.base_url();
            let found = async {
                let deadline = Instant::now() + HANDSHAKE;
                let peer = Peer::new(name.clone(), None);
                let session =
                    Session::open(way, copied(attachments), &self.0.egress, peer, deadline).await?;
                let listed = listing::tools(&session, Instant::now() + LISTING).await;
                session.end().await;
                let listed = listed?;
                Ok(McpListing {
                    version: session.version.clone(),
                    identity: session.identity.clone(),
                    base_url: name.clone(),
                    tools: listed.tools,
                    warnings: listed.warnings,
                    ttl_ms: listed.ttl_ms,
                    for_all: listed.for_all,
                })
            };
            let limit = HANDSHAKE + LISTING;
            let found = tokio::time::timeout(limit, found).await;
            found
                .unwrap_or(Err(Fault::Late {
                    limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                }))
                .map_err(McpError::from)
        })
    }

    /// Calls a tool in the person's session. A session that the server has forgotten is begun anew,
    /// once: such a call was not looked at.
    pub(super) async fn exchange(
        &self,
        source: &Source,
        person: &McpPerson<'_>,
        call: &ToolCall<'_>,
        going: &Going<'_, '_>,
    ) -> Result<Called, Fault> {
        let slot = self.slot(source, person, going.carried)?;
        let mut outcome = self.attempt(source, person, &slot, call, going).await;
        if matches!(outcome, Err(Fault::SessionLost)) {
            outcome = self.attempt(source, person, &slot, call, going).await;
        }
        outcome
    }

    /// How long a call may take that begins now.
    pub(super) fn deadline(&self) -> Instant {
        self.0.egress.deadline()
    }

    async fn attempt(
        &self,
        source: &Source,
        person: &McpPerson<'_>,
        slot: &Slot,
        call: &ToolCall<'_>,
        going: &Going<'_, '_>,
    ) -> Result<Called, Fault> {
        let opening = self.session(source, person, slot, going);
        let session = match tokio::time::timeout_at(going.patience.until(), opening).await {
            Ok(session) => session?,
            Err(_) => return Err(Fault::Late { limit_ms: 0 }),
        };
        let outcome = session.call(call, going).await;
        match &outcome {
            Err(Fault::SessionLost) => slot.let_go(&session).await,
            Err(fault) if fault.is_fatal() => slot.failed(fault),
            Ok(_) | Err(_) => slot.worked(),
        }
        outcome
    }

    /// The person's session, begun if there is none.
    async fn session(
        &self,
        source: &Source,
        person: &McpPerson<'_>,
        slot: &Slot,
        going: &Going<'_, '_>,
    ) -> Result<Arc<Session>, Fault> {
        let mut held = slot.session.lock().await;
        if let Some(session) = held.as_ref().filter(|s| s.is_alive()) {
            // What it was begun with may have been renewed since.
            session.carry(&going.carried.now());
            return Ok(Arc::clone(session));
        }
        *held = None;
        slot.rested().await?;
        let mut opened = Box::pin(self.open(source, person, going)).await;
        if matches!(&opened, Err(fault) if fault.wants_credential()) && going.carried.renew().await
        {
            opened = Box::pin(self.open(source, person, going)).await;
        }
        match opened {
            Ok(session) => Ok(Arc::clone(held.insert(Arc::new(session)))),
            Err(fault) => {
                // A missing credential is no failure of the server's.
                if !fault.wants_credential() {
                    slot.failed(&fault);
                }
                Err(fault)
            }
        }
    }

    async fn open(
        &self,
        source: &Source,
        person: &McpPerson<'_>,
        going: &Going<'_, '_>,
    ) -> Result<Session, Fault> {
        let mut peer = Peer::new(source.name.clone(), Some(self.on_change(source, person)));
        peer.may_ask = going.hearing.is_some_and(|hearing| hearing.ask.is_some());
        let way = McpWay::of(source);
        let within = going.patience.until().min(Instant::now() + HANDSHAKE);
        Session::open(&way, going.carried.now(), &self.0.egress, peer, within).await
    }

    fn on_change(&self, source: &Source, person: &McpPerson<'_>) -> OnChange {
        let change = McpChange {
            scope: person.scope.clone(),
            account: person.account.clone(),
            source: source.id.clone(),
        };
        let changes = Arc::clone(&self.0.changes);
        Arc::new(move || {
            let mut pending = changes
                .pending
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            pending.insert(change.source.clone(), (change.clone(), Instant::now()));
            changes.news.notify_one();
        })
    }

    /// Waits for a server to say that its tools have changed, and to keep still for a moment.
    pub async fn changed(&self) -> McpChange {
        loop {
            let news = self.0.changes.news.notified();
            let soonest = {
                let mut pending = self
                    .0
                    .changes
                    .pending
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                let settled = pending
                    .iter()
                    .find(|(_, (_, said))| *said + SETTLE <= now)
                    .map(|(source, _)| source.clone());
                if let Some((change, _)) = settled.and_then(|source| pending.remove(&source)) {
                    return change;
                }
                pending.values().map(|(_, said)| *said + SETTLE).min()
            };
            match soonest {
                Some(then) => tokio::time::sleep_until(then).await,
                None => news.await,
            }
        }
    }

    fn slot(
        &self,
        source: &Source,
        person: &McpPerson<'_>,
        carried: &Carried<'_>,
    ) -> Result<Arc<Slot>, Fault> {
        let key = Key::of(source, person, carried);
        let is_process = matches!(McpWay::of(source), McpWay::Command { .. });
        let mut slots = self.slots();
        if slots.is_closed {
            return Err(Fault::Ended("the server is going down".to_owned()));
        }
        if let Some(slot) = slots.by_key.get(&key) {
            slot.state().used = Instant::now();
            return Ok(Arc::clone(slot));
        }
        slots.make_room(is_process)?;
        let slot = Arc::new(Slot::new(is_process));
        slots.by_key.insert(key, Arc::clone(&slot));
        if !std::mem::replace(&mut slots.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
        Ok(slot)
    }

    /// Ends the sessions with a source that has changed or is gone.
    pub fn forget(&self, source: &SourceId) {
        let mut slots = self.slots();
        let gone: Vec<Arc<Slot>> = slots
            .by_key
            .extract_if(|key, _| key.source == *source)
            .map(|(_, slot)| slot)
            .collect();
        drop(slots);
        gone.into_iter().for_each(Slot::end_aside);
    }

    /// Ends all sessions and waits for processes to be gone. None is begun after it.
    pub fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let all: Vec<Arc<Slot>> = {
                let mut slots = self.slots();
                slots.is_closed = true;
                slots.by_key.drain().map(|(_, slot)| slot).collect()
            };
            join_all(all.iter().map(|slot| slot.end())).await;
        })
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    /// Makes room for one more: the session that rested longest is ended.
    fn make_room(&mut self, is_process: bool) -> Result<(), Fault> {
        let processes = self.by_key.values().filter(|s| s.is_process).count();
        let max = if is_process && processes >= PROCESSES_MAX {
            PROCESSES_MAX
        } else if self.by_key.len() >= SESSIONS_MAX {
            SESSIONS_MAX
        } else {
            return Ok(());
        };
        let longest = self
            .by_key
            .iter()
            .filter(|(_, slot)| Arc::strong_count(slot) == 1)
            .filter(|(_, slot)| slot.is_process || max == SESSIONS_MAX)
            .min_by_key(|(_, slot)| slot.state().used)
            .map(|(key, _)| key.clone());
        let ended = longest
            .and_then(|key| self.by_key.remove(&key))
            .ok_or(Fault::Full(max))?;
        ended.end_aside();
        Ok(())
    }
}

/// Ends sessions that nobody uses, until nobody has sessions any more.
async fn sweep(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let idle: Vec<Arc<Slot>> = {
            let mut slots = inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let is_idle = |slot: &mut Arc<Slot>| {
                // Whoever uses it holds it.
                Arc::strong_count(slot) == 1 && slot.state().used.elapsed() >= SESSION_IDLE
            };
            slots
                .by_key
                .extract_if(|_, slot| is_idle(slot))
                .map(|(_, slot)| slot)
                .collect()
        };
        idle.into_iter().for_each(Slot::end_aside);
    }
}

impl Slot {
    fn new(is_process: bool) -> Self {
        let rest = Rest {
            used: Instant::now(),
            failures: 0,
            until: None,
            last: String::new(),
        };
        Self {
            session: tokio::sync::Mutex::default(),
            state: Mutex::new(rest),
            is_process,
        }
    }

    fn state(&self) -> MutexGuard<'_, Rest> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn worked(&self) {
        let mut state = self.state();
        (state.failures, state.until, state.used) = (0, None, Instant::now());
    }

    fn failed(&self, fault: &Fault) {
        let mut state = self.state();
        let pause = Duration::from_millis(500) * 2u32.pow(state.failures.min(8));
        state.failures += 1;
        state.until = Some(Instant::now() + pause.min(BACKOFF_MAX));
        state.last = fault.sentence();
    }

    /// Waits until the server may be tried again, if that is soon.
    async fn rested(&self) -> Result<(), Fault> {
        let (until, last) = {
            let state = self.state();
            (state.until, state.last.clone())
        };
        let pause = until.map_or(Duration::ZERO, |u| {
            u.saturating_duration_since(Instant::now())
        });
        if pause > BACKOFF_WAITED {
            return Err(Fault::Resting {
                last,
                seconds: pause.as_secs().max(1),
            });
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Drops a session that is of no more use, unless another has taken its place.
    async fn let_go(&self, lost: &Arc<Session>) {
        let mut held = self.session.lock().await;
        if held.as_ref().is_some_and(|s| Arc::ptr_eq(s, lost)) {
            *held = None;
        }
    }

    async fn end(&self) {
        let session = self.session.lock().await.take();
        if let Some(session) = session {
            session.end().await;
        }
    }

    fn end_aside(self: Arc<Self>) {
        tokio::spawn(async move { self.end().await });
    }
}

impl Key {
    fn of(source: &Source, person: &McpPerson<'_>, carried: &Carried<'_>) -> Self {
        let base_url = McpWay::of(source).base_url();
        let private = if source.allow_private {
            "private"
        } else {
            "public"
        };
        let mut parts: Vec<&[u8]> = vec![base_url.as_bytes(), private.as_bytes()];
        for (name, value) in &source.headers {
            parts.extend([name.as_bytes(), value.as_bytes()]);
        }
        let attachments = carried.now();
        let schemes: Vec<String> = attachments
            .iter()
            .map(|a| format!("{:?}", a.scheme))
            .collect();
        // What was granted stays the same while its tokens are renewed; of what a person entered the
        // value is all that tells one from another.
        match &carried.grant {
            Some(grant) => parts.extend([b"granted".as_slice(), grant.as_bytes()]),
            None => {
                for (attachment, scheme) in attachments.iter().zip(&schemes) {
                    parts.extend([scheme.as_bytes(), attachment.secret.expose().as_bytes()]);
                }
            }
        }
        Self {
            source: source.id.clone(),
            account: person.account.clone(),
            digest: sha256_parts(&parts),
        }
    }
}

fn copied(attachments: &[Attachment]) -> Arc<Vec<Attachment>> {
    let copied = |attachment: &Attachment| Attachment {
        scheme: attachment.scheme.clone(),
        secret: Secret::new(attachment.secret.expose().to_owned()),
    };
    Arc::new(attachments.iter().map(copied).collect())
}
