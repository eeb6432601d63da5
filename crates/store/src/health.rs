//! Whether the database answers, how large it is, what time it has, what its tables look like.

use crate::{Error, Reader};
use domain::Timestamp;

/// One round trip.
///
/// # Errors
/// [`Error::Unavailable`] and its like.
pub fn ping(conn: &mut Reader<'_>) -> Result<(), Error> {
    conn.one("select count(*) from migrations", &[], |r| r.int())
        .map(|_| ())
}

/// Bytes that the database takes.
///
/// # Errors
/// Those of the database.
pub fn size_bytes(conn: &mut Reader<'_>) -> Result<u64, Error> {
    conn.size_bytes().map(|n| u64::try_from(n).unwrap_or(0))
}

/// The clock that leases are measured by where several servers share a database; none where there
/// is one server, whose own clock it is.
///
/// # Errors
/// Those of the database.
pub fn clock(conn: &mut Reader<'_>) -> Result<Option<Timestamp>, Error> {
    conn.clock()
}

/// Every column: table, name and type, in order. Both databases give the same list.
///
/// # Errors
/// Those of the database.
pub fn columns(conn: &mut Reader<'_>) -> Result<Vec<(String, String, String)>, Error> {
    conn.columns()
}
