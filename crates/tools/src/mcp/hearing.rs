//! Whom a call of a server can turn to while it is under way, and how long it may take: the time in
//! which a person is asked does not count.

use domain::elicitation::Elicitation;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How often whoever waits for an answer looks whether a person is still asked.
const LOOK: Duration = Duration::from_secs(1);

/// Asks whoever runs the task: what the source asks, and what goes back by its own names for the
/// questions. A question whose future is dropped is taken back.
pub type McpAsk = Arc<dyn Fn(Elicitation) -> BoxFuture<'static, Map<String, Value>> + Send + Sync>;

/// Is told what a server says of a call while it is under way.
pub type McpTold = Arc<dyn Fn(McpNews) + Send + Sync>;

/// What a server says of a call, in a sentence. Its own words, cut to 300 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum McpNews {
    /// How far it is.
    Progress(String),
    /// It asked for something that it does not get, and why.
    Refused(String),
}

/// Whom a call can turn to.
#[derive(Clone)]
pub struct McpHearing {
    /// The task, by whatever name: what cannot be told apart within one task may be taken for each
    /// other, and never across tasks.
    pub task: String,
    /// Who is asked; none where this source may ask nobody.
    pub ask: Option<McpAsk>,
    /// Who is told.
    pub told: McpTold,
}

/// Until when a call may take.
pub(super) struct Patience(Mutex<State>);

struct State {
    deadline: Instant,
    /// Questions that are open.
    asking: u32,
    /// When the first of these was asked.
    since: Instant,
    /// Questions that were ever asked.
    asked: u32,
}

impl Patience {
    pub(super) fn until_deadline(deadline: Instant) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            deadline,
            asking: 0,
            since: deadline,
            asked: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when to wait before looking again; in the past, the time is up.
    pub(super) fn until(&self) -> Instant {
        let state = self.state();
        match state.asking {
            0 => state.deadline,
            _ => Instant::now() + LOOK,
        }
    }

    /// How many questions were asked so far, and whether one is open.
    pub(super) fn asked(&self) -> (u32, bool) {
        let state = self.state();
        (state.asked, state.asking > 0)
    }

    /// The clock stands from here until this is dropped.
    pub(super) fn stand(self: &Arc<Self>) -> Standing {
        let mut state = self.state();
        if state.asking == 0 {
            state.since = Instant::now();
        }
        state.asking += 1;
        state.asked += 1;
        Standing(Arc::clone(self))
    }

    /// Waits for something until the time is up.
    pub(super) async fn wait<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let mut what = std::pin::pin!(what);
        loop {
            match tokio::time::timeout_at(self.until(), &mut what).await {
                Ok(done) => return Some(done),
                Err(_) if self.until() > Instant::now() => {}
                Err(_) => return None,
            }
        }
    }
}

/// Time that does not count.
pub(super) struct Standing(Arc<Patience>);

impl Drop for Standing {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.asking -= 1;
        if state.asking == 0 {
            let stood = state.since.elapsed();
            state.deadline += stood;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_in_which_somebody_is_asked_does_not_count() {
        let patience = Patience::until_deadline(Instant::now());
        let never = std::future::pending::<u32>();
        assert_eq!(patience.wait(never).await, None, "the time is up");
        let standing = patience.stand();
        assert_eq!(patience.asked(), (1, true));
        let answered = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            drop(standing);
            7
        };
        assert_eq!(patience.wait(answered).await, Some(7), "the clock stood");
        assert_eq!(patience.asked(), (1, false));
        let never = std::future::pending::<u32>();
        assert_eq!(patience.wait(never).await, None, "and goes on");
    }
}
