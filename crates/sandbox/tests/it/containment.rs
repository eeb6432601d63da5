//! A worker that is taken over: what the kernel and the host let it do.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox::{Error, Event, Isolate, IsolateConfig, Sandbox};

use crate::host::{config, isolate, start};

const WORKER: &str = env!("CARGO_BIN_EXE_executor-sandbox-worker");
const SIGSYS: i32 = 31;

#[test]
fn forbidden_system_calls_kill() {
    for attempt in [
        "open",
        "parent-memory",
        "ptrace",
        "kill",
        "socket",
        "unix-socket",
        "connect",
        "clone",
        "execve",
        "exec-image",
        "mount",
        "keyctl",
        "io-uring",
        "bpf",
        "memfd",
        "userfaultfd",
        "unshare",
        "prctl",
        "setrlimit",
        "write-elsewhere",
        "write-image",
        "executable-memory",
        "make-executable",
        "map-file",
    ] {
        let status = Command::new(WORKER)
            .args(["probe", attempt])
            .env_clear()
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(SIGSYS), "{attempt}: {status}");
    }
    let control = Command::new(WORKER)
        .args(["probe", "control"])
        .env_clear()
        .status()
        .unwrap();
    assert_eq!(
        control.code(),
        Some(0),
        "what a worker needs must go on working"
    );
}

#[tokio::test]
async fn every_layer_is_reported_and_the_wall_stands() {
    let layers = isolate().await.layers();
    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "no_new_privs",
            "not_dumpable",
            "namespaces",
            "empty_root",
            "landlock",
            "capabilities",
            "limits",
            "seccomp"
        ]
    );
    let wall = layers.last().unwrap();
    assert!(wall.active && wall.required, "{wall:?}");
    assert!(
        layers
            .iter()
            .all(|layer| layer.active || layer.detail.starts_with("not active: ")),
        "{layers:?}"
    );
}

/// The worker under another name, which is how the test binary knows its part.
fn named(folder: &Path, name: &str) -> IsolateConfig {
    let worker_exe = folder.join(name);
    std::os::unix::fs::symlink(WORKER, &worker_exe).unwrap();
    IsolateConfig {
        worker_exe,
        ..config()
    }
}

#[tokio::test]
async fn without_seccomp_nothing_runs_unless_allowed_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let bare = named(folder.path(), "bare-worker");
    let refused = Isolate::start(bare.clone())
        .await
        .err()
        .expect("no seccomp, no programs");
    assert!(
        matches!(&refused, Error::Unprotected { layer, .. } if layer == "seccomp"),
        "{refused:?}"
    );
    assert!(
        refused
            .to_string()
            .contains("DANGEROUSLY_ALLOW_WEAK_SANDBOX=1"),
        "{refused}"
    );

    let allowed = Isolate::start(IsolateConfig {
        allow_weak: true,
        ..bare
    })
    .await
    .unwrap();
    let wall = allowed.layers().pop().unwrap();
    assert!(
        wall.name == "seccomp" && !wall.active && wall.detail.starts_with("not active: "),
        "{wall:?}"
    );
    let mut session = allowed.start(start("return 1")).await.unwrap();
    assert!(matches!(session.next().await, Event::Done { .. }));
}

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
    let isolate = isolate().await;
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
