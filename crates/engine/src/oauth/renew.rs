//! A token is renewed: once for all who wait for it here, and once among all servers.
//!
//! Here a gate is held by one; the others wait and find the new version. Among servers the try is
//! claimed in the database before anything is sent, and what came of it is written against the version
//! that was renewed, so that a refresh token that is used up is never used again. A server that dies
//! in between leaves a claim that runs out. Whoever waits may go away: the try goes on by itself.

use super::tell_by_server;
use crate::{Engine, Error, entropy};
use domain::access::Scope;
use domain::credential::{Credential, Secret};
use domain::oauth::{Connection, ConnectionState, TokenSet};
use domain::{CredentialId, Timestamp};
use serde_json::json;
use store::oauth::Claim;
use tokio::sync::oneshot;
use tools::oauth::{ANSWER_MS, Grant, OAuthError, Tokens};

/// How long a try is nobody else's: longer than it can take.
const CLAIM_MS: i64 = 2 * ANSWER_MS as i64;
/// How often it is looked what came of another server's try.
const LOOK_MS: u64 = 100;

/// Why there is no newer token.
#[derive(Debug, Clone)]
pub(super) enum NotRenewed {
    /// A person has to do something; the credential says what.
    Over,
    /// It may work later: why it did not, in a sentence.
    Later(String),
    /// The credential is gone.
    Gone,
    /// A fault of ours.
    Fault(Error),
}

impl From<Error> for NotRenewed {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

impl Engine {
    /// Renews a credential unless it has another version than the one that was seen. Dropping this
    /// leaves the try to go on.
    pub(super) async fn renew(
        &self,
        scope: &Scope,
        id: &CredentialId,
        seen: u32,
    ) -> Result<(), NotRenewed> {
        let gate = self.inner.flights.gate(id);
        let held = gate.lock_owned().await;
        let (done, told) = oneshot::channel();
        let (engine, scope, id) = (self.clone(), scope.clone(), id.clone());
        self.spawn(async move {
            let renewed = engine.renew_alone(&scope, &id, seen).await;
            drop(held);
            // Nobody may be waiting any more; what came of it is in the database.
            let _waiting = done.send(renewed);
        });
        let stopping = || NotRenewed::Later("the server is stopping".to_owned());
        told.await.unwrap_or_else(|_| Err(stopping()))
    }

    async fn renew_alone(
        &self,
        scope: &Scope,
        id: &CredentialId,
        seen: u32,
    ) -> Result<(), NotRenewed> {
        let owner = entropy::hex(&entropy::bytes::<16>());
        let mut waited = 0;
        loop {
            let (credential, sealed, now) =
                self.sealed_now(scope, id).await?.ok_or(NotRenewed::Gone)?;
            let Some(connection) = &credential.connection else {
                return Ok(());
            };
            if credential.version != seen {
                return Ok(());
            }
            if connection.state != ConnectionState::Connected || !connection.renewable {
                return Err(NotRenewed::Over);
            }
            let rests = connection.failures > 0 && connection.renew_at().is_some_and(|at| now < at);
            if rests {
                let text = "its authorization server did not answer lately; it is tried again soon";
                return Err(NotRenewed::Later(text.to_owned()));
            }
            if self.claim_renewal(scope, &credential, &owner, now).await? {
                return self.renew_claimed(scope, credential, &sealed, &owner).await;
            }
            if waited >= CLAIM_MS.unsigned_abs() {
                let text = "another server is renewing it and has not said what came of it";
                return Err(NotRenewed::Later(text.to_owned()));
            }
            self.inner.clock.sleep(LOOK_MS).await;
            waited += LOOK_MS;
        }
    }

    /// A credential as it stands now, opened, with the time that servers agree on.
    pub(super) async fn sealed_now(
        &self,
        scope: &Scope,
        id: &CredentialId,
    ) -> Result<Option<(Credential, Secret, Timestamp)>, Error> {
        let (of, id, local) = (scope.clone(), id.clone(), self.inner.clock.now());
        let found = self
            .inner
            .store
            .read(move |r| {
                let now = r.now(local)?;
                Ok::<_, Error>(store::oauth::sealed(r, &of, &id)?.map(|f| (f, now)))
            })
            .await?;
        let Some(((credential, sealed), now)) = found else {
            return Ok(None);
        };
        let keys = &self.inner.credentials;
        let opened = keys.open(scope, &credential, &sealed).await?;
        Ok(Some((credential, opened, now)))
    }

