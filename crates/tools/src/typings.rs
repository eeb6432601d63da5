//! JSON Schema to TypeScript: declarations that compile under `tsc --strict`.
//!
//! Types are shown to agents, who pay for every token, so everything here has a budget; what
//! passes it becomes `unknown`, never a broken declaration. `write` turns one schema into a type;
//! the functions here put whole declarations together.

mod write;

use crate::catalog::SourceTools;
use crate::graphql;
use domain::tool::Tool;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use write::{Budget, Style, type_of};

pub(crate) use write::property_key;

const REF_PREFIX: &str = "#/$defs/";

/// Longest signature, in characters.
const SIGNATURE_CHARS_MAX: usize = 400;

/// Most text of shared types that one description carries.
const DESCRIBED_BYTES_MAX: usize = 16 << 10;

/// The shared types that a schema names directly, sorted.
pub(crate) fn references(schema: &Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut stack = vec![schema];
    while let Some(at) = stack.pop() {
        match at {
            Value::Object(map) => {
                let name = map
                    .get("$ref")
                    .and_then(Value::as_str)
                    .and_then(|r| r.strip_prefix(REF_PREFIX));
                found.extend(name.map(str::to_owned));
                stack.extend(map.values());
            }
            Value::Array(items) => stack.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found.into_iter().collect()
}

/// The shared types that schemas reach, nearest first.
pub(crate) fn reachable<'d>(
    schemas: &[&Value],
    definitions: &'d Value,
) -> Vec<(&'d str, &'d Value)> {
    let Some(definitions) = definitions.as_object() else {
        return Vec::new();
    };
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut wave: Vec<String> = schemas.iter().flat_map(|s| references(s)).collect();
    while !wave.is_empty() {
        let mut next = Vec::new();
        for name in wave {
            if let Some((name, schema)) = definitions.get_key_value(&name)
                && seen.insert(name.as_str())
            {
                found.push((name.as_str(), schema));
                next.extend(references(schema));
            }
        }
        wave = next;
    }
    found
}

/// One line: `github.issues.create(args: { owner: string; … }): Promise<Issue>`.
pub(crate) fn signature(tool: &Tool, definitions: &Value) -> String {
    let style = Style::one_line(definitions);
    let output = tool.output_schema.as_ref().map_or_else(
        || "unknown".to_owned(),
        |schema| type_of(schema, &style, &mut Budget::chars(120)),
    );
    let room = SIGNATURE_CHARS_MAX
        .saturating_sub(tool.path.len() + output.len() + 24)
        .max(80);
    let arguments = arguments_line(tool, &style, room);
    format!("{}({arguments}): Promise<{output}>", tool.path)
}

/// `args: { a: string; b?: number }`; arguments beyond the room are counted in a comment,
/// required ones last to go.
fn arguments_line(tool: &Tool, style: &Style<'_>, room: usize) -> String {
    let properties = tool
        .input_schema
        .get("properties")
        .and_then(Value::as_object);
    let required = required(&tool.input_schema);
    let Some(properties) = properties.filter(|p| !p.is_empty()) else {
        return if open(tool) {
            "args?: { [key: string]: unknown }".to_owned()
        } else {
            String::new()
        };
    };
    let mut ordered: Vec<(&String, &Value)> = properties.iter().collect();
    ordered.sort_by_key(|(name, _)| !required.contains(name.as_str()));
    let mut parts: Vec<String> = Vec::new();
    let mut used = 0;
    for (name, schema) in &ordered {
        let mark = if required.contains(name.as_str()) {
            ""
        } else {
            "?"
        };
        let kind = type_of(schema, style, &mut Budget::chars(140));
        let part = format!("{}{mark}: {kind}", property_key(name));
        if used + part.len() > room && !parts.is_empty() {
            break;
        }
        used += part.len() + 2;
        parts.push(part);
    }
    let left = ordered.len() - parts.len();
    let optional = if required.is_empty() { "?" } else { "" };
    let mut inside = parts.join("; ");
    if left > 0 {
        let needed = ordered[parts.len()..]
            .iter()
            .filter(|(n, _)| required.contains(n.as_str()))
            .count();
        let note = if needed > 0 {
            format!("{left} more, {needed} required")
        } else {
            format!("{left} more")
        };
        inside.push_str(&format!("; /* {note} */"));
    }
    format!("args{optional}: {{ {inside} }}")
}

fn open(tool: &Tool) -> bool {
    tool.input_schema
        .get("additionalProperties")
        .is_some_and(|a| *a != Value::Bool(false))
}

fn required(schema: &Value) -> BTreeSet<&str> {
    schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// `type Input = …` and `type Output = …` with the shared types that they name.
#[must_use]
pub fn described(tool: &Tool, definitions: &Value) -> (String, String) {
    let any = Value::Object(Map::new());
    let input = declaration("Input", &tool.input_schema, definitions);
    let output = declaration(
        "Output",
        tool.output_schema.as_ref().unwrap_or(&any),
        definitions,
    );
    (input, output)
}

fn declaration(name: &str, schema: &Value, definitions: &Value) -> String {
    // A shared type may be called like the declaration itself.
    let prefix = if definitions.get(name).is_some() {
        "Tool"
    } else {
        ""
    };
    let own = format!("{prefix}{name}");
    let mut text = format!(
        "type {own} = {};\n",
        type_of(
            schema,
            &Style::block(),
            &mut Budget::chars(DESCRIBED_BYTES_MAX)
        )
    );
    let mut left_out = Vec::new();
    let mut waiting: VecDeque<String> = references(schema).into();
    let mut seen: BTreeSet<String> = waiting.iter().cloned().collect();
    while let Some(name) = waiting.pop_front() {
        let Some(schema) = definitions.get(&name) else {
            continue;
        };
        let mut budget = Budget::chars(DESCRIBED_BYTES_MAX.saturating_sub(text.len()));
        let kind = type_of(schema, &Style::block(), &mut budget);
        if budget.is_spent() {
            // What only this one names, nobody reads of.
            left_out.push(name);
            continue;
        }
        text.push_str(&format!("type {name} = {kind};\n"));
        let more = references(schema).into_iter();
        waiting.extend(more.filter(|name| seen.insert(name.clone())));
    }
    if !left_out.is_empty() {
        text.push_str("// Left out for their size:\n");
        for name in left_out {
            text.push_str(&format!("type {name} = unknown;\n"));
        }
    }
    text
}

/// What a program can call, besides the tools of sources.
const PRELUDE: &str = include_str!("typings/prelude.d.ts");

/// A whole `.d.ts`: shared types in one namespace per source, and the tree of `tools`.
pub(crate) fn declarations(sources: &[&SourceTools]) -> String {
    let mut text = PRELUDE.to_owned();
    for source in sources {
        let definitions = source.definitions.as_object().into_iter().flatten();
        write_types(
            &source.source.name,
            definitions.map(|(name, schema)| (name.as_str(), schema)),
            &mut text,
        );
    }
    let mut tree = Node::default();
    for source in sources {
        let style = Style::block().within(format!("types.{}.", source.source.name));
        for tool in &source.tools {
            tree.insert(tool.path.split('.'), call_type(tool, &style, "unknown"));
        }
    }
    text.push_str("declare const tools: BuiltIn & ");
    tree.write(0, &mut text);
    text.push_str(";\n");
    text
}

/// Whether declarations hold everything that may be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// What they do not hold is not there.
    InFull,
    /// Something else may be named too, of any type.
    InPart,
}

/// A `.d.ts` of single tools under the paths they are called by, which may be written in any case.
/// Where a description does not say what a tool gives, that is `any`.
pub(crate) fn declarations_of(called: &[(&str, &Tool, &SourceTools)], shown: Shown) -> String {
    let mut text = PRELUDE.to_owned();
    let mut tree = Node::default();
    let mut schemas: BTreeMap<&str, (&Value, Vec<&Value>)> = BTreeMap::new();
    for (path, tool, source) in called {
        let name = source.source.name.as_str();
        let style = Style::block().within(format!("types.{name}."));
        tree.insert(path.split('.'), call_type(tool, &style, "any"));
        let (_, of_source) = schemas
            .entry(name)
            .or_insert_with(|| (&source.definitions, Vec::new()));
        of_source.push(&tool.input_schema);
        of_source.extend(&tool.output_schema);
    }
    for (name, (definitions, schemas)) in schemas {
        write_types(
            name,
            reachable(&schemas, definitions).into_iter(),
            &mut text,
        );
    }
    text.push_str("declare const tools: BuiltIn & ");
    tree.write(0, &mut text);
    text.push_str(match shown {
        Shown::InFull => ";\n",
        Shown::InPart => " & { [name: string]: any };\n",
    });
    text
}

/// Shared types in the namespace of their source.
fn write_types<'d>(
    source: &str,
    definitions: impl Iterator<Item = (&'d str, &'d Value)>,
    out: &mut String,
) {
    out.push_str(&format!("declare namespace types.{source} {{\n"));
    for (name, schema) in definitions {
        let kind = type_of(schema, &Style::block(), &mut Budget::none());
        out.push_str(&format!(
            "  type {name} = {};\n",
            kind.replace('\n', "\n  ")
        ));
    }
    out.push_str("}\n");
}

