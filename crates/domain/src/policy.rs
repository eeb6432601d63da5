//! The policy decision: ordered rules in layers, and what risk says where no rule does.
//!
//! The rules that were made on a level are a layer, and so is each set of rules that is assigned there.
//! Within a layer the first match decides; across layers the strictest wins. [`decide`] is a pure
//! function of a request and the rules; the gate is its only caller. Conditions are total: where
//! an argument is missing, a rule that allows does not match and one that asks or denies does.

use crate::access::Channel;
use crate::source::Review;
use crate::tenancy::Role;
use crate::tool::Risk;
use crate::{AccountId, AssignmentId, KeyId, PolicySetId, RuleId, SetRuleId, Timestamp};
use layers::{Firsts, Said};
use serde_json::Value;

mod compare;
mod condition;
mod forecast;
mod history;
mod judged;
mod layers;
mod pattern;
mod remember;
mod sets;
mod shadow;
mod trace;

pub use condition::{Condition, ConditionError, Operator};
pub use forecast::possible;
pub use history::{Change, Version};
pub use judged::JudgedAs;
pub use pattern::{Path, Pattern, PatternError};
pub use remember::exactly;
pub use sets::{Assignment, PolicySet, SetChange, SetRule, Target};
pub use shadow::{Shadow, shadows};
pub use trace::{Denials, LookedAt, Miss, Trace, covers, trace};

/// Who made a rule and for whom it holds. Later ones cannot weaken earlier ones.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Every workspace of the organization.
    Organization,
    /// One workspace.
    Workspace,
    /// One person in one workspace.
    Personal,
}

impl Level {
    /// All levels, the widest first.
    pub const ALL: [Self; 3] = [Self::Organization, Self::Workspace, Self::Personal];

    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Workspace => "workspace",
            Self::Personal => "personal",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.as_str() == text)
    }

    /// Whom it binds, in words that follow "the".
    #[must_use]
    pub fn whom(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Workspace => "workspace",
            Self::Personal => "person",
        }
    }
}

/// What a rule says about a call. Ordered from the mildest to the strictest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase", tag = "effect")]
pub enum Effect {
    /// Let it through.
    Allow,
    /// Ask a person.
    Ask(Ask),
    /// Refuse it.
    Deny,
}

impl Effect {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask(_) => "ask",
            Self::Deny => "deny",
        }
    }

    fn strictness(&self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Ask(_) => 1,
            Self::Deny => 2,
        }
    }
}

/// How a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Ask {
    /// Who may answer besides administrators; empty means administrators alone.
    pub approvers: Vec<AccountId>,
    /// Whether whoever runs the task may answer.
    pub requester_may: bool,
    /// Milliseconds until the question expires; none means the limit of the task.
    pub wait_ms: Option<u64>,
    /// How many people must say yes.
    #[serde(skip_serializing_if = "is_one")]
    pub count: u32,
    /// Whether a reviewer may change the arguments.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_edit: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn is_one(count: &u32) -> bool {
    *count == 1
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            approvers: Vec::new(),
            requester_may: true,
            wait_ms: None,
            count: 1,
            may_edit: false,
        }
    }
}

/// What a rule applies to. An empty list stands for everything.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Match {
    /// Tool paths.
    pub tools: Vec<Pattern>,
    /// Tool paths that the rule leaves out.
    pub except: Vec<Pattern>,
    /// Names of sources.
    pub sources: Vec<String>,
    /// Risks.
    pub risks: Vec<Risk>,
    /// People whose task it is.
    pub persons: Vec<AccountId>,
    /// Roles of the person whose task it is.
    pub roles: Vec<Role>,
    /// Names of clients, as the client calls itself.
    pub clients: Vec<String>,
    /// API keys that the request came with.
    pub keys: Vec<KeyId>,
    /// Ways the request came in.
    pub channels: Vec<Channel>,
    /// What must hold of the arguments: all of these.
    pub conditions: Vec<Condition>,
}

