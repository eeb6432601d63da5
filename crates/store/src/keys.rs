//! API keys. Only digests of their secrets are kept; what a key may do is its scopes, within what
//! its person may by the role that `members` holds.

use crate::db::{Row, params};
use crate::{Error, Reader, Tx};
use domain::access::{Scope, Scopes, System};
use domain::key::{ApiKey, KeyLimits};
use domain::tenancy::Role;
use domain::{AccountId, KeyId, OrganizationId, Timestamp, WorkspaceId};

/// Records a key with the digest of its secret.
///
/// # Errors
/// Those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    scope: &Scope,
    key: &ApiKey,
    secret_sha256: &str,
) -> Result<(), Error> {
    tx.execute(
        "insert into api_keys
             (id, organization_id, workspace_id, account_id, name, secret_sha256, created_by,
              created_at, expires_at, scopes, requests_per_minute, tasks_per_day, secret_prefix)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        &params![
            &key.id,
            scope.organization_id(),
            scope.workspace_id(),
            &key.account_id,
            &key.name,
            secret_sha256,
            &key.created_by,
            key.created_at,
            key.expires_at,
            key.scopes.to_string(),
            key.limits.requests_per_minute,
            key.limits.tasks_per_day,
            key.prefix.as_deref(),
        ],
    )?;
    Ok(())
}

const COLUMNS: &str = "id, account_id, name, created_by, created_at, rotated_at, previous_until, \
     expires_at, last_used_at, scopes, requests_per_minute, tasks_per_day, secret_prefix";

fn read(r: &mut Row<'_>) -> Result<ApiKey, Error> {
    Ok(ApiKey {
        id: r.id()?,
        account_id: r.id()?,
        name: r.text()?,
        created_by: r.id()?,
        created_at: r.time()?,
        rotated_at: r.opt_time()?,
        previous_until: r.opt_time()?,
        expires_at: r.opt_time()?,
        last_used_at: r.opt_time()?,
        scopes: Scopes::parse_stored(&r.text()?),
        limits: KeyLimits {
            requests_per_minute: r.opt_int()?.and_then(|n| u64::try_from(n).ok()),
            tasks_per_day: r.opt_int()?.and_then(|n| u64::try_from(n).ok()),
        },
        prefix: r.opt_text()?,
    })
}

/// The keys of the workspace that are not revoked, the oldest first: everybody's, or one person's.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account: Option<&AccountId>,
) -> Result<Vec<ApiKey>, Error> {
    conn.all(
        &format!(
            "select {COLUMNS} from api_keys
             where workspace_id = $1 and revoked_at is null
               and account_id = coalesce($2, account_id)
             order by created_at, id"
        ),
        &params![scope.workspace_id(), account],
        read,
    )
}

/// A key of the workspace that is not revoked.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Reader<'_>, scope: &Scope, id: &KeyId) -> Result<Option<ApiKey>, Error> {
    conn.one(
        &format!(
            "select {COLUMNS} from api_keys
             where id = $1 and workspace_id = $2 and revoked_at is null"
        ),
        &params![id, scope.workspace_id()],
        read,
    )
}

/// Whose key a secret belongs to, and what that person is in the organization today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The key.
    pub key: ApiKey,
    /// The organization of its workspace.
    pub organization_id: OrganizationId,
    /// The workspace it is bound to.
    pub workspace_id: WorkspaceId,
    /// The person's role.
    pub role: Role,
    /// Until when its workspace, or the organization of it, can be taken back, where it was deleted:
    /// until then the key opens nothing.
    pub ending: Option<Timestamp>,
}

/// Finds the key of a secret: none if it is unknown, revoked or expired, or if its person does not
/// reach the workspace any more.
///
/// # Errors
/// Those of the database.
pub fn find(
    conn: &mut Reader<'_>,
    _: System,
    secret_sha256: &str,
    now: Timestamp,
) -> Result<Option<Holder>, Error> {
    conn.one(
        "select k.id, k.account_id, k.name, k.created_by, k.created_at, k.rotated_at,
                k.previous_until, k.expires_at, k.last_used_at, k.scopes, k.requests_per_minute,
                k.tasks_per_day, k.secret_prefix, k.organization_id, k.workspace_id, m.role,
                coalesce(o.purge_at, w.purge_at)
         from api_keys k
         join members m on m.organization_id = k.organization_id and m.account_id = k.account_id
         join organizations o on o.id = k.organization_id
         join workspaces w on w.id = k.workspace_id
         where (w.access = 'open' or m.role in ('owner', 'admin')
                or exists (select 1 from workspace_members wm
                           where wm.workspace_id = w.id and wm.account_id = m.account_id))
           and (k.secret_sha256 = $1 or (k.previous_sha256 = $1 and k.previous_until > $2))
           and k.revoked_at is null
           and (k.expires_at is null or k.expires_at > $2)",
        &params![secret_sha256, now],
        |r| {
            Ok(Holder {
                key: read(r)?,
                organization_id: r.id()?,
                workspace_id: r.id()?,
                role: r.named(Role::parse)?,
                ending: r.opt_time()?,
            })
        },
    )
}

/// Whether a key is revoked. One that is unknown counts as revoked; one that has expired does not:
/// what it began in time may go on.
///
/// # Errors
/// Those of the database.
pub fn is_revoked(conn: &mut Reader<'_>, scope: &Scope, id: &KeyId) -> Result<bool, Error> {
    get(conn, scope, id).map(|found| found.is_none())
}

/// Replaces the secret, given as its digest and what it begins with; the one before works until
/// `previous_until`, and the one before that no more. False if there is no such key.
///
/// # Errors
/// Those of the database.
pub fn rotate(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &KeyId,
    (secret_sha256, prefix): (&str, Option<&str>),
    at: Timestamp,
    previous_until: Timestamp,
) -> Result<bool, Error> {
    let rotated = tx.execute(
        "update api_keys
         set previous_sha256 = secret_sha256, previous_until = $5, secret_sha256 = $3,
             rotated_at = $4, secret_prefix = $6
         where id = $1 and workspace_id = $2 and revoked_at is null",
        &params![
            id,
            scope.workspace_id(),
            secret_sha256,
            at,
            previous_until,
            prefix,
        ],
    )?;
    Ok(rotated == 1)
}

/// Ends a key for good. False if it has ended, or never was.
///
/// # Errors
/// Those of the database.
pub fn revoke(tx: &mut Tx<'_>, scope: &Scope, id: &KeyId, at: Timestamp) -> Result<bool, Error> {
    let revoked = tx.execute(
        "update api_keys set revoked_at = $3
         where id = $1 and workspace_id = $2 and revoked_at is null",
        &params![id, scope.workspace_id(), at],
    )?;
    Ok(revoked == 1)
}

/// Ends every key of a person in the scope's organization; answers how many that were.
///
/// # Errors
/// Those of the database.
pub fn revoke_all(
    tx: &mut Tx<'_>,
    scope: &Scope,
    account: &AccountId,
    at: Timestamp,
) -> Result<u64, Error> {
    tx.execute(
        "update api_keys set revoked_at = $3
         where organization_id = $1 and account_id = $2 and revoked_at is null",
        &params![scope.organization_id(), account, at],
    )
}

/// Records that a key was used, unless that was done since `unless_after`.
///
/// # Errors
/// Those of the database.
pub fn touch(
    tx: &mut Tx<'_>,
    _: System,
    id: &KeyId,
    at: Timestamp,
    unless_after: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "update api_keys set last_used_at = $2
         where id = $1 and (last_used_at is null or last_used_at <= $3)",
        &params![id, at, unless_after],
    )?;
    Ok(())
}
