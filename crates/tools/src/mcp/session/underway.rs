//! A server is told when nobody waits for its answer any more.

use super::super::wire::{self, Outbound};
use super::{Link, Session};
use serde_json::json;

/// A request whose answer somebody waits for. Where they stop waiting, the server is told.
pub(super) struct Underway {
    pub(super) link: Link,
    pub(super) told: Option<String>,
}

impl Underway {
    pub(super) fn of(session: &Session, out: &Outbound) -> Self {
        // Without sessions the end of the connection says it; a greeting is never taken back.
        let by_message = match &session.link {
            Link::Http(_) => !session.is_stateless(),
            Link::Events(_) | Link::Process(_) => true,
        };
        let params =
            json!({ "requestId": out.id, "reason": "nobody waits for the answer any more" });
        let told = (by_message && out.method != "initialize")
            .then(|| wire::notification("notifications/cancelled", Some(params)));
        Self {
            link: session.link.clone(),
            told,
        }
    }

    pub(super) fn is_over(&mut self) {
        self.told = None;
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let (Some(text), Ok(runtime)) = (self.told.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let link = self.link.clone();
        runtime.spawn(async move { drop(link.tell(text).await) });
    }
}
