//! The order of things: every operation a person or agent can ask for, and the worker that runs
//! tasks through the one gate.
//!
//! Knows no HTTP, no MCP and no SQL text. Nothing here keeps truth in memory: what is live can be
//! rebuilt from the journal at any instant. Modules stand in suggested reading order.

mod approvals;
mod aside;
mod audit;
mod authority;
mod backup;
mod builtin;
mod callers;
mod catalog;
mod check;
mod clients;
mod clock;
mod credentials;
mod endings;
mod entropy;
mod error;
mod events;
mod feed;
mod gate;
mod health;
mod incidents;
mod invites;
mod keyring;
mod keys;
mod live;
mod members;
mod oauth;
mod operator;
mod organizations;
mod origin;
mod policies;
mod presence;
mod push;
mod quotas;
mod rates;
mod retention;
mod rounds;
mod run;
mod runtimes;
mod servers;
mod settings;
mod sign_in;
mod sources;
mod tasks;
mod tool_usage;
mod tools_view;
mod webhooks;
mod worker;
mod workspaces;

use domain::access::{Caller, Channel, Scope, Scopes, System};
use domain::tenancy::Role;
use futures_util::future::BoxFuture;
use std::sync::Arc;

pub use approvals::{
    ApprovalOrder, ApprovalQuery, ApprovalView, Besides, PreviousCall, approval_digest,
};
pub use audit::{AuditExport, AuditKeeping, AuditQuery, AuditVerification, ExportPart, Standing};
pub use authority::{
    AUTHORITY_METADATA_PATH, AUTHORIZE_PATH, Asking, AskingRefused, Authorization, ClientSaid,
    Consent, DEVICE_AUTHORIZATION_PATH, DEVICE_PATH, DeviceAsking, Elsewhere, Foreign, Here,
    INTROSPECT_PATH, Issued, NewClient, Params, REGISTER_PATH, RESOURCE_METADATA_PATH, REVOKE_PATH,
    Refused, TOKEN_PATH, Ticket, Way,
};
pub use backup::Backup;
pub use callers::{ReachedWorkspace, Thing};
pub use check::{Finding, Forecast, Report, Severity, Types};
pub use clients::{ClientName, ClientView, SeenClient, StopClient, Stopped};
pub use clock::{Clock, SystemClock};
pub use credentials::{CredentialTest, CredentialView, NewCredential};
pub use endings::grace_of;
#[cfg(debug_assertions)]
pub use entropy::seed_entropy;
pub use error::{Error, SetFor};
pub use events::{EventQuery, Stretch, Watch};
pub use health::{Check, CheckStatus, StorageView};
pub use invites::{Invitation, NewInvite};
pub use keyring::{CredentialStore, DataKeyView, VaultView};
pub use keys::NewKey;
pub use members::MemberChange;
pub use oauth::{CALLBACK_PATH, CLIENT_PATH, ConnectView, NewConnect, SentAway, answer_name};
pub use organizations::{NameChange, OwnOrganization};
pub use origin::{Whence, from as answering};
pub use policies::RuleDraft;
pub use policies::assignments::AssignTo;
pub use policies::backtest::{Backtest, Example, Proposal, RuleEdit, Sample};
pub use policies::explain::{Explanation, Instead, Tested, Why};
pub use policies::history::PolicyVersion;
pub use policies::preview::Preview;
pub use policies::remember::{Lasting, Suggestion};
pub use policies::sets::{Assigned, PolicySetView, SetDraft, SetEdit, SetRuleDraft};
pub use policies::usage::{RuleUsage, RuleUse};
pub use push::{NewPush, PushChange};
pub use rounds::Round;
pub use runtimes::Runtimes;
pub use sandbox::{ExchangeRefused, TypeFinding};
pub use servers::{ServerView, Sharing};
pub use settings::SettingsChange;
pub use sign_in::{
    Browser, ProviderConfig, SentToProvider, SignInConfig, SignedIn, Visit, VisitBefore,
};
pub use sources::{
    Change, Doubtful, DryRun, Enabled, FirstCredential, Looked, NewSource, PreviewedTool, Reason,
    RefreshReport, Reviewed, RuleTouched, SourceHealth, SourcePreview, ToolChange, WaitingTool,
};
pub use store::calls::Opened;
pub use store::tool_usage::EndedCall;
pub use store::values::Part as ResultPart;
pub use tasks::{FoundTasks, NewFork, NewTask, TaskCalls, TaskQuery, TaskView, Until};
pub use tool_usage::{ClientUsage, Counts, Latency, ToolUsage};
pub use tools::{Counterpart, Namespace, Query};
pub use tools_view::{Discovery, OfferedTool, Shown, ToolDescription, ToolHit};
pub use webhooks::{FormatChange, NewWebhook, ShownSecret, WebhookChange};
pub use workspaces::WorkspaceChange;

