//! Workspaces of an organization: make, change, delete and take that back, and whom a restricted one
//! lets in. Which one a request is about is found in `callers.rs`.

use crate::audit::by_person;
use crate::callers::ReachedWorkspace;
use crate::endings::{confirmed, ending, grace_of, in_words};
use crate::keys::checked_name;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Person, Scope, System};
use domain::limits::WORKSPACES_MAX;
use domain::tenancy::{Access, Member, Workspace};
use domain::{AccountId, WorkspaceId};
use futures_util::future::BoxFuture;
use serde_json::json;
use store::Tx;

/// Longest short name.
const SLUG_CHARS_MAX: usize = 63;
/// Longest short name that is made of a name: there is room for a mark behind it.
const SLUG_CHARS_MADE: usize = 40;

/// What is to change about a workspace; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct WorkspaceChange {
    /// The name people see.
    pub name: Option<String>,
    /// The short name for addresses. Addresses with the one before lead nowhere any more.
    pub slug: Option<String>,
    /// Whom it lets in.
    pub access: Option<Access>,
}

impl Engine {
    /// Makes a workspace in the caller's organization. Where it is restricted it names whoever makes
    /// it, too.
    ///
    /// # Errors
    /// `forbidden`, `invalid_slug`, `invalid_name`, `slug_taken`, `too_many_workspaces`.
    pub fn create_workspace(
        &self,
        caller: &Caller,
        slug: &str,
        name: Option<&str>,
        access: Access,
    ) -> BoxFuture<'_, Result<ReachedWorkspace, Error>> {
        let caller = caller.clone();
        let (slug, name) = (slug.to_owned(), name.unwrap_or(slug).to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            self.not_as_visitor(&caller, "make workspaces").await?;
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let workspace = Workspace {
                id: WorkspaceId::from_bits(entropy::bits()),
                organization_id: caller.organization_id.clone(),
                name: checked_name("the workspace", &name)?,
                slug: checked_slug(slug)?,
                created_at: now,
                access,
                ending: None,
            };
            self.commit(&scope.clone(), move |tx| {
                store::tenancy::lock_organization(tx, &scope)?;
                if store::tenancy::workspaces(tx, &scope)?.len() >= WORKSPACES_MAX {
                    return Err(Error::conflict(
                        "too_many_workspaces",
                        format!(
                            "the organization has {WORKSPACES_MAX} workspaces, which is the limit \
                             workspaces"
                        ),
                    ));
                }
                check_free(tx, &scope, &workspace.slug)?;
                store::tenancy::insert_workspace(tx, system, &workspace)?;
                let own = system.scope(scope.organization_id().clone(), workspace.id.clone());
                store::tenancy::name_member(tx, &own, &caller.account_id, now)?;
                let detail = json!({
                    "slug": workspace.slug,
                    "name": workspace.name,
                    "access": workspace.access.as_str(),
                });
                let id = workspace.id.as_str();
                let entry = by_person(&caller, &own, "workspace.created", id, &detail, now);
                store::audit::append(tx, &own, entry)?;
                shown(tx, system, workspace.clone())
            })
            .await
        })
    }

    /// Changes the caller's workspace: its names, and whom it lets in. Whoever is let in no longer
    /// loses it with their next request, and their tasks with the next call.
    ///
    /// # Errors
    /// `forbidden`, `invalid_slug`, `invalid_name`, `slug_taken`.
    pub fn change_workspace(
        &self,
        caller: &Caller,
        change: WorkspaceChange,
    ) -> BoxFuture<'_, Result<ReachedWorkspace, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let name = match &change.name {
                None => None,
                Some(name) => Some(checked_name("the workspace", name)?),
            };
            let slug = change.slug.map(checked_slug).transpose()?;
            self.commit(&scope.clone(), move |tx| {
                store::tenancy::lock_organization(tx, &scope)?;
                let before = here(tx, &scope)?;
                let mut after = before.clone();
                after.name = name.clone().unwrap_or(after.name);
                after.access = change.access.unwrap_or(after.access);
                if let Some(slug) = slug.clone().filter(|slug| *slug != before.slug) {
                    check_free(tx, &scope, &slug)?;
                    after.slug = slug;
                }
                store::tenancy::change_workspace(tx, &scope, &after)?;
                let told = |w: &Workspace| {
                    json!({ "slug": w.slug, "name": w.name, "access": w.access.as_str() })
                };
                let detail = json!({ "before": told(&before), "after": told(&after) });
                let id = after.id.as_str();
                let entry = by_person(&caller, &scope, "workspace.changed", id, &detail, now);
                store::audit::append(tx, &scope, entry)?;
                shown(tx, system, after)
            })
            .await
        })
    }

    /// Deletes the caller's workspace: at once nobody reaches it, its tasks are held and its keys
    /// open nothing; after `grace_days` everything of it but its audit entries is removed for good.
    /// `typed` is its short name, which whoever deletes it types.
    ///
    /// # Errors
    /// `forbidden`, `invalid_confirmation`, `invalid_grace`; `local_workspace` for that of this
    /// server, `last_workspace` for the only one of its organization.
    pub fn delete_workspace(
        &self,
        caller: &Caller,
        typed: Option<&str>,
        grace_days: Option<u32>,
    ) -> BoxFuture<'_, Result<ReachedWorkspace, Error>> {
        let (caller, typed) = (caller.clone(), typed.map(str::to_owned));
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            caller.is_person("delete a workspace")?;
            let (system, local_now) = (self.inner.system, self.inner.clock.now());
            let days = grace_of(grace_days)?;
            let local = self.inner.local.workspace.id.clone();
            let deleted = self
                .commit(&scope.clone(), move |tx| {
                    store::tenancy::lock_organization(tx, &scope)?;
                    let now = tx.now(local_now)?;
                    let mut workspace = here(tx, &scope)?;
                    if workspace.id == local {
                        return Err(Error::conflict(
                            "local_workspace",
                            "the local workspace stays: the server works in it",
                        ));
                    }
                    let all = store::tenancy::workspaces(tx, &scope)?;
                    let others = all
                        .iter()
                        .filter(|w| w.id != workspace.id && w.ending.is_none());
                    if others.count() == 0 {
                        return Err(Error::conflict(
                            "last_workspace",
                            "the last workspace of an organization stays; make another one first, \
                             or delete the organization",
                        ));
                    }
                    confirmed("workspace", &workspace.slug, typed.as_deref())?;
                    let ending = ending(&caller.account_id, now, days);
                    store::tenancy::set_workspace_ending(tx, &scope, Some(&ending))?;
                    let detail = in_words(&workspace.slug, &workspace.name, &ending);
                    let id = workspace.id.as_str();
                    let entry = by_person(&caller, &scope, "workspace.deleted", id, &detail, now);
                    store::audit::append(tx, &scope, entry)?;
                    workspace.ending = Some(ending);
                    shown(tx, system, workspace)
                })
                .await?;
            self.after_deletion(days).await?;
            Ok(deleted)
        })
    }

    /// The workspaces that were deleted and that a person may still take back.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn deleted_workspaces(
        &self,
        person: &Person,
    ) -> BoxFuture<'_, Result<Vec<ReachedWorkspace>, Error>> {
        let (system, account) = (self.inner.system, person.account_id.clone());
        Box::pin(async move {
            self.inner
                .store
                .read(move |r| {
                    let found = store::tenancy::restorable_workspaces(r, system, &account)?;
                    let reached = found
                        .into_iter()
                        .map(|(workspace, slug, _)| ReachedWorkspace {
                            workspace,
                            organization_slug: slug,
                        });
                    Ok(reached.collect())
                })
                .await
        })
    }

    /// Takes the deletion of a workspace back: everything is as it was, and held tasks go on. It is
    /// named by its identifier, as `organization/workspace`, or by its short name where that means one
    /// alone.
    ///
    /// # Errors
    /// `not_found`, also for whoever is no administrator of its organization; `ambiguous_workspace`.
    pub fn restore_workspace(
        &self,
        person: &Person,
        wanted: &str,
    ) -> BoxFuture<'_, Result<ReachedWorkspace, Error>> {
        let (person, wanted) = (person.clone(), wanted.to_owned());
        Box::pin(async move {
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let restored = self
                .inner
                .store
                .write(move |tx| {
                    let all = store::tenancy::restorable_workspaces(tx, system, &person.account_id)?;
                    let mut fits = all.into_iter().filter(|(w, organization, _)| {
                        match wanted.split_once('/') {
                            None => w.id.as_str() == wanted || w.slug == wanted,
                            Some((first, second)) => {
                                (w.organization_id.as_str() == first || organization == first)
                                    && (w.id.as_str() == second || w.slug == second)
                            }
                        }
                    });
                    let (mut workspace, _, role) = fits.next().ok_or_else(|| {
                        let shown: String = wanted.chars().take(64).collect();
                        Error::not_found("workspace", shown)
                    })?;
                    if fits.next().is_some() {
                        return Err(Error::conflict(
                            "ambiguous_workspace",
                            format!("several deleted workspaces are called '{wanted}'; name one by its identifier"),
                        ));
                    }
                    let caller = person.at(&workspace.organization_id, &workspace.id, role);
                    caller.is_person("restore a workspace")?;
                    let scope = caller.scope(Permission::ManageMembers)?;
                    store::tenancy::set_workspace_ending(tx, &scope, None)?;
                    workspace.ending = None;
                    let (detail, id) = (json!({ "slug": workspace.slug }), workspace.id.as_str());
                    let entry = by_person(&caller, &scope, "workspace.restored", id, &detail, now);
                    store::audit::append(tx, &scope, entry)?;
                    shown(tx, system, workspace)
                })
                .await?;
            self.after_restoration();
            Ok(restored)
        })
    }

    /// The members that the caller's workspace names, who reach it while it is restricted beside
    /// administrators and owners.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn workspace_members(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<Member>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            self.inner
                .store
                .read(move |r| Ok(store::tenancy::named_members(r, &scope)?))
                .await
        })
    }

    /// Names a member of the organization in the caller's workspace. One who is named stays so.
    ///
    /// # Errors
    /// `forbidden`; `not_found` for somebody who is no member.
    pub fn name_workspace_member(
        &self,
        caller: &Caller,
        id: &AccountId,
    ) -> BoxFuture<'_, Result<Member, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            let now = self.inner.clock.now();
            self.commit(&scope.clone(), move |tx| {
                let member = store::tenancy::member(tx, &scope, &id)?
                    .ok_or_else(|| Error::not_found("member", &id))?;
                if store::tenancy::name_member(tx, &scope, &id, now)? {
                    let detail = json!({ "workspace": scope.workspace_id() });
                    let action = "workspace.member_added";
                    let entry = by_person(&caller, &scope, action, id.as_str(), &detail, now);
                    store::audit::append(tx, &scope, entry)?;
                }
                Ok(member)
            })
            .await
        })
    }

    /// Names a member in the caller's workspace no longer: while it is restricted, the person's
    /// requests, streams and tasks there end, unless they are an administrator.
    ///
    /// # Errors
    /// `forbidden`; `not_found` for somebody whom the workspace does not name.
    pub fn unname_workspace_member(
        &self,
        caller: &Caller,
        id: &AccountId,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            let now = self.inner.clock.now();
            self.commit(&scope.clone(), move |tx| {
                if !store::tenancy::unname_member(tx, &scope, &id)? {
                    return Err(Error::not_found("member", &id));
                }
                let detail = json!({ "workspace": scope.workspace_id() });
                let action = "workspace.member_removed";
                let entry = by_person(&caller, &scope, action, id.as_str(), &detail, now);
                store::audit::append(tx, &scope, entry)?;
                Ok(())
            })
            .await
        })
    }
}

