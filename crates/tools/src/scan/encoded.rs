//! Text that is encoded so that a person passes over it and a model does not: base64, hex, escapes.
//!
//! What decodes to sentences is read again, once. What decodes to nothing readable is told of only
//! where it is long: keys and checksums have a place in examples.

use super::Hit;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use domain::source::{FindingKind, Severity};

/// Shorter runs of base64 letters are words.
const BASE64_CHARS_MIN: usize = 24;

/// Longer ones have no business in prose, whatever they hold.
const BLOB_CHARS_MAX: usize = 160;

/// Shorter runs of hex digits are checksums.
const HEX_CHARS_MIN: usize = 40;

/// Fewer escapes in a row are an example of one.
const ESCAPES_MIN: usize = 8;

/// Longest text that is decoded of one run, in characters.
const DECODED_CHARS_MAX: usize = 2_000;

/// Every encoded run that holds sentences, or is too long for prose. `depth` is how many times this
/// text was decoded already.
pub(super) fn blobs(text: &str, depth: usize) -> Vec<Hit> {
    if depth > 0 || text.len() < BASE64_CHARS_MIN {
        return Vec::new();
    }
    let mut hits = Vec::new();
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((start, first)) = bytes.next() {
        if !is_base64(first) {
            continue;
        }
        let mut end = start + 1;
        while bytes.next_if(|(_, b)| is_base64(*b)).is_some() {
            end += 1;
        }
        if end - start >= BASE64_CHARS_MIN {
            hits.extend(run(text, start, end, depth));
        }
    }
    hits.extend(escapes(text, depth));
    hits
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'=')
}

fn run(text: &str, start: usize, end: usize, depth: usize) -> Vec<Hit> {
    let run = &text[start..end];
    let is_hex = run.bytes().all(|b| b.is_ascii_hexdigit());
    let decoded = if is_hex && run.len() >= HEX_CHARS_MIN {
        sentences(&unhexed(run))
    } else {
        base64(run).and_then(|bytes| sentences(&bytes))
    };
    if let Some(decoded) = decoded {
        return told(&decoded, start, end, depth);
    }
    let lower = run.bytes().any(|b| b.is_ascii_lowercase());
    let mixed = lower
        && run.bytes().any(|b| b.is_ascii_uppercase())
        && run.bytes().any(|b| b.is_ascii_digit());
    // Words joined by slashes or dashes are no blob.
    let broken = run
        .bytes()
        .filter(|b| matches!(b, b'/' | b'-' | b'_'))
        .count();
    if run.len() > BLOB_CHARS_MAX && (mixed || is_hex) && broken * 16 < run.len() {
        return vec![Hit {
            kind: FindingKind::EncodedText,
            severity: Severity::Medium,
            start,
            end,
            decoded: None,
        }];
    }
    Vec::new()
}

/// A run that says something: itself, and what is wrong with what it says.
fn told(decoded: &str, start: usize, end: usize, depth: usize) -> Vec<Hit> {
    let inner = super::hits(decoded, depth + 1);
    let mut hits = vec![Hit {
        kind: FindingKind::EncodedText,
        severity: if inner.is_empty() {
            Severity::Medium
        } else {
            Severity::High
        },
        start,
        end,
        decoded: Some(decoded.to_owned()),
    }];
    hits.extend(inner.into_iter().map(|hit| Hit {
        kind: hit.kind,
        severity: Severity::High,
        start,
        end,
        decoded: Some(decoded.to_owned()),
    }));
    hits
}

/// Runs of `\x41`, `\u0041`, `&#65;` and `%41`.
fn escapes(text: &str, depth: usize) -> Vec<Hit> {
    if !text.contains(['\\', '%', '&']) {
        return Vec::new();
    }
    let mut hits = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(['\\', '%', '&']).map(|i| at + i) {
        let mut end = start;
        let mut decoded = String::new();
        let mut count = 0;
        while let Some((c, length)) = escape(&text[end..]) {
            decoded.push(c);
            end += length;
            count += 1;
            // Letters between two escapes belong to the run, as in `do%20not%20tell`.
            let plain = text[end..]
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(0);
            if escape(&text[end + plain..]).is_some() {
                decoded.push_str(&text[end..end + plain]);
                end += plain;
            }
        }
        if count >= ESCAPES_MIN && sentences(decoded.as_bytes()).is_some() {
            hits.extend(told(&decoded, start, end, depth));
        }
        at = end.max(start + 1);
    }
    hits
}

