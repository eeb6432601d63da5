//! The settings of a workspace: read, change.

use crate::audit::by_person;
use crate::{Engine, Error};
use domain::access::{Caller, Permission, Scope};
use domain::event::EventKind;
use domain::limits::Limit;
use domain::settings::{RETENTION_DAYS, RETENTION_DAYS_MAX, Settings};
use domain::source::RefreshEvery;
use domain::tenancy::Role;
use futures_util::future::BoxFuture;
use serde_json::json;

/// What is to change; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    /// Whether a person may answer approvals in a form of their MCP client.
    pub in_client_decisions: Option<bool>,
    /// Whether members see each other's tasks.
    pub members_see_all_tasks: Option<bool>,
    /// Whether a reviewer may change the arguments of any call that is asked about.
    pub approvers_may_edit: Option<bool>,
    /// Days for which an ended task is kept; zero keeps it for ever.
    pub retention_days: Option<u32>,
    /// How often sources are read again that do not say so themselves.
    pub source_refresh_every: Option<RefreshEvery>,
    /// Limits to set, or with none to put back to their defaults.
    pub limits: Vec<(Limit, Option<u64>)>,
}

impl Engine {
    /// What is set in the caller's workspace.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn settings(&self, caller: &Caller) -> BoxFuture<'_, Result<Settings, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeSettings)?;
            self.inner
                .store
                .read(move |r| Ok(store::settings::get(r, &scope)?))
                .await
        })
    }

    /// Changes what is set in the caller's workspace. It holds for the next request and the next
    /// task; a task keeps the limits that it began with.
    ///
    /// # Errors
    /// `forbidden`, `invalid_limit`, `invalid_retention`.
    pub fn change_settings(
        &self,
        caller: &Caller,
        change: SettingsChange,
    ) -> BoxFuture<'_, Result<Settings, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            self.not_as_visitor(&caller, "change settings and limits")
                .await?;
            for (limit, value) in &change.limits {
                check(*limit, *value)?;
            }
            check_retention(change.retention_days)?;
            let now = self.inner.clock.now();
            let workspace = scope.workspace_id().clone();
            let plan = self.plan_sources();
            let settings = self
                .commit(&scope.clone(), move |tx| {
                    let before = store::settings::get_to_change(tx, &scope)?;
                    let after = changed(&before, &change);
                    if after == before {
                        return Ok(after);
                    }
                    store::settings::set(tx, &scope, &after)?;
                    if after.source_refresh_every != before.source_refresh_every {
                        plan(tx, &scope)?;
                    }
                    let detail = json!({ "before": before, "after": after });
                    let id = scope.workspace_id().as_str();
                    let entry = by_person(&caller, &scope, "settings.changed", id, &detail, now);
                    store::audit::append(tx, &scope, entry)?;
                    store::events::append(tx, &scope, None, now, &EventKind::Settings {})?;
                    Ok(after)
                })
                .await?;
            self.inner.rates.forget(&workspace);
            self.inner.schedule.look();
            Ok(settings)
        })
    }
}

/// Whether a caller sees what others' tasks do: by their role, or because the workspace lets its
/// members.
pub(crate) fn sees_all_tasks(
    reader: &mut store::Reader<'_>,
    scope: &Scope,
    caller: &Caller,
) -> Result<bool, Error> {
    if caller.scope(Permission::SeeAllTasks).is_ok() {
        return Ok(true);
    }
    if caller.role != Role::Member {
        return Ok(false);
    }
    Ok(store::settings::get(reader, scope)?.members_see_all_tasks)
}

fn changed(before: &Settings, change: &SettingsChange) -> Settings {
    let mut after = before.clone();
    if let Some(on) = change.in_client_decisions {
        after.in_client_decisions = on;
    }
    if let Some(on) = change.members_see_all_tasks {
        after.members_see_all_tasks = on;
    }
    if let Some(on) = change.approvers_may_edit {
        after.approvers_may_edit = on;
    }
    if let Some(every) = change.source_refresh_every {
        after.source_refresh_every = Some(every).filter(|e| *e != RefreshEvery::default());
    }
    if let Some(days) = change.retention_days {
        after.retention_days = Some(days).filter(|days| *days != RETENTION_DAYS);
    }
    for (limit, value) in &change.limits {
        match value {
            Some(value) if *value != limit.default_value() => {
                after.limits.insert(*limit, *value);
            }
            Some(_) | None => {
                after.limits.remove(limit);
            }
        }
    }
    after
}

fn check_retention(days: Option<u32>) -> Result<(), Error> {
    match days {
        Some(days) if days > RETENTION_DAYS_MAX => Err(Error::invalid(
            "invalid_retention",
            format!(
                "ended tasks may be kept for 1 to {RETENTION_DAYS_MAX} days, or with 0 for ever, \
                 not for {days} days"
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

fn check(limit: Limit, value: Option<u64>) -> Result<(), Error> {
    match value {
        Some(value) if !limit.allows(value) => {
            let (lowest, highest) = limit.bounds();
            Err(Error::invalid(
                "invalid_limit",
                format!(
                    "the limit {} ({}) may be from {lowest} to {highest}, not {value}",
                    limit.as_str(),
                    limit.describe()
                ),
            ))
        }
        Some(_) | None => Ok(()),
    }
}
