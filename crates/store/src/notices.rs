//! "Look again", from one server to the others of its PostgreSQL. Carries no truth: whoever misses
//! every notice finds the same by looking every second.
//!
//! A transaction says what to look at (`Tx::notify`); once it is durable, a thread of its own tells
//! the others. Not within the transaction: PostgreSQL lets only one transaction that notifies commit
//! at a time in the whole database, and the flush of each would wait for the one before.
//! What piles up is told once; too much of it becomes "look at everything".

use crate::Location;
use crate::db::postgres::Postgres;
use domain::{TaskId, WorkspaceId};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// The channel of PostgreSQL; each database has its own.
const CHANNEL: &str = "executor";

/// Notices that are told one by one.
const NOTICES_MAX: usize = 64;

/// Notices that may wait to be heard.
const HEARD_MAX: usize = 1_024;

/// Pause before a lost connection is made again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// How long the listening thread waits at once, and so how long it may outlive the store.
const LISTEN: Duration = Duration::from_millis(500);

/// Silences after which the listening thread asks whether the connection still lives.
const SILENCES_MAX: u32 = 20;

/// What to look at again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// Anything may have changed.
    Everything,
    /// A server has come.
    Servers,
    /// A task waits to be claimed.
    Queue,
    /// An approval of a task was answered, or somebody wants it ended.
    Task(TaskId),
    /// There are events in a workspace.
    Workspace(WorkspaceId),
}

impl Notice {
    fn text(&self) -> &str {
        match self {
            Self::Everything => "everything",
            Self::Servers => "servers",
            Self::Queue => "queue",
            Self::Task(id) => id.as_str(),
            Self::Workspace(id) => id.as_str(),
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "servers" => Self::Servers,
            "queue" => Self::Queue,
            other => TaskId::parse(other)
                .map(Self::Task)
                .or_else(|_| WorkspaceId::parse(other).map(Self::Workspace))
                // From a server of another version: whatever it is, looking does no harm.
                .unwrap_or(Self::Everything),
        }
    }
}

/// Where notices go out; shared by the store's clones.
pub(crate) struct Outlet {
    /// The telling connection, whose notices this server need not hear.
    teller: AtomicI32,
    pending: Mutex<BTreeSet<Notice>>,
    wake: Condvar,
    /// Whether anybody else is there to be told.
    heard_by_others: AtomicBool,
    /// Whether notices of others reach this server now.
    pub(crate) listening: AtomicBool,
    closed: AtomicBool,
}

