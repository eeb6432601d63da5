//! A clock that moves only when nothing else can: the runtime calls [`SimClock::advance`] when it has
//! no work, and exactly one sleeper wakes.

use domain::Timestamp;
use engine::Clock;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Any date will do, so long as it is always the same.
const BEGIN: i64 = 1_800_000_000_000;

#[derive(Default)]
struct State {
    passed_ms: i64,
    sleeps: u64,
    sleepers: BTreeMap<(i64, u64), Waker>,
}

#[derive(Clone, Default)]
pub(crate) struct SimClock(Arc<Mutex<State>>);

impl SimClock {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the simulation began.
    pub(crate) fn passed_ms(&self) -> i64 {
        self.state().passed_ms
    }

    /// Goes to when the next sleeper is due, and wakes it; false if nobody sleeps.
    pub(crate) fn advance(&self) -> bool {
        let mut state = self.state();
        let Some(((due, _), waker)) = state.sleepers.pop_first() else {
            return false;
        };
        state.passed_ms = state.passed_ms.max(due);
        drop(state);
        waker.wake();
        true
    }

    /// Time passes that nobody notices: the machine was asleep.
    pub(crate) fn jump(&self, ms: i64) {
        self.state().passed_ms += ms;
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp(BEGIN + self.passed_ms())
    }

    fn sleep(&self, ms: u64) -> BoxFuture<'static, ()> {
        let mut state = self.state();
        state.sleeps += 1;
        let ms = i64::try_from(ms).unwrap_or(i64::MAX / 2);
        let key = (state.passed_ms.saturating_add(ms), state.sleeps);
        drop(state);
        Box::pin(Sleep {
            clock: self.clone(),
            key,
        })
    }
}

struct Sleep {
    clock: SimClock,
    key: (i64, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state();
        if state.passed_ms >= self.key.0 {
            state.sleepers.remove(&self.key);
            return Poll::Ready(());
        }
        state.sleepers.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.state().sleepers.remove(&self.key);
    }
}
