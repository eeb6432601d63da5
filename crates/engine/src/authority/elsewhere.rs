//! Tokens of another authorization server, where an administrator has named one in our place.
//!
//! Such a token says who somebody is over there; who that is here, is what signing in with the same
//! issuer has recorded. It opens the MCP endpoint alone, and only what it says in our words, or the
//! usual where it says nothing. It is never passed on.

use super::Authorization;
use crate::{Engine, Error};
use domain::access::{Caller, Channel, ScopeName, Scopes};
use domain::credential::Secret;
use futures_util::future::BoxFuture;
use tools::oidc::{AccessIssuer, OidcError};

/// What came of a token of another authorization server.
#[derive(Debug, Clone)]
pub enum Foreign {
    /// It stands for somebody who is known here.
    Known(Box<Caller>),
    /// It is good, but nobody has signed in here who is called that there.
    Unknown,
    /// It is not to be believed.
    Bad,
}

/// The other authorization server, ready to be asked for its keys.
pub(crate) fn elsewhere(
    configured: &Authorization,
    egress: &tools::Egress,
    public_url: &str,
) -> Option<AccessIssuer> {
    let named = configured.elsewhere.clone()?;
    let own = || format!("{}/mcp", public_url.trim_end_matches('/'));
    let audience = named.audience.unwrap_or_else(own);
    Some(AccessIssuer::new(
        egress,
        named.issuer,
        audience,
        vault::verify,
    ))
}

/// What a token may be used for: what it says in our words, or the usual where it says nothing in
/// them.
fn scopes_of(said: &[String]) -> Scopes {
    let ours: Scopes = said.iter().filter_map(|s| ScopeName::parse(s)).collect();
    if ours.is_empty() { Scopes::USUAL } else { ours }
}

impl Engine {
    /// Whom a token of another authorization server stands for at the MCP endpoint.
    ///
    /// # Errors
    /// `unavailable`, also when the keys of the other server cannot be had.
    pub fn foreign_caller(
        &self,
        token: &Secret,
        client: String,
    ) -> BoxFuture<'_, Result<Foreign, Error>> {
        let token = token.clone();
        Box::pin(async move {
            let Some(issuer) = &self.inner.elsewhere else {
                return Ok(Foreign::Bad);
            };
            let claims = match issuer.read(&token, self.inner.clock.now().0).await {
                Ok(claims) => claims,
                Err(OidcError::Token(why)) => {
                    tracing::debug!("a token of another authorization server was refused: {why}");
                    return Ok(Foreign::Bad);
                }
                Err(OidcError::Provider(error)) => {
                    return Err(Error::Unavailable {
                        message: format!("the authorization server's keys cannot be had: {error}"),
                    });
                }
            };
            let (system, subject) = (self.inner.system, claims.subject);
            // WorkOS signs tokens in one name and is asked about people under another.
            let names = [
                Some(issuer.issuer().to_owned()),
                self.inner.sign_in.issuer(),
            ];
            let found = self
                .inner
                .store
                .read(move |r| {
                    for name in names.iter().flatten() {
                        let known = store::identities::find(r, system, name, &subject)?;
                        if known.is_some() {
                            return Ok(known);
                        }
                    }
                    Ok::<_, Error>(None)
                })
                .await?;
            let Some(account) = found else {
                return Ok(Foreign::Unknown);
            };
            let client = if client.is_empty() {
                claims.client.unwrap_or_default()
            } else {
                client
            };
            let caller = self
                .caller_for(&account, None, Channel::Mcp, client)
                .await?;
            Ok(match caller {
                Some(caller) => Foreign::Known(Box::new(Caller {
                    scopes: scopes_of(&claims.scopes),
                    ..caller
                })),
                None => Foreign::Unknown,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_is_for_in_our_words_or_not_at_all() {
        let of = |said: &[&str]| {
            let said: Vec<String> = said.iter().map(|s| (*s).to_owned()).collect();
            scopes_of(&said).to_string()
        };
        assert_eq!(of(&[]), "run read");
        assert_eq!(of(&["openid", "profile"]), "run read");
        assert_eq!(of(&["openid", "run"]), "run");
    }
}
