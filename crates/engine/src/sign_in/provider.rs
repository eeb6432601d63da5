//! Signing in by a provider: a browser is sent there, and what it brings back is believed only from
//! the provider that was asked, only from the browser that was sent, and only once.
//!
//! The browser keeps a secret in a cookie; the database keeps digests. The verifier (RFC 7636) and
//! the nonce are made from that secret, so that neither stands anywhere.

use super::arrive::Arriving;
use super::sessions::token;
use super::{Browser, Provider};
use crate::{Engine, Error, origin};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::canonical::{sha256_hex, sha256_parts};
use domain::credential::Secret;
use domain::sign_in::{Identity, Via, local_path};
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use store::sessions::Attempt;
use tools::oauth::OAuthError;
use tools::oidc::OidcError;
use tools::workos::Of;

/// How long a browser may be away, in milliseconds.
const AWAY_MS: i64 = 15 * 60_000;
/// Browsers that may be away at once: nothing is kept of the others.
const AWAY_MAX: i64 = 100_000;

/// The path that browsers come back to.
pub(super) const CALLBACK: &str = "/sign-in/callback";

/// Where a browser is sent, and what it keeps.
pub struct SentToProvider {
    /// The provider's address.
    pub url: String,
    /// What the browser keeps in a cookie.
    pub browser: String,
    /// A name for it, which the answer leads to again ([`crate::answer_name`]).
    pub name: String,
}

/// What only the browser's secret leads to.
struct Proof {
    verifier: Secret,
    nonce: String,
}

impl Proof {
    fn of(browser: &str, state: &str) -> Self {
        let made = |what: &[u8]| sha256_parts(&[what, browser.as_bytes(), state.as_bytes()]);
        Self {
            verifier: Secret::new(made(b"executor-sign-in-verifier")),
            nonce: made(b"executor-sign-in-nonce"),
        }
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.expose().as_bytes()))
    }
}

fn foreign() -> Error {
    Error::invalid(
        "unknown_answer",
        "this answer belongs to no sign-in that is under way in this browser: it was used already, \
         has run out, or was begun elsewhere; begin again",
    )
}

fn down(who: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Unavailable {
        message: format!(
            "nobody can be signed in at the moment: {who} does not answer as it should ({error}); \
             whoever is signed in stays so"
        ),
    }
}

fn refused(who: &str, why: &dyn std::fmt::Display) -> Error {
    Error::invalid("sign_in_refused", format!("{who} signed nobody in: {why}"))
}

fn of_provider(who: &str, error: &OAuthError) -> Error {
    let says_no = matches!(error, OAuthError::Refused { .. });
    if says_no && !error.is_passing() {
        refused(who, error)
    } else {
        down(who, error)
    }
}

impl Engine {
    pub(super) fn provider(&self) -> Result<&Provider, Error> {
        self.inner.sign_in.provider.as_ref().ok_or_else(|| {
            Error::invalid(
                "no_provider",
                "people do not sign in by a provider here; ask the user who runs the server for a \
                 link (`executor web --print`)",
            )
        })
    }

    fn who(&self) -> String {
        self.sign_in_provider().unwrap_or_default()
    }

    fn sign_in_callback(&self) -> String {
        format!("{}{CALLBACK}", self.inner.public_url)
    }

