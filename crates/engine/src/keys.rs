//! API keys: make, list, rotate, revoke. Whom one stands for, `authority/bearers.rs` says.
//!
//! A secret is shown once, when it is made. A key has scopes, but no rights: the role is read from
//! the members at each request, so whoever is downgraded or removed loses it at once, and a scope
//! gives nothing that the role does not. No key makes another that may do more than itself.

use crate::audit::by_person;
use crate::authority::is_granted;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Forbidden, Permission, Scope, Scopes};
use domain::canonical::sha256_hex;
use domain::credential::Secret;
use domain::key::{ApiKey, KeyLimits, PREFIX, beginning};
use domain::limits::{KEY_OVERLAP_MS_MAX, KEYS_MAX};
use domain::{AccountId, KeyId, SessionId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::json;
use unicode_normalization::UnicodeNormalization as _;

/// Longest name in characters.
const NAME_CHARS_MAX: usize = 100;

/// A key to make.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// Whom it stands for; the caller if absent.
    pub account_id: Option<AccountId>,
    /// When it stops to work; never if absent.
    pub expires_at: Option<Timestamp>,
    /// What it may be used for; running tasks and seeing if absent.
    pub scopes: Option<Scopes>,
    /// Limits of its own.
    pub limits: KeyLimits,
}

fn new_secret() -> Secret {
    Secret::new(format!("{PREFIX}{}", entropy::hex(&entropy::bytes::<32>())))
}

fn digest(secret: &Secret) -> String {
    sha256_hex(secret.expose().as_bytes())
}

