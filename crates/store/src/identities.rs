//! Who providers say that people are: an issuer and what it calls the person lead to an account.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::sign_in::Identity;
use domain::{AccountId, Timestamp};
use std::collections::BTreeSet;

/// Whose identity it is; none if nobody signed in with it yet.
///
/// # Errors
/// Those of the database.
pub fn find(
    conn: &mut Reader<'_>,
    _: System,
    issuer: &str,
    subject: &str,
) -> Result<Option<AccountId>, Error> {
    conn.one(
        "select account_id from identities where issuer = $1 and subject = $2",
        &params![issuer, subject],
        |r| r.id(),
    )
}

/// What a provider calls an account; none if it never signed in there.
///
/// # Errors
/// Those of the database.
pub fn subject(
    conn: &mut Reader<'_>,
    _: System,
    issuer: &str,
    account: &AccountId,
) -> Result<Option<String>, Error> {
    conn.one(
        "select subject from identities where issuer = $1 and account_id = $2 order by created_at limit 1",
        &params![issuer, account],
        |r| r.text(),
    )
}

/// Records an identity for an account. False if somebody else has it by now, which stays.
///
/// # Errors
/// Those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    _: System,
    identity: &Identity,
    account: &AccountId,
    at: Timestamp,
) -> Result<bool, Error> {
    let inserted = tx.execute(
        "insert into identities
             (issuer, subject, account_id, email, email_verified, name, created_at, seen_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7)
         on conflict (issuer, subject) do nothing",
        &params![
            &identity.issuer,
            &identity.subject,
            account,
            identity.email.as_deref().unwrap_or_default(),
            identity.email_verified,
            identity.name.as_deref().unwrap_or_default(),
            at,
        ],
    )?;
    Ok(inserted == 1)
}

/// Records what a provider says of a person today.
///
/// # Errors
/// Those of the database.
pub fn update(tx: &mut Tx<'_>, _: System, identity: &Identity, at: Timestamp) -> Result<(), Error> {
    tx.execute(
        "update identities
         set email = $3, email_verified = $4, name = $5, seen_at = $6
         where issuer = $1 and subject = $2",
        &params![
            &identity.issuer,
            &identity.subject,
            identity.email.as_deref().unwrap_or_default(),
            identity.email_verified,
            identity.name.as_deref().unwrap_or_default(),
            at,
        ],
    )?;
    Ok(())
}

/// The mail addresses of the organization's people that providers have verified, in small letters.
///
/// # Errors
/// Those of the database.
pub fn addresses(conn: &mut Reader<'_>, scope: &Scope) -> Result<BTreeSet<String>, Error> {
    let found = conn.all(
        "select distinct lower(identities.email)
         from members
         join identities on identities.account_id = members.account_id
         where members.organization_id = $1
           and identities.email_verified <> 0
           and identities.email <> ''",
        &params![scope.organization_id()],
        |r| r.text(),
    )?;
    Ok(found.into_iter().collect())
}
