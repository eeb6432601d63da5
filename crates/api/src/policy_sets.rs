//! Policy sets: named lists of rules that bind nobody until they are assigned.

use crate::policies::{RuleAsk, RuleMatch};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A set to make, or what to call one from now on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPolicySet {
    /// What it is called, 1 to 80 characters; no two of an organization alike, whatever the case.
    pub name: String,
    /// What it is for, at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A set as it is listed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySetSummary {
    /// `set_…`
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// How many rules it holds; at most 100.
    pub rule_count: usize,
    /// Whom it binds, as far as the caller may know: administrators see all.
    pub assignments: Vec<SetAssignment>,
    /// When it was made.
    pub created_at: String,
}

/// A set with its rules.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySet {
    /// `set_…`
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its rules, in the order in which they are looked at.
    pub rules: Vec<SetRule>,
    /// Whom it binds, as far as the caller may know: administrators see all.
    pub assignments: Vec<SetAssignment>,
    /// When it was made.
    pub created_at: String,
}

/// A rule of a set. Its level is that of each assignment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetRule {
    /// `srule_…`
    pub id: String,
    /// Its place in the set, from 1.
    pub position: usize,
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

/// Whom to bind with a set.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAssignment {
    /// `organization` for every workspace of it, `workspace` for this one, `personal` for one person in
    /// this one.
    pub level: String,
    /// The person, as `acct_…`; for `personal` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

/// Whom a set binds.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetAssignment {
    /// `asgn_…`
    pub id: String,
    /// `organization`, `workspace` or `personal`.
    pub level: String,
    /// The workspace, as `ws_…`; none for all of the organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The workspace's short name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_slug: Option<String>,
    /// The person, as `acct_…`; none for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person_name: Option<String>,
    /// When it was assigned.
    pub created_at: String,
}
