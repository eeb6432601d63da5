//! The one file, with its two halves below, that may ask which database it has.
//!
//! Everything above writes one SQL text with `$1` placeholders and sees [`Reader`], [`Tx`] and
//! [`Row`]. Texts, integers and null are all that crosses. Each half prepares a text once per
//! connection. PostgreSQL wants rows locked that a decision rests on (`for update`); SQLite has one
//! writer, so its half leaves those words out.

use crate::appended::Appended;
use crate::{Error, Notice, packed};
use std::borrow::Cow;
use std::collections::BTreeSet;

pub(crate) mod postgres;
mod select;
pub(crate) mod sqlite;

pub(crate) use select::Select;

/// A parameter of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Param<'a> {
    Null,
    Int(i64),
    Text(Cow<'a, str>),
}

/// The parameters of a statement, in order of their numbers.
macro_rules! params {
    ($($value:expr),* $(,)?) => { [$($crate::db::Param::from($value)),*] };
}
pub(crate) use params;

macro_rules! param_from {
    ($($kind:ty, |$value:ident| $to:expr;)*) => {$(
        impl<'a> From<$kind> for Param<'a> {
            fn from($value: $kind) -> Self { $to }
        }
    )*};
}

param_from! {
    i64, |v| Self::Int(v);
    u32, |v| Self::Int(i64::from(v));
    u64, |v| Self::Int(i64::try_from(v).unwrap_or(i64::MAX));
    bool, |v| Self::Int(i64::from(v));
    domain::Timestamp, |v| Self::Int(v.0);
    String, |v| Self::Text(Cow::Owned(v));
    &'a String, |v| Self::Text(Cow::Borrowed(v));
    &'a str, |v| Self::Text(Cow::Borrowed(v));
    Cow<'a, str>, |v| Self::Text(v);
    &'a domain::TaskId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::CallId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::ApprovalId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::SourceId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::PolicySetId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::SetRuleId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::AssignmentId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::RuleId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::CredentialId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::ConnectId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::OrganizationId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::WorkspaceId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::AccountId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::AuditId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::InviteId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::KeyId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::GrantId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::HandleId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::WebhookId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::DeliveryId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::PushId, |v| Self::Text(Cow::Borrowed(v.as_str()));
    &'a domain::SessionId, |v| Self::Text(Cow::Borrowed(v.as_str()));
}

impl<'a, T> From<Option<T>> for Param<'a>
where
    Self: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::from)
    }
}

/// A row, read from its first column to its last, in the order in which the statement lists them.
pub(crate) struct Row<'r> {
    columns: Columns<'r>,
    next: usize,
}

enum Columns<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r ::postgres::Row),
}

/// Whether a column has integers of 32 bits.
fn is_short(row: &::postgres::Row, column: usize) -> bool {
    let column = row.columns().get(column);
    column.is_some_and(|c| *c.type_() == ::postgres::types::Type::INT4)
}

