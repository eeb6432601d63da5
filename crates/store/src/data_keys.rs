//! The data keys of organizations, wrapped, with their versions; and rows that an older one sealed.
//!
//! The highest version seals. Text that another than the first sealed names it at its beginning,
//! `k2.…`, so that rows of an older one are found without opening any.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::credential::{Credential, Sealed};
use domain::{OrganizationId, PushId, Timestamp, WebhookId};

/// Rows of one kind that are sealed anew at once.
const ROWS_AT_ONCE: u32 = 50;

/// A data key of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKey {
    /// The organization.
    pub organization_id: OrganizationId,
    /// From 1.
    pub version: u32,
    /// The key, wrapped by the master key.
    pub wrapped: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The data keys of an organization, the oldest first.
///
/// # Errors
/// Those of the database.
pub fn of(
    conn: &mut Reader<'_>,
    _: System,
    organization_id: &OrganizationId,
) -> Result<Vec<DataKey>, Error> {
    conn.all(
        "select organization_id, version, wrapped, created_at from data_keys
         where organization_id = $1
         order by version",
        &params![organization_id],
        read,
    )
}

/// Every data key.
///
/// # Errors
/// Those of the database.
pub fn all(conn: &mut Reader<'_>, _: System) -> Result<Vec<DataKey>, Error> {
    conn.all(
        "select organization_id, version, wrapped, created_at from data_keys
         order by organization_id, version",
        &[],
        read,
    )
}

fn read(r: &mut crate::db::Row<'_>) -> Result<DataKey, Error> {
    Ok(DataKey {
        organization_id: r.id()?,
        version: r.u32()?,
        wrapped: r.text()?,
        created_at: r.time()?,
    })
}

/// Keeps a data key; false if its version exists.
///
/// # Errors
/// Those of the database.
pub fn insert(tx: &mut Tx<'_>, _: System, key: &DataKey) -> Result<bool, Error> {
    let kept = tx.execute(
        "insert into data_keys (organization_id, version, wrapped, created_at)
         values ($1, $2, $3, $4)
         on conflict (organization_id, version) do nothing",
        &params![
            &key.organization_id,
            key.version,
            &key.wrapped,
            key.created_at
        ],
    )?;
    Ok(kept == 1)
}

/// Replaces how a data key is wrapped.
///
/// # Errors
/// Those of the database.
pub fn rewrap(tx: &mut Tx<'_>, _: System, key: &DataKey) -> Result<(), Error> {
    tx.execute(
        "update data_keys set wrapped = $3 where organization_id = $1 and version = $2",
        &params![&key.organization_id, key.version, &key.wrapped],
    )?;
    Ok(())
}

/// What the master key is known by, held until the commit: whoever changes the master key, or wraps
/// a key with it, waits here for the other.
///
/// # Errors
/// Those of the database.
pub fn lock_check(tx: &mut Tx<'_>, _: System, name: &str) -> Result<Option<String>, Error> {
    tx.one(
        "select value from meta where name = $1 for update",
        &params![name],
        |r| r.text(),
    )
}

/// Something sealed, with what it takes to open it.
#[derive(Debug, Clone)]
pub enum SealedRow {
    /// A credential's value.
    Credential(Scope, Box<Credential>, Sealed),
    /// A webhook's signing secrets, with the version of the present one.
    Webhook(Scope, WebhookId, u32, crate::webhooks::Secrets),
    /// An OAuth client's secret, under its issuer, redirect URI and identifier.
    Client(Scope, [String; 3], Sealed),
    /// The seed that signs the organization's checkpoints.
    AuditKey(Scope, Sealed),
    /// The private half of the pair by which push services know the installation.
    PushKey(Scope, Sealed),
    /// Where a browser is reached, and what seals for it.
    Push(Scope, PushId, Sealed),
}

/// What begins a text that a version sealed. The first version's begin with nothing of the kind.
#[must_use]
pub fn mark(version: u32) -> String {
    format!("k{version}.")
}

