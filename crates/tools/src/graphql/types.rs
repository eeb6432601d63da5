//! GraphQL's value types as JSON Schema: scalars, enumerations and input objects, the named ones once
//! for the whole source.
//!
//! A type keeps its name, unless TypeScript has that word for itself. A custom scalar is whatever its
//! server takes, but for those of which everybody means a text.

use super::schema::Schema;
use crate::openapi::Warnings;
use crate::openapi::lent::described;
use apollo_compiler::Node;
use apollo_compiler::ast::{DirectiveList, InputValueDefinition, Type, Value as Literal};
use apollo_compiler::schema::{EnumType, ExtendedType, InputObjectType, ScalarType};
use serde_json::{Map, Value, json};

/// Longest description of a type or argument, in characters.
const DESCRIPTION_CHARS_MAX: usize = 300;

/// Forms of an input object of which exactly one field is given; beyond it the fields are listed
/// once.
const ONE_OF_MAX: usize = 50;

/// Words that cannot name a type in TypeScript.
const TAKEN: [&str; 15] = [
    "any",
    "bigint",
    "boolean",
    "never",
    "null",
    "number",
    "object",
    "string",
    "symbol",
    "undefined",
    "unknown",
    "void",
    "Input",
    "Output",
    "Tool",
];

/// Scalars that are texts wherever they are found, in small letters.
const TEXTS: [&str; 22] = [
    "base64string",
    "date",
    "datetime",
    "duration",
    "email",
    "emailaddress",
    "gitobjectid",
    "gitrefname",
    "gitsshremote",
    "gittimestamp",
    "html",
    "isodatetime",
    "localdate",
    "localtime",
    "markdown",
    "precisedatetime",
    "time",
    "uri",
    "url",
    "uuid",
    "x509certificate",
    "zoneddatetime",
];

/// Makes the schemas and keeps the named ones.
pub(crate) struct Types<'s> {
    schema: &'s Schema,
    definitions: Map<String, Value>,
    warnings: &'s mut Warnings,
}

impl<'s> Types<'s> {
    pub(crate) fn new(schema: &'s Schema, warnings: &'s mut Warnings) -> Self {
        Self {
            schema,
            definitions: Map::new(),
            warnings,
        }
    }

    /// The named schemas, in order of name.
    pub(crate) fn finish(mut self) -> Map<String, Value> {
        self.definitions.sort_keys();
        self.definitions
    }

    /// A description fit to be shown.
    pub(crate) fn text(&mut self, text: Option<&Node<str>>, chars_max: usize) -> String {
        text.map(|text| described(text, chars_max, self.warnings))
            .unwrap_or_default()
    }

    /// The values of a type, `null` included where it may be.
    pub(crate) fn of(&mut self, ty: &Type) -> Value {
        match ty {
            Type::NonNullNamed(name) => self.named(name),
            Type::Named(name) => nullable(self.named(name)),
            Type::NonNullList(item) => json!({ "type": "array", "items": self.of(item) }),
            Type::List(item) => nullable(json!({ "type": "array", "items": self.of(item) })),
        }
    }

    fn named(&mut self, name: &str) -> Value {
        match name {
            "Int" => return json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
            "Float" => return json!({ "type": "number" }),
            "String" => return json!({ "type": "string" }),
            "Boolean" => return json!({ "type": "boolean" }),
            "ID" => return json!({ "type": ["string", "integer"] }),
            _ => {}
        }
        let key = definition_name(self.schema, name);
        let reference = json!({ "$ref": format!("#/$defs/{key}") });
        if self.definitions.contains_key(&key) {
            return reference;
        }
        // Known from here on: an input object may hold itself.
        self.definitions.insert(key.clone(), Value::Null);
        let schema = match self.schema.get(name) {
            Some(ExtendedType::Scalar(scalar)) => self.scalar(scalar),
            Some(ExtendedType::Enum(values)) => self.enumeration(values),
            Some(ExtendedType::InputObject(input)) => self.input(input),
            Some(ExtendedType::Object(_) | ExtendedType::Interface(_) | ExtendedType::Union(_))
            | None => json!({}),
        };
        self.definitions.insert(key, schema);
        reference
    }

    fn scalar(&mut self, scalar: &ScalarType) -> Value {
        let mut text = self.text(scalar.description.as_ref(), DESCRIPTION_CHARS_MAX);
        let link = scalar
            .directives
            .get("specifiedBy")
            .and_then(|d| d.specified_argument_by_name("url")?.as_str())
            .filter(|url| url.starts_with("https://"));
        if let Some(link) = link {
            text = format!("{text} See {link}.").trim().to_owned();
        }
        let mut schema = json!({});
        if TEXTS.contains(&scalar.name.to_ascii_lowercase().as_str()) {
            schema["type"] = "string".into();
        }
        with_description(schema, text)
    }

