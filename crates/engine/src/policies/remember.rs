//! "Remember this": rules proposed from one approval, and the rule that is stored with its answer.
//!
//! A proposal is shown exactly as it would be stored, together with what it would do to recorded
//! calls. What is stored has been tried on the very call first: a rule that would not decide it as
//! promised, because a stricter level or a rule above it says otherwise, is refused.

use super::backtest::{Backtest, Planned, Sample};
use super::{RuleDraft, added, check, make, permission};
use crate::gate::{also_of, source_name, would_be};
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope};
use domain::approval::Approval;
use domain::policy::{Change, Effect, Level, Match, Pattern, Policy, Rule, exactly};
use domain::source::Review;
use domain::task::Task;
use domain::tool::Risk;
use domain::{ApprovalId, KeyId, RuleId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::Value;
use tools::Catalog;

/// What a remembered answer does to calls like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// Lets them through.
    Allow,
    /// Refuses them.
    Deny,
}

/// A rule that could be made of an approval.
#[derive(Debug, Clone)]
pub struct Suggestion {
    /// The rule as it would be stored.
    pub draft: RuleDraft,
    /// Where it would stand, and what the change is.
    pub change: Change,
    /// What it is about, in words.
    pub about: &'static str,
    /// What it would do to recorded calls.
    pub backtest: Backtest,
}

impl Engine {
    /// The rules that could be made of an approval, the narrowest first: for these very arguments,
    /// and for the tool as such. Only those that would decide the call as the answer does.
    ///
    /// # Errors
    /// `not_found`.
    pub fn suggestions(
        &self,
        caller: &Caller,
        id: &ApprovalId,
        lasting: Lasting,
    ) -> BoxFuture<'_, Result<Vec<Suggestion>, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let approval = self.approval(&caller, &id).await?;
            let scope = caller.scope(Permission::SeeTasks)?;
            let Some(level) = level_of(&caller, &approval) else {
                return Ok(Vec::new());
            };
            let catalog = self.catalog(&scope).await?;
            let known = known_names(&catalog, &approval);
            let now = self.inner.clock.now();
            let mut suggestions = Vec::new();
            let key = {
                let (scope, task) = (scope.clone(), approval.binding.task_id.clone());
                self.inner
                    .store
                    .read(move |r| Ok::<_, Error>(store::tasks::get(r, &scope, &task)?))
                    .await?
                    .and_then(|task| task.key_id)
            };
            let offered = drafts(&approval, key, lasting, level, &known);
            // One that would be refused is no proposal.
            let offered = offered
                .into_iter()
                .filter(|(_, draft)| pinned(&caller, &approval, draft, &known).is_ok());
            for (about, draft) in offered {
                let tried = {
                    let (scope, caller) = (scope.clone(), caller.clone());
                    let (approval, draft, catalog) =
                        (approval.clone(), draft.clone(), catalog.clone());
                    self.inner
                        .store
                        .read(move |r| {
                            let context = Context::read(r, &scope, &approval, catalog.clone())?;
                            let policy =
                                store::policies::policy(r, &scope, Some(&caller.account_id))?;
                            let id = RuleId::from_bits(entropy::bits());
                            let rule = draft.rule(&id, &caller.account_id, now);
                            let change = added(&policy, rule)?;
                            Ok::<_, Error>(context.try_on(&approval, &change, now).map(|()| change))
                        })
                        .await?
                };
                // A rule that would not hold for this call is no proposal.
                if let Ok(change) = tried {
                    let backtest = self
                        .tried(
                            &caller,
                            &scope,
                            Planned::of(change.clone()),
                            Sample::default(),
                        )
                        .await?;
                    suggestions.push(Suggestion {
                        draft,
                        change,
                        about,
                        backtest,
                    });
                }
            }
            Ok(suggestions)
        })
    }
}

/// Stores the rule that is given with an answer, in the transaction of the answer, or refuses both.
pub(crate) fn keep(
    tx: &mut store::Tx<'_>,
    caller: &Caller,
    approval: &Approval,
    draft: &RuleDraft,
    (catalog, now): (&Catalog, Timestamp),
) -> Result<Rule, Error> {
    let scope = caller.scope(permission(draft.level))?;
    check(&draft.matches, &draft.effect, &draft.note)?;
    let lasting = match approval.status.as_str() {
        "approved" => "allow",
        "denied" => "deny",
        _ => {
            return Err(Error::conflict(
                "not_resolved",
                "only the answer that decides can be remembered, and other people have still to \
                 answer; answer without remembering",
            ));
        }
    };
    if draft.effect.as_str() != lasting {
        return Err(Error::invalid(
            "invalid_rule",
            "a yes is remembered by a rule that allows, a no by one that denies",
        ));
    }
    pinned(caller, approval, draft, &known_names(catalog, approval))?;
    let policy = store::policies::in_force(tx, &scope, Some(&caller.account_id))?;
    let rule = draft.rule(&RuleId::from_bits(entropy::bits()), &caller.account_id, now);
    let change = added(&policy, rule)?;
    Context::read(tx, &scope, approval, catalog.clone())?
        .try_on(approval, &change, now)
        .map_err(|why| Error::conflict("rule_does_not_decide", why))?;
    make(tx, &scope, caller, &policy, &change, now)?;
    Ok(change.rule().clone())
}

