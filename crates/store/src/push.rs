//! Browsers that are told of approvals while they are closed, and what each is still to be told. A
//! message is written in the transaction that records what it is about, so neither is ever without
//! the other.
//!
//! Who tells is settled by a claim that runs out, as with webhooks; a claim names how often a message
//! was tried, so that a late outcome of a lost claim changes nothing. Read on in `push/outbox.rs`.

mod outbox;

pub use outbox::{
    Due, claim, claimable, drop_untold, due_of, enqueue, forget, forget_over, over, postpone,
    release, settle, tried, waiting,
};

use crate::db::{Row, json, params};
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::credential::Sealed;
use domain::push::PushSubscription;
use domain::webhook::{Attempt, Pace, QuietHours, WebhookHealth};
use domain::{AccountId, OrganizationId, PushId, SessionId, Timestamp};

/// The one row of the key pair.
const KEY: &str = "vapid";

const COLUMNS: &str = "id, account_id, session_id, service, name, quiet, pace, failures, \
     rests_until, taken_at, last_attempt, created_at";

fn read(r: &mut Row<'_>) -> Result<PushSubscription, Error> {
    Ok(PushSubscription {
        id: r.id()?,
        account_id: r.id()?,
        session_id: r.opt_id()?,
        service: r.text()?,
        name: r.text()?,
        quiet: quiet(r)?,
        pace: r.json()?,
        health: WebhookHealth {
            failures: r.u32()?,
            rests_until: r.time()?,
            taken_at: r.opt_time()?,
            last: attempt(r)?,
        },
        created_at: r.time()?,
    })
}

fn quiet(r: &mut Row<'_>) -> Result<Option<QuietHours>, Error> {
    r.opt_text()?
        .map(|hours| {
            QuietHours::parse(&hours)
                .ok_or_else(|| Error::Corrupt(format!("'{hours}' are no quiet hours of a browser")))
        })
        .transpose()
}

fn attempt(r: &mut Row<'_>) -> Result<Option<Attempt>, Error> {
    r.opt_text()?
        .map(|text| {
            serde_json::from_str(&text)
                .map_err(|e| Error::Corrupt(format!("the last message to a browser: {e}")))
        })
        .transpose()
}

/// The key pair of the installation: its public half, and the other sealed.
///
/// # Errors
/// Those of the database.
pub fn key(conn: &mut Reader<'_>, _: System) -> Result<Option<(String, Sealed)>, Error> {
    conn.one(
        "select public_key, sealed from push_key where id = $1",
        &params![KEY],
        |r| Ok((r.text()?, Sealed(r.text()?))),
    )
}

/// Keeps the key pair of the installation, unless there is one: of several servers that make one at
/// once, one has made it.
///
/// # Errors
/// Those of the database.
pub fn keep_key(
    tx: &mut Tx<'_>,
    _: System,
    organization: &OrganizationId,
    (public_key, sealed): (&str, &Sealed),
    now: Timestamp,
) -> Result<bool, Error> {
    let kept = tx.execute(
        "insert into push_key (id, organization_id, public_key, sealed, created_at)
         values ($1, $2, $3, $4, $5)
         on conflict (id) do nothing",
        &params![KEY, organization, public_key, &sealed.0, now],
    )?;
    Ok(kept == 1)
}

/// Adds a browser, with the digest of the address at which it is reached.
///
/// # Errors
/// Those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    scope: &Scope,
    new: &PushSubscription,
    (endpoint_sha256, sealed): (&str, &Sealed),
) -> Result<(), Error> {
    tx.execute(
        "insert into push_subscriptions
             (id, organization_id, workspace_id, account_id, session_id, endpoint_sha256, sealed,
              service, name, quiet, pace, holds_until, failures, rests_until, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, 0, $12)",
        &params![
            &new.id,
            scope.organization_id(),
            scope.workspace_id(),
            &new.account_id,
            new.session_id.as_ref(),
            endpoint_sha256,
            &sealed.0,
            &new.service,
            &new.name,
            new.quiet.map(|hours| hours.to_string()),
            json(&new.pace)?,
            new.created_at,
        ],
    )?;
    Ok(())
}

/// The browser of a person that is reached at an address, locked until the transaction ends.
///
/// # Errors
/// Those of the database.
pub fn at_endpoint(
    tx: &mut Tx<'_>,
    scope: &Scope,
    account: &AccountId,
    endpoint_sha256: &str,
) -> Result<Option<PushSubscription>, Error> {
    tx.one(
        &format!(
            "select {COLUMNS} from push_subscriptions
             where workspace_id = $1 and account_id = $2 and endpoint_sha256 = $3
             for update"
        ),
        &params![scope.workspace_id(), account, endpoint_sha256],
        read,
    )
}

/// Ends what other people are told at an address, anywhere: whoever has the browser now is not to
/// read what was meant for whoever had it before.
///
/// # Errors
/// Those of the database.
pub fn take_from_others(
    tx: &mut Tx<'_>,
    _: System,
    endpoint_sha256: &str,
    account: &AccountId,
) -> Result<u64, Error> {
    remove_where(
        tx,
        "endpoint_sha256 = $1 and account_id <> $2",
        &params![endpoint_sha256, account],
    )
}

/// The browsers of a person, the oldest first.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account: &AccountId,
) -> Result<Vec<PushSubscription>, Error> {
    conn.all(
        &format!(
            "select {COLUMNS} from push_subscriptions
             where workspace_id = $1 and account_id = $2
             order by created_at, id"
        ),
        &params![scope.workspace_id(), account],
        read,
    )
}

