//! Changing keys while serving: the master key, and the data key of an organization.
//!
//! A new master key wraps every data key anew in one transaction, so there is no state between. The
//! servers that have the one before find the new one sealed by it, until all of them have taken it
//! over. A new data key seals from then on; what older ones sealed is sealed anew bit by bit by the
//! one server that also removes what has outlived its time, and opens at every moment. Older data
//! keys stay: texts that were handed out may come back. Whatever is interrupted goes on by itself.

use super::{CHECK, HANDOVER, Keyring};
use crate::audit::by_person;
use crate::{Check, CheckStatus, Engine, Error};
use domain::access::{Caller, Permission, Scope};
use domain::credential::{Sealed, Secret};
use domain::{OrganizationId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::json;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use store::data_keys::{self, DataKey, SealedRow};
use vault::{MasterKey, Vault, WrappedKey};

/// Facts that say which servers have taken a new master key over.
const TAKEN: &str = "vault_taken/";

/// The newest data key of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKeyView {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Its version, from 1.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether values that an older one sealed are still to be sealed anew.
    pub resealing: bool,
}

/// How the keys stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultView {
    /// What the master key is called.
    pub master_key: String,
    /// Whether servers are still to take the present master key over.
    pub handing_over: bool,
    /// The caller's organization's data key; none before anything was sealed.
    pub data_key: Option<DataKeyView>,
}

impl Keyring {
    /// Takes the present master key over from the one that this server has, where it was changed.
    pub(super) async fn learn_master(&self) -> Result<(), Error> {
        let system = self.system;
        let handover = self
            .store
            .read(move |r| Ok::<_, Error>(store::meta::get(r, system, HANDOVER)?))
            .await?;
        let Some(sealed) = handover else {
            return Ok(());
        };
        let masters = self.masters();
        let taken = masters.iter().find_map(|m| m.take_over(&sealed).ok());
        if let Some(taken) = taken {
            self.put_first(taken);
        }
        Ok(())
    }

    fn put_first(&self, vault: Vault) {
        let name = vault.fingerprint();
        let mut masters = self.masters.write().unwrap_or_else(PoisonError::into_inner);
        match masters.iter().position(|m| m.fingerprint() == name) {
            Some(at) => masters[..=at].rotate_right(1),
            None => masters.insert(0, Arc::new(vault)),
        }
    }

    /// Makes the next data key of an organization, or finds that another server has made it.
    pub(super) async fn make_data_key(
        &self,
        organization_id: &OrganizationId,
        version: u32,
    ) -> Result<Arc<[DataKey]>, Error> {
        for again in [true, false] {
            let master = self.master()?;
            let wrapped = master
                .new_data_key(organization_id)
                .map_err(|e| Error::internal(&e))?;
            let (system, wanted, wrapping) = (self.system, organization_id.clone(), master);
            let local = self.clock.now();
            let kept = self
                .store
                .write(move |tx| {
                    // Nobody changes the master key until this is committed.
                    let check = data_keys::lock_check(tx, system, CHECK)?.unwrap_or_default();
                    if wrapping.verify_check(&check).is_err() {
                        return Ok::<_, Error>(None);
                    }
                    let key = DataKey {
                        organization_id: wanted.clone(),
                        version,
                        wrapped: wrapped.0.clone(),
                        created_at: tx.now(local)?,
                    };
                    data_keys::insert(tx, system, &key)?;
                    Ok(Some(data_keys::of(tx, system, &wanted)?))
                })
                .await?;
            match kept {
                Some(keys) => return Ok(self.remember(organization_id, keys)),
                None if again => self.learn_master().await?,
                None => break,
            }
        }
        Err(Error::internal(&vault::Error::WrongMasterKey))
    }

