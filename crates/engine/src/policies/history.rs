//! Versions of the policy: the list of changes, and the rules as they were at any of them.

use crate::{Engine, Error};
use domain::access::{Caller, Permission};
use domain::policy::{Policy, Version};
use futures_util::future::BoxFuture;

/// One version: the change that made it, and the whole policy it was.
#[derive(Debug, Clone)]
pub struct PolicyVersion {
    /// Who changed what.
    pub version: Version,
    /// The rules that bore on the caller, the change included.
    pub policy: Policy,
}

impl Engine {
    /// The changes that bear on a caller, the newest first. Other people's own rules are not among
    /// them.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn policy_versions(
        &self,
        caller: &Caller,
        before: Option<i64>,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Version>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeRules)?;
            self.inner
                .store
                .read(move |r| {
                    let account = &caller.account_id;
                    Ok(store::policies::history::versions(
                        r, &scope, account, before, limit,
                    )?)
                })
                .await
        })
    }

    /// One version with its whole policy.
    ///
    /// # Errors
    /// `not_found`.
    pub fn policy_version(
        &self,
        caller: &Caller,
        number: i64,
    ) -> BoxFuture<'_, Result<PolicyVersion, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeRules)?;
            self.inner
                .store
                .read(move |r| {
                    let account = &caller.account_id;
                    let missing = || Error::not_found("version of the policy", number);
                    let version = store::policies::history::version(r, &scope, account, number)?
                        .ok_or_else(missing)?;
                    let policy = store::policies::history::policy_at(r, &scope, account, number)?
                        .ok_or_else(missing)?;
                    Ok(PolicyVersion { version, policy })
                })
                .await
        })
    }
}
