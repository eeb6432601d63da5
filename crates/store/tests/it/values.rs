//! Large values: stored once, read whole or in parts, and never taken for what they are not.

use crate::samples::{approval, at, bits, call, delivery};
use crate::tasks::begun;
use crate::world::World;
use domain::HandleId;
use domain::call::{Call, CallStatus};
use domain::task::{Lease, Outcome, Task, TaskState};
use store::values::INLINE_BYTES_MAX;
use store::{Error, approvals, calls, handles, tasks};

on_each!(large_values_read_back, large_values_are_read_in_parts);

mod from_outside {
    use super::{a_value_is_stored_once, a_value_that_was_changed_breaks_the_journal};
    on_files!(
        a_value_is_stored_once,
        a_value_that_was_changed_breaks_the_journal
    );
}

/// A megabyte of JSON, of characters of every length.
fn large() -> String {
    format!("{{\"data\":\"{}\"}}", "aé€😀".repeat(100_000))
}

/// Ten calls that take and give the same large value.
async fn ten_calls(w: &World) -> (Task, Lease, Vec<Call>) {
    let (task, lease) = begun(w, "one", 0).await;
    let mut made = Vec::new();
    for n in 1..=10 {
        let mut row = call(&task.id, n, CallStatus::Running);
        row.arguments = large();
        let (scope, held, inserted) = (w.a.clone(), lease.clone(), row.clone());
        w.write(move |tx| {
            calls::insert(tx, &held, &scope, &inserted)?;
            let outcome = CallStatus::Succeeded(large());
            calls::record_outcome(tx, &held, n, &outcome, at(30), Some(delivery(n)))
        })
        .await;
        row.status = CallStatus::Succeeded(large());
        (row.finished_at, row.delivery) = (Some(at(30)), Some(delivery(n)));
        made.push(row);
    }
    (task, lease, made)
}

async fn journal(w: &World, task: &Task) -> Result<Vec<Call>, Error> {
    let (scope, id) = (w.a.clone(), task.id.clone());
    w.store.read(move |r| calls::list(r, &scope, &id)).await
}

async fn large_values_read_back(w: World) {
    let (task, lease, made) = ten_calls(&w).await;
    assert_eq!(journal(&w, &task).await.unwrap(), made);
    let (scope, id) = (w.a.clone(), task.id.clone());
    let one = w.read(move |r| calls::get(r, &scope, &id, 3)).await;
    assert_eq!(one.as_ref(), Some(&made[2]));

    let (scope, id) = (w.a.clone(), task.id.clone());
    let shown = w.read(move |r| calls::outline(r, &scope, &id)).await;
    let left_out: serde_json::Value = serde_json::from_str(&shown[0].arguments).unwrap();
    assert_eq!(left_out["$leftOut"], true);
    assert_eq!(left_out["bytes"], large().len());
    let preview = left_out["preview"].as_str().unwrap();
    assert!(
        large().starts_with(preview) && preview.len() > 100,
        "{preview}"
    );
    let CallStatus::Succeeded(result) = &shown[0].status else {
        panic!("{:?}", shown[0].status);
    };
    assert_eq!(*result, shown[0].arguments);

    let mut row = call(&task.id, 11, CallStatus::Waiting);
    row.arguments = large();
    let mut asked = approval(&row, 500);
    asked.request = format!("{{\"body\":{}}}", large());
    let (scope, held, stored) = (w.a.clone(), lease.clone(), asked.clone());
    w.write(move |tx| {
        calls::insert(tx, &held, &scope, &row)?;
        approvals::insert(tx, &scope, &stored)
    })
    .await;
    let (scope, id) = (w.a.clone(), asked.id.clone());
    let found = w.read(move |r| approvals::get(r, &scope, &id)).await;
    assert_eq!(found, Some(asked.clone()));
    let (scope, id) = (w.a.clone(), task.id.clone());
    let withdrawn = w
        .write(move |tx| approvals::withdraw_pending(tx, &scope, &id))
        .await;
    assert_eq!(withdrawn[0].request, asked.request);

    let held = lease.clone();
    w.write(move |tx| tasks::finish(tx, &held, &Outcome::Completed(large()), at(40)))
        .await;
    let whole = crate::tasks::get(&w, &task).await;
    assert_eq!(
        whole.state,
        TaskState::Finished(Outcome::Completed(large()))
    );
    let scope = w.a.clone();
    let listed = w
        .read(move |r| {
            let filter = tasks::TaskFilter {
                limit: 5,
                ..tasks::TaskFilter::default()
            };
            tasks::list(r, &scope, &filter)
        })
        .await;
    let TaskState::Finished(Outcome::Completed(shown)) = &listed[0].state else {
        panic!("{:?}", listed[0].state);
    };
    assert!(shown.len() < 1_000 && shown.contains("$leftOut"), "{shown}");
}

