//! Checkpoints of the chain, the key that signs them, and entries that are kept no longer.

use crate::db::{Row, params};
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::audit::{Checkpoint, CheckpointKind};
use domain::credential::Sealed;
use domain::{OrganizationId, Timestamp, WorkspaceId};

/// Entries that go in one transaction.
const ENTRIES_AT_ONCE: u32 = 500;

/// The key that signs the organization's checkpoints: its public half, and its sealed seed.
///
/// # Errors
/// Those of the database.
pub fn key(conn: &mut Reader<'_>, scope: &Scope) -> Result<Option<(String, Sealed)>, Error> {
    conn.one(
        "select public_key, sealed from audit_keys where organization_id = $1",
        &params![scope.organization_id()],
        |r| Ok((r.text()?, Sealed(r.text()?))),
    )
}

/// Keeps a key, unless another server was first.
///
/// # Errors
/// Those of the database.
pub fn keep_key(
    tx: &mut Tx<'_>,
    scope: &Scope,
    public_key: &str,
    sealed: &Sealed,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "insert into audit_keys (organization_id, public_key, sealed, created_at)
         values ($1, $2, $3, $4)
         on conflict (organization_id) do nothing",
        &params![scope.organization_id(), public_key, &sealed.0, now],
    )?;
    Ok(())
}

/// Keeps a checkpoint; one of the same kind and place stays as it is.
///
/// # Errors
/// Those of the database.
pub fn keep(tx: &mut Tx<'_>, _: &Scope, checkpoint: &Checkpoint) -> Result<(), Error> {
    tx.execute(
        "insert into audit_checkpoints
             (organization_id, kind, sequence, hash, at, public_key, signature)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (organization_id, kind, sequence) do nothing",
        &params![
            &checkpoint.organization_id,
            checkpoint.kind.as_str(),
            checkpoint.sequence,
            &checkpoint.hash,
            checkpoint.at,
            &checkpoint.public_key,
            &checkpoint.signature,
        ],
    )?;
    Ok(())
}

fn read(r: &mut Row<'_>) -> Result<Checkpoint, Error> {
    Ok(Checkpoint {
        organization_id: r.id()?,
        kind: r.named(CheckpointKind::parse)?,
        sequence: r.int()?,
        hash: r.text()?,
        at: r.time()?,
        public_key: r.text()?,
        signature: r.text()?,
    })
}

/// The organization's checkpoints from a place on, in order.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &mut Reader<'_>,
    scope: &Scope,
    from_sequence: i64,
    limit: u32,
) -> Result<Vec<Checkpoint>, Error> {
    conn.all(
        "select organization_id, kind, sequence, hash, at, public_key, signature
         from audit_checkpoints
         where organization_id = $1 and sequence >= $2
         order by sequence, kind
         limit $3",
        &params![scope.organization_id(), from_sequence, limit],
        read,
    )
}

/// The last checkpoint of a kind.
///
/// # Errors
/// Those of the database.
pub fn last(
    conn: &mut Reader<'_>,
    scope: &Scope,
    kind: CheckpointKind,
) -> Result<Option<Checkpoint>, Error> {
    conn.one(
        "select organization_id, kind, sequence, hash, at, public_key, signature
         from audit_checkpoints
         where organization_id = $1 and kind = $2
         order by sequence desc
         limit 1",
        &params![scope.organization_id(), kind.as_str()],
        read,
    )
}

/// Days for which the organization keeps entries; zero for ever.
///
/// # Errors
/// Those of the database.
pub fn kept_days(conn: &mut Reader<'_>, scope: &Scope) -> Result<u32, Error> {
    conn.one(
        "select audit_retention_days from organizations where id = $1",
        &params![scope.organization_id()],
        |r| r.u32(),
    )
    .map(Option::unwrap_or_default)
}

/// Sets for how many days entries are kept.
///
/// # Errors
/// Those of the database.
pub fn keep_for(tx: &mut Tx<'_>, scope: &Scope, days: u32) -> Result<(), Error> {
    tx.execute(
        "update organizations set audit_retention_days = $2 where id = $1",
        &params![scope.organization_id(), days],
    )?;
    Ok(())
}

/// Every organization, by one of its workspaces: the oldest. Where its own entries are written.
///
/// # Errors
/// Those of the database.
pub fn organizations(conn: &mut Reader<'_>, system: System) -> Result<Vec<Scope>, Error> {
    conn.all(
        "select organization_id, id from workspaces
         where not exists (select 1 from workspaces older
                           where older.organization_id = workspaces.organization_id
                             and (older.created_at < workspaces.created_at
                                  or (older.created_at = workspaces.created_at
                                      and older.id < workspaces.id)))
         order by organization_id",
        &[],
        |r| {
            let organization: OrganizationId = r.id()?;
            let workspace: WorkspaceId = r.id()?;
            Ok(system.scope(organization, workspace))
        },
    )
}

/// The last of the first entries that are all older than an instant, so many at once: its place and
/// hash. The newest entry of a chain is never among them.
///
/// # Errors
/// Those of the database.
pub fn outlived(
    conn: &mut Reader<'_>,
    scope: &Scope,
    before: Timestamp,
) -> Result<Option<(i64, String)>, Error> {
    let first = conn.all(
        "select sequence, hash, at
         from audit
         where organization_id = $1
           and sequence < (select audit_sequence from organization_heads
                           where organization_id = $1)
         order by sequence
         limit $2",
        &params![scope.organization_id(), ENTRIES_AT_ONCE],
        |r| Ok((r.int()?, r.text()?, r.time()?)),
    )?;
    Ok(first
        .into_iter()
        .take_while(|(_, _, at)| *at < before)
        .last()
        .map(|(sequence, hash, _)| (sequence, hash)))
}

/// Removes entries up to the place of an anchor, which is kept in their stead, and the checkpoints
/// that go with them. Answers how many went.
///
/// # Errors
/// Those of the database.
pub fn remove_up_to(tx: &mut Tx<'_>, scope: &Scope, anchor: &Checkpoint) -> Result<u64, Error> {
    keep(tx, scope, anchor)?;
    tx.execute(
        "delete from audit_checkpoints
         where organization_id = $1
           and (sequence < $2 or (sequence = $2 and kind <> $3))",
        &params![
            scope.organization_id(),
            anchor.sequence,
            CheckpointKind::Anchor.as_str()
        ],
    )?;
    tx.execute(
        "delete from audit where organization_id = $1 and sequence <= $2",
        &params![scope.organization_id(), anchor.sequence],
    )
}
