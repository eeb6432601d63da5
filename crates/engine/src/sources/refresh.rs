//! Reading a source again and taking over what changed, at once and as a whole, or only telling.
//!
//! A reading that fails, or looks like half a document or a flood, leaves the tools as they are and
//! the source degraded. What changed is compared, scanned and pinned here; who asked for it, a person
//! or the clock, makes no difference to what is taken over.

use super::difference::{self, Change, Reading, RuleTouched, ToolChange};
use super::reading::{Asked, Incoming, import};
use super::{told_more, validators_text};
use crate::{Engine, Error, aside};
use domain::AccountId;
use domain::access::{Caller, Permission, Scope};
use domain::source::{
    Before, Difference, Growth, LookedAt, Origin, ReadFailure, Review, Source, SourceKind,
    SourceStatus, Upkeep, unreviewed,
};
use domain::tool::Tool;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use store::sources::Imported;
use store::sources::upkeep::Failed;
use tools::{Address, Import, KnownNames, Validators};

/// How often a refresh is tried anew whose source was changed meanwhile.
const ATTEMPTS: usize = 5;
/// Paths of each kind that an entry of the audit log names.
const PATHS_TOLD_MAX: usize = 100;

/// Whether a refresh only tells what it would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// Change nothing.
    Yes,
    /// Swap the catalog.
    No,
}

/// What becomes of a reading that looks like half a document, or like a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubtful {
    /// The tools stay as they are.
    KeepOld,
    /// A person has looked, and takes it over.
    Accept,
}

/// What a refresh changed, or would change.
#[derive(Debug, Clone)]
pub struct RefreshReport {
    /// The source after it; before it in a dry run, but with what would be unreviewed and found.
    pub source: Source,
    /// Each tool that is new, gone or changed, in order of path.
    pub changes: Vec<ToolChange>,
    /// The rules that are about any of them.
    pub rules: Vec<RuleTouched>,
    /// Why it would not be taken over by itself; none where nothing is doubtful.
    pub doubt: Option<String>,
}

impl RefreshReport {
    /// The paths of one kind.
    #[must_use]
    pub fn paths(&self, kind: Change) -> Vec<String> {
        paths(&self.changes, kind)
    }
}

fn paths(changes: &[ToolChange], kind: Change) -> Vec<String> {
    let of_kind = changes.iter().filter(|c| c.change == kind);
    of_kind.map(|c| c.path.clone()).collect()
}

/// A description that was read again.
pub(super) struct ReadAgain {
    document: Vec<u8>,
    import: Arc<Import>,
    validators: Option<Validators>,
    /// For how long it holds, as its server says.
    pub(super) ttl_ms: Option<u64>,
}

impl ReadAgain {
    pub(super) fn new(document: Vec<u8>, import: Import) -> Self {
        Self {
            document,
            import: Arc::new(import),
            validators: None,
            ttl_ms: None,
        }
    }

    /// Whether it is what a source's tools were made of already.
    pub(super) fn is_of(&self, source: &Source) -> bool {
        self.import.document_digest == source.document_digest
    }
}

/// A reading beside what is stored.
struct Compared {
    before: Vec<Tool>,
    looked_at: Vec<LookedAt>,
    changes: Vec<ToolChange>,
    upkeep: Upkeep,
    doubt: Option<String>,
}

