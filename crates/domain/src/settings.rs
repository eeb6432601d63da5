//! What the administrators of a workspace have set. Each setting has its default here; what is not
//! set is not stored, so that a default may be improved.

use crate::limits::Limit;
use crate::source::RefreshEvery;
use std::collections::BTreeMap;

/// Days for which an ended task is kept unless a workspace says otherwise.
pub const RETENTION_DAYS: u32 = 90;

/// Most days that a workspace may set: ten years. Zero keeps everything.
pub const RETENTION_DAYS_MAX: u32 = 3_650;

/// The settings of one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Whether a person may answer an approval in a form that their MCP client shows. Off unless
    /// set: the server cannot see who fills in the form.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_client_decisions: bool,
    /// Days after its end at which a task is removed, with its calls, approvals, logs and large
    /// values; zero keeps them for ever. The audit log is always kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Whether a reviewer may change the arguments of any call that is asked about; a rule may say
    /// so for its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub approvers_may_edit: bool,
    /// Whether members see each other's tasks, code and arguments. Off unless set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub members_see_all_tasks: bool,
    /// How often a source is read again that does not say so itself; a day unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_refresh_every: Option<RefreshEvery>,
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

    /// How often a source is read again that does not say so itself.
    #[must_use]
    pub fn source_refresh_every(&self) -> RefreshEvery {
        self.source_refresh_every.unwrap_or_default()
    }

    /// Days for which an ended task is kept; none keeps it for ever.
    #[must_use]
    pub fn kept_days(&self) -> Option<u32> {
        Some(self.retention_days.unwrap_or(RETENTION_DAYS)).filter(|days| *days > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{RETENTION_DAYS, Settings};

    #[test]
    fn zero_days_keep_for_ever_and_nothing_set_is_the_default() {
        let kept = |days| {
            Settings {
                retention_days: days,
                ..Settings::default()
            }
            .kept_days()
        };
        assert_eq!(kept(None), Some(RETENTION_DAYS));
        assert_eq!(kept(Some(0)), None);
        assert_eq!(kept(Some(7)), Some(7));
    }
}
