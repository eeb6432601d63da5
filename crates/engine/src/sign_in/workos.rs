//! What WorkOS says of where people belong: organizations of WorkOS become organizations here, and
//! memberships there are memberships here, from the next request on.
//!
//! Webhooks are only hints that something changed: whatever they say, WorkOS is asked, and its answer
//! is what counts. Each is applied once. Because a hint may be lost, all is asked anew every now and
//! then. A membership that somebody made here by hand is left alone.

use super::Provider;
use super::arrive::Arriving;
use crate::audit::by_server;
use crate::{Engine, Error, entropy, origin};
use domain::access::{Scope, System};
use domain::invite::Invite;
use domain::sign_in::Identity;
use domain::tenancy::{Access, Organization, Role, Workspace};
use domain::{AccountId, OrganizationId, Timestamp, WorkspaceId};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::HashMap;
use store::Tx;
use tools::workos::{Membership, Of, WorkOs};

/// The name under which everything of WorkOS is kept.
pub(crate) const WORKOS: &str = "workos";
/// How far the time of a webhook may be from ours, in milliseconds: what WorkOS's own libraries take.
const TOLERANCE_MS: i64 = 180_000;
/// A day.
const DAY_MS: u64 = 24 * 3_600_000;
/// How often everything is asked anew.
const RESYNC_MS: u64 = 10 * 60_000;
/// How long it is remembered that an event was applied: longer than WorkOS sends one again.
const REMEMBER_MS: i64 = 14 * 24 * 3_600_000;

/// Memberships, and the names of the organizations in them.
pub(super) struct Belongs {
    memberships: Vec<Membership>,
    names: HashMap<String, String>,
}

/// Whom a hint is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum About {
    Person(String),
    Organization(String),
    Nobody,
}

fn about(event: &str, data: &Value) -> About {
    let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
    let person = |name| text(name).map_or(About::Nobody, About::Person);
    let organization = |name| text(name).map_or(About::Nobody, About::Organization);
    let mut parts = event.split('.');
    match parts.next() {
        Some("organization_membership") => person("user_id"),
        Some("user") => person("id"),
        Some("session") => person("user_id"),
        Some("organization") => organization("id"),
        // A directory changes memberships by its own way, of which other hints may be lost.
        Some("dsync") => organization("organization_id"),
        Some(_) | None => About::Nobody,
    }
}

impl Engine {
    /// The memberships of somebody, with the names of organizations that are new here.
    pub(super) async fn workos_memberships(
        &self,
        workos: &WorkOs,
        of: Of<'_>,
    ) -> Result<Belongs, Error> {
        let down = |error: &dyn std::fmt::Display| Error::Unavailable {
            message: format!(
                "it is not known at the moment who belongs where: WorkOS does not answer as it \
                 should ({error}); whoever is signed in stays so"
            ),
        };
        let memberships = workos.memberships(of).await.map_err(|e| down(&e))?;
        let mut names = HashMap::new();
        for membership in &memberships {
            let id = &membership.organization_id;
            if !names.contains_key(id) {
                let name = workos.organization(id).await.map_err(|e| down(&e))?;
                if let Some(name) = name {
                    names.insert(id.clone(), name);
                }
            }
        }
        Ok(Belongs { memberships, names })
    }

