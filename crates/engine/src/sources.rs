//! Sources: add, refresh, switch, remove. A refresh that fails keeps the tools of the one before.

mod difference;
mod found;
mod health;
mod mcp;
mod preview;
mod reading;
mod refresh;
mod review;
mod schedule;

use crate::audit::{by_person, by_server};
use crate::credentials::{self, NewCredential};
use crate::{Engine, Error, aside, entropy};
use domain::access::{Caller, Permission, Scope};
use domain::credential::{CredentialScope, Secret};
use domain::event::EventKind;
use domain::limits::Limit;
use domain::policy::Pattern;
use domain::source::{
    AuthScheme, LookedAt, RefreshEvery, Severity, Source, SourceStatus, Upkeep, first_import,
};
use domain::tool::fold_path;
use domain::{SourceId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;
use store::sources::Imported;
use tools::{Import, KnownNames, Validators};

pub use difference::{Change, RuleTouched, ToolChange};
pub(crate) use health::{Counted, KEPT_MS};
pub use health::{Reason, SourceHealth};
pub(crate) use mcp::McpCall;
pub use preview::{PreviewedTool, SourcePreview};
pub use reading::FirstCredential;
pub use refresh::{Doubtful, DryRun, RefreshReport};
pub use review::{Looked, Reviewed, WaitingTool};
pub(crate) use schedule::Schedule;

/// Findings that an entry of the audit log names.
const FINDINGS_TOLD_MAX: usize = 50;

/// Most patterns of tools that are safe to repeat.
const PATTERNS_MAX: usize = 100;

/// A source to add.
#[derive(Debug, Clone, Default)]
pub struct NewSource {
    /// The address of a description.
    pub url: Option<String>,
    /// A program of this machine to speak MCP with, and its arguments.
    pub command: Vec<String>,
    /// A description with the name of its file.
    pub document: Option<(String, Vec<u8>)>,
    /// The name its tools begin with.
    pub name: Option<String>,
    /// What it speaks; detected if absent.
    pub kind: Option<String>,
    /// Where to send calls, in place of what the description says.
    pub base_url: Option<String>,
    /// Headers to send with every call; for a command, variables of its environment.
    pub headers: Vec<(String, String)>,
    /// How it lets callers in, for an MCP server whose credential is set next.
    pub auth: Option<AuthScheme>,
    /// Whether what it says about the risk of its own tools is believed.
    pub trust_hints: bool,
    /// Whether its own host and port may be on a private network.
    pub allow_private: bool,
    /// Which of its tools may be called twice without harm.
    pub idempotent: Vec<Pattern>,
    /// The workspace's credential for it: used when it is asked what it is, and kept.
    pub credential: Option<FirstCredential>,
    /// How often it is read again; as the workspace says if absent.
    pub refresh_every: Option<RefreshEvery>,
}

/// Whether a source's tools are in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enabled {
    /// They are.
    Yes,
    /// They are not.
    No,
}

