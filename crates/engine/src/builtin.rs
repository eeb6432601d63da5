//! What a program finds out without asking anybody: `tools.discover`, `tools.catalog.*`,
//! `tools.describe`, `tools.results.read`.
//!
//! Answers are journaled like any call's, because the catalog may differ when the task is rebuilt.

#![expect(
    clippy::result_large_err,
    reason = "the errors of calls are data for the program, made once per failed call"
)]

use crate::gate::{Checked, Target, Wanted, denied_by_policy, forecast};
use crate::{Engine, Error};
use domain::access::{Caller, Scopes};
use domain::call::CallStatus;
use domain::canonical::sha256_parts;
use domain::partial::{Part, Partial};
use domain::policy::{Decision, Effect, Policy};
use domain::source::Review;
use domain::task::Task;
use domain::tool::{Tool, ToolError, ToolErrorCode};
use domain::{HandleId, TaskId, Timestamp};
use serde_json::{Value, json};
use std::borrow::Cow;
use tools::{Catalog, Query};

/// Most results of `tools.discover`.
pub(crate) const DISCOVER_MAX: usize = 50;
/// Most results of `tools.catalog.tools`.
pub(crate) const LIST_MAX: usize = 200;
/// Most bytes that one `tools.results.read` gives.
const READ_BYTES_MAX: u64 = 256 << 10;

/// What the searches take.
const QUERY: [&str; 4] = ["query", "namespace", "limit", "offset"];
/// What `tools.results.read` takes.
const PART: [&str; 3] = ["handle", "offset", "length"];

/// Everything that a look-up depends on, taken once for a batch of calls.
pub(crate) struct View<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) caller: &'a Caller,
    pub(crate) catalog: &'a Catalog,
    pub(crate) policy: &'a Policy,
    /// The task whose calls are looked up; none for looking only.
    pub(crate) task: Option<&'a TaskId>,
    pub(crate) now: Timestamp,
}

/// The idempotency key of a call: the same whenever it is sent again or rebuilt, and that of no
/// other. Shaped like a random UUID of version 4, because some APIs take nothing else.
fn idempotency_key(task: &TaskId, sequence: u32) -> String {
    let digest = sha256_parts(&[
        b"executor-idempotency-1",
        task.as_str().as_bytes(),
        &sequence.to_be_bytes(),
    ]);
    let variant = ["8", "9", "a", "b"][usize::from(digest.as_bytes()[30]) % 4];
    format!(
        "{}-{}-4{}-{variant}{}-{}",
        &digest[..8],
        &digest[8..12],
        &digest[12..15],
        &digest[15..18],
        &digest[18..30]
    )
}

/// The caller that a task acts for.
pub(crate) fn caller_of(task: &Task) -> Caller {
    Caller {
        organization_id: task.organization_id.clone(),
        workspace_id: task.workspace_id.clone(),
        account_id: task.account_id.clone(),
        role: task.role,
        channel: task.channel,
        client: task.client.clone(),
        key_id: task.key_id.clone(),
        grant_id: task.grant_id.clone(),
        // What a task does was the key's to begin; each call is decided by the gate.
        scopes: Scopes::USUAL,
        requests_per_minute: None,
    }
}

