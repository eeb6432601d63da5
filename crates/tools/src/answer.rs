//! The bytes of an answer as data: JSON, text, lines, events or a file value.
//!
//! What a program gets depends on the content type alone; without one, on what the bytes are. No
//! answer is cut silently: the invoker refuses what is too large before it comes here.

use crate::masking::Masks;
use crate::openapi::answer_form::{Form, essence};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Headers that say how an answer traveled, or hold secrets; all others are worth reading.
const HIDDEN_HEADERS: [&str; 24] = [
    "accept-ch",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "alt-svc",
    "connection",
    "content-encoding",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "keep-alive",
    "nel",
    "permissions-policy",
    "referrer-policy",
    "report-to",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "x-content-type-options",
    "x-frame-options",
    "x-xss-protection",
];

/// How much of the headers is kept, in bytes.
const HEADERS_BYTES_MAX: usize = 8 << 10;

/// The headers worth reading, as far as they fit.
pub(crate) fn worth_reading(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut room = HEADERS_BYTES_MAX;
    headers
        .into_iter()
        .filter(|(name, _)| !HIDDEN_HEADERS.contains(&name.as_str()))
        .take_while(|(name, value)| {
            let fits = room >= name.len() + value.len();
            room = room.saturating_sub(name.len() + value.len());
            fits
        })
        .collect()
}

pub(crate) fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, v)| v.as_str())
}

/// The data of a complete body without secrets; the error is what is wrong with it.
pub(crate) fn decode(
    headers: &[(String, String)],
    body: &[u8],
    masks: &Masks,
) -> Result<Value, String> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let content_type = header(headers, "content-type").unwrap_or_default();
    let essence = essence(content_type);
    let bytes = |essence: &str| Ok(file(headers, essence, &masks.bytes(body)));
    let mut data = match Form::of(&essence) {
        _ if essence.is_empty() => match guessed(body) {
            Some(data) => data,
            None => return bytes("application/octet-stream"),
        },
        Form::Json => json_value(body)?,
        Form::Lines => lines(body)?,
        Form::Events => events(&text(content_type, body)),
        Form::Text => Value::String(text(content_type, body)),
        Form::Bytes => return bytes(&essence),
    };
    if !masks.absent(body) {
        masks.value(&mut data);
    }
    Ok(data)
}

fn json_value(body: &[u8]) -> Result<Value, String> {
    let body = body.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(body);
    serde_json::from_slice(body).map_err(|e| format!("the answer says it is JSON but is not: {e}"))
}

fn lines(body: &[u8]) -> Result<Value, String> {
    let mut items = Vec::new();
    // Record separators begin the records of `application/json-seq` (RFC 7464).
    for (i, line) in body.split(|b| matches!(b, b'\n' | 0x1E)).enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let item = serde_json::from_slice(line).map_err(|e| {
            format!(
                "line {} of the answer says it is JSON but is not: {e}",
                i + 1
            )
        })?;
        items.push(item);
    }
    Ok(Value::Array(items))
}

/// The `data` of each event, parsed where it is JSON
/// (<https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>).
fn events(text: &str) -> Value {
    let text = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let mut items = Vec::new();
    for block in text.split("\n\n") {
        let data: Vec<&str> = block
            .lines()
            .filter_map(|line| line.strip_prefix("data"))
            .filter_map(|rest| {
                if rest.is_empty() {
                    Some("")
                } else {
                    rest.strip_prefix(':')
                }
            })
            .map(|rest| rest.strip_prefix(' ').unwrap_or(rest))
            .collect();
        let data = data.join("\n");
        // The customary end mark is no event.
        if data.is_empty() || data == "[DONE]" {
            continue;
        }
        items.push(serde_json::from_str(&data).unwrap_or(Value::String(data)));
    }
    Value::Array(items)
}