impl Engine {
    /// Adds a source and its tools. Whoever adds it has seen what it offers, so its tools count as
    /// looked at, but for those whose texts were found to be dangerous.
    ///
    /// # Errors
    /// `forbidden`; `invalid_source` with what was tried and what came back; `name_taken`;
    /// `quota_exceeded`.
    pub fn add_source(
        &self,
        caller: &Caller,
        new: NewSource,
    ) -> BoxFuture<'_, Result<Source, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageSources)?;
            let mut newcomer = self.newcomer(&caller, &scope, new).await?;
            let credential = newcomer.credential.take();
            let moment = self.moment();
            let id = newcomer.source.id.clone();
            let newcomer = Arc::new(newcomer);
            let source = self
                .commit(&scope, {
                    let (scope, caller) = (scope.clone(), caller.clone());
                    move |tx| {
                        let there = store::sources::list(tx, &scope)?;
                        make_sure_of_room(tx, &scope, there.len())?;
                        let mut source = newcomer.source.clone();
                        if there
                            .iter()
                            .any(|s| fold_path(&s.name) == fold_path(&source.name))
                        {
                            return Err(name_taken(&source.name));
                        }
                        source.upkeep.next_refresh_at = {
                            let ttl_ms = newcomer.ttl_ms;
                            moment.next(tx, &scope, &source, (0, ttl_ms))?
                        };
                        let imported = Imported {
                            source: &source,
                            document: &newcomer.document,
                            definitions: &newcomer.definitions,
                            tools: &newcomer.import.tools,
                            looked_at: std::slice::from_ref(&newcomer.looked_at),
                            validators: newcomer.validators.as_deref(),
                        };
                        store::sources::insert(tx, &scope, imported)?;
                        crate::oauth::keep_hints(tx, &scope, &source, &newcomer.import.oauth)?;
                        told(tx, &scope, Some(&caller), &source, "added", moment.now)?;
                        Ok(source)
                    }
                })
                .await?;
            tracing::info!(source.id = %id, tools = source.tool_count, "source added");
            self.inner.schedule.look();
            if let Some((auth, value)) = credential {
                let credential = NewCredential {
                    source: source.id.to_string(),
                    value,
                    scope: CredentialScope::Workspace,
                    auth,
                    label: String::new(),
                };
                self.set_credential(&caller, credential).await?;
            }
            Ok(source)
        })
    }

    /// Everything of a source that is to be added, before any of it is stored.
    async fn newcomer(
        &self,
        caller: &Caller,
        scope: &Scope,
        new: NewSource,
    ) -> Result<Newcomer, Error> {
        if new.allow_private {
            self.not_as_visitor(caller, "reach private addresses")
                .await?;
        }
        if let Some(credential) = &new.credential {
            let first = credential.attachment();
            credentials::check_value(&first.scheme, &first.secret)?;
        }
        let id = SourceId::from_bits(entropy::bits());
        let found = self.found(caller, &new, &id).await?;
        let import = found.import;
        let import = Arc::new(import);
        let known = self.known_names(scope, None).await?;
        let findings = {
            let import = Arc::clone(&import);
            aside::run(move || tools::scan(&import, &known)).await?
        };
        let now = self.inner.clock.now();
        let unreviewed = first_import(&import.tools, &findings, now);
        let seen = import.tools.iter().filter(|t| {
            unreviewed
                .binary_search_by(|u| u.path.cmp(&t.path))
                .is_err()
        });
        let looked_at = LookedAt {
            by: caller.account_id.clone(),
            at: now,
            digests: seen.map(|t| t.digest.clone()).collect(),
        };
        let source = Source {
            id,
            name: found.name,
            kind: import.kind,
            title: import.title.clone(),
            origin: found.origin,
            base_url: import.base_url.clone(),
            auth: match (&import.auth[..], &new.credential) {
                // What the description does not say, the person who adds it does.
                ([], Some(credential)) => vec![credential.attachment().scheme],
                (said, _) => said.to_vec(),
            },
            allow_private: new.allow_private,
            headers: found.headers,
            idempotent: new.idempotent,
            trust_hints: new.trust_hints,
            may_ask: true,
            status: found.status,
            tool_count: u32::try_from(import.tools.len()).unwrap_or(u32::MAX),
            warnings: import.warnings.clone(),
            document_digest: import.document_digest.clone(),
            created_at: now,
            refreshed_at: now,
            upkeep: Upkeep {
                unreviewed,
                findings,
                refresh_every: new.refresh_every,
                revision: 1,
                ..Upkeep::default()
            },
        };
        Ok(Newcomer {
            source,
            document: found.document,
            definitions: import.definitions.to_string(),
            import,
            looked_at,
            credential: new
                .credential
                .map(|first| (first.auth, first.value))
                .or(found.secret.map(|(scheme, value)| (Some(scheme), value))),
            validators: found.validators.and_then(|v| validators_text(&v)),
            found_by: found.found_by,
            ttl_ms: found.ttl_ms,
        })
    }

    /// The names of what is connected, but for one source.
    async fn known_names(&self, scope: &Scope, except: Option<&str>) -> Result<KnownNames, Error> {
        let catalog = self.catalog(scope).await?;
        let except = except.map(str::to_owned);
        aside::run(move || {
            let every = tools::Query {
                limit: usize::MAX,
                ..tools::Query::default()
            };
            let others = |t: &domain::tool::Tool| except.as_deref() != Some(t.source_name());
            let found = catalog.list(&every, &others);
            let mut sources: Vec<&str> = found.hits.iter().map(|t| t.source_name()).collect();
            sources.dedup();
            KnownNames::new(sources, found.hits.iter().map(|t| t.path.as_str()))
        })
        .await
    }

    /// All sources of the workspace by name.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn sources(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<Source>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeCatalog)?;
            self.inner
                .store
                .read(move |r| Ok(store::sources::list(r, &scope)?))
                .await
        })
    }

    /// One source, by name or identifier.
    ///
    /// # Errors
    /// `not_found`.
    pub fn source(
        &self,
        caller: &Caller,
        name_or_id: &str,
    ) -> BoxFuture<'_, Result<Source, Error>> {
        let (caller, wanted) = (caller.clone(), name_or_id.to_owned());
        Box::pin(async move {
            self.sources(&caller)
                .await?
                .into_iter()
                .find(|s| s.id.as_str() == wanted || fold_path(&s.name) == fold_path(&wanted))
                .ok_or_else(|| Error::not_found("source", &wanted))
        })
    }

    async fn set_status(
        &self,
        caller: &Caller,
        scope: &Scope,
        source: Source,
        status: SourceStatus,
    ) -> Result<Source, Error> {
        let now = self.inner.clock.now();
        let source = Source { status, ..source };
        self.commit(scope, {
            let (scope, source, caller) = (scope.clone(), source.clone(), caller.clone());
            move |tx| {
                store::sources::set_status(tx, &scope, &source.id, &source.status)?;
                told(tx, &scope, Some(&caller), &source, "changed", now)
            }
        })
        .await?;
        Ok(source)
    }

    /// Takes a source's tools into the catalog or out of it.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn set_source_enabled(
        &self,
        caller: &Caller,
        name_or_id: &str,
        enabled: Enabled,
    ) -> BoxFuture<'_, Result<Source, Error>> {
        let (caller, wanted) = (caller.clone(), name_or_id.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageSources)?;
            let source = self.source(&caller, &wanted).await?;
            let status = match enabled {
                Enabled::Yes => SourceStatus::Ready,
                Enabled::No => SourceStatus::Disabled,
            };
            let set = self.set_status(&caller, &scope, source, status).await;
            self.inner.schedule.look();
            set
        })
    }

    /// Says which tools of a source may be called twice without harm: such a call is sent again by
    /// itself when a server died while it was under way.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_source`.
    pub fn set_source_idempotent(
        &self,
        caller: &Caller,
        name_or_id: &str,
        tools: Vec<Pattern>,
    ) -> BoxFuture<'_, Result<Source, Error>> {
        let (caller, wanted) = (caller.clone(), name_or_id.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageSources)?;
            if tools.len() > PATTERNS_MAX {
                return Err(Error::invalid(
                    "invalid_source",
                    format!("a source keeps at most {PATTERNS_MAX} patterns of tools"),
                ));
            }
            let now = self.inner.clock.now();
            let source = self.source(&caller, &wanted).await?;
            let source = Source {
                idempotent: tools,
                ..source
            };
            self.commit(&scope, {
                let (scope, source) = (scope.clone(), source.clone());
                move |tx| {
                    store::sources::set_idempotent(tx, &scope, &source.id, &source.idempotent)?;
                    told(tx, &scope, Some(&caller), &source, "changed", now)
                }
            })
            .await?;
            Ok(source)
        })
    }

    /// Says whether a source may ask whoever runs a task something in the middle of a call. Its
    /// sessions begin anew, so that no server is left with what it was told before.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn set_source_may_ask(
        &self,
        caller: &Caller,
        name_or_id: &str,
        may_ask: bool,
    ) -> BoxFuture<'_, Result<Source, Error>> {
        let (caller, wanted) = (caller.clone(), name_or_id.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            let now = self.inner.clock.now();
            let source = self.source(&caller, &wanted).await?;
            let source = Source { may_ask, ..source };
            self.commit(&scope, {
                let (scope, source) = (scope.clone(), source.clone());
                move |tx| {
                    store::sources::set_may_ask(tx, &scope, &source.id, source.may_ask)?;
                    told(tx, &scope, Some(&caller), &source, "changed", now)
                }
            })
            .await?;
            self.inner.mcp.forget(&source.id);
            Ok(source)
        })
    }

    /// Removes a source with its tools and credentials.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn remove_source(
        &self,
        caller: &Caller,
        name_or_id: &str,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, wanted) = (caller.clone(), name_or_id.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageSources)?;
            let source = self.source(&caller, &wanted).await?;
            let now = self.inner.clock.now();
            self.commit(&scope, {
                let scope = scope.clone();
                move |tx| {
                    store::sources::remove(tx, &scope, &source.id)?;
                    told(tx, &scope, Some(&caller), &source, "removed", now)
                }
            })
            .await
        })
    }
}

