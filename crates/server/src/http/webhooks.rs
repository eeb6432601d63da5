//! Webhooks: add, list, change, test, rotate, remove, and what each was told.

use super::answer::{Created, Done, page};
use super::extract::{Input, Params, Who, before, id, limit};
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire::webhook as wire;
use api::Page;
use api::webhooks::{
    NewWebhook, Webhook, WebhookChange, WebhookDelivery, WebhookRotation, WebhookSecret,
};
use axum::Json;
use axum::extract::{Path, State};
use domain::{DeliveryId, WebhookId};
use serde::Deserialize;
use utoipa::IntoParams;

/// Adds a webhook. Its secret is in the answer, and never shown again.
#[utoipa::path(
    post, path = "/api/v1/webhooks", operation_id = "addWebhook", tag = "webhooks",
    request_body = NewWebhook,
    responses((status = 201, description = "The webhook and its secret", body = WebhookSecret), Problems, WriteProblems)
)]
pub(crate) async fn add(
    State(app): State<App>,
    Who(caller): Who,
    Input(new): Input<NewWebhook>,
) -> Result<Created<WebhookSecret>, Failure> {
    let new = engine::NewWebhook {
        url: new.url,
        events: wire::events(&new.events)?,
        format: wire::format(new.format, new.quiet_hours.as_deref())?,
        allow_private: new.allow_private,
    };
    Ok(Created(wire::secret(
        &app.engine.add_webhook(&caller, new).await?,
    )))
}

/// Lists webhooks, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/webhooks", operation_id = "listWebhooks", tag = "webhooks",
    responses((status = 200, description = "All webhooks of the workspace", body = Page<Webhook>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<Webhook>>, Failure> {
    let found = app.engine.webhooks(&caller).await?;
    Ok(Json(Page {
        items: found.iter().map(wire::webhook).collect(),
        next_cursor: None,
    }))
}

/// Shows a webhook.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{id}", operation_id = "getWebhook", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook")),
    responses((status = 200, description = "The webhook", body = Webhook), Problems)
)]
pub(crate) async fn show(
    State(app): State<App>,
    Who(caller): Who,
    Path(webhook): Path<String>,
) -> Result<Json<Webhook>, Failure> {
    let webhook = id::<WebhookId>("webhook", &webhook)?;
    Ok(Json(wire::webhook(
        &app.engine.webhook(&caller, &webhook).await?,
    )))
}

/// Changes a webhook, or switches it on or off. Its failures are forgotten.
#[utoipa::path(
    patch, path = "/api/v1/webhooks/{id}", operation_id = "changeWebhook", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook")),
    request_body = WebhookChange,
    responses((status = 200, description = "The webhook as it is now", body = Webhook), Problems, WriteProblems)
)]
pub(crate) async fn change(
    State(app): State<App>,
    Who(caller): Who,
    Path(webhook): Path<String>,
    Input(change): Input<WebhookChange>,
) -> Result<Json<Webhook>, Failure> {
    let webhook = id::<WebhookId>("webhook", &webhook)?;
    let change = engine::WebhookChange {
        url: change.url,
        events: change.events.as_deref().map(wire::events).transpose()?,
        format: wire::format(change.format, change.quiet_hours.as_deref())?,
        enabled: change.enabled,
        allow_private: change.allow_private,
    };
    Ok(Json(wire::webhook(
        &app.engine.change_webhook(&caller, &webhook, change).await?,
    )))
}

/// Removes a webhook with everything it was still to be told.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{id}", operation_id = "removeWebhook", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook")),
    responses((status = 204, description = "It is removed"), Problems, WriteProblems)
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Who(caller): Who,
    Path(webhook): Path<String>,
) -> Result<Done, Failure> {
    app.engine
        .remove_webhook(&caller, &id::<WebhookId>("webhook", &webhook)?)
        .await?;
    Ok(Done)
}

/// Sends a webhook a test at once and says what came of it.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/test", operation_id = "testWebhook", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook")),
    responses((status = 200, description = "The test as delivered, or not", body = WebhookDelivery), Problems, WriteProblems)
)]
pub(crate) async fn test(
    State(app): State<App>,
    Who(caller): Who,
    Path(webhook): Path<String>,
) -> Result<Json<WebhookDelivery>, Failure> {
    let webhook = id::<WebhookId>("webhook", &webhook)?;
    Ok(Json(wire::delivery(
        &app.engine.test_webhook(&caller, &webhook).await?,
    )))
}

/// Makes a new secret. The old one goes on signing beside it for a while.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/rotate", operation_id = "rotateWebhook", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook")),
    request_body = WebhookRotation,
    responses((status = 200, description = "The webhook and its new secret", body = WebhookSecret), Problems, WriteProblems)
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    Who(caller): Who,
    Path(webhook): Path<String>,
    Input(rotation): Input<WebhookRotation>,
) -> Result<Json<WebhookSecret>, Failure> {
    let webhook = id::<WebhookId>("webhook", &webhook)?;
    let overlap_ms = rotation.overlap_seconds.map(|s| i64::from(s) * 1_000);
    Ok(Json(wire::secret(
        &app.engine
            .rotate_webhook(&caller, &webhook, overlap_ms)
            .await?,
    )))
}

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryList {
    /// Where the page before ended.
    cursor: Option<String>,
    /// How many, 1 to 200; 50 by default.
    limit: Option<u32>,
}

/// Lists what a webhook was told in the last week and is to be told, the newest first.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{id}/deliveries", operation_id = "listWebhookDeliveries",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook"), DeliveryList),
    responses((status = 200, description = "A page of deliveries", body = Page<WebhookDelivery>), Problems)
)]
pub(crate) async fn deliveries(
    State(app): State<App>,
    Who(caller): Who,
    Path(webhook): Path<String>,
    Params(query): Params<DeliveryList>,
) -> Result<Json<Page<WebhookDelivery>>, Failure> {
    let webhook = id::<WebhookId>("webhook", &webhook)?;
    let limit = limit(query.limit)?;
    let before = before::<DeliveryId>(query.cursor.as_deref())?;
    let found = app
        .engine
        .webhook_deliveries(&caller, &webhook, before, limit + 1)
        .await?;
    Ok(page(
        found,
        limit,
        |d| format!("{}:{}", d.created_at.0, d.id),
        wire::delivery,
    ))
}
