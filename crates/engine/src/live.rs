//! The tasks that this server runs right now: how to reach them, and what they are doing.

use crate::tasks::TaskView;
use domain::TaskId;
use domain::task::Lease;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::watch;

/// What a live task is doing, as waiters see it.
#[derive(Clone)]
pub(crate) enum Doing {
    /// Running, or asked about while other calls are under way.
    Busy,
    /// Waiting for a person and nothing else.
    Waiting(Arc<TaskView>),
    /// Ended.
    Finished(Arc<TaskView>),
    /// No longer run by this server; the database knows more.
    Released,
}

/// What may be said to a live task.
#[derive(Clone, Copy, Default)]
pub(crate) struct Signals {
    /// It is to end.
    pub(crate) cancel: bool,
    /// The server is going down: come to rest and leave it to others.
    pub(crate) shutdown: bool,
    /// Another server has it: nothing may be written or sent any more.
    pub(crate) lost: bool,
    /// Rises when an approval of it was answered.
    pub(crate) answers: u64,
}

/// A live task.
pub(crate) struct Live {
    pub(crate) doing: watch::Sender<Doing>,
    pub(crate) signals: watch::Sender<Signals>,
    /// The lease under which it runs, once there is one.
    lease: OnceLock<Lease>,
}

impl Live {
    /// It runs under this lease.
    pub(crate) fn has(&self, lease: &Lease) {
        // A run has one lease: a task that is claimed again is another live task.
        let _first = self.lease.set(lease.clone());
    }
}

/// All live tasks of this server.
#[derive(Default)]
pub(crate) struct Registry {
    tasks: Mutex<HashMap<TaskId, Arc<Live>>>,
}

impl Registry {
    /// Enters a task. It stays until it is left.
    pub(crate) fn enter(&self, id: &TaskId) -> Arc<Live> {
        let live = Arc::new(Live {
            doing: watch::channel(Doing::Busy).0,
            signals: watch::channel(Signals::default()).0,
            lease: OnceLock::new(),
        });
        let before = self.lock().insert(id.clone(), Arc::clone(&live));
        if let Some(before) = before {
            // Whoever runs it anew can only do so because the run before has lost it.
            before.signals.send_modify(|s| s.lost = true);
        }
        live
    }

    /// Takes a task out, unless another run of it has been entered since.
    pub(crate) fn leave(&self, id: &TaskId, live: &Arc<Live>) {
        let mut tasks = self.lock();
        if tasks.get(id).is_some_and(|l| Arc::ptr_eq(l, live)) {
            tasks.remove(id);
        }
    }

    pub(crate) fn get(&self, id: &TaskId) -> Option<Arc<Live>> {
        self.lock().get(id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Live>> {
        self.lock().values().cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The live tasks that run under a lease, with it.
    pub(crate) fn held(&self) -> Vec<(Lease, Arc<Live>)> {
        let tasks = self.lock();
        let held = tasks.values().filter_map(|live| {
            let lease = live.lease.get()?.clone();
            Some((lease, Arc::clone(live)))
        });
        held.collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, Arc<Live>>> {
        self.tasks.lock().unwrap_or_else(|e| e.into_inner())
    }
}
