//! The catalog as a caller sees it: search, namespaces, descriptions.

use crate::gate::forecast;
use crate::{Engine, Error};
use domain::RuleId;
use domain::access::{Caller, Permission};
use domain::call::Call;
use domain::policy::{Decision, Denials, Effect, Policy};
use domain::source::Review;
use domain::tool::{Risk, Tool};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use tools::{Catalog, Namespace, Query};

/// One tool as found.
#[derive(Debug, Clone)]
pub struct ToolHit {
    /// The tool.
    pub tool: Arc<Tool>,
    /// What policy says today: `allow` or `ask`, of one that was asked for all the same `deny`.
    pub decision: &'static str,
    /// The rule that says so; none where it is the default.
    pub rule_id: Option<RuleId>,
    /// Whether an administrator has looked at it as it is now.
    pub review: Review,
    /// One line of TypeScript.
    pub signature: String,
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct Discovery {
    /// The tools, the best first.
    pub hits: Vec<ToolHit>,
    /// How many there are in all.
    pub total: usize,
    /// Whether there are more after these.
    pub has_more: bool,
}

/// One tool with its types.
#[derive(Debug, Clone)]
pub struct ToolDescription {
    /// The path to call it by.
    pub path: String,
    /// What it does.
    pub description: String,
    /// Its risk.
    pub risk: Risk,
    /// What policy says today.
    pub decision: &'static str,
    /// The rule that says so; none where it is the default.
    pub rule_id: Option<RuleId>,
    /// Whether an administrator has looked at it as it is now.
    pub review: Review,
    /// TypeScript declarations of the arguments.
    pub input: String,
    /// TypeScript declarations of what it resolves to.
    pub output: String,
    /// JSON Schema of the arguments; its references point into its own `$defs`.
    pub input_schema: Value,
    /// JSON Schema of the data it answers with, if its description says.
    pub output_schema: Option<Value>,
}

/// A schema that stands alone: with those of the source's definitions that it leads to.
fn whole(schema: &Value, definitions: &Value) -> Value {
    let (mut wanted, mut open) = (Map::new(), vec![schema]);
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                let named = fields.get("$ref").and_then(Value::as_str);
                let name = named.and_then(|r| r.strip_prefix("#/$defs/"));
                if let Some((name, found)) = name.and_then(|n| Some((n, definitions.get(n)?)))
                    && !wanted.contains_key(name)
                {
                    wanted.insert(name.to_owned(), found.clone());
                    open.push(found);
                }
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut schema = schema.clone();
    if let (Some(fields), false) = (schema.as_object_mut(), wanted.is_empty()) {
        fields.insert("$defs".to_owned(), Value::Object(wanted));
    }
    schema
}

/// One tool as it is offered by itself, apart from any program.
#[derive(Debug, Clone)]
pub struct OfferedTool {
    /// The tool.
    pub tool: Arc<Tool>,
    /// The schemas that its own may refer to, by name (`#/$defs/…`).
    pub definitions: Arc<Value>,
}

/// Which tools of the catalog are meant. Those that policy denies to a caller are found by no program;
/// whoever makes the rules looks at them all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shown {
    /// Those that policy does not deny to the caller.
    #[default]
    Offered,
    /// All of them.
    DeniedToo,
    /// Only those that policy denies to the caller.
    DeniedOnly,
}

/// A catalog with what is needed to say which of it a caller may see.
struct Seen {
    shown: Shown,
    caller: Caller,
    catalog: Catalog,
    policy: Policy,
    denials: Denials,
    now: domain::Timestamp,
}

impl Seen {
    fn decision(&self, tool: &Tool, review: Review) -> Decision {
        forecast(&self.caller, &self.policy, (tool, review), self.now)
    }

    fn visible(&self, tool: &Tool) -> bool {
        match self.shown {
            Shown::Offered => self.offered(tool),
            Shown::DeniedToo => true,
            Shown::DeniedOnly => !self.offered(tool),
        }
    }

    fn offered(&self, tool: &Tool) -> bool {
        // Asked of every tool that a search finds, so the cheap look comes first. Whoever has looked
        // at the tool bears on what is allowed, never on what is denied.
        !self
            .denials
            .may_cover(&tool.path, tool.source_name(), tool.risk)
            || !matches!(self.decision(tool, Review::LookedAt).effect, Effect::Deny)
    }

    /// There is no such tool, or none that the caller may see; with the nearest paths of those.
    fn unknown(&self, path: String) -> Error {
        let near = self.catalog.suggestions(&path, &|t| self.visible(t));
        if near.is_empty() {
            return Error::not_found("tool", &path);
        }
        Error::NotFoundNear {
            what: "tool",
            id: path,
            near,
        }
    }
}

impl Engine {
    /// The path of a tool as the catalog has it, which is how calls record it, for a caller who may
    /// see the tool.
    ///
    /// # Errors
    /// `forbidden`; `not_found`, naming the nearest paths.
    pub(crate) async fn exact_path(&self, caller: &Caller, path: &str) -> Result<String, Error> {
        // What became of the calls of a tool that is denied by now may be asked by whoever may see
        // that it is.
        let shown = match caller.scope(Permission::ManageRules) {
            Ok(_) => Shown::DeniedToo,
            Err(_) => Shown::Offered,
        };
        let seen = self.seen(caller, shown).await?;
        match seen.catalog.lookup(path) {
            Some((tool, _)) if seen.visible(tool) => Ok(tool.path.clone()),
            Some(_) | None => Err(seen.unknown(path.to_owned())),
        }
    }

