//! A worker that is taken over or killed: what the host makes of it.

use std::path::PathBuf;

use sandbox::{Event, Isolate, IsolateConfig, Sandbox};

use crate::host::{config, named, one_worker, start};

#[tokio::test]
async fn a_worker_that_cannot_start_is_an_error_that_names_it() {
    let error = Isolate::start(IsolateConfig {
        worker_exe: PathBuf::from("/nowhere/worker"),
        ..config()
    })
    .await
    .err()
    .unwrap();
    assert!(error.to_string().contains("/nowhere/worker"), "{error}");
}

#[tokio::test]
async fn lies_kill_the_worker_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    for lie in [
        "other-task",
        "other-worker",
        "task-zero",
        "four-gigabytes",
        "unknown-kind",
        "host-kind",
        "second-hello",
        "reserved-bits",
        "call-out-of-order",
        "call-short",
        "call-lengths",
        "call-no-object",
        "call-not-json",
        "call-deep",
        "call-path-long",
        "call-not-text",
        "log-not-text",
        "log-level",
        "log-flood",
        "done-not-json",
        "done-deep",
        "done-huge",
        "turn-end-pending",
        "turn-end-nan",
        "log-after-turn",
        "gone",
    ] {
        let isolate = Isolate::start(named(folder.path(), &format!("liar-{lie}")))
            .await
            .unwrap();
        let mut session = isolate.start(start("return 1")).await.unwrap();
        let mut event = session.next().await;
        if lie == "log-after-turn" {
            assert!(matches!(event, Event::TurnEnd { .. }), "{lie}: {event:?}");
            event = session.next().await;
        }
        assert_eq!(event, Event::Lost, "{lie}");
    }
}

#[tokio::test]
async fn a_second_end_is_not_heard() {
    let folder = tempfile::tempdir().unwrap();
    let isolate = Isolate::start(named(folder.path(), "liar-done-twice"))
        .await
        .unwrap();
    let mut session = isolate.start(start("return 1")).await.unwrap();
    assert!(matches!(session.next().await, Event::Done { result, .. } if result == "1"));
    assert_eq!(session.next().await, Event::Lost);
}

#[tokio::test]
async fn a_killed_worker_is_lost_and_replaced() {
    let isolate = one_worker().await;
    let mut session = isolate
        .start(start("await tools.a.b({}); return 1"))
        .await
        .unwrap();
    assert!(matches!(session.next().await, Event::Call { .. }));
    assert!(matches!(session.next().await, Event::TurnEnd { .. }));
    let pid = worker_of_this_test();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(session.next().await, Event::Lost);
    // The next program finds the replacement.
    let mut next = isolate.start(start("return 2")).await.unwrap();
    assert!(matches!(next.next().await, Event::Done { result, .. } if result == "2"));
    assert_eq!(isolate.stats().workers_lost, 1);
}

/// The only child that was started by this test's thread.
fn worker_of_this_test() -> rustix::process::Pid {
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap();
    let pids: Vec<i32> = children
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 1, "{children}");
    rustix::process::Pid::from_raw(pids[0]).unwrap()
}
