//! The bytes of an answer as data: JSON, text, lines, events or a file value.
//!
//! What a program gets depends on the content type; without one, on what the bytes are. JSON that
//! calls itself text is JSON where the description promises nothing else. No answer is cut
//! silently: the invoker refuses what is too large before it comes here.

use crate::masking::Masks;
use crate::openapi::answer_form::{Form, essence};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{Encoding, UTF_8};
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

/// The data of a complete body without secrets; the error is what is wrong with it. `accept` is
/// what was asked for.
pub(crate) fn decode(
    headers: &[(String, String)],
    body: &[u8],
    accept: &str,
    masks: &Masks,
) -> Result<Value, String> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let content_type = header(headers, "content-type").unwrap_or_default();
    let essence = essence(content_type);
    let bytes = |essence: &str| Ok(file(headers, essence, &masks.bytes(body)));
    let hidden = mislabeled(&essence, accept, body);
    let mut data = match (Form::of(&essence), hidden) {
        (_, Some(data)) => data,
        _ if essence.is_empty() => match guessed(body) {
            Some(data) => data,
            None => return bytes("application/octet-stream"),
        },
        (Form::Json, None) => json_value(content_type, body)?,
        (Form::Lines, None) => lines(body)?,
        (Form::Events, None) => events(&text(content_type, body)),
        (Form::Text, None) => Value::String(text(content_type, body)),
        (Form::Bytes, None) => return bytes(&essence),
    };
    if !masks.absent(body) {
        masks.value(&mut data);
    }
    Ok(data)
}

fn json_value(content_type: &str, body: &[u8]) -> Result<Value, String> {
    let parsed = match encoding(content_type, body) {
        (encoding, mark) if encoding == UTF_8 => serde_json::from_slice(&body[mark..]),
        (encoding, _) => serde_json::from_str(&encoding.decode(body).0),
    };
    parsed.map_err(|e| format!("the answer says it is JSON but is not: {e}"))
}

/// JSON that is called text or bytes, from an operation that promises JSON first.
fn mislabeled(essence: &str, accept: &str, body: &[u8]) -> Option<Value> {
    const COMMON: [&str; 5] = [
        "text/plain",
        "text/html",
        "text/javascript",
        "application/javascript",
        "application/octet-stream",
    ];
    let mut promised = accept.split(", ");
    let is_json = promised
        .next()
        .is_some_and(|first| Form::of(first) == Form::Json);
    let fits = is_json && COMMON.contains(&essence) && !promised.any(|other| other == essence);
    let begins = || body.iter().find(|b| !b.is_ascii_whitespace());
    let structured = fits && begins().is_some_and(|b| matches!(b, b'{' | b'['));
    structured
        .then(|| serde_json::from_slice(body).ok())
        .flatten()
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
    encoding(content_type, body).0.decode(body).0.into_owned()
}

/// How text is encoded, by its byte order mark, its charset, else as UTF-8; and the mark's length.
fn encoding(content_type: &str, body: &[u8]) -> (&'static Encoding, usize) {
    if let Some(marked) = Encoding::for_bom(body) {
        return marked;
    }
    let charset = content_type
        .split(';')
        .skip(1)
        .filter_map(|p| p.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim().trim_matches('"'));
    let named = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
    (named.unwrap_or(UTF_8), 0)
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

    #[expect(clippy::too_many_lines, reason = "one table")]
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
                "text/plain; charset=windows-1252",
                None,
                b"\x80",
                json!("€"),
            ),
            (
                "text/plain; charset=\"Shift_JIS\"",
                None,
                b"\x93\xfa",
                json!("日"),
            ),
            ("text/plain", None, b"\xff\xfea\x00", json!("a")),
            (
                "application/json; charset=iso-8859-1",
                None,
                b"{\"a\":\"\xe9\"}",
                json!({"a": "é"}),
            ),
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
                decode(&headers, body, "", &Masks::new(&[])).unwrap(),
                expected,
                "{content_type} {body:?}"
            );
        }
        let json = [("content-type".to_owned(), "application/json".to_owned())];
        assert!(
            decode(&json, b"<html>", "", &Masks::new(&[]))
                .unwrap_err()
                .contains("says it is JSON but is not")
        );
    }

    #[test]
    fn json_that_calls_itself_text_is_json_where_json_was_promised() {
        let promised = "application/json, */*;q=0.5";
        for (content_type, accept, body, expected) in [
            ("text/plain", promised, "{\"a\":1}", json!({"a": 1})),
            ("text/html; charset=utf-8", promised, " [1]", json!([1])),
            ("text/plain", promised, "{broken", json!("{broken")),
            ("text/plain", promised, "42", json!("42")),
            ("text/csv", promised, "[1]", json!("[1]")),
            (
                "text/plain",
                "application/json, text/plain, */*;q=0.5",
                "[1]",
                json!("[1]"),
            ),
            ("text/plain", "*/*", "[1]", json!("[1]")),
        ] {
            let headers = [("content-type".to_owned(), content_type.to_owned())];
            let found = decode(&headers, body.as_bytes(), accept, &Masks::new(&[])).unwrap();
            assert_eq!(found, expected, "{content_type} {accept} {body}");
        }
    }
}
