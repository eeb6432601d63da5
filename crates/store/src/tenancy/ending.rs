//! Organizations and workspaces that were deleted and can be taken back: marked, found, unmarked. What
//! runs by itself leaves them alone ([`held_back`]); how they go for good is in `purge.rs`.

use super::reach::IN_ORDER;
use super::{ORGANIZATION, WORKSPACE, read_organization, read_workspace};
use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::tenancy::{Ending, Organization, Role, Workspace};
use domain::{AccountId, OrganizationId, TaskId, WorkspaceId};

/// The condition that a row's workspace was deleted, or the organization of it, for a table or alias
/// with a column `workspace_id`.
pub(crate) fn held_back(table: &str) -> String {
    format!(
        "exists (select 1 from workspaces ew
                 join organizations eo on eo.id = ew.organization_id
                 where ew.id = {table}.workspace_id
                   and (ew.deleted_at is not null or eo.deleted_at is not null))"
    )
}

/// Whether the scope's workspace was deleted, or the organization of it.
///
/// # Errors
/// Those of the database.
pub fn is_ending(conn: &mut Reader<'_>, scope: &Scope) -> Result<bool, Error> {
    conn.one(
        "select 1 from workspaces w
         join organizations o on o.id = w.organization_id
         where w.id = $1 and (w.deleted_at is not null or o.deleted_at is not null)",
        &params![scope.workspace_id()],
        |r| r.int(),
    )
    .map(|found| found.is_some())
}

/// The tasks that a server runs in workspaces that were deleted.
///
/// # Errors
/// Those of the database.
pub fn running_in_ending(
    conn: &mut Reader<'_>,
    _: System,
    owner: &str,
) -> Result<Vec<TaskId>, Error> {
    conn.all(
        &format!(
            "select id from tasks where owner = $1 and {}",
            held_back("tasks")
        ),
        &params![owner],
        |r| r.id(),
    )
}

/// Marks an organization as deleted, or with none takes that back. False if it is so already.
///
/// # Errors
/// Those of the database.
pub fn set_organization_ending(
    tx: &mut Tx<'_>,
    scope: &Scope,
    ending: Option<&Ending>,
) -> Result<bool, Error> {
    let changed = tx.execute(
        "update organizations set deleted_at = $2, deleted_by = $3, purge_at = $4
         where id = $1 and (deleted_at is null) = (cast($2 as bigint) is not null)",
        &params![
            scope.organization_id(),
            ending.map(|e| e.deleted_at),
            ending.map(|e| &e.deleted_by),
            ending.map(|e| e.purge_at),
        ],
    )?;
    Ok(changed == 1)
}

/// Marks the scope's workspace as deleted, or with none takes that back. False if it is so already.
///
/// # Errors
/// Those of the database.
pub fn set_workspace_ending(
    tx: &mut Tx<'_>,
    scope: &Scope,
    ending: Option<&Ending>,
) -> Result<bool, Error> {
    let changed = tx.execute(
        "update workspaces set deleted_at = $3, deleted_by = $4, purge_at = $5
         where id = $1 and organization_id = $2 and (deleted_at is null) = (cast($3 as bigint) is not null)",
        &params![
            scope.workspace_id(),
            scope.organization_id(),
            ending.map(|e| e.deleted_at),
            ending.map(|e| &e.deleted_by),
            ending.map(|e| e.purge_at),
        ],
    )?;
    Ok(changed == 1)
}

/// Holds the organization until the transaction ends, so that of two who change what it consists of
/// at once the second sees what the first has done.
///
/// # Errors
/// Those of the database.
pub fn lock_organization(tx: &mut Tx<'_>, scope: &Scope) -> Result<(), Error> {
    tx.one(
        "select id from organizations where id = $1 for update",
        &params![scope.organization_id()],
        |r| r.text(),
    )
    .map(|_| ())
}

/// The organizations of a person with the role in each, in the order in which they joined; with those
/// that were deleted, which only owners are to be shown.
///
/// # Errors
/// Those of the database.
pub fn organizations_of(
    conn: &mut Reader<'_>,
    _: System,
    account: &AccountId,
) -> Result<Vec<(Organization, Role)>, Error> {
    conn.all(
        &format!(
            "select {ORGANIZATION}, m.role
             from members m
             join organizations o on o.id = m.organization_id
             where m.account_id = $1
             order by {IN_ORDER}"
        ),
        &params![account],
        |r| Ok((read_organization(r)?, r.named(Role::parse)?)),
    )
}

/// The workspace of an organization that was made first, preferably one that was not deleted: where
/// it is noted what concerns the organization as a whole.
///
/// # Errors
/// Those of the database.
pub fn first_workspace(
    conn: &mut Reader<'_>,
    _: System,
    organization: &OrganizationId,
) -> Result<Option<WorkspaceId>, Error> {
    conn.one(
        "select id from workspaces where organization_id = $1
         order by case when deleted_at is null then 0 else 1 end, created_at, slug
         limit 1",
        &params![organization],
        |r| r.id(),
    )
}

/// The workspaces that were deleted and that a person may take back, as administrator of an
/// organization that was not deleted itself; each with the organization's short name and the role.
///
/// # Errors
/// Those of the database.
pub fn restorable_workspaces(
    conn: &mut Reader<'_>,
    _: System,
    account: &AccountId,
) -> Result<Vec<(Workspace, String, Role)>, Error> {
    conn.all(
        &format!(
            "select {WORKSPACE}, o.slug, m.role
             from members m
             join organizations o on o.id = m.organization_id
             join workspaces w on w.organization_id = o.id
             where m.account_id = $1 and m.role in ('owner', 'admin')
               and o.deleted_at is null and w.deleted_at is not null
             order by {IN_ORDER}, w.created_at, w.slug"
        ),
        &params![account],
        |r| Ok((read_workspace(r)?, r.text()?, r.named(Role::parse)?)),
    )
}
