//! A server's tools as ours: stable paths, schemas in our dialect, risk.
//!
//! Everything a server says is data. A hint about risk counts only where an administrator trusts
//! the source. Names are settled by the names alone, never by their order.

use super::limits::{DESCRIPTION_CHARS_MAX, SCHEMA_BYTES_MAX};
use super::session::Identity;
use super::wire::STATELESS;
use crate::error::ImportError;
use crate::openapi::lent::{Closure, Document, Schemas, described, segment, words};
use crate::openapi::{Import, ImportOptions, Warnings};
use domain::canonical::{canonical, sha256_hex};
use domain::source::SourceKind;
use domain::tool::{Risk, Tool, fold_path};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// Whether what a server says of the risk of its tools is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintTrust {
    /// An administrator trusts the source.
    Trusted,
    /// Nobody does: the risk of every tool is unknown.
    Untrusted,
}

/// How to call a tool: part of its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Binding {
    /// Its name at the server.
    pub(super) mcp_tool: String,
    /// Whether calling it twice does what calling it once does.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(super) idempotent: bool,
    /// Arguments that travel in a header too: its name, and the way to the argument.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(super) headers: BTreeMap<String, Vec<String>>,
}

/// What a server offers.
#[derive(Debug, Clone)]
pub struct McpListing {
    pub(super) version: String,
    pub(super) identity: Identity,
    pub(super) base_url: String,
    pub(super) tools: Vec<Value>,
    pub(super) warnings: Vec<String>,
    pub(super) ttl_ms: Option<u64>,
    pub(super) for_all: bool,
}

impl McpListing {
    /// For how long it holds, in milliseconds, where the server says.
    #[must_use]
    pub fn ttl_ms(&self) -> Option<u64> {
        self.ttl_ms
    }

    /// Whether it holds for everybody, as the server says: else it is one of what was asked with.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        self.for_all
    }

    /// The name that the server gives itself; may be empty.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.identity.title
    }

    /// What was found, in a line, such as `MCP 2025-11-25, server everything 2.0, 12 tools`.
    #[must_use]
    pub fn evidence(&self) -> String {
        let named = [self.identity.title.as_str(), self.identity.release.as_str()];
        let named: Vec<&str> = named.into_iter().filter(|t| !t.is_empty()).collect();
        let server = if named.is_empty() {
            String::new()
        } else {
            format!("server {}, ", named.join(" "))
        };
        format!("MCP {}, {server}{} tools", self.version, self.tools.len())
    }

    /// The listing as it is kept with the source.
    #[must_use]
    pub fn document(&self) -> String {
        json!({
            "protocolVersion": self.version,
            "server": { "name": self.identity.title, "version": self.identity.release },
            "instructions": self.identity.instructions,
            "tools": self.tools,
        })
        .to_string()
    }

    /// Makes tools of it.
    ///
    /// # Errors
    /// It holds no tool that can be called.
    pub fn import(
        &self,
        options: &ImportOptions<'_>,
        trust: HintTrust,
    ) -> Result<Import, ImportError> {
        let mut warnings = Warnings::default();
        self.warnings.iter().for_each(|w| warnings.add(w.as_str()));
        let mut offered = offered(&self.tools, &mut warnings);
        if self.version == STATELESS {
            leave_out_malformed(&mut offered, &mut warnings);
        } else {
            leave_out_tasks(&mut offered, &mut warnings);
        }
        let document = schemas_of(&offered, &mut warnings);
        let paths = settle(offered.keys().copied(), options.name);
        let mut schemas = Schemas::new(&document);
        let mut tools: Vec<Tool> = Vec::with_capacity(offered.len());
        for (name, tool) in &offered {
            let found = tool_of(name, tool, &mut schemas, trust, &mut warnings);
            tools.push(Tool {
                path: paths[*name].clone(),
                source_id: options.source_id.clone(),
                ..found
            });
        }
        let (definitions, names) = schemas.finish(&mut warnings);
        let closure = Closure::new(&definitions);
        for tool in &mut tools {
            names.apply(&mut tool.input_schema);
            tool.output_schema
                .iter_mut()
                .for_each(|schema| names.apply(schema));
            let reached: Vec<&Value> = std::iter::once(&tool.input_schema)
                .chain(&tool.output_schema)
                .collect();
            tool.digest = tool.digest_of(&closure.digest(&reached));
        }
        let warnings = warnings.finish();
        if tools.is_empty() {
            let beside = if warnings.is_empty() {
                String::new()
            } else {
                format!(": {}", warnings.join("; "))
            };
            return Err(ImportError::NoTools { warnings: beside });
        }
        tools.sort_by(|a, b| a.path.cmp(&b.path));
        let title = &self.identity.title;
        Ok(Import {
            evidence: self.evidence(),
            oauth: Vec::new(),
            kind: SourceKind::Mcp,
            version: self.version.clone(),
            title: if title.is_empty() {
                "MCP server".to_owned()
            } else {
                title.clone()
            },
            base_url: self.base_url.clone(),
            auth: Vec::new(),
            definitions: Value::Object(definitions),
            tools,
            warnings,
            document_digest: sha256_hex(self.document().as_bytes()),
        })
    }
}

