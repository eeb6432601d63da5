//! Checkpoints: how far the chain went, signed, on demand and by the clock; and the end of entries
//! that an organization keeps no longer.
//!
//! The signing key is the organization's own, made when it is first needed and kept sealed like a
//! credential. A checkpoint kept elsewhere shows a tail that was cut off and a chain that was written
//! anew. Entries go from the beginning alone, and a signed anchor stands in their stead.

use super::by_person;
use super::by_server;
use crate::{Check, CheckStatus, Engine, Error};
use domain::Timestamp;
use domain::access::{Caller, Permission, Scope};
use domain::audit::{Chain, Checkpoint, CheckpointKind, Fault, GENESIS, Wrong};
use domain::credential::{Sealed, Secret};
use futures_util::future::BoxFuture;
use serde_json::json;
use vault::Notary;

/// A checkpoint is made by itself after so many entries, or after so long.
const ENTRIES_BETWEEN: i64 = 10_000;
const MS_BETWEEN: i64 = 24 * 3_600_000;
/// The fewest days for which entries may be kept: an attack is often noticed late.
const KEPT_DAYS_MIN: u32 = 30;
const KEPT_DAYS_MAX: u32 = 36_500;
/// Entries at the end of the chain that `doctor` looks at.
const TAIL: i64 = 1_000;
const DAY_MS: i64 = 24 * 3_600_000;

/// How the chain stands, beside its entries.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The place and hash of the last entry, as the chain's head has it.
    pub head: (i64, String),
    /// In whose stead the chain goes on, where entries were removed.
    pub anchor: Option<Checkpoint>,
    /// The last checkpoint.
    pub last: Option<Checkpoint>,
    /// What checks the signatures, base64; none before the first is made.
    pub public_key: Option<String>,
}

/// For how long entries are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditKeeping {
    /// Days; zero for ever.
    pub days: u32,
}

/// What the ciphertext of the signing key is bound to.
pub(crate) fn key_binding(scope: &Scope) -> String {
    format!("audit signing key of {}", scope.organization_id())
}

impl Engine {
    /// How the chain stands, read at one instant.
    pub(crate) async fn audit_standing(&self, scope: &Scope) -> Result<Standing, Error> {
        use store::audit::checkpoints::{key, last};
        let scope = scope.clone();
        self.inner
            .store
            .read(move |r| {
                Ok(Standing {
                    head: store::audit::head(r, &scope)?,
                    anchor: last(r, &scope, CheckpointKind::Anchor)?,
                    last: last(r, &scope, CheckpointKind::Head)?,
                    public_key: key(r, &scope)?.map(|(public, _)| public),
                })
            })
            .await
    }

    /// The key that signs the organization's checkpoints, made if there is none yet.
    async fn notary(&self, scope: &Scope) -> Result<Notary, Error> {
        let find = || {
            let wanted = scope.clone();
            self.inner.store.read(move |r| {
                let found = store::audit::checkpoints::key(r, &wanted)?;
                Ok::<_, Error>(found)
            })
        };
        let mut found = find().await?;
        if found.is_none() {
            let seed = Notary::new_seed().map_err(|e| Error::internal(&e))?;
            let public = Notary::from_seed(&seed).map_err(|e| Error::internal(&e))?;
            let (public, text) = (public.public_key(), seed.expose().to_owned());
            let keys = &self.inner.credentials;
            let sealed = Sealed(keys.seal_text(scope, &key_binding(scope), text).await?);
            let (wanted, now) = (scope.clone(), self.inner.clock.now());
            self.inner
                .store
                .write(move |tx| {
                    store::audit::checkpoints::keep_key(tx, &wanted, &public, &sealed, now)?;
                    Ok::<_, Error>(())
                })
                .await?;
            // Another server may have been first.
            found = find().await?;
        }
        let keys = &self.inner.credentials;
        let seed: Option<Secret> = match found {
            None => None,
            Some((_, sealed)) => keys.open_text(scope, &key_binding(scope), &sealed.0).await,
        };
        let seed = seed.ok_or_else(|| Error::internal(&vault::Error::DoesNotOpen))?;
        Notary::from_seed(&seed).map_err(|e| Error::internal(&e))
    }

