//! Members of the organization: add, change, remove. Until a person can sign in, an account works
//! through the keys that are made for it.
//!
//! Nobody gives a role above their own or changes somebody who stands above them, the last owner
//! stays, and whoever is removed loses their keys in the same write.

use crate::audit::by_person;
use crate::keys::checked_name;
use crate::{Engine, Error, entropy};
use domain::AccountId;
use domain::access::{Caller, Permission, Scope};
use domain::limits::MEMBERS_MAX;
use domain::tenancy::{Account, Member, Role};
use futures_util::future::BoxFuture;
use serde_json::json;

/// What is to change about a member; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct MemberChange {
    /// The new role.
    pub role: Option<Role>,
    /// The new name.
    pub name: Option<String>,
}

/// How a refusal calls what a role does not reach.
const THE_ROLE: &str = "that role";

impl Engine {
    /// The members of the organization, the oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn members(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<Member>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            self.inner
                .store
                .read(move |r| Ok(store::tenancy::members(r, &scope)?))
                .await
        })
    }

    /// Makes an account and adds it to the organization.
    ///
    /// # Errors
    /// `forbidden`, `invalid_name`, `too_many_members`.
    pub fn add_member(
        &self,
        caller: &Caller,
        name: &str,
        role: Role,
    ) -> BoxFuture<'_, Result<Member, Error>> {
        let (caller, name) = (caller.clone(), name.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            caller.reaches(role, THE_ROLE)?;
            self.not_as_visitor(&caller, "let others in").await?;
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let member = Member {
                account: Account {
                    id: AccountId::from_bits(entropy::bits()),
                    name: checked_name("the member", &name)?,
                    created_at: now,
                },
                role,
                joined_at: now,
                active_at: None,
            };
            self.commit(&scope.clone(), move |tx| {
                if store::tenancy::members(tx, &scope)?.len() >= MEMBERS_MAX {
                    return Err(Error::conflict(
                        "too_many_members",
                        format!(
                            "the organization has {MEMBERS_MAX} members, which is the limit \
                             members; remove one first"
                        ),
                    ));
                }
                store::tenancy::insert_account(tx, system, &member.account)?;
                let id = &member.account.id;
                store::tenancy::set_role(tx, system, scope.organization_id(), id, role)?;
                let detail = json!({ "name": member.account.name, "role": role.as_str() });
                let entry = by_person(&caller, &scope, "member.added", id.as_str(), &detail, now);
                store::audit::append(tx, &scope, entry)?;
                Ok(member.clone())
            })
            .await
        })
    }

    /// Changes a member's role or name. What the person may do changes with the next request of
    /// theirs, and with the next call of their tasks.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_name`, `last_owner`, `local_owner`.
    pub fn change_member(
        &self,
        caller: &Caller,
        id: &AccountId,
        change: MemberChange,
    ) -> BoxFuture<'_, Result<Member, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let name = match &change.name {
                None => None,
                Some(name) => Some(checked_name("the member", name)?),
            };
            let local = self.inner.local.clone();
            self.commit(&scope.clone(), move |tx| {
                let before = within_reach(tx, &scope, &caller, &id)?;
                let mut after = before.clone();
                if let Some(name) = &name {
                    after.account.name.clone_from(name);
                    store::tenancy::rename(tx, &scope, &id, name)?;
                }
                if let Some(role) = change.role {
                    caller.reaches(role, THE_ROLE)?;
                    if role != before.role {
                        leave_an_owner(tx, &scope, &before, &local)?;
                        let organization = scope.organization_id();
                        store::tenancy::set_role(tx, system, organization, &id, role)?;
                        // What the person is signed in with was begun in another role.
                        store::sessions::end_others(tx, system, &id, None)?;
                        after.role = role;
                    }
                }
                let shown = |m: &Member| json!({ "name": m.account.name, "role": m.role.as_str() });
                let detail = json!({ "before": shown(&before), "after": shown(&after) });
                let entry = by_person(&caller, &scope, "member.changed", id.as_str(), &detail, now);
                store::audit::append(tx, &scope, entry)?;
                Ok(after)
            })
            .await
        })
    }

    /// Takes the caller out of their organization, and their keys with them.
    ///
    /// # Errors
    /// `forbidden` for a key or a model, `last_owner`, `local_owner`.
    pub fn leave_organization(&self, caller: &Caller) -> BoxFuture<'_, Result<(), Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            caller.is_person("leave the organization")?;
            let scope = caller.scope(Permission::RunTasks)?;
            let now = self.inner.clock.now();
            let local = self.inner.local.clone();
            self.commit(&scope.clone(), move |tx| {
                let id = &caller.account_id;
                let member = store::tenancy::member(tx, &scope, id)?
                    .ok_or_else(|| Error::not_found("member", id))?;
                leave_an_owner(tx, &scope, &member, &local)?;
                let keys = store::keys::revoke_all(tx, &scope, id, now)?;
                let grants = store::grants::end_all(tx, &scope, id)?;
                store::tenancy::remove_member(tx, &scope, id)?;
                let detail = json!({
                    "name": member.account.name,
                    "role": member.role.as_str(),
                    "keysRevoked": keys,
                    "grantsEnded": grants,
                });
                let entry = by_person(&caller, &scope, "member.left", id.as_str(), &detail, now);
                store::audit::append(tx, &scope, entry)?;
                Ok(())
            })
            .await
        })
    }

    /// Takes a person out of the organization, and their keys with them. The name stays, for what
    /// the person has done.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `last_owner`, `local_owner`.
    pub fn remove_member(
        &self,
        caller: &Caller,
        id: &AccountId,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            let now = self.inner.clock.now();
            let local = self.inner.local.clone();
            self.commit(&scope.clone(), move |tx| {
                let member = within_reach(tx, &scope, &caller, &id)?;
                leave_an_owner(tx, &scope, &member, &local)?;
                let keys = store::keys::revoke_all(tx, &scope, &id, now)?;
                let grants = store::grants::end_all(tx, &scope, &id)?;
                store::tenancy::remove_member(tx, &scope, &id)?;
                let detail = json!({
                    "name": member.account.name,
                    "role": member.role.as_str(),
                    "keysRevoked": keys,
                    "grantsEnded": grants,
                });
                let entry = by_person(&caller, &scope, "member.removed", id.as_str(), &detail, now);
                store::audit::append(tx, &scope, entry)?;
                Ok(())
            })
            .await
        })
    }
}

/// A member whose role does not stand above the caller's.
fn within_reach(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    caller: &Caller,
    id: &AccountId,
) -> Result<Member, Error> {
    let member =
        store::tenancy::member(tx, scope, id)?.ok_or_else(|| Error::not_found("member", id))?;
    caller.reaches(member.role, "members whose role is above it")?;
    Ok(member)
}

/// Refuses to take the role of owner from whom must keep it.
fn leave_an_owner(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    member: &Member,
    local: &store::tenancy::Local,
) -> Result<(), Error> {
    if member.role != Role::Owner {
        return Ok(());
    }
    if store::tenancy::owners(tx, scope)? <= 1 {
        return Err(Error::conflict(
            "last_owner",
            "the last owner stays; make somebody else an owner first",
        ));
    }
    if member.account.id == local.account.id && *scope.organization_id() == local.organization.id {
        return Err(Error::conflict(
            "local_owner",
            "the user who runs the server is always an owner of its local organization",
        ));
    }
    Ok(())
}
