//! One MCP session, or one request of a client without sessions: what the server says of itself, and
//! which tool a call goes to.
//!
//! Who calls is said by each HTTP request, never by the session.

use super::changes::{Changes, LOOK_AGAIN, may_hear};
use super::client::{self, Client, caller};
use super::execute::{self, Progress, Talk};
use super::input::{self, Execute, Resume, WAIT};
use super::rounds;
use super::schemas::{self, CANCEL_TASK, EXECUTE, INSTRUCTIONS, RESUME, SEARCH_TOOLS};
use super::sessions::Sessions;
use super::{answer, direct, tasks};
use crate::App;
use domain::access::Caller;
use domain::canonical::sha256_hex;
use rmcp::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, DiscoverResult,
    ErrorData, GetTaskParams, GetTaskResult, Implementation, InitializeRequestParams,
    InitializeResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion, RequestId,
    ServerCapabilities, ServerConfig, SubscriptionFilter, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is spoken, the oldest first.
const VERSIONS: &[ProtocolVersion] = &[
    ProtocolVersion::V_2025_03_26,
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];

/// How long a client may keep what the server says of itself, and the list of tools. The list names
/// the sources, which people change; who listens is told at once.
const DISCOVERY_TTL: Duration = Duration::from_secs(300);
const TOOLS_TTL: Duration = Duration::from_secs(30);

/// Where in `_meta` a client may name its request, so that the same one sent again is recognized.
const IDEMPOTENCY_KEY: &str = "executor/idempotencyKey";

pub(super) struct Handler {
    app: App,
    changes: Arc<Changes>,
    sessions: Arc<Sessions>,
    /// The requests of this session that are under way.
    under_way: Mutex<HashSet<RequestId>>,
}

impl Handler {
    pub(super) fn new(app: App, changes: Arc<Changes>, sessions: Arc<Sessions>) -> Self {
        Self {
            app,
            changes,
            sessions,
            under_way: Mutex::default(),
        }
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (app, caller, client) = (&self.app, caller(context)?, Client::of(context));
        if let Err(error) = app.engine.count_request(&caller).await {
            return Ok(answer::engine_error(&error).into());
        }
        let talk = Talk {
            app,
            caller: &caller,
            client: &client,
            request_digest: rounds::request_digest(&request),
            idempotency_key: idempotency_key(context, &caller)?,
            progress: context
                .meta
                .get_progress_token()
                .map(|token| Progress::new(context.peer.clone(), token.clone())),
            begun: tokio::time::Instant::now(),
        };
        let is_direct = client::wants_catalog(&context.extensions);
        if request.request_state.is_some() || request.input_responses.is_some() {
            return go_on(talk, &request, is_direct).await;
        }
        let arguments = request.arguments;
        let unreadable = |why: String| answer::refusal("invalid_arguments", &why, None).into();
        Ok(match (request.name.as_ref(), is_direct) {
            (EXECUTE, false) => match input::read(arguments) {
                Ok(input) => talk.execute(input).await,
                Err(why) => unreadable(why),
            },
            (RESUME, _) => match input::read(arguments) {
                Ok(input) => talk.resume(input).await,
                Err(why) => unreadable(why),
            },
            (CANCEL_TASK, _) => match input::read(arguments) {
                Ok(input) => execute::cancel(app, &caller, input).await.into(),
                Err(why) => unreadable(why),
            },
            (SEARCH_TOOLS, false) => match input::read(arguments) {
                Ok(input) => execute::search(app, &caller, input).await.into(),
                Err(why) => unreadable(why),
            },
            (name, true) => match direct::call(talk, name, arguments).await? {
                Some(answered) => answered,
                None => return Err(no_tool(name, "list them with tools/list")),
            },
            (name, false) => {
                let there_are = "there are execute, resume, cancel_task and search_tools";
                return Err(no_tool(name, there_are));
            }
        })
    }
}

fn no_tool(name: &str, advice: &str) -> ErrorData {
    let name: String = name.chars().take(128).collect();
    ErrorData::invalid_params(format!("there is no tool '{name}'; {advice}"), None)
}

/// Goes on with a task for which a person was asked.
async fn go_on(
    talk: Talk<'_>,
    request: &CallToolRequestParams,
    is_direct: bool,
) -> Result<CallToolResponse, ErrorData> {
    if !talk.client.modern {
        let why =
            "inputResponses and requestState belong to the revision 2026-07-28; nothing was done";
        return Err(ErrorData::invalid_params(why, None));
    }
    // Read before the state is used up: what does not fit must not cost the person's answer.
    let arguments = request.arguments.clone();
    let wait = match (request.name.as_ref(), is_direct) {
        (EXECUTE, false) => input::read::<Execute>(arguments).and_then(|input| input.wait()),
        (RESUME, _) => input::read::<Resume>(arguments)
            .and_then(|input| input.wait())
            .map(Some),
        _ => Ok(None),
    };
    let wait = match wait {
        Ok(wait) => wait.unwrap_or(WAIT),
        Err(why) => return Ok(answer::refusal("invalid_arguments", &why, None).into()),
    };
    let round = rounds::take(talk.app, talk.caller, request).await?;
    Ok(talk.go_on(round, wait).await)
}

