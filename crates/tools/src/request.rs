//! The exact bytes of a call, made from its arguments and without any credential.
//!
//! What is prepared here is stored with an approval, shown to the reviewer and sent unchanged. The
//! host and the base path come from the source alone: a value can fill a place, never move one.

mod body;
mod style;

use crate::catalog::SourceTools;
use crate::graphql;
use crate::openapi::binding::{Location, Operation, Parameter};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::source::SourceKind;
use domain::tool::{Tool, ToolError, ToolErrorCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

/// A request that is ready to be sent, but for the credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Wire", try_from = "Wire")]
pub struct Prepared {
    /// In capitals.
    pub method: String,
    /// Absolute, with query.
    pub url: String,
    /// Names in small letters, in the order in which they are sent.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Option<Vec<u8>>,
}

/// How [`Prepared`] is stored and shown: a body that is text as text.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    body_base64: Option<String>,
}

impl From<Prepared> for Wire {
    fn from(prepared: Prepared) -> Self {
        let (body, body_base64) = match prepared.body.map(String::from_utf8) {
            None => (None, None),
            Some(Ok(text)) => (Some(text), None),
            Some(Err(bytes)) => (None, Some(STANDARD.encode(bytes.as_bytes()))),
        };
        Self {
            method: prepared.method,
            url: prepared.url,
            headers: prepared.headers,
            body,
            body_base64,
        }
    }
}

impl TryFrom<Wire> for Prepared {
    type Error = base64::DecodeError;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        let body = match (wire.body, wire.body_base64) {
            (Some(text), _) => Some(text.into_bytes()),
            (None, Some(encoded)) => Some(STANDARD.decode(encoded)?),
            (None, None) => None,
        };
        Ok(Self {
            method: wire.method,
            url: wire.url,
            headers: wire.headers,
            body,
        })
    }
}

/// Makes the request of a call whose arguments passed [`crate::check_arguments`].
///
/// # Errors
/// `invalid_arguments` where a value cannot be put in its place (`..` in a path, a line break in a
/// header, a file that is no base64), `upstream_unreachable` where the source has no base address.
pub fn prepare(tool: &Tool, source: &SourceTools, args: &Value) -> Result<Prepared, ToolError> {
    if let Some(binding) = graphql::Binding::of(tool)? {
        return graphql::prepare(&binding, tool, source, args);
    }
    if source.source.kind == SourceKind::Mcp {
        return crate::mcp::prepare(tool, source, args);
    }
    let operation = Operation::deserialize(&tool.binding).map_err(|problem| {
        tracing::error!(tool.path = %tool.path, %problem, "a stored binding cannot be read");
        let text = "the stored definition of this tool is broken; refresh its source";
        ToolError::new(ToolErrorCode::Internal, &tool.path, text)
    })?;
    let none = Map::new();
    let args = args.as_object().unwrap_or(&none);
    let invalid = |(arg, problem): (String, String)| invalid(tool, &arg, &problem);
    let url = url(&operation, tool, source, args)?;
    let mut headers = vec![("accept".to_owned(), operation.accept.clone())];
    let written = match body::choose(&operation, args).map_err(invalid)? {
        Some(body) => body::write(body, &operation, args).map_err(invalid)?,
        None => None,
    };
    let body = written.map(|written| {
        headers.push(("content-type".to_owned(), written.content_type));
        written.bytes
    });
    fill_headers(&operation, args, &mut headers).map_err(invalid)?;
    for (name, value) in own_headers(source, &url) {
        let name = name.to_ascii_lowercase();
        headers.retain(|(n, _)| *n != name);
        headers.push((name, value.clone()));
    }
    Ok(Prepared {
        method: operation.method,
        url,
        headers,
        body,
    })
}

/// The headers that a person set for the source. They may hold a key, so that an operation which goes
/// to another server does not carry them.
fn own_headers<'s>(
    source: &'s SourceTools,
    url: &str,
) -> impl Iterator<Item = &'s (String, String)> {
    let origin = |address: &str| Url::parse(address).ok().map(|u| u.origin());
    let is_own = origin(url) == origin(&source.source.base_url);
    source.source.headers.iter().filter(move |_| is_own)
}

fn invalid(tool: &Tool, arg: &str, problem: &str) -> ToolError {
    let message = format!(
        "{} cannot be called like this: `{arg}` {problem}.",
        tool.path
    );
    let wrong = json!([{ "path": arg, "problem": "value", "expected": problem }]);
    ToolError::new(ToolErrorCode::InvalidArguments, &tool.path, message)
        .with_details(json!({ "wrong": wrong }))
}