/// The scope's workspace.
fn here(tx: &mut Tx<'_>, scope: &Scope) -> Result<Workspace, Error> {
    store::tenancy::workspace(tx, scope)?
        .filter(|w| w.ending.is_none())
        .ok_or_else(|| Error::not_found("workspace", scope.workspace_id()))
}

fn shown(tx: &mut Tx<'_>, system: System, workspace: Workspace) -> Result<ReachedWorkspace, Error> {
    let organization = store::tenancy::organization(tx, system, &workspace.organization_id)?
        .ok_or_else(|| Error::not_found("organization", &workspace.organization_id))?;
    Ok(ReachedWorkspace {
        workspace,
        organization_slug: organization.slug,
    })
}

/// Whether a short name is free in the organization; one of a workspace that was deleted is not, so
/// that it can be taken back.
fn check_free(tx: &mut Tx<'_>, scope: &Scope, slug: &str) -> Result<(), Error> {
    let taken = store::tenancy::workspaces(tx, scope)?
        .into_iter()
        .find(|w| w.slug == slug);
    match taken {
        None => Ok(()),
        Some(taken) => Err(Error::conflict(
            "slug_taken",
            if taken.ending.is_some() {
                format!(
                    "a workspace '{slug}' was deleted and can still be taken back; choose another \
                     short name"
                )
            } else {
                format!("there is a workspace '{slug}' already")
            },
        )),
    }
}

