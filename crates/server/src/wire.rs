//! Domain values → public shapes, by hand, so that renaming a field inside breaks no client.
//!
//! Reads nothing and decides nothing. Texts that the store holds as JSON become JSON here. Rules
//! go both ways in `wire/policy.rs`.

mod approval;
pub(crate) mod audit;
mod credential;
pub(crate) mod people;
pub(crate) mod policy;
pub(crate) mod policy_history;
pub(crate) mod policy_sets;
pub(crate) mod push;
pub(crate) mod source;
mod tool_usage;
pub(crate) mod webhook;

pub(crate) use approval::{approval, view as approval_view};
pub(crate) use credential::{connect, credential, credential_scope, opened};
pub(crate) use domain::time::instant;
pub(crate) use people::session;
pub(crate) use tool_usage::tool_usage;

use crate::error::Failure;
use api::events::EventType;
use api::{events, sources, system, tasks, tools};
use domain::approval::Approval;
use domain::call::{Call, CallStatus};
use domain::event::{Event, EventKind};
use domain::source::{ApiKeyLocation, AuthScheme, Review};
use domain::task::{Outcome, TaskError, TaskState};
use engine::{CheckStatus, Me, TaskView};
use serde_json::Value;

/// JSON kept as text. The store keeps nothing else in these fields; a text that is none after all
/// is shown as it is rather than dropped.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

pub(crate) fn task(view: &TaskView, public_url: &str) -> tasks::Task {
    let t = &view.task;
    let (result, error) = match &t.state {
        TaskState::Queued | TaskState::Running | TaskState::Suspended => (None, None),
        TaskState::Finished(Outcome::Completed(text)) => (Some(json(text)), None),
        TaskState::Finished(outcome) => (None, outcome.error().map(task_error)),
    };
    tasks::Task {
        id: t.id.to_string(),
        status: t.shown_status().to_owned(),
        workspace_id: t.workspace_id.to_string(),
        requested_by: t.account_id.to_string(),
        channel: t.channel.as_str().to_owned(),
        client: t.client.clone(),
        key: t.key_id.as_ref().map(ToString::to_string),
        grant: t.grant_id.as_ref().map(ToString::to_string),
        runtime_id: t.runtime_id.clone(),
        timeout_ms: t.limits.wall_ms,
        code: t.code.clone(),
        metadata: json(&t.metadata),
        result,
        error,
        approvals: view
            .approvals
            .iter()
            .map(|a| approval(a, &t.workspace_id, public_url))
            .collect(),
        forked_from: t.pins.fork.as_ref().map(|fork| tasks::Forked {
            task_id: fork.task_id.to_string(),
            from_call: fork.from_call,
        }),
        run_as: t.pins.run_as.as_ref().map(ToString::to_string),
        calls: view.calls,
        log_lines: t.log_lines,
        created_at: t.created_at.to_rfc3339(),
        started_at: t.started_at.map(domain::Timestamp::to_rfc3339),
        finished_at: t.finished_at.map(domain::Timestamp::to_rfc3339),
        sandbox_starts: t.sandbox_starts.iter().map(sandbox_start).collect(),
    }
}

fn sandbox_start(start: &domain::task::SandboxStart) -> tasks::SandboxStart {
    tasks::SandboxStart {
        asked_at: start.asked_at.to_rfc3339(),
        took_ms: start.began_at.since(start.asked_at),
    }
}

pub(crate) fn client(view: &engine::ClientView) -> tasks::SeenClient {
    let c = &view.client;
    tasks::SeenClient {
        client: c.client.clone(),
        channel: c.channel.as_str().to_owned(),
        account: c.account_id.to_string(),
        key: c.key_id.as_ref().map(ToString::to_string),
        tasks: c.tasks,
        open: c.open,
        pending: c.pending,
        calls_in_day: c.calls,
        first_at: c.first_at.to_rfc3339(),
        last_at: c.last_at.to_rfc3339(),
        listed: view.listed.map(|(tools, at)| tasks::ListedTools {
            tools,
            at: at.to_rfc3339(),
        }),
    }
}

