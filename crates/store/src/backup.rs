//! Everything that a database holds, as a file that either database takes in: rows, not pages.
//!
//! The file is text, one JSON document a line: a header, then for each table its name with its
//! columns and its rows, at the end how many lines there were and the digest of all before. It is
//! read in one transaction, so it shows one instant while others go on writing. What belongs to a
//! running server alone is left out: who lives, sessions, and how suspended programs rest, which
//! their journals rebuild. Taken in by `backup/restore.rs`.

mod restore;

pub use restore::{Restored, look_through, restore};

use crate::db::postgres::Postgres;
use crate::db::sqlite::Sqlite;
use crate::db::{Connection, Control, Param, params};
use crate::migrate::applied;
use crate::{Error, Location, Reader};
use domain::Timestamp;
use domain::access::System;
use domain::canonical::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The form of the file.
pub const FORMAT: &str = "executor-backup-1";

/// Rows read at once.
const ROWS_AT_ONCE: u32 = 64;

/// Bytes handed on at once, about.
const CHUNK_BYTES: usize = 64 << 10;

/// Tables whose rows are of no use to another server: who lives, who is signed in, and what the
/// migrations themselves keep.
const LEFT_OUT: [&str; 6] = [
    "migrations",
    "servers",
    "server_engines",
    "sessions",
    "sign_in_links",
    "sign_in_attempts",
];

/// Columns that are left out of a table: caches, rebuilt when they are wanted.
const COLUMNS_LEFT_OUT: [(&str, &str); 1] = [("tasks", "snapshot")];

/// Facts of the `meta` table that are a running server's own.
const FACTS_LEFT_OUT: [&str; 2] = ["retention", "vault_"];
/// The one fact beginning like that which goes with the data.
const CHECK: &str = "vault_check";

/// What a backup begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub format: String,
    /// When it was taken, in milliseconds since the Unix epoch.
    pub taken_at: i64,
    /// The digests of the schema's steps, in order.
    pub schema: Vec<String>,
    /// What tells whether a master key is the one that everything is sealed with.
    pub vault_check: Option<String>,
}

/// A line after the header.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Line {
    /// The rows that follow are of this table.
    Table(Table),
    /// One row: texts, integers and nulls, in the order of the table's columns.
    Row(Vec<Value>),
    /// The end.
    End(End),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    columns: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    lines: u64,
    sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Null(()),
    Int(i64),
    Text(String),
}

impl Value {
    fn param(&self) -> Param<'_> {
        match self {
            Self::Null(()) => Param::Null,
            Self::Int(n) => Param::Int(*n),
            Self::Text(t) => Param::from(t),
        }
    }
}

/// Writes everything, in pieces that `sink` takes; it says whether it wants more. Ends early, without
/// an end line, where it does not.
///
/// # Errors
/// Those of the database.
pub fn write(
    reader: &mut Reader<'_>,
    system: System,
    taken_at: Timestamp,
    sink: &mut dyn FnMut(Vec<u8>) -> bool,
) -> Result<bool, Error> {
    let mut out = Out {
        sink,
        piece: Vec::new(),
        digest: Sha256::new(),
        lines: 0,
        wanted: true,
    };
    out.line(&Header {
        format: FORMAT.to_owned(),
        taken_at: taken_at.0,
        schema: applied(reader)?.into_iter().map(|(_, d)| d).collect(),
        vault_check: crate::meta::get(reader, system, CHECK)?,
    })?;
    for table in tables(reader)? {
        if !out.wanted {
            return Ok(false);
        }
        out.line(&Line::Table(Table {
            name: table.name.clone(),
            columns: table.columns.iter().map(|c| c.name.clone()).collect(),
        }))?;
        rows(reader, &table, &mut out)?;
    }
    let end = End {
        lines: out.lines,
        sha256: hex(&out.digest.clone().finalize()),
    };
    out.line(&Line::End(end))?;
    out.flush();
    Ok(out.wanted)
}

/// Writes everything of a database that no store of this process has open, as it is: its schema is
/// not brought up to date.
///
/// # Errors
/// Those of the database; what is not there is not made.
pub fn write_from(
    location: &Location,
    system: System,
    taken_at: Timestamp,
    sink: &mut dyn FnMut(Vec<u8>) -> bool,
) -> Result<bool, Error> {
    let mut connection = match location {
        Location::File(path) => Connection::Sqlite(Sqlite::reader(path)?),
        Location::Memory => Connection::Sqlite(Sqlite::memory()?),
        Location::Postgres(url) => Connection::Postgres(Box::new(Postgres::connect(url)?)),
    };
    connection.control(Control::BeginRead)?;
    let written = write(&mut Reader::new(&mut connection), system, taken_at, sink);
    connection.control(Control::Rollback)?;
    written
}

