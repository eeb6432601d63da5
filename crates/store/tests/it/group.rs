//! Group commit: many writers share a commit, and none suffers for another.

use crate::samples::{at, audit as entry};
use crate::world::World;
use domain::WorkspaceId;
use domain::event::EventKind;
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{Error, audit, events, meta};

on_each!(
    a_failure_undoes_its_own_part_alone,
    a_failed_statement_undoes_its_own_part_alone,
    a_log_that_is_gone_stops_its_own_writer_alone,
    a_panic_is_an_error_of_its_own_writer,
    what_was_answered_is_read,
    a_dropped_writer_still_writes,
);

mod from_outside {
    use super::{a_reader_sees_one_state, closing_finishes_what_is_queued};
    on_files!(a_reader_sees_one_state, closing_finishes_what_is_queued);
}

async fn names(w: &World, of: impl Iterator<Item = String>) -> Vec<String> {
    let (system, names) = (w.system, of.collect::<Vec<_>>());
    w.read(move |r| {
        names
            .iter()
            .filter_map(|n| meta::get(r, system, n).transpose())
            .collect()
    })
    .await
}

async fn a_failure_undoes_its_own_part_alone(w: World) {
    let system = w.system;
    let writers = (0..60).map(|n: i32| {
        w.store.write(move |tx| {
            let name = format!("k{n}");
            meta::set(tx, system, &name, &name)?;
            if n % 7 == 3 {
                Err(Error::Closed)
            } else {
                Ok(n)
            }
        })
    });
    for (n, result) in (0..).zip(join_all(writers).await) {
        assert_eq!(
            result,
            if n % 7 == 3 {
                Err(Error::Closed)
            } else {
                Ok(n)
            }
        );
    }
    let kept = names(&w, (0..60).map(|n| format!("k{n}"))).await;
    let expected: Vec<_> = (0..60)
        .filter(|n| n % 7 != 3)
        .map(|n| format!("k{n}"))
        .collect();
    assert_eq!(kept, expected);
}

async fn a_failed_statement_undoes_its_own_part_alone(w: World) {
    let (system, scope) = (w.system, w.a.clone());
    let writers = (0..30).map(|n: i32| {
        let scope = scope.clone();
        w.store.write(move |tx| {
            meta::set(tx, system, &format!("k{n}"), "x")?;
            // The same key for every third: only the first of them can have it.
            let key = if n % 3 == 0 {
                "same".to_owned()
            } else {
                n.to_string()
            };
            store::idempotency::remember(tx, &scope, &key, "", "", crate::samples::at(0))?;
            Ok::<_, Error>(n)
        })
    });
    let won: Vec<i32> = join_all(writers)
        .await
        .into_iter()
        .filter_map(Result::ok)
        .collect();
    assert_eq!(won.iter().filter(|n| **n % 3 == 0).count(), 1);
    assert_eq!(won.len(), 21);
    assert_eq!(names(&w, (0..30).map(|n| format!("k{n}"))).await.len(), 21);
}

async fn a_log_that_is_gone_stops_its_own_writer_alone(w: World) {
    let system = w.system;
    let nowhere = WorkspaceId::from_bits([9; 16]);
    let gone = system.scope(w.a.organization_id().clone(), nowhere);
    let writers = (0..30).map(|n: i32| {
        let scope = if n % 3 == 0 { &gone } else { &w.a }.clone();
        w.store.write(move |tx| {
            meta::set(tx, system, &format!("k{n}"), "x")?;
            let kind = EventKind::Settings {};
            events::append(tx, &scope, None, at(0), &kind)?;
            audit::append(tx, &scope, entry(&scope, "settings.changed", "x"))?;
            Ok::<_, Error>(())
        })
    });
    for (n, result) in (0..).zip(join_all(writers).await) {
        let is_refused = matches!(&result, Err(Error::Conflict(of)) if of.contains("workspace"));
        assert_eq!(is_refused, n % 3 == 0, "{n}: {result:?}");
        assert_eq!(result.is_err(), is_refused, "{n}: {result:?}");
    }
    assert_eq!(names(&w, (0..30).map(|n| format!("k{n}"))).await.len(), 20);
    let scope = w.a.clone();
    let (events, entries) = w
        .read(move |r| {
            let events = events::after(r, &scope, 0, 99, true)?;
            Ok((events, audit::page(r, &scope, 0, 99)?))
        })
        .await;
    let numbers: Vec<i64> = events.iter().map(|e| e.sequence).collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    let mut chain = domain::audit::Chain::default();
    assert!(entries.iter().all(|entry| chain.take(entry).is_ok()));
    assert_eq!(entries.len(), 20);
}

