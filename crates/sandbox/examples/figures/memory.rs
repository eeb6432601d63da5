//! What a task costs while it waits.

use sandbox::{Event, Sandbox, Session};

use crate::host::{compile, isolate, limits, run, task};
use crate::{Failed, Figure, processes};

const WAITING: usize = 100;

/// The memory of a hundred tasks that wait for a call, host and worker together, less what there
/// was before, divided by their number.
pub(crate) async fn waiting() -> Result<Vec<Figure>, Failed> {
    let isolate = isolate(1).await?;
    let trivial = compile("return 1")?;
    let answer = sandbox::Outcome::Value("1".into());
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
            Event::TurnEnd { .. } => return Ok(()),
            end @ (Event::Done { .. } | Event::Failed(_) | Event::Lost) => {
                return Err(format!("a program that waits has ended: {end:?}").into());
            }
        }
    }
}