impl View<'_> {
    /// Looks a call up and checks its arguments. Sends and asks nothing.
    pub(crate) async fn check(&self, wanted: &Wanted) -> Checked {
        match self.try_check(wanted).await {
            Ok(checked) => checked,
            Err(error) => Checked::Settled(CallStatus::from_error(error)),
        }
    }

    async fn try_check(&self, wanted: &Wanted) -> Result<Checked, ToolError> {
        let arguments: Value = serde_json::from_str(&wanted.arguments)
            .map_err(|e| invalid(&wanted.path, format!("the arguments are not JSON: {e}")))?;
        if let Some(answer) = self
            .answer(&wanted.path, &named(&wanted.path, &arguments))
            .await
        {
            return Ok(Checked::Settled(CallStatus::Succeeded(answer?.to_string())));
        }
        self.target(&wanted.path, arguments, wanted.sequence)
            .map(|t| Checked::Sendable(Box::new(t)))
    }

    /// What a path and arguments lead to, as the call of that place in the task: a write carries
    /// its idempotency key where the tool takes one.
    pub(crate) fn target(
        &self,
        path: &str,
        arguments: Value,
        sequence: u32,
    ) -> Result<Target, ToolError> {
        let Some((tool, source)) = self.catalog.lookup(path) else {
            return Err(self.not_found(path));
        };
        if let Err(error) = tools::check_arguments(tool, source, &arguments) {
            // Whoever may not call a tool is not told what it takes.
            let decision = self.decision(tool);
            return Err(match decision.effect {
                Effect::Deny => {
                    denied_by_policy(&tool.path, &decision, decision.explain(tool.risk))
                }
                Effect::Allow | Effect::Ask(_) => error,
            });
        }
        let key = self.task.map(|task| idempotency_key(task, sequence));
        let keyed = match &key {
            Some(key) => tools::with_key(tool, &arguments, key),
            None => Cow::Borrowed(&arguments),
        };
        let prepared = tools::prepare(tool, source, &keyed)?;
        let judged = tools::judged(tool, source, &arguments);
        Ok(Target {
            tool: tool.clone(),
            source: source.clone(),
            arguments,
            risk: judged.risk,
            also: judged.also,
            prepared,
            answers: None,
        })
    }

    /// The error of a call that leads to no tool.
    pub(crate) fn not_found(&self, path: &str) -> ToolError {
        let near = self.catalog.suggestions(path, &|t| self.visible(t));
        let hint = if near.is_empty() {
            "tools.discover({ query }) finds what there is".to_owned()
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        let message = format!("there is no tool '{path}'; {hint}");
        ToolError::new(ToolErrorCode::ToolNotFound, path, message)
            .with_details(json!({ "suggestions": near }))
    }

    /// Whether the caller may know of a tool.
    pub(crate) fn visible(&self, tool: &Tool) -> bool {
        // Whoever has looked at it bears on what is allowed, never on what is denied.
        let tool = (tool, Review::LookedAt);
        let decision = forecast(self.caller, self.policy, tool, self.now);
        !matches!(decision.effect, Effect::Deny)
    }

    fn decision(&self, tool: &Tool) -> Decision {
        let tool = (tool, self.catalog.review_of(tool));
        forecast(self.caller, self.policy, tool, self.now)
    }

    /// What policy says of a tool, and that nobody has looked at it where that is so.
    fn judged(&self, tool: &Tool, mut told: Value) -> Value {
        told["decision"] = self.decision(tool).effect.as_str().into();
        if self.catalog.review_of(tool) == Review::Unreviewed {
            told["unreviewed"] = true.into();
        }
        told
    }

    async fn answer(&self, path: &str, arguments: &Value) -> Option<Result<Value, ToolError>> {
        Some(match path {
            "discover" => self.discover(path, arguments),
            "catalog.namespaces" => only(path, arguments, &[]).map(|()| self.namespaces()),
            "catalog.tools" => self.list(path, arguments),
            "describe" => self.describe(path, arguments),
            "results.read" => self.read(path, arguments).await,
            _ => return None,
        })
    }

    fn discover(&self, path: &str, arguments: &Value) -> Result<Value, ToolError> {
        only(path, arguments, &QUERY)?;
        let query = query(path, arguments, 8, DISCOVER_MAX)?;
        let found = self.found(&query);
        let mut out = json!({ "bestPath": found.0.first().map(|h| h["path"].clone()) });
        out["results"] = Value::Array(found.0);
        out["total"] = found.1.into();
        out["hasMore"] = found.2.into();
        Ok(out)
    }

    fn list(&self, path: &str, arguments: &Value) -> Result<Value, ToolError> {
        only(path, arguments, &QUERY)?;
        let query = query(path, arguments, 50, LIST_MAX)?;
        let (results, total, has_more) = self.found(&query);
        Ok(json!({ "results": results, "total": total, "hasMore": has_more }))
    }

    fn found(&self, query: &Query) -> (Vec<Value>, usize, bool) {
        let found = self.catalog.search(query, &|t| self.visible(t));
        let has_more = query.offset + found.hits.len() < found.total;
        let hits = found.hits.iter().map(|tool| {
            let told = json!({
                "path": tool.path,
                "source": tool.source_name(),
                "description": tool.description,
                "risk": tool.risk.as_str(),
                "decision": null,
                "signature": self.catalog.signature(tool),
            });
            self.judged(tool, told)
        });
        (hits.collect(), found.total, has_more)
    }

    fn namespaces(&self) -> Value {
        let namespaces: Vec<Value> = self
            .catalog
            .namespaces(&|t| self.visible(t))
            .into_iter()
            .map(|n| {
                json!({
                    "namespace": n.namespace,
                    "toolCount": n.tool_count,
                    "samplePaths": n.sample_paths,
                })
            })
            .collect();
        json!({ "total": namespaces.len(), "namespaces": namespaces })
    }

    fn describe(&self, path: &str, arguments: &Value) -> Result<Value, ToolError> {
        only(path, arguments, &["path"])?;
        let wanted = described(path, arguments)?;
        let found = self
            .catalog
            .lookup(wanted)
            .filter(|(tool, _)| self.visible(tool))
            .and_then(|(tool, _)| Some((tool, self.catalog.describe(wanted)?)));
        let Some((tool, description)) = found else {
            let near = self.catalog.suggestions(wanted, &|t| self.visible(t));
            return Err(ToolError::new(
                ToolErrorCode::ToolNotFound,
                wanted,
                format!("there is no tool '{wanted}'"),
            )
            .with_details(json!({ "suggestions": near })));
        };
        let told = json!({
            "path": description.path,
            "description": description.description,
            "risk": description.risk.as_str(),
            "decision": null,
            "input": description.input,
            "output": description.output,
        });
        Ok(self.judged(tool, told))
    }

    async fn read(&self, path: &str, arguments: &Value) -> Result<Value, ToolError> {
        only(path, arguments, &PART)?;
        let handle = handle(path, arguments)?;
        let (offset, length) = part(path, arguments)?;
        let part = self
            .engine
            .read_handle(self.caller, &handle, offset, length)
            .await
            .map_err(|e| {
                if matches!(e, Error::NotFound { .. }) {
                    invalid(path, e.to_string())
                } else {
                    ToolError::new(ToolErrorCode::Internal, path, e.to_string())
                }
            })?;
        let end = part.offset + part.text.len() as u64;
        let mut out = json!({ "text": part.text, "offset": part.offset, "bytes": part.bytes });
        if end < part.bytes {
            out["nextOffset"] = end.into();
        }
        Ok(out)
    }
}

