//! What was recorded of a task before: answers its calls again, in the recorded order and at the
//! recorded times, and notices when the program takes another way.

use domain::call::{Call, CallStatus, Delivery};
use domain::canonical::sha256_hex;
use domain::task::TaskError;
use std::collections::{BTreeMap, VecDeque};

use crate::gate::Wanted;

pub(super) struct Journal {
    calls: BTreeMap<u32, Call>,
    deliveries: VecDeque<(Delivery, u32)>,
    /// Calls that the program has made again.
    seen: u32,
}

impl Journal {
    pub(super) fn new(calls: Vec<Call>) -> Self {
        let mut deliveries: Vec<(Delivery, u32)> = calls
            .iter()
            .filter_map(|c| Some((c.delivery?, c.binding.sequence)))
            .collect();
        deliveries.sort_by_key(|(d, _)| d.order);
        let calls = calls.into_iter().map(|c| (c.binding.sequence, c)).collect();
        Self {
            calls,
            deliveries: deliveries.into(),
            seen: 0,
        }
    }

    /// The deliveries recorded in all; the next live one follows.
    pub(super) fn last_order(&self) -> u32 {
        self.deliveries.back().map_or(0, |(d, _)| d.order)
    }

    /// How many calls are recorded.
    pub(super) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// The recorded calls that were not answered to the program, in their order.
    pub(super) fn undelivered(&self) -> impl Iterator<Item = &Call> {
        self.calls.values().filter(|call| call.delivery.is_none())
    }

    /// The program goes on from where all that is recorded has happened.
    pub(super) fn skip_to_end(&mut self) {
        self.deliveries.clear();
        self.seen = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
    }

    /// Whether recorded answers are still to be given again.
    pub(super) fn is_replaying(&self) -> bool {
        !self.deliveries.is_empty()
    }

    /// When the next answer to give again was given, and to which call.
    pub(super) fn due(&self) -> Option<(Delivery, u32)> {
        self.deliveries.front().copied()
    }

    /// The next answer to give again.
    pub(super) fn next(&mut self) -> Option<(Delivery, &Call)> {
        let (delivery, sequence) = self.deliveries.pop_front()?;
        Some((delivery, self.calls.get(&sequence)?))
    }

    /// Whether recorded calls are still to be made again by the program.
    pub(super) fn owes_calls(&self) -> bool {
        (self.seen as usize) < self.calls.len()
    }

    /// The recorded call that a call is the repetition of, if there is one.
    ///
    /// # Errors
    /// `replay_diverged` when the program makes another call than it made then.
    pub(super) fn recorded(&mut self, wanted: &Wanted) -> Result<Option<&Call>, TaskError> {
        let Some(call) = self.calls.get(&wanted.sequence) else {
            return Ok(None);
        };
        let difference = if domain::tool::fold_path(&call.binding.tool)
            != domain::tool::fold_path(&wanted.path)
        {
            Some(format!(
                "it went to {} and now goes to {}",
                call.binding.tool, wanted.path
            ))
        } else if call.binding.arguments_digest != sha256_hex(wanted.arguments.as_bytes()) {
            Some(format!(
                "its arguments were {} and are now {}",
                cut(&call.arguments),
                cut(&wanted.arguments)
            ))
        } else if call.options != wanted.options {
            Some(format!(
                "its options were {} and are now {}",
                call.options, wanted.options
            ))
        } else {
            None
        };
        if let Some(difference) = difference {
            return Err(diverged(format!(
                "call {} differs: {difference}",
                wanted.sequence
            )));
        }
        self.seen += 1;
        Ok(Some(call))
    }

    /// The error of a program that ended or stopped where it once went on.
    pub(super) fn stopped_short(&self) -> TaskError {
        diverged(format!(
            "it made {} calls when it first ran and only {} of them now",
            self.calls.len(),
            self.seen
        ))
    }
}

fn diverged(what: String) -> TaskError {
    TaskError::new(
        "replay_diverged",
        format!("the task could not be rebuilt from its journal: {what}. Nothing was sent again"),
    )
}

fn cut(text: &str) -> String {
    const MAX: usize = 200;
    if text.chars().count() <= MAX {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(MAX).collect::<String>())
    }
}

/// The outcome of a recorded call, if it has one.
pub(crate) fn outcome_of(call: &Call) -> Option<CallStatus> {
    match &call.status {
        CallStatus::Waiting | CallStatus::Running | CallStatus::Unknown => None,
        CallStatus::Succeeded(_) | CallStatus::Failed(_) | CallStatus::Denied(_) => {
            Some(call.status.clone())
        }
    }
}