fn text(content_type: &str, body: &[u8]) -> String {
    let charset = content_type
        .split(';')
        .skip(1)
        .filter_map(|p| p.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim().trim_matches('"').to_ascii_lowercase());
    match charset.as_deref() {
        Some("iso-8859-1" | "latin1" | "us-ascii" | "windows-1252") => {
            body.iter().map(|&b| char::from(b)).collect()
        }
        Some(_) | None => String::from_utf8_lossy(body).into_owned(),
    }
}

/// Data without a content type: JSON or text, if it is either.
fn guessed(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    Some(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

fn file(headers: &[(String, String)], essence: &str, body: &[u8]) -> Value {
    let mut file = json!({ "type": essence, "base64": STANDARD.encode(body) });
    if let Some(name) = header(headers, "content-disposition").and_then(file_name) {
        file["name"] = name.into();
    }
    json!({ "$file": file })
}

/// The last segment of the name that RFC 6266 gives a file.
fn file_name(disposition: &str) -> Option<String> {
    let mut plain = None;
    let mut extended = None;
    for part in disposition.split(';').skip(1) {
        let Some((key, value)) = part.split_once('=') else {
            continue;
        };
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "filename" => plain = Some(value.trim_matches('"').to_owned()),
            "filename*" => {
                let encoded = value
                    .splitn(3, '\'')
                    .nth(2)
                    .unwrap_or_default()
                    .replace('+', "%2B");
                extended = url::form_urlencoded::parse(format!("={encoded}").as_bytes())
                    .next()
                    .map(|(_, name)| name.into_owned());
            }
            _ => {}
        }
    }
    let name = extended.or(plain)?;
    let last = name
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default()
        .to_owned();
    (!last.is_empty()).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_decide() {
        let long = [(
            "content-disposition",
            "attachment; filename=\"a.bin\"; filename*=UTF-8''d%2F%C3%A9.bin",
        )];
        for (content_type, more, body, expected) in [
            (
                "application/json",
                None,
                b"\xEF\xBB\xBF{\"a\":1}".as_slice(),
                json!({"a": 1}),
            ),
            (
                "application/problem+json; charset=utf-8",
                None,
                b"[]",
                json!([]),
            ),
            ("text/plain", None, "é".as_bytes(), json!("é")),
            ("text/plain; charset=ISO-8859-1", None, b"\xe9", json!("é")),
            (
                "application/x-ndjson",
                None,
                b"{\"a\":1}\n\n2\n",
                json!([{"a": 1}, 2]),
            ),
            (
                "application/json-seq",
                None,
                b"\x1e1\n\x1e2\n",
                json!([1, 2]),
            ),
            (
                "text/event-stream",
                None,
                b": hi\nevent: x\ndata: {\"a\":1}\n\ndata: a\r\ndata: b\r\n\r\ndata: [DONE]\n\n",
                json!([{"a": 1}, "a\nb"]),
            ),
            (
                "image/png",
                Some(long[0]),
                b"\x89P",
                json!({"$file": {"type": "image/png", "base64": "iVA=", "name": "é.bin"}}),
            ),
            ("", None, b"{\"a\":1}", json!({"a": 1})),
            ("", None, b"plain", json!("plain")),
            (
                "",
                None,
                b"\xff",
                json!({"$file": {"type": "application/octet-stream", "base64": "/w=="}}),
            ),
            ("application/json", None, b"", Value::Null),
        ] {
            let mut headers = vec![("content-type".to_owned(), content_type.to_owned())];
            headers.extend(more.map(|(n, v)| (n.to_owned(), v.to_owned())));
            assert_eq!(
                decode(&headers, body, &Masks::new(&[])).unwrap(),
                expected,
                "{content_type} {body:?}"
            );
        }
        let json = [("content-type".to_owned(), "application/json".to_owned())];
        assert!(
            decode(&json, b"<html>", &Masks::new(&[]))
                .unwrap_err()
                .contains("says it is JSON but is not")
        );
    }
}
