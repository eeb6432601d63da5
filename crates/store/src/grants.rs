//! What people granted to clients, and the codes and tokens that come of it. Only digests of codes
//! and tokens are kept, and the rows of used ones stay until they would have expired, so that a
//! second use is known for what it is.

use crate::db::{Row, params};
use crate::{Error, Reader, Tx};
use domain::access::{Scope, Scopes, System};
use domain::grant::{Grant, Resource};
use domain::tenancy::Role;
use domain::{AccountId, GrantId, OrganizationId, Timestamp};

/// Where a grant begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With a code that is not redeemed yet.
    Waiting,
    /// At once.
    Active,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It opens a door.
    Access,
    /// It is traded for the next ones, once.
    Refresh,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

/// A token to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// SHA-256 of the token, in hexadecimal.
    pub sha256: String,
    /// What it is.
    pub kind: Kind,
    /// What it may be used for: never more than its grant.
    pub scopes: Scopes,
    /// When it is given out.
    pub created_at: Timestamp,
    /// When it ceases to work.
    pub expires_at: Timestamp,
}

/// A code to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCode {
    /// SHA-256 of the code, in hexadecimal.
    pub sha256: String,
    /// Where it was sent.
    pub redirect_uri: String,
    /// The S256 challenge of whoever may redeem it.
    pub challenge: String,
    /// When it ceases to work.
    pub expires_at: Timestamp,
}

/// What can be used once, when somebody tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken<T> {
    /// It was not used before, and is now.
    First(T),
    /// It was used before: the grant that it belongs to.
    Again(GrantId),
    /// There is no such thing.
    Never,
}

/// A code as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The grant that it begins.
    pub grant_id: GrantId,
    /// Where it was sent.
    pub redirect_uri: String,
    /// The S256 challenge of whoever may redeem it.
    pub challenge: String,
    /// When it ceases to work.
    pub expires_at: Timestamp,
}

/// A refresh token as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// The grant that it renews.
    pub grant_id: GrantId,
    /// When it ceases to work.
    pub expires_at: Timestamp,
}

/// A grant in force, with what its person is today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The grant.
    pub grant: Grant,
    /// The organization of its workspace.
    pub organization_id: OrganizationId,
    /// The person's role.
    pub role: Role,
    /// What the token may be used for.
    pub scopes: Scopes,
    /// Until when its workspace, or the organization of it, can be taken back, where it was deleted:
    /// until then the token opens nothing.
    pub ending: Option<Timestamp>,
    /// When the token ceases to work.
    pub token_expires_at: Timestamp,
}

const COLUMNS: &str = "g.id, g.workspace_id, g.account_id, g.client_id, g.client_name, \
     g.client_host, g.scopes, g.resource, g.created_at, g.last_used_at, g.expires_at";

fn read(r: &mut Row<'_>) -> Result<Grant, Error> {
    Ok(Grant {
        id: r.id()?,
        workspace_id: r.id()?,
        account_id: r.id()?,
        client_id: r.text()?,
        client_name: r.text()?,
        client_host: r.text()?,
        scopes: Scopes::parse_stored(&r.text()?),
        resource: r.named(Resource::parse)?,
        created_at: r.time()?,
        last_used_at: r.opt_time()?,
        expires_at: r.time()?,
    })
}

/// Records a grant.
///
/// # Errors
/// Those of the database.
pub fn insert(tx: &mut Tx<'_>, scope: &Scope, grant: &Grant, begin: Begin) -> Result<(), Error> {
    let status = match begin {
        Begin::Waiting => "waiting",
        Begin::Active => "active",
    };
    tx.execute(
        "insert into grants
             (id, organization_id, workspace_id, account_id, client_id, client_name, client_host,
              scopes, resource, status, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &params![
            &grant.id,
            scope.organization_id(),
            scope.workspace_id(),
            &grant.account_id,
            &grant.client_id,
            &grant.client_name,
            &grant.client_host,
            grant.scopes.to_string(),
            grant.resource.as_str(),
            status,
            grant.created_at,
            grant.expires_at,
        ],
    )?;
    Ok(())
}

/// The grants of the workspace in force, the oldest first: everybody's, or one person's.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account: Option<&AccountId>,
    now: Timestamp,
) -> Result<Vec<Grant>, Error> {
    conn.all(
        &format!(
            "select {COLUMNS} from grants g
             where g.workspace_id = $1 and g.status = 'active' and g.expires_at > $3
               and g.account_id = coalesce($2, g.account_id)
             order by g.created_at, g.id"
        ),
        &params![scope.workspace_id(), account, now],
        read,
    )
}

