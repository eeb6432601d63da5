//! Schemas that are defined as themselves.
//!
//! `A = { next: A }` is a recursive type and stays. `A = A` or `A = B | null, B = A` describes no
//! value: it would send a validator and a TypeScript compiler round in circles. The reference that
//! closes such a circle is taken out.

use super::Warnings;
use serde_json::Value;
use std::collections::BTreeMap;

const REF_PREFIX: &str = "#/$defs/";

/// Takes out every reference that closes a circle at the same place of a value.
pub(crate) fn break_senseless(schemas: &mut BTreeMap<String, Value>, warnings: &mut Warnings) {
    let mut state: BTreeMap<String, bool> = BTreeMap::new();
    let all: Vec<String> = schemas.keys().cloned().collect();
    for start in &all {
        if state.contains_key(start) {
            continue;
        }
        // An explicit stack: chains of references may be as long as the document.
        let mut stack: Vec<(String, Vec<String>)> =
            vec![(start.clone(), same_place(&schemas[start]))];
        state.insert(start.clone(), false);
        while let Some((at, rest)) = stack.last_mut() {
            let Some(next) = rest.pop() else {
                state.insert(at.clone(), true);
                stack.pop();
                continue;
            };
            match state.get(&next) {
                Some(true) => {}
                Some(false) => {
                    let at = at.clone();
                    if let Some(schema) = schemas.get_mut(&at) {
                        take_out(schema, &format!("{REF_PREFIX}{next}"));
                    }
                    warnings.add(format!(
                        "the schema `{at}` is defined as itself; that part accepts everything"
                    ));
                }
                None => {
                    let edges = schemas.get(&next).map(same_place).unwrap_or_default();
                    state.insert(next.clone(), false);
                    stack.push((next, edges));
                }
            }
        }
    }
}

const LISTS: [&str; 2] = ["allOf", "anyOf"];
const SINGLES: [&str; 4] = ["not", "if", "then", "else"];

/// The shared schemas that must be looked at to judge the same value, not a part of it.
fn same_place(schema: &Value) -> Vec<String> {
    let own = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|r| r.strip_prefix(REF_PREFIX));
    let lists = LISTS
        .iter()
        .filter_map(|k| schema.get(k)?.as_array())
        .flatten();
    let singles = SINGLES.iter().filter_map(|k| schema.get(k));
    own.map(str::to_owned)
        .into_iter()
        .chain(lists.chain(singles).flat_map(same_place))
        .collect()
}

fn take_out(schema: &mut Value, reference: &str) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    if map.get("$ref").and_then(Value::as_str) == Some(reference) {
        map.remove("$ref");
    }
    for key in LISTS {
        if let Some(Value::Array(items)) = map.get_mut(key) {
            items.iter_mut().for_each(|s| take_out(s, reference));
        }
    }
    for key in SINGLES {
        if let Some(inner) = map.get_mut(key) {
            take_out(inner, reference);
        }
    }
}
