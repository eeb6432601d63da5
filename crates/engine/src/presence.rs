//! When members were last there: noted once in a while, for the list of members, and for nothing that
//! is decided.

use crate::{Engine, Error};
use domain::access::Caller;
use domain::{AccountId, OrganizationId, Timestamp};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long a note is good for: five minutes.
const NOTED_MS: i64 = 5 * 60_000;
/// Notes that are remembered at most before the old ones are let go of.
const REMEMBERED_MAX: usize = 10_000;

/// Who was noted when by this server, so that not every request writes.
#[derive(Default)]
pub(crate) struct Presence {
    noted: Mutex<HashMap<(OrganizationId, AccountId), Timestamp>>,
}

impl Presence {
    /// Whether somebody is to be noted now; then it counts as done.
    fn is_due(&self, who: &(OrganizationId, AccountId), now: Timestamp) -> bool {
        let before = now.plus_ms(-NOTED_MS);
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(who).is_some_and(|at| *at > before) {
            return false;
        }
        if noted.len() >= REMEMBERED_MAX {
            noted.retain(|_, at| *at > before);
        }
        noted.insert(who.clone(), now);
        true
    }
}

impl Engine {
    /// Notes that a request of this caller came, to five minutes. What cannot be noted is left out:
    /// nobody is refused for it.
    pub fn note_presence(&self, caller: &Caller) -> BoxFuture<'_, ()> {
        let who = (caller.organization_id.clone(), caller.account_id.clone());
        Box::pin(async move {
            let now = self.inner.clock.now();
            if !self.inner.presence.is_due(&who, now) {
                return;
            }
            let system = self.inner.system;
            let before = now.plus_ms(-NOTED_MS);
            let noted: Result<(), Error> = self
                .inner
                .store
                .write(move |tx| {
                    let who = (&who.0, &who.1);
                    Ok(store::tenancy::touch_member(tx, system, who, now, before)?)
                })
                .await;
            if let Err(error) = noted {
                tracing::debug!("that somebody was there could not be noted: {error}");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_noted_once_in_a_while_and_everywhere_apart() {
        let presence = Presence::default();
        let at = |n: u8| {
            (
                OrganizationId::from_bits([n; 16]),
                AccountId::from_bits([1; 16]),
            )
        };
        let start = Timestamp(1_000);
        assert!(presence.is_due(&at(1), start));
        assert!(!presence.is_due(&at(1), start.plus_ms(NOTED_MS - 1)));
        assert!(presence.is_due(&at(2), start), "another organization");
        assert!(presence.is_due(&at(1), start.plus_ms(NOTED_MS)));
    }
}
