//! Tells clients that the list of tools has changed: when sources came, went or were refreshed.
//!
//! One look at the database for each workspace in which somebody listens, however many they are,
//! when something happened there and once a second. It carries no truth: clients list again.

use super::sessions::Sessions;
use crate::App;
use domain::WorkspaceId;
use domain::access::Caller;
use rmcp::service::{Peer, RoleServer};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long a session that is over may be listened for, and somebody listen who may no longer and
/// would be told nothing.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The version of each catalog that somebody listens for.
#[derive(Default)]
pub(super) struct Changes {
    workspaces: Mutex<HashMap<WorkspaceId, watch::Sender<i64>>>,
}

impl Changes {
    /// Listens from now on.
    pub(super) fn listen(self: &Arc<Self>, app: &App, caller: &Caller) -> watch::Receiver<i64> {
        let mut workspaces = self.workspaces();
        if let Some(sender) = workspaces.get(&caller.workspace_id) {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(0);
        workspaces.insert(caller.workspace_id.clone(), sender.clone());
        let look = Arc::clone(self).look(app.clone(), caller.clone(), sender);
        tokio::spawn(look);
        receiver
    }

    /// Tells a session of every change until it is over. It is over, too, when its person has lost
    /// what they began it with.
    pub(super) fn tell(
        self: &Arc<Self>,
        app: &App,
        caller: &Caller,
        peer: Peer<RoleServer>,
        session: Option<(String, Arc<Sessions>)>,
    ) {
        let mut changes = self.listen(app, caller);
        let (app, caller) = (app.clone(), caller.clone());
        tokio::spawn(async move {
            while !peer.is_transport_closed() && !app.closing.is_cancelled() {
                let changed = tokio::time::timeout(LOOK_AGAIN, changes.changed()).await;
                if matches!(changed, Ok(Err(_))) {
                    return;
                }
                if !may_hear(&app, &caller).await {
                    if let Some((id, sessions)) = session {
                        sessions.close(&id).await;
                    }
                    return;
                }
                if changed.is_ok() {
                    let _gone = peer.notify_tool_list_changed().await;
                }
            }
        });
    }

    /// Looks for as long as anybody listens.
    async fn look(self: Arc<Self>, app: App, caller: Caller, sender: watch::Sender<i64>) {
        let Ok(mut watch) = app.engine.watch(&caller) else {
            return;
        };
        let mut known = None;
        loop {
            if let Ok(version) = app.engine.catalog_version(&caller).await {
                if known.is_some_and(|known| known != version) {
                    sender.send_replace(version);
                }
                known = Some(version);
            }
            {
                let mut workspaces = self.workspaces();
                if sender.receiver_count() == 0 || app.closing.is_cancelled() {
                    workspaces.remove(&caller.workspace_id);
                    return;
                }
            }
            tokio::select! {
                () = watch.changed() => {}
                () = app.closing.cancelled() => {}
            }
        }
    }

    fn workspaces(&self) -> MutexGuard<'_, HashMap<WorkspaceId, watch::Sender<i64>>> {
        self.workspaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody who began to listen still may. Where that cannot be told, nothing is lost by telling
/// them to list again: then they are asked who they are.
pub(super) async fn may_hear(app: &App, caller: &Caller) -> bool {
    !matches!(app.engine.renewed(caller, None).await, Ok(None))
}
