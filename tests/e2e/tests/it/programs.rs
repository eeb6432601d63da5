//! Programs from the command line: values, errors with the lines of the TypeScript, logs as they
//! happen, and every exit code.

use crate::database::Database;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

on_both_databases!(
    typed_code_returns_its_value,
    a_syntax_error_names_line_and_column,
    a_thrown_error_names_the_line_of_the_typescript,
    numbers_pass_unchanged,
    logs_arrive_while_the_program_runs,
    every_exit_code,
);

const TYPED: &str = r#"
interface Point { x: number; y: number }
type Named<T> = T & { name: string };
enum Color { Red = 1, Green }
const points: Array<Named<Point>> = [{ x: 1, y: 2, name: "a" }, { x: 3, y: 4, name: "b" }];
const sum = <T extends Point>(all: readonly T[]): number =>
  all.reduce((total, p) => total + p.x * p.y, 0);
console.log("typed", Color.Green satisfies number);
return { sum: sum(points), color: Color[2], names: points.map((p) => p.name as string) };
"#;

async fn typed_code_returns_its_value(database: Database) {
    let server = Server::start(database).await;
    let file = server.scratch("typed.ts");
    std::fs::write(&file, TYPED).expect("the file is written");
    let expected = json!({ "sum": 14, "color": "Green", "names": ["a", "b"] });

    let plain = server
        .cli(&["run", file.to_str().expect("UTF-8")])
        .await
        .exits(0);
    assert_eq!(
        plain.json(),
        expected,
        "stdout is the result and nothing else"
    );
    assert!(
        plain.err.contains("typed 2"),
        "logs go to stderr: {plain:#?}"
    );

    let shown = server
        .cli_with(&["run", "-", "--json"], Some(TYPED))
        .await
        .exits(0)
        .json();
    assert_eq!(shown["status"], "completed");
    assert_eq!(shown["result"], expected);
    assert!(
        shown["taskId"]
            .as_str()
            .expect("an id")
            .starts_with("task_")
    );
    assert!(shown["logs"].to_string().contains("typed 2"), "{shown:#}");
    assert_eq!(shown.get("error"), Some(&Value::Null), "{shown:#}");
}

async fn a_syntax_error_names_line_and_column(database: Database) {
    let server = Server::start(database).await;
    let code = "const a: number = 1;\nconst b = ;\nreturn a + b;\n";
    let reply = server
        .send("POST", "/tasks", Some(&json!({ "code": code })))
        .await;
    assert!((400..500).contains(&reply.status), "{reply:#?}");
    assert_eq!(reply.content_type, "application/problem+json");
    assert_eq!(reply.body["code"], "syntax_error", "{reply:#?}");
    assert_eq!(reply.body["details"]["line"], 2, "{reply:#?}");
    assert_eq!(reply.body["details"]["column"], 11, "{reply:#?}");

    let shown = server
        .cli(&["run", "-e", code])
        .await
        .exits(1)
        .says(&["2:11", "const b = ;"]);
    assert!(shown.out.is_empty(), "no result on stdout: {shown:#?}");
    let shown = server
        .cli(&["run", "-e", code, "--json"])
        .await
        .exits(1)
        .json();
    assert_eq!(shown["error"]["code"], "syntax_error", "{shown:#}");
    assert_eq!(shown["error"]["line"], 2, "{shown:#}");
    let tasks = server.get("/tasks").await;
    assert_eq!(tasks["items"], json!([]), "nothing ran");
}

async fn a_thrown_error_names_the_line_of_the_typescript(database: Database) {
    let server = Server::start(database).await;
    // Everything above the throw vanishes or grows in the emitted code.
    let code = "interface Wide {\n  a: string;\n  b: number;\n}\ntype Alias = Wide | null;\n\
                enum Level {\n  Low,\n  High,\n}\n\
                function check(level: Level): never {\n  throw new RangeError(`too ${Level[level]}`);\n}\n\
                declare const unused: Alias;\ncheck(Level.High);\n";
    let task = server.run(code).await;
    assert_eq!(task["status"], "failed");
    let error = &task["error"];
    assert_eq!(error["line"], 11, "{task:#}");
    assert!(
        error["message"]
            .as_str()
            .expect("a message")
            .contains("too High"),
        "{task:#}"
    );
    let stack = error["stack"].as_str().unwrap_or_default();
    assert!(
        stack.contains("11") && stack.contains("14"),
        "the stack has both lines: {task:#}"
    );

    server
        .cli(&["run", "-e", code])
        .await
        .exits(1)
        .says(&["too High", "11"]);
}

