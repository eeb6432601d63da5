//! The catalog: search, list, describe, call one tool.

use super::answer::Created;
use super::extract::{Input, Params, Who, wait};
use super::tasks::idempotency_key;
use crate::App;
use crate::error::{Failure, Problems, WriteProblems};
use crate::wire;
use api::tasks::Task;
use api::tools::{
    Discovery, Namespace, Namespaces, ToolCall, ToolDescription, ToolList, ToolUsage,
};
use axum::Json;
use axum::extract::State;
use domain::source::Review;
use engine::{NewTask, Query, Shown, Until};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Whether tools are meant that policy denies to the caller. No program finds one; whoever may change
/// the rules sees what they leave out.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Denied {
    /// They are left out.
    #[default]
    Without,
    /// They are there too.
    Too,
    /// They alone.
    Only,
}

impl From<Denied> for Shown {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Without => Self::Offered,
            Denied::Too => Self::DeniedToo,
            Denied::Only => Self::DeniedOnly,
        }
    }
}

/// Which tools to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those whose path begins with this.
    namespace: Option<String>,
    /// Only those that fit these words.
    query: Option<String>,
    /// How many, 1 to 200; 50 by default.
    limit: Option<usize>,
    /// How many to pass over.
    #[serde(default)]
    offset: usize,
    /// Whether tools that policy denies to you are listed: `without` (by default), `too` or `only`. For
    /// those who may change the rules.
    #[serde(default)]
    #[param(inline)]
    denied: Denied,
}

/// Lists tools in the order of their paths; with `query`, the best first.
#[utoipa::path(
    get, path = "/api/v1/tools", operation_id = "listTools", tag = "tools", params(ListQuery),
    responses((status = 200, description = "Tools", body = ToolList), Problems)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Params(query): Params<ListQuery>,
) -> Result<Json<ToolList>, Failure> {
    let shown = query.denied.into();
    let query = Query {
        text: query.query.unwrap_or_default(),
        namespace: query.namespace,
        limit: query.limit.unwrap_or(50).clamp(1, 200),
        offset: query.offset,
    };
    let found = app.engine.search_tools(&caller, query, shown).await?;
    Ok(Json(ToolList {
        results: found.hits.iter().map(wire::tool_hit).collect(),
        total: found.total,
        has_more: found.has_more,
    }))
}

/// What to search for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// Words; none with a namespace enumerates it.
    #[serde(default)]
    query: String,
    /// Only tools whose path begins with this.
    namespace: Option<String>,
    /// How many, 1 to 50; 8 by default.
    limit: Option<usize>,
    /// How many to pass over.
    #[serde(default)]
    offset: usize,
}

/// Searches tools, the best first: what `tools.discover` does inside a program.
#[utoipa::path(
    get, path = "/api/v1/tools/search", operation_id = "searchTools", tag = "tools",
    params(SearchQuery),
    responses((status = 200, description = "What was found", body = Discovery), Problems)
)]
pub(crate) async fn search(
    State(app): State<App>,
    Who(caller): Who,
    Params(query): Params<SearchQuery>,
) -> Result<Json<Discovery>, Failure> {
    let query = Query {
        text: query.query,
        namespace: query.namespace,
        limit: query.limit.unwrap_or(8).clamp(1, 50),
        offset: query.offset,
    };
    Ok(Json(wire::discovery(
        &app.engine
            .search_tools(&caller, query, Shown::Offered)
            .await?,
    )))
}

/// Which tools count.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NamespacesQuery {
    /// Whether tools that policy denies to you count: `without` (by default), `too` or `only`. For
    /// those who may change the rules.
    #[serde(default)]
    #[param(inline)]
    denied: Denied,
}

/// Lists the first segments of the catalog's paths.
#[utoipa::path(
    get, path = "/api/v1/tools/namespaces", operation_id = "listNamespaces", tag = "tools",
    params(NamespacesQuery),
    responses((status = 200, description = "The namespaces", body = Namespaces), Problems)
)]
pub(crate) async fn namespaces(
    State(app): State<App>,
    Who(caller): Who,
    Params(query): Params<NamespacesQuery>,
) -> Result<Json<Namespaces>, Failure> {
    let found = app.engine.namespaces(&caller, query.denied.into()).await?;
    let namespaces: Vec<_> = found
        .into_iter()
        .map(|n| Namespace {
            namespace: n.namespace,
            tool_count: n.tool_count,
            sample_paths: n.sample_paths,
        })
        .collect();
    let total = namespaces.len();
    Ok(Json(Namespaces { namespaces, total }))
}