/// The name that a client gave its request, made the caller's own.
fn idempotency_key(
    context: &RequestContext<RoleServer>,
    caller: &Caller,
) -> Result<Option<String>, ErrorData> {
    let Some(key) = context.meta.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    match key.as_str() {
        Some(key) if (1..=256).contains(&key.len()) => {
            let digest = sha256_hex(key.as_bytes());
            Ok(Some(format!("mcp/{}/{digest}", caller.account_id)))
        }
        Some(_) | None => Err(ErrorData::invalid_params(
            format!("_meta[\"{IDEMPOTENCY_KEY}\"] must be a text of 1 to 256 bytes"),
            None,
        )),
    }
}

/// A request as long as it is under way.
struct UnderWay<'a> {
    all: &'a Mutex<HashSet<RequestId>>,
    id: RequestId,
}

impl<'a> UnderWay<'a> {
    /// Notes a request; none if another with its id is under way.
    fn begin(all: &'a Mutex<HashSet<RequestId>>, id: &RequestId) -> Option<Self> {
        let mut ids = all.lock().unwrap_or_else(PoisonError::into_inner);
        let id = id.clone();
        ids.insert(id.clone()).then_some(Self { all, id })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut ids = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        ids.remove(&self.id);
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .build();
        let server = Implementation::new("executor", self.app.version).with_title("Executor");
        ServerConfig::new(capabilities)
            .with_server_info(server)
            .with_instructions(INSTRUCTIONS)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(VERSIONS)
    }

    fn negotiate_initialize(
        &self,
        request: &InitializeRequestParams,
    ) -> Result<InitializeResult, ErrorData> {
        let mut info = self.get_info();
        // Tasks of the protocol are an extension of 2026; sessions have none.
        info.capabilities.extensions = None;
        let known = VERSIONS[..VERSIONS.len() - 1].contains(&request.protocol_version);
        info.protocol_version = if known {
            request.protocol_version.clone()
        } else {
            ProtocolVersion::V_2025_11_25
        };
        Ok(info)
    }

    async fn discover(
        &self,
        _context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        let ttl_ms = u64::try_from(DISCOVERY_TTL.as_millis()).unwrap_or_default();
        Ok(DiscoverResult::from_server_info(versions, self.get_info())
            .with_ttl_ms(ttl_ms)
            .with_cache_scope(CacheScope::Private))
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if let Some(caller) = client::caller_in(&context.extensions) {
            let session = client::session_in(&context.extensions);
            let session = session.map(|id| (id, Arc::clone(&self.sessions)));
            self.changes.tell(&self.app, &caller, context.peer, session);
        }
    }

    fn accepted_subscription_filter(
        &self,
        _requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::builder().tools_list_changed().build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let caller = caller(context.request_context())?;
        let mut changes = self.changes.listen(&self.app, &caller);
        let wanted = context.accepted().tools_list_changed == Some(true);
        loop {
            tokio::select! {
                changed = changes.changed(), if wanted => {
                    if changed.is_err() || !may_hear(&self.app, &caller).await {
                        return Ok(());
                    }
                    if context.sink().notify_tool_list_changed().await.is_err() {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep(LOOK_AGAIN) => {
                    if !may_hear(&self.app, &caller).await {
                        return Ok(());
                    }
                }
                () = context.cancelled() => return Ok(()),
                () = self.app.closing.cancelled() => return Ok(()),
            }
        }
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = caller(&context)?;
        let cursor = request.and_then(|r| r.cursor);
        let is_first_page = cursor.is_none();
        let (listed, total) = if client::wants_catalog(&context.extensions) {
            direct::list(&self.app, &caller, cursor.as_deref()).await?
        } else if cursor.is_some() {
            let why = "this list has one page; list it without a cursor";
            return Err(ErrorData::invalid_params(why, None));
        } else {
            let sources = self.app.engine.sources(&caller).await;
            let sources = sources.map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
            let tools = schemas::tools(&sources);
            let total = tools.len();
            (ListToolsResult::with_all_items(tools), total)
        };
        if is_first_page {
            let total = u32::try_from(total).unwrap_or(u32::MAX);
            if let Err(error) = self.app.engine.note_listing(&caller, total).await {
                tracing::debug!("a listing was not noted: {error}");
            }
        }
        if !Client::of(&context).modern {
            return Ok(listed);
        }
        let ttl_ms = u64::try_from(TOOLS_TTL.as_millis()).unwrap_or_default();
        Ok(listed
            .with_ttl_ms(ttl_ms)
            .with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // A request that was named is known again, and may come twice while it is under way.
        let named = context.meta.get(IDEMPOTENCY_KEY).is_some();
        let under_way = UnderWay::begin(&self.under_way, &context.id);
        if under_way.is_none() && !named {
            let why = "a request with this id is under way in this session; nothing was done";
            return Err(ErrorData::invalid_request(why, None));
        }
        let canceled = context.ct.clone();
        tokio::select! {
            answered = self.call(request, &context) => answered,
            // Nobody reads this answer. The task goes on and can be resumed.
            () = canceled.cancelled() => {
                Err(ErrorData::internal_error("the request was canceled by the client", None))
            }
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let (caller, client) = (caller(&context)?, Client::of(&context));
        tasks::get(&self.app, &caller, &client, &request.task_id).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let caller = caller(&context)?;
        tasks::update(
            &self.app,
            &caller,
            &request.task_id,
            &request.input_responses,
        )
        .await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let caller = caller(&context)?;
        tasks::cancel(&self.app, &caller, &request.task_id).await
    }
}
