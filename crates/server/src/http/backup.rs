//! Everything that the server keeps, as a stream, for whoever runs it; and its keys.

use super::extract::{Input, Who};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use api::vault::{DataKey, MasterKeyRotation, VaultStatus};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::credential::Secret;
use engine::VaultView;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

/// Takes a backup of the whole server: every organization, at one instant, while it serves.
#[utoipa::path(
    get, path = "/api/v1/backup", operation_id = "takeBackup", tag = "system",
    responses(
        (status = 200, description = "The backup, for `executor restore`; without the master key", body = String, content_type = "application/jsonl"),
        Problems
    )
)]
pub(crate) async fn backup(State(app): State<App>, Who(caller): Who) -> Result<Response, Failure> {
    let backup = app.engine.backup(&caller).await?;
    let pieces = futures_util::stream::unfold(backup, |mut backup| async move {
        let piece = backup.next_piece().await?;
        Some((piece, backup))
    });
    let headers = [
        (CONTENT_TYPE, "application/jsonl"),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"executor.backup\"",
        ),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

fn shown(view: VaultView) -> Json<VaultStatus> {
    Json(VaultStatus {
        master_key: view.master_key,
        handing_over: view.handing_over,
        data_key: view.data_key.map(|key| DataKey {
            version: key.version,
            created_at: key.created_at.to_rfc3339(),
            resealing: key.resealing,
        }),
    })
}

/// Says how the keys stand that protect credentials, without any of them.
#[utoipa::path(
    get, path = "/api/v1/vault", operation_id = "getVault", tag = "system",
    responses((status = 200, description = "How the keys stand", body = VaultStatus), Problems)
)]
pub(crate) async fn vault(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<VaultStatus>, Failure> {
    Ok(shown(app.engine.vault_status(&caller).await?))
}

/// Changes the master key while serving. Give the new one to every server before it starts again.
#[utoipa::path(
    post, path = "/api/v1/vault/master-key", operation_id = "rotateMasterKey", tag = "system",
    request_body = MasterKeyRotation,
    responses((status = 200, description = "How the keys stand", body = VaultStatus), Problems, WriteProblems)
)]
pub(crate) async fn rotate_master_key(
    State(app): State<App>,
    Who(caller): Who,
    Input(rotation): Input<MasterKeyRotation>,
) -> Result<Json<VaultStatus>, Failure> {
    let key = Secret::new(rotation.key);
    Ok(shown(app.engine.rotate_master_key(&caller, key).await?))
}

/// Makes a new data key for the organization; what the one before sealed is sealed anew.
#[utoipa::path(
    post, path = "/api/v1/vault/data-key", operation_id = "rotateDataKey", tag = "system",
    responses((status = 200, description = "How the keys stand", body = VaultStatus), Problems, WriteProblems)
)]
pub(crate) async fn rotate_data_key(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<VaultStatus>, Failure> {
    Ok(shown(app.engine.rotate_data_key(&caller).await?))
}
