//! How an API recognizes a call that is sent twice: a key that it takes, and whether it says that a
//! repetition does no harm.
//!
//! A key is found by the name of a header or of a field of the body, or named by the extension
//! `x-idempotency-key: { in: header | query | body, name }` of an operation or path. Only
//! `x-idempotent: true` says that a repetition is harmless: a key protects for as long as the API
//! remembers it, which nobody here knows.

use super::Warnings;
use super::binding::{Body, BodyKind, BodyShape, Location, Parameter, Style};
use super::operation::{Arguments, origin};
use domain::tool::fold_path;
use serde_json::{Map, Value, json};

const KEY: &str = "x-idempotency-key";
const IDEMPOTENT: &str = "x-idempotent";

/// What the description of such an argument ends with.
const FILLED: &str = "Filled in, the same whenever the call is sent again, unless you give it.";

/// The extensions of an operation, and those of its path.
pub(super) struct Declared<'a> {
    pub(super) extensions: [&'a Map<String, Value>; 2],
    /// For warnings: method and path.
    pub(super) place: &'a str,
}

impl Declared<'_> {
    fn extension(&self, name: &str) -> Option<&Value> {
        self.extensions.iter().find_map(|e| e.get(name))
    }

    /// Whether the description says that a repetition does no harm.
    pub(super) fn idempotent(&self, warnings: &mut Warnings) -> bool {
        match self.extension(IDEMPOTENT) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => {
                warnings.add(format!(
                    "`{}`: `{IDEMPOTENT}` is neither true nor false and is not believed",
                    self.place
                ));
                false
            }
        }
    }

    /// The argument that carries the key, added to the operation where the extension names one that
    /// the description does not list.
    pub(super) fn key(
        &self,
        parameters: &mut Vec<Parameter>,
        bodies: &mut [Body],
        arguments: &mut Arguments,
        warnings: &mut Warnings,
    ) -> Option<String> {
        let arg = match self.extension(KEY) {
            Some(named) => {
                let arg = named_key(named, parameters, bodies, arguments);
                if arg.is_none() {
                    warnings.add(format!(
                        "`{}`: `{KEY}` names no place for a key (`in`: header, query or body, and \
                         a `name`) and is left out",
                        self.place
                    ));
                }
                arg?
            }
            None => found_key(parameters, bodies.first())?,
        };
        arguments.fill(&arg, FILLED);
        bodies
            .iter_mut()
            .for_each(|body| body.needs.retain(|need| *need != arg));
        Some(arg)
    }
}

/// A header or field whose name says what it is.
fn found_key(parameters: &[Parameter], body: Option<&Body>) -> Option<String> {
    let is_key = |name: &str| {
        let folded = fold_path(name);
        matches!(
            folded.as_str(),
            "idempotencykey" | "xidempotencykey" | "paypalrequestid"
        )
    };
    let header = parameters
        .iter()
        .find(|p| p.location == Location::Header && is_key(&p.name));
    if let Some(header) = header {
        return Some(header.arg.clone());
    }
    match &body?.shape {
        BodyShape::Fields { renamed, names, .. } => names
            .iter()
            .find(|name| is_key(name))
            .or_else(|| Some(renamed.iter().find(|(_, name)| is_key(name))?.0))
            .cloned(),
        BodyShape::Whole(_) => None,
    }
}

/// What the extension names.
fn named_key(
    named: &Value,
    parameters: &mut Vec<Parameter>,
    bodies: &mut [Body],
    arguments: &mut Arguments,
) -> Option<String> {
    let name = named.get("name")?.as_str().filter(|n| !n.is_empty())?;
    let text = || json!({ "type": "string" });
    let location = match named.get("in")?.as_str()? {
        "header" if !is_token(name) || is_reserved(name) => return None,
        "header" => Location::Header,
        "query" => Location::Query,
        "body" => return in_bodies(name, bodies, arguments, text()),
        _ => return None,
    };
    let same = |p: &&Parameter| p.location == location && p.name.eq_ignore_ascii_case(name);
    if let Some(listed) = parameters.iter().find(same) {
        return Some(listed.arg.clone());
    }
    let arg = arguments.add(origin(Some(location)), name, text(), false);
    parameters.push(Parameter {
        arg: arg.clone(),
        name: name.to_owned(),
        location,
        style: match location {
            Location::Query | Location::Cookie | Location::Querystring => Style::Form,
            Location::Header | Location::Path => Style::Simple,
        },
        explode: false,
        allow_reserved: false,
    });
    Some(arg)
}

/// The key in the first form of the body, and under the same argument in the others that have
/// fields.
fn in_bodies(
    name: &str,
    bodies: &mut [Body],
    arguments: &mut Arguments,
    schema: Value,
) -> Option<String> {
    let (first, others) = bodies.split_first_mut()?;
    let arg = in_body(name, first, arguments, schema)?;
    for other in others {
        if let BodyShape::Fields { renamed, names, .. } = &mut other.shape
            && !names.iter().any(|n| n == name)
            && !renamed.values().any(|n| n == name)
        {
            renamed.insert(arg.clone(), name.to_owned());
        }
    }
    Some(arg)
}

fn in_body(
    name: &str,
    body: &mut Body,
    arguments: &mut Arguments,
    schema: Value,
) -> Option<String> {
    let fits = matches!(
        body.kind,
        BodyKind::Json | BodyKind::Form | BodyKind::Multipart
    );
    let BodyShape::Fields { renamed, names, .. } = &mut body.shape else {
        return None;
    };
    if names.iter().any(|n| n == name) {
        return Some(name.to_owned());
    }
    if let Some((arg, _)) = renamed.iter().find(|(_, n)| *n == name) {
        return Some(arg.clone());
    }
    if !fits {
        return None;
    }
    let arg = arguments.add(origin(None), name, schema, false);
    if arg == name {
        names.push(arg.clone());
    } else {
        renamed.insert(arg.clone(), name.to_owned());
    }
    Some(arg)
}

/// A header's name (RFC 9110, section 5.6.2).
fn is_token(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_reserved(name: &str) -> bool {
    super::parameters::RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str())
}
