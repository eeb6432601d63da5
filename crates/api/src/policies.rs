//! Policy rules, and what they would say.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a rule applies to; an empty list stands for everything.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RuleMatch {
    /// Tool path patterns: `*` for one segment, `**` for any number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Patterns that the rule leaves out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Names of sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// `read`, `write`, `destructive`, `unknown`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<String>,
    /// People, as `acct_…`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub persons: Vec<String>,
    /// `owner`, `admin`, `billing_admin`, `member`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Names of clients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// API keys, as `key_…`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// `dashboard`, `cli`, `api`, `mcp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// Conditions on arguments, such as `amount > 5000`; all must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
}

/// How a rule asks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RuleAsk {
    /// Who may answer besides administrators, as `acct_…`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Whether whoever runs the task may answer.
    pub requester_may: bool,
    /// Milliseconds until the question expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// How many people must say yes, 1 to 10.
    pub count: u32,
    /// Whether a reviewer may change the arguments.
    pub may_edit: bool,
}

impl Default for RuleAsk {
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

/// A rule to add, or the new text of one.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRule {
    /// `allow`, `ask` or `deny`.
    pub effect: String,
    /// What it applies to.
    #[serde(default, rename = "match")]
    pub matches: RuleMatch,
    /// How it asks; for `ask` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<RuleAsk>,
    /// `organization`, `workspace` (the default) or `personal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// When it stops to hold, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Why it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a rule comes of that a set brought. It is changed in the set, not by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleSet {
    /// The set, as `set_…`.
    pub id: String,
    /// What the set is called; of an old version, what it was called then.
    pub name: String,
    /// The assignment that brought the rule, as `asgn_…`: a layer of its own.
    pub assignment: String,
    /// The rule of the set that this is a copy of, as `srule_…`.
    pub rule: String,
}

/// A rule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// `rule_…`
    pub id: String,
    /// `organization`, `workspace` or `personal`.
    pub level: String,
    /// Its place in its layer, from 1; the first match there decides. The rules that were made on a
    /// level are a layer, and so is each set that is assigned there.
    pub position: usize,
    /// The set that brought it; none for a rule that was made on its level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<RuleSet>,
    /// `allow`, `ask` or `deny`.
    pub effect: String,
    /// What it applies to.
    #[serde(rename = "match")]
    pub matches: RuleMatch,
    /// How it asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<RuleAsk>,
    /// When it stops to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Why it is there.
    pub note: String,
    /// When it was made.
    pub created_at: String,
}

/// All rules, in the order in which they are looked at.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Rises with every change.
    pub version: i64,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// Where to move a rule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleMove {
    /// Its new place in its level, from 1.
    pub position: usize,
}

/// Somebody to ask for instead of oneself; what is not given is as with the caller.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AskedFor {
    /// The person, as `acct_…`, in the role that person has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Another role: `owner`, `admin`, `billing_admin`, `member`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What the client calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The API key, as `key_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `dashboard`, `cli`, `api`, `mcp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// A call to ask about.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyTest {
    /// The tool's path.
    pub tool: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub arguments: Option<Value>,
    /// For whom; administrators only.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub asked_for: Option<AskedFor>,
}

/// What policy says to a call.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The tool's path.
    pub tool: String,
    /// The tool's risk.
    pub risk: String,
    /// `allow`, `ask` or `deny`.
    pub decision: String,
    /// The rule that said so; null where it is the default.
    pub rule: Option<String>,
    /// The level of that rule.
    pub level: Option<String>,
    /// The set that brought that rule; none where it was made on its level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<RuleSet>,
    /// The version of the policy.
    pub policy_version: i64,
    /// The reason in a sentence.
    pub explanation: String,
    /// What is wrong with the arguments: such a call is refused before it is decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Every rule that was looked at, in order; in each layer none after the one that matched.
    pub looked_at: Vec<LookedAt>,
}

/// One rule that was looked at.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LookedAt {
    /// The rule.
    pub rule: String,
    /// Its level.
    pub level: String,
    /// Whether it matched.
    pub matched: bool,
    /// Whether it nearly did: it is about the tool, and only who called, when or with what kept it from
    /// matching.
    #[serde(default)]
    pub near: bool,
    /// Why it did or did not, in words.
    pub why: String,
    /// The rule as it was then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Rule>,
}

/// How often rules decided lately.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleUsage {
    /// Since when was looked, by the time at which calls were made: thirty days back.
    pub since: String,
    /// Whether only the caller's own calls were counted.
    pub own_only: bool,
    /// Rules that decided a call of the workspace since; one that is not here decided none.
    pub rules: Vec<RuleUse>,
    /// Rules that never decide while the others stay as they are.
    #[serde(default)]
    pub shadowed: Vec<RuleShadow>,
}

/// A rule that never decides, and because of which.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleShadow {
    /// The rule that never decides.
    pub rule: String,
    /// The rule that takes every call before it, or says the stricter to every one.
    pub by: String,
}

/// How often a rule decided.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleUse {
    /// The rule; it may have been removed since.
    pub rule: String,
    /// The set that brought it, as `set_…`, where it is there still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The rule of that set, as `srule_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_rule: Option<String>,
    /// Calls that it decided.
    pub calls: u64,
    /// When it last did.
    pub last_at: String,
}
