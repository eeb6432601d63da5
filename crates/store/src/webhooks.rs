//! Webhooks and their outbox. A delivery is written in the transaction that records what it tells of,
//! so neither is ever without the other.
//!
//! What goes together to people is in `webhooks/together.rs`. Who sends is settled by a claim that runs out: a server that dies leaves its deliveries to others.
//! A claim names how often it was tried, so that a late outcome of a lost claim changes nothing.

mod together;

pub use together::{Due, due_of, postpone, release};

use crate::db::{Row, json, params};
use crate::tenancy::held_back;
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::credential::Sealed;
use domain::webhook::{
    Attempt, Delivery, DeliveryState, FAILURES_MAX, Pace, QuietHours, Webhook, WebhookEvent,
    WebhookFormat, WebhookHealth,
};
use domain::{DeliveryId, Timestamp, WebhookId};

/// Tries that may be under way at one address; one only while it fails, and where people are told.
const AT_ONCE_MAX: u32 = 4;

/// The secrets that sign, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The present one.
    pub current: Sealed,
    /// The one before it.
    pub previous: Option<Sealed>,
}

const COLUMNS: &str = "id, url, events, enabled, allow_private, secret_version, overlap_until, \
     created_by, created_at, failures, rests_until, taken_at, last_attempt, format, quiet, pace";

fn read(r: &mut Row<'_>) -> Result<Webhook, Error> {
    Ok(Webhook {
        id: r.id()?,
        url: r.text()?,
        events: r.json()?,
        enabled: r.int()? != 0,
        allow_private: r.int()? != 0,
        secret_version: r.u32()?,
        overlap_until: r.opt_time()?,
        created_by: r.id()?,
        created_at: r.time()?,
        health: WebhookHealth {
            failures: r.u32()?,
            rests_until: r.time()?,
            taken_at: r.opt_time()?,
            last: attempt(r)?,
        },
        format: format(r)?,
        pace: r.json()?,
    })
}

fn format(r: &mut Row<'_>) -> Result<WebhookFormat, Error> {
    let (name, quiet) = (r.text()?, r.opt_text()?);
    let unknown = || Error::Corrupt(format!("a webhook has an unknown format, {name}"));
    let quiet = match quiet {
        None => None,
        Some(hours) => Some(QuietHours::parse(&hours).ok_or_else(unknown)?),
    };
    WebhookFormat::parse(&name, quiet).ok_or_else(unknown)
}

fn attempt(r: &mut Row<'_>) -> Result<Option<Attempt>, Error> {
    r.opt_text()?
        .map(|text| {
            serde_json::from_str(&text)
                .map_err(|e| Error::Corrupt(format!("the last try of a webhook: {e}")))
        })
        .transpose()
}

fn attempt_text(attempt: Option<&Attempt>) -> Result<Option<String>, Error> {
    attempt.map(json).transpose()
}

/// Adds a webhook.
///
/// # Errors
/// Those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    scope: &Scope,
    webhook: &Webhook,
    secret: &Sealed,
) -> Result<(), Error> {
    tx.execute(
        "insert into webhooks
             (id, organization_id, workspace_id, url, events, enabled, allow_private, secret,
              secret_version, created_by, created_at, failures, rests_until, format, quiet)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, $12, $13)",
        &params![
            &webhook.id,
            scope.organization_id(),
            scope.workspace_id(),
            &webhook.url,
            json(&webhook.events)?,
            webhook.enabled,
            webhook.allow_private,
            &secret.0,
            webhook.secret_version,
            &webhook.created_by,
            webhook.created_at,
            webhook.format.as_str(),
            webhook.format.quiet().map(|hours| hours.to_string()),
        ],
    )?;
    Ok(())
}

/// The webhooks of the workspace, the oldest first.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut Reader<'_>, scope: &Scope) -> Result<Vec<Webhook>, Error> {
    conn.all(
        &format!(
            "select {COLUMNS} from webhooks
             where workspace_id = $1
             order by created_at, id"
        ),
        &params![scope.workspace_id()],
        read,
    )
}

/// A webhook of the workspace.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Reader<'_>, scope: &Scope, id: &WebhookId) -> Result<Option<Webhook>, Error> {
    conn.one(
        &format!("select {COLUMNS} from webhooks where id = $1 and workspace_id = $2"),
        &params![id, scope.workspace_id()],
        read,
    )
}

/// A webhook of the workspace, which nobody else changes until the transaction ends.
///
/// # Errors
/// Those of the database.
pub fn locked(tx: &mut Tx<'_>, scope: &Scope, id: &WebhookId) -> Result<Option<Webhook>, Error> {
    tx.one(
        &format!("select {COLUMNS} from webhooks where id = $1 and workspace_id = $2 for update"),
        &params![id, scope.workspace_id()],
        read,
    )
}

/// What signs for a webhook.
///
/// # Errors
/// Those of the database.
pub fn secrets(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &WebhookId,
) -> Result<Option<Secrets>, Error> {
    conn.one(
        "select secret, previous_secret from webhooks where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
        |r| {
            Ok(Secrets {
                current: Sealed(r.text()?),
                previous: r.opt_text()?.map(Sealed),
            })
        },
    )
}

