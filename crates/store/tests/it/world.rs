//! A database of its own for a check, with two organizations in it, and ways to meddle from outside.

use crate::samples;
use domain::access::{Scope, System};
use std::future::Future;
use std::path::PathBuf;
use store::{Error, Location, Reader, Store, Tx};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Memory,
    Postgres,
}

pub(crate) struct World {
    pub(crate) kind: Kind,
    pub(crate) store: Store,
    /// A second server on the same database where there can be one; else the same store.
    pub(crate) other: Store,
    pub(crate) system: System,
    pub(crate) a: Scope,
    /// Another workspace of the same organization.
    pub(crate) sibling: Scope,
    /// A workspace of another organization.
    pub(crate) b: Scope,
    pub(crate) place: Place,
}

/// An empty place for a database.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    url: Option<String>,
}

impl Place {
    pub(crate) fn new(kind: Kind) -> Self {
        let url = (kind == Kind::Postgres).then(testkit::postgres::new_database);
        Self {
            directory: tempfile::tempdir().unwrap(),
            url,
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("data/executor.db")
    }

    pub(crate) fn location(&self) -> Location {
        self.url
            .clone()
            .map_or_else(|| Location::File(self.file()), Location::Postgres)
    }

    /// Runs SQL behind the store's back.
    pub(crate) fn meddle(&self, sql: &str) {
        let (url, file, sql) = (self.url.clone(), self.file(), sql.to_owned());
        // The driver may not be used on a thread that runs async code.
        std::thread::spawn(move || match url {
            Some(url) => {
                let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
                client.batch_execute(&sql).unwrap();
            }
            None => rusqlite::Connection::open(file)
                .unwrap()
                .execute_batch(&sql)
                .unwrap(),
        })
        .join()
        .unwrap();
    }
}

impl Place {
    /// One number that the database has, read behind the store's back.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let (url, file, sql) = (self.url.clone(), self.file(), sql.to_owned());
        std::thread::spawn(move || match url {
            Some(url) => {
                let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
                client.query_one(&sql, &[]).unwrap().get(0)
            }
            None => rusqlite::Connection::open(file)
                .unwrap()
                .query_row(&sql, [], |row| row.get(0))
                .unwrap(),
        })
        .join()
        .unwrap()
    }
}

impl World {
    async fn new(kind: Kind) -> Self {
        let place = Place::new(kind);
        let location = if kind == Kind::Memory {
            Location::Memory
        } else {
            place.location()
        };
        let store = Store::open(location).await.unwrap();
        let other = match kind {
            Kind::Postgres => Store::open(place.location()).await.unwrap(),
            Kind::Sqlite | Kind::Memory => store.clone(),
        };
        let system = System::mint();
        let (one, two) = (samples::organization(), samples::organization());
        let workspaces = [
            (one.clone(), samples::workspace(&one, "a")),
            (one.clone(), samples::workspace(&one, "sibling")),
            (two.clone(), samples::workspace(&two, "a")),
        ];
        let [a, sibling, b] = workspaces
            .clone()
            .map(|(organization, workspace)| system.scope(organization.id, workspace.id));
        let made: Result<(), Error> = store
            .write(move |tx| {
                for (organization, workspace) in &workspaces {
                    store::tenancy::insert(tx, system, organization, workspace)?;
                }
                Ok(())
            })
            .await;
        made.unwrap();
        Self {
            kind,
            store,
            other,
            system,
            a,
            sibling,
            b,
            place,
        }
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        run: impl Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.store.write(run).await.unwrap()
    }

    /// A write that must fail; answers its error.
    pub(crate) async fn refused<T: Send + std::fmt::Debug + 'static>(
        &self,
        run: impl Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Error {
        self.store.write(run).await.unwrap_err()
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        run: impl Fn(&mut Reader<'_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.store.read(run).await.unwrap()
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

pub(crate) fn run<F: Future<Output = ()>>(kind: Kind, check: impl Fn(World) -> F) {
    block_on(async {
        let world = World::new(kind).await;
        let stores = [world.store.clone(), world.other.clone()];
        check(world).await;
        for store in stores {
            store.close().await;
        }
    });
}