/// The tools by name. Of two with one name neither is better; the one whose text comes first is kept,
/// so that it does not depend on their order.
fn offered<'a>(tools: &'a [Value], warnings: &mut Warnings) -> BTreeMap<&'a str, &'a Value> {
    let mut found: BTreeMap<&str, &Value> = BTreeMap::new();
    for tool in tools {
        let Some(name) = tool
            .get("name")
            .and_then(Value::as_str)
            .filter(|n| !n.is_empty())
        else {
            warnings.add("a tool without a name was left out");
            continue;
        };
        let before = found.insert(name, tool);
        if let Some(before) = before.filter(|b| *b != tool) {
            warnings.add(format!(
                "two tools are called `{}`; one was left out",
                super::fault::shortened(name)
            ));
            if canonical(before) < canonical(tool) {
                found.insert(name, before);
            }
        }
    }
    found
}

/// The tasks of 2025-11-25 were an experiment that the next revision replaced; they are not spoken.
fn leave_out_tasks(offered: &mut BTreeMap<&str, &Value>, warnings: &mut Warnings) {
    offered.retain(|name, tool| {
        let required = tool
            .pointer("/execution/taskSupport")
            .and_then(Value::as_str);
        let required = required == Some("required");
        if required {
            warnings.add(format!(
                "the tool `{}` was left out: it can be called as a task of 2025-11-25 alone",
                super::fault::shortened(name)
            ));
        }
        !required
    });
}

/// A tool that cannot be called as its own description wants it is none.
fn leave_out_malformed(offered: &mut BTreeMap<&str, &Value>, warnings: &mut Warnings) {
    offered.retain(|name, tool| {
        let mirrored = tool
            .get("inputSchema")
            .map_or_else(|| Ok(BTreeMap::new()), mirrored);
        if let Err(problem) = &mirrored {
            warnings.add(format!(
                "the tool `{}` was left out: an x-mcp-header of it {problem}",
                super::fault::shortened(name)
            ));
        }
        mirrored.is_ok()
    });
}

/// Their schemas as one document, in which every reference leads to where its own schema is.
fn schemas_of(offered: &BTreeMap<&str, &Value>, warnings: &mut Warnings) -> Document {
    let mut all = Map::new();
    for (name, tool) in offered {
        for (key, side) in SIDES {
            let Some(schema) = tool.get(key).filter(|s| s.is_object()) else {
                continue;
            };
            let mut schema = schema.clone();
            if schema.to_string().len() > SCHEMA_BYTES_MAX {
                warnings.add(format!(
                    "the schema of `{}` is larger than {} KiB; it is not checked",
                    super::fault::shortened(name),
                    SCHEMA_BYTES_MAX >> 10
                ));
                schema = json!({ "type": "object" });
            }
            let at = place(name, side);
            relocate(&mut schema, &at);
            all.insert(at, schema);
        }
    }
    Document {
        has_directions: false,
        root: json!({ "schemas": all }),
        version: "3.1.0".to_owned(),
    }
}

const SIDES: [(&str, &str); 2] = [("inputSchema", "Input"), ("outputSchema", "Output")];

/// Where a schema is kept: a name that makes a telling type name, and needs no escapes.
fn place(tool: &str, side: &str) -> String {
    let plain: String = tool
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
                c
            } else {
                '.'
            }
        })
        .collect();
    // Two names that differ in what was replaced must not meet.
    let tag = if plain == tool {
        String::new()
    } else {
        format!(".{}", &sha256_hex(tool.as_bytes())[..6])
    };
    format!("{plain}{tag}.{side}")
}

/// Local references begin at the schema's own root; here they begin at the document's.
fn relocate(schema: &mut Value, at: &str) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get_mut("$ref")
                && let Some(fragment) = reference.strip_prefix('#')
            {
                *reference = format!("#/schemas/{at}{fragment}");
            }
            map.values_mut().for_each(|v| relocate(v, at));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| relocate(v, at)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A tool but for its path and digest.