/// A grant that waits or is in force, with its organization, to whoever holds a code or token of it.
///
/// # Errors
/// Those of the database.
pub fn live(
    conn: &mut Reader<'_>,
    _: System,
    id: &GrantId,
    now: Timestamp,
) -> Result<Option<(OrganizationId, Grant)>, Error> {
    conn.one(
        &format!(
            "select {COLUMNS}, g.organization_id
             from grants g
             join members m
               on m.organization_id = g.organization_id and m.account_id = g.account_id
             where g.id = $1 and g.status in ('waiting', 'active') and g.expires_at > $2"
        ),
        &params![id, now],
        |r| {
            let grant = read(r)?;
            Ok((r.id()?, grant))
        },
    )
}

/// Puts a grant in force whose code was redeemed.
///
/// # Errors
/// Those of the database.
pub fn activate(tx: &mut Tx<'_>, _: System, id: &GrantId) -> Result<(), Error> {
    tx.execute(
        "update grants set status = 'active' where id = $1 and status = 'waiting'",
        &params![id],
    )?;
    Ok(())
}

/// Ends a grant of the workspace, and every token of it. False if it has ended, or never was.
///
/// # Errors
/// Those of the database.
pub fn end(tx: &mut Tx<'_>, scope: &Scope, id: &GrantId) -> Result<bool, Error> {
    let ended = tx.execute(
        "update grants set status = 'ended'
         where id = $1 and workspace_id = $2 and status <> 'ended'",
        &params![id, scope.workspace_id()],
    )?;
    Ok(ended == 1)
}

/// Ends every grant of a person in the scope's organization; answers how many that were.
///
/// # Errors
/// Those of the database.
pub fn end_all(tx: &mut Tx<'_>, scope: &Scope, account: &AccountId) -> Result<u64, Error> {
    tx.execute(
        "update grants set status = 'ended'
         where organization_id = $1 and account_id = $2 and status <> 'ended'",
        &params![scope.organization_id(), account],
    )
}

/// Whether a grant was ended. One that is unknown counts as ended; one that has expired does not:
/// what it began in time may go on.
///
/// # Errors
/// Those of the database.
pub fn is_ended(conn: &mut Reader<'_>, scope: &Scope, id: &GrantId) -> Result<bool, Error> {
    let live = conn.one(
        "select 1 from grants where id = $1 and workspace_id = $2 and status = 'active'",
        &params![id, scope.workspace_id()],
        |r| r.int(),
    )?;
    Ok(live.is_none())
}

/// Records the code that begins a grant.
///
/// # Errors
/// Those of the database.
pub fn insert_code(tx: &mut Tx<'_>, _: System, grant: &Grant, code: &NewCode) -> Result<(), Error> {
    tx.execute(
        "insert into grant_codes
             (code_sha256, workspace_id, grant_id, redirect_uri, challenge, expires_at)
         values ($1, $2, $3, $4, $5, $6)",
        &params![
            &code.sha256,
            &grant.workspace_id,
            &grant.id,
            &code.redirect_uri,
            &code.challenge,
            code.expires_at
        ],
    )?;
    Ok(())
}

/// Uses a code up.
///
/// # Errors
/// Those of the database.
pub fn take_code(
    tx: &mut Tx<'_>,
    _: System,
    sha256: &str,
    now: Timestamp,
) -> Result<Taken<Code>, Error> {
    let first = tx.one(
        "update grant_codes set used_at = $2
         where code_sha256 = $1 and used_at is null
         returning grant_id, redirect_uri, challenge, expires_at",
        &params![sha256, now],
        |r| {
            Ok(Code {
                grant_id: r.id()?,
                redirect_uri: r.text()?,
                challenge: r.text()?,
                expires_at: r.time()?,
            })
        },
    )?;
    if let Some(code) = first {
        return Ok(Taken::First(code));
    }
    let before = tx.one(
        "select grant_id from grant_codes where code_sha256 = $1",
        &params![sha256],
        |r| r.id(),
    )?;
    Ok(before.map_or(Taken::Never, Taken::Again))
}

