//! Tokens: traded for a code, for a refresh token, or for a person's yes to a device; given back; and
//! explained to whoever holds a key.
//!
//! A code and a refresh token work once. A second use means that two hold it, and nobody can tell
//! which of them is the client: the grant ends with every token of it, and the client asks the
//! person anew. There is no time of grace in which both would be served: a client that lost an
//! answer asks again, too.

use super::asking::Params;
use super::{ACCESS_MS, REFRESH_MS, Refused, refused};
use crate::{Engine, Error, entropy};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::access::{Caller, Permission, Scopes, System};
use domain::audit::AuditDraft;
use domain::canonical::sha256_hex;
use domain::credential::Secret;
use domain::grant::{ACCESS_PREFIX, ClientProof, Grant, REFRESH_PREFIX};
use domain::{AuditId, GrantId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::Tx;
use store::grants::{Kind, NewToken, Taken};

/// The name of the grant of a device (RFC 8628, section 3.4).
pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What a client says of itself at the token endpoint.
#[derive(Clone)]
pub struct ClientSaid {
    /// Its identifier.
    pub id: String,
    /// Its secret, where it sent one.
    pub secret: Option<Secret>,
}

impl ClientSaid {
    /// Reads what a client says of itself, in the form or in a header with the scheme `Basic` (RFC
    /// 6749, section 2.3.1).
    ///
    /// # Errors
    /// `invalid_request` where it says nothing, or two things; `invalid_client` where the header
    /// cannot be read.
    pub fn read(params: &Params, authorization: Option<&str>) -> Result<Self, Refused> {
        let in_form = params.get("client_secret");
        let Some(header) = authorization else {
            return Ok(Self {
                id: params.must("client_id")?.to_owned(),
                secret: in_form.map(|s| Secret::new(s.to_owned())),
            });
        };
        let unreadable = || {
            refused(
                "invalid_client",
                "Authorization is no readable Basic header",
            )
        };
        let (scheme, rest) = header.split_once(' ').ok_or_else(unreadable)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(unreadable());
        }
        let bytes = STANDARD.decode(rest.trim()).map_err(|_| unreadable())?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
        let (id, secret) = text.split_once(':').ok_or_else(unreadable)?;
        let plain = |text: &str| {
            let pairs = tools::oauth::form_pairs(format!("v={text}").as_bytes());
            match pairs.as_slice() {
                [(_, value)] => Ok(value.clone()),
                _ => Err(unreadable()),
            }
        };
        let (id, secret) = (plain(id)?, plain(secret)?);
        let two = in_form.is_some() || params.get("client_id").is_some_and(|other| other != id);
        if two {
            return Err(refused(
                "invalid_request",
                "the client says who it is in two ways",
            ));
        }
        Ok(Self {
            id,
            secret: Some(Secret::new(secret)),
        })
    }
}

/// Tokens, which are told this once.
#[derive(Clone)]
pub struct Issued {
    access: Secret,
    refresh: Secret,
    scopes: Scopes,
}

impl Issued {
    pub(super) fn new(scopes: Scopes) -> Self {
        let token = |prefix: &str| {
            Secret::new(format!("{prefix}{}", entropy::hex(&entropy::bytes::<32>())))
        };
        Self {
            access: token(ACCESS_PREFIX),
            refresh: token(REFRESH_PREFIX),
            scopes,
        }
    }

    pub(super) fn of(self, scopes: Scopes) -> Self {
        Self { scopes, ..self }
    }

    /// The answer that carries them (RFC 6749, section 5.1).
    #[must_use]
    pub fn answer(&self) -> Value {
        json!({
            "access_token": self.access.expose(),
            "token_type": "Bearer",
            "expires_in": ACCESS_MS / 1_000,
            "refresh_token": self.refresh.expose(),
            "scope": self.scopes.to_string(),
        })
    }