    /// Values that an older data key sealed, sealed anew: some of them. True if there may be more.
    async fn reseal_some(&self, keys: &[DataKey]) -> Result<bool, Error> {
        let Some(newest) = keys.last().filter(|key| key.version > 1) else {
            return Ok(false);
        };
        let (system, organization, version) =
            (self.system, newest.organization_id.clone(), newest.version);
        let rows = self
            .store
            .read(move |r| {
                let found = data_keys::sealed_before(r, system, &organization, version)?;
                Ok::<_, Error>(found)
            })
            .await?;
        let mut resealed = 0;
        for row in &rows {
            let Some(now) = self.sealed_anew(row).await? else {
                tracing::warn!("a stored value does not open, and stays as it is");
                continue;
            };
            let row = row.clone();
            self.store
                .write(move |tx| Ok::<_, Error>(data_keys::reseal(tx, system, &row, &now)?))
                .await?;
            resealed += 1;
        }
        Ok(resealed > 0)
    }

    async fn sealed_anew(&self, row: &SealedRow) -> Result<Option<Vec<Sealed>>, Error> {
        let (scope, parts) = match row {
            SealedRow::Credential(scope, credential, sealed) => {
                if let Some(held) = super::stores::reference(sealed) {
                    return self.reference_anew(scope, credential, held).await;
                }
                let binding = credential.binding(scope.organization_id(), scope.workspace_id());
                (scope, vec![(binding, sealed)])
            }
            SealedRow::Webhook(scope, id, version, secrets) => {
                let binding = |version| crate::webhooks::binding(scope, id, version);
                let previous = secrets.previous.iter();
                let previous = previous.map(|s| (binding(version.saturating_sub(1)), s));
                let parts = std::iter::once((binding(*version), &secrets.current));
                (scope, parts.chain(previous).collect())
            }
            SealedRow::Client(scope, [issuer, _, client_id], sealed) => {
                let binding = crate::oauth::client_binding(scope, issuer, client_id);
                (scope, vec![(binding, sealed)])
            }
            SealedRow::AuditKey(scope, sealed) => {
                (scope, vec![(crate::audit::key_binding(scope), sealed)])
            }
            SealedRow::PushKey(scope, sealed) => {
                (scope, vec![(crate::push::key_binding(scope), sealed)])
            }
            SealedRow::Push(scope, id, sealed) => {
                (scope, vec![(crate::push::binding(scope, id), sealed)])
            }
        };
        let mut anew = Vec::with_capacity(parts.len());
        for (binding, sealed) in parts {
            let Ok(secret) = self.open_secret(scope, &binding, &sealed.0).await? else {
                return Ok(None);
            };
            anew.push(self.seal_secret(scope, &binding, &secret).await?);
        }
        Ok(Some(anew))
    }
}

impl Keyring {
    /// A reference to a value that is kept elsewhere, sealed anew. The value stays where it is.
    async fn reference_anew(
        &self,
        scope: &Scope,
        credential: &domain::credential::Credential,
        held: &str,
    ) -> Result<Option<Vec<Sealed>>, Error> {
        let binding = super::stores::reference_binding(scope, credential);
        let Ok(id) = self.open_secret(scope, &binding, held).await? else {
            return Ok(None);
        };
        let sealed = self.seal_secret(scope, &binding, &id).await?;
        Ok(Some(vec![super::stores::held(&sealed)]))
    }
}

