//! What a GraphQL server says about itself: the question in its newer and older wordings, and the
//! answer as SDL.
//!
//! The answer is the word of a stranger: names are checked, texts are quoted anew, and a default
//! value is taken over only if it is one value and nothing else.

use super::document::mentions_variable;
use crate::error::ImportError;
use crate::openapi::Warnings;
use apollo_compiler::Name;
use apollo_compiler::ast::{Definition, Document, Selection};
use apollo_compiler::parser::Parser;
use serde_json::Value;
use std::fmt::Write as _;

/// Deepest list or non-null wrapping of a type.
const WRAPPING_MAX: usize = 9;

/// Longest default value that is taken over, in bytes.
const DEFAULT_BYTES_MAX: usize = 4 << 10;

/// Scalars that every server has.
const BUILT_IN: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];

/// Directives that every server has, or that mean nothing in a document.
const BUILT_IN_DIRECTIVES: [&str; 5] = ["skip", "include", "deprecated", "specifiedBy", "oneOf"];

/// Where a directive may stand in a document.
const IN_DOCUMENTS: [&str; 7] = [
    "QUERY",
    "MUTATION",
    "FIELD",
    "FRAGMENT_DEFINITION",
    "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT",
    "VARIABLE_DEFINITION",
];

/// The editions of the language that a question is worded for, the newest first: a server refuses a
/// question about something it has never heard of.
pub(crate) const EDITIONS: [Edition; 3] = [Edition::Of2025, Edition::Of2021, Edition::Of2018];

/// An edition of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edition {
    /// With `isOneOf`.
    Of2025,
    /// With `specifiedByURL` and deprecated arguments.
    Of2021,
    /// What every server understands.
    Of2018,
}

/// The whole question.
pub(crate) fn question(edition: Edition) -> String {
    let (one_of, specified, with_old, old) = match edition {
        Edition::Of2025 => (
            "isOneOf",
            "specifiedByURL",
            "(includeDeprecated: true)",
            "isDeprecated deprecationReason",
        ),
        Edition::Of2021 => (
            "",
            "specifiedByURL",
            "(includeDeprecated: true)",
            "isDeprecated deprecationReason",
        ),
        Edition::Of2018 => ("", "", "", ""),
    };
    let mut reference = "kind name".to_owned();
    for _ in 0..WRAPPING_MAX {
        reference = format!("kind name ofType {{ {reference} }}");
    }
    format!(
        "query IntrospectionQuery {{ __schema {{ \
         queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }} \
         types {{ kind name description {specified} {one_of} \
         fields(includeDeprecated: true) {{ name description args{with_old} {{ ...Value }} \
         type {{ ...Reference }} isDeprecated deprecationReason }} \
         inputFields{with_old} {{ ...Value }} interfaces {{ name }} \
         enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} \
         possibleTypes {{ name }} }} \
         directives {{ name description locations args {{ ...Value }} }} }} }} \
         fragment Value on __InputValue {{ name description type {{ ...Reference }} defaultValue {old} }} \
         fragment Reference on __Type {{ {reference} }}"
    )
}

/// The schema of an answer, wrapped in `data` or not.
pub(crate) fn schema_of(root: &Value) -> Option<&Value> {
    let schema = root
        .pointer("/data/__schema")
        .or_else(|| root.get("__schema"))?;
    schema.get("types")?.is_array().then_some(schema)
}

/// An answer as SDL.
///
/// # Errors
/// It holds no schema.
pub(crate) fn to_sdl(root: &Value, warnings: &mut Warnings) -> Result<String, ImportError> {
    let schema = schema_of(root).ok_or_else(|| ImportError::NotGraphQl {
        found: "JSON without `__schema`, the answer to an introspection query".to_owned(),
    })?;
    let mut writer = Writer {
        text: "schema {".to_owned(),
        warnings,
    };
    for (operation, key) in [
        ("query", "queryType"),
        ("mutation", "mutationType"),
        ("subscription", "subscriptionType"),
    ] {
        if let Some(name) = schema.pointer(&format!("/{key}/name")).and_then(name_of) {
            writer.put(format_args!(" {operation}: {name}"));
        }
    }
    writer.put(format_args!(" }}\n"));
    for definition in list(schema, "types") {
        writer.definition(definition);
    }
    for directive in list(schema, "directives") {
        writer.directive(directive);
    }
    Ok(writer.text)
}

