//! The tasks that this server runs right now: how to reach them, and what they are doing.

use crate::tasks::TaskView;
use domain::TaskId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
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
    /// The server is going down: leave everything as it is recorded.
    pub(crate) shutdown: bool,
    /// Rises when an approval of it was answered.
    pub(crate) answers: u64,
}

/// A live task.
pub(crate) struct Live {
    pub(crate) doing: watch::Sender<Doing>,
    pub(crate) signals: watch::Sender<Signals>,
}

/// All live tasks of this server.
#[derive(Default)]
pub(crate) struct Registry {
    tasks: Mutex<HashMap<TaskId, Arc<Live>>>,
}

impl Registry {
    /// Enters a task. It stays until the guard is dropped.
    pub(crate) fn enter(&self, id: &TaskId) -> Arc<Live> {
        let live = Arc::new(Live {
            doing: watch::channel(Doing::Busy).0,
            signals: watch::channel(Signals::default()).0,
        });
        self.lock().insert(id.clone(), Arc::clone(&live));
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

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, Arc<Live>>> {
        self.tasks.lock().unwrap_or_else(|e| e.into_inner())
    }
}
