//! Programs put away as bytes and gone on with elsewhere.

use std::sync::Arc;

use sandbox::{Command, Event, Isolate, Sandbox, Session, Snapshot, Start, compile};

use crate::host::{SOURCE_BYTES_MAX, isolate, limits, start};
use crate::time::{BRANCHING, newest_first, told};

/// Asks a resting program for its snapshot.
async fn snapshot(session: &mut Session) -> Option<Snapshot> {
    session.send(Command::Snapshot).await.expect("it lives");
    match session.next().await {
        Event::Snapshot(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

/// Plays recorded commands; before each, the program is put away and gone on with in a
/// new place.
async fn play_with_pauses(
    isolate: &Isolate,
    start: impl Fn() -> Start,
    journal: &[Command],
) -> Vec<Event> {
    let mut session = isolate.start(start()).await.unwrap();
    let mut events = Vec::new();
    let mut journal = journal.iter();
    loop {
        let event = session.next().await;
        events.push(event.clone());
        match event {
            Event::TurnEnd { .. } => {
                let taken = snapshot(&mut session).await.expect("it is small");
                drop(session);
                let kept = taken.to_bytes();
                let start = start();
                let snapshot = Snapshot::from_bytes(&kept, &start.program).expect("it fits");
                assert_eq!(snapshot, taken);
                session = isolate
                    .start(Start {
                        snapshot: Some(snapshot),
                        ..start
                    })
                    .await
                    .unwrap();
                let again = session.next().await;
                assert_eq!(
                    told(std::slice::from_ref(&again)),
                    told(&events[events.len() - 1..])
                );
                let next = journal.next().expect("no more turns than recorded");
                session.send(next.clone()).await.unwrap();
            }
            Event::Call { .. } | Event::Log { .. } | Event::Snapshot(_) => {}
            Event::Done { .. } | Event::Failed(_) | Event::Lost => return events,
        }
    }
}

#[tokio::test]
async fn a_program_paused_at_every_turn_runs_as_if_it_never_was() {
    let isolate = isolate().await;
    let mut journal = Vec::new();
    let live = {
        let mut session = isolate.start(start(BRANCHING)).await.unwrap();
        newest_first(&mut session, &mut journal).await
    };
    assert!(journal.len() > 12, "{journal:?}");
    let paused = play_with_pauses(&isolate, || start(BRANCHING), &journal).await;
    assert_eq!(told(&live), told(&paused));
}

#[tokio::test]
async fn memory_beyond_the_image_comes_back() {
    let source = "const held = Array.from({ length: 60000 }, (_, i) => ({ i })); let spent = 0; for (let i = 0; i < 1e6; i++) spent += i;
        await tools.x.y({}); return [held.length, held[59999].i, spent, Math.random()]";
    let isolate = isolate().await;
    let mut journal = Vec::new();
    let live = {
        let mut session = isolate.start(start(source)).await.unwrap();
        newest_first(&mut session, &mut journal).await
    };
    let paused = play_with_pauses(&isolate, || start(source), &journal).await;
    assert_eq!(told(&live), told(&paused));
    let spent = |events: &[Event]| match events.last() {
        Some(Event::Done { compute_ms, .. }) => *compute_ms,
        other => panic!("{other:?}"),
    };
    assert!(spent(&paused) > 0, "what was computed before counts");
}

#[tokio::test]
async fn limits_go_on_from_where_they_were() {
    let source =
        "console.log('x'.repeat(600)); await tools.x.y({}); console.log('x'.repeat(600)); return 1";
    let isolate = isolate().await;
    let tight = || {
        let mut start = start(source);
        start.limits.log_bytes_max = 1_000;
        start
    };
    let mut session = isolate.start(tight()).await.unwrap();
    while !matches!(session.next().await, Event::TurnEnd { .. }) {}
    let taken = snapshot(&mut session).await.unwrap();
    let mut session = isolate
        .start(Start {
            snapshot: Some(taken),
            ..tight()
        })
        .await
        .unwrap();
    assert!(matches!(
        session.next().await,
        Event::TurnEnd {
            pending_calls: 1,
            ..
        }
    ));
    let answer = Command::Deliver {
        seq: 1,
        now_ms: 1,
        elapsed_ms: 1,
        outcome: sandbox::Outcome::Value("{}".into()),
    };
    session.send(answer).await.unwrap();
    let Event::Failed(failure) = session.next().await else {
        panic!("1,200 bytes of log under a limit of 1,000");
    };
    assert_eq!(failure.code, sandbox::FailureCode::LogLimit);
}

#[tokio::test]
async fn a_snapshot_fits_its_program_only_and_a_broken_one_is_refused() {
    let isolate = isolate().await;
    let source = "await tools.x.y({}); return 1";
    let mut session = isolate.start(start(source)).await.unwrap();
    while !matches!(session.next().await, Event::TurnEnd { .. }) {}
    let taken = snapshot(&mut session).await.unwrap();
    assert_eq!(taken.pending().collect::<Vec<_>>(), [1]);
    let kept = taken.to_bytes();
    let own = start(source).program;
    assert!(Snapshot::from_bytes(&kept, &own).is_some(), "control");
    let other = compile("await tools.x.y({}); return 2", SOURCE_BYTES_MAX).unwrap();
    assert!(Snapshot::from_bytes(&kept, &other).is_none());
    assert!(Snapshot::from_bytes(&kept[..40], &own).is_none());

    // Cut in the middle of its memory: the worker says so and lives on.
    let cut = Snapshot::from_bytes(&kept[..kept.len() - 100], &own).expect("its head is whole");
    let before = isolate.stats().workers_lost;
    let mut session = isolate
        .start(Start {
            snapshot: Some(cut),
            ..start(source)
        })
        .await
        .unwrap();
    let Event::Failed(failure) = session.next().await else {
        panic!("half a memory was taken for a whole one");
    };
    assert_eq!(failure.code, sandbox::FailureCode::Internal);
    assert_eq!(isolate.stats().workers_lost, before);
}

#[tokio::test]
async fn a_program_too_large_to_put_away_says_so_and_goes_on() {
    let source =
        "const held = new Uint8Array(20 << 20).fill(7); await tools.x.y({}); return held[9]";
    let isolate = isolate().await;
    let mut session = isolate
        .start(Start {
            program: Arc::new(compile(source, SOURCE_BYTES_MAX).unwrap()),
            limits: limits(),
            ..start("return 1")
        })
        .await
        .unwrap();
    while !matches!(session.next().await, Event::TurnEnd { .. }) {}
    assert_eq!(snapshot(&mut session).await, None);
    let answer = Command::Deliver {
        seq: 1,
        now_ms: 1,
        elapsed_ms: 1,
        outcome: sandbox::Outcome::Value("{}".into()),
    };
    session.send(answer).await.unwrap();
    assert!(matches!(session.next().await, Event::Done { result, .. } if result == "7"));
}
