//! Clients that registered themselves with the authorization server. Whoever is granted nothing is
//! forgotten again.

use crate::db::{Row, json, params};
use crate::{Error, Reader, Tx};
use domain::Timestamp;
use domain::access::System;
use domain::grant::{Client, ClientKind, ClientProof};

/// Records a client, until a time.
///
/// # Errors
/// Those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    _: System,
    client: &Client,
    expires_at: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "insert into oauth_apps
             (id, name, redirect_uris, proof, secret_sha256, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        &params![
            &client.id,
            &client.name,
            json(&client.redirect_uris)?,
            client.proof.as_str(),
            client.secret_sha256.as_deref(),
            client.created_at,
            expires_at,
        ],
    )?;
    Ok(())
}

fn read(r: &mut Row<'_>) -> Result<Client, Error> {
    Ok(Client {
        id: r.text()?,
        kind: ClientKind::Registered,
        name: r.text()?,
        redirect_uris: r.json()?,
        proof: r.named(ClientProof::parse)?,
        secret_sha256: r.opt_text()?,
        created_at: r.time()?,
    })
}

/// A client that has not been forgotten.
///
/// # Errors
/// Those of the database.
pub fn get(
    conn: &mut Reader<'_>,
    _: System,
    id: &str,
    now: Timestamp,
) -> Result<Option<Client>, Error> {
    conn.one(
        "select id, name, redirect_uris, proof, secret_sha256, created_at
         from oauth_apps
         where id = $1 and expires_at > $2",
        &params![id, now],
        read,
    )
}

/// How many clients there are.
///
/// # Errors
/// Those of the database.
pub fn registered(conn: &mut Reader<'_>, _: System, now: Timestamp) -> Result<u64, Error> {
    let count = conn.one(
        "select count(*) from oauth_apps where expires_at > $1",
        &params![now],
        |r| r.int(),
    )?;
    Ok(count.unwrap_or_default().unsigned_abs())
}

/// Keeps a client until a time, if it would be forgotten before.
///
/// # Errors
/// Those of the database.
pub fn keep(tx: &mut Tx<'_>, _: System, id: &str, until: Timestamp) -> Result<(), Error> {
    tx.execute(
        "update oauth_apps set expires_at = $2 where id = $1 and expires_at < $2",
        &params![id, until],
    )?;
    Ok(())
}

/// Forgets the clients whose time is over; answers how many.
///
/// # Errors
/// Those of the database.
pub fn remove_expired(tx: &mut Tx<'_>, _: System, now: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "delete from oauth_apps where expires_at <= $1",
        &params![now],
    )
}