    /// Signs somebody in and brings their memberships up to date, in one write.
    pub(super) async fn enter_with(
        &self,
        arriving: Arriving,
        belongs: Belongs,
    ) -> Result<String, Error> {
        let (engine, local) = (self.clone(), self.inner.clock.now());
        self.inner
            .store
            .write(origin::taken_along(move |tx: &mut Tx<'_>| {
                let now = tx.now(local)?;
                let (account, token) = engine.arrive(tx, &arriving, now)?;
                engine.follow_memberships(tx, &account, &belongs, now)?;
                Ok(token)
            }))
            .await
    }

    /// Brings a person's memberships up to date.
    fn follow_memberships(
        &self,
        tx: &mut Tx<'_>,
        account: &AccountId,
        belongs: &Belongs,
        now: Timestamp,
    ) -> Result<(), Error> {
        let system = self.inner.system;
        let mut here = Vec::new();
        for membership in &belongs.memberships {
            let Some(name) = belongs.names.get(&membership.organization_id) else {
                continue;
            };
            let id = &membership.organization_id;
            let organization = self.organization_for(tx, id, name, now)?;
            let role = self.role_of(membership);
            self.follow_one(tx, &organization, account, role, now)?;
            here.push(organization);
        }
        for organization in store::linked::followed_by(tx, system, WORKOS, account)? {
            if !here.contains(&organization) {
                self.part(tx, &organization, account, now)?;
            }
        }
        Ok(())
    }

    fn role_of(&self, membership: &Membership) -> Role {
        let roles = membership.roles.iter().map(String::as_str);
        let mapped = self.inner.sign_in.config.roles.role(roles);
        mapped.unwrap_or(Role::Member)
    }

    fn follow_one(
        &self,
        tx: &mut Tx<'_>,
        organization: &OrganizationId,
        account: &AccountId,
        role: Role,
        now: Timestamp,
    ) -> Result<(), Error> {
        let system = self.inner.system;
        let scope = any_scope(tx, system, organization)?;
        if store::tenancy::join(tx, system, organization, account, (role, now))? {
            store::linked::follow(tx, system, WORKOS, organization, account)?;
            let detail = json!({ "role": role.as_str(), "by": WORKOS });
            return self.note_membership(tx, scope.as_ref(), "member.added", account, &detail, now);
        }
        let followed = store::linked::followed_by(tx, system, WORKOS, account)?;
        let before = store::tenancy::role(tx, system, organization, account)?;
        let changed = before.filter(|before| *before != role);
        let (true, Some(before)) = (followed.contains(organization), changed) else {
            return Ok(());
        };
        if before == Role::Owner
            && let Some(scope) = &scope
            && store::tenancy::owners(tx, scope)? <= 1
        {
            // Somebody has to be one; whoever follows as an owner lets this one go.
            return Ok(());
        }
        store::tenancy::set_role(tx, system, organization, account, role)?;
        let detail = json!({
            "before": { "role": before.as_str() },
            "after": { "role": role.as_str() },
            "by": WORKOS,
        });
        self.note_membership(tx, scope.as_ref(), "member.changed", account, &detail, now)
    }

    fn part(
        &self,
        tx: &mut Tx<'_>,
        organization: &OrganizationId,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<(), Error> {
        let system = self.inner.system;
        if store::linked::part(tx, system, WORKOS, organization, account, now)? {
            let scope = any_scope(tx, system, organization)?;
            let detail = json!({ "by": WORKOS });
            self.note_membership(tx, scope.as_ref(), "member.removed", account, &detail, now)?;
        }
        Ok(())
    }

    fn note_membership(
        &self,
        tx: &mut Tx<'_>,
        scope: Option<&Scope>,
        action: &str,
        account: &AccountId,
        detail: &Value,
        now: Timestamp,
    ) -> Result<(), Error> {
        if let Some(scope) = scope {
            let entry = by_server(scope, action, account.as_str(), detail, now);
            store::audit::append(tx, scope, entry)?;
        }
        Ok(())
    }

    /// The organization that stands for one of WorkOS: made where there is none yet.
    fn organization_for(
        &self,
        tx: &mut Tx<'_>,
        external_id: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<OrganizationId, Error> {
        let system = self.inner.system;
        if let Some(known) = store::linked::organization(tx, system, WORKOS, external_id)? {
            return Ok(known);
        }
        let own = match &self.inner.sign_in.provider {
            Some(Provider::WorkOs { organization, .. }) => organization.as_deref(),
            Some(Provider::Oidc(_)) | None => None,
        };
        let id = if own == Some(external_id) {
            self.inner.local.organization.id.clone()
        } else {
            let id = OrganizationId::from_bits(entropy::bits());
            let named: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
            let organization = Organization {
                slug: id.as_str().replace('_', "-"),
                id: id.clone(),
                name: named.clone(),
                created_at: now,
                ending: None,
            };
            let workspace = Workspace {
                id: WorkspaceId::from_bits(entropy::bits()),
                organization_id: id.clone(),
                slug: "main".to_owned(),
                name: "Main".to_owned(),
                created_at: now,
                access: Access::Open,
                ending: None,
            };
            store::tenancy::insert(tx, system, &organization, &workspace)?;
            let scope = system.scope(id.clone(), workspace.id);
            let detail = json!({ "name": named, "workos": external_id });
            let entry = by_server(&scope, "organization.created", id.as_str(), &detail, now);
            store::audit::append(tx, &scope, entry)?;
            id
        };
        if store::linked::link(tx, system, WORKOS, external_id, &id)? {
            Ok(id)
        } else {
            Err(Error::conflict(
                "organization_linked",
                "this organization of WorkOS has just been taken in by another request; sign in \
                 again",
            ))
        }
    }

    /// Takes a webhook of WorkOS: checks that it is one, asks WorkOS about whom it names, and
    /// applies the answer, once. `body` is as it came in.
    ///
    /// # Errors
    /// `no_webhooks` where none are expected; `invalid_signature`; `invalid_event` for one that
    /// cannot be read; `unavailable` when WorkOS does not answer, so that it sends the hint again.
    pub fn take_workos_event(
        &self,
        signature: &str,
        body: Vec<u8>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let signature = signature.to_owned();
        Box::pin(async move {
            let (workos, secret) = match &self.inner.sign_in.provider {
                Some(Provider::WorkOs {
                    workos,
                    webhook_secret: Some(secret),
                    ..
                }) => (workos, secret),
                Some(_) | None => {
                    return Err(Error::not_found("webhook of WorkOS", "at this server"));
                }
            };
            let now = self.inner.clock.now();
            check_signature(secret, &signature, &body, now)?;
            let event: Value = serde_json::from_slice(&body)
                .map_err(|e| Error::invalid("invalid_event", format!("this is no JSON: {e}")))?;
            let text = |name: &str| event.get(name).and_then(Value::as_str);
            let (Some(id), Some(kind)) = (text("id"), text("event")) else {
                return Err(Error::invalid(
                    "invalid_event",
                    "an event has an `id` and says what it is (`event`)",
                ));
            };
            self.apply_event(workos, id, about(kind, &event["data"]))
                .await
        })
    }

    async fn apply_event(&self, workos: &WorkOs, id: &str, about: About) -> Result<(), Error> {
        let (system, event) = (self.inner.system, id.to_owned());
        let done = self
            .inner
            .store
            .read({
                let event = event.clone();
                move |r| Ok::<_, Error>(store::linked::has_event(r, system, WORKOS, &event)?)
            })
            .await?;
        if done {
            return Ok(());
        }
        match about {
            About::Person(id) => self.sync_person(workos, &id).await?,
            About::Organization(id) => self.sync_organization(workos, &id).await?,
            About::Nobody => {}
        }
        // Afterwards: a hint that could not be followed is sent again. Asking twice does no harm.
        let now = self.inner.clock.now();
        self.inner
            .store
            .write(move |tx| {
                store::linked::take_event(tx, system, WORKOS, &event, now)?;
                store::linked::forget_events(tx, system, now.plus_ms(-REMEMBER_MS))?;
                Ok(())
            })
            .await
    }

    /// Asks WorkOS about a person, if they were ever here.
    async fn sync_person(&self, workos: &WorkOs, subject: &str) -> Result<(), Error> {
        let (system, issuer) = (self.inner.system, workos.issuer().to_owned());
        let wanted = subject.to_owned();
        let account = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::identities::find(r, system, &issuer, &wanted)?))
            .await?;
        let Some(account) = account else {
            return Ok(());
        };
        let user = workos
            .user(subject)
            .await
            .map_err(|error| Error::Unavailable {
                message: format!("WorkOS does not answer: {error}"),
            })?;
        let belongs = match &user {
            Some(_) => self.workos_memberships(workos, Of::User(subject)).await?,
            None => Belongs {
                memberships: Vec::new(),
                names: HashMap::new(),
            },
        };
        let (engine, local) = (self.clone(), self.inner.clock.now());
        self.inner
            .store
            .write(move |tx| {
                let now = tx.now(local)?;
                engine.learn_person(tx, &account, user.as_ref(), now)?;
                engine.follow_memberships(tx, &account, &belongs, now)
            })
            .await
    }

    fn learn_person(
        &self,
        tx: &mut Tx<'_>,
        account: &AccountId,
        user: Option<&Identity>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let system = self.inner.system;
        match user {
            Some(identity) => {
                store::identities::update(tx, system, identity, now)?;
                store::accounts::rename(tx, system, account, &identity.shown_name())?;
            }
            None => {
                store::sessions::end_others(tx, system, account, None)?;
            }
        }
        Ok(())
    }

    /// Asks WorkOS about everybody in an organization, if it stands for one here.
    async fn sync_organization(&self, workos: &WorkOs, external_id: &str) -> Result<(), Error> {
        let (system, wanted) = (self.inner.system, external_id.to_owned());
        let organization = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::linked::organization(r, system, WORKOS, &wanted)?))
            .await?;
        let Some(organization) = organization else {
            return Ok(());
        };
        let belongs = self
            .workos_memberships(workos, Of::Organization(external_id))
            .await?;
        let (engine, local) = (self.clone(), self.inner.clock.now());
        let issuer = workos.issuer().to_owned();
        self.inner
            .store
            .write(move |tx| {
                let now = tx.now(local)?;
                engine.follow_all(tx, &organization, &belongs, &issuer, now)
            })
            .await
    }

    fn follow_all(
        &self,
        tx: &mut Tx<'_>,
        organization: &OrganizationId,
        belongs: &Belongs,
        issuer: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let system = self.inner.system;
        for membership in &belongs.memberships {
            let known = store::identities::find(tx, system, issuer, &membership.user_id)?;
            if let Some(account) = known {
                self.follow_one(tx, organization, &account, self.role_of(membership), now)?;
            }
        }
        let followers = store::linked::followers(tx, system, (WORKOS, issuer), organization)?;
        for (account, subject) in followers {
            if !belongs.memberships.iter().any(|m| m.user_id == subject) {
                self.part(tx, organization, &account, now)?;
            }
        }
        Ok(())
    }

    /// Has WorkOS send an invite by mail, where it is for one address and to an organization that
    /// stands for one of WorkOS. The link of the invite works whether that succeeds or not.
    pub(crate) async fn invite_by_mail(&self, organization: &OrganizationId, invite: &Invite) {
        let Some(Provider::WorkOs { workos, .. }) = &self.inner.sign_in.provider else {
            return;
        };
        if invite.email.is_empty() || invite.uses_max != 1 {
            return;
        }
        let (system, wanted) = (self.inner.system, organization.clone());
        let linked = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::linked::organizations(r, system, WORKOS)?))
            .await
            .unwrap_or_default();
        let Some((external_id, _)) = linked.into_iter().find(|(_, id)| *id == wanted) else {
            return;
        };
        let days = invite.expires_at.since(invite.created_at).div_ceil(DAY_MS);
        let days = u32::try_from(days.clamp(1, 30)).unwrap_or(30);
        let sent = workos.invite(&invite.email, &external_id, days);
        if let Err(error) = sent.await {
            tracing::warn!(invite.id = %invite.id, "WorkOS did not send an invite by mail: {error}");
        }
    }

    /// Asks WorkOS about every organization now and then: a hint may have been lost.
    pub(crate) async fn workos_loop(self) {
        let Some(Provider::WorkOs { workos, .. }) = &self.inner.sign_in.provider else {
            return;
        };
        loop {
            tokio::select! {
                biased;
                () = self.stopping() => return,
                () = self.inner.clock.sleep(RESYNC_MS) => {}
            }
            if let Err(error) = self.resync(workos).await {
                tracing::warn!("memberships could not be compared with those at WorkOS: {error}");
            }
        }
    }

    async fn resync(&self, workos: &WorkOs) -> Result<(), Error> {
        let system = self.inner.system;
        let all = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::linked::organizations(r, system, WORKOS)?))
            .await?;
        for (external_id, _) in all {
            if self.is_stopping() {
                return Ok(());
            }
            self.sync_organization(workos, &external_id).await?;
        }
        Ok(())
    }
}

