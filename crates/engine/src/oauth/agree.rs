//! The person in the browser: sent away with a state that is used once, and back with a code.
//!
//! What comes back counts only from the very browser that was sent away, for the person who began the
//! connect and still may, from the server that was asked. Everything else is told as one thing: it
//! belongs to no connect of yours.

use super::{ConnectView, Granted};
use crate::credentials::permission;
use crate::{Engine, Error, entropy};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::access::{Caller, Forbidden, Scope};
use domain::canonical::sha256_hex;
use domain::connect::{Connect, ConnectStatus};
use domain::credential::Secret;
use domain::oauth::{Flow, Pending};
use domain::{ConnectId, CredentialId};
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use store::connects::Sent;
use tools::oauth::{Grant, Redirected};

/// Where a browser goes, and what it keeps meanwhile.
#[derive(Clone)]
pub struct SentAway {
    /// The authorization server's page.
    pub url: String,
    /// What the browser proves itself with when it comes back.
    pub browser: String,
    /// A name for it, which the answer leads to again ([`answer_name`]).
    pub name: String,
}

/// The name under which a browser keeps what it proves itself with, from what it brings back; none if
/// that cannot be read.
#[must_use]
pub fn answer_name(query: &str) -> Option<String> {
    let state = tools::oauth::redirected(query).ok()?.state;
    Some(name_of(&sha256_hex(state.as_bytes())))
}

pub(crate) fn name_of(state_sha256: &str) -> String {
    state_sha256.chars().take(16).collect()
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(entropy::bytes::<32>())
}

fn foreign() -> Error {
    Error::invalid(
        "unknown_answer",
        "this answer belongs to no connect of yours that is under way: it was used already, has \
         expired, or was begun in another browser or by somebody else. Begin again",
    )
}