    async fn claim_renewal(
        &self,
        scope: &Scope,
        credential: &Credential,
        owner: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let (of, id, version) = (scope.clone(), credential.id.clone(), credential.version);
        let owner = owner.to_owned();
        self.inner
            .store
            .write(move |tx| {
                let claim = Claim {
                    owner: &owner,
                    now,
                    until: now.plus_ms(CLAIM_MS),
                };
                Ok(store::oauth::claim_renewal(tx, &of, &id, version, claim)?)
            })
            .await
    }

    async fn renew_claimed(
        &self,
        scope: &Scope,
        credential: Credential,
        sealed: &Secret,
        owner: &str,
    ) -> Result<(), NotRenewed> {
        let set = TokenSet::from_secret(sealed).map_err(|e| Error::internal(&e))?;
        let connection = credential.connection.clone().ok_or(NotRenewed::Over)?;
        let servers = self
            .inner
            .egress
            .authorization_servers(&set.setup.private_origins);
        let asked_at = self.shared_now().await?;
        let grant = match &set.refresh_token {
            Some(token) => Grant::Refresh(token),
            None => Grant::Client {
                scopes: &connection.scopes,
            },
        };
        let asked = servers.token(&set.setup, set.client_secret.as_ref(), grant);
        let told = asked.await;
        match told {
            Ok(tokens) => {
                let next = renewed(credential, connection, &tokens, asked_at);
                let set = TokenSet {
                    access_token: tokens.access_token,
                    // Who gives no new one lets the old one go on (RFC 6749, section 6).
                    refresh_token: tokens.refresh_token.or(set.refresh_token),
                    ..set
                };
                self.keep_renewed(scope, next, &set, owner).await
            }
            Err(error) => {
                if error.code() == Some("invalid_client") {
                    self.forget_client(scope, &set.setup).await?;
                }
                let now = self.shared_now().await?;
                let failed = failed(credential, connection, &error, now);
                self.keep_failed(scope, failed, owner, now).await?;
                Err(if is_final(&error) {
                    NotRenewed::Over
                } else {
                    NotRenewed::Later(error.to_string())
                })
            }
        }
    }

    async fn keep_renewed(
        &self,
        scope: &Scope,
        next: Credential,
        set: &TokenSet,
        owner: &str,
    ) -> Result<(), NotRenewed> {
        let sealed = self
            .inner
            .credentials
            .seal(scope, &next, &set.to_secret())
            .await?;
        let recovered = next.connection.as_ref().is_some_and(|c| c.failures > 0);
        let next = Credential {
            connection: next.connection.map(|connection| Connection {
                failures: 0,
                failed_at: None,
                ..connection
            }),
            ..next
        };
        let (within, owner) = (scope.clone(), owner.to_owned());
        let kept = self
            .commit(scope, move |tx| {
                let kept = store::oauth::renewed(tx, &within, &next, &sealed, &owner)?;
                if kept && recovered {
                    let detail = json!({ "version": next.version });
                    let now = next.rotated_at;
                    tell_by_server(tx, &within, &next, "recovered", detail, now)?;
                }
                Ok(kept)
            })
            .await?;
        if !kept {
            // Replaced by a person while we asked: what they set counts.
            tracing::info!("a renewed token came too late and is not kept");
        }
        Ok(())
    }

    async fn keep_failed(
        &self,
        scope: &Scope,
        failed: Credential,
        owner: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (within, owner) = (scope.clone(), owner.to_owned());
        tracing::warn!(
            credential.id = %failed.id,
            workspace.id = %scope.workspace_id(),
            "a credential could not be renewed"
        );
        self.commit(scope, move |tx| {
            if store::oauth::not_renewed(tx, &within, &failed, &owner)? {
                tell_of_state(tx, &within, &failed, now)?;
            }
            Ok(())
        })
        .await
    }

