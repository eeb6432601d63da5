//! Known secrets out of everything that comes back.
//!
//! An upstream may echo what it was sent. The secret itself and its practical encodings (base64 at
//! any alignment and once more, hexadecimal, percent, JSON escapes, reversed) become `[secret]`, and so
//! do the parts of a JWT. Of a secret that is split in two, at least the larger half is found and
//! masked, and the call is flagged. What is compressed inside a file, or split in more parts, is not
//! found.

use crate::invoke::Attachment;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use domain::credential::Secret;
use domain::source::AuthScheme;
use memchr::memmem;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// What stands in the place of a secret.
const MASK: &str = "[secret]";

/// Shorter secrets are words of everyday text; masking them would spoil every answer.
const PLAIN_BYTES_MIN: usize = 4;

/// Shorter encoded pieces occur by chance.
const ENCODED_BYTES_MIN: usize = 8;

/// Half of a secret counts as a piece of it where it has at least this length.
const PIECE_BYTES_MIN: usize = 12;

/// Finds the secrets of one call.
#[derive(Default)]
pub(crate) struct Masks {
    /// Longest first, so that a form is masked before the shorter ones inside it.
    needles: Vec<String>,
    /// Halves of secrets: looked for when the needles are gone.
    pieces: Vec<String>,
    /// Whether a piece was found, whose other half may have passed.
    echoed: AtomicBool,
}

impl Masks {
    pub(crate) fn new(attachments: &[Attachment]) -> Self {
        let mut masks = Self::default();
        masks.also(attachments, &[]);
        masks
    }

    /// From now on these are masked, too: what a call carries, and what belongs to it without being
    /// sent.
    pub(crate) fn also(&mut self, attachments: &[Attachment], hidden: &[Secret]) {
        let sent = attachments.iter().flat_map(secrets);
        let mut needles: BTreeSet<String> = self.needles.drain(..).collect();
        for secret in sent.chain(hidden.iter().map(Secret::expose)) {
            forms(secret, &mut needles);
            for part in jwt_parts(secret) {
                forms(part, &mut needles);
            }
            self.pieces.extend(halves(secret));
        }
        self.needles.extend(needles);
        self.needles
            .sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        self.pieces.sort();
        self.pieces.dedup();
    }

    /// Whether a piece of a secret came back that could not be masked as a whole.
    pub(crate) fn is_echoed(&self) -> bool {
        self.echoed.load(Ordering::Relaxed)
    }

    fn each(&self) -> impl Iterator<Item = (&String, bool)> {
        let whole = self.needles.iter().map(|n| (n, false));
        whole.chain(self.pieces.iter().map(|p| (p, true)))
    }

    fn found(&self, is_piece: bool) {
        if is_piece {
            self.echoed.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        for (needle, is_piece) in self.each() {
            if memmem::find(masked.as_bytes(), needle.as_bytes()).is_some() {
                self.found(is_piece);
                masked = Cow::Owned(masked.replace(needle, MASK));
            }
        }
        masked
    }

    /// Whether bytes hold no secret, neither as they stand nor behind the escapes of JSON. One look
    /// at a whole body spares most of them the walk through every value.
    pub(crate) fn absent(&self, bytes: &[u8]) -> bool {
        let found = |needle: &[u8]| memmem::find(bytes, needle).is_some();
        self.needles.is_empty()
            || !(found(b"\\u") || found(b"\\/") || self.each().any(|(n, _)| found(n.as_bytes())))
    }

    pub(crate) fn bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let mut masked = Cow::Borrowed(bytes);
        for (needle, is_piece) in self.each() {
            if memmem::find(&masked, needle.as_bytes()).is_some() {
                self.found(is_piece);
                masked = Cow::Owned(replaced(&masked, needle.as_bytes()));
            }
        }
        masked
    }