fn url(
    operation: &Operation,
    tool: &Tool,
    source: &SourceTools,
    args: &Map<String, Value>,
) -> Result<String, ToolError> {
    let base = operation
        .server
        .as_deref()
        .unwrap_or(&source.source.base_url);
    let base_url = Url::parse(base).map_err(|_| {
        let text = format!(
            "the source `{}` has no base address; an administrator can set one on the source",
            source.source.name
        );
        ToolError::new(ToolErrorCode::UpstreamUnreachable, &tool.path, text)
    })?;
    let (path, literal_query) = match operation.path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (operation.path.as_str(), None),
    };
    let path =
        fill_path(path, operation, args).map_err(|(arg, problem)| invalid(tool, &arg, &problem))?;
    let mut text = format!(
        "{}/{}",
        base.trim_end_matches('/'),
        path.trim_start_matches('/')
    );
    let mut pairs: Vec<String> = literal_query.map(str::to_owned).into_iter().collect();
    for (parameter, value) in given(operation, args, Location::Query) {
        pairs.extend(style::pairs(parameter, value));
    }
    for (parameter, value) in given(operation, args, Location::Querystring) {
        pairs.extend(style::whole_query(parameter, value));
    }
    if !pairs.is_empty() {
        text.push('?');
        text.push_str(&pairs.join("&"));
    }
    // The one parser that also dials. Whatever it makes of the text must still lie below the base.
    let url = Url::parse(&text).ok().filter(|url| {
        url.origin() == base_url.origin()
            && url
                .path()
                .starts_with(base_url.path().trim_end_matches('/'))
            && url.username().is_empty()
            && url.fragment().is_none()
    });
    match url {
        Some(url) => Ok(url.into()),
        None => Err(invalid(
            tool,
            "path",
            "leads out of the source's base address",
        )),
    }
}

/// The given arguments of one place, `null` meaning "not given".
fn given<'a>(
    operation: &'a Operation,
    args: &'a Map<String, Value>,
    location: Location,
) -> impl Iterator<Item = (&'a Parameter, &'a Value)> {
    operation
        .parameters
        .iter()
        .filter(move |p| p.location == location)
        .filter_map(|p| Some((p, args.get(&p.arg).filter(|v| !v.is_null())?)))
}

/// The path with its values. Each is encoded; none can be empty or become `.` or `..`.
fn fill_path(
    template: &str,
    operation: &Operation,
    args: &Map<String, Value>,
) -> Result<String, (String, String)> {
    let mut path = template.to_owned();
    for parameter in operation
        .parameters
        .iter()
        .filter(|p| p.location == Location::Path)
    {
        let value = args.get(&parameter.arg).unwrap_or(&Value::Null);
        let text = style::segment(parameter, value);
        if text.is_empty() {
            return Err((
                parameter.arg.clone(),
                "must not be empty: it is part of the path".to_owned(),
            ));
        }
        let filled = fill_one(&path, &parameter.name, &text);
        let climbs = filled.split('/').any(|s| {
            let s = s.to_ascii_lowercase().replace("%2e", ".");
            s == "." || s == ".."
        });
        if climbs {
            return Err((
                parameter.arg.clone(),
                "must not be `.` or `..`: it is part of the path".to_owned(),
            ));
        }
        path = filled;
    }
    Ok(path)
}

/// Values hold no braces once encoded, so filling one place cannot open another.
fn fill_one(path: &str, name: &str, text: &str) -> String {
    path.replace(&format!("{{{name}}}"), text)
}

fn fill_headers(
    operation: &Operation,
    args: &Map<String, Value>,
    headers: &mut Vec<(String, String)>,
) -> Result<(), (String, String)> {
    for (parameter, value) in given(operation, args, Location::Header) {
        let text = style::plain(parameter, value);
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err((
                parameter.arg.clone(),
                "must not hold line breaks or control characters".to_owned(),
            ));
        }
        headers.push((parameter.name.to_ascii_lowercase(), text));
    }
    let mut cookies: Vec<String> = Vec::new();
    for (parameter, value) in given(operation, args, Location::Cookie) {
        let pairs = style::cookie(parameter, value);
        cookies.extend(pairs.map_err(|problem| (parameter.arg.clone(), problem))?);
    }
    if !cookies.is_empty() {
        headers.push(("cookie".to_owned(), cookies.join("; ")));
    }
    Ok(())
}