/// Changes what an administrator sets: address, events, whether it is on. Its failures are forgotten.
/// False if there is no such webhook.
///
/// # Errors
/// Those of the database.
pub fn change(tx: &mut Tx<'_>, scope: &Scope, webhook: &Webhook) -> Result<bool, Error> {
    let changed = tx.execute(
        "update webhooks
         set url = $3, events = $4, enabled = $5, allow_private = $6, failures = 0, rests_until = 0,
             format = $7, quiet = $8
         where id = $1 and workspace_id = $2",
        &params![
            &webhook.id,
            scope.workspace_id(),
            &webhook.url,
            json(&webhook.events)?,
            webhook.enabled,
            webhook.allow_private,
            webhook.format.as_str(),
            webhook.format.quiet().map(|hours| hours.to_string()),
        ],
    )?;
    Ok(changed == 1)
}

/// Puts a secret in the place of the one whose version it follows, which goes on signing for a while.
/// False if another rotation was first.
///
/// # Errors
/// Those of the database.
pub fn rotate(
    tx: &mut Tx<'_>,
    scope: &Scope,
    webhook: &Webhook,
    secret: &Sealed,
) -> Result<bool, Error> {
    let rotated = tx.execute(
        "update webhooks
         set previous_secret = secret, secret = $3, secret_version = $4, overlap_until = $5
         where id = $1 and workspace_id = $2 and secret_version = $6",
        &params![
            &webhook.id,
            scope.workspace_id(),
            &secret.0,
            webhook.secret_version,
            webhook.overlap_until,
            webhook.secret_version.saturating_sub(1),
        ],
    )?;
    Ok(rotated == 1)
}

/// Removes a webhook with everything it was and would have been told. False if there is none.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, scope: &Scope, id: &WebhookId) -> Result<bool, Error> {
    tx.execute(
        "delete from webhook_deliveries where webhook_id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
    )?;
    let removed = tx.execute(
        "delete from webhooks where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
    )?;
    Ok(removed == 1)
}

const DELIVERY: &str = "id, webhook_id, event, subject, data, state, state_at, attempts, \
     last_attempt, created_at, give_up_at";

fn read_delivery(r: &mut Row<'_>) -> Result<Delivery, Error> {
    Ok(Delivery {
        id: r.id()?,
        webhook_id: r.id()?,
        event: r.named(WebhookEvent::parse)?,
        subject: r.text()?,
        data: r.text()?,
        state: {
            let name = r.text()?;
            let at = r.time()?;
            DeliveryState::parse(&name, at)
                .ok_or_else(|| Error::Corrupt(format!("a delivery is in no known state, {name}")))?
        },
        attempts: r.u32()?,
        last: attempt(r)?,
        created_at: r.time()?,
        give_up_at: r.time()?,
    })
}

/// Writes down what a webhook is to be told. Whoever tells it at once has claimed it until then.
///
/// # Errors
/// Those of the database.
pub fn enqueue(
    tx: &mut Tx<'_>,
    scope: &Scope,
    delivery: &Delivery,
    claimed_until: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "insert into webhook_deliveries
             (id, organization_id, workspace_id, webhook_id, event, subject, data, state, state_at,
              claimed_until, attempts, created_at, give_up_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        &params![
            &delivery.id,
            scope.organization_id(),
            scope.workspace_id(),
            &delivery.webhook_id,
            delivery.event.as_str(),
            &delivery.subject,
            &delivery.data,
            delivery.state.as_str(),
            delivery.state.at(),
            claimed_until,
            delivery.attempts,
            delivery.created_at,
            delivery.give_up_at,
        ],
    )?;
    Ok(())
}

/// Tells of a question that was given more time in the words and for as long as it has them now, where
/// a webhook was not told of it yet.
///
/// # Errors
/// Those of the database.
pub fn retell(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (event, subject): (WebhookEvent, &str),
    data: &str,
    give_up_at: Timestamp,
) -> Result<u64, Error> {
    tx.execute(
        "update webhook_deliveries
         set data = $4, give_up_at = case when give_up_at < $5 then $5 else give_up_at end
         where workspace_id = $1 and event = $2 and subject = $3 and state = 'pending'",
        &params![
            scope.workspace_id(),
            event.as_str(),
            subject,
            data,
            give_up_at
        ],
    )
}

/// What a webhook was and is to be told, the newest first.
///
/// # Errors
/// Those of the database.
pub fn deliveries(
    conn: &mut Reader<'_>,
    scope: &Scope,
    webhook: &WebhookId,
    before: Option<&(Timestamp, DeliveryId)>,
    limit: u32,
) -> Result<Vec<Delivery>, Error> {
    let mut select = crate::db::Select::new(
        format!(
            "select {DELIVERY} from webhook_deliveries where webhook_id = $1 and workspace_id = $2"
        ),
        params![webhook, scope.workspace_id()],
    );
    if let Some((at, id)) = before {
        select = select.and("(created_at, id) < (?, ?)", params![*at, id]);
    }
    select.all(
        conn,
        "order by created_at desc, id desc",
        limit,
        read_delivery,
    )
}

