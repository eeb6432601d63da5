//! Sources: add, list, show, switch on and off, read again, remove.

use super::answer::{Created, Done};
use super::extract::{Input, Params, Who};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::Page;
use api::sources::{NewSource, Preset, RefreshReport, Source, SourceChange};
use axum::Json;
use axum::extract::{Path, State};
use domain::credential::Secret;
use domain::policy::Pattern;
use engine::{DryRun, Enabled};
use serde::Deserialize;
use utoipa::IntoParams;

/// Adds a source and imports its tools.
#[utoipa::path(
    post, path = "/api/v1/sources", operation_id = "addSource", tag = "sources",
    request_body = NewSource,
    responses((status = 201, description = "The source", body = Source), Problems, WriteProblems)
)]
pub(crate) async fn add(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewSource>,
) -> Result<Created<Source>, Failure> {
    let given = [
        new.url.is_some(),
        new.document.is_some(),
        !new.command.is_empty(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        let sentence = "give one of `url`, `document` and `command`";
        return Err(Failure::invalid("url", sentence));
    }
    let file_name = new.file_name.unwrap_or_else(|| "document".to_owned());
    let document = new.document.map(|text| (file_name, text.into_bytes()));
    let new = engine::NewSource {
        url: new.url,
        command: new.command,
        document,
        name: new.name,
        kind: new.kind,
        base_url: new.base_url,
        headers: new.headers.into_iter().map(|h| (h.name, h.value)).collect(),
        auth: new.auth.as_deref().map(wire::auth_scheme).transpose()?,
        trust_hints: new.trust_hints,
        allow_private: new.allow_private,
        idempotent: patterns(&new.idempotent)?,
        credential: new.credential.map(first_credential).transpose()?,
    };
    Ok(Created(wire::source(
        &app.engine.add_source(&caller, new).await?,
    )))
}

/// Lists all sources by name.
#[utoipa::path(
    get, path = "/api/v1/sources", operation_id = "listSources", tag = "sources",
    responses((status = 200, description = "All sources", body = Page<Source>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<Source>>, Failure> {
    let sources = app.engine.sources(&caller).await?;
    Ok(Json(Page {
        items: sources.iter().map(wire::source).collect(),
        next_cursor: None,
    }))
}

/// Shows a source.
#[utoipa::path(
    get, path = "/api/v1/sources/{id}", operation_id = "getSource", tag = "sources",
    params(("id" = String, Path, description = "The source: its identifier or name")),
    responses((status = 200, description = "The source", body = Source), Problems)
)]
pub(crate) async fn show(
    State(app): State<App>,
    Who(caller): Who,
    Path(source): Path<String>,
) -> Result<Json<Source>, Failure> {
    Ok(Json(wire::source(
        &app.engine.source(&caller, &source).await?,
    )))
}

/// Switches a source on or off, or says which of its tools may be called twice without harm.
#[utoipa::path(
    patch, path = "/api/v1/sources/{id}", operation_id = "changeSource", tag = "sources",
    params(("id" = String, Path, description = "The source: its identifier or name")),
    request_body = SourceChange,
    responses((status = 200, description = "The source as it is now", body = Source), Problems, WriteProblems)
)]
pub(crate) async fn change(
    State(app): State<App>,
    Who(caller): Who,
    Path(source): Path<String>,
    Input(change): Input<SourceChange>,
) -> Result<Json<Source>, Failure> {
    if let Some(tools) = &change.idempotent {
        let tools = patterns(tools)?;
        app.engine
            .set_source_idempotent(&caller, &source, tools)
            .await?;
    }
    let changed = match change.enabled {
        Some(true) => {
            app.engine
                .set_source_enabled(&caller, &source, Enabled::Yes)
                .await?
        }
        Some(false) => {
            app.engine
                .set_source_enabled(&caller, &source, Enabled::No)
                .await?
        }
        None => app.engine.source(&caller, &source).await?,
    };
    Ok(Json(wire::source(&changed)))
}

/// Removes a source with its tools and credentials.
#[utoipa::path(
    delete, path = "/api/v1/sources/{id}", operation_id = "removeSource", tag = "sources",
    params(("id" = String, Path, description = "The source: its identifier or name")),
    responses((status = 204, description = "It is removed"), Problems, WriteProblems)
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Who(caller): Who,
    Path(source): Path<String>,
) -> Result<Done, Failure> {
    app.engine.remove_source(&caller, &source).await?;
    Ok(Done)
}

/// How to refresh.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct RefreshQuery {
    /// Only say what would change.
    #[serde(default)]
    dry_run: bool,
}

/// Reads a source's description again and takes over what changed.
#[utoipa::path(
    post, path = "/api/v1/sources/{id}/refresh", operation_id = "refreshSource", tag = "sources",
    params(("id" = String, Path, description = "The source: its identifier or name"), RefreshQuery),
    responses((status = 200, description = "What changed, or would", body = RefreshReport), Problems, WriteProblems)
)]
pub(crate) async fn refresh(
    State(app): State<App>,
    Who(caller): Who,
    Path(source): Path<String>,
    Params(query): Params<RefreshQuery>,
) -> Result<Json<RefreshReport>, Failure> {
    let dry_run = if query.dry_run {
        DryRun::Yes
    } else {
        DryRun::No
    };
    let report = app.engine.refresh_source(&caller, &source, dry_run).await?;
    Ok(Json(RefreshReport {
        source: wire::source(&report.source),
        added: report.added,
        removed: report.removed,
        changed: report.changed,
    }))
}

fn first_credential(
    given: api::sources::FirstCredential,
) -> Result<engine::FirstCredential, Failure> {
    Ok(engine::FirstCredential {
        auth: given.auth.as_deref().map(wire::auth_scheme).transpose()?,
        value: Secret::new(given.value),
    })
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>, Failure> {
    let each = texts.iter().enumerate();
    each.map(|(at, text)| {
        Pattern::parse(text)
            .map_err(|e| Failure::invalid(&format!("idempotent[{at}]"), e.to_string()))
    })
    .collect()
}

/// Lists services that can be added by name; contacts none of them.
#[utoipa::path(
    get, path = "/api/v1/presets", operation_id = "listPresets", tag = "sources",
    responses((status = 200, description = "All presets", body = Page<Preset>), Problems)
)]
pub(crate) async fn presets(Who(_caller): Who) -> Json<Page<Preset>> {
    Json(Page {
        items: domain::preset::PRESETS.iter().map(wire::preset).collect(),
        next_cursor: None,
    })
}
