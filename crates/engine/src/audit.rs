//! The audit chain: list and verify. It is written with every change, by whoever makes the change.

use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope};
use domain::audit::{AuditDraft, AuditEntry, GENESIS};
use domain::{AuditId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// Entries read at once while verifying.
const PAGE: u32 = 1_000;

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only actions that begin with this.
    pub action: Option<String>,
    /// Only about this.
    pub subject: Option<String>,
    /// Only entries before this one.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

/// Whether the chain holds.
#[derive(Debug, Clone)]
pub struct AuditVerification {
    /// How many entries were checked.
    pub entries: i64,
    /// Hash of the last good entry.
    pub head: String,
    /// The first bad entry, and what is wrong with it.
    pub first_bad: Option<(i64, String)>,
}

impl Engine {
    /// Lists audit entries, the newest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn audit(
        &self,
        caller: &Caller,
        query: AuditQuery,
    ) -> BoxFuture<'_, Result<Vec<AuditEntry>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ReadAudit)?;
            let filter = store::audit::AuditFilter {
                action_prefix: query.action,
                subject: query.subject,
                before: query.before,
                limit: query.limit,
            };
            self.inner
                .store
                .read(move |r| Ok(store::audit::list(r, &scope, &filter)?))
                .await
        })
    }

    /// Checks the whole chain of the caller's organization.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn verify_audit(&self, caller: &Caller) -> BoxFuture<'_, Result<AuditVerification, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ReadAudit)?;
            let mut last: Option<AuditEntry> = None;
            loop {
                let after = last.as_ref().map_or(0, |e| e.sequence);
                let wanted = scope.clone();
                let page = self
                    .inner
                    .store
                    .read(move |r| Ok::<_, Error>(store::audit::page(r, &wanted, after, PAGE)?))
                    .await?;
                let count = page.len();
                for entry in page {
                    if let Err(problem) = entry.verify(last.as_ref()) {
                        return Ok(verification(last.as_ref(), Some((entry.sequence, problem))));
                    }
                    last = Some(entry);
                }
                if count < PAGE as usize {
                    break;
                }
            }
            // The head is kept beside the chain, so a tail that was cut off shows as well.
            let wanted = scope.clone();
            let head = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::audit::head(r, &wanted)?))
                .await?;
            let last_sequence = last.as_ref().map_or(0, |e| e.sequence);
            let cut = (head.0 != last_sequence).then(|| {
                (
                    last_sequence + 1,
                    format!(
                        "entries after {last_sequence} are missing: the chain had {}",
                        head.0
                    ),
                )
            });
            Ok(verification(last.as_ref(), cut))
        })
    }
}

fn verification(last: Option<&AuditEntry>, first_bad: Option<(i64, String)>) -> AuditVerification {
    AuditVerification {
        entries: last.map_or(0, |e| e.sequence),
        head: last.map_or_else(|| GENESIS.to_owned(), |e| e.hash.clone()),
        first_bad,
    }
}

/// An entry about something a person did.
pub(crate) fn by_person(
    caller: &Caller,
    scope: &Scope,
    action: &str,
    subject: &str,
    detail: &Value,
    at: Timestamp,
) -> AuditDraft {
    let mut detail = detail.clone();
    if let Some(key) = &caller.key_id {
        detail["key"] = json!(key);
    }
    if let Some(grant) = &caller.grant_id {
        detail["grant"] = json!(grant);
    }
    AuditDraft {
        id: AuditId::from_bits(entropy::bits()),
        workspace_id: scope.workspace_id().clone(),
        account_id: Some(caller.account_id.clone()),
        via: caller.channel.as_str().to_owned(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail: detail.to_string(),
        at,
    }
}

/// An entry about something the server did by itself.
pub(crate) fn by_server(
    scope: &Scope,
    action: &str,
    subject: &str,
    detail: &Value,
    at: Timestamp,
) -> AuditDraft {
    AuditDraft {
        id: AuditId::from_bits(entropy::bits()),
        workspace_id: scope.workspace_id().clone(),
        account_id: None,
        via: "server".to_owned(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail: detail.to_string(),
        at,
    }
}
