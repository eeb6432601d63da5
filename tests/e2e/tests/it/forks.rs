//! Tasks that go on from another one's record, and tasks that are found by what stands in them: the
//! record decides what is sent again, which is nothing.

use crate::database::Database;
use crate::people::text;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    a_fork_is_answered_as_its_task_was_and_sends_the_rest,
    another_way_is_noticed_before_anything_is_sent,
    tasks_are_found_by_their_words,
);

const PROGRAM: &str = "const seen = await tools.ledger.items.listItems();
const told = { at: Date.now(), luck: Math.random() };
await tools.ledger.items.createItem({ name: 'fork', amount: 1 });
return told;";

const NOTHING: [String; 0] = [];

fn reads(upstream: &Upstream) -> usize {
    upstream.received().len() - upstream.writes()
}

async fn a_fork_is_answered_as_its_task_was_and_sends_the_rest(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let id = server.submit(PROGRAM).await;
    server.approve(&server.pending(1).await[0]).await;
    let first = server.finished(&id).await;
    assert_eq!(first["status"], "completed", "{first:#}");
    assert_eq!(upstream.writes(), 1);
    let reads_before = reads(&upstream);
    let path = format!("/tasks/{id}/fork");
    let fork = server.post(&path, json!({ "fromCall": 2 })).await;
    assert_eq!(fork["forkedFrom"], json!({ "taskId": id, "fromCall": 2 }));
    server.approve(&server.pending(1).await[0]).await;
    let second = server.finished(&text(&fork["id"])).await;
    // What it read was not read again; the same clock and the same luck.
    assert_eq!(second["result"], first["result"], "{second:#}");
    assert_eq!(reads(&upstream), reads_before);
    assert_eq!(upstream.writes(), 2);
    let calls = server.calls(&text(&fork["id"])).await;
    assert_eq!(calls[0]["sentAt"], Value::Null, "{calls:#?}");
    assert!(calls[1]["sentAt"].is_string(), "{calls:#?}");
    // All that it gave at its end is there to go on from, and a fork of a fork goes on as well.
    let path = format!("/tasks/{}/fork", text(&fork["id"]));
    let third = server.post(&path, json!({ "fromCall": 3 })).await;
    let third = server.finished(&text(&third["id"])).await;
    assert_eq!(third["result"], first["result"], "{third:#}");
    assert_eq!(upstream.writes(), 2);
}

async fn another_way_is_noticed_before_anything_is_sent(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let id = server.submit(PROGRAM).await;
    server.approve(&server.pending(1).await[0]).await;
    server.finished(&id).await;
    let sent = upstream.received().len();
    let path = format!("/tasks/{id}/fork");
    let fork = |body: Value| {
        let (server, path) = (&server, path.as_str());
        async move { server.send("POST", path, Some(&body)).await }
    };
    let other = "await tools.ledger.items.createItem({ name: 'fork', amount: 1 });";
    let reply = fork(json!({ "fromCall": 2, "code": other })).await;
    let ended = server.finished(&text(&reply.body["id"])).await;
    assert_eq!(ended["error"]["code"], "replay_diverged", "{ended:#}");
    assert_eq!(upstream.received().len(), sent);
    // The control: the same calls with another end.
    let same = PROGRAM.replace("return told", "return 'mended'");
    let reply = fork(json!({ "fromCall": 3, "code": same })).await;
    let ended = server.finished(&text(&reply.body["id"])).await;
    assert_eq!(ended["result"], "mended", "{ended:#}");
    assert_eq!(upstream.received().len(), sent);
    for (call, code) in [(0, "invalid_call"), (4, "invalid_call")] {
        let reply = fork(json!({ "fromCall": call })).await;
        assert_eq!((reply.status, &reply.body["code"]), (422, &json!(code)));
    }
    // A call that was never answered is nothing to go on from.
    let waiting = server.submit(PROGRAM).await;
    server.pending(1).await;
    let path = format!("/tasks/{waiting}/fork");
    let reply = server
        .send("POST", &path, Some(&json!({ "fromCall": 3 })))
        .await;
    assert_eq!(
        (reply.status, &reply.body["code"]),
        (409, &json!("no_outcome"))
    );
}

async fn tasks_are_found_by_their_words(database: Database) {
    let server = Server::start(database).await;
    let program = server.submit("// Ünlike 50% of_them\nreturn 1").await;
    let failed = server.submit("throw new Error('a Quaint failure')").await;
    server.finished(&program).await;
    server.finished(&failed).await;
    let found = |words: &'static str| {
        let server = &server;
        async move {
            let page = server.get(&format!("/tasks?q={words}")).await;
            let ids = page["items"].as_array().expect("tasks").iter();
            ids.map(|task| text(&task["id"])).collect::<Vec<_>>()
        }
    };
    assert_eq!(
        found("LIKE%20of_them").await,
        std::slice::from_ref(&program)
    );
    assert_eq!(found("50%25").await, std::slice::from_ref(&program));
    // A sign of patterns stands for itself.
    assert_eq!(found("5%25").await, NOTHING);
    assert_eq!(found("of-them").await, NOTHING);
    assert_eq!(found("quaint").await, std::slice::from_ref(&failed));
    assert_eq!(found("quaint%20like").await, NOTHING);
    let id = server.get(&format!("/tasks?q={}", &failed[..20])).await;
    assert_eq!(id["items"][0]["id"], failed.as_str());
    let long = server
        .send("GET", &format!("/tasks?q={}", "x".repeat(201)), None)
        .await;
    assert_eq!(
        (long.status, &long.body["code"]),
        (422, &json!("invalid_search"))
    );
}