impl Engine {
    /// Whether the master key is the right one and everybody has it, for `doctor`.
    pub(crate) async fn vault_check(&self) -> Check {
        let name = "master_key";
        let local = &self.inner.local.workspace;
        let system = self.inner.system;
        let scope = system.scope(local.organization_id.clone(), local.id.clone());
        let check = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::meta::get(r, system, CHECK)?))
            .await;
        let view = match self.vault_view(&scope).await {
            Ok(view) => view,
            Err(error) => return Check::new(name, CheckStatus::Problem, error.to_string()),
        };
        let fits = match (check, self.inner.credentials.master()) {
            (Ok(Some(check)), Ok(master)) => master.verify_check(&check).is_ok(),
            (_, _) => false,
        };
        let called = format!("{} opens what is sealed", view.master_key);
        if !fits {
            return Check {
                next_step: Some(
                    "Start with the master key that the database was last sealed with.".into(),
                ),
                ..Check::new(
                    name,
                    CheckStatus::Problem,
                    format!("{} is not the key of this database", view.master_key),
                )
            };
        }
        if view.handing_over {
            let message = format!("{called}; servers are still taking it over");
            return Check::new(name, CheckStatus::Warning, message);
        }
        Check::new(name, CheckStatus::Ok, called)
    }

    /// How the keys stand.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn vault_status(&self, caller: &Caller) -> BoxFuture<'_, Result<VaultView, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageOrganization)?;
            self.vault_view(&scope).await
        })
    }

    async fn vault_view(&self, scope: &Scope) -> Result<VaultView, Error> {
        let keyring = &self.inner.credentials;
        keyring.learn_master().await?;
        let (system, organization) = (self.inner.system, scope.organization_id().clone());
        let (handing_over, keys, left) = self
            .inner
            .store
            .read(move |r| {
                let handover = store::meta::get(r, system, HANDOVER)?;
                let keys = data_keys::of(r, system, &organization)?;
                let newest = keys.last().map_or(1, |key| key.version);
                let left = if newest > 1 {
                    data_keys::sealed_before(r, system, &organization, newest)?.len()
                } else {
                    0
                };
                Ok::<_, Error>((handover.is_some(), keys, left))
            })
            .await?;
        let data_key = keys.last().map(|newest| DataKeyView {
            organization_id: newest.organization_id.clone(),
            version: newest.version,
            created_at: newest.created_at,
            resealing: left > 0,
        });
        Ok(VaultView {
            master_key: keyring.master()?.fingerprint(),
            handing_over,
            data_key,
        })
    }

    /// Changes the master key: every data key is wrapped anew, in one step. For whoever runs the
    /// server. The key has to be given to every server before it starts again.
    ///
    /// # Errors
    /// `forbidden`; `invalid_master_key`; `conflict` while servers are still taking one over.
    pub fn rotate_master_key(
        &self,
        caller: &Caller,
        key: Secret,
    ) -> BoxFuture<'_, Result<VaultView, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = self.operator(&caller, "change the master key")?;
            let next = MasterKey::parse(key.expose())
                .map(Vault::new)
                .map_err(|e| Error::invalid("invalid_master_key", e.to_string()))?;
            let keyring = &self.inner.credentials;
            keyring.learn_master().await?;
            let present = keyring.master()?;
            if present.fingerprint() == next.fingerprint() {
                return Err(Error::invalid(
                    "invalid_master_key",
                    "this is the master key already in use",
                ));
            }
            let check = next.check_value().map_err(|e| Error::internal(&e))?;
            let handover = present.hand_over(&next).map_err(|e| Error::internal(&e))?;
            let next = Arc::new(next);
            let rotation = Rotation {
                scope: scope.clone(),
                caller,
                present,
                next: Arc::clone(&next),
                check,
                handover,
                now: self.inner.clock.now(),
            };
            let system = self.inner.system;
            self.commit(&scope, move |tx| rotation.write(tx, system))
                .await?;
            keyring.learn_master().await?;
            self.look_after_keys_here().await?;
            self.end_handover().await?;
            self.vault_view(&scope).await
        })
    }

    /// Makes a new data key for the caller's organization. What the one before sealed is sealed anew
    /// from then on, bit by bit.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn rotate_data_key(&self, caller: &Caller) -> BoxFuture<'_, Result<VaultView, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageOrganization)?;
            let keyring = &self.inner.credentials;
            let organization = scope.organization_id().clone();
            keyring.data_keys(&organization).await?;
            let keys = keyring.look_again(&organization).await?;
            let version = keys.last().map_or(1, |key| key.version + 1);
            keyring.make_data_key(&organization, version).await?;
            let (within, now) = (scope.clone(), self.inner.clock.now());
            self.commit(&scope, move |tx| {
                let detail = json!({ "before": version - 1, "after": version });
                let subject = within.organization_id().as_str();
                let entry = by_person(
                    &caller,
                    &within,
                    "vault.data_key_rotated",
                    subject,
                    &detail,
                    now,
                );
                store::audit::append(tx, &within, entry)?;
                Ok(())
            })
            .await?;
            // The rest goes on by the clock.
            let keys = keyring.look_again(&organization).await?;
            keyring.reseal_some(&keys).await?;
            self.vault_view(&scope).await
        })
    }

    /// Every server, by the clock: takes a new master key over and says that it has.
    pub(crate) async fn look_after_keys_here(&self) -> Result<(), Error> {
        let keyring = &self.inner.credentials;
        keyring.learn_master().await?;
        let (system, present) = (self.inner.system, keyring.master()?);
        let name = format!("{TAKEN}{}", self.inner.worker.owner());
        self.inner
            .store
            .write(move |tx| {
                if store::meta::get(tx, system, HANDOVER)?.is_some() {
                    store::meta::set(tx, system, &name, &present.fingerprint())?;
                }
                Ok::<_, Error>(())
            })
            .await
    }

    /// The one server that removes, by the clock: ends a handover that all have taken, and seals
    /// anew what older data keys sealed.
    pub(crate) async fn look_after_keys(&self) -> Result<(), Error> {
        self.end_handover().await?;
        let (system, keyring) = (self.inner.system, &self.inner.credentials);
        let all = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(data_keys::all(r, system)?))
            .await?;
        for keys in all.chunk_by(|a, b| a.organization_id == b.organization_id) {
            while keyring.reseal_some(keys).await? && !self.is_stopping() {}
        }
        Ok(())
    }

    /// Forgets the sealed master key once every server that lives has taken it over.
    async fn end_handover(&self) -> Result<(), Error> {
        let (system, own) = (self.inner.system, self.inner.worker.owner().to_owned());
        let present = self.inner.credentials.master()?.fingerprint();
        let lease_ms = self.inner.worker.sharing.lease_ms;
        let (local, shared) = (self.inner.clock.now(), self.inner.store.is_shared());
        self.inner
            .store
            .write(move |tx| {
                if store::meta::get(tx, system, HANDOVER)?.is_none() {
                    return Ok::<_, Error>(());
                }
                let now = tx.now(local)?;
                let mut living: HashSet<String> = HashSet::from([own.clone()]);
                if shared {
                    let servers = store::servers::list(tx, system)?.into_iter();
                    let lives = servers
                        .filter(|s| matches!(s.shown_state(now, lease_ms), "running" | "draining"));
                    living.extend(lives.map(|s| s.id));
                }
                for server in &living {
                    let taken = store::meta::get(tx, system, &format!("{TAKEN}{server}"))?;
                    if taken.as_deref() != Some(present.as_str()) {
                        return Ok(());
                    }
                }
                store::meta::remove(tx, system, HANDOVER)?;
                store::meta::remove_all(tx, system, TAKEN)?;
                Ok(())
            })
            .await
    }
}

