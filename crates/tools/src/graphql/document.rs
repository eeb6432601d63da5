//! Whole documents: read, checked against the schema, and seen as the root fields that run.
//!
//! What is judged is what is sent: of the text nothing goes out but the operation that runs and the
//! fragments it uses, written anew from what was read here. So no other reader can make something
//! else of it. Nothing is let through that could not be read to the end.

use super::binding::Operation;
use super::loaded::Loaded;
use super::types::{constant, with_variables};
use super::values;
use super::walk::{Counter, Fragments, Problem, roots, unknown_fields};
use apollo_compiler::Node;
use apollo_compiler::ast::{Document, Field, OperationDefinition, Value as Literal};
use apollo_compiler::parser::Parser;
use apollo_compiler::validation::DiagnosticList;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Longest document, in bytes.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// Most tokens of a document.
const TOKENS_MAX: usize = 20_000;

/// Deepest nesting of its text, values included.
const NESTING_MAX: usize = 100;

/// Most root fields of the operation that runs.
const ROOTS_MAX: usize = 50;

/// Problems that are named.
const PROBLEMS_MAX: usize = 10;

/// A document that can be sent.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) operation: Operation,
    /// The operation and its fragments, written anew.
    pub(crate) text: String,
    pub(crate) name: Option<String>,
    /// What it does, in the order of the text.
    pub(crate) roots: Vec<Root>,
}

/// One root field that runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Root {
    pub(crate) field: String,
    /// Its arguments as the server will see them.
    pub(crate) arguments: Value,
}

/// What is known of a document's variables.
#[derive(Clone, Copy)]
pub(crate) enum Variables<'v> {
    /// All of them.
    Given(&'v Map<String, Value>),
    /// Nothing yet: the program has not run.
    Unknown,
}

/// What is wrong, with the argument that it is about.
pub(crate) type Wrong = (String, Problem);

/// Reads a document.
///
/// # Errors
/// Everything that is wrong with it, as far as it can be told at once.
pub(crate) fn read(
    loaded: &Loaded,
    query: &str,
    operation_name: Option<&str>,
    variables: Variables<'_>,
) -> Result<Reading, Vec<Wrong>> {
    let in_query = |problem: Problem| vec![("query".to_owned(), problem)];
    let parsed = parse(query).map_err(about_query)?;
    let (operations, fragments) = parts(&parsed).map_err(in_query)?;
    let chosen = choose(&operations, operation_name)?;
    let operation = Operation::of(chosen.operation_type).ok_or_else(|| {
        in_query(Problem::new(
            "subscriptions are not called here, because they do not end; ask with a query",
        ))
    })?;
    let root = loaded.schema.root(operation.kind()).ok_or_else(|| {
        let text = format!("this API has no {} operations", operation.as_str());
        in_query(Problem::new(text))
    })?;
    let mut counter = Counter::new(&fragments);
    counter.count(&chosen.selection_set, 1).map_err(in_query)?;
    let used = counter.used();
    let mut unknown = Vec::new();
    let sources = &parsed.sources;
    unknown_fields(
        &loaded.schema,
        root,
        &chosen.selection_set,
        sources,
        &mut unknown,
    );
    for name in &used {
        let fragment = fragments[name];
        let of = &fragment.type_condition;
        unknown_fields(
            &loaded.schema,
            of,
            &fragment.selection_set,
            sources,
            &mut unknown,
        );
    }
    if !unknown.is_empty() {
        unknown.truncate(PROBLEMS_MAX);
        return Err(about_query(unknown));
    }
    let sent = sendable(&parsed, chosen, &used);
    valid(loaded, &sent).map_err(about_query)?;
    if let Variables::Given(given) = variables {
        check_variables(loaded, chosen, given)?;
    }
    let mut fields = Vec::new();
    roots(
        &chosen.selection_set,
        &fragments,
        &mut BTreeSet::new(),
        &mut fields,
    );
    if fields.len() > ROOTS_MAX {
        return Err(in_query(Problem::new(format!(
            "it runs {} root fields; {ROOTS_MAX} is the limit",
            fields.len()
        ))));
    }
    let roots = fields
        .into_iter()
        .filter(|field| !field.name.starts_with("__"))
        .map(|field| root_of(loaded, (root, field), chosen, variables))
        .collect();
    Ok(Reading {
        operation,
        text: written(&sent).map_err(in_query)?,
        name: chosen.name.as_ref().map(ToString::to_string),
        roots,
    })
}