/// A scope to write the audit log of an organization in: its first workspace; none if it has none.
fn any_scope(
    tx: &mut Tx<'_>,
    system: System,
    organization: &OrganizationId,
) -> Result<Option<Scope>, Error> {
    let workspaces = store::visitors::workspaces(tx, system, organization)?;
    let first = workspaces.into_iter().next();
    Ok(first.map(|workspace| system.scope(organization.clone(), workspace)))
}

/// Checks `WorkOS-Signature: t=<milliseconds>, v1=<HMAC-SHA256 of "t.body" in hexadecimal>`.
fn check_signature(
    secret: &domain::credential::Secret,
    header: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Error> {
    let bad = || {
        Error::invalid(
            "invalid_signature",
            "the signature of this webhook does not hold; compare the signing secret at WorkOS \
             with sign_in.webhook_secret, and both clocks",
        )
    };
    let part = |name: &str| {
        header
            .split(',')
            .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let (time, signature) = (part("t").ok_or_else(bad)?, part("v1").ok_or_else(bad)?);
    let sent: i64 = time.parse().map_err(|_| bad())?;
    let message = [time.as_bytes(), b".", body].concat();
    let holds = vault::is_hmac_of(secret, &message, signature);
    let fresh = now.0.saturating_sub(sent).saturating_abs() <= TOLERANCE_MS;
    if holds && fresh { Ok(()) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_says_whom_to_ask_about_and_nothing_else() {
        let data = json!({ "id": "x_1", "user_id": "user_1", "organization_id": "org_1" });
        let person = |id: &str| About::Person(id.into());
        let organization = |id: &str| About::Organization(id.into());
        for (event, expected) in [
            ("organization_membership.deleted", person("user_1")),
            ("user.updated", person("x_1")),
            ("organization.deleted", organization("x_1")),
            ("dsync.user.deleted", organization("org_1")),
            ("dsync.deleted", organization("org_1")),
            ("connection.activated", About::Nobody),
            ("", About::Nobody),
        ] {
            assert_eq!(about(event, &data), expected, "{event}");
        }
        assert_eq!(about("user.created", &Value::Null), About::Nobody);
    }
}