/// A source that is to be added.
struct Newcomer {
    source: Source,
    document: String,
    definitions: String,
    import: Arc<Import>,
    looked_at: LookedAt,
    /// The workspace's credential for it.
    credential: Option<(Option<AuthScheme>, Secret)>,
    validators: Option<String>,
    /// How its description was found, where it was not given.
    found_by: Option<String>,
    ttl_ms: Option<u64>,
}

fn validators_text(validators: &Validators) -> Option<String> {
    if validators.is_empty() {
        return None;
    }
    serde_json::to_string(validators).ok()
}

fn name_taken(name: &str) -> Error {
    Error::conflict(
        "name_taken",
        format!(
            "a source called '{name}' is here already; give another name with --name, or refresh \
             that one"
        ),
    )
}

fn make_sure_of_room(tx: &mut store::Tx<'_>, scope: &Scope, there: usize) -> Result<(), Error> {
    let most = store::settings::get(tx, scope)?.limit(Limit::Sources);
    if (there as u64) < most {
        return Ok(());
    }
    Err(Error::Limited {
        code: "quota_exceeded",
        limit: Limit::Sources,
        value: most,
        retry_after_ms: None,
        set_for: crate::error::SetFor::Workspace,
    })
}

/// Records what a person, or else the server by itself, did to a source.
pub(crate) fn told(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    by: Option<&Caller>,
    source: &Source,
    change: &str,
    now: Timestamp,
) -> Result<(), Error> {
    told_more(tx, scope, (by, change, json!({})), source, now)
}

