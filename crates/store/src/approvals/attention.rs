//! More time for a question, once, and who looks after it.
//!
//! Each is a compare-and-swap on a question that is pending, so that it is never too late by the time
//! it is written.

use crate::db::{Row, params};
use crate::{Error, Tx, points};
use domain::Timestamp;
use domain::access::{Channel, Scope};
use domain::approval::{Approval, Assigned, Extended};

/// Gives a question more time: puts `approval.expires_at` and who says so in place. False, and nothing
/// is changed, unless it is pending, has not expired when it is said, and was not extended before.
///
/// # Errors
/// Those of the database.
pub fn extend(
    tx: &mut Tx<'_>,
    scope: &Scope,
    approval: &Approval,
    extended: &Extended,
) -> Result<bool, Error> {
    points::reached("approval.extended");
    let changed = tx.execute(
        "update approvals
         set expires_at = $3, extended_by = $4, extended_via = $5, extended_at = $6
         where id = $1 and workspace_id = $2 and status = 'pending' and expires_at > $6
           and extended_at is null",
        &params![
            &approval.id,
            scope.workspace_id(),
            approval.expires_at,
            &extended.by,
            extended.channel.as_str(),
            extended.at,
        ],
    )?;
    Ok(changed == 1)
}

/// Says who looks after a question; nobody, given none. False, and nothing is changed, unless it is
/// pending and has not expired at a time.
///
/// # Errors
/// Those of the database.
pub fn assign(
    tx: &mut Tx<'_>,
    scope: &Scope,
    approval: &Approval,
    at: Timestamp,
) -> Result<bool, Error> {
    let assigned = approval.assigned.as_ref();
    let changed = tx.execute(
        "update approvals
         set assigned_to = $3, assigned_by = $4, assigned_at = $5
         where id = $1 and workspace_id = $2 and status = 'pending' and expires_at > $6",
        &params![
            &approval.id,
            scope.workspace_id(),
            assigned.map(|a| &a.to),
            assigned.map(|a| &a.by),
            assigned.map(|a| a.at),
            at,
        ],
    )?;
    Ok(changed == 1)
}

pub(super) fn read_extended(r: &mut Row<'_>) -> Result<Option<Extended>, Error> {
    let (by, via, at) = (r.opt_id()?, r.opt_text()?, r.opt_time()?);
    let channel = via.as_deref().and_then(Channel::parse);
    Ok(match (by, channel, at) {
        (Some(by), Some(channel), Some(at)) => Some(Extended { by, channel, at }),
        (_, _, _) => None,
    })
}

pub(super) fn read_assigned(r: &mut Row<'_>) -> Result<Option<Assigned>, Error> {
    let (to, by, at) = (r.opt_id()?, r.opt_id()?, r.opt_time()?);
    Ok(match (to, by, at) {
        (Some(to), Some(by), Some(at)) => Some(Assigned { to, by, at }),
        (_, _, _) => None,
    })
}