    /// Masks every text of a value, keys included.
    pub(crate) fn value(&self, value: &mut Value) {
        if self.needles.is_empty() {
            return;
        }
        match value {
            Value::String(text) => {
                if let Cow::Owned(masked) = self.text(text) {
                    *text = masked;
                }
            }
            Value::Number(number) => {
                let text = number.to_string();
                if let Cow::Owned(masked) = self.text(&text) {
                    *value = Value::String(masked);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|v| self.value(v)),
            Value::Object(map) => {
                map.values_mut().for_each(|v| self.value(v));
                if map.keys().any(|k| matches!(self.text(k), Cow::Owned(_))) {
                    *map = std::mem::take(map)
                        .into_iter()
                        .map(|(k, v)| (self.text(&k).into_owned(), v))
                        .collect::<Map<_, _>>();
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

fn replaced(bytes: &[u8], needle: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for at in memmem::find_iter(bytes, needle) {
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(MASK.as_bytes());
        from = at + needle.len();
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

/// What of a credential must not be seen. A user name is no secret, unless it stands alone, as
/// where an API takes its key as the user of basic authentication.
fn secrets(attachment: &Attachment) -> Vec<&str> {
    let parts = attachment.scheme.parts(attachment.secret.expose());
    parts
        .into_iter()
        .flat_map(|(scheme, value)| secrets_of(scheme, value))
        .collect()
}

fn secrets_of<'s>(scheme: &AuthScheme, whole: &'s str) -> Vec<&'s str> {
    match scheme {
        AuthScheme::All(_) => vec![whole],
        AuthScheme::Bearer => vec![bare_token(whole)],
        AuthScheme::Basic => match whole.split_once(':') {
            Some((user, "")) => vec![whole, user],
            Some((_, password)) => vec![whole, password],
            None => vec![whole],
        },
        // `Bot abc`, `Token abc`: the part after the word is the secret.
        AuthScheme::ApiKey { .. } | AuthScheme::Env { .. } => std::iter::once(whole)
            .chain(whole.rsplit_once(' ').map(|(_, key)| key))
            .collect(),
    }
}

/// The parts of a JWT that say something by themselves: its claims and its signature.
fn jwt_parts(secret: &str) -> impl Iterator<Item = &str> {
    let parts: Vec<&str> = secret.split('.').collect();
    let is_jwt = parts.len() == 3 && secret.starts_with("eyJ");
    let kept = if is_jwt { parts } else { Vec::new() };
    kept.into_iter()
        .skip(1)
        .filter(|p| p.len() >= PIECE_BYTES_MIN)
}

/// Both halves of a secret that is long enough: of two parts, wherever it was cut, one holds a half.
fn halves(secret: &str) -> Vec<String> {
    let middle = secret.len().div_ceil(2);
    let cut = [(0, middle), (secret.len() - middle, secret.len())];
    let each = cut
        .into_iter()
        .filter_map(|(from, to)| secret.get(from..to));
    each.filter(|half| half.len() >= PIECE_BYTES_MIN)
        .map(str::to_owned)
        .collect()
}

/// A bearer token, also where it was pasted together with the word.
pub(crate) fn bare_token(secret: &str) -> &str {
    match secret.split_at_checked(7) {
        Some((word, rest)) if word.eq_ignore_ascii_case("bearer ") => rest.trim(),
        Some(_) | None => secret,
    }
}

fn forms(secret: &str, out: &mut BTreeSet<String>) {
    if secret.len() < PLAIN_BYTES_MIN {
        return;
    }
    out.insert(secret.to_owned());
    let quoted = Value::String(secret.to_owned()).to_string();
    out.insert(quoted[1..quoted.len() - 1].to_owned());
    let mut encoded: Vec<String> = vec![secret.chars().rev().collect()];
    encoded.extend(base64_forms(secret.as_bytes()));
    for once in [
        STANDARD_NO_PAD.encode(secret),
        base64::engine::general_purpose::STANDARD.encode(secret),
    ] {
        encoded.extend(base64_forms(once.as_bytes()));
    }
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    encoded.extend([hex.to_ascii_uppercase(), hex]);
    for keep in [
        |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b),
        |_| false,
    ] {
        encoded.push(percent(secret, keep, |b| format!("%{b:02X}")));
        encoded.push(percent(secret, keep, |b| format!("%{b:02x}")));
    }
    encoded.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
    out.extend(encoded.into_iter().filter(|e| e.len() >= ENCODED_BYTES_MIN));
}

fn percent(secret: &str, keep: fn(u8) -> bool, triplet: fn(u8) -> String) -> String {
    secret
        .bytes()
        .map(|b| {
            if keep(b) {
                char::from(b).to_string()
            } else {
                triplet(b)
            }
        })
        .collect()
}

/// The characters that bytes always encode to, wherever in a longer text they stand: one run for
/// each of the three alignments, in both alphabets.
fn base64_forms(bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for shift in 0..3 {
        let mut padded = vec![0; shift];
        padded.extend_from_slice(bytes);
        // Characters that also carry bits of what stands before or after do not count.
        let from = (shift * 8).div_ceil(6);
        let to = padded.len() * 8 / 6;
        if to > from {
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                found.push(engine.encode(&padded)[from..to].to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use domain::credential::Secret;
    use serde_json::json;

    fn masks(scheme: AuthScheme, secret: &str) -> Masks {
        Masks::new(&[Attachment {
            scheme,
            secret: Secret::new(secret.to_owned()),
        }])
    }

    #[test]
    fn every_practical_form_is_masked() {
        const SECRET: &str = "s3cr\"et/+ü-token_9";
        let masks = masks(AuthScheme::Bearer, &format!("Bearer {SECRET}"));
        let inside = |before: &str| STANDARD.encode(format!("{before}{SECRET} and more"));
        let hex: String = SECRET.bytes().map(|b| format!("{b:02x}")).collect();
        for text in [
            SECRET.to_owned(),
            STANDARD.encode(SECRET),
            URL_SAFE.encode(SECRET),
            inside(""),
            inside("x"),
            inside("xy"),
            STANDARD.encode(STANDARD.encode(SECRET)),
            hex.to_uppercase(),
            hex,
            SECRET.chars().rev().collect(),
            url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect(),
            json!({ "a": SECRET }).to_string(),
        ] {
            let masked = masks.text(&text).into_owned();
            assert!(masked.contains(MASK), "{text} → {masked}");
            assert!(!masked.contains(SECRET));
        }
        let mut value = json!({ SECRET: [SECRET, 1, {"k": "plain"}] });
        masks.value(&mut value);
        assert_eq!(value, json!({ MASK: [MASK, 1, {"k": "plain"}] }));
        assert_eq!(masks.text("nothing here"), "nothing here");
        assert_eq!(
            masks.bytes(format!("\u{1}{SECRET}").as_bytes()),
            b"\x01[secret]".as_slice()
        );
    }

    #[test]
    fn a_secret_in_two_parts_is_flagged() {
        const SECRET: &str = "abcdefghijkl0123456789ABCDEFGHIJ";
        for (value, expected) in [
            (json!({"a": &SECRET[..16], "b": &SECRET[16..]}), true),
            (json!({"b": &SECRET[5..], "a": &SECRET[..5]}), true),
            (json!([&SECRET[..20], "x", &SECRET[20..]]), true),
            (json!({"a": SECRET, "b": STANDARD.encode(SECRET)}), false),
            (json!({"a": &SECRET[..10]}), false),
        ] {
            let masks = masks(AuthScheme::Bearer, SECRET);
            let mut masked = value.clone();
            masks.value(&mut masked);
            assert_eq!(masks.is_echoed(), expected, "{value} → {masked}");
        }
    }

    #[test]
    fn what_is_not_sent_is_masked_too() {
        let claims = URL_SAFE.encode(r#"{"sub":"ada","scope":"all"}"#);
        let token = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJlLW9mLWFkYQ");
        let mut masks = masks(AuthScheme::Bearer, &token);
        let later = Secret::new("refresh-9f8e7d6c5b4a".to_owned());
        masks.also(&[], std::slice::from_ref(&later));
        for text in [&token, &claims, "c2lnbmF0dXJlLW9mLWFkYQ", later.expose()] {
            assert_eq!(masks.text(text), MASK, "{text}");
        }
    }

    #[test]
    fn a_user_name_is_no_secret() {
        let masks = masks(AuthScheme::Basic, "AC123456:hunter22");
        assert_eq!(masks.text("AC123456 hunter22"), "AC123456 [secret]");
        assert!(
            masks
                .text(&STANDARD.encode("AC123456:hunter22"))
                .starts_with(MASK)
        );
    }
}
