//! Sessions: who is signed in with one, what its owner sees of it, and how it ends.

use super::{Browser, SignIn};
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Channel, Person};
use domain::canonical::sha256_hex;
use domain::sign_in::{Session, Via};
use domain::{AccountId, SessionId, Timestamp};
use futures_util::future::BoxFuture;

/// How exactly it is known when a session was last used, in milliseconds.
const SEEN_MS: u64 = 60_000;
/// Sessions of one person; the one unused for the longest goes.
const SESSIONS_MAX: usize = 100;

/// Whoever a session's token belongs to.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The person.
    pub person: Person,
    /// The caller that the person is, where they reach a workspace.
    pub caller: Option<Caller>,
    /// The session.
    pub session_id: SessionId,
}

/// A new token: 256 random bits.
pub(super) fn token() -> String {
    entropy::hex(&entropy::bytes::<32>())
}

fn cut(text: &str, chars: usize) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(chars).collect()
}

impl SignIn {
    /// Begins a session in a transaction, ends the one that the browser had, and gives the token.
    pub(super) fn begin(
        &self,
        tx: &mut store::Tx<'_>,
        system: domain::access::System,
        (account, via): (&AccountId, Via),
        browser: &Browser,
        now: Timestamp,
    ) -> Result<String, Error> {
        let lasting = self.lasting(via);
        // Visitors last longer unseen than others may: what runs out later is removed later.
        let idle_ms = lasting.idle_ms.max(self.config.visitor_idle_ms);
        store::sessions::remove_expired(tx, system, now, now.plus_ms(-idle_ms))?;
        let id = SessionId::from_bits(entropy::bits());
        if let Some(before) = &browser.before
            && let Some(old) = store::sessions::find(tx, system, &sha256_hex(before.as_bytes()))?
        {
            // Whoever signs in again in the same browser goes on being told there.
            if old.account_id == *account {
                store::push::follow_session(tx, system, account, (&old.id, &id))?;
            }
            store::sessions::end(tx, system, &old.account_id, &old.id)?;
        }
        let held = store::sessions::of_person(tx, system, account)?;
        for old in held.iter().skip(SESSIONS_MAX - 1) {
            store::sessions::end(tx, system, account, &old.id)?;
        }
        let token = token();
        let session = Session {
            id,
            account_id: account.clone(),
            via,
            user_agent: cut(&browser.user_agent, 256),
            address: cut(&browser.address, 64),
            created_at: now,
            seen_at: now,
            expires_at: now.plus_ms(lasting.whole_ms),
        };
        store::sessions::insert(tx, system, &session, &sha256_hex(token.as_bytes()))?;
        Ok(token)
    }
}

impl Engine {
    /// Whose session a token is, if it lasts; and the caller that its person is, if there is a
    /// workspace that they reach.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn session_caller(
        &self,
        session: &str,
        channel: Channel,
        client: String,
    ) -> BoxFuture<'_, Result<Option<SignedIn>, Error>> {
        let digest = sha256_hex(session.as_bytes());
        Box::pin(async move {
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let found = self
                .inner
                .store
                .read(move |r| {
                    let now = r.now(local)?;
                    Ok::<_, Error>((store::sessions::find(r, system, &digest)?, now))
                })
                .await?;
            let (Some(session), now) = found else {
                return Ok(None);
            };
            if session.is_over(self.inner.sign_in.lasting(session.via), now) {
                return Ok(None);
            }
            if now.since(session.seen_at) >= SEEN_MS {
                self.note_seen(&session, now).await;
            }
            let person = Person {
                account_id: session.account_id,
                channel,
                client: client.chars().take(128).collect(),
            };
            let caller = self
                .caller_for(&person.account_id, None, channel, client)
                .await?;
            Ok(Some(SignedIn {
                person,
                caller,
                session_id: session.id,
            }))
        })
    }

    /// Notes that a session was used. A request does not fail for want of that.
    async fn note_seen(&self, session: &Session, now: Timestamp) {
        let (system, session) = (self.inner.system, session.clone());
        let noted = self.inner.store.write(move |tx| {
            store::sessions::touch(tx, system, &session.id, now)?;
            if session.via == Via::Visitor {
                store::visitors::touch(tx, system, &session.account_id, now)?;
            }
            Ok::<_, Error>(())
        });
        if let Err(error) = noted.await {
            tracing::info!("that a session was used could not be noted: {error}");
        }
    }

    /// The sessions that a person is signed in with, the one used last first.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn sessions(&self, person: &Person) -> BoxFuture<'_, Result<Vec<Session>, Error>> {
        let account = person.account_id.clone();
        Box::pin(async move {
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let (all, now) = self
                .inner
                .store
                .read(move |r| {
                    let now = r.now(local)?;
                    Ok::<_, Error>((store::sessions::of_person(r, system, &account)?, now))
                })
                .await?;
            let sign_in = &self.inner.sign_in;
            let lasts = |s: &Session| !s.is_over(sign_in.lasting(s.via), now);
            Ok(all.into_iter().filter(lasts).collect())
        })
    }

    /// Ends one of a person's sessions, at once.
    ///
    /// # Errors
    /// `not_found`.
    pub fn end_session(&self, person: &Person, id: &SessionId) -> BoxFuture<'_, Result<(), Error>> {
        let (account, id) = (person.account_id.clone(), id.clone());
        Box::pin(async move {
            let (system, wanted) = (self.inner.system, id.clone());
            let ended = self
                .inner
                .store
                .write(move |tx| {
                    Ok::<_, Error>(store::sessions::end(tx, system, &account, &wanted)?)
                })
                .await?;
            if ended {
                Ok(())
            } else {
                Err(Error::not_found("session", &id))
            }
        })
    }

    /// Ends every session of a person but the one that asks; answers how many that were.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn end_other_sessions(
        &self,
        person: &Person,
        but: Option<&SessionId>,
    ) -> BoxFuture<'_, Result<u64, Error>> {
        let (account, but) = (person.account_id.clone(), but.cloned());
        Box::pin(async move {
            let system = self.inner.system;
            self.inner
                .store
                .write(move |tx| {
                    Ok(store::sessions::end_others(
                        tx,
                        system,
                        &account,
                        but.as_ref(),
                    )?)
                })
                .await
        })
    }
}
