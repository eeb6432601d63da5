//! Programs that mean harm, one after another and several at once, while two honest clients work on:
//! one of the same tenant, one of another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sandbox::{Event, FailureCode, Isolate, Limits, Outcome};
use tokio::task::JoinHandle;

use crate::host::{compile, limits, pool, quantile, run, task};
use crate::{Failed, Figure, processes};

const COMPUTE_MS: u64 = 500;
/// How many of the same program run at once in the second pass.
const AT_ONCE: usize = 4;
/// After the last one: long enough for a pool to let go of workers that have swollen.
const SETTLED_AFTER: Duration = Duration::from_secs(35);
const VICTIM: &str = "console.log('first'); const r = await tools.bench.echo({}); return r";

/// What the programs try, and the ends that are right for it.
const PROGRAMS: [(&str, &[FailureCode]); 20] = [
    ("while (true) {}", &[FailureCode::ComputeLimit]),
    (
        "for (;;) { try { while (true) {} } catch {} finally { continue } }",
        &[FailureCode::ComputeLimit],
    ),
    (
        "const spin = () => { Promise.resolve().then(spin) }; spin(); await new Promise(() => {})",
        &[FailureCode::ComputeLimit],
    ),
    (
        "const spin = () => queueMicrotask(spin); spin(); await new Promise(() => {})",
        &[FailureCode::ComputeLimit],
    ),
    (
        "return { toJSON() { for (;;); } }",
        &[FailureCode::ComputeLimit],
    ),
    (
        "[3, 2, 1].sort(() => { for (;;); })",
        &[FailureCode::ComputeLimit],
    ),
    (
        "const a = Array.from({ length: 1e5 }, (_, i) => (i * 7919) % 1e5); for (;;) { a.sort(); a.reverse() }",
        &[FailureCode::ComputeLimit],
    ),
    (
        "/^(a+)+$/.test('a'.repeat(60) + 'b')",
        &[FailureCode::ComputeLimit],
    ),
    (
        "const b = new Uint8Array(8e6); for (;;) b.fill(1)",
        &[FailureCode::ComputeLimit],
    ),
    (
        "const s = 'ab'.repeat(2e6); for (;;) s.indexOf('ba'.repeat(1e6) + 'x')",
        &[FailureCode::ComputeLimit],
    ),
    (
        "for (let n = 3n; ; n = n % 2n ** 50000n) n = n * n",
        &[FailureCode::ComputeLimit],
    ),
    (
        "throw { get message() { for (;;); }, get name() { for (;;); }, get stack() { for (;;); }, __proto__: Error.prototype }",
        &[FailureCode::ComputeLimit],
    ),
    (
        "let s = 'x'; for (;;) try { s += s } catch { s += 'y' }",
        &[FailureCode::MemoryLimit, FailureCode::ComputeLimit],
    ),
    (
        "const a: any[] = []; for (;;) try { a.push(new Array(1e4).fill(a.length)) } catch {}",
        &[FailureCode::MemoryLimit],
    ),
    (
        "const all = []; for (;;) all.push(new ArrayBuffer(1e6))",
        &[FailureCode::MemoryLimit],
    ),
    (
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })",
        &[FailureCode::MemoryLimit, FailureCode::ComputeLimit],
    ),
    (
        "let f = () => 0; for (;;) { const g = f; f = () => g() + 1 }",
        &[FailureCode::MemoryLimit, FailureCode::ComputeLimit],
    ),
    (
        "for (;;) console.log('x'.repeat(1000))",
        &[FailureCode::LogLimit],
    ),
    ("return 'x'.repeat(2e6)", &[FailureCode::ResultLimit]),
    (
        "const f = (): number => 1 + f(); return f()",
        &[FailureCode::Thrown, FailureCode::StackLimit],
    ),
];

fn hostile_limits() -> Limits {
    Limits {
        compute_ms: COMPUTE_MS,
        ..limits()
    }
}

fn answer() -> Outcome {
    Outcome::Value("{}".into())
}

