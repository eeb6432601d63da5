//! PostgreSQL, through its synchronous driver on a thread of the store's own.

use super::{Columns, Control, Param, Row};
use crate::{Error, Notice};
use postgres::config::SslMode;
use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// One connection and its prepared statements.
pub(crate) struct Postgres {
    client: postgres::Client,
    prepared: HashMap<String, postgres::Statement>,
    retryable: bool,
    /// What the open transaction wants others to look at again.
    pub(super) notices: BTreeSet<Notice>,
}

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server may leave sent bytes unacknowledged before it counts as lost.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Prepared statements kept; filters make few distinct texts, so this is never reached in practice.
const STATEMENTS_KEPT: usize = 512;

impl Postgres {
    /// Connects; with TLS where the URL says `sslmode=require`, and in clear otherwise.
    pub(crate) fn connect(url: &str) -> Result<Self, Error> {
        let mut config: postgres::Config = url
            .parse()
            .map_err(|e: postgres::Error| Error::Location(root(&e)))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE_MAX);
        }
        config.application_name("executor");
        let client = if config.get_ssl_mode() == SslMode::Require {
            config.connect(tls()?)
        } else {
            config.connect(postgres::NoTls)
        };
        let client = client.map_err(|e| of_connecting(&e))?;
        Ok(Self {
            client,
            prepared: HashMap::new(),
            retryable: false,
            notices: BTreeSet::new(),
        })
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) fn take_retryable(&mut self) -> bool {
        std::mem::take(&mut self.retryable)
    }

    pub(super) fn control(&mut self, control: Control) -> Result<(), Error> {
        self.script(match control {
            Control::BeginRead => "begin isolation level repeatable read read only",
            Control::BeginWrite => "begin isolation level read committed read write",
            Control::Savepoint => "savepoint part",
            Control::NextSavepoint => "release savepoint part; savepoint part",
            Control::RollbackToSavepoint => "rollback to savepoint part",
            Control::Commit => "commit",
            Control::Rollback => "rollback",
        })
    }

    /// The number of the database's process that serves this connection.
    pub(crate) fn process(&mut self) -> Result<i32, Error> {
        let row = self.client.query_one("select pg_backend_pid()", &[]);
        row.and_then(|row| row.try_get(0))
            .map_err(|e| self.note(&e))
    }

    /// Everything that was notified since the last look, and by which process, waiting at most `patience` for the first.
    /// None once the connection is gone.
    pub(crate) fn heard(&mut self, patience: Duration) -> Option<Vec<(i32, String)>> {
        let mut heard = Vec::new();
        let mut notifications = self.client.notifications();
        if let Ok(Some(first)) = notifications.timeout_iter(patience).next() {
            heard.push((first.process_id(), first.payload().to_owned()));
        }
        let mut more = notifications.iter();
        while let Ok(Some(next)) = more.next() {
            heard.push((next.process_id(), next.payload().to_owned()));
        }
        drop(more);
        drop(notifications);
        (!self.is_lost()).then_some(heard)
    }

    pub(crate) fn script(&mut self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).map_err(|e| self.note(&e))
    }

    pub(super) fn run(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let statement = match self.prepared.get(sql) {
            Some(statement) => statement.clone(),
            None => self.prepare(sql)?,
        };
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|p| p as _).collect();
        if statement.columns().is_empty() {
            return self
                .client
                .execute(&statement, &params)
                .map_err(|e| self.note(&e));
        }
        let rows = self
            .client
            .query(&statement, &params)
            .map_err(|e| self.note(&e))?;
        for row in &rows {
            each(&mut Row {
                columns: Columns::Postgres(row),
                next: 0,
            })?;
        }
        Ok(rows.len() as u64)
    }

    fn prepare(&mut self, sql: &str) -> Result<postgres::Statement, Error> {
        if self.prepared.len() >= STATEMENTS_KEPT {
            self.prepared.clear();
        }
        let statement = self.client.prepare(sql).map_err(|e| self.note(&e))?;
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn note(&mut self, error: &postgres::Error) -> Error {
        let code = error.code();
        self.retryable |= code == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
            || code == Some(&SqlState::T_R_DEADLOCK_DETECTED);
        of(error)
    }
}

impl ToSql for Param<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, ty) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Int(n), &Type::INT4) => i32::try_from(*n)?.to_sql(ty, out),
            (Self::Int(n), _) => n.to_sql(ty, out),
            (Self::Text(t), _) => t.as_ref().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(
            *ty,
            Type::INT8 | Type::INT4 | Type::TEXT | Type::VARCHAR | Type::NAME
        )
    }

    to_sql_checked!();
}

fn tls() -> Result<tokio_postgres_rustls::MakeRustlsConnect, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Internal(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(tokio_postgres_rustls::MakeRustlsConnect::new(config))
}

/// The innermost cause: the driver's own text says only which step failed.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn of_connecting(error: &postgres::Error) -> Error {
    let text = error
        .as_db_error()
        .map_or_else(|| root(error), |db| db.message().to_owned());
    match error.code() {
        Some(code)
            if [
                SqlState::INVALID_PASSWORD,
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                SqlState::INVALID_CATALOG_NAME,
                SqlState::INSUFFICIENT_PRIVILEGE,
            ]
            .contains(code) =>
        {
            Error::SignIn(text)
        }
        // The driver itself notices a password that is asked for and missing.
        None if text.contains("password missing") => Error::SignIn(text),
        Some(_) | None => Error::Unavailable(text),
    }
}

fn of(error: &postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        return Error::Unavailable(root(error));
    };
    // The message alone: the detail quotes values.
    let text = db.message().to_owned();
    let code = db.code();
    if *code == SqlState::DISK_FULL {
        Error::Full(text)
    } else if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED {
        Error::Corrupt(text)
    } else if code.code().starts_with("23") {
        Error::Conflict(db.constraint().unwrap_or("a constraint").to_owned())
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        Error::SignIn(text)
    } else if ["08", "53", "55", "57", "58", "40"]
        .iter()
        .any(|class| code.code().starts_with(class))
    {
        Error::Unavailable(text)
    } else {
        Error::Internal(text)
    }
}
