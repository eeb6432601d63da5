//! API keys: shown once, kept as a digest, refused in equal words, rotated without a gap; through
//! HTTP, MCP, stdio and the command line, and never good for a decision.

use crate::database::Database;
use crate::people::{Person, key, text};
use crate::server::{PATIENCE, Server, client};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both_databases!(
    a_key_is_shown_once_and_never_kept,
    what_does_not_work_is_refused_in_equal_words,
    a_rotation_leaves_no_gap,
    a_key_decides_nothing,
    a_key_makes_none_that_outlives_it,
    keys_work_through_every_door,
);

async fn a_key_is_shown_once_and_never_kept(database: Database) {
    let mut server = Server::start(database).await;
    let me = text(&server.get("/me").await["accountId"]);
    let (id, secret) = key(&server, "ci", &me).await;
    let bits = secret.strip_prefix("exk_").expect("the prefix");
    assert!(bits.len() >= 43, "256 bits: {secret}");
    let (_, second) = key(&server, "ci", &me).await;
    assert_ne!(secret, second);
    for (name, value) in [
        ("authorization", format!("Bearer {secret}")),
        ("authorization", format!("bearer {secret}")),
        ("x-api-key", secret.clone()),
    ] {
        let request = client()
            .get(format!("{}/api/v1/me", server.url()))
            .header(name, value);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{name}");
    }
    let listed = server.get("/keys").await;
    assert!(!listed.to_string().contains(bits), "{listed:#}");
    let listed = listed["items"].as_array().expect("keys").clone();
    let ours = listed
        .iter()
        .find(|k| k["id"] == json!(id))
        .expect("the key");
    assert_eq!(ours["status"], "active");
    // What it begins with tells it from others that were found somewhere, and opens nothing.
    let prefix = text(&ours["prefix"]);
    assert!(secret.starts_with(&prefix) && !second.starts_with(&prefix));
    assert_eq!(prefix.len(), "exk_".len() + 8, "32 of 256 bits");
    let alone = server.send_as(Some(&prefix), "GET", "/me", None).await;
    assert_eq!(alone.status, 401, "{alone:#?}");
    let shown = server.cli(&["keys", "list"]).await.exits(0);
    assert!(shown.out.contains(&format!("{prefix}…")), "{shown:?}");
    assert!(ours["lastUsedAt"].is_string(), "{ours:#}");
    // Whoever is found on the connection does not matter once a key is sent.
    let task = server
        .send_as(
            Some(&secret),
            "POST",
            "/tasks",
            Some(&json!({ "code": "return 1" })),
        )
        .await;
    let task = text(&task.body["id"]);
    server.finished(&task).await;
    let entries = server.get(&format!("/audit?subject={id}")).await;
    assert_eq!(entries["items"][0]["action"], "key.created");
    server.stop().await;
    assert!(!server.log().contains(bits), "the log tells the secret");
    for place in std::fs::read_dir(server.data()).expect("it reads") {
        let path = place.expect("a file").path();
        if path.is_file() {
            let kept = std::fs::read(&path).expect("it reads");
            let found = kept.windows(bits.len()).any(|w| w == bits.as_bytes());
            assert!(!found, "{} holds the secret", path.display());
        }
    }
}

