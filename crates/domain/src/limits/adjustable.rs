//! The limits that the administrators of a workspace may change, each within bounds that hold
//! whatever they set: those of one task, and the quotas and rates of a workspace.
//!
//! An error that is owed to one of them names it as it is called here, with its value.

use super::{APPROVAL_WAIT_MS_MAX, Limits, TIMEOUT_MS_MAX};
use crate::settings::Settings;

macro_rules! adjustable {
    ($($(#[$doc:meta])* $limit:ident, $name:literal, $default:expr, $lowest:expr, $highest:expr, $what:literal;)*) => {
        /// A limit that an administrator may change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum Limit {
            $($(#[$doc])* #[serde(rename = $name)] $limit,)*
        }

        impl Limit {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$limit),*];

            /// The stable name, as set, shown and named in errors.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$limit => $name,)* }
            }

            /// What holds where nothing is set.
            #[must_use]
            pub fn default_value(self) -> u64 {
                match self { $(Self::$limit => $default,)* }
            }

            /// The lowest and the highest that may be set.
            #[must_use]
            pub fn bounds(self) -> (u64, u64) {
                match self { $(Self::$limit => ($lowest, $highest),)* }
            }

            /// What it limits.
            #[must_use]
            pub fn describe(self) -> &'static str {
                match self { $(Self::$limit => $what,)* }
            }
        }
    };
}

adjustable! {
    /// Program text.
    SourceBytes, "sourceBytes", 256 << 10, 1 << 10, 512 << 10, "bytes of a program's text";
    /// Computing.
    ComputeMs, "computeMs", 30_000, 100, 300_000, "milliseconds a task may compute, waiting not counted";
    /// Heap.
    MemoryBytes, "memoryBytes", 64 << 20, 8 << 20, 256 << 20, "bytes of a task's memory";
    /// Time of a task.
    WallMs, "wallMs", 300_000, 1_000, TIMEOUT_MS_MAX, "milliseconds from a task's start to its end, not counting the time a person is asked, where the task does not say";
    /// Calls of a task.
    Calls, "calls", 1_000, 1, 10_000, "calls of a task";
    /// Calls at once.
    CallsInFlight, "callsInFlight", 32, 1, 128, "calls of a task that are under way at once";
    /// Log.
    LogBytes, "logBytes", 1 << 20, 1 << 10, 15 << 20, "bytes that a task may log";
    /// Inline result.
    InlineResultBytes, "inlineResultBytes", 1 << 20, 1 << 10, 4 << 20, "bytes of a result that is carried whole; a larger one becomes a handle";
    /// Tool result.
    ToolResultBytes, "toolResultBytes", 10 << 20, 1 << 10, 15 << 20, "bytes of what one tool may answer";
    /// Waiting for an answer.
    ApprovalWaitMs, "approvalWaitMs", 30 * 60_000, 1_000, APPROVAL_WAIT_MS_MAX, "milliseconds an approval waits, where its rule does not say";
    /// Open questions of a task.
    ApprovalsPending, "approvalsPending", 25, 1, 10_000, "approvals of a task that are pending at once";
    /// Questions of a task.
    ApprovalsPerMinute, "approvalsPerMinute", 240, 1, 100_000, "approvals that a task may ask for within a minute";
    /// Tasks under way.
    TasksActive, "tasksActive", 200_000, 1, 1_000_000, "tasks of the workspace that are queued or running at once";
    /// Tasks that wait for people.
    TasksWaiting, "tasksWaiting", 250_000, 1, 10_000_000, "tasks of the workspace that wait for people at once";
    /// Tasks of a day.
    TasksPerDay, "tasksPerDay", 5_000_000, 1, 1_000_000_000, "tasks submitted to the workspace in a day (UTC)";
    /// Tasks of a day with one key.
    TasksPerDayPerKey, "tasksPerDayPerKey", 1_000_000, 1, 1_000_000_000, "tasks submitted with one API key in a day (UTC)";
    /// Open questions.
    WorkspaceApprovalsPending, "workspaceApprovalsPending", 500_000, 1, 10_000_000, "approvals of the workspace that are pending at once; while there are more, no task is taken";
    /// Sources.
    Sources, "sources", 500, 1, 10_000, "sources of the workspace";
    /// Requests to a workspace.
    RequestsPerSecond, "requestsPerSecond", 20_000, 1, 1_000_000, "requests to the workspace each second, on each server";
    /// Requests to a workspace at a stroke.
    RequestBurst, "requestBurst", 100_000, 1, 1_000_000, "requests to the workspace at a stroke, on each server";
    /// Requests of a person or key.
    RequestsPerSecondEach, "requestsPerSecondEach", 10_000, 1, 1_000_000, "requests of one key, or of one person without a key, each second, on each server";
    /// Requests of a key in a minute.
    RequestsPerMinutePerKey, "requestsPerMinutePerKey", 600_000, 1, 60_000_000, "requests of one API key or client's token each minute, on each server";
    /// Requests of a person or key at a stroke.
    RequestBurstEach, "requestBurstEach", 50_000, 1, 1_000_000, "requests of one key, or of one person without a key, at a stroke, on each server";
}