    async fn seen(&self, caller: &Caller, shown: Shown) -> Result<Seen, Error> {
        let scope = caller.scope(Permission::SeeCatalog)?;
        if shown != Shown::Offered {
            caller.scope(Permission::ManageRules)?;
        }
        let (catalog, policy) = self.catalog_and_policy(&scope, &caller.account_id).await?;
        Ok(Seen {
            shown,
            catalog,
            denials: Denials::of(&policy),
            policy,
            caller: caller.clone(),
            now: self.inner.clock.now(),
        })
    }

    /// The places of those calls whose tool is described otherwise now, or is gone. Calls that reached
    /// no tool of the catalog are none of them.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn changed_tools(
        &self,
        caller: &Caller,
        calls: &[Call],
    ) -> BoxFuture<'_, Result<BTreeSet<u32>, Error>> {
        let caller = caller.clone();
        let bindings: Vec<_> = calls
            .iter()
            .map(|call| &call.binding)
            .filter(|binding| !binding.definition_digest.is_empty())
            .map(|binding| {
                let digest = binding.definition_digest.clone();
                (binding.sequence, binding.tool.clone(), digest)
            })
            .collect();
        Box::pin(async move {
            if bindings.is_empty() {
                return Ok(BTreeSet::new());
            }
            let seen = self.seen(&caller, Shown::Offered).await?;
            let is_same = |tool: &str, digest: &str| {
                let found = seen.catalog.lookup(tool);
                found.is_some_and(|(tool, _)| tool.digest == digest)
            };
            let changed = bindings
                .into_iter()
                .filter(|(_, tool, digest)| !is_same(tool, digest))
                .map(|(sequence, ..)| sequence);
            Ok(changed.collect())
        })
    }

    /// Searches the catalog; an empty text with a namespace enumerates it.
    ///
    /// # Errors
    /// `forbidden`, also for whoever asks for denied tools and does not make the rules.
    pub fn search_tools(
        &self,
        caller: &Caller,
        query: Query,
        shown: Shown,
    ) -> BoxFuture<'_, Result<Discovery, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let seen = self.seen(&caller, shown).await?;
            let found = seen.catalog.search(&query, &|t| seen.visible(t));
            let hits: Vec<ToolHit> = found
                .hits
                .into_iter()
                .map(|tool| {
                    let review = seen.catalog.review_of(&tool);
                    let decision = seen.decision(&tool, review);
                    ToolHit {
                        decision: decision.effect.as_str(),
                        rule_id: decision.rule_id,
                        review,
                        signature: seen.catalog.signature(&tool),
                        tool,
                    }
                })
                .collect();
            let has_more = query.offset + hits.len() < found.total;
            Ok(Discovery {
                hits,
                total: found.total,
                has_more,
            })
        })
    }

    /// Every tool that policy does not deny to the caller, in the order of their paths.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn offered_tools(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<OfferedTool>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let seen = self.seen(&caller, Shown::Offered).await?;
            let every = Query {
                limit: usize::MAX,
                ..Query::default()
            };
            let found = seen.catalog.list(&every, &|t| seen.visible(t));
            let offered = found.hits.into_iter().filter_map(|tool| {
                let (_, source) = seen.catalog.lookup(&tool.path)?;
                let definitions = Arc::clone(&source.definitions);
                Some(OfferedTool { tool, definitions })
            });
            Ok(offered.collect())
        })
    }

    /// A number that rises with every change to the tools of the caller's workspace.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn catalog_version(&self, caller: &Caller) -> BoxFuture<'_, Result<i64, Error>> {
        let scope = caller.scope(Permission::SeeCatalog);
        Box::pin(async move {
            let scope = scope?;
            self.inner
                .store
                .read(move |r| Ok::<_, Error>(store::sources::catalog_version(r, &scope)?))
                .await
        })
    }

    /// The first segments of the catalog's paths.
    ///
    /// # Errors
    /// `forbidden`, also for whoever asks for denied tools and does not make the rules.
    pub fn namespaces(
        &self,
        caller: &Caller,
        shown: Shown,
    ) -> BoxFuture<'_, Result<Vec<Namespace>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let seen = self.seen(&caller, shown).await?;
            Ok(seen.catalog.namespaces(&|t| seen.visible(t)))
        })
    }

    /// One tool with its types.
    ///
    /// # Errors
    /// `not_found`, naming the nearest paths; `forbidden` for whoever asks for denied tools and does
    /// not make the rules.
    pub fn describe_tool(
        &self,
        caller: &Caller,
        path: &str,
        shown: Shown,
    ) -> BoxFuture<'_, Result<ToolDescription, Error>> {
        let (caller, path) = (caller.clone(), path.to_owned());
        Box::pin(async move {
            let seen = self.seen(&caller, shown).await?;
            let found = seen
                .catalog
                .lookup(&path)
                .filter(|(tool, _)| seen.visible(tool))
                .and_then(|(tool, source)| Some((tool, source, seen.catalog.describe(&path)?)));
            let Some((tool, source, description)) = found else {
                return Err(seen.unknown(path));
            };
            let review = seen.catalog.review_of(tool);
            let decision = seen.decision(tool, review);
            Ok(ToolDescription {
                decision: decision.effect.as_str(),
                rule_id: decision.rule_id,
                review,
                path: description.path,
                description: description.description,
                risk: description.risk,
                input: description.input,
                output: description.output,
                input_schema: whole(&tool.input_schema, &source.definitions),
                output_schema: tool
                    .output_schema
                    .as_ref()
                    .map(|schema| whole(schema, &source.definitions)),
            })
        })
    }
}
