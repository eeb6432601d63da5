//! What the program logs: written in small batches while it runs, never twice after a crash.

use super::Run;
use crate::Error;
use domain::Timestamp;
use domain::access::Scope;
use domain::event::{EventKind, LogLevel};
use domain::task::Lease;

/// How long a logged line may wait for others before it is written.
pub(super) const LOG_FLUSH_MS: u64 = 20;
/// How many lines wait at most.
const LINES_MAX: usize = 200;

/// Lines that the program logged and that are not written yet.
#[derive(Default)]
pub(super) struct Logs {
    /// Lines the program has logged in this run.
    pub(super) lines: u32,
    pub(super) buffer: Vec<(u32, LogLevel, String)>,
    pub(super) since: Option<Timestamp>,
}

impl Run<'_> {
    pub(super) fn on_log(&mut self, level: sandbox::LogLevel, text: String) {
        self.logs.lines += 1;
        // A rebuilt program says again what is recorded already.
        if self.logs.lines > self.task.log_lines {
            let level = match level {
                sandbox::LogLevel::Debug => LogLevel::Debug,
                sandbox::LogLevel::Log => LogLevel::Log,
                sandbox::LogLevel::Info => LogLevel::Info,
                sandbox::LogLevel::Warn => LogLevel::Warn,
                sandbox::LogLevel::Error => LogLevel::Error,
            };
            // No database keeps a NUL character.
            self.logs
                .buffer
                .push((self.logs.lines, level, text.replace('\0', "\u{fffd}")));
            let now = self.now();
            self.logs.since.get_or_insert(now);
        }
    }

    pub(super) async fn flush_logs_if_due(&mut self) -> Result<(), Error> {
        let now = self.now();
        let due = self
            .logs
            .since
            .is_some_and(|s| now.since(s) >= LOG_FLUSH_MS)
            || self.logs.buffer.len() >= LINES_MAX;
        if !due {
            return Ok(());
        }
        self.write_all().await
    }

    pub(super) fn take_logs(&mut self) -> Vec<(u32, LogLevel, String)> {
        self.logs.since = None;
        let lines = std::mem::take(&mut self.logs.buffer);
        if let Some((line, ..)) = lines.last() {
            self.task.log_lines = *line;
        }
        lines
    }
}

/// Writes lines as events, and how many there are.
pub(super) fn write_logs(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    lease: &Lease,
    lines: &[(u32, LogLevel, String)],
    now: Timestamp,
) -> Result<(), Error> {
    let Some((last, ..)) = lines.last() else {
        return Ok(());
    };
    store::tasks::set_log_lines(tx, lease, *last)?;
    for (line, level, text) in lines {
        let kind = EventKind::Log {
            line: *line,
            level: *level,
            text: text.clone(),
        };
        store::events::append(tx, scope, Some(&lease.task_id), now, &kind)?;
    }
    Ok(())
}