/// A short name as it must be.
pub(crate) fn checked_slug(slug: String) -> Result<String, Error> {
    let fits = (1..=SLUG_CHARS_MAX).contains(&slug.len())
        && slug
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !slug.starts_with('-')
        && !slug.ends_with('-');
    if fits {
        Ok(slug)
    } else {
        Err(Error::invalid(
            "invalid_slug",
            format!(
                "a short name has 1 to {SLUG_CHARS_MAX} lower-case letters, digits and hyphens, \
                 with none of the latter at its ends"
            ),
        ))
    }
}

/// A short name made of a name: its letters and digits of ASCII, with a hyphen for whatever stands
/// between them; `otherwise` where none are left.
pub(crate) fn slug_of(name: &str, otherwise: &str) -> String {
    let words = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase);
    let mut slug = words.collect::<Vec<_>>().join("-");
    slug.truncate(SLUG_CHARS_MADE);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        otherwise.to_owned()
    } else {
        slug.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_made_of_names() {
        let long = "a".repeat(39) + " b";
        for (name, slug) in [
            ("Acme", "acme"),
            ("Acme & Söhne, 2", "acme-s-hne-2"),
            ("  --  ", "organization"),
            ("日本", "organization"),
            (long.as_str(), &"a".repeat(39)),
        ] {
            let made = slug_of(name, "organization");
            assert_eq!(made, slug, "{name}");
            assert!(checked_slug(made).is_ok());
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a/b", "ü", &"a".repeat(64)] {
            assert!(checked_slug(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
