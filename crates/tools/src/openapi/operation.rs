//! One operation of a description to one tool.
//!
//! Everything broken inside an operation ends as a sentence; the caller lists it as a warning and
//! goes on with the next one.

use super::binding::{Location, Operation};
use super::closure::Closure;
use super::direction::Direction;
use super::halves;
use super::keywords;
use super::names;
use super::schema::Schemas;
use super::shared::TypeNames;
use super::{ImportOptions, Warnings, body, idempotency, parameters, responses, servers};
use domain::tool::{Risk, Tool};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Longest description of a tool, in characters.
const DESCRIPTION_CHARS_MAX: usize = 600;

const METHODS: [&str; 9] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace", "query",
];

/// An operation that is read but not yet named.
pub(crate) struct Draft {
    pub(crate) group: String,
    pub(crate) name: String,
    /// Set by [`names::settle`].
    pub(crate) path: String,
    pub(crate) template: String,
    pub(crate) method: String,
    description: String,
    risk: Risk,
    input: Value,
    output: Option<Value>,
    operation: Operation,
}

impl Draft {
    pub(crate) fn into_tool(
        mut self,
        options: &ImportOptions<'_>,
        names: &TypeNames,
        closure: &Closure,
    ) -> Tool {
        names.apply(&mut self.input);
        if let Some(output) = &mut self.output {
            names.apply(output);
        }
        let binding = serde_json::to_value(&self.operation)
            .expect("an operation is strings, numbers and maps with string keys");
        let mut tool = Tool {
            path: self.path,
            source_id: options.source_id.clone(),
            description: self.description,
            risk: self.risk,
            input_schema: self.input,
            output_schema: self.output,
            binding,
            digest: String::new(),
        };
        let schemas: Vec<&Value> = std::iter::once(&tool.input_schema)
            .chain(&tool.output_schema)
            .collect();
        tool.digest = tool.digest_of(&closure.digest(&schemas));
        tool
    }
}

/// Reads every operation of these paths; what is broken is left out with a warning. A path is let go
/// of as soon as its operations are read: in a large description they are most of what there is.
pub(crate) fn collect(
    paths: Map<String, Value>,
    options: &ImportOptions<'_>,
    base_url: &str,
    schemas: &mut Schemas<'_>,
    warnings: &mut Warnings,
) -> Vec<Draft> {
    let paths = paths.into_iter().filter(|(t, _)| !t.starts_with("x-"));
    let mut first: Vec<(String, Value)> = paths.collect();
    if !halves::worth(first.len()) {
        return of_paths(first, options, base_url, schemas, warnings);
    }
    let second = first.split_off(first.len() / 2);
    let mut beside = schemas.beside();
    let (mut drafts, (more, beside, also)) = halves::both(
        || of_paths(first, options, base_url, schemas, warnings),
        || {
            let mut also = Warnings::default();
            let more = of_paths(second, options, base_url, &mut beside, &mut also);
            (more, beside, also)
        },
    );
    drafts.extend(more);
    schemas.take(beside);
    warnings.take(also);
    drafts
}

fn of_paths(
    paths: Vec<(String, Value)>,
    options: &ImportOptions<'_>,
    base_url: &str,
    schemas: &mut Schemas<'_>,
    warnings: &mut Warnings,
) -> Vec<Draft> {
    let (document, mut drafts) = (schemas.document(), Vec::new());
    for (template, item) in paths {
        let item = match document.resolve(&item) {
            Ok(Value::Object(item)) => item,
            Ok(_) => {
                warnings.add(format!("`{template}` is left out: it is no object"));
                continue;
            }
            Err(problem) => {
                warnings.add(format!("`{template}` is left out: {problem}"));
                continue;
            }
        };
        for (method, operation) in operations(&template, item, warnings) {
            let place = Place {
                template: &template,
                method,
                item,
                operation,
            };
            let server = servers::override_of(
                [operation.get("servers"), item.get("servers")],
                base_url,
                options,
                warnings,
            );
            match draft(&place, server, schemas, warnings) {
                Ok(draft) => drafts.push(draft),
                Err(problem) => warnings.add(format!(
                    "`{} {template}` is left out: {problem}",
                    method.to_ascii_uppercase()
                )),
            }
        }
    }
    drafts
}