    pub(super) fn record(
        &self,
        tx: &mut Tx<'_>,
        system: System,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<(), Error> {
        for (kind, secret, lasts_ms, scopes) in [
            (Kind::Access, &self.access, ACCESS_MS, self.scopes),
            // What was left out this time may be asked for the next time.
            (Kind::Refresh, &self.refresh, REFRESH_MS, grant.scopes),
        ] {
            let token = NewToken {
                sha256: digest(secret),
                kind,
                scopes,
                created_at: now,
                expires_at: now.plus_ms(lasts_ms).min(grant.expires_at),
            };
            store::grants::insert_token(tx, system, grant, &token)?;
        }
        Ok(())
    }
}

pub(super) fn digest(secret: &Secret) -> String {
    sha256_hex(secret.expose().as_bytes())
}

pub(super) fn bad_grant(why: &str) -> Refused {
    refused("invalid_grant", why)
}

/// Whether a verifier is the one that a challenge was made of (RFC 7636, section 4.6).
fn proves(verifier: &str, challenge: &str) -> bool {
    let fits = (43..=128).contains(&verifier.len())
        && verifier
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
    fits && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == challenge
}

/// Ends a grant that somebody else holds a part of, and says so in the audit log.
pub(super) fn end_family(
    tx: &mut Tx<'_>,
    system: System,
    id: &GrantId,
    why: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let Some((organization, grant)) = store::grants::live(tx, system, id, now)? else {
        return Ok(());
    };
    let scope = system.scope(organization, grant.workspace_id.clone());
    if !store::grants::end(tx, &scope, id)? {
        return Ok(());
    }
    let detail = json!({ "client": grant.client_id, "clientName": grant.client_name, "why": why });
    let entry = AuditDraft {
        id: AuditId::from_bits(entropy::bits()),
        workspace_id: grant.workspace_id,
        account_id: Some(grant.account_id),
        via: "server".to_owned(),
        origin: crate::origin::here("", None),
        action: "grant.ended".to_owned(),
        subject: id.to_string(),
        detail: detail.to_string(),
        at: now,
    };
    store::audit::append(tx, &scope, entry)?;
    Ok(())
}

impl Engine {
    /// Trades what a client has for tokens.
    ///
    /// # Errors
    /// Those of RFC 6749, section 5.2, and of RFC 8628, section 3.5.
    pub fn token(
        &self,
        params: Params,
        said: ClientSaid,
        here: super::Here,
    ) -> BoxFuture<'_, Result<Issued, Refused>> {
        Box::pin(async move {
            let client = self.proven(said).await?;
            let named = params.all("resource");
            let resource = match named.is_empty() {
                true => None,
                false => Some(here.one_resource(&named)?),
            };
            let fits = move |grant: &Grant| {
                if grant.client_id != client {
                    return Err(bad_grant("it was given to another client"));
                }
                if resource.is_some_and(|wanted| wanted != grant.resource) {
                    return Err(refused(
                        "invalid_target",
                        "the person granted access to another resource",
                    ));
                }
                Ok(())
            };
            match params.must("grant_type")? {
                "authorization_code" => self.redeem(&params, fits).await,
                "refresh_token" => self.refresh(&params, fits).await,
                DEVICE_GRANT => self.device_token(&params, fits).await,
                _ => Err(refused(
                    "unsupported_grant_type",
                    "grant_type must be authorization_code, refresh_token or the one of devices",
                )),
            }
        })
    }

    /// The identifier of a client that has proven to be itself, as far as it can.
    pub(super) async fn proven(&self, said: ClientSaid) -> Result<String, Refused> {
        let wrong = || {
            refused(
                "invalid_client",
                "the client is unknown, or its secret is wrong",
            )
        };
        let secret = said.secret.filter(|s| !s.expose().is_empty());
        if self.is_described(&said.id) {
            return if secret.is_none() {
                Ok(said.id)
            } else {
                Err(wrong())
            };
        }
        let client = self.known_client(&said.id).await?.ok_or_else(wrong)?;
        let proven = match (client.proof, &secret) {
            (ClientProof::None, None) => true,
            (ClientProof::None, Some(_)) | (ClientProof::Basic | ClientProof::Post, None) => false,
            (ClientProof::Basic | ClientProof::Post, Some(secret)) => {
                client.secret_sha256 == Some(digest(secret))
            }
        };
        if proven { Ok(client.id) } else { Err(wrong()) }
    }