async fn a_panic_is_an_error_of_its_own_writer(w: World) {
    let system = w.system;
    let writers = (0..10).map(|n: i32| {
        w.store.write(move |tx| {
            meta::set(tx, system, &format!("k{n}"), "x")?;
            assert!(n != 4, "this panic is part of the test");
            Ok::<_, Error>(n)
        })
    });
    for (n, result) in (0..).zip(join_all(writers).await) {
        match result {
            Ok(answer) => assert_eq!(answer, n),
            Err(error) => assert!(n == 4 && matches!(error, Error::Internal(_)), "{n} {error}"),
        }
    }
    assert_eq!(names(&w, (0..10).map(|n| format!("k{n}"))).await.len(), 9);
}

async fn what_was_answered_is_read(w: World) {
    let system = w.system;
    for n in 0..20 {
        let value = n.to_string();
        w.write(move |tx| meta::set(tx, system, "k", &value)).await;
        assert_eq!(
            w.read(move |r| meta::get(r, system, "k")).await,
            Some(n.to_string())
        );
    }
}

async fn a_dropped_writer_still_writes(w: World) {
    let system = w.system;
    let begun = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&begun);
    let mut write = w.store.write(move |tx| {
        seen.store(true, Ordering::SeqCst);
        meta::set(tx, system, "k", "x")
    });
    // Polled once, so that it is queued; then given up.
    assert!(futures_util::FutureExt::now_or_never(&mut write).is_none_or(|r| r.is_ok()));
    drop(write);
    // The next write is behind it in the queue.
    w.write(move |tx| meta::set(tx, system, "after", "x")).await;
    assert!(begun.load(Ordering::SeqCst));
    assert_eq!(
        w.read(move |r| meta::get(r, system, "k")).await,
        Some("x".to_owned())
    );
}

async fn a_reader_sees_one_state(w: World) {
    let system = w.system;
    w.write(move |tx| meta::set(tx, system, "k", "old")).await;
    let (store, handle) = (w.store.clone(), tokio::runtime::Handle::current());
    let seen = w
        .read(move |r| {
            let before = meta::get(r, system, "k")?;
            let written: Result<(), Error> =
                handle.block_on(store.write(move |tx| meta::set(tx, system, "k", "new")));
            written?;
            Ok((before, meta::get(r, system, "k")?))
        })
        .await;
    assert_eq!(seen, (Some("old".to_owned()), Some("old".to_owned())));
    assert_eq!(
        w.read(move |r| meta::get(r, system, "k")).await,
        Some("new".to_owned())
    );
}

async fn closing_finishes_what_is_queued(w: World) {
    let system = w.system;
    let writers: Vec<_> = (0..200)
        .map(|n| {
            tokio::spawn(
                w.store
                    .write(move |tx| meta::set(tx, system, &format!("k{n}"), "x")),
            )
        })
        .collect();
    w.store.close().await;
    let mut done = 0;
    for writer in writers {
        match writer.await.unwrap() {
            Ok(()) => done += 1,
            Err(error) => assert_eq!(error, Error::Closed),
        }
    }
    let late: Result<Option<String>, Error> =
        w.store.read(move |r| meta::get(r, system, "k")).await;
    assert_eq!(late, Err(Error::Closed));
    let again = store::Store::open(w.place.location()).await.unwrap();
    let kept: Result<usize, Error> = again
        .read(move |r| {
            let found = (0..200).filter_map(|n| meta::get(r, system, &format!("k{n}")).transpose());
            found
                .collect::<Result<Vec<_>, _>>()
                .map(|found| found.len())
        })
        .await;
    assert_eq!(
        kept,
        Ok(done),
        "what was answered is there, and nothing else"
    );
    again.close().await;
}
