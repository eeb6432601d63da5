//! Reads requests: strictly, so that a misspelled field is an error and not a surprise.
//!
//! Bodies are JSON without unknown fields, wrong types or keys given twice, limited in size and
//! time; queries likewise. Identifiers that cannot be right are "not found", like any other that
//! names nothing here.

use super::answer::read_cursor;
use crate::App;
use crate::error::Failure;
use crate::wire;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use domain::Timestamp;
use domain::access::{Caller, Forbidden, Person};
use http::Uri;
use http::header::CONTENT_TYPE;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Bytes of a body. The largest thing sent is the description of a source.
const BODY_BYTES_MAX: usize = 32 << 20;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Items of a page unless the request says otherwise, and at most.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 200;

/// Who the request is for.
pub(crate) struct Who(pub(crate) Caller);

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        parts
            .extensions
            .get::<Caller>()
            .cloned()
            .map(Self)
            .ok_or_else(|| match parts.extensions.get::<Person>() {
                Some(_) => engine::Error::from(Forbidden::Nowhere).into(),
                None => Failure::not_signed_in(),
            })
    }
}

/// The person the request is for, wherever they are a member.
pub(crate) struct Whoever(pub(crate) Person);

impl<S: Send + Sync> FromRequestParts<S> for Whoever {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        parts
            .extensions
            .get::<Person>()
            .cloned()
            .map(Self)
            .ok_or_else(|| match parts.extensions.get::<Caller>() {
                Some(_) => engine::Error::from(Forbidden::Program {
                    what: "act for a person outside of its workspace",
                })
                .into(),
                None => Failure::not_signed_in(),
            })
    }
}

/// A body of JSON.
pub(crate) struct Input<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        let kind = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok());
        // Also what keeps forms of other sites out: they cannot send this type.
        let essence = kind
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Failure::not_json());
        }
        let body = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX);
        let body = tokio::time::timeout(BODY_TIMEOUT, body)
            .await
            .map_err(|_| Failure::too_slow())?
            .map_err(|_| Failure::too_large(BODY_BYTES_MAX))?;
        read_json(&body).map(Self)
    }
}

/// A query string.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        // `workspace` goes with every route and was judged before.
        let rest: Vec<&str> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("workspace="))
            .collect();
        let uri = Uri::try_from(format!("/?{}", rest.join("&")))
            .map_err(|e| Failure::malformed("query", e.to_string()))?;
        Query::try_from_uri(&uri)
            .map(|Query(read)| Self(read))
            .map_err(|e| Failure::malformed("query", strip(&e.body_text())))
    }
}

/// The part of a rejection that says what is wrong.
fn strip(text: &str) -> String {
    text.strip_prefix("Failed to deserialize query string: ")
        .unwrap_or(text)
        .to_owned()
}

/// An identifier out of a path.
pub(crate) fn id<T: FromStr>(what: &'static str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::not_found(what, text))
}

/// Whether a workspace in a path is the caller's.
pub(crate) async fn here(app: &App, caller: &Caller, workspace: &str) -> Result<(), Failure> {
    let named = app.engine.enter_workspace(caller, workspace).await?;
    if named.workspace_id == caller.workspace_id {
        Ok(())
    } else {
        Err(Failure::not_found("workspace", workspace))
    }
}

/// How many items to show, and how many to ask for: one more, to see whether there are more.
pub(crate) fn limit(wanted: Option<u32>) -> Result<u32, Failure> {
    match wanted {
        None => Ok(PAGE),
        Some(n @ 1..=PAGE_MAX) => Ok(n),
        Some(n) => Err(Failure::invalid(
            "limit",
            format!("{n} is not between 1 and {PAGE_MAX}"),
        )),
    }
}

/// Reads a cursor of a list that is ordered by time and identifier.
pub(crate) fn before<T: FromStr>(cursor: Option<&str>) -> Result<Option<(Timestamp, T)>, Failure> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    read_cursor(cursor)
        .and_then(|text| {
            let (ms, id) = text.split_once(':')?;
            Some((Timestamp(ms.parse().ok()?), id.parse().ok()?))
        })
        .map(Some)
        .ok_or_else(bad_cursor)
}

