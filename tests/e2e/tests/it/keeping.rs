//! What is kept, how large it is, and when it goes: large values once, results read on, ended tasks
//! for as long as their workspace says.

use crate::database::Database;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both_databases!(
    the_same_large_value_is_stored_once,
    a_large_result_is_read_whole_from_the_command_line,
    what_has_outlived_its_time_goes_and_nothing_else,
);

/// Runs SQL behind the server's back; answers the texts it selects.
pub(crate) fn texts(server: &Server, sql: &str) -> Vec<String> {
    match &server.database.url {
        Some(url) => std::thread::scope(|threads| {
            let read = threads.spawn(|| {
                let mut client =
                    postgres::Client::connect(url, postgres::NoTls).expect("a connection");
                let rows = client.query(sql, &[]).expect("rows");
                rows.iter().map(|row| row.get(0)).collect()
            });
            read.join().expect("the database answers")
        }),
        None => {
            let file = rusqlite::Connection::open(crate::record::database_file(server))
                .expect("the file opens");
            let mut read = file.prepare(sql).expect("the statement is right");
            let rows = read.query_map([], |row| row.get(0)).expect("rows");
            rows.map(|row| row.expect("a text")).collect()
        }
    }
}

/// Runs SQL behind the server's back; answers the number it selects.
pub(crate) fn number(server: &Server, sql: &str) -> i64 {
    match &server.database.url {
        Some(url) => std::thread::scope(|threads| {
            let read = threads.spawn(|| {
                let mut client =
                    postgres::Client::connect(url, postgres::NoTls).expect("a connection");
                client.query_one(sql, &[]).expect("one row").get(0)
            });
            read.join().expect("the database answers")
        }),
        None => rusqlite::Connection::open(crate::record::database_file(server))
            .expect("the file opens")
            .query_row(sql, [], |row| row.get(0))
            .expect("one row"),
    }
}

/// Changes something behind the server's back.
pub(crate) fn change(server: &Server, sql: &str) {
    match &server.database.url {
        Some(url) => std::thread::scope(|threads| {
            let changed = threads.spawn(|| {
                let mut client =
                    postgres::Client::connect(url, postgres::NoTls).expect("a connection");
                client.batch_execute(sql).expect("changed");
            });
            changed.join().expect("the database answers");
        }),
        None => rusqlite::Connection::open(crate::record::database_file(server))
            .expect("the file opens")
            .execute_batch(sql)
            .expect("changed"),
    }
}

async fn the_same_large_value_is_stored_once(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let code = "let total = 0;\n\
                for (let i = 0; i < 10; i++) total += (await tools.ledger.faults.large({ megabytes: 1 })).length;\n\
                return total;";
    let task = server.run(code).await;
    assert_eq!(task["result"], 10 << 20, "{task:#}");
    let stored = "select cast(sum(bytes) as bigint) from stored_values";
    assert_eq!(number(&server, stored), (1 << 20) + 2, "ten answers, once");
    let in_rows = "select cast(sum(length(outcome)) as bigint) from calls";
    assert!(number(&server, in_rows) < 2_000);

    // A list says how large a value is and how it begins; one call has it whole.
    let id = task["id"].as_str().expect("an id");
    let calls = server.calls(id).await;
    assert_eq!(calls[9]["result"]["$leftOut"], true, "{:#}", calls[9]);
    assert_eq!(calls[9]["result"]["bytes"], (1 << 20) + 2);
    let call = server.get(&format!("/tasks/{id}/calls/10")).await;
    assert_eq!(call["result"].as_str().map(str::len), Some(1 << 20));
    let none = server
        .send("GET", &format!("/tasks/{id}/calls/11"), None)
        .await;
    assert_eq!(
        (none.status, &none.body["code"]),
        (404, &json!("not_found"))
    );
}

