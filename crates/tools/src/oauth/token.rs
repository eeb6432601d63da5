//! Tokens: asked for, renewed, given back; and the codes of devices.
//!
//! What is sent holds secrets and goes to one endpoint, never on by a redirect. What comes back is
//! checked before it is believed: a token that cannot be sent as a bearer is none.

use super::{Answered, OAuthError, Sending, Servers, one_line, seconds, text};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::connect::DeviceCode;
use domain::credential::Secret;
use domain::oauth::{ClientAuth, Setup, TokenSet, scopes};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

/// Longest token that is taken.
const TOKEN_BYTES_MAX: usize = 32 << 10;

/// Seconds between two questions about a device's code, unless the server says otherwise, and at most.
const POLL_S: i64 = 5;
const POLL_S_MAX: i64 = 60;

/// What a token is asked for with.
#[derive(Clone, Copy)]
pub enum Grant<'a> {
    /// What a browser brought back.
    Code {
        /// The code.
        code: &'a Secret,
        /// The verifier that only we know (RFC 7636).
        verifier: &'a Secret,
        /// Where the browser came back to.
        redirect_uri: &'a str,
    },
    /// What the last token came with.
    Refresh(&'a Secret),
    /// Only who we are.
    Client {
        /// What to ask for.
        scopes: &'a [String],
    },
    /// A device's code.
    Device(&'a Secret),
}

/// What was given out.
#[derive(Clone)]
pub struct Tokens {
    /// What calls carry.
    pub access_token: Secret,
    /// What renews it; none if the one before goes on, or there is none.
    pub refresh_token: Option<Secret>,
    /// Milliseconds that it works for, from when it was asked for.
    pub lasts_ms: Option<i64>,
    /// What it is good for; none if the server does not say, which means: what was asked for.
    pub scopes: Option<Vec<String>>,
    /// Whose account it is, for showing.
    pub account: Option<String>,
    /// What the server says of the person (OpenID Connect); not verified.
    pub id_token: Option<Secret>,
}

/// What a device was given.
#[derive(Clone)]
pub struct Device {
    /// What is asked about.
    pub code: Secret,
    /// What a person enters.
    pub shown: DeviceCode,
    /// Milliseconds for which it is good.
    pub lasts_ms: i64,
    /// Milliseconds between two questions.
    pub poll_ms: u32,
}

/// How it stands with a device's code.
#[derive(Clone)]
pub enum Polled {
    /// Nobody has entered it yet.
    Pending,
    /// As before, and we are to ask more rarely.
    SlowDown,
    /// Somebody has agreed.
    Given(Tokens),
}

impl Servers {
    /// Asks for a token.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub fn token<'a>(
        &'a self,
        setup: &'a Setup,
        client_secret: Option<&'a Secret>,
        grant: Grant<'a>,
    ) -> BoxFuture<'a, Result<Tokens, OAuthError>> {
        Box::pin(self.ask_token(setup, client_secret, grant))
    }

    async fn ask_token(
        &self,
        setup: &Setup,
        client_secret: Option<&Secret>,
        grant: Grant<'_>,
    ) -> Result<Tokens, OAuthError> {
        let joined;
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        match grant {
            Grant::Code {
                code,
                verifier,
                redirect_uri,
            } => pairs.extend([
                ("grant_type", "authorization_code"),
                ("code", code.expose()),
                ("redirect_uri", redirect_uri),
                ("code_verifier", verifier.expose()),
            ]),
            // Without `scope` it stays good for what it was good for (RFC 6749, section 6).
            Grant::Refresh(token) => pairs.extend([
                ("grant_type", "refresh_token"),
                ("refresh_token", token.expose()),
            ]),
            Grant::Client { scopes } => {
                joined = scopes.join(" ");
                pairs.push(("grant_type", "client_credentials"));
                if !joined.is_empty() {
                    pairs.push(("scope", &joined));
                }
            }
            Grant::Device(code) => pairs.extend([
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                ("device_code", code.expose()),
            ]),
        }
        if let Some(resource) = &setup.resource {
            pairs.push(("resource", resource));
        }
        let sending = as_client(setup, client_secret, pairs);
        let answered = self.post(&setup.token_endpoint, sending).await?;
        tokens(&answered, &answered.success()?)
    }

    /// Asks whether a person has entered a device's code.
    ///
    /// # Errors
    /// [`OAuthError`], when nobody will any more.
    pub fn poll<'a>(
        &'a self,
        setup: &'a Setup,
        client_secret: Option<&'a Secret>,
        code: &'a Secret,
    ) -> BoxFuture<'a, Result<Polled, OAuthError>> {
        Box::pin(async move {
            match self.token(setup, client_secret, Grant::Device(code)).await {
                Ok(tokens) => Ok(Polled::Given(tokens)),
                Err(error) => match error.code() {
                    Some("authorization_pending") => Ok(Polled::Pending),
                    Some("slow_down") => Ok(Polled::SlowDown),
                    // RFC 8628, section 3.5: what does not come through is asked again, more rarely.
                    _ if error.is_passing() => Ok(Polled::SlowDown),
                    _ => Err(error),
                },
            }
        })
    }

    /// Asks for a code that a person enters on another device (RFC 8628).
    ///
    /// # Errors
    /// [`OAuthError`]; the server has no such endpoint.
    pub fn device<'a>(
        &'a self,
        setup: &'a Setup,
        client_secret: Option<&'a Secret>,
        scopes: &'a [String],
    ) -> BoxFuture<'a, Result<Device, OAuthError>> {
        Box::pin(self.ask_code(setup, client_secret, scopes))
    }

    async fn ask_code(
        &self,
        setup: &Setup,
        client_secret: Option<&Secret>,
        scopes: &[String],
    ) -> Result<Device, OAuthError> {
        let endpoint = setup.device_endpoint.as_deref().ok_or_else(|| {
            OAuthError::Unknown(format!("{} offers no codes for devices", setup.issuer))
        })?;
        let joined = scopes.join(" ");
        let mut pairs = vec![];
        if !joined.is_empty() {
            pairs.push(("scope", joined.as_str()));
        }
        if let Some(resource) = &setup.resource {
            pairs.push(("resource", resource));
        }
        let answered = self
            .post(endpoint, as_client(setup, client_secret, pairs))
            .await?;
        let fields = answered.success()?;
        let missing = || answered.broken("it lacks a code, or where to enter it");
        let user_code = text(&fields, "user_code").map(|c| one_line(&c, 64));
        let uri = text(&fields, "verification_uri").or_else(|| text(&fields, "verification_url"));
        let poll_s = seconds(&fields, "interval").unwrap_or(POLL_S);
        Ok(Device {
            code: text(&fields, "device_code")
                .filter(|c| sendable(c))
                .map(Secret::new)
                .ok_or_else(missing)?,
            shown: DeviceCode {
                user_code: user_code.filter(|c| !c.is_empty()).ok_or_else(missing)?,
                verification_uri: self.usable(uri).ok_or_else(missing)?,
                verification_uri_complete: self.usable(text(&fields, "verification_uri_complete")),
            },
            lasts_ms: seconds(&fields, "expires_in").unwrap_or(600) * 1_000,
            poll_ms: u32::try_from(poll_s.clamp(1, POLL_S_MAX) * 1_000).unwrap_or(5_000),
        })
    }

    /// Gives a token back (RFC 7009). Whether anybody heard is not told: it is thrown away anyhow.
    pub fn revoke<'a>(&'a self, given: &'a TokenSet) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let setup = &given.setup;
            let Some(endpoint) = &setup.revocation_endpoint else {
                return;
            };
            // What renews it stands for all that came of it.
            let (token, kind) = match &given.refresh_token {
                Some(token) => (token, "refresh_token"),
                None => (&given.access_token, "access_token"),
            };
            let pairs = vec![("token", token.expose()), ("token_type_hint", kind)];
            let form = as_client(setup, given.client_secret.as_ref(), pairs);
            if let Err(error) = self.post(endpoint, form).await {
                tracing::info!("a token could not be given back: {error}");
            }
        })
    }
}

