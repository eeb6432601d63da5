//! Signing a browser in by a one-time link, and the session that follows.
//!
//! Only digests of the tokens are stored.

use crate::audit::SignIn;
use crate::{Engine, Error, entropy};
use domain::Timestamp;
use domain::access::{Caller, Channel, Permission, Person};
use domain::canonical::sha256_hex;
use futures_util::future::BoxFuture;
use store::sessions::{Kind, NewSession};

/// How long a link may be used, in milliseconds.
const LINK_MS: i64 = 10 * 60_000;
/// How long a session lasts, in milliseconds.
const SESSION_MS: i64 = 30 * 24 * 3_600_000;

fn token() -> String {
    entropy::hex(&entropy::bytes::<32>())
}

impl Engine {
    /// Makes a token that signs a browser in once, as the caller, and says until when.
    ///
    /// # Errors
    /// `forbidden` through MCP, whose callers stand for a model.
    pub fn create_sign_in_link(
        &self,
        caller: &Caller,
    ) -> BoxFuture<'_, Result<(String, Timestamp), Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            caller.scope(Permission::DecideApprovals)?;
            let token = token();
            let until = self
                .keep(&token, &caller.account_id, Kind::Link, LINK_MS)
                .await?;
            Ok((token, until))
        })
    }

    /// Trades a link's token for a session's.
    ///
    /// # Errors
    /// `invalid_link` when it was used, has run out, or never was.
    pub fn redeem_sign_in_link(&self, link: &str) -> BoxFuture<'_, Result<String, Error>> {
        let digest = sha256_hex(link.as_bytes());
        Box::pin(async move {
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let account = self
                .inner
                .store
                .write(move |tx| {
                    let now = tx.now(local)?;
                    store::sessions::remove_expired(tx, system, now)?;
                    Ok::<_, Error>(store::sessions::take_link(tx, system, &digest, now)?)
                })
                .await?
                .ok_or_else(|| {
                    Error::invalid(
                        "invalid_link",
                        "this link was used already or has run out; make a new one with \
                         `executor web`",
                    )
                })?;
            let session = token();
            self.keep(&session, &account, Kind::Session, SESSION_MS)
                .await?;
            let local = &self.inner.local.workspace;
            let scope = system.scope(local.organization_id.clone(), local.id.clone());
            let signed_in = SignIn {
                action: "sign_in",
                method: "link",
                client: "",
                detail: serde_json::Value::Null,
            };
            self.note_sign_in(&scope, Some(&account), signed_in).await?;
            Ok(session)
        })
    }

    async fn keep(
        &self,
        token: &str,
        account: &domain::AccountId,
        kind: Kind,
        lasts_ms: i64,
    ) -> Result<Timestamp, Error> {
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let (token_sha256, account_id) = (sha256_hex(token.as_bytes()), account.clone());
        self.inner
            .store
            .write(move |tx| {
                // Another server may judge it: by the clock that all share.
                let expires_at = tx.now(local)?.plus_ms(lasts_ms);
                let session = NewSession {
                    token_sha256: token_sha256.clone(),
                    account_id: account_id.clone(),
                    kind,
                    expires_at,
                };
                store::sessions::insert(tx, system, &session)?;
                Ok(expires_at)
            })
            .await
    }

    /// Whose session a token is, if it is one that lasts; and the caller that its person is, if there
    /// is a workspace that they reach.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn session_caller(
        &self,
        session: &str,
        channel: Channel,
        client: String,
    ) -> BoxFuture<'_, Result<Option<(Person, Option<Caller>)>, Error>> {
        let digest = sha256_hex(session.as_bytes());
        Box::pin(async move {
            let (system, local_now) = (self.inner.system, self.inner.clock.now());
            let found = self
                .inner
                .store
                .read(move |r| {
                    let now = r.now(local_now)?;
                    Ok::<_, Error>(store::sessions::find(r, system, &digest, now)?)
                })
                .await?;
            let Some(account_id) = found else {
                return Ok(None);
            };
            let person = Person {
                account_id,
                channel,
                client: client.chars().take(128).collect(),
            };
            let caller = self
                .caller_for(&person.account_id, None, channel, client)
                .await?;
            Ok(Some((person, caller)))
        })
    }
}
