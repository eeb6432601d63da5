//! The keys that seal: the master key, and the data keys of every organization.
//!
//! What is sealed names the version of its data key, data keys are kept wrapped by the master key,
//! and both are changed while serving: the highest version seals, the others open. A server that
//! meets a key it does not know looks again, so none has to be told. `keyring/rotation.rs` changes
//! keys; nothing here knows what a value is for. Every use names the organization and a binding, and
//! text that stands elsewhere, or in another organization, does not open.

mod rotation;
mod stores;

pub use rotation::{DataKeyView, VaultView};

use crate::{Clock, Error};
use domain::access::{Scope, System};
use domain::credential::{Credential, Sealed, Secret};
use domain::{CredentialId, OrganizationId, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use store::data_keys::{self, DataKey};
use stores::{Managed, Outside, Place};
use vault::{Vault, WrappedKey};

/// How often it is noted that a credential is in use.
const TOUCH_MS: u64 = 60_000;

/// The fact that tells whether a master key is the right one.
const CHECK: &str = "vault_check";

/// The fact by which servers that have the master key before learn the one that came after it.
const HANDOVER: &str = "vault_handover";

/// Where the values of credentials are kept from now on. Those that were set before stay readable
/// where they are.
#[derive(Clone, Default)]
pub enum CredentialStore {
    /// Sealed in the database.
    #[default]
    Managed,
    /// In WorkOS Vault, with a sealed reference in the database.
    WorkosVault(tools::WorkosVault),
    /// Sealed in the database again, while WorkOS Vault is still read.
    ManagedAgain(tools::WorkosVault),
}

impl CredentialStore {
    fn outside(&self) -> Option<&tools::WorkosVault> {
        match self {
            Self::Managed => None,
            Self::WorkosVault(vault) | Self::ManagedAgain(vault) => Some(vault),
        }
    }
}

/// All keys, as far as this server has needed them.
pub(crate) struct Keyring {
    store: store::Store,
    system: System,
    clock: Arc<dyn Clock>,
    kept_in: CredentialStore,
    /// The present master key first.
    masters: RwLock<Vec<Arc<Vault>>>,
    data: RwLock<HashMap<OrganizationId, Arc<[DataKey]>>>,
    touched: Mutex<HashMap<CredentialId, Timestamp>>,
}

impl Keyring {
    /// Checks that the master key is the one that this database was made with, and remembers it in
    /// a new database.
    pub(crate) async fn prepare(
        store: &store::Store,
        vault: Vault,
        system: System,
        clock: Arc<dyn Clock>,
        kept_in: CredentialStore,
    ) -> Result<Self, Error> {
        let made = vault.check_value().map_err(|e| Error::internal(&e))?;
        let check = store
            .write(move |tx| {
                store::meta::set_first(tx, system, CHECK, &made)?;
                Ok::<_, Error>(store::meta::get(tx, system, CHECK)?)
            })
            .await?;
        if vault.verify_check(&check.unwrap_or_default()).is_err() {
            return Err(Error::invalid(
                "wrong_master_key",
                "the master key is not the one that this database was sealed with. Give the \
                 right one with EXECUTOR_MASTER_KEY or EXECUTOR_MASTER_KEY_FILE, or put the \
                 file master.key back; nothing was changed",
            ));
        }
        Ok(Self {
            store: store.clone(),
            system,
            clock,
            kept_in,
            masters: RwLock::new(vec![Arc::new(vault)]),
            data: RwLock::default(),
            touched: Mutex::default(),
        })
    }

    fn masters(&self) -> Vec<Arc<Vault>> {
        let masters = self.masters.read().unwrap_or_else(PoisonError::into_inner);
        masters.clone()
    }

    /// The present master key.
    fn master(&self) -> Result<Arc<Vault>, Error> {
        let first = self.masters().into_iter().next();
        first.ok_or_else(|| Error::internal(&"a server without a master key"))
    }

    fn known(&self, organization_id: &OrganizationId) -> Option<Arc<[DataKey]>> {
        let data = self.data.read().unwrap_or_else(PoisonError::into_inner);
        data.get(organization_id).cloned()
    }

    fn remember(&self, organization_id: &OrganizationId, keys: Vec<DataKey>) -> Arc<[DataKey]> {
        let keys: Arc<[DataKey]> = keys.into();
        let mut data = self.data.write().unwrap_or_else(PoisonError::into_inner);
        data.insert(organization_id.clone(), Arc::clone(&keys));
        keys
    }

    /// The organization's keys as the database has them now, and the master keys with them.
    async fn look_again(&self, organization_id: &OrganizationId) -> Result<Arc<[DataKey]>, Error> {
        self.learn_master().await?;
        let (system, wanted) = (self.system, organization_id.clone());
        let found = self
            .store
            .read(move |r| Ok::<_, Error>(data_keys::of(r, system, &wanted)?))
            .await?;
        Ok(self.remember(organization_id, found))
    }

    /// The organization's keys; its first is made when it is first needed.
    async fn data_keys(&self, organization_id: &OrganizationId) -> Result<Arc<[DataKey]>, Error> {
        if let Some(known) = self.known(organization_id).filter(|k| !k.is_empty()) {
            return Ok(known);
        }
        let found = self.look_again(organization_id).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        self.make_data_key(organization_id, 1).await
    }

    /// Keeps a credential's value where values are kept; what its row is to hold.
    pub(crate) async fn seal(
        &self,
        scope: &Scope,
        credential: &Credential,
        value: &Secret,
    ) -> Result<Sealed, Error> {
        match &self.kept_in {
            CredentialStore::Managed | CredentialStore::ManagedAgain(_) => {
                Managed(self).put(scope, credential, value).await
            }
            CredentialStore::WorkosVault(vault) => {
                let outside = Outside {
                    keyring: self,
                    vault,
                };
                outside.put(scope, credential, value).await
            }
        }
    }

    /// The value that a credential's row leads to.
    ///
    /// # Errors
    /// `unavailable` where it is kept elsewhere and cannot be had now.
    pub(crate) async fn open(
        &self,
        scope: &Scope,
        credential: &Credential,
        sealed: &Sealed,
    ) -> Result<Secret, Error> {
        match stores::reference(sealed) {
            None => Managed(self).get(scope, credential, &sealed.0).await,
            Some(held) => self.outside()?.get(scope, credential, held).await,
        }
    }

    /// Removes what a credential's row led to, once the row is gone or leads elsewhere.
    pub(crate) async fn forget(&self, scope: &Scope, credential: &Credential, sealed: &Sealed) {
        let removed = match stores::reference(sealed) {
            None => Managed(self).remove(scope, credential, &sealed.0).await,
            Some(held) => match self.outside() {
                Ok(outside) => outside.remove(scope, credential, held).await,
                Err(error) => Err(error),
            },
        };
        if let Err(error) = removed {
            tracing::warn!("a value that is used no longer stays in WorkOS Vault: {error}");
        }
    }

    fn outside(&self) -> Result<Outside<'_>, Error> {
        let vault = self.kept_in.outside().ok_or_else(|| Error::Unavailable {
            message: "the value is kept in WorkOS Vault, for which no API key is configured: set \
                      workos_vault_api_key"
                .to_owned(),
        })?;
        Ok(Outside {
            keyring: self,
            vault,
        })
    }

    /// Seals a text; it opens only with the same binding, in the same organization.
    pub(crate) async fn seal_text(
        &self,
        scope: &Scope,
        binding: &str,
        text: String,
    ) -> Result<String, Error> {
        let sealed = self.seal_secret(scope, binding, &Secret::new(text)).await?;
        Ok(sealed.0)
    }

    /// Opens what [`Keyring::seal_text`] made; none if it is anything else.
    pub(crate) async fn open_text(
        &self,
        scope: &Scope,
        binding: &str,
        sealed: &str,
    ) -> Option<Secret> {
        match self.open_secret(scope, binding, sealed).await {
            Ok(opened) => opened.ok(),
            Err(error) => {
                tracing::warn!("a key could not be looked for: {error}");
                None
            }
        }
    }

    async fn seal_secret(
        &self,
        scope: &Scope,
        binding: &str,
        secret: &Secret,
    ) -> Result<Sealed, Error> {
        let organization_id = scope.organization_id();
        let mut keys = self.data_keys(organization_id).await?;
        for again in [true, false] {
            let Some(key) = keys.last() else { break };
            let wrapped = WrappedKey(key.wrapped.clone());
            for master in self.masters() {
                match master.seal(organization_id, &wrapped, binding, secret) {
                    Ok(sealed) if key.version == 1 => return Ok(sealed),
                    Ok(sealed) => {
                        return Ok(Sealed(format!(
                            "{}{}",
                            data_keys::mark(key.version),
                            sealed.0
                        )));
                    }
                    Err(vault::Error::WrongMasterKey) => {}
                    Err(e) => return Err(Error::internal(&e)),
                }
            }
            if again {
                keys = self.look_again(organization_id).await?;
            }
        }
        Err(Error::internal(&vault::Error::WrongMasterKey))
    }

    /// The outer error is that of looking for a key; the inner says that the text does not open.
    async fn open_secret(
        &self,
        scope: &Scope,
        binding: &str,
        text: &str,
    ) -> Result<Result<Secret, vault::Error>, Error> {
        let organization_id = scope.organization_id();
        let (version, text) = version_of(text);
        let sealed = Sealed(text.to_owned());
        let mut keys = self.data_keys(organization_id).await?;
        for again in [true, false] {
            let key = keys.iter().find(|key| key.version == version);
            for (key, master) in key
                .into_iter()
                .flat_map(|key| self.masters().into_iter().map(move |master| (key, master)))
            {
                let wrapped = WrappedKey(key.wrapped.clone());
                match master.open(organization_id, &wrapped, binding, &sealed) {
                    Err(vault::Error::WrongMasterKey) => {}
                    opened => return Ok(opened),
                }
            }
            if again {
                keys = self.look_again(organization_id).await?;
            }
        }
        Ok(Err(vault::Error::WrongMasterKey))
    }

    pub(crate) fn due_for_touch(&self, id: &CredentialId, now: Timestamp) -> bool {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        let due = touched.get(id).is_none_or(|t| now.since(*t) >= TOUCH_MS);
        if due {
            touched.insert(id.clone(), now);
        }
        due
    }
}

/// The version of the data key that a text names, and the text without that.
fn version_of(text: &str) -> (u32, &str) {
    let named = text
        .strip_prefix('k')
        .and_then(|rest| rest.split_once('.'))
        .and_then(|(version, rest)| Some((version.parse().ok()?, rest)));
    named.unwrap_or((1, text))
}
