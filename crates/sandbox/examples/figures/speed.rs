//! How soon a task begins, how many finish, what a call and an answer cost, and compiling.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbox::{Isolate, Limits, Outcome, Program};

use crate::host::{SOURCE_BYTES_MAX, compile, isolate, limits, quantile, run, task};
use crate::processes::Used;
use crate::{Failed, Figure};

const STARTS: usize = 5_000;
const WARM_UP: usize = 300;
/// How long each rate is taken.
const MEASURED: Duration = Duration::from_secs(3);
const TRIVIAL: &str = include_str!("programs/trivial.js");
const ROWS: &str = include_str!("programs/rows.js");
const ROWS_BYTES: usize = 1_000_000;

fn ms(name: &'static str, value: f64, note: impl Into<String>) -> Figure {
    Figure {
        name,
        value,
        unit: "ms",
        note: note.into(),
    }
}

fn empty() -> Outcome {
    Outcome::Value("{\"n\":1}".into())
}

/// A new task in a warm worker, one after another; what computes, and how long an answer takes.
pub(crate) async fn starts() -> Result<Vec<Figure>, Failed> {
    let isolate = isolate(1).await?;
    let trivial = compile(TRIVIAL)?;
    let (mut first, mut finished) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + STARTS {
        let run = run(&isolate, start_of(&trivial), &empty())
            .await?
            .completed()?;
        if number >= WARM_UP {
            first.push(run.first);
            finished.push(run.finished);
        }
    }
    first.sort_unstable();
    finished.sort_unstable();
    let note = format!("{STARTS} in a row, warm worker, program compiled before");
    let mut figures = vec![
        ms("first line p50", quantile(&first, 0.5), note),
        ms(
            "first line p99",
            quantile(&first, 0.99),
            format!("least {:.3}", quantile(&first, 0.0)),
        ),
        ms("trivial task finished p50", quantile(&finished, 0.5), ""),
        ms("trivial task finished p99", quantile(&finished, 0.99), ""),
    ];
    let rows = Outcome::Value(rows().into());
    figures.push(after_answer(&isolate, "1 MB JSON into a program", ROWS, 30, &rows).await?);
    let sort = include_str!("programs/sort.js");
    figures.push(after_answer(&isolate, "filter, sort, group 100,000", sort, 7, &empty()).await?);
    let number_loop = include_str!("programs/loop.js");
    figures.push(after_answer(&isolate, "5 million steps", number_loop, 5, &empty()).await?);
    for (name, calls) in [
        ("replay of 10 calls", 10),
        ("replay of 100 calls", 100),
        ("replay of 1,000 calls", 1_000),
    ] {
        figures.push(replay(&isolate, name, calls).await?);
    }
    Ok(figures)
}

fn start_of(program: &Arc<Program>) -> sandbox::Start {
    task("tenant", program, limits())
}

/// The median time from the one answer a program is given to its end.
async fn after_answer(
    isolate: &Isolate,
    name: &'static str,
    source: &str,
    times: usize,
    answer: &Outcome,
) -> Result<Figure, Failed> {
    let program = compile(source)?;
    let mut taken = Vec::new();
    for _ in 0..times {
        let mut start = start_of(&program);
        start.limits.memory_bytes = 256 << 20;
        taken.push(run(isolate, start, answer).await?.completed()?.after_answer);
    }
    taken.sort_unstable();
    let note = format!(
        "from the answer to the end, median of {times}; least {:.2}",
        quantile(&taken, 0.0)
    );
    Ok(ms(name, quantile(&taken, 0.5), note))
}

/// Rows as an API would list them, about [`ROWS_BYTES`] of JSON.
fn rows() -> String {
    let mut out = String::from("[");
    let mut id = 0;
    while out.len() < ROWS_BYTES {
        if id > 0 {
            out.push(',');
        }
        out += &format!(
            r#"{{"id":{id},"name":"customer {id}","amount":{}.5,"open":{},"tags":["a","b{}"]}}"#,
            id * 7,
            id % 2 == 0,
            id % 10
        );
        id += 1;
    }
    out.push(']');
    out
}