impl Engine {
    /// Reads a source's description again and swaps its tools at once.
    ///
    /// # Errors
    /// `not_found`, `forbidden`; `invalid_source` where it cannot be read, `refresh_doubtful` where it
    /// looks like half a document or a flood: then the source is degraded and keeps its tools.
    pub fn refresh_source(
        &self,
        caller: &Caller,
        name_or_id: &str,
        (dry_run, doubtful): (DryRun, Doubtful),
    ) -> BoxFuture<'_, Result<RefreshReport, Error>> {
        let (caller, wanted) = (caller.clone(), name_or_id.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageSources)?;
            let source = self.source(&caller, &wanted).await?;
            let person = Some(&caller.account_id);
            let read = match self.import_again(&scope, &source, None, person).await {
                Ok(Some(read)) => read,
                Ok(None) => return Err(Error::internal(&"an unconditional reading had no answer")),
                Err(error) => {
                    if dry_run == DryRun::No {
                        self.reading_failed(&scope, Some(&caller), &source, &error.to_string())
                            .await?;
                    }
                    return Err(error);
                }
            };
            if dry_run == DryRun::No {
                return self
                    .take_over(&scope, Some(&caller), source, read, doubtful)
                    .await;
            }
            let compared = self.compare(&scope, &source, &read).await?;
            self.report(&scope, Some(&caller), source, &read, compared)
                .await
        })
    }

    /// Reads a description again, a server that describes itself with the credential of a person, or
    /// else with the one that all share. None if its server says that what is known is still so.
    pub(super) async fn import_again(
        &self,
        scope: &Scope,
        source: &Source,
        known: Option<&Validators>,
        person: Option<&AccountId>,
    ) -> Result<Option<ReadAgain>, Error> {
        let nobody = AccountId::from_bits([0; 16]);
        let person = person.unwrap_or(&nobody);
        let (document, validators) = match (source.kind, &source.origin) {
            (SourceKind::Mcp, _) => {
                return Ok(Some(self.mcp_again(scope, source, person).await?));
            }
            (SourceKind::GraphQl, Origin::Url(url)) => {
                let attachments = self.attached_to_reading(scope, source, person).await?;
                let address = Address {
                    url,
                    kind: Some(source.kind),
                    headers: &source.headers,
                    attachments: &attachments,
                    allow_private: source.allow_private,
                };
                (self.read_at(&address).await?.document, None)
            }
            (SourceKind::OpenApi, Origin::Url(url)) => {
                let none = Validators::default();
                let (headers, private) = (&source.headers, source.allow_private);
                let known = known.unwrap_or(&none);
                let unread = |why: &dyn std::fmt::Display| {
                    Error::invalid("invalid_source", format!("{url} could not be read: {why}"))
                };
                let looked = self.inner.egress.look(url, headers, private, known).await;
                let seen = looked.map_err(|e| unread(&e))?;
                if seen.is_unchanged() && !known.is_empty() {
                    return Ok(None);
                }
                if !seen.is_success() {
                    return Err(unread(&tools::Tried::of(url, &seen)));
                }
                (seen.body, Some(seen.validators))
            }
            (_, Origin::Upload(_) | Origin::Command(_)) => {
                let (scope, id) = (scope.clone(), source.id.clone());
                let document = self
                    .inner
                    .store
                    .read(move |r| Ok::<_, Error>(store::sources::document(r, &scope, &id)?))
                    .await?
                    .ok_or_else(|| Error::not_found("source", &source.id))?;
                (document.into_bytes(), None)
            }
        };
        let incoming = Incoming {
            id: source.id.clone(),
            name: Some(source.name.clone()),
            origin: source.origin.clone(),
            document,
            kind: Some(source.kind),
            // The address was fixed when the source was added.
            base_url: Some(source.base_url.clone()),
        };
        let asked = Asked {
            egress: &self.inner.egress,
            headers: &source.headers,
            allow_private: source.allow_private,
        };
        let (incoming, _, import) = import(incoming, asked).await?;
        Ok(Some(ReadAgain {
            validators,
            ..ReadAgain::new(incoming.document, import)
        }))
    }

    /// Swaps in what was read, unless it is doubtful. Compared anew if the source changed meanwhile.
    pub(super) async fn take_over(
        &self,
        scope: &Scope,
        by: Option<&Caller>,
        mut source: Source,
        read: ReadAgain,
        doubtful: Doubtful,
    ) -> Result<RefreshReport, Error> {
        for _ in 0..ATTEMPTS {
            let compared = self.compare(scope, &source, &read).await?;
            if let (Some(doubt), Doubtful::KeepOld) = (&compared.doubt, doubtful) {
                self.reading_failed(scope, by, &source, doubt).await?;
                return Err(Error::conflict(
                    "refresh_doubtful",
                    format!(
                        "{doubt}; the tools are kept as they were. Look at it with `executor sources \
                         refresh {} --dry-run`, and take it over with --accept",
                        source.name
                    ),
                ));
            }
            if let Some(swapped) = self.swap(scope, by, &source, &read, &compared).await? {
                let mut report = self.report(scope, by, source, &read, compared).await?;
                report.source = swapped;
                return Ok(report);
            }
            source = self.stored(scope, &source).await?;
        }
        Err(Error::conflict(
            "source_changed",
            format!(
                "{} is changed again and again meanwhile; try it once more",
                source.name
            ),
        ))
    }

    async fn stored(&self, scope: &Scope, source: &Source) -> Result<Source, Error> {
        let (scope, id) = (scope.clone(), source.id.clone());
        self.inner
            .store
            .read(move |r| {
                store::sources::get(r, &scope, &id)?.ok_or_else(|| Error::not_found("source", &id))
            })
            .await
    }

    async fn compare(
        &self,
        scope: &Scope,
        source: &Source,
        read: &ReadAgain,
    ) -> Result<Compared, Error> {
        let (wanted, id) = (scope.clone(), source.id.clone());
        let (made, looked_at) = self
            .inner
            .store
            .read(move |r| {
                let made = store::sources::made(r, &wanted, &id)?;
                let looked_at = store::sources::upkeep::looked_at(r, &wanted, &id)?;
                Ok::<_, Error>((made, looked_at))
            })
            .await?;
        let known = self.known_names(scope, Some(&source.name)).await?;
        let (source, import) = (source.clone(), Arc::clone(&read.import));
        let now = self.inner.clock.now();
        aside::run(move || {
            // What is stored and cannot be read any more is as good as nothing: all is new.
            let read_text = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
            let (before, types) = made.map_or((Vec::new(), Value::Null), |m| {
                let tools = serde_json::from_str(&m.tools).unwrap_or_default();
                (tools, read_text(&m.definitions))
            });
            compared(&source, (before, &types, looked_at), &import, &known, now)
        })
        .await
    }

    /// Writes what was read in the place of what is stored. None if the source is not as it was when
    /// the two were compared.
    async fn swap(
        &self,
        scope: &Scope,
        by: Option<&Caller>,
        source: &Source,
        read: &ReadAgain,
        compared: &Compared,
    ) -> Result<Option<Source>, Error> {
        let now = self.inner.clock.now();
        let import = &read.import;
        let source = Source {
            title: import.title.clone(),
            auth: match &import.auth[..] {
                // What the description does not say, a person said.
                [] => source.auth.clone(),
                said => said.to_vec(),
            },
            status: match source.status {
                SourceStatus::Disabled => SourceStatus::Disabled,
                SourceStatus::Ready | SourceStatus::Degraded { .. } => SourceStatus::Ready,
            },
            tool_count: u32::try_from(import.tools.len()).unwrap_or(u32::MAX),
            warnings: import.warnings.clone(),
            document_digest: import.document_digest.clone(),
            refreshed_at: now,
            upkeep: compared.upkeep.clone(),
            ..source.clone()
        };
        let more = json!({
            "added": shortened(&compared.changes, Change::Added),
            "removed": shortened(&compared.changes, Change::Removed),
            "changed": shortened(&compared.changes, Change::Changed),
            "doubt": compared.doubt,
        });
        let document = String::from_utf8_lossy(&read.document).into_owned();
        let definitions = import.definitions.to_string();
        let validators = read.validators.as_ref().and_then(validators_text);
        let (by, import) = (by.cloned(), Arc::clone(import));
        let (looked_at, moment) = (compared.looked_at.clone(), self.moment());
        let ttl_ms = read.ttl_ms;
        self.commit(scope, {
            let scope = scope.clone();
            move |tx| {
                let mut source = source.clone();
                source.upkeep.failures = 0;
                source.upkeep.next_refresh_at = moment.next(tx, &scope, &source, (0, ttl_ms))?;
                let imported = Imported {
                    source: &source,
                    document: &document,
                    definitions: &definitions,
                    tools: &import.tools,
                    looked_at: &looked_at,
                    validators: validators.as_deref(),
                };
                if !store::sources::replace(tx, &scope, imported)? {
                    return Ok(None);
                }
                crate::oauth::keep_hints(tx, &scope, &source, &import.oauth)?;
                source.upkeep.revision += 1;
                let what = (by.as_ref(), "refreshed", more.clone());
                told_more(tx, &scope, what, &source, now)?;
                Ok(Some(source))
            }
        })
        .await
    }

    async fn report(
        &self,
        scope: &Scope,
        by: Option<&Caller>,
        source: Source,
        read: &ReadAgain,
        compared: Compared,
    ) -> Result<RefreshReport, Error> {
        let Compared {
            before,
            mut changes,
            upkeep,
            doubt,
            ..
        } = compared;
        let mut rules = Vec::new();
        if let Some(caller) = by {
            let (catalog, policy) = self.catalog_and_policy(scope, &caller.account_id).await?;
            let now = self.inner.clock.now();
            let (caller, source, import) =
                (caller.clone(), source.clone(), Arc::clone(&read.import));
            (changes, rules) = aside::run(move || {
                let after = &import.tools;
                difference::judge(
                    &mut changes,
                    (&caller, &policy),
                    (&source, &before),
                    after,
                    now,
                );
                let name = &source.name;
                let rules = difference::rules_touched(&changes, &policy, name, after, &catalog);
                (changes, rules)
            })
            .await?;
        }
        Ok(RefreshReport {
            source: Source { upkeep, ..source },
            changes,
            rules,
            doubt,
        })
    }

    /// Writes down that a reading came to nothing. The tools stay as they are.
    pub(super) async fn reading_failed(
        &self,
        scope: &Scope,
        by: Option<&Caller>,
        source: &Source,
        reason: &str,
    ) -> Result<(), Error> {
        let (by, id, reason) = (by.cloned(), source.id.clone(), reason.to_owned());
        let moment = self.moment();
        self.commit(scope, {
            let scope = scope.clone();
            move |tx| {
                let Some(before) = store::sources::get(tx, &scope, &id)? else {
                    return Ok(());
                };
                let in_a_row = before.upkeep.failures.saturating_add(1);
                let failure = ReadFailure {
                    at: moment.now,
                    reason: reason.clone(),
                };
                let how = Failed {
                    failure: &failure,
                    in_a_row,
                    next: moment.next(tx, &scope, &before, (in_a_row, None))?,
                };
                store::sources::upkeep::failed(tx, &scope, &id, how)?;
                // The same failure again is no news.
                if let Some(after) = store::sources::get(tx, &scope, &id)?
                    && (after.status != before.status || by.is_some())
                {
                    let what = (by.as_ref(), "changed", json!({ "reason": reason }));
                    told_more(tx, &scope, what, &after, moment.now)?;
                }
                Ok(())
            }
        })
        .await
    }
}