    async fn redeem(
        &self,
        params: &Params,
        fits: impl Fn(&Grant) -> Result<(), Refused> + Send + 'static,
    ) -> Result<Issued, Refused> {
        let code_sha256 = sha256_hex(params.must("code")?.as_bytes());
        let verifier = params.must("code_verifier")?.to_owned();
        // OAuth 2.1 leaves it out, where it is sent it must be the one that the code went to.
        let redirect_uri = params.get("redirect_uri").map(str::to_owned);
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let issued = Issued::new(Scopes::NONE);
        let redeemed = self.inner.store.write(move |tx| {
            let now = tx.now(local)?;
            let code = match store::grants::take_code(tx, system, &code_sha256, now)? {
                Taken::First(code) => code,
                Taken::Again(grant) => {
                    end_family(tx, system, &grant, "its code was used twice", now)?;
                    return Ok(Err(bad_grant(
                        "the code was used before; what it gave has ended",
                    )));
                }
                Taken::Never => return Ok(Err(bad_grant("the code is not known"))),
            };
            let found = store::grants::live(tx, system, &code.grant_id, now)?;
            let Some((_, grant)) = found.filter(|_| now < code.expires_at) else {
                return Ok(Err(bad_grant("the code is too old")));
            };
            let checked = fits(&grant).and_then(|()| {
                if redirect_uri
                    .as_ref()
                    .is_some_and(|uri| *uri != code.redirect_uri)
                {
                    Err(bad_grant(
                        "redirect_uri is not the one that the code was sent to",
                    ))
                } else if !proves(&verifier, &code.challenge) {
                    Err(bad_grant(
                        "code_verifier is not what the challenge was made of",
                    ))
                } else {
                    Ok(())
                }
            });
            if let Err(refusal) = checked {
                // Whoever holds the code is not who asked for it: it is used up, and gives nothing.
                let why = "its code came with the wrong client, address or verifier";
                end_family(tx, system, &grant.id, why, now)?;
                return Ok(Err(refusal));
            }
            store::grants::activate(tx, system, &grant.id)?;
            let issued = issued.clone().of(grant.scopes);
            issued.record(tx, system, &grant, now)?;
            Ok::<_, Error>(Ok(issued))
        });
        redeemed.await?
    }

    async fn refresh(
        &self,
        params: &Params,
        fits: impl Fn(&Grant) -> Result<(), Refused> + Send + 'static,
    ) -> Result<Issued, Refused> {
        let sha256 = sha256_hex(params.must("refresh_token")?.as_bytes());
        let narrowed = match params.get("scope") {
            None => None,
            Some(text) => Some(super::asking::wanted_scopes(Some(text))?),
        };
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let issued = Issued::new(Scopes::NONE);
        let refreshed = self.inner.store.write(move |tx| {
            let now = tx.now(local)?;
            // What is refused here uses nothing up: a client may have made a mistake.
            let held = store::grants::find(tx, system, &sha256, Kind::Refresh, now)?;
            if let Some(held) = &held {
                if let Err(refusal) = fits(&held.grant) {
                    return Ok(Err(refusal));
                }
                if narrowed.is_some_and(|wanted| !wanted.within(held.grant.scopes)) {
                    return Ok(Err(refused(
                        "invalid_scope",
                        "the person did not grant all of these scopes",
                    )));
                }
            }
            let taken = match store::grants::take_refresh(tx, system, &sha256, now)? {
                Taken::First(refresh) => refresh,
                Taken::Again(grant) => {
                    let why = "a refresh token of it was used twice";
                    end_family(tx, system, &grant, why, now)?;
                    return Ok(Err(bad_grant(
                        "the refresh token was used before, so that two hold it; ask the person \
                         again",
                    )));
                }
                Taken::Never => return Ok(Err(bad_grant("the refresh token is not known"))),
            };
            let Some(held) = held.filter(|_| now < taken.expires_at) else {
                return Ok(Err(bad_grant(
                    "the refresh token, or what it renews, has ended",
                )));
            };
            let issued = issued.clone().of(narrowed.unwrap_or(held.grant.scopes));
            issued.record(tx, system, &held.grant, now)?;
            Ok::<_, Error>(Ok(issued))
        });
        refreshed.await?
    }

