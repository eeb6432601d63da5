//! Web Push: the installation's public key, and one's own browsers. Only the person adds, changes and
//! removes them: no key does.

use super::answer::{Created, Done};
use super::extract::{Input, Who, id};
use crate::App;
use crate::auth::CurrentSession;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire::push as wire;
use api::Page;
use api::push::{NewPushSubscription, PushKey, PushSubscription, PushSubscriptionChange, PushTest};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use domain::PushId;

/// How a refusal calls them.
const WHAT: &str = "push subscription";

/// Shows the public key that a browser is given when it subscribes.
#[utoipa::path(
    get, path = "/api/v1/push/key", operation_id = "getPushKey", tag = "notifications",
    responses((status = 200, description = "The key, the same for all servers of an installation", body = PushKey), Problems)
)]
pub(crate) async fn key(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<PushKey>, Failure> {
    let public_key = app.engine.push_key(&caller).await?;
    Ok(Json(PushKey { public_key }))
}

/// Lists your own browsers that are told of approvals, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/push/subscriptions", operation_id = "listPushSubscriptions",
    tag = "notifications",
    responses((status = 200, description = "Your browsers in the workspace", body = Page<PushSubscription>), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
) -> Result<Json<Page<PushSubscription>>, Failure> {
    let found = app.engine.push_subscriptions(&caller).await?;
    Ok(Json(Page {
        items: found.iter().map(wire::subscription).collect(),
        next_cursor: None,
    }))
}

/// Adds one of your browsers, or brings it up to date where it was added before. Whoever had the same
/// browser before is told nothing there any more.
#[utoipa::path(
    post, path = "/api/v1/push/subscriptions", operation_id = "addPushSubscription",
    tag = "notifications",
    request_body = NewPushSubscription,
    responses((status = 201, description = "The browser", body = PushSubscription), Problems, WriteProblems)
)]
pub(crate) async fn add(
    State(app): State<App>,
    Who(caller): Who,
    Extension(current): Extension<CurrentSession>,
    Input(new): Input<NewPushSubscription>,
) -> Result<Created<PushSubscription>, Failure> {
    let new = engine::NewPush {
        endpoint: new.endpoint,
        p256dh: new.keys.p256dh,
        auth: new.keys.auth,
        name: new.name,
        quiet: wire::quiet(new.quiet_hours.as_deref())?,
        session_id: current.0,
    };
    let added = app.engine.add_push(&caller, new).await?;
    Ok(Created(wire::subscription(&added)))
}

/// Changes what one of your browsers is called, or its quiet hours.
#[utoipa::path(
    patch, path = "/api/v1/push/subscriptions/{id}", operation_id = "changePushSubscription",
    tag = "notifications",
    params(("id" = String, Path, description = "The browser")),
    request_body = PushSubscriptionChange,
    responses((status = 200, description = "The browser as it is now", body = PushSubscription), Problems, WriteProblems)
)]
pub(crate) async fn change(
    State(app): State<App>,
    Who(caller): Who,
    Path(browser): Path<String>,
    Input(change): Input<PushSubscriptionChange>,
) -> Result<Json<PushSubscription>, Failure> {
    let browser = id::<PushId>(WHAT, &browser)?;
    let change = engine::PushChange {
        name: change.name,
        quiet: wire::quiet(change.quiet_hours.as_deref())?,
    };
    Ok(Json(wire::subscription(
        &app.engine.change_push(&caller, &browser, change).await?,
    )))
}

/// Removes one of your browsers with everything it was still to be told.
#[utoipa::path(
    delete, path = "/api/v1/push/subscriptions/{id}", operation_id = "removePushSubscription",
    tag = "notifications",
    params(("id" = String, Path, description = "The browser")),
    responses((status = 204, description = "It is removed"), Problems, WriteProblems)
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Who(caller): Who,
    Path(browser): Path<String>,
) -> Result<Done, Failure> {
    let browser = id::<PushId>(WHAT, &browser)?;
    app.engine.remove_push(&caller, &browser).await?;
    Ok(Done)
}

/// Sends one of your browsers a test at once, also in its quiet hours, and says what came of it.
#[utoipa::path(
    post, path = "/api/v1/push/subscriptions/{id}/test", operation_id = "testPushSubscription",
    tag = "notifications",
    params(("id" = String, Path, description = "The browser")),
    responses((status = 200, description = "What the push service answered", body = PushTest), Problems, WriteProblems)
)]
pub(crate) async fn test(
    State(app): State<App>,
    Who(caller): Who,
    Path(browser): Path<String>,
) -> Result<Json<PushTest>, Failure> {
    let browser = id::<PushId>(WHAT, &browser)?;
    let attempt = app.engine.test_push(&caller, &browser).await?;
    Ok(Json(wire::test(&attempt)))
}