impl Row<'_> {
    fn position(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn unreadable(&self, why: impl std::fmt::Display) -> Error {
        Error::Corrupt(format!(
            "column {} of a row cannot be read: {why}",
            self.next
        ))
    }

    /// A text that may be null.
    pub(crate) fn opt_text(&mut self) -> Result<Option<String>, Error> {
        let i = self.position();
        match &self.columns {
            Columns::Sqlite(row) => row.get(i).map_err(|e| self.unreadable(e)),
            Columns::Postgres(row) => row.try_get(i).map_err(|e| self.unreadable(e)),
        }
    }

    /// An integer that may be null.
    pub(crate) fn opt_int(&mut self) -> Result<Option<i64>, Error> {
        let i = self.position();
        match &self.columns {
            Columns::Sqlite(row) => row.get(i).map_err(|e| self.unreadable(e)),
            // A number that stands in the statement itself, such as `select 1`, has 32 bits there.
            Columns::Postgres(row) if is_short(row, i) => row
                .try_get::<_, Option<i32>>(i)
                .map(|found| found.map(i64::from))
                .map_err(|e| self.unreadable(e)),
            Columns::Postgres(row) => row.try_get(i).map_err(|e| self.unreadable(e)),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, Error> {
        self.opt_text()?
            .ok_or_else(|| self.unreadable("it is null"))
    }

    /// A digest that was packed.
    pub(crate) fn digest(&mut self) -> Result<String, Error> {
        self.text().map(packed::unpack)
    }

    pub(crate) fn int(&mut self) -> Result<i64, Error> {
        self.opt_int()?.ok_or_else(|| self.unreadable("it is null"))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        u32::try_from(self.int()?).map_err(|e| self.unreadable(e))
    }

    pub(crate) fn time(&mut self) -> Result<domain::Timestamp, Error> {
        self.int().map(domain::Timestamp)
    }

    pub(crate) fn opt_time(&mut self) -> Result<Option<domain::Timestamp>, Error> {
        Ok(self.opt_int()?.map(domain::Timestamp))
    }

    /// An identifier.
    pub(crate) fn id<T: std::str::FromStr<Err = domain::id::IdError>>(
        &mut self,
    ) -> Result<T, Error> {
        self.text()?.parse().map_err(|e| self.unreadable(e))
    }

    /// An identifier that may be null.
    pub(crate) fn opt_id<T: std::str::FromStr<Err = domain::id::IdError>>(
        &mut self,
    ) -> Result<Option<T>, Error> {
        self.opt_text()?
            .map(|t| t.parse().map_err(|e| self.unreadable(e)))
            .transpose()
    }

    /// A stable name of one of our enums.
    pub(crate) fn named<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
        parse(&self.text()?).ok_or_else(|| self.unreadable("it holds an unknown name"))
    }

    /// A value kept as JSON text.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Error> {
        serde_json::from_str(&self.text()?).map_err(|e| self.unreadable(e))
    }

    /// The same, where it may be null.
    pub(crate) fn opt_json<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let text = self.opt_text()?;
        text.map(|t| serde_json::from_str(&t).map_err(|e| self.unreadable(e)))
            .transpose()
    }
}

/// The JSON text of a value of ours.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::Internal(e.to_string()))
}

/// One connection to either database.
pub(crate) enum Connection {
    Sqlite(sqlite::Sqlite),
    Postgres(Box<postgres::Postgres>),
}

/// A statement about transactions; it has no parameters and no rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// Begins a transaction that sees one state of the database and changes nothing.
    BeginRead,
    /// Begins a transaction that may write.
    BeginWrite,
    /// Begins the part of one writer within a group.
    Savepoint,
    /// Keeps that part and begins the next.
    NextSavepoint,
    /// Undoes that part.
    RollbackToSavepoint,
    /// Makes the transaction durable.
    Commit,
    /// Undoes the transaction.
    Rollback,
}

impl Connection {
    pub(crate) fn control(&mut self, control: Control) -> Result<(), Error> {
        match self {
            Self::Sqlite(c) => c.control(control),
            Self::Postgres(c) => c.control(control),
        }
    }

    fn run(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let nul = |p: &Param<'_>| matches!(p, Param::Text(t) if t.as_bytes().contains(&0));
        if params.iter().any(nul) {
            return Err(Error::Unstorable);
        }
        match self {
            Self::Sqlite(c) => c.run(sql, params, each),
            Self::Postgres(c) => c.run(sql, params, each),
        }
    }