/// The operations of a path by method: those that OpenAPI names, and additional ones (3.2).
fn operations<'d>(
    template: &str,
    item: &'d Map<String, Value>,
    warnings: &mut Warnings,
) -> Vec<(&'d str, &'d Value)> {
    let named = METHODS.iter().filter_map(|m| item.get_key_value(*m));
    let mut found: Vec<(&str, &Value)> = named.map(|(m, o)| (m.as_str(), o)).collect();
    let more = item.get("additionalOperations").and_then(Value::as_object);
    for (method, operation) in more.into_iter().flatten() {
        let is_token =
            !method.is_empty() && method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
        let is_known = found.iter().any(|(m, _)| m.eq_ignore_ascii_case(method));
        if !is_token || is_known || method.eq_ignore_ascii_case("connect") {
            let shown: String = method.chars().take(40).collect();
            warnings.add(format!(
                "`{shown} {template}` is left out: that method cannot be sent"
            ));
        } else {
            found.push((method, operation));
        }
    }
    found
}

struct Place<'a, 'd> {
    template: &'a str,
    method: &'d str,
    item: &'d Map<String, Value>,
    operation: &'d Value,
}

fn draft(
    place: &Place<'_, '_>,
    server: Option<String>,
    schemas: &mut Schemas<'_>,
    warnings: &mut Warnings,
) -> Result<Draft, String> {
    let Some(operation) = place.operation.as_object() else {
        return Err("it is no object".to_owned());
    };
    let tag = operation
        .get("tags")
        .and_then(|t| t.get(0))
        .and_then(Value::as_str);
    let id = operation.get("operationId").and_then(Value::as_str);
    let method = place.method.to_ascii_uppercase();
    let mut arguments = Arguments::default();
    schemas.going(Direction::Input);
    let lists = [place.item.get("parameters"), operation.get("parameters")];
    let mut parameters =
        parameters::read(lists, place.template, schemas, &mut arguments, warnings)?;
    let mut bodies = match operation.get("requestBody") {
        Some(body) => body::read(body, schemas, &mut arguments, warnings)?,
        None => Vec::new(),
    };
    schemas.going(Direction::Output);
    let (output, accept) = responses::read(operation.get("responses"), schemas);
    let declared = idempotency::Declared {
        extensions: [operation, place.item],
        place: &format!("{method} {}", place.template),
    };
    let idempotency_key = match method.as_str() {
        "GET" | "HEAD" | "OPTIONS" => None,
        _ => declared.key(&mut parameters, &mut bodies, &mut arguments, warnings),
    };
    let mut bodies = bodies.into_iter();
    let description = description(operation, &method, place.template, warnings);
    Ok(Draft {
        group: names::group(tag),
        name: names::operation(id, tag)
            .unwrap_or_else(|| names::from_method_and_path(place.method, place.template)),
        path: String::new(),
        template: place.template.to_owned(),
        risk: match method.as_str() {
            "GET" | "HEAD" | "OPTIONS" => Risk::Read,
            "DELETE" => Risk::Destructive,
            _ => Risk::Write,
        },
        description,
        input: arguments.into_schema(),
        output,
        operation: Operation {
            path: place
                .template
                .split('#')
                .next()
                .unwrap_or_default()
                .to_owned(),
            method: method.clone(),
            server,
            parameters,
            body: bodies.next(),
            other_bodies: bodies.collect(),
            accept,
            idempotent: declared.idempotent(warnings),
            idempotency_key,
        },
        method,
    })
}

