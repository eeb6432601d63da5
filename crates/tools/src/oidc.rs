//! Who somebody is, as an OpenID Connect provider says: where the browser is sent, what the code it
//! brings back is worth, and whether the token about the person is to be believed.
//!
//! The provider is the one that an administrator configured; its own origin may be private, nobody
//! else's. Everything goes through the guarded client. What it says of itself and its keys are kept
//! for a while, so that it is asked once and not with each sign-in. Read on in `oidc/token.rs`.

mod access;
mod token;

use crate::egress::Egress;
use crate::oauth::{
    Grant, OAuthError, Redirected, Sending, Servers, authorization_url, host_of, one_line,
    origin_of,
};
use domain::credential::Secret;
use domain::jws::Verify;
use domain::oauth::{ClientAuth, ClientOrigin, Setup};
use domain::sign_in::Identity;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use token::{Expected, Keys};
use tokio::time::Instant;

pub use access::{AccessClaims, AccessIssuer};

/// How long what a provider says of itself is taken as known. After that it is asked again, and what
/// was known goes on where it does not answer.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);

/// Seconds by which two clocks may differ.
pub const SKEW_S: i64 = 60;

/// Who we are at a provider, and what we want to know.
#[derive(Clone)]
pub struct Client {
    /// The provider's name for itself, exactly as it says it.
    pub issuer: String,
    /// Ours there.
    pub client_id: String,
    /// What proves it; none for a client that the provider takes without.
    pub client_secret: Option<Secret>,
    /// What to ask for; `openid` is always asked for.
    pub scopes: Vec<String>,
    /// The claim whose words come to roles.
    pub groups_claim: Option<String>,
}

/// Why nobody was signed in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// The provider was not reached, or refused.
    #[error("{0}")]
    Provider(#[from] OAuthError),
    /// What it said is not to be believed.
    #[error("{0}")]
    Token(String),
}

/// What a browser is sent away with.
#[derive(Clone, Copy)]
pub struct Away<'a> {
    /// Where it comes back to.
    pub redirect_uri: &'a str,
    /// What it brings back.
    pub state: &'a str,
    /// What the token must repeat.
    pub nonce: &'a str,
    /// Digest of the verifier (RFC 7636).
    pub challenge: &'a str,
}

/// What a browser came back with, and what it was sent away with.
#[derive(Clone, Copy)]
pub struct Back<'a> {
    /// Where it came back to.
    pub redirect_uri: &'a str,
    /// The code that it brought.
    pub code: &'a Secret,
    /// What only we know.
    pub verifier: &'a Secret,
    /// What the token must repeat.
    pub nonce: &'a str,
    /// The time, in milliseconds since 1970.
    pub now_ms: i64,
}

/// An OpenID Connect provider. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    client: Client,
    verify: Verify,
    servers: Servers,
    known: Mutex<Option<(Arc<Metadata>, Instant)>>,
    keys: Mutex<Option<(Arc<Keys>, Instant)>>,
}

/// What a provider says of itself.
struct Metadata {
    setup: Setup,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
}

impl Provider {
    /// A provider, whose signatures `verify` checks. It is asked nothing yet.
    #[must_use]
    pub fn new(egress: &Egress, client: Client, verify: Verify) -> Self {
        let own: Vec<String> = origin_of(&client.issuer).into_iter().collect();
        Self(Arc::new(Inner {
            servers: egress.authorization_servers(&own),
            client,
            verify,
            known: Mutex::default(),
            keys: Mutex::default(),
        }))
    }

