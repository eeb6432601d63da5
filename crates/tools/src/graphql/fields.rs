//! The fields of the root types as tools, and the one tool that takes whole documents.

use super::binding::{Binding, Field, Operation, Selected};
use super::schema::Schema;
use super::selection;
use super::types::{Types, deprecation, object, with_description};
use crate::openapi::lent::{Closure, segment, words};
use crate::openapi::{ImportOptions, Warnings};
use apollo_compiler::ast::FieldDefinition;
use domain::tool::{Risk, Tool, fold_path};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Longest description of a tool, in characters.
const DESCRIPTION_CHARS_MAX: usize = 600;

/// Longest default selection that is shown in the description of `select`, in characters.
const SELECTION_CHARS_MAX: usize = 160;

/// The last segment of the tool that takes documents.
pub(crate) const DOCUMENT: &str = "graphql";

/// What a schema yields.
pub(crate) struct Collected {
    pub(crate) tools: Vec<Tool>,
    pub(crate) definitions: Map<String, Value>,
}

/// Every root field as a tool, in order of path.
pub(crate) fn collect(
    schema: &Schema,
    options: &ImportOptions<'_>,
    warnings: &mut Warnings,
) -> Collected {
    let mut types = Types::new(schema, warnings);
    let mut tools = Vec::new();
    for operation in Operation::ALL {
        let Some(root) = schema.root(operation.kind()) else {
            continue;
        };
        let fields = schema.fields(root);
        let names = settled(fields.iter().map(|f| f.name.as_str()));
        for field in fields {
            let path = format!(
                "{}.{}.{}",
                options.name,
                operation.as_str(),
                names[field.name.as_str()]
            );
            tools.push(tool(path, operation, field, schema, &mut types, options));
        }
    }
    tools.push(document(schema, options));
    let definitions = types.finish();
    let closure = Closure::new(&definitions);
    for tool in &mut tools {
        let schemas: Vec<&Value> = std::iter::once(&tool.input_schema)
            .chain(&tool.output_schema)
            .collect();
        tool.digest = tool.digest_of(&closure.digest(&schemas));
    }
    tools.sort_by(|a, b| a.path.cmp(&b.path));
    Collected { tools, definitions }
}

/// A segment for each name, in camelCase. Names that come to the same are numbered in their own
/// order, so none depends on where it stands in the document.
fn settled<'n>(names: impl Iterator<Item = &'n str>) -> BTreeMap<&'n str, String> {
    let names: BTreeSet<&str> = names.collect();
    let mut taken = BTreeSet::new();
    let mut found = BTreeMap::new();
    for name in names {
        let plain = match segment(&words(name)) {
            empty if empty.is_empty() => "field".to_owned(),
            plain => plain,
        };
        let mut count = 1;
        let mut given = plain.clone();
        while !taken.insert(fold_path(&given)) {
            count += 1;
            given = format!("{plain}{count}");
        }
        found.insert(name, given);
    }
    found
}

fn tool(
    path: String,
    operation: Operation,
    field: &FieldDefinition,
    schema: &Schema,
    types: &mut Types<'_>,
    options: &ImportOptions<'_>,
) -> Tool {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut arguments = BTreeMap::new();
    for argument in &field.arguments {
        properties.insert(argument.name.to_string(), types.argument(argument));
        arguments.insert(argument.name.to_string(), argument.ty.to_string());
        if argument.is_required() {
            required.push(argument.name.as_str());
        }
    }
    let (selection, output) = selection::default(schema, types, &field.ty);
    let selection = selection.map(|text| {
        let mut argument = "select".to_owned();
        while properties.contains_key(&argument) {
            argument.insert(0, '_');
        }
        properties.insert(argument.clone(), select(field, &text));
        Selected { text, argument }
    });
    let mut description = types.text(field.description.as_ref(), DESCRIPTION_CHARS_MAX);
    if description.is_empty() {
        description = format!("{} {}: {}", operation.as_str(), field.name, field.ty);
    }
    if let Some(reason) = deprecation(&field.directives) {
        let reason = types.text(Some(&reason.into()), DESCRIPTION_CHARS_MAX);
        description = format!("Deprecated. {reason} {description}").replace("  ", " ");
    }
    Tool {
        path,
        source_id: options.source_id.clone(),
        description,
        risk: operation.risk(),
        input_schema: object(properties, &required),
        output_schema: Some(output),
        binding: stored(&Binding::Field(Field {
            operation,
            name: field.name.to_string(),
            arguments,
            selection,
        })),
        digest: String::new(),
    }
}

fn stored(binding: &Binding) -> Value {
    serde_json::to_value(binding).expect("a binding is strings and maps with string keys")
}

fn select(field: &FieldDefinition, default: &str) -> Value {
    let shown: String = default.chars().take(SELECTION_CHARS_MAX).collect();
    let more = if shown.len() < default.len() {
        "…"
    } else {
        ""
    };
    let text = format!(
        "Which fields of {} to return: a GraphQL selection, a list of names, or an object. \
         Default: `{shown}{more}`",
        field.ty.inner_named_type()
    );
    with_description(json!({ "type": ["string", "array", "object"] }), text)
}

/// The tool that takes whole documents.
fn document(schema: &Schema, options: &ImportOptions<'_>) -> Tool {
    let writes = schema.root(Operation::Mutation.kind()).is_some();
    let text = |text: &str| json!({ "type": "string", "description": text });
    let input = object(
        Map::from_iter([
            (
                "query".to_owned(),
                text("The document. Only the operation that runs is sent, with its fragments."),
            ),
            (
                "variables".to_owned(),
                json!({ "type": ["object", "null"], "description": "Values of its variables." }),
            ),
            (
                "operationName".to_owned(),
                json!({ "type": ["string", "null"], "description": "Which operation runs, if there are several." }),
            ),
        ]),
        &["query"],
    );
    let query = Operation::Query.as_str();
    Tool {
        path: format!("{}.{DOCUMENT}", options.name),
        source_id: options.source_id.clone(),
        description: format!(
            "Runs a GraphQL document with fields, arguments and fragments of your choice, and gives \
             its `data`. Policy judges it as every root field that it runs, as if each were called \
             as {0}.{query}.… or {0}.{1}.…. Introspection (`__schema`, `__type`) tells which fields \
             there are.",
            options.name,
            Operation::Mutation.as_str()
        ),
        risk: if writes { Risk::Write } else { Risk::Read },
        input_schema: input,
        output_schema: None,
        binding: stored(&Binding::Document {
            schema: schema.to_compact(),
        }),
        digest: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_depend_on_the_order() {
        let all = ["user_by_pk", "userByPk", "_", "__", "then", "2x", "URLFor"];
        let forward = settled(all.into_iter());
        let backward = settled(all.into_iter().rev());
        assert_eq!(forward, backward);
        assert_eq!(forward["userByPk"], "userByPk");
        assert_eq!(forward["user_by_pk"], "userByPk2");
        assert_eq!(forward["_"], "field");
        assert_eq!(forward["then"], "then_");
        assert_eq!(forward["URLFor"], "urlFor");
    }
}
