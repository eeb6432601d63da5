//! What a source asks in the middle of a call: it reaches whoever runs the task and nobody else, with
//! the source's name on it; it survives a crash where the protocol lets it; and secrets are not asked
//! for in forms.

use crate::api::items;
use crate::binary;
use crate::database::Database;
use crate::people::Person;
use crate::server::{PATIENCE, Server, free_port};
use crate::stream::{Event, Stream};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::process::Child;

on_both_databases!(
    a_question_reaches_the_tasks_owner_and_nobody_else,
    a_no_is_passed_on_and_what_must_not_be_asked_is_not,
    a_question_of_a_server_that_keeps_nothing_outlives_a_crash,
    a_question_that_a_server_waited_with_ends_with_the_connection,
);

fn script() -> String {
    binary::root()
        .join("tests/node/mcp_asking.mjs")
        .display()
        .to_string()
}

/// A server of the protocol's own library, over its input and output, whose tools may be called.
pub(crate) async fn asking(database: Database) -> Server {
    let server = Server::start(database).await;
    let new = json!({ "name": "asking", "command": ["node", script()] });
    let source = server.post("/sources", new).await;
    assert_eq!(source["status"], "ready", "{source:#}");
    allow(&server).await;
    server
}

async fn allow(server: &Server) {
    let tools = json!({ "tools": ["asking.**"] });
    let rule = json!({ "effect": "allow", "match": tools });
    server.post("/policies", rule).await;
}

/// The one question that is pending, once the task waits for nothing else.
pub(crate) async fn question(server: &Server, task: &str) -> Value {
    server.task_until(task, |t| t["status"] == "waiting").await;
    let asked = server.pending(1).await.remove(0);
    assert_eq!(asked["question"], "input", "{asked:#}");
    asked
}

pub(crate) async fn answer(server: &Server, asked: &Value, content: Value) -> crate::api::Reply {
    let path = format!("/approvals/{}/answer", asked["id"].as_str().expect("an id"));
    let body = json!({ "content": content, "digest": asked["digest"] });
    server.send("POST", &path, Some(&body)).await
}

async fn a_question_reaches_the_tasks_owner_and_nobody_else(database: Database) {
    let server = asking(database).await;
    let admin = Person::add(&server, "Ada", "admin").await;
    let task = server.submit("return await tools.asking.greet()").await;
    let asked = question(&server, &task).await;
    let input = &asked["input"];
    assert_eq!(input["source"], "asking", "its origin is named: {asked:#}");
    assert_eq!(
        (&input["live"], &asked["request"]),
        (&json!(true), &Value::Null)
    );
    let part = &input["parts"][0];
    assert_eq!(part["message"], "Who is it for?");
    let fields = &part["schema"]["properties"];
    assert_eq!(
        fields["size"]["oneOf"][1],
        json!({ "const": "large", "title": "Large" })
    );
    let path = |what: &str| format!("/approvals/{}/{what}", asked["id"].as_str().expect("an id"));
    // Neither another's key, whatever the role, nor one's own; and a yes is no answer.
    let content = json!({ "content": { "name": "Mallory" } });
    let to_answer = path("answer");
    let other = server
        .send_as(Some(&admin.key), "POST", &to_answer, Some(&content))
        .await;
    assert!([403, 409].contains(&other.status), "{other:?}");
    let yes = server
        .send("POST", &path("approve"), Some(&json!({})))
        .await;
    assert_eq!(
        (yes.status, &yes.body["code"]),
        (409, &json!("not_this_question")),
        "{yes:?}"
    );
    for wrong in [
        json!({}),
        json!({ "name": "Ada", "count": 10 }),
        json!({ "name": "A", "x": 1 }),
    ] {
        let refused = answer(&server, &asked, wrong).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (422, &json!("invalid_answer"))
        );
    }
    let id = asked["id"].as_str().expect("an id");
    let shown = server.cli(&["approvals", "show", id]).await;
    assert!(
        shown.out.contains("the source asking asks you"),
        "{shown:?}"
    );
    let said = [
        "approvals",
        "answer",
        id,
        "--field",
        "name=Ada",
        "--field",
        "count=3",
    ];
    let said = server.cli(&said).await;
    assert_eq!(said.code, 0, "{said:?}");
    let ended = server.finished(&task).await;
    assert_eq!(
        ended["result"],
        json!({ "answer": { "action": "accept", "content": { "name": "Ada", "count": 3 } } }),
        "{ended:#}"
    );
    let answered = server.get(&format!("/approvals/{id}")).await;
    assert_eq!(
        (&answered["status"], &answered["answer"]),
        (&json!("approved"), &json!("answer"))
    );
    let again = answer(&server, &asked, json!({ "name": "Eve" })).await;
    assert_eq!(
        (again.status, &again.body["code"]),
        (409, &json!("already_resolved"))
    );
}