    /// The provider's name for itself.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.client.issuer
    }

    /// Host and port of the provider, for people.
    #[must_use]
    pub fn host(&self) -> String {
        host_of(self.issuer()).unwrap_or_else(|| one_line(self.issuer(), 100))
    }

    /// The address that a browser is sent to (OpenID Connect Core, section 3.1.2.1).
    ///
    /// # Errors
    /// [`OAuthError`], when the provider does not say who it is.
    pub fn send_away<'a>(&'a self, away: Away<'a>) -> BoxFuture<'a, Result<String, OAuthError>> {
        Box::pin(async move {
            let known = self.metadata().await?;
            let mut scopes = vec!["openid".to_owned()];
            let more = self.0.client.scopes.iter().filter(|s| *s != "openid");
            scopes.extend(more.cloned());
            let url = authorization_url(
                &known.setup,
                away.redirect_uri,
                &scopes,
                away.state,
                away.challenge,
            );
            let url = url.ok_or_else(|| {
                OAuthError::Unknown(format!("{} has no page to sign in at", self.host()))
            })?;
            Ok(format!("{url}&nonce={}", away.nonce))
        })
    }

    /// Whether whoever sent the browser back is this provider (RFC 9207).
    ///
    /// # Errors
    /// [`OidcError`], also when the provider does not say whether it names itself.
    pub fn check_issuer<'a>(
        &'a self,
        back: &'a Redirected,
    ) -> BoxFuture<'a, Result<(), OidcError>> {
        Box::pin(async move {
            let known = self.metadata().await?;
            back.check_issuer(&known.setup).map_err(OidcError::Token)
        })
    }

    /// Trades a code for what the provider says of the person, and the token that says it.
    ///
    /// # Errors
    /// [`OidcError`]; nothing of what was said is believed then.
    pub fn redeem<'a>(
        &'a self,
        back: Back<'a>,
    ) -> BoxFuture<'a, Result<(Identity, Secret), OidcError>> {
        Box::pin(self.trade(back))
    }

    /// The address at which a browser ends its session with the provider and comes back from to
    /// `back`, which the provider must know (OpenID Connect RP-Initiated Logout 1.0, sections 2
    /// and 3). None where the provider publishes none. With the token that the person was signed in
    /// by, if it is still there: many providers ask the person otherwise, and some refuse.
    ///
    /// # Errors
    /// [`OAuthError`], when the provider does not say who it is.
    pub fn way_out<'a>(
        &'a self,
        id_token: Option<&'a Secret>,
        back: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, OAuthError>> {
        Box::pin(async move {
            let known = self.metadata().await?;
            let Some(endpoint) = &known.end_session_endpoint else {
                return Ok(None);
            };
            let mut url = self.0.servers.endpoint(endpoint)?;
            if let Some(token) = id_token {
                url.query_pairs_mut()
                    .append_pair("id_token_hint", token.expose());
            }
            url.query_pairs_mut()
                .append_pair("client_id", &self.0.client.client_id)
                .append_pair("post_logout_redirect_uri", back);
            Ok(Some(url.into()))
        })
    }

    async fn trade(&self, back: Back<'_>) -> Result<(Identity, Secret), OidcError> {
        let known = self.metadata().await?;
        let client = &self.0.client;
        let grant = Grant::Code {
            code: back.code,
            verifier: back.verifier,
            redirect_uri: back.redirect_uri,
        };
        let servers = &self.0.servers;
        let given = servers
            .token(&known.setup, client.client_secret.as_ref(), grant)
            .await?;
        let id_token = given.id_token.as_ref().ok_or_else(|| {
            OidcError::Token(format!("{} says nothing about the person", self.host()))
        })?;
        let expected = Expected {
            issuer: &client.issuer,
            client_id: &client.client_id,
            nonce: back.nonce,
            now_s: back.now_ms.div_euclid(1_000),
        };
        let mut claims = self.believed(&known, id_token.expose(), expected).await?;
        if self.wants_more(&claims)
            && let Some(endpoint) = &known.userinfo_endpoint
        {
            let more = self.userinfo(endpoint, &given.access_token).await?;
            // OpenID Connect Core, section 5.3.2: about somebody else it counts for nothing.
            if more.get("sub") == claims.get("sub") {
                for (name, value) in more {
                    claims.entry(name).or_insert(value);
                }
            }
        }
        Ok((self.identity(&claims), id_token.clone()))
    }

    fn wants_more(&self, claims: &Map<String, Value>) -> bool {
        let groups = self.0.client.groups_claim.as_deref();
        ["email", "name"]
            .into_iter()
            .chain(groups)
            .any(|name| !claims.contains_key(name))
    }

    /// The claims of a token, if it is to be believed. A key that is not known makes the keys be
    /// read anew once: providers change them. Nobody but the provider can cause that, as the token
    /// comes straight from it.
    async fn believed(
        &self,
        known: &Metadata,
        id_token: &str,
        expected: Expected<'_>,
    ) -> Result<Map<String, Value>, OidcError> {
        let verify = self.0.verify;
        let (keys, fresh) = self.keys(known, Want::Known).await?;
        let read = match keys.verify(id_token, verify) {
            Err(token::Unverified::NoKey) if !fresh => self
                .keys(known, Want::Fresh)
                .await?
                .0
                .verify(id_token, verify),
            read => read,
        };
        let claims = read.map_err(|why| {
            OidcError::Token(format!(
                "what {} says cannot be verified: {why}",
                self.host()
            ))
        })?;
        token::check(&claims, expected).map_err(|why| {
            OidcError::Token(format!("what {} says is not for us: {why}", self.host()))
        })?;
        Ok(claims)
    }

    fn identity(&self, claims: &Map<String, Value>) -> Identity {
        let client = &self.0.client;
        let text = |name: &str| {
            let text = claims.get(name)?.as_str()?;
            Some(one_line(text, 254)).filter(|t| !t.is_empty())
        };
        let groups = client
            .groups_claim
            .as_ref()
            .map(|name| match claims.get(name) {
                Some(Value::Array(words)) => words
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
                Some(Value::String(words)) => words.split_whitespace().map(str::to_owned).collect(),
                _ => Vec::new(),
            });
        Identity {
            issuer: client.issuer.clone(),
            subject: claims
                .get("sub")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            email: text("email"),
            email_verified: matches!(claims.get("email_verified"), Some(Value::Bool(true))),
            name: text("name").or_else(|| text("preferred_username")),
            groups,
        }
    }

    async fn userinfo(
        &self,
        endpoint: &str,
        access_token: &Secret,
    ) -> Result<Map<String, Value>, OidcError> {
        let servers = &self.0.servers;
        let url = servers.endpoint(endpoint).map_err(OAuthError::from)?;
        let bearer = format!("Bearer {}", access_token.expose());
        let sending = Sending::get().with("authorization", bearer);
        let answered = servers.once(&url, sending).await?;
        Ok(answered.success()?)
    }

    /// What the provider says of itself, as known or asked now.
    async fn metadata(&self) -> Result<Arc<Metadata>, OAuthError> {
        let kept = lock(&self.0.known).clone();
        if let Some((known, at)) = &kept
            && at.elapsed() < KNOWN_FOR
        {
            return Ok(known.clone());
        }
        match (self.look().await, kept) {
            (Ok(found), _) => {
                let found = Arc::new(found);
                *lock(&self.0.known) = Some((found.clone(), Instant::now()));
                Ok(found)
            }
            (Err(error), Some((known, _))) if error.is_passing() => Ok(known),
            (Err(error), _) => Err(error),
        }
    }

    /// Asks the provider who it is and for its keys, whatever is known: for whoever wants to know
    /// whether it answers. Gives its time in milliseconds since 1970, where it says it.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub fn ask(&self) -> BoxFuture<'_, Result<Option<i64>, OAuthError>> {
        Box::pin(async move {
            let found = self.look().await?;
            let answered = self.0.servers.get(&found.jwks_uri).await?;
            let keys = Arc::new(Keys::read(&answered.success()?));
            *lock(&self.0.keys) = Some((keys, Instant::now()));
            *lock(&self.0.known) = Some((Arc::new(found), Instant::now()));
            let date = crate::answer::header(answered.headers(), "date");
            let date = date.and_then(|text| httpdate::parse_http_date(text).ok());
            let since = date.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            Ok(since.and_then(|since| i64::try_from(since.as_millis()).ok()))
        })
    }

    async fn look(&self) -> Result<Metadata, OAuthError> {
        let issuer = self.issuer();
        let place = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let answered = self.0.servers.get(&place).await?;
        let fields = answered.success()?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let said = text("issuer").unwrap_or_default();
        // OpenID Connect Discovery, section 4.3: exactly, as text.
        if said != issuer {
            return Err(OAuthError::Unknown(format!(
                "{} calls itself `{}` and is configured as `{}`; set the issuer as it calls itself",
                self.host(),
                one_line(&said, 100),
                one_line(issuer, 100)
            )));
        }
        let challenges = fields
            .get("code_challenge_methods_supported")
            .and_then(Value::as_array);
        if challenges.is_some_and(|all| !all.iter().any(|m| m == "S256")) {
            return Err(OAuthError::Unknown(format!(
                "{} does not take PKCE with S256",
                self.host()
            )));
        }
        let needed = |name: &str| {
            let address = text(name).ok_or_else(|| {
                OAuthError::Unknown(format!("{} does not say its `{name}`", self.host()))
            })?;
            self.0.servers.endpoint(&address)?;
            Ok::<_, OAuthError>(address)
        };
        let methods = fields
            .get("token_endpoint_auth_methods_supported")
            .and_then(Value::as_array);
        let takes = |name: &str| methods.is_some_and(|all| all.iter().any(|m| m == name));
        let client_auth = match &self.0.client.client_secret {
            None => ClientAuth::None,
            Some(_) if takes("client_secret_post") && !takes("client_secret_basic") => {
                ClientAuth::ClientSecretPost
            }
            Some(_) => ClientAuth::ClientSecretBasic,
        };
        let names_itself = fields.get("authorization_response_iss_parameter_supported")
            == Some(&Value::Bool(true));
        Ok(Metadata {
            jwks_uri: needed("jwks_uri")?,
            userinfo_endpoint: text("userinfo_endpoint")
                .filter(|address| self.0.servers.endpoint(address).is_ok()),
            end_session_endpoint: text("end_session_endpoint")
                .filter(|address| self.0.servers.endpoint(address).is_ok()),
            setup: Setup {
                issuer: issuer.to_owned(),
                issuer_known: true,
                names_itself,
                authorization_endpoint: Some(needed("authorization_endpoint")?),
                token_endpoint: needed("token_endpoint")?,
                device_endpoint: None,
                revocation_endpoint: None,
                client_id: self.0.client.client_id.clone(),
                client_auth,
                client_origin: ClientOrigin::Given,
                resource: None,
                private_origins: Vec::new(),
            },
        })
    }

    /// The provider's keys, and whether they were read just now.
    async fn keys(&self, known: &Metadata, want: Want) -> Result<(Arc<Keys>, bool), OAuthError> {
        let kept = lock(&self.0.keys).clone();
        if let (Want::Known, Some((keys, at))) = (want, &kept)
            && at.elapsed() < KNOWN_FOR
        {
            return Ok((keys.clone(), false));
        }
        let answered = self.0.servers.get(&known.jwks_uri).await?;
        let keys = Arc::new(Keys::read(&answered.success()?));
        *lock(&self.0.keys) = Some((keys.clone(), Instant::now()));
        Ok((keys, true))
    }
}

#[derive(Clone, Copy)]
enum Want {
    Known,
    Fresh,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is kept is replaced whole, so that a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
