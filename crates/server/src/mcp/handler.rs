//! One MCP session: what the server says of itself, and which tool a call goes to.
//!
//! Who calls is said by each HTTP request, never by the session.

use super::execute::{self, Progress};
use super::schemas::{self, CANCEL_TASK, EXECUTE, INSTRUCTIONS, RESUME, SEARCH_TOOLS};
use super::{answer, input};
use crate::App;
use axum::http::request::Parts;
use domain::access::Caller;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, Implementation,
    ListToolsResult, PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use std::borrow::Cow;

/// The revisions of 2025. The stateless one of 2026 comes with in-client approvals.
const VERSIONS: &[ProtocolVersion] = &[
    ProtocolVersion::V_2025_03_26,
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
];

pub(super) struct Handler {
    app: App,
}

impl Handler {
    pub(super) fn new(app: App) -> Self {
        Self { app }
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let (app, caller) = (&self.app, caller(context)?);
        if let Err(error) = app.engine.count_request(&caller).await {
            return Ok(answer::engine_error(&error));
        }
        let progress = || {
            let token = context.meta.get_progress_token()?;
            Some(Progress::new(context.peer.clone(), token.clone()))
        };
        let arguments = request.arguments;
        let unreadable = |why: String| answer::refusal("invalid_arguments", &why, None);
        Ok(match request.name.as_ref() {
            EXECUTE => match input::read(arguments) {
                Ok(input) => execute::execute(app, &caller, input, progress()).await,
                Err(why) => unreadable(why),
            },
            RESUME => match input::read(arguments) {
                Ok(input) => execute::resume(app, &caller, input, progress()).await,
                Err(why) => unreadable(why),
            },
            CANCEL_TASK => match input::read(arguments) {
                Ok(input) => execute::cancel(app, &caller, input).await,
                Err(why) => unreadable(why),
            },
            SEARCH_TOOLS => match input::read(arguments) {
                Ok(input) => execute::search(app, &caller, input).await,
                Err(why) => unreadable(why),
            },
            other => {
                return Err(ErrorData::invalid_params(
                    format!(
                        "there is no tool '{other}'; there are {EXECUTE}, {RESUME}, {CANCEL_TASK} \
                         and {SEARCH_TOOLS}"
                    ),
                    None,
                ));
            }
        })
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let server = Implementation::new("executor", self.app.version).with_title("Executor");
        ServerConfig::new(capabilities)
            .with_server_info(server)
            .with_instructions(INSTRUCTIONS)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(VERSIONS)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let sources = self.app.engine.sources(&caller(&context)?).await;
        let sources = sources.map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
        Ok(ListToolsResult::with_all_items(schemas::tools(&sources)))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let canceled = context.ct.clone();
        tokio::select! {
            answered = self.call(request, &context) => answered.map(CallToolResponse::from),
            // Nobody reads this answer. The task goes on and can be resumed.
            () = canceled.cancelled() => {
                Err(ErrorData::internal_error("the request was canceled by the client", None))
            }
        }
    }
}

/// Who the HTTP request is for, with the name that the client gave when it connected.
fn caller(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    let parts = context.extensions.get::<Parts>();
    let caller = parts.and_then(|parts| parts.extensions.get::<Caller>());
    let mut caller = caller
        .cloned()
        .ok_or_else(|| ErrorData::internal_error("the request has lost its caller", None))?;
    if let Some(client) = context.client_info() {
        caller.client = client.name.chars().take(128).collect();
    }
    Ok(caller)
}
