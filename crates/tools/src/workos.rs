//! WorkOS, as far as people sign in through it: where a browser is sent, who a code stands for, and
//! which organizations somebody belongs to (<https://workos.com/docs/reference/authkit>).
//!
//! What it sends us unasked is only a hint; what it answers here is the truth. Its address is the
//! published one unless an administrator configured another, whose origin alone may be private.

use crate::egress::Egress;
use crate::oauth::{OAuthError, Sending, Servers, one_line, origin_of};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::credential::Secret;
use domain::sign_in::Identity;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use url::Url;

/// Where WorkOS answers.
pub const ADDRESS: &str = "https://api.workos.com";

/// Memberships read at once, and pages of them at most.
const PAGE: usize = 100;
const PAGES_MAX: usize = 100;

/// Who we are at WorkOS.
#[derive(Clone)]
pub struct Client {
    /// Its address, without a slash at the end.
    pub address: String,
    /// The environment's client id.
    pub client_id: String,
    /// The environment's API key, which is the client's secret as well.
    pub api_key: Secret,
}

/// What a browser is sent away with.
#[derive(Clone, Copy)]
pub struct Away<'a> {
    /// Where it comes back to.
    pub redirect_uri: &'a str,
    /// What it brings back.
    pub state: &'a str,
    /// Digest of the verifier (RFC 7636).
    pub challenge: &'a str,
}

/// What a browser came back with, and whence.
#[derive(Clone, Copy)]
pub struct Back<'a> {
    /// The code that it brought.
    pub code: &'a Secret,
    /// What only we know.
    pub verifier: &'a Secret,
    /// The browser's address, if it is known.
    pub address: Option<&'a str>,
    /// What the browser calls itself.
    pub user_agent: &'a str,
}

/// Whose memberships.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    /// One person's.
    User(&'a str),
    /// One organization's.
    Organization(&'a str),
}

/// That somebody belongs to an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The person, as WorkOS calls them.
    pub user_id: String,
    /// The organization, as WorkOS calls it.
    pub organization_id: String,
    /// What the person is there: names of roles.
    pub roles: Vec<String>,
}

/// WorkOS. Cheap to clone.
#[derive(Clone)]
pub struct WorkOs(Arc<Inner>);

struct Inner {
    client: Client,
    servers: Servers,
}

impl WorkOs {
    /// A client. Nothing is asked yet.
    #[must_use]
    pub fn new(egress: &Egress, client: Client) -> Self {
        let own: Vec<String> = match client.address.as_str() {
            ADDRESS => Vec::new(),
            other => origin_of(other).into_iter().collect(),
        };
        Self(Arc::new(Inner {
            servers: egress.authorization_servers(&own),
            client,
        }))
    }

