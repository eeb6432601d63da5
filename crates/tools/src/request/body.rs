//! Request bodies: JSON, forms, multipart, lines, text and bytes.
//!
//! Where an operation takes several forms, the arguments choose: the first that takes all of them.
//! The multipart boundary is the digest of the parts, so equal arguments give equal bytes.

use super::style;
use crate::openapi::answer_form::essence;
use crate::openapi::binding::{
    Body, BodyKind, BodyShape, Encoding, Location, Operation, Parameter, Style,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// The bytes of a body and what they are.
pub(crate) struct Written {
    pub(crate) content_type: String,
    pub(crate) bytes: Vec<u8>,
}

/// A file as a program gives it: `{ $file: { name?, type?, base64 } }`.
struct File {
    name: Option<String>,
    media_type: Option<String>,
    bytes: Vec<u8>,
}

type Problem = (String, String);

/// The form of the body that takes every argument given; none where the operation has no body.
pub(crate) fn choose<'o>(
    operation: &'o Operation,
    args: &Map<String, Value>,
) -> Result<Option<&'o Body>, Problem> {
    let Some(first) = &operation.body else {
        return Ok(None);
    };
    if operation.other_bodies.is_empty() {
        return Ok(Some(first));
    }
    let is_parameter = |arg: &str| operation.parameters.iter().any(|p| p.arg == arg);
    let given: Vec<(&String, &Value)> = args.iter().filter(|(arg, _)| !is_parameter(arg)).collect();
    let all = || std::iter::once(first).chain(&operation.other_bodies);
    let claimed = |arg: &str| all().any(|body| names(body, arg));
    let takes = |body: &Body, arg: &str, value: &Value| {
        let is_open = matches!(&body.shape, BodyShape::Fields { open: true, .. });
        fits(body, value) && (names(body, arg) || (is_open && !claimed(arg)))
    };
    let missing = |body: &'o Body| body.needs.iter().find(|need| !args.contains_key(*need));
    let fitting = || all().filter(|body| given.iter().all(|(arg, value)| takes(body, arg, value)));
    if let Some(whole) = fitting().find(|body| missing(body).is_none()) {
        return Ok(Some(whole));
    }
    if let Some((body, need)) = fitting().find_map(|body| Some((body, missing(body)?))) {
        let problem = format!("is missing: {} needs it", body.media_type);
        return Err((need.clone(), problem));
    }
    let odd = given
        .iter()
        .find(|(arg, value)| !takes(first, arg, value))
        .map_or_else(String::new, |(arg, _)| (*arg).clone());
    let forms: Vec<&str> = all().map(|body| body.media_type.as_str()).collect();
    let problem = format!(
        "cannot be sent together with the other arguments: no form of the body ({}) takes all of them",
        forms.join(", ")
    );
    Err((odd, problem))
}

/// Whether a form of the body lists an argument.
fn names(body: &Body, arg: &str) -> bool {
    match &body.shape {
        BodyShape::Whole(own) => own == arg,
        BodyShape::Fields {
            renamed,
            names,
            rest,
            ..
        } => {
            renamed.contains_key(arg)
                || names.iter().any(|n| n == arg)
                || rest.as_deref() == Some(arg)
        }
    }
}

/// Whether a kind of body can carry a value: JSON carries no bytes, and bytes nothing else.
fn fits(body: &Body, value: &Value) -> bool {
    let is_file = |v: &Value| v.get("$file").is_some();
    let has_file = is_file(value) || value.as_array().is_some_and(|v| v.iter().any(is_file));
    match body.kind {
        BodyKind::Json | BodyKind::Form | BodyKind::Lines | BodyKind::Text => !has_file,
        BodyKind::Multipart => true,
        BodyKind::Binary => is_file(value),
    }
}

