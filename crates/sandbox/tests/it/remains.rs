//! What is left of a program in its worker once it is gone, and workers that grow old or silent.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use sandbox::{
    Command, Event, Incident, IncidentKind, Isolate, IsolateConfig, Outcome, Sandbox, Start,
};

use crate::host::{NOW_MS, config, drive, echo, one_worker, start};

/// Process ids of the workers that this test's thread has started.
fn workers() -> Vec<i32> {
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap();
    children
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

fn signal(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// How often a text stands in the pages of a process that are there and can be written.
fn found_in(pid: i32, needle: &[u8]) -> usize {
    const PAGE: u64 = 4096;
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let pagemap = File::open(format!("/proc/{pid}/pagemap")).unwrap();
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let from = u64::from_str_radix(from, 16).unwrap() / PAGE;
        let to = u64::from_str_radix(to, 16).unwrap() / PAGE;
        let mut entries = vec![0; (to - from) as usize * 8];
        pagemap.read_exact_at(&mut entries, from * 8).unwrap();
        let mut page = vec![0; PAGE as usize];
        for (number, entry) in (from..to).zip(entries.chunks(8)) {
            // The two highest bits: in memory, or swapped out.
            if entry[7] & 0xc0 != 0 && memory.read_exact_at(&mut page, number * PAGE).is_ok() {
                let starts = (0..page.len()).filter(|&at| page[at] == needle[0]);
                found += starts.filter(|&at| page[at..].starts_with(needle)).count();
            }
        }
    }
    found
}

/// Made by the program itself, so that it stands nowhere else.
const FILL: &str = "
    const marker = ['CANARY', 'OF', 'ONE', 'TASK'].join('-');
    const held = []; for (let i = 0; i < 20000; i++) held.push(marker + i);
    await tools.a.b({}); return held.length";
const MARKER: &[u8] = b"CANARY-OF-ONE-TASK";

#[tokio::test]
async fn nothing_of_a_program_is_left_in_its_worker() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root may look into a worker's memory");
        return;
    }
    let isolate = one_worker().await;
    let mut session = isolate.start(start(FILL)).await.unwrap();
    while !matches!(session.next().await, Event::TurnEnd { .. }) {}
    let [worker] = workers()[..] else {
        panic!("one worker")
    };
    assert!(
        found_in(worker, MARKER) > 15_000,
        "while it lives it is there"
    );
    session
        .send(Command::Deliver {
            seq: 1,
            now_ms: NOW_MS,
            elapsed_ms: 1,
            outcome: Outcome::Value("1".into()),
        })
        .await
        .unwrap();
    assert!(matches!(session.next().await, Event::Done { .. }));
    drop(session);
    // Another tenant gets the worker only when it is empty: when all of the program is gone.
    let mut other = isolate
        .start(Start {
            tenant: "other".into(),
            ..start("await tools.a.b({}); return 1")
        })
        .await
        .unwrap();
    while !matches!(other.next().await, Event::TurnEnd { .. }) {}
    assert_eq!(workers(), [worker], "in the same worker");
    assert_eq!(found_in(worker, MARKER), 0);
}

fn heard(config: IsolateConfig) -> (IsolateConfig, tokio::sync::mpsc::Receiver<Incident>) {
    let (incidents, heard) = tokio::sync::mpsc::channel(8);
    let config = IsolateConfig {
        incidents: Some(incidents),
        workers_max: 1,
        ..config
    };
    (config, heard)
}

#[tokio::test]
async fn a_worker_that_is_silent_is_killed_and_told() {
    let (config, mut heard) = heard(IsolateConfig {
        silence_max: Duration::from_millis(600),
        ..config()
    });
    let isolate = Isolate::start(config).await.unwrap();
    let mut session = isolate.start(start("for (;;);")).await.unwrap();
    signal(workers()[0], rustix::process::Signal::STOP);
    assert_eq!(session.next().await, Event::Lost);
    let incident = heard.recv().await.unwrap();
    assert_eq!(incident.kind, IncidentKind::Silent);
    assert_eq!(
        (incident.tenant.as_deref(), incident.sessions),
        (Some("ws_test"), 1)
    );
    let mut next = isolate.start(start("return 2")).await.unwrap();
    assert!(matches!(next.next().await, Event::Done { result, .. } if result == "2"));
}