/// Runs them and tells how long over its limit the slowest took, what the honest noticed, and what
/// memory is left behind.
pub(crate) async fn all() -> Result<Vec<Figure>, Failed> {
    // As the product sets it up for two cores.
    let isolate = Arc::new(pool(2, 8).await?);
    let quiet = Victims::start(&isolate)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (quiet_other, _) = quiet.end().await?;
    let before = processes::memory()?;

    let victims = Victims::start(&isolate)?;
    let mut slowest = (Duration::ZERO, "");
    for at_once in [1, AT_ONCE] {
        for (source, right) in PROGRAMS {
            let taken = attack(&isolate, source, right, at_once).await?;
            if taken > slowest.0 && at_once == 1 {
                slowest = (taken, source);
            }
        }
    }
    let (other, same) = victims.end().await?;
    let at_end = processes::memory()?;
    tokio::time::sleep(SETTLED_AFTER).await;
    let settled = processes::memory()?;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let victim = |name, times: &[Duration]| Figure {
        name,
        value: quantile(times, 0.95),
        unit: "ms",
        note: format!(
            "{} tasks with a call; p50 {:.2}, max {:.1}; in quiet p95 {:.2}",
            times.len(),
            quantile(times, 0.5),
            quantile(times, 1.0),
            quantile(&quiet_other, 0.95)
        ),
    };
    Ok(vec![
        Figure {
            name: "hostile, longest over its limit",
            value: slowest.0.as_secs_f64() * 1e3 - COMPUTE_MS as f64,
            unit: "ms",
            note: format!(
                "{} programs of {COMPUTE_MS} ms, each ended by a limit's name; {}",
                PROGRAMS.len(),
                slowest.1
            ),
        },
        victim("victim of another tenant p95", &other),
        victim("victim of the same tenant p95", &same),
        Figure {
            name: "memory left by the hostile",
            value: megabytes(settled) - megabytes(before),
            unit: "MB",
            note: format!(
                "host and workers {:.1} before, {:.1} at the end, {:.1} after {} s",
                megabytes(before),
                megabytes(at_end),
                megabytes(settled),
                SETTLED_AFTER.as_secs()
            ),
        },
    ])
}

/// Runs one program so many times at once; the time of the slowest.
async fn attack(
    isolate: &Arc<Isolate>,
    source: &str,
    right: &[FailureCode],
    at_once: usize,
) -> Result<Duration, Failed> {
    let program = compile(source)?;
    let tasks: Vec<_> = (0..at_once)
        .map(|_| {
            let (isolate, program) = (isolate.clone(), program.clone());
            tokio::spawn(async move {
                run(
                    &isolate,
                    task("hostile", &program, hostile_limits()),
                    &answer(),
                )
                .await
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for task in tasks {
        let run = task.await??;
        let right_end = matches!(&run.end, Event::Failed(failure) if right.contains(&failure.code));
        if !right_end {
            return Err(format!("{source}\nended by {:?}", run.end).into());
        }
        slowest = slowest.max(run.finished);
    }
    Ok(slowest)
}

/// Two clients that run a small honest task again and again.
struct Victims {
    over: Arc<AtomicBool>,
    other: JoinHandle<Result<Vec<Duration>, Failed>>,
    same: JoinHandle<Result<Vec<Duration>, Failed>>,
}

impl Victims {
    fn start(isolate: &Arc<Isolate>) -> Result<Victims, Failed> {
        let over = Arc::new(AtomicBool::new(false));
        let program = compile(VICTIM)?;
        let client = |tenant: &'static str| {
            let (isolate, program, over) = (isolate.clone(), program.clone(), over.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let run = run(&isolate, task(tenant, &program, limits()), &answer()).await?;
                    times.push(run.completed()?.finished);
                    // A client thinks between two tasks; without it the victims were the load.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                times.sort_unstable();
                Ok(times)
            })
        };
        Ok(Victims {
            other: client("honest"),
            same: client("hostile"),
            over,
        })
    }

    /// The sorted times of the other tenant's client and of the same tenant's.
    async fn end(self) -> Result<(Vec<Duration>, Vec<Duration>), Failed> {
        self.over.store(true, Ordering::Relaxed);
        Ok((self.other.await??, self.same.await??))
    }
}