/// Where lines go.
struct Out<'s> {
    sink: &'s mut dyn FnMut(Vec<u8>) -> bool,
    piece: Vec<u8>,
    digest: Sha256,
    lines: u64,
    wanted: bool,
}

impl Out<'_> {
    fn line(&mut self, line: &impl Serialize) -> Result<(), Error> {
        let begins = self.piece.len();
        serde_json::to_writer(&mut self.piece, line).map_err(|e| Error::Internal(e.to_string()))?;
        self.piece.push(b'\n');
        self.digest.update(&self.piece[begins..]);
        self.lines += 1;
        if self.piece.len() >= CHUNK_BYTES {
            self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) {
        let piece = std::mem::take(&mut self.piece);
        self.wanted = self.wanted && (self.sink)(piece);
    }
}

/// A table as it is written.
struct Described {
    name: String,
    columns: Vec<Column>,
    key: Vec<String>,
}

struct Column {
    name: String,
    is_text: bool,
}

fn rows(reader: &mut Reader<'_>, table: &Described, out: &mut Out<'_>) -> Result<(), Error> {
    let names = |columns: &[String]| columns.join(", ");
    let all: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
    let key = names(&table.key);
    let numbers: Vec<String> = (2..)
        .take(table.key.len())
        .map(|n| format!("${n}"))
        .collect();
    let places: Vec<usize> = table
        .key
        .iter()
        .filter_map(|k| all.iter().position(|c| c == k))
        .collect();
    let mut last: Option<Vec<Value>> = None;
    loop {
        let after = match &last {
            None => String::new(),
            Some(_) => format!("where ({key}) > ({})", numbers.join(", ")),
        };
        let sql = format!(
            "select {} from {} {after} order by {key} limit $1",
            names(&all),
            table.name
        );
        let mut values = params![ROWS_AT_ONCE].to_vec();
        if let Some(last) = &last {
            values.extend(places.iter().map(|i| last[*i].param()));
        }
        let page = reader.all(&sql, &values, |r| {
            let read = |column: &Column, r: &mut crate::db::Row<'_>| {
                Ok(if column.is_text {
                    r.opt_text()?.map_or(Value::Null(()), Value::Text)
                } else {
                    r.opt_int()?.map_or(Value::Null(()), Value::Int)
                })
            };
            table.columns.iter().map(|c| read(c, r)).collect()
        })?;
        let count = page.len();
        for row in page {
            let row: Vec<Value> = row;
            if !is_left_out(table, &row) {
                let line = Line::Row(row);
                out.line(&line)?;
                let Line::Row(row) = line else { break };
                last = Some(row);
            } else {
                last = Some(row);
            }
        }
        if count < ROWS_AT_ONCE as usize || !out.wanted {
            return Ok(());
        }
    }
}

/// Facts about a running server, of which a restored one has its own.
fn is_left_out(table: &Described, row: &[Value]) -> bool {
    let name = match row.first() {
        Some(Value::Text(name)) if table.name == "meta" => name,
        _ => return false,
    };
    name != CHECK && FACTS_LEFT_OUT.iter().any(|fact| name.starts_with(fact))
}

/// Every table with what is written of it, each after those that it refers to.
fn tables(reader: &mut Reader<'_>) -> Result<Vec<Described>, Error> {
    let mut columns: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for (table, name, kind) in reader.columns()? {
        let kept = !LEFT_OUT.contains(&table.as_str())
            && !COLUMNS_LEFT_OUT.contains(&(table.as_str(), name.as_str()));
        if kept {
            let is_text = kind == "text";
            columns
                .entry(table)
                .or_default()
                .push(Column { name, is_text });
        }
    }
    // The first column of `meta` is what its facts are judged by.
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in reader.primary_keys()? {
        keys.entry(table).or_default().push(column);
    }
    let refers = reader.references()?;
    let mut done: BTreeSet<String> = LEFT_OUT.iter().map(|&t| t.to_owned()).collect();
    let mut ordered = Vec::new();
    while !columns.is_empty() {
        let ready = columns.keys().find(|table| {
            let mut wanted = refers.iter().filter(|(from, _)| from == *table);
            wanted.all(|(from, to)| from == to || done.contains(to))
        });
        let Some(name) = ready.cloned() else {
            return Err(Error::Internal(
                "tables refer to each other in a ring".into(),
            ));
        };
        let mut of_table = columns.remove(&name).unwrap_or_default();
        let key = keys.remove(&name).unwrap_or_default();
        if key.is_empty() {
            return Err(Error::Internal(format!("table {name} has no primary key")));
        }
        of_table.sort_by_key(|c| key.iter().position(|k| *k == c.name).unwrap_or(usize::MAX));
        done.insert(name.clone());
        ordered.push(Described {
            name,
            columns: of_table,
            key,
        });
    }
    Ok(ordered)
}
