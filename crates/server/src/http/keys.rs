//! API keys: make, list, rotate, revoke. A secret goes out once.

use super::answer::{Created, Done};
use super::extract::{Input, Who, id};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::Page;
use api::keys::{Key, KeyRotation, KeyWithSecret, NewKey};
use axum::Json;
use axum::extract::{Path, State};
use domain::credential::Secret;
use domain::key::ApiKey;
use domain::{AccountId, KeyId};

/// How long the secret before a rotation works on by default: a day.
const OVERLAP_MS: u64 = 24 * 3_600_000;

/// Makes an API key. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/api/v1/keys", operation_id = "createKey", tag = "keys",
    request_body = NewKey,
    responses((status = 201, description = "The key with its secret", body = KeyWithSecret), Problems, WriteProblems)
)]
pub(crate) async fn create(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewKey>,
) -> Result<Created<KeyWithSecret>, Failure> {
    let account_id = match new.member.as_deref() {
        None => None,
        Some(text) => Some(id::<AccountId>("member", text)?),
    };
    let expires_at = match new.expires_at.as_deref() {
        None => None,
        Some(text) => Some(wire::instant(text).ok_or_else(|| {
            Failure::invalid(
                "expiresAt",
                format!("'{text}' is no instant such as 2026-11-22T18:54:00Z"),
            )
        })?),
    };
    let new = engine::NewKey {
        name: new.name,
        account_id,
        expires_at,
        scopes: match &new.scopes {
            None => None,
            Some(names) => Some(wire::people::scopes(names)?),
        },
        limits: wire::people::key_limits(new.limits),
    };
    let (key, secret) = app.engine.create_key(&caller, new).await?;
    Ok(Created(with_secret(&app, &key, &secret)))
}

/// Lists API keys, without their secrets: the caller's own, for administrators everybody's.
#[utoipa::path(
    get, path = "/api/v1/keys", operation_id = "listKeys", tag = "keys",
    responses((status = 200, description = "The keys, the oldest first", body = Page<Key>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<Key>>, Failure> {
    let now = app.engine.now();
    let found = app.engine.keys(&caller).await?;
    Ok(Json(Page {
        items: found
            .iter()
            .map(|key| wire::people::key(key, now))
            .collect(),
        next_cursor: None,
    }))
}

/// Gives an API key a new secret; the one before works on for a while.
#[utoipa::path(
    post, path = "/api/v1/keys/{id}/rotate", operation_id = "rotateKey", tag = "keys",
    params(("id" = String, Path, description = "The key")),
    request_body = KeyRotation,
    responses((status = 200, description = "The key with its new secret", body = KeyWithSecret), Problems, WriteProblems)
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    Who(caller): Who,
    Path(key): Path<String>,
    Input(rotation): Input<KeyRotation>,
) -> Result<Json<KeyWithSecret>, Failure> {
    let key = id::<KeyId>("key", &key)?;
    let overlap_ms = rotation.overlap_ms.unwrap_or(OVERLAP_MS);
    let (key, secret) = app.engine.rotate_key(&caller, &key, overlap_ms).await?;
    Ok(Json(with_secret(&app, &key, &secret)))
}

/// Revokes an API key, at once and for good.
#[utoipa::path(
    delete, path = "/api/v1/keys/{id}", operation_id = "revokeKey", tag = "keys",
    params(("id" = String, Path, description = "The key")),
    responses((status = 204, description = "It is revoked"), Problems, WriteProblems)
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    Who(caller): Who,
    Path(key): Path<String>,
) -> Result<Done, Failure> {
    app.engine
        .revoke_key(&caller, &id::<KeyId>("key", &key)?)
        .await?;
    Ok(Done)
}

fn with_secret(app: &App, key: &ApiKey, secret: &Secret) -> KeyWithSecret {
    KeyWithSecret {
        key: wire::people::key(key, app.engine.now()),
        secret: secret.expose().to_owned(),
    }
}
