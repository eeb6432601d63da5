//! What shared schemas are called: first by their JSON pointer, with marks for the forms that one
//! schema can have, in the end by a type name.

use super::names;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where the shared schema of file values is kept among the pointers; no JSON pointer, so it
/// cannot collide with one.
pub(super) const FILE: &str = "file";

/// The type name of file values; no schema of a document gets it.
const FILE_TYPE: &str = "FileValue";

pub(super) const REF_PREFIX: &str = "#/$defs/";

/// Ends the pointer of a schema that is wanted as input and differs from its output. No pointer that
/// is referred to holds a mark.
pub(super) const AS_INPUT: char = '\u{1}';

/// Stands at the end, before [`AS_INPUT`], of the pointer of a base that is wanted as any of its
/// subtypes.
pub(super) const AS_ANY: char = '\u{2}';

/// From the pointer of a shared schema to its type name.
pub(crate) struct TypeNames(BTreeMap<String, String>);

impl TypeNames {
    /// Names in order of pointer, so that they do not depend on where a schema is first used; those
    /// that no document has (`…Input`, `…Base`) after all others.
    pub(super) fn of<'a>(pointers: impl Iterator<Item = &'a String> + Clone) -> Self {
        let all: BTreeSet<&String> = pointers.clone().collect();
        let is_base = |pointer: &str| {
            let (plain, input) = match pointer.strip_suffix(AS_INPUT) {
                Some(plain) => (plain, "\u{1}"),
                None => (pointer, ""),
            };
            !plain.ends_with(AS_ANY) && all.contains(&format!("{plain}{AS_ANY}{input}"))
        };
        let mut ordered: Vec<&String> = all.iter().copied().collect();
        ordered.sort_by_key(|pointer| (pointer.ends_with(AS_INPUT), is_base(pointer)));
        let mut taken: BTreeSet<String> = [FILE_TYPE.to_owned()].into();
        let mut named = BTreeMap::new();
        for pointer in ordered {
            if pointer == FILE {
                named.insert(pointer.clone(), FILE_TYPE.to_owned());
                continue;
            }
            let plain = pointer.trim_end_matches([AS_INPUT, AS_ANY]);
            let base = if is_base(pointer) { "Base" } else { "" };
            let input = if pointer.ends_with(AS_INPUT) {
                "Input"
            } else {
                ""
            };
            let wanted = format!("{}{base}{input}", names::type_name(plain));
            let mut name = wanted.clone();
            let mut count = 1;
            while !taken.insert(name.clone()) {
                count += 1;
                name = format!("{wanted}{count}");
            }
            named.insert(pointer.clone(), name);
        }
        Self(named)
    }

    /// The type name of a shared schema.
    pub(super) fn name(&self, pointer: &str) -> String {
        self.0.get(pointer).cloned().unwrap_or_default()
    }

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
