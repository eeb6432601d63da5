//! A host for tests: one shared pool of workers, and scripted answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox::{
    Command, Event, Isolate, IsolateConfig, Limits, Outcome, Sandbox, Session, Start, compile,
};

pub(crate) const NOW_MS: i64 = 1_790_000_000_000;
pub(crate) const SOURCE_BYTES_MAX: usize = 256 << 10;

pub(crate) fn config() -> IsolateConfig {
    IsolateConfig::new(PathBuf::from(env!("CARGO_BIN_EXE_executor-sandbox-worker")))
}

/// The worker under another name, which is how the test binary knows its part.
pub(crate) fn named(folder: &Path, name: &str) -> IsolateConfig {
    let worker_exe = folder.join(name);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_executor-sandbox-worker"), &worker_exe)
        .expect("the folder is writable");
    IsolateConfig {
        worker_exe,
        ..config()
    }
}

pub(crate) async fn isolate() -> Isolate {
    Isolate::start(config()).await.expect("workers start")
}

pub(crate) async fn one_worker() -> Isolate {
    Isolate::start(IsolateConfig {
        workers_max: 1,
        ..config()
    })
    .await
    .expect("workers start")
}

pub(crate) fn limits() -> Limits {
    Limits {
        compute_ms: 10_000,
        memory_bytes: 64 << 20,
        calls_max: 1_000,
        calls_in_flight_max: 32,
        log_bytes_max: 1 << 20,
        result_bytes_max: 1 << 20,
        message_bytes_max: 10 << 20,
    }
}

pub(crate) fn start(source: &str) -> Start {
    let program = compile(source, SOURCE_BYTES_MAX).unwrap_or_else(|e| panic!("{source}\n{e}"));
    Start {
        tenant: "ws_test".into(),
        program: Arc::new(program),
        seed: [7; 32],
        now_ms: NOW_MS,
        elapsed_ms: 0,
        limits: limits(),
        snapshot: None,
    }
}

/// How a test's host answers a call.
pub(crate) type Answer = fn(&str, &str) -> Outcome;

/// Echoes the arguments, except for paths that begin with `fail`.
pub(crate) fn echo(path: &str, arguments: &str) -> Outcome {
    if path.starts_with("fail") {
        let error = format!(
            r#"{{"code":"upstream_error","message":"it said no","tool":"{path}","status":500,"details":{{"a":1}},"retryable":true}}"#
        );
        return Outcome::Error(error.into());
    }
    Outcome::Value(arguments.into())
}

/// Runs a session to its end: answers calls in order, one second later each,
/// and advances to the next timer when nothing is pending. Returns every event.
pub(crate) async fn drive(session: &mut Session, answer: Answer) -> Vec<Event> {
    let mut events = Vec::new();
    let mut waiting = std::collections::VecDeque::new();
    let mut elapsed_ms = 0;
    loop {
        let event = session.next().await;
        events.push(event.clone());
        match event {
            Event::Call {
                seq,
                path,
                arguments,
                ..
            } => waiting.push_back((seq, answer(&path, &arguments))),
            Event::Log { .. } | Event::Snapshot(_) => {}
            Event::TurnEnd {
                next_timer_elapsed_ms,
                ..
            } => {
                let command = match (waiting.pop_front(), next_timer_elapsed_ms) {
                    (Some((seq, outcome)), _) => {
                        elapsed_ms += 1_000;
                        Command::Deliver {
                            seq,
                            now_ms: NOW_MS + elapsed_ms as i64,
                            elapsed_ms,
                            outcome,
                        }
                    }
                    (None, Some(due)) => {
                        elapsed_ms = elapsed_ms.max(due);
                        Command::Advance {
                            now_ms: NOW_MS + elapsed_ms as i64,
                            elapsed_ms,
                        }
                    }
                    (None, None) => panic!("a turn ended with nothing to wait for"),
                };
                session.send(command).await.expect("the session lives");
            }
            Event::Done { .. } | Event::Failed(_) | Event::Lost => return events,
        }
    }
}

/// Runs a source on a fresh isolate with answers from [`echo`].
pub(crate) async fn run(source: &str) -> Vec<Event> {
    run_start(start(source)).await
}

pub(crate) async fn run_start(start: Start) -> Vec<Event> {
    let isolate = isolate().await;
    let mut session = isolate.start(start).await.expect("a place");
    drive(&mut session, echo).await
}

/// The result of a program that must succeed.
pub(crate) async fn result(source: &str) -> String {
    match run(source).await.pop() {
        Some(Event::Done { result, .. }) => result,
        other => panic!("{source}\n{other:?}"),
    }
}

/// The failure of a program that must fail.
pub(crate) async fn failure(source: &str) -> sandbox::Failure {
    failure_of(start(source)).await
}

pub(crate) async fn failure_of(start: Start) -> sandbox::Failure {
    match run_start(start).await.pop() {
        Some(Event::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}
