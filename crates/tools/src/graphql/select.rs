//! The fields that a call chooses for itself: a GraphQL selection, a list of names or an object.
//!
//! Checked against the schema before anything is sent, and written anew from what was read: the text
//! cannot end the selection and begin something else.

use super::binding::Field;
use super::document::{parse, valid};
use super::loaded::Loaded;
use super::walk::{Counter, Fragments, Problem, unknown_fields};
use apollo_compiler::Name;
use apollo_compiler::ast::{Definition, Document, Selection};
use serde_json::Value;

/// Problems that are named.
const PROBLEMS_MAX: usize = 10;

/// Deepest nesting of lists and objects.
const DEPTH_MAX: usize = 30;

/// The chosen selection, with its braces.
///
/// # Errors
/// Everything that is wrong with it, as far as it can be told at once.
pub(crate) fn read(loaded: &Loaded, field: &Field, given: &Value) -> Result<String, Vec<Problem>> {
    let one = |problem| vec![problem];
    let text = text_of(given).map_err(one)?;
    let parsed = parse(&text)?;
    let selections = only_selection(&parsed).ok_or_else(|| {
        one(Problem::new(
            "it must be one selection and nothing else, such as `{ id title author { login } }`",
        ))
    })?;
    let fragments = Fragments::new();
    Counter::new(&fragments).count(selections, 2).map_err(one)?;
    let root = loaded.schema.root(field.operation.kind());
    let definition = root.and_then(|root| loaded.schema.field(root, &field.name));
    let of = definition.map(|d| d.ty.inner_named_type().as_str());
    let mut unknown = Vec::new();
    if let Some(of) = of {
        unknown_fields(
            &loaded.schema,
            of,
            selections,
            &parsed.sources,
            &mut unknown,
        );
    }
    if !unknown.is_empty() {
        unknown.truncate(PROBLEMS_MAX);
        return Err(unknown);
    }
    let written: Vec<String> = selections
        .iter()
        .map(|s| s.serialize().no_indent().to_string())
        .collect();
    let written = format!("{{ {} }}", written.join(" "));
    let all = field.arguments.keys().map(String::as_str);
    let whole = parse(&super::request::operation(field, all, Some(&written)))?;
    valid(loaded, &whole).map_err(without_places)?;
    Ok(written)
}

/// Places in the whole operation say nothing to whoever wrote a part of it.
fn without_places(problems: Vec<Problem>) -> Vec<Problem> {
    problems
        .into_iter()
        .map(|problem| match problem.text.split_once(": ") {
            Some((place, text)) if place.starts_with("line ") => Problem::new(text),
            Some(_) | None => problem,
        })
        .collect()
}

/// The selection of a text that is a selection and nothing else.
fn only_selection(parsed: &Document) -> Option<&[Selection]> {
    let [Definition::OperationDefinition(operation)] = parsed.definitions.as_slice() else {
        return None;
    };
    let bare = operation.operation_type.is_query()
        && operation.name.is_none()
        && operation.variables.is_empty()
        && operation.directives.0.is_empty();
    bare.then_some(operation.selection_set.as_slice())
        .filter(|s| !s.is_empty())
}

/// Any of the three forms as a selection.
fn text_of(given: &Value) -> Result<String, Problem> {
    match given {
        Value::String(text) if text.trim_start().starts_with('{') => Ok(text.clone()),
        Value::String(text) => Ok(format!("{{ {text}\n}}")),
        Value::Array(_) | Value::Object(_) => {
            let mut names = Vec::new();
            gather(given, 0, &mut names)?;
            Ok(format!("{{ {} }}", names.join(" ")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Err(Problem::new(
            "it must be a GraphQL selection, a list of names, or an object",
        )),
    }
}

fn gather(given: &Value, depth: usize, out: &mut Vec<String>) -> Result<(), Problem> {
    if depth > DEPTH_MAX {
        let text = format!("it is nested deeper than {DEPTH_MAX}, which is the limit");
        return Err(Problem::new(text));
    }
    match given {
        Value::String(name) => out.push(checked(name)?),
        Value::Array(items) => {
            for item in items {
                gather(item, depth + 1, out)?;
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Bool(false) | Value::Null => {}
                    Value::Bool(true) => out.push(checked(name)?),
                    Value::String(_) | Value::Array(_) | Value::Object(_) => {
                        let mut inner = Vec::new();
                        gather(value, depth + 1, &mut inner)?;
                        out.push(format!("{} {{ {} }}", checked(name)?, inner.join(" ")));
                    }
                    Value::Number(_) => return Err(no_name(name)),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            return Err(Problem::new(format!("`{given}` is no name of a field")));
        }
    }
    Ok(())
}

fn checked(name: &str) -> Result<String, Problem> {
    match Name::new(name) {
        Ok(name) => Ok(name.to_string()),
        Err(_) => Err(Problem::new(format!(
            "`{name}` is no name of a field; in a list or an object each is one name"
        ))),
    }
}

fn no_name(name: &str) -> Problem {
    Problem::new(format!("`{name}` must be `true`, or what to select of it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn three_forms_say_the_same() {
        for given in [
            json!("{ id author { login } }"),
            json!("id author { login }"),
            json!(["id", { "author": ["login"] }]),
            json!({ "id": true, "author": { "login": true }, "title": false }),
            json!({ "id": true, "author": "login" }),
        ] {
            let text = text_of(&given).unwrap();
            let parsed = parse(&text).unwrap();
            let all: Vec<String> = only_selection(&parsed)
                .unwrap()
                .iter()
                .map(|s| s.serialize().no_indent().to_string())
                .collect();
            assert_eq!(all, ["id", "author { login }"], "{given}");
        }
    }

    #[test]
    fn nothing_else_passes() {
        // `mutation { drop }` is the choice of a field that is called so; the schema refuses it.
        for given in [
            json!("{ id } mutation { drop }"),
            json!("id } mutation { drop"),
            json!("{ id } fragment F on X { id }"),
            json!("{}"),
            json!(5),
            json!(["id } x {"]),
            json!({ "a b": true }),
            json!({ "a": 5 }),
            json!([true]),
        ] {
            let refused = match text_of(&given) {
                Err(_) => true,
                Ok(text) => {
                    parse(&text).is_ok_and(|p| only_selection(&p).is_none())
                        || parse(&text).is_err()
                }
            };
            assert!(refused, "{given}");
        }
    }
}
