//! The same program gives the same result on every runtime.
//!
//! Each program runs on the isolate first; what it calls, logs, returns and
//! waits for there, to the byte, is what every other runtime must give. What
//! an engine words or does in its own way stands in `runtimes/differences.rs`,
//! and is asserted too: a difference that vanishes fails the suite.

mod differences;
mod programs;

use std::path::PathBuf;

use sandbox::{Event, FailureCode, LocalBun, LocalBunConfig, Sandbox, Start};

use crate::host::{drive, echo, isolate, start};
use crate::time::{BRANCHING, newest_first, replay, told};

/// A program of `npm`'s that the tests install, or why the case is skipped.
fn installed(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/node/node_modules/.bin")
        .join(name);
    if !path.exists() {
        eprintln!("SKIPPED: {name} is not installed; run `cargo xtask setup`");
        return None;
    }
    Some(path.canonicalize().unwrap())
}

async fn local_bun(folder: &tempfile::TempDir) -> Option<LocalBun> {
    let config = LocalBunConfig {
        bun: installed("bun")?,
        folder: folder.path().to_owned(),
        processes_max: 4,
    };
    Some(LocalBun::start(config).await.unwrap())
}

/// What a run showed from first to last, on a runtime.
async fn run_on(runtime: &dyn Sandbox, start: Start) -> Vec<String> {
    let mut session = runtime.start(start).await.unwrap();
    told(&drive(&mut session, echo).await)
}

/// Runs every program on the isolate and on another runtime, and lists what differs.
async fn behaves_as_the_isolate(other: &dyn Sandbox) {
    let isolate = isolate().await;
    let mut wrong = Vec::new();
    for source in programs::SAME {
        let expected = run_on(&isolate, start(source)).await;
        let found = run_on(other, start(source)).await;
        if expected != found {
            let same = expected.iter().zip(&found).take_while(|(a, b)| a == b);
            let at = same.count();
            wrong.push(format!(
                "{source}\n  isolate: {:?}\n  {}: {:?}",
                expected.get(at),
                other.name(),
                found.get(at)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What differs, differs as it is written down: no more, no less.
async fn differs_as_documented(other: &dyn Sandbox) {
    let isolate = isolate().await;
    let mut wrong = Vec::new();
    for different in differences::DIFFERENT {
        let own = run_on(&isolate, start(different.source)).await;
        let foreign = run_on(other, start(different.source)).await;
        let expected = match other.name() {
            "local-bun" => different.local_bun,
            _ => different.cloudflare_worker,
        };
        let expected = expected.unwrap_or(different.isolate);
        for (name, expected, found) in [
            ("isolate", different.isolate, own.join("\n")),
            (other.name(), expected, foreign.join("\n")),
        ] {
            if found != expected {
                wrong.push(format!("{}\n  {name}: {found:?}", different.source));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A run is rebuilt from its deliveries, on the same runtime in another session.
async fn replays(other: &dyn Sandbox) {
    let mut journal = Vec::new();
    let mut session = other.start(start(BRANCHING)).await.unwrap();
    let live = told(&newest_first(&mut session, &mut journal).await);
    assert!(live.len() > 40, "{live:#?}");
    let mut session = other.start(start(BRANCHING)).await.unwrap();
    assert_eq!(live, told(&replay(&mut session, &journal).await));
    let isolate = isolate().await;
    let mut session = isolate.start(start(BRANCHING)).await.unwrap();
    assert_eq!(live, told(&replay(&mut session, &journal).await));
}

#[tokio::test]
async fn local_bun_runs_every_program_as_the_isolate_does() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bun) = local_bun(&folder).await else {
        return;
    };
    behaves_as_the_isolate(&bun).await;
    differs_as_documented(&bun).await;
    replays(&bun).await;
}

#[tokio::test]
async fn local_bun_holds_a_program_to_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bun) = local_bun(&folder).await else {
        return;
    };
    for (source, code) in [
        ("while (true) {}", FailureCode::ComputeLimit),
        (
            "for (;;) { try { while (true) {} } catch {} finally { continue } }",
            FailureCode::ComputeLimit,
        ),
        (
            "const spin = async () => { for (;;) await null }; await spin()",
            FailureCode::ComputeLimit,
        ),
        (
            "await tools.a.b({}); /^(a+)+$/.test('a'.repeat(60) + 'b'); for (;;);",
            FailureCode::ComputeLimit,
        ),
        (
            "const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))",
            FailureCode::MemoryLimit,
        ),
        (
            "for (;;) try { console.log('x'.repeat(1e5)) } catch {}",
            FailureCode::LogLimit,
        ),
        ("return 'x'.repeat(2e6)", FailureCode::ResultLimit),
    ] {
        let mut start = start(source);
        start.limits.compute_ms = 1_000;
        let mut session = bun.start(start).await.unwrap();
        match drive(&mut session, echo).await.pop() {
            Some(Event::Failed(failure)) => {
                assert_eq!(failure.code, code, "{source}: {failure:?}");
                assert!(failure.message.contains("its limit of"), "{failure:?}");
            }
            other => panic!("{source}: {other:?}"),
        }
    }
    // The control: a program that stays within them ends well.
    let mut session = bun
        .start(start("for (let i = 0; i < 1e6; i++); return 1"))
        .await
        .unwrap();
    let end = drive(&mut session, echo).await.pop();
    assert!(matches!(end, Some(Event::Done { .. })), "{end:?}");
}

#[tokio::test]
async fn local_bun_has_no_environment_and_ends_with_its_session() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bun) = local_bun(&folder).await else {
        return;
    };
    let mut session = bun.start(start("await tools.a.b({})")).await.unwrap();
    while !matches!(session.next().await, Event::TurnEnd { .. }) {}
    let empty = folder.path().join("empty");
    let running = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut own = processes.map(|p| p.path());
        own.find(|p| std::fs::read_link(p.join("cwd")).is_ok_and(|cwd| cwd == empty))
    };
    let process = running().expect("a process of its own");
    let environment = std::fs::read_to_string(process.join("environ")).unwrap();
    let names: Vec<&str> = environment
        .split_terminator('\0')
        .filter_map(|pair| Some(pair.split_once('=')?.0))
        .collect();
    assert!(
        names
            .iter()
            .all(|n| *n == "TZ" || n.starts_with("BUN_JSC_")),
        "{names:?}"
    );
    drop(session);
    for _ in 0..1_000 {
        if running().is_none() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the process outlives its session");
}
