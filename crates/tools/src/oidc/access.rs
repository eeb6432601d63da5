//! Access tokens of another authorization server: whether one is to be believed, and what it says.
//!
//! Anybody may send one, so that nothing is asked of the issuer for a token that does not even name
//! it, and its keys are read anew for an unknown key at most once a minute. A token that is made for
//! somebody else (`aud`) is as good as none: what a person gave another service opens nothing here.

use super::token::{Keys, Unverified, claims_of};
use super::{KNOWN_FOR, OidcError, SKEW_S, Servers, Verify, lock};
use crate::egress::Egress;
use crate::oauth::{OAuthError, host_of, one_line, origin_of};
use domain::credential::Secret;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How soon the keys of an issuer are read again for a token whose key is unknown.
const AGAIN: Duration = Duration::from_secs(60);

/// Longest name of a person at an issuer.
const SUBJECT_BYTES_MAX: usize = 255;

/// What a token says that is to be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// What the issuer calls the person.
    pub subject: String,
    /// What it may be used for, in the issuer's words.
    pub scopes: Vec<String>,
    /// The client that it was given to, where the token says so.
    pub client: Option<String>,
}

/// An issuer whose access tokens are taken. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct AccessIssuer(Arc<Inner>);

struct Inner {
    issuer: String,
    audience: String,
    verify: Verify,
    servers: Servers,
    keys: Mutex<Option<(Arc<Keys>, Instant)>>,
}

impl AccessIssuer {
    /// An issuer by its name for itself, and the audience that its tokens must be made for. It is
    /// asked nothing yet. Its own origin may be private.
    #[must_use]
    pub fn new(egress: &Egress, issuer: String, audience: String, verify: Verify) -> Self {
        let own: Vec<String> = origin_of(&issuer).into_iter().collect();
        Self(Arc::new(Inner {
            servers: egress.authorization_servers(&own),
            issuer,
            audience,
            verify,
            keys: Mutex::default(),
        }))
    }

    /// The issuer's name for itself.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// What a token says, at a time in milliseconds since 1970.
    ///
    /// # Errors
    /// [`OidcError`]: it is not to be believed, or the issuer's keys cannot be had.
    pub fn read<'a>(
        &'a self,
        token: &'a Secret,
        now_ms: i64,
    ) -> BoxFuture<'a, Result<AccessClaims, OidcError>> {
        Box::pin(async move {
            let expected = |claims: &Map<String, Value>| {
                check(
                    claims,
                    &self.0.issuer,
                    &self.0.audience,
                    now_ms.div_euclid(1_000),
                )
                .map_err(OidcError::Token)
            };
            // Before anything is asked for it: who it says made it, for whom, until when.
            let unverified = claims_of(token.expose())
                .ok_or_else(|| OidcError::Token("it is no signed token".to_owned()))?;
            expected(&unverified)?;
            let claims = self.verified(token.expose()).await?;
            expected(&claims)?;
            Ok(said(&claims))
        })
    }

    async fn verified(&self, token: &str) -> Result<Map<String, Value>, OidcError> {
        let kept = lock(&self.0.keys).clone();
        let usable = kept.filter(|(_, at)| at.elapsed() < KNOWN_FOR);
        let (keys, at) = match usable {
            Some(known) => known,
            None => self.keys().await?,
        };
        let read = match keys.verify(token, self.0.verify) {
            Err(Unverified::NoKey) if at.elapsed() >= AGAIN => {
                self.keys().await?.0.verify(token, self.0.verify)
            }
            read => read,
        };
        read.map_err(|why| OidcError::Token(why.to_string()))
    }

    /// The issuer's keys, read now (RFC 8414, section 3; OpenID Connect Discovery, section 4).
    async fn keys(&self) -> Result<(Arc<Keys>, Instant), OAuthError> {
        let issuer = self.issuer();
        let trimmed = issuer.trim_end_matches('/');
        let origin = origin_of(issuer).unwrap_or_default();
        let path = trimmed.strip_prefix(&origin).unwrap_or_default();
        let places = [
            format!("{trimmed}/.well-known/openid-configuration"),
            format!("{origin}/.well-known/oauth-authorization-server{path}"),
            format!("{trimmed}/.well-known/oauth-authorization-server"),
        ];
        let mut problem = None;
        for place in places {
            let fields = match self.0.servers.get(&place).await {
                Ok(answered) => answered.success(),
                Err(error) => Err(error),
            };
            let fields = match fields {
                Ok(fields) => fields,
                Err(error) => {
                    problem.get_or_insert(error);
                    continue;
                }
            };
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            if text("issuer") != Some(issuer) {
                let said = one_line(text("issuer").unwrap_or_default(), 100);
                return Err(OAuthError::Unknown(format!(
                    "{} calls itself `{said}` and is configured as `{}`",
                    host_of(issuer).unwrap_or_default(),
                    one_line(issuer, 100)
                )));
            }
            let Some(address) = text("jwks_uri") else {
                continue;
            };
            self.0.servers.endpoint(address)?;
            let answered = self.0.servers.get(address).await?;
            let keys = Arc::new(Keys::read(&answered.success()?));
            let known = (keys, Instant::now());
            *lock(&self.0.keys) = Some(known.clone());
            return Ok(known);
        }
        Err(problem.unwrap_or_else(|| {
            OAuthError::Unknown("it does not say where its keys are (`jwks_uri`)".to_owned())
        }))
    }
}

