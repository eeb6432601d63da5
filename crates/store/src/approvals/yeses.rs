//! Each yes of an approval that needs several people: one row per person.
//!
//! Whether a yes still counts is for `domain` to say. An approval that needs one person has its
//! answer in its own row and costs nothing here.

use crate::db::{Row, params};
use crate::{Error, Reader, Tx};
use domain::ApprovalId;
use domain::access::{Channel, Scope};
use domain::approval::{Answered, Approval, Yes};

/// Records a person's yes, in the place of one that the person gave to something else. False if the
/// person said yes to the very same before.
///
/// # Errors
/// Those of the database.
pub fn add_yes(tx: &mut Tx<'_>, scope: &Scope, id: &ApprovalId, yes: &Yes) -> Result<bool, Error> {
    let answered = &yes.answered;
    let added = tx.execute(
        "insert into approval_yeses
             (approval_id, account_id, organization_id, workspace_id, digest, via, at, reason)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (approval_id, account_id) do update
         set digest = excluded.digest, via = excluded.via, at = excluded.at,
             reason = excluded.reason
         where approval_yeses.digest <> excluded.digest",
        &params![
            id,
            &answered.by,
            scope.organization_id(),
            scope.workspace_id(),
            &yes.digest,
            answered.channel.as_str(),
            answered.at,
            &answered.reason,
        ],
    )?;
    Ok(added == 1)
}

/// Adds to each approval that needs several people every yes it has.
pub(super) fn with_all(
    conn: &mut Reader<'_>,
    scope: &Scope,
    mut approvals: Vec<Approval>,
) -> Result<Vec<Approval>, Error> {
    for approval in approvals.iter_mut().filter(|a| a.ask.needed() > 1) {
        approval.yeses = conn.all(
            "select account_id, via, at, reason, digest
             from approval_yeses
             where approval_id = $1 and workspace_id = $2
             order by at, account_id",
            &params![&approval.id, scope.workspace_id()],
            read,
        )?;
    }
    Ok(approvals)
}

fn read(r: &mut Row<'_>) -> Result<Yes, Error> {
    Ok(Yes {
        answered: Answered {
            by: r.id()?,
            channel: r.named(Channel::parse)?,
            at: r.time()?,
            reason: r.text()?,
        },
        digest: r.text()?,
    })
}
