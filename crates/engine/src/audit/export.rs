//! The whole chain of an organization, read in parts for whoever keeps or checks it elsewhere.
//!
//! Everything is of one moment: the entry that says it was exported is the last of it. What an
//! export looks like is the server's affair.

use super::{Standing, by_person};
use crate::{Engine, Error};
use domain::access::{Caller, Permission, Scope};
use domain::audit::{AuditEntry, Checkpoint};
use futures_util::future::BoxFuture;
use serde_json::json;

/// Entries, or checkpoints, read at once.
const PAGE: u32 = 500;

/// A part of an export.
#[derive(Debug)]
pub enum ExportPart {
    /// Entries that follow on those before.
    Entries(Vec<AuditEntry>),
    /// After the last entry: the checkpoints from where the export begins.
    Checkpoints(Vec<Checkpoint>),
}

/// An export under way.
pub struct AuditExport {
    engine: Engine,
    scope: Scope,
    /// How the chain stood when it began.
    pub standing: Standing,
    /// The entry after which it begins, and that one's hash.
    pub begins_after: (i64, String),
    next: i64,
    through: i64,
    over: bool,
}

impl AuditExport {
    /// The organization whose chain it is.
    #[must_use]
    pub fn organization_id(&self) -> &domain::OrganizationId {
        self.scope.organization_id()
    }

    /// The next part; none after the last.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn next_part(&mut self) -> BoxFuture<'_, Result<Option<ExportPart>, Error>> {
        Box::pin(async move {
            if self.over {
                return Ok(None);
            }
            let store = self.engine.inner.store.clone();
            let (scope, after, through) = (self.scope.clone(), self.next, self.through);
            if after >= through {
                self.over = true;
                // With the anchor that stands in the stead of what is before, where one does.
                let from = self.begins_after.0;
                let found = store
                    .read(move |r| {
                        let found = store::audit::checkpoints::list(r, &scope, from, u32::MAX)?;
                        Ok::<_, Error>(found)
                    })
                    .await?;
                let within = |c: &Checkpoint| c.sequence <= through;
                return Ok(Some(ExportPart::Checkpoints(
                    found.into_iter().filter(within).collect(),
                )));
            }
            let mut page = store
                .read(move |r| Ok::<_, Error>(store::audit::page(r, &scope, after, PAGE)?))
                .await?;
            page.retain(|entry| entry.sequence <= through);
            // Entries that are missing are for the verifier to notice.
            self.next = page.last().map_or(through, |last| last.sequence);
            Ok(Some(ExportPart::Entries(page)))
        })
    }
}

impl Engine {
    /// Begins to export the chain of the caller's organization after an entry, 0 for all of it.
    /// `format` is what the entry calls it.
    ///
    /// # Errors
    /// `forbidden`; `invalid_after` for an entry that is not there.
    pub fn export_audit(
        &self,
        caller: &Caller,
        after: i64,
        format: &'static str,
    ) -> BoxFuture<'_, Result<AuditExport, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ReadAudit)?;
            let before = self.audit_standing(&scope).await?;
            let begins_after = self.place_after(&scope, &before, after).await?;
            let (within, now) = (scope.clone(), self.inner.clock.now());
            self.commit(&scope, move |tx| {
                let detail = json!({ "format": format, "after": after });
                let organization = within.organization_id().as_str();
                let entry = by_person(
                    &caller,
                    &within,
                    "audit.exported",
                    organization,
                    &detail,
                    now,
                );
                Ok(store::audit::append(tx, &within, entry)?)
            })
            .await?;
            let standing = self.audit_standing(&scope).await?;
            Ok(AuditExport {
                engine: self.clone(),
                // The entry that tells of the export is the last of it, or near.
                through: standing.head.0,
                standing,
                scope,
                next: begins_after.0,
                begins_after,
                over: false,
            })
        })
    }

    /// The place after which an export begins, with its hash.
    async fn place_after(
        &self,
        scope: &Scope,
        standing: &Standing,
        after: i64,
    ) -> Result<(i64, String), Error> {
        let chain = standing.begin();
        if after <= chain.sequence() {
            return Ok((chain.sequence(), chain.hash().to_owned()));
        }
        let within = scope.clone();
        let found = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::audit::page(r, &within, after - 1, 1)?))
            .await?;
        match found.into_iter().next().filter(|e| e.sequence == after) {
            Some(entry) => Ok((entry.sequence, entry.hash)),
            None => Err(Error::invalid(
                "invalid_after",
                format!("the chain has no entry {after} to begin after"),
            )),
        }
    }
}