    fn enumeration(&mut self, values: &EnumType) -> Value {
        let all: Vec<&str> = values.values.keys().map(|v| v.as_str()).collect();
        let text = self.text(values.description.as_ref(), DESCRIPTION_CHARS_MAX);
        let schema = match all.is_empty() {
            true => json!({ "type": "string" }),
            false => json!({ "type": "string", "enum": all }),
        };
        with_description(schema, text)
    }

    fn input(&mut self, input: &InputObjectType) -> Value {
        let text = self.text(input.description.as_ref(), DESCRIPTION_CHARS_MAX);
        let one_of = input.directives.has("oneOf");
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, field) in &input.fields {
            let schema = match one_of {
                // What is given is given with a value.
                true => self.argument_of(field, &field.ty.as_ref().clone().non_null()),
                false => self.argument(field),
            };
            properties.insert(name.to_string(), schema);
            if field.is_required() {
                required.push(name.as_str());
            }
        }
        let schema = match one_of {
            true if properties.len() <= ONE_OF_MAX => {
                let forms: Vec<Value> = properties
                    .iter()
                    .map(|(name, schema)| {
                        let schema = schema.clone();
                        object(Map::from_iter([(name.clone(), schema)]), &[name])
                    })
                    .collect();
                json!({ "anyOf": forms })
            }
            true => {
                let mut schema = object(properties, &[]);
                schema["minProperties"] = 1.into();
                schema["maxProperties"] = 1.into();
                schema
            }
            false => object(properties, &required),
        };
        with_description(schema, text)
    }

    /// The values of one argument or input field, with what is said about it.
    pub(crate) fn argument(&mut self, value: &InputValueDefinition) -> Value {
        self.argument_of(value, &value.ty)
    }

    fn argument_of(&mut self, value: &InputValueDefinition, ty: &Type) -> Value {
        let mut schema = self.of(ty);
        let text = self.text(value.description.as_ref(), DESCRIPTION_CHARS_MAX);
        if deprecation(&value.directives).is_some() {
            schema["deprecated"] = true.into();
        }
        if let Some(default) = value.default_value.as_ref().and_then(|d| constant(d)) {
            schema["default"] = default;
        }
        with_description(schema, text)
    }
}

/// An object of these fields and no others.
pub(crate) fn object(properties: Map<String, Value>, required: &[&str]) -> Value {
    let mut schema =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

pub(crate) fn with_description(mut schema: Value, text: String) -> Value {
    if !text.is_empty() {
        schema["description"] = text.into();
    }
    schema
}

/// The same values, and `null`.
pub(crate) fn nullable(mut schema: Value) -> Value {
    match schema.get_mut("type") {
        Some(Value::Array(kinds)) => {
            kinds.push("null".into());
            schema
        }
        Some(kind) => {
            *kind = json!([kind.take(), "null"]);
            schema
        }
        None => match schema.as_object().is_some_and(Map::is_empty) {
            true => schema,
            false => json!({ "anyOf": [schema, { "type": "null" }] }),
        },
    }
}

/// What a type is called among the definitions.
fn definition_name(schema: &Schema, name: &str) -> String {
    let mut key = name.to_owned();
    while TAKEN.contains(&key.as_str()) || (key != name && schema.get(&key).is_some()) {
        key.push('_');
    }
    key
}

/// Why something should not be used any more; empty if nobody says why.
pub(crate) fn deprecation(directives: &DirectiveList) -> Option<&str> {
    let directive = directives.get("deprecated")?;
    let reason = directive.specified_argument_by_name("reason");
    Some(reason.and_then(|r| r.as_str()).unwrap_or_default())
}

/// A literal as JSON. Numbers that JSON readers cannot hold exactly become texts, which no rule
/// mistakes for a number.
pub(crate) fn constant(literal: &Literal) -> Option<Value> {
    with_variables(literal, &|_| None)
}

/// A literal as JSON, with the values of variables; none where a variable has none.
pub(crate) fn with_variables(
    literal: &Literal,
    variable: &dyn Fn(&str) -> Option<Value>,
) -> Option<Value> {
    Some(match literal {
        Literal::Null => Value::Null,
        Literal::Enum(name) => Value::String(name.to_string()),
        Literal::Variable(name) => return variable(name),
        Literal::String(text) => Value::String(text.clone()),
        Literal::Float(number) => exact(number.as_str()),
        Literal::Int(number) => exact(number.as_str()),
        Literal::Boolean(yes) => Value::Bool(*yes),
        Literal::List(items) => items
            .iter()
            .map(|item| with_variables(item, variable).unwrap_or(Value::Null))
            .collect(),
        Literal::Object(fields) => fields
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), with_variables(value, variable)?)))
            .collect(),
    })
}

fn exact(text: &str) -> Value {
    let whole = text.parse::<i64>().map(Value::from);
    let whole = whole.or_else(|_| text.parse::<u64>().map(Value::from));
    let is_whole = !text.contains(['.', 'e', 'E']);
    match whole {
        Ok(number) => number,
        Err(_) if is_whole => Value::String(text.to_owned()),
        Err(_) => text
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}
