//! Sources: preview, add, list, show, switch on and off, read again, review, remove.

use super::answer::{Created, Done};
use super::extract::{Input, Params, Who};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::Page;
use api::sources::{
    NewSource, Preset, RefreshReport, Review, Reviewed, Source, SourceChange, SourceHealth,
    SourcePreview, UnreviewedTools,
};
use axum::Json;
use axum::extract::{Path, State};
use domain::credential::Secret;
use domain::policy::Pattern;
use domain::source::RefreshEvery;
use engine::{Doubtful, DryRun, Enabled, Looked};
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
    let new = wanted(new)?;
    Ok(Created(wire::source::one(
        &app.engine.add_source(&caller, new).await?,
    )))
}

fn wanted(new: NewSource) -> Result<engine::NewSource, Failure> {
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
    Ok(engine::NewSource {
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
        refresh_every: new
            .refresh_every
            .map(|text| refresh_every(&text))
            .transpose()?,
    })
}

fn refresh_every(text: &str) -> Result<RefreshEvery, Failure> {
    RefreshEvery::parse(text).map_err(|why| Failure::invalid("refreshEvery", why))
}

/// Shows what a source would bring: what it is, its tools with their risks, what was found in its
/// texts. Nothing is stored.
#[utoipa::path(
    post, path = "/api/v1/sources/preview", operation_id = "previewSource", tag = "sources",
    request_body = NewSource,
    responses((status = 200, description = "What it would bring", body = SourcePreview), Problems, WriteProblems)
)]
pub(crate) async fn preview(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewSource>,
) -> Result<Json<SourcePreview>, Failure> {
    let preview = app.engine.preview_source(&caller, wanted(new)?).await?;
    Ok(Json(wire::source::preview(&preview)))
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
        items: sources.iter().map(wire::source::listed).collect(),
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
    Ok(Json(wire::source::one(
        &app.engine.source(&caller, &source).await?,
    )))
}

/// Shows how a source is: how reading it goes, what its calls come to, what is wrong.
#[utoipa::path(
    get, path = "/api/v1/sources/{id}/health", operation_id = "getSourceHealth", tag = "sources",
    params(("id" = String, Path, description = "The source: its identifier or name")),
    responses((status = 200, description = "How it is", body = SourceHealth), Problems)
)]
pub(crate) async fn health(
    State(app): State<App>,
    Who(caller): Who,
    Path(source): Path<String>,
) -> Result<Json<SourceHealth>, Failure> {
    let health = app.engine.source_health(&caller, &source).await?;
    Ok(Json(wire::source::health(&health)))
}

/// Lists the tools of a source that ask until an administrator has looked at them as they are now.
#[utoipa::path(
    get, path = "/api/v1/sources/{id}/unreviewed", operation_id = "listUnreviewedTools", tag = "sources",
    params(("id" = String, Path, description = "The source: its identifier or name")),
    responses((status = 200, description = "The tools, with how they differ", body = UnreviewedTools), Problems)
)]
pub(crate) async fn unreviewed(
    State(app): State<App>,
    Who(caller): Who,
    Path(source): Path<String>,
) -> Result<Json<UnreviewedTools>, Failure> {
    let (source, waiting) = app.engine.unreviewed_tools(&caller, &source).await?;
    Ok(Json(wire::source::unreviewed(&source, &waiting)))
}

/// Says that you have looked at tools that are new or changed: policy decides about them as about any
/// other from then on. It takes a person; no key does it.
#[utoipa::path(
    post, path = "/api/v1/sources/{id}/review", operation_id = "reviewSource", tag = "sources",
    params(("id" = String, Path, description = "The source: its identifier or name")),
    request_body = Review,
    responses((status = 200, description = "What counts as looked at now", body = Reviewed), Problems, WriteProblems)
)]
pub(crate) async fn review(
    State(app): State<App>,
    Who(caller): Who,
    Path(source): Path<String>,
    Input(review): Input<Review>,
) -> Result<Json<Reviewed>, Failure> {
    let looked = match (review.all, review.tools.is_empty()) {
        (true, true) => Looked::All,
        (false, false) => Looked::Tools(review.tools),
        (true, false) | (false, true) => {
            return Err(Failure::invalid("tools", "give either `all` or `tools`"));
        }
    };
    let what = (looked, review.revision);
    let reviewed = app.engine.review_source(&caller, &source, what).await?;
    Ok(Json(Reviewed {
        source: wire::source::one(&reviewed.source),
        reviewed: reviewed.paths,
    }))
}

/// Switches a source on or off, says how often it is read again, or which of its tools may be called
/// twice without harm.
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
    if let Some(may_ask) = change.may_ask {
        app.engine
            .set_source_may_ask(&caller, &source, may_ask)
            .await?;
    }
    if let Some(text) = &change.refresh_every {
        let every = match text.as_str() {
            "default" => None,
            other => Some(refresh_every(other)?),
        };
        app.engine
            .set_source_refresh(&caller, &source, every)
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
    Ok(Json(wire::source::one(&changed)))
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
    /// Take it over although it looks like half a document or a flood.
    #[serde(default)]
    accept: bool,
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
    let doubtful = if query.accept {
        Doubtful::Accept
    } else {
        Doubtful::KeepOld
    };
    let how = (dry_run, doubtful);
    let report = app.engine.refresh_source(&caller, &source, how).await?;
    Ok(Json(wire::source::report(&report)))
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