/// Writes a body; none if nothing is to be sent.
pub(crate) fn write(
    body: &Body,
    operation: &Operation,
    args: &Map<String, Value>,
) -> Result<Option<Written>, Problem> {
    match &body.shape {
        BodyShape::Whole(arg) => match args.get(arg) {
            Some(value) => whole(body, arg, value).map(Some),
            None => Ok(None),
        },
        BodyShape::Fields {
            renamed,
            names,
            open,
            rest,
        } => {
            let mut fields = Map::new();
            if let Some(Value::Object(more)) = rest.as_ref().and_then(|arg| args.get(arg)) {
                fields.extend(more.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
            for (arg, value) in args {
                if let Some(name) = renamed.get(arg) {
                    fields.insert(name.clone(), value.clone());
                } else if names.contains(arg)
                    || (*open && !operation.parameters.iter().any(|p| p.arg == *arg))
                {
                    fields.insert(arg.clone(), value.clone());
                }
            }
            if fields.is_empty() && !body.required {
                return Ok(None);
            }
            spread(body, &fields).map(Some)
        }
    }
}

fn whole(body: &Body, arg: &str, value: &Value) -> Result<Written, Problem> {
    let bytes = match body.kind {
        BodyKind::Json => return Ok(json(body, value)),
        BodyKind::Form | BodyKind::Multipart => {
            let problem = "must be an object: its fields are those of the form";
            let fields = value
                .as_object()
                .ok_or((arg.to_owned(), problem.to_owned()))?;
            return spread(body, fields);
        }
        BodyKind::Lines => lines(value).into_bytes(),
        BodyKind::Text => style::scalar(value).into_bytes(),
        BodyKind::Binary => {
            let Some(file) = file(arg, value)? else {
                return Err((
                    arg.to_owned(),
                    "must be a file: { $file: { base64 } }".to_owned(),
                ));
            };
            return Ok(Written {
                content_type: bytes_type(body, file.media_type),
                bytes: file.bytes,
            });
        }
    };
    Ok(Written {
        content_type: body.media_type.clone(),
        bytes,
    })
}

/// What bytes are said to be: what their file says, where the operation takes that, else the first
/// that it takes.
fn bytes_type(body: &Body, own: Option<String>) -> String {
    let offered = || std::iter::once(&body.media_type).chain(&body.also);
    let fits = |own: &String| {
        let own = essence(own);
        offered().any(|offered| {
            let offered = essence(offered);
            offered == own || offered == "*/*" || {
                let range = offered.strip_suffix('*').filter(|r| r.ends_with('/'));
                range.is_some_and(|range| own.starts_with(range))
            }
        })
    };
    let plain = |text: &String| !text.chars().any(char::is_control);
    let said = own.filter(plain);
    said.clone()
        .filter(fits)
        .or_else(|| offered().find(|m| !m.contains('*')).cloned())
        .or(said)
        .unwrap_or_else(|| OCTETS.to_owned())
}

/// One JSON value a line; text as it stands.
fn lines(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(|item| format!("{item}\n")).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => format!("{value}\n"),
    }
}

const OCTETS: &str = "application/octet-stream";

fn json(body: &Body, value: &Value) -> Written {
    let wild = body.media_type.contains('*');
    let content_type = if wild {
        "application/json".to_owned()
    } else {
        body.media_type.clone()
    };
    Written {
        content_type,
        bytes: value.to_string().into_bytes(),
    }
}

fn spread(body: &Body, fields: &Map<String, Value>) -> Result<Written, Problem> {
    match body.kind {
        BodyKind::Json | BodyKind::Lines | BodyKind::Text | BodyKind::Binary => {
            Ok(json(body, &Value::Object(fields.clone())))
        }
        BodyKind::Form => {
            let pairs: Vec<String> = fields
                .iter()
                .filter(|(_, v)| !v.is_null())
                .flat_map(|(name, value)| {
                    style::pairs(&as_parameter(name, value, body.encoding.get(name)), value)
                })
                .collect();
            let content_type = body.media_type.clone();
            Ok(Written {
                content_type,
                bytes: pairs.join("&").into_bytes(),
            })
        }
        BodyKind::Multipart => multipart(body, fields),
    }
}

/// OpenAPI 3.1.1, "Encoding Object": a style where one is set, else lists as repeated fields and
/// objects as JSON.
fn as_parameter(name: &str, value: &Value, encoding: Option<&Encoding>) -> Parameter {
    let says = |e: &&Encoding| e.explode.is_some() || e.allow_reserved;
    let set = encoding.and_then(|e| e.style.or_else(|| says(&e).then_some(Style::Form)));
    let style = set.unwrap_or(if value.is_object() {
        Style::Json
    } else {
        Style::Form
    });
    let explode = encoding
        .and_then(|e| e.explode)
        .unwrap_or(style == Style::Form);
    Parameter {
        arg: name.to_owned(),
        name: name.to_owned(),
        location: Location::Query,
        style,
        explode,
        allow_reserved: encoding.is_some_and(|e| e.allow_reserved),
    }
}

fn multipart(body: &Body, fields: &Map<String, Value>) -> Result<Written, Problem> {
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    let mut fields = fields.clone();
    if let Some(json_part) = &body.json_part {
        let (files, rest) = fields
            .into_iter()
            .partition(|(_, v)| v.get("$file").is_some());
        fields = files;
        parts.push(part(json_part, &Value::Object(rest), None)?);
    }
    for (name, value) in fields.iter().filter(|(_, v)| !v.is_null()) {
        let encoding = body.encoding.get(name);
        let in_one = encoding.and_then(|e| e.style.filter(|_| e.explode == Some(false)));
        if let (Some(style), Value::Array(items)) = (in_one, value) {
            let list = style::bare_list(style, items).into();
            parts.push(part(name, &list, encoding)?);
            continue;
        }
        let one = std::slice::from_ref(value);
        for item in value.as_array().map_or(one, Vec::as_slice) {
            parts.push(part(name, item, encoding)?);
        }
    }
    let hashed: Vec<&[u8]> = parts
        .iter()
        .flat_map(|(head, bytes)| [head.as_bytes(), bytes])
        .collect();
    let boundary = format!(
        "executor-{}",
        &domain::canonical::sha256_parts(&hashed)[..32]
    );
    let mut bytes = Vec::new();
    for (head, content) in &parts {
        bytes.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(Written {
        content_type: format!("{}; boundary={boundary}", essence(&body.media_type)),
        bytes,
    })
}

fn part(
    name: &str,
    value: &Value,
    encoding: Option<&Encoding>,
) -> Result<(String, Vec<u8>), Problem> {
    let mut head = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
    let set = encoding
        .and_then(|e| e.content_type.clone())
        .filter(|t| !t.contains('*'));
    let (content_type, bytes) = match file(name, value)? {
        Some(file) => {
            let file_name = file.name.unwrap_or_else(|| "file".to_owned());
            head.push_str(&format!("; filename=\"{}\"", quoted(&file_name)));
            let content_type = file.media_type.or(set).unwrap_or_else(|| OCTETS.to_owned());
            (Some(content_type), file.bytes)
        }
        None if value.is_object() || value.is_array() => (
            Some(set.unwrap_or_else(|| "application/json".to_owned())),
            value.to_string().into_bytes(),
        ),
        None => (set, style::scalar(value).into_bytes()),
    };
    if let Some(content_type) = content_type {
        if content_type.chars().any(char::is_control) {
            return Err((
                name.to_owned(),
                "has a media type with control characters".to_owned(),
            ));
        }
        head.push_str(&format!("\r\nContent-Type: {content_type}"));
    }
    Ok((head, bytes))
}

/// A name inside quotes, as HTML's form submission writes it.
fn quoted(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn file(arg: &str, value: &Value) -> Result<Option<File>, Problem> {
    let Some(inner) = value.get("$file") else {
        return Ok(None);
    };
    let text = |key: &str| inner.get(key).and_then(Value::as_str).map(str::to_owned);
    let encoded: String = text("base64")
        .unwrap_or_default()
        .split_ascii_whitespace()
        .collect();
    let bytes = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|engine| engine.decode(&encoded).ok())
        .ok_or_else(|| {
            (
                arg.to_owned(),
                "has a `$file.base64` that is no base64".to_owned(),
            )
        })?;
    Ok(Some(File {
        name: text("name"),
        media_type: text("type"),
        bytes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn body(media_type: &str, kind: BodyKind) -> Body {
        let names = ["a", "f", "o", "l"].map(str::to_owned).to_vec();
        let shape = BodyShape::Fields {
            renamed: BTreeMap::new(),
            names,
            open: false,
            rest: None,
        };
        Body {
            media_type: media_type.to_owned(),
            also: Vec::new(),
            needs: Vec::new(),
            json_part: None,
            kind,
            shape,
            required: true,
            encoding: BTreeMap::new(),
        }
    }

    fn nothing() -> Operation {
        let operation = json!({"method": "POST", "path": "/", "accept": ""});
        serde_json::from_value(operation).unwrap()
    }

    fn text(body: &Body, args: &Value) -> String {
        let written = write(body, &nothing(), args.as_object().unwrap())
            .unwrap()
            .unwrap();
        String::from_utf8(written.bytes).unwrap()
    }

    #[test]
    fn forms_write_lists_repeatedly_and_objects_as_json() {
        let form = body("application/x-www-form-urlencoded", BodyKind::Form);
        let args = json!({"a": "x y&z", "l": [1, 2], "o": {"k": 1}, "f": null, "other": 1});
        assert_eq!(
            text(&form, &args),
            "a=x%20y%26z&l=1&l=2&o=%7B%22k%22%3A1%7D"
        );
    }

    #[test]
    fn multipart_cannot_be_broken_out_of() {
        let multi = body("multipart/form-data", BodyKind::Multipart);
        let file =
            json!({"$file": {"name": "a\"\r\nX: y", "type": "text/plain", "base64": "aGk="}});
        let args = json!({"a": "1", "f": [file], "o": {"k": 1}});
        let found = text(&multi, &args);
        assert_eq!(found, text(&multi, &args));
        assert!(
            found.contains(
                "name=\"f\"; filename=\"a%22%0D%0AX: y\"\r\nContent-Type: text/plain\r\n\r\nhi\r\n"
            ),
            "{found}"
        );
        assert!(
            found.contains("name=\"o\"\r\nContent-Type: application/json\r\n\r\n{\"k\":1}\r\n")
        );
        let bad = json!({"f": {"$file": {"base64": "%%"}}});
        assert!(write(&multi, &nothing(), bad.as_object().unwrap()).is_err());
    }
}
