//! Their schemas to ours: the dialects of Swagger and OpenAPI to plain JSON Schema 2020-12.
//!
//! Only known keywords pass, and only with sensible values, so that what comes out always
//! compiles: no `$id`, no remote reference, no pattern that needs backtracking. Shared schemas are
//! kept once, by JSON pointer; cycles stay as references (`cycles` breaks the senseless ones).
//! `oneOf` becomes `anyOf`: descriptions in the wild overlap where they say they do not.

use super::Warnings;
use super::cycles;
use super::direction::{Direction, Directional};
use super::document::Document;
use super::halves;
use super::keywords::{described, file_schema, nullable, numbers, types};
use super::shared::{AS_ANY, AS_INPUT, FILE, REF_PREFIX, TypeNames};
use super::subtypes::Subtypes;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Longest description kept on a schema, in characters.
const DESCRIPTION_CHARS_MAX: usize = 300;

/// How far `allOf` is followed to see which properties a direction lacks.
const ABSENT_DEPTH_MAX: usize = 8;

/// The schema of what nothing is said of.
pub(crate) static ANY: Value = Value::Bool(true);

/// Shared schemas, gathered while operations are read.
pub(crate) struct Schemas<'d> {
    document: &'d Document,
    /// Every pointer referred to; its schema is converted in [`Schemas::finish`].
    wanted: BTreeSet<String>,
    queue: Vec<String>,
    /// The pointer of the schema being converted, for `$recursiveRef`.
    within: Option<String>,
    /// Where chains of plain references end; none for those that go round in circles.
    ends: HashMap<String, Option<String>>,
    known: Known,
    direction: Direction,
    /// Whether what is converted next is part of an `allOf`, where a base means itself.
    in_all_of: bool,
    /// Properties that the parts of the `allOf` being converted lack in this direction.
    absent: Vec<String>,
    patterns: HashMap<String, bool>,
    notes: Warnings,
}

/// What is to be known of a whole document before any of its schemas is converted.
#[derive(Clone)]
pub(crate) struct Known {
    subtypes: Arc<Subtypes>,
    directional: Arc<Directional>,
}

impl Known {
    pub(crate) fn of(document: &Document) -> Self {
        let subtypes = Subtypes::of(document);
        Self {
            directional: Arc::new(Directional::of(document, &subtypes)),
            subtypes: Arc::new(subtypes),
        }
    }
}

impl<'d> Schemas<'d> {
    pub(crate) fn new(document: &'d Document) -> Self {
        Self::knowing(document, Known::of(document))
    }

    /// The same for a document of which a part may have been taken since that was found out.
    pub(crate) fn knowing(document: &'d Document, known: Known) -> Self {
        Self {
            document,
            wanted: BTreeSet::new(),
            queue: Vec::new(),
            within: None,
            ends: HashMap::new(),
            known,
            direction: Direction::Input,
            in_all_of: false,
            absent: Vec::new(),
            patterns: HashMap::new(),
            notes: Warnings::default(),
        }
    }

    /// The same with nothing gathered yet, for a part of the work that is done beside the rest.
    pub(crate) fn beside(&self) -> Self {
        Self {
            direction: self.direction,
            ..Self::knowing(self.document, self.known.clone())
        }
    }

    /// Takes what another has gathered beside.
    pub(crate) fn take(&mut self, other: Self) {
        for pointer in other.queue {
            if self.wanted.insert(pointer.clone()) {
                self.queue.push(pointer);
            }
        }
        self.notes.take(other.notes);
    }

