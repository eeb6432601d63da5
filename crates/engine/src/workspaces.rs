//! Workspaces of an organization: made here. Which one a request is about is found in `callers.rs`.

use crate::audit::by_person;
use crate::callers::ReachedWorkspace;
use crate::keys::checked_name;
use crate::{Engine, Error, entropy};
use domain::WorkspaceId;
use domain::access::{Caller, Permission};
use domain::limits::WORKSPACES_MAX;
use domain::tenancy::{Access, Workspace};
use futures_util::future::BoxFuture;
use serde_json::json;

/// Longest short name.
const SLUG_CHARS_MAX: usize = 63;

impl Engine {
    /// Makes a workspace in the caller's organization.
    ///
    /// # Errors
    /// `forbidden`, `invalid_slug`, `invalid_name`, `slug_taken`, `too_many_workspaces`.
    pub fn create_workspace(
        &self,
        caller: &Caller,
        slug: &str,
        name: Option<&str>,
    ) -> BoxFuture<'_, Result<ReachedWorkspace, Error>> {
        let caller = caller.clone();
        let (slug, name) = (slug.to_owned(), name.unwrap_or(slug).to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            self.not_as_visitor(&caller, "make workspaces").await?;
            check_slug(&slug)?;
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let workspace = Workspace {
                id: WorkspaceId::from_bits(entropy::bits()),
                organization_id: caller.organization_id.clone(),
                name: checked_name("the workspace", &name)?,
                slug,
                created_at: now,
                access: Access::Open,
                ending: None,
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
                let organization =
                    store::tenancy::organization(tx, system, scope.organization_id())?;
                Ok(ReachedWorkspace {
                    workspace: workspace.clone(),
                    organization_slug: organization.map(|o| o.slug).unwrap_or_default(),
                })
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
