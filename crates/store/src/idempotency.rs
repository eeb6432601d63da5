//! What was answered to a request that named an `Idempotency-Key`, so that it is answered once.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::Timestamp;
use domain::access::{Scope, System};

/// A remembered answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Digest of the request that it answered: the same key with another request is an error.
    pub request_digest: String,
    /// The answer, as JSON text.
    pub response: String,
}

/// Remembers an answer, in the transaction that does the work.
///
/// # Errors
/// [`Error::Conflict`] (`idempotency_pk`) if somebody was first: then the work is undone, and the
/// first answer is found by [`find`]. Those of the database.
pub fn remember(
    tx: &mut Tx<'_>,
    scope: &Scope,
    key: &str,
    request_digest: &str,
    response: &str,
    at: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "insert into idempotency (workspace_id, key, organization_id, request_digest, response, at)
         values ($1, $2, $3, $4, $5, $6)",
        &params![
            scope.workspace_id(),
            key,
            scope.organization_id(),
            request_digest,
            response,
            at
        ],
    )?;
    Ok(())
}

/// What was answered under a key.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Reader<'_>, scope: &Scope, key: &str) -> Result<Option<Remembered>, Error> {
    conn.one(
        "select request_digest, response from idempotency where workspace_id = $1 and key = $2",
        &params![scope.workspace_id(), key],
        |r| {
            Ok(Remembered {
                request_digest: r.text()?,
                response: r.text()?,
            })
        },
    )
}

/// Answers that are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: u32 = 500;

/// Forgets what was answered before an instant, so many at once; answers how many.
///
/// # Errors
/// Those of the database.
pub fn forget_before(tx: &mut Tx<'_>, _: System, at: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "delete from idempotency
         where (workspace_id, key) in (select workspace_id, key from idempotency
                                       where at < $1
                                       order by at
                                       limit $2)",
        &params![at, FORGOTTEN_AT_ONCE],
    )
}