/// Rows of an organization that an older version than this sealed, some at once.
///
/// # Errors
/// Those of the database.
pub fn sealed_before(
    conn: &mut Reader<'_>,
    system: System,
    organization_id: &OrganizationId,
    version: u32,
) -> Result<Vec<SealedRow>, Error> {
    let like = format!("{}%", mark(version));
    let known = params![organization_id, &like, ROWS_AT_ONCE];
    let columns = crate::credentials::COLUMNS;
    let mut found = conn.all(
        &format!(
            "select workspace_id, sealed, {columns} from credentials
             where organization_id = $1 and sealed not like $2 and sealed not like 'w.' || $2
             limit $3"
        ),
        &known,
        |r| {
            let scope = system.scope(organization_id.clone(), r.id()?);
            let sealed = Sealed(r.text()?);
            Ok(SealedRow::Credential(
                scope,
                Box::new(crate::credentials::read(r)?),
                sealed,
            ))
        },
    )?;
    found.extend(conn.all(
        "select workspace_id, id, secret_version, secret, previous_secret from webhooks
         where organization_id = $1 and (secret not like $2 or previous_secret not like $2)
         limit $3",
        &known,
        |r| {
            let scope = system.scope(organization_id.clone(), r.id()?);
            let (id, version) = (r.id()?, r.u32()?);
            let secrets = crate::webhooks::Secrets {
                current: Sealed(r.text()?),
                previous: r.opt_text()?.map(Sealed),
            };
            Ok(SealedRow::Webhook(scope, id, version, secrets))
        },
    )?);
    found.extend(conn.all(
        "select workspace_id, issuer, redirect_uri, client_id, sealed from oauth_clients
         where organization_id = $1 and sealed not like $2
         limit $3",
        &known,
        |r| {
            let scope = system.scope(organization_id.clone(), r.id()?);
            let names = [r.text()?, r.text()?, r.text()?];
            Ok(SealedRow::Client(scope, names, Sealed(r.text()?)))
        },
    )?);
    found.extend(conn.all(
        "select (select min(id) from workspaces where organization_id = $1), sealed from audit_keys
         where organization_id = $1 and sealed not like $2
         limit $3",
        &known,
        |r| {
            let scope = system.scope(organization_id.clone(), r.id()?);
            Ok(SealedRow::AuditKey(scope, Sealed(r.text()?)))
        },
    )?);
    found.extend(conn.all(
        "select (select min(id) from workspaces where organization_id = $1), sealed from push_key
         where organization_id = $1 and sealed not like $2
         limit $3",
        &known,
        |r| {
            let scope = system.scope(organization_id.clone(), r.id()?);
            Ok(SealedRow::PushKey(scope, Sealed(r.text()?)))
        },
    )?);
    found.extend(conn.all(
        "select workspace_id, id, sealed from push_subscriptions
         where organization_id = $1 and sealed not like $2
         limit $3",
        &known,
        |r| {
            let scope = system.scope(organization_id.clone(), r.id()?);
            Ok(SealedRow::Push(scope, r.id()?, Sealed(r.text()?)))
        },
    )?);
    Ok(found)
}

/// Replaces what a row has sealed, unless it has changed meanwhile.
///
/// # Errors
/// Those of the database.
pub fn reseal(tx: &mut Tx<'_>, _: System, before: &SealedRow, now: &[Sealed]) -> Result<(), Error> {
    let first = now.first().map(|s| s.0.as_str());
    let (sql, values): (&str, Vec<crate::db::Param<'_>>) = match before {
        SealedRow::Credential(scope, credential, sealed) => (
            "update credentials set sealed = $4 where id = $1 and workspace_id = $2 and sealed = $3",
            params![&credential.id, scope.workspace_id(), &sealed.0, first].to_vec(),
        ),
        SealedRow::Webhook(scope, id, version, secrets) => (
            "update webhooks set secret = $4, previous_secret = $5
             where id = $1 and workspace_id = $2 and secret = $3 and secret_version = $6",
            params![
                id,
                scope.workspace_id(),
                &secrets.current.0,
                first,
                now.get(1).map(|s| s.0.as_str()),
                *version
            ]
            .to_vec(),
        ),
        SealedRow::Client(scope, [issuer, redirect_uri, _], sealed) => (
            "update oauth_clients set sealed = $5
             where workspace_id = $1 and issuer = $2 and redirect_uri = $3 and sealed = $4",
            params![scope.workspace_id(), issuer, redirect_uri, &sealed.0, first].to_vec(),
        ),
        SealedRow::AuditKey(scope, sealed) => (
            "update audit_keys set sealed = $3 where organization_id = $1 and sealed = $2",
            params![scope.organization_id(), &sealed.0, first].to_vec(),
        ),
        SealedRow::PushKey(scope, sealed) => (
            "update push_key set sealed = $3 where organization_id = $1 and sealed = $2",
            params![scope.organization_id(), &sealed.0, first].to_vec(),
        ),
        SealedRow::Push(scope, id, sealed) => (
            "update push_subscriptions set sealed = $4
             where id = $1 and workspace_id = $2 and sealed = $3",
            params![id, scope.workspace_id(), &sealed.0, first].to_vec(),
        ),
    };
    tx.execute(sql, &values)?;
    Ok(())
}
