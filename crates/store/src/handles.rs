//! Names of values too large to be carried. The values are kept as `values` keeps them and read on
//! in parts.

use crate::db::params;
use crate::values::{Part, Reference, keep, part, read as read_part};
use crate::{Error, Reader, Tx};
use domain::access::Scope;
use domain::{AccountId, HandleId, TaskId, Timestamp};

/// Keeps a value.
///
/// # Errors
/// Those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &HandleId,
    task_id: &TaskId,
    content: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let content = keep(tx, task_id, content, now)?;
    tx.execute(
        "insert into handles (id, organization_id, workspace_id, task_id, content)
         values ($1, $2, $3, $4, $5)",
        &params![
            id,
            scope.organization_id(),
            scope.workspace_id(),
            task_id,
            &*content
        ],
    )?;
    Ok(())
}

/// Whose task a handle belongs to.
///
/// # Errors
/// Those of the database.
pub fn owner(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &HandleId,
) -> Result<Option<AccountId>, Error> {
    conn.one(
        "select tasks.account_id
         from handles
         join tasks on tasks.id = handles.task_id
         where handles.id = $1 and handles.workspace_id = $2",
        &params![id, scope.workspace_id()],
        |r| r.id(),
    )
}

/// A part of a value.
///
/// # Errors
/// Those of the database.
pub fn read(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &HandleId,
    offset: u64,
    length: u64,
) -> Result<Option<Part>, Error> {
    let stored = conn.one(
        "select content from handles where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
        |r| r.text(),
    )?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    match Reference::parse(&stored) {
        None => Ok(Some(part(&stored, offset, length))),
        Some(reference) => read_part(conn, scope.workspace_id(), &reference, offset, length),
    }
}