    /// Sends a browser to the provider; afterwards it goes to `next`, if that is a path of this
    /// server.
    ///
    /// # Errors
    /// `no_provider`; `unavailable` when the provider does not answer.
    pub fn send_to_provider(&self, next: &str) -> BoxFuture<'_, Result<SentToProvider, Error>> {
        let next = local_path(next).to_owned();
        Box::pin(async move {
            let (state, browser) = (token(), token());
            let proof = Proof::of(&browser, &state);
            let (redirect_uri, challenge) = (self.sign_in_callback(), proof.challenge());
            let url = match self.provider()? {
                Provider::Oidc(provider) => {
                    let away = tools::oidc::Away {
                        redirect_uri: &redirect_uri,
                        state: &state,
                        nonce: &proof.nonce,
                        challenge: &challenge,
                    };
                    provider.send_away(away).await
                }
                Provider::WorkOs { workos, .. } => workos.send_away(tools::workos::Away {
                    redirect_uri: &redirect_uri,
                    state: &state,
                    challenge: &challenge,
                }),
            };
            let url = url.map_err(|error| down(&self.who(), &error))?;
            let state_sha256 = sha256_hex(state.as_bytes());
            let name = crate::oauth::name_of(&state_sha256);
            let kept = sha256_hex(browser.as_bytes());
            let (system, local) = (self.inner.system, self.inner.clock.now());
            self.inner
                .store
                .write(move |tx| {
                    let now = tx.now(local)?;
                    if store::sessions::attempts(tx, system)? >= AWAY_MAX {
                        return Err(Error::Unavailable {
                            message: "too many people are signing in at once; try again in a while"
                                .to_owned(),
                        });
                    }
                    let attempt = Attempt {
                        state_sha256: state_sha256.clone(),
                        browser_sha256: kept.clone(),
                        next: next.clone(),
                        expires_at: now.plus_ms(AWAY_MS),
                    };
                    Ok(store::sessions::insert_attempt(tx, system, &attempt)?)
                })
                .await?;
            Ok(SentToProvider { url, browser, name })
        })
    }

    /// Takes what a browser brings back from the provider: gives a session's token, and the path
    /// that the browser goes to. `kept` is what it kept meanwhile.
    ///
    /// # Errors
    /// `unknown_answer`, `sign_in_refused`, `not_admitted`; `unavailable` when the provider does
    /// not answer.
    pub fn take_provider_answer(
        &self,
        query: &str,
        kept: Option<&str>,
        browser: &Browser,
    ) -> BoxFuture<'_, Result<(String, String), Error>> {
        let (query, kept) = (query.to_owned(), kept.map(str::to_owned));
        let browser = browser.clone();
        Box::pin(async move {
            let back = tools::oauth::redirected(&query).map_err(|why| {
                refused(&self.who(), &format!("its answer cannot be used: {why}"))
            })?;
            let kept = kept.ok_or_else(foreign)?;
            let state_sha256 = sha256_hex(back.state.as_bytes());
            let kept_sha256 = sha256_hex(kept.as_bytes());
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let next = self
                .inner
                .store
                .write(move |tx| {
                    let now = tx.now(local)?;
                    Ok::<_, Error>(store::sessions::take_attempt(
                        tx,
                        system,
                        &state_sha256,
                        &kept_sha256,
                        now,
                    )?)
                })
                .await?
                .ok_or_else(foreign)?;
            let proof = Proof::of(&kept, &back.state);
            let token = self.identified(&back, &proof, browser).await?;
            Ok((token, local_path(&next).to_owned()))
        })
    }

    async fn identified(
        &self,
        back: &tools::oauth::Redirected,
        proof: &Proof,
        browser: Browser,
    ) -> Result<String, Error> {
        match self.provider()? {
            Provider::Oidc(provider) => {
                let (identity, id_token) = self.of_oidc(provider, back, proof).await?;
                let arriving = Arriving {
                    identity,
                    via: Via::Oidc,
                    browser,
                    way_out: Some(id_token),
                };
                self.enter(arriving).await
            }
            Provider::WorkOs { workos, .. } => {
                let code = code_of(&self.who(), back)?;
                let answered = workos.redeem(tools::workos::Back {
                    code,
                    verifier: &proof.verifier,
                    address: Some(browser.address.as_str()).filter(|a| !a.is_empty()),
                    user_agent: &browser.user_agent,
                });
                let (identity, session) = answered
                    .await
                    .map_err(|error| of_provider(&self.who(), &error))?;
                let belongs = self
                    .workos_memberships(workos, Of::User(&identity.subject))
                    .await?;
                let arriving = Arriving {
                    identity,
                    via: Via::WorkOs,
                    browser,
                    way_out: session,
                };
                self.enter_with(arriving, belongs).await
            }
        }
    }

    async fn of_oidc(
        &self,
        provider: &tools::oidc::Provider,
        back: &tools::oauth::Redirected,
        proof: &Proof,
    ) -> Result<(Identity, Secret), Error> {
        let who = self.who();
        let told = |error: OidcError| match error {
            OidcError::Provider(error) => of_provider(&who, &error),
            OidcError::Token(why) => refused(&who, &why),
        };
        // Before anything of it is used: an answer of another provider holds another's code.
        provider.check_issuer(back).await.map_err(told)?;
        let code = code_of(&who, back)?;
        let redirect_uri = self.sign_in_callback();
        let redeemed = provider.redeem(tools::oidc::Back {
            redirect_uri: &redirect_uri,
            code,
            verifier: &proof.verifier,
            nonce: &proof.nonce,
            now_ms: self.inner.clock.now().0,
        });
        redeemed.await.map_err(told)
    }

    async fn enter(&self, arriving: Arriving) -> Result<String, Error> {
        let (engine, local) = (self.clone(), self.inner.clock.now());
        self.inner
            .store
            .write(origin::taken_along(move |tx: &mut store::Tx<'_>| {
                let now = tx.now(local)?;
                engine.arrive(tx, &arriving, now).map(|(_, token)| token)
            }))
            .await
    }
}

fn code_of<'a>(who: &str, back: &'a tools::oauth::Redirected) -> Result<&'a Secret, Error> {
    back.outcome.as_ref().map_err(|(code, description)| {
        let why = if description.is_empty() {
            code.clone()
        } else {
            format!("{code} ({description})")
        };
        refused(who, &why)
    })
}
