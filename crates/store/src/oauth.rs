//! Credentials that are renewed: which are due, who renews one, and what came of it. Who we are to
//! each authorization server, and what is known of connecting to a source.
//!
//! A renewal is claimed before it is tried and settled by whoever holds the claim, against the
//! version that was renewed: a refresh token is never used by two at once, and what a server writes
//! that was too slow is refused.

use crate::credentials::{COLUMNS, connection, read, renew_at};
use crate::db::{json, params};
use crate::tenancy::held_back;
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::credential::{Credential, Sealed};
use domain::oauth::{ClientAuth, ClientOrigin, SourceOAuth};
use domain::{CredentialId, SourceId, Timestamp};

/// Credentials that one look finds to be due.
const DUE_AT_ONCE: u32 = 16;

/// Who renews a credential, and how long that is nobody else's.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// A name of the try: another for each.
    pub owner: &'a str,
    /// Now.
    pub now: Timestamp,
    /// When it may be somebody else's.
    pub until: Timestamp,
}

/// Takes the renewal of a version of a credential. False if it has another version by now, or
/// somebody else renews it.
///
/// # Errors
/// Those of the database.
pub fn claim_renewal(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &CredentialId,
    version: u32,
    claim: Claim<'_>,
) -> Result<bool, Error> {
    let claimed = tx.execute(
        "update credentials
         set claimed_by = $4, claimed_until = $6
         where id = $1 and workspace_id = $2 and version = $3
           and (claimed_until is null or claimed_until <= $5)",
        &params![
            id,
            scope.workspace_id(),
            version,
            claim.owner,
            claim.now,
            claim.until
        ],
    )?;
    Ok(claimed == 1)
}

/// Replaces the value of a credential whose renewal was claimed by `owner`. Its version is the next
/// one. False if that is not how it stands any more: then nothing is changed.
///
/// # Errors
/// Those of the database.
pub fn renewed(
    tx: &mut Tx<'_>,
    scope: &Scope,
    next: &Credential,
    sealed: &Sealed,
    owner: &str,
) -> Result<bool, Error> {
    let set = tx.execute(
        "update credentials
         set version = $3, sealed = $4, rotated_at = $5, connection = $6, renew_at = $7,
             claimed_by = null, claimed_until = null
         where id = $1 and workspace_id = $2 and version = $8 and claimed_by = $9",
        &params![
            &next.id,
            scope.workspace_id(),
            next.version,
            &sealed.0,
            next.rotated_at,
            connection(next)?,
            renew_at(next),
            next.version.saturating_sub(1),
            owner,
        ],
    )?;
    Ok(set == 1)
}

/// Writes down how a credential stands whose renewal was claimed by `owner` and gave nothing new.
/// False as for [`renewed`].
///
/// # Errors
/// Those of the database.
pub fn not_renewed(
    tx: &mut Tx<'_>,
    scope: &Scope,
    credential: &Credential,
    owner: &str,
) -> Result<bool, Error> {
    let set = tx.execute(
        "update credentials
         set connection = $4, renew_at = $5, claimed_by = null, claimed_until = null
         where id = $1 and workspace_id = $2 and version = $3 and claimed_by = $6",
        &params![
            &credential.id,
            scope.workspace_id(),
            credential.version,
            connection(credential)?,
            renew_at(credential),
            owner,
        ],
    )?;
    Ok(set == 1)
}

/// Writes down what is known of a connection beside its value, unless it was renewed meanwhile.
///
/// # Errors
/// Those of the database.
pub fn note(tx: &mut Tx<'_>, scope: &Scope, credential: &Credential) -> Result<bool, Error> {
    let set = tx.execute(
        "update credentials
         set connection = $4, renew_at = $5
         where id = $1 and workspace_id = $2 and version = $3",
        &params![
            &credential.id,
            scope.workspace_id(),
            credential.version,
            connection(credential)?,
            renew_at(credential),
        ],
    )?;
    Ok(set == 1)
}

/// A credential with its ciphertext as it stands now, whoever it serves; for renewing it.
///
/// # Errors
/// Those of the database.
pub fn sealed(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &CredentialId,
) -> Result<Option<(Credential, Sealed)>, Error> {
    conn.one(
        &format!("select {COLUMNS}, sealed from credentials where id = $1 and workspace_id = $2"),
        &params![id, scope.workspace_id()],
        |r| Ok((read(r)?, Sealed(r.text()?))),
    )
}

