//! The text of a description, as JSON: JSON or YAML, with errors that name line and column.
//!
//! YAML keys that are numbers or booleans (status codes, mostly) become text; of two equal keys
//! the later one counts, in both formats; a number beyond what a double holds is kept as text.
//! Nothing outside the text is looked at.

use super::external::Others;
use super::{Warnings, swagger};
use crate::error::ImportError;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Largest description that is read, in bytes.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// How many references in a row are followed.
const REF_HOPS_MAX: usize = 32;

/// A parsed description.
pub(crate) struct Document {
    pub(crate) root: Value,
    /// As declared, such as `3.0.3`.
    pub(crate) version: String,
    /// Whether anything in it may be `readOnly` or `writeOnly`.
    pub(crate) has_directions: bool,
}

/// Whether a text has the words of [`Document::has_directions`].
pub(crate) fn speaks_of_directions(text: &[u8]) -> bool {
    let has = |word: &str| memchr::memmem::find(text, word.as_bytes()).is_some();
    has("readOnly") || has("writeOnly")
}

/// Reads JSON or YAML, whatever it describes.
pub(crate) fn read_any(bytes: &[u8]) -> Result<Value, ImportError> {
    read(utf8(bytes)?)
}

impl Document {
    /// Reads the text and notes which other documents it needs; `location` is where it came from.
    pub(crate) fn read(
        bytes: &[u8],
        location: Option<&str>,
    ) -> Result<(Self, Others), ImportError> {
        if bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(ImportError::TooLarge {
                bytes: bytes.len(),
                max: DOCUMENT_BYTES_MAX,
            });
        }
        let text = utf8(bytes)?;
        let root = read(text)?;
        let version = version(&root, text)?;
        let others = Others::of(&root, text, location);
        let document = Self {
            root,
            version,
            has_directions: speaks_of_directions(bytes),
        };
        Ok((document, others))
    }

    /// Puts the documents together that it consists of, in the form of OpenAPI 3.
    pub(crate) fn complete(&mut self, others: Others, warnings: &mut Warnings) {
        self.has_directions |= others.has_directions;
        others.bundle(&mut self.root, warnings);
        if self.is_2_0() {
            swagger::upgrade(self);
        }
    }

    pub(crate) fn title(&self) -> String {
        let title = self
            .root
            .pointer("/info/title")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let title = super::names::visible_text(title).0;
        if title.is_empty() {
            "Untitled API".to_owned()
        } else {
            title
        }
    }

    fn is_2_0(&self) -> bool {
        self.version.starts_with('2')
    }

    /// Whether what stands beside `$ref` in a schema counts for nothing.
    pub(crate) fn ignores_siblings(&self) -> bool {
        self.version.starts_with("3.0") || self.is_2_0()
    }

    /// The value itself, or what its `$ref` leads to within this document.
    pub(crate) fn resolve<'a>(&'a self, value: &'a Value) -> Result<&'a Value, String> {
        let mut at = value;
        for _ in 0..REF_HOPS_MAX {
            let Some(reference) = at.get("$ref").and_then(Value::as_str) else {
                return Ok(at);
            };
            at = self
                .target(reference)
                .ok_or_else(|| {
                    format!("the reference `{reference}` leads nowhere in this document")
                })?
                .1;
        }
        Err(format!(
            "references go round in circles or through more than {REF_HOPS_MAX} hops"
        ))
    }

    /// Its paths: taken out of it, or copied where something in it refers to a part of them.
    pub(crate) fn take_paths(&mut self) -> Map<String, Value> {
        let is_needed = refers_into_paths(&self.root);
        let paths = self.root.get_mut("paths").map(|paths| match is_needed {
            true => paths.clone(),
            false => paths.take(),
        });
        match paths {
            Some(Value::Object(paths)) => paths,
            Some(_) | None => Map::new(),
        }
    }

    /// The JSON pointer and the value that a local reference names.
    pub(crate) fn target(&self, reference: &str) -> Option<(String, &Value)> {
        let fragment = reference.strip_prefix('#')?;
        let pointer = percent_decoded(fragment);
        let found = self.root.pointer(&pointer)?;
        Some((pointer, found))
    }
}