/// The same, with what else is known.
fn told_more(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    (by, change, more): (Option<&Caller>, &str, Value),
    source: &Source,
    now: Timestamp,
) -> Result<(), Error> {
    let headers: Vec<&str> = source
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let grave = source
        .upkeep
        .findings
        .iter()
        .filter(|f| f.severity > Severity::Low);
    let findings: Vec<Value> = grave
        .take(FINDINGS_TOLD_MAX)
        .map(
            |f| json!({ "tool": f.tool, "kind": f.kind.as_str(), "severity": f.severity.as_str() }),
        )
        .collect();
    let mut detail: Value = json!({
        "name": source.name,
        "kind": source.kind.as_str(),
        "origin": source.origin.shown(),
        "baseUrl": source.base_url,
        "allowPrivate": source.allow_private,
        "headers": headers,
        "status": source.status.as_str(),
        "idempotent": source.idempotent,
        "mayAsk": source.may_ask,
        "tools": source.tool_count,
        "document": source.document_digest,
        "unreviewed": source.upkeep.unreviewed.len(),
        "findings": findings,
    });
    if let (Some(detail), Value::Object(more)) = (detail.as_object_mut(), more) {
        detail.extend(more);
    }
    let (action, id) = (format!("source.{change}"), source.id.as_str());
    let entry = match by {
        Some(caller) => by_person(caller, scope, &action, id, &detail, now),
        None => by_server(scope, &action, id, &detail, now),
    };
    store::audit::append(tx, scope, entry)?;
    let kind = EventKind::Source {
        source_id: source.id.clone(),
        change: change.to_owned(),
    };
    store::events::append(tx, scope, None, now, &kind)?;
    Ok(())
}
