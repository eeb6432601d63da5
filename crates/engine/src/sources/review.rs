//! An administrator looks at tools that are new or changed, and says so. From then on policy decides
//! about them as about any other; a later change asks again.
//!
//! What was looked at is bound to the revision that was shown, so that nothing which came in between
//! is taken for seen. Only a person can have looked: no key does it, and no model.

use super::told_more;
use crate::{Engine, Error, aside};
use domain::access::{Caller, Forbidden, Permission};
use domain::source::{LookedAt, Source, Unreviewed};
use domain::tool::{Tool, fold_path};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Tools that an entry of the audit log names.
const TOLD_MAX: usize = 200;
/// Digests of definitions that are not in use any more and still count as looked at, the youngest.
const KEPT_MAX: usize = 20_000;

/// Which tools somebody looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// All that wait.
    All,
    /// These.
    Tools(Vec<String>),
}

/// What came of a review.
#[derive(Debug, Clone)]
pub struct Reviewed {
    /// The source after it.
    pub source: Source,
    /// The tools that were looked at.
    pub paths: Vec<String>,
}

/// A tool that waits for somebody to look at it.
#[derive(Debug, Clone)]
pub struct WaitingTool {
    /// Why, since when, and what differs.
    pub unreviewed: Unreviewed,
    /// The tool as it is now.
    pub tool: Tool,
}

impl Engine {
    /// The tools of a source that nobody has looked at as they are now, and the source with the
    /// revision that this is true of.
    ///
    /// # Errors
    /// `not_found`.
    pub fn unreviewed_tools(
        &self,
        caller: &Caller,
        name_or_id: &str,
    ) -> BoxFuture<'_, Result<(Source, Vec<WaitingTool>), Error>> {
        let (caller, wanted) = (caller.clone(), name_or_id.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeCatalog)?;
            let id = self.source(&caller, &wanted).await?.id;
            let (source, tools) = self.source_with_tools(&scope, id).await?;
            let waiting = source.upkeep.unreviewed.iter().filter_map(|unreviewed| {
                let path = unreviewed.path.as_str();
                let at = tools.binary_search_by(|t| t.path.as_str().cmp(path)).ok()?;
                Some(WaitingTool {
                    unreviewed: unreviewed.clone(),
                    tool: tools[at].clone(),
                })
            });
            let waiting: Vec<WaitingTool> = waiting.collect();
            Ok((source, waiting))
        })
    }

    /// A source and its tools, of one moment.
    async fn source_with_tools(
        &self,
        scope: &domain::access::Scope,
        id: domain::SourceId,
    ) -> Result<(Source, Vec<Tool>), Error> {
        let scope = scope.clone();
        let (source, made) = self
            .inner
            .store
            .read(move |r| {
                let source = store::sources::get(r, &scope, &id)?
                    .ok_or_else(|| Error::not_found("source", &id))?;
                Ok::<_, Error>((source, store::sources::made(r, &scope, &id)?))
            })
            .await?;
        let tools = aside::run(move || {
            made.and_then(|m| serde_json::from_str(&m.tools).ok())
                .unwrap_or_default()
        })
        .await?;
        Ok((source, tools))
    }

    /// Marks tools as looked at, as they are in a revision of the source.
    ///
    /// # Errors
    /// `not_found`; `forbidden`, to programs too; `source_changed` where it is at another revision.
    pub fn review_source(
        &self,
        caller: &Caller,
        name_or_id: &str,
        (looked, revision): (Looked, i64),
    ) -> BoxFuture<'_, Result<Reviewed, Error>> {
        let (caller, wanted) = (caller.clone(), name_or_id.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageSources)?;
            if !caller.speaks_for_person() {
                let what = "say that somebody has looked at a tool";
                return Err(Forbidden::Program { what }.into());
            }
            let id = self.source(&caller, &wanted).await?.id;
            let (source, tools) = self.source_with_tools(&scope, id).await?;
            if source.upkeep.revision != revision {
                return Err(changed(&source));
            }
            let seen = wanted_paths(&source, &looked, &tools)?;
            let rest: Vec<Unreviewed> = source
                .upkeep
                .unreviewed
                .iter()
                .filter(|u| !seen.contains(u.path.as_str()))
                .cloned()
                .collect();
            let digests = tools
                .iter()
                .filter(|t| seen.contains(t.path.as_str()))
                .map(|t| (t.path.clone(), t.digest.clone()));
            let digests: Vec<(String, String)> = digests.collect();
            let paths: Vec<String> = digests.iter().map(|(path, _)| path.clone()).collect();
            if paths.is_empty() {
                return Ok(Reviewed { source, paths });
            }
            let current: HashSet<String> = tools.into_iter().map(|t| t.digest).collect();
            let now = self.inner.clock.now();
            let source = self
                .commit(&scope, {
                    let scope = scope.clone();
                    move |tx| {
                        let mut looked_at =
                            store::sources::upkeep::looked_at(tx, &scope, &source.id)?;
                        looked_at.push(LookedAt {
                            by: caller.account_id.clone(),
                            at: now,
                            digests: digests.iter().map(|(_, digest)| digest.clone()).collect(),
                        });
                        let looked_at = kept(looked_at, &current);
                        let at = (&source.id, revision);
                        if !store::sources::upkeep::review(tx, &scope, at, &rest, &looked_at)? {
                            return Err(changed(&source));
                        }
                        let mut source = source.clone();
                        source.upkeep.unreviewed.clone_from(&rest);
                        source.upkeep.revision += 1;
                        let told: Vec<Value> = digests
                            .iter()
                            .take(TOLD_MAX)
                            .map(|(path, digest)| json!({ "tool": path, "definition": digest }))
                            .collect();
                        let more = json!({ "looked": digests.len(), "at": told });
                        let what = (Some(&caller), "reviewed", more);
                        told_more(tx, &scope, what, &source, now)?;
                        Ok(source)
                    }
                })
                .await?;
            Ok(Reviewed { source, paths })
        })
    }
}

