//! Generated programs are paused at every write and rebuilt: killed and replayed, or released and
//! taken up from where they rested. Each notes what it sees (answers, dates, randomness, the order of
//! things) in a log as it happens and in its result at the end; the log was recorded before the
//! pauses, the result is of the last rebuilding, and both must be the same.
//!
//! `cargo xtask generated --count N [--seed N]` tries more than CI does.

use crate::database::Database;
use crate::kills::Random;
use crate::server::{PATIENCE, Server};
use crate::storm::number;
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

on_both_databases!(a_rebuilt_program_sees_what_it_saw);

/// Programs in CI, on each database.
const PROGRAMS: usize = 75;
/// Programs that are paused together.
const BATCH: usize = 15;
/// A little longer than a sandbox is held for an answer: then it is released.
const RELEASED: Duration = Duration::from_millis(10_500);

const PRELUDE: &str = r#"
const seen: unknown[] = [];
function see(...what: unknown[]) { seen.push(what); console.log(JSON.stringify(what)); }
async function write(name: string) {
  try {
    const made = await tools.ledger.items.createItem({ name, amount: 500 });
    see("wrote", name, made.name);
    return made.name;
  } catch (e) { see("refused", name, e.code); return e.code; }
}
async function read() {
  const items = await tools.ledger.items.listItems();
  see("read", JSON.stringify(items).length);
  return "read";
}
"#;

/// So much computing that a program is kept as it rests rather than begun anew.
const WORK: &str = "let work = 0; for (let i = 0; i < 3_000_000; i++) work += i % 7;\n";

/// A program, and how many writes are in its text.
fn program(name: &str, random: &mut Random) -> String {
    let mut text = PRELUDE.to_owned();
    let mut writes = 0;
    let mut write = || {
        writes += 1;
        format!("write(\"{name}-{writes}\")")
    };
    for step in 0..4 + random.below(6) {
        let line = match random.below(13) {
            0 => "see(\"random\", Math.random());".to_owned(),
            1 => "see(\"date\", Date.now());".to_owned(),
            2 => "see(\"id\", crypto.randomUUID());".to_owned(),
            3 => {
                "see(\"bytes\", Array.from(crypto.getRandomValues(new Uint8Array(4))));".to_owned()
            }
            4 => format!("see(\"one\", await {});", write()),
            5 => format!(
                "see(\"all\", await Promise.all([{}, {}, read()]));",
                write(),
                write()
            ),
            6 => format!(
                "see(\"race\", await Promise.race([{}, new Promise((r) => setTimeout(() => r(\"late\"), {}))]));",
                write(),
                random.below(40)
            ),
            7 => format!("see(\"any\", await Promise.any([{}, read()]));", write()),
            8 => format!(
                "await new Promise((r) => setTimeout(r, {})); see(\"slept\", Date.now());",
                random.below(40)
            ),
            9 => format!(
                "for (let i = 0; i < {}; i++) {{ if (Math.random() < 0.5) await read(); else see(\"turn\", i, Math.random()); }}",
                1 + random.below(4)
            ),
            10 => format!("{}.then((w) => see(\"loose\", w));", write()),
            11 => "try { await tools.nowhere.at.all({}); } catch (e) { see(\"caught\", e.code); }"
                .to_owned(),
            _ => format!(
                "see(\"settled\", (await Promise.allSettled([read(), {}])).map((s) => s.status));",
                write()
            ),
        };
        writeln!(text, "// {step}\n{line}").expect("a text takes it");
    }
    // Whatever was drawn, each is paused at least once.
    writeln!(text, "see(\"last\", await {});\nreturn seen;", write()).expect("a text takes it");
    text
}

async fn a_rebuilt_program_sees_what_it_saw(database: Database) {
    let mut random = match number("EXECUTOR_GENERATED_SEED") {
        Some(seed) => Random::from_seed(seed),
        None => Random::seeded(),
    };
    let count =
        number("EXECUTOR_GENERATED").map_or(PROGRAMS, |n| usize::try_from(n).expect("a count"));
    let (mut server, upstream) = Upstream::connected(database).await;
    let mut begun = 0;
    while begun < count {
        let mut batch = Vec::new();
        while batch.len() < BATCH && begun < count {
            begun += 1;
            let mut code = program(&format!("g{begun}"), &mut random);
            if begun <= BATCH {
                code.insert_str(0, WORK);
            }
            batch.push((server.submit(&code).await, code));
        }
        let mut pauses = 0;
        while let Some(pending) = all_paused(&server, &batch).await {
            pauses += 1;
            if pauses == 2 && begun <= BATCH {
                tokio::time::sleep(RELEASED).await;
            } else {
                server.kill().await;
                server.launch().await;
            }
            answer_one_each(&server, &pending, &mut random).await;
        }
        assert!(pauses > 0, "nothing was paused");
        for (task, code) in &batch {
            judge(&server, &upstream, task, code).await;
        }
    }
    assert!(
        server.log().contains("goes on from its snapshot"),
        "no program was taken up from where it rested"
    );
}

/// Waits until every task of a batch has ended or waits for a person; nothing once all have ended.
async fn all_paused(server: &Server, batch: &[(String, String)]) -> Option<Vec<Value>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (mut open, mut busy) = (Vec::new(), Vec::new());
        for (task, _) in batch {
            let state = server.task(task).await;
            if state["status"] == "waiting" {
                open.push(state);
            } else if state["finishedAt"].is_null() {
                busy.push(state);
            }
        }
        if busy.is_empty() {
            return (!open.is_empty()).then_some(open);
        }
        assert!(Instant::now() < deadline, "{busy:#?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn answer_one_each(server: &Server, waiting: &[Value], random: &mut Random) {
    for state in waiting {
        let approvals = state["approvals"].as_array().expect("a list");
        let pending: Vec<&Value> = approvals
            .iter()
            .filter(|a| a["status"] == "pending")
            .collect();
        let chosen = pending[random.below(pending.len())];
        let verdict = ["approve", "approve", "approve", "approve", "deny"][random.below(5)];
        let id = chosen["id"].as_str().expect("an approval has an id");
        let reply = server
            .send(
                "POST",
                &format!("/approvals/{id}/{verdict}"),
                Some(&json!({})),
            )
            .await;
        // A program that goes on by a timer may have ended since, and withdrawn the question.
        let withdrawn = reply.status == 409 && reply.body["code"] == "already_resolved";
        assert!(reply.status == 200 || withdrawn, "{reply:#?}");
    }
}

async fn judge(server: &Server, upstream: &Upstream, task: &str, code: &str) {
    let state = server.task(task).await;
    assert_eq!(state["status"], "completed", "{state:#}\n{code}");
    let logged: Vec<Value> = server
        .logs(task)
        .await
        .iter()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(
        json!(logged),
        state["result"],
        "{task} saw other things:\n{code}"
    );
    for seen in &logged {
        let name = seen[1].as_str().unwrap_or_default();
        // One more for each time that a person said, after a kill, to send it again.
        let approvals = state["approvals"].as_array().expect("a list");
        let yeses = approvals
            .iter()
            .filter(|a| a["arguments"]["name"] == name && a["status"] == "approved")
            .count();
        let (least, most) = match (seen[0].as_str(), seen[2].as_str()) {
            (Some("wrote"), _) => (1, yeses),
            (Some("refused"), Some("outcome_unknown")) => (0, yeses),
            (Some("refused"), _) => (0, 0),
            (_, _) => continue,
        };
        let created = upstream.created(name);
        assert!(
            (least..=most).contains(&created),
            "{name} was sent {created} times, with {yeses} approvals:\n{code}\n{state:#}"
        );
    }
}