async fn what_does_not_work_is_refused_in_equal_words(database: Database) {
    let server = Server::start(database).await;
    let ada = Person::add(&server, "Ada", "member").await;
    let revoked = key(&server, "revoked", &ada.id).await;
    server
        .send("DELETE", &format!("/keys/{}", revoked.0), None)
        .await;
    let expiring = server
        .cli(&[
            "keys",
            "create",
            "brief",
            "--member",
            &ada.id,
            "--expires",
            "2s",
        ])
        .await
        .exits(0);
    let expiring = expiring.out.trim().to_owned();
    let works = server.send_as(Some(&expiring), "GET", "/me", None).await;
    assert_eq!(works.status, 200, "{works:#?}");
    let deadline = Instant::now() + PATIENCE;
    while server
        .send_as(Some(&expiring), "GET", "/me", None)
        .await
        .status
        == 200
    {
        assert!(Instant::now() < deadline, "the key does not expire");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let unknown = format!("exk_{}", "0".repeat(64));
    let mut told = Vec::new();
    for bad in [revoked.1.as_str(), &expiring, &unknown, "exk_", "sk-other"] {
        let mut reply = server.send_as(Some(bad), "GET", "/me", None).await;
        assert_eq!(reply.status, 401, "{reply:#?}");
        reply.body["requestId"] = Value::Null;
        told.push(reply.body);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:#?}");
    let listed = server.get("/keys").await;
    let statuses: Vec<(String, String)> = listed["items"]
        .as_array()
        .expect("keys")
        .iter()
        .map(|k| (text(&k["name"]), text(&k["status"])))
        .collect();
    let expected = [("Ada", "active"), ("brief", "expired")]
        .map(|(name, status)| (name.to_owned(), status.to_owned()));
    assert_eq!(statuses, expected);
}

async fn a_rotation_leaves_no_gap(database: Database) {
    let server = Server::start(database).await;
    let ada = Person::add(&server, "Ada", "member").await;
    let rotate = format!("/keys/{}/rotate", ada.key_id);
    let works = |secret: String| {
        let server = &server;
        async move {
            server
                .send_as(Some(&secret), "GET", "/me", None)
                .await
                .status
                == 200
        }
    };
    let made = ada.send(&server, "POST", &rotate, Some(&json!({}))).await;
    assert_eq!(made.status, 200, "{made:#?}");
    assert_eq!(made.body["key"]["id"], json!(ada.key_id));
    assert!(made.body["key"]["previousUntil"].is_string());
    let second = text(&made.body["secret"]);
    assert!(works(second.clone()).await && works(ada.key.clone()).await);
    let made = server.post(&rotate, json!({ "overlapMs": 60_000 })).await;
    let third = text(&made["secret"]);
    assert!(works(third.clone()).await && works(second.clone()).await);
    assert!(
        !works(ada.key.clone()).await,
        "only the one before works on"
    );
    let made = server.post(&rotate, json!({ "overlapMs": 0 })).await;
    assert!(works(text(&made["secret"])).await);
    assert!(!works(third).await && !works(second).await);
    let long = json!({ "overlapMs": 31_u64 * 24 * 3_600_000 });
    let refused = server.send("POST", &rotate, Some(&long)).await;
    assert_eq!(refused.status, 422, "{refused:#?}");
}

async fn a_key_decides_nothing(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let me = text(&server.get("/me").await["accountId"]);
    let (_, own) = key(&server, "own", &me).await;
    let ada = Person::add(&server, "Ada", "admin").await;
    // Named by the rule, in person; a key of the person is still a program.
    let rule = json!({
        "effect": "ask", "match": { "tools": ["ledger.**"] },
        "ask": { "approvers": [ada.id, me] },
    });
    server.post("/policies", rule).await;
    let code = "return (await tools.ledger.items.createItem({ name: 'x', amount: 1 })).name";
    let task = server.submit(code).await;
    let asked = server.pending(1).await.remove(0);
    let id = text(&asked["id"]);
    for held in [&own, &ada.key] {
        for verdict in ["approve", "deny"] {
            let path = format!("/approvals/{id}/{verdict}");
            let reply = server
                .send_as(Some(held), "POST", &path, Some(&json!({})))
                .await;
            assert_eq!(reply.status, 403, "{reply:#?}");
        }
        let link = server
            .send_as(Some(held), "POST", "/sign-in-links", Some(&json!({})))
            .await;
        assert_eq!(link.status, 403, "nor a way to sign in: {link:#?}");
    }
    let ran = server
        .cli(&["--api-key", &own, "approvals", "approve", &id])
        .await;
    ran.exits(7).says(&["neither an API key"]);
    assert_eq!(upstream.writes(), 0);
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["status"], "completed");
}

async fn a_key_makes_none_that_outlives_it(database: Database) {
    let server = Server::start(database).await;
    let ada = Person::add(&server, "Ada", "member").await;
    let brief = server
        .cli(&[
            "keys",
            "create",
            "brief",
            "--member",
            &ada.id,
            "--expires",
            "1h",
            "--scope",
            "run,read,keys",
            "--json",
        ])
        .await
        .exits(0)
        .json();
    let secret = text(&brief["secret"]);
    let new = json!({ "name": "lasting" });
    let made = server
        .send_as(Some(&secret), "POST", "/keys", Some(&new))
        .await;
    assert_eq!(made.status, 201, "{made:#?}");
    assert_eq!(made.body["key"]["expiresAt"], brief["key"]["expiresAt"]);
    let free = ada.send(&server, "POST", "/keys", Some(&new)).await;
    assert!(free.body["key"]["expiresAt"].is_null(), "{free:#?}");
    let other =
        json!({ "name": "of another", "member": text(&server.get("/me").await["accountId"]) });
    let refused = ada.send(&server, "POST", "/keys", Some(&other)).await;
    assert_eq!(refused.status, 403, "{refused:#?}");
}

async fn keys_work_through_every_door(database: Database) {
    let server = Server::start(database).await;
    let ada = Person::add(&server, "Ada", "member").await;
    // The command line.
    let run = ["--api-key", &ada.key, "run", "-e", "return 6 * 7", "--json"];
    let ran = server.cli(&run).await.exits(0).json();
    assert_eq!(ran["result"], 42);
    let task = server.task(&text(&ran["taskId"])).await;
    assert_eq!(task["requestedBy"], json!(ada.id));
    let wrong = ["--api-key", "exk_wrong", "tasks", "list"];
    server.cli(&wrong).await.exits(7).says(&["API key"]);
    // MCP over stdio, in front of the same server.
    let said = [
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "a test", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "execute", "arguments": { "code": "return 7" } } }),
    ];
    let lines: String = said.iter().map(|message| format!("{message}\n")).collect();
    let spoke = server
        .cli_with(&["--api-key", &ada.key, "mcp"], Some(&lines))
        .await
        .exits(0);
    let answers: Vec<Value> = spoke
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("a message"))
        .collect();
    let done = answers
        .iter()
        .find(|message| message["id"] == 1)
        .unwrap_or_else(|| panic!("no answer: {spoke:#?}"));
    let done = &done["result"]["structuredContent"];
    assert_eq!(done["result"], 7, "{done:#}");
    let task = server.task(&text(&done["taskId"])).await;
    assert_eq!(
        (&task["requestedBy"], &task["channel"]),
        (&json!(ada.id), &json!("mcp"))
    );
    // MCP over HTTP.
    let post = |secret: &str| {
        let request = client()
            .post(format!("{}/mcp", server.url()))
            .header("accept", "application/json, text/event-stream")
            .bearer_auth(secret)
            .json(&said[0]);
        async move { request.send().await.expect("an answer") }
    };
    assert_eq!(post(&ada.key).await.status(), 200);
    let refused = post("exk_wrong").await;
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("www-authenticate"));
}
