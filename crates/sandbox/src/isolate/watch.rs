//! When a worker must be killed: measured from outside, whatever it says.
//!
//! Inside, a program that passes its compute limit is ended by the engine. Here
//! the worker itself is held to the sum of those limits by the kernel's clock
//! of its process, and must answer while programs run in it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::incident::IncidentKind;
use super::link::Link;
use super::wire::{Frame, Kind};

/// How often a worker with running programs is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// Processor time beyond its programs' limits after which a worker is killed.
const OVERSTAY_MS: u64 = 1_000;

/// Processor time as measured from outside and as reported from inside.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) since_ms: u64,
    pub(super) reported_ms: u64,
}

impl Link {
    /// Watches while programs run. Returns, with the reason, when the worker must be killed.
    pub(super) async fn watch(&self, silence_max: Duration) -> IncidentKind {
        let mut ping = Vec::new();
        Frame::write(&mut ping, Kind::Ping, 0, (0, 0), &[]);
        let mut silence = Duration::ZERO;
        let mut heard = self.heard.load(Ordering::Relaxed);
        loop {
            if !self.seats().values().any(|seat| seat.judge.in_turn()) {
                self.turns.notified().await;
                silence = Duration::ZERO;
            }
            // A worker that stopped reading must not stop the watch.
            let _ = tokio::time::timeout(WATCH_EVERY, self.write(&ping)).await;
            tokio::time::sleep(WATCH_EVERY).await;
            if self.overstays() {
                return IncidentKind::Overstayed;
            }
            let now = self.heard.load(Ordering::Relaxed);
            let quiet = now == heard && !self.held_up.load(Ordering::Relaxed);
            silence = if quiet {
                silence + WATCH_EVERY
            } else {
                Duration::ZERO
            };
            heard = now;
            if silence > silence_max {
                return IncidentKind::Silent;
            }
        }
    }

    fn overstays(&self) -> bool {
        let left_ms: u64 = self
            .seats()
            .values()
            .filter(|seat| seat.judge.in_turn())
            .map(|seat| seat.judge.compute_left_ms())
            .sum();
        let ledger = self.ledger();
        let Some(used_ms) = processor_time_ms(self.pid) else {
            return false;
        };
        let unexplained_ms = used_ms
            .saturating_sub(ledger.since_ms)
            .saturating_sub(ledger.reported_ms);
        // Making and clearing instances is the worker's own work, in proportion to the programs'.
        unexplained_ms > left_ms + OVERSTAY_MS + ledger.reported_ms / 2
    }

    /// Before a turn begins; the first after a rest opens a new page of the ledger.
    pub(super) fn note_turn(&self) {
        if !self.seats().values().any(|seat| seat.judge.in_turn()) {
            *self.ledger() = Ledger {
                since_ms: processor_time_ms(self.pid).unwrap_or(0),
                reported_ms: 0,
            };
            self.turns.notify_one();
        }
    }
}

/// Processor time of another process, from the kernel.
#[cfg(target_os = "linux")]
pub(crate) fn processor_time_ms(pid: u32) -> Option<u64> {
    // The process-wide clock of `pid`, as clock_getcpuclockid(3) builds it.
    let clock = (!(pid as libc::clockid_t) << 3) | 2;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the answer; an unknown clock is an error, not a fault.
    #[expect(unsafe_code, reason = "no safe wrapper reads another process's clock")]
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    (result == 0).then(|| time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000)
}

/// Other systems do not tell by such a clock: there, a worker is held to its answers alone.
#[cfg(not(target_os = "linux"))]
pub(crate) fn processor_time_ms(_pid: u32) -> Option<u64> {
    None
}
