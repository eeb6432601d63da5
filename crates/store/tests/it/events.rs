//! Events: numbered without gaps, in the order in which they became durable.

use crate::samples::{at, bits};
use crate::world::World;
use domain::event::{EventKind, LogLevel};
use domain::{ApprovalId, CallId, SourceId, TaskId};
use futures_util::future::join_all;
use store::{Error, events};

on_each!(
    every_kind_reads_back,
    numbers_have_no_gaps_and_no_reader_overtakes,
    logs_read_on
);

async fn every_kind_reads_back(w: World) {
    let task_id = TaskId::from_bits(bits());
    let kinds = vec![
        EventKind::Task {
            status: "queued".into(),
        },
        EventKind::Log {
            line: 1,
            level: LogLevel::Warn,
            text: "a\u{0}b é".into(),
        },
        EventKind::Call {
            call_id: CallId::from_bits(bits()),
            sequence: 1,
            tool: "a.b".into(),
            status: "running".into(),
        },
        EventKind::Approval {
            approval_id: ApprovalId::from_bits(bits()),
            tool: "a.b".into(),
            status: "pending".into(),
        },
        EventKind::Source {
            source_id: SourceId::from_bits(bits()),
            change: "added".into(),
        },
        EventKind::Policy { version: 4 },
    ];
    let (scope, id, written) = (w.a.clone(), task_id.clone(), kinds.clone());
    w.write(move |tx| {
        for (n, kind) in (1i64..).zip(&written) {
            let about = (n <= 4).then_some(&id);
            events::append(tx, &scope, about, at(n), kind)?;
        }
        Ok(())
    })
    .await;
    let (scope, id) = (w.a.clone(), task_id.clone());
    let (all, of_task, last) = w
        .read(move |r| {
            let of_task = events::task_after(r, &scope, &id, 1, 2)?;
            Ok((
                events::after(r, &scope, 0, 99, true)?,
                of_task,
                events::last(r, &scope)?,
            ))
        })
        .await;
    assert_eq!(
        all.iter().map(|e| e.kind.clone()).collect::<Vec<_>>(),
        kinds
    );
    assert_eq!(
        all.iter().map(|e| e.sequence).collect::<Vec<_>>(),
        (1..=6).collect::<Vec<_>>()
    );
    assert_eq!(
        all.iter().map(|e| e.at).collect::<Vec<_>>(),
        (1..=6).map(at).collect::<Vec<_>>()
    );
    assert_eq!(
        (all[3].task_id.as_ref(), all[4].task_id.as_ref()),
        (Some(&task_id), None)
    );
    assert_eq!(of_task, all[1..3]);
    assert_eq!(last, 6);
    for foreign in [w.b.clone(), w.sibling.clone()] {
        let id = task_id.clone();
        let seen = w
            .read(move |r| {
                let mut seen = events::after(r, &foreign, 0, 99, true)?;
                seen.extend(events::task_after(r, &foreign, &id, 0, 99)?);
                seen.extend(events::logs(r, &foreign, &id, 0, 99)?);
                Ok((seen, events::last(r, &foreign)?))
            })
            .await;
        assert_eq!(seen, (Vec::new(), 0));
    }
}

async fn numbers_have_no_gaps_and_no_reader_overtakes(w: World) {
    const WRITERS: i64 = 6;
    const EACH: i64 = 15;
    let writers = join_all((0..WRITERS).map(|n| {
        let store = if n % 2 == 0 {
            w.store.clone()
        } else {
            w.other.clone()
        };
        let scope = w.a.clone();
        async move {
            for i in 0..EACH {
                let scope = scope.clone();
                let kind = EventKind::Policy {
                    version: n * EACH + i,
                };
                let done = store
                    .write(move |tx| {
                        events::append(tx, &scope, None, at(0), &kind)?;
                        // Every fifth changes its mind: its number must not be missed.
                        if i % 5 == 4 {
                            Err(Error::Closed)
                        } else {
                            Ok(())
                        }
                    })
                    .await;
                assert_eq!(done.is_err(), i % 5 == 4);
            }
        }
    }));
    let expected = WRITERS * EACH * 4 / 5;
    let reader = async {
        let mut last = 0;
        while last < expected {
            let scope = w.a.clone();
            for event in w
                .read(move |r| events::after(r, &scope, last, 7, true))
                .await
            {
                assert_eq!(event.sequence, last + 1);
                last = event.sequence;
            }
        }
    };
    tokio::join!(writers, reader);
    let scope = w.a.clone();
    assert_eq!(w.read(move |r| events::last(r, &scope)).await, expected);
}

async fn logs_read_on(w: World) {
    let task_id = TaskId::from_bits(bits());
    let (scope, id) = (w.a.clone(), task_id.clone());
    w.write(move |tx| {
        for line in 1..=5 {
            let kind = EventKind::Log {
                line,
                level: LogLevel::Log,
                text: line.to_string(),
            };
            events::append(tx, &scope, Some(&id), at(0), &kind)?;
            let other = EventKind::Task {
                status: "running".into(),
            };
            events::append(tx, &scope, Some(&id), at(0), &other)?;
        }
        Ok(())
    })
    .await;
    let scope = w.a.clone();
    let lines = w
        .read(move |r| events::logs(r, &scope, &task_id, 2, 2))
        .await;
    let texts: Vec<_> = lines
        .into_iter()
        .filter_map(|e| {
            if let EventKind::Log { text, .. } = e.kind {
                Some(text)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(texts, ["3", "4"]);
}
