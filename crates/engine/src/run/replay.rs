//! What was recorded is given again: each answer in its place, at its reading of the task's clock.

use super::{Run, sandbox_outcome};
use domain::task::Outcome;
use sandbox::Command;

impl Run<'_> {
    /// Gives the next recorded answer again, once the program has come to rest.
    pub(super) fn replay_next(&mut self) {
        while self.journal.is_replaying() && self.turns_open == 0 && self.ended.is_none() {
            let Some((delivery, sequence)) = self.journal.due() else {
                break;
            };
            if !self.calls.contains_key(&sequence) {
                let due = self.next_timer_ms.is_some_and(|t| t <= delivery.elapsed_ms);
                if !due {
                    self.ended = Some(Outcome::Failed(self.journal.stopped_short()));
                    break;
                }
                // A timer makes the call that was answered then: it fires first, as it did.
                self.next_timer_ms = None;
                self.clock.replay_to(delivery.elapsed_ms, delivery.now);
                self.command(Command::Advance {
                    now_ms: delivery.now.0,
                    elapsed_ms: delivery.elapsed_ms,
                });
                break;
            }
            let Some((delivery, call)) = self.journal.next() else {
                break;
            };
            let outcome = sandbox_outcome(&call.binding.tool, &call.status);
            self.clock.replay_to(delivery.elapsed_ms, delivery.now);
            let command = Command::Deliver {
                seq: sequence,
                now_ms: delivery.now.0,
                elapsed_ms: delivery.elapsed_ms,
                outcome,
            };
            self.calls.remove(&sequence);
            self.command(command);
        }
        let at_rest = self.turns_open == 0 && !self.journal.is_replaying();
        if at_rest && self.journal.owes_calls() && self.next_timer_ms.is_none() {
            self.ended
                .get_or_insert(Outcome::Failed(self.journal.stopped_short()));
        }
    }
}