/// A form with who we are in it or beside it (RFC 6749, section 2.3.1).
fn as_client<'a>(
    setup: &'a Setup,
    client_secret: Option<&'a Secret>,
    mut pairs: Vec<(&'a str, &'a str)>,
) -> Sending {
    let secret = client_secret.map(Secret::expose);
    match (setup.client_auth, secret) {
        (ClientAuth::ClientSecretBasic, Some(secret)) => {
            let encoded =
                |t: &str| url::form_urlencoded::byte_serialize(t.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encoded(&setup.client_id), encoded(secret));
            let mut sending = Sending::form(&pairs);
            sending.headers.push((
                "authorization".to_owned(),
                format!("Basic {}", STANDARD.encode(pair)),
            ));
            sending
        }
        (ClientAuth::ClientSecretPost, Some(secret)) => {
            pairs.extend([
                ("client_id", setup.client_id.as_str()),
                ("client_secret", secret),
            ]);
            Sending::form(&pairs)
        }
        (ClientAuth::None, _) | (_, None) => {
            pairs.push(("client_id", &setup.client_id));
            Sending::form(&pairs)
        }
    }
}

/// Whether a text can be a token in a header or form: visible ASCII, not too long.
fn sendable(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= TOKEN_BYTES_MAX
        && token.bytes().all(|b| b.is_ascii_graphic())
}

