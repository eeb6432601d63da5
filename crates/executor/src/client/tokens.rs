//! Tokens of a server's own authorization server: what proves who asks where no key does, renewed
//! before it ends.
//!
//! Everything goes to the server that was named, whatever it says of itself: a token of its is sent
//! nowhere else. Of several commands that find a token at its end one renews it (`logins.rs`).

use super::Client;
use crate::duration::now_ms;
use crate::failure::{Failure, Result};
use crate::logins::{self, Door, Login};
use domain::credential::Secret;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value};
use std::time::Duration;

/// Milliseconds for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the authorization server answers.
pub(crate) enum Told {
    /// What was asked for.
    Given(Map<String, Value>),
    /// Why not (RFC 6749, section 5.2).
    Refused {
        /// The code of OAuth.
        code: String,
        /// In words.
        why: String,
    },
}

impl Told {
    /// What was asked for, or a failure that says why it was not given.
    pub(crate) fn given(self, what: &str) -> Result<Map<String, Value>> {
        match self {
            Self::Given(fields) => Ok(fields),
            Self::Refused { code, why } => {
                Err(Failure::not_allowed(&code, format!("{what}: {why}")))
            }
        }
    }
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(pairs);
    body.finish()
}

/// A text of an answer.
pub(crate) fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    let text = fields.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// A whole number of an answer.
pub(crate) fn number(fields: &Map<String, Value>, name: &str) -> Option<i64> {
    fields.get(name)?.as_i64()
}

impl Client {
    /// The server as logins name it: scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Sends a form to one of the authorization server's endpoints.
    ///
    /// # Errors
    /// When the server does not answer, or has no authorization server of its own.
    pub(crate) async fn form(&self, path: &[&str], pairs: &[(&str, &str)]) -> Result<Told> {
        let request = self
            .unsigned(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded(pairs));
        self.told(request).await
    }

    /// Registers this program as a client (RFC 7591).
    ///
    /// # Errors
    /// As [`Client::form`].
    pub(crate) async fn register(&self, about: &Value) -> Result<Told> {
        let path = ["oauth", "register"];
        self.told(self.unsigned(Method::POST, &path).json(about))
            .await
    }

    async fn told(&self, request: RequestBuilder) -> Result<Told> {
        let sent = request.timeout(PATIENCE).send().await;
        let response = sent.map_err(|e| self.broken(&e))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|e| self.broken(&e))?;
        let read: Option<Map<String, Value>> = match bytes.is_empty() {
            true => Some(Map::new()),
            false => serde_json::from_slice(&bytes).ok(),
        };
        let refused = |fields: &Map<String, Value>| {
            let why = text(fields, "error_description");
            text(fields, "error").map(|code| Told::Refused {
                why: why.unwrap_or_else(|| code.clone()),
                code,
            })
        };
        match read {
            Some(fields) if status.is_success() => Ok(Told::Given(fields)),
            Some(fields) if status != reqwest::StatusCode::NOT_FOUND => refused(&fields)
                .ok_or_else(|| match serde_json::from_slice(&bytes) {
                    Ok(problem) => Failure::from_problem(problem),
                    Err(_) => self.stranger(status),
                }),
            Some(_) => Err(Failure::failed(
                "no_authorization_server",
                format!("{} gives out no tokens of its own", self.address()),
            )
            .next("use an API key there: --api-key or EXECUTOR_API_KEY")),
            None => Err(self.stranger(status)),
        }
    }

    /// The token of a login at this server, renewed where it is about to end; none where nobody is
    /// signed in there.
    pub(super) async fn login_token(&self, door: Door) -> Result<Option<Secret>> {
        let (home, server) = (&self.config.home, self.origin());
        let Some(login) = logins::find(home, &server, door)? else {
            return Ok(None);
        };
        if login.is_fresh(now_ms()) {
            return Ok(Some(login.access));
        }
        let held = logins::Held::take(home).await?;
        // As it is now: whoever held it before may have renewed it, or signed out.
        let Some(login) = logins::find(home, &server, door)? else {
            return Err(self.signed_out(door));
        };
        if login.is_fresh(now_ms()) {
            return Ok(Some(login.access));
        }
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", login.refresh.expose()),
            ("client_id", login.client_id.as_str()),
        ];
        match self.form(&["oauth", "token"], &form).await? {
            Told::Given(fields) => {
                let renewed = self.taken(&fields, login)?;
                // Written before it is used: the one before works no more.
                held.keep(renewed.clone())?;
                Ok(Some(renewed.access))
            }
            Told::Refused { code, .. } if code == "invalid_grant" || code == "invalid_client" => {
                held.forget(&server, door)?;
                Err(self.signed_out(door))
            }
            Told::Refused { code, why } => {
                let message = format!("the sign-in at {server} could not be renewed: {why}");
                Err(Failure::failed(&code, message).next("try again in a while"))
            }
        }
    }

    /// A login with the tokens of an answer (RFC 6749, section 5.1).
    pub(crate) fn taken(&self, fields: &Map<String, Value>, login: Login) -> Result<Login> {
        let unreadable = || {
            let message = format!("{} gave no tokens that can be used", self.address());
            Failure::failed("unexpected_answer", message)
        };
        let token = |name: &str| text(fields, name).map(Secret::new).ok_or_else(unreadable);
        let lasts_s = number(fields, "expires_in").unwrap_or(3_600).max(0);
        Ok(Login {
            access: token("access_token")?,
            refresh: token("refresh_token")?,
            expires_at: now_ms().saturating_add(lasts_s.saturating_mul(1_000)),
            scopes: text(fields, "scope").unwrap_or_else(|| login.scopes.clone()),
            ..login
        })
    }

    /// What to say where a sign-in has ended at the server.
    pub(super) fn signed_out(&self, door: Door) -> Failure {
        let server = self.origin();
        let more = match door {
            Door::Api => "",
            Door::Mcp => " --mcp",
        };
        Failure::not_allowed(
            "signed_out",
            format!("your sign-in at {server} has ended: somebody signed out or revoked it, or it is too old"),
        )
        .next(format!("sign in again: executor login{more} --server {server}"))
    }
}
