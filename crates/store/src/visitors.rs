//! Visitors: whoever came without a name, and the organization that is theirs until somebody claims
//! it or nobody has used it for long.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::System;
use domain::{AccountId, OrganizationId, Timestamp, WorkspaceId};

/// Records that an organization is a visitor's.
///
/// # Errors
/// Those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    _: System,
    organization: &OrganizationId,
    account: &AccountId,
    at: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "insert into visitors (organization_id, account_id, created_at, seen_at)
         values ($1, $2, $3, $3)",
        &params![organization, account, at],
    )?;
    Ok(())
}

/// Whether an organization is a visitor's.
///
/// # Errors
/// Those of the database.
pub fn is_one(
    conn: &mut Reader<'_>,
    _: System,
    organization: &OrganizationId,
) -> Result<bool, Error> {
    let found = conn.one(
        "select account_id from visitors where organization_id = $1",
        &params![organization],
        |r| r.text(),
    )?;
    Ok(found.is_some())
}

/// Whether an account is a visitor's.
///
/// # Errors
/// Those of the database.
pub fn is_account(conn: &mut Reader<'_>, _: System, account: &AccountId) -> Result<bool, Error> {
    let found = conn.one(
        "select organization_id from visitors where account_id = $1",
        &params![account],
        |r| r.text(),
    )?;
    Ok(found.is_some())
}

/// How many visitors there are.
///
/// # Errors
/// Those of the database.
pub fn count(conn: &mut Reader<'_>, _: System) -> Result<u64, Error> {
    let count = conn.one("select count(*) from visitors", &[], |r| r.int())?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// Records that a visitor was here.
///
/// # Errors
/// Those of the database.
pub fn touch(tx: &mut Tx<'_>, _: System, account: &AccountId, at: Timestamp) -> Result<(), Error> {
    tx.execute(
        "update visitors set seen_at = $2 where account_id = $1 and seen_at < $2",
        &params![account, at],
    )?;
    Ok(())
}

/// Makes a visitor's organization one that lasts: which one, or none if the account is no visitor or
/// was claimed before. Of several who claim at once one gets it.
///
/// # Errors
/// Those of the database.
pub fn claim(
    tx: &mut Tx<'_>,
    _: System,
    account: &AccountId,
) -> Result<Option<OrganizationId>, Error> {
    tx.one(
        "delete from visitors where account_id = $1 returning organization_id",
        &params![account],
        |r| r.id(),
    )
}

/// Visitors who were not here since an instant, by session or by key; a few at a time.
///
/// # Errors
/// Those of the database.
pub fn unseen_since(
    conn: &mut Reader<'_>,
    _: System,
    before: Timestamp,
) -> Result<Vec<(OrganizationId, AccountId)>, Error> {
    conn.all(
        "select v.organization_id, v.account_id
         from visitors v
         where v.seen_at <= $1
           and not exists (select 1 from api_keys k
                           where k.account_id = v.account_id and k.last_used_at > $1)
           and not exists (select 1 from grants g
                           where g.account_id = v.account_id and g.last_used_at > $1)
         order by v.seen_at
         limit 50",
        &params![before],
        |r| Ok((r.id()?, r.id()?)),
    )
}

/// Ends a visitor's organization: nobody reaches it any more, and it is removed for good from now on.
/// False if it was claimed meanwhile.
///
/// # Errors
/// Those of the database.
pub fn end(
    tx: &mut Tx<'_>,
    system: System,
    account: &AccountId,
    at: Timestamp,
) -> Result<bool, Error> {
    let Some(organization) = claim(tx, system, account)? else {
        return Ok(false);
    };
    tx.execute(
        "delete from sessions where account_id = $1",
        &params![account],
    )?;
    tx.execute(
        "update api_keys set revoked_at = $2
         where organization_id = $1 and revoked_at is null",
        &params![&organization, at],
    )?;
    tx.execute(
        "update organizations set deleted_at = $2, deleted_by = $3, purge_at = $2
         where id = $1 and deleted_at is null",
        &params![&organization, at, account],
    )?;
    Ok(true)
}

/// Gives a visitor's organization and its workspaces another name.
///
/// # Errors
/// Those of the database.
pub fn rename(
    tx: &mut Tx<'_>,
    _: System,
    organization: &OrganizationId,
    name: &str,
) -> Result<(), Error> {
    tx.execute(
        "update organizations set name = $2 where id = $1",
        &params![organization, name],
    )?;
    tx.execute(
        "update workspaces set name = $2 where organization_id = $1",
        &params![organization, name],
    )?;
    Ok(())
}

/// The workspaces of a visitor's organization.
///
/// # Errors
/// Those of the database.
pub fn workspaces(
    conn: &mut Reader<'_>,
    _: System,
    organization: &OrganizationId,
) -> Result<Vec<WorkspaceId>, Error> {
    conn.all(
        "select id from workspaces where organization_id = $1 order by created_at, id",
        &params![organization],
        |r| r.id(),
    )
}
