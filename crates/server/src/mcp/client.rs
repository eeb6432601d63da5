//! What the client of a request can do: which era it speaks, which channels to its person it has,
//! and who the request is for.
//!
//! A client of 2025 said so when its session began; one of 2026 says it with every request.

use axum::http::request::Parts;
use domain::access::Caller;
use rmcp::model::{ErrorData, Extensions, ProtocolVersion};
use rmcp::service::{Peer, RequestContext, RoleServer};

/// The other end of a request.
pub(super) struct Client {
    pub(super) peer: Peer<RoleServer>,
    /// Whether it speaks a revision without sessions, where a server asks nothing by itself.
    pub(super) modern: bool,
    /// Whether it can show its person a form.
    pub(super) form: bool,
    /// Whether it can send its person to an address.
    pub(super) url: bool,
    /// Whether it follows tasks by itself (the extension `io.modelcontextprotocol/tasks`).
    pub(super) tasks: bool,
}

impl Client {
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        let version = context.protocol_version();
        let since = |first: ProtocolVersion| version.as_ref().is_some_and(|v| *v >= first);
        let modern = since(ProtocolVersion::V_2026_07_28);
        let capabilities = context.client_capabilities().unwrap_or_default();
        let tasks = modern && capabilities.supports_tasks();
        let elicitation = capabilities.elicitation.as_ref();
        Self {
            peer: context.peer.clone(),
            modern,
            // A client that names no kind means forms: there was no other kind at first.
            form: elicitation.is_some_and(|e| e.form.is_some() || e.url.is_none()),
            url: since(ProtocolVersion::V_2025_11_25)
                && elicitation.is_some_and(|e| e.url.is_some()),
            tasks,
        }
    }
}

/// Who an HTTP request is for, with the name that the client gives itself.
///
/// # Errors
/// When the request lost its caller on the way, which would be a fault of ours.
pub(super) fn caller(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    let mut caller = caller_in(&context.extensions)
        .ok_or_else(|| ErrorData::internal_error("the request has lost its caller", None))?;
    if let Some(client) = context.client_info() {
        caller.client = client.name.chars().take(128).collect();
    }
    Ok(caller)
}

/// Who the HTTP request of a message is for.
pub(super) fn caller_in(extensions: &Extensions) -> Option<Caller> {
    let parts = extensions.get::<Parts>()?;
    parts.extensions.get::<Caller>().cloned()
}

/// The session that the HTTP request of a message names.
pub(super) fn session_in(extensions: &Extensions) -> Option<String> {
    super::session(&extensions.get::<Parts>()?.headers)
}

/// Whether the address asks for the catalog itself as tools.
pub(super) fn wants_catalog(extensions: &Extensions) -> bool {
    let query = extensions.get::<Parts>().and_then(|p| p.uri.query());
    query.is_some_and(|query| query.split('&').any(|pair| pair == "tools=direct"))
}
