//! The audit chain: list, verify.

use super::answer::{page, read_cursor};
use super::extract::{Params, Who, bad_cursor, limit};
use crate::App;
use crate::error::{Failure, Problems};
use crate::wire;
use api::Page;
use api::audit::{AuditEntry, AuditVerification};
use axum::Json;
use axum::extract::State;
use engine::AuditQuery;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which entries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditList {
    /// Only actions that begin with this, such as `approval.`.
    action: Option<String>,
    /// Only what was done to this: an identifier.
    subject: Option<String>,
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
    let query = AuditQuery {
        action: query.action,
        subject: query.subject,
        before,
        limit: limit + 1,
    };
    let found = app.engine.audit(&caller, query).await?;
    Ok(page(
        found,
        limit,
        |e| e.sequence.to_string(),
        wire::audit_entry,
    ))
}

/// Checks that every entry of the chain follows from the one before.
#[utoipa::path(
    get, path = "/api/v1/audit/verify", operation_id = "verifyAudit", tag = "audit",
    responses((status = 200, description = "Whether the chain holds", body = AuditVerification), Problems)
)]
pub(crate) async fn verify(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<AuditVerification>, Failure> {
    let found = app.engine.verify_audit(&caller).await?;
    Ok(Json(AuditVerification {
        intact: found.first_bad.is_none(),
        entries: found.entries,
        head: found.head,
        first_bad: found.first_bad.as_ref().map(|(sequence, _)| *sequence),
        problem: found.first_bad.map(|(_, problem)| problem),
    }))
}
