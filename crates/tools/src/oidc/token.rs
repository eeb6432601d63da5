//! Whether a token about a person is to be believed: its signature, by the provider's keys, and each
//! of its claims (OpenID Connect Core, section 3.1.3.7).
//!
//! Only signatures that take a key which the provider alone has: no shared secret, and never none.

use super::SKEW_S;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::jws::{Algorithm, PublicKey, Verify};
use serde_json::{Map, Value};

/// Keys of a provider that are looked at.
const KEYS_MAX: usize = 64;

/// Longest token that is read.
const TOKEN_BYTES_MAX: usize = 64 << 10;

/// How long ago a token may have been made: it comes straight from the provider.
const AGE_S_MAX: i64 = 600;

/// A key that a provider lists, and the name it has there.
struct Key {
    id: Option<String>,
    /// The one way to sign that it is for, where the provider says so.
    only: Option<String>,
    public: PublicKey,
}

/// A provider's keys.
pub(super) struct Keys(Vec<Key>);

/// Why a signature was not verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unverified {
    #[error("it is signed with a key that the provider does not list")]
    NoKey,
    #[error("its signature does not hold")]
    Signature,
    #[error("it is signed in a way that is not taken")]
    Algorithm,
    #[error("it is no signed token")]
    Malformed,
}

impl Keys {
    /// Reads a provider's key set (RFC 7517); what is no key that can be used here is left out.
    pub(super) fn read(set: &Map<String, Value>) -> Self {
        let all = set.get("keys").and_then(Value::as_array);
        let each = all.into_iter().flatten().take(KEYS_MAX);
        Self(each.filter_map(|key| listed(key.as_object()?)).collect())
    }

    /// The claims of a token (RFC 7515, compact) whose signature holds.
    pub(super) fn verify(
        &self,
        token: &str,
        verify: Verify,
    ) -> Result<Map<String, Value>, Unverified> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Unverified::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Unverified::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(Unverified::Malformed)?;
        let signature = bytes(signature).ok_or(Unverified::Malformed)?;
        let head = object(head).ok_or(Unverified::Malformed)?;
        let text = |name: &str| head.get(name).and_then(Value::as_str);
        // What must be understood and is not cannot be passed over (section 4.1.11).
        if head.contains_key("crit") {
            return Err(Unverified::Malformed);
        }
        let name = text("alg").ok_or(Unverified::Malformed)?;
        let algorithm = Algorithm::parse(name).ok_or(Unverified::Algorithm)?;
        let kid = text("kid");
        let meant = self.0.iter().filter(|key| {
            let named = kid.is_none_or(|kid| key.id.as_deref() == Some(kid));
            named && key.only.as_deref().is_none_or(|only| only == name)
        });
        let mut found = false;
        for key in meant {
            found = true;
            if verify(algorithm, &key.public, signed.as_bytes(), &signature) {
                return object(claims).ok_or(Unverified::Malformed);
            }
        }
        // Without a name any listed key may have been meant: a new one is looked for as well.
        Err(if found && kid.is_some() {
            Unverified::Signature
        } else {
            Unverified::NoKey
        })
    }
}

/// The claims of a token as it says them, with no word on whether they hold.
pub(super) fn claims_of(token: &str) -> Option<Map<String, Value>> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, _) = token.rsplit_once('.')?;
    let (_, claims) = signed.split_once('.')?;
    object(claims)
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&bytes(part)?).ok()
}

/// A key of a set, if it is a public key for signatures of a kind that is taken.
fn listed(key: &Map<String, Value>) -> Option<Key> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if text("use").is_some_and(|u| u != "sig") {
        return None;
    }
    let number = |name: &str| bytes(text(name)?.trim_end_matches('='));
    let point = |length: usize| {
        let (x, y) = (number("x")?, number("y")?);
        (x.len() == length && y.len() == length).then(|| [&[4][..], &x, &y].concat())
    };
    let public = match (text("kty")?, text("crv")) {
        ("RSA", _) => PublicKey::Rsa {
            n: number("n")?,
            e: number("e")?,
        },
        ("EC", Some("P-256")) => PublicKey::P256 { point: point(32)? },
        ("EC", Some("P-384")) => PublicKey::P384 { point: point(48)? },
        ("OKP", Some("Ed25519")) => PublicKey::Ed25519 { x: number("x")? },
        (_, _) => return None,
    };
    Some(Key {
        id: text("kid").map(str::to_owned),
        only: text("alg").map(str::to_owned),
        public,
    })
}

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now_s: i64,
}

/// Checks every claim that says for whom, by whom and when a token was made.
pub(super) fn check(claims: &Map<String, Value>, expected: Expected<'_>) -> Result<(), String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_i64()
            .or_else(|| value.as_f64().map(|f| f as i64))
            .map(Some)
            .ok_or_else(|| format!("`{name}` is no time")),
    };
    if text("iss") != Some(expected.issuer) {
        return Err("it is made by another issuer (`iss`)".to_owned());
    }
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !audience.contains(&expected.client_id) {
        return Err("it is made for another client (`aud`)".to_owned());
    }
    match claims.get("azp") {
        Some(party) if party.as_str() != Some(expected.client_id) => {
            return Err("it is made for another client (`azp`)".to_owned());
        }
        None if audience.len() > 1 => {
            return Err("it is made for several clients and does not say for which (`azp`)".into());
        }
        Some(_) | None => {}
    }
    let now = expected.now_s;
    let ends = time("exp")?.ok_or("it does not say when it ends (`exp`)")?;
    if ends.saturating_add(SKEW_S) <= now {
        return Err("it has run out (`exp`); are both clocks right?".to_owned());
    }
    let made = time("iat")?.ok_or("it does not say when it was made (`iat`)")?;
    if made > now.saturating_add(SKEW_S) {
        return Err("it is made in the future (`iat`); are both clocks right?".to_owned());
    }
    if made.saturating_add(AGE_S_MAX + SKEW_S) < now {
        return Err("it was made long ago (`iat`); are both clocks right?".to_owned());
    }
    if time("nbf")?.is_some_and(|from| from > now.saturating_add(SKEW_S)) {
        return Err("it does not hold yet (`nbf`); are both clocks right?".to_owned());
    }
    if text("nonce") != Some(expected.nonce) {
        return Err("it answers another request (`nonce`)".to_owned());
    }
    match text("sub") {
        // OpenID Connect Core, section 2: at most 255 ASCII characters.
        Some(sub) if !sub.is_empty() && sub.len() <= 255 && sub.is_ascii() => Ok(()),
        Some(_) | None => Err("it does not say who the person is (`sub`)".to_owned()),
    }
}

#[cfg(test)]
mod tests;
