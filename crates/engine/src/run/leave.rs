//! How a run leaves its task to another server: the program comes to rest, calls under way are
//! answered if they are quick, nothing new is begun, and what rests is kept beside the journal.
//!
//! Nothing of this is needed for the task to go on: at worst it is rebuilt from its journal.

use super::{End, Run};
use crate::Error;
use domain::Timestamp;
use futures_util::StreamExt;

impl Run<'_> {
    /// The server is going down.
    pub(super) fn begin_to_leave(&mut self) {
        let now = self.now();
        self.leaving_since.get_or_insert(now);
    }

    /// Whether the program rests, or had its time to come to rest.
    pub(super) fn settle_leaving(&self, since: Timestamp) -> Option<End> {
        let patience_ms = self.engine.inner.worker.sharing.drain_ms / 5;
        let overdue = self.now().since(since) >= patience_ms;
        (self.turns_open == 0 || overdue).then_some(End::LeftAsRecorded)
    }

    /// The program has made calls while it was being left. They are not begun: whoever goes on with
    /// it lets it make them again. Should it end after them, that end is not its last word.
    pub(super) fn leave_unmade(&mut self) {
        self.unheeded = true;
        self.ended = None;
    }

    /// Gives the task to whoever claims it, with the program as it rests where that can be kept; or
    /// puts it away until a person answers, where nothing else is to be done.
    pub(super) async fn leave(&mut self) -> Result<(), Error> {
        self.take_last_answers().await;
        self.inquire().await?;
        self.settle_undelivered();
        self.write_all().await?;
        let at_rest = self.turns_open == 0
            && !self.unheeded
            && !self.restoring
            && !self.journal.is_replaying()
            && !self.journal.owes_calls()
            && self.held.is_empty();
        if at_rest && self.has_pending_approval() && self.suspend().await? {
            return Ok(());
        }
        let kept = if at_rest { self.kept().await } else { None };
        let lease = self.lease.clone();
        self.commit(move |tx| Ok(store::tasks::release(tx, &lease, kept.as_deref())?))
            .await
    }

    /// Gives calls that are under way a little time to be answered.
    async fn take_last_answers(&mut self) {
        let patience_ms = self.engine.inner.worker.sharing.drain_ms * 3 / 10;
        let patience = self.engine.inner.clock.sleep(patience_ms);
        tokio::pin!(patience);
        while !self.in_flight.is_empty() {
            tokio::select! {
                biased;
                Some(done) = self.in_flight.next() => self.came(done),
                () = &mut patience => return,
            }
        }
    }
}
