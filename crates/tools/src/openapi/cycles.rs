//! Schemas that are defined as themselves.
//!
//! `A = { next: A }` is a recursive type and stays. `A = A` or `A = B | null, B = A` describes no
//! value: it would send a validator and a TypeScript compiler round in circles. The reference that
//! closes such a circle is taken out, and so is one that would cost a validator thousands of steps
//! to judge one value: forms of forms of forms double with each level.

use super::Warnings;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

const REF_PREFIX: &str = "#/$defs/";

/// Most references in a row that are followed to judge one value.
const HEIGHT_MAX: usize = 200;

/// Most schemas that are looked at to judge one value, each as often as it is referred to.
const COST_MAX: usize = 10_000;

/// How far along a schema is.
#[derive(Clone, Copy)]
enum State {
    /// On the way that is being followed.
    Open,
    /// What it takes to judge a value by it.
    Done(Effort),
}

/// What it takes to judge one value by a schema.
#[derive(Clone, Copy)]
struct Effort {
    /// References in a row.
    height: usize,
    /// Schemas in all.
    cost: usize,
}

/// Takes out every reference that closes a circle at the same place of a value, or that begins too
/// long a way there.
pub(crate) fn break_senseless(schemas: &mut BTreeMap<String, Value>, warnings: &mut Warnings) {
    let mut state: HashMap<String, State> = HashMap::new();
    let all: Vec<String> = schemas.keys().cloned().collect();
    for start in &all {
        if state.contains_key(start) {
            continue;
        }
        // An explicit stack: chains of references may be as long as the document.
        let mut stack = vec![Visit::of(start.clone(), schemas)];
        state.insert(start.clone(), State::Open);
        while let Some(visit) = stack.last_mut() {
            let Some(next) = visit.rest.pop() else {
                let effort = visit.effort;
                state.insert(visit.at.clone(), State::Done(effort));
                stack.pop();
                if let Some(before) = stack.last_mut() {
                    before.passed(effort, schemas, warnings);
                }
                continue;
            };
            match state.get(&next) {
                Some(State::Done(effort)) => {
                    let effort = *effort;
                    visit.next = next;
                    visit.passed(effort, schemas, warnings);
                }
                Some(State::Open) => {
                    visit.next = next;
                    visit.cut(schemas);
                    warnings.add(format!(
                        "the schema `{}` is defined as itself; that part accepts everything",
                        visit.at
                    ));
                }
                None => {
                    visit.next.clone_from(&next);
                    state.insert(next.clone(), State::Open);
                    stack.push(Visit::of(next, schemas));
                }
            }
        }
    }
}

/// One schema while the ways that begin at it are followed.
struct Visit {
    at: String,
    rest: Vec<String>,
    /// The one that is being followed.
    next: String,
    effort: Effort,
}

impl Visit {
    fn of(at: String, schemas: &BTreeMap<String, Value>) -> Self {
        Self {
            rest: schemas.get(&at).map(same_place).unwrap_or_default(),
            at,
            next: String::new(),
            effort: Effort { height: 0, cost: 1 },
        }
    }

    /// The way that was followed takes so much.
    fn passed(
        &mut self,
        effort: Effort,
        schemas: &mut BTreeMap<String, Value>,
        warnings: &mut Warnings,
    ) {
        let cost = self.effort.cost + effort.cost;
        if effort.height < HEIGHT_MAX && cost <= COST_MAX {
            self.effort.height = self.effort.height.max(effort.height + 1);
            self.effort.cost = cost;
            return;
        }
        self.cut(schemas);
        warnings.add(format!(
            "more than {HEIGHT_MAX} schemas in a row, or {COST_MAX} in all, say what one value is; \
             the rest accepts everything"
        ));
    }

    fn cut(&self, schemas: &mut BTreeMap<String, Value>) {
        if let Some(schema) = schemas.get_mut(&self.at) {
            take_out(schema, &format!("{REF_PREFIX}{}", self.next));
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
    // The opposite of everything would be nothing.
    let negated = map.get("not").and_then(|not| not.get("$ref")?.as_str());
    if negated == Some(reference) {
        map.remove("not");
    }
    for key in SINGLES {
        if let Some(inner) = map.get_mut(key) {
            take_out(inner, reference);
        }
    }
}
