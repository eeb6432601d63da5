//! Tokens that are to be believed, and each of those that are not.

use super::*;
use serde_json::json;

const NOW: i64 = 1_800_000_000;

/// Signs by repeating the key: what holds here is which key is asked, and for what.
fn stand_in(algorithm: Algorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let PublicKey::Ed25519 { x } = key else {
        return false;
    };
    algorithm == Algorithm::EdDsa && signature == [x.as_slice(), message].concat()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn set(keys: &[(&str, &[u8])]) -> Keys {
    let keys: Vec<Value> = keys
        .iter()
        .map(|(kid, x)| {
            json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig",
                    "x": URL_SAFE_NO_PAD.encode(x) })
        })
        .collect();
    let set = json!({ "keys": keys });
    Keys::read(set.as_object().unwrap())
}

fn claims() -> Map<String, Value> {
    json!({
        "iss": "https://i.example", "aud": "me", "sub": "7", "nonce": "n",
        "iat": NOW, "exp": NOW + 300,
    })
    .as_object()
    .unwrap()
    .clone()
}

fn token(head: &Value, key: &[u8]) -> String {
    let signed = format!("{}.{}", encoded(head), encoded(&Value::Object(claims())));
    let signature = [key, signed.as_bytes()].concat();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn signed(kid: Option<&str>, key: &[u8]) -> String {
    match kid {
        Some(kid) => token(&json!({ "alg": "EdDSA", "kid": kid }), key),
        None => token(&json!({ "alg": "EdDSA" }), key),
    }
}

fn read(keys: &Keys, token: &str) -> Result<Map<String, Value>, Unverified> {
    keys.verify(token, stand_in)
}

#[test]
fn a_signature_holds_by_the_listed_key_and_no_other() {
    let keys = set(&[("a", b"1")]);
    assert_eq!(read(&keys, &signed(Some("a"), b"1")), Ok(claims()));
    assert_eq!(read(&keys, &signed(None, b"1")), Ok(claims()));
    let unlisted = read(&keys, &signed(Some("a"), b"2"));
    assert_eq!(unlisted, Err(Unverified::Signature));
    assert_eq!(
        read(&keys, &signed(Some("b"), b"1")),
        Err(Unverified::NoKey)
    );
    assert_eq!(read(&keys, &signed(None, b"2")), Err(Unverified::NoKey));
    let rotated = set(&[("a", b"1"), ("b", b"2")]);
    assert!(read(&rotated, &signed(Some("b"), b"2")).is_ok());
    let other = json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "enc", "x": "MQ" },
        { "kty": "oct", "kid": "b", "k": "MQ" }, { "kty": "EC", "crv": "P-256", "x": "MQ" },
        7, { "kty": "OKP", "crv": "Ed25519", "kid": "c", "alg": "ES256", "x": "MQ" },
    ] });
    let other = Keys::read(other.as_object().unwrap());
    for kid in ["a", "b", "c"] {
        assert_eq!(
            read(&other, &signed(Some(kid), b"1")),
            Err(Unverified::NoKey),
            "{kid}"
        );
    }
}

#[test]
fn what_was_changed_or_signed_otherwise_is_refused() {
    let keys = set(&[("a", b"1")]);
    let good = signed(Some("a"), b"1");
    let parts: Vec<&str> = good.split('.').collect();
    let mut raised = claims();
    raised.insert("sub".into(), json!("8"));
    let changed = [parts[0], &encoded(&Value::Object(raised)), parts[2]].join(".");
    assert_eq!(read(&keys, &changed), Err(Unverified::Signature));
    for (head, expected) in [
        (json!({ "alg": "none" }), Unverified::Algorithm),
        (json!({ "alg": "HS256", "kid": "a" }), Unverified::Algorithm),
        (json!({ "kid": "a" }), Unverified::Malformed),
        (
            json!({ "alg": "EdDSA", "kid": "a", "crit": ["exp"] }),
            Unverified::Malformed,
        ),
        (json!({ "alg": "RS256", "kid": "a" }), Unverified::Signature),
    ] {
        assert_eq!(read(&keys, &token(&head, b"1")), Err(expected), "{head}");
    }
    for bad in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        parts[0],
        &format!("{good}.x"),
    ] {
        assert!(read(&keys, bad).is_err(), "{bad}");
    }
    assert!(read(&keys, &"x".repeat(TOKEN_BYTES_MAX + 1)).is_err());
}

#[test]
fn every_claim_must_be_for_us_and_for_now() {
    let expected = Expected {
        issuer: "https://i.example",
        client_id: "me",
        nonce: "n",
        now_s: NOW,
    };
    assert_eq!(check(&claims(), expected), Ok(()));
    let with = |name: &str, value: Value| {
        let mut all = claims();
        if value.is_null() {
            all.remove(name);
        } else {
            all.insert(name.to_owned(), value);
        }
        check(&all, expected)
    };
    for (name, good) in [
        ("exp", json!(NOW - 59)),
        ("iat", json!(NOW + 60)),
        ("iat", json!(NOW - 660)),
        ("nbf", json!(NOW + 60)),
        ("azp", json!("me")),
        ("aud", json!(["me"])),
    ] {
        assert_eq!(with(name, good.clone()), Ok(()), "{name} {good}");
    }
    for (name, bad) in [
        ("iss", Value::Null),
        ("iss", json!("https://i.example/")),
        ("iss", json!("https://evil.example")),
        ("aud", Value::Null),
        ("aud", json!("you")),
        ("aud", json!(["me", "you"])),
        ("azp", json!("you")),
        ("exp", Value::Null),
        ("exp", json!("soon")),
        ("exp", json!(NOW - 60)),
        ("iat", Value::Null),
        ("iat", json!(NOW + 61)),
        ("iat", json!(NOW - 661)),
        ("nbf", json!(NOW + 61)),
        ("nonce", Value::Null),
        ("nonce", json!("m")),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!("x".repeat(256))),
    ] {
        assert!(with(name, bad.clone()).is_err(), "{name} {bad}");
    }
    let mut several = claims();
    several.insert("aud".into(), json!(["me", "you"]));
    several.insert("azp".into(), json!("me"));
    assert_eq!(check(&several, expected), Ok(()));
}
