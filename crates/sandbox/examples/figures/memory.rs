//! What a task costs while it waits: resident, and as a snapshot.

use std::time::Instant;

use sandbox::{Command, Event, Outcome, Sandbox, Session, Snapshot};

use crate::host::{compile, isolate, limits, quantile, run, task};
use crate::{Failed, Figure, processes};

const WAITING: usize = 100;
const RESTORED: usize = 300;
/// A task as it is when a person is asked: it has read a few things and holds a little.
const HALFWAY: &str = "
    const found = [];
    for (let i = 0; i < 50; i++) found.push(await tools.bench.echo({ i, text: 'item ' + i }));
    return await tools.bench.wait({ count: found.length })";

/// The memory of a hundred tasks that wait for a call, host and worker together, less what there
/// was before, divided by their number.
pub(crate) async fn waiting() -> Result<Vec<Figure>, Failed> {
    let isolate = isolate(1).await?;
    let trivial = compile("return 1")?;
    let answer = Outcome::Value("1".into());
    for _ in 0..50 {
        run(&isolate, task("tenant", &trivial, limits()), &answer)
            .await?
            .completed()?;
    }
    let before = processes::memory()?;
    let program = compile(include_str!("programs/wait.js"))?;
    let mut sessions = Vec::new();
    for _ in 0..WAITING {
        let mut session = isolate.start(task("tenant", &program, limits())).await?;
        until_it_waits(&mut session).await?;
        sessions.push(session);
    }
    let after = processes::memory()?;
    Ok(vec![Figure {
        name: "memory of a waiting task",
        value: after.saturating_sub(before) as f64 / WAITING as f64 / 1_000.0,
        unit: "KB",
        note: format!(
            "PSS of host and worker with {WAITING} waiting, less before; {:.1} MB before",
            before as f64 / 1e6
        ),
    }])
}

async fn until_it_waits(session: &mut Session) -> Result<(), Failed> {
    loop {
        match session.next().await {
            Event::Call { .. } | Event::Log { .. } => {}
            Event::TurnEnd { .. } | Event::Snapshot(_) => return Ok(()),
            end @ (Event::Done { .. } | Event::Failed(_) | Event::Lost) => {
                return Err(format!("a program that waits has ended: {end:?}").into());
            }
        }
    }
}

/// A task of fifty calls as bytes, and how soon it goes on from them in a warm worker.
pub(crate) async fn snapshots() -> Result<Vec<Figure>, Failed> {
    let isolate = isolate(1).await?;
    let program = compile(HALFWAY)?;
    let mut session = isolate.start(task("tenant", &program, limits())).await?;
    for seq in 1..=50 {
        until_it_waits(&mut session).await?;
        let outcome = Outcome::Value(format!("{{\"id\":{seq},\"name\":\"item {seq}\"}}").into());
        let deliver = Command::Deliver {
            seq,
            now_ms: 0,
            elapsed_ms: 0,
            outcome,
        };
        session.send(deliver).await?;
    }
    until_it_waits(&mut session).await?;
    let mut taken = Vec::new();
    let mut bytes = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        session.send(Command::Snapshot).await?;
        let Event::Snapshot(Some(snapshot)) = session.next().await else {
            return Err("a program at rest gave no snapshot".into());
        };
        bytes = snapshot.to_bytes();
        taken.push(begun.elapsed());
    }
    drop(session);
    let mut restored = Vec::new();
    for _ in 0..RESTORED {
        let mut start = task("tenant", &program, limits());
        let begun = Instant::now();
        start.snapshot = Snapshot::from_bytes(&bytes, &program);
        let mut session = isolate.start(start).await?;
        until_it_waits(&mut session).await?;
        restored.push(begun.elapsed());
    }
    taken.sort_unstable();
    restored.sort_unstable();
    let ms = |name, value, note: String| Figure {
        name,
        value,
        unit: "ms",
        note,
    };
    Ok(vec![
        Figure {
            name: "snapshot of a waiting task",
            value: bytes.len() as f64 / 1e3,
            unit: "KB",
            note: "after 50 calls, as it is kept".into(),
        },
        ms(
            "snapshot taken p50",
            quantile(&taken, 0.5),
            format!("median of {}", taken.len()),
        ),
        ms(
            "snapshot restored p50",
            quantile(&restored, 0.5),
            format!(
                "from bytes to waiting again, {RESTORED} in a row; p99 {:.2}",
                quantile(&restored, 0.99)
            ),
        ),
    ])
}
