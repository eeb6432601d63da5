//! One text for one JSON value, and its digest.
//!
//! Object keys are sorted by UTF-16 code units and nothing is escaped that need not be, as RFC 8785
//! (JSON Canonicalization Scheme) orders it. Numbers keep the shortest form that reads back to the
//! same value; integers keep all their digits, which RFC 8785 would round to a double.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::cmp::Ordering;

/// The canonical text of a value: what is stored, shown to a reviewer, hashed and sent.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut out = Text::default();
    write(value, &mut out);
    out.0
}

/// Lower-case hexadecimal SHA-256 of some bytes.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 over several parts, each preceded by its length, so that no two lists of parts agree.
#[must_use]
pub fn sha256_parts(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

/// Lower-case hexadecimal digits of some bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

fn write(value: &Value, out: &mut Text) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.json(value),
        Value::Array(items) => {
            out.0.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.0.push(',');
                }
                write(item, out);
            }
            out.0.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_unstable_by(|(a, _), (b, _)| in_order(a, b));
            out.0.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.0.push(',');
                }
                out.json(key);
                out.0.push(':');
                write(value, out);
            }
            out.0.push('}');
        }
    }
}

/// By UTF-16 code units. That is the order of the bytes as long as nothing lies beyond the surrogates.
fn in_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        a.cmp(b)
    } else {
        a.encode_utf16().cmp(b.encode_utf16())
    }
}

/// A text that JSON is written to, without a text of its own for each value.
#[derive(Default)]
struct Text(String);

impl Text {
    fn json<T: serde::Serialize + ?Sized>(&mut self, value: &T) {
        serde_json::to_writer(&mut *self, value)
            .expect("a scalar is written to memory, in characters");
    }
}

impl std::io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(std::io::Error::other)?;
        self.0.push_str(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn order_of_keys_does_not_matter() {
        let a = json!({"b": [1, {"z": null, "a": "é\n"}], "a": 1.5, "10": true, "9": false});
        assert_eq!(
            canonical(&a),
            "{\"10\":true,\"9\":false,\"a\":1.5,\"b\":[1,{\"a\":\"é\\n\",\"z\":null}]}"
        );
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(sha256_parts(&[b"ab", b"c"]), sha256_parts(&[b"a", b"bc"]));
        assert_eq!(
            sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
