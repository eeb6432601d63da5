//! The routes of `/api/v1`, their description, and the two health checks.
//!
//! Each route is described where it is written, so that neither can be added without the other.
//! `extract.rs` and `answer.rs` say how requests are read and what successes look like.

pub(crate) mod answer;
mod approvals;
mod audit;
mod backup;
mod check;
mod connects;
mod credentials;
pub(crate) mod extract;
mod grants;
pub(crate) mod invites;
mod keys;
mod members;
mod organizations;
mod policies;
mod policy_sets;
mod push;
mod sessions;
mod settings;
mod sources;
mod stream;
mod system;
mod tasks;
mod tools;
mod webhooks;
mod workspaces;

use crate::App;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;
use utoipa::OpenApi as _;
#[cfg(test)]
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the description says of the API as a whole.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Executor",
        description = "Runs programs for agents in a sandbox where every tool of every connected \
                       API is a function and each call passes one gate. Errors are \
                       `application/problem+json`. Every route also takes `workspace`, a \
                       workspace by identifier, by short name in the caller's organization, or as \
                       `organization/workspace`; without it the caller's first, or that of the \
                       key.",
        license(name = "MIT", identifier = "MIT"),
    ),
    servers((url = "/")),
    components(schemas(api::error::Problem)),
    tags(
        (name = "tasks", description = "Programs that run, their calls, logs and results"),
        (name = "approvals", description = "Questions to a person, and answers"),
        (name = "events", description = "What happens, as server-sent events"),
        (name = "tools", description = "The catalog"),
        (name = "sources", description = "Where tools come from"),
        (name = "policies", description = "Rules that decide about calls"),
        (name = "credentials", description = "What opens a source; values go in and never come out"),
        (name = "grants", description = "What people have granted to MCP clients"),
        (name = "keys", description = "How programs prove whose they are; secrets go out once"),
        (name = "organizations", description = "What holds workspaces and members, and its workspaces"),
        (name = "members", description = "The people of the organization"),
        (name = "webhooks", description = "Addresses that are told of approvals, signed"),
        (name = "notifications", description = "One's own browsers that are told of approvals"),
        (name = "audit", description = "The chain of what was done"),
        (name = "system", description = "Who is asking, and how the server is"),
    )
)]
struct Description;

/// The API and the health checks.
pub(crate) fn routes(app: &App) -> Router {
    let (router, mut openapi) = described().split_for_parts();
    openapi.info.version = app.version.to_owned();
    let document = serde_json::to_vec_pretty(&openapi)
        .map(Bytes::from)
        .unwrap_or_default();
    let serve_document = move || async move { ([(CONTENT_TYPE, "application/json")], document) };
    router
        .route("/api/v1/openapi.json", get(serve_document))
        .route("/healthz", get(system::alive))
        .route("/readyz", get(system::ready))
        // Bodies are limited where they are read.
        .layer(DefaultBodyLimit::disable())
        .with_state(app.clone())
}