    /// What identities of WorkOS are kept under.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.client.address
    }

    fn place(&self, segments: &[&str]) -> Result<Url, OAuthError> {
        let mut url = self.0.servers.endpoint(&self.0.client.address)?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Ok(url)
    }

    /// The address that a browser is sent to.
    ///
    /// # Errors
    /// [`OAuthError`], when the configured address cannot be used.
    pub fn send_away(&self, away: Away<'_>) -> Result<String, OAuthError> {
        let mut url = self.place(&["user_management", "authorize"])?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.0.client.client_id)
            .append_pair("redirect_uri", away.redirect_uri)
            .append_pair("provider", "authkit")
            .append_pair("state", away.state)
            .append_pair("code_challenge", away.challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Trades a code for the person it stands for, and the session at WorkOS that was begun by it.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub fn redeem<'a>(
        &'a self,
        back: Back<'a>,
    ) -> BoxFuture<'a, Result<(Identity, Option<Secret>), OAuthError>> {
        Box::pin(async move {
            let client = &self.0.client;
            let url = self.place(&["user_management", "authenticate"])?;
            let body = json!({
                "grant_type": "authorization_code",
                "client_id": client.client_id,
                "client_secret": client.api_key.expose(),
                "code": back.code.expose(),
                "code_verifier": back.verifier.expose(),
                "ip_address": back.address,
                "user_agent": back.user_agent,
            });
            let answered = self.0.servers.once(&url, Sending::json(&body)).await?;
            let fields = answered.success()?;
            let user = fields.get("user").and_then(Value::as_object);
            let identity = user.and_then(|user| self.identity(user)).ok_or_else(|| {
                OAuthError::Unknown("WorkOS did not say who signed in".to_owned())
            })?;
            let session = text(&fields, "access_token").and_then(|token| session_of(&token));
            Ok((identity, session))
        })
    }

    /// The address at which a browser ends a session at WorkOS and comes back from to `back`, which
    /// the environment must list
    /// (<https://workos.com/docs/reference/authkit/logout>).
    ///
    /// # Errors
    /// [`OAuthError`], when the configured address cannot be used.
    pub fn way_out(&self, session: &Secret, back: &str) -> Result<String, OAuthError> {
        let mut url = self.place(&["user_management", "sessions", "logout"])?;
        url.query_pairs_mut()
            .append_pair("session_id", session.expose())
            .append_pair("return_to", back);
        Ok(url.into())
    }

    /// A person, as WorkOS knows them now; none if it does not any more.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub fn user<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Identity>, OAuthError>> {
        Box::pin(async move {
            let url = self.place(&["user_management", "users", id])?;
            Ok(self
                .object(url)
                .await?
                .and_then(|fields| self.identity(&fields)))
        })
    }

    /// The name of an organization; none if there is none any more.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub fn organization<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, OAuthError>> {
        Box::pin(async move {
            let found = self.object(self.place(&["organizations", id])?).await?;
            Ok(found.map(|fields| text(&fields, "name").unwrap_or_else(|| id.to_owned())))
        })
    }

    /// The active memberships of a person or an organization, all pages of them.
    ///
    /// # Errors
    /// [`OAuthError`]; half a list is none.
    pub fn memberships<'a>(
        &'a self,
        of: Of<'a>,
    ) -> BoxFuture<'a, Result<Vec<Membership>, OAuthError>> {
        Box::pin(self.all_memberships(of))
    }

    async fn all_memberships(&self, of: Of<'_>) -> Result<Vec<Membership>, OAuthError> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut url = self.place(&["user_management", "organization_memberships"])?;
            {
                let mut query = url.query_pairs_mut();
                match of {
                    Of::User(id) => query.append_pair("user_id", id),
                    Of::Organization(id) => query.append_pair("organization_id", id),
                };
                query.append_pair("statuses[]", "active");
                query.append_pair("limit", &PAGE.to_string());
                if let Some(after) = &after {
                    query.append_pair("after", after);
                }
            }
            let Some(page) = self.object(url).await? else {
                // Neither the person nor the organization is known any more.
                return Ok(all);
            };
            let items = page.get("data").and_then(Value::as_array).ok_or_else(|| {
                OAuthError::Unknown("WorkOS gave no list of memberships".to_owned())
            })?;
            all.extend(items.iter().filter_map(membership));
            after = page
                .get("list_metadata")
                .and_then(|m| m.get("after"))
                .and_then(Value::as_str)
                .map(str::to_owned);
            if after.is_none() {
                return Ok(all);
            }
        }
        Err(OAuthError::Unknown(
            "WorkOS gave more memberships than are read".to_owned(),
        ))
    }

    /// Has WorkOS invite somebody by mail into an organization.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub fn invite<'a>(
        &'a self,
        email: &'a str,
        organization_id: &'a str,
        days: u32,
    ) -> BoxFuture<'a, Result<(), OAuthError>> {
        Box::pin(async move {
            let url = self.place(&["user_management", "invitations"])?;
            let body = json!({
                "email": email,
                "organization_id": organization_id,
                "expires_in_days": days,
            });
            let sending = self.signed(Sending::json(&body));
            self.0.servers.once(&url, sending).await?.success()?;
            Ok(())
        })
    }

    /// Asks for an organization that nobody has, to see whether WorkOS answers and takes the key.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub fn ask(&self) -> BoxFuture<'_, Result<(), OAuthError>> {
        Box::pin(async move {
            let mut url = self.place(&["organizations"])?;
            url.query_pairs_mut().append_pair("limit", "1");
            self.object(url).await.map(|_| ())
        })
    }

    fn signed(&self, sending: Sending) -> Sending {
        let key = self.0.client.api_key.expose();
        sending.with("authorization", format!("Bearer {key}"))
    }

    async fn object(&self, url: Url) -> Result<Option<Map<String, Value>>, OAuthError> {
        let answered = self
            .0
            .servers
            .once(&url, self.signed(Sending::get()))
            .await?;
        match answered.status {
            404 => Ok(None),
            _ => answered.success().map(Some),
        }
    }

    fn identity(&self, user: &Map<String, Value>) -> Option<Identity> {
        let subject = text(user, "id").filter(|id| !id.is_empty() && id.len() <= 255)?;
        let names = ["first_name", "last_name"].map(|n| text(user, n).unwrap_or_default());
        Some(Identity {
            issuer: self.issuer().to_owned(),
            subject,
            email: text(user, "email").map(|e| one_line(&e, 254)),
            email_verified: user.get("email_verified") == Some(&Value::Bool(true)),
            name: Some(one_line(&names.join(" "), 100)).filter(|n| !n.is_empty()),
            groups: None,
        })
    }
}