impl Limit {
    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|l| l.as_str() == text)
    }

    /// Whether it may be set to a value.
    #[must_use]
    pub fn allows(self, value: u64) -> bool {
        let (lowest, highest) = self.bounds();
        (lowest..=highest).contains(&value)
    }

    /// How an administrator changes it, for an error.
    #[must_use]
    pub fn how_to_raise(self) -> String {
        format!(
            "an administrator may raise it, up to {}: `executor workspaces settings --limit {}=N`",
            self.bounds().1,
            self.as_str()
        )
    }
}

impl Limits {
    /// The limits of a task in a workspace with these settings.
    #[must_use]
    pub fn under(settings: &Settings) -> Self {
        let small = |limit| u32::try_from(settings.limit(limit)).unwrap_or(u32::MAX);
        Self {
            source_bytes: settings.limit(Limit::SourceBytes),
            compute_ms: settings.limit(Limit::ComputeMs),
            memory_bytes: settings.limit(Limit::MemoryBytes),
            wall_ms: settings.limit(Limit::WallMs),
            calls: small(Limit::Calls),
            calls_in_flight: small(Limit::CallsInFlight),
            log_bytes: settings.limit(Limit::LogBytes),
            inline_result_bytes: settings.limit(Limit::InlineResultBytes),
            tool_result_bytes: settings.limit(Limit::ToolResultBytes),
            approval_wait_ms: settings.limit(Limit::ApprovalWaitMs),
            approvals_pending: small(Limit::ApprovalsPending),
            approvals_per_minute: small(Limit::ApprovalsPerMinute),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn each_has_a_name_of_its_own_and_a_default_within_its_bounds() {
        let names: BTreeSet<&str> = Limit::ALL.iter().map(|l| l.as_str()).collect();
        assert_eq!(names.len(), Limit::ALL.len());
        for limit in Limit::ALL {
            assert!(limit.allows(limit.default_value()), "{limit:?}");
            assert_eq!(Limit::parse(limit.as_str()), Some(*limit));
            let (lowest, highest) = limit.bounds();
            assert!(!limit.allows(lowest - 1) && !limit.allows(highest + 1));
            let json = serde_json::to_value(limit).unwrap();
            assert_eq!(json, limit.as_str(), "stored as it is called");
        }
    }

    #[test]
    fn nothing_set_is_the_default() {
        assert_eq!(Limits::under(&Settings::default()), Limits::default());
    }

    #[test]
    fn what_is_set_holds_within_the_bounds() {
        let limits = BTreeMap::from([(Limit::Calls, 7), (Limit::MemoryBytes, u64::MAX)]);
        let settings = Settings {
            limits,
            ..Settings::default()
        };
        let under = Limits::under(&settings);
        assert_eq!(under.calls, 7);
        assert_eq!(
            under.memory_bytes,
            Limit::MemoryBytes.bounds().1,
            "a value that was stored under wider bounds"
        );
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    }
}
