//! What goes to people together: everything that is due at one address, claimed at once.
//!
//! Each delivery keeps its row, its claim and its tries; a message that several go in is settled for
//! all of them in one transaction, so that none is lost or told apart from the others.

use super::{DELIVERY, read_delivery};
use crate::db::params;
use crate::{Error, Tx};
use domain::access::Scope;
use domain::webhook::Delivery;
use domain::{Timestamp, WebhookId};

/// What goes into one message at most.
const TOGETHER_MAX: u32 = 500;

/// What is due besides a delivery that was claimed.
#[derive(Debug, Clone, Copy)]
pub struct Due<'a> {
    /// The one that was claimed.
    pub first: &'a Delivery,
    /// The present.
    pub now: Timestamp,
}

/// Claims what else is due at the address of a delivery, until a time, and counts the try; the longest
/// due first. Nothing, and nothing is claimed, unless there are so many at least.
///
/// # Errors
/// Those of the database.
pub fn due_of(
    tx: &mut Tx<'_>,
    scope: &Scope,
    due: Due<'_>,
    at_least: usize,
    until: Timestamp,
) -> Result<Vec<Delivery>, Error> {
    let Due { first, now } = due;
    let others = "webhook_id = $1 and workspace_id = $2 and id <> $3 and state = 'pending' \
                  and state_at <= $4 and claimed_until <= $4";
    let counted = tx.one(
        &format!("select count(*) from webhook_deliveries where {others}"),
        &params![&first.webhook_id, scope.workspace_id(), &first.id, now],
        |r| r.u32(),
    )?;
    let counted = usize::try_from(counted.unwrap_or(0)).unwrap_or(usize::MAX);
    if counted == 0 || counted < at_least {
        return Ok(Vec::new());
    }
    let mut claimed = tx.all(
        &format!(
            "update webhook_deliveries
             set claimed_until = $5, attempts = attempts + 1
             where id in (select id from webhook_deliveries
                          where {others}
                          order by state_at, id
                          limit $6
                          for update skip locked)
             returning {DELIVERY}"
        ),
        &params![
            &first.webhook_id,
            scope.workspace_id(),
            &first.id,
            now,
            until,
            TOGETHER_MAX
        ],
        read_delivery,
    )?;
    claimed.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(claimed)
}

/// Puts off, until a time, everything that is due at the address of a delivery that was claimed, and
/// takes the claim and its try back: nothing was told.
///
/// # Errors
/// Those of the database.
pub fn postpone(
    tx: &mut Tx<'_>,
    scope: &Scope,
    due: Due<'_>,
    until: Timestamp,
) -> Result<u64, Error> {
    let Due { first, now } = due;
    tx.execute(
        "update webhook_deliveries
         set state_at = $5, claimed_until = 0,
             attempts = case when id = $3 then attempts - 1 else attempts end
         where webhook_id = $1 and workspace_id = $2 and state = 'pending' and state_at <= $4
           and (id = $3 or claimed_until <= $4)",
        &params![
            &first.webhook_id,
            scope.workspace_id(),
            &first.id,
            now,
            until
        ],
    )
}

/// Makes due at once what was put off and never tried: its hours were changed.
///
/// # Errors
/// Those of the database.
pub fn release(
    tx: &mut Tx<'_>,
    scope: &Scope,
    webhook: &WebhookId,
    now: Timestamp,
) -> Result<u64, Error> {
    tx.execute(
        "update webhook_deliveries
         set state_at = $3
         where webhook_id = $1 and workspace_id = $2 and state = 'pending' and state_at > $3
           and attempts = 0",
        &params![webhook, scope.workspace_id(), now],
    )
}