fn description(
    operation: &Map<String, Value>,
    method: &str,
    template: &str,
    warnings: &mut Warnings,
) -> String {
    let mut text = |key: &str| {
        let text = operation
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default();
        keywords::described(text, DESCRIPTION_CHARS_MAX, warnings)
    };
    let (summary, description) = (text("summary"), text("description"));
    let same = |a: &str, b: &str| {
        a.trim_end_matches('.')
            .eq_ignore_ascii_case(b.trim_end_matches('.'))
    };
    let mut whole = match (summary.as_str(), description.as_str()) {
        ("", "") => format!("{method} {template}"),
        ("", only) | (only, "") => only.to_owned(),
        (summary, description) if same(summary, description) => summary.to_owned(),
        (summary, description) => {
            let stop = if summary.ends_with(['.', '!', '?', '…']) {
                ""
            } else {
                "."
            };
            keywords::described(
                &format!("{summary}{stop} {description}"),
                DESCRIPTION_CHARS_MAX,
                warnings,
            )
        }
    };
    if operation.get("deprecated") == Some(&Value::Bool(true)) {
        whole.insert_str(0, "Deprecated. ");
    }
    whole
}

/// The flat arguments of one tool. Names are given away first come, first served; a later one
/// becomes `<in>_<name>`.
#[derive(Default)]
pub(crate) struct Arguments {
    properties: Map<String, Value>,
    required: Vec<String>,
    additional: Option<Value>,
}

impl Arguments {
    /// Adds an argument and says what it is called.
    pub(crate) fn add(
        &mut self,
        origin: &str,
        name: &str,
        schema: Value,
        required: bool,
    ) -> String {
        let mut arg = name.to_owned();
        if self.properties.contains_key(&arg) {
            arg = format!("{origin}_{name}");
        }
        let mut count = 1;
        while self.properties.contains_key(&arg) {
            count += 1;
            arg = format!("{origin}_{name}{count}");
        }
        self.properties.insert(arg.clone(), schema);
        if required {
            self.required.push(arg.clone());
        }
        arg
    }

    /// Lets an argument fit another schema too.
    pub(crate) fn widen(&mut self, arg: &str, schema: Value) {
        let Some(before) = self.properties.get_mut(arg) else {
            return;
        };
        if *before != schema {
            let narrow = std::mem::take(before);
            let description = narrow.get("description").cloned();
            *before = json!({ "anyOf": [narrow, schema] });
            if let Some(description) = description {
                before["description"] = description;
            }
        }
    }

    /// Says which arguments each form of the body needs; those that all of them need are required.
    pub(crate) fn of_forms(&mut self, forms: &[BTreeSet<String>]) {
        if let Some((first, others)) = forms.split_first() {
            let by_all = first
                .iter()
                .filter(|arg| others.iter().all(|o| o.contains(*arg)));
            self.required.extend(by_all.cloned());
        }
    }

    /// Lets an argument be left out, and says why.
    pub(crate) fn fill(&mut self, arg: &str, why: &str) {
        self.required.retain(|r| r != arg);
        let Some(schema) = self.properties.get_mut(arg).and_then(Value::as_object_mut) else {
            return;
        };
        let said = schema.get("description").and_then(Value::as_str);
        let text = said.map_or_else(|| why.to_owned(), |said| format!("{said} {why}"));
        schema.insert("description".to_owned(), text.into());
    }

    /// Lets arguments that are not listed pass, if they fit a schema.
    pub(crate) fn open(&mut self, schema: Value) {
        self.additional = Some(schema);
    }

    fn into_schema(mut self) -> Value {
        self.required.sort_unstable();
        let additional = self.additional.unwrap_or(Value::Bool(false));
        let mut schema = json!({ "type": "object", "properties": self.properties, "additionalProperties": additional });
        if !self.required.is_empty() {
            schema["required"] = json!(self.required);
        }
        schema
    }
}

/// Where an argument comes from, for its name on collision.
pub(crate) fn origin(location: Option<Location>) -> &'static str {
    location.map_or("body", Location::as_str)
}
