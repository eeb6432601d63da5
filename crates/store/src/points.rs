//! The named points at which something becomes durable, and the faults that can be set at them.
//!
//! A function that writes names its point by `reached`; whoever commits takes the names. The
//! simulation shows them in its trace. In a development build [`arm`] makes the process end, as if
//! it were killed, just before or just after the commit that holds a point. No release has faults.

use std::cell::RefCell;

/// Every point, in the order in which a task passes them.
pub const POINTS: &[&str] = &[
    "task.submitted",
    "task.claimed",
    "call.recorded",
    "approval.asked",
    "approval.answered",
    "approval.extended",
    "approval.expired",
    "call.sent",
    "call.unknown",
    "call.waiting",
    "outcome.recorded",
    "task.suspended",
    "task.finished",
];

thread_local! {
    static REACHED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// The transaction under way on this thread passes a point.
pub(crate) fn reached(point: &'static str) {
    debug_assert!(POINTS.contains(&point), "{point} is no known point");
    REACHED.with_borrow_mut(|reached| reached.push(point));
}

/// How many points the transaction has passed.
pub(crate) fn count() -> usize {
    REACHED.with_borrow(Vec::len)
}

/// Forgets the points of a part that was undone.
pub(crate) fn undo_to(count: usize) {
    REACHED.with_borrow_mut(|reached| reached.truncate(count));
}

/// The points of a transaction that has ended.
pub(crate) fn take() -> Vec<&'static str> {
    REACHED.with_borrow_mut(std::mem::take)
}

/// The transaction is about to be made durable.
pub(crate) fn before_commit() {
    #[cfg(debug_assertions)]
    fault::strike(fault::Moment::Before);
}

/// The transaction is durable and nobody has been told.
pub(crate) fn after_commit() {
    #[cfg(debug_assertions)]
    fault::strike(fault::Moment::After);
}

#[cfg(debug_assertions)]
pub use fault::arm;

#[cfg(debug_assertions)]
mod fault {
    use super::{POINTS, REACHED};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum Moment {
        Before,
        After,
    }

    struct Fault {
        point: &'static str,
        moment: Moment,
        left: AtomicU32,
    }

    static ARMED: OnceLock<Fault> = OnceLock::new();

    /// Ends this process at the n-th commit that holds a point: `point:before:n` or `point:after:n`.
    ///
    /// # Errors
    /// When the text is none of these, or a fault is armed already.
    pub fn arm(text: &str) -> Result<(), String> {
        let expected = || {
            format!(
                "expected point:before:n or point:after:n with a point of {}, found {text}",
                POINTS.join(", ")
            )
        };
        let mut parts = text.split(':');
        let name = parts.next().ok_or_else(expected)?;
        let point = POINTS.iter().find(|p| **p == name).ok_or_else(expected)?;
        let moment = match parts.next() {
            Some("before") => Moment::Before,
            Some("after") => Moment::After,
            Some(_) | None => return Err(expected()),
        };
        let nth: u32 = parts
            .next()
            .and_then(|n| n.parse().ok())
            .filter(|n| *n > 0)
            .ok_or_else(expected)?;
        let fault = Fault {
            point,
            moment,
            left: AtomicU32::new(nth),
        };
        ARMED
            .set(fault)
            .map_err(|_| "a fault is armed already".to_owned())
    }

    pub(super) fn strike(moment: Moment) {
        let Some(fault) = ARMED.get().filter(|f| f.moment == moment) else {
            return;
        };
        let holds = REACHED.with_borrow(|reached| reached.contains(&fault.point));
        if holds && fault.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            // No destructor runs and nothing is flushed: the nearest to SIGKILL from inside.
            std::process::abort();
        }
    }
}
