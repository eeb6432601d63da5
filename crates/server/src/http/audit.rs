//! The audit chain: list, verify, export, checkpoints, and for how long it is kept.

use super::answer::{Created, page, read_cursor};
use super::extract::{Input, Params, Who, bad_cursor, id, instant, limit};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use crate::wire::audit::ExportFormat;
use api::Page;
use api::audit::{AuditCheckpoint, AuditEntry, AuditRetention, AuditVerification};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use engine::{AuditExport, AuditKeeping, AuditQuery};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;
use utoipa::IntoParams;

/// Longest text that entries are searched for, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// Which entries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditList {
    /// Only actions that begin with this, such as `approval.`.
    action: Option<String>,
    /// Only what was done to this: an identifier.
    subject: Option<String>,
    /// Only by this person: `acct_…`.
    actor: Option<String>,
    /// Only with this API key: `key_…`.
    key: Option<String>,
    /// Only through this: `dashboard`, `cli`, `api`, `mcp`, `client` or `server`.
    channel: Option<String>,
    /// Only from this instant on, by RFC 3339.
    from: Option<String>,
    /// Only before this instant, by RFC 3339.
    to: Option<String>,
    /// Only with this text in action, subject, client or detail, whatever its case.
    text: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// How many, 1 to 200; 50 by default.
    limit: Option<u32>,
}

/// Lists audit entries, the newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", operation_id = "listAudit", tag = "audit", params(AuditList),
    responses((status = 200, description = "A page of entries", body = Page<AuditEntry>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Params(query): Params<AuditList>,
) -> Result<Json<Page<AuditEntry>>, Failure> {
    let limit = limit(query.limit)?;
    let before = match query.cursor.as_deref() {
        None => None,
        Some(text) => {
            let sequence = read_cursor(text).and_then(|text| text.parse::<i64>().ok());
            Some(sequence.ok_or_else(bad_cursor)?)
        }
    };
    if query
        .text
        .as_ref()
        .is_some_and(|t| t.chars().count() > TEXT_CHARS_MAX)
    {
        let why = format!("it is longer than {TEXT_CHARS_MAX} characters");
        return Err(Failure::invalid("text", why));
    }
    let query = AuditQuery {
        action: query.action,
        subject: query.subject,
        account_id: query.actor.map(|a| id("member", &a)).transpose()?,
        key_id: query.key.map(|k| id("key", &k)).transpose()?,
        via: query.channel,
        from: instant("from", query.from.as_deref())?,
        to: instant("to", query.to.as_deref())?,
        text: query.text.filter(|t| !t.is_empty()),
        before,
        limit: limit + 1,
    };
    let found = app.engine.audit(&caller, query).await?;
    Ok(page(
        found,
        limit,
        |e| e.sequence.to_string(),
        wire::audit::entry,
    ))
}

/// Checks that every entry of the chain follows from the one before, and every checkpoint fits.
#[utoipa::path(
    get, path = "/api/v1/audit/verify", operation_id = "verifyAudit", tag = "audit",
    responses((status = 200, description = "Whether the chain holds", body = AuditVerification), Problems)
)]
pub(crate) async fn verify(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<AuditVerification>, Failure> {
    let found = app.engine.verify_audit(&caller).await?;
    Ok(Json(wire::audit::verification(found)))
}

/// What to export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditExportQuery {
    /// `jsonl`, which a verifier reads, or `csv`; `jsonl` by default.
    format: Option<String>,
    /// Only entries after this one, for an export that continues another; 0 by default.
    after: Option<u64>,
}

