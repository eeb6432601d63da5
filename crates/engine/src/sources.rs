//! Sources: add, refresh, switch, remove. A refresh that fails keeps the tools of the one before.

mod import;

use crate::audit::by_person;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope};
use domain::event::EventKind;
use domain::limits::Limit;
use domain::policy::Pattern;
use domain::source::{Origin, Source, SourceKind, SourceStatus};
use domain::tool::{Tool, fold_path};
use domain::{SourceId, Timestamp};
use futures_util::future::BoxFuture;
use import::{Asked, Incoming, import};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use store::sources::Imported;
use tools::Import;

/// Largest description that is uploaded or fetched, in bytes.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// Most patterns of tools that are safe to repeat.
const PATTERNS_MAX: usize = 100;

/// A source to add.
#[derive(Debug, Clone, Default)]
pub struct NewSource {
    /// The address of a description.
    pub url: Option<String>,
    /// A description with the name of its file.
    pub document: Option<(String, Vec<u8>)>,
    /// The name its tools begin with.
    pub name: Option<String>,
    /// What it speaks; detected if absent.
    pub kind: Option<String>,
    /// Where to send calls, in place of what the description says.
    pub base_url: Option<String>,
    /// Headers to send with every call.
    pub headers: Vec<(String, String)>,
    /// Whether its own host and port may be on a private network.
    pub allow_private: bool,
    /// Which of its tools may be called twice without harm.
    pub idempotent: Vec<Pattern>,
}

/// Whether a refresh only tells what it would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// Change nothing.
    Yes,
    /// Swap the catalog.
    No,
}

/// Whether a source's tools are in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enabled {
    /// They are.
    Yes,
    /// They are not.
    No,
}

/// What a refresh changed, or would change.
#[derive(Debug, Clone)]
pub struct RefreshReport {
    /// The source after it.
    pub source: Source,
    /// Paths that are new.
    pub added: Vec<String>,
    /// Paths that are gone.
    pub removed: Vec<String>,
    /// Paths whose definition differs.
    pub changed: Vec<String>,
}

