//! The settings of a workspace: show, change.

use super::extract::{Input, Who};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use api::settings::{Limit as LimitShown, Settings as Shown, SettingsChange};
use axum::Json;
use axum::extract::State;
use domain::limits::Limit;
use domain::settings::Settings;
use domain::source::RefreshEvery;

/// Shows the settings of the workspace.
#[utoipa::path(
    get, path = "/api/v1/workspace/settings", operation_id = "getSettings", tag = "system",
    responses((status = 200, description = "The settings", body = Shown), Problems)
)]
pub(crate) async fn show(State(app): State<App>, Who(caller): Who) -> Result<Json<Shown>, Failure> {
    Ok(Json(shown(&app.engine.settings(&caller).await?)))
}

/// Changes settings of the workspace.
#[utoipa::path(
    patch, path = "/api/v1/workspace/settings", operation_id = "changeSettings", tag = "system",
    request_body = SettingsChange,
    responses((status = 200, description = "The settings", body = Shown), Problems, WriteProblems)
)]
pub(crate) async fn change(
    State(app): State<App>,
    Who(caller): Who,
    Input(change): Input<SettingsChange>,
) -> Result<Json<Shown>, Failure> {
    let limits = change.limits.iter().map(|(name, value)| {
        let limit = Limit::parse(name).ok_or_else(|| {
            let all: Vec<&str> = Limit::ALL.iter().map(|l| l.as_str()).collect();
            let why = format!("there is no limit '{name}'; there are {}", all.join(", "));
            Failure::invalid("limits", why)
        })?;
        Ok((limit, *value))
    });
    let change = engine::SettingsChange {
        in_client_decisions: change.in_client_decisions,
        members_see_all_tasks: change.members_see_all_tasks,
        approvers_may_edit: change.approvers_may_edit,
        retention_days: change.retention_days,
        source_refresh_every: change
            .source_refresh_every
            .map(|text| {
                let refuse = |why| Failure::invalid("sourceRefreshEvery", why);
                RefreshEvery::parse(&text).map_err(refuse)
            })
            .transpose()?,
        limits: limits.collect::<Result<_, Failure>>()?,
    };
    let settings = app.engine.change_settings(&caller, change).await?;
    Ok(Json(shown(&settings)))
}

fn shown(settings: &Settings) -> Shown {
    let limit = |limit: &Limit| {
        let (lowest, highest) = limit.bounds();
        LimitShown {
            name: limit.as_str().to_owned(),
            description: limit.describe().to_owned(),
            value: settings.limit(*limit),
            default: limit.default_value(),
            lowest,
            highest,
        }
    };
    Shown {
        in_client_decisions: settings.in_client_decisions,
        members_see_all_tasks: settings.members_see_all_tasks,
        approvers_may_edit: settings.approvers_may_edit,
        retention_days: settings.kept_days().unwrap_or(0),
        source_refresh_every: settings.source_refresh_every().to_text(),
        limits: Limit::ALL.iter().map(limit).collect(),
    }
}
