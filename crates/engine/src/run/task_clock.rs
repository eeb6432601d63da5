//! The task's own time: how long it has run, not counting the time a person is asked.
//!
//! Limits on wall time and the program's timers run on it; the program's date does not. It stands
//! still while an approval is pending and while recorded answers are given again.
//!
//! The date is read from the machine with each delivery, which records it. Between two deliveries it
//! goes on with the task's own time, so that a timer that fires again in a rebuilt program reads
//! what it read before, however long no server ran.

use domain::Timestamp;

pub(super) struct TaskClock {
    elapsed_ms: u64,
    running_since: Option<Timestamp>,
    /// The date of the latest delivery, and the task's own time then. It never goes back, whatever
    /// the machine's clock does.
    shown: Timestamp,
    shown_at_ms: u64,
}

impl TaskClock {
    /// A clock that stands; `shown` was the date when the task's own time was `shown_at_ms`.
    pub(super) fn standing(elapsed_ms: u64, (shown, shown_at_ms): (Timestamp, u64)) -> Self {
        Self {
            elapsed_ms,
            running_since: None,
            shown,
            shown_at_ms,
        }
    }

    /// The date of the latest delivery, and the task's own time then.
    pub(super) fn latest_delivery(&self) -> (Timestamp, u64) {
        (self.shown, self.shown_at_ms)
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

    /// The date of a timer that fires now.
    pub(super) fn timer_date(&self, now: Timestamp) -> Timestamp {
        let since = self.elapsed_ms(now).saturating_sub(self.shown_at_ms);
        self.shown.plus_ms(i64::try_from(since).unwrap_or(i64::MAX))
    }

    /// The date of a delivery that is made now.
    pub(super) fn delivery_date(&mut self, now: Timestamp) -> Timestamp {
        self.shown = self.timer_date(now).max(now);
        self.shown_at_ms = self.elapsed_ms(now);
        self.shown
    }

    /// Goes to where a recorded delivery left it.
    pub(super) fn replay_to(&mut self, elapsed_ms: u64, shown: Timestamp) {
        self.elapsed_ms = elapsed_ms;
        self.shown = shown;
        self.shown_at_ms = elapsed_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_does_not_count_and_dates_never_go_back() {
        let mut clock = TaskClock::standing(0, (Timestamp(100), 0));
        clock.run(Timestamp(100));
        assert_eq!(clock.elapsed_ms(Timestamp(150)), 50);
        clock.stand(Timestamp(150));
        assert_eq!(clock.elapsed_ms(Timestamp(9_000)), 50);
        clock.run(Timestamp(9_000));
        assert_eq!(clock.elapsed_ms(Timestamp(9_010)), 60);
        assert_eq!(clock.delivery_date(Timestamp(9_010)), Timestamp(9_010));
        assert_eq!(clock.delivery_date(Timestamp(5)), Timestamp(9_010));
    }

    #[test]
    fn a_timer_reads_the_same_date_in_every_life() {
        let mut clock = TaskClock::standing(0, (Timestamp(100), 0));
        clock.run(Timestamp(100));
        clock.delivery_date(Timestamp(150));
        assert_eq!(clock.timer_date(Timestamp(170)), Timestamp(170));
        // The server was gone for a day before the timer.
        let mut rebuilt = TaskClock::standing(0, (Timestamp(100), 0));
        rebuilt.replay_to(50, Timestamp(150));
        rebuilt.run(Timestamp(90_000_000));
        assert_eq!(rebuilt.timer_date(Timestamp(90_000_020)), Timestamp(170));
        assert_eq!(
            rebuilt.delivery_date(Timestamp(90_000_030)),
            Timestamp(90_000_030)
        );
    }
}
