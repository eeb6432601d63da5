//! Signing out: here first, whatever the provider says, and then at the provider that signed the person
//! in, by the browser that leaves.
//!
//! What the provider knows its session by (a token of OpenID Connect, an identifier at WorkOS) is kept
//! beside ours, sealed by the token in the browser's cookie: it opens only while that browser signs
//! out, and for nobody who reads the database. A provider that does not answer, or publishes no way
//! out, changes nothing: our session has ended by then.

use super::Provider;
use crate::{Engine, Error, origin};
use domain::access::System;
use domain::canonical::sha256_hex;
use domain::credential::Secret;
use domain::sign_in::Via;
use futures_util::future::BoxFuture;
use std::time::Duration;
use store::Tx;

/// Bytes of what is kept; a longer one would not fit into an address.
const KEPT_BYTES_MAX: usize = 6 << 10;
/// How long a provider may take to say where its way out is. Whoever signs out waits for it.
const PATIENCE: Duration = Duration::from_secs(3);
/// What it is sealed for.
const PURPOSE: &str = "way out at the provider";
/// The page that browsers come back to.
const BACK: &str = "/sign-in";

/// Keeps what ends the session with the provider, beside ours.
pub(super) fn keep(
    tx: &mut Tx<'_>,
    system: System,
    token: &str,
    way_out: &Secret,
) -> Result<(), Error> {
    if way_out.expose().len() > KEPT_BYTES_MAX {
        return Ok(());
    }
    let by = Secret::new(token.to_owned());
    let sealed = vault::seal_by(&by, PURPOSE, way_out).map_err(|e| Error::internal(&e))?;
    store::sessions::keep_way_out(tx, system, &sha256_hex(token.as_bytes()), &sealed)?;
    Ok(())
}

/// A session that has ended.
struct Ended {
    via: Via,
    way_out: Option<Secret>,
}

impl Engine {
    /// Ends the session of a token; gives the address at the provider that the browser is sent to so
    /// that it is signed out there, too, where there is one. Whether there was a session is not told.
    ///
    /// # Errors
    /// `unavailable` when our own session could not be ended.
    pub fn sign_out(&self, session: &str) -> BoxFuture<'_, Result<Option<String>, Error>> {
        let session = Secret::new(session.to_owned());
        Box::pin(async move {
            match self.end_session_of(&session).await? {
                Some(ended) => Ok(self.way_out(&ended).await),
                None => Ok(None),
            }
        })
    }

    async fn end_session_of(&self, session: &Secret) -> Result<Option<Ended>, Error> {
        let digest = sha256_hex(session.expose().as_bytes());
        let (engine, system) = (self.clone(), self.inner.system);
        let now = self.inner.clock.now();
        let ended = self
            .inner
            .store
            .write(origin::taken_along(move |tx: &mut Tx<'_>| {
                let Some(found) = store::sessions::find(tx, system, &digest)? else {
                    return Ok::<_, Error>(None);
                };
                let kept = store::sessions::way_out(tx, system, &digest)?;
                store::sessions::end(tx, system, &found.account_id, &found.id)?;
                let who = (&found.account_id, found.via);
                engine.audit_sign_in(tx, "sign_out", who, now)?;
                Ok(Some((found.via, kept)))
            }))
            .await?;
        Ok(ended.map(|(via, kept)| Ended {
            via,
            way_out: kept.and_then(|kept| vault::open_by(session, PURPOSE, &kept).ok()),
        }))
    }

    /// Where a browser is sent that signs out at its provider.
    async fn way_out(&self, ended: &Ended) -> Option<String> {
        let back = format!("{}{BACK}", self.inner.public_url);
        let found = match (self.inner.sign_in.provider.as_ref()?, ended.via) {
            (Provider::Oidc(provider), Via::Oidc) => {
                let asked = provider.way_out(ended.way_out.as_ref(), &back);
                match tokio::time::timeout(PATIENCE, asked).await {
                    Ok(found) => found,
                    Err(_) => {
                        tracing::warn!("the provider did not say in time where people sign out");
                        return None;
                    }
                }
            }
            (Provider::WorkOs { workos, .. }, Via::WorkOs) => {
                workos.way_out(ended.way_out.as_ref()?, &back).map(Some)
            }
            (Provider::Oidc(_) | Provider::WorkOs { .. }, _) => return None,
        };
        found.unwrap_or_else(|error| {
            tracing::warn!("nobody can be signed out at the provider at the moment: {error}");
            None
        })
    }
}