fn shortened(changes: &[ToolChange], kind: Change) -> Value {
    let paths = paths(changes, kind);
    let total = paths.len();
    let first: Vec<String> = paths.into_iter().take(PATHS_TOLD_MAX).collect();
    json!({ "total": total, "paths": first })
}

fn compared(
    source: &Source,
    (before, types, looked_at): (Vec<Tool>, &Value, Vec<LookedAt>),
    import: &Import,
    known: &KnownNames,
    now: domain::Timestamp,
) -> Compared {
    let findings = tools::scan(import, known);
    let old = Reading {
        tools: &before,
        definitions: types,
    };
    let new = Reading {
        tools: &import.tools,
        definitions: &import.definitions,
    };
    let mut changes = difference::changes(old, new);
    let told: HashMap<&str, &Vec<Difference>> = changes
        .iter()
        .map(|c| (c.path.as_str(), &c.differences))
        .collect();
    let differ = |_: &Tool, tool: &Tool| {
        told.get(tool.path.as_str())
            .map_or_else(Vec::new, |d| (*d).clone())
    };
    let was = Before {
        tools: &before,
        unreviewed: &source.upkeep.unreviewed,
        looked_at: &looked_at,
    };
    let unreviewed = unreviewed(was, &import.tools, &findings, &differ, now);
    let upkeep = Upkeep {
        unreviewed,
        findings,
        ..source.upkeep.clone()
    };
    for change in &mut changes {
        change.review = match change.change {
            Change::Removed => Review::LookedAt,
            Change::Added | Change::Changed => upkeep.review_of(&change.path),
        };
    }
    let growth = Growth {
        before: before.len(),
        after: import.tools.len(),
    };
    Compared {
        doubt: growth.doubt().map(|d| d.to_string()),
        before,
        looked_at,
        changes,
        upkeep,
    }
}