    /// Ends a token that its client gives back (RFC 7009): a refresh token takes its grant with it.
    /// One that is unknown has ended already.
    ///
    /// # Errors
    /// `invalid_client`; `unauthorized_client` for a token of another client.
    pub fn take_back(
        &self,
        token: &Secret,
        said: ClientSaid,
    ) -> BoxFuture<'_, Result<(), Refused>> {
        let sha256 = digest(token);
        Box::pin(async move {
            let client = self.proven(said).await?;
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let given_back = self.inner.store.write(move |tx| {
                let now = tx.now(local)?;
                for kind in [Kind::Refresh, Kind::Access] {
                    let Some(held) = store::grants::find(tx, system, &sha256, kind, now)? else {
                        continue;
                    };
                    if held.grant.client_id != client {
                        return Ok(Err(refused(
                            "unauthorized_client",
                            "the token was given to another client",
                        )));
                    }
                    match kind {
                        Kind::Refresh => {
                            let why = "its client gave it back";
                            end_family(tx, system, &held.grant.id, why, now)?;
                        }
                        Kind::Access => store::grants::remove_token(tx, system, &sha256)?,
                    }
                }
                Ok::<_, Error>(Ok(()))
            });
            let ended = given_back.await?;
            self.forget_bearers();
            ended
        })
    }

    /// Explains a token of the caller's workspace (RFC 7662); one of anybody else's is inactive, like
    /// one that never was.
    ///
    /// # Errors
    /// `forbidden`, `insufficient_scope`.
    pub fn introspect(
        &self,
        caller: &Caller,
        token: &Secret,
    ) -> BoxFuture<'_, Result<Value, Error>> {
        let (caller, sha256) = (caller.clone(), digest(token));
        Box::pin(async move {
            let scope = caller.scope(Permission::OwnKeys)?;
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let found = self
                .inner
                .store
                .read(move |r| {
                    let now = r.now(local)?;
                    Ok::<_, Error>(store::grants::find(r, system, &sha256, Kind::Access, now)?)
                })
                .await?;
            let theirs = |grant: &Grant| {
                grant.workspace_id == *scope.workspace_id()
                    && (grant.account_id == caller.account_id
                        || caller.scope(Permission::ManageKeys).is_ok())
            };
            let Some(held) = found.filter(|held| theirs(&held.grant)) else {
                return Ok(json!({ "active": false }));
            };
            Ok(json!({
                "active": true,
                "scope": held.scopes.to_string(),
                "client_id": held.grant.client_id,
                "sub": held.grant.account_id,
                "token_type": "Bearer",
                "exp": held.token_expires_at.0.div_euclid(1_000),
                "iss": self.issuer(),
                "aud": held.grant.resource.as_str(),
                "workspace": held.grant.workspace_id,
                "grant": held.grant.id,
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_proves_its_own_challenge_only() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(proves(verifier, challenge));
        assert!(!proves(challenge, challenge), "plain is no proof");
        assert!(!proves("dBjftJeZ4CVP", challenge));
        assert!(!proves(&verifier.replace('d', "e"), challenge));
        assert!(!proves(&"x".repeat(129), challenge));
    }

    #[test]
    fn an_answer_carries_what_was_issued() {
        let issued = Issued::new(Scopes::USUAL);
        let answer = issued.answer();
        assert!(answer["access_token"].as_str().unwrap().starts_with("exa_"));
        assert!(
            answer["refresh_token"]
                .as_str()
                .unwrap()
                .starts_with("exr_")
        );
        assert_eq!(answer["scope"], "run read");
        assert_eq!(answer["expires_in"], 3_600);
    }
}