/// Everything that a change of the master key writes.
struct Rotation {
    scope: Scope,
    caller: Caller,
    present: Arc<Vault>,
    next: Arc<Vault>,
    check: String,
    handover: String,
    now: Timestamp,
}

impl Rotation {
    fn write(&self, tx: &mut store::Tx<'_>, system: domain::access::System) -> Result<(), Error> {
        let check = data_keys::lock_check(tx, system, CHECK)?.unwrap_or_default();
        let busy = store::meta::get(tx, system, HANDOVER)?.is_some();
        if busy || self.present.verify_check(&check).is_err() {
            return Err(Error::conflict(
                "rotation_under_way",
                "another change of the master key is under way; try again in two minutes, when \
                 every server has taken it over",
            ));
        }
        let keys = data_keys::all(tx, system)?;
        for key in &keys {
            let before = WrappedKey(key.wrapped.clone());
            let after = self
                .present
                .rewrap(&key.organization_id, &before, &self.next)
                .map_err(|e| Error::internal(&e))?;
            let key = DataKey {
                wrapped: after.0,
                ..key.clone()
            };
            data_keys::rewrap(tx, system, &key)?;
        }
        store::meta::set(tx, system, CHECK, &self.check)?;
        store::meta::set(tx, system, HANDOVER, &self.handover)?;
        let detail = json!({
            "before": self.present.fingerprint(),
            "after": self.next.fingerprint(),
            "dataKeys": keys.len(),
        });
        let organization = self.scope.organization_id().as_str();
        let action = "vault.master_key_rotated";
        let entry = by_person(
            &self.caller,
            &self.scope,
            action,
            organization,
            &detail,
            self.now,
        );
        store::audit::append(tx, &self.scope, entry)?;
        Ok(())
    }
}
