//! Which tools a rule is about, before or after it is made: a pattern that matches more than was
//! meant shows here.

use super::{RuleDraft, added, check, permission};
use crate::{Engine, Error, entropy};
use domain::RuleId;
use domain::access::{Caller, Permission};
use domain::policy::covers;
use futures_util::future::BoxFuture;
use tools::Query;

/// Paths that are named.
const PATHS_MAX: usize = 50;

/// A rule that nobody has made yet, and what it would be about.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The place it would get in its level, from 1.
    pub position: usize,
    /// How many tools it is about, for whom and when aside.
    pub total: usize,
    /// The first of them, in order of path.
    pub paths: Vec<String>,
}

impl Engine {
    /// Where a rule would be placed and which tools it would be about. Changes nothing.
    ///
    /// # Errors
    /// `forbidden`, `invalid_rule`.
    pub fn preview_rule(
        &self,
        caller: &Caller,
        draft: RuleDraft,
    ) -> BoxFuture<'_, Result<Preview, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            caller.scope(permission(draft.level))?;
            check(&draft.matches, &draft.effect, &draft.note)?;
            let scope = caller.scope(Permission::SeeRules)?;
            let policy = self.policy(&caller).await?;
            let id = RuleId::from_bits(entropy::bits());
            let rule = draft.rule(&id, &caller.account_id, self.inner.clock.now());
            let change = added(&policy, rule)?;
            let catalog = self.catalog(&scope).await?;
            let everything = Query {
                limit: PATHS_MAX,
                ..Query::default()
            };
            let matches = &draft.matches;
            let found = catalog.list(&everything, &|tool| {
                covers(matches, &tool.path, tool.source_name(), tool.risk)
            });
            Ok(Preview {
                position: usize::try_from(change.rule().position).unwrap_or(usize::MAX),
                total: found.total,
                paths: found.hits.iter().map(|tool| tool.path.clone()).collect(),
            })
        })
    }
}