/// What a rule comes of that nobody made on its level: a set that is assigned there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfSet {
    /// The assignment: all rules that it brought are one layer.
    pub assignment_id: AssignmentId,
    /// The set.
    pub set_id: PolicySetId,
    /// What the set is called; in an old version of the policy, what it was called then.
    pub set_name: String,
    /// The rule of the set that this is a copy of.
    pub set_rule_id: SetRuleId,
}

/// One rule of a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its identifier.
    pub id: RuleId,
    /// Whom it binds.
    pub level: Level,
    /// The person, on the personal level.
    pub account_id: Option<AccountId>,
    /// The set it comes of; none for one that was made on its level.
    pub of_set: Option<OfSet>,
    /// Its place among the rules of its layer, the lowest first.
    pub position: i64,
    /// What it applies to.
    pub matches: Match,
    /// What it says.
    pub effect: Effect,
    /// When it stops to hold.
    pub until: Option<Timestamp>,
    /// Why it is there, in the words of whoever made it.
    pub note: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Rule {
    /// The assignment that brought it; none for one that was made on its level.
    #[must_use]
    pub fn assignment_id(&self) -> Option<&AssignmentId> {
        self.of_set.as_ref().map(|set| &set.assignment_id)
    }

    /// The layer it is in, ordered as they are told of.
    fn layer(&self) -> (Level, Option<&AssignmentId>) {
        (self.level, self.assignment_id())
    }

    /// Its place among the rules of a policy: those of an assignment follow each other.
    fn order(&self) -> (Option<&AssignmentId>, i64, &RuleId) {
        (self.assignment_id(), self.position, &self.id)
    }

    /// What a condition answers where its argument is missing or of another type.
    fn when_undecided(&self) -> bool {
        !matches!(self.effect, Effect::Allow)
    }
}

/// All rules that bear on one caller, and the version of the policy they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Policy {
    /// Rises by one with every change in the workspace or its organization.
    pub version: i64,
    /// The rules of every level, in order of position within each layer.
    pub rules: Vec<Rule>,
}

/// A call to decide about.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The tool's path.
    pub tool: &'a str,
    /// The name of its source.
    pub source: &'a str,
    /// Its risk.
    pub risk: Risk,
    /// Whether an administrator has looked at the tool as it is now. Until then what would be
    /// allowed is asked about.
    pub review: Review,
    /// Its arguments; none to ask about the tool in general, which no rule with conditions answers.
    pub arguments: Option<&'a Value>,
    /// What else the call comes to: it is decided as each of these too, and the strictest counts.
    pub also: &'a [JudgedAs],
    /// The person whose task it is.
    pub account_id: &'a AccountId,
    /// That person's role.
    pub role: Role,
    /// What the client calls itself.
    pub client: &'a str,
    /// The API key that the task came in with, if any.
    pub key_id: Option<&'a KeyId>,
    /// Through what the task came in.
    pub channel: Channel,
    /// The time of the decision.
    pub now: Timestamp,
}

/// What was decided, and by what.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The strictest of what the layers said.
    pub effect: Effect,
    /// The rule that said it; none means the default for the risk.
    pub rule_id: Option<RuleId>,
    /// The level of that rule.
    pub level: Option<Level>,
    /// The set that rule comes of, if it does.
    pub of_set: Option<OfSet>,
    /// The policy it was decided under.
    pub policy_version: i64,
    /// Whether the rules alone would allow it, and a person is asked because no administrator has
    /// looked at the tool as it is now.
    pub unreviewed: bool,
}

fn by_default(risk: Risk, verb: &str, policy_version: i64) -> String {
    format!(
        "no rule matches; the default for {} tools {verb} (policy version {policy_version})",
        risk.as_str()
    )
}

/// What [`Decision::explain`] says where a person is asked because no rule matches.
#[must_use]
pub fn asked_by_default(risk: Risk, policy_version: i64) -> String {
    by_default(risk, "asks a person", policy_version)
}