fn changed(source: &Source) -> Error {
    Error::conflict(
        "source_changed",
        format!(
            "{} has changed since you looked at it: it is at revision {} now; look again",
            source.name, source.upkeep.revision
        ),
    )
}

/// The paths that wait and are meant.
fn wanted_paths(
    source: &Source,
    looked: &Looked,
    tools: &[Tool],
) -> Result<HashSet<String>, Error> {
    let waiting = source.upkeep.unreviewed.iter().map(|u| u.path.clone());
    let Looked::Tools(wanted) = looked else {
        return Ok(waiting.collect());
    };
    for path in wanted {
        if !tools.iter().any(|t| fold_path(&t.path) == fold_path(path)) {
            return Err(Error::not_found("tool", path));
        }
    }
    let wanted: HashSet<String> = wanted.iter().map(|path| fold_path(path)).collect();
    Ok(waiting
        .filter(|path| wanted.contains(&fold_path(path)))
        .collect())
}

/// What was looked at, without the oldest definitions that are in use no more.
fn kept(mut all: Vec<LookedAt>, current: &HashSet<String>) -> Vec<LookedAt> {
    let mut room = KEPT_MAX;
    for one in all.iter_mut().rev() {
        one.digests.retain(|digest| {
            let keep = current.contains(digest) || room > 0;
            if !current.contains(digest) {
                room = room.saturating_sub(1);
            }
            keep
        });
    }
    all.retain(|one| !one.digests.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{AccountId, Timestamp};

    #[test]
    fn old_definitions_are_forgotten_the_oldest_first_and_none_that_is_in_use() {
        let one = |at: i64, digests: Vec<String>| LookedAt {
            by: AccountId::from_bits([1; 16]),
            at: Timestamp(at),
            digests,
        };
        let many = |name: &str, count: usize| (0..count).map(|n| format!("{name}{n}")).collect();
        let all = vec![
            one(1, vec!["in use".into(), "old".into()]),
            one(2, many("b", KEPT_MAX - 1)),
            one(3, vec!["young".into()]),
        ];
        let left = kept(all, &HashSet::from(["in use".to_owned()]));
        assert_eq!(left[0].digests, ["in use"]);
        assert_eq!(left[1].digests.len(), KEPT_MAX - 1);
        assert_eq!(left[2].digests, ["young"]);
    }
}
