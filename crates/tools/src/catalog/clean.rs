//! What a source says, without the characters that nobody sees.
//!
//! Descriptions alone are changed. Names of arguments and values that they may take stay as they
//! are, because they are sent; where they are written as types, `typings` writes unseen characters
//! out. Digests stay those of what was imported.

use super::SourceTools;
use crate::scan::plain;
use domain::tool::Tool;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// Keys whose text is for reading, never for sending.
const READ: [&str; 3] = ["description", "title", "$comment"];

/// The source with its tools in order of path and every text for reading cleaned.
pub(super) fn source(given: Arc<SourceTools>) -> Arc<SourceTools> {
    let is_sorted = given.tools.is_sorted_by(|a, b| a.path <= b.path);
    let is_clean = !schema_is_touched(&given.definitions)
        && !given.tools.iter().any(|t| tool_is_touched(t))
        && matches!(plain(&given.source.title), Cow::Borrowed(_));
    if is_sorted && is_clean {
        return given;
    }
    let mut source = given.source.clone();
    source.title = plain(&source.title).into_owned();
    let mut definitions = Arc::clone(&given.definitions);
    if schema_is_touched(&definitions) {
        clean(Arc::make_mut(&mut definitions));
    }
    let mut tools = given.tools.clone();
    tools.sort_by(|a, b| a.path.cmp(&b.path));
    for tool in &mut tools {
        if tool_is_touched(tool) {
            let tool = Arc::make_mut(tool);
            tool.description = plain(&tool.description).into_owned();
            clean(&mut tool.input_schema);
            if let Some(output) = &mut tool.output_schema {
                clean(output);
            }
        }
    }
    Arc::new(SourceTools {
        source,
        definitions,
        tools,
    })
}

fn tool_is_touched(tool: &Tool) -> bool {
    matches!(plain(&tool.description), Cow::Owned(_))
        || schema_is_touched(&tool.input_schema)
        || tool.output_schema.as_ref().is_some_and(schema_is_touched)
}

/// Whether any text for reading holds an unseen character.
fn schema_is_touched(schema: &Value) -> bool {
    let mut stack = vec![schema];
    while let Some(at) = stack.pop() {
        match at {
            Value::Object(map) => {
                let read = READ.iter().filter_map(|key| map.get(*key)?.as_str());
                if read.map(plain).any(|text| matches!(text, Cow::Owned(_))) {
                    return true;
                }
                stack.extend(map.values());
            }
            Value::Array(all) => stack.extend(all),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}

/// A property may be called `description` too: only text is cleaned, and a schema is no text.
fn clean(schema: &mut Value) {
    let mut stack = vec![schema];
    while let Some(at) = stack.pop() {
        match at {
            Value::Object(map) => {
                for (key, value) in map {
                    if let Value::String(text) = value {
                        if READ.contains(&key.as_str())
                            && let Cow::Owned(cleaned) = plain(text)
                        {
                            *text = cleaned;
                        }
                    } else {
                        stack.push(value);
                    }
                }
            }
            Value::Array(all) => stack.extend(all),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
