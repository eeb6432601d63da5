//! Virtual time, seeds and replay.

use sandbox::{Command, Event, Outcome, Sandbox, Session, Start};

use crate::host::{NOW_MS, drive, echo, isolate, result, run, run_start, start};

/// Calls, logs and end of a run, without what a processor decides.
pub(crate) fn told(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            Event::Call {
                seq,
                path,
                arguments,
                options,
                position,
            } => format!("call {seq} {path} {arguments} {options} {position:?}"),
            Event::Log { level, text } => format!("{level:?} {text}"),
            Event::TurnEnd {
                pending_calls,
                next_timer_elapsed_ms,
                ..
            } => format!("wait {pending_calls} {next_timer_elapsed_ms:?}"),
            Event::Done { result, .. } => format!("done {result}"),
            Event::Failed(f) => format!(
                "failed {:?} {:?} {:?} at {:?}:{:?} {:?}\n{}",
                f.code, f.name, f.message, f.line, f.column, f.tool_error, f.stack
            ),
            Event::Snapshot(_) => "snapshot".into(),
            Event::Lost => "lost".into(),
        })
        .collect()
}

#[tokio::test]
async fn clocks_stand_still_within_a_turn() {
    let source = "const a = [Date.now(), performance.now()]; for (let i = 0; i < 1e5; i++); const b = [Date.now(), performance.now(), performance.timeOrigin]; await tools.x.y({}); return [a, b, Date.now(), performance.now(), new Date().toISOString()]";
    let at = NOW_MS;
    let later = NOW_MS + 1000;
    assert_eq!(
        result(source).await,
        format!(r#"[[{at},0],[{at},0,{at}],{later},1000,"2026-09-21T14:13:21.000Z"]"#)
    );
}

#[tokio::test]
async fn timers_fire_in_order_each_at_its_own_moment() {
    let source = "
        const seen: string[] = [];
        const note = (name: string) => seen.push(`${name}@${performance.now()}/${Date.now() - start}`);
        const start = Date.now();
        setTimeout(note, 300, 'c'); setTimeout(note, 100, 'a'); setTimeout(note, 100, 'b');
        const every = setInterval(() => { note('i'); if (seen.length > 5) clearInterval(every) }, 150);
        clearTimeout(setTimeout(note, 50, 'never'));
        setTimeout(() => { note('n'); setTimeout(note, 0, 'nested') }, 200);
        await tools.x.y({});
        note('answer');
        return seen";
    assert_eq!(
        result(source).await,
        r#"["a@100/100","b@100/100","i@150/150","n@200/200","nested@201/201","c@300/300","i@300/300","answer@1000/1000"]"#
    );
}

#[tokio::test]
async fn a_late_answer_fires_the_timers_before_it() {
    let source = "const r = await Promise.race([tools.x.y({}), new Promise(r => setTimeout(r, 400, 'timer'))]); return [r, performance.now()]";
    assert_eq!(result(source).await, r#"["timer",400]"#);
}

#[tokio::test]
async fn the_wall_clock_moves_no_further_than_the_host_says() {
    let isolate = isolate().await;
    let mut session = isolate.start(start("setTimeout(() => console.log(Date.now()), 500); await tools.x.y({}); return Date.now()")).await.unwrap();
    while !matches!(session.next().await, Event::TurnEnd { .. }) {}
    // The host's clock was set back: 500 ms of task time, 10 ms of the day.
    session
        .send(Command::Deliver {
            seq: 1,
            now_ms: NOW_MS + 10,
            elapsed_ms: 600,
            outcome: Outcome::Value("1".into()),
        })
        .await
        .unwrap();
    assert!(
        matches!(session.next().await, Event::Log { text, .. } if text == (NOW_MS + 10).to_string())
    );
    assert!(
        matches!(session.next().await, Event::Done { result, .. } if result == (NOW_MS + 10).to_string())
    );
}

pub(crate) const BRANCHING: &str = "
    const out: unknown[] = [];
    for (let round = 0; round < 6; round++) {
        const n = 1 + Math.floor(Math.random() * 5);
        const all = await Promise.all(Array.from({ length: n }, (_, i) => tools.work.item({ round, i, r: Math.random(), id: crypto.randomUUID() })));
        if (Math.random() < 0.5) await new Promise(r => setTimeout(r, 70 * n));
        const first = await Promise.race([tools.work.left({ all }), tools.work.right({ now: Date.now() })]);
        console.log(round, first);
        out.push(first, [...crypto.getRandomValues(new Uint8Array(4))], performance.now());
    }
    return out";

#[tokio::test]
async fn the_same_seed_and_answers_give_the_same_run_to_the_byte() {
    let first = told(&run(BRANCHING).await);
    assert!(first.len() > 40, "{first:#?}");
    assert_eq!(first, told(&run(BRANCHING).await));
    let other = told(
        &run_start(Start {
            seed: [8; 32],
            ..start(BRANCHING)
        })
        .await,
    );
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_recorded_run_is_rebuilt_from_its_deliveries() {
    let mut journal = Vec::new();
    let live = {
        let isolate = isolate().await;
        let mut session = isolate.start(start(BRANCHING)).await.unwrap();
        newest_first(&mut session, &mut journal).await
    };
    assert!(matches!(live.last(), Some(Event::Done { .. })), "{live:#?}");
    assert!(journal.len() > 12, "{journal:?}");
    // Another process, in which others ran before.
    let isolate = isolate().await;
    let mut other = isolate
        .start(start("for (let i = 0; i < 100; i++) await Math.random()"))
        .await
        .unwrap();
    drive(&mut other, echo).await;
    let mut session = isolate.start(start(BRANCHING)).await.unwrap();
    assert_eq!(told(&live), told(&replay(&mut session, &journal).await));
}

/// Answers the newest pending call first, and keeps what was delivered.
pub(crate) async fn newest_first(session: &mut Session, journal: &mut Vec<Command>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut waiting = Vec::new();
    let mut elapsed_ms: u64 = 0;
    loop {
        let event = session.next().await;
        events.push(event.clone());
        match event {
            Event::Call { seq, arguments, .. } => waiting.push((seq, arguments)),
            Event::TurnEnd {
                next_timer_elapsed_ms,
                ..
            } => {
                elapsed_ms += 13;
                let command = match waiting.pop() {
                    Some((seq, json)) => Command::Deliver {
                        seq,
                        now_ms: NOW_MS + elapsed_ms as i64,
                        elapsed_ms,
                        outcome: Outcome::Value(json.into()),
                    },
                    None => {
                        elapsed_ms =
                            elapsed_ms.max(next_timer_elapsed_ms.expect("something is due"));
                        Command::Advance {
                            now_ms: NOW_MS + elapsed_ms as i64,
                            elapsed_ms,
                        }
                    }
                };
                journal.push(command.clone());
                session.send(command).await.unwrap();
            }
            Event::Log { .. } | Event::Snapshot(_) => {}
            Event::Done { .. } | Event::Failed(_) | Event::Lost => return events,
        }
    }
}

pub(crate) async fn replay(session: &mut Session, journal: &[Command]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut journal = journal.iter();
    loop {
        let event = session.next().await;
        events.push(event.clone());
        match event {
            Event::TurnEnd { .. } => session
                .send(journal.next().expect("no more turns than recorded").clone())
                .await
                .unwrap(),
            Event::Call { .. } | Event::Log { .. } | Event::Snapshot(_) => {}
            Event::Done { .. } | Event::Failed(_) | Event::Lost => return events,
        }
    }
}