/// Who the request is taken for.
#[derive(Debug, Clone)]
pub struct Me {
    /// The person.
    pub account: domain::tenancy::Account,
    /// The workspace.
    pub workspace: domain::tenancy::Workspace,
    /// The organization of the workspace.
    pub organization: domain::tenancy::Organization,
    /// The person's role.
    pub role: Role,
    /// The number of the workspace's last event.
    pub last_event: i64,
}

/// What an engine is made of.
pub struct Parts {
    /// The database.
    pub store: store::Store,
    /// What seals credentials.
    pub vault: vault::Vault,
    /// Where the values of credentials are kept.
    pub credential_store: CredentialStore,
    /// What programs run in.
    pub runtimes: Runtimes,
    /// TypeScript's compiler, where there is one.
    pub type_checker: Option<sandbox::TypeChecker>,
    /// Workers of the sandbox that are lost.
    pub incidents: tokio::sync::mpsc::Receiver<sandbox::Incident>,
    /// The one client for everything that leaves.
    pub egress: tools::Egress,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The right to act for the server itself.
    pub system: System,
    /// What links to approvals begin with.
    pub public_url: String,
    /// The server's name in leases: another at each start.
    pub server_id: String,
    /// How it behaves among others on the same database.
    pub sharing: Sharing,
    /// How people sign in.
    pub sign_in: SignInConfig,
    /// How it takes part in authorization.
    pub authorization: Authorization,
    /// Origins of push services that may lie at private addresses, or be without TLS.
    pub push_services: Vec<String>,
}

/// The engine. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: store::Store,
    credentials: keyring::Keyring,
    runtimes: Runtimes,
    type_checker: Option<sandbox::TypeChecker>,
    egress: tools::Egress,
    invoker: tools::Invoker,
    mcp: tools::McpServers,
    clock: Arc<dyn Clock>,
    system: System,
    public_url: String,
    local: store::tenancy::Local,
    feed: feed::Feed,
    live: live::Registry,
    catalogs: catalog::Cache,
    rates: rates::Rates,
    quotas: quotas::Quotas,
    outbox: webhooks::Outbox,
    push: push::Push,
    schedule: sources::Schedule,
    counted: sources::Counted,
    flights: oauth::Flights,
    sign_in: sign_in::SignIn,
    authorization: Authorization,
    elsewhere: Option<tools::oidc::AccessIssuer>,
    counted_tries: authority::Counted,
    bearers: authority::Bearers,
    worker: worker::Worker,
    presence: presence::Presence,
    /// One backup is taken at a time.
    backups: Arc<tokio::sync::Semaphore>,
}

