//! Whom a key or a token stands for, with the rights of now.
//!
//! What the database says is kept for a second, so that a client that asks a hundred times in it
//! costs one look. It is forgotten at once when this server changes anything about members, keys or
//! grants; what another server changes holds here a second later. Nothing that is not found is kept.

use crate::{Engine, Error};
use domain::Timestamp;
use domain::access::{Caller, Channel, Forbidden, Scope, System};
use domain::canonical::sha256_hex;
use domain::credential::Secret;
use domain::grant::Resource;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Reader;

/// How long what was read is taken as known, in milliseconds.
const KNOWN_MS: u64 = 1_000;
/// Keys and tokens that are known at the same time.
const KNOWN_MAX: usize = 10_000;
/// How often it is noted that a key or grant is in use, in milliseconds.
const TOUCH_MS: i64 = 60_000;

/// What is known of a key or token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    Key(store::keys::Holder),
    Token(store::grants::Holder),
}

/// Looks up what a digest belongs to.
type Find = fn(&mut Reader<'_>, System, &str, Timestamp) -> Result<Option<Held>, store::Error>;

impl Held {
    fn of_key(
        r: &mut Reader<'_>,
        system: System,
        digest: &str,
        now: Timestamp,
    ) -> Result<Option<Self>, store::Error> {
        Ok(store::keys::find(r, system, digest, now)?.map(Self::Key))
    }

    fn of_token(
        r: &mut Reader<'_>,
        system: System,
        digest: &str,
        now: Timestamp,
    ) -> Result<Option<Self>, store::Error> {
        let (kind, shared) = (store::grants::Kind::Access, r.now(now)?);
        let found = store::grants::find(r, system, digest, kind, shared)?;
        Ok(found.map(Self::Token))
    }
}

struct Known {
    held: Arc<Held>,
    at: Timestamp,
    version: u64,
}

/// The keys and tokens that this server knows for the moment.
#[derive(Default)]
pub(crate) struct Bearers {
    known: Mutex<HashMap<String, Known>>,
}

impl Bearers {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        // Nothing is left half done where a panic could poison it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, digest: &str, version: u64, now: Timestamp) -> Option<Arc<Held>> {
        let known = self.lock();
        let found = known.get(digest)?;
        let fresh = found.version == version && now >= found.at && now.since(found.at) < KNOWN_MS;
        fresh.then(|| Arc::clone(&found.held))
    }

    fn learn(&self, digest: String, held: Held, (version, at): (u64, Timestamp)) -> Arc<Held> {
        let held = Arc::new(held);
        let mut known = self.lock();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, k| at.since(k.at) < KNOWN_MS);
        }
        if known.len() < KNOWN_MAX {
            let entry = Known {
                held: Arc::clone(&held),
                at,
                version,
            };
            known.insert(digest, entry);
        }
        held
    }
}