async fn a_no_is_passed_on_and_what_must_not_be_asked_is_not(database: Database) {
    let server = asking(database).await;
    // A no reaches the server as one.
    let task = server.submit("return await tools.asking.greet()").await;
    let asked = question(&server, &task).await;
    server.deny(&asked, "not mine to say").await;
    let ended = server.finished(&task).await;
    assert_eq!(
        ended["result"],
        json!({ "answer": { "action": "decline" } }),
        "{ended:#}"
    );
    // A secret is asked of nobody, and the task says so; how far a call is is told, too.
    let task = server.run("return await tools.asking.steal()").await;
    assert_eq!(
        task["result"],
        json!({ "answer": { "action": "decline" } }),
        "{task:#}"
    );
    let said = news(&server, &task).await;
    assert!(
        said.iter()
            .any(|line| line.contains("refused") && line.contains("apiKey")),
        "{said:?}"
    );
    let task = server.run("return await tools.asking.work()").await;
    assert_eq!(task["result"], "worked", "{task:#}");
    let said = news(&server, &task).await;
    assert!(
        said.iter().any(|line| line.contains("of 50: step")),
        "{said:?}"
    );
    assert!(said.len() < 50, "not every step is kept: {said:?}");
    assert!(items(&server.get("/approvals?status=pending").await).is_empty());
    // An administrator may take the right to ask away: then the server is not told that it has it.
    let silenced = server
        .cli(&["sources", "edit", "asking", "--may-ask", "no", "--json"])
        .await;
    assert_eq!(silenced.json()["mayAsk"], false, "{silenced:?}");
    let task = server.run("return await tools.asking.greet()").await;
    assert_ne!(task["result"]["answer"]["action"], "accept", "{task:#}");
    assert!(items(&server.get("/approvals?status=pending").await).is_empty());
}

/// What was told of a task's calls. A line may be kept a moment after the task has ended.
async fn news(server: &Server, task: &Value) -> Vec<String> {
    let id = task["id"].as_str().expect("an id");
    let me = server.get("/me").await;
    let workspace = me["workspace"]["id"].as_str().expect("an id");
    let mut events =
        Stream::open(server, &format!("/workspaces/{workspace}/events"), Some(0)).await;
    let of_task = |e: &Event| e.data["type"] == "progress" && e.data["taskId"] == id;
    let found = events.until(of_task).await;
    let lines = found.iter().filter(|e| of_task(e));
    lines
        .map(|e| e.data["data"]["text"].as_str().expect("a text").to_owned())
        .collect()
}

/// The server of 2026, on a port of its own.
pub(crate) async fn stateless(server: &Server) -> (u16, Child) {
    let port = free_port();
    let mut command = binary::command(&PathBuf::from("node"), &server.scratch(""));
    command.arg(script()).arg(port.to_string());
    let child = command.spawn().expect("node starts");
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .is_err()
    {
        assert!(Instant::now() < deadline, "it does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (port, child)
}

async fn a_question_of_a_server_that_keeps_nothing_outlives_a_crash(database: Database) {
    let mut server = Server::start(database).await;
    let (port, _child) = stateless(&server).await;
    let url = format!("http://127.0.0.1:{port}/mcp");
    let new = json!({ "url": url, "name": "asking", "allowPrivate": true });
    let source = server.post("/sources", new).await;
    assert_eq!(source["status"], "ready", "{source:#}");
    allow(&server).await;
    let task = server.submit("return await tools.asking.greet()").await;
    let asked = question(&server, &task).await;
    assert_eq!(asked["input"]["live"], false, "{asked:#}");
    assert!(
        !asked.to_string().contains("the-state"),
        "the server's own state is nobody's"
    );
    server.kill().await;
    server.launch().await;
    let still = question(&server, &task).await;
    assert_eq!(still["id"], asked["id"]);
    let answered = answer(&server, &still, json!({ "name": "Ada", "size": "small" })).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    let ended = server.finished(&task).await;
    assert_eq!(
        ended["result"],
        json!({ "state": "the-state",
            "answer": { "action": "accept", "content": { "name": "Ada", "size": "small" } } }),
        "{ended:#}"
    );
    // Answered with a no as well; and asked and done exactly as often as that.
    let task = server.submit("return await tools.asking.greet()").await;
    let asked = question(&server, &task).await;
    server.deny(&asked, "").await;
    let ended = server.finished(&task).await;
    assert_eq!(
        ended["result"]["answer"],
        json!({ "action": "decline" }),
        "{ended:#}"
    );
    let counts = server.value("return await tools.asking.counts()").await;
    assert_eq!(counts, json!({ "asked": 2, "done": 2 }));
}

async fn a_question_that_a_server_waited_with_ends_with_the_connection(database: Database) {
    let mut server = asking(database).await;
    let code = "try { return await tools.asking.greet() } catch (e) { return e.code }";
    let task = server.submit(code).await;
    let asked = question(&server, &task).await;
    server.kill().await;
    server.launch().await;
    // Nobody knows what became of the call, so a person is asked that instead.
    let deadline = Instant::now() + PATIENCE;
    let about = loop {
        let pending = items(&server.get("/approvals?status=pending").await);
        match pending.as_slice() {
            [one] if one["question"] == "send_again" => break one.clone(),
            _ => assert!(Instant::now() < deadline, "{pending:#?}\n{}", server.log()),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let late = answer(&server, &asked, json!({ "name": "Ada" })).await;
    assert_eq!(
        (late.status, &late.body["code"]),
        (409, &json!("already_resolved")),
        "{late:?}"
    );
    server.deny(&about, "").await;
    let ended = server.finished(&task).await;
    assert_eq!(ended["result"], "outcome_unknown", "{ended:#}");
    // A task that ends takes its question with it, and the server is told that nobody answers.
    let task = server.submit("return await tools.asking.greet()").await;
    let asked = question(&server, &task).await;
    server
        .post(&format!("/tasks/{task}/cancel"), json!({}))
        .await;
    server.finished(&task).await;
    let gone = server
        .get(&format!(
            "/approvals/{}",
            asked["id"].as_str().expect("an id")
        ))
        .await;
    assert_eq!(gone["status"], "withdrawn", "{gone:#}");
}
