//! Values as text: every parameter style of OpenAPI 3.2 ("Style Values"), on RFC 6570's rules.
//!
//! Names and values are percent-encoded down to the unreserved characters of RFC 3986; only the
//! delimiters of a style stand bare. What a style does not define (nesting) is written as JSON, or
//! in brackets for `deepObject`.

use crate::openapi::binding::{Parameter, Style};
use serde_json::Value;

/// `name=value` texts for a query, a form body or a cookie; none for an empty list.
pub(crate) fn pairs(parameter: &Parameter, value: &Value) -> Vec<String> {
    let name = encoded(&parameter.name);
    let text = |v: &Value| value_text(parameter, v);
    let one = |text: String| vec![format!("{name}={text}")];
    match (parameter.style, value) {
        (Style::Json, _) => one(encode(&value.to_string(), parameter.allow_reserved)),
        (Style::DeepObject, Value::Object(_) | Value::Array(_)) => {
            let mut found = Vec::new();
            deep(parameter, &name, value, &mut found);
            found
        }
        (_, Value::Array(items)) if items.is_empty() => Vec::new(),
        (_, Value::Object(map)) if map.is_empty() => Vec::new(),
        (style, Value::Array(items)) => {
            if parameter.explode {
                return items
                    .iter()
                    .map(|item| format!("{name}={}", text(item)))
                    .collect();
            }
            one(items
                .iter()
                .map(text)
                .collect::<Vec<_>>()
                .join(delimiter(style)))
        }
        (style, Value::Object(map)) => {
            if parameter.explode {
                return map
                    .iter()
                    .map(|(k, v)| format!("{}={}", encoded(k), text(v)))
                    .collect();
            }
            let all: Vec<String> = map
                .iter()
                .flat_map(|(k, v)| [encoded(k), text(v)])
                .collect();
            one(all.join(delimiter(style)))
        }
        (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => one(text(value)),
    }
}

fn delimiter(style: Style) -> &'static str {
    match style {
        Style::SpaceDelimited => "%20",
        Style::PipeDelimited => "%7C",
        Style::TabDelimited => "%09",
        Style::Form
        | Style::Simple
        | Style::Label
        | Style::Matrix
        | Style::DeepObject
        | Style::Cookie
        | Style::Json => ",",
    }
}

/// The same where nothing is encoded.
fn bare_delimiter(style: Style) -> &'static str {
    match style {
        Style::SpaceDelimited => " ",
        Style::PipeDelimited => "|",
        Style::TabDelimited => "\t",
        Style::Form
        | Style::Simple
        | Style::Label
        | Style::Matrix
        | Style::DeepObject
        | Style::Cookie
        | Style::Json => ",",
    }
}

/// A list as one text, nothing encoded.
pub(crate) fn bare_list(style: Style, items: &[Value]) -> String {
    joined(items, scalar, bare_delimiter(style))
}

/// Pairs as a cookie has them. Nothing is encoded; a semicolon would begin another pair.
pub(crate) fn cookie(parameter: &Parameter, value: &Value) -> Result<Vec<String>, String> {
    let pairs_of = match value {
        _ if parameter.style != Style::Cookie => return Ok(pairs(parameter, value)),
        Value::Array(items) if parameter.explode => {
            let all = items
                .iter()
                .map(|v| format!("{}={}", parameter.name, scalar(v)));
            all.collect()
        }
        Value::Object(map) if parameter.explode => map
            .iter()
            .map(|(k, v)| format!("{k}={}", scalar(v)))
            .collect(),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => vec![format!("{}={}", parameter.name, plain(parameter, value))],
    };
    let broken = |pair: &String| pair.contains(';') || pair.chars().any(char::is_control);
    match pairs_of.iter().any(broken) {
        true => {
            Err("must not hold semicolons or control characters: it is part of a cookie".to_owned())
        }
        false => Ok(pairs_of),
    }
}

