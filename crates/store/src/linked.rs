//! What a provider manages here: which organization stands for which of its own, which memberships
//! follow it, and which of its events were applied.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::System;
use domain::{AccountId, OrganizationId, Timestamp};

/// The organization that stands for one of a provider's.
///
/// # Errors
/// Those of the database.
pub fn organization(
    conn: &mut Reader<'_>,
    _: System,
    provider: &str,
    external_id: &str,
) -> Result<Option<OrganizationId>, Error> {
    conn.one(
        "select organization_id from linked_organizations
         where provider = $1 and external_id = $2",
        &params![provider, external_id],
        |r| r.id(),
    )
}

/// What a provider calls the organization that one of ours stands for; none if it stands for none.
///
/// # Errors
/// Those of the database.
pub fn external(
    conn: &mut Reader<'_>,
    _: System,
    provider: &str,
    organization: &OrganizationId,
) -> Result<Option<String>, Error> {
    conn.one(
        "select external_id from linked_organizations
         where provider = $1 and organization_id = $2",
        &params![provider, organization],
        |r| r.text(),
    )
}

/// Every organization of a provider that one of ours stands for.
///
/// # Errors
/// Those of the database.
pub fn organizations(
    conn: &mut Reader<'_>,
    _: System,
    provider: &str,
) -> Result<Vec<(String, OrganizationId)>, Error> {
    conn.all(
        "select external_id, organization_id from linked_organizations
         where provider = $1
         order by external_id",
        &params![provider],
        |r| Ok((r.text()?, r.id()?)),
    )
}

/// Lets an organization stand for one of a provider's. False if either has a counterpart already.
///
/// # Errors
/// Those of the database.
pub fn link(
    tx: &mut Tx<'_>,
    _: System,
    provider: &str,
    external_id: &str,
    organization: &OrganizationId,
) -> Result<bool, Error> {
    let linked = tx.execute(
        "insert into linked_organizations (provider, external_id, organization_id)
         values ($1, $2, $3)
         on conflict do nothing",
        &params![provider, external_id, organization],
    )?;
    Ok(linked == 1)
}

/// Marks a membership as one that follows the provider.
///
/// # Errors
/// Those of the database.
pub fn follow(
    tx: &mut Tx<'_>,
    _: System,
    provider: &str,
    organization: &OrganizationId,
    account: &AccountId,
) -> Result<(), Error> {
    tx.execute(
        "insert into linked_members (provider, organization_id, account_id)
         values ($1, $2, $3)
         on conflict (provider, organization_id, account_id) do nothing",
        &params![provider, organization, account],
    )?;
    Ok(())
}

/// The organizations in which a person's membership follows the provider.
///
/// # Errors
/// Those of the database.
pub fn followed_by(
    conn: &mut Reader<'_>,
    _: System,
    provider: &str,
    account: &AccountId,
) -> Result<Vec<OrganizationId>, Error> {
    conn.all(
        "select organization_id from linked_members
         where provider = $1 and account_id = $2
         order by organization_id",
        &params![provider, account],
        |r| r.id(),
    )
}

/// The members of an organization whose membership follows the provider, with what the provider
/// calls them.
///
/// # Errors
/// Those of the database.
pub fn followers(
    conn: &mut Reader<'_>,
    _: System,
    (provider, issuer): (&str, &str),
    organization: &OrganizationId,
) -> Result<Vec<(AccountId, String)>, Error> {
    conn.all(
        "select l.account_id, i.subject
         from linked_members l
         join identities i on i.account_id = l.account_id and i.issuer = $2
         where l.provider = $1 and l.organization_id = $3
         order by l.account_id",
        &params![provider, issuer, organization],
        |r| Ok((r.id()?, r.text()?)),
    )
}

/// Ends a membership that follows the provider, and the keys of the person there. False if there was
/// none.
///
/// # Errors
/// Those of the database.
pub fn part(
    tx: &mut Tx<'_>,
    _: System,
    provider: &str,
    organization: &OrganizationId,
    account: &AccountId,
    at: Timestamp,
) -> Result<bool, Error> {
    let parted = tx.execute(
        "delete from linked_members
         where provider = $1 and organization_id = $2 and account_id = $3",
        &params![provider, organization, account],
    )?;
    if parted == 0 {
        return Ok(false);
    }
    tx.execute(
        "update api_keys set revoked_at = $3
         where organization_id = $1 and account_id = $2 and revoked_at is null",
        &params![organization, account, at],
    )?;
    tx.execute(
        "update grants set status = 'ended'
         where organization_id = $1 and account_id = $2 and status <> 'ended'",
        &params![organization, account],
    )?;
    tx.execute(
        "delete from members where organization_id = $1 and account_id = $2",
        &params![organization, account],
    )?;
    Ok(true)
}

/// Records that an event of a provider was applied. False if it was before.
///
/// # Errors
/// Those of the database.
pub fn take_event(
    tx: &mut Tx<'_>,
    _: System,
    provider: &str,
    event_id: &str,
    at: Timestamp,
) -> Result<bool, Error> {
    let taken = tx.execute(
        "insert into provider_events (provider, event_id, received_at)
         values ($1, $2, $3)
         on conflict (provider, event_id) do nothing",
        &params![provider, event_id, at],
    )?;
    Ok(taken == 1)
}

/// Whether an event was applied.
///
/// # Errors
/// Those of the database.
pub fn has_event(
    conn: &mut Reader<'_>,
    _: System,
    provider: &str,
    event_id: &str,
) -> Result<bool, Error> {
    let found = conn.one(
        "select event_id from provider_events where provider = $1 and event_id = $2",
        &params![provider, event_id],
        |r| r.text(),
    )?;
    Ok(found.is_some())
}

/// Forgets events that nobody sends again.
///
/// # Errors
/// Those of the database.
pub fn forget_events(tx: &mut Tx<'_>, _: System, before: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "delete from provider_events where received_at <= $1",
        &params![before],
    )
}
