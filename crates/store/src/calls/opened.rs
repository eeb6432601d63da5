//! Which credential went along with each call. People are told of it; the journal does not hold it,
//! because replay asks for nothing of it.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::Scope;
use domain::credential::CredentialScope;
use domain::task::Lease;
use domain::{CredentialId, TaskId};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The credential that went along with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its identifier.
    pub id: CredentialId,
    /// Whom it serves, and what tells it apart from others of its source; none once it is removed.
    pub named: Option<(CredentialScope, String)>,
}

/// Notes the credential of a call, in the transaction that records its outcome, which checks the lease.
///
/// # Errors
/// Those of the database.
pub fn note_credential(
    tx: &mut Tx<'_>,
    lease: &Lease,
    sequence: u32,
    id: &CredentialId,
) -> Result<(), Error> {
    tx.execute(
        "update calls set credential_id = $3 where task_id = $1 and sequence = $2",
        &params![&lease.task_id, sequence, id],
    )?;
    Ok(())
}

/// The credentials that went along with those calls of a task, by the place of the call.
///
/// # Errors
/// Those of the database.
pub fn credentials_of(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task_id: &TaskId,
    sequences: RangeInclusive<u32>,
) -> Result<BTreeMap<u32, Opened>, Error> {
    let found = conn.all(
        "select calls.sequence, calls.credential_id, credentials.scope, credentials.label
         from calls
         left join credentials on credentials.id = calls.credential_id
                              and credentials.workspace_id = calls.workspace_id
         where calls.task_id = $1 and calls.workspace_id = $2 and calls.sequence between $3 and $4
           and calls.credential_id is not null",
        &params![
            task_id,
            scope.workspace_id(),
            *sequences.start(),
            *sequences.end()
        ],
        |r| {
            let (sequence, id) = (r.u32()?, r.id()?);
            let (whom, label) = (r.opt_text()?, r.opt_text()?);
            let whom = whom.as_deref().and_then(CredentialScope::parse);
            let named = whom.map(|whom| (whom, label.unwrap_or_default()));
            Ok((sequence, Opened { id, named }))
        },
    )?;
    Ok(found.into_iter().collect())
}