/// Whether any text could be a reference to a part of the paths.
fn refers_into_paths(value: &Value) -> bool {
    match value {
        Value::String(text) => text
            .strip_prefix('#')
            .is_some_and(|fragment| percent_decoded(fragment).starts_with("/paths")),
        Value::Array(items) => items.iter().any(refers_into_paths),
        Value::Object(map) => map.values().any(refers_into_paths),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

pub(super) fn percent_decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    // Form decoding would also turn `+` into a space, so that is protected first.
    let protected = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(protected.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn utf8(bytes: &[u8]) -> Result<&str, ImportError> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(ImportError::Encoding {
            found: "it begins as UTF-16".to_owned(),
        });
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|e| ImportError::Encoding {
        found: format!("byte {} begins no valid character", e.valid_up_to()),
    })
}

fn read(text: &str) -> Result<Value, ImportError> {
    let start = text.trim_start();
    if start.is_empty() {
        return Err(ImportError::NotOpenApi {
            found: "an empty document".to_owned(),
        });
    }
    if start.starts_with('<') {
        return Err(ImportError::NotOpenApi {
            found: "HTML or XML; give the address of the description itself, not of its documentation page"
                .to_owned(),
        });
    }
    if start.starts_with('{') || start.starts_with('[') {
        let broken = match serde_json::from_str::<Loose>(text) {
            Ok(Loose(value)) => return Ok(value),
            Err(e) => e,
        };
        // YAML may begin with a brace too; the JSON error is the useful one if both fail.
        return yaml(text).map_err(|_| ImportError::Syntax {
            format: "JSON",
            line: broken.line(),
            column: broken.column(),
            problem: without_position(&broken.to_string()),
        });
    }
    yaml(text)
}

fn yaml(text: &str) -> Result<Value, ImportError> {
    yaml_serde::from_str::<Loose>(text)
        .map(|Loose(value)| value)
        .map_err(|e| {
            let (line, column) = e.location().map_or((0, 0), |l| (l.line(), l.column()));
            ImportError::Syntax {
                format: "YAML",
                line,
                column,
                problem: without_position(&e.to_string()),
            }
        })
}

fn without_position(message: &str) -> String {
    message
        .split(" at line ")
        .next()
        .unwrap_or(message)
        .to_owned()
}

fn version(root: &Value, text: &str) -> Result<String, ImportError> {
    let Some(object) = root.as_object() else {
        return Err(ImportError::NotOpenApi {
            found: described(root, text),
        });
    };
    if let Some(swagger) = object.get("swagger") {
        return match plain(swagger) {
            two if two == "2" || two.starts_with("2.") => Ok(two),
            other => Err(ImportError::Version {
                found: format!("Swagger {other}"),
            }),
        };
    }
    let Some(declared) = object.get("openapi") else {
        let keys: Vec<&str> = object.keys().take(5).map(String::as_str).collect();
        return Err(ImportError::NotOpenApi {
            found: format!(
                "an object without `openapi` or `swagger` (its keys begin with: {})",
                keys.join(", ")
            ),
        });
    };
    let version = plain(declared);
    if ["3.0", "3.1", "3.2"]
        .iter()
        .any(|known| version.starts_with(known))
    {
        Ok(version)
    } else {
        Err(ImportError::Version { found: version })
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn described(value: &Value, text: &str) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::String(_) => {
            let first: String = text.trim().chars().take(40).collect();
            format!("plain text beginning with `{first}`")
        }
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => "a single value".to_owned(),
    }
}

/// A JSON value that forgives what YAML allows beyond JSON.
struct Loose(Value);

/// A key of any scalar kind, as text.
struct Key(String);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor).map(Loose)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor).map(Key)
    }
}

/// Text alone, without a value made of it first: a large document has millions of keys.
struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text, a number, a boolean or null")
    }

    fn visit_bool<E>(self, v: bool) -> Result<String, E> {
        Ok(v.to_string())
    }

    fn visit_i64<E>(self, v: i64) -> Result<String, E> {
        Ok(v.to_string())
    }

    fn visit_u64<E>(self, v: u64) -> Result<String, E> {
        Ok(v.to_string())
    }

    fn visit_f64<E>(self, v: f64) -> Result<String, E> {
        Ok(Number::from_f64(v).map_or_else(|| v.to_string(), |n| n.to_string()))
    }

    fn visit_str<E>(self, v: &str) -> Result<String, E> {
        Ok(v.to_owned())
    }

    fn visit_string<E>(self, v: String) -> Result<String, E> {
        Ok(v)
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }

    // Larger than 64 bits: kept as far as a double goes, like every JSON reader in JavaScript.
    fn visit_i128<E>(self, v: i128) -> Result<Value, E> {
        Ok(Number::from_f64(v as f64).map_or(Value::Null, Value::Number))
    }

    fn visit_u128<E>(self, v: u128) -> Result<Value, E> {
        Ok(Number::from_f64(v as f64).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Loose(item)) = seq.next_element()? {
            items.push(item);
        }
        items.shrink_to_fit();
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let (mut entries, mut merged) = (Vec::new(), Vec::new());
        while let Some(Key(key)) = map.next_key()? {
            let Loose(value) = map.next_value()?;
            if key == "<<" && (value.is_object() || value.is_array()) {
                merged.push(value);
            } else {
                entries.push((key, value));
            }
        }
        // No larger than it is: a large document has hundreds of thousands of these.
        let mut object = Map::with_capacity(entries.len());
        object.extend(entries);
        for value in merged {
            merge(&mut object, value);
        }
        Ok(Value::Object(object))
    }
}

