//! The same program gives the same result on every runtime.
//!
//! Each program runs on the isolate first; what it calls, logs, returns and
//! waits for there, to the byte, is what every other runtime must give. What
//! an engine words or does in its own way stands in `runtimes/differences.rs`,
//! and is asserted too: a difference that vanishes fails the suite.

mod bun;
mod differences;
mod edge;
mod programs;

use std::path::PathBuf;
use std::time::Duration;

use sandbox::{Sandbox, Start};

use crate::host::{drive, echo, isolate, start};
use crate::time::{BRANCHING, newest_first, replay, told};

/// A program of `npm`'s that the tests install, or why the case is skipped.
fn installed(name: &str, places: &[&str]) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/node/node_modules");
    let found = places.iter().map(|place| folder.join(place));
    let Some(path) = found.into_iter().find(|path| path.exists()) else {
        eprintln!("SKIPPED: {name} is not installed; run `cargo xtask setup`");
        return None;
    };
    Some(path.canonicalize().unwrap())
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

/// A program that replaces the built-ins sees nothing of ours pass through them.
async fn shows_nothing_of_ours(runtime: &dyn Sandbox) {
    let told = run_on(runtime, start(programs::TAMPERING)).await;
    assert_eq!(
        told.last().map(String::as_str),
        Some(
            "done \"|undefined object string object number string string string TypeError object |keys:seq \""
        )
    );
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

async fn until(holds: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not come to hold");
}