/// Checks who made a token, for whom, and until when (RFC 9068, section 4).
fn check(
    claims: &Map<String, Value>,
    issuer: &str,
    audience: &str,
    now_s: i64,
) -> Result<(), String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_i64()
            .or_else(|| value.as_f64().map(|f| f as i64))
            .map(Some)
            .ok_or_else(|| format!("`{name}` is no time")),
    };
    if text("iss") != Some(issuer) {
        return Err("it is made by another issuer (`iss`)".to_owned());
    }
    let is_for_us = match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(all)) => all.iter().any(|one| one == audience),
        _ => false,
    };
    if !is_for_us {
        return Err("it is made for another service (`aud`)".to_owned());
    }
    let ends = time("exp")?.ok_or("it does not say when it ends (`exp`)")?;
    if ends.saturating_add(SKEW_S) <= now_s {
        return Err("it has run out (`exp`)".to_owned());
    }
    for name in ["nbf", "iat"] {
        if time(name)?.is_some_and(|from| from > now_s.saturating_add(SKEW_S)) {
            return Err(format!("it does not hold yet (`{name}`)"));
        }
    }
    match text("sub") {
        Some(sub) if !sub.is_empty() && sub.len() <= SUBJECT_BYTES_MAX => Ok(()),
        Some(_) | None => Err("it does not say who the person is (`sub`)".to_owned()),
    }
}

fn said(claims: &Map<String, Value>) -> AccessClaims {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let scopes = match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(names)) => names.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    };
    let client = text("client_id").or_else(|| text("azp"));
    AccessClaims {
        subject: text("sub").unwrap_or_default().to_owned(),
        scopes,
        client: client.map(|c| one_line(c, 128)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_is_for_us_from_whom_we_trust_and_for_now() {
        let good = json!({
            "iss": "https://as.example", "aud": "https://executor.example/mcp", "sub": "ada",
            "exp": 2_000, "iat": 900,
        });
        let check = |name: &str, value: Option<Value>| {
            let mut claims = good.as_object().cloned().unwrap();
            match value {
                Some(value) => claims.insert(name.to_owned(), value),
                None => claims.remove(name),
            };
            check(
                &claims,
                "https://as.example",
                "https://executor.example/mcp",
                1_000,
            )
        };
        assert_eq!(check("x", Some(json!(1))), Ok(()));
        let many = json!(["https://other.example", "https://executor.example/mcp"]);
        assert_eq!(check("aud", Some(many)), Ok(()));
        for (name, value) in [
            ("iss", Some(json!("https://as.example/"))),
            ("iss", None),
            ("aud", Some(json!("https://executor.example"))),
            ("aud", Some(json!(["https://other.example"]))),
            ("aud", None),
            ("exp", Some(json!(900))),
            ("exp", Some(json!("tomorrow"))),
            ("exp", None),
            ("nbf", Some(json!(2_000))),
            ("iat", Some(json!(2_000))),
            ("sub", Some(json!(""))),
            ("sub", None),
        ] {
            assert!(check(name, value.clone()).is_err(), "{name} {value:?}");
        }
    }

    #[test]
    fn scopes_and_clients_are_read_in_both_ways() {
        let claims = |value: Value| said(value.as_object().unwrap());
        let one = claims(json!({ "sub": "a", "scope": "run read", "client_id": "c" }));
        assert_eq!(one.scopes, ["run", "read"]);
        assert_eq!(one.client.as_deref(), Some("c"));
        let other = claims(json!({ "sub": "a", "scp": ["run"], "azp": "d" }));
        assert_eq!(other.scopes, ["run"]);
        assert_eq!(other.client.as_deref(), Some("d"));
        assert!(claims(json!({ "sub": "a" })).scopes.is_empty());
    }
}