/// A whole query: the pairs of a form, or one text of whatever the description says.
pub(crate) fn whole_query(parameter: &Parameter, value: &Value) -> Vec<String> {
    match (parameter.style, value) {
        (Style::Form, Value::Object(map)) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .flat_map(|(name, value)| {
                let field = Parameter {
                    name: name.clone(),
                    style: if value.is_object() {
                        Style::Json
                    } else {
                        Style::Form
                    },
                    ..parameter.clone()
                };
                pairs(&field, value)
            })
            .collect(),
        (Style::Json, _) => vec![encoded(&value.to_string())],
        (_, value) => vec![encode(&scalar(value), true)],
    }
}

/// `name[a][0]=…`, as far down as the value goes.
fn deep(parameter: &Parameter, name: &str, value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                deep(
                    parameter,
                    &format!("{name}%5B{}%5D", encoded(key)),
                    inner,
                    out,
                );
            }
        }
        Value::Array(items) => {
            for (i, inner) in items.iter().enumerate() {
                deep(parameter, &format!("{name}%5B{i}%5D"), inner, out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push(format!("{name}={}", value_text(parameter, value)));
        }
    }
}

/// A value inside a path: `simple`, `label` or `matrix`.
pub(crate) fn segment(parameter: &Parameter, value: &Value) -> String {
    let name = encoded(&parameter.name);
    let text = |v: &Value| encoded(&scalar(v));
    let explode = parameter.explode;
    match parameter.style {
        Style::Json => encoded(&value.to_string()),
        Style::Label => match (value, explode) {
            (Value::Array(items), false) => format!(".{}", joined(items, text, ",")),
            (Value::Array(items), true) => format!(".{}", joined(items, text, ".")),
            (Value::Object(_), false) => format!(".{}", members(value, ",", ",")),
            (Value::Object(_), true) => format!(".{}", members(value, "=", ".")),
            (other, _) => format!(".{}", text(other)),
        },
        Style::Matrix => match (value, explode) {
            (Value::Array(items), false) => format!(";{name}={}", joined(items, text, ",")),
            (Value::Array(items), true) => joined(items, |v| format!(";{name}={}", text(v)), ""),
            (Value::Object(_), false) => format!(";{name}={}", members(value, ",", ",")),
            (Value::Object(_), true) => format!(";{}", members(value, "=", ";")),
            // RFC 6570: an empty value has no equals sign.
            (Value::String(empty), _) if empty.is_empty() => format!(";{name}"),
            (other, _) => format!(";{name}={}", text(other)),
        },
        Style::Simple
        | Style::Form
        | Style::SpaceDelimited
        | Style::PipeDelimited
        | Style::TabDelimited
        | Style::Cookie
        | Style::DeepObject => match value {
            Value::Array(items) => joined(items, text, delimiter(parameter.style)),
            Value::Object(_) => members(value, if explode { "=" } else { "," }, ","),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text(value),
        },
    }
}

fn joined(items: &[Value], text: impl Fn(&Value) -> String, delimiter: &str) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(delimiter)
}

fn members(value: &Value, between: &str, delimiter: &str) -> String {
    let map = value.as_object().into_iter().flatten();
    let all: Vec<String> = map
        .map(|(k, v)| format!("{}{between}{}", encoded(k), encoded(&scalar(v))))
        .collect();
    all.join(delimiter)
}

/// A header's value: `simple`, and nothing is encoded.
pub(crate) fn plain(parameter: &Parameter, value: &Value) -> String {
    match value {
        _ if parameter.style == Style::Json => value.to_string(),
        Value::Array(items) => bare_list(parameter.style, items),
        Value::Object(map) => {
            let between = if parameter.explode { "=" } else { "," };
            let all: Vec<String> = map
                .iter()
                .map(|(k, v)| format!("{k}{between}{}", scalar(v)))
                .collect();
            all.join(",")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value),
    }
}

/// One value as text; a nested one as JSON.
pub(crate) fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn value_text(parameter: &Parameter, value: &Value) -> String {
    encode(&scalar(value), parameter.allow_reserved)
}

pub(crate) fn encoded(text: &str) -> String {
    encode(text, false)
}