fn about_query(all: Vec<Problem>) -> Vec<Wrong> {
    all.into_iter().map(|p| ("query".to_owned(), p)).collect()
}

/// Reads the text alone.
pub(crate) fn parse(text: &str) -> Result<Document, Vec<Problem>> {
    if text.len() > TEXT_BYTES_MAX {
        let text = format!("it is longer than {TEXT_BYTES_MAX} bytes, which is the limit");
        return Err(vec![Problem::new(text)]);
    }
    let mut parser = Parser::new()
        .token_limit(TOKENS_MAX)
        .recursion_limit(NESTING_MAX);
    parser
        .parse_ast(text, "document")
        .map_err(|failed| told(&failed.errors))
}

/// The library's words for what is wrong, with places.
pub(crate) fn told(errors: &DiagnosticList) -> Vec<Problem> {
    errors
        .iter()
        .take(PROBLEMS_MAX)
        .map(|problem| {
            let place = problem.line_column_range().map(|r| r.start);
            Problem::new(format!("{}{}", super::schema::at(place), problem.error))
        })
        .collect()
}

type Parts<'d> = (Vec<&'d Node<OperationDefinition>>, Fragments<'d>);

/// Operations and fragments; each name once, and nothing else in between.
fn parts(document: &Document) -> Result<Parts<'_>, Problem> {
    let mut operations: Vec<&Node<OperationDefinition>> = Vec::new();
    let mut fragments = Fragments::new();
    for definition in &document.definitions {
        if let Some(operation) = definition.as_operation_definition() {
            let same = |o: &&Node<OperationDefinition>| o.name == operation.name;
            if operations.iter().any(same) {
                let name = operation.name.as_ref().map_or("", |n| n.as_str());
                return Err(Problem::new(format!(
                    "there are two operations called `{name}`"
                )));
            }
            operations.push(operation);
        } else if let Some(fragment) = definition.as_fragment_definition() {
            if fragments.insert(&fragment.name, fragment).is_some() {
                return Err(Problem::new(format!(
                    "there are two fragments called `{}`",
                    fragment.name
                )));
            }
        } else {
            let name = definition.name().map_or("a schema", |n| n.as_str());
            return Err(Problem::new(format!(
                "it defines `{name}`; a document to run holds operations and fragments"
            )));
        }
    }
    Ok((operations, fragments))
}

/// The operation that runs.
fn choose<'d>(
    operations: &[&'d Node<OperationDefinition>],
    name: Option<&str>,
) -> Result<&'d Node<OperationDefinition>, Vec<Wrong>> {
    let wrong = |argument: &str, text: String| Err(vec![(argument.to_owned(), Problem::new(text))]);
    let known = || {
        let names = operations.iter().map(|o| match &o.name {
            Some(name) => format!("`{name}`"),
            None => "one without a name".to_owned(),
        });
        names.collect::<Vec<_>>().join(", ")
    };
    match (name, operations) {
        (_, []) => wrong("query", "it holds no operation".to_owned()),
        (None, [only]) => Ok(only),
        (None, _) => wrong(
            "operationName",
            format!("is needed: the document holds {}", known()),
        ),
        (Some(name), _) => {
            let found = operations
                .iter()
                .find(|o| o.name.as_ref().is_some_and(|n| n == name));
            match found {
                Some(found) => Ok(found),
                None => wrong(
                    "operationName",
                    format!("`{name}` is not in the document, which holds {}", known()),
                ),
            }
        }
    }
}

/// What goes out: the operation and the fragments that it uses.
fn sendable(
    parsed: &Document,
    chosen: &Node<OperationDefinition>,
    used: &BTreeSet<&str>,
) -> Document {
    let definitions = parsed.definitions.iter().filter(|d| {
        d.as_operation_definition().is_some_and(|o| o == chosen)
            || d.as_fragment_definition()
                .is_some_and(|f| used.contains(f.name.as_str()))
    });
    Document {
        sources: parsed.sources.clone(),
        definitions: definitions.cloned().collect(),
    }
}

