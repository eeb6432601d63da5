//! Sources and admissions for tests.

use domain::call::{Admission, Binding};
use domain::credential::Secret;
use domain::policy::{Decision, Effect};
use domain::source::{AuthScheme, Origin, Source, SourceStatus, Upkeep};
use domain::tool::{Tool, ToolError};
use domain::{SourceId, TaskId, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use tools::{
    Answer, Attachment, Credentials, Egress, EgressConfig, FetchError, Import, ImportOptions,
    Invoker, SourceTools, Validators,
};

/// What lies at an address, as a description is read.
pub(crate) async fn fetch(
    egress: &Egress,
    url: &str,
    headers: &[(String, String)],
    allow_private: bool,
) -> Result<Vec<u8>, FetchError> {
    let none = Validators::default();
    let seen = egress.look(url, headers, allow_private, &none).await?;
    if seen.is_success() {
        return Ok(seen.body);
    }
    let host = url::Url::parse(&seen.url).ok();
    let host = host.and_then(|url| url.host_str().map(str::to_owned));
    Err(FetchError::Status {
        host: host.unwrap_or_default(),
        status: seen.status,
    })
}

pub(crate) fn options(name: &str) -> ImportOptions<'_> {
    ImportOptions {
        source_id: SourceId::from_bits([7; 16]),
        name,
        location: None,
        base_url: None,
    }
}

/// A document around some paths.
pub(crate) fn document(server: &str, paths: Value) -> Value {
    json!({"openapi": "3.1.0", "info": {"title": "Ledger API", "version": "1"},
        "servers": [{"url": server}], "paths": paths})
}

pub(crate) fn import(name: &str, document: &Value) -> Import {
    tools::import(document.to_string().as_bytes(), &options(name)).unwrap()
}

/// A source that may reach its private address, as an owner of a local one allows.
pub(crate) fn source(name: &str, import: Import) -> SourceTools {
    let source = Source {
        id: SourceId::from_bits([7; 16]),
        name: name.to_owned(),
        kind: import.kind,
        title: import.title,
        origin: Origin::Upload("test.json".to_owned()),
        base_url: import.base_url,
        auth: import.auth,
        allow_private: true,
        headers: Vec::new(),
        idempotent: Vec::new(),
        trust_hints: false,
        may_ask: true,
        status: SourceStatus::Ready,
        tool_count: import.tools.len() as u32,
        warnings: import.warnings,
        document_digest: import.document_digest,
        created_at: Timestamp(0),
        refreshed_at: Timestamp(0),
        upkeep: Upkeep::default(),
    };
    SourceTools {
        source,
        definitions: Arc::new(import.definitions),
        tools: import.tools.into_iter().map(Arc::new).collect(),
    }
}

pub(crate) fn admission(tool: &Tool) -> Admission {
    let decision = Decision {
        effect: Effect::Allow,
        rule_id: None,
        level: None,
        of_set: None,
        policy_version: 1,
        unreviewed: false,
    };
    let binding = Binding {
        task_id: TaskId::from_bits([1; 16]),
        sequence: 1,
        tool: tool.path.clone(),
        definition_digest: tool.digest.clone(),
        arguments_digest: String::new(),
        policy_version: 1,
    };
    Admission::by_policy(&decision, binding).unwrap()
}

/// Short limits, so that a test of one ends soon.
pub(crate) fn limits() -> EgressConfig {
    EgressConfig {
        connect_ms: 2_000,
        header_ms: 1_500,
        idle_ms: 1_500,
        total_ms: 5_000,
        ..EgressConfig::default()
    }
}

pub(crate) fn bearer(secret: &str) -> Vec<Attachment> {
    attachment(AuthScheme::Bearer, secret)
}

pub(crate) fn attachment(scheme: AuthScheme, secret: &str) -> Vec<Attachment> {
    vec![Attachment {
        scheme,
        secret: Secret::new(secret.to_owned()),
    }]
}

/// The whole way of one call: check, prepare, store and read back, send.
pub(crate) async fn call(
    source: &SourceTools,
    path: &str,
    args: Value,
) -> Result<Answer, ToolError> {
    call_with(source, path, args, &[]).await
}

pub(crate) async fn call_with(
    source: &SourceTools,
    path: &str,
    args: Value,
    attachments: &[Attachment],
) -> Result<Answer, ToolError> {
    let tool = source
        .tools
        .iter()
        .find(|t| t.path == path)
        .unwrap_or_else(|| {
            panic!(
                "no {path} among {:?}",
                source.tools.iter().map(|t| &t.path).collect::<Vec<_>>()
            )
        });
    tools::check_arguments(tool, source, &args)?;
    let prepared = tools::prepare(tool, source, &args)?;
    let stored = serde_json::to_string(&prepared).unwrap();
    let read = serde_json::from_str(&stored).unwrap();
    assert_eq!(prepared, read);
    let invoker = Invoker::new(Egress::new(limits()));
    let attachments = attachments.iter().map(|a| Attachment {
        scheme: a.scheme.clone(),
        secret: a.secret.clone(),
    });
    let credentials = Credentials {
        attachments: attachments.collect(),
        ..Credentials::default()
    };
    invoker
        .invoke(admission(tool), tool, source, &read, credentials, 1 << 20)
        .await
        .answer
}
