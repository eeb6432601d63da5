//! `?tools=direct`: the catalog itself as tools of the protocol, for clients with few tools.
//!
//! A call is a task of one call, in the same journal and through the same gate as any other. What
//! policy denies to the caller is not listed, and no tool to them. Names depend on the path alone,
//! so that a tool keeps its name whatever else is connected.

use super::execute::Talk;
use super::input::WAIT;
use super::{answer, schemas};
use crate::App;
use domain::access::Caller;
use domain::canonical::sha256_hex;
use domain::tool::Risk;
use engine::{NewTask, OfferedTool};
use rmcp::model::{
    CallToolResponse, ErrorData, JsonObject, ListToolsResult, Tool, ToolAnnotations,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Tools at most. No model chooses well among more, and few clients take them.
const TOOLS_MAX: usize = 500;

/// Tools of a page.
const PAGE: usize = 100;

/// Characters of a name: what the strictest clients take.
const NAME_CHARS_MAX: usize = 64;

/// Characters of the digest that makes a name that was changed its own again.
const DIGEST_CHARS: usize = 10;

/// Bytes of arguments that fit into the program of one call.
const ARGUMENTS_BYTES_MAX: usize = 120 << 10;

/// One page of the catalog as tools, the tools about tasks last; and how many all pages have.
pub(super) async fn list(
    app: &App,
    caller: &Caller,
    cursor: Option<&str>,
) -> Result<(ListToolsResult, usize), ErrorData> {
    let offered = app.engine.offered_tools(caller).await;
    let offered = offered.map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
    if offered.len() > TOOLS_MAX {
        return Err(ErrorData::invalid_params(
            format!(
                "this catalog has {} tools; as tools of their own at most {TOOLS_MAX} are offered. \
                 Connect to the same address without tools=direct: `execute` reaches all of them. \
                 Or disable sources, or deny tools by policy",
                offered.len()
            ),
            Some(json!({ "code": "catalog_too_large", "limit": TOOLS_MAX })),
        ));
    }
    // Paths are in order, and stay so while tools come and go: a page goes on after the last path.
    let start = match cursor {
        None => 0,
        Some(cursor) => after(&offered, cursor)?,
    };
    let page: Vec<&OfferedTool> = offered.iter().skip(start).take(PAGE).collect();
    let is_last = start + page.len() >= offered.len();
    let next = page.last().filter(|_| !is_last).map(|t| name(&t.tool.path));
    let mut tools: Vec<Tool> = page.into_iter().map(tool).collect();
    let about_tasks = schemas::about_tasks();
    let total = offered.len() + about_tasks.len();
    if is_last {
        tools.extend(about_tasks);
    }
    let mut listed = ListToolsResult::with_all_items(tools);
    listed.next_cursor = next;
    Ok((listed, total))
}

fn after(offered: &[OfferedTool], cursor: &str) -> Result<usize, ErrorData> {
    let found = offered.iter().position(|t| name(&t.tool.path) == cursor);
    found.map(|at| at + 1).ok_or_else(|| {
        let why = "this cursor leads nowhere any more; list from the beginning";
        ErrorData::invalid_params(why, None)
    })
}

/// Calls a tool by its name; none if there is no such tool for this caller.
pub(super) async fn call(
    talk: Talk<'_>,
    wanted: &str,
    arguments: Option<JsonObject>,
) -> Result<Option<CallToolResponse>, ErrorData> {
    let offered = talk.app.engine.offered_tools(talk.caller).await;
    let offered = offered.map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
    let Some(found) = offered.iter().find(|t| name(&t.tool.path) == wanted) else {
        return Ok(None);
    };
    let arguments = Value::Object(arguments.unwrap_or_default()).to_string();
    if arguments.len() > ARGUMENTS_BYTES_MAX {
        let why = format!(
            "the arguments have {} bytes; a call by itself takes {ARGUMENTS_BYTES_MAX}",
            arguments.len()
        );
        return Ok(Some(
            answer::refusal("invalid_arguments", &why, None).into(),
        ));
    }
    let new = NewTask {
        code: program(&found.tool.path, &arguments),
        idempotency_key: talk.idempotency_key.clone(),
        ..NewTask::default()
    };
    Ok(Some(talk.run(new, Some(WAIT)).await))
}

/// The program of one call. The arguments stand in it as a text that is parsed: as an object literal,
/// a key named `__proto__` would not be a key.
fn program(path: &str, arguments: &str) -> String {
    format!(
        "return await tools[{}](JSON.parse({}));",
        Value::from(path),
        Value::from(arguments)
    )
}

/// The name of a tool: its path with `_` for the dots, where that is a name and no other path has
/// it; else as much of it as fits, and a digest of the path.
fn name(path: &str) -> String {
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    let shown: String = path
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let reserved = [schemas::RESUME, schemas::CANCEL_TASK];
    if plain && shown.len() <= NAME_CHARS_MAX && !reserved.contains(&shown.as_str()) {
        return shown;
    }
    let digest = sha256_hex(path.as_bytes());
    let kept = &shown[..shown.len().min(NAME_CHARS_MAX - DIGEST_CHARS - 1)];
    format!("{kept}_{}", &digest[..DIGEST_CHARS])
}

fn tool(offered: &OfferedTool) -> Tool {
    let tool = &offered.tool;
    let annotations = ToolAnnotations::with_title(tool.path.clone())
        .read_only(tool.risk == Risk::Read)
        .destructive(matches!(tool.risk, Risk::Destructive | Risk::Unknown))
        .open_world(true);
    let description = match tool.description.trim() {
        "" => format!("Calls {}.", tool.path),
        text => text.to_owned(),
    };
    Tool::new(
        name(&tool.path),
        description,
        Arc::new(input_schema(offered)),
    )
    .with_title(tool.path.clone())
    .with_raw_output_schema(schemas::task_result_object())
    .with_annotations(annotations)
}

/// The schema of the arguments, with the definitions that it reaches and no others.
fn input_schema(offered: &OfferedTool) -> JsonObject {
    let mut schema = match &offered.tool.input_schema {
        Value::Object(fields) => fields.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    schema.insert("type".into(), json!("object"));
    let mut reached = Map::new();
    let mut open = Vec::new();
    references(&offered.tool.input_schema, &mut open);
    while let Some(key) = open.pop() {
        let Some(definition) = offered.definitions.get(&key) else {
            continue;
        };
        if !reached.contains_key(&key) {
            references(definition, &mut open);
            reached.insert(key, definition.clone());
        }
    }
    if !reached.is_empty() {
        schema.insert("$defs".into(), Value::Object(reached));
    }
    schema
}

/// The names of definitions that a schema refers to.
fn references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            if let Some(rest) = reference.and_then(|r| r.strip_prefix("#/$defs/")) {
                let key = rest.split('/').next().unwrap_or_default();
                found.push(key.replace("~1", "/").replace("~0", "~"));
            }
            fields.values().for_each(|v| references(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_and_their_own() {
        assert_eq!(name("ledger.items.createItem"), "ledger_items_createItem");
        let long = format!("a.{}", "b".repeat(100));
        let odd = ["a.b_c", "a_b.c", "a.b$c", "cancel.task", long.as_str()];
        let mut names: Vec<String> = odd.iter().map(|path| name(path)).collect();
        for name in &names {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            assert!(
                name.len() <= NAME_CHARS_MAX && name.chars().all(fits),
                "{name}"
            );
        }
        names.push(name("a.b.c"));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), odd.len() + 1, "{names:?}");
        assert_ne!(name("cancel.task"), schemas::CANCEL_TASK);
        assert_eq!(name(&long), name(&long));
    }

    #[test]
    fn arguments_are_a_text_in_the_program() {
        let code = program("a.b", r#"{"__proto__":"\"));x("}"#);
        assert_eq!(
            code,
            r#"return await tools["a.b"](JSON.parse("{\"__proto__\":\"\\\"));x(\"}"));"#
        );
    }
}