impl Engine {
    /// A connect that a person follows a link to, wherever it stands, with the person in its
    /// workspace.
    ///
    /// # Errors
    /// `not_found` for anybody but who began it.
    pub fn follow_connect(
        &self,
        caller: &Caller,
        id: &ConnectId,
    ) -> BoxFuture<'_, Result<(Caller, ConnectView), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let (system, wanted) = (self.inner.system, id.clone());
            let found = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::connects::find(r, system, &wanted)?))
                .await?;
            let (scope, connect) = found
                .filter(|(scope, connect)| is_theirs(&caller, scope, connect))
                .ok_or_else(|| Error::not_found("connect", &id))?;
            let caller = within(&caller, &scope)?;
            let view = self.connect_view(&caller, connect).await?;
            Ok((caller, view))
        })
    }

    /// Sends a browser to the authorization server. Whatever one that was sent before brings back
    /// counts no more.
    ///
    /// # Errors
    /// `not_found`; `connect_over` when it has ended or expired.
    pub fn send_away(
        &self,
        caller: &Caller,
        id: &ConnectId,
    ) -> BoxFuture<'_, Result<SentAway, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let (caller, view) = self.follow_connect(&caller, &id).await?;
            let scope = caller.scope(permission(view.connect.scope))?;
            let (of, wanted) = (scope.clone(), id.clone());
            let sealed = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::connects::sealed(r, &of, &wanted)?))
                .await?;
            let over = || {
                Error::conflict(
                    "connect_over",
                    "this connect has ended or expired; begin another one",
                )
            };
            let sealed = sealed.filter(|_| view.connect.flow == Flow::Browser);
            let sealed = sealed.ok_or_else(over)?;
            let mut pending = self.open_pending(&scope, &id, &sealed).await?;
            let (state, browser, verifier) = (random(), random(), random());
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
            let url = tools::oauth::authorization_url(
                &pending.setup,
                &self.callback_url(),
                &pending.scopes,
                &state,
                &challenge,
            )
            .ok_or_else(over)?;
            pending.proof = Some(Secret::new(verifier));
            let sealed = self.seal_pending(&scope, &id, &pending).await?;
            let (digest, kept) = (sha256_hex(state.as_bytes()), sha256_hex(browser.as_bytes()));
            let name = name_of(&digest);
            let local = self.inner.clock.now();
            let sent = self
                .inner
                .store
                .write(move |tx| {
                    let now = tx.now(local)?;
                    let sent = Sent {
                        state_sha256: &digest,
                        browser_sha256: &kept,
                        sealed: &sealed,
                    };
                    Ok::<_, Error>(store::connects::send(tx, &scope, &id, sent, now)?)
                })
                .await?;
            if sent {
                Ok(SentAway { url, browser, name })
            } else {
                Err(over())
            }
        })
    }

    /// Takes what a browser brings back: the query of its address, and what it kept meanwhile. A
    /// connect that comes to nothing is an answer, too.
    ///
    /// # Errors
    /// `unknown_answer`, `forbidden`.
    pub fn take_answer(
        &self,
        caller: &Caller,
        query: &str,
        browser: Option<&str>,
    ) -> BoxFuture<'_, Result<ConnectView, Error>> {
        let (caller, read) = (caller.clone(), tools::oauth::redirected(query));
        let browser = browser.map(|b| sha256_hex(b.as_bytes()));
        Box::pin(async move {
            let answer = read.map_err(|why| {
                let text = format!("the answer of the authorization server cannot be used: {why}");
                Error::invalid("unknown_answer", text)
            })?;
            if !caller.speaks_for_person() {
                let what = "connect a credential in a browser";
                return Err(Forbidden::Program { what }.into());
            }
            let (system, digest) = (self.inner.system, sha256_hex(answer.state.as_bytes()));
            let wanted = digest.clone();
            let found = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::connects::by_state(r, system, &wanted)?))
                .await?;
            let (scope, connect) = found
                .filter(|(scope, connect)| {
                    is_theirs(&caller, scope, connect)
                        && browser.is_some()
                        && connect.browser_sha256 == browser
                })
                .ok_or_else(foreign)?;
            let caller = within(&caller, &scope)?;
            let scope = caller.scope(permission(connect.scope))?;
            let (of, local) = (scope.clone(), self.inner.clock.now());
            let taken = self
                .inner
                .store
                .write(move |tx| {
                    let now = tx.now(local)?;
                    Ok::<_, Error>(store::connects::take_state(tx, &of, &digest, now)?)
                })
                .await?;
            let (connect, sealed) = taken.ok_or_else(foreign)?;
            let pending = self.open_pending(&scope, &connect.id, &sealed).await?;
            let status = match self.trade(&caller, &connect, pending, answer).await {
                Ok(id) => ConnectStatus::Connected(id),
                Err(why) => {
                    self.not_granted(&scope, &connect, why.clone()).await?;
                    ConnectStatus::Failed(why)
                }
            };
            let connect = Connect { status, ..connect };
            self.connect_view(&caller, connect).await
        })
    }

    /// Trades what came back for a credential; else says why not.
    async fn trade(
        &self,
        caller: &Caller,
        connect: &Connect,
        pending: Pending,
        answer: Redirected,
    ) -> Result<CredentialId, String> {
        let Pending {
            setup,
            client_secret,
            scopes,
            proof,
        } = pending;
        // Before anything else is believed, errors included.
        answer.check_issuer(&setup)?;
        let code = answer.outcome.map_err(|(code, description)| {
            let more = if description.is_empty() { "" } else { ": " };
            format!("{} says {code}{more}{description}", connect.asked.host)
        })?;
        let verifier = proof.ok_or("no browser was sent away for it")?;
        let servers = self
            .inner
            .egress
            .authorization_servers(&setup.private_origins);
        let redirect_uri = self.callback_url();
        let grant = Grant::Code {
            code: &code,
            verifier: &verifier,
            redirect_uri: &redirect_uri,
        };
        let now = self.shared_now().await.map_err(|e| e.to_string())?;
        let given = servers.token(&setup, client_secret.as_ref(), grant).await;
        let tokens = match given {
            Ok(tokens) => tokens,
            Err(error) => {
                if error.code() == Some("invalid_client")
                    && let Ok(scope) = caller.scope(permission(connect.scope))
                {
                    let forgotten = self.forget_client(&scope, &setup).await;
                    forgotten.map_err(|e| e.to_string())?;
                }
                return Err(error.to_string());
            }
        };
        let granted = Granted {
            setup,
            client_secret,
            tokens,
            asked: scopes,
            asked_at: now,
        };
        self.granted(caller, connect, granted)
            .await
            .map_err(|e| e.to_string())
    }
}

fn is_theirs(caller: &Caller, scope: &Scope, connect: &Connect) -> bool {
    connect.account_id == caller.account_id && *scope.organization_id() == caller.organization_id
}

/// The same person in the workspace of the connect. A key stays where it is bound.
fn within(caller: &Caller, scope: &Scope) -> Result<Caller, Error> {
    if caller.is_bound() && *scope.workspace_id() != caller.workspace_id {
        return Err(foreign());
    }
    Ok(Caller {
        workspace_id: scope.workspace_id().clone(),
        ..caller.clone()
    })
}
