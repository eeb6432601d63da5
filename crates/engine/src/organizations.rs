//! Organizations: make one, list one's own, rename, delete and take the deletion back.
//!
//! These are a person's doings, wherever the person is: no key makes or ends an organization. What
//! somebody may in one is read from its members in the transaction that does it. Whoever is made an
//! owner owns it with the others; the last owner stays.

use crate::audit::by_person;
use crate::endings::{confirmed, ending, grace_of, in_words};
use crate::keys::checked_name;
use crate::workspaces::{checked_slug, slug_of};
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Person, System};
use domain::limits::ORGANIZATIONS_MAX;
use domain::tenancy::{Access, Organization, Role, Workspace};
use domain::{AccountId, OrganizationId, WorkspaceId};
use futures_util::future::BoxFuture;
use serde_json::json;
use store::{Reader, Tx};

/// The short name of an organization's first workspace.
const FIRST_WORKSPACE: &str = "main";
/// How often another short name is tried where one is taken.
const SLUG_TRIES: usize = 5;

/// An organization and what somebody is in it.
#[derive(Debug, Clone)]
pub struct OwnOrganization {
    /// The organization.
    pub organization: Organization,
    /// The person's role there.
    pub role: Role,
}

/// New names; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct NameChange {
    /// The name people see.
    pub name: Option<String>,
    /// The short name for addresses. Addresses with the one before lead nowhere any more.
    pub slug: Option<String>,
}

