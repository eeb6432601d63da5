//! Which MCP sessions are open, whose they are, and how many there may be.
//!
//! A session of somebody else is "not found", so that nobody resumes another's stream. When there
//! are too many, the one that was silent for the longest is closed; its client starts anew.

use domain::{AccountId, WorkspaceId};
use rmcp::transport::streamable_http_server::SessionManager as _;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Sessions at once, of all people and of one.
const SESSIONS_MAX: usize = 1_000;
const OWN_SESSIONS_MAX: usize = 200;

/// How long a session may be silent.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(24 * 3_600);

pub(super) struct Sessions {
    manager: Arc<LocalSessionManager>,
    open: Mutex<HashMap<String, Session>>,
}

/// Whose a session is: a person's, in one workspace, so that a key of one reads nothing of another.
pub(super) type Owner = (AccountId, WorkspaceId);

struct Session {
    owner: Owner,
    used: Instant,
}

impl Sessions {
    pub(super) fn new(manager: Arc<LocalSessionManager>) -> Self {
        Self {
            manager,
            open: Mutex::default(),
        }
    }

    /// Notes that a session is used; whether it is open and the caller's own.
    pub(super) fn touch(&self, id: &str, caller: &Owner) -> bool {
        match self.open().get_mut(id) {
            Some(session) if session.owner == *caller => {
                session.used = Instant::now();
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn forget(&self, id: &str) {
        self.open().remove(id);
    }

    /// Notes a new session, and closes the most silent one if there are too many: of the same
    /// person if that one has too many, so that nobody can crowd the others out.
    pub(super) async fn opened(&self, id: String, owner: Owner) {
        let evicted = {
            let mut open = self.open();
            let session = Session {
                owner: owner.clone(),
                used: Instant::now(),
            };
            open.insert(id, session);
            let own = open.values().filter(|s| s.owner == owner).count();
            let evicted = if own > OWN_SESSIONS_MAX {
                most_silent(&open, |s| s.owner == owner)
            } else if open.len() > SESSIONS_MAX {
                most_silent(&open, |_| true)
            } else {
                None
            };
            evicted.inspect(|id| {
                open.remove(id);
            })
        };
        if let Some(id) = evicted {
            self.close(&id).await;
        }
    }

    /// Ends a session, and the streams of it.
    pub(super) async fn close(&self, id: &str) {
        self.forget(id);
        if let Err(error) = self.manager.close_session(&id.into()).await {
            tracing::debug!("a session was gone before it was closed: {error}");
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        // Nothing is left half done where a panic could poison it.
        self.open
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn most_silent(
    open: &HashMap<String, Session>,
    among: impl Fn(&Session) -> bool,
) -> Option<String> {
    let candidates = open.iter().filter(|(_, session)| among(session));
    let silent = candidates.min_by_key(|(_, session)| session.used);
    silent.map(|(id, _)| id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(n: u8) -> Owner {
        (
            AccountId::from_bits([n; 16]),
            WorkspaceId::from_bits([9; 16]),
        )
    }

    #[tokio::test]
    async fn sessions_are_their_owners_and_the_silent_one_goes_first() {
        let sessions = Sessions::new(Arc::default());
        for n in 0..SESSIONS_MAX {
            let owner = account(u8::try_from(n / 100).unwrap());
            sessions.opened(format!("s{n}"), owner).await;
        }
        assert!(sessions.touch("s0", &account(0)));
        assert!(!sessions.touch("s0", &account(1)));
        assert!(!sessions.touch("unknown", &account(0)));
        sessions.opened("one more".into(), account(50)).await;
        assert_eq!(sessions.open().len(), SESSIONS_MAX);
        assert!(sessions.touch("s0", &account(0)), "it was just used");
        assert!(
            !sessions.touch("s1", &account(0)),
            "it was silent the longest"
        );
        sessions.forget("s0");
        assert!(!sessions.touch("s0", &account(0)));
    }

    #[tokio::test]
    async fn who_opens_too_many_loses_their_own() {
        let sessions = Sessions::new(Arc::default());
        sessions.opened("other".into(), account(1)).await;
        for n in 0..=OWN_SESSIONS_MAX {
            sessions.opened(format!("s{n}"), account(2)).await;
        }
        assert!(sessions.touch("other", &account(1)), "nobody else's");
        assert!(!sessions.touch("s0", &account(2)));
        assert!(sessions.touch("s1", &account(2)));
        assert_eq!(sessions.open().len(), OWN_SESSIONS_MAX + 1);
    }
}
