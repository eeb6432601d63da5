//! What a worker asks of the kernel while it serves, seen by a tracer and held against the list.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sandbox::{Event, Isolate, IsolateConfig, Sandbox, Start};

use crate::host::{config, drive, echo, limits, start};

const WORKER: &str = env!("CARGO_BIN_EXE_executor-sandbox-worker");

/// Honest and hostile: they reach every part of a worker that could ask for something.
const PROGRAMS: [&str; 8] = [
    "console.log(new Date(), Math.random(), crypto.randomUUID()); return await tools.a.b({ x: 1 })",
    "for (;;);",
    "const a = []; for (;;) a.push(new ArrayBuffer(1e6))",
    "const f = () => f(); f()",
    "for (;;) console.log('x'.repeat(1000))",
    "return 'x'.repeat(900_000)",
    "/^(a+)+$/.test('a'.repeat(60) + 'b')",
    "await new Promise((r) => setTimeout(r, 5)); throw new Error('end')",
];

#[tokio::test]
async fn a_serving_worker_asks_only_for_what_is_on_the_list() {
    let Some(strace) = ["/usr/bin/strace", "/bin/strace"]
        .into_iter()
        .find(|p| Path::new(p).exists())
    else {
        eprintln!("skipped: strace is missing; `cargo xtask setup` installs it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (traced, log) = (folder.path().join("traced"), folder.path().join("log"));
    // -D: the worker stays the host's child. The environment is as empty as the host made it.
    let script = format!(
        "#!/bin/sh\nexec /usr/bin/env -i {strace} -D -f -n -qq -o {} {WORKER} \"$@\"\n",
        log.display()
    );
    std::fs::write(&traced, script).unwrap();
    std::fs::set_permissions(&traced, PermissionsExt::from_mode(0o755)).unwrap();

    let isolate = Isolate::start(IsolateConfig {
        workers_max: 1,
        worker_exe: traced,
        ..config()
    })
    .await
    .unwrap();
    for source in PROGRAMS {
        let mut limits = limits();
        limits.compute_ms = 60;
        limits.memory_bytes = 16 << 20;
        let mut session = isolate
            .start(Start {
                limits,
                ..start(source)
            })
            .await
            .unwrap();
        let end = drive(&mut session, echo).await.pop();
        assert!(
            matches!(end, Some(Event::Done { .. } | Event::Failed(_))),
            "{source}: {end:?}"
        );
    }
    assert_eq!(isolate.stats().workers_lost, 0);

    let (before, after) = calls(&std::fs::read_to_string(&log).unwrap());
    let allowed: BTreeSet<i64> = sandbox::allowed_calls().into_iter().collect();
    let strays: Vec<_> = after.iter().filter(|(n, _)| !allowed.contains(n)).collect();
    assert!(strays.is_empty(), "not on the list: {strays:?}");
    // The tracer did see: what every worker needs afterwards, and what it needed only before.
    for needed in [
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_clock_nanosleep,
    ] {
        assert!(after.contains_key(&needed), "{after:?}");
    }
    assert!(before.contains_key(&libc::SYS_openat), "{before:?}");
}

/// The calls of all threads, number to name: before each one's filter was set, and after.
fn calls(log: &str) -> (BTreeMap<i64, String>, BTreeMap<i64, String>) {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    let mut filtered = BTreeSet::new();
    for line in log.lines() {
        // `PID [NUMBER] name(arguments`; other lines end what was begun before.
        let Some((pid, (number, name))) = line.split_once(' ').and_then(|(pid, rest)| {
            let (number, rest) = rest.trim_start().strip_prefix('[')?.split_once(']')?;
            let (name, _) = rest.trim_start().split_once('(')?;
            Some((pid, (number.trim().parse().ok()?, name)))
        }) else {
            continue;
        };
        let calls = if filtered.contains(pid) {
            &mut after
        } else {
            &mut before
        };
        calls.insert(number, name.to_owned());
        if number == libc::SYS_seccomp && line.contains("SECCOMP_SET_MODE_FILTER") {
            filtered.insert(pid);
        }
    }
    (before, after)
}
