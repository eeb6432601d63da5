//! Their schemas to ours: OpenAPI 3.0 and 3.1 dialects to plain JSON Schema 2020-12.
//!
//! Only known keywords pass, and only with sensible values, so that what comes out always
//! compiles: no `$id`, no remote reference, no pattern that needs backtracking. Shared schemas are
//! kept once, by JSON pointer; cycles stay as references (`cycles` breaks the senseless ones).
//! `oneOf` becomes `anyOf`: descriptions in the wild overlap where they say they do not.

use super::Warnings;
use super::document::Document;
use super::keywords::{described, file_schema, nullable, numbers, types};
use super::{cycles, names};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Longest description kept on a schema, in characters.
const DESCRIPTION_CHARS_MAX: usize = 300;

/// Where the shared schema of file values is kept among the pointers; no JSON pointer, so it
/// cannot collide with one.
const FILE: &str = "file";

/// The type name of file values; no schema of a document gets it.
pub(crate) const FILE_TYPE: &str = "FileValue";

const REF_PREFIX: &str = "#/$defs/";

/// Shared schemas, gathered while operations are read.
pub(crate) struct Schemas<'d> {
    document: &'d Document,
    /// Every pointer referred to; its schema is converted in [`Schemas::finish`].
    wanted: BTreeSet<String>,
    queue: Vec<String>,
    /// The pointer of the schema being converted, for `$recursiveRef`.
    within: Option<String>,
    patterns: HashMap<String, bool>,
    notes: Warnings,
}

/// From the pointer of a shared schema to its type name.
pub(crate) struct TypeNames(BTreeMap<String, String>);