fn query(
    path: &str,
    arguments: &Value,
    limit: usize,
    limit_max: usize,
) -> Result<Query, ToolError> {
    let text = |name: &str| match &arguments[name] {
        Value::Null => Ok(None),
        Value::String(s) => Ok(Some(s.clone())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(invalid(path, format!("{name} must be a string")))
        }
    };
    let limit = count(path, arguments, "limit", limit as u64, limit_max as u64)?;
    Ok(Query {
        text: text("query")?.unwrap_or_default(),
        namespace: text("namespace")?,
        limit: usize::try_from(limit).unwrap_or(limit_max),
        offset: usize::try_from(count(path, arguments, "offset", 0, u64::MAX)?)
            .unwrap_or(usize::MAX),
    })
}

fn described<'a>(path: &str, arguments: &'a Value) -> Result<&'a str, ToolError> {
    arguments["path"].as_str().ok_or_else(|| {
        invalid(
            path,
            "tools.describe(path) takes the path of a tool, a string",
        )
    })
}

/// The whole `{ $handle, … }` may be given as well as its identifier.
fn handle(path: &str, arguments: &Value) -> Result<HandleId, ToolError> {
    let given = &arguments["handle"];
    given
        .as_str()
        .or(given["$handle"].as_str())
        .and_then(|h| HandleId::parse(h).ok())
        .ok_or_else(|| invalid(path, "handle must be the $handle of a large result"))
}