fn tokens(answered: &Answered, fields: &Map<String, Value>) -> Result<Tokens, OAuthError> {
    let kind = text(fields, "token_type").unwrap_or_else(|| "bearer".to_owned());
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(OAuthError::Refused {
            host: answered.host.clone(),
            code: "unsupported_token_type".to_owned(),
            description: format!("its tokens are of the kind {}", one_line(&kind, 32)),
        });
    }
    let token = |key: &str| text(fields, key).filter(|t| sendable(t)).map(Secret::new);
    Ok(Tokens {
        access_token: token("access_token")
            .ok_or_else(|| answered.broken("it holds no token that can be sent"))?,
        refresh_token: token("refresh_token"),
        lasts_ms: seconds(fields, "expires_in").map(|s| s * 1_000),
        scopes: text(fields, "scope").map(|s| scopes(&s.replace(',', " "))),
        account: text(fields, "id_token").and_then(|t| account(&t)),
        id_token: token_text(fields, "id_token"),
    })
}

fn token_text(fields: &Map<String, Value>, key: &str) -> Option<Secret> {
    text(fields, key).filter(|t| sendable(t)).map(Secret::new)
}

/// Whose account an ID token is about. Its signature is not checked: it came straight from the token
/// endpoint (OpenID Connect Core, section 3.1.3.7), and the name is shown and used for nothing else.
fn account(id_token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(id_token.split('.').nth(1)?).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    ["email", "preferred_username", "name", "sub"]
        .iter()
        .find_map(|claim| text(&claims, claim))
        .map(|name| one_line(&name, 128))
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(answer: Value) -> Result<Tokens, OAuthError> {
        let answered = Answered {
            host: "as.example".into(),
            status: 200,
            headers: Vec::new(),
            body: answer.to_string().into_bytes(),
        };
        tokens(&answered, &answered.success()?)
    }

    #[test]
    fn what_is_given_out_is_read() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"7","email":"ada@x.example"}"#);
        let given = read(json!({
            "access_token": "a", "token_type": "BEARER", "expires_in": "3600", "scope": "r,w r",
            "refresh_token": "r", "id_token": format!("h.{claims}.s"),
        }))
        .ok()
        .unwrap();
        assert_eq!(given.access_token.expose(), "a");
        assert_eq!(given.lasts_ms, Some(3_600_000));
        assert_eq!(given.scopes, Some(vec!["r".into(), "w".into()]));
        assert_eq!(given.account.as_deref(), Some("ada@x.example"));
        let bare = read(json!({"access_token": "a"})).ok().unwrap();
        assert!(bare.refresh_token.is_none() && bare.lasts_ms.is_none() && bare.scopes.is_none());
    }

    #[test]
    fn what_cannot_be_a_token_is_none() {
        for (answer, expected) in [
            (json!({}), "holds no token"),
            (json!({"access_token": ""}), "holds no token"),
            (json!({"access_token": "a b"}), "holds no token"),
            (json!({"access_token": "a\r\nx: y"}), "holds no token"),
            (
                json!({"access_token": "x".repeat(TOKEN_BYTES_MAX + 1)}),
                "holds no token",
            ),
            (
                json!({"access_token": "a", "token_type": "DPoP"}),
                "kind DPoP",
            ),
            (
                json!({"error": "invalid_grant", "error_description": "gone\nfor good"}),
                "refused: invalid_grant (gone for good)",
            ),
            (json!([1]), "no JSON object"),
        ] {
            let said = read(answer.clone()).err().unwrap().to_string();
            assert!(said.contains(expected), "{answer}: {said}");
        }
        let endless = read(json!({"access_token": "a", "expires_in": 1e300}))
            .ok()
            .unwrap();
        assert_eq!(endless.lasts_ms, None);
    }
}
