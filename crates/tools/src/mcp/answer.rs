//! The result of a call as data: its structured value, else its text, else the list of its parts.
//!
//! Text is parsed only where it declares JSON: by a media type, or because the tool declares what it
//! answers with and gave no structured value. Images, sound and blobs become file values. Nothing is
//! cut here: the caller refuses what is too large.

use crate::masking::Masks;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// How much of a tool's own error stands in the message, in characters.
const ERROR_CHARS_MAX: usize = 2_000;

/// What a result says.
pub(super) enum Outcome {
    /// It worked.
    Data(Value),
    /// The tool says that it failed: in words, and all that it said.
    Failed(String, Value),
}

/// Reads a result. The error is what is wrong with it.
pub(super) fn read(
    result: &Value,
    declares_output: bool,
    masks: &Masks,
) -> Result<Outcome, String> {
    let Value::Object(result) = result else {
        return Err("its result is no object".to_owned());
    };
    let none = Vec::new();
    let content = match result.get("content") {
        Some(Value::Array(content)) => content,
        Some(Value::Null) | None => &none,
        Some(_) => return Err("the content of its result is no list".to_owned()),
    };
    let structured = result.get("structuredContent").filter(|v| !v.is_null());
    let is_error = result.get("isError") == Some(&Value::Bool(true));
    let mut data = match structured {
        Some(value) => value.clone(),
        None => of_content(content, declares_output && !is_error, masks),
    };
    masks.value(&mut data);
    if !is_error {
        return Ok(Outcome::Data(data));
    }
    let words = masks.text(&words_of(content)).into_owned();
    Ok(Outcome::Failed(words, data))
}

fn of_content(content: &[Value], declares_output: bool, masks: &Masks) -> Value {
    match content {
        [] => Value::Null,
        [one] => part(one, declares_output, masks, Alone::Yes),
        many if many.iter().all(|p| text_of(p).is_some()) => many
            .iter()
            .filter_map(text_of)
            .collect::<Vec<_>>()
            .join("\n")
            .into(),
        many => many
            .iter()
            .map(|p| part(p, false, masks, Alone::No))
            .collect(),
    }
}

/// Whether a part is all there is: then its text is the value itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alone {
    Yes,
    No,
}

fn text_of(part: &Value) -> Option<&str> {
    let is_text = part.get("type").and_then(Value::as_str) == Some("text");
    part.get("text").and_then(Value::as_str).filter(|_| is_text)
}

fn part(part: &Value, declares_output: bool, masks: &Masks, alone: Alone) -> Value {
    let text = |key: &str| part.get(key).and_then(Value::as_str);
    match text("type") {
        Some("text") if alone == Alone::Yes => {
            let said = text("text").unwrap_or_default();
            let declared = declares_output || is_json(text("mimeType"));
            parsed(said, declared)
        }
        Some("image" | "audio") => {
            file(text("data"), text("mimeType"), None, masks).unwrap_or_else(|| part.clone())
        }
        Some("resource") => resource(part, masks, alone).unwrap_or_else(|| part.clone()),
        Some(_) | None => part.clone(),
    }
}

/// A resource that came along: its bytes as a file, its text as text or as what it declares to be.
fn resource(part: &Value, masks: &Masks, alone: Alone) -> Option<Value> {
    let resource = part.get("resource")?;
    let text = |key: &str| resource.get(key).and_then(Value::as_str);
    if let Some(blob) = text("blob") {
        let name = text("uri")
            .and_then(|uri| uri.rsplit('/').next())
            .filter(|n| !n.is_empty());
        return file(Some(blob), text("mimeType"), name, masks);
    }
    match alone {
        Alone::Yes => Some(parsed(text("text")?, is_json(text("mimeType")))),
        Alone::No => None,
    }
}

fn parsed(text: &str, declared: bool) -> Value {
    let value = declared.then(|| serde_json::from_str(text).ok()).flatten();
    value.unwrap_or_else(|| text.into())
}

