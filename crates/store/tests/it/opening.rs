//! Opening: what is made, what is refused, and that a refusal damages nothing.

use crate::world::{Kind, Place, World, block_on};
use domain::access::System;
use std::os::unix::fs::PermissionsExt as _;
use store::{Error, Location, Store, health, meta};

on_files!(
    a_second_open_finds_everything,
    a_newer_database_is_left_alone,
    a_changed_step_is_refused
);

async fn a_second_open_finds_everything(w: World) {
    let system = w.system;
    w.write(move |tx| meta::set(tx, system, "k", "x")).await;
    w.store.close().await;
    let again = Store::open(w.place.location()).await.unwrap();
    let kept: Result<_, Error> = again.read(move |r| meta::get(r, system, "k")).await;
    assert_eq!(kept, Ok(Some("x".to_owned())));
    again.close().await;
}

async fn refused(location: Location) -> Error {
    Store::open(location)
        .await
        .err()
        .expect("it must be refused")
}

async fn a_newer_database_is_left_alone(w: World) {
    w.store.close().await;
    w.place
        .meddle("insert into migrations (number, digest) values (99, 'x')");
    let error = refused(w.place.location()).await;
    assert!(matches!(error, Error::Newer { found: 99, .. }), "{error}");
    w.place.meddle("delete from migrations where number = 99");
    Store::open(w.place.location()).await.unwrap().close().await;
}

async fn a_changed_step_is_refused(w: World) {
    w.store.close().await;
    w.place
        .meddle("update migrations set digest = 'x' where number = 1");
    assert_eq!(refused(w.place.location()).await, Error::Altered(1));
}

#[test]
fn both_databases_have_the_same_columns() {
    block_on(async {
        let mut schemas = Vec::new();
        for kind in [Kind::Sqlite, Kind::Postgres] {
            let place = Place::new(kind);
            let store = Store::open(place.location()).await.unwrap();
            let columns: Result<Vec<_>, Error> = store.read(health::columns).await;
            schemas.push(columns.unwrap());
            store.close().await;
        }
        assert!(schemas[0].len() > 100);
        assert_eq!(schemas[0], schemas[1]);
    });
}

#[test]
fn files_are_for_their_owner_alone() {
    block_on(async {
        let place = Place::new(Kind::Sqlite);
        let store = Store::open(place.location()).await.unwrap();
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let directory = place.file().parent().unwrap().to_owned();
        assert_eq!(mode(&directory), 0o700);
        let files: Vec<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|f| f.unwrap().path())
            .collect();
        assert!(
            files.len() >= 3,
            "the file, its log and its index: {files:?}"
        );
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        store.close().await;
    });
}

#[test]
fn what_is_no_database_is_left_as_it_was() {
    block_on(async {
        let place = Place::new(Kind::Sqlite);
        std::fs::create_dir(place.file().parent().unwrap()).unwrap();
        let bytes = "this is no database ".repeat(500);
        std::fs::write(place.file(), &bytes).unwrap();
        let error = refused(place.location()).await;
        assert!(matches!(error, Error::Corrupt(_)), "{error}");
        assert_eq!(std::fs::read_to_string(place.file()).unwrap(), bytes);
        let error = refused(Location::File("/proc/no/such/place.db".into())).await;
        assert!(matches!(error, Error::Location(_)), "{error}");
    });
}

#[test]
fn a_damaged_file_is_told_apart() {
    block_on(async {
        let place = Place::new(Kind::Sqlite);
        let store = Store::open(place.location()).await.unwrap();
        let system = System::mint();
        let filled: Result<(), Error> = store
            .write(move |tx| {
                (0..500).try_for_each(|n| meta::set(tx, system, &format!("k{n}"), &"x".repeat(500)))
            })
            .await;
        filled.unwrap();
        store.close().await;
        let mut bytes = std::fs::read(place.file()).unwrap();
        for byte in bytes.iter_mut().skip(4_096).step_by(7) {
            *byte = 0xff;
        }
        std::fs::write(place.file(), bytes).unwrap();
        let error = refused(place.location()).await;
        assert!(matches!(error, Error::Corrupt(_)), "{error}");
    });
}

#[test]
fn postgres_refusals_are_told_apart() {
    block_on(async {
        let url = testkit::postgres::new_database();
        let host = url.split_once('@').unwrap().1.split_once('/').unwrap().0;
        for (location, expected) in [
            (
                format!("postgres://guarded:wrong@{host}/postgres"),
                "refuses the sign-in",
            ),
            (
                format!("postgres://guarded@{host}/postgres"),
                "refuses the sign-in",
            ),
            (
                format!("postgres://nobody-such@{host}/postgres"),
                "refuses the sign-in",
            ),
            (
                format!("postgres://executor@{host}/no-such-database"),
                "refuses the sign-in",
            ),
            (
                "postgres://executor@127.0.0.1:1/x".to_owned(),
                "is not available",
            ),
            (format!("{url}?sslmode=require"), "is not available"),
            ("postgres://host:notaport/x".to_owned(), "cannot be opened"),
        ] {
            let error = refused(Location::Postgres(location.clone()))
                .await
                .to_string();
            assert!(error.contains(expected), "{location}: {error}");
        }
    });
}

#[test]
fn a_lost_connection_is_made_again() {
    block_on(async {
        let place = Place::new(Kind::Postgres);
        let store = Store::open(place.location()).await.unwrap();
        let system = System::mint();
        for n in 0..3 {
            let value = n.to_string();
            let written: Result<(), Error> = store
                .write(move |tx| meta::set(tx, system, "k", &value))
                .await;
            written.unwrap();
            place.meddle(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()",
            );
            let read: Result<_, Error> = store.read(move |r| meta::get(r, system, "k")).await;
            assert_eq!(read, Ok(Some(n.to_string())));
        }
        store.close().await;
    });
}

#[test]
fn two_servers_migrate_at_once() {
    block_on(async {
        let place = Place::new(Kind::Postgres);
        let opened = futures_util::future::join_all((0..4).map(|_| Store::open(place.location())));
        for store in opened.await {
            store.unwrap().close().await;
        }
    });
}