fn call_type(tool: &Tool, style: &Style<'_>, unsaid: &str) -> String {
    if let Some(argument) = graphql::select_argument(tool) {
        return choosing_type(tool, &argument, style);
    }
    let input = type_of(&tool.input_schema, style, &mut Budget::none());
    let output = tool.output_schema.as_ref().map_or_else(
        || unsaid.to_owned(),
        |s| type_of(s, style, &mut Budget::none()),
    );
    let kind = if required(&tool.input_schema).is_empty() {
        "CallOptional"
    } else {
        "Call"
    };
    format!("{kind}<{input}, {output}>")
}

/// A call that may choose what it is given: then that is for the caller to know.
fn choosing_type(tool: &Tool, argument: &str, style: &Style<'_>) -> String {
    let mut input = tool.input_schema.clone();
    let properties = input.get_mut("properties").and_then(Value::as_object_mut);
    let choice = properties.and_then(|p| p.shift_remove(argument));
    let written = |schema: &Value| type_of(schema, style, &mut Budget::none());
    let (base, output) = (written(&input), tool.output_schema.as_ref().map(written));
    let kind = if required(&tool.input_schema).is_empty() {
        "ChoosingOptional"
    } else {
        "Choosing"
    };
    format!(
        "{kind}<{base}, {{ {}: {} }}, {}>",
        property_key(argument),
        written(&choice.unwrap_or_default()),
        output.unwrap_or_else(|| "unknown".to_owned())
    )
}

/// One level of the tree: a tool, a group, or both.
#[derive(Default)]
struct Node {
    call: Option<String>,
    inner: BTreeMap<String, Node>,
}

impl Node {
    fn insert<'a>(&mut self, mut path: impl Iterator<Item = &'a str>, call: String) {
        match path.next() {
            Some(segment) => self
                .inner
                .entry(segment.to_owned())
                .or_default()
                .insert(path, call),
            None => self.call = Some(call),
        }
    }

    fn write(&self, depth: usize, out: &mut String) {
        let pad = "  ".repeat(depth);
        if let Some(call) = &self.call {
            out.push_str(&call.replace('\n', &format!("\n{pad}")));
            if self.inner.is_empty() {
                return;
            }
            out.push_str(" & ");
        }
        out.push_str("{\n");
        for (segment, node) in &self.inner {
            out.push_str(&format!("{pad}  {}: ", property_key(segment)));
            node.write(depth + 1, out);
            out.push_str(";\n");
        }
        out.push_str(&format!("{pad}}}"));
    }
}