/// The rules of the language, against the schema.
pub(crate) fn valid(loaded: &Loaded, document: &Document) -> Result<(), Vec<Problem>> {
    match document.to_executable_validate(loaded.schema.inner()) {
        Ok(_) => Ok(()),
        Err(failed) => Err(told(&failed.errors)),
    }
}

/// The text that is sent. It must read back as what was judged.
fn written(sent: &Document) -> Result<String, Problem> {
    let text = sent.serialize().no_indent().to_string();
    let same = parse(&text).is_ok_and(|back| back.definitions == sent.definitions);
    match same {
        true => Ok(text),
        false => Err(Problem::new(
            "it cannot be written so that it reads the same; write it more plainly",
        )),
    }
}

fn check_variables(
    loaded: &Loaded,
    operation: &OperationDefinition,
    given: &Map<String, Value>,
) -> Result<(), Vec<Wrong>> {
    let mut wrong: Vec<(String, String)> = Vec::new();
    let known = || operation.variables.iter().map(|v| v.name.as_str());
    for name in given
        .keys()
        .filter(|name| !known().any(|k| k == name.as_str()))
    {
        let near = crate::nearest::nearest(name, known());
        let near = near.map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
        wrong.push((
            format!("variables.{name}"),
            format!("is not a variable of the operation{near}"),
        ));
    }
    for variable in &operation.variables {
        let path = format!("variables.{}", variable.name);
        match given.get(variable.name.as_str()) {
            Some(value) => {
                values::check(&loaded.schema, &variable.ty, value, &path, &mut wrong);
            }
            None if variable.ty.is_non_null() && variable.default_value.is_none() => {
                wrong.push((path, "is missing".to_owned()));
            }
            None => {}
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let named = wrong.into_iter().take(PROBLEMS_MAX);
    Err(named
        .map(|(path, text)| (path, Problem::new(text)))
        .collect())
}

/// What a variable stands for.
fn value_of(
    operation: &OperationDefinition,
    given: &Map<String, Value>,
    name: &str,
) -> Option<Value> {
    given.get(name).cloned().or_else(|| {
        let variable = operation.variables.iter().find(|v| v.name == name)?;
        constant(variable.default_value.as_ref()?)
    })
}

fn root_of(
    loaded: &Loaded,
    (root, field): (&str, &Field),
    operation: &OperationDefinition,
    variables: Variables<'_>,
) -> Root {
    let mut arguments = Map::new();
    let definition = loaded.schema.field(root, &field.name);
    for argument in definition.iter().flat_map(|d| &d.arguments) {
        let given = field.arguments.iter().find(|a| a.name == argument.name);
        let default = || argument.default_value.as_ref().and_then(|d| constant(d));
        let value = match (given, variables) {
            (None, _) => default(),
            (Some(given), Variables::Unknown) if mentions_variable(&given.value) => None,
            (Some(given), Variables::Unknown) => constant(&given.value),
            (Some(given), Variables::Given(values)) => {
                let value = with_variables(&given.value, &|v| value_of(operation, values, v));
                // A variable without a value leaves the argument out.
                value.or_else(default)
            }
        };
        if let Some(value) = value {
            let value = values::finished(&loaded.schema, &argument.ty, value, 0);
            arguments.insert(argument.name.to_string(), value);
        }
    }
    Root {
        field: field.name.to_string(),
        arguments: Value::Object(arguments),
    }
}

/// Whether a literal depends on a variable.
pub(crate) fn mentions_variable(literal: &Literal) -> bool {
    match literal {
        Literal::Variable(_) => true,
        Literal::List(items) => items.iter().any(|v| mentions_variable(v)),
        Literal::Object(fields) => fields.iter().any(|(_, v)| mentions_variable(v)),
        Literal::Null
        | Literal::Enum(_)
        | Literal::String(_)
        | Literal::Float(_)
        | Literal::Int(_)
        | Literal::Boolean(_) => false,
    }
}
