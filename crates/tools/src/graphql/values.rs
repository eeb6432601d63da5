//! Values as the server will understand them: checked against their type, and made into what the
//! field will see. What a rule is tried on is this final value, not how it was written.

use super::schema::Schema;
use super::types::constant;
use apollo_compiler::ast::Type;
use apollo_compiler::schema::{ExtendedType, InputObjectType};
use serde_json::{Map, Value};

/// How deep defaults are put into defaults: a schema may have them go round in circles.
const DEPTH_MAX: usize = 24;

/// The final value: single values in lists where a list is meant, identifiers as text, fields that
/// are left out with their defaults.
pub(crate) fn finished(schema: &Schema, ty: &Type, value: Value, depth: usize) -> Value {
    if value.is_null() || depth > DEPTH_MAX {
        return value;
    }
    let name = match ty {
        Type::List(item) | Type::NonNullList(item) => {
            let items = if let Value::Array(items) = value {
                items
            } else {
                vec![value]
            };
            return items
                .into_iter()
                .map(|v| finished(schema, item, v, depth + 1))
                .collect();
        }
        Type::Named(name) | Type::NonNullNamed(name) => name,
    };
    match (schema.get(name), value) {
        (Some(ExtendedType::Scalar(_)), Value::Number(number)) if name == "ID" => {
            Value::String(number.to_string())
        }
        (Some(ExtendedType::InputObject(input)), Value::Object(given)) => {
            Value::Object(with_defaults(schema, input, given, depth))
        }
        (_, value) => value,
    }
}

fn with_defaults(
    schema: &Schema,
    input: &InputObjectType,
    mut given: Map<String, Value>,
    depth: usize,
) -> Map<String, Value> {
    for (name, field) in &input.fields {
        let value = given.remove(name.as_str());
        let value = value.or_else(|| constant(field.default_value.as_ref()?));
        if let Some(value) = value {
            let value = finished(schema, &field.ty, value, depth + 1);
            given.insert(name.to_string(), value);
        }
    }
    given
}

/// Says what is wrong with the value of a variable; each part with its path.
pub(crate) fn check(
    schema: &Schema,
    ty: &Type,
    value: &Value,
    path: &str,
    wrong: &mut Vec<(String, String)>,
) {
    if value.is_null() {
        if ty.is_non_null() {
            wrong.push((path.to_owned(), format!("must be `{ty}`, got null")));
        }
        return;
    }
    let name = match ty {
        Type::List(item) | Type::NonNullList(item) => {
            if let Value::Array(items) = value {
                for (i, item_value) in items.iter().enumerate() {
                    check(schema, item, item_value, &format!("{path}[{i}]"), wrong);
                }
            } else {
                check(schema, item, value, path, wrong);
            }
            return;
        }
        Type::Named(name) | Type::NonNullNamed(name) => name,
    };
    let fits = match schema.get(name) {
        Some(ExtendedType::Enum(values)) => value
            .as_str()
            .is_some_and(|text| values.values.contains_key(text)),
        Some(ExtendedType::InputObject(input)) => {
            if let Value::Object(given) = value {
                check_fields(schema, input, given, path, wrong);
            }
            value.is_object()
        }
        Some(
            ExtendedType::Scalar(_)
            | ExtendedType::Object(_)
            | ExtendedType::Interface(_)
            | ExtendedType::Union(_),
        )
        | None => scalar_fits(name, value),
    };
    if !fits {
        let shown: String = value.to_string().chars().take(40).collect();
        wrong.push((path.to_owned(), format!("must be `{ty}`, got {shown}")));
    }
}

fn scalar_fits(name: &str, value: &Value) -> bool {
    match name {
        "Int" => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        "Float" => value.is_number(),
        "String" => value.is_string(),
        "Boolean" => value.is_boolean(),
        "ID" => value.is_string() || value.is_i64() || value.is_u64(),
        _ => true,
    }
}

fn check_fields(
    schema: &Schema,
    input: &InputObjectType,
    given: &Map<String, Value>,
    path: &str,
    wrong: &mut Vec<(String, String)>,
) {
    for name in given.keys() {
        if !input.fields.contains_key(name.as_str()) {
            let known = input.fields.keys().map(|k| k.as_str());
            let near = crate::nearest::nearest(name, known);
            let near = near.map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
            wrong.push((format!("{path}.{name}"), format!("is unknown{near}")));
        }
    }
    for (name, field) in &input.fields {
        match given.get(name.as_str()) {
            Some(value) => check(schema, &field.ty, value, &format!("{path}.{name}"), wrong),
            None if field.is_required() => {
                wrong.push((format!("{path}.{name}"), "is missing".to_owned()));
            }
            None => {}
        }
    }
    if input.directives.has("oneOf") && given.values().filter(|v| !v.is_null()).count() != 1 {
        wrong.push((
            path.to_owned(),
            format!("must have exactly one of the fields of `{}`", input.name),
        ));
    }
}
