//! Organizations, workspaces and members. Knows no permission: it keeps roles, `domain` reads them.
//! What a person reaches of them is in `tenancy/reach.rs`.

mod ending;
mod people;
mod reach;

pub(crate) use ending::held_back;
pub use ending::{
    first_workspace, is_ending, lock_organization, organizations_of, restorable_workspaces,
    running_in_ending, set_organization_ending, set_workspace_ending,
};
pub use people::{
    change_organization, change_workspace, is_named, name_member, named_members, unname_member,
};
pub use reach::{
    Reached, Thing, first_reached, named_reached, reached, reached_workspaces, role_in,
    workspace_of,
};

use crate::db::{Row, params};
use crate::{Error, Reader, Tx, meta};
use domain::access::{Scope, System};
use domain::audit::GENESIS;
use domain::tenancy::{Access, Account, Ending, Member, Organization, Role, Workspace};
use domain::{AccountId, OrganizationId, Timestamp, WorkspaceId};

/// What the first start would make.
#[derive(Debug, Clone)]
pub struct NewLocal {
    /// The local organization.
    pub organization: Organization,
    /// Its one workspace.
    pub workspace: Workspace,
    /// Its owner.
    pub account: Account,
}

/// What stands in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// The local organization.
    pub organization: Organization,
    /// Its one workspace.
    pub workspace: Workspace,
    /// Its owner.
    pub account: Account,
}

const LOCAL: &str = "local_workspace";

/// The local workspace with its organization and owner: made by whichever server comes first, and
/// found by all that come later.
///
/// # Errors
/// Those of the database.
pub fn ensure_local(tx: &mut Tx<'_>, system: System, new: &NewLocal) -> Result<Local, Error> {
    let place = format!("{} {}", new.workspace.id, new.account.id);
    if meta::set_first(tx, system, LOCAL, &place)? {
        insert(tx, system, &new.organization, &new.workspace)?;
        insert_account(tx, system, &new.account)?;
        set_role(
            tx,
            system,
            &new.organization.id,
            &new.account.id,
            Role::Owner,
        )?;
    }
    let missing = || Error::Corrupt("the local workspace is recorded but missing".to_owned());
    let place = meta::get(tx, system, LOCAL)?.ok_or_else(missing)?;
    let (workspace_id, account_id) = place.split_once(' ').ok_or_else(missing)?;
    let workspace_id: WorkspaceId = workspace_id.parse().map_err(|_| missing())?;
    let workspace = find(tx, system, &workspace_id)?.ok_or_else(missing)?;
    let organization = organization(tx, system, &workspace.organization_id)?.ok_or_else(missing)?;
    let account_id: AccountId = account_id.parse().map_err(|_| missing())?;
    let account = crate::accounts::get(tx, system, &account_id)?.ok_or_else(missing)?;
    Ok(Local {
        organization,
        workspace,
        account,
    })
}

/// Adds a workspace, and its organization unless that is there already.
///
/// # Errors
/// [`Error::Conflict`] on a slug that another organization has, or this one another workspace with;
/// those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    system: System,
    organization: &Organization,
    workspace: &Workspace,
) -> Result<(), Error> {
    tx.execute(
        "insert into organizations (id, slug, name, created_at)
         values ($1, $2, $3, $4)
         on conflict (id) do nothing",
        &params![
            &organization.id,
            &organization.slug,
            &organization.name,
            organization.created_at
        ],
    )?;
    tx.execute(
        "insert into organization_heads (organization_id, policy_version, audit_sequence, audit_hash)
         values ($1, 0, 0, $2)
         on conflict (organization_id) do nothing",
        &params![&organization.id, GENESIS],
    )?;
    insert_workspace(tx, system, workspace)
}

/// Adds a workspace to an organization.
///
/// # Errors
/// [`Error::Conflict`] on a slug that the organization has already; those of the database.
pub fn insert_workspace(tx: &mut Tx<'_>, _: System, workspace: &Workspace) -> Result<(), Error> {
    tx.execute(
        "insert into workspaces (id, organization_id, slug, name, created_at, access)
         values ($1, $2, $3, $4, $5, $6)",
        &params![
            &workspace.id,
            &workspace.organization_id,
            &workspace.slug,
            &workspace.name,
            workspace.created_at,
            workspace.access.as_str(),
        ],
    )?;
    tx.execute(
        "insert into workspace_heads
             (workspace_id, organization_id, event_sequence, policy_version, catalog_version)
         values ($1, $2, 0, 1, 1)",
        &params![&workspace.id, &workspace.organization_id],
    )?;
    Ok(())
}

