//! Every limit a task lives under: its name, default and maximum.

mod adjustable;

pub use adjustable::Limit;

/// The limits of one task. Made by [`Limits::default`] and narrowed by whoever submits it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of program text.
    pub source_bytes: u64,
    /// Milliseconds of computing, waiting not counted.
    pub compute_ms: u64,
    /// Bytes of memory of the program's heap.
    pub memory_bytes: u64,
    /// Milliseconds from start to end, not counting the time a person is asked.
    pub wall_ms: u64,
    /// Calls in all.
    pub calls: u32,
    /// Calls under way at once.
    pub calls_in_flight: u32,
    /// Bytes of log text.
    pub log_bytes: u64,
    /// Bytes of a result that is carried inline; a larger one becomes a handle.
    pub inline_result_bytes: u64,
    /// Bytes of what one tool may answer.
    pub tool_result_bytes: u64,
    /// Milliseconds an approval waits for its answer.
    pub approval_wait_ms: u64,
    /// Questions of one task that wait for a person at the same time.
    #[serde(skip_serializing_if = "is_usual_pending")]
    pub approvals_pending: u32,
    /// Questions that one task may ask within a minute.
    #[serde(skip_serializing_if = "is_usual_rate")]
    pub approvals_per_minute: u32,
}

/// Fields added later are stored only where they differ, so that a server of the version before can
/// read the row while both run.
const APPROVALS_PENDING: u32 = 25;
const APPROVALS_PER_MINUTE: u32 = 240;

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn is_usual_pending(count: &u32) -> bool {
    *count == APPROVALS_PENDING
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn is_usual_rate(count: &u32) -> bool {
    *count == APPROVALS_PER_MINUTE
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_bytes: 256 << 10,
            compute_ms: 30_000,
            memory_bytes: 64 << 20,
            wall_ms: 300_000,
            calls: 1_000,
            calls_in_flight: 32,
            log_bytes: 1 << 20,
            inline_result_bytes: 1 << 20,
            tool_result_bytes: 10 << 20,
            approval_wait_ms: 30 * 60_000,
            approvals_pending: APPROVALS_PENDING,
            approvals_per_minute: APPROVALS_PER_MINUTE,
        }
    }
}

/// Longest wait for an answer that a rule may set: 30 days.
pub const APPROVAL_WAIT_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// Most people whose yes a rule may demand.
pub const APPROVERS_NEEDED_MAX: u32 = 10;

/// Longest wall time that `execute` may ask for.
pub const TIMEOUT_MS_MAX: u64 = 600_000;

/// How long a sandbox is kept for a task whose only business is waiting for a person.
pub const HOLD_WINDOW_MS: u64 = 10_000;

/// How long a server may be silent before its tasks are taken over.
pub const LEASE_MS: i64 = 15_000;

/// Keys of one person in one workspace.
pub const KEYS_MAX: usize = 100;

/// Longest time for which a secret works on after its rotation: 30 days.
pub const KEY_OVERLAP_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// Members of one organization.
pub const MEMBERS_MAX: usize = 10_000;

/// Workspaces of one organization.
pub const WORKSPACES_MAX: usize = 1_000;

/// Organizations that one person is a member of.
pub const ORGANIZATIONS_MAX: usize = 100;

/// Invites of one organization that still work.
pub const INVITES_MAX: usize = 1_000;

/// People that one invite lets in.
pub const INVITE_USES_MAX: u32 = 1_000;

/// How long an invite works unless it says otherwise, and at most: 7 and 30 days.
pub const INVITE_MS: i64 = 7 * 24 * 3_600_000;
/// The longest time for which an invite works.
pub const INVITE_MS_MAX: i64 = 30 * 24 * 3_600_000;

/// Days for which a deleted organization or workspace can be taken back, unless the deletion says
/// otherwise, and at most.
pub const GRACE_DAYS: u32 = 30;
/// The most days for which a deletion can be taken back.
pub const GRACE_DAYS_MAX: u32 = 90;

/// How long a server that is asked to end may take to leave its tasks to others.
pub const DRAIN_MS: u64 = 10_000;