    /// Gives back what an authorization server granted, beside what goes on.
    pub(crate) async fn give_back(
        &self,
        scope: &Scope,
        credential: &Credential,
    ) -> Result<(), Error> {
        if credential.connection.is_none() {
            return Ok(());
        }
        let Some((_, opened, _)) = self.sealed_now(scope, &credential.id).await? else {
            return Ok(());
        };
        let set = TokenSet::from_secret(&opened).map_err(|e| Error::internal(&e))?;
        let private = &set.setup.private_origins;
        let servers = self.inner.egress.authorization_servers(private);
        self.spawn(async move { servers.revoke(&set).await });
        Ok(())
    }

    /// A source refused a token that looked good. Renews it where that is possible and was not done
    /// just now; else a person has to look. Whether there is a newer one.
    pub(super) async fn renew_refused(&self, scope: &Scope, id: &CredentialId, seen: u32) -> bool {
        match self.try_renew_refused(scope, id, seen).await {
            Ok(newer) => newer,
            Err(error) => {
                tracing::warn!(credential.id = %id, "a refused token could not be renewed: {error}");
                false
            }
        }
    }

    async fn try_renew_refused(
        &self,
        scope: &Scope,
        id: &CredentialId,
        seen: u32,
    ) -> Result<bool, Error> {
        let Some((credential, _, now)) = self.sealed_now(scope, id).await? else {
            return Ok(false);
        };
        if credential.version != seen {
            return Ok(true);
        }
        let Some(connection) = credential.connection.clone() else {
            return Ok(false);
        };
        if connection.state != ConnectionState::Connected {
            return Ok(false);
        }
        if connection.renewable {
            if !self.inner.flights.may_force(id, seen, now) {
                return Ok(false);
            }
            return match self.renew(scope, id, seen).await {
                Ok(()) => Ok(true),
                Err(NotRenewed::Fault(error)) => Err(error),
                Err(NotRenewed::Over | NotRenewed::Later(_) | NotRenewed::Gone) => Ok(false),
            };
        }
        let reason = "the source refused it, and its server gave nothing to renew it with";
        let refused = Credential {
            connection: Some(Connection {
                state: ConnectionState::ReauthorizationRequired {
                    reason: reason.to_owned(),
                },
                ..connection
            }),
            ..credential
        };
        let within = scope.clone();
        self.commit(scope, move |tx| {
            if store::oauth::note(tx, &within, &refused)? {
                tell_of_state(tx, &within, &refused, now)?;
            }
            Ok(())
        })
        .await?;
        Ok(false)
    }
}

/// Whether trying again would not help.
fn is_final(error: &OAuthError) -> bool {
    error.code().is_some() && !error.is_passing()
}

/// A credential with what a renewal gave.
fn renewed(
    credential: Credential,
    before: Connection,
    tokens: &Tokens,
    asked_at: Timestamp,
) -> Credential {
    let connection = Connection {
        account: tokens.account.clone().or(before.account),
        scopes: tokens.scopes.clone().unwrap_or(before.scopes),
        issued_at: asked_at,
        expires_at: tokens.lasts_ms.map(|ms| asked_at.plus_ms(ms)),
        ..before
    };
    Credential {
        version: credential.version + 1,
        rotated_at: asked_at,
        connection: Some(connection),
        ..credential
    }
}

/// A credential with what a failed renewal means for it. What passes changes no state.
fn failed(
    credential: Credential,
    before: Connection,
    error: &OAuthError,
    now: Timestamp,
) -> Credential {
    let reason = error.to_string();
    let state = match error.code() {
        Some(_) if !is_final(error) => before.state,
        None => before.state,
        Some("invalid_grant" | "interaction_required" | "login_required" | "consent_required") => {
            ConnectionState::ReauthorizationRequired { reason }
        }
        Some(_) => ConnectionState::Error { reason },
    };
    Credential {
        connection: Some(Connection {
            failures: before.failures + 1,
            failed_at: Some(now),
            state,
            ..before
        }),
        ..credential
    }
}

/// Says so where a person has to look.
fn tell_of_state(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    credential: &Credential,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(connection) = &credential.connection else {
        return Ok(());
    };
    let (change, reason) = match &connection.state {
        ConnectionState::Connected => return Ok(()),
        ConnectionState::ReauthorizationRequired { reason } => ("reauthorization_required", reason),
        ConnectionState::Error { reason } => ("error", reason),
    };
    let detail = json!({ "reason": reason, "issuer": connection.issuer });
    tell_by_server(tx, scope, credential, change, detail, now)
}