pub(crate) fn bad_cursor() -> Failure {
    Failure::malformed(
        "cursor",
        "it is not one that this list gave out; start without it",
    )
}

/// Reads an instant of a query, by RFC 3339.
pub(crate) fn instant(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<Timestamp>, Failure> {
    let read = |text: &str| {
        wire::instant(text).ok_or_else(|| {
            let why = format!("'{text}' is no instant such as 2026-11-22T18:54:00Z");
            Failure::invalid(field, why)
        })
    };
    text.map(read).transpose()
}

/// How long to wait for a task before answering.
pub(crate) fn wait(wait_ms: Option<u64>, default_ms: u64) -> Result<Duration, Failure> {
    match wait_ms.unwrap_or(default_ms) {
        ms @ 0..=60_000 => Ok(Duration::from_millis(ms)),
        ms => Err(Failure::invalid(
            "waitMs",
            format!("{ms} is not between 0 and 60000"),
        )),
    }
}

/// Reads JSON of a known shape.
fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let value = strict_json(body)
        .map_err(|e| Failure::malformed("", format!("the body is not valid JSON: {e}")))?;
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = e.path().to_string();
        let field = if path == "." { String::new() } else { path };
        Failure::malformed(&field, e.into_inner().to_string())
    })
}

/// Reads one JSON value and nothing after it, without keys given twice.
///
/// # Errors
/// Where and why it cannot be read.
pub(crate) fn strict_json(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    Strict
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
}

/// Reads any JSON value, and refuses a key that stands twice in one object: which of the two counts
/// would depend on the reader.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is out of range"))
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!(
                    "the key `{key}` stands twice in one object"
                )));
            }
            let value = map.next_value_seed(Self)?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::policies::NewRule;
    use api::tasks::NewTask;

    fn title<T: DeserializeOwned>(body: &str) -> String {
        match read_json::<T>(body.as_bytes()) {
            Ok(_) => "read".into(),
            Err(failure) => failure.title().to_owned(),
        }
    }

    #[test]
    fn what_fits_is_read() {
        assert_eq!(
            title::<NewTask>(r#"{"code":"1","metadata":{"a":[1.5,null,-3]}}"#),
            "read"
        );
        let read: NewTask =
            read_json(br#"{"code":"x","metadata":{"n":9007199254740993}}"#).unwrap();
        assert_eq!(read.metadata.unwrap()["n"], 9_007_199_254_740_993_u64);
    }

    #[test]
    fn what_does_not_is_named() {
        for (body, expected) in [
            (r#"{"code":1}"#, "code: invalid type"),
            (r#"{"code":"x","cod":1}"#, "cod: unknown field `cod`"),
            (
                r#"{"code":"x","code":"y"}"#,
                "the body is not valid JSON: the key `code` stands twice",
            ),
            (
                r#"{"code":"x","metadata":{"a":1,"a":2}}"#,
                "the body is not valid JSON: the key `a` stands twice",
            ),
            (r#"{}"#, "missing field `code`"),
            (
                r#"{"code":"x"} x"#,
                "the body is not valid JSON: trailing characters",
            ),
            (r#"{"code":"#, "the body is not valid JSON: EOF"),
            ("", "the body is not valid JSON: EOF"),
            (r#"{"code":"x","timeoutMs":-1}"#, "timeoutMs: invalid value"),
        ] {
            let said = title::<NewTask>(body);
            assert!(said.starts_with(expected), "{body}: {said}");
        }
        let nested = title::<NewRule>(r#"{"effect":"ask","match":{"tools":["a",7]}}"#);
        assert!(
            nested.starts_with("match.tools[1]: invalid type"),
            "{nested}"
        );
    }

    #[test]
    fn depth_is_limited() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(title::<Value>(&deep).contains("recursion limit"));
    }

    #[test]
    fn limits_and_waits() {
        assert_eq!(limit(None).unwrap(), 50);
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err());
        assert_eq!(wait(Some(60_000), 0).unwrap(), Duration::from_secs(60));
        assert!(wait(Some(60_001), 0).is_err());
        assert!(before::<domain::TaskId>(Some("garbage")).is_err());
    }
}
