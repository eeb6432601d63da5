//! A server among those that share one database, as it is known to the others.

use crate::Timestamp;

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// It takes tasks.
    Running,
    /// It gives its tasks to others and ends.
    Draining,
    /// It has ended in order.
    Stopped,
}

impl ServerState {
    /// The name stored in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }

    /// The state of a stored name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Running, Self::Draining, Self::Stopped]
            .into_iter()
            .find(|s| s.as_str() == name)
    }
}

/// One start of a server. What it says of itself, and when it last did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name, another at each start.
    pub id: String,
    /// The program's version.
    pub version: String,
    /// What it does.
    pub state: ServerState,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last heard of. Both on the clock that the servers share.
    pub seen_at: Timestamp,
    /// Digests of the engines whose tasks it can run.
    pub engines: Vec<String>,
}

impl Server {
    /// What to call its state now: one that neither ended nor was heard of for `lease_ms` is lost.
    #[must_use]
    pub fn shown_state(&self, now: Timestamp, lease_ms: i64) -> &'static str {
        let silent = now.since(self.seen_at) > lease_ms.unsigned_abs();
        match self.state {
            ServerState::Running | ServerState::Draining if silent => "lost",
            ServerState::Running | ServerState::Draining | ServerState::Stopped => {
                self.state.as_str()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silent_are_lost_unless_they_have_ended() {
        for (state, silent_ms, shown) in [
            (ServerState::Running, 100, "running"),
            (ServerState::Running, 101, "lost"),
            (ServerState::Draining, 100, "draining"),
            (ServerState::Draining, 101, "lost"),
            (ServerState::Stopped, 101, "stopped"),
        ] {
            let server = Server {
                id: "server_a".into(),
                version: "1".into(),
                state,
                started_at: Timestamp(0),
                seen_at: Timestamp(1_000),
                engines: Vec::new(),
            };
            assert_eq!(server.shown_state(Timestamp(1_000 + silent_ms), 100), shown);
            assert_eq!(ServerState::parse(state.as_str()), Some(state));
        }
    }
}