/// Every browser of the workspace with the person whose it is.
///
/// # Errors
/// Those of the database.
pub fn people(
    conn: &mut Reader<'_>,
    scope: &Scope,
) -> Result<Vec<(AccountId, Vec<PushId>)>, Error> {
    let all: Vec<(AccountId, PushId)> = conn.all(
        "select account_id, id from push_subscriptions
         where workspace_id = $1
         order by account_id, created_at, id",
        &params![scope.workspace_id()],
        |r| Ok((r.id()?, r.id()?)),
    )?;
    let of_one = all.chunk_by(|a, b| a.0 == b.0);
    let split = |of: &[(AccountId, PushId)]| {
        let (account, _) = of.first()?;
        Some((
            account.clone(),
            of.iter().map(|(_, id)| id.clone()).collect(),
        ))
    };
    Ok(of_one.filter_map(split).collect())
}

/// A browser of the workspace, whosever it is, with what it is reached by, sealed.
///
/// # Errors
/// Those of the database.
pub fn get(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &PushId,
) -> Result<Option<(PushSubscription, Sealed)>, Error> {
    conn.one(
        &format!(
            "select {COLUMNS}, sealed from push_subscriptions where id = $1 and workspace_id = $2"
        ),
        &params![id, scope.workspace_id()],
        |r| Ok((read(r)?, Sealed(r.text()?))),
    )
}

/// A browser of the workspace, which nobody else changes until the transaction ends.
///
/// # Errors
/// Those of the database.
pub fn locked(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &PushId,
) -> Result<Option<PushSubscription>, Error> {
    tx.one(
        &format!(
            "select {COLUMNS} from push_subscriptions
             where id = $1 and workspace_id = $2 for update"
        ),
        &params![id, scope.workspace_id()],
        read,
    )
}

/// Changes what a person sets: name, hours, the session it belongs to; and what it is reached by,
/// where that is given. Its failures are forgotten.
///
/// # Errors
/// Those of the database.
pub fn change(
    tx: &mut Tx<'_>,
    scope: &Scope,
    changed: &PushSubscription,
    sealed: Option<&Sealed>,
) -> Result<bool, Error> {
    let done = tx.execute(
        "update push_subscriptions
         set name = $3, quiet = $4, session_id = $5, sealed = coalesce($6, sealed), failures = 0,
             rests_until = 0
         where id = $1 and workspace_id = $2",
        &params![
            &changed.id,
            scope.workspace_id(),
            &changed.name,
            changed.quiet.map(|hours| hours.to_string()),
            changed.session_id.as_ref(),
            sealed.map(|s| s.0.as_str()),
        ],
    )?;
    Ok(done == 1)
}

/// How telling a browser has been going, and when it was sent its last messages.
///
/// # Errors
/// Those of the database.
pub fn note_health(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &PushId,
    (health, pace): (&WebhookHealth, &Pace),
) -> Result<(), Error> {
    tx.execute(
        "update push_subscriptions
         set failures = $3, rests_until = $4, taken_at = $5, last_attempt = $6, pace = $7,
             holds_until = $8
         where id = $1 and workspace_id = $2",
        &params![
            id,
            scope.workspace_id(),
            health.failures,
            health.rests_until,
            health.taken_at,
            health.last.as_ref().map(json).transpose()?,
            json(pace)?,
            pace.holds_until(),
        ],
    )?;
    Ok(())
}

/// Removes a browser with what it was still to be told. False if there is none.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, scope: &Scope, id: &PushId) -> Result<bool, Error> {
    let its = "id = $1 and workspace_id = $2";
    let removed = remove_where(tx, its, &params![id, scope.workspace_id()])?;
    Ok(removed == 1)
}

/// Removes the browsers of a person in every workspace of the scope's organization.
///
/// # Errors
/// Those of the database.
pub(crate) fn remove_of_member(
    tx: &mut Tx<'_>,
    scope: &Scope,
    account: &AccountId,
) -> Result<u64, Error> {
    let its = "organization_id = $1 and account_id = $2";
    remove_where(tx, its, &params![scope.organization_id(), account])
}

/// Removes the browsers that a person added in a session, which ends.
///
/// # Errors
/// Those of the database.
pub(crate) fn remove_of_session(
    tx: &mut Tx<'_>,
    account: &AccountId,
    session: &SessionId,
) -> Result<u64, Error> {
    let its = "account_id = $1 and session_id = $2";
    remove_where(tx, its, &params![account, session])
}

/// Removes the browsers that a person added in any session but one.
///
/// # Errors
/// Those of the database.
pub(crate) fn remove_of_other_sessions(
    tx: &mut Tx<'_>,
    account: &AccountId,
    but: &str,
) -> Result<u64, Error> {
    let its = "account_id = $1 and session_id is not null and session_id <> $2";
    remove_where(tx, its, &params![account, but])
}

/// Hands the browsers of a session on to the one that follows it in the same browser.
///
/// # Errors
/// Those of the database.
pub fn follow_session(
    tx: &mut Tx<'_>,
    _: System,
    account: &AccountId,
    (before, after): (&SessionId, &SessionId),
) -> Result<u64, Error> {
    tx.execute(
        "update push_subscriptions set session_id = $3 where account_id = $1 and session_id = $2",
        &params![account, before, after],
    )
}

fn remove_where(tx: &mut Tx<'_>, its: &str, values: &[crate::db::Param<'_>]) -> Result<u64, Error> {
    tx.execute(
        &format!(
            "delete from push_messages
             where push_id in (select id from push_subscriptions where {its})"
        ),
        values,
    )?;
    tx.execute(
        &format!("delete from push_subscriptions where {its}"),
        values,
    )
}
