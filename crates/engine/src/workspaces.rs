//! Workspaces of the organization: make, list, and which one a request is about.
//!
//! Whoever is a member reaches all of them; a key reaches the one that it is bound to. What stands
//! in one is not to be found in another.

use crate::audit::by_person;
use crate::keys::checked_name;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Forbidden, Permission};
use domain::limits::WORKSPACES_MAX;
use domain::tenancy::Workspace;
use domain::{ApprovalId, TaskId, WorkspaceId};
use futures_util::future::BoxFuture;
use serde_json::json;

/// Longest short name.
const SLUG_CHARS_MAX: usize = 63;

/// What a link may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A task.
    Task(TaskId),
    /// An approval.
    Approval(ApprovalId),
}

impl Engine {
    /// The workspaces that a caller reaches, the oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn workspaces(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<Workspace>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::Enter)?;
            let bound = caller.is_bound();
            self.inner
                .store
                .read(move |r| {
                    Ok(if bound {
                        store::tenancy::workspace(r, &scope)?.into_iter().collect()
                    } else {
                        store::tenancy::workspaces(r, &scope)?
                    })
                })
                .await
        })
    }

    /// The caller in another workspace of the organization, named by its identifier or short name.
    ///
    /// # Errors
    /// `not_found`; `wrong_workspace` for a key that is bound to another.
    pub fn enter_workspace(
        &self,
        caller: &Caller,
        name: &str,
    ) -> BoxFuture<'_, Result<Caller, Error>> {
        let (caller, name) = (caller.clone(), name.to_owned());
        Box::pin(async move {
            if name == caller.workspace_id.as_str() {
                return Ok(caller);
            }
            let scope = caller.scope(Permission::Enter)?;
            let wanted = name.clone();
            let found = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::tenancy::workspace_named(r, &scope, &wanted)?))
                .await?;
            match found {
                None => Err(Error::not_found(
                    "workspace",
                    name.chars().take(64).collect::<String>(),
                )),
                Some(found) if found.id == caller.workspace_id => Ok(caller),
                Some(found) if caller.is_bound() => Err(Forbidden::OtherWorkspace {
                    workspace: found.slug,
                }
                .into()),
                Some(found) => Ok(Caller {
                    workspace_id: found.id,
                    ..caller
                }),
            }
        })
    }

    /// The caller in the workspace that a thing stands in, so that a link to it leads a person there
    /// without saying where it is. A key stays where it is bound, and what is not to be found
    /// changes nothing.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn enter_workspace_of(
        &self,
        caller: &Caller,
        thing: Thing,
    ) -> BoxFuture<'_, Result<Caller, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            if caller.is_bound() {
                return Ok(caller);
            }
            let scope = caller.scope(Permission::Enter)?;
            let found = self
                .inner
                .store
                .read(move |r| {
                    Ok::<_, Error>(match &thing {
                        Thing::Task(id) => store::tenancy::workspace_of_task(r, &scope, id)?,
                        Thing::Approval(id) => {
                            store::tenancy::workspace_of_approval(r, &scope, id)?
                        }
                    })
                })
                .await?;
            Ok(match found {
                Some(workspace_id) => Caller {
                    workspace_id,
                    ..caller
                },
                None => caller,
            })
        })
    }

    /// Makes a workspace in the caller's organization.
    ///
    /// # Errors
    /// `forbidden`, `invalid_slug`, `invalid_name`, `slug_taken`, `too_many_workspaces`.
    pub fn create_workspace(
        &self,
        caller: &Caller,
        slug: &str,
        name: Option<&str>,
    ) -> BoxFuture<'_, Result<Workspace, Error>> {
        let caller = caller.clone();
        let (slug, name) = (slug.to_owned(), name.unwrap_or(slug).to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            check_slug(&slug)?;
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let workspace = Workspace {
                id: WorkspaceId::from_bits(entropy::bits()),
                organization_id: caller.organization_id.clone(),
                name: checked_name("the workspace", &name)?,
                slug,
                created_at: now,
            };
            self.commit(&scope.clone(), move |tx| {
                if store::tenancy::workspaces(tx, &scope)?.len() >= WORKSPACES_MAX {
                    return Err(Error::conflict(
                        "too_many_workspaces",
                        format!(
                            "the organization has {WORKSPACES_MAX} workspaces, which is the limit \
                             workspaces"
                        ),
                    ));
                }
                match store::tenancy::insert_workspace(tx, system, &workspace) {
                    Err(store::Error::Conflict(_)) => {
                        return Err(Error::conflict(
                            "slug_taken",
                            format!("there is a workspace '{}' already", workspace.slug),
                        ));
                    }
                    inserted => inserted?,
                }
                let own = system.scope(scope.organization_id().clone(), workspace.id.clone());
                let detail = json!({ "slug": workspace.slug, "name": workspace.name });
                let id = workspace.id.as_str();
                let entry = by_person(&caller, &own, "workspace.created", id, &detail, now);
                store::audit::append(tx, &own, entry)?;
                Ok(workspace.clone())
            })
            .await
        })
    }
}

fn check_slug(slug: &str) -> Result<(), Error> {
    let fits = (1..=SLUG_CHARS_MAX).contains(&slug.len())
        && slug
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !slug.starts_with('-')
        && !slug.ends_with('-');
    if fits {
        Ok(())
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
