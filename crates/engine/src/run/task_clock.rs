//! The task's own time: how long it has run, not counting the time a person is asked.
//!
//! Limits on wall time and the program's timers run on it; the program's date does not. It stands
//! still while an approval is pending and while recorded answers are given again.

use domain::Timestamp;

pub(super) struct TaskClock {
    elapsed_ms: u64,
    running_since: Option<Timestamp>,
    /// The latest date given to the program: it never goes back, whatever the machine's clock does.
    shown: Timestamp,
}

impl TaskClock {
    pub(super) fn standing(elapsed_ms: u64, shown: Timestamp) -> Self {
        Self {
            elapsed_ms,
            running_since: None,
            shown,
        }
    }

    pub(super) fn elapsed_ms(&self, now: Timestamp) -> u64 {
        self.elapsed_ms + self.running_since.map_or(0, |since| now.since(since))
    }

    pub(super) fn is_running(&self) -> bool {
        self.running_since.is_some()
    }

    pub(super) fn run(&mut self, now: Timestamp) {
        self.running_since.get_or_insert(now);
    }

    pub(super) fn stand(&mut self, now: Timestamp) {
        self.elapsed_ms = self.elapsed_ms(now);
        self.running_since = None;
    }

    /// The date to give to the program now.
    pub(super) fn show(&mut self, now: Timestamp) -> Timestamp {
        self.shown = self.shown.max(now);
        self.shown
    }

    /// Goes to where a recorded delivery left it.
    pub(super) fn replay_to(&mut self, elapsed_ms: u64, shown: Timestamp) {
        self.elapsed_ms = elapsed_ms;
        self.shown = shown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_does_not_count_and_dates_never_go_back() {
        let mut clock = TaskClock::standing(0, Timestamp(100));
        clock.run(Timestamp(100));
        assert_eq!(clock.elapsed_ms(Timestamp(150)), 50);
        clock.stand(Timestamp(150));
        assert_eq!(clock.elapsed_ms(Timestamp(9_000)), 50);
        clock.run(Timestamp(9_000));
        assert_eq!(clock.elapsed_ms(Timestamp(9_010)), 60);
        assert_eq!(clock.show(Timestamp(9_010)), Timestamp(9_010));
        assert_eq!(clock.show(Timestamp(5)), Timestamp(9_010));
    }
}