/// Records a token of a grant.
///
/// # Errors
/// Those of the database.
pub fn insert_token(
    tx: &mut Tx<'_>,
    _: System,
    grant: &Grant,
    token: &NewToken,
) -> Result<(), Error> {
    tx.execute(
        "insert into grant_tokens
             (token_sha256, workspace_id, grant_id, kind, scopes, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        &params![
            &token.sha256,
            &grant.workspace_id,
            &grant.id,
            token.kind.as_str(),
            token.scopes.to_string(),
            token.created_at,
            token.expires_at,
        ],
    )?;
    Ok(())
}

/// Uses a refresh token up: of any number that try at once, one is the first.
///
/// # Errors
/// Those of the database.
pub fn take_refresh(
    tx: &mut Tx<'_>,
    _: System,
    sha256: &str,
    now: Timestamp,
) -> Result<Taken<Refresh>, Error> {
    let first = tx.one(
        "update grant_tokens set used_at = $2
         where token_sha256 = $1 and kind = 'refresh' and used_at is null
         returning grant_id, expires_at",
        &params![sha256, now],
        |r| {
            Ok(Refresh {
                grant_id: r.id()?,
                expires_at: r.time()?,
            })
        },
    )?;
    if let Some(refresh) = first {
        return Ok(Taken::First(refresh));
    }
    let before = tx.one(
        "select grant_id from grant_tokens where token_sha256 = $1 and kind = 'refresh'",
        &params![sha256],
        |r| r.id(),
    )?;
    Ok(before.map_or(Taken::Never, Taken::Again))
}

/// What a token of a kind belongs to: none if it is unknown, used or expired, if its grant is not in
/// force, or if its person does not reach its workspace any more.
///
/// # Errors
/// Those of the database.
pub fn find(
    conn: &mut Reader<'_>,
    _: System,
    sha256: &str,
    kind: Kind,
    now: Timestamp,
) -> Result<Option<Holder>, Error> {
    conn.one(
        &format!(
            "select {COLUMNS}, g.organization_id, m.role, t.scopes, t.expires_at,
                    coalesce(o.purge_at, w.purge_at)
             from grant_tokens t
             join grants g on g.id = t.grant_id
             join members m
               on m.organization_id = g.organization_id and m.account_id = g.account_id
             join organizations o on o.id = g.organization_id
             join workspaces w on w.id = g.workspace_id
             where (w.access = 'open' or m.role in ('owner', 'admin')
                    or exists (select 1 from workspace_members wm
                               where wm.workspace_id = w.id and wm.account_id = m.account_id))
               and t.token_sha256 = $1 and t.kind = $2 and t.used_at is null
               and t.expires_at > $3 and g.status = 'active' and g.expires_at > $3"
        ),
        &params![sha256, kind.as_str(), now],
        |r| {
            let grant = read(r)?;
            Ok(Holder {
                organization_id: r.id()?,
                role: r.named(Role::parse)?,
                scopes: Scopes::parse_stored(&r.text()?).and(grant.scopes),
                token_expires_at: r.time()?,
                ending: r.opt_time()?,
                grant,
            })
        },
    )
}

/// Ends one access token.
///
/// # Errors
/// Those of the database.
pub fn remove_token(tx: &mut Tx<'_>, _: System, sha256: &str) -> Result<(), Error> {
    tx.execute(
        "delete from grant_tokens where token_sha256 = $1 and kind = 'access'",
        &params![sha256],
    )?;
    Ok(())
}

/// Records that a token of a grant was used, unless that was done since `unless_after`.
///
/// # Errors
/// Those of the database.
pub fn touch(
    tx: &mut Tx<'_>,
    _: System,
    id: &GrantId,
    at: Timestamp,
    unless_after: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "update grants set last_used_at = $2
         where id = $1 and (last_used_at is null or last_used_at <= $3)",
        &params![id, at, unless_after],
    )?;
    Ok(())
}

/// Clears away codes and tokens that have expired, and grants of before `ended_before` that are over,
/// with all that is left of them; answers how many rows that were.
///
/// # Errors
/// Those of the database.
pub fn remove_expired(
    tx: &mut Tx<'_>,
    _: System,
    now: Timestamp,
    ended_before: Timestamp,
) -> Result<u64, Error> {
    let mut removed = tx.execute(
        "delete from grant_codes where expires_at <= $1
           and not exists
               (select 1 from grants g
                where g.id = grant_codes.grant_id and g.status = 'active' and g.expires_at > $1)",
        &params![now],
    )?;
    removed += tx.execute(
        "delete from grant_tokens where expires_at <= $1",
        &params![now],
    )?;
    // A code that nobody redeemed in its time leaves a grant behind that never began.
    let over = "select g.id from grants g
                where (g.status = 'waiting' and not exists
                          (select 1 from grant_codes c
                           where c.grant_id = g.id and c.expires_at > $1))
                   or (g.status = 'ended' and g.created_at <= $2)
                   or g.expires_at <= $2";
    for table in ["grant_codes", "grant_tokens"] {
        removed += tx.execute(
            &format!("delete from {table} where grant_id in ({over})"),
            &params![now, ended_before],
        )?;
    }
    removed += tx.execute(
        &format!("delete from grants where id in ({over})"),
        &params![now, ended_before],
    )?;
    Ok(removed)
}
