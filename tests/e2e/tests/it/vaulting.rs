//! Keys that change while the server serves: no call fails meanwhile, what was sealed opens, and the
//! key before opens nothing any more.

use crate::database::Database;
use crate::fleet::Fleet;
use crate::keeping::{change, number};
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

on_both_databases!(
    keys_change_under_load_and_no_call_fails,
    a_change_that_was_interrupted_is_finished_at_the_next_start,
    a_ciphertext_moved_to_another_row_opens_nowhere,
);

const READ: &str = "return (await tools.ledger.items.listItems()).items.length";

/// Calls that use the credential, until they are told to stop; how many there were.
async fn calling(server: &Server, stop: &AtomicBool) -> usize {
    let mut calls = 0;
    while !stop.load(Ordering::Relaxed) {
        let task = server.run(READ).await;
        assert_eq!(task["status"], "completed", "{task:#}\n{}", server.log());
        calls += 1;
    }
    calls
}

async fn keys_change_under_load_and_no_call_fails(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let hook = json!({ "url": format!("{}/hook", upstream.base_url()), "allowPrivate": true });
    server.post("/webhooks", hook).await;
    let browser = json!({
        "endpoint": "https://push.example/a",
        "keys": {
            // Of RFC 8291, appendix A.
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx\
                       aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
    });
    server.post("/push/subscriptions", browser).await;
    let push_key = server.get("/push/key").await;
    server
        .cli(&["audit", "checkpoint", "--json"])
        .await
        .exits(0);
    let file = server.data().join("master.key");
    let first = std::fs::read_to_string(&file).expect("a key");
    let before = server.get("/vault").await;
    let stop = AtomicBool::new(false);
    let rotated = async {
        for _ in 0..3 {
            server
                .cli(&["vault", "rotate", "--generate"])
                .await
                .exits(0)
                .says(&["the new master key is in"]);
            server
                .cli(&["vault", "rotate", "--data-key"])
                .await
                .exits(0);
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (calls, ()) = tokio::join!(calling(&server, &stop), rotated);
    assert!(calls > 0);
    let after = server.get("/vault").await;
    assert_ne!(before["masterKey"], after["masterKey"]);
    assert_eq!(after["dataKey"]["version"], 4, "{after:#}");
    let deadline = Instant::now() + PATIENCE;
    while server.get("/vault").await["dataKey"]["resealing"] == true {
        assert!(Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let old = "select (select count(*) from credentials where sealed not like 'k4.%')
        + (select count(*) from webhooks where secret not like 'k4.%')
        + (select count(*) from push_key where sealed not like 'k4.%')
        + (select count(*) from push_subscriptions where sealed not like 'k4.%')
        + (select count(*) from audit_keys where sealed not like 'k4.%')";
    assert_eq!(number(&server, old), 0);
    assert_eq!(number(&server, "select count(*) from audit_keys"), 1);
    assert_eq!(number(&server, "select count(*) from push_key"), 1);
    assert_eq!(server.get("/push/key").await, push_key);
    server.stop().await;
    let last = std::fs::read_to_string(&file).expect("a key");
    assert_ne!(first, last);
    // The key before opens nothing any more, and says so.
    std::fs::write(&file, &first).expect("written");
    server
        .launch_refused()
        .await
        .says(&["the master key is not the one"]);
    std::fs::write(&file, &last).expect("written");
    server.launch().await;
    assert_eq!(server.value(READ).await, 1);
    let told = server.get("/audit?action=vault.").await.to_string();
    assert!(told.contains("master_key_rotated") && told.contains("data_key_rotated"));
    assert!(!told.contains(last.trim()), "no key is in the audit chain");
    let verified = server.get("/audit/verify").await;
    assert_eq!(
        verified["intact"], true,
        "the signing key opens: {verified:#}"
    );
    server
        .cli(&["audit", "checkpoint", "--json"])
        .await
        .exits(0);
}

async fn a_change_that_was_interrupted_is_finished_at_the_next_start(database: Database) {
    let (mut server, _upstream) = Upstream::connected(database).await;
    let file = server.data().join("master.key");
    let beside = server.data().join("master.key.next");
    let first = std::fs::read_to_string(&file).expect("a key");
    // The command has put the new key beside and told the server, and then died.
    let next = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    std::fs::write(&beside, format!("{next}\n")).expect("written");
    server
        .post("/vault/master-key", json!({ "key": next }))
        .await;
    server.kill().await;
    server.launch().await;
    assert_eq!(server.value(READ).await, 1);
    assert_eq!(std::fs::read_to_string(&file).expect("a key").trim(), next);
    assert!(!beside.exists());
    // Or died before it told the server: the key in use stays.
    std::fs::write(&beside, &first).expect("written");
    server.kill().await;
    server.launch().await;
    assert_eq!(server.value(READ).await, 1);
    assert_eq!(std::fs::read_to_string(&file).expect("a key").trim(), next);
    for (key, why) in [(next, "already in use"), ("AAAA", "is shorter")] {
        let body = json!({ "key": key });
        let refused = server.send("POST", "/vault/master-key", Some(&body)).await;
        assert_eq!(refused.status, 422, "{refused:#?}");
        assert!(
            refused.body["title"].to_string().contains(why),
            "{refused:#?}"
        );
    }
}

/// Of several servers one is told; the other takes the new keys over while it serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_take_keys_over_from_each_other() {
    let fleet = Fleet::start(2, &[]).await;
    let [one, two] = fleet.servers.as_slice() else {
        panic!("two servers");
    };
    let stop = AtomicBool::new(false);
    let next = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let rotated = async {
        one.post("/vault/master-key", json!({ "key": next })).await;
        one.post("/vault/data-key", json!({})).await;
        let set = json!({ "source": "ledger", "value": fleet.upstream.token() });
        // Sealed by one with the new data key, opened by the other.
        one.post("/credentials", set.clone()).await;
        two.value(READ).await;
        // And the other way around.
        two.post("/credentials", set).await;
        one.value(READ).await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(calling(two, &stop), rotated);
    // A server that starts with the key before is refused; with the new one it serves.
    let mut third = fleet.prepare(&[]);
    third
        .launch_refused()
        .await
        .says(&["the master key is not the one"]);
    third = fleet.prepare(&[("EXECUTOR_MASTER_KEY", next)]);
    third.launch().await;
    assert_eq!(third.value(READ).await, 1);
}

async fn a_ciphertext_moved_to_another_row_opens_nowhere(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let add = json!({ "url": format!("{}/openapi.json", upstream.base_url()),
        "name": "second", "allowPrivate": true });
    server.post("/sources", add).await;
    let set = json!({ "source": "second", "value": "a-token-of-the-second" });
    server.post("/credentials", set).await;
    assert_eq!(server.value(READ).await, 1);
    let swap = "create table swapped as
          select id, (select max(o.sealed) from credentials o where o.id <> c.id) as sealed
          from credentials c;
        update credentials
          set sealed = (select s.sealed from swapped s where s.id = credentials.id);
        drop table swapped";
    change(&server, swap);
    let read = |source: &str| format!("return await tools.{source}.items.listItems()");
    for source in ["ledger", "second"] {
        let task = server.run(&read(source)).await;
        assert_eq!(task["status"], "failed", "{source}: {task:#}");
    }
    let sent = upstream.received();
    let leaked = sent
        .iter()
        .filter(|r| r.header("authorization") == Some("Bearer a-token-of-the-second"));
    assert_eq!(leaked.count(), 0, "neither value went anywhere");
    // Put back, both open: it was the place that was wrong.
    change(&server, swap);
    assert_eq!(server.value(READ).await, 1);
}
