//! `local-bun`, with the Bun that npm installs.

use sandbox::{Event, FailureCode, LocalBun, LocalBunConfig, Sandbox};

use super::{
    behaves_as_the_isolate, differs_as_documented, installed, replays, run_on,
    shows_nothing_of_ours, until,
};
use crate::host::{drive, echo, isolate, start};

async fn local_bun(folder: &tempfile::TempDir) -> Option<LocalBun> {
    let config = LocalBunConfig {
        bun: installed("bun", &[".bin/bun"])?,
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
    shows_nothing_of_ours(&bun).await;
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
    until(|| running().is_none()).await;
    // One that never rests ends as well.
    let session = bun.start(start("for (;;);")).await.unwrap();
    assert!(running().is_some());
    drop(session);
    until(|| running().is_none()).await;
}

/// Code made from text stays in the program's world, as in the isolate.
#[tokio::test]
async fn local_bun_gives_code_from_text_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bun) = local_bun(&folder).await else {
        return;
    };
    let isolate = isolate().await;
    for reach in [
        "eval",
        "Function",
        "(() => {}).constructor",
        "(async () => {}).constructor",
        "(function* () {}).constructor",
        "console.log.constructor",
        "setTimeout.constructor",
        "crypto.randomUUID.constructor",
        "ToolError.constructor",
        "(await tools.a.b({})).constructor.constructor",
        "(await tools.fail.x({}).catch((e: any) => e)).constructor.constructor",
        "(() => { try { null!.x } catch (e: any) { return e.constructor.constructor } })()",
        "(await (eval as any)('import(\"node:fs\")').catch((e: any) => e)).constructor.constructor",
        "Object.getPrototypeOf(globalThis).constructor.constructor",
    ] {
        let source = format!(
            "const body = 'return [typeof process, typeof require, typeof Bun, typeof native, typeof host, typeof prelude, Object.keys(globalThis).length]';
             const reach: any = {reach}; let it = reach === eval ? reach('(() => {{' + body + '}})()') : reach(body)();
             if (it?.next) it = it.next(); it = await it; return it?.value ?? String(it)"
        );
        let expected = run_on(&isolate, start(&source)).await;
        assert_eq!(expected, run_on(&bun, start(&source)).await, "{reach}");
        let end = expected.last().unwrap();
        assert!(
            !end.contains("object") && !end.contains("function"),
            "{reach}: {end}"
        );
    }
}
