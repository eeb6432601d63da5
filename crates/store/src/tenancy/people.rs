//! Who is named by a restricted workspace, and what an organization and a workspace are called.

use super::{MEMBERS, read_member};
use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::Scope;
use domain::tenancy::{Member, Organization, Workspace};
use domain::{AccountId, Timestamp};

/// Changes the names of the scope's organization.
///
/// # Errors
/// [`Error::Conflict`] on a slug that another organization has; those of the database.
pub fn change_organization(
    tx: &mut Tx<'_>,
    scope: &Scope,
    organization: &Organization,
) -> Result<(), Error> {
    tx.execute(
        "update organizations set slug = $2, name = $3 where id = $1",
        &params![
            scope.organization_id(),
            &organization.slug,
            &organization.name
        ],
    )?;
    Ok(())
}

/// Changes the names of the scope's workspace, and whom it lets in.
///
/// # Errors
/// [`Error::Conflict`] on a slug that the organization has already; those of the database.
pub fn change_workspace(
    tx: &mut Tx<'_>,
    scope: &Scope,
    workspace: &Workspace,
) -> Result<(), Error> {
    tx.execute(
        "update workspaces set slug = $3, name = $4, access = $5
         where id = $1 and organization_id = $2",
        &params![
            scope.workspace_id(),
            scope.organization_id(),
            &workspace.slug,
            &workspace.name,
            workspace.access.as_str(),
        ],
    )?;
    Ok(())
}

/// The members of the organization that the scope's workspace names, in the order in which they
/// joined.
///
/// # Errors
/// Those of the database.
pub fn named_members(conn: &mut Reader<'_>, scope: &Scope) -> Result<Vec<Member>, Error> {
    conn.all(
        &format!(
            "{MEMBERS}
               and exists (select 1 from workspace_members wm
                           where wm.workspace_id = $2 and wm.account_id = m.account_id)
             order by m.joined_at, a.created_at, a.id"
        ),
        &params![scope.organization_id(), scope.workspace_id()],
        read_member,
    )
}

/// Whether the scope's workspace names a person.
///
/// # Errors
/// Those of the database.
pub fn is_named(conn: &mut Reader<'_>, scope: &Scope, account: &AccountId) -> Result<bool, Error> {
    conn.one(
        "select 1 from workspace_members where workspace_id = $1 and account_id = $2",
        &params![scope.workspace_id(), account],
        |r| r.int(),
    )
    .map(|found| found.is_some())
}

/// Names a member of the organization in the scope's workspace. False if it does so already, or the
/// person is no member.
///
/// # Errors
/// Those of the database.
pub fn name_member(
    tx: &mut Tx<'_>,
    scope: &Scope,
    account: &AccountId,
    at: Timestamp,
) -> Result<bool, Error> {
    let named = tx.execute(
        "insert into workspace_members (workspace_id, account_id, organization_id, added_at)
         select w.id, m.account_id, m.organization_id, $4
         from members m
         join workspaces w on w.organization_id = m.organization_id
         where m.organization_id = $1 and w.id = $2 and m.account_id = $3
           and not exists (select 1 from workspace_members wm
                           where wm.workspace_id = $2 and wm.account_id = $3)",
        &params![scope.organization_id(), scope.workspace_id(), account, at],
    )?;
    Ok(named == 1)
}

/// Names a person no longer. False if the workspace did not.
///
/// # Errors
/// Those of the database.
pub fn unname_member(tx: &mut Tx<'_>, scope: &Scope, account: &AccountId) -> Result<bool, Error> {
    let gone = tx.execute(
        "delete from workspace_members
         where organization_id = $1 and workspace_id = $2 and account_id = $3",
        &params![scope.organization_id(), scope.workspace_id(), account],
    )?;
    Ok(gone == 1)
}
