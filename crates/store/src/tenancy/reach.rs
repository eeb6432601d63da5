//! What a person reaches: the workspaces of the organizations they are a member of, without those
//! that are restricted to others and without what was deleted.
//!
//! There is one condition for it, and every statement here has it: a workspace that somebody does
//! not reach is for them as one that does not exist.

use super::{WORKSPACE, read_workspace};
use crate::db::{Param, Row, params};
use crate::{Error, Reader};
use domain::access::{Scope, System};
use domain::tenancy::{Role, Workspace};
use domain::{AccountId, ApprovalId, OrganizationId, TaskId, WorkspaceId};

/// A workspace that a person reaches, and what the person is in its organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The organization.
    pub organization_id: OrganizationId,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The person's role in the organization.
    pub role: Role,
}

/// The tables in which it stands what a person reaches.
pub(crate) const FROM: &str = "members m
     join organizations o on o.id = m.organization_id
     join workspaces w on w.organization_id = o.id";

/// Whether member `m` reaches workspace `w` of organization `o`.
pub(crate) const REACHES: &str = "o.deleted_at is null and w.deleted_at is null
     and (w.access = 'open' or m.role in ('owner', 'admin')
          or exists (select 1 from workspace_members wm
                     where wm.workspace_id = w.id and wm.account_id = m.account_id))";

/// The order of member `m`'s organizations `o`: as the person joined. What a provider says of several
/// is written in one instant: there the higher role comes first, and then the name decides, so that
/// the order is the same each time.
pub(crate) const IN_ORDER: &str = "m.joined_at,
     case m.role when 'owner' then 0 when 'admin' then 1 when 'billing_admin' then 2 else 3 end,
     o.name, o.id";

fn read(r: &mut Row<'_>) -> Result<Reached, Error> {
    Ok(Reached {
        organization_id: r.id()?,
        workspace_id: r.id()?,
        role: r.named(Role::parse)?,
    })
}

/// The first that fits, in the order of the organizations and as the workspaces were made.
fn first(conn: &mut Reader<'_>, and: &str, params: &[Param<'_>]) -> Result<Option<Reached>, Error> {
    conn.one(
        &format!(
            "select m.organization_id, w.id, m.role
             from {FROM}
             where m.account_id = $1 and {REACHES} {and}
             order by {IN_ORDER}, w.created_at, w.slug
             limit 1"
        ),
        params,
        read,
    )
}

/// Where a person is who says nothing of a workspace: the first of their memberships in which they
/// reach one, and the first workspace there.
///
/// # Errors
/// Those of the database.
pub fn first_reached(
    conn: &mut Reader<'_>,
    _: System,
    account: &AccountId,
) -> Result<Option<Reached>, Error> {
    first(conn, "", &params![account])
}

/// A workspace by its identifier, if the person reaches it, in whichever organization.
///
/// # Errors
/// Those of the database.
pub fn reached(
    conn: &mut Reader<'_>,
    _: System,
    account: &AccountId,
    workspace: &WorkspaceId,
) -> Result<Option<Reached>, Error> {
    first(conn, "and w.id = $2", &params![account, workspace])
}

/// A workspace by name, if the person reaches it: its identifier in whichever organization, its
/// short name in the current one, or `organization/workspace`, each by identifier or short name.
///
/// # Errors
/// Those of the database.
pub fn named_reached(
    conn: &mut Reader<'_>,
    _: System,
    account: &AccountId,
    current: &OrganizationId,
    name: &str,
) -> Result<Option<Reached>, Error> {
    match name.split_once('/') {
        Some((organization, workspace)) => first(
            conn,
            "and (o.id = $2 or o.slug = $2) and (w.id = $3 or w.slug = $3)",
            &params![account, organization, workspace],
        ),
        None => first(
            conn,
            "and (w.id = $3 or (o.id = $2 and w.slug = $3))",
            &params![account, current, name],
        ),
    }
}

/// The workspaces that a person reaches, of one organization or of all, each with the organization's
/// short name.
///
/// # Errors
/// Those of the database.
pub fn reached_workspaces(
    conn: &mut Reader<'_>,
    _: System,
    account: &AccountId,
) -> Result<Vec<(Workspace, String)>, Error> {
    conn.all(
        &format!(
            "select {WORKSPACE}, o.slug
             from {FROM}
             where m.account_id = $1 and {REACHES}
             order by {IN_ORDER}, w.created_at, w.slug"
        ),
        &params![account],
        |r| Ok((read_workspace(r)?, r.text()?)),
    )
}

/// The role of a person in the scope's workspace as it is now; none if the person does not reach it:
/// no member any more, not named where it is restricted, or because it was deleted.
///
/// # Errors
/// Those of the database.
pub fn role_in(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account_id: &AccountId,
) -> Result<Option<Role>, Error> {
    conn.one(
        &format!(
            "select m.role
             from {FROM}
             where m.organization_id = $1 and w.id = $2 and m.account_id = $3 and {REACHES}"
        ),
        &params![scope.organization_id(), scope.workspace_id(), account_id],
        |r| r.named(Role::parse),
    )
}

/// What a link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing<'a> {
    /// A task.
    Task(&'a TaskId),
    /// An approval.
    Approval(&'a ApprovalId),
}

/// The workspace that a thing stands in, if the person reaches it.
///
/// # Errors
/// Those of the database.
pub fn workspace_of(
    conn: &mut Reader<'_>,
    _: System,
    account: &AccountId,
    thing: &Thing<'_>,
) -> Result<Option<Reached>, Error> {
    match thing {
        Thing::Task(id) => first(
            conn,
            "and w.id = (select workspace_id from tasks where id = $2)",
            &params![account, *id],
        ),
        Thing::Approval(id) => first(
            conn,
            "and w.id = (select workspace_id from approvals where id = $2)",
            &params![account, *id],
        ),
    }
}