/// Adds a person.
///
/// # Errors
/// Those of the database.
pub fn insert_account(tx: &mut Tx<'_>, _: System, account: &Account) -> Result<(), Error> {
    tx.execute(
        "insert into accounts (id, name, created_at) values ($1, $2, $3)",
        &params![&account.id, &account.name, account.created_at],
    )?;
    Ok(())
}

/// Makes a person a member of an organization since their account was made, or changes the role of
/// one. Whoever has the account already joins by [`join`].
///
/// # Errors
/// Those of the database.
pub fn set_role(
    tx: &mut Tx<'_>,
    _: System,
    organization_id: &OrganizationId,
    account_id: &AccountId,
    role: Role,
) -> Result<(), Error> {
    tx.execute(
        "insert into members (organization_id, account_id, role, joined_at)
         values ($1, $2, $3, (select created_at from accounts where id = $2))
         on conflict (organization_id, account_id) do update set role = excluded.role",
        &params![organization_id, account_id, role.as_str()],
    )?;
    Ok(())
}

/// Makes a person a member of an organization from now on. False if the person is one already, whose
/// role stays.
///
/// # Errors
/// Those of the database.
pub fn join(
    tx: &mut Tx<'_>,
    _: System,
    organization_id: &OrganizationId,
    account_id: &AccountId,
    (role, at): (Role, Timestamp),
) -> Result<bool, Error> {
    let joined = tx.execute(
        "insert into members (organization_id, account_id, role, joined_at)
         values ($1, $2, $3, $4)
         on conflict (organization_id, account_id) do nothing",
        &params![organization_id, account_id, role.as_str(), at],
    )?;
    Ok(joined == 1)
}

/// The role of a person in the organization; none if the person is no member.
///
/// # Errors
/// Those of the database.
pub fn role(
    conn: &mut Reader<'_>,
    _: System,
    organization_id: &OrganizationId,
    account_id: &AccountId,
) -> Result<Option<Role>, Error> {
    conn.one(
        "select role from members where organization_id = $1 and account_id = $2",
        &params![organization_id, account_id],
        |r| r.named(Role::parse),
    )
}

const MEMBERS: &str = "select a.id, coalesce(m.name, a.name), a.created_at, m.role, m.joined_at,
            m.active_at
     from members m
     join accounts a on a.id = m.account_id
     where m.organization_id = $1";

fn read_member(r: &mut Row<'_>) -> Result<Member, Error> {
    Ok(Member {
        account: Account {
            id: r.id()?,
            name: r.text()?,
            created_at: r.time()?,
        },
        role: r.named(Role::parse)?,
        joined_at: r.time()?,
        active_at: r.opt_time()?,
    })
}

/// Records that a member was there, unless that was done since `unless_after`.
///
/// # Errors
/// Those of the database.
pub fn touch_member(
    tx: &mut Tx<'_>,
    _: System,
    (organization, account): (&OrganizationId, &AccountId),
    at: Timestamp,
    unless_after: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "update members set active_at = $3
         where organization_id = $1 and account_id = $2
           and (active_at is null or active_at <= $4)",
        &params![organization, account, at, unless_after],
    )?;
    Ok(())
}

/// The members of the scope's organization, the oldest first.
///
/// # Errors
/// Those of the database.
pub fn members(conn: &mut Reader<'_>, scope: &Scope) -> Result<Vec<Member>, Error> {
    conn.all(
        &format!("{MEMBERS} order by m.joined_at, a.created_at, a.id"),
        &params![scope.organization_id()],
        read_member,
    )
}

/// A member of the scope's organization.
///
/// # Errors
/// Those of the database.
pub fn member(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &AccountId,
) -> Result<Option<Member>, Error> {
    conn.one(
        &format!("{MEMBERS} and m.account_id = $2"),
        &params![scope.organization_id(), id],
        read_member,
    )
}

/// How many owners the scope's organization has. They stay as they are until the transaction ends:
/// of two who leave at once, the second sees that the first is gone.
///
/// # Errors
/// Those of the database.
pub fn owners(tx: &mut Tx<'_>, scope: &Scope) -> Result<usize, Error> {
    let owners = tx.all(
        "select account_id from members where organization_id = $1 and role = 'owner' for update",
        &params![scope.organization_id()],
        |r| r.text(),
    )?;
    Ok(owners.len())
}