async fn numbers_pass_unchanged(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let allow = json!({ "effect": "allow", "match": { "tools": ["ledger.items.createItem"] } });
    server.post("/policies", allow).await;
    let code = "const numbers = [0.9229443084327925, 5e-324, 1.7976931348623157e308, 1e21, 0.1 + 0.2];\n\
                for (let i = 0; i < 500; i++) numbers.push(Math.random() / 3, Math.random() * 1e15);\n\
                for (const amount of numbers.slice(0, 20)) {\n\
                  const made = await tools.ledger.items.createItem({ name: String(amount), amount });\n\
                  if (made.amount !== amount) throw new Error(`${amount} came back as ${made.amount}`);\n\
                }\n\
                return numbers.map((n) => [n, String(n)]);";
    let shown = server.cli(&["run", "-e", code]).await.exits(0).json();
    let pairs = shown.as_array().expect("a list");
    assert_eq!(pairs.len(), 1005);
    for pair in pairs {
        let exact: f64 = pair[1]
            .as_str()
            .and_then(|t| t.parse().ok())
            .expect("a number");
        assert_eq!(pair[0].as_f64(), Some(exact), "{pair}");
    }
    for request in upstream.received() {
        let sent: Value = serde_json::from_slice(&request.body).expect("JSON");
        let exact: f64 = sent["name"]
            .as_str()
            .and_then(|t| t.parse().ok())
            .expect("a number");
        assert_eq!(sent["amount"].as_f64(), Some(exact), "{sent}");
    }
}

async fn logs_arrive_while_the_program_runs(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = "console.log('before the call');\nconst held = await tools.ledger.probe.held();\n\
                console.warn('after the call');\nreturn held;";
    let mut command = server.command();
    command.args(["run", "-e", code]);
    let mut child = command.spawn().expect("the command starts");
    let mut told = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();

    upstream.arrived(1).await;
    loop {
        let line = tokio::time::timeout(Duration::from_secs(30), told.next_line()).await;
        let line = line
            .expect("a log line comes while the call is held")
            .expect("stderr reads");
        let line = line.expect("stderr is open while the program runs");
        assert!(!line.contains("after the call"));
        if line.contains("before the call") {
            break;
        }
    }
    assert!(
        child.try_wait().expect("it can be asked").is_none(),
        "the program still runs"
    );

    upstream.release();
    let mut result = String::new();
    let mut stdout = child.stdout.take().expect("stdout is piped");
    stdout
        .read_to_string(&mut result)
        .await
        .expect("stdout reads");
    assert_eq!(
        serde_json::from_str::<Value>(&result).expect("JSON"),
        json!({ "held": true })
    );
    let mut after = false;
    while let Some(line) = told.next_line().await.expect("stderr reads") {
        after |= line.contains("after the call");
    }
    assert!(after, "the second log line is shown too");
    assert!(child.wait().await.expect("it ends").success());
}

async fn every_exit_code(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let deny = json!({ "effect": "deny", "match": { "tools": ["ledger.items.deleteItem"] } });
    server.post("/policies", deny).await;

    server.cli(&["run", "-e", "return 1"]).await.exits(0);
    server
        .cli(&["run", "-e", "throw new Error('no')"])
        .await
        .exits(1);
    server
        .cli(&["run", "--no-such-flag"])
        .await
        .exits(2)
        .says(&["--no-such-flag"]);
    server.cli(&["no-such-command"]).await.exits(2);
    let denied = "return await tools.ledger.items.deleteItem({ id: '1' })";
    let shown = server
        .cli(&["run", "-e", denied, "--json"])
        .await
        .exits(3)
        .json();
    assert_eq!(shown["status"], "denied", "{shown:#}");
    let slow = "await new Promise((go) => setTimeout(go, 600000)); return 1";
    let shown = server
        .cli(&["run", "-e", slow, "--timeout", "1s", "--json"])
        .await
        .exits(4)
        .json();
    assert_eq!(shown["status"], "timed_out", "{shown:#}");

    let mut command = server.command();
    command.args(["run", "-e", slow]);
    let running = command.spawn().expect("the command starts");
    let task = loop {
        let tasks = server.get("/tasks?status=running").await;
        if let Some(id) = tasks["items"][0]["id"].as_str() {
            break id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    server.cli(&["tasks", "cancel", &task]).await.exits(0);
    let ended = running.wait_with_output().await.expect("it ends");
    assert_eq!(ended.status.code(), Some(5), "{ended:?}");

    let nowhere = format!("http://127.0.0.1:{}", crate::server::free_port());
    server
        .cli(&["run", "-e", "return 1", "--server", &nowhere])
        .await
        .exits(6)
        .says(&[&nowhere]);
    let key = ["run", "-e", "return 1", "--api-key", "exk_nobody"];
    server.cli(&key).await.exits(7);
    assert_eq!(upstream.writes(), 0, "nothing denied was sent");
}
