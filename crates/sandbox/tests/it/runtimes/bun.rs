//! `local-bun`, with the Bun that npm installs.

use sandbox::{Event, FailureCode, LocalBun, LocalBunConfig, Sandbox};

use super::{behaves_as_the_isolate, differs_as_documented, installed, replays};
use crate::host::{drive, echo, start};

async fn local_bun(folder: &tempfile::TempDir) -> Option<LocalBun> {
    let config = LocalBunConfig {
        bun: installed("bun")?,
        folder: folder.path().to_owned(),
        processes_max: 4,
    };
    Some(LocalBun::start(config).await.unwrap())
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