/// Which tool is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DescribeQuery {
    /// The tool's path.
    path: String,
}

/// Which tool is described.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DescriptionQuery {
    /// The tool's path.
    path: String,
    /// Whether it is described although policy denies it to you: `without` (by default), `too` or
    /// `only`. For those who may change the rules.
    #[serde(default)]
    #[param(inline)]
    denied: Denied,
}

/// Describes a tool with its types in TypeScript.
#[utoipa::path(
    get, path = "/api/v1/tools/describe", operation_id = "describeTool", tag = "tools",
    params(DescriptionQuery),
    responses((status = 200, description = "The tool", body = ToolDescription), Problems)
)]
pub(crate) async fn describe(
    State(app): State<App>,
    Who(caller): Who,
    Params(query): Params<DescriptionQuery>,
) -> Result<Json<ToolDescription>, Failure> {
    let d = app
        .engine
        .describe_tool(&caller, &query.path, query.denied.into())
        .await?;
    Ok(Json(ToolDescription {
        path: d.path,
        description: d.description,
        risk: d.risk.as_str().to_owned(),
        decision: d.decision.to_owned(),
        input: d.input,
        output: d.output,
        unreviewed: d.review == Review::Unreviewed,
        rule: d.rule_id.as_ref().map(ToString::to_string),
        input_schema: d.input_schema,
        output_schema: d.output_schema,
    }))
}

/// Says what the calls of a tool came to in the last thirty days: how many ended how, what was decided
/// about them, how long they took, who made them, and the latest of them. At most the 10,000 latest
/// calls of the workspace are looked through; members count their own, or everybody's where the
/// workspace lets them.
#[utoipa::path(
    get, path = "/api/v1/tools/usage", operation_id = "getToolUsage", tag = "tools",
    params(DescribeQuery),
    responses((status = 200, description = "What they came to", body = ToolUsage), Problems)
)]
pub(crate) async fn usage(
    State(app): State<App>,
    Who(caller): Who,
    Params(query): Params<DescribeQuery>,
) -> Result<Json<ToolUsage>, Failure> {
    let usage = app.engine.tool_usage(&caller, &query.path).await?;
    Ok(Json(wire::tool_usage(&usage)))
}

/// Calls one tool: a task of one line, through the same gate as any other call.
#[utoipa::path(
    post, path = "/api/v1/tools/call", operation_id = "callTool", tag = "tools",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The same key with the same call gives the same task again; with another call, a 409")),
    request_body = ToolCall,
    responses((status = 201, description = "The task, ended unless it waits for a person or the time was up", body = Task),
        Problems, WriteProblems)
)]
pub(crate) async fn call(
    State(app): State<App>,
    Who(caller): Who,
    headers: HeaderMap,
    Input(call): Input<ToolCall>,
) -> Result<Created<Task>, Failure> {
    let wait = wait(call.wait_ms, 30_000)?;
    let arguments = call
        .arguments
        .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    if !arguments.is_object() {
        return Err(Failure::invalid("arguments", "expected an object"));
    }
    let run_as = match &call.credential {
        None => None,
        Some(name) => {
            let chosen = app
                .engine
                .credential_for_call(&caller, &call.path, name)
                .await?;
            Some(chosen)
        }
    };
    let new = NewTask {
        code: one_line(&call.path, &arguments),
        idempotency_key: idempotency_key(&headers)?,
        run_as,
        ..NewTask::default()
    };
    let view = app
        .engine
        .run_task(&caller, new, Until::FinishedOrWaiting, wait)
        .await?;
    Ok(Created(wire::task(&view, app.engine.public_url())))
}

/// The program that makes one call. JSON is JavaScript but for one key: in an object literal
/// `__proto__` would set the prototype and be gone.
fn one_line(path: &str, arguments: &Value) -> String {
    let path = Value::from(path).to_string();
    let json = arguments.to_string();
    if json.contains("__proto__") {
        let text = Value::from(json).to_string();
        format!("return await tools[{path}](JSON.parse({text}))")
    } else {
        format!("return await tools[{path}]({json})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_line_says_the_same_as_the_request() {
        assert_eq!(
            one_line("a.b", &json!({ "q": "it's \"x\"\n" })),
            r#"return await tools["a.b"]({"q":"it's \"x\"\n"})"#
        );
        assert_eq!(
            one_line("a\"]; evil(); //", &json!({ "__proto__": 1 })),
            r#"return await tools["a\"]; evil(); //"](JSON.parse("{\"__proto__\":1}"))"#
        );
    }
}