/// YAML's merge key: what is already there wins.
fn merge(object: &mut Map<String, Value>, from: Value) {
    match from {
        Value::Object(map) => {
            for (key, value) in map {
                object.entry(key).or_insert(value);
            }
        }
        Value::Array(items) => items.into_iter().for_each(|item| merge(object, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
impl Document {
    /// A whole document that needs no other.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ImportError> {
        let (mut document, others) = Self::read(bytes, None)?;
        document.complete(others, &mut Warnings::default());
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_and_json_read_alike() {
        let yaml = "openapi: 3.1.0\nresponses:\n  200: &ok {a: 1}\n  true: {<<: *ok, b: 2}\n";
        let read = Document::parse(yaml.as_bytes()).unwrap().root;
        assert_eq!(
            read,
            json!({"openapi": "3.1.0", "responses": {"200": {"a": 1}, "true": {"b": 2, "a": 1}}})
        );
        let json = "\u{feff}{\"openapi\": \"3.0.3\", \"a\": 1, \"a\": 2}";
        assert_eq!(Document::parse(json.as_bytes()).unwrap().root["a"], 2);
    }

    #[test]
    fn paths_that_something_refers_to_stay_where_they_are() {
        let paths = json!({"/a": {"get": {"responses": {}}}});
        for (reference, stays) in [
            ("#/paths/~1a", true),
            ("#/%70aths/~1a/get", true),
            ("#/components/paths", false),
            ("see #/paths", false),
        ] {
            let text = json!({"openapi": "3.1.0", "paths": paths, "x": [{"$ref": reference}]});
            let mut document = Document::parse(text.to_string().as_bytes()).unwrap();
            assert_eq!(Value::Object(document.take_paths()), paths, "{reference}");
            assert_eq!(document.root["paths"] == paths, stays, "{reference}");
        }
    }

    #[test]
    fn every_error_says_what_was_found() {
        let error = |bytes: &[u8]| Document::parse(bytes).err().unwrap().to_string();
        for (bytes, expected) in [
            (
                b"{\n  \"openapi\": \"3.1.0\",\n  oops\n}}".as_slice(),
                "broken JSON at line 3, column 3",
            ),
            (
                b"openapi: 3.1.0\npaths:\n  a: [1, 2\nb: 1\n",
                "broken YAML at line",
            ),
            (b"swagger: '1.2'\n", "found version Swagger 1.2"),
            (b"openapi: 4.0.0\n", "found version 4.0.0"),
            (b"<!doctype html>", "found HTML or XML"),
            (b"hello world", "plain text beginning with `hello world`"),
            (b"", "an empty document"),
            (
                b"{\"items\": []}",
                "without `openapi` or `swagger` (its keys begin with: items)",
            ),
            (b"\xff\xfea\0", "begins as UTF-16"),
            (b"openapi: \xc3\x28", "byte 9"),
        ] {
            let found = error(bytes);
            assert!(found.contains(expected), "{found} lacks {expected}");
        }
    }

    #[test]
    fn references_are_decoded_and_circles_end() {
        let document = json!({"openapi": "3.1.0", "x": {"a/b c": {"é": 1}},
            "loop": {"$ref": "#/loop"}, "go": {"$ref": "#/x/a~1b%20c"}});
        let document = Document::parse(document.to_string().as_bytes()).unwrap();
        assert_eq!(
            document.resolve(&document.root["go"]).unwrap(),
            &json!({"é": 1})
        );
        assert!(document.resolve(&document.root["loop"]).is_err());
        assert!(
            document
                .resolve(&json!({"$ref": "https://elsewhere/x"}))
                .is_err()
        );
    }
}
