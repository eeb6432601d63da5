//! The two places in which a credential's value can be kept, behind one trait.
//!
//! Managed: sealed in the row itself. WorkOS Vault: the value is there, under the organization's
//! context, and the row holds a sealed reference to it, which opens in its own row alone. What a row
//! holds says which of the two it is, so that both stay readable when the setting changes.

use super::Keyring;
use crate::Error;
use crate::sign_in::WORKOS;
use domain::access::Scope;
use domain::credential::{Credential, Sealed, Secret};
use futures_util::future::BoxFuture;
use tools::{VaultOwner, WorkosVault, WorkosVaultError};

/// What a row begins with whose value is in WorkOS Vault.
const OUTSIDE: &str = "w.";

/// A place for values.
pub(super) trait Place: Send + Sync {
    /// Keeps a credential's value; answers what its row holds.
    fn put<'a>(
        &'a self,
        scope: &'a Scope,
        credential: &'a Credential,
        value: &'a Secret,
    ) -> BoxFuture<'a, Result<Sealed, Error>>;

    /// The value that a row leads to.
    fn get<'a>(
        &'a self,
        scope: &'a Scope,
        credential: &'a Credential,
        held: &'a str,
    ) -> BoxFuture<'a, Result<Secret, Error>>;

    /// Removes what a row led to and does not hold itself.
    fn remove<'a>(
        &'a self,
        scope: &'a Scope,
        credential: &'a Credential,
        held: &'a str,
    ) -> BoxFuture<'a, Result<(), Error>>;
}

fn binding(scope: &Scope, credential: &Credential) -> String {
    credential.binding(scope.organization_id(), scope.workspace_id())
}

/// What a sealed reference is bound to. Not the version: the object stays when its value changes.
pub(super) fn reference_binding(scope: &Scope, credential: &Credential) -> String {
    format!(
        "workos-vault {}/{}/{}/{}",
        scope.organization_id(),
        scope.workspace_id(),
        credential.source_id,
        credential.id
    )
}

/// The reference that a row holds, if its value is in WorkOS Vault.
pub(super) fn reference(sealed: &Sealed) -> Option<&str> {
    sealed.0.strip_prefix(OUTSIDE)
}

/// What a row holds that leads to WorkOS Vault.
pub(super) fn held(reference: &Sealed) -> Sealed {
    Sealed(format!("{OUTSIDE}{}", reference.0))
}

/// Sealed in the row itself.
pub(super) struct Managed<'k>(pub(super) &'k Keyring);

impl Place for Managed<'_> {
    fn put<'a>(
        &'a self,
        scope: &'a Scope,
        credential: &'a Credential,
        value: &'a Secret,
    ) -> BoxFuture<'a, Result<Sealed, Error>> {
        Box::pin(async move {
            let binding = binding(scope, credential);
            self.0.seal_secret(scope, &binding, value).await
        })
    }

    fn get<'a>(
        &'a self,
        scope: &'a Scope,
        credential: &'a Credential,
        held: &'a str,
    ) -> BoxFuture<'a, Result<Secret, Error>> {
        Box::pin(async move {
            let binding = binding(scope, credential);
            let opened = self.0.open_secret(scope, &binding, held).await?;
            opened.map_err(|e| Error::internal(&e))
        })
    }

    fn remove<'a>(
        &'a self,
        _: &'a Scope,
        _: &'a Credential,
        _: &'a str,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// In WorkOS Vault, with a sealed reference in the row.
pub(super) struct Outside<'k> {
    pub(super) keyring: &'k Keyring,
    pub(super) vault: &'k WorkosVault,
}

impl Outside<'_> {
    /// The organization, also as WorkOS calls it where it stands for one there.
    async fn owner(&self, scope: &Scope) -> Result<VaultOwner, Error> {
        let own = scope.organization_id().clone();
        let (system, wanted) = (self.keyring.system, own.clone());
        let found = self.keyring.store.read(move |r| {
            let linked = store::linked::external(r, system, WORKOS, &wanted)?;
            Ok::<_, Error>(linked)
        });
        Ok(VaultOwner {
            at_workos: found.await?,
            own,
        })
    }

    async fn id(
        &self,
        scope: &Scope,
        credential: &Credential,
        held: &str,
    ) -> Result<Secret, Error> {
        let binding = reference_binding(scope, credential);
        let opened = self.keyring.open_secret(scope, &binding, held).await?;
        opened.map_err(|e| Error::internal(&e))
    }
}

impl Place for Outside<'_> {
    fn put<'a>(
        &'a self,
        scope: &'a Scope,
        credential: &'a Credential,
        value: &'a Secret,
    ) -> BoxFuture<'a, Result<Sealed, Error>> {
        Box::pin(async move {
            let owner = self.owner(scope).await?;
            let name = format!("executor-{}", credential.id);
            let id = self.vault.put(&name, &owner, value).await;
            let id = Secret::new(id.map_err(of_outside)?);
            let binding = reference_binding(scope, credential);
            let sealed = self.keyring.seal_secret(scope, &binding, &id).await?;
            Ok(held(&sealed))
        })
    }

    fn get<'a>(
        &'a self,
        scope: &'a Scope,
        credential: &'a Credential,
        held: &'a str,
    ) -> BoxFuture<'a, Result<Secret, Error>> {
        Box::pin(async move {
            let id = self.id(scope, credential, held).await?;
            let owner = self.owner(scope).await?;
            let found = self.vault.get(id.expose(), &owner).await;
            found.map_err(of_outside)
        })
    }

    fn remove<'a>(
        &'a self,
        scope: &'a Scope,
        credential: &'a Credential,
        held: &'a str,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let id = self.id(scope, credential, held).await?;
            self.vault.remove(id.expose()).await.map_err(of_outside)
        })
    }
}

pub(super) fn of_outside(error: WorkosVaultError) -> Error {
    Error::Unavailable {
        message: error.to_string(),
    }
}
