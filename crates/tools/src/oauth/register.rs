//! Becoming known to an authorization server that takes new clients (RFC 7591). Only where nothing
//! else is known: each registration is a new client over there.

use super::{OAuthError, Sending, Servers, one_line, seconds, text};
use domain::credential::Secret;
use domain::oauth::ClientAuth;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// Longest identifier or secret that is taken.
const BYTES_MAX: usize = 4 << 10;

/// What we say of ourselves.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// Where browsers are sent back to.
    pub redirect_uri: &'a str,
    /// What we are called there.
    pub name: &'a str,
    /// How we prove to be ourselves.
    pub auth: ClientAuth,
    /// Whether devices will ask, too.
    pub device: bool,
}

/// Who we are from now on.
#[derive(Clone)]
pub struct Registered {
    /// The identifier.
    pub client_id: String,
    /// The secret, if there is one.
    pub client_secret: Option<Secret>,
    /// How we prove it.
    pub auth: ClientAuth,
    /// Seconds since 1970 until the secret ceases to work; none for never.
    pub expires_at_s: Option<i64>,
}

/// The name of a way of proving, as servers call it.
pub(super) fn auth_name(auth: ClientAuth) -> &'static str {
    match auth {
        ClientAuth::None => "none",
        ClientAuth::ClientSecretBasic => "client_secret_basic",
        ClientAuth::ClientSecretPost => "client_secret_post",
    }
}

impl Registration<'_> {
    /// What is published or sent of a client.
    #[must_use]
    pub fn metadata(&self) -> Value {
        let mut grants = vec!["authorization_code", "refresh_token"];
        if self.device {
            grants.push("urn:ietf:params:oauth:grant-type:device_code");
        }
        let is_local = super::origin_of(self.redirect_uri).is_none_or(|o| o.starts_with("http:"));
        json!({
            "client_name": self.name,
            "redirect_uris": [self.redirect_uri],
            "grant_types": grants,
            "response_types": ["code"],
            "token_endpoint_auth_method": auth_name(self.auth),
            "application_type": if is_local { "native" } else { "web" },
        })
    }
}

impl Servers {
    /// Makes a new client.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub fn register<'a>(
        &'a self,
        endpoint: &'a str,
        registration: &'a Registration<'a>,
    ) -> BoxFuture<'a, Result<Registered, OAuthError>> {
        Box::pin(self.make_client(endpoint, registration))
    }

    async fn make_client(
        &self,
        endpoint: &str,
        registration: &Registration<'_>,
    ) -> Result<Registered, OAuthError> {
        let answered = self
            .post(endpoint, Sending::json(&registration.metadata()))
            .await?;
        let fields = answered.success()?;
        let fits =
            |t: &String| !t.is_empty() && t.len() <= BYTES_MAX && *t == one_line(t, BYTES_MAX);
        let client_id = text(&fields, "client_id")
            .filter(fits)
            .ok_or_else(|| answered.broken("it names no client"))?;
        let client_secret = text(&fields, "client_secret").filter(fits);
        let said = text(&fields, "token_endpoint_auth_method");
        let auth = match (client_secret.is_some(), said.as_deref()) {
            (false, _) | (true, Some("none")) => ClientAuth::None,
            (true, Some("client_secret_post")) => ClientAuth::ClientSecretPost,
            (true, _) => ClientAuth::ClientSecretBasic,
        };
        Ok(Registered {
            client_id,
            client_secret: client_secret.map(Secret::new),
            auth,
            expires_at_s: seconds(&fields, "client_secret_expires_at").filter(|at| *at > 0),
        })
    }
}