/// Which client a person means.
pub(crate) fn stop_client(
    stop: tasks::StopClient,
    own: &domain::AccountId,
) -> Result<engine::StopClient, Failure> {
    let client = match (stop.key, stop.client, stop.channel) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            let why = "name its key, or what it calls itself and over which way it comes, not both";
            return Err(Failure::invalid("client", why));
        }
        (Some(key), None, None) => {
            if stop.account.is_some() {
                let why = "a key says already whose tasks it brings; leave the account out";
                return Err(Failure::invalid("account", why));
            }
            let why = "expected a key's identifier, `key_…`";
            let key = domain::KeyId::parse(&key).map_err(|_| Failure::invalid("key", why))?;
            engine::ClientName::Key(key)
        }
        (None, Some(client), Some(channel)) => {
            let channel = domain::access::Channel::parse(&channel).ok_or_else(|| {
                Failure::invalid("channel", "expected mcp, api, cli or dashboard")
            })?;
            let why = "expected a person's identifier, `acct_…`";
            let account = match stop.account {
                None => own.clone(),
                Some(text) => {
                    domain::AccountId::parse(&text).map_err(|_| Failure::invalid("account", why))?
                }
            };
            engine::ClientName::SaysOfItself {
                client,
                channel,
                account,
            }
        }
        (None, _, _) => {
            let why = "say which client: its `key`, or `client` and `channel` as the list of \
                       clients has them";
            return Err(Failure::invalid("client", why));
        }
    };
    Ok(engine::StopClient {
        client,
        reason: stop.reason.unwrap_or_default(),
        pause: stop.pause,
    })
}

fn task_error(error: &TaskError) -> tasks::TaskError {
    tasks::TaskError {
        code: error.code.clone(),
        message: error.message.clone(),
        line: error.line,
        column: error.column,
        stack: error.stack.clone(),
    }
}

pub(crate) fn call(c: &Call) -> tasks::Call {
    let (result, error) = match &c.status {
        CallStatus::Succeeded(text) => (Some(json(text)), None),
        CallStatus::Failed(e) | CallStatus::Denied(e) => (None, serde_json::to_value(e).ok()),
        CallStatus::Waiting | CallStatus::Running | CallStatus::Unknown => (None, None),
    };
    tasks::Call {
        id: c.id.to_string(),
        sequence: c.binding.sequence,
        tool: c.binding.tool.clone(),
        arguments: json(&c.arguments),
        status: c.status.as_str().to_owned(),
        risk: c.risk.as_str().to_owned(),
        decision: c.decision.to_owned(),
        rule: c.rule_id.as_ref().map(ToString::to_string),
        policy_version: c.binding.policy_version,
        tool_changed: false,
        credential: None,
        line: c.position.map(|(line, _)| line),
        column: c.position.map(|(_, column)| column),
        result,
        error,
        started_at: c.started_at.to_rfc3339(),
        sent_at: c.sent_at.map(domain::Timestamp::to_rfc3339),
        finished_at: c.finished_at.map(domain::Timestamp::to_rfc3339),
    }
}

/// The page on which an approval is answered.
pub(crate) fn approval_url(a: &Approval, public_url: &str) -> String {
    format!("{public_url}/approvals/{}", a.id)
}

/// A line a task logged; none for an event of another kind.
pub(crate) fn log_line(event: &Event) -> Option<tasks::LogLine> {
    match &event.kind {
        EventKind::Log { line, level, text } => Some(tasks::LogLine {
            line: *line,
            level: level.as_str().to_owned(),
            text: text.clone(),
            at: event.at.to_rfc3339(),
        }),
        EventKind::Task { .. }
        | EventKind::Call { .. }
        | EventKind::Progress { .. }
        | EventKind::Approval { .. }
        | EventKind::Source { .. }
        | EventKind::Sandbox { .. }
        | EventKind::Settings {}
        | EventKind::Policy { .. }
        | EventKind::Credential { .. }
        | EventKind::Client { .. }
        | EventKind::Webhook { .. } => None,
    }
}

