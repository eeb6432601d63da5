//! Subtypes that a discriminator stands for without a list of them: every shared schema that has the
//! base in its `allOf` (OpenAPI, "Discriminator Object").
//!
//! Wherever such a base is referred to, a value of any subtype may stand; only in an `allOf` the base
//! means itself. Where `oneOf` or `anyOf` lists the forms, nothing is to be added.

use super::document::Document;
use super::external::BUNDLED;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Most subtypes of one base; a base with more means itself.
const SUBTYPES_MAX: usize = 200;

/// From the pointer of each base to those of its subtypes.
#[derive(Default)]
pub(crate) struct Subtypes(BTreeMap<String, BTreeSet<String>>);

impl Subtypes {
    pub(crate) fn of(document: &Document) -> Self {
        let shared = shared(&document.root);
        let is_base = |schema: &Value| {
            schema.get("discriminator").is_some_and(|d| !d.is_null())
                && schema.get("oneOf").is_none()
                && schema.get("anyOf").is_none()
        };
        let bases: Vec<&(String, &Value)> = shared.iter().filter(|(_, s)| is_base(s)).collect();
        if bases.is_empty() {
            return Self::default();
        }
        let mut derived: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (pointer, schema) in &shared {
            let parts = schema.get("allOf").and_then(Value::as_array);
            let parts = parts.into_iter().flatten();
            for reference in parts.filter_map(|part| part.get("$ref")?.as_str()) {
                if let Some((of, _)) = document.target(reference) {
                    derived.entry(of).or_default().push(pointer);
                }
            }
        }
        let mut found = BTreeMap::new();
        for (base, schema) in bases {
            let mut subtypes: BTreeSet<String> = mapped(document, schema);
            let mut waiting = vec![base.as_str()];
            while let Some(at) = waiting.pop() {
                for of in derived.get(at).into_iter().flatten() {
                    if subtypes.insert((*of).to_owned()) {
                        waiting.push(of);
                    }
                }
            }
            subtypes.remove(base);
            if !subtypes.is_empty() && subtypes.len() <= SUBTYPES_MAX {
                found.insert(base.clone(), subtypes);
            }
        }
        Self(found)
    }

    pub(super) fn get(&self, pointer: &str) -> Option<&BTreeSet<String>> {
        self.0.get(pointer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &BTreeSet<String>)> {
        self.0.iter()
    }
}

/// The subtypes that the discriminator names by reference. One that refers to nothing else than the
/// base would be a circle and is found by its `allOf`, if it is any.
fn mapped(document: &Document, base: &Value) -> BTreeSet<String> {
    let mapping = base.pointer("/discriminator/mapping");
    let mapping = mapping.and_then(Value::as_object).into_iter().flatten();
    mapping
        .filter_map(|(_, to)| to.as_str())
        .filter_map(|to| document.target(to))
        .filter(|(_, schema)| schema.get("$ref").is_none())
        .map(|(pointer, _)| pointer)
        .collect()
}

/// Every schema that has a name, with its pointer: of this document and of those it consists of.
fn shared(root: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    let mut documents = vec![(String::new(), root)];
    let bundled = root.get(BUNDLED).and_then(Value::as_object);
    for (name, other) in bundled.into_iter().flatten() {
        documents.push((format!("/{BUNDLED}/{name}"), other));
    }
    for (prefix, document) in documents {
        for place in ["/components/schemas", "/definitions"] {
            let schemas = document.pointer(place).and_then(Value::as_object);
            for (name, schema) in schemas.into_iter().flatten() {
                let name = name.replace('~', "~0").replace('/', "~1");
                found.push((format!("{prefix}{place}/{name}"), schema));
            }
        }
    }
    found
}