impl Engine {
    /// Adds a source and its tools.
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
            let scope = caller.scope(Permission::ManageWorkspace)?;
            if let Some(kind) = &new.kind
                && SourceKind::parse(kind).is_none()
            {
                return Err(Error::invalid(
                    "invalid_source",
                    format!("'{kind}' is no kind of source; the kind known is openapi"),
                ));
            }
            let (origin, document) = self.read_description(&new).await?;
            let incoming = Incoming {
                id: SourceId::from_bits(entropy::bits()),
                name: new.name.clone(),
                origin,
                document,
                base_url: new.base_url.clone(),
            };
            let asked = Asked::new(&self.inner.egress, &new.headers, new.allow_private);
            let (incoming, name, import) = import(incoming, asked).await?;
            require_base_url(&import)?;
            let now = self.inner.clock.now();
            let source = Source {
                id: incoming.id.clone(),
                name: name.clone(),
                kind: import.kind,
                title: import.title.clone(),
                origin: incoming.origin.clone(),
                base_url: import.base_url.clone(),
                auth: import.auth.clone(),
                allow_private: new.allow_private,
                headers: new.headers.clone(),
                idempotent: new.idempotent.clone(),
                status: SourceStatus::Ready,
                tool_count: u32::try_from(import.tools.len()).unwrap_or(u32::MAX),
                warnings: import.warnings.clone(),
                document_digest: import.document_digest.clone(),
                created_at: now,
                refreshed_at: now,
            };
            let document = String::from_utf8_lossy(&incoming.document).into_owned();
            let definitions = import.definitions.to_string();
            let import = Arc::new(import);
            self.commit(&scope, {
                let (scope, source, caller) = (scope.clone(), source.clone(), caller.clone());
                move |tx| {
                    let there = store::sources::list(tx, &scope)?;
                    make_sure_of_room(tx, &scope, there.len())?;
                    let taken = there
                        .iter()
                        .any(|s| fold_path(&s.name) == fold_path(&source.name));
                    if taken {
                        return Err(Error::conflict(
                            "name_taken",
                            format!(
                                "a source called '{}' is here already; give another name with \
                                 --name, or refresh that one",
                                source.name
                            ),
                        ));
                    }
                    let imported = Imported {
                        source: &source,
                        document: &document,
                        definitions: &definitions,
                        tools: &import.tools,
                    };
                    store::sources::insert(tx, &scope, imported)?;
                    told(tx, &scope, &caller, &source, "added", now)
                }
            })
            .await?;
            Ok(source)
        })
    }

    async fn read_description(&self, new: &NewSource) -> Result<(Origin, Vec<u8>), Error> {
        match (&new.url, &new.document) {
            (Some(url), None) => {
                let document = self.fetch(url, &new.headers, new.allow_private).await?;
                Ok((Origin::Url(url.clone()), document))
            }
            (None, Some((name, document))) => {
                if document.len() > DOCUMENT_BYTES_MAX {
                    return Err(Error::invalid(
                        "invalid_source",
                        format!("the description is larger than {DOCUMENT_BYTES_MAX} bytes"),
                    ));
                }
                Ok((Origin::Upload(name.clone()), document.clone()))
            }
            (Some(_), Some(_)) | (None, None) => Err(Error::invalid(
                "invalid_source",
                "give either the address of a description or its text",
            )),
        }
    }

    async fn fetch(
        &self,
        url: &str,
        headers: &[(String, String)],
        allow_private: bool,
    ) -> Result<Vec<u8>, Error> {
        self.inner
            .egress
            .fetch_document(url, headers, allow_private)
            .await
            .map_err(|e| Error::invalid("invalid_source", format!("{url} could not be read: {e}")))
    }

    /// All sources of the workspace by name.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn sources(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<Source>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
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

    /// Reads a source's description again and swaps its tools at once.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_source`: then the source is degraded and keeps its tools.
    pub fn refresh_source(
        &self,
        caller: &Caller,
        name_or_id: &str,
        dry_run: DryRun,
    ) -> BoxFuture<'_, Result<RefreshReport, Error>> {
        let (caller, wanted) = (caller.clone(), name_or_id.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageWorkspace)?;
            let source = self.source(&caller, &wanted).await?;
            match self.import_again(&scope, &source).await {
                Ok((document, import)) => {
                    self.swap(&caller, &scope, source, document, import, dry_run)
                        .await
                }
                Err(error) => {
                    if dry_run == DryRun::No {
                        let reason = error.to_string();
                        self.set_status(&caller, &scope, source, SourceStatus::Degraded { reason })
                            .await?;
                    }
                    Err(error)
                }
            }
        })
    }

    async fn import_again(
        &self,
        scope: &Scope,
        source: &Source,
    ) -> Result<(Vec<u8>, Import), Error> {
        let document = match &source.origin {
            Origin::Url(url) => {
                self.fetch(url, &source.headers, source.allow_private)
                    .await?
            }
            Origin::Upload(_) => {
                let (scope, id) = (scope.clone(), source.id.clone());
                self.inner
                    .store
                    .read(move |r| Ok::<_, Error>(store::sources::document(r, &scope, &id)?))
                    .await?
                    .ok_or_else(|| Error::not_found("source", &source.id))?
                    .into_bytes()
            }
        };
        let incoming = Incoming {
            id: source.id.clone(),
            name: Some(source.name.clone()),
            origin: source.origin.clone(),
            document,
            // The address was fixed when the source was added.
            base_url: Some(source.base_url.clone()),
        };
        let asked = Asked::new(&self.inner.egress, &source.headers, source.allow_private);
        let (incoming, _, import) = import(incoming, asked).await?;
        Ok((incoming.document, import))
    }

    async fn swap(
        &self,
        caller: &Caller,
        scope: &Scope,
        source: Source,
        document: Vec<u8>,
        import: Import,
        dry_run: DryRun,
    ) -> Result<RefreshReport, Error> {
        let (wanted, id) = (scope.clone(), source.id.clone());
        let before = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::sources::tools(r, &wanted, &id)?))
            .await?;
        let (added, removed, changed) = difference(&before, &import.tools);
        if dry_run == DryRun::Yes {
            return Ok(RefreshReport {
                source,
                added,
                removed,
                changed,
            });
        }
        let now = self.inner.clock.now();
        let source = Source {
            title: import.title.clone(),
            auth: import.auth.clone(),
            status: match source.status {
                SourceStatus::Disabled => SourceStatus::Disabled,
                SourceStatus::Ready | SourceStatus::Degraded { .. } => SourceStatus::Ready,
            },
            tool_count: u32::try_from(import.tools.len()).unwrap_or(u32::MAX),
            warnings: import.warnings.clone(),
            document_digest: import.document_digest.clone(),
            refreshed_at: now,
            ..source
        };
        let document = String::from_utf8_lossy(&document).into_owned();
        let definitions = import.definitions.to_string();
        self.commit(scope, {
            let (scope, source, caller) = (scope.clone(), source.clone(), caller.clone());
            move |tx| {
                let imported = Imported {
                    source: &source,
                    document: &document,
                    definitions: &definitions,
                    tools: &import.tools,
                };
                store::sources::replace(tx, &scope, imported)?;
                told(tx, &scope, &caller, &source, "refreshed", now)
            }
        })
        .await?;
        Ok(RefreshReport {
            source,
            added,
            removed,
            changed,
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
                told(tx, &scope, &caller, &source, "changed", now)
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
            let scope = caller.scope(Permission::ManageWorkspace)?;
            let source = self.source(&caller, &wanted).await?;
            let status = match enabled {
                Enabled::Yes => SourceStatus::Ready,
                Enabled::No => SourceStatus::Disabled,
            };
            self.set_status(&caller, &scope, source, status).await
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
            let scope = caller.scope(Permission::ManageWorkspace)?;
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
                    told(tx, &scope, &caller, &source, "changed", now)
                }
            })
            .await?;
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
            let scope = caller.scope(Permission::ManageWorkspace)?;
            let source = self.source(&caller, &wanted).await?;
            let now = self.inner.clock.now();
            self.commit(&scope, {
                let scope = scope.clone();
                move |tx| {
                    store::sources::remove(tx, &scope, &source.id)?;
                    told(tx, &scope, &caller, &source, "removed", now)
                }
            })
            .await
        })
    }
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
    })
}