pub(crate) fn event(e: &Event) -> events::Event {
    let mut data = serde_json::to_value(&e.kind).unwrap_or_default();
    if let Some(fields) = data.as_object_mut() {
        fields.shift_remove("type");
    }
    events::Event {
        sequence: e.sequence,
        previous: None,
        task_id: e.task_id.as_ref().map(ToString::to_string),
        at: e.at.to_rfc3339(),
        kind: event_type(&e.kind).as_str().to_owned(),
        data,
    }
}

fn event_type(kind: &EventKind) -> EventType {
    match kind {
        EventKind::Task { .. } => EventType::Task,
        EventKind::Log { .. } => EventType::Log,
        EventKind::Call { .. } => EventType::Call,
        EventKind::Progress { .. } => EventType::Progress,
        EventKind::Approval { .. } => EventType::Approval,
        EventKind::Source { .. } => EventType::Source,
        EventKind::Credential { .. } => EventType::Credential,
        EventKind::Client { .. } => EventType::Client,
        EventKind::Sandbox { .. } => EventType::Sandbox,
        EventKind::Settings {} => EventType::Settings,
        EventKind::Policy { .. } => EventType::Policy,
        EventKind::Webhook { .. } => EventType::Webhook,
    }
}

pub(crate) fn preset(p: &domain::preset::Preset) -> sources::Preset {
    sources::Preset {
        name: p.name.to_owned(),
        title: p.title.to_owned(),
        summary: p.summary.to_owned(),
        kind: p.kind.to_owned(),
        url: p.url.to_owned(),
        base_url: p.base_url.map(str::to_owned),
        auth: p.auth.to_owned(),
        credential_url: p.credential_url.to_owned(),
    }
}

pub(crate) fn auth_text(scheme: &AuthScheme) -> String {
    match scheme {
        AuthScheme::Bearer => "bearer".into(),
        AuthScheme::Basic => "basic".into(),
        AuthScheme::Env { name } => format!("env:{name}"),
        AuthScheme::ApiKey { location, name } => {
            let place = match location {
                ApiKeyLocation::Header => "header",
                ApiKeyLocation::Query => "query",
                ApiKeyLocation::Cookie => "cookie",
            };
            format!("{place}:{name}")
        }
        AuthScheme::All(schemes) => {
            let parts: Vec<String> = schemes.iter().map(auth_text).collect();
            parts.join(",")
        }
    }
}

/// Reads `bearer`, `basic`, `header:NAME`, `query:NAME`, `cookie:NAME` or `env:NAME`, or several
/// of them separated by commas.
pub(crate) fn auth_scheme(text: &str) -> Result<AuthScheme, Failure> {
    if text.contains(',') {
        let parts = text.split(',').map(|part| auth_scheme(part.trim()));
        return Ok(AuthScheme::All(parts.collect::<Result<_, _>>()?));
    }
    let key = |location, name: &str| AuthScheme::ApiKey {
        location,
        name: name.to_owned(),
    };
    match text.split_once(':') {
        None if text == "bearer" => Ok(AuthScheme::Bearer),
        None if text == "basic" => Ok(AuthScheme::Basic),
        Some(("header", name)) if !name.is_empty() => Ok(key(ApiKeyLocation::Header, name)),
        Some(("query", name)) if !name.is_empty() => Ok(key(ApiKeyLocation::Query, name)),
        Some(("cookie", name)) if !name.is_empty() => Ok(key(ApiKeyLocation::Cookie, name)),
        Some(("env", name)) if !name.is_empty() => Ok(AuthScheme::Env {
            name: name.to_owned(),
        }),
        None | Some(_) => Err(Failure::invalid(
            "auth",
            format!(
                "'{text}' is none of bearer, basic, header:NAME, query:NAME, cookie:NAME, env:NAME, nor several of them separated by commas"
            ),
        )),
    }
}

