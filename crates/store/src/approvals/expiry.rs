//! Questions that nobody answered in time.
//!
//! Expiring, answering and giving more time are each a compare-and-swap on the same row.

use super::whole::whole;
use super::{COLUMNS, read};
use crate::db::params;
use crate::{Error, Reader, Tx, points};
use domain::Timestamp;
use domain::access::{Scope, System};
use domain::approval::Approval;

/// Approvals that expire in one transaction: as many as may be written without holding up others.
const EXPIRED_AT_ONCE: u32 = 100;

/// Expires what nobody answered in time, the longest overdue first, so many at once; answers what,
/// and where it belongs. A question that was given more time while this waited for its row is not due
/// any more, which is why the row itself is looked at once more.
///
/// # Errors
/// Those of the database.
pub fn expire_due(
    tx: &mut Tx<'_>,
    system: System,
    now: Timestamp,
) -> Result<Vec<(Scope, Approval)>, Error> {
    points::reached("approval.expired");
    let expired = tx.all(
        &format!(
            "update approvals
             set status = 'expired'
             where id in (select id from approvals
                          where status = 'pending' and expires_at <= $1
                          order by expires_at
                          limit $2)
               and status = 'pending' and expires_at <= $1
             returning {COLUMNS}, organization_id, workspace_id"
        ),
        &params![now, EXPIRED_AT_ONCE],
        |r| {
            let approval = read(r)?;
            Ok((system.scope(r.id()?, r.id()?), approval))
        },
    )?;
    expired
        .into_iter()
        .map(|(scope, approval)| {
            let mut approval = whole(tx, &scope, vec![approval])?;
            let approval = approval.pop().ok_or_else(|| {
                Error::Internal("an approval was lost while it was read".to_owned())
            })?;
            Ok((scope, approval))
        })
        .collect()
}

/// When the next approval expires unless it is answered.
///
/// # Errors
/// Those of the database.
pub fn next_expiry(conn: &mut Reader<'_>, _: System) -> Result<Option<Timestamp>, Error> {
    conn.one(
        "select min(expires_at) from approvals where status = 'pending'",
        &[],
        |r| r.opt_time(),
    )
    .map(Option::flatten)
}