    /// Runs a script of several statements without parameters, for migrations.
    pub(crate) fn script(&mut self, sql: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(c) => c.script(sql),
            Self::Postgres(c) => c.script(sql),
        }
    }

    /// Keeps other servers from migrating at the same time, until the transaction ends.
    pub(crate) fn lock_migrations(&mut self) -> Result<(), Error> {
        match self {
            // `begin immediate` has done it.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(c) => c.script("select pg_advisory_xact_lock(5312)"),
        }
    }

    /// Takes what the transaction wants others to look at again.
    pub(crate) fn take_notices(&mut self) -> BTreeSet<Notice> {
        match self {
            Self::Sqlite(_) => BTreeSet::new(),
            Self::Postgres(c) => std::mem::take(&mut c.notices),
        }
    }

    /// Whether the connection is gone and another must be made.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(c) => c.is_lost(),
        }
    }

    /// Whether a statement failed, since this was last asked, only because of another transaction:
    /// the same again may succeed.
    pub(crate) fn take_retryable(&mut self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(c) => c.take_retryable(),
        }
    }
}

/// A transaction that reads: every statement in it sees the same state of the database.
pub struct Reader<'c> {
    connection: &'c mut Connection,
}

impl<'c> Reader<'c> {
    pub(crate) fn new(connection: &'c mut Connection) -> Self {
        Self { connection }
    }

    /// Every row of a statement.
    pub(crate) fn all<T>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        mut row: impl FnMut(&mut Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut out = Vec::new();
        self.connection.run(sql, params, &mut |r| {
            out.push(row(r)?);
            Ok(())
        })?;
        Ok(out)
    }

    /// The first row of a statement that yields at most one.
    pub(crate) fn one<T>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        mut row: impl FnMut(&mut Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut out = None;
        self.connection.run(sql, params, &mut |r| {
            out = Some(row(r)?);
            Ok(())
        })?;
        Ok(out)
    }

    /// Bytes that the database takes on disk.
    pub(crate) fn size_bytes(&mut self) -> Result<i64, Error> {
        let sql = match self.connection {
            Connection::Sqlite(_) => {
                "select page_count * page_size from pragma_page_count, pragma_page_size"
            }
            Connection::Postgres(_) => "select pg_database_size(current_database())",
        };
        self.one(sql, &[], |r| r.int())
            .map(Option::unwrap_or_default)
    }

    /// The database's own clock, where several servers share it; SQLite has none of its own.
    pub(crate) fn clock(&mut self) -> Result<Option<domain::Timestamp>, Error> {
        match self.connection {
            Connection::Sqlite(_) => Ok(None),
            Connection::Postgres(_) => self.one(
                "select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)",
                &[],
                |r| r.time(),
            ),
        }
    }

    /// The time that servers which share this database agree on: the database's own where there may
    /// be several, and `local`, the server's, where there is one. Nothing that one server writes and
    /// another compares is measured by any other clock.
    ///
    /// # Errors
    /// Those of the database.
    pub fn now(&mut self, local: domain::Timestamp) -> Result<domain::Timestamp, Error> {
        Ok(self.clock()?.unwrap_or(local))
    }

    /// Table and column of every primary key, in the key's order.
    pub(crate) fn primary_keys(&mut self) -> Result<Vec<(String, String)>, Error> {
        let sql = match self.connection {
            Connection::Sqlite(_) => {
                "select m.name, c.name
                 from sqlite_master m, pragma_table_info(m.name) c
                 where m.type = 'table' and m.name not like 'sqlite_%' and c.pk > 0
                 order by m.name, c.pk"
            }
            Connection::Postgres(_) => {
                "select cast(c.table_name as text), cast(k.column_name as text)
                 from information_schema.table_constraints c
                 join information_schema.key_column_usage k
                   on k.constraint_schema = c.constraint_schema
                  and k.constraint_name = c.constraint_name and k.table_name = c.table_name
                 where c.constraint_type = 'PRIMARY KEY' and c.table_schema = current_schema()
                 order by c.table_name, k.ordinal_position"
            }
        };
        self.all(sql, &[], |r| Ok((r.text()?, r.text()?)))
    }