struct Writer<'w> {
    text: String,
    warnings: &'w mut Warnings,
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn name_of(value: &Value) -> Option<Name> {
    value.as_str().and_then(|text| Name::new(text).ok())
}

fn own_name(value: &Value) -> Option<Name> {
    value.get("name").and_then(name_of)
}

impl Writer<'_> {
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Cannot fail: it is written to a text.
        let _written = self.text.write_fmt(text);
    }

    fn describe(&mut self, value: &Value) {
        if let Some(text) = value.get("description").and_then(Value::as_str)
            && !text.is_empty()
        {
            let text = quoted(text);
            self.put(format_args!("{text} "));
        }
    }

    fn deprecation(&mut self, value: &Value) {
        if value.get("isDeprecated") != Some(&Value::Bool(true)) {
            return;
        }
        match value.get("deprecationReason").and_then(Value::as_str) {
            Some(reason) => {
                let reason = quoted(reason);
                self.put(format_args!(" @deprecated(reason: {reason})"));
            }
            None => self.put(format_args!(" @deprecated")),
        }
    }

    fn definition(&mut self, definition: &Value) {
        let Some(name) = own_name(definition) else {
            let told = definition.get("name").unwrap_or(&Value::Null).to_string();
            self.warnings
                .add(format!("a type called {told} is left out: that is no name"));
            return;
        };
        if name.starts_with("__") || BUILT_IN.contains(&name.as_str()) {
            return;
        }
        let kind = definition.get("kind").and_then(Value::as_str);
        let word = match kind {
            Some("SCALAR") => "scalar",
            Some("OBJECT") => "type",
            Some("INTERFACE") => "interface",
            Some("UNION") => "union",
            Some("ENUM") => "enum",
            Some("INPUT_OBJECT") => "input",
            Some(_) | None => {
                self.warnings.add(format!(
                    "the type `{name}` is left out: it has no known kind"
                ));
                return;
            }
        };
        self.describe(definition);
        self.put(format_args!("{word} {name}"));
        match word {
            "scalar" => self.specified_by(definition),
            "union" => self.names(" = ", " | ", list(definition, "possibleTypes")),
            "enum" => self.values(definition),
            "input" => {
                if definition.get("isOneOf") == Some(&Value::Bool(true)) {
                    self.put(format_args!(" @oneOf"));
                }
                self.inputs(" { ", list(definition, "inputFields"), " }");
            }
            _ => {
                self.names(" implements ", " & ", list(definition, "interfaces"));
                self.fields(definition);
            }
        }
        self.put(format_args!("\n"));
    }

    fn specified_by(&mut self, definition: &Value) {
        if let Some(url) = definition.get("specifiedByURL").and_then(Value::as_str) {
            let url = quoted(url);
            self.put(format_args!(" @specifiedBy(url: {url})"));
        }
    }

    fn names<'v>(&mut self, begin: &str, between: &str, values: impl Iterator<Item = &'v Value>) {
        for (i, name) in values.filter_map(own_name).enumerate() {
            let before = if i == 0 { begin } else { between };
            self.put(format_args!("{before}{name}"));
        }
    }

    fn values(&mut self, definition: &Value) {
        let mut begun = false;
        for value in list(definition, "enumValues") {
            // These three are no names of values in any edition.
            let Some(name) =
                own_name(value).filter(|n| !matches!(n.as_str(), "true" | "false" | "null"))
            else {
                continue;
            };
            self.put(format_args!("{} ", if begun { "" } else { " {" }));
            begun = true;
            self.describe(value);
            self.put(format_args!("{name}"));
            self.deprecation(value);
        }
        if begun {
            self.put(format_args!(" }}"));
        }
    }

    fn fields(&mut self, definition: &Value) {
        let mut begun = false;
        for field in list(definition, "fields") {
            let Some((name, ty)) = own_name(field).zip(reference(field.get("type"), 0)) else {
                let told = field.get("name").unwrap_or(&Value::Null).to_string();
                self.warnings.add(format!(
                    "a field called {told} is left out: its name or type is broken"
                ));
                continue;
            };
            self.put(format_args!("{} ", if begun { "" } else { " {" }));
            begun = true;
            self.describe(field);
            self.put(format_args!("{name}"));
            self.inputs("(", list(field, "args"), ")");
            self.put(format_args!(": {ty}"));
            self.deprecation(field);
        }
        if begun {
            self.put(format_args!(" }}"));
        }
    }

    fn inputs<'v>(&mut self, begin: &str, values: impl Iterator<Item = &'v Value>, end: &str) {
        let mut begun = false;
        for value in values {
            let Some((name, ty)) = own_name(value).zip(reference(value.get("type"), 0)) else {
                continue;
            };
            self.put(format_args!("{}", if begun { " " } else { begin }));
            begun = true;
            self.describe(value);
            self.put(format_args!("{name}: {ty}"));
            if let Some(text) = value.get("defaultValue").and_then(Value::as_str) {
                match one_value(text) {
                    Some(literal) => self.put(format_args!(" = {literal}")),
                    None => self.warnings.add(format!(
                        "the default of `{name}` is left out: it is not one GraphQL value"
                    )),
                }
            }
            self.deprecation(value);
        }
        if begun {
            self.put(format_args!("{end}"));
        }
    }

    fn directive(&mut self, directive: &Value) {
        let Some(name) = own_name(directive) else {
            return;
        };
        let places: Vec<&str> = list(directive, "locations")
            .filter_map(Value::as_str)
            .filter(|l| IN_DOCUMENTS.contains(l))
            .collect();
        if places.is_empty() || BUILT_IN_DIRECTIVES.contains(&name.as_str()) {
            return;
        }
        self.put(format_args!("directive @{name}"));
        self.inputs("(", list(directive, "args"), ")");
        let places = places.join(" | ");
        self.put(format_args!(" on {places}\n"));
    }
}

