//! Signing a browser in by a one-time link, and the session that follows.
//!
//! Only digests of the tokens are stored.

use crate::{Engine, Error, entropy};
use domain::Timestamp;
use domain::access::{Caller, Channel, Permission};
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
            let until = self.inner.clock.now().plus_ms(LINK_MS);
            let token = token();
            self.keep(&token, &caller.account_id, Kind::Link, until)
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
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let account = self
                .inner
                .store
                .write(move |tx| {
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
            self.keep(&session, &account, Kind::Session, now.plus_ms(SESSION_MS))
                .await?;
            Ok(session)
        })
    }

    async fn keep(
        &self,
        token: &str,
        account: &domain::AccountId,
        kind: Kind,
        until: Timestamp,
    ) -> Result<(), Error> {
        let system = self.inner.system;
        let session = NewSession {
            token_sha256: sha256_hex(token.as_bytes()),
            account_id: account.clone(),
            kind,
            expires_at: until,
        };
        self.inner
            .store
            .write(move |tx| Ok(store::sessions::insert(tx, system, &session)?))
            .await
    }

    /// Whose session a token is, if it is one that lasts.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn session_caller(
        &self,
        session: &str,
        channel: Channel,
        client: String,
    ) -> BoxFuture<'_, Result<Option<Caller>, Error>> {
        let digest = sha256_hex(session.as_bytes());
        Box::pin(async move {
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let local = self.local_caller(channel, client);
            let organization = local.organization_id.clone();
            let found = self
                .inner
                .store
                .read(move |r| {
                    let Some(account) = store::sessions::find(r, system, &digest, now)? else {
                        return Ok(None);
                    };
                    let role = store::tenancy::role(r, system, &organization, &account)?;
                    Ok::<_, Error>(role.map(|role| (account, role)))
                })
                .await?;
            Ok(found.map(|(account_id, role)| Caller {
                account_id,
                role,
                ..local
            }))
        })
    }
}
