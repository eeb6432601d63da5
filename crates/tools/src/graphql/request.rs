//! The exact bytes of a GraphQL call, made from its arguments and without any credential.
//!
//! Only the arguments that were given become variables, so what a reviewer reads is what was asked
//! and no more. The address is the source's own and nothing else.

use super::binding::{Binding, Field};
use super::document::{self, Variables};
use super::loaded::Loaded;
use super::{refused, select};
use crate::catalog::SourceTools;
use crate::request::Prepared;
use domain::tool::{Tool, ToolError, ToolErrorCode};
use serde_json::{Map, Value, json};
use url::Url;

/// What servers of every age answer with.
const ACCEPT: &str = "application/graphql-response+json, application/json;q=0.9";

/// Makes the request of a call whose arguments were checked.
///
/// # Errors
/// As [`crate::prepare`].
pub(crate) fn prepare(
    binding: &Binding,
    tool: &Tool,
    source: &SourceTools,
    args: &Value,
) -> Result<Prepared, ToolError> {
    let body = match binding {
        Binding::Field(field) => field_body(field, tool, source, args)?,
        Binding::Document { .. } => document_body(tool, source, args)?,
    };
    let endpoint = Url::parse(&source.source.base_url).map_err(|_| {
        let text = format!(
            "the source `{}` has no address; an administrator can set one on the source",
            source.source.name
        );
        ToolError::new(ToolErrorCode::UpstreamUnreachable, &tool.path, text)
    })?;
    let mut headers = vec![
        ("accept".to_owned(), ACCEPT.to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    for (name, value) in &source.source.headers {
        let name = name.to_ascii_lowercase();
        headers.retain(|(n, _)| *n != name);
        headers.push((name, value.clone()));
    }
    Ok(Prepared {
        method: "POST".to_owned(),
        url: endpoint.into(),
        headers,
        body: Some(body.to_string().into_bytes()),
    })
}

fn field_body(
    field: &Field,
    tool: &Tool,
    source: &SourceTools,
    args: &Value,
) -> Result<Value, ToolError> {
    let given: Map<String, Value> = field
        .arguments
        .keys()
        .filter_map(|name| Some((name.clone(), args.get(name)?.clone())))
        .collect();
    let selection = match &field.selection {
        None => None,
        Some(selected) => Some(match chosen(&selected.argument, args) {
            None => selected.text.clone(),
            Some(chosen) => {
                let loaded = Loaded::of(source, tool)?;
                select::read(&loaded, field, chosen)
                    .map_err(|problems| refused(tool, &selected.argument, problems))?
            }
        }),
    };
    let query = operation(
        field,
        given.keys().map(String::as_str),
        selection.as_deref(),
    );
    let mut body = json!({ "query": query });
    if !given.is_empty() {
        body["variables"] = Value::Object(given);
    }
    body["operationName"] = field.name.clone().into();
    Ok(body)
}

/// What a call chooses to be given.
pub(crate) fn chosen<'a>(argument: &str, args: &'a Value) -> Option<&'a Value> {
    args.get(argument).filter(|v| !v.is_null())
}

/// The operation that asks for one root field, with variables for these of its arguments.
pub(crate) fn operation<'a>(
    field: &Field,
    arguments: impl Iterator<Item = &'a str>,
    selection: Option<&str>,
) -> String {
    let (mut declared, mut passed) = (Vec::new(), Vec::new());
    for name in arguments {
        if let Some(ty) = field.arguments.get(name) {
            declared.push(format!("${name}: {ty}"));
            passed.push(format!("{name}: ${name}"));
        }
    }
    let inside = |parts: Vec<String>| match parts.is_empty() {
        true => String::new(),
        false => format!("({})", parts.join(", ")),
    };
    format!(
        "{} {name}{} {{ {name}{}{}{} }}",
        field.operation.as_str(),
        inside(declared),
        inside(passed),
        if selection.is_some() { " " } else { "" },
        selection.unwrap_or_default(),
        name = field.name,
    )
}

fn document_body(tool: &Tool, source: &SourceTools, args: &Value) -> Result<Value, ToolError> {
    let loaded = Loaded::of(source, tool)?;
    let given = super::Documented::of(args);
    let reading = document::read(
        &loaded,
        given.query,
        given.operation_name,
        Variables::Given(given.variables),
    )
    .map_err(|wrong| super::refused_parts(tool, wrong))?;
    let mut body = json!({ "query": reading.text });
    if !given.variables.is_empty() {
        body["variables"] = Value::Object(given.variables.clone());
    }
    if let Some(name) = reading.name {
        body["operationName"] = name.into();
    }
    Ok(body)
}