pub(crate) fn discovery(found: &engine::Discovery) -> tools::Discovery {
    let results: Vec<_> = found.hits.iter().map(tool_hit).collect();
    tools::Discovery {
        best_path: results.first().map(|hit| hit.path.clone()),
        results,
        total: found.total,
        has_more: found.has_more,
    }
}

pub(crate) fn tool_hit(hit: &engine::ToolHit) -> tools::ToolHit {
    tools::ToolHit {
        path: hit.tool.path.clone(),
        source: hit.tool.source_name().to_owned(),
        description: hit.tool.description.clone(),
        risk: hit.tool.risk.as_str().to_owned(),
        decision: hit.decision.to_owned(),
        signature: hit.signature.clone(),
        unreviewed: hit.review == Review::Unreviewed,
        // Of what a program may call, the decision says enough.
        rule: hit
            .rule_id
            .as_ref()
            .filter(|_| hit.decision == "deny")
            .map(ToString::to_string),
    }
}

pub(crate) fn me(me: &Me) -> system::Me {
    system::Me {
        account_id: me.account.id.to_string(),
        name: me.account.name.clone(),
        role: me.role.as_str().to_owned(),
        workspace: workspace(&me.workspace, &me.organization.slug),
        organization: people::organization(&me.organization),
        last_event: me.last_event,
    }
}

pub(crate) fn workspace(w: &domain::tenancy::Workspace, organization: &str) -> system::Workspace {
    system::Workspace {
        id: w.id.to_string(),
        slug: w.slug.clone(),
        name: w.name.clone(),
        organization_id: w.organization_id.to_string(),
        organization: organization.to_owned(),
        access: w.access.as_str().to_owned(),
        deleted_at: w.ending.as_ref().map(|e| e.deleted_at.to_rfc3339()),
        purge_at: w.ending.as_ref().map(|e| e.purge_at.to_rfc3339()),
    }
}

pub(crate) fn server(view: &engine::ServerView) -> system::Server {
    let server = &view.server;
    system::Server {
        id: server.id.clone(),
        status: view.state.to_owned(),
        is_this: view.is_this,
        version: server.version.clone(),
        engines: server.engines.clone(),
        started_at: server.started_at.to_rfc3339(),
        last_seen_at: server.seen_at.to_rfc3339(),
    }
}

pub(crate) fn health(checks: &[engine::Check], version: &str) -> system::Health {
    system::Health {
        ready: is_ready(checks),
        version: version.to_owned(),
        checks: checks.iter().map(check).collect(),
    }
}

/// Whether nothing that the server needs is broken.
pub(crate) fn is_ready(checks: &[engine::Check]) -> bool {
    !checks
        .iter()
        .any(|c| matches!(c.status, CheckStatus::Problem))
}

fn check(c: &engine::Check) -> system::Check {
    let status = match c.status {
        CheckStatus::Ok => "ok",
        CheckStatus::Warning => "warning",
        CheckStatus::Problem => "problem",
    };
    system::Check {
        name: c.name.clone(),
        status: status.to_owned(),
        message: c.message.clone(),
        next_step: c.next_step.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_reads_back() {
        for text in ["bearer", "basic", "header:X-Key", "query:key", "cookie:sid"] {
            assert_eq!(auth_text(&auth_scheme(text).unwrap()), text);
        }
        for text in ["", "Bearer", "header:", "header", "body:x"] {
            assert!(auth_scheme(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_event_is_its_kind_and_the_rest() {
        let wire = event(&Event {
            sequence: 7,
            task_id: None,
            at: domain::Timestamp(0),
            kind: EventKind::Task {
                status: "completed".into(),
            },
        });
        assert_eq!(
            serde_json::to_value(wire).unwrap(),
            serde_json::json!({
                "sequence": 7, "at": "1970-01-01T00:00:00.000Z", "type": "task",
                "data": { "status": "completed" }
            })
        );
    }
}