    pub(crate) fn document(&self) -> &'d Document {
        self.document
    }

    /// Which way the values of what is converted next go.
    pub(crate) fn going(&mut self, direction: Direction) {
        self.direction = direction;
    }

    /// Whether a property does not go the way that is converted now.
    pub(crate) fn lacks(&self, property: &Value) -> bool {
        let key = self.direction.absent();
        let marked = |p: &Value| p.get(key) == Some(&Value::Bool(true));
        self.document.has_directions
            && (marked(property) || self.document.resolve(property).is_ok_and(marked))
    }

    /// Whether a schema is a reference to a base with subtypes: its fields are not all that a value
    /// may have.
    pub(crate) fn has_subtypes(&self, schema: &Value) -> bool {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let target = reference.and_then(|reference| self.document.target(reference));
        target.is_some_and(|(pointer, _)| self.known.subtypes.get(&pointer).is_some())
    }

    /// Converts everything that was referred to and names it.
    pub(crate) fn finish(mut self, warnings: &mut Warnings) -> (Map<String, Value>, TypeNames) {
        let mut found: BTreeMap<String, Value> = BTreeMap::new();
        while !self.queue.is_empty() {
            let mut queue = std::mem::take(&mut self.queue);
            if !halves::worth(queue.len()) {
                for pointer in queue {
                    let schema = self.shared(&pointer);
                    found.insert(pointer, schema);
                }
                continue;
            }
            queue.sort_unstable();
            let second = queue.split_off(queue.len() / 2);
            let mut other = self.beside();
            let (first, (second, other)) = halves::both(
                || self.shared_of(queue),
                || {
                    let second = other.shared_of(second);
                    (second, other)
                },
            );
            found.extend(first);
            found.extend(second);
            self.take(other);
        }
        cycles::break_senseless(&mut found, warnings);
        for note in self.notes.finish() {
            warnings.add(note);
        }
        let names = TypeNames::of(found.keys());
        let found: Vec<(String, Value)> = found.into_iter().collect();
        let mut definitions = halves::each(found, |(pointer, mut schema)| {
            names.apply(&mut schema);
            (names.name(&pointer), schema)
        });
        definitions.sort_by(|a, b| a.0.cmp(&b.0));
        (definitions.into_iter().collect(), names)
    }

    fn shared_of(&mut self, pointers: Vec<String>) -> Vec<(String, Value)> {
        let mut found = Vec::with_capacity(pointers.len());
        for pointer in pointers {
            let schema = self.shared(&pointer);
            found.push((pointer, schema));
        }
        found
    }

    /// The schema of what was referred to.
    fn shared(&mut self, pointer: &str) -> Value {
        if pointer == FILE {
            return file_schema();
        }
        let (plain, direction) = match pointer.strip_suffix(AS_INPUT) {
            Some(plain) => (plain, Direction::Input),
            None => (pointer, Direction::Output),
        };
        self.direction = direction;
        if let Some(base) = plain.strip_suffix(AS_ANY) {
            let subtypes = self.known.subtypes.get(base).cloned().unwrap_or_default();
            let all = subtypes.into_iter().chain(std::iter::once(base.to_owned()));
            let all: Vec<Value> = all.map(|one| self.directed(one)).collect();
            return json!({ "anyOf": all });
        }
        let document = self.document;
        self.within = Some(pointer.to_owned());
        self.convert(document.root.pointer(plain).unwrap_or(&ANY))
    }

    /// A reference to a shared schema as it is in the direction that is converted now.
    fn directed(&mut self, mut pointer: String) -> Value {
        let plain = pointer.trim_end_matches(AS_ANY);
        if self.direction == Direction::Input && self.known.directional.contains(plain) {
            pointer.push(AS_INPUT);
        }
        self.reference(pointer)
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
        let in_all_of = std::mem::take(&mut self.in_all_of);
        let absent = self.absent.len();
        if self.document.has_directions && map.contains_key("allOf") {
            self.note_absent(schema, 0);
        }
        self.references(map, in_all_of, &mut out);
        let only_ref = self.document.ignores_siblings() && map.contains_key("$ref");
        if !only_ref {
            types(map, &mut out);
            numbers(map, &mut out);
            self.values(map, &mut out);
            self.members(map, &mut out);
            self.combinations(map, &mut out);
        }
        self.absent.truncate(absent);
        self.annotations(map, &mut out);
        if ["nullable", "x-nullable"]
            .iter()
            .any(|key| map.get(*key) == Some(&Value::Bool(true)))
        {
            return nullable(out);
        }
        Value::Object(out)
    }

    /// Remembers which properties the parts of an `allOf` lack in this direction: another part may
    /// require them.
    fn note_absent(&mut self, schema: &Value, depth: usize) {
        let Ok(schema) = self.document.resolve(schema) else {
            return;
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            if self.lacks(property) {
                self.absent.push(name.clone());
            }
        }
        let parts = schema.get("allOf").and_then(Value::as_array);
        if depth < ABSENT_DEPTH_MAX {
            for part in parts.into_iter().flatten() {
                self.note_absent(part, depth + 1);
            }
        }
    }

    fn references(
        &mut self,
        map: &Map<String, Value>,
        in_all_of: bool,
        out: &mut Map<String, Value>,
    ) {
        let Some(reference) = map.get("$ref").and_then(Value::as_str) else {
            // Both forms of dynamic recursion mean "myself" in every document seen so far.
            let dynamic = map.contains_key("$recursiveRef") || map.contains_key("$dynamicRef");
            if dynamic && let Some(pointer) = self.within.clone() {
                out.insert("$ref".to_owned(), format!("{REF_PREFIX}{pointer}").into());
            }
            return;
        };
        match self.end(reference) {
            Ok(mut pointer) => {
                if !in_all_of && self.known.subtypes.get(&pointer).is_some() {
                    pointer.push(AS_ANY);
                }
                if let Value::Object(reference) = self.directed(pointer) {
                    out.extend(reference);
                }
            }
            Err(problem) => self.notes.add(format!(
                "the reference `{reference}` {problem}; it accepts everything"
            )),
        }
    }

    /// The pointer of the schema that a reference means, through those that are nothing but a
    /// reference themselves. Each is followed once, so chains may be as long as the document.
    fn end(&mut self, reference: &str) -> Result<String, &'static str> {
        const NOWHERE: &str = "leads nowhere";
        const CIRCLE: &str = "leads round in circles";
        let document = self.document;
        let (mut pointer, mut at) = document
            .target(reference)
            .filter(|(pointer, _)| !pointer.contains([AS_INPUT, AS_ANY]))
            .ok_or(NOWHERE)?;
        let mut way = Vec::new();
        let end = loop {
            if let Some(known) = self.ends.get(&pointer) {
                break known.clone();
            }
            let alone = at.as_object().filter(|map| map.len() == 1);
            let next = alone.and_then(|map| document.target(map.get("$ref")?.as_str()?));
            let Some(next) = next else {
                break Some(pointer);
            };
            // Until the end is known, whoever comes by again is in a circle.
            self.ends.insert(pointer.clone(), None);
            way.push(pointer);
            (pointer, at) = next;
        };
        for passed in way {
            self.ends.insert(passed, end.clone());
        }
        end.ok_or(CIRCLE)
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
        // What goes the other way only is no part of the value. What parts of an `allOf` lack, they
        // lack at this place and not below it.
        let around = std::mem::take(&mut self.absent);
        let mut absent: Vec<&str> = around.iter().map(String::as_str).collect();
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            let mut converted = Map::new();
            for (name, property) in properties {
                if self.lacks(property) {
                    absent.push(name);
                } else {
                    converted.insert(name.clone(), self.convert(property));
                }
            }
            out.insert("properties".to_owned(), Value::Object(converted));
        }
        if let Some(required) = map.get("required").and_then(Value::as_array) {
            let names: BTreeSet<&str> = required
                .iter()
                .filter_map(Value::as_str)
                .filter(|name| !absent.contains(name))
                .collect();
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
        self.absent = around;
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
            Some(parts) => {
                let convert = |part| {
                    self.in_all_of = true;
                    self.convert(part)
                };
                parts.iter().map(convert).collect()
            }
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
        if map.get("deprecated") == Some(&Value::Bool(true)) {
            out.insert("deprecated".to_owned(), true.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(version: &str, schema: &Value) -> (Value, Map<String, Value>, Vec<String>) {
        let document = json!({"openapi": version, "components": {"schemas": {
            "a.b": {"type": "object", "properties": {"self": {"$ref": "#/components/schemas/a.b"}}},
            "Self": {"$ref": "#/components/schemas/Self"},
            "Opt": {"anyOf": [{"$ref": "#/components/schemas/Opt"}, {"type": "null"}]}}}});
        let mut document = Document::parse(document.to_string().as_bytes()).unwrap();
        document.root["x"] = schema.clone();
        document.has_directions = true;
        let mut schemas = Schemas::new(&document);
        let mut out = schemas.convert(&document.root["x"]);
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
        assert_eq!(out["properties"]["s"], json!({}));
        assert_eq!(definitions["Opt"], json!({"anyOf": [{}, {"type": "null"}]}));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }
}
