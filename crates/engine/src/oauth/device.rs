//! The person elsewhere: a code is entered on another device, and we ask until somebody has agreed.
//!
//! Whichever server claims a question asks it; the person's rights are read anew when the answer is
//! yes.

use super::Granted;
use crate::{Engine, Error};
use domain::access::{Caller, Channel, Scopes};
use domain::connect::Connect;
use domain::oauth::Pending;
use store::connects::Poll;
use tools::oauth::{ANSWER_MS, Polled};

/// What is added between two questions when the server asks for it (RFC 8628, section 3.5).
const SLOWER_MS: u32 = 5_000;

impl Engine {
    /// Asks about a device's code whose turn it is, beside everything else.
    pub(super) fn poll_beside(&self, poll: Poll) {
        let (engine, id) = (self.clone(), poll.connect.id.clone());
        self.spawn(async move {
            if let Err(error) = engine.poll_device(poll).await {
                tracing::warn!(connect.id = %id, "could not ask about a device's code: {error}");
            }
        });
    }

    async fn poll_device(&self, poll: Poll) -> Result<(), Error> {
        let now = self.shared_now().await?;
        // Nobody else asks while we wait for the answer.
        let held = now.plus_ms(i64::from(poll.poll_ms) + ANSWER_MS as i64);
        if !self.move_poll(&poll, held, poll.poll_ms).await? {
            return Ok(());
        }
        let poll = Poll {
            poll_at: held,
            ..poll
        };
        let (scope, connect) = (poll.scope.clone(), poll.connect.clone());
        if now >= connect.expires_at {
            let why = "nobody entered the code in time".to_owned();
            return self.not_granted(&scope, &connect, why).await;
        }
        let (of, id) = (scope.clone(), connect.id.clone());
        let sealed = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::connects::sealed(r, &of, &id)?))
            .await?;
        let Some(sealed) = sealed else { return Ok(()) };
        let pending = self.open_pending(&scope, &connect.id, &sealed).await?;
        let Some(code) = &pending.proof else {
            return Ok(());
        };
        let private = &pending.setup.private_origins;
        let servers = self.inner.egress.authorization_servers(private);
        let asked = servers
            .poll(&pending.setup, pending.client_secret.as_ref(), code)
            .await;
        match asked {
            Ok(asked @ (Polled::Pending | Polled::SlowDown)) => {
                let every_ms = match asked {
                    Polled::SlowDown => poll.poll_ms.saturating_add(SLOWER_MS),
                    Polled::Pending | Polled::Given(_) => poll.poll_ms,
                };
                let next = self.shared_now().await?.plus_ms(every_ms.into());
                self.move_poll(&poll, next, every_ms).await.map(|_| ())
            }
            Ok(Polled::Given(tokens)) => {
                let Pending {
                    setup,
                    client_secret,
                    scopes,
                    ..
                } = pending;
                let granted = Granted {
                    setup,
                    client_secret,
                    tokens,
                    asked: scopes,
                    asked_at: now,
                };
                match self.whoever_began(&poll, &connect).await? {
                    Some(caller) => self.granted(&caller, &connect, granted).await.map(|_| ()),
                    None => {
                        let why = "whoever began it is no member any more".to_owned();
                        self.not_granted(&scope, &connect, why).await
                    }
                }
            }
            Err(error) => self.not_granted(&scope, &connect, error.to_string()).await,
        }
    }

    async fn move_poll(
        &self,
        poll: &Poll,
        next: domain::Timestamp,
        every_ms: u32,
    ) -> Result<bool, Error> {
        let poll = poll.clone();
        self.inner
            .store
            .write(move |tx| Ok(store::connects::claim_poll(tx, &poll, next, every_ms)?))
            .await
    }

    /// The person who began a connect, with the role of today.
    async fn whoever_began(&self, poll: &Poll, connect: &Connect) -> Result<Option<Caller>, Error> {
        let (scope, account) = (poll.scope.clone(), connect.account_id.clone());
        let role = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::tenancy::role_in(r, &scope, &account)?))
            .await?;
        Ok(role.map(|role| Caller {
            organization_id: poll.scope.organization_id().clone(),
            workspace_id: poll.scope.workspace_id().clone(),
            account_id: connect.account_id.clone(),
            role,
            channel: Channel::Api,
            client: "device".to_owned(),
            key_id: None,
            grant_id: None,
            scopes: Scopes::ALL,
            requests_per_minute: None,
        }))
    }
}
