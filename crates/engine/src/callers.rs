//! Which workspace a request is about, and what its person is there.
//!
//! A person may be a member of several organizations and reaches a part of their workspaces; a key
//! reaches the one that it is bound to. What a person does not reach is for them as what does not
//! exist. Roles are read from the database each time.

use crate::{Engine, Error};
use domain::access::{Caller, Channel, Forbidden, Permission, Person};
use domain::tenancy::Workspace;
use domain::{AccountId, ApprovalId, TaskId};
use futures_util::future::BoxFuture;
use store::tenancy::Reached;

/// Characters of a name of a workspace that an error repeats.
const NAME_SHOWN_CHARS: usize = 64;

/// What a link may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A task.
    Task(TaskId),
    /// An approval.
    Approval(ApprovalId),
}

impl Thing {
    fn stored(&self) -> store::tenancy::Thing<'_> {
        match self {
            Self::Task(id) => store::tenancy::Thing::Task(id),
            Self::Approval(id) => store::tenancy::Thing::Approval(id),
        }
    }
}

/// A workspace that somebody reaches.
#[derive(Debug, Clone)]
pub struct ReachedWorkspace {
    /// The workspace.
    pub workspace: Workspace,
    /// The short name of its organization.
    pub organization_slug: String,
}

impl Engine {
    /// A person as a caller: in the workspace that is named, or in the first workspace that they
    /// reach of the first organization that they joined; of several that they joined in one instant,
    /// of the one where their role is highest. None for a person who reaches none at all.
    ///
    /// A name is an identifier, a short name in the person's first organization, or
    /// `organization/workspace`. `client` is what the client calls itself; 128 characters of it
    /// count.
    ///
    /// # Errors
    /// `not_found` for a workspace that does not exist or that the person does not reach;
    /// `unavailable`.
    pub fn caller_for(
        &self,
        account: &AccountId,
        workspace: Option<&str>,
        channel: Channel,
        client: String,
    ) -> BoxFuture<'_, Result<Option<Caller>, Error>> {
        let (account, wanted) = (account.clone(), workspace.map(str::to_owned));
        Box::pin(async move {
            let (system, id) = (self.inner.system, account.clone());
            let reached = self
                .inner
                .store
                .read(move |r| {
                    let first = store::tenancy::first_reached(r, system, &id)?;
                    let (Some(at), Some(name)) = (&first, &wanted) else {
                        return Ok(first);
                    };
                    let current = &at.organization_id;
                    store::tenancy::named_reached(r, system, &id, current, name)?
                        .map(Some)
                        .ok_or_else(|| no_workspace(name))
                })
                .await?;
            let person = Person {
                account_id: account,
                channel,
                client: client.chars().take(128).collect(),
            };
            Ok(reached.map(|at| person.at(&at.organization_id, &at.workspace_id, at.role)))
        })
    }

    /// The workspaces that a caller reaches, in the order in which they joined and these were made:
    /// for a key the one that it is bound to.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn workspaces(
        &self,
        caller: &Caller,
    ) -> BoxFuture<'_, Result<Vec<ReachedWorkspace>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            caller.scope(Permission::Enter)?;
            let system = self.inner.system;
            let bound = caller.is_bound();
            self.inner
                .store
                .read(move |r| {
                    let all = store::tenancy::reached_workspaces(r, system, &caller.account_id)?;
                    Ok(all
                        .into_iter()
                        .filter(|(w, _)| !bound || w.id == caller.workspace_id)
                        .map(|(workspace, organization_slug)| ReachedWorkspace {
                            workspace,
                            organization_slug,
                        })
                        .collect())
                })
                .await
        })
    }

    /// The caller in another workspace: named by its identifier, by its short name in the caller's
    /// organization, or as `organization/workspace`.
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
            let system = self.inner.system;
            let (wanted, current) = (name.clone(), caller.organization_id.clone());
            let account = caller.account_id.clone();
            let found = self
                .inner
                .store
                .read(move |r| {
                    Ok::<_, Error>(store::tenancy::named_reached(
                        r, system, &account, &current, &wanted,
                    )?)
                })
                .await?;
            match found {
                None => Err(no_workspace(&name)),
                Some(found) if found.workspace_id == caller.workspace_id => Ok(caller),
                Some(_) if caller.is_bound() => {
                    Err(Forbidden::OtherWorkspace { workspace: name }.into())
                }
                Some(found) => Ok(within(caller, found)),
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
            let (system, account) = (self.inner.system, caller.account_id.clone());
            let found = self
                .inner
                .store
                .read(move |r| {
                    let thing = thing.stored();
                    Ok::<_, Error>(store::tenancy::workspace_of(r, system, &account, &thing)?)
                })
                .await?;
            Ok(match found {
                Some(found) => within(caller, found),
                None => caller,
            })
        })
    }
}

fn within(caller: Caller, reached: Reached) -> Caller {
    Caller {
        organization_id: reached.organization_id,
        workspace_id: reached.workspace_id,
        role: reached.role,
        ..caller
    }
}

fn no_workspace(name: &str) -> Error {
    let shown: String = name.chars().take(NAME_SHOWN_CHARS).collect();
    Error::not_found("workspace", shown)
}
