//! Schemas that read differently going in and coming out: what is `readOnly` is no input, what is
//! `writeOnly` no output.
//!
//! Only shared schemas that hold or reach such a property are converted once for each direction;
//! all others have one form and one name.

use super::document::Document;
use super::subtypes::Subtypes;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Which way a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From a program to the API.
    Input,
    /// From the API to a program.
    Output,
}

impl Direction {
    /// The keyword of properties that do not go this way.
    pub(super) fn absent(self) -> &'static str {
        match self {
            Self::Input => "readOnly",
            Self::Output => "writeOnly",
        }
    }
}

/// The pointers of shared schemas that depend on the direction.
#[derive(Default)]
pub(crate) struct Directional(HashSet<String>);

impl Directional {
    pub(crate) fn of(document: &Document, subtypes: &Subtypes) -> Self {
        if !document.has_directions {
            return Self::default();
        }
        let (_, references) = look(&document.root);
        let mut referrers: HashMap<String, Vec<String>> = HashMap::new();
        let mut marked = Vec::new();
        for reference in references {
            let Some((pointer, target)) = document.target(reference) else {
                continue;
            };
            let (is_marked, inner) = look(target);
            for reference in inner {
                if let Some((to, _)) = document.target(reference) {
                    referrers.entry(to).or_default().push(pointer.clone());
                }
            }
            if is_marked {
                marked.push(pointer);
            }
        }
        // Whoever refers to a base refers to its subtypes.
        for (base, subtypes) in subtypes.iter() {
            for subtype in subtypes {
                referrers
                    .entry(subtype.clone())
                    .or_default()
                    .push(base.clone());
                let Some(target) = document.root.pointer(subtype) else {
                    continue;
                };
                // Subtypes need not be referred to by anybody.
                let (is_marked, inner) = look(target);
                marked.extend(is_marked.then(|| subtype.clone()));
                for reference in inner {
                    if let Some((to, _)) = document.target(reference) {
                        referrers.entry(to).or_default().push(subtype.clone());
                    }
                }
            }
        }
        let mut found = HashSet::new();
        while let Some(pointer) = marked.pop() {
            if let Some(more) = referrers.get(&pointer)
                && !found.contains(&pointer)
            {
                marked.extend(more.iter().cloned());
            }
            found.insert(pointer);
        }
        Self(found)
    }

    pub(super) fn contains(&self, pointer: &str) -> bool {
        self.0.contains(pointer)
    }
}

/// Whether a value has a mark anywhere, and the references in it.
fn look(value: &Value) -> (bool, HashSet<&str>) {
    let (mut marked, mut references) = (false, HashSet::new());
    let mut stack = vec![value];
    while let Some(at) = stack.pop() {
        match at {
            Value::Object(map) => {
                references.extend(map.get("$ref").and_then(Value::as_str));
                let is_set = |key: &str| map.get(key) == Some(&Value::Bool(true));
                marked |= is_set("readOnly") || is_set("writeOnly");
                stack.extend(map.values());
            }
            Value::Array(items) => stack.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    (marked, references)
}
