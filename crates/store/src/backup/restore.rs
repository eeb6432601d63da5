//! Takes a backup into an empty database: all of it, or nothing.
//!
//! The file is looked through first, digest and all, before anything is written. The schema is
//! brought to where the backup was, the rows go in, and the schema goes on from there: a backup of
//! an older version is taken in by a newer one.

use super::{End, FORMAT, Header, Line, Table};
use crate::db::postgres::Postgres;
use crate::db::sqlite::Sqlite;
use crate::db::{Connection, Control, Param, Reader, Tx};
use crate::{Error, Location, migrate};
use domain::canonical::hex;
use sha2::{Digest as _, Sha256};
use std::io::BufRead;

/// What was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was taken, in milliseconds since the Unix epoch.
    pub taken_at: i64,
    /// Tables and how many rows each was given.
    pub rows: Vec<(String, u64)>,
}

fn unusable(why: impl Into<String>) -> Error {
    Error::BadBackup(why.into())
}

/// Reads and digests lines.
struct Lines<R> {
    from: R,
    line: Vec<u8>,
    digest: Sha256,
    count: u64,
}

impl<R: BufRead> Lines<R> {
    fn new(from: R) -> Self {
        Self {
            from,
            line: Vec::new(),
            digest: Sha256::new(),
            count: 0,
        }
    }

    /// The next line, not digested yet; none at the end of the file.
    fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        self.line.clear();
        let read = self
            .from
            .read_until(b'\n', &mut self.line)
            .map_err(|e| unusable(format!("it cannot be read: {e}")))?;
        self.count += 1;
        Ok((read > 0).then_some(self.line.as_slice()))
    }

    fn header(&mut self) -> Result<Header, Error> {
        let Some(line) = self.next()? else {
            return Err(unusable("it is empty"));
        };
        let header: Header = serde_json::from_slice(line)
            .map_err(|_| unusable("it does not begin like a backup of Executor"))?;
        if header.format != FORMAT {
            return Err(unusable(format!(
                "its form is {}, this version reads {FORMAT}",
                header.format
            )));
        }
        self.digest.update(&self.line);
        Ok(header)
    }

    fn line(&mut self) -> Result<Line, Error> {
        let count = self.count + 1;
        let Some(line) = self.next()? else {
            return Err(unusable(format!("it was cut off after line {}", count - 1)));
        };
        let line: Line = serde_json::from_slice(line)
            .map_err(|e| unusable(format!("line {count} was cut off or changed: {e}")))?;
        if !matches!(line, Line::End(_)) {
            self.digest.update(&self.line);
        }
        Ok(line)
    }
}

/// Looks a backup through: that it is whole, and as it was written.
///
/// # Errors
/// [`Error::BadBackup`], saying where it is not.
pub fn look_through(from: impl BufRead) -> Result<Header, Error> {
    let mut lines = Lines::new(from);
    let header = lines.header()?;
    loop {
        let Line::End(End {
            lines: said,
            sha256,
        }) = lines.line()?
        else {
            continue;
        };
        if lines.count - 1 != said || hex(&lines.digest.clone().finalize()) != sha256 {
            return Err(unusable("it was changed after it was written"));
        }
        return match lines.next()? {
            None => Ok(header),
            Some(_) => Err(unusable("something follows its end")),
        };
    }
}

/// Takes a backup into an empty database. `open` opens the file from its beginning, and is called
/// twice; `judge` sees the header before anything is written, and may refuse.
///
/// # Errors
/// [`Error::BadBackup`], [`Error::NotEmpty`], [`Error::Newer`]; those of the database and of `judge`.
pub fn restore<R: BufRead, E: From<Error>>(
    location: &Location,
    open: impl Fn() -> Result<R, E>,
    judge: impl FnOnce(&Header) -> Result<(), E>,
) -> Result<Restored, E> {
    let header = look_through(open()?)?;
    judge(&header)?;
    let mut connection = match location {
        Location::File(path) => Connection::Sqlite(Sqlite::writer(path)?),
        Location::Memory => Connection::Sqlite(Sqlite::memory()?),
        Location::Postgres(url) => Connection::Postgres(Box::new(Postgres::connect(url)?)),
    };
    connection.control(Control::BeginWrite)?;
    let taken = take(&mut connection, Lines::new(open()?), &header);
    let end = if taken.is_ok() {
        Control::Commit
    } else {
        Control::Rollback
    };
    let ended = connection.control(end);
    let restored = taken?;
    ended?;
    Ok(restored)
}

fn take<R: BufRead>(
    connection: &mut Connection,
    mut lines: Lines<R>,
    header: &Header,
) -> Result<Restored, Error> {
    connection.lock_migrations()?;
    let used = Reader::new(connection).columns()?;
    if !used.is_empty() {
        let organizations = used.iter().any(|(table, _, _)| table == "organizations");
        let holds = !organizations
            || Reader::new(connection)
                .one("select id from organizations limit 1", &[], |r| r.text())?
                .is_some();
        if holds {
            return Err(Error::NotEmpty);
        }
    }
    migrate::up_to(connection, &header.schema)?;
    if lines.header()? != *header {
        return Err(unusable("it changed while it was read"));
    }
    let mut tx = Tx::new(connection);
    let mut rows: Vec<(String, u64)> = Vec::new();
    let mut insert = String::new();
    loop {
        match lines.line()? {
            Line::Table(table) => {
                insert = insert_into(&mut tx, &table)?;
                rows.push((table.name, 0));
            }
            Line::Row(values) => {
                let Some((_, count)) = rows.last_mut() else {
                    return Err(unusable("a row stands before its table"));
                };
                let values: Vec<Param<'_>> = values.iter().map(super::Value::param).collect();
                *count += tx.execute(&insert, &values)?;
            }
            Line::End(_) => break,
        }
    }
    migrate::to_newest(connection)?;
    Ok(Restored {
        taken_at: header.taken_at,
        rows,
    })
}

/// The statement that takes a row in. Names come from a file: only those that the schema has count.
fn insert_into(tx: &mut Tx<'_>, table: &Table) -> Result<String, Error> {
    let known = tx.columns()?;
    for column in &table.columns {
        let is_known = known
            .iter()
            .any(|(of, name, _)| *of == table.name && name == column);
        if !is_known {
            return Err(unusable(format!(
                "the schema has no column {column} in {}",
                table.name
            )));
        }
    }
    // The schema's own steps may have left something behind.
    tx.execute(&format!("delete from {}", table.name), &[])?;
    let numbers: Vec<String> = (1..)
        .take(table.columns.len())
        .map(|n| format!("${n}"))
        .collect();
    Ok(format!(
        "insert into {} ({}) values ({})",
        table.name,
        table.columns.join(", "),
        numbers.join(", ")
    ))
}