/// Whether [`claim`] may find something: a look that keeps idle servers from writing.
///
/// # Errors
/// Those of the database.
pub fn claimable(conn: &mut Reader<'_>, _: System, now: Timestamp) -> Result<bool, Error> {
    let found = conn.one(
        &format!(
            "select d.id
             from webhook_deliveries d
             join webhooks w on w.id = d.webhook_id
             where d.state = 'pending' and d.state_at <= $1 and d.claimed_until <= $1
               and w.enabled = 1 and w.rests_until <= $1 and w.holds_until <= $1 and not {}
             limit 1",
            held_back("d")
        ),
        &params![now],
        |r| r.text(),
    )?;
    Ok(found.is_some())
}

/// Hands the delivery that is due longest to a server, until `until`, and counts the try. Webhooks
/// that are off, rest, or are being told enough already are passed over, so none holds up another.
///
/// # Errors
/// Those of the database.
pub fn claim(
    tx: &mut Tx<'_>,
    system: System,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<(Scope, Delivery)>, Error> {
    tx.one(
        &format!(
            "update webhook_deliveries
             set claimed_until = $2, attempts = attempts + 1
             where id = (select d.id from webhook_deliveries d
                         where d.state = 'pending' and d.state_at <= $1 and d.claimed_until <= $1
                           and (select count(*) from webhook_deliveries f
                                where f.webhook_id = d.webhook_id and f.state = 'pending'
                                  and f.claimed_until > $1)
                             < (select case when w.failures >= {FAILURES_MAX} then 1
                                            when w.format = 'slack' then 1
                                            else {AT_ONCE_MAX} end
                                from webhooks w
                                where w.id = d.webhook_id and w.enabled = 1
                                  and w.rests_until <= $1 and w.holds_until <= $1)
                           and not {}
                         order by d.state_at, d.id
                         limit 1
                         for update skip locked)
             returning {DELIVERY}, organization_id, workspace_id",
            held_back("d")
        ),
        &params![now, until],
        |r| {
            let delivery = read_delivery(r)?;
            Ok((system.scope(r.id()?, r.id()?), delivery))
        },
    )
}

/// Writes down what a try came to: where the delivery and its webhook stand, and when people were sent
/// their last messages. Only if nobody else has tried since (`delivery.attempts` is the try's number);
/// false then, and nothing is changed.
///
/// # Errors
/// Those of the database.
pub fn tried(
    tx: &mut Tx<'_>,
    scope: &Scope,
    delivery: &Delivery,
    (health, pace): (&WebhookHealth, &Pace),
) -> Result<bool, Error> {
    let told = tx.execute(
        "update webhook_deliveries
         set state = $4, state_at = $5, last_attempt = $6, claimed_until = 0
         where id = $1 and workspace_id = $2 and attempts = $3 and state = 'pending'",
        &params![
            &delivery.id,
            scope.workspace_id(),
            delivery.attempts,
            delivery.state.as_str(),
            delivery.state.at(),
            attempt_text(delivery.last.as_ref())?,
        ],
    )?;
    if told == 0 {
        return Ok(false);
    }
    tx.execute(
        "update webhooks
         set failures = $3, rests_until = $4, taken_at = $5, last_attempt = $6, pace = $7,
             holds_until = $8
         where id = $1 and workspace_id = $2",
        &params![
            &delivery.webhook_id,
            scope.workspace_id(),
            health.failures,
            health.rests_until,
            health.taken_at,
            attempt_text(health.last.as_ref())?,
            json(pace)?,
            pace.holds_until(),
        ],
    )?;
    Ok(true)
}

/// Gives up everything that a webhook is still to be told; answers how much that is.
///
/// # Errors
/// Those of the database.
pub fn give_up(
    tx: &mut Tx<'_>,
    scope: &Scope,
    webhook: &WebhookId,
    now: Timestamp,
) -> Result<u64, Error> {
    tx.execute(
        "update webhook_deliveries
         set state = 'failed', state_at = $3
         where webhook_id = $1 and workspace_id = $2 and state = 'pending'",
        &params![webhook, scope.workspace_id(), now],
    )
}

/// Gives up what has been tried as long as it may, whether its webhook is on or rests; answers what.
///
/// # Errors
/// Those of the database.
pub fn give_up_due(
    tx: &mut Tx<'_>,
    system: System,
    now: Timestamp,
) -> Result<Vec<(Scope, Delivery)>, Error> {
    tx.all(
        &format!(
            "update webhook_deliveries
             set state = 'failed', state_at = $1
             where state = 'pending' and give_up_at <= $1 and claimed_until <= $1
             returning {DELIVERY}, organization_id, workspace_id"
        ),
        &params![now],
        |r| {
            let delivery = read_delivery(r)?;
            Ok((system.scope(r.id()?, r.id()?), delivery))
        },
    )
}

/// Forgets deliveries that ended before a time; answers how many.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, _: System, before: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "delete from webhook_deliveries where state in ('delivered', 'failed') and state_at < $1",
        &params![before],
    )
}