    /// Every foreign key: the table, and the one it refers to.
    pub(crate) fn references(&mut self) -> Result<Vec<(String, String)>, Error> {
        let sql = match self.connection {
            Connection::Sqlite(_) => {
                "select m.name, f.\"table\"
                 from sqlite_master m, pragma_foreign_key_list(m.name) f
                 where m.type = 'table'"
            }
            Connection::Postgres(_) => {
                "select cast(a.relname as text), cast(b.relname as text)
                 from pg_constraint c
                 join pg_class a on a.oid = c.conrelid
                 join pg_class b on b.oid = c.confrelid
                 join pg_namespace n on n.oid = c.connamespace
                 where c.contype = 'f' and n.nspname = current_schema()"
            }
        };
        self.all(sql, &[], |r| Ok((r.text()?, r.text()?)))
    }

    /// Table, column and type of everything in the schema, in order.
    pub(crate) fn columns(&mut self) -> Result<Vec<(String, String, String)>, Error> {
        let sql = match self.connection {
            Connection::Sqlite(_) => {
                "select m.name, c.name, lower(c.type)
                 from sqlite_master m, pragma_table_info(m.name) c
                 where m.type = 'table' and m.name not like 'sqlite_%'
                 order by m.name, c.name"
            }
            Connection::Postgres(_) => {
                "select cast(table_name as text), cast(column_name as text), cast(data_type as text)
                 from information_schema.columns
                 where table_schema = current_schema()
                 order by table_name collate \"C\", column_name collate \"C\""
            }
        };
        self.all(sql, &[], |r| Ok((r.text()?, r.text()?, r.text()?)))
    }
}

/// A transaction that writes. It reads too: it is a [`Reader`] with one verb more.
pub struct Tx<'c> {
    reader: Reader<'c>,
    touches_people: bool,
    appended: Appended,
}

impl<'c> Tx<'c> {
    pub(crate) fn new(connection: &'c mut Connection) -> Self {
        Self {
            reader: Reader::new(connection),
            touches_people: false,
            appended: Appended::default(),
        }
    }

    /// What is written to the numbered logs at the end of the transaction.
    pub(crate) fn appended(&mut self) -> &mut Appended {
        &mut self.appended
    }

    pub(crate) fn into_appended(self) -> Appended {
        self.appended
    }

    /// Whether it changed anything that bears on who may come in: see [`crate::Store::people_version`].
    pub(crate) fn touches_people(&self) -> bool {
        self.touches_people
    }

    /// Tells the other servers to look again, once this is durable; see `notices`.
    pub fn notify(&mut self, notice: Notice) {
        match self.reader.connection {
            Connection::Sqlite(_) => {}
            Connection::Postgres(c) => {
                c.notices.insert(notice);
            }
        }
    }

    /// Runs a statement that yields no rows; answers how many it changed.
    pub(crate) fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, Error> {
        self.touches_people |= is_about_people(sql);
        self.reader.connection.run(sql, params, &mut |_| Ok(()))
    }
}

/// Tables that say who somebody is and what they may do.
const PEOPLE: [&str; 8] = [
    "organizations",
    "workspaces",
    "members",
    "api_keys",
    "grants",
    "grant_tokens",
    "workspace_members",
    "accounts",
];

/// Whether a statement changes a table that bears on who may come in. That somebody came in, which is
/// written down too, bears on nothing; nor does a row that can only be new.
fn is_about_people(sql: &str) -> bool {
    let table = sql
        .strip_prefix("update ")
        .or_else(|| sql.strip_prefix("delete from "))
        .or_else(|| {
            sql.strip_prefix("insert into ")
                .filter(|rest| rest.contains("do update"))
        })
        .and_then(|rest| rest.split_ascii_whitespace().next());
    table.is_some_and(|t| PEOPLE.contains(&t)) && !sql.contains("set last_used_at")
}

impl<'c> std::ops::Deref for Tx<'c> {
    type Target = Reader<'c>;
    fn deref(&self) -> &Reader<'c> {
        &self.reader
    }
}

impl<'c> std::ops::DerefMut for Tx<'c> {
    fn deref_mut(&mut self) -> &mut Reader<'c> {
        &mut self.reader
    }
}
