//! What the administrators of a workspace have set. Each setting has its default here; what is not
//! set is not stored, so that a default may be improved.

use crate::limits::Limit;
use std::collections::BTreeMap;

/// The settings of one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Whether a person may answer an approval in a form that their MCP client shows. Off unless
    /// set: the server cannot see who fills in the form.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_client_decisions: bool,
    /// Whether a reviewer may change the arguments of any call that is asked about; a rule may say
    /// so for its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub approvers_may_edit: bool,
    /// Whether members see each other's tasks, code and arguments. Off unless set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub members_see_all_tasks: bool,
    /// Limits that differ from their defaults.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<Limit, u64>,
}

impl Settings {
    /// What a limit is here: as set, within the bounds of today, or its default.
    #[must_use]
    pub fn limit(&self, limit: Limit) -> u64 {
        let (lowest, highest) = limit.bounds();
        self.limits
            .get(&limit)
            .map_or_else(|| limit.default_value(), |v| (*v).clamp(lowest, highest))
    }
}