impl Engine {
    /// Whom an API key stands for, with the role that this person has now. None for a key that is
    /// unknown, revoked or expired, and for one whose person is no member any more.
    ///
    /// # Errors
    /// `workspace_deleted`, `unavailable`.
    pub fn key_caller(
        &self,
        secret: &Secret,
        channel: Channel,
        client: String,
    ) -> BoxFuture<'_, Result<Option<Caller>, Error>> {
        let digest = sha256_hex(secret.expose().as_bytes());
        Box::pin(async move {
            let now = self.inner.clock.now();
            let held = self.held(digest, Held::of_key, now).await?;
            let Some(Held::Key(holder)) = held.as_deref() else {
                return Ok(None);
            };
            if !holder.key.works_at(now) {
                return Ok(None);
            }
            is_open(holder.ending)?;
            Ok(Some(Caller {
                organization_id: holder.organization_id.clone(),
                workspace_id: holder.workspace_id.clone(),
                account_id: holder.key.account_id.clone(),
                role: holder.role,
                channel,
                client: client.chars().take(128).collect(),
                key_id: Some(holder.key.id.clone()),
                grant_id: None,
                scopes: holder.key.scopes,
                requests_per_minute: holder.key.limits.requests_per_minute,
            }))
        })
    }

    /// Whom an access token stands for at one of our doors, with the role that this person has now.
    /// None for a token that is unknown or has expired, whose grant has ended, that is for the other
    /// door, or whose person is no member any more.
    ///
    /// # Errors
    /// `workspace_deleted`, `unavailable`.
    pub fn token_caller(
        &self,
        token: &Secret,
        (channel, client): (Channel, String),
        resource: Resource,
    ) -> BoxFuture<'_, Result<Option<Caller>, Error>> {
        let digest = sha256_hex(token.expose().as_bytes());
        Box::pin(async move {
            let now = self.inner.clock.now();
            let held = self.held(digest, Held::of_token, now).await?;
            let Some(Held::Token(holder)) = held.as_deref() else {
                return Ok(None);
            };
            if holder.grant.resource != resource || now >= holder.token_expires_at {
                return Ok(None);
            }
            is_open(holder.ending)?;
            let client = if client.is_empty() {
                holder.grant.client_name.clone()
            } else {
                client
            };
            Ok(Some(Caller {
                organization_id: holder.organization_id.clone(),
                workspace_id: holder.grant.workspace_id.clone(),
                account_id: holder.grant.account_id.clone(),
                role: holder.role,
                channel,
                client: client.chars().take(128).collect(),
                key_id: None,
                grant_id: Some(holder.grant.id.clone()),
                scopes: holder.scopes,
                requests_per_minute: None,
            }))
        })
    }

    /// What a key or token is: as known from the last second, or as it is found now.
    async fn held(
        &self,
        digest: String,
        find: Find,
        now: Timestamp,
    ) -> Result<Option<Arc<Held>>, Error> {
        let version = self.inner.store.people_version();
        let known = self.inner.bearers.get(&digest, version, now);
        if known.is_some() {
            return Ok(known);
        }
        let (system, wanted) = (self.inner.system, digest.clone());
        let found = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(find(r, system, &wanted, now)?))
            .await?;
        let Some(held) = found else {
            return Ok(None);
        };
        self.note_use(&held, now).await;
        let learned = self.inner.bearers.learn(digest, held, (version, now));
        Ok(Some(learned))
    }

    /// Notes that a key or grant is in use, unless that was noted within the last minute.
    async fn note_use(&self, held: &Held, now: Timestamp) {
        let last_used_at = match held {
            Held::Key(holder) => holder.key.last_used_at,
            Held::Token(holder) => holder.grant.last_used_at,
        };
        let before = now.plus_ms(-TOUCH_MS);
        if last_used_at.is_some_and(|at| at > before) {
            return;
        }
        let (system, held) = (self.inner.system, held.clone());
        let noted: Result<(), Error> = self
            .inner
            .store
            .write(move |tx| {
                match &held {
                    Held::Key(holder) => {
                        store::keys::touch(tx, system, &holder.key.id, now, before)?;
                    }
                    Held::Token(holder) => {
                        store::grants::touch(tx, system, &holder.grant.id, now, before)?;
                    }
                }
                Ok(())
            })
            .await;
        if let Err(error) = noted {
            // The request is as good without it.
            tracing::debug!("the use of a key or grant could not be noted: {error}");
        }
    }

    /// Forgets every key and token that is known for the moment.
    pub(crate) fn forget_bearers(&self) {
        self.inner.bearers.lock().clear();
    }
}

/// Nothing is opened that was deleted, even while it can be taken back.
fn is_open(ending: Option<Timestamp>) -> Result<(), Error> {
    match ending {
        Some(until) => {
            let until = until.to_rfc3339();
            Err(Forbidden::Ended { until }.into())
        }
        None => Ok(()),
    }
}

/// Whether the grant that a caller came with is in force.
pub(crate) fn is_granted(
    conn: &mut Reader<'_>,
    scope: &Scope,
    caller: &Caller,
) -> Result<bool, Error> {
    match &caller.grant_id {
        Some(id) => Ok(!store::grants::is_ended(conn, scope, id)?),
        None => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::access::Scopes;
    use domain::grant::Grant;
    use domain::tenancy::Role;
    use domain::{AccountId, GrantId, OrganizationId, WorkspaceId};

    fn held() -> Held {
        Held::Token(store::grants::Holder {
            grant: Grant {
                id: GrantId::from_bits([1; 16]),
                workspace_id: WorkspaceId::from_bits([2; 16]),
                account_id: AccountId::from_bits([3; 16]),
                client_id: "client_1".to_owned(),
                client_name: "x".to_owned(),
                client_host: "127.0.0.1".to_owned(),
                scopes: Scopes::USUAL,
                resource: Resource::Mcp,
                created_at: Timestamp(0),
                last_used_at: None,
                expires_at: Timestamp(1_000_000),
            },
            organization_id: OrganizationId::from_bits([4; 16]),
            role: Role::Member,
            scopes: Scopes::USUAL,
            token_expires_at: Timestamp(1_000_000),
            ending: None,
        })
    }

    #[test]
    fn what_is_known_is_known_for_a_second_and_for_one_version() {
        let bearers = Bearers::default();
        let get = |version, ms| bearers.get("a", version, Timestamp(ms)).is_some();
        assert!(!get(1, 0));
        bearers.learn("a".to_owned(), held(), (1, Timestamp(100)));
        assert!(get(1, 100) && get(1, 1_099));
        assert!(!get(1, 1_100), "too long ago");
        assert!(!get(1, 99), "a clock that goes back knows nothing");
        assert!(!get(2, 200), "somebody's rights have changed");
        assert!(bearers.get("b", 1, Timestamp(100)).is_none());
    }
}
