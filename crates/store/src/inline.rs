//! A database in memory that is used on the thread that asks, one transaction at a time, under the
//! eyes of a watcher that may hold up each one before it begins and after it is done.
//!
//! For the simulation: a watcher that never lets go is a process killed at that instant. The
//! database outlives it, because whoever starts the next engine has [`Store::inline_again`].

use crate::db::sqlite::Sqlite;
use crate::db::{Connection, Reader, Tx, params};
use crate::notices::Outlet;
use crate::threads::{Item, Link, Work, write_alone};
use crate::{Error, Location, Store, migrate, points};
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::oneshot;

/// Where a transaction stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// It is about to begin.
    Before,
    /// It only read, or was undone; nobody has been told.
    Read,
    /// It is durable with the points that it passed; nobody has been told.
    Committed(Vec<&'static str>),
}

/// Is asked at every moment, and holds the transaction up until its future completes.
pub type Watcher = Arc<dyn Fn(Moment) -> BoxFuture<'static, ()> + Send + Sync>;

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Reading,
    Writing,
}

#[derive(Clone)]
pub(crate) struct Inline {
    link: Arc<Mutex<Link>>,
    outlet: Arc<Outlet>,
    watcher: Watcher,
}

impl Inline {
    pub(crate) fn open(watcher: Watcher, outlet: Arc<Outlet>) -> Result<Self, Error> {
        static EMPTY: OnceLock<Result<Vec<u8>, Error>> = OnceLock::new();
        let empty = EMPTY.get_or_init(migrated).as_ref().map_err(Clone::clone)?;
        let mut link = Link::new(Arc::new(Location::Memory), true);
        link.keep(Connection::Sqlite(Sqlite::from_image(empty)?));
        Ok(Self {
            link: Arc::new(Mutex::new(link)),
            outlet,
            watcher,
        })
    }

    pub(crate) fn watched_by(&self, watcher: Watcher) -> Self {
        Self {
            link: Arc::clone(&self.link),
            outlet: Arc::clone(&self.outlet),
            watcher,
        }
    }

    pub(crate) fn run<T, E>(
        &self,
        wanted: For,
        run: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, E>>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let Self {
            link,
            outlet,
            watcher,
        } = self.clone();
        Box::pin(async move {
            watcher(Moment::Before).await;
            let (reply, answer) = oneshot::channel();
            let mut work: Box<dyn Work> = Box::new(Item {
                run,
                result: None,
                reply,
            });
            {
                let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
                write_alone(&mut link, &mut work, &outlet);
            }
            let passed = points::take();
            let moment = if wanted == For::Reading || work.has_failed() {
                Moment::Read
            } else {
                Moment::Committed(passed)
            };
            watcher(moment).await;
            work.answer();
            answer.await.unwrap_or_else(|_| Err(Error::Closed.into()))
        })
    }
}

/// A database that has gone every step and holds nothing. Going the steps is a third of what a
/// short course of events takes, so it is done once for all databases of a process.
fn migrated() -> Result<Vec<u8>, Error> {
    let mut connection = Connection::Sqlite(Sqlite::memory()?);
    migrate::migrate(&mut connection)?;
    match connection {
        Connection::Sqlite(sqlite) => sqlite.image(),
        Connection::Postgres(_) => Err(Error::Internal("it is not in memory".to_owned())),
    }
}

impl Store {
    /// Whether any row of any table holds a text. Looks at everything: for tests.
    ///
    /// # Errors
    /// Those of the database.
    pub fn holds_text(&self, text: String) -> BoxFuture<'static, Result<Option<String>, Error>> {
        self.read(move |r| holding(r, &text))
    }
}

fn holding(reader: &mut Reader<'_>, text: &str) -> Result<Option<String>, Error> {
    for (table, column, _) in reader.columns()? {
        let sql = format!(
            "select count(*) from {table} where cast({column} as text) like '%' || $1 || '%'"
        );
        if reader.one(&sql, &params![text], |r| r.int())? != Some(0) {
            return Ok(Some(format!("{table}.{column}")));
        }
    }
    Ok(None)
}