impl Engine {
    /// The organizations of a person, in the order in which they joined. One that was deleted is
    /// shown to its owners, who may take that back; for all others it is gone.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn organizations(
        &self,
        person: &Person,
    ) -> BoxFuture<'_, Result<Vec<OwnOrganization>, Error>> {
        let (system, account) = (self.inner.system, person.account_id.clone());
        Box::pin(async move {
            self.inner
                .store
                .read(move |r| own(r, system, &account))
                .await
        })
    }

    /// Makes an organization, whose owner the person becomes, with a first workspace. Without a short
    /// name it is given one that is made of the name.
    ///
    /// # Errors
    /// `forbidden` for a model, `invalid_name`, `invalid_slug`, `slug_taken`,
    /// `too_many_organizations`.
    pub fn create_organization(
        &self,
        person: &Person,
        name: &str,
        slug: Option<&str>,
    ) -> BoxFuture<'_, Result<OwnOrganization, Error>> {
        let (person, name) = (person.clone(), name.to_owned());
        let slug = slug.map(str::to_owned);
        Box::pin(async move {
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let name = checked_name("the organization", &name)?;
            let slugs = match slug {
                Some(slug) => vec![checked_slug(slug)?],
                None => slugs_for(&name),
            };
            let id = OrganizationId::from_bits(entropy::bits());
            let workspace = Workspace {
                id: WorkspaceId::from_bits(entropy::bits()),
                organization_id: id.clone(),
                slug: FIRST_WORKSPACE.to_owned(),
                name: "Main".to_owned(),
                created_at: now,
                access: Access::Open,
                ending: None,
            };
            let caller = person.at(&id, &workspace.id, Role::Owner);
            caller.is_person("make an organization")?;
            let scope = caller.scope(Permission::ManageOrganization)?;
            let engine = self.clone();
            self.commit(&scope.clone(), move |tx| {
                engine.person_is_no_visitor(tx, &person, "make organizations")?;
                if own(tx, system, &person.account_id)?.len() >= ORGANIZATIONS_MAX {
                    return Err(too_many_organizations());
                }
                let free = slugs.iter().find_map(|slug| {
                    match store::tenancy::organization_named(tx, system, slug) {
                        Ok(None) => Some(Ok(slug.clone())),
                        Ok(Some(_)) => None,
                        Err(error) => Some(Err(error)),
                    }
                });
                let Some(slug) = free.transpose()? else {
                    return Err(slug_taken(slugs.first().map_or("", String::as_str)));
                };
                let organization = Organization {
                    id: id.clone(),
                    slug,
                    name: name.clone(),
                    created_at: now,
                    ending: None,
                };
                store::tenancy::insert(tx, system, &organization, &workspace)?;
                let membership = (Role::Owner, now);
                store::tenancy::join(tx, system, &id, &person.account_id, membership)?;
                let detail = json!({
                    "slug": organization.slug,
                    "name": organization.name,
                    "workspace": workspace.id,
                });
                let action = "organization.created";
                let entry = by_person(&caller, &scope, action, id.as_str(), &detail, now);
                store::audit::append(tx, &scope, entry)?;
                Ok(OwnOrganization {
                    organization,
                    role: Role::Owner,
                })
            })
            .await
        })
    }

    /// Gives an organization other names. It is named by its identifier or short name, as everywhere
    /// here.
    ///
    /// # Errors
    /// `not_found`, `forbidden` for whoever is no owner, `invalid_name`, `invalid_slug`,
    /// `slug_taken`.
    pub fn rename_organization(
        &self,
        person: &Person,
        wanted: &str,
        change: NameChange,
    ) -> BoxFuture<'_, Result<OwnOrganization, Error>> {
        let (person, wanted) = (person.clone(), wanted.to_owned());
        Box::pin(async move {
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let name = match &change.name {
                None => None,
                Some(name) => Some(checked_name("the organization", name)?),
            };
            let slug = change.slug.map(checked_slug).transpose()?;
            self.inner
                .store
                .write(move |tx| {
                    let (own, caller) = own_named(tx, system, &person, &wanted)?;
                    if own.organization.ending.is_some() {
                        return Err(Error::not_found("organization", &wanted));
                    }
                    let scope = caller.scope(Permission::ManageOrganization)?;
                    let mut after = own.organization.clone();
                    after.name = name.clone().unwrap_or(after.name);
                    if let Some(slug) = slug.clone().filter(|slug| *slug != after.slug) {
                        if store::tenancy::organization_named(tx, system, &slug)?.is_some() {
                            return Err(slug_taken(&slug));
                        }
                        after.slug = slug;
                    }
                    store::tenancy::change_organization(tx, &scope, &after)?;
                    let shown = |o: &Organization| json!({ "slug": o.slug, "name": o.name });
                    let detail = json!({
                        "before": shown(&own.organization),
                        "after": shown(&after),
                    });
                    let (action, id) = ("organization.changed", after.id.as_str());
                    let entry = by_person(&caller, &scope, action, id, &detail, now);
                    store::audit::append(tx, &scope, entry)?;
                    Ok(OwnOrganization {
                        organization: after,
                        ..own
                    })
                })
                .await
        })
    }

    /// Deletes an organization: at once nobody reaches it, its tasks are held and its keys open
    /// nothing; after `grace_days` everything of it is removed for good. `typed` is its short name,
    /// which whoever deletes it types.
    ///
    /// # Errors
    /// `not_found`, `forbidden` for whoever is no owner, `invalid_confirmation`, `invalid_grace`;
    /// `local_organization` for that of the local workspace.
    pub fn delete_organization(
        &self,
        person: &Person,
        wanted: &str,
        typed: Option<&str>,
        grace_days: Option<u32>,
    ) -> BoxFuture<'_, Result<OwnOrganization, Error>> {
        let (person, wanted) = (person.clone(), wanted.to_owned());
        let typed = typed.map(str::to_owned);
        Box::pin(async move {
            let (system, local_now) = (self.inner.system, self.inner.clock.now());
            let days = grace_of(grace_days)?;
            let local = self.inner.local.organization.id.clone();
            let deleted = self
                .inner
                .store
                .write(move |tx| {
                    let now = tx.now(local_now)?;
                    let (own, caller) = own_named(tx, system, &person, &wanted)?;
                    if own.organization.ending.is_some() {
                        return Err(Error::not_found("organization", &wanted));
                    }
                    caller.is_person("delete an organization")?;
                    let scope = caller.scope(Permission::ManageOrganization)?;
                    if own.organization.id == local {
                        return Err(Error::conflict(
                            "local_organization",
                            "the organization of the local workspace stays: the server works in it",
                        ));
                    }
                    confirmed("organization", &own.organization.slug, typed.as_deref())?;
                    let mut after = own.organization.clone();
                    let ending = ending(&person.account_id, now, days);
                    store::tenancy::set_organization_ending(tx, &scope, Some(&ending))?;
                    let detail = in_words(&after.slug, &after.name, &ending);
                    let (action, id) = ("organization.deleted", after.id.as_str());
                    let entry = by_person(&caller, &scope, action, id, &detail, now);
                    store::audit::append(tx, &scope, entry)?;
                    after.ending = Some(ending);
                    Ok(OwnOrganization {
                        organization: after,
                        ..own
                    })
                })
                .await?;
            self.after_deletion(days).await?;
            Ok(deleted)
        })
    }

    /// Takes the deletion of an organization back: everything is as it was, and held tasks go on.
    ///
    /// # Errors
    /// `not_found`, also for whoever is no owner; `not_deleted`.
    pub fn restore_organization(
        &self,
        person: &Person,
        wanted: &str,
    ) -> BoxFuture<'_, Result<OwnOrganization, Error>> {
        let (person, wanted) = (person.clone(), wanted.to_owned());
        Box::pin(async move {
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let restored = self
                .inner
                .store
                .write(move |tx| {
                    let (mut own, caller) = own_named(tx, system, &person, &wanted)?;
                    caller.is_person("restore an organization")?;
                    let scope = caller.scope(Permission::ManageOrganization)?;
                    if own.organization.ending.take().is_none() {
                        return Err(Error::conflict(
                            "not_deleted",
                            format!(
                                "the organization '{}' is not deleted",
                                own.organization.slug
                            ),
                        ));
                    }
                    store::tenancy::set_organization_ending(tx, &scope, None)?;
                    let (action, id) = ("organization.restored", own.organization.id.as_str());
                    let detail = json!({ "slug": own.organization.slug });
                    let entry = by_person(&caller, &scope, action, id, &detail, now);
                    store::audit::append(tx, &scope, entry)?;
                    Ok::<_, Error>(own)
                })
                .await?;
            self.after_restoration();
            Ok(restored)
        })
    }
}