fn part(path: &str, arguments: &Value) -> Result<(u64, u64), ToolError> {
    Ok((
        count(path, arguments, "offset", 0, u64::MAX)?,
        count(path, arguments, "length", READ_BYTES_MAX, READ_BYTES_MAX)?,
    ))
}

/// Checks the arguments of a call as far as they are known; none if the path is none of ours.
pub(crate) fn check(path: &str, arguments: &Partial) -> Option<Result<(), ToolError>> {
    let given = arguments.stand_in();
    let given = named(path, &given);
    let known = |key: &str| !matches!(arguments.part(std::iter::once(key)), Part::Unknown);
    let check = || match path {
        "discover" => {
            only(path, &given, &QUERY)?;
            query(path, &given, 8, DISCOVER_MAX).map(drop)
        }
        "catalog.tools" => {
            only(path, &given, &QUERY)?;
            query(path, &given, 50, LIST_MAX).map(drop)
        }
        "catalog.namespaces" => only(path, &given, &[]),
        "describe" => {
            only(path, &given, &["path"])?;
            match known("path") {
                true => described(path, &given).map(drop),
                false => Ok(()),
            }
        }
        "results.read" => {
            only(path, &given, &PART)?;
            if known("handle") && arguments.part(["handle", "$handle"].into_iter()) != Part::Unknown
            {
                handle(path, &given)?;
            }
            part(path, &given).map(drop)
        }
        _ => Ok(()),
    };
    let ours = matches!(
        path,
        "discover" | "catalog.tools" | "catalog.namespaces" | "describe" | "results.read"
    );
    ours.then(|| match arguments {
        Partial::Unknown => Ok(()),
        Partial::Scalar(_) | Partial::List { .. } | Partial::Object { .. } => check(),
    })
}

/// A bare string stands for the one argument that matters most.
fn named<'a>(path: &str, arguments: &'a Value) -> Cow<'a, Value> {
    match (path, arguments) {
        ("discover" | "catalog.tools", Value::String(text)) => Cow::Owned(json!({ "query": text })),
        ("describe", Value::String(text)) => Cow::Owned(json!({ "path": text })),
        _ => Cow::Borrowed(arguments),
    }
}

fn invalid(path: &str, message: impl Into<String>) -> ToolError {
    ToolError::new(ToolErrorCode::InvalidArguments, path, message)
}

fn only(path: &str, arguments: &Value, known: &[&str]) -> Result<(), ToolError> {
    let Some(map) = arguments.as_object() else {
        return Err(invalid(
            path,
            format!("tools.{path} takes one plain object"),
        ));
    };
    let unknown: Vec<&str> = map
        .keys()
        .map(String::as_str)
        .filter(|k| !known.contains(k))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let takes = if known.is_empty() {
        "nothing".to_owned()
    } else {
        known.join(", ")
    };
    Err(invalid(
        path,
        format!(
            "tools.{path} does not know {}; it takes {takes}",
            unknown.join(", ")
        ),
    )
    .with_details(json!({ "unknown": unknown })))
}

fn count(
    path: &str,
    arguments: &Value,
    name: &str,
    default: u64,
    max: u64,
) -> Result<u64, ToolError> {
    let given = &arguments[name];
    if given.is_null() {
        return Ok(default);
    }
    given.as_u64().filter(|n| *n <= max).ok_or_else(|| {
        let to = if max == u64::MAX {
            String::new()
        } else {
            format!(" to {max}")
        };
        invalid(path, format!("{name} must be a whole number from 0{to}"))
    })
}