async fn large_values_are_read_in_parts(w: World) {
    let (task, _) = begun(&w, "one", 0).await;
    let handle = HandleId::from_bits(bits());
    let (scope, id, of) = (w.a.clone(), handle.clone(), task.id.clone());
    w.write(move |tx| handles::insert(tx, &scope, &id, &of, &large(), at(1)))
        .await;
    let read = |offset, length| {
        let (scope, id) = (w.a.clone(), handle.clone());
        w.read(move |r| handles::read(r, &scope, &id, offset, length))
    };
    let total = large().len() as u64;
    for length in [70_001, 262_144, 300_007, u64::MAX] {
        let mut whole = String::new();
        while (whole.len() as u64) < total {
            let part = read(whole.len() as u64, length).await.unwrap();
            assert_eq!((part.offset, part.bytes), (whole.len() as u64, total));
            assert!(!part.text.is_empty(), "at {}", whole.len());
            whole.push_str(&part.text);
        }
        assert_eq!(whole, large(), "read by {length}");
    }
    // A value that ends where a part ends.
    let (edge, id) = (HandleId::from_bits(bits()), HandleId::from_bits(bits()));
    let (scope, of, name) = (w.a.clone(), task.id.clone(), edge.clone());
    w.write(move |tx| handles::insert(tx, &scope, &name, &of, &"x".repeat(262_144), at(1)))
        .await;
    let scope = w.a.clone();
    let (last, none) = w
        .read(move |r| {
            Ok((
                handles::read(r, &scope, &edge, 262_144, 5)?,
                handles::read(r, &scope, &id, 0, 5)?,
            ))
        })
        .await;
    assert_eq!(
        last.map(|p| (p.offset, p.text)),
        Some((262_144, String::new()))
    );
    assert_eq!(none, None, "no such handle");
    // In the middle of a character, at the edges, past the end.
    for offset in [
        0,
        10,
        11,
        12,
        262_143,
        262_144,
        262_145,
        total - 1,
        total,
        total + 9,
    ] {
        let part = read(offset, 1).await.unwrap();
        let start = large().floor_char_boundary(offset.min(total) as usize);
        let expected: String = large()[start..].chars().take(1).collect();
        assert_eq!(
            (part.offset, part.text),
            (start as u64, expected),
            "{offset}"
        );
    }
}

async fn a_value_is_stored_once(w: World) {
    let (task, lease, _) = ten_calls(&w).await;
    let stored = || {
        w.place
            .number("select cast(coalesce(sum(length(content)), 0) as bigint) from value_parts")
    };
    let once = large().chars().count() as i64;
    assert_eq!(stored(), once, "ten calls, twenty times the same value");
    let in_rows = "select cast(sum(length(arguments) + length(outcome)) as bigint) from calls";
    assert!(w.place.number(in_rows) < 2_000);
    w.write(move |tx| tasks::finish(tx, &lease, &Outcome::Completed(large()), at(40)))
        .await;
    assert_eq!(stored(), once, "and its result is the same again");
    // Another workspace has its own, and a value that is not large stays in its row.
    let (scope, other) = (w.b.clone(), crate::samples::task(&w.b, 0));
    let of = other.id.clone();
    w.write(move |tx| {
        tasks::insert(tx, &scope, &other)?;
        let id = HandleId::from_bits(bits());
        handles::insert(tx, &scope, &id, &of, &large(), at(1))?;
        let (id, small) = (HandleId::from_bits(bits()), "x".repeat(INLINE_BYTES_MAX));
        handles::insert(tx, &scope, &id, &of, &small, at(1))
    })
    .await;
    assert_eq!(stored(), 2 * once);
    assert!(journal(&w, &task).await.is_ok());
}

async fn a_value_that_was_changed_breaks_the_journal(w: World) {
    for change in [
        "update value_parts set content = content || ' ' where begins = 0",
        "delete from value_parts where begins > 0",
        "update calls set arguments = '{}' where sequence = 1",
    ] {
        let (task, _, _) = ten_calls(&w).await;
        assert!(journal(&w, &task).await.is_ok());
        w.place.meddle(change);
        match journal(&w, &task).await {
            Err(Error::JournalBroken {
                task_id, sequence, ..
            }) => assert_eq!((task_id, sequence), (task.id, 1), "{change}"),
            other => panic!("{change}: {other:?}"),
        }
        w.place.meddle(
            "delete from value_holders; delete from value_parts; delete from stored_values;",
        );
    }
}