/// Credentials of any workspace that are to be renewed and that nobody renews.
///
/// # Errors
/// Those of the database.
pub fn due(
    conn: &mut Reader<'_>,
    system: System,
    now: Timestamp,
) -> Result<Vec<(Scope, Credential)>, Error> {
    conn.all(
        &format!(
            "select organization_id, workspace_id, {COLUMNS} from credentials
             where renew_at <= $1 and (claimed_until is null or claimed_until <= $1)
               and not {}
             order by renew_at, id
             limit {DUE_AT_ONCE}",
            held_back("credentials")
        ),
        &params![now],
        |r| Ok((system.scope(r.id()?, r.id()?), read(r)?)),
    )
}

/// What is known of connecting to a source.
///
/// # Errors
/// Those of the database.
pub fn of_source(
    conn: &mut Reader<'_>,
    scope: &Scope,
    source_id: &SourceId,
) -> Result<SourceOAuth, Error> {
    let found = conn.one(
        "select oauth from sources where id = $1 and workspace_id = $2",
        &params![source_id, scope.workspace_id()],
        |r| r.json(),
    )?;
    Ok(found.unwrap_or_default())
}

/// Keeps what is known of connecting to a source.
///
/// # Errors
/// Those of the database.
pub fn set_of_source(
    tx: &mut Tx<'_>,
    scope: &Scope,
    source_id: &SourceId,
    known: &SourceOAuth,
) -> Result<(), Error> {
    tx.execute(
        "update sources set oauth = $3 where id = $1 and workspace_id = $2",
        &params![source_id, scope.workspace_id(), json(known)?],
    )?;
    Ok(())
}

/// Who we are to an authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The authorization server.
    pub issuer: String,
    /// Where it sends browsers back to; empty if that does not matter.
    pub redirect_uri: String,
    /// Who we are.
    pub client_id: String,
    /// How we prove it.
    pub client_auth: ClientAuth,
    /// How we came to be that.
    pub client_origin: ClientOrigin,
    /// The secret, if there is one.
    pub sealed: Option<Sealed>,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when; none if for ever.
    pub expires_at: Option<Timestamp>,
}

/// Who we are to an authorization server: for this redirect address, or for any.
///
/// # Errors
/// Those of the database.
pub fn client(
    conn: &mut Reader<'_>,
    scope: &Scope,
    issuer: &str,
    redirect_uri: &str,
    now: Timestamp,
) -> Result<Option<Client>, Error> {
    conn.one(
        "select issuer, redirect_uri, client_id, client_auth, client_origin, sealed, created_at,
                expires_at
         from oauth_clients
         where workspace_id = $1 and issuer = $2 and redirect_uri in ('', $3)
           and (expires_at is null or expires_at > $4)
         order by redirect_uri
         limit 1",
        &params![scope.workspace_id(), issuer, redirect_uri, now],
        |r| {
            Ok(Client {
                issuer: r.text()?,
                redirect_uri: r.text()?,
                client_id: r.text()?,
                client_auth: r.json()?,
                client_origin: r.json()?,
                sealed: r.opt_text()?.map(Sealed),
                created_at: r.time()?,
                expires_at: r.opt_time()?,
            })
        },
    )
}

/// Keeps who we are to an authorization server, in place of who we were.
///
/// # Errors
/// Those of the database.
pub fn keep_client(tx: &mut Tx<'_>, scope: &Scope, client: &Client) -> Result<(), Error> {
    tx.execute(
        "insert into oauth_clients
             (workspace_id, organization_id, issuer, redirect_uri, client_id, client_auth,
              client_origin, sealed, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (workspace_id, issuer, redirect_uri) do update
         set client_id = excluded.client_id, client_auth = excluded.client_auth,
             client_origin = excluded.client_origin, sealed = excluded.sealed,
             created_at = excluded.created_at, expires_at = excluded.expires_at",
        &params![
            scope.workspace_id(),
            scope.organization_id(),
            &client.issuer,
            &client.redirect_uri,
            &client.client_id,
            json(&client.client_auth)?,
            json(&client.client_origin)?,
            client.sealed.as_ref().map(|s| s.0.as_str()),
            client.created_at,
            client.expires_at,
        ],
    )?;
    Ok(())
}

/// Forgets a client that the authorization server made and does not know any more.
///
/// # Errors
/// Those of the database.
pub fn forget_client(
    tx: &mut Tx<'_>,
    scope: &Scope,
    issuer: &str,
    client_id: &str,
) -> Result<(), Error> {
    tx.execute(
        "delete from oauth_clients
         where workspace_id = $1 and issuer = $2 and client_id = $3 and client_origin = $4",
        &params![
            scope.workspace_id(),
            issuer,
            client_id,
            json(&ClientOrigin::Registered)?
        ],
    )?;
    Ok(())
}