fn text(fields: &Map<String, Value>, key: &str) -> Option<String> {
    fields.get(key)?.as_str().map(str::to_owned)
}

/// The session that an access token is of. The token came straight from WorkOS and is used for
/// nothing else, so that its signature is not looked at.
fn session_of(access_token: &str) -> Option<Secret> {
    let payload = access_token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&claims).ok()?;
    text(&claims, "sid")
        .filter(|id| !id.is_empty() && id.len() <= 255)
        .map(Secret::new)
}

fn membership(value: &Value) -> Option<Membership> {
    let fields = value.as_object()?;
    if text(fields, "status").as_deref() != Some("active") {
        return None;
    }
    let slug = |role: &Value| role.get("slug")?.as_str().map(str::to_owned);
    let mut roles: Vec<String> = fields
        .get("roles")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(slug)
        .collect();
    roles.extend(fields.get("role").and_then(slug));
    roles.dedup();
    Some(Membership {
        user_id: text(fields, "user_id")?,
        organization_id: text(fields, "organization_id")?,
        roles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_active_memberships_count() {
        let of = |status: &str| {
            json!({
                "object": "organization_membership", "id": "om_1", "user_id": "user_1",
                "organization_id": "org_1", "status": status,
                "role": { "slug": "admin" }, "roles": [{ "slug": "admin" }, { "slug": "ops" }],
            })
        };
        let found = membership(&of("active")).unwrap();
        assert_eq!(found.organization_id, "org_1");
        assert!(found.roles.contains(&"ops".to_owned()));
        assert!(found.roles.contains(&"admin".to_owned()));
        assert_eq!(membership(&of("pending")), None);
        assert_eq!(membership(&of("inactive")), None);
        assert_eq!(membership(&json!({ "status": "active" })), None);
    }

    #[test]
    fn an_access_token_names_its_session() {
        let token =
            |claims: Value| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let session = |token: &str| session_of(token).map(|s| s.expose().to_owned());
        let good = token(json!({ "sid": "session_1", "sub": "user_1" }));
        assert_eq!(session(&good).as_deref(), Some("session_1"));
        for bad in [
            "opaque".to_owned(),
            "a.b.c".to_owned(),
            token(json!({})),
            token(json!({ "sid": 7 })),
            token(json!({ "sid": "" })),
            token(json!(["sid"])),
        ] {
            assert_eq!(session(&bad), None, "{bad}");
        }
    }

    #[test]
    fn where_a_browser_is_sent() {
        let workos = WorkOs::new(
            &Egress::new(crate::EgressConfig::default()),
            Client {
                address: ADDRESS.to_owned(),
                client_id: "client_1".to_owned(),
                api_key: Secret::new("sk_1".to_owned()),
            },
        );
        let url = workos
            .send_away(Away {
                redirect_uri: "https://x.example/sign-in/callback",
                state: "st",
                challenge: "ch",
            })
            .unwrap();
        assert_eq!(
            url,
            "https://api.workos.com/user_management/authorize?response_type=code\
             &client_id=client_1&redirect_uri=https%3A%2F%2Fx.example%2Fsign-in%2Fcallback\
             &provider=authkit&state=st&code_challenge=ch&code_challenge_method=S256"
        );
        assert!(!url.contains("sk_1"));
        let session = Secret::new("session_1&x=1".to_owned());
        let out = workos.way_out(&session, "https://x.example/sign-in");
        assert_eq!(
            out.unwrap(),
            "https://api.workos.com/user_management/sessions/logout?session_id=session_1%26x%3D1\
             &return_to=https%3A%2F%2Fx.example%2Fsign-in"
        );
    }
}
