//! What a call carries to its server, and the one newer version of it: a token that is refused is
//! renewed beside the session, which goes on with it.

use crate::invoke::{Attachment, Credentials, Renew};
use crate::masking::Masks;
use domain::credential::Secret;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What opens a server to one call.
pub(super) struct Carried<'a> {
    /// What it is through all renewals, where it was granted.
    pub(super) grant: Option<String>,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    attachments: Arc<Vec<Attachment>>,
    renew: Option<Renew<'a>>,
    /// Everything that was carried: none of it may come back.
    known: Vec<(Arc<Vec<Attachment>>, Vec<Secret>)>,
}

impl<'a> Carried<'a> {
    pub(super) fn new(credentials: Credentials<'a>) -> Self {
        let attachments = Arc::new(credentials.attachments);
        let state = Mutex::new(State {
            known: vec![(Arc::clone(&attachments), credentials.hidden)],
            attachments,
            renew: credentials.renew,
        });
        Self {
            grant: credentials.grant,
            state,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Arc<Vec<Attachment>> {
        Arc::clone(&self.state().attachments)
    }

    /// Gets a newer version after the server has refused this one, once. False if there is none.
    pub(super) async fn renew(&self) -> bool {
        let renew = self.state().renew.take();
        let Some(renew) = renew else {
            return false;
        };
        let Some(newer) = renew().await else {
            return false;
        };
        let mut state = self.state();
        state.attachments = Arc::new(newer.attachments);
        let newest = Arc::clone(&state.attachments);
        state.known.push((newest, newer.hidden));
        true
    }

    /// Masks everything that was carried.
    pub(super) fn masks(&self) -> Masks {
        let mut masks = Masks::default();
        for (attachments, hidden) in &self.state().known {
            masks.also(attachments, hidden);
        }
        masks
    }
}
