//! What people have granted to clients: seen and ended.

use crate::audit::by_person;
use crate::{Engine, Error};
use domain::GrantId;
use domain::access::{Caller, Permission};
use domain::grant::Grant;
use futures_util::future::BoxFuture;
use serde_json::json;

impl Engine {
    /// The grants of the workspace in force: a member's own, for administrators everybody's.
    ///
    /// # Errors
    /// `forbidden`, `insufficient_scope`.
    pub fn grants(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<Grant>, Error>> {
        let (caller, local) = (caller.clone(), self.inner.clock.now());
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeKeys)?;
            let all = Permission::ManageKeys.granted_to(caller.role);
            self.inner
                .store
                .read(move |r| {
                    let now = r.now(local)?;
                    let whose = (!all).then_some(&caller.account_id);
                    Ok(store::grants::list(r, &scope, whose, now)?)
                })
                .await
        })
    }

    /// Ends a grant at once and for good: its tokens are refused, and tasks that came in with them
    /// make no more calls.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `insufficient_scope`.
    pub fn revoke_grant(&self, caller: &Caller, id: &GrantId) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let all = self.grants(&caller).await?;
            let grant = all
                .into_iter()
                .find(|grant| grant.id == id)
                .ok_or_else(|| Error::not_found("grant", &id))?;
            let scope = caller.scope(if grant.account_id == caller.account_id {
                Permission::OwnKeys
            } else {
                Permission::ManageKeys
            })?;
            let now = self.inner.clock.now();
            let ended = self.commit(&scope.clone(), move |tx| {
                if !store::grants::end(tx, &scope, &grant.id)? {
                    return Err(Error::not_found("grant", &grant.id));
                }
                let detail = json!({
                    "client": grant.client_id,
                    "clientName": grant.client_name,
                    "member": grant.account_id,
                });
                let subject = grant.id.as_str();
                let entry = by_person(&caller, &scope, "grant.revoked", subject, &detail, now);
                store::audit::append(tx, &scope, entry)?;
                Ok(())
            });
            ended.await
        })
    }
}