fn require_base_url(import: &Import) -> Result<(), Error> {
    if import.base_url.is_empty() {
        return Err(Error::invalid(
            "invalid_source",
            "the description does not say where its API is; give the address with --base-url",
        ));
    }
    Ok(())
}

fn difference(before: &[Tool], after: &[Tool]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let old: HashMap<&str, &str> = before
        .iter()
        .map(|t| (t.path.as_str(), t.digest.as_str()))
        .collect();
    let new: HashMap<&str, &str> = after
        .iter()
        .map(|t| (t.path.as_str(), t.digest.as_str()))
        .collect();
    let of = |tools: &[Tool], keep: &dyn Fn(&Tool) -> bool| {
        let mut paths: Vec<String> = tools
            .iter()
            .filter(|t| keep(t))
            .map(|t| t.path.clone())
            .collect();
        paths.sort();
        paths
    };
    (
        of(after, &|t| !old.contains_key(t.path.as_str())),
        of(before, &|t| !new.contains_key(t.path.as_str())),
        of(after, &|t| {
            old.get(t.path.as_str()).is_some_and(|d| *d != t.digest)
        }),
    )
}

fn told(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    caller: &Caller,
    source: &Source,
    change: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let headers: Vec<&str> = source
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let detail: Value = json!({
        "name": source.name,
        "kind": source.kind.as_str(),
        "origin": match &source.origin { Origin::Url(u) => u, Origin::Upload(n) => n },
        "baseUrl": source.base_url,
        "allowPrivate": source.allow_private,
        "headers": headers,
        "status": source.status.as_str(),
        "idempotent": source.idempotent,
        "tools": source.tool_count,
        "document": source.document_digest,
    });
    let action = format!("source.{change}");
    store::audit::append(
        tx,
        scope,
        by_person(caller, scope, &action, source.id.as_str(), &detail, now),
    )?;
    let kind = EventKind::Source {
        source_id: source.id.clone(),
        change: change.to_owned(),
    };
    store::events::append(tx, scope, None, now, &kind)?;
    Ok(())
}
