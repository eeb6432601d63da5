//! Values too large to be carried, kept whole and read on in parts.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::Scope;
use domain::{HandleId, TaskId};

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
) -> Result<(), Error> {
    tx.execute(
        "insert into handles (id, organization_id, workspace_id, task_id, content)
         values ($1, $2, $3, $4, $5)",
        &params![
            id,
            scope.organization_id(),
            scope.workspace_id(),
            task_id,
            content
        ],
    )?;
    Ok(())
}

/// A part of a value, and how long the whole is. Offset, length and total are in characters
/// (Unicode scalar values), so that no part cuts one in two.
///
/// # Errors
/// Those of the database.
pub fn read(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &HandleId,
    offset: u64,
    length: u64,
) -> Result<Option<(String, u64)>, Error> {
    // Both databases count in 32 bits, and nothing kept is that long.
    let within = |n: u64| n.min(1 << 30);
    conn.one(
        "select substr(content, $3, $4), cast(length(content) as bigint)
         from handles
         where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id(), within(offset) + 1, within(length)],
        |r| Ok((r.text()?, r.int()?.unsigned_abs())),
    )
}