impl TypeNames {
    /// Puts type names in the place of pointers, everywhere in a schema.
    pub(crate) fn apply(&self, schema: &mut Value) {
        match schema {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get_mut("$ref")
                    && let Some(name) = reference
                        .strip_prefix(REF_PREFIX)
                        .and_then(|p| self.0.get(p))
                {
                    *reference = format!("{REF_PREFIX}{name}");
                }
                map.values_mut().for_each(|v| self.apply(v));
            }
            Value::Array(items) => items.iter_mut().for_each(|v| self.apply(v)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

impl<'d> Schemas<'d> {
    pub(crate) fn new(document: &'d Document) -> Self {
        Self {
            document,
            wanted: BTreeSet::new(),
            queue: Vec::new(),
            within: None,
            patterns: HashMap::new(),
            notes: Warnings::default(),
        }
    }

    pub(crate) fn document(&self) -> &'d Document {
        self.document
    }

    /// Converts everything that was referred to and names it.
    pub(crate) fn finish(mut self, warnings: &mut Warnings) -> (Map<String, Value>, TypeNames) {
        let mut found: BTreeMap<String, Value> = BTreeMap::new();
        while let Some(pointer) = self.queue.pop() {
            let schema = if pointer == FILE {
                file_schema()
            } else {
                let document = self.document;
                let source = document
                    .root
                    .pointer(&pointer)
                    .unwrap_or(&Value::Bool(true));
                self.within = Some(pointer.clone());
                self.convert(source)
            };
            found.insert(pointer, schema);
        }
        cycles::break_senseless(&mut found, warnings);
        for note in self.notes.finish() {
            warnings.add(note);
        }
        let names = TypeNames(type_names(found.keys()));
        let mut definitions: Vec<(String, Value)> = found
            .into_iter()
            .map(|(pointer, mut schema)| {
                names.apply(&mut schema);
                (names.0[&pointer].clone(), schema)
            })
            .collect();
        definitions.sort_by(|a, b| a.0.cmp(&b.0));
        (definitions.into_iter().collect(), names)
    }

    /// A reference to the shared schema of file values.
    pub(crate) fn file(&mut self) -> Value {
        self.reference(FILE.to_owned())
    }

    fn reference(&mut self, pointer: String) -> Value {
        let value = json!({ "$ref": format!("{REF_PREFIX}{pointer}") });
        if self.wanted.insert(pointer.clone()) {
            self.queue.push(pointer);
        }
        value
    }

    /// One schema in our dialect. Whatever makes no sense is left out with a note.
    pub(crate) fn convert(&mut self, schema: &Value) -> Value {
        let map = match schema {
            Value::Object(map) => map,
            Value::Bool(false) => return json!({ "not": {} }),
            Value::Bool(true) | Value::Null => return json!({}),
            Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.notes
                    .add("a schema that is neither an object nor a boolean accepts everything");
                return json!({});
            }
        };
        let mut out = Map::new();
        self.references(map, &mut out);
        let only_ref = self.document.is_3_0() && map.contains_key("$ref");
        if !only_ref {
            types(map, &mut out);
            numbers(map, &mut out);
            self.values(map, &mut out);
            self.members(map, &mut out);
            self.combinations(map, &mut out);
        }
        self.annotations(map, &mut out);
        if map.get("nullable") == Some(&Value::Bool(true)) {
            return nullable(out);
        }
        Value::Object(out)
    }

    fn references(&mut self, map: &Map<String, Value>, out: &mut Map<String, Value>) {
        let Some(reference) = map.get("$ref").and_then(Value::as_str) else {
            // Both forms of dynamic recursion mean "myself" in every document seen so far.
            let dynamic = map.contains_key("$recursiveRef") || map.contains_key("$dynamicRef");
            if dynamic && let Some(pointer) = self.within.clone() {
                out.insert("$ref".to_owned(), format!("{REF_PREFIX}{pointer}").into());
            }
            return;
        };
        match self.document.target(reference) {
            Some((pointer, _)) => {
                if let Value::Object(reference) = self.reference(pointer) {
                    out.extend(reference);
                }
            }
            None => self.notes.add(format!(
                "the reference `{reference}` leads nowhere; it accepts everything"
            )),
        }
    }

    fn values(&mut self, map: &Map<String, Value>, out: &mut Map<String, Value>) {
        if let Some(values) = map
            .get("enum")
            .and_then(Value::as_array)
            .filter(|v| !v.is_empty())
        {
            let text_only = out.get("type").and_then(Value::as_str) == Some("string");
            let mut kept: Vec<Value> = Vec::with_capacity(values.len());
            let mut seen = BTreeSet::new();
            for value in values {
                // Unquoted YAML: `enum: [1.0, on]` under `type: string` means text.
                let unquoted = text_only && (value.is_number() || value.is_boolean());
                let value = if unquoted {
                    value.to_string().into()
                } else {
                    value.clone()
                };
                if seen.insert(value.to_string()) {
                    kept.push(value);
                }
            }
            out.insert("enum".to_owned(), Value::Array(kept));
        }
        for key in ["const", "default"] {
            if let Some(value) = map.get(key) {
                out.insert(key.to_owned(), value.clone());
            }
        }
        if let Some(pattern) = map.get("pattern").and_then(Value::as_str)
            && self.linear(pattern)
        {
            out.insert("pattern".to_owned(), pattern.into());
        }
        if let Some(Value::Bool(true)) = map.get("uniqueItems") {
            out.insert("uniqueItems".to_owned(), true.into());
        }
    }

    /// Whether a pattern can be checked in linear time; asked once for each.
    fn linear(&mut self, pattern: &str) -> bool {
        if let Some(known) = self.patterns.get(pattern) {
            return *known;
        }
        let fine = crate::arguments::compiles(&json!({ "pattern": pattern }));
        if !fine {
            let shown: String = pattern.chars().take(60).collect();
            self.notes.add(format!(
                "the pattern `{shown}` is not checked: it needs look-around or is too large"
            ));
        }
        self.patterns.insert(pattern.to_owned(), fine);
        fine
    }

    fn members(&mut self, map: &Map<String, Value>, out: &mut Map<String, Value>) {
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            let converted = properties
                .iter()
                .map(|(k, v)| (k.clone(), self.convert(v)))
                .collect();
            out.insert("properties".to_owned(), Value::Object(converted));
        }
        if let Some(required) = map.get("required").and_then(Value::as_array) {
            let names: BTreeSet<&str> = required.iter().filter_map(Value::as_str).collect();
            if !names.is_empty() {
                out.insert("required".to_owned(), json!(names));
            }
        }
        if let Some(patterns) = map.get("patternProperties").and_then(Value::as_object) {
            let mut kept = Map::new();
            for (pattern, schema) in patterns {
                if self.linear(pattern) {
                    kept.insert(pattern.clone(), self.convert(schema));
                }
            }
            out.insert("patternProperties".to_owned(), Value::Object(kept));
        }
        match map.get("additionalProperties") {
            Some(Value::Bool(allowed)) => {
                out.insert("additionalProperties".to_owned(), (*allowed).into());
            }
            Some(schema @ Value::Object(_)) => {
                let converted = self.convert(schema);
                out.insert("additionalProperties".to_owned(), converted);
            }
            Some(_) | None => {}
        }
        let items = match map.get("items") {
            Some(Value::Array(tuple)) => Some(("prefixItems", Value::Array(self.all(tuple)))),
            Some(schema) => Some(("items", self.convert(schema))),
            None => None,
        };
        let prefix = map
            .get("prefixItems")
            .and_then(Value::as_array)
            .map(|p| self.all(p));
        out.extend(items.map(|(k, v)| (k.to_owned(), v)));
        out.extend(
            prefix
                .filter(|p| !p.is_empty())
                .map(|p| ("prefixItems".to_owned(), Value::Array(p))),
        );
    }