    fn signed(&self, notary: &Notary, scope: &Scope, place: (i64, String)) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            organization_id: scope.organization_id().clone(),
            kind: CheckpointKind::Head,
            sequence: place.0,
            hash: place.1,
            at: self.inner.clock.now(),
            public_key: notary.public_key(),
            signature: String::new(),
        };
        checkpoint.signature = notary.sign(checkpoint.message().as_bytes());
        checkpoint
    }

    /// Signs how far the chain has gone. That it was asked for is itself the entry it ends with.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn make_checkpoint(&self, caller: &Caller) -> BoxFuture<'_, Result<Checkpoint, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ReadAudit)?;
            let (within, now) = (scope.clone(), self.inner.clock.now());
            self.commit(&scope, move |tx| {
                let organization = within.organization_id().as_str();
                let detail = json!({});
                let entry = by_person(
                    &caller,
                    &within,
                    "audit.checkpoint",
                    organization,
                    &detail,
                    now,
                );
                store::audit::append(tx, &within, entry)?;
                Ok(())
            })
            .await?;
            self.checkpoint(&scope).await
        })
    }

    async fn checkpoint(&self, scope: &Scope) -> Result<Checkpoint, Error> {
        let notary = self.notary(scope).await?;
        let head = self.audit_standing(scope).await?.head;
        let checkpoint = self.signed(&notary, scope, head);
        let (within, kept) = (scope.clone(), checkpoint.clone());
        self.inner
            .store
            .write(move |tx| {
                store::audit::checkpoints::keep(tx, &within, &kept)?;
                Ok::<_, Error>(())
            })
            .await?;
        Ok(checkpoint)
    }

    /// The checkpoints of the chain, the oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn checkpoints(
        &self,
        caller: &Caller,
        from_sequence: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Checkpoint>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ReadAudit)?;
            self.inner
                .store
                .read(move |r| {
                    let found = store::audit::checkpoints::list(r, &scope, from_sequence, limit)?;
                    Ok(found)
                })
                .await
        })
    }

    /// For how long entries are kept.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn audit_keeping(&self, caller: &Caller) -> BoxFuture<'_, Result<AuditKeeping, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ReadAudit)?;
            self.inner
                .store
                .read(move |r| {
                    let days = store::audit::checkpoints::kept_days(r, &scope)?;
                    Ok(AuditKeeping { days })
                })
                .await
        })
    }

    /// Says for how many days the organization keeps entries: 30 to 36500, or 0 for ever.
    ///
    /// # Errors
    /// `forbidden` but for the owner; `invalid_retention`.
    pub fn keep_audit(
        &self,
        caller: &Caller,
        keeping: AuditKeeping,
    ) -> BoxFuture<'_, Result<AuditKeeping, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageOrganization)?;
            let days = keeping.days;
            if days != 0 && !(KEPT_DAYS_MIN..=KEPT_DAYS_MAX).contains(&days) {
                return Err(Error::invalid(
                    "invalid_retention",
                    format!(
                        "{days} is not between {KEPT_DAYS_MIN} and {KEPT_DAYS_MAX} days; 0 keeps \
                         audit entries for ever"
                    ),
                ));
            }
            let (within, now) = (scope.clone(), self.inner.clock.now());
            self.commit(&scope, move |tx| {
                let before = store::audit::checkpoints::kept_days(tx, &within)?;
                if before != days {
                    store::audit::checkpoints::keep_for(tx, &within, days)?;
                    let detail = json!({ "before": before, "after": days });
                    let organization = within.organization_id().as_str();
                    let entry = by_person(
                        &caller,
                        &within,
                        "audit.retention_changed",
                        organization,
                        &detail,
                        now,
                    );
                    store::audit::append(tx, &within, entry)?;
                }
                Ok(())
            })
            .await?;
            Ok(keeping)
        })
    }

    /// Makes the checkpoints that are due and removes entries that are kept no longer, of every
    /// organization. For the one server that removes.
    pub(crate) async fn look_after_audit(&self, now: Timestamp) -> Result<(), Error> {
        let system = self.inner.system;
        let organizations = self
            .inner
            .store
            .read(move |r| {
                let found = store::audit::checkpoints::organizations(r, system)?;
                Ok::<_, Error>(found)
            })
            .await?;
        for scope in organizations {
            let standing = self.audit_standing(&scope).await?;
            if is_due(&standing, now) {
                self.checkpoint(&scope).await?;
            }
            self.remove_outlived(&scope, now).await?;
        }
        Ok(())
    }

    /// Whether the end of the local organization's chain holds, for `doctor`. The whole is
    /// `executor audit verify`.
    pub(crate) async fn audit_check(&self) -> Check {
        let name = "audit";
        match self.audit_tail().await {
            Ok(Ok(message)) => Check::new(name, CheckStatus::Ok, message),
            Ok(Err(fault)) => Check {
                next_step: Some("executor audit verify".into()),
                ..Check::new(name, CheckStatus::Problem, fault.to_string())
            },
            Err(error) => Check::new(name, CheckStatus::Problem, error.to_string()),
        }
    }

    async fn audit_tail(&self) -> Result<Result<String, Fault>, Error> {
        let local = &self.inner.local.workspace;
        let system = self.inner.system;
        let scope = system.scope(local.organization_id.clone(), local.id.clone());
        let standing = self.audit_standing(&scope).await?;
        let anchor = standing.anchor.as_ref().map_or(0, |a| a.sequence);
        let (head, _) = standing.head;
        let first = (head - TAIL).max(anchor);
        let page = self
            .inner
            .store
            .read(move |r| {
                let page = store::audit::page(r, &scope, first, u32::MAX)?;
                Ok::<_, Error>(page)
            })
            .await?;
        let before = page.first().map(|e| e.previous_hash.clone());
        let mut chain = Chain::after(first, before.unwrap_or_else(|| GENESIS.to_owned()));
        for entry in &page {
            if let Err(fault) = chain.take(entry) {
                return Ok(Err(fault));
            }
        }
        if chain.sequence() < head {
            let last = chain.sequence();
            return Ok(Err(Fault {
                sequence: last + 1,
                wrong: Wrong::Missing,
                message: format!("entries after {last} are missing: the chain had {head}"),
            }));
        }
        let checkpoint = match &standing.last {
            None => "no checkpoint yet".to_owned(),
            Some(last) => format!(
                "the last checkpoint is at entry {} of {}",
                last.sequence,
                last.at.to_rfc3339()
            ),
        };
        Ok(Ok(format!("{head} entries; {checkpoint}")))
    }

    async fn remove_outlived(&self, scope: &Scope, now: Timestamp) -> Result<(), Error> {
        let within = scope.clone();
        let days = self
            .inner
            .store
            .read(move |r| {
                let days = store::audit::checkpoints::kept_days(r, &within)?;
                Ok::<_, Error>(days)
            })
            .await?;
        if days == 0 {
            return Ok(());
        }
        let before = now.plus_ms(-i64::from(days) * DAY_MS);
        let (mut removed, mut through) = (0, 0);
        while !self.is_stopping() {
            let within = scope.clone();
            let found = self
                .inner
                .store
                .read(move |r| {
                    let found = store::audit::checkpoints::outlived(r, &within, before)?;
                    Ok::<_, Error>(found)
                })
                .await?;
            let Some(place) = found else { break };
            through = place.0;
            let notary = self.notary(scope).await?;
            let mut anchor = self.signed(&notary, scope, place);
            anchor.kind = CheckpointKind::Anchor;
            anchor.signature = notary.sign(anchor.message().as_bytes());
            let within = scope.clone();
            removed += self
                .inner
                .store
                .write(move |tx| {
                    let gone = store::audit::checkpoints::remove_up_to(tx, &within, &anchor)?;
                    Ok::<_, Error>(gone)
                })
                .await?;
        }
        if removed > 0 {
            let within = scope.clone();
            self.commit(scope, move |tx| {
                let detail = json!({ "entries": removed, "through": through, "keptDays": days });
                let organization = within.organization_id().as_str();
                let entry = by_server(&within, "audit.removed", organization, &detail, now);
                store::audit::append(tx, &within, entry)?;
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

/// Whether a checkpoint is due: the chain went on, and far enough or for long enough.
fn is_due(standing: &Standing, now: Timestamp) -> bool {
    let (reached, _) = standing.head;
    match &standing.last {
        None => reached > 0,
        Some(last) => {
            let entries = reached - last.sequence;
            entries >= ENTRIES_BETWEEN || (entries > 0 && now.0 - last.at.0 >= MS_BETWEEN)
        }
    }
}