/// The arguments that the tool of an approval knows.
fn known_names(catalog: &Catalog, approval: &Approval) -> Vec<String> {
    catalog
        .lookup(&approval.binding.tool)
        .and_then(|(tool, _)| tool.input_schema.get("properties")?.as_object())
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

/// Whether somebody may remember an answer by a rule as wide as this: a call that destroys, or of which
/// nothing is known, only with every argument as it is, unless by an administrator.
fn pinned(
    caller: &Caller,
    approval: &Approval,
    draft: &RuleDraft,
    known: &[String],
) -> Result<(), Error> {
    let is_dangerous = match approval.risk {
        Risk::Destructive | Risk::Unknown => true,
        Risk::Read | Risk::Write => false,
    };
    let is_free = draft.effect != Effect::Allow || !is_dangerous;
    if is_free || caller.scope(Permission::ManageRules).is_ok() {
        return Ok(());
    }
    let arguments: Value = serde_json::from_str(&approval.arguments).unwrap_or_default();
    let exact = exactly(&arguments, known.iter().map(String::as_str));
    let conditions = &draft.matches.conditions;
    if exact.is_some_and(|exact| exact.iter().all(|wanted| conditions.contains(wanted))) {
        return Ok(());
    }
    Err(Error::invalid(
        "invalid_rule",
        format!(
            "a {} call is remembered with every argument as it is; leave no condition out, or have \
             an administrator make a wider rule. Nothing was stored and the approval is not answered",
            approval.risk.as_str()
        ),
    ))
}

/// What the call of an approval was decided for.
struct Context {
    task: Task,
    /// What bears on the person whose task it is.
    policy: Policy,
    catalog: Catalog,
    /// Whether somebody has looked at the tool: where nobody has, no rule lets it through.
    review: Review,
}

impl Context {
    fn read(
        r: &mut store::Reader<'_>,
        scope: &Scope,
        approval: &Approval,
        catalog: Catalog,
    ) -> Result<Self, Error> {
        let id = &approval.binding.task_id;
        let task = store::tasks::get(r, scope, id)?.ok_or_else(|| Error::not_found("task", id))?;
        let policy = store::policies::policy(r, scope, Some(&task.account_id))?;
        let tool = &approval.binding.tool;
        let source = store::sources::by_name(r, scope, source_name(tool))?;
        Ok(Self {
            task,
            policy,
            catalog,
            review: source.map_or(Review::LookedAt, |s| s.review_of(tool)),
        })
    }

    /// Whether the call would be decided by the new rule; if not, why.
    fn try_on(&self, approval: &Approval, change: &Change, now: Timestamp) -> Result<(), String> {
        let mut then = self.policy.clone();
        change.apply(&mut then);
        let arguments: Value = serde_json::from_str(&approval.arguments)
            .map_err(|e| format!("the recorded arguments cannot be read: {e}"))?;
        let also = also_of(&self.catalog, &approval.binding.tool, &arguments);
        let then = (&then, self.review);
        let decision = would_be(&self.task, approval, (&arguments, &also), then, now);
        let rule = change.rule();
        if decision.effect == rule.effect && decision.rule_id.as_ref() == Some(&rule.id) {
            return Ok(());
        }
        Err(format!(
            "this rule would not decide this call: {}. Nothing was stored and the approval is not \
             answered",
            decision.explain(approval.risk)
        ))
    }
}

/// The level on which a caller can make a rule that bears on the call: the workspace's for
/// administrators, one's own for one's own task, else none.
fn level_of(caller: &Caller, approval: &Approval) -> Option<Level> {
    if caller.scope(permission(Level::Workspace)).is_ok() {
        Some(Level::Workspace)
    } else {
        (approval.requested_by == caller.account_id).then_some(Level::Personal)
    }
}

/// The rules that are proposed, for the client that asks and no other: by its key, which says for certain
/// who comes, else by what it calls itself.
fn drafts(
    approval: &Approval,
    key: Option<KeyId>,
    lasting: Lasting,
    level: Level,
    known: &[String],
) -> Vec<(&'static str, RuleDraft)> {
    let Ok(tool) = Pattern::parse(&approval.binding.tool) else {
        return Vec::new();
    };
    let (effect, note, persons) = match lasting {
        // What one person may do without a question is not opened to all.
        Lasting::Allow if level == Level::Workspace => (
            Effect::Allow,
            "approved once",
            vec![approval.requested_by.clone()],
        ),
        Lasting::Allow => (Effect::Allow, "approved once", Vec::new()),
        Lasting::Deny => (Effect::Deny, "denied once", Vec::new()),
    };
    let named = key.is_none() && !approval.client.is_empty();
    let clients: Vec<String> = named.then(|| approval.client.clone()).into_iter().collect();
    let draft = |conditions| RuleDraft {
        level,
        matches: Match {
            tools: vec![tool.clone()],
            persons: persons.clone(),
            clients: clients.clone(),
            keys: key.iter().cloned().collect(),
            conditions,
            ..Match::default()
        },
        effect: effect.clone(),
        until: None,
        note: format!("{note}: {}", approval.id),
    };
    let arguments: Value = serde_json::from_str(&approval.arguments).unwrap_or_default();
    let exact = exactly(&arguments, known.iter().map(String::as_str))
        .filter(|conditions| !conditions.is_empty())
        .map(|conditions| ("this tool with exactly these arguments", draft(conditions)));
    let wide = ("this tool with any arguments", draft(Vec::new()));
    exact.into_iter().chain([wide]).collect()
}