/// One escaped ASCII character at the start of a text, and its length.
fn escape(text: &str) -> Option<(char, usize)> {
    let (digits, length, radix) = if let Some(rest) = text.strip_prefix("\\x") {
        (rest.get(..2)?, 4, 16)
    } else if let Some(rest) = text.strip_prefix("\\u") {
        (rest.get(..4)?, 6, 16)
    } else if let Some(rest) = text.strip_prefix("&#") {
        let end = rest.find(';').filter(|end| (1..=5).contains(end))?;
        let (digits, radix) = rest[..end]
            .strip_prefix(['x', 'X'])
            .map_or((&rest[..end], 10), |hex| (hex, 16));
        (digits, end + 3, radix)
    } else if let Some(rest) = text.strip_prefix('%') {
        (rest.get(..2)?, 3, 16)
    } else {
        return None;
    };
    let c = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    (c.is_ascii() && !c.is_ascii_control()).then_some((c, length))
}

fn base64(run: &str) -> Option<Vec<u8>> {
    const ANY: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet = if run.contains(['-', '_']) {
        base64::alphabet::URL_SAFE
    } else {
        base64::alphabet::STANDARD
    };
    let cut = &run[..run.len().min(DECODED_CHARS_MAX)];
    let cut = cut.trim_end_matches('=');
    // One letter too many is no byte.
    let cut = &cut[..cut.len() - usize::from(cut.len() % 4 == 1)];
    GeneralPurpose::new(&alphabet, ANY).decode(cut).ok()
}

fn unhexed(run: &str) -> Vec<u8> {
    let cut = &run[..run.len().min(DECODED_CHARS_MAX)];
    cut.as_bytes()
        .chunks_exact(2)
        .filter_map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

/// Bytes as text where they are words with blanks between them.
fn sentences(bytes: &[u8]) -> Option<String> {
    // A cut may have split the last character.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) if e.valid_up_to() + 4 > bytes.len() => {
            std::str::from_utf8(&bytes[..e.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let count = text.chars().count();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let blanks = text.chars().filter(|c| c.is_whitespace()).count();
    let unseen = text.chars().any(|c| c.is_control() && !c.is_whitespace());
    (count >= 12 && !unseen && blanks >= 2 && (letters + blanks) * 10 >= count * 8)
        .then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose;

    fn said(text: &str) -> Vec<String> {
        blobs(text, 0)
            .into_iter()
            .filter_map(|h| h.decoded)
            .collect()
    }

    #[test]
    fn encoded_sentences_are_read() {
        let base64 = general_purpose::STANDARD.encode("please send the report to the other side");
        let hex: String = "please send the report"
            .bytes()
            .map(|b| format!("{b:02x}"))
            .collect();
        let escaped: String = "send the report now"
            .bytes()
            .map(|b| format!("\\x{b:02x}"))
            .collect();
        for text in [
            format!("Sums. {base64} and more"),
            format!("Sums {hex}."),
            escaped,
            "send%20the%20report%20to%20the%20other%20side%20right%20now".to_owned(),
        ] {
            assert_eq!(said(&text).len(), 1, "{text}");
            assert_eq!(blobs(&text, 0)[0].severity, Severity::Medium);
            assert!(blobs(&text, 1).is_empty());
        }
    }

    #[test]
    fn keys_checksums_and_addresses_are_none() {
        for text in [
            "sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "Authorization: Basic dXNlcjpwYXNzd29yZHdpdGhsb25ndGV4dA==",
            "https://example.com/a/long/path/to/some/where/else/and/further/down/the/tree",
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
            "filter=name%3A%22x%22%20AND%20y%3A1",
            "thisIsJustAVeryLongCamelCaseIdentifierOfSomeKind",
        ] {
            assert!(blobs(text, 0).is_empty(), "{text}");
        }
        assert_eq!(blobs(&format!("x {}", "aB3".repeat(70)), 0).len(), 1);
    }
}
