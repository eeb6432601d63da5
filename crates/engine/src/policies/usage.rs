//! How often each rule decided: what tells a rule that works from one that nobody needs.

use crate::settings::sees_all_tasks;
use crate::{Engine, Error};
use domain::access::{Caller, Permission};
use domain::policy::{Shadow, shadows};
use domain::{PolicySetId, RuleId, SetRuleId, Timestamp};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
pub use store::recorded::RuleUse;

/// How far back is looked: thirty days.
const LOOK_BACK_MS: i64 = 30 * 24 * 3_600_000;

/// How often rules decided lately.
#[derive(Debug, Clone)]
pub struct RuleUsage {
    /// Since when was looked, by the time at which calls were made.
    pub since: Timestamp,
    /// Whether only the caller's own calls were counted.
    pub own_only: bool,
    /// The rules that decided a call of the workspace since.
    pub rules: Vec<RuleUse>,
    /// Of which set, and which rule of it, those are that a set brought.
    pub origins: HashMap<RuleId, (PolicySetId, SetRuleId)>,
    /// The rules that never decide while the others stay as they are.
    pub shadows: Vec<Shadow>,
}

impl Engine {
    /// How often each rule decided a call of the workspace in the last thirty days, and which never do. A member counts
    /// their own calls, or everybody's where the workspace lets them.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn rule_usage(&self, caller: &Caller) -> BoxFuture<'_, Result<RuleUsage, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let now = self.inner.clock.now();
            let since = now.plus_ms(-LOOK_BACK_MS);
            self.inner
                .store
                .read(move |r| {
                    let own_only = !sees_all_tasks(r, &scope, &caller)?;
                    let account = own_only.then_some(&caller.account_id);
                    let policy = store::policies::policy(r, &scope, Some(&caller.account_id))?;
                    Ok(RuleUsage {
                        shadows: shadows(&policy, now),
                        since,
                        own_only,
                        rules: store::recorded::rule_uses(r, &scope, account, since)?,
                        origins: store::policies::sets::origins(r, &scope)?,
                    })
                })
                .await
        })
    }
}