/// A type as it is written: `[Issue!]!`.
fn reference(value: Option<&Value>, depth: usize) -> Option<String> {
    let value = value?;
    if depth > WRAPPING_MAX {
        return None;
    }
    let inner = || reference(value.get("ofType"), depth + 1);
    match value.get("kind")?.as_str()? {
        "NON_NULL" => inner()
            .filter(|inner| !inner.ends_with('!'))
            .map(|inner| format!("{inner}!")),
        "LIST" => inner().map(|inner| format!("[{inner}]")),
        _ => own_name(value).map(|name| name.to_string()),
    }
}

/// A text as GraphQL writes it. JSON's escapes are among GraphQL's.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// A text that is one constant value and nothing else, written anew.
fn one_value(text: &str) -> Option<String> {
    if text.len() > DEFAULT_BYTES_MAX {
        return None;
    }
    let mut parser = Parser::new().token_limit(2_000).recursion_limit(50);
    let document: Document = parser
        .parse_ast(format!("{{ f(a: {text}\n) }}"), "default")
        .ok()?;
    let [Definition::OperationDefinition(operation)] = document.definitions.as_slice() else {
        return None;
    };
    let [Selection::Field(field)] = operation.selection_set.as_slice() else {
        return None;
    };
    let [argument] = field.arguments.as_slice() else {
        return None;
    };
    let alone = field.directives.0.is_empty()
        && field.selection_set.is_empty()
        && field.alias.is_none()
        && operation.directives.0.is_empty();
    (alone && !mentions_variable(&argument.value))
        .then(|| argument.value.serialize().no_indent().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_one_value() {
        for (text, expected) in [
            ("5", Some("5")),
            ("[OPEN, CLOSED]", Some("[OPEN, CLOSED]")),
            ("{a: {b: \"x\"}}", Some("{a: {b: \"x\"}}")),
            ("5 # a comment", Some("5")),
            ("5) g(a: 6", None),
            ("5) } mutation { drop", None),
            ("5, b: 6", None),
            ("5) @x", None),
            ("$v", None),
            ("[$v]", None),
            ("", None),
        ] {
            assert_eq!(one_value(text).as_deref(), expected, "{text}");
        }
        assert_eq!(one_value(&"[".repeat(3_000)), None);
    }
}
