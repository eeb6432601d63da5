//! Programs that ask for too much of everything (R04, R08, R10, R11): each ends by a reason that
//! names the limit, its value and how to raise it, and the server goes on for everybody else.

use crate::database::Database;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

/// Whether an error says which limit it was and who may raise it.
fn names(error: &Value, code: &str, words: &[&str]) {
    assert_eq!(error["code"], code, "{error:#}");
    let message = error["message"].as_str().or(error["detail"].as_str());
    let said = format!(
        "{} {}",
        message.unwrap_or_default(),
        error["title"].as_str().unwrap_or_default()
    );
    for word in words {
        assert!(said.contains(word), "{word:?} is missing: {error:#}");
    }
}

/// R08: refused at a stated limit, before anything reads it as a program.
#[tokio::test]
async fn sources_that_are_too_large_are_refused() {
    let server = Server::start(Database::sqlite()).await;
    for code in [
        "return 1;".to_owned() + &" ".repeat(50 << 20),
        format!("return '{}'", "x".repeat(10 << 20)),
        format!("return '{}'", "x".repeat(300 << 10)),
        "1;".repeat(1_000_000),
        format!("return {}1", "`${1}`+".repeat(100_000)),
    ] {
        let reply = server
            .send("POST", "/tasks", Some(&json!({ "code": code })))
            .await;
        match reply.status {
            // More than any request may have.
            413 => assert_eq!(reply.body["code"], "body_too_large", "{reply:#?}"),
            _ => names(&reply.body, "source_too_large", &["limit source", "262144"]),
        }
    }
    assert_eq!(
        server.get("/tasks").await["items"],
        json!([]),
        "nothing was begun"
    );
    let large = format!("return '{}'.length", "x".repeat(250 << 10));
    assert_eq!(server.value(&large).await, 250 << 10);
}

/// R04, R10: what is too large ends the program by name; what has no JSON is an error.
#[tokio::test]
async fn results_and_logs_that_flood_end_by_name() {
    let server = Server::start(Database::sqlite()).await;
    for (code, status, expected, words) in [
        (
            "return 'x'.repeat(5e8)",
            "failed",
            "memory_limit",
            ["memory", "67108864"],
        ),
        (
            "return 'x'.repeat(12e6)",
            "failed",
            "result_limit",
            ["result", "10485760"],
        ),
        (
            "for (;;) console.log('x'.repeat(1000))",
            "failed",
            "log_limit",
            ["log", "1048576"],
        ),
        (
            "const a: any[] = []; for (;;) a.push(a)",
            "failed",
            "memory_limit",
            ["memory", "administrator"],
        ),
    ] {
        let task = server.run(code).await;
        assert_eq!(task["status"], status, "{code}: {task:#}");
        names(&task["error"], expected, &words);
    }
    for code in ["const a: any = {}; a.a = a; return a", "return 10n"] {
        let task = server.run(code).await;
        assert_eq!(task["status"], "failed", "{code}: {task:#}");
        assert_eq!(task["error"]["code"], "thrown", "{task:#}");
    }
    for (code, shown) in [
        (
            "const a = []; a[3] = 1; return a",
            json!([null, null, null, 1]),
        ),
        (
            "return Object.keys({ ...new Uint8Array(3) }).length",
            json!(3),
        ),
        (
            "const o: any = {}; for (let i = 0; i < 1e5; i++) o['k' + i] = 1; return Object.keys(o).length",
            json!(100_000),
        ),
    ] {
        assert_eq!(server.value(code).await, shown, "{code}");
    }
    assert_eq!(server.value("return 1").await, 1, "the server goes on");
}

/// R11: calls beyond the limits reject in the program, and nothing of them leaves.
#[tokio::test]
async fn a_flood_of_calls_stays_within_its_limits() {
    let (server, upstream) = Upstream::connected(Database::sqlite()).await;
    let before = upstream.received().len();
    let code = "
        const all = await Promise.allSettled(Array.from({ length: 1e4 }, () => tools.ledger.items.listItems()));
        const refused = all.filter((r) => r.status === 'rejected').map((r: any) => r.reason);
        const messages = new Set(refused.map((e) => e.code + ': ' + e.message));
        let more = 0, last: any;
        try { for (;;) { await tools.ledger.items.listItems(); more++; } } catch (e) { last = e; }
        return { passed: all.length - refused.length, messages: [...messages], more, last: last.code + ': ' + last.message };";
    let task = server.run(code).await;
    assert_eq!(task["status"], "completed", "{task:#}");
    let result = &task["result"];
    assert_eq!(result["passed"], 32, "{result:#}");
    assert_eq!(result["more"], 968, "{result:#}");
    for (said, words) in [
        (&result["messages"][0], ["32", "callsInFlight"]),
        (&result["last"], ["1000", "administrator"]),
    ] {
        let said = said.as_str().expect("a sentence");
        assert!(said.starts_with("call_limit_exceeded: "), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    assert_eq!(
        upstream.received().len() - before,
        1_000,
        "no more have left"
    );
}
