//! "Look again": wakes whoever watches a workspace. Carries no truth; that is in the database.

use domain::WorkspaceId;
use std::collections::HashMap;
use std::sync::Mutex;
use tokio::sync::watch;

#[derive(Default)]
pub(crate) struct Feed {
    workspaces: Mutex<HashMap<WorkspaceId, watch::Sender<u64>>>,
}

impl Feed {
    /// Tells every watcher of a workspace to look again.
    pub(crate) fn wake(&self, workspace: &WorkspaceId) {
        let mut workspaces = self.workspaces.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(sender) = workspaces.get(workspace) {
            if sender.receiver_count() == 0 {
                workspaces.remove(workspace);
            } else {
                sender.send_modify(|n| *n = n.wrapping_add(1));
            }
        }
    }

    /// Tells every watcher of every workspace to look again.
    pub(crate) fn wake_all(&self) {
        let watched: Vec<WorkspaceId> = {
            let workspaces = self.workspaces.lock().unwrap_or_else(|e| e.into_inner());
            workspaces.keys().cloned().collect()
        };
        for workspace in watched {
            self.wake(&workspace);
        }
    }

    /// Watches a workspace from now on.
    pub(crate) fn watch(&self, workspace: &WorkspaceId) -> watch::Receiver<u64> {
        let mut workspaces = self.workspaces.lock().unwrap_or_else(|e| e.into_inner());
        workspaces
            .entry(workspace.clone())
            .or_insert_with(|| watch::channel(0).0)
            .subscribe()
    }
}