/// The organizations that a person is shown.
fn own(
    conn: &mut Reader<'_>,
    system: System,
    account: &AccountId,
) -> Result<Vec<OwnOrganization>, Error> {
    let all = store::tenancy::organizations_of(conn, system, account)?;
    Ok(all
        .into_iter()
        .map(|(organization, role)| OwnOrganization { organization, role })
        .filter(|o| o.organization.ending.is_none() || o.role == Role::Owner)
        .collect())
}

/// One of them by identifier or short name, and the person as a caller there.
fn own_named(
    tx: &mut Tx<'_>,
    system: System,
    person: &Person,
    wanted: &str,
) -> Result<(OwnOrganization, Caller), Error> {
    let missing = || {
        let shown: String = wanted.chars().take(64).collect();
        Error::not_found("organization", shown)
    };
    let found = own(tx, system, &person.account_id)?
        .into_iter()
        .find(|o| o.organization.id.as_str() == wanted || o.organization.slug == wanted)
        .ok_or_else(missing)?;
    let id = &found.organization.id;
    let workspace = store::tenancy::first_workspace(tx, system, id)?.ok_or_else(missing)?;
    let caller = person.at(id, &workspace, found.role);
    Ok((found, caller))
}

/// Short names to try for a name, the plainest first.
fn slugs_for(name: &str) -> Vec<String> {
    let plain = slug_of(name, "organization");
    let marked = (1..SLUG_TRIES).map(|_| {
        let [a, b, c] = entropy::bytes::<3>();
        format!("{plain}-{a:02x}{b:02x}{c:02x}")
    });
    std::iter::once(plain.clone()).chain(marked).collect()
}

fn slug_taken(slug: &str) -> Error {
    Error::conflict(
        "slug_taken",
        format!("the short name '{slug}' is taken; choose another one"),
    )
}

pub(crate) fn too_many_organizations() -> Error {
    Error::conflict(
        "too_many_organizations",
        format!(
            "one person is a member of at most {ORGANIZATIONS_MAX} organizations; leave one first"
        ),
    )
}
