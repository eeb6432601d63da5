//! Credentials, each with its ciphertext. This crate never sees what is inside one.

use crate::db::{Row, json, params};
use crate::{Error, Reader, Tx};
use domain::access::Scope;
use domain::credential::{Credential, CredentialScope, Sealed};
use domain::oauth::Connection;
use domain::{AccountId, CredentialId, SourceId, TaskId, Timestamp};

/// Sets a credential, or replaces the value of the one with its identifier.
///
/// # Errors
/// [`Error::Conflict`] (`credentials_one`) if the source has another credential of that scheme for
/// the same people; those of the database.
pub fn upsert(
    tx: &mut Tx<'_>,
    scope: &Scope,
    credential: &Credential,
    sealed: &Sealed,
) -> Result<(), Error> {
    let person = match credential.scope {
        CredentialScope::Personal => credential.account_id.as_str(),
        CredentialScope::Workspace | CredentialScope::Organization => "",
    };
    // The condition keeps an identifier of another workspace from being written over.
    let set = tx.execute(
        "insert into credentials
             (id, organization_id, workspace_id, source_id, scope, account_id, person, scheme,
              version, sealed, created_at, rotated_at, last_used_at, label, connection, renew_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         on conflict (id) do update
         set scheme = excluded.scheme, version = excluded.version, sealed = excluded.sealed,
             rotated_at = excluded.rotated_at, connection = excluded.connection,
             renew_at = excluded.renew_at, claimed_by = null, claimed_until = null
         where credentials.workspace_id = excluded.workspace_id
           and credentials.source_id = excluded.source_id",
        &params![
            &credential.id,
            scope.organization_id(),
            scope.workspace_id(),
            &credential.source_id,
            credential.scope.as_str(),
            &credential.account_id,
            person,
            json(&credential.scheme)?,
            credential.version,
            &sealed.0,
            credential.created_at,
            credential.rotated_at,
            credential.last_used_at,
            &credential.label,
            connection(credential)?,
            renew_at(credential),
        ],
    )?;
    if set == 1 {
        Ok(())
    } else {
        Err(Error::Conflict("credentials_pk".to_owned()))
    }
}

pub(crate) fn connection(credential: &Credential) -> Result<Option<String>, Error> {
    credential.connection.as_ref().map(json).transpose()
}

/// Kept beside the connection it follows from, so that what is due can be found.
pub(crate) fn renew_at(credential: &Credential) -> Option<Timestamp> {
    credential
        .connection
        .as_ref()
        .and_then(Connection::renew_at)
}

pub(crate) const COLUMNS: &str = "id, source_id, scope, account_id, label, scheme, version, \
     created_at, rotated_at, last_used_at, last_used_by, connection";

pub(crate) fn read(r: &mut Row<'_>) -> Result<Credential, Error> {
    Ok(Credential {
        id: r.id()?,
        source_id: r.id()?,
        scope: r.named(CredentialScope::parse)?,
        account_id: r.id()?,
        label: r.text()?,
        scheme: r.json()?,
        version: r.u32()?,
        created_at: r.time()?,
        rotated_at: r.time()?,
        last_used_at: r.opt_time()?,
        last_used_by: r.opt_id()?,
        connection: r.opt_json()?,
    })
}

/// The credentials of the workspace that a person may know of: the shared ones and the person's
/// own, without their values.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account: &AccountId,
) -> Result<Vec<Credential>, Error> {
    conn.all(
        &format!(
            "select {COLUMNS} from credentials
             where workspace_id = $1 and person in ('', $2)
             order by created_at, id"
        ),
        &params![scope.workspace_id(), account],
        read,
    )
}

/// The credentials that may open a source for a person, in the order in which the source looks; of
/// several accounts the one that was chosen last comes first.
///
/// # Errors
/// Those of the database.
pub fn for_source(
    conn: &mut Reader<'_>,
    scope: &Scope,
    source_id: &SourceId,
    account: &AccountId,
) -> Result<Vec<(Credential, Sealed)>, Error> {
    let found = conn.all(
        &format!(
            "select {COLUMNS}, sealed from credentials
             where source_id = $1 and workspace_id = $2 and person in ('', $3)
             order by preferred_at desc, created_at, id"
        ),
        &params![source_id, scope.workspace_id(), account],
        |r| Ok((read(r)?, Sealed(r.text()?))),
    )?;
    if found.is_empty() {
        return Ok(found);
    }
    let order = order(conn, scope, source_id)?.unwrap_or_default();
    let place = |c: &Credential| order.iter().position(|scope| *scope == c.scope);
    let mut found: Vec<_> = found
        .into_iter()
        .filter(|(c, _)| place(c).is_some())
        .collect();
    found.sort_by_key(|(c, _)| place(c));
    Ok(found)
}

/// The order in which a source looks for a credential; scopes that are not in it are not looked in.
///
/// # Errors
/// Those of the database.
pub fn order(
    conn: &mut Reader<'_>,
    scope: &Scope,
    source_id: &SourceId,
) -> Result<Option<Vec<CredentialScope>>, Error> {
    conn.one(
        "select credential_order from sources where id = $1 and workspace_id = $2",
        &params![source_id, scope.workspace_id()],
        |r| r.text(),
    )
    .map(|text| text.map(|t| t.split(',').filter_map(CredentialScope::parse).collect()))
}

/// Says in which order a source looks. False if there is no such source.
///
/// # Errors
/// Those of the database.
pub fn set_order(
    tx: &mut Tx<'_>,
    scope: &Scope,
    source_id: &SourceId,
    order: &[CredentialScope],
) -> Result<bool, Error> {
    let names: Vec<&str> = order.iter().map(|scope| scope.as_str()).collect();
    let set = tx.execute(
        "update sources set credential_order = $3 where id = $1 and workspace_id = $2",
        &params![source_id, scope.workspace_id(), names.join(",")],
    )?;
    Ok(set == 1)
}

/// A credential of the workspace, without its value.
///
/// # Errors
/// Those of the database.
pub fn get(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &CredentialId,
) -> Result<Option<Credential>, Error> {
    conn.one(
        &format!("select {COLUMNS} from credentials where id = $1 and workspace_id = $2"),
        &params![id, scope.workspace_id()],
        read,
    )
}

/// Removes a credential. False if there is no such credential.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, scope: &Scope, id: &CredentialId) -> Result<bool, Error> {
    let removed = tx.execute(
        "delete from credentials where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
    )?;
    Ok(removed == 1)
}

/// What a credential keeps an instant of besides its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark<'a> {
    /// A call has used it, of this task if it was one of a task.
    Used(Option<&'a TaskId>),
    /// It stands before the others of its source and scope.
    Preferred,
}

/// Notes an instant with a credential.
///
/// # Errors
/// Those of the database.
pub fn mark(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &CredentialId,
    mark: Mark<'_>,
    at: Timestamp,
) -> Result<(), Error> {
    match mark {
        Mark::Used(task) => tx.execute(
            "update credentials
             set last_used_at = $3, last_used_by = coalesce($4, last_used_by)
             where id = $1 and workspace_id = $2",
            &params![id, scope.workspace_id(), at, task],
        )?,
        Mark::Preferred => tx.execute(
            "update credentials set preferred_at = $3 where id = $1 and workspace_id = $2",
            &params![id, scope.workspace_id(), at],
        )?,
    };
    Ok(())
}
