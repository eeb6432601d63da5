//! The parameters of one operation: its own over those of its path, in a fixed order.
//!
//! Headers that belong to the protocol or to the credential are no arguments: a program must not
//! set them.

use super::Warnings;
use super::binding::{BodyKind, Location, Parameter, Style};
use super::body::media;
use super::keywords;
use super::operation::{Arguments, origin};
use super::schema::{ANY, Schemas};
use serde_json::{Map, Value, json};

/// Longest description of an argument, in characters.
const DESCRIPTION_CHARS_MAX: usize = 300;

/// Headers that the sender sets itself, or that would change what is asked of whom.
pub(crate) const RESERVED_HEADERS: [&str; 18] = [
    "accept",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

struct Read<'d> {
    name: &'d str,
    location: Location,
    declaration: &'d Map<String, Value>,
}

/// Reads the parameter lists of the path and of the operation, and adds their arguments.
pub(crate) fn read(
    lists: [Option<&Value>; 2],
    template: &str,
    schemas: &mut Schemas<'_>,
    arguments: &mut Arguments,
    warnings: &mut Warnings,
) -> Result<Vec<Parameter>, String> {
    let document = schemas.document();
    let mut found: Vec<Read<'_>> = Vec::new();
    for declaration in lists
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .flatten()
    {
        let declaration = document.resolve(declaration)?;
        let Some(read) = identify(declaration)? else {
            continue;
        };
        found.retain(|f| (f.location, f.name) != (read.location, read.name));
        found.push(read);
    }
    // By place first, so that a name goes to the path before the query; within a place as written.
    found.sort_by_key(|r| r.location);
    let is_credential = credentials(&document.root);
    let mut parameters = Vec::new();
    for read in found {
        if is_credential
            .iter()
            .any(|(l, n)| *l == read.location && n.eq_ignore_ascii_case(read.name))
        {
            continue;
        }
        if read.location == Location::Path && !template.contains(&format!("{{{}}}", read.name)) {
            warnings.add(format!(
                "`{template}`: the path parameter `{}` is not part of the path",
                read.name
            ));
            continue;
        }
        parameters.push(parameter(&read, schemas, arguments, warnings)?);
    }
    for name in undeclared(template, &parameters) {
        let arg = arguments.add(
            origin(Some(Location::Path)),
            &name,
            json!({ "type": "string" }),
            true,
        );
        parameters.push(Parameter {
            arg,
            name,
            location: Location::Path,
            style: Style::Simple,
            explode: false,
            allow_reserved: false,
        });
    }
    Ok(parameters)
}

fn identify(declaration: &Value) -> Result<Option<Read<'_>>, String> {
    let Some(map) = declaration.as_object() else {
        return Err("a parameter is no object".to_owned());
    };
    let Some(name) = map
        .get("name")
        .and_then(Value::as_str)
        .filter(|n| !n.is_empty())
    else {
        return Err("a parameter has no name".to_owned());
    };
    let place = map.get("in").and_then(Value::as_str).unwrap_or_default();
    let Some(location) = Location::parse(place) else {
        return Err(format!(
            "the parameter `{name}` is in `{place}`, which is not known"
        ));
    };
    if location == Location::Header
        && RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str())
    {
        return Ok(None);
    }
    Ok(Some(Read {
        name,
        location,
        declaration: map,
    }))
}

/// API keys that are also listed as parameters: the credential fills them, not the program.
fn credentials(root: &Value) -> Vec<(Location, &str)> {
    root.pointer("/components/securitySchemes")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|schemes| schemes.values())
        .filter(|s| s.get("type").and_then(Value::as_str) == Some("apiKey"))
        .filter_map(|s| {
            Some((
                Location::parse(s.get("in")?.as_str()?)?,
                s.get("name")?.as_str()?,
            ))
        })
        .collect()
}

fn parameter(
    read: &Read<'_>,
    schemas: &mut Schemas<'_>,
    arguments: &mut Arguments,
    warnings: &mut Warnings,
) -> Result<Parameter, String> {
    let map = read.declaration;
    let flag = |key: &str| map.get(key) == Some(&Value::Bool(true));
    let content = map
        .get("content")
        .and_then(Value::as_object)
        .and_then(|c| c.iter().next());
    let default = match read.location {
        Location::Path | Location::Header => Style::Simple,
        Location::Query | Location::Cookie | Location::Querystring => Style::Form,
    };
    let style = match (content, map.get("style").and_then(Value::as_str)) {
        (Some((media_type, _)), _) => match media::kind(media_type) {
            BodyKind::Form => Style::Form,
            BodyKind::Text => default,
            BodyKind::Json | BodyKind::Multipart | BodyKind::Lines | BodyKind::Binary => {
                Style::Json
            }
        },
        (None, None) => default,
        (None, Some(text)) => match Style::parse(text) {
            Some(style) => style,
            None => {
                return Err(format!(
                    "the parameter `{}` has the unknown style `{text}`",
                    read.name
                ));
            }
        },
    };
    let schema = match content {
        Some((_, media)) => schemas.document().resolve(media)?.get("schema"),
        None => map.get("schema"),
    };
    let mut schema = schemas.convert(schema.unwrap_or(&ANY));
    let text = map
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let text = keywords::described(text, DESCRIPTION_CHARS_MAX, warnings);
    if !text.is_empty() {
        schema["description"] = text.into();
    }
    if flag("deprecated") {
        schema["deprecated"] = true.into();
    }
    let required = flag("required") || read.location == Location::Path;
    Ok(Parameter {
        arg: arguments.add(origin(Some(read.location)), read.name, schema, required),
        name: read.name.to_owned(),
        location: read.location,
        style,
        explode: map
            .get("explode")
            .and_then(Value::as_bool)
            .unwrap_or(matches!(style, Style::Form | Style::Cookie)),
        allow_reserved: flag("allowReserved") && read.location == Location::Query,
    })
}

/// Names in braces that no parameter declares: required text, since the path needs them.
fn undeclared(template: &str, parameters: &[Parameter]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in template.split('{').skip(1) {
        let Some((name, _)) = part.split_once('}') else {
            continue;
        };
        let declared = parameters
            .iter()
            .any(|p| p.location == Location::Path && p.name == name);
        if !declared && !name.is_empty() && !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    }
    names
}
