//! SQLite: one file in WAL mode, flushed at every commit.

use super::{Columns, Control, Param, Row};
use crate::Error;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{ErrorCode, OpenFlags};
use std::path::Path;

/// One connection to a file, or to memory.
pub(crate) struct Sqlite(rusqlite::Connection);

/// Milliseconds to wait for a lock that a backup or a stray tool holds.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// Distinct statement texts kept prepared on one connection.
const STATEMENTS_KEPT: usize = 256;

impl Sqlite {
    /// The connection that writes. Makes the file, readable by its owner alone, where it is missing.
    pub(crate) fn writer(path: &Path) -> Result<Self, Error> {
        private_file(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(of)?;
        Self::prepare(
            connection,
            "pragma journal_mode = wal; pragma synchronous = full;",
        )
    }

    /// A connection that cannot write.
    pub(crate) fn reader(path: &Path) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(of)?;
        Self::prepare(connection, "")
    }

    /// A database that is gone with its connection.
    pub(crate) fn memory() -> Result<Self, Error> {
        Self::prepare(rusqlite::Connection::open_in_memory().map_err(of)?, "")
    }

    /// A database in memory that begins as [`Self::image`] of another.
    pub(crate) fn from_image(image: &[u8]) -> Result<Self, Error> {
        let Self(mut connection) = Self::memory()?;
        connection
            .deserialize_read_exact("main", image, image.len(), false)
            .map_err(of)?;
        Ok(Self(connection))
    }

    /// The database as the bytes of its file.
    pub(crate) fn image(&self) -> Result<Vec<u8>, Error> {
        Ok(self.0.serialize("main").map_err(of)?.to_vec())
    }

    fn prepare(connection: rusqlite::Connection, pragmas: &str) -> Result<Self, Error> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        connection
            .execute_batch(&format!(
                "pragma busy_timeout = {BUSY_TIMEOUT_MS}; {pragmas} pragma foreign_keys = on;
                 pragma temp_store = memory; pragma trusted_schema = off;"
            ))
            .map_err(of)?;
        Ok(Self(connection))
    }

    pub(super) fn control(&mut self, control: Control) -> Result<(), Error> {
        let texts: &[&str] = match control {
            Control::BeginRead => &["begin deferred"],
            Control::BeginWrite => &["begin immediate"],
            Control::Savepoint => &["savepoint part"],
            Control::NextSavepoint => &["release savepoint part", "savepoint part"],
            Control::RollbackToSavepoint => &["rollback to savepoint part"],
            Control::Commit => &["commit"],
            // A full disk may have rolled it back already.
            Control::Rollback if self.0.is_autocommit() => &[],
            Control::Rollback => &["rollback"],
        };
        texts.iter().try_for_each(|text| {
            self.0
                .prepare_cached(text)
                .and_then(|mut s| s.raw_execute())
                .map(|_| ())
                .map_err(of)
        })
    }

    pub(super) fn script(&mut self, sql: &str) -> Result<(), Error> {
        self.0.execute_batch(sql).map_err(of)
    }

    pub(super) fn run(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut statement = self.0.prepare_cached(&dialect(sql)).map_err(of)?;
        for (i, param) in params.iter().enumerate() {
            statement.raw_bind_parameter(i + 1, param).map_err(of)?;
        }
        if statement.column_count() == 0 {
            return statement.raw_execute().map(|n| n as u64).map_err(of);
        }
        let mut rows = statement.raw_query();
        let mut count = 0;
        while let Some(row) = rows.next().map_err(of)? {
            each(&mut Row {
                columns: Columns::Sqlite(row),
                next: 0,
            })?;
            count += 1;
        }
        Ok(count)
    }
}

/// `$1` names a parameter here and `?1` numbers one; and one writer needs no row locks.
fn dialect(sql: &str) -> String {
    sql.replace("for update skip locked", "")
        .replace("for update", "")
        .replace('$', "?")
}

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Text(t) => ValueRef::Text(t.as_bytes()),
        }))
    }
}

fn private_file(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
    let unusable = |e: std::io::Error| {
        let what = format!("{}: {e}", path.display());
        if e.kind() == std::io::ErrorKind::StorageFull {
            Error::Full(what)
        } else {
            Error::Location(what)
        }
    };
    if let Some(directory) = path
        .parent()
        .filter(|d| !d.as_os_str().is_empty() && !d.exists())
    {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(unusable)?;
    }
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(unusable)?;
    // SQLite gives the files beside it the same mode.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
        .map_err(unusable)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the list is the library's, and open"
)]
fn of(error: rusqlite::Error) -> Error {
    let text = error.to_string();
    let Some(code) = error.sqlite_error() else {
        return Error::Internal(text);
    };
    match code.code {
        ErrorCode::DiskFull => Error::Full(text),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::Corrupt(text),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Error::Unavailable("another program holds a lock on its file".to_owned())
        }
        ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory => Error::Unavailable(text),
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
            Error::Location(text)
        }
        ErrorCode::ConstraintViolation => Error::Conflict(constraint(&text)),
        _ => Error::Internal(text),
    }
}

/// SQLite names the columns of a violated unique constraint; PostgreSQL names the constraint.
fn constraint(text: &str) -> String {
    let Some((kind, what)) = text.split_once(" constraint failed: ") else {
        return "a row that it refers to is missing".to_owned();
    };
    match (kind, what) {
        ("UNIQUE", "sources.workspace_id, sources.name") => "sources_name".to_owned(),
        ("UNIQUE", "workspaces.organization_id, workspaces.slug") => "workspaces_slug".to_owned(),
        ("UNIQUE", "calls.task_id, calls.delivery_order") => "calls_delivery".to_owned(),
        ("UNIQUE", "policy_sets.organization_id, policy_sets.name_folded") => {
            "policy_sets_name".to_owned()
        }
        ("UNIQUE", "policy_assignments.set_id, policy_assignments.target") => {
            "policy_assignments_target".to_owned()
        }
        (
            "UNIQUE",
            "credentials.source_id, credentials.scope, credentials.person, credentials.scheme, \
             credentials.label",
        ) => "credentials_one".to_owned(),
        ("UNIQUE", key) => format!("{}_pk", key.split('.').next().unwrap_or(key)),
        (_, name) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Sqlite;
    use crate::Error;
    use crate::db::{Connection, Control, Reader, Tx, params};

    #[test]
    fn a_full_disk_is_an_error_that_changes_nothing() {
        let mut connection = Connection::Sqlite(Sqlite::memory().unwrap());
        connection
            .script("create table t (x text); pragma max_page_count = 50")
            .unwrap();
        let mut written = 0;
        let full = loop {
            connection.control(Control::BeginWrite).unwrap();
            let text = "x".repeat(3_000);
            let done = Tx::new(&mut connection)
                .execute("insert into t (x) values ($1)", &params![text])
                .and_then(|_| connection.control(Control::Commit));
            match done {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(full, Error::Full(_)), "{full}");
        connection.control(Control::Rollback).unwrap();
        let count = Reader::new(&mut connection).one("select count(*) from t", &[], |r| r.int());
        assert_eq!(count, Ok(Some(written)));
        assert!(written > 10);
    }
}