/// From the start to the end of a program whose every call is answered at once, one after another.
async fn replay(isolate: &Isolate, name: &'static str, calls: u32) -> Result<Figure, Failed> {
    let source =
        format!("for (let i = 0; i < {calls}; i++) await tools.bench.echo({{ i }}); return 1");
    let program = compile(&source)?;
    let mut taken = Vec::new();
    for _ in 0..30 {
        taken.push(
            run(isolate, start_of(&program), &empty())
                .await?
                .completed()?
                .finished,
        );
    }
    taken.sort_unstable();
    Ok(ms(
        name,
        quantile(&taken, 0.5),
        "start to end, every answer at hand; the sandbox's part of a rebuild",
    ))
}

/// Trivial tasks, eight at a time, in one worker.
pub(crate) async fn rate() -> Result<Vec<Figure>, Failed> {
    let trivial = compile(TRIVIAL)?;
    let (count, used, taken) = concurrent(&trivial, 8, limits()).await?;
    let per_task = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
    Ok(vec![Figure {
        name: "trivial tasks, one worker",
        value: count as f64 / taken.as_secs_f64(),
        unit: "tasks/s",
        note: format!(
            "8 at a time for {} s; processor time a task: worker {:.0} us, host {:.0} us",
            MEASURED.as_secs(),
            per_task(used.workers),
            per_task(used.host)
        ),
    }])
}

/// Tool calls, one after another in each of 64 tasks in one worker.
pub(crate) async fn calls() -> Result<Vec<Figure>, Failed> {
    const CALLS: usize = 200;
    let program = compile(include_str!("programs/calls.js"))?;
    let (count, used, taken) = concurrent(&program, 64, limits()).await?;
    let calls = (count * CALLS) as f64;
    let per_call = |time: Duration| time.as_secs_f64() * 1e6 / calls;
    let alone = isolate(1).await?;
    let mut one = Vec::new();
    for _ in 0..50 {
        one.push(
            run(&alone, start_of(&program), &empty())
                .await?
                .completed()?
                .finished,
        );
    }
    one.sort_unstable();
    Ok(vec![
        Figure {
            name: "tool calls, one worker",
            value: calls / taken.as_secs_f64(),
            unit: "calls/s",
            note: format!(
                "sequential in each of 64 tasks, {CALLS} calls a task; processor time a call: worker {:.1} us, host {:.1} us",
                per_call(used.workers),
                per_call(used.host)
            ),
        },
        Figure {
            name: "a tool call, there and back",
            value: quantile(&one, 0.5) * 1_000.0 / CALLS as f64,
            unit: "us",
            note: format!(
                "one task of {CALLS} sequential calls, median of 50, divided by its calls"
            ),
        },
    ])
}

/// Runs a program by so many clients at once in one worker: tasks, processor time, wall time.
async fn concurrent(
    program: &Arc<Program>,
    clients: usize,
    limits: Limits,
) -> Result<(usize, Used, Duration), Failed> {
    let isolate = Arc::new(isolate(1).await?);
    for _ in 0..20 {
        run(&isolate, start_of(program), &empty())
            .await?
            .completed()?;
    }
    let (before, begun) = (Used::now(), Instant::now());
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (isolate, program, limits) = (isolate.clone(), program.clone(), limits.clone());
            tokio::spawn(async move {
                let mut count = 0;
                while begun.elapsed() < MEASURED {
                    let start = task("tenant", &program, limits.clone());
                    run(&isolate, start, &empty()).await?.completed()?;
                    count += 1;
                }
                Ok::<usize, Failed>(count)
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await??;
    }
    Ok((count, Used::now().since(before), begun.elapsed()))
}

/// From source text to what the engine is given; types are erased, not checked.
pub(crate) fn compile_times() -> Result<Vec<Figure>, Failed> {
    let fifty = include_str!("programs/fifty-lines.ts");
    // As functions beside each other, so that names do not clash.
    let long: String = (0..40)
        .map(|n| format!("async function part{n}() {{\n{fifty}}}\n"))
        .collect();
    let mut figures = Vec::new();
    for (name, source, times) in [
        ("compile 50 lines", fifty, 1_000),
        ("compile 2,000 lines", &long, 50),
    ] {
        let mut taken = Vec::new();
        for _ in 0..times {
            let begun = Instant::now();
            sandbox::compile(source, SOURCE_BYTES_MAX)?;
            taken.push(begun.elapsed());
        }
        taken.sort_unstable();
        let note = format!(
            "{} lines, median of {times}; least {:.3}",
            source.lines().count(),
            quantile(&taken, 0.0)
        );
        figures.push(ms(name, quantile(&taken, 0.5), note));
    }
    Ok(figures)
}
