//! Which rounds of a conversation with an MCP client are used up, so that each is taken once.
//!
//! Only the name of a used round is kept, and only until the round would have expired: after that
//! its age alone refuses it.

use crate::db::params;
use crate::{Error, Tx};
use domain::Timestamp;
use domain::access::Scope;

/// Uses a round up; false if it was used before. Forgets the workspace's rounds that have expired.
///
/// # Errors
/// Those of the database.
pub fn use_up(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, Error> {
    tx.execute(
        "delete from mcp_rounds where workspace_id = $1 and expires_at <= $2",
        &params![scope.workspace_id(), now],
    )?;
    let used = tx.execute(
        "insert into mcp_rounds (workspace_id, id, organization_id, expires_at)
         values ($1, $2, $3, $4)
         on conflict (workspace_id, id) do nothing",
        &params![
            scope.workspace_id(),
            id,
            scope.organization_id(),
            expires_at
        ],
    )?;
    Ok(used == 1)
}
