//! What becomes of what was deleted: everything in it ends at once for whoever used it, nothing is
//! lost while it can be taken back, and then every row of it goes.
//!
//! Tasks are held: those that run come to rest, and none is handed out. The removal goes in steps of
//! a few hundred rows; whichever server makes a step, the next one goes on from there.

use crate::audit::by_server;
use crate::{Engine, Error};
use domain::limits::{GRACE_DAYS, GRACE_DAYS_MAX};
use domain::tenancy::Ending;
use domain::{AccountId, Timestamp};
use serde_json::{Value, json};

/// How soon after its start a server looks for what is to be removed, and how often then.
const FIRST_LOOK_MS: u64 = 3_000;
const LOOK_MS: u64 = 10_000;
/// The pause after each step.
const PAUSE_MS: u64 = 10;
/// How long an invite that does not work any more is still listed.
const INVITES_KEPT_MS: i64 = 30 * DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;

/// For how many days a deletion can be taken back: as many as are asked for, or the default.
///
/// # Errors
/// `invalid_grace` for more than there may be.
pub fn grace_of(days: Option<u32>) -> Result<u32, Error> {
    match days.unwrap_or(GRACE_DAYS) {
        days @ 0..=GRACE_DAYS_MAX => Ok(days),
        days => Err(Error::invalid(
            "invalid_grace",
            format!(
                "a deletion can be taken back for 0 to {GRACE_DAYS_MAX} days, not for {days}; 0 \
                 removes everything at once"
            ),
        )),
    }
}

/// A deletion that begins now.
pub(crate) fn ending(by: &AccountId, now: Timestamp, days: u32) -> Ending {
    Ending {
        deleted_at: now,
        deleted_by: by.clone(),
        purge_at: now.plus_ms(i64::from(days) * DAY_MS),
    }
}

/// What an audit entry tells of a deletion.
pub(crate) fn in_words(slug: &str, name: &str, ending: &Ending) -> Value {
    json!({ "slug": slug, "name": name, "purgeAt": ending.purge_at.to_rfc3339() })
}

/// Whoever deletes types the short name of what is to go, so that nothing is deleted in passing.
pub(crate) fn confirmed(what: &str, slug: &str, typed: Option<&str>) -> Result<(), Error> {
    if typed == Some(slug) {
        return Ok(());
    }
    Err(Error::invalid(
        "invalid_confirmation",
        format!("to delete the {what}, confirm with its short name, '{slug}'"),
    ))
}

impl Engine {
    /// What a deletion brings with it on this server.
    pub(crate) async fn after_deletion(&self, grace_days: u32) -> Result<(), Error> {
        self.hold_what_is_ending().await?;
        if grace_days == 0 {
            self.inner.worker.purge.notify_one();
        }
        Ok(())
    }

    /// What taking a deletion back brings with it: held tasks go on, and sources are read again.
    pub(crate) fn after_restoration(&self) {
        self.inner.worker.kick();
        self.inner.schedule.look();
    }

    /// Lets the tasks that this server runs in workspaces that were deleted come to rest.
    pub(crate) async fn hold_what_is_ending(&self) -> Result<(), Error> {
        let (system, owner) = (self.inner.system, self.inner.worker.owner().to_owned());
        let running = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::tenancy::running_in_ending(r, system, &owner)?))
            .await?;
        for id in running {
            if let Some(live) = self.inner.live.get(&id) {
                live.signals.send_modify(|s| s.shutdown = true);
            }
        }
        Ok(())
    }

    pub(crate) async fn purge_loop(self) {
        let mut wait_ms = FIRST_LOOK_MS;
        loop {
            tokio::select! {
                biased;
                () = self.stopping() => return,
                () = self.inner.worker.purge.notified() => {}
                () = self.inner.clock.sleep(wait_ms) => {}
            }
            wait_ms = LOOK_MS;
            if let Err(error) = self.purge_due().await {
                tracing::warn!("what was deleted could not be removed: {error}");
            }
        }
    }

    /// Removes everything whose time to be taken back is over.
    async fn purge_due(&self) -> Result<(), Error> {
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let stale = self
            .inner
            .store
            .read(move |r| {
                let now = r.now(local)?;
                let workspace = store::purge::workspace_due(r, system, now)?.is_some();
                let organization = store::purge::organization_due(r, system, now)?.is_some();
                Ok::<_, Error>(workspace || organization)
            })
            .await?;
        self.forget_invites().await?;
        if !stale {
            return Ok(());
        }
        while self.purge_step().await? && !self.is_stopping() {
            self.inner.clock.sleep(PAUSE_MS).await;
        }
        Ok(())
    }

    /// One step; whether there may be more.
    async fn purge_step(&self) -> Result<bool, Error> {
        let (system, local) = (self.inner.system, self.inner.clock.now());
        self.inner
            .store
            .write(move |tx| {
                let now = tx.now(local)?;
                if let Some(due) = store::purge::workspace_due(tx, system, now)? {
                    let id = due.scope.workspace_id();
                    if !store::purge::workspace_step(tx, system, id)? && !due.with_organization {
                        let detail = json!({ "slug": due.slug });
                        let action = "workspace.purged";
                        let entry = by_server(&due.scope, action, id.as_str(), &detail, now);
                        store::audit::append(tx, &due.scope, entry)?;
                    }
                    return Ok(true);
                }
                if let Some(due) = store::purge::organization_due(tx, system, now)? {
                    if !store::purge::organization_step(tx, system, &due.id)? {
                        tracing::info!(
                            organization.id = %due.id,
                            "an organization was deleted and is gone for good"
                        );
                    }
                    return Ok(true);
                }
                Ok::<_, Error>(false)
            })
            .await
    }

    async fn forget_invites(&self) -> Result<(), Error> {
        let (system, now) = (self.inner.system, self.inner.clock.now());
        let before = now.plus_ms(-INVITES_KEPT_MS);
        let old = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::invites::any_before(r, system, before)?))
            .await?;
        if old {
            self.inner
                .store
                .write(move |tx| Ok::<_, Error>(store::invites::forget_before(tx, system, before)?))
                .await?;
        }
        Ok(())
    }
}