    fn all(&mut self, schemas: &[Value]) -> Vec<Value> {
        schemas.iter().map(|s| self.convert(s)).collect()
    }

    fn combinations(&mut self, map: &Map<String, Value>, out: &mut Map<String, Value>) {
        let mut lists: Vec<Vec<Value>> = Vec::new();
        for key in ["anyOf", "oneOf"] {
            if let Some(branches) = map
                .get(key)
                .and_then(Value::as_array)
                .filter(|b| !b.is_empty())
            {
                lists.push(self.all(branches));
            }
        }
        let mut all = match map.get("allOf").and_then(Value::as_array) {
            Some(parts) => self.all(parts),
            None => Vec::new(),
        };
        if lists.len() == 2 {
            all.extend(lists.drain(..).map(|branches| json!({ "anyOf": branches })));
        }
        if let Some(branches) = lists.pop() {
            out.insert("anyOf".to_owned(), Value::Array(branches));
        }
        if !all.is_empty() {
            out.insert("allOf".to_owned(), Value::Array(all));
        }
        for key in ["not", "if", "then", "else", "contains", "propertyNames"] {
            if let Some(schema) = map.get(key).filter(|s| s.is_object()) {
                let converted = self.convert(schema);
                out.insert(key.to_owned(), converted);
            }
        }
    }

    fn annotations(&mut self, map: &Map<String, Value>, out: &mut Map<String, Value>) {
        if let Some(text) = map.get("description").and_then(Value::as_str) {
            let text = described(text, DESCRIPTION_CHARS_MAX, &mut self.notes);
            if !text.is_empty() {
                out.insert("description".to_owned(), text.into());
            }
        }
        if let Some(format) = map.get("format").and_then(Value::as_str) {
            out.insert("format".to_owned(), format.into());
        }
        for key in ["readOnly", "writeOnly", "deprecated"] {
            if map.get(key) == Some(&Value::Bool(true)) {
                out.insert(key.to_owned(), true.into());
            }
        }
    }
}