impl Outlet {
    pub(crate) fn new() -> Self {
        Self {
            teller: AtomicI32::new(0),
            pending: Mutex::default(),
            wake: Condvar::new(),
            heard_by_others: AtomicBool::new(false),
            listening: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Says whether other servers live; without any, nothing but the own coming is told.
    pub(crate) fn set_others(&self, count: u64) {
        self.heard_by_others.store(count > 0, Ordering::Relaxed);
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.wake.notify_all();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Tells what a durable transaction wants told. Never waits.
    pub(crate) fn tell(&self, notices: BTreeSet<Notice>) {
        let others = self.heard_by_others.load(Ordering::Relaxed);
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.extend(
            notices
                .into_iter()
                .filter(|n| others || *n == Notice::Servers),
        );
        if pending.len() > NOTICES_MAX {
            *pending = BTreeSet::from([Notice::Everything]);
        }
        if !pending.is_empty() {
            self.wake.notify_one();
        }
    }

    /// Waits for something to tell; nothing once the store is closed and all is told.
    fn take(&self) -> Option<BTreeSet<Notice>> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        while pending.is_empty() {
            if self.is_closed() {
                return None;
            }
            pending = self
                .wake
                .wait(pending)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Some(std::mem::take(&mut *pending))
    }
}

/// The telling thread.
pub(crate) fn teller(location: &Location, outlet: &Outlet) {
    let Location::Postgres(url) = location else {
        return;
    };
    let mut link: Option<Postgres> = None;
    while let Some(notices) = outlet.take() {
        // Identifiers and fixed words only: nothing that would need quoting.
        let sql: String = notices
            .iter()
            .map(|n| format!("notify {CHANNEL}, '{}';", n.text()))
            .collect();
        let told = match link.take() {
            Some(link) => Ok(link),
            None => connect(url, outlet),
        }
        .and_then(|mut open| {
            open.script(&sql)?;
            link = Some(open);
            Ok(())
        });
        if let Err(error) = told {
            tracing::debug!(%error, "other servers could not be told to look again");
            if outlet.is_closed() {
                return;
            }
            std::thread::sleep(RECONNECT_PAUSE);
            outlet.tell(BTreeSet::from([Notice::Everything]));
        }
    }
}

fn connect(url: &str, outlet: &Outlet) -> Result<Postgres, crate::Error> {
    let mut link = Postgres::connect(url)?;
    outlet.teller.store(link.process()?, Ordering::Relaxed);
    // A notice that a crash of the database swallows is no loss.
    link.script("set synchronous_commit = off")?;
    Ok(link)
}

/// Starts to hear what other servers tell.
pub(crate) fn listen(
    location: Arc<Location>,
    outlet: Arc<Outlet>,
) -> Result<mpsc::Receiver<Notice>, crate::Error> {
    let (out, heard) = mpsc::channel(HEARD_MAX);
    crate::door::thread("store-listener", move || {
        if let Location::Postgres(url) = &*location {
            listener(url, &outlet, &out);
        }
    })?;
    Ok(heard)
}

fn listener(url: &str, outlet: &Outlet, out: &mpsc::Sender<Notice>) {
    while !outlet.is_closed() && !out.is_closed() {
        match hear(url, outlet, out) {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "no notices from other servers for now"),
        }
        outlet.listening.store(false, Ordering::Relaxed);
        std::thread::sleep(RECONNECT_PAUSE);
    }
}

/// Hears until the store is closed, or the connection is lost.
fn hear(url: &str, outlet: &Outlet, out: &mpsc::Sender<Notice>) -> Result<(), crate::Error> {
    let mut link = Postgres::connect(url)?;
    link.script(&format!("listen {CHANNEL}"))?;
    outlet.listening.store(true, Ordering::Relaxed);
    // Whatever was told before this moment was missed.
    let mut missed = true;
    let mut silences = 0;
    while !outlet.is_closed() && !out.is_closed() {
        if missed {
            missed = out.try_send(Notice::Everything).is_err();
        }
        let heard = link
            .heard(LISTEN)
            .ok_or_else(|| crate::Error::Unavailable("the connection was lost".to_owned()))?;
        silences = if heard.is_empty() { silences + 1 } else { 0 };
        if silences >= SILENCES_MAX {
            link.script("select 1")?;
            silences = 0;
        }
        let own = outlet.teller.load(Ordering::Relaxed);
        let foreign = heard
            .iter()
            .filter(|(process, _)| *process != own)
            .map(|(_, text)| Notice::parse(text));
        // Many notices about one thing are one.
        for notice in foreign.collect::<BTreeSet<_>>() {
            missed |= out.try_send(notice).is_err();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        let task = TaskId::from_bits([7; 16]);
        let workspace = WorkspaceId::from_bits([7; 16]);
        for notice in [
            Notice::Everything,
            Notice::Servers,
            Notice::Queue,
            Notice::Task(task),
            Notice::Workspace(workspace),
        ] {
            assert_eq!(Notice::parse(notice.text()), notice);
        }
        assert_eq!(Notice::parse("of a later version"), Notice::Everything);
    }

    #[test]
    fn without_others_only_the_coming_is_told_and_a_heap_becomes_one() {
        let outlet = Outlet::new();
        outlet.tell(BTreeSet::from([Notice::Queue]));
        outlet.tell(BTreeSet::from([Notice::Servers]));
        assert_eq!(outlet.take(), Some(BTreeSet::from([Notice::Servers])));
        outlet.set_others(1);
        let tasks = |count: u8| (0..count).map(|n| Notice::Task(TaskId::from_bits([n; 16])));
        outlet.tell(tasks(64).collect());
        assert_eq!(outlet.take(), Some(tasks(64).collect()));
        outlet.tell(tasks(65).collect());
        assert_eq!(outlet.take(), Some(BTreeSet::from([Notice::Everything])));
        outlet.tell(BTreeSet::from([Notice::Queue]));
        outlet.close();
        assert_eq!(outlet.take(), Some(BTreeSet::from([Notice::Queue])));
        assert_eq!(outlet.take(), None);
    }
}