#[tokio::test]
async fn a_worker_that_dies_is_told_with_its_signal() {
    for (sent, kind) in [
        (rustix::process::Signal::SYS, IncidentKind::ForbiddenCall),
        (rustix::process::Signal::KILL, IncidentKind::Died),
    ] {
        let (config, mut heard) = heard(config());
        let isolate = Isolate::start(config).await.unwrap();
        let mut session = isolate.start(start("for (;;);")).await.unwrap();
        signal(workers()[0], sent);
        assert_eq!(session.next().await, Event::Lost);
        let incident = heard.recv().await.unwrap();
        assert_eq!(
            (incident.kind, incident.sessions),
            (kind, 1),
            "{incident:?}"
        );
    }
}

#[tokio::test]
async fn old_and_large_workers_are_replaced_between_programs() {
    for (served_max, resident_bytes_max) in [(2, 512 << 20), (10_000, 1)] {
        let isolate = Isolate::start(IsolateConfig {
            workers_max: 1,
            served_max,
            resident_bytes_max,
            ..config()
        })
        .await
        .unwrap();
        let first = workers();
        let mut seen = first.clone();
        for _ in 0..100 {
            if seen.iter().any(|worker| !first.contains(worker)) {
                break;
            }
            // Long enough to be weighed in the end: that is done a few times a second.
            let mut session = isolate
                .start(start("for (let i = 0; i < 4e5; i++); return 1"))
                .await
                .unwrap();
            assert!(matches!(
                drive(&mut session, echo).await.pop(),
                Some(Event::Done { .. })
            ));
            seen.extend(workers());
        }
        assert_ne!(seen.last(), first.last(), "one worker served all");
        assert_eq!(isolate.stats().workers_lost, 0, "nothing is lost by it");
    }
}

#[tokio::test]
async fn a_full_queue_refuses_by_name_and_only_its_own_tenant() {
    let isolate = Isolate::start(IsolateConfig {
        workers_max: 1,
        waiting_max: 3,
        ..config()
    })
    .await
    .unwrap();
    let of = |tenant: &str| {
        isolate.start(Start {
            tenant: tenant.into(),
            ..start("await tools.a.b({})")
        })
    };
    let _inside = of("a").await.unwrap();
    // The worker is a's; whoever else comes waits, each in a queue of its own.
    let mut waiting: Vec<_> = (0..3).map(|_| of("b")).collect();
    for one in &mut waiting {
        assert!(futures_util::poll!(one).is_pending());
    }
    let refused = of("b").await.err().unwrap();
    assert!(
        matches!(refused, sandbox::Error::Busy { waiting_max: 3 }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("waitingPrograms"), "{refused}");
    assert!(
        futures_util::poll!(&mut of("c")).is_pending(),
        "another tenant may wait"
    );
}

/// One tenant's thousand programs do not hold up another's (R14).
#[tokio::test]
async fn a_thousand_programs_of_one_tenant_delay_nobody_else() {
    let isolate = std::sync::Arc::new(
        Isolate::start(IsolateConfig {
            workers_max: 2,
            waiting_max: 2_000,
            ..config()
        })
        .await
        .unwrap(),
    );
    let run = |tenant: &'static str| {
        let isolate = isolate.clone();
        async move {
            let start = Start {
                tenant: tenant.into(),
                ..start("for (let i = 0; i < 2e4; i++); return 1")
            };
            let mut session = isolate.start(start).await.unwrap();
            assert!(matches!(session.next().await, Event::Done { .. }));
        }
    };
    run("small").await;
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        flood.spawn(run("large"));
    }
    tokio::task::yield_now().await;
    for _ in 0..5 {
        run("small").await;
    }
    let mut done = 0;
    while let Some(one) = flood.try_join_next() {
        one.unwrap();
        done += 1;
    }
    assert!(
        done < 1_000,
        "five small ones came after a thousand large ones"
    );
    while let Some(one) = flood.join_next().await {
        one.unwrap();
    }
}