impl Engine {
    /// A caller as they are now: with the role that they have today, or none if they have lost it,
    /// or the key, grant or session that they came with. For what lasts longer than a request.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn renewed(
        &self,
        caller: &Caller,
        session: Option<&SessionId>,
    ) -> BoxFuture<'_, Result<Option<Caller>, Error>> {
        let (caller, session) = (caller.clone(), session.cloned());
        Box::pin(async move {
            let scope = caller.scope(Permission::Enter)?;
            if let Some(session) = session {
                let lasting = self.sessions(&caller.person()).await?;
                if lasting.iter().all(|s| s.id != session) {
                    return Ok(None);
                }
            }
            let now = self.inner.clock.now();
            self.inner
                .store
                .read(move |r| {
                    let key = match &caller.key_id {
                        None => None,
                        Some(id) => match store::keys::get(r, &scope, id)? {
                            Some(key) if key.works_at(now) => Some(key),
                            Some(_) | None => return Ok(None),
                        },
                    };
                    if !is_granted(r, &scope, &caller)? {
                        return Ok(None);
                    }
                    let role = store::tenancy::role_in(r, &scope, &caller.account_id)?;
                    Ok::<_, Error>(role.map(|role| Caller {
                        role,
                        key_id: key.map(|k| k.id),
                        ..caller.clone()
                    }))
                })
                .await
        })
    }

    /// The keys of the workspace: a member's own, for administrators everybody's.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn keys(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<ApiKey>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeKeys)?;
            let all = Permission::ManageKeys.granted_to(caller.role);
            self.inner
                .store
                .read(move |r| {
                    let whose = (!all).then_some(&caller.account_id);
                    Ok(store::keys::list(r, &scope, whose)?)
                })
                .await
        })
    }

    /// Makes a key. Its secret is given out here and never again.
    ///
    /// # Errors
    /// `invalid_name`, `invalid_expiry`, `invalid_scopes`, `invalid_limit`, `too_many_keys`;
    /// `insufficient_scope` for a scope that the caller lacks; `not_found` for somebody who is no member
    /// here; `forbidden` for somebody whose role stands above the caller's, and for members who ask
    /// for a key of somebody else.
    pub fn create_key(
        &self,
        caller: &Caller,
        new: NewKey,
    ) -> BoxFuture<'_, Result<(ApiKey, Secret), Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let account_id = new.account_id.unwrap_or_else(|| caller.account_id.clone());
            let scope = acting_for(&caller, &account_id)?;
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let secret = new_secret();
            let key = ApiKey {
                id: KeyId::from_bits(entropy::bits()),
                account_id,
                name: checked_name("the key", &new.name)?,
                prefix: beginning(secret.expose()).map(str::to_owned),
                created_by: caller.account_id.clone(),
                created_at: now,
                rotated_at: None,
                previous_until: None,
                expires_at: checked_expiry(new.expires_at, now)?,
                last_used_at: None,
                scopes: checked_scopes(&caller, new.scopes.unwrap_or(Scopes::USUAL))?,
                limits: checked_limits(new.limits)?,
            };
            let digest = digest(&secret);
            let key = self
                .commit(&scope.clone(), move |tx| {
                    let mut key = key.clone();
                    reach(tx, &scope, &caller, &key.account_id)?;
                    if let Some(id) = &caller.key_id {
                        // A key makes none that outlives it, or may do more in a minute or a day.
                        let maker = store::keys::get(tx, &scope, id)?
                            .ok_or_else(|| Error::not_found("key", id))?;
                        key.expires_at = [key.expires_at, maker.expires_at]
                            .into_iter()
                            .flatten()
                            .min();
                        key.limits = key.limits.within(maker.limits);
                    }
                    if let Some(id) = &caller.grant_id {
                        let (_, maker) = store::grants::live(tx, system, id, now)?
                            .ok_or_else(|| Error::not_found("grant", id))?;
                        let end = Some(maker.expires_at);
                        key.expires_at = [key.expires_at, end].into_iter().flatten().min();
                    }
                    let held = store::keys::list(tx, &scope, Some(&key.account_id))?;
                    if held.len() >= KEYS_MAX {
                        return Err(Error::conflict(
                            "too_many_keys",
                            format!(
                                "this person has {KEYS_MAX} keys here, which is the limit keys; \
                                 revoke one that is not used any more"
                            ),
                        ));
                    }
                    store::keys::insert(tx, &scope, &key, &digest)?;
                    let detail = json!({
                        "name": key.name,
                        "member": key.account_id,
                        "expiresAt": key.expires_at.map(Timestamp::to_rfc3339),
                        "scopes": key.scopes.iter().collect::<Vec<_>>(),
                    });
                    let entry = by_person(
                        &caller,
                        &scope,
                        "key.created",
                        key.id.as_str(),
                        &detail,
                        now,
                    );
                    store::audit::append(tx, &scope, entry)?;
                    Ok(key)
                })
                .await?;
            Ok((key, secret))
        })
    }

    /// Gives a key a new secret. The one before works for `overlap_ms` more, so that whatever holds
    /// it can be changed without a gap.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_overlap`; `insufficient_scope` for a key with a scope that
    /// the caller lacks, `outlives_caller` for one that works for longer than the caller's.
    pub fn rotate_key(
        &self,
        caller: &Caller,
        id: &KeyId,
        overlap_ms: u64,
    ) -> BoxFuture<'_, Result<(ApiKey, Secret), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let overlap = i64::try_from(overlap_ms)
                .ok()
                .filter(|_| overlap_ms <= KEY_OVERLAP_MS_MAX)
                .ok_or_else(|| {
                    Error::invalid(
                        "invalid_overlap",
                        format!(
                            "the old secret may work for at most {KEY_OVERLAP_MS_MAX} ms (30 \
                             days) more, not {overlap_ms}"
                        ),
                    )
                })?;
            let key = self.key(&caller, &id).await?;
            let scope = acting_for(&caller, &key.account_id)?;
            // Whoever rotates a key holds it: one that may do more is not theirs to take.
            if let Some(missing) = key.scopes.beyond(caller.scopes).next() {
                let what = "rotate a key that has it";
                return Err(Forbidden::Scope { missing, what }.into());
            }
            let now = self.inner.clock.now();
            let secret = new_secret();
            let digest = digest(&secret);
            let prefix = beginning(secret.expose()).map(str::to_owned);
            let until = now.plus_ms(overlap);
            let key = self
                .commit(&scope.clone(), move |tx| {
                    reach(tx, &scope, &caller, &key.account_id)?;
                    outlasts(tx, &scope, &caller, &key)?;
                    let new = (digest.as_str(), prefix.as_deref());
                    if !store::keys::rotate(tx, &scope, &key.id, new, now, until)? {
                        return Err(Error::not_found("key", &key.id));
                    }
                    let detail = json!({
                        "name": key.name,
                        "member": key.account_id,
                        "previousUntil": until.to_rfc3339(),
                    });
                    let entry = by_person(
                        &caller,
                        &scope,
                        "key.rotated",
                        key.id.as_str(),
                        &detail,
                        now,
                    );
                    store::audit::append(tx, &scope, entry)?;
                    store::keys::get(tx, &scope, &key.id)?
                        .ok_or_else(|| Error::not_found("key", &key.id))
                })
                .await?;
            Ok((key, secret))
        })
    }

    /// Ends a key at once and for good: requests with it are refused, and tasks that came in with
    /// it make no more calls.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn revoke_key(&self, caller: &Caller, id: &KeyId) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let key = self.key(&caller, &id).await?;
            let scope = acting_for(&caller, &key.account_id)?;
            let now = self.inner.clock.now();
            self.commit(&scope.clone(), move |tx| {
                if !store::keys::revoke(tx, &scope, &key.id, now)? {
                    return Err(Error::not_found("key", &key.id));
                }
                let detail = json!({ "name": key.name, "member": key.account_id });
                let entry = by_person(
                    &caller,
                    &scope,
                    "key.revoked",
                    key.id.as_str(),
                    &detail,
                    now,
                );
                store::audit::append(tx, &scope, entry)?;
                Ok(())
            })
            .await
        })
    }

    /// A key that the caller may know of.
    async fn key(&self, caller: &Caller, id: &KeyId) -> Result<ApiKey, Error> {
        self.keys(caller)
            .await?
            .into_iter()
            .find(|key| key.id == *id)
            .ok_or_else(|| Error::not_found("key", id))
    }
}

