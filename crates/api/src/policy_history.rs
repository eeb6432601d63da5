//! What became of the rules and why: versions, explanations of calls, changes tried on recorded
//! calls, rules made of an approval.

use crate::policies::{LookedAt, NewRule, Rule, RuleSet};
use crate::policy_sets::NewAssignment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One change of the rules, and the version of the policy it made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyVersion {
    /// The version.
    pub version: i64,
    /// `added`, `edited`, `moved`, `removed`.
    pub change: String,
    /// The rule.
    pub rule: String,
    /// Its level.
    pub level: String,
    /// Who changed it.
    pub by: String,
    /// Through what: `dashboard`, `cli`, `api`.
    pub via: String,
    /// When.
    pub at: String,
    /// The rule before; none for one that was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Rule>,
    /// The rule after; none for one that was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Rule>,
}

/// One field that a change made different.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The field, such as `effect` or `match.tools`.
    pub field: String,
    /// What it was, as text; none where it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is, as text; none where it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// One version in full.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyVersionDetail {
    /// The change.
    #[serde(flatten)]
    pub version: PolicyVersion,
    /// What it made different, field by field.
    pub difference: Vec<Difference>,
    /// All rules as they were after it.
    pub rules: Vec<Rule>,
}

/// Why a recorded call was decided as it was.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The task.
    pub task_id: String,
    /// The call's number in the task.
    pub sequence: u32,
    /// The tool's path.
    pub tool: String,
    /// The tool's risk then.
    pub risk: String,
    /// `allow`, `ask`, `deny`, or `none` for a call that was answered or refused before it was
    /// decided about.
    pub decision: String,
    /// The rule that decided; null where it is the default.
    pub rule: Option<String>,
    /// The version of the policy it was decided under.
    pub policy_version: i64,
    /// When it was decided.
    pub decided_at: String,
    /// Whether the rules of that version are known, so that `lookedAt` is whole.
    pub known: bool,
    /// The reason in a sentence.
    pub explanation: String,
    /// Every rule that was looked at, as it was then, in order.
    pub looked_at: Vec<LookedAt>,
}

/// A change of the rules, or of a policy set, to try on recorded calls.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewBacktest {
    /// `add`, `edit`, `move` or `remove` a rule, of a set where one is given; `assign` a set, or
    /// `unassign` it.
    pub change: String,
    /// The set whose rules are changed, or which is assigned or taken back, as `set_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// To whom to assign the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NewAssignment>,
    /// The assignment to take back, as `asgn_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<String>,
    /// The rule to edit, move or remove: `rule_…`, or `srule_…` of a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The rule to add, or the new text of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<NewRule>,
    /// The new place of a rule that is moved, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// Only calls of tasks submitted since then, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// How many calls at most, those of the newest tasks first; 1,000 by default, 50,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What a change would do to recorded calls.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backtest {
    /// The rule as it would be; none for one that is removed, and where a set brings several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// How many rules that bear on this workspace would be added, changed or removed.
    pub rules_changed: usize,
    /// How many calls were looked at.
    pub looked_at: u32,
    /// How many of them would be decided otherwise.
    pub otherwise: u32,
    /// The same by what is decided now and would be then.
    pub changes: Vec<DecisionChange>,
    /// How many calls the rule would decide; of one that is removed, how many it decides now.
    #[serde(default)]
    pub matched: u32,
    /// How many of those people said yes to when they were asked.
    #[serde(default)]
    pub approved_by_people: u32,
    /// How many of those people said no to when they were asked.
    #[serde(default)]
    pub denied_by_people: u32,
    /// Some of those calls, the newest tasks first.
    pub examples: Vec<BacktestExample>,
    /// When the oldest task was submitted that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// What was not looked at, in sentences.
    pub not_looked_at: Vec<String>,
}

/// How many calls go from one decision to another.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionChange {
    /// What the rules as they are say.
    pub from: String,
    /// What the rules as they would be say.
    pub to: String,
    /// How many calls.
    pub count: u32,
}

/// A call that would be decided otherwise.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BacktestExample {
    /// The task.
    pub task_id: String,
    /// The call's number in the task.
    pub sequence: u32,
    /// The call.
    pub call_id: String,
    /// The tool's path.
    pub tool: String,
    /// Its arguments; `{ $leftOut, bytes, preview }` in the place of more than 4 KiB.
    #[serde(default)]
    pub arguments: serde_json::Value,
    /// SHA-256 of the canonical arguments.
    pub arguments_digest: String,
    /// What people said when they were asked about it: `approved` or `denied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What was decided when the call was made.
    pub recorded: String,
    /// What the rules as they are say.
    pub from: String,
    /// What the rules as they would be say.
    pub to: String,
    /// The rule that would decide; null where it would be the default.
    pub rule: Option<String>,
    /// The set that would bring that rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<RuleSet>,
}

/// What a rule would be about.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RulePreview {
    /// The place it would get in its level, from 1.
    pub position: usize,
    /// How many tools it is about.
    pub total: usize,
    /// The first 50 of them, in order of path.
    pub tools: Vec<String>,
}

/// A rule that could be made of an approval. Nothing is stored before it is given back, with the
/// answer or as a new rule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// What it is about, in words.
    pub about: String,
    /// The rule exactly as it would be stored.
    pub rule: NewRule,
    /// The place it would get in its level, from 1.
    pub position: usize,
    /// What it would do to recorded calls.
    pub backtest: Backtest,
}

/// The rules that could be made of an approval, the narrowest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suggestions {
    /// Empty where the caller can make none that would decide this call.
    pub items: Vec<Suggestion>,
}