impl Engine {
    /// Finds or makes the local workspace, takes back the tasks of a server that is gone, and
    /// starts the workers.
    ///
    /// # Errors
    /// When the database cannot be used, or the master key is not the one that sealed it.
    pub fn start(parts: Parts) -> BoxFuture<'static, Result<Self, Error>> {
        Box::pin(async move {
            let system = parts.system;
            let now = parts.clock.now();
            let local = tasks::local_workspace(&parts.store, system, now).await?;
            let clock = Arc::clone(&parts.clock);
            let kept_in = parts.credential_store;
            let keys = keyring::Keyring::prepare(&parts.store, parts.vault, system, clock, kept_in)
                .await?;
            let elsewhere =
                authority::elsewhere(&parts.authorization, &parts.egress, &parts.public_url);
            let inner = Inner {
                invoker: tools::Invoker::new(parts.egress.clone()),
                mcp: tools::McpServers::new(parts.egress.clone()),
                sign_in: sign_in::SignIn::new(parts.sign_in, &parts.egress),
                egress: parts.egress,
                store: parts.store,
                credentials: keys,
                runtimes: parts.runtimes,
                type_checker: parts.type_checker,
                clock: parts.clock,
                system,
                public_url: parts.public_url.trim_end_matches('/').to_owned(),
                local,
                feed: feed::Feed::default(),
                live: live::Registry::default(),
                catalogs: catalog::Cache::default(),
                rates: rates::Rates::default(),
                quotas: quotas::Quotas::default(),
                outbox: webhooks::Outbox::default(),
                push: push::Push::new(parts.push_services),
                schedule: sources::Schedule::default(),
                counted: sources::Counted::default(),
                flights: oauth::Flights::default(),
                elsewhere,
                authorization: parts.authorization,
                counted_tries: authority::Counted::default(),
                bearers: authority::Bearers::default(),
                worker: worker::Worker::new(parts.server_id, parts.sharing),
                presence: presence::Presence::default(),
                backups: Arc::new(tokio::sync::Semaphore::new(1)),
            };
            let engine = Self {
                inner: Arc::new(inner),
            };
            engine.recover().await?;
            engine.start_workers(parts.incidents)?;
            Ok(engine)
        })
    }

    /// Drains the server if that was not done, ends every duty and closes the database. Live tasks
    /// go on at other servers, or at the next start.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if !self.is_draining() {
                self.drain().await;
            }
            self.stop_workers().await;
            self.inner.mcp.close().await;
            self.leave_word().await;
            self.inner.store.close().await;
        })
    }

    /// What links to approvals begin with, without a slash at the end.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.inner.public_url
    }

    /// The time, as this server takes it.
    #[must_use]
    pub fn now(&self) -> domain::Timestamp {
        self.inner.clock.now()
    }

    /// The owner of the one local workspace, for `local` sign-in.
    #[must_use]
    pub fn local_caller(&self, channel: Channel, client: String) -> Caller {
        let local = &self.inner.local;
        Caller {
            organization_id: local.organization.id.clone(),
            workspace_id: local.workspace.id.clone(),
            account_id: local.account.id.clone(),
            role: Role::Owner,
            channel,
            client: client.chars().take(128).collect(),
            key_id: None,
            grant_id: None,
            scopes: Scopes::ALL,
            requests_per_minute: None,
        }
    }

    /// Who a caller is.
    ///
    /// # Errors
    /// `not_found` when the caller is no member any more, or the workspace is gone.
    pub fn me(&self, caller: &Caller) -> BoxFuture<'_, Result<Me, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(domain::access::Permission::Enter)?;
            let system = self.inner.system;
            self.inner
                .store
                .read(move |r| {
                    let last_event = store::events::last(r, &scope)?;
                    let member = store::tenancy::member(r, &scope, &caller.account_id)?
                        .ok_or_else(|| Error::not_found("member", &caller.account_id))?;
                    let workspace = store::tenancy::workspace(r, &scope)?
                        .ok_or_else(|| Error::not_found("workspace", scope.workspace_id()))?;
                    let organization =
                        store::tenancy::organization(r, system, scope.organization_id())?
                            .ok_or_else(|| {
                                Error::not_found("organization", scope.organization_id())
                            })?;
                    Ok(Me {
                        organization,
                        account: member.account,
                        workspace,
                        role: member.role,
                        last_event,
                    })
                })
                .await
        })
    }

    /// Writes to the database and wakes whoever watches the workspace.
    fn commit<T: Send + 'static>(
        &self,
        scope: &Scope,
        job: impl Fn(&mut store::Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let (engine, workspace) = (self.clone(), scope.workspace_id().clone());
        let job = origin::taken_along(job);
        Box::pin(async move {
            let done = engine.inner.store.write(job).await;
            engine.inner.feed.wake(&workspace);
            done
        })
    }
}