/// Exports the organization's whole chain in order, as a stream; that it was is an entry of it.
#[utoipa::path(
    get, path = "/api/v1/audit/export", operation_id = "exportAudit", tag = "audit",
    params(AuditExportQuery),
    responses(
        (status = 200, description = "The entries, one a line", body = String, content_type = "application/jsonl"),
        Problems
    )
)]
pub(crate) async fn export(
    State(app): State<App>,
    Who(caller): Who,
    Params(query): Params<AuditExportQuery>,
) -> Result<Response, Failure> {
    let format = ExportFormat::parse(query.format.as_deref())?;
    let after = i64::try_from(query.after.unwrap_or_default()).unwrap_or(i64::MAX);
    let export = app
        .engine
        .export_audit(&caller, after, format.as_str())
        .await?;
    let head = format.head(&export);
    let body = futures_util::stream::unfold((Some(head), export), move |(head, export)| {
        part(format, head, export)
    });
    let name = format!(
        "attachment; filename=\"executor-audit.{}\"",
        format.as_str()
    );
    let headers = [
        (CONTENT_TYPE, format.media_type().to_owned()),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// What is sent next, and what is left after it. A failure breaks the stream off, so that nobody
/// takes a part for the whole.
async fn part(
    format: ExportFormat,
    head: Option<String>,
    mut export: AuditExport,
) -> Option<(Result<String, engine::Error>, (Option<String>, AuditExport))> {
    if let Some(head) = head {
        return Some((Ok(head), (None, export)));
    }
    match export.next_part().await {
        Ok(None) => None,
        Ok(Some(part)) => Some((Ok(format.part(&part)), (None, export))),
        Err(error) => Some((Err(error), (None, export))),
    }
}

/// Signs how far the chain has gone. Keep it elsewhere: it shows a tail that is cut off later.
#[utoipa::path(
    post, path = "/api/v1/audit/checkpoints", operation_id = "makeAuditCheckpoint", tag = "audit",
    responses((status = 201, description = "The checkpoint", body = AuditCheckpoint), Problems, WriteProblems)
)]
pub(crate) async fn make_checkpoint(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Created<AuditCheckpoint>, Failure> {
    let made = app.engine.make_checkpoint(&caller).await?;
    Ok(Created(wire::audit::checkpoint(&made)))
}

/// Which checkpoints to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CheckpointList {
    /// Where the page before ended.
    cursor: Option<String>,
    /// How many, 1 to 200; 50 by default.
    limit: Option<u32>,
}

/// Lists the checkpoints of the chain, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/audit/checkpoints", operation_id = "listAuditCheckpoints", tag = "audit",
    params(CheckpointList),
    responses((status = 200, description = "A page of checkpoints", body = Page<AuditCheckpoint>), Problems)
)]
pub(crate) async fn checkpoints(
    State(app): State<App>,
    Who(caller): Who,
    Params(query): Params<CheckpointList>,
) -> Result<Json<Page<AuditCheckpoint>>, Failure> {
    let limit = limit(query.limit)?;
    let from = match query.cursor.as_deref() {
        None => 0,
        Some(text) => {
            let place = read_cursor(text).and_then(|text| text.parse::<i64>().ok());
            place.ok_or_else(bad_cursor)? + 1
        }
    };
    let found = app.engine.checkpoints(&caller, from, limit + 1).await?;
    Ok(page(
        found,
        limit,
        |c| c.sequence.to_string(),
        wire::audit::checkpoint,
    ))
}

/// Says for how long the organization keeps audit entries.
#[utoipa::path(
    get, path = "/api/v1/audit/retention", operation_id = "getAuditRetention", tag = "audit",
    responses((status = 200, description = "Days", body = AuditRetention), Problems)
)]
pub(crate) async fn retention(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<AuditRetention>, Failure> {
    let kept = app.engine.audit_keeping(&caller).await?;
    Ok(Json(AuditRetention { days: kept.days }))
}

/// Sets for how long the organization keeps audit entries. Those that go leave a signed anchor.
#[utoipa::path(
    put, path = "/api/v1/audit/retention", operation_id = "setAuditRetention", tag = "audit",
    request_body = AuditRetention,
    responses((status = 200, description = "Days", body = AuditRetention), Problems, WriteProblems)
)]
pub(crate) async fn set_retention(
    State(app): State<App>,
    Who(caller): Who,
    Input(retention): Input<AuditRetention>,
) -> Result<Json<AuditRetention>, Failure> {
    let keeping = AuditKeeping {
        days: retention.days,
    };
    let kept = app.engine.keep_audit(&caller, keeping).await?;
    Ok(Json(AuditRetention { days: kept.days }))
}