/// Percent-encoding. `allow_reserved` leaves what may stand in a query (RFC 3986) and cannot be
/// taken for a delimiter of the query itself.
fn encode(text: &str, allow_reserved: bool) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    for (i, &byte) in bytes.iter().enumerate() {
        let triplet = || {
            bytes
                .get(i + 1..i + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        };
        let bare = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => true,
            b':' | b'/' | b'?' | b'[' | b']' | b'@' | b'!' | b'$' | b'(' | b')' | b'*' | b','
            | b';' => allow_reserved,
            // RFC 6570, reserved expansion: what is already encoded stays as it is.
            b'%' => allow_reserved && triplet(),
            _ => false,
        };
        if bare {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::binding::Location;
    use serde_json::json;

    fn parameter(location: Location, style: Style, explode: bool) -> Parameter {
        let (arg, name) = ("c".to_owned(), "c".to_owned());
        Parameter {
            arg,
            name,
            location,
            style,
            explode,
            allow_reserved: false,
        }
    }

    #[test]
    fn paths_follow_the_table_of_the_specification() {
        let (text, list, map) = (
            json!("b l/ue"),
            json!(["r", "g"]),
            json!({"R": 100, "G": 2}),
        );
        for (style, explode, expected) in [
            (Style::Simple, false, ["b%20l%2Fue", "r,g", "R,100,G,2"]),
            (Style::Simple, true, ["b%20l%2Fue", "r,g", "R=100,G=2"]),
            (Style::Label, false, [".b%20l%2Fue", ".r,g", ".R,100,G,2"]),
            (Style::Label, true, [".b%20l%2Fue", ".r.g", ".R=100.G=2"]),
            (
                Style::Matrix,
                false,
                [";c=b%20l%2Fue", ";c=r,g", ";c=R,100,G,2"],
            ),
            (
                Style::Matrix,
                true,
                [";c=b%20l%2Fue", ";c=r;c=g", ";R=100;G=2"],
            ),
        ] {
            let p = parameter(Location::Path, style, explode);
            let found = [&text, &list, &map].map(|v| segment(&p, v));
            assert_eq!(found, expected, "{style:?} {explode}");
        }
    }

    #[test]
    fn queries_follow_the_table_of_the_specification() {
        let (text, list, map) = (
            json!("a&b"),
            json!(["r", "g h"]),
            json!({"R": 100, "G": [1]}),
        );
        for (style, explode, expected) in [
            (
                Style::Form,
                true,
                ["c=a%26b", "c=r&c=g%20h", "R=100&G=%5B1%5D"],
            ),
            (
                Style::Form,
                false,
                ["c=a%26b", "c=r,g%20h", "c=R,100,G,%5B1%5D"],
            ),
            (
                Style::SpaceDelimited,
                false,
                ["c=a%26b", "c=r%20g%20h", "c=R%20100%20G%20%5B1%5D"],
            ),
            (
                Style::PipeDelimited,
                false,
                ["c=a%26b", "c=r%7Cg%20h", "c=R%7C100%7CG%7C%5B1%5D"],
            ),
            (
                Style::DeepObject,
                true,
                [
                    "c=a%26b",
                    "c%5B0%5D=r&c%5B1%5D=g%20h",
                    "c%5BR%5D=100&c%5BG%5D%5B0%5D=1",
                ],
            ),
            (
                Style::Json,
                false,
                [
                    "c=%22a%26b%22",
                    "c=%5B%22r%22%2C%22g%20h%22%5D",
                    "c=%7B%22R%22%3A100%2C%22G%22%3A%5B1%5D%7D",
                ],
            ),
        ] {
            let p = parameter(Location::Query, style, explode);
            let found = [&text, &list, &map].map(|v| pairs(&p, v).join("&"));
            assert_eq!(found, expected, "{style:?} {explode}");
        }
        let mut p = parameter(Location::Query, Style::Form, true);
        p.allow_reserved = true;
        assert_eq!(
            pairs(&p, &json!("a/b?c&d#e+f=%20%")).join("&"),
            "c=a/b?c%26d%23e%2Bf%3D%20%25"
        );
        assert!(pairs(&p, &json!([])).is_empty());
    }
}
