//! What is done without being asked: tokens near their end are renewed, so that sources that nobody
//! uses stay connected; devices' codes are asked about; old connects are forgotten.

use crate::{Engine, Error};
use domain::Timestamp;
use domain::connect::CONNECT_KEPT_MS;

/// How often it is looked what is due.
const LOOK_MS: u64 = 1_000;
/// How often old connects are forgotten.
const SWEEP_MS: u64 = 3_600_000;

impl Engine {
    /// Keeps credentials connected for as long as the server runs.
    pub(crate) async fn oauth_loop(self) {
        let mut swept: Option<Timestamp> = None;
        loop {
            tokio::select! {
                biased;
                () = self.stopping() => return,
                () = self.inner.clock.sleep(LOOK_MS) => {}
            }
            if let Err(error) = self.do_what_is_due().await {
                tracing::warn!("could not look for credentials to renew: {error}");
            }
            let now = self.inner.clock.now();
            if swept.is_none_or(|at| now.since(at) >= SWEEP_MS) {
                swept = Some(now);
                if let Err(error) = self.forget_connects().await {
                    tracing::warn!("could not forget old connects: {error}");
                }
            }
        }
    }

    async fn do_what_is_due(&self) -> Result<(), Error> {
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let (due, polls) = self
            .inner
            .store
            .read(move |r| {
                let now = r.now(local)?;
                let due = store::oauth::due(r, system, now)?;
                Ok::<_, Error>((due, store::connects::polls(r, system, now)?))
            })
            .await?;
        for (scope, credential) in due {
            self.renew_beside(&scope, &credential);
        }
        for poll in polls {
            self.poll_beside(poll);
        }
        Ok(())
    }

    async fn forget_connects(&self) -> Result<(), Error> {
        let (system, local) = (self.inner.system, self.inner.clock.now());
        self.inner
            .store
            .write(move |tx| {
                let before = tx.now(local)?.plus_ms(-CONNECT_KEPT_MS);
                store::connects::forget(tx, system, before)?;
                Ok::<_, Error>(())
            })
            .await
    }
}
