//! Hostile programs through the whole product, over MCP, while an honest client works on: how far
//! over their time they run, what the honest client notices, and what memory they leave behind.
//! Two tenants at once are measured in the sandbox alone (`figures/hostile.rs` there).

use super::mcp::Client;
use super::process::{Database, Home, Program, Server};
use super::{Budget, Figure, megabytes};
use anyhow::{Result, bail};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const TIMEOUT_MS: u64 = 2_000;
const AT_ONCE: usize = 3;
const THINKING: Duration = Duration::from_millis(2);
/// After the last one: long enough for the server to let go of workers that have swollen.
const SETTLED_AFTER: Duration = Duration::from_secs(40);

const PROGRAMS: [&str; 9] = [
    "while (true) {}",
    "const spin = () => { Promise.resolve().then(spin) }; spin(); await new Promise(() => {})",
    "/^(a+)+$/.test('a'.repeat(60) + 'b')",
    "const a = Array.from({ length: 1e5 }, (_, i) => (i * 7919) % 1e5); for (;;) { a.sort(); a.reverse() }",
    "const s = 'ab'.repeat(2e6); for (;;) s.indexOf('ba'.repeat(1e6) + 'x')",
    "const a = []; for (;;) try { a.push(new Array(1e4).fill(a.length)) } catch {}",
    "const all = []; for (;;) all.push(new ArrayBuffer(1e6))",
    "for (;;) console.log('x'.repeat(1000))",
    "const f = () => 1 + f(); return f()",
];

/// Measures on a server of its own with the embedded database.
pub(super) fn all(program: &Program) -> Result<Vec<Figure>> {
    let home = Home::new(&Database::Sqlite)?;
    let server = Server::start(program, &home)?;
    let mut honest = Client::connect(server.address)?;
    for _ in 0..200 {
        honest.execute("return 1 + 1")?;
    }
    let (_, before) = server.memory()?;
    let over = AtomicBool::new(false);
    let (times, slowest) = thread::scope(|scope| {
        let working = scope.spawn(|| work(&mut honest, &over));
        let slowest = attack_all(&server);
        over.store(true, Ordering::Relaxed);
        let times = working.join().expect("no panics in it")?;
        Ok::<_, anyhow::Error>((times, slowest?))
    })?;
    let (_, at_end) = server.memory()?;
    thread::sleep(SETTLED_AFTER);
    let (_, settled) = server.memory()?;
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    Ok(vec![
        Figure {
            name: "hostile, longest over its time",
            value: slowest.0.as_secs_f64() * 1e3 - TIMEOUT_MS as f64,
            unit: "ms",
            budget: Budget::AtMost(1_000.0),
            note: format!(
                "{} programs, {AT_ONCE} of each at once, timeoutMs {TIMEOUT_MS}; {}",
                PROGRAMS.len(),
                slowest.1
            ),
        },
        Figure {
            name: "honest client meanwhile p95",
            value: at(95),
            unit: "ms",
            budget: Budget::AtMost(100.0),
            note: format!(
                "{} trivial tasks of the same workspace; p50 {:.1}, max {:.0}",
                times.len(),
                at(50),
                at(100)
            ),
        },
        Figure {
            name: "memory they leave behind",
            value: megabytes(settled) - megabytes(before),
            unit: "MB",
            budget: Budget::AtMost(10.0),
            note: format!(
                "server and workers: {:.1} MB before, {:.1} at the end, {:.1} after {} s",
                megabytes(before),
                megabytes(at_end),
                megabytes(settled),
                SETTLED_AFTER.as_secs()
            ),
        },
    ])
}

/// The honest client's sorted times.
fn work(client: &mut Client, over: &AtomicBool) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        client.execute("return 1 + 1")?;
        times.push(begun.elapsed());
        thread::sleep(THINKING);
    }
    times.sort_unstable();
    Ok(times)
}

/// One program after another, each several times at once: the slowest, and which it was.
fn attack_all(server: &Server) -> Result<(Duration, &'static str)> {
    let mut slowest = (Duration::ZERO, "");
    for code in PROGRAMS {
        let taken = thread::scope(|scope| {
            let attacks: Vec<_> = (0..AT_ONCE)
                .map(|_| scope.spawn(|| attack(server, code)))
                .collect();
            let taken = attacks
                .into_iter()
                .map(|a| a.join().expect("no panics in it"));
            taken.collect::<Result<Vec<Duration>>>()
        })?;
        slowest = slowest.max((taken.into_iter().max().unwrap_or_default(), code));
    }
    Ok(slowest)
}

fn attack(server: &Server, code: &str) -> Result<Duration> {
    let mut client = Client::connect(server.address)?;
    let begun = Instant::now();
    let outcome = client.outcome(code, Some(TIMEOUT_MS))?;
    let taken = begun.elapsed();
    let why = outcome["error"]["message"].as_str().unwrap_or_default();
    match outcome["status"].as_str() {
        Some("failed" | "timed_out") if !why.is_empty() => Ok(taken),
        _ => bail!("{code}\nended as {outcome}"),
    }
}
