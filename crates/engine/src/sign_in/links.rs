//! Links that sign a browser in once.

use super::Browser;
use super::sessions::token;
use crate::{Engine, Error, origin};
use domain::Timestamp;
use domain::access::{Caller, Permission};
use domain::canonical::sha256_hex;
use domain::sign_in::Via;
use futures_util::future::BoxFuture;

/// How long a link may be used, in milliseconds.
const LINK_MS: i64 = 10 * 60_000;

/// What becomes of the workspace that the browser has as a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitBefore {
    /// It becomes the person's: the person has asked for it on a page of ours.
    Claimed,
    /// It stays as it is.
    Left,
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
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let (token, account) = (token(), caller.account_id);
            let digest = sha256_hex(token.as_bytes());
            let until = self
                .inner
                .store
                .write(move |tx| {
                    // Another server may judge it: by the clock that all share.
                    let until = tx.now(local)?.plus_ms(LINK_MS);
                    store::sessions::insert_link(tx, system, &digest, &account, until)?;
                    Ok::<_, Error>(until)
                })
                .await?;
            Ok((token, until))
        })
    }

    /// Trades a link's token for a session's.
    ///
    /// # Errors
    /// `invalid_link` when it was used, has run out, or never was; after many of those from one
    /// address `too_many_tries`. A link that is good is taken all the same.
    pub fn redeem_sign_in_link(
        &self,
        link: &str,
        browser: &Browser,
        visit: VisitBefore,
    ) -> BoxFuture<'_, Result<String, Error>> {
        let digest = sha256_hex(link.as_bytes());
        let browser = browser.clone();
        Box::pin(async move {
            let (engine, system) = (self.clone(), self.inner.system);
            let (local, address) = (self.inner.clock.now(), browser.address.clone());
            let begun = self
                .inner
                .store
                .write(origin::taken_along(move |tx: &mut store::Tx<'_>| {
                    let now = tx.now(local)?;
                    let Some(account) = store::sessions::take_link(tx, system, &digest, now)?
                    else {
                        return Ok(None);
                    };
                    if visit == VisitBefore::Claimed {
                        engine.claim_visit(tx, &account, &browser, now)?;
                    }
                    let sign_in = &engine.inner.sign_in;
                    let token = sign_in.begin(tx, system, (&account, Via::Link), &browser, now)?;
                    engine.audit_sign_in(tx, "sign_in", (&account, Via::Link), now)?;
                    Ok::<_, Error>(Some(token))
                }))
                .await?;
            match begun {
                Some(token) => Ok(token),
                None => Err(self.failed_try(
                    &address,
                    Error::invalid(
                        "invalid_link",
                        "this link was used already or has run out; make a new one with \
                         `executor web`",
                    ),
                )),
            }
        })
    }

    /// Counts a failure of an address: the error, or that it is to wait.
    pub(super) fn failed_try(&self, address: &str, error: Error) -> Error {
        let now = self.inner.clock.now();
        match self.inner.sign_in.tries.failed(address, now) {
            Ok(()) => error,
            Err(wait_ms) => Error::TooManyTries {
                retry_after_ms: wait_ms,
            },
        }
    }
}