/// Own keys are everybody's own business, those of others an administrator's.
fn acting_for(caller: &Caller, account: &AccountId) -> Result<Scope, Error> {
    let permission = if *account == caller.account_id {
        Permission::OwnKeys
    } else {
        Permission::ManageKeys
    };
    Ok(caller.scope(permission)?)
}

/// A key takes no secret of another that outlives it.
fn outlasts(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    caller: &Caller,
    key: &ApiKey,
) -> Result<(), Error> {
    let end = match (&caller.key_id, &caller.grant_id) {
        (Some(own), _) if *own == key.id => return Ok(()),
        (Some(own), _) => {
            let own = store::keys::get(tx, scope, own)?;
            own.map_or(Some(Timestamp(0)), |own| own.expires_at)
        }
        // A token lasts for an hour, and its grant ends.
        (None, Some(_)) => Some(Timestamp(0)),
        (None, None) => None,
    };
    match end {
        Some(end) if key.expires_at.is_none_or(|at| at > end) => Err(Error::conflict(
            "outlives_caller",
            "that key works for longer than the one that this request came with; rotate it as a \
             person, or with a key that works as long",
        )),
        Some(_) | None => Ok(()),
    }
}

/// Scopes that the caller may give on: no more than their own key or token has, and none that their
/// role has no use for.
pub(crate) fn checked_scopes(caller: &Caller, wanted: Scopes) -> Result<Scopes, Error> {
    if wanted.is_empty() {
        return Err(Error::invalid(
            "invalid_scopes",
            "it would have no scope, and so be good for nothing; name at least one",
        ));
    }
    if let Some(missing) = wanted.beyond(caller.scopes).next() {
        let what = "give it on";
        return Err(Forbidden::Scope { missing, what }.into());
    }
    let role = caller.role;
    if let Some(beyond) = wanted.beyond(Scopes::of_use_to(role)).next() {
        let permission = beyond.main_permission();
        return Err(Forbidden::Role {
            role,
            needed: permission.lowest(),
            what: permission.describe(),
        }
        .into());
    }
    Ok(wanted)
}

fn checked_limits(limits: KeyLimits) -> Result<KeyLimits, Error> {
    for (limit, value) in limits.set() {
        if !limit.allows(value) {
            let (lowest, highest) = limit.bounds();
            return Err(Error::invalid(
                "invalid_limit",
                format!(
                    "{} must lie between {lowest} and {highest}, not {value}",
                    limit.as_str()
                ),
            ));
        }
    }
    Ok(limits)
}

/// Whoever is given the secret of a key can act as its person, so that this person's role may not
/// stand above the caller's.
fn reach(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    caller: &Caller,
    account: &AccountId,
) -> Result<(), Error> {
    let role = store::tenancy::role_in(tx, scope, account)?
        .ok_or_else(|| Error::not_found("member", account))?;
    caller.reaches(role, "keys of somebody whose role is above it")?;
    Ok(())
}

/// A name that people can read: not empty, on one line, not too long.
pub(crate) fn checked_name(whose: &str, name: &str) -> Result<String, Error> {
    let name = name.trim();
    let refuse = |why: String| Err(Error::invalid("invalid_name", why));
    if name.is_empty() {
        return refuse(format!("the name of {whose} is empty"));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return refuse(format!(
            "the name of {whose} has more than {NAME_CHARS_MAX} characters"
        ));
    }
    if name.chars().any(char::is_control) {
        return refuse(format!(
            "the name of {whose} has a line break or another control character in it"
        ));
    }
    Ok(composed(name))
}

/// A text with its letters composed (NFC): one that looks the same and is written otherwise is the
/// same.
pub(crate) fn composed(text: &str) -> String {
    text.nfc().collect()
}

fn checked_expiry(
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    match expires_at {
        Some(at) if at <= now => Err(Error::invalid(
            "invalid_expiry",
            format!("expiresAt must lie ahead; {} has passed", at.to_rfc3339()),
        )),
        wanted => Ok(wanted),
    }
}
