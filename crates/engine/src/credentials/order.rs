//! The order in which a source looks for a credential: the person's own, the workspace's, the
//! organization's, or any part of these in any order.

use crate::audit::by_person;
use crate::{Engine, Error};
use domain::access::{Caller, Permission};
use domain::credential::CredentialScope;
use futures_util::future::BoxFuture;
use serde_json::json;

impl Engine {
    /// The order in which a source looks.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn credential_order(
        &self,
        caller: &Caller,
        source: &str,
    ) -> BoxFuture<'_, Result<Vec<CredentialScope>, Error>> {
        let (caller, name) = (caller.clone(), source.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let source = self.source(&caller, &name).await?;
            let order = self
                .inner
                .store
                .read(move |r| {
                    let order = store::credentials::order(r, &scope, &source.id)?;
                    Ok::<_, Error>(order)
                })
                .await?;
            order.ok_or_else(|| Error::not_found("source", &name))
        })
    }

    /// Says in which order a source looks. A scope that is left out is not looked in.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_order`.
    pub fn set_credential_order(
        &self,
        caller: &Caller,
        source: &str,
        order: Vec<CredentialScope>,
    ) -> BoxFuture<'_, Result<Vec<CredentialScope>, Error>> {
        let (caller, name) = (caller.clone(), source.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            let source = self.source(&caller, &name).await?;
            let twice = (1..order.len()).any(|i| order[..i].contains(&order[i]));
            if order.is_empty() || twice {
                return Err(Error::invalid(
                    "invalid_order",
                    "name at least one of personal, workspace, organization, and none twice",
                ));
            }
            let (within, now, set) = (scope.clone(), self.inner.clock.now(), order.clone());
            self.commit(&scope, move |tx| {
                let before = store::credentials::order(tx, &within, &source.id)?;
                if !store::credentials::set_order(tx, &within, &source.id, &set)? {
                    return Err(Error::not_found("source", &source.id));
                }
                let detail = json!({ "credentialOrder": { "before": before, "after": set } });
                let subject = source.id.as_str();
                let entry = by_person(&caller, &within, "source.changed", subject, &detail, now);
                store::audit::append(tx, &within, entry)?;
                Ok(())
            })
            .await?;
            Ok(order)
        })
    }
}