fn tool_of(
    name: &str,
    tool: &Value,
    schemas: &mut Schemas<'_>,
    trust: HintTrust,
    warnings: &mut Warnings,
) -> Tool {
    let root = &schemas.document().root["schemas"];
    let input = root.get(place(name, "Input"));
    let mut input_schema = input.map_or_else(|| json!({}), |schema| schemas.convert(schema));
    if input_schema.get("$ref").is_none() {
        // The arguments of a call are one object, whatever else is said of them.
        input_schema["type"] = "object".into();
    }
    let output = root.get(place(name, "Output"));
    let output_schema = output.map(|schema| schemas.convert(schema));
    let hints = match trust {
        HintTrust::Trusted => tool.get("annotations"),
        HintTrust::Untrusted => None,
    };
    let hint = |key: &str| hints.and_then(|h| h.get(key)).and_then(Value::as_bool);
    let risk = match (hint("readOnlyHint"), hint("destructiveHint")) {
        (Some(true), _) => Risk::Read,
        (_, Some(true)) => Risk::Destructive,
        (Some(false), Some(false)) => Risk::Write,
        (None | Some(false), _) => Risk::Unknown,
    };
    let binding = Binding {
        mcp_tool: name.to_owned(),
        idempotent: hint("idempotentHint") == Some(true),
        headers: tool
            .get("inputSchema")
            .and_then(|schema| mirrored(schema).ok())
            .unwrap_or_default(),
    };
    Tool {
        path: String::new(),
        source_id: domain::SourceId::from_bits([0; 16]),
        description: description(name, tool, warnings),
        risk,
        input_schema,
        output_schema,
        binding: serde_json::to_value(binding).unwrap_or_default(),
        digest: String::new(),
    }
}

fn description(name: &str, tool: &Value, warnings: &mut Warnings) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let own = text(tool.get("description"));
    let own = if own.trim().is_empty() {
        text(tool.get("title"))
    } else {
        own
    };
    if own.chars().count() > DESCRIPTION_CHARS_MAX {
        warnings.add(format!(
            "the description of `{}` is longer than {DESCRIPTION_CHARS_MAX} characters and was cut",
            super::fault::shortened(name)
        ));
    }
    described(&own, DESCRIPTION_CHARS_MAX, warnings)
}

/// The arguments that a server wants in headers too (`x-mcp-header`): simple values, reached through
/// `properties` alone, each under a name of its own. The error says what is malformed.
fn mirrored(schema: &Value) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut found = BTreeMap::new();
    look_for_headers(schema, Some(&[]), &mut found)?;
    Ok(found)
}

/// `at` is the way to a schema that is reached through `properties` alone.
fn look_for_headers(
    schema: &Value,
    at: Option<&[String]>,
    found: &mut BTreeMap<String, Vec<String>>,
) -> Result<(), String> {
    let Value::Object(map) = schema else {
        if let Value::Array(items) = schema {
            items
                .iter()
                .try_for_each(|item| look_for_headers(item, None, found))?;
        }
        return Ok(());
    };
    if let Some(header) = map.get("x-mcp-header") {
        let header = header
            .as_str()
            .filter(|h| is_token(h))
            .ok_or("is no name of a header")?;
        let at = at
            .filter(|at| !at.is_empty())
            .ok_or("stands where no argument is")?;
        let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
        if !matches!(kind, "string" | "integer" | "boolean") {
            return Err("is of an argument that is no text, whole number or boolean".to_owned());
        }
        if found
            .insert(header.to_ascii_lowercase(), at.to_vec())
            .is_some()
        {
            return Err("is used twice".to_owned());
        }
    }
    for (key, value) in map {
        match (key.as_str(), value) {
            ("default" | "const" | "enum" | "examples" | "x-mcp-header", _) => {}
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    let way = at.map(|at| [at, std::slice::from_ref(name)].concat());
                    look_for_headers(property, way.as_deref(), found)?;
                }
            }
            (_, value) => look_for_headers(value, None, found)?,
        }
    }
    Ok(())
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A path for every name. Names that would meet are all told apart by a digest of the name, so that
/// none takes over the path of another when one is added.
fn settle<'a>(names: impl Iterator<Item = &'a str>, source: &str) -> HashMap<&'a str, String> {
    let plain: Vec<(&str, String)> = names.map(|name| (name, segment(&words(name)))).collect();
    let mut holders: HashMap<String, usize> = HashMap::new();
    for (_, own) in &plain {
        *holders.entry(fold_path(own)).or_default() += 1;
    }
    let path = |(name, own): (&'a str, String)| {
        let lonely = !own.is_empty() && holders[&fold_path(&own)] == 1;
        let tag = &sha256_hex(name.as_bytes())[..6];
        let path = match own.as_str() {
            own if lonely => format!("{source}.{own}"),
            "" => format!("{source}.tool_{tag}"),
            own => format!("{source}.{own}_{tag}"),
        };
        (name, path)
    };
    plain.into_iter().map(path).collect()
}

#[cfg(test)]
#[path = "import/tests.rs"]
mod tests;