/// Names in order of pointer, so that they do not depend on where a schema is first used.
fn type_names<'a>(pointers: impl Iterator<Item = &'a String>) -> BTreeMap<String, String> {
    let mut taken: BTreeSet<String> = [FILE_TYPE.to_owned()].into();
    let mut named = BTreeMap::new();
    for pointer in pointers {
        if pointer == FILE {
            named.insert(pointer.clone(), FILE_TYPE.to_owned());
            continue;
        }
        let plain = names::type_name(pointer);
        let mut name = plain.clone();
        let mut count = 1;
        while !taken.insert(name.clone()) {
            count += 1;
            name = format!("{plain}{count}");
        }
        named.insert(pointer.clone(), name);
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(version: &str, schema: &Value) -> (Value, Map<String, Value>, Vec<String>) {
        let document = json!({"openapi": version, "components": {"schemas": {
            "a.b": {"type": "object", "properties": {"self": {"$ref": "#/components/schemas/a.b"}}},
            "Self": {"$ref": "#/components/schemas/Self"},
            "Opt": {"anyOf": [{"$ref": "#/components/schemas/Opt"}, {"type": "null"}]}}}});
        let document = Document::parse(document.to_string().as_bytes()).unwrap();
        let mut schemas = Schemas::new(&document);
        let mut out = schemas.convert(schema);
        let mut warnings = Warnings::default();
        let (definitions, names) = schemas.finish(&mut warnings);
        names.apply(&mut out);
        (out, definitions, warnings.finish())
    }

    #[test]
    fn both_dialects_become_one() {
        for (version, schema, expected) in [
            (
                "3.0.3",
                json!({"type": "string", "nullable": true, "enum": ["a"], "x-y": 1, "example": 2}),
                json!({"type": ["string", "null"], "enum": ["a", null]}),
            ),
            (
                "3.0.3",
                json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true, "maximum": 5, "exclusiveMaximum": false}),
                json!({"type": "integer", "exclusiveMinimum": 1, "maximum": 5}),
            ),
            (
                "3.1.0",
                json!({"type": ["string", "null"], "exclusiveMinimum": 2, "$id": "http://x", "maxLength": "7"}),
                json!({"type": ["null", "string"], "exclusiveMinimum": 2}),
            ),
            (
                "3.0.3",
                json!({"nullable": true, "allOf": [{"type": "string"}]}),
                json!({"anyOf": [{"allOf": [{"type": "string"}]}, {"type": "null"}]}),
            ),
            (
                "3.1.0",
                json!({"oneOf": [{"type": "string"}, true]}),
                json!({"anyOf": [{"type": "string"}, {}]}),
            ),
            (
                "3.1.0",
                json!({"pattern": "(?=x)y", "required": ["b", 1, "a"], "properties": {"p": {"pattern": "^a+$"}}}),
                json!({"properties": {"p": {"pattern": "^a+$"}}, "required": ["a", "b"]}),
            ),
            (
                "3.1.0",
                json!({"type": "string", "enum": [1.5, true, "a", "a"]}),
                json!({"type": "string", "enum": ["1.5", "true", "a"]}),
            ),
            (
                "3.1.0",
                json!({"$ref": "https://elsewhere.example/x"}),
                json!({}),
            ),
        ] {
            assert_eq!(converted(version, &schema).0, expected, "{schema}");
        }
    }

    #[test]
    fn cycles_stay_where_they_make_sense() {
        let schema = json!({"properties": {
            "a": {"$ref": "#/components/schemas/a.b"}, "s": {"$ref": "#/components/schemas/Self"},
            "o": {"$ref": "#/components/schemas/Opt"}}});
        let (out, definitions, warnings) = converted("3.1.0", &schema);
        assert_eq!(out["properties"]["a"], json!({"$ref": "#/$defs/AB"}));
        assert_eq!(
            definitions["AB"]["properties"]["self"],
            json!({"$ref": "#/$defs/AB"})
        );
        assert_eq!(definitions["Self"], json!({}));
        assert_eq!(definitions["Opt"], json!({"anyOf": [{}, {"type": "null"}]}));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }
}