fn is_json(media_type: Option<&str>) -> bool {
    let essence = media_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// Bytes as a file value; none if they are no base64.
fn file(
    data: Option<&str>,
    media_type: Option<&str>,
    name: Option<&str>,
    masks: &Masks,
) -> Option<Value> {
    let bytes = STANDARD.decode(data?.trim()).ok()?;
    let mut file = Map::new();
    file.insert(
        "type".into(),
        media_type.unwrap_or("application/octet-stream").into(),
    );
    file.insert("base64".into(), STANDARD.encode(masks.bytes(&bytes)).into());
    if let Some(name) = name {
        file.insert("name".into(), name.into());
    }
    Some(json!({ "$file": file }))
}

/// What a failed tool says in words.
fn words_of(content: &[Value]) -> String {
    let said: Vec<&str> = content.iter().filter_map(text_of).collect();
    let said = said.join("\n");
    match said.char_indices().nth(ERROR_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(result: &Value, declares_output: bool) -> Value {
        match read(result, declares_output, &Masks::new(&[])).expect("a result") {
            Outcome::Data(data) => data,
            Outcome::Failed(words, _) => panic!("it failed: {words}"),
        }
    }

    #[test]
    fn the_value_is_what_is_structured_else_text_else_the_list() {
        let text = |text: &str| json!({ "type": "text", "text": text });
        let image = json!({ "type": "image", "data": "aGk=", "mimeType": "image/png" });
        let link = json!({ "type": "resource_link", "uri": "x://1", "name": "one" });
        let embedded = |resource: Value| json!({ "type": "resource", "resource": resource });
        let file = json!({ "$file": { "type": "image/png", "base64": "aGk=" } });
        for (result, declares, expected) in [
            (
                json!({ "content": [text("x")], "structuredContent": { "a": 1 } }),
                false,
                json!({ "a": 1 }),
            ),
            (json!({ "content": [text("x")] }), false, json!("x")),
            (
                json!({ "content": [text("{\"a\":1}")] }),
                false,
                json!("{\"a\":1}"),
            ),
            (
                json!({ "content": [text("{\"a\":1}")] }),
                true,
                json!({ "a": 1 }),
            ),
            (
                json!({ "content": [text("no JSON")] }),
                true,
                json!("no JSON"),
            ),
            (
                json!({ "content": [{ "type": "text", "text": "[1]", "mimeType": "application/json" }] }),
                false,
                json!([1]),
            ),
            (
                json!({ "content": [text("a"), text("b")] }),
                true,
                json!("a\nb"),
            ),
            (json!({ "content": [] }), false, Value::Null),
            (json!({}), false, Value::Null),
            (json!({ "content": [image] }), false, file.clone()),
            (
                json!({ "content": [text("a"), image] }),
                false,
                json!([text("a"), file]),
            ),
            (json!({ "content": [link] }), false, link.clone()),
            (
                json!({ "content": [embedded(json!({ "uri": "x://a/b.bin", "blob": "aGk=" }))] }),
                false,
                json!({ "$file": { "type": "application/octet-stream", "base64": "aGk=", "name": "b.bin" } }),
            ),
            (
                json!({ "content": [embedded(json!({ "text": "{\"b\":2}", "mimeType": "application/vnd.x+json" }))] }),
                false,
                json!({ "b": 2 }),
            ),
            (
                json!({ "content": [{ "type": "image", "data": "no base64!" }] }),
                false,
                json!({ "type": "image", "data": "no base64!" }),
            ),
        ] {
            assert_eq!(data(&result, declares), expected, "{result}");
        }
        for broken in [json!(1), json!({ "content": "x" })] {
            assert!(read(&broken, false, &Masks::new(&[])).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_tool_that_failed_says_why() {
        let result =
            json!({ "isError": true, "content": [{ "type": "text", "text": "no such file" }] });
        let Ok(Outcome::Failed(words, data)) = read(&result, true, &Masks::new(&[])) else {
            panic!("it failed");
        };
        assert_eq!(
            (words.as_str(), data),
            ("no such file", json!("no such file"))
        );
    }
}