/// Gives a person another name in the scope's organization, and in no other. False if the person is
/// no member of it.
///
/// # Errors
/// Those of the database.
pub fn rename(tx: &mut Tx<'_>, scope: &Scope, id: &AccountId, name: &str) -> Result<bool, Error> {
    let renamed = tx.execute(
        "update members set name = $3 where organization_id = $1 and account_id = $2",
        &params![scope.organization_id(), id, name],
    )?;
    Ok(renamed == 1)
}

/// Takes a person out of the scope's organization, and tells their browsers nothing of it any more.
/// False if the person is no member.
///
/// # Errors
/// Those of the database.
pub fn remove_member(tx: &mut Tx<'_>, scope: &Scope, id: &AccountId) -> Result<bool, Error> {
    crate::push::remove_of_member(tx, scope, id)?;
    tx.execute(
        "delete from workspace_members where organization_id = $1 and account_id = $2",
        &params![scope.organization_id(), id],
    )?;
    let removed = tx.execute(
        "delete from members where organization_id = $1 and account_id = $2",
        &params![scope.organization_id(), id],
    )?;
    Ok(removed == 1)
}

const ORGANIZATION: &str =
    "o.id, o.slug, o.name, o.created_at, o.deleted_at, o.deleted_by, o.purge_at";

fn read_organization(r: &mut Row<'_>) -> Result<Organization, Error> {
    Ok(Organization {
        id: r.id()?,
        slug: r.text()?,
        name: r.text()?,
        created_at: r.time()?,
        ending: read_ending(r)?,
    })
}

/// An organization by its identifier, before anybody's right to it is known.
///
/// # Errors
/// Those of the database.
pub fn organization(
    conn: &mut Reader<'_>,
    _: System,
    id: &OrganizationId,
) -> Result<Option<Organization>, Error> {
    conn.one(
        &format!("select {ORGANIZATION} from organizations o where o.id = $1"),
        &params![id],
        read_organization,
    )
}

/// An organization by its short name, to see whether that is taken.
///
/// # Errors
/// Those of the database.
pub fn organization_named(
    conn: &mut Reader<'_>,
    _: System,
    slug: &str,
) -> Result<Option<Organization>, Error> {
    conn.one(
        &format!("select {ORGANIZATION} from organizations o where o.slug = $1"),
        &params![slug],
        read_organization,
    )
}

/// The columns of a workspace, of which the statement speaks as `w`.
const WORKSPACE: &str = "w.id, w.organization_id, w.slug, w.name, w.created_at, w.access, \
     w.deleted_at, w.deleted_by, w.purge_at";

fn read_workspace(r: &mut Row<'_>) -> Result<Workspace, Error> {
    Ok(Workspace {
        id: r.id()?,
        organization_id: r.id()?,
        slug: r.text()?,
        name: r.text()?,
        created_at: r.time()?,
        access: r.named(Access::parse)?,
        ending: read_ending(r)?,
    })
}

fn read_ending(r: &mut Row<'_>) -> Result<Option<Ending>, Error> {
    let (deleted_at, deleted_by, purge_at) = (r.opt_time()?, r.opt_id()?, r.opt_time()?);
    Ok(match (deleted_at, deleted_by, purge_at) {
        (Some(deleted_at), Some(deleted_by), Some(purge_at)) => Some(Ending {
            deleted_at,
            deleted_by,
            purge_at,
        }),
        (_, _, _) => None,
    })
}

/// The workspace of a scope.
///
/// # Errors
/// Those of the database.
pub fn workspace(conn: &mut Reader<'_>, scope: &Scope) -> Result<Option<Workspace>, Error> {
    conn.one(
        &format!("select {WORKSPACE} from workspaces w where w.id = $1 and w.organization_id = $2"),
        &params![scope.workspace_id(), scope.organization_id()],
        read_workspace,
    )
}

/// A workspace by its identifier, before anybody's right to it is known.
///
/// # Errors
/// Those of the database.
pub fn find(
    conn: &mut Reader<'_>,
    _: System,
    id: &WorkspaceId,
) -> Result<Option<Workspace>, Error> {
    conn.one(
        &format!("select {WORKSPACE} from workspaces w where w.id = $1"),
        &params![id],
        read_workspace,
    )
}

/// The workspaces of the scope's organization, the oldest first, with those that were deleted and
/// are not gone yet.
///
/// # Errors
/// Those of the database.
pub fn workspaces(conn: &mut Reader<'_>, scope: &Scope) -> Result<Vec<Workspace>, Error> {
    conn.all(
        &format!(
            "select {WORKSPACE} from workspaces w
             where w.organization_id = $1
             order by w.created_at, w.id"
        ),
        &params![scope.organization_id()],
        read_workspace,
    )
}