#[expect(clippy::too_many_lines, reason = "a straight list of routes")]
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(tasks::submit, tasks::list))
        .routes(routes!(tasks::show))
        .routes(routes!(check::check))
        .routes(routes!(tasks::cancel))
        .routes(routes!(tasks::rerun))
        .routes(routes!(tasks::fork))
        .routes(routes!(tasks::clients))
        .routes(routes!(tasks::stop_client))
        .routes(routes!(tasks::calls))
        .routes(routes!(tasks::call))
        .routes(routes!(tasks::logs))
        .routes(routes!(tasks::result_part))
        .routes(routes!(stream::task_events))
        .routes(routes!(stream::workspace_events))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::show))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::deny))
        .routes(routes!(approvals::happened))
        .routes(routes!(approvals::answer_source))
        .routes(routes!(approvals::preview))
        .routes(routes!(approvals::look))
        .routes(routes!(approvals::withdraw))
        .routes(routes!(approvals::extend))
        .routes(routes!(approvals::assign))
        .routes(routes!(tools::list))
        .routes(routes!(tools::search))
        .routes(routes!(tools::namespaces))
        .routes(routes!(tools::describe))
        .routes(routes!(tools::usage))
        .routes(routes!(tools::call))
        .routes(routes!(sources::add, sources::list))
        .routes(routes!(sources::show, sources::change, sources::remove))
        .routes(routes!(sources::refresh))
        .routes(routes!(sources::presets))
        .routes(routes!(sources::preview))
        .routes(routes!(sources::health))
        .routes(routes!(sources::unreviewed))
        .routes(routes!(sources::review))
        .routes(routes!(policies::add, policies::list))
        .routes(routes!(policies::edit, policies::remove))
        .routes(routes!(policies::reorder))
        .routes(routes!(policies::usage))
        .routes(routes!(policies::test))
        .routes(routes!(policies::preview))
        .routes(routes!(policies::backtest))
        .routes(routes!(policies::versions))
        .routes(routes!(policies::version))
        .routes(routes!(policies::explain))
        .routes(routes!(policy_sets::create, policy_sets::list))
        .routes(routes!(
            policy_sets::show,
            policy_sets::describe,
            policy_sets::delete
        ))
        .routes(routes!(policy_sets::add_rule))
        .routes(routes!(policy_sets::edit_rule, policy_sets::remove_rule))
        .routes(routes!(policy_sets::move_rule))
        .routes(routes!(policy_sets::assign))
        .routes(routes!(policy_sets::unassign))
        .routes(routes!(policies::suggest))
        .routes(routes!(credentials::set, credentials::list))
        .routes(routes!(credentials::remove))
        .routes(routes!(credentials::rotate))
        .routes(routes!(credentials::test))
        .routes(routes!(credentials::prefer))
        .routes(routes!(credentials::order, credentials::set_order))
        .routes(routes!(connects::begin))
        .routes(routes!(connects::show))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(grants::list))
        .routes(routes!(grants::revoke))
        .routes(routes!(members::add, members::list))
        .routes(routes!(members::leave))
        .routes(routes!(members::change, members::remove))
        .routes(routes!(invites::create, invites::list))
        .routes(routes!(invites::revoke))
        .routes(routes!(invites::look))
        .routes(routes!(invites::accept))
        .routes(routes!(organizations::create, organizations::list))
        .routes(routes!(organizations::change, organizations::delete))
        .routes(routes!(organizations::restore))
        .routes(routes!(workspaces::create, workspaces::list))
        .routes(routes!(workspaces::change, workspaces::delete))
        .routes(routes!(workspaces::members, workspaces::add_member))
        .routes(routes!(workspaces::remove_member))
        .routes(routes!(workspaces::deleted))
        .routes(routes!(workspaces::restore))
        .routes(routes!(webhooks::add, webhooks::list))
        .routes(routes!(webhooks::show, webhooks::change, webhooks::remove))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(push::key))
        .routes(routes!(push::add, push::list))
        .routes(routes!(push::change, push::remove))
        .routes(routes!(push::test))
        .routes(routes!(audit::list))
        .routes(routes!(audit::verify))
        .routes(routes!(audit::export))
        .routes(routes!(audit::make_checkpoint, audit::checkpoints))
        .routes(routes!(audit::retention, audit::set_retention))
        .routes(routes!(settings::show, settings::change))
        .routes(routes!(backup::backup))
        .routes(routes!(backup::vault))
        .routes(routes!(backup::rotate_master_key))
        .routes(routes!(backup::rotate_data_key))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(system::me))
        .routes(routes!(system::health))
        .routes(routes!(system::servers))
        .routes(routes!(system::storage))
        .routes(routes!(system::sign_in_link))
        .routes(routes!(system::example))
}

/// The description alone.
#[cfg(test)]
fn openapi() -> OpenApi {
    described().split_for_parts().1
}

#[cfg(test)]
mod tests;
