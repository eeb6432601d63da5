//! Why: of a call that was decided, and of one that could be made.
//!
//! A recorded call is explained by deciding it again on the policy of its version, for the person,
//! client and time of the record. The explanation is given only if that comes to what was recorded;
//! otherwise it says that it cannot tell.

use crate::gate::{self, explained};
use crate::{Engine, Error};
use domain::access::{Caller, Channel, Permission};
use domain::approval::Approval;
use domain::call::Call;
use domain::policy::{Policy, Request, Rule, Trace};
use domain::source::Review;
use domain::task::Task;
use domain::tenancy::Role;
use domain::tool::Risk;
use domain::{AccountId, KeyId, TaskId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::Value;
use tools::{Catalog, Judged};

/// Why a call was decided as it was.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The call as recorded.
    pub call: Call,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// What can be said about it.
    pub why: Why,
}

/// What can be said about a decision.
#[derive(Debug, Clone)]
pub enum Why {
    /// There was nothing to decide: the call was answered or refused before it came to that.
    NoDecision,
    /// It was decided so, on these rules, in the order in which they were looked at.
    Decided(Box<Trace>, Vec<Rule>),
    /// The rules of that version are not known any more.
    Forgotten,
}

/// Somebody to ask for instead of oneself.
#[derive(Debug, Clone, Default)]
pub struct Instead {
    /// The person.
    pub person: Option<AccountId>,
    /// The person's role; of a person who is named without it, the role that person has.
    pub role: Option<Role>,
    /// What the client calls itself.
    pub client: Option<String>,
    /// The API key.
    pub key_id: Option<KeyId>,
    /// Through what it comes.
    pub channel: Option<Channel>,
}

/// What policy says to a call that could be made.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The decision and what was looked at.
    pub trace: Trace,
    /// The rules that were looked at, in the same order.
    pub rules: Vec<Rule>,
    /// The tool's path.
    pub tool: String,
    /// The tool's risk.
    pub risk: Risk,
    /// What is wrong with the arguments; such a call is refused before it is decided.
    pub wrong: Option<String>,
}

impl Engine {
    /// Why a recorded call was decided as it was.
    ///
    /// # Errors
    /// `not_found`.
    pub fn explain_call(
        &self,
        caller: &Caller,
        task: &TaskId,
        sequence: u32,
    ) -> BoxFuture<'_, Result<Explanation, Error>> {
        let (caller, id) = (caller.clone(), task.clone());
        Box::pin(async move {
            // Whoever may see the task may know why its calls were decided so.
            let view = self.task(&caller, &id).await?;
            let scope = caller.scope(Permission::SeeTasks)?;
            let task = view.task;
            let catalog = self.catalog(&scope).await?;
            self.inner
                .store
                .read(move |r| {
                    let call = store::calls::get(r, &scope, &id, sequence)?
                        .ok_or_else(|| Error::not_found("call", format!("{id}/{sequence}")))?;
                    let decided_at = decided_at(&call, &view.approvals);
                    let version = call.binding.policy_version;
                    let why = if call.decision == "none" {
                        Why::NoDecision
                    } else {
                        let person = &task.account_id;
                        store::policies::history::policy_at(r, &scope, person, version)?
                            .and_then(|policy| why(&task, &call, (&policy, &catalog), decided_at))
                            .unwrap_or(Why::Forgotten)
                    };
                    Ok(Explanation {
                        call,
                        decided_at,
                        why,
                    })
                })
                .await
        })
    }

    /// What policy says about a call, to the caller or, for administrators, to somebody else.
    /// Nothing is called.
    ///
    /// # Errors
    /// `not_found` when the path leads to no tool, or the person is no member; `forbidden` for who
    /// asks for somebody else and is no administrator.
    pub fn test_policy(
        &self,
        caller: &Caller,
        tool: &str,
        arguments: Option<Value>,
        instead: Option<Instead>,
    ) -> BoxFuture<'_, Result<Tested, Error>> {
        let (caller, path) = (caller.clone(), tool.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeRules)?;
            let asked_for = match instead {
                None => caller.clone(),
                Some(instead) => self.in_place_of(&caller, instead).await?,
            };
            let catalog = self.catalog(&scope).await?;
            let (tool, source) = catalog
                .lookup(&path)
                .ok_or_else(|| Error::not_found("tool", &path))?;
            let policy = self.policy(&asked_for).await?;
            let now = self.inner.clock.now();
            let judged = match &arguments {
                Some(arguments) => tools::judged(tool, source, arguments),
                None => Judged::as_itself(tool),
            };
            let tool_now = (&**tool, source.source.review_of(&tool.path));
            let request = Request {
                risk: judged.risk,
                also: &judged.also,
                ..gate::general(&asked_for, tool_now, arguments.as_ref(), now)
            };
            let trace = explained(&request, &policy);
            let wrong = arguments
                .as_ref()
                .and_then(|a| tools::check_arguments(tool, source, a).err());
            Ok(Tested {
                rules: rules_of(&trace, &policy),
                trace,
                tool: tool.path.clone(),
                risk: judged.risk,
                wrong: wrong.map(|e| e.message),
            })
        })
    }

    async fn in_place_of(&self, caller: &Caller, instead: Instead) -> Result<Caller, Error> {
        let scope = caller.scope(Permission::ManageRules)?;
        let mut other = caller.clone();
        if let Some(person) = instead.person {
            let wanted = person.clone();
            let role = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::tenancy::role_in(r, &scope, &wanted)?))
                .await?;
            other.role = role.ok_or_else(|| Error::not_found("member", &person))?;
            if person != other.account_id {
                other.key_id = None;
            }
            other.account_id = person;
        }
        other.role = instead.role.unwrap_or(other.role);
        other.client = instead.client.unwrap_or(other.client);
        other.key_id = instead.key_id.or(other.key_id);
        other.channel = instead.channel.unwrap_or(other.channel);
        Ok(other)
    }
}

/// When the recorded decision was made: when the call was, unless it was asked about again since.
fn decided_at(call: &Call, approvals: &[Approval]) -> Timestamp {
    approvals
        .iter()
        .rfind(|a| {
            a.binding.sequence == call.binding.sequence
                && a.binding.policy_version == call.binding.policy_version
                && a.rule_id == call.rule_id
        })
        .map_or(call.started_at, |a| a.created_at)
}

fn why(
    task: &Task,
    call: &Call,
    (policy, catalog): (&Policy, &Catalog),
    at: Timestamp,
) -> Option<Why> {
    let arguments = serde_json::from_str(&call.arguments).ok()?;
    let also = gate::also_of(catalog, &call.binding.tool, &arguments);
    // Whether the tool had been looked at then is not written down by itself: what was allowed by a
    // rule and asked about all the same had not.
    let ways = [Review::LookedAt, Review::Unreviewed].into_iter();
    let mut traces = ways.map(|review| {
        let request = gate::recorded(task, (call, review), (&arguments, &also), at);
        explained(&request, policy)
    });
    let as_recorded = |trace: &Trace| {
        let decision = &trace.decision;
        decision.effect.as_str() == call.decision && decision.rule_id == call.rule_id
    };
    traces.find(as_recorded).map(|trace| {
        let rules = rules_of(&trace, policy);
        Why::Decided(Box::new(trace), rules)
    })
}

fn rules_of(trace: &Trace, policy: &Policy) -> Vec<Rule> {
    let ids = trace.looked_at.iter().map(|l| &l.rule_id);
    ids.filter_map(|id| policy.place(id))
        .map(|(place, rule)| Rule {
            position: i64::try_from(place).unwrap_or(i64::MAX),
            ..rule.clone()
        })
        .collect()
}
