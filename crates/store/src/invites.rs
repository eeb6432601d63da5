//! Invites. Only digests of their tokens are kept; what one is worth is `domain::invite`'s to say.

use crate::db::{Row, json, params};
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::invite::Invite;
use domain::tenancy::Role;
use domain::{InviteId, OrganizationId, Timestamp};

const COLUMNS: &str = "id, role, email, note, workspaces, created_by, created_at, expires_at, \
     uses_max, uses, revoked_at";

fn read(r: &mut Row<'_>) -> Result<Invite, Error> {
    Ok(Invite {
        id: r.id()?,
        role: r.named(Role::parse)?,
        email: r.text()?,
        note: r.text()?,
        workspaces: r.json()?,
        created_by: r.id()?,
        created_at: r.time()?,
        expires_at: r.time()?,
        uses_max: r.u32()?,
        uses: r.u32()?,
        revoked_at: r.opt_time()?,
    })
}

/// Records an invite to the scope's organization with the digest of its token.
///
/// # Errors
/// Those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    scope: &Scope,
    invite: &Invite,
    token_sha256: &str,
) -> Result<(), Error> {
    tx.execute(
        "insert into invites
             (id, organization_id, token_sha256, role, email, note, workspaces, created_by,
              created_at, expires_at, uses_max, uses)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &params![
            &invite.id,
            scope.organization_id(),
            token_sha256,
            invite.role.as_str(),
            &invite.email,
            &invite.note,
            json(&invite.workspaces)?,
            &invite.created_by,
            invite.created_at,
            invite.expires_at,
            invite.uses_max,
            invite.uses,
        ],
    )?;
    Ok(())
}

/// The invites of the scope's organization, the newest first, with those that have ended lately.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut Reader<'_>, scope: &Scope) -> Result<Vec<Invite>, Error> {
    conn.all(
        &format!(
            "select {COLUMNS} from invites
             where organization_id = $1
             order by created_at desc, id desc"
        ),
        &params![scope.organization_id()],
        read,
    )
}

/// How many invites of the scope's organization can still let somebody in.
///
/// # Errors
/// Those of the database.
pub fn open(conn: &mut Reader<'_>, scope: &Scope, now: Timestamp) -> Result<usize, Error> {
    let open = conn.one(
        "select count(*) from invites
         where organization_id = $1 and revoked_at is null and uses < uses_max
           and expires_at > $2",
        &params![scope.organization_id(), now],
        |r| r.int(),
    )?;
    Ok(usize::try_from(open.unwrap_or_default()).unwrap_or(usize::MAX))
}

/// An invite of the scope's organization.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Reader<'_>, scope: &Scope, id: &InviteId) -> Result<Option<Invite>, Error> {
    conn.one(
        &format!("select {COLUMNS} from invites where id = $1 and organization_id = $2"),
        &params![id, scope.organization_id()],
        read,
    )
}

/// Ends an invite. False if it was revoked before, or never was.
///
/// # Errors
/// Those of the database.
pub fn revoke(tx: &mut Tx<'_>, scope: &Scope, id: &InviteId, at: Timestamp) -> Result<bool, Error> {
    let revoked = tx.execute(
        "update invites set revoked_at = $3
         where id = $1 and organization_id = $2 and revoked_at is null",
        &params![id, scope.organization_id(), at],
    )?;
    Ok(revoked == 1)
}

/// The invite of a token, with its organization, whatever has become of either.
///
/// # Errors
/// Those of the database.
pub fn find(
    conn: &mut Reader<'_>,
    _: System,
    token_sha256: &str,
) -> Result<Option<(Invite, OrganizationId)>, Error> {
    conn.one(
        &format!("select {COLUMNS}, organization_id from invites where token_sha256 = $1"),
        &params![token_sha256],
        |r| Ok((read(r)?, r.id()?)),
    )
}

/// Uses an invite once. False if it is used up: of two who want the last use, one has it.
///
/// # Errors
/// Those of the database.
pub fn take(tx: &mut Tx<'_>, _: System, id: &InviteId) -> Result<bool, Error> {
    let taken = tx.execute(
        "update invites set uses = uses + 1
         where id = $1 and uses < uses_max and revoked_at is null",
        &params![id],
    )?;
    Ok(taken == 1)
}

/// Whether [`forget_before`] would find something.
///
/// # Errors
/// Those of the database.
pub fn any_before(conn: &mut Reader<'_>, _: System, before: Timestamp) -> Result<bool, Error> {
    conn.one(
        "select id from invites where expires_at < $1 limit 1",
        &params![before],
        |r| r.text(),
    )
    .map(|found| found.is_some())
}

/// Removes what stopped to work before a moment; answers how many.
///
/// # Errors
/// Those of the database.
pub fn forget_before(tx: &mut Tx<'_>, _: System, before: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "delete from invites where expires_at < $1",
        &params![before],
    )
}
