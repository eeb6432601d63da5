//! Neighbors, tenants and places.

use sandbox::{
    Command, Event, FailureCode, Isolate, IsolateConfig, Outcome, Sandbox, Session, Start,
};

use crate::host::{NOW_MS, config, drive, echo, one_worker, start};

/// Starts a program that waits for an answer.
async fn waiting(isolate: &Isolate) -> Session {
    let mut session = isolate
        .start(start(
            "const r = await tools.x.y({}); return [r, Math.random() < 1]",
        ))
        .await
        .unwrap();
    while !matches!(session.next().await, Event::TurnEnd { .. }) {}
    session
}

async fn answered(mut session: Session) -> Event {
    session
        .send(Command::Deliver {
            seq: 1,
            now_ms: NOW_MS,
            elapsed_ms: 5,
            outcome: Outcome::Value("7".into()),
        })
        .await
        .unwrap();
    session.next().await
}

#[tokio::test]
async fn a_busy_neighbor_holds_nobody_up() {
    let isolate = one_worker().await;
    let mut busy = Vec::new();
    for _ in 0..3 {
        busy.push(isolate.start(start("for (;;);")).await.unwrap());
    }
    // All in the one worker, and none of the busy ends before these do.
    for _ in 0..5 {
        let session = waiting(&isolate).await;
        assert!(
            matches!(answered(session).await, Event::Done { result, .. } if result == "[7,true]")
        );
    }
    assert_eq!(isolate.stats().workers, 1);
}

#[tokio::test]
async fn attacked_neighbors_go_on_unharmed() {
    let isolate = one_worker().await;
    let suspended = waiting(&isolate).await;
    for attack in [
        "for (;;);",
        "const a = []; for (;;) a.push(new ArrayBuffer(1e6))",
        "for (;;) console.log('x')",
        "const f = () => f(); f()",
    ] {
        let mut hostile = start(attack);
        hostile.limits.compute_ms = 100;
        let mut session = isolate.start(hostile).await.unwrap();
        assert!(
            matches!(
                drive(&mut session, echo).await.pop(),
                Some(Event::Failed(_))
            ),
            "{attack}"
        );
    }
    assert!(
        matches!(answered(suspended).await, Event::Done { result, .. } if result == "[7,true]")
    );
    assert_eq!(isolate.stats().workers_lost, 0);
}

#[tokio::test]
async fn nothing_is_left_behind_for_the_next_program() {
    let isolate = one_worker().await;
    for _ in 0..5 {
        let source = "const g: any = globalThis; const before = [g.left, (Array.prototype as any).left, JSON.parse('1')]; g.left = 1; (Array.prototype as any).left = 2; JSON.parse = () => 9; return before";
        let mut session = isolate.start(start(source)).await.unwrap();
        assert!(
            matches!(drive(&mut session, echo).await.pop(), Some(Event::Done { result, .. }) if result == "[null,null,1]")
        );
    }
}

#[tokio::test]
async fn two_tenants_never_share_a_worker_at_the_same_time() {
    let isolate = Isolate::start(IsolateConfig {
        workers_max: 2,
        ..config()
    })
    .await
    .unwrap();
    let of = |tenant: &str| Start {
        tenant: tenant.into(),
        ..start("await tools.x.y({})")
    };
    let first = isolate.start(of("a")).await.unwrap();
    let second = isolate.start(of("b")).await.unwrap();
    assert_eq!(
        isolate.stats().workers,
        2,
        "the second tenant gets a worker of its own"
    );
    let own = isolate.start(of("a")).await.unwrap();
    assert_eq!(
        isolate.stats().sessions,
        3,
        "the first tenant still has room in its own"
    );
    let mut third = isolate.start(of("c"));
    assert!(
        futures_util::poll!(&mut third).is_pending(),
        "no worker is free for a third"
    );
    drop((second, own));
    third.await.unwrap();
    drop(first);
}

#[tokio::test]
async fn a_dropped_session_ends_its_program_and_frees_its_place() {
    let isolate = one_worker().await;
    let of = |tenant: &str, source: &str| Start {
        tenant: tenant.into(),
        ..start(source)
    };
    let busy = isolate.start(of("a", "for (;;);")).await.unwrap();
    let mut next = isolate.start(of("b", "return 1"));
    assert!(futures_util::poll!(&mut next).is_pending());
    drop(busy);
    let mut session = next.await.unwrap();
    assert!(matches!(session.next().await, Event::Done { result, .. } if result == "1"));
}

#[tokio::test]
async fn an_ended_session_takes_no_more_and_frees_its_place() {
    let isolate = one_worker().await;
    let mut session = isolate.start(start("return 1")).await.unwrap();
    assert!(matches!(session.next().await, Event::Done { .. }));
    assert_eq!(session.next().await, Event::Lost);
    assert!(
        session
            .send(Command::Advance {
                now_ms: NOW_MS,
                elapsed_ms: 1
            })
            .await
            .is_err()
    );
    // Held by nobody: the place of a program that ended is free although its session lives.
    let mut other = isolate
        .start(Start {
            tenant: "other".into(),
            ..start("return 2")
        })
        .await
        .unwrap();
    assert!(matches!(other.next().await, Event::Done { .. }));
}

#[tokio::test]
async fn many_programs_share_a_worker() {
    let isolate = one_worker().await;
    let mut sessions = Vec::new();
    for _ in 0..100 {
        sessions.push(waiting(&isolate).await);
    }
    let mut late = isolate.start(start("return 1"));
    assert!(
        futures_util::poll!(&mut late).is_pending(),
        "one more than there are places"
    );
    for session in sessions {
        assert!(matches!(answered(session).await, Event::Done { .. }));
    }
    late.await.unwrap();
}

#[tokio::test]
async fn a_slow_listener_loses_nothing() {
    let isolate = one_worker().await;
    let mut session = isolate
        .start(start(
            "for (let i = 0; i < 20000; i++) console.log(i); return 1",
        ))
        .await
        .unwrap();
    // Another program of the same worker runs while thousands of lines wait to be read.
    let mut lines = 0;
    loop {
        match session.next().await {
            Event::Log { text, .. } => {
                assert_eq!(text, lines.to_string());
                lines += 1;
                if lines % 1000 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            Event::Done { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lines, 20_000);
}

#[tokio::test]
async fn logs_arrive_while_the_program_runs() {
    let isolate = one_worker().await;
    let mut forever = start("console.warn('working'); for (;;);");
    forever.limits.compute_ms = 60_000;
    let mut session = isolate.start(forever).await.unwrap();
    assert!(matches!(session.next().await, Event::Log { text, .. } if text == "working"));
}

#[tokio::test]
async fn an_answer_nobody_waits_for_ends_the_session_only() {
    let isolate = one_worker().await;
    let mut session = waiting(&isolate).await;
    session
        .send(Command::Deliver {
            seq: 9,
            now_ms: NOW_MS,
            elapsed_ms: 1,
            outcome: Outcome::Value("1".into()),
        })
        .await
        .unwrap();
    assert_eq!(session.next().await, Event::Lost);
    assert!(matches!(
        answered(waiting(&isolate).await).await,
        Event::Done { .. }
    ));
    assert_eq!(isolate.stats().workers_lost, 0);
}

#[tokio::test]
async fn a_program_that_fails_frees_its_place() {
    let isolate = one_worker().await;
    for _ in 0..250 {
        let mut session = isolate.start(start("throw 1")).await.unwrap();
        assert!(matches!(session.next().await, Event::Failed(f) if f.code == FailureCode::Thrown));
    }
}