async fn a_large_result_is_read_whole_from_the_command_line(database: Database) {
    let server = Server::start(database).await;
    let ran = server
        .cli(&["run", "-e", "return 'é€'.repeat(500_000)"])
        .await
        .exits(0);
    ran.says(&["executor tasks result task_"]);
    let tasks = server.get("/tasks").await;
    let listed = &tasks["items"][0];
    let id = listed["id"].as_str().expect("an id").to_owned();
    assert_eq!(listed["result"]["bytes"], 2_500_002, "{listed:#}");
    let expected = format!("\"{}\"", "é€".repeat(500_000));
    let file = server.scratch("result.json");
    let path = file.to_str().expect("a path");
    server
        .cli(&["tasks", "result", &id, "--out", path])
        .await
        .exits(0)
        .says(&["2500002 bytes"]);
    assert_eq!(std::fs::read_to_string(&file).expect("written"), expected);
    let printed = server.cli(&["tasks", "result", &id]).await.exits(0).json();
    assert_eq!(printed.as_str().map(str::len), Some(2_500_000));

    // Over 4 KiB but within the limit, a list leaves it out and the task has it.
    let task = server.run("return 'x'.repeat(10_000)").await;
    assert_eq!(task["result"].as_str().map(str::len), Some(10_000));
    let tasks = server.get("/tasks").await;
    assert_eq!(tasks["items"][0]["result"]["$leftOut"], true, "{tasks:#}");
    let failed = server.run("throw new Error('no')").await;
    let id = failed["id"].as_str().expect("an id");
    server
        .cli(&["tasks", "result", id])
        .await
        .exits(1)
        .says(&["has no result: it is failed"]);
}

async fn what_has_outlived_its_time_goes_and_nothing_else(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let large =
        "console.log('said'); return (await tools.ledger.faults.large({ megabytes: 1 })).length";
    let old = server.run(large).await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let young = server.run("return 'young'").await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let waiting = server
        .submit("return (await tools.ledger.items.createItem({ name: 'later', amount: 1 })).name")
        .await;
    let asked = server.pending(1).await.remove(0);
    let me = server.get("/me").await;
    let workspace = me["workspace"]["id"].as_str().expect("an id").to_owned();
    // Two hundred days are longer than the hundred that the first task will be old.
    let set = |days: u32| json!({ "retentionDays": days });
    let kept = server
        .send("PATCH", "/workspace/settings", Some(&set(200)))
        .await;
    assert_eq!(kept.body["retentionDays"], 200, "{kept:#?}");
    let many = server
        .send("PATCH", "/workspace/settings", Some(&set(9_999)))
        .await;
    assert_eq!(many.body["code"], "invalid_retention", "{many:#?}");
    server.stop().await;
    // As if a hundred days had gone by for the first task and the waiting one.
    let ago = 100_i64 * 24 * 3_600_000;
    change(
        &server,
        &format!(
            "update tasks set finished_at = finished_at - {ago} where id = '{old}';
             update tasks set created_at = created_at - {ago} where id = '{waiting}';
             update stored_values set kept_at = kept_at - {ago};"
        ),
    );
    server.launch().await;
    // It looks two seconds after its start.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(server.task(&old).await["result"], 1 << 20);
    let shown = server
        .cli(&["workspaces", "settings", "--retention-days", "90", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(shown["retentionDays"], 90, "{shown:#}");
    server.stop().await;
    server.launch().await;
    let deadline = Instant::now() + PATIENCE;
    while server
        .send("GET", &format!("/tasks/{old}"), None)
        .await
        .status
        != 404
        || number(&server, "select count(*) from stored_values") != 0
    {
        assert!(Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for table in ["calls", "handles", "value_holders", "events"] {
        let left = format!("select count(*) from {table} where task_id = '{old}'");
        assert_eq!(number(&server, &left), 0, "{table}");
    }
    assert_eq!(server.task(&young).await["result"], "young");
    let verified = server.get("/audit/verify").await;
    assert_eq!(verified["intact"], true, "{verified:#}");

    // A stream cannot go on from before what went, and says so.
    let path = format!("/workspaces/{workspace}/events?after=0");
    let gone: Value = server.send("GET", &path, None).await.body;
    assert_eq!(gone["code"], "events_removed", "{gone:#}");
    assert_eq!(gone["status"], 410, "{gone:#}");

    server.approve(&asked).await;
    assert_eq!(server.finished(&waiting).await["result"], "later");
    assert_eq!(upstream.created("later"), 1);
}