impl Decision {
    /// One sentence that says why.
    #[must_use]
    pub fn explain(&self, risk: Risk) -> String {
        let verb = match self.effect {
            Effect::Ask(_) if self.unreviewed => "would allow it",
            Effect::Allow => "allows it",
            Effect::Ask(_) => "asks a person",
            Effect::Deny => "denies it",
        };
        let said = match (&self.rule_id, self.level, &self.of_set) {
            (Some(rule), Some(level), Some(set)) => format!(
                "rule {rule} of the set '{}', which {} assigns to the {}, {verb} (policy version {})",
                set.set_name,
                set.assignment_id,
                level.whom(),
                self.policy_version
            ),
            (Some(rule), Some(level), None) => format!(
                "rule {rule} of the {} {verb} (policy version {})",
                level.as_str(),
                self.policy_version
            ),
            (_, _, _) => by_default(risk, verb, self.policy_version),
        };
        if self.unreviewed {
            format!(
                "{said}, but no administrator has looked at this tool as it is now, so a person is \
                 asked (`executor sources review` shows what is new)"
            )
        } else {
            said
        }
    }

    /// What comes of what the layers said; of nothing, the default for the risk.
    fn of(said: Option<&Said<'_>>, request: &Request<'_>, policy: &Policy) -> Self {
        Self {
            effect: said.map_or_else(|| default_effect(request.risk), Said::effect),
            rule_id: said.map(|s| s.rule.id.clone()),
            level: said.map(|s| s.rule.level),
            of_set: said.and_then(|s| s.rule.of_set.clone()),
            policy_version: policy.version,
            unreviewed: false,
        }
        .reviewed(request.review)
    }

    /// What an unreviewed tool makes of it: what would be allowed is asked about, and nothing
    /// becomes milder.
    fn reviewed(self, review: Review) -> Self {
        match (review, &self.effect) {
            (Review::Unreviewed, Effect::Allow) => Self {
                effect: Effect::Ask(Ask::default()),
                unreviewed: true,
                ..self
            },
            (Review::Unreviewed | Review::LookedAt, _) => self,
        }
    }
}

/// What happens where no rule matches: reading is allowed, everything else asks.
#[must_use]
pub fn default_effect(risk: Risk) -> Effect {
    match risk {
        Risk::Read => Effect::Allow,
        Risk::Write | Risk::Destructive | Risk::Unknown => Effect::Ask(Ask::default()),
    }
}

/// Decides about one call. What it looked at on the way is told by [`trace()`].
#[must_use]
pub fn decide(request: &Request<'_>, policy: &Policy) -> Decision {
    decide_watched(request, policy, |_, _, _| {})
}

/// The one evaluation: the call itself, then all that it comes to besides. `watch` sees every rule
/// that is looked at, what it is tried on, and why it did not match.
fn decide_watched<'p>(
    request: &Request<'_>,
    policy: &'p Policy,
    mut watch: impl FnMut(&Request<'_>, &'p Rule, Option<Miss>),
) -> Decision {
    let own = decide_one(request, policy, |rule, miss| watch(request, rule, miss));
    request.also.iter().fold(own, |strictest, also| {
        let request = also.request(request);
        let decision = decide_one(&request, policy, |rule, miss| watch(&request, rule, miss));
        judged::stricter(strictest, decision)
    })
}

fn decide_one<'p>(
    request: &Request<'_>,
    policy: &'p Policy,
    mut watch: impl FnMut(&'p Rule, Option<Miss>),
) -> Decision {
    let path = Path::new(request.tool);
    let mut firsts = Firsts::default();
    for rule in &policy.rules {
        let found = firsts.of(rule);
        if found.is_none() {
            let miss = trace::miss(rule, request, &path);
            watch(rule, miss);
            if miss.is_none() {
                *found = Some(rule);
            }
        }
    }
    Decision::of(firsts.said().as_ref(), request, policy)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
